// SPDX-License-Identifier: BSD-3-Clause
// queue: records on their way from one thread to another, from a worker to the exporter or from
// there to an output, packed into chunks of a fixed number. One thread puts, one gets; neither ever
// waits for the other. Uses base, stats, record.

#pragma once

#include "base.h"
#include "record.h"
#include "stats.h"

// Reserved at start and touched only as it is used; nothing grows later.
//
// The memory is cut into 64 chunks, each a power of two from 64 KiB to 1 MiB: fewer where that
// makes them too small (at least 4, so below 256 KiB is 256 KiB), more where it makes them too
// large. What is left over is not used. A record cannot be longer than a chunk. It takes as much as
// its hello at the most and 2 KiB, with ja4_r 3.5 times as much and 2 KiB: at the default
// max_hello_bytes no record is too long for 8 MiB, with ja4_r 16 MiB.
struct ht_queue_params {
	uint32_t bytes;
};

// What became of the records: X(ID, name, help). Once all is taken, records = taken + the lost
// ones.
#define HT_QUEUE_COUNTERS(X) \
	X(RECORDS, "records", "records put into the queue, lost ones included") \
	X(LOST_QUEUE_FULL, "lost_queue_full", "no room was left: the exporter is too slow") \
	X(LOST_TOO_LONG, "lost_too_long", "longer than a chunk of the queue") \
	X(TAKEN, "taken", "records taken out of the queue")

enum ht_queue_counter {
#define X(id, name, help) HT_QUEUE_##id,
	HT_QUEUE_COUNTERS(X)
#undef X
		HT_QUEUE_NUM_CTRS
};

extern const struct ht_counter ht_queue_counters[HT_QUEUE_NUM_CTRS];

struct ht_queue;

// ht_queue_new returns NULL when the system has no memory.
struct ht_queue *ht_queue_new(const struct ht_queue_params *p);

// ht_queue_free wants both sides to have stopped. What was not taken is gone.
void ht_queue_free(struct ht_queue *q);

// --- the thread that puts ---

// ht_queue_put copies a record, or counts it as lost. The other side sees it after a flush, or when
// the chunk it is in is full.
void ht_queue_put(struct ht_queue *q, const struct ht_record *r);

// ht_queue_offer copies a record and a number that goes with it; nothing is counted as lost. A
// queue has either records that were put or such that were offered.
//   HT_OK     it is in
//   HT_FULL   there is no room now
//   HT_LIMIT  it is longer than a chunk
HT_MUST_USE enum ht_rc
ht_queue_offer(struct ht_queue *q, const struct ht_record *r, uint64_t number);

// ht_queue_flush is for the end of each burst, and of each look at an interface that had no frame:
// it lets the other side have what was put, unless that has chunks yet to begin with. So a record
// waits for nothing when the exporter is idle, and chunks are filled when it is behind.
void ht_queue_flush(struct ht_queue *q);

// ht_queue_handed_over tells whether the other side was let have anything since this was asked
// last.
bool ht_queue_handed_over(struct ht_queue *q);

// ht_queue_finish lets the other side have all that was put. For the end; it cannot fail.
void ht_queue_finish(struct ht_queue *q);

// --- the thread that gets ---

// ht_queue_get returns the next record, in the order in which they were put. The record, and all it
// points to, is good until the next call; the taker may add to it what it likes. NULL: none now;
// after ht_queue_finish, if the caller knows by other means that it has returned (the thread was
// joined, a flag was read with acquire order), none ever.
HT_MUST_USE struct ht_record *ht_queue_get(struct ht_queue *q);

// What was offered.
struct ht_queue_item {
	uint64_t number;
	struct ht_record *record; // as ht_queue_get returns it
	struct ht_span packed; // the same record as ht_record_pack wrote it
};

// ht_queue_take does the same for a queue of what was offered. False: none now.
HT_MUST_USE bool ht_queue_take(struct ht_queue *q, struct ht_queue_item *out);

// ht_queue_is_empty tells whether the next one to take is not there yet.
bool ht_queue_is_empty(const struct ht_queue *q);

// ht_queue_is_half_full tells whether half of the chunks or more wait to be taken.
bool ht_queue_is_half_full(const struct ht_queue *q);

// --- any thread ---

// ht_queue_fence stands between what a side did to the queue and a flag that it reads then, by
// which the other side says that it is about to sleep; and between the setting of that flag and the
// last look at the queue. So one of the two sees what the other one did.
void ht_queue_fence(void);

// ht_queue_count adds the counters to total[HT_QUEUE_NUM_CTRS].
void ht_queue_count(const struct ht_queue *q, uint64_t *total);
