// SPDX-License-Identifier: BSD-3-Clause
// quic_int: what the files of quic share, and what tests and fuzzers reach below the AEAD.

#pragma once

#include "quic.h"
#include "reader.h"

enum ht_quic_salt_id {
	HT_SALT_V1,
	HT_SALT_V2,
	HT_SALT_DRAFT29,
	HT_SALT_DRAFT23,
	HT_SALT_DRAFT22,
	HT_SALT_V2_DRAFT01,
	HT_SALT_V2_DRAFT_2022,
	HT_SALT_MVFST_2024,
	HT_SALT_Q050,
	HT_SALT_T050,
	HT_SALT_T051,
	HT_SALT_GREASED,
	HT_QUIC_NUM_SALTS
};

struct ht_quic_salt_def {
	uint8_t salt[20];
	enum ht_initial_labels labels;
};

extern const struct ht_quic_salt_def ht_quic_salts[HT_QUIC_NUM_SALTS];

// The fixed key of Retry integrity tags. RFC 9001 5.8.
struct ht_quic_retry_key {
	uint8_t key[16], nonce[12];
};

// How a version's Retry names the connection id it answers.
enum ht_quic_retry {
	HT_RETRY_UNKNOWN, // cannot be verified here
	HT_RETRY_ODCID, // as a field in clear (draft-22 to draft-24)
	HT_RETRY_V1,
	HT_RETRY_V2,
	HT_RETRY_DRAFT29,
	HT_RETRY_DRAFT25,
	HT_QUIC_NUM_RETRIES
};

extern const struct ht_quic_retry_key ht_quic_retry_keys[HT_QUIC_NUM_RETRIES];

// Versions first .. last, as they are on the wire.
struct ht_quic_version {
	uint32_t first, last;
	uint8_t salt; // enum ht_quic_salt_id
	uint8_t retry; // enum ht_quic_retry
	bool v2_types; // packet type bits of RFC 9369 3.2
	bool google_frames; // frames of gQUIC instead of those of RFC 9000 19
};

// ht_quic_version_find returns NULL for a version whose Initial keys are not known.
const struct ht_quic_version *ht_quic_version_find(uint32_t version);

static inline bool ht_quic_is_greased(uint32_t version) {
	return (version & 0x0f0f0f0f) == 0x0a0a0a0a;
}

// As the v1 bits say it; those of v2 are mapped to these (RFC 9000 17.2).
enum ht_quic_type { HT_TYPE_INITIAL, HT_TYPE_0RTT, HT_TYPE_HANDSHAKE, HT_TYPE_RETRY };

// One packet of a datagram with a long header of a known version. Borrows from the datagram.
struct ht_quic_packet {
	const struct ht_quic_version *version_info;
	uint32_t version;
	enum ht_quic_type type;
	struct ht_span dcid, scid;
	struct ht_span token; // Initial only
	struct ht_span whole; // first byte of the header to the end of the payload
	size_t pn_offset; // in `whole`; Initial, 0-RTT, Handshake
};

// ht_quic_next reads the next packet of a datagram. HT_SKIP: a packet header of SCONE, which has no
// body; read on. HT_BAD: what is left is no packet of a version known here (padding, a short
// header, a tail of other bytes, a packet that was cut); *r did not move.
HT_MUST_USE enum ht_rc ht_quic_next(struct ht_quic_packet *out, struct ht_reader *r);

// FNV-1a of at most 64 bytes: tells a token or a hello from another without keeping it. Nothing but
// a wrong guess depends on it.
uint32_t ht_quic_hash(struct ht_span s);

// As much of a hello as tells it from another: message header, version and random (RFC 8446 4.1.2).
#define HT_QUIC_BEGINNING 38

// ht_quic_restart forgets the handshake bytes, so that a hello is taken from offset 0 again.
void ht_quic_restart(struct ht_quic_conn *c, struct ht_arena *a);

// Where CRYPTO frames go.
struct ht_quic_sink {
	struct ht_quic_conn *conn; // NULL: of the server, whose bytes all count from 0
	struct ht_assembly *crypto; // that of conn, or the server's
	struct ht_arena *arena;
	uint32_t max_bytes;
	bool new_bytes; // set when a frame brought bytes that were not there
	bool closed; // there was a CONNECTION_CLOSE
	uint64_t close_error; // its error code
};

// ht_quic_crypto adds the bytes of one CRYPTO frame: HT_QUIC_MORE, _LIMIT, _NO_ROOM or _BAD.
HT_MUST_USE enum ht_quic_rc
ht_quic_crypto(struct ht_quic_sink *s, uint64_t offset, struct ht_span bytes);

// ht_quic_crypto_frame reads a CRYPTO frame behind its type byte and adds what it carries. False
// when it is malformed; *rc keeps the first outcome that was not HT_QUIC_MORE.
HT_MUST_USE bool
ht_quic_crypto_frame(struct ht_quic_sink *s, struct ht_reader *r, enum ht_quic_rc *rc);

// ht_quic_frames walks the decrypted payload of an Initial; outcomes as ht_quic_crypto.
HT_MUST_USE enum ht_quic_rc ht_quic_frames(struct ht_quic_sink *s, struct ht_span payload);

// ht_gquic_frames does the same for Q050, T050 and T051.
HT_MUST_USE enum ht_quic_rc ht_gquic_frames(struct ht_quic_sink *s, struct ht_span payload);

// ht_gquic_peek tells whether a datagram begins with a packet header of gQUIC up to Q046.
bool ht_gquic_peek(struct ht_quic_header *out, struct ht_span datagram);

// ht_quic_zeros tells how many zero bytes `s` begins with.
size_t ht_quic_zeros(struct ht_span s);

// The largest UDP payload; a reassembled or jumbo datagram can hold one Initial of this size.
#define HT_QUIC_MAX_DATAGRAM 65535

struct ht_quic {
	struct ht_crypto *crypto;
	struct ht_arena *arena;
	uint32_t max_bytes;
	struct ht_initial_salt *salts[HT_QUIC_NUM_SALTS];
	uint8_t scratch[HT_QUIC_MAX_DATAGRAM + 1 + HT_QUIC_CID_MAX]; // one header and its payload
								     // in clear
};

static inline void ht_quic_set_cid(uint8_t *cid, uint8_t *len, struct ht_span from) {
	if (from.len > 0)
		memcpy(cid, from.p, from.len);
	*len = (uint8_t)from.len;
}

static inline bool ht_quic_is_cid(const uint8_t *cid, uint8_t len, struct ht_span s) {
	return s.len == len && memcmp(cid, s.p, len) == 0;
}

// ht_quic_retry_is_right verifies that a Retry answers a first Initial sent to `odcid`, and
// gives its token.
HT_MUST_USE bool ht_quic_retry_is_right(
	struct ht_quic *q,
	struct ht_span odcid,
	const struct ht_quic_packet *p,
	struct ht_span *token
);

// ht_quic_open opens an Initial: false when the keys do not fit. The payload is in q's scratch
// until the next call.
HT_MUST_USE bool ht_quic_open(
	struct ht_quic *q,
	struct ht_span *payload,
	uint32_t *pn,
	const struct ht_quic_packet *p,
	const struct ht_initial_keys *keys
);
