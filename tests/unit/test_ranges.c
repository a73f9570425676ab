// SPDX-License-Identifier: BSD-3-Clause
// The set against a bitmap, the assembly against bytes with a flag each.

#include "ranges.h"
#include "t.h"

#include <inttypes.h>

static uint64_t seed;

static uint32_t rnd(uint32_t n) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % n;
}

// What a set says of itself must be sorted, disjoint, and never touching.
static void expect_sound(const struct ht_ranges *s) {
	assert_true(s->num <= HT_RANGES_MAX);
	for (uint32_t i = 0; i < s->num; i++) {
		assert_true(s->r[i].lo < s->r[i].hi);
		assert_true(i == 0 || s->r[i - 1].hi < s->r[i].lo);
	}
}

static void expect_ranges(const char *name, const struct ht_ranges *s, const char *want) {
	char got[HT_RANGES_MAX * 24 + 1] = "";
	size_t n = 0;
	for (uint32_t i = 0; i < s->num; i++)
		n += (size_t)snprintf(
			got + n, sizeof(got) - n, "%s%" PRIu32 "-%" PRIu32, i > 0 ? " " : "",
			s->r[i].lo, s->r[i].hi
		);
	if (strcmp(got, want) != 0)
		fail_msg("%s: want %s, got %s", name, want, got);
}

static void add(void **state) {
	(void)state;
	static const struct {
		const char *name;
		struct ht_range in[6];
		const char *want;
	} cases[] = {
		{"one", {{5, 9}}, "5-9"},
		{"the same again", {{5, 9}, {5, 9}}, "5-9"},
		{"touching behind", {{5, 9}, {9, 12}}, "5-12"},
		{"touching in front", {{5, 9}, {2, 5}}, "2-9"},
		{"one short of touching behind", {{5, 9}, {10, 12}}, "5-9 10-12"},
		{"one short of touching in front", {{5, 9}, {2, 4}}, "2-4 5-9"},
		{"inside", {{5, 9}, {6, 7}}, "5-9"},
		{"over it on both sides", {{5, 9}, {4, 10}}, "4-10"},
		{"overlap behind", {{5, 9}, {8, 12}}, "5-12"},
		{"overlap in front", {{5, 9}, {3, 6}}, "3-9"},
		{"fills a hole exactly", {{1, 2}, {4, 6}, {2, 4}}, "1-6"},
		{"one hole of two", {{1, 2}, {4, 6}, {8, 9}, {2, 4}}, "1-6 8-9"},
		{"swallows the middle",
		 {{1, 2}, {4, 6}, {8, 9}, {12, 13}, {3, 10}},
		 "1-2 3-10 12-13"},
		{"swallows all", {{1, 2}, {4, 6}, {8, 9}, {0, 20}}, "0-20"},
		{"joins first and last", {{0, 1}, {4, 6}, {8, 9}, {1, 8}}, "0-9"},
		{"largest number",
		 {{UINT32_MAX - 1, UINT32_MAX}, {0, 1}},
		 "0-1 4294967294-4294967295"},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_ranges s = {0};
		for (size_t k = 0; k < 6 && cases[i].in[k].hi != 0; k++)
			assert_int_equal(
				ht_ranges_add(&s, cases[i].in[k].lo, cases[i].in[k].hi), HT_OK
			);
		expect_ranges(cases[i].name, &s, cases[i].want);
	}
}

static void cap(void **state) {
	(void)state;
	struct ht_ranges s = {0}, before;
	for (uint32_t i = 0; i < HT_RANGES_MAX; i++)
		assert_int_equal(ht_ranges_add(&s, 8 * i + 8, 8 * i + 10), HT_OK);
	assert_int_equal(s.num, HT_RANGES_MAX);
	before = s;
	// One more, in front, in between and behind: refused, and nothing is changed.
	static const struct ht_range more[] = {{0, 7}, {12, 13}, {500, 501}};
	for (size_t i = 0; i < HT_ARRAY_LEN(more); i++) {
		assert_int_equal(ht_ranges_add(&s, more[i].lo, more[i].hi), HT_LIMIT);
		assert_memory_equal(&s, &before, sizeof(s));
	}
	// What makes no further range is taken still.
	assert_int_equal(ht_ranges_add(&s, 9, 15), HT_OK);
	assert_int_equal(s.num, HT_RANGES_MAX);
	assert_int_equal(ht_ranges_add(&s, 15, 16), HT_OK);
	assert_int_equal(s.num, HT_RANGES_MAX - 1);
	assert_int_equal(ht_ranges_add(&s, 500, 501), HT_OK);
	assert_int_equal(ht_ranges_add(&s, 600, 601), HT_LIMIT);
}

#define UNIVERSE 400u

// The first part of [lo, hi) that is not in the bitmap.
static bool model_hole(const bool *bit, uint32_t lo, uint32_t hi, struct ht_range *hole) {
	while (lo < hi && bit[lo])
		lo++;
	if (lo == hi)
		return false;
	hole->lo = lo;
	while (lo < hi && !bit[lo])
		lo++;
	hole->hi = lo;
	return true;
}

