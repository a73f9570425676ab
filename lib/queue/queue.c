// SPDX-License-Identifier: BSD-3-Clause
// A chunk is owned by one side at a time, and goes round:
//
//   side that puts --(full)--> side that gets --(free)--> side that puts
//
// `full` and `free` are single-producer single-consumer rings of Concurrency Kit, each with room
// for all chunks there are, so that handing over never fails.

#include "queue.h"

#include "asan.h"
#include "tsan.h"

#include <ck_ring.h>
#include <stdlib.h>
#include <sys/mman.h>

#define CACHE_LINE 64

#define CHUNK_MIN (64u * 1024)
#define CHUNK_MAX (1024u * 1024)
#define CHUNKS_LEAST 4u // one being filled, one waiting, one being read, and one to spare
#define CHUNKS_WANTED 64u

const struct ht_counter ht_queue_counters[HT_QUEUE_NUM_CTRS] = {
#define X(id, name, help) {"record_queue", name, help},
	HT_QUEUE_COUNTERS(X)
#undef X
};

struct chunk {
	uint32_t len; // of bytes; set when it is handed over
	uint8_t bytes[];
};

struct ring {
	_Alignas(CACHE_LINE) struct ck_ring ring; // keeps its two sides apart
	struct ck_ring_buffer *slots;
};

// The first line is only read after the start; then each side has lines of its own.
struct ht_queue {
	uint8_t *memory;
	size_t size; // of memory
	struct ck_ring_buffer *slots; // of both rings
	uint32_t room; // bytes of a chunk
	uint32_t chunks;
	_Alignas(CACHE_LINE) struct {
		struct chunk *chunk; // NULL: none since the last was handed over
		uint32_t len; // used of it
		bool handed_over; // since that was asked
		uint64_t counters[HT_QUEUE_NUM_CTRS];
	} put;
	_Alignas(CACHE_LINE) struct {
		struct chunk *chunk;
		uint32_t at; // read of it
		uint64_t counters[HT_QUEUE_NUM_CTRS];
		struct ht_record record; // what ht_queue_get returned last
	} get;
	struct ring full, free;
};

// --- handing over -------------------------------------------------------------------------------

// The fences of ck_ring order stores with stores, and loads with loads: enough for a chunk that was
// written on this side and is read on the other. One that was read here and is written there wants
// more: the loads end before the store that gives it away, and there, the stores begin after the
// load that shows it. Hence the two fences here. (x86 does all of that by itself: there they only
// bind the compiler.)

static void hand_over(struct ring *r, struct chunk *c) {
	struct chunk **slot = ck_ring_enqueue_reserve_spsc(&r->ring, r->slots);
	*slot = c; // never NULL: there is room for all
	HT_TSAN_RELEASE(r);
	ck_pr_fence_release();
	ck_ring_enqueue_commit_spsc(&r->ring);
}

static struct chunk *take(struct ring *r) {
	void *c = NULL;
	if (ck_ring_size(&r->ring) == 0)
		return NULL;
	HT_TSAN_ACQUIRE(r); // before the slot is read
	(void)ck_ring_dequeue_spsc(&r->ring, r->slots, &c); // only this side takes: it is there yet
	ck_pr_fence_acquire();
	return c;
}

// --- the side that puts -------------------------------------------------------------------------

static void hand_over_filled(struct ht_queue *q) {
	struct chunk *c = q->put.chunk;
	c->len = q->put.len;
	HT_POISON(c->bytes + c->len, q->room - c->len);
	hand_over(&q->full, c);
	q->put.chunk = NULL;
	q->put.handed_over = true;
}

static bool want_chunk(struct ht_queue *q) {
	struct chunk *c = q->put.chunk;
	if (HT_LIKELY(c != NULL))
		return true;
	c = take(&q->free);
	if (c == NULL)
		return false;
	HT_UNPOISON(c->bytes, q->room);
	q->put.chunk = c;
	q->put.len = 0;
	return true;
}

// pack puts a record behind the others in the chunk, behind its number where it has one.
static inline bool pack(struct ht_queue *q, const struct ht_record *r, const uint64_t *number) {
	const uint32_t len = q->put.len, before = number != NULL ? sizeof(*number) : 0;
	uint8_t *const out = q->put.chunk->bytes + len;
	if (q->room - len < before)
		return false;
	const size_t n = ht_record_pack(out + before, q->room - len - before, r);
	if (n == 0)
		return false;
	if (number != NULL)
		memcpy(out, number, sizeof(*number));
	q->put.len = len + before + (uint32_t)n;
	return true;
}

// offer is HT_OK, HT_FULL (no chunk is free) or HT_LIMIT (longer than a chunk).
static inline enum ht_rc
offer(struct ht_queue *q, const struct ht_record *r, const uint64_t *number) {
	if (HT_UNLIKELY(!want_chunk(q)))
		return HT_FULL;
	if (HT_LIKELY(pack(q, r, number)))
		return HT_OK;
	// Once more, with a whole chunk.
	if (q->put.len > 0) {
		hand_over_filled(q);
		if (!want_chunk(q))
			return HT_FULL;
		if (pack(q, r, number))
			return HT_OK;
	}
	return HT_LIMIT;
}

