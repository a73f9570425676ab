// SPDX-License-Identifier: BSD-3-Clause
// pipeline: what every record passes through on its way to the sinks, in the thread that gives them
// records. Certificates are read and matched, and flow records summed up here; and what the hellos
// together tell is told.

#pragma once

#include "aggregate.h"
#include "certificate.h"
#include "options.h"
#include "rates.h"
#include "sinks.h"
#include "watch.h"

struct pipeline {
	struct sinks *sinks; // who owns the pipeline may put others here
	struct ht_certificates *certificates; // NULL: nobody sees what is in them
	struct ht_aggregate *aggregate; // NULL: no aggregates are wanted
	struct watch watch; // entries of watchlists that certificates match; whoever opens it says
			    // from where
	struct ht_rates *rates; // NULL: nobody hears of events, and nothing is remembered
	const struct options *o;
	int64_t hello_at; // the tick behind the latest hello, by CLOCK_MONOTONIC; 0: there was none
			  // yet
	int64_t saved_at; // when the store of fingerprints was
	int64_t seen_at; // when the latest record came, by CLOCK_MONOTONIC
};

// pipeline_memory is the most that it takes with these options, in bytes.
uint64_t pipeline_memory(const struct options *o);

// pipeline_check looks whether the store of fingerprints can be made. False: that was said.
bool pipeline_check(const struct options *o);

// pipeline_open makes what the kinds of record that are wanted take. False: that was said.
HT_MUST_USE bool pipeline_open(struct pipeline *p, const struct options *o, struct sinks *sinks);
void pipeline_close(struct pipeline *p);

// pipeline_put gives a record to whoever wants it. What is read of a flow's certificates is added
// to it, and they themselves taken out.
void pipeline_put(struct pipeline *p, struct ht_record *r);

// pipeline_tick, live, says what time it is by CLOCK_MONOTONIC: the time of the frames goes on
// where there are none.
void pipeline_tick(struct pipeline *p, int64_t now);

// pipeline_more gives out some of what is held and due. False: there was nothing.
bool pipeline_more(struct pipeline *p);

// pipeline_finish gives out what is held: at the end, and at that of a capture file.
void pipeline_finish(struct pipeline *p);

// pipeline_save saves what the next run is to know, and calls `wait`, which is to take a moment,
// meanwhile. What is not saved within 10 s, or could not be, is said. For the end, when nobody puts
// any more.
enum pipeline_saved {
	PIPELINE_SAVED,
	PIPELINE_NOT_SAVED,
	PIPELINE_SAVE_HANGS, // as the disk does: nothing that it uses may be freed
};
HT_MUST_USE enum pipeline_saved
pipeline_save(struct pipeline *p, void (*wait)(void *ctx), void *ctx);
