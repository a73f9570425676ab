// SPDX-License-Identifier: BSD-3-Clause
// upgrade_ldap: LDAP's messages, of both sides.

#pragma once

#include "upgrade_int.h"

#define UP_START_TLS_OID "1.3.6.1.4.1.1466.20037" // RFC 4511 4.14.1

// RFC 4511 5.1, X.690 8.1.2; those of protocolOp are RFC 4511's.
enum {
	UP_LDAP_INTEGER = 0x02,
	UP_LDAP_ENUMERATED = 0x0a,
	UP_LDAP_SEQUENCE = 0x30,
	UP_LDAP_SET = 0x31,
	UP_LDAP_BIND_REQUEST = 0x60,
	UP_LDAP_SEARCH_ENTRY = 0x64,
	UP_LDAP_EXTENDED_REQUEST = 0x77,
	UP_LDAP_EXTENDED_RESPONSE = 0x78,
	UP_LDAP_REQUEST_NAME = 0x80, // of an extended request
	UP_LDAP_SIMPLE = 0x80, // of a bind
	UP_LDAP_SASL = 0xa3,
};

struct up_ldap_message {
	uint8_t op;
	bool unsolicited; // messageID 0 (RFC 4511 4.4)
	size_t len; // with its header
	struct ht_reader inside; // of the operation, as much as is there
	bool whole; // all of the inside is there
};

// up_ldap_message reads as much of a message as is there. HT_MORE until the length of the operation
// is known; HT_BAD: this is no message.
HT_MUST_USE enum ht_rc up_ldap_message(struct ht_reader r, struct up_ldap_message *m);

bool up_ldap_is_response(uint8_t op);

// up_ber_head reads a tag and a length. HT_MORE: they are not all there.
HT_MUST_USE enum ht_rc up_ber_head(struct ht_reader *r, uint8_t *tag, uint32_t *len);

// up_ber_take takes an element with all that is in it; false when it is not all there.
HT_MUST_USE bool up_ber_take(struct ht_reader *r, uint8_t *tag, struct ht_reader *inside);
