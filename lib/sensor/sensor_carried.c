// SPDX-License-Identifier: BSD-3-Clause
// Hellos in EAP (over 802.1X and RADIUS) and in OpenVPN's control channel over UDP. (Over TCP it is
// a framing inside the stream: sensor_side.c.)
//
// The pieces of a hello belong to a conversation, and a conversation is a flow: OpenVPN's is that
// of its datagrams; EAPOL has one for a pair of MAC addresses, RADIUS one for who speaks to whom,
// since a client puts many conversations on few ports, and one on several.

#include "sensor_int.h"

// What a piece looks like that may begin a hello.
enum begins {
	BEGINS_NOT,
	BEGINS_PERHAPS, // as far as it is there
	BEGINS_HELLO,
};

// One piece and where it came from.
struct arrival {
	const struct ht_packet *packet; // with the key of the conversation
	struct ht_flow_ref ref;
	const struct ht_flow_key *ends; // addresses and ports of the packet itself
	const struct sighting *at;
	const struct ht_piece *piece;
	enum ht_via via;
	enum begins begins;
	bool early; // may have overtaken the piece that begins the hello
	uint32_t context; // hash of session and handshake
	// Of a piece that begins a hello: hashes of its session, of the hello's random and of all
	// of it.
	uint16_t session, whole;
	uint32_t random;
};

// --- which hello a piece begins ------------------------------------------------------------------

// TLSPlaintext {22, 3 x, length 2}, Handshake {1, length 3}, ClientHello {3 x, random 32 ...}. A
// change_cipher_spec may stand before a second hello (RFC 8446 D.4).
static enum begins begins_hello(struct ht_span d, struct ht_span *random) {
	static const uint8_t ccs[6] = {0x14, 0x03, 0x03, 0x00, 0x01, 0x01};
	enum { HEADER = 5, TYPE = 5, VERSION = 9, RANDOM = 11, RANDOM_END = 43 };
	*random = HT_SPAN_EMPTY;
	if (d.len > sizeof(ccs) && memcmp(d.p, ccs, sizeof(ccs)) == 0)
		d = HT_SPAN(d.p + sizeof(ccs), d.len - sizeof(ccs));
	// What lies behind the first record begins with a header again.
	size_t end = d.len;
	if (d.len >= HEADER && ht_be16(d.p + 3) < d.len - HEADER)
		end = HEADER + (size_t)ht_be16(d.p + 3);
	if (end == 0 || d.p[0] != 0x16 || (end > 1 && d.p[1] != 3) || (end > TYPE && d.p[TYPE] != 1)
	    || (end > VERSION && d.p[VERSION] != 3))
		return BEGINS_NOT;
	if (end > RANDOM)
		*random = HT_SPAN(d.p + RANDOM, (end < RANDOM_END ? end : RANDOM_END) - RANDOM);
	return end > VERSION ? BEGINS_HELLO : BEGINS_PERHAPS;
}

// Fills in what the piece says of its hello.
static void read_piece(struct ht_sensor *s, struct arrival *a) {
	const struct ht_piece *piece = a->piece;
	struct ht_span random;
	uint8_t id[9] = {piece->context};
	a->early = true;
	a->begins = begins_hello(piece->data, &random);
	memcpy(id + 1, piece->session.p, piece->session.len <= 8 ? piece->session.len : 0);
	a->context = (uint32_t)keyed_hash(s, HT_SPAN(id, sizeof(id)));
	a->random = (uint32_t)keyed_hash(s, random);
	a->whole = (uint16_t)(keyed_hash(s, piece->data) + piece->number);
	// Each handshake of EAP is a session of its own.
	a->session = piece->session.len > 0 ? (uint16_t)keyed_hash(s, piece->session)
					    : (uint16_t)a->random;
}

// The flow keeps of its last hello: the hash of its random in seq[0], those of its session and of
// the piece that began it in seq[1].
static void remember(struct ht_flow *f, const struct arrival *a) {
	f->seq[0] = a->random;
	f->seq[1] = (uint32_t)a->session << 16 | a->whole;
}

static bool is_repeat(const struct ht_flow *f, const struct arrival *a) {
	return a->begins != BEGINS_NOT && f->seq[0] == a->random
	       && f->seq[1] == ((uint32_t)a->session << 16 | a->whole);
}

// A second hello keeps the random of the first (RFC 8446 4.1.2), and OpenVPN's next handshake its
// session; all else is another connection.
static bool is_same_connection(const struct ht_flow *f, const struct arrival *a) {
	return f->seq[0] == a->random || f->seq[1] >> 16 == a->session;
}

