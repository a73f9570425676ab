// SPDX-License-Identifier: BSD-3-Clause
// clock: what time it is, for who captures and who sends. The sensor has no clock: its time is the
// frames'.

#pragma once

#include <stdint.h>
#include <time.h>

#define HT_NS_PER_S 1000000000ll
#define HT_NS_PER_MS 1000000ll

static inline int64_t ht_clock_ns(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * HT_NS_PER_S + t.tv_nsec;
}

// ht_clock_ms is the monotonic clock in ms.
static inline int64_t ht_clock_ms(void) {
	return ht_clock_ns(CLOCK_MONOTONIC) / HT_NS_PER_MS;
}
