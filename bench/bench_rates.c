// SPDX-License-Identifier: BSD-3-Clause
// What it costs to look at a hello record for floods and fingerprints: ns a hello, beside a plain
// loop over the same records, which makes them and reads what the keys are made of. A million
// hellos a second of the frames' time. And the store of fingerprints: what its copy takes, which
// holds up the thread that exports.

#include "bench.h"
#include "rates.h"

#define XXH_INLINE_ALL
#include <inttypes.h>
#include <xxhash.h>

#define SLICE 100000u
#define SLICES 30u
#define TARGET_NS 100

struct hello {
	struct ht_record r;
	uint8_t client[16], server[16];
	char sni[40], ja4[40];
	uint64_t number;
};

// What differs between the hellos: of so many each. 0: all are random.
struct mix {
	const char *name;
	uint32_t clients, servers, names, fingerprints;
};

static void prepare(struct hello *h) {
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct ht_record *const r = &h->r;
	memcpy(h->client, mapped, sizeof(mapped));
	memcpy(h->server, mapped, sizeof(mapped));
	memcpy(h->sni, "static-00000000.content.example.com", 35);
	memcpy(h->ja4, "t13d1516h2_00000000ffff_d8a2da3f94cd", 36);
	r->has = 0;
	r->ts_is_ns = false;
	ht_set(r, record, "hello");
	ht_set(r, src_ip, h->client);
	ht_set(r, dst_ip, h->server);
	ht_set(r, complete, true);
	ht_set(r, sni, HT_SPAN(h->sni, 35));
	ht_set(r, ja4, HT_SPAN(h->ja4, 36));
}

static uint32_t one_of(uint32_t num) {
	return num == 0 ? (uint32_t)(rnd() >> 24) : (uint32_t)(rnd() >> 32) % num;
}

static void next(struct hello *h, const struct mix *m) {
	const uint32_t client = one_of(m->clients), server = one_of(m->servers),
		       name = one_of(m->names), print = one_of(m->fingerprints);
	ht_put_be32(h->client + 12, client * 37); // up to 7 in a network
	ht_put_be32(h->server + 12, server);
	ht_hex(h->sni + 7, (const uint8_t *)&name, 4);
	ht_hex(h->ja4 + 11, (const uint8_t *)&print, 4);
	ht_set(&h->r, ts, 1763686800000000000 + (int64_t)h->number++ * 1000);
}

static uint64_t floor_of(const struct hello *h) {
	const struct ht_record *const r = &h->r;
	uint64_t v[2];
	memcpy(v, r->src_ip + 8, 8);
	memcpy(v + 1, r->dst_ip + 8, 8);
	return v[0] + v[1] + r->sni.len + r->sni.p[r->sni.len - 1] + r->ja4.p[0] + (uint64_t)r->ts;
}

static void drop(void *user, const struct ht_record *r) {
	(void)r;
	++*(uint64_t *)user;
}

static struct ht_rates *make(uint64_t *events) {
	struct ht_rates_params p = {.secret = {rnd(), rnd()}, .emit = drop, .user = events};
	for (unsigned i = 0; i < ht_rates_options.num; i++) {
		const struct ht_option *const o = &ht_rates_options.options[i];
		if (o->type == HT_OPTION_U32 || o->type == HT_OPTION_CHOICE)
			memcpy((char *)&p + o->offset, &o->def, sizeof(o->def));
	}
	struct ht_rates *const r = ht_rates_new(&p);
	need(r != NULL, "no memory");
	return r;
}

// ns a hello, of the plain loop (r == NULL) or with it: the least slice, and the mean.
static double measure(struct hello *h, const struct mix *m, struct ht_rates *r, double *mean) {
	double best = 1e18;
	uint64_t sum = 0;
	*mean = 0;
	for (unsigned n = 0; n < SLICES; n++) {
		const double begun = cpu_of_all();
		for (unsigned i = 0; i < SLICE; i++) {
			next(h, m);
			sum += floor_of(h);
			if (r != NULL)
				(void)ht_rates_add(r, &h->r);
		}
		const double took = (cpu_of_all() - begun) / SLICE;
		best = took < best ? took : best;
		*mean += took / SLICES;
	}
	return sum == 0 ? 0 : best;
}

static void bench(struct hello *h, const struct mix *m) {
	uint64_t events = 0;
	struct ht_rates *const r = make(&events);
	double mean_floor, mean;
	h->number = 0;
	const double floor_ns = measure(h, m, NULL, &mean_floor);
	h->number = 0;
	const double all = measure(h, m, r, &mean);
	ht_rates_finish(r);
	const uint64_t *const c = ht_rates_counts(r);
	need(c[HT_RATES_HELLOS] == SLICE * SLICES && ht_rates_balanced(c),
	     "not every hello was counted");
	printf("rates %-34s %5.1f ns a hello (mean %.1f), loop %.1f ns (mean %.1f), ratio %.1f, "
	       "target %d ns: %s; %" PRIu64 " floods, %.1f keys given up a hello, %" PRIu64
	       " fingerprints given up\n",
	       m->name, all - floor_ns, mean - mean_floor, floor_ns, mean_floor, all / floor_ns,
	       TARGET_NS, all - floor_ns <= TARGET_NS ? "met" : "missed", c[HT_RATES_FLOODS],
	       (double)c[HT_RATES_EVICTED] / (SLICE * SLICES), c[HT_RATES_FORGOTTEN]);
	ht_rates_free(r);
}

static void bench_store(struct hello *h) {
	static const struct mix m = {.clients = 100000, .servers = 1, .names = 1};
	uint64_t events = 0;
	struct ht_rates *const r = make(&events);
	for (unsigned i = 0; i < 300000; i++) {
		next(h, &m);
		(void)ht_rates_add(r, &h->r);
	}
	double first = 0, best = 1e18;
	for (unsigned n = 0; n < 10; n++) {
		const double begun = cpu_of_all();
		uint8_t *const p = malloc(ht_rates_pack_size(r));
		need(p != NULL, "no memory");
		ht_rates_pack(r, p);
		const double took = cpu_of_all() - begun;
		first = n == 0 ? took : first;
		best = took < best ? took : best;
		free(p);
	}
	printf("rates store of %zu bytes: copied in %.1f ms, the first time in %.1f ms\n",
	       ht_rates_pack_size(r), best / 1e6, first / 1e6);
	ht_rates_free(r);
}

int main(void) {
	static struct hello h;
	static const struct mix mixes[] = {
		{"flood, 100 k sources, one target", 100000, 1, 1, 1},
		{"a network's own, 20 k clients", 20000, 5000, 5000, 300},
		{"a million of everything", 1000000, 1000000, 1000000, 1},
		{"all random, fingerprints too", 0, 0, 0, 0},
	};
	prepare(&h);
	for (unsigned i = 0; i < HT_ARRAY_LEN(mixes); i++)
		bench(&h, &mixes[i]);
	bench_store(&h);
	return 0;
}
