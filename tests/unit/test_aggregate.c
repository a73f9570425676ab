// SPDX-License-Identifier: BSD-3-Clause

#include "aggregate_int.h"
#include "t.h"

#define S 1000000000ll
#define T0 1763686800 // a multiple of 60

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t rnd(void) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

// ---- what was told, as text

// A told record, or one of the model: where it belongs, and its sums.
struct row {
	int64_t start, end;
	char key[2400]; // "" of the record `other`
	struct sums s;
	uint64_t clients, other_keys;
	uint8_t (*set)[16]; // of the model: the clients
	unsigned num_set;
};

struct rows {
	struct row *v;
	unsigned num, room;
};

static struct row *new_row(struct rows *to) {
	if (to->num == to->room) {
		to->room = to->room * 2 + 64;
		to->v = realloc(to->v, to->room * sizeof(to->v[0]));
		assert_non_null(to->v);
	}
	struct row *const row = &to->v[to->num++];
	memset(row, 0, sizeof(*row));
	return row;
}

static void free_rows(struct rows *rows) {
	for (unsigned i = 0; i < rows->num; i++)
		free(rows->v[i].set);
	free(rows->v);
	*rows = (struct rows){0};
}

static char *hex(char *out, const void *p, size_t n) {
	return ht_hex(out, p, n);
}

// The fields of `set` that a record has, as text that is equal when they are.
static void text_of(char *out, const struct ht_record *r, ht_fieldset set) {
	for (set &= r->has; set != 0;) {
		const struct ht_field *const f = &ht_fields[ht_fieldset_next(&set)];
		const void *const v = (const char *)r + f->offset;
		const struct ht_span *const span = v;
		const struct ht_strs *const strs = v;
		const struct ht_texts *const texts = v;
		out += sprintf(out, "%s=", f->name);
		switch (f->type) {
		case HT_TYPE_BOOL:
		case HT_TYPE_FLAG:
		case HT_TYPE_U8:
			out += sprintf(out, "%u", *(const uint8_t *)v);
			break;
		case HT_TYPE_U16:
			out += sprintf(out, "%u", *(const uint16_t *)v);
			break;
		case HT_TYPE_U32:
			out += sprintf(out, "%u", *(const uint32_t *)v);
			break;
		case HT_TYPE_SECONDS:
			out += sprintf(out, "%lld", *(const long long *)v);
			break;
		case HT_TYPE_STR:
			out = stpcpy(out, *(const char *const *)v);
			break;
		case HT_TYPE_STRS:
			for (unsigned i = 0; i < strs->num; i++)
				out = stpcpy(stpcpy(out, strs->s[i]), ",");
			break;
		case HT_TYPE_TEXTS:
			for (unsigned i = 0; i < texts->num; i++)
				out = stpcpy(mempcpy(out, texts->s[i], texts->len[i]), ",");
			break;
		case HT_TYPE_IP:
			out = hex(out, *(const uint8_t *const *)v, 16);
			break;
		case HT_TYPE_MAC:
			out = hex(out, *(const uint8_t *const *)v, 6);
			break;
		default:
			out = hex(out, span->p, span->len);
		}
		*out++ = ' ';
	}
	*out = '\0';
}

struct run {
	struct ht_aggregate_params p;
	struct ht_aggregate *a;
	struct rows told;
	ht_fieldset key;
	bool ns;
};

static void take(void *user, const struct ht_record *r) {
	struct run *const run = user;
	struct row *const row = new_row(&run->told);
	const ht_fieldset lens
		= HT_HAS(hello_len_min) | HT_HAS(hello_len_max) | HT_HAS(hello_len_mean);
	const ht_fieldset always
		= (ht_kind_fields(HT_KIND_AGGREGATE)
		   & (HT_HAS(record) | HT_HAS(ts) | HT_HAS(hellos) | HT_HAS(incomplete_hellos)
		      | HT_HAS(c2s_packets) | HT_HAS(c2s_bytes) | HT_HAS(c2s_ip_bytes)
		      | HT_HAS(s2c_packets) | HT_HAS(s2c_bytes) | HT_HAS(s2c_ip_bytes)
		      | HT_HAS(window_start) | HT_HAS(window_end) | HT_HAS(flows)
		      | HT_HAS(first_seen) | HT_HAS(last_seen) | HT_HAS(clients)
		      | HT_HAS(resumed_flows) | HT_HAS(refused_flows)));
	assert_string_equal(r->record, "aggregate");
	assert_true((r->has & always) == always);
	assert_true((r->has & lens) == 0 || (r->has & lens) == lens);
	assert_true(r->ts == r->window_end);
	const ht_fieldset others = HT_HAS(other) | HT_HAS(other_keys);
	assert_true((r->has & others) == 0 || (r->has & others) == others);
	const ht_fieldset prefixes = HT_HAS(src_prefix) | HT_HAS(dst_prefix);
	assert_true((r->has & ~(always | lens | others | run->key | prefixes)) == 0);
	if (r->has & HT_HAS(other))
		assert_true((r->has & (run->key | prefixes)) == 0);
	run->ns = r->ts_is_ns;
	row->start = r->window_start;
	row->end = r->window_end;
	text_of(row->key, r, run->key | prefixes);
	row->s = (struct sums){
		.flows = r->flows,
		.hellos = r->hellos,
		.incomplete_hellos = r->incomplete_hellos,
		.c2s_packets = r->c2s_packets,
		.c2s_bytes = r->c2s_bytes,
		.c2s_ip_bytes = r->c2s_ip_bytes,
		.s2c_packets = r->s2c_packets,
		.s2c_bytes = r->s2c_bytes,
		.s2c_ip_bytes = r->s2c_ip_bytes,
		.first_seen = r->first_seen,
		.last_seen = r->last_seen,
		.resumed = r->resumed_flows,
		.refused = r->refused_flows,
		.hello_len_min = UINT32_MAX,
	};
	if (r->has & lens) {
		row->s.hello_len = r->hello_len_mean; // of the model: the sum
		row->s.hello_len_min = r->hello_len_min;
		row->s.hello_len_max = r->hello_len_max;
	}
	row->clients = r->clients;
	row->other_keys = r->has & HT_HAS(other_keys) ? r->other_keys : 0;
}

static void begin_run(struct run *run) {
	run->p.emit = take;
	run->p.user = run;
	if (run->p.window_s == 0) {
		run->p.window_s = 60;
		run->p.grace_s = 5;
	}
	run->p.max_keys += run->p.max_keys == 0 ? 1 << 16 : 0;
	run->p.memory_mib += run->p.memory_mib == 0 ? 64 : 0;
	run->p.clients_mib += run->p.clients_mib == 0 ? 32 : 0;
	run->key = ht_aggregate_fields(&run->p);
	run->a = ht_aggregate_new(&run->p);
	assert_non_null(run->a);
}

