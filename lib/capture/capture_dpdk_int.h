// SPDX-License-Identifier: BSD-3-Clause
// What the files of the DPDK capture share. Not for other modules.
//
//   capture_dpdk.c        a worker: read, hand over, release, idle
//   capture_dpdk_open.c   opening and closing all of it; the memory of the workers
//   capture_dpdk_eal.c    EAL's arguments
//   capture_dpdk_port.c   one port: queues, pools, RSS
//   capture_dpdk_watch.c  one port while it runs: its counters, its link
//   capture_dpdk_assign.c which worker reads which queues, and of which it asks whose a frame is
//   capture_dpdk_steer.c  rte_flow rules for the ports of interest
//   capture_dpdk_tables.c options and counters; capture_dpdk_none.c stands for all in a build
//   without

#pragma once

// rte_eth_read_clock is experimental in 22.11.
#define ALLOW_EXPERIMENTAL_API

#include "capture_dpdk.h"
#include "capture_int.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_ring.h>

#include <stdatomic.h>

#define BURST 32u // frames taken from a queue, or from an inbox, at a time
#define LENT (2 * BURST) // frames of a read
#define QUEUE_HOLDS 65536u // frames, at the most: 32768 descriptors, or a driver's ring behind them
#define POOL_CACHE 256u // mbufs that a thread keeps at hand
#define FRAME_MAX 65536u // bytes of a frame of several mbufs
#define CACHE_LINE __attribute__((aligned(64)))

// Where the time of a port's frames comes from.
enum time_of {
	TIME_CLOCK, // this host's, once a burst, by the TSC
	TIME_DRIVER_US, // the driver, in us since the epoch: net_pcap
	TIME_DEVICE, // the device, in ticks of its own
};

struct port {
	const struct ht_dpdk_port_params *p;
	char name[RTE_ETH_NAME_MAX_LEN];
	const char *driver;
	uint16_t id;
	uint16_t queues;
	int socket;
	bool opened;
	uint64_t hash; // the RSS types by which its queues are the owners' own; 0: they are not
	bool steers; // rules in the NIC sort out the ports of interest
	bool interrupts; // each queue has one of its own
	enum time_of time;
	bool forever; // no capture file: the time goes on without frames
	struct rte_flow *drop_rule; // counts what the NIC drops
	bool link_up;
	// Of a virtual device over a network interface, whose driver does not look after that.
	int interface; // index, 0: none
	bool gone;
	uint64_t last[HT_NUM_DPDK_PORT_COUNTERS]; // as the driver said
	// Written by ht_dpdk_look().
	uint64_t ctr[HT_NUM_DPDK_PORT_COUNTERS];
	struct ht_counter *xstats;
	char *xstat_names;
	uint64_t *xstat_values, *xstat_block;
	unsigned num_xstats;
};

// A queue of a port, read by one worker.
struct queue {
	struct port *port; // NULL: the worker has none there
	bool asks; // whose a frame is must be asked
	unsigned keeps_from; // what belongs to this worker or a later one is kept
	bool armed; // the interrupt is added to the worker's epoll
	uint64_t ctr[HT_NUM_DPDK_COUNTERS];
};

// The TSC as ns since the epoch; looked after once a second.
struct tsc_clock {
	int64_t base_ns;
	uint64_t base_tsc;
	uint64_t until_tsc; // when to look at the clock again
	double ns_per_tick;
	int64_t last; // never goes back
};

// The device's ticks as ns since the epoch.
struct device_clock {
	uint64_t first_ticks;
	uint64_t first_tsc; // 0: not looked at yet
	uint64_t base_ticks;
	int64_t base_ns;
	double ns_per_tick; // 0: not known yet
};

// A struct ht_capture of this backend.
struct worker {
	struct ht_dpdk *d;
	unsigned index;
	unsigned next; // port to read next
	unsigned num_lent;
	bool done; // stopping, and the queues are empty
	uint64_t last; // frames read since it is stopping
	bool waits; // for interrupts, when there is nothing
	struct tsc_clock clock;
	struct device_clock device[HT_DPDK_MAX_PORTS];
	const struct ht_filter *filter; // NULL: none
	uint8_t *joined; // FRAME_MAX bytes for each frame of a read
	struct rte_mempool *pool;
	struct rte_ring *inbox; // NULL: nobody hands over
	struct rte_mbuf *lent[LENT];
	struct queue queue[HT_DPDK_MAX_PORTS];
	CACHE_LINE uint64_t handed_in;
	struct {
		struct rte_mbuf *m[BURST];
		unsigned num;
	} out[HT_DPDK_MAX_WORKERS];
} CACHE_LINE;

struct ht_dpdk {
	const struct ht_dpdk_params *p;
	struct ht_dpdk_run run;
	unsigned num_ports;
	struct port port[HT_DPDK_MAX_PORTS];
	struct worker *worker[HT_DPDK_MAX_WORKERS];
	struct ht_filters filters;
	bool huge;
	bool eal; // started
	bool steering; // there are ports of interest
	bool alike; // all ports spread over the workers in one way
	bool hands_over; // workers may hand frames to each other
	int device_time; // offset of the drivers' timestamp in an mbuf, -1: none
	uint64_t device_time_flag;
	int handed_time; // offset of our own
	atomic_bool stopping; // ht_dpdk_stop writes
	uint64_t stop_tsc; // written before `stopping`: when to leave the queues as they are
	atomic_uint done; // workers that will hand nothing over any more
};

__attribute__((format(printf, 2, 3))) void dpdk_log(const struct ht_dpdk *d, const char *fmt, ...);

// eal_start starts EAL and gives the ports their names. HT_ERROR: `err` says why.
HT_MUST_USE enum ht_rc eal_start(struct ht_dpdk *d, char *err, size_t err_len);

// port_configure tells a port how many queues it has, and how it spreads frames over them; then it
// is known what memory the workers need. port_start sets the queues up and lets frames in.
// HT_ERROR: `err` says why.
HT_MUST_USE enum ht_rc port_configure(struct ht_dpdk *d, struct port *p, char *err, size_t err_len);
HT_MUST_USE enum ht_rc port_start(struct ht_dpdk *d, struct port *p, char *err, size_t err_len);
void port_close(struct port *p);

// port_watch begins to look after a port that was started, port_look looks at its counters and its
// link.
void port_watch(struct port *p);
void port_look(struct ht_dpdk *d, struct port *p);
void port_watch_end(struct port *p);

// port_spreads tells whether each queue of the port has the frames of one owner.
static inline bool port_spreads(const struct ht_dpdk *d, const struct port *p) {
	return d->run.workers == 1 || (p->hash != 0 && p->queues >= d->run.workers);
}

// pool_frames is how many mbufs worker `i` needs; pool_room their bytes of data.
unsigned pool_frames(const struct ht_dpdk *d, unsigned i);
uint16_t pool_room(const struct ht_dpdk *d);

// port_steer sets the rules for the ports of interest; false, and a log line, when the NIC has none
// of the kind.
bool port_steer(struct ht_dpdk *d, struct port *p, uint64_t hash);

// dpdk_plan finds, when all ports are configured, whether workers will hand frames to each other.
// dpdk_assign gives them their queues, when all ports are started.
void dpdk_plan(struct ht_dpdk *d);
void dpdk_assign(struct ht_dpdk *d);

extern const uint8_t dpdk_symmetric_key[52];
