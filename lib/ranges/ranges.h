// SPDX-License-Identifier: BSD-3-Clause
// ranges: a capped set of half-open byte ranges, and bytes put together by offset. Uses base.

#pragma once

#include "arena.h"
#include "base.h"

// The most disjoint ranges a set holds. At most 5 were seen pending at once in public QUIC captures
// with shuffled CRYPTO frames; a TCP hello of 64 KiB has 48 segments.
#define HT_RANGES_MAX 32

struct ht_range {
	uint32_t lo, hi; // lo < hi
};

// Sorted, disjoint, and never touching each other. All zero is the empty set.
struct ht_ranges {
	uint32_t num;
	struct ht_range r[HT_RANGES_MAX];
};

// ht_ranges_add records [lo, hi), lo < hi, and merges neighbours. It returns HT_LIMIT, with the set
// unchanged, when one more range would not fit.
HT_MUST_USE enum ht_rc ht_ranges_add(struct ht_ranges *s, uint32_t lo, uint32_t hi);

// ht_ranges_hole finds the first part of [lo, hi) that is not in the set. It returns false when all
// of it is there.
HT_MUST_USE bool
ht_ranges_hole(const struct ht_ranges *s, uint32_t lo, uint32_t hi, struct ht_range *hole);

// ht_ranges_prefix tells how many bytes from 0 on are there without a hole.
static inline uint32_t ht_ranges_prefix(const struct ht_ranges *s) {
	return s->num > 0 && s->r[0].lo == 0 ? s->r[0].hi : 0;
}

// ht_ranges_end tells the end of the last range, 0 when the set is empty.
static inline uint32_t ht_ranges_end(const struct ht_ranges *s) {
	return s->num > 0 ? s->r[s->num - 1].hi : 0;
}

// Bytes put together by offset in a block of an arena. Where two pieces overlap the first one seen
// wins. All zero is empty; ht_assembly_drop gives the block back and makes it empty again.
struct ht_assembly {
	uint8_t *buf;
	uint32_t size; // of buf
	struct ht_ranges have;
};

// ht_assembly_add copies `bytes` to `offset`. It returns HT_LIMIT, with nothing changed, when they
// would end past `max` or make too many ranges, HT_FULL when the arena has no room.
HT_MUST_USE enum ht_rc ht_assembly_add(
	struct ht_assembly *s,
	struct ht_arena *a,
	uint64_t offset,
	struct ht_span bytes,
	uint32_t max
);

void ht_assembly_drop(struct ht_assembly *s, struct ht_arena *a);
