// SPDX-License-Identifier: BSD-3-Clause
// record: the field table. Each exported field stands here once, with its type, its JSON name and
// its help; the JSON, the CSV, the terminal table, --fields and docs/fields.md are made from it.
// Uses base, reader.

#pragma once

#include "base.h"

#define HT_STRS_MAX 64 // as many as a policy has findings
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
//   SECONDS     seconds since the Unix epoch, years 0000 to 9999
//   U16S        numbers in network order; an even number of bytes
//   VARINTS     whole QUIC variable-length integers (RFC 9000 16)
//   NAMES       whole names, each behind a length byte (RFC 7301 3.1), as sent
//   TEXTS       ASCII without quotes, backslashes, commas and spaces, made for this record
//   MATCHES     whole matches: list, entry, label and severity, each behind 2 bytes of length; at
//               most HT_MATCHES_MAX of them and HT_MATCHES_SIZE bytes (ht_match_put, ht_match_next)
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
	T(SECONDS, int64_t, "string", "time, UTC, RFC 3339, in whole seconds") \
	T(U16S, struct ht_span, "[number]", "list of numbers, 0 to 65535") \
	T(U8S, struct ht_span, "[number]", "list of numbers, 0 to 255") \
	T(VARINTS, struct ht_span, "[number]", "list of numbers, 0 to 2^62-1") \
	T(NAMES, struct ht_span, "[string]", "list of texts as sent") \
	T(STRS, struct ht_strs, "[string]", "list of words of a fixed set") \
	T(TEXTS, struct ht_texts, "[string]", "list of ASCII words") \
	T(MATCHES, struct ht_span, "[object]", \
	  "list of objects with the members `list`, `entry`, `label` (left out without one) and " \
	  "`severity`")

// Kinds of record, as bits of a mask: K(ID, word). The word is the record's field `record`.
#define HT_RECORD_KINDS(K) \
	K(HELLO, hello) \
	K(EVENT, event) \
	K(FLOW, flow) \
	K(AGGREGATE, aggregate) \
	K(STATS, stats)

enum ht_kind_bit {
#define K(id, word) HT_KIND_BIT_##id,
	HT_RECORD_KINDS(K)
#undef K
		HT_NUM_KINDS
};

enum ht_kind {
#define K(id, word) HT_KIND_##id = 1 << HT_KIND_BIT_##id,
	HT_RECORD_KINDS(K)
#undef K
		HT_KINDS_ALL
	= (1 << HT_NUM_KINDS) - 1,
	// As the table of fields has them, by their first letters.
	HT_KINDS_E = HT_KIND_EVENT,
	HT_KINDS_F = HT_KIND_FLOW,
	HT_KINDS_A = HT_KIND_AGGREGATE,
	HT_KINDS_S = HT_KIND_STATS,
	HT_KINDS_HE = HT_KIND_HELLO | HT_KIND_EVENT,
	HT_KINDS_EF = HT_KIND_EVENT | HT_KIND_FLOW,
	HT_KINDS_FA = HT_KIND_FLOW | HT_KIND_AGGREGATE,
	HT_KINDS_EA = HT_KIND_EVENT | HT_KIND_AGGREGATE,
	HT_KINDS_EFA = HT_KIND_EVENT | HT_KINDS_FA,
	HT_KINDS_HF = HT_KIND_HELLO | HT_KIND_FLOW,
	HT_KINDS_HFA = HT_KIND_HELLO | HT_KINDS_FA,
	HT_KINDS_HEF = HT_KIND_HELLO | HT_KIND_EVENT | HT_KIND_FLOW,
	HT_KINDS_HEFA = HT_KINDS_HEF | HT_KIND_AGGREGATE,
};

