// SPDX-License-Identifier: BSD-3-Clause
// What the server said to the hello, and the client to that, as far as it is in clear. It is read
// where flow records are made, and for them alone: what is given up costs the server's fields.

#include "pages.h"
#include "sensor_flows.h"

// Answers that are settled early to make room for one packet of another.
#define ROOM_TRIES 64

// ANSWER_NONE: its place is free.
enum answer_kind { ANSWER_NONE, ANSWER_TCP, ANSWER_QUIC, ANSWER_DTLS };

enum { CLIENT, SERVER };

struct side_answer {
	bool begun; // stream.base is set
	bool over; // nothing more of use comes
	struct ht_stream stream;
	struct ht_tls_answer tls;
};

// One answer that is waited for, from a fixed pool.
struct answer {
	uint32_t details; // whose
	uint32_t older, newer; // index 0 is none, as in struct hello_links
	uint8_t kind; // enum answer_kind
	uint8_t client; // side of the client
	bool reset; // the server reset the connection and said nothing
	union {
		struct side_answer tcp[2]; // CLIENT, SERVER
		struct {
			struct ht_quic_past hello;
			struct ht_quic_answer answer;
			struct ht_tls_facts facts;
			struct ht_tls_part server_hello; // in answer.crypto.buf
			uint32_t pos; // CRYPTO bytes that were looked at
		} quic;
		struct ht_dtls_answer dtls[2]; // CLIENT, SERVER
	};
};

// --- the pool -----------------------------------------------------------------------------------

static size_t pool_bytes(const struct ht_sensor_params *p) {
	return ((size_t)p->max_answers + 1) * sizeof(struct answer);
}

bool answers_new(struct ht_sensor *s) {
	s->answers = ht_pages_new(pool_bytes(&s->p));
	s->answers_arena = ht_arena_new(s->p.answer_bytes);
	s->answers_free = 1;
	if (s->answers == NULL || s->answers_arena == NULL)
		return false;
	// Not that of the hellos, which are to have their memory for themselves.
	const struct ht_quic_params quic = {s->crypto, s->answers_arena, s->p.max_answer_bytes};
	s->answers_quic = ht_quic_new(&quic);
	return s->answers_quic != NULL;
}

void answers_free(struct ht_sensor *s) {
	ht_quic_free(s->answers_quic);
	ht_pages_free(s->answers, pool_bytes(&s->p));
	ht_arena_free(s->answers_arena);
}

uint64_t answers_memory(const struct ht_sensor_params *p) {
	return pool_bytes(p) + p->answer_bytes;
}

static void put(struct ht_sensor *s, struct answer *x, enum ht_ledger why) {
	const uint32_t i = (uint32_t)(x - s->answers);
	count(s, why);
	for (unsigned who = 0; who < 2; who++) {
		if (x->kind == ANSWER_TCP)
			ht_stream_drop(&x->tcp[who].stream, s->answers_arena);
		else if (x->kind == ANSWER_DTLS)
			ht_dtls_answer_drop(&x->dtls[who], s->answers_arena);
	}
	if (x->kind == ANSWER_QUIC)
		ht_quic_answer_drop(s->answers_quic, &x->quic.answer);
	x->kind = ANSWER_NONE;
	s->answers[x->older].newer = x->newer;
	s->answers[x->newer].older = x->older;
	x->newer = s->answers_free;
	s->answers_free = i;
}

void answer_drop(struct ht_sensor *s, struct details *d, enum ht_ledger why) {
	put(s, &s->answers[d->answer], why);
	d->answer = 0;
	s->accounts[d->flow].flags &= (uint16_t)~ACCOUNT_ANSWER;
}

// Keeps what was said with the flow, and waits for no more.
static void settle(struct ht_sensor *s, struct details *d, enum ht_ledger why) {
	if (details_read(s, d)) {
		answer_put(s, &s->flow_record, d);
		details_change(s, d);
	}
	answer_drop(s, d, why);
}

// The arena is full: the oldest answer but `keep` is settled, and gives its room. False: there is
// none, or `keep` itself is ANSWER_NONE now, because its flow had to go for what was said.
static bool make_room(struct ht_sensor *s, const struct answer *keep) {
	uint32_t i = s->answers[0].newer;
	if (i == (uint32_t)(keep - s->answers))
		i = keep->newer;
	if (i == 0)
		return false;
	settle(s, &s->details[s->answers[i].details], HT_CTR_ANSWERS_EVICTED);
	return keep->kind != ANSWER_NONE;
}