static uint64_t ctr(const struct run *run, enum ht_aggregate_counter c) {
	return ht_aggregate_counts(run->a)[c];
}

// The time is that of the frames.
static void tick(struct run *run, int64_t now) {
	int64_t passed;
	if (!__builtin_sub_overflow(now, run->a->seen, &passed))
		ht_aggregate_tick(run->a, passed);
	while (ht_aggregate_more(run->a))
		;
}

static void end_run(struct run *run) {
	ht_aggregate_finish(run->a);
	assert_int_equal(
		ctr(run, HT_AGGREGATE_TOLD), ctr(run, HT_AGGREGATE_KEYS)
						     - ctr(run, HT_AGGREGATE_FOLDED)
						     + ctr(run, HT_AGGREGATE_OTHERS)
	);
	assert_int_equal(ctr(run, HT_AGGREGATE_TOLD), run->told.num);
	ht_aggregate_free(run->a);
	free_rows(&run->told);
}

// ---- flows

struct flow {
	struct ht_record r;
	uint8_t src[16], dst[16], mac[6];
	char sni[64];
};

static void four(uint8_t ip[16], uint32_t v) {
	memset(ip, 0, 10);
	ip[10] = ip[11] = 0xff;
	ht_put_be32(ip + 12, v);
}

static void plain_flow(struct flow *f, int64_t ts) {
	struct ht_record *const r = &f->r;
	r->has = 0;
	r->ts_is_ns = false;
	four(f->src, 0xc0000201);
	four(f->dst, 0xc6336407);
	ht_set(r, record, "flow");
	ht_set(r, ts, ts);
	ht_set(r, start, ts - S);
	ht_set(r, end, ts);
	ht_set(r, src_ip, f->src);
	ht_set(r, dst_ip, f->dst);
	ht_set(r, dst_port, 443);
	ht_set(r, transport, "tcp");
	ht_set(r, c2s_packets, 1);
	ht_set(r, c2s_bytes, 100);
	ht_set(r, c2s_ip_bytes, 86);
	ht_set(r, s2c_packets, 2);
	ht_set(r, s2c_bytes, 200);
	ht_set(r, s2c_ip_bytes, 172);
	ht_set(r, hellos, 1);
	ht_set(r, incomplete_hellos, 0);
	ht_set(r, flow_part, 1);
}

// A word, or one that is equal and lies elsewhere.
static const char *word(const char *const *words, unsigned num) {
	static char copies[16][16];
	const char *const text = words[rnd() % num];
	unsigned i = 0;
	while (copies[i][0] != '\0' && strcmp(copies[i], text) != 0)
		i++;
	strcpy(copies[i], text);
	return rnd() % 2 == 0 ? text : copies[i];
}

static void random_flow(struct flow *f, int64_t ts, unsigned servers, unsigned clients) {
	static const char *const protocols[] = {"tls", "dtls", "quic"};
	static const char *const versions[] = {"TLS 1.2", "TLS 1.3"};
	static const char *const vias[] = {"smtp", "proxy-v1", "socks5"};
	struct ht_record *const r = &f->r;
	plain_flow(f, ts);
	four(f->src, (uint32_t)(rnd() % clients));
	const unsigned server = (unsigned)(rnd() % servers);
	four(f->dst, server / 4);
	ht_set(r, start, ts - (int64_t)(rnd() % (100 * S)));
	ht_set(r, end, ts - (int64_t)(rnd() % S));
	ht_set(r, dst_port, 440 + server % 4);
	ht_set(r, protocol, word(protocols, 3));
	if (rnd() % 4 == 0) {
		r->via.num = (uint8_t)(rnd() % 3);
		for (unsigned i = 0; i < r->via.num; i++)
			r->via.s[i] = word(vias, 3);
		r->has |= HT_HAS(via);
	}
	if (rnd() % 8 != 0) {
		const int n = snprintf(f->sni, sizeof(f->sni), "%u.example", server % 7);
		ht_set(r, sni, HT_SPAN(f->sni, (size_t)n));
		ht_set(r, tls_version, word(versions, 2));
		ht_set(r, hello_len, (uint32_t)(200 + rnd() % 2000));
	}
	if (rnd() % 2 == 0)
		ht_set(r, alpn, HT_SPAN_STR("\x02h2\x08http/1.1"));
	ht_set(r, hellos, rnd() % 3);
	ht_set(r, incomplete_hellos, rnd() % 2);
	ht_set(r, c2s_packets, rnd() % 1000);
	ht_set(r, c2s_bytes, rnd() % 100000);
	ht_set(r, c2s_ip_bytes, rnd() % 90000);
	ht_set(r, s2c_packets, rnd() % 1000);
	ht_set(r, s2c_bytes, rnd() % 10000000);
	ht_set(r, s2c_ip_bytes, rnd() % 9000000);
	ht_set(r, flow_part, 1 + (uint32_t)(rnd() % 5 == 0));
	ht_set(r, resumed, rnd() % 3 == 0);
	if (rnd() % 10 == 0)
		ht_set(r, refused, true);
}

// ---- the model: a list

struct model {
	struct rows rows;
	int64_t now;
	int64_t length, grace;
	uint64_t late;
};

static int64_t floor_to(int64_t t, int64_t to) {
	return (t >= 0 ? t / to : -((-t + to - 1) / to)) * to;
}

