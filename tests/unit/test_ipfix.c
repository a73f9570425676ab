// SPDX-License-Identifier: BSD-3-Clause

#include "ht_config.h"
#include "ipfix.h"
#include "t.h"

#if HT_HAVE_IPFIX
#include "ipfix_int.h"
#include "ipfix_plan.h"
#include "ipfix_text.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fixbuf/public.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// In place of the system's: one name whose resolver answers when it is told to, or never, which is
// after a minute here.
static atomic_uint times_asked, times_answered;
static atomic_bool resolver_answers;
int getaddrinfo(
	const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **out
) {
	int (*const real)(const char *, const char *, const struct addrinfo *, struct addrinfo **)
		= (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **)
		)dlsym(RTLD_NEXT, "getaddrinfo");
	if (strcmp(host, "slow.test") != 0 || hints->ai_flags & AI_NUMERICHOST)
		return real(host, port, hints, out);
	times_asked++;
	for (unsigned i = 0; i < 60000 && !resolver_answers; i++)
		usleep(1000);
	times_answered++;
	return EAI_AGAIN;
}

#define PEN 64512
#define DOMAIN 42

// ---- a reader of RFC 7011, by the letter: it believes nothing but what it was told

#define MAX_TEMPLATES 32

struct template {
	uint16_t id, num, num_scope;
	struct {
		uint32_t pen;
		uint16_t id, len;
	} e[IPFIX_MAX_STEPS];
};

struct collector {
	struct template t[MAX_TEMPLATES];
	unsigned num_templates;
	uint32_t sequence; // what the next message must have
	unsigned messages, records, types, hellos, template_messages;
	uint32_t export_time;
	size_t longest;
	// The data record that was read last.
	const struct template *last;
	struct ht_span value[IPFIX_MAX_STEPS];
	void (*on_record)(struct collector *c);
	uint64_t sum; // for on_record
};

// cut takes n bytes off the front.
static struct ht_span cut(struct ht_span *s, size_t n) {
	assert_true(n <= s->len);
	const struct ht_span head = {s->p, n};
	*s = HT_SPAN(s->p + n, s->len - n);
	return head;
}

static unsigned cut16(struct ht_span *s) {
	return ht_be16(cut(s, 2).p);
}

static void read_template(struct collector *c, struct ht_span *set, bool options) {
	const unsigned id = cut16(set), num = cut16(set);
	assert_true(id >= 256);
	assert_in_range(num, 1, IPFIX_MAX_STEPS);
	struct template *t = NULL;
	for (unsigned i = 0; i < c->num_templates; i++)
		if (c->t[i].id == id)
			t = &c->t[i];
	if (t == NULL) {
		assert_true(c->num_templates < MAX_TEMPLATES);
		t = &c->t[c->num_templates++];
	}
	*t = (struct template){.id = (uint16_t)id, .num = (uint16_t)num};
	if (options) {
		t->num_scope = (uint16_t)cut16(set);
		assert_in_range(t->num_scope, 1, num);
	}
	for (unsigned i = 0; i < num; i++) {
		const unsigned element = cut16(set);
		t->e[i].id = element & 0x7fff;
		t->e[i].len = (uint16_t)cut16(set);
		t->e[i].pen = element & 0x8000 ? ht_be32(cut(set, 4).p) : 0;
		assert_int_not_equal(t->e[i].len, 0);
		for (unsigned k = 0; k < i; k++) // once each
			assert_false(t->e[k].id == t->e[i].id && t->e[k].pen == t->e[i].pen);
	}
}

static void read_record(struct collector *c, const struct template *t, struct ht_span *set) {
	c->last = t;
	for (unsigned i = 0; i < t->num; i++) {
		size_t len = t->e[i].len;
		if (len == IPFIX_VARIABLE) {
			len = *cut(set, 1).p;
			if (len == 255)
				len = cut16(set);
		}
		c->value[i] = cut(set, len);
	}
	c->records++;
	c->types += t->id == 277;
	c->hellos += t->id == 256;
	if (c->on_record != NULL)
		c->on_record(c);
}

static void read_set(struct collector *c, unsigned id, struct ht_span set) {
	assert_true(set.len > 0);
	if (id == 2 || id == 3) {
		while (set.len > 0)
			read_template(c, &set, id == 3);
		return;
	}
	const struct template *t = NULL;
	for (unsigned i = 0; i < c->num_templates; i++)
		if (c->t[i].id == id)
			t = &c->t[i];
	assert_non_null(t);
	while (set.len > 0)
		read_record(c, t, &set);
}

// read_message reads the message at the front of `in`. False: it is not all there.
static bool read_message(struct collector *c, struct ht_span *in) {
	if (in->len < 16 || in->len < ht_be16(in->p + 2))
		return false;
	struct ht_span m = cut(in, ht_be16(in->p + 2));
	c->longest = m.len > c->longest ? m.len : c->longest;
	assert_int_equal(cut16(&m), 10);
	(void)cut16(&m);
	c->export_time = ht_be32(cut(&m, 4).p);
	assert_int_equal(ht_be32(cut(&m, 4).p), c->sequence);
	assert_int_equal(ht_be32(cut(&m, 4).p), DOMAIN);
	const unsigned before = c->records;
	bool templates = false;
	while (m.len > 0) {
		const unsigned id = cut16(&m), len = cut16(&m);
		assert_true(len > 4);
		templates |= id < 256;
		read_set(c, id, cut(&m, len - 4));
	}
	c->sequence += c->records - before;
	c->messages++;
	c->template_messages += templates;
	return true;
}

// element is the value of the last record; NULL where its template has no such element.
static const struct ht_span *element(const struct collector *c, uint32_t pen, unsigned id) {
	for (unsigned i = 0; i < c->last->num; i++)
		if (c->last->e[i].pen == pen && c->last->e[i].id == id)
			return &c->value[i];
	return NULL;
}

static uint64_t number(const struct collector *c, uint32_t pen, unsigned id) {
	const struct ht_span *const v = element(c, pen, id);
	assert_non_null(v);
	assert_in_range(v->len, 1, 8);
	uint64_t n = 0;
	for (size_t i = 0; i < v->len; i++)
		n = n << 8 | v->p[i];
	return n;
}

static void
expect_bytes(const struct collector *c, uint32_t pen, unsigned id, const void *p, size_t n) {
	const struct ht_span *const v = element(c, pen, id);
	assert_non_null(v);
	assert_int_equal(v->len, n);
	assert_memory_equal(v->p, p, n);
}

static void expect_text(const struct collector *c, uint32_t pen, unsigned id, const char *text) {
	expect_bytes(c, pen, id, text, strlen(text));
}

// ---- records

static const uint8_t client4[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1};
static const uint8_t server4[16] = {[10] = 0xff, [11] = 0xff, 198, 51, 100, 2};
static const uint8_t client6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
static const uint8_t server6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 2};
static const uint8_t mac[6] = {0, 0, 0x5e, 0, 0x53, 1};
static const uint8_t ciphers[] = {0x13, 0x01, 0x13, 0x02};

#define TS 1763686800123456789

