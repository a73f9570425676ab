// SPDX-License-Identifier: BSD-3-Clause
// TCP directions of which bytes are held: until a hello is whole, or it is clear that none comes.

#include "sensor_tcp.h"

// Of a direction whose beginning was not seen, so much is held in case an earlier segment comes
// late.
#define MID_STREAM_SEGMENTS 64
#define MID_STREAM_BYTES 16384

// Of a direction whose beginning is missing, so much is held behind the gap. A hello fits several
// times over; a bulk transfer ends it soon.
#define AHEAD_BYTES 32768

// Segments beyond what is held, before the direction is given up: one alone may be anybody's.
#define BEYOND_SEGMENTS 4

// A port that belongs to TLS, and something else on it. The client decides; of the server only what
// can be named.
static void look_for_tls(struct ht_sensor *s, struct ht_flow *f, uint8_t side, enum ht_ledger why) {
	static const char *const names[HT_NUM_SPEAKS] = {
#define X(id, name, help) #name,
		HT_SPEAKS_LIST(X)
#undef X
	};
	if (f->flags & FLOW_TOLD || why < HT_CTR_STREAM_UNKNOWN || why > HT_CTR_STREAM_SMB
	    || why == HT_CTR_STREAM_SERVER || why == HT_CTR_STREAM_PLAIN)
		return;
	const bool client = ht_service_always_tls(s->p.services, f->port[!side], f->proto);
	if (client
	    || (why != HT_CTR_STREAM_UNKNOWN
		&& ht_service_always_tls(s->p.services, f->port[side], f->proto)))
		emit_not_tls(
			s, f, client ? side : !side, s->at, names[why - HT_CTR_STREAM_UNKNOWN]
		);
}

void stream_done(struct ht_sensor *s, struct ht_flow *f, uint8_t side, enum ht_ledger why) {
	count(s, why);
	look_for_tls(s, f, side, why);
	f->dir[side] = DIR_DONE;
	if (f->dir[!side] == DIR_DONE) {
		f->flags |= FLOW_DONE_TCP;
		flow_state(s, f, HT_FLOW_DONE);
	}
}

void close_side(struct ht_sensor *s, struct hello *h, uint8_t side) {
	ht_stream_drop(&h->tcp[side].stream, s->arena);
	h->tcp[side].open = false;
	if (!h->tcp[!side].open)
		hello_put(s, h);
}

void flow_decided(struct ht_sensor *s, struct ht_flow *f, struct hello *h) {
	if (h != NULL)
		hello_put(s, h);
	f->dir[0] = f->dir[1] = DIR_DONE;
	f->flags |= FLOW_DONE_TCP;
	flow_state(s, f, HT_FLOW_DONE);
}

struct emission emission_of(
	const struct ht_flow *f,
	uint8_t side,
	const struct sighting *at,
	const struct ht_tls_message *m
) {
	// hello_len counts the 4-byte header (RFC 8446 4); an SSL 2.0 hello has none.
	return (struct emission){
		.flow = f,
		.client = side,
		.hello_number = f->hellos < UINT8_MAX ? f->hellos + 1 : UINT8_MAX,
		.at = at,
		.message = m,
		.hello_len = (uint32_t)m->body.len + (m->kind == HT_HELLO_SSL2 ? 0 : 4),
	};
}

void emit_begun(
	struct ht_sensor *s,
	struct ht_flow *f,
	struct hello *h,
	uint8_t side,
	enum ht_incomplete why
) {
	struct tcp_side *t = &h->tcp[side];
	struct ht_tls_message m;
	uint32_t declared = 0;
	if (!ht_tls_frame_partial(&t->framer, t->stream.data.buf, &m, &declared))
		m = (struct ht_tls_message){HT_SPAN_EMPTY, HT_HELLO_TLS, 1, 0};
	struct emission e = emission_of(f, side, &h->at, &m);
	e.hello_len = declared == 0 ? 0 : declared + (m.kind == HT_HELLO_SSL2 ? 0 : 4);
	e.segments = t->stream.segments - t->segments_before;
	e.upgrade = &t->upgrade;
	emit_incomplete(
		s, &e, incomplete_reason(why, t->cut, false, ht_stream_has_hole(&t->stream))
	);
	t->begun = false;
}

