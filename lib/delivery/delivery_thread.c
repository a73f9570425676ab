// SPDX-License-Identifier: BSD-3-Clause
// What is given next, in this order:
//
//   window   what the link had when it broke
//   spool    while it has an entry, what comes from the queue goes in behind
//   queue
//
// When the link breaks, and before anything else goes into an empty spool, the window moves there:
// then all records stand in it in order, for the next run, too. What does not fit any more when it
// breaks is younger than all that did: it waits until more fits, or until all of that is settled.
// Where a link that is up has the window, and the spool does not take all of that, it stays in
// memory, and is older than what is in the spool. A link that is up but too slow has what the queue
// cannot hold put into the spool, too.

#include "delivery_int.h"

#include <stdio.h>

#define TURN 1024u // records between two looks at all else
#define UNSETTLED_MAX 65536u
#define WAIT_MS 100 // at most, for whatever
#define WAIT_NS (WAIT_MS * (int64_t)HT_NS_PER_MS)
#define SOON_MS 5 // for a link that has something to settle
#define FIRST_RETRY_NS (100ll * HT_NS_PER_MS)
#define CONNECT_MAX_NS (30 * HT_NS_PER_S)
#define SAY_NS (10 * HT_NS_PER_S)
#define SPOOL_DRAIN_NS HT_NS_PER_S

// --- the link -----------------------------------------------------------------------------------

void delivery_settle(struct ht_delivery *d) {
	struct ht_settled now;
	d->ops->settled(d->link, &now);
	uint64_t delivered = now.delivered - d->settled.delivered;
	uint64_t refused = now.refused - d->settled.refused;
	delivery_count(d, HT_DELIVERY_BYTES, now.bytes - d->settled.bytes);
	d->settled = now;
	const uint64_t all = d->unsettled + d->spool_unsettled;
	if (HT_UNLIKELY(delivered + refused > all))
		d->settled_too_many += delivered + refused - all;
	delivered = delivered < all ? delivered : all;
	refused = refused < all - delivered ? refused : all - delivered;
	if (delivered > 0) {
		delivery_count(d, HT_DELIVERY_DELIVERED, delivered);
		d->failures = 0;
	}
	if (refused > 0)
		delivery_lose(d, HT_DELIVERY_LOST_REFUSED, refused);
	const uint64_t n = delivered + refused;
	const uint64_t first = n < d->unsettled ? n : d->unsettled;
	d->unsettled -= first;
	window_drop(&d->window, first);
	delivery_spool_settle(d, n - first);
}

void delivery_away(struct ht_delivery *d, int64_t now) {
	const int64_t most = d->options->retry_max_s * HT_NS_PER_S;
	int64_t wait = FIRST_RETRY_NS;
	for (unsigned i = 0; i < d->failures && wait < most; i++)
		wait *= 2;
	wait = wait < most ? wait : most;
	// Sensors that lost the same collector do not come back all at once: 3/4 to 5/4 of it.
	d->jitter = d->jitter * 6364136223846793005u + 1442695040888963407u;
	wait = wait / 4 * 3 + (int64_t)((d->jitter >> 33) % (uint64_t)(wait / 2));
	d->state = LINK_AWAY;
	d->retry_at = now + wait;
	d->failures += d->failures < UINT16_MAX;
}

static void broke(struct ht_delivery *d) {
	delivery_settle(d);
	delivery_away(d, ht_clock_ns(CLOCK_MONOTONIC));
	if (d->spool != NULL)
		delivery_spool_rewind(d);
	if (!d->ops->again && d->unsettled > 0)
		delivery_lose(d, HT_DELIVERY_LOST_UNREACHABLE, d->unsettled);
	d->unsettled = 0;
	window_rewind(&d->window);
	if (d->spool != NULL)
		(void)delivery_spool_move_first(d);
}

