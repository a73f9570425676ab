// SPDX-License-Identifier: BSD-3-Clause
// TCP directions until their first bytes are decided. Which side is the client is decided by who
// sent the hello, so both are looked at, each by itself.

#include "sensor_tcp.h"

// Handshake records come encrypted as well (renegotiation), and one of 256 of them has the type of
// a ClientHello: its length and version have to fit, too.
static bool begins_like_hello(const struct segment *g) {
	const uint8_t *p = g->bytes.p;
	return g->bytes.len >= 11 && p[5] == 1 && p[6] == 0 && p[9] == 3 && p[10] <= 4
	       && ht_tls_start(g->bytes) == HT_TLS_RECORD;
}

// A segment that begins where the direction begins: most hellos are whole in it, and most of what
// is no TLS shows at once. Returns false when there is more to do with `g`.
static bool first_bytes(
	struct ht_sensor *s,
	struct ht_flow *f,
	uint8_t side,
	struct segment *g,
	const struct sighting *at
) {
	struct ht_tls_message m;
	switch (ht_tls_frame_whole(&m, g->bytes)) {
	case HT_OK: {
		count(s, HT_CTR_HELLOS_BEGUN);
		struct hello *h = hello_of(s, f);
		struct outcome outcome = {.told = true};
		const uint32_t answer = answer_tcp(s, f, h, side, g->seq + m.stream_end, 0);
		if (h != NULL) { // what was held of the other side
			outcome = talk_hello(s, f, h, side);
			answered(s, f, h, !side);
		}
		struct emission e = emission_of(f, side, at, &m);
		e.segments = 1;
		gave_hello(s, f, side, emit_hello(s, &e));
		answer_of(s, f, answer);
		talk_tell(s, f, at, &outcome);
		f->dir[side] = DIR_AGAIN;
		flow_state(s, f, HT_FLOW_DONE);
		f->seq[side] = g->seq + m.stream_end;
		advance(g, m.stream_end); // the record is all in this segment
		return g->bytes.len == 0;
	}
	case HT_SKIP:
		if (f->dir[side] != DIR_READY)
			break; // the middle of a hello may look like that when it comes first
		stream_done(s, f, side, HT_CTR_STREAM_TLS_OTHER);
		return true;
	default:
		break;
	}
	bool serves = false;
	struct ht_upgrade u = {.port_hint = f->port[!side]};
	const struct ht_upgrade *scanned = NULL;
	if (ht_tls_start(g->bytes) == HT_TLS_NO && f->dir[side] == DIR_READY) {
		const enum ht_rc rc = ht_upgrade_scan(&u, g->bytes);
		const bool bad = rc == HT_BAD;
		if (rc == HT_MORE)
			scanned = &u;
		serves = bad
			 && (u.speaks == HT_SPEAKS_SERVER
			     || (f->work != 0 && talk_serves(hello_of(s, f), side)));
		if (bad && !serves && u.speaks != HT_SPEAKS_OPENVPN && !ht_upgrade_is_client(&u)) {
			stream_done(s, f, side, HT_CTR_STREAM_UNKNOWN + u.speaks);
			return true;
		}
	}
	side_open(s, f, side, serves, scanned, g, at);
	return true;
}

// Bytes behind a first hello.
static void after_hello(
	struct ht_sensor *s,
	struct ht_flow *f,
	uint8_t side,
	struct segment *g,
	const struct sighting *at
) {
	uint32_t skip;
	enum ht_rc rc = ht_tls_second(g->bytes, f->flags & FLOW_EARLY_DATA, &skip);
	if (rc == HT_SKIP) {
		flow_decided(s, f, hello_of(s, f));
		return;
	}
	advance(g, skip);
	f->seq[side] += skip;
	if (g->bytes.len > 0)
		side_open(s, f, side, false, NULL, g, at);
}

