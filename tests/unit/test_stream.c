// SPDX-License-Identifier: BSD-3-Clause
// The bytes of a direction must not depend on how they were cut, ordered, repeated or overlapped.

#include "stream.h"
#include "t.h"

#include <inttypes.h>

#define MAX 4096u

static uint64_t seed;
static struct ht_arena *arena;

static uint32_t rnd(uint32_t n) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % n;
}

static int set_up(void **state) {
	(void)state;
	arena = ht_arena_new(1);
	return arena == NULL;
}

// What was taken from the arena has come back.
static int tear_down(void **state) {
	(void)state;
	size_t used = ht_arena_used(arena);
	ht_arena_free(arena);
	return used != 0;
}

static enum ht_rc add(struct ht_stream *s, uint32_t seq, const void *p, size_t n, uint32_t max) {
	uint8_t *copy = t_dup(p, n);
	enum ht_rc rc = ht_stream_add(s, arena, seq, HT_SPAN(copy, n), max);
	free(copy);
	return rc;
}

static enum ht_rc add_text(struct ht_stream *s, uint32_t seq, const char *text) {
	return add(s, seq, text, strlen(text), MAX);
}

static void expect_prefix(const struct ht_stream *s, const char *want) {
	size_t n = strlen(want);
	assert_int_equal(ht_stream_prefix(s), n);
	if (n > 0)
		assert_memory_equal(s->data.buf, want, n);
}

// Where streams begin: in the middle, at the ends, and such that the text lies over the wrap.
static const uint32_t bases[]
	= {0, 1, 1000, INT32_MAX - 5, 0x80000000, UINT32_MAX - 10, UINT32_MAX};

static const char text[] = "The quick brown fox jumps over it.";
#define TEXT_LEN (sizeof(text) - 1)

static void every_cut_in_two(void **state) {
	(void)state;
	for (size_t b = 0; b < HT_ARRAY_LEN(bases); b++) {
		for (size_t cut = 1; cut < TEXT_LEN; cut++) {
			for (unsigned late = 0; late < 2; late++) {
				struct ht_stream s = {.base = bases[b], .anchored = true};
				uint32_t second = bases[b] + (uint32_t)cut;
				if (late)
					assert_int_equal(
						add(&s, second, text + cut, TEXT_LEN - cut, MAX),
						HT_OK
					);
				assert_int_equal(ht_stream_prefix(&s), 0);
				assert_int_equal(ht_stream_has_hole(&s), late);
				assert_int_equal(add(&s, bases[b], text, cut, MAX), HT_OK);
				if (!late)
					assert_int_equal(
						add(&s, second, text + cut, TEXT_LEN - cut, MAX),
						HT_OK
					);
				expect_prefix(&s, text);
				assert_false(ht_stream_has_hole(&s));
				assert_int_equal(s.segments, 2);
				ht_stream_drop(&s, arena);
			}
		}
	}
}

// Cuts, order, repeats and overlaps drawn at random; all pieces tell the same bytes.
static void any_cuts_and_order(void **state) {
	(void)state;
	enum { LEN = 3000, PIECES = 24 };
	static uint8_t want[LEN];
	for (uint64_t round = 1; round <= 400; round++) {
		seed = round * 0x9e3779b97f4a7c15;
		for (size_t i = 0; i < LEN; i++)
			want[i] = (uint8_t)rnd(256);
		uint32_t base = rnd(2) == 0 ? rnd(UINT32_MAX) : UINT32_MAX - rnd(LEN);
		uint32_t num = 1 + rnd(PIECES), at[PIECES + 1], order[2 * PIECES];
		for (uint32_t i = 0; i < num; i++)
			at[i] = rnd(LEN);
		at[0] = 0;
		at[num] = LEN;
		// Sorted cuts; each piece then reaches as far into its neighbours as it likes.
		for (uint32_t i = 1; i < num; i++)
			for (uint32_t k = i; k > 0 && at[k] < at[k - 1]; k--) {
				uint32_t t = at[k];
				at[k] = at[k - 1];
				at[k - 1] = t;
			}
		for (uint32_t i = 0; i < 2 * num; i++)
			order[i] = i % num;
		for (uint32_t i = 2 * num - 1; i > 0; i--) {
			uint32_t k = rnd(i + 1), t = order[i];
			order[i] = order[k];
			order[k] = t;
		}
		struct ht_stream s = {.base = base, .anchored = true};
		for (uint32_t i = 0; i < 2 * num; i++) {
			uint32_t lo = at[order[i]], hi = at[order[i] + 1];
			lo -= rnd(4) == 0 ? rnd(lo + 1) : 0;
			hi += rnd(4) == 0 ? rnd(LEN - hi + 1) : 0;
			enum ht_rc rc = add(&s, base + lo, want + lo, hi - lo, MAX);
			assert_true(rc == HT_OK || rc == HT_SKIP);
		}
		assert_int_equal(ht_stream_prefix(&s), LEN);
		assert_memory_equal(s.data.buf, want, LEN);
		assert_true(s.segments >= 1 && s.segments <= 2 * num);
		ht_stream_drop(&s, arena);
		assert_int_equal(ht_arena_used(arena), 0);
	}
}

