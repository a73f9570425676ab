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
	static const char *const known[] = {"boolean", "number", "string", "[number]", "[string]"};
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

static void set_gives_a_value_and_no_other(void **state) {
	(void)state;
	struct ht_record r;
	r.has = 0;
	ht_set(&r, dst_port, 443);
	assert_int_equal(r.has, HT_HAS(dst_port));
	assert_int_equal(r.dst_port, 443);
	ht_set(&r, quic_transport_parameters, HT_SPAN_EMPTY);
	assert_true(r.has == (HT_HAS(dst_port) | HT_HAS(quic_transport_parameters)));
	assert_true(HT_HAS(quic_transport_parameters) == (uint64_t)1 << (HT_NUM_FIELDS - 1));
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

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_unique_and_plain),
		cmocka_unit_test(every_field_has_its_own_room),
		cmocka_unit_test(types_say_their_json),
		cmocka_unit_test(set_gives_a_value_and_no_other),
		cmocka_unit_test(the_order_is_the_documented_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
