// SPDX-License-Identifier: BSD-3-Clause
// replay: captures, one after the other, in one thread; records in the order of the files.

#pragma once

#include "ledger.h"
#include "lists.h"
#include "options.h"
#include "pipeline.h"
#include "summary.h"

#include <signal.h>

// replay_run reads o->inputs until *stop, and fills what the ledger says of them. False when one of
// them could not be read whole or nobody reads the records: that was said.
bool replay_run(
	const struct options *o,
	struct lists *lists, // or NULL
	struct pipeline *pipeline,
	struct summary *sum,
	struct ledger *l,
	const volatile sig_atomic_t *stop
);