static void hello(struct ht_record *r) {
	*r = (struct ht_record){.has = 0};
	ht_set(r, record, "hello");
	ht_set(r, ts, TS);
	ht_set(r, src_ip, client4);
	ht_set(r, dst_ip, server4);
	ht_set(r, src_port, 40000);
	ht_set(r, dst_port, 443);
	ht_set(r, transport, "tcp");
	ht_set(r, protocol, "tls");
	ht_set(r, sni, HT_SPAN_STR("a.example"));
	ht_set(r, alpn, HT_SPAN_STR("\x02h2\x08http/1.1"));
	ht_set(r, tls_version, "TLS 1.3");
	ht_set(r, legacy_version, 0x0303);
	ht_set(r, ciphers, HT_SPAN(ciphers, sizeof(ciphers)));
	ht_set(r, ja3, HT_SPAN_STR("cd08e31494f9531f560d64c695473da9"));
	ht_set(r, ja4, HT_SPAN_STR("t13d1516h2_8daaf6152771_d8a2da3f94cd"));
	ht_set(r, sequence, 77);
}

// full has every field of a kind, numbers by the field's own.
static void full(struct ht_record *r, enum ht_kind kind, const char *word) {
	*r = (struct ht_record){.has = ht_kind_fields(kind)};
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		uint8_t *const to = (uint8_t *)r + ht_fields[i].offset;
		const uint64_t n = ht_fields[i].number;
		const int64_t time = TS + (int64_t)n * 1000000000;
		const struct ht_span text = HT_SPAN(ht_fields[i].name, strlen(ht_fields[i].name));
		const struct ht_span names = HT_SPAN_STR("\x01"
							 "a\x02"
							 "b,");
		const struct ht_span matches
			= HT_SPAN_STR("\0\1l\0\3a,b\0\2c2\0\4info\0\1m\0\2\xffn\0\0\0\4info");
		const struct ht_strs strs = {{"x", "yz"}, 2};
		const struct ht_texts texts = {{"v", "wx"}, {1, 2}, 2};
		const uint8_t *p = mac;
		switch (ht_fields[i].type) {
		case HT_TYPE_STR:
			memcpy(to, &ht_fields[i].name, sizeof(char *));
			break;
		case HT_TYPE_TIME:
			memcpy(to, &time, 8);
			break;
		case HT_TYPE_NAMES:
			memcpy(to, &names, sizeof(names));
			break;
		case HT_TYPE_MATCHES:
			memcpy(to, &matches, sizeof(matches));
			break;
		case HT_TYPE_STRS:
			memcpy(to, &strs, sizeof(strs));
			break;
		case HT_TYPE_TEXTS:
			memcpy(to, &texts, sizeof(texts));
			break;
		case HT_TYPE_IP:
			p = i == HT_FIELD_src_ip ? client6 : server6;
			// fall through
		case HT_TYPE_MAC:
			memcpy(to, &p, sizeof(p));
			break;
		case HT_TYPE_BOOL:
		case HT_TYPE_FLAG:
			*to = 1;
			break;
		case HT_TYPE_U8:
			memcpy(to, &n, 1);
			break;
		case HT_TYPE_U16:
			memcpy(to, &n, 2);
			break;
		case HT_TYPE_U32:
			memcpy(to, &n, 4);
			break;
		case HT_TYPE_U64:
		case HT_TYPE_SECONDS:
			memcpy(to, &n, 8);
			break;
		default:
			memcpy(to, &text, sizeof(text));
		}
	}
	r->record = word;
}

// ---- the encoder by itself

#define ALL_PROFILES (IPFIX_OPTIONAL)

static struct ipfix_encoder *encoder(unsigned profiles, uint32_t pen, size_t max) {
	struct ipfix_encoder *e;
	char err[256] = "";
	const struct ipfix_encoder_params p
		= {.profiles = profiles, .pen = pen, .domain = DOMAIN, .max_message = max};
	assert_int_equal(ipfix_encoder_new(&e, &p, err, sizeof(err)), HT_OK);
	assert_string_equal(err, "");
	return e;
}

// take reads the message that the encoder has, from a copy of its very size.
static void take(struct ipfix_encoder *e, struct collector *c) {
	const struct ht_span m = ipfix_encoder_take(e, 1234567890);
	uint8_t *const copy = t_dup(m.p, m.len);
	struct ht_span in = HT_SPAN(copy, m.len);
	assert_true(read_message(c, &in));
	assert_int_equal(in.len, 0);
	assert_int_equal(c->export_time, 1234567890);
	free(copy);
}

static void announce(struct ipfix_encoder *e, struct collector *c) {
	while (ipfix_encoder_announce(e) == HT_FULL)
		take(e, c);
	if (!ipfix_encoder_is_empty(e))
		take(e, c);
}

static void add(struct ipfix_encoder *e, struct collector *c, const struct ht_record *r) {
	enum ht_rc rc = ipfix_encoder_add(e, r);
	if (rc == HT_FULL) {
		take(e, c);
		rc = ipfix_encoder_add(e, r);
	}
	assert_int_equal(rc, HT_OK);
}

// The values of the last message are gone with its copy: what they are is asked while it is read.
static void (*ask)(const struct collector *c);

static void asked(struct collector *c) {
	if (c->last->id != 277 && c->last->id != 276 && ask != NULL)
		ask(c);
}

static void encode_one(
	const struct ht_record *r,
	unsigned profiles,
	uint32_t pen,
	void (*question)(const struct collector *c)
) {
	struct ipfix_encoder *const e = encoder(profiles, pen, IPFIX_MESSAGE_MAX);
	struct collector *const c = calloc(1, sizeof(*c));
	c->on_record = asked;
	ask = question;
	announce(e, c);
	const unsigned before = c->records;
	add(e, c, r);
	take(e, c);
	assert_int_equal(c->records, before + 1);
	free(c);
	ipfix_encoder_free(e);
}

static void ask_hello(const struct collector *c) {
	assert_int_equal(c->last->id, 256);
	assert_int_equal(number(c, 0, 152), TS / 1000000);
	assert_int_equal(number(c, 0, 153), TS / 1000000);
	const uint64_t ntp = number(c, 0, 325);
	assert_int_equal((ntp >> 32) - 2208988800u, 1763686800);
	assert_int_equal((ntp & UINT32_MAX) * 1000000000 >> 32, 123456789);
	expect_bytes(c, 0, 8, "\xc0\x00\x02\x01", 4);
	expect_bytes(c, 0, 12, "\xc6\x33\x64\x02", 4);
	assert_int_equal(number(c, 0, 7), 40000);
	assert_int_equal(number(c, 0, 11), 443);
	assert_int_equal(number(c, 0, 4), 6);
	assert_int_equal(number(c, 0, 148), 77);
	assert_null(element(c, 0, 1)); // a hello counts nothing
	assert_null(element(c, 0, 56));
	expect_text(c, 39499, 338, "a.example");
	assert_int_equal(number(c, 39499, 339), 9);
	expect_text(c, 39499, 337, "h2;http/1.1");
	assert_int_equal(number(c, 39499, 340), 0x0303);
	expect_bytes(c, 39499, 341, ciphers, sizeof(ciphers));
	expect_bytes(
		c, 39499, 357, "\xcd\x08\xe3\x14\x94\xf9\x53\x1f\x56\x0d\x64\xc6\x95\x47\x3d\xa9",
		16
	);
	expect_text(c, 8057, 808, "a.example");
	expect_text(c, 8057, 809, "t13d1516h2_8daaf6152771_d8a2da3f94cd");
	expect_text(c, 8057, 890, ""); // of QUIC alone
	expect_text(c, 6871, 294, "a.example");
	assert_int_equal(number(c, 6871, 186), 3);
	expect_text(c, 35632, 188, "a.example");
	expect_text(c, 35632, 489, "cd08e31494f9531f560d64c695473da9");
	assert_int_equal(number(c, 35632, 495), 0x0304);
	expect_text(c, PEN, 29, "a.example");
	expect_text(c, PEN, 30, "h2,http/1.1");
	assert_int_equal(number(c, PEN, 41), 2); // psk: false
	assert_int_equal(number(c, PEN, 22), 0); // complete: not said
	expect_text(c, PEN, 1, "hello");
}

