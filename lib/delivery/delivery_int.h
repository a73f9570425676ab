// SPDX-License-Identifier: BSD-3-Clause
// What the files of delivery share.
//
//   delivery.c         life, and the thread that puts
//   delivery_thread.c  the delivery's thread: connect, give, settle, break, end
//   delivery_window.c  records that were given and not settled, in memory
//   delivery_spool.c   the same on disk
//   delivery_spec.c    options of an output
//   delivery_kinds.c   all kinds of link

#pragma once

#include "clock.h"
#include "delivery.h"
#include "protobuf.h"
#include "queue.h"
#include "spool.h"

#include <pthread.h>
#include <stdatomic.h>

#define CACHE_LINE 64

// --- window -------------------------------------------------------------------------------------

// Packed records in the order in which they were given, oldest first: a ring of bytes. Behind a
// break they are read once more from the oldest on.
struct window {
	uint8_t *bytes;
	size_t size;
	size_t oldest, end; // where the oldest is, where the next one goes
	size_t again; // where the next one to be given again is
	uint32_t num; // of records
	uint32_t num_again; // of those, the ones to be given again: the last ones
};

// window_init returns false when the system has no memory. It is touched only as it is used.
bool window_init(struct window *w, size_t size);
void window_free(struct window *w);

// window_push puts a record that was just given behind the others. window_has_room tells before
// whether it can; none is to be given again then.
bool window_has_room(const struct window *w, size_t len);
void window_push(struct window *w, uint64_t number, struct ht_span packed);

// window_drop takes the n oldest away.
void window_drop(struct window *w, uint64_t n);

// window_rewind: all are to be given again. window_again is the next of those; window_given takes
// note that it was.
void window_rewind(struct window *w);
bool window_again(const struct window *w, uint64_t *number, struct ht_span *packed);
void window_given(struct window *w);

// --- delivery -----------------------------------------------------------------------------------

enum link_state { LINK_AWAY, LINK_CONNECTING, LINK_UP };

struct ht_delivery {
	// Set up by ht_delivery_new, then only read.
	const struct ht_link_ops *ops;
	struct ht_sink_options *options;
	unsigned kinds; // of record that go there
	bool block; // a full queue is waited for
	bool threaded;
	bool stamped; // records tell the sensor and their number
	char *sensor_id;
	uint64_t run;
	const volatile sig_atomic_t *interrupted;
	void (*waits)(void *ctx);
	void *waits_ctx;
	struct ht_queue *queue; // NULL: inline

	// The thread that puts. (Of the counts, too, each has its own; its thread adds to those
	// once a turn.)
	_Alignas(CACHE_LINE) uint64_t number; // of the last record
	int64_t called_at; // d->waits
	int64_t waited_ns; // for room, since it was interrupted
	int64_t held_from, held_ns; // since when, and for how much of that, it waited for room

	// Between the two. A thread that is about to wait says so, and looks once more
	// (ht_queue_fence).
	_Alignas(CACHE_LINE) pthread_mutex_t lock;
	pthread_cond_t wake; // the delivery's thread
	pthread_cond_t room; // the thread that puts
	atomic_bool sleeping; // the delivery's thread, until the queue has something
	atomic_bool waiting; // the thread that puts
	atomic_llong held_up_until; // that one waits for most of its time: said up to then
	atomic_bool give_up;
	atomic_llong deadline; // of the end, on the monotonic clock; 0: it goes on
	atomic_bool accounted, ended;
	atomic_bool dead;
	atomic_ullong turns;
	bool has_said; // under `lock`, as is:
	char said[512];