static void
payload(struct ht_sensor *s,
	struct ht_flow *f,
	uint8_t side,
	struct segment *g,
	const struct sighting *at) {
	f->flags |= FLOW_GAVE_DATA;
	switch (f->dir[side]) {
	case DIR_NEW:
		f->seq[side] = g->seq;
		break;
	case DIR_OPEN:
		side_hold(s, f, hello_of(s, f), side, g, at);
		return;
	case DIR_DONE:
		return;
	default:
		break;
	}
	int32_t ahead = (int32_t)(g->seq - f->seq[side]);
	// Data that begins below what a SYN told, or far above, says that the SYN was not this
	// connection's: anybody can send one. The data counts. (The one byte of a keep-alive lies
	// below, too: RFC 9293 3.8.4.)
	bool keep_alive = ahead == -1 && g->bytes.len == 1;
	if (f->dir[side] == DIR_READY && !keep_alive
	    && (ahead < 0 || ahead > HT_STREAM_REBASE_MAX)) {
		f->dir[side] = DIR_NEW;
		f->seq[side] = g->seq;
		ahead = 0;
	}
	if (ahead < 0) { // seen before, or a keep-alive below the beginning
		uint32_t old = (uint32_t) - (int64_t)ahead;
		if (old >= g->bytes.len) {
			if (f->dir[side] == DIR_AGAIN && begins_like_hello(g))
				count(s, HT_CTR_REPEAT_HELLO);
			return;
		}
		advance(g, old);
		ahead = 0;
	}
	if (f->dir[side] != DIR_AGAIN)
		count(s, HT_CTR_STREAMS_BEGUN);
	if (ahead > 0) {
		side_open(s, f, side, false, NULL, g, at);
		return;
	}
	if (f->dir[side] != DIR_AGAIN && first_bytes(s, f, side, g, at))
		return;
	after_hello(s, f, side, g, at);
}

// --- SYN -----------------------------------------------------------------------------------------

// How far apart the beginning that a SYN tells and what was read may be for it to be the same
// connection.
#define SAME_CONNECTION 131072

// Whether a SYN that opens, on a side of which there was data, is another connection's though it
// may tell the same beginning: the one before has ended, or nothing came for longer than a mirror
// shows a frame twice, and a client that has sent data does not send its SYN again. But for one
// that had data in it: that is sent again as any SYN, without them at last (RFC 7413 4.2).
static bool syn_opens_anew(const struct ht_sensor *s, const struct ht_flow *f) {
	return (f->flags & FLOW_CLOSED) || (silent(s) && !(f->client & MARK_FAST_OPEN));
}

// A SYN says where its side begins. It may come late, again, or open a new connection on the same
// ports; a SYN-ACK never does that by itself.
static void
syn(struct ht_sensor *s,
    struct ht_flow *f,
    uint8_t side,
    uint32_t begin,
    bool opens,
    const struct sighting *at) {
	struct hello *h = hello_of(s, f);
	const bool anew = opens && syn_opens_anew(s, f);
	switch (f->dir[side]) {
	case DIR_NEW:
		break;
	case DIR_READY:
		if (f->seq[side] == begin && !(anew && (f->flags & FLOW_GAVE_DATA)))
			return;
		if (opens)
			flow_renew(s, f);
		break;
	case DIR_OPEN: {
		struct ht_stream *t = &h->tcp[side].stream;
		if (t->anchored && !anew && t->base - begin < SAME_CONNECTION) {
			if (opens)
				count(s, HT_CTR_REPEAT_SYN);
			return;
		}
		if (!t->anchored
		    && ht_stream_anchor(t, s->arena, begin, s->p.max_hello_bytes + HOLD_SLACK)) {
			side_anchored(s, f, h, side, at);
			return;
		}
		if (!opens)
			return;
		flow_renew(s, f);
		break;
	}
	default: // decided, or behind a first hello: f->seq is where it stood last
		if (!opens)
			return;
		if (!anew && f->seq[side] - begin < SAME_CONNECTION) {
			count(s, HT_CTR_REPEAT_SYN);
			return;
		}
		flow_renew(s, f);
		break;
	}
	f->seq[side] = begin;
	f->dir[side] = DIR_READY;
}

// --- another connection of which no SYN was seen -------------------------------------------------

