// SPDX-License-Identifier: BSD-3-Clause
// Flow records. A flow is told when it has ended, and in parts while it goes on; what a record says
// depends on the packets of its flow alone, never on when it was looked at.

#include "sensor_flows.h"

#include "pages.h"

// A flow that is told since it fell silent has been so for so much longer than it must be: its next
// packet, had it come a little out of order, would have been of another part as well.
#define MARGIN_NS 2000000000ll

// When a flow of which a hello is in progress is looked at again.
#define WORK_NS 5000000000ll

// Flows that are told early to make room for one hello.
#define ROOM_TRIES 64

enum reason { REASON_IDLE, REASON_ACTIVE, REASON_END, REASON_FORCED, REASON_RESOURCES };

// --- memory -------------------------------------------------------------------------------------

// A hello takes a block of the arena, which has no smaller ones.
static uint32_t max_details(const struct ht_sensor_params *p) {
	return p->flow_bytes / HT_ARENA_MIN_BLOCK;
}

static size_t details_bytes(const struct ht_sensor *s) {
	return ((size_t)s->max_details + 1) * sizeof(struct details);
}

bool flows_new(struct ht_sensor *s) {
	if (s->p.flows == HT_FLOWS_NONE)
		return true;
	const size_t slots = ht_flow_capacity(s->flows);
	s->max_details = max_details(&s->p);
	s->details_free = 1;
	s->flow_active_ns = s->p.flow_active_s * NS_PER_S;
	s->flow_idle_ns = s->p.flow_idle_s * NS_PER_S;
	s->linger_ns = LINGER_NS < s->flow_idle_ns ? LINGER_NS : s->flow_idle_ns;
	s->timer_s = s->timer_ns = INT64_MIN;
	s->seen_ns = INT64_MAX;
	s->timers = ht_pages_new(NUM_TIMERS * sizeof(s->timers[0]));
	if (s->timers == NULL)
		return false;
	for (unsigned kind = 0; kind < NUM_TIMERS; kind++)
		if ((s->timers[kind].next = ht_pages_new(slots * sizeof(uint32_t))) == NULL)
			return false;
	s->accounts = ht_pages_new(slots * sizeof(s->accounts[0]));
	s->slots = ht_pages_new(slots * sizeof(s->slots[0]));
	s->details = ht_pages_new(details_bytes(s));
	s->packed = ht_pages_new(HT_ARENA_MAX_BLOCK);
	s->details_arena = ht_arena_new(s->p.flow_bytes);
	return s->accounts != NULL && s->slots != NULL && s->details != NULL && s->packed != NULL
	       && s->details_arena != NULL && answers_new(s);
}

void flows_free(struct ht_sensor *s) {
	if (s->p.flows == HT_FLOWS_NONE || s->flows == NULL)
		return;
	const size_t slots = ht_flow_capacity(s->flows);
	for (unsigned kind = 0; s->timers != NULL && kind < NUM_TIMERS; kind++)
		ht_pages_free(s->timers[kind].next, slots * sizeof(uint32_t));
	ht_pages_free(s->timers, NUM_TIMERS * sizeof(s->timers[0]));
	ht_pages_free(s->accounts, slots * sizeof(s->accounts[0]));
	ht_pages_free(s->slots, slots * sizeof(s->slots[0]));
	ht_pages_free(s->details, details_bytes(s));
	ht_pages_free(s->packed, HT_ARENA_MAX_BLOCK);
	ht_arena_free(s->details_arena);
	answers_free(s);
}

uint64_t flows_memory(const struct ht_sensor_params *p) {
	if (p->flows == HT_FLOWS_NONE)
		return 0;
	return (uint64_t)p->max_flows
		       * (sizeof(struct account) + (1 + NUM_TIMERS) * sizeof(uint32_t))
	       + p->flow_bytes + (uint64_t)max_details(p) * sizeof(struct details)
	       + HT_ARENA_MAX_BLOCK + answers_memory(p);
}

// --- the hellos of flows ------------------------------------------------------------------------

static void unlink_details(struct ht_sensor *s, const struct details *d) {
	s->details[d->older].newer = d->newer;
	s->details[d->newer].older = d->older;
}

static void link_newest(struct ht_sensor *s, struct details *d) {
	const uint32_t i = (uint32_t)(d - s->details);
	d->newer = 0;
	d->older = s->details[0].older;
	s->details[d->older].newer = i;
	s->details[0].older = i;
}

