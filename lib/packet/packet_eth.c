// SPDX-License-Identifier: BSD-3-Clause
// Ethernet, LLC/SNAP, and the tags between Ethernet and IP.

#include "packet_int.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd

enum ht_layer ht_ethertype_layer(uint16_t type) {
	switch (type) {
	case ETHERTYPE_IPV4:
		return HT_LAYER_IPV4;
	case ETHERTYPE_IPV6:
		return HT_LAYER_IPV6;
	case 0x8100: // 802.1Q
		return HT_LAYER_VLAN;
	case 0x88a8: // 802.1ad
	case 0x9100: // its predecessors, still met
	case 0x9200:
		return HT_LAYER_QINQ;
	case 0x8847: // RFC 5332: unicast or downstream-assigned
	case 0x8848: // multicast
		return HT_LAYER_MPLS;
	case 0x8864:
		return HT_LAYER_PPPOE;
	case 0x880b:
		return HT_LAYER_PPP;
	case 0x8870: // LLC in a jumbo frame, which the length field cannot say
		return HT_LAYER_LLC;
	case 0x888e:
		return HT_LAYER_EAPOL;
	case 0x88e5:
		return HT_LAYER_MACSEC;
	case 0x88e7:
		return HT_LAYER_PBB;
	case 0x8909:
		return HT_LAYER_SGT;
	case 0x8926:
		return HT_LAYER_VNTAG;
	case 0x893f:
		return HT_LAYER_ETAG;
	case 0x894f:
		return HT_LAYER_NSH;
	default:
		return HT_LAYER_NONE;
	}
}

enum ht_layer ht_next_ethertype(struct ht_walk *w, uint16_t type) {
	enum ht_layer next = ht_ethertype_layer(type);
	return next != HT_LAYER_NONE ? next : ht_walk_end(w, HT_PACKET_NOT_IP);
}

// 802.3 3.2.6: up to 1500 the field is a length, and what follows is LLC.
static enum ht_layer type_or_length(struct ht_walk *w, uint16_t type) {
	if (type > 1500)
		return ht_next_ethertype(w, type);
	ht_walk_trim(w, type);
	return HT_LAYER_LLC;
}

enum ht_layer ht_layer_ether(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 14, &h))
		return HT_LAYER_DONE;
	w->dst_mac = h.p;
	w->src_mac = h.p + 6;
	return type_or_length(w, ht_be16(h.p + 12));
}

// Types that hold no IP, and that yet tell that an Ethernet header stands before them.
static bool known_without_ip(uint16_t type) {
	switch (type) {
	case 0x0806: // ARP
	case 0x8035: // RARP
	case 0x8809: // slow protocols
	case 0x8863: // PPPoE discovery
	case 0x88cc: // LLDP
	case 0x88f7: // PTP
	case 0x8902: // CFM
	case 0x9000: // loopback
		return true;
	default:
		return false;
	}
}

bool ht_begins_ethernet(struct ht_reader r, uint32_t wire) {
	struct ht_span h, llc;
	if (!ht_take(&r, 14, &h) || (h.p[6] & 1) != 0) // no group sends
		return false;
	uint16_t type = ht_be16(h.p + 12);
	if (type == ETHERTYPE_IPV4 || type == ETHERTYPE_IPV6) {
		uint8_t first;
		if (!ht_u8(&r, &first)) // cut right there by the snap length
			return wire > 14;
		return first >> 4 == (type == ETHERTYPE_IPV4 ? 4 : 6);
	}
	if (type <= 1500)
		// So many bytes could be a length that the header behind it must be a common one:
		// STP, SNAP, IS-IS.
		return type >= 3 && type <= wire - 14 && ht_take(&r, 3, &llc) && llc.p[2] == 3
		       && llc.p[0] == llc.p[1]
		       && (llc.p[0] == 0x42 || llc.p[0] == 0xaa || llc.p[0] == 0xfe);
	return ht_ethertype_layer(type) != HT_LAYER_NONE || known_without_ip(type);
}

enum ht_layer ht_layer_llc(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 3, &h))
		return HT_LAYER_DONE;
	if (h.p[2] != 0x03) // 802.2: unnumbered information is what carries datagrams
		return ht_walk_end(w, HT_PACKET_NOT_IP);
	if (h.p[0] == 0x06 && h.p[1] == 0x06) // RFC 948
		return HT_LAYER_IPV4;
	if (h.p[0] != 0xaa || h.p[1] != 0xaa)
		return ht_walk_end(w, HT_PACKET_NOT_IP);

	// SNAP: whose protocol numbers, and which.
	if (!ht_walk_take(w, 5, &h))
		return HT_LAYER_DONE;
	uint32_t oui = ht_be24(h.p);
	uint16_t pid = ht_be16(h.p + 3);
	// RFC 1042; 802.1H for the bridge-tunnel form 00-00-F8.
	if (oui == 0x000000 || oui == 0x0000f8)
		return ht_next_ethertype(w, pid);
	// RFC 2684 5.2: bridged Ethernet, with and without its FCS.
	if (oui == 0x0080c2 && (pid == 0x0001 || pid == 0x0007))
		return HT_LAYER_ETHER;
	return ht_walk_end(w, HT_PACKET_NOT_IP);
}

static enum ht_layer tag(struct ht_walk *w, enum ht_encap_kind kind) {
	struct ht_span h;
	if (!ht_walk_take(w, 4, &h) || !ht_walk_push(w, kind, ht_be16(h.p) & 0xfffu))
		return HT_LAYER_DONE;
	return type_or_length(w, ht_be16(h.p + 2));
}

