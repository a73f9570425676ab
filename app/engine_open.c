// SPDX-License-Identifier: BSD-3-Clause
// From options to a run: workers, sources, rights, outputs, threads; and all of it closed again.

#include "engine_int.h"
#include "privileges.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// Called by the exporter.
static void stats_record(void *engine, int64_t ts) {
	const struct engine *e = engine;
	struct ledger l;
	engine_count(e, &l);
	ledger_sinks(&l, e->exporter.sinks);
	ledger_record(&l, ts, e->exporter.sinks);
}

// Memory is reserved and not touched: more than there is shows only when the tables fill.
static void look_at_memory(struct engine *e) {
	const struct options *o = e->o;
	const uint64_t have = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGE_SIZE);
	const uint64_t each = ht_sensor_memory(&o->sensor) + ((uint64_t)o->workers.queue_mib << 20);
	const uint64_t flows = pipeline_memory(o);
	const uint64_t outputs = sinks_memory(e->exporter.sinks);
	if (each * o->workers.count + flows + outputs > have)
		engine_say(
			e,
			"caps of %u worker%s, %" PRIu64 " MiB each, of aggregation, rates and "
			"certificates, %" PRIu64 " MiB, and of the outputs, %" PRIu64
			" MiB, are more than this machine has (%" PRIu64
			" MiB): full tables will end it",
			o->workers.count, o->workers.count == 1 ? "" : "s", each >> 20, flows >> 20,
			outputs >> 20, have >> 20
		);
}

static bool make_workers(struct engine *e) {
	const struct options *o = e->o;
	const struct ht_queue_params queue = {.bytes = o->workers.queue_mib << 20};
	e->num_workers = o->workers.count;
	e->workers = aligned_alloc(64, e->num_workers * sizeof(e->workers[0]));
	if (e->workers == NULL) {
		engine_say(e, "no memory for %u workers", e->num_workers);
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
				engine_say(e, "workers %u and %u share CPU %d", k, i, w->cpu);
		w->policy = o->policy;
		w->seccomp = o->service.seccomp;
		w->no_rights = o->service.user != NULL;
		for (unsigned k = 0; k < MAX_INTERFACES; k++)
			w->up[k] = 1;
		w->sensor = ht_sensor_new(&p);
		w->queue = ht_queue_new(&queue);
		if (w->sensor == NULL || w->queue == NULL) {
			engine_say(
				e, "worker %u could not be made: no memory, or libcrypto refused", i
			);
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
	engine_say(e, "%s", err);
	return false;
}

static bool start_workers(struct engine *e) {
	for (unsigned i = 0; i < e->num_workers; i++) {
		if (worker_start(&e->workers[i]))
			continue;
		engine_say(e, "no thread for worker %u", i);
		for (; e->sources.dpdk != NULL && i < e->num_workers; i++)
			ht_dpdk_absent(e->sources.dpdk);
		return false;
	}
	return true;
}

bool engine_start(struct engine *e) {
	if (!sinks_start(e->exporter.sinks) || !start_workers(e))
		return false;
	e->exporter.workers = e->workers;
	e->exporter.num_workers = e->num_workers;
	e->exporter.stats = stats_record;
	e->exporter.engine = e;
	e->exporter.tally = telemetry_tally(e->telemetry);
	e->exporter.stats_interval_s = e->o->kinds & HT_KIND_STATS ? e->o->stats_interval_s : 0;
	if (!exporter_start(&e->exporter)) {
		engine_say(e, "no thread for the exporter");
		return false;
	}
	return true;
}

// What takes rights comes first; files are opened when they are gone, so that they are the user's.
static bool set_up(struct engine *e, enum ht_rc *status) {
	struct options *const o = e->o;
	char err[512];
	if (notify_open(&e->notify, err, sizeof(err)) == HT_BAD)
		engine_say(e, "%s", err);
	if (!make_workers(e))
		return false;
	e->sources.o = o;
	e->sources.workers = e->workers;
	e->sources.num_workers = e->num_workers;
	if (!sources_open(&e->sources) || !drop_privileges(e))
		return false;
	const unsigned how = SINKS_LIVE | (o->config != NULL ? SINKS_APPEND : 0);
	struct sinks *k = calloc(1, sizeof(*k));
	struct sinks_list list;
	if (k == NULL || (*status = sinks_list(&list, o)) != HT_OK
	    || (*status = sinks_open(k, o, &list, how, NULL, NULL)) != HT_OK) {
		free(k);
		return false;
	}
	e->exporter.sinks = k;
	look_at_memory(e);
	// As the user that they are read again as.
	if (!lists_open(&e->lists, o, e->num_workers + 1)
	    || !pipeline_open(&e->exporter.pipeline, o, k))
		return false;
	for (unsigned i = 0; i < e->num_workers; i++)
		lists_watch(e->lists, &e->workers[i].watch, i);
	lists_watch(e->lists, &e->exporter.pipeline.watch, e->num_workers);
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

bool engine_open(struct engine *e, enum ht_rc *status) {
	pthread_t watcher;
	const bool watched = pthread_create(&watcher, NULL, end_at_signal, e) == 0;
	const bool ok = set_up(e, status);
	atomic_store_explicit(&e->open, true, memory_order_relaxed);
	if (watched)
		pthread_join(watcher, NULL);
	return ok;
}

void engine_close(struct engine *e) {
	if (e->dropped_worker || e->dropped_exporter || e->dropped_output || e->dropped_saver)
		_exit(1); // they may still use all of it
	telemetry_free(e->telemetry);
	sources_close(&e->sources);
	for (unsigned i = 0; e->workers != NULL && i < e->num_workers; i++) {
		ht_sensor_free(e->workers[i].sensor);
		ht_queue_free(e->workers[i].queue);
	}
	free(e->workers);
	if (e->exporter.sinks != NULL)
		sinks_free(e->exporter.sinks);
	free(e->exporter.sinks);
	pipeline_close(&e->exporter.pipeline);
	(void)lists_close(e->lists); // or it is read until the process has ended
	notify_close(&e->notify);
	free(e);
}
