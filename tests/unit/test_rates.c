// SPDX-License-Identifier: BSD-3-Clause

#include "rates_int.h"
#include "t.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MS 1000000ll
#define T0 (1763686800 * HT_NS_PER_S)

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t rnd(void) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

// ---- what was told

struct told {
	char kind[20], by[12], state[8], key[64];
	int64_t ts, start, end;
	uint64_t rate, peak, hellos, clients, duration_us;
	int64_t first_seen, last_seen;
	unsigned prefix;
};

struct run {
	struct ht_rates_params p;
	struct ht_rates *r;
	struct told told[4096];
	unsigned num;
};

static void put_ip(char *out, const uint8_t ip[16]) {
	if (ht_ip_is_v4(ip))
		sprintf(out, "%u.%u.%u.%u", ip[12], ip[13], ip[14], ip[15]);
	else
		*ht_hex(out, ip, 16) = '\0';
}

static void put_text(char out[64], struct ht_span s) {
	const size_t n = s.len < 63 ? s.len : 63;
	memcpy(out, s.p, n);
	out[n] = '\0';
}

static void take(void *user, const struct ht_record *r) {
	struct run *const run = user;
	assert_in_range(run->num, 0, HT_ARRAY_LEN(run->told) - 1);
	struct told *const t = &run->told[run->num++];
	*t = (struct told){.ts = r->ts};
	assert_string_equal(r->record, "event");
	const ht_fieldset needed = HT_HAS(record) | HT_HAS(ts) | HT_HAS(kind) | HT_HAS(severity);
	assert_true((r->has & needed) == needed);
	assert_true((r->has & ~ht_kind_fields(HT_KIND_EVENT)) == 0);
	strcpy(t->kind, r->kind);
	if (r->has & HT_HAS(flood_by))
		strcpy(t->by, r->flood_by);
	if (r->has & HT_HAS(flood_state))
		strcpy(t->state, r->flood_state);
	if (strcmp(t->by, "destination") == 0)
		put_ip(t->key, r->dst_ip);
	else if (strcmp(t->by, "source") == 0)
		put_ip(t->key, r->src_ip);
	else if (strcmp(t->by, "sni") == 0)
		put_text(t->key, r->sni);
	else
		put_text(t->key, r->has & HT_HAS(ja3) ? r->ja3 : r->ja4);
#define GET(to, field) t->to = r->has & HT_HAS(field) ? r->field : 0
	GET(start, start);
	GET(end, end);
	GET(rate, rate);
	GET(peak, rate_peak);
	GET(hellos, hellos);
	GET(clients, clients);
	GET(duration_us, duration_us);
	GET(first_seen, first_seen);
	GET(last_seen, last_seen);
	GET(prefix, src_prefix);
#undef GET
}

// The defaults of the table, and no fingerprints.
static struct run *new_run(void) {
	struct run *const run = calloc(1, sizeof(*run));
	assert_non_null(run);
	for (unsigned i = 0; i < ht_rates_options.num; i++) {
		const struct ht_option *const o = &ht_rates_options.options[i];
		if (o->type == HT_OPTION_U32 || o->type == HT_OPTION_CHOICE)
			memcpy((char *)&run->p + o->offset, &o->def, sizeof(o->def));
	}
	run->p.fingerprints = HT_RATES_NONE;
	run->p.secret[0] = rnd();
	run->p.secret[1] = rnd();
	run->p.emit = take;
	run->p.user = run;
	return run;
}

static void begin(struct run *run) {
	run->r = ht_rates_new(&run->p);
	assert_non_null(run->r);
}

static void end(struct run *run) {
	if (run->r != NULL) {
		ht_rates_finish(run->r);
		assert_true(ht_rates_balanced(ht_rates_counts(run->r)));
	}
	ht_rates_free(run->r);
	free(run);
}

static uint64_t counted(const struct run *run, enum ht_rates_counter c) {
	return ht_rates_counts(run->r)[c];
}

static unsigned told_as(const struct run *run, const char *by, const char *state) {
	unsigned n = 0;
	for (unsigned i = 0; i < run->num; i++)
		n += strcmp(run->told[i].by, by) == 0 && strcmp(run->told[i].state, state) == 0;
	return n;
}

static unsigned told_kind(const struct run *run, const char *kind) {
	unsigned n = 0;
	for (unsigned i = 0; i < run->num; i++)
		n += strcmp(run->told[i].kind, kind) == 0;
	return n;
}

// ---- hellos

struct hello {
	struct ht_record r;
	uint8_t src[16], dst[16];
	char sni[300], ja4[40], ja3[40];
};

static void v4(uint8_t ip[16], uint32_t address) {
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	memcpy(ip, mapped, sizeof(mapped));
	ht_put_be32(ip + 12, address);
}

// From one address to another, complete, without a name.
static struct hello *hello(uint32_t src, uint32_t dst, int64_t ts) {
	static struct hello h;
	h.r.has = 0;
	v4(h.src, src);
	v4(h.dst, dst);
	ht_set(&h.r, record, "hello");
	ht_set(&h.r, ts, ts);
	h.r.ts_is_ns = true;
	ht_set(&h.r, src_ip, h.src);
	ht_set(&h.r, dst_ip, h.dst);
	ht_set(&h.r, complete, true);
	return &h;
}

static void name(struct hello *h, const char *sni) {
	strcpy(h->sni, sni);
	ht_set(&h->r, sni, HT_SPAN(h->sni, strlen(sni)));
}

static void add(struct run *run, const struct hello *h) {
	(void)ht_rates_add(run->r, &h->r);
}

static uint32_t any_address(void) {
	return (uint32_t)(rnd() >> 20);
}

// `hz` hellos a second to `dst` of `sources` addresses, for `ms` from `from` on.
static int64_t
flow(struct run *run, uint32_t dst, int64_t from, int64_t ms, int64_t hz, uint32_t sources) {
	for (int64_t i = 0; i < hz * ms / 1000; i++)
		add(run, hello(0x0a000000 + (uint32_t)i % sources * 256, dst,
			       from + i * HT_NS_PER_S / hz));
	return from + ms * MS;
}

