// SPDX-License-Identifier: BSD-3-Clause
// The client's Initials of one connection: which keys, and opening them.

#include "quic_int.h"

#include <stdlib.h>

// RFC 9000 14.1: a client pads every datagram with an Initial to this, and a server discards
// smaller ones. All first Initials in public captures obey.
#define MIN_DATAGRAM 1200

struct ht_quic *ht_quic_new(const struct ht_quic_params *p) {
	struct ht_quic *q = calloc(1, sizeof(*q));
	if (q == NULL)
		return NULL;
	q->crypto = p->crypto;
	q->arena = p->arena;
	q->max_bytes = p->max_bytes;
	for (int i = 0; i < HT_QUIC_NUM_SALTS; i++) {
		const struct ht_quic_salt_def *d = &ht_quic_salts[i];
		q->salts[i] = ht_initial_salt_new(q->crypto, d->salt, d->labels);
		if (q->salts[i] == NULL) {
			ht_quic_free(q);
			return NULL;
		}
	}
	return q;
}

void ht_quic_free(struct ht_quic *q) {
	if (q == NULL)
		return;
	for (int i = 0; i < HT_QUIC_NUM_SALTS; i++)
		ht_initial_salt_free(q->salts[i]);
	free(q);
}

// The keys of one attempt, and what an opened packet holds.
struct attempt {
	uint32_t version;
	struct ht_span cid; // the keys come from it
	struct ht_initial_keys keys;
	uint32_t pn;
	struct ht_span payload; // in the scratch
};

// RFC 9000 17.1: before an acknowledgement the whole packet number is sent, and an Initial comes
// before one or soon after, so the number needs no reconstruction.
bool ht_quic_open(
	struct ht_quic *q,
	struct ht_span *payload,
	uint32_t *pn,
	const struct ht_quic_packet *p,
	const struct ht_initial_keys *keys
) {
	struct ht_initial_opened o;
	if (p->whole.len > HT_QUIC_MAX_DATAGRAM
	    || !ht_initial_open(q->crypto, q->scratch, &o, keys, p->whole, p->pn_offset))
		return false;
	*pn = o.pn;
	*payload = HT_SPAN(q->scratch + o.header_len, o.payload_len);
	return true;
}

static bool unprotect(struct ht_quic *q, struct attempt *a, const struct ht_quic_packet *p) {
	return ht_quic_open(q, &a->payload, &a->pn, p, &a->keys);
}

static bool try_derived(
	struct ht_quic *q, struct attempt *a, const struct ht_quic_packet *p, struct ht_span cid
) {
	a->version = p->version;
	a->cid = cid;
	const struct ht_initial_salt *salt = q->salts[p->version_info->salt];
	ht_initial_derive(q->crypto, &a->keys, salt, HT_INITIAL_CLIENT, cid);
	return unprotect(q, a, p);
}

// try_flow tries the keys the connection has. In another version the same connection id gives other
// keys: compatible version negotiation (RFC 9368 2.3, RFC 9369 4).
static bool try_flow(
	struct ht_quic *q,
	struct attempt *a,
	const struct ht_quic_conn *c,
	const struct ht_quic_packet *p
) {
	struct ht_span cid = HT_SPAN(c->key_cid, c->key_cid_len);
	if (p->version != c->key_version)
		return try_derived(q, a, p, cid);
	a->version = p->version;
	a->cid = cid;
	a->keys = c->keys;
	return unprotect(q, a, p);
}

// What an Initial opened by keys of its own connection id is to a connection that has keys already.
enum beginning {
	SAME, // of it, nothing changes
	RETRIED, // after a Retry: its keys from now on
	STALE, // of it, from before a Retry: the hello in it comes again
	OTHER, // another connection
};