static struct answer *get(struct ht_sensor *s, enum answer_kind kind, uint8_t client) {
	if (s->answers_free > s->p.max_answers)
		settle(s, &s->details[s->answers[s->answers[0].newer].details],
		       HT_CTR_ANSWERS_EVICTED);
	const uint32_t i = s->answers_free;
	struct answer *x = &s->answers[i];
	s->answers_free = x->newer != 0 ? x->newer : i + 1; // 0: it was never used
	memset(x, 0, sizeof(*x));
	x->kind = (uint8_t)kind;
	x->client = client;
	x->older = s->answers[0].older;
	s->answers[x->older].newer = i;
	s->answers[0].older = i;
	count(s, HT_CTR_ANSWERS_BEGUN);
	return x;
}

void answer_of(struct ht_sensor *s, const struct ht_flow *f, uint32_t answer) {
	if (answer == 0)
		return;
	struct account *a = &s->accounts[f->slot];
	if (a->details == 0) { // it had to make room meanwhile
		put(s, &s->answers[answer], HT_CTR_ANSWERS_EVICTED);
		return;
	}
	s->details[a->details].answer = answer;
	s->answers[answer].details = a->details;
	a->flags |= ACCOUNT_ANSWER;
}

// --- TCP ----------------------------------------------------------------------------------------

static void lost(struct ht_sensor *s, struct side_answer *x) {
	count(s, HT_CTR_ANSWERS_LOST);
	x->over = true;
}

// Whether bytes of a server begin its answer: a record with a handshake message or an alert.
static bool begins_answer(struct ht_span b) {
	return (b.p[0] == 0x16 || b.p[0] == 0x15) && (b.len == 1 || b.p[1] == 3);
}

static enum ht_rc add_bytes(
	struct ht_sensor *s, struct answer *of, struct ht_stream *x, uint32_t seq, struct ht_span b
) {
	enum ht_rc rc = HT_FULL;
	for (unsigned tries = 0; rc == HT_FULL && tries < ROOM_TRIES; tries++) {
		rc = ht_stream_add(x, s->answers_arena, seq, b, s->p.max_answer_bytes);
		if (rc == HT_FULL && !make_room(s, of))
			break;
	}
	return rc;
}

// `of` may be ANSWER_NONE afterwards, as make_room() says.
static void
add(struct ht_sensor *s, struct answer *of, unsigned who, uint32_t seq, struct ht_span bytes) {
	struct side_answer *x = &of->tcp[who];
	if (!x->begun && begins_answer(bytes)) { // of a server whose beginning was not seen
		x->begun = true;
		x->stream.base = seq;
		x->stream.anchored = true;
	}
	if (!x->begun || x->over)
		return;
	const enum ht_rc rc = add_bytes(s, of, &x->stream, seq, bytes);
	if (of->kind == ANSWER_NONE)
		return;
	if (rc == HT_FULL)
		lost(s, x);
	const uint32_t prefix = ht_stream_prefix(&x->stream);
	if (!x->over && prefix > x->tls.pos
	    && ht_tls_answer(&x->tls, x->stream.data.buf, prefix, s->p.max_answer_bytes) != HT_MORE)
		x->over = true;
	if (!x->over && (rc == HT_LIMIT || prefix >= s->p.max_answer_bytes))
		lost(s, x);
}

// What came of a side before it was known that it would be read: bytes that are held of it, from
// offset `from` of their stream on.
static void add_held(
	struct ht_sensor *s,
	struct answer *of,
	unsigned who,
	const struct tcp_side *t,
	uint32_t from
) {
	const struct ht_ranges *have = &t->stream.data.have;
	for (uint32_t i = 0; i < have->num; i++) {
		const uint32_t lo = have->r[i].lo > from ? have->r[i].lo : from;
		if (lo < have->r[i].hi)
			add(s, of, who, t->stream.base + lo,
			    HT_SPAN(t->stream.data.buf + lo, have->r[i].hi - lo));
	}
}

