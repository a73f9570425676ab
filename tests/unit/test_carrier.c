// SPDX-License-Identifier: BSD-3-Clause
// Carriers of TLS: what is a piece and what is not, each packet cut anywhere, and pieces in any
// order.

#include "carrier.h"
#include "carrier_build.h"
#include "t.h"

static struct bytes packet, eap, other;
static struct rng rng;

// A heap copy of exactly n bytes is what the parsers get.
#define WITH_COPY(copy, from, n) \
	for (uint8_t *copy = t_dup((from), (n)); copy != NULL; free(copy), copy = NULL)

// The outcome, with the piece kept as bytes of its own.
struct got {
	enum ht_carrier_rc rc;
	struct ht_piece piece;
	uint8_t data[4096];
	size_t len;
};

static void keep(struct got *g) {
	g->len = 0;
	if (g->rc != HT_CARRIER_PIECE)
		return;
	assert_true(g->piece.data.len <= sizeof(g->data));
	g->len = g->piece.data.len;
	if (g->len > 0)
		memcpy(g->data, g->piece.data.p, g->len);
}

static struct got eapol_of(const struct bytes *b, size_t there, uint32_t wire_len) {
	struct got g;
	WITH_COPY(p, b->b, there) {
		g.rc = ht_eapol(&g.piece, HT_SPAN(p, there), wire_len);
		keep(&g);
	}
	return g;
}

static struct got radius_of(const struct bytes *b, size_t there, uint32_t wire_len) {
	struct got g;
	static struct ht_radius r;
	WITH_COPY(p, b->b, there) {
		g.rc = ht_radius(&g.piece, &r, HT_SPAN(p, there), wire_len);
		keep(&g);
	}
	return g;
}

static struct got openvpn_of(const struct bytes *b, size_t there, uint32_t wire_len) {
	struct got g;
	WITH_COPY(p, b->b, there) {
		g.rc = ht_openvpn(&g.piece, HT_SPAN(p, there), wire_len);
		keep(&g);
	}
	return g;
}

static void expect_piece(const char *what, const struct got *g, const char *data, size_t n) {
	if (g->rc != HT_CARRIER_PIECE || g->len != n || memcmp(g->data, data, n) != 0)
		fail_msg(
			"%s: outcome %d, %u bytes, number %u", what, g->rc, (unsigned)g->len,
			(unsigned)g->piece.number
		);
}

static void expect_rc(const char *what, const struct got *g, enum ht_carrier_rc rc) {
	if (g->rc != rc)
		fail_msg("%s: outcome %d, not %d", what, g->rc, rc);
}

static void make_eapol(unsigned type, const uint8_t *body, size_t n) {
	packet.len = 0;
	put8(&packet, 2);
	put8(&packet, type);
	put16(&packet, (unsigned)n);
	put(&packet, body, n);
}

// --- EAP -----------------------------------------------------------------------------------------

static const char hello[] = "\x16\x03\x01\x00\x05hello and more";
#define HELLO ((const uint8_t *)hello), sizeof(hello) - 1

