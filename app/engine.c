// SPDX-License-Identifier: BSD-3-Clause

#include "engine.h"

#include "clock.h"
#include "config.h"
#include "exporter.h"
#include "notify.h"
#include "privileges.h"
#include "sources.h"
#include "telemetry.h"
#include "worker.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 250 // between two looks at the threads
#define WORKERS_END_S 10 // how long they may take to read what is there
#define EXPORTER_END_S 5 // how long it may take to write what is there

struct engine {
	struct options *o;
	unsigned num_workers;
	struct worker *workers;
	uint64_t offers[HT_SENSOR_OFFERS]; // the sensors', shared
	struct exporter exporter;
	struct sources sources;
	struct telemetry *telemetry;
	struct ht_option_texts outputs; // those in use
	char *output_names[MAX_SINKS];
	struct notify notify;
	struct summary sum;
	atomic_bool open; // all that the run reads and writes
	bool ok;
	bool dropped_exporter, dropped_worker; // did not end, and runs still
	bool handed; // the exporter has others to go on with, and has not given the old ones back
	bool reopen; // outputs are to be opened again when it has
	unsigned down; // bit i: interface i was told to be down
	unsigned failed; // captures whose error was told
	uint64_t frames; // at the last look
	int64_t frames_at;
};

__attribute__((format(printf, 2, 3))) static void say(struct engine *e, const char *format, ...) {
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
static void count(const struct engine *e, struct ledger *l) {
	*l = (struct ledger){.live = true, .workers = e->num_workers, .dpdk = e->sources.dpdk};
	count_captures(e, l);
	for (unsigned i = 0; i < e->num_workers; i++) {
		ht_stats_sum(l->sensor, ht_sensor_counters(e->workers[i].sensor), HT_NUM_CTRS);
		ht_queue_count(e->workers[i].queue, l->queue);
	}
}

// Called by the exporter.
static void stats_record(void *engine, int64_t ts, FILE *to) {
	const struct engine *e = engine;
	struct ledger l;
	count(e, &l);
	ledger_sinks(&l, e->exporter.sinks);
	ledger_json(&l, ts, false, to);
}

// --- setting up ---------------------------------------------------------------------------------

// Memory is reserved and not touched: more than there is shows only when the tables fill.
static void look_at_memory(struct engine *e) {
	const struct options *o = e->o;
	const uint64_t have = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGE_SIZE);
	const uint64_t each = ht_sensor_memory(&o->sensor) + ((uint64_t)o->workers.queue_mib << 20);
	if (each * o->workers.count > have)
		say(e,
		    "caps of %u worker%s, %" PRIu64
		    " MiB each, are more than this machine has (%" PRIu64
		    " MiB): full tables will end it",
		    o->workers.count, o->workers.count == 1 ? "" : "s", each >> 20, have >> 20);
}

static bool make_workers(struct engine *e) {
	const struct options *o = e->o;
	const struct ht_queue_params queue = {.bytes = o->workers.queue_mib << 20};
	e->num_workers = o->workers.count;
	e->workers = aligned_alloc(64, e->num_workers * sizeof(e->workers[0]));
	if (e->workers == NULL) {
		say(e, "no memory for %u workers", e->num_workers);
		return false;
	}
	memset(e->workers, 0, e->num_workers * sizeof(e->workers[0]));
	for (unsigned i = 0; i < e->num_workers; i++) {
		struct worker *w = &e->workers[i];
		struct ht_sensor_params p = o->sensor;
		p.emit = worker_put;
		p.offers = e->offers;
		p.user = w;
		w->index = i;
		w->cpu = i < o->workers.cpus.num ? (int)o->workers.cpus.v[i] : -1;
		for (unsigned k = 0; k < i; k++)
			if (w->cpu >= 0 && e->workers[k].cpu == w->cpu)
				say(e, "workers %u and %u share CPU %d", k, i, w->cpu);
		w->seccomp = o->service.seccomp;
		w->no_rights = o->service.user != NULL;
		for (unsigned k = 0; k < MAX_INTERFACES; k++)
			w->up[k] = 1;
		w->sensor = ht_sensor_new(&p);
		w->queue = ht_queue_new(&queue);
		if (w->sensor == NULL || w->queue == NULL) {
			say(e, "worker %u could not be made: no memory, or libcrypto refused", i);
			return false;
		}
	}
	return true;
}

