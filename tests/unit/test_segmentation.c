// SPDX-License-Identifier: BSD-3-Clause
// The segmentation property (promise 3): any split of a hello gives the same record as the whole
// one. Over TCP segments, TLS records, both; DTLS fragments; QUIC CRYPTO frames and datagrams:
// every cut point, then random cuts with reordering, overlaps and repeats. Seeded: the same on
// every run.

#include "carrier.h"
#include "carrier_build.h"
#include "t.h"
#include "wire.h"

#define SPLITS 400 // random splits of each hello and kind

// What tells one split from another and is no part of the property.
#define OF_THE_SPLIT \
	(HT_HAS(ts) | HT_HAS(frame) | HT_HAS(segments) | HT_HAS(tls_records) | HT_HAS(quic_packets))

struct result {
	unsigned records;
	// Of the last record.
	bool complete, has_sni;
	char sni[64], via[64];
	struct bytes digest;
};

static void on_record(void *user, struct ht_record *r) {
	struct result *res = user;
	res->records++;
	res->digest.len = 0;
	digest_record(&res->digest, r, ~OF_THE_SPLIT);
	res->complete = r->complete;
	res->via[0] = '\0';
	for (unsigned i = 0; (r->has & HT_HAS(via)) && i < r->via.num; i++) {
		size_t n = strlen(res->via);
		snprintf(res->via + n, sizeof(res->via) - n, "%s%s", i > 0 ? " " : "", r->via.s[i]);
	}
	res->has_sni = r->has & HT_HAS(sni);
	if (res->has_sni)
		snprintf(
			res->sni, sizeof(res->sni), "%.*s", (int)r->sni.len, (const char *)r->sni.p
		);
}

static struct frames fs;
static struct result whole, got;
static struct bytes body, message, stream;

static void run(struct ht_sensor *s, struct result *res) {
	res->records = 0;
	ht_sensor_run(s, fs.f, fs.num);
	frames_clear(&fs);
}

static struct ht_sensor *sensor_new(struct result **res) {
	const struct ht_sensor_params p = small_sensor(on_record, *res);
	struct ht_sensor *s = ht_sensor_new(&p);
	assert_non_null(s);
	return s;
}

// Compares what the split in `fs` gives with the record of the whole hello. Each run has a sensor
// of its own: nothing of the last split may help.
static void expect_same(const char *what, const char *shape, unsigned detail) {
	struct result *res = &got;
	struct ht_sensor *s = sensor_new(&res);
	run(s, &got);
	if (got.records != 1 || got.digest.len != whole.digest.len
	    || memcmp(got.digest.b, whole.digest.b, whole.digest.len) != 0) {
		fprintf(stderr, "%s, %s, split %u: %u records\n", what, shape, detail, got.records);
		fail();
	}
	ht_sensor_finish(s);
	const char *unbalanced = ht_ledger_balance(ht_sensor_counters(s));
	if (unbalanced != NULL || got.records != 1) {
		fprintf(stderr, "%s, %s, split %u: ledger: %s\n", what, shape, detail, unbalanced);
		fail();
	}
	ht_sensor_free(s);
}

// Learns the record of the whole hello, which must be all there: two empty records would be the
// same, too.
static void learn_whole(const struct hello_shape *h) {
	struct result *res = &whole;
	struct ht_sensor *s = sensor_new(&res);
	run(s, &whole);
	assert_int_equal(whole.records, 1);
	assert_true(whole.complete);
	assert_int_equal(whole.has_sni, h->extensions);
	if (h->extensions)
		assert_string_equal(whole.sni, h->sni);
	ht_sensor_free(s);
}

// --- pieces
// ---------------------------------------------------------------------------------------

#define MAX_PIECES 40

struct piece {
	uint32_t at, len;
};