// The other side gave a whole hello: this one is the server's. A hello that it had begun all the
// same (both ends may be made to) will not be waited for.
void answered(struct ht_sensor *s, struct ht_flow *f, struct hello *h, uint8_t side) {
	if (h->tcp[side].begun) {
		emit_begun(s, f, h, side, HT_INCOMPLETE_GAP);
		count(s, HT_CTR_STREAM_HELLO);
	} else {
		count(s, h->tcp[side].role == ROLE_SERVER ? HT_CTR_STREAM_SERVER
							  : HT_CTR_STREAM_ANSWERED);
	}
	f->dir[side] = DIR_DONE;
	close_side(s, h, side);
}

// The number that flow.via keeps for what was spoken before TLS.
static uint8_t via_number(struct ht_sensor *s, const struct ht_upgrade *u) {
	struct via v = {.num = u->num_via};
	memcpy(v.via, u->via, u->num_via);
	for (unsigned i = 0; i < s->num_vias; i++)
		if (memcmp(&s->vias[i], &v, sizeof(v)) == 0)
			return (uint8_t)(i + 1);
	if (u->num_via == 0 || s->num_vias == HT_ARRAY_LEN(s->vias))
		return 0;
	s->vias[s->num_vias++] = v;
	return (uint8_t)s->num_vias;
}

void gave_hello(struct ht_sensor *s, struct ht_flow *f, uint8_t side, const struct ht_hello *v) {
	bool first = f->hellos == 0;
	if (f->hellos < UINT8_MAX)
		f->hellos++;
	if (v->seen & HT_SEEN_EARLY_DATA)
		f->flags |= FLOW_EARLY_DATA;
	else
		f->flags &= (uint8_t)~FLOW_EARLY_DATA;
	if (!first)
		return;
	count(s, HT_CTR_STREAM_HELLO);
	f->dir[!side] = DIR_DONE;
}

static void whole_hello(
	struct ht_sensor *s,
	struct ht_flow *f,
	struct hello *h,
	uint8_t side,
	const struct sighting *at,
	const struct ht_tls_message *m
) {
	struct tcp_side *t = &h->tcp[side];
	if (!t->begun)
		count(s, HT_CTR_HELLOS_BEGUN);
	t->begun = false;
	const struct outcome outcome = talk_hello(s, f, h, side);
	h->talk = false;
	const uint32_t answer = answer_tcp(
		s, f, h, side, t->stream.base + (uint32_t)m->stream_end, (uint32_t)m->stream_end
	);
	if (h->tcp[!side].open)
		answered(s, f, h, !side);
	struct emission e = emission_of(f, side, at, m);
	e.segments = t->stream.segments - t->segments_before;
	e.upgrade = &t->upgrade;
	const struct ht_hello *view = emit_hello(s, &e);
	if (t->upgrade.num_via > 0)
		f->via = via_number(s, &t->upgrade);
	gave_hello(s, f, side, view);
	answer_of(s, f, answer);
	talk_tell(s, f, at, &outcome);
}

// The beginning of a direction was lost, or a SYN that was not its own has told a wrong one, and it
// ends. A hello that stands right behind the gap is told all the same; one that only began is left
// as begun. Returns true when it was whole.
static bool look_behind_gap(struct ht_sensor *s, struct ht_flow *f, struct hello *h, uint8_t side) {
	struct tcp_side *t = &h->tcp[side];
	const struct ht_ranges *have = &t->stream.data.have;
	uint8_t *buf = t->stream.data.buf;
	struct ht_tls_message m;
	for (uint32_t i = 0; i < have->num; i++) {
		uint32_t lo = have->r[i].lo, hi = have->r[i].hi;
		if (ht_tls_start(HT_SPAN(buf + lo, hi - lo)) != HT_TLS_RECORD)
			continue;
		t->framer = (struct ht_tls_framer){.pos = lo, .begin = lo};
		enum ht_rc rc = ht_tls_frame(&t->framer, buf, hi, &m);
		if (rc == HT_OK) {
			whole_hello(s, f, h, side, &h->at, &m);
			return true;
		}
		if (rc == HT_MORE && ht_tls_frame_begun(&t->framer, buf)) {
			t->begun = true;
			count(s, HT_CTR_HELLOS_BEGUN);
			return false;
		}
	}
	return false;
}

