// SPDX-License-Identifier: BSD-3-Clause
// record: the field table. Each exported field stands here once, with its type, its JSON name and
// its help; the JSON, the CSV, the terminal table, --fields and docs/fields.md are made from it.
// Uses base.

#pragma once

#include "base.h"

#define HT_STRS_MAX 8
struct ht_strs {
	const char *s[HT_STRS_MAX];
	uint8_t num;
};

#define HT_TEXTS_MAX 16
#define HT_TEXT_SIZE 28
struct ht_texts {
	char s[HT_TEXTS_MAX][HT_TEXT_SIZE]; // not terminated
	uint8_t len[HT_TEXTS_MAX];
	uint8_t num;
};

// T(id, C type, JSON type, help): the types of field values, how a value is kept in struct
// ht_record, and what a reader of the output sees. Beyond what the help says:
//   STR, STRS   ASCII without quotes, backslashes and commas; static lifetime, never changed
//   TEXT        bytes as sent, UTF-8 or not
//   ASCII       bytes known to be printable ASCII without quotes and backslashes
//   IP          16 bytes, IPv4 as ::ffff:a.b.c.d
//   MAC         6 bytes
//   TIME        ns since the Unix epoch; `ts_is_ns` of the record gives the digits
//   U16S        numbers in network order; an even number of bytes
//   VARINTS     whole QUIC variable-length integers (RFC 9000 16)
//   NAMES       whole names, each behind a length byte (RFC 7301 3.1), as sent
//   TEXTS       ASCII without quotes, backslashes, commas and spaces, made for this record
#define HT_TYPES(T) \
	T(BOOL, bool, "boolean", "`true`; left out when false") \
	T(FLAG, bool, "boolean", "`true` or `false`") \
	T(U8, uint8_t, "number", "0 to 255") \
	T(U16, uint16_t, "number", "0 to 65535") \
	T(U32, uint32_t, "number", "0 to 2^32-1") \
	T(U64, uint64_t, "number", "0 to 2^64-1") \
	T(STR, const char *, "string", "one of a fixed set of ASCII words") \
	T(TEXT, struct ht_span, "string", "text as sent") \
	T(HEX, struct ht_span, "string", "bytes as lower-case hex") \
	T(ASCII, struct ht_span, "string", "printable ASCII") \
	T(IP, const uint8_t *, "string", "IPv4 address in dotted form or IPv6 address (RFC 5952)") \
	T(MAC, const uint8_t *, "string", "MAC address, `00:00:5e:00:53:01`") \
	T(TIME, int64_t, "string", "time, UTC, RFC 3339, with 6 or 9 digits of a second") \
	T(U16S, struct ht_span, "[number]", "list of numbers, 0 to 65535") \
	T(U8S, struct ht_span, "[number]", "list of numbers, 0 to 255") \
	T(VARINTS, struct ht_span, "[number]", "list of numbers, 0 to 2^62-1") \
	T(NAMES, struct ht_span, "[string]", "list of texts as sent") \
	T(STRS, struct ht_strs, "[string]", "list of words of a fixed set") \
	T(TEXTS, struct ht_texts, "[string]", "list of ASCII words")