// open_initial finds the keys of a client Initial. RFC 9001 5.2: they come from the Destination
// Connection ID of the client's first Initial and stay when the client switches to the id the
// server chose; only a Retry (RFC 9000 17.2.5.3) changes them, to the id in it. At most two
// attempts; the tag decides.
static bool open_initial(
	struct ht_quic *q,
	struct attempt *a,
	enum beginning *how,
	const struct ht_quic_conn *c,
	const struct ht_quic_packet *p
) {
	*how = SAME;
	if (c->key_version == 0) {
		// RFC 9000 7.2: the id of a first Initial has 8 bytes or more; that of one after a
		// Retry may have any length, and such an Initial has a token (17.2.5.3).
		if (p->dcid.len < 8 && p->token.len == 0)
			return false;
		return try_derived(q, a, p, p->dcid);
	}
	bool same_id = ht_quic_is_cid(c->key_cid, c->key_cid_len, p->dcid);
	if (same_id && p->version == c->key_version)
		return try_flow(q, a, c, p);
	bool first_id = ht_quic_is_cid(c->odcid, c->odcid_len, p->dcid);
	if (same_id) {
		// By the time a compatible version is negotiated the client has the server's id, so
		// in another version with the first id the client starts over (RFC 9000 6.2).
		if (!try_derived(q, a, p, p->dcid))
			return false;
		bool late = p->version == c->first_version;
		bool same_as_server = c->server_cid_known
				      && ht_quic_is_cid(c->server_cid, c->server_cid_len, p->dcid);
		*how = late || same_as_server ? SAME : OTHER;
		return true;
	}
	if (first_id && c->retried && p->version == c->first_version) {
		*how = STALE;
		return try_derived(q, a, p, p->dcid);
	}

	bool retry_id
		= c->retry_cid_known && ht_quic_is_cid(c->retry_cid, c->retry_cid_len, p->dcid);
	bool server_id
		= c->server_cid_known && ht_quic_is_cid(c->server_cid, c->server_cid_len, p->dcid);
	// A Retry that was not seen, on a mirror with one side: its token is new.
	bool new_token
		= p->token.len > 0
		  && (p->token.len != c->token_len || ht_quic_hash(p->token) != c->token_hash);
	bool own_first = retry_id || (new_token && !server_id);
	if (!own_first && try_flow(q, a, c, p))
		return true;
	if (try_derived(q, a, p, p->dcid)) {
		// After a Retry the client keeps its Source Connection ID, which the first flight
		// names again (RFC 9000 7.3), and goes on counting packets (17.2.5.3).
		bool retried = retry_id
			       || (new_token && ht_quic_is_cid(c->scid, c->scid_len, p->scid)
				   && a->pn > c->largest_pn && !c->version_negotiated);
		*how = retried ? RETRIED : OTHER;
		return true;
	}
	return own_first && try_flow(q, a, c, p);
}

// A TLS handshake message names its length in bytes 1 to 3 (RFC 8446 4), a gQUIC one in its table.
static bool have_message(const struct ht_quic_conn *c, bool google) {
	uint32_t n = ht_ranges_prefix(&c->crypto.have);
	if (google) {
		struct ht_gquic_hello h;
		return n > 0 && ht_gquic_message(&h, HT_SPAN(c->crypto.buf, n)) == HT_OK;
	}
	return n >= 4 && n - 4 >= ht_be24(c->crypto.buf + 1);
}

// keep writes to the connection what an opened Initial proved.
static void
keep(struct ht_quic *q,
     struct ht_quic_conn *c,
     const struct ht_quic_packet *p,
     const struct attempt *a,
     enum beginning how) {
	bool first = c->key_version == 0;
	if (first) {
		ht_quic_set_cid(c->odcid, &c->odcid_len, p->dcid);
		ht_quic_set_cid(c->scid, &c->scid_len, p->scid);
		c->first_version = p->version;
		c->token_len = (uint32_t)p->token.len;
		c->token_hash = ht_quic_hash(p->token);
	}
	if (first || how == RETRIED) {
		c->server_cid_known = false;
		c->retry_cid_known = false;
	} else if (!c->server_cid_known && !ht_quic_is_cid(c->key_cid, c->key_cid_len, p->dcid)) {
		// The server was not seen; the client has taken its id.
		ht_quic_set_cid(c->server_cid, &c->server_cid_len, p->dcid);
		c->server_cid_known = true;
	}
	if (how == RETRIED) {
		c->retried = true;
		// RFC 9000 17.2.5.3: the same hello comes again, from offset 0. Should it be
		// another one after all (seen in captures), ht_quic_crypto() will tell by how it
		// begins.
		if (c->crypto_base > 0)
			c->expect_repeat = true;
		else if (!have_message(c, p->version_info->google_frames))
			ht_quic_restart(c, q->arena);
	}
	if (first || a->pn > c->largest_pn)
		c->largest_pn = a->pn;
	if (a->version != c->key_version || how == RETRIED) {
		// `a->cid` may be c->key_cid itself.
		uint8_t cid[HT_QUIC_CID_MAX];
		uint8_t len;
		ht_quic_set_cid(cid, &len, a->cid);
		ht_quic_set_cid(c->key_cid, &c->key_cid_len, HT_SPAN(cid, len));
		c->keys = a->keys;
		c->key_version = a->version;
	}
}

static enum ht_quic_rc take_initial(
	struct ht_quic *q, struct ht_quic_conn *c, const struct ht_quic_packet *p, bool may_begin
) {
	struct attempt a;
	enum beginning how;
	if ((c->key_version == 0 && !may_begin) || !open_initial(q, &a, &how, c, p)) {
		if (c->undecryptable < UINT16_MAX)
			c->undecryptable++;
		return HT_QUIC_NO_KEY;
	}
	if (how == OTHER)
		return HT_QUIC_NEW;
	if (how == STALE) {
		c->repeated = true;
		return HT_QUIC_MORE;
	}
	keep(q, c, p, &a, how);

	struct ht_quic_sink s
		= {.conn = c, .crypto = &c->crypto, .arena = q->arena, .max_bytes = q->max_bytes};
	enum ht_quic_rc rc = p->version_info->google_frames ? ht_gquic_frames(&s, a.payload)
							    : ht_quic_frames(&s, a.payload);
	if (s.new_bytes) {
		c->version = p->version;
		if (c->packets < UINT16_MAX)
			c->packets++;
	}
	return rc;
}