static void details_put(struct ht_sensor *s, struct account *a, enum ht_ledger why) {
	struct details *d = &s->details[a->details];
	if (a->details == 0)
		return;
	if (d->answer != 0)
		answer_drop(s, d, why);
	if (d->block != NULL)
		ht_arena_put(s->details_arena, d->block, d->size);
	unlink_details(s, d);
	d->newer = s->details_free;
	s->details_free = a->details;
	a->details = 0;
}

static void tell(struct ht_sensor *s, const struct ht_flow *f, enum reason why);

// The part is told: the next one begins with the next packet.
static void next_part(struct ht_sensor *s, struct account *a) {
	struct details *d = &s->details[a->details];
	a->told += a->told != UINT16_MAX;
	for (unsigned side = 0; side < 2; side++) {
		a->packets[side] = 0;
		a->bytes[side] = 0;
		a->side[side].ip_bytes = a->side[side].tcp_flags = 0;
	}
	if (a->details != 0)
		d->hellos = d->incomplete = 0;
}

void account_tell_active(struct ht_sensor *s, struct ht_flow *f) {
	count(s, HT_CTR_PART_ACTIVE);
	tell(s, f, REASON_ACTIVE);
	next_part(s, &s->accounts[f->slot]);
}

void account_turn(
	struct ht_sensor *s, struct ht_flow *f, uint8_t side, const struct ht_frame *frame
) {
	struct account *a = &s->accounts[f->slot];
	account_roll(s, f, frame->ts);
	if (account_empty(a)) {
		a->start = a->end = frame->ts;
		if ((a->flags & ~(ACCOUNT_TIMED | ACCOUNT_LINGERS)) == 0 && a->told == 0)
			a->flags |= side * ACCOUNT_FIRST_SIDE;
		a->flags |= frame->ts_is_ns * ACCOUNT_NS;
	}
	if (frame->ts < a->start) // out of order
		a->start = frame->ts;
	// Full, and of a flow that is not told: the one that is counted next changes nothing.
	a->packets[side] -= a->packets[side] == UINT32_MAX;
}

// The flow whose hello is the oldest is told now, and gives its room. False: there is none but
// `keep`.
static bool make_room(struct ht_sensor *s, uint32_t keep) {
	uint32_t i = s->details[0].newer;
	if (i == keep)
		i = s->details[i].newer;
	if (i == 0)
		return false;
	const struct ht_flow *f = ht_flow_at(s->flows, s->details[i].flow);
	struct account *a = &s->accounts[f->slot];
	if (!account_empty(a)) {
		count(s, HT_CTR_PART_RESOURCES);
		tell(s, f, REASON_RESOURCES);
		next_part(s, a);
	}
	details_put(s, a, HT_CTR_ANSWERS_EVICTED);
	return true;
}

// The details of this flow; it gets some where it has none.
static struct details *details_of(struct ht_sensor *s, uint32_t slot) {
	struct account *a = &s->accounts[slot];
	if (a->details != 0)
		return &s->details[a->details];
	if (s->details_free > s->max_details)
		make_room(s, 0);
	const uint32_t i = s->details_free;
	struct details *d = &s->details[i];
	s->details_free = d->newer != 0 ? d->newer : i + 1; // 0: it was never used
	*d = (struct details){.flow = slot};
	link_newest(s, d);
	a->details = i;
	return d;
}

// Keeps a record of `d`'s flow in the place of the one before, which may be `r` itself. False:
// there was no room, and that one stays.
static bool keep(struct ht_sensor *s, struct details *d, const struct ht_record *r) {
	const uint32_t i = (uint32_t)(d - s->details);
	const size_t len = ht_record_pack(s->packed, HT_ARENA_MAX_BLOCK, r);
	uint8_t *block = len <= d->size ? d->block : NULL;
	uint32_t size = d->size;
	for (unsigned tries = 0; len > 0 && block == NULL && tries < ROOM_TRIES; tries++) {
		block = ht_arena_get(s->details_arena, len, &size);
		if (block == NULL && !make_room(s, i))
			break;
	}
	if (len == 0 || block == NULL) {
		count(s, HT_CTR_DETAILS_LOST);
		return false;
	}
	if (d->block != NULL && d->block != block)
		ht_arena_put(s->details_arena, d->block, d->size);
	d->block = block;
	d->size = size;
	memcpy(block, s->packed, len);
	return true;
}

bool details_read(struct ht_sensor *s, const struct details *d) {
	if (d->block == NULL)
		return false;
	(void)ht_record_unpack(&s->flow_record, d->block);
	return true;
}

void details_change(struct ht_sensor *s, struct details *d) {
	(void)keep(s, d, &s->flow_record);
}

