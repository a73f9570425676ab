// SPDX-License-Identifier: BSD-3-Clause
// Text of numbers and bytes, byte order, GREASE, files read as a whole, and the arena against a
// model of itself.

#include "arena.h"
#include "base.h"
#include "numtext.h"
#include "path.h"
#include "t.h"
#include "whole.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t seed;

static uint32_t rnd(uint32_t n) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % n;
}

static void hex(void **state) {
	(void)state;
	static const struct {
		const char *name;
		uint8_t in[4];
		size_t len;
		const char *want;
	} cases[] = {
		{"nothing", {0}, 0, ""},
		{"zero keeps both digits", {0}, 1, "00"},
		{"low digit", {0x0f}, 1, "0f"},
		{"high digit", {0xf0}, 1, "f0"},
		{"lower case, in order", {0xde, 0xad, 0xbe, 0xef}, 4, "deadbeef"},
		{"around 9 and a", {0x09, 0x0a, 0x90, 0xa0}, 4, "090a90a0"},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		// Exactly the room that is promised to be enough: no terminator.
		size_t n = 2 * cases[i].len;
		char *out = (char *)t_dup(cases[i].want, n);
		memset(out, '?', n);
		uint8_t *in = t_dup(cases[i].in, cases[i].len);
		if (ht_hex(out, in, cases[i].len) != out + n || memcmp(out, cases[i].want, n) != 0)
			fail_msg("%s", cases[i].name);
		free(in);
		free(out);
	}
	for (unsigned v = 0; v < 256; v++) {
		char want[3], got[3] = "";
		uint8_t byte = (uint8_t)v;
		snprintf(want, sizeof(want), "%02x", v);
		ht_hex(got, &byte, 1);
		assert_string_equal(got, want);
	}
}

static void letters(void **state) {
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		assert_int_equal(ht_lower((uint8_t)c), c < 128 ? tolower((int)c) : (int)c);
		assert_int_equal(ht_is_alnum((uint8_t)c), c < 128 && isalnum((int)c) != 0);
	}
}

static void unhex(void **state) {
	(void)state;
	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++) {
			const char text[2] = {(char)a, (char)b};
			const bool right
				= a < 128 && b < 128 && isxdigit((int)a) && isxdigit((int)b);
			uint8_t byte = 0, want = 0;
			char line[3] = {(char)a, (char)b, '\0'};
			assert_true(ht_unhex(&byte, 1, text) == right);
			if (right)
				want = (uint8_t)strtoul(line, NULL, 16);
			assert_true(!right || byte == want);
		}
	// Nothing is looked at behind what is no digit.
	uint8_t bytes[4];
	uint8_t *one = t_dup("g", 1);
	assert_false(ht_unhex(bytes, 4, one));
	free(one);
	assert_true(ht_unhex(bytes, 4, "00fF7Ae9"));
	assert_memory_equal(bytes, "\x00\xff\x7a\xe9", 4);
	assert_true(ht_unhex(bytes, 0, "x"));
}

static void decimal(void **state) {
	(void)state;
	static const uint64_t edges[] = {0, 9, 10, 99, 100, UINT16_MAX, UINT32_MAX, UINT64_MAX};
	for (size_t i = 0; i < HT_ARRAY_LEN(edges); i++) {
		char want[24];
		size_t n = (size_t)snprintf(want, sizeof(want), "%" PRIu64, edges[i]);
		char *out = (char *)t_dup(want, n);
		memset(out, '?', n);
		if (ht_u64_dec(out, edges[i]) != out + n || memcmp(out, want, n) != 0)
			fail_msg("%s", want);
		free(out);
	}
	seed = 3;
	for (unsigned i = 0; i < 20000; i++) {
		// All small numbers, then some of every length.
		uint64_t v = i < 11000 ? i
				       : ((uint64_t)rnd(UINT32_MAX) << 32 | rnd(UINT32_MAX))
						 >> rnd(64);
		char want[24], got[24] = "";
		snprintf(want, sizeof(want), "%" PRIu64, v);
		*ht_u64_dec(got, v) = '\0';
		assert_string_equal(got, want);
	}
	// Every power of ten and its neighbours: where the number of digits changes.
	for (uint64_t p = 1; p <= UINT64_MAX / 10; p *= 10) {
		for (int d = -1; d <= 1; d++) {
			char want[24], got[24] = "";
			snprintf(want, sizeof(want), "%" PRIu64, p + (uint64_t)d);
			*ht_u64_dec(got, p + (uint64_t)d) = '\0';
			assert_string_equal(got, want);
		}
	}
}