// ---- floods

static void told_within_two_seconds(void **state) {
	(void)state;
	struct run *const run = new_run();
	begin(run);
	// It begins in the middle of a slot, and is 5 % above the threshold.
	int64_t t = flow(run, 1, T0 + 1234567, 3000, 21000, 5000);
	assert_int_equal(run->num, 1);
	const struct told *const s = &run->told[0];
	assert_string_equal(s->by, "destination");
	assert_string_equal(s->state, "start");
	assert_string_equal(s->key, "0.0.0.1");
	assert_true(s->ts <= T0 + 1300 * MS);
	assert_true(s->start >= T0 && s->start <= T0 + 100 * MS);
	assert_in_range(s->rate, 20000, 21100);
	assert_in_range(s->clients, 1900, 2300); // those of the last tenth of a second
	flow(run, 1, t, 20000, 100, 1);
	assert_int_equal(run->num, 2);
	const struct told *const e = &run->told[1];
	assert_string_equal(e->state, "end");
	assert_in_range(e->peak, 20900, 21100);
	assert_in_range(e->clients, 4500, 5500);
	assert_true(e->end >= t - 100 * MS && e->end <= t + 100 * MS);
	assert_int_equal(e->duration_us, (e->end - e->start) / 1000);
	assert_true(e->ts >= t + 10 * HT_NS_PER_S && e->ts <= t + 12 * HT_NS_PER_S);
	end(run);
}

static void below_the_threshold_nothing_is_told(void **state) {
	(void)state;
	struct run *const run = new_run();
	begin(run);
	int64_t t = flow(run, 1, T0, 5000, 19800, 5000);
	// A burst, however large, that is over within a second.
	t = flow(run, 2, t, 100, 1000000, 5000);
	t = flow(run, 1, t, 5000, 1000, 10);
	ht_rates_finish(run->r);
	assert_int_equal(run->num, 0);
	run->p.flood_hold_s = 0;
	ht_rates_free(run->r);
	begin(run);
	flow(run, 2, T0, 101, 1000000, 5000);
	assert_int_equal(run->num, 1); // with no hold it is one
	end(run);
}

static void ends_when_it_has_stayed_low(void **state) {
	(void)state;
	struct run *const run = new_run();
	begin(run);
	int64_t t = flow(run, 1, T0, 3000, 40000, 500);
	t = flow(run, 1, t, 20000, 12000, 500); // above half of the threshold
	t = flow(run, 1, t, 9000, 8000, 500); // below it, not for long
	t = flow(run, 1, t, 2000, 12000, 500);
	assert_int_equal(run->num, 1);
	const int64_t low = t;
	flow(run, 1, t, 12000, 8000, 500);
	assert_int_equal(run->num, 2);
	assert_string_equal(run->told[1].state, "end");
	assert_true(run->told[1].end >= low - 100 * MS && run->told[1].end <= low + 100 * MS);
	assert_int_equal(run->told[1].start, T0);
	end(run);
}

static void peaks_are_told(void **state) {
	(void)state;
	struct run *const run = new_run();
	begin(run);
	int64_t t = flow(run, 1, T0, 3000, 30000, 500);
	t = flow(run, 1, t, 3000, 40000, 500); // not twice as much
	assert_int_equal(told_as(run, "destination", "peak"), 0);
	t = flow(run, 1, t, 3000, 70000, 500);
	assert_int_equal(told_as(run, "destination", "peak"), 1);
	assert_in_range(run->told[1].peak, 60000, 70100);
	t
		= flow(run, 1, t, 61000, 30000,
		       500); // a peak that was not told in full is, after a minute
	assert_int_equal(told_as(run, "destination", "peak"), 2);
	assert_in_range(run->told[2].peak, 69900, 70100);
	flow(run, 1, t, 61000, 30000, 500); // and once
	assert_int_equal(told_as(run, "destination", "peak"), 2);
	end(run);
}

static void ends_with_the_capture(void **state) {
	(void)state;
	struct run *const run = new_run();
	begin(run);
	const int64_t t = flow(run, 1, T0, 1500, 50000, 500);
	ht_rates_finish(run->r);
	assert_int_equal(run->num, 2);
	assert_string_equal(run->told[1].state, "end");
	assert_int_equal(run->told[1].hellos, 75000);
	assert_true(run->told[1].end <= t && run->told[1].end >= t - MS);
	assert_true(run->told[1].ts >= run->told[0].ts);
	// The next one is another, of another day.
	flow(run, 1, T0 - 86400 * HT_NS_PER_S, 1500, 50000, 500);
	assert_int_equal(run->num, 3);
	end(run);
}

static void silence_ends_it_too(void **state) {
	(void)state;
	struct run *const run = new_run();
	begin(run);
	flow(run, 1, T0, 1500, 50000, 500);
	ht_rates_tick(run->r, 5 * HT_NS_PER_S, 0);
	assert_int_equal(run->num, 1);
	ht_rates_tick(run->r, 12 * HT_NS_PER_S, 0);
	assert_int_equal(run->num, 2);
	assert_true(floods_empty(run->r));
	ht_rates_tick(run->r, INT64_MAX, 0);
	end(run);
}

