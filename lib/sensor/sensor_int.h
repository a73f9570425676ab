// SPDX-License-Identifier: BSD-3-Clause
// What the files of the sensor share: the worker, the hellos in progress, and who does what.
//
//   sensor.c         the burst: headers -> lookup -> payload; creation, the end
//   sensor_tcp.c     TCP directions until their first bytes are decided
//   sensor_side.c    those of which bytes are held
//   sensor_talk.c    both sides of an upgrade, and what became of it
//   sensor_udp.c     which datagrams are QUIC or DTLS
//   sensor_quic.c    QUIC and gQUIC
//   sensor_dtls.c    DTLS
//   sensor_carried.c TLS in EAP, RADIUS and OpenVPN
//   sensor_hellos.c  the pool of hellos in progress: oldest first, time-outs, eviction
//   sensor_emit.c    a hello view and its circumstances -> a record
//   sensor_event.c   event records
//   sensor_flows.c   flow records: what was counted of a flow, and the hello that is told with it
//   sensor_answers.c what the server said to the hello
//   sensor_ledger.c  the table of counters and their sums

#pragma once

#include "arena.h"
#include "carrier.h"
#include "crypto.h"
#include "fingerprint.h"
#include "flow.h"
#include "frag.h"
#include "packet.h"
#include "quic.h"
#include "record.h"
#include "sensor.h"
#include "stream.h"
#include "tls.h"
#include "tls_answer.h"
#include "upgrade.h"

// Where and when something was seen. `encap` borrows.
struct sighting {
	int64_t ts;
	uint64_t frame;
	bool ts_is_ns;
	uint8_t num_encap;
	const struct ht_encap *encap;
};

// flow.dir of a TCP flow, for each side.
enum {
	DIR_NEW, // no packet that tells where it begins
	DIR_READY, // the next byte is flow.seq, nothing held
	DIR_AGAIN, // gave a hello; a second one may begin at flow.seq
	DIR_OPEN, // bytes are held in a struct hello
	DIR_DONE, // decided
};

// flow.flags
enum {
	FLOW_EARLY_DATA = 1, // TCP: the first hello offered early data
	FLOW_GAVE_DATA = 2,
	FLOW_QUIC = 4,
	FLOW_DTLS = 8,
	FLOW_DONE_TCP = 16, // both directions decided
	FLOW_CLOSED = 32, // TCP: a FIN or RST was seen, the next SYN is another connection's
	FLOW_TOLD = 64, // an event was told that is told once
	FLOW_CARRIED = 128, // OpenVPN over UDP, or a conversation of EAP
};

// flow.client of a TCP flow: what tells a packet that is sent again from one of a connection behind
// it on the same ports. (Of other flows it is the side of the client.)
enum {
	MARK_FIN = 1, // of side 0; shifted by one, of side 1
	MARK_RST = 4,
	MARK_FAST_OPEN = 8, // the SYN had data, and was not answered (RFC 7413)
	MARK_SILENT = 16, // for SILENT_TICKS nothing but acknowledgements came
	MARK_REPEATS = 32, // behind the end and a silence the hello came again
};

static inline bool tcp_ended(const struct ht_flow *f) {
	const uint8_t both = MARK_FIN | MARK_FIN << 1;
	return (f->client & both) == both || (f->client & MARK_RST);
}

// A frame that a mirror shows twice comes sooner, and a client that has sent data does not send its
// SYN again: behind such a silence it is another connection.
#define SILENT_NS 500000000ll
#define SILENT_TICKS (ht_flow_ticks(SILENT_NS) + 1)

// How long a TCP flow that has ended waits for stragglers: the last acknowledgement, what was sent
// again.
#define LINGER_NS 5000000000ll
#define LINGER_TICKS ht_flow_ticks(LINGER_NS)

// flow.proto beside TCP and UDP: a conversation of EAP, which has no ports of its own.
enum {
	FLOW_PROTO_EAPOL = 0, // the addresses are MAC addresses, in the first 6 bytes
	FLOW_PROTO_RADIUS = 255, // the first address is a hash of who speaks to whom
};

enum tcp_role {
	ROLE_OPEN, // a hello may come
	ROLE_SERVER, // what it says of an upgrade is read, and not kept
	ROLE_SPENT, // the client of an upgrade protocol, and no hello will come any more
};

#define CACHE_LINE 64

