// SPDX-License-Identifier: BSD-3-Clause
// Opening and closing all of it: workers and their memory, ports; and what the program asks.

#include "capture_dpdk_int.h"

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_epoll.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// --- workers -------------------------------------------------------------------------------------

static int socket_of(const struct ht_dpdk *d, unsigned worker) {
	const int cpu = d->run.cpu != NULL ? d->run.cpu[worker] : -1;
	if (cpu >= 0) {
		char path[96];
		for (int node = 0; node < RTE_MAX_NUMA_NODES; node++) {
			snprintf(
				path, sizeof(path), "/sys/devices/system/node/node%d/cpu%d", node,
				cpu
			);
			if (access(path, F_OK) == 0)
				return node;
		}
	}
	return SOCKET_ID_ANY;
}

// Without hugepages memory is there when it is first written, and mbufs that go round for long are
// written late: a frame would wait for its page, and the program grow for minutes.
static void touch_pages(
	struct rte_mempool *pool, void *unused, struct rte_mempool_memhdr *mem, unsigned index
) {
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	volatile uint8_t *at = mem->addr;
	(void)pool, (void)unused, (void)index;
	for (size_t i = 0; i < mem->len; i += page)
		at[i] = at[i];
}

static enum ht_rc worker_new(struct ht_dpdk *d, unsigned i, char *err, size_t err_len) {
	char name[32];
	struct worker *w = aligned_alloc(64, sizeof(*w));
	if (w == NULL)
		goto no_memory;
	memset(w, 0, sizeof(*w));
	d->worker[i] = w;
	w->d = d;
	w->index = i;
	w->joined = malloc((size_t)LENT * FRAME_MAX);
	if (w->joined == NULL)
		goto no_memory;
	snprintf(name, sizeof(name), "frames_%u", i);
	const int socket = socket_of(d, i);
	const unsigned num = pool_frames(d, i);
	w->pool = rte_pktmbuf_pool_create(name, num, POOL_CACHE, 0, pool_room(d), socket);
	if (w->pool == NULL) {
		snprintf(
			err, err_len, "worker %u: no memory for %u frames (%u MiB of %s): %s", i,
			num, (unsigned)((uint64_t)num * (pool_room(d) + 192u) >> 20),
			d->huge ? "hugepages; see dpdk-config/check-host" : "memory",
			rte_strerror(rte_errno)
		);
		return HT_ERROR;
	}
	if (!d->huge)
		rte_mempool_mem_iter(w->pool, touch_pages, NULL);
	if (d->hands_over) {
		snprintf(name, sizeof(name), "inbox_%u", i);
		w->inbox = rte_ring_create(
			name, d->p->inbox_frames, socket, RING_F_SC_DEQ | RING_F_EXACT_SZ
		);
		if (w->inbox == NULL) {
			snprintf(
				err, err_len, "worker %u: no inbox of %u frames: %s", i,
				d->p->inbox_frames, rte_strerror(rte_errno)
			);
			return HT_ERROR;
		}
	}
	return HT_OK;
no_memory:
	snprintf(err, err_len, "worker %u: no memory", i);
	return HT_ERROR;
}

static enum ht_rc set_filter(struct ht_dpdk *d, char *err, size_t err_len) {
	if (d->run.filter == NULL)
		return HT_OK;
	d->filters.expr = strdup(d->run.filter);
	if (d->filters.expr == NULL) {
		snprintf(err, err_len, "filter: no memory");
		return HT_ERROR;
	}
	const struct ht_filter *f = ht_filters_get(&d->filters, 1, err, err_len);
	for (unsigned i = 0; i < d->run.workers; i++)
		d->worker[i]->filter = f;
	return f->prog != NULL ? HT_OK : HT_ERROR;
}

static enum ht_rc configure_ports(struct ht_dpdk *d, char *err, size_t err_len) {
	for (unsigned i = 0; i < d->num_ports; i++) {
		struct port *p = &d->port[i];
		if (rte_eth_dev_get_port_by_name(p->name, &p->id) != 0) {
			snprintf(
				err, err_len,
				strncmp(p->p->device, "net_", 4) == 0
					? "%s: DPDK could not make it, see above: is its interface "
					  "there, and may it be opened (CAP_NET_RAW)?"
					: "%s: DPDK found no such port: is its driver there, and "
					  "the "
					  "device bound to it? (dpdk-devbind.py --status, "
					  "dpdk-config/check-host)",
				p->name
			);
			return HT_ERROR;
		}
		if (port_configure(d, p, err, err_len) != HT_OK)
			return HT_ERROR;
	}
	dpdk_plan(d);
	return HT_OK;
}

static enum ht_rc dyn_fields(struct ht_dpdk *d, char *err, size_t err_len) {
	static const struct rte_mbuf_dynfield ours = {
		.name = "hellotap_time",
		.size = sizeof(int64_t),
		.align = _Alignof(int64_t),
	};
	d->handed_time = rte_mbuf_dynfield_register(&ours);
	if (d->handed_time < 0) {
		snprintf(
			err, err_len, "no room for the time in an mbuf: %s", rte_strerror(rte_errno)
		);
		return HT_ERROR;
	}
	return HT_OK;
}

