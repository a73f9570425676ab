// SPDX-License-Identifier: BSD-3-Clause
// tls_answer: what a server answers to a ClientHello, and what a client says after its own, as far
// as it is in clear. Part of tls.

#pragma once

#include "tls.h"

// --- the ServerHello ---------------------------------------------------------------------------

// Extensions kept of one ServerHello: a server answers to those of the client, and to some 20 of
// them at most. More is HT_LIMIT.
#define HT_SERVER_HELLO_MAX_EXTENSIONS 64

// A field is set when its bit is in `seen`. The other fields of an unseen part are undefined.
enum {
	HT_SERVER_VERSION = 1 << 0, // legacy_version
	HT_SERVER_BODY = 1 << 1, // random, session id, cipher and compression are there
	HT_SERVER_EXTENSIONS = 1 << 2, // an extension block, perhaps an empty one
	HT_SERVER_SELECTED_VERSION = 1 << 3, // supported_versions
	HT_SERVER_GROUP = 1 << 4, // key_share
	HT_SERVER_PSK = 1 << 5, // pre_shared_key: an earlier session is taken up
	HT_SERVER_ALPN = 1 << 6, // the one protocol chosen
	HT_SERVER_CERT_TYPE = 1 << 7, // server_certificate_type (RFC 7250)
};

// Borrows from the body given to ht_server_hello_parse().
struct ht_server_hello {
	uint16_t seen; // HT_SERVER_*
	bool retry_request; // a HelloRetryRequest, by its random (RFC 8446 4.1.3)
	uint8_t compression;
	uint16_t legacy_version;
	uint16_t selected_version;
	uint16_t cipher;
	uint16_t group; // of a HelloRetryRequest: the one asked for
	uint16_t psk; // which of the client's identities
	uint8_t cert_type;
	uint16_t num_extensions;
	struct ht_span random, session_id, alpn;
	uint8_t extensions[2 * HT_SERVER_HELLO_MAX_EXTENSIONS]; // types in network order, as sent
};

// ht_server_hello_parse reads the body of a ServerHello: what follows the 4-byte (DTLS: 12-byte)
// handshake header. SSL 3.0 to TLS 1.3 with its drafts, DTLS 1.0 to 1.3: the form is the same.
// `*out` holds every part that was read before the first fault. Outcomes as ht_hello_parse().
enum ht_rc ht_server_hello_parse(struct ht_server_hello *out, struct ht_span body);

// ht_server_hello_version tells the version chosen: supported_versions where present, else
// legacy_version. 0 when none was read.
uint16_t ht_server_hello_version(const struct ht_server_hello *h);

// --- alerts ------------------------------------------------------------------------------------

// ht_tls_alert_name is the IANA name of an AlertDescription, "handshake_failure" ..., or NULL for a
// number without one. Those of SSL 3.0 and TLS 1.0 that were taken back have theirs.
const char *ht_tls_alert_name(uint8_t description);

// --- one direction of a handshake --------------------------------------------------------------

// What was seen, as bits of ht_tls_facts.seen.
enum {
	HT_FACT_SERVER_HELLO = 1 << 0, // version and cipher are set
	HT_FACT_RETRY_REQUEST
	= 1 << 1, // a HelloRetryRequest; version and cipher are set by it, too
	HT_FACT_VERIFY_REQUEST = 1 << 2, // DTLS: a cookie was asked for (RFC 6347 4.2.1)
	HT_FACT_GROUP = 1 << 3, // group is set: key_share, or ServerKeyExchange (RFC 8422 5.4)
	HT_FACT_CERTIFICATE = 1 << 4, // a Certificate message with one certificate or more
	HT_FACT_NO_CERTIFICATE = 1 << 5, // a Certificate message with none
	HT_FACT_CERTIFICATE_REQUEST = 1 << 6,
	HT_FACT_HELLO_DONE = 1 << 7, // ServerHelloDone: the server has said all of itself
	HT_FACT_TICKET = 1 << 8, // NewSessionTicket in clear (RFC 5077 3.3)
	HT_FACT_KEY_EXCHANGE = 1 << 9, // ServerKeyExchange or ClientKeyExchange
	HT_FACT_CHANGE_CIPHER_SPEC = 1 << 10,
	HT_FACT_RESUMED = 1 << 11, // an earlier session is taken up
	HT_FACT_ALERT = 1 << 12, // alert_level and alert are set
	HT_FACT_FATAL = 1 << 13, // it ended the handshake
	HT_FACT_ENCRYPTED = 1 << 14, // what came next was encrypted
	HT_FACT_HELLO = 1 << 15, // of a client: another ClientHello
};

struct ht_tls_facts {
	uint16_t seen; // HT_FACT_*
	uint16_t version; // as ht_server_hello_version()
	uint16_t cipher;
	uint16_t group;
	uint8_t alert_level; // 1 warning, 2 fatal
	uint8_t alert; // the last one; none is taken behind a fatal one
	uint8_t cert_count; // certificates in the message; 255 for more, too
};

