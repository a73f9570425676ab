// SPDX-License-Identifier: BSD-3-Clause
// Both sides of a connection that speaks a protocol with an upgrade, and what became of it. The
// client's side is held until its hello, as any side is; the server's is read as it comes and not
// kept, but for what stands behind a hole.

#include "sensor_tcp.h"

#define AHEAD_OF_SERVER 16384 // bytes held of the server's side behind a hole

static const struct ht_upgrade *client_of(const struct hello *h) {
	const struct tcp_side *t = &h->tcp[h->client];
	return t->open && t->role != ROLE_SERVER ? &t->upgrade : NULL;
}

static const struct ht_answers *server_of(const struct hello *h) {
	const struct tcp_side *t = &h->tcp[!h->client];
	return t->open && t->role == ROLE_SERVER ? &t->answers : NULL;
}

static void begin(struct ht_sensor *s, struct hello *h, uint8_t client) {
	if (h->talk)
		return;
	h->talk = true;
	h->client = client;
	count(s, HT_CTR_UPGRADES_BEGUN);
}

static void serve(struct ht_sensor *s, struct hello *h, struct tcp_side *t) {
	uint32_t prefix = ht_stream_prefix(&t->stream);
	if (prefix > 0) {
		struct ht_span fresh = HT_SPAN(t->stream.data.buf, prefix);
		size_t taken = ht_upgrade_answer(&t->answers, client_of(h), fresh);
		ht_stream_consume(&t->stream, s->arena, (uint32_t)taken);
	}
	if (t->answers.done)
		ht_stream_drop(&t->stream, s->arena);
}

bool talk_serves(const struct hello *h, uint8_t side) {
	return h->talk && h->client != side;
}

void talk_serve(struct ht_sensor *s, struct ht_flow *f, struct hello *h, uint8_t side) {
	struct tcp_side *t = &h->tcp[side];
	begin(s, h, !side);
	t->role = ROLE_SERVER;
	t->answers = (struct ht_answers){.port_hint = f->port[side]};
	serve(s, h, t);
}

void talk_client(struct ht_sensor *s, struct hello *h, uint8_t side) {
	if (ht_upgrade_is_client(&h->tcp[side].upgrade))
		begin(s, h, side);
}

void talk_hold(
	struct ht_sensor *s,
	struct hello *h,
	uint8_t side,
	const struct segment *g,
	const struct sighting *at
) {
	struct tcp_side *t = &h->tcp[side];
	struct segment left = *g;
	hello_touch(s, h, at);
	if (t->answers.done)
		return;
	if (t->stream.data.have.num == 0 && left.seq == t->stream.base) { // nearly always
		size_t taken = ht_upgrade_answer(&t->answers, client_of(h), left.bytes);
		t->stream.base += (uint32_t)taken;
		advance(&left, (uint32_t)taken);
		if (t->answers.done || left.bytes.len == 0)
			return;
	}
	enum ht_rc rc;
	do {
		rc = ht_stream_add(&t->stream, s->arena, left.seq, left.bytes, AHEAD_OF_SERVER);
	} while (rc == HT_FULL && hello_make_room(s, h));
	if (rc == HT_FULL || rc == HT_LIMIT || g->cut)
		t->answers.done = true; // what it says from here on is not known
	serve(s, h, t);
}

void talk_spend(struct ht_sensor *s, struct hello *h, uint8_t side) {
	struct tcp_side *t = &h->tcp[side];
	t->role = ROLE_SPENT;
	ht_stream_drop(&t->stream, s->arena);
}

// --- what became of it
// ---------------------------------------------------------------------------

// The place of a server in the memory of offers, and what stands there for it.
static uint64_t *
offer_of(struct ht_sensor *s, const struct ht_flow *f, uint8_t side, uint64_t *key) {
	struct {
		uint8_t addr[16];
		uint64_t port; // stored as it will be loaded
	} server = {.port = f->port[side]};
	memcpy(server.addr, f->addr[side], sizeof(server.addr));
	*key = keyed_hash(s, HT_SPAN(&server, sizeof(server)));
	return &s->offers[*key % HT_SENSOR_OFFERS];
}

