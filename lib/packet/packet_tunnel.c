// SPDX-License-Identifier: BSD-3-Clause
// Tunnels with an IP protocol number of their own: GRE and what it carries, L2TPv3, EtherIP.

#include "packet_int.h"

#define GRE_CHECKSUM 0x8000
#define GRE_ROUTING 0x4000
#define GRE_KEY 0x2000
#define GRE_SEQ 0x1000
#define GRE_ACK 0x0080 // version 1 only

// RFC 2637 4.1: flags, 880B, payload length, call id, sequence and acknowledgement if flagged.
static enum ht_layer pptp(struct ht_walk *w, uint16_t flags, uint16_t protocol) {
	struct ht_span h;
	if (!ht_walk_take(w, 4, &h))
		return HT_LAYER_DONE;
	// Without a sequence number there is no payload, just an acknowledgement.
	if (protocol != 0x880b || (flags & GRE_SEQ) == 0)
		return ht_walk_end(w, HT_PACKET_OTHER_L4);
	if (!ht_walk_skip(w, 4) || ((flags & GRE_ACK) != 0 && !ht_walk_skip(w, 4)))
		return HT_LAYER_DONE;
	ht_walk_trim(w, ht_be16(h.p));
	return ht_enter(w, HT_ENCAP_GRE, 0, HT_LAYER_PPP);
}

// draft-foschiano-erspan 4: type I is a frame right after a GRE header without a sequence number,
// type II has version(4)=1 vlan(12) cos(3) en(2) t(1) session(10), reserved(12) index(20) between.
static enum ht_layer erspan(struct ht_walk *w, uint16_t flags) {
	struct ht_span h;
	if ((flags & GRE_SEQ) == 0)
		return ht_enter(w, HT_ENCAP_ERSPAN, 0, HT_LAYER_ETHER);
	if (!ht_walk_take(w, 8, &h))
		return HT_LAYER_DONE;
	return ht_enter(w, HT_ENCAP_ERSPAN, ht_be16(h.p + 2) & 0x3ffu, HT_LAYER_ETHER);
}

// Type III: version(4)=2 vlan(12) cos(3) bso(2) t(1) session(10), timestamp(32), sgt(16) p(1) ft(5)
// hardware(6) d(1) gra(2) o(1), and 8 bytes of platform subheader if o.
static enum ht_layer erspan3(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 12, &h))
		return HT_LAYER_DONE;
	uint16_t last = ht_be16(h.p + 10);
	if ((last & 1) != 0 && !ht_walk_skip(w, 8))
		return HT_LAYER_DONE;
	enum ht_layer next = (last >> 10 & 0x1f) == 2 ? HT_LAYER_IP : HT_LAYER_ETHER;
	return ht_enter(w, HT_ENCAP_ERSPAN, ht_be16(h.p + 2) & 0x3ffu, next);
}

// WCCPv2 puts a 4-byte redirect header before the packet, version 1 does not.
static enum ht_layer wccp(struct ht_walk *w) {
	struct ht_walk peek = *w;
	struct ht_span h;
	if (!ht_walk_take(&peek, 1, &h))
		return HT_LAYER_DONE;
	if (h.p[0] >> 4 != 4 && !ht_walk_skip(w, 4))
		return HT_LAYER_DONE;
	return ht_enter(w, HT_ENCAP_GRE, 0, HT_LAYER_IPV4);
}

// RFC 2784 2.1, RFC 2890 2: flags and version, protocol, then checksum (with 2 reserved bytes), key
// and sequence number, each if flagged.
enum ht_layer ht_layer_gre(struct ht_walk *w) {
	struct ht_span h, key = HT_SPAN_EMPTY;
	if (!ht_walk_take(w, 4, &h))
		return HT_LAYER_DONE;
	uint16_t flags = ht_be16(h.p), protocol = ht_be16(h.p + 2);
	if ((flags & 7) == 1)
		return pptp(w, flags, protocol);
	// RFC 2784 2.3: source routing (RFC 1701) is to be refused by who does not implement it.
	if ((flags & 7) != 0 || (flags & GRE_ROUTING) != 0)
		return ht_walk_end(w, HT_PACKET_OTHER_L4);
	if (((flags & GRE_CHECKSUM) != 0 && !ht_walk_skip(w, 4)) //
	    || ((flags & GRE_KEY) != 0 && !ht_walk_take(w, 4, &key)) //
	    || ((flags & GRE_SEQ) != 0 && !ht_walk_skip(w, 4)))
		return HT_LAYER_DONE;

	switch (protocol) {
	case 0x6558: // transparent Ethernet bridging; RFC 7637 3.2: with a key it is NVGRE
		if (key.len != 0)
			return ht_enter(w, HT_ENCAP_NVGRE, ht_be24(key.p), HT_LAYER_ETHER);
		return ht_enter(w, HT_ENCAP_GRE, 0, HT_LAYER_ETHER);
	case 0x88be:
		return erspan(w, flags);
	case 0x22eb:
		return erspan3(w);
	case 0x883e:
		return wccp(w);
	default:
		break;
	}
	// An Aruba access point tunnels 802.11 frames, the low bits telling the radio and the
	// queue.
	if (protocol >= 0x8200 && protocol <= 0x83ff)
		return ht_enter(w, HT_ENCAP_GRE, 0, HT_LAYER_IEEE80211);
	enum ht_layer next = ht_ethertype_layer(protocol);
	if (next == HT_LAYER_NONE) // keep-alives (protocol 0), OSI, CDP ...
		return ht_walk_end(w, HT_PACKET_OTHER_L4);
	return ht_enter(w, HT_ENCAP_GRE, 0, next);
}

// RFC 3931 4.1: behind the session id come a cookie of 0, 4 or 8 bytes and a sublayer header of 0
// or 4, which only the control connection agrees on. The inside shows where it begins.
enum ht_layer ht_l2tpv3_open(struct ht_walk *w, uint32_t session) {
	struct ht_span h;
	for (unsigned before = 0; before <= 12; before += 4) {
		if (ht_begins_ethernet(w->r, w->wire))
			return ht_enter(w, HT_ENCAP_L2TP, session, HT_LAYER_ETHER);
		if (!ht_walk_try(w, 4, &h))
			break;
	}
	return HT_LAYER_NONE;
}

// RFC 3931 4.1.1: over IP the session id is all of the header, and 0 is control.
enum ht_layer ht_layer_l2tpv3(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 4, &h))
		return HT_LAYER_DONE;
	uint32_t session = ht_be32(h.p);
	enum ht_layer next = session != 0 ? ht_l2tpv3_open(w, session) : HT_LAYER_NONE;
	return next != HT_LAYER_NONE ? next : ht_walk_end(w, HT_PACKET_OTHER_L4);
}

// RFC 3378 3: version(4)=3, reserved(12).
enum ht_layer ht_layer_etherip(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 2, &h))
		return HT_LAYER_DONE;
	if (h.p[0] >> 4 != 3)
		return ht_walk_end(w, HT_PACKET_OTHER_L4);
	return ht_enter(w, HT_ENCAP_ETHERIP, 0, HT_LAYER_ETHER);
}
