// SPDX-License-Identifier: BSD-3-Clause
// summary: what a run says on standard error: the progress line, the summary, the ledger.

#pragma once

#include "capture.h"
#include "export.h"

#include <stdio.h>
#include <time.h>

struct summary {
	bool progress; // standard error is a terminal and nobody said --quiet
	struct timespec begun, shown;
	bool live;
	unsigned sources; // files or interfaces
	struct ht_capture_stats total;
};

// summary_begin: `live` tells whether frames come from interfaces, not from files.
void summary_begin(struct summary *s, bool progress, bool live);

// summary_progress draws the progress line again when the last one is 0.2 s old.
void summary_progress(struct summary *s, const char *file, const struct ht_capture_stats *now);

// summary_clear takes the progress line away.
void summary_clear(struct summary *s);

// summary_add counts a file or an interface that was read.
void summary_add(struct summary *s, const struct ht_capture_stats *one);

void summary_print(struct summary *s, const uint64_t *counters, FILE *to);

// summary_ledger prints all counters as one JSON object: groups, then names, then "sinks" and
// "balanced".
void summary_ledger(
	const struct summary *s,
	const uint64_t *counters,
	const char *const *sink_names,
	const struct ht_sink_stats *sinks,
	unsigned num_sinks,
	FILE *to
);
