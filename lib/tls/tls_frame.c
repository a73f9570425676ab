// SPDX-License-Identifier: BSD-3-Clause
// Records and handshake messages of a stream: RFC 8446 4 and 5.1, RFC 6101 (SSL 3.0), RFC 5246 E.2.

#include "tls.h"
#include "tls_int.h"

#define RECORD_HEADER 5
#define HANDSHAKE_HEADER 4

// struct { ContentType type; ProtocolVersion legacy_record_version; uint16 length; } (RFC
// 8446 5.1). Clients write 0301 or 0300 there, some 0303, none has a reason for 0304; the receiver
// must ignore it, so any 03 xx is taken.
// RFC 8446 5.1 forbids empty handshake records; stacks take them, and a sender may split a hello by
// them.
static bool record_length_ok(const uint8_t *h) {
	return ht_be16(h + 3) <= HT_TLS_RECORD_MAX;
}

static bool record_header_ok(const uint8_t *h) {
	return h[0] >= CT_CHANGE_CIPHER_SPEC && h[0] <= CT_HANDSHAKE && h[1] == 3
	       && record_length_ok(h);
}

// RFC 5246 E.2: a 2-byte length with the high bit set, msg_type 1, version 0x0002 or 0x03xx, cipher
// specs of 3 bytes, a session id of 0 or 16 bytes, a challenge of 16 to 32. All of it must add up:
// these bytes are far less telling than a TLS record.
static enum ht_tls_start start_ssl2(struct ht_span s) {
	static const uint8_t fixed = 0x01;
	if (s.len >= 1 && !(s.p[0] & 0x80))
		return HT_TLS_NO;
	if (s.len >= 3 && s.p[2] != fixed)
		return HT_TLS_NO;
	if (s.len >= 4 && s.p[3] != 0x00 && s.p[3] != 0x03)
		return HT_TLS_NO;
	if (s.len >= 5 && (s.p[3] == 0 ? s.p[4] != 2 : s.p[4] > 3))
		return HT_TLS_NO;
	if (s.len < 11)
		return HT_TLS_PERHAPS;
	unsigned len = ht_be16(s.p) & 0x7fff, ciphers = ht_be16(s.p + 5), sid = ht_be16(s.p + 7),
		 challenge = ht_be16(s.p + 9);
	if (ciphers == 0 || ciphers % 3 != 0 || (sid != 0 && sid != 16) || challenge < 16
	    || challenge > 32 || len != 9 + ciphers + sid + challenge)
		return HT_TLS_NO;
	return HT_TLS_SSL2;
}

enum ht_tls_start ht_tls_start(struct ht_span s) {
	if (s.len == 0)
		return HT_TLS_PERHAPS;
	if (s.p[0] & 0x80)
		return start_ssl2(s);
	// A warning alert before the hello was seen; change_cipher_spec is no beginning.
	if (s.p[0] != CT_HANDSHAKE && s.p[0] != CT_ALERT)
		return HT_TLS_NO;
	if (s.len >= 2 && s.p[1] != 3)
		return HT_TLS_NO;
	if (s.len < RECORD_HEADER)
		return HT_TLS_PERHAPS;
	if (!record_header_ok(s.p) || (s.p[0] == CT_ALERT && ht_be16(s.p + 3) != 2))
		return HT_TLS_NO;
	return HT_TLS_RECORD;
}

enum ht_rc ht_tls_frame_whole(struct ht_tls_message *out, struct ht_span s) {
	if (s.len < RECORD_HEADER + HANDSHAKE_HEADER || s.p[0] != CT_HANDSHAKE
	    || !record_header_ok(s.p))
		return HT_MORE;
	if (ht_be16(s.p + 3) == 0) // an empty record: what comes is in the next one
		return HT_MORE;
	if (s.p[RECORD_HEADER] == HS_SERVER_HELLO)
		return HT_SKIP;
	if (s.p[RECORD_HEADER] != HS_CLIENT_HELLO)
		return HT_MORE;
	size_t record = ht_be16(s.p + 3), message = ht_be24(s.p + RECORD_HEADER + 1);
	if (message + HANDSHAKE_HEADER > record || record > s.len - RECORD_HEADER)
		return HT_MORE;
	out->body = HT_SPAN(s.p + RECORD_HEADER + HANDSHAKE_HEADER, message);
	out->kind = HT_HELLO_TLS;
	out->records = 1;
	out->stream_end = (uint32_t)(RECORD_HEADER + record);
	return HT_OK;
}

enum ht_rc ht_tls_second(struct ht_span s, bool early_data, uint32_t *skip) {
	size_t at = 0;
	for (;;) {
		const uint8_t *h = s.p + at;
		size_t there = s.len - at;
		*skip = (uint32_t)at;
		if (there < RECORD_HEADER + 1)
			return HT_MORE;
		size_t n = ht_be16(h + 3);
		if (h[0] == CT_HANDSHAKE && n > 0)
			return record_header_ok(h) && h[RECORD_HEADER] == HS_CLIENT_HELLO ? HT_MORE
											  : HT_SKIP;
		bool early = h[0] == CT_APPLICATION_DATA && early_data,
		     empty = h[0] == CT_HANDSHAKE;
		if (!(h[0] == CT_CHANGE_CIPHER_SPEC && n == 1)
		    && !((early || empty) && h[1] == 3 && record_length_ok(h)))
			return HT_SKIP;
		if (there - RECORD_HEADER < n)
			return HT_MORE;
		at += RECORD_HEADER + n;
	}
}

