// SPDX-License-Identifier: BSD-3-Clause
// Which queues a worker reads, of which it asks whose a frame is, and what it waits for.

#include "capture_dpdk_int.h"

// Whether a flow whose frames come in by several ports is one worker's by RSS alone: then all ports
// spread, and in one way. Hash and redirection table are the driver's.
static bool ports_spread_alike(const struct ht_dpdk *d) {
	bool all = true, some = false, same = true;
	if (d->run.workers == 1)
		return true;
	for (unsigned k = 0; k < d->num_ports; k++) {
		const struct port *p = &d->port[k];
		const bool spreads = port_spreads(d, p);
		all = all && spreads;
		some = some || spreads;
		same = same && strcmp(p->driver, d->port[0].driver) == 0;
	}
	if (d->run.owner != NULL && some && (!all || !same))
		dpdk_log(
			d,
			"ports spread in different ways: the workers hand over the frames of all "
			"of them"
		);
	return all && same;
}

void dpdk_plan(struct ht_dpdk *d) {
	d->alike = ports_spread_alike(d);
	d->hands_over = d->run.owner != NULL && d->run.workers > 1
			&& (!d->alike || d->run.rest_from < d->run.workers);
}

static void set_queues(struct ht_dpdk *d) {
	for (unsigned k = 0; k < d->num_ports; k++) {
		struct port *p = &d->port[k];
		for (unsigned i = 0; i < d->run.workers; i++) {
			if (i >= p->queues)
				continue;
			struct queue *q = &d->worker[i]->queue[k];
			const bool rest = d->steering && (!p->steers || i >= d->run.rest_from);
			q->port = p;
			q->asks = d->run.owner != NULL && (rest || !d->alike);
			// What RSS has spread already: the rest over its workers, or, where that is
			// dropped, what is of interest.
			q->keeps_from = d->alike && d->run.drop_rest ? 0
					: d->alike && p->steers	     ? d->run.rest_from
								     : d->run.workers;
		}
	}
}

// Who waits for interrupts of its queues: a worker that is woken by nothing else.
static void set_waiting(struct ht_dpdk *d) {
	bool some = false;
	for (unsigned k = 0; k < d->num_ports; k++)
		some = some || d->port[k].interrupts;
	for (unsigned i = 0; i < d->run.workers; i++) {
		struct worker *w = d->worker[i];
		w->waits = w->inbox == NULL;
		for (unsigned k = 0; k < d->num_ports; k++)
			w->waits = w->waits && (w->queue[k].port == NULL || d->port[k].interrupts);
	}
	if (some && d->worker[0]->inbox != NULL)
		dpdk_log(
			d, "no waiting for interrupts: workers hand frames to each other, which "
			   "makes none: they sleep instead"
		);
}

void dpdk_assign(struct ht_dpdk *d) {
	set_queues(d);
	set_waiting(d);
}
