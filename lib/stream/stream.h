// SPDX-License-Identifier: BSD-3-Clause
// stream: the first N bytes of one TCP direction, in order (RFC 9293 3.4). Uses base, ranges.
//
// Where segments overlap the bytes seen first win: that is what the receiver's stack has most
// likely taken, too, and an attacker behind it cannot rewrite what was read.

#pragma once

#include "arena.h"
#include "base.h"
#include "ranges.h"

// All zero but `base` is an empty stream that begins at sequence number `base`.
struct ht_stream {
	uint32_t base; // sequence number of offset 0
	bool anchored; // base is the true beginning (a SYN, or the end of what came before)
	uint16_t segments; // that brought new bytes
	struct ht_assembly data;
};

// How far below `base` a segment may lie to become the new beginning of a stream that is not
// anchored: what the network reorders, not what a connection sent long ago.
#define HT_STREAM_REBASE_MAX 65536

// ht_stream_add takes a segment's payload. Bytes below the base are cut off; a segment below the
// base of a stream that is not anchored moves the base down.
// What lies past `max` bytes is left out.
//   HT_OK    it brought new bytes
//   HT_SKIP  nothing new in it
//   HT_LIMIT it begins past `max` bytes, or left too many holes
//   HT_FULL  the arena has no room
HT_MUST_USE enum ht_rc ht_stream_add(
	struct ht_stream *s, struct ht_arena *a, uint32_t seq, struct ht_span payload, uint32_t max
);

// ht_stream_anchor says that the stream begins at `seq` (its SYN was seen late). False when that
// cannot be: `seq` is too far from the bytes held.
HT_MUST_USE bool
ht_stream_anchor(struct ht_stream *s, struct ht_arena *a, uint32_t seq, uint32_t max);

// ht_stream_prefix tells how many bytes from offset 0 on are there without a hole; they are at
// s->data.buf.
static inline uint32_t ht_stream_prefix(const struct ht_stream *s) {
	return ht_ranges_prefix(&s->data.have);
}

// ht_stream_has_hole tells whether bytes are held behind a hole.
static inline bool ht_stream_has_hole(const struct ht_stream *s) {
	return ht_ranges_end(&s->data.have) > ht_stream_prefix(s);
}

// ht_stream_consume gives up the first `n` bytes, n <= ht_stream_prefix(): base moves on behind
// them.
void ht_stream_consume(struct ht_stream *s, struct ht_arena *a, uint32_t n);

void ht_stream_drop(struct ht_stream *s, struct ht_arena *a);
