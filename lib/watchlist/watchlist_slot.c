// SPDX-License-Identifier: BSD-3-Clause
// A worker says at each burst which epoch it has seen, and takes the set after that. The publisher
// puts a set in force first and begins an epoch then: a worker that has seen the epoch has no older
// set. A quiet worker has none at all; when it comes back, it must have said so before it takes a
// set, in the one order that all threads see.

#include "watchlist.h"

#include <stdlib.h>
#include <time.h>

#define PAUSE_NS 100000 // between two looks at the workers
#define QUIET 0u

// A cache line each (two are fetched at a time).
struct worker {
	_Alignas(128) uint64_t seen; // epoch, or QUIET
};

struct ht_watchlist_slot {
	// Written by the publisher.
	_Alignas(128) struct ht_watchlists *current;
	uint64_t epoch; // from 1

	_Alignas(128) struct ht_watchlists *old; // a worker may still have it
	unsigned workers;
	struct worker worker[];
};

struct ht_watchlist_slot *ht_watchlist_slot_new(unsigned workers) {
	const size_t size = sizeof(struct ht_watchlist_slot) + workers * sizeof(struct worker);
	struct ht_watchlist_slot *s = aligned_alloc(128, size);
	if (s == NULL)
		return NULL;
	memset(s, 0, size);
	s->workers = workers;
	s->epoch = 1;
	return s;
}

void ht_watchlist_slot_free(struct ht_watchlist_slot *s) {
	if (s == NULL)
		return;
	ht_watchlists_free(s->current);
	ht_watchlists_free(s->old);
	free(s);
}

const struct ht_watchlists *ht_watchlist_use(struct ht_watchlist_slot *s, unsigned worker) {
	uint64_t *const seen = &s->worker[worker].seen;
	const uint64_t epoch = __atomic_load_n(&s->epoch, __ATOMIC_ACQUIRE);
	if (HT_UNLIKELY(__atomic_load_n(seen, __ATOMIC_RELAXED) == QUIET))
		__atomic_exchange_n(seen, epoch, __ATOMIC_SEQ_CST);
	else
		__atomic_store_n(seen, epoch, __ATOMIC_RELEASE);
	return __atomic_load_n(&s->current, __ATOMIC_SEQ_CST); // on x86 and arm64 like acquire
}

void ht_watchlist_quiet(struct ht_watchlist_slot *s, unsigned worker) {
	__atomic_store_n(&s->worker[worker].seen, QUIET, __ATOMIC_RELEASE);
}

static bool all_passed(const struct ht_watchlist_slot *s) {
	for (unsigned i = 0; i < s->workers; i++) {
		const uint64_t seen = __atomic_load_n(&s->worker[i].seen, __ATOMIC_SEQ_CST);
		if (seen != QUIET && seen < s->epoch)
			return false;
	}
	return true;
}

static void free_old(struct ht_watchlist_slot *s) {
	ht_watchlists_free(s->old);
	s->old = NULL;
}

static bool wait_for_all(const struct ht_watchlist_slot *s, unsigned timeout_ms) {
	uint64_t left = (uint64_t)timeout_ms * 1000000;
	while (!all_passed(s)) {
		if (left < PAUSE_NS)
			return false;
		left -= PAUSE_NS;
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
	}
	return true;
}

enum ht_rc
ht_watchlist_publish(struct ht_watchlist_slot *s, struct ht_watchlists *w, unsigned timeout_ms) {
	if (w != NULL && ht_watchlists_workers(w) < s->workers)
		return HT_BAD;
	if (s->old != NULL) {
		if (!wait_for_all(s, timeout_ms))
			return HT_FULL;
		free_old(s);
	}
	s->old = __atomic_exchange_n(&s->current, w, __ATOMIC_SEQ_CST);
	__atomic_store_n(&s->epoch, s->epoch + 1, __ATOMIC_SEQ_CST);
	if (!wait_for_all(s, timeout_ms))
		return HT_MORE;
	free_old(s);
	return HT_OK;
}
