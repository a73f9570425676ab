// SPDX-License-Identifier: BSD-3-Clause
// counters: the tables of counters for people: `hellotap --counters`, and docs/counters.md.

#pragma once

#include <stdio.h>

// ht_print_counters prints a line a counter: where it stands in the ledger, what it counts, and the
// metric's name where that is another one.
void ht_print_counters(FILE *out);

// ht_print_counters_md prints docs/counters.md (`hellotap --counters=md`).
void ht_print_counters_md(FILE *out);
