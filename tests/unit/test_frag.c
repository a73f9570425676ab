// SPDX-License-Identifier: BSD-3-Clause

#include "frag.h"
#include "t.h"

#define SECOND INT64_C(1000000000)
#define TIMEOUT (60 * SECOND)

static struct ht_frag *table(uint32_t max_packets, uint32_t max_bytes) {
	struct ht_frag_params p = {
		.max_packets = max_packets,
		.max_bytes = max_bytes,
		.timeout_ns = TIMEOUT,
		.secret = {0x0706050403020100, 0x0f0e0d0c0b0a0908},
	};
	struct ht_frag *t = ht_frag_new(&p);
	assert_non_null(t);
	return t;
}

// What the packets under test consist of: no two bytes near each other are the same.
static uint8_t content[65536];

static int fill_content(void **state) {
	(void)state;
	uint32_t x = 1;
	for (size_t i = 0; i < sizeof(content); i++) {
		x = x * 1664525 + 1013904223;
		content[i] = (uint8_t)(x >> 24);
	}
	return 0;
}

static struct ht_packet packet(uint32_t id, size_t lo, size_t hi, bool more) {
	struct ht_packet p = {
		.end = HT_PACKET_FRAGMENT,
		.key = {.src = {[10] = 0xff, 0xff, 192, 0, 2, 1},
			.dst = {[10] = 0xff, 0xff, 192, 0, 2, 2}},
		.fragment = {.id = id, .offset = (uint16_t)lo, .more = more, .proto = 6},
	};
	p.fragment.data = HT_SPAN(content + lo, hi - lo);
	return p;
}

// add gives the table bytes [lo, hi) of packet `id` as a heap copy that is gone afterwards, so that
// a sanitizer sees what is read beyond it or kept of it.
static enum ht_frag_end
add(struct ht_frag *t,
    uint32_t id,
    size_t lo,
    size_t hi,
    bool more,
    int64_t now,
    struct ht_span *out) {
	struct ht_packet p = packet(id, lo, hi, more);
	uint8_t *d = t_dup(content + lo, hi - lo);
	p.fragment.data = HT_SPAN(d, hi - lo);
	struct ht_frag_whole whole;
	enum ht_frag_end end = ht_frag_add(t, &p, now, &whole);
	if (end == HT_FRAG_DONE)
		*out = whole.payload;
	free(d);
	return end;
}

static void balance(const struct ht_frag *t, uint64_t held) {
	const struct ht_frag_stats *s = ht_frag_stats(t);
	assert_int_equal(s->begun, s->done + s->timeout + s->overlap + s->evicted + held);
}

static void check_whole(struct ht_span got, size_t len) {
	assert_int_equal(got.len, len);
	assert_memory_equal(got.p, content, len);
}

static void test_orders(void **state) {
	(void)state;
	static const size_t cuts[] = {0, 1480, 2960, 4440, 5001};
	// Every order of the four fragments.
	for (unsigned order = 0; order < 256; order++) {
		unsigned seq[4], seen = 0;
		for (unsigned i = 0; i < 4; i++) {
			seq[i] = order >> (2 * i) & 3;
			seen |= 1u << seq[i];
		}
		if (seen != 15)
			continue;
		struct ht_frag *t = table(4, 1 << 20);
		struct ht_span out = HT_SPAN_EMPTY;
		for (unsigned i = 0; i < 4; i++) {
			unsigned k = seq[i];
			enum ht_frag_end end = add(t, 7, cuts[k], cuts[k + 1], k < 3, 0, &out);
			assert_int_equal(end, i < 3 ? HT_FRAG_HELD : HT_FRAG_DONE);
		}
		check_whole(out, 5001);
		assert_int_equal(ht_frag_stats(t)->begun, 1);
		assert_int_equal(ht_frag_stats(t)->done, 1);
		balance(t, 0);
		ht_frag_free(t);
	}
}

