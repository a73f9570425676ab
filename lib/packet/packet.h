// SPDX-License-Identifier: BSD-3-Clause
// packet: link layers and encapsulations down to flow key and L4 payload. Uses base, reader.

#pragma once

#include "base.h"
#include "frame.h"

// Every way a frame can end in this module, each with a counter of the same name in the ledger.
// TCP, UDP and EAPOL go on to the sensor; FRAGMENT goes to `frag` and comes back through
// ht_packet_resume; the others are final.
#define HT_PACKET_ENDS(X) \
	X(TCP, tcp, "TCP segments") \
	X(UDP, udp, "UDP datagrams") \
	X(EAPOL, eapol, "EAP over 802.1X frames (no IP)") \
	X(FRAGMENT, fragment, "IP fragments handed to reassembly") \
	X(NOT_IP, not_ip, "no IP inside: ARP, STP, LLDP, control protocols") \
	X(OTHER_L4, other_l4, "IP, but neither TCP nor UDP nor a known tunnel") \
	X(LINKTYPE, linktype, "link type not supported") \
	X(TRUNCATED, truncated, \
	  "cut by the snap length inside the headers, or an IP fragment cut by it") \
	X(MALFORMED, malformed, "a header contradicts itself or its packet") \
	X(DEPTH, depth, "more encapsulations or IPv6 extension headers than the cap")

enum ht_packet_end {
#define X(id, name, help) HT_PACKET_##id,
	HT_PACKET_ENDS(X)
#undef X
		HT_PACKET_NUM_ENDS
};

// Layers told in the record's `encap`, outermost first. The text is built by ht_encap_text(). The
// id is what the wire tells traffic apart by: VLAN id (802.1ad and its predecessors are `qinq`),
// PBB I-SID, interface of a VN-Tag, E-CID, security group, MPLS label, NSH path, NVGRE VSID, ERSPAN
// and L2TP session, VNI, TEID. A kind implies what always carries it: `vxlan` UDP, `erspan` and
// `nvgre` GRE, `pppoe` PPP.
#define HT_ENCAP_KINDS(X) \
	X(VLAN, "vlan", DEC) \
	X(QINQ, "qinq", DEC) \
	X(PBB, "pbb", DEC) \
	X(VNTAG, "vntag", DEC) \
	X(ETAG, "etag", DEC) \
	X(SGT, "sgt", DEC) \
	X(MPLS, "mpls", DEC) \
	X(PW, "pw", NONE) \
	X(PPPOE, "pppoe", NONE) \
	X(PPP, "ppp", NONE) \
	X(NSH, "nsh", DEC) \
	X(GRE, "gre", NONE) \
	X(NVGRE, "nvgre", DEC) \
	X(ERSPAN, "erspan", DEC) \
	X(VXLAN, "vxlan", DEC) \
	X(VXLAN_GPE, "vxlan-gpe", DEC) \
	X(GENEVE, "geneve", DEC) \
	X(GTPU, "gtpu", HEX) \
	X(IPIP, "ipip", NONE) \
	X(SIXIN4, "6in4", NONE) \
	X(IPIN6, "ipin6", NONE) \
	X(TEREDO, "teredo", NONE) \
	X(L2TP, "l2tp", DEC) \
	X(MPLSOUDP, "mplsoudp", NONE) \
	X(IEEE80211, "802.11", NONE) \
	X(MACSEC, "macsec", NONE) \
	X(CAPWAP, "capwap", NONE) \
	X(ETHERIP, "etherip", NONE) \
	X(AYIYA, "ayiya", NONE) \
	X(TZSP, "tzsp", NONE)

enum ht_encap_kind {
#define X(id, name, arg) HT_ENCAP_##id,
	HT_ENCAP_KINDS(X)
#undef X
		HT_ENCAP_NUM_KINDS
};

struct ht_encap {
	uint32_t id; // VLAN id, label, VNI, TEID ... as the kind says
	uint8_t kind; // enum ht_encap_kind
};

#define HT_ENCAP_MAX 16 // layers kept and parsed; deeper is HT_PACKET_DEPTH

// ht_encap_text writes "vlan:10", "pppoe", "gtpu:0x1a" ... (no terminator, at most 24 characters)
// and returns the end.
char *ht_encap_text(char *out, struct ht_encap e);

#define HT_IPPROTO_TCP 6
#define HT_IPPROTO_UDP 17

// Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). As sent: src
// is the sender of this packet. No padding, so that it can be hashed and compared as bytes.
struct ht_flow_key {
	uint8_t src[16], dst[16];
	uint16_t sport, dport; // host order
};

#define HT_TCP_FIN 0x01
#define HT_TCP_SYN 0x02
#define HT_TCP_RST 0x04
#define HT_TCP_ACK 0x10

// Where an IP fragment belongs (RFC 791 3.2, RFC 8200 4.5). Valid when parsing ended in
// HT_PACKET_FRAGMENT; addresses are in `key`.
struct ht_fragment {
	uint32_t id;
	uint16_t offset; // bytes
	bool more;
	uint8_t proto; // of the payload; for IPv6 only the one at offset 0 counts
	bool v6;
	uint16_t header_len; // bytes of the IP packet before its payload, without this header
	struct ht_span data; // this fragment's part of the payload
};

// Borrows from the frame. What nearly every packet needs is in the first cache line. Everything but
// `end`, `encap` and `num_encap` is valid only for the ends that need it (key for TCP, UDP,
// FRAGMENT; MACs for EAPOL).
struct ht_packet {
	uint8_t end; // enum ht_packet_end
	uint8_t num_encap;
	uint8_t proto; // HT_IPPROTO_TCP or HT_IPPROTO_UDP; 0 for EAPOL
	uint8_t tcp_flags;
	uint32_t tcp_seq;
	uint32_t payload_wire_len; // by the headers; > payload.len when the snap length cut it
	struct ht_flow_key key; // innermost addresses
	struct ht_span payload; // L4 payload as far as captured; for EAPOL the EAPOL header on
	struct ht_fragment fragment;
	struct ht_encap encap[HT_ENCAP_MAX];
	uint32_t ip_len; // bytes of the innermost IP packet by its header, header included
	uint8_t src_mac[6], dst_mac[6]; // innermost Ethernet; EAPOL only
} __attribute__((aligned(64)));
_Static_assert(offsetof(struct ht_packet, fragment) <= 64, "up to the payload, a cache line");

// ht_packet_parse reads `f` down to L4, writes *out and returns out->end. It cannot fail otherwise.
enum ht_packet_end ht_packet_parse(struct ht_packet *out, const struct ht_frame *f);

// ht_packet_resume goes on with the reassembled IP payload of a packet that ended in
// HT_PACKET_FRAGMENT: `out` is that packet (its encap list is kept), `proto` what the payload
// begins with, by the first fragment; `payload` outlives *out.
enum ht_packet_end ht_packet_resume(struct ht_packet *out, struct ht_span payload, uint8_t proto);
