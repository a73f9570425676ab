// SPDX-License-Identifier: BSD-3-Clause
// ClientHello fragments in DTLS datagrams: RFC 6347 4.1 and 4.2, RFC 9147 5.

#include "tls.h"

#include "tls_int.h"

// Takes what there is of `n` bytes, and tells how many are missing.
static bool take_some(struct ht_reader *r, size_t n, struct ht_span *out, size_t *missing) {
	size_t there = n < r->left.len ? n : r->left.len;
	*missing = n - there;
	return ht_take(r, there, out);
}

// 0x0100 is the version OpenSSL sent before RFC 4347 was final.
bool ht_dtls_take_record(struct ht_reader *r, struct ht_dtls_record *out) {
	uint16_t version, epoch, n;
	uint32_t high, low; // sequence_number
	struct ht_span payload;
	if (!ht_u8(r, &out->type) //
	    || !ht_u16(r, &version) //
	    || (version >> 8 != 0xfe && version != 0x0100) //
	    || !ht_u16(r, &epoch) //
	    || !ht_u24(r, &high) //
	    || !ht_u24(r, &low) //
	    || !ht_u16(r, &n) //
	    || !take_some(r, n, &payload, &out->missing))
		return false;
	out->clear = epoch == 0;
	out->first = (high | low) == 0;
	out->payload = ht_reader(payload);
	return true;
}

// Handshake header (RFC 6347 4.2.2): type, length, message_seq, fragment_offset, fragment_length.
bool ht_dtls_take_fragment(struct ht_dtls_record *rec, struct ht_dtls_fragment *f) {
	struct ht_reader *r = &rec->payload;
	uint32_t n;
	size_t missing;
	return ht_u8(r, &f->type) && ht_u24(r, &f->length) && ht_u16(r, &f->message_seq)
	       && ht_u24(r, &f->offset) && ht_u24(r, &n) && take_some(r, n, &f->data, &missing)
	       && missing <= rec->missing // else it is longer than its record
	       && f->offset <= f->length && n <= f->length - f->offset;
}

// Records that may stand before the hello in its datagram (stacks take what they cannot use and go
// on): so many are passed over.
#define LEADING_RECORDS 4

static bool
first_fragment(struct ht_span datagram, struct ht_dtls_fragment *f, struct ht_dtls_record *first) {
	struct ht_reader r = ht_reader(datagram);
	struct ht_dtls_record rec;
	if (datagram.len == 0 || !ht_dtls_perhaps(datagram))
		return false;
	for (unsigned i = 0; i <= LEADING_RECORDS && ht_dtls_take_record(&r, &rec); i++)
		if (rec.type == CT_HANDSHAKE && rec.clear && ht_dtls_take_fragment(&rec, f)
		    && f->type == HS_CLIENT_HELLO) {
			*first = rec;
			return true;
		}
	return false;
}

bool ht_dtls_start(struct ht_span datagram) {
	struct ht_dtls_fragment f;
	struct ht_dtls_record rec;
	return first_fragment(datagram, &f, &rec);
}

// The body begins with client_version and random (RFC 6347 4.3.2).
struct ht_span ht_dtls_first(struct ht_span datagram, uint16_t *message_seq, bool *first_record) {
	struct ht_dtls_fragment f;
	struct ht_dtls_record rec;
	*message_seq = 0;
	*first_record = false;
	if (!first_fragment(datagram, &f, &rec))
		return HT_SPAN_EMPTY;
	*message_seq = f.message_seq;
	*first_record = rec.first;
	return f.offset == 0 && f.data.len >= 34 ? HT_SPAN(f.data.p + 2, 32) : HT_SPAN_EMPTY;
}

static enum ht_dtls_rc add_fragment(
	struct ht_dtls *d,
	struct ht_arena *a,
	const struct ht_dtls_fragment *f,
	uint32_t max,
	struct ht_tls_message *out
) {
	// RFC 6347 4.2.1: the hello is message 0, the one with the cookie message 1. A repeat of a
	// hello that was given is not a new one.
	if (f->message_seq > 15 || (d->done_seq & 1u << f->message_seq))
		return HT_DTLS_SKIP;
	// A fragment of another hello than the one in hand: the newest wins, since a client that
	// was answered with a cookie does not go back.
	if (d->begun && f->message_seq > d->message_seq) {
		d->done_seq |= (uint16_t)(1u << d->message_seq);
		return HT_DTLS_NEXT;
	}
	if (d->begun && (f->message_seq != d->message_seq || f->length != d->length))
		return HT_DTLS_SKIP;
	if (!d->begun) {
		d->begun = true;
		d->message_seq = f->message_seq;
		d->length = f->length;
		d->records = 0;
	}
	if (d->records < UINT16_MAX)
		d->records++;
	if (f->length > max) {
		// What there is of it can be told; where that finds no room it is not.
		size_t room = f->offset < max ? max - f->offset : 0;
		struct ht_span part = HT_SPAN(f->data.p, f->data.len < room ? f->data.len : room);
		(void)!ht_assembly_add(&d->body, a, f->offset, part, max);
		return HT_DTLS_LIMIT;
	}
	struct ht_span body;
	if (f->offset == 0 && f->data.len == f->length) {
		body = f->data; // the whole hello in one fragment: no copy
	} else {
		enum ht_rc rc = ht_assembly_add(&d->body, a, f->offset, f->data, max);
		if (rc != HT_OK)
			return rc == HT_FULL ? HT_DTLS_FULL : HT_DTLS_LIMIT;
		if (ht_ranges_prefix(&d->body.have) < d->length)
			return HT_DTLS_MORE;
		body = HT_SPAN(d->body.buf, d->length);
	}
	d->done_seq |= (uint16_t)(1u << f->message_seq);
	*out = (struct ht_tls_message){body, HT_HELLO_DTLS, d->records, 0};
	return HT_DTLS_HELLO;
}

enum ht_dtls_rc ht_dtls_add(
	struct ht_dtls *d,
	struct ht_arena *a,
	struct ht_span datagram,
	bool cut,
	uint32_t max,
	struct ht_tls_message *out
) {
	struct ht_reader r = ht_reader(datagram);
	enum ht_dtls_rc result = HT_DTLS_SKIP;
	uint16_t records = d->begun ? d->records : 0;
	while (r.left.len > 0) {
		struct ht_dtls_record rec;
		if (!ht_dtls_take_record(&r, &rec) || (rec.missing > 0 && !cut))
			return result;
		if (rec.type != CT_HANDSHAKE || !rec.clear)
			continue;
		while (rec.payload.left.len > 0) {
			struct ht_dtls_fragment f;
			if (!ht_dtls_take_fragment(&rec, &f))
				break;
			if (f.type != HS_CLIENT_HELLO)
				continue;
			enum ht_dtls_rc rc = add_fragment(d, a, &f, max, out);
			if (rc == HT_DTLS_FULL)
				d->records = records; // they all come again
			if (rc != HT_DTLS_MORE && rc != HT_DTLS_SKIP)
				return rc;
			if (rc == HT_DTLS_MORE)
				result = HT_DTLS_MORE;
		}
	}
	return result;
}

void ht_dtls_next(struct ht_dtls *d, struct ht_arena *a) {
	ht_assembly_drop(&d->body, a);
	d->begun = false;
}
