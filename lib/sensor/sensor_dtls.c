// SPDX-License-Identifier: BSD-3-Clause
// DTLS hellos: put together, told once, and again with the cookie.

#include "sensor_int.h"

// f->seq of a DTLS flow keeps, for each side, which of its hellos are over (so that a
// retransmission gives none) in the lower half, and in the upper one a hash of their random.
static uint16_t dtls_done(const struct ht_flow *f, uint8_t side) {
	return (uint16_t)f->seq[side];
}

static void dtls_set_done(struct ht_flow *f, uint8_t side, uint16_t done) {
	f->seq[side] = (f->seq[side] & 0xffff0000) | done;
}

static void
dtls_set_random(struct ht_sensor *s, struct ht_flow *f, uint8_t side, struct ht_span random) {
	f->seq[side]
		= dtls_done(f, side) | (uint32_t)(keyed_hash(s, random) | 1) << 16; // 0: none yet
}

// RFC 6347 4.2.8: a client that lost its state begins anew on the same ports. A hello that comes
// again, with a cookie or without, keeps its random (4.2.1), and so does the second one of DTLS 1.3
// (RFC 8446 4.1.2). What is sent again has another record sequence number (RFC 6347 4.2.2), so with
// the first one it is the same datagram, seen twice; or, when it comes later than a mirror would
// show it, an association that is played again.
static bool
dtls_begins_anew(struct ht_sensor *s, struct ht_flow *f, uint8_t side, struct ht_span datagram) {
	uint16_t message_seq;
	bool first_record;
	struct ht_span random = ht_dtls_first(datagram, &message_seq, &first_record);
	uint32_t before = f->seq[side];
	if (random.len == 0 || (before >> 16 != 0 && message_seq != 0))
		return false;
	dtls_set_random(s, f, side, random);
	if (before >> 16 == 0)
		return false;
	const bool done = f->work == 0 && (before & 1);
	return f->seq[side] != before || (done && first_record && udp_silent(s, f));
}

// Whether a datagram carries of a hello that is over.
static bool dtls_repeats(const struct ht_flow *f, uint8_t side, struct ht_span datagram) {
	uint16_t message_seq;
	bool first_record;
	(void)ht_dtls_first(datagram, &message_seq, &first_record);
	return message_seq < 16 && (dtls_done(f, side) >> message_seq & 1);
}

static void dtls_whole(
	struct ht_sensor *s,
	struct hello *h,
	const struct ht_tls_message *m,
	const struct sighting *at
) {
	struct ht_flow *f = ht_flow_at(s->flows, h->flow);
	struct emission e = {
		.flow = f,
		.client = h->client,
		.hello_number = f->hellos < UINT8_MAX ? f->hellos + 1 : UINT8_MAX,
		.at = at,
		.message = m,
		.segments = h->datagrams,
		.hello_len = (uint32_t)m->body.len + 4,
	};
	emit_hello(s, &e);
	answer_dtls(s, f, h->client);
	if (f->hellos < UINT8_MAX)
		f->hellos++;
	dtls_set_done(f, h->client, h->dtls.done_seq);
	if (m->body.len >= 34) // it may not have been whole in any fragment
		dtls_set_random(s, f, h->client, HT_SPAN(m->body.p + 2, 32));
	hello_put(s, h);
	flow_state(s, f, HT_FLOW_DONE);
}

static void dtls_incomplete(struct ht_sensor *s, struct hello *h, enum ht_incomplete why) {
	const struct ht_flow *f = ht_flow_at(s->flows, h->flow);
	const struct ht_assembly *a = &h->dtls.body;
	uint32_t there = ht_ranges_prefix(&a->have);
	struct ht_tls_message m = {
		there > 0 ? HT_SPAN(a->buf, there) : HT_SPAN_EMPTY,
		HT_HELLO_DTLS,
		h->dtls.records,
		0,
	};
	struct emission e = {
		.flow = f,
		.client = h->client,
		.hello_number = f->hellos < UINT8_MAX ? f->hellos + 1 : UINT8_MAX,
		.at = &h->at,
		.message = &m,
		.segments = h->datagrams,
		.hello_len = h->dtls.length + 4,
	};
	emit_incomplete(
		s, &e, incomplete_reason(why, false, false, ht_ranges_end(&a->have) > there)
	);
}

