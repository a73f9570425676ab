// SPDX-License-Identifier: BSD-3-Clause
// LDAP: StartTLS is an extended request; all messages before it are skipped by their length.

#include "upgrade_int.h"

// RFC 4511 4.14.1.
static const char start_tls_oid[] = "1.3.6.1.4.1.1466.20037";

enum {
	SEQUENCE = 0x30,
	INTEGER = 0x02,
	EXTENDED_REQUEST = 0x77,
	REQUEST_NAME = 0x80,
};

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

// element reads a tag and a length.
static enum ht_rc element(struct ht_reader *r, uint8_t *tag, uint32_t *len) {
	return ht_u8(r, tag) ? ber_length(r, len) : HT_MORE;
}

// RFC 4511 4.1.1: the tags of protocolOp, client's and server's.
static bool is_request(uint8_t tag) {
	switch (tag) {
	case 0x42: // unbind
	case 0x4a: // delete
	case 0x50: // abandon
	case 0x60: // bind
	case 0x63: // search
	case 0x66: // modify
	case 0x68: // add
	case 0x6c: // modify DN
	case 0x6e: // compare
	case EXTENDED_REQUEST:
		return true;
	default:
		return false;
	}
}

static bool is_response(uint8_t tag) {
	switch (tag) {
	case 0x61: // bind
	case 0x64: // search entry
	case 0x65: // search done
	case 0x67: // modify
	case 0x69: // add
	case 0x6b: // delete
	case 0x6d: // modify DN
	case 0x6f: // compare
	case 0x73: // search reference
	case 0x78: // extended
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
	enum ht_rc rc = element(&r, &tag, &len);
	if (rc != HT_OK)
		return rc;
	if (tag != REQUEST_NAME || len != sizeof(start_tls_oid) - 1)
		return HT_SKIP;
	return up_match(r.left, HT_SPAN_STR(start_tls_oid));
}

struct message {
	uint8_t op;
	size_t len; // with its header
	struct ht_reader inside; // of the operation, as much as is there
	bool whole; // all of the inside is there
};

// RFC 4511 4.1.1: LDAPMessage ::= SEQUENCE { messageID INTEGER (0 .. maxInt), protocolOp, controls
// }. HT_MORE until the length of the operation is known.
static enum ht_rc message_head(struct ht_reader r, struct message *m) {
	uint8_t tag, id_len;
	uint32_t len, op_len;
	size_t all = r.left.len;
	if (!ht_u8(&r, &tag))
		return HT_MORE;
	if (tag != SEQUENCE)
		return HT_BAD;
	enum ht_rc rc = ber_length(&r, &len);
	if (rc != HT_OK)
		return rc;
	size_t head = all - r.left.len, inner = r.left.len;
	if (!ht_u8(&r, &tag))
		return HT_MORE;
	if (tag != INTEGER)
		return HT_BAD;
	if (!ht_u8(&r, &id_len))
		return HT_MORE;
	if (id_len < 1 || id_len > 5)
		return HT_BAD;
	if (!ht_skip(&r, id_len) || !ht_u8(&r, &m->op))
		return HT_MORE;
	if (!is_request(m->op) && !is_response(m->op))
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

enum ht_rc up_ldap(struct ht_upgrade *u, struct ht_span all) {
	while (u->start < all.len) {
		struct message m;
		enum ht_rc rc = message_head(up_here(u, all), &m);
		if (rc == HT_MORE)
			return HT_MORE;
		// After a bind with a SASL layer the bytes are no longer LDAP.
		if (rc != HT_OK || !is_request(m.op) || m.len > HT_UPGRADE_MAX)
			return up_bad(u, HT_SPEAKS_PLAIN);
		rc = m.op == EXTENDED_REQUEST ? is_start_tls(m.inside) : HT_SKIP;
		if (rc == HT_MORE && !m.whole)
			return HT_MORE;
		if (rc == HT_OK && all.len - u->start < m.len)
			return HT_MORE;
		if (rc == HT_OK)
			return up_found(u, HT_VIA_LDAP, u->start + m.len, UP_LDAP);
		up_go_to(u, u->start + m.len);
	}
	return HT_MORE;
}

enum ht_rc up_ldap_first(struct ht_upgrade *u, struct ht_span all) {
	struct message m;
	enum ht_rc rc = message_head(up_here(u, all), &m);
	if (rc == HT_MORE)
		return HT_MORE;
	if (rc != HT_OK)
		return HT_SKIP;
	if (is_response(m.op))
		return up_bad(u, HT_SPEAKS_SERVER);
	u->state = UP_LDAP;
	return up_ldap(u, all);
}
