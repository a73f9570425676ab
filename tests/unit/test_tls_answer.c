// SPDX-License-Identifier: BSD-3-Clause
// ServerHello views, and either side of handshakes that OpenSSL made. A result must not depend on
// how the bytes were cut.

#include "arena.h"
#include "fingerprint.h"
#include "t.h"
#include "t_pcap.h"
#include "tls_answer.h"

#define MAX 65536u
#define ROOM 32768u

#define FULL \
	(HT_FACT_SERVER_HELLO | HT_FACT_CERTIFICATE | HT_FACT_KEY_EXCHANGE | HT_FACT_HELLO_DONE)
#define ENDED HT_FACT_CHANGE_CIPHER_SPEC
#define FATAL (HT_FACT_ALERT | HT_FACT_FATAL)

// One side of a connection in a capture, and what is to be told of it.
struct side {
	const char *capture;
	unsigned connection;
	bool client;
	uint16_t seen, version, cipher, group;
	uint8_t certs, alert;
	bool hello;
};

static const struct side sides[] = {
	{"answer-tls10.pcap", 0, false, FULL | HT_FACT_GROUP | HT_FACT_TICKET | ENDED, 0x0301,
	 0xc009, 29, 1, 0, true},
	{"answer-tls10.pcap", 0, true, HT_FACT_KEY_EXCHANGE | ENDED, 0, 0, 0, 0, 0, false},
	{"answer-tls12-mtls.pcap", 0, false,
	 FULL | HT_FACT_GROUP | HT_FACT_CERTIFICATE_REQUEST | HT_FACT_TICKET | ENDED, 0x0303,
	 0xc02c, 29, 2, 0, true},
	{"answer-tls12-mtls.pcap", 0, true, HT_FACT_CERTIFICATE | HT_FACT_KEY_EXCHANGE | ENDED, 0,
	 0, 0, 1, 0, false},
	{"answer-tls12-mtls.pcap", 1, true, HT_FACT_NO_CERTIFICATE | HT_FACT_KEY_EXCHANGE | ENDED,
	 0, 0, 0, 0, 0, false},
	{"answer-tls12-mtls-refused.pcap", 0, false,
	 FULL | HT_FACT_GROUP | HT_FACT_CERTIFICATE_REQUEST | FATAL, 0x0303, 0xc02c, 29, 2, 40,
	 true},
	{"answer-tls12-resumed-id.pcap", 0, false, FULL | HT_FACT_GROUP | ENDED, 0x0303, 0xc02c, 29,
	 1, 0, true},
	{"answer-tls12-resumed-id.pcap", 1, false, HT_FACT_SERVER_HELLO | HT_FACT_RESUMED | ENDED,
	 0x0303, 0xc02c, 0, 0, 0, true},
	{"answer-tls12-resumed-id.pcap", 1, true, HT_FACT_ENCRYPTED | ENDED, 0, 0, 0, 0, 0, false},
	{"answer-tls12-ticket.pcap", 0, false, FULL | HT_FACT_GROUP | HT_FACT_TICKET | ENDED,
	 0x0303, 0xc02c, 29, 1, 0, true},
	{"answer-tls12-ticket.pcap", 1, false, HT_FACT_SERVER_HELLO | HT_FACT_RESUMED | ENDED,
	 0x0303, 0xc02c, 0, 0, 0, true},
	{"answer-tls13-psk.pcap", 0, false, HT_FACT_SERVER_HELLO | HT_FACT_GROUP, 0x0304, 0x1302,
	 29, 0, 0, true},
	{"answer-tls13-psk.pcap", 1, false, HT_FACT_SERVER_HELLO | HT_FACT_GROUP | HT_FACT_RESUMED,
	 0x0304, 0x1302, 29, 0, 0, true},
	{"answer-tls13-psk.pcap", 1, true, HT_FACT_ENCRYPTED | ENDED, 0, 0, 0, 0, 0, false},
	{"answer-hrr.pcap", 0, false,
	 HT_FACT_RETRY_REQUEST | HT_FACT_SERVER_HELLO | HT_FACT_GROUP | ENDED, 0x0304, 0x1302, 24,
	 0, 0, true},
	{"answer-hrr.pcap", 0, true, HT_FACT_HELLO | HT_FACT_ENCRYPTED | ENDED, 0, 0, 0, 0, 0,
	 false},
	{"answer-alert-no-cipher.pcap", 0, false, FATAL, 0, 0, 0, 0, 40, false},
	{"answer-alert-version.pcap", 0, false, FATAL, 0, 0, 0, 0, 70, false},
	{"answer-alert-alpn.pcap", 0, false, FATAL, 0, 0, 0, 0, 120, false},
	{"answer-alert-unknown-name.pcap", 0, false,
	 FULL | HT_FACT_GROUP | HT_FACT_TICKET | HT_FACT_ALERT | ENDED, 0x0303, 0xc02c, 29, 1, 112,
	 true},
	{"answer-unknown-ca.pcap", 0, true, FATAL, 0, 0, 0, 0, 48, false},
	{"answer-expired-cert.pcap", 0, false, FULL | HT_FACT_GROUP | HT_FACT_TICKET | ENDED,
	 0x0303, 0xc030, 29, 1, 0, true},
};

