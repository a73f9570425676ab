// SPDX-License-Identifier: BSD-3-Clause
// What the server's datagrams tell: about the client's keys, and of the server's own handshake.

#include "quic_int.h"

bool ht_quic_retry_is_right(
	struct ht_quic *q,
	struct ht_span odcid,
	const struct ht_quic_packet *p,
	struct ht_span *token
) {
	uint8_t kind = p->version_info->retry;
	struct ht_reader r = ht_reader(p->whole);
	struct ht_span body;
	// RFC 9000 17.2.5: the token is all that stands between the ids and the tag.
	const size_t ids = 1 + 4 + 1 + p->dcid.len + 1 + p->scid.len;
	if (kind == HT_RETRY_UNKNOWN || !ht_skip(&r, ids))
		return false;
	if (kind == HT_RETRY_ODCID) {
		// draft-ietf-quic-transport-22 17.2.5: behind the connection ids, no tag yet.
		struct ht_reader id;
		if (!ht_vec8(&r, &id) || !ht_span_eq(id.left, odcid))
			return false;
		*token = r.left;
		return true;
	}
	if (r.left.len < 16 || p->whole.len > HT_QUIC_MAX_DATAGRAM
	    || !ht_take(&r, r.left.len - 16, token))
		return false;
	body = HT_SPAN(p->whole.p, p->whole.len - 16);
	// RFC 9001 5.8: the pseudo-packet is the id it answers with its length, then the Retry.
	uint8_t *aad = q->scratch;
	aad[0] = (uint8_t)odcid.len;
	memcpy(aad + 1, odcid.p, odcid.len);
	memcpy(aad + 1 + odcid.len, body.p, body.len);
	uint8_t none[16];
	const struct ht_quic_retry_key *k = &ht_quic_retry_keys[kind];
	return ht_gcm_open(
		q->crypto, none, k->key, k->nonce, HT_SPAN(aad, 1 + odcid.len + body.len), r.left
	);
}

// learn_retry keeps the id the client will use, and which its next keys come from. RFC
// 9000 17.2.5.2: a client takes one Retry at most, and none once it has had an Initial of the
// server.
static void learn_retry(struct ht_quic *q, struct ht_quic_conn *c, const struct ht_quic_packet *p) {
	struct ht_span token;
	if (c->retried || c->retry_cid_known || c->server_cid_known
	    || !ht_quic_retry_is_right(q, HT_SPAN(c->odcid, c->odcid_len), p, &token))
		return;
	ht_quic_set_cid(c->retry_cid, &c->retry_cid_len, p->scid);
	c->retry_cid_known = true;
}

void ht_quic_server(struct ht_quic *q, struct ht_quic_conn *c, struct ht_span datagram) {
	struct ht_quic_header h;
	// What the server says is of use when the client's first Initial was seen, and meant for
	// this client when it names the id the client chose.
	if (c->key_version == 0)
		return;
	enum ht_quic_kind kind = ht_quic_peek(&h, datagram);
	if (!ht_quic_is_cid(c->scid, c->scid_len, h.dcid))
		return;
	if (kind == HT_QUIC_VERSION_NEGOTIATION && ht_quic_is_cid(c->odcid, c->odcid_len, h.scid)) {
		c->version_negotiated = true; // RFC 9000 17.2.1: it names the id the client sent to
		return;
	}
	struct ht_reader r = ht_reader(datagram);
	struct ht_quic_packet p;
	for (enum ht_rc next; (next = ht_quic_next(&p, &r)) != HT_BAD;) {
		if (next == HT_SKIP)
			continue;
		if (p.type == HT_TYPE_RETRY) {
			learn_retry(q, c, &p);
		} else if (p.type == HT_TYPE_INITIAL && !c->server_cid_known) {
			// RFC 9000 7.2: the client uses the id of the first Initial it receives.
			// The version may be another than the client's (RFC 9368 2.3): the client's
			// next Initial says so itself.
			ht_quic_set_cid(c->server_cid, &c->server_cid_len, p.scid);
			c->server_cid_known = true;
		}
	}
}

// Deriving keys costs more than a try with them: it is done once for each version that comes behind
// another.
static bool
open_by(struct ht_quic *q,
	struct ht_span *payload,
	struct ht_quic_answer_keys *k,
	struct ht_span cid,
	const struct ht_quic_packet *p) {
	uint32_t pn;
	if (k->version != p->version) {
		const struct ht_initial_salt *salt = q->salts[p->version_info->salt];
		ht_initial_derive(q->crypto, &k->keys, salt, HT_INITIAL_SERVER, cid);
		k->version = p->version;
	}
	return ht_quic_open(q, payload, &pn, p, &k->keys);
}

