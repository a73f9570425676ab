// SPDX-License-Identifier: BSD-3-Clause
// What is in clear behind the ClientHello of DTLS: RFC 6347 4.2, RFC 9147 5.

#include "tls_answer.h"
#include "tls_int.h"

// The part that puts messages of this type together, or NULL: what is told of the others is that
// they are there.
static struct ht_dtls_part *part_for(struct ht_dtls_answer *d, uint8_t type) {
	switch (type) {
	case HS_SERVER_HELLO:
		return &d->parts[HT_DTLS_PART_HELLO];
	case HS_CERTIFICATE:
		return &d->parts[HT_DTLS_PART_CERTIFICATE];
	case HS_SERVER_KEY_EXCHANGE:
		return &d->parts[HT_DTLS_PART_KEY_EXCHANGE];
	default:
		return NULL;
	}
}

// Adds a fragment to its message. HT_OK: *body is all of it. HT_SKIP: not of one that is awaited.
static enum ht_rc put_together(
	struct ht_dtls_part *p,
	struct ht_arena *a,
	const struct ht_dtls_fragment *f,
	uint32_t max,
	struct ht_span *body
) {
	// Numbers grow: what is below is a message that was taken, come again.
	if (f->message_seq < p->message_seq
	    || (p->begun && (f->message_seq != p->message_seq || f->length != p->length)))
		return HT_SKIP;
	if (f->length > max)
		return HT_LIMIT;
	if (f->offset == 0 && f->data.len == f->length) {
		*body = f->data; // in one fragment: no copy
	} else {
		enum ht_rc rc = ht_assembly_add(&p->body, a, f->offset, f->data, max);
		if (rc != HT_OK)
			return rc;
		p->begun = true;
		p->message_seq = f->message_seq;
		p->length = f->length;
		if (ht_ranges_prefix(&p->body.have) < f->length)
			return HT_MORE;
		*body = HT_SPAN(p->body.buf, f->length);
	}
	p->begun = false;
	p->message_seq = f->message_seq + 1; // a number of 2^16-1 goes round, and starts over
	return HT_OK;
}

static enum ht_rc take_fragment(
	struct ht_dtls_answer *d,
	struct ht_arena *a,
	const struct ht_dtls_fragment *f,
	uint32_t max,
	struct ht_dtls_messages *out
) {
	struct ht_dtls_part *p = part_for(d, f->type);
	struct ht_span body = HT_SPAN_EMPTY;
	// Datagrams come in any order: what would be wrong in a stream is passed over here.
	const bool before_hello = !d->client && f->type != HS_SERVER_HELLO;
	if (!ht_tls_may_begin(&d->facts, d->client, f->type)
	    && !(before_hello && f->type >= HS_CERTIFICATE && f->type <= HS_SERVER_HELLO_DONE))
		return HT_MORE;
	if (p != NULL) {
		enum ht_rc rc = put_together(p, a, f, max, &body);
		if (rc != HT_OK)
			return rc == HT_SKIP ? HT_MORE : rc;
	}
	struct ht_tls_views views;
	enum ht_rc rc = ht_tls_take_message(&d->facts, &d->cert_type, f->type, body, &views);
	if (views.hello.len > 0)
		out->hello = views.hello;
	if (views.chain.len > 0)
		out->chain = views.chain;
	return rc;
}

// An empty fragment adds nothing, but to a message that is empty.
static bool is_empty(const struct ht_dtls_fragment *f) {
	return f->data.len == 0 && f->length > 0;
}

static enum ht_rc take_record(
	struct ht_dtls_answer *d,
	struct ht_arena *a,
	struct ht_dtls_record *rec,
	uint32_t max,
	struct ht_dtls_messages *out
) {
	switch (rec->type) {
	case CT_CHANGE_CIPHER_SPEC:
		// Before the ServerHello it was seen it says nothing: that one may come yet.
		return ht_tls_take_change(&d->facts, d->client);
	case CT_ALERT:
		if (rec->payload.left.len != 2 || rec->missing > 0)
			return HT_MORE;
		return ht_tls_take_alert(&d->facts, d->client, rec->payload.left.p);
	case CT_HANDSHAKE:
		break;
	default:
		return HT_MORE;
	}
	enum ht_rc worst = HT_MORE;
	struct ht_dtls_fragment f;
	while (rec->payload.left.len > 0 && ht_dtls_take_fragment(rec, &f)) {
		if (is_empty(&f))
			continue;
		enum ht_rc rc = take_fragment(d, a, &f, max, out);
		if (rc == HT_OK || rc == HT_FULL)
			return rc;
		if (rc != HT_MORE)
			worst = rc;
	}
	return worst;
}

enum ht_rc ht_dtls_answer(
	struct ht_dtls_answer *d,
	struct ht_arena *a,
	struct ht_span datagram,
	bool cut,
	uint32_t max,
	struct ht_dtls_messages *out
) {
	struct ht_reader r = ht_reader(datagram);
	struct ht_dtls_record rec;
	enum ht_rc worst = HT_MORE;
	*out = (struct ht_dtls_messages){HT_SPAN_EMPTY, HT_SPAN_EMPTY};
	if (d->over)
		return HT_OK;
	for (unsigned i = 0; i < HT_DTLS_NUM_PARTS; i++)
		if (!d->parts[i].begun)
			ht_assembly_drop(&d->parts[i].body, a);
	while (r.left.len > 0 && ht_dtls_take_record(&r, &rec) && (rec.missing == 0 || cut)) {
		if (!rec.clear)
			continue;
		enum ht_rc rc = take_record(d, a, &rec, max, out);
		if (rc == HT_OK)
			d->over = true;
		if (rc == HT_OK || rc == HT_FULL)
			return rc;
		if (rc != HT_MORE)
			worst = rc;
	}
	return worst;
}

void ht_dtls_answer_drop(struct ht_dtls_answer *d, struct ht_arena *a) {
	for (unsigned i = 0; i < HT_DTLS_NUM_PARTS; i++) {
		ht_assembly_drop(&d->parts[i].body, a);
		d->parts[i].begun = false;
	}
}
