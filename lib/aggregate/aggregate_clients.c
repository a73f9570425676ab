// SPDX-License-Identifier: BSD-3-Clause
// Distinct clients. Up to FEW hashes stand in the key's entry, up to SOME in a small block, and so
// far the count is exact but for equal hashes. Then come the registers of HyperLogLog: Flajolet,
// Fusy, Gandouet, Meunier 2007, with the estimator of Ertl 2017 ("New cardinality estimation
// algorithms for HyperLogLog sketches", algorithms 4 to 6), which has no bias at any size and needs
// no tables. The standard error is 1.04 / sqrt(2048) = 2.3 %.

#include "aggregate_int.h"
#include "pages.h"

#include <math.h>

#define RANK_BITS (32 - REGISTERS_LOG) // of a hash that tell the rank: 1 to RANK_BITS + 1

static bool pool_init(struct pool *p, uint32_t size, size_t bytes) {
	p->size = size;
	p->num = (uint32_t)(bytes / size);
	p->free = POOL_NONE;
	p->mem = ht_pages_new((size_t)p->num * size);
	return p->mem != NULL;
}

static void pool_exit(struct pool *p) {
	ht_pages_free(p->mem, (size_t)p->num * p->size);
}

static void *pool_at(const struct pool *p, uint32_t block) {
	return p->mem + (size_t)block * p->size;
}

static uint32_t pool_get(struct pool *p) {
	const uint32_t block = p->free;
	if (block != POOL_NONE)
		memcpy(&p->free, pool_at(p, block), sizeof(p->free));
	else if (p->touched < p->num)
		return p->touched++;
	return block;
}

static void pool_put(struct pool *p, uint32_t block) {
	memcpy(pool_at(p, block), &p->free, sizeof(p->free));
	p->free = block;
}

bool clients_init(struct clients_store *s, size_t bytes) {
	// A quarter for small blocks: four of them to a large one.
	return pool_init(&s->some, SOME * sizeof(uint32_t), bytes / 4)
	       && pool_init(&s->many, REGISTERS, bytes - bytes / 4);
}

void clients_exit(struct clients_store *s) {
	pool_exit(&s->some);
	pool_exit(&s->many);
}

static void set_register(uint8_t registers[REGISTERS], uint32_t hash) {
	const uint32_t rest = hash << REGISTERS_LOG;
	const uint8_t rank = (uint8_t)(1 + (rest == 0 ? (int)RANK_BITS : __builtin_clz(rest)));
	uint8_t *const r = &registers[hash >> RANK_BITS];
	*r = rank > *r ? rank : *r;
}

static bool has_hash(const uint32_t *hashes, unsigned num, uint32_t hash) {
	// Without an early end, so that the compiler makes vectors of it.
	unsigned found = 0;
	for (unsigned i = 0; i < num; i++)
		found |= hashes[i] == hash;
	return found;
}

// The hashes that *c keeps itself.
static uint32_t *hashes_of(const struct clients_store *s, struct clients *c) {
	return c->form == CLIENTS_FEW ? c->few : pool_at(&s->some, c->block);
}

// From `hashes` to registers. False: there is no room.
static bool to_many(struct clients_store *s, struct clients *c) {
	const uint32_t block = pool_get(&s->many);
	if (block == POOL_NONE)
		return false;
	uint8_t *const registers = pool_at(&s->many, block);
	memset(registers, 0, REGISTERS);
	clients_merge(s, registers, c);
	clients_release(s, c);
	c->form = CLIENTS_MANY;
	c->block = block;
	return true;
}

// From hashes in the entry to a block of them, or where there is none to registers.
static bool to_some(struct clients_store *s, struct clients *c) {
	const uint32_t block = pool_get(&s->some);
	if (block == POOL_NONE)
		return to_many(s, c);
	memcpy(pool_at(&s->some, block), c->few, sizeof(c->few));
	c->form = CLIENTS_SOME;
	c->block = block;
	return true;
}

void clients_add(struct clients_store *s, struct clients *c, uint32_t hash, uint64_t *ctr) {
	if (c->form != CLIENTS_MANY) {
		const bool few = c->form == CLIENTS_FEW;
		if (has_hash(hashes_of(s, c), c->num, hash))
			return;
		if (c->num == (few ? FEW : SOME) && !(few ? to_some(s, c) : to_many(s, c))) {
			ht_stats_count(&ctr[HT_AGGREGATE_CLIENTS_FULL], 1);
			return;
		}
	}
	if (c->form == CLIENTS_MANY)
		set_register(pool_at(&s->many, c->block), hash);
	else
		hashes_of(s, c)[c->num++] = hash;
}

void clients_merge(
	const struct clients_store *s, uint8_t registers[REGISTERS], const struct clients *c
) {
	if (c->form == CLIENTS_MANY) {
		const uint8_t *const more = pool_at(&s->many, c->block);
		for (unsigned i = 0; i < REGISTERS; i++)
			registers[i] = more[i] > registers[i] ? more[i] : registers[i];
		return;
	}
	const uint32_t *const hashes
		= c->form == CLIENTS_FEW ? c->few : pool_at(&s->some, c->block);
	for (unsigned i = 0; i < c->num; i++)
		set_register(registers, hashes[i]);
}

// Ertl 2017, (23): sigma(x) = x + sum over k >= 1 of x^(2^k) 2^(k-1).
static double sigma(double x) {
	double y = 1, z = x, before;
	do {
		x *= x;
		before = z;
		z += x * y;
		y += y;
	} while (z != before && z < INFINITY);
	return z;
}

// Ertl 2017, (24): tau(x) = (1 - x - sum over k >= 1 of (1 - x^(2^-k))^2 2^-k) / 3.
static double tau(double x) {
	if (x <= 0 || x >= 1)
		return 0;
	double y = 1, z = 1 - x, before;
	do {
		x = sqrt(x);
		before = z;
		y *= 0.5;
		z -= (1 - x) * (1 - x) * y;
	} while (z != before);
	return z / 3;
}

uint64_t clients_estimate(const uint8_t registers[REGISTERS]) {
	uint32_t num[RANK_BITS + 2] = {0};
	for (unsigned i = 0; i < REGISTERS; i++)
		num[registers[i]]++;
	const double m = REGISTERS;
	if (num[0] == REGISTERS)
		return 0;
	double z = m * tau(1 - num[RANK_BITS + 1] / m);
	for (unsigned k = RANK_BITS; k >= 1; k--)
		z = 0.5 * (z + num[k]);
	z += m * sigma(num[0] / m);
	// Hashes of 32 bits cannot tell more; with all registers at their end z is 0.
	const double most = UINT32_MAX, n = z > 0 ? m * m / (2 * M_LN2 * z) : most;
	return (uint64_t)((n < most ? n : most) + 0.5);
}

uint64_t clients_count(const struct clients_store *s, const struct clients *c) {
	return c->form == CLIENTS_MANY ? clients_estimate(pool_at(&s->many, c->block)) : c->num;
}

void clients_release(struct clients_store *s, struct clients *c) {
	if (c->form != CLIENTS_FEW)
		pool_put(c->form == CLIENTS_SOME ? &s->some : &s->many, c->block);
	c->form = CLIENTS_FEW;
	c->num = 0;
}
