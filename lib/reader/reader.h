// SPDX-License-Identifier: BSD-3-Clause
// reader: a bounded cursor over borrowed bytes. Header only. Uses base.
//
// A length field makes a child reader, so an inner length can never reach past its parent. Every
// read fails without moving when the bytes are not there.

#pragma once

#include "base.h"

struct ht_reader {
	struct ht_span left; // what has not been read yet
};

static inline struct ht_reader ht_reader(struct ht_span s) {
	return (struct ht_reader){s};
}

// ht_take is the only code that moves past input bytes.
HT_MUST_USE static inline bool ht_take(struct ht_reader *r, size_t n, struct ht_span *out) {
	if (n > r->left.len)
		return false;
	*out = (struct ht_span){r->left.p, n};
	r->left = (struct ht_span){r->left.p + n, r->left.len - n};
	return true;
}

HT_MUST_USE static inline bool ht_skip(struct ht_reader *r, size_t n) {
	struct ht_span s;
	return ht_take(r, n, &s);
}

HT_MUST_USE static inline bool ht_u8(struct ht_reader *r, uint8_t *v) {
	struct ht_span s;
	if (!ht_take(r, 1, &s))
		return false;
	*v = s.p[0];
	return true;
}

HT_MUST_USE static inline bool ht_u16(struct ht_reader *r, uint16_t *v) {
	struct ht_span s;
	if (!ht_take(r, 2, &s))
		return false;
	*v = ht_be16(s.p);
	return true;
}

HT_MUST_USE static inline bool ht_u24(struct ht_reader *r, uint32_t *v) {
	struct ht_span s;
	if (!ht_take(r, 3, &s))
		return false;
	*v = ht_be24(s.p);
	return true;
}

HT_MUST_USE static inline bool ht_u32(struct ht_reader *r, uint32_t *v) {
	struct ht_span s;
	if (!ht_take(r, 4, &s))
		return false;
	*v = ht_be32(s.p);
	return true;
}

// ht_vec8, ht_vec16 and ht_vec24 read a length of 1, 2 or 3 bytes and make *child of what it
// covers.
HT_MUST_USE static inline bool ht_vec8(struct ht_reader *r, struct ht_reader *child) {
	struct ht_reader t = *r;
	uint8_t n;
	if (!ht_u8(&t, &n) || !ht_take(&t, n, &child->left))
		return false;
	*r = t;
	return true;
}

HT_MUST_USE static inline bool ht_vec16(struct ht_reader *r, struct ht_reader *child) {
	struct ht_reader t = *r;
	uint16_t n;
	if (!ht_u16(&t, &n) || !ht_take(&t, n, &child->left))
		return false;
	*r = t;
	return true;
}

HT_MUST_USE static inline bool ht_vec24(struct ht_reader *r, struct ht_reader *child) {
	struct ht_reader t = *r;
	uint32_t n;
	if (!ht_u24(&t, &n) || !ht_take(&t, n, &child->left))
		return false;
	*r = t;
	return true;
}

// ht_varint reads a QUIC variable-length integer (RFC 9000 16).
HT_MUST_USE static inline bool ht_varint(struct ht_reader *r, uint64_t *v) {
	if (r->left.len == 0)
		return false;
	size_t n = (size_t)1 << (r->left.p[0] >> 6);
	struct ht_span s;
	if (!ht_take(r, n, &s))
		return false;
	uint64_t x = s.p[0] & 0x3f;
	for (size_t i = 1; i < n; i++)
		x = x << 8 | s.p[i];
	*v = x;
	return true;
}