// Where the server's answer begins, as far as that is known.
static void server_begins(
	struct ht_sensor *s,
	struct answer *of,
	const struct ht_flow *f,
	const struct hello *h,
	uint8_t side
) {
	struct side_answer *x = &of->tcp[SERVER];
	if (f->dir[side] == DIR_READY) {
		x->stream.base = f->seq[side];
		x->stream.anchored = x->begun = true;
		return;
	}
	if (f->dir[side] != DIR_OPEN || h == NULL)
		return;
	const struct tcp_side *t = &h->tcp[side];
	// What was read of it before TLS is gone. What is held has not been moved about.
	const bool as_sent = !t->in_tls && t->upgrade.framing == HT_FRAMING_NONE;
	if (t->role == ROLE_SERVER ? !t->answers.done : t->role == ROLE_OPEN && as_sent)
		add_held(s, of, SERVER, t, 0);
}

uint32_t answer_tcp(
	struct ht_sensor *s,
	const struct ht_flow *f,
	const struct hello *h,
	uint8_t side,
	uint32_t next,
	uint32_t held_from
) {
	if (s->accounts == NULL || f->hellos > 0)
		return 0;
	const struct tcp_side *t = h != NULL && h->tcp[side].open ? &h->tcp[side] : NULL;
	// TLS in packets of another protocol: the server's bytes are, too.
	if (t != NULL && (t->in_openvpn || t->upgrade.framing != HT_FRAMING_NONE))
		return 0;
	struct answer *x = get(s, ANSWER_TCP, side);
	x->tcp[CLIENT].begun = true;
	x->tcp[CLIENT].stream.base = next;
	x->tcp[CLIENT].stream.anchored = true;
	x->tcp[CLIENT].tls.client = true;
	if (t != NULL)
		add_held(s, x, CLIENT, t, held_from);
	server_begins(s, x, f, h, !side);
	return (uint32_t)(x - s->answers);
}

static void
tcp_answer(struct ht_sensor *s, struct answer *x, const struct ht_packet *p, bool server) {
	struct side_answer *side = &x->tcp[server];
	const bool is_syn = p->tcp_flags & HT_TCP_SYN;
	if (p->payload.len > 0 && !side->over) {
		add(s, x, server, p->tcp_seq + is_syn, p->payload);
		if (x->kind == ANSWER_NONE)
			return;
		if (p->payload_wire_len > p->payload.len && side->begun && !side->over)
			lost(s, side);
	}
	if (server && (p->tcp_flags & HT_TCP_RST) && side->tls.facts.seen == 0
	    && side->stream.data.have.num == 0)
		x->reset = true;
}

// --- QUIC ---------------------------------------------------------------------------------------

void answer_quic(
	struct ht_sensor *s, const struct ht_flow *f, const struct ht_quic_conn *c, uint32_t len
) {
	if (s->accounts == NULL || f->hellos > 0)
		return;
	struct answer *x = get(s, ANSWER_QUIC, f->client);
	ht_quic_leave(&x->quic.hello, c, len);
	answer_of(s, f, (uint32_t)(x - s->answers));
}

// Handshake messages of the server (RFC 8446 4). True: all that comes in clear was there.
static bool quic_messages(struct ht_sensor *s, struct answer *x) {
	struct ht_tls_facts *facts = &x->quic.facts;
	const struct ht_assembly *a = &x->quic.answer.crypto;
	const uint32_t there = ht_ranges_prefix(&a->have);
	while (there - x->quic.pos >= 4) {
		const uint8_t *message = a->buf + x->quic.pos;
		const uint32_t len = ht_be24(message + 1);
		if (message[0] != 2 || len > s->p.max_answer_bytes)
			return true;
		if (there - x->quic.pos - 4 < len)
			return false;
		struct ht_server_hello *h = &s->server_view;
		x->quic.server_hello = (struct ht_tls_part){x->quic.pos + 4, len};
		x->quic.pos += 4 + len;
		const enum ht_rc rc = ht_server_hello_parse(h, HT_SPAN(message + 4, len));
		if (h->seen & HT_SERVER_BODY) {
			facts->version = ht_server_hello_version(h);
			facts->cipher = h->cipher;
			facts->seen
				|= h->retry_request ? HT_FACT_RETRY_REQUEST : HT_FACT_SERVER_HELLO;
		}
		if (rc != HT_OK || !h->retry_request) {
			if (h->seen & HT_SERVER_GROUP) {
				facts->group = h->group;
				facts->seen |= HT_FACT_GROUP;
			}
			if (h->seen & HT_SERVER_PSK)
				facts->seen |= HT_FACT_RESUMED;
			return true;
		}
	}
	return false;
}