static void bytes_seen_first_win(void **state) {
	(void)state;
	static const struct {
		const char *name;
		struct {
			uint32_t at;
			const char *bytes;
			enum ht_rc want;
		} in[4];
		const char *want;
	} cases[] = {
		{"retransmission of other bytes",
		 {{0, "good", HT_OK}, {0, "evil", HT_SKIP}},
		 "good"},
		{"longer retransmission", {{0, "good", HT_OK}, {0, "evil++", HT_OK}}, "good++"},
		{"overlap behind", {{0, "good", HT_OK}, {2, "ILevil", HT_OK}}, "goodevil"},
		{"the later part came first", {{2, "od", HT_OK}, {0, "goIL", HT_OK}}, "good"},
		{"over a piece in the middle",
		 {{3, "mid", HT_OK}, {0, "...???...", HT_OK}},
		 "...mid..."},
		{"over two pieces",
		 {{1, "b", HT_OK}, {3, "d", HT_OK}, {0, "ABCDE", HT_OK}},
		 "AbCdE"},
		{"inside what is there", {{0, "abcdef", HT_OK}, {2, "XX", HT_SKIP}}, "abcdef"},
		{"one new byte at the end", {{0, "abc", HT_OK}, {2, "XY", HT_OK}}, "abcY"},
	};
	for (size_t b = 0; b < HT_ARRAY_LEN(bases); b++) {
		for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
			struct ht_stream s = {.base = bases[b], .anchored = true};
			unsigned new = 0;
			for (size_t k = 0; k < 4 && cases[i].in[k].bytes != NULL; k++) {
				enum ht_rc rc = add_text(
					&s, bases[b] + cases[i].in[k].at, cases[i].in[k].bytes
				);
				if (rc != cases[i].in[k].want)
					fail_msg("%s, segment %zu: %d", cases[i].name, k, rc);
				new += rc == HT_OK;
			}
			expect_prefix(&s, cases[i].want);
			assert_int_equal(s.segments, new);
			ht_stream_drop(&s, arena);
		}
	}
}

static void below_the_base(void **state) {
	(void)state;
	for (size_t b = 0; b < HT_ARRAY_LEN(bases); b++) {
		uint32_t base = bases[b];
		struct ht_stream s = {.base = base, .anchored = true};
		// A segment that begins before an anchored stream is cut there.
		assert_int_equal(add_text(&s, base - 3, "xyz"), HT_SKIP); // ends one short of it
		assert_int_equal(add_text(&s, base - 3, "xyzA"), HT_OK); // the first byte
		assert_int_equal(add_text(&s, base - 3, "xyzABC"), HT_OK);
		assert_int_equal(add_text(&s, base - 1, "z"), HT_SKIP);
		// From as far below as there is.
		assert_int_equal(add_text(&s, base + 0x80000000, "far"), HT_SKIP);
		expect_prefix(&s, "ABC");
		assert_true(s.base == base);
		ht_stream_drop(&s, arena);
	}
}

static void nothing_in_a_segment(void **state) {
	(void)state;
	struct ht_stream s = {.base = 100};
	assert_int_equal(add_text(&s, 100, ""), HT_SKIP);
	assert_int_equal(add_text(&s, 120, ""), HT_SKIP);
	// A bare acknowledgement from before the first data says nothing about where data begins.
	assert_int_equal(add_text(&s, 90, ""), HT_SKIP);
	assert_true(s.base == 100);
	assert_int_equal(ht_arena_used(arena), 0);
	assert_int_equal(s.segments, 0);
}

