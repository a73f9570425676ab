// SPDX-License-Identifier: BSD-3-Clause

#include "delivery_int.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WINDOW_BYTES (8u << 20) // several of the longest records
#define ROOM_WAIT_NS (100ll * HT_NS_PER_MS) // then it is looked whether waiting is over
#define PATIENCE_NS (2ll * HT_NS_PER_S) // in all, for room behind a signal, where a spool makes it
#define HELD_UP_NS (3ll * HT_NS_PER_S) // in which half of the time is much

#define X(id, name, help) {"sink", name, help},
const struct ht_counter ht_delivery_counters[HT_DELIVERY_NUM_CTRS] = {HT_DELIVERY_COUNTERS(X)};
#undef X

bool ht_delivery_balanced(const uint64_t c[HT_DELIVERY_NUM_CTRS]) {
	uint64_t lost = 0;
	for (unsigned i = HT_DELIVERY_LOST + 1; i < HT_DELIVERY_SPOOL_LEFT; i++)
		lost += c[i];
	return lost == c[HT_DELIVERY_LOST]
	       && c[HT_DELIVERY_RECORDS] + c[HT_DELIVERY_RECOVERED]
			  == c[HT_DELIVERY_DELIVERED] + lost + c[HT_DELIVERY_SPOOL_LEFT];
}

// Both threads lose records.
void delivery_lose(struct ht_delivery *d, enum ht_delivery_counter why, uint64_t n) {
	__atomic_fetch_add(&d->ctr[why], n, __ATOMIC_RELAXED);
	__atomic_fetch_add(&d->ctr[HT_DELIVERY_LOST], n, __ATOMIC_RELAXED);
}

void delivery_stamp(const struct ht_delivery *d, struct ht_record *r, uint64_t number) {
	if (!d->stamped)
		return;
	ht_set(r, sensor_id, HT_SPAN(d->sensor_id, strlen(d->sensor_id)));
	ht_set(r, sensor_run, d->run);
	ht_set(r, sequence, number);
}

// --- the thread that puts -----------------------------------------------------------------------

static void wake(struct ht_delivery *d) {
	pthread_mutex_lock(&d->lock);
	pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
}

static bool is_interrupted(const struct ht_delivery *d) {
	return d->interrupted != NULL && *d->interrupted;
}

// Whoever is interrupted has some more to put, and a spool takes that as fast as a disk does.
static bool may_wait(const struct ht_delivery *d) {
	return d->block && !atomic_load_explicit(&d->give_up, memory_order_relaxed)
	       && (!is_interrupted(d) || (d->options->spool != NULL && d->waited_ns < PATIENCE_NS));
}

// Wakes a thread that sleeps until the queue has something.
static void wake_for_queue(struct ht_delivery *d) {
	if (!ht_queue_handed_over(d->queue))
		return;
	ht_queue_fence();
	if (atomic_load_explicit(&d->sleeping, memory_order_relaxed))
		wake(d);
}

// One look a few seconds at how much of them was spent waiting: a collector that takes one record
// at a time holds up as much as one that takes none.
static void note_held_up(struct ht_delivery *d, int64_t begun, int64_t now) {
	if (begun - d->held_from > 2 * HELD_UP_NS) { // nothing was waited for in a long time
		d->held_from = begun;
		d->held_ns = 0;
	}
	d->held_ns += now - begun;
	if (now - d->held_from < HELD_UP_NS)
		return;
	const bool much = d->held_ns > (now - d->held_from) / 2;
	atomic_store_explicit(
		&d->held_up_until, much ? now + 2 * HELD_UP_NS : 0, memory_order_relaxed
	);
	d->held_from = now;
	d->held_ns = 0;
}

static void call_out(struct ht_delivery *d, int64_t now) {
	if (d->waits == NULL || now - d->called_at < ROOM_WAIT_NS)
		return;
	d->called_at = now;
	d->waits(d->waits_ctx);
}

// Sleeps until there may be room, or until it is time to look at all else.
static void sleep_for_room(struct ht_delivery *d, int64_t now) {
	const int64_t until = now + ROOM_WAIT_NS;
	const struct timespec t
		= {.tv_sec = (time_t)(until / HT_NS_PER_S), .tv_nsec = (long)(until % HT_NS_PER_S)};
	pthread_cond_signal(&d->wake);
	(void)pthread_cond_timedwait(&d->room, &d->lock, &t);
}