// F(id, number, type, kinds, help): id is the JSON name. In the order in which they are exported.
// `number` is for encodings that have no names: it is the field's in Protocol Buffers
// (docs/hellotap.proto) and its element under a private number of IPFIX, and stays what it is for
// ever; a new field takes the next one. `kinds` are the records that have it; an aggregate has the
// fields of its key, too.
#define HT_RECORD_FIELDS(F) \
	F(record, 1, STR, ALL, "kind of record: hello, event, flow, aggregate or stats") \
	F(ts, 2, TIME, ALL, \
	  "time of the frame that completed the hello, or its last; of an event, of the " \
	  "last frame looked at; of a flow, its end, or flow_idle_s behind it; of an aggregate, " \
	  "window_end; not in stats of a replay") \
	F(frame, 3, U64, HE, "number of that frame in its file, from 1 (replay only)") \
	F(kind, 4, STR, E, \
	  "kind of event: upgrade, not_tls_on_tls_port, encrypted_hello, watchlist, flood, " \
	  "new_fingerprint or rare_fingerprint") \
	F(severity, 5, STR, E, "of an event: info, notice, warning or critical") \
	F(src_ip, 6, IP, HEFA, "client address, innermost") \
	F(src_port, 7, U16, HEFA, "client port") \
	F(dst_ip, 8, IP, HEFA, "server address, innermost") \
	F(dst_port, 9, U16, HEFA, "server port") \
	F(src_mac, 10, MAC, HE, "client MAC address; only where there is no IP (EAP over 802.1X)") \
	F(dst_mac, 11, MAC, HE, "authenticator MAC address; only where there is no IP") \
	F(transport, 12, STR, HEFA, "tcp or udp; of hellos also eapol") \
	F(community_id, 13, ASCII, HEF, "Community ID flow hash, version 1, seed 0") \
	F(encap, 14, TEXTS, HEF, "encapsulations, outermost first") \
	F(service, 15, STR, HEFA, "service by server port: docs/services.md, or `--services`") \
	F(protocol, 16, STR, HEFA, "tls, dtls or quic") \
	F(via, 17, STRS, HEFA, "what was spoken on this connection before TLS, outermost first") \
	F(upgrade_state, 18, STR, E, \
	  "what became of an upgrade: completed, refused, not_offered, offered_unused, " \
	  "requested_unanswered, stripped or plain_credentials") \
	F(in_clear, 19, STRS, E, \
	  "what was sent in clear on a connection whose protocol has an upgrade: login, mail") \
	F(evidence, 20, STR, E, "what an event was concluded from, in words; never a credential") \
	F(seen, 21, STR, E, \
	  "what was spoken where TLS belongs: ssh, http, openvpn, a name of via ..., or unknown") \
	F(flood_by, 122, STR, E, \
	  "what the hellos of a flood have in common: destination, source or sni") \
	F(flood_state, 123, STR, E, "of a flood: start, peak or end") \
	F(rate, 124, U64, E, "of a flood: hellos in the last second") \
	F(rate_peak, 125, U64, E, "of a flood: most hellos in a second so far") \
	F(start, 56, TIME, EF, \
	  "time of the first packet told in this record; with `--flows tls`, UDP is told from " \
	  "the datagram of the hello on; of a flood, its begin") \
	F(end, 57, TIME, EF, "time of the last packet told in this record; of a flood, its end") \
	F(duration_us, 58, U64, EF, "microseconds from start to end") \
	F(end_reason, 59, STR, F, \
	  "why the flow was told (flowEndReason of IPFIX): idle, active (it goes on, the next " \
	  "record tells " \
	  "the rest), end (FIN or RST), forced (the capture ended) or resources (a table was " \
	  "full)") \
	F(flow_part, 60, U32, F, \
	  "1, or the number of this record where the flow was told before; from 65536 on it stays" \
	) \
	F(c2s_packets, 61, U64, FA, \
	  "packets from client to server; with `--flows tls`, those of UDP from the datagram of " \
	  "the hello on") \
	F(c2s_bytes, 62, U64, FA, "bytes of their frames on the wire") \
	F(c2s_ip_bytes, 63, U64, FA, "bytes of their innermost IP packets, headers included") \
	F(s2c_packets, 64, U64, FA, \
	  "packets from server to client; with `--flows tls`, those of UDP from the datagram of " \
	  "the hello on") \
	F(s2c_bytes, 65, U64, FA, "bytes of their frames on the wire") \
	F(s2c_ip_bytes, 66, U64, FA, "bytes of their innermost IP packets, headers included") \
	F(c2s_tcp_flags, 67, U8, F, "TCP flags of the client, all of them together") \
	F(s2c_tcp_flags, 68, U8, F, "TCP flags of the server, all of them together") \
	F(hellos, 69, U64, EFA, \
	  "ClientHellos, incomplete ones included; of an event, those of the flood, or of the " \
	  "fingerprint") \
	F(incomplete_hellos, 70, U64, FA, "of them, incomplete ones") \
	F(complete, 22, FLAG, HF, "the whole hello was seen and parsed") \
	F(incomplete_reason, 23, STR, HF, \
	  "gap, evicted, limit, idle, end_of_capture, snaplen, malformed or decrypt") \
	F(hello_number, 24, U8, HF, \
	  "1; 2 for the next one on the connection (after a HelloRetryRequest, with a DTLS " \
	  "cookie ...)") \
	F(hello_len, 25, U32, HF, "bytes of the handshake message with its 4-byte header") \
	F(segments, 26, U16, HF, "TCP segments, UDP datagrams or packets the hello came in") \
	F(tls_records, 27, U16, HF, "TLS or DTLS records the hello came in") \
	F(quic_packets, 28, U16, HF, "QUIC Initial packets the hello came in") \
	F(sni, 29, TEXT, HEFA, "server_name as sent (RFC 6066 3)") \
	F(alpn, 30, NAMES, HEF, "protocols offered, in order (RFC 7301)") \
	F(tls_version, 31, STR, HEFA, "highest version offered, GREASE apart") \
	F(legacy_version, 32, U16, HF, "client_version / legacy_version of the hello") \
	F(versions, 33, U16S, HF, "supported_versions as sent (RFC 8446 4.2.1)") \
	F(ciphers, 34, U16S, HF, \
	  "cipher suites as sent, GREASE included; of an SSL 2.0 hello its 24-bit cipher kinds") \
	F(extensions, 35, U16S, HF, "extension types as sent, GREASE included") \
	F(groups, 36, U16S, HF, "supported_groups as sent (RFC 8446 4.2.7)") \
	F(key_share_groups, 37, U16S, HF, \
	  "groups for which a key share was sent (RFC 8446 4.2.8)") \
	F(sig_algs, 38, U16S, HF, "signature_algorithms as sent (RFC 8446 4.2.3)") \
	F(point_formats, 39, U8S, HF, "ec_point_formats as sent (RFC 8422 5.1.2)") \
	F(session_id_len, 40, U8, HF, "bytes of the session id") \
	F(psk, 41, BOOL, HF, "pre_shared_key offered (RFC 8446 4.2.11)") \
	F(early_data, 42, BOOL, HF, "early_data offered (RFC 8446 4.2.10)") \
	F(ocsp_stapling, 43, BOOL, HF, "status_request offered (RFC 6066 8)") \
	F(session_ticket, 44, BOOL, HF, "session_ticket offered (RFC 5077)") \
	F(pq, 45, BOOL, HFA, "a post-quantum or hybrid group is among the key shares") \
	F(ech, 46, STR, HFA, "encrypted_client_hello offered: outer, grease or real") \
	F(ja3, 47, ASCII, HEFA, "JA3 fingerprint") \
	F(ja4, 48, ASCII, HEFA, "JA4 fingerprint") \
	F(ja4_r, 49, ASCII, HF, "JA4 fingerprint unhashed, on request") \
	F(quic_version, 50, U32, HF, "version of the Initial that carried the hello") \
	F(quic_dcid, 51, HEX, HF, "destination connection id of the client's first Initial") \
	F(quic_scid, 52, HEX, HF, "source connection id of the client's first Initial") \
	F(quic_token_len, 53, U32, HF, "bytes of the token of the client's first Initial") \
	F(quic_user_agent, 54, TEXT, HF, "transport parameter 0x3129, or UAID of a gQUIC hello") \
	F(quic_transport_parameters, 55, VARINTS, HF, \
	  "transport parameter ids as sent, GREASE included") \
	F(findings, 120, STRS, HF, "what the policy finds in the hello: docs/findings.md") \
	F(matches, 121, MATCHES, HEF, \
	  "entries of watchlists that the hello matches, or the server's certificate " \
	  "(docs/watchlists.md)") \
	F(server_version, 71, STR, FA, "version the server chose") \
	F(server_cipher, 72, U16, FA, "cipher suite the server chose") \
	F(server_alpn, 73, TEXT, FA, \
	  "protocol the server chose, where that is in clear (TLS 1.2 and before)") \
	F(server_group, 74, U16, FA, \
	  "group the server chose: its key share (RFC 8446 4.2.8), or its curve (RFC 8422 5.4)") \
	F(server_extensions, 75, U16S, F, "extension types of the ServerHello, as sent") \
	F(ja3s, 76, ASCII, FA, "JA3S fingerprint of the ServerHello") \
	F(hrr, 77, BOOL, F, "the server asked for a second hello (RFC 8446 4.1.4)") \
	F(resumed, 78, BOOL, F, "the server took up an earlier session") \
	F(refused, 79, BOOL, F, \
	  "no handshake came of it: a fatal alert before it was complete, or a RST for an answer") \
	F(alert, 80, STR, F, "alert before the handshake was complete, where that is in clear") \
	F(alert_from, 81, STR, F, "who sent it: client or server") \
	F(server_quic_version, 82, U32, F, "QUIC version of the server's first Initial") \
	F(quic_retry, 83, BOOL, F, "the server sent a QUIC Retry (RFC 9000 8.1.2)") \
	F(cert_subject, 84, TEXT, F, "subject of the server's certificate (RFC 4514)") \
	F(cert_issuer, 85, TEXT, F, "its issuer (RFC 4514)") \
	F(cert_sans, 86, NAMES, F, "its subject alternative names: DNS names and IP addresses") \
	F(cert_not_before, 87, SECONDS, F, "begin of its validity") \
	F(cert_not_after, 88, SECONDS, F, "end of its validity") \
	F(cert_key, 89, STR, F, "its key: rsa, dsa, ec, ed25519, ed448, or other") \
	F(cert_key_bits, 90, U32, F, "bits of its key") \
	F(cert_signature, 91, ASCII, F, "algorithm it is signed with, as libcrypto names it") \
	F(cert_serial, 92, HEX, F, "its serial number") \
	F(cert_sha256, 93, HEX, EF, "its SHA-256") \
	F(cert_count, 94, U8, F, "certificates the server sent") \
	F(cert_findings, 95, STRS, F, \
	  "expired, not_yet_valid, self_signed, name_mismatch, weak_key, weak_signature, " \
	  "incomplete_chain, malformed") \
	F(client_cert, 96, BOOL, F, "the client sent a certificate (TLS 1.2 and before)") \
	F(alpn_first, 97, TEXT, A, "first protocol offered") \
	F(src_prefix, 98, U8, EA, "src_ip is a network of so many bits") \
	F(dst_prefix, 99, U8, A, "dst_ip is a network of so many bits") \
	F(window_start, 100, TIME, A, "begin of the window") \
	F(window_end, 101, TIME, A, "end of the window") \
	F(flows, 102, U64, A, "flows that were told in the window; one told in parts counts once") \
	F(first_seen, 103, TIME, EA, \
	  "time of the first packet; of a fingerprint, of its first hello") \
	F(last_seen, 104, TIME, EA, \
	  "time of the last packet; of a fingerprint, of the hello before") \
	F(clients, 105, U64, EA, "different client addresses, as estimated (docs/aggregate.md)") \
	F(hello_len_min, 106, U32, A, "shortest hello") \
	F(hello_len_max, 107, U32, A, "longest hello") \
	F(hello_len_mean, 108, U32, A, "mean length of the hellos, rounded") \
	F(resumed_flows, 109, U64, A, "flows that took up an earlier session") \
	F(refused_flows, 110, U64, A, "flows that were refused") \
	F(other, 111, BOOL, A, "the sum of the keys that were too many to be told one by one") \
	F(other_keys, 112, U64, A, \
	  "how many keys it is the sum of; one that was folded twice counts twice") \
	F(frames_read, 113, U64, S, "frames read since the start") \
	F(frames_lost, 114, U64, S, "frames lost before they were read or parsed") \
	F(records_made, 115, U64, S, "records made since the start") \
	F(records_lost, 116, U64, S, "records lost on their way to the outputs") \
	F(sensor_id, 117, TEXT, ALL, "name of the sensor") \
	F(sensor_run, 118, U64, ALL, \
	  "when the sensor was started, in ms since the Unix epoch: sequence numbers of another " \
	  "run " \
	  "begin anew") \
	F(sequence, 119, U64, ALL, \
	  "number of the record among those for this output, from 1: a gap is a loss, a number " \
	  "that " \
	  "comes again is the same record")

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
#define F(id, number, type, kinds, help) HT_FIELD_##id,
	HT_RECORD_FIELDS(F)
