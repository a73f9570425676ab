// SPDX-License-Identifier: BSD-3-Clause
// capture_dpdk: DPDK ports, one queue of each to a worker, and the way of a frame to the worker
// that owns its flow. Uses base, stats, capture. No type of DPDK's appears here.
//
// A process has one struct ht_dpdk. Worker i reads queue i of every port, so that the two
// directions of a link that come in by two ports (a TAP) meet at one worker: all ports spread
// alike.
//
// How frames are spread over the workers:
//   rss       the NIC hashes the two addresses with a symmetric Toeplitz key (6D5A repeated): both
//             directions, all fragments of a packet and all tunnels between two hosts are one
//             worker's. Ports are left out on purpose: fragments have none, and the outer UDP port
//             of VXLAN or GENEVE differs by direction.
//   software  the worker that received a frame asks params.owner whose it is, and puts what is not
//             its own into the owner's inbox, a ring. So it is for all ports when one of them
//             cannot spread, or when they have different drivers, and so it is for the frames that
//             rules in the NIC (steering) leave to the wrong workers.

#pragma once

#include "base.h"
#include "capture.h"
#include "frame.h"
#include "option.h"
#include "stats.h"

#define HT_DPDK_MAX_PORTS 16u
#define HT_DPDK_MAX_WORKERS 64u

enum ht_dpdk_spread { HT_SPREAD_AUTO, HT_SPREAD_RSS, HT_SPREAD_SOFTWARE };
enum ht_dpdk_level { HT_LEVEL_DRIVER, HT_LEVEL_OUTER, HT_LEVEL_INNER };
enum ht_dpdk_memory { HT_HUGEPAGES_AUTO, HT_HUGEPAGES_YES, HT_HUGEPAGES_NO };
enum ht_dpdk_idle { HT_IDLE_POLL, HT_IDLE_PAUSE, HT_IDLE_SLEEP, HT_IDLE_INTERRUPT };

// One port: a section of `ports`.
struct ht_dpdk_port_params {
	const char *device;
	uint32_t queues; // 0: as many as there are workers, or as the device has
	uint32_t rx_descriptors;
	uint32_t mtu;
	bool promiscuous;
	uint32_t level; // enum ht_dpdk_level
};

// The section `dpdk`.
struct ht_dpdk_params {
	struct ht_option_sections ports; // struct ht_dpdk_port_params
	uint32_t hugepages; // enum ht_dpdk_memory
	uint32_t memory_mib;
	const char *file_prefix;
	struct ht_option_texts eal_args;
	uint32_t spread; // enum ht_dpdk_spread
	uint32_t inbox_frames;
	uint32_t idle; // enum ht_dpdk_idle
	bool hardware_time;
};
extern const struct ht_option_table ht_dpdk_options;

// What the program adds.
struct ht_dpdk_run {
	unsigned workers; // 1 to HT_DPDK_MAX_WORKERS
	// Which of them look at the ports of interest, and which at the rest: [0, rest_from) and
	// [rest_from, workers). rest_from == workers: no steering, everything is of interest.
	unsigned rest_from;
	bool drop_rest; // what is not of interest is counted and dropped
	const uint16_t *tcp, *udp; // ports of interest, host order
	unsigned num_tcp, num_udp;
	const char *filter; // pcap-filter(7), or NULL
	// owner tells whose a frame is: a worker, HT_OWNER_NONE or HT_OWNER_SELF. Worker i calls it
	// with owner_arg[i]. NULL: nothing is handed over.
	unsigned (*owner)(void *arg, const struct ht_frame *f);
	void *const *owner_arg;
	const int *cpu; // of each worker, -1: any; for NUMA-local memory
	void (*log)(const char *line); // what was found and decided, a line at a time
};

// X(ID, name, help): what a worker counts of one port's queue. One writer: the worker. What its
// inbox gave it is ht_dpdk_handed_in().
//   frames = filtered + not_of_interest + handed_over + handed_lost + own, and
//   own + handed in is what the sensor was given.
#define HT_DPDK_COUNTERS(X) \
	X(FRAMES, "frames", "frames taken from the queue") \
	X(BYTES, "bytes", "bytes of them, as they were on the wire") \
	X(OWN, "own", "given to the worker's own sensor") \
	X(FILTERED, "filtered", "refused by the capture filter") \
	X(NOT_OF_INTEREST, "not_of_interest", "of no port of interest, dropped by the worker") \
	X(HANDED_OVER, "handed_over", "put into the inbox of the worker that owns the flow") \
	X(HANDED_LOST, "handed_lost", "lost since that inbox was full") \
	X(SEGMENTED, "segmented", "came in several mbufs and were put together") \
	X(TOO_LONG, "too_long", "longer than 64 KiB, cut")

