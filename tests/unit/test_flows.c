// SPDX-License-Identifier: BSD-3-Clause
// Flow records: what is counted, when a flow is told and why, what is told with it. That the counts
// are those of tshark is tests/system/test_flow_sums.py.

#include "t.h"
#include "t_pcap.h"
#include "wire.h"

#define SECOND 1000000000ll
#define T0 (1700000000ll * SECOND)
#define MAX_TOLD 6000
#define MAX_DIGEST 4096

struct told {
	char reason[12], sni[64], version[12], alert[32], service[20], protocol[8];
	bool has_sni, refused, resumed, hrr, client_cert;
	unsigned part, hellos, incomplete, c2s_flags, s2c_flags, cert_count, cipher;
	uint16_t src_port, dst_port;
	int64_t start, end;
	uint64_t us, packets[2], bytes[2], ip_bytes[2]; // from client, from server
	uint8_t chain[4]; // how it begins
	size_t chain_len, len;
	uint8_t digest[MAX_DIGEST]; // every field
};

static struct told told[MAX_TOLD];
static unsigned num_told, num_hellos;
static struct ht_sensor *sensor;
static uint32_t idle_s;
static struct frames fs;
static struct bytes body, message, record;
static struct rng rng;
static int64_t now; // of the next frame

#define SYN HT_TCP_SYN
#define ACK HT_TCP_ACK
#define FIN HT_TCP_FIN
#define RST HT_TCP_RST

static void text(char *out, size_t size, struct ht_span s) {
	snprintf(out, size, "%.*s", (int)s.len, (const char *)s.p);
}

static void on_record(void *user, struct ht_record *r) {
	static struct bytes o;
	(void)user;
	if (strcmp(r->record, "hello") == 0)
		num_hellos++;
	if (strcmp(r->record, "flow") != 0)
		return;
	assert_true(num_told < MAX_TOLD);
	struct told *t = &told[num_told++];
	memset(t, 0, sizeof(*t));
	// What a record of this kind must have, and what it cannot.
	assert_true((r->has & ~ht_kind_fields(HT_KIND_FLOW)) == 0);
	assert_false(r->has & HT_HAS(frame));
	const bool idle = strcmp(r->end_reason, "idle") == 0;
	assert_int_equal(r->ts, r->end + (idle ? idle_s * SECOND : 0));
	snprintf(t->reason, sizeof(t->reason), "%s", r->end_reason);
	t->has_sni = r->has & HT_HAS(sni);
	if (t->has_sni)
		text(t->sni, sizeof(t->sni), r->sni);
	if (r->has & HT_HAS(service))
		snprintf(t->service, sizeof(t->service), "%s", r->service);
	if (r->has & HT_HAS(protocol))
		snprintf(t->protocol, sizeof(t->protocol), "%s", r->protocol);
	if (r->has & HT_HAS(server_version))
		snprintf(t->version, sizeof(t->version), "%s", r->server_version);
	if (r->has & HT_HAS(alert))
		snprintf(t->alert, sizeof(t->alert), "%s", r->alert);
	t->refused = r->has & HT_HAS(refused);
	t->resumed = r->has & HT_HAS(resumed);
	t->hrr = r->has & HT_HAS(hrr);
	t->client_cert = r->has & HT_HAS(client_cert);
	t->cert_count = r->has & HT_HAS(cert_count) ? r->cert_count : 0;
	t->cipher = r->has & HT_HAS(server_cipher) ? r->server_cipher : 0;
	if (r->has & HT_HAS(cert_count)) {
		t->chain_len = r->cert_chain.len;
		for (size_t i = 0; i < t->chain_len && i < sizeof(t->chain); i++)
			t->chain[i] = r->cert_chain.p[i];
	}
	t->part = r->flow_part;
	t->hellos = (unsigned)r->hellos;
	t->incomplete = (unsigned)r->incomplete_hellos;
	t->c2s_flags = r->has & HT_HAS(c2s_tcp_flags) ? r->c2s_tcp_flags : 0;
	t->s2c_flags = r->has & HT_HAS(s2c_tcp_flags) ? r->s2c_tcp_flags : 0;
	t->src_port = r->src_port;
	t->dst_port = r->dst_port;
	t->start = r->start;
	t->end = r->end;
	t->us = r->duration_us;
	t->packets[0] = r->c2s_packets;
	t->packets[1] = r->s2c_packets;
	t->bytes[0] = r->c2s_bytes;
	t->bytes[1] = r->s2c_bytes;
	t->ip_bytes[0] = r->c2s_ip_bytes;
	t->ip_bytes[1] = r->s2c_ip_bytes;
	o.len = 0;
	digest_record(&o, r, ~(ht_fieldset)0);
	t->len = o.len < MAX_DIGEST ? o.len : MAX_DIGEST; // a flood's certificate is longer
	memcpy(t->digest, o.b, t->len);
}

static struct ht_sensor_params params(uint32_t flows) {
	struct ht_sensor_params p = small_sensor(on_record, NULL);
	p.flows = flows;
	p.flow_bytes = 1u << 20;
	p.max_answers = 64;
	p.answer_bytes = 1u << 20;
	return p;
}

static void start_with(struct ht_sensor_params p) {
	ht_sensor_free(sensor);
	sensor = ht_sensor_new(&p);
	idle_s = p.flow_idle_s;
	assert_non_null(sensor);
	num_told = num_hellos = 0;
	now = T0;
	fs.client_port = 40000;
	fs.server_port = 443;
}

static void start(uint32_t flows) {
	start_with(params(flows));
}

static uint64_t counter(enum ht_ledger c) {
	return ht_sensor_counters(sensor)[c];
}

// The frame that was added last came at `now`.
static void stamp(void) {
	fs.f[fs.num - 1].ts = now;
}

static void feed(void) {
	ht_sensor_run(sensor, fs.f, fs.num);
	frames_clear(&fs);
}

static void tcp(int from, uint32_t seq, unsigned flags, const void *p, size_t n) {
	tcp_add(&fs, from, seq, flags, p, n);
	stamp();
	feed();
}

static void udp(int from, const void *p, size_t n) {
	udp_add(&fs, from, p, n);
	stamp();
	feed();
}