static void a_hello(void **state) {
	(void)state;
	struct ht_record r;
	hello(&r);
	encode_one(&r, ALL_PROFILES, PEN, ask_hello);
}

static void ask_none(const struct collector *c) {
	for (unsigned i = 0; i < c->last->num; i++)
		assert_int_equal(c->last->e[i].pen, 0);
}

static void no_profile_and_no_private_number(void **state) {
	(void)state;
	struct ht_record r;
	hello(&r);
	encode_one(&r, 0, 0, ask_none);
}

static void ask_quic(const struct collector *c) {
	assert_int_equal(c->last->id, 257);
	expect_bytes(c, 0, 27, client6, 16);
	expect_bytes(c, 0, 28, server4, 16); // mapped
	expect_text(c, 8057, 890, "a.example");
	assert_int_equal(number(c, 8057, 887), 443);
	assert_int_equal(number(c, 8057, 892), 1);
	assert_int_equal(number(c, 8057, 893), 1);
	assert_int_equal(number(c, 8057, 894), 33);
	expect_bytes(c, 8057, 896, "\x01\x02", 2);
	assert_int_equal(number(c, 0, 4), 17);
}

static void quic_over_ipv6(void **state) {
	(void)state;
	struct ht_record r;
	hello(&r);
	ht_set(&r, src_ip, client6);
	ht_set(&r, transport, "udp");
	ht_set(&r, protocol, "quic");
	ht_set(&r, quic_version, 1);
	ht_set(&r, quic_token_len, 33);
	ht_set(&r, quic_dcid, HT_SPAN_STR("\x01\x02"));
	encode_one(&r, IPFIX_DEFAULT, 0, ask_quic);
}

static void ask_mac(const struct collector *c) {
	assert_int_equal(c->last->id, 258);
	expect_bytes(c, 0, 56, mac, 6);
	assert_null(element(c, 0, 8));
	assert_null(element(c, 0, 27));
}

static void no_ip(void **state) {
	(void)state;
	struct ht_record r;
	hello(&r);
	r.has &= ~(HT_HAS(src_ip) | HT_HAS(dst_ip));
	ht_set(&r, src_mac, mac);
	ht_set(&r, dst_mac, mac);
	encode_one(&r, 0, 0, ask_mac);
}

static void ask_flow(const struct collector *c) {
	assert_int_equal(c->last->id, 262);
	assert_int_equal(number(c, 0, 152), TS / 1000000 - 1500);
	assert_int_equal(number(c, 0, 153), TS / 1000000);
	assert_int_equal(number(c, 0, 136), 2);
	assert_int_equal(number(c, 0, 1), 1000);
	assert_int_equal(number(c, 0, 2), 10);
	assert_int_equal(number(c, 0, 352), 1140);
	assert_int_equal(number(c, 0, 6), 0x1b);
	assert_int_equal(number(c, 29305, 1), UINT64_MAX);
	assert_int_equal(number(c, 29305, 2), 20);
	assert_int_equal(number(c, 29305, 352), 4000);
	assert_int_equal(number(c, 29305, 6), 0x12);
	assert_int_equal(number(c, 39499, 333), 0xfefd);
	assert_int_equal(number(c, 39499, 336), 0x1301);
	assert_int_equal(number(c, 6871, 187), 0x1301);
	expect_text(c, 39499, 349, "Root, Inc.");
	expect_text(c, 39499, 350, "\xc3\xa9 x");
	expect_text(c, 39499, 351, "");
	assert_int_equal(number(c, 39499, 352), (uint64_t)-5);
	assert_int_equal(number(c, 39499, 356), 2048);
	expect_text(c, PEN, 95, "expired,weak_key");
}

static void a_flow(void **state) {
	(void)state;
	struct ht_record r;
	hello(&r);
	ht_set(&r, record, "flow");
	ht_set(&r, start, TS - 1500000000);
	ht_set(&r, end, TS);
	ht_set(&r, end_reason, "active");
	ht_set(&r, c2s_ip_bytes, 1000);
	ht_set(&r, c2s_packets, 10);
	ht_set(&r, c2s_bytes, 1140);
	ht_set(&r, c2s_tcp_flags, 0x1b);
	ht_set(&r, s2c_ip_bytes, UINT64_MAX);
	ht_set(&r, s2c_packets, 20);
	ht_set(&r, s2c_bytes, 4000);
	ht_set(&r, s2c_tcp_flags, 0x12);
	ht_set(&r, server_version, "DTLS 1.2");
	ht_set(&r, server_cipher, 0x1301);
	ht_set(&r, cert_issuer, HT_SPAN_STR("C=US,CN=Root\\, Inc."));
	ht_set(&r, cert_subject, HT_SPAN_STR("OU=a+CN=\\C3\\A9 x,DC=y"));
	ht_set(&r, cert_not_before, -5);
	ht_set(&r, cert_key_bits, 2048);
	r.cert_findings = (struct ht_strs){{"expired", "weak_key"}, 2};
	r.has |= HT_HAS(cert_findings);
	encode_one(&r, ALL_PROFILES, PEN, ask_flow);
}

static void ask_aggregate(const struct collector *c) {
	assert_int_equal(c->last->id, 265);
	assert_int_equal(number(c, 0, 3), 7);
	assert_int_equal(number(c, 0, 9), 24);
	assert_int_equal(number(c, 0, 13), 32);
	assert_int_equal(number(c, 0, 152), 1);
	assert_int_equal(number(c, 0, 153), 2);
	assert_null(element(c, 39499, 341)); // no list is an aggregate's
}

static void ask_wide(const struct collector *c) {
	assert_int_equal(c->last->id, 271);
	assert_int_equal(number(c, 0, 3), 7);
	assert_int_equal(number(c, 0, 13), 0); // any server
	assert_int_equal(number(c, 0, 152), 1);
	expect_bytes(c, 39499, 341, ciphers, sizeof(ciphers));
	expect_bytes(c, PEN, 34, ciphers, sizeof(ciphers));
}

