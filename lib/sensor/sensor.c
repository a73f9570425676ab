// SPDX-License-Identifier: BSD-3-Clause
// The burst: headers and lookups, then payload, so that memory is waited for once a burst and not
// once a packet.

#include "sensor.h"

#include "sensor_flows.h"

#include <stdlib.h>

struct ht_sensor *ht_sensor_new(const struct ht_sensor_params *p) {
	struct ht_sensor *s = aligned_alloc(_Alignof(struct ht_sensor), sizeof(*s));
	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->p = *p;
	if (p->services == NULL)
		s->p.services = s->own_services = ht_services_new();
	s->offers = p->offers != NULL ? p->offers : s->own_offers;
	s->hello_idle_ns = p->hello_idle_s * NS_PER_S;
	s->flow_idle_ticks = ht_flow_ticks(p->flow_idle_s * NS_PER_S);
	s->crypto = ht_crypto_new();
	s->arena = ht_arena_new(p->arena_bytes);
	s->flows = ht_flow_table_new(p->max_flows, p->secret[0]);
	const struct ht_frag_params frag = {
		.max_packets = p->max_fragmented,
		.max_bytes = p->fragment_bytes,
		.timeout_ns = p->fragment_idle_s * NS_PER_S,
		.secret = {p->secret[0], p->secret[1]},
	};
	s->frag = ht_frag_new(&frag);
	s->past_size = p->max_hellos;
	s->past = calloc(s->past_size, sizeof(s->past[0]));
	s->quic_by_dcid_mask = 1;
	while (s->quic_by_dcid_mask < p->max_hellos)
		s->quic_by_dcid_mask = 2 * s->quic_by_dcid_mask + 1;
	s->quic_by_dcid = calloc((size_t)s->quic_by_dcid_mask + 1, sizeof(s->quic_by_dcid[0]));
	if (s->p.services == NULL || s->crypto == NULL || s->arena == NULL || s->flows == NULL
	    || s->frag == NULL || s->past == NULL || s->quic_by_dcid == NULL || !hellos_new(s)
	    || !flows_new(s)) {
		ht_sensor_free(s);
		return NULL;
	}
	const struct ht_quic_params quic = {s->crypto, s->arena, p->max_hello_bytes + 4};
	s->quic = ht_quic_new(&quic);
	const struct ht_fingerprint_params fp = {s->crypto, p->max_hello_bytes, p->ja4_r};
	s->fingerprinter = ht_fingerprinter_new(&fp);
	if (s->quic == NULL || s->fingerprinter == NULL) {
		ht_sensor_free(s);
		return NULL;
	}
	return s;
}

uint64_t ht_sensor_memory(const struct ht_sensor_params *p) {
	const uint64_t flow = 68, hello = sizeof(struct hello) + sizeof(struct quic_past) + 8;
	return p->max_flows * flow + p->max_hellos * hello + p->arena_bytes + p->fragment_bytes
	       + flows_memory(p);
}

void ht_sensor_free(struct ht_sensor *s) {
	if (s == NULL)
		return;
	hellos_free(s);
	flows_free(s);
	ht_fingerprinter_free(s->fingerprinter);
	ht_quic_free(s->quic);
	ht_flow_table_free(s->flows);
	ht_frag_free(s->frag);
	ht_arena_free(s->arena);
	ht_crypto_free(s->crypto);
	ht_services_free(s->own_services);
	free(s->quic_by_dcid);
	free(s->past);
	free(s);
}

const uint64_t *ht_sensor_counters(const struct ht_sensor *s) {
	return s->ctr;
}

// --- flows --------------------------------------------------------------------------------------

void flow_end(struct ht_sensor *s, struct ht_flow *f, enum ht_ledger open, enum ht_incomplete why) {
	struct hello *h = hello_of(s, f);
	if (f->proto == HT_IPPROTO_TCP)
		tcp_end(s, f, open, why);
	else if (h != NULL)
		udp_end(s, h, why);
	count(s, f->hellos > 0		     ? HT_CTR_FLOW_HELLO
		 : f->flags & FLOW_GAVE_DATA ? HT_CTR_FLOW_NO_HELLO
					     : HT_CTR_FLOW_NO_DATA);
	if (s->accounts != NULL)
		flow_close(s, f, open);
}