static void finish(void) {
	ht_sensor_finish(sensor);
	assert_null(ht_ledger_balance(ht_sensor_counters(sensor)));
	assert_int_equal(counter(HT_CTR_FLOWS_ENDED), counter(HT_CTR_FLOWS_BEGUN));
	assert_int_equal(
		counter(HT_CTR_ANSWERS_OVER) + counter(HT_CTR_ANSWERS_FLOW_ENDED)
			+ counter(HT_CTR_ANSWERS_EVICTED),
		counter(HT_CTR_ANSWERS_BEGUN)
	);
}

static void make_hello(const char *sni) {
	const struct hello_shape shape
		= {.sni = sni, .ciphers = 5, .key_share = 32, .extensions = true};
	hello_body(&body, &shape, &rng);
	hello_message(&message, &body);
	record.len = 0;
	put_record(&record, 22, message.b, message.len);
}

// SYN, SYN-ACK, hello.
static void open_tls(const char *sni) {
	make_hello(sni);
	tcp(FROM_CLIENT, 999, SYN, NULL, 0);
	tcp(FROM_SERVER, 4999, SYN | ACK, NULL, 0);
	tcp(FROM_CLIENT, 1000, ACK, record.b, record.len);
}

// Frames of a connection elsewhere, one each tenth of a second until `until`.
static void elsewhere(int64_t until) {
	const uint16_t port = fs.client_port;
	fs.client_port = 9;
	fs.server_port = 9;
	for (; now < until; now += SECOND / 10)
		tcp(FROM_CLIENT, 1, ACK, "x", 1);
	fs.client_port = port;
	fs.server_port = 443;
}

// --- what is counted
// ------------------------------------------------------------------------------

static void both_sides(void **state) {
	(void)state;
	start(HT_FLOWS_TLS);
	open_tls("both.example");
	now += 1500;
	tcp(FROM_SERVER, 5000, ACK, NULL, 0);
	tcp(FROM_SERVER, 5000, ACK, "abcdefg", 7);
	tcp(FROM_CLIENT, 1000 + (uint32_t)record.len, FIN | ACK, NULL, 0);
	tcp(FROM_SERVER, 5007, FIN | ACK | 8, NULL, 0);
	now += 3 * SECOND;
	tcp(FROM_CLIENT, 1001 + (uint32_t)record.len, ACK, NULL, 0);
	finish();
	assert_int_equal(num_told, 1);
	const struct told *t = &told[0];
	assert_string_equal(t->reason, "end");
	assert_string_equal(t->sni, "both.example");
	assert_string_equal(t->protocol, "tls");
	assert_string_equal(t->service, "https");
	assert_int_equal(t->src_port, 40000);
	assert_int_equal(t->part, 1);
	assert_int_equal(t->hellos, 1);
	assert_int_equal(t->incomplete, 0);
	assert_int_equal(t->packets[0], 4);
	assert_int_equal(t->packets[1], 4);
	assert_int_equal(t->bytes[0], 4 * 54 + record.len);
	assert_int_equal(t->bytes[1], 4 * 54 + 7);
	assert_int_equal(t->ip_bytes[0], 4 * 40 + record.len);
	assert_int_equal(t->ip_bytes[1], 4 * 40 + 7);
	assert_int_equal(t->c2s_flags, SYN | ACK | FIN);
	assert_int_equal(t->s2c_flags, SYN | ACK | FIN | 8);
	assert_int_equal(t->start, T0);
	assert_int_equal(t->end, now);
	assert_int_equal(t->us, 3000001);
}

// Without a hello a flow is told when all are asked for. Who is the client: who sent the SYN, else
// the larger port.
static void without_hello(void **state) {
	(void)state;
	for (unsigned all = 0; all < 2; all++) {
		start(all ? HT_FLOWS_ALL : HT_FLOWS_TLS);
		fs.server_port = 65000;
		tcp(FROM_CLIENT, 999, SYN, NULL, 0);
		tcp(FROM_CLIENT, 1000, ACK, "SSH-2.0-x\r\n", 11);
		fs.server_port = 65001;
		tcp(FROM_SERVER, 999, SYN | ACK, NULL, 0);
		fs.server_port = 65002;
		tcp(FROM_CLIENT, 1000, ACK, NULL, 0);
		finish();
		assert_int_equal(counter(HT_CTR_FLOWS_BEGUN), 3);
		assert_int_equal(counter(HT_CTR_NOT_TLS), all ? 0 : 3);
		assert_int_equal(num_told, all ? 3 : 0);
		for (unsigned i = 0; i < num_told; i++) {
			assert_int_equal(told[i].dst_port, i == 2 ? 40000 : 65000 + i);
			assert_string_equal(told[i].reason, "forced");
			assert_int_equal(told[i].hellos, 0);
			assert_string_equal(told[i].protocol, "");
		}
	}
}

static void none_at_all(void **state) {
	(void)state;
	start(HT_FLOWS_NONE);
	open_tls("none.example");
	ht_sensor_finish(sensor);
	assert_null(ht_ledger_balance(ht_sensor_counters(sensor)));
	assert_int_equal(num_told, 0);
	assert_int_equal(num_hellos, 1);
	assert_int_equal(counter(HT_CTR_FLOWS_ENDED), 0);
}

// A capture that begins in the middle: acknowledgements come first.
static void mid_stream(void **state) {
	(void)state;
	start(HT_FLOWS_TLS);
	make_hello("mid.example");
	tcp(FROM_SERVER, 5000, ACK, NULL, 0);
	tcp(FROM_CLIENT, 1000, ACK, NULL, 0);
	tcp(FROM_CLIENT, 1000, ACK, record.b, record.len);
	finish();
	assert_int_equal(num_told, 1);
	assert_int_equal(told[0].packets[0], 2);
	assert_int_equal(told[0].packets[1], 1);
	assert_int_equal(told[0].src_port, 40000);
}

// Each byte of a hello in a segment of its own; one that never comes whole.
static void incomplete(void **state) {
	(void)state;
	start(HT_FLOWS_TLS);
	make_hello("cut.example");
	tcp(FROM_CLIENT, 999, SYN, NULL, 0);
	for (uint32_t i = 0; i < 60; i++)
		tcp(FROM_CLIENT, 1000 + i, ACK, record.b + i, 1);
	finish();
	assert_int_equal(num_told, 1);
	assert_int_equal(told[0].packets[0], 61);
	assert_int_equal(told[0].hellos, 1);
	assert_int_equal(told[0].incomplete, 1);
}

