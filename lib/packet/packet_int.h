// SPDX-License-Identifier: BSD-3-Clause
// packet_int: the walk over the layers of one frame, shared by the sources of `packet` and its
// test. Uses base, reader.

#pragma once

#include "packet.h"
#include "reader.h"

// The layers of the general path. To add an encapsulation: one line here, one function
// ht_layer_<name>, and one line in the table that leads to it (ht_ethertype_layer, ht_next_proto,
// HT_UDP_TUNNELS or the link types).
#define HT_LAYERS(X) \
	X(ETHER, ether) \
	X(LLC, llc) \
	X(VLAN, vlan) \
	X(QINQ, qinq) \
	X(PBB, pbb) \
	X(VNTAG, vntag) \
	X(ETAG, etag) \
	X(SGT, sgt) \
	X(MACSEC, macsec) \
	X(MPLS, mpls) \
	X(PPPOE, pppoe) \
	X(PPP, ppp) \
	X(NSH, nsh) \
	X(EAPOL, eapol) \
	X(RADIOTAP, radiotap) \
	X(IEEE80211, ieee80211) \
	X(SLL, sll) \
	X(SLL2, sll2) \
	X(BSD_NULL, bsd_null) \
	X(CHDLC, chdlc) \
	X(SERIAL, serial) \
	X(PPP_DIR, ppp_dir) \
	X(NFLOG, nflog) \
	X(IP, ip) \
	X(IPV4, ipv4) \
	X(IPV6, ipv6) \
	X(EXTENSION, extension) \
	X(AH, ah) \
	X(FRAGMENT6, fragment6) \
	X(TCP, tcp) \
	X(UDP, udp) \
	X(GRE, gre) \
	X(L2TPV3, l2tpv3) \
	X(ETHERIP, etherip)

enum ht_layer {
	HT_LAYER_DONE, // out->end is set
	HT_LAYER_NONE, // of a UDP tunnel: this is not mine, the datagram is plain UDP
#define X(id, name) HT_LAYER_##id,
	HT_LAYERS(X)
#undef X
		HT_LAYER_NUM
};

// A UDP tunnel is its port (either side), a header that can be one, and an inside that begins as it
// should. The function goes past its header and names the layer inside, or says HT_LAYER_NONE.
#define HT_UDP_TUNNELS(X) \
	X(1701, l2tp) \
	X(2152, gtpu) \
	X(3544, teredo) \
	X(4789, vxlan) \
	X(4790, vxlan_gpe) \
	X(5072, ayiya) \
	X(5247, capwap) \
	X(6081, geneve) \
	X(6635, mplsoudp) \
	X(8472, vxlan) \
	X(37008, tzsp)

// Where the walk stands.
struct ht_walk {
	struct ht_reader r; // the current layer on, as far as captured
	uint32_t wire; // bytes of it on the wire, by the headers so far; >= r.left.len
	uint8_t ext; // extension headers seen in this IP packet
	uint8_t proto; // of the IP header that led here: which extension header this is
	bool cut; // by the snap length: the frame had bytes that were not captured
	bool v6; // the innermost IP header is version 6
	bool dot11_pad; // radiotap: the 802.11 header is padded to 4 bytes
	bool dot11_swap; // CAPWAP of some vendors: the frame control has its bytes swapped
	const uint8_t *src_mac,
		*dst_mac; // 6 bytes each, of the innermost link header that has them
	struct ht_packet *out;
};

#define X(id, name) enum ht_layer ht_layer_##name(struct ht_walk *w);
HT_LAYERS(X)
#undef X

// ht_walk_end ends the walk.
static inline enum ht_layer ht_walk_end(struct ht_walk *w, enum ht_packet_end end) {
	w->out->end = (uint8_t)end;
	return HT_LAYER_DONE;
}

// ht_walk_try goes past n bytes if they were captured.
HT_MUST_USE static inline bool ht_walk_try(struct ht_walk *w, size_t n, struct ht_span *out) {
	if (!ht_take(&w->r, n, out))
		return false;
	w->wire -= (uint32_t)n;
	return true;
}

// ht_walk_take is ht_walk_try that ends the walk where it fails: bytes that the snap length cut, or
// that never were.
HT_MUST_USE static inline bool ht_walk_take(struct ht_walk *w, size_t n, struct ht_span *out) {
	if (HT_LIKELY(ht_walk_try(w, n, out)))
		return true;
	ht_walk_end(w, w->cut && n <= w->wire ? HT_PACKET_TRUNCATED : HT_PACKET_MALFORMED);
	return false;
}

