// SPDX-License-Identifier: BSD-3-Clause
// QUIC and DTLS. A flow is made only for what has proved to be a client's hello: a QUIC Initial
// that its keys opened, a DTLS record that carries a ClientHello. Everything else on UDP costs a
// look at its first bytes.

#include "sensor_int.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define GQUIC_CHLO 0x43484c4f // "CHLO"

bool udp_wants(struct ht_sensor *s, const struct ht_packet *p) {
	struct ht_span d = p->payload;
	if (d.len == 0)
		return false;
	count(s, HT_CTR_DATAGRAMS);
	if (ht_dtls_start(d))
		return true;
	struct ht_quic_header q;
	switch (ht_quic_peek(&q, d)) {
	case HT_QUIC_INITIAL:
	case HT_QUIC_GQUIC:
	case HT_QUIC_LONG:
	case HT_QUIC_RETRY:
	case HT_QUIC_VERSION_NEGOTIATION:
		return true;
	case HT_QUIC_GREASED:
		count(s, HT_CTR_DATAGRAM_QUIC_GREASED);
		return false;
	case HT_QUIC_UNKNOWN_VERSION:
		count(s, HT_CTR_DATAGRAM_QUIC_UNKNOWN);
		return false;
	default:
		count(s, HT_CTR_DATAGRAM_OTHER);
		return false;
	}
}

// --- QUIC ---------------------------------------------------------------------------------------

static uint64_t hash_of(const struct ht_sensor *s, struct ht_span b) {
	return XXH3_64bits_withSeed(b.p, b.len, s->p.secret[1]);
}

// What is left of the connection that this flow carried last, or NULL.
static struct quic_past *past_of(struct ht_sensor *s, const struct ht_flow *f) {
	if (f == NULL || !(f->flags & FLOW_QUIC) || f->seq[0] == 0)
		return NULL;
	struct quic_past *q = &s->past[f->seq[0] - 1];
	return q->flow == f->slot ? q : NULL;
}

static void
remember(struct ht_sensor *s, struct ht_flow *f, const struct ht_quic_conn *c, uint32_t len) {
	uint32_t i = s->past_next;
	s->past_next = i + 1 == s->past_size ? 0 : i + 1;
	s->past[i].flow = f->slot;
	ht_quic_leave(&s->past[i].connection, c, len);
	f->seq[0] = i + 1;
}

// A hint where the connection in progress with this original DCID is: for a client whose address
// changes before its hello is whole (RFC 9000 9; NAT rebinding). It may be wrong or gone.
static uint32_t *dcid_hint(struct ht_sensor *s, struct ht_span dcid) {
	return &s->quic_by_dcid[hash_of(s, dcid) & s->quic_by_dcid_mask];
}

static struct hello *find_by_dcid(struct ht_sensor *s, struct ht_span dcid) {
	uint32_t i = *dcid_hint(s, dcid);
	struct hello *h = &s->hellos[i];
	if (i == 0 || h->kind != HELLO_QUIC || h->flow == UINT32_MAX || dcid.len < 8
	    || !ht_span_eq(HT_SPAN(h->quic.odcid, h->quic.odcid_len), dcid))
		return NULL;
	return h;
}

static struct emission quic_emission(
	struct ht_sensor *s,
	const struct hello *h,
	const struct sighting *at,
	const struct ht_tls_message *m
) {
	const struct ht_flow *f = ht_flow_at(s->flows, h->flow);
	return (struct emission){
		.flow = f,
		.client = h->client,
		.hello_number = (uint8_t)(f->hellos + 1),
		.at = at,
		.message = m,
		.segments = h->datagrams,
		.quic = &h->quic,
		.hello_len = (uint32_t)m->body.len + 4,
	};
}

// The connection's part in this flow is over.
static void quic_close(struct ht_sensor *s, struct hello *h) {
	struct ht_flow *f = ht_flow_at(s->flows, h->flow);
	hello_put(s, h);
	f->state = HT_FLOW_DONE;
}

static void quic_incomplete(struct ht_sensor *s, struct hello *h, enum ht_incomplete why) {
	const struct ht_assembly *a = &h->quic.crypto;
	uint32_t there = ht_ranges_prefix(&a->have);
	bool header = there >= 4;
	struct ht_tls_message m = {
		header ? HT_SPAN(a->buf + 4, there - 4) : HT_SPAN_EMPTY,
		HT_HELLO_TLS,
		0,
		0,
	};
	if (h->quic.undecryptable > 0 && why != HT_INCOMPLETE_MALFORMED)
		why = HT_INCOMPLETE_DECRYPT;
	else if (ht_ranges_end(&a->have) > there && why != HT_INCOMPLETE_LIMIT)
		why = HT_INCOMPLETE_GAP;
	struct emission e = quic_emission(s, h, &h->at, &m);
	e.hello_len = header ? ht_be24(a->buf + 1) + 4 : 0;
	emit_incomplete(s, &e, why);
}