// The first packet seen was not the first of the stream.
static void rebase(void **state) {
	(void)state;
	for (size_t b = 0; b < HT_ARRAY_LEN(bases); b++) {
		uint32_t base = bases[b];
		struct ht_stream s = {.base = base};
		assert_int_equal(add_text(&s, base, "jkl"), HT_OK);
		assert_int_equal(add_text(&s, base - 3, "ghi"), HT_OK);
		assert_true(s.base == base - 3);
		expect_prefix(&s, "ghijkl");
		assert_int_equal(add_text(&s, base - 9, "abc"), HT_OK); // leaves a hole
		expect_prefix(&s, "abc");
		assert_true(ht_stream_has_hole(&s));
		assert_int_equal(add_text(&s, base - 6, "defXXXYYY"), HT_OK); // first bytes win
		expect_prefix(&s, "abcdefghijkl");
		assert_int_equal(s.segments, 4);
		ht_stream_drop(&s, arena);
	}
}

static void rebase_limits(void **state) {
	(void)state;
	static const struct {
		const char *name;
		uint32_t below, max;
		enum ht_rc want;
		bool moved;
	} cases[] = {
		{"as far as it goes", HT_STREAM_REBASE_MAX, 1u << 17, HT_OK, true},
		{"one further is old data", HT_STREAM_REBASE_MAX + 1, 1u << 17, HT_SKIP, false},
		{"to the last byte of the cap", 97, 100, HT_OK, true},
		{"one past the cap", 98, 100, HT_LIMIT, false},
		{"further than the cap alone", 101, 100, HT_LIMIT, false},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_stream s = {.base = 5};
		assert_int_equal(add(&s, 5, "abc", 3, cases[i].max), HT_OK);
		enum ht_rc rc = add(&s, 5 - cases[i].below, "X", 1, cases[i].max);
		if (rc != cases[i].want || s.base != (cases[i].moved ? 5 - cases[i].below : 5))
			fail_msg("%s: %d", cases[i].name, rc);
		uint32_t at = cases[i].moved ? cases[i].below : 0;
		assert_memory_equal(s.data.buf + at, "abc", 3);
		assert_int_equal(ht_ranges_end(&s.data.have), at + 3);
		ht_stream_drop(&s, arena);
	}
}

static void anchor(void **state) {
	(void)state;
	static const struct {
		const char *name;
		int32_t to; // against the base
		bool want;
	} cases[] = {
		{"where it begins", 0, true},
		{"before it", -4, true},
		{"as far before as it goes", -HT_STREAM_REBASE_MAX, true},
		{"one further", -HT_STREAM_REBASE_MAX - 1, false},
		{"inside the bytes held", 1, false},
		{"half the sequence space away", INT32_MIN, false},
	};
	for (size_t b = 0; b < HT_ARRAY_LEN(bases); b++) {
		for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
			struct ht_stream s = {.base = bases[b]};
			assert_int_equal(add_text(&s, bases[b], "held"), HT_OK);
			uint32_t to = bases[b] + (uint32_t)cases[i].to;
			if (ht_stream_anchor(&s, arena, to, 1u << 17) != cases[i].want)
				fail_msg("%s", cases[i].name);
			assert_int_equal(s.anchored, cases[i].want);
			assert_true(s.base == (cases[i].want ? to : bases[b]));
			uint32_t at = bases[b] - s.base;
			assert_memory_equal(s.data.buf + at, "held", 4);
			assert_int_equal(ht_stream_prefix(&s), at == 0 ? 4 : 0);
			// An anchored stream has no earlier beginning.
			if (cases[i].want)
				assert_int_equal(add_text(&s, s.base - 2, "no"), HT_SKIP);
			ht_stream_drop(&s, arena);
		}
	}
	struct ht_stream s = {.base = 1000}; // before any data
	assert_true(ht_stream_anchor(&s, arena, 990, MAX));
	assert_int_equal(add_text(&s, 990, "begin"), HT_OK);
	expect_prefix(&s, "begin");
	ht_stream_drop(&s, arena);
	// The cap holds here, too.
	s = (struct ht_stream){.base = 1000};
	assert_int_equal(add(&s, 1000, "abc", 3, 10), HT_OK);
	assert_false(ht_stream_anchor(&s, arena, 992, 10));
	assert_true(s.base == 1000 && !s.anchored);
	assert_true(ht_stream_anchor(&s, arena, 993, 10));
	ht_stream_drop(&s, arena);
}

