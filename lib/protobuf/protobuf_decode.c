// SPDX-License-Identifier: BSD-3-Clause
// Decoding: protobuf-c takes the message apart, with the scratch for its heap, and the field table
// reads its struct. What the types of the table promise is checked here: a message may come from a
// disk that was written by anybody.

#include "hellotap.pb-c.h"
#include "protobuf_int.h"
#include "severity.h"

typedef ProtobufCBinaryData bytes;

// take gives memory that is there until the next record; NULL: there is no more.
static void *take(struct ht_protobuf *p, size_t size) {
	if (size > PROTOBUF_SCRATCH - p->used)
		return NULL;
	void *at = p->scratch + p->used;
	p->used += (size + 7) & ~(size_t)7; // PROTOBUF_SCRATCH is a multiple of 8
	return at;
}

static void *take_for_c(void *data, size_t size) {
	return take(data, size);
}

// What is taken is given back all at once, with the next record.
static void give_back(void *data, void *at) {
	(void)data;
	(void)at;
}

// is_plain tells whether `s` is printable ASCII without a character of `without`.
static bool is_plain(const void *s, size_t len, const char *without) {
	for (const uint8_t *c = s; len > 0; c++, len--)
		if (*c < 0x20 || *c > 0x7e || strchr(without, *c) != NULL)
			return false;
	return true;
}

static bool is_word(const char *s) {
	const size_t len = strlen(s);
	return len <= PROTOBUF_WORD_MAX && is_plain(s, len, "\"\\,");
}

// Functions that get a value return false when it is not what its type says, or has no room.

static struct ht_span span_of(bytes b) {
	return b.len > 0 ? HT_SPAN(b.data, b.len) : HT_SPAN_EMPTY;
}

static bool get_ascii(bytes b, struct ht_span *out) {
	*out = span_of(b);
	return is_plain(b.data, b.len, "\"\\");
}

static bool get_ip(struct ht_protobuf *p, bytes b, const uint8_t **out) {
	if (b.len == 16) {
		*out = b.data;
		return true;
	}
	uint8_t *const ip = take(p, 16);
	if (b.len != 4 || ip == NULL)
		return false;
	memset(ip, 0, 10);
	memset(ip + 10, 0xff, 2);
	memcpy(ip + 12, b.data, 4);
	*out = ip;
	return true;
}

static bool get_seconds(int64_t v, int64_t *out) {
	*out = v;
	return v >= -62167219200 && v <= 253402300799; // years 0000 to 9999
}

static bool get_numbers(
	struct ht_protobuf *p, const uint32_t *v, size_t num, unsigned size, struct ht_span *out
) {
	uint8_t *const to = take(p, num * size);
	if (to == NULL)
		return false;
	for (size_t i = 0; i < num; i++) {
		if (v[i] >> 8 * size != 0)
			return false;
		for (unsigned k = 0; k < size; k++)
			to[i * size + k] = (uint8_t)(v[i] >> 8 * (size - 1 - k));
	}
	*out = HT_SPAN(to, num * size);
	return true;
}

// RFC 9000 16: two bits for the length, which is the shortest.
static bool get_varints(struct ht_protobuf *p, const uint64_t *v, size_t num, struct ht_span *out) {
	uint8_t *const to = take(p, num * 8);
	if (to == NULL)
		return false;
	size_t len = 0;
	for (size_t i = 0; i < num; i++) {
		const unsigned log = v[i] < 1 << 6    ? 0
				     : v[i] < 1 << 14 ? 1
				     : v[i] < 1 << 30 ? 2
						      : 3;
		if (v[i] >> 62 != 0)
			return false;
		for (unsigned left = 1u << log; left > 0;)
			to[len++] = (uint8_t)(v[i] >> 8 * --left);
		to[len - (1u << log)] |= (uint8_t)(log << 6);
	}
	*out = HT_SPAN(to, len);
	return true;
}

