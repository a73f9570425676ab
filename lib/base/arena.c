// SPDX-License-Identifier: BSD-3-Clause

#include "arena.h"

#include "asan.h"
#include "pages.h"

#include <stdlib.h>

// Orders 0 .. ORDERS-1 are blocks of HT_ARENA_MIN_BLOCK << order.
#define ORDERS 10
_Static_assert(HT_ARENA_MIN_BLOCK << (ORDERS - 1) == HT_ARENA_MAX_BLOCK, "orders cover the sizes");

#define NONE UINT32_MAX

// One for each smallest block of the arena. Only the entry of a free block's first unit is used.
struct unit {
	uint32_t next, prev; // in the free list of its order
	uint8_t order;
	bool free;
};

struct ht_arena {
	uint8_t *base;
	size_t bytes;
	size_t used;
	struct unit *units;
	uint32_t num_units;
	uint32_t head[ORDERS];
};

static void push(struct ht_arena *a, uint32_t u, uint8_t order) {
	a->units[u]
		= (struct unit){.next = a->head[order], .prev = NONE, .order = order, .free = true};
	if (a->head[order] != NONE)
		a->units[a->head[order]].prev = u;
	a->head[order] = u;
}

static void unlink_unit(struct ht_arena *a, uint32_t u) {
	struct unit *x = &a->units[u];
	if (x->prev != NONE)
		a->units[x->prev].next = x->next;
	else
		a->head[x->order] = x->next;
	if (x->next != NONE)
		a->units[x->next].prev = x->prev;
	x->free = false;
}

struct ht_arena *ht_arena_new(size_t bytes) {
	struct ht_arena *a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	a->bytes = (bytes + HT_ARENA_MAX_BLOCK - 1) / HT_ARENA_MAX_BLOCK * HT_ARENA_MAX_BLOCK;
	if (a->bytes == 0)
		a->bytes = HT_ARENA_MAX_BLOCK;
	a->num_units = (uint32_t)(a->bytes / HT_ARENA_MIN_BLOCK);
	// calloc gives pages that cost nothing until they are touched, too.
	a->units = calloc(a->num_units, sizeof(a->units[0]));
	a->base = ht_pages_new(a->bytes);
	if (a->units == NULL || a->base == NULL) {
		ht_pages_free(a->base, a->bytes);
		free(a->units);
		free(a);
		return NULL;
	}
	HT_POISON(a->base, a->bytes);
	for (int o = 0; o < ORDERS; o++)
		a->head[o] = NONE;
	// Pushed from the end, so that the low blocks are used first and the rest stays untouched.
	const uint32_t step = HT_ARENA_MAX_BLOCK / HT_ARENA_MIN_BLOCK;
	for (uint32_t u = a->num_units; u > 0; u -= step)
		push(a, u - step, ORDERS - 1);
	return a;
}

void ht_arena_free(struct ht_arena *a) {
	if (a == NULL)
		return;
	HT_UNPOISON(a->base, a->bytes);
	ht_pages_free(a->base, a->bytes);
	free(a->units);
	free(a);
}

uint8_t *ht_arena_get(struct ht_arena *a, size_t bytes, uint32_t *size) {
	if (bytes > HT_ARENA_MAX_BLOCK)
		return NULL;
	uint8_t want = 0;
	while ((size_t)HT_ARENA_MIN_BLOCK << want < bytes)
		want++;
	uint8_t o = want;
	while (o < ORDERS && a->head[o] == NONE)
		o++;
	if (o == ORDERS)
		return NULL;
	uint32_t u = a->head[o];
	unlink_unit(a, u);
	while (o > want) { // split: the upper half stays free
		o--;
		push(a, u + (1u << o), o);
	}
	a->units[u].order = want;
	*size = HT_ARENA_MIN_BLOCK << want;
	a->used += *size;
	uint8_t *block = a->base + (size_t)u * HT_ARENA_MIN_BLOCK;
	HT_UNPOISON(block, *size);
	return block;
}

void ht_arena_put(struct ht_arena *a, uint8_t *block, uint32_t size) {
	uint32_t u = (uint32_t)((size_t)(block - a->base) / HT_ARENA_MIN_BLOCK);
	uint8_t o = a->units[u].order;
	a->used -= size;
	// A stale view into the arena is found like any other use after free.
	HT_POISON(block, size);
	for (; o < ORDERS - 1; o++) { // join with the free buddy, as far as it goes
		uint32_t buddy = u ^ (1u << o);
		if (!a->units[buddy].free || a->units[buddy].order != o)
			break;
		unlink_unit(a, buddy);
		u &= ~(1u << o);
	}
	push(a, u, o);
}

size_t ht_arena_used(const struct ht_arena *a) {
	return a->used;
}