static void limits(void **state) {
	(void)state;
	static const struct {
		const char *name;
		uint32_t at;
		size_t len;
		enum ht_rc want;
	} cases[] = {
		{"to the last byte", 90, 10, HT_OK},
		{"one past it: the rest is kept", 91, 10, HT_OK},
		{"the last byte", 99, 1, HT_OK},
		{"begins past it", 100, 1, HT_LIMIT},
		{"far past it", 1u << 30, 1, HT_LIMIT},
		{"as far ahead as a sequence number goes", INT32_MAX, 64, HT_LIMIT},
	};
	static const uint8_t zero[64];
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_stream s = {.base = 7, .anchored = true};
		enum ht_rc rc = add(&s, 7 + cases[i].at, zero, cases[i].len, 100);
		if (rc != cases[i].want || s.segments != (rc == HT_OK))
			fail_msg("%s: %d", cases[i].name, rc);
		ht_stream_drop(&s, arena);
	}
	// Too many holes; what fills one is taken still.
	struct ht_stream s = {.base = 7, .anchored = true};
	for (uint32_t i = 0; i < HT_RANGES_MAX; i++)
		assert_int_equal(add_text(&s, 8 + 2 * i, "x"), HT_OK);
	assert_int_equal(add_text(&s, 8 + 2 * HT_RANGES_MAX, "x"), HT_LIMIT);
	assert_int_equal(add_text(&s, 9, "y"), HT_OK);
	assert_int_equal(add_text(&s, 8 + 2 * HT_RANGES_MAX, "x"), HT_OK);
	assert_int_equal(s.segments, HT_RANGES_MAX + 2);
	ht_stream_drop(&s, arena);
	assert_int_equal(s.segments, 0);
}

static void segments_are_counted_to_the_cap(void **state) {
	(void)state;
	struct ht_stream s = {.base = 0, .anchored = true, .segments = UINT16_MAX - 1};
	assert_int_equal(add_text(&s, 0, "a"), HT_OK);
	assert_int_equal(s.segments, UINT16_MAX);
	assert_int_equal(add_text(&s, 1, "b"), HT_OK);
	assert_int_equal(s.segments, UINT16_MAX);
	ht_stream_drop(&s, arena);
}

static void no_room(void **state) {
	(void)state;
	uint32_t size;
	uint8_t *all = ht_arena_get(arena, HT_ARENA_MAX_BLOCK, &size);
	struct ht_stream s = {.base = 50};
	assert_int_equal(add_text(&s, 50, "abc"), HT_FULL);
	assert_false(ht_stream_anchor(&s, arena, 40, MAX));
	assert_true(s.base == 50 && !s.anchored && s.segments == 0);
	ht_arena_put(arena, all, size);
	assert_int_equal(add_text(&s, 50, "abc"), HT_OK); // the same call again, with room
	expect_prefix(&s, "abc");

	// A rebase that needs a larger block than there is leaves everything where it was.
	uint8_t *half = ht_arena_get(arena, HT_ARENA_MAX_BLOCK / 2, &size);
	assert_int_equal(size, HT_ARENA_MAX_BLOCK / 2);
	uint8_t *rest[9];
	uint32_t rest_size[9];
	size_t num = 0;
	for (uint32_t want = HT_ARENA_MAX_BLOCK / 4; want >= HT_ARENA_MIN_BLOCK; want /= 2) {
		rest[num] = ht_arena_get(arena, want, &rest_size[num]);
		num += rest[num] != NULL;
	}
	assert_int_equal(add_text(&s, 50 - 5000, "X"), HT_LIMIT); // by the cap, not by room
	assert_int_equal(add_text(&s, 50 - 2000, "X"), HT_FULL);
	assert_true(s.base == 50);
	expect_prefix(&s, "abc");
	ht_stream_drop(&s, arena);
	ht_arena_put(arena, half, HT_ARENA_MAX_BLOCK / 2);
	for (size_t i = 0; i < num; i++)
		ht_arena_put(arena, rest[i], rest_size[i]);
}

// Every byte by its distance from the first sequence number, with a flag: what a stream is.
#define MODEL 20000
#define MODEL_ORIGIN 10000

struct model {
	bool have[MODEL];
	uint8_t byte[MODEL];
	uint32_t base; // index of offset 0
	bool anchored;
};

static uint32_t model_ranges(const struct model *m, uint32_t lo, uint32_t hi) {
	uint32_t num = 0;
	bool last = false;
	for (uint32_t i = m->base; i < MODEL; i++) {
		bool now = m->have[i] || (i >= lo && i < hi);
		num += now && !last;
		last = now;
	}
	return num;
}