static uint8_t bytes[ROOM], again[2 * ROOM];

static size_t bytes_of(const struct side *s) {
	struct t_pcap c;
	t_pcap_open(&c, s->capture);
	const size_t n = t_pcap_stream(&c, s->connection, !s->client, bytes, sizeof(bytes));
	t_pcap_close(&c);
	return n;
}

// A client is looked at behind its ClientHello, which is one record in these captures.
static struct ht_tls_answer begin_of(const struct side *s) {
	const uint32_t at = s->client ? 5u + ht_be16(bytes + 3) : 0;
	return (struct ht_tls_answer){.client = s->client, .pos = at, .begin = at};
}

static void check(const struct side *s, const struct ht_tls_answer *a, const uint8_t *buf) {
	const struct ht_tls_facts *f = &a->facts;
	if (f->seen != s->seen)
		fail_msg("%s: seen %04x, not %04x", s->capture, f->seen, s->seen);
	if (s->version != 0) {
		assert_int_equal(f->version, s->version);
		assert_int_equal(f->cipher, s->cipher);
	}
	if (s->seen & HT_FACT_GROUP)
		assert_int_equal(f->group, s->group);
	if (s->seen & HT_FACT_ALERT)
		assert_int_equal(f->alert, s->alert);
	assert_int_equal(f->cert_count, s->certs);
	assert_int_equal(a->chain.len > 0, s->certs > 0);
	assert_int_equal(a->hello.len > 0, s->hello);
	struct ht_server_hello h;
	if (s->hello) {
		struct ht_span body = HT_SPAN(buf + a->hello.at, a->hello.len);
		assert_int_equal(ht_server_hello_parse(&h, body), HT_OK);
		assert_int_equal(ht_server_hello_version(&h), s->version);
		assert_false(h.retry_request);
	}
	struct ht_span chain = HT_SPAN(buf + a->chain.at, a->chain.len);
	for (unsigned i = 0; i < s->certs; i++) {
		assert_true(chain.len > 3 && ht_be24(chain.p) <= chain.len - 3);
		assert_int_equal(chain.p[3], 0x30); // SEQUENCE
		const size_t n = 3 + ht_be24(chain.p);
		chain = HT_SPAN(chain.p + n, chain.len - n);
	}
	assert_int_equal(chain.len, 0);
}

static void real_handshakes(void **state) {
	(void)state;
	for (size_t i = 0; i < HT_ARRAY_LEN(sides); i++) {
		const struct side *s = &sides[i];
		const size_t n = bytes_of(s);
		struct ht_tls_answer a = begin_of(s);
		uint8_t *buf = t_dup(bytes, n);
		const enum ht_rc rc = ht_tls_answer(&a, buf, n, MAX);
		if (rc != HT_OK)
			fail_msg("%s: outcome %d, seen %04x", s->capture, rc, a.facts.seen);
		check(s, &a, buf);
		// It stays over, whatever comes.
		assert_int_equal(ht_tls_answer(&a, buf, n, MAX), HT_OK);
		check(s, &a, buf);
		free(buf);
	}
}

static void byte_by_byte(void **state) {
	(void)state;
	for (size_t i = 0; i < HT_ARRAY_LEN(sides); i++) {
		const struct side *s = &sides[i];
		const size_t n = bytes_of(s);
		struct ht_tls_answer a = begin_of(s);
		uint8_t *buf = t_dup(bytes, n);
		enum ht_rc rc = HT_MORE;
		for (size_t len = a.pos; len <= n && rc == HT_MORE; len++)
			rc = ht_tls_answer(&a, buf, len, MAX);
		assert_int_equal(rc, HT_OK);
		check(s, &a, buf);
		free(buf);
	}
}

