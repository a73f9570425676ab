// SPDX-License-Identifier: BSD-3-Clause
// delivery: an output with all it needs to be on its own: a bounded queue, a thread, the link that
// it sends through (link.h), what was given and not settled, and a spool where it has one. So a
// slow or absent collector costs neither the other outputs nor the capture, unless it is told to
// block (when_full): then all wait for it. Uses base, stats,
// option, record, queue, export, spool, protobuf, config.
//
// One thread puts records (the exporter, or the only one of a replay); the delivery's own thread
// does the rest. Without that thread (a replay into files) the putter does it, and waits.
//
// Records arrive in the order in which they were put, at least once where the link can give again
// (ht_link_ops.again), but for two: one that is given again comes behind those that went out before
// the break; and what a link had when the spool had no room for it, and has still when a run ends,
// goes into the spool behind what is there, and comes in that order in the next. Whoever wants
// order sorts by sensor_run and sequence. What is lost has a counter that says why.

#pragma once

#include "base.h"
#include "link.h"
#include "option.h"
#include "record.h"
#include "sink_options.h"
#include "stats.h"

#include <signal.h>

struct ht_delivery;

// What became of the records for this output: X(ID, name, help). At the end
// records + recovered = delivered + lost + spool_left, and lost = the sum of those that begin so.
#define HT_DELIVERY_COUNTERS(X) \
	X(RECORDS, "records", "records for it: of a kind that goes there") \
	X(RECOVERED, "recovered", "records found in its spool at the start") \
	X(DELIVERED, "delivered", \
	  "taken by the other side: by the operating system for a file, acknowledged by the " \
	  "collector where its protocol can tell") \
	X(LOST, "lost", "the sum of the next ones") \
	X(LOST_QUEUE_FULL, "lost_queue_full", "its queue had no room: it is too slow, or away") \
	X(LOST_TOO_LONG, "lost_too_long", \
	  "longer than a chunk of its queue, or than what a spool " \
	  "takes") \
	X(LOST_UNREACHABLE, "lost_unreachable", \
	  "not delivered when it broke, or when time was up") \
	X(LOST_REFUSED, "lost_refused", \
	  "refused: a write failed (disk full, closed pipe ...), or the collector does not want " \
	  "it") \
	X(LOST_SPOOL_FULL, "lost_spool_full", "its spool had its most bytes") \
	X(LOST_SPOOL_FAILED, "lost_spool_failed", \
	  "its spool could not be written, or not be read any more") \
	X(SPOOL_LEFT, "spool_left", "in its spool at the end, for the next run") \
	X(SENT_AGAIN, "sent_again", "given once more after it broke: may be there twice") \
	X(CONNECTS, "connects", "times it was reached") \
	X(CONNECT_FAILURES, "connect_failures", "times it could not be reached") \
	X(BYTES, "bytes", "bytes written or sent, those sent again included")

enum ht_delivery_counter {
#define X(id, name, help) HT_DELIVERY_##id,
	HT_DELIVERY_COUNTERS(X)
#undef X
		HT_DELIVERY_NUM_CTRS
};

extern const struct ht_counter ht_delivery_counters[HT_DELIVERY_NUM_CTRS];

// ht_delivery_balanced tells whether the sums above hold.
bool ht_delivery_balanced(const uint64_t counters[HT_DELIVERY_NUM_CTRS]);

struct ht_delivery_params {
	const struct ht_link_ops *ops;
	const struct ht_sink_options *options; // copied
	unsigned kinds; // of record that go there, where its option `records` says nothing
	bool live; // where options->when_full says nothing: drop; otherwise block
	bool threaded;
	bool successor; // takes the place of one that is ending: waits for that one's spool
	bool soon; // somebody waits: what its spool has is read by its thread
	const char *sensor_id; // NULL: files have none, and to others it is the name of the host
	uint64_t run; // when the sensor was started, in ms since the epoch
	// A signal handler's: nonzero ends all waiting for room, but for two seconds in all where a
	// spool is to make it. NULL: none.
	const volatile sig_atomic_t *interrupted;
	// Called now and then by the thread that puts, while it waits for room: nobody else may ask
	// for what there is to say (ht_delivery_said) then. NULL: nothing is called.
	void (*waits)(void *ctx);
	void *waits_ctx;
};

// ht_delivery_new checks the options, opens link and spool, and connects to nobody. HT_BAD: the
// options are wrong; HT_ERROR: it cannot be opened. Then `err` says what and why in one line.
HT_MUST_USE enum ht_rc ht_delivery_new(
	struct ht_delivery **out, const struct ht_delivery_params *p, char *err, size_t err_len
);

// ht_delivery_memory is what one with these options reserves at the most, in bytes, without what
// its link takes.
uint64_t ht_delivery_memory(const struct ht_sink_options *o);

