// SPDX-License-Identifier: BSD-3-Clause
// generate: makes the captures that are measured. Prints what is in them as one JSON object.
//
//   generate mixed|hello|quic|mail FILE [--templates FOLDER] [--flows N] [--seed N]

#include "gen.h"

#include <inttypes.h>
#include <stdlib.h>

#define NOISE 65536

enum kind { MIXED, HELLO, QUIC, MAIL };

// A flow between its first and its last frame.
struct slot {
	struct gen_ends ends;
	struct gen_cid dcid, scid, server; // QUIC: the client's first choice, its own, the server's
	uint32_t step, data_left;
	struct gen_dialogue talk; // MAIL
	bool udp, swapped;
	uint8_t acks; // full segments since the client's last ACK
	uint32_t record_left[2]; // bytes to the next TLS record header, by side
	size_t hello_len, first_len; // TCP: the record, and what of it is in the first segment
	uint8_t hello[5 + GEN_HELLO_MAX];
	struct gen_datagrams initials;
};

struct gen {
	enum kind kind;
	uint32_t flows; // in all
	uint32_t begun;
	uint32_t hellos_tcp, hellos_quic, split, talks;
	struct gen_rng rng;
	struct gen_templates templates;
	struct gen_quic *quic;
	struct gen_out out;
	uint8_t noise[NOISE + 2 * GEN_MTU];
};

// --- what a flow is -----------------------------------------------------------------------------

// Of the hellos on a link most are a browser's; Chromium permutes its extensions.
static enum gen_client draw_client(struct gen_rng *r) {
	static const struct {
		uint8_t percent, client;
	} share[] = {
		{56, GEN_CHROMIUM},	{16, GEN_FIREFOX}, {9, GEN_OPENSSL_TLS13},
		{7, GEN_OPENSSL_TLS12}, {7, GEN_CURL},	   {5, GEN_GNUTLS},
	};
	uint32_t x = gen_below(r, 100);
	unsigned i = 0;
	while (x >= share[i].percent)
		x -= share[i++].percent;
	return share[i].client;
}

static void begin_tcp(struct gen *g, struct slot *s) {
	struct gen_rng *r = &g->rng;
	// hello: a quarter of them in two segments. mixed: as browsers of today.
	bool pq = gen_chance(r, g->kind == HELLO ? 35 : 75);
	size_t n = gen_hello(s->hello + 5, &g->templates, draw_client(r), pq, HT_SPAN_EMPTY, r);
	if (n == 0)
		abort(); // a template that is no ClientHello
	s->hello[0] = 22; // RFC 8446 5.1: handshake, 0x0301 in a first record
	s->hello[1] = 3;
	s->hello[2] = 1;
	ht_put_be16(s->hello + 3, (uint16_t)n);
	s->hello_len = n + 5;
	size_t mss = gen_mss(&s->ends);
	s->first_len = s->hello_len < mss ? s->hello_len : mss;
	s->swapped = s->first_len < s->hello_len && gen_chance(r, 5);
	g->split += s->first_len < s->hello_len;
	g->hellos_tcp++;
}

static void begin_quic(struct gen *g, struct slot *s) {
	struct gen_rng *r = &g->rng;
	s->udp = true;
	bool chromium = gen_chance(r, 75);
	s->dcid.len = chromium ? 8 : (uint8_t)(8 + gen_below(r, 13)); // RFC 9000 7.2: at least 8
	s->scid.len = chromium ? 0 : 3;
	s->server.len = 8;
	gen_bytes(r, s->dcid.id, s->dcid.len);
	gen_bytes(r, s->scid.id, s->scid.len);
	gen_bytes(r, s->server.id, s->server.len);
	uint8_t hello[GEN_HELLO_MAX];
	bool pq = g->kind == QUIC || gen_chance(r, 80);
	size_t n = gen_hello(
		hello, &g->templates, chromium ? GEN_CHROMIUM_QUIC : GEN_FIREFOX_QUIC, pq,
		HT_SPAN(s->scid.id, s->scid.len), r
	);
	if (n == 0)
		abort();
	gen_initials(g->quic, &s->initials, HT_SPAN(hello, n), &s->dcid, &s->scid, r);
	s->swapped = s->initials.num == 2 && gen_chance(r, 10);
	g->split += s->initials.num > 1;
	g->hellos_quic++;
}

