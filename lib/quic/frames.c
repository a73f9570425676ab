// SPDX-License-Identifier: BSD-3-Clause
// The frames of an Initial packet (RFC 9000 19) and the CRYPTO bytes they carry.

#include "quic_int.h"

#define MAX_STREAM_OFFSET ((uint64_t)1 << 62)

typedef uint64_t vec __attribute__((vector_size(16)));

// Most of an Initial is PADDING; byte by byte it would cost as much as the decryption. Runs end
// anywhere: the byte is counted from the word's bits, not looked for.
size_t ht_quic_zeros(struct ht_span s) {
	size_t i = 0;
	while (s.len - i >= 8) {
		uint64_t w;
		memcpy(&w, s.p + i, sizeof(w));
		if (w != 0) // the first byte is the lowest
			return i + ((size_t)__builtin_ctzll(w) >> 3);
		i += 8;
		for (; s.len - i >= 64; i += 64) {
			vec v[4];
			memcpy(v, s.p + i, sizeof(v));
			v[0] |= v[1] | v[2] | v[3];
			if ((v[0][0] | v[0][1]) != 0)
				break;
		}
	}
	while (i < s.len && s.p[i] == 0)
		i++;
	return i;
}

uint32_t ht_quic_hash(struct ht_span s) {
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < s.len && i < 64; i++)
		h = (h ^ s.p[i]) * 16777619u;
	return h;
}

void ht_quic_restart(struct ht_quic_conn *c, struct ht_arena *a) {
	ht_assembly_drop(&c->crypto, a);
	c->crypto_base = 0;
	c->packets = 0;
}

// check_repeat looks, once, whether the hello that comes again after a Retry is the one that was
// consumed. It goes by a frame that holds the beginning whole; cut finer it is taken for the same.
static void check_repeat(struct ht_quic_sink *s, uint64_t offset, struct ht_span bytes) {
	struct ht_quic_conn *c = s->conn;
	if (offset != 0 || bytes.len < HT_QUIC_BEGINNING)
		return;
	c->expect_repeat = false;
	if (ht_quic_hash(HT_SPAN(bytes.p, HT_QUIC_BEGINNING)) != c->hello_hash)
		ht_quic_restart(c, s->arena);
}

enum ht_quic_rc ht_quic_crypto(struct ht_quic_sink *s, uint64_t offset, struct ht_span bytes) {
	struct ht_quic_conn *c = s->conn;
	// RFC 9000 19.6: the largest offset delivered on a stream cannot exceed 2^62-1.
	if (offset >= MAX_STREAM_OFFSET || bytes.len > MAX_STREAM_OFFSET - 1 - offset)
		return HT_QUIC_BAD;
	struct ht_reader r = ht_reader(bytes);
	if (c != NULL && c->expect_repeat)
		check_repeat(s, offset, bytes);
	const uint32_t base = c != NULL ? c->crypto_base : 0;
	if (offset < base) { // bytes that ht_quic_consume() dropped, come again
		c->repeated = true;
		if (!ht_skip(&r, base - offset))
			return HT_QUIC_MORE;
		offset = base;
	}
	offset -= base;
	if (r.left.len == 0)
		return HT_QUIC_MORE;
	if (offset >= s->max_bytes)
		return HT_QUIC_LIMIT;
	bool clipped = r.left.len > s->max_bytes - offset; // what fits may hold the hello's length
	if (clipped)
		r.left.len = s->max_bytes - (size_t)offset;
	struct ht_range hole;
	uint32_t lo = (uint32_t)offset;
	if (!ht_ranges_hole(&s->crypto->have, lo, lo + (uint32_t)r.left.len, &hole))
		return clipped ? HT_QUIC_LIMIT : HT_QUIC_MORE; // a retransmission
	switch (ht_assembly_add(s->crypto, s->arena, offset, r.left, s->max_bytes)) {
	case HT_OK:
		s->new_bytes = true;
		return clipped ? HT_QUIC_LIMIT : HT_QUIC_MORE;
	case HT_FULL:
		return HT_QUIC_NO_ROOM;
	default:
		return HT_QUIC_LIMIT;
	}
}

// RFC 9000 19.3: largest, delay, count, first range, then a gap and a length each; 19.3.2: with ECN
// three counts more.
static bool skip_ack(struct ht_reader *r, bool ecn) {
	uint64_t v, count;
	if (!ht_varint(r, &v) //
	    || !ht_varint(r, &v) //
	    || !ht_varint(r, &count) //
	    || !ht_varint(r, &v) //
	    || count > r->left.len / 2)
		return false;
	uint64_t num = 2 * count + (ecn ? 3 : 0);
	while (num-- > 0)
		if (!ht_varint(r, &v))
			return false;
	return true;
}

// RFC 9000 19.19: error code, frame type, reason phrase.
static bool take_close(struct ht_quic_sink *s, struct ht_reader *r) {
	uint64_t error, type, len;
	if (!ht_varint(r, &error) //
	    || !ht_varint(r, &type) //
	    || !ht_varint(r, &len) //
	    || len > r->left.len //
	    || !ht_skip(r, (size_t)len))
		return false;
	s->closed = true;
	s->close_error = error;
	return true;
}

// RFC 9000 19.6.
bool ht_quic_crypto_frame(struct ht_quic_sink *s, struct ht_reader *r, enum ht_quic_rc *rc) {
	uint64_t offset, len;
	struct ht_span bytes;
	if (!ht_varint(r, &offset) //
	    || !ht_varint(r, &len) //
	    || len > r->left.len //
	    || !ht_take(r, (size_t)len, &bytes))
		return false;
	enum ht_quic_rc got = ht_quic_crypto(s, offset, bytes);
	if (got == HT_QUIC_BAD)
		return false;
	if (*rc == HT_QUIC_MORE)
		*rc = got;
	return true;
}

enum ht_quic_rc ht_quic_frames(struct ht_quic_sink *s, struct ht_span payload) {
	struct ht_reader r = ht_reader(payload);
	enum ht_quic_rc rc = HT_QUIC_MORE; // the first refusal; the other frames still count
	// RFC 9000 12.4: the payload must hold at least one frame.
	if (r.left.len == 0)
		return HT_QUIC_BAD;
	while (r.left.len > 0) {
		uint8_t type; // all the types allowed here fit one byte, and 12.4 wants the
			      // shortest form
		bool ok = ht_u8(&r, &type);
		switch (type) { // RFC 9000 17.2.2: what an Initial may contain
		case 0x00: // PADDING
			ok = ht_skip(&r, ht_quic_zeros(r.left));
			break;
		case 0x01: // PING
			break;
		case 0x02:
		case 0x03: // ACK
			ok = skip_ack(&r, type == 0x03);
			break;
		case 0x06: // CRYPTO
			ok = ht_quic_crypto_frame(s, &r, &rc);
			break;
		case 0x1c: // CONNECTION_CLOSE
			ok = take_close(s, &r);
			break;
		default:
			ok = false;
		}
		if (!ok)
			return HT_QUIC_BAD;
	}
	return rc;
}