// ht_delivery_start starts its thread, where it is to have one; all signals are blocked in it.
// Records may be put before. False: the system has none.
HT_MUST_USE bool ht_delivery_start(struct ht_delivery *d);

// --- the thread that puts ---

// ht_delivery_put takes a record, if its kind goes there. By when_full it waits for room in the
// queue, or counts what is lost.
void ht_delivery_put(struct ht_delivery *d, const struct ht_record *r);

// ht_delivery_flush is for the end of each burst, and for each time that there was nothing to put:
// what was put is on its way, unless more than that waits already.
void ht_delivery_flush(struct ht_delivery *d);

// ht_delivery_end says that nothing more is put. It does not wait: what is there is delivered for
// at most options->linger_s, then link and spool are closed. Without a thread that is done here;
// one that was not started yet is, for that.
void ht_delivery_end(struct ht_delivery *d);

// --- any thread ---

// ht_delivery_end_by brings the end forward that ht_delivery_end has set: from `ns` of the
// monotonic clock on nothing more is delivered. What is there then goes into the spool, or is lost.
void ht_delivery_end_by(struct ht_delivery *d, int64_t ns);

// ht_delivery_ended tells whether all is done, and closed, since ht_delivery_end.
bool ht_delivery_ended(const struct ht_delivery *d);

// ht_delivery_give_up ends all waiting for room: what finds none is lost from now on.
void ht_delivery_give_up(struct ht_delivery *d);

// ht_delivery_count is its block of HT_DELIVERY_NUM_CTRS, good while it lives. Without a thread it
// is up to date when this returns; for the putter alone then.
const uint64_t *ht_delivery_count(struct ht_delivery *d);

// ht_delivery_is_dead tells whether nothing will ever be taken again: the reader of a pipe went
// away.
bool ht_delivery_is_dead(const struct ht_delivery *d);

// ht_delivery_turns grows while its thread is alive; one that hangs in a write stands still.
uint64_t ht_delivery_turns(const struct ht_delivery *d);

// ht_delivery_said takes the line that it has to say, if there is one: that it is away, that it
// holds up whoever puts, or that it is back. There is at most one in 10 s.
bool ht_delivery_said(struct ht_delivery *d, char *out, size_t out_len);

const struct ht_link_ops *ht_delivery_ops(const struct ht_delivery *d);

// --- its end ---

// ht_delivery_verdict is NULL, or one line that says which records were lost and why. Wants it
// to have ended.
const char *ht_delivery_verdict(const struct ht_delivery *d);

// ht_delivery_free wants it to have ended, or never to have been started. NULL is allowed.
void ht_delivery_free(struct ht_delivery *d);

// --- options (delivery_spec.c) ---

// All kinds of link, ended by NULL.
extern const struct ht_link_ops *const ht_link_kinds[];

// ht_link_of is the kind of link that a spec without options begins with, or NULL.
const struct ht_link_ops *ht_link_of(const char *to);

// ht_sink_parse reads "SPEC[?name=value[&name=value...]]". What stands behind the last ? are
// options if it begins with a word and =, whether there is such an option or not; so a path with
// such a ? in it is written with one more ? at its end, behind which there is nothing. A value has
// %XX for bytes of its own; the elements of a list stand between commas, and a list that is named
// again goes on. On HT_OK *out is one block, for free(); HT_BAD, HT_ERROR (no memory): `err` says
// why in one line.
HT_MUST_USE enum ht_rc
ht_sink_parse(struct ht_sink_options **out, const char *spec, char *err, size_t err_len);

// ht_sink_copy makes one block, for free(), of options and all they point to. NULL: no memory.
struct ht_sink_options *ht_sink_copy(const struct ht_sink_options *o);

// ht_sink_same tells whether two outputs are set alike.
bool ht_sink_same(const struct ht_sink_options *a, const struct ht_sink_options *b);

// ht_sink_records is which kinds of record are wanted of an output, a mask of enum ht_kind: those
// of its `records`, or `asked` where it says nothing; of them those that it can carry.
unsigned ht_sink_records(const struct ht_sink_options *o, unsigned asked);

// ht_sink_check says whether the options of an output are right, without touching anything outside.
// HT_BAD: `err` says in one line what is wrong; it begins with the name of the option where it is
// one's other than `to`.
HT_MUST_USE enum ht_rc ht_sink_check(const struct ht_sink_options *o, char *err, size_t err_len);

// ht_sink_probe looks, with options that ht_sink_check found right, at what they name outside:
// folders, files, keys, the spool, with the rights that the process has. It connects to nobody, and
// makes and changes nothing. HT_ERROR: `err` says what is wrong, as above.
HT_MUST_USE enum ht_rc ht_sink_probe(const struct ht_sink_options *o, char *err, size_t err_len);
