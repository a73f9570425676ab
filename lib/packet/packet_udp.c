// SPDX-License-Identifier: BSD-3-Clause
// Tunnels over UDP. Nothing but a port names them, and any client may have drawn that port, so each
// is recognised by its header and by what is inside as well.

#include "packet_int.h"

typedef enum ht_layer tunnel_fn(struct ht_walk *w);

// RFC 7348 5: flags (I: the VNI is valid), reserved(24), VNI(24), reserved(8). The reserved bits
// are to be ignored, and senders exist that fill them.
static enum ht_layer vxlan(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_try(w, 8, &h) || (h.p[0] & 0x08) == 0 || !ht_begins_ethernet(w->r, w->wire))
		return HT_LAYER_NONE;
	return ht_enter(w, HT_ENCAP_VXLAN, ht_be24(h.p + 4), HT_LAYER_ETHER);
}

// Whether a label stack and something known behind it can begin here.
static bool begins_mpls(struct ht_reader r, uint32_t wire) {
	struct ht_span h;
	for (unsigned i = 0; i < HT_ENCAP_MAX; i++) {
		if (!ht_take(&r, 4, &h))
			return false;
		wire -= 4;
		if ((h.p[2] & 1) != 0) {
			bool control_word;
			return ht_mpls_inside(r, wire, &control_word) != HT_LAYER_NONE;
		}
	}
	return false;
}

// RFC 8300 2.2: version 0, at least two words.
static bool begins_nsh(struct ht_reader r) {
	struct ht_span h;
	return ht_take(&r, 8, &h) && h.p[0] >> 6 == 0 && (h.p[1] & 0x3f) >= 2;
}

static enum ht_layer ip_or_none(const struct ht_walk *w) {
	return ht_begins_ip(w->r, w->wire) ? HT_LAYER_IP : HT_LAYER_NONE;
}

static enum ht_layer ether_or_none(const struct ht_walk *w) {
	return ht_begins_ethernet(w->r, w->wire) ? HT_LAYER_ETHER : HT_LAYER_NONE;
}

static enum ht_layer mpls_or_none(const struct ht_walk *w) {
	return begins_mpls(w->r, w->wire) ? HT_LAYER_MPLS : HT_LAYER_NONE;
}

static enum ht_layer
enter_known(struct ht_walk *w, enum ht_encap_kind kind, uint32_t id, enum ht_layer next) {
	return next == HT_LAYER_NONE ? next : ht_enter(w, kind, id, next);
}

// draft-ietf-nvo3-vxlan-gpe 3: R R version(2) I P B O, reserved(16), next protocol, VNI(24),
// reserved(8). P says that there is a next protocol; senders exist that fill it without P.
static enum ht_layer vxlan_gpe(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_try(w, 8, &h) || (h.p[0] & 0x30) != 0)
		return HT_LAYER_NONE;
	enum ht_layer next = HT_LAYER_NONE;
	switch (h.p[3]) {
	case 1:
	case 2:
		next = ip_or_none(w);
		break;
	case 0: // without a next protocol it is VXLAN
	case 3:
		next = ether_or_none(w);
		break;
	case 4:
		next = begins_nsh(w->r) ? HT_LAYER_NSH : HT_LAYER_NONE;
		break;
	case 5:
		next = mpls_or_none(w);
		break;
	default:
		break;
	}
	return enter_known(w, HT_ENCAP_VXLAN_GPE, ht_be24(h.p + 4), next);
}

// RFC 8926 3.4: version(2)=0 option length(6) in words, flags, protocol, VNI(24), reserved,
// options.
static enum ht_layer geneve(struct ht_walk *w) {
	struct ht_span h, options;
	if (!ht_walk_try(w, 8, &h) || h.p[0] >> 6 != 0
	    || !ht_walk_try(w, (h.p[0] & 0x3fu) * 4, &options))
		return HT_LAYER_NONE;
	enum ht_layer next = HT_LAYER_NONE;
	switch (ht_be16(h.p + 2)) {
	case 0x6558:
		next = ether_or_none(w);
		break;
	case 0x0800:
	case 0x86dd:
		next = ip_or_none(w);
		break;
	case 0x8847:
		next = mpls_or_none(w);
		break;
	case 0x894f:
		next = begins_nsh(w->r) ? HT_LAYER_NSH : HT_LAYER_NONE;
		break;
	default:
		break;
	}
	return enter_known(w, HT_ENCAP_GENEVE, ht_be24(h.p + 4), next);
}