enum ht_layer ht_layer_vlan(struct ht_walk *w) {
	return tag(w, HT_ENCAP_VLAN);
}

enum ht_layer ht_layer_qinq(struct ht_walk *w) {
	return tag(w, HT_ENCAP_QINQ);
}

// 802.1ah: the I-TAG (flags, 24-bit service id), then the customer's frame.
enum ht_layer ht_layer_pbb(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 4, &h))
		return HT_LAYER_DONE;
	return ht_enter(w, HT_ENCAP_PBB, ht_be24(h.p + 1), HT_LAYER_ETHER);
}

// D(1) P(1) destination(14) L(1) R(1) version(2) source(12), ethertype. Told is the interface of
// the virtual machine: the destination on the way to it (D set), the source on the way from it.
enum ht_layer ht_layer_vntag(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 6, &h))
		return HT_LAYER_DONE;
	uint32_t v = ht_be32(h.p);
	uint32_t id = (v >> 31) != 0 ? v >> 16 & 0x3fff : v & 0xfff;
	return ht_walk_push(w, HT_ENCAP_VNTAG, id) ? type_or_length(w, ht_be16(h.p + 4))
						   : HT_LAYER_DONE;
}

// 802.1BR 7.5: E-PCP(3) E-DEI(1) ingress base(12) reserved(2) GRP(2) base(12) ingress ext(8)
// ext(8), ethertype. The E-CID is ext, GRP, base.
enum ht_layer ht_layer_etag(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 8, &h))
		return HT_LAYER_DONE;
	uint32_t id = (uint32_t)h.p[5] << 14 | (ht_be16(h.p + 2) & 0x3fffu);
	return ht_walk_push(w, HT_ENCAP_ETAG, id) ? type_or_length(w, ht_be16(h.p + 6))
						  : HT_LAYER_DONE;
}

// Cisco metadata: version, length in words (0 is met too, and means 1), then options of length(3)
// type(13) and two bytes or more; type 1 is the security group tag, and the first. Then the
// ethertype.
enum ht_layer ht_layer_sgt(struct ht_walk *w) {
	struct ht_span h, rest;
	if (!ht_walk_take(w, 2, &h))
		return HT_LAYER_DONE;
	if (!ht_walk_take(w, h.p[1] != 0 ? h.p[1] * 4u : 4, &rest) || !ht_walk_take(w, 2, &h))
		return HT_LAYER_DONE;
	return ht_walk_push(w, HT_ENCAP_SGT, ht_be16(rest.p + 2)) ? type_or_length(w, ht_be16(h.p))
								  : HT_LAYER_DONE;
}

// 802.1AE 9: TCI and AN, short length, packet number, SCI if the SC bit is set; then what is
// protected, in the clear when only its integrity is. The ICV behind it is trimmed by the IP
// length.
enum ht_layer ht_layer_macsec(struct ht_walk *w) {
	struct ht_span h, type;
	if (!ht_walk_take(w, 6, &h))
		return HT_LAYER_DONE;
	if ((h.p[0] & 0x80) != 0) // version
		return ht_walk_end(w, HT_PACKET_MALFORMED);
	if ((h.p[0] & 0x0c) != 0) // E: encrypted, C: changed
		return ht_walk_end(w, HT_PACKET_NOT_IP);
	if ((h.p[0] & 0x20) != 0 && !ht_walk_skip(w, 8))
		return HT_LAYER_DONE;
	if ((h.p[1] & 0x3f) != 0) // 9.7: less than 48 bytes of protected data, the rest is padding
		ht_walk_trim(w, h.p[1] & 0x3fu);
	if (!ht_walk_take(w, 2, &type) || !ht_walk_push(w, HT_ENCAP_MACSEC, 0))
		return HT_LAYER_DONE;
	return type_or_length(w, ht_be16(type.p));
}

// RFC 8300 2.2-2.4: version(2) O U TTL(6) length(6), MD type, next protocol, service path(24),
// index.
enum ht_layer ht_layer_nsh(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 8, &h))
		return HT_LAYER_DONE;
	uint32_t len = (h.p[1] & 0x3fu) * 4;
	if (h.p[0] >> 6 != 0 || len < 8)
		return ht_walk_end(w, HT_PACKET_MALFORMED);
	if (!ht_walk_skip(w, len - 8) || !ht_walk_push(w, HT_ENCAP_NSH, ht_be24(h.p + 4)))
		return HT_LAYER_DONE;
	switch (h.p[3]) {
	case 1:
		return HT_LAYER_IPV4;
	case 2:
		return HT_LAYER_IPV6;
	case 3:
		return HT_LAYER_ETHER;
	case 4:
		return HT_LAYER_NSH;
	case 5:
		return HT_LAYER_MPLS;
	default:
		return ht_walk_end(w, HT_PACKET_NOT_IP);
	}
}

// 802.1X 11.3: version, type, body length. Ethernet pads what is shorter than a frame.
enum ht_layer ht_layer_eapol(struct ht_walk *w) {
	struct ht_packet *out = w->out;
	struct ht_walk peek = *w;
	struct ht_span h;
	if (!ht_walk_take(&peek, 4, &h))
		return HT_LAYER_DONE;
	ht_walk_trim(w, 4u + ht_be16(h.p + 2));
	memcpy(out->src_mac, w->src_mac, sizeof(out->src_mac));
	memcpy(out->dst_mac, w->dst_mac, sizeof(out->dst_mac));
	out->proto = 0;
	out->payload = w->r.left;
	out->payload_wire_len = w->wire;
	return ht_walk_end(w, HT_PACKET_EAPOL);
}