static void begin(struct gen *g, struct slot *s) {
	memset(s, 0, offsetof(struct slot, hello));
	gen_ends_draw(&s->ends, g->begun++, &g->rng);
	s->data_left = 32 + gen_below(&g->rng, 36);
	if (g->kind == MAIL) {
		s->talk = gen_mail(&g->rng);
		s->ends.port[1] = s->talk.port;
		g->talks++;
		if (s->talk.turn[s->talk.num - 1].text == NULL)
			begin_tcp(g, s);
		return;
	}
	if (g->kind == QUIC || (g->kind == MIXED && gen_chance(&g->rng, 15)))
		begin_quic(g, s);
	else
		begin_tcp(g, s);
}

// --- its frames ---------------------------------------------------------------------------------

static const uint8_t *noise(struct gen *g) {
	return g->noise + gen_below(&g->rng, NOISE);
}

// Application data as TCP cuts it: a record header wherever the last record ended.
static void send_data(struct gen *g, struct slot *s, unsigned side, size_t len, uint32_t record) {
	uint8_t d[GEN_MTU];
	memcpy(d, noise(g), len);
	size_t at = 0;
	while (at < len) {
		if (s->record_left[side] == 0) {
			if (len - at < 5)
				len = at + 5; // a header is not cut here
			static const uint8_t head[3] = {23, 3, 3};
			memcpy(d + at, head, 3);
			ht_put_be16(d + at + 3, (uint16_t)(record - 5));
			s->record_left[side] = record;
		}
		size_t n = s->record_left[side] < len - at ? s->record_left[side] : len - at;
		s->record_left[side] -= (uint32_t)n;
		at += n;
	}
	gen_tcp(&g->out, &s->ends, side, GEN_ACK | GEN_PSH, s->ends.seq[side], HT_SPAN(d, len));
}

static void ack(struct gen *g, struct slot *s, unsigned side) {
	gen_tcp(&g->out, &s->ends, side, GEN_ACK, s->ends.seq[side], HT_SPAN_EMPTY);
}

// Mostly what servers send: full segments, an ACK for every second one, now and then a request or
// something short.
static void data_tcp(struct gen *g, struct slot *s) {
	uint32_t x = gen_below(&g->rng, 100);
	size_t mss = gen_mss(&s->ends);
	if (s->acks >= 2) {
		s->acks = 0;
		ack(g, s, 0);
	} else if (x < 90) {
		s->acks++;
		send_data(g, s, 1, mss, 16401);
	} else if (x < 95) {
		send_data(g, s, 1, 60 + gen_below(&g->rng, 900), 16401);
	} else {
		uint32_t n = 80 + gen_below(&g->rng, 700);
		send_data(g, s, 0, n, n);
	}
}

// The server's flight, the client's end of the handshake, then data.
static bool behind_hello_tcp(struct gen *g, struct slot *s, uint32_t step) {
	size_t mss = gen_mss(&s->ends);
	switch (step) {
	case 0:
		ack(g, s, 1);
		return true;
	case 1: { // RFC 8446 4.1.3 in its record, and the encrypted rest of the flight
		uint8_t d[GEN_MTU];
		static const uint8_t head[] = {22, 3, 3, 0, GEN_SERVER_HELLO};
		static const uint8_t next[] = {20, 3, 3, 0, 1, 1, 23, 3, 3, 0x0c, 0x80};
		memcpy(d, noise(g), mss);
		memcpy(d, head, sizeof(head));
		gen_server_hello(d + 5, &g->rng);
		memcpy(d + 95, next, sizeof(next));
		s->record_left[1] = 0x0c80 - (uint32_t)(mss - 95 - sizeof(next));
		gen_tcp(&g->out, &s->ends, 1, GEN_ACK, s->ends.seq[1], HT_SPAN(d, mss));
		return true;
	}
	case 2:
		send_data(g, s, 1, mss, 16401);
		return true;
	case 3: {
		size_t left = s->record_left[1] < mss ? s->record_left[1] : mss;
		send_data(g, s, 1, left > 0 ? left : 100, 16401);
		return true;
	}
	case 4: { // change_cipher_spec and Finished
		uint8_t d[80];
		static const uint8_t head[] = {20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 69};
		memcpy(d, noise(g), sizeof(d));
		memcpy(d, head, sizeof(head));
		gen_tcp(&g->out, &s->ends, 0, GEN_ACK | GEN_PSH, s->ends.seq[0], HT_SPAN(d, 80));
		return true;
	}
	default:
		if (s->data_left-- == 0) {
			gen_tcp(&g->out, &s->ends, 0, GEN_ACK | GEN_FIN, s->ends.seq[0],
				HT_SPAN_EMPTY);
			return false;
		}
		data_tcp(g, s);
		return true;
	}
}