static void by_network(void **state) {
	(void)state;
	struct run *const run = new_run();
	begin(run);
	for (unsigned i = 0; i < 30000; i++) { // 15000 a second, of 256 addresses, to as many
		struct hello *h
			= hello(0xc6336400 | i % 256, any_address(), T0 + i * HT_NS_PER_S / 15000);
		add(run, h);
		h = hello(0, any_address(), T0 + i * HT_NS_PER_S / 15000);
		memcpy(h->src, "\x20\x01\x0d\xb8\0\1", 6); // 2001:db8:1::/48
		memcpy(h->src + 6, &(uint64_t){rnd()}, 8);
		add(run, h);
	}
	assert_int_equal(run->num, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_string_equal(run->told[i].by, "source");
	const unsigned v4_at = run->told[0].prefix == 24 ? 0 : 1;
	assert_string_equal(run->told[v4_at].key, "198.51.100.0");
	assert_in_range(run->told[v4_at].clients, 240, 275);
	assert_int_equal(run->told[1 - v4_at].prefix, 48);
	assert_string_equal(run->told[1 - v4_at].key, "20010db8000100000000000000000000");
	ht_rates_finish(run->r);
	assert_int_equal(run->num, 4);
	assert_in_range(
		run->told[3 - v4_at].clients, 18000, 22000
	); // of 30000, those since it was one
	end(run);
}

static void by_name(void **state) {
	(void)state;
	static const char *const spellings[]
		= {"www.example.com", "WWW.example.COM", "www.example.com.", "wwW.Example.com"};
	struct run *const run = new_run();
	begin(run);
	char longer[290];
	memset(longer, 'a', sizeof(longer));
	longer[289] = '\0';
	for (unsigned i = 0; i < 30000; i++) {
		struct hello *h = hello(any_address(), any_address(), T0 + i * HT_NS_PER_S / 15000);
		name(h, spellings[i % 4]);
		add(run, h);
		name(h, longer);
		add(run, h);
		longer[288] = (char)('a' + i % 2); // two names, of which none has enough
	}
	assert_int_equal(run->num, 1);
	assert_string_equal(run->told[0].by, "sni");
	assert_string_equal(run->told[0].key, "www.example.com");
	end(run);
}

static void none_where_it_is_off(void **state) {
	(void)state;
	struct run *const run = new_run();
	run->p.flood_dst_hz = run->p.flood_src_hz = run->p.flood_sni_hz = 0;
	begin(run);
	for (unsigned i = 0; i < 200000; i++) {
		struct hello *h = hello(1, 1, T0 + i * 10000);
		name(h, "a");
		add(run, h);
	}
	assert_int_equal(run->num, 0);
	end(run);
}

// ---- against a slow model: every hello of every key, slot by slot

#define MODEL_KEYS 6
#define MODEL_SLOTS 1200

struct model {
	uint32_t in[MODEL_KEYS][MODEL_SLOTS];
	struct told told[4096];
	unsigned num;
};

static uint64_t in_window(const struct model *m, unsigned key, int slot) {
	uint64_t sum = 0;
	for (int s = slot - WINDOW + 1; s <= slot; s++)
		sum += s >= 0 ? m->in[key][s] : 0;
	return sum;
}

static void model_tell(
	struct model *m,
	unsigned key,
	const char *state,
	int slot,
	int start,
	uint64_t rate,
	uint64_t peak
) {
	struct told *const t = &m->told[m->num++];
	*t = (struct told){.ts = T0 + (slot + 1) * SLOT_NS, .start = T0 + start * SLOT_NS};
	sprintf(t->key, "0.0.0.%u", key);
	strcpy(t->state, state);
	t->rate = rate;
	t->peak = peak;
	for (int s = start; s <= slot; s++)
		t->hellos += m->in[key][s];
}

static void model_key(struct model *m, unsigned key, const struct ht_rates_params *p) {
	enum { QUIET, HELD, TOLD } at = QUIET;
	int start = 0, told_at = 0, low = -1;
	uint64_t peak = 0, told_peak = 0;
	for (int s = 0; s < MODEL_SLOTS; s++) {
		const uint64_t rate = in_window(m, key, s);
		if (at == QUIET && rate >= p->flood_dst_hz) {
			at = HELD;
			peak = 0;
			for (start = s - 9 > 0 ? s - 9 : 0;
			     m->in[key][start] * 10 < p->flood_dst_hz; start++)
				;
		}
		if (at == QUIET)
			continue;
		peak = rate > peak ? rate : peak;
		if (at == HELD && rate < p->flood_dst_hz) {
			at = QUIET;
		} else if (at == HELD && s - start >= (int)p->flood_hold_s * 10) {
			at = TOLD;
			low = -1;
			model_tell(m, key, "start", s, start, rate, told_peak = peak);
			told_at = s;
		} else if (at == TOLD) {
			if (rate * 100 >= (uint64_t)p->flood_dst_hz * p->flood_end_percent)
				low = -1;
			else if (low < 0)
				low = s;
			if (low >= 0 && s - low >= (int)p->flood_end_s * 10) {
				model_tell(m, key, "end", s, start, rate, peak);
				at = QUIET;
			} else if (peak > told_peak && (s - told_at >= (int)p->flood_peak_s * 10 || (peak >= 2 * told_peak && s - told_at >= 10))) {
				model_tell(m, key, "peak", s, start, rate, told_peak = peak);
				told_at = s;
			}
		}
	}
}

static int by_key_and_time(const void *a, const void *b) {
	const struct told *const x = a, *const y = b;
	const int keys = strcmp(x->key, y->key);
	return keys != 0 ? keys : (x->ts > y->ts) - (x->ts < y->ts);
}

static void the_same_as_a_slow_model(void **state) {
	(void)state;
	static const unsigned shares[] = {0, 30, 45, 55, 90, 110, 150, 400, 1000};
	unsigned events = 0;
	for (unsigned round = 0; round < 20; round++) {
		struct run *const run = new_run();
		struct model *const m = calloc(1, sizeof(*m));
		assert_non_null(m);
		run->p.flood_dst_hz = 200;
		run->p.flood_src_hz = 0;
		run->p.flood_hold_s = round % 4;
		run->p.flood_end_s = round % 5;
		run->p.flood_peak_s = 1 + round % 7;
		run->p.flood_end_percent = 10 + 20 * (round % 5);
		begin(run);
		unsigned share[MODEL_KEYS] = {0};
		// The last slots are empty, so that all floods end.
		for (int slot = 0; slot < MODEL_SLOTS; slot++) {
			for (unsigned k = 0; k < MODEL_KEYS; k++) {
				if (rnd() % 25 == 0)
					share[k] = shares[rnd() % HT_ARRAY_LEN(shares)];
				if (slot >= MODEL_SLOTS - 200)
					share[k] = 0;
				m->in[k][slot] = (uint32_t
				)(run->p.flood_dst_hz / 10 * share[k] / 100
				  + (share[k] > 0 ? rnd() % 3 : 0));
				for (uint32_t i = 0; i < m->in[k][slot]; i++)
					add(run, hello(i, k,
						       T0 + slot * SLOT_NS
							       + (int64_t)(rnd() % SLOT_NS)));
			}
			// A key that is never a flood, so that time goes on.
			add(run, hello(1, 99, T0 + slot * SLOT_NS));
		}
		add(run, hello(1, 99, T0 + MODEL_SLOTS * SLOT_NS));
		for (unsigned k = 0; k < MODEL_KEYS; k++)
			model_key(m, k, &run->p);
		assert_int_equal(run->num, m->num);
		qsort(run->told, run->num, sizeof(run->told[0]), by_key_and_time);
		qsort(m->told, m->num, sizeof(m->told[0]), by_key_and_time);
		for (unsigned i = 0; i < m->num; i++) {
			const struct told *const a = &run->told[i], *const b = &m->told[i];
			assert_string_equal(a->key, b->key);
			assert_string_equal(a->state, b->state);
			assert_true(a->ts == b->ts);
			assert_true(a->start == b->start);
			assert_int_equal(a->rate, b->rate);
			assert_int_equal(a->peak, b->peak);
			assert_int_equal(a->hellos, b->hellos);
		}
		events += m->num;
		free(m);
		end(run);
	}
	assert_true(events > 500);
}

// ---- who sends wants to be overlooked, or to be taken for somebody else

static void found_among_a_million_others(void **state) {
	(void)state;
	struct run *const run = new_run();
	begin(run);
	// A second and a half: a million hellos a second of as many addresses and networks, to as
	// many addresses for as many names; 25000 a second of them are to one.
	for (unsigned i = 0; i < 1500000; i++) {
		struct hello *h
			= hello(any_address(), i % 40 == 0 ? 1 : any_address() | 2,
				T0 + i * 1000ll);
		char text[32];
		sprintf(text, "%llx.example", (unsigned long long)rnd());
		name(h, text);
		add(run, h);
	}
	assert_int_equal(run->num, 1);
	assert_string_equal(run->told[0].key, "0.0.0.1");
	assert_true(run->told[0].ts <= T0 + 1200 * MS);
	assert_in_range(run->told[0].rate, 24900, 25000);
	ht_rates_finish(run->r);
	assert_in_range(run->told[1].hellos, 37000, 37500);
	assert_in_range(run->told[1].clients, 16000, 19000); // since there were 20000 in a second
	assert_true(counted(run, HT_RATES_EVICTED) > 4000000);
	assert_true(counted(run, HT_RATES_KEYS) < 4500001);
	end(run);
}

static void none_for_what_others_sent(void **state) {
	(void)state;
	struct run *const run = new_run();
	run->p.max_keys = 16;
	run->p.flood_dst_hz = 1000;
	run->p.flood_src_hz = 1000;
	begin(run);
	// Each key takes the weight of another, a hundred times the threshold.
	for (unsigned i = 0; i < 3000000; i++)
		add(run, hello(any_address(), any_address(), T0 + i * 1000ll));
	assert_true(run->r->tables[BY_DESTINATION].sets[0].weight[0] > 10000);
	assert_int_equal(run->num, 0);
	end(run);
}

static void more_floods_than_are_followed(void **state) {
	(void)state;
	struct run *const run = new_run();
	run->p.flood_dst_hz = 100;
	run->p.flood_src_hz = 0;
	run->p.max_floods = 10;
	begin(run);
	for (unsigned i = 0; i < 3 * 20 * 200; i++)
		add(run, hello(i, i % 20, T0 + i * HT_NS_PER_S / 4000));
	assert_int_equal(run->num, 10);
	assert_true(counted(run, HT_RATES_UNFOLLOWED) > 200);
	end(run);
}

static void floods_keep_their_places(void **state) {
	(void)state;
	struct run *const run = new_run();
	run->p.flood_dst_hz = 100;
	run->p.flood_src_hz = 0;
	run->p.max_keys = 16;
	begin(run);
	for (unsigned i = 0; i < 3 * 16 * 200; i++)
		add(run, hello(i, i % 16, T0 + i * HT_NS_PER_S / 3200));
	assert_int_equal(run->num, 16);
	const int64_t t = T0 + 3 * HT_NS_PER_S;
	for (unsigned i = 0; i < 100000; i++)
		add(run, hello(i, 100 + i, t + i * 10000));
	assert_int_equal(run->num, 16);
	assert_int_equal(counted(run, HT_RATES_UNCOUNTED), 100000);
	ht_rates_finish(run->r);
	assert_int_equal(run->num, 32);
	end(run);
}

// ---- time

static void a_little_out_of_order(void **state) {
	(void)state;
	struct run *const run = new_run();
	begin(run);
	for (unsigned i = 0; i < 100000; i++)
		add(run, hello(i % 1000 * 256, 1,
			       T0 + i * HT_NS_PER_S / 50000 - (int64_t)(rnd() % (150 * MS))));
	ht_rates_finish(run->r);
	assert_int_equal(run->num, 2);
	assert_true(run->told[0].ts <= T0 + 1300 * MS);
	// What comes behind its slot's end is in the rate a slot later, when others are missing.
	assert_in_range(run->told[1].peak, 45000, 51000);
	assert_in_range(run->told[1].hellos, 90000, 100000);
	assert_int_equal(counted(run, HT_RATES_LATE) + counted(run, HT_RATES_STRANGE), 0);
	end(run);
}

static void a_wrong_time_is_one_frame(void **state) {
	(void)state;
	static const int64_t wrong[] = {INT64_MAX, INT64_MIN, 0, T0 + 3600 * HT_NS_PER_S};
	struct run *const run = new_run();
	begin(run);
	int64_t t = T0;
	for (unsigned i = 0; i < 20; i++) {
		t = flow(run, 1, t, 200, 50000, 500);
		add(run, hello(1, 1, wrong[i % HT_ARRAY_LEN(wrong)]));
	}
	assert_int_equal(run->num, 1); // it started, and has not ended
	assert_true(run->told[0].ts <= T0 + 1200 * MS);
	assert_int_equal(counted(run, HT_RATES_STRANGE), 20);
	assert_int_equal(counted(run, HT_RATES_CLOCK_JUMPS), 0);
	end(run);
}

// The first and the last second that times have, and the one around 1970, where slots change sign.
static void at_the_ends_of_time(void **state) {
	(void)state;
	static const int64_t begins[] = {INT64_MIN, -500 * MS, -1, 0, INT64_MAX - 2000 * MS};
	for (unsigned i = 0; i < HT_ARRAY_LEN(begins); i++) {
		struct run *const run = new_run();
		begin(run);
		for (int64_t k = 0; k < 100000; k++)
			add(run, hello((uint32_t)k % 1000 * 256, 1,
				       begins[i] + k * (HT_NS_PER_S / 50000)));
		ht_rates_tick(run->r, 1000, 0);
		ht_rates_finish(run->r);
		assert_int_equal(run->num, 2);
		assert_in_range(run->told[1].hellos, 95000, 100000); // not its first slot
		assert_true(run->told[0].ts - begins[i] <= 1200 * MS);
		assert_true(run->told[0].ts <= run->told[1].ts);
		end(run);
	}
}

static void the_clock_is_set(void **state) {
	(void)state;
	struct run *const run = new_run();
	begin(run);
	flow(run, 1, T0, 2000, 50000, 500);
	assert_int_equal(run->num, 1);
	// Back by an hour: the flood ends, and is told anew.
	flow(run, 1, T0 - 3600 * HT_NS_PER_S, 2000, 50000, 500);
	assert_int_equal(run->num, 3);
	assert_string_equal(run->told[1].state, "end");
	assert_string_equal(run->told[2].state, "start");
	assert_true(run->told[2].ts <= T0 - 3600 * HT_NS_PER_S + 1200 * MS);
	// And on by a year.
	flow(run, 1, T0 + 365 * 86400 * HT_NS_PER_S, 2000, 50000, 500);
	assert_int_equal(run->num, 5);
	assert_true(run->told[3].ts < T0 - 3580 * HT_NS_PER_S);
	// One frame of the year 2262 comes first: all that follows is 10 s off.
	ht_rates_finish(run->r);
	run->num = 0;
	add(run, hello(1, 1, INT64_MAX));
	flow(run, 1, T0, 2000, 50000, 500);
	assert_int_equal(run->num, 1);
	assert_true(run->told[0].ts <= T0 + 1200 * MS);
	assert_int_equal(counted(run, HT_RATES_CLOCK_JUMPS), 3);
	end(run);
}

static void what_is_told_late_counts_as_it_comes(void **state) {
	(void)state;
	struct run *const run = new_run();
	begin(run);
	// Hellos that were given up after half a minute: a flood of them is one.
	for (unsigned i = 0; i < 100000; i++) {
		const int64_t now = T0 + i * HT_NS_PER_S / 50000;
		if (i % 100 == 0)
			add(run, hello(1, 2, now));
		struct hello *h = hello(i % 1000 * 256, 1, now - 30 * HT_NS_PER_S);
		ht_set(&h->r, complete, false);
		add(run, h);
	}
	assert_int_equal(run->num, 1);
	assert_string_equal(run->told[0].key, "0.0.0.1");
	assert_int_equal(counted(run, HT_RATES_LATE), 100000);
	end(run);
}

// ---- fingerprints

static struct run *new_prints(void) {
	struct run *const run = new_run();
	run->p.fingerprints = HT_RATES_JA4;
	run->p.flood_dst_hz = run->p.flood_src_hz = run->p.flood_sni_hz = 0;
	run->p.learn_s = 60;
	run->p.learn_hellos = 100;
	run->p.max_fingerprints = 4096;
	return run;
}

static struct hello *print(unsigned ja4, uint32_t src, int64_t ts) {
	struct hello *const h = hello(src, 1, ts);
	sprintf(h->ja4, "t13d1516h2_%012x_d8a2da3f94cd", ja4);
	ht_set(&h->r, ja4, HT_SPAN(h->ja4, 36));
	return h;
}

// Two minutes of the fingerprints 0 to 9, of a hundred clients.
static int64_t learn(struct run *run, int64_t t) {
	for (unsigned i = 0; i < 1200; i++)
		add(run, print(i % 10, i % 107, t + i * 100 * MS));
	return t + 120 * HT_NS_PER_S;
}

static void new_ones_after_learning(void **state) {
	(void)state;
	struct run *const run = new_prints();
	begin(run);
	int64_t t = learn(run, T0);
	assert_int_equal(run->num, 0);
	add(run, print(77, 5, t));
	assert_int_equal(run->num, 1);
	assert_string_equal(run->told[0].kind, "new_fingerprint");
	assert_string_equal(run->told[0].key, "t13d1516h2_00000000004d_d8a2da3f94cd");
	add(run, print(77, 5, t + HT_NS_PER_S)); // it is known now
	struct hello *const h = print(78, 5, t);
	ht_set(&h->r, complete, false);
	add(run, h);
	assert_int_equal(run->num, 1);
	assert_int_equal(counted(run, HT_RATES_NEW), 11);
	assert_int_equal(counted(run, HT_RATES_NEW_LEARNED), 10);
	end(run);
}

static void it_takes_time_and_hellos_to_learn(void **state) {
	(void)state;
	struct run *const run = new_prints();
	begin(run);
	for (unsigned i = 0; i < 1000; i++) // enough hellos, in a second
		add(run, print(i, 5, T0 + i * MS));
	assert_int_equal(run->num, 0);
	for (unsigned i = 0; i < 50; i++) // an hour apart, nothing was watched
		add(run, print(1000 + i, 5, T0 + i * 3600 * HT_NS_PER_S));
	assert_int_equal(run->num, 0);
	ht_rates_free(run->r);
	run->p.learn_hellos = 1000;
	begin(run);
	for (unsigned i = 0; i < 1000; i++) // enough time
		add(run, print(i, 5, T0 + i * HT_NS_PER_S));
	assert_int_equal(run->num, 0);
	add(run, print(1000, 5, T0 + 1000 * HT_NS_PER_S));
	assert_int_equal(run->num, 1);
	end(run);
}

// Times of frames that go on by a minute each: in a replay they are what there is; live, no more
// are told than in a minute of the clock.
static void so_many_in_a_minute_of_the_clock(void **state) {
	(void)state;
	static const unsigned told[] = {20, 30, 30, 40}; // in all
	static const int64_t clock_s[]
		= {-1, 1000, 1010, 1020}; // the last one is in the next minute
	unsigned number = 100;
	struct run *const run = new_prints();
	begin(run);
	int64_t t = learn(run, T0);
	for (unsigned i = 0; i < HT_ARRAY_LEN(told); i++) {
		if (clock_s[i] >= 0)
			ht_rates_tick(run->r, 0, clock_s[i] * HT_NS_PER_S);
		for (unsigned k = 0; k < 20; k++, t += 61 * HT_NS_PER_S)
			add(run, print(number++, 5, t));
		assert_int_equal(counted(run, HT_RATES_NEW_TOLD), told[i]);
	}
	end(run);
}

static void so_many_in_a_minute(void **state) {
	(void)state;
	struct run *const run = new_prints();
	begin(run);
	int64_t t = learn(run, T0);
	for (unsigned i = 0; i < 60; i++)
		add(run, print(100 + i, 5, t + i * HT_NS_PER_S / 10));
	assert_int_equal(run->num, 10);
	assert_int_equal(counted(run, HT_RATES_NEW_CAPPED), 50);
	t += 60 * HT_NS_PER_S;
	for (unsigned i = 0; i < 60; i++) // they are known, though they were not told
		add(run, print(100 + i, 5, t));
	assert_int_equal(run->num, 10);
	add(run, print(99, 5, t));
	assert_int_equal(run->num, 11);
	end(run);
}

static void rare_ones_once_an_interval(void **state) {
	(void)state;
	struct run *const run = new_prints();
	run->p.rare_interval_s = 3600;
	begin(run);
	add(run, print(50, 1, T0));
	add(run, print(50, 2, T0)); // two clients
	int64_t t = learn(run, T0);
	add(run, print(50, 1, t));
	assert_int_equal(run->num, 1);
	const struct told *const e = &run->told[0];
	assert_string_equal(e->kind, "rare_fingerprint");
	assert_int_equal(e->hellos, 3);
	assert_int_equal(e->clients, 2);
	assert_true(e->first_seen == T0 && e->last_seen == T0);
	add(run, print(50, 2, t + 3000 * HT_NS_PER_S));
	assert_int_equal(run->num, 1);
	add(run, print(50, 2, t + 3601 * HT_NS_PER_S));
	assert_int_equal(run->num, 2);
	add(run, print(50, 3, t + 8000 * HT_NS_PER_S)); // a third client
	assert_int_equal(run->num, 2);
	// A new one is not rare at once.
	add(run, print(51, 3, t + 8000 * HT_NS_PER_S));
	add(run, print(51, 3, t + 8001 * HT_NS_PER_S));
	assert_int_equal(run->num, 3);
	assert_string_equal(run->told[2].kind, "new_fingerprint");
	end(run);
}

// A clock that was years ahead when a rare one was told does not silence it since.
static void a_wrong_time_does_not_silence(void **state) {
	(void)state;
	struct run *const run = new_prints();
	begin(run);
	const int64_t t = learn(run, T0);
	add(run, print(50, 5, INT64_MAX - HT_NS_PER_S)); // told, as new
	assert_int_equal(run->num, 1);
	add(run, print(50, 5, t));
	add(run, print(50, 5, t + 1));
	assert_int_equal(run->num, 2);
	assert_int_equal(told_kind(run, "rare_fingerprint"), 1);
	end(run);
}

static void rare_by_share(void **state) {
	(void)state;
	struct run *const run = new_prints();
	run->p.rare_clients = 0;
	run->p.rare_ppm = 20000; // one of 50
	begin(run);
	for (unsigned i = 0; i < 12; i++)
		add(run, print(50, i, T0));
	int64_t t = learn(run, T0);
	assert_int_equal(run->num, 0);
	add(run, print(50, 5, t)); // the 13th of 1213
	assert_int_equal(told_kind(run, "rare_fingerprint"), 1);
	add(run, print(3, 5, t));
	assert_int_equal(run->num, 1);
	end(run);
}

static void both_kinds(void **state) {
	(void)state;
	struct run *const run = new_prints();
	run->p.fingerprints = HT_RATES_BOTH;
	begin(run);
	int64_t t = learn(run, T0);
	struct hello *const h = print(3, 5, t);
	strcpy(h->ja3, "0123456789abcdef0123456789abcdef");
	ht_set(&h->r, ja3, HT_SPAN(h->ja3, 32));
	add(run, h);
	assert_int_equal(run->num, 1);
	assert_string_equal(run->told[0].key, h->ja3);
	end(run);
}

static void made_up_ones_do_not_push_out_others(void **state) {
	(void)state;
	struct run *const run = new_prints();
	run->p.max_fingerprints = 1024;
	begin(run);
	int64_t t = learn(run, T0);
	for (unsigned i = 0; i < 100000; i++)
		add(run, print(1000 + i, i, t + i * 1000));
	assert_int_equal(run->num, 10); // the cap
	assert_true(counted(run, HT_RATES_FORGOTTEN) > 98000);
	for (unsigned i = 0; i < 10; i++)
		add(run, print(i, 5, t + 120 * HT_NS_PER_S));
	assert_int_equal(run->num, 10); // all are there
	assert_int_equal(counted(run, HT_RATES_NEW), 100010);
	end(run);
}

// ---- the store

static struct ht_span pack(const struct run *run) {
	const size_t len = ht_rates_pack_size(run->r);
	uint8_t *const p = malloc(len);
	assert_non_null(p);
	ht_rates_pack(run->r, p);
	return HT_SPAN(p, len);
}

static void what_was_learned_is_known_in_the_next_run(void **state) {
	(void)state;
	struct run *const run = new_prints();
	char err[200];
	begin(run);
	add(run, print(50, 1, T0));
	const int64_t t = learn(run, T0);
	struct ht_span bytes = pack(run);
	struct run *const next = new_prints(); // of another secret
	begin(next);
	assert_int_equal(ht_rates_unpack(next->r, bytes, err, sizeof(err)), HT_OK);
	struct ht_span again = pack(next);
	assert_int_equal(bytes.len, again.len);
	add(next, print(60, 5, t));
	add(next, print(50, 1, t)); // the same client as before
	add(next, print(3, 1, t));
	assert_int_equal(next->num, 2);
	assert_string_equal(next->told[0].kind, "new_fingerprint");
	assert_string_equal(next->told[1].kind, "rare_fingerprint");
	assert_int_equal(next->told[1].clients, 1);
	assert_int_equal(next->told[1].hellos, 2);
	free((void *)bytes.p);
	free((void *)again.p);
	end(run);
	end(next);
}

// A client that offers "HTTP" has a JA4 with HP in it. It must not cost what else was learned.
static void capitals_of_a_protocol_are_kept(void **state) {
	(void)state;
	struct run *const run = new_prints(), *const next = new_prints();
	char err[200] = "";
	begin(run);
	begin(next);
	struct hello *const h = print(50, 1, T0);
	memcpy(h->ja4 + 8, "HP", 2);
	add(run, h);
	struct ht_span bytes = pack(run);
	assert_int_equal(ht_rates_unpack(next->r, bytes, err, sizeof(err)), HT_OK);
	assert_string_equal(err, "");
	assert_int_equal(next->r->prints.in_use, 1);
	free((void *)bytes.p);
	end(run);
	end(next);
}

static void a_smaller_table_keeps_the_largest(void **state) {
	(void)state;
	struct run *const run = new_prints();
	char err[200];
	begin(run);
	for (unsigned i = 0; i < 1000; i++)
		add(run, print(1000 + i, i, T0));
	const int64_t t = learn(run, T0);
	struct ht_span bytes = pack(run);
	struct run *const next = new_prints();
	next->p.max_fingerprints = 64;
	begin(next);
	assert_int_equal(ht_rates_unpack(next->r, bytes, err, sizeof(err)), HT_OK);
	assert_int_equal(next->r->prints.in_use, 64);
	for (unsigned i = 0; i < 10; i++)
		add(next, print(i, 1, t));
	assert_int_equal(next->num, 0);
	free((void *)bytes.p);
	end(run);
	end(next);
}

static void whatever_is_wrong_with_it_is_found(void **state) {
	(void)state;
	struct run *const run = new_prints(), *const next = new_prints();
	char err[200];
	begin(run);
	begin(next);
	for (unsigned i = 0; i < 3; i++)
		add(run, print(i, i, T0));
	struct ht_span bytes = pack(run);
	assert_int_equal(bytes.len, 48 + 3 * 136 + 8);
	for (size_t n = 0; n < bytes.len; n++) {
		uint8_t *const cut = t_dup(bytes.p, n);
		err[0] = '\0';
		assert_int_equal(
			ht_rates_unpack(next->r, HT_SPAN(cut, n), err, sizeof(err)), HT_BAD
		);
		assert_true(err[0] != '\0');
		free(cut);
	}
	for (size_t n = 0; n < bytes.len * 8; n++) {
		uint8_t *const changed = t_dup(bytes.p, bytes.len);
		changed[n / 8] ^= (uint8_t)(1 << n % 8);
		assert_int_equal(
			ht_rates_unpack(next->r, HT_SPAN(changed, bytes.len), err, sizeof(err)),
			n < 64 ? HT_SKIP : HT_BAD
		);
		free(changed);
	}
	assert_int_equal(next->r->prints.in_use, 0);
	free((void *)bytes.p);
	end(run);
	end(next);
}

static void put(const char *path, const void *p, size_t len) {
	FILE *const f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, len, f), len);
	fclose(f);
}

