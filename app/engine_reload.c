// SPDX-License-Identifier: BSD-3-Clause
// SIGHUP: the configuration is read again, the outputs are opened again.

#include "config.h"
#include "engine_int.h"

#include <stdlib.h>

static void changed(void *engine, const char *path, const struct ht_option *o) {
	engine_say(engine, o->reload ? "%s: changed" : "%s: changed, which takes a restart", path);
}

// The outputs that are in use.
void engine_note_outputs(struct engine *e, const struct sinks *k) {
	for (unsigned i = 0; i < e->outputs.num; i++)
		free(e->output_names[i]);
	e->outputs = (struct ht_option_texts){.v = (const char **)e->output_names};
	for (unsigned i = 0; i < k->num; i++)
		if ((e->output_names[e->outputs.num] = strdup(k->names[i])) != NULL)
			e->outputs.num++;
}

// Files are opened again in any case: whoever rotates them has moved the old ones away. While the
// exporter has not taken over those of the last time, it waits.
void engine_reopen(struct engine *e) {
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
		engine_say(e, "outputs stay as they are");
		ok = next != NULL && sinks_open(next, o, &e->outputs, how) == HT_OK;
	}
	if (!ok) {
		free(next);
		return;
	}
	engine_note_outputs(e, next);
	next->kinds = o->kinds; // the kinds of record take a restart
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
	engine_announce(e, false);
}

// The exporter has gone on with other sinks.
void engine_retire(struct engine *e) {
	struct sinks *old
		= atomic_exchange_explicit(&e->exporter.retired, NULL, memory_order_acquire);
	if (old == NULL)
		return;
	e->handed = false;
	telemetry_sinks(e->telemetry, e->exporter.sinks);
	sinks_free_names(old);
	free(old);
	if (!e->o->quiet)
		engine_say(e, "outputs opened again");
}