static void an_aggregate(void **state) {
	(void)state;
	struct ht_record r = {.has = 0};
	ht_set(&r, record, "aggregate");
	ht_set(&r, ts, TS);
	ht_set(&r, src_ip, client4);
	ht_set(&r, src_prefix, 24);
	ht_set(&r, dst_ip, server4);
	ht_set(&r, flows, 7);
	ht_set(&r, first_seen, 1000000);
	ht_set(&r, last_seen, 2000000);
	encode_one(&r, ALL_PROFILES, PEN, ask_aggregate);
	r.has &= ~HT_HAS(dst_ip);
	ht_set(&r, ciphers, HT_SPAN(ciphers, sizeof(ciphers))); // a key that is no aggregate's
	encode_one(&r, ALL_PROFILES, PEN, ask_wide);
}

static void ask_stats(const struct collector *c) {
	assert_int_equal(c->last->id, 270);
	assert_int_equal(c->last->num_scope, 1);
	assert_int_equal(number(c, 0, 149), DOMAIN);
	assert_int_equal(number(c, 0, 86), 4711);
	assert_int_equal(number(c, 0, 164), 12);
	assert_int_equal(number(c, 0, 166), 3);
	assert_true(number(c, 0, 41) > 0);
	assert_int_equal(number(c, 0, 42), 0);
	assert_int_equal(number(c, PEN, 115), 99);
}

static void stats_are_options(void **state) {
	(void)state;
	struct ht_record r = {.has = 0};
	ht_set(&r, record, "stats");
	ht_set(&r, ts, TS);
	ht_set(&r, frames_read, 4711);
	ht_set(&r, frames_lost, 12);
	ht_set(&r, records_made, 99);
	ht_set(&r, records_lost, 3);
	encode_one(&r, 0, PEN, ask_stats);
}

static enum ht_kind asked_kind;

// Each field of the kind is under the private number, but for those that a standard element has.
static void ask_full(const struct collector *c) {
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		const struct ht_field *const f = &ht_fields[i];
		struct ipfix_element e;
		char name[IPFIX_NAME_SIZE];
		const bool private = ipfix_private(&e, name, i);
		if (!(f->kinds & asked_kind) || !private) {
			assert_null(element(c, PEN, f->number));
			continue;
		}
		switch (f->type) {
		case HT_TYPE_BOOL:
		case HT_TYPE_FLAG:
			assert_int_equal(number(c, PEN, f->number), 1);
			break;
		case HT_TYPE_TIME:
			assert_int_equal(
				number(c, PEN, f->number), TS / 1000000 + f->number * 1000
			);
			break;
		case HT_TYPE_NAMES:
			expect_text(c, PEN, f->number, "a,b\\x2c");
			break;
		case HT_TYPE_MATCHES:
			expect_text(c, PEN, f->number, "l:a\\x2cb,m:\\xffn");
			break;
		case HT_TYPE_STRS:
			expect_text(c, PEN, f->number, "x,yz");
			break;
		case HT_TYPE_TEXTS:
			expect_text(c, PEN, f->number, "v,wx");
			break;
		case HT_TYPE_U8:
		case HT_TYPE_U16:
		case HT_TYPE_U32:
		case HT_TYPE_U64:
		case HT_TYPE_SECONDS:
			assert_int_equal(number(c, PEN, f->number), f->number);
			break;
		default:
			if (i != HT_FIELD_record)
				expect_text(c, PEN, f->number, f->name);
		}
	}
}

static void every_field_of_every_kind(void **state) {
	(void)state;
	for (unsigned k = 0; k < HT_NUM_KINDS; k++) {
		struct ht_record r;
		asked_kind = 1u << k;
		full(&r, asked_kind, ht_kind_names[k]);
		encode_one(&r, ALL_PROFILES, PEN, ask_full);
	}
}

static unsigned types_seen;

static void on_type(struct collector *c) {
	if (c->last->id != 277)
		return;
	types_seen++;
	const struct ht_span *const name = element(c, 0, 341);
	if (number(c, 0, 346) == PEN && number(c, 0, 303) == 37) {
		assert_int_equal(name->len, strlen("hellotapKeyShareGroups"));
		assert_memory_equal(name->p, "hellotapKeyShareGroups", name->len);
		assert_int_equal(number(c, 0, 339), 0); // octetArray
		c->sum++;
	}
	if (number(c, 0, 346) == 39499 && number(c, 0, 303) == 338) {
		assert_int_equal(number(c, 0, 339), 13); // string
		c->sum++;
	}
	assert_int_equal(c->num_templates, 1); // types come before the templates that use them
}

static void type_records(void **state) {
	(void)state;
	struct ipfix_encoder *const e = encoder(ALL_PROFILES, PEN, 1400);
	struct collector *const c = calloc(1, sizeof(*c));
	c->on_record = on_type;
	types_seen = 0;
	announce(e, c);
	assert_int_equal(c->sum, 2);
	// Every enterprise element of every template has one.
	unsigned elements = 0;
	static bool seen[5][1024];
	for (unsigned t = 0; t < c->num_templates; t++)
		for (unsigned i = 0; i < c->t[t].num; i++)
			for (unsigned p = IPFIX_FLOWMON; p <= IPFIX_PRIVATE; p++) {
				const uint32_t pen
					= p == IPFIX_PRIVATE ? PEN : ipfix_profiles[p].pen;
				bool *const it = &seen[p - IPFIX_FLOWMON][c->t[t].e[i].id];
				if (c->t[t].e[i].pen == pen && !*it) {
					*it = true;
					elements++;
				}
			}
	assert_int_equal(types_seen, elements);
	free(c);
	ipfix_encoder_free(e);
}

// ---- messages

static void lengths_at_the_edge(void **state) {
	(void)state;
	const size_t max = 1400;
	static char text[70000];
	memset(text, 'x', sizeof(text));
	struct ipfix_encoder *const e = encoder(1u << IPFIX_NTOP, 0, max);
	struct collector *const c = calloc(1, sizeof(*c));
	announce(e, c);
	unsigned taken = 0, refused = 0;
	// The length at which it is too much is met to the byte.
	for (size_t n = 0; n < 2000; n++) {
		struct ht_record r;
		hello(&r);
		ht_set(&r, sni, HT_SPAN(text, n));
		enum ht_rc rc = ipfix_encoder_add(e, &r);
		if (rc == HT_FULL) {
			take(e, c);
			rc = ipfix_encoder_add(e, &r);
		}
		assert_true(rc == HT_OK || rc == HT_LIMIT);
		if (refused > 0)
			assert_int_equal(rc, HT_LIMIT);
		taken += rc == HT_OK;
		refused += rc == HT_LIMIT;
	}
	take(e, c);
	assert_int_equal(taken + refused, 2000);
	assert_true(taken > 300 && refused > 300);
	assert_int_equal(c->longest, max);
	// Longer than any length of IPFIX.
	struct ht_record r;
	hello(&r);
	ht_set(&r, sni, HT_SPAN(text, 65536));
	assert_int_equal(ipfix_encoder_add(e, &r), HT_LIMIT);
	assert_true(ipfix_encoder_is_empty(e));
	free(c);
	ipfix_encoder_free(e);
}