// Each prefix, in a block of its size: right so far, and nothing read behind it.
static void truncation_sweep(void **state) {
	(void)state;
	for (size_t i = 0; i < HT_ARRAY_LEN(sides); i++) {
		const struct side *s = &sides[i];
		const size_t n = bytes_of(s);
		const struct ht_tls_answer begin = begin_of(s);
		uint16_t before = 0;
		bool over = false;
		for (size_t len = begin.pos; len <= n; len++) {
			struct ht_tls_answer a = begin;
			uint8_t *buf = t_dup(bytes, len);
			const enum ht_rc rc = ht_tls_answer(&a, buf, len, MAX);
			assert_int_equal(rc == HT_OK, over || rc == HT_OK);
			assert_true(rc == HT_OK || rc == HT_MORE);
			over = rc == HT_OK;
			// What was seen does not go away.
			assert_int_equal(a.facts.seen & before, before);
			before = a.facts.seen;
			free(buf);
		}
		assert_true(over);
	}
}

// The handshake records cut to `piece` bytes each; all others as they are.
static size_t cut_records(const struct side *s, size_t n, size_t piece) {
	size_t out = begin_of(s).pos;
	memcpy(again, bytes, out);
	for (size_t at = out; at + 5 <= n;) {
		size_t left = ht_be16(bytes + at + 3);
		const uint8_t *p = bytes + at + 5;
		const uint8_t type = bytes[at];
		const bool cut = type == 22;
		at += 5 + left;
		while (left > 0) {
			const size_t k = cut && left > piece ? piece : left;
			assert_true(out + 5 + k <= sizeof(again));
			again[out] = type;
			again[out + 1] = 3;
			again[out + 2] = 3;
			ht_put_be16(again + out + 3, (uint16_t)k);
			memcpy(again + out + 5, p, k);
			out += 5 + k;
			p += k;
			left -= k;
		}
	}
	return out;
}

static void any_records(void **state) {
	(void)state;
	static const size_t pieces[] = {1, 2, 3, 4, 5, 7, 64, 500};
	for (size_t i = 0; i < HT_ARRAY_LEN(sides); i++) {
		const struct side *s = &sides[i];
		const size_t n = bytes_of(s);
		// What is encrypted is no message, and cannot be cut.
		if (s->seen & (HT_FACT_ENCRYPTED | HT_FACT_CHANGE_CIPHER_SPEC) && s->client)
			continue;
		for (size_t k = 0; k < HT_ARRAY_LEN(pieces); k++) {
			const size_t len = cut_records(s, n, pieces[k]);
			struct ht_tls_answer a = begin_of(s);
			uint8_t *buf = t_dup(again, len);
			assert_int_equal(ht_tls_answer(&a, buf, len, MAX), HT_OK);
			check(s, &a, buf);
			free(buf);
		}
	}
}

// An owner that holds nothing while it waits.
static void nothing_held(void **state) {
	(void)state;
	for (size_t i = 0; i < HT_ARRAY_LEN(sides); i++) {
		const struct side *s = &sides[i];
		const size_t n = bytes_of(s);
		struct ht_tls_answer a = begin_of(s);
		size_t at = 0, drops = 0;
		enum ht_rc rc = HT_MORE;
		uint8_t *buf = t_dup(bytes, n);
		for (size_t len = a.pos; len <= n && rc == HT_MORE; len++) {
			rc = ht_tls_answer(&a, buf + at, len - at, MAX);
			if (rc == HT_MORE) {
				const uint32_t drop = ht_tls_answer_rest(&a);
				at += drop;
				drops += drop > 0;
			}
		}
		assert_int_equal(rc, HT_OK);
		assert_int_equal(a.facts.seen, s->seen);
		assert_int_equal(a.facts.cert_count, s->certs);
		assert_true(drops > 0 || s->client || s->alert != 0 || s->version == 0x0304);
		free(buf);
	}
}

// --- what is wrong ------------------------------------------------------------------------------

