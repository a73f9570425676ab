// SPDX-License-Identifier: BSD-3-Clause

#include "record.h"
#include "t.h"

static void names_are_unique_and_plain(void **state) {
	(void)state;
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		const struct ht_field *f = &ht_fields[i];
		assert_int_equal(f->name_len, strlen(f->name));
		assert_int_equal(
			strspn(f->name, "abcdefghijklmnopqrstuvwxyz0123456789_"), f->name_len
		);
		assert_in_range(strlen(f->help), 5, 200);
		assert_null(strpbrk(f->help, "|\n")); // cells of docs/fields.md
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(f->name, ht_fields[k].name);
	}
}

static void every_field_has_its_own_room(void **state) {
	(void)state;
	static const size_t sizes[HT_NUM_TYPES] = {
#define T(id, ctype, json, help) sizeof(ht_type_##id),
		HT_TYPES(T)
#undef T
	};
	size_t past = offsetof(struct ht_record, ciphers_are_24_bit) + 1;
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		const struct ht_field *f = &ht_fields[i];
		assert_true(f->type < HT_NUM_TYPES);
		assert_true(f->offset >= past);
		past = f->offset + sizes[f->type];
	}
	assert_true(past <= sizeof(struct ht_record));
}

static void types_say_their_json(void **state) {
	(void)state;
	static const char *const known[]
		= {"boolean", "number", "string", "[number]", "[string]", "[object]"};
	for (unsigned i = 0; i < HT_NUM_TYPES; i++) {
		bool found = false;
		for (unsigned k = 0; k < HT_ARRAY_LEN(known); k++)
			found |= strcmp(ht_types[i].json, known[k]) == 0;
		assert_true(found);
		assert_in_range(strlen(ht_types[i].help), 5, 100);
	}
	assert_string_equal(ht_types[HT_TYPE_U16S].name, "U16S");
	assert_string_equal(ht_types[HT_TYPE_TEXTS].name, "TEXTS");
}

// What other programs were told to decode by number.
static void numbers_are_unique_and_stay(void **state) {
	(void)state;
	bool seen[HT_FIELD_NUMBER_MAX + 1] = {false};
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		assert_in_range(ht_fields[i].number, 1, HT_FIELD_NUMBER_MAX);
		assert_false(seen[ht_fields[i].number]);
		seen[ht_fields[i].number] = true;
		assert_ptr_equal(ht_field_of(ht_fields[i].name), &ht_fields[i]);
	}
	assert_null(ht_field_of("no_such_field"));
	assert_int_equal(ht_field_of("record")->number, 1);
	assert_int_equal(ht_field_of("ja4")->number, 48);
	assert_int_equal(ht_field_of("quic_transport_parameters")->number, 55);
	assert_int_equal(ht_field_of("sequence")->number, 119);
	assert_int_equal(ht_field_of("matches")->number, 121);
}

static void kinds_have_their_fields(void **state) {
	(void)state;
	struct ht_record r;
	for (unsigned i = 0; i < HT_NUM_KINDS; i++) {
		r.record = ht_kind_names[i];
		assert_int_equal(ht_record_kind(&r), 1 << i);
	}
	assert_true(ht_kind_fields(HT_KINDS_ALL) == ((ht_fieldset)1 << HT_NUM_FIELDS) - 1);
	assert_true(ht_kind_fields(HT_KIND_HELLO) & HT_HAS(sni));
	assert_false(ht_kind_fields(HT_KIND_EVENT) & HT_HAS(ciphers));
	ht_fieldset set = HT_HAS(record) | HT_HAS(cert_sans) | HT_HAS(sequence);
	assert_int_equal(ht_fieldset_next(&set), HT_FIELD_record);
	assert_int_equal(ht_fieldset_next(&set), HT_FIELD_cert_sans);
	assert_int_equal(ht_fieldset_next(&set), HT_FIELD_sequence);
	assert_true(set == 0);
}