void ht_queue_put(struct ht_queue *q, const struct ht_record *r) {
	uint64_t *const counters = q->put.counters;
	ht_stats_count(&counters[HT_QUEUE_RECORDS], 1);
	const enum ht_rc rc = offer(q, r, NULL);
	if (HT_UNLIKELY(rc != HT_OK))
		ht_stats_count(
			&counters
				[rc == HT_FULL ? HT_QUEUE_LOST_QUEUE_FULL : HT_QUEUE_LOST_TOO_LONG],
			1
		);
}

enum ht_rc ht_queue_offer(struct ht_queue *q, const struct ht_record *r, uint64_t number) {
	const enum ht_rc rc = offer(q, r, &number);
	if (rc == HT_OK)
		ht_stats_count(&q->put.counters[HT_QUEUE_RECORDS], 1);
	return rc;
}

void ht_queue_finish(struct ht_queue *q) {
	if (q->put.chunk != NULL && q->put.len > 0)
		hand_over_filled(q);
}

void ht_queue_flush(struct ht_queue *q) {
	// The chunk that the other side is at may have much in it yet. It is not in the ring any
	// more, so the one that goes in now is the next when that ends; all later ones are filled.
	if (q->put.chunk != NULL && q->put.len > 0 && ck_ring_size(&q->full.ring) == 0)
		hand_over_filled(q);
}

bool ht_queue_handed_over(struct ht_queue *q) {
	const bool so = q->put.handed_over;
	q->put.handed_over = false;
	return so;
}

// --- the side that gets -------------------------------------------------------------------------

static void give_back(struct ht_queue *q, struct chunk *c) {
	HT_POISON(c->bytes, q->room);
	hand_over(&q->free, c);
}

// Whether there is a record at q->get.at.
static inline bool want_record(struct ht_queue *q) {
	while (q->get.chunk == NULL || q->get.at == q->get.chunk->len) {
		if (q->get.chunk != NULL)
			give_back(q, q->get.chunk);
		q->get.chunk = take(&q->full);
		q->get.at = 0;
		if (q->get.chunk == NULL)
			return false;
	}
	return true;
}

struct ht_record *ht_queue_get(struct ht_queue *q) {
	if (!want_record(q))
		return NULL;
	q->get.at += (uint32_t)ht_record_unpack(&q->get.record, q->get.chunk->bytes + q->get.at);
	ht_stats_count(&q->get.counters[HT_QUEUE_TAKEN], 1);
	return &q->get.record;
}

bool ht_queue_take(struct ht_queue *q, struct ht_queue_item *out) {
	if (!want_record(q))
		return false;
	const uint8_t *const at = q->get.chunk->bytes + q->get.at;
	memcpy(&out->number, at, sizeof(out->number));
	const size_t len = ht_record_unpack(&q->get.record, at + sizeof(out->number));
	out->packed = HT_SPAN(at + sizeof(out->number), len);
	out->record = &q->get.record;
	q->get.at += (uint32_t)(sizeof(out->number) + len);
	ht_stats_count(&q->get.counters[HT_QUEUE_TAKEN], 1);
	return true;
}

bool ht_queue_is_empty(const struct ht_queue *q) {
	return (q->get.chunk == NULL || q->get.at == q->get.chunk->len)
	       && ck_ring_size(&q->full.ring) == 0;
}

bool ht_queue_is_half_full(const struct ht_queue *q) {
	return 2 * ck_ring_size(&q->full.ring) >= q->chunks;
}

// --- both ---------------------------------------------------------------------------------------

void ht_queue_fence(void) {
	ck_pr_fence_strict_memory();
}

void ht_queue_count(const struct ht_queue *q, uint64_t *total) {
	ht_stats_sum(total, q->get.counters, HT_QUEUE_NUM_CTRS);
	ht_stats_sum(total, q->put.counters, HT_QUEUE_NUM_CTRS);
}

static uint32_t chunk_size(uint32_t bytes) {
	uint32_t size = CHUNK_MIN;
	while (size < CHUNK_MAX && bytes / (2 * size) >= CHUNKS_WANTED)
		size *= 2;
	return size;
}

struct ht_queue *ht_queue_new(const struct ht_queue_params *p) {
	const uint32_t size = chunk_size(p->bytes);
	const uint32_t num = p->bytes / size > CHUNKS_LEAST ? p->bytes / size : CHUNKS_LEAST;
	uint32_t num_slots = 1;
	while (num_slots <= num) // a power of two, of which one slot stays empty
		num_slots *= 2;
	struct ht_queue *q = aligned_alloc(CACHE_LINE, sizeof(*q));
	if (q == NULL)
		return NULL;
	memset(q, 0, sizeof(*q));
	q->size = (size_t)num * size;
	q->room = size - (uint32_t)sizeof(struct chunk);
	q->chunks = num;
	q->slots = calloc(2 * (size_t)num_slots, sizeof(*q->slots));
	q->memory
		= mmap(NULL, q->size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (q->slots == NULL || q->memory == MAP_FAILED) {
		ht_queue_free(q);
		return NULL;
	}
	q->full.slots = q->slots;
	q->free.slots = q->slots + num_slots;
	ck_ring_init(&q->full.ring, num_slots);
	ck_ring_init(&q->free.ring, num_slots);
	for (size_t at = 0; at < q->size; at += size)
		give_back(q, (struct chunk *)(q->memory + at));
	return q;
}

void ht_queue_free(struct ht_queue *q) {
	if (q == NULL)
		return;
	if (q->memory != NULL && q->memory != MAP_FAILED) {
		HT_UNPOISON(q->memory, q->size); // the system may give this place to others
		munmap(q->memory, q->size);
	}
	free(q->slots);
	free(q);
}
