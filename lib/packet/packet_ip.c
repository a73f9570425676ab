// SPDX-License-Identifier: BSD-3-Clause
// IPv4, IPv6 with its extension headers, TCP, UDP. Checksums are not verified: hosts leave them to
// the network card, so that captures near a host are full of wrong ones.

#include "packet_int.h"

// RFC 8200 4.1 foresees seven, the destination options twice.
#define EXT_MAX 10

bool ht_begins_ip(struct ht_reader r, uint32_t wire) {
	uint8_t first, tos;
	uint16_t total;
	if (!ht_u8(&r, &first))
		return false;
	if (first >> 4 == 6)
		return wire >= 40;
	if (first >> 4 != 4 || (first & 0xf) < 5 || wire < (first & 0xfu) * 4)
		return false;
	if (!ht_u8(&r, &tos) || !ht_u16(&r, &total)) // cut there by the snap length
		return true;
	return total == 0 || total >= (first & 0xfu) * 4;
}

enum ht_layer ht_layer_ip(struct ht_walk *w) {
	struct ht_walk peek = *w;
	struct ht_span h;
	if (!ht_walk_take(&peek, 1, &h))
		return HT_LAYER_DONE;
	switch (h.p[0] >> 4) {
	case 4:
		return HT_LAYER_IPV4;
	case 6:
		return HT_LAYER_IPV6;
	default:
		return ht_walk_end(w, HT_PACKET_MALFORMED);
	}
}

enum ht_layer ht_next_proto(struct ht_walk *w, uint8_t proto) {
	w->proto = proto;
	switch (proto) {
	case HT_IPPROTO_TCP:
		return HT_LAYER_TCP;
	case HT_IPPROTO_UDP:
		return HT_LAYER_UDP;
	case 4:
		return ht_enter(w, w->v6 ? HT_ENCAP_IPIN6 : HT_ENCAP_IPIP, 0, HT_LAYER_IPV4);
	case 41:
		return ht_enter(w, w->v6 ? HT_ENCAP_IPIN6 : HT_ENCAP_SIXIN4, 0, HT_LAYER_IPV6);
	case 47:
		return HT_LAYER_GRE;
	case 51:
		return HT_LAYER_AH;
	case 97:
		return HT_LAYER_ETHERIP;
	case 115:
		return HT_LAYER_L2TPV3;
	case 137: // RFC 4023 3
		return HT_LAYER_MPLS;
	default:
		break;
	}
	if (w->v6) {
		switch (proto) {
		case 0: // hop-by-hop options
		case 43: // routing
		case 60: // destination options
		case 135: // mobility
		case 139: // host identity
		case 140: // shim6
			return HT_LAYER_EXTENSION;
		case 44:
			return HT_LAYER_FRAGMENT6;
		default:
			break;
		}
	}
	return ht_walk_end(w, HT_PACKET_OTHER_L4); // ICMP and what it quotes, ESP, SCTP ...
}

// An extension header of a packet is counted off. The cap is this module's, not an RFC's.
static bool count_extension(struct ht_walk *w) {
	if (++w->ext <= EXT_MAX)
		return true;
	ht_walk_end(w, HT_PACKET_DEPTH);
	return false;
}

static enum ht_layer fragment(struct ht_walk *w, struct ht_fragment f) {
	// What lacks bytes can never be put together again.
	if (w->wire > w->r.left.len)
		return ht_walk_end(w, w->cut ? HT_PACKET_TRUNCATED : HT_PACKET_MALFORMED);
	f.data = w->r.left;
	f.v6 = w->v6;
	f.header_len = (uint16_t)(w->out->ip_len - w->wire - (w->v6 ? 8 : 0));
	w->out->fragment = f;
	w->out->key.sport = w->out->key.dport = 0;
	return ht_walk_end(w, HT_PACKET_FRAGMENT);
}

// RFC 791 3.1.
enum ht_layer ht_layer_ipv4(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 20, &h))
		return HT_LAYER_DONE;
	uint32_t header = (h.p[0] & 0xfu) * 4, total = ht_be16(h.p + 2);
	// Segmentation offload leaves 0 when the packet is longer than the field can say.
	if (total == 0)
		total = 20 + w->wire;
	if (h.p[0] >> 4 != 4 || header < 20 || total < header)
		return ht_walk_end(w, HT_PACKET_MALFORMED);
	ht_walk_len(w, total - 20);
	if (!ht_walk_skip(w, header - 20))
		return HT_LAYER_DONE;

	w->v6 = false;
	w->ext = 0;
	w->out->ip_len = total;
	ht_key_ipv4(w->out->key.src, h.p + 12);
	ht_key_ipv4(w->out->key.dst, h.p + 16);
	uint16_t frag = ht_be16(h.p + 6);
	if ((frag & 0x3fff) == 0) // neither an offset nor more fragments
		return ht_next_proto(w, h.p[9]);
	return fragment(
		w,
		(struct ht_fragment){
			.id = ht_be16(h.p + 4),
			.offset = (uint16_t)((frag & 0x1fff) * 8),
			.more = (frag & 0x2000) != 0,
			.proto = h.p[9],
		}
	);
}