// 3GPP TS 29.281 5.1: version(3)=1 PT(1)=1 spare E S PN, message type, length, TEID; if one of E,
// S, PN is set: sequence(16), N-PDU, type of the next extension header. 5.2.1: an extension header
// is its length in words, content, type of the next.
static enum ht_layer gtpu(struct ht_walk *w) {
	struct ht_span h, more;
	if (!ht_walk_try(w, 8, &h) || (h.p[0] & 0xf0) != 0x30)
		return HT_LAYER_NONE;
	uint32_t len = ht_be16(h.p + 2);
	if (h.p[1] != 0xff || len > w->wire) // only a G-PDU has a user's packet inside
		return HT_LAYER_NONE;
	ht_walk_trim(w, len);
	if ((h.p[0] & 7) != 0) {
		if (!ht_walk_try(w, 4, &more))
			return HT_LAYER_NONE;
		uint8_t next = (h.p[0] & 4) != 0 ? more.p[3] : 0;
		while (next != 0) { // each turn takes at least 4 bytes
			struct ht_span n;
			if (!ht_walk_try(w, 1, &n) || n.p[0] == 0
			    || !ht_walk_try(w, n.p[0] * 4u - 1, &more))
				return HT_LAYER_NONE;
			next = more.p[more.len - 1];
		}
	}
	// A PDU session may be of the type Ethernet (TS 23.501 5.6.10.2); only its set-up tells.
	enum ht_layer inside = ip_or_none(w);
	if (inside == HT_LAYER_NONE)
		inside = ether_or_none(w);
	return enter_known(w, HT_ENCAP_GTPU, ht_be32(h.p + 4), inside);
}

// RFC 4380 5.1.1: perhaps authentication (0001, two lengths, id, value, nonce(8), confirmation),
// perhaps an origin (0000, port, address), then IPv6.
static enum ht_layer teredo(struct ht_walk *w) {
	struct ht_span h;
	struct ht_reader peek = w->r;
	uint16_t kind;
	if (ht_u16(&peek, &kind) && kind == 0x0001
	    && (!ht_walk_try(w, 4, &h) || !ht_walk_try(w, h.p[2] + h.p[3] + 9u, &h)))
		return HT_LAYER_NONE;
	peek = w->r;
	if (ht_u16(&peek, &kind) && kind == 0x0000 && !ht_walk_try(w, 8, &h))
		return HT_LAYER_NONE;
	peek = w->r;
	if (!ht_take(&peek, 40, &h) || h.p[0] >> 4 != 6 || 40u + ht_be16(h.p + 4) > w->wire)
		return HT_LAYER_NONE;
	return ht_enter(w, HT_ENCAP_TEREDO, 0, HT_LAYER_IPV6);
}

// RFC 2661 3.1: T L x x S x O P x x x x version(4), length if L, tunnel, session, Ns and Nr if S,
// offset size and padding if O.
static enum ht_layer l2tp(struct ht_walk *w) {
	uint32_t whole = w->wire;
	struct ht_span h, id;
	if (!ht_walk_try(w, 2, &h))
		return HT_LAYER_NONE;
	uint16_t flags = ht_be16(h.p);
	if ((flags & 0x8000) != 0) // T: control
		return HT_LAYER_NONE;
	if ((flags & 0xf) == 3) // RFC 3931 4.1.2.1: reserved(16), then as over IP
		return ht_walk_try(w, 6, &h) ? ht_l2tpv3_open(w, ht_be32(h.p + 2)) : HT_LAYER_NONE;
	if ((flags & 0xf) != 2)
		return HT_LAYER_NONE;
	if ((flags & 0x4000) != 0) {
		if (!ht_walk_try(w, 2, &h))
			return HT_LAYER_NONE;
		uint32_t len = ht_be16(h.p);
		if (len < 4 || len > whole)
			return HT_LAYER_NONE;
		ht_walk_trim(w, len - 4);
	}
	if (!ht_walk_try(w, 4, &id))
		return HT_LAYER_NONE;
	if ((flags & 0x0800) != 0 && !ht_walk_try(w, 4, &h))
		return HT_LAYER_NONE;
	if ((flags & 0x0200) != 0 && (!ht_walk_try(w, 2, &h) || !ht_walk_try(w, ht_be16(h.p), &h)))
		return HT_LAYER_NONE;
	if (!ht_ppp_known(w->r))
		return HT_LAYER_NONE;
	return ht_enter(w, HT_ENCAP_L2TP, ht_be16(id.p + 2), HT_LAYER_PPP);
}