static bool step_tcp(struct gen *g, struct slot *s);

// A dialogue; false after its last frame. At the hello it goes on as any flow does.
static bool step_mail(struct gen *g, struct slot *s) {
	const uint32_t turn = s->step - 3;
	if (turn < s->talk.num && s->talk.turn[turn].text == NULL) {
		s->talk.num = 0;
		s->step = 3;
		return step_tcp(g, s);
	}
	s->step++;
	if (turn < s->talk.num) {
		const struct gen_turn *t = &s->talk.turn[turn];
		gen_tcp(&g->out, &s->ends, t->side, GEN_ACK | GEN_PSH, s->ends.seq[t->side],
			HT_SPAN(t->text, t->len));
		return true;
	}
	const unsigned side = turn == s->talk.num; // the server ends first
	gen_tcp(&g->out, &s->ends, side, GEN_ACK | GEN_FIN, s->ends.seq[side], HT_SPAN_EMPTY);
	return side == 1;
}

// Writes the next frame of the flow; false after its last one.
static bool step_tcp(struct gen *g, struct slot *s) {
	bool two = s->first_len < s->hello_len;
	if (s->step >= 3 && s->talk.num > 0)
		return step_mail(g, s);
	uint32_t step = s->step++;
	switch (step) {
	case 0:
		gen_tcp(&g->out, &s->ends, 0, GEN_SYN, s->ends.seq[0], HT_SPAN_EMPTY);
		return true;
	case 1:
		gen_tcp(&g->out, &s->ends, 1, GEN_SYN | GEN_ACK, s->ends.seq[1], HT_SPAN_EMPTY);
		return true;
	case 2:
		ack(g, s, 0);
		return true;
	case 3:
	case 4: {
		if (step == 4 && !two)
			break;
		bool second = (step == 4) != s->swapped;
		// While the swapped one is first, seq[0] already stands behind it.
		uint32_t begin = s->ends.seq[0];
		if (step == 4)
			begin -= s->swapped ? (uint32_t)s->hello_len : (uint32_t)s->first_len;
		uint32_t at = second ? (uint32_t)s->first_len : 0;
		gen_tcp(&g->out, &s->ends, 0, GEN_ACK | GEN_PSH, begin + at,
			HT_SPAN(s->hello + at, second ? s->hello_len - at : s->first_len));
		return true;
	}
	default:
		break;
	}
	if (g->kind == HELLO || g->kind == MAIL) {
		gen_tcp(&g->out, &s->ends, 0, GEN_RST, s->ends.seq[0], HT_SPAN_EMPTY);
		return false;
	}
	return behind_hello_tcp(g, s, step - (two ? 5 : 4));
}