static void model_add(struct model *m, const struct ht_record *r) {
	if (r->ts > m->now)
		m->now = r->ts;
	int64_t start = floor_to(r->ts, m->length);
	if (start + m->length + m->grace <= m->now) {
		m->late++;
		while (start + m->length + m->grace <= m->now)
			start += m->length;
	}
	char key[2400];
	struct ht_record copy = *r;
	if (copy.has & HT_HAS(alpn))
		ht_set(&copy, alpn_first, HT_SPAN_STR("h2"));
	text_of(key, &copy,
		HT_HAS(dst_ip) | HT_HAS(dst_port) | HT_HAS(transport) | HT_HAS(protocol)
			| HT_HAS(via) | HT_HAS(sni) | HT_HAS(alpn_first) | HT_HAS(tls_version)
			| HT_HAS(ja4));
	struct row *row = NULL;
	for (unsigned i = 0; i < m->rows.num && row == NULL; i++)
		if (m->rows.v[i].start == start && strcmp(m->rows.v[i].key, key) == 0)
			row = &m->rows.v[i];
	if (row == NULL) {
		row = new_row(&m->rows);
		row->start = start;
		strcpy(row->key, key);
		row->s.first_seen = INT64_MAX;
		row->s.last_seen = INT64_MIN;
		row->s.hello_len_min = UINT32_MAX;
	}
	struct sums *const s = &row->s;
	if (r->flow_part == 1) {
		s->flows++;
		s->resumed += r->resumed;
		s->refused += r->has & HT_HAS(refused) ? 1 : 0;
		if (r->has & HT_HAS(hello_len)) {
			s->hello_len += r->hello_len;
			s->hello_lens++;
			if (r->hello_len < s->hello_len_min)
				s->hello_len_min = r->hello_len;
			if (r->hello_len > s->hello_len_max)
				s->hello_len_max = r->hello_len;
		}
	}
	s->hellos += r->hellos;
	s->incomplete_hellos += r->incomplete_hellos;
	s->c2s_packets += r->c2s_packets;
	s->c2s_bytes += r->c2s_bytes;
	s->c2s_ip_bytes += r->c2s_ip_bytes;
	s->s2c_packets += r->s2c_packets;
	s->s2c_bytes += r->s2c_bytes;
	s->s2c_ip_bytes += r->s2c_ip_bytes;
	if (r->start < s->first_seen)
		s->first_seen = r->start;
	if (r->end > s->last_seen)
		s->last_seen = r->end;
	for (unsigned i = 0; i < row->num_set; i++)
		if (memcmp(row->set[i], r->src_ip, 16) == 0)
			return;
	row->set = realloc(row->set, (row->num_set + 1) * sizeof(row->set[0]));
	memcpy(row->set[row->num_set++], r->src_ip, 16);
}

static void compare_row(const struct row *told, const struct row *want) {
	const struct sums *const a = &told->s, *const b = &want->s;
	assert_int_equal(a->flows, b->flows);
	assert_int_equal(a->hellos, b->hellos);
	assert_int_equal(a->incomplete_hellos, b->incomplete_hellos);
	assert_int_equal(a->c2s_packets, b->c2s_packets);
	assert_int_equal(a->c2s_bytes, b->c2s_bytes);
	assert_int_equal(a->c2s_ip_bytes, b->c2s_ip_bytes);
	assert_int_equal(a->s2c_packets, b->s2c_packets);
	assert_int_equal(a->s2c_bytes, b->s2c_bytes);
	assert_int_equal(a->s2c_ip_bytes, b->s2c_ip_bytes);
	assert_int_equal(a->first_seen, b->first_seen);
	assert_int_equal(a->last_seen, b->last_seen);
	assert_int_equal(a->resumed, b->resumed);
	assert_int_equal(a->refused, b->refused);
	assert_int_equal(a->hello_len_min, b->hello_len_min);
	assert_int_equal(a->hello_len_max, b->hello_len_max);
	if (b->hello_lens > 0)
		assert_int_equal(
			a->hello_len, (2 * b->hello_len + b->hello_lens) / (2 * b->hello_lens)
		);
	if (want->num_set <= SOME) {
		assert_int_equal(told->clients, want->num_set);
	} else {
		const double error = (double)told->clients / want->num_set - 1;
		assert_true(error > -0.12 && error < 0.12); // 5 times the standard error
	}
}

static uint64_t bytes_of(const struct row *r) {
	return r->s.c2s_bytes + r->s.s2c_bytes;
}

// Windows in order, and in each the largest first, `other` at the end.
static void check_order(const struct rows *told) {
	for (unsigned i = 1; i < told->num; i++) {
		const struct row *const a = &told->v[i - 1], *const b = &told->v[i];
		assert_true(a->start <= b->start);
		if (a->start != b->start || b->other_keys > 0)
			continue;
		assert_int_equal(a->other_keys, 0);
		assert_true(a->s.flows >= b->s.flows);
		assert_true(a->s.flows > b->s.flows || bytes_of(a) >= bytes_of(b));
	}
}

// Time goes on, records come out of order, and some too late.
static int64_t next_ts(int64_t *clock, bool jumps) {
	*clock += (int64_t)(rnd() % S / 10);
	if (jumps && rnd() % 200 == 0)
		*clock += (int64_t)(rnd() % 1000) * S;
	return rnd() % 4 == 0 ? *clock - (int64_t)(rnd() % (80 * S)) : *clock;
}

static void random_flows_are_as_the_model_has_them(void **state) {
	(void)state;
	for (unsigned round = 0; round < 12; round++) {
		struct run run = {.p = {.secret = {rnd(), rnd()}}};
		if (round % 3 == 1)
			run.p.window_s = run.p.grace_s = 7;
		if (round % 3 == 2)
			run.p.window_s = 10;
		begin_run(&run);
		struct model m = {
			.now = INT64_MIN, .length = run.p.window_s * S, .grace = run.p.grace_s * S};
		// Before 1970 too.
		int64_t clock = round % 2 == 0 ? T0 * S : -(int64_t)(rnd() % 1000) * S;
		for (unsigned i = 0; i < 6000; i++) {
			struct flow f;
			random_flow(&f, next_ts(&clock, round > 5), 12, round % 4 == 0 ? 3000 : 60);
			ht_aggregate_add(run.a, &f.r);
			model_add(&m, &f.r);
		}
		ht_aggregate_finish(run.a);
		assert_int_equal(ctr(&run, HT_AGGREGATE_RECORDS), 6000);
		if (ctr(&run, HT_AGGREGATE_LATE) != m.late)
			printf("round %u w %u g %u now %lld %lld\n", round, run.p.window_s,
			       run.p.grace_s, (long long)m.now, (long long)run.a->now);
		assert_int_equal(ctr(&run, HT_AGGREGATE_LATE), m.late);
		assert_int_equal(ctr(&run, HT_AGGREGATE_FOLDED), 0);
		assert_int_equal(run.told.num, m.rows.num);
		check_order(&run.told);
		for (unsigned i = 0; i < run.told.num; i++) {
			const struct row *const told = &run.told.v[i];
			const struct row *want = NULL;
			for (unsigned k = 0; k < m.rows.num && want == NULL; k++)
				if (m.rows.v[k].start == told->start
				    && strcmp(m.rows.v[k].key, told->key) == 0)
					want = &m.rows.v[k];
			assert_non_null(want);
			assert_int_equal(told->end, told->start + m.length);
			compare_row(told, want);
		}
		free_rows(&m.rows);
		end_run(&run);
	}
}

// ---- folding

