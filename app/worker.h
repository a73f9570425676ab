// SPDX-License-Identifier: BSD-3-Clause
// worker: one thread of the engine: its captures, its sensor, its queue of records. Nothing is
// shared but what is said here, and each of those has one writer.

#pragma once

#include "capture.h"
#include "capture_dpdk.h"
#include "findings.h"
#include "options.h"
#include "queue.h"
#include "sensor.h"
#include "watch.h"

#include <pthread.h>
#include <stdatomic.h>

// X(ID, name, help): an interface as one worker sees it; the words of struct ht_capture_stats.
#define INTERFACE_COUNTERS(X) \
	X(FRAMES, "frames", frames, "frames read") \
	X(FILTERED, "filtered", filtered, "refused by the capture filter") \
	X(BYTES, "bytes", bytes_read, "bytes of the frames read") \
	X(RECEIVED, "received", received, "frames the kernel counted") \
	X(DROPPED, "kernel_dropped", kernel_dropped, "of them, lost: no room in the buffer") \
	X(WITHHELD, "withheld", withheld, "of them, kept back by libpcap") \
	X(IF_DROPPED, "if_dropped", if_dropped, "lost by the interface before") \
	X(LINK_CHANGES, "link_changes", link_changes, "times the interface went down or up")

enum {
#define X(id, name, field, help) INTERFACE_##id,
	INTERFACE_COUNTERS(X)
#undef X
		NUM_INTERFACE_COUNTERS
};
extern const struct ht_counter interface_counters[NUM_INTERFACE_COUNTERS];

// What a worker says of its life: X(ID, name, help).
#define WORKER_COUNTERS(X) \
	X(TURNS, "turns", "reads of a batch of frames, empty ones included") \
	X(EMPTY, "empty", "of them, those that gave nothing")

enum {
#define X(id, name, help) WORKER_##id,
	WORKER_COUNTERS(X)
#undef X
		NUM_WORKER_COUNTERS
};
extern const struct ht_counter worker_counters[NUM_WORKER_COUNTERS];

struct worker {
	// Written by the engine.
	atomic_bool stop; // read what is there still, then end

	// Written by the worker, read by the engine.
	uint64_t ctr[NUM_WORKER_COUNTERS] __attribute__((aligned(64)));
	uint64_t interface[MAX_INTERFACES][NUM_INTERFACE_COUNTERS];
	uint64_t up[MAX_INTERFACES]; // 1: the interface is up, as far as is known
	atomic_uint failed; // bit i: capture i ended with an error, of which `error[i]` is the text
	atomic_uint ended; // bit i: capture i ended
	atomic_bool done; // the last thing that it says
	char error[MAX_INTERFACES][512];

	// Set up by the engine, then the worker's alone.
	unsigned index;
	int cpu; // -1: any
	bool seccomp;
	bool no_rights; // the program has become another user: keep none of what that one may
	const struct ht_policy *policy; // NULL: no findings
	struct ht_sensor *sensor;
	struct ht_queue *queue;
	struct watch watch;
	struct ht_dpdk *dpdk; // NULL: interfaces
	struct ht_capture *capture[MAX_INTERFACES];
	unsigned num_captures;

	// The engine's.
	pthread_t thread;
	bool started;
	uint64_t seen_turns;
	int64_t seen_at; // when `turns` had last changed
	bool stalled;
	uint64_t seen_empty; // empty turns, when frames had last come
};

// worker_put is the sensor's emit: `user` is the worker.
void worker_put(void *user, struct ht_record *r);

// worker_start makes the thread; false when there is none to be had.
bool worker_start(struct worker *w);
