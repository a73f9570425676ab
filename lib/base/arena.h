// SPDX-License-Identifier: BSD-3-Clause
// arena: a buddy allocator over one fixed block, for bytes that outlive a burst. Uses libc.

#pragma once

#include "base.h"

// Memory is reserved at creation and touched only as it is used; nothing grows later.
struct ht_arena;

// ht_arena_new reserves `bytes` (rounded up to a multiple of HT_ARENA_MAX_BLOCK). NULL when the
// system has no memory.
struct ht_arena *ht_arena_new(size_t bytes);
void ht_arena_free(struct ht_arena *a);

#define HT_ARENA_MIN_BLOCK 1024u
#define HT_ARENA_MAX_BLOCK (512u * 1024)

// ht_arena_get returns a block of at least `bytes` and writes its true size (a power of two) to
// *size, or returns NULL when there is no room or bytes > HT_ARENA_MAX_BLOCK. O(log blocks).
HT_MUST_USE uint8_t *ht_arena_get(struct ht_arena *a, size_t bytes, uint32_t *size);

// ht_arena_put gives a block back; `size` is what ht_arena_get wrote.
void ht_arena_put(struct ht_arena *a, uint8_t *block, uint32_t size);

// ht_arena_used tells the bytes in blocks handed out now.
size_t ht_arena_used(const struct ht_arena *a);