void flow_hello(
	struct ht_sensor *s,
	uint32_t slot,
	uint8_t client,
	int64_t ts,
	const struct ht_record *hello
) {
	struct ht_flow *f = ht_flow_at(s->flows, slot);
	struct account *a = &s->accounts[slot];
	if (f->proto != HT_IPPROTO_TCP && f->proto != HT_IPPROTO_UDP)
		return;
	account_roll(s, f, ts);
	struct details *d = details_of(s, slot);
	d->hellos++;
	d->incomplete += !hello->complete;
	if (d->complete && !hello->complete)
		return;
	a->flags |= ACCOUNT_TLS;
	a->flags &= (uint16_t)~ACCOUNT_CLIENT_SIDE;
	a->flags |= client * ACCOUNT_CLIENT_SIDE;
	if (keep(s, d, hello))
		d->complete = hello->complete;
}

// --- records ------------------------------------------------------------------------------------

// Who sent the hello is the client; without one, who opened the connection, who has the larger
// port, or who sent the first packet.
static uint8_t client_of(const struct ht_flow *f, const struct account *a) {
	if (a->flags & ACCOUNT_TLS)
		return (a->flags & ACCOUNT_CLIENT_SIDE) != 0;
	if (a->flags & ACCOUNT_SYN)
		return (a->flags & ACCOUNT_SYN_SIDE) != 0;
	if (f->port[0] != f->port[1])
		return f->port[1] > f->port[0];
	return (a->flags & ACCOUNT_FIRST_SIDE) != 0;
}

// What is known of a flow without the record of its hello.
static void put_flow(
	struct ht_sensor *s, struct ht_record *r, const struct ht_flow *f, const struct account *a
) {
	const struct sighting at = {.ts = a->end};
	put_connection(s, r, "flow", f, client_of(f, a), &at);
	if (!(a->flags & ACCOUNT_TLS))
		return;
	if (f->via > 0)
		put_via(r, s->vias[f->via - 1].via, s->vias[f->via - 1].num);
	ht_set(r, protocol,
	       f->proto == HT_IPPROTO_TCP || (f->flags & FLOW_CARRIED) ? "tls"
	       : f->flags & FLOW_DTLS				       ? "dtls"
								       : "quic");
}

static void put_counts(struct ht_record *r, const struct ht_flow *f, const struct account *a) {
	const uint8_t c = client_of(f, a);
	ht_set(r, start, a->start);
	ht_set(r, end, a->end);
	ht_set(r, duration_us, ((uint64_t)a->end - (uint64_t)a->start) / 1000);
	ht_set(r, flow_part, a->told + 1u);
	ht_set(r, c2s_packets, a->packets[c]);
	ht_set(r, c2s_bytes, a->bytes[c]);
	ht_set(r, c2s_ip_bytes, a->side[c].ip_bytes);
	ht_set(r, s2c_packets, a->packets[!c]);
	ht_set(r, s2c_bytes, a->bytes[!c]);
	ht_set(r, s2c_ip_bytes, a->side[!c].ip_bytes);
	if (f->proto != HT_IPPROTO_TCP)
		return;
	ht_set(r, c2s_tcp_flags, (uint8_t)a->side[c].tcp_flags);
	ht_set(r, s2c_tcp_flags, (uint8_t)a->side[!c].tcp_flags);
}

// When a flow was known to be over: by nothing that depends on when it was looked at.
static int64_t told_at(const struct ht_sensor *s, const struct account *a, enum reason why) {
	int64_t ts;
	if (why != REASON_IDLE)
		return a->end;
	return __builtin_add_overflow(a->end, s->flow_idle_ns, &ts) ? a->end : ts;
}

static void tell(struct ht_sensor *s, const struct ht_flow *f, enum reason why) {
	static const char *const names[] = {
		[REASON_IDLE] = "idle",	    [REASON_ACTIVE] = "active",	      [REASON_END] = "end",
		[REASON_FORCED] = "forced", [REASON_RESOURCES] = "resources",
	};
	struct ht_record *r = &s->flow_record;
	const struct account *a = &s->accounts[f->slot];
	const struct details *d = a->details != 0 ? &s->details[a->details] : NULL;
	if (d != NULL && details_read(s, d)) {
		r->has &= ~HT_HAS(frame);
		ht_set(r, record, "flow");
	} else {
		put_flow(s, r, f, a);
	}
	ht_set(r, ts, told_at(s, a, why));
	r->ts_is_ns = a->flags & ACCOUNT_NS;
	put_counts(r, f, a);
	if (d != NULL && d->answer != 0)
		answer_put(s, r, d);
	ht_set(r, end_reason, names[why]);
	ht_set(r, hellos, d != NULL ? d->hellos : 0);
	ht_set(r, incomplete_hellos, d != NULL ? d->incomplete : 0);
	s->p.emit(s->p.user, r);
}

