// SPDX-License-Identifier: BSD-3-Clause
// Encoding: the field table written straight in the wire format (protobuf.dev, "Encoding"): a key
// of field number and wire type, then a varint, 8 bytes, or what stands behind a length.
//
// protobuf-c reads messages (protobuf_decode.c). To write them it walks the descriptors of all
// fields twice for each record, and took four times as long as JSON does.

#include "proto.h"
#include "protobuf_int.h"
#include "reader.h"

#include <stdlib.h>

// A field begins at or before HT_PROTOBUF_MAX and comes of no more bytes than that; none of them
// makes more than 4 (a name without a letter: a key of 2 and a length of 1, where 1 was).
#define MESSAGE_SIZE (5 * HT_PROTOBUF_MAX + 4096)

struct ht_protobuf *ht_protobuf_new(void) {
	struct ht_protobuf *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	memset(p->by_number, HT_NUM_FIELDS, sizeof(p->by_number));
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++)
		p->by_number[ht_fields[i].number - 1] = (uint8_t)i;
	p->scratch = malloc(PROTOBUF_SCRATCH);
	p->message = malloc(MESSAGE_SIZE);
	if (p->scratch == NULL || p->message == NULL) {
		ht_protobuf_free(p);
		return NULL;
	}
	return p;
}

void ht_protobuf_free(struct ht_protobuf *p) {
	if (p == NULL)
		return;
	free(p->scratch);
	free(p->message);
	free(p);
}

void ht_protobuf_for_export(struct ht_protobuf *p) {
	p->for_export = true;
}

enum wire { VARINT = 0, FIXED64 = 1, LENGTH = 2 };

#define WIRE_BOOL VARINT
#define WIRE_FLAG VARINT
#define WIRE_U8 VARINT
#define WIRE_U16 VARINT
#define WIRE_U32 VARINT
#define WIRE_U64 VARINT
#define WIRE_STR LENGTH
#define WIRE_TEXT LENGTH
#define WIRE_HEX LENGTH
#define WIRE_ASCII LENGTH
#define WIRE_IP LENGTH
#define WIRE_MAC LENGTH
#define WIRE_TIME FIXED64
#define WIRE_SECONDS VARINT
#define WIRE_U16S LENGTH // packed
#define WIRE_U8S LENGTH
#define WIRE_VARINTS LENGTH
#define WIRE_NAMES LENGTH // a key each
#define WIRE_STRS LENGTH
#define WIRE_MATCHES LENGTH // likewise
#define WIRE_TEXTS LENGTH

// All that writing wants to know of a field but for its value. A key is a varint of 1 or 2 bytes.
struct key {
	uint8_t bytes[2];
	uint8_t len, type;
	uint16_t offset, number;
	bool is_span;
};

#define IS_SPAN(type) _Generic(*(ht_type_##type *)NULL, struct ht_span : true, default : false)
#define KEY(number, wire) ((number) << 3 | (wire))
#define KEY_BYTES(key) \
	{ (uint8_t)((key) < 128 ? (key) : ((key)&127) | 128), (uint8_t)((key) >> 7) }
#define KEY_LEN(key) ((key) < 128 ? 1 : 2)

