// SPDX-License-Identifier: BSD-3-Clause
// sinks: where the records of a run go: a set of deliveries (delivery.h). One thread puts records:
// the exporter, or the only one of a replay. All else is the first thread's.

#pragma once

#include "delivery.h"
#include "options.h"

#include <signal.h>

#define SINKS_END_S 5 // that an output may take to end when its linger_s are over

struct sink {
	struct ht_delivery *d; // NULL: it was closed
	const char *name; // the spec without its options
	struct ht_sink_options *options; // a copy; the name is in it
	uint64_t past[HT_DELIVERY_NUM_CTRS]; // of those that had this name before, or of this one
					     // when it is closed
	bool lent; // it goes on in the set that took this one's place
	bool ends; // ht_delivery_end was called
	bool started;
	int64_t start_at; // monotonic, ns: the system had no thread for it; then it is tried again
	int64_t ends_by; // monotonic, ns: it is not waited for any longer
	// Whether it hangs.
	uint64_t seen_turns;
	int64_t seen_at;
	bool stalled;
};

struct sinks {
	unsigned kinds; // of record that are wanted
	bool failed; // one of them, closed, has lost records: that was said
	unsigned num;
	struct sink v[MAX_SINKS];
	uint64_t gone[HT_DELIVERY_NUM_CTRS]; // of those that have no successor
	uint64_t made; // records that this set was given
	struct sinks *before; // a list of those whose place this set took, and that are ending
	// Where the thread that puts is the only one: what there is to say while it waits for room.
	// NULL: nobody is told.
	void (*say)(void *ctx, const char *line);
	void *say_ctx;
};

enum {
	SINKS_APPEND = 1, // go on behind what a file has
	SINKS_LIVE = 2, // do not wait for whoever reads a pipe; drop what a queue cannot hold
};

// What to open. The options are blocks of their own; sinks_open takes them over.
struct sinks_list {
	struct ht_sink_options *v[MAX_SINKS];
	unsigned num;
};

// sinks_list makes a list of the outputs and sinks of some options. HT_BAD, HT_ERROR: it has said
// why, and the list is empty. sinks_list_again makes one of those that are open.
HT_MUST_USE enum ht_rc sinks_list(struct sinks_list *l, const struct options *o);
HT_MUST_USE enum ht_rc sinks_list_again(struct sinks_list *l, const struct sinks *k);

// sinks_fits tells whether an output goes together with what is read and with the kinds of record
// that are asked for. False: `err` says what is wrong of it. For one that ht_sink_check found
// right.
bool sinks_fits(
	const struct options *o, const struct ht_sink_options *s, char *err, size_t err_len
);

// sinks_differ: two outputs that write to one file, by whatever names, would write over each other;
// so would two to standard output, whatever that is, and two with one spool. False: `err` says of
// `a` what is wrong.
bool sinks_differ(
	const struct ht_sink_options *a, const struct ht_sink_options *b, char *err, size_t err_len
);

// sinks_to_stdout tells whether a spec means standard output.
bool sinks_to_stdout(const char *spec);

// sinks_open opens a list, or standard output where it is empty; `how` is of the two above. A
// collector that `old` (or NULL) has open with the same options is taken over. No two of them, nor
// a file that the options read, may be one regular file. On HT_BAD (usage) or HT_ERROR it has said
// why, and nothing is left open but what `old` has. `interrupted` as for ht_delivery_params.
HT_MUST_USE enum ht_rc sinks_open(
	struct sinks *k,
	const struct options *o,
	struct sinks_list *list,
	unsigned how,
	struct sinks *old,
	const volatile sig_atomic_t *interrupted
);

// sinks_memory is the most that they reserve, in bytes.
uint64_t sinks_memory(const struct sinks *k);

// sinks_start starts their threads, but for those that wait for one of the same name to end that
// came before. False: the system has none for one of them, which was said once; those are tried
// again every few seconds. sinks_started tells whether none is to be started any more.
HT_MUST_USE bool sinks_start(struct sinks *k);
bool sinks_started(const struct sinks *k);

// sinks_end says that nothing more is put; those that were lent go on. sinks_ended tells whether
// all are done, or not to be waited for any longer: sinks_wait_until sets when that is (monotonic,
// ns) for those that would be waited for longer, and for those before. They are told to have ended
// before that, with a moment for what they put into their spools.
void sinks_end(struct sinks *k);
void sinks_wait_until(struct sinks *k, int64_t latest);
bool sinks_ended(const struct sinks *k);

// sinks_close closes those that have ended, says what they lost, and adds what became of their
// records to `to`: k itself, or the set that took its place. `closes`, unless NULL, is told of each
// before it is freed: nobody may look at it from then on. True: none is left.
bool sinks_close(
	struct sinks *k,
	struct sinks *to,
	void (*closes)(void *ctx, const struct ht_delivery *d),
	void *ctx
);

// sinks_leave closes all that have ended of those before, and frees the sets that are empty.
// sinks_left tells whether some are to be waited for.
void sinks_leave(
	struct sinks *k, void (*closes)(void *ctx, const struct ht_delivery *d), void *ctx
);
bool sinks_left(const struct sinks *k);

// sinks_free frees a set that has been closed, and one that was opened and never used.
void sinks_free(struct sinks *k);

// sinks_linger is the longest linger_s of them, and sinks_give_up ends all waiting for room.
uint32_t sinks_linger(const struct sinks *k);
void sinks_give_up(struct sinks *k);

// sinks_wait waits until all have ended, and says what there is to say. When `*stop` changes they
// end at once: what is there goes into their spools, or is lost. When it changes again they are
// given up.
void sinks_wait(struct sinks *k, const volatile sig_atomic_t *stop);

// sinks_tell says what there is to say of them.
void sinks_tell(struct sinks *k, void (*say)(void *ctx, const char *line), void *ctx);

// --- the thread that puts ---

// sinks_succeed has `k` take the place of `old`: with its sums, and with those that were before it.
void sinks_succeed(struct sinks *k, struct sinks *old);

static inline void sinks_write(struct sinks *k, const struct ht_record *r) {
	if (!(ht_record_kind(r) & k->kinds))
		return;
	k->made++;
	for (unsigned i = 0; i < k->num; i++)
		ht_delivery_put(k->v[i].d, r);
}

static inline void sinks_flush(const struct sinks *k) {
	for (unsigned i = 0; i < k->num; i++)
		ht_delivery_flush(k->v[i].d);
}

// --- any thread ---

// Nothing is left to read for when every sink's reader went away.
static inline bool sinks_all_dead(const struct sinks *k) {
	for (unsigned i = 0; i < k->num; i++)
		if (!ht_delivery_is_dead(k->v[i].d))
			return false;
	return true;
}

// sinks_count is what became of all records so far: for each slot, and for those that are gone.
// What those that came before still count is in it.
void sinks_count(
	const struct sinks *k,
	uint64_t slots[MAX_SINKS][HT_DELIVERY_NUM_CTRS],
	uint64_t gone[HT_DELIVERY_NUM_CTRS]
);

// sinks_slot is the slot where the counts of a name go on, or k->num: with those that are gone.
unsigned sinks_slot(const struct sinks *k, const char *name);