// Offers a record until there is room. The other side looks at `waiting` behind all that it gave
// back, and signals under the lock.
static enum ht_rc wait_for_room(struct ht_delivery *d, const struct ht_record *r) {
	enum ht_rc rc = HT_FULL;
	while (may_wait(d) && rc == HT_FULL) {
		const int64_t begun = ht_clock_ns(CLOCK_MONOTONIC);
		pthread_mutex_lock(&d->lock);
		atomic_store_explicit(&d->waiting, true, memory_order_relaxed);
		ht_queue_fence();
		rc = ht_queue_offer(d->queue, r, d->number);
		if (rc == HT_FULL)
			sleep_for_room(d, begun);
		atomic_store_explicit(&d->waiting, false, memory_order_relaxed);
		pthread_mutex_unlock(&d->lock);
		const int64_t now = ht_clock_ns(CLOCK_MONOTONIC);
		d->waited_ns += is_interrupted(d) ? now - begun : 0;
		note_held_up(d, begun, now);
		call_out(d, now);
	}
	return rc;
}

void ht_delivery_put(struct ht_delivery *d, const struct ht_record *r) {
	if (!(ht_record_kind(r) & d->kinds))
		return;
	delivery_count(d, HT_DELIVERY_RECORDS, 1);
	d->number++; // of each, also of one that is lost: the other side sees the gap
	if (d->queue == NULL) {
		delivery_give_now(d, r);
		return;
	}
	enum ht_rc rc = ht_queue_offer(d->queue, r, d->number);
	if (HT_UNLIKELY(rc == HT_FULL))
		rc = wait_for_room(d, r);
	if (HT_UNLIKELY(rc != HT_OK))
		delivery_lose(
			d, rc == HT_FULL ? HT_DELIVERY_LOST_QUEUE_FULL : HT_DELIVERY_LOST_TOO_LONG,
			1
		);
	wake_for_queue(d); // a burst may be longer than the queue
}

void ht_delivery_flush(struct ht_delivery *d) {
	if (d->queue == NULL) {
		delivery_flush_now(d);
		return;
	}
	ht_queue_flush(d->queue);
	wake_for_queue(d);
}

void ht_delivery_end(struct ht_delivery *d) {
	if (atomic_load_explicit(&d->ended, memory_order_acquire)
	    || atomic_load_explicit(&d->deadline, memory_order_relaxed) != 0)
		return;
	if (d->queue != NULL)
		ht_queue_finish(d->queue);
	if (!ht_delivery_start(d) || !d->started) {
		delivery_close(d);
		return;
	}
	atomic_store_explicit(
		&d->deadline, ht_clock_ns(CLOCK_MONOTONIC) + d->options->linger_s * HT_NS_PER_S,
		memory_order_release
	);
	wake(d);
}

// --- any thread ---------------------------------------------------------------------------------

void ht_delivery_end_by(struct ht_delivery *d, int64_t ns) {
	long long was = atomic_load_explicit(&d->deadline, memory_order_relaxed);
	ns = ns > 0 ? ns : 1; // 0 is for one that goes on
	while (was != 0 && ns < was)
		if (atomic_compare_exchange_weak_explicit(
			    &d->deadline, &was, ns, memory_order_release, memory_order_relaxed
		    ))
			wake(d);
}

bool ht_delivery_accounted(const struct ht_delivery *d) {
	return atomic_load_explicit(&d->accounted, memory_order_acquire);
}

bool ht_delivery_ended(const struct ht_delivery *d) {
	return atomic_load_explicit(&d->ended, memory_order_acquire);
}

void ht_delivery_give_up(struct ht_delivery *d) {
	atomic_store_explicit(&d->give_up, true, memory_order_relaxed);
}

const uint64_t *ht_delivery_count(struct ht_delivery *d) {
	if (d->queue == NULL && d->link != NULL)
		delivery_settle(d);
	return d->ctr;
}

bool ht_delivery_is_dead(const struct ht_delivery *d) {
	return d->queue == NULL && d->link != NULL
		       ? d->ops->is_dead(d->link)
		       : atomic_load_explicit(&d->dead, memory_order_relaxed);
}

uint64_t ht_delivery_turns(const struct ht_delivery *d) {
	return atomic_load_explicit(&d->turns, memory_order_relaxed);
}

bool ht_delivery_said(struct ht_delivery *d, char *out, size_t out_len) {
	pthread_mutex_lock(&d->lock);
	const bool some = d->has_said;
	if (some)
		snprintf(out, out_len, "%s", d->said);
	d->has_said = false;
	pthread_mutex_unlock(&d->lock);
	return some;
}

const struct ht_link_ops *ht_delivery_ops(const struct ht_delivery *d) {
	return d->ops;
}

const char *ht_delivery_verdict(const struct ht_delivery *d) {
	return d->verdict[0] != '\0' ? d->verdict : NULL;
}

// --- its life -----------------------------------------------------------------------------------

