// SPDX-License-Identifier: BSD-3-Clause
// What bench_dpdk gives net_pcap to repeat for ever, and how each repetition becomes other flows.
//
// The capture is one turn of a link on which flows begin, last and end all the time. Frame k of a
// flow has its place in the turn, and belongs to the flow that began `back` turns ago: so a
// capture of some thousand flows is any number of them at a time, each with all of its frames, in
// order. What a frame is made part of is written into its addresses and the client's port.

#pragma once

#include "base.h"

struct source_frame {
	uint32_t flow; // of those in the capture
	uint32_t back; // turns since the flow's first frame
	uint8_t client, server, port; // where their addresses (the last 4 bytes) and the client's
				      // port are in the frame
	bool v6;
	bool whole; // the flow's hello is whole with it
	bool early; // of the flow's first frames, until it is decided
};

// A frame that is kept to be given without a device.
struct source_copy {
	uint32_t frame; // of the turn
	uint32_t len;
	uint8_t *bytes;
};

struct source {
	struct source_copy *early; // the early ones, in order
	uint32_t num_early;
	struct source_frame *frames; // of a turn, in order
	uint32_t num_frames, num_flows, hellos; // a turn
	uint64_t bytes; // a turn, without FCS
	uint32_t turns; // a flow lasts at most
	uint64_t concurrent; // flows at a time
	int fd; // the turn as a capture file
};

// source_capture reads the flows of a capture of `generate`, all of those with number % parts ==
// part, and makes a turn of them in which `concurrent` flows are in progress at a time. Flows are
// cut so that there are `each` frames in one on average, unless that is 0.
void source_capture(
	struct source *s,
	const char *path,
	unsigned part,
	unsigned parts,
	uint64_t concurrent,
	unsigned each
);

// source_flood makes a turn of frames of 64 bytes, each of another flow: TCP SYN, or UDP.
void source_flood(struct source *s, bool udp);

void source_free(struct source *s);

// source_write makes a frame part of the flow that is its in turn `turn`. Two flows of fewer than
// 2^32 never have the same addresses and ports.
static inline void
source_write(const struct source *s, const struct source_frame *f, uint8_t *p, uint32_t turn) {
	uint32_t x = (turn - f->back) * s->num_flows + f->flow;
	// Each step can be undone, so no two numbers become the same one.
	x *= 0x9e3779b1u;
	x ^= x >> 15;
	x *= 0x85ebca77u;
	x ^= x >> 13;
	const uint32_t server = x * 0xc2b2ae3du >> 15;
	ht_put_be32(p + f->client, (f->v6 ? 0 : 10u << 24) | x >> 8);
	ht_put_be32(p + f->server, (f->v6 ? 0 : 0xc6120000u) | server);
	ht_put_be16(p + f->port, (uint16_t)(32768 + (x & 0xff) * 64 + (server & 63)));
}