// Whether data on a side that is decided, or gave its hello, begins another connection: a
// ClientHello where none is expected. Where the one that was told stood it is sent again: TCP does
// that for minutes where acknowledgements are lost. But for a connection that has ended, as flow
// records have it: unless the hello came again behind the end, as of a client that the RST does not
// reach; each pause of TCP's is twice the one before. Elsewhere it is another one, behind an end or
// a silence: the data of a connection that goes on may look like that, too, and a firewall that
// gives connections sequence numbers of its own is seen on both of its sides.
static bool
begins_another(struct ht_sensor *s, struct ht_flow *f, uint8_t side, const struct segment *g) {
	const uint8_t dir = f->dir[side];
	if ((dir != DIR_DONE && dir != DIR_AGAIN) || !begins_like_hello(g))
		return false;
	const uint32_t below = f->seq[side] - g->seq;
	const bool near = below + SAME_CONNECTION < 2 * SAME_CONNECTION;
	if (!near) {
		if (silent(s) || (f->flags & FLOW_CLOSED))
			return true;
		if (dir == DIR_AGAIN && (int32_t)below < 0) // payload() counts what lies below
			count(s, HT_CTR_REPEAT_HELLO);
		return false;
	}
	if (f->hellos == 0 || (dir == DIR_AGAIN && (int32_t)below <= 0))
		return false;
	if (tcp_ended(f)) {
		if (s->silence >= LINGER_TICKS && !(f->client & MARK_REPEATS))
			return true;
		if (silent(s))
			f->client |= MARK_REPEATS;
	}
	if (dir == DIR_DONE)
		count(s, HT_CTR_REPEAT_HELLO);
	return false;
}

static void note_marks(struct ht_flow *f, const struct ht_packet *p, uint8_t side) {
	const bool is_syn = p->tcp_flags & HT_TCP_SYN;
	if (is_syn && (p->tcp_flags & HT_TCP_ACK))
		f->client &= (uint8_t)~MARK_FAST_OPEN;
	else if (is_syn && p->payload.len > 0)
		f->client |= MARK_FAST_OPEN;
	if (p->tcp_flags & HT_TCP_FIN)
		f->client |= (uint8_t)(MARK_FIN << side);
	if (p->tcp_flags & HT_TCP_RST)
		f->client |= MARK_RST;
}

void tcp_packet(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	struct ht_flow *f,
	const struct sighting *at
) {
	const bool is_syn = p->tcp_flags & HT_TCP_SYN;
	if (f == NULL) {
		if (!is_syn && p->payload.len == 0)
			return; // the end of a connection nothing else was seen of
		f = flow_make(s, p, ref);
	}
	// What ended before anything else was seen of it is not what begins now.
	if (HT_UNLIKELY(
		    (f->flags & FLOW_CLOSED) && f->dir[0] == DIR_NEW && f->dir[1] == DIR_NEW
		    && (is_syn || p->payload.len > 0)
	    )) {
		f->flags &= (uint8_t)~FLOW_CLOSED;
		f->client = 0;
	}
	s->at = at;
	struct segment g = {p->tcp_seq + is_syn, p->payload, p->payload_wire_len > p->payload.len};
	// RFC 9293 3.4: the SYN takes a sequence number; data in it (RFC 7413) comes after.
	if (is_syn)
		syn(s, f, ref.side, p->tcp_seq + 1, !(p->tcp_flags & HT_TCP_ACK), at);
	else if (HT_UNLIKELY(begins_another(s, f, ref.side, &g)))
		flow_renew(s, f);
	const bool ends = p->tcp_flags & (HT_TCP_FIN | HT_TCP_RST);
	if (ends)
		f->flags |= FLOW_CLOSED;
	if (HT_UNLIKELY(ends || is_syn))
		note_marks(f, p, ref.side);
	if (f->flags & FLOW_DONE_TCP)
		return;
	if (p->payload.len > 0)
		payload(s, f, ref.side, &g, at);
	struct hello *h = hello_of(s, f);
	if (h == NULL || !h->talk)
		return;
	if (ends) {
		h->fin[ref.side] = true;
		h->fin_at[ref.side] = p->tcp_seq + is_syn + p->payload_wire_len;
	}
	talk_close(s, f, p->tcp_flags & HT_TCP_RST);
}

void tcp_end(struct ht_sensor *s, struct ht_flow *f, enum ht_ledger open, enum ht_incomplete why) {
	const struct hello *h = hello_of(s, f);
	if (h != NULL && h->talk) // both sides end with it
		side_give_up(s, f, hello_of(s, f), h->client, open, why);
	for (uint8_t side = 0; side < 2; side++)
		if (f->dir[side] == DIR_OPEN)
			side_give_up(s, f, hello_of(s, f), side, open, why);
}
