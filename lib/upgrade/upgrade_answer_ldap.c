// SPDX-License-Identifier: BSD-3-Clause
// What LDAP servers say of StartTLS.

#include "upgrade_ldap.h"

// RFC 4511 4.1.9: LDAPResult begins with the resultCode.
static void result(struct ht_answers *a, const struct up_ldap_message *m) {
	enum { SUCCESS = 0, PROTOCOL_ERROR = 2, CONFIDENTIALITY_REQUIRED = 13 };
	struct ht_reader r = m->inside;
	uint8_t tag, len, code;
	if (!ht_u8(&r, &tag) || tag != UP_LDAP_ENUMERATED || !ht_u8(&r, &len) || len != 1
	    || !ht_u8(&r, &code))
		return; // an intermediate answer, a reference
	if (code == CONFIDENTIALITY_REQUIRED)
		a->said |= HT_SAID_REQUIRED;
	if (m->op != UP_LDAP_EXTENDED_RESPONSE || m->unsolicited)
		return;
	up_answered(
		a, code == SUCCESS	    ? HT_ANSWER_YES
		   : code == PROTOCOL_ERROR ? HT_ANSWER_UNKNOWN
					    : HT_ANSWER_NO
	);
}

// values looks through supportedExtension (RFC 4512 5.1.3): as far as it is there, when it is long.
static void values(struct ht_answers *a, struct ht_reader set, bool whole) {
	struct ht_reader oid;
	uint8_t tag;
	bool found = false, overwritten = false;
	while (set.left.len > 0 && up_ber_take(&set, &tag, &oid)) {
		found |= ht_span_eq(oid.left, HT_SPAN_STR(UP_START_TLS_OID));
		overwritten |= up_blotted(oid.left);
	}
	if (!whole && !found && !overwritten)
		return;
	if (!up_listed(a))
		return;
	if (found)
		a->said |= HT_SAID_OFFERED;
	if (overwritten)
		a->said |= HT_SAID_OVERWRITTEN;
}

// PartialAttribute ::= SEQUENCE { type, vals SET OF }: the next of the rootDSE's.
static size_t attribute(struct ht_answers *a, struct ht_span fresh) {
	struct ht_reader r = ht_reader(fresh), type, head;
	uint8_t tag;
	uint32_t len;
	enum ht_rc rc = up_ber_head(&r, &tag, &len);
	if (rc == HT_MORE)
		return 0;
	const size_t all = fresh.len - r.left.len + (size_t)len;
	if (rc != HT_OK || all > a->body) {
		a->done = true;
		return 0;
	}
	if (tag != UP_LDAP_SEQUENCE) { // the controls behind the list
		size_t rest = a->body;
		a->body = 0;
		return up_answer_pass(a, rest);
	}
	size_t n = up_answer_head(a, fresh, all, &head);
	if (n == 0)
		return 0;
	a->body -= (uint32_t)all;
	if (up_ber_head(&head, &tag, &len) == HT_OK && up_ber_take(&head, &tag, &type)
	    && up_is(type.left, "supportedExtension") && up_ber_head(&head, &tag, &len) == HT_OK
	    && tag == UP_LDAP_SET)
		values(a, head, head.left.len >= len);
	return n;
}

// RFC 4511 4.5.2: SearchResultEntry ::= SEQUENCE { objectName, attributes SEQUENCE OF }. The one
// without a name is the rootDSE (RFC 4512 5.1), and its attributes are taken one by one.
static size_t entry(struct ht_answers *a, struct ht_span fresh, const struct up_ldap_message *m) {
	struct ht_reader r = m->inside;
	uint8_t tag;
	uint32_t len;
	enum ht_rc rc = up_ber_head(&r, &tag, &len);
	if (rc == HT_OK && len == 0)
		rc = up_ber_head(&r, &tag, &len);
	else if (rc == HT_OK)
		rc = HT_SKIP;
	if (rc == HT_MORE && !m->whole)
		return 0;
	const size_t head = (size_t)(r.left.p - fresh.p);
	if (rc != HT_OK || tag != UP_LDAP_SEQUENCE || head >= m->len || m->len > UINT32_MAX)
		return up_answer_pass(a, m->len);
	a->body = (uint32_t)(m->len - head);
	return head;
}

size_t up_answer_ldap(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	struct up_ldap_message m;
	struct ht_reader head;
	(void)client;
	if (a->num > 0 && fresh.p[0] == 0x16)
		return up_answer_over(a, fresh);
	if (a->body > 0)
		return attribute(a, fresh);
	enum ht_rc rc = up_ldap_message(ht_reader(fresh), &m);
	if (rc == HT_MORE)
		return 0;
	if (rc != HT_OK || !up_ldap_is_response(m.op)) {
		a->done = true;
		return 0;
	}
	a->via = 1 + HT_VIA_LDAP;
	if (m.op == UP_LDAP_SEARCH_ENTRY)
		return entry(a, fresh, &m);
	size_t n = up_answer_head(a, fresh, m.len, &head);
	if (n > 0 && up_ldap_message(head, &m) == HT_OK)
		result(a, &m);
	return n;
}