static void test_tiny_shuffled(void **state) {
	(void)state;
	enum { LEN = 65535, NUM = (LEN + 7) / 8 };
	static uint16_t order[NUM];
	static const unsigned sizes[] = {188, NUM};
	struct ht_frag *t = table(4, 1 << 20);
	uint32_t x = 5;
	for (size_t s = 0; s < HT_ARRAY_LEN(sizes); s++) {
		unsigned num = sizes[s];
		size_t len = num == NUM ? LEN : num * 8u - 3;
		for (unsigned i = 0; i < num; i++)
			order[i] = (uint16_t)i;
		for (unsigned i = num - 1; i > 0; i--) {
			x = x * 1664525 + 1013904223;
			unsigned j = (x >> 8) % (i + 1);
			uint16_t swap = order[i];
			order[i] = order[j];
			order[j] = swap;
		}
		struct ht_span out = HT_SPAN_EMPTY;
		for (unsigned i = 0; i < num; i++) {
			size_t lo = order[i] * 8u, hi = lo + 8 < len ? lo + 8 : len;
			enum ht_frag_end end = add(t, 1, lo, hi, hi < len, 0, &out);
			assert_int_equal(end, i < num - 1 ? HT_FRAG_HELD : HT_FRAG_DONE);
		}
		check_whole(out, len);
	}
	balance(t, 0);
	ht_frag_free(t);
}

// Fragments of one packet, each with what becomes of it. `other`: the bytes differ from those
// of the packet.
static void test_rules(void **state) {
	(void)state;
	static const struct {
		const char *name;
		struct {
			uint32_t lo, hi;
			bool more, other;
			enum ht_frag_end end;
		} f[5];
		uint64_t overlap, held;
	} cases[] = {
		{"one that is first and last", {{0, 100, false, false, HT_FRAG_DONE}}},
		{"a duplicate",
		 {{0, 16, true, false, HT_FRAG_HELD},
		  {0, 16, true, false, HT_FRAG_DUPLICATE},
		  {16, 20, false, false, HT_FRAG_DONE}}},
		{"a duplicate of the last, not a multiple of 8",
		 {{16, 20, false, false, HT_FRAG_HELD},
		  {16, 20, false, false, HT_FRAG_DUPLICATE},
		  {0, 16, true, false, HT_FRAG_DONE}}},
		{"a part of what is there, with the same bytes",
		 {{0, 32, true, false, HT_FRAG_HELD},
		  {8, 16, true, false, HT_FRAG_DUPLICATE},
		  {32, 33, false, false, HT_FRAG_DONE}}},
		{"the same place, other bytes",
		 {{0, 16, true, false, HT_FRAG_HELD},
		  {0, 16, true, true, HT_FRAG_OVERLAP},
		  {16, 20, false, false, HT_FRAG_OVERLAP},
		  {0, 16, true, false, HT_FRAG_OVERLAP}},
		 1,
		 0},
		{"8 bytes of overlap, though the same",
		 {{0, 16, true, false, HT_FRAG_HELD},
		  {8, 24, true, false, HT_FRAG_OVERLAP},
		  {24, 30, false, false, HT_FRAG_OVERLAP}},
		 1,
		 0},
		{"around what is there",
		 {{8, 16, true, false, HT_FRAG_HELD}, {0, 24, true, false, HT_FRAG_OVERLAP}},
		 1,
		 0},
		{"the last into what is there",
		 {{0, 16, true, false, HT_FRAG_HELD}, {8, 20, false, false, HT_FRAG_OVERLAP}},
		 1,
		 0},
		{"beyond the last",
		 {{16, 20, false, false, HT_FRAG_HELD},
		  {24, 32, true, false, HT_FRAG_INVALID},
		  {16, 24, true, false, HT_FRAG_INVALID},
		  {0, 16, true, false, HT_FRAG_DONE}}},
		{"a last that is not the farthest",
		 {{24, 32, true, false, HT_FRAG_HELD}, {8, 20, false, false, HT_FRAG_INVALID}},
		 0,
		 1},
		{"a last where more was to come",
		 {{0, 16, true, false, HT_FRAG_HELD}, {8, 16, false, false, HT_FRAG_INVALID}},
		 0,
		 1},
		{"more to come where the last was",
		 {{16, 24, false, false, HT_FRAG_HELD}, {16, 24, true, false, HT_FRAG_INVALID}},
		 0,
		 1},
		{"two lasts",
		 {{16, 24, false, false, HT_FRAG_HELD},
		  {24, 26, false, false, HT_FRAG_INVALID},
		  {8, 16, false, false, HT_FRAG_INVALID},
		  {0, 16, true, false, HT_FRAG_DONE}}},
		{"7 bytes and more to come", {{0, 7, true, false, HT_FRAG_INVALID}}},
		{"9 bytes and more to come", {{8, 17, true, false, HT_FRAG_INVALID}}},
		{"an offset that is no multiple of 8", {{12, 20, false, false, HT_FRAG_INVALID}}},
		{"no bytes",
		 {{8, 8, true, false, HT_FRAG_INVALID}, {8, 8, false, false, HT_FRAG_INVALID}}},
		{"to 65535", {{65528, 65535, false, false, HT_FRAG_HELD}}, 0, 1},
		{"to 65536",
		 {{65528, 65536, true, false, HT_FRAG_INVALID},
		  {65528, 65536, false, false, HT_FRAG_INVALID}}},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_frag *t = table(4, 1 << 20);
		struct ht_frag_whole out;
		for (size_t k = 0; k < 5 && cases[i].f[k].hi != 0; k++) {
			struct ht_packet p
				= packet(1, cases[i].f[k].lo, cases[i].f[k].hi, cases[i].f[k].more);
			uint8_t *d = t_dup(p.fragment.data.p, p.fragment.data.len);
			if (cases[i].f[k].other)
				d[p.fragment.data.len - 1] ^= 1;
			p.fragment.data.p = d;
			enum ht_frag_end end = ht_frag_add(t, &p, 0, &out);
			if (end != cases[i].f[k].end)
				fail_msg("%s: fragment %zu ends %d", cases[i].name, k, end);
			if (end == HT_FRAG_DONE)
				assert_memory_equal(out.payload.p, content, out.payload.len);
			free(d);
		}
		assert_int_equal(ht_frag_stats(t)->overlap, cases[i].overlap);
		balance(t, cases[i].held);
		ht_frag_free(t);
	}
}