static enum ht_rc
model_add(struct model *m, uint32_t at, const uint8_t *p, uint32_t n, uint32_t max) {
	uint32_t end = MODEL;
	while (end > m->base && !m->have[end - 1])
		end--;
	if (n == 0)
		return HT_SKIP;
	if (at < m->base && !m->anchored) { // closer than HT_STREAM_REBASE_MAX, always
		if (end - at > max)
			return HT_LIMIT;
		m->base = at;
	}
	uint32_t lo = at < m->base ? m->base : at, hi = at + n;
	if (hi <= lo)
		return HT_SKIP;
	if (lo - m->base >= max)
		return HT_LIMIT;
	if (hi - m->base > max) // what fits is kept
		hi = m->base + max;
	bool news = false;
	for (uint32_t i = lo; i < hi; i++)
		news |= !m->have[i];
	if (!news)
		return HT_SKIP;
	if (model_ranges(m, lo, hi) > HT_RANGES_MAX)
		return HT_LIMIT;
	for (uint32_t i = lo; i < hi; i++) {
		if (!m->have[i])
			m->byte[i] = p[i - at];
		m->have[i] = true;
	}
	return HT_OK;
}

static void stream_against_a_model(void **state) {
	(void)state;
	static struct model m;
	unsigned by_rc[HT_ERROR + 1] = {0}, rebased = 0;
	for (uint64_t round = 1; round <= 250; round++) {
		memset(&m, 0, sizeof(m));
		m.base = MODEL_ORIGIN;
		seed = round * 0x9e3779b97f4a7c15;
		uint32_t origin = rnd(2) == 0 ? rnd(UINT32_MAX) : UINT32_MAX - 2000 + rnd(4000);
		struct ht_stream s = {.base = origin, .anchored = rnd(2) == 0};
		m.anchored = s.anchored;
		uint32_t longest = round % 3 == 0 ? 12 : 1 + rnd(900), max = 500 + rnd(8000);
		for (unsigned turn = 0; turn < 80; turn++) {
			uint8_t piece[1000];
			uint32_t n = rnd(longest + 1), at = MODEL_ORIGIN - 3000 + rnd(9000);
			if (rnd(3) == 0) // close to where the stream begins
				at = m.base - 30 + rnd(100);
			for (uint32_t i = 0; i < n; i++)
				piece[i] = (uint8_t)rnd(256);
			uint32_t base = m.base;
			enum ht_rc want = model_add(&m, at, piece, n, max);
			enum ht_rc rc = add(&s, origin + (at - MODEL_ORIGIN), piece, n, max);
			if (rc != want)
				fail_msg(
					"round %" PRIu64 " turn %u: want %d, got %d", round, turn,
					want, rc
				);
			by_rc[rc]++;
			rebased += base != m.base;
			assert_true(s.base == origin + (m.base - MODEL_ORIGIN));
			uint32_t prefix = 0;
			while (m.have[m.base + prefix])
				prefix++;
			assert_int_equal(ht_stream_prefix(&s), prefix);
			assert_int_equal(s.data.have.num, model_ranges(&m, 0, 0));
			for (uint32_t i = 0; i < s.data.have.num; i++)
				assert_memory_equal(
					s.data.buf + s.data.have.r[i].lo,
					m.byte + m.base + s.data.have.r[i].lo,
					s.data.have.r[i].hi - s.data.have.r[i].lo
				);
			if (!m.anchored && rnd(60) == 0) {
				assert_true(ht_stream_anchor(&s, arena, s.base, max));
				m.anchored = true;
			}
		}
		ht_stream_drop(&s, arena);
		assert_int_equal(ht_arena_used(arena), 0);
	}
	// The rounds went everywhere.
	assert_true(by_rc[HT_OK] > 1000 && by_rc[HT_SKIP] > 1000 && by_rc[HT_LIMIT] > 1000);
	assert_true(rebased > 200);
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(every_cut_in_two),
		CASE(any_cuts_and_order),
		CASE(bytes_seen_first_win),
		CASE(below_the_base),
		CASE(nothing_in_a_segment),
		CASE(rebase),
		CASE(rebase_limits),
		CASE(anchor),
		CASE(limits),
		CASE(segments_are_counted_to_the_cap),
		CASE(no_room),
		CASE(stream_against_a_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
