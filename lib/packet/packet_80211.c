// SPDX-License-Identifier: BSD-3-Clause
// 802.11 data frames, and the radiotap header before them.

#include "packet_int.h"

#define FLAG_DATAPAD 0x20

static uint32_t le32(const uint8_t *p) {
	return __builtin_bswap32(ht_be32(p));
}

// www.radiotap.org: the fields follow in the order of their bits in the first `present` word, each
// aligned to its size from the start of the header. Only TSFT (bit 0) stands before Flags (bit 1).
static uint8_t radiotap_flags(struct ht_span header, uint32_t present) {
	struct ht_reader r = ht_reader(header);
	struct ht_span h;
	if (!ht_skip(&r, 8))
		return 0;
	uint32_t more = present;
	while ((more & UINT32_C(1) << 31) != 0) { // each turn takes 4 bytes
		if (!ht_take(&r, 4, &h))
			return 0;
		more = le32(h.p);
	}
	size_t at = header.len - r.left.len;
	if ((present & 1) != 0 && !ht_skip(&r, (8 - at % 8) % 8 + 8))
		return 0;
	uint8_t flags;
	return (present & 2) != 0 && ht_u8(&r, &flags) ? flags : 0;
}

enum ht_layer ht_layer_radiotap(struct ht_walk *w) {
	struct ht_walk start = *w;
	struct ht_span h;
	if (!ht_walk_take(w, 8, &h))
		return HT_LAYER_DONE;
	uint32_t present = le32(h.p + 4);
	uint32_t len = (uint32_t)(h.p[2] | h.p[3] << 8);
	if (h.p[0] != 0 || len < 8)
		return ht_walk_end(w, HT_PACKET_MALFORMED);
	if (!ht_walk_take(&start, len, &h))
		return HT_LAYER_DONE;
	*w = start;
	w->dot11_pad = (radiotap_flags(h, present) & FLAG_DATAPAD) != 0;
	return HT_LAYER_IEEE80211;
}

// Addresses of a data frame by ToDS and FromDS (802.11-2020, table 9-30).
static void addresses(struct ht_walk *w, unsigned ds, const uint8_t *a123, const uint8_t *a4) {
	const uint8_t *a1 = a123, *a2 = a123 + 6, *a3 = a123 + 12;
	w->dst_mac = (ds & 1) != 0 ? a3 : a1;
	w->src_mac = ds == 3 ? a4 : ds == 2 ? a3 : a2;
}

// 802.11-2020 9.2.3, 9.3.2.1: frame control, duration, three addresses, sequence control, then what
// the frame control says: a fourth address, QoS control, HT control.
enum ht_layer ht_layer_ieee80211(struct ht_walk *w) {
	uint32_t before = w->wire;
	struct ht_span fc, h, a4 = {0}, qos, amsdu;
	if (!ht_walk_take(w, 2, &fc))
		return HT_LAYER_DONE;
	uint8_t type = fc.p[w->dot11_swap ? 1 : 0], flags = fc.p[w->dot11_swap ? 0 : 1];
	if ((type & 0x0f) != 0x08) // version 0, type 2: data
		return ht_walk_end(w, HT_PACKET_NOT_IP);
	bool with_qos = (type & 0x80) != 0, aggregate = false;
	if (!ht_walk_take(w, 22, &h) || ((flags & 3) == 3 && !ht_walk_take(w, 6, &a4)))
		return HT_LAYER_DONE;
	if (with_qos) {
		if (!ht_walk_take(w, 2, &qos))
			return HT_LAYER_DONE;
		aggregate = (qos.p[0] & 0x80) != 0;
		if ((flags & 0x80) != 0 && !ht_walk_skip(w, 4)) // +HTC
			return HT_LAYER_DONE;
	}
	// No data at all; encrypted; not the first fragment.
	if ((type & 0x40) != 0 || (flags & 0x40) != 0 || (h.p[20] & 0x0f) != 0)
		return ht_walk_end(w, HT_PACKET_NOT_IP);
	if (w->dot11_pad && !ht_walk_skip(w, (4 - (before - w->wire) % 4) % 4))
		return HT_LAYER_DONE;
	addresses(w, flags & 3u, h.p + 2, a4.p);
	if (aggregate) {
		// 9.3.2.2.2: destination, source, length, MSDU. One frame makes one packet here, so
		// the MSDUs after the first are not read.
		if (!ht_walk_take(w, 14, &amsdu))
			return HT_LAYER_DONE;
		w->dst_mac = amsdu.p;
		w->src_mac = amsdu.p + 6;
		ht_walk_trim(w, ht_be16(amsdu.p + 12));
	}
	return ht_enter(w, HT_ENCAP_IEEE80211, 0, HT_LAYER_LLC);
}
