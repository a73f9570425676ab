// SPDX-License-Identifier: BSD-3-Clause
// What is counted of a flow, where flow records are made: sensor_flows.c tells it.

#pragma once

#include "sensor_int.h"

// account.flags
enum {
	ACCOUNT_FIN = 1, // of side 0; shifted by one, of side 1
	ACCOUNT_RST = 4,
	ACCOUNT_SYN = 8, // who opened the connection is known
	ACCOUNT_SYN_SIDE = 16, // the side that did
	ACCOUNT_FIRST_SIDE = 32, // the side that sent the first packet
	ACCOUNT_TLS = 64, // a hello was told
	ACCOUNT_CLIENT_SIDE = 128, // the side that sent it
	ACCOUNT_NS = 256, // the capture keeps nanoseconds
	ACCOUNT_ANSWER = 512, // the server's answer is being read
	ACCOUNT_TIMED = 1024, // the slot is in the lists of TIMER_IDLE
	ACCOUNT_LINGERS = 2048, // and in those of TIMER_LINGER; both stay when the flow ends
};

// One for each slot of the flow table, of the same index; a cache line. All zero: nothing was
// counted. Packets, bytes, flags and times are those of the part that was not told yet.
struct account {
	int64_t start, end; // of its first packet and its last, undefined without any
	uint64_t bytes[2];
	struct {
		uint64_t ip_bytes : 56;
		uint64_t tcp_flags : 8;
	} side[2];
	uint32_t packets[2];
	uint32_t details; // index in ht_sensor.details, 0: none
	uint16_t told; // parts that were told
	uint16_t flags;
};
_Static_assert(sizeof(struct account) == CACHE_LINE, "an account is a cache line");

// When a flow is looked at for whether it is over: lists of slots by second, in the order in which
// they were put there. What is too far ahead is looked at before, and put there again.
#define TIMER_SECONDS 512u

struct flow_timers {
	uint32_t head[TIMER_SECONDS], tail[TIMER_SECONDS]; // slot + 1; 0: the list is empty
	uint32_t *next; // of each slot, slot + 1
};

enum timer {
	TIMER_IDLE, // every flow that has packets to tell
	TIMER_LINGER, // those of which both sides have ended
	NUM_TIMERS
};

// What a flow record tells besides: a packed record of the last whole hello.
struct details {
	uint8_t *block; // NULL: there was no room
	uint32_t size; // of the block
	uint32_t flow; // slot
	uint32_t older, newer; // index 0 is none, as in struct hello_links
	uint32_t hellos, incomplete; // of this part
	uint32_t answer; // index in ht_sensor.answers, 0: none
	bool complete; // the hello in `block` is
};

// details_change keeps what is told in s->flow_record, the record that details_read gave of `d`.
// details_read is false where there was no room for any.
bool details_read(struct ht_sensor *s, const struct details *d);
void details_change(struct ht_sensor *s, struct details *d);

// --- sensor_answers.c ---
bool answers_new(struct ht_sensor *s);
void answers_free(struct ht_sensor *s);
uint64_t answers_memory(const struct ht_sensor_params *p);
// answer_packet reads a packet of a flow whose answer is waited for.
void answer_packet(
	struct ht_sensor *s, const struct ht_flow *f, const struct ht_packet *p, uint8_t side
);
// answer_put adds what the server said to the record of its flow. It borrows from the answer.
void answer_put(struct ht_sensor *s, struct ht_record *r, const struct details *d);
// answer_drop: no more is waited for; `why` says so in the ledger. What was said is not kept.
void answer_drop(struct ht_sensor *s, struct details *d, enum ht_ledger why);

static inline bool account_closed(const struct account *a) {
	const unsigned both = ACCOUNT_FIN | ACCOUNT_FIN << 1;
	return (a->flags & both) == both || (a->flags & ACCOUNT_RST);
}

static inline bool account_empty(const struct account *a) {
	return a->packets[0] == 0 && a->packets[1] == 0;
}

// udp_only_counted: nothing but its packets is known of a UDP flow. For who looks for hellos there
// is none.
static inline bool udp_only_counted(const struct ht_flow *f) {
	return f->proto == HT_IPPROTO_UDP && f->hellos == 0
	       && (f->flags & (FLOW_QUIC | FLOW_DTLS | FLOW_CARRIED)) == 0;
}

static inline bool account_is_told(const struct ht_sensor *s, const struct account *a) {
	return s->p.flows == HT_FLOWS_ALL || (a->flags & ACCOUNT_TLS);
}

// account_roll tells the part that ends before a packet at `ts`: flow_active_s is over, or a count
// is full. Where time runs back it is over as well: no part lasts longer.
void account_tell_active(struct ht_sensor *s, struct ht_flow *f);
// account_tell_over tells what there is of a flow that is over. What may come yet is another part.
void account_tell_over(struct ht_sensor *s, struct ht_flow *f);
// account_time puts a slot into the lists.
void account_time(struct ht_sensor *s, uint32_t slot, enum timer kind);