void flow_renew(struct ht_sensor *s, struct ht_flow *f) {
	flow_end(s, f, HT_CTR_STREAM_REUSED, HT_INCOMPLETE_GAP);
	flow_state(s, f, HT_FLOW_OPEN);
	f->dir[0] = f->dir[1] = DIR_NEW;
	f->seq[0] = f->seq[1] = 0;
	f->work = 0;
	f->client = f->hellos = f->flags = f->via = 0;
	count(s, HT_CTR_FLOWS_BEGUN);
}

// A packet of the flow came. Where flow records are made, those that are `counted_only` come here,
// too. They keep a flow that has not ended from being idle, but are not seen where none are made,
// so the silence of TCP is that of the others: the first of them behind SILENT_TICKS notes it.
static inline void flow_seen(struct ht_sensor *s, struct ht_flow *f, bool counted_only) {
	const uint32_t now = ht_flow_ticks(s->now);
	// A jump back in time is another capture, and another connection.
	const int32_t age = (int32_t)(now - f->seen);
	const bool tcp = f->proto == HT_IPPROTO_TCP;
	s->silence = age < 0 ? 0u - (uint32_t)age : (uint32_t)age;
	if (HT_UNLIKELY(s->silence > s->flow_idle_ticks)) {
		flow_renew(s, f);
	} else if (tcp && counted_only) {
		if (!silent(s) || tcp_ended(f))
			return;
		f->client |= MARK_SILENT;
	} else if (HT_UNLIKELY(tcp && (f->client & MARK_SILENT))) {
		f->client &= (uint8_t)~MARK_SILENT;
		if (!silent(s))
			s->silence = SILENT_TICKS;
	}
	if (f->seen != now) { // the line stays clean for most packets of a busy flow
		f->seen = now;
		ht_flow_note(s->flows, f);
	}
}

// `likely` is what the prefetch found, or NULL.
static inline struct ht_flow *
flow_of(struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	struct ht_flow *likely,
	bool counted_only) {
	struct ht_flow *f = likely;
	if (f == NULL || !ht_flow_is(f, ref, &p->key, p->proto))
		f = ht_flow_find(s->flows, ref, &p->key, p->proto);
	if (f != NULL)
		flow_seen(s, f, counted_only);
	return f;
}

struct ht_flow *flow_find(struct ht_sensor *s, const struct ht_packet *p, struct ht_flow_ref ref) {
	struct ht_flow *f = flow_of(s, p, ref, NULL, false);
	return s->accounts != NULL && f != NULL && udp_only_counted(f) ? NULL : f;
}

struct ht_flow *flow_make(struct ht_sensor *s, const struct ht_packet *p, struct ht_flow_ref ref) {
	const uint32_t now = ht_flow_ticks(s->now);
	if (s->accounts != NULL && p->proto == HT_IPPROTO_UDP) {
		struct ht_flow *counted = ht_flow_find(s->flows, ref, &p->key, p->proto);
		if (counted != NULL)
			return counted;
	}
	struct ht_flow *f = ht_flow_victim(s->flows, ref, now);
	if (f->state != HT_FLOW_FREE) {
		if (f->state != HT_FLOW_DONE)
			count(s, HT_CTR_FLOWS_EVICTED);
		flow_end(s, f, HT_CTR_STREAM_EVICTED, HT_INCOMPLETE_EVICTED);
		ht_flow_remove(s->flows, f);
	}
	ht_flow_fill(s->flows, f, ref, &p->key, p->proto, now);
	count(s, HT_CTR_FLOWS_BEGUN);
	return f;
}

// --- packets ------------------------------------------------------------------------------------