// True: no more is waited for.
static bool quic_answer(struct ht_sensor *s, struct answer *x, const struct ht_packet *p) {
	struct ht_quic_answer *a = &x->quic.answer;
	if (!ht_quic_perhaps(p->payload))
		return false;
	enum ht_quic_rc rc = HT_QUIC_NO_ROOM;
	for (unsigned tries = 0; rc == HT_QUIC_NO_ROOM && tries < ROOM_TRIES; tries++) {
		rc = ht_quic_answer(s->answers_quic, a, &x->quic.hello, p->payload);
		if (rc == HT_QUIC_NO_ROOM && !make_room(s, x))
			break;
	}
	if (x->kind == ANSWER_NONE || quic_messages(s, x))
		return true;
	if (a->closed) {
		// RFC 9001 4.8: a TLS alert is a CONNECTION_CLOSE of 0x100 and the description.
		x->quic.facts.seen |= HT_FACT_FATAL;
		if (a->close_error >> 8 == 1) {
			x->quic.facts.alert = (uint8_t)a->close_error;
			x->quic.facts.seen |= HT_FACT_ALERT;
		}
		return true;
	}
	if (rc != HT_QUIC_LIMIT && rc != HT_QUIC_NO_ROOM)
		return false;
	count(s, HT_CTR_ANSWERS_LOST);
	return true;
}

// --- DTLS ---------------------------------------------------------------------------------------

void answer_dtls(struct ht_sensor *s, const struct ht_flow *f, uint8_t client) {
	if (s->accounts == NULL || f->hellos > 0)
		return;
	struct answer *x = get(s, ANSWER_DTLS, client);
	x->dtls[CLIENT].client = true;
	answer_of(s, f, (uint32_t)(x - s->answers));
}

static void put_server_hello(struct ht_sensor *s, struct ht_record *r, struct ht_span body);

static void put_chain(struct ht_record *r, uint8_t num, struct ht_span chain) {
	ht_set(r, cert_count, num);
	r->cert_chain = chain;
}

// Keeps with the flow what a datagram lends.
static void dtls_keep(
	struct ht_sensor *s,
	struct details *d,
	const struct ht_dtls_answer *side,
	const struct ht_dtls_messages *m
) {
	const struct ht_span chain = m->chain;
	if ((m->hello.len == 0 && chain.len == 0) || !details_read(s, d))
		return;
	if (m->hello.len > 0)
		put_server_hello(s, &s->flow_record, m->hello);
	if (chain.len > 0)
		put_chain(&s->flow_record, side->facts.cert_count, chain);
	details_change(s, d);
}

// True: no more is waited for. What the datagrams lend is kept with the flow at once.
static bool dtls_answer(
	struct ht_sensor *s,
	struct details *d,
	struct answer *x,
	const struct ht_packet *p,
	bool server
) {
	struct ht_dtls_answer *side = &x->dtls[server];
	const bool cut = p->payload_wire_len > p->payload.len;
	struct ht_dtls_messages m;
	if (side->over)
		return x->dtls[!server].over;
	enum ht_rc rc = HT_FULL;
	for (unsigned tries = 0; rc == HT_FULL && tries < ROOM_TRIES; tries++) {
		rc = ht_dtls_answer(
			side, s->answers_arena, p->payload, cut, s->p.max_answer_bytes, &m
		);
		if (server)
			dtls_keep(s, d, side, &m);
		if (rc == HT_FULL && !make_room(s, x))
			break;
	}
	if (x->kind == ANSWER_NONE)
		return false;
	if (rc == HT_LIMIT || rc == HT_FULL || (rc == HT_MORE && cut))
		count(s, HT_CTR_ANSWERS_LOST);
	side->over |= rc != HT_MORE || cut;
	return side->over && x->dtls[!server].over;
}

// --- all of them --------------------------------------------------------------------------------

void answer_packet(
	struct ht_sensor *s, const struct ht_flow *f, const struct ht_packet *p, uint8_t side
) {
	struct details *d = &s->details[s->accounts[f->slot].details];
	struct answer *x = &s->answers[d->answer];
	const bool server = side != x->client;
	bool over = false;
	switch (x->kind) {
	case ANSWER_TCP:
		tcp_answer(s, x, p, server);
		over = x->reset || (x->tcp[SERVER].tls.facts.seen & HT_FACT_FATAL)
		       || (x->tcp[CLIENT].over && x->tcp[SERVER].over);
		break;
	case ANSWER_QUIC:
		over = server && quic_answer(s, x, p);
		break;
	default:
		over = dtls_answer(s, d, x, p, server);
		break;
	}
	if (over && x->kind != ANSWER_NONE)
		settle(s, d, HT_CTR_ANSWERS_OVER);
}