static void add_row(struct sums *to, const struct sums *s) {
	to->flows += s->flows;
	to->hellos += s->hellos;
	to->incomplete_hellos += s->incomplete_hellos;
	to->c2s_packets += s->c2s_packets;
	to->c2s_bytes += s->c2s_bytes;
	to->c2s_ip_bytes += s->c2s_ip_bytes;
	to->s2c_packets += s->s2c_packets;
	to->s2c_bytes += s->s2c_bytes;
	to->s2c_ip_bytes += s->s2c_ip_bytes;
	to->resumed += s->resumed;
	to->refused += s->refused;
	if (s->first_seen < to->first_seen)
		to->first_seen = s->first_seen;
	if (s->last_seen > to->last_seen)
		to->last_seen = s->last_seen;
}

static void add_flow(struct sums *to, const struct ht_record *r) {
	const bool first = r->flow_part == 1;
	const struct sums s = {
		first,
		r->hellos,
		r->incomplete_hellos,
		r->c2s_packets,
		r->c2s_bytes,
		r->c2s_ip_bytes,
		r->s2c_packets,
		r->s2c_bytes,
		r->s2c_ip_bytes,
		r->start,
		r->end,
		first && r->resumed,
		first && r->has & HT_HAS(refused),
	};
	add_row(to, &s);
}

static const struct sums none = {.first_seen = INT64_MAX, .last_seen = INT64_MIN};

static void folded_sums_are_those_of_the_flows(void **state) {
	(void)state;
	for (unsigned round = 0; round < 24; round++) {
		struct run run = {.p = {.secret = {rnd(), rnd()}, .max_keys = 16 + round * 7}};
		begin_run(&run);
		struct sums want = none, told = none;
		int64_t clock = T0 * S;
		for (unsigned i = 0; i < 5000; i++) {
			struct flow f;
			random_flow(&f, next_ts(&clock, false), 1 + 400 * round, 500);
			ht_aggregate_add(run.a, &f.r);
			add_flow(&want, &f.r);
		}
		ht_aggregate_finish(run.a);
		uint64_t other_keys = 0, in_window = 0;
		for (unsigned i = 0; i < run.told.num; i++) {
			const struct row *const row = &run.told.v[i];
			add_row(&told, &row->s);
			other_keys += row->other_keys;
			in_window = i > 0 && row->start == row[-1].start ? in_window + 1 : 1;
			assert_true(in_window <= run.p.max_keys + 1);
		}
		assert_memory_equal(&told, &want, sizeof(want));
		assert_int_equal(other_keys, ctr(&run, HT_AGGREGATE_FOLDED));
		assert_true(round < 2 || other_keys > 0);
		check_order(&run.told);
		end_run(&run);
	}
}

// Large keys stay what they are, however many small ones come.
static void large_keys_are_not_folded(void **state) {
	(void)state;
	struct run run = {.p = {.max_keys = 64}};
	begin_run(&run);
	struct flow f;
	for (unsigned i = 0; i < 20000; i++) {
		plain_flow(&f, T0 * S);
		if (i < 160)
			four(f.dst, i % 16);
		else
			four(f.dst, 1000 + i);
		ht_aggregate_add(run.a, &f.r);
		if (i >= 160 && i % 100 == 0) {
			four(f.dst, i / 100 % 16);
			ht_aggregate_add(run.a, &f.r);
		}
	}
	ht_aggregate_finish(run.a);
	uint64_t flows = 0;
	for (unsigned i = 0; i < 16; i++) {
		assert_true(run.told.v[i].s.flows >= 10 + 11);
		flows += run.told.v[i].s.flows;
	}
	assert_int_equal(flows, 160 + 198);
	assert_true(run.told.v[run.told.num - 1].other_keys > 19000);
	assert_string_equal(run.told.v[run.told.num - 1].key, "");
	// `other` has the clients of all that it is the sum of: one.
	assert_int_equal(run.told.v[run.told.num - 1].clients, 1);
	end_run(&run);
}

// As many bytes as there are, and no more: long names of the largest value fill them first.
static void memory_is_a_cap_as_well(void **state) {
	(void)state;
	static const char *const key[] = {"sni"};
	struct run run = {.p = {.memory_mib = 1, .key = {(const char **)key, 1}}};
	begin_run(&run);
	uint8_t name[2000];
	struct flow f;
	memset(name, 'a', sizeof(name));
	for (unsigned i = 0; i < 10000; i++) {
		plain_flow(&f, T0 * S);
		snprintf((char *)name, 16, "%07u", i);
		name[7] = 'a';
		const size_t len = rnd() % 2 == 0 ? 900 + rnd() % 124 : rnd() % 300 + 8;
		ht_set(&f.r, sni, HT_SPAN(name, len));
		ht_aggregate_add(run.a, &f.r);
	}
	ht_aggregate_finish(run.a);
	uint64_t flows = 0;
	for (unsigned i = 0; i < run.told.num; i++)
		flows += run.told.v[i].s.flows;
	assert_int_equal(flows, 10000);
	assert_true(run.told.num < 4000);
	assert_true(ctr(&run, HT_AGGREGATE_FOLDED) > 6000);
	end_run(&run);
}

// Values are cut at 1024 bytes, lists between two items; what is equal until there is one key.
static void long_values_are_cut(void **state) {
	(void)state;
	static const char *const key[] = {"ja3", "ciphers"};
	struct run run = {.p = {.key = {(const char **)key, 2}}};
	struct flow f;
	uint8_t *const text = malloc(1500);
	memset(text, 'a', 1500);
	run.p.emit = NULL;
	begin_run(&run);
	const uint64_t *const c = ht_aggregate_counts(run.a);
	uint8_t bytes[KEY_MAX];
	plain_flow(&f, T0 * S);
	for (size_t len = 1022; len <= 1500; len++) {
		const bool of_three = len % 2;
		f.r.ciphers_are_24_bit = of_three;
		ht_set(&f.r, ja3, HT_SPAN(text, len));
		ht_set(&f.r, ciphers, HT_SPAN(text, len));
		const uint64_t before = c[HT_AGGREGATE_CUT];
		const size_t n = key_encode(&run.a->words, &run.a->key, bytes, &f.r, run.a->ctr);
		const size_t max = of_three ? 1023 : 1024;
		assert_int_equal(
			n, 2 + 2 + (len < 1024 ? len : 1024) + 1 + 2 + (len < max ? len : max)
		);
		assert_int_equal(c[HT_AGGREGATE_CUT] - before, (len > 1024) + (len > max));
	}
	free(text);
	ht_aggregate_free(run.a);
}

// ---- time