static void kinds_take_turns(void **state) {
	(void)state;
	struct ipfix_encoder *const e = encoder(IPFIX_DEFAULT, 0, 1400);
	struct collector *const c = calloc(1, sizeof(*c));
	announce(e, c);
	const unsigned before = c->records;
	for (unsigned i = 0; i < 2000; i++) { // a new set each time, full messages in between
		struct ht_record r;
		hello(&r);
		if (i % 3 == 1)
			ht_set(&r, record, "event");
		if (i % 3 == 2)
			ht_set(&r, src_ip, client6);
		add(e, c, &r);
		if (i == 1000) { // as over UDP
			take(e, c);
			ipfix_encoder_again(e);
			announce(e, c);
		}
	}
	take(e, c);
	assert_int_equal(c->records - c->types - 2, before - c->types / 2 - 1 + 2000);
	assert_int_equal(c->sequence, c->records);
	// A new session counts from 0 and begins with templates.
	char err[64];
	assert_int_equal(ipfix_encoder_begin(e, err, sizeof(err)), HT_OK);
	c->sequence = 0;
	c->num_templates = 0;
	announce(e, c);
	free(c);
	ipfix_encoder_free(e);
}

// A socket may take a message piece by piece: it stays what it was while the next ones are filled.
static void a_message_is_lent(void **state) {
	(void)state;
	struct ipfix_encoder *const e = encoder(IPFIX_DEFAULT, PEN, 1400);
	struct ht_span lent = HT_SPAN_EMPTY;
	uint8_t *copy = NULL;
	for (unsigned i = 0, taken = 0; taken < 50; i++) {
		struct ht_record r;
		hello(&r);
		ht_set(&r, sequence, i);
		enum ht_rc rc = ipfix_encoder_announce(e);
		if (rc == HT_OK)
			rc = ipfix_encoder_add(e, &r);
		if (lent.len > 0)
			assert_memory_equal(lent.p, copy, lent.len);
		if (rc == HT_OK)
			continue;
		if (taken == 25)
			ipfix_encoder_again(e); // templates behind data, and the reverse
		free(copy);
		lent = ipfix_encoder_take(e, ++taken);
		copy = t_dup(lent.p, lent.len);
	}
	free(copy);
	ipfix_encoder_free(e);
}

// libfixbuf's own collector reads the same.
static void libfixbuf_reads_it(void **state) {
	(void)state;
	struct ipfix_encoder *const e = encoder(ALL_PROFILES, PEN, IPFIX_MESSAGE_MAX);
	uint8_t *const stream = malloc(4 << 20);
	size_t len = 0;
	for (enum ht_rc rc = HT_FULL; rc == HT_FULL;) {
		rc = ipfix_encoder_announce(e);
		const struct ht_span m = ipfix_encoder_take(e, 1);
		memcpy(stream + len, m.p, m.len);
		len += m.len;
	}
	for (unsigned i = 0; i < 100; i++) {
		struct ht_record r;
		hello(&r);
		assert_int_equal(ipfix_encoder_add(e, &r), HT_OK);
	}
	const struct ht_span m = ipfix_encoder_take(e, 1);
	memcpy(stream + len, m.p, m.len);
	len += m.len;

	fbInfoModel_t *const model = fbInfoModelAlloc();
	fbSession_t *const session = fbSessionAlloc(model);
	fBuf_t *const buf = fBufAllocForCollection(session, NULL);
	fBufSetBuffer(buf, stream, len);
	fbTemplate_t *const t = fbTemplateAlloc(model);
	GError *error = NULL;
	assert_true(fBufSetAutomaticInsert(buf, &error));
	fbInfoElement_t port = {.num = 7, .len = 2};
	assert_true(fbTemplateAppend(t, &port, &error));
	const uint16_t id = fbSessionAddTemplate(session, TRUE, FB_TID_AUTO, t, &error);
	assert_true(fBufSetInternalTemplate(buf, id, &error));
	unsigned ports = 0;
	for (;;) {
		uint16_t value = 0;
		size_t value_len = sizeof(value);
		if (!fBufNext(buf, (uint8_t *)&value, &value_len, &error)) {
			assert_true(g_error_matches(error, FB_ERROR_DOMAIN, FB_ERROR_BUFSZ));
			g_clear_error(&error);
			break;
		}
		ports += value == 40000;
	}
	assert_int_equal(ports, 100);
	const fbInfoElement_t *const ie
		= fbInfoModelGetElementByName(model, "hellotapKeyShareGroups");
	assert_non_null(ie);
	assert_int_equal(ie->ent, PEN);
	fBufFree(buf);
	fbInfoModelFree(model);
	free(stream);
	ipfix_encoder_free(e);
}

// ---- texts

static void expect_utf8(const char *in, size_t len, const char *want) {
	uint8_t room[64];
	uint8_t *const copy = t_dup(in, len);
	struct ht_span out;
	if (ipfix_is_utf8(HT_SPAN(copy, len)))
		out = HT_SPAN(copy, len);
	else
		assert_true(ipfix_utf8(
			&out, (struct ipfix_room){room, sizeof(room)}, HT_SPAN(copy, len)
		));
	assert_int_equal(out.len, strlen(want));
	assert_memory_equal(out.p, want, out.len);
	free(copy);
}

static void texts_are_utf8(void **state) {
	(void)state;
	expect_utf8("", 0, "");
	expect_utf8("a.example", 9, "a.example");
	expect_utf8("\xc3\xa9", 2, "\xc3\xa9");
	expect_utf8("\xc3", 1, "\\xc3");
	expect_utf8("\xc0\xaf", 2, "\\xc0\\xaf"); // longer than it needs
	expect_utf8("\xe0\x9f\xbf", 3, "\\xe0\\x9f\\xbf");
	expect_utf8("\xed\xa0\x80", 3, "\\xed\\xa0\\x80"); // a surrogate
	expect_utf8("\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf");
	expect_utf8("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80");
	expect_utf8("long enough a\xff", 14, "long enough a\\xff");
	expect_utf8("\\x41\xff", 5, "\\x5cx41\\xff");
	// No room: told, and not written past.
	uint8_t *const room = malloc(7);
	struct ht_span out;
	assert_false(ipfix_utf8(&out, (struct ipfix_room){room, 7}, HT_SPAN_STR("\xff\xff")));
	assert_true(ipfix_utf8(&out, (struct ipfix_room){room, 7}, HT_SPAN_STR("abc\xff")));
	free(room);
}

static void expect_part(const char *name, const char *type, const char *want) {
	uint8_t room[64];
	struct ht_span out;
	uint8_t *const copy = t_dup(name, strlen(name));
	assert_true(ipfix_name_part(
		&out, (struct ipfix_room){room, sizeof(room)}, HT_SPAN(copy, strlen(name)), type
	));
	assert_int_equal(out.len, strlen(want));
	assert_memory_equal(out.p, want, out.len);
	free(copy);
}

