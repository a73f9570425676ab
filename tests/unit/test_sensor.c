// SPDX-License-Identifier: BSD-3-Clause
// The sensor: which hellos it tells, and why it tells one as incomplete. Each case ends with the
// ledger in balance and a record for each hello that began. (That the cuts of a hello do not matter
// is test_segmentation.c.)

#include "carrier_build.h"
#include "t.h"
#include "wire.h"

// --- a sensor, and what it told
// -------------------------------------------------------------------

#define MAX_SEEN 128
#define MAX_DIGEST 2048

// What tells one split of a hello from another.
#define OF_THE_SPLIT \
	(HT_HAS(ts) | HT_HAS(frame) | HT_HAS(segments) | HT_HAS(tls_records) | HT_HAS(quic_packets))

// A record, as far as a case may ask: what the callback lends is copied.
struct seen {
	bool complete, has_sni, has_len, has_ja4;
	char sni[64], reason[16], via[64], protocol[8], transport[8];
	char service[HT_SERVICE_NAME_MAX + 1];
	unsigned number, segments, tls_records, len;
	uint16_t src_port;
	int64_t ts;
	// Every field, and every field but those of the split.
	size_t all_len, hello_len;
	uint8_t all[MAX_DIGEST], hello[MAX_DIGEST];
};

static struct ht_sensor *sensor;
static struct seen seen[MAX_SEEN];
static unsigned num_seen, num_started;

static struct frames fs;
static struct bytes body, message, record, text;
static struct rng rng;

static const uint8_t noise[12000] = {0x5a, 0xa5};

static size_t digest(uint8_t out[MAX_DIGEST], const struct ht_record *r, ht_fieldset fields) {
	static struct bytes o;
	o.len = 0;
	digest_record(&o, r, fields);
	assert_true(o.len <= MAX_DIGEST);
	memcpy(out, o.b, o.len);
	return o.len;
}

static void on_record(void *user, struct ht_record *r) {
	assert_null(user);
	if (strcmp(r->record, "flow") == 0) // test_flows.c looks at them
		return;
	assert_true(num_seen < MAX_SEEN);
	struct seen *s = &seen[num_seen++];
	memset(s, 0, sizeof(*s));
	assert_true(r->has & HT_HAS(complete));
	assert_string_equal(r->record, "hello");
	s->complete = r->complete;
	s->has_sni = r->has & HT_HAS(sni);
	s->has_len = r->has & HT_HAS(hello_len);
	s->has_ja4 = r->has & HT_HAS(ja4);
	// A reason where the hello is not whole, and only there.
	assert_int_equal(!!(r->has & HT_HAS(incomplete_reason)), !r->complete);
	if (!r->complete)
		snprintf(s->reason, sizeof(s->reason), "%s", r->incomplete_reason);
	if (s->has_sni)
		snprintf(s->sni, sizeof(s->sni), "%.*s", (int)r->sni.len, (const char *)r->sni.p);
	if (s->has_len)
		s->len = r->hello_len;
	for (unsigned i = 0; (r->has & HT_HAS(via)) && i < r->via.num; i++) {
		size_t n = strlen(s->via);
		snprintf(s->via + n, sizeof(s->via) - n, "%s%s", i > 0 ? "+" : "", r->via.s[i]);
	}
	if (r->has & HT_HAS(service))
		snprintf(s->service, sizeof(s->service), "%s", r->service);
	snprintf(s->protocol, sizeof(s->protocol), "%s", r->protocol);
	snprintf(s->transport, sizeof(s->transport), "%s", r->transport);
	s->number = r->hello_number;
	s->segments = r->segments;
	s->tls_records = r->has & HT_HAS(tls_records) ? r->tls_records : 0;
	s->src_port = r->has & HT_HAS(src_port) ? r->src_port : 0;
	s->ts = r->ts;
	s->all_len = digest(s->all, r, UINT64_MAX);
	s->hello_len = digest(s->hello, r, ~OF_THE_SPLIT);
}

static struct ht_sensor_params small(void) {
	return small_sensor(on_record, NULL);
}

static void start(struct ht_sensor_params p) {
	ht_sensor_free(sensor);
	sensor = ht_sensor_new(&p);
	assert_non_null(sensor);
	num_seen = 0;
	num_started++;
	fs.client_port = 40000;
}

static void feed(void) {
	ht_sensor_run(sensor, fs.f, fs.num);
	frames_clear(&fs);
}

static uint64_t counter(enum ht_ledger c) {
	return ht_sensor_counters(sensor)[c];
}

// Says which sensor of the case it was, and what it told.
static void fail_at(int line, const char *expected) {
	print_error("line %d, sensor %u of the case: expected %s\n", line, num_started, expected);
	for (unsigned i = 0; i < num_seen; i++)
		print_error(
			"  record %u: complete %d, reason %s, number %u, sni %s, port %u\n", i,
			seen[i].complete, seen[i].reason, seen[i].number, seen[i].sni,
			seen[i].src_port
		);
	_fail(__FILE__, line);
}

static void records_at(int line, unsigned n) {
	char expected[40];
	snprintf(expected, sizeof(expected), "%u records", n);
	if (num_seen != n)
		fail_at(line, expected);
}

static void whole_at(int line, unsigned i, const char *sni) {
	char expected[100];
	snprintf(expected, sizeof(expected), "record %u whole, for %s", i, sni);
	if (i >= num_seen || !seen[i].complete || !seen[i].has_ja4 || !seen[i].has_len
	    || strcmp(seen[i].sni, sni) != 0)
		fail_at(line, expected);
}

// What is derived from all of a hello is left out of one that is not whole.
static void incomplete_at(int line, unsigned i, const char *reason) {
	char expected[60];
	snprintf(expected, sizeof(expected), "record %u incomplete: %s", i, reason);
	if (i >= num_seen || seen[i].complete || seen[i].has_ja4
	    || strcmp(seen[i].reason, reason) != 0)
		fail_at(line, expected);
}

static void counter_at(int line, enum ht_ledger c, uint64_t n) {
	char expected[100];
	snprintf(
		expected, sizeof(expected), "%s.%s to be %u, not %u", ht_ledger[c].group,
		ht_ledger[c].name, (unsigned)n, (unsigned)counter(c)
	);
	if (counter(c) != n)
		fail_at(line, expected);
}

// The end of the capture. What holds for every case is looked at here.
static void finish_at(int line) {
	feed();
	ht_sensor_finish(sensor);
	const char *unbalanced = ht_ledger_balance(ht_sensor_counters(sensor));
	if (unbalanced != NULL) {
		print_error("the group `%s` of the ledger does not balance\n", unbalanced);
		fail_at(line, "a balance");
	}
	uint64_t whole = 0;
	for (unsigned i = 0; i < num_seen; i++)
		whole += seen[i].complete;
	counter_at(line, HT_CTR_HELLOS_BEGUN, num_seen);
	counter_at(line, HT_CTR_HELLOS_COMPLETE, whole);
}

#define finish() finish_at(__LINE__)
#define expect_records(n) records_at(__LINE__, n)
#define expect_whole(i, sni) whole_at(__LINE__, i, sni)
#define expect_incomplete(i, reason) incomplete_at(__LINE__, i, reason)
#define expect_counter(c, n) counter_at(__LINE__, c, n)

// --- hellos
// ---------------------------------------------------------------------------------------

// `body`, `message` and `record` (one TLS record) of a hello.
static void make(const struct hello_shape *h) {
	hello_body(&body, h, &rng);
	hello_message(&message, &body);
	record.len = 0;
	put_record(&record, 22, message.b, message.len);
}

static void make_tls(const char *sni) {
	const struct hello_shape h
		= {.sni = sni, .ciphers = 5, .key_share = 32, .extensions = true};
	make(&h);
}

static void make_long(const char *sni, unsigned padding) {
	const struct hello_shape h = {
		.sni = sni,
		.ciphers = 5,
		.key_share = 32,
		.padding = padding,
		.extensions = true,
	};
	make(&h);
}

static void make_dtls(const char *sni, unsigned padding) {
	const struct hello_shape h = {
		.sni = sni,
		.ciphers = 5,
		.key_share = 32,
		.padding = padding,
		.extensions = true,
		.dtls = true,
	};
	make(&h);
}

static void make_quic(const char *sni) {
	const struct hello_shape h
		= {.sni = sni, .ciphers = 3, .key_share = 32, .extensions = true, .quic = true};
	make(&h);
}

// --- frames
// ---------------------------------------------------------------------------------------

#define ISN 1000000u
#define SERVER_ISN 7000000u

static void syn(uint32_t isn) {
	tcp_add(&fs, FROM_CLIENT, isn, HT_TCP_SYN, NULL, 0);
}

static void syn_ack(void) {
	tcp_add(&fs, FROM_SERVER, SERVER_ISN, HT_TCP_SYN | HT_TCP_ACK, NULL, 0);
}

static void segment(uint32_t seq, const void *p, size_t n) {
	tcp_add(&fs, FROM_CLIENT, seq, HT_TCP_ACK, p, n);
}

// Bytes of `record`, which stands at the beginning of the connection.
static void piece(size_t at, size_t n) {
	segment(ISN + 1 + (uint32_t)at, record.b + at, n);
}

static void dtls(unsigned message_seq, size_t at, size_t n) {
	static struct bytes d;
	d.len = 0;
	put_dtls_fragment(&d, &body, message_seq, at, n, fs.num);
	udp_add(&fs, FROM_CLIENT, d.b, d.len);
}

static struct ht_frame *last(void) {
	assert_true(fs.num > 0);
	return &fs.f[fs.num - 1];
}

// The last frame came at this time.
static void at_second(int64_t s) {
	last()->ts = s * 1000000000ll;
}

// Of the last frame the capture kept so much.
static void snap(uint32_t caplen) {
	struct ht_frame *f = last();
	uint8_t *cut = t_dup(f->data, caplen);
	free((void *)(uintptr_t)f->data);
	f->data = cut;
	f->caplen = caplen;
}

#define HEADERS_TCP (14u + 20 + 20)
#define HEADERS_UDP (14u + 20 + 8)

static struct ht_crypto *crypto;
static struct ht_initial_salt *salt_v1, *salt_q050;

static const uint8_t q050_salt[20] = {
	// google/quiche quic/core/crypto/crypto_utils.cc, kQ050Salt
	0x50, 0x45, 0x74, 0xef, 0xd0, 0x66, 0xfe, 0x2f, 0x9d, 0x94,
	0x5c, 0xfc, 0xdb, 0xd3, 0xa7, 0xf0, 0xd3, 0xb5, 0x6b, 0x45,
};

#define Q050 0x51303530u

static const uint8_t cid_a[8] = {0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08};
static const uint8_t cid_b[8] = {0xf0, 0x67, 0xa5, 0x50, 0x2a, 0x42, 0x62, 0xb5};
static const uint8_t cid_client[4] = {0xc1, 0x1e, 0x47, 0x01};

#define ID_A HT_SPAN(cid_a, sizeof(cid_a))
#define ID_B HT_SPAN(cid_b, sizeof(cid_b))
#define ID_CLIENT HT_SPAN(cid_client, sizeof(cid_client))

static struct ht_initial_keys keys_of(const struct ht_initial_salt *salt, struct ht_span dcid) {
	struct ht_initial_keys k;
	ht_initial_derive(crypto, &k, salt, HT_INITIAL_CLIENT, dcid);
	return k;
}