static void set_gives_a_value_and_no_other(void **state) {
	(void)state;
	struct ht_record r;
	r.has = 0;
	ht_set(&r, dst_port, 443);
	assert_true(r.has == HT_HAS(dst_port));
	assert_int_equal(r.dst_port, 443);
	ht_set(&r, quic_transport_parameters, HT_SPAN_EMPTY);
	assert_true(r.has == (HT_HAS(dst_port) | HT_HAS(quic_transport_parameters)));
	assert_true(HT_HAS(sequence) == (ht_fieldset)1 << (HT_NUM_FIELDS - 1));
}

static void a_copy_has_what_was_asked_for(void **state) {
	(void)state;
	struct ht_record r, copy;
	memset(&copy, 0x5a, sizeof(copy));
	r.has = 0;
	ht_set(&r, ts, 77);
	r.ts_is_ns = true;
	ht_set(&r, dst_port, 443);
	ht_set(&r, src_port, 444);
	ht_set(&r, sni, HT_SPAN_STR("example.com"));
	ht_record_copy(&copy, &r, HT_HAS(ts) | HT_HAS(dst_port) | HT_HAS(sni) | HT_HAS(ja4));
	assert_true(copy.has == (HT_HAS(ts) | HT_HAS(dst_port) | HT_HAS(sni)));
	assert_int_equal(copy.ts, 77);
	assert_true(copy.ts_is_ns);
	assert_int_equal(copy.dst_port, 443);
	assert_ptr_equal(copy.sni.p, r.sni.p);
	assert_int_not_equal(copy.src_port, 444);
}

// Keys that readers of the output rely on (the order is part of it).
static void the_order_is_the_documented_one(void **state) {
	(void)state;
	assert_string_equal(ht_fields[0].name, "record");
	assert_string_equal(ht_fields[1].name, "ts");
	assert_true(HT_FIELD_src_ip < HT_FIELD_dst_ip && HT_FIELD_dst_ip < HT_FIELD_transport);
	assert_true(HT_FIELD_protocol < HT_FIELD_sni && HT_FIELD_sni < HT_FIELD_alpn);
	assert_true(HT_FIELD_alpn < HT_FIELD_ciphers && HT_FIELD_ciphers < HT_FIELD_ja3);
	assert_true(HT_FIELD_ja4_r < HT_FIELD_quic_version);
}

// ---- packed

// fill gives field i a value with all of its type in use, or with as little as there can be.
static void fill(struct ht_record *r, unsigned i, bool large) {
	static const uint8_t bytes[300] = "as sent";
	void *const v = (char *)r + ht_fields[i].offset;
	const struct ht_span span = large ? HT_SPAN(bytes, sizeof(bytes) - i) : HT_SPAN_EMPTY;
	switch ((enum ht_type)ht_fields[i].type) {
	case HT_TYPE_BOOL:
	case HT_TYPE_FLAG:
		*(bool *)v = large;
		break;
	case HT_TYPE_U8:
		*(uint8_t *)v = large ? UINT8_MAX : 0;
		break;
	case HT_TYPE_U16:
		*(uint16_t *)v = large ? UINT16_MAX - 1 : 0;
		break;
	case HT_TYPE_U32:
		*(uint32_t *)v = large ? UINT32_MAX - 1 : 0;
		break;
	case HT_TYPE_U64:
		*(uint64_t *)v = large ? UINT64_MAX - 1 : 0;
		break;
	case HT_TYPE_TIME:
	case HT_TYPE_SECONDS:
		*(int64_t *)v = large ? INT64_MAX - 1 : INT64_MIN;
		break;
	case HT_TYPE_STR:
		*(const char **)v = ht_fields[i].name;
		break;
	case HT_TYPE_IP:
	case HT_TYPE_MAC:
		*(const uint8_t **)v = bytes + i;
		break;
	case HT_TYPE_TEXT:
	case HT_TYPE_HEX:
	case HT_TYPE_ASCII:
	case HT_TYPE_U16S:
	case HT_TYPE_U8S:
	case HT_TYPE_VARINTS:
	case HT_TYPE_NAMES:
	case HT_TYPE_MATCHES:
		*(struct ht_span *)v = span;
		break;
	case HT_TYPE_STRS: {
		struct ht_strs *list = v;
		list->num = large ? HT_STRS_MAX : 0;
		for (unsigned k = 0; k < list->num; k++)
			list->s[k] = ht_fields[(i + k) % HT_NUM_FIELDS].name;
		break;
	}
	case HT_TYPE_TEXTS: {
		struct ht_texts *list = v;
		list->num = large ? HT_TEXTS_MAX : 0;
		for (unsigned k = 0; k < list->num; k++) {
			list->len[k] = (uint8_t)(HT_TEXT_SIZE - k % 3);
			memset(list->s[k], 'a' + (int)k, list->len[k]);
		}
		break;
	}
	case HT_NUM_TYPES:
		fail();
	}
	r->has |= (ht_fieldset)1 << i;
	r->cert_chain = HT_SPAN("\0\0\2ab", large ? 5 : 0);
	r->stats_json = HT_SPAN("{}", large ? 2 : 0);
}