static void parts_of_names(void **state) {
	(void)state;
	expect_part("CN=a,O=b", "CN", "a");
	expect_part("CN=a,O=b", "O", "b");
	expect_part("O=b, CN=a", "CN", "a");
	expect_part("OU=CN=x,CN=y", "CN", "y");
	expect_part("OU=a\\,CN=x,CN=y", "CN", "y");
	expect_part("CN=\\41\\2c\\\\,O=b", "CN", "A,\\");
	expect_part("CN=\\ff", "CN", "\\xff");
	expect_part("CN=x\\", "CN", "x\\");
	expect_part("CN=", "CN", "");
	expect_part("", "CN", "");
	expect_part("C", "CN", "");
	expect_part("CN", "CN", "");
}

// ---- links

struct pair {
	const struct ht_link_ops *ops;
	struct ht_sink_options options;
	char to[64];
	struct ht_link *link;
	int listener, fd;
	struct collector *collector;
	uint8_t *in;
	size_t in_len;
};

#define IN_SIZE (1u << 24)

static void listen_on(struct pair *p, int type, int receive_buffer) {
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	p->listener = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	if (receive_buffer > 0)
		setsockopt(
			p->listener, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer)
		);
	assert_int_equal(bind(p->listener, (struct sockaddr *)&at, len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(p->listener, 4), 0);
	assert_int_equal(getsockname(p->listener, (struct sockaddr *)&at, &len), 0);
	snprintf(p->to, sizeof(p->to), "%s://127.0.0.1:%u", p->ops->name, ntohs(at.sin_port));
}

static void start(struct pair *p, const struct ht_link_ops *ops, int receive_buffer) {
	char err[256];
	*p = (struct pair){.ops = ops, .fd = -1};
	listen_on(p, ops == &ht_link_ipfix_udp ? SOCK_DGRAM : SOCK_STREAM, receive_buffer);
	p->options = (struct ht_sink_options
	){.to = p->to, .domain = DOMAIN, .template_s = 60, .mtu = 1400};
	assert_int_equal(ops->open(&p->link, &p->options, err, sizeof(err)), HT_OK);
	p->collector = calloc(1, sizeof(*p->collector));
	p->in = malloc(IN_SIZE);
}

static void join(struct pair *p) {
	enum ht_rc rc;
	do
		rc = p->ops->connect(p->link, 100);
	while (rc == HT_MORE);
	assert_int_equal(rc, HT_OK);
	if (p->ops != &ht_link_ipfix_udp)
		p->fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	*p->collector = (struct collector){.on_record = p->collector->on_record};
	p->in_len = 0;
}

static void stop(struct pair *p) {
	p->ops->close(p->link);
	close(p->listener);
	if (p->fd >= 0)
		close(p->fd);
	free(p->collector);
	free(p->in);
}

// hear reads what came, up to so many bytes, and the messages in it.
static size_t hear(struct pair *p, size_t most) {
	const bool udp = p->ops == &ht_link_ipfix_udp;
	size_t all = 0;
	while (all < most) {
		size_t want = IN_SIZE - p->in_len;
		want = want < most - all ? want : most - all;
		const ssize_t n
			= recv(udp ? p->listener : p->fd, p->in + p->in_len, want, MSG_DONTWAIT);
		if (n <= 0)
			break;
		p->in_len += (size_t)n;
		all += (size_t)n;
		struct ht_span in = HT_SPAN(p->in, p->in_len);
		while (read_message(p->collector, &in))
			continue;
		if (udp)
			assert_int_equal(in.len, 0); // a message a datagram
		memmove(p->in, in.p, in.len);
		p->in_len = in.len;
	}
	return all;
}

static struct ht_settled settled(const struct pair *p) {
	struct ht_settled s;
	p->ops->settled(p->link, &s);
	return s;
}

static void give(struct pair *p, uint64_t sequence) {
	struct ht_record r;
	hello(&r);
	ht_set(&r, sequence, sequence);
	assert_int_equal(p->ops->give(p->link, &r), HT_OK);
}

static void give_too_long(struct pair *p) {
	static char text[70000];
	struct ht_record r;
	hello(&r);
	ht_set(&r, sni, HT_SPAN(text, sizeof(text)));
	assert_int_equal(p->ops->give(p->link, &r), HT_OK);
}

// wait_for polls until so many are settled.
static void wait_for(struct pair *p, uint64_t num) {
	for (unsigned i = 0; i < 6000; i++) { // a minute
		const struct ht_settled s = settled(p);
		if (s.delivered + s.refused >= num)
			return;
		assert_int_equal(p->ops->poll(p->link, true, 10), HT_OK);
		hear(p, SIZE_MAX);
	}
	fail();
}

static unsigned hellos(const struct pair *p) {
	return p->collector->hellos;
}

static void tcp_delivers(void **state) {
	(void)state;
	struct pair p;
	start(&p, &ht_link_ipfix_tcp, 0);
	assert_int_equal(p.ops->poll(p.link, true, 0), HT_ERROR); // not connected yet
	join(&p);
	assert_null(p.ops->error(p.link));
	for (uint64_t i = 1; i <= 3; i++)
		give(&p, i);
	assert_int_equal(settled(&p).delivered, 0); // nothing was sent
	wait_for(&p, 3);
	hear(&p, SIZE_MAX);
	assert_int_equal(settled(&p).delivered, 3);
	assert_int_equal(settled(&p).refused, 0);
	assert_int_equal(hellos(&p), 3);
	assert_false(p.ops->is_dead(p.link));
	stop(&p);
}

// each_is_next wants the records as a_slow_reader gave them.
static void each_is_next(struct collector *c) {
	if (c->last->id != 256)
		return;
	c->sum++;
	assert_int_equal(number(c, 0, 148), c->sum);
	assert_int_equal(number(c, 0, 7), c->sum % 60000);
}

// A message that the socket takes piece by piece arrives as it was sent, while the next one is
// filled: no two records are alike, nor as long as each other.
static void a_slow_reader(void **state) {
	(void)state;
	static const uint8_t text[300];
	struct pair p;
	start(&p, &ht_link_ipfix_tcp, 4096);
	p.collector->on_record = each_is_next;
	join(&p);
	uint64_t given = 0;
	for (;;) {
		struct ht_record r;
		hello(&r);
		ht_set(&r, sequence, given + 1);
		ht_set(&r, src_port, (uint16_t)((given + 1) % 60000));
		ht_set(&r, sni, HT_SPAN(text, given * 7 % sizeof(text)));
		const enum ht_rc rc = p.ops->give(p.link, &r);
		if (rc == HT_MORE)
			break;
		assert_int_equal(rc, HT_OK);
		given++;
		assert_true(given < 10000000);
	}
	assert_int_equal(p.ops->poll(p.link, false, 50), HT_OK);
	const uint64_t stuck = settled(&p).delivered;
	assert_true(stuck < given);
	// What is delivered never is more than what arrived.
	int arrived;
	assert_int_equal(ioctl(p.fd, FIONREAD, &arrived), 0);
	assert_int_equal(hear(&p, (size_t)arrived), arrived);
	assert_in_range(stuck, 0, hellos(&p));
	for (unsigned i = 0; i < 100000 && settled(&p).delivered < given; i++) {
		hear(&p, 50000);
		assert_int_equal(p.ops->poll(p.link, true, 0), HT_OK);
	}
	for (unsigned i = 0; i < 100 && hear(&p, SIZE_MAX) > 0; i++)
		continue;
	wait_for(&p, given);
	hear(&p, SIZE_MAX);
	assert_int_equal(settled(&p).delivered, given);
	assert_int_equal(hellos(&p), given);
	stop(&p);
}

