// SPDX-License-Identifier: BSD-3-Clause

#include "record.h"

#define F(id, number, type, kinds, help) \
	{#id, \
	 help, \
	 offsetof(struct ht_record, id), \
	 number, \
	 HT_TYPE_##type, \
	 sizeof(#id) - 1, \
	 HT_KINDS_##kinds},
const struct ht_field ht_fields[HT_NUM_FIELDS] = {HT_RECORD_FIELDS(F)};
#undef F

#define T(id, ctype, json, help) {#id, json, help},
const struct ht_type_info ht_types[HT_NUM_TYPES] = {HT_TYPES(T)};
#undef T

#define K(id, word) #word,
const char *const ht_kind_names[HT_NUM_KINDS] = {HT_RECORD_KINDS(K)};
#undef K

// The words differ in their first letter.
enum ht_kind ht_record_kind(const struct ht_record *r) {
	switch (r->record[0]) {
	case 'h':
		return HT_KIND_HELLO;
	case 'e':
		return HT_KIND_EVENT;
	case 'f':
		return HT_KIND_FLOW;
	case 'a':
		return HT_KIND_AGGREGATE;
	default:
		return HT_KIND_STATS;
	}
}

unsigned ht_kind_of(struct ht_span name) {
	for (unsigned i = 0; i < HT_NUM_KINDS; i++)
		if (ht_span_eq(name, HT_SPAN(ht_kind_names[i], strlen(ht_kind_names[i]))))
			return 1u << i;
	return 0;
}

ht_fieldset ht_kind_fields(unsigned kinds) {
	ht_fieldset set = 0;
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++)
		if (ht_fields[i].kinds & kinds)
			set |= (ht_fieldset)1 << i;
	return set;
}

const struct ht_field *ht_field_of(const char *name) {
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++)
		if (strcmp(ht_fields[i].name, name) == 0)
			return &ht_fields[i];
	return NULL;
}
