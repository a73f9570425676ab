// SPDX-License-Identifier: BSD-3-Clause
// live: frames from interfaces, until a signal ends it.

#pragma once

#include "options.h"
#include "sinks.h"
#include "summary.h"

#include <signal.h>

// live_run captures from o->interfaces until *stop, until the last of them is gone, or until nobody
// reads the records; what the rings hold then is read first. False when an interface could not be
// opened (then nothing is captured), when one went away, or when nobody reads: that was said.
bool live_run(
	struct ht_sensor *sensor,
	const struct sinks *sinks,
	struct summary *sum,
	const struct options *o,
	const volatile sig_atomic_t *stop
);