// accounts_time says what time it is. One frame with a wrong time moves nothing.
static inline void accounts_time(struct ht_sensor *s, int64_t ts) {
	const int64_t now = ts < s->seen_ns ? ts : s->seen_ns;
	s->seen_ns = ts;
	if (HT_UNLIKELY((uint64_t)now - (uint64_t)s->timer_ns >= NS_PER_S))
		flows_time(s, now, 256);
}
static inline bool account_is_full(const struct ht_sensor *s, const struct account *a, int64_t ts) {
	int64_t age, back;
	return !account_empty(a)
	       && (__builtin_sub_overflow(ts, a->start, &age) || age >= s->flow_active_ns
		   || __builtin_sub_overflow(a->end, ts, &back) || back >= s->flow_active_ns
		   || a->packets[0] == UINT32_MAX || a->packets[1] == UINT32_MAX)
	       && account_is_told(s, a);
}
// account_silent: `now` is further than `limit` from its last packet, which is in its future where
// the clock was set back.
static inline bool account_silent(const struct account *a, int64_t now, int64_t limit) {
	int64_t age;
	return __builtin_sub_overflow(now, a->end, &age) || age > limit || age < -limit;
}

// account_is_over: the connection has ended, and this packet is none of its stragglers.
static inline bool account_is_over(const struct ht_sensor *s, const struct account *a, int64_t ts) {
	return account_closed(a) && !account_empty(a) && account_silent(a, ts, s->linger_ns);
}
static inline void account_roll(struct ht_sensor *s, struct ht_flow *f, int64_t ts) {
	if (HT_UNLIKELY(account_is_over(s, &s->accounts[f->slot], ts)))
		account_tell_over(s, f);
	else if (HT_UNLIKELY(account_is_full(s, &s->accounts[f->slot], ts)))
		account_tell_active(s, f);
}

// account_tcp notes what a segment says of the connection.
static inline void account_tcp(struct account *a, const struct ht_packet *p, uint8_t side) {
	a->side[side].tcp_flags |= p->tcp_flags;
	if (HT_LIKELY(!(p->tcp_flags & (HT_TCP_SYN | HT_TCP_FIN | HT_TCP_RST))))
		return;
	if (p->tcp_flags & HT_TCP_SYN) {
		const bool opens = !(p->tcp_flags & HT_TCP_ACK);
		if (!(a->flags & ACCOUNT_SYN))
			a->flags |= ACCOUNT_SYN | (opens == side ? ACCOUNT_SYN_SIDE : 0);
		if (opens) // again, after it was refused
			a->flags &= (uint16_t) ~(ACCOUNT_RST | ACCOUNT_FIN | ACCOUNT_FIN << 1);
	}
	if (p->tcp_flags & HT_TCP_FIN)
		a->flags |= (uint16_t)(ACCOUNT_FIN << side);
	if (p->tcp_flags & HT_TCP_RST)
		a->flags |= ACCOUNT_RST;
}

// account_turn is for the few packets that begin a part, lie outside of it, or come behind the end.
void account_turn(
	struct ht_sensor *s, struct ht_flow *f, uint8_t side, const struct ht_frame *frame
);

// account_packet counts a packet of the flow, behind everything else that it means.
static inline void account_packet(
	struct ht_sensor *s,
	struct ht_flow *f,
	const struct ht_packet *p,
	uint8_t side,
	const struct ht_frame *frame
) {
	struct account *a = &s->accounts[f->slot];
	// Before its start it is very old, as a number without a sign.
	const uint64_t age = (uint64_t)frame->ts - (uint64_t)a->start;
	if (HT_UNLIKELY(
		    age >= (uint64_t)s->flow_active_ns || account_empty(a) || account_closed(a)
		    || a->packets[side] == UINT32_MAX
	    ))
		account_turn(s, f, side, frame);
	if (HT_LIKELY(frame->ts > a->end))
		a->end = frame->ts;
	a->packets[side]++;
	a->bytes[side] += frame->len;
	a->side[side].ip_bytes += p->ip_len;
	if (p->proto == HT_IPPROTO_TCP)
		account_tcp(a, p, side);
	if (HT_UNLIKELY(!(a->flags & ACCOUNT_TIMED)))
		account_time(s, f->slot, TIMER_IDLE);
	if (HT_UNLIKELY(account_closed(a)) && !(a->flags & ACCOUNT_LINGERS))
		account_time(s, f->slot, TIMER_LINGER);
	if (HT_UNLIKELY(a->flags & ACCOUNT_ANSWER))
		answer_packet(s, f, p, side);
}
