// SPDX-License-Identifier: BSD-3-Clause
// Each read at the first byte, the last one, and one past it; a read that fails moves nothing.

#include "reader.h"
#include "t.h"

#include <inttypes.h>

static const uint8_t bytes[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};

enum read { TAKE0, TAKE3, SKIP2, U8, U16, U24, U32, VEC8, VEC16, VEC24 };

// Does one read over `in`. *v is the number read, or for a vector the bytes of its child.
static bool do_read(enum read what, struct ht_reader *r, uint64_t *v, struct ht_span *part) {
	uint8_t a = 0;
	uint16_t b = 0;
	uint32_t c = 0;
	struct ht_reader child = {HT_SPAN_EMPTY};
	bool ok = false;
	switch (what) {
	case TAKE0:
		return ht_take(r, 0, part);
	case TAKE3:
		return ht_take(r, 3, part);
	case SKIP2:
		return ht_skip(r, 2);
	case U8:
		ok = ht_u8(r, &a);
		*v = a;
		return ok;
	case U16:
		ok = ht_u16(r, &b);
		*v = b;
		return ok;
	case U24:
		ok = ht_u24(r, &c);
		*v = c;
		return ok;
	case U32:
		ok = ht_u32(r, &c);
		*v = c;
		return ok;
	case VEC8:
		ok = ht_vec8(r, &child);
		break;
	case VEC16:
		ok = ht_vec16(r, &child);
		break;
	case VEC24:
		ok = ht_vec24(r, &child);
		break;
	}
	*part = child.left;
	return ok;
}

static void numbers(void **state) {
	(void)state;
	static const struct {
		const char *name;
		enum read what;
		size_t size;
		uint64_t want;
	} cases[] = {
		{"nothing", TAKE0, 0, 0},     {"three bytes", TAKE3, 3, 0},
		{"two skipped", SKIP2, 2, 0}, {"u8", U8, 1, 0x01},
		{"u16", U16, 2, 0x0102},      {"u24", U24, 3, 0x010203},
		{"u32", U32, 4, 0x01020304},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		for (size_t n = 0; n <= sizeof(bytes); n++) {
			uint8_t *cut = t_dup(bytes, n);
			struct ht_reader r = ht_reader(HT_SPAN(cut, n));
			struct ht_span part = HT_SPAN_EMPTY;
			uint64_t v = 0;
			bool ok = do_read(cases[i].what, &r, &v, &part);
			if (ok != (n >= cases[i].size))
				fail_msg("%s from %zu bytes", cases[i].name, n);
			size_t moved = ok ? cases[i].size : 0;
			if (r.left.p != cut + moved || r.left.len != n - moved)
				fail_msg("%s from %zu bytes: moved", cases[i].name, n);
			if (ok && v != cases[i].want)
				fail_msg("%s: %" PRIx64, cases[i].name, v);
			if (ok && cases[i].what == TAKE3 && (part.p != cut || part.len != 3))
				fail_msg("%s: what was taken", cases[i].name);
			free(cut);
		}
	}
}

