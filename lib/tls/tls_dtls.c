// SPDX-License-Identifier: BSD-3-Clause
// ClientHello fragments in DTLS datagrams: RFC 6347 4.1 and 4.2, RFC 9147 5.

#include "tls.h"

#include "reader.h"

enum { CT_HANDSHAKE = 22, HS_CLIENT_HELLO = 1 };

// One fragment of a handshake message.
struct fragment {
	uint8_t type;
	uint16_t message_seq;
	uint32_t length, offset; // of the message; of this fragment in it
	struct ht_span data;
};

// DTLSPlaintext (RFC 6347 4.1): type, version, epoch, sequence number, length. Only epoch 0 is in
// clear. 0x0100 is the version OpenSSL sent before RFC 4347 was final.
static bool
take_record(struct ht_reader *r, uint8_t *type, bool *clear, struct ht_reader *payload) {
	uint16_t version, epoch;
	if (!ht_u8(r, type) //
	    || !ht_u16(r, &version) //
	    || (version >> 8 != 0xfe && version != 0x0100) //
	    || !ht_u16(r, &epoch) //
	    || !ht_skip(r, 6) //
	    || !ht_vec16(r, payload))
		return false;
	*clear = epoch == 0;
	return true;
}

// Handshake header (RFC 6347 4.2.2): type, length, message_seq, fragment_offset, fragment_length.
static bool take_fragment(struct ht_reader *r, struct fragment *f) {
	uint32_t n;
	return ht_u8(r, &f->type) && ht_u24(r, &f->length) && ht_u16(r, &f->message_seq)
	       && ht_u24(r, &f->offset) && ht_u24(r, &n) && ht_take(r, n, &f->data)
	       && f->offset <= f->length && n <= f->length - f->offset;
}

bool ht_dtls_start(struct ht_span datagram) {
	struct ht_reader r = ht_reader(datagram), payload;
	struct fragment f;
	uint8_t type;
	bool clear;
	return datagram.len > 0 && datagram.p[0] == CT_HANDSHAKE
	       && take_record(&r, &type, &clear, &payload) && clear && take_fragment(&payload, &f)
	       && f.type == HS_CLIENT_HELLO;
}

static enum ht_rc add_fragment(
	struct ht_dtls *d,
	struct ht_arena *a,
	const struct fragment *f,
	uint32_t max,
	struct ht_tls_message *out
) {
	// RFC 6347 4.2.1: the hello is message 0, the one with the cookie message 1. A repeat of a
	// hello that was given is not a new one.
	if (f->message_seq > 15 || (d->done_seq & 1u << f->message_seq))
		return HT_SKIP;
	// A fragment that starts another hello than the one in hand: the newest wins, since a
	// client that was answered with a cookie does not go back.
	if (d->begun && (f->message_seq != d->message_seq || f->length != d->length)) {
		if (f->message_seq <= d->message_seq)
			return HT_SKIP;
		ht_dtls_next(d, a);
	}
	if (f->length > max)
		return HT_LIMIT;
	if (!d->begun) {
		d->begun = true;
		d->message_seq = f->message_seq;
		d->length = f->length;
		d->records = 0;
	}
	if (d->records < UINT16_MAX)
		d->records++;
	struct ht_span body;
	if (f->offset == 0 && f->data.len == f->length) {
		body = f->data; // the whole hello in one fragment: no copy
	} else {
		enum ht_rc rc = ht_assembly_add(&d->body, a, f->offset, f->data, max);
		if (rc != HT_OK)
			return rc;
		if (ht_ranges_prefix(&d->body.have) < d->length)
			return HT_MORE;
		body = HT_SPAN(d->body.buf, d->length);
	}
	d->done_seq |= (uint16_t)(1u << f->message_seq);
	*out = (struct ht_tls_message){body, HT_HELLO_DTLS, d->records, 0};
	return HT_OK;
}

enum ht_rc ht_dtls_add(
	struct ht_dtls *d,
	struct ht_arena *a,
	struct ht_span datagram,
	uint32_t max,
	struct ht_tls_message *out
) {
	struct ht_reader r = ht_reader(datagram);
	enum ht_rc result = HT_SKIP;
	while (r.left.len > 0) {
		struct ht_reader payload;
		uint8_t type;
		bool clear;
		if (!take_record(&r, &type, &clear, &payload))
			return result;
		if (type != CT_HANDSHAKE || !clear)
			continue;
		while (payload.left.len > 0) {
			struct fragment f;
			if (!take_fragment(&payload, &f))
				break;
			if (f.type != HS_CLIENT_HELLO)
				continue;
			enum ht_rc rc = add_fragment(d, a, &f, max, out);
			if (rc != HT_MORE && rc != HT_SKIP)
				return rc;
			if (rc == HT_MORE)
				result = HT_MORE;
		}
	}
	return result;
}

void ht_dtls_next(struct ht_dtls *d, struct ht_arena *a) {
	ht_assembly_drop(&d->body, a);
	d->begun = false;
}