// Whose fragments belong together.
static void test_keys(void **state) {
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		for (int field = 0; field < 6; field++) {
			struct ht_frag *t = table(4, 1 << 20);
			struct ht_packet a = packet(1, 0, 16, true), b = packet(1, 16, 20, false);
			a.fragment.v6 = b.fragment.v6 = v6 == 1;
			bool same = false;
			switch (field) {
			case 0:
				same = true;
				break;
			case 1:
				b.key.src[15] ^= 1;
				break;
			case 2:
				b.key.dst[0] ^= 1;
				break;
			case 3:
				b.fragment.id ^= 0x10000;
				break;
			case 4:
				b.fragment.v6 = !b.fragment.v6;
				break;
			case 5: // RFC 791 3.2 has the protocol in the key, RFC 8200 4.5 has not
				b.fragment.proto = 17;
				same = v6 == 1;
				break;
			}
			struct ht_frag_whole out;
			assert_int_equal(ht_frag_add(t, &a, 0, &out), HT_FRAG_HELD);
			assert_int_equal(
				ht_frag_add(t, &b, 0, &out), same ? HT_FRAG_DONE : HT_FRAG_HELD
			);
			balance(t, same ? 0 : 2);
			ht_frag_free(t);
		}
	}
}

// RFC 8200 4.5: what the packet begins with is told by the fragment at offset 0, in whatever order
// they come; an exact repeat of that one changes nothing.
static void test_next_header(void **state) {
	(void)state;
	// The fourth is the first again, with another Next Header.
	static const uint8_t protos[] = {6, 17, 58, 60};
	static const struct {
		unsigned order[4];
		uint8_t want;
	} cases[] = {
		{{0, 1, 3, 2}, 6},  {{0, 3, 2, 1}, 6},	{{1, 2, 0, 3}, 6},  {{1, 0, 3, 2}, 6},
		{{2, 1, 3, 0}, 60}, {{3, 2, 0, 1}, 60}, {{2, 3, 0, 1}, 60},
	};
	for (size_t c = 0; c < HT_ARRAY_LEN(cases); c++) {
		struct ht_frag *t = table(4, 1 << 20);
		struct ht_frag_whole out;
		unsigned done = 0;
		for (size_t i = 0; i < 4; i++) {
			unsigned k = cases[c].order[i], lo = k < 3 ? 16 * k : 0;
			struct ht_packet p = packet(1, lo, lo + 16, k != 2);
			p.fragment.v6 = true;
			p.fragment.proto = protos[k];
			if (ht_frag_add(t, &p, 0, &out) != HT_FRAG_DONE)
				continue;
			assert_int_equal(out.proto, cases[c].want);
			check_whole(out.payload, 48);
			done++;
		}
		assert_int_equal(done, 1);
		ht_frag_free(t);
	}
}