static void add_at(struct run *run, int64_t ts) {
	struct flow f;
	plain_flow(&f, ts);
	ht_aggregate_add(run->a, &f.r);
}

static void windows_close_when_their_time_is_over(void **state) {
	(void)state;
	struct run run = {0};
	begin_run(&run);
	add_at(&run, T0 * S);
	add_at(&run, (T0 + 60) * S - 1);
	add_at(&run, (T0 + 65) * S - 1);
	assert_int_equal(run.told.num, 0);
	add_at(&run, (T0 + 59) * S); // within the grace
	add_at(&run, (T0 + 65) * S);
	assert_int_equal(run.told.num, 1);
	assert_int_equal(run.told.v[0].s.flows, 3);
	assert_int_equal(run.told.v[0].start, T0 * S);
	assert_int_equal(run.told.v[0].end, (T0 + 60) * S);
	assert_int_equal(ctr(&run, HT_AGGREGATE_LATE), 0);
	add_at(&run, (T0 + 59) * S); // too late: with those of the next one
	assert_int_equal(ctr(&run, HT_AGGREGATE_LATE), 1);
	tick(&run, (T0 + 125) * S - 1);
	tick(&run, (T0 + 20) * S);
	assert_int_equal(run.told.num, 1);
	tick(&run, (T0 + 125) * S);
	assert_int_equal(run.told.num, 2);
	assert_int_equal(run.told.v[1].s.flows, 3);
	add_at(&run, T0 * S); // no window is open: in the oldest that may be
	tick(&run, (T0 + 300) * S);
	assert_int_equal(run.told.num, 3);
	assert_int_equal(run.told.v[2].start, (T0 + 120) * S);
	end_run(&run);
}

static void what_comes_after_the_end_may_be_of_the_past(void **state) {
	(void)state;
	struct run run = {0};
	begin_run(&run);
	add_at(&run, T0 * S);
	ht_aggregate_finish(run.a);
	add_at(&run, (T0 - 1000) * S);
	ht_aggregate_finish(run.a);
	assert_int_equal(run.told.num, 2);
	assert_int_equal(run.told.v[1].start, floor_to(T0 - 1000, 60) * S);
	assert_int_equal(ctr(&run, HT_AGGREGATE_LATE), 0);
	end_run(&run);
}

static void a_clock_that_jumps(void **state) {
	(void)state;
	struct run run = {0};
	begin_run(&run);
	add_at(&run, T0 * S);
	add_at(&run, (T0 + 86400 * 3650ll) * S); // one frame of another decade
	assert_int_equal(run.told.num, 1);
	add_at(&run, (T0 + 1) * S);
	add_at(&run, (T0 + 2) * S);
	assert_int_equal(run.told.num, 2);
	ht_aggregate_finish(run.a);
	assert_int_equal(run.told.num, 3);
	assert_int_equal(run.told.v[2].start, T0 * S);
	assert_int_equal(run.told.v[2].s.flows, 2);
	assert_int_equal(ctr(&run, HT_AGGREGATE_CLOCK_BACK), 1);
	assert_int_equal(ctr(&run, HT_AGGREGATE_LATE), 0);
	end_run(&run);
	// Every time there is, in any order, nothing but sums.
	static const int64_t times[] = {
		INT64_MIN, INT64_MIN + 1,      INT64_MIN + 70 * S, -S,	      -1, 0,
		1,	   INT64_MAX - 70 * S, INT64_MAX - 1,	   INT64_MAX,
	};
	for (unsigned round = 0; round < 500; round++) {
		struct run r = {0};
		begin_run(&r);
		for (unsigned i = 0; i < 20; i++) {
			struct flow f;
			plain_flow(&f, 0);
			ht_set(&f.r, ts, times[rnd() % HT_ARRAY_LEN(times)]);
			if (rnd() % 3 == 0)
				tick(&r, times[rnd() % HT_ARRAY_LEN(times)]);
			ht_aggregate_add(r.a, &f.r);
		}
		ht_aggregate_finish(r.a);
		uint64_t flows = 0;
		for (unsigned i = 0; i < r.told.num; i++)
			flows += r.told.v[i].s.flows;
		assert_int_equal(flows, 20);
		end_run(&r);
	}
}

// The clock was set back, and no flow ends: what passes is counted from the new time.
static void a_clock_that_is_set_back(void **state) {
	(void)state;
	struct run run = {0};
	begin_run(&run);
	add_at(&run, (T0 + 10 * 86400) * S);
	assert_true(ht_aggregate_see(run.a, (T0 + 10 * 86400 + 1) * S));
	assert_false(ht_aggregate_see(run.a, (T0 + 10 * 86400) * S));
	ht_aggregate_tick(run.a, 2 * S);
	assert_int_equal(run.told.num, 0);
	assert_true(ht_aggregate_see(run.a, T0 * S));
	assert_int_equal(run.told.num, 1);
	for (unsigned i = 0; i < 10; i++) {
		add_at(&run, (T0 + i) * S);
		ht_aggregate_tick(run.a, S / 2);
	}
	assert_int_equal(run.told.num, 1);
	ht_aggregate_tick(run.a, 56 * S);
	assert_true(ht_aggregate_more(run.a));
	assert_int_equal(run.told.num, 2);
	assert_int_equal(run.told.v[1].s.flows, 10);
	assert_int_equal(ctr(&run, HT_AGGREGATE_CLOCK_BACK), 1);
	assert_int_equal(ctr(&run, HT_AGGREGATE_LATE), 0);
	end_run(&run);
}

// Told some at a time, in the order in which it would be told at once, whatever comes meanwhile.
static void slices(void **state) {
	(void)state;
	enum { KEYS = 20000 };
	struct run run[3] = {0};
	for (unsigned k = 0; k < 3; k++) {
		const uint64_t before = seed;
		begin_run(&run[k]);
		for (unsigned i = 0; i < KEYS; i++) {
			struct flow f;
			plain_flow(&f, T0 * S);
			four(f.dst, i);
			ht_set(&f.r, c2s_bytes, rnd() % 100);
			ht_aggregate_add(run[k].a, &f.r);
		}
		if (k == 0)
			ht_aggregate_finish(run[k].a);
		seed = k < 2 ? before : seed;
	}
	ht_aggregate_tick(run[1].a, 65 * S);
	assert_int_equal(run[1].told.num, 0);
	unsigned calls = 0;
	for (unsigned before = 0; ht_aggregate_more(run[1].a); before = run[1].told.num, calls++)
		assert_true(run[1].told.num - before <= HT_AGGREGATE_SLICE);
	assert_int_equal(calls, (KEYS + HT_AGGREGATE_SLICE - 1) / HT_AGGREGATE_SLICE);
	// With records of the next window, of which each tells a few, until the one after it.
	for (unsigned i = 0; i < 1000; i++) {
		add_at(&run[2], (T0 + 65) * S);
		assert_true(run[2].told.num <= 8 * (i + 1));
	}
	assert_int_equal(run[2].told.num, 8000);
	add_at(&run[2], (T0 + 120) * S); // both windows are needed
	assert_int_equal(run[2].told.num, KEYS);
	add_at(&run[2], (T0 + 125) * S);
	assert_int_equal(run[2].told.num, KEYS + 1);
	for (unsigned k = 1; k < 3; k++)
		for (unsigned i = 0; i < KEYS; i++)
			assert_string_equal(run[k].told.v[i].key, run[0].told.v[i].key);
	for (unsigned k = 0; k < 3; k++)
		end_run(&run[k]);
}