static void quic_give_up(struct ht_sensor *s, struct hello *h, enum ht_incomplete why) {
	if (h->begun)
		quic_incomplete(s, h, why);
	quic_close(s, h);
}

static void
quic_whole(struct ht_sensor *s, struct hello *h, uint32_t len, const struct sighting *at) {
	struct ht_flow *f = ht_flow_at(s->flows, h->flow);
	const uint8_t *buf = h->quic.crypto.buf;
	struct ht_tls_message m = {HT_SPAN(buf + 4, len - 4), HT_HELLO_TLS, 0, 0};
	struct emission e = quic_emission(s, h, at, &m);
	emit_hello(s, &e);
	if (f->hellos < UINT8_MAX)
		f->hellos++;
	remember(s, f, &h->quic, len);
	quic_close(s, h);
}

// gQUIC Q050: the CRYPTO bytes are a CHLO message.
static bool
quic_google(struct ht_sensor *s, struct hello *h, uint32_t there, const struct sighting *at) {
	struct ht_gquic_hello g;
	enum ht_rc rc = ht_gquic_message(&g, HT_SPAN(h->quic.crypto.buf, there));
	if (rc == HT_MORE)
		return true;
	if (rc != HT_OK)
		return false;
	struct ht_flow *f = ht_flow_at(s->flows, h->flow);
	struct ht_tls_message none = {HT_SPAN_EMPTY, HT_HELLO_TLS, 0, 0};
	struct emission e = quic_emission(s, h, at, &none);
	g.version = h->quic.version;
	e.message = NULL;
	e.gquic = &g;
	e.hello_len = (uint32_t)g.message.len;
	emit_hello(s, &e);
	f->hellos++;
	quic_close(s, h);
	return true;
}

// Looks whether the hello is whole. Parse nothing until the length in bytes 1 to 3 is covered.
static void
quic_look(struct ht_sensor *s, struct hello *h, enum ht_quic_rc rc, const struct sighting *at) {
	const struct ht_assembly *a = &h->quic.crypto;
	if (!h->begun && (a->have.num > 0 || rc == HT_QUIC_BAD)) {
		h->begun = true;
		count(s, HT_CTR_HELLOS_BEGUN);
	}
	uint32_t there = ht_ranges_prefix(&a->have);
	if (there >= 4) {
		if (a->buf[0] == 1) { // client_hello (RFC 8446 4)
			uint32_t len = ht_be24(a->buf + 1) + 4;
			if (there >= len) {
				quic_whole(s, h, len, at);
				return;
			}
			if (len > s->p.max_hello_bytes)
				rc = HT_QUIC_LIMIT;
		} else if (ht_be32(a->buf) != GQUIC_CHLO || !quic_google(s, h, there, at)) {
			quic_give_up(s, h, HT_INCOMPLETE_MALFORMED);
			return;
		} else if (h->kind == HELLO_FREE) {
			return;
		}
	}
	if (rc == HT_QUIC_LIMIT)
		quic_give_up(s, h, HT_INCOMPLETE_LIMIT);
	else if (rc == HT_QUIC_BAD)
		quic_give_up(s, h, HT_INCOMPLETE_MALFORMED);
	else if (rc == HT_QUIC_NO_ROOM)
		quic_give_up(s, h, HT_INCOMPLETE_EVICTED);
}

static enum ht_quic_rc quic_feed(struct ht_sensor *s, struct hello *h, struct ht_span datagram) {
	enum ht_quic_rc rc;
	while ((rc = ht_quic_client(s->quic, &h->quic, datagram)) == HT_QUIC_NO_ROOM)
		if (!hello_make_room(s, h))
			break;
	return rc;
}

