// SPDX-License-Identifier: BSD-3-Clause
// engine: capture from interfaces or ports until a signal ends it: workers, the exporter, and what
// looks after them.

#pragma once

#include "ledger.h"
#include "options.h"
#include "summary.h"

// engine_run runs until SIGINT or SIGTERM, until every interface is gone, nobody reads the records,
// or service.end_after_idle_s has passed; what came until then is read first. It fills the ledger,
// and prints it and the summary as the options say. False when something could not be opened, went
// away, or lost records: that was said. *status is HT_BAD for wrong usage.
bool engine_run(struct options *o, enum ht_rc *status);
