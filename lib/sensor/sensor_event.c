// SPDX-License-Identifier: BSD-3-Clause
// Event records: what is told of a connection besides its hello.

#include "sensor_int.h"

void emit_upgrade(
	struct ht_sensor *s,
	const struct ht_flow *f,
	uint8_t client,
	const struct sighting *at,
	const struct ht_verdict *v,
	uint16_t said,
	const uint8_t *via,
	unsigned num_via
) {
	static const struct ht_verdict unknown
		= {.severity = "notice", .evidence = "whether TLS was offered was not seen"};
	struct ht_record *r = &s->record;
	if (!s->p.events)
		return;
	put_connection(s, r, "event", f, client, at);
	ht_set(r, kind, "upgrade");
	if (v != NULL)
		ht_set(r, upgrade_state, ht_upgrade_state_name(v->state));
	else
		v = &unknown;
	ht_set(r, severity, v->severity);
	put_via(r, via, num_via);
	if (said & (HT_SAID_LOGIN | HT_SAID_MAIL)) {
		r->in_clear.num = 0;
		if (said & HT_SAID_LOGIN)
			r->in_clear.s[r->in_clear.num++] = "login";
		if (said & HT_SAID_MAIL)
			r->in_clear.s[r->in_clear.num++] = "mail";
		r->has |= HT_HAS(in_clear);
	}
	if (v->evidence != NULL)
		ht_set(r, evidence, v->evidence);
	s->p.emit(s->p.user, r);
}

static bool tell_once(struct ht_flow *f) {
	const bool told = f->flags & FLOW_TOLD;
	f->flags |= FLOW_TOLD;
	return !told;
}

void emit_not_tls(
	struct ht_sensor *s,
	struct ht_flow *f,
	uint8_t client,
	const struct sighting *at,
	const char *seen
) {
	struct ht_record *r = &s->record;
	if (!tell_once(f))
		return;
	count(s, HT_CTR_EVENTS_NOT_TLS);
	if (!s->p.events)
		return;
	put_connection(s, r, "event", f, client, at);
	ht_set(r, kind, "not_tls_on_tls_port");
	ht_set(r, severity, "notice");
	ht_set(r, seen, seen);
	s->p.emit(s->p.user, r);
}

void emit_encrypted(
	struct ht_sensor *s, struct ht_flow *f, uint8_t client, const struct sighting *at
) {
	static const uint8_t via[] = {HT_VIA_OPENVPN};
	struct ht_record *r = &s->record;
	if (!tell_once(f))
		return;
	count(s, HT_CTR_EVENTS_ENCRYPTED);
	if (!s->p.events)
		return;
	put_connection(s, r, "event", f, client, at);
	ht_set(r, kind, "encrypted_hello");
	ht_set(r, severity, "info");
	put_via(r, via, HT_ARRAY_LEN(via));
	ht_set(r, evidence, "tls-crypt: OpenVPN encrypts its control channel");
	s->p.emit(s->p.user, r);
}
