// SPDX-License-Identifier: BSD-3-Clause

#include "record.h"

#include "reader.h"

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

void ht_record_copy(struct ht_record *out, const struct ht_record *r, ht_fieldset fields) {
	out->has = r->has & fields;
	if (out->has & HT_HAS(ts))
		out->ts_is_ns = r->ts_is_ns;
	if (out->has & HT_HAS(ciphers))
		out->ciphers_are_24_bit = r->ciphers_are_24_bit;
#define F(id, number, type, kinds, help) \
	if (out->has & HT_HAS(id)) \
		out->id = r->id;
	HT_RECORD_FIELDS(F)
#undef F
}

const struct ht_field *ht_field_of(const char *name) {
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++)
		if (strcmp(ht_fields[i].name, name) == 0)
			return &ht_fields[i];
	return NULL;
}

// --- matches ------------------------------------------------------------------------------------

static uint8_t *put_part(uint8_t *out, struct ht_span part) {
	ht_put_be16(out, (uint16_t)part.len);
	memcpy(out + 2, part.p, part.len);
	return out + 2 + part.len;
}

uint8_t *ht_match_put(uint8_t *out, const uint8_t *end, const struct ht_match *m) {
	const struct ht_span parts[] = {m->list, m->entry, m->label, m->severity};
	size_t room = (size_t)(end - out);
	for (unsigned i = 0; i < HT_ARRAY_LEN(parts); i++) {
		if (parts[i].len > UINT16_MAX || parts[i].len + 2 > room)
			return NULL;
		room -= parts[i].len + 2;
	}
	for (unsigned i = 0; i < HT_ARRAY_LEN(parts); i++)
		out = put_part(out, parts[i]);
	return out;
}

bool ht_match_next(struct ht_span *rest, struct ht_match *m) {
	struct ht_reader r = ht_reader(*rest), list, entry, label, severity;
	if (!ht_vec16(&r, &list) || !ht_vec16(&r, &entry) || !ht_vec16(&r, &label)
	    || !ht_vec16(&r, &severity))
		return false;
	*m = (struct ht_match){list.left, entry.left, label.left, severity.left};
	*rest = r.left;
	return true;
}