static const struct {
	const char *what;
	bool client;
	enum ht_rc rc;
	const char *hex;
} wrong[] = {
	{"not TLS", false, HT_BAD, "48"},
	{"not TLS behind a type", false, HT_BAD, "16 48"},
	{"a record that is too long", false, HT_BAD, "16 0303 ffff"},
	{"ChangeCipherSpec for an answer", false, HT_BAD, "14 0303 0001 01"},
	{"application data of a server", false, HT_BAD, "17 0303 0001 01"},
	{"heartbeat", false, HT_BAD, "18 0303 0001 01"},
	{"Certificate before the ServerHello", false, HT_BAD, "16 0303 0004 0b000000"},
	{"ClientHello of a server", false, HT_BAD, "16 0303 0001 01"},
	{"HelloVerifyRequest in TLS", false, HT_BAD, "16 0303 0004 03000000"},
	{"ServerHello of a client", true, HT_BAD, "16 0303 0001 02"},
	{"Finished in clear", true, HT_BAD, "16 0303 0001 14"},
	{"ServerHello of nothing", false, HT_BAD, "16 0303 0004 02000000"},
	{"a message of 16 MiB", false, HT_LIMIT, "16 0303 0004 02ffffff"},
	{"ChangeCipherSpec inside a message", true, HT_BAD, "16 0303 0001 10 14 0303 0001 01"},
	{"ChangeCipherSpec of two bytes", true, HT_BAD, "14 0303 0002 0101"},
	{"an alert of one byte", false, HT_BAD, "15 0303 0001 02"},
	{"an alert of level 3", false, HT_BAD, "15 0303 0002 0328"},
	{"a list of certificates longer than its message", true, HT_BAD,
	 "16 0303 0007 0b000003 000001"},
	{"a certificate longer than its list", true, HT_BAD,
	 "16 0303 000b 0b000007 000004 00000200"},
	{"a byte behind the list", true, HT_BAD, "16 0303 0008 0b000004 000000 00"},
	{"HelloRequest alone", false, HT_MORE, "16 0303 0004 00000000"},
	{"empty records", false, HT_MORE, "16 0303 0000 16 0303 0000"},
	{"a warning", false, HT_MORE, "15 0303 0002 0170"},
	{"a warning, then the end", false, HT_OK, "15 0303 0002 0170 15 0303 0002 0228"},
	{"close_notify", false, HT_OK, "15 0303 0002 0100"},
	{"no_certificate of SSL 3.0", true, HT_MORE, "15 0300 0002 0129"},
};

static void wrong_bytes(void **state) {
	(void)state;
	for (size_t i = 0; i < HT_ARRAY_LEN(wrong); i++) {
		const size_t n = t_unhex(bytes, sizeof(bytes), wrong[i].hex);
		struct ht_tls_answer a = {.client = wrong[i].client};
		uint8_t *buf = t_dup(bytes, n);
		const enum ht_rc rc = ht_tls_answer(&a, buf, n, MAX);
		if (rc != wrong[i].rc)
			fail_msg("%s: %d", wrong[i].what, rc);
		assert_int_equal(a.over, rc != HT_MORE);
		free(buf);
		struct ht_tls_answer b = {.client = wrong[i].client};
		buf = t_dup(bytes, n);
		enum ht_rc got = HT_MORE;
		for (size_t len = 0; len <= n && got == HT_MORE; len++)
			got = ht_tls_answer(&b, buf, len, MAX);
		assert_int_equal(got, rc);
		assert_int_equal(b.facts.seen, a.facts.seen);
		free(buf);
	}
}

// The chain is all that was sent, whole or not, so that it can be told to be wrong.
static void chain_that_contradicts_itself(void **state) {
	(void)state;
	static const struct {
		const char *hex;
		unsigned certs;
		uint32_t len;
	} chains[] = {
		{"16 0303 000f 0b00000b 000008 000001aa 000001bb", 2, 8},
		{"16 0303 000f 0b00000b 000008 000001aa 000003bb", 1, 8}, // cut
		{"16 0303 000d 0b000009 000006 000001aa 0000", 1, 6}, // no room for a length
		{"16 0303 000b 0b000007 000004 00000200", 0, 4},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(chains); i++) {
		const size_t n = t_unhex(bytes, sizeof(bytes), chains[i].hex);
		struct ht_tls_answer a = {.client = true};
		uint8_t *buf = t_dup(bytes, n);
		assert_int_equal(ht_tls_answer(&a, buf, n, MAX), i == 0 ? HT_MORE : HT_BAD);
		assert_int_equal(a.facts.cert_count, chains[i].certs);
		assert_true(a.facts.seen & HT_FACT_CERTIFICATE);
		assert_int_equal(a.chain.len, chains[i].len);
		free(buf);
	}
}

static void no_certificate_of_ssl3(void **state) {
	(void)state;
	uint8_t buf[] = {21, 3, 0, 0, 2, 1, 41};
	struct ht_tls_answer a = {.client = true};
	assert_int_equal(ht_tls_answer(&a, buf, sizeof(buf), MAX), HT_MORE);
	assert_int_equal(a.facts.seen, HT_FACT_ALERT | HT_FACT_NO_CERTIFICATE);
}