// --- the end of flows ---------------------------------------------------------------------------

// For how many ticks a flow was silent. A jump back in time is another capture.
static uint32_t silence(const struct ht_flow *f, int64_t now) {
	const int32_t age = (int32_t)(ht_flow_ticks(now) - f->seen);
	return age < 0 ? 0u - (uint32_t)age : (uint32_t)age;
}

// Why a flow has ended, whoever was the first to see it.
static enum reason
reason_of(const struct ht_sensor *s, const struct ht_flow *f, enum ht_ledger open) {
	if (account_closed(&s->accounts[f->slot]))
		return REASON_END;
	if (silence(f, s->now) > s->flow_idle_ticks)
		return REASON_IDLE;
	return open == HT_CTR_STREAM_EVICTED ? REASON_RESOURCES
	       : open == HT_CTR_STREAM_OPEN  ? REASON_FORCED
					     : REASON_END;
}

void flow_close(struct ht_sensor *s, struct ht_flow *f, enum ht_ledger open) {
	static const enum ht_ledger told[] = {
		[REASON_IDLE] = HT_CTR_TOLD_IDLE,
		[REASON_END] = HT_CTR_TOLD_END,
		[REASON_FORCED] = HT_CTR_TOLD_FORCED,
		[REASON_RESOURCES] = HT_CTR_TOLD_RESOURCES,
	};
	struct account *a = &s->accounts[f->slot];
	count(s, HT_CTR_FLOWS_ENDED);
	if (f->proto != HT_IPPROTO_TCP && f->proto != HT_IPPROTO_UDP) {
		count(s, HT_CTR_NOT_FLOW);
		return;
	}
	if (!account_is_told(s, a)) {
		count(s, HT_CTR_NOT_TLS);
	} else if (account_empty(a)) {
		count(s, HT_CTR_TOLD_BEFORE);
	} else {
		const enum reason why = reason_of(s, f, open);
		count(s, told[why]);
		tell(s, f, why);
	}
	details_put(s, a, HT_CTR_ANSWERS_FLOW_ENDED);
	*a = (struct account){.flags = a->flags & (ACCOUNT_TIMED | ACCOUNT_LINGERS)};
}

// --- flows that are over and remembered still
// -----------------------------------------------------

void account_tell_over(struct ht_sensor *s, struct ht_flow *f) {
	struct account *a = &s->accounts[f->slot];
	if (!account_is_told(s, a))
		return;
	const bool closed = account_closed(a);
	count(s, closed ? HT_CTR_PART_END : HT_CTR_PART_IDLE);
	tell(s, f, closed ? REASON_END : REASON_IDLE);
	next_part(s, a);
	details_put(s, a, HT_CTR_ANSWERS_FLOW_ENDED);
}

static int64_t second_of(int64_t ns) {
	return ns / NS_PER_S - (ns % NS_PER_S < 0);
}

// Puts a slot into the list of the second in which `ns` is, or the nearest one that there is.
static void put_timer(struct ht_sensor *s, uint32_t slot, enum timer kind, int64_t ns) {
	struct flow_timers *t = &s->timers[kind];
	const int64_t ahead = second_of(ns) - s->timer_s;
	const int64_t wait = ahead < 1 ? 1 : ahead >= TIMER_SECONDS ? TIMER_SECONDS - 1 : ahead;
	const unsigned i = (uint64_t)(s->timer_s + wait) % TIMER_SECONDS;
	*(t->head[i] == 0 ? &t->head[i] : &t->next[t->tail[i] - 1]) = slot + 1;
	t->tail[i] = slot + 1;
	t->next[slot] = 0;
	s->accounts[slot].flags |= kind == TIMER_IDLE ? ACCOUNT_TIMED : ACCOUNT_LINGERS;
}

// For how long an account must be silent to be over.
static int64_t silence_of(const struct ht_sensor *s, const struct account *a) {
	return (account_closed(a) ? s->linger_ns : s->flow_idle_ns) + MARGIN_NS;
}

static int64_t later(int64_t ns, int64_t by) {
	int64_t sum;
	return __builtin_add_overflow(ns, by, &sum) ? INT64_MAX : sum;
}

void account_time(struct ht_sensor *s, uint32_t slot, enum timer kind) {
	const struct account *a = &s->accounts[slot];
	put_timer(s, slot, kind, later(a->end, silence_of(s, a)));
}