static bool get_names(struct ht_protobuf *p, const bytes *v, size_t num, struct ht_span *out) {
	size_t len = 0;
	for (size_t i = 0; i < num; i++) {
		if (v[i].len > UINT8_MAX)
			return false;
		len += 1 + v[i].len;
	}
	uint8_t *to = take(p, len);
	if (to == NULL)
		return false;
	*out = HT_SPAN(to, len);
	for (size_t i = 0; i < num; i++) {
		*to++ = (uint8_t)v[i].len;
		if (v[i].len > 0)
			to = mempcpy(to, v[i].data, v[i].len);
	}
	return true;
}

static bool get_strs(char *const *v, size_t num, struct ht_strs *out) {
	if (num > HT_STRS_MAX)
		return false;
	out->num = (uint8_t)num;
	for (size_t i = 0; i < num; i++) {
		out->s[i] = v[i];
		if (!is_word(v[i]))
			return false;
	}
	return true;
}

static bool get_texts(const bytes *v, size_t num, struct ht_texts *out) {
	if (num > HT_TEXTS_MAX)
		return false;
	out->num = (uint8_t)num;
	for (size_t i = 0; i < num; i++) {
		if (v[i].len > HT_TEXT_SIZE || !is_plain(v[i].data, v[i].len, "\"\\, "))
			return false;
		out->len[i] = (uint8_t)v[i].len;
		if (v[i].len > 0)
			memcpy(out->s[i], v[i].data, v[i].len);
	}
	return true;
}

static bool is_severity(const char *s) {
	for (unsigned i = 0; i < HT_NUM_SEVERITIES; i++)
		if (strcmp(s, ht_severities[i]) == 0)
			return true;
	return false;
}

static bool
get_matches(struct ht_protobuf *p, Hellotap__Match *const *v, size_t num, struct ht_span *out) {
	uint8_t *const start = take(p, HT_MATCHES_SIZE), *to = start;
	if (start == NULL || num > HT_MATCHES_MAX)
		return false;
	for (size_t i = 0; i < num; i++) {
		if (v[i]->severity == NULL || !is_severity(v[i]->severity))
			return false;
		const struct ht_match m = {
			.list = span_of(v[i]->list),
			.entry = span_of(v[i]->entry),
			.label = span_of(v[i]->label),
			.severity = HT_SPAN(v[i]->severity, strlen(v[i]->severity)),
		};
		to = ht_match_put(to, start + HT_MATCHES_SIZE, &m);
		if (to == NULL)
			return false;
	}
	*out = HT_SPAN(start, (size_t)(to - start));
	return true;
}

// How a value of each type comes out of the struct: m is that, r the record.
#define GET(id, given, got) \
	if (given) { \
		if (!(got)) \
			return false; \
		r->has |= HT_HAS(id); \
	}
#define GET_VALUE(id, got) GET(id, m->has_##id, got)
#define GET_LIST(id, got) GET(id, m->n_##id > 0, got)

