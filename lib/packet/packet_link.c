// SPDX-License-Identifier: BSD-3-Clause
// Link types other than Ethernet and 802.11 (www.tcpdump.org/linktypes), and PPP.

#include "packet_int.h"

static uint16_t le16(const uint8_t *p) {
	return (uint16_t)(p[0] | p[1] << 8);
}

// What a Linux cooked header says in its hardware type (ARPHRD_*) and protocol fields.
static enum ht_layer cooked(struct ht_walk *w, uint16_t arphrd, uint16_t protocol) {
	switch (arphrd) {
	case 801: // ARPHRD_IEEE80211
		return HT_LAYER_IEEE80211;
	case 803: // ARPHRD_IEEE80211_RADIOTAP
		return HT_LAYER_RADIOTAP;
	case 824: // ARPHRD_NETLINK: the protocol is a netlink family
		return ht_walk_end(w, HT_PACKET_NOT_IP);
	default:
		break;
	}
	if (protocol == 4) // 802.2 LLC
		return HT_LAYER_LLC;
	return ht_next_ethertype(w, protocol);
}

enum ht_layer ht_layer_sll(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 16, &h))
		return HT_LAYER_DONE;
	if (ht_be16(h.p + 4) == 6)
		w->src_mac = h.p + 6;
	return cooked(w, ht_be16(h.p + 2), ht_be16(h.p + 14));
}

enum ht_layer ht_layer_sll2(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 20, &h))
		return HT_LAYER_DONE;
	if (h.p[11] == 6)
		w->src_mac = h.p + 12;
	return cooked(w, ht_be16(h.p + 8), ht_be16(h.p));
}

// An address family, in the byte order of whoever captured. All are small, so that the order shows.
enum ht_layer ht_layer_bsd_null(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 4, &h))
		return HT_LAYER_DONE;
	if ((h.p[0] == 0x0f || h.p[0] == 0x8f) && h.p[1] == 0) // Cisco HDLC under the wrong name
		return ht_next_ethertype(w, ht_be16(h.p + 2));
	uint32_t family = ht_be32(h.p);
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	switch (family) {
	case 2: // AF_INET everywhere
		return HT_LAYER_IPV4;
	case 10: // AF_INET6 of Linux
	case 24: // NetBSD, OpenBSD
	case 28: // FreeBSD
	case 30: // macOS
		return HT_LAYER_IPV6;
	default:
		return ht_walk_end(w, HT_PACKET_NOT_IP);
	}
}

// The protocol field that ends a PPP header (RFC 1661 2), and what it leads to.
static enum ht_layer ppp_protocol(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 1, &h))
		return HT_LAYER_DONE;
	uint32_t protocol = h.p[0];
	// RFC 1661 2: the first octet of a protocol is even, so an odd one is a protocol whose
	// leading zero was compressed away (6.5).
	if ((protocol & 1) == 0) {
		if (!ht_walk_take(w, 1, &h))
			return HT_LAYER_DONE;
		protocol = protocol << 8 | h.p[0];
	}
	switch (protocol) {
	case 0x0021:
		return HT_LAYER_IPV4;
	case 0x0057:
		return HT_LAYER_IPV6;
	case 0x0281:
		return HT_LAYER_MPLS;
	default: // control protocols; compressed or encrypted; multilink
		return ht_walk_end(w, HT_PACKET_NOT_IP);
	}
}

// RFC 1662 3.1: Address FF or, from pppd, a direction (0 or 1), then Control 03. Both may be left
// out.
static bool ppp_address(struct ht_reader r) {
	struct ht_span h;
	return ht_take(&r, 2, &h) && h.p[1] == 0x03 && (h.p[0] == 0xff || h.p[0] <= 1);
}

enum ht_layer ht_layer_ppp(struct ht_walk *w) {
	struct ht_walk behind = *w;
	struct ht_span h;
	// The two bytes are asked for only where the first can be an address: a protocol that was
	// compressed to one byte may be all there is.
	if (w->r.left.len == 1 && (w->r.left.p[0] == 0xff || w->r.left.p[0] <= 1)
	    && !ht_walk_take(&behind, 2, &h))
		return HT_LAYER_DONE;
	if (ppp_address(w->r) && !ht_walk_skip(w, 2))
		return HT_LAYER_DONE;
	return ht_walk_push(w, HT_ENCAP_PPP, 0) ? ppp_protocol(w) : HT_LAYER_DONE;
}