// OpenVPN's packets end, perhaps inside of one: what is there of it may begin a hello. Returns true
// when it was whole.
static bool look_in_part(struct ht_sensor *s, struct ht_flow *f, struct hello *h, uint8_t side) {
	struct tcp_side *t = &h->tcp[side];
	uint8_t *buf = t->stream.data.buf;
	struct ht_tls_message m;
	(void)!ht_openvpn_unframe(&t->openvpn, buf, ht_stream_prefix(&t->stream), true);
	enum ht_rc rc = ht_tls_frame(&t->framer, buf, t->openvpn.end, &m);
	if (rc == HT_OK) {
		whole_hello(s, f, h, side, &h->at, &m);
		return true;
	}
	if (rc == HT_MORE && !t->begun && ht_tls_frame_begun(&t->framer, buf)) {
		t->begun = true;
		count(s, HT_CTR_HELLOS_BEGUN);
	}
	return false;
}

void side_give_up(
	struct ht_sensor *s,
	struct ht_flow *f,
	struct hello *h,
	uint8_t side,
	enum ht_ledger open,
	enum ht_incomplete why
) {
	struct tcp_side *t = &h->tcp[side];
	bool second = t->framer.second;
	bool may_hold = t->open && t->role == ROLE_OPEN && !second;
	bool lost = !t->in_tls && ht_stream_prefix(&t->stream) == 0;
	if (may_hold
	    && ((lost && look_behind_gap(s, f, h, side))
		|| (t->in_openvpn && look_in_part(s, f, h, side)))) {
		flow_decided(s, f, h);
		return;
	}
	// The client's side is what a talk waits for; without the other one it knows less.
	if (h->talk && side == h->client) {
		talk_over(s, f, h, open, why);
		return;
	}
	bool begun = t->begun;
	if (begun)
		emit_begun(s, f, h, side, why);
	if (second) {
		flow_decided(s, f, h);
		return;
	}
	close_side(s, h, side);
	stream_done(s, f, side, begun ? HT_CTR_STREAM_HELLO : open);
}

// Nothing is known yet of what the held bytes are.
static void begin_anew(const struct ht_flow *f, struct tcp_side *t, uint8_t side) {
	t->in_tls = false;
	t->in_openvpn = false;
	t->no_tls = false;
	t->tls_at = 0;
	t->segments_before = 0;
	t->upgrade = (struct ht_upgrade){.port_hint = f->port[!side]};
}

enum step { STEP_AGAIN, STEP_WAIT, STEP_GONE };

// A direction whose beginning was not seen, and that does not begin with a hello: it may be the
// middle of one whose first segment comes late. So much of it is held, and looked at again when it
// does.
static enum step mid_stream(struct ht_sensor *s, struct ht_flow *f, struct hello *h, uint8_t side) {
	struct tcp_side *t = &h->tcp[side];
	if (t->stream.segments >= MID_STREAM_SEGMENTS
	    || ht_ranges_end(&t->stream.data.have) >= MID_STREAM_BYTES) {
		side_give_up(s, f, h, side, HT_CTR_STREAM_MID_STREAM, HT_INCOMPLETE_GAP);
		return STEP_GONE;
	}
	begin_anew(f, t, side);
	return STEP_WAIT;
}

