// SPDX-License-Identifier: BSD-3-Clause
// What the server's datagrams tell about the client's keys.

#include "quic_int.h"

// retry_is_right verifies that a Retry answers the client's first Initial.
static bool
retry_is_right(struct ht_quic *q, const struct ht_quic_conn *c, const struct ht_quic_packet *p) {
	uint8_t kind = p->version_info->retry;
	struct ht_reader r = ht_reader(p->whole);
	struct ht_span odcid = HT_SPAN(c->odcid, c->odcid_len), body;
	if (kind == HT_RETRY_UNKNOWN)
		return false;
	if (kind == HT_RETRY_ODCID) {
		// draft-ietf-quic-transport-22 17.2.5: behind the connection ids, no tag yet.
		struct ht_reader id;
		return ht_skip(&r, 1 + 4 + 1 + p->dcid.len + 1 + p->scid.len) //
		       && ht_vec8(&r, &id) //
		       && ht_span_eq(id.left, odcid);
	}
	if (r.left.len < 16 || r.left.len > HT_QUIC_MAX_DATAGRAM
	    || !ht_take(&r, r.left.len - 16, &body))
		return false;
	// RFC 9001 5.8: the pseudo-packet is the id it answers with its length, then the Retry.
	uint8_t *aad = q->scratch;
	aad[0] = c->odcid_len;
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
	if (c->retried || c->retry_cid_known || c->server_cid_known || !retry_is_right(q, c, p))
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