// Cuts `len` bytes in up to `most` pieces, some longer than their part (overlaps) and some twice,
// and shuffles them.
static unsigned random_pieces(
	struct rng *r, struct piece *out, uint32_t len, unsigned most, bool overlap, bool shuffle
) {
	uint32_t cuts[MAX_PIECES];
	unsigned n = 1 + rng_below(r, most < len ? most : len), num = 0;
	for (unsigned i = 0; i + 1 < n; i++)
		cuts[i] = 1 + rng_below(r, len - 1);
	for (unsigned i = 1; i + 1 < n; i++) // insertion sort
		for (unsigned j = i; j > 0 && cuts[j - 1] > cuts[j]; j--) {
			uint32_t t = cuts[j];
			cuts[j] = cuts[j - 1];
			cuts[j - 1] = t;
		}
	cuts[n - 1] = len;
	uint32_t from = 0;
	for (unsigned i = 0; i < n; i++) {
		uint32_t to = cuts[i];
		if (to == from)
			continue;
		out[num++] = (struct piece){from, to - from};
		from = to;
	}
	for (unsigned i = 0; i < num; i++) {
		if (overlap && rng_below(r, 3) == 0) { // also bytes of its neighbours
			uint32_t before = rng_below(r, out[i].at + 1) % 50;
			uint32_t rest = len - (out[i].at + out[i].len);
			out[i].at -= before;
			out[i].len += before + rng_below(r, rest + 1) % 50;
		}
	}
	for (unsigned i = num; overlap && i < MAX_PIECES && rng_below(r, 4) == 0; i = num) {
		out[num] = out[rng_below(r, num)];
		num++;
	}
	for (unsigned i = num; shuffle && i > 1; i--) {
		unsigned j = rng_below(r, i);
		struct piece t = out[i - 1];
		out[i - 1] = out[j];
		out[j] = t;
	}
	return num;
}

// --- TCP
// ------------------------------------------------------------------------------------------

enum syn_mode { SYN_FIRST, SYN_NONE, SYN_LATE, SYN_WITH_DATA, NUM_SYN_MODES };

static void tcp_pieces(
	const struct bytes *b, const struct piece *p, unsigned num, uint32_t isn, enum syn_mode syn
) {
	if (syn == SYN_FIRST) {
		tcp_add(&fs, FROM_CLIENT, isn, HT_TCP_SYN, NULL, 0);
		tcp_add(&fs, FROM_SERVER, 7, HT_TCP_SYN | HT_TCP_ACK, NULL, 0);
	}
	for (unsigned i = 0; i < num; i++) {
		bool with_syn = syn == SYN_WITH_DATA && p[i].at == 0;
		tcp_add(&fs, FROM_CLIENT, isn + 1 + p[i].at - with_syn,
			with_syn ? HT_TCP_SYN : HT_TCP_ACK, b->b + p[i].at, p[i].len);
		if (syn == SYN_LATE && i == 0)
			tcp_add(&fs, FROM_CLIENT, isn, HT_TCP_SYN, NULL, 0);
	}
}

// Records of the given lengths around the message.
static void
in_records(struct bytes *o, const struct bytes *m, const struct piece *p, unsigned num) {
	o->len = 0;
	for (unsigned i = 0; i < num; i++) {
		put8(o, 22);
		put16(o, 0x0301);
		put16(o, p[i].len);
		put(o, m->b + p[i].at, p[i].len);
	}
}

static void one_record(struct bytes *o, const struct bytes *m) {
	const struct piece p = {0, (uint32_t)m->len};
	in_records(o, m, &p, 1);
}

static const struct hello_shape tcp_shapes[] = {
	{.name = "no extensions", .ciphers = 3},
	{.name = "one segment",
	 .sni = "www.example.com",
	 .ciphers = 17,
	 .key_share = 32,
	 .extensions = true},
	{.name = "post-quantum",
	 .sni = "pq.example.com",
	 .ciphers = 17,
	 .key_share = 1216,
	 .extensions = true},
	{.name = "9 kB",
	 .sni = "big.example.com",
	 .ciphers = 100,
	 .key_share = 1216,
	 .padding = 8000,
	 .extensions = true},
};

static void make_hello(const struct hello_shape *h, struct rng *r) {
	hello_body(&body, h, r);
	hello_message(&message, &body);
}

static void tcp_whole(const struct hello_shape *h, struct rng *r) {
	make_hello(h, r);
	one_record(&stream, &message);
	const struct piece all = {0, (uint32_t)stream.len};
	tcp_pieces(&stream, &all, 1, 1000, SYN_FIRST);
	learn_whole(h);
}