// The id that a client on this port chose for the server: of port 40000 it is cid_a. (The same id
// from another port would be the same connection: the client's address changed.)
static struct ht_span quic_id(void) {
	static uint8_t id[8];
	memcpy(id, cid_a, sizeof(id));
	id[6] ^= (uint8_t)((fs.client_port ^ 40000) >> 8);
	id[7] ^= (uint8_t)(fs.client_port ^ 40000);
	return HT_SPAN(id, sizeof(id));
}

// An Initial of version 1 with these bytes of `message`.
static void quic(uint32_t pn, size_t at, size_t n) {
	static struct bytes plain;
	const struct ht_initial_keys k = keys_of(salt_v1, quic_id());
	const struct quic_initial q = {.dcid = quic_id(), .scid = ID_CLIENT, .pn = pn};
	plain.len = 0;
	put_crypto(&plain, (unsigned)at, message.b + at, n);
	quic_add_initial(&fs, &k, &q, &plain);
}

// The same, and no key opens it.
static void quic_sealed_wrong(uint32_t pn) {
	static struct bytes plain;
	struct ht_initial_keys k = keys_of(salt_v1, quic_id());
	const struct quic_initial q = {.dcid = quic_id(), .scid = ID_CLIENT, .pn = pn};
	k.key[0] ^= 1;
	plain.len = 0;
	put_crypto(&plain, 60, message.b + 60, 20);
	quic_add_initial(&fs, &k, &q, &plain);
}

// A long header without keys: Handshake (0xe0) or 0-RTT (0xd0).
static void quic_long(int from, unsigned first, struct ht_span dcid, struct ht_span scid) {
	static struct bytes d;
	d.len = 0;
	put8(&d, first);
	put32(&d, 1);
	put8(&d, (unsigned)dcid.len);
	put(&d, dcid.p, dcid.len);
	put8(&d, (unsigned)scid.len);
	put(&d, scid.p, scid.len);
	put_varint16(&d, 400);
	for (int i = 0; i < 400; i++)
		put8(&d, rng_next(&rng));
	udp_add(&fs, from, d.b, d.len);
}

static const char retry_token[] = "a new token";

#define RETRY_TOKEN \
	(struct ht_span) { \
		(const uint8_t *)retry_token, sizeof(retry_token) - 1 \
	}

// A Retry of the server that answers the Initial to cid_a (RFC 9000 17.2.5, RFC 9001 5.8).
static void quic_retry(void) {
	static const uint8_t key[16] = {0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a,
					0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e};
	static const uint8_t nonce[12]
		= {0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb};
	static struct bytes d;
	uint8_t tag[16];
	d.len = 0;
	put8(&d, sizeof(cid_a)); // the pseudo-packet has this in front
	put(&d, cid_a, sizeof(cid_a));
	size_t begin = d.len;
	put8(&d, 0xf0);
	put32(&d, 1);
	put8(&d, sizeof(cid_client));
	put(&d, cid_client, sizeof(cid_client));
	put8(&d, sizeof(cid_b));
	put(&d, cid_b, sizeof(cid_b));
	put(&d, RETRY_TOKEN.p, RETRY_TOKEN.len);
	gcm_seal(tag, key, nonce, HT_SPAN(d.b, d.len), NULL, 0);
	put(&d, tag, sizeof(tag));
	udp_add(&fs, FROM_SERVER, d.b + begin, d.len - begin);
}

// --- where a TCP direction begins
// -----------------------------------------------------------------

// Anybody can send a SYN; the hello tells which one was the connection's.
static void spoofed_syn(void **state) {
	(void)state;
	static const uint32_t isn[] = {
		ISN - 500000, ISN - 100,	ISN - 1,	  ISN,
		ISN + 1,      ISN + 100,	ISN + 500000,	  ISN + 0x40000000,
		ISN - 70000,  ISN - 0x40000000, ISN + 0x80000000,
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(isn); i++)
		for (size_t cut = 0; cut <= 100; cut += 50) {
			start(small());
			make_tls("syn.example");
			syn(ISN);
			syn(isn[i]);
			if (cut > 0)
				piece(0, cut);
			piece(cut, record.len - cut);
			finish();
			expect_records(1);
			expect_whole(0, "syn.example");
			assert_int_equal(seen[0].segments, cut > 0 ? 2 : 1);
		}
}

// RFC 9293 3.8.4: a keep-alive has a byte below the beginning, or none. It is not the stream's.
static void keep_alive_before_the_hello(void **state) {
	(void)state;
	for (size_t garbage = 0; garbage < 2; garbage++) {
		start(small());
		make_tls("alive.example");
		syn(ISN);
		segment(ISN, "x", garbage);
		piece(0, record.len);
		finish();
		expect_records(1);
		expect_whole(0, "alive.example");
		assert_int_equal(seen[0].segments, 1);
	}
}

static void late_syn_decides(void **state) {
	(void)state;
	// What is held is decided by the SYN: no other segment need come.
	static const struct {
		const char *name;
		const char *bytes;
		size_t len;
		enum ht_ledger end;
	} cases[] = {
		{"text", "zzzz qqqq\r\n", 11, HT_CTR_STREAM_UNKNOWN},
		{"a ServerHello", "\x16\x03\x03\x00\x05\x02\x00\x00\x01\x03", 10,
		 HT_CTR_STREAM_TLS_OTHER},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		start(small());
		segment(ISN + 1, cases[i].bytes, cases[i].len);
		feed();
		expect_counter(cases[i].end, 0);
		syn(ISN);
		feed();
		expect_counter(cases[i].end, 1);
		finish();
		expect_records(0);
	}
	// It anchors what is held; the hello goes on.
	start(small());
	make_tls("late.example");
	piece(0, record.len - 50);
	syn(ISN);
	piece(record.len - 50, 50);
	feed();
	expect_records(1);
	expect_whole(0, "late.example");
	// The beginning comes behind the rest, and behind the SYN.
	start(small());
	piece(60, record.len - 60);
	syn(ISN);
	piece(0, 60);
	feed();
	expect_records(1);
	expect_whole(0, "late.example");
	finish();
}

// Without a SYN the middle of a hello may come first. It may look like a server's hello.
static void second_part_first(void **state) {
	(void)state;
	for (unsigned minor = 0; minor <= 4; minor++)
		for (unsigned swapped = 0; swapped < 2; swapped++) {
			make_tls("swapped.example");
			message.b[60] = 2; // in the session id; ServerHello, to who does not know
			record.len = 0;
			put_record(&record, 22, message.b, 60);
			put_record(&record, 22, message.b + 60, message.len - 60);
			record.b[67] = (uint8_t)minor;
			start(small());
			if (!swapped)
				piece(0, 65);
			piece(65, record.len - 65);
			if (swapped)
				piece(0, 65);
			feed();
			expect_records(1);
			expect_whole(0, "swapped.example");
			assert_int_equal(seen[0].tls_records, 2);
			finish();
			expect_records(1);
		}
}

// A direction without a beginning is looked at a bounded number of times.
static void mid_stream_cost(void **state) {
	(void)state;
	static const size_t lines[] = {1, 20, 1700};
	for (unsigned i = 0; i < HT_ARRAY_LEN(lines); i++) {
		text.len = 0;
		for (size_t k = 0; k < lines[i]; k++)
			put(&text, "NOOP\r\n", 6);
		put(&text, "STARTTLS\r\n", 10);
		put(&text, "\x16\x03\x01\x00\x05\x02", 6);
		start(small());
		uint32_t seq = 5;
		segment(seq, text.b, 4);
		segment(seq + 4, text.b + 4, text.len - 4);
		seq += (uint32_t)text.len;
		feed();
		for (unsigned k = 0; k < 100; k++)
			segment(seq++, "x", 1);
		feed();
		expect_counter(HT_CTR_STREAMS_BEGUN, 1);
		expect_counter(HT_CTR_STREAM_MID_STREAM, 1);
		for (unsigned k = 0; k < 1000; k++)
			segment(seq++, "x", 1);
		finish();
		expect_records(0);
		expect_counter(HT_CTR_STREAM_OPEN, 0);
	}
}

// RFC 9293 3.4.1: ports are used again. A SYN with another beginning is another connection; the
// same SYN again is not.
static void port_reuse(void **state) {
	(void)state;
	static const uint32_t next[] = {ISN + 0x40000000, ISN - 0x40000000, ISN + 300000};
	for (unsigned i = 0; i < HT_ARRAY_LEN(next); i++) {
		start(small());
		syn(ISN);
		make_tls("first.example");
		piece(0, record.len);
		syn(next[i]);
		make_tls("second.example");
		segment(next[i] + 1, record.b, record.len);
		finish();
		expect_records(2);
		expect_whole(0, "first.example");
		expect_whole(1, "second.example");
		assert_int_equal(seen[0].number, 1);
		assert_int_equal(seen[1].number, 1);
		expect_counter(HT_CTR_FLOWS_BEGUN, 2);
		expect_counter(HT_CTR_FLOW_HELLO, 2);
	}
	start(small());
	syn(ISN);
	make_tls("first.example");
	piece(0, record.len);
	syn(ISN);
	syn_ack();
	syn_ack();
	piece(0, record.len); // it comes again as well
	feed();
	expect_records(1);
	size_t first = record.len;
	make_tls("second.example");
	segment(ISN + 1 + (uint32_t)first, record.b, record.len);
	finish();
	expect_records(2);
	expect_whole(1, "second.example");
	assert_int_equal(seen[1].number, 2);
	expect_counter(HT_CTR_FLOWS_BEGUN, 1);
}

// The frames from `first` on came at this time.
static void at_ms(unsigned first, int64_t ms) {
	for (unsigned i = first; i < fs.num; i++)
		fs.f[i].ts = 1700000000000000000ll + ms * 1000000;
}

enum connection_end { ENDS_NOT, ENDS_FIN, ENDS_RST, NUM_CONNECTION_ENDS };

struct connection {
	uint32_t isn;
	bool no_syn;
	bool one_sided; // of the client nothing behind the hello, of the server nothing
	enum connection_end end;
};

// `record` and what is said around it.
static void play(const struct connection *c, int64_t ms) {
	static const uint8_t data[] = {23, 3, 3, 0, 1, 1};
	const unsigned first = fs.num;
	const uint32_t seq = c->isn + 1, behind = seq + (uint32_t)record.len;
	if (!c->no_syn)
		syn(c->isn);
	if (!c->no_syn && !c->one_sided)
		syn_ack();
	segment(seq, record.b, record.len);
	if (!c->one_sided) {
		tcp_add(&fs, FROM_SERVER, SERVER_ISN + 1, HT_TCP_ACK, data, sizeof(data));
		segment(behind, data, sizeof(data));
	}
	const unsigned flags = c->end == ENDS_FIN ? HT_TCP_FIN | HT_TCP_ACK : HT_TCP_RST;
	if (c->end != ENDS_NOT)
		tcp_add(&fs, FROM_CLIENT, behind + 6, flags, NULL, 0);
	if (c->end == ENDS_FIN)
		tcp_add(&fs, FROM_SERVER, SERVER_ISN + 7, flags, NULL, 0);
	at_ms(first, ms);
}

