// SPDX-License-Identifier: BSD-3-Clause
// What the files of the capture generator share. Everything comes from a seed: the same seed, the
// same bytes.
//
//   generate.c     the captures: which flows there are, and whose frame is next
//   gen_mail.c     what is said on mail ports before TLS, or instead of it
//   gen_hello.c    a real client's ClientHello -> one of a flow of its own
//   gen_quic.c     version 1 Initials sealed with their own keys, and what comes behind them
//   gen_frame.c    Ethernet, IP, TCP and UDP headers, the pcap file

#pragma once

#include "base.h"

#include <stdio.h>

struct gen_rng {
	uint64_t state;
};

// splitmix64 (Steele, Lea, Flood 2014): enough for addresses and letters.
static inline uint64_t gen_u64(struct gen_rng *r) {
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

// gen_below is uniform in [0, n).
static inline uint32_t gen_below(struct gen_rng *r, uint32_t n) {
	return (uint32_t)((gen_u64(r) >> 32) * n >> 32);
}

// gen_chance is true in `percent` of the cases.
static inline bool gen_chance(struct gen_rng *r, uint32_t percent) {
	return gen_below(r, 100) < percent;
}

void gen_bytes(struct gen_rng *r, uint8_t *out, size_t len);

// --- gen_hello.c --------------------------------------------------------------------------------

#define GEN_HELLO_MAX 2560

enum gen_client {
	GEN_CHROMIUM,
	GEN_FIREFOX,
	GEN_OPENSSL_TLS13,
	GEN_OPENSSL_TLS12,
	GEN_CURL,
	GEN_GNUTLS,
	GEN_CHROMIUM_QUIC,
	GEN_FIREFOX_QUIC,
	GEN_NUM_CLIENTS
};

// The messages as the clients sent them, with their handshake header.
struct gen_templates {
	uint8_t hello[GEN_NUM_CLIENTS][GEN_HELLO_MAX];
	size_t len[GEN_NUM_CLIENTS];
};

// gen_templates_load reads *.hex of a folder. It has said on standard error what is wrong when it
// returns false.
HT_MUST_USE bool gen_templates_load(struct gen_templates *t, const char *folder);

// gen_hello writes a ClientHello message like that of `client`, with a random, session id, key
// shares, server name, GREASE values and extension order of its own as that client draws them, and
// returns its length. Without `pq` the post-quantum group and its share are left out, as releases
// before it had it. `scid` is what a QUIC client says of its connection id.
size_t gen_hello(
	uint8_t out[GEN_HELLO_MAX],
	const struct gen_templates *t,
	enum gen_client client,
	bool pq,
	struct ht_span scid,
	struct gen_rng *r
);

// gen_server_hello writes a ServerHello that answers with X25519 (RFC 8446 4.1.3).
#define GEN_SERVER_HELLO 90
void gen_server_hello(uint8_t out[GEN_SERVER_HELLO], struct gen_rng *r);

// --- gen_mail.c ---------------------------------------------------------------------------------

// What one side says at a time; without a text, it is the client's hello.
struct gen_turn {
	unsigned side;
	const char *text;
	size_t len;
};

struct gen_dialogue {
	const struct gen_turn *turn;
	size_t num;
	uint32_t percent; // of the connections
	uint16_t port;
};

struct gen_dialogue gen_mail(struct gen_rng *r);

// --- gen_quic.c ---------------------------------------------------------------------------------

#define GEN_DATAGRAM 1250
#define GEN_MAX_INITIALS 2

struct gen_quic; // library contexts
struct gen_quic *gen_quic_new(void); // NULL: no memory
void gen_quic_free(struct gen_quic *q);

struct gen_cid {
	uint8_t id[20];
	uint8_t len;
};

struct gen_datagrams {
	uint8_t bytes[GEN_MAX_INITIALS][GEN_DATAGRAM];
	unsigned num;
};

// gen_initials seals a client's hello into as few Initials of GEN_DATAGRAM bytes as hold it, cut
// into CRYPTO frames that are shuffled and have PING and PADDING between them, as browsers do.
void gen_initials(
	struct gen_quic *q,
	struct gen_datagrams *out,
	struct ht_span hello,
	const struct gen_cid *dcid,
	const struct gen_cid *scid,
	struct gen_rng *r
);

// gen_server_initial seals the server's first datagram: an Initial with ACK and a ServerHello, and
// a Handshake packet behind it. Returns its length.
size_t gen_server_initial(
	struct gen_quic *q,
	uint8_t out[GEN_DATAGRAM],
	const struct gen_cid *odcid,
	const struct gen_cid *to,
	const struct gen_cid *from,
	struct gen_rng *r
);

// gen_handshake makes a datagram of one Handshake packet, gen_short one of a 1-RTT packet; nobody
// without the keys sees more of them than their headers. They return `len`.
size_t gen_handshake(
	uint8_t *out,
	size_t len,
	const struct gen_cid *to,
	const struct gen_cid *from,
	struct gen_rng *r
);
size_t gen_short(uint8_t *out, size_t len, const struct gen_cid *to, struct gen_rng *r);

// --- gen_frame.c --------------------------------------------------------------------------------

#define GEN_MTU 1500

struct gen_out {
	FILE *file;
	uint64_t ns; // time of the next frame
	uint64_t frames, bytes;
	bool failed;
};

// gen_out_open writes the header of a pcap with microseconds and Ethernet to `file`, which may be
// NULL (then it fails) and which gen_out_close closes.
HT_MUST_USE bool gen_out_open(struct gen_out *o, FILE *file);
HT_MUST_USE bool gen_out_close(struct gen_out *o);

// Both ends of a flow: 0 is the client.
struct gen_ends {
	uint8_t addr[2][16];
	uint16_t port[2];
	uint32_t seq[2]; // next to send
	bool v6;
};

// gen_ends_draw gives flow `n` addresses that no other flow has.
void gen_ends_draw(struct gen_ends *e, uint32_t n, struct gen_rng *r);

// gen_mss is the data a full segment has, with timestamps (RFC 7323).
static inline size_t gen_mss(const struct gen_ends *e) {
	return GEN_MTU - (e->v6 ? 40 : 20) - 32;
}

#define GEN_FIN 0x01
#define GEN_SYN 0x02
#define GEN_RST 0x04
#define GEN_PSH 0x08
#define GEN_ACK 0x10

// gen_tcp writes a segment of `side` that begins at `seq` and moves e->seq behind it.
void gen_tcp(
	struct gen_out *o,
	struct gen_ends *e,
	unsigned side,
	uint8_t flags,
	uint32_t seq,
	struct ht_span data
);
void gen_udp(struct gen_out *o, struct gen_ends *e, unsigned side, struct ht_span data);
