// SPDX-License-Identifier: BSD-3-Clause
// ledger: all counters of a run in one place: for the summary, for `--stats json` and for stats
// records.

#pragma once

#include "capture.h"
#include "capture_dpdk.h"
#include "lists.h"
#include "options.h"
#include "pipeline.h"
#include "queue.h"
#include "sensor.h"
#include "sinks.h"

#include <stdio.h>

struct ledger {
	bool live; // interfaces or ports, not files
	unsigned sources; // files or interfaces
	struct ht_capture_stats capture;
	uint64_t sensor[HT_NUM_CTRS];
	// Live: the queues between workers and exporter.
	uint64_t queue[HT_QUEUE_NUM_CTRS];
	uint64_t left; // records in them that nobody took any more
	unsigned workers;
	// DPDK, or NULL.
	const struct ht_dpdk *dpdk;
	// Flow records: the certificates in them that were read, and what they were summed up to.
	bool has_flows; // they go somewhere themselves
	bool has_certificates;
	uint64_t certificates[HT_CERTIFICATE_NUM_CTRS];
	bool has_aggregate; // where it is wanted
	uint64_t aggregate[HT_AGGREGATE_NUM_CTRS];
	// Where records could tell matches: of all threads, and which lists.
	bool has_watchlists;
	uint64_t watchlist[HT_WATCHLIST_NUM_CTRS];
	uint64_t lists[NUM_LISTS_COUNTERS], lists_in_force[NUM_LISTS_GAUGES];
	// What the hellos together told, where that is wanted.
	bool has_rates;
	uint64_t rates[HT_RATES_NUM_CTRS];
	// The sinks.
	unsigned num_sinks;
	const char *sink_names[MAX_SINKS];
	uint64_t sinks[MAX_SINKS][HT_DELIVERY_NUM_CTRS];
	uint64_t sinks_gone[HT_DELIVERY_NUM_CTRS];
	uint64_t made; // replay: records that were given to them
};

// ledger_sinks notes the sinks and what became of their records. For who puts records into them.
void ledger_sinks(struct ledger *l, const struct sinks *k);

// ledger_pipeline notes what became of flow records on their way.
void ledger_pipeline(struct ledger *l, const struct pipeline *p);

// ledger_watch adds what a thread has matched, and ledger_lists says with what; NULL: nothing.
void ledger_watch(struct ledger *l, const struct watch *w);
void ledger_lists(struct ledger *l, const struct lists *lists);

// ledger_give_up counts what outputs that hang have not delivered as lost, and says so.
void ledger_give_up(struct ledger *l, const struct sinks *k);

// ledger_json writes, when all has stopped, one object on a line: groups, then names, and
// "balanced", which tells whether every sum holds.
void ledger_json(const struct ledger *l, FILE *to);

// ledger_record gives it as a stats record to the sinks. For the thread that puts.
void ledger_record(const struct ledger *l, int64_t ts, struct sinks *k);

// ledger_unread is how many frames a port has received that no worker has read: at the end, those
// that were still in its queues when the time for reading was over.
uint64_t ledger_unread(const struct ledger *l, unsigned port);

// ledger_balanced checks every sum; false in a run that goes on means nothing.
bool ledger_balanced(const struct ledger *l);