static void reset(struct pair *p) {
	const struct linger now = {.l_onoff = 1};
	setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(p->fd);
	p->fd = -1;
}

// broken polls until the link says that it is.
static void broken(struct pair *p) {
	for (unsigned i = 0; i < 6000; i++) // a minute
		if (p->ops->poll(p->link, true, 10) != HT_OK)
			return;
	fail();
}

static void a_reset_in_the_middle(void **state) {
	(void)state;
	struct pair p;
	start(&p, &ht_link_ipfix_tcp, 4096);
	join(&p);
	give(&p, 1);
	wait_for(&p, 1);
	// More than the reader has room for: some of it is never acknowledged.
	uint64_t given = 1;
	struct ht_record r;
	hello(&r);
	while (p.ops->give(p.link, &r) == HT_OK)
		given++;
	reset(&p);
	broken(&p);
	assert_non_null(strstr(p.ops->error(p.link), p.to));
	assert_true(strlen(p.ops->error(p.link)) > strlen(p.to) + 2);
	const uint64_t before = settled(&p).delivered;
	assert_in_range(before, 1, given - 1);
	assert_int_equal(p.ops->give(p.link, &r), HT_ERROR);
	// It takes up again with templates and sequence number 0, as the reader checks.
	join(&p);
	give(&p, given + 1);
	wait_for(&p, before + 1);
	hear(&p, SIZE_MAX);
	assert_int_equal(settled(&p).delivered, before + 1);
	assert_int_equal(hellos(&p), 1);
	stop(&p);
}

static void an_end_is_a_break(void **state) {
	(void)state;
	struct pair p;
	start(&p, &ht_link_ipfix_tcp, 0);
	join(&p);
	give(&p, 1);
	wait_for(&p, 1);
	hear(&p, SIZE_MAX);
	close(p.fd);
	p.fd = -1;
	broken(&p);
	assert_non_null(strstr(p.ops->error(p.link), "closed"));
	// Given up by whoever delivers.
	join(&p);
	give(&p, 2);
	p.ops->break_off(p.link);
	assert_int_equal(settled(&p).delivered, 1);
	assert_int_equal(p.ops->poll(p.link, true, 0), HT_ERROR);
	stop(&p);
}

static void nobody_listens(void **state) {
	(void)state;
	struct pair p;
	start(&p, &ht_link_ipfix_tcp, 0);
	close(p.listener);
	enum ht_rc rc;
	do
		rc = p.ops->connect(p.link, 100);
	while (rc == HT_MORE);
	assert_int_equal(rc, HT_ERROR);
	assert_non_null(strstr(p.ops->error(p.link), "Connection refused"));
	assert_int_equal(p.ops->connect(p.link, 100), HT_ERROR); // anew
	p.listener = open("/dev/null", O_RDONLY | O_CLOEXEC);
	stop(&p);
}

// A resolver that is away holds up nobody but the thread that asks it.
static void a_slow_resolver(void **state) {
	(void)state;
	const struct ht_sink_options o = {.to = "ipfix+tcp://slow.test:4739", .domain = DOMAIN};
	struct ht_link *l;
	char err[200];
	assert_int_equal(ht_link_ipfix_tcp.open(&l, &o, err, sizeof(err)), HT_OK);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ht_link_ipfix_tcp.connect(l, 5), HT_MORE);
		assert_int_equal(times_answered, 0);
		ht_link_ipfix_tcp.break_off(l);
	}
	resolver_answers = true;
	enum ht_rc rc;
	do
		rc = ht_link_ipfix_tcp.connect(l, 100);
	while (rc == HT_MORE);
	assert_int_equal(rc, HT_ERROR);
	assert_non_null(strstr(ht_link_ipfix_tcp.error(l), gai_strerror(EAI_AGAIN)));
	assert_int_equal(times_asked, 1); // the tries shared it
	resolver_answers = false;
	assert_int_equal(ht_link_ipfix_tcp.connect(l, 0), HT_MORE);
	ht_link_ipfix_tcp.close(l); // while it is being asked
	assert_int_equal(times_answered, 1);
	resolver_answers = true;
	for (unsigned i = 0; i < 60000 && times_answered < 2; i++)
		usleep(1000);
	usleep(100000); // for leaks to be seen
}

static void refused_in_order(void **state) {
	(void)state;
	struct pair p;
	start(&p, &ht_link_ipfix_tcp, 0);
	join(&p);
	give_too_long(&p); // nothing before it: at once, or with the templates
	wait_for(&p, 1);
	assert_int_equal(settled(&p).refused, 1);
	give(&p, 2);
	give_too_long(&p);
	give(&p, 4);
	assert_int_equal(settled(&p).refused, 1); // the one before it is not settled
	assert_int_equal(settled(&p).delivered, 0);
	wait_for(&p, 4);
	assert_int_equal(settled(&p).refused, 2);
	assert_int_equal(settled(&p).delivered, 2);
	stop(&p);
}

// ---- UDP, by a clock of our own

static int64_t fake_now;

static int64_t fake_clock(clockid_t id) {
	(void)id;
	return fake_now;
}

static void templates_come_again(void **state) {
	(void)state;
	struct pair p;
	start(&p, &ht_link_ipfix_udp, 1 << 20);
	fake_now = 1000000000000;
	p.link->clock = fake_clock;
	join(&p);
	give(&p, 1);
	assert_int_equal(p.ops->poll(p.link, true, 0), HT_OK);
	assert_int_equal(settled(&p).delivered, 1);
	hear(&p, SIZE_MAX);
	const unsigned once = p.collector->template_messages;
	assert_true(once > 0);
	assert_true(p.collector->longest <= 1400);
	assert_int_equal(p.collector->export_time, 1000);
	for (int64_t s = 1; s < 60; s++) {
		fake_now += 1000000000;
		give(&p, 2);
		assert_int_equal(p.ops->poll(p.link, true, 0), HT_OK);
	}
	hear(&p, SIZE_MAX);
	assert_int_equal(p.collector->template_messages, once);
	fake_now += 1000000000; // 60 s: on an idle link, too
	assert_int_equal(p.ops->poll(p.link, false, 0), HT_OK);
	assert_int_equal(p.ops->poll(p.link, true, 0), HT_OK);
	hear(&p, SIZE_MAX);
	assert_int_equal(p.collector->template_messages, 2 * once);
	assert_int_equal(settled(&p).delivered, 60);
	for (unsigned i = 0; i < LINK_TEMPLATE_MESSAGES; i++) {
		give(&p, 100);
		assert_int_equal(p.ops->poll(p.link, true, 0), HT_OK);
		hear(&p, SIZE_MAX);
	}
	assert_int_equal(p.ops->poll(p.link, true, 0), HT_OK);
	hear(&p, SIZE_MAX);
	assert_int_equal(p.collector->template_messages, 3 * once);
	give_too_long(&p);
	assert_int_equal(settled(&p).refused, 1);
	stop(&p);
}