// RFC 8200 3.
enum ht_layer ht_layer_ipv6(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 40, &h))
		return HT_LAYER_DONE;
	if (h.p[0] >> 4 != 6)
		return ht_walk_end(w, HT_PACKET_MALFORMED);
	uint32_t len = ht_be16(h.p + 4);
	if (len
	    != 0) // 0: a jumbogram (RFC 2675 3) or segmentation offload, to the end of the frame
		ht_walk_len(w, len);

	w->v6 = true;
	w->ext = 0;
	w->out->ip_len = 40 + w->wire;
	memcpy(w->out->key.src, h.p + 8, 16);
	memcpy(w->out->key.dst, h.p + 24, 16);
	return ht_next_proto(w, h.p[6]);
}

// RFC 8200 4.2: next header, length in 8-byte units without the first. The addresses stay those of
// the IPv6 header, whatever a routing header or a home address says of others.
enum ht_layer ht_layer_extension(struct ht_walk *w) {
	struct ht_walk peek = *w;
	struct ht_span h;
	if (!count_extension(w) || !ht_walk_take(&peek, 8, &h))
		return HT_LAYER_DONE;
	if (!ht_walk_skip(w, 8 + h.p[1] * 8u))
		return HT_LAYER_DONE;
	return ht_next_proto(w, h.p[0]);
}

// RFC 4302 2.2: length in 4-byte units, without the first two.
enum ht_layer ht_layer_ah(struct ht_walk *w) {
	struct ht_walk peek = *w;
	struct ht_span h;
	if (!count_extension(w) || !ht_walk_take(&peek, 12, &h))
		return HT_LAYER_DONE;
	uint32_t len = (h.p[1] + 2u) * 4;
	if (len < 12)
		return ht_walk_end(w, HT_PACKET_MALFORMED);
	if (!ht_walk_skip(w, len))
		return HT_LAYER_DONE;
	return ht_next_proto(w, h.p[0]);
}

// RFC 8200 4.5.
enum ht_layer ht_layer_fragment6(struct ht_walk *w) {
	struct ht_span h;
	if (!count_extension(w) || !ht_walk_take(w, 8, &h))
		return HT_LAYER_DONE;
	uint16_t offset = ht_be16(h.p + 2) & 0xfff8;
	bool more = (h.p[3] & 1) != 0;
	if (offset == 0 && !more) // RFC 6946 3: an atomic fragment is a whole packet
		return ht_next_proto(w, h.p[0]);
	return fragment(
		w,
		(struct ht_fragment){
			.id = ht_be32(h.p + 4),
			.offset = offset,
			.more = more,
			.proto = h.p[0],
		}
	);
}

static void l4(struct ht_walk *w, struct ht_span h, uint8_t proto) {
	struct ht_packet *out = w->out;
	out->key.sport = ht_be16(h.p);
	out->key.dport = ht_be16(h.p + 2);
	out->proto = proto;
	out->payload = w->r.left;
	out->payload_wire_len = w->wire;
}

// RFC 9293 3.1.
enum ht_layer ht_layer_tcp(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 20, &h))
		return HT_LAYER_DONE;
	uint32_t header = (h.p[12] >> 4) * 4u;
	if (header < 20)
		return ht_walk_end(w, HT_PACKET_MALFORMED);
	if (!ht_walk_skip(w, header - 20))
		return HT_LAYER_DONE;
	l4(w, h, HT_IPPROTO_TCP);
	w->out->tcp_flags = h.p[13];
	w->out->tcp_seq = ht_be32(h.p + 4);
	return ht_walk_end(w, HT_PACKET_TCP);
}

// RFC 768.
enum ht_layer ht_layer_udp(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 8, &h))
		return HT_LAYER_DONE;
	uint32_t len = ht_be16(h.p + 4);
	if (len != 0) { // 0: RFC 2675 4, a datagram longer than the field can say
		if (len < 8 || len - 8 > w->wire)
			return ht_walk_end(w, HT_PACKET_MALFORMED);
		ht_walk_trim(w, len - 8);
	}
	uint16_t sport = ht_be16(h.p), dport = ht_be16(h.p + 2);
	if (ht_udp_tunnel_port(sport) || ht_udp_tunnel_port(dport)) {
		enum ht_layer next = ht_udp_open(w, sport, dport);
		if (next != HT_LAYER_NONE)
			return next;
	}
	l4(w, h, HT_IPPROTO_UDP);
	return ht_walk_end(w, HT_PACKET_UDP);
}