static const enum ht_ledger frame_counter[HT_PACKET_NUM_ENDS] = {
	[HT_PACKET_TCP] = HT_CTR_FRAME_TCP,
	[HT_PACKET_UDP] = HT_CTR_FRAME_UDP,
	[HT_PACKET_EAPOL] = HT_CTR_FRAME_EAPOL,
	[HT_PACKET_NOT_IP] = HT_CTR_FRAME_NOT_IP,
	[HT_PACKET_OTHER_L4] = HT_CTR_FRAME_OTHER_L4,
	[HT_PACKET_LINKTYPE] = HT_CTR_FRAME_LINKTYPE,
	[HT_PACKET_TRUNCATED] = HT_CTR_FRAME_TRUNCATED,
	[HT_PACKET_MALFORMED] = HT_CTR_FRAME_MALFORMED,
	[HT_PACKET_DEPTH] = HT_CTR_FRAME_DEPTH,
};

static const enum ht_ledger fragment_counter[HT_FRAG_NUM_ENDS] = {
	[HT_FRAG_HELD] = HT_CTR_FRAME_FRAGMENT_HELD,
	[HT_FRAG_OVERLAP] = HT_CTR_FRAME_FRAGMENT_OVERLAP,
	[HT_FRAG_DUPLICATE] = HT_CTR_FRAME_FRAGMENT_DUPLICATE,
	[HT_FRAG_INVALID] = HT_CTR_FRAME_FRAGMENT_INVALID,
	[HT_FRAG_NO_ROOM] = HT_CTR_FRAME_FRAGMENT_NO_ROOM,
};

// SYN, FIN or RST: what says where a side begins and ends.
static bool begins_or_ends(const struct ht_packet *p) {
	return p->tcp_flags & (HT_TCP_SYN | HT_TCP_FIN | HT_TCP_RST);
}

// Whether a packet needs the flow table.
static bool wants_flow(struct ht_sensor *s, struct ht_packet *p) {
	if (HT_LIKELY(p->end == HT_PACKET_TCP))
		return p->payload.len > 0 || begins_or_ends(p);
	if (p->end == HT_PACKET_UDP)
		return udp_wants(s, p);
	return p->end == HT_PACKET_EAPOL && eapol_wants(p);
}

// `accounts`, here and below: flow records are made. What they cost is left out of the code for who
// makes none.
static inline bool
wants(struct ht_sensor *s, struct ht_packet *p, struct wanted *w, const bool accounts) {
	if (wants_flow(s, p))
		return true;
	w->counted_only = true;
	return accounts && (p->end == HT_PACKET_TCP || p->end == HT_PACKET_UDP);
}

// A SYN on the ports of a connection that ended, of which nothing but packets was counted.
static bool opens_behind_end(const struct ht_packet *p, const struct ht_flow *f) {
	return (p->tcp_flags & (HT_TCP_SYN | HT_TCP_ACK)) == HT_TCP_SYN && f->dir[0] == DIR_NEW
	       && f->dir[1] == DIR_NEW && (f->flags & FLOW_CLOSED);
}

// Where flow records are made: a packet is first looked at for hellos, which may begin its flow (or
// begin it anew), then counted.
static void
counted(struct ht_sensor *s,
	const struct ht_packet *p,
	const struct wanted *w,
	struct ht_flow *f,
	const struct sighting *at) {
	if (p->proto == HT_IPPROTO_TCP) {
		if (f == NULL)
			f = flow_make(s, p, w->ref);
		else if (opens_behind_end(p, f))
			flow_renew(s, f);
		if (!w->counted_only)
			tcp_packet(s, p, w->ref, f, at);
	} else if (p->proto == HT_IPPROTO_UDP) {
		if (!w->counted_only)
			udp_packet(s, p, w->ref, at);
		f = flow_of(s, p, w->ref, w->flow, false);
		if (s->p.flows != HT_FLOWS_ALL && (f == NULL || udp_only_counted(f)))
			return;
		if (f == NULL) {
			f = flow_make(s, p, w->ref);
			flow_state(s, f, HT_FLOW_DONE); // nothing is expected of it
		}
		if (p->payload.len > 0)
			f->flags |= FLOW_GAVE_DATA;
	} else {
		eapol_packet(s, p, w->ref, at);
		return;
	}
	account_packet(s, f, p, w->ref.side, w->frame);
}