static bool drop_privileges(struct engine *e) {
	const struct service_options *s = &e->o->service;
	char err[512];
	if (s->user == NULL)
		return true;
	if (privileges_drop(s->user, s->capabilities.v, s->capabilities.num, err, sizeof(err))
	    == HT_OK)
		return true;
	say(e, "%s", err);
	return false;
}

static bool start_workers(struct engine *e) {
	for (unsigned i = 0; i < e->num_workers; i++) {
		if (worker_start(&e->workers[i]))
			continue;
		say(e, "no thread for worker %u", i);
		for (; e->sources.dpdk != NULL && i < e->num_workers; i++)
			ht_dpdk_absent(e->sources.dpdk);
		return false;
	}
	return true;
}

static bool start(struct engine *e) {
	if (!start_workers(e))
		return false;
	e->exporter.workers = e->workers;
	e->exporter.num_workers = e->num_workers;
	e->exporter.ledger = stats_record;
	e->exporter.engine = e;
	e->exporter.tally = telemetry_tally(e->telemetry);
	e->exporter.stats_interval_s = e->o->stats_records ? e->o->stats_interval_s : 0;
	if (!exporter_start(&e->exporter)) {
		say(e, "no thread for the exporter");
		return false;
	}
	return true;
}

static void announce(struct engine *e, bool aloud) {
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
		say(e, "%s", status);
	(void)notify_ready(&e->notify, status);
}

// --- looking after it ---------------------------------------------------------------------------

// Whether a thread takes no turns any more. It is told once, and when it goes on.
static bool
stalled(struct engine *e, const char *who, uint64_t turns, uint64_t *seen, int64_t *at, bool *told
) {
	const int64_t now = clock_ns(CLOCK_MONOTONIC);
	if (turns != *seen || *at == 0) {
		if (*told)
			say(e, "%s goes on", who);
		*seen = turns;
		*at = now;
		*told = false;
	} else if (!*told && now - *at > e->o->service.stall_s * NS_PER_S) {
		say(e, "%s is stalled: no turn for %u s", who, e->o->service.stall_s);
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
		say(e, "%s: link %s", e->o->interfaces.v[i], up ? "up" : "down");
	}
}

static void look_at_threads(struct engine *e) {
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
			say(e, "%s", w->error[k]);
			e->failed |= 1u << k;
			e->ok = false;
		}
	}
	struct exporter *x = &e->exporter;
	const uint64_t turns = atomic_load_explicit(&x->turns, memory_order_relaxed);
	if (stalled(e, "the thread that writes records", turns, &x->seen_turns, &x->seen_at,
		    &x->stalled))
		well = false;
	if (well)
		(void)notify_alive(&e->notify);
}

static bool all_done(const struct engine *e) {
	for (unsigned i = 0; i < e->num_workers; i++)
		if (!atomic_load_explicit(&e->workers[i].done, memory_order_acquire))
			return false;
	return true;
}

static bool idle_for_too_long(struct engine *e, uint64_t frames) {
	const int64_t now = clock_ns(CLOCK_MONOTONIC);
	if (frames != e->frames || e->frames_at == 0) {
		e->frames = frames;
		e->frames_at = now;
	}
	const uint32_t limit = e->o->service.end_after_idle_s;
	return limit > 0 && now - e->frames_at > limit * NS_PER_S;
}

// --- SIGHUP -------------------------------------------------------------------------------------

static void changed(void *engine, const char *path, const struct ht_option *o) {
	say(engine, o->reload ? "%s: changed" : "%s: changed, which takes a restart", path);
}

// The outputs that are in use.
static void note_outputs(struct engine *e, const struct sinks *k) {
	for (unsigned i = 0; i < e->outputs.num; i++)
		free(e->output_names[i]);
	e->outputs = (struct ht_option_texts){.v = (const char **)e->output_names};
	for (unsigned i = 0; i < k->num; i++)
		if ((e->output_names[e->outputs.num] = strdup(k->names[i])) != NULL)
			e->outputs.num++;
}