// A datagram in IP fragments counts once, with the length of the whole packet and the frame that
// completed it. A packet whose IP length is left to the network card has that of its frame.
static void ip_lengths(void **state) {
	(void)state;
	static struct bytes o;
	start(HT_FLOWS_ALL);
	for (unsigned i = 0; i < 2; i++) {
		put_ipv4(&o, FROM_CLIENT, 17, i == 0 ? 24 : 16);
		o.b[14 + 4] = 7; // the same packet
		o.b[14 + 6] = i == 0 ? 0x20 : 0; // more come
		o.b[14 + 7] = i == 0 ? 0 : 3; // 24 bytes
		if (i == 0) {
			put_ports(&o, &fs, FROM_CLIENT);
			put16(&o, 40);
			put16(&o, 0);
		}
		put(&o, "0123456789abcdef", 16);
		frame_add(&fs, &o);
		stamp();
		feed();
	}
	fs.client_port++;
	now++;
	tcp_add(&fs, FROM_CLIENT, 1, ACK, (const uint8_t *)"abc", 3);
	stamp();
	uint8_t *ip = (uint8_t *)(uintptr_t)fs.f[0].data + 14;
	ip[2] = ip[3] = 0;
	feed();
	finish();
	assert_int_equal(num_told, 2);
	assert_int_equal(told[0].packets[0], 1);
	assert_int_equal(told[0].bytes[0], 14 + 20 + 16);
	assert_int_equal(told[0].ip_bytes[0], 20 + 40);
	assert_int_equal(told[1].ip_bytes[0], 43);
}

// --- UDP
// ------------------------------------------------------------------------------------------

static const uint8_t dcid[8] = {1, 2, 3, 4, 5, 6, 7, 8};

static void quic_hello(const char *sni) {
	static struct bytes crypto;
	struct ht_crypto *c = ht_crypto_new();
	assert_non_null(c);
	struct ht_initial_salt *salt = ht_initial_salt_new(c, quic_v1_salt, HT_LABELS_QUIC);
	assert_non_null(salt);
	struct ht_initial_keys keys;
	const struct hello_shape shape
		= {.sni = sni, .ciphers = 3, .key_share = 32, .extensions = true, .quic = true};
	ht_initial_derive(c, &keys, salt, HT_INITIAL_CLIENT, HT_SPAN(dcid, sizeof(dcid)));
	hello_body(&body, &shape, &rng);
	hello_message(&message, &body);
	crypto.len = 0;
	put_crypto(&crypto, 0, message.b, message.len);
	quic_add(&fs, &keys, HT_SPAN(dcid, sizeof(dcid)), 0, &crypto);
	stamp();
	ht_initial_salt_free(salt);
	ht_crypto_free(c);
	feed();
}

static void dtls_hello(const char *sni) {
	const struct hello_shape shape
		= {.sni = sni, .ciphers = 3, .key_share = 32, .extensions = true, .dtls = true};
	hello_body(&body, &shape, &rng);
	record.len = 0;
	put_dtls_fragment(&record, &body, 0, 0, body.len, 0);
	udp(FROM_CLIENT, record.b, record.len);
}

// In TLS mode a flow begins with what has proved to be a hello, with all of them it is there
// before: it must not begin anew.
static void udp_flows(void **state) {
	(void)state;
	for (unsigned all = 0; all < 2; all++) {
		for (unsigned dtls = 0; dtls < 2; dtls++) {
			start(all ? HT_FLOWS_ALL : HT_FLOWS_TLS);
			udp(FROM_CLIENT, NULL, 0);
			udp(FROM_SERVER, "\x40 something", 11);
			if (dtls)
				dtls_hello("udp.example");
			else
				quic_hello("udp.example");
			udp(FROM_SERVER, "\x40 something", 11);
			udp(FROM_CLIENT, NULL, 0);
			finish();
			assert_int_equal(counter(HT_CTR_FLOWS_BEGUN), 1);
			assert_int_equal(counter(HT_CTR_FLOW_HELLO), 1);
			assert_int_equal(num_told, 1);
			assert_string_equal(told[0].sni, "udp.example");
			assert_string_equal(told[0].protocol, dtls ? "dtls" : "quic");
			assert_int_equal(told[0].packets[0], all ? 3 : 2);
			assert_int_equal(told[0].packets[1], all ? 2 : 1);
		}
		start(all ? HT_FLOWS_ALL : HT_FLOWS_TLS);
		udp(FROM_CLIENT, "\x12\x34 nothing", 10);
		finish();
		assert_int_equal(num_told, all);
		assert_int_equal(counter(HT_CTR_FLOW_NO_HELLO), all);
	}
}

// What was QUIC, and is silent for too long, is no flow of TLS any more, be it swept or not.
static void udp_behind_silence(void **state) {
	(void)state;
	for (unsigned swept = 0; swept < 2; swept++) {
		start(HT_FLOWS_TLS);
		quic_hello("old.example");
		if (swept)
			elsewhere(now + 310 * SECOND);
		now = T0 + 320 * SECOND;
		udp(FROM_SERVER, "\x40 something", 11);
		quic_hello("new.example");
		finish();
		assert_int_equal(num_told, 2);
		assert_string_equal(told[0].reason, "idle");
		assert_int_equal(told[0].packets[0], 1);
		assert_int_equal(told[0].packets[1], 0);
		assert_string_equal(told[1].sni, "new.example");
		assert_int_equal(told[1].packets[1], 0);
	}
}

// --- when a flow is told
// --------------------------------------------------------------------------

static void parts(void **state) {
	(void)state;
	struct ht_sensor_params p = params(HT_FLOWS_TLS);
	p.flow_active_s = 10;
	start_with(p);
	open_tls("parts.example");
	now = T0 + 10 * SECOND - 1;
	tcp(FROM_SERVER, 5000, ACK, "x", 1);
	now = T0 + 10 * SECOND;
	tcp(FROM_SERVER, 5001, ACK, "x", 1);
	now = T0 + 300 * SECOND;
	tcp(FROM_SERVER, 5002, FIN | ACK, NULL, 0);
	finish();
	assert_int_equal(num_told, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_string_equal(told[i].sni, "parts.example");
		assert_string_equal(told[i].reason, i < 2 ? "active" : "forced");
		assert_int_equal(told[i].part, i + 1);
		assert_int_equal(told[i].packets[0], i == 0 ? 2 : 0);
		assert_int_equal(told[i].packets[1], i == 0 ? 2 : 1);
		assert_int_equal(told[i].hellos, i == 0);
		assert_int_equal(told[i].s2c_flags, i == 0 ? SYN | ACK : i == 1 ? ACK : FIN | ACK);
	}
	assert_int_equal(told[0].end, T0 + 10 * SECOND - 1);
	assert_int_equal(told[1].start, T0 + 10 * SECOND);
	assert_int_equal(counter(HT_CTR_PART_ACTIVE), 2);
}