// Plays `c` and, behind a pause, `d`: so many hellos are told, so many SYNs and hellos are taken
// for ones sent again. With flow records it is the same.
static void played_at(
	int line,
	const struct connection *c,
	int64_t pause_ms,
	const struct connection *d,
	unsigned told,
	unsigned syns,
	unsigned hellos
) {
	for (unsigned flows = HT_FLOWS_NONE; flows <= HT_FLOWS_ALL; flows++) {
		struct ht_sensor_params p = small();
		p.flows = flows;
		start(p);
		make_tls("again.example");
		play(c, 0);
		play(d, pause_ms);
		finish_at(line);
		records_at(line, told);
		for (unsigned i = 0; i < told; i++) {
			whole_at(line, i, "again.example");
			assert_int_equal(seen[i].number, 1);
		}
		counter_at(line, HT_CTR_REPEAT_SYN, syns);
		counter_at(line, HT_CTR_REPEAT_HELLO, hellos);
		counter_at(line, HT_CTR_FLOWS_BEGUN, told);
	}
}

#define expect_played(c, pause, d, ...) played_at(__LINE__, c, pause, d, __VA_ARGS__)

// The same connection once more, byte by byte: what it is depends on what was seen of it, how it
// ended, and on the pause.
static void played_again(void **state) {
	(void)state;
	for (unsigned v = 0; v < 2 * NUM_CONNECTION_ENDS; v++) {
		const bool one_sided = v & 1;
		const enum connection_end end = v >> 1;
		const struct connection c = {ISN, false, one_sided, end},
					other = {ISN + 0x1234567, false, one_sided, end},
					near = {ISN - 2000, false, one_sided, end};
		// A mirror that shows frames twice, or is a little late.
		if (end == ENDS_NOT)
			expect_played(&c, 100, &c, 1, 1, one_sided);
		else
			expect_played(&c, 100, &c, 2, 0, 0);
		expect_played(&c, 1000, &c, 2, 0, 0);
		expect_played(&c, 60000, &c, 2, 0, 0);
		expect_played(&c, 400000, &c, 2, 0, 0);
		expect_played(&c, -1000, &c, 2, 0, 0);
		expect_played(&c, 1, &other, 2, 0, 0);
		expect_played(&c, 1000, &near, 2, 0, 0);
	}
}

// The same, and no SYN was seen of the second one, or of both. TCP sends a hello again for minutes.
static void played_again_without_syn(void **state) {
	(void)state;
	for (unsigned v = 0; v < 4; v++) {
		const bool one_sided = v & 1, first_without = v & 2;
		struct connection c = {ISN, first_without, one_sided, ENDS_NOT},
				  d = {ISN, true, one_sided, ENDS_NOT},
				  other = {ISN + 0x1234567, true, one_sided, ENDS_NOT};
		expect_played(&c, 1000, &d, 1, 0, 1);
		expect_played(&c, 60000, &d, 1, 0, 1);
		expect_played(&c, 301000, &d, 2, 0, 0);
		expect_played(&c, 1000, &other, 2, 0, 0);
		for (c.end = ENDS_FIN; c.end < NUM_CONNECTION_ENDS; c.end++) {
			expect_played(&c, 1000, &d, 1, 0, 1);
			expect_played(&c, 6000, &d, 2, 0, 0);
			expect_played(&c, 1, &other, 2, 0, 0);
		}
	}
}

// Where flow records are made acknowledgements keep a flow that has not ended from being idle. What
// is silence is the same as where they are not seen.
static void acknowledgements_between(void **state) {
	(void)state;
	static const struct connection goes_on = {.isn = ISN},
				       ended = {.isn = ISN, .end = ENDS_FIN},
				       without_syn = {.isn = ISN, .no_syn = true};
	static const struct {
		const struct connection *first, *second;
		int64_t acks_ms[3], data_ms, second_ms; // 0: none
		unsigned told, syns, hellos;
	} cases[] = {
		{&goes_on, &goes_on, {300, 600, 900}, 0, 1000, 2, 0, 0},
		{&goes_on, &goes_on, {600}, 0, 610, 2, 0, 0},
		{&goes_on, &goes_on, {300, 600, 900}, 950, 1000, 1, 1, 0}, // no silence before it
		{&goes_on, &goes_on, {50, 100, 150}, 0, 200, 1, 1, 0},
		{&ended, &without_syn, {3000}, 0, 6000, 2, 0, 0},
		{&ended, &without_syn, {1000}, 0, 4000, 1, 0, 1},
	};
	for (unsigned v = 0; v < HT_ARRAY_LEN(cases) * (HT_FLOWS_ALL + 1); v++) {
		const unsigned i = v / (HT_FLOWS_ALL + 1);
		struct ht_sensor_params p = small();
		p.flows = v % (HT_FLOWS_ALL + 1);
		start(p);
		make_tls("again.example");
		const uint32_t behind = ISN + 1 + (uint32_t)record.len + 6;
		play(cases[i].first, 0);
		for (unsigned k = 0; k < 3 && cases[i].acks_ms[k] > 0; k++) {
			tcp_add(&fs, FROM_CLIENT, behind, HT_TCP_ACK, NULL, 0);
			at_ms(fs.num - 1, cases[i].acks_ms[k]);
		}
		if (cases[i].data_ms > 0) {
			tcp_add(&fs, FROM_CLIENT, behind, HT_TCP_ACK, (const uint8_t *)"x", 1);
			at_ms(fs.num - 1, cases[i].data_ms);
		}
		play(cases[i].second, cases[i].second_ms);
		finish();
		expect_records(cases[i].told);
		expect_counter(HT_CTR_REPEAT_SYN, cases[i].syns);
		expect_counter(HT_CTR_REPEAT_HELLO, cases[i].hellos);
		expect_counter(HT_CTR_FLOWS_BEGUN, cases[i].told);
	}
}

// A client that the RST does not reach sends its hello again, with pauses that are longer than what
// ends a flow record: it is the same hello for all that.
static void sent_again_behind_rst(void **state) {
	(void)state;
	static const int64_t at[] = {200, 600, 1400, 3000, 6200, 12600, 25400};
	for (unsigned flows = HT_FLOWS_NONE; flows <= HT_FLOWS_ALL; flows++) {
		struct ht_sensor_params p = small();
		p.flows = flows;
		start(p);
		make_tls("again.example");
		syn(ISN);
		piece(0, record.len);
		at_ms(0, 0);
		for (unsigned i = 0; i < HT_ARRAY_LEN(at); i++) {
			const unsigned first = fs.num;
			tcp_add(&fs, FROM_SERVER, SERVER_ISN + 1, HT_TCP_RST, NULL, 0);
			at_ms(first, i > 0 ? at[i - 1] : 0);
			piece(0, record.len);
			at_ms(first + 1, at[i]);
		}
		finish();
		expect_records(1);
		expect_counter(HT_CTR_REPEAT_HELLO, HT_ARRAY_LEN(at));
		expect_counter(HT_CTR_FLOWS_BEGUN, 1);
	}
}

// An end is all that was seen of a connection, and another begins: it has not ended. It is the same
// with flow records, which have a flow for such an end, too.
static void begins_behind_the_end_of_another(void **state) {
	(void)state;
	for (unsigned v = 0; v < 4; v++) {
		struct ht_sensor_params p = small();
		p.flows = v & 1 ? HT_FLOWS_ALL : HT_FLOWS_NONE;
		start(p);
		make_tls("behind.example");
		tcp_add(&fs, FROM_SERVER, SERVER_ISN, v & 2 ? HT_TCP_RST : HT_TCP_FIN, NULL, 0);
		piece(0, record.len);
		syn(ISN); // late
		piece(0, record.len);
		finish();
		expect_records(1);
		expect_whole(0, "behind.example");
		expect_counter(HT_CTR_REPEAT_SYN, 1);
		expect_counter(HT_CTR_REPEAT_HELLO, 1);
		expect_counter(HT_CTR_FLOWS_BEGUN, 1);
	}
}

// A firewall that gives connections sequence numbers of its own, seen on both of its sides: one
// connection.
static void both_sides_of_a_firewall(void **state) {
	(void)state;
	start(small());
	make_tls("firewall.example");
	syn(ISN);
	syn(ISN + 0x1234567);
	piece(0, record.len);
	segment(ISN + 0x1234567 + 1, record.b, record.len);
	finish();
	expect_records(1);
	expect_whole(0, "firewall.example");
	expect_counter(HT_CTR_REPEAT_HELLO, 1);
}

// RFC 5246 7.4.1.1: another handshake under the keys of the first. One of 256 of its records has
// the type of a ClientHello in it, and it is none.
static void handshake_under_keys(void **state) {
	(void)state;
	static const uint8_t keyed[]
		= {22, 3, 3, 0, 64, 1, 0xc5, 0x0e, 0x91, 0x7a, 0x33, 0x6b, 0x02};
	for (unsigned from = FROM_CLIENT; from <= FROM_SERVER; from++) {
		start(small());
		make_tls("keyed.example");
		const struct connection c = {ISN, false, false, ENDS_NOT};
		play(&c, 0);
		const unsigned first = fs.num;
		const uint32_t isn = from == FROM_CLIENT ? ISN : SERVER_ISN;
		tcp_add(&fs, from, isn + 200000, HT_TCP_ACK, keyed, sizeof(keyed));
		at_ms(first, 3000);
		finish();
		expect_records(1);
		expect_whole(0, "keyed.example");
		expect_counter(HT_CTR_FLOWS_BEGUN, 1);
	}
}

// RFC 7413 4.2: a SYN that has the hello and is not answered is sent again, first as it was, then
// without. Once it was answered it is another connection's.
static void fast_open_again(void **state) {
	(void)state;
	for (unsigned answered = 0; answered < 2; answered++) {
		start(small());
		make_tls("fast.example");
		tcp_add(&fs, FROM_CLIENT, ISN, HT_TCP_SYN, record.b, record.len);
		at_ms(0, 0);
		if (answered)
			syn_ack();
		at_ms(1, 10);
		const unsigned first = fs.num;
		tcp_add(&fs, FROM_CLIENT, ISN, HT_TCP_SYN, record.b, record.len);
		at_ms(first, 1010);
		syn(ISN);
		at_ms(first + 1, answered ? 1020 : 3010);
		piece(0, record.len);
		at_ms(first + 2, 3020);
		finish();
		expect_records(1 + answered);
		expect_whole(0, "fast.example");
		expect_counter(HT_CTR_FLOWS_BEGUN, 1 + answered);
		expect_counter(HT_CTR_REPEAT_SYN, answered ? 1 : 2);
		expect_counter(HT_CTR_REPEAT_HELLO, answered ? 1 : 2);
	}
}

// What a connection had begun is told as it is when another takes its ports.
static void half_then_played_again(void **state) {
	(void)state;
	start(small());
	make_tls("half.example");
	syn(ISN);
	piece(0, 100);
	at_ms(0, 0);
	const unsigned first = fs.num;
	syn(ISN);
	piece(0, record.len);
	at_ms(first, 1000);
	finish();
	expect_records(2);
	expect_incomplete(0, "gap");
	expect_whole(1, "half.example");
}

// --- two hellos on one connection
// -----------------------------------------------------------------

// Both ends may be made to send a ClientHello. One completes.
static void both_sides_begin(void **state) {
	(void)state;
	for (unsigned v = 0; v < 8; v++) {
		bool with_syn = v & 1, cut = v & 2, server_later = v & 4;
		start(small());
		make_tls("both.example");
		if (with_syn) {
			syn(ISN);
			syn_ack();
		}
		if (server_later && cut)
			piece(0, 60);
		tcp_add(&fs, FROM_SERVER, SERVER_ISN + 1, HT_TCP_ACK, record.b, 60);
		if (cut && !server_later)
			piece(0, 60);
		piece(cut ? 60 : 0, record.len - (cut ? 60 : 0));
		finish();
		expect_records(2);
		unsigned whole = seen[0].complete ? 0 : 1;
		expect_whole(whole, "both.example");
		assert_int_equal(seen[whole].src_port, 40000);
		assert_false(seen[!whole].complete);
		assert_int_equal(seen[!whole].src_port, 443);
		expect_counter(HT_CTR_STREAMS_BEGUN, 2);
		expect_counter(HT_CTR_STREAM_HELLO, 2);
	}
}

