// SPDX-License-Identifier: BSD-3-Clause
// aggregate: flow records summed up by window of time and key (docs/aggregate.md). One thread uses
// an aggregation at a time. Uses base, stats, record.
//
// Whatever comes in: the sum of all records told of a window is the sum of the flow records that
// went into it. Memory is reserved at start and touched only as it is used; nothing grows later.

#pragma once

#include "base.h"
#include "option.h"
#include "record.h"
#include "stats.h"

#define HT_AGGREGATE_MAX_KEY 16 // fields of a key
#define HT_AGGREGATE_VALUE_MAX 1024 // bytes of a value in a key; what is longer is cut

struct ht_aggregate_params {
	// The options of the section `aggregate`.
	uint32_t window_s;
	uint32_t grace_s; // how long a window waits for flows that are told late
	uint32_t max_keys; // of a window
	uint32_t memory_mib; // for the keys of a window and their sums
	uint32_t clients_mib; // for counting clients, of all windows
	struct ht_option_texts key; // fields, "src_ip/24/48"; none: the default key

	uint64_t secret[2]; // keys the hashes, so that no sender can choose collisions
	// emit gets each record. It and all it points to are good for the call, but for words of a
	// fixed set, which live as long as those that came in.
	void (*emit)(void *user, const struct ht_record *r);
	void *user;
};

extern const struct ht_option_table ht_aggregate_options;

// What became of flow records and keys: X(ID, name, help). After ht_aggregate_finish,
// told = keys - folded + others, and records = what all told records are the sum of.
#define HT_AGGREGATE_COUNTERS(X) \
	X(RECORDS, "records", "flow records taken") \
	X(LATE, "late", "of them, those whose window was closed: counted in the oldest open one") \
	X(WINDOWS, "windows", "windows opened") \
	X(CLOCK_BACK, "clock_back", "times that the clock of the frames went back by a day") \
	X(KEYS, "keys", "keys begun; one that comes again after it was folded is begun again") \
	X(FOLDED, "folded", "keys folded into the record `other`: max_keys or memory_mib") \
	X(TOLD, "told", "aggregate records told") \
	X(OTHERS, "others", "of them, records `other`") \
	X(CUT, "cut", "values of a key that were cut: longer than 1024 bytes") \
	X(CLIENTS_FULL, "clients_full", \
	  "flow records whose client was not counted in its key: clients_mib was used up") \
	X(WORDS_FULL, "words_full", "words left out of a key: more than 65535 different ones")

enum ht_aggregate_counter {
#define X(id, name, help) HT_AGGREGATE_##id,
	HT_AGGREGATE_COUNTERS(X)
#undef X
		HT_AGGREGATE_NUM_CTRS
};

extern const struct ht_counter ht_aggregate_counters[HT_AGGREGATE_NUM_CTRS];

// ht_aggregate_check looks at what no bound of an option can say. HT_BAD: `err` says what is wrong
// in one line; *which is the element of the key that is.
HT_MUST_USE enum ht_rc
ht_aggregate_check(const struct ht_aggregate_params *p, unsigned *which, char *err, size_t err_len);

// ht_aggregate_fields is the fields of a right key, which the records have beside those of their
// kind.
ht_fieldset ht_aggregate_fields(const struct ht_aggregate_params *p);

// ht_aggregate_memory is the most bytes that an aggregation takes.
uint64_t ht_aggregate_memory(const struct ht_aggregate_params *p);

struct ht_aggregate;

// ht_aggregate_new copies *p and its key. NULL: no memory, or ht_aggregate_check finds something.
struct ht_aggregate *ht_aggregate_new(const struct ht_aggregate_params *p);

// ht_aggregate_free tells nothing any more. NULL is nothing.
void ht_aggregate_free(struct ht_aggregate *a);

// The time is that of the frames, and the aggregation's: the latest of any record, and what passed
// since. A record that is older by more than a day says that the clock was set back; then all
// windows are told, and its time is the time.

// ht_aggregate_add counts a flow record in the window that its `ts` lies in, and first closes the
// windows that ended grace_s before that. Records of a closed window are told some with each call,
// the largest first; those of two windows are not mixed.
void ht_aggregate_add(struct ht_aggregate *a, const struct ht_record *r);

// ht_aggregate_see says the time of any other record. True: it is the latest, or the clock was set
// back; what passes counts from here.
bool ht_aggregate_see(struct ht_aggregate *a, int64_t ts);

// ht_aggregate_tick closes what is to be closed `passed` ns after the latest record.
void ht_aggregate_tick(struct ht_aggregate *a, int64_t passed);

// ht_aggregate_more tells up to HT_AGGREGATE_SLICE records of a closed window. False: there was
// nothing to tell.
#define HT_AGGREGATE_SLICE 1024
bool ht_aggregate_more(struct ht_aggregate *a);

// ht_aggregate_finish closes all windows, tells all, and forgets what time it is: what comes next
// may be of another day.
void ht_aggregate_finish(struct ht_aggregate *a);

// ht_aggregate_counts is the counters, for as long as the aggregation lives; others may read them
// with ht_stats_sum meanwhile.
const uint64_t *ht_aggregate_counts(const struct ht_aggregate *a);