static char *name_of_sensor(const struct ht_delivery_params *p) {
	char host[HOST_NAME_MAX + 1] = "";
	if (p->sensor_id == NULL)
		gethostname(host, sizeof(host) - 1);
	return strdup(p->sensor_id != NULL ? p->sensor_id : host);
}

static void init_locks(struct ht_delivery *d) {
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->wake, &attr);
	pthread_cond_init(&d->room, &attr);
	pthread_condattr_destroy(&attr);
}

uint64_t ht_delivery_memory(const struct ht_sink_options *o) {
	const struct ht_link_ops *const ops = ht_link_of(o->to);
	return sizeof(struct ht_delivery) + ((uint64_t)o->queue_mib << 20)
	       + (ops != NULL && ops->again ? WINDOW_BYTES : 0)
	       + (o->spool != NULL ? HT_PROTOBUF_MAX : 0);
}

static bool take_memory(struct ht_delivery *d, const struct ht_delivery_params *p) {
	const struct ht_queue_params queue = {.bytes = d->options->queue_mib << 20};
	d->sensor_id = name_of_sensor(p);
	return d->sensor_id != NULL && (!d->threaded || (d->queue = ht_queue_new(&queue)) != NULL)
	       && (!d->ops->again || window_init(&d->window, WINDOW_BYTES));
}

static enum ht_rc
open_all(struct ht_delivery *d, const struct ht_delivery_params *p, char *err, size_t err_len) {
	if (!take_memory(d, p)) {
		snprintf(err, err_len, "%s: %s", d->options->to, strerror(ENOMEM));
		return HT_ERROR;
	}
	if (d->options->spool != NULL) {
		char why[512];
		const enum ht_rc rc = p->soon ? delivery_spool_claim(d, why, sizeof(why))
					      : delivery_spool_open(d, why, sizeof(why));
		d->wants_spool = rc == HT_OK ? p->soon : rc == HT_MORE && p->successor;
		if (rc != HT_OK && !d->wants_spool) {
			snprintf(err, err_len, "%s: spool: %s", d->options->to, why);
			return HT_ERROR;
		}
	}
	return d->ops->open(&d->link, d->options, err, err_len);
}

enum ht_rc ht_delivery_new(
	struct ht_delivery **out, const struct ht_delivery_params *p, char *err, size_t err_len
) {
	const uint32_t when_full = p->options->when_full;
	struct ht_delivery *d = aligned_alloc(_Alignof(struct ht_delivery), sizeof(*d));
	if (d == NULL) {
		snprintf(err, err_len, "%s: %s", p->options->to, strerror(ENOMEM));
		return HT_ERROR;
	}
	memset(d, 0, sizeof(*d));
	init_locks(d);
	d->ops = p->ops;
	d->options = ht_sink_copy(p->options);
	d->kinds = ht_sink_records(p->options, p->kinds) & p->ops->kinds;
	d->block = when_full == HT_FULL_BLOCK || (when_full == HT_FULL_AUTO && !p->live);
	// Without a thread nothing could be given again.
	d->threaded = p->threaded || p->ops->again || p->options->spool != NULL;
	d->stamped = p->ops->url || p->sensor_id != NULL;
	d->run = p->run;
	d->interrupted = p->interrupted;
	d->waits = p->waits;
	d->waits_ctx = p->waits_ctx;
	d->jitter = (uint64_t)ht_clock_ns(CLOCK_MONOTONIC) ^ (uintptr_t)d;
	enum ht_rc rc = HT_ERROR;
	if (d->options == NULL)
		snprintf(err, err_len, "%s: %s", p->options->to, strerror(ENOMEM));
	else
		rc = open_all(d, p, err, err_len);
	if (rc != HT_OK) {
		ht_delivery_free(d);
		return rc;
	}
	*out = d;
	return HT_OK;
}

bool ht_delivery_start(struct ht_delivery *d) {
	sigset_t all, before;
	if (!d->threaded || d->started)
		return true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	d->started = pthread_create(&d->thread, NULL, delivery_run, d) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return d->started;
}

void ht_delivery_free(struct ht_delivery *d) {
	if (d == NULL)
		return;
	if (d->started)
		pthread_join(d->thread, NULL);
	if (d->link != NULL)
		d->ops->close(d->link);
	ht_spool_close(d->spool);
	ht_spool_close(d->claimed);
	if (d->protobuf != NULL)
		ht_protobuf_free(d->protobuf);
	free(d->entry);
	window_free(&d->window);
	ht_queue_free(d->queue);
	pthread_cond_destroy(&d->room);
	pthread_cond_destroy(&d->wake);
	pthread_mutex_destroy(&d->lock);
	free(d->sensor_id);
	free(d->options);
	free(d);
}
