// SPDX-License-Identifier: BSD-3-Clause
// What the files of the engine share. All of it is the first thread's.
//
//   engine.c         the run: look after the threads, stop, tell
//   engine_open.c    workers, sources, rights, outputs; starting
//   engine_reload.c  SIGHUP

#pragma once

#include "clock.h"
#include "engine.h"
#include "exporter.h"
#include "lists.h"
#include "notify.h"
#include "sources.h"
#include "telemetry.h"
#include "worker.h"

#include <stdatomic.h>

struct engine {
	struct options *o;
	unsigned num_workers;
	struct worker *workers;
	uint64_t offers[HT_SENSOR_OFFERS]; // the sensors', shared
	struct exporter exporter;
	struct sources sources;
	struct lists *lists; // NULL: no record could tell a match
	struct telemetry *telemetry;
	struct notify notify;
	struct summary sum;
	atomic_bool open; // all that the run reads and writes
	bool ok;
	bool dropped_exporter, dropped_worker, dropped_output,
		dropped_saver; // did not end, and runs still
	bool handed; // the exporter has others to go on with, and has not given the old ones back
	bool reopen; // outputs are to be opened again when it has
	unsigned down; // bit i: interface i was told to be down
	unsigned failed; // captures whose error was told
	uint64_t frames; // at the last look
	int64_t frames_at;
	int64_t extended_at; // when the manager was told last that stopping takes its time
};

// engine_say writes a line to standard error, if it can be written at once.
__attribute__((format(printf, 2, 3))) void engine_say(struct engine *e, const char *format, ...);

// engine_count fills in all but the sinks: those are the exporter's while it runs.
void engine_count(const struct engine *e, struct ledger *l);

// engine_say_line is for those who say lines of their own.
void engine_say_line(void *engine, const char *line);

// engine_look says which threads do not go on, and tells the service manager that all is well.
void engine_look(struct engine *e);

// engine_announce tells the service manager, and if `aloud` the user, what is listened on.
void engine_announce(struct engine *e, bool aloud);

// --- engine_open.c ---
// engine_open opens all that the run reads and writes, as it is to be, and gives up rights. A
// signal meanwhile ends the program. False: that was said.
HT_MUST_USE bool engine_open(struct engine *e, enum ht_rc *status);
// engine_start starts the threads. False when one cannot be: that was said.
HT_MUST_USE bool engine_start(struct engine *e);
void engine_close(struct engine *e);

// --- engine_reload.c ---
void engine_reload(struct engine *e);
// engine_reopen opens the outputs again, or notes that it is to be done.
void engine_reopen(struct engine *e);
// engine_retire has the outputs end that the exporter is done with.
void engine_retire(struct engine *e);
// engine_leave closes those of them that have ended, and starts what waited for it.
void engine_leave(struct engine *e);
