// SPDX-License-Identifier: BSD-3-Clause
// clock: what time it is, in ns.

#pragma once

#include <stdint.h>
#include <time.h>

#define NS_PER_S 1000000000ll

static inline int64_t clock_ns(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}
