// SPDX-License-Identifier: BSD-3-Clause
// ipfix_elements: the table of elements. A line says which element carries what of which records;
// templates, values, type records and docs/ipfix.md are made from it. Uses base, record.

#pragma once

#include "record.h"

// P(id, word, private enterprise number, whose)
#define IPFIX_PROFILES(P) \
	P(STANDARD, standard, 0, "IANA's registry") \
	P(REVERSE, reverse, 29305, "the same ones of the other direction (RFC 5103)") \
	P(FLOWMON, flowmon, 39499, "Flowmon Networks; ipfixprobe") \
	P(CESNET, cesnet, 8057, "CESNET; ipfixprobe") \
	P(CERT, cert, 6871, "CERT at the SEI; YAF") \
	P(NTOP, ntop, 35632, "ntop; nProbe") \
	P(PRIVATE, private, 0, "the number that `pen` sets")

enum ipfix_profile {
#define P(id, word, pen, whose) IPFIX_##id,
	IPFIX_PROFILES(P)
#undef P
		IPFIX_NUM_PROFILES
};

struct ipfix_profile_info {
	const char *name, *whose;
	uint32_t pen;
};

extern const struct ipfix_profile_info ipfix_profiles[IPFIX_NUM_PROFILES];

// Those that the option `profiles` may name, as a mask, and those it has when it names none.
#define IPFIX_OPTIONAL \
	(1u << IPFIX_FLOWMON | 1u << IPFIX_CESNET | 1u << IPFIX_CERT | 1u << IPFIX_NTOP)
#define IPFIX_DEFAULT (1u << IPFIX_FLOWMON | 1u << IPFIX_CESNET)

// Abstract data types by their numbers (RFC 5610 3.1, IANA "IPFIX Information Element Data Types").
enum ipfix_type {
	IPFIX_OCTETS,
	IPFIX_UNSIGNED8,
	IPFIX_UNSIGNED16,
	IPFIX_UNSIGNED32,
	IPFIX_UNSIGNED64,
	IPFIX_SIGNED32 = 7,
	IPFIX_SIGNED64,
	IPFIX_BOOLEAN = 11,
	IPFIX_MAC,
	IPFIX_STRING,
	IPFIX_MILLISECONDS = 15,
	IPFIX_NANOSECONDS = 17,
	IPFIX_IPV4,
	IPFIX_IPV6,
};

#define IPFIX_VARIABLE 0xffff // the length of what has none of its own (RFC 7011 7)

// How a value is made of a field.
enum ipfix_how {
	IPFIX_AS_IS, // as the field's type says: ipfix_how_of
	// What AS_IS becomes.
	IPFIX_U8,
	IPFIX_U16,
	IPFIX_U32,
	IPFIX_U64,
	IPFIX_BOOL, // 1 true, 2 false (RFC 7011 6.1.5)
	IPFIX_FLAG, // the same; 0 when the record does not say
	IPFIX_BYTES, // a span
	IPFIX_ASCII, // a span that is known to be ASCII
	IPFIX_TEXT, // a span, made to be UTF-8
	IPFIX_WORD,
	IPFIX_WORDS, // STRS: with commas between them
	IPFIX_TEXTS, // TEXTS: likewise
	IPFIX_NAMES, // NAMES: likewise
	IPFIX_MATCHES, // MATCHES as LIST:ENTRY: likewise
	IPFIX_MAC_ADDRESS,
	IPFIX_MS, // TIME
	IPFIX_S64, // SECONDS
	// What a line of the table asks for.
	IPFIX_WIDER, // a number in more bytes than the field has
	IPFIX_NTP, // TIME as dateTimeNanoseconds: NTP's 64 bits (RFC 7011 6.1.10)
	IPFIX_ADDRESS4,
	IPFIX_ADDRESS6,
	IPFIX_PREFIX4, // of src_ip or dst_ip: src_prefix, else 32 where there is an address
	IPFIX_PREFIX6,
	IPFIX_TRANSPORT, // protocol number of "tcp", "udp"
	IPFIX_REASON, // flowEndReason of its word
	IPFIX_VERSION, // "TLS 1.3" as the number on the wire
	IPFIX_HIGH_BYTE, // of a U16
	IPFIX_MD5, // 32 hex digits as 16 bytes
	IPFIX_LENGTH, // of a span
	IPFIX_CIPHERS, // U16S; nothing where they are SSL 2.0's of 3 bytes
	IPFIX_NAME_LIST, // NAMES with semicolons between them
	IPFIX_CN, // commonName out of a distinguished name (RFC 4514)
	IPFIX_O, // organizationName
	IPFIX_QUIC_TEXT, // a TEXT, of QUIC alone
	IPFIX_QUIC_PORT, // a U16, likewise
	IPFIX_QUIC_VERSION, // server_quic_version, else the client's
	IPFIX_CONSTANT, // `field` is the value
	IPFIX_DOMAIN, // observation domain id
	IPFIX_MESSAGES, // that were sent in this session
	IPFIX_RECORDS,
	IPFIX_BYTES_SENT,
};

// The addresses of a record decide which of three templates of its kind it has.
enum ipfix_variant {
	IPFIX_V4,
	IPFIX_V6, // one of them is, the other may be ::ffff:a.b.c.d
	IPFIX_NO_IP,
	IPFIX_NUM_VARIANTS,
};
#define IPFIX_ONLY(variant) (1u << IPFIX_##variant)
#define IPFIX_ANY (IPFIX_ONLY(V4) | IPFIX_ONLY(V6) | IPFIX_ONLY(NO_IP))

// What has a template: the kinds of record; an aggregate whose key has fields that are not an
// aggregate's own; what is said about sampling, which is no record.
#define IPFIX_WIDE HT_NUM_KINDS
#define IPFIX_SAMPLING (HT_NUM_KINDS + 1)
#define IPFIX_NUM_SHAPES (HT_NUM_KINDS + 2)
#define IPFIX_IN_SAMPLING (1u << IPFIX_SAMPLING)

struct ipfix_element {
	const char *name;
	uint16_t id;
	uint16_t len; // IPFIX_VARIABLE
	uint8_t profile; // enum ipfix_profile
	uint8_t type; // enum ipfix_type
	uint8_t how; // enum ipfix_how
	uint8_t field; // enum ht_field_id
	uint8_t shapes; // mask: enum ht_kind, IPFIX_IN_SAMPLING
	uint8_t variants; // mask
};

// The table, ended by one without a name. Elements of a scope (RFC 7011 3.4.2.1) stand first.
extern const struct ipfix_element ipfix_elements[];

// ipfix_private is the element of a field under a private number, its name in `name` ("hellotap"
// and the field's). False: an element of IANA's carries it.
#define IPFIX_NAME_SIZE 64
bool ipfix_private(struct ipfix_element *out, char *name, unsigned field);

// ipfix_how_of is what AS_IS means for a type of field.
enum ipfix_how ipfix_how_of(enum ht_type type);
