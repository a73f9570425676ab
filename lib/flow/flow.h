// SPDX-License-Identifier: BSD-3-Clause
// flow: the fixed-capacity flow table of one worker. Uses base, packet.
//
// Buckets of sixteen slots. A bucket is a cache line of its own, with a tag for each slot and what
// the flow in it is worth: a lookup touches that line and, nearly always, one flow, and so does a
// new flow in a full table. A full bucket gives up its least valuable slot: nothing grows and
// nothing is searched further.

#pragma once

#include "base.h"
#include "packet.h"

// What a flow is to its owner; the table only uses it to choose which slot to give up.
enum ht_flow_state {
	HT_FLOW_FREE, // the slot is empty
	HT_FLOW_DONE, // decided: kept so that later packets cost a lookup and no more
	HT_FLOW_OPEN, // not decided yet, nothing held for it
	HT_FLOW_WORKING, // something of it is held elsewhere
};

// One cache line. The two ends are in canonical order: side 0 has the smaller (address, port), so
// both directions find the same flow. The fields from `state` on belong to the owner.
struct ht_flow {
	uint8_t addr[2][16];
	uint16_t port[2];
	uint8_t proto;
	uint8_t state; // enum ht_flow_state
	uint8_t dir[2];
	uint32_t seq[2];
	uint32_t work;
	uint32_t seen; // coarse time of the last packet, ht_flow_ticks()
	uint8_t client, hellos, flags, via;
	uint32_t slot; // index of this flow in the table
};
_Static_assert(sizeof(struct ht_flow) == 64, "a flow is a cache line");

// Time in units of 2^24 ns (17 ms): 32 bits last for two years, and differences survive a wrap.
static inline uint32_t ht_flow_ticks(int64_t ts) {
	return (uint32_t)((uint64_t)ts >> 24);
}

struct ht_flow_table;

// ht_flow_table_new makes a table of at least `max_flows` slots (rounded up to a power of two, at
// least 8). `secret` keys the hash, so that no sender can choose collisions. NULL: no memory.
struct ht_flow_table *ht_flow_table_new(uint32_t max_flows, uint64_t secret);
void ht_flow_table_free(struct ht_flow_table *t);

// A packet's place in the table, computed once and used by the calls below.
struct ht_flow_ref {
	uint64_t hash;
	uint8_t side; // which side sent this packet: 0 or 1
};

struct ht_flow_ref
ht_flow_ref(const struct ht_flow_table *t, const struct ht_flow_key *key, uint8_t proto);

// ht_flow_prefetch_tags and then, some packets later, ht_flow_prefetch make the lookup find its
// lines in the cache. ht_flow_prefetch returns what the lookup will most likely find, or NULL; then
// it is the slot for a new flow that is made ready.
void ht_flow_prefetch_tags(const struct ht_flow_table *t, struct ht_flow_ref r);
struct ht_flow *ht_flow_prefetch(const struct ht_flow_table *t, struct ht_flow_ref r, uint32_t now);

// ht_flow_is tells whether `f`, whatever it has become meanwhile, is the flow of a packet.
static inline bool ht_flow_is(
	const struct ht_flow *f, struct ht_flow_ref r, const struct ht_flow_key *key, uint8_t proto
) {
	uint64_t a[4], b[4];
	memcpy(a, f->addr[r.side], 16);
	memcpy(a + 2, f->addr[!r.side], 16);
	memcpy(b, key->src, 16);
	memcpy(b + 2, key->dst, 16);
	return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) == 0
	       && f->port[r.side] == key->sport && f->port[!r.side] == key->dport
	       && f->proto == proto && f->state != HT_FLOW_FREE;
}

// ht_flow_find returns the flow of a packet, or NULL.
struct ht_flow *ht_flow_find(
	struct ht_flow_table *t, struct ht_flow_ref r, const struct ht_flow_key *key, uint8_t proto
);

// ht_flow_victim returns the slot that ht_flow_fill will take: an empty one, or else the one to
// give up (done before open before working; the oldest of its kind, to a quarter of a second),
// whose owner must let go of it first.
struct ht_flow *ht_flow_victim(struct ht_flow_table *t, struct ht_flow_ref r, uint32_t now);

// ht_flow_fill makes `slot` (from ht_flow_victim, no other call between) the flow of this key:
// state OPEN, seen at `now`, all other owner's fields zero.
void ht_flow_fill(
	struct ht_flow_table *t,
	struct ht_flow *slot,
	struct ht_flow_ref r,
	const struct ht_flow_key *key,
	uint8_t proto,
	uint32_t now
);

// ht_flow_note must be called when `state` or `seen` of a flow was changed.
void ht_flow_note(struct ht_flow_table *t, const struct ht_flow *f);

// ht_flow_remove empties a slot.
void ht_flow_remove(struct ht_flow_table *t, struct ht_flow *slot);

// ht_flow_at returns slot i of ht_flow_capacity(); its state is HT_FLOW_FREE when it is empty.
struct ht_flow *ht_flow_at(struct ht_flow_table *t, uint32_t i);
uint32_t ht_flow_capacity(const struct ht_flow_table *t);
