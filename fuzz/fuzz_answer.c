// SPDX-License-Identifier: BSD-3-Clause
// The first byte chooses what the rest is: the body of a ServerHello (and its JA3S); a stream of a
// server or of a client behind its hello, given in cuts (a byte of length, then a byte each); or
// DTLS datagrams of either, each behind two bytes of length. A stream must give the same however it
// is cut, and whatever its owner drops on the way.

#include "arena.h"
#include "fingerprint.h"
#include "reader.h"
#include "tls_answer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STREAM_MAX 65536u
#define MESSAGE_MAX 16384u

static void require(bool ok) {
	if (!ok)
		abort();
}

static uint8_t *copy_of(struct ht_span s) {
	uint8_t *p = malloc(s.len > 0 ? s.len : 1);
	require(p != NULL);
	if (s.len > 0)
		memcpy(p, s.p, s.len);
	return p;
}

static void inside(struct ht_span s, struct ht_span body) {
	require(s.p >= body.p && s.len <= body.len && (size_t)(s.p - body.p) <= body.len - s.len);
}

static void fingerprint(const struct ht_server_hello *h) {
	static struct ht_fingerprinter *f;
	char out[32];
	if (f == NULL) {
		struct ht_fingerprint_params p = {.crypto = ht_crypto_new(), .max_hello = 64};
		f = ht_fingerprinter_new(&p);
	}
	require(f != NULL);
	require(ht_ja3s(f, h, out) == ((h->seen & HT_SERVER_BODY) != 0));
}

static void hello(struct ht_span in) {
	uint8_t *p = copy_of(in);
	const struct ht_span body = HT_SPAN(p, in.len);
	struct ht_server_hello h, less;
	const enum ht_rc rc = ht_server_hello_parse(&h, body);
	require(rc == HT_OK || rc == HT_MORE || rc == HT_BAD || rc == HT_LIMIT);
	if (h.seen & HT_SERVER_BODY) {
		inside(h.random, body);
		if (h.session_id.len > 0)
			inside(h.session_id, body);
	}
	if (h.seen & HT_SERVER_ALPN)
		inside(h.alpn, body);
	require(h.num_extensions <= HT_SERVER_HELLO_MAX_EXTENSIONS);
	(void)ht_server_hello_version(&h);
	fingerprint(&h);
	// What is right is right as far as it goes, where it is cut.
	for (size_t len = 0; rc == HT_OK && len < in.len && len < 300; len++) {
		uint8_t *cut = copy_of(HT_SPAN(in.p, len));
		const enum ht_rc before = ht_server_hello_parse(&less, HT_SPAN(cut, len));
		require(before == HT_MORE || before == HT_OK);
		require((less.seen & ~h.seen) == 0);
		free(cut);
	}
	free(p);
}

static void same_facts(const struct ht_tls_answer *a, const struct ht_tls_answer *b) {
	require(a->facts.seen == b->facts.seen);
	require(a->facts.version == b->facts.version && a->facts.cipher == b->facts.cipher);
	require(a->facts.group == b->facts.group);
	require(a->facts.alert_level == b->facts.alert_level && a->facts.alert == b->facts.alert);
	require(a->facts.cert_count == b->facts.cert_count && a->cert_type == b->cert_type);
	require(a->over == b->over && (!a->over || a->outcome == b->outcome));
}

static void same_part(
	struct ht_tls_part a,
	const uint8_t *in_a,
	struct ht_tls_part b,
	const uint8_t *in_b,
	size_t len
) {
	require(a.len == b.len && a.len <= len && a.at <= len - a.len && b.at <= len - b.len);
	require(a.len == 0 || memcmp(in_a + a.at, in_b + b.at, a.len) == 0);
}

static void stream(bool client, struct ht_span cuts, struct ht_span s) {
	struct ht_tls_answer whole = {.client = client}, cut = whole, rest = whole;
	uint8_t *a = copy_of(s), *b = copy_of(s), *c = copy_of(s);
	const enum ht_rc rc = ht_tls_answer(&whole, a, s.len, MESSAGE_MAX);
	require(rc == HT_OK || rc == HT_MORE || rc == HT_BAD || rc == HT_LIMIT);
	require(whole.pos <= s.len + 0u || rc != HT_MORE);
	size_t len = 0, dropped = 0;
	for (size_t i = 0; len < s.len; i++) {
		const size_t n = cuts.len > 0 ? cuts.p[i % cuts.len] : 0;
		len = s.len - len > n + 1 ? len + n + 1 : s.len;
		(void)!ht_tls_answer(&cut, b, len, MESSAGE_MAX);
		const enum ht_rc now
			= ht_tls_answer(&rest, c + dropped, len - dropped, MESSAGE_MAX);
		if (now == HT_MORE)
			dropped += ht_tls_answer_rest(&rest);
		require(dropped <= len);
	}
	if (s.len > 0) {
		same_facts(&whole, &cut);
		same_facts(&whole, &rest);
		same_part(whole.hello, a, cut.hello, b, s.len);
		same_part(whole.chain, a, cut.chain, b, s.len);
	}
	if (whole.hello.len > 0)
		hello(HT_SPAN(a + whole.hello.at, whole.hello.len));
	free(a);
	free(b);
	free(c);
}

static void datagrams(bool client, struct ht_reader r) {
	struct ht_arena *arena = ht_arena_new(1);
	struct ht_dtls_answer d = {.client = client};
	struct ht_reader one;
	require(arena != NULL);
	while (ht_vec16(&r, &one)) {
		struct ht_dtls_messages m;
		uint8_t *p = copy_of(one.left);
		const enum ht_rc rc = ht_dtls_answer(
			&d, arena, HT_SPAN(p, one.left.len), one.left.len % 2 != 0, MESSAGE_MAX, &m
		);
		require(rc != HT_SKIP && rc != HT_ERROR);
		require(m.hello.len <= MESSAGE_MAX && m.chain.len <= MESSAGE_MAX);
		if (m.hello.len > 0)
			hello(m.hello);
		if (m.chain.len > 0)
			free(copy_of(m.chain));
		free(p);
	}
	ht_dtls_answer_drop(&d, arena);
	require(ht_arena_used(arena) == 0);
	ht_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct ht_reader r = ht_reader(size > 0 ? HT_SPAN(data, size) : HT_SPAN_EMPTY), cuts;
	uint8_t what;
	if (size > STREAM_MAX || !ht_u8(&r, &what))
		return 0;
	switch (what % 5) {
	case 0:
		hello(r.left);
		break;
	case 1:
	case 2:
		if (ht_vec8(&r, &cuts))
			stream(what % 5 == 2, cuts.left, r.left);
		break;
	default:
		datagrams(what % 5 == 4, r);
		break;
	}
	return 0;
}
