// SPDX-License-Identifier: BSD-3-Clause

#include "ipfix_elements.h"

#include <ctype.h>
#include <stdio.h>

#define P(id, word, pen, whose) {#word, whose, pen},
const struct ipfix_profile_info ipfix_profiles[IPFIX_NUM_PROFILES] = {IPFIX_PROFILES(P)};
#undef P

#define LEN_UNSIGNED8 1
#define LEN_UNSIGNED16 2
#define LEN_UNSIGNED32 4
#define LEN_UNSIGNED64 8
#define LEN_SIGNED32 4
#define LEN_SIGNED64 8
#define LEN_MAC 6
#define LEN_STRING IPFIX_VARIABLE
#define LEN_OCTETS IPFIX_VARIABLE
#define LEN_MILLISECONDS 8
#define LEN_NANOSECONDS 8
#define LEN_IPV4 4
#define LEN_IPV6 16
#define LEN_DIGEST 16

#define ALL HT_KINDS_ALL
#define H HT_KIND_HELLO
#define HE (HT_KIND_HELLO | HT_KIND_EVENT)
#define F HT_KIND_FLOW
#define A HT_KIND_AGGREGATE
#define S HT_KIND_STATS
#define FA HT_KINDS_FA
#define HF HT_KINDS_HF
#define HFA HT_KINDS_HFA
#define HEFA HT_KINDS_HEFA

#define LINE(profile, id, name, type, len, how, field, shapes, variants) \
	{ \
#name, id, LEN_##len, IPFIX_##profile, IPFIX_##type, IPFIX_##how, \
			HT_FIELD_##field, (uint8_t)(shapes), (uint8_t)(variants) \
	}
// E is an element of the length of its type; IP one that only some variants have.
#define E(profile, id, name, type, how, field, shapes) \
	LINE(profile, id, name, type, type, how, field, shapes, IPFIX_ANY)
#define IP(variant, id, name, type, how, field, shapes) \
	LINE(STANDARD, id, name, type, type, how, field, shapes, IPFIX_ONLY(variant))
// What is said of this link or always, and of no field.
#define SELF(id, name, type, how, shapes) \
	{ \
#name, id, LEN_##type, IPFIX_STANDARD, IPFIX_##type, IPFIX_##how, HT_NUM_FIELDS, \
			(uint8_t)(shapes), IPFIX_ANY \
	}
#define CONSTANT(id, name, type, value) \
	{ \
#name, id, LEN_##type, IPFIX_STANDARD, IPFIX_##type, IPFIX_CONSTANT, value, \
			IPFIX_IN_SAMPLING, IPFIX_ANY \
	}

