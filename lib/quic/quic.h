// SPDX-License-Identifier: BSD-3-Clause
// quic: long headers, Initial keys, unprotect, CRYPTO frames -> handshake bytes. Does not know tls.
// Uses base, reader, ranges, crypto. RFC 8999, 9000, 9001, 9369; gQUIC as noted.

#pragma once

#include "arena.h"
#include "base.h"
#include "crypto.h"
#include "ranges.h"

#define HT_QUIC_CID_MAX 20

// What a UDP datagram is, by the headers in it alone (RFC 8999 5.1, RFC 9000 17.2).
enum ht_quic_kind {
	HT_QUIC_NOT, // no long header, or none that could be QUIC
	HT_QUIC_INITIAL, // has an Initial of a version whose keys are known, first or later
	HT_QUIC_GQUIC, // gQUIC up to Q046: a handshake message in clear
	HT_QUIC_LONG, // 0-RTT or Handshake packets only
	HT_QUIC_RETRY,
	HT_QUIC_VERSION_NEGOTIATION, // version 0
	HT_QUIC_GREASED, // version 0x?a?a?a?a (RFC 9000 15)
	HT_QUIC_UNKNOWN_VERSION,
	HT_QUIC_NUM_KINDS
};

// Borrows from the datagram. Of the packet that gave the kind: the Initial, else the first packet.
struct ht_quic_header {
	uint8_t kind; // enum ht_quic_kind
	uint32_t version;
	struct ht_span dcid, scid;
};

// ht_quic_perhaps looks at the first byte of a datagram (which is not empty), which rules nearly
// all out: short headers, and what is no QUIC. Left are long headers, and the flags of gQUIC's
// public header with a version and a connection id.
static inline bool ht_quic_perhaps(struct ht_span datagram) {
	return (datagram.p[0] & 0x80) != 0 || (datagram.p[0] & 0x8b) == 0x09;
}

// ht_quic_peek classifies a datagram. Cheap: no crypto. It always writes *out.
enum ht_quic_kind ht_quic_peek(struct ht_quic_header *out, struct ht_span datagram);

// What a worker needs to open Initials: contexts and scratch made once.
struct ht_quic;

struct ht_quic_params {
	struct ht_crypto *crypto; // outlives the ht_quic
	struct ht_arena *arena; // CRYPTO bytes are put together here; outlives the ht_quic
	uint32_t max_bytes; // CRYPTO bytes kept for a connection
};

struct ht_quic *ht_quic_new(const struct ht_quic_params *p); // NULL: no memory
void ht_quic_free(struct ht_quic *q);

// The client's side of one connection until its ClientHello is there. All zero is a new connection.
// The owner may read what is not marked private.
struct ht_quic_conn {
	uint32_t version; // of the Initial whose CRYPTO bytes were taken last
	uint32_t token_len; // of the client's first Initial
	uint32_t crypto_base; // bytes of the stream that ht_quic_consume() dropped
	uint16_t packets; // Initials of the client that brought new CRYPTO bytes
	uint16_t undecryptable; // Initials of the client that no key opened
	uint8_t odcid_len, scid_len;
	bool retried; // the keys come from a Retry's Source Connection ID
	bool repeated; // handshake bytes came that ht_quic_consume() dropped, or from before a
		       // Retry
	uint32_t largest_pn; // packet number of the client

	// Private.
	bool server_cid_known, retry_cid_known, version_negotiated, expect_repeat;
	uint8_t key_cid_len, server_cid_len, retry_cid_len;
	uint32_t key_version; // of `keys`; 0: there are none yet
	uint32_t first_version; // of the client's first Initial
	uint32_t token_hash; // of the token of the client's first Initial
	uint32_t hello_hash; // of how the first hello consumed began

	struct ht_assembly crypto; // handshake bytes by offset, from `crypto_base` of the stream on

	// Arrays last: they hold nothing while their lengths are zero, so that ht_quic_drop()
	// leaves them as they are.
	uint8_t odcid[HT_QUIC_CID_MAX]; // of the client's first Initial
	uint8_t scid[HT_QUIC_CID_MAX];
	uint8_t key_cid[HT_QUIC_CID_MAX]; // private: `keys` come from this connection id
	uint8_t server_cid[HT_QUIC_CID_MAX]; // private: the client's DCID once the server chose it
	uint8_t retry_cid[HT_QUIC_CID_MAX]; // private: from a Retry whose tag was right
	struct ht_initial_keys keys; // private
};

// Outcomes of ht_quic_client.
enum ht_quic_rc {
	HT_QUIC_MORE, // opened, or nothing for us; the handshake bytes may have grown
	HT_QUIC_NO_KEY, // no key opened it: not the client's, damaged, or its beginning was not
			// seen
	HT_QUIC_LIMIT, // max_bytes or the range cap was reached
	HT_QUIC_NO_ROOM, // the arena is full
	HT_QUIC_BAD, // opened, and what is inside breaks the frame format; what came before is kept
	HT_QUIC_NEW, // opened as the beginning of another connection: nothing was taken, finish
		     // with c, ht_quic_drop it and give the datagram again
};