static void nanoseconds_are_kept(void **state) {
	(void)state;
	struct run run = {0};
	struct flow f;
	begin_run(&run);
	plain_flow(&f, T0 * S);
	ht_aggregate_add(run.a, &f.r);
	ht_aggregate_finish(run.a);
	assert_false(run.ns);
	f.r.ts_is_ns = true;
	ht_aggregate_add(run.a, &f.r);
	ht_aggregate_finish(run.a);
	assert_true(run.ns);
	end_run(&run);
}

// ---- keys

// One flow, and the key that is told of it.
static void
expect_key(const char *const *key, unsigned num, const struct ht_record *r, const char *want) {
	struct run run = {.p = {.key = {(const char **)key, num}}};
	begin_run(&run);
	ht_aggregate_add(run.a, r);
	ht_aggregate_finish(run.a);
	assert_int_equal(run.told.num, 1);
	assert_string_equal(run.told.v[0].key, want);
	end_run(&run);
}

static void networks(void **state) {
	(void)state;
	static const struct {
		const char *key, *ip, *want;
	} cases[] = {
		{"src_ip", "00000000000000000000ffffc0a8fefd",
		 "src_ip=00000000000000000000ffffc0a8fefd "},
		{"src_ip/24", "00000000000000000000ffffc0a8fefd",
		 "src_ip=00000000000000000000ffffc0a8fe00 src_prefix=24 "},
		{"src_ip/0", "00000000000000000000ffffc0a8fefd",
		 "src_ip=00000000000000000000ffff00000000 src_prefix=0 "},
		{"src_ip/1", "00000000000000000000ffffc0a8fefd",
		 "src_ip=00000000000000000000ffff80000000 src_prefix=1 "},
		{"src_ip/31", "00000000000000000000ffffc0a8fefd",
		 "src_ip=00000000000000000000ffffc0a8fefc src_prefix=31 "},
		{"src_ip/32", "00000000000000000000ffffc0a8fefd",
		 "src_ip=00000000000000000000ffffc0a8fefd "},
		{"src_ip/24", "20010db8aaaabbbbccccddddeeeeffff",
		 "src_ip=20010db8aaaabbbbccccddddeeeeffff "},
		{"src_ip/24/48", "20010db8aaaabbbbccccddddeeeeffff",
		 "src_ip=20010db8aaaa00000000000000000000 src_prefix=48 "},
		{"src_ip/24/0", "20010db8aaaabbbbccccddddeeeeffff",
		 "src_ip=00000000000000000000000000000000 src_prefix=0 "},
		{"src_ip/24/127", "20010db8aaaabbbbccccddddeeeeffff",
		 "src_ip=20010db8aaaabbbbccccddddeeeefffe src_prefix=127 "},
		{"src_ip/24/128", "20010db8aaaabbbbccccddddeeeeffff",
		 "src_ip=20010db8aaaabbbbccccddddeeeeffff "},
		{"src_ip/32/33", "20010db8aaaabbbbccccddddeeeeffff",
		 "src_ip=20010db8800000000000000000000000 src_prefix=33 "},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct flow f;
		plain_flow(&f, T0 * S);
		t_unhex(f.src, 16, cases[i].ip);
		t_unhex(f.dst, 16, cases[i].ip);
		expect_key(&cases[i].key, 1, &f.r, cases[i].want);
		char key[32], want[128]; // the server's as well
		snprintf(key, sizeof(key), "dst%s", cases[i].key + 3);
		snprintf(want, sizeof(want), "%s", cases[i].want);
		memcpy(want, "dst", 3);
		char *const prefix = strstr(want, "src_prefix");
		if (prefix != NULL)
			memcpy(prefix, "dst", 3);
		const char *const keys[] = {key};
		expect_key(keys, 1, &f.r, want);
	}
}

static void keys_of_every_type(void **state) {
	(void)state;
	struct flow f;
	struct ht_record *const r = &f.r;
	plain_flow(&f, T0 * S);
	r->ciphers_are_24_bit = false;
	r->cert_chain = HT_SPAN_STR("xyz");
	r->encap.num = 2;
	memcpy(r->encap.s[0], "vlan:10", r->encap.len[0] = 7);
	memcpy(r->encap.s[1], "gre", r->encap.len[1] = 3);
	r->has |= HT_HAS(encap);
	r->via.num = 2;
	r->via.s[0] = "proxy-v2";
	r->via.s[1] = "smtp";
	r->has |= HT_HAS(via);
	ht_set(r, complete, false);
	ht_set(r, hello_number, 2);
	ht_set(r, src_port, 65535);
	ht_set(r, quic_version, 0xfaceb002);
	ht_set(r, sni, HT_SPAN_STR("a\0b"));
	ht_set(r, alpn, HT_SPAN_STR("\x02h2\x02h3"));
	ht_set(r, ciphers, HT_SPAN_STR("\x13\x01\x13\x02"));
	ht_set(r, point_formats, HT_SPAN_STR("\x00"));
	ht_set(r, quic_transport_parameters, HT_SPAN_STR("\x40\x01"));
	ht_set(r, quic_dcid, HT_SPAN_STR("\xff\x00"));
	ht_set(r, ja4, HT_SPAN_STR("t13"));
	ht_set(r, pq, true);
	ht_set(r, hrr, false); // as if it were not there
	ht_set(r, cert_not_before, -62167219200);
	ht_set(r, cert_count, 3);
	static const char *const keys[] = {
		"ja4",
		"encap",
		"via",
		"complete",
		"hello_number",
		"pq",
		"src_port",
		"quic_version",
		"sni",
		"alpn",
		"ciphers",
		"point_formats",
		"quic_transport_parameters",
		"cert_not_before",
		"cert_count",
	};
	expect_key(
		keys, HT_ARRAY_LEN(keys), r,
		"src_port=65535 encap=vlan:10,gre, via=proxy-v2,smtp, "
		"complete=0 hello_number=2 sni=610062 alpn=026832026833 ciphers=13011302 "
		"point_formats=00 pq=1 ja4=743133 quic_version=4207849474 "
		"quic_transport_parameters=4001 cert_not_before=-62167219200 cert_count=3 "
	);
	static const char *const more[] = {"transport", "quic_dcid", "alpn_first", "hrr", "ech"};
	expect_key(more, 5, r, "transport=tcp quic_dcid=ff00 alpn_first=6832 ");
	// Names that are cut, empty, or none.
	static const char *const first[] = {"alpn_first"};
	ht_set(r, alpn, HT_SPAN_STR("\x05h2"));
	expect_key(first, 1, r, "alpn_first=6832 ");
	ht_set(r, alpn, HT_SPAN_STR("\x00\x02h2"));
	expect_key(first, 1, r, "alpn_first= ");
	ht_set(r, alpn, HT_SPAN_EMPTY);
	expect_key(first, 1, r, "");
}

