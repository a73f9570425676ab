// SPDX-License-Identifier: BSD-3-Clause
// MPLS label stacks, and the guess at what they carry.

#include "packet_int.h"

// An IP packet that also says how long it is and ends within what carries it. Stricter than
// ht_begins_ip, because here the alternative is an Ethernet frame to an address that begins with 4
// or 6.
static bool is_ip(struct ht_reader r, uint32_t wire) {
	struct ht_span h;
	if (!ht_begins_ip(r, wire) || !ht_take(&r, 20, &h))
		return false;
	bool v4 = h.p[0] >> 4 == 4;
	uint32_t len = ht_be16(h.p + (v4 ? 2 : 4));
	return len != 0 && len + (v4 ? 0 : 40) <= wire;
}

enum ht_layer ht_mpls_inside(struct ht_reader r, uint32_t wire, bool *control_word) {
	struct ht_reader behind = r;
	struct ht_span word;
	*control_word = false;
	if (r.left.len == 0)
		return HT_LAYER_NONE;
	uint8_t nibble = r.left.p[0] >> 4;
	if ((nibble == 4 || nibble == 6) && is_ip(r, wire))
		return HT_LAYER_IP;
	// RFC 4385 3: a pseudowire with control word begins with a nibble 0. One without (RFC 4448
	// 4.6 lets it be absent) begins with any byte of a MAC address, so both are tried.
	if (nibble == 0 && ht_take(&behind, 4, &word) && ht_begins_ethernet(behind, wire - 4)) {
		*control_word = true;
		return HT_LAYER_ETHER;
	}
	if (ht_begins_ethernet(r, wire))
		return HT_LAYER_ETHER;
	// RFC 4928 3: this is how routers guess; what is broken ends as broken IP.
	return nibble == 4 || nibble == 6 ? HT_LAYER_IP : HT_LAYER_NONE;
}

// RFC 3032 2.1: label(20) class(3) bottom(1) TTL(8).
enum ht_layer ht_layer_mpls(struct ht_walk *w) {
	struct ht_span h;
	if (!ht_walk_take(w, 4, &h) || !ht_walk_push(w, HT_ENCAP_MPLS, ht_be24(h.p) >> 4))
		return HT_LAYER_DONE;
	if ((h.p[2] & 1) == 0)
		return HT_LAYER_MPLS;

	bool control_word;
	enum ht_layer next = ht_mpls_inside(w->r, w->wire, &control_word);
	if (next == HT_LAYER_IP)
		return next;
	if (next == HT_LAYER_ETHER) {
		if (control_word && !ht_walk_skip(w, 4))
			return HT_LAYER_DONE;
		return ht_enter(w, HT_ENCAP_PW, 0, next);
	}
	// Too little captured for the guess is not the same as nothing that was known.
	bool cut = w->cut && w->r.left.len < 4 + 14 && w->wire > w->r.left.len;
	return ht_walk_end(w, cut ? HT_PACKET_TRUNCATED : HT_PACKET_NOT_IP);
}
