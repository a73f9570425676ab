// SPDX-License-Identifier: BSD-3-Clause

#include "packet.h"

#include "packet_int.h"

// More layers than any real frame has; bounds the layers that are not told in `encap` (bridged
// Ethernet in SNAP in Ethernet ...).
#define STEPS_MAX 128

#define LINKTYPE_ETHERNET 1

static enum ht_layer (*const layers[HT_LAYER_NUM])(struct ht_walk *w) = {
#define X(id, name) [HT_LAYER_##id] = ht_layer_##name,
	HT_LAYERS(X)
#undef X
};

static const uint8_t no_mac[6];

static enum ht_packet_end run(struct ht_walk *w, enum ht_layer next) {
	for (unsigned steps = 0; next != HT_LAYER_DONE; steps++) {
		if (steps == STEPS_MAX) {
			ht_walk_end(w, HT_PACKET_DEPTH);
			break;
		}
		next = layers[next](w);
	}
	return (enum ht_packet_end)w->out->end;
}

// www.tcpdump.org/linktypes.html
static enum ht_layer link_layer(uint16_t linktype) {
	switch (linktype) {
	case LINKTYPE_ETHERNET:
		return HT_LAYER_ETHER;
	case 0: // NULL: address family in the byte order of the host that captured
	case 108: // LOOP: the same in network order
		return HT_LAYER_BSD_NULL;
	case 9: // PPP
	case 166: // PPP_PPPD: a direction byte where PPP has FF
		return HT_LAYER_PPP;
	case 12: // DLT_RAW of most systems
	case 14: // DLT_RAW of OpenBSD
	case 101:
		return HT_LAYER_IP;
	case 50: // PPP_HDLC: PPP or Cisco HDLC
		return HT_LAYER_SERIAL;
	case 51: // PPP_ETHER: the PPPoE header on
		return HT_LAYER_PPPOE;
	case 104:
		return HT_LAYER_CHDLC;
	case 105:
		return HT_LAYER_IEEE80211;
	case 113:
		return HT_LAYER_SLL;
	case 127:
		return HT_LAYER_RADIOTAP;
	case 204: // PPP_WITH_DIR
		return HT_LAYER_PPP_DIR;
	case 228:
		return HT_LAYER_IPV4;
	case 229:
		return HT_LAYER_IPV6;
	case 239:
		return HT_LAYER_NFLOG;
	case 276:
		return HT_LAYER_SLL2;
	default:
		return HT_LAYER_NONE;
	}
}

// A capture file may claim that a frame was shorter than what it holds of it.
static uint32_t wire_len(const struct ht_frame *f) {
	return f->len > f->caplen ? f->len : f->caplen;
}

enum ht_packet_end ht_packet_parse_general(struct ht_packet *out, const struct ht_frame *f) {
	out->num_encap = 0;
	enum ht_layer first = link_layer(f->linktype);
	if (first == HT_LAYER_NONE) {
		out->end = HT_PACKET_LINKTYPE;
		return HT_PACKET_LINKTYPE;
	}
	struct ht_walk w = {
		.r = ht_reader(HT_SPAN(f->data, f->caplen)),
		.wire = wire_len(f),
		.cut = f->len > f->caplen,
		.src_mac = no_mac,
		.dst_mac = no_mac,
		.out = out,
	};
	return run(&w, first);
}

// Parse TCP or UDP after a plain IP header, r being what follows it as captured and `wire` its
// length by the header. False leaves the frame to the general path, which has a name for what is
// odd.
static inline bool
fast_l4(struct ht_packet *out, struct ht_reader r, uint32_t wire, uint8_t proto) {
	struct ht_span h;
	if (HT_UNLIKELY(r.left.len > wire)) { // Ethernet padding, or the FCS
		if (!ht_take(&r, wire, &h))
			return false;
		r = ht_reader(h);
	}
	if (HT_LIKELY(proto == HT_IPPROTO_TCP)) {
		if (!ht_take(&r, 20, &h))
			return false;
		uint32_t header = (h.p[12] >> 4) * 4u;
		struct ht_span options;
		if (header < 20 || !ht_take(&r, header - 20, &options))
			return false;
		out->tcp_flags = h.p[13];
		out->tcp_seq = ht_be32(h.p + 4);
		out->payload_wire_len = wire - header;
		out->end = HT_PACKET_TCP;
	} else {
		if (!ht_take(&r, 8, &h))
			return false;
		uint32_t len = ht_be16(h.p + 4);
		if (len < 8 || len > wire)
			return false;
		if (ht_udp_tunnel_port(ht_be16(h.p)) || ht_udp_tunnel_port(ht_be16(h.p + 2)))
			return false;
		if (HT_UNLIKELY(r.left.len > len - 8)) {
			struct ht_span s;
			if (!ht_take(&r, len - 8, &s))
				return false;
			r = ht_reader(s);
		}
		out->payload_wire_len = len - 8;
		out->end = HT_PACKET_UDP;
	}
	out->key.sport = ht_be16(h.p);
	out->key.dport = ht_be16(h.p + 2);
	out->proto = proto;
	out->payload = r.left;
	return true;
}