// Whether the link is up; it is waited for, a little.
static bool connected(struct ht_delivery *d, int64_t now, int wait_ms) {
	if (d->state == LINK_UP)
		return true;
	if (d->state == LINK_AWAY && now < d->retry_at)
		return false;
	if (d->state == LINK_AWAY)
		d->connecting_since = now;
	d->state = LINK_CONNECTING;
	const enum ht_rc rc = d->ops->connect(d->link, wait_ms);
	if (rc == HT_OK) {
		d->state = LINK_UP;
		delivery_count(d, HT_DELIVERY_CONNECTS, 1);
	} else if (rc != HT_MORE || now - d->connecting_since > CONNECT_MAX_NS) {
		if (rc == HT_MORE)
			d->ops->break_off(d->link);
		delivery_count(d, HT_DELIVERY_CONNECT_FAILURES, 1);
		delivery_away(d, ht_clock_ns(CLOCK_MONOTONIC));
	}
	return d->state == LINK_UP;
}

// --- giving -------------------------------------------------------------------------------------

// The outcomes of what follows: HT_OK one was given, HT_MORE the link has no room now, HT_SKIP
// there is none, HT_ERROR the link broke.

static enum ht_rc give_again(struct ht_delivery *d) {
	uint64_t number;
	struct ht_span packed;
	if (!window_again(&d->window, &number, &packed))
		return HT_SKIP;
	(void)ht_record_unpack(&d->record, packed.p);
	delivery_stamp(d, &d->record, number);
	const enum ht_rc rc = d->ops->give(d->link, &d->record);
	if (rc != HT_OK)
		return rc;
	window_given(&d->window);
	d->unsettled++;
	delivery_count(d, HT_DELIVERY_SENT_AGAIN, 1);
	return HT_OK;
}

static enum ht_rc give_spooled(struct ht_delivery *d) {
	if (delivery_spool_get(d, &d->record) != HT_OK) {
		if (!d->spool_read)
			d->spool_read_at = ht_clock_ns(CLOCK_MONOTONIC);
		d->spool_read = !d->bad_entry || !d->has_entry;
		return HT_SKIP;
	}
	const enum ht_rc rc = d->ops->give(d->link, &d->record);
	if (rc == HT_OK)
		delivery_spool_given(d);
	return rc;
}

static bool want_item(struct ht_delivery *d) {
	d->has_item = d->has_item || ht_queue_take(d->queue, &d->item);
	return d->has_item;
}

static enum ht_rc give_queued(struct ht_delivery *d) {
	if (!want_item(d))
		return HT_SKIP;
	if (d->ops->again && !window_has_room(&d->window, d->item.packed.len))
		return HT_MORE;
	delivery_stamp(d, d->item.record, d->item.number);
	const enum ht_rc rc = d->ops->give(d->link, d->item.record);
	if (rc != HT_OK)
		return rc;
	if (d->ops->again)
		window_push(&d->window, d->item.number, d->item.packed);
	d->has_item = false;
	d->unsettled++;
	return HT_OK;
}

static enum ht_rc give_next(struct ht_delivery *d) {
	if (d->unsettled + d->spool_unsettled >= UNSETTLED_MAX)
		return HT_MORE;
	// What is settled is taken for the window's first: so the spool has to be empty before the
	// window's turn comes.
	if (d->window_behind && delivery_spool_busy(d))
		return give_spooled(d);
	d->window_behind = false;
	const enum ht_rc rc = give_again(d);
	if (rc != HT_SKIP)
		return rc;
	return delivery_spool_busy(d) ? give_spooled(d) : give_queued(d);
}

// Some of the queue goes to the spool. False: there was none, or no room. What has none, or is
// refused by the disk, waits in the queue.
static bool spool_some(struct ht_delivery *d) {
	const enum ht_rc moved = delivery_spool_move_first(d);
	unsigned n = 0;
	if (d->window.num > 0 && !delivery_spool_busy(d) && moved == HT_OK && want_item(d))
		delivery_spool_adopt(d);
	for (; n < TURN && want_item(d); n++) {
		delivery_stamp(d, d->item.record, d->item.number);
		const enum ht_rc rc
			= moved != HT_OK ? moved : delivery_spool_put(d, d->item.record);
		if (rc != HT_OK)
			break;
		d->has_item = false;
	}
	if (n < TURN)
		delivery_spool_flush(d);
	return n > 0;
}