// RFC 8446 4.1.4: a HelloRetryRequest asks for a second hello. Before it the client may have sent
// early data (4.2.10) and a change_cipher_spec (D.4).
static void hello_retry_request(void **state) {
	(void)state;
	static const uint8_t hrr[] = {22, 3, 3, 0, 5, 2, 0, 0, 1, 3};
	for (unsigned v = 0; v < 8; v++) {
		bool offered = v & 1, one_segment = v & 2, ccs = v & 4;
		struct hello_shape h = {
			.sni = "first.example",
			.ciphers = 5,
			.key_share = 32,
			.extensions = true,
			.early_data = offered,
		};
		start(small());
		make(&h);
		text.len = 0;
		put(&text, record.b, record.len);
		size_t first = text.len;
		if (offered) {
			put_record(&text, 23, noise, 300);
			put_record(&text, 23, noise, 40);
		}
		if (ccs)
			put_record(&text, 20, "\x01", 1);
		size_t between = text.len;
		h.sni = "second.example";
		h.early_data = false;
		make(&h);
		put(&text, record.b, record.len);
		syn(ISN);
		syn_ack();
		if (one_segment) {
			segment(ISN + 1, text.b, text.len);
		} else {
			segment(ISN + 1, text.b, first);
			tcp_add(&fs, FROM_SERVER, SERVER_ISN + 1, HT_TCP_ACK, hrr, sizeof(hrr));
			if (between > first)
				segment(ISN + 1 + (uint32_t)first, text.b + first, between - first);
			segment(ISN + 1 + (uint32_t)between, text.b + between, text.len - between);
		}
		finish();
		expect_records(2);
		expect_whole(0, "first.example");
		expect_whole(1, "second.example");
		assert_int_equal(seen[0].number, 1);
		assert_int_equal(seen[1].number, 2);
		assert_int_equal(seen[1].segments, 1);
		expect_counter(HT_CTR_FLOWS_BEGUN, 1);
	}
	// Application data that is no early data: the handshake is over.
	start(small());
	make_tls("first.example");
	text.len = 0;
	put(&text, record.b, record.len);
	put_record(&text, 23, noise, 300);
	put(&text, record.b, record.len);
	syn(ISN);
	segment(ISN + 1, text.b, text.len);
	finish();
	expect_records(1);
}

// What was spoken before TLS holds for the second hello as well, wherever it comes.
static void via_of_a_second_hello(void **state) {
	(void)state;
	for (unsigned v = 0; v < 2; v++) {
		start(small());
		make_tls("via.example");
		text.len = 0;
		put(&text, "EHLO a\r\nSTARTTLS\r\n", 18);
		put(&text, record.b, record.len);
		size_t first = text.len;
		put(&text, record.b, record.len);
		syn(ISN);
		if (v == 0)
			segment(ISN + 1, text.b, first);
		segment(ISN + 1 + (v == 0 ? (uint32_t)first : 0), text.b + (v == 0 ? first : 0),
			text.len - (v == 0 ? first : 0));
		finish();
		expect_records(2);
		for (unsigned i = 0; i < 2; i++) {
			expect_whole(i, "via.example");
			assert_string_equal(seen[i].via, "smtp");
			assert_int_equal(seen[i].number, i + 1);
		}
	}
	// Another connection on the same ports speaks TLS at once.
	start(small());
	syn(ISN);
	segment(ISN + 1, text.b, 18 + record.len);
	syn(ISN + 0x40000000);
	segment(ISN + 0x40000001, record.b, record.len);
	finish();
	expect_records(2);
	assert_string_equal(seen[0].via, "smtp");
	assert_string_equal(seen[1].via, "");
}

// The server's port names the service, by the caller's table where there is one.
static void service_of_the_port(void **state) {
	(void)state;
	struct ht_services *services = ht_services_new();
	assert_non_null(services);
	struct ht_services_error err;
	static const char lines[] = "443/tcp intranet never\n40000/tcp client implicit\n";
	assert_int_equal(ht_services_parse(services, HT_SPAN_STR(lines), &err), HT_OK);
	for (unsigned v = 0; v < 2; v++) {
		struct ht_sensor_params p = small();
		p.services = v == 0 ? NULL : services;
		start(p);
		make_tls("service.example");
		piece(0, record.len);
		finish();
		expect_records(1);
		expect_whole(0, "service.example"); // on a port that "never" has TLS, too
		assert_int_equal(seen[0].src_port, 40000);
		assert_string_equal(seen[0].service, v == 0 ? "https" : "intranet");
	}
	start(small()); // the sensor goes before its table
	finish();
	ht_services_free(services);
}

// --- caps
// -----------------------------------------------------------------------------------------

// What follows a hello is no part of it, however long it is and however it comes.
static void huge_segment_behind_a_hello(void **state) {
	(void)state;
	static const uint32_t caps[] = {512, 1024, 65536};
	static struct seen alone;
	for (unsigned i = 0; i < HT_ARRAY_LEN(caps); i++) {
		struct ht_sensor_params p = small();
		p.max_hello_bytes = caps[i];
		make_tls("huge.example");
		start(p);
		piece(0, record.len);
		finish();
		expect_records(1);
		expect_whole(0, "huge.example");
		alone = seen[0];

		size_t hello = record.len;
		while (record.len < 50000)
			put_record(&record, 23, noise, sizeof(noise));
		for (unsigned v = 0; v < 6; v++) {
			start(p);
			if (v & 1)
				syn(ISN);
			size_t cut = v < 2 ? 0 : v < 4 ? 100 : hello;
			if (cut > 0)
				piece(0, cut);
			piece(cut, record.len - cut);
			finish();
			expect_records(1);
			expect_whole(0, "huge.example");
			assert_int_equal(seen[0].hello_len, alone.hello_len);
			assert_memory_equal(seen[0].hello, alone.hello, alone.hello_len);
		}

		// Behind an upgrade: in the same segment, and in one of its own.
		text.len = 0;
		put(&text, "EHLO a.example\r\n", 16);
		for (unsigned k = 0; k < 20; k++)
			put(&text, "NOOP aaaaaaaaaaaaaaaaaaaa\r\n", 27);
		put(&text, "STARTTLS\r\n", 10);
		size_t said = text.len;
		put(&text, record.b, record.len);
		for (unsigned v = 0; v < 2; v++) {
			start(p);
			syn(ISN);
			if (v == 0)
				segment(ISN + 1, text.b, said);
			size_t at = v == 0 ? said : 0;
			segment(ISN + 1 + (uint32_t)at, text.b + at, text.len - at);
			finish();
			expect_records(1);
			expect_whole(0, "huge.example");
			assert_string_equal(seen[0].via, "smtp");
			assert_int_equal(seen[0].segments, 1);
		}
	}
}

static void longer_than_the_cap(void **state) {
	(void)state;
	struct ht_sensor_params p = small();
	p.max_hello_bytes = 512;
	for (unsigned parts = 1; parts <= 3; parts++) {
		start(p);
		make_dtls("long.example", 900);
		for (unsigned i = 0; i < parts; i++) {
			size_t from = body.len * i / parts, to = body.len * (i + 1) / parts;
			dtls(0, from, to - from);
		}
		finish();
		expect_records(1);
		expect_incomplete(0, "limit");
		assert_true(seen[0].has_len);
		assert_int_equal(seen[0].len, body.len + 4);
		assert_string_equal(seen[0].protocol, "dtls");

		start(p);
		make_long("long.example", 900);
		for (unsigned i = 0; i < parts; i++) {
			size_t from = record.len * i / parts, to = record.len * (i + 1) / parts;
			piece(from, to - from);
		}
		finish();
		expect_records(1);
		expect_incomplete(0, "limit");
		assert_true(seen[0].has_len);
		assert_int_equal(seen[0].len, message.len);
		assert_string_equal(seen[0].protocol, "tls");
	}
}

// The snap length took the end of the datagram or segment.
static void cut_by_the_snap_length(void **state) {
	(void)state;
	static const uint32_t there[] = {40, 96, 150};
	for (unsigned i = 0; i < HT_ARRAY_LEN(there); i++) {
		start(small());
		make_dtls("snap.example", 0);
		dtls(0, 0, body.len);
		snap(HEADERS_UDP + there[i]);
		finish();
		expect_records(1);
		expect_incomplete(0, "snaplen");
		assert_true(seen[0].has_len);
		assert_int_equal(seen[0].len, body.len + 4);

		for (unsigned with_syn = 0; with_syn < 2; with_syn++) {
			start(small());
			make_tls("snap.example");
			if (with_syn)
				syn(ISN);
			piece(0, record.len);
			snap(HEADERS_TCP + there[i]);
			finish();
			expect_records(1);
			expect_incomplete(0, "snaplen");
			assert_true(seen[0].has_len);
			assert_int_equal(seen[0].len, message.len);
		}

		// The first of two segments.
		start(small());
		piece(0, record.len - 20);
		snap(HEADERS_TCP + there[i]);
		piece(record.len - 20, 20);
		finish();
		expect_records(1);
		expect_incomplete(0, "snaplen");
	}
	// Of what was cut off, nothing was the hello's.
	start(small());
	make_tls("snap.example");
	size_t hello = record.len;
	put_record(&record, 23, noise, 200);
	piece(0, record.len);
	snap(HEADERS_TCP + (uint32_t)hello);
	finish();
	expect_records(1);
	expect_whole(0, "snap.example");
}

// --- DTLS
// -----------------------------------------------------------------------------------------

#define CHLO "CHLO\1\0\0\0SNI\0\5\0\0\0hello"

// RFC 6347 4.2.8: a client may begin anew on the same ports.
static void second_association(void **state) {
	(void)state;
	start(small());
	make_dtls("first.example", 0);
	dtls(0, 0, body.len);
	at_second(1700000000);
	dtls(0, 0, body.len); // a retransmission
	at_second(1700000001);
	make_dtls("second.example", 0);
	dtls(0, 0, body.len);
	at_second(1700000060);
	finish();
	expect_records(2);
	expect_whole(0, "first.example");
	expect_whole(1, "second.example");
	assert_int_equal(seen[0].number, 1);

	// RFC 6347 4.2.1: the hello with the cookie is the second of the same association.
	start(small());
	dtls(0, 0, body.len);
	dtls(1, 0, body.len);
	dtls(1, 0, body.len);
	finish();
	expect_records(2);
	assert_int_equal(seen[0].number, 1);
	assert_int_equal(seen[1].number, 2);
}

static void gquic_clear(unsigned number) {
	static struct bytes o;
	o.len = 0;
	put(&o,
	    "\x0d"
	    "connecti"
	    "Q043",
	    13); // version, connection id
	put8(&o, number);
	put(&o, "123456789012", 12); // hash
	put(&o, "\x80\1", 2); // STREAM of id 1, to the end
	put(&o, CHLO, sizeof(CHLO) - 1);
	udp_add(&fs, FROM_CLIENT, o.b, o.len);
}