// TLS, or what looks like it, begins at t->tls_at.
static enum step step_tls(
	struct ht_sensor *s,
	struct ht_flow *f,
	struct hello *h,
	uint8_t side,
	const struct sighting *at,
	uint32_t prefix
) {
	struct tcp_side *t = &h->tcp[side];
	uint8_t *buf = t->stream.data.buf;
	struct ht_tls_message m;
	enum ht_rc rc = ht_tls_frame(&t->framer, buf, prefix, &m);
	if (rc != HT_OK && !t->begun && ht_tls_frame_begun(&t->framer, buf)) {
		t->begun = true;
		t->stream.anchored = true;
		count(s, HT_CTR_HELLOS_BEGUN);
	}
	if ((rc == HT_SKIP || rc == HT_BAD) && !t->stream.anchored)
		return mid_stream(s, f, h, side);
	switch (rc) {
	case HT_OK: {
		// Its bytes are folded together: nothing goes before them now.
		t->stream.anchored = true;
		whole_hello(s, f, h, side, at, &m);
		// What is carried in frames has no sequence numbers to find it by later.
		bool more = ht_ranges_end(&t->stream.data.have) > m.stream_end
			    || t->upgrade.framing != HT_FRAMING_NONE;
		if (more) {
			t->framer = (struct ht_tls_framer){
				.pos = m.stream_end,
				.begin = m.stream_end,
				.second = true,
				.early_data = f->flags & FLOW_EARLY_DATA,
			};
			t->segments_before = t->stream.segments - 1;
			return STEP_AGAIN;
		}
		f->seq[side] = t->stream.base + m.stream_end;
		f->dir[side] = DIR_AGAIN;
		close_side(s, h, side);
		flow_state(s, f, HT_FLOW_DONE); // to give up first when the table is full
		return STEP_GONE;
	}
	case HT_MORE: {
		uint32_t declared;
		if (!t->begun || !ht_tls_frame_partial(&t->framer, buf, &m, &declared))
			return STEP_WAIT;
		// Bytes that are not in the capture, or more than will be kept: waiting is no use.
		bool too_long = declared > s->p.max_hello_bytes;
		if (!t->cut && !too_long)
			return STEP_WAIT;
		side_give_up(
			s, f, h, side, HT_CTR_STREAM_HELLO,
			too_long ? HT_INCOMPLETE_LIMIT : HT_INCOMPLETE_SNAPLEN
		);
		return STEP_GONE;
	}
	case HT_SKIP:
		side_give_up(s, f, h, side, HT_CTR_STREAM_TLS_OTHER, HT_INCOMPLETE_MALFORMED);
		return STEP_GONE;
	default:
		side_give_up(s, f, h, side, HT_CTR_STREAM_UNKNOWN, HT_INCOMPLETE_MALFORMED);
		return STEP_GONE;
	}
}

// OpenVPN's control channel begins at t->tls_at: TLS is in its packets.
static enum step step_openvpn(
	struct ht_sensor *s, struct ht_flow *f, struct hello *h, uint8_t side, uint32_t prefix
) {
	struct tcp_side *t = &h->tcp[side];
	struct ht_upgrade *u = &t->upgrade;
	t->openvpn = (struct ht_openvpn_stream){.pos = t->tls_at, .end = t->tls_at};
	enum ht_rc rc = ht_openvpn_unframe(&t->openvpn, t->stream.data.buf, prefix, false);
	if (rc == HT_MORE && t->openvpn.next > 0) {
		t->in_openvpn = t->in_tls = t->stream.anchored = true;
		t->framer = (struct ht_tls_framer){.pos = t->tls_at, .begin = t->tls_at};
		if (u->num_via < HT_VIA_MAX)
			u->via[u->num_via++] = HT_VIA_OPENVPN;
		return STEP_AGAIN;
	}
	if (!t->stream.anchored)
		return mid_stream(s, f, h, side);
	if (rc == HT_MORE)
		return STEP_WAIT;
	const bool client = ht_openvpn_client_begins(t->stream.data.buf[t->tls_at + 2]);
	if (rc == HT_SKIP && client)
		emit_encrypted(s, f, side, s->at);
	side_give_up(s, f, h, side, HT_CTR_STREAM_OPENVPN, HT_INCOMPLETE_MALFORMED);
	return STEP_GONE;
}