bool ht_ppp_known(struct ht_reader r) {
	struct ht_span h;
	if (ppp_address(r) && !ht_skip(&r, 2))
		return false;
	if (!ht_take(&r, 1, &h))
		return false;
	uint32_t protocol = h.p[0];
	if ((protocol & 1) == 0) {
		if (!ht_take(&r, 1, &h))
			return false;
		protocol = protocol << 8 | h.p[0];
	}
	switch (protocol) {
	case 0x0021: // IPv4
	case 0x0057: // IPv6
	case 0x0281: // MPLS
	case 0x003d: // multilink
	case 0x00fd: // compressed
	case 0x8021: // IPCP
	case 0x8057: // IPV6CP
	case 0x8281: // MPLSCP
	case 0x80fd: // CCP
	case 0xc021: // LCP
	case 0xc023: // PAP
	case 0xc223: // CHAP
	case 0xc227: // EAP
		return true;
	default:
		return false;
	}
}

// One byte that says the direction, then PPP.
enum ht_layer ht_layer_ppp_dir(struct ht_walk *w) {
	return ht_walk_skip(w, 1) ? HT_LAYER_PPP : HT_LAYER_DONE;
}

// PPP in HDLC-like framing (RFC 1662), or Cisco HDLC, told apart by the address.
enum ht_layer ht_layer_serial(struct ht_walk *w) {
	struct ht_reader peek = w->r;
	uint8_t address;
	if (ht_u8(&peek, &address) && (address == 0x0f || address == 0x8f))
		return HT_LAYER_CHDLC;
	return HT_LAYER_PPP;
}

// Cisco HDLC: address (0F unicast, 8F broadcast), control 0, ethertype.
enum ht_layer ht_layer_chdlc(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 4, &h))
		return HT_LAYER_DONE;
	return ht_next_ethertype(w, ht_be16(h.p + 2));
}

// RFC 2516 4: a session frame; discovery has an ethertype of its own but the same header.
enum ht_layer ht_layer_pppoe(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 6, &h))
		return HT_LAYER_DONE;
	if (h.p[0] != 0x11)
		return ht_walk_end(w, HT_PACKET_MALFORMED);
	if (h.p[1] != 0)
		return ht_walk_end(w, HT_PACKET_NOT_IP);
	ht_walk_trim(w, ht_be16(h.p + 4));
	return ht_walk_push(w, HT_ENCAP_PPPOE, 0) ? ppp_protocol(w) : HT_LAYER_DONE;
}

#define NFLOG_PAYLOAD 9

// family, version, resource id; then TLVs: length (with its own 4 bytes), type, value, padding
// to 4.
enum ht_layer ht_layer_nflog(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 4, &h))
		return HT_LAYER_DONE;
	uint8_t family = h.p[0];
	if (h.p[1] != 0) // version
		return ht_walk_end(w, HT_PACKET_NOT_IP);
	for (;;) { // each turn takes at least 4 bytes
		if (!ht_walk_take(w, 4, &h))
			return HT_LAYER_DONE;
		// The byte order is that of the host that captured. A type is small.
		bool big = le16(h.p + 2) > 0xff;
		uint32_t len = big ? ht_be16(h.p) : le16(h.p);
		uint32_t type = big ? ht_be16(h.p + 2) : le16(h.p + 2);
		if (len < 4)
			return ht_walk_end(w, HT_PACKET_MALFORMED);
		if (type == NFLOG_PAYLOAD) {
			if (len - 4 > w->wire)
				return ht_walk_end(w, HT_PACKET_MALFORMED);
			ht_walk_trim(w, len - 4);
			break;
		}
		if (!ht_walk_skip(w, (len + 3) / 4 * 4 - 4))
			return HT_LAYER_DONE;
	}
	switch (family) {
	case 2:
		return HT_LAYER_IPV4;
	case 10:
		return HT_LAYER_IPV6;
	case 0: // AF_UNSPEC: of the inet family, or of no address family at all
		if (w->r.left.len == 0 || ht_begins_ip(w->r, w->wire))
			return HT_LAYER_IP;
		return ht_walk_end(w, HT_PACKET_NOT_IP);
	default: // ARP, bridge, netdev
		return ht_walk_end(w, HT_PACKET_NOT_IP);
	}
}