// Every number, asked for first and again: the text, what stands behind it, where it ends.
static void number_text(void **state) {
	(void)state;
	static const char after[] = {',', ' ', '-'};
	for (size_t a = 0; a < sizeof(after); a++) {
		struct ht_num_text *t = ht_num_text_new(after[a]);
		assert_non_null(t);
		for (unsigned again = 0; again < 2; again++) {
			for (uint32_t v = 0; v <= UINT16_MAX; v++) {
				char want[12];
				char *got = malloc(8); // all the room that it may store to
				size_t n = (size_t
				)snprintf(want, sizeof(want), "%" PRIu32 "%c", v, after[a]);
				assert_int_equal(t->text[v][7], again ? n : 0);
				if (ht_num_text_put(t, got, (uint16_t)v) != got + n
				    || memcmp(got, want, n) != 0)
					fail_msg("%s, look-up %u", want, again + 1);
				free(got);
			}
		}
		ht_num_text_free(t);
	}
	ht_num_text_free(NULL);
}

static void older_than(void **state) {
	(void)state;
	assert_false(ht_older_than(10, 5, 5));
	assert_true(ht_older_than(11, 5, 5));
	assert_false(ht_older_than(5, 11, 5)); // a negative age is no age
	assert_true(ht_older_than(INT64_MAX, INT64_MIN, INT64_MAX));
	assert_false(ht_older_than(INT64_MIN, INT64_MAX, 0));
	assert_false(ht_older_than(INT64_MAX, 0, INT64_MAX));
	assert_true(ht_older_than(INT64_MAX, -1, INT64_MAX));
}

static void byte_order(void **state) {
	(void)state;
	uint8_t b[9] = {0xff, 1, 2, 3, 4, 5, 6, 7, 0xfe}; // read from odd addresses, too
	assert_int_equal(ht_be16(b + 1), 0x0102);
	assert_int_equal(ht_be16(b), 0xff01);
	assert_int_equal(ht_be24(b + 1), 0x010203);
	assert_int_equal(ht_be24(b), 0xff0102);
	assert_int_equal(ht_be32(b + 1), 0x01020304);
	assert_int_equal(ht_be32(b), 0xff010203);
	assert_true(ht_be64(b + 1) == 0x01020304050607fe);
	assert_true(ht_be64(b) == 0xff01020304050607);
	ht_put_be16(b + 1, 0xa1b2);
	ht_put_be32(b + 3, 0xc3d4e5f6);
	static const uint8_t want[] = {0xff, 0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 7, 0xfe};
	assert_memory_equal(b, want, sizeof(want));
}

static void spans(void **state) {
	(void)state;
	assert_true(ht_span_eq(HT_SPAN_EMPTY, HT_SPAN("x", 0)));
	assert_true(ht_span_eq(HT_SPAN_STR("ab"), HT_SPAN("abc", 2)));
	assert_false(ht_span_eq(HT_SPAN_STR("ab"), HT_SPAN_STR("abc")));
	assert_false(ht_span_eq(HT_SPAN_STR("ab"), HT_SPAN_STR("ac")));
	assert_non_null(HT_SPAN_EMPTY.p);
}

static void grease(void **state) {
	(void)state;
	unsigned found = 0;
	for (uint32_t v = 0; v <= UINT16_MAX; v++) {
		// RFC 8701 2, spelled out: both bytes the same, the low half 0xA.
		bool want = (v & 0xff) == v >> 8 && (v & 0x0f) == 0x0a;
		if (ht_is_grease((uint16_t)v) != want)
			fail_msg("%04x", v);
		found += want;
	}
	assert_int_equal(found, 16);
	assert_true(ht_is_grease(0x0a0a) && ht_is_grease(0xfafa));
	assert_false(ht_is_grease(0x0a1a) || ht_is_grease(0x0b0b) || ht_is_grease(0xa0a0));
}

static void files(void **state) {
	(void)state;
	static const struct {
		size_t most, len;
	} cases[] = {{0, 0}, {1, 1}, {9, 9}, {10, 10}, {11, 10}, {100, 10}};
	char path[] = "/tmp/base-XXXXXX", got[100];
	const int fd = mkstemp(path);
	size_t len = 0;
	assert_true(fd >= 0);
	assert_true(ht_write_whole(fd, "0123456789", 10));
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		assert_true(ht_read_file(path, got, cases[i].most, &len));
		assert_int_equal(len, cases[i].len);
		assert_memory_equal(got, "0123456789", len);
	}
	lseek(fd, 4, SEEK_SET);
	assert_true(ht_read_whole(fd, got, 6));
	assert_memory_equal(got, "456789", 6);
	lseek(fd, 4, SEEK_SET);
	assert_false(ht_read_whole(fd, got, 7));
	assert_int_equal(errno, EIO);
	close(fd);
	unlink(path);
	assert_false(ht_read_file(path, got, 1, &len));
	assert_int_equal(errno, ENOENT);
	assert_false(ht_read_file("/tmp", got, 1, &len));
	assert_int_equal(errno, EISDIR);
}