// A flow that fell silent is told without a packet of its own, and the record is the same as when
// its next packet finds it.
static void idle(void **state) {
	(void)state;
	static struct told swept;
	start(HT_FLOWS_TLS);
	open_tls("idle.example");
	elsewhere(T0 + 300 * SECOND);
	assert_int_equal(num_told, 0);
	elsewhere(T0 + 307 * SECOND);
	assert_int_equal(num_told, 1);
	assert_string_equal(told[0].reason, "idle");
	assert_int_equal(told[0].end, T0);
	swept = told[0];
	finish();
	start(HT_FLOWS_TLS);
	rng.s = 0;
	open_tls("idle.example");
	now = T0 + 301 * SECOND;
	tcp(FROM_CLIENT, 1, ACK, NULL, 0);
	assert_int_equal(num_told, 1);
	assert_int_equal(told[0].packets[0], swept.packets[0]);
	assert_string_equal(told[0].reason, swept.reason);
	finish();
	// On a silent link the host's clock says it.
	start(HT_FLOWS_TLS);
	open_tls("tick.example");
	for (int64_t s = 1; s <= 310; s++)
		ht_sensor_tick(sensor, T0 + s * SECOND);
	assert_int_equal(num_told, 1);
	assert_string_equal(told[0].reason, "idle");
	finish();
}

// A flow whose hello is in progress waits for that, who ever may ask.
static void idle_in_hello(void **state) {
	(void)state;
	struct ht_sensor_params p = params(HT_FLOWS_TLS);
	p.flow_idle_s = 20;
	p.hello_idle_s = 100;
	start_with(p);
	make_hello("waits.example");
	tcp(FROM_CLIENT, 999, SYN, NULL, 0);
	tcp(FROM_CLIENT, 1000, ACK, record.b, 60);
	elsewhere(T0 + 90 * SECOND);
	assert_int_equal(num_hellos, 0);
	assert_int_equal(num_told, 0);
	elsewhere(T0 + 110 * SECOND); // it is looked at each 5 s
	assert_int_equal(num_hellos, 1);
	assert_int_equal(num_told, 1);
	assert_int_equal(told[0].incomplete, 1);
	assert_string_equal(told[0].reason, "idle");
	finish();
}

// Behind both FINs what comes soon belongs to the flow, what comes late is a part by itself.
static void lingering(void **state) {
	(void)state;
	for (unsigned swept = 0; swept < 2; swept++) {
		start(HT_FLOWS_TLS);
		open_tls("linger.example");
		tcp(FROM_CLIENT, 2000, FIN | ACK, NULL, 0);
		tcp(FROM_SERVER, 5000, FIN | ACK, NULL, 0);
		now += 4 * SECOND;
		tcp(FROM_CLIENT, 2001, ACK, NULL, 0);
		if (swept) {
			elsewhere(now + 10 * SECOND);
			assert_int_equal(num_told, 1);
		}
		now = T0 + 20 * SECOND;
		tcp(FROM_CLIENT, 2001, ACK, NULL, 0);
		finish();
		assert_int_equal(num_told, 2);
		assert_string_equal(told[0].reason, "end");
		assert_int_equal(told[0].packets[0], 4);
		assert_int_equal(told[0].end, T0 + 4 * SECOND);
		assert_string_equal(told[1].reason, "end");
		assert_int_equal(told[1].part, 2);
		assert_int_equal(told[1].packets[0], 1);
		assert_false(told[1].has_sni);
	}
}

static void ports_again(void **state) {
	(void)state;
	start(HT_FLOWS_TLS);
	open_tls("first.example");
	tcp(FROM_SERVER, 5000, RST, NULL, 0);
	now += SECOND;
	make_hello("second.example");
	tcp(FROM_CLIENT, 899999, SYN, NULL, 0);
	assert_int_equal(num_told, 1); // before the first packet of the next one is counted
	tcp(FROM_CLIENT, 900000, ACK, record.b, record.len);
	finish();
	assert_int_equal(num_told, 2);
	assert_string_equal(told[0].sni, "first.example");
	assert_string_equal(told[0].reason, "end");
	assert_true(told[0].refused); // the server said nothing but RST
	assert_int_equal(told[0].packets[0] + told[0].packets[1], 4);
	assert_string_equal(told[1].sni, "second.example");
	assert_int_equal(told[1].packets[0], 2);
	assert_false(told[1].refused);
	// A SYN behind a stray RST is another connection's; the same SYN again is not.
	start(HT_FLOWS_ALL);
	tcp(FROM_SERVER, 5000, RST, NULL, 0);
	tcp(FROM_CLIENT, 999, SYN, NULL, 0);
	tcp(FROM_SERVER, 0, RST | ACK, NULL, 0);
	tcp(FROM_CLIENT, 999, SYN, NULL, 0);
	tcp(FROM_SERVER, 4999, SYN | ACK, NULL, 0);
	now += 20 * SECOND;
	tcp(FROM_CLIENT, 1000, ACK, NULL, 0);
	finish();
	assert_int_equal(num_told, 2);
	assert_int_equal(told[1].packets[0], 3);
	assert_int_equal(told[1].packets[1], 2);
}

static void bucket_full(void **state) {
	(void)state;
	struct ht_sensor_params p = params(HT_FLOWS_TLS);
	p.max_flows = 8;
	start_with(p);
	for (unsigned i = 0; i < 30; i++, now += SECOND) {
		fs.client_port = (uint16_t)(40000 + i);
		open_tls("many.example");
	}
	finish();
	assert_int_equal(num_told, 30);
	unsigned resources = 0;
	for (unsigned i = 0; i < 30; i++) {
		resources += strcmp(told[i].reason, "resources") == 0;
		assert_int_equal(told[i].packets[0], 2);
	}
	assert_int_equal(resources, 22);
	assert_int_equal(counter(HT_CTR_TOLD_RESOURCES), 22);
	assert_int_equal(counter(HT_CTR_TOLD_FORCED), 8);
}