// --- records -------------------------------------------------------------------------------------

// What an emission of a carried hello borrows.
struct told {
	struct ht_flow flow;
	struct ht_upgrade via;
};

static struct emission carried_emission(
	struct ht_sensor *s,
	struct told *t,
	const struct hello *h,
	const struct sighting *at,
	const struct ht_tls_message *m
) {
	const struct carried *c = &h->carried;
	struct emission e = {
		.flow = &t->flow,
		.client = h->client,
		.at = at,
		.message = m,
		.segments = c->pieces.taken,
		.upgrade = &t->via,
		.hello_len = (uint32_t)m->body.len + 4,
	};
	t->via = (struct ht_upgrade){.num_via = 1, .via = {c->via}};
	t->flow = *ht_flow_at(s->flows, h->flow);
	e.hello_number = t->flow.hellos < UINT8_MAX ? t->flow.hellos + 1 : UINT8_MAX;
	if (t->flow.proto == FLOW_PROTO_RADIUS) { // told with the addresses of its packets
		t->flow.proto = HT_IPPROTO_UDP;
		e.client = ht_flow_ref(s->flows, &c->ends, HT_IPPROTO_UDP).side;
		memcpy(t->flow.addr[e.client], c->ends.src, 16);
		memcpy(t->flow.addr[!e.client], c->ends.dst, 16);
		t->flow.port[e.client] = c->ends.sport;
		t->flow.port[!e.client] = c->ends.dport;
	}
	return e;
}

// The hello is over, whole or not.
static void close_hello(struct ht_sensor *s, struct hello *h) {
	struct ht_flow *f = ht_flow_at(s->flows, h->flow);
	bool begun = h->begun;
	hello_put(s, h);
	if (!begun)
		return;
	if (f->hellos < UINT8_MAX)
		f->hellos++;
	flow_state(s, f, HT_FLOW_DONE);
}

static void carried_whole(
	struct ht_sensor *s,
	struct hello *h,
	const struct ht_tls_message *m,
	const struct sighting *at
) {
	struct told t;
	struct emission e = carried_emission(s, &t, h, at, m);
	emit_hello(s, &e);
	close_hello(s, h);
}

void carried_give_up(struct ht_sensor *s, struct hello *h, enum ht_incomplete why) {
	const struct carried *c = &h->carried;
	struct ht_tls_message m = {HT_SPAN_EMPTY, HT_HELLO_TLS, 1, 0};
	uint32_t declared = 0;
	struct told t;
	if (h->begun) {
		bool some = ht_tls_frame_partial(&c->framer, c->pieces.data.buf, &m, &declared);
		struct emission e = carried_emission(s, &t, h, &h->at, &m);
		e.hello_len = some && declared > 0 ? declared + 4 : 0;
		emit_incomplete(
			s, &e, incomplete_reason(why, false, false, c->pieces.num_ahead > 0)
		);
	}
	close_hello(s, h);
}

// --- pieces --------------------------------------------------------------------------------------

// Why no more can be expected of a hello that is not whole; HT_NUM_INCOMPLETE: it can.
static enum ht_incomplete
hopeless(const struct ht_sensor *s, const struct carried *c, const struct ht_piece *piece) {
	struct ht_tls_message m;
	uint32_t declared;
	if (ht_tls_frame_partial(&c->framer, c->pieces.data.buf, &m, &declared)
	    && declared > s->p.max_hello_bytes)
		return HT_INCOMPLETE_LIMIT;
	if (piece->cut)
		return HT_INCOMPLETE_SNAPLEN;
	if (piece->last && c->pieces.anchored && c->pieces.num_ahead == 0)
		return HT_INCOMPLETE_MALFORMED; // the message is over
	return HT_NUM_INCOMPLETE;
}

// Looks at the stream after a piece came.
static void
look(struct ht_sensor *s, struct hello *h, const struct ht_piece *piece, const struct sighting *at
) {
	struct carried *c = &h->carried;
	uint8_t *buf = c->pieces.data.buf;
	struct ht_tls_message m;
	enum ht_rc rc = c->pieces.prefix > 0 ? ht_tls_frame(&c->framer, buf, c->pieces.prefix, &m)
					     : HT_MORE;
	if (!h->begun && (rc == HT_OK || ht_tls_frame_begun(&c->framer, buf))) {
		h->begun = true;
		count(s, HT_CTR_HELLOS_BEGUN);
	}
	if (rc == HT_OK) {
		carried_whole(s, h, &m, at);
		return;
	}
	enum ht_incomplete why = rc == HT_MORE ? hopeless(s, c, piece) : HT_INCOMPLETE_MALFORMED;
	if (why != HT_NUM_INCOMPLETE)
		carried_give_up(s, h, why);
}