enum { AGAIN_DTLS, AGAIN_QUIC, AGAIN_GQUIC, NUM_AGAIN };

// `number`: of the record or packet.
static void udp_hello(unsigned protocol, unsigned number) {
	static struct bytes d;
	d.len = 0;
	switch (protocol) {
	case AGAIN_DTLS:
		put_dtls_fragment(&d, &body, 0, 0, body.len, number);
		udp_add(&fs, FROM_CLIENT, d.b, d.len);
		break;
	case AGAIN_QUIC:
		quic(number, 0, message.len);
		break;
	default:
		gquic_clear(number);
		break;
	}
}

// Over UDP a hello that is sent again has another number. The same datagram, seen again sooner than
// the client could have answered to anything, is a mirror's; later it is another connection.
static void udp_played_again(void **state) {
	(void)state;
	for (unsigned v = 0; v < NUM_AGAIN * 2; v++) {
		const unsigned protocol = v >> 1;
		struct ht_sensor_params p = small();
		p.flows = v & 1 ? HT_FLOWS_ALL : HT_FLOWS_NONE;
		start(p);
		if (protocol == AGAIN_DTLS)
			make_dtls("again.example", 0);
		else
			make_quic("again.example");
		udp_hello(protocol, 0);
		at_ms(0, 0);
		udp_hello(protocol, 0);
		at_ms(1, 100);
		udp_hello(protocol, 0); // the time since the last one counts, not since the first
		at_ms(2, 550);
		feed();
		expect_records(1);
		expect_counter(HT_CTR_REPEAT_HELLO, 2);
		udp_hello(protocol, 1);
		at_ms(0, 1500);
		feed();
		expect_records(1);
		expect_counter(HT_CTR_REPEAT_HELLO, 3);
		for (unsigned i = 0; i < 3; i++) {
			udp_add(&fs, FROM_CLIENT, (const uint8_t *)"\x40short header", 13);
			at_ms(i, 1600 + 300 * i); // counts in flow records alone
		}
		udp_hello(protocol, 0);
		at_ms(3, 2500);
		finish();
		expect_records(2);
		assert_int_equal(seen[0].number, 1);
		assert_int_equal(seen[1].number, 1);
		assert_true(seen[1].complete);
		expect_counter(HT_CTR_REPEAT_HELLO, 3);
	}
}

// The client goes on with the next message before the first is whole.
static void half_then_the_next_message(void **state) {
	(void)state;
	start(small());
	make_dtls("next.example", 0);
	dtls(0, 0, 60);
	dtls(1, 0, body.len);
	finish();
	expect_records(2);
	expect_incomplete(0, "gap");
	expect_whole(1, "next.example");
}

// --- IP fragments
// ---------------------------------------------------------------------------------

// RFC 8200 4.5: only the Next Header of the first fragment counts.
static void
fragment_ipv6(uint32_t id, unsigned next, size_t at, bool more, const struct bytes *udp, size_t n) {
	static struct bytes o;
	o.len = 0;
	for (int i = 0; i < 12; i++)
		put8(&o, 2);
	put16(&o, 0x86dd);
	put32(&o, 0x60000000);
	put16(&o, 8 + (unsigned)n);
	put8(&o, 44);
	put8(&o, 64);
	for (unsigned i = 0; i < 32; i++)
		put8(&o, 0x20 + i);
	put8(&o, next);
	put8(&o, 0);
	put16(&o, (unsigned)at | more);
	put32(&o, id);
	put(&o, udp->b + at, n);
	frame_add(&fs, &o);
}

static void next_header_of_later_fragments(void **state) {
	(void)state;
	static const unsigned next[] = {17, 59, 6, 0, 44};
	static struct bytes udp;
	for (unsigned i = 0; i < HT_ARRAY_LEN(next); i++)
		for (unsigned swapped = 0; swapped < 2; swapped++) {
			start(small());
			make_dtls("six.example", 0);
			udp.len = 0;
			put16(&udp, 4000);
			put16(&udp, 443);
			put16(&udp, 8 + 25 + (unsigned)body.len);
			put16(&udp, 0);
			put_dtls_fragment(&udp, &body, 0, 0, body.len, 0);
			if (!swapped)
				fragment_ipv6(77, 17, 0, true, &udp, 96);
			fragment_ipv6(77, next[i], 96, false, &udp, udp.len - 96);
			if (swapped)
				fragment_ipv6(77, 17, 0, true, &udp, 96);
			finish();
			expect_records(1);
			expect_whole(0, "six.example");
			expect_counter(HT_CTR_PACKETS_REASSEMBLED, 1);
			assert_int_equal(seen[0].src_port, 4000);
		}
}

// --- QUIC
// -----------------------------------------------------------------------------------------

static void put_gquic_crypto(struct bytes *o, unsigned offset) {
	o->len = 0;
	put8(o, 8); // CRYPTO of gQUIC with IETF packets
	put32(o, 0x80000000u | offset);
	put_varint16(o, sizeof(CHLO) - 1);
	put(o, CHLO, sizeof(CHLO) - 1);
}

static void gquic_hello_again(void **state) {
	(void)state;
	static struct bytes plain;
	const struct ht_initial_keys k = keys_of(salt_q050, ID_A);
	struct quic_initial q = {.version = Q050, .dcid = ID_A};
	for (unsigned again = 0; again < 3; again++) {
		start(small());
		put_gquic_crypto(&plain, 0);
		for (q.pn = 1; q.pn <= 1 + again; q.pn++)
			quic_add_initial(&fs, &k, &q, &plain);
		finish();
		expect_records(1);
		assert_true(seen[0].complete);
		assert_string_equal(seen[0].sni, "hello");
		assert_string_equal(seen[0].protocol, "quic");
		assert_int_equal(seen[0].number, 1);
	}
}

static void first_crypto_beyond_the_cap(void **state) {
	(void)state;
	static const unsigned offsets[] = {65536, 70000, 0x3fffff00};
	static struct bytes plain;
	const struct ht_initial_keys k = keys_of(salt_v1, ID_A);
	for (unsigned i = 0; i < HT_ARRAY_LEN(offsets); i++) {
		start(small());
		plain.len = 0;
		put_crypto(&plain, offsets[i], (const uint8_t *)"abcdef", 6);
		quic_add(&fs, &k, ID_A, 1, &plain);
		finish();
		expect_records(1);
		expect_incomplete(0, "limit");
		assert_false(seen[0].has_len);
	}
}

// What the CRYPTO bytes hold is no ClientHello: no hello began.
static void crypto_without_a_hello(void **state) {
	(void)state;
	static const uint8_t types[] = {20, 2, 0, 11, 254};
	static struct bytes plain;
	const struct ht_initial_keys k = keys_of(salt_v1, ID_A);
	uint8_t m[36] = {0, 0, 0, 32};
	for (unsigned i = 0; i < HT_ARRAY_LEN(types); i++) {
		m[0] = types[i];
		start(small());
		plain.len = 0;
		put_crypto(&plain, 0, m, sizeof(m));
		quic_add(&fs, &k, ID_A, 1, &plain);
		finish();
		expect_records(0);
	}
}

// The rest of the connection is known to be one.
static void packets_behind_a_quic_hello(void **state) {
	(void)state;
	start(small());
	make_quic("quic.example");
	quic(0, 0, message.len);
	quic_long(FROM_CLIENT, 0xd0, ID_A, ID_CLIENT);
	quic_long(FROM_CLIENT, 0xe0, ID_B, ID_CLIENT);
	quic_long(FROM_SERVER, 0xe0, ID_CLIENT, ID_B);
	finish();
	expect_records(1);
	expect_whole(0, "quic.example");
	expect_counter(HT_CTR_DATAGRAMS, 4);
	expect_counter(HT_CTR_DATAGRAM_QUIC_STRAY, 0);
	expect_counter(HT_CTR_DATAGRAM_QUIC_CLIENT, 3);
	expect_counter(HT_CTR_DATAGRAM_QUIC_SERVER, 1);
	// Of a connection that is not known they are stray.
	start(small());
	quic_long(FROM_CLIENT, 0xd0, ID_A, ID_CLIENT);
	quic_long(FROM_SERVER, 0xe0, ID_CLIENT, ID_B);
	finish();
	expect_records(0);
	expect_counter(HT_CTR_DATAGRAM_QUIC_STRAY, 2);
}

// RFC 9000 17.2.5.3: after a Retry the same hello comes again, sealed with keys of the new id.
static void retry_keys(void **state) {
	(void)state;
	static struct bytes plain;
	const struct ht_initial_keys k = keys_of(salt_v1, ID_B);
	const struct quic_initial q
		= {.dcid = ID_B, .scid = ID_CLIENT, .token = RETRY_TOKEN, .pn = 1};
	for (unsigned v = 0; v < 4; v++) {
		bool half = v & 1, unseen = v & 2;
		start(small());
		make_quic("retry.example");
		quic(0, 0, half ? message.len / 2 : message.len);
		if (!unseen)
			quic_retry();
		plain.len = 0;
		put_crypto(&plain, 0, message.b, message.len);
		quic_add_initial(&fs, &k, &q, &plain);
		finish();
		expect_records(1);
		expect_whole(0, "retry.example");
		assert_int_equal(seen[0].number, 1);
		expect_counter(HT_CTR_DATAGRAM_QUIC_NO_KEY, 0);
	}
}

// --- why a hello is not whole
// ---------------------------------------------------------------------

static const uint8_t ssl2_hello[] = {
	// RFC 5246 E.2: 9 + 6 + 16 bytes, version 0.2, two cipher kinds, a challenge of 16
	0x80, 31, 1, 0, 2, 0, 6, 0, 0, 0,  16, 1,  0,  0x80, 7,	 0,  0xc0,
	1,    2,  3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,   15, 16,
};

static void half_an_ssl2_hello(void **state) {
	(void)state;
	static const size_t cuts[] = {11, 17, 23, sizeof(ssl2_hello) - 1};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cuts); i++) {
		start(small());
		syn(ISN);
		segment(ISN + 1, ssl2_hello, cuts[i]);
		finish();
		expect_records(1);
		expect_incomplete(0, "end_of_capture");
		assert_int_equal(seen[0].len, sizeof(ssl2_hello) - 2);
		// With its second part.
		start(small());
		syn(ISN);
		segment(ISN + 1, ssl2_hello, cuts[i]);
		segment(ISN + 1 + (uint32_t)cuts[i], ssl2_hello + cuts[i],
			sizeof(ssl2_hello) - cuts[i]);
		finish();
		expect_records(1);
		assert_true(seen[0].complete);
		assert_int_equal(seen[0].segments, 2);
		assert_int_equal(seen[0].len, sizeof(ssl2_hello) - 2);
	}
}

static void lost_segment(void **state) {
	(void)state;
	static const uint8_t zeros[1400];
	for (unsigned v = 0; v < 4; v++) {
		bool with_syn = v & 1, upload = v & 2;
		start(small());
		make_long("gap.example", 2000);
		if (with_syn)
			syn(ISN);
		piece(0, 700);
		piece(1400, record.len - 1400); // 700 bytes are missing
		for (unsigned i = 0; upload && i < 60; i++)
			segment(ISN + 1 + (uint32_t)record.len + 1400 * i, zeros, sizeof(zeros));
		feed();
		if (upload) // told at once, not at the end
			expect_records(1);
		finish();
		expect_records(1);
		expect_incomplete(0, "gap");
		assert_true(seen[0].has_len);
		assert_int_equal(seen[0].len, message.len);
		assert_string_equal(seen[0].sni, "gap.example");
	}
}

