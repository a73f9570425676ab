// SPDX-License-Identifier: BSD-3-Clause
// QUIC connections until their hello is there, and gQUIC. A flow is made only for an Initial that
// its keys opened.

#include "sensor_int.h"

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
	s->past[i].seen = s->now;
	ht_quic_leave(&s->past[i].connection, c, len);
	f->seq[0] = i + 1;
}

// A hint where the connection in progress with this original DCID is: for a client whose address
// changes before its hello is whole (RFC 9000 9; NAT rebinding). It may be wrong or gone.
static uint32_t *dcid_hint(struct ht_sensor *s, struct ht_span dcid) {
	return &s->quic_by_dcid[keyed_hash(s, dcid) & s->quic_by_dcid_mask];
}

// Only to the same server: a connection id means something to who chose it, and anybody can copy
// one.
static struct hello *
find_by_dcid(struct ht_sensor *s, struct ht_span dcid, const struct ht_flow_key *key) {
	uint32_t i = *dcid_hint(s, dcid);
	struct hello *h = &s->hellos[i];
	if (i == 0 || h->kind != HELLO_QUIC || h->flow == UINT32_MAX || dcid.len < 8
	    || !ht_span_eq(HT_SPAN(h->quic.odcid, h->quic.odcid_len), dcid))
		return NULL;
	const struct ht_flow *f = ht_flow_at(s->flows, h->flow);
	bool same_server = f->port[!h->client] == key->dport
			   && memcmp(f->addr[!h->client], key->dst, sizeof(key->dst)) == 0;
	return same_server ? h : NULL;
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
		.hello_number = f->hellos < UINT8_MAX ? f->hellos + 1 : UINT8_MAX,
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
	flow_state(s, f, HT_FLOW_DONE);
}

// What the CRYPTO bytes begin with.
enum opening {
	OPENING_UNKNOWN, // the first byte is not there
	OPENING_TLS, // client_hello (RFC 8446 4)
	OPENING_GOOGLE, // CHLO, of gQUIC Q050
	OPENING_OTHER,
};

static enum opening opening_of(const struct ht_assembly *a) {
	uint32_t there = ht_ranges_prefix(&a->have);
	if (there == 0)
		return OPENING_UNKNOWN;
	if (a->buf[0] == 1)
		return OPENING_TLS;
	return memcmp(a->buf, "CHLO", there < 4 ? there : 4) == 0 ? OPENING_GOOGLE : OPENING_OTHER;
}

static void quic_incomplete(struct ht_sensor *s, struct hello *h, enum ht_incomplete why) {
	const struct ht_assembly *a = &h->quic.crypto;
	uint32_t there = ht_ranges_prefix(&a->have);
	bool header = there >= 4 && opening_of(a) == OPENING_TLS;
	struct ht_tls_message m = {
		header ? HT_SPAN(a->buf + 4, there - 4) : HT_SPAN_EMPTY,
		HT_HELLO_TLS,
		0,
		0,
	};
	why = incomplete_reason(
		why, h->cut, h->quic.undecryptable > 0, ht_ranges_end(&a->have) > there
	);
	struct emission e = quic_emission(s, h, &h->at, &m);
	e.hello_len = header ? ht_be24(a->buf + 1) + 4 : 0;
	emit_incomplete(s, &e, why);
}

void quic_give_up(struct ht_sensor *s, struct hello *h, enum ht_incomplete why) {
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
	answer_quic(s, f, &h->quic, len);
	if (f->hellos < UINT8_MAX)
		f->hellos++;
	remember(s, f, &h->quic, len);
	quic_close(s, h);
}

enum google {
	GOOGLE_MORE,
	GOOGLE_WHOLE, // told; the hello is gone
	GOOGLE_BAD,
};

// gQUIC Q050: the CRYPTO bytes are a CHLO message. A second one goes on behind it when the server
// rejects the first (REJ), as a TLS hello does after a HelloRetryRequest.
static enum google quic_google(struct ht_sensor *s, struct hello *h, const struct sighting *at) {
	const struct ht_assembly *a = &h->quic.crypto;
	struct ht_gquic_hello g;
	enum ht_rc rc = ht_gquic_message(&g, HT_SPAN(a->buf, ht_ranges_prefix(&a->have)));
	if (rc != HT_OK)
		return rc == HT_MORE ? GOOGLE_MORE : GOOGLE_BAD;
	struct ht_flow *f = ht_flow_at(s->flows, h->flow);
	struct ht_tls_message none = {HT_SPAN_EMPTY, HT_HELLO_TLS, 0, 0};
	struct emission e = quic_emission(s, h, at, &none);
	g.version = h->quic.version;
	e.message = NULL;
	e.gquic = &g;
	e.hello_len = (uint32_t)g.message.len;
	emit_hello(s, &e);
	if (f->hellos < UINT8_MAX)
		f->hellos++;
	remember(s, f, &h->quic, e.hello_len);
	quic_close(s, h);
	return GOOGLE_WHOLE;
}

