// SPDX-License-Identifier: BSD-3-Clause
// stats: counters that are defined once, in a table, and kept in blocks of 64-bit words, one block
// a worker. Uses base.

#pragma once

#include "base.h"

// What one word of a block counts.
struct ht_counter {
	const char *group; // "frames", "hellos" ...
	const char *name;
	const char *help;
};

// ht_stats_sum adds the n words of a block to *total. The block's owner may be counting meanwhile:
// each word is read once, whole.
static inline void ht_stats_sum(uint64_t *total, const uint64_t *block, unsigned n) {
	for (unsigned i = 0; i < n; i++)
		total[i] += __atomic_load_n(&block[i], __ATOMIC_RELAXED);
}

// ht_stats_count adds to one word. Only the block's owner may call it.
static inline void ht_stats_count(uint64_t *word, uint64_t n) {
	__atomic_store_n(word, *word + n, __ATOMIC_RELAXED);
}
