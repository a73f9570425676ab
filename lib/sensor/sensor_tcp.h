// SPDX-License-Identifier: BSD-3-Clause
// What the files for TCP share.
//
//   sensor_tcp.c   segments, SYN, FIN; directions of which nothing is held
//   sensor_side.c  directions of which bytes are held
//   sensor_talk.c  both sides of an upgrade, and what became of it

#pragma once

#include "sensor_int.h"

struct segment {
	uint32_t seq;
	struct ht_span bytes;
	bool cut; // the snap length took its end
};

// Moves the segment's beginning n bytes on.
static inline void advance(struct segment *g, uint32_t n) {
	g->seq += n;
	g->bytes = HT_SPAN(g->bytes.p + n, g->bytes.len - n);
}

// --- sensor_side.c ---
// stream_done: this side is decided, and `why` is its row of the ledger.
void stream_done(struct ht_sensor *s, struct ht_flow *f, uint8_t side, enum ht_ledger why);
// close_side lets go of what is held of one side; the hello in progress goes with the last of them.
void close_side(struct ht_sensor *s, struct hello *h, uint8_t side);
// flow_decided: nothing more is expected of a flow.
void flow_decided(struct ht_sensor *s, struct ht_flow *f, struct hello *h);
struct emission emission_of(
	const struct ht_flow *f,
	uint8_t side,
	const struct sighting *at,
	const struct ht_tls_message *m
);
// emit_begun emits what there is of a hello that began on this side.
void emit_begun(
	struct ht_sensor *s,
	struct ht_flow *f,
	struct hello *h,
	uint8_t side,
	enum ht_incomplete why
);
// answered: the other side gave a whole hello, so this one is the server's.
void answered(struct ht_sensor *s, struct ht_flow *f, struct hello *h, uint8_t side);
// gave_hello is what a hello means for the flow, once it was emitted.
void gave_hello(struct ht_sensor *s, struct ht_flow *f, uint8_t side, const struct ht_hello *v);
// side_give_up: this side will give no hello any more. `open` says what it was, `why` why a hello
// that began ends here.
void side_give_up(
	struct ht_sensor *s,
	struct ht_flow *f,
	struct hello *h,
	uint8_t side,
	enum ht_ledger open,
	enum ht_incomplete why
);
// side_open begins to hold a side, with what `g` brings of it; side_hold adds to it. `serves`: it
// answers the client of an upgrade protocol. `scanned`: what ht_upgrade_scan made of `g`, which it
// wants more of; NULL: it was not given to it.
void side_open(
	struct ht_sensor *s,
	struct ht_flow *f,
	uint8_t side,
	bool serves,
	const struct ht_upgrade *scanned,
	const struct segment *g,
	const struct sighting *at
);
void side_hold(
	struct ht_sensor *s,
	struct ht_flow *f,
	struct hello *h,
	uint8_t side,
	const struct segment *g,
	const struct sighting *at
);
// side_anchored: the true beginning of what is held became known.
void side_anchored(
	struct ht_sensor *s,
	struct ht_flow *f,
	struct hello *h,
	uint8_t side,
	const struct sighting *at
);

// --- sensor_talk.c ---
// talk_client: what was scanned of this side may have shown it as a client.
void talk_client(struct ht_sensor *s, struct hello *h, uint8_t side);
// talk_serves tells whether this side answers a client; talk_serve makes it so: what is held of it
// is read, and what comes is given to talk_hold.
bool talk_serves(const struct hello *h, uint8_t side);
void talk_serve(struct ht_sensor *s, struct ht_flow *f, struct hello *h, uint8_t side);
void talk_hold(
	struct ht_sensor *s,
	struct hello *h,
	uint8_t side,
	const struct segment *g,
	const struct sighting *at
);
// talk_spend: the client has asked for nothing, or in vain, and no hello will come.
void talk_spend(struct ht_sensor *s, struct hello *h, uint8_t side);
// What there is to say of a talk at some time. It borrows nothing.
struct outcome {
	bool told; // it was said before, or there is no talk
	bool known; // `verdict` is set
	bool offered; // by the server
	uint8_t client;
	uint8_t num_via, via[HT_VIA_MAX];
	uint16_t said; // enum ht_said, by the client
	struct ht_verdict verdict;
};
// talk_hello is the outcome now that `side` gives a hello, to be told behind it.
struct outcome talk_hello(struct ht_sensor *s, struct ht_flow *f, struct hello *h, uint8_t side);
// talk_tell says what became of a talk, and remembers what its server offered.
void talk_tell(
	struct ht_sensor *s, struct ht_flow *f, const struct sighting *at, const struct outcome *o
);
// talk_over ends it with what was seen. A side of which nothing is held stays undecided.
void talk_over(
	struct ht_sensor *s,
	struct ht_flow *f,
	struct hello *h,
	enum ht_ledger open,
	enum ht_incomplete why
);
// talk_close ends it when all was seen that will come, or that matters. `reset`: a RST ends both
// sides.
void talk_close(struct ht_sensor *s, struct ht_flow *f, bool reset);