// The beginning of a connection, if its keys open it.
static void quic_begin(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	struct ht_flow *f,
	const struct sighting *at
) {
	struct quic_past *past = past_of(s, f);
	struct hello *h = hello_get(s, NULL, HELLO_QUIC);
	enum ht_quic_rc rc = HT_QUIC_NO_KEY;
	if (past != NULL) {
		// The same connection goes on: acknowledgements, repeats, or the second hello.
		ht_quic_resume(s->quic, &h->quic, &past->connection);
		rc = quic_feed(s, h, p->payload);
	}
	if (rc == HT_QUIC_NO_KEY || rc == HT_QUIC_NEW) {
		ht_quic_drop(s->quic, &h->quic);
		rc = quic_feed(s, h, p->payload);
		past = NULL;
	}
	if (rc == HT_QUIC_NO_KEY) {
		count(s, HT_CTR_DATAGRAM_QUIC_NO_KEY);
		hello_put(s, h);
		return;
	}
	count(s, HT_CTR_DATAGRAM_QUIC_CLIENT);
	// Opened, and no handshake bytes in it that are new; a first Initial has them, or is
	// broken.
	if (h->quic.crypto.have.num == 0 && (rc != HT_QUIC_BAD || past != NULL)) {
		hello_put(s, h);
		return;
	}
	if (f == NULL) {
		f = flow_make(s, p, ref);
	} else if (past == NULL) {
		flow_renew(s, f); // another connection on the same addresses and ports
	}
	f->flags |= FLOW_QUIC | FLOW_GAVE_DATA;
	f->client = ref.side;
	f->state = HT_FLOW_WORKING;
	f->work = (uint32_t)(h - s->hellos);
	h->flow = f->slot;
	h->client = ref.side;
	h->datagrams = 1;
	hello_touch(s, h, at);
	*dcid_hint(s, HT_SPAN(h->quic.odcid, h->quic.odcid_len)) = f->work;
	quic_look(s, h, rc, at);
}

static void quic_more(
	struct ht_sensor *s,
	struct hello *h,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	struct ht_flow *f,
	const struct sighting *at
) {
	uint16_t packets = h->quic.packets;
	enum ht_quic_rc rc = quic_feed(s, h, p->payload);
	if (rc == HT_QUIC_NEW) { // the client began another connection before this hello was whole
		quic_give_up(s, h, HT_INCOMPLETE_GAP);
		quic_begin(s, p, ref, f, at);
		return;
	}
	if (rc == HT_QUIC_NO_KEY) {
		count(s, HT_CTR_DATAGRAM_QUIC_NO_KEY);
		return;
	}
	count(s, HT_CTR_DATAGRAM_QUIC_CLIENT);
	if (h->quic.packets != packets && h->datagrams < UINT16_MAX)
		h->datagrams++;
	hello_touch(s, h, at);
	quic_look(s, h, rc, at);
}

static void gquic_clear(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	struct ht_flow *f,
	const struct sighting *at
) {
	struct ht_gquic_hello g;
	count(s, HT_CTR_DATAGRAM_GQUIC);
	enum ht_rc rc = ht_gquic_chlo(&g, p->payload);
	if (rc != HT_OK)
		return;
	if (f == NULL)
		f = flow_make(s, p, ref);
	// A CHLO is sent again, with more in it, when the server rejects the first (REJ): the
	// second is told as number 2, the same bytes again are not.
	uint32_t hash = (uint32_t)hash_of(s, g.message) | 1;
	if (f->seq[1] == hash)
		return;
	f->seq[1] = hash;
	f->flags |= FLOW_GAVE_DATA;
	f->client = ref.side;
	f->state = HT_FLOW_DONE;
	count(s, HT_CTR_HELLOS_BEGUN);
	struct emission e = {
		.flow = f,
		.client = ref.side,
		.hello_number = (uint8_t)(f->hellos + 1),
		.at = at,
		.segments = 1,
		.gquic = &g,
		.hello_len = (uint32_t)g.message.len,
	};
	emit_hello(s, &e);
	if (f->hellos < UINT8_MAX)
		f->hellos++;
}

static void quic_packet(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	struct ht_flow *f,
	const struct ht_quic_header *q,
	const struct sighting *at
) {
	struct hello *h = f != NULL && (f->flags & FLOW_QUIC) ? hello_of(s, f) : NULL;
	if (q->kind == HT_QUIC_GQUIC) {
		gquic_clear(s, p, ref, f, at);
		return;
	}
	if (h != NULL && ref.side != h->client) {
		count(s, q->kind == HT_QUIC_VERSION_NEGOTIATION ? HT_CTR_DATAGRAM_QUIC_VN
								: HT_CTR_DATAGRAM_QUIC_SERVER);
		ht_quic_server(s->quic, &h->quic, p->payload);
		return;
	}
	switch (q->kind) {
	case HT_QUIC_INITIAL:
		break;
	case HT_QUIC_VERSION_NEGOTIATION:
		count(s, HT_CTR_DATAGRAM_QUIC_VN);
		return;
	case HT_QUIC_RETRY:
		count(s, HT_CTR_DATAGRAM_QUIC_RETRY);
		return;
	default:
		count(s, HT_CTR_DATAGRAM_QUIC_STRAY);
		return;
	}
	if (h == NULL && f == NULL)
		h = find_by_dcid(s, q->dcid); // the client's address changed
	if (h == NULL) {
		// The server's Initials end here, too, when its client is known.
		if (f != NULL && (f->flags & FLOW_QUIC) && ref.side != f->client) {
			count(s, HT_CTR_DATAGRAM_QUIC_SERVER);
			return;
		}
		quic_begin(s, p, ref, f, at);
		return;
	}
	quic_more(s, h, p, ref, f, at);
}

