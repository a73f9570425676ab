// SPDX-License-Identifier: BSD-3-Clause
// A record as bytes, on its way to another thread of this process:
//
//   16 bytes  has
//   1 byte    TS_IS_NS, CIPHERS_ARE_24_BIT
//   then each value that `has` names, in the order of the table, in the host's byte order, not
//   aligned: fixed sizes as they lie in the record (STR: the pointer); IP 16 and MAC 6 bytes; spans
//   behind a length of 4 bytes; STRS a count of 1 byte and pointers; TEXTS a count of 1 byte, and
//   each text behind a length of 1 byte
//   then the spans that are set together with cert_count and frames_read, if those are there.
//
// Each type has a pack_ and an unpack_ function here. There is one test a field and no loop: a
// sensor's records mostly have the same fields, so the tests are predicted, and an offset is part
// of an instruction.

#include "record.h"

enum {
	TS_IS_NS = 1,
	CIPHERS_ARE_24_BIT = 2,
};

// Functions that pack write before `end` and return where the next value goes, NULL when there is
// no room. Those that unpack return where the next value is.

static inline uint8_t *pack_bytes(uint8_t *out, const uint8_t *end, const void *from, size_t n) {
	return n <= (size_t)(end - out) ? mempcpy(out, from, n) : NULL;
}

static inline const uint8_t *unpack_bytes(const uint8_t *in, void *to, size_t n) {
	memcpy(to, in, n);
	return in + n;
}

static inline uint8_t *pack_span(uint8_t *out, const uint8_t *end, const struct ht_span *s) {
	const size_t room = (size_t)(end - out);
	const uint32_t len = (uint32_t)s->len; // whole: ht_record_pack has no more room than that
	if (room < sizeof(len) || s->len > room - sizeof(len))
		return NULL;
	return mempcpy(mempcpy(out, &len, sizeof(len)), s->p, s->len);
}

static inline const uint8_t *unpack_span(const uint8_t *in, struct ht_span *s) {
	uint32_t len;
	in = unpack_bytes(in, &len, sizeof(len));
	*s = HT_SPAN(in, len);
	return in + len;
}

#define FIXED(type) \
	static inline uint8_t *pack_##type( \
		uint8_t *out, const uint8_t *end, const ht_type_##type *v \
	) { \
		return pack_bytes(out, end, v, sizeof(*v)); \
	} \
	static inline const uint8_t *unpack_##type(const uint8_t *in, ht_type_##type *v) { \
		return unpack_bytes(in, v, sizeof(*v)); \
	}
FIXED(BOOL)
FIXED(FLAG)
FIXED(U8)
FIXED(U16)
FIXED(U32)
FIXED(U64)
FIXED(STR)
FIXED(TIME)
FIXED(SECONDS)
#undef FIXED

#define ADDRESS(type, n) \
	static inline uint8_t *pack_##type( \
		uint8_t *out, const uint8_t *end, const ht_type_##type *v \
	) { \
		return pack_bytes(out, end, *v, n); \
	} \
	static inline const uint8_t *unpack_##type(const uint8_t *in, ht_type_##type *v) { \
		*v = in; \
		return in + (n); \
	}
ADDRESS(IP, 16)
ADDRESS(MAC, 6)
#undef ADDRESS

#define SPAN(type) \
	static inline uint8_t *pack_##type( \
		uint8_t *out, const uint8_t *end, const ht_type_##type *v \
	) { \
		return pack_span(out, end, v); \
	} \
	static inline const uint8_t *unpack_##type(const uint8_t *in, ht_type_##type *v) { \
		return unpack_span(in, v); \
	}
SPAN(TEXT)
SPAN(HEX)
SPAN(ASCII)
SPAN(U16S)
SPAN(U8S)
SPAN(VARINTS)
SPAN(NAMES)
SPAN(MATCHES)
#undef SPAN

static uint8_t *pack_STRS(uint8_t *out, const uint8_t *end, const struct ht_strs *v) {
	out = pack_bytes(out, end, &v->num, 1);
	return out != NULL ? pack_bytes(out, end, v->s, v->num * sizeof(v->s[0])) : NULL;
}

static const uint8_t *unpack_STRS(const uint8_t *in, struct ht_strs *v) {
	in = unpack_bytes(in, &v->num, 1);
	return unpack_bytes(in, v->s, v->num * sizeof(v->s[0]));
}

static uint8_t *pack_TEXTS(uint8_t *out, const uint8_t *end, const struct ht_texts *v) {
	out = pack_bytes(out, end, &v->num, 1);
	for (unsigned i = 0; out != NULL && i < v->num; i++) {
		out = pack_bytes(out, end, &v->len[i], 1);
		if (out != NULL)
			out = pack_bytes(out, end, v->s[i], v->len[i]);
	}
	return out;
}

static const uint8_t *unpack_TEXTS(const uint8_t *in, struct ht_texts *v) {
	in = unpack_bytes(in, &v->num, 1);
	for (unsigned i = 0; i < v->num; i++) {
		in = unpack_bytes(in, &v->len[i], 1);
		in = unpack_bytes(in, v->s[i], v->len[i]);
	}
	return in;
}

// A new type does not compile before it has its two functions, be there a field of it or not.
#define T(id, ctype, json, help) \
	_Static_assert(sizeof(&pack_##id) > 0 && sizeof(&unpack_##id) > 0, #id " crosses threads");
HT_TYPES(T)
#undef T

size_t ht_record_pack(uint8_t *out, size_t room, const struct ht_record *r) {
	const ht_fieldset has = r->has;
	uint8_t *const start = out;
	const uint8_t *const end = out + (room < UINT32_MAX ? room : UINT32_MAX);
	// Where the field has no value, its flag is undefined.
	const uint8_t flags = (uint8_t
	)((has & HT_HAS(ts) && r->ts_is_ns ? TS_IS_NS : 0)
	  | (has & HT_HAS(ciphers) && r->ciphers_are_24_bit ? CIPHERS_ARE_24_BIT : 0));
	if (room < sizeof(has) + sizeof(flags))
		return 0;
	out = mempcpy(out, &has, sizeof(has));
	*out++ = flags;
#define F(id, number, type, kinds, help) \
	if (has & HT_HAS(id) && (out = pack_##type(out, end, &r->id)) == NULL) \
		return 0;
	HT_RECORD_FIELDS(F)
#undef F
	if ((has & HT_HAS(cert_count)) && (out = pack_span(out, end, &r->cert_chain)) == NULL)
		return 0;
	if ((has & HT_HAS(frames_read)) && (out = pack_span(out, end, &r->stats_json)) == NULL)
		return 0;
	return (size_t)(out - start);
}

size_t ht_record_unpack(struct ht_record *r, const uint8_t *in) {
	const uint8_t *const start = in;
	in = unpack_bytes(in, &r->has, sizeof(r->has));
	const ht_fieldset has = r->has;
	r->ts_is_ns = *in & TS_IS_NS;
	r->ciphers_are_24_bit = *in++ & CIPHERS_ARE_24_BIT;
#define F(id, number, type, kinds, help) \
	if (has & HT_HAS(id)) \
		in = unpack_##type(in, &r->id);
	HT_RECORD_FIELDS(F)
#undef F
	if (has & HT_HAS(cert_count))
		in = unpack_span(in, &r->cert_chain);
	if (has & HT_HAS(frames_read))
		in = unpack_span(in, &r->stats_json);
	return (size_t)(in - start);
}