// Facts from before a fault stay.
static void fault_behind_facts(void **state) {
	(void)state;
	const struct side *s = &sides[2];
	const size_t n = bytes_of(s);
	struct ht_tls_answer a = {.client = false};
	// The second record begins with the Certificate; its list is made one too long.
	const size_t at = 5u + ht_be16(bytes + 3);
	bytes[at + 5 + 6]++;
	uint8_t *buf = t_dup(bytes, n);
	assert_int_equal(ht_tls_answer(&a, buf, n, MAX), HT_BAD);
	assert_int_equal(a.facts.seen, HT_FACT_SERVER_HELLO);
	assert_int_equal(a.facts.cipher, s->cipher);
	assert_true(a.hello.len > 0);
	free(buf);
	bytes[at + 5 + 6]--;
	a = (struct ht_tls_answer){.client = false};
	buf = t_dup(bytes, n);
	assert_int_equal(ht_tls_answer(&a, buf, n, 512), HT_LIMIT); // shorter than the chain
	assert_int_equal(a.facts.seen, HT_FACT_SERVER_HELLO);
	free(buf);
}

// --- the curve of a ServerKeyExchange -----------------------------------------------------------

static uint32_t group_of(uint16_t cipher, const char *key_exchange) {
	uint8_t b[128] = {22, 3, 3, 0, 0, 2, 0, 0, 38, 3, 3};
	ht_put_be16(b + 9 + 2 + 32 + 1, cipher);
	size_t n = 9 + 38;
	b[n] = 12;
	const size_t body = t_unhex(b + n + 4, sizeof(b) - n - 4, key_exchange);
	b[n + 3] = (uint8_t)body;
	n += 4 + body;
	ht_put_be16(b + 3, (uint16_t)(n - 5));
	struct ht_tls_answer a = {.client = false};
	uint8_t *buf = t_dup(b, n);
	const enum ht_rc rc = ht_tls_answer(&a, buf, n, MAX);
	free(buf);
	if (rc != HT_MORE)
		return 0xffff0000u | rc;
	return a.facts.seen & HT_FACT_GROUP ? a.facts.group : 0;
}

static void curves(void **state) {
	(void)state;
	assert_int_equal(group_of(0xc02f, "03 0017 00"), 23); // ECDHE_RSA
	assert_int_equal(group_of(0xc018, "03 001d 00"), 29); // ECDH_anon
	assert_int_equal(group_of(0xc035, "0002 6869 03 0018 00"), 24); // ECDHE_PSK, with a hint
	assert_int_equal(group_of(0xc035, "0000 03 0018 00"), 24);
	assert_int_equal(group_of(0xd001, "0000 03 0018 00"), 24);
	assert_int_equal(group_of(0x0033, "0300 00ff"), 0); // DHE: the length of a prime
	assert_int_equal(group_of(0xc02f, "01 0017 00"), 0); // explicit_prime
	assert_int_equal(group_of(0xc02f, "03 00"), 0xffff0000u | HT_BAD);
	assert_int_equal(group_of(0xc02f, ""), 0xffff0000u | HT_BAD);
	assert_int_equal(group_of(0xc035, "0003 6869"), 0xffff0000u | HT_BAD);
}

// --- the ServerHello ----------------------------------------------------------------------------

static size_t hello_bytes(uint8_t *b, const char *head, const char *extensions) {
	size_t n = t_unhex(b, 512, head);
	const size_t len = t_unhex(b + n + 2, 512, extensions);
	ht_put_be16(b + n, (uint16_t)len);
	return n + 2 + len;
}

#define RANDOM "0101010101010101010101010101010101010101010101010101010101010101"
#define RETRY "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"

static enum ht_rc parse(struct ht_server_hello *h, const char *head, const char *extensions) {
	static uint8_t b[2048];
	const size_t n = hello_bytes(b, head, extensions);
	return ht_server_hello_parse(h, HT_SPAN(b, n));
}