#undef F
		HT_NUM_FIELDS
};

// No field has a larger number. Not all of them are taken, and numbers are in no order.
#define HT_FIELD_NUMBER_MAX 128

// A set of fields: bit i is field i. Wide enough for all, and tests of single fields are still
// those of one word.
__extension__ typedef unsigned __int128 ht_fieldset;
_Static_assert(HT_NUM_FIELDS <= 8 * sizeof(ht_fieldset), "a bit for each field");

// One record. Spans borrow from the frame, the stream or the sensor's scratch: a sink that keeps a
// record past ht_sink_write() copies them. A field has a value when its bit in `has` is set;
// everything else in it is then undefined, so a record is never cleared as a whole.
struct ht_record {
	ht_fieldset has; // HT_HAS(...)
	bool ts_is_ns; // set together with ts
	bool ciphers_are_24_bit; // set together with ciphers: SSL 2.0 has 3 bytes each (RFC 5246
				 // E.2)
	struct ht_span compression; // set together with session_id_len: compression methods as sent
				    // (RFC 5246 7.4.1.2). Not exported, and not there any more
				    // when a record has crossed threads
	struct ht_span cert_chain; // set together with cert_count: the certificates as sent, each
				   // behind 3 bytes of length (RFC 5246 7.4.2). Not exported
	struct ht_span stats_json; // set together with frames_read: the whole ledger, a JSON
				   // object; in JSON it is the member `ledger`
#define F(id, number, type, kinds, help) ht_type_##type id;
	HT_RECORD_FIELDS(F)
#undef F
};