// Each field that can be part of a key is one of flow records, and comes back.
static void which_fields_are_usable(void **state) {
	(void)state;
	unsigned usable = 0;
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		const char *const key[] = {ht_fields[i].name};
		const struct ht_aggregate_params p
			= {.window_s = 60, .key = {(const char **)key, 1}};
		unsigned which;
		char err[256];
		const bool ok = ht_aggregate_check(&p, &which, err, sizeof(err)) == HT_OK;
		usable += ok;
		if (ok)
			assert_true(ht_aggregate_fields(&p) == (ht_fieldset)1 << i);
		if (!(ht_fields[i].kinds & HT_KIND_FLOW) && i != HT_FIELD_alpn_first)
			assert_false(ok);
		if (ht_fields[i].type == HT_TYPE_TIME || ht_fields[i].type == HT_TYPE_U64)
			assert_false(ok);
	}
	assert_true(usable > 60);
}

static void expect_wrong(const char *element, const char *want) {
	const char *const key[] = {"dst_ip", element};
	const struct ht_aggregate_params p = {.window_s = 60, .key = {(const char **)key, 2}};
	unsigned which = 77;
	char err[256] = "";
	assert_int_equal(ht_aggregate_check(&p, &which, err, sizeof(err)), HT_BAD);
	assert_int_equal(which, 1);
	assert_string_equal(err, want);
	assert_null(ht_aggregate_new(&p));
	assert_true(ht_aggregate_fields(&p) == 0);
}

static void wrong_keys_are_told(void **state) {
	(void)state;
#define PREFIX ": /BITS of IPv4 (0 to 32) or /BITS/BITS of IPv4 and IPv6 (0 to 128) was expected"
#define NUMBER ": cannot be part of a key: a time, a count or a number of the record"
	expect_wrong("", ": no such field (--fields lists them)");
	expect_wrong("sn", "sn: no such field (--fields lists them)");
	expect_wrong("snii", "snii: no such field (--fields lists them)");
	expect_wrong("dst_ip", "dst_ip: is there twice");
	expect_wrong("dst_ip/24", "dst_ip/24: is there twice");
	expect_wrong("start", "start" NUMBER);
	expect_wrong("c2s_bytes", "c2s_bytes" NUMBER);
	expect_wrong("flow_part", "flow_part" NUMBER);
	expect_wrong("sequence", "sequence" NUMBER);
	expect_wrong("matches", "matches: cannot be part of a key: a list of what watchlists say");
	expect_wrong("severity", "severity: cannot be part of a key: flow records do not have it");
	expect_wrong("flows", "flows: cannot be part of a key: flow records do not have it");
	expect_wrong("sni/24", "sni/24: only addresses have a prefix");
	expect_wrong("src_ip/", "src_ip/" PREFIX);
	expect_wrong("src_ip/33", "src_ip/33" PREFIX);
	expect_wrong("src_ip/256", "src_ip/256" PREFIX);
	expect_wrong("src_ip/-1", "src_ip/-1" PREFIX);
	expect_wrong("src_ip/ 1", "src_ip/ 1" PREFIX);
	expect_wrong("src_ip/24x", "src_ip/24x" PREFIX);
	expect_wrong("src_ip/24/", "src_ip/24/" PREFIX);
	expect_wrong("src_ip/24/129", "src_ip/24/129" PREFIX);
	expect_wrong("src_ip/24/48/", "src_ip/24/48/" PREFIX);
	expect_wrong("src_ip/99999999999999999999", "src_ip/99999999999999999999" PREFIX);
	unsigned which = 77;
	char err[256] = "";
	const char *key[HT_AGGREGATE_MAX_KEY + 1] = {
		"src_ip",    "dst_ip", "src_port", "dst_port", "ja3s", "resumed",
		"transport", "encap",  "service",  "protocol", "via",  "complete",
		"sni",	     "alpn",   "pq",	   "ech",      "ja3",
	};
	const struct ht_aggregate_params many
		= {.window_s = 60, .key = {key, HT_AGGREGATE_MAX_KEY + 1}};
	assert_int_equal(ht_aggregate_check(&many, &which, err, sizeof(err)), HT_BAD);
	assert_int_equal(which, 16);
	assert_string_equal(err, "more than 16 fields in a key");
}

// More words than have numbers.
static void words_without_end(void **state) {
	(void)state;
	static const char *const key[] = {"service"};
	static char text[70000][8];
	struct run run = {.p = {.key = {(const char **)key, 1}, .max_keys = 100000}};
	begin_run(&run);
	for (unsigned i = 0; i < 70000; i++) {
		struct flow f;
		plain_flow(&f, T0 * S);
		snprintf(text[i], sizeof(text[i]), "w%u", i);
		ht_set(&f.r, service, text[i]);
		ht_aggregate_add(run.a, &f.r);
	}
	ht_aggregate_finish(run.a);
	assert_int_equal(ctr(&run, HT_AGGREGATE_WORDS_FULL), 70000 - 65535);
	assert_int_equal(run.told.num, 65535 + 1);
	assert_string_equal(run.told.v[0].key, "service= ");
	assert_int_equal(run.told.v[0].s.flows, 70000 - 65535);
	end_run(&run);
}

// ---- clients