static void server_hellos(void **state) {
	(void)state;
	struct ht_server_hello h;
	assert_int_equal(
		parse(&h, "0303" RANDOM "02 aabb 1302 00",
		      "002b0002 0304 0033 0006 001d 0002 abcd 0029 0002 0001"),
		HT_OK
	);
	assert_int_equal(ht_server_hello_version(&h), 0x0304);
	assert_int_equal(h.group, 29);
	assert_int_equal(h.psk, 1);
	assert_int_equal(h.session_id.len, 2);
	assert_int_equal(h.num_extensions, 3);
	assert_memory_equal(h.extensions, "\0\x2b\0\x33\0\x29", 6);
	assert_false(h.retry_request);

	assert_int_equal(
		parse(&h, "0303" RETRY "00 1302 00", "002b0002 0304 0033 0002 0018"), HT_OK
	);
	assert_true(h.retry_request);
	assert_int_equal(h.group, 24);
	// The forms are not those of each other.
	assert_int_equal(parse(&h, "0303" RETRY "00 1302 00", "0033 0006 001d 0002 abcd"), HT_BAD);
	assert_int_equal(parse(&h, "0303" RANDOM "00 1302 00", "0033 0002 001d"), HT_BAD);

	assert_int_equal(parse(&h, "0303" RANDOM "00 c02f 01", "0010 0005 0003 02 6832"), HT_OK);
	assert_true(h.seen & HT_SERVER_ALPN);
	assert_true(ht_span_eq(h.alpn, HT_SPAN_STR("h2")));
	assert_int_equal(h.compression, 1);
	// Two protocols, none, and an empty one.
	assert_int_equal(parse(&h, "0303" RANDOM "00 c02f 00", "0010 0006 0004 0168 0132"), HT_BAD);
	assert_int_equal(parse(&h, "0303" RANDOM "00 c02f 00", "0010 0002 0000"), HT_BAD);
	assert_int_equal(parse(&h, "0303" RANDOM "00 c02f 00", "0010 0003 0001 00"), HT_BAD);
	// What stands behind a faulty extension is still read.
	assert_int_equal(
		parse(&h, "0303" RANDOM "00 1302 00", "0029 0001 00 002b 0002 0304"), HT_BAD
	);
	assert_int_equal(ht_server_hello_version(&h), 0x0304);

	// SSL 3.0, without extensions; a draft of TLS 1.3 without session id and compression.
	static uint8_t b[256];
	size_t n = t_unhex(b, sizeof(b), "0300" RANDOM "00 0005 00");
	assert_int_equal(ht_server_hello_parse(&h, HT_SPAN(b, n)), HT_OK);
	assert_int_equal(ht_server_hello_version(&h), 0x0300);
	assert_int_equal(h.seen, HT_SERVER_VERSION | HT_SERVER_BODY);
	assert_int_equal(parse(&h, "7f12" RANDOM "1301", "0028 0006 001d 0002 abcd"), HT_OK);
	assert_int_equal(h.cipher, 0x1301);
	assert_int_equal(h.group, 29);
	// A session id of 33 bytes; a byte behind the extensions.
	n = t_unhex(b, sizeof(b), "0303" RANDOM "21" RANDOM "01 c02f 00");
	assert_int_equal(ht_server_hello_parse(&h, HT_SPAN(b, n)), HT_BAD);
	n = t_unhex(b, sizeof(b), "0303" RANDOM "00 c02f 00 0000 00");
	assert_int_equal(ht_server_hello_parse(&h, HT_SPAN(b, n)), HT_BAD);
}

static void many_extensions(void **state) {
	(void)state;
	struct ht_server_hello h;
	static uint8_t b[1024];
	for (unsigned num = 64; num <= 65; num++) {
		size_t n = t_unhex(b, sizeof(b), "0303" RANDOM "00 c02f 00");
		ht_put_be16(b + n, (uint16_t)(4 * num));
		n += 2;
		for (unsigned i = 0; i < num; i++, n += 4) {
			ht_put_be16(b + n, (uint16_t)(0x4000 + i));
			ht_put_be16(b + n + 2, 0);
		}
		uint8_t *p = t_dup(b, n);
		assert_int_equal(
			ht_server_hello_parse(&h, HT_SPAN(p, n)), num == 64 ? HT_OK : HT_LIMIT
		);
		assert_int_equal(h.num_extensions, 64);
		free(p);
	}
}

// All of its prefixes want more, but for the one that ends before the extensions.
static void hello_truncation_sweep(void **state) {
	(void)state;
	static uint8_t b[1024];
	struct ht_server_hello h;
	const size_t head = 2 + 32 + 1 + 2 + 2 + 1;
	const size_t n = hello_bytes(
		b, "0303" RANDOM "02 aabb 1302 00",
		"002b0002 0304 0033 0006 001d 0002 abcd 0010 0005 0003 02 6832 0029 0002 0001"
	);
	for (size_t len = 0; len <= n; len++) {
		uint8_t *p = t_dup(b, len);
		const enum ht_rc rc = ht_server_hello_parse(&h, HT_SPAN(p, len));
		assert_int_equal(rc, len == n || len == head ? HT_OK : HT_MORE);
		if (len >= head)
			assert_int_equal(h.cipher, 0x1302);
		if (len >= head + 2 + 6)
			assert_int_equal(ht_server_hello_version(&h), 0x0304);
		free(p);
	}
	for (size_t at = 0; at < n; at++) {
		for (unsigned v = 0; v < 256; v++) {
			uint8_t *p = t_dup(b, n);
			p[at] = (uint8_t)v;
			(void)ht_server_hello_parse(&h, HT_SPAN(p, n));
			free(p);
		}
	}
}

