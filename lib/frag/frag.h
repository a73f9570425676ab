// SPDX-License-Identifier: BSD-3-Clause
// frag: IPv4 and IPv6 fragments put together, capped. Uses base, packet.

#pragma once

#include "base.h"
#include "packet.h"

// Every fragment handed in ends in exactly one of these, each with a counter in the ledger.
#define HT_FRAG_ENDS(X) \
	X(HELD, fragment_held, "kept until the rest of the packet comes") \
	X(DONE, fragment_done, "completed a packet, which went on") \
	X(OVERLAP, fragment_overlap, \
	  "overlapped what was there: the packet is refused (RFC 5722)") \
	X(DUPLICATE, fragment_duplicate, "the same bytes again") \
	X(INVALID, fragment_invalid, "impossible offset or length") \
	X(NO_ROOM, fragment_no_room, "the table or the arena was full")

enum ht_frag_end {
#define X(id, name, help) HT_FRAG_##id,
	HT_FRAG_ENDS(X)
#undef X
		HT_FRAG_NUM_ENDS
};

struct ht_frag_params {
	uint32_t max_packets; // packets being put together at a time
	uint32_t max_bytes; // arena of the reassembly
	int64_t timeout_ns; // RFC 8200 4.5: 60 s
	uint64_t secret[2]; // keys the table's hash
};

// A packet that was put together.
struct ht_frag_whole {
	struct ht_span payload; // all of the IP payload
	uint8_t proto; // what it begins with
};

struct ht_frag;

// ht_frag_new makes an empty table with all its memory reserved. NULL when there is none.
struct ht_frag *ht_frag_new(const struct ht_frag_params *p);
void ht_frag_free(struct ht_frag *t);

// ht_frag_add takes the fragment in `p` (p->end is HT_PACKET_FRAGMENT; seen at frame time `now`,
// ns). On HT_FRAG_DONE *whole is the packet; its bytes belong to the table and are valid until the
// next call. The bytes of `p` are copied, never kept.
enum ht_frag_end
ht_frag_add(struct ht_frag *t, const struct ht_packet *p, int64_t now, struct ht_frag_whole *whole);

// ht_frag_expire gives up packets older than the time-out, a few a call. ht_frag_add does so too;
// this is for the housekeeping of a worker that sees no more fragments.
void ht_frag_expire(struct ht_frag *t, int64_t now);

// Packets that were begun and will not be completed, by reason. For the ledger:
// begun = done + timeout + overlap + evicted + (still held).
struct ht_frag_stats {
	uint64_t begun, done, timeout, overlap, evicted;
};
const struct ht_frag_stats *ht_frag_stats(const struct ht_frag *t);