static inline void payload_of(
	struct ht_sensor *s, const struct ht_packet *p, const struct wanted *w, const bool accounts
) {
	const struct ht_frame *f = w->frame;
	struct ht_flow *flow = NULL;
	s->now = f->ts;
	if (p->proto == HT_IPPROTO_TCP) {
		flow = flow_of(s, p, w->ref, w->flow, accounts && w->counted_only);
		// The data of a decided flow: nearly every packet of a link ends here. Behind an
		// end or a silence it may be that of another connection.
		if (flow != NULL && (flow->flags & (FLOW_DONE_TCP | FLOW_CLOSED)) == FLOW_DONE_TCP
		    && !silent(s) && !begins_or_ends(p)) {
			if (accounts)
				account_packet(s, flow, p, w->ref.side, f);
			return;
		}
	}
	const struct sighting at = {f->ts, f->number, f->ts_is_ns, p->num_encap, p->encap};
	if (accounts) {
		counted(s, p, w, flow, &at);
		return;
	}
	if (p->proto == HT_IPPROTO_TCP)
		tcp_packet(s, p, w->ref, flow, &at);
	else if (p->proto == HT_IPPROTO_UDP)
		udp_packet(s, p, w->ref, &at);
	else
		eapol_packet(s, p, w->ref, &at);
}

// A fragment may complete a packet, which is then read like any other, tunnels and fragments in it
// included. What the reassembly lends is good until its next call, so this is done frame by frame.
static void
fragment(struct ht_sensor *s, struct ht_packet *p, const struct ht_frame *f, const bool accounts) {
	for (unsigned depth = 0; p->end == HT_PACKET_FRAGMENT; depth++) {
		struct ht_frag_whole whole;
		enum ht_frag_end end = depth < HT_ENCAP_MAX ? ht_frag_add(s->frag, p, f->ts, &whole)
							    : HT_FRAG_INVALID;
		if (end != HT_FRAG_DONE) {
			count(s, fragment_counter[end]);
			return;
		}
		count(s, HT_CTR_PACKETS_REASSEMBLED);
		ht_packet_resume(p, whole.payload, whole.proto);
	}
	count(s, frame_counter[p->end]);
	struct wanted w = {.frame = f};
	if (!wants(s, p, &w, accounts))
		return;
	w.ref = ht_flow_ref(s->flows, &p->key, p->proto);
	payload_of(s, p, &w, accounts);
}

// --- the burst ----------------------------------------------------------------------------------

// How far ahead memory is asked for, in packets: a frame's headers, a flow behind its tags, what is
// held of it behind the flow.
#define FRAME_AHEAD 4
#define FLOW_AHEAD 8
#define HELLO_AHEAD 3

// `first` is slot 0; without accounts it is not used.
static inline void flow_prefetch(
	struct ht_sensor *s, struct wanted *w, const struct ht_flow *first, const bool accounts
) {
	w->flow = ht_flow_prefetch(s->flows, w->ref, ht_flow_ticks(w->frame->ts));
	if (accounts && w->flow != NULL)
		__builtin_prefetch(&s->accounts[w->flow - first], 1);
}