static void eap_methods(void **state) {
	(void)state;
	static const struct {
		const char *name;
		struct eap_packet e;
		size_t skip; // bytes that are no TLS
		enum ht_carrier_rc rc;
		bool last;
	} cases[] = {
		{"EAP-TLS", {2, 7, 13, 0, 0}, 0, HT_CARRIER_PIECE, true},
		{"EAP-TLS, first fragment", {2, 7, 13, 0xc0, 900}, 0, HT_CARRIER_PIECE, false},
		{"EAP-TLS, middle fragment", {2, 7, 13, 0x40, 0}, 0, HT_CARRIER_PIECE, false},
		{"length in an only fragment", {2, 7, 13, 0x80, 19}, 0, HT_CARRIER_PIECE, true},
		{"TTLS, version 0", {2, 7, 21, 0, 0}, 0, HT_CARRIER_PIECE, true},
		{"PEAP, version 1", {2, 7, 25, 1, 0}, 0, HT_CARRIER_PIECE, true},
		{"FAST, version 1", {2, 7, 43, 0x41, 0}, 0, HT_CARRIER_PIECE, false},
		{"TEAP, version 1", {2, 7, 55, 1, 0}, 0, HT_CARRIER_PIECE, true},
		{"TEAP with outer TLVs", {2, 7, 55, 0x91, 40}, 4, HT_CARRIER_PIECE, true},
		{"a server's", {1, 7, 13, 0, 0}, 0, HT_CARRIER_NOTHING, false},
		{"success", {3, 7, 13, 0, 0}, 0, HT_CARRIER_NOTHING, false},
		{"identity", {2, 7, 1, 0, 0}, 0, HT_CARRIER_NOTHING, false},
		{"NAK", {2, 7, 3, 0, 0}, 0, HT_CARRIER_NOTHING, false},
		{"MD5", {2, 7, 4, 0, 0}, 0, HT_CARRIER_NOTHING, false},
		{"AKA", {2, 7, 23, 0, 0}, 0, HT_CARRIER_NOTHING, false},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		eap.len = 0;
		put_eap(&eap, &cases[i].e, HELLO);
		make_eapol(0, eap.b, eap.len);
		struct got g = eapol_of(&packet, packet.len, (uint32_t)packet.len);
		if (cases[i].rc != HT_CARRIER_PIECE) {
			expect_rc(cases[i].name, &g, cases[i].rc);
			continue;
		}
		expect_piece(
			cases[i].name, &g, hello + cases[i].skip, sizeof(hello) - 1 - cases[i].skip
		);
		assert_int_equal(g.piece.number, 7);
		assert_int_equal(g.piece.last, cases[i].last);
		assert_int_equal(g.piece.context, cases[i].e.type);
		assert_true(g.piece.number_wraps && !g.piece.cut);
		// 802.1X frames are padded, and so may EAP packets be.
		put(&packet, "\0\0\0", 3);
		g = eapol_of(&packet, packet.len, (uint32_t)packet.len);
		expect_piece(
			"padded", &g, hello + cases[i].skip, sizeof(hello) - 1 - cases[i].skip
		);
	}
}

static void eap_odd(void **state) {
	(void)state;
	static const struct {
		const char *name, *eap;
		enum ht_carrier_rc rc;
	} cases[] = {
		{"expanded type of the IETF", "02 01 000f fe 000000 0000000d 00 1603",
		 HT_CARRIER_PIECE},
		{"expanded type of a vendor", "02 01 000f fe 00372a 0000000d 00 1603",
		 HT_CARRIER_NOTHING},
		{"expanded type beyond a byte", "02 01 000f fe 000000 0000010d 00 1603",
		 HT_CARRIER_NOTHING},
		{"acknowledgement", "02 01 0006 0d 00", HT_CARRIER_NOTHING},
		{"no flags", "02 01 0005 0d", HT_CARRIER_NOTHING},
		{"length flag without a length", "02 01 0009 0d 80 000000", HT_CARRIER_NOTHING},
		{"header alone", "02 01 0004", HT_CARRIER_NOTHING},
		{"length below the header", "02 01 0003 0d 00", HT_CARRIER_NOT},
		{"length beyond the packet", "02 01 0009 0d 00 1603", HT_CARRIER_NOT},
		{"empty", "", HT_CARRIER_NOT},
	};
	uint8_t b[64];
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		make_eapol(0, b, t_unhex(b, sizeof(b), cases[i].eap));
		struct got g = eapol_of(&packet, packet.len, (uint32_t)packet.len);
		expect_rc(cases[i].name, &g, cases[i].rc);
	}
	for (unsigned type = 1; type < 6; type++) { // Start, Logoff, Key ...
		make_eapol(type, HELLO);
		struct got g = eapol_of(&packet, packet.len, (uint32_t)packet.len);
		expect_rc("EAPOL of another type", &g, HT_CARRIER_NOTHING);
	}
}

