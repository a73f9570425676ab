// SPDX-License-Identifier: BSD-3-Clause
// watch: what of the watchlists a record matches. Each thread that asks has one of its own: a
// worker, of hellos, and who gives records to the outputs, of flows, whose certificates are known
// there alone.

#pragma once

#include "record.h"
#include "watchlist.h"

struct watch {
	// Written by the thread, read by others.
	uint64_t ctr[HT_WATCHLIST_NUM_CTRS] __attribute__((aligned(64)));

	// Set up before it begins.
	struct ht_watchlist_slot *slot; // NULL: nothing is matched
	unsigned number; // of the thread in the slot
	bool events; // are wanted

	const struct ht_watchlists *set; // in force, or NULL
	struct ht_record event;
	uint8_t matches[HT_MATCHES_SIZE]; // of the record
	uint8_t told[HT_MATCHES_SIZE]; // of a flow's event
};

// watch_begin, before a burst: the set in force is used until the next one, or until watch_quiet,
// which must be said before the thread sleeps or ends.
static inline void watch_begin(struct watch *w) {
	if (w->slot != NULL)
		w->set = ht_watchlist_use(w->slot, w->number);
}

static inline void watch_quiet(struct watch *w) {
	if (w->slot != NULL)
		ht_watchlist_quiet(w->slot, w->number);
	w->set = NULL;
}

// watch_hello gives the record of a hello its matches and returns the event to be put behind it;
// NULL: there is none. Other records are left as they are. Both borrow from the watch until the
// next call, and the event from what the hello borrows from.
struct ht_record *watch_hello(struct watch *w, struct ht_record *r);

// watch_flow does so with a flow record for entries that have a condition on the certificate: what
// they match is added to what the hello has matched. Between two bursts: it begins and ends its
// own.
struct ht_record *watch_flow(struct watch *w, struct ht_record *r);