HT_MUST_USE static inline bool ht_walk_skip(struct ht_walk *w, size_t n) {
	struct ht_span s;
	return ht_walk_take(w, n, &s);
}

// ht_walk_len sets how long a header says that what follows it is. It may say more than there was:
// a mirror that shortens frames (ERSPAN, VXLAN of a cloud) leaves the inner lengths as they were,
// and what was captured of the payload is as good as if the snap length had cut it.
static inline void ht_walk_len(struct ht_walk *w, uint32_t n) {
	struct ht_span s;
	w->wire = n;
	if (w->r.left.len > n && ht_take(&w->r, n, &s))
		w->r = ht_reader(s);
}

// ht_walk_trim drops what lies after the n bytes that a header claims: padding, FCS, trailers.
static inline void ht_walk_trim(struct ht_walk *w, uint32_t n) {
	if (n < w->wire)
		ht_walk_len(w, n);
}

// ht_walk_push tells one more encapsulation; false when there were too many, and the walk is ended.
HT_MUST_USE static inline bool
ht_walk_push(struct ht_walk *w, enum ht_encap_kind kind, uint32_t id) {
	struct ht_packet *p = w->out;
	if (p->num_encap == HT_ENCAP_MAX) {
		ht_walk_end(w, HT_PACKET_DEPTH);
		return false;
	}
	p->encap[p->num_encap++] = (struct ht_encap){.id = id, .kind = (uint8_t)kind};
	return true;
}

// ht_enter is ht_walk_push and then the layer that follows.
static inline enum ht_layer
ht_enter(struct ht_walk *w, enum ht_encap_kind kind, uint32_t id, enum ht_layer next) {
	return ht_walk_push(w, kind, id) ? next : HT_LAYER_DONE;
}

// ht_ethertype_layer names the layer of an ethertype, HT_LAYER_NONE when there is no IP in it.
enum ht_layer ht_ethertype_layer(uint16_t type);

// ht_next_ethertype is ht_ethertype_layer that ends the walk with NOT_IP.
enum ht_layer ht_next_ethertype(struct ht_walk *w, uint16_t type);

// ht_next_proto names the layer of an IP protocol number, or ends the walk.
enum ht_layer ht_next_proto(struct ht_walk *w, uint8_t proto);

// ht_mpls_inside names what a label stack carries, which nothing in the labels says; HT_LAYER_NONE
// when that cannot be known from what was captured. *control_word: 4 bytes come before the layer.
enum ht_layer ht_mpls_inside(struct ht_reader r, uint32_t wire, bool *control_word);

// ht_begins_ip tells whether r, of `wire` bytes, can be an IP packet as far as it was captured, and
// ht_begins_ethernet whether it can be an Ethernet frame whose type is known.
bool ht_begins_ip(struct ht_reader r, uint32_t wire);
bool ht_begins_ethernet(struct ht_reader r, uint32_t wire);

// ht_ppp_known tells whether r begins with a PPP header of a protocol that a tunnel carries.
bool ht_ppp_known(struct ht_reader r);

// ht_l2tpv3_open looks for an Ethernet frame behind the session id; HT_LAYER_NONE when there is
// none.
enum ht_layer ht_l2tpv3_open(struct ht_walk *w, uint32_t session);

// ht_udp_open tries the tunnels of the datagram's ports and names the layer inside, HT_LAYER_DONE
// when it ended the walk, HT_LAYER_NONE when the datagram is plain UDP; *w is as it was then.
enum ht_layer ht_udp_open(struct ht_walk *w, uint16_t sport, uint16_t dport);

static inline bool ht_udp_tunnel_port(uint16_t port) {
	switch (port) {
#define X(number, name) case number:
		HT_UDP_TUNNELS(X)
#undef X
		return true;
	default:
		return false;
	}
}

// ht_key_ipv4 writes an IPv4 address as ::ffff:a.b.c.d (RFC 4291 2.5.5.2), in the words in which
// the flow table reads it: a load of what several stores wrote waits for the last of them.
static inline void ht_key_ipv4(uint8_t out[16], const uint8_t *a) {
	uint64_t words[2] = {0, 0xffff0000};
	uint32_t v;
	memcpy(&v, a, 4);
	words[1] |= (uint64_t)v << 32;
	memcpy(out, words, 16);
}

// ht_packet_parse_general is ht_packet_parse without the fast path, for the test that both agree.
enum ht_packet_end ht_packet_parse_general(struct ht_packet *out, const struct ht_frame *f);