// What is known of one TCP direction that is being put together. Thousands are in progress at a
// time, so what a packet costs are the cache lines it touches: what nearly all need are the first
// two, up to the first range of the stream.
struct tcp_side {
	bool open; // this side has a stream here
	bool cut; // the snap length took bytes of it
	bool in_tls;
	bool begun; // the first byte of a ClientHello was there
	bool in_openvpn; // the TLS bytes are taken out of packets in the stream
	uint8_t role; // enum tcp_role
	uint8_t beyond; // segments that lay beyond what is held
	uint16_t segments_before; // of stream.segments, those that came before the hello's own
	bool no_tls; // what is at tls_at is none
	uint32_t tls_at; // offset at which TLS begins, or may begin
	union {
		struct ht_upgrade upgrade;
		struct ht_answers answers; // ROLE_SERVER
	};
	struct ht_stream stream;
	struct ht_tls_framer framer;
	struct ht_openvpn_stream openvpn;
} __attribute__((aligned(CACHE_LINE)));
_Static_assert(offsetof(struct tcp_side, stream.data.have.r[1]) <= 2 * CACHE_LINE, "as told above");

// A hello whose pieces another protocol carries. It belongs to a flow like any other: OpenVPN's, or
// one that stands for a conversation of EAP (sensor_carried.c).
struct carried {
	uint8_t via; // enum ht_via
	uint32_t context; // hash of session and handshake: another one is another hello
	struct ht_flow_key ends; // RADIUS: addresses of the last packet
	struct ht_pieces pieces;
	struct ht_tls_framer framer;
};

enum hello_kind { HELLO_FREE, HELLO_TCP, HELLO_QUIC, HELLO_DTLS, HELLO_CARRIED };

// The place of a hello in the ring by last activity. Apart from the hellos: each packet moves one
// to the end, and its neighbours are nowhere near. Index 0 is no hello: behind it comes the oldest
// (its `newer`), before it the newest.
struct hello_links {
	uint32_t older, newer;
};

// One hello in progress, from a fixed pool.
struct hello {
	uint32_t flow; // slot of its flow
	uint8_t kind; // enum hello_kind
	bool begun; // but TCP: counted in hellos.begun
	bool talk; // TCP: a protocol that has an upgrade is spoken, counted in upgrades.begun
	bool told; // TCP: what became of it was said
	bool fin[2]; // TCP: each side has ended, at fin_at
	bool cut; // QUIC: the snap length took bytes of a datagram of it
	uint8_t client; // side of the client; TCP: if `talk`
	uint16_t datagrams;
	uint16_t weighed; // TCP: replies of the server when a verdict was last looked for
	uint32_t fin_at[2];
	// The last packet that mattered.
	struct sighting at;
	union {
		struct tcp_side tcp[2];
		struct ht_quic_conn quic;
		struct ht_dtls dtls;
		struct carried carried;
	};
	struct ht_encap encap[HT_ENCAP_MAX];
};
_Static_assert(offsetof(struct hello, tcp) == CACHE_LINE, "what all packets need is in one line");

// What is left of a QUIC connection that gave its hello, so that a second hello (HelloRetryRequest)
// can be opened and a repeat told. A ring: the oldest is written over.
struct quic_past {
	uint32_t flow; // slot; the entry is that flow's only while flow.seq[0] points back at it
	int64_t seen; // when the hello, or a repeat of it, came
	struct ht_quic_past connection;
};

// Beyond max_hello_bytes, room for what is no part of the hello: record headers, and what an
// upgrade or a proxy said before.
#define HOLD_SLACK 8192

#define BURST 32
#define NS_PER_S 1000000000ll

// A packet of the burst that a flow is looked up for, or a fragment.
struct wanted {
	const struct ht_frame *frame;
	struct ht_flow_ref ref;
	struct ht_flow *flow; // what the lookup will find; a hint, or NULL
	bool counted_only; // nothing but its flow record wants it
};

struct ht_sensor {
	struct ht_sensor_params p;
	struct ht_services *own_services; // where p.services is the built-in table
	uint64_t ctr[HT_NUM_CTRS];
	int64_t now; // of the frame in hand
	uint32_t silence; // of its TCP flow, in ticks; SILENT_TICKS where it was longer, perhaps
	int64_t hello_idle_ns;
	uint32_t flow_idle_ticks;