// Collectors want a flow to have a begin and an end: a hello and an event begin and end when they
// were seen. They do not read the nanoseconds of observationTimeNanoseconds, so milliseconds stand
// beside them.
const struct ipfix_element ipfix_elements[] = {
	SELF(149, observationDomainId, UNSIGNED32, DOMAIN, S | IPFIX_IN_SAMPLING),

	E(STANDARD, 152, flowStartMilliseconds, MILLISECONDS, MS, ts, HE),
	E(STANDARD, 153, flowEndMilliseconds, MILLISECONDS, MS, ts, HE),
	E(STANDARD, 152, flowStartMilliseconds, MILLISECONDS, MS, start, F),
	E(STANDARD, 153, flowEndMilliseconds, MILLISECONDS, MS, end, F),
	E(STANDARD, 152, flowStartMilliseconds, MILLISECONDS, MS, first_seen, A),
	E(STANDARD, 153, flowEndMilliseconds, MILLISECONDS, MS, last_seen, A),
	E(STANDARD, 325, observationTimeNanoseconds, NANOSECONDS, NTP, ts, ALL),
	IP(V4, 8, sourceIPv4Address, IPV4, ADDRESS4, src_ip, HEFA),
	IP(V4, 12, destinationIPv4Address, IPV4, ADDRESS4, dst_ip, HEFA),
	IP(V6, 27, sourceIPv6Address, IPV6, ADDRESS6, src_ip, HEFA),
	IP(V6, 28, destinationIPv6Address, IPV6, ADDRESS6, dst_ip, HEFA),
	IP(V4, 9, sourceIPv4PrefixLength, UNSIGNED8, PREFIX4, src_prefix, A),
	IP(V4, 13, destinationIPv4PrefixLength, UNSIGNED8, PREFIX4, dst_prefix, A),
	IP(V6, 29, sourceIPv6PrefixLength, UNSIGNED8, PREFIX6, src_prefix, A),
	IP(V6, 30, destinationIPv6PrefixLength, UNSIGNED8, PREFIX6, dst_prefix, A),
	IP(NO_IP, 56, sourceMacAddress, MAC, MAC_ADDRESS, src_mac, HEFA),
	IP(NO_IP, 80, destinationMacAddress, MAC, MAC_ADDRESS, dst_mac, HEFA),
	E(STANDARD, 7, sourceTransportPort, UNSIGNED16, U16, src_port, HEFA),
	E(STANDARD, 11, destinationTransportPort, UNSIGNED16, U16, dst_port, HEFA),
	E(STANDARD, 4, protocolIdentifier, UNSIGNED8, TRANSPORT, transport, HEFA),
	E(STANDARD, 136, flowEndReason, UNSIGNED8, REASON, end_reason, F),
	E(STANDARD, 1, octetDeltaCount, UNSIGNED64, U64, c2s_ip_bytes, FA),
	E(STANDARD, 2, packetDeltaCount, UNSIGNED64, U64, c2s_packets, FA),
	E(STANDARD, 352, layer2OctetDeltaCount, UNSIGNED64, U64, c2s_bytes, FA),
	E(REVERSE, 1, reverseOctetDeltaCount, UNSIGNED64, U64, s2c_ip_bytes, FA),
	E(REVERSE, 2, reversePacketDeltaCount, UNSIGNED64, U64, s2c_packets, FA),
	E(REVERSE, 352, reverseLayer2OctetDeltaCount, UNSIGNED64, U64, s2c_bytes, FA),
	// An unsigned16 since RFC 7125, in one byte (RFC 7011 6.2): no more is known of it. nfcapd
	// has one place for both directions and keeps what comes last: the client's.
	LINE(REVERSE,
	     6,
	     reverseTcpControlBits,
	     UNSIGNED16,
	     UNSIGNED8,
	     U8,
	     s2c_tcp_flags,
	     F,
	     IPFIX_ANY),
	LINE(STANDARD, 6, tcpControlBits, UNSIGNED16, UNSIGNED8, U8, c2s_tcp_flags, F, IPFIX_ANY),
	E(STANDARD, 3, deltaFlowCount, UNSIGNED64, U64, flows, A),
	E(STANDARD, 96, applicationName, STRING, WORD, service, HEFA),
	E(STANDARD, 300, observationDomainName, STRING, TEXT, sensor_id, ALL),
	E(STANDARD, 160, systemInitTimeMilliseconds, MILLISECONDS, U64, sensor_run, ALL),
	E(STANDARD, 148, flowId, UNSIGNED64, U64, sequence, ALL),

	// RFC 7011 4.1 to 4.3.
	E(STANDARD, 86, packetTotalCount, UNSIGNED64, U64, frames_read, S),
	E(STANDARD, 164, ignoredPacketTotalCount, UNSIGNED64, U64, frames_lost, S),
	E(STANDARD, 166, notSentFlowTotalCount, UNSIGNED64, U64, records_lost, S),
	SELF(41, exportedMessageTotalCount, UNSIGNED64, MESSAGES, S),
	SELF(42, exportedFlowRecordTotalCount, UNSIGNED64, RECORDS, S),
	SELF(40, exportedOctetTotalCount, UNSIGNED64, BYTES_SENT, S),

	// Every packet is looked at: one of one, none between.
	CONSTANT(34, samplingInterval, UNSIGNED32, 1),
	CONSTANT(35, samplingAlgorithm, UNSIGNED8, 1),
	CONSTANT(304, selectorAlgorithm, UNSIGNED16, 1),
	CONSTANT(305, samplingPacketInterval, UNSIGNED32, 1),
	CONSTANT(306, samplingPacketSpace, UNSIGNED32, 0),

	E(FLOWMON, 338, tlsSni, STRING, TEXT, sni, HFA),
	E(FLOWMON, 339, tlsSniLength, UNSIGNED16, LENGTH, sni, HFA),
	E(FLOWMON, 337, tlsAlpn, STRING, NAME_LIST, alpn, HF),
	E(FLOWMON, 340, tlsClientVersion, UNSIGNED16, U16, legacy_version, HF),
	E(FLOWMON, 341, tlsCipherSuites, OCTETS, CIPHERS, ciphers, HF),
	E(FLOWMON, 344, tlsExtensionTypes, OCTETS, BYTES, extensions, HF),
	E(FLOWMON, 346, tlsEllipticCurves, OCTETS, BYTES, groups, HF),
	E(FLOWMON, 347, tlsEcPointFormats, OCTETS, BYTES, point_formats, HF),
	LINE(FLOWMON, 357, tlsJa3Fingerprint, OCTETS, DIGEST, MD5, ja3, HFA, IPFIX_ANY),
	E(FLOWMON, 333, tlsServerVersion, UNSIGNED16, VERSION, server_version, FA),
	E(FLOWMON, 336, tlsCipherSuite, UNSIGNED16, U16, server_cipher, FA),
	E(FLOWMON, 349, tlsIssuerCn, STRING, CN, cert_issuer, F),
	E(FLOWMON, 350, tlsSubjectCn, STRING, CN, cert_subject, F),
	E(FLOWMON, 351, tlsSubjectOn, STRING, O, cert_subject, F),
	E(FLOWMON, 352, tlsValidityNotBefore, SIGNED64, S64, cert_not_before, F),
	E(FLOWMON, 353, tlsValidityNotAfter, SIGNED64, S64, cert_not_after, F),
	E(FLOWMON, 356, tlsPublicKeyLength, SIGNED32, U32, cert_key_bits, F),

	E(CESNET, 808, TLSSNI, STRING, TEXT, sni, HFA),
	E(CESNET, 809, TLSJA4, STRING, ASCII, ja4, HFA),
	E(CESNET, 887, quicServerPort, UNSIGNED16, QUIC_PORT, dst_port, HF),
	E(CESNET, 890, quicSNI, STRING, QUIC_TEXT, sni, HF),
	E(CESNET, 891, quicUserAgent, STRING, TEXT, quic_user_agent, HF),
	E(CESNET, 892, quicVersion, UNSIGNED32, QUIC_VERSION, server_quic_version, HF),
	E(CESNET, 893, quicClientVersion, UNSIGNED32, U32, quic_version, HF),
	E(CESNET, 894, quicTokenLength, UNSIGNED64, WIDER, quic_token_len, HF),
	E(CESNET, 895, quicOCCID, OCTETS, BYTES, quic_scid, HF),
	E(CESNET, 896, quicOSCID, OCTETS, BYTES, quic_dcid, HF),

	E(CERT, 294, sslServerName, STRING, TEXT, sni, HFA),
	E(CERT, 186, sslClientVersion, UNSIGNED8, HIGH_BYTE, legacy_version, HF),
	E(CERT, 187, sslServerCipher, UNSIGNED32, WIDER, server_cipher, FA),
	E(CERT, 288, sslRecordVersion, UNSIGNED16, VERSION, server_version, FA),
	LINE(CERT, 463, sslClientJA3, OCTETS, DIGEST, MD5, ja3, HFA, IPFIX_ANY),
	LINE(CERT, 465, sslServerJA3S, OCTETS, DIGEST, MD5, ja3s, FA, IPFIX_ANY),

	E(NTOP, 188, TLS_SERVER_NAME, STRING, TEXT, sni, HFA),
	E(NTOP, 489, JA3C_HASH, STRING, ASCII, ja3, HFA),
	E(NTOP, 490, JA3S_HASH, STRING, ASCII, ja3s, FA),
	E(NTOP, 576, JA4C_HASH, STRING, ASCII, ja4, HFA),
	E(NTOP, 493, TLS_CIPHER, UNSIGNED16, U16, server_cipher, FA),
	E(NTOP, 495, TLS_VERSION, UNSIGNED16, VERSION, tls_version, HFA),

	{NULL},
};