// Of a packet cut by the snap length what is there is a piece; one that is shorter than it says is
// none.
static void eap_cut_anywhere(void **state) {
	(void)state;
	const struct eap_packet e = {EAP_RESPONSE, 9, EAP_TLS, EAP_LENGTH, 19};
	eap.len = 0;
	put_eap(&eap, &e, HELLO);
	make_eapol(0, eap.b, eap.len);
	const size_t data_at = packet.len - (sizeof(hello) - 1);
	for (size_t n = 0; n < packet.len; n++) {
		struct got g = eapol_of(&packet, n, (uint32_t)n);
		expect_rc("too short", &g, HT_CARRIER_NOT);
		g = eapol_of(&packet, n, (uint32_t)packet.len);
		if (n > data_at) {
			expect_piece("cut", &g, hello, n - data_at);
			assert_true(g.piece.cut);
		} else if (g.rc == HT_CARRIER_PIECE) {
			fail_msg("a piece of %u bytes", (unsigned)n);
		}
	}
}

// --- RADIUS --------------------------------------------------------------------------------------

static void make_radius(size_t n) {
	static uint8_t data[2000];
	const struct eap_packet e = {EAP_RESPONSE, 3, EAP_TLS, 0, 0};
	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)(i + i / 256);
	eap.len = packet.len = 0;
	put_eap(&eap, &e, data, n);
	put_radius(&packet, 5, "user", &eap);
}

static void radius_attributes(void **state) {
	(void)state;
	static const size_t sizes[] = {1, 246, 247, 248, 500, 501, 1500};
	struct ht_radius r;
	struct ht_piece p;
	for (unsigned i = 0; i < HT_ARRAY_LEN(sizes); i++) {
		make_radius(sizes[i]);
		struct got g = radius_of(&packet, packet.len, (uint32_t)packet.len);
		expect_piece("whole", &g, (const char *)eap.b + 6, sizes[i]);
		assert_true(ht_radius_is(HT_SPAN(packet.b, packet.len), (uint32_t)packet.len));
		assert_int_equal(g.piece.number, 3);
	}
	assert_int_equal(
		ht_radius(&p, &r, HT_SPAN(packet.b, packet.len), (uint32_t)packet.len),
		HT_CARRIER_PIECE
	);
	assert_true(ht_span_eq(r.who[HT_RADIUS_USER_NAME], HT_SPAN_STR("user")));
	assert_int_equal(r.who[HT_RADIUS_NAS_PORT].len, 4);
	assert_int_equal(r.who[HT_RADIUS_CALLING_STATION_ID].len, 0);
	assert_int_equal(r.who[HT_RADIUS_NAS_IDENTIFIER].len, 0);
}

static void radius_odd(void **state) {
	(void)state;
	struct span_case {
		const char *name;
		unsigned at, value;
	};
	static const struct span_case cases[] = {
		{"Access-Accept", 0, 2},     {"Access-Challenge", 0, 11},
		{"Accounting", 0, 4},	     {"a longer length", 3, 0xff},
		{"a shorter length", 3, 40}, {"an attribute of length 0", 21, 0},
		{"of length 1", 21, 1},	     {"beyond the packet", 21, 255},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		make_radius(100);
		packet.b[cases[i].at] = (uint8_t)cases[i].value;
		if (ht_radius_is(HT_SPAN(packet.b, packet.len), (uint32_t)packet.len))
			fail_msg("%s: taken", cases[i].name);
	}
	eap.len = packet.len = 0;
	put_radius(&packet, 5, "user", &eap);
	assert_false(ht_radius_is(HT_SPAN(packet.b, packet.len), (uint32_t)packet.len));
	struct got g = radius_of(&packet, packet.len, (uint32_t)packet.len);
	expect_rc("no EAP", &g, HT_CARRIER_NOT);
}