	// The delivery's thread.
	_Alignas(CACHE_LINE) pthread_t thread;
	bool started;
	struct ht_link *link;
	enum link_state state;
	int64_t retry_at, connecting_since;
	unsigned failures; // since something was delivered
	uint64_t jitter;
	struct ht_settled settled; // as the link told it last
	uint64_t settled_too_many; // that it never had: the link is wrong
	uint64_t unsettled; // records that it has from the queue, and that are not settled
	uint64_t spool_unsettled; // the same of the spool; given later
	struct ht_queue_item item; // taken from the queue, and not gone anywhere
	bool has_item;
	struct window window; // where the link can give again
	struct ht_record record; // from the window, or to be stamped
	// The spool. While it has an entry, all records go through it.
	struct ht_spool *spool;
	struct ht_spool *claimed; // not read yet
	struct ht_protobuf *protobuf;
	bool wants_spool; // it is to be read, or somebody else has it still
	uint8_t *entry; // read from the spool, and not given
	size_t entry_len;
	bool has_entry;
	bool bad_entry; // cannot be read: it is given up when those before it are settled
	bool spool_read; // all that is in it was given
	int64_t spool_read_at;
	uint64_t spool_again; // entries that were given before
	uint64_t recovered, damaged; // of its entries, as it told last
	bool window_behind; // what is to be given again is younger than all in the spool
	bool spool_refuses; // it could not be written last, and
	char spool_error[256]; // why
	// What was told.
	bool told_away, told_held_up;
	int64_t told_at;
	char verdict[1024];

	_Alignas(CACHE_LINE) uint64_t ctr[HT_DELIVERY_NUM_CTRS];
};

// delivery_lose counts `n` records as lost.
void delivery_lose(struct ht_delivery *d, enum ht_delivery_counter why, uint64_t n);
static inline void delivery_count(struct ht_delivery *d, enum ht_delivery_counter id, uint64_t n) {
	ht_stats_count(&d->ctr[id], n);
}

// delivery_stamp makes a record tell where it comes from.
void delivery_stamp(const struct ht_delivery *d, struct ht_record *r, uint64_t number);

// --- delivery_thread.c ---

// delivery_settle hears from the link what became of records.
void delivery_settle(struct ht_delivery *d);

// delivery_give_now gives one record to the link and waits until it is taken, or lost: without a
// thread. delivery_flush_now sends what it holds.
void delivery_give_now(struct ht_delivery *d, const struct ht_record *r);
void delivery_flush_now(struct ht_delivery *d);

// delivery_away has it connected again after a while.
void delivery_away(struct ht_delivery *d, int64_t now);

// delivery_close counts what is left, and closes link and spool.
void delivery_close(struct ht_delivery *d);

void *delivery_run(void *delivery);

// --- delivery_spool.c ---

// delivery_spool_claim makes sure that it can be opened, and by nobody else; delivery_spool_open
// does that where it was not done, and reads what is in it. HT_MORE: somebody else has it.
enum ht_rc delivery_spool_claim(struct ht_delivery *d, char *err, size_t err_len);
enum ht_rc delivery_spool_open(struct ht_delivery *d, char *err, size_t err_len);

// delivery_spool_put appends a record, stamped. HT_FULL: there is no room. HT_ERROR: the disk
// refused; both may pass. HT_OK: it is in, or no spool ever takes it: lost and counted.
enum ht_rc delivery_spool_put(struct ht_delivery *d, struct ht_record *r);

void delivery_spool_flush(struct ht_delivery *d);

// delivery_spool_move puts into the spool what is to be given again. HT_FULL, HT_ERROR: the rest
// stays in the window, behind what is in the spool.
enum ht_rc delivery_spool_move(struct ht_delivery *d);

// delivery_spool_move_first does that where the window would have to stand before what is put into
// the spool next. If it is not HT_OK, nothing may be put.
enum ht_rc delivery_spool_move_first(struct ht_delivery *d);

// delivery_spool_adopt puts all of the window into an empty spool, so that what is put there next
// stands behind it; what the link has, it has from the spool from then on. All of it stays in the
// window where the spool does not take it whole.
void delivery_spool_adopt(struct ht_delivery *d);

// delivery_spool_get reads the next entry, as it was. HT_MORE: there is none now.
enum ht_rc delivery_spool_get(struct ht_delivery *d, struct ht_record *out);
// delivery_spool_given takes note that it was given.
void delivery_spool_given(struct ht_delivery *d);
void delivery_spool_settle(struct ht_delivery *d, uint64_t n);
void delivery_spool_rewind(struct ht_delivery *d);

// delivery_spool_account counts what is left in it, before it is closed.
void delivery_spool_account(struct ht_delivery *d);

static inline bool delivery_spool_busy(const struct ht_delivery *d) {
	return d->spool != NULL && ht_spool_count(d->spool) > 0;
}