static void test_timeout(void **state) {
	(void)state;
	static const struct {
		const char *name;
		int64_t first, second;
		bool late;
	} cases[] = {
		{"at once", 0, 0, false},
		{"at the time-out", 5, 5 + TIMEOUT, false},
		{"after it", 5, 6 + TIMEOUT, true},
		{"the clock went back", TIMEOUT, 0, false},
		{"before 1970", -2 * TIMEOUT, -TIMEOUT, false},
		{"before 1970, late", -2 * TIMEOUT, -TIMEOUT + 1, true},
		{"from one end of time to the other", INT64_MIN, INT64_MAX, true},
		{"and back", INT64_MAX, INT64_MIN, false},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_frag *t = table(4, 1 << 20);
		struct ht_span out;
		assert_int_equal(add(t, 1, 0, 16, true, cases[i].first, &out), HT_FRAG_HELD);
		enum ht_frag_end end = add(t, 1, 16, 20, false, cases[i].second, &out);
		if (end != (cases[i].late ? HT_FRAG_HELD : HT_FRAG_DONE))
			fail_msg("%s: ends %d", cases[i].name, end);
		assert_int_equal(ht_frag_stats(t)->timeout, cases[i].late ? 1 : 0);
		balance(t, cases[i].late ? 1 : 0);
		ht_frag_free(t);
	}
}

// The time-out runs from the fragment that came first, whatever came since; and without any
// fragment at all when the worker's housekeeping says what time it is.
static void test_expire(void **state) {
	(void)state;
	struct ht_frag *t = table(100, 1 << 20);
	struct ht_span out;
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(add(t, i, 0, 8, true, i * SECOND, &out), HT_FRAG_HELD);
	assert_int_equal(add(t, 0, 8, 16, true, 50 * SECOND, &out), HT_FRAG_HELD);
	ht_frag_expire(t, TIMEOUT);
	assert_int_equal(ht_frag_stats(t)->timeout, 0);
	ht_frag_expire(t, TIMEOUT + 2 * SECOND + 1);
	assert_int_equal(ht_frag_stats(t)->timeout, 3);
	for (int i = 0; i < 10; i++) // a few a call
		ht_frag_expire(t, 10 * TIMEOUT);
	assert_int_equal(ht_frag_stats(t)->timeout, 20);
	balance(t, 0);
	ht_frag_free(t);
}

// More ran out of time than one call gives up, and one of those comes again: the old part of it,
// which an id that is used again would meet, is not believed.
static void test_id_again(void **state) {
	(void)state;
	struct ht_frag *t = table(100, 1 << 20);
	struct ht_span out;
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(add(t, i, 0, 16, true, 0, &out), HT_FRAG_HELD);
	assert_int_equal(add(t, 15, 16, 20, false, TIMEOUT + 1, &out), HT_FRAG_HELD);
	assert_int_equal(ht_frag_stats(t)->timeout, 9);
	assert_int_equal(add(t, 15, 0, 16, true, TIMEOUT + 1, &out), HT_FRAG_DONE);
	check_whole(out, 20);
	ht_frag_free(t);
}