static void clients_of_many_sizes(void **state) {
	(void)state;
	static const unsigned sizes[]
		= {1,	 4,    5,    63,    64,	   65,	  100,	  500,	  1000,
		   2000, 4000, 6000, 10000, 20000, 50000, 100000, 300000, 1000000};
	for (unsigned i = 0; i < HT_ARRAY_LEN(sizes); i++) {
		double square = 0, mean = 0;
		const unsigned n = sizes[i], rounds = n > 50000 ? 8 : 24;
		for (unsigned round = 0; round < rounds; round++) {
			struct clients_store s = {0};
			struct clients c = {.form = CLIENTS_FEW};
			uint64_t counters[HT_AGGREGATE_NUM_CTRS] = {0};
			assert_true(clients_init(&s, 1 << 20));
			uint64_t first = 0;
			for (unsigned k = 0; k < 2 * n; k++) { // each twice
				const uint64_t x = (k % n + 1) * (0x9e3779b97f4a7c15 + 2 * round)
						   * (round + 1);
				uint64_t h = x ^ x >> 31;
				h *= 0xbf58476d1ce4e5b9;
				h ^= h >> 29;
				clients_add(&s, &c, (uint32_t)(h >> 16), counters);
				if (k == n - 1)
					first = clients_count(&s, &c);
			}
			assert_int_equal(clients_count(&s, &c), first);
			const double error = (double)clients_count(&s, &c) / n - 1;
			if (n <= SOME)
				assert_true(error == 0);
			assert_true(error > -0.093 && error < 0.093); // 4 times the standard error
			square += error * error / rounds;
			mean += error / rounds;
			assert_int_equal(counters[HT_AGGREGATE_CLIENTS_FULL], 0);
			clients_release(&s, &c);
			clients_exit(&s);
		}
		// The standard error is 0.023, and there is no bias.
		assert_true(square < 0.035 * 0.035);
		assert_true(mean > -0.025 && mean < 0.025);
	}
}

static void room_for_clients_is_given_back_and_ends(void **state) {
	(void)state;
	struct run run = {.p = {.clients_mib = 1, .secret = {7, 8}}};
	begin_run(&run);
	// 1024 small blocks and 384 large ones: more keys than that have 100 clients each.
	for (unsigned window = 0; window < 3; window++) {
		for (unsigned i = 0; i < 2000 * 100; i++) {
			struct flow f;
			plain_flow(&f, (T0 + 600 * window) * S);
			four(f.dst, i % 2000);
			four(f.src, i / 2000);
			ht_aggregate_add(run.a, &f.r);
		}
		tick(&run, (T0 + 600 * window + 300) * S);
		assert_int_equal(run.told.num, 2000 * (window + 1));
		unsigned few = 0, some = 0, many = 0;
		for (unsigned i = 2000 * window; i < run.told.num; i++) {
			const uint64_t n = run.told.v[i].clients;
			assert_true(n == FEW || n == SOME || (n > 88 && n < 112));
			few += n == FEW;
			some += n == SOME;
			many += n > SOME;
		}
		assert_int_equal(few + some + many, 2000);
		assert_int_equal(some + many, 1024 + 384);
		assert_int_equal(many, 384);
	}
	assert_true(ctr(&run, HT_AGGREGATE_CLIENTS_FULL) > 0);
	end_run(&run);
}

static void clients_without_addresses(void **state) {
	(void)state;
	static const char *const key[] = {"transport"};
	struct run run = {.p = {.key = {(const char **)key, 1}}};
	begin_run(&run);
	for (unsigned i = 0; i < 12; i++) {
		struct flow f;
		plain_flow(&f, T0 * S);
		f.r.has &= ~(HT_HAS(src_ip) | HT_HAS(dst_ip));
		uint8_t mac[6] = {0, 0, 0, 0, 0, (uint8_t)(i % 3)};
		if (i < 9)
			ht_set(&f.r, src_mac, mac);
		ht_aggregate_add(run.a, &f.r);
	}
	ht_aggregate_finish(run.a);
	assert_int_equal(run.told.v[0].clients, 3);
	end_run(&run);
}

// ---- the secret

static void another_secret_tells_the_same(void **state) {
	(void)state;
	struct run run[2] = {
		{.p = {.secret = {1, 2}, .max_keys = 300}},
		{.p = {.secret = {0xdeadbeef, 77}, .max_keys = 300}},
	};
	begin_run(&run[0]);
	begin_run(&run[1]);
	int64_t clock = T0 * S;
	for (unsigned i = 0; i < 20000; i++) {
		struct flow f;
		random_flow(&f, next_ts(&clock, false), 400, 50);
		if (i % 4 != 0) { // many are worth the same
			ht_set(&f.r, c2s_bytes, 100);
			ht_set(&f.r, s2c_bytes, 200);
		}
		ht_aggregate_add(run[0].a, &f.r);
		ht_aggregate_add(run[1].a, &f.r);
	}
	ht_aggregate_finish(run[0].a);
	ht_aggregate_finish(run[1].a);
	assert_int_equal(run[0].told.num, run[1].told.num);
	assert_true(ctr(&run[0], HT_AGGREGATE_FOLDED) > 1000);
	for (unsigned i = 0; i < run[0].told.num; i++) {
		const struct row *const a = &run[0].told.v[i], *const b = &run[1].told.v[i];
		assert_int_equal(a->start, b->start);
		assert_string_equal(a->key, b->key);
		assert_memory_equal(&a->s, &b->s, sizeof(a->s));
		assert_int_equal(a->other_keys, b->other_keys);
		if (a->clients <= SOME && a->other_keys == 0)
			assert_int_equal(a->clients, b->clients);
	}
	end_run(&run[0]);
	end_run(&run[1]);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_flows_are_as_the_model_has_them),
		cmocka_unit_test(folded_sums_are_those_of_the_flows),
		cmocka_unit_test(large_keys_are_not_folded),
		cmocka_unit_test(memory_is_a_cap_as_well),
		cmocka_unit_test(long_values_are_cut),
		cmocka_unit_test(windows_close_when_their_time_is_over),
		cmocka_unit_test(what_comes_after_the_end_may_be_of_the_past),
		cmocka_unit_test(a_clock_that_jumps),
		cmocka_unit_test(a_clock_that_is_set_back),
		cmocka_unit_test(slices),
		cmocka_unit_test(nanoseconds_are_kept),
		cmocka_unit_test(networks),
		cmocka_unit_test(keys_of_every_type),
		cmocka_unit_test(which_fields_are_usable),
		cmocka_unit_test(wrong_keys_are_told),
		cmocka_unit_test(words_without_end),
		cmocka_unit_test(clients_of_many_sizes),
		cmocka_unit_test(room_for_clients_is_given_back_and_ends),
		cmocka_unit_test(clients_without_addresses),
		cmocka_unit_test(another_secret_tells_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