// Sends a part of a hello, with a hole in it or without, from its own port each.
static void begin_hellos(unsigned num, bool hole) {
	for (unsigned i = 0; i < num; i++) {
		fs.client_port = (uint16_t)(41000 + i);
		piece(0, 100);
		if (hole)
			piece(150, 50);
	}
}

static void begin_quic_hellos(unsigned num, bool undecryptable) {
	for (unsigned i = 0; i < num; i++) {
		fs.client_port = (uint16_t)(41000 + i);
		quic(1, 0, 60);
		if (undecryptable)
			quic_sealed_wrong(2);
	}
}

static void begin_dtls_hellos(unsigned num) {
	for (unsigned i = 0; i < num; i++) {
		fs.client_port = (uint16_t)(41000 + i);
		dtls(0, 0, 60);
	}
}

// What ended a hello wins over what was wrong with it before, unless it only fell silent.
static void reasons(void **state) {
	(void)state;
	struct ht_sensor_params p = small();
	p.max_hellos = 8;
	enum { TCP, TCP_HOLE, QUIC, QUIC_WRONG, DTLS, KINDS };
	static const char *const at_end[KINDS] = {
		[TCP] = "end_of_capture", [TCP_HOLE] = "gap",	     [QUIC] = "end_of_capture",
		[QUIC_WRONG] = "decrypt", [DTLS] = "end_of_capture",
	};
	static const char *const idle[KINDS] = {
		[TCP] = "idle",		  [TCP_HOLE] = "gap", [QUIC] = "idle",
		[QUIC_WRONG] = "decrypt", [DTLS] = "idle",
	};
	for (unsigned kind = 0; kind < KINDS; kind++)
		for (unsigned silent = 0; silent < 3; silent++) {
			start(p);
			if (kind == TCP || kind == TCP_HOLE) {
				make_long("r.example", 200);
				begin_hellos(9, kind == TCP_HOLE);
			} else if (kind == DTLS) {
				make_dtls("r.example", 0);
				begin_dtls_hellos(9);
			} else {
				make_quic("r.example");
				begin_quic_hellos(9, kind == QUIC_WRONG);
			}
			feed();
			expect_records(1); // the pool has 8
			expect_incomplete(0, "evicted");
			assert_int_equal(seen[0].src_port, 41000);
			expect_counter(HT_CTR_HELLOS_EVICTED, 1);
			const int64_t too_long = 1700000000 + (int64_t)p.hello_idle_s + 1;
			if (silent == 1) { // as another frame tells
				fs.client_port = 1;
				segment(1, "x", 1);
				at_second(too_long);
				feed();
				expect_records(9);
			} else if (silent == 2) { // as the clock tells
				ht_sensor_tick(sensor, (too_long - 2) * 1000000000);
				expect_records(1);
				ht_sensor_tick(sensor, too_long * 1000000000);
				expect_records(9);
			}
			finish();
			expect_records(9);
			for (unsigned i = 1; i < 9; i++) {
				expect_incomplete(i, silent ? idle[kind] : at_end[kind]);
				assert_int_equal(seen[i].src_port, 41000 + i);
			}
		}
}

// The length is in bytes 1 to 3 of the handshake message.
static void hello_len_when_known(void **state) {
	(void)state;
	for (size_t n = 1; n <= 12; n++) {
		start(small());
		make_tls("len.example");
		syn(ISN);
		piece(0, n);
		finish();
		if (n < 6) { // no byte of the message
			expect_records(0);
			continue;
		}
		expect_records(1);
		expect_incomplete(0, "end_of_capture");
		assert_int_equal(seen[0].has_len, n >= 9);
		if (seen[0].has_len)
			assert_int_equal(seen[0].len, message.len);
	}
	for (size_t n = 1; n <= 8; n++) {
		start(small());
		make_quic("len.example");
		quic(1, 0, n);
		finish();
		expect_records(1);
		assert_int_equal(seen[0].has_len, n >= 4);
		if (seen[0].has_len)
			assert_int_equal(seen[0].len, message.len);
	}
}

// --- time
// -----------------------------------------------------------------------------------------

// Captures are read one after the other. The second may be older.
static void an_older_capture(void **state) {
	(void)state;
	start(small());
	make_tls("old.example");
	fs.client_port = 1;
	piece(0, 60);
	at_second(2000000000);
	for (unsigned i = 0; i < 3; i++) {
		fs.client_port = (uint16_t)(2 + i);
		piece(0, 60);
		at_second(1700000000 + 1000 * i);
	}
	feed();
	expect_records(3); // as each next one comes
	finish();
	expect_records(4);
	for (unsigned i = 0; i < 4; i++) {
		expect_incomplete(i, i < 3 ? "idle" : "end_of_capture");
		assert_int_equal(seen[i].src_port, 1 + i);
	}
	// And a hello whose parts are close in time is put together in it.
	start(small());
	fs.client_port = 1;
	piece(0, 60);
	at_second(2000000000);
	fs.client_port = 2;
	piece(0, 60);
	at_second(1700000000);
	piece(60, record.len - 60);
	at_second(1700000100);
	finish();
	expect_records(2);
	expect_whole(1, "old.example");
}

// A capture may say anything; UBSan looks on.
static void time_stamps_at_the_limits(void **state) {
	(void)state;
	static const int64_t ts[]
		= {INT64_MIN, INT64_MAX, 0, -1, INT64_MAX, INT64_MIN, INT64_MIN + 1};
	start(small());
	for (unsigned i = 0; i < HT_ARRAY_LEN(ts); i++) {
		fs.client_port = (uint16_t)(41000 + i);
		make_tls("time.example");
		piece(0, 60); // a part
		last()->ts = ts[i];
		fs.client_port = (uint16_t)(42000 + i);
		piece(0, record.len); // the whole
		last()->ts = ts[i];
		make_dtls("time.example", 0);
		dtls(0, 0, 60);
		last()->ts = ts[i];
		make_quic("time.example");
		quic(1, 0, 60);
		last()->ts = ts[i];
		fs.client_port = 40000; // always the same flow
		piece(0, 60);
		last()->ts = ts[i];
		fragment_ipv6(i, 17, 0, true, &record, 96);
		last()->ts = ts[i];
	}
	finish();
	unsigned whole = 0;
	for (unsigned i = 0; i < num_seen; i++)
		whole += seen[i].complete;
	assert_int_equal(whole, HT_ARRAY_LEN(ts));
}

// --- what is full
// ---------------------------------------------------------------------------------

// The oldest of more hellos than there is room for are given up, the newest live.
static void more_hellos_than_the_pool(void **state) {
	(void)state;
	struct ht_sensor_params p = small();
	p.max_hellos = 8;
	p.max_flows = 4096;
	start(p);
	make_tls("pool.example");
	begin_hellos(20, false);
	feed();
	expect_records(12);
	for (unsigned i = 0; i < 12; i++) {
		expect_incomplete(i, "evicted");
		assert_int_equal(seen[i].src_port, 41000 + i);
	}
	for (unsigned i = 12; i < 20; i++) {
		fs.client_port = (uint16_t)(41000 + i);
		piece(100, record.len - 100);
	}
	finish();
	expect_records(20);
	for (unsigned i = 12; i < 20; i++) {
		expect_whole(i, "pool.example");
		assert_int_equal(seen[i].src_port, 41000 + i);
	}
	// The oldest is the one that was silent for the longest time, not the first.
	start(p);
	begin_hellos(8, false);
	fs.client_port = 41000;
	piece(100, 20);
	fs.client_port = 42000;
	piece(0, 100);
	feed();
	expect_records(1);
	assert_int_equal(seen[0].src_port, 41001);
	finish();
	expect_records(9);
}

static void flow_table_full(void **state) {
	(void)state;
	const int64_t second = 1700000000;
	struct ht_sensor_params p = small();
	p.max_flows = 8; // one bucket
	start(p);
	make_tls("flows.example");
	for (unsigned i = 0; i < 10; i++) {
		fs.client_port = (uint16_t)(41000 + i);
		piece(0, 100);
		at_second(second + i);
	}
	feed();
	expect_records(2);
	for (unsigned i = 0; i < 2; i++) {
		expect_incomplete(i, "evicted");
		assert_int_equal(seen[i].src_port, 41000 + i);
	}
	expect_counter(HT_CTR_FLOWS_EVICTED, 2);
	for (unsigned i = 2; i < 10; i++) {
		fs.client_port = (uint16_t)(41000 + i);
		piece(100, record.len - 100);
		at_second(second + 10 + i);
	}
	feed();
	expect_records(10);
	for (unsigned i = 2; i < 10; i++)
		expect_whole(i, "flows.example");
	// Flows that gave a hello go first, and nothing is lost with them.
	for (unsigned i = 0; i < 8; i++) {
		fs.client_port = (uint16_t)(42000 + i);
		piece(0, 100);
		at_second(second + 30 + i);
	}
	for (unsigned i = 0; i < 8; i++) {
		fs.client_port = (uint16_t)(42000 + i);
		piece(100, record.len - 100);
		at_second(second + 40 + i);
	}
	finish();
	expect_records(18);
	for (unsigned i = 10; i < 18; i++)
		expect_whole(i, "flows.example");
	expect_counter(HT_CTR_FLOWS_EVICTED, 2);
	expect_counter(HT_CTR_FLOW_HELLO, 16);
}

// Three records of up to 16000 bytes around a message.
static void make_arena_hello(void) {
	make_long("arena.example", 45000);
	record.len = 0;
	for (size_t at = 0; at < message.len; at += 16000)
		put_record(
			&record, 22, message.b + at,
			message.len - at < 16000 ? message.len - at : 16000
		);
}

static void arena_full(void **state) {
	(void)state;
	enum { NUM = 60, THERE = 40000 };
	struct ht_sensor_params p = small();
	p.max_flows = 4096;
	p.max_hellos = 100;
	start(p);
	make_arena_hello();
	for (unsigned i = 0; i < NUM; i++) {
		fs.client_port = (uint16_t)(41000 + i);
		piece(0, THERE);
	}
	feed();
	unsigned gone = num_seen;
	// 60 times 40000 bytes do not fit into the arena, some do.
	assert_in_range(gone, NUM - (1u << 20) / THERE, NUM - 4);
	expect_counter(HT_CTR_HELLOS_EVICTED, gone);
	for (unsigned i = 0; i < gone; i++) {
		expect_incomplete(i, "evicted");
		assert_int_equal(seen[i].src_port, 41000 + i);
		assert_int_equal(seen[i].len, message.len);
	}
	for (unsigned i = NUM - 1; i >= gone; i--) { // the newest first
		fs.client_port = (uint16_t)(41000 + i);
		piece(THERE, record.len - THERE);
	}
	finish();
	expect_records(NUM);
	for (unsigned i = gone; i < NUM; i++) {
		expect_whole(i, "arena.example");
		assert_int_equal(seen[i].src_port, 41000 + NUM - 1 - (i - gone));
	}
}

// --- bursts and frames
// ----------------------------------------------------------------------------