static void expect_within(const uint8_t *p, size_t n, struct ht_span packed) {
	assert_true(p >= packed.p && n <= packed.len);
	assert_true((size_t)(p - packed.p) <= packed.len - n);
}

// expect_same compares field i, whose spans in `got` must lie in `packed`.
static void expect_same(
	const struct ht_record *got, const struct ht_record *want, unsigned i, struct ht_span packed
) {
	const void *const g = (const char *)got + ht_fields[i].offset;
	const void *const w = (const char *)want + ht_fields[i].offset;
	switch ((enum ht_type)ht_fields[i].type) {
	case HT_TYPE_BOOL:
	case HT_TYPE_FLAG:
		assert_memory_equal(g, w, sizeof(bool));
		break;
	case HT_TYPE_U8:
		assert_memory_equal(g, w, 1);
		break;
	case HT_TYPE_U16:
		assert_memory_equal(g, w, 2);
		break;
	case HT_TYPE_U32:
		assert_memory_equal(g, w, 4);
		break;
	case HT_TYPE_U64:
	case HT_TYPE_TIME:
	case HT_TYPE_SECONDS:
		assert_memory_equal(g, w, 8);
		break;
	case HT_TYPE_STR:
		assert_ptr_equal(*(const char *const *)g, *(const char *const *)w);
		break;
	case HT_TYPE_IP:
	case HT_TYPE_MAC: {
		const size_t n = ht_fields[i].type == HT_TYPE_IP ? 16 : 6;
		expect_within(*(const uint8_t *const *)g, n, packed);
		assert_memory_equal(*(const uint8_t *const *)g, *(const uint8_t *const *)w, n);
		break;
	}
	case HT_TYPE_TEXT:
	case HT_TYPE_HEX:
	case HT_TYPE_ASCII:
	case HT_TYPE_U16S:
	case HT_TYPE_U8S:
	case HT_TYPE_VARINTS:
	case HT_TYPE_NAMES:
	case HT_TYPE_MATCHES: {
		const struct ht_span *const span = g;
		expect_within(span->p, span->len, packed);
		assert_true(ht_span_eq(*span, *(const struct ht_span *)w));
		break;
	}
	case HT_TYPE_STRS: {
		const struct ht_strs *const a = g, *const b = w;
		assert_int_equal(a->num, b->num);
		for (unsigned k = 0; k < b->num; k++)
			assert_ptr_equal(a->s[k], b->s[k]);
		break;
	}
	case HT_TYPE_TEXTS: {
		const struct ht_texts *const a = g, *const b = w;
		assert_int_equal(a->num, b->num);
		assert_memory_equal(a->len, b->len, b->num);
		for (unsigned k = 0; k < b->num; k++)
			assert_memory_equal(a->s[k], b->s[k], b->len[k]);
		break;
	}
	case HT_NUM_TYPES:
		fail();
	}
}