// Whether what comes goes to the spool although the link is up: when the queue would not hold it,
// and while older records are there. All that is there may be on its way: then a moment is worth
// waiting for that to settle, since what follows needs no spool again.
static bool through_spool(const struct ht_delivery *d) {
	if (d->spool == NULL)
		return false;
	if (ht_queue_is_half_full(d->queue))
		return true;
	return delivery_spool_busy(d)
	       && (!d->spool_read
		   || ht_clock_ns(CLOCK_MONOTONIC) - d->spool_read_at > SPOOL_DRAIN_NS);
}

// A link may take its time for each.
static bool queue_calls(const struct ht_delivery *d, unsigned n) {
	return d->spool != NULL && n % 64 == 63 && ht_queue_is_half_full(d->queue);
}

// Gives some, and has the link send. HT_OK: there is more to do at once; HT_SKIP: nothing to give;
// HT_MORE: the link has no room.
static enum ht_rc give_some(struct ht_delivery *d) {
	enum ht_rc rc = HT_OK;
	for (unsigned n = 0; n < TURN && rc == HT_OK && !queue_calls(d, n); n++)
		rc = give_next(d);
	if (rc != HT_ERROR && through_spool(d) && spool_some(d) && rc == HT_SKIP)
		rc = HT_OK;
	// A link that waits for more to fill a message would never settle what fills the window.
	const int64_t begun = ht_clock_ns(CLOCK_MONOTONIC);
	if (rc == HT_ERROR
	    || d->ops->poll(d->link, rc != HT_OK, rc == HT_MORE ? SOON_MS : 0) == HT_ERROR) {
		broke(d);
		return HT_OK;
	}
	const uint64_t unsettled = d->unsettled + d->spool_unsettled;
	delivery_settle(d);
	if (rc == HT_MORE && unsettled == d->unsettled + d->spool_unsettled
	    && ht_clock_ns(CLOCK_MONOTONIC) - begun < HT_NS_PER_MS)
		return HT_MORE;
	return rc == HT_SKIP ? HT_SKIP : HT_OK;
}

// --- the thread ---------------------------------------------------------------------------------

// pause_for waits until something may be to be done: the end, or, if `queue`, what comes from
// there. ht_delivery_end sets the deadline before it signals under the lock.
static void pause_for(struct ht_delivery *d, int64_t ns, bool queue) {
	struct timespec until;
	const int64_t end = ht_clock_ns(CLOCK_MONOTONIC) + ns;
	until.tv_sec = (time_t)(end / HT_NS_PER_S);
	until.tv_nsec = (long)(end % HT_NS_PER_S);
	pthread_mutex_lock(&d->lock);
	atomic_store_explicit(&d->sleeping, queue, memory_order_relaxed);
	ht_queue_fence();
	if (!queue || ht_queue_is_empty(d->queue))
		(void)pthread_cond_timedwait(&d->wake, &d->lock, &until);
	atomic_store_explicit(&d->sleeping, false, memory_order_relaxed);
	pthread_mutex_unlock(&d->lock);
}

static const char *what_of_records(const struct ht_delivery *d) {
	if (d->spool_refuses)
		return "wait: ";
	if (d->spool != NULL)
		return "go to the spool";
	return d->block ? "wait" : "wait as far as there is room";
}

static void say_state(struct ht_delivery *d, bool is_away) {
	const char *error = d->ops->error(d->link);
	pthread_mutex_lock(&d->lock);
	if (is_away)
		snprintf(
			d->said, sizeof(d->said), "%s; records %s%s",
			error != NULL ? error : d->options->to, what_of_records(d),
			d->spool_refuses ? d->spool_error : ""
		);
	else
		snprintf(d->said, sizeof(d->said), "%s: is back", d->options->to);
	d->has_said = true;
	pthread_mutex_unlock(&d->lock);
}

