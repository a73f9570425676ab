// SPDX-License-Identifier: BSD-3-Clause

#include "replay.h"

#include <stdio.h>
#include <unistd.h>

#define FRAMES 256

static const struct ht_capture_ops *const ops = &ht_capture_file;

// What the sensor's records go through.
struct way {
	const struct ht_policy *policy; // NULL: no findings
	struct pipeline *pipeline;
	struct watch watch;
};

static void emit(void *user, struct ht_record *r) {
	struct way *const w = user;
	ht_findings_fill(w->policy, r);
	struct ht_record *const event = watch_hello(&w->watch, r);
	pipeline_put(w->pipeline, r);
	if (event != NULL)
		pipeline_put(w->pipeline, event);
}

static void add(struct ledger *l, const struct ht_capture_stats *one) {
	l->sources++;
	l->capture.frames += one->frames;
	l->capture.filtered += one->filtered;
	l->capture.bytes_read += one->bytes_read;
}

static bool read_one(
	struct ht_sensor *sensor,
	struct pipeline *pipeline,
	struct summary *sum,
	struct ledger *l,
	const char *file,
	const char *filter,
	const volatile sig_atomic_t *stop
) {
	static struct ht_frame frames[FRAMES];
	const struct ht_capture_params p = {.source = file, .filter = filter};
	// Somebody waits for each record: a person at a terminal, or the end of a live pipe.
	const bool interactive = isatty(STDOUT_FILENO) || strcmp(file, "-") == 0;
	struct ht_capture *c;
	struct ht_capture_stats st;
	char err[512];
	if (ops->open(&c, &p, err, sizeof(err)) != HT_OK) {
		summary_clear(sum);
		fprintf(stderr, "hellotap: %s\n", err);
		return false;
	}
	bool lost = false;
	for (unsigned n, tick = 0; !*stop && !lost && (n = ops->read(c, frames, FRAMES)) > 0;) {
		ht_sensor_run(sensor, frames, n);
		ops->release(c);
		if (interactive)
			sinks_flush(pipeline->sinks);
		lost = sinks_all_dead(pipeline->sinks);
		if (++tick % 64 == 0) {
			ops->stats(c, &st);
			summary_progress(sum, file, &st);
			sinks_flush(pipeline->sinks);
			sinks_tell(pipeline->sinks, summary_say, sum);
		}
	}
	ops->stats(c, &st);
	add(l, &st);
	const char *error = ops->error(c);
	// Whoever ends it while it waits for a pipe has what came until then.
	if (error != NULL && *stop && strstr(error, HT_CAPTURE_INTERRUPTED) != NULL)
		error = NULL;
	if (error != NULL) {
		summary_clear(sum);
		fprintf(stderr, "hellotap: %s\n", error);
	}
	ops->close(c);
	// Each file is a capture of its own: the same addresses and ports in the next one are
	// another connection.
	ht_sensor_finish(sensor);
	pipeline_finish(pipeline);
	return error == NULL && !lost;
}

bool replay_run(
	const struct options *o,
	struct lists *lists,
	struct pipeline *pipeline,
	struct summary *sum,
	struct ledger *l,
	const volatile sig_atomic_t *stop
) {
	static struct way way; // with all that it is on its way as
	struct ht_sensor_params p = o->sensor;
	way = (struct way){.policy = o->policy, .pipeline = pipeline};
	lists_watch(lists, &way.watch, 0);
	p.emit = emit;
	p.user = &way;
	struct ht_sensor *sensor = ht_sensor_new(&p);
	if (sensor == NULL) {
		fputs("hellotap: the sensor could not be made: no memory, or libcrypto refused\n",
		      stderr);
		return false;
	}
	bool ok = true;
	watch_begin(&way.watch); // nobody puts others in force
	for (unsigned i = 0; i < o->inputs.num && !*stop && !sinks_all_dead(pipeline->sinks); i++)
		if (!read_one(sensor, pipeline, sum, l, o->inputs.v[i], o->filter, stop))
			ok = false;
	watch_quiet(&way.watch);
	memcpy(l->sensor, ht_sensor_counters(sensor), sizeof(l->sensor));
	ledger_watch(l, &way.watch);
	ht_sensor_free(sensor);
	return ok;
}
