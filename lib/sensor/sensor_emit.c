// SPDX-License-Identifier: BSD-3-Clause
// A hello view and its circumstances -> a record.

#include "sensor_int.h"

// Community ID v1, seed 0 (corelight/community-id-spec): "1:" and the base64 of the SHA-1 over
// seed, smaller end's address, larger end's, protocol, a zero byte, both ports. IPv4 addresses have
// 4 bytes.
static struct ht_span community_id(struct ht_sensor *s, const struct ht_flow *f) {
	static const char b64[64]
		= "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct community *last = &s->community;
	uint8_t in[sizeof(last->of)] = {0}, digest[21];
	size_t skip = ht_ip_is_v4(f->addr[0]) && ht_ip_is_v4(f->addr[1]) ? 12 : 0;
	size_t n = 16 - skip;
	memcpy(in + 2, f->addr[0] + skip, n);
	memcpy(in + 2 + n, f->addr[1] + skip, n);
	in[2 + 2 * n] = f->proto;
	ht_put_be16(in + 4 + 2 * n, f->port[0]);
	ht_put_be16(in + 6 + 2 * n, f->port[1]);
	if (memcmp(in, last->of, sizeof(in)) == 0)
		return HT_SPAN(last->id, sizeof(last->id));
	memcpy(last->of, in, sizeof(in));
	ht_sha1(s->crypto, digest, HT_SPAN(in, 8 + 2 * n));
	digest[20] = 0;
	char *o = last->id;
	*o++ = '1';
	*o++ = ':';
	for (int i = 0; i < 21; i += 3) {
		uint32_t v = ht_be24(digest + i);
		*o++ = b64[v >> 18];
		*o++ = b64[v >> 12 & 63];
		*o++ = b64[v >> 6 & 63];
		*o++ = b64[v & 63];
	}
	o[-1] = '='; // 20 bytes: one short of seven threes
	return HT_SPAN(last->id, sizeof(last->id));
}

static void put_encap(struct ht_record *r, const struct sighting *at) {
	r->encap.num = at->num_encap;
	for (unsigned i = 0; i < at->num_encap; i++) {
		char *end = ht_encap_text(r->encap.s[i], at->encap[i]);
		r->encap.len[i] = (uint8_t)(end - r->encap.s[i]);
	}
	r->has |= HT_HAS(encap);
}

void put_via(struct ht_record *r, const uint8_t *via, unsigned num) {
	r->via.num = (uint8_t)num;
	for (unsigned i = 0; i < num; i++)
		r->via.s[i] = ht_via_name(via[i]);
	r->has |= HT_HAS(via);
}

void put_connection(
	struct ht_sensor *s,
	struct ht_record *r,
	const char *kind,
	const struct ht_flow *f,
	uint8_t client,
	const struct sighting *at
) {
	r->has = 0;
	r->ts_is_ns = at->ts_is_ns;
	ht_set(r, record, kind);
	ht_set(r, ts, at->ts);
	if (at->frame != 0)
		ht_set(r, frame, at->frame);
	if (f->proto == FLOW_PROTO_EAPOL) {
		ht_set(r, src_mac, f->addr[client]);
		ht_set(r, dst_mac, f->addr[!client]);
		ht_set(r, transport, "eapol");
	} else {
		ht_set(r, src_ip, f->addr[client]);
		ht_set(r, src_port, f->port[client]);
		ht_set(r, dst_ip, f->addr[!client]);
		ht_set(r, dst_port, f->port[!client]);
		ht_set(r, transport, f->proto == HT_IPPROTO_TCP ? "tcp" : "udp");
		ht_set(r, community_id, community_id(s, f));
	}
	if (at->num_encap > 0)
		put_encap(r, at);
	const struct ht_service *known = ht_service_of(s->p.services, f->port[!client], f->proto);
	if (known != NULL)
		ht_set(r, service, known->name);
}