// A bit of everything, many connections at a time.
static void mixed_capture(void) {
	static const uint8_t arp[28];
	static struct bytes o;
	for (unsigned i = 0; i < 12; i++) {
		uint16_t port = (uint16_t)(41000 + 10 * i);
		make_tls("mixed.example");
		fs.client_port = port; // whole
		syn(ISN);
		piece(0, record.len);
		fs.client_port = port + 1; // cut, the second part first
		syn(ISN);
		piece(100, record.len - 100);
		fs.client_port = port + 2; // half of it only
		syn(ISN);
		piece(0, 100);
		fs.client_port = port + 1;
		piece(0, 100);
		fs.client_port = port + 3; // behind STARTTLS
		segment(ISN + 1, "EHLO a\r\nSTARTTLS\r\n", 18);
		segment(ISN + 19, record.b, record.len);
		segment(ISN + 19 + (uint32_t)record.len, record.b, record.len);
		fs.client_port = port + 4; // no TLS
		segment(ISN, "GET / HTTP/1.1\r\n\r\n", 18);
		o.len = 0;
		put(&o, "\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x08\x06", 14);
		put(&o, arp, sizeof(arp));
		frame_add(&fs, &o);
		make_dtls("mixed.example", 0);
		fs.client_port = port + 5;
		dtls(0, 60, body.len - 60);
		make_quic("mixed.example");
		fs.client_port = port + 6;
		quic(1, 0, 60);
		quic(2, 60, message.len - 60);
		fs.client_port = port + 7;
		quic(1, 10, 60);
		fs.client_port = 40000; // always the same ports: another connection
		make_tls("reused.example");
		syn(ISN + i * 0x10000000);
		segment(ISN + i * 0x10000000 + 1, record.b, record.len);
		fragment_ipv6(i, 17, 0, true, &record, 96);
		fragment_ipv6(i, 17, 96, false, &record, record.len - 96);
	}
}

static void bursts(void **state) {
	(void)state;
	static const unsigned sizes[] = {1, 31, 32, 33, 4096};
	static struct seen first[MAX_SEEN];
	static uint64_t counters[HT_NUM_CTRS];
	unsigned num_first = 0;
	mixed_capture();
	assert_true(fs.num > 200);
	for (unsigned i = 0; i < HT_ARRAY_LEN(sizes); i++) {
		struct ht_sensor_params p = small();
		p.max_hellos = 12; // fewer than there are
		start(p);
		for (unsigned at = 0; at < fs.num; at += sizes[i])
			ht_sensor_run(
				sensor, fs.f + at, fs.num - at < sizes[i] ? fs.num - at : sizes[i]
			);
		unsigned n = fs.num;
		fs.num = 0; // kept for the next turn
		finish();
		fs.num = n;
		if (i == 0) {
			num_first = num_seen;
			memcpy(first, seen, sizeof(seen));
			memcpy(counters, ht_sensor_counters(sensor), sizeof(counters));
			assert_true(num_seen > 60);
			assert_true(counter(HT_CTR_HELLO_EVICTED) > 0);
			continue;
		}
		expect_records(num_first);
		for (unsigned k = 0; k < num_seen; k++) {
			assert_int_equal(seen[k].all_len, first[k].all_len);
			assert_memory_equal(seen[k].all, first[k].all, first[k].all_len);
		}
		assert_memory_equal(ht_sensor_counters(sensor), counters, sizeof(counters));
	}
}

static void frame_counters(void **state) {
	(void)state;
	static struct bytes o;
	static const enum ht_ledger once[] = {
		HT_CTR_FRAME_TCP,      HT_CTR_FRAME_UDP,       HT_CTR_FRAME_NOT_IP,
		HT_CTR_FRAME_OTHER_L4, HT_CTR_FRAME_TRUNCATED, HT_CTR_FRAME_MALFORMED,
		HT_CTR_FRAME_LINKTYPE,
	};
	static const uint8_t zeros[28];
	start(small());
	segment(ISN, "x", 1);
	udp_add(&fs, FROM_CLIENT, (const uint8_t *)"x", 1);
	o.len = 0; // ARP
	put(&o, "\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x08\x06", 14);
	put(&o, zeros, sizeof(zeros));
	frame_add(&fs, &o);
	put_ipv4(&o, FROM_CLIENT, 1, 8); // ICMP
	put(&o, zeros, 8);
	frame_add(&fs, &o);
	segment(ISN, "x", 1);
	snap(14 + 20 + 10); // inside the TCP header
	put_ipv4(&o, FROM_CLIENT, 6, 20);
	o.b[14] = 0x44; // a header of 16 bytes
	put(&o, zeros, 20);
	frame_add(&fs, &o);
	segment(ISN, "x", 1);
	last()->linktype = 65000;
	uint64_t bytes = 0;
	for (unsigned i = 0; i < fs.num; i++)
		bytes += fs.f[i].len;
	finish();
	expect_records(0);
	expect_counter(HT_CTR_FRAMES, HT_ARRAY_LEN(once));
	for (unsigned i = 0; i < HT_ARRAY_LEN(once); i++)
		if (counter(once[i]) != 1)
			fail_msg(
				"frames.%s: %u", ht_ledger[once[i]].name, (unsigned)counter(once[i])
			);
	expect_counter(HT_CTR_PACKETS_BYTES, bytes);
}

// --- carriers
// -------------------------------------------------------------------------------------

// The n bytes at `at` of `record`, which begins with the piece of number 1.
static void openvpn(uint64_t session, unsigned key, uint32_t number, size_t at, size_t n) {
	static struct bytes d;
	const struct openvpn_packet p = {OPENVPN_CONTROL | key, session, 20, 1, number};
	d.len = 0;
	put_openvpn(&d, &p, record.b + at, n);
	udp_add(&fs, FROM_CLIENT, d.b, d.len);
}

static void openvpn_reset(uint64_t session) {
	static struct bytes d;
	const struct openvpn_packet p = {OPENVPN_CLIENT_V2, session, 20, 0, 0};
	d.len = 0;
	put_openvpn(&d, &p, NULL, 0);
	udp_add(&fs, FROM_CLIENT, d.b, d.len);
}

// A Response of EAP-TLS with these bytes of `record`.
static const struct bytes *eap(unsigned id, size_t at, size_t n) {
	static struct bytes d;
	bool more = at + n < record.len;
	const struct eap_packet e = {
		EAP_RESPONSE,
		id,
		EAP_TLS,
		(at == 0 ? EAP_LENGTH : 0) | (more ? EAP_MORE : 0),
		(uint32_t)record.len,
	};
	d.len = 0;
	put_eap(&d, &e, record.b + at, n);
	return &d;
}

static void eapol(unsigned id, size_t at, size_t n) {
	eapol_add(&fs, eap(id, at, n));
}

static void radius(const char *user, unsigned id, size_t at, size_t n) {
	static struct bytes d;
	d.len = 0;
	put_radius(&d, id, user, eap(id, at, n));
	udp_add(&fs, FROM_CLIENT, d.b, d.len);
}

static void openvpn_hello(void **state) {
	(void)state;
	start(small());
	make_tls("vpn.example");
	openvpn_reset(1);
	openvpn(1, 0, 3, 200, record.len - 200);
	openvpn(1, 0, 1, 0, 100);
	openvpn(1, 0, 1, 0, 100);
	expect_records(0);
	openvpn(1, 0, 2, 100, 100);
	openvpn(1, 0, 1, 0, 100); // again, when all is told
	openvpn(1, 0, 3, 200, record.len - 200);
	feed();
	expect_records(1);
	expect_whole(0, "vpn.example");
	assert_string_equal(seen[0].via, "openvpn");
	assert_string_equal(seen[0].transport, "udp");
	assert_string_equal(seen[0].protocol, "tls");
	assert_int_equal(seen[0].segments, 3);
	assert_int_equal(seen[0].number, 1);
	finish();
	expect_records(1);
	expect_counter(HT_CTR_DATAGRAM_OPENVPN, 7);
	expect_counter(HT_CTR_FLOW_HELLO, 1);
}

// The next handshake of a session is the connection's next hello; another session is another
// connection.
static void openvpn_again(void **state) {
	(void)state;
	start(small());
	make_tls("first.example");
	openvpn(1, 0, 1, 0, record.len);
	make_tls("renegotiated.example");
	openvpn(1, 1, 1, 0, 200);
	openvpn(1, 1, 2, 200, record.len - 200);
	make_tls("restarted.example");
	openvpn_reset(2);
	openvpn(2, 0, 1, 0, record.len);
	finish();
	expect_records(3);
	expect_whole(0, "first.example");
	expect_whole(1, "renegotiated.example");
	expect_whole(2, "restarted.example");
	assert_int_equal(seen[0].number, 1);
	assert_int_equal(seen[1].number, 2);
	assert_int_equal(seen[2].number, 1);
	expect_counter(HT_CTR_FLOWS_BEGUN, 2);
}

// The client was started anew before its hello was through.
static void openvpn_restarted_in_hello(void **state) {
	(void)state;
	start(small());
	make_tls("lost.example");
	openvpn(1, 0, 1, 0, 100);
	openvpn(1, 0, 3, 200, 50);
	make_tls("new.example");
	openvpn(2, 0, 1, 0, 100);
	openvpn(1, 0, 2, 100, 100); // of the old session
	openvpn(2, 0, 2, 100, record.len - 100);
	finish();
	expect_records(2);
	expect_incomplete(0, "gap");
	expect_whole(1, "new.example");
}

// After a HelloRetryRequest: the random is the same, the rest is not (RFC 8446 4.1.2).
static void carried_second_hello(void **state) {
	(void)state;
	uint8_t random[32];
	for (unsigned carrier = 0; carrier < 3; carrier++) {
		start(small());
		for (unsigned i = 0; i < 2; i++) {
			make_tls(i == 0 ? "first.example" : "second.example");
			if (i == 0)
				memcpy(random, record.b + 11, 32);
			else
				memcpy(record.b + 11, random, 32);
			if (carrier == 0)
				openvpn(1, 0, 1 + i, 0, record.len);
			else if (carrier == 1)
				eapol(4 + i, 0, record.len);
			else
				radius("user", 4 + i, 0, record.len);
		}
		finish();
		expect_records(2);
		expect_whole(0, "first.example");
		expect_whole(1, "second.example");
		assert_int_equal(seen[0].number, 1);
		assert_int_equal(seen[1].number, 2);
		expect_counter(HT_CTR_FLOWS_BEGUN, 1);
	}
}

// Over TCP a control packet is taken when it is all there; when it will not be, what is there of it
// has begun a hello.
static void openvpn_over_tcp_in_part(void **state) {
	(void)state;
	static struct bytes d;
	const struct openvpn_packet reset = {OPENVPN_CLIENT_V2, 1, 0, 0, 0},
				    control = {OPENVPN_CONTROL, 1, 0, 1, 1};
	for (unsigned cut = 0; cut < 3; cut++) {
		start(small());
		make_tls("part.example");
		d.len = 0;
		put16(&d, 14);
		put_openvpn(&d, &reset, NULL, 0);
		syn(ISN);
		segment(ISN + 1, d.b, d.len);
		uint32_t seq = ISN + 1 + (uint32_t)d.len;
		d.len = 0;
		put16(&d, 26 + (unsigned)record.len);
		put_openvpn(&d, &control, record.b, record.len);
		if (cut == 0) {
			segment(seq, d.b, d.len - 20);
		} else {
			// The end is late, and behind it something was cut.
			segment(seq, d.b, d.len - 20);
			if (cut == 2)
				segment(seq + (uint32_t)d.len, noise, 100);
			else
				segment(seq + (uint32_t)d.len - 20, d.b + d.len - 20, 20);
			snap(last()->caplen - 10);
			if (cut == 2)
				segment(seq + (uint32_t)d.len - 20, d.b + d.len - 20, 20);
		}
		finish();
		expect_records(1);
		if (cut == 2)
			expect_whole(0, "part.example");
		else
			expect_incomplete(0, cut == 0 ? "end_of_capture" : "snaplen");
	}
}