// Whoever puts records waits for this output, for too long not to be told why.
static void say_held_up(struct ht_delivery *d) {
	const char *error = d->state != LINK_UP ? d->ops->error(d->link) : NULL;
	const uint64_t records = __atomic_load_n(&d->ctr[HT_DELIVERY_RECORDS], __ATOMIC_RELAXED);
	const uint64_t lost = __atomic_load_n(&d->ctr[HT_DELIVERY_LOST], __ATOMIC_RELAXED);
	const uint64_t there
		= records + d->ctr[HT_DELIVERY_RECOVERED] - lost - d->ctr[HT_DELIVERY_DELIVERED];
	pthread_mutex_lock(&d->lock);
	snprintf(
		d->said, sizeof(d->said), "%s%s; it holds up all others, %llu records wait for it",
		error != NULL ? error : d->options->to,
		error != NULL	      ? ""
		: d->state == LINK_UP ? ": is slow"
				      : ": no answer yet",
		(unsigned long long)there
	);
	d->has_said = true;
	pthread_mutex_unlock(&d->lock);
}

// One line when it is away, when it holds up all, and when it is back, as far as that is not too
// often.
static void say(struct ht_delivery *d, int64_t now) {
	const bool is_away = d->state != LINK_UP && d->failures > 0;
	const bool held_up = now < atomic_load_explicit(&d->held_up_until, memory_order_relaxed)
			     && atomic_load_explicit(&d->deadline, memory_order_relaxed) == 0;
	if (d->told_at != 0 && now - d->told_at < SAY_NS)
		return;
	if (is_away != d->told_away && (is_away || d->state == LINK_UP)) {
		say_state(d, is_away);
		d->told_away = is_away;
		d->told_held_up = false;
	} else if (held_up && !d->told_held_up) {
		say_held_up(d);
		d->told_held_up = true;
	} else {
		return;
	}
	d->told_at = now;
}

static void wake_putter(struct ht_delivery *d) {
	ht_queue_fence();
	if (!atomic_load_explicit(&d->waiting, memory_order_relaxed))
		return;
	pthread_mutex_lock(&d->lock);
	pthread_cond_signal(&d->room);
	pthread_mutex_unlock(&d->lock);
}

// Nothing is left to do, or no time.
static bool is_over(struct ht_delivery *d, bool nothing_to_give) {
	const int64_t deadline = atomic_load_explicit(&d->deadline, memory_order_acquire);
	if (deadline == 0)
		return false;
	if (ht_clock_ns(CLOCK_MONOTONIC) >= deadline)
		return true;
	if (d->wants_spool || d->has_item || !ht_queue_is_empty(d->queue))
		return false;
	if (d->spool != NULL && d->state != LINK_UP)
		return d->failures > 0 && d->window.num == 0; // the next run sends it
	if (!d->ops->url)
		return nothing_to_give; // what is not settled now was torn: the disk is full
	return d->unsettled + d->spool_unsettled + d->window.num == 0 && !delivery_spool_busy(d);
}

// got_spool tells that there is nothing to wait for any more: whoever had the spool has left it, or
// it cannot be opened at all.
static bool got_spool(struct ht_delivery *d, int64_t now) {
	char err[256];
	const enum ht_rc rc = delivery_spool_open(d, err, sizeof(err));
	if (rc == HT_MORE)
		return false;
	d->wants_spool = false;
	if (rc == HT_OK)
		return true;
	pthread_mutex_lock(&d->lock);
	snprintf(d->said, sizeof(d->said), "%s: goes on without a spool: %s", d->options->to, err);
	d->has_said = true;
	pthread_mutex_unlock(&d->lock);
	d->told_at = now;
	return true;
}