static bool step_quic(struct gen *g, struct slot *s) {
	uint8_t d[GEN_DATAGRAM];
	uint32_t step = s->step++, num = s->initials.num;
	unsigned side = 1;
	size_t len = 0;
	if (step < num) {
		uint32_t i = s->swapped ? 1 - step : step;
		gen_udp(&g->out, &s->ends, 0, HT_SPAN(s->initials.bytes[i], GEN_DATAGRAM));
		return g->kind == MIXED || step + 1 < num;
	}
	switch (step - num) {
	case 0:
		len = gen_server_initial(g->quic, d, &s->dcid, &s->scid, &s->server, &g->rng);
		break;
	case 1:
	case 2:
		len = gen_handshake(d, GEN_DATAGRAM, &s->scid, &s->server, &g->rng);
		break;
	case 3: // Finished
		side = 0;
		len = gen_handshake(d, 90, &s->server, &s->scid, &g->rng);
		break;
	default:
		if (s->data_left-- == 0)
			return false;
		side = gen_below(&g->rng, 100) < 70;
		len = side == 1			? GEN_DATAGRAM
		      : gen_chance(&g->rng, 80) ? 35 + gen_below(&g->rng, 20)
						: 80 + gen_below(&g->rng, 700);
		gen_short(d, len, side == 1 ? &s->scid : &s->server, &g->rng);
		break;
	}
	gen_udp(&g->out, &s->ends, side, HT_SPAN(d, len));
	return true;
}

// Frame by frame from a flow drawn among thousands: the next one is hardly ever of the same flow,
// which is the hard case for every cache.
static bool generate(struct gen *g, uint32_t active) {
	struct slot *slots = calloc(active, sizeof(*slots));
	if (slots == NULL)
		return false;
	for (uint32_t i = 0; i < active; i++)
		begin(g, &slots[i]);
	while (active > 0) {
		struct slot *s = &slots[gen_below(&g->rng, active)];
		if (s->udp ? step_quic(g, s) : step_tcp(g, s))
			continue;
		if (g->begun < g->flows)
			begin(g, s);
		else
			*s = slots[--active];
	}
	free(slots);
	return true;
}

static int usage(void) {
	fputs("usage: generate mixed|hello|quic|mail FILE [--templates FOLDER] [--flows N] [--seed "
	      "N]\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv) {
	static const struct {
		const char *name;
		uint32_t flows, active;
	} kinds[] = {
		[MIXED] = {"mixed", 60000, 4096},
		[HELLO] = {"hello", 400000, 4096},
		[QUIC] = {"quic", 100000, 256},
		[MAIL] = {"mail", 200000, 4096},
	};
	const char *templates = "bench/templates";
	static struct gen g;
	g.rng.state = 1;
	unsigned kind = 0;
	while (argc > 1 && kind < HT_ARRAY_LEN(kinds) && strcmp(argv[1], kinds[kind].name) != 0)
		kind++;
	if (argc < 3 || argc % 2 == 0 || kind == HT_ARRAY_LEN(kinds))
		return usage();
	g.kind = (enum kind)kind;
	g.flows = kinds[kind].flows;
	for (int i = 3; i < argc; i += 2) {
		if (strcmp(argv[i], "--templates") == 0)
			templates = argv[i + 1];
		else if (strcmp(argv[i], "--flows") == 0)
			g.flows = (uint32_t)strtoul(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0)
			g.rng.state = strtoull(argv[i + 1], NULL, 10);
		else
			return usage();
	}
	// Addresses are drawn from 2^24 clients.
	if (g.flows == 0 || g.flows > 1u << 24)
		return usage();
	uint32_t active
		= kinds[kind].active < g.flows / 3 + 1 ? kinds[kind].active : g.flows / 3 + 1;
	if (!gen_templates_load(&g.templates, templates))
		return 1;
	gen_bytes(&g.rng, g.noise, sizeof(g.noise));
	g.quic = gen_quic_new();
	if (g.quic == NULL || !gen_out_open(&g.out, fopen(argv[2], "wb"))) {
		perror(argv[2]);
		return 1;
	}
	bool ok = generate(&g, active);
	ok &= gen_out_close(&g.out);
	gen_quic_free(g.quic);
	if (!ok) {
		fprintf(stderr, "%s: could not be written\n", argv[2]);
		return 1;
	}
	printf("{\"frames\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"flows\":%" PRIu32
	       ",\"hellos_tcp\":%" PRIu32 ",\"hellos_quic\":%" PRIu32 ",\"hellos_split\":%" PRIu32
	       ",\"upgrades\":%" PRIu32 "}\n",
	       g.out.frames, g.out.bytes, g.begun, g.hellos_tcp, g.hellos_quic, g.split, g.talks);
	return 0;
}