// F(id, type, help): id is the JSON name. In the order in which they are exported.
#define HT_RECORD_FIELDS(F) \
	F(record, STR, "kind of record: hello or event") \
	F(ts, TIME, \
	  "time of the frame that completed the hello, or brought the last part of an incomplete " \
	  "one; of an event, of the last frame that was looked at for it (docs/events.md)") \
	F(frame, U64, "number of that frame in its file, from 1 (replay only)") \
	F(kind, STR, "kind of event: upgrade, not_tls_on_tls_port or encrypted_hello") \
	F(severity, STR, "of an event: info, notice, warning or critical") \
	F(src_ip, IP, "client address, innermost") \
	F(src_port, U16, "client port") \
	F(dst_ip, IP, "server address, innermost") \
	F(dst_port, U16, "server port") \
	F(src_mac, MAC, "client MAC address; only where there is no IP (EAP over 802.1X)") \
	F(dst_mac, MAC, "authenticator MAC address; only where there is no IP") \
	F(transport, STR, "tcp, udp or eapol") \
	F(community_id, ASCII, "Community ID flow hash, version 1, seed 0") \
	F(encap, TEXTS, "encapsulations, outermost first") \
	F(service, STR, "service by server port: docs/services.md, or `--services`") \
	F(protocol, STR, "tls, dtls or quic") \
	F(via, STRS, "what was spoken on this connection before TLS, outermost first") \
	F(upgrade_state, STR, \
	  "what became of an upgrade: completed, refused, not_offered, offered_unused, " \
	  "requested_unanswered, stripped or plain_credentials") \
	F(in_clear, STRS, \
	  "what was sent in clear on a connection whose protocol has an upgrade: login, mail") \
	F(evidence, STR, "what an event was concluded from, in words; never a credential") \
	F(seen, STR, \
	  "what was spoken where TLS belongs: ssh, http, openvpn, a name of via ..., or unknown") \
	F(complete, FLAG, "the whole hello was seen and parsed") \
	F(incomplete_reason, STR, \
	  "gap, evicted, limit, idle, end_of_capture, snaplen, malformed or decrypt") \
	F(hello_number, U8, \
	  "1; 2 for the next one on the connection (after a HelloRetryRequest, with a DTLS " \
	  "cookie ...)") \
	F(hello_len, U32, "bytes of the handshake message with its 4-byte header") \
	F(segments, U16, "TCP segments, UDP datagrams or packets the hello came in") \
	F(tls_records, U16, "TLS or DTLS records the hello came in") \
	F(quic_packets, U16, "QUIC Initial packets the hello came in") \
	F(sni, TEXT, "server_name as sent (RFC 6066 3)") \
	F(alpn, NAMES, "protocols offered, in order (RFC 7301)") \
	F(tls_version, STR, "highest version offered, GREASE apart") \
	F(legacy_version, U16, "client_version / legacy_version of the hello") \
	F(versions, U16S, "supported_versions as sent (RFC 8446 4.2.1)") \
	F(ciphers, U16S, \
	  "cipher suites as sent, GREASE included; of an SSL 2.0 hello its 24-bit cipher kinds") \
	F(extensions, U16S, "extension types as sent, GREASE included") \
	F(groups, U16S, "supported_groups as sent (RFC 8446 4.2.7)") \
	F(key_share_groups, U16S, "groups for which a key share was sent (RFC 8446 4.2.8)") \
	F(sig_algs, U16S, "signature_algorithms as sent (RFC 8446 4.2.3)") \
	F(point_formats, U8S, "ec_point_formats as sent (RFC 8422 5.1.2)") \
	F(session_id_len, U8, "bytes of the session id") \
	F(psk, BOOL, "pre_shared_key offered (RFC 8446 4.2.11)") \
	F(early_data, BOOL, "early_data offered (RFC 8446 4.2.10)") \
	F(ocsp_stapling, BOOL, "status_request offered (RFC 6066 8)") \
	F(session_ticket, BOOL, "session_ticket offered (RFC 5077)") \
	F(pq, BOOL, "a post-quantum or hybrid group is among the key shares") \
	F(ech, STR, "encrypted_client_hello offered: outer, grease or real") \
	F(ja3, ASCII, "JA3 fingerprint") \
	F(ja4, ASCII, "JA4 fingerprint") \
	F(ja4_r, ASCII, "JA4 fingerprint unhashed, on request") \
	F(quic_version, U32, "version of the Initial that carried the hello") \
	F(quic_dcid, HEX, "destination connection id of the client's first Initial") \
	F(quic_scid, HEX, "source connection id of the client's first Initial") \
	F(quic_token_len, U32, "bytes of the token of the client's first Initial") \
	F(quic_user_agent, TEXT, "transport parameter 0x3129, or UAID of a gQUIC hello") \
	F(quic_transport_parameters, VARINTS, "transport parameter ids as sent, GREASE included")

enum ht_type {
#define T(id, ctype, json, help) HT_TYPE_##id,
	HT_TYPES(T)
#undef T
		HT_NUM_TYPES
};

#define T(id, ctype, json, help) typedef ctype ht_type_##id;
HT_TYPES(T)
#undef T

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
	bool ts_is_ns; // set together with ts
	bool ciphers_are_24_bit; // set together with ciphers: SSL 2.0 has 3 bytes each (RFC 5246
				 // E.2)
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
	uint8_t type; // enum ht_type
	uint8_t name_len;
};

extern const struct ht_field ht_fields[HT_NUM_FIELDS];

struct ht_type_info {
	const char *name; // "U16S"
	const char *json; // "[number]"
	const char *help;
};

extern const struct ht_type_info ht_types[HT_NUM_TYPES];

// ht_record_pack writes a record to `out` as another thread of this process can use it: words of a
// fixed set (STR, STRS) cross as pointers, all else as bytes. It returns how many of the `room`
// bytes that took, or 0 when the record does not fit; what is in `out` then means nothing.
HT_MUST_USE size_t ht_record_pack(uint8_t *out, size_t room, const struct ht_record *r);

// ht_record_unpack reads what ht_record_pack wrote, and nothing else: its lengths are believed. The
// spans and addresses of *r borrow from `in`. It returns how many bytes the record has there.
size_t ht_record_unpack(struct ht_record *r, const uint8_t *in);