static void put_pieces(struct ht_sensor *s, struct ht_record *r, const struct emission *e) {
	const struct ht_flow *f = e->flow;
	if (e->upgrade != NULL && e->upgrade->num_via > 0)
		put_via(r, e->upgrade->via, e->upgrade->num_via);
	else if (f->via > 0)
		put_via(r, s->vias[f->via - 1].via, s->vias[f->via - 1].num);
	ht_set(r, hello_number, e->hello_number);
	if (e->hello_len > 0) // not known before the handshake header was there
		ht_set(r, hello_len, e->hello_len);
	ht_set(r, segments, e->segments);
}

static void put_quic(struct ht_record *r, const struct ht_quic_conn *q) {
	ht_set(r, quic_version, q->version);
	ht_set(r, quic_packets, q->packets);
	ht_set(r, quic_dcid, HT_SPAN(q->odcid, q->odcid_len));
	ht_set(r, quic_scid, HT_SPAN(q->scid, q->scid_len));
	ht_set(r, quic_token_len, q->token_len);
}

static bool any_pq(const struct ht_hello *h) {
	for (unsigned i = 0; i < h->num_key_shares; i++)
		if (ht_group_is_pq(ht_be16(h->key_shares + 2 * i)))
			return true;
	return false;
}

// What was read of the hello. In an incomplete one the lists that were read are whole, but for the
// list of extensions, and what is derived from all of the hello is left out.
static void put_hello(struct ht_record *r, const struct ht_hello *h, bool complete) {
	if (h->seen & HT_SEEN_VERSION)
		ht_set(r, legacy_version, h->legacy_version);
	if (h->seen & HT_SEEN_BODY) {
		ht_set(r, ciphers, h->ciphers);
		r->ciphers_are_24_bit = h->kind == HT_HELLO_SSL2;
		ht_set(r, session_id_len, (uint8_t)h->session_id.len);
		r->compression = h->compression;
	}
	if (complete || (h->seen & HT_SEEN_VERSIONS)) {
		const char *name = ht_tls_version_name(ht_hello_version(h));
		if (name != NULL)
			ht_set(r, tls_version, name);
	}
	if (h->seen & HT_SEEN_SNI)
		ht_set(r, sni, h->sni);
	if (h->seen & HT_SEEN_ALPN)
		ht_set(r, alpn, h->alpn);
	if (h->seen & HT_SEEN_VERSIONS)
		ht_set(r, versions, h->versions);
	// An empty list is one that was sent empty, not one that was never reached.
	if ((h->seen & HT_SEEN_EXTENSIONS) && (complete || h->num_extensions > 0))
		ht_set(r, extensions, HT_SPAN(h->extensions, 2 * (size_t)h->num_extensions));
	if (h->seen & HT_SEEN_GROUPS)
		ht_set(r, groups, h->groups);
	if (h->seen & HT_SEEN_KEY_SHARE) {
		ht_set(r, key_share_groups, HT_SPAN(h->key_shares, 2 * (size_t)h->num_key_shares));
		if (any_pq(h))
			ht_set(r, pq, true);
	}
	if (h->seen & HT_SEEN_SIG_ALGS)
		ht_set(r, sig_algs, h->sig_algs);
	if (h->seen & HT_SEEN_POINT_FORMATS)
		ht_set(r, point_formats, h->point_formats);
	if (h->seen & HT_SEEN_PSK)
		ht_set(r, psk, true);
	if (h->seen & HT_SEEN_EARLY_DATA)
		ht_set(r, early_data, true);
	if (h->seen & HT_SEEN_STATUS_REQUEST)
		ht_set(r, ocsp_stapling, true);
	if (h->seen & HT_SEEN_SESSION_TICKET)
		ht_set(r, session_ticket, true);
	// GREASE ECH is made to look like the real one (RFC 9849 6.2): only "outer" can be said.
	if (h->seen & HT_SEEN_ECH)
		ht_set(r, ech, "outer");
	if (h->seen & HT_SEEN_QUIC_PARAMETERS) {
		ht_set(r, quic_transport_parameters, HT_SPAN(h->quic_ids, h->quic_ids_len));
		if (h->quic_user_agent.len > 0)
			ht_set(r, quic_user_agent, h->quic_user_agent);
	}
}