static const struct {
	enum ipfix_how how;
	enum ipfix_type type;
	uint16_t len;
} by_type[HT_NUM_TYPES] = {
	[HT_TYPE_BOOL] = {IPFIX_BOOL, IPFIX_BOOLEAN, 1},
	[HT_TYPE_FLAG] = {IPFIX_FLAG, IPFIX_BOOLEAN, 1},
	[HT_TYPE_U8] = {IPFIX_U8, IPFIX_UNSIGNED8, 1},
	[HT_TYPE_U16] = {IPFIX_U16, IPFIX_UNSIGNED16, 2},
	[HT_TYPE_U32] = {IPFIX_U32, IPFIX_UNSIGNED32, 4},
	[HT_TYPE_U64] = {IPFIX_U64, IPFIX_UNSIGNED64, 8},
	[HT_TYPE_STR] = {IPFIX_WORD, IPFIX_STRING, IPFIX_VARIABLE},
	[HT_TYPE_TEXT] = {IPFIX_TEXT, IPFIX_STRING, IPFIX_VARIABLE},
	[HT_TYPE_HEX] = {IPFIX_BYTES, IPFIX_OCTETS, IPFIX_VARIABLE},
	[HT_TYPE_ASCII] = {IPFIX_ASCII, IPFIX_STRING, IPFIX_VARIABLE},
	[HT_TYPE_IP] = {IPFIX_ADDRESS6, IPFIX_IPV6, 16},
	[HT_TYPE_MAC] = {IPFIX_MAC_ADDRESS, IPFIX_MAC, 6},
	[HT_TYPE_TIME] = {IPFIX_MS, IPFIX_MILLISECONDS, 8},
	[HT_TYPE_SECONDS] = {IPFIX_S64, IPFIX_SIGNED64, 8},
	[HT_TYPE_U16S] = {IPFIX_BYTES, IPFIX_OCTETS, IPFIX_VARIABLE},
	[HT_TYPE_U8S] = {IPFIX_BYTES, IPFIX_OCTETS, IPFIX_VARIABLE},
	[HT_TYPE_VARINTS] = {IPFIX_BYTES, IPFIX_OCTETS, IPFIX_VARIABLE},
	[HT_TYPE_NAMES] = {IPFIX_NAMES, IPFIX_STRING, IPFIX_VARIABLE},
	[HT_TYPE_STRS] = {IPFIX_WORDS, IPFIX_STRING, IPFIX_VARIABLE},
	[HT_TYPE_TEXTS] = {IPFIX_TEXTS, IPFIX_STRING, IPFIX_VARIABLE},
	[HT_TYPE_MATCHES] = {IPFIX_MATCHES, IPFIX_STRING, IPFIX_VARIABLE},
};