enum ht_dpdk_counter {
#define X(id, name, help) HT_DPDK_##id,
	HT_DPDK_COUNTERS(X)
#undef X
		HT_NUM_DPDK_COUNTERS
};
extern const struct ht_counter ht_dpdk_counters[HT_NUM_DPDK_COUNTERS];

// X(ID, name, help): what a port counts by itself. Written by ht_dpdk_look() alone.
#define HT_DPDK_PORT_COUNTERS(X) \
	X(RECEIVED, "received", "frames the port handed to the queues (ipackets)") \
	X(MISSED, "missed", "frames lost since a queue was full (imissed)") \
	X(ERRORS, "errors", "frames with errors (ierrors)") \
	X(NO_MBUF, "no_mbuf", "receive descriptors not refilled: the pool was empty (rx_nombuf)") \
	X(NIC_DROPPED, "nic_dropped", "of no port of interest, dropped by a rule in the NIC") \
	X(LINK_CHANGES, "link_changes", "times the link went down or up")

enum ht_dpdk_port_counter {
#define X(id, name, help) HT_DPDK_PORT_##id,
	HT_DPDK_PORT_COUNTERS(X)
#undef X
		HT_NUM_DPDK_PORT_COUNTERS
};
extern const struct ht_counter ht_dpdk_port_counters[HT_NUM_DPDK_PORT_COUNTERS];

struct ht_dpdk;

// ht_dpdk_open starts EAL, configures and starts the ports. The params are borrowed while it lives.
// HT_ERROR: `err` says what and where in one line; nothing is left started. Once in a process.
HT_MUST_USE enum ht_rc ht_dpdk_open(
	struct ht_dpdk **out,
	const struct ht_dpdk_params *p,
	const struct ht_dpdk_run *run,
	char *err,
	size_t err_len
);

// ht_dpdk_worker is what worker i reads from, to be used by one thread that has called
// ht_dpdk_thread. Its ops are ht_capture_dpdk: open and fd are NULL, stop and close belong to d.
struct ht_capture *ht_dpdk_worker(struct ht_dpdk *d, unsigned i);
extern const struct ht_capture_ops ht_capture_dpdk;

// ht_dpdk_thread makes the calling thread one that may use the ports; the same thread calls
// ht_dpdk_thread_end before it ends.
HT_MUST_USE enum ht_rc ht_dpdk_thread(struct ht_dpdk *d);
void ht_dpdk_thread_end(struct ht_dpdk *d);

// ht_dpdk_idle is called by a worker when read() gave nothing for the `empty`-th time in a row: it
// returns at once, after a pause, or when a frame came (10 ms at most), as the option `idle` says.
void ht_dpdk_idle(struct ht_capture *c, unsigned empty);

// ht_dpdk_now is the time by the clock of the frames, ns since the epoch, or INT64_MIN where they
// bring their own (a capture file).
int64_t ht_dpdk_now(const struct ht_capture *c);

unsigned ht_dpdk_ports(const struct ht_dpdk *d);
const char *ht_dpdk_port_name(const struct ht_dpdk *d, unsigned port);

// Blocks of counters, readable at any time. A queue's is NULL where worker `i` has none there. The
// worker's inbox gave it ht_dpdk_handed_in() frames.
const uint64_t *ht_dpdk_queue_block(const struct ht_dpdk *d, unsigned port, unsigned worker);
const uint64_t *ht_dpdk_port_block(const struct ht_dpdk *d, unsigned port);
const uint64_t *ht_dpdk_handed_in(const struct ht_dpdk *d, unsigned worker);

// The driver's own counters (xstats) of a port: a table and a block of *num words.
const struct ht_counter *
ht_dpdk_xstats(const struct ht_dpdk *d, unsigned port, const uint64_t **block, unsigned *num);

// ht_dpdk_look reads the ports' counters and links. One thread, each second or so. Returns how many
// ports have lost their device: nothing will come from those any more.
unsigned ht_dpdk_look(struct ht_dpdk *d);

// ht_dpdk_stop lets nothing more in; what the queues and inboxes hold is still to be read: a worker
// is done when read() gives nothing and ht_dpdk_drained() is true.
void ht_dpdk_stop(struct ht_dpdk *d);
bool ht_dpdk_drained(struct ht_dpdk *d, unsigned worker);

// ht_dpdk_absent says that one of the workers will never read: the others do not wait for it.
void ht_dpdk_absent(struct ht_dpdk *d);

// ht_dpdk_close frees all of it, and EAL, when no worker runs any more.
void ht_dpdk_close(struct ht_dpdk *d);