// RFC 7510 3: a label stack, and nothing else.
static enum ht_layer mplsoudp(struct ht_walk *w) {
	return enter_known(w, HT_ENCAP_MPLSOUDP, 0, mpls_or_none(w));
}

// RFC 5415 4.3: preamble (version(4)=0 type(4)=0), HLEN(5) in words, RID(5), WBID(5), T, F L W M K,
// flags(3), fragment(32), then what the flags say, all within HLEN.
static enum ht_layer capwap(struct ht_walk *w) {
	struct ht_span h, more;
	if (!ht_walk_try(w, 8, &h) || h.p[0] != 0 || (h.p[3] & 0x80) != 0) // F: a fragment
		return HT_LAYER_NONE;
	uint32_t len = (h.p[1] >> 3) * 4u;
	if (len < 8 || !ht_walk_try(w, len - 8, &more))
		return HT_LAYER_NONE;
	if ((h.p[2] & 1) == 0) // T: not 802.3 but native
		return enter_known(w, HT_ENCAP_CAPWAP, 0, ether_or_none(w));
	struct ht_reader peek = w->r;
	if ((h.p[2] >> 1 & 0x1f) != 1 || !ht_take(&peek, 24, &more)) // WBID 1: 802.11
		return HT_LAYER_NONE;
	bool plain = (more.p[0] & 0x0f) == 0x08, swapped = (more.p[1] & 0x0f) == 0x08;
	if (!plain && !swapped) // 802.11 version 0, type data
		return HT_LAYER_NONE;
	w->dot11_swap = !plain;
	w->dot11_pad = false;
	return ht_enter(w, HT_ENCAP_CAPWAP, 0, HT_LAYER_IEEE80211);
}

// draft-massar-v6ops-ayiya 3: log2 of the identity's length(4) and its type(4), words of
// signature(4) and hash(4), authentication(4) and opcode(4), next header, time(32); identity,
// signature.
static enum ht_layer ayiya(struct ht_walk *w) {
	struct ht_span h, more;
	if (!ht_walk_try(w, 8, &h) || (h.p[2] & 0x0f) != 1) // opcode 1: forward
		return HT_LAYER_NONE;
	uint32_t identity = 1u << (h.p[0] >> 4), signature = (h.p[1] >> 4) * 4u;
	if (!ht_walk_try(w, identity + signature, &more) || (h.p[3] != 41 && h.p[3] != 4))
		return HT_LAYER_NONE;
	return enter_known(w, HT_ENCAP_AYIYA, 0, ip_or_none(w));
}

// TZSP: version 1, type (0 received, 1 to send), protocol (1 Ethernet), tags: 0 is padding, 1 the
// end, others have a length.
static enum ht_layer tzsp(struct ht_walk *w) {
	struct ht_span h, tag;
	if (!ht_walk_try(w, 4, &h) || h.p[0] != 1 || h.p[1] > 1 || ht_be16(h.p + 2) != 1)
		return HT_LAYER_NONE;
	for (;;) { // each turn takes at least 1 byte
		if (!ht_walk_try(w, 1, &tag))
			return HT_LAYER_NONE;
		if (tag.p[0] == 1)
			break;
		if (tag.p[0] != 0 && (!ht_walk_try(w, 1, &tag) || !ht_walk_try(w, tag.p[0], &tag)))
			return HT_LAYER_NONE;
	}
	return enter_known(w, HT_ENCAP_TZSP, 0, ether_or_none(w));
}

static tunnel_fn *by_port(uint16_t port) {
	switch (port) {
#define X(number, name) \
	case number: \
		return name;
		HT_UDP_TUNNELS(X)
#undef X
	default:
		return NULL;
	}
}

enum ht_layer ht_udp_open(struct ht_walk *w, uint16_t sport, uint16_t dport) {
	const struct ht_walk before = *w;
	tunnel_fn *const to = by_port(dport), *const from = by_port(sport);
	enum ht_layer next = HT_LAYER_NONE;
	if (to != NULL)
		next = to(w);
	if (next == HT_LAYER_NONE && from != NULL && from != to) {
		*w = before;
		next = from(w);
	}
	if (next == HT_LAYER_NONE)
		*w = before;
	return next;
}