// Nothing says yet that TLS begins at t->tls_at.
static enum step
step_start(struct ht_sensor *s, struct ht_flow *f, struct hello *h, uint8_t side, uint32_t prefix) {
	struct tcp_side *t = &h->tcp[side];
	const uint8_t *buf = t->stream.data.buf;
	const struct ht_span here = HT_SPAN(buf + t->tls_at, prefix - t->tls_at);
	switch (t->no_tls ? HT_TLS_NO : ht_tls_start(here)) {
	case HT_TLS_PERHAPS:
		return STEP_WAIT;
	case HT_TLS_RECORD:
	case HT_TLS_SSL2:
		t->in_tls = true;
		t->framer = (struct ht_tls_framer){.pos = t->tls_at, .begin = t->tls_at};
		if (t->tls_at > 0) // the record counts the hello's own
			t->segments_before = t->stream.segments - 1;
		return STEP_AGAIN;
	case HT_TLS_NO:
		t->no_tls = true;
		break;
	}
	switch (ht_upgrade_scan(&t->upgrade, HT_SPAN(buf, prefix))) {
	case HT_OK:
		talk_client(s, h, side);
		t->tls_at = t->upgrade.offset;
		t->no_tls = false;
		return STEP_AGAIN;
	case HT_MORE:
		talk_client(s, h, side);
		return STEP_WAIT;
	default:
		break;
	}
	if (t->upgrade.speaks == HT_SPEAKS_OPENVPN)
		return step_openvpn(s, f, h, side, prefix);
	if (!t->stream.anchored)
		return mid_stream(s, f, h, side);
	if (t->upgrade.speaks == HT_SPEAKS_SERVER || talk_serves(h, side)) {
		talk_serve(s, f, h, side);
		return STEP_WAIT;
	}
	talk_client(s, h, side);
	if (h->talk && h->client == side) {
		talk_spend(s, h, side);
		return STEP_WAIT;
	}
	side_give_up(
		s, f, h, side, HT_CTR_STREAM_UNKNOWN + t->upgrade.speaks, HT_INCOMPLETE_MALFORMED
	);
	return STEP_GONE;
}

// Where the TLS bytes end that are there, which are taken out of OpenVPN's packets. False: there
// will be no more of them, and the side is gone.
static bool openvpn_prefix(
	struct ht_sensor *s, struct ht_flow *f, struct hello *h, uint8_t side, uint32_t *prefix
) {
	struct tcp_side *t = &h->tcp[side];
	enum ht_rc rc = ht_openvpn_unframe(&t->openvpn, t->stream.data.buf, *prefix, false);
	if (t->openvpn.end == t->tls_at && t->openvpn.pos == *prefix)
		t->segments_before = t->stream.segments; // nothing of the hello was in them
	*prefix = t->openvpn.end;
	if (rc == HT_MORE)
		return true;
	side_give_up(s, f, h, side, HT_CTR_STREAM_OPENVPN, HT_INCOMPLETE_MALFORMED);
	return false;
}

static uint32_t bytes_held(const struct ht_stream *s) {
	uint32_t bytes = 0;
	for (uint32_t i = 0; i < s->data.have.num; i++)
		bytes += s->data.have.r[i].hi - s->data.have.r[i].lo;
	return bytes;
}

// Looks at what is there in order. Each turn moves on in the stream or ends. Returns true when the
// side waits for more, false when it is decided and gone.
static bool
look(struct ht_sensor *s,
     struct ht_flow *f,
     struct hello *h,
     uint8_t side,
     const struct sighting *at) {
	struct tcp_side *t = &h->tcp[side];
	for (;;) {
		uint32_t prefix = ht_stream_prefix(&t->stream);
		enum ht_rc carried = HT_OK;
		if (t->upgrade.framing != HT_FRAMING_NONE) {
			const uint32_t raw = prefix;
			carried = ht_upgrade_unwrap(&t->upgrade, t->stream.data.buf, &prefix);
			// Bytes moved together in place: nothing goes before them now.
			t->stream.anchored |= prefix != raw;
		}
		if (!t->in_tls && prefix <= t->tls_at) {
			if (carried == HT_OK && bytes_held(&t->stream) <= prefix + AHEAD_BYTES)
				return true;
			side_give_up(
				s, f, h, side,
				carried == HT_OK ? HT_CTR_STREAM_GAP : HT_CTR_STREAM_UNKNOWN,
				HT_INCOMPLETE_GAP
			);
			return false;
		}
		if (t->in_openvpn && !openvpn_prefix(s, f, h, side, &prefix))
			return false;
		enum step step = t->in_tls ? step_tls(s, f, h, side, at, prefix)
					   : step_start(s, f, h, side, prefix);
		if (step == STEP_WAIT && carried == HT_BAD && t->role == ROLE_OPEN) {
			side_give_up(s, f, h, side, HT_CTR_STREAM_UNKNOWN, HT_INCOMPLETE_MALFORMED);
			return false;
		}
		if (step != STEP_AGAIN)
			return step == STEP_WAIT;
	}
}