static const char *protocol_name(const struct emission *e) {
	if (e->quic != NULL || e->gquic != NULL)
		return "quic";
	return e->message->kind == HT_HELLO_DTLS ? "dtls" : "tls";
}

enum ht_incomplete
incomplete_reason(enum ht_incomplete ended_by, bool cut, bool undecryptable, bool hole) {
	if (ended_by != HT_INCOMPLETE_IDLE && ended_by != HT_INCOMPLETE_END_OF_CAPTURE)
		return ended_by;
	return cut	       ? HT_INCOMPLETE_SNAPLEN
	       : undecryptable ? HT_INCOMPLETE_DECRYPT
	       : hole	       ? HT_INCOMPLETE_GAP
			       : ended_by;
}

static void
put_outcome(struct ht_sensor *s, struct ht_record *r, enum ht_rc parsed, enum ht_incomplete why) {
	static const char *const names[HT_NUM_INCOMPLETE] = {
#define X(id, name, help) #name,
		HT_INCOMPLETE_REASONS(X)
#undef X
	};
	ht_set(r, complete, parsed == HT_OK);
	if (parsed == HT_OK) {
		count(s, HT_CTR_HELLOS_COMPLETE);
		return;
	}
	ht_set(r, incomplete_reason, names[why]);
	count(s, HT_CTR_HELLO_GAP + why);
}

static void
emit(struct ht_sensor *s, const struct emission *e, enum ht_rc parsed, enum ht_incomplete why) {
	struct ht_record *r = &s->record;
	const struct ht_hello *h = &s->view;
	struct ht_fingerprints fp;
	put_connection(s, r, "hello", e->flow, e->client, e->at);
	put_pieces(s, r, e);
	ht_set(r, protocol, protocol_name(e));
	put_outcome(s, r, parsed, why);
	if (e->message != NULL) {
		put_hello(r, h, parsed == HT_OK);
		if (e->quic == NULL)
			ht_set(r, tls_records, e->message->records);
		enum ht_ja4_transport t = e->quic != NULL	     ? HT_JA4_QUIC
					  : h->kind == HT_HELLO_DTLS ? HT_JA4_DTLS
								     : HT_JA4_TCP;
		if (parsed == HT_OK && ht_fingerprint(s->fingerprinter, h, t, &fp)) {
			ht_set(r, ja3, HT_SPAN(fp.ja3, sizeof(fp.ja3)));
			ht_set(r, ja4, HT_SPAN(fp.ja4, sizeof(fp.ja4)));
			if (fp.ja4_r.len > 0)
				ht_set(r, ja4_r, fp.ja4_r);
		}
	}
	if (e->quic != NULL)
		put_quic(r, e->quic);
	if (e->gquic != NULL) {
		ht_set(r, quic_version, e->gquic->version);
		if (e->gquic->sni.len > 0)
			ht_set(r, sni, e->gquic->sni);
		if (e->gquic->user_agent.len > 0)
			ht_set(r, quic_user_agent, e->gquic->user_agent);
	}
	s->p.emit(s->p.user, r);
	if (s->accounts != NULL)
		flow_hello(s, e->flow->slot, e->client, e->at->ts, r);
}

const struct ht_hello *emit_hello(struct ht_sensor *s, const struct emission *e) {
	enum ht_rc rc = HT_OK;
	if (e->message != NULL)
		rc = ht_hello_parse(&s->view, e->message->kind, e->message->body);
	// The cap holds for a hello that came whole, too: one outcome for one hello, however it was
	// cut; and the scratch of the fingerprints has that size.
	if (e->message != NULL && e->message->body.len > s->p.max_hello_bytes)
		rc = HT_LIMIT;
	// A whole message that ends too early (HT_MORE) contradicts its own length.
	emit(s, e, rc, rc == HT_LIMIT ? HT_INCOMPLETE_LIMIT : HT_INCOMPLETE_MALFORMED);
	return &s->view;
}

void emit_incomplete(struct ht_sensor *s, const struct emission *e, enum ht_incomplete why) {
	if (e->message != NULL)
		(void)!ht_hello_parse(&s->view, e->message->kind, e->message->body);
	emit(s, e, HT_MORE, why);
}