// The refused packet is remembered, so that the rest of it is refused as well; and forgotten in
// time.
static void test_refused(void **state) {
	(void)state;
	struct ht_frag *t = table(2, 1 << 20);
	struct ht_span out;
	assert_int_equal(add(t, 1, 0, 16, true, 0, &out), HT_FRAG_HELD);
	assert_int_equal(add(t, 1, 8, 24, true, 0, &out), HT_FRAG_OVERLAP);
	assert_int_equal(add(t, 1, 0, 16, true, TIMEOUT, &out), HT_FRAG_OVERLAP);
	assert_int_equal(add(t, 1, 0, 16, true, TIMEOUT + 1, &out), HT_FRAG_HELD);
	assert_int_equal(add(t, 1, 16, 17, false, TIMEOUT + 1, &out), HT_FRAG_DONE);
	assert_int_equal(ht_frag_stats(t)->begun, 2);
	assert_int_equal(ht_frag_stats(t)->overlap, 1);
	assert_int_equal(ht_frag_stats(t)->timeout, 0);
	balance(t, 0);

	// Making room for others, it is not counted a second time either.
	assert_int_equal(add(t, 1, 0, 16, true, TIMEOUT + 1, &out), HT_FRAG_HELD);
	assert_int_equal(add(t, 1, 8, 24, true, TIMEOUT + 1, &out), HT_FRAG_OVERLAP);
	for (uint32_t i = 2; i < 5; i++)
		assert_int_equal(add(t, i, 0, 16, true, TIMEOUT + 1, &out), HT_FRAG_HELD);
	assert_int_equal(ht_frag_stats(t)->overlap, 2);
	assert_int_equal(ht_frag_stats(t)->evicted, 1);
	balance(t, 2);
	ht_frag_free(t);
}

static void test_table_full(void **state) {
	(void)state;
	enum { MAX = 8 };
	struct ht_frag *t = table(MAX, 1 << 20);
	struct ht_span out;
	for (uint32_t i = 0; i < MAX; i++)
		assert_int_equal(add(t, i, 0, 16, true, 0, &out), HT_FRAG_HELD);
	assert_int_equal(ht_frag_stats(t)->evicted, 0);
	assert_int_equal(
		add(t, MAX, 0, 16, true, 0, &out), HT_FRAG_HELD
	); // at the cost of packet 0
	assert_int_equal(ht_frag_stats(t)->evicted, 1);
	for (uint32_t i = 1; i <= MAX; i++)
		assert_int_equal(add(t, i, 16, 20, false, 0, &out), HT_FRAG_DONE);
	assert_int_equal(add(t, 0, 16, 20, false, 0, &out), HT_FRAG_HELD);
	balance(t, 1);
	ht_frag_free(t);
}

// The arena holds 512 KiB, which is 8 packets of 64 KiB: the ninth costs the oldest.
static void test_arena_full(void **state) {
	(void)state;
	struct ht_frag *t = table(1000, 1);
	struct ht_span out;
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(add(t, i, 60000, 60008, true, 0, &out), HT_FRAG_HELD);
	assert_int_equal(ht_frag_stats(t)->evicted, 1);
	assert_int_equal(add(t, 1, 60008, 60009, false, 0, &out), HT_FRAG_HELD);
	assert_int_equal(add(t, 1, 0, 60000, true, 0, &out), HT_FRAG_DONE);
	check_whole(out, 60009);
	// That packet is lent until the next call, so its bytes are no room yet.
	assert_int_equal(add(t, 9, 60000, 60008, true, 0, &out), HT_FRAG_HELD);
	assert_int_equal(ht_frag_stats(t)->evicted, 2);
	assert_int_equal(add(t, 10, 60000, 60008, true, 0, &out), HT_FRAG_HELD);
	assert_int_equal(ht_frag_stats(t)->evicted, 2);
	balance(t, 8);
	// Blocks of 1 KiB left by many small packets: too scattered to be found in 64 steps.
	for (uint32_t i = 100; i < 900; i++)
		assert_int_equal(add(t, i, 0, 8, true, 0, &out), HT_FRAG_HELD);
	enum ht_frag_end end = add(t, 2000, 60000, 60008, true, 0, &out);
	assert_true(end == HT_FRAG_HELD || end == HT_FRAG_NO_ROOM);
	uint64_t gone = ht_frag_stats(t)->evicted;
	balance(t, ht_frag_stats(t)->begun - gone - ht_frag_stats(t)->done);
	ht_frag_free(t);
}