// What comes in pieces is read to the end all the same.
static void files_in_pieces(void **state) {
	(void)state;
	int pair[2];
	char got[8];
	size_t len = 0;
	assert_int_equal(pipe(pair), 0);
	const pid_t pid = fork();
	if (pid == 0) {
		bool good = ht_write_whole(pair[1], "ab", 2);
		usleep(20000);
		good = ht_write_whole(pair[1], "c", 1) && good;
		_exit(!good);
	}
	close(pair[1]);
	assert_true(ht_read_most(pair[0], got, sizeof(got), &len));
	assert_int_equal(len, 3);
	assert_memory_equal(got, "abc", 3);
	close(pair[0]);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void paths(void **state) {
	(void)state;
	static const struct {
		const char *path, *folder, *name;
	} cases[] = {
		{"a", ".", "a"},	  {"./a", "./", "a"}, {"/a", "/", "a"},
		{"/a/b.c", "/a/", "b.c"}, {"a/", "a/", ""},   {"", ".", ""},
	};
	char folder[PATH_MAX], longest[PATH_MAX + 2];
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		assert_true(ht_path_folder(cases[i].path, folder));
		assert_string_equal(folder, cases[i].folder);
		assert_string_equal(ht_path_name(cases[i].path), cases[i].name);
	}
	for (size_t len = PATH_MAX - 1; len <= PATH_MAX; len++) {
		memset(longest, 'a', len - 1);
		strcpy(longest + len - 1, "/b");
		assert_int_equal(ht_path_folder(longest, folder), len < PATH_MAX);
	}
	assert_int_equal(errno, ENAMETOOLONG);
}

static void arena_sizes(void **state) {
	(void)state;
	static const struct {
		const char *name;
		size_t ask;
		uint32_t want;
	} cases[] = {
		{"nothing is the smallest block", 0, HT_ARENA_MIN_BLOCK},
		{"one byte", 1, HT_ARENA_MIN_BLOCK},
		{"the smallest block", HT_ARENA_MIN_BLOCK, HT_ARENA_MIN_BLOCK},
		{"one past it", HT_ARENA_MIN_BLOCK + 1, 2 * HT_ARENA_MIN_BLOCK},
		{"half the largest and one", HT_ARENA_MAX_BLOCK / 2 + 1, HT_ARENA_MAX_BLOCK},
		{"the largest", HT_ARENA_MAX_BLOCK, HT_ARENA_MAX_BLOCK},
	};
	struct ht_arena *a = ht_arena_new(1);
	assert_non_null(a);
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		uint32_t size = 0;
		uint8_t *b = ht_arena_get(a, cases[i].ask, &size);
		if (b == NULL || size != cases[i].want || ht_arena_used(a) != size)
			fail_msg("%s: %" PRIu32, cases[i].name, size);
		memset(b, 0x5a, size); // all of it can be written
		ht_arena_put(a, b, size);
		assert_int_equal(ht_arena_used(a), 0);
	}
	uint32_t size;
	assert_null(ht_arena_get(a, HT_ARENA_MAX_BLOCK + 1, &size));
	assert_null(ht_arena_get(a, SIZE_MAX, &size));
	ht_arena_free(a);
	ht_arena_free(NULL);
}

static void arena_capacity_is_rounded_up(void **state) {
	(void)state;
	static const struct {
		size_t bytes;
		unsigned blocks;
	} cases[] = {
		{0, 1},
		{1, 1},
		{HT_ARENA_MAX_BLOCK, 1},
		{HT_ARENA_MAX_BLOCK + 1, 2},
		{3 * HT_ARENA_MAX_BLOCK, 3},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_arena *a = ht_arena_new(cases[i].bytes);
		assert_non_null(a);
		unsigned n = 0;
		uint32_t size;
		while (n < 9 && ht_arena_get(a, HT_ARENA_MAX_BLOCK, &size) != NULL)
			n++;
		assert_int_equal(n, cases[i].blocks);
		assert_int_equal(ht_arena_used(a), (size_t)n * HT_ARENA_MAX_BLOCK);
		ht_arena_free(a);
	}
}

