// SPDX-License-Identifier: BSD-3-Clause
// tls: record and handshake framing (TLS, DTLS, SSLv2), ClientHello views. Uses base, reader,
// ranges.
//
// Framing finds a whole ClientHello in a stream or in datagrams and may want more bytes. Parsing
// gets a whole message and makes views of it.

#pragma once

#include "arena.h"
#include "base.h"
#include "ranges.h"

// --- the ClientHello ---------------------------------------------------------------------------

enum ht_hello_kind {
	HT_HELLO_TLS, // RFC 8446 4.1.2 and before: SSL 3.0 to TLS 1.3, over TCP or QUIC
	HT_HELLO_DTLS, // with a cookie: RFC 6347 4.2.1, RFC 9147 5.3
	HT_HELLO_SSL2, // SSL 2.0 CLIENT-HELLO, RFC 5246 E.2
};

// Extensions and key shares kept of one hello. A hello has each extension type once (RFC 8446 4.2);
// some 60 are assigned. More than the cap is HT_LIMIT.
#define HT_HELLO_MAX_EXTENSIONS 512
#define HT_HELLO_MAX_KEY_SHARES 128
// Bytes of the ids of QUIC transport parameters, 1 to 8 each; clients send some 15 to 20 of them.
#define HT_HELLO_MAX_QUIC_IDS 512

// A field is set when its bit is in `seen`. The other fields of an unseen part are undefined.
enum {
	HT_SEEN_BODY = 1 << 0, // version, random, session id, ciphers and compression are there
	HT_SEEN_SNI = 1 << 1,
	HT_SEEN_ALPN = 1 << 2,
	HT_SEEN_VERSIONS = 1 << 3,
	HT_SEEN_GROUPS = 1 << 4,
	HT_SEEN_KEY_SHARE = 1 << 5,
	HT_SEEN_SIG_ALGS = 1 << 6,
	HT_SEEN_POINT_FORMATS = 1 << 7,
	HT_SEEN_QUIC_PARAMETERS = 1 << 8,
	HT_SEEN_PSK = 1 << 9,
	HT_SEEN_EARLY_DATA = 1 << 10,
	HT_SEEN_STATUS_REQUEST = 1 << 11,
	HT_SEEN_SESSION_TICKET = 1 << 12,
	HT_SEEN_ECH = 1 << 13,
	HT_SEEN_COOKIE = 1 << 14, // extension 44, after a HelloRetryRequest
	HT_SEEN_EXTENSIONS = 1 << 15, // an extension block, perhaps an empty one
	HT_SEEN_SNI_EXT = 1 << 16, // extension 0, whatever is in it
	HT_SEEN_VERSION = 1 << 17, // legacy_version alone (a hello cut behind it)
};

// Borrows from the message given to ht_hello_parse().
struct ht_hello {
	uint32_t seen; // HT_SEEN_*
	uint8_t kind; // enum ht_hello_kind
	bool sni_name; // a host_name entry is there; `sni` may still be empty
	uint16_t legacy_version;
	uint16_t num_extensions, num_key_shares;
	struct ht_span random, session_id, cookie, compression;
	struct ht_span ciphers; // 2 bytes each; 3 for SSL 2.0
	struct ht_span sni; // the first host_name
	struct ht_span alpn; // names behind a length byte each
	struct ht_span versions; // supported_versions, 2 bytes each
	struct ht_span groups; // 2 bytes each
	struct ht_span sig_algs; // 2 bytes each
	struct ht_span point_formats; // 1 byte each
	struct ht_span quic_parameters; // RFC 9000 18: a sequence of id, length, value
	struct ht_span quic_user_agent; // parameter 0x3129; len 0 when there is none
	uint8_t extensions[2 * HT_HELLO_MAX_EXTENSIONS]; // types in network order, as sent
	uint8_t key_shares[2 * HT_HELLO_MAX_KEY_SHARES]; // groups in network order, as sent
	uint16_t quic_ids_len;
	uint8_t quic_ids[HT_HELLO_MAX_QUIC_IDS]; // ids of quic_parameters, as variable-length
						 // integers
};