static void radius_cut_anywhere(void **state) {
	(void)state;
	make_radius(600);
	for (size_t n = 0; n < packet.len; n++) {
		WITH_COPY(p, packet.b, n) {
			assert_false(ht_radius_is(HT_SPAN(p, n), (uint32_t)n));
			ht_radius_is(HT_SPAN(p, n), (uint32_t)packet.len);
		}
		struct got g = radius_of(&packet, n, (uint32_t)n);
		expect_rc("too short", &g, HT_CARRIER_NOT);
		g = radius_of(&packet, n, (uint32_t)packet.len);
		if (g.rc == HT_CARRIER_PIECE)
			expect_piece("cut", &g, (const char *)eap.b + 6, g.len);
		// What is there of the hello is told, but for what no whole attribute header says.
		if (n == packet.len - 18) // the Message-Authenticator alone is missing
			assert_int_equal(g.len, 600);
	}
}

// --- OpenVPN -------------------------------------------------------------------------------------

static const unsigned hmacs[] = {0, 16, 20, 28, 32, 48, 64};

static void openvpn_layouts(void **state) {
	(void)state;
	for (unsigned h = 0; h < HT_ARRAY_LEN(hmacs); h++)
		for (unsigned acks = 0; acks <= 8; acks++)
			for (uint32_t number = 1; number < 300; number += number < 20 ? 1 : 93) {
				const struct openvpn_packet p = {
					OPENVPN_CONTROL | (number & 7),
					0xfedcba9876543210,
					hmacs[h],
					acks,
					number,
				};
				packet.len = 0;
				put_openvpn(&packet, &p, HELLO);
				assert_true(ht_carrier_perhaps(HT_SPAN(packet.b, packet.len)));
				struct got g
					= openvpn_of(&packet, packet.len, (uint32_t)packet.len);
				char what[60];
				snprintf(
					what, sizeof(what), "HMAC %u, acks %u, number %u", hmacs[h],
					acks, number
				);
				expect_piece(what, &g, hello, sizeof(hello) - 1);
				assert_int_equal(g.piece.number, number);
				assert_int_equal(g.piece.context, number & 7);
				assert_int_equal(g.piece.session.len, 8);
				assert_false(g.piece.number_wraps || g.piece.last || g.piece.cut);
			}
}

static void openvpn_resets(void **state) {
	(void)state;
	static const unsigned first[] = {OPENVPN_CLIENT_V2, OPENVPN_SERVER_V2};
	for (unsigned i = 0; i < 2; i++)
		for (unsigned h = 0; h < HT_ARRAY_LEN(hmacs); h++) {
			struct openvpn_packet p = {first[i], 1, hmacs[h], i, 0};
			packet.len = 0;
			put_openvpn(&packet, &p, NULL, 0);
			struct got g = openvpn_of(&packet, packet.len, (uint32_t)packet.len);
			expect_rc("reset", &g, HT_CARRIER_NOTHING);
			assert_true(ht_carrier_perhaps(HT_SPAN(packet.b, packet.len)));
			for (size_t n = 0; n < packet.len; n++) {
				g = openvpn_of(&packet, n, (uint32_t)n);
				expect_rc("a cut reset", &g, HT_CARRIER_NOT);
			}
			put8(&packet, 0);
			g = openvpn_of(&packet, packet.len, (uint32_t)packet.len);
			expect_rc("bytes behind a reset", &g, HT_CARRIER_NOT);
			p.first |= 1;
			packet.len = 0;
			put_openvpn(&packet, &p, NULL, 0);
			g = openvpn_of(&packet, packet.len, (uint32_t)packet.len);
			expect_rc("a hard reset of key 1", &g, HT_CARRIER_NOT);
		}
}

static void openvpn_others(void **state) {
	(void)state;
	for (unsigned opcode = 0; opcode < 32; opcode++) {
		const struct openvpn_packet p = {opcode << 3, 1, 0, 0, 1};
		packet.len = 0;
		put_openvpn(&packet, &p, HELLO);
		struct got g = openvpn_of(&packet, packet.len, (uint32_t)packet.len);
		expect_rc("opcode", &g, opcode == 4 ? HT_CARRIER_PIECE : HT_CARRIER_NOT);
	}
	static const struct {
		const char *name;
		struct openvpn_packet p;
	} cases[] = {
		{"number 0", {OPENVPN_CONTROL, 1, 0, 0, 0}},
		{"a number too large", {OPENVPN_CONTROL, 1, 0, 0, 4096}},
		{"too many acknowledgements", {OPENVPN_CONTROL, 1, 0, 9, 1}},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		packet.len = 0;
		put_openvpn(&packet, &cases[i].p, HELLO);
		struct got g = openvpn_of(&packet, packet.len, (uint32_t)packet.len);
		expect_rc(cases[i].name, &g, HT_CARRIER_NOT);
	}
}