// Room for 1024 hellos: the oldest are told early, and go on.
static void store_full(void **state) {
	(void)state;
	struct ht_sensor_params p = params(HT_FLOWS_TLS);
	p.max_flows = 65536;
	start_with(p);
	const unsigned num = 1500;
	for (unsigned i = 0; i < num; i++) {
		fs.client_port = (uint16_t)(1000 + i);
		open_tls("store.example");
	}
	const uint64_t early = counter(HT_CTR_PART_RESOURCES);
	assert_true(early >= num - 1024);
	assert_int_equal(num_told, early);
	for (unsigned i = 0; i < num; i += 2) { // every other one goes on
		fs.client_port = (uint16_t)(1000 + i);
		tcp(FROM_SERVER, 5000, ACK, NULL, 0);
	}
	finish();
	uint64_t packets = 0, hellos = 0, with = 0;
	for (unsigned i = 0; i < num_told; i++) {
		packets += told[i].packets[0] + told[i].packets[1];
		hellos += told[i].hellos;
		with += told[i].has_sni;
		assert_string_equal(told[i].protocol, "tls");
		assert_true(told[i].part == 1 || (told[i].part == 2 && !told[i].has_sni));
	}
	assert_int_equal(packets, 3 * num + num / 2);
	assert_int_equal(hellos, num);
	assert_int_equal(with, num);
	assert_int_equal(counter(HT_CTR_TOLD_BEFORE) + counter(HT_CTR_TOLD_FORCED), num);
	assert_int_equal(counter(HT_CTR_TOLD_BEFORE), early / 2);
}

// Another capture, whose clock is behind.
static void clock_back(void **state) {
	(void)state;
	start(HT_FLOWS_TLS);
	open_tls("today.example");
	now = T0 - 86400 * SECOND;
	open_tls("yesterday.example");
	fs.client_port++;
	open_tls("beside.example");
	now += 20 * SECOND;
	finish();
	assert_int_equal(num_told, 3);
	assert_string_equal(told[0].sni, "today.example");
	assert_string_equal(told[0].reason, "idle");
	assert_int_equal(told[1].start, T0 - 86400 * SECOND);
	assert_string_equal(told[1].reason, "forced");
	// Times that no difference can hold.
	start(HT_FLOWS_ALL);
	static const int64_t times[] = {INT64_MIN, INT64_MAX, 0, -1, INT64_MIN, INT64_MAX - 1};
	for (unsigned i = 0; i < HT_ARRAY_LEN(times); i++) {
		now = times[i];
		tcp(FROM_CLIENT, 1, ACK, "x", 1);
		ht_sensor_tick(sensor, times[i]);
	}
	finish();
	uint64_t packets = 0;
	for (unsigned i = 0; i < num_told; i++)
		packets += told[i].packets[0];
	assert_int_equal(packets, HT_ARRAY_LEN(times));
}

// However time runs back, no part of a flow is longer than flow_active_s.
static void parts_back(void **state) {
	(void)state;
	static const int64_t steps[] = {1, 20, 100, 299, 300, 301, 200000000};
	for (unsigned i = 0; i < HT_ARRAY_LEN(steps); i++) {
		start(HT_FLOWS_ALL);
		open_tls("back.example");
		const uint64_t frames = 50;
		for (unsigned j = 0; j < frames; j++) {
			now -= steps[i] * SECOND;
			tcp(FROM_SERVER, 5000 + j, ACK, "x", 1);
		}
		finish();
		uint64_t packets = 0;
		for (unsigned j = 0; j < num_told; j++) {
			packets += told[j].packets[0] + told[j].packets[1];
			assert_true(told[j].us < 300 * 1000000ull);
			assert_true(told[j].start <= told[j].end);
		}
		assert_int_equal(packets, 3 + frames);
		assert_true(i > 0 || num_told == 1);
	}
}

// One frame with a wrong time ends nothing but its own flow.
static void wrong_time(void **state) {
	(void)state;
	start(HT_FLOWS_TLS);
	open_tls("right.example");
	fs.client_port++;
	now += 10000 * SECOND;
	tcp(FROM_CLIENT, 1, ACK, "x", 1);
	fs.client_port--;
	now = T0 + SECOND;
	tcp(FROM_SERVER, 5000, ACK, "x", 1);
	tcp(FROM_SERVER, 5001, ACK, "x", 1);
	finish();
	assert_int_equal(num_told, 1);
	assert_int_equal(told[0].packets[1], 3);
}

// --- one worker or several
// ------------------------------------------------------------------------

static int by_digest(const void *a, const void *b) {
	const struct told *x = a, *y = b;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->digest, y->digest, x->len);
}

#define WORKERS 4

static struct frames mix;

// Some minutes of connections of every kind, in the time of frames.
static void make_mix(void) {
	frames_clear(&mix);
	rng.s = 4;
	int64_t t = T0;
	for (unsigned i = 0; mix.num < HT_ARRAY_LEN(mix.f) - 8; i++) {
		t += rng_below(&rng, 400) * (SECOND / 1000);
		mix.client_port = (uint16_t)(1000 + rng_below(&rng, 60));
		mix.server_port = 443;
		const uint32_t seq = 1000 * rng_below(&rng, 3);
		const unsigned from = rng_below(&rng, 2);
		switch (rng_below(&rng, 8)) {
		case 0:
			make_hello("mix.example");
			tcp_add(&mix, FROM_CLIENT, seq, SYN, NULL, 0);
			tcp_add(&mix, FROM_CLIENT, seq + 1, ACK, record.b, record.len);
			mix.f[mix.num - 2].ts = t;
			break;
		case 1:
			tcp_add(&mix, (int)from, seq, FIN | ACK, NULL, 0);
			break;
		case 2:
			if (rng_below(&rng, 4) == 0)
				tcp_add(&mix, (int)from, seq, RST, NULL, 0);
			else
				tcp_add(&mix, (int)from, seq, ACK, NULL, 0);
			break;
		case 3:
			udp_add(&mix, (int)from, (const uint8_t *)"x", rng_below(&rng, 2));
			break;
		default:
			tcp_add(&mix, (int)from, seq, ACK, (const uint8_t *)"data", 4);
			break;
		}
		mix.f[mix.num - 1].ts = t;
	}
}

static unsigned worker_of(const struct ht_frame *f, unsigned workers) {
	const uint8_t *l4 = f->data + 34;
	return (ht_be16(l4) + ht_be16(l4 + 2)) % workers;
}