// Takes one record header at f->pos. HT_MORE: not all of it is there.
static enum ht_rc next_record(struct ht_tls_framer *f, const uint8_t *buf, size_t len) {
	const uint8_t *h = buf + f->pos;
	size_t there = len - f->pos;
	if ((there >= 1 && (h[0] < CT_CHANGE_CIPHER_SPEC || h[0] > CT_APPLICATION_DATA))
	    || (there >= 2 && h[1] != 3))
		return HT_BAD;
	if (there < RECORD_HEADER)
		return HT_MORE;
	if (!record_length_ok(h))
		return HT_BAD;
	f->in_records = true;
	unsigned n = ht_be16(h + 3);
	if (h[0] != CT_HANDSHAKE) {
		// RFC 8446 5.1: handshake messages are not interleaved with other records.
		if (f->gathered > 0)
			return HT_BAD;
		// One change_cipher_spec may stand before the second hello (RFC 8446 D.4). A record
		// of another length is ciphertext, and what follows it is, too. Early data that the
		// server refused stands there as well (RFC 8446 4.2.10).
		if (h[0] == CT_APPLICATION_DATA ? !f->early_data : n > 2)
			return HT_SKIP;
		if (len - f->pos < RECORD_HEADER + n)
			return HT_MORE;
		f->pos += RECORD_HEADER + n;
		f->begin = f->pos;
		return HT_OK;
	}
	f->pos += RECORD_HEADER;
	if (f->gathered == 0)
		f->begin = f->pos; // what comes behind later headers is moved down to here
	f->rec_left = n;
	return HT_OK;
}

enum ht_rc
ht_tls_frame(struct ht_tls_framer *f, uint8_t *buf, size_t len, struct ht_tls_message *out) {
	if (!f->in_records && !f->second && len > f->pos && (buf[f->pos] & 0x80)) {
		struct ht_span s = HT_SPAN(buf + f->pos, len - f->pos);
		enum ht_tls_start st = start_ssl2(s);
		if (st != HT_TLS_SSL2)
			return st == HT_TLS_PERHAPS ? HT_MORE : HT_BAD;
		size_t n = ht_be16(s.p) & 0x7fff;
		f->ssl2 = true;
		f->begin = f->pos;
		f->gathered = (uint32_t)s.len; // with the length in front; for ht_tls_frame_partial
		if (n > s.len - 2)
			return HT_MORE;
		*out = (struct ht_tls_message
		){HT_SPAN(s.p + 2, n), HT_HELLO_SSL2, 1, f->pos + 2 + (uint32_t)n};
		f->pos += 2 + (uint32_t)n;
		return HT_OK;
	}
	for (;;) {
		if (f->pos >= len) // also when it stands behind a record that is not all there yet
			return HT_MORE;
		if (f->rec_left == 0) {
			enum ht_rc rc = next_record(f, buf, len);
			if (rc != HT_OK)
				return rc;
			if (f->rec_left > 0 && f->records < UINT16_MAX)
				f->records++;
		}
		size_t there = len - f->pos;
		uint32_t n = f->rec_left < there ? f->rec_left : (uint32_t)there;
		if (f->begin + f->gathered != f->pos)
			memmove(buf + f->begin + f->gathered, buf + f->pos, n);
		f->gathered += n;
		f->pos += n;
		f->rec_left -= n;

		const uint8_t *hs = buf + f->begin;
		if (f->gathered > 0 && hs[0] != HS_CLIENT_HELLO)
			return HT_SKIP;
		if (f->gathered >= HANDSHAKE_HEADER) {
			uint32_t message = ht_be24(hs + 1);
			if (f->gathered - HANDSHAKE_HEADER >= message) {
				*out = (struct ht_tls_message){
					HT_SPAN(hs + HANDSHAKE_HEADER, message),
					HT_HELLO_TLS,
					f->records,
					f->pos + f->rec_left,
				};
				return HT_OK;
			}
		}
		if (f->rec_left > 0)
			return HT_MORE;
	}
}

bool ht_tls_frame_begun(const struct ht_tls_framer *f, const uint8_t *buf) {
	return f->gathered > 0 && (f->ssl2 || buf[f->begin] == HS_CLIENT_HELLO);
}

bool ht_tls_frame_partial(
	const struct ht_tls_framer *f,
	const uint8_t *buf,
	struct ht_tls_message *out,
	uint32_t *declared
) {
	if (!ht_tls_frame_begun(f, buf))
		return false;
	const uint8_t *hs = buf + f->begin;
	if (f->ssl2) {
		*declared = ht_be16(hs) & 0x7fff;
		*out = (struct ht_tls_message
		){HT_SPAN(hs + 2, f->gathered - 2), HT_HELLO_SSL2, 1, f->pos};
		return true;
	}
	bool header = f->gathered >= HANDSHAKE_HEADER;
	*declared = header ? ht_be24(hs + 1) : 0;
	out->body = header ? HT_SPAN(hs + HANDSHAKE_HEADER, f->gathered - HANDSHAKE_HEADER)
			   : HT_SPAN_EMPTY;
	out->kind = HT_HELLO_TLS;
	out->records = f->records;
	out->stream_end = f->pos;
	return true;
}