static void openvpn_tls_crypt(void **state) {
	(void)state;
	static const unsigned first[]
		= {OPENVPN_CLIENT_V2, OPENVPN_SERVER_V2, OPENVPN_CLIENT_V3, OPENVPN_CONTROL};
	static const uint32_t counters[] = {1, 2, 300, 0x0f000001};
	for (unsigned i = 0; i < HT_ARRAY_LEN(first); i++)
		for (unsigned k = 0; k < HT_ARRAY_LEN(counters); k++) {
			packet.len = 0;
			put_tls_crypt(&packet, first[i], counters[k], 37);
			struct got g = openvpn_of(&packet, packet.len, (uint32_t)packet.len);
			expect_rc("tls-crypt", &g, HT_CARRIER_TLS_CRYPT);
			for (size_t n = 0; n < packet.len; n++)
				g = openvpn_of(&packet, n, (uint32_t)n);
		}
	packet.len = 0;
	put_tls_crypt(&packet, OPENVPN_CLIENT_V3, 0, 400);
	struct got g = openvpn_of(&packet, packet.len, (uint32_t)packet.len);
	expect_rc("a packet id of 0", &g, HT_CARRIER_NOT);
}

static void openvpn_cut_anywhere(void **state) {
	(void)state;
	for (unsigned h = 0; h < HT_ARRAY_LEN(hmacs); h++) {
		const struct openvpn_packet p = {OPENVPN_CONTROL, 5, hmacs[h], 2, 1};
		packet.len = 0;
		put_openvpn(&packet, &p, HELLO);
		size_t data_at = packet.len - (sizeof(hello) - 1);
		for (size_t n = 0; n < packet.len; n++) {
			struct got g = openvpn_of(&packet, n, (uint32_t)packet.len);
			if (n >= data_at + 2) { // less does not tell the layout
				expect_piece("cut", &g, hello, n - data_at);
				assert_true(g.piece.cut);
			} else if (h == 0 && n < data_at) {
				expect_rc("cut in the header", &g, HT_CARRIER_NOT);
			}
		}
	}
}

// Random bytes behind a first byte that fits: what is taken for a control packet is rare.
static void openvpn_in_noise(void **state) {
	(void)state;
	unsigned taken = 0;
	for (unsigned i = 0; i < 200000; i++) {
		uint8_t b[200];
		struct ht_piece piece;
		for (unsigned k = 0; k < sizeof(b); k++)
			b[k] = (uint8_t)rng_next(&rng);
		b[0] = (uint8_t)(OPENVPN_CONTROL | (b[0] & 7));
		taken += ht_openvpn(&piece, HT_SPAN(b, sizeof(b)), sizeof(b)) != HT_CARRIER_NOT;
	}
	assert_true(taken < 3);
}

// --- OpenVPN over TCP ----------------------------------------------------------------------------

static void
put_framed(struct bytes *o, const struct openvpn_packet *p, const void *data, size_t n) {
	other.len = 0;
	put_openvpn(&other, p, data, n);
	put16(o, (unsigned)other.len);
	put(o, other.b, other.len);
}

// The TLS bytes of a stream that is given so that `step` bytes more are there each time.
static enum ht_rc unframe(size_t step, struct got *g, bool cut) {
	struct ht_openvpn_stream o = {0};
	enum ht_rc rc = HT_MORE;
	g->len = 0;
	WITH_COPY(p, packet.b, packet.len) {
		for (size_t n = step; rc == HT_MORE && n < packet.len + step; n += step) {
			size_t there = n < packet.len ? n : packet.len;
			rc = ht_openvpn_unframe(&o, p, (uint32_t)there, cut && there == packet.len);
			assert_true(o.end <= o.pos || cut);
		}
		g->len = o.end;
		memcpy(g->data, p, o.end);
	}
	return rc;
}