static void test_tcp_every_cut(void **state) {
	(void)state;
	struct rng r = {1};
	fs.client_port = 40000;
	for (unsigned i = 0; i < HT_ARRAY_LEN(tcp_shapes); i++) {
		tcp_whole(&tcp_shapes[i], &r);
		uint32_t step = stream.len > 2500 ? 37 : 1;
		for (uint32_t cut = 1; cut < stream.len; cut += step) {
			const struct piece in_order[2]
				= {{0, cut}, {cut, (uint32_t)stream.len - cut}};
			const struct piece swapped[2] = {in_order[1], in_order[0]};
			tcp_pieces(&stream, in_order, 2, 1000, cut % NUM_SYN_MODES);
			expect_same("in order", tcp_shapes[i].name, cut);
			tcp_pieces(&stream, swapped, 2, 1000, SYN_FIRST);
			expect_same("swapped", tcp_shapes[i].name, cut);
			tcp_pieces(&stream, swapped, 2, 1000, SYN_NONE);
			expect_same("swapped, no SYN", tcp_shapes[i].name, cut);
		}
	}
}

static void test_tcp_one_byte_segments(void **state) {
	(void)state;
	struct rng r = {2};
	for (unsigned i = 0; i < 3; i++) {
		tcp_whole(&tcp_shapes[i], &r);
		for (uint32_t at = 0; at < stream.len; at++)
			tcp_add(&fs, FROM_CLIENT, 5000 + at, HT_TCP_ACK, stream.b + at, 1);
		expect_same("1-byte segments", tcp_shapes[i].name, 0);
	}
}

static void test_tcp_random(void **state) {
	(void)state;
	struct rng r = {3};
	for (unsigned i = 0; i < HT_ARRAY_LEN(tcp_shapes); i++) {
		tcp_whole(&tcp_shapes[i], &r);
		for (unsigned n = 0; n < SPLITS; n++) {
			struct piece p[MAX_PIECES];
			unsigned num
				= random_pieces(&r, p, (uint32_t)stream.len, 30, n % 2, n % 3 != 0);
			// Every fourth around the wrap of the sequence number.
			uint32_t isn = n % 4 == 0 ? 0u - rng_below(&r, (uint32_t)stream.len)
						  : rng_next(&r);
			tcp_pieces(&stream, p, num, isn, rng_below(&r, NUM_SYN_MODES));
			expect_same("random segments", tcp_shapes[i].name, n);
		}
	}
}

static void test_records_random(void **state) {
	(void)state;
	struct rng r = {4};
	for (unsigned i = 0; i < HT_ARRAY_LEN(tcp_shapes); i++) {
		tcp_whole(&tcp_shapes[i], &r);
		uint32_t step = message.len > 2500 ? 97 : 1;
		for (uint32_t cut = 1; cut < message.len; cut += step) {
			const struct piece two[2] = {{0, cut}, {cut, (uint32_t)message.len - cut}};
			in_records(&stream, &message, two, 2);
			const struct piece all = {0, (uint32_t)stream.len};
			tcp_pieces(&stream, &all, 1, 1, SYN_FIRST);
			expect_same("two records", tcp_shapes[i].name, cut);
		}
		for (unsigned n = 0; n < SPLITS; n++) {
			struct piece records[MAX_PIECES], p[MAX_PIECES];
			unsigned num = random_pieces(
				&r, records, (uint32_t)message.len, 30, false, false
			);
			in_records(&stream, &message, records, num);
			num = random_pieces(&r, p, (uint32_t)stream.len, 30, n % 2, n % 3 != 0);
			tcp_pieces(&stream, p, num, rng_next(&r), rng_below(&r, NUM_SYN_MODES));
			expect_same("random records and segments", tcp_shapes[i].name, n);
		}
	}
}

// --- behind an upgrade
// -----------------------------------------------------------------------------