	struct ht_crypto *crypto;
	struct ht_arena *arena;
	struct ht_quic *quic;
	struct ht_flow_table *flows;
	struct ht_frag *frag;
	struct ht_frag_stats frag_told; // of them, what is in the ledger
	struct ht_fingerprinter *fingerprinter;

	// Where flow records are made; else `accounts` is NULL.
	struct account *accounts; // of each slot of `flows`
	struct details *details; // [0] is the ring's anchor
	struct ht_arena *details_arena;
	uint8_t *packed; // a record on its way into it
	uint32_t *slots; // to put flows in order
	uint32_t max_details, details_free;
	struct answer *answers; // [0] is the ring's anchor
	struct ht_arena *answers_arena;
	struct ht_quic *answers_quic;
	uint32_t answers_free;
	struct ht_server_hello server_view; // scratch of sensor_answers.c
	char ja3s[32]; // likewise
	int64_t flow_active_ns;
	int64_t flow_idle_ns, linger_ns;
	struct flow_timers *timers; // enum timer
	int64_t timer_s, timer_ns; // the second whose flows are looked at next, and its begin
	int64_t seen_ns; // the time of the packet before

	struct hello *hellos; // [0] is not used
	struct hello_links *hello_links; // of the same indices
	uint32_t hello_free; // list through `newer`
	uint32_t *quic_by_dcid; // hints: hello index by hash of the original DCID
	uint32_t quic_by_dcid_mask;
	struct quic_past *past;
	uint32_t past_next, past_size;

	// What was spoken before TLS, told again for a second hello: flow.via counts in it from 1.
	// The lists that occur are few; should a sender make up 255 of them, later ones are not
	// remembered.
	struct via {
		uint8_t num, via[HT_VIA_MAX];
	} vias[255];
	unsigned num_vias;

	// Servers that offered TLS, by hash of address and port: a hint, written over by others.
	uint64_t *offers; // those of p, or own_offers
	uint64_t own_offers[HT_SENSOR_OFFERS];
	const struct sighting *at; // the packet in hand

	// The connection last told, and its community id: a hello and what became of the talk
	// before it are told one behind the other.
	struct community {
		uint8_t of[40]; // what is hashed, zeros behind it; all zero: none yet
		char id[30];
	} community;

	struct ht_hello view; // scratch of sensor_emit.c
	struct ht_record record; // scratch of sensor_emit.c
	struct ht_record flow_record; // scratch of sensor_flows.c
	struct wanted wanted[BURST];
	struct ht_packet packets[BURST]; // of `wanted`
};

// flow.dir of a flow of DTLS or gQUIC: when a hello was last seen of it, in units of 16 ticks.
static inline void udp_hello_seen(const struct ht_sensor *s, struct ht_flow *f) {
	const uint32_t now = ht_flow_ticks(s->now) >> 4;
	f->dir[0] = (uint8_t)now;
	f->dir[1] = (uint8_t)(now >> 8);
}

// udp_silent: that was half a second ago, or more. (A mirror shows a frame twice sooner.)
static inline bool udp_silent(const struct ht_sensor *s, const struct ht_flow *f) {
	const uint32_t now = ht_flow_ticks(s->now) >> 4;
	return (uint16_t)(now - (f->dir[0] | f->dir[1] << 8)) > 2;
}

static inline bool silent(const struct ht_sensor *s) {
	return s->silence >= SILENT_TICKS;
}

static inline void count(struct ht_sensor *s, enum ht_ledger c) {
	ht_stats_count(&s->ctr[c], 1);
}

static inline void flow_state(struct ht_sensor *s, struct ht_flow *f, enum ht_flow_state state) {
	f->state = (uint8_t)state;
	ht_flow_note(s->flows, f);
}

// --- sensor_tcp.c ---
// `f` is the packet's flow, or NULL when there is none yet.
void tcp_packet(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	struct ht_flow *f,
	const struct sighting *at
);
// tcp_end lets go of an undecided flow's directions: `open` is the reason for the ledger, `why` the
// one for a hello that began.
void tcp_end(struct ht_sensor *s, struct ht_flow *f, enum ht_ledger open, enum ht_incomplete why);

// --- sensor_udp.c ---
// udp_wants tells whether a datagram needs a flow lookup; it counts those that do not.
bool udp_wants(struct ht_sensor *s, const struct ht_packet *p);
void udp_packet(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	const struct sighting *at
);
// keyed_hash is a hash that no sender can choose.
uint64_t keyed_hash(const struct ht_sensor *s, struct ht_span b);
void udp_end(struct ht_sensor *s, struct hello *h, enum ht_incomplete why);