static size_t size_of(const char *path) {
	struct stat st;
	return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

static enum ht_rc save_last(struct ht_rates *r, char *err, size_t err_len) {
	enum ht_rc rc;
	while ((rc = ht_rates_save_last(r, err, err_len)) == HT_MORE)
		usleep(1000);
	return rc;
}

// In the place of libc's: a disk that takes nothing while it is told to.
static atomic_bool disk_hangs;

int fsync(int fd) {
	while (atomic_load(&disk_hangs))
		usleep(1000);
	return (int)syscall(SYS_fsync, fd);
}

static void on_a_disk_that_hangs(void **state) {
	(void)state;
	char folder[] = "/tmp/test_rates.XXXXXX", path[64], err[1024];
	assert_non_null(mkdtemp(folder));
	sprintf(path, "%s/store", folder);
	struct run *const run = new_prints();
	run->p.store = path;
	begin(run);
	struct saver *const saver = &run->r->saver;
	for (unsigned earlier = 0; earlier < 2; earlier++) { // one goes on at the end
		atomic_store(&disk_hangs, true);
		if (earlier)
			ht_rates_save(run->r);
		for (unsigned i = 0; i < 20; i++) {
			assert_int_equal(ht_rates_save_last(run->r, err, sizeof(err)), HT_MORE);
			usleep(1000);
		}
		assert_true(ht_rates_save_leave(run->r));
		assert_int_equal(counted(run, HT_RATES_SAVE_FAILED), 1 + earlier);
		assert_int_equal(counted(run, HT_RATES_SAVED), 0);
		ht_rates_free(run->r); // neither waits nor frees
		assert_int_equal(size_of(path), 0);
		atomic_store(&disk_hangs, false);
		while (!atomic_load(&saver->done))
			usleep(1000);
		free(saver->bytes);
		*saver = (struct saver){0};
		unlink(path);
	}
	assert_false(ht_rates_save_leave(run->r));
	assert_int_equal(save_last(run->r, err, sizeof(err)), HT_OK);
	end(run);
	unlink(path);
	rmdir(folder);
}

static void in_a_file(void **state) {
	(void)state;
	char folder[] = "/tmp/test_rates.XXXXXX", path[64], aside[80], err[1024];
	assert_non_null(mkdtemp(folder));
	sprintf(path, "%s/store", folder);
	sprintf(aside, "%s.damaged", path);
	struct run *const run = new_prints();
	run->p.store = path;
	begin(run);
	assert_int_equal(ht_rates_load(run->r, err, sizeof(err)), HT_SKIP); // there is none
	learn(run, T0);
	atomic_store(&disk_hangs, true);
	ht_rates_save(run->r);
	ht_rates_save(run->r); // one goes on
	atomic_store(&disk_hangs, false);
	add(run, print(50, 5, T0));
	assert_int_equal(save_last(run->r, err, sizeof(err)), HT_OK);
	assert_int_equal(counted(run, HT_RATES_SAVED), 2);
	assert_int_equal(size_of(path), ht_rates_pack_size(run->r));
	ht_rates_free(run->r);
	begin(run);
	assert_int_equal(ht_rates_load(run->r, err, sizeof(err)), HT_OK);
	assert_int_equal(run->r->prints.in_use, 11);
	ht_rates_free(run->r);
	// Cut short: it is kept under another name.
	assert_int_equal(truncate(path, (off_t)size_of(path) - 1), 0);
	begin(run);
	assert_int_equal(ht_rates_load(run->r, err, sizeof(err)), HT_BAD);
	assert_non_null(strstr(err, "checksum"));
	assert_int_equal(size_of(path), 0);
	assert_true(size_of(aside) > 0);
	// What is no store stays what it is.
	put(path, "pictures of my cat", 18);
	assert_int_equal(ht_rates_load(run->r, err, sizeof(err)), HT_ERROR);
	assert_int_equal(size_of(path), 18);
	put(path, "", 0);
	assert_int_equal(ht_rates_load(run->r, err, sizeof(err)), HT_SKIP);
	unlink(path);
	unlink(aside);
	// A folder that is gone: said once, by either way.
	rmdir(folder);
	assert_int_equal(ht_rates_load(run->r, err, sizeof(err)), HT_ERROR);
	assert_non_null(strstr(err, "no store can be made there"));
	ht_rates_save(run->r);
	const char *error = NULL;
	for (unsigned i = 0; error == NULL && i < 60000; i++) {
		usleep(1000);
		error = ht_rates_save_error(run->r);
	}
	assert_non_null(error);
	assert_non_null(strstr(error, "No such file"));
	assert_null(ht_rates_save_error(run->r));
	assert_int_equal(save_last(run->r, err, sizeof(err)), HT_ERROR);
	assert_int_equal(counted(run, HT_RATES_SAVE_FAILED), 2);
	// One that failed, and has not been told when the next one begins, is told all the same.
	ht_rates_save(run->r);
	while (!atomic_load(&run->r->saver.done))
		usleep(1000);
	ht_rates_save(run->r);
	error = ht_rates_save_error(run->r);
	assert_non_null(error);
	assert_non_null(strstr(error, "No such file"));
	end(run);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(told_within_two_seconds),
		cmocka_unit_test(below_the_threshold_nothing_is_told),
		cmocka_unit_test(ends_when_it_has_stayed_low),
		cmocka_unit_test(peaks_are_told),
		cmocka_unit_test(ends_with_the_capture),
		cmocka_unit_test(silence_ends_it_too),
		cmocka_unit_test(by_network),
		cmocka_unit_test(by_name),
		cmocka_unit_test(none_where_it_is_off),
		cmocka_unit_test(the_same_as_a_slow_model),
		cmocka_unit_test(found_among_a_million_others),
		cmocka_unit_test(none_for_what_others_sent),
		cmocka_unit_test(more_floods_than_are_followed),
		cmocka_unit_test(floods_keep_their_places),
		cmocka_unit_test(a_little_out_of_order),
		cmocka_unit_test(a_wrong_time_is_one_frame),
		cmocka_unit_test(at_the_ends_of_time),
		cmocka_unit_test(the_clock_is_set),
		cmocka_unit_test(what_is_told_late_counts_as_it_comes),
		cmocka_unit_test(new_ones_after_learning),
		cmocka_unit_test(it_takes_time_and_hellos_to_learn),
		cmocka_unit_test(so_many_in_a_minute),
		cmocka_unit_test(so_many_in_a_minute_of_the_clock),
		cmocka_unit_test(rare_ones_once_an_interval),
		cmocka_unit_test(a_wrong_time_does_not_silence),
		cmocka_unit_test(rare_by_share),
		cmocka_unit_test(both_kinds),
		cmocka_unit_test(made_up_ones_do_not_push_out_others),
		cmocka_unit_test(what_was_learned_is_known_in_the_next_run),
		cmocka_unit_test(capitals_of_a_protocol_are_kept),
		cmocka_unit_test(a_smaller_table_keeps_the_largest),
		cmocka_unit_test(whatever_is_wrong_with_it_is_found),
		cmocka_unit_test(in_a_file),
		cmocka_unit_test(on_a_disk_that_hangs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