static const struct {
	const char *via, *client; // `via`: names with a space between
	size_t len;
} upgrades[] = {
#define U(via, text) \
	{ via, text, sizeof(text) - 1 }
	U("smtp", "EHLO a.example\r\nSTARTTLS\r\n"),
	U("smtp", "LHLO a.example\r\nSTARTTLS\r\n"),
	U("imap", "a1 CAPABILITY\r\na2 STARTTLS\r\n"),
	U("imap", ". STARTTLS\r\n"),
	U("pop3", "CAPA\r\nSTLS\r\n"),
	U("ftp", "AUTH TLS\r\n"),
	U("ftp", "FEAT\r\nAUTH SSL\r\n"),
	U("ftp", "AUTH TLS-C\r\n"),
	U("nntp", "CAPABILITIES\r\nSTARTTLS\r\n"),
	U("sieve", "CAPABILITY\r\nSTARTTLS\r\n"),
	U("irc", "CAP LS 302\r\nSTARTTLS\r\n"),
	U("xmpp",
	  "<?xml version='1.0'?><stream:stream to='a.example' version='1.0' xmlns='jabber:client' "
	  "xmlns:stream='http://etherx.jabber.org/streams'><starttls "
	  "xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
	U("xmpp",
	  "<stream:stream to='a.example' from='b.example' xmlns='jabber:server' "
	  "xmlns:stream='http://etherx.jabber.org/streams'><starttls "
	  "xmlns='urn:ietf:params:xml:ns:xmpp-tls'></starttls>"),
	U("http-connect", "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"),
	U("http-upgrade",
	  "OPTIONS * HTTP/1.1\r\nHost: a.example\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n"
	),
	U("socks4", "\x04\x01\x01\xbb\xc6\x33\x64\x01user\x00"),
	U("socks4",
	  "\x04\x01\x01\xbb\x00\x00\x00\x01\x00"
	  "a.example\x00"),
	U("socks5", "\x05\x01\x00\x05\x01\x00\x01\xc6\x33\x64\x01\x01\xbb"),
	U("socks5",
	  "\x05\x01\x02\x01\x01u\x01p\x05\x01\x00\x03\x09"
	  "a.example\x01\xbb"),
	U("postgresql", "\x00\x00\x00\x08\x04\xd2\x16\x2f"),
	U("postgresql", "\x00\x00\x00\x08\x04\xd2\x16\x30\x00\x00\x00\x08\x04\xd2\x16\x2f"),
	U("mysql",
	  "\x20\x00\x00\x01\x85\xae\xff\x19\x00\x00\x00\x01\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
	  "\0\0\0\0\0\0\0"),
	U("rdp", "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x01\x00\x00\x00"),
	U("ldap",
	  "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
	  "1.3.6.1.4.1.1466.20037"),
	U("ldap", // long lengths, as Active Directory writes them
	  "\x30\x84\x00\x00\x00\x21\x02\x01\x01\x77\x84\x00\x00\x00\x18\x80\x16"
	  "1.3.6.1.4.1.1466.20037"),
	U("adb",
	  "CNXN\1\0\0\1\0\0\4\0\7\0\0\0\0\0\0\0\xbc\xb1\xa7\xb1host::\0"
	  "STLS\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\xac\xab\xb3\xac"),
	U("proxy-v1", "PROXY TCP4 192.0.2.1 198.51.100.1 5000 443\r\n"),
	U("proxy-v2",
	  "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x01\x13\x88\x01\xbb"),
	U("proxy-v2 socks5 smtp", // through each other
	  "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00\x05\x01\x00\x05\x01\x00\x01\xc6\x33\x64\x01\x00\x19"
	  "EHLO a.example\r\nSTARTTLS\r\n"),
#undef U
};

// What has a test of its own: TLS in packets or frames there.
static bool is_framed(const char *via) {
	static const char *const framed[] = {"tds", "eapol", "radius", "openvpn"};
	for (unsigned i = 0; i < HT_ARRAY_LEN(framed); i++)
		if (strcmp(via, framed[i]) == 0)
			return true;
	return false;
}

static void test_every_upgrade_is_cut(void **state) {
	(void)state;
	for (unsigned v = 0; v < HT_NUM_VIAS; v++) {
		const char *name = ht_via_name((enum ht_via)v);
		bool found = is_framed(name);
		for (unsigned i = 0; i < HT_ARRAY_LEN(upgrades); i++)
			found |= strcmp(upgrades[i].via, name) == 0;
		if (!found)
			fail_msg("no case for %s", name);
	}
}

static void test_upgrades_random(void **state) {
	(void)state;
	struct rng r = {5};
	for (unsigned i = 0; i < HT_ARRAY_LEN(upgrades); i++) {
		static struct bytes tls;
		make_hello(&tcp_shapes[1], &r);
		one_record(&tls, &message);
		stream.len = 0;
		put(&stream, upgrades[i].client, upgrades[i].len);
		put(&stream, tls.b, tls.len);
		const struct piece all = {0, (uint32_t)stream.len};
		tcp_pieces(&stream, &all, 1, 1, SYN_FIRST);
		learn_whole(&tcp_shapes[1]);
		assert_string_equal(whole.via, upgrades[i].via);
		for (unsigned n = 0; n < SPLITS / 4; n++) {
			struct piece p[MAX_PIECES];
			unsigned num
				= random_pieces(&r, p, (uint32_t)stream.len, 30, n % 2, n % 3 != 0);
			tcp_pieces(&stream, p, num, rng_next(&r), SYN_FIRST);
			expect_same("behind an upgrade", upgrades[i].via, n);
		}
		for (uint32_t at = 0; at < stream.len; at++)
			tcp_add(&fs, FROM_CLIENT, 1 + at, HT_TCP_ACK, stream.b + at, 1);
		expect_same("1-byte segments behind an upgrade", upgrades[i].via, 0);
	}
}

// --- inside frames
// ---------------------------------------------------------------------------------

// MS-TDS 2.2.3: TLS records in packets of type 0x12.
static void in_tds(struct rng *r, const struct bytes *tls, const struct piece *p, unsigned num) {
	(void)r;
	for (unsigned i = 0; i < num; i++) {
		put8(&stream, 0x12);
		put8(&stream, i + 1 == num);
		put16(&stream, p[i].len + 8);
		put32(&stream, i + 1);
		put(&stream, tls->b + p[i].at, p[i].len);
	}
}

// RFC 6455 5.2, 5.4: a message in fragments, masked, pings between them.
static void put_frame(struct rng *r, unsigned first, const uint8_t *p, size_t n) {
	uint32_t key = rng_next(r);
	put8(&stream, first);
	if (n < 126) {
		put8(&stream, 0x80 | (unsigned)n);
	} else {
		put8(&stream, 0x80 | 126);
		put16(&stream, (unsigned)n);
	}
	put32(&stream, key);
	for (size_t i = 0; i < n; i++)
		put8(&stream, p[i] ^ (key >> (24 - 8 * (i % 4)) & 0xff));
}

static void
in_websocket(struct rng *r, const struct bytes *tls, const struct piece *p, unsigned num) {
	for (unsigned i = 0; i < num; i++) {
		if (rng_below(r, 3) == 0)
			put_frame(r, 0x89, tls->b, rng_below(r, 20));
		unsigned fin = i + 1 == num ? 0x80 : 0;
		put_frame(r, fin | (i == 0 ? 2 : 0), tls->b + p[i].at, p[i].len);
	}
}

static const struct {
	const char *name, *client;
	size_t len;
	void (*wrap)(struct rng *r, const struct bytes *tls, const struct piece *p, unsigned num);
} framings[] = {
#define F(name, wrap, text) \
	{ name, text, sizeof(text) - 1, wrap }
	F("tds",
	  in_tds,
	  "\x12\x01\x00\x1a\x00\x00\x00\x00\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff"
	  "\x09\x00\x00\x00\x00\x00\x01"),
	F("websocket",
	  in_websocket,
	  "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
#undef F
};

static void put_framed(struct rng *r, unsigned kind, const struct bytes *tls, unsigned most) {
	struct piece p[MAX_PIECES];
	unsigned num = random_pieces(r, p, (uint32_t)tls->len, most, false, false);
	stream.len = 0;
	put(&stream, framings[kind].client, framings[kind].len);
	framings[kind].wrap(r, tls, p, num);
}

static void test_frames_random(void **state) {
	(void)state;
	static struct bytes tls;
	struct rng r = {8};
	for (unsigned i = 0; i < HT_ARRAY_LEN(framings); i++) {
		for (unsigned shape = 1; shape < 3; shape++) {
			make_hello(&tcp_shapes[shape], &r);
			one_record(&tls, &message);
			put_framed(&r, i, &tls, 1);
			const struct piece all = {0, (uint32_t)stream.len};
			tcp_pieces(&stream, &all, 1, 1, SYN_FIRST);
			learn_whole(&tcp_shapes[shape]);
			for (unsigned n = 0; n < SPLITS; n++) {
				struct piece p[MAX_PIECES];
				put_framed(&r, i, &tls, 8);
				unsigned num = random_pieces(
					&r, p, (uint32_t)stream.len, 30, n % 2, n % 3 != 0
				);
				tcp_pieces(&stream, p, num, rng_next(&r), SYN_FIRST);
				expect_same("in frames", framings[i].name, n);
			}
			for (uint32_t at = 0; at < stream.len; at++)
				tcp_add(&fs, FROM_CLIENT, 1 + at, HT_TCP_ACK, stream.b + at, 1);
			expect_same("1-byte segments in frames", framings[i].name, 0);
		}
	}
}

// --- DTLS
// -----------------------------------------------------------------------------------------

static void test_dtls_random(void **state) {
	(void)state;
	static const struct hello_shape shapes[] = {
		{.name = "small",
		 .sni = "d.example.com",
		 .ciphers = 5,
		 .key_share = 32,
		 .extensions = true,
		 .dtls = true},
		{.name = "post-quantum",
		 .sni = "dpq.example.com",
		 .ciphers = 17,
		 .key_share = 1216,
		 .extensions = true,
		 .dtls = true},
	};
	static struct bytes datagram;
	struct rng r = {6};
	for (unsigned i = 0; i < HT_ARRAY_LEN(shapes); i++) {
		hello_body(&body, &shapes[i], &r);
		datagram.len = 0;
		put_dtls_fragment(&datagram, &body, 0, 0, body.len, 0);
		udp_add(&fs, FROM_CLIENT, datagram.b, datagram.len);
		learn_whole(&shapes[i]);
		for (unsigned n = 0; n < body.len + SPLITS; n++) {
			struct piece p[MAX_PIECES] = {{0, n}, {n, (uint32_t)body.len - n}};
			unsigned num = 2;
			if (n == 0 || n >= body.len)
				num = random_pieces(
					&r, p, (uint32_t)body.len, 30, n % 2, n % 3 != 0
				);
			datagram.len = 0;
			for (unsigned k = 0; k < num; k++) {
				put_dtls_fragment(&datagram, &body, 0, p[k].at, p[k].len, k);
				if (k + 1 < num && rng_below(&r, 3) == 0)
					continue; // several records in a datagram
				udp_add(&fs, FROM_CLIENT, datagram.b, datagram.len);
				datagram.len = 0;
			}
			expect_same("DTLS fragments", shapes[i].name, n);
		}
	}
}

// --- QUIC
// -----------------------------------------------------------------------------------------

static void quic_pieces(
	struct rng *r,
	const struct ht_initial_keys *keys,
	struct ht_span dcid,
	const struct piece *p,
	unsigned num
) {
	static struct bytes plain;
	uint32_t pn = 0;
	plain.len = 0;
	for (unsigned k = 0; k < num; k++) {
		switch (rng_below(r, 4)) {
		case 0:
			put8(&plain, 1); // PING
			break;
		case 1:
			put24(&plain, 0); // PADDING
			break;
		default:
			break;
		}
		put_crypto(&plain, p[k].at, message.b + p[k].at, p[k].len);
		if (k + 1 < num && plain.len < 900 && rng_below(r, 3) != 0)
			continue;
		quic_add(&fs, keys, dcid, pn++, &plain);
		plain.len = 0;
	}
}

static void test_quic_random(void **state) {
	(void)state;
	static const struct hello_shape shapes[] = {
		{.name = "small",
		 .sni = "q.example.com",
		 .ciphers = 3,
		 .key_share = 32,
		 .extensions = true,
		 .quic = true},
		{.name = "post-quantum",
		 .sni = "qpq.example.com",
		 .ciphers = 3,
		 .key_share = 1216,
		 .extensions = true,
		 .quic = true},
	};
	static const uint8_t cid[8] = {0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08};
	struct rng r = {7};
	struct ht_crypto *crypto = ht_crypto_new();
	assert_non_null(crypto);
	struct ht_initial_salt *salt = ht_initial_salt_new(crypto, quic_v1_salt, HT_LABELS_QUIC);
	struct ht_initial_keys keys;
	ht_initial_derive(crypto, &keys, salt, HT_INITIAL_CLIENT, HT_SPAN(cid, sizeof(cid)));
	for (unsigned i = 0; i < HT_ARRAY_LEN(shapes); i++) {
		make_hello(&shapes[i], &r);
		const struct piece all = {0, (uint32_t)message.len};
		struct rng still = {0};
		quic_pieces(&still, &keys, HT_SPAN(cid, sizeof(cid)), &all, 1);
		learn_whole(&shapes[i]);
		for (unsigned n = 0; n < message.len + SPLITS; n++) {
			struct piece p[MAX_PIECES] = {{n, (uint32_t)message.len - n}, {0, n}};
			unsigned num = 2;
			if (n == 0 || n >= message.len)
				num = random_pieces(
					&r, p, (uint32_t)message.len, 30, n % 2, n % 3 != 0
				);
			quic_pieces(&r, &keys, HT_SPAN(cid, sizeof(cid)), p, num);
			expect_same("CRYPTO frames", shapes[i].name, n);
		}
	}
	ht_initial_salt_free(salt);
	ht_crypto_free(crypto);
}

// --- carriers
// -------------------------------------------------------------------------------------

enum carrier { OVER_EAPOL, OVER_RADIUS, OVER_OPENVPN, OVER_OPENVPN_TLS_AUTH, NUM_CARRIERS };

static const char *const carrier_names[NUM_CARRIERS]
	= {"EAPOL", "RADIUS", "OpenVPN", "OpenVPN with tls-auth"};

// Piece number i of `stream`.
static void carried_piece(enum carrier c, unsigned i, const struct piece *p) {
	static struct bytes eap, datagram;
	bool more = p->at + p->len < stream.len;
	const struct eap_packet e = {
		.code = EAP_RESPONSE,
		.id = 200 + i,
		.type = EAP_TLS,
		.flags = (i == 0 ? EAP_LENGTH : 0) | (more ? EAP_MORE : 0),
		.total = (uint32_t)stream.len,
	};
	const struct openvpn_packet o = {
		.first = OPENVPN_CONTROL,
		.session = 1,
		.hmac = c == OVER_OPENVPN_TLS_AUTH ? 32 : 0,
		.acks = i == 0,
		.number = 1 + i,
	};
	datagram.len = eap.len = 0;
	switch (c) {
	case OVER_EAPOL:
		put_eap(&eap, &e, stream.b + p->at, p->len);
		eapol_add(&fs, &eap);
		return;
	case OVER_RADIUS:
		put_eap(&eap, &e, stream.b + p->at, p->len);
		put_radius(&datagram, i, "user", &eap);
		break;
	default:
		put_openvpn(&datagram, &o, stream.b + p->at, p->len);
		break;
	}
	udp_add(&fs, FROM_CLIENT, datagram.b, datagram.len);
}

static void carried_whole(enum carrier c, const struct hello_shape *h, struct rng *r) {
	make_hello(h, r);
	one_record(&stream, &message);
	const struct piece all = {0, (uint32_t)stream.len};
	carried_piece(c, 0, &all);
	learn_whole(h);
}

// Pieces of this size, in order. RADIUS has no room for large ones.
static void carried_in_order(enum carrier c, const char *shape, uint32_t size) {
	unsigned i = 0;
	for (uint32_t at = 0; at < stream.len; at += size, i++) {
		uint32_t rest = (uint32_t)stream.len - at;
		const struct piece p = {at, rest < size ? rest : size};
		carried_piece(c, i, &p);
	}
	expect_same(carrier_names[c], shape, size);
}

static void test_carriers_every_size(void **state) {
	(void)state;
	struct rng r = {8};
	for (enum carrier c = 0; c < NUM_CARRIERS; c++)
		for (unsigned i = 0; i < 3; i++) {
			carried_whole(c, &tcp_shapes[i], &r);
			for (uint32_t size = 1; size < stream.len; size += size < 200 ? 1 : 13)
				carried_in_order(c, tcp_shapes[i].name, size);
		}
}

// In any order, and some twice.
static void test_carriers_random(void **state) {
	(void)state;
	struct rng r = {9};
	for (enum carrier c = 0; c < NUM_CARRIERS; c++)
		for (unsigned i = 0; i < 3; i++) {
			carried_whole(c, &tcp_shapes[i], &r);
			for (unsigned n = 0; n < SPLITS; n++) {
				struct piece p[MAX_PIECES];
				unsigned order[MAX_PIECES];
				unsigned num = random_pieces(
					&r, p, (uint32_t)stream.len, HT_PIECES_AHEAD, false, false
				);
				for (unsigned k = 0; k < num; k++) {
					unsigned j = rng_below(&r, k + 1);
					order[k] = order[j];
					order[j] = k;
				}
				for (unsigned k = 0; k < num; k++) {
					carried_piece(c, order[k], &p[order[k]]);
					unsigned again = order[rng_below(&r, k + 1)];
					if (rng_below(&r, 4) == 0)
						carried_piece(c, again, &p[again]);
				}
				expect_same(carrier_names[c], tcp_shapes[i].name, n);
			}
		}
}

// OpenVPN over TCP: any cut in packets, and of these in segments.
static void test_openvpn_tcp_random(void **state) {
	(void)state;
	static struct bytes tls, packet;
	struct rng r = {10};
	for (unsigned i = 0; i < HT_ARRAY_LEN(tcp_shapes); i++)
		for (unsigned n = 0; n < SPLITS; n++) {
			struct piece p[MAX_PIECES];
			unsigned num = 1;
			if (n % 10 == 0)
				make_hello(&tcp_shapes[i], &r);
			one_record(&tls, &message);
			p[0] = (struct piece){0, (uint32_t)tls.len};
			if (n % 10 != 0)
				num = random_pieces(&r, p, (uint32_t)tls.len, 30, false, false);
			struct openvpn_packet o = {.first = OPENVPN_CLIENT_V2, .session = 1};
			o.hmac = n / 10 % 2 ? 20 : 0;
			stream.len = 0;
			for (unsigned k = 0; k <= num; k++) {
				packet.len = 0;
				put_openvpn(
					&packet, &o, k > 0 ? tls.b + p[k - 1].at : NULL,
					k > 0 ? p[k - 1].len : 0
				);
				put16(&stream, (unsigned)packet.len);
				put(&stream, packet.b, packet.len);
				o.first = OPENVPN_CONTROL;
				o.acks = k == 0;
				o.number++;
			}
			if (n % 10 == 0) {
				p[0] = (struct piece){0, (uint32_t)stream.len};
				tcp_pieces(&stream, p, 1, 1, SYN_FIRST);
				learn_whole(&tcp_shapes[i]);
				continue;
			}
			num = random_pieces(&r, p, (uint32_t)stream.len, 30, n % 2, n % 3 != 0);
			tcp_pieces(&stream, p, num, rng_next(&r), SYN_FIRST);
			expect_same("OpenVPN over TCP", tcp_shapes[i].name, n);
		}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_every_cut),
		cmocka_unit_test(test_tcp_one_byte_segments),
		cmocka_unit_test(test_tcp_random),
		cmocka_unit_test(test_records_random),
		cmocka_unit_test(test_upgrades_random),
		cmocka_unit_test(test_every_upgrade_is_cut),
		cmocka_unit_test(test_frames_random),
		cmocka_unit_test(test_dtls_random),
		cmocka_unit_test(test_quic_random),
		cmocka_unit_test(test_carriers_every_size),
		cmocka_unit_test(test_carriers_random),
		cmocka_unit_test(test_openvpn_tcp_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