static uint32_t model_count(const bool *bit, uint32_t n) {
	uint32_t num = 0;
	for (uint32_t i = 0; i < n; i++)
		num += bit[i] && (i == 0 || !bit[i - 1]);
	return num;
}

static void set_against_a_bitmap(void **state) {
	(void)state;
	unsigned limits = 0;
	for (uint64_t round = 1; round <= 300; round++) {
		struct ht_ranges s = {0};
		bool bit[UNIVERSE] = {false}, next[UNIVERSE];
		seed = round * 0x9e3779b97f4a7c15;
		// Some rounds of small ranges only, so that the cap is reached.
		uint32_t longest = round % 3 == 0 ? 2 : 1 + rnd(40);
		for (unsigned turn = 0; turn < 150; turn++) {
			uint32_t lo = rnd(UNIVERSE - 1), hi = lo + 1 + rnd(longest);
			hi = hi > UNIVERSE ? UNIVERSE : hi;
			memcpy(next, bit, sizeof(bit));
			for (uint32_t i = lo; i < hi; i++)
				next[i] = true;
			struct ht_ranges before = s;
			if (model_count(next, UNIVERSE) > HT_RANGES_MAX) {
				assert_int_equal(ht_ranges_add(&s, lo, hi), HT_LIMIT);
				assert_memory_equal(&s, &before, sizeof(s));
				limits++;
			} else {
				assert_int_equal(ht_ranges_add(&s, lo, hi), HT_OK);
				memcpy(bit, next, sizeof(bit));
			}
			expect_sound(&s);
			assert_int_equal(s.num, model_count(bit, UNIVERSE));
			for (uint32_t i = 0; i < s.num; i++)
				for (uint32_t k = s.r[i].lo; k < s.r[i].hi; k++)
					assert_true(bit[k]);

			uint32_t from = rnd(UNIVERSE), to = from + rnd(UNIVERSE - from + 1);
			struct ht_range got = {0, 0}, want = {0, 0};
			bool hole = model_hole(bit, from, to, &want);
			assert_int_equal(ht_ranges_hole(&s, from, to, &got), hole);
			assert_memory_equal(&got, &want, sizeof(got));

			uint32_t prefix = 0, end = UNIVERSE;
			while (prefix < UNIVERSE && bit[prefix])
				prefix++;
			while (end > 0 && !bit[end - 1])
				end--;
			assert_int_equal(ht_ranges_prefix(&s), prefix);
			assert_int_equal(ht_ranges_end(&s), end);
		}
	}
	assert_true(limits > 100);
}

static void empty_set(void **state) {
	(void)state;
	struct ht_ranges s = {0};
	struct ht_range hole;
	assert_int_equal(ht_ranges_prefix(&s), 0);
	assert_int_equal(ht_ranges_end(&s), 0);
	assert_true(ht_ranges_hole(&s, 3, 9, &hole));
	assert_true(hole.lo == 3 && hole.hi == 9);
	assert_false(ht_ranges_hole(&s, 3, 3, &hole));
}

static enum ht_rc put(struct ht_assembly *s, struct ht_arena *a, uint64_t at, const char *text) {
	uint8_t *copy = t_dup(text, strlen(text));
	enum ht_rc rc = ht_assembly_add(s, a, at, HT_SPAN(copy, strlen(text)), 64);
	free(copy);
	return rc;
}

static void first_bytes_win(void **state) {
	(void)state;
	struct ht_arena *a = ht_arena_new(1);
	struct ht_assembly s = {0};
	assert_int_equal(put(&s, a, 2, "cd"), HT_OK);
	assert_int_equal(put(&s, a, 6, "gh"), HT_OK);
	assert_int_equal(put(&s, a, 0, "ABCDEFGHIJ"), HT_OK); // over both, and the holes
	assert_int_equal(put(&s, a, 0, "??????????"), HT_OK); // again
	assert_int_equal(ht_ranges_prefix(&s.have), 10);
	assert_memory_equal(s.buf, "ABcdEFghIJ", 10);
	ht_assembly_drop(&s, a);
	assert_int_equal(ht_arena_used(a), 0);
	assert_null(s.buf);
	assert_int_equal(ht_ranges_end(&s.have), 0);
	ht_assembly_drop(&s, a); // twice is nothing
	assert_int_equal(put(&s, a, 0, "again"), HT_OK); // as good as new
	assert_memory_equal(s.buf, "again", 5);
	ht_arena_free(a);
}

