// SPDX-License-Identifier: BSD-3-Clause
// sinks: where the records of a run go.

#pragma once

#include "export.h"
#include "options.h"

// What became of the records given to a sink: records = delivered + lost, once it is closed.
#define SINK_COUNTERS(X) \
	X(RECORDS, "records", records, "records given to it") \
	X(DELIVERED, "delivered", delivered, "handed whole to the operating system") \
	X(LOST, "lost", lost, "lost: a write failed (disk full, closed pipe ...)") \
	X(BYTES, "bytes", bytes, "bytes written")

enum {
#define X(id, name, field, help) SINK_##id,
	SINK_COUNTERS(X)
#undef X
		SINK_NUM_COUNTERS
};
extern const struct ht_counter sink_counters[SINK_NUM_COUNTERS];

struct sinks {
	unsigned kinds; // of record that are wanted
	bool failed; // one of them, closed, has lost records: that was said
	unsigned num;
	struct ht_sink *s[MAX_SINKS];
	char *names[MAX_SINKS];
	// Written by sinks_publish, for others to read: of these sinks, without the past.
	uint64_t ctr[MAX_SINKS][SINK_NUM_COUNTERS];
	struct ht_sink_stats past[MAX_SINKS]; // of the one that had this name before, or of this
					      // one when it is closed
	struct ht_sink_stats gone; // of those that have no successor
};

enum {
	SINKS_APPEND = 1, // go on behind what a file has
	SINKS_LIVE = 2, // do not wait for whoever reads a pipe
};

// sinks_open opens `outputs`, or standard output where there are none; `how` is of the two above.
// No two of them, nor a file that the options read, may be one regular file. On HT_BAD (usage) or
// HT_ERROR it has said why, and nothing is left open.
HT_MUST_USE enum ht_rc sinks_open(
	struct sinks *k,
	const struct options *o,
	const struct ht_option_texts *outputs,
	unsigned how
);

// sinks_close closes them and notes what became of their records in `next`, which goes on in their
// place, or in k itself when next is NULL. Their names stay.
void sinks_close(struct sinks *k, struct sinks *next);
void sinks_free_names(struct sinks *k);

static inline void sinks_write(struct sinks *k, const struct ht_record *r) {
	if (!(ht_record_kind(r) & k->kinds))
		return;
	for (unsigned i = 0; i < k->num; i++)
		ht_sink_write(k->s[i], r);
}

// sinks_write_line writes a line of JSON to those that take it.
static inline void sinks_write_line(struct sinks *k, struct ht_span line) {
	for (unsigned i = 0; i < k->num; i++)
		(void)ht_sink_write_line(k->s[i], line);
}

static inline void sinks_flush(const struct sinks *k) {
	for (unsigned i = 0; i < k->num; i++)
		ht_sink_flush(k->s[i]);
}

// Nothing is left to read for when every sink's reader went away.
static inline bool sinks_all_dead(const struct sinks *k) {
	for (unsigned i = 0; i < k->num; i++)
		if (!ht_sink_is_dead(k->s[i]))
			return false;
	return true;
}

// sinks_stats is what became of the records of slot i so far, open or closed.
struct ht_sink_stats sinks_stats(const struct sinks *k, unsigned i);

// sinks_publish writes k->ctr.
void sinks_publish(struct sinks *k);