static void take(struct ht_sensor *s, struct ht_flow *f, struct hello *h, const struct arrival *a) {
	struct ht_pieces *pieces = &h->carried.pieces;
	uint32_t number = a->piece->number, max = s->p.max_hello_bytes + HOLD_SLACK;
	if (a->piece->number_wraps)
		number = ht_pieces_near(pieces, (uint8_t)number);
	if (a->begins != BEGINS_NOT && !pieces->anchored) {
		ht_pieces_anchor(pieces, number);
		remember(f, a);
	}
	if (a->piece->cut)
		ht_pieces_cut(pieces, number);
	enum ht_rc rc;
	while ((rc = ht_pieces_add(pieces, s->arena, number, a->piece->data, max)) == HT_FULL)
		if (!hello_make_room(s, h))
			break;
	if (rc == HT_SKIP)
		return;
	h->carried.ends = *a->ends;
	hello_touch(s, h, a->at);
	if (rc == HT_OK)
		look(s, h, a->piece, a->at);
	else if (rc == HT_FULL)
		carried_give_up(s, h, HT_INCOMPLETE_EVICTED);
	else // pieces that many ahead say that one is lost
		carried_give_up(
			s, h, pieces->num_ahead > 0 ? HT_INCOMPLETE_GAP : HT_INCOMPLETE_LIMIT
		);
}

// The hello in progress that a piece belongs to. *ignore: it belongs to none, and begins none.
static struct hello *
hello_for(struct ht_sensor *s, struct ht_flow *f, const struct arrival *a, bool *ignore) {
	struct hello *h = hello_of(s, f);
	bool begins = a->begins == BEGINS_HELLO;
	*ignore = is_repeat(f, a);
	if (*ignore || h == NULL)
		return NULL;
	bool own = h->client == a->ref.side && h->carried.context == a->context;
	if (own && !(begins && h->carried.pieces.anchored))
		return h;
	// Another handshake begins. (One side at a time: the other is the server.)
	*ignore = !begins || (h->begun && h->client != a->ref.side);
	if (!*ignore)
		carried_give_up(s, h, HT_INCOMPLETE_GAP);
	return NULL;
}

static void arrive(struct ht_sensor *s, const struct arrival *a) {
	struct ht_flow *f = flow_find(s, a->packet, a->ref);
	struct hello *h = NULL;
	if (f == NULL) {
		if (a->begins == BEGINS_NOT && !a->early)
			return;
		f = flow_make(s, a->packet, a->ref);
	} else if (!(f->flags & FLOW_CARRIED)) {
		if (a->begins != BEGINS_HELLO)
			return;
		flow_renew(s, f); // DTLS or QUIC was there
	} else {
		bool ignore;
		h = hello_for(s, f, a, &ignore);
		// Behind a hello comes what is no hello, from both sides.
		bool may_begin = a->begins != BEGINS_NOT || (f->hellos == 0 && a->early);
		if (ignore || (h == NULL && !may_begin))
			return;
		if (h == NULL && f->hellos > 0 && !is_same_connection(f, a))
			flow_renew(s, f);
	}
	f->flags |= FLOW_CARRIED | FLOW_GAVE_DATA;
	if (h == NULL) {
		h = hello_get(s, f, HELLO_CARRIED);
		h->client = f->client = a->ref.side;
		h->carried.via = (uint8_t)a->via;
		h->carried.context = a->context;
	}
	take(s, f, h, a);
}

// --- carriers ------------------------------------------------------------------------------------

bool eapol_wants(struct ht_packet *p) {
	memset(&p->key, 0, sizeof(p->key));
	memcpy(p->key.src, p->src_mac, sizeof(p->src_mac));
	memcpy(p->key.dst, p->dst_mac, sizeof(p->dst_mac));
	p->proto = FLOW_PROTO_EAPOL;
	return true;
}

void eapol_packet(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	const struct sighting *at
) {
	struct ht_piece piece;
	struct arrival a = {p, ref, &p->key, at, &piece, .via = HT_VIA_EAPOL};
	if (ht_eapol(&piece, p->payload, p->payload_wire_len) != HT_CARRIER_PIECE)
		return;
	read_piece(s, &a);
	arrive(s, &a);
}