static void vectors(void **state) {
	(void)state;
	static const struct {
		const char *name;
		enum read what;
		const char *in;
		bool ok;
		size_t at, len;
	} cases[] = {
		{"vec8 of nothing, with nothing behind", VEC8, "00", true, 1, 0},
		{"vec8 of nothing, with bytes behind", VEC8, "00 aa bb", true, 1, 0},
		{"vec8 to the last byte", VEC8, "02 aa bb", true, 1, 2},
		{"vec8 with a byte behind", VEC8, "01 aa bb", true, 1, 1},
		{"vec8 one past the end", VEC8, "03 aa bb", false, 0, 0},
		{"vec8 without its length", VEC8, "", false, 0, 0},
		{"vec8 all ones", VEC8, "ff aa", false, 0, 0},
		{"vec16 of nothing", VEC16, "0000", true, 2, 0},
		{"vec16 to the last byte", VEC16, "0002 aa bb", true, 2, 2},
		{"vec16 one past the end", VEC16, "0003 aa bb", false, 0, 0},
		{"vec16 with half a length", VEC16, "00", false, 0, 0},
		{"vec16 all ones", VEC16, "ffff aa", false, 0, 0},
		{"vec24 of nothing", VEC24, "000000", true, 3, 0},
		{"vec24 to the last byte", VEC24, "000002 aa bb", true, 3, 2},
		{"vec24 one past the end", VEC24, "000003 aa bb", false, 0, 0},
		{"vec24 with two thirds of a length", VEC24, "0000", false, 0, 0},
		{"vec24 all ones", VEC24, "ffffff aa", false, 0, 0},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		uint8_t raw[16];
		size_t n = t_unhex(raw, sizeof(raw), cases[i].in);
		uint8_t *cut = t_dup(raw, n);
		struct ht_reader r = ht_reader(HT_SPAN(cut, n));
		struct ht_span part = HT_SPAN_EMPTY;
		uint64_t v = 0;
		if (do_read(cases[i].what, &r, &v, &part) != cases[i].ok)
			fail_msg("%s", cases[i].name);
		size_t moved = cases[i].ok ? cases[i].at + cases[i].len : 0;
		if (r.left.p != cut + moved || r.left.len != n - moved)
			fail_msg("%s: moved", cases[i].name);
		if (cases[i].ok && (part.p != cut + cases[i].at || part.len != cases[i].len))
			fail_msg("%s: child", cases[i].name);
		free(cut);
	}
}

// An inner length that would fit into the input, and does not fit into its parent.
static void child_stays_inside_its_parent(void **state) {
	(void)state;
	static const uint8_t in[] = {0x03, 0x05, 0xaa, 0xbb, 0xcc, 0xdd, 0xee};
	uint8_t *cut = t_dup(in, sizeof(in));
	struct ht_reader r = ht_reader(HT_SPAN(cut, sizeof(in))), child, grandchild;
	assert_true(ht_vec8(&r, &child));
	assert_false(ht_vec8(&child, &grandchild));
	assert_int_equal(child.left.len, 3);
	assert_int_equal(r.left.len, 3);
	free(cut);
}

static void varints(void **state) {
	(void)state;
	static const struct {
		const char *name, *in;
		bool ok;
		uint64_t want;
		size_t left;
	} cases[] = {
		// RFC 9000 A.1
		{"eight bytes of the RFC", "c2197c5eff14e88c", true, 151288809941952652, 0},
		{"four bytes of the RFC", "9d7f3e7d", true, 494878333, 0},
		{"two bytes of the RFC", "7bbd", true, 15293, 0},
		{"one byte of the RFC", "25", true, 37, 0},
		{"37 in two bytes", "4025", true, 37, 0},
		{"zero", "00", true, 0, 0},
		{"largest of one byte", "3f aa", true, 63, 1},
		{"largest of two", "7fff aa", true, 16383, 1},
		{"largest of four", "bfffffff", true, 1073741823, 0},
		{"largest of eight", "ffffffffffffffff aa", true, 4611686018427387903, 1},
		{"nothing there", "", false, 0, 0},
		{"second of two bytes missing", "40", false, 0, 1},
		{"last of four bytes missing", "9d7f3e", false, 0, 3},
		{"last of eight bytes missing", "c2197c5eff14e8", false, 0, 7},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		uint8_t raw[16];
		size_t n = t_unhex(raw, sizeof(raw), cases[i].in);
		uint8_t *cut = t_dup(raw, n);
		struct ht_reader r = ht_reader(HT_SPAN(cut, n));
		uint64_t v = 0;
		if (ht_varint(&r, &v) != cases[i].ok || v != cases[i].want
		    || r.left.len != cases[i].left)
			fail_msg("%s: %" PRIu64 ", %zu left", cases[i].name, v, r.left.len);
		free(cut);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(vectors),
		cmocka_unit_test(child_stays_inside_its_parent),
		cmocka_unit_test(varints),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