// Looks whether the hello is whole. Parse nothing until the length in bytes 1 to 3 is covered.
static void
quic_look(struct ht_sensor *s, struct hello *h, enum ht_quic_rc rc, const struct sighting *at) {
	const struct ht_assembly *a = &h->quic.crypto;
	enum opening opening = opening_of(a);
	// A client's handshake begins with nothing but a hello, so bytes behind a hole are of one,
	// and so is what was refused; other first bytes are of no client.
	if (!h->begun && opening != OPENING_OTHER && (a->have.num > 0 || rc != HT_QUIC_MORE)) {
		h->begun = true;
		count(s, HT_CTR_HELLOS_BEGUN);
	}
	uint32_t there = ht_ranges_prefix(&a->have);
	if (opening == OPENING_TLS && there >= 4) {
		uint32_t len = ht_be24(a->buf + 1) + 4;
		if (there >= len) {
			quic_whole(s, h, len, at);
			return;
		}
		if (len - 4 > s->p.max_hello_bytes) {
			// The rest of the stream is passed over, so that it gives no second record.
			remember(s, ht_flow_at(s->flows, h->flow), &h->quic, UINT32_MAX);
			rc = HT_QUIC_LIMIT;
		}
	} else if (opening == OPENING_GOOGLE) {
		enum google g = quic_google(s, h, at);
		if (g == GOOGLE_WHOLE)
			return;
		if (g == GOOGLE_BAD)
			rc = HT_QUIC_BAD;
	} else if (opening == OPENING_OTHER) {
		rc = HT_QUIC_BAD;
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

// A hello that was told comes again. A client that sends it again takes another packet number (RFC
// 9000 12.3), so with the same one it is the same datagram, seen twice; or, when it comes later
// than a mirror would show it, a connection that is played again. True: that.
static bool
played_again(struct ht_sensor *s, struct quic_past *past, const struct ht_quic_conn *c) {
	int64_t age;
	if (!c->repeated)
		return false;
	const bool later = __builtin_sub_overflow(s->now, past->seen, &age) || age >= SILENT_NS
			   || age <= -SILENT_NS;
	if (later && c->largest_pn == past->connection.largest_pn)
		return true;
	past->seen = s->now;
	count(s, HT_CTR_REPEAT_HELLO);
	return false;
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
	// Until it has a flow, nothing may give it up: quic_feed alone makes room meanwhile, and
	// keeps it.
	struct hello *h = hello_get(s, NULL, HELLO_QUIC);
	enum ht_quic_rc rc = HT_QUIC_NO_KEY;
	if (past != NULL) {
		// The same connection goes on: acknowledgements, repeats, or the second hello.
		ht_quic_resume(s->quic, &h->quic, &past->connection);
		rc = quic_feed(s, h, p->payload);
	}
	const bool again
		= past != NULL && h->quic.crypto.have.num == 0 && played_again(s, past, &h->quic);
	if (rc == HT_QUIC_NO_KEY || rc == HT_QUIC_NEW || again) {
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
	// broken. What breaks a connection that gave its hello takes nothing from it.
	if (h->quic.crypto.have.num == 0
	    && (rc == HT_QUIC_MORE || (rc == HT_QUIC_BAD && past != NULL))) {
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
	flow_state(s, f, HT_FLOW_WORKING);
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
		h->cut |= p->payload_wire_len > p->payload.len; // then no tag can be right
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
	else if (f->flags & (FLOW_QUIC | FLOW_DTLS | FLOW_CARRIED))
		flow_renew(s, f); // another connection on the same addresses and ports
	// A CHLO is sent again, with more in it, when the server rejects the first (REJ): the
	// second is told as number 2, the same bytes again are not. A client that sends it again
	// gives the packet another number; the same datagram is a mirror's, or, when it comes
	// later, a connection that is played again.
	const uint32_t hash = (uint32_t)keyed_hash(s, g.message) | 1;
	const uint32_t datagram = (uint32_t)keyed_hash(s, p->payload);
	const bool repeat = f->seq[1] == hash && f->hellos > 0;
	const bool again = repeat && f->seq[0] == datagram && udp_silent(s, f);
	if (again)
		flow_renew(s, f);
	udp_hello_seen(s, f);
	if (repeat && !again) {
		count(s, HT_CTR_REPEAT_HELLO);
		return;
	}
	f->seq[0] = datagram;
	f->seq[1] = hash;
	f->flags |= FLOW_GAVE_DATA;
	f->client = ref.side;
	flow_state(s, f, HT_FLOW_DONE);
	count(s, HT_CTR_HELLOS_BEGUN);
	struct emission e = {
		.flow = f,
		.client = ref.side,
		.hello_number = f->hellos < UINT8_MAX ? f->hellos + 1 : UINT8_MAX,
		.at = at,
		.segments = 1,
		.gquic = &g,
		.hello_len = (uint32_t)g.message.len,
	};
	emit_hello(s, &e);
	if (f->hellos < UINT8_MAX)
		f->hellos++;
}

void quic_packet(
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
	bool known = f != NULL && (f->flags & FLOW_QUIC);
	bool server = known && ref.side != f->client;
	switch (q->kind) {
	case HT_QUIC_INITIAL:
		if (server)
			count(s, HT_CTR_DATAGRAM_QUIC_SERVER);
		break;
	case HT_QUIC_VERSION_NEGOTIATION:
		count(s, HT_CTR_DATAGRAM_QUIC_VN);
		break;
	case HT_QUIC_RETRY:
		count(s, server ? HT_CTR_DATAGRAM_QUIC_SERVER : HT_CTR_DATAGRAM_QUIC_RETRY);
		break;
	default: // 0-RTT, Handshake
		count(s, server	 ? HT_CTR_DATAGRAM_QUIC_SERVER
			 : known ? HT_CTR_DATAGRAM_QUIC_CLIENT
				 : HT_CTR_DATAGRAM_QUIC_STRAY);
		break;
	}
	if (server) {
		if (h != NULL)
			ht_quic_server(s->quic, &h->quic, p->payload);
		return;
	}
	if (q->kind != HT_QUIC_INITIAL)
		return;
	if (h == NULL && f == NULL)
		h = find_by_dcid(s, q->dcid, &p->key); // the client's address changed
	if (h == NULL)
		quic_begin(s, p, ref, f, at);
	else
		quic_more(s, h, p, ref, f, at);
}