// The ids that the server's keys may come from: that of a Retry seen behind the hello first, since
// the client's Initials go by it from then on.
static bool open_answer(
	struct ht_quic *q,
	struct ht_span *payload,
	struct ht_quic_answer *a,
	const struct ht_quic_past *past,
	const struct ht_quic_packet *p
) {
	const struct ht_span retry_cid = HT_SPAN(a->retry_cid, a->retry_cid_len);
	const struct ht_span key_cid = HT_SPAN(past->key_cid, past->key_cid_len);
	return (a->retry && open_by(q, payload, &a->retry_keys, retry_cid, p))
	       || open_by(q, payload, &a->hello_keys, key_cid, p);
}

static void answer_retry(
	struct ht_quic *q,
	struct ht_quic_answer *a,
	const struct ht_quic_past *past,
	const struct ht_quic_packet *p
) {
	struct ht_span token;
	if (a->retry || a->opened) // RFC 9000 17.2.5.2, as above
		return;
	if (!ht_quic_retry_is_right(q, HT_SPAN(past->odcid, past->odcid_len), p, &token)) {
		a->futile++;
		return;
	}
	a->retry = true;
	a->retry_token_len = (uint32_t)token.len;
	ht_quic_set_cid(a->retry_cid, &a->retry_cid_len, p->scid);
}

static enum ht_quic_rc answer_initial(
	struct ht_quic *q,
	struct ht_quic_answer *a,
	const struct ht_quic_past *past,
	const struct ht_quic_packet *p
) {
	struct ht_span payload;
	if (!open_answer(q, &payload, a, past, p)) {
		if (a->undecryptable < UINT16_MAX)
			a->undecryptable++;
		a->futile++;
		return HT_QUIC_NO_KEY;
	}
	if (!a->opened)
		a->version = p->version;
	a->opened = true;
	struct ht_quic_sink s
		= {.crypto = &a->crypto, .arena = q->arena, .max_bytes = q->max_bytes};
	enum ht_quic_rc rc = p->version_info->google_frames ? ht_gquic_frames(&s, payload)
							    : ht_quic_frames(&s, payload);
	if (s.new_bytes && a->packets < UINT16_MAX)
		a->packets++;
	a->futile += !s.new_bytes;
	if (s.closed && !a->closed) {
		a->closed = true;
		a->close_error = s.close_error;
	}
	return rc;
}

enum ht_quic_rc ht_quic_answer(
	struct ht_quic *q,
	struct ht_quic_answer *a,
	const struct ht_quic_past *past,
	struct ht_span datagram
) {
	struct ht_quic_header h;
	enum ht_quic_kind kind = ht_quic_peek(&h, datagram);
	if (!ht_quic_is_cid(past->scid, past->scid_len, h.dcid))
		return HT_QUIC_MORE; // not for this client
	if (kind == HT_QUIC_VERSION_NEGOTIATION
	    && ht_quic_is_cid(past->odcid, past->odcid_len, h.scid)) {
		a->version_negotiation = true;
		return HT_QUIC_MORE;
	}
	struct ht_reader r = ht_reader(datagram);
	struct ht_quic_packet p;
	enum ht_quic_rc rc = HT_QUIC_MORE; // the first that is not right
	const uint16_t futile = a->futile;
	for (enum ht_rc next; (next = ht_quic_next(&p, &r)) != HT_BAD;) {
		if (next == HT_SKIP || !ht_quic_is_cid(past->scid, past->scid_len, p.dcid))
			continue;
		if (a->futile >= HT_QUIC_MAX_FUTILE)
			return HT_QUIC_LIMIT;
		if (p.type == HT_TYPE_RETRY)
			answer_retry(q, a, past, &p);
		if (p.type != HT_TYPE_INITIAL)
			continue;
		enum ht_quic_rc got = answer_initial(q, a, past, &p);
		if (got == HT_QUIC_NO_ROOM) {
			a->futile = futile; // they come again
			return got;
		}
		if (rc == HT_QUIC_MORE)
			rc = got;
	}
	return rc;
}

void ht_quic_answer_drop(struct ht_quic *q, struct ht_quic_answer *a) {
	ht_assembly_drop(&a->crypto, q->arena);
}