// The key of a RADIUS conversation: the ends without the client's port, and who it is about. The
// server's side is all zero.
static void radius_key(
	struct ht_sensor *s,
	struct ht_flow_key *key,
	const struct ht_packet *p,
	const struct ht_radius *r
) {
	uint8_t who[34 + HT_RADIUS_NUM_WHO * 256], *end = who;
	memcpy(end, p->key.src, 16);
	memcpy(end + 16, p->key.dst, 16);
	ht_put_be16(end + 32, p->key.dport);
	end += 34;
	for (unsigned i = 0; i < HT_RADIUS_NUM_WHO; i++) {
		*end++ = (uint8_t)r->who[i].len;
		memcpy(end, r->who[i].p, r->who[i].len);
		end += r->who[i].len;
	}
	uint64_t hash = keyed_hash(s, HT_SPAN(who, (size_t)(end - who)));
	memset(key, 0, sizeof(*key));
	memcpy(key->src, &hash, sizeof(hash));
}

static void
radius_packet(struct ht_sensor *s, const struct ht_packet *p, const struct sighting *at) {
	struct ht_radius radius;
	struct ht_piece piece;
	if (ht_radius(&piece, &radius, p->payload, p->payload_wire_len) != HT_CARRIER_PIECE)
		return;
	struct ht_packet conversation = *p;
	conversation.proto = FLOW_PROTO_RADIUS;
	radius_key(s, &conversation.key, p, &radius);
	struct arrival a = {
		.packet = &conversation,
		.ref = ht_flow_ref(s->flows, &conversation.key, FLOW_PROTO_RADIUS),
		.ends = &p->key,
		.at = at,
		.piece = &piece,
		.via = HT_VIA_RADIUS,
	};
	read_piece(s, &a);
	arrive(s, &a);
}

// A connection begins whose hello tls-crypt hides.
static void openvpn_encrypted(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	const struct sighting *at
) {
	struct ht_flow *f = flow_find(s, p, ref);
	if (f == NULL)
		f = flow_make(s, p, ref);
	else if (f->flags & (FLOW_QUIC | FLOW_DTLS))
		flow_renew(s, f);
	f->flags |= FLOW_CARRIED | FLOW_GAVE_DATA;
	emit_encrypted(s, f, ref.side, at);
}

static void openvpn_packet(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	const struct sighting *at
) {
	struct ht_piece piece;
	struct arrival a = {p, ref, &p->key, at, &piece, .via = HT_VIA_OPENVPN};
	switch (ht_openvpn(&piece, p->payload, p->payload_wire_len)) {
	case HT_CARRIER_PIECE:
		break;
	case HT_CARRIER_TLS_CRYPT:
		openvpn_encrypted(s, p, ref, at);
		return;
	default:
		return;
	}
	read_piece(s, &a);
	// The first piece begins a hello, or it is the server's. Of the others few are sent before
	// the first is acknowledged.
	bool first = piece.number == HT_OPENVPN_FIRST;
	if (first && a.begins == BEGINS_NOT)
		return;
	if (!first && a.begins == BEGINS_PERHAPS)
		a.begins = BEGINS_NOT;
	a.early = piece.number <= HT_OPENVPN_FIRST + HT_PIECES_AHEAD;
	arrive(s, &a);
}

bool carried_wants(struct ht_sensor *s, const struct ht_packet *p) {
	struct ht_piece piece;
	if (ht_radius_is(p->payload, p->payload_wire_len)) {
		count(s, HT_CTR_DATAGRAM_RADIUS);
		return true;
	}
	switch (ht_openvpn(&piece, p->payload, p->payload_wire_len)) {
	case HT_CARRIER_PIECE:
		count(s, HT_CTR_DATAGRAM_OPENVPN);
		return true;
	case HT_CARRIER_NOTHING:
		count(s, HT_CTR_DATAGRAM_OPENVPN);
		return false;
	case HT_CARRIER_TLS_CRYPT:
		count(s, HT_CTR_DATAGRAM_TLS_CRYPT);
		return ht_openvpn_client_begins(p->payload.p[0]);
	default:
		count(s, HT_CTR_DATAGRAM_OTHER);
		return false;
	}
}

void carried_packet(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	const struct sighting *at
) {
	if (ht_radius_is(p->payload, p->payload_wire_len))
		radius_packet(s, p, at);
	else
		openvpn_packet(s, p, ref, at);
}