static void assembly_limits(void **state) {
	(void)state;
	static const struct {
		const char *name;
		uint64_t offset;
		size_t len;
		uint32_t max;
		enum ht_rc want;
	} cases[] = {
		{"up to the last byte", 90, 10, 100, HT_OK},
		{"one past the last byte", 91, 10, 100, HT_LIMIT},
		{"nothing, at the end", 100, 0, 100, HT_OK},
		{"nothing, past the end", 101, 0, 100, HT_LIMIT},
		{"offset past the end", 101, 1, 100, HT_LIMIT},
		{"offset of 2^32", UINT64_C(1) << 32, 1, 100, HT_LIMIT},
		{"offset and length wrap 64 bits", UINT64_MAX, 1, UINT32_MAX, HT_LIMIT},
		{"no byte allowed", 0, 1, 0, HT_LIMIT},
		{"longer than any block", HT_ARENA_MAX_BLOCK, 1, UINT32_MAX, HT_FULL},
		{"offset far past any block", UINT32_MAX - 1, 1, UINT32_MAX, HT_FULL},
		{"the last byte of the largest block", HT_ARENA_MAX_BLOCK - 1, 1, UINT32_MAX,
		 HT_OK},
	};
	static const uint8_t zero[16];
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_arena *a = ht_arena_new(1);
		struct ht_assembly s = {0};
		enum ht_rc rc = ht_assembly_add(
			&s, a, cases[i].offset, HT_SPAN(zero, cases[i].len), cases[i].max
		);
		uint64_t end = cases[i].len > 0 ? cases[i].offset + cases[i].len : 0;
		if (rc != cases[i].want || ht_ranges_end(&s.have) != (rc == HT_OK ? end : 0))
			fail_msg("%s: %d", cases[i].name, rc);
		ht_assembly_drop(&s, a);
		assert_int_equal(ht_arena_used(a), 0);
		ht_arena_free(a);
	}
}

// An arena that is taken refuses, and what is held stays as it was.
static void assembly_full(void **state) {
	(void)state;
	struct ht_arena *a = ht_arena_new(1);
	struct ht_assembly s = {0};
	static const uint8_t data[2048] = {1, 2, 3};
	uint32_t size;
	uint8_t *rest = ht_arena_get(a, HT_ARENA_MAX_BLOCK / 2, &size);
	assert_non_null(rest);
	assert_int_equal(ht_assembly_add(&s, a, 0, HT_SPAN(data, 3), UINT32_MAX), HT_OK);
	struct ht_assembly before = s;
	assert_int_equal(
		ht_assembly_add(&s, a, HT_ARENA_MAX_BLOCK / 2, HT_SPAN(data, 1), UINT32_MAX),
		HT_FULL
	);
	assert_memory_equal(&s, &before, sizeof(s));
	assert_memory_equal(s.buf, data, 3);
	ht_arena_put(a, rest, size);
	ht_assembly_drop(&s, a);
	assert_int_equal(ht_arena_used(a), 0);
	ht_arena_free(a);
}

static void assembly_against_a_model(void **state) {
	(void)state;
	enum { MAX = 6000 };
	static uint8_t want[MAX], piece[MAX];
	static bool have[MAX], next[MAX];
	unsigned limits = 0, grown = 0;
	struct ht_arena *a = ht_arena_new(1);
	for (uint64_t round = 1; round <= 100; round++) {
		struct ht_assembly s = {0};
		memset(have, 0, sizeof(have));
		seed = round * 0x9e3779b97f4a7c15;
		uint32_t longest = round % 4 == 0 ? 30 : 1 + rnd(1500);
		for (unsigned turn = 0; turn < 120; turn++) {
			uint32_t at = rnd(MAX + 20), len = rnd(longest);
			bool fits = at <= MAX && len <= MAX - at;
			if (fits) {
				memcpy(next, have, sizeof(have));
				for (uint32_t i = at; i < at + len; i++)
					next[i] = true;
				fits = model_count(next, MAX) <= HT_RANGES_MAX;
			}
			for (uint32_t i = 0; i < len; i++)
				piece[i] = (uint8_t)rnd(256);
			uint8_t *copy = t_dup(piece, len);
			uint32_t size = s.size;
			enum ht_rc rc = ht_assembly_add(&s, a, at, HT_SPAN(copy, len), MAX);
			free(copy);
			grown += s.size > size;
			assert_int_equal(rc, fits ? HT_OK : HT_LIMIT);
			limits += !fits;
			for (uint32_t i = at; fits && i < at + len; i++) {
				if (!have[i])
					want[i] = piece[i - at];
				have[i] = true;
			}
			expect_sound(&s.have);
			assert_int_equal(s.have.num, model_count(have, MAX));
			for (uint32_t i = 0; i < s.have.num; i++)
				assert_memory_equal(
					s.buf + s.have.r[i].lo, want + s.have.r[i].lo,
					s.have.r[i].hi - s.have.r[i].lo
				);
		}
		ht_assembly_drop(&s, a);
		assert_int_equal(ht_arena_used(a), 0);
	}
	assert_true(limits > 100 && grown > 100);
	ht_arena_free(a);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(add),
		cmocka_unit_test(cap),
		cmocka_unit_test(empty_set),
		cmocka_unit_test(set_against_a_bitmap),
		cmocka_unit_test(first_bytes_win),
		cmocka_unit_test(assembly_limits),
		cmocka_unit_test(assembly_full),
		cmocka_unit_test(assembly_against_a_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