static void run_mix(unsigned workers, unsigned burst, uint64_t secret) {
	struct ht_sensor_params p = params(HT_FLOWS_ALL);
	p.max_flows = 4096;
	p.max_hellos = 256;
	p.flow_idle_s = 20;
	p.flow_active_s = 30;
	p.hello_idle_s = 10;
	p.secret[0] = secret;
	start_with(p);
	num_told = 0;
	for (unsigned w = 0; w < workers; w++) {
		static struct ht_frame part[HT_ARRAY_LEN(mix.f)];
		unsigned n = 0;
		for (unsigned i = 0; i < mix.num; i++)
			if (worker_of(&mix.f[i], workers) == w)
				part[n++] = mix.f[i];
		for (unsigned i = 0; i < n; i += burst)
			ht_sensor_run(sensor, part + i, n - i < burst ? n - i : burst);
		ht_sensor_tick(sensor, mix.f[mix.num - 1].ts);
		finish();
	}
}

static void workers_agree(void **state) {
	(void)state;
	static struct told one[MAX_TOLD];
	make_mix();
	run_mix(1, 1, 1);
	const unsigned num = num_told;
	assert_true(num > 500);
	unsigned reasons[2] = {0};
	for (unsigned i = 0; i < num; i++) {
		reasons[0] += strcmp(told[i].reason, "idle") == 0;
		reasons[1] += strcmp(told[i].reason, "end") == 0;
	}
	assert_true(reasons[0] > 20 && reasons[1] > 20);
	qsort(told, num, sizeof(told[0]), by_digest);
	memcpy(one, told, num * sizeof(told[0]));
	static const unsigned bursts[] = {1, 32, 200};
	for (unsigned i = 0; i < 2 * HT_ARRAY_LEN(bursts); i++) {
		run_mix(i % 2 == 0 ? 1 : WORKERS, bursts[i / 2], 1 + i);
		assert_int_equal(num_told, num);
		qsort(told, num, sizeof(told[0]), by_digest);
		for (unsigned n = 0; n < num; n++)
			assert_true(by_digest(&told[n], &one[n]) == 0);
	}
}

// At the end of a capture flows come in the order in which they began, whatever the secret is.
static void order(void **state) {
	(void)state;
	for (uint64_t secret = 1; secret < 4; secret++) {
		struct ht_sensor_params p = params(HT_FLOWS_TLS);
		p.max_flows = 4096;
		p.secret[0] = secret;
		start_with(p);
		for (unsigned i = 0; i < 300; i++) {
			now = T0 + (i / 3) * 1000;
			fs.client_port = (uint16_t)(40000 + (i * 7) % 300);
			open_tls("order.example");
		}
		finish();
		assert_int_equal(num_told, 300);
		for (unsigned i = 1; i < 300; i++)
			assert_true(
				told[i].start > told[i - 1].start
				|| (told[i].start == told[i - 1].start
				    && told[i].src_port > told[i - 1].src_port)
			);
	}
}

// --- what the server said
// -------------------------------------------------------------------------

struct answer {
	const char *capture, *version, *alert;
	unsigned connection, certificates;
	bool refused, resumed, hrr, client_cert;
};

static const struct answer answers[] = {
	{"answer-tls10.pcap", "TLS 1.0", "", 0, 1, 0, 0, 0, 0},
	{"answer-tls12-mtls.pcap", "TLS 1.2", "", 0, 2, 0, 0, 0, 1},
	{"answer-tls12-mtls.pcap", "TLS 1.2", "", 1, 2, 0, 0, 0, 0},
	{"answer-tls12-resumed-id.pcap", "TLS 1.2", "", 1, 0, 0, 1, 0, 0},
	{"answer-hrr.pcap", "TLS 1.3", "", 0, 0, 0, 0, 1, 0},
	{"answer-tls13-psk.pcap", "TLS 1.3", "", 1, 0, 0, 1, 0, 0},
	{"answer-alert-version.pcap", "", "protocol_version", 0, 0, 1, 0, 0, 0},
	{"answer-unknown-ca.pcap", "TLS 1.2", "unknown_ca", 0, 2, 1, 0, 0, 0},
};

#define STREAM_MAX 16384
static uint8_t streams[2][STREAM_MAX];

// Sends bytes [lo, hi) of a side in pieces of at most `most`, perhaps the second before the first,
// perhaps one of them twice.
static void send_cut(int from, size_t lo, size_t hi, uint32_t base, unsigned most, bool shuffle) {
	const unsigned first = fs.num;
	while (lo < hi) {
		size_t n = 1 + rng_below(&rng, most);
		n = n < hi - lo ? n : hi - lo;
		tcp_add(&fs, from, base + (uint32_t)lo, ACK, streams[from] + lo, n);
		stamp();
		lo += n;
	}
	for (unsigned i = first; shuffle && i + 1 < fs.num; i += 1 + rng_below(&rng, 3)) {
		const struct ht_frame swap = fs.f[i];
		fs.f[i] = fs.f[i + 1];
		fs.f[i + 1] = swap;
	}
	feed();
}

// However the two sides are cut, the server's fields are the same.
static void answers_cut(void **state) {
	(void)state;
	for (unsigned i = 0; i < HT_ARRAY_LEN(answers); i++) {
		const struct answer *a = &answers[i];
		struct t_pcap c;
		static struct told whole;
		t_pcap_open(&c, a->capture);
		const size_t client
			= t_pcap_stream(&c, a->connection, false, streams[0], STREAM_MAX);
		const size_t server
			= t_pcap_stream(&c, a->connection, true, streams[1], STREAM_MAX);
		t_pcap_close(&c);
		const size_t hello = 5 + (size_t)ht_be16(streams[0] + 3);
		rng.s = i;
		for (unsigned run = 0; run < 60; run++) {
			static const unsigned sizes[] = {60000, 1400, 200, 20, 1};
			const unsigned most = sizes[run % HT_ARRAY_LEN(sizes)];
			start(HT_FLOWS_TLS);
			if (run % 2 == 0) { // else the beginnings are not seen
				tcp(FROM_CLIENT, 999, SYN, NULL, 0);
				tcp(FROM_SERVER, 4999, SYN | ACK, NULL, 0);
			}
			// What the client says behind its hello may overtake it.
			const bool early = !a->hrr && run % 4 == 2;
			if (early)
				send_cut(FROM_CLIENT, hello, client, 1000, 60000, false);
			send_cut(FROM_CLIENT, 0, hello, 1000, most, false);
			// Of a HelloRetryRequest comes first what the client answers to.
			const bool retry = a->hrr;
			const size_t asked = retry ? 5 + (size_t)ht_be16(streams[1] + 3) : server;
			send_cut(FROM_SERVER, 0, asked, 5000, most, run % 2 == 0 && run >= 20);
			if (!early)
				send_cut(FROM_CLIENT, hello, client, 1000, most, run >= 20);
			send_cut(FROM_SERVER, asked, server, 5000, most, run >= 20);
			finish();
			assert_int_equal(num_told, 1);
			const struct told *t = &told[0];
			assert_string_equal(t->version, a->version);
			assert_string_equal(t->alert, a->alert);
			assert_int_equal(t->cert_count, a->certificates);
			assert_int_equal(t->refused, a->refused);
			assert_int_equal(t->resumed, a->resumed);
			assert_int_equal(t->hrr, a->hrr);
			assert_int_equal(t->client_cert, a->client_cert);
			if (run == 0)
				whole = *t;
			assert_int_equal(t->cipher, whole.cipher);
		}
	}
}