// The drivers have registered theirs when the ports were set up, if they have one.
static void find_driver_time(struct ht_dpdk *d) {
	d->device_time = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	const int flag = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);
	d->device_time_flag = d->device_time >= 0 && flag >= 0 ? RTE_BIT64(flag) : 0;
}

enum ht_rc ht_dpdk_open(
	struct ht_dpdk **out,
	const struct ht_dpdk_params *p,
	const struct ht_dpdk_run *run,
	char *err,
	size_t err_len
) {
	const struct ht_dpdk_port_params *ports = p->ports.v;
	for (unsigned i = 0; i < p->ports.num; i++)
		if (ports[i].queues > run->workers) {
			snprintf(
				err, err_len, "%s: %u queues, but there are %u workers",
				ports[i].device, ports[i].queues, run->workers
			);
			return HT_ERROR;
		}
	struct ht_dpdk *d = calloc(1, sizeof(*d));
	if (d == NULL) {
		snprintf(err, err_len, "DPDK: no memory");
		return HT_ERROR;
	}
	d->p = p;
	d->run = *run;
	d->num_ports = p->ports.num;
	d->steering = run->rest_from < run->workers || run->drop_rest;
	d->hands_over = run->workers > 1; // at the most
	enum ht_rc rc = eal_start(d, err, err_len);
	if (rc == HT_OK)
		rc = dyn_fields(d, err, err_len);
	if (rc == HT_OK)
		rc = configure_ports(d, err, err_len);
	for (unsigned i = 0; rc == HT_OK && i < run->workers; i++)
		rc = worker_new(d, i, err, err_len);
	for (unsigned i = 0; rc == HT_OK && i < d->num_ports; i++)
		rc = port_start(d, &d->port[i], err, err_len);
	if (rc == HT_OK)
		rc = set_filter(d, err, err_len);
	if (rc != HT_OK) {
		ht_dpdk_close(d);
		return HT_ERROR;
	}
	find_driver_time(d);
	dpdk_assign(d);
	*out = d;
	return HT_OK;
}

void ht_dpdk_stop(struct ht_dpdk *d) {
	d->stop_tsc = rte_rdtsc() + rte_get_tsc_hz() / 4;
	atomic_store_explicit(&d->stopping, true, memory_order_release);
}

void ht_dpdk_absent(struct ht_dpdk *d) {
	atomic_fetch_add_explicit(&d->done, 1, memory_order_release);
}

static void worker_free(struct worker *w) {
	if (w == NULL)
		return;
	rte_ring_free(w->inbox);
	rte_mempool_free(w->pool);
	free(w->joined);
	free(w);
}

void ht_dpdk_close(struct ht_dpdk *d) {
	if (d == NULL)
		return;
	for (unsigned i = 0; i < d->num_ports; i++)
		port_close(&d->port[i]);
	for (unsigned i = 0; i < d->run.workers; i++)
		worker_free(d->worker[i]);
	ht_filters_free(&d->filters);
	if (d->eal)
		(void)rte_eal_cleanup();
	free(d);
}

// --- what the program asks ----------------------------------------------------------------------

struct ht_capture *ht_dpdk_worker(struct ht_dpdk *d, unsigned i) {
	return (struct ht_capture *)d->worker[i];
}

enum ht_rc ht_dpdk_thread(struct ht_dpdk *d) {
	struct rte_epoll_event e;
	if (rte_thread_register() != 0)
		return HT_ERROR;
	// EAL makes the thread's epoll with the first use, when the program may have forbidden it.
	if (d->p->idle == HT_IDLE_INTERRUPT)
		(void)rte_epoll_wait(RTE_EPOLL_PER_THREAD, &e, 1, 0);
	return HT_OK;
}

void ht_dpdk_thread_end(struct ht_dpdk *d) {
	(void)d;
	rte_thread_unregister();
}

unsigned ht_dpdk_look(struct ht_dpdk *d) {
	unsigned gone = 0;
	for (unsigned i = 0; i < d->num_ports; i++) {
		port_look(d, &d->port[i]);
		gone += d->port[i].gone;
	}
	return gone;
}

unsigned ht_dpdk_ports(const struct ht_dpdk *d) {
	return d->num_ports;
}

const char *ht_dpdk_port_name(const struct ht_dpdk *d, unsigned port) {
	return d->port[port].name;
}

const uint64_t *ht_dpdk_queue_block(const struct ht_dpdk *d, unsigned port, unsigned worker) {
	const struct queue *q = &d->worker[worker]->queue[port];
	return q->port != NULL ? q->ctr : NULL;
}

const uint64_t *ht_dpdk_port_block(const struct ht_dpdk *d, unsigned port) {
	return d->port[port].ctr;
}

const uint64_t *ht_dpdk_handed_in(const struct ht_dpdk *d, unsigned worker) {
	return &d->worker[worker]->handed_in;
}

const struct ht_counter *
ht_dpdk_xstats(const struct ht_dpdk *d, unsigned port, const uint64_t **block, unsigned *num) {
	const struct port *p = &d->port[port];
	*block = p->xstat_block;
	*num = p->num_xstats;
	return p->xstats;
}
