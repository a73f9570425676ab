// SPDX-License-Identifier: BSD-3-Clause

#include "exporter.h"

#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TURN 1024 // records of one queue before the next one's
#define SHORT_NS 200000 // a sleep when there was nothing; it grows to LONG_NS
#define LONG_NS 5000000

static void flush(struct exporter *x) {
	sinks_flush(x->sinks);
	atomic_store_explicit(&x->dead, sinks_all_dead(x->sinks), memory_order_relaxed);
}

static void give(struct exporter *x, struct ht_record *r) {
	if (x->tally != NULL && (r->has & HT_HAS(complete))) {
		const char *values[3] = {
			r->has & HT_HAS(protocol) ? r->protocol : NULL,
			r->has & HT_HAS(tls_version) ? r->tls_version : NULL,
			r->has & HT_HAS(service) ? r->service : NULL,
		};
		ht_tally_count(x->tally, values, 1);
	}
	pipeline_put(&x->pipeline, r);
}

// Some records of each queue, and of those that the pipeline holds. False: there were none.
static bool turn(struct exporter *x) {
	bool some = false;
	for (unsigned i = 0; i < x->num_workers; i++) {
		struct ht_record *r;
		for (unsigned n = 0; n < TURN && (r = ht_queue_get(x->workers[i].queue)) != NULL;
		     n++) {
			give(x, r);
			some = true;
		}
	}
	return pipeline_more(&x->pipeline) || some;
}

// The engine gives no others before it has taken the retired ones away.
static void change_sinks(struct exporter *x) {
	struct sinks *next = atomic_exchange_explicit(&x->next, NULL, memory_order_acq_rel);
	if (next == NULL)
		return;
	sinks_flush(x->sinks);
	struct sinks *const old = x->sinks;
	sinks_succeed(next, old);
	x->sinks = next;
	x->pipeline.sinks = next;
	atomic_store_explicit(&x->retired, old, memory_order_release);
}

static void run(struct exporter *x) {
	long sleep_ns = SHORT_NS;
	int64_t told = ht_clock_ns(CLOCK_MONOTONIC), ticked = told;
	for (;;) {
		// Read before the queues: what the workers put before they ended is there then.
		const bool last = atomic_load_explicit(&x->stop, memory_order_acquire);
		const bool some = turn(x);
		const int64_t now = ht_clock_ns(CLOCK_MONOTONIC);
		if (last && !some) {
			pipeline_finish(&x->pipeline);
		} else if (now - ticked >= HT_NS_PER_S) {
			ticked = now;
			pipeline_tick(&x->pipeline, now);
		}
		const int64_t interval
			= atomic_load_explicit(&x->stats_interval_s, memory_order_relaxed)
			  * HT_NS_PER_S;
		if (interval > 0 && (now - told >= interval || (last && !some))) {
			told = now;
			x->stats(x->engine, ht_clock_ns(CLOCK_REALTIME));
		}
		atomic_fetch_add_explicit(&x->turns, 1, memory_order_relaxed);
		change_sinks(x);
		flush(x);
		if (some) {
			sleep_ns = SHORT_NS;
			continue;
		}
		if (last)
			return;
		const struct timespec t = {.tv_nsec = sleep_ns};
		nanosleep(&t, NULL);
		if (sleep_ns < LONG_NS)
			sleep_ns *= 2;
	}
}

static void *export(void *arg) {
	struct exporter *x = arg;
	pthread_setname_np(pthread_self(), "exporter");
	run(x);
	atomic_store_explicit(&x->done, true, memory_order_release);
	return NULL;
}

bool exporter_start(struct exporter *x) {
	x->started = pthread_create(&x->thread, NULL, export, x) == 0;
	return x->started;
}