// The server's side gives nothing and holds nothing, whatever comes first.
static void openvpn_server(void **state) {
	(void)state;
	static struct bytes d;
	start(small());
	make_tls("client.example");
	for (unsigned i = 0; i < 2; i++) {
		struct openvpn_packet p = {OPENVPN_CONTROL, 9, 20, 1, 1};
		d.len = 0;
		put_openvpn(
			&d, &p, (const uint8_t *)"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", 11
		);
		udp_add(&fs, FROM_SERVER, d.b, d.len);
		for (p.number = 2; p.number < 30; p.number++) {
			d.len = 0;
			put_openvpn(&d, &p, noise, 100);
			udp_add(&fs, FROM_SERVER, d.b, d.len);
		}
		if (i == 0)
			openvpn(1, 0, 1, 0, record.len);
	}
	finish();
	expect_records(1);
	expect_whole(0, "client.example");
}

static void openvpn_encrypted(void **state) {
	(void)state;
	static struct bytes d;
	start(small());
	for (unsigned i = 0; i < 3; i++) {
		d.len = 0;
		put_tls_crypt(
			&d, i == 0 ? OPENVPN_CLIENT_V2 : OPENVPN_CONTROL, 1 + i, 37 + 100 * i
		);
		udp_add(&fs, FROM_CLIENT, d.b, d.len);
	}
	finish();
	expect_records(0);
	expect_counter(HT_CTR_DATAGRAM_TLS_CRYPT, 3);
	expect_counter(HT_CTR_EVENTS_ENCRYPTED, 1); // not for each packet
}

static void eapol_hello(void **state) {
	(void)state;
	start(small());
	make_tls("eap.example");
	eapol(255, 0, 90);
	eapol(255, 0, 90); // sent again
	eapol(0, 90, 90); // the Identifier wraps
	eapol(1, 180, record.len - 180);
	eapol(1, 180, record.len - 180);
	eapol(255, 0, 90);
	finish();
	expect_records(1);
	expect_whole(0, "eap.example");
	assert_string_equal(seen[0].transport, "eapol");
	assert_string_equal(seen[0].via, "eapol");
	assert_int_equal(seen[0].segments, 3);
	expect_counter(HT_CTR_FRAME_EAPOL, 6);
	expect_counter(HT_CTR_DATAGRAMS, 0);
}

// The same peer logs on again: another hello, whatever its Identifiers are.
static void eapol_again(void **state) {
	(void)state;
	for (unsigned id = 7; id < 14; id++) {
		start(small());
		make_tls("morning.example");
		eapol(7, 0, 100);
		eapol(8, 100, record.len - 100);
		make_tls("evening.example");
		eapol(id, 0, 100);
		eapol(id + 1, 100, record.len - 100);
		finish();
		expect_records(2);
		expect_whole(0, "morning.example");
		expect_whole(1, "evening.example");
		assert_int_equal(seen[1].number, 1);
	}
}

static void carried_gap(void **state) {
	(void)state;
	for (unsigned carrier = 0; carrier < 3; carrier++)
		for (unsigned lost = 1; lost < 3; lost++) {
			start(small());
			make_tls("gap.example");
			for (unsigned i = 0; i < 4; i++) {
				size_t n = i < 3 ? 50 : record.len - 150;
				if (i == lost)
					continue;
				if (carrier == 0)
					openvpn(1, 0, 1 + i, 50 * i, n);
				else if (carrier == 1)
					eapol(9 + i, 50 * i, n);
				else
					radius("user", 9 + i, 50 * i, n);
			}
			finish();
			expect_records(1);
			expect_incomplete(0, "gap");
			assert_true(seen[0].has_len);
			assert_int_equal(seen[0].segments, lost);
		}
	// What goes on behind a lost piece tells so before the end.
	start(small());
	make_long("gap.example", 3000);
	eapol(0, 0, 100);
	for (unsigned i = 2; i < 25; i++)
		eapol(i, 100 * i, 100);
	feed();
	expect_records(1);
	expect_incomplete(0, "gap");
	finish();
	expect_records(1);
}

static void carried_reasons(void **state) {
	(void)state;
	start(small()); // the message ends before the hello does
	make_tls("short.example");
	record.len -= 10;
	eapol(1, 0, 100);
	eapol(2, 100, record.len - 100);
	finish();
	expect_records(1);
	expect_incomplete(0, "malformed");

	struct ht_sensor_params p = small();
	p.max_hello_bytes = 2000;
	start(p);
	make_long("long.example", 3000);
	eapol(1, 0, 500);
	eapol(2, 500, 500);
	finish();
	expect_records(1);
	expect_incomplete(0, "limit");

	start(small());
	make_tls("snap.example");
	openvpn(1, 0, 1, 0, record.len);
	snap(last()->caplen - 10);
	finish();
	expect_records(1);
	expect_incomplete(0, "snaplen");

	start(small()); // what is behind the bytes cut does not take their place
	make_tls("snap.example");
	openvpn(1, 0, 1, 0, 50);
	openvpn(1, 0, 3, 100, record.len - 100);
	openvpn(1, 0, 2, 50, 50);
	snap(last()->caplen - 10);
	finish();
	expect_records(1);
	expect_incomplete(0, "snaplen");
	assert_int_equal(seen[0].segments, 2);

	start(small());
	make_tls("snap.example");
	radius("user", 1, 0, record.len);
	snap(last()->caplen - 40);
	finish();
	expect_records(1);
	expect_incomplete(0, "snaplen");

	start(small());
	make_tls("idle.example");
	openvpn(1, 0, 1, 0, 100);
	at_second(1000);
	segment(1, "x", 1);
	at_second(2000);
	feed();
	expect_records(1);
	expect_incomplete(0, "idle");
	finish();

	start(small());
	make_tls("open.example");
	radius("user", 1, 0, 100);
	finish();
	expect_records(1);
	expect_incomplete(0, "end_of_capture");
}

// Conversations on one port are told apart by whom they are about; one may be on several ports.
static void radius_conversations(void **state) {
	(void)state;
	static const char *const users[] = {"anna", "bert", "cleo"};
	start(small());
	for (unsigned part = 0; part < 4; part++)
		for (unsigned u = 0; u < 3; u++) {
			char sni[30];
			snprintf(sni, sizeof(sni), "%s.example", users[u]);
			rng = (struct rng){u};
			make_tls(sni);
			size_t n = part < 3 ? 50 : record.len - 150;
			fs.client_port = (uint16_t)(40000 + part);
			radius(users[u], 10 * u + part, 50 * part, n);
			radius(users[u], 10 * u + part, 50 * part, n); // sent again
		}
	finish();
	expect_records(3);
	for (unsigned u = 0; u < 3; u++) {
		char sni[30];
		snprintf(sni, sizeof(sni), "%s.example", users[u]);
		expect_whole(u, sni);
		assert_string_equal(seen[u].via, "radius");
		assert_string_equal(seen[u].transport, "udp");
		assert_int_equal(seen[u].segments, 4);
		assert_int_equal(seen[u].src_port, 40003);
	}
	expect_counter(HT_CTR_DATAGRAM_RADIUS, 24);
	expect_counter(HT_CTR_FLOWS_BEGUN, 3);
}

// More conversations than there are places: the oldest gives its record and its place.
static void carried_evicted(void **state) {
	(void)state;
	start(small());
	make_tls("many.example");
	for (unsigned i = 0; i < 40; i++) {
		char user[10];
		snprintf(user, sizeof(user), "user%u", i);
		radius(user, 1, 0, 100);
	}
	finish();
	expect_records(40);
	for (unsigned i = 0; i < 40; i++)
		expect_incomplete(i, i < 24 ? "evicted" : "end_of_capture");
	expect_counter(HT_CTR_HELLOS_EVICTED, 24);
}

// Fragments of other messages, of conversations whose beginning was not seen, hold little and say
// nothing.
static void eapol_mid_conversation(void **state) {
	(void)state;
	start(small());
	make_long("never.example", 5000);
	for (unsigned i = 5; i < 50; i++)
		eapol(i, 100 * i, 100);
	finish();
	expect_records(0);
}

// --------------------------------------------------------------------------------------------------

static int set_up(void **state) {
	(void)state;
	crypto = ht_crypto_new();
	if (crypto == NULL)
		return -1;
	salt_v1 = ht_initial_salt_new(crypto, quic_v1_salt, HT_LABELS_QUIC);
	salt_q050 = ht_initial_salt_new(crypto, q050_salt, HT_LABELS_QUIC);
	return salt_v1 != NULL && salt_q050 != NULL ? 0 : -1;
}

static int tear_down(void **state) {
	(void)state;
	ht_initial_salt_free(salt_v1);
	ht_initial_salt_free(salt_q050);
	ht_crypto_free(crypto);
	return 0;
}

static int begin_case(void **state) {
	(void)state;
	rng = (struct rng){9};
	num_started = 0;
	return 0;
}

static int end_case(void **state) {
	(void)state;
	ht_sensor_free(sensor);
	sensor = NULL;
	frames_clear(&fs);
	return 0;
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin_case, end_case)
	const struct CMUnitTest tests[] = {
		CASE(spoofed_syn),
		CASE(keep_alive_before_the_hello),
		CASE(late_syn_decides),
		CASE(second_part_first),
		CASE(mid_stream_cost),
		CASE(port_reuse),
		CASE(played_again),
		CASE(played_again_without_syn),
		CASE(acknowledgements_between),
		CASE(sent_again_behind_rst),
		CASE(begins_behind_the_end_of_another),
		CASE(both_sides_of_a_firewall),
		CASE(handshake_under_keys),
		CASE(fast_open_again),
		CASE(half_then_played_again),
		CASE(udp_played_again),
		CASE(both_sides_begin),
		CASE(hello_retry_request),
		CASE(via_of_a_second_hello),
		CASE(service_of_the_port),
		CASE(huge_segment_behind_a_hello),
		CASE(longer_than_the_cap),
		CASE(cut_by_the_snap_length),
		CASE(second_association),
		CASE(half_then_the_next_message),
		CASE(next_header_of_later_fragments),
		CASE(gquic_hello_again),
		CASE(first_crypto_beyond_the_cap),
		CASE(crypto_without_a_hello),
		CASE(packets_behind_a_quic_hello),
		CASE(retry_keys),
		CASE(half_an_ssl2_hello),
		CASE(lost_segment),
		CASE(reasons),
		CASE(hello_len_when_known),
		CASE(an_older_capture),
		CASE(time_stamps_at_the_limits),
		CASE(more_hellos_than_the_pool),
		CASE(flow_table_full),
		CASE(arena_full),
		CASE(bursts),
		CASE(frame_counters),
		CASE(openvpn_hello),
		CASE(openvpn_again),
		CASE(openvpn_restarted_in_hello),
		CASE(carried_second_hello),
		CASE(openvpn_over_tcp_in_part),
		CASE(openvpn_server),
		CASE(openvpn_encrypted),
		CASE(eapol_hello),
		CASE(eapol_again),
		CASE(carried_gap),
		CASE(carried_reasons),
		CASE(radius_conversations),
		CASE(carried_evicted),
		CASE(eapol_mid_conversation),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