// With few places the oldest answer is told with what is there, and the ledger says so.
static void answers_evicted(void **state) {
	(void)state;
	struct ht_sensor_params p = params(HT_FLOWS_TLS);
	p.max_answers = 8;
	p.max_flows = 4096;
	start_with(p);
	for (unsigned i = 0; i < 40; i++) {
		fs.client_port = (uint16_t)(40000 + i);
		open_tls("evicted.example");
	}
	assert_int_equal(counter(HT_CTR_ANSWERS_EVICTED), 32);
	finish();
	assert_int_equal(num_told, 40);
	assert_int_equal(counter(HT_CTR_ANSWERS_FLOW_ENDED), 8);
}

// A server that sends without end: what is too long is given up, and nothing else.
static void answer_too_long(void **state) {
	(void)state;
	static struct bytes flood;
	start(HT_FLOWS_TLS);
	open_tls("long.example");
	flood.len = 0;
	put(&flood, "\x16\x03\x03\x40\x00\x0b\x00\xff\xff", 9);
	while (flood.len < 40000)
		put8(&flood, 0);
	for (uint32_t at = 0; at < flood.len; at += 1000)
		tcp(FROM_SERVER, 5000 + at, ACK, flood.b + at, 1000);
	finish();
	assert_int_equal(num_told, 1);
	assert_string_equal(told[0].sni, "long.example");
	assert_string_equal(told[0].version, "");
}

// A ServerHello, 42 bytes.
static void put_server_hello(struct bytes *o, unsigned version, unsigned cipher) {
	put8(o, 2);
	put24(o, 38);
	put16(o, version);
	for (unsigned i = 0; i < 32; i++)
		put8(o, i);
	put8(o, 0);
	put16(o, cipher);
	put8(o, 0);
}

// A ServerHello in a record and `n` bytes of a Certificate which says that it has `len`; its only
// certificate is all of it.
static void send_certificate(size_t len, size_t n) {
	static struct bytes b, m;
	m.len = b.len = 0;
	put_server_hello(&m, 0x303, 0xc02f);
	put_record(&b, 22, m.b, m.len);
	m.len = 0;
	put8(&m, 11);
	put24(&m, (unsigned)len);
	put24(&m, (unsigned)len - 3);
	put24(&m, (unsigned)len - 6);
	while (m.len < n + 4)
		put8(&m, 0x30);
	for (size_t at = 0; at < m.len; at += 14000)
		put_record(&b, 22, m.b + at, m.len - at < 14000 ? m.len - at : 14000);
	for (size_t at = 0; at < b.len; at += 1400)
		tcp(FROM_SERVER, 5000 + (uint32_t)at, ACK, b.b + at,
		    b.len - at < 1400 ? b.len - at : 1400);
}

static void start_flood(void) {
	struct ht_sensor_params p = params(HT_FLOWS_TLS);
	p.max_answers = 3000;
	p.max_flows = 4096;
	p.answer_bytes = 1u << 20; // 32 of them
	p.max_answer_bytes = 32768;
	start_with(p);
}

static void flood(unsigned num) {
	for (unsigned i = 0; i < num; i++) {
		fs.client_port = (uint16_t)(1000 + i);
		open_tls("flood.example");
		send_certificate(32000, 28000);
	}
}

static const struct told *told_of(const char *sni, unsigned port) {
	for (unsigned i = 0; i < num_told; i++)
		if (strcmp(told[i].sni, sni) == 0 && told[i].src_port == port)
			return &told[i];
	fail_msg("no flow of %s, port %u", sni, port);
	return NULL;
}

// The frame that was made last comes from the server.
static void from_server(void) {
	uint8_t *ip = (uint8_t *)(uintptr_t)fs.f[fs.num - 1].data + 14;
	uint8_t was[12];
	memcpy(was, ip + 12, sizeof(was));
	memcpy(ip + 12, was + 4, 4);
	memcpy(ip + 16, was, 4);
	memcpy(ip + 20, was + 10, 2);
	memcpy(ip + 22, was + 8, 2);
}

static void quic_server_hello(void) {
	static struct bytes m, frames;
	struct ht_crypto *c = ht_crypto_new();
	struct ht_initial_salt *salt = ht_initial_salt_new(c, quic_v1_salt, HT_LABELS_QUIC);
	struct ht_initial_keys keys;
	ht_initial_derive(c, &keys, salt, HT_INITIAL_SERVER, HT_SPAN(dcid, sizeof(dcid)));
	m.len = frames.len = 0;
	put_server_hello(&m, 0x303, 0x1301);
	put_crypto(&frames, 0, m.b, m.len);
	quic_add(&fs, &keys, HT_SPAN(dcid, 0), 0, &frames);
	from_server();
	stamp();
	ht_initial_salt_free(salt);
	ht_crypto_free(c);
	feed();
}

// In two fragments, which are put together in the arena.
static void dtls_server_hello(void) {
	static struct bytes m, d;
	m.len = 0;
	put_server_hello(&m, 0xfefd, 0xc02b);
	memmove(m.b, m.b + 4, m.len -= 4);
	for (size_t at = 0; at < m.len; at += 19) {
		d.len = 0;
		put_dtls_fragment(&d, &m, 0, at, 19, (uint32_t)at);
		d.b[13] = 2;
		udp(FROM_SERVER, d.b, d.len);
	}
}