void dtls_give_up(struct ht_sensor *s, struct hello *h, enum ht_incomplete why) {
	struct ht_flow *f = ht_flow_at(s->flows, h->flow);
	if (h->begun) {
		dtls_incomplete(s, h, why);
		// What is too long, cut or gone past will not be better: its other fragments give
		// no second record, and the hello behind it is the next one.
		if (why == HT_INCOMPLETE_LIMIT || why == HT_INCOMPLETE_SNAPLEN
		    || why == HT_INCOMPLETE_GAP) {
			uint16_t over = (uint16_t)(1u << h->dtls.message_seq);
			dtls_set_done(f, h->client, h->dtls.done_seq | over);
			if (f->hellos < UINT8_MAX)
				f->hellos++;
		}
	}
	hello_put(s, h);
	flow_state(s, f, HT_FLOW_DONE);
}

static enum ht_dtls_rc dtls_feed(
	struct ht_sensor *s, struct hello *h, const struct ht_packet *p, struct ht_tls_message *m
) {
	bool cut = p->payload_wire_len > p->payload.len;
	enum ht_dtls_rc rc;
	while ((rc = ht_dtls_add(&h->dtls, s->arena, p->payload, cut, s->p.max_hello_bytes, m))
	       == HT_DTLS_FULL)
		if (!hello_make_room(s, h))
			break;
	return rc;
}

void dtls_packet(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	struct ht_flow *f,
	const struct sighting *at
) {
	count(s, HT_CTR_DATAGRAM_DTLS);
	if (f == NULL)
		f = flow_make(s, p, ref);
	else if (!(f->flags & FLOW_DTLS))
		flow_renew(s, f);
	if (dtls_begins_anew(s, f, ref.side, p->payload)) {
		uint32_t seq = f->seq[ref.side] & 0xffff0000;
		flow_renew(s, f);
		f->seq[ref.side] = seq;
	}
	f->flags |= FLOW_DTLS | FLOW_GAVE_DATA;
	udp_hello_seen(s, f);
	struct hello *h = hello_of(s, f);
	if (h != NULL && h->client != ref.side)
		return; // both sides send hellos (WebRTC): one is put together at a time
	f->client = ref.side;
	struct ht_tls_message m;
	enum ht_dtls_rc rc;
	do { // a datagram may begin the next hello, few times: message_seq grows
		if (h == NULL) {
			h = hello_get(s, f, HELLO_DTLS);
			h->client = ref.side;
			h->dtls.done_seq = dtls_done(f, ref.side);
		}
		uint16_t records = h->dtls.records;
		rc = dtls_feed(s, h, p, &m);
		if (h->dtls.begun && !h->begun) {
			h->begun = true;
			count(s, HT_CTR_HELLOS_BEGUN);
		}
		bool more = h->dtls.records != records;
		if (more && h->datagrams < UINT16_MAX)
			h->datagrams++;
		if (more || rc != HT_DTLS_NEXT)
			hello_touch(s, h, at);
		if (rc == HT_DTLS_NEXT) {
			dtls_give_up(s, h, HT_INCOMPLETE_GAP);
			h = NULL;
		}
	} while (h == NULL);
	switch (rc) {
	case HT_DTLS_HELLO:
		dtls_whole(s, h, &m, at);
		return;
	case HT_DTLS_MORE:
		if (p->payload_wire_len > p->payload.len)
			dtls_give_up(s, h, HT_INCOMPLETE_SNAPLEN);
		return;
	case HT_DTLS_LIMIT:
		dtls_give_up(s, h, HT_INCOMPLETE_LIMIT);
		return;
	case HT_DTLS_FULL:
		dtls_give_up(s, h, HT_INCOMPLETE_EVICTED);
		return;
	default:
		if (dtls_repeats(f, ref.side, p->payload))
			count(s, HT_CTR_REPEAT_HELLO);
		if (!h->begun)
			dtls_give_up(s, h, HT_INCOMPLETE_MALFORMED); // no record: it never was
		return;
	}
}