// ht_quic_client takes a datagram of the client (any coalesced packets) and adds what its Initials
// carry to c->crypto. An unopened c keeps its all-zero state, packet counts apart.
enum ht_quic_rc ht_quic_client(struct ht_quic *q, struct ht_quic_conn *c, struct ht_span datagram);

// ht_quic_server takes a datagram of the server: learns its connection ids, a Retry (whose
// integrity tag is verified, RFC 9001 5.8), a version it chose (RFC 9368).
void ht_quic_server(struct ht_quic *q, struct ht_quic_conn *c, struct ht_span datagram);

// ht_quic_consume drops the first n handshake bytes, so that a second ClientHello, which continues
// the CRYPTO stream after a HelloRetryRequest (RFC 9001 4.7), starts at 0 of c->crypto again. Bytes
// before it that come again later are ignored.
void ht_quic_consume(struct ht_quic *q, struct ht_quic_conn *c, uint32_t n);

// What is enough to open the client's later Initials of a connection whose hello is done with: a
// second hello after a HelloRetryRequest goes on in the same CRYPTO stream. Much smaller than the
// connection.
struct ht_quic_past {
	uint32_t version, first_version;
	uint32_t consumed; // bytes of the CRYPTO stream
	uint32_t hello_hash, token_hash, token_len, largest_pn;
	uint8_t odcid_len, scid_len, key_cid_len;
	bool retried;
	uint8_t odcid[HT_QUIC_CID_MAX], scid[HT_QUIC_CID_MAX], key_cid[HT_QUIC_CID_MAX];
};

// ht_quic_leave writes what is left of `c` when the first `len` bytes of c->crypto were its hello.
// c is as it was.
void ht_quic_leave(struct ht_quic_past *out, const struct ht_quic_conn *c, uint32_t len);

// ht_quic_resume makes the all-zero `c` go on where `p` left.
void ht_quic_resume(struct ht_quic *q, struct ht_quic_conn *c, const struct ht_quic_past *p);

// An answer of which so many packets brought nothing is given up: a server that cannot be read, or
// datagrams that somebody else made. Until its hello is there a server sends few that hold none of
// it.
#define HT_QUIC_MAX_FUTILE 16

// The server's side of a connection whose hello is there. All zero has seen nothing of it.
struct ht_quic_answer {
	uint32_t version; // of the server's first Initial that was opened: the one it chose
	uint32_t retry_token_len;
	uint64_t close_error; // error code of a CONNECTION_CLOSE (RFC 9000 20.1): 0x100 and above
			      // is a TLS alert
	uint16_t packets; // Initials of the server that brought new CRYPTO bytes
	uint16_t undecryptable; // Initials of the server that no key opened
	uint16_t
		futile; // these, Initials without new CRYPTO bytes, and Retries whose tag was wrong
	bool opened; // an Initial of the server
	bool retry; // a Retry whose tag was right
	bool version_negotiation;
	bool closed; // close_error is set
	uint8_t retry_cid_len;
	uint8_t retry_cid[HT_QUIC_CID_MAX]; // its Source Connection ID: the keys come from it
	struct ht_assembly crypto; // handshake bytes by offset
	struct ht_quic_answer_keys {
		uint32_t version; // 0: there are none yet
		struct ht_initial_keys keys;
	} hello_keys, retry_keys; // private: by the id of the hello, and by that of the Retry
};

// ht_quic_answer takes a datagram of the server, opens its Initials (RFC 9001 5.2) by what is left
// of the client's hello (ht_quic_leave() with any length gives it of a ht_quic_conn), and adds what
// they carry to a->crypto, up to q's max_bytes. The version may be another than the client's (RFC
// 9368 2.3). With a Retry seen or not: the keys that p has are those of the hello, and after a
// Retry that came behind the hello those of its Source Connection ID. Outcomes as ht_quic_client(),
// but for HT_QUIC_NEW. HT_QUIC_LIMIT is also that of HT_QUIC_MAX_FUTILE: no more is tried.
// HT_QUIC_NO_ROOM: the datagram may be given again.
enum ht_quic_rc ht_quic_answer(
	struct ht_quic *q,
	struct ht_quic_answer *a,
	const struct ht_quic_past *p,
	struct ht_span datagram
);

// ht_quic_answer_drop gives back the handshake bytes. The rest stays.
void ht_quic_answer_drop(struct ht_quic *q, struct ht_quic_answer *a);

// ht_quic_drop gives back what the connection holds and makes it a new one.
void ht_quic_drop(struct ht_quic *q, struct ht_quic_conn *c);

// A gQUIC ClientHello (CHLO), as far as the sensor tells it. Borrows from the message.
struct ht_gquic_hello {
	struct ht_span message; // CHLO with its tag table
	struct ht_span sni, user_agent;
	struct ht_span versions; // VER tag
	uint32_t version;
};

// ht_gquic_chlo reads a handshake message in clear (Q043, Q046) out of a datagram.
HT_MUST_USE enum ht_rc ht_gquic_chlo(struct ht_gquic_hello *out, struct ht_span datagram);

// ht_gquic_message reads a CHLO message (Q050: from the CRYPTO bytes). HT_MORE until it is all
// there.
HT_MUST_USE enum ht_rc ht_gquic_message(struct ht_gquic_hello *out, struct ht_span message);