static inline __attribute__((always_inline)) void
burst(struct ht_sensor *s, const struct ht_frame *f, unsigned num, const bool accounts) {
	const struct ht_flow *const first = accounts ? ht_flow_at(s->flows, 0) : NULL;
	uint32_t ends[HT_PACKET_NUM_ENDS] = {0};
	uint64_t bytes = 0;
	unsigned n = 0;
	for (unsigned i = 0; i < num; i++) { // headers, lookups
		struct ht_packet *p = &s->packets[n];
		struct wanted *w = &s->wanted[n];
		if (i + FRAME_AHEAD < num)
			__builtin_prefetch(f[i + FRAME_AHEAD].data);
		ends[ht_packet_parse(p, &f[i])]++;
		bytes += f[i].len;
		*w = (struct wanted){.frame = &f[i]};
		if (p->end != HT_PACKET_FRAGMENT) {
			if (!wants(s, p, w, accounts))
				continue;
			w->ref = ht_flow_ref(s->flows, &p->key, p->proto);
			ht_flow_prefetch_tags(s->flows, w->ref);
		}
		if (n++ >= FLOW_AHEAD)
			flow_prefetch(s, w - FLOW_AHEAD, first, accounts);
	}
	for (unsigned i = n > FLOW_AHEAD ? n - FLOW_AHEAD : 0; i < n; i++)
		flow_prefetch(s, &s->wanted[i], first, accounts);

	for (unsigned i = 0; i < n; i++) { // payload
		struct ht_packet *p = &s->packets[i];
		const struct wanted *w = &s->wanted[i];
		const struct wanted *ahead = w + HELLO_AHEAD;
		if (i + HELLO_AHEAD < n && ahead->flow != NULL)
			hello_prefetch(s, ahead->flow, ahead->ref.side);
		s->now = w->frame->ts;
		hellos_expire(s);
		if (accounts)
			accounts_time(s, s->now);
		if (p->end == HT_PACKET_FRAGMENT)
			fragment(s, p, w->frame, accounts);
		else
			payload_of(s, p, w, accounts);
	}
	s->now = f[num - 1].ts;
	for (unsigned end = 0; end < HT_PACKET_NUM_ENDS; end++)
		if (ends[end] > 0 && end != HT_PACKET_FRAGMENT)
			ht_stats_count(&s->ctr[frame_counter[end]], ends[end]);
	ht_stats_count(&s->ctr[HT_CTR_FRAMES], num);
	ht_stats_count(&s->ctr[HT_CTR_PACKETS_BYTES], bytes);
}

void ht_sensor_run(struct ht_sensor *s, const struct ht_frame *f, unsigned num) {
	while (num > 0) {
		unsigned n = num < BURST ? num : BURST;
		if (HT_LIKELY(s->accounts == NULL))
			burst(s, f, n, false);
		else
			burst(s, f, n, true);
		f += n;
		num -= n;
	}
}

void ht_sensor_tick(struct ht_sensor *s, int64_t now_ns) {
	s->now = now_ns;
	hellos_expire(s);
	ht_frag_expire(s->frag, now_ns);
	if (s->accounts != NULL)
		flows_time(s, now_ns, 65536);
}

// What the reassembly counted since the last time. (That the capture ended is no time-out: what
// is held then is in packets_begun alone.)
static void count_fragmented(struct ht_sensor *s) {
	const struct ht_frag_stats now = *ht_frag_stats(s->frag), *told = &s->frag_told;
	ht_stats_count(&s->ctr[HT_CTR_PACKETS_BEGUN], now.begun - told->begun);
	ht_stats_count(&s->ctr[HT_CTR_PACKETS_TIMEOUT], now.timeout - told->timeout);
	ht_stats_count(&s->ctr[HT_CTR_PACKETS_OVERLAP], now.overlap - told->overlap);
	ht_stats_count(&s->ctr[HT_CTR_PACKETS_EVICTED], now.evicted - told->evicted);
	s->frag_told = now;
}

void ht_sensor_finish(struct ht_sensor *s) {
	for (uint32_t i = 0; i < s->p.max_fragmented; i++) // each call gives up a few
		ht_frag_expire(s->frag, s->now);
	count_fragmented(s);
	hellos_expire(s);
	hellos_end(s); // in the order of their last packet, not of the table's secret
	if (s->accounts != NULL)
		flows_end(s);
	for (uint32_t i = 0; i < ht_flow_capacity(s->flows); i++) {
		struct ht_flow *f = ht_flow_at(s->flows, i);
		if (f->state == HT_FLOW_FREE)
			continue;
		flow_end(s, f, HT_CTR_STREAM_OPEN, HT_INCOMPLETE_END_OF_CAPTURE);
		ht_flow_remove(s->flows, f);
	}
	memset(s->own_offers, 0,
	       sizeof(s->own_offers)); // of another capture the servers are others
}