static void stream_of_packets(void **state) {
	(void)state;
	static const struct openvpn_packet reset = {OPENVPN_CLIENT_V2, 1, 20, 0, 0},
					   ack = {OPENVPN_ACK, 1, 20, 2, 0};
	struct openvpn_packet part = {OPENVPN_CONTROL, 1, 20, 1, 1};
	struct got g;
	packet.len = 0;
	put_framed(&packet, &reset, NULL, 0);
	put_framed(&packet, &ack, NULL, 0);
	put_framed(&packet, &part, "\x16\x03\x01", 3);
	put_framed(&packet, &reset, NULL, 0);
	part.number = 2;
	put_framed(&packet, &part, "tw", 2);
	put_framed(&packet, &part, "tw", 2); // sent again
	part.number = 3;
	put_framed(&packet, &part, NULL, 0);
	part.number = 4;
	put_framed(&packet, &part, "four", 4);
	const size_t whole = packet.len;
	for (size_t step = 1; step <= whole; step++) {
		assert_int_equal(unframe(step, &g, false), HT_MORE);
		assert_int_equal(g.len, 9);
		assert_memory_equal(g.data, "\x16\x03\x01twfour", 9);
	}
	// Cut by the snap length inside the last packet.
	for (packet.len = whole - 3; packet.len < whole; packet.len++) {
		assert_int_equal(unframe(packet.len, &g, true), HT_MORE);
		assert_int_equal(g.len, 9 - (whole - packet.len));
	}
	packet.len = whole;
	part.number = 6; // the fifth is missing, which cannot be
	put_framed(&packet, &part, "six", 3);
	assert_int_equal(unframe(1, &g, false), HT_BAD);
	packet.len = whole;
	part.number = 5;
	part.first |= 1; // another key
	put_framed(&packet, &part, "five", 4);
	assert_int_equal(unframe(1, &g, false), HT_BAD);
}

static void stream_of_something_else(void **state) {
	(void)state;
	static const struct openvpn_packet part = {OPENVPN_CONTROL, 1, 0, 0, 1},
					   ack = {OPENVPN_ACK};
	struct got g;
	packet.len = 0;
	put_framed(&packet, &part, "\x16\x03", 2);
	assert_int_equal(unframe(1, &g, false), HT_BAD); // no reset
	packet.len = 0;
	put_framed(&packet, &ack, NULL, 0);
	assert_int_equal(unframe(1, &g, false), HT_BAD);
	packet.len = 0;
	put16(&packet, 0);
	assert_int_equal(unframe(1, &g, false), HT_BAD);
	packet.len = 0;
	put16(&packet, 54);
	put_tls_crypt(&packet, OPENVPN_CLIENT_V2, 1, 37);
	assert_int_equal(unframe(1, &g, false), HT_SKIP);
}

// --- pieces --------------------------------------------------------------------------------------

static struct ht_arena *arena;

// Pieces of a text, number i being `len[i]` bytes long.
#define NUM 6
static const char text[] = "one, two and all the others of them; the end";
static const uint32_t lens[NUM] = {5, 0, 9, 1, 20, 9};

static enum ht_rc add(struct ht_pieces *s, uint32_t base, unsigned i) {
	uint32_t at = 0;
	enum ht_rc rc = HT_BAD;
	for (unsigned k = 0; k < i; k++)
		at += lens[k];
	WITH_COPY(p, text + at, lens[i]) {
		rc = ht_pieces_add(s, arena, base + i, HT_SPAN(p, lens[i]), 1000);
	}
	return rc;
}

static void expect_whole(struct ht_pieces *s) {
	assert_int_equal(s->prefix, sizeof(text) - 1);
	assert_memory_equal(s->data.buf, text, sizeof(text) - 1);
	assert_int_equal(s->taken, NUM);
	assert_int_equal(s->num_ahead, 0);
	ht_pieces_drop(s, arena);
	assert_int_equal(ht_arena_used(arena), 0);
}