// Servers that never end a Certificate fill the arena: who comes later is read all the same, and
// what the oldest have said is told.
static void arena_full(void **state) {
	(void)state;
	start_flood();
	flood(100);
	assert_true(counter(HT_CTR_ANSWERS_EVICTED) >= 60);
	fs.client_port = 50000;
	open_tls("good.example");
	send_certificate(20000, 20000);
	flood(100);
	fs.client_port = 50001;
	quic_hello("good.example");
	quic_server_hello();
	flood(100);
	fs.client_port = 50002;
	dtls_hello("good.example");
	dtls_server_hello();
	assert_int_equal(counter(HT_CTR_ANSWERS_LOST), 0);
	finish();
	const struct told *t = told_of("good.example", 50000);
	assert_int_equal(t->cipher, 0xc02f);
	assert_int_equal(t->cert_count, 1);
	assert_int_equal(t->chain_len, 20000 - 3);
	assert_int_equal(told_of("good.example", 50001)->cipher, 0x1301);
	assert_int_equal(told_of("good.example", 50002)->cipher, 0xc02b);
	for (unsigned i = 0; i < num_told; i++)
		assert_true(told[i].cipher != 0);
}

// The answer that makes room has a chain to be kept, which takes the room of the very flow that
// wanted some.
static void arena_full_and_store_full(void **state) {
	(void)state;
	for (unsigned kind = 0; kind < 3; kind++) {
		start_flood();
		fs.client_port = 50000;
		if (kind == 0)
			open_tls("own.example");
		else if (kind == 1)
			quic_hello("own.example");
		else
			dtls_hello("own.example");
		fs.client_port = 50001;
		open_tls("chain.example");
		send_certificate(27000, 27000);
		flood(30); // 32 KiB each, and 32 KiB are left
		for (unsigned i = 0; i < 985; i++) {
			fs.client_port = (uint16_t)(2000 + i);
			open_tls("idle.example");
			if (i < 32)
				send_certificate(32000, 500);
		}
		assert_int_equal(counter(HT_CTR_ANSWERS_EVICTED), 0);
		assert_int_equal(counter(HT_CTR_PART_RESOURCES), 0);
		fs.client_port = 50000;
		if (kind == 0)
			send_certificate(1000, 900);
		else if (kind == 1)
			quic_server_hello();
		else
			dtls_server_hello();
		assert_true(counter(HT_CTR_PART_RESOURCES) > 0);
		assert_string_equal(told[0].sni, "own.example");
		assert_int_equal(told[0].cipher, 0);
		finish();
		assert_int_equal(counter(HT_CTR_ANSWERS_LOST), 0);
		assert_int_equal(told_of("chain.example", 50001)->chain_len, 27000 - 3);
	}
}

// Initials of the server that no key opens: after some it is given up, and the flow goes on.
static void quic_never_opens(void **state) {
	(void)state;
	static struct bytes d;
	start(HT_FLOWS_TLS);
	quic_hello("never.example");
	d.len = 0;
	for (unsigned i = 0; i < 20; i++) {
		put8(&d, 0xc0);
		put32(&d, 1);
		put16(&d, 0); // no connection ids
		put8(&d, 0); // no token
		put8(&d, 30);
		for (unsigned j = 0; j < 30; j++)
			put8(&d, i + j);
	}
	udp(FROM_SERVER, d.b, 15 * (d.len / 20));
	assert_int_equal(counter(HT_CTR_ANSWERS_OVER), 0);
	udp(FROM_SERVER, d.b, d.len);
	assert_int_equal(counter(HT_CTR_ANSWERS_OVER), 1);
	assert_int_equal(counter(HT_CTR_ANSWERS_LOST), 1);
	udp(FROM_SERVER, d.b, d.len);
	finish();
	assert_int_equal(num_told, 1);
	assert_int_equal(told[0].packets[1], 3);
}

// A list of certificates whose first is longer than the list: told as a chain that cannot be read.
static void certificates_broken(void **state) {
	(void)state;
	static const uint8_t list[6] = {0, 0, 3, 0xff, 0xff, 0xff};
	static struct bytes m, b;
	start(HT_FLOWS_TLS);
	open_tls("broken.example");
	m.len = b.len = 0;
	put_server_hello(&m, 0x303, 0xc02f);
	put8(&m, 11);
	put24(&m, sizeof(list));
	put(&m, list, sizeof(list));
	put_record(&b, 22, m.b, m.len);
	tcp(FROM_SERVER, 5000, ACK, b.b, b.len);
	fs.client_port++;
	dtls_hello("broken.example");
	dtls_server_hello();
	m.len = b.len = 0;
	put(&m, list, sizeof(list));
	put_dtls_fragment(&b, &m, 1, 0, m.len, 2);
	b.b[13] = 11;
	udp(FROM_SERVER, b.b, b.len);
	finish();
	assert_int_equal(num_told, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(told[i].cipher != 0);
		assert_int_equal(told[i].cert_count, 0);
		assert_int_equal(told[i].chain_len, 3);
		assert_memory_equal(told[i].chain, list + 3, 3);
	}
}

static int stop(void **state) {
	(void)state;
	ht_sensor_free(sensor);
	sensor = NULL;
	frames_clear(&fs);
	frames_clear(&mix);
	return 0;
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides),
		cmocka_unit_test(without_hello),
		cmocka_unit_test(none_at_all),
		cmocka_unit_test(mid_stream),
		cmocka_unit_test(incomplete),
		cmocka_unit_test(ip_lengths),
		cmocka_unit_test(udp_flows),
		cmocka_unit_test(udp_behind_silence),
		cmocka_unit_test(parts),
		cmocka_unit_test(idle),
		cmocka_unit_test(idle_in_hello),
		cmocka_unit_test(lingering),
		cmocka_unit_test(ports_again),
		cmocka_unit_test(bucket_full),
		cmocka_unit_test(store_full),
		cmocka_unit_test(clock_back),
		cmocka_unit_test(wrong_time),
		cmocka_unit_test(workers_agree),
		cmocka_unit_test(order),
		cmocka_unit_test(answers_cut),
		cmocka_unit_test(answers_evicted),
		cmocka_unit_test(answer_too_long),
		cmocka_unit_test(parts_back),
		cmocka_unit_test(arena_full),
		cmocka_unit_test(arena_full_and_store_full),
		cmocka_unit_test(quic_never_opens),
		cmocka_unit_test(certificates_broken),
	};
	return cmocka_run_group_tests(tests, NULL, stop);
}