// expect_crosses packs a record into all sizes of buffers up to the one it just fits in, and
// compares what comes out of that.
static void expect_crosses(const struct ht_record *r) {
	static uint8_t large[32 * 1024];
	struct ht_record got;
	const size_t len = ht_record_pack(large, sizeof(large), r);
	assert_in_range(len, 8, sizeof(large));
	for (size_t room = 0; room < len; room++) {
		uint8_t *const out = t_dup(large, room); // for the sanitizer
		assert_int_equal(ht_record_pack(out, room, r), 0);
		free(out);
		memset(large, 0xee, sizeof(large)); // without one
		assert_int_equal(ht_record_pack(large, room, r), 0);
		for (size_t i = room; i < len + 64; i++)
			assert_int_equal(large[i], 0xee);
	}
	memset(large, 0xee, sizeof(large));
	uint8_t *const out = t_dup(large, len);
	assert_int_equal(ht_record_pack(out, len, r), len);
	memset(&got, 0xa5, sizeof(got));
	assert_int_equal(ht_record_unpack(&got, out), len);
	assert_true(got.has == r->has);
	assert_true(got.ts_is_ns == (r->has & HT_HAS(ts) && r->ts_is_ns));
	assert_true(got.ciphers_are_24_bit == (r->has & HT_HAS(ciphers) && r->ciphers_are_24_bit));
	if (r->has & HT_HAS(cert_count))
		assert_true(ht_span_eq(got.cert_chain, r->cert_chain));
	if (r->has & HT_HAS(frames_read))
		assert_true(ht_span_eq(got.stats_json, r->stats_json));
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++)
		if (r->has >> i & 1)
			expect_same(&got, r, i, HT_SPAN(out, len));
	free(out);
}

static void each_field_crosses_alone(void **state) {
	(void)state;
	unsigned of_type[HT_NUM_TYPES] = {0};
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		for (int large = 0; large <= 1; large++) {
			struct ht_record r;
			memset(&r, 0xa5, sizeof(r)); // what has no bit in `has` is rubbish
			r.has = 0;
			r.ts_is_ns = r.ciphers_are_24_bit = large;
			fill(&r, i, large);
			expect_crosses(&r);
		}
		of_type[ht_fields[i].type]++;
	}
	for (unsigned i = 0; i < HT_NUM_TYPES; i++)
		assert_true(of_type[i] > 0);
}

static void all_fields_cross_together(void **state) {
	(void)state;
	struct ht_record r = {.ts_is_ns = true};
	expect_crosses(&r); // none at all
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++)
		fill(&r, i, true);
	expect_crosses(&r);
	r.ts_is_ns = false;
	r.ciphers_are_24_bit = true;
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++)
		fill(&r, i, false);
	expect_crosses(&r);
}

// A flag is set together with its field: where that is missing, it may be anything, no bool even.
static void a_flag_without_its_field_is_not_looked_at(void **state) {
	(void)state;
	struct ht_record r, got;
	uint8_t out[64];
	memset(&r, 0xa5, sizeof(r));
	r.has = 0;
	ht_set(&r, dst_port, 443);
	assert_in_range(ht_record_pack(out, sizeof(out), &r), 1, sizeof(out));
	(void)ht_record_unpack(&got, out);
	assert_true(got.has == HT_HAS(dst_port) && got.dst_port == 443);
	assert_false(got.ts_is_ns);
	assert_false(got.ciphers_are_24_bit);
}

// The low 32 bits of its length would fit.
static void a_span_beyond_4_gib_does_not_fit(void **state) {
	(void)state;
	struct ht_record r = {.has = 0};
	uint8_t out[64];
	ht_set(&r, sni, HT_SPAN("abc", ((size_t)1 << 32) + 3));
	assert_int_equal(ht_record_pack(out, sizeof(out), &r), 0);
	ht_set(&r, sni, HT_SPAN("abc", SIZE_MAX));
	assert_int_equal(ht_record_pack(out, sizeof(out), &r), 0);
}

// ---- matches

#define T_SPAN(lit) \
	{ (const uint8_t *)(lit), sizeof(lit) - 1 }

