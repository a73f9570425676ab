// SPDX-License-Identifier: BSD-3-Clause
// What the benches share: clocks, an order of doubles, numbers in no order, and a way out.

#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline void need(bool ok, const char *what) {
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
	exit(1);
}

// Each clock in nanoseconds.
static inline double clock_ns(clockid_t id) {
	struct timespec t;
	clock_gettime(id, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline double now(void) {
	return clock_ns(CLOCK_MONOTONIC);
}

// CPU time of this thread and of all threads: other work on the machine is left out, but for what
// it does to the caches.
static inline double cpu_of_thread(void) {
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static inline double cpu_of_all(void) {
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

// For qsort.
static inline int by_value(const void *a, const void *b) {
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

// rnd gives the same numbers in every run: xorshift64 (Marsaglia 2003).
static inline uint64_t rnd(void) {
	static uint64_t state = 0x9e3779b97f4a7c15;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}