// A tunnel's packet came in fragments, and inside was another fragment: the bytes handed in lie in
// the packet that the table lent out.
static void test_nested(void **state) {
	(void)state;
	struct ht_frag *t = table(4, 1);
	struct ht_span out, inner;
	struct ht_frag_whole whole;
	assert_int_equal(add(t, 1, 0, 1600, true, 0, &out), HT_FRAG_HELD);
	assert_int_equal(add(t, 1, 1600, 3000, false, 0, &out), HT_FRAG_DONE);
	struct ht_packet p = packet(2, 0, 1000, true);
	p.fragment.data = HT_SPAN(out.p, 1000);
	assert_int_equal(ht_frag_add(t, &p, 0, &whole), HT_FRAG_HELD);
	assert_int_equal(add(t, 2, 1000, 1001, false, 0, &inner), HT_FRAG_DONE);
	check_whole(inner, 1001);

	// The inner one completes a packet: lent in turn.
	assert_int_equal(add(t, 3, 0, 1600, true, 0, &out), HT_FRAG_HELD);
	assert_int_equal(add(t, 4, 8, 9, false, 0, &out), HT_FRAG_HELD);
	assert_int_equal(add(t, 3, 1600, 3000, false, 0, &out), HT_FRAG_DONE);
	p = packet(4, 0, 8, true);
	p.fragment.data = HT_SPAN(out.p, 8);
	assert_int_equal(ht_frag_add(t, &p, 0, &whole), HT_FRAG_DONE);
	check_whole(whole.payload, 9);
	balance(t, 0);
	ht_frag_free(t);
}

// No table too small to work, and no time-out too odd.
static void test_smallest(void **state) {
	(void)state;
	struct ht_frag *t = ht_frag_new(&(struct ht_frag_params){0});
	assert_non_null(t);
	struct ht_span out;
	assert_int_equal(add(t, 1, 0, 16, true, 0, &out), HT_FRAG_HELD);
	assert_int_equal(add(t, 2, 0, 16, true, 0, &out), HT_FRAG_HELD);
	assert_int_equal(add(t, 2, 16, 20, false, 0, &out), HT_FRAG_DONE);
	check_whole(out, 20);
	assert_int_equal(ht_frag_stats(t)->evicted, 1);
	balance(t, 0);
	ht_frag_free(t);
	ht_frag_free(NULL);
}

// Fragments of many packets at random, into a table with too little of everything: what comes out
// is right, and the counts balance.
static void test_random(void **state) {
	(void)state;
	enum { PACKETS = 40, LEN = 2000 };
	struct ht_frag *t = table(16, 1);
	uint64_t ends[HT_FRAG_NUM_ENDS] = {0};
	uint32_t x = 9;
	int64_t now = 0;
	for (unsigned i = 0; i < 300000; i++) {
		x = x * 1664525 + 1013904223;
		uint32_t id = (i / 64 + (x >> 8) % 4) % PACKETS;
		size_t len = LEN + id, lo = (x >> 16) % 8 * 256,
		       hi = lo + 256 < len ? lo + 256 : len;
		if (x >> 26 == 0)
			hi += 8; // now and then a neighbour's bytes as well
		struct ht_span out;
		enum ht_frag_end end = add(t, id, lo, hi, hi < len, now, &out);
		ends[end]++;
		if (end == HT_FRAG_DONE)
			assert_memory_equal(out.p, content, out.len);
		now += SECOND / 20;
	}
	assert_int_equal(ends[HT_FRAG_DONE], ht_frag_stats(t)->done);
	for (unsigned e = 0; e < HT_FRAG_NUM_ENDS; e++)
		if (e != HT_FRAG_NO_ROOM && ends[e] == 0)
			fail_msg("end %u never met", e);
	assert_true(ht_frag_stats(t)->evicted > 0 && ht_frag_stats(t)->overlap > 0);
	for (int i = 0; i < 100; i++)
		ht_frag_expire(t, now + 2 * TIMEOUT);
	balance(t, 0);
	ht_frag_free(t);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders),	    cmocka_unit_test(test_tiny_shuffled),
		cmocka_unit_test(test_rules),	    cmocka_unit_test(test_keys),
		cmocka_unit_test(test_next_header), cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_expire),	    cmocka_unit_test(test_id_again),
		cmocka_unit_test(test_refused),	    cmocka_unit_test(test_table_full),
		cmocka_unit_test(test_arena_full),  cmocka_unit_test(test_nested),
		cmocka_unit_test(test_smallest),    cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests(tests, fill_content, NULL);
}