// Every order of the six, each piece twice; the numbers wrap in the middle. The first is told at
// the beginning, or when it comes.
static void pieces_any_order(void **state) {
	(void)state;
	const uint32_t base = UINT32_MAX - 2;
	for (unsigned n = 0; n < 720; n++)
		for (unsigned early = 0; early < 2; early++) {
			struct ht_pieces s = {0};
			unsigned left[NUM] = {0, 1, 2, 3, 4, 5}, code = n;
			if (early)
				ht_pieces_anchor(&s, base);
			for (unsigned k = NUM; k > 0; k--) {
				unsigned at = code % k, i = left[at];
				code /= k;
				memmove(&left[at], &left[at + 1], (k - at - 1) * sizeof(left[0]));
				if (i == 0 && !early)
					ht_pieces_anchor(&s, base);
				assert_int_equal(add(&s, base, i), HT_OK);
				assert_int_equal(add(&s, base, i), HT_SKIP);
			}
			expect_whole(&s);
		}
}

static void pieces_lost(void **state) {
	(void)state;
	for (unsigned lost = 0; lost < NUM; lost++) {
		struct ht_pieces s = {0};
		uint32_t before = 0;
		ht_pieces_anchor(&s, 10);
		for (unsigned i = 0; i < NUM; i++) {
			before += i < lost ? lens[i] : 0;
			if (i != lost)
				assert_int_equal(add(&s, 10, i), HT_OK);
		}
		assert_int_equal(s.prefix, before);
		assert_int_equal(s.num_ahead, NUM - 1 - lost);
		assert_int_equal(add(&s, 10, lost), HT_OK);
		expect_whole(&s);
	}
}

// What is from before the first piece is of something else.
static void pieces_before_the_first(void **state) {
	(void)state;
	struct ht_pieces s = {0};
	assert_int_equal(
		ht_pieces_add(&s, arena, 8, HT_SPAN_STR("of another message"), 1000), HT_OK
	);
	assert_int_equal(add(&s, 10, 3), HT_OK);
	assert_int_equal(add(&s, 10, 0), HT_OK);
	assert_int_equal(s.prefix, 0);
	ht_pieces_anchor(&s, 10);
	assert_int_equal(s.prefix, lens[0]);
	assert_int_equal(ht_pieces_add(&s, arena, 9, HT_SPAN_STR("late"), 1000), HT_SKIP);
	for (unsigned i = 1; i < NUM; i++)
		assert_int_equal(add(&s, 10, i), i == 3 ? HT_SKIP : HT_OK);
	expect_whole(&s);
	// And all of it may be.
	assert_int_equal(add(&s, 10, 2), HT_OK);
	ht_pieces_anchor(&s, 20);
	assert_int_equal(s.num_ahead, 0);
	assert_int_equal(add(&s, 20, 0), HT_OK);
	assert_memory_equal(s.data.buf, text, lens[0]);
	ht_pieces_drop(&s, arena);
}

// What is behind a piece that is cut is of no use: the bytes between are missing.
static void pieces_cut(void **state) {
	(void)state;
	for (unsigned cut = 0; cut < NUM; cut++) {
		struct ht_pieces s = {0};
		uint32_t before = 0;
		ht_pieces_anchor(&s, 10);
		for (unsigned i = NUM; i-- > 0;)
			if (i != cut)
				assert_int_equal(add(&s, 10, i), HT_OK);
		for (unsigned i = 0; i < cut; i++)
			before += lens[i];
		ht_pieces_cut(&s, 10 + cut);
		assert_int_equal(s.num_ahead, 0);
		assert_int_equal(s.prefix, before);
		assert_int_equal(ht_ranges_end(&s.data.have), before);
		assert_int_equal(add(&s, 10, cut), HT_OK);
		assert_int_equal(s.prefix, before + lens[cut]);
		assert_memory_equal(s.data.buf, text, before + lens[cut]);
		ht_pieces_drop(&s, arena);
	}
}