enum ipfix_how ipfix_how_of(enum ht_type type) {
	return by_type[type].how;
}

// "key_share_groups" is "hellotapKeyShareGroups": RFC 7013 4.1 wants lower camel case, and a name
// has to be one of its own among all elements that a collector knows.
static void private_name(char *out, const char *field) {
	char *const end = out + IPFIX_NAME_SIZE - 1;
	out = stpcpy(out, "hellotap");
	for (bool upper = true; *field != '\0' && out < end; field++) {
		if (*field != '_')
			*out++ = (char)(upper ? toupper((unsigned char)*field) : *field);
		upper = *field == '_';
	}
	*out = '\0';
}

bool ipfix_private(struct ipfix_element *out, char *name, unsigned field) {
	for (const struct ipfix_element *e = ipfix_elements; e->name != NULL; e++)
		if (e->profile <= IPFIX_REVERSE && e->field == field && e->how != IPFIX_CONSTANT)
			return false;
	const struct ht_field *const f = &ht_fields[field];
	private_name(name, f->name);
	*out = (struct ipfix_element){
		.name = name,
		.id = f->number,
		.len = by_type[f->type].len,
		.profile = IPFIX_PRIVATE,
		.type = (uint8_t)by_type[f->type].type,
		.how = (uint8_t)by_type[f->type].how,
		.field = (uint8_t)field,
		.shapes = f->kinds,
		.variants = IPFIX_ANY,
	};
	return true;
}