static void look(struct ht_sensor *s, uint32_t slot, enum timer kind, int64_t now) {
	struct account *a = &s->accounts[slot];
	struct ht_flow *f = ht_flow_at(s->flows, slot);
	a->flags &= (uint16_t) ~(kind == TIMER_IDLE ? ACCOUNT_TIMED : ACCOUNT_LINGERS);
	if (f->state == HT_FLOW_FREE || account_empty(a)
	    || (kind == TIMER_LINGER && !account_closed(a)))
		return; // its next packet puts it there again
	if (f->work != 0)
		put_timer(
			s, slot, kind, later(now, WORK_NS)
		); // what comes of the hello is told with it
	else if (account_silent(a, now, silence_of(s, a)))
		account_tell_over(s, f);
	else
		account_time(s, slot, kind);
}

void flows_time(struct ht_sensor *s, int64_t now, uint32_t most) {
	const int64_t second = second_of(now);
	// The clock was set back, or this is the first packet: what is in the lists waits its turn.
	if (s->timer_s == INT64_MIN || second < s->timer_s)
		s->timer_s = second;
	if (second - s->timer_s > TIMER_SECONDS)
		s->timer_s = second - TIMER_SECONDS;
	for (; s->timer_s < second; s->timer_s++)
		for (unsigned kind = 0; kind < NUM_TIMERS; kind++) {
			struct flow_timers *t = &s->timers[kind];
			const unsigned i = (uint64_t)s->timer_s % TIMER_SECONDS;
			while (t->head[i] != 0) {
				if (most-- == 0)
					return;
				const uint32_t slot = t->head[i] - 1;
				t->head[i] = t->next[slot];
				look(s, slot, kind, now);
			}
		}
	s->timer_ns = s->timer_s * NS_PER_S;
}

// --- all of them, in order ----------------------------------------------------------------------

static int compare(const struct ht_sensor *s, uint32_t x, uint32_t y) {
	const struct account *a = &s->accounts[x], *b = &s->accounts[y];
	const struct ht_flow *f = ht_flow_at(s->flows, x), *g = ht_flow_at(s->flows, y);
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	const int addresses = memcmp(f->addr, g->addr, sizeof(f->addr));
	if (addresses != 0)
		return addresses;
	const uint64_t p = (uint64_t)f->port[0] << 32 | (uint64_t)f->port[1] << 8 | f->proto;
	const uint64_t q = (uint64_t)g->port[0] << 32 | (uint64_t)g->port[1] << 8 | g->proto;
	return p < q ? -1 : p > q;
}

static void sift(const struct ht_sensor *s, uint32_t *heap, uint32_t i, uint32_t num) {
	for (;;) {
		uint32_t child = 2 * i + 1;
		if (child >= num)
			return;
		if (child + 1 < num && compare(s, heap[child], heap[child + 1]) < 0)
			child++;
		if (compare(s, heap[i], heap[child]) >= 0)
			return;
		const uint32_t swap = heap[i];
		heap[i] = heap[child];
		heap[child] = swap;
		i = child;
	}
}

// A heap sort: qsort may ask for memory, which a worker has none of.
static void sort(const struct ht_sensor *s, uint32_t *slots, uint32_t num) {
	for (uint32_t i = num / 2; i-- > 0;)
		sift(s, slots, i, num);
	for (uint32_t left = num; left-- > 1;) {
		const uint32_t swap = slots[0];
		slots[0] = slots[left];
		slots[left] = swap;
		sift(s, slots, 0, left);
	}
}

void flows_end(struct ht_sensor *s) {
	uint32_t num = 0;
	for (uint32_t i = 0; i < ht_flow_capacity(s->flows); i++)
		if (ht_flow_at(s->flows, i)->state != HT_FLOW_FREE)
			s->slots[num++] = i;
	sort(s, s->slots, num);
	for (uint32_t i = 0; i < num; i++) {
		struct ht_flow *f = ht_flow_at(s->flows, s->slots[i]);
		flow_end(s, f, HT_CTR_STREAM_OPEN, HT_INCOMPLETE_END_OF_CAPTURE);
		ht_flow_remove(s->flows, f);
	}
	for (unsigned kind = 0; kind < NUM_TIMERS; kind++)
		memset(&s->timers[kind], 0, offsetof(struct flow_timers, next));
	for (uint32_t i = 0; i < ht_flow_capacity(s->flows); i++)
		s->accounts[i].flags = 0;
	s->timer_s = s->timer_ns = INT64_MIN;
	s->seen_ns = INT64_MAX;
}