#define F(id, number, type, kinds, help) \
	{KEY_BYTES(KEY(number, WIRE_##type)), \
	 KEY_LEN(KEY(number, WIRE_##type)), \
	 HT_TYPE_##type, \
	 offsetof(struct ht_record, id), \
	 number, \
	 IS_SPAN(type)},
static const struct key keys[HT_NUM_FIELDS] = {HT_RECORD_FIELDS(F)};
#undef F
#define F(id, number, type, kinds, help) \
	_Static_assert(number <= HT_FIELD_NUMBER_MAX && KEY(number, 7) < 1 << 14, #id);
HT_RECORD_FIELDS(F)
#undef F
#define X(type, id, number, type_for_c, help) \
	_Static_assert(HT_FIELD_NUMBER_MAX < number && KEY(number, 7) < 1 << 14, #id);
PROTO_EXTRAS(X)
#undef X

// Functions that put write at `out`, where there is room, and return the end.

static inline uint8_t *put_key(uint8_t *out, const struct key *k) {
	memcpy(out, k->bytes, 2);
	return out + k->len;
}

static inline uint8_t *put_varint(uint8_t *out, uint64_t v) {
	for (; v >= 128; v >>= 7)
		*out++ = (uint8_t)(v | 128);
	*out++ = (uint8_t)v;
	return out;
}

static inline size_t varint_len(uint64_t v) {
	return (size_t)(63 - __builtin_clzll(v | 1)) / 7 + 1;
}

static inline uint8_t *put_bytes(uint8_t *out, const void *from, size_t n) {
	return mempcpy(put_varint(out, n), from, n);
}

static uint8_t *put_ip(uint8_t *out, const uint8_t *ip) {
	return ht_ip_is_v4(ip) ? put_bytes(out, ip + 12, 4) : put_bytes(out, ip, 16);
}

static uint8_t *put_u16s(uint8_t *out, struct ht_span list) {
	size_t len = 0;
	for (size_t i = 0; i + 2 <= list.len; i += 2) {
		const unsigned v = ht_be16(list.p + i);
		len += 1u + (v >= 1 << 7) + (v >= 1 << 14);
	}
	out = put_varint(out, len);
	for (size_t i = 0; i + 2 <= list.len; i += 2)
		out = put_varint(out, ht_be16(list.p + i));
	return out;
}

static uint8_t *put_u24s(uint8_t *out, struct ht_span list) {
	size_t len = 0;
	for (size_t i = 0; i + 3 <= list.len; i += 3)
		len += varint_len(ht_be24(list.p + i));
	out = put_varint(out, len);
	for (size_t i = 0; i + 3 <= list.len; i += 3)
		out = put_varint(out, ht_be24(list.p + i));
	return out;
}

static uint8_t *put_u8s(uint8_t *out, struct ht_span list) {
	size_t len = list.len;
	for (size_t i = 0; i < list.len; i++)
		len += list.p[i] >> 7;
	out = put_varint(out, len);
	for (size_t i = 0; i < list.len; i++)
		out = put_varint(out, list.p[i]);
	return out;
}

static uint8_t *put_varints(uint8_t *out, struct ht_span list) {
	uint64_t v;
	size_t len = 0;
	for (struct ht_reader r = ht_reader(list); ht_varint(&r, &v);)
		len += varint_len(v);
	out = put_varint(out, len);
	for (struct ht_reader r = ht_reader(list); ht_varint(&r, &v);)
		out = put_varint(out, v);
	return out;
}

static uint8_t *put_names(uint8_t *out, const struct key *k, struct ht_span list) {
	for (size_t i = 0; i < list.len;) {
		const size_t n = list.p[i++], left = list.len - i;
		out = put_bytes(put_key(out, k), list.p + i, n < left ? n : left);
		i += n;
	}
	return out;
}

static uint8_t *put_texts(uint8_t *out, const struct key *k, const struct ht_texts *list) {
	for (unsigned i = 0; i < list->num; i++)
		out = put_bytes(put_key(out, k), list->s[i], list->len[i]);
	return out;
}

enum {
#define X(type, id, number, type_for_c, help) MATCH_##id = KEY(number, LENGTH),
	PROTO_MATCH(X)
#undef X
};

static size_t part_len(struct ht_span part) {
	return 1 + varint_len(part.len) + part.len;
}

static uint8_t *put_part(uint8_t *out, uint8_t key, struct ht_span part) {
	*out++ = key;
	return put_bytes(out, part.p, part.len);
}

// A message each.
static uint8_t *put_matches(uint8_t *out, const struct key *k, struct ht_span list) {
	struct ht_match m;
	while (ht_match_next(&list, &m)) {
		const bool label = m.label.len > 0;
		const size_t len = part_len(m.list) + part_len(m.entry) + part_len(m.severity)
				   + (label ? part_len(m.label) : 0);
		out = put_varint(put_key(out, k), len);
		out = put_part(out, MATCH_list, m.list);
		out = put_part(out, MATCH_entry, m.entry);
		if (label)
			out = put_part(out, MATCH_label, m.label);
		out = put_part(out, MATCH_severity, m.severity);
	}
	return out;
}

// Words are short, whoever made them.
static uint8_t *put_word(uint8_t *out, const struct key *k, const char *word) {
	return put_bytes(put_key(out, k), word, strnlen(word, PROTOBUF_WORD_MAX));
}

static uint8_t *put_strs(uint8_t *out, const struct key *k, const struct ht_strs *list) {
	for (unsigned i = 0; i < list->num; i++)
		out = put_word(out, k, list->s[i]);
	return out;
}

// has_item tells whether a list has a whole item.
static bool has_item(const void *value, enum ht_type type, bool is_24_bit) {
	const struct ht_span *const span = value;
	struct ht_match m;
	uint64_t v;
	switch (type) {
	case HT_TYPE_U16S:
		return span->len >= (is_24_bit ? 3 : 2);
	case HT_TYPE_U8S:
	case HT_TYPE_NAMES:
		return span->len > 0;
	case HT_TYPE_MATCHES:
		return ht_match_next(&(struct ht_span){span->p, span->len}, &m);
	case HT_TYPE_VARINTS:
		return ht_varint(&(struct ht_reader){*span}, &v);
	case HT_TYPE_STRS:
		return ((const struct ht_strs *)value)->num > 0;
	case HT_TYPE_TEXTS:
		return ((const struct ht_texts *)value)->num > 0;
	default:
		return true;
	}
}

// put_field writes a field that has a value, and is no list without an item.
static uint8_t *put_field(uint8_t *out, const struct key *k, const void *value, bool is_24_bit) {
	const struct ht_span *const span = value;
	const enum ht_type type = k->type;
	if (type == HT_TYPE_NAMES)
		return put_names(out, k, *span);
	if (type == HT_TYPE_STRS)
		return put_strs(out, k, value);
	if (type == HT_TYPE_TEXTS)
		return put_texts(out, k, value);
	if (type == HT_TYPE_MATCHES)
		return put_matches(out, k, *span);
	if (type == HT_TYPE_STR)
		return put_word(out, k, *(const char *const *)value);
	out = put_key(out, k);
	switch (type) {
	case HT_TYPE_BOOL:
	case HT_TYPE_FLAG:
		*out++ = *(const bool *)value;
		return out;
	case HT_TYPE_U8:
		return put_varint(out, *(const uint8_t *)value);
	case HT_TYPE_U16:
		return put_varint(out, *(const uint16_t *)value);
	case HT_TYPE_U32:
		return put_varint(out, *(const uint32_t *)value);
	case HT_TYPE_U64:
	case HT_TYPE_SECONDS: // a negative one as 10 bytes of two's complement
		return put_varint(out, *(const uint64_t *)value);
	case HT_TYPE_TIME:
		return mempcpy(out, value, 8);
	case HT_TYPE_TEXT:
	case HT_TYPE_HEX:
	case HT_TYPE_ASCII:
		return put_bytes(out, span->p, span->len);
	case HT_TYPE_IP:
		return put_ip(out, *(const uint8_t *const *)value);
	case HT_TYPE_MAC:
		return put_bytes(out, *(const uint8_t *const *)value, 6);
	case HT_TYPE_U16S:
		return is_24_bit ? put_u24s(out, *span) : put_u16s(out, *span);
	case HT_TYPE_U8S:
		return put_u8s(out, *span);
	case HT_TYPE_VARINTS:
		return put_varints(out, *span);
	default:
		return out;
	}
}

// What a message has beside the fields of the table. fits tells whether there is room for a span.

static bool fits(const struct ht_protobuf *p, const uint8_t *out, size_t len) {
	return (size_t)(out - p->message) <= HT_PROTOBUF_MAX && len <= HT_PROTOBUF_MAX;
}

enum extra {
#define X(type, id, number, type_for_c, help) EXTRA_##id = number,
	PROTO_EXTRAS(X)
#undef X
};

static uint8_t *put_extra_flag(uint8_t *out, unsigned number) {
	out = put_varint(out, KEY(number, VARINT));
	*out++ = true;
	return out;
}

static uint8_t *put_extra_span(uint8_t *out, unsigned number, struct ht_span span) {
	return put_bytes(put_varint(out, KEY(number, LENGTH)), span.p, span.len);
}

static uint8_t *put_extra_numbers(uint8_t *out, unsigned number, const uint8_t *v, size_t n) {
	return put_u8s(put_varint(out, KEY(number, LENGTH)), HT_SPAN(v, n));
}

enum ht_rc
ht_protobuf_encode(struct ht_protobuf *p, const struct ht_record *r, struct ht_span *to) {
	const ht_fieldset has = r->has;
	const bool is_24_bit = (has & HT_HAS(ciphers)) && r->ciphers_are_24_bit;
	uint8_t empty[HT_NUM_FIELDS], *out = p->message;
	size_t num_empty = 0;
	for (ht_fieldset left = has; left != 0;) {
		const struct key *const k = &keys[ht_fieldset_next(&left)];
		const void *const value = (const char *)r + k->offset;
		const bool wide = is_24_bit && value == &r->ciphers;
		if (HT_UNLIKELY(!fits(p, out, k->is_span ? ((const struct ht_span *)value)->len : 0)
		    ))
			return HT_LIMIT;
		if (HT_LIKELY(has_item(value, k->type, wide)))
			out = put_field(out, k, value, wide);
		else
			empty[num_empty++] = (uint8_t)k->number;
	}
	if ((has & HT_HAS(ts)) && r->ts_is_ns)
		out = put_extra_flag(out, EXTRA_ts_is_ns);
	if (is_24_bit)
		out = put_extra_flag(out, EXTRA_ciphers_are_24_bit);
	if (num_empty > 0)
		out = put_extra_numbers(out, EXTRA_empty_lists, empty, num_empty);
	if ((has & HT_HAS(frames_read)) && r->stats_json.len > 0) {
		if (!fits(p, out, r->stats_json.len))
			return HT_LIMIT;
		out = put_extra_span(out, EXTRA_stats_json, r->stats_json);
	}
	if ((has & HT_HAS(cert_count)) && r->cert_chain.len > 0 && !p->for_export) {
		if (!fits(p, out, r->cert_chain.len))
			return HT_LIMIT;
		out = put_extra_span(out, EXTRA_cert_chain, r->cert_chain);
	}
	*to = HT_SPAN(p->message, (size_t)(out - p->message));
	return to->len <= HT_PROTOBUF_MAX ? HT_OK : HT_LIMIT;
}