// ht_hello_parse reads the body of a ClientHello: what follows the 4-byte (DTLS: 12-byte) handshake
// header; for SSL 2.0 what follows the record length. `*out` holds every part that was read before
// the first fault, so that a malformed or cut hello still tells what it could.
//   HT_OK    all of it is right
//   HT_MORE  it is right as far as it goes, and ends too early (a cut message)
//   HT_BAD   a length contradicts what is around it
//   HT_LIMIT more extensions, key shares or transport parameters than the caps: what stands behind
//            them is read all the same
enum ht_rc ht_hello_parse(struct ht_hello *out, enum ht_hello_kind kind, struct ht_span body);

// ht_hello_version tells the highest version offered, GREASE apart: supported_versions where
// present, else legacy_version. For DTLS the newest is the smallest number. 0 when none was read.
uint16_t ht_hello_version(const struct ht_hello *h);

// ht_tls_version_name is "TLS 1.3", "DTLS 1.2", "SSL 2.0" ... or NULL for a number without a name.
const char *ht_tls_version_name(uint16_t version);

// ht_group_is_pq tells a post-quantum or hybrid NamedGroup (IANA TLS Supported Groups).
bool ht_group_is_pq(uint16_t group);

// --- framing over a stream ---------------------------------------------------------------------

// A plaintext record holds at most 2^14 bytes (RFC 8446 5.1); SSL 3.0 stacks were seen to exceed it
// by the 2048 bytes that only ciphertext may add (RFC 5246 6.2.3).
#define HT_TLS_RECORD_MAX (16384 + 2048)

enum ht_tls_start {
	HT_TLS_NO, // cannot be the beginning of TLS
	HT_TLS_PERHAPS, // too few bytes to say
	HT_TLS_RECORD, // a record that a TLS connection may begin with
	HT_TLS_SSL2, // an SSL 2.0 CLIENT-HELLO
};

// ht_tls_start looks at the first bytes of a direction.
enum ht_tls_start ht_tls_start(struct ht_span s);

// ht_tls_second looks at the records behind a first hello and tells in *skip how many bytes of them
// may be passed over: a change_cipher_spec (RFC 8446 D.4), and early data when the first hello
// offered it.
//   HT_MORE  what is behind *skip may become a second ClientHello, or is not there yet
//   HT_SKIP  the handshake went on without one
HT_MUST_USE enum ht_rc ht_tls_second(struct ht_span s, bool early_data, uint32_t *skip);

// Where the framing of one direction stands. All zero begins at offset 0 of the stream.
struct ht_tls_framer {
	uint32_t pos; // bytes before it were looked at
	uint32_t begin; // handshake bytes are gathered from here on in the buffer
	uint32_t gathered; // handshake bytes there, record headers taken out
	uint32_t rec_left; // bytes of the current record still to come
	uint16_t records; // that brought handshake bytes
	bool in_records; // a record was seen: no SSL 2.0 hello comes any more
	bool ssl2; // an SSL 2.0 hello has begun at `begin`
	bool second; // looking for a hello after the first one
	bool early_data; // the first one offered early data: application data may stand before
};

// A whole ClientHello. Borrows from the buffer given to the framer.
struct ht_tls_message {
	struct ht_span body; // behind the handshake header
	uint8_t kind; // HT_HELLO_TLS or HT_HELLO_SSL2
	uint16_t records;
	uint32_t stream_end; // offset of the first byte behind the record(s) that held it
};

// ht_tls_frame_whole is the fast path for the bytes that begin a direction.
//   HT_OK    one record that holds the whole ClientHello: *out is written
//   HT_SKIP  a ServerHello: the server's side
//   HT_MORE  it takes more than a look: gather, and use ht_tls_start and ht_tls_frame
HT_MUST_USE enum ht_rc ht_tls_frame_whole(struct ht_tls_message *out, struct ht_span s);

