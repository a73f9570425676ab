// SPDX-License-Identifier: BSD-3-Clause
// sources: the interfaces or ports of a live run, and which worker reads what of them.

#pragma once

#include "capture_dpdk.h"
#include "options.h"
#include "worker.h"

struct sources {
	const struct options *o;
	struct worker *workers;
	unsigned num_workers;
	struct ht_dpdk *dpdk; // NULL: interfaces
	void *owners[MAX_WORKERS]; // struct ht_owner
	int cpus[MAX_WORKERS];
	uint16_t tcp[65536], udp[65536]; // ports of interest
};

// sources_open opens what the options name and gives each worker its captures. False when something
// cannot be opened: that was said; what was opened is closed by sources_close.
HT_MUST_USE bool sources_open(struct sources *s);
void sources_close(struct sources *s);