#define GET_BOOL(id) GET_VALUE(id, (r->id = m->id, true))
#define GET_FLAG(id) GET_VALUE(id, (r->id = m->id, true))
#define GET_U8(id) GET_VALUE(id, (r->id = (uint8_t)m->id, m->id <= UINT8_MAX))
#define GET_U16(id) GET_VALUE(id, (r->id = (uint16_t)m->id, m->id <= UINT16_MAX))
#define GET_U32(id) GET_VALUE(id, (r->id = m->id, true))
#define GET_U64(id) GET_VALUE(id, (r->id = m->id, true))
#define GET_TIME(id) GET_VALUE(id, (r->id = m->id, true))
#define GET_SECONDS(id) GET_VALUE(id, get_seconds(m->id, &r->id))
#define GET_STR(id) GET(id, m->id != NULL, (r->id = m->id, is_word(m->id)))
#define GET_TEXT(id) GET_VALUE(id, (r->id = span_of(m->id), true))
#define GET_HEX(id) GET_VALUE(id, (r->id = span_of(m->id), true))
#define GET_ASCII(id) GET_VALUE(id, get_ascii(m->id, &r->id))
#define GET_IP(id) GET_VALUE(id, get_ip(p, m->id, &r->id))
#define GET_MAC(id) GET_VALUE(id, (r->id = m->id.data, m->id.len == 6))
#define GET_U16S(id) GET_LIST(id, get_numbers(p, m->id, m->n_##id, NUMBER_SIZE(id), &r->id))
#define GET_U8S(id) GET_LIST(id, get_numbers(p, m->id, m->n_##id, 1, &r->id))
#define GET_VARINTS(id) GET_LIST(id, get_varints(p, m->id, m->n_##id, &r->id))
#define GET_NAMES(id) GET_LIST(id, get_names(p, m->id, m->n_##id, &r->id))
#define GET_STRS(id) GET_LIST(id, get_strs(m->id, m->n_##id, &r->id))
#define GET_TEXTS(id) GET_LIST(id, get_texts(m->id, m->n_##id, &r->id))
#define GET_MATCHES(id) GET_LIST(id, get_matches(p, m->id, m->n_##id, &r->id))
#define NUMBER_SIZE(id) (HT_FIELD_##id == HT_FIELD_ciphers && r->ciphers_are_24_bit ? 3 : 2)

static bool get_fields(struct ht_protobuf *p, const Hellotap__Record *m, struct ht_record *r) {
#define F(id, number, type, kinds, help) GET_##type(id)
	HT_RECORD_FIELDS(F)
#undef F
	return true;
}

// get_empty gives the list with this number the value of an empty one.
static bool get_empty(const struct ht_protobuf *p, uint32_t number, struct ht_record *r) {
	if (number == 0)
		return false;
	const unsigned i = number <= HT_FIELD_NUMBER_MAX ? p->by_number[number - 1] : HT_NUM_FIELDS;
	if (i == HT_NUM_FIELDS)
		return true; // of a later version
	void *const value = (char *)r + ht_fields[i].offset;
	if (r->has >> i & 1)
		return false; // empty and not, or told twice
	r->has |= (ht_fieldset)1 << i;
	switch ((enum ht_type)ht_fields[i].type) {
	case HT_TYPE_U16S:
	case HT_TYPE_U8S:
	case HT_TYPE_VARINTS:
	case HT_TYPE_NAMES:
	case HT_TYPE_MATCHES:
		*(struct ht_span *)value = HT_SPAN_EMPTY;
		return true;
	case HT_TYPE_STRS:
		((struct ht_strs *)value)->num = 0;
		return true;
	case HT_TYPE_TEXTS:
		((struct ht_texts *)value)->num = 0;
		return true;
	default:
		return false;
	}
}

enum ht_rc ht_protobuf_decode(struct ht_protobuf *p, struct ht_span in, struct ht_record *r) {
	ProtobufCAllocator heap = {take_for_c, give_back, p};
	p->used = 0;
	if (in.len > HT_PROTOBUF_MAX)
		return HT_BAD;
	const Hellotap__Record *m = hellotap__record__unpack(&heap, in.len, in.p);
	if (m == NULL)
		return HT_BAD;
	r->has = 0;
	r->ts_is_ns = m->has_ts_is_ns && m->ts_is_ns;
	r->ciphers_are_24_bit = m->has_ciphers_are_24_bit && m->ciphers_are_24_bit;
	if (!get_fields(p, m, r))
		return HT_BAD;
	for (size_t i = 0; i < m->n_empty_lists; i++)
		if (!get_empty(p, m->empty_lists[i], r))
			return HT_BAD;
	if (!(r->has & HT_HAS(record)) || ht_kind_of(HT_SPAN(r->record, strlen(r->record))) == 0)
		return HT_BAD;
	r->cert_chain = m->has_cert_chain ? span_of(m->cert_chain) : HT_SPAN_EMPTY;
	r->stats_json = m->has_stats_json ? span_of(m->stats_json) : HT_SPAN_EMPTY;
	return HT_OK;
}