// False: there is more to do at once.
static bool turn(struct ht_delivery *d) {
	const int64_t now = ht_clock_ns(CLOCK_MONOTONIC);
	bool busy = false, no_room = false;
	atomic_fetch_add_explicit(&d->turns, 1, memory_order_relaxed);
	if (d->wants_spool && !got_spool(d, now)) {
		pause_for(d, 20ll * HT_NS_PER_MS, false);
		return true;
	}
	const bool idle = !d->has_item && ht_queue_is_empty(d->queue);
	if (connected(d, now, idle || d->spool == NULL ? SOON_MS : 0)) {
		const enum ht_rc rc = give_some(d);
		busy = rc == HT_OK;
		no_room = rc == HT_MORE;
	} else if (d->spool != NULL) {
		busy = spool_some(d);
	}
	atomic_store_explicit(&d->dead, d->ops->is_dead(d->link), memory_order_relaxed);
	wake_putter(d);
	say(d, now);
	if (busy)
		return false;
	if (no_room)
		pause_for(d, HT_NS_PER_MS, false);
	else if (d->state == LINK_CONNECTING)
		pause_for(d, HT_NS_PER_MS, d->spool != NULL);
	else if (d->state == LINK_AWAY)
		pause_for(
			d, d->retry_at - now < WAIT_NS ? d->retry_at - now : WAIT_NS,
			d->spool != NULL && !d->has_item
		);
	else
		pause_for(
			d, d->unsettled + d->spool_unsettled > 0 ? SOON_MS * HT_NS_PER_MS : WAIT_NS,
			!delivery_spool_busy(d)
		);
	return !no_room;
}

void *delivery_run(void *delivery) {
	struct ht_delivery *d = delivery;
	pthread_setname_np(pthread_self(), "output");
	while (!is_over(d, turn(d)))
		;
	delivery_close(d);
	return NULL;
}

// --- without it ---------------------------------------------------------------------------------

static bool given_up(const struct ht_delivery *d) {
	return atomic_load_explicit(&d->give_up, memory_order_relaxed)
	       || (d->interrupted != NULL && *d->interrupted);
}

void delivery_give_now(struct ht_delivery *d, const struct ht_record *r) {
	enum ht_rc rc = HT_ERROR;
	if (d->stamped) {
		d->record = *r;
		delivery_stamp(d, &d->record, d->number);
		r = &d->record;
	}
	// Nearly always it is up, and a look at the clock for each record would cost.
	while (d->state != LINK_UP && !connected(d, ht_clock_ns(CLOCK_MONOTONIC), WAIT_MS)
	       && d->state == LINK_CONNECTING && !given_up(d))
		;
	while (d->state == LINK_UP && (rc = d->ops->give(d->link, r)) == HT_MORE && !given_up(d))
		if ((rc = d->ops->poll(d->link, true, WAIT_MS)) == HT_ERROR)
			break;
	if (rc == HT_OK) {
		d->unsettled++;
		return;
	}
	delivery_lose(
		d, rc == HT_MORE ? HT_DELIVERY_LOST_QUEUE_FULL : HT_DELIVERY_LOST_UNREACHABLE, 1
	);
	if (rc == HT_ERROR && d->state == LINK_UP)
		broke(d);
}

void delivery_flush_now(struct ht_delivery *d) {
	if (d->state == LINK_UP && d->ops->poll(d->link, true, 0) == HT_ERROR)
		broke(d);
	else
		delivery_settle(d);
}

// --- the end ------------------------------------------------------------------------------------

static enum ht_delivery_counter not_spooled(enum ht_rc rc) {
	return rc == HT_FULL ? HT_DELIVERY_LOST_SPOOL_FULL : HT_DELIVERY_LOST_SPOOL_FAILED;
}

// What is on its way, as far as it is known: it may have arrived.
static void close_window(struct ht_delivery *d) {
	const enum ht_delivery_counter why
		= d->ops->url ? HT_DELIVERY_LOST_UNREACHABLE : HT_DELIVERY_LOST_REFUSED;
	if (d->spool != NULL)
		delivery_spool_rewind(d);
	if (!d->ops->again && d->unsettled > 0)
		delivery_lose(d, why, d->unsettled);
	d->unsettled = 0;
	window_rewind(&d->window);
	const enum ht_rc rc = d->spool != NULL ? delivery_spool_move(d) : HT_OK;
	if (d->window.num > 0)
		delivery_lose(d, d->spool != NULL ? not_spooled(rc) : why, d->window.num);
}