// Files are opened again in any case: whoever rotates them has moved the old ones away. While the
// exporter has not taken over those of the last time, it waits.
static void reopen(struct engine *e) {
	const struct options *o = e->o;
	e->reopen = e->handed;
	if (e->reopen)
		return;
	const struct ht_option_texts *wanted
		= o->from_file != NULL && !o->outputs_given ? &o->from_file->outputs : &o->outputs;
	const unsigned how = SINKS_LIVE | SINKS_APPEND;
	struct sinks *next = calloc(1, sizeof(*next));
	bool ok = next != NULL && sinks_open(next, o, wanted, how) == HT_OK;
	if (!ok) {
		say(e, "outputs stay as they are");
		ok = next != NULL && sinks_open(next, o, &e->outputs, how) == HT_OK;
	}
	if (!ok) {
		free(next);
		return;
	}
	note_outputs(e, next);
	next->hellos = o->hellos; // the kinds of record take a restart
	e->handed = true;
	atomic_store_explicit(&e->exporter.next, next, memory_order_release);
}

static void reload(struct engine *e) {
	struct options *const o = e->o;
	(void)notify_reloading(&e->notify);
	struct options *n = o->from_file != NULL ? options_again(o) : NULL;
	if (n != NULL) {
		ht_config_changes(&options_table, o->from_file, n, changed, e);
		o->service.stall_s = n->service.stall_s;
		o->service.end_after_idle_s = n->service.end_after_idle_s;
		atomic_store(
			&e->exporter.stats_interval_s, o->stats_records ? n->stats_interval_s : 0
		);
		options_replace(o, n);
	} else if (o->config != NULL) {
		say(e, "%s: not taken, all stays as it is", o->config);
	}
	reopen(e);
	announce(e, false);
}

// The exporter has gone on with other sinks.
static void retire(struct engine *e) {
	struct sinks *old
		= atomic_exchange_explicit(&e->exporter.retired, NULL, memory_order_acquire);
	if (old == NULL)
		return;
	e->handed = false;
	telemetry_sinks(e->telemetry, e->exporter.sinks);
	sinks_free_names(old);
	free(old);
	if (!e->o->quiet)
		say(e, "outputs opened again");
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
			reload(e);
		look_at_threads(e);
		look_at_links(e);
		retire(e);
		if (e->reopen)
			reopen(e);
		if (atomic_load_explicit(&e->exporter.dead, memory_order_relaxed)) {
			e->ok = false;
			return;
		}
		const int64_t now = clock_ns(CLOCK_MONOTONIC);
		if (e->sources.dpdk != NULL && now - looked >= NS_PER_S) {
			const unsigned gone = ht_dpdk_look(e->sources.dpdk);
			e->ok = e->ok && gone == 0;
			if (gone == ht_dpdk_ports(e->sources.dpdk))
				return;
			looked = now;
		}
		count(e, &l);
		summary_progress(&e->sum, "live", &l.capture);
		if (idle_for_too_long(e, l.capture.frames))
			return;
	}
}

static bool wait_until(const atomic_bool *done, int64_t deadline) {
	while (!atomic_load_explicit(done, memory_order_acquire)) {
		if (clock_ns(CLOCK_MONOTONIC) > deadline)
			return false;
		const struct timespec t = {.tv_nsec = 1000000};
		nanosleep(&t, NULL);
	}
	return true;
}

// What is there is read and written, then the threads end. One that does not is left behind.
static void stop(struct engine *e) {
	(void)notify_stopping(&e->notify, "reading what is there");
	const int64_t begun = clock_ns(CLOCK_MONOTONIC);
	if (e->sources.dpdk != NULL)
		ht_dpdk_stop(e->sources.dpdk);
	for (unsigned i = 0; i < e->num_workers; i++)
		atomic_store_explicit(&e->workers[i].stop, true, memory_order_relaxed);
	for (unsigned i = 0; i < e->num_workers; i++) {
		struct worker *w = &e->workers[i];
		if (!w->started)
			continue;
		if (wait_until(&w->done, begun + WORKERS_END_S * NS_PER_S)) {
			pthread_join(w->thread, NULL);
		} else {
			say(e, "worker %u does not end, and is left behind", i);
			e->dropped_worker = true;
		}
	}
	look_at_threads(e);
	struct exporter *x = &e->exporter;
	atomic_store_explicit(&x->stop, true, memory_order_release);
	if (x->started) {
		if (wait_until(&x->done, clock_ns(CLOCK_MONOTONIC) + EXPORTER_END_S * NS_PER_S)) {
			pthread_join(x->thread, NULL);
		} else {
			say(e, "records cannot be written, and are lost: an output takes nothing");
			e->dropped_exporter = true;
		}
	}
	retire(e);
	if (e->sources.dpdk != NULL)
		(void)ht_dpdk_look(e->sources.dpdk);
	e->ok = e->ok && !e->dropped_worker && !e->dropped_exporter;
}