// What stands in a ServerHello alone. (That of a HelloRetryRequest is no choice yet.)
static void put_server_hello(struct ht_sensor *s, struct ht_record *r, struct ht_span body) {
	struct ht_server_hello *h = &s->server_view;
	(void)!ht_server_hello_parse(h, body);
	if (h->retry_request)
		return;
	if (h->seen & HT_SERVER_ALPN)
		ht_set(r, server_alpn, h->alpn);
	if (h->seen & HT_SERVER_EXTENSIONS)
		ht_set(r, server_extensions, HT_SPAN(h->extensions, 2 * (size_t)h->num_extensions));
	if (ht_ja3s(s->fingerprinter, h, s->ja3s))
		ht_set(r, ja3s, HT_SPAN(s->ja3s, sizeof(s->ja3s)));
}

static void put_alert(struct ht_record *r, const struct ht_tls_facts *f, const char *from) {
	if (f->seen & HT_FACT_FATAL)
		ht_set(r, refused, true);
	if (!(f->seen & HT_FACT_ALERT))
		return;
	const char *name = ht_tls_alert_name(f->alert);
	if (name != NULL)
		ht_set(r, alert, name);
	ht_set(r, alert_from, from);
}

static void put_facts(
	struct ht_record *r, const struct ht_tls_facts *server, const struct ht_tls_facts *client
) {
	if (server->seen & (HT_FACT_SERVER_HELLO | HT_FACT_RETRY_REQUEST)) {
		const char *version = ht_tls_version_name(server->version);
		if (version != NULL)
			ht_set(r, server_version, version);
		ht_set(r, server_cipher, server->cipher);
	}
	if (server->seen & HT_FACT_GROUP)
		ht_set(r, server_group, server->group);
	if (server->seen & HT_FACT_RETRY_REQUEST)
		ht_set(r, hrr, true);
	if (server->seen & HT_FACT_RESUMED)
		ht_set(r, resumed, true);
	if (client->seen & HT_FACT_CERTIFICATE)
		ht_set(r, client_cert, true);
	// The alert that ended it, where both sent one.
	const bool last = (client->seen & HT_FACT_FATAL) || !(server->seen & HT_FACT_ALERT);
	put_alert(r, last ? server : client, last ? "server" : "client");
	put_alert(r, last ? client : server, last ? "client" : "server");
}

static void put_tcp(struct ht_sensor *s, struct ht_record *r, const struct answer *x) {
	const struct side_answer *server = &x->tcp[SERVER];
	const struct ht_tls_answer *a = &server->tls;
	const uint8_t *buf = server->stream.data.buf;
	if (a->hello.len > 0)
		put_server_hello(s, r, HT_SPAN(buf + a->hello.at, a->hello.len));
	if (a->facts.seen & HT_FACT_CERTIFICATE)
		put_chain(r, a->facts.cert_count, HT_SPAN(buf + a->chain.at, a->chain.len));
	put_facts(r, &a->facts, &x->tcp[CLIENT].tls.facts);
	if (x->reset)
		ht_set(r, refused, true);
}

static void put_quic(struct ht_sensor *s, struct ht_record *r, const struct answer *x) {
	static const struct ht_tls_facts none;
	const struct ht_quic_answer *a = &x->quic.answer;
	const struct ht_tls_part *h = &x->quic.server_hello;
	if (h->len > 0)
		put_server_hello(s, r, HT_SPAN(a->crypto.buf + h->at, h->len));
	put_facts(r, &x->quic.facts, &none);
	if (a->opened)
		ht_set(r, server_quic_version, a->version);
	if (a->retry || x->quic.hello.retried)
		ht_set(r, quic_retry, true);
}

void answer_put(struct ht_sensor *s, struct ht_record *r, const struct details *d) {
	const struct answer *x = &s->answers[d->answer];
	switch (x->kind) {
	case ANSWER_TCP:
		put_tcp(s, r, x);
		break;
	case ANSWER_QUIC:
		put_quic(s, r, x);
		break;
	default:
		put_facts(r, &x->dtls[SERVER].facts, &x->dtls[CLIENT].facts);
		break;
	}
}
