// SPDX-License-Identifier: BSD-3-Clause
// Distinct clients. Up to FEW hashes stand in the key's entry, up to SOME in a small block, and so
// far the count is exact but for equal hashes. Then come the registers of HyperLogLog (lib/hll).

#include "aggregate_int.h"
#include "pages.h"

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
	       && pool_init(&s->many, HT_HLL_REGISTERS, bytes - bytes / 4);
}

void clients_exit(struct clients_store *s) {
	pool_exit(&s->some);
	pool_exit(&s->many);
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
	memset(registers, 0, HT_HLL_REGISTERS);
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
		ht_hll_add(pool_at(&s->many, c->block), hash);
	else
		hashes_of(s, c)[c->num++] = hash;
}

void clients_merge(
	const struct clients_store *s, uint8_t registers[HT_HLL_REGISTERS], const struct clients *c
) {
	if (c->form == CLIENTS_MANY) {
		ht_hll_merge(registers, pool_at(&s->many, c->block));
		return;
	}
	const uint32_t *const hashes
		= c->form == CLIENTS_FEW ? c->few : pool_at(&s->some, c->block);
	for (unsigned i = 0; i < c->num; i++)
		ht_hll_add(registers, hashes[i]);
}

uint64_t clients_count(const struct clients_store *s, const struct clients *c) {
	return c->form == CLIENTS_MANY ? ht_hll_estimate(pool_at(&s->many, c->block)) : c->num;
}

void clients_release(struct clients_store *s, struct clients *c) {
	if (c->form != CLIENTS_FEW)
		pool_put(c->form == CLIENTS_SOME ? &s->some : &s->many, c->block);
	c->form = CLIENTS_FEW;
	c->num = 0;
}