// What could not be read as long as more of it might come: a single letter.
static void read_rest(struct ht_sensor *s, struct ht_flow *f, struct hello *h) {
	struct tcp_side *server = &h->tcp[!h->client];
	if (server->open && server->role == ROLE_OPEN && server->stream.anchored && !server->in_tls
	    && ht_stream_prefix(&server->stream) > 0 && !ht_upgrade_is_client(&server->upgrade))
		talk_serve(s, f, h, !h->client);
	else if (server_of(h) != NULL)
		serve(s, h, server);
}

static struct outcome
outcome_of(struct ht_sensor *s, struct ht_flow *f, struct hello *h, bool hello) {
	read_rest(s, f, h);
	const struct ht_upgrade *client = client_of(h);
	const struct ht_answers *server = server_of(h);
	uint64_t key;
	// Behind a proxy many servers have its address.
	const bool proxied = server != NULL && (server->said & HT_SAID_PROXIED);
	const uint64_t *offer = offer_of(s, f, !h->client, &key);
	const bool before = __atomic_load_n(offer, __ATOMIC_RELAXED) == key && !proxied;
	struct outcome o = {
		.told = h->told,
		.offered = server != NULL && (server->said & HT_SAID_OFFERED) && !proxied,
		.client = h->client,
		.said = client != NULL ? client->said : 0,
	};
	o.num_via = (uint8_t)ht_upgrade_names(o.via, client, server);
	o.known = ht_upgrade_verdict(&o.verdict, client, server, hello, before);
	return o;
}

struct outcome talk_hello(struct ht_sensor *s, struct ht_flow *f, struct hello *h, uint8_t side) {
	if (!h->talk || h->told)
		return (struct outcome){.told = true};
	struct outcome o = outcome_of(s, f, h, true);
	if (side != h->client) // whoever was taken for the client was not
		o = (struct outcome){.client = h->client, .offered = o.offered};
	h->told = true;
	return o;
}

static bool only_proxy_headers(const uint8_t *via, unsigned num) {
	for (unsigned i = 0; i < num; i++)
		if (via[i] != HT_VIA_PROXY_V1 && via[i] != HT_VIA_PROXY_V2)
			return false;
	return true;
}

void talk_tell(
	struct ht_sensor *s, struct ht_flow *f, const struct sighting *at, const struct outcome *o
) {
	if (o->told)
		return;
	if (o->offered) {
		uint64_t key, *offer = offer_of(s, f, !o->client, &key);
		__atomic_store_n(offer, key, __ATOMIC_RELAXED);
	}
	const bool asks_nobody = only_proxy_headers(o->via, o->num_via);
	const bool known = o->known && !asks_nobody;
	count(s, known ? HT_CTR_UPGRADE_COMPLETED + o->verdict.state : HT_CTR_UPGRADE_UNSAID);
	if (o->num_via > 0 && f->hellos == 0
	    && ht_service_always_tls(s->p.services, f->port[!o->client], f->proto))
		emit_not_tls(s, f, o->client, at, ht_via_name(o->via[o->num_via - 1]));
	if (known || (!asks_nobody && (o->said & (HT_SAID_LOGIN | HT_SAID_MAIL))))
		emit_upgrade(
			s, f, o->client, at, known ? &o->verdict : NULL, o->said, o->via, o->num_via
		);
}

// A side opposite the client that was not read as a server may be the client in truth: it goes on
// as any side does.
static bool ends_with_talk(const struct hello *h, uint8_t side) {
	const struct tcp_side *t = &h->tcp[side];
	return t->open && (side == h->client || t->role != ROLE_OPEN);
}