static void close_queue(struct ht_delivery *d) {
	while (d->queue != NULL && want_item(d)) {
		delivery_stamp(d, d->item.record, d->item.number);
		const enum ht_rc rc
			= d->spool != NULL ? delivery_spool_put(d, d->item.record) : HT_OK;
		if (d->spool == NULL)
			delivery_lose(d, HT_DELIVERY_LOST_UNREACHABLE, 1);
		else if (rc != HT_OK)
			delivery_lose(d, not_spooled(rc), 1);
		d->has_item = false;
	}
}

// Errors of links begin with the output's name, as the verdict does.
static const char *without_name(const struct ht_delivery *d, const char *error) {
	const size_t n = strlen(d->options->to);
	return strncmp(error, d->options->to, n) == 0 && strncmp(error + n, ": ", 2) == 0
		       ? error + n + 2
		       : error;
}

static void give_verdict(struct ht_delivery *d) {
	const char *error = d->ops->error(d->link);
	const char *sep = " (";
	size_t n = 0;
	// A file says how many, and why; or that it could not be closed.
	const bool of_file = !d->ops->url && error != NULL
			     && d->ctr[HT_DELIVERY_LOST] == d->ctr[HT_DELIVERY_LOST_REFUSED];
	if (d->settled_too_many > 0)
		snprintf(
			d->verdict, sizeof(d->verdict),
			"%.400s: a fault: %llu records settled that were not given", d->options->to,
			(unsigned long long)d->settled_too_many
		);
	else if (of_file)
		snprintf(d->verdict, sizeof(d->verdict), "%s", error);
	if (d->ctr[HT_DELIVERY_LOST] == 0 || d->verdict[0] != '\0')
		return;
	n += (size_t)snprintf(
		d->verdict, sizeof(d->verdict), "%.400s: %llu record%s lost", d->options->to,
		(unsigned long long)d->ctr[HT_DELIVERY_LOST],
		d->ctr[HT_DELIVERY_LOST] == 1 ? "" : "s"
	);
	for (unsigned i = HT_DELIVERY_LOST + 1; i < HT_DELIVERY_SPOOL_LEFT; i++)
		if (d->ctr[i] > 0) {
			n += (size_t)snprintf(
				d->verdict + n, sizeof(d->verdict) - n, "%s%s %llu", sep,
				ht_delivery_counters[i].name + strlen("lost_"),
				(unsigned long long)d->ctr[i]
			);
			sep = ", ";
		}
	if (d->ctr[HT_DELIVERY_LOST_SPOOL_FAILED] > 0 && d->spool_error[0] != '\0')
		error = d->spool_error;
	snprintf(
		d->verdict + n, sizeof(d->verdict) - n, ")%s%s", error != NULL ? "; " : "",
		error != NULL ? without_name(d, error) : ""
	);
}

void delivery_close(struct ht_delivery *d) {
	if (d->wants_spool) // what is there is to go into it
		(void)got_spool(d, ht_clock_ns(CLOCK_MONOTONIC));
	if (d->state == LINK_UP)
		(void)d->ops->poll(d->link, true, 0); // what it could not send is counted next
	// A file system may find out only when a file is closed that it has no room.
	if (!d->ops->url)
		d->ops->break_off(d->link);
	delivery_settle(d);
	close_window(d);
	close_queue(d);
	delivery_spool_account(d);
	give_verdict(d);
	// Closing may take its time: all that is told is in its counts by now.
	ht_spool_close(d->spool);
	d->spool = NULL;
	d->ops->close(d->link);
	d->link = NULL;
	atomic_store_explicit(&d->ended, true, memory_order_release);
}
