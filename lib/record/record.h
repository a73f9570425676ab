// SPDX-License-Identifier: BSD-3-Clause
// record: the field table. Each exported field stands here once, with its type, its JSON name and
// its help; the JSON, the CSV, the terminal table, --fields and docs/fields.md are made from it.
// Uses base.

#pragma once

#include "base.h"

// Types of field values, and how a value is kept in struct ht_record.
//   BOOL   bool            exported only when true
//   FLAG   bool            exported as true or false
//   U8 U16 U32 U64         a number
//   STR    const char *    ASCII text with static lifetime
//   TEXT   struct ht_span  bytes as sent, UTF-8 or not
//   HEX    struct ht_span  bytes, exported as lower-case hex
//   ASCII  struct ht_span  text known to be printable ASCII without quotes (fingerprints)
//   IP     const uint8_t * 16 bytes, IPv4 as ::ffff:a.b.c.d
//   MAC    const uint8_t * 6 bytes
//   TIME   int64_t         ns since the Unix epoch; `ts_is_ns` of the record gives the digits
//   U16S   struct ht_span  a list of 16-bit numbers in network order
//   U8S    struct ht_span  a list of bytes
//   VARINTS struct ht_span a list of QUIC variable-length integers (RFC 9000 16)
//   NAMES  struct ht_span  a list of names, each behind a length byte (RFC 7301 3.1), whole
//   STRS   struct ht_strs  a list of STR
//   TEXTS  struct ht_texts a list of ASCII texts made for this record
struct ht_strs {
	const char *s[8];
	uint8_t num;
};

#define HT_TEXTS_MAX 16
struct ht_texts {
	char s[HT_TEXTS_MAX][28];
	uint8_t len[HT_TEXTS_MAX];
	uint8_t num;
};

// F(id, type, help): id is the JSON name. In the order in which they are exported.
#define HT_RECORD_FIELDS(F)                                                                        \
	F(record, STR, "kind of record: hello")                                                    \
	F(ts, TIME, "time of the frame that completed the hello, RFC 3339 UTC")                    \
	F(frame, U64, "number of that frame in its file, from 1 (replay only)")                    \
	F(src_ip, IP, "client address, innermost")                                                 \
	F(src_port, U16, "client port")                                                            \
	F(dst_ip, IP, "server address, innermost")                                                 \
	F(dst_port, U16, "server port")                                                            \
	F(src_mac, MAC, "client MAC address; only where there is no IP (EAP over 802.1X)")         \
	F(dst_mac, MAC, "authenticator MAC address; only where there is no IP")                    \
	F(transport, STR, "tcp, udp or eapol")                                                     \
	F(community_id, ASCII, "Community ID flow hash, version 1, seed 0")                        \
	F(encap, TEXTS, "encapsulations, outermost first")                                         \
	F(service, STR, "service by server port")                                                  \
	F(protocol, STR, "tls, dtls or quic")                                                      \
	F(via, STRS, "what was spoken on this connection before TLS, outermost first")             \
	F(complete, FLAG, "the whole hello was seen and parsed")                                   \
	F(incomplete_reason, STR,                                                                  \
	  "gap, evicted, limit, idle, end_of_capture, snaplen, malformed or decrypt")              \
	F(hello_number, U8, "1, or 2 after a HelloRetryRequest or in clear renegotiation")         \
	F(hello_len, U32, "bytes of the handshake message with its 4-byte header")                 \
	F(segments, U16, "TCP segments, UDP datagrams or packets the hello came in")               \
	F(tls_records, U16, "TLS or DTLS records the hello came in")                               \
	F(quic_packets, U16, "QUIC Initial packets the hello came in")                             \
	F(sni, TEXT, "server_name as sent (RFC 6066 3)")                                           \
	F(alpn, NAMES, "protocols offered, in order (RFC 7301)")                                   \
	F(tls_version, STR, "highest version offered, GREASE apart")                               \
	F(legacy_version, U16, "client_version / legacy_version of the hello")                     \
	F(versions, U16S, "supported_versions as sent (RFC 8446 4.2.1)")                           \
	F(ciphers, U16S, "cipher suites as sent, GREASE included")                                 \
	F(extensions, U16S, "extension types as sent, GREASE included")                            \
	F(groups, U16S, "supported_groups as sent (RFC 8446 4.2.7)")                               \
	F(key_share_groups, U16S, "groups for which a key share was sent (RFC 8446 4.2.8)")        \
	F(sig_algs, U16S, "signature_algorithms as sent (RFC 8446 4.2.3)")                         \
	F(point_formats, U8S, "ec_point_formats as sent (RFC 8422 5.1.2)")                         \
	F(session_id_len, U8, "bytes of the session id")                                           \
	F(psk, BOOL, "pre_shared_key offered (RFC 8446 4.2.11)")                                   \
	F(early_data, BOOL, "early_data offered (RFC 8446 4.2.10)")                                \
	F(ocsp_stapling, BOOL, "status_request offered (RFC 6066 8)")                              \
	F(session_ticket, BOOL, "session_ticket offered (RFC 5077)")                               \
	F(pq, BOOL, "a post-quantum or hybrid group is among the key shares")                      \
	F(ech, STR, "encrypted_client_hello offered: outer, grease or real")                       \
	F(ja3, ASCII, "JA3 fingerprint")                                                           \
	F(ja4, ASCII, "JA4 fingerprint")                                                           \
	F(ja4_r, ASCII, "JA4 fingerprint unhashed, on request")                                    \
	F(quic_version, U32, "version of the Initial that carried the hello")                      \
	F(quic_dcid, HEX, "destination connection id of the client's first Initial")               \
	F(quic_scid, HEX, "source connection id of the client's first Initial")                    \
	F(quic_token_len, U32, "bytes of the token of the client's first Initial")                 \
	F(quic_user_agent, TEXT, "transport parameter 0x3129, or UAID of a gQUIC hello")           \
	F(quic_transport_parameters, VARINTS, "transport parameter ids as sent, GREASE included")