// --- sensor_quic.c ---
void quic_packet(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	struct ht_flow *f,
	const struct ht_quic_header *q,
	const struct sighting *at
);
void quic_give_up(struct ht_sensor *s, struct hello *h, enum ht_incomplete why);

// --- sensor_dtls.c ---
void dtls_packet(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	struct ht_flow *f,
	const struct sighting *at
);
void dtls_give_up(struct ht_sensor *s, struct hello *h, enum ht_incomplete why);

// --- sensor_carried.c ---
// carried_wants tells whether a datagram of which ht_carrier_perhaps() is true is RADIUS or OpenVPN
// and needs to be looked at. It counts it, also when it is neither.
bool carried_wants(struct ht_sensor *s, const struct ht_packet *p);
void carried_packet(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	const struct sighting *at
);
// eapol_wants gives an EAPOL frame the key of its conversation. It is always true.
bool eapol_wants(struct ht_packet *p);
void eapol_packet(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	const struct sighting *at
);
void carried_give_up(struct ht_sensor *s, struct hello *h, enum ht_incomplete why);

// --- sensor_hellos.c ---
bool hellos_new(struct ht_sensor *s);
void hellos_free(struct ht_sensor *s);
// hello_get takes one for `f` (evicting the oldest when none is left); it is the newest.
struct hello *hello_get(struct ht_sensor *s, struct ht_flow *f, enum hello_kind kind);
// side_clear makes a side of HELLO_TCP empty, without touching ranges that are not in use.
void side_clear(struct tcp_side *t);
void hello_put(struct ht_sensor *s, struct hello *h);
// hello_touch notes that `h` saw a packet.
void hello_touch(struct ht_sensor *s, struct hello *h, const struct sighting *at);
// hello_make_room gives up the oldest hello but `keep`; false when there is none.
bool hello_make_room(struct ht_sensor *s, const struct hello *keep);
// hellos_expire gives up what was silent for too long at s->now.
static inline bool hellos_are_idle(const struct ht_sensor *s) {
	const uint32_t oldest = s->hello_links[0].newer;
	int64_t age;
	// A jump back in time is another capture: what the last one left is as old.
	return oldest != 0
	       && (__builtin_sub_overflow(s->now, s->hellos[oldest].at.ts, &age)
		   || age > s->hello_idle_ns || age < -s->hello_idle_ns);
}
void hellos_give_up_idle(struct ht_sensor *s);
static inline void hellos_expire(struct ht_sensor *s) {
	if (HT_UNLIKELY(hellos_are_idle(s)))
		hellos_give_up_idle(s);
}
// hellos_end gives up all of them, the one silent for the longest time first.
void hellos_end(struct ht_sensor *s);
// hello_of is NULL when the flow has none.
static inline struct hello *hello_of(struct ht_sensor *s, const struct ht_flow *f) {
	return f->work != 0 ? &s->hellos[f->work] : NULL;
}
// hello_prefetch, some packets ahead, asks for what a packet of this side will need.
static inline void
hello_prefetch(const struct ht_sensor *s, const struct ht_flow *f, uint8_t side) {
	if (f->work == 0)
		return;
	const struct hello *h = &s->hellos[f->work];
	__builtin_prefetch(h);
	__builtin_prefetch(&h->tcp[side]);
	__builtin_prefetch((const char *)&h->tcp[side] + CACHE_LINE);
}

// --- sensor.c ---
// flow_find is NULL when the flow is not remembered, or is for its flow record alone. One that was
// silent for flow_idle_s is begun anew. flow_make remembers it, letting go of another when the
// bucket is full.
struct ht_flow *flow_find(struct ht_sensor *s, const struct ht_packet *p, struct ht_flow_ref ref);
struct ht_flow *flow_make(struct ht_sensor *s, const struct ht_packet *p, struct ht_flow_ref ref);
// flow_end counts what became of a flow and lets go of what is held for it. The slot stays.
void flow_end(struct ht_sensor *s, struct ht_flow *f, enum ht_ledger open, enum ht_incomplete why);
// flow_renew begins the flow anew in its slot: another connection took its ports.
void flow_renew(struct ht_sensor *s, struct ht_flow *f);

