// SPDX-License-Identifier: BSD-3-Clause
// telemetry: the counters of a live run as metrics over HTTP.

#pragma once

#include "lists.h"
#include "metrics.h"
#include "options.h"
#include "pipeline.h"
#include "worker.h"

struct telemetry;

// What is a metric and in no table besides.
extern const struct ht_counter telemetry_hellos, telemetry_handed_in;

// telemetry_start registers all counters and serves them where o->metrics says; *out is NULL where
// it says nothing. False when that cannot be: that was said, and *out may be freed. All arguments
// are borrowed until telemetry_free.
HT_MUST_USE bool telemetry_start(
	struct telemetry **out,
	const struct options *o,
	struct worker *workers,
	unsigned num_workers,
	struct ht_dpdk *dpdk,
	const struct pipeline *pipeline,
	const struct lists *lists // or NULL
);
void telemetry_free(struct telemetry *t);

// telemetry_tally is where the exporter counts hellos; NULL when nobody asks.
struct ht_tally *telemetry_tally(struct telemetry *t);

// telemetry_sinks says which sinks there are now. Those that they took the place of are counted on
// until telemetry_sink_ends, which wants to be called before a delivery is freed. `telemetry` is a
// struct telemetry, or NULL.
void telemetry_sinks(struct telemetry *t, struct sinks *sinks);
void telemetry_sink_ends(void *telemetry, const struct ht_delivery *d);