static void udp_hears_of_a_closed_port(void **state) {
	(void)state;
	struct pair p;
	start(&p, &ht_link_ipfix_udp, 0);
	join(&p);
	close(p.listener);
	struct ht_record r;
	hello(&r);
	if (p.ops->give(p.link, &r) == HT_OK) // else it heard of the templates' end already
		broken(&p);
	assert_non_null(strstr(p.ops->error(p.link), "Connection refused"));
	assert_int_equal(settled(&p).delivered, 0);
	p.listener = open("/dev/null", O_RDONLY | O_CLOEXEC);
	stop(&p);
}

// ---- options

static void
check_options(struct ht_sink_options o, const struct ht_link_ops *ops, const char *want) {
	char err[256] = "";
	if (o.mtu == 0)
		o.mtu = 1400;
	const enum ht_rc rc = ops->check(&o, err, sizeof(err));
	assert_int_equal(rc, want == NULL ? HT_OK : HT_BAD);
	if (want != NULL && strncmp(err, want, strlen(want)) != 0)
		assert_string_equal(err, want);
}

#define TO(spec) \
	(struct ht_sink_options) { \
		.to = (spec) \
	}

static void options(void **state) {
	(void)state;
	const struct ht_link_ops *const tcp = &ht_link_ipfix_tcp, *const tls = &ht_link_ipfix_tls;
	check_options(TO("ipfix+tcp://a.example"), tcp, NULL);
	check_options(TO("ipfix+tcp://a.example:1"), tcp, NULL);
	check_options(TO("ipfix+tcp://[2001:db8::1]:65535"), tcp, NULL);
	check_options(TO("ipfix+tcp://[2001:db8::1]"), tcp, NULL);
	check_options(TO("ipfix+tcp://"), tcp, "not ipfix+tcp://HOST[:PORT]");
	check_options(TO("ipfix+tcp://:4739"), tcp, "not ipfix+tcp://HOST[:PORT]");
	check_options(TO("ipfix+tcp://a.example:"), tcp, "not ipfix+tcp://HOST[:PORT]");
	check_options(TO("ipfix+tcp://a.example:0"), tcp, "not ipfix+tcp://HOST[:PORT]");
	check_options(TO("ipfix+tcp://a.example:65536"), tcp, "not ipfix+tcp://HOST[:PORT]");
	check_options(TO("ipfix+tcp://a.example:4739/x"), tcp, "not ipfix+tcp://HOST[:PORT]");
	check_options(TO("ipfix+tcp://[::1"), tcp, "not ipfix+tcp://HOST[:PORT]");
	check_options(TO("ipfix+udp://a.example"), tcp, "not ipfix+tcp://HOST[:PORT]");
	const char *known[] = {"cert", "ntop"}, *unknown[] = {"cert", "yaf"};
	struct ht_sink_options o = TO("ipfix+tls://a");
	o.profiles = (struct ht_option_texts){known, 2};
	check_options(o, tls, NULL);
	o.profiles.v = unknown;
	check_options(o, tls, "profiles: there is no \"yaf\"");
	o.profiles.num = 0;
	o.pen = 39499;
	check_options(o, tls, "pen: 39499 is that of Flowmon");
	o.pen = 29305;
	check_options(o, tls, "pen: ");
	o.pen = 0;
	o.tls_cert = "/x";
	check_options(o, tls, "tls_cert: wants tls_key");
	o.tls_key = "/x";
	check_options(o, tls, NULL);
	o.to = "ipfix+tcp://a";
	check_options(o, tcp, "tls_cert: only ipfix+tls");
	o = TO("ipfix+udp://a");
	o.mtu = 512;
	check_options(o, &ht_link_ipfix_udp, NULL);
	o.pen = PEN;
	check_options(o, &ht_link_ipfix_udp, "mtu: 512 is too short");
	char err[256];
	struct ht_link *l;
	o = TO("ipfix+tls://a");
	o.tls_ca = "/nonexistent/ca.pem";
	assert_int_equal(tls->open(&l, &o, err, sizeof(err)), HT_ERROR);
	assert_non_null(strstr(err, "ipfix+tls://a: tls_ca: /nonexistent/ca.pem: "));
	o = TO("ipfix+udp://a");
	o.mtu = 512;
	o.pen = PEN;
	assert_int_equal(ht_link_ipfix_udp.open(&l, &o, err, sizeof(err)), HT_ERROR);
	assert_non_null(strstr(err, "ipfix+udp://a: mtu: 512 is too short"));
}

static void all_profiles_fit_in_the_default_mtu(void **state) {
	(void)state;
	assert_true(ipfix_longest_template(ALL_PROFILES, PEN) <= 1400);
}
#endif

static void prints_each_field(void **state) {
	(void)state;
	char *text = NULL;
	size_t len;
	FILE *const f = open_memstream(&text, &len);
	ht_ipfix_print_md(f);
	fclose(f);
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		char row[64];
		snprintf(row, sizeof(row), "\n| `%s` |", ht_fields[i].name);
		assert_non_null(strstr(text, row));
	}
	assert_non_null(strstr(text, "| `sni` |  | 338 tlsSni<br>339 tlsSniLength | 808 TLSSNI"));
	free(text);
}

int main(void) {
	const struct CMUnitTest tests[] = {
#if HT_HAVE_IPFIX
		cmocka_unit_test(a_hello),
		cmocka_unit_test(no_profile_and_no_private_number),
		cmocka_unit_test(quic_over_ipv6),
		cmocka_unit_test(no_ip),
		cmocka_unit_test(a_flow),
		cmocka_unit_test(an_aggregate),
		cmocka_unit_test(stats_are_options),
		cmocka_unit_test(every_field_of_every_kind),
		cmocka_unit_test(type_records),
		cmocka_unit_test(lengths_at_the_edge),
		cmocka_unit_test(kinds_take_turns),
		cmocka_unit_test(a_message_is_lent),
		cmocka_unit_test(libfixbuf_reads_it),
		cmocka_unit_test(texts_are_utf8),
		cmocka_unit_test(parts_of_names),
		cmocka_unit_test(tcp_delivers),
		cmocka_unit_test(a_slow_reader),
		cmocka_unit_test(a_reset_in_the_middle),
		cmocka_unit_test(an_end_is_a_break),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(a_slow_resolver),
		cmocka_unit_test(refused_in_order),
		cmocka_unit_test(templates_come_again),
		cmocka_unit_test(udp_hears_of_a_closed_port),
		cmocka_unit_test(options),
		cmocka_unit_test(all_profiles_fit_in_the_default_mtu),
#endif
		cmocka_unit_test(prints_each_field),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
