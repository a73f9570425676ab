// SPDX-License-Identifier: BSD-3-Clause
// lists: the watchlists of a run. They are read when it begins, and again, in a thread of its own,
// when SIGHUP comes or a file has changed; so are files looked at. A set that cannot be made leaves
// the one in force.

#pragma once

#include "options.h"
#include "watch.h"

#include <stdio.h>

// X(ID, name, help).
#define LISTS_COUNTERS(X) \
	X(PUBLISHED, "published", "sets put in force, the first one included") \
	X(REFUSED, "refused", \
	  "sets that were not: a list could not be read, a cap was reached, or a worker hangs")

// What is in force.
#define LISTS_GAUGES(X) \
	X(LISTS, "lists", "lists in force") \
	X(ENTRIES, "entries", "their entries") \
	X(WRONG_LINES, "wrong_lines", "their lines that were left out") \
	X(BYTES, "bytes", "memory they take")

enum {
#define X(id, name, help) LISTS_##id,
	LISTS_COUNTERS(X)
#undef X
		NUM_LISTS_COUNTERS
};

enum {
#define X(id, name, help) LISTS_##id,
	LISTS_GAUGES(X)
#undef X
		NUM_LISTS_GAUGES
};
extern const struct ht_counter lists_counters[NUM_LISTS_COUNTERS];
extern const struct ht_counter lists_gauges[NUM_LISTS_GAUGES];

struct lists;

// Who is told lines, without a line's end.
typedef void lists_say(void *user, const char *line);

// lists_open reads the lists of the options for so many threads that match. *out is NULL where no
// record could tell a match. False: they cannot be used: that was said on standard error, as is
// each wrong line.
HT_MUST_USE bool lists_open(struct lists **out, const struct options *o, unsigned threads);

// lists_close waits a moment for what is being read. False: that goes on, and the lists are not
// freed. All threads that match have ended. NULL is allowed.
bool lists_close(struct lists *l);

// lists_watch sets up what a thread matches with, before it begins; threads are numbered from 0.
void lists_watch(const struct lists *l, struct watch *w, unsigned thread);

const uint64_t *lists_counts(const struct lists *l); // by others too, by atomic loads
const uint64_t *lists_in_force(const struct lists *l); // likewise

// lists_reload has the lists read again, as the options have them now.
void lists_reload(struct lists *l, const struct options *o);

// lists_turn, several times a second, looks for changed files, and says what has become of what was
// read again. When it has said that a set is in force, hellos that come are matched with no other.
void lists_turn(struct lists *l, const struct options *o, lists_say *say, void *user);

// lists_check reads the lists and says what is wrong on `out`. True: nothing is.
HT_MUST_USE bool lists_check(const struct options *o, FILE *out);