// --- sensor_emit.c ---
struct emission {
	const struct ht_flow *flow;
	uint8_t client; // side of the client
	uint8_t hello_number; // 1, 2 ...
	const struct sighting *at;
	const struct ht_tls_message *message; // NULL: gQUIC
	uint16_t segments;
	const struct ht_upgrade *upgrade; // TCP, or NULL: then flow->via says it
	const struct ht_quic_conn *quic; // QUIC, or NULL
	const struct ht_gquic_hello *gquic; // or NULL
	uint32_t hello_len; // as declared
};
// incomplete_reason says why a hello that began is not whole. What ended it wins when that is a
// named cause (evicted, limit, malformed, snaplen, decrypt, gap); that it merely fell silent or the
// capture ended is told only when nothing better is known: bytes cut by the snap length, QUIC
// packets that no key opened, a hole.
enum ht_incomplete
incomplete_reason(enum ht_incomplete ended_by, bool cut, bool undecryptable, bool hole);

// emit_hello parses and emits a whole message. It returns the view, valid until the next call.
const struct ht_hello *emit_hello(struct ht_sensor *s, const struct emission *e);
// emit_incomplete emits what there is of a hello, and why it is not whole.
void emit_incomplete(struct ht_sensor *s, const struct emission *e, enum ht_incomplete why);

// put_connection begins a record of a connection: what it is, when and where it was seen, and by
// whom. The record borrows the community id until the next call.
void put_connection(
	struct ht_sensor *s,
	struct ht_record *r,
	const char *kind,
	const struct ht_flow *f,
	uint8_t client,
	const struct sighting *at
);
void put_via(struct ht_record *r, const uint8_t *via, unsigned num);

// --- sensor_flows.c ---
bool flows_new(struct ht_sensor *s);
void flows_free(struct ht_sensor *s);
uint64_t flows_memory(const struct ht_sensor_params *p);
// flow_hello notes a hello record of a flow; `client` is the side that sent it, `ts` when.
void flow_hello(
	struct ht_sensor *s,
	uint32_t slot,
	uint8_t client,
	int64_t ts,
	const struct ht_record *hello
);
// flow_close tells a flow that has ended. `open` is what ended it, as for flow_end.
void flow_close(struct ht_sensor *s, struct ht_flow *f, enum ht_ledger open);
// flows_time tells flows that are over at `now`; it looks at `most` of them and goes on with the
// next call.
void flows_time(struct ht_sensor *s, int64_t now, uint32_t most);
// flows_end ends all of them, in the order in which they began.
void flows_end(struct ht_sensor *s);

// --- sensor_answers.c ---
// answer_tcp begins to wait for the answer to a connection's first hello, which `side` is about to
// give; the client goes on at `next`. `h`: what is held of the connection, or NULL; `held_from`:
// bytes of the client's stream in it that are the hello's or before it. It returns a number for
// answer_of, once the hello was emitted, or 0.
uint32_t answer_tcp(
	struct ht_sensor *s,
	const struct ht_flow *f,
	const struct hello *h,
	uint8_t side,
	uint32_t next,
	uint32_t held_from
);
void answer_of(struct ht_sensor *s, const struct ht_flow *f, uint32_t answer);
// answer_quic and answer_dtls do the same behind a whole hello; `len` as for ht_quic_leave().
void answer_quic(
	struct ht_sensor *s, const struct ht_flow *f, const struct ht_quic_conn *c, uint32_t len
);
void answer_dtls(struct ht_sensor *s, const struct ht_flow *f, uint8_t client);

// --- sensor_event.c ---
// emit_upgrade tells what became of an upgrade; `v` is NULL when that is not known. `said` is what
// the client said (enum ht_said).
void emit_upgrade(
	struct ht_sensor *s,
	const struct ht_flow *f,
	uint8_t client,
	const struct sighting *at,
	const struct ht_verdict *v,
	uint16_t said,
	const uint8_t *via,
	unsigned num_via
);
// emit_encrypted tells, once a flow, of an OpenVPN connection whose hello cannot be read.
void emit_encrypted(
	struct ht_sensor *s, struct ht_flow *f, uint8_t client, const struct sighting *at
);
// emit_not_tls tells, once a flow, what was spoken where the port belongs to TLS.
void emit_not_tls(
	struct ht_sensor *s,
	struct ht_flow *f,
	uint8_t client,
	const struct sighting *at,
	const char *seen
);
