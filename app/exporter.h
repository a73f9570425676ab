// SPDX-License-Identifier: BSD-3-Clause
// exporter: the thread that takes the records out of the workers' queues and puts them into those
// of the sinks. Only it puts records while it runs.

#pragma once

#include "metrics.h"
#include "pipeline.h"
#include "sinks.h"
#include "worker.h"

#include <pthread.h>
#include <stdatomic.h>

struct engine;

struct exporter {
	// Written by the engine.
	atomic_bool stop; // the workers have ended: take what is left, then end
	_Atomic(struct sinks *) next; // sinks to go on with; the exporter puts NULL there
	atomic_uint stats_interval_s; // 0: no stats records

	// Written by the exporter.
	atomic_ullong turns;
	atomic_bool done;
	atomic_bool dead; // nobody reads any sink
	_Atomic(struct sinks *) retired; // the old ones, for the engine, which puts NULL there

	// Set up by the engine, then the exporter's alone.
	struct worker *workers;
	unsigned num_workers;
	struct sinks *sinks; // the engine may look when it has taken `retired`
	struct pipeline pipeline; // to the sinks
	struct ht_tally *tally; // hellos by protocol, version and service; NULL: not counted
	void (*stats)(void *engine, int64_t ts); // gives a stats record to the sinks
	void *engine;

	// The engine's.
	pthread_t thread;
	bool started;
	uint64_t seen_turns;
	int64_t seen_at;
	bool stalled;
};

bool exporter_start(struct exporter *x);
