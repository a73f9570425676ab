// SPDX-License-Identifier: BSD-3-Clause
// summary: what a run says on standard error: the progress line and the summary.

#pragma once

#include "ledger.h"

#include <stdio.h>
#include <time.h>

struct summary {
	bool progress; // standard error is a terminal and nobody said --quiet
	struct timespec begun, shown;
};

void summary_begin(struct summary *s, bool progress);

// summary_progress draws the progress line again when the last one is 0.2 s old.
void summary_progress(struct summary *s, const char *file, const struct ht_capture_stats *now);

// summary_clear takes the progress line away.
void summary_clear(struct summary *s);

// summary_say says a line in its place; `summary` is one of these.
void summary_say(void *summary, const char *line);

void summary_print(const struct summary *s, const struct ledger *l, FILE *to);

// summary_lost says what of a live run was lost, if anything was.
void summary_lost(const struct ledger *l, FILE *to);