#define HT_HAS(id) ((ht_fieldset)1 << HT_FIELD_##id)

// ht_set gives a field its value.
#define ht_set(r, id, value) ((r)->id = (value), (r)->has |= HT_HAS(id))

struct ht_field {
	const char *name;
	const char *help;
	uint16_t offset; // of the value in struct ht_record
	uint16_t number;
	uint8_t type; // enum ht_type
	uint8_t name_len;
	uint8_t kinds; // mask of enum ht_kind
};

extern const struct ht_field ht_fields[HT_NUM_FIELDS];

struct ht_type_info {
	const char *name; // "U16S"
	const char *json; // "[number]"
	const char *help;
};

extern const struct ht_type_info ht_types[HT_NUM_TYPES];

extern const char *const ht_kind_names[HT_NUM_KINDS];

// ht_record_kind is the record's kind, one bit of enum ht_kind.
enum ht_kind ht_record_kind(const struct ht_record *r);

// ht_kind_of is the kind of this name, or 0.
unsigned ht_kind_of(struct ht_span name);

// ht_kind_fields is every field that a record of one of these kinds may have, but for the key of an
// aggregate.
static inline ht_fieldset ht_kind_fields(unsigned kinds) {
	ht_fieldset set = 0;
#define F(id, number, type, of, help) set |= HT_KINDS_##of & kinds ? HT_HAS(id) : 0;
	HT_RECORD_FIELDS(F)
#undef F
	return set;
}