// Full with the smallest blocks; then given back in an order that joins as late as possible.
static void arena_full_and_whole_again(void **state) {
	(void)state;
	enum { N = HT_ARENA_MAX_BLOCK / HT_ARENA_MIN_BLOCK };
	static uint8_t *block[N];
	struct ht_arena *a = ht_arena_new(HT_ARENA_MAX_BLOCK);
	assert_non_null(a);
	uint32_t size;
	for (unsigned i = 0; i < N; i++) {
		block[i] = ht_arena_get(a, 1, &size);
		assert_non_null(block[i]);
		assert_int_equal(size, HT_ARENA_MIN_BLOCK);
	}
	assert_null(ht_arena_get(a, 1, &size));
	for (unsigned i = 0; i < N; i += 2)
		ht_arena_put(a, block[i], HT_ARENA_MIN_BLOCK);
	// Half of it is free, and no two free blocks are neighbours.
	assert_int_equal(ht_arena_used(a), HT_ARENA_MAX_BLOCK / 2);
	assert_null(ht_arena_get(a, HT_ARENA_MIN_BLOCK + 1, &size));
	for (unsigned i = 1; i < N; i += 2)
		ht_arena_put(a, block[i], HT_ARENA_MIN_BLOCK);
	assert_int_equal(ht_arena_used(a), 0);
	assert_non_null(ht_arena_get(a, HT_ARENA_MAX_BLOCK, &size));
	ht_arena_free(a);
}

struct held {
	uint8_t *p;
	uint32_t size;
	uint8_t mark;
};

// Every byte of a block carries the block's own mark: two blocks that shared one would show it.
static void drop_checked(struct ht_arena *a, struct held *h) {
	for (uint32_t i = 0; i < h->size; i++)
		if (h->p[i] != h->mark)
			fail_msg("a block was written through another one, at %" PRIu32, i);
	ht_arena_put(a, h->p, h->size);
}

static void arena_against_a_model(void **state) {
	(void)state;
	enum { BLOCKS = 4, MAX_HELD = 300, TURNS = 6000 };
	static struct held held[MAX_HELD];
	for (uint64_t round = 1; round <= 3; round++) {
		struct ht_arena *a = ht_arena_new(BLOCKS * HT_ARENA_MAX_BLOCK);
		assert_non_null(a);
		size_t num = 0, used = 0;
		uint8_t mark = 0;
		unsigned full = 0;
		seed = round * 0x9e3779b97f4a7c15;
		for (unsigned turn = 0; turn < TURNS; turn++) {
			if (num < MAX_HELD && (num == 0 || rnd(2) == 0)) {
				size_t ask = rnd(8) == 0 ? rnd(HT_ARENA_MAX_BLOCK) + 1
							 : rnd(32 * HT_ARENA_MIN_BLOCK) + 1;
				uint32_t size = 0;
				uint8_t *p = ht_arena_get(a, ask, &size);
				if (p == NULL) {
					full++;
					continue;
				}
				assert_true(size >= ask && size >= HT_ARENA_MIN_BLOCK);
				assert_true((size & (size - 1)) == 0);
				assert_true(size / 2 < ask || size == HT_ARENA_MIN_BLOCK);
				held[num++] = (struct held){p, size, ++mark};
				memset(p, mark, size);
				used += size;
			} else {
				uint32_t i = rnd((uint32_t)num);
				drop_checked(a, &held[i]);
				used -= held[i].size;
				held[i] = held[--num];
			}
			assert_int_equal(ht_arena_used(a), used);
		}
		assert_true(full > 0); // the turns did reach the end of the arena
		while (num > 0)
			drop_checked(a, &held[--num]);
		assert_int_equal(ht_arena_used(a), 0);
		// All of it came back in one piece.
		uint32_t size;
		for (unsigned i = 0; i < BLOCKS; i++)
			assert_non_null(ht_arena_get(a, HT_ARENA_MAX_BLOCK, &size));
		assert_null(ht_arena_get(a, 1, &size));
		ht_arena_free(a);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex),
		cmocka_unit_test(letters),
		cmocka_unit_test(unhex),
		cmocka_unit_test(decimal),
		cmocka_unit_test(number_text),
		cmocka_unit_test(older_than),
		cmocka_unit_test(byte_order),
		cmocka_unit_test(spans),
		cmocka_unit_test(grease),
		cmocka_unit_test(files),
		cmocka_unit_test(files_in_pieces),
		cmocka_unit_test(paths),
		cmocka_unit_test(arena_sizes),
		cmocka_unit_test(arena_capacity_is_rounded_up),
		cmocka_unit_test(arena_full_and_whole_again),
		cmocka_unit_test(arena_against_a_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
