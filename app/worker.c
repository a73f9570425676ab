// SPDX-License-Identifier: BSD-3-Clause

#include "worker.h"

#include "clock.h"
#include "privileges.h"
#include "seccomp.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

#define FRAMES 256 // a turn of one capture
#define WAIT_MS 100 // for a frame
#define LOOK_EVERY 1024 // turns between two looks at the clock, where frames keep coming

#define X(id, name, field, help) {"interface", name, help},
const struct ht_counter interface_counters[NUM_INTERFACE_COUNTERS] = {INTERFACE_COUNTERS(X)};
#undef X

#define X(id, name, help) {"worker", name, help},
const struct ht_counter worker_counters[NUM_WORKER_COUNTERS] = {WORKER_COUNTERS(X)};
#undef X

void worker_put(void *user, struct ht_record *r) {
	struct worker *w = user;
	ht_findings_fill(w->policy, r);
	const struct ht_record *const event = watch_hello(&w->watch, r);
	ht_queue_put(w->queue, r);
	if (event != NULL)
		ht_queue_put(w->queue, event);
}

static const struct ht_capture_ops *ops_of(const struct worker *w) {
	return w->dpdk != NULL ? &ht_capture_dpdk : &ht_capture_live;
}

static bool ended(const struct worker *w, unsigned i) {
	return atomic_load_explicit(&w->ended, memory_order_relaxed) >> i & 1;
}

// The interfaces' counters, for others to read.
static void publish(struct worker *w) {
	for (unsigned i = 0; w->dpdk == NULL && i < w->num_captures; i++) {
		struct ht_capture_stats s;
		ops_of(w)->stats(w->capture[i], &s);
#define X(id, name, field, help) \
	__atomic_store_n(&w->interface[i][INTERFACE_##id], s.field, __ATOMIC_RELAXED);
		INTERFACE_COUNTERS(X)
#undef X
		__atomic_store_n(&w->up[i], !s.down && !ended(w, i), __ATOMIC_RELAXED);
	}
}

static void end(struct worker *w, unsigned i) {
	const char *error = ops_of(w)->error(w->capture[i]);
	if (error != NULL) {
		snprintf(w->error[i], sizeof(w->error[i]), "%s", error);
		atomic_fetch_or_explicit(&w->failed, 1u << i, memory_order_release);
	}
	atomic_fetch_or_explicit(&w->ended, 1u << i, memory_order_release);
	publish(w);
}

// One batch of each capture. False: nothing was there.
static bool turn(struct worker *w, struct ht_frame *frames) {
	const struct ht_capture_ops *ops = ops_of(w);
	bool some = false;
	watch_begin(&w->watch);
	for (unsigned i = 0; i < w->num_captures; i++) {
		if (ended(w, i))
			continue;
		const unsigned n = ops->read(w->capture[i], frames, FRAMES);
		if (n > 0) {
			ht_sensor_run(w->sensor, frames, n);
			ops->release(w->capture[i]);
			some = true;
		} else if (ops->ended(w->capture[i])) {
			end(w, i);
		}
	}
	ht_queue_flush(w->queue);
	return some;
}

static void idle(struct worker *w, unsigned empty) {
	watch_quiet(&w->watch);
	if (w->dpdk != NULL) {
		ht_dpdk_idle(w->capture[0], empty);
		return;
	}
	struct pollfd p[MAX_INTERFACES];
	unsigned n = 0;
	for (unsigned i = 0; i < w->num_captures; i++)
		if (!ended(w, i))
			p[n++] = (struct pollfd){
				.fd = ops_of(w)->fd(w->capture[i]),
				.events = POLLIN,
			};
	const bool stopping = atomic_load_explicit(&w->stop, memory_order_relaxed);
	(void)poll(p, n, stopping ? 10 : WAIT_MS);
}

// Once a second: what time it is, for what fell silent.
static void housekeep(struct worker *w, int64_t *kept) {
	const int64_t now = ht_clock_ns(CLOCK_MONOTONIC_COARSE);
	if (now - *kept < HT_NS_PER_S)
		return;
	*kept = now;
	const int64_t time
		= w->dpdk != NULL ? ht_dpdk_now(w->capture[0]) : ht_clock_ns(CLOCK_REALTIME);
	watch_begin(&w->watch); // it may have been idle
	if (time != INT64_MIN)
		ht_sensor_tick(w->sensor, time);
	publish(w);
}

static bool all_ended(const struct worker *w) {
	return atomic_load_explicit(&w->ended, memory_order_relaxed) == (1u << w->num_captures) - 1;
}

static void run(struct worker *w) {
	static _Thread_local struct ht_frame frames[FRAMES];
	bool stopping = false;
	unsigned empty = 0;
	int64_t kept = 0;
	for (uint64_t turns = 1; !all_ended(w); turns++) {
		if (!stopping && atomic_load_explicit(&w->stop, memory_order_relaxed)) {
			stopping = true;
			for (unsigned i = 0; w->dpdk == NULL && i < w->num_captures; i++)
				if (!ended(w, i))
					ops_of(w)->stop(w->capture[i]);
		}
		const bool some = turn(w, frames);
		ht_stats_count(&w->ctr[WORKER_TURNS], 1);
		if (some) {
			empty = 0;
		} else {
			ht_stats_count(&w->ctr[WORKER_EMPTY], 1);
			idle(w, ++empty);
		}
		if (turns % LOOK_EVERY == 0 || (!some && (w->dpdk == NULL || empty % 64 == 1)))
			housekeep(w, &kept);
	}
	watch_begin(&w->watch);
	ht_sensor_finish(w->sensor);
	watch_quiet(&w->watch);
	ht_queue_finish(w->queue);
}

static void pin(const struct worker *w) {
	char name[16];
	snprintf(name, sizeof(name), "worker-%u", w->index);
	pthread_setname_np(pthread_self(), name);
	if (w->cpu < 0)
		return;
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((unsigned)w->cpu, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0)
		fprintf(stderr, "hellotap: worker %u: cannot be put on CPU %d\n", w->index, w->cpu);
}

// The worker cannot do what it is for.
static void fail(struct worker *w, const char *why) {
	snprintf(w->error[0], sizeof(w->error[0]), "worker %u: %s", w->index, why);
	atomic_fetch_or_explicit(&w->failed, 1, memory_order_release);
	if (w->dpdk != NULL)
		ht_dpdk_absent(w->dpdk);
}

static void *work(void *arg) {
	struct worker *w = arg;
	char err[256];
	pin(w);
	if (w->dpdk != NULL && ht_dpdk_thread(w->dpdk) != HT_OK) {
		fail(w, "DPDK takes no more threads");
	} else if (w->no_rights && privileges_none(err, sizeof(err)) != HT_OK) {
		fail(w, err);
	} else if (w->seccomp && seccomp_parse_thread(err, sizeof(err)) == HT_ERROR) {
		fail(w, err); // it was asked for: nothing is parsed without it
	} else {
		run(w);
		if (w->dpdk != NULL)
			ht_dpdk_thread_end(w->dpdk);
	}
	atomic_store_explicit(&w->done, true, memory_order_release);
	return NULL;
}

bool worker_start(struct worker *w) {
	w->started = pthread_create(&w->thread, NULL, work, w) == 0;
	return w->started;
}