static void alert_names(void **state) {
	(void)state;
	unsigned named = 0;
	for (unsigned i = 0; i < 256; i++)
		named += ht_tls_alert_name((uint8_t)i) != NULL;
	assert_int_equal(named, 37);
	assert_string_equal(ht_tls_alert_name(0), "close_notify");
	assert_string_equal(ht_tls_alert_name(40), "handshake_failure");
	assert_string_equal(ht_tls_alert_name(112), "unrecognized_name");
	assert_string_equal(ht_tls_alert_name(121), "ech_required");
	assert_null(ht_tls_alert_name(1));
}

// --- JA3S ---------------------------------------------------------------------------------------

// As tshark 4.0 tells them (tls.handshake.ja3s).
static void ja3s(void **state) {
	(void)state;
	static const struct {
		const char *head, *extensions, *ja3s;
	} cases[] = {
		// 771,4866,43-51
		{"0303" RANDOM "00 1302 00", "002b0002 0304 0033 0004 001d 0000",
		 "15af977ce25de452b96affa2addb1036"},
		// 769,49161,65281-11-35-23
		{"0301" RANDOM "00 c009 00", "ff010001 00 000b0002 0100 00230000 00170000"},
	};
	struct ht_crypto *crypto = ht_crypto_new();
	struct ht_fingerprint_params p = {.crypto = crypto, .max_hello = 1024};
	struct ht_fingerprinter *f = ht_fingerprinter_new(&p);
	assert_non_null(f);
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_server_hello h;
		char out[32], want[32];
		uint8_t digest[16];
		assert_int_equal(parse(&h, cases[i].head, cases[i].extensions), HT_OK);
		assert_true(ht_ja3s(f, &h, out));
		ht_md5(crypto, digest,
		       i == 0 ? HT_SPAN_STR("771,4866,43-51")
			      : HT_SPAN_STR("769,49161,65281-11-35-23"));
		ht_hex(want, digest, sizeof(digest));
		assert_memory_equal(out, want, 32);
		if (cases[i].ja3s != NULL)
			assert_memory_equal(out, cases[i].ja3s, 32);
	}
	struct ht_server_hello none = {.seen = HT_SERVER_VERSION};
	char out[32];
	assert_false(ht_ja3s(f, &none, out));
	ht_fingerprinter_free(f);
	ht_crypto_free(crypto);
}

// --- DTLS ---------------------------------------------------------------------------------------

struct dtls {
	struct ht_arena *arena;
	struct ht_dtls_answer d;
	struct ht_server_hello hello;
	unsigned hellos, chains;
	size_t chain_len;
	enum ht_rc rc;
};

static void dtls_take(struct dtls *t, struct ht_span datagram) {
	struct ht_dtls_messages m;
	uint8_t *p = t_dup(datagram.p, datagram.len);
	t->rc = ht_dtls_answer(&t->d, t->arena, HT_SPAN(p, datagram.len), false, MAX, &m);
	if (m.hello.len > 0) {
		t->hellos++;
		assert_int_equal(ht_server_hello_parse(&t->hello, m.hello), HT_OK);
	}
	if (m.chain.len > 0) {
		t->chains++;
		t->chain_len = m.chain.len;
	}
	free(p);
}

static void dtls_begin(struct dtls *t, bool client) {
	*t = (struct dtls){.d.client = client};
	t->arena = ht_arena_new(1 << 20);
	assert_non_null(t->arena);
}

static void dtls_end(struct dtls *t) {
	ht_dtls_answer_drop(&t->d, t->arena);
	assert_int_equal(ht_arena_used(t->arena), 0);
	ht_arena_free(t->arena);
}

#define DTLS_FULL (FULL | HT_FACT_GROUP | HT_FACT_VERIFY_REQUEST)

