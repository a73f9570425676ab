// SPDX-License-Identifier: BSD-3-Clause
// LDAP: StartTLS is an extended request; all messages before it are skipped by their length.
// Requests may be answered in any order but for the extended ones, of which nobody has two under
// way: both sides count those alone.

#include "upgrade_ldap.h"

// X.690 8.1.3: one byte below 80, or 8n and n bytes. Active Directory's clients use 84 throughout.
// Indefinite lengths are forbidden (RFC 4511 5.1).
static enum ht_rc ber_length(struct ht_reader *r, uint32_t *len) {
	uint8_t first, byte;
	uint32_t n = 0;
	if (!ht_u8(r, &first))
		return HT_MORE;
	if (first == 0x80 || first > 0x84)
		return HT_BAD;
	if (first < 0x80) {
		*len = first;
		return HT_OK;
	}
	for (unsigned i = 0; i < (first & 0x7fu); i++) {
		if (!ht_u8(r, &byte))
			return HT_MORE;
		n = n << 8 | byte;
	}
	*len = n;
	return HT_OK;
}

enum ht_rc up_ber_head(struct ht_reader *r, uint8_t *tag, uint32_t *len) {
	return ht_u8(r, tag) ? ber_length(r, len) : HT_MORE;
}

// RFC 4511 4.1.1: the tags of protocolOp, client's and server's.
static bool is_request(uint8_t tag) {
	switch (tag) {
	case 0x42: // unbind
	case 0x4a: // delete
	case 0x50: // abandon
	case UP_LDAP_BIND_REQUEST:
	case 0x63: // search
	case 0x66: // modify
	case 0x68: // add
	case 0x6c: // modify DN
	case 0x6e: // compare
	case UP_LDAP_EXTENDED_REQUEST:
		return true;
	default:
		return false;
	}
}

bool up_ldap_is_response(uint8_t tag) {
	switch (tag) {
	case 0x61: // bind
	case UP_LDAP_SEARCH_ENTRY:
	case 0x65: // search done
	case 0x67: // modify
	case 0x69: // add
	case 0x6b: // delete
	case 0x6d: // modify DN
	case 0x6f: // compare
	case 0x73: // search reference
	case UP_LDAP_EXTENDED_RESPONSE:
	case 0x79: // intermediate
		return true;
	default:
		return false;
	}
}

// is_start_tls looks at the inside of an extended request.
static enum ht_rc is_start_tls(struct ht_reader r) {
	uint8_t tag;
	uint32_t len;
	enum ht_rc rc = up_ber_head(&r, &tag, &len);
	if (rc != HT_OK)
		return rc;
	if (tag != UP_LDAP_REQUEST_NAME || len != sizeof(UP_START_TLS_OID) - 1)
		return HT_SKIP;
	return up_match(r.left, HT_SPAN_STR(UP_START_TLS_OID));
}

// RFC 4511 4.1.1: LDAPMessage ::= SEQUENCE { messageID INTEGER (0 .. maxInt), protocolOp, controls
// }. HT_MORE until the length of the operation is known.
enum ht_rc up_ldap_message(struct ht_reader r, struct up_ldap_message *m) {
	uint8_t tag, id_len;
	uint32_t len, op_len;
	struct ht_span id;
	size_t all = r.left.len;
	if (!ht_u8(&r, &tag))
		return HT_MORE;
	if (tag != UP_LDAP_SEQUENCE)
		return HT_BAD;
	enum ht_rc rc = ber_length(&r, &len);
	if (rc != HT_OK)
		return rc;
	size_t head = all - r.left.len, inner = r.left.len;
	if (!ht_u8(&r, &tag))
		return HT_MORE;
	if (tag != UP_LDAP_INTEGER)
		return HT_BAD;
	if (!ht_u8(&r, &id_len))
		return HT_MORE;
	if (id_len < 1 || id_len > 5)
		return HT_BAD;
	if (!ht_take(&r, id_len, &id) || !ht_u8(&r, &m->op))
		return HT_MORE;
	m->unsolicited = id_len == 1 && id.p[0] == 0;
	if (!is_request(m->op) && !up_ldap_is_response(m->op))
		return HT_BAD;
	rc = ber_length(&r, &op_len);
	if (rc != HT_OK)
		return rc;
	if ((uint64_t)(inner - r.left.len) + op_len > len)
		return HT_BAD;
	m->len = head + (size_t)len;
	m->whole = r.left.len >= op_len;
	if (!ht_take(&r, m->whole ? op_len : r.left.len, &m->inside.left))
		return HT_MORE;
	return HT_OK;
}

