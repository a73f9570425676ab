// SPDX-License-Identifier: BSD-3-Clause
// hll: how many different hashes there were, as the registers of HyperLogLog: Flajolet, Fusy,
// Gandouet, Meunier 2007, with the estimator of Ertl 2017 ("New cardinality estimation algorithms
// for HyperLogLog sketches", algorithms 4 to 6), which has no bias at any size and needs no tables.
// The standard error is 1.04 / sqrt(2048) = 2.3 %. Uses base.

#pragma once

#include "base.h"

#define HT_HLL_REGISTERS_LOG 11u
#define HT_HLL_REGISTERS (1u << HT_HLL_REGISTERS_LOG) // a byte each; all zero: there was none
#define HT_HLL_RANK_BITS (32 - HT_HLL_REGISTERS_LOG) // of a hash: ranks are 1 to this and 1

// ht_hll_add counts a hash of 32 bits. Whoever can choose what is hashed must not know the hash.
static inline void ht_hll_add(uint8_t registers[HT_HLL_REGISTERS], uint32_t hash) {
	const uint32_t rest = hash << HT_HLL_REGISTERS_LOG;
	const uint8_t rank
		= (uint8_t)(1 + (rest == 0 ? (int)HT_HLL_RANK_BITS : __builtin_clz(rest)));
	uint8_t *const r = &registers[hash >> HT_HLL_RANK_BITS];
	*r = rank > *r ? rank : *r;
}

// ht_hll_merge counts in `registers` what was counted in `more`, too.
void ht_hll_merge(uint8_t registers[HT_HLL_REGISTERS], const uint8_t more[HT_HLL_REGISTERS]);

// ht_hll_estimate is how many different hashes were counted.
uint64_t ht_hll_estimate(const uint8_t registers[HT_HLL_REGISTERS]);