enum ht_type {
	HT_TYPE_BOOL, HT_TYPE_FLAG, HT_TYPE_U8, HT_TYPE_U16, HT_TYPE_U32, HT_TYPE_U64, HT_TYPE_STR,
	HT_TYPE_TEXT, HT_TYPE_HEX, HT_TYPE_ASCII, HT_TYPE_IP, HT_TYPE_MAC, HT_TYPE_TIME,
	HT_TYPE_U16S, HT_TYPE_U8S, HT_TYPE_VARINTS, HT_TYPE_NAMES, HT_TYPE_STRS, HT_TYPE_TEXTS,
	HT_NUM_TYPES
};

typedef bool ht_type_BOOL, ht_type_FLAG;
typedef uint8_t ht_type_U8;
typedef uint16_t ht_type_U16;
typedef uint32_t ht_type_U32;
typedef uint64_t ht_type_U64;
typedef const char *ht_type_STR;
typedef struct ht_span ht_type_TEXT, ht_type_HEX, ht_type_ASCII, ht_type_U16S, ht_type_U8S,
	ht_type_VARINTS, ht_type_NAMES;
typedef const uint8_t *ht_type_IP, *ht_type_MAC;
typedef int64_t ht_type_TIME;
typedef struct ht_strs ht_type_STRS;
typedef struct ht_texts ht_type_TEXTS;

enum ht_field_id {
#define F(id, type, help) HT_FIELD_##id,
	HT_RECORD_FIELDS(F)
#undef F
		HT_NUM_FIELDS
};
_Static_assert(HT_NUM_FIELDS <= 64, "ht_record.has is one word");

// One record. Spans borrow from the frame, the stream or the sensor's scratch: a sink that keeps a
// record past ht_sink_write() copies them. A field has a value when its bit in `has` is set;
// everything else in it is then undefined, so a record is never cleared as a whole.
struct ht_record {
	uint64_t has; // 1 << HT_FIELD_*
	bool ts_is_ns;
#define F(id, type, help) ht_type_##type id;
	HT_RECORD_FIELDS(F)
#undef F
};

#define HT_HAS(id) ((uint64_t)1 << HT_FIELD_##id)

// ht_set gives a field its value.
#define ht_set(r, id, value) ((r)->id = (value), (r)->has |= HT_HAS(id))

struct ht_field {
	const char *name;
	const char *help;
	uint16_t offset; // of the value in struct ht_record
	uint8_t type;	 // enum ht_type
	uint8_t name_len;
};

extern const struct ht_field ht_fields[HT_NUM_FIELDS];