static void pieces_limits(void **state) {
	(void)state;
	struct ht_pieces s = {0};
	ht_pieces_anchor(&s, 0);
	for (unsigned i = 1; i <= HT_PIECES_AHEAD; i++)
		assert_int_equal(ht_pieces_add(&s, arena, i, HT_SPAN_STR("12345"), 100), HT_OK);
	assert_int_equal(ht_pieces_add(&s, arena, 99, HT_SPAN_STR("12345"), 100), HT_LIMIT);
	// The one that all wait for is taken.
	assert_int_equal(ht_pieces_add(&s, arena, 0, HT_SPAN_STR("12345"), 100), HT_OK);
	assert_int_equal(s.prefix, 5 * (HT_PIECES_AHEAD + 1));
	assert_int_equal(
		ht_pieces_add(&s, arena, HT_PIECES_AHEAD + 1, HT_SPAN_STR("1234567890123456"), 100),
		HT_LIMIT
	);
	assert_int_equal(
		ht_pieces_add(&s, arena, HT_PIECES_AHEAD + 1, HT_SPAN_STR("123456789012345"), 100),
		HT_OK
	);
	ht_pieces_drop(&s, arena);

	// No room: nothing changes, and it can be given again.
	struct ht_arena *small = ht_arena_new(HT_ARENA_MAX_BLOCK);
	uint32_t size;
	uint8_t *all = ht_arena_get(small, HT_ARENA_MAX_BLOCK, &size);
	assert_non_null(all);
	assert_int_equal(ht_pieces_add(&s, small, 1, HT_SPAN_STR("x"), 100), HT_FULL);
	assert_int_equal(s.num_ahead, 0);
	ht_arena_put(small, all, size);
	assert_int_equal(ht_pieces_add(&s, small, 1, HT_SPAN_STR("x"), 100), HT_OK);
	ht_pieces_drop(&s, small);
	ht_arena_free(small);
}

static void pieces_near(void **state) {
	(void)state;
	struct ht_pieces s = {0};
	assert_int_equal(ht_pieces_near(&s, 250), 250);
	ht_pieces_anchor(&s, 250);
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t number = 250 + i;
		assert_int_equal(ht_pieces_near(&s, (uint8_t)number), number);
		assert_int_equal(ht_pieces_near(&s, (uint8_t)(number + 100)), number + 100);
		assert_int_equal(ht_pieces_near(&s, (uint8_t)(number - 100)), number - 100);
		assert_int_equal(ht_pieces_add(&s, arena, number, HT_SPAN_STR("."), 1000), HT_OK);
	}
	assert_int_equal(s.prefix, 1000);
	ht_pieces_drop(&s, arena);
	assert_int_equal(ht_pieces_add(&s, arena, 3, HT_SPAN_STR("."), 1000), HT_OK);
	assert_int_equal(ht_pieces_near(&s, 254), (uint32_t)-2); // before the one that is held
	ht_pieces_drop(&s, arena);
}

static int set_up(void **state) {
	(void)state;
	arena = ht_arena_new(1u << 20);
	return arena != NULL ? 0 : -1;
}

static int tear_down(void **state) {
	(void)state;
	ht_arena_free(arena);
	return 0;
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eap_methods),
		cmocka_unit_test(eap_odd),
		cmocka_unit_test(eap_cut_anywhere),
		cmocka_unit_test(radius_attributes),
		cmocka_unit_test(radius_odd),
		cmocka_unit_test(radius_cut_anywhere),
		cmocka_unit_test(openvpn_layouts),
		cmocka_unit_test(openvpn_resets),
		cmocka_unit_test(openvpn_others),
		cmocka_unit_test(openvpn_tls_crypt),
		cmocka_unit_test(openvpn_cut_anywhere),
		cmocka_unit_test(openvpn_in_noise),
		cmocka_unit_test(stream_of_packets),
		cmocka_unit_test(stream_of_something_else),
		cmocka_unit_test(pieces_any_order),
		cmocka_unit_test(pieces_lost),
		cmocka_unit_test(pieces_before_the_first),
		cmocka_unit_test(pieces_cut),
		cmocka_unit_test(pieces_limits),
		cmocka_unit_test(pieces_near),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