void talk_over(
	struct ht_sensor *s,
	struct ht_flow *f,
	struct hello *h,
	enum ht_ledger open,
	enum ht_incomplete why
) {
	const struct tcp_side *client = &h->tcp[h->client];
	const struct outcome outcome = outcome_of(s, f, h, client->open && client->begun);
	bool begun[2], stays = false;
	for (uint8_t side = 0; side < 2; side++) {
		begun[side] = ends_with_talk(h, side) && h->tcp[side].begun;
		if (begun[side])
			emit_begun(s, f, h, side, why);
	}
	talk_tell(s, f, &h->at, &outcome);
	h->told = true;
	for (uint8_t side = 0; side < 2; side++) {
		const struct tcp_side *t = &h->tcp[side];
		if (!ends_with_talk(h, side)) {
			stays |= t->open;
			continue;
		}
		stream_done(
			s, f, side,
			begun[side]		 ? HT_CTR_STREAM_HELLO
			: t->role == ROLE_SERVER ? HT_CTR_STREAM_SERVER
			: t->role == ROLE_SPENT	 ? HT_CTR_STREAM_PLAIN
						 : open
		);
	}
	if (!stays) {
		hello_put(s, h);
		return;
	}
	h->talk = h->told = false;
	close_side(s, h, h->client);
}

// A secret went out in clear, the server has answered it, and TLS was to be had, or its offer was
// taken out: whatever follows, that stays true, and somebody may wait for the word.
static void tell_decided(struct ht_sensor *s, struct ht_flow *f, struct hello *h) {
	if (h->told)
		return;
	const struct ht_upgrade *client = client_of(h);
	if (client == NULL || !(client->said & HT_SAID_LOGIN))
		return;
	const struct ht_answers *server = server_of(h);
	if (server == NULL || server->num <= client->login_at || server->num == h->weighed)
		return;
	h->weighed = server->num; // until the server says more there is nothing new to weigh
	const struct outcome o = outcome_of(s, f, h, false);
	if (o.known
	    && (o.verdict.state == HT_UPGRADE_STRIPPED
		|| o.verdict.state == HT_UPGRADE_PLAIN_CREDENTIALS)) {
		talk_tell(s, f, s->at, &o);
		h->told = true;
	}
}

// Whether all was seen that this side said until it ended.
static bool all_seen(const struct ht_flow *f, const struct hello *h, uint8_t side) {
	const struct tcp_side *t = &h->tcp[side];
	if (!t->open) // (where one begins of which nothing came is not known)
		return f->dir[side] == DIR_DONE
		       || (f->dir[side] == DIR_READY && f->seq[side] == h->fin_at[side]);
	if (t->role == ROLE_SPENT || (t->role == ROLE_SERVER && t->answers.done))
		return true;
	return t->stream.base + ht_stream_prefix(&t->stream) == h->fin_at[side];
}

// Whether TLS is the next to come from this side, or some of it came ahead of the rest. What the
// other side resets may still be on its way.
static bool hello_due(const struct tcp_side *t) {
	if (!t->open || t->role != ROLE_OPEN)
		return false;
	return !t->stream.anchored || t->in_tls || ht_stream_has_hole(&t->stream)
	       || (t->upgrade.num_via > 0 && ht_stream_prefix(&t->stream) <= t->tls_at);
}

void talk_close(struct ht_sensor *s, struct ht_flow *f, bool reset) {
	struct hello *h = hello_of(s, f);
	tell_decided(s, f, h);
	// Nothing that may follow would change the verdict.
	const bool exhausted = h->tcp[h->client].role == ROLE_SPENT && server_of(h) != NULL
			       && server_of(h)->done;
	if (!exhausted && !h->fin[0] && !h->fin[1])
		return;
	bool over[2];
	for (uint8_t side = 0; side < 2; side++) {
		over[side] = h->fin[side] && all_seen(f, h, side);
		if (!over[side] && hello_due(&h->tcp[side]))
			return;
	}
	if (!exhausted && (reset ? !over[0] && !over[1] : !over[0] || !over[1]))
		return;
	tcp_end(s, f, HT_CTR_STREAM_PLAIN, HT_INCOMPLETE_GAP);
	flow_decided(s, f, NULL);
}