// --- DTLS ---------------------------------------------------------------------------------------

static void dtls_emit(
	struct ht_sensor *s,
	struct ht_flow *f,
	uint8_t side,
	const struct ht_tls_message *m,
	uint16_t datagrams,
	const struct sighting *at
) {
	struct emission e = {
		.flow = f,
		.client = side,
		.hello_number = (uint8_t)(f->hellos + 1),
		.at = at,
		.message = m,
		.segments = datagrams,
		.hello_len = (uint32_t)m->body.len + 4,
	};
	emit_hello(s, &e);
	if (f->hellos < UINT8_MAX)
		f->hellos++;
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
	if (ht_ranges_end(&a->have) > there && why != HT_INCOMPLETE_LIMIT)
		why = HT_INCOMPLETE_GAP;
	struct emission e = {
		.flow = f,
		.client = h->client,
		.hello_number = (uint8_t)(f->hellos + 1),
		.at = &h->at,
		.message = &m,
		.segments = h->datagrams,
		.hello_len = h->dtls.length + 4,
	};
	emit_incomplete(s, &e, why);
}

static void dtls_give_up(struct ht_sensor *s, struct hello *h, enum ht_incomplete why) {
	struct ht_flow *f = ht_flow_at(s->flows, h->flow);
	if (h->begun)
		dtls_incomplete(s, h, why);
	hello_put(s, h);
	f->state = HT_FLOW_DONE;
}

// f->seq[0] of a DTLS flow keeps which message_seq gave a hello, so that a retransmission gives
// none.
static void dtls_packet(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	struct ht_flow *f,
	const struct sighting *at
) {
	count(s, HT_CTR_DATAGRAM_DTLS);
	if (f != NULL && !(f->flags & FLOW_DTLS))
		flow_renew(s, f);
	if (f == NULL)
		f = flow_make(s, p, ref);
	f->flags |= FLOW_DTLS | FLOW_GAVE_DATA;
	struct hello *h = hello_of(s, f);
	if (h != NULL && h->client != ref.side)
		return; // both sides send hellos (WebRTC): one is put together at a time
	if (h == NULL) {
		h = hello_get(s, f, HELLO_DTLS);
		h->client = ref.side;
		h->dtls.done_seq = (uint16_t)f->seq[0];
	}
	f->client = ref.side;
	struct ht_tls_message m;
	enum ht_rc rc;
	uint16_t records = h->dtls.records;
	while ((rc = ht_dtls_add(&h->dtls, s->arena, p->payload, s->p.max_hello_bytes, &m))
	       == HT_FULL)
		if (!hello_make_room(s, h))
			break;
	if (h->dtls.begun && !h->begun) {
		h->begun = true;
		count(s, HT_CTR_HELLOS_BEGUN);
	}
	if (h->dtls.records != records && h->datagrams < UINT16_MAX)
		h->datagrams++;
	hello_touch(s, h, at);
	switch (rc) {
	case HT_OK:
		dtls_emit(s, f, ref.side, &m, h->datagrams, at);
		f->seq[0] = h->dtls.done_seq;
		hello_put(s, h);
		f->state = HT_FLOW_DONE;
		return;
	case HT_MORE:
		if (p->payload_wire_len > p->payload.len)
			dtls_give_up(s, h, HT_INCOMPLETE_SNAPLEN);
		return;
	case HT_LIMIT:
		dtls_give_up(s, h, HT_INCOMPLETE_LIMIT);
		return;
	case HT_FULL:
		dtls_give_up(s, h, HT_INCOMPLETE_EVICTED);
		return;
	default:
		if (!h->begun) {
			hello_put(s, h);
			f->state = HT_FLOW_DONE;
		}
		return;
	}
}

// --- both ----------------------------------------------------------------------------------------

void udp_packet(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	const struct sighting *at
) {
	struct ht_flow *f = flow_find(s, p, ref);
	if (ht_dtls_start(p->payload)) {
		dtls_packet(s, p, ref, f, at);
		return;
	}
	struct ht_quic_header q;
	ht_quic_peek(&q, p->payload);
	quic_packet(s, p, ref, f, &q, at);
}

void udp_end(struct ht_sensor *s, struct hello *h, enum ht_incomplete why) {
	if (h->kind == HELLO_QUIC)
		quic_give_up(s, h, why);
	else
		dtls_give_up(s, h, why);
}