enum ht_quic_rc ht_quic_client(struct ht_quic *q, struct ht_quic_conn *c, struct ht_span datagram) {
	struct ht_reader r = ht_reader(datagram);
	struct ht_quic_packet p;
	struct ht_span dcid = HT_SPAN_EMPTY;
	enum ht_quic_rc rc = HT_QUIC_MORE;
	bool any = false, opened = false;
	// Each turn takes 7 bytes or more. What cannot be read as a packet ends the walk and spoils
	// nothing: zeros to fill the datagram, a short header, a tail that means something else.
	for (enum ht_rc next; (next = ht_quic_next(&p, &r)) != HT_BAD;) {
		if (next == HT_SKIP)
			continue;
		// RFC 9000 12.2: packets of one datagram have one Destination Connection ID.
		if (any && !ht_span_eq(dcid, p.dcid))
			continue;
		any = true;
		dcid = p.dcid;
		if (p.type != HT_TYPE_INITIAL)
			continue; // 0-RTT and Handshake have keys that are secret
		enum ht_quic_rc got = take_initial(q, c, &p, datagram.len >= MIN_DATAGRAM);
		if (got == HT_QUIC_NEW) {
			if (!opened)
				return got;
			continue; // one datagram is not of two connections
		}
		if (got == HT_QUIC_NO_KEY) {
			if (!opened)
				rc = got;
			continue;
		}
		if (!opened || rc == HT_QUIC_MORE)
			rc = got;
		opened = true;
	}
	return any ? rc
		   : HT_QUIC_NO_KEY; // not one whole packet: cut short, or no version known here
}

// The hash by which a hello that comes again after a Retry is told from another one.
static uint32_t hash_hello(const struct ht_quic_conn *c) {
	const struct ht_assembly *s = &c->crypto;
	bool there = c->crypto_base == 0 && ht_ranges_prefix(&s->have) >= HT_QUIC_BEGINNING;
	return there ? ht_quic_hash(HT_SPAN(s->buf, HT_QUIC_BEGINNING)) : c->hello_hash;
}

void ht_quic_consume(struct ht_quic *q, struct ht_quic_conn *c, uint32_t n) {
	struct ht_assembly *s = &c->crypto;
	uint32_t end = ht_ranges_end(&s->have);
	if (n == 0)
		return;
	c->hello_hash = hash_hello(c);
	c->crypto_base = n > UINT32_MAX - c->crypto_base ? UINT32_MAX : c->crypto_base + n;
	c->packets = 0;
	if (n >= end) {
		ht_assembly_drop(s, q->arena);
		return;
	}
	struct ht_ranges old = s->have;
	s->have.num = 0;
	for (uint32_t i = 0; i < old.num; i++) {
		if (old.r[i].hi <= n)
			continue;
		uint32_t lo = old.r[i].lo > n ? old.r[i].lo - n : 0;
		s->have.r[s->have.num++] = (struct ht_range){lo, old.r[i].hi - n};
	}
	memmove(s->buf, s->buf + n, end - n);
}

void ht_quic_leave(struct ht_quic_past *out, const struct ht_quic_conn *c, uint32_t len) {
	out->version = c->key_version;
	out->first_version = c->first_version;
	out->consumed = len > UINT32_MAX - c->crypto_base ? UINT32_MAX : c->crypto_base + len;
	out->hello_hash = hash_hello(c);
	out->token_hash = c->token_hash;
	out->token_len = c->token_len;
	out->largest_pn = c->largest_pn;
	out->retried = c->retried;
	ht_quic_set_cid(out->odcid, &out->odcid_len, HT_SPAN(c->odcid, c->odcid_len));
	ht_quic_set_cid(out->scid, &out->scid_len, HT_SPAN(c->scid, c->scid_len));
	ht_quic_set_cid(out->key_cid, &out->key_cid_len, HT_SPAN(c->key_cid, c->key_cid_len));
}

void ht_quic_resume(struct ht_quic *q, struct ht_quic_conn *c, const struct ht_quic_past *p) {
	const struct ht_quic_version *v = ht_quic_version_find(p->version);
	if (v == NULL)
		return;
	ht_quic_set_cid(c->odcid, &c->odcid_len, HT_SPAN(p->odcid, p->odcid_len));
	ht_quic_set_cid(c->scid, &c->scid_len, HT_SPAN(p->scid, p->scid_len));
	ht_quic_set_cid(c->key_cid, &c->key_cid_len, HT_SPAN(p->key_cid, p->key_cid_len));
	c->version = p->version;
	c->key_version = p->version;
	c->first_version = p->first_version;
	c->hello_hash = p->hello_hash;
	c->token_hash = p->token_hash;
	c->token_len = p->token_len;
	c->largest_pn = p->largest_pn;
	c->retried = p->retried;
	c->crypto_base = p->consumed;
	struct ht_span cid = HT_SPAN(c->key_cid, c->key_cid_len);
	ht_initial_derive(q->crypto, &c->keys, q->salts[v->salt], HT_INITIAL_CLIENT, cid);
}

void ht_quic_drop(struct ht_quic *q, struct ht_quic_conn *c) {
	ht_assembly_drop(&c->crypto, q->arena);
	memset(c, 0, offsetof(struct ht_quic_conn, crypto));
}