static void dtls_handshake(void **state) {
	(void)state;
	struct t_pcap c;
	struct dtls t;
	t_pcap_open(&c, "answer-dtls12.pcap");
	for (unsigned how = 0; how < 4; how++) { // in order, all twice, backwards, the client's
		dtls_begin(&t, how == 3);
		for (unsigned i = 0; i < (how == 1 ? 2 : 1) * c.num; i++) {
			const unsigned k = i % c.num;
			const struct t_piece *p = &c.piece[how == 2 ? c.num - 1 - k : k];
			if (p->from_server != (how != 3))
				continue;
			// Its last flight would end it, when that comes too early.
			const bool last = p->p[0] == 21 || p->p[13] == 4;
			if (last && (how == 2 || (how == 1 && i < c.num)))
				continue;
			dtls_take(&t, HT_SPAN(p->p, p->len));
		}
		const uint16_t seen = t.d.facts.seen;
		if (how == 3) {
			assert_int_equal(seen, HT_FACT_HELLO | HT_FACT_KEY_EXCHANGE | ENDED);
		} else if (how == 2) { // the curve came before it was known that there is one
			assert_int_equal(seen, DTLS_FULL & ~HT_FACT_GROUP);
		} else {
			assert_int_equal(seen, DTLS_FULL | HT_FACT_TICKET | ENDED);
			assert_int_equal(t.d.facts.group, 29);
			assert_true(t.d.over);
		}
		if (how != 3) {
			assert_int_equal(t.hellos, 1);
			assert_int_equal(t.chains, 1);
			assert_int_equal(t.d.facts.cert_count, 2);
			assert_true(t.chain_len > 1000);
			assert_int_equal(t.d.facts.version, 0xfefd);
			assert_int_equal(t.d.facts.cipher, t.hello.cipher);
		}
		dtls_end(&t);
	}
	t_pcap_close(&c);
}

// Each datagram cut anywhere, in a block of its size.
static void dtls_truncation_sweep(void **state) {
	(void)state;
	struct t_pcap c;
	struct dtls t;
	t_pcap_open(&c, "answer-dtls12.pcap");
	for (unsigned i = 0; i < c.num; i++) {
		for (size_t len = 0; len < c.piece[i].len; len++) {
			for (unsigned cut = 0; cut < 2; cut++) {
				struct ht_dtls_messages m;
				dtls_begin(&t, !c.piece[i].from_server);
				uint8_t *p = t_dup(c.piece[i].p, len);
				const enum ht_rc rc = ht_dtls_answer(
					&t.d, t.arena, HT_SPAN(p, len), cut, MAX, &m
				);
				assert_true(rc == HT_MORE || rc == HT_OK);
				free(p);
				dtls_end(&t);
			}
		}
	}
	t_pcap_close(&c);
}

static void dtls_alert_and_limit(void **state) {
	(void)state;
	struct dtls t;
	uint8_t b[256];
	dtls_begin(&t, false);
	size_t n = t_unhex(b, sizeof(b), "15 fefd 0000 000000000000 0002 0228");
	dtls_take(&t, HT_SPAN(b, n));
	assert_int_equal(t.rc, HT_OK);
	assert_int_equal(t.d.facts.seen, FATAL);
	assert_int_equal(t.d.facts.alert, 40);
	dtls_end(&t);
	// Epoch 1 is encrypted.
	dtls_begin(&t, false);
	b[4] = 1;
	dtls_take(&t, HT_SPAN(b, n));
	assert_int_equal(t.d.facts.seen, 0);
	dtls_end(&t);
	// A ServerHello that says it is too long is passed over; the alert behind it is not.
	dtls_begin(&t, false);
	n = t_unhex(
		b, sizeof(b),
		"16 fefd 0000 000000000000 000d 02 0fffff 0000 000000 000001 03"
		"15 fefd 0000 000000000001 0002 0228"
	);
	dtls_take(&t, HT_SPAN(b, n));
	assert_int_equal(t.rc, HT_OK);
	assert_int_equal(t.d.facts.alert, 40);
	dtls_end(&t);
	dtls_begin(&t, false);
	dtls_take(&t, HT_SPAN(b, 13 + 13));
	assert_int_equal(t.rc, HT_LIMIT);
	dtls_end(&t);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_handshakes),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(truncation_sweep),
		cmocka_unit_test(any_records),
		cmocka_unit_test(nothing_held),
		cmocka_unit_test(wrong_bytes),
		cmocka_unit_test(chain_that_contradicts_itself),
		cmocka_unit_test(no_certificate_of_ssl3),
		cmocka_unit_test(fault_behind_facts),
		cmocka_unit_test(curves),
		cmocka_unit_test(server_hellos),
		cmocka_unit_test(many_extensions),
		cmocka_unit_test(hello_truncation_sweep),
		cmocka_unit_test(alert_names),
		cmocka_unit_test(ja3s),
		cmocka_unit_test(dtls_handshake),
		cmocka_unit_test(dtls_truncation_sweep),
		cmocka_unit_test(dtls_alert_and_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