// ht_record_copy gives *out the fields of *r that are among these, and no others. It borrows what
// *r borrows. A record is some kB: what few fields are copied for is not to copy all of it.
void ht_record_copy(struct ht_record *out, const struct ht_record *r, ht_fieldset fields);

// ht_field_of is the field of this name, or NULL.
const struct ht_field *ht_field_of(const char *name);

// ht_fieldset_next takes the lowest field out of a set that is not empty.
static inline unsigned ht_fieldset_next(ht_fieldset *set) {
	const uint64_t low = (uint64_t)*set;
	const unsigned i = low != 0 ? (unsigned)__builtin_ctzll(low)
				    : 64 + (unsigned)__builtin_ctzll((uint64_t)(*set >> 64));
	*set &= *set - 1;
	return i;
}

// One match of a record's MATCHES. Any bytes, but for `severity`: info, notice, warning or
// critical.
struct ht_match {
	struct ht_span list, entry; // the list's name; the entry as the list has it
	struct ht_span label; // empty: none
	struct ht_span severity;
};

#define HT_MATCHES_MAX 64u // of a record
#define HT_MATCHES_SIZE (16u * 1024) // bytes of them

// ht_match_put writes a match and returns the end, or NULL when it does not fit before `end` or a
// part has 64 KiB; nothing was written then.
HT_MUST_USE uint8_t *ht_match_put(uint8_t *out, const uint8_t *end, const struct ht_match *m);

// ht_match_next takes the first match off *rest; *m borrows from the same bytes. False: there is no
// whole one.
HT_MUST_USE bool ht_match_next(struct ht_span *rest, struct ht_match *m);

// ht_record_pack writes a record to `out` as another thread of this process can use it: words of a
// fixed set (STR, STRS) cross as pointers, all else as bytes. It returns how many of the `room`
// bytes that took, or 0 when the record does not fit; what is in `out` then means nothing.
HT_MUST_USE size_t ht_record_pack(uint8_t *out, size_t room, const struct ht_record *r);

// ht_record_unpack reads what ht_record_pack wrote, and nothing else: its lengths are believed. The
// spans and addresses of *r borrow from `in`. It returns how many bytes the record has there.
size_t ht_record_unpack(struct ht_record *r, const uint8_t *in);