// Nearly every frame is Ethernet with at most one 802.1Q tag, an IP header without options, and TCP
// or UDP. This reads just that, and says false, with nothing decided, at whatever else it meets.
static inline bool fast(struct ht_packet *out, const struct ht_frame *f) {
	struct ht_reader r = ht_reader(HT_SPAN(f->data, f->caplen));
	struct ht_span eth, ip;
	if (HT_UNLIKELY(f->linktype != LINKTYPE_ETHERNET || !ht_take(&r, 14, &eth)))
		return false;
	uint16_t type = ht_be16(eth.p + 12);
	out->num_encap = 0;
	if (type == 0x8100) {
		struct ht_span tag;
		if (!ht_take(&r, 4, &tag))
			return false;
		type = ht_be16(tag.p + 2);
		out->num_encap = 1;
		out->encap[0] = (struct ht_encap){
			.id = ht_be16(tag.p) & 0xfffu,
			.kind = HT_ENCAP_VLAN,
		};
	}
	if (HT_LIKELY(type == 0x0800)) {
		if (!ht_take(&r, 20, &ip))
			return false;
		uint32_t total = ht_be16(ip.p + 2);
		uint8_t proto = ip.p[9];
		if (HT_UNLIKELY(
			    ip.p[0] != 0x45 || total < 20 || (ht_be16(ip.p + 6) & 0x3fff) != 0
			    || (proto != HT_IPPROTO_TCP && proto != HT_IPPROTO_UDP)
		    ))
			return false;
		ht_key_ipv4(out->key.src, ip.p + 12);
		ht_key_ipv4(out->key.dst, ip.p + 16);
		out->ip_len = total;
		return fast_l4(out, r, total - 20, proto);
	}
	if (type == 0x86dd) {
		if (!ht_take(&r, 40, &ip))
			return false;
		uint32_t len = ht_be16(ip.p + 4);
		uint8_t proto = ip.p[6];
		if (ip.p[0] >> 4 != 6 || len == 0
		    || (proto != HT_IPPROTO_TCP && proto != HT_IPPROTO_UDP))
			return false;
		memcpy(out->key.src, ip.p + 8, 16);
		memcpy(out->key.dst, ip.p + 24, 16);
		out->ip_len = 40 + len;
		return fast_l4(out, r, len, proto);
	}
	return false;
}

enum ht_packet_end ht_packet_parse(struct ht_packet *out, const struct ht_frame *f) {
	if (HT_LIKELY(fast(out, f)))
		return (enum ht_packet_end)out->end;
	return ht_packet_parse_general(out, f);
}

enum ht_packet_end ht_packet_resume(struct ht_packet *out, struct ht_span payload, uint8_t proto) {
	struct ht_walk w = {
		.r = ht_reader(payload),
		.wire = (uint32_t)payload.len,
		.v6 = out->fragment.v6,
		.src_mac = no_mac,
		.dst_mac = no_mac,
		.out = out,
	};
	out->ip_len = out->fragment.header_len + w.wire;
	return run(&w, ht_next_proto(&w, proto));
}

enum encap_arg { ARG_NONE, ARG_DEC, ARG_HEX };

static const struct {
	const char *name;
	enum encap_arg arg;
} encaps[HT_ENCAP_NUM_KINDS] = {
#define X(id, name, arg) [HT_ENCAP_##id] = {name, ARG_##arg},
	HT_ENCAP_KINDS(X)
#undef X
};

static char *put_hex(char *out, uint32_t v) {
	int shift = 28;
	while (shift > 0 && v >> shift == 0)
		shift -= 4;
	*out++ = '0';
	*out++ = 'x';
	for (; shift >= 0; shift -= 4)
		*out++ = "0123456789abcdef"[v >> shift & 0xf];
	return out;
}

char *ht_encap_text(char *out, struct ht_encap e) {
	if (e.kind >= HT_ENCAP_NUM_KINDS)
		return out;
	size_t n = strlen(encaps[e.kind].name);
	memcpy(out, encaps[e.kind].name, n);
	out += n;
	switch (encaps[e.kind].arg) {
	case ARG_DEC:
		*out++ = ':';
		return ht_u64_dec(out, e.id);
	case ARG_HEX:
		*out++ = ':';
		return put_hex(out, e.id);
	case ARG_NONE:
		break;
	}
	return out;
}