static const struct ht_match some_matches[] = {
	{T_SPAN("bad"), T_SPAN("example.com"), T_SPAN("c2"), T_SPAN("critical")},
	{T_SPAN(""), T_SPAN(""), T_SPAN(""), T_SPAN("")},
	{T_SPAN("l"), T_SPAN("/\0\xff/"), T_SPAN(""), T_SPAN("info")},
};

static size_t put_matches(uint8_t *out, size_t room) {
	uint8_t *at = out;
	for (unsigned i = 0; i < HT_ARRAY_LEN(some_matches); i++) {
		uint8_t *const next = ht_match_put(at, out + room, &some_matches[i]);
		if (next == NULL)
			break;
		at = next;
	}
	return (size_t)(at - out);
}

static void matches_come_back(void **state) {
	(void)state;
	uint8_t out[256];
	const size_t len = put_matches(out, sizeof(out));
	struct ht_span rest = HT_SPAN(out, len);
	struct ht_match m;
	assert_memory_equal(out, "\0\3bad\0\13example.com\0\2c2\0\10critical\0", 33);
	for (unsigned i = 0; i < HT_ARRAY_LEN(some_matches); i++) {
		assert_true(ht_match_next(&rest, &m));
		assert_true(ht_span_eq(m.list, some_matches[i].list));
		assert_true(ht_span_eq(m.entry, some_matches[i].entry));
		assert_true(ht_span_eq(m.label, some_matches[i].label));
		assert_true(ht_span_eq(m.severity, some_matches[i].severity));
	}
	assert_int_equal(rest.len, 0);
	assert_false(ht_match_next(&rest, &m));
}

// Each number of bytes that there may be, in buffers of just that size.
static void matches_end_with_their_bytes(void **state) {
	(void)state;
	uint8_t all[256];
	const size_t len = put_matches(all, sizeof(all));
	for (size_t n = 0; n <= len; n++) {
		uint8_t *const out = malloc(n + (n == 0));
		assert_non_null(out);
		const size_t put = put_matches(out, n);
		assert_true(put <= n && (n < len || put == len));
		assert_memory_equal(out, all, put);
		free(out);

		uint8_t *const in = t_dup(all, n);
		struct ht_span rest = HT_SPAN(in, n);
		struct ht_match m;
		unsigned num = 0;
		while (ht_match_next(&rest, &m))
			num++;
		assert_int_equal(rest.p - in, put); // whole ones alone
		assert_true(num <= HT_ARRAY_LEN(some_matches));
		free(in);
	}
}

static void a_part_has_two_bytes_of_length(void **state) {
	(void)state;
	static uint8_t part[UINT16_MAX + 1], out[2 * sizeof(part)];
	struct ht_match m
		= {HT_SPAN_EMPTY, HT_SPAN(part, UINT16_MAX), HT_SPAN_EMPTY, HT_SPAN_EMPTY};
	assert_ptr_equal(ht_match_put(out, out + sizeof(out), &m), out + UINT16_MAX + 8);
	m.entry.len++;
	assert_null(ht_match_put(out, out + sizeof(out), &m));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_unique_and_plain),
		cmocka_unit_test(every_field_has_its_own_room),
		cmocka_unit_test(types_say_their_json),
		cmocka_unit_test(numbers_are_unique_and_stay),
		cmocka_unit_test(kinds_have_their_fields),
		cmocka_unit_test(set_gives_a_value_and_no_other),
		cmocka_unit_test(a_copy_has_what_was_asked_for),
		cmocka_unit_test(the_order_is_the_documented_one),
		cmocka_unit_test(each_field_crosses_alone),
		cmocka_unit_test(all_fields_cross_together),
		cmocka_unit_test(a_flag_without_its_field_is_not_looked_at),
		cmocka_unit_test(a_span_beyond_4_gib_does_not_fit),
		cmocka_unit_test(matches_come_back),
		cmocka_unit_test(matches_end_with_their_bytes),
		cmocka_unit_test(a_part_has_two_bytes_of_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