// ht_tls_frame goes on with the first `len` in-order bytes of the stream. It moves handshake bytes
// together inside `buf`, over the record headers between them; bytes behind f->pos are not touched.
// Its cost over the life of a stream is linear in the bytes.
//   HT_OK    *out is the ClientHello; the framer stands behind its record
//   HT_MORE  right so far
//   HT_SKIP  TLS, but no ClientHello: the server's side, or the handshake went on
//   HT_BAD   not TLS
HT_MUST_USE enum ht_rc
ht_tls_frame(struct ht_tls_framer *f, uint8_t *buf, size_t len, struct ht_tls_message *out);

// ht_tls_frame_partial gives what was gathered of a hello that will not be completed: its body so
// far and the declared length. It returns false when no byte of a ClientHello message was there.
HT_MUST_USE bool ht_tls_frame_partial(
	const struct ht_tls_framer *f,
	const uint8_t *buf,
	struct ht_tls_message *out,
	uint32_t *declared
);

// ht_tls_frame_begun tells whether the first bytes of a ClientHello message were gathered.
bool ht_tls_frame_begun(const struct ht_tls_framer *f, const uint8_t *buf);

// --- DTLS --------------------------------------------------------------------------------------

// ht_dtls_perhaps looks at the first byte of a datagram (which is not empty): ContentType 20 to 25,
// change_cipher_spec to heartbeat (RFC 6520), tls12_cid (RFC 9146).
static inline bool ht_dtls_perhaps(struct ht_span datagram) {
	return datagram.p[0] >= 20 && datagram.p[0] <= 25;
}

// ht_dtls_start tells whether one of the first records of a datagram is a DTLS handshake record of
// epoch 0 that carries (a fragment of) a ClientHello: by their headers alone, since the snap length
// may have cut what is behind them.
bool ht_dtls_start(struct ht_span datagram);

// ht_dtls_first looks at the first fragment of a datagram that ht_dtls_start knows: its
// message_seq, whether its record is the first one that its sender made (sequence number 0), and
// the hello's random (32 bytes of the datagram) when it is in it, else an empty one.
struct ht_span ht_dtls_first(struct ht_span datagram, uint16_t *message_seq, bool *first_record);

// One ClientHello being put together from handshake fragments (RFC 6347 4.2.3). All zero is empty.
struct ht_dtls {
	struct ht_assembly body;
	uint32_t length; // declared, of the message
	uint16_t message_seq;
	uint16_t done_seq; // message_seq of the hellos that are over, as a bit set of 0..15
	uint16_t records;
	bool begun;
};

enum ht_dtls_rc {
	HT_DTLS_HELLO, // *out is the body of a whole ClientHello; it borrows from the datagram or
		       // from d->body. Call ht_dtls_next() before the next datagram.
	HT_DTLS_MORE, // a fragment was kept, or was there before
	HT_DTLS_SKIP, // nothing of a ClientHello in it
	HT_DTLS_NEXT, // the client began its next hello before this one was whole: nothing of that
		      // was taken. Finish with this one, call ht_dtls_next() and give the datagram
		      // again.
	HT_DTLS_LIMIT, // longer than `max`, or too many fragments
	HT_DTLS_FULL, // the arena has no room; the datagram may be given again
};

// ht_dtls_add takes the ClientHello fragments of a datagram. `cut`: the snap length took the end of
// it, and the last fragment is what there is of it.
HT_MUST_USE enum ht_dtls_rc ht_dtls_add(
	struct ht_dtls *d,
	struct ht_arena *a,
	struct ht_span datagram,
	bool cut,
	uint32_t max,
	struct ht_tls_message *out
);

// ht_dtls_next is ready for the second hello (the one with the cookie).
void ht_dtls_next(struct ht_dtls *d, struct ht_arena *a);
