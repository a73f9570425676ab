// SPDX-License-Identifier: BSD-3-Clause

#include "engine.h"

#include "engine_int.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOOK_MS 250 // between two looks at the threads
#define WORKERS_END_S 10 // how long they may take to read what is there
#define OUTPUTS_LAST_S 2 // that outputs have in any case, when the exporter has held them up
#define EXTEND_S 10 // how much longer than now the manager is to wait, told each second

void engine_say(struct engine *e, const char *format, ...) {
	// Nobody may read what is said: that must not stop the first thread, which looks after all.
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
	va_list ap;
	if (poll(&p, 1, 0) == 0)
		return;
	summary_clear(&e->sum);
	va_start(ap, format);
	fputs("hellotap: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
}

// --- the ledger ---------------------------------------------------------------------------------

static void count_captures(const struct engine *e, struct ledger *l) {
	if (e->sources.dpdk != NULL) {
		l->sources = ht_dpdk_ports(e->sources.dpdk);
		for (unsigned i = 0; i < e->num_workers; i++) {
			struct ht_capture_stats s;
			ht_capture_dpdk.stats(ht_dpdk_worker(e->sources.dpdk, i), &s);
			l->capture.frames += s.frames;
			l->capture.filtered += s.filtered;
			l->capture.bytes_read += s.bytes_read;
		}
		for (unsigned i = 0; i < l->sources; i++)
			ht_stats_sum(
				&l->capture.if_dropped,
				&ht_dpdk_port_block(e->sources.dpdk, i)[HT_DPDK_PORT_MISSED], 1
			);
		return;
	}
	l->sources = e->o->interfaces.num;
	for (unsigned i = 0; i < e->num_workers; i++)
		for (unsigned k = 0; k < e->workers[i].num_captures; k++) {
			const uint64_t *const block = e->workers[i].interface[k];
#define X(id, name, field, help) \
	l->capture.field += __atomic_load_n(&block[INTERFACE_##id], __ATOMIC_RELAXED);
			INTERFACE_COUNTERS(X)
#undef X
		}
}

// All but the sinks: those are the exporter's while it runs.
void engine_count(const struct engine *e, struct ledger *l) {
	*l = (struct ledger){.live = true, .workers = e->num_workers, .dpdk = e->sources.dpdk};
	count_captures(e, l);
	for (unsigned i = 0; i < e->num_workers; i++) {
		ht_stats_sum(l->sensor, ht_sensor_counters(e->workers[i].sensor), HT_NUM_CTRS);
		ht_queue_count(e->workers[i].queue, l->queue);
		ledger_watch(l, &e->workers[i].watch);
	}
	ledger_lists(l, e->lists);
	ledger_pipeline(l, &e->exporter.pipeline);
}

void engine_announce(struct engine *e, bool aloud) {
	const struct options *o = e->o;
	char status[256];
	size_t n = (size_t)snprintf(status, sizeof(status), "listening on");
	const unsigned num
		= e->sources.dpdk != NULL ? ht_dpdk_ports(e->sources.dpdk) : o->interfaces.num;
	for (unsigned i = 0; i < num && n < sizeof(status); i++)
		n += (size_t)snprintf(
			status + n, sizeof(status) - n, "%s %s", i > 0 ? "," : "",
			e->sources.dpdk != NULL ? ht_dpdk_port_name(e->sources.dpdk, i)
						: o->interfaces.v[i]
		);
	if (aloud && !o->quiet)
		engine_say(e, "%s", status);
	(void)notify_ready(&e->notify, status);
}

// --- looking after it ---------------------------------------------------------------------------

// Whether a thread takes no turns any more. It is told once, and when it goes on.
static bool
stalled(struct engine *e, const char *who, uint64_t turns, uint64_t *seen, int64_t *at, bool *told
) {
	const int64_t now = ht_clock_ns(CLOCK_MONOTONIC);
	if (turns != *seen || *at == 0) {
		if (*told)
			engine_say(e, "%s goes on", who);
		*seen = turns;
		*at = now;
		*told = false;
	} else if (!*told && now - *at > e->o->service.stall_s * HT_NS_PER_S) {
		engine_say(e, "%s is stalled: no turn for %u s", who, e->o->service.stall_s);
		*told = true;
	}
	return *told;
}

// All workers that share an interface see the same: the first is asked.
static void look_at_links(struct engine *e) {
	const struct worker *w = &e->workers[0];
	for (unsigned i = 0; w->dpdk == NULL && i < w->num_captures; i++) {
		const bool up = __atomic_load_n(&w->up[i], __ATOMIC_RELAXED);
		const bool gone = atomic_load_explicit(&w->ended, memory_order_relaxed) >> i & 1;
		if (up == !(e->down >> i & 1) || gone)
			continue;
		e->down ^= 1u << i;
		engine_say(e, "%s: link %s", e->o->interfaces.v[i], up ? "up" : "down");
	}
}

void engine_say_line(void *engine, const char *line) {
	engine_say(engine, "%s", line);
}

// An output that hangs is no reason to start the program again: all others, and the capture, go on.
static void look_at_outputs(struct engine *e) {
	if (e->handed)
		return; // which ones there are is about to change
	struct sinks *k = e->exporter.sinks;
	sinks_tell(k, engine_say_line, e);
	for (unsigned i = 0; i < k->num; i++) {
		struct sink *s = &k->v[i];
		char who[256];
		snprintf(who, sizeof(who), "the output %s", s->name);
		if (s->d != NULL && ht_delivery_turns(s->d) > 0)
			(void)stalled(
				e, who, ht_delivery_turns(s->d), &s->seen_turns, &s->seen_at,
				&s->stalled
			);
	}
}

void engine_look(struct engine *e) {
	bool well = true;
	for (unsigned i = 0; i < e->num_workers; i++) {
		struct worker *w = &e->workers[i];
		char who[32];
		snprintf(who, sizeof(who), "worker %u", i);
		const uint64_t turns = __atomic_load_n(&w->ctr[WORKER_TURNS], __ATOMIC_RELAXED);
		if (!atomic_load_explicit(&w->done, memory_order_relaxed)
		    && stalled(e, who, turns, &w->seen_turns, &w->seen_at, &w->stalled))
			well = false;
		const unsigned failed = atomic_load_explicit(&w->failed, memory_order_acquire);
		for (unsigned k = 0; k < w->num_captures; k++) {
			// Each worker meets it; it is told once.
			if (!(failed >> k & 1) || (e->failed >> k & 1))
				continue;
			engine_say(e, "%s", w->error[k]);
			e->failed |= 1u << k;
			e->ok = false;
		}
	}
	struct exporter *x = &e->exporter;
	const uint64_t turns = atomic_load_explicit(&x->turns, memory_order_relaxed);
	if (stalled(e, "the thread that gives records to the outputs", turns, &x->seen_turns,
		    &x->seen_at, &x->stalled))
		well = false;
	look_at_outputs(e);
	if (well)
		(void)notify_alive(&e->notify);
}

static bool all_done(const struct engine *e) {
	for (unsigned i = 0; i < e->num_workers; i++)
		if (!atomic_load_explicit(&e->workers[i].done, memory_order_acquire))
			return false;
	return true;
}

static uint64_t empty_turns(const struct worker *w) {
	return __atomic_load_n(&w->ctr[WORKER_EMPTY], __ATOMIC_RELAXED);
}

// Whether each worker has looked for frames since there were some, and found none. One that did not
// get to it, on a machine that stands still, has not.
static bool all_found_none(const struct engine *e) {
	for (unsigned i = 0; i < e->num_workers; i++) {
		const struct worker *w = &e->workers[i];
		// The first may have begun before.
		if (!atomic_load_explicit(&w->done, memory_order_relaxed)
		    && empty_turns(w) < w->seen_empty + 2)
			return false;
	}
	return true;
}

static bool idle_for_too_long(struct engine *e, uint64_t frames) {
	const int64_t now = ht_clock_ns(CLOCK_MONOTONIC);
	if (frames != e->frames || e->frames_at == 0) {
		e->frames = frames;
		e->frames_at = now;
		for (unsigned i = 0; i < e->num_workers; i++)
			e->workers[i].seen_empty = empty_turns(&e->workers[i]);
	}
	const uint32_t limit = e->o->service.end_after_idle_s;
	return limit > 0 && now - e->frames_at > limit * HT_NS_PER_S && all_found_none(e);
}

// --- the run ------------------------------------------------------------------------------------

static void watch(struct engine *e, const sigset_t *signals) {
	int64_t looked = 0;
	while (!all_done(e)) {
		const struct timespec wait = {.tv_nsec = LOOK_MS * 1000000L};
		const int sig = sigtimedwait(signals, NULL, &wait);
		struct ledger l;
		if (sig == SIGINT || sig == SIGTERM)
			return;
		if (sig == SIGHUP)
			engine_reload(e);
		engine_look(e);
		look_at_links(e);
		lists_turn(e->lists, e->o, engine_say_line, e);
		engine_retire(e);
		if (!e->handed
		    && (e->exporter.sinks->before != NULL || !sinks_started(e->exporter.sinks)))
			engine_leave(e);
		if (e->reopen)
			engine_reopen(e);
		if (atomic_load_explicit(&e->exporter.dead, memory_order_relaxed)) {
			e->ok = false;
			return;
		}
		const int64_t now = ht_clock_ns(CLOCK_MONOTONIC);
		if (e->sources.dpdk != NULL && now - looked >= HT_NS_PER_S) {
			const unsigned gone = ht_dpdk_look(e->sources.dpdk);
			e->ok = e->ok && gone == 0;
			if (gone == ht_dpdk_ports(e->sources.dpdk))
				return;
			looked = now;
		}
		engine_count(e, &l);
		summary_progress(&e->sum, "live", &l.capture);
		if (idle_for_too_long(e, l.capture.frames))
			return;
	}
}

// A moment's wait while it stops. It may take as long as outputs are set to linger.
static void stopping(struct engine *e) {
	const struct timespec t = {.tv_nsec = 1000000};
	const int64_t now = ht_clock_ns(CLOCK_MONOTONIC);
	if (now - e->extended_at >= HT_NS_PER_S) {
		(void)notify_extend(&e->notify, EXTEND_S * UINT64_C(1000000));
		e->extended_at = now;
	}
	nanosleep(&t, NULL);
}

static void stopping_ctx(void *engine) {
	stopping(engine);
}

static bool wait_until(struct engine *e, const atomic_bool *done, int64_t deadline) {
	while (!atomic_load_explicit(done, memory_order_acquire)) {
		if (ht_clock_ns(CLOCK_MONOTONIC) > deadline)
			return false;
		stopping(e);
	}
	return true;
}

// When outputs are to have ended: the exporter, which one of them may hold up, and they themselves.
static int64_t outputs_deadline(const struct engine *e, int64_t begun) {
	const bool known = !e->handed && e->exporter.sinks != NULL;
	const uint32_t linger = known ? sinks_linger(e->exporter.sinks) : 0;
	return begun + (linger + SINKS_END_S) * HT_NS_PER_S;
}

// An output that blocks holds the exporter up for as long as it may take to deliver what is there;
// then it is told to wait no more.
static bool end_exporter(struct engine *e, int64_t begun) {
	struct exporter *x = &e->exporter;
	struct sinks *k = e->handed ? NULL : x->sinks; // else which ones it has is not known
	bool ended = wait_until(e, &x->done, outputs_deadline(e, begun));
	if (!ended && k != NULL) {
		sinks_give_up(k);
		ended = wait_until(e, &x->done, ht_clock_ns(CLOCK_MONOTONIC) + HT_NS_PER_S);
	}
	if (ended)
		pthread_join(x->thread, NULL);
	return ended;
}

// All that the outputs have is delivered, as far as they take it in time. Those that wait for one
// of their name end after it.
static void end_outputs(struct engine *e, int64_t begun) {
	struct sinks *k = e->exporter.sinks;
	if (k == NULL || e->dropped_exporter)
		return;
	int64_t latest = outputs_deadline(e, begun);
	sinks_wait_until(k, latest);
	for (bool waits = true; waits;) {
		sinks_tell(k, engine_say_line, e);
		if (k->before != NULL)
			engine_leave(e);
		waits = sinks_left(k);
		if (waits)
			stopping(e);
	}
	e->dropped_output = k->before != NULL;
	const int64_t least = ht_clock_ns(CLOCK_MONOTONIC) + OUTPUTS_LAST_S * HT_NS_PER_S;
	latest = latest > least ? latest : least;
	sinks_end(k);
	sinks_wait_until(k, latest);
	while (!sinks_ended(k))
		stopping(e);
	sinks_tell(k, engine_say_line, e);
	e->dropped_output
		= !sinks_close(k, k, telemetry_sink_ends, e->telemetry) || e->dropped_output;
}

// What is there is read and written, then the threads end. One that does not is left behind.
static void stop(struct engine *e) {
	(void)notify_stopping(&e->notify, "reading what is there");
	const int64_t begun = ht_clock_ns(CLOCK_MONOTONIC);
	if (e->sources.dpdk != NULL)
		ht_dpdk_stop(e->sources.dpdk);
	for (unsigned i = 0; i < e->num_workers; i++)
		atomic_store_explicit(&e->workers[i].stop, true, memory_order_relaxed);
	for (unsigned i = 0; i < e->num_workers; i++) {
		struct worker *w = &e->workers[i];
		if (!w->started)
			continue;
		if (wait_until(e, &w->done, begun + WORKERS_END_S * HT_NS_PER_S)) {
			pthread_join(w->thread, NULL);
		} else {
			engine_say(e, "worker %u does not end, and is left behind", i);
			e->dropped_worker = true;
		}
	}
	engine_look(e);
	struct exporter *x = &e->exporter;
	atomic_store_explicit(&x->stop, true, memory_order_release);
	const int64_t gives = ht_clock_ns(CLOCK_MONOTONIC);
	if (x->started && !end_exporter(e, gives)) {
		engine_say(
			e, "records cannot be given to the outputs, and are lost: one takes nothing"
		);
		e->dropped_exporter = true;
	}
	engine_retire(e);
	end_outputs(e, gives);
	if (e->sources.dpdk != NULL)
		(void)ht_dpdk_look(e->sources.dpdk);
	e->ok = e->ok && !e->dropped_worker && !e->dropped_exporter && !e->dropped_output;
}

static void tell(struct engine *e) {
	struct ledger l;
	struct sinks *k = e->exporter.sinks;
	if (!e->dropped_exporter) {
		const enum pipeline_saved saved
			= pipeline_save(&e->exporter.pipeline, stopping_ctx, e);
		e->dropped_saver = saved == PIPELINE_SAVE_HANGS;
		e->ok = e->ok && saved == PIPELINE_SAVED;
	}
	engine_count(e, &l);
	ledger_sinks(&l, k);
	if (e->dropped_exporter || e->dropped_output)
		ledger_give_up(&l, k);
	l.left = l.queue[HT_QUEUE_RECORDS] - l.queue[HT_QUEUE_TAKEN]
		 - l.queue[HT_QUEUE_LOST_QUEUE_FULL] - l.queue[HT_QUEUE_LOST_TOO_LONG];
	if (!e->dropped_exporter)
		l.left = 0;
	summary_clear(&e->sum);
	if (!e->o->quiet)
		summary_print(&e->sum, &l, stderr);
	summary_lost(&l, stderr);
	if (e->o->stats_json) {
		ledger_json(&l, stderr);
	}
	const bool lost = l.queue[HT_QUEUE_LOST_QUEUE_FULL] + l.queue[HT_QUEUE_LOST_TOO_LONG] > 0;
	e->ok = e->ok && !k->failed && !lost;
}

bool engine_run(struct options *o, enum ht_rc *status) {
	struct engine *e = calloc(1, sizeof(*e));
	sigset_t signals;
	*status = HT_ERROR;
	if (e == NULL) {
		fputs("hellotap: no memory\n", stderr);
		return false;
	}
	e->o = o;
	e->ok = true;
	e->notify.fd = -1;
	// Signals are this thread's: all others inherit that they are blocked.
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	// On one terminal a progress line and records of another thread would mix.
	summary_begin(&e->sum, !o->quiet && isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO));
	bool ok = engine_open(e, status);
	if (ok) {
		ok = telemetry_start(
			     &e->telemetry, o, e->workers, e->num_workers, e->sources.dpdk,
			     &e->exporter.pipeline, e->lists
		     )
		     && engine_start(e);
		if (ok) {
			engine_announce(e, true);
			watch(e, &signals);
		}
		stop(e);
		if (ok)
			tell(e);
		ok = ok && e->ok;
	}
	engine_close(e);
	return ok;
}