static void tell(struct engine *e) {
	struct ledger l;
	struct sinks *k = e->exporter.sinks;
	count(e, &l);
	if (!e->dropped_exporter)
		sinks_close(k, NULL);
	ledger_sinks(&l, k);
	// What a thread that was left behind has not written is lost.
	for (unsigned i = 0; e->dropped_exporter && i < l.num_sinks; i++)
		l.sinks[i].lost = l.sinks[i].records - l.sinks[i].delivered;
	l.left = l.queue[HT_QUEUE_RECORDS] - l.queue[HT_QUEUE_TAKEN]
		 - l.queue[HT_QUEUE_LOST_QUEUE_FULL] - l.queue[HT_QUEUE_LOST_TOO_LONG];
	if (!e->dropped_exporter)
		l.left = 0;
	summary_clear(&e->sum);
	if (!e->o->quiet)
		summary_print(&e->sum, &l, stderr);
	summary_lost(&l, stderr);
	if (e->o->stats_json) {
		ledger_json(&l, INT64_MIN, true, stderr);
		fputc('\n', stderr);
	}
	const bool lost = l.queue[HT_QUEUE_LOST_QUEUE_FULL] + l.queue[HT_QUEUE_LOST_TOO_LONG] > 0;
	e->ok = e->ok && !k->failed && !lost;
}

static void close_all(struct engine *e) {
	if (e->dropped_worker || e->dropped_exporter)
		_exit(1); // they may still use all of it
	telemetry_free(e->telemetry);
	sources_close(&e->sources);
	for (unsigned i = 0; e->workers != NULL && i < e->num_workers; i++) {
		ht_sensor_free(e->workers[i].sensor);
		ht_queue_free(e->workers[i].queue);
	}
	free(e->workers);
	if (e->exporter.sinks != NULL) {
		sinks_close(e->exporter.sinks, NULL);
		sinks_free_names(e->exporter.sinks);
		free(e->exporter.sinks);
	}
	notify_close(&e->notify);
	for (unsigned i = 0; i < e->outputs.num; i++)
		free(e->output_names[i]);
	free(e);
}

// What takes rights comes first; files are opened when they are gone, so that they are the user's.
static bool set_up(struct engine *e, enum ht_rc *status) {
	struct options *const o = e->o;
	char err[512];
	if (notify_open(&e->notify, err, sizeof(err)) == HT_BAD)
		say(e, "%s", err);
	look_at_memory(e);
	if (!make_workers(e))
		return false;
	e->sources.o = o;
	e->sources.workers = e->workers;
	e->sources.num_workers = e->num_workers;
	if (!sources_open(&e->sources) || !drop_privileges(e))
		return false;
	struct sinks *k = calloc(1, sizeof(*k));
	if (k == NULL
	    || (*status
		= sinks_open(k, o, &o->outputs, SINKS_LIVE | (o->config != NULL ? SINKS_APPEND : 0))
	       ) != HT_OK) {
		free(k);
		return false;
	}
	e->exporter.sinks = k;
	note_outputs(e, k);
	return true;
}

// Until all is open, a signal ends the program at once: opening a device or a file may take long,
// or for ever.
static void *end_at_signal(void *arg) {
	struct engine *e = arg;
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	while (!atomic_load_explicit(&e->open, memory_order_relaxed)) {
		const struct timespec wait = {.tv_nsec = 20000000};
		if (sigtimedwait(&ends, NULL, &wait) > 0) {
			fputs("hellotap: ended by a signal while it was starting\n", stderr);
			_exit(1);
		}
	}
	return NULL;
}

static bool set_up_or_end(struct engine *e, enum ht_rc *status) {
	pthread_t watcher;
	const bool watched = pthread_create(&watcher, NULL, end_at_signal, e) == 0;
	const bool ok = set_up(e, status);
	atomic_store_explicit(&e->open, true, memory_order_relaxed);
	if (watched)
		pthread_join(watcher, NULL);
	return ok;
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
	bool ok = set_up_or_end(e, status);
	if (ok) {
		ok = telemetry_start(
			     &e->telemetry, o, e->workers, e->num_workers, e->sources.dpdk,
			     e->exporter.sinks
		     )
		     && start(e);
		if (ok) {
			announce(e, true);
			watch(e, &signals);
		}
		stop(e);
		if (ok)
			tell(e);
		ok = ok && e->ok;
	}
	close_all(e);
	return ok;
}