// A part of the buffer that the stream is gathered in.
struct ht_tls_part {
	uint32_t at, len;
};

// One direction of a TCP connection: the server's from its beginning, or the client's from behind
// its ClientHello. All zero begins at offset 0 of the stream as a server; `pos` and `begin` may be
// set to where TLS begins, and `client` to true.
//
// A ServerHello in clear means that an earlier session is taken up when it has chosen a
// pre_shared_key (TLS 1.3), or when ChangeCipherSpec follows without a ServerHelloDone (RFC 5246
// 7.3, RFC 5077 3.1), by session id or by ticket.
struct ht_tls_answer {
	struct ht_tls_facts facts;
	struct ht_tls_part hello; // body of the last ServerHello or HelloRetryRequest
	struct ht_tls_part chain; // certificates as sent, each behind 3 bytes of length, the last
				  // of which may be wrong: facts.cert_count are whole
	uint32_t pos; // bytes of the stream before it were looked at
	uint32_t begin; // handshake bytes are gathered from here on in the buffer
	uint32_t gathered; // handshake bytes there, record headers taken out
	uint32_t message; // of them, those of messages that are over
	uint32_t rec_left; // bytes of the current record still to come
	bool client;
	uint8_t outcome; // enum ht_rc of a direction that is over; HT_OK is 0 and needs `over`
	bool over;
	uint8_t cert_type; // RFC 7250: 2 is a raw public key, and no chain is told
};

// ht_tls_answer goes on with the first `len` in-order bytes of the stream. Like ht_tls_frame() it
// moves handshake bytes together inside `buf`, over the record headers between them; what the parts
// name stays where it is, bytes behind a->pos are not touched, and the cost over the life of a
// stream is linear in the bytes. `max`: bytes of the longest message that is worth waiting for.
//   HT_OK    over: nothing more of use comes in clear
//   HT_MORE  right so far
//   HT_BAD   not TLS, or a message that contradicts itself
//   HT_LIMIT a message longer than `max`, or a ServerHello with too many extensions
// Facts and parts hold what was seen before a fault, too. A direction that is over stays so.
HT_MUST_USE enum ht_rc
ht_tls_answer(struct ht_tls_answer *a, uint8_t *buf, size_t len, uint32_t max);

// ht_tls_answer_rest is for an owner that wants to hold no bytes while it waits: it tells how many
// bytes of the stream may be dropped, and goes on as if the stream began behind them. The parts are
// gone. 0: it stands inside a message, and nothing was changed.
HT_MUST_USE uint32_t ht_tls_answer_rest(struct ht_tls_answer *a);

// --- the same in datagrams ---------------------------------------------------------------------

// A handshake message being put together from fragments.
struct ht_dtls_part {
	struct ht_assembly body; // of a message that came in several
	uint32_t length;
	uint16_t message_seq;
	bool begun;
};

enum { HT_DTLS_PART_HELLO, HT_DTLS_PART_CERTIFICATE, HT_DTLS_PART_KEY_EXCHANGE, HT_DTLS_NUM_PARTS };

// The server's side of one DTLS association, or the client's. All zero begins as a server.
struct ht_dtls_answer {
	struct ht_tls_facts facts;
	bool client;
	bool over;
	uint8_t cert_type;
	struct ht_dtls_part parts[HT_DTLS_NUM_PARTS];
};

// Messages of one datagram that became whole with it. They borrow from the datagram or from the
// ht_dtls_answer, until its next call. An empty body stands for a message that did not.
struct ht_dtls_messages {
	struct ht_span hello; // the body of the last ServerHello or HelloRetryRequest
	struct ht_span chain; // as of ht_tls_answer
};

// ht_dtls_answer takes a datagram: all of its records of epoch 0. `cut`: the snap length took the
// end of it. Fragments may come in any order and twice; a message of more than `max` bytes is
// passed over.
//   HT_OK    over: a ServerHello of DTLS 1.3, a ChangeCipherSpec, a fatal alert
//   HT_MORE  right so far, or nothing in it
//   HT_BAD   a message that contradicts itself
//   HT_LIMIT a message longer than `max`, or in too many fragments
//   HT_FULL  the arena has no room; the datagram may be given again
// Whatever the outcome, *out holds what became whole.
HT_MUST_USE enum ht_rc ht_dtls_answer(
	struct ht_dtls_answer *d,
	struct ht_arena *a,
	struct ht_span datagram,
	bool cut,
	uint32_t max,
	struct ht_dtls_messages *out
);

// ht_dtls_answer_drop gives back what it holds. The facts stay.
void ht_dtls_answer_drop(struct ht_dtls_answer *d, struct ht_arena *a);
