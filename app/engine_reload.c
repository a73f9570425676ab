// SPDX-License-Identifier: BSD-3-Clause
// SIGHUP: the configuration is read again, the outputs are opened again.

#include "config.h"
#include "engine_int.h"

#include <stdlib.h>
#include <time.h>

#define LOOK_MS 250 // between two looks at the threads
#define LEAVE_MS 20 // that it may take to end, when nothing hinders it

static void changed(void *engine, const char *path, const struct ht_option *o) {
	engine_say(engine, o->reload ? "%s: changed" : "%s: changed, which takes a restart", path);
}

struct opening {
	struct engine *e;
	struct sinks *next;
	struct sinks_list *list;
	atomic_bool done;
	bool ok;
};

static void *open_outputs(void *opening) {
	struct opening *p = opening;
	// The kinds of record take a restart.
	p->ok = sinks_open(
			p->next, p->e->o, p->list, SINKS_LIVE | SINKS_APPEND, p->e->exporter.sinks,
			NULL
		)
		== HT_OK;
	atomic_store_explicit(&p->done, true, memory_order_release);
	return NULL;
}

// A disk may take its time for a file that is opened: the threads are looked after meanwhile.
static bool open_list(struct engine *e, struct sinks *next, struct sinks_list *list) {
	struct opening p = {.e = e, .next = next, .list = list};
	pthread_t thread;
	if (pthread_create(&thread, NULL, open_outputs, &p) != 0) {
		(void)open_outputs(&p);
		return p.ok;
	}
	for (unsigned i = 1; !atomic_load_explicit(&p.done, memory_order_acquire); i++) {
		const struct timespec t = {.tv_nsec = 1000000};
		nanosleep(&t, NULL);
		if (i % LOOK_MS == 0)
			engine_look(e);
	}
	pthread_join(thread, NULL);
	return p.ok;
}

// Files are opened again in any case: whoever rotates them has moved the old ones away. Collectors
// stay connected, if nothing is set anew for them. While the exporter has not taken over those of
// the last time, it waits.
void engine_reopen(struct engine *e) {
	const struct options *o = e->o;
	struct sinks_list list;
	e->reopen = e->handed;
	if (e->reopen)
		return;
	struct sinks *next = calloc(1, sizeof(*next));
	bool ok = next != NULL
		  && sinks_list(&list, o->from_file != NULL && !o->outputs_given ? o->from_file : o)
			     == HT_OK
		  && open_list(e, next, &list);
	if (!ok) {
		engine_say(e, "outputs stay as they are");
		ok = next != NULL && sinks_list_again(&list, e->exporter.sinks) == HT_OK
		     && open_list(e, next, &list);
	}
	if (!ok) {
		free(next);
		return;
	}
	e->handed = true;
	atomic_store_explicit(&e->exporter.next, next, memory_order_release);
}

void engine_reload(struct engine *e) {
	struct options *const o = e->o;
	(void)notify_reloading(&e->notify);
	struct options *n = o->from_file != NULL ? options_again(o) : NULL;
	if (n != NULL) {
		ht_config_changes(&options_table, o->from_file, n, changed, e);
		o->service.stall_s = n->service.stall_s;
		o->service.end_after_idle_s = n->service.end_after_idle_s;
		atomic_store(
			&e->exporter.stats_interval_s,
			o->kinds & HT_KIND_STATS ? n->stats_interval_s : 0
		);
		options_replace(o, n);
	} else if (o->config != NULL) {
		engine_say(e, "%s: not taken, all stays as it is", o->config);
	}
	engine_reopen(e);
	lists_reload(e->lists, o);
	engine_announce(e, false);
}

// The exporter has gone on with other sinks. The old ones end by themselves, at their pace.
void engine_retire(struct engine *e) {
	struct sinks *old
		= atomic_exchange_explicit(&e->exporter.retired, NULL, memory_order_acquire);
	if (old == NULL)
		return;
	e->handed = false;
	telemetry_sinks(e->telemetry, e->exporter.sinks);
	sinks_end(old);
	engine_leave(e);
	if (!e->o->quiet)
		engine_say(e, "outputs opened again");
}

void engine_leave(struct engine *e) {
	struct sinks *const k = e->exporter.sinks;
	// A file is written on at once, if it can be.
	for (unsigned i = 0; i < LEAVE_MS && sinks_left(k); i++) {
		const struct timespec t = {.tv_nsec = 1000000};
		nanosleep(&t, NULL);
	}
	sinks_leave(k, telemetry_sink_ends, e->telemetry);
	if (!sinks_start(k))
		e->ok = false;
}