// Whether TLS in this segment is the beginning of a direction of which nothing better is known:
// right behind a keep-alive probe, which is one byte of no meaning below the next one (RFC
// 9293 3.8.4), or far from the stray bytes that are held.
static bool begins_here(const struct tcp_side *t, const struct segment *g) {
	const struct ht_assembly *d = &t->stream.data;
	if (t->stream.anchored || t->in_tls || d->have.num == 0
	    || ht_tls_start(g->bytes) != HT_TLS_RECORD)
		return false;
	int32_t at = (int32_t)(g->seq - t->stream.base);
	bool keep_alive = at == 1 && ht_ranges_end(&d->have) == 1 && d->buf[0] == 0;
	return keep_alive || at > HT_STREAM_REBASE_MAX || at < -HT_STREAM_REBASE_MAX;
}

void side_hold(
	struct ht_sensor *s,
	struct ht_flow *f,
	struct hello *h,
	uint8_t side,
	const struct segment *g,
	const struct sighting *at
) {
	struct tcp_side *t = &h->tcp[side];
	if (t->role == ROLE_SERVER)
		talk_hold(s, h, side, g, at);
	if (t->role != ROLE_OPEN)
		return;
	const uint32_t base = t->stream.base, max = s->p.max_hello_bytes + HOLD_SLACK;
	enum ht_rc rc;
	if (begins_here(t, g)) {
		ht_stream_drop(&t->stream, s->arena);
		t->stream.base = g->seq;
	}
	t->cut |= g->cut;
	while ((rc = ht_stream_add(&t->stream, s->arena, g->seq, g->bytes, max)) == HT_FULL) {
		if (!hello_make_room(s, h)) {
			side_give_up(s, f, h, side, HT_CTR_STREAM_EVICTED, HT_INCOMPLETE_EVICTED);
			return;
		}
	}
	if (rc == HT_SKIP && !g->cut)
		return;
	hello_touch(s, h, at);
	if (t->stream.base != base) // another beginning
		begin_anew(f, t, side);
	bool beyond = rc == HT_LIMIT && g->seq - t->stream.base >= max;
	if (beyond && t->beyond < BEYOND_SEGMENTS) {
		t->beyond++; // a stray segment, which the receiver drops as out of its window
		return;
	}
	if (rc == HT_LIMIT) {
		// Behind a hole that long the missing bytes are lost; without one it is the cap.
		bool lost = beyond && ht_stream_has_hole(&t->stream);
		side_give_up(
			s, f, h, side, HT_CTR_STREAM_LIMIT,
			lost ? HT_INCOMPLETE_GAP : HT_INCOMPLETE_LIMIT
		);
		return;
	}
	if (look(s, f, h, side, at) && ht_stream_prefix(&t->stream) >= max)
		side_give_up(s, f, h, side, HT_CTR_STREAM_LIMIT, HT_INCOMPLETE_LIMIT);
}

void side_open(
	struct ht_sensor *s,
	struct ht_flow *f,
	uint8_t side,
	bool serves,
	const struct ht_upgrade *scanned,
	const struct segment *g,
	const struct sighting *at
) {
	struct hello *h = hello_of(s, f);
	if (h == NULL)
		h = hello_get(s, f, HELLO_TCP);
	struct tcp_side *t = &h->tcp[side];
	side_clear(t);
	t->open = true;
	t->stream.base = f->seq[side];
	t->stream.anchored = f->dir[side] != DIR_NEW;
	begin_anew(f, t, side);
	if (scanned != NULL)
		t->upgrade = *scanned;
	if (f->dir[side] == DIR_AGAIN) {
		t->in_tls = true;
		t->framer.second = true;
		t->framer.early_data = f->flags & FLOW_EARLY_DATA;
	}
	f->dir[side] = DIR_OPEN;
	if (serves)
		talk_serve(s, f, h, side);
	side_hold(s, f, h, side, g, at);
}

void side_anchored(
	struct ht_sensor *s,
	struct ht_flow *f,
	struct hello *h,
	uint8_t side,
	const struct sighting *at
) {
	begin_anew(f, &h->tcp[side], side);
	look(s, f, h, side, at);
}
