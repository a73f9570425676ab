// SPDX-License-Identifier: BSD-3-Clause
// tls_int: what the files of tls share.

#pragma once

#include "reader.h"
#include "tls_answer.h"

enum {
	CT_CHANGE_CIPHER_SPEC = 20,
	CT_ALERT = 21,
	CT_HANDSHAKE = 22,
	CT_APPLICATION_DATA = 23,
};

// IANA "TLS HandshakeType".
enum {
	HS_HELLO_REQUEST = 0,
	HS_CLIENT_HELLO = 1,
	HS_SERVER_HELLO = 2,
	HS_HELLO_VERIFY_REQUEST = 3,
	HS_NEW_SESSION_TICKET = 4,
	HS_HELLO_RETRY_REQUEST = 6, // before draft 22 of TLS 1.3
	HS_CERTIFICATE = 11,
	HS_SERVER_KEY_EXCHANGE = 12,
	HS_CERTIFICATE_REQUEST = 13,
	HS_SERVER_HELLO_DONE = 14,
	HS_CLIENT_KEY_EXCHANGE = 16,
	HS_FINISHED = 20,
};

// --- tls_dtls.c ---

// One fragment of a handshake message.
struct ht_dtls_fragment {
	uint8_t type;
	uint16_t message_seq;
	uint32_t length, offset; // of the message; of this fragment in it
	struct ht_span data; // less than the fragment has when the datagram was cut
};

// DTLSPlaintext (RFC 6347 4.1): type, version, epoch, sequence number, length.
struct ht_dtls_record {
	uint8_t type;
	bool clear; // only epoch 0 is
	bool first; // its sequence number is 0
	struct ht_reader payload;
	size_t missing; // bytes of the payload that the snap length took
};

HT_MUST_USE bool ht_dtls_take_record(struct ht_reader *r, struct ht_dtls_record *out);
HT_MUST_USE bool ht_dtls_take_fragment(struct ht_dtls_record *rec, struct ht_dtls_fragment *f);

// --- tls_answer.c ---

// What of a handshake message is worth more than a fact: views of its body.
struct ht_tls_views {
	struct ht_span hello; // all of a ServerHello
	struct ht_span chain; // the certificates of a Certificate
};

// ht_tls_may_begin tells whether a message of this type may come next.
bool ht_tls_may_begin(const struct ht_tls_facts *f, bool client, uint8_t type);

// ht_tls_take_message takes a whole message: HT_OK over, HT_MORE, HT_BAD, HT_LIMIT. *out is written
// all the same, empty where there is nothing.
HT_MUST_USE enum ht_rc ht_tls_take_message(
	struct ht_tls_facts *f,
	uint8_t *cert_type,
	uint8_t type,
	struct ht_span body,
	struct ht_tls_views *out
);

// ht_tls_take_alert takes an alert in clear, of which `p` points to level and description: HT_OK
// over, HT_MORE, HT_BAD.
HT_MUST_USE enum ht_rc ht_tls_take_alert(struct ht_tls_facts *f, bool client, const uint8_t *p);

// ht_tls_take_change takes a ChangeCipherSpec: HT_OK over, HT_MORE.
HT_MUST_USE enum ht_rc ht_tls_take_change(struct ht_tls_facts *f, bool client);