bool up_ber_take(struct ht_reader *r, uint8_t *tag, struct ht_reader *inside) {
	uint32_t len;
	return up_ber_head(r, tag, &len) == HT_OK && ht_take(r, len, &inside->left);
}

// RFC 4511 4.2: BindRequest ::= SEQUENCE { version, name, authentication }. Without a password it
// is an anonymous bind or an unauthenticated one (RFC 4513 5.1). Of the SASL mechanisms PLAIN shows
// it (RFC 4616).
static bool is_login(struct ht_reader r) {
	struct ht_reader inside, mechanism;
	uint8_t tag;
	if (!up_ber_take(&r, &tag, &inside) || !up_ber_take(&r, &tag, &inside)
	    || !up_ber_take(&r, &tag, &inside))
		return false;
	if (tag == UP_LDAP_SIMPLE)
		return inside.left.len > 0;
	return tag == UP_LDAP_SASL && up_ber_take(&inside, &tag, &mechanism)
	       && up_is(mechanism.left, "PLAIN");
}

// request looks at what is there of a message. HT_SKIP: nothing in it is wanted.
static enum ht_rc request(struct ht_upgrade *u, const struct up_ldap_message *m, bool whole) {
	enum ht_rc rc;
	switch (m->op) {
	case UP_LDAP_EXTENDED_REQUEST:
		rc = is_start_tls(m->inside);
		if (rc == HT_OK && whole)
			return up_found(u, HT_VIA_LDAP, u->start + m->len, UP_LDAP);
		if (rc == HT_OK || (rc == HT_MORE && !m->whole))
			return HT_MORE;
		u->replies++;
		return HT_SKIP;
	case UP_LDAP_BIND_REQUEST:
		if (!m->whole)
			return HT_MORE;
		if (is_login(m->inside))
			up_login(u, u->replies);
		return HT_SKIP;
	default:
		return HT_SKIP;
	}
}

enum ht_rc up_ldap(struct ht_upgrade *u, struct ht_span all) {
	while (u->start < all.len) {
		struct up_ldap_message m;
		if (all.p[u->start] == 0x16)
			return up_hello_here(u, 0x16);
		enum ht_rc rc = up_ldap_message(up_here(u, all), &m);
		if (rc == HT_MORE)
			return HT_MORE;
		// After a bind with a SASL layer the bytes are no longer LDAP.
		if (rc != HT_OK || !is_request(m.op) || m.len > HT_UPGRADE_MAX)
			return up_bad(u, HT_SPEAKS_PLAIN);
		rc = request(u, &m, all.len - u->start >= m.len);
		if (rc != HT_SKIP)
			return rc;
		up_went_on(u);
		up_go_to(u, u->start + m.len);
	}
	return HT_MORE;
}

enum ht_rc up_ldap_first(struct ht_upgrade *u, struct ht_span all) {
	struct up_ldap_message m;
	enum ht_rc rc = up_ldap_message(up_here(u, all), &m);
	if (rc == HT_MORE)
		return HT_MORE;
	if (rc != HT_OK)
		return HT_SKIP;
	if (up_ldap_is_response(m.op))
		return up_bad(u, HT_SPEAKS_SERVER);
	u->state = UP_LDAP;
	u->spoken = 1 + HT_VIA_LDAP;
	return up_ldap(u, all);
}
