// SPDX-License-Identifier: BSD-3-Clause
// What it costs to add a flow record to its key: ns a record, for keys that are there and for new
// ones, and the memory of a million keys. The floor copies the bytes that make the key and hashes
// them, record by record: what no aggregation can do without.

#include "aggregate.h"
#include "bench.h"

#define XXH_INLINE_ALL
#include <inttypes.h>
#include <unistd.h>
#include <xxhash.h>

#define SLICE 100000u
#define SLICES 30u
#define TARGET_KEYS 1000000u
#define TARGET_MIB 512

static double resident_mib(void) {
	long pages = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (f == NULL || fscanf(f, "%ld %ld", &pages, &resident) != 2)
		resident = 0;
	if (f != NULL)
		fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGE_SIZE) / (1 << 20);
}

// A browser's flow, of which the server, its name and the client differ.
struct flow {
	struct ht_record r;
	uint8_t client[16], server[16];
	char sni[40];
};

static void prepare(struct flow *f) {
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct ht_record *const r = &f->r;
	memcpy(f->client, mapped, sizeof(mapped));
	memcpy(f->server, mapped, sizeof(mapped));
	r->has = 0;
	r->ts_is_ns = false;
	ht_set(r, record, "flow");
	ht_set(r, ts, 1763686800123456000);
	ht_set(r, src_ip, f->client);
	ht_set(r, src_port, 53124);
	ht_set(r, dst_ip, f->server);
	ht_set(r, dst_port, 443);
	ht_set(r, transport, "tcp");
	ht_set(r, protocol, "tls");
	ht_set(r, start, 1763686800000000000);
	ht_set(r, end, 1763686800123456000);
	ht_set(r, flow_part, 1);
	ht_set(r, c2s_packets, 12);
	ht_set(r, c2s_bytes, 2345);
	ht_set(r, c2s_ip_bytes, 2177);
	ht_set(r, s2c_packets, 20);
	ht_set(r, s2c_bytes, 23456);
	ht_set(r, s2c_ip_bytes, 23176);
	ht_set(r, hellos, 1);
	ht_set(r, incomplete_hellos, 0);
	ht_set(r, hello_len, 1787);
	ht_set(r, alpn, HT_SPAN_STR("\x02h2\x08http/1.1"));
	ht_set(r, tls_version, "TLS 1.3");
	ht_set(r, ja4, HT_SPAN_STR("t13d1516h2_8daaf6152771_d8a2da3f94cd"));
}

// The flow to server `key`, of some client.
static void to(struct flow *f, uint32_t key) {
	const uint32_t client = (uint32_t)(rnd() >> 44);
	memcpy(f->client + 12, &client, 4);
	memcpy(f->server + 12, &key, 4);
	memcpy(f->sni, "static-00000000.content.example.com", 35);
	ht_hex(f->sni + 7, f->server + 12, 4);
	ht_set(&f->r, sni, HT_SPAN(f->sni, 35));
}

// What the default key of such a record is made of, one behind the other.
static uint64_t floor_of(const struct flow *f, uint8_t key[128]) {
	const struct ht_record *const r = &f->r;
	uint8_t *p = mempcpy(key, r->dst_ip, 16);
	p = mempcpy(p, &r->dst_port, 2);
	p = mempcpy(p, r->sni.p, r->sni.len);
	p = mempcpy(p, r->alpn.p, r->alpn.len);
	p = mempcpy(p, r->ja4.p, r->ja4.len);
	p = mempcpy(p, &r->c2s_packets, 8);
	p = mempcpy(p, &r->s2c_bytes, 8);
	return XXH3_64bits(key, (size_t)(p - key));
}

static void drop(void *user, const struct ht_record *r) {
	*(uint64_t *)user += r->flows;
}

static double measure_floor(struct flow *f, uint32_t keys) {
	double best = 1e18;
	uint64_t sum = 0;
	uint8_t key[128];
	for (unsigned n = 0; n < SLICES; n++) {
		const double begun = cpu_of_all();
		for (unsigned i = 0; i < SLICE; i++) {
			to(f, (uint32_t)(rnd() % keys));
			sum += floor_of(f, key);
		}
		const double took = (cpu_of_all() - begun) / SLICE;
		best = took < best ? took : best;
	}
	return sum == 0 ? 0 : best;
}

// The same without the copy and the hash: what making the records costs.
static double measure_making(struct flow *f, uint32_t keys) {
	double best = 1e18;
	for (unsigned n = 0; n < SLICES; n++) {
		const double begun = cpu_of_all();
		for (unsigned i = 0; i < SLICE; i++) {
			to(f, (uint32_t)(rnd() % keys));
			__asm__ volatile("" : : "r"(f) : "memory");
		}
		const double took = (cpu_of_all() - begun) / SLICE;
		best = took < best ? took : best;
	}
	return best;
}

static void measure(struct flow *f, uint32_t keys, uint32_t max_keys) {
	uint64_t flows = 0;
	const struct ht_aggregate_params p = {
		.window_s = 3600,
		.max_keys = max_keys,
		.memory_mib = 320,
		.clients_mib = 64,
		.secret = {rnd(), rnd()},
		.emit = drop,
		.user = &flows,
	};
	const double making = measure_making(f, keys);
	const double floor_ns = measure_floor(f, keys) - making;
	const double before = resident_mib();
	struct ht_aggregate *a = ht_aggregate_new(&p);
	need(a != NULL, "no memory");
	double begun = cpu_of_all();
	for (uint32_t i = 0; i < keys; i++) {
		to(f, i);
		ht_aggregate_add(a, &f->r);
	}
	const double fresh = (cpu_of_all() - begun) / keys - making;
	double best = 1e18, sum = 0;
	for (unsigned n = 0; keys <= max_keys && n < SLICES; n++) {
		begun = cpu_of_all();
		for (unsigned i = 0; i < SLICE; i++) {
			to(f, (uint32_t)(rnd() % keys));
			ht_aggregate_add(a, &f->r);
		}
		const double took = (cpu_of_all() - begun) / SLICE - making;
		best = took < best ? took : best;
		sum += took / SLICES;
	}
	const double resident = resident_mib() - before;
	begun = cpu_of_all();
	ht_aggregate_finish(a);
	const double told = cpu_of_all() - begun;
	const uint64_t *const c = ht_aggregate_counts(a);
	need(flows == c[HT_AGGREGATE_RECORDS], "the sums are not those of the flows");
	printf("aggregate %7u keys, cap %7u: new %.0f ns", keys, max_keys, fresh);
	if (keys <= max_keys)
		printf(", there %.0f ns (mean %.0f), %.2f M/s, %.1f x the floor of %.0f ns", best,
		       sum, 1e3 / best, best / floor_ns, floor_ns);
	if (keys <= max_keys)
		printf(" (target 3 M/s: %s)", 1e3 / best >= 3 ? "met" : "missed");
	if (keys == TARGET_KEYS)
		printf("; target %d MiB: %s", TARGET_MIB,
		       resident <= TARGET_MIB ? "met" : "missed");
	printf("; %.0f MiB; told in %.0f ms, %.0f ns a record; %" PRIu64 " folded\n", resident,
	       told / 1e6, told / (double)c[HT_AGGREGATE_TOLD], c[HT_AGGREGATE_FOLDED]);
	ht_aggregate_free(a);
}

int main(void) {
	static struct flow f;
	prepare(&f);
	measure(&f, 1000, 1 << 20);
	measure(&f, 30000, 1 << 20);
	measure(&f, TARGET_KEYS, 1 << 20);
	measure(&f, 4000000, 1 << 18); // keys without end: all but the cap is folded
	return 0;
}
