// SPDX-License-Identifier: BSD-3-Clause
// The first byte chooses what the rest is: the body of a hello (and its fingerprints), a stream
// given in cuts, or DTLS datagrams. A stream must give the same however it is cut.

#include "fingerprint.h"
#include "reader.h"
#include "tls.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HELLO_MAX 65536u

static void require(bool ok) {
	if (!ok)
		abort();
}

static struct ht_span copy_of(struct ht_span s) {
	uint8_t *p = malloc(s.len > 0 ? s.len : 1);
	require(p != NULL);
	if (s.len > 0)
		memcpy(p, s.p, s.len);
	return HT_SPAN(p, s.len);
}

static void drop(struct ht_span s) {
	free((void *)(uintptr_t)s.p);
}

static void inside(struct ht_span s, struct ht_span body) {
	require(s.p >= body.p && s.len <= body.len && (size_t)(s.p - body.p) <= body.len - s.len);
}

static void views_inside(const struct ht_hello *h, struct ht_span body) {
	if (h->seen & HT_SEEN_BODY) {
		inside(h->random, body);
		inside(h->session_id, body);
		inside(h->ciphers, body);
		require(h->kind == HT_HELLO_SSL2 || h->ciphers.len % 2 == 0);
		if (h->compression.len > 0)
			inside(h->compression, body);
		if (h->cookie.len > 0)
			inside(h->cookie, body);
	}
	const struct {
		uint32_t bit;
		unsigned unit;
		struct ht_span s;
	} views[] = {
		{HT_SEEN_SNI, 1, h->sni},
		{HT_SEEN_ALPN, 1, h->alpn},
		{HT_SEEN_VERSIONS, 2, h->versions},
		{HT_SEEN_GROUPS, 2, h->groups},
		{HT_SEEN_SIG_ALGS, 2, h->sig_algs},
		{HT_SEEN_POINT_FORMATS, 1, h->point_formats},
		{HT_SEEN_QUIC_PARAMETERS, 1, h->quic_parameters},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(views); i++) {
		if (!(h->seen & views[i].bit))
			continue;
		inside(views[i].s, body);
		require(views[i].s.len % views[i].unit == 0);
	}
	if (h->quic_user_agent.len > 0)
		inside(h->quic_user_agent, body);
	require(h->num_extensions <= HT_HELLO_MAX_EXTENSIONS);
	require(h->num_key_shares <= HT_HELLO_MAX_KEY_SHARES);
	(void)ht_tls_version_name(ht_hello_version(h));
}

// The same hello without its raw form (perhaps from the cache) and with it. The fingerprinters are
// made for this very length, so that their scratch has nothing to spare.
static void fingerprints(const struct ht_hello *h, uint32_t max_hello, enum ht_ja4_transport t) {
	static struct ht_crypto *crypto; // dear to make, and without a state that a hello changes
	if (crypto == NULL)
		crypto = ht_crypto_new();
	struct ht_fingerprint_params p = {.crypto = crypto, .max_hello = max_hello};
	require(p.crypto != NULL);
	struct ht_fingerprinter *plain = ht_fingerprinter_new(&p);
	p.ja4_r = true;
	struct ht_fingerprinter *raw = ht_fingerprinter_new(&p);
	require(plain != NULL && raw != NULL);
	struct ht_fingerprints a, b, c;
	bool any = ht_fingerprint(plain, h, t, &a);
	require(any == (h->kind != HT_HELLO_SSL2));
	if (any) {
		require(ht_fingerprint(plain, h, t, &b) && ht_fingerprint(raw, h, t, &c));
		require(memcmp(a.ja3, b.ja3, 32) == 0 && memcmp(a.ja3, c.ja3, 32) == 0);
		require(memcmp(a.ja4, b.ja4, 36) == 0 && memcmp(a.ja4, c.ja4, 36) == 0);
		require(a.ja4[10] == '_' && a.ja4[23] == '_');
		require(c.ja4_r.len > 11 && memcmp(c.ja4_r.p, a.ja4, 11) == 0);
	}
	ht_fingerprinter_free(plain);
	ht_fingerprinter_free(raw);
}

static void hello(enum ht_hello_kind kind, struct ht_span in, bool fingerprint) {
	struct ht_span body = copy_of(in);
	struct ht_hello h;
	enum ht_rc rc = ht_hello_parse(&h, kind, body);
	views_inside(&h, body);
	require(rc == HT_OK || rc == HT_MORE || rc == HT_BAD || rc == HT_LIMIT);
	require(rc != HT_OK || (h.seen & HT_SEEN_BODY));
	if (rc == HT_OK && fingerprint)
		fingerprints(
			&h, (uint32_t)body.len,
			kind == HT_HELLO_DTLS ? HT_JA4_DTLS
			: body.len & 1	      ? HT_JA4_QUIC
					      : HT_JA4_TCP
		);
	drop(body);
	// A part of a good hello is a cut one, or ends where the extensions may be left out.
	size_t cut = in.len > 0 ? in.p[in.len / 2] * in.len / 256 : 0;
	struct ht_hello part;
	body = copy_of(HT_SPAN(in.p, cut));
	enum ht_rc of_part = ht_hello_parse(&part, kind, body);
	views_inside(&part, body);
	require(rc != HT_OK || of_part == HT_MORE || of_part == HT_OK);
	require(rc != HT_OK || part.num_extensions <= h.num_extensions);
	drop(body);
}

// What the framer gave of a stream.
struct framed {
	enum ht_rc rc;
	struct ht_tls_message m;
	struct ht_span body; // a copy
};

// Gives the stream in prefixes that grow by what the bytes of `cuts` say, each in a block of its
// own size; without cuts all at once.
static struct framed run_framer(struct ht_tls_framer f, struct ht_span in, struct ht_span cuts) {
	struct framed r = {.rc = HT_MORE};
	struct ht_span buf = copy_of(HT_SPAN_EMPTY);
	size_t k = 0;
	while (r.rc == HT_MORE && buf.len < in.len) {
		size_t more = in.len - buf.len;
		if (cuts.len > 0) {
			size_t want = 1u + cuts.p[k++ % cuts.len];
			more = want < more ? want : more;
		}
		uint8_t *next = malloc(buf.len + more);
		require(next != NULL);
		memcpy(next, buf.p, buf.len);
		memcpy(next + buf.len, in.p + buf.len, more);
		size_t len = buf.len + more;
		drop(buf);
		uint32_t pos = f.pos;
		r.rc = ht_tls_frame(&f, next, len, &r.m);
		buf = HT_SPAN(next, len);
		require(f.pos >= pos && f.pos <= len);
		require(memcmp(next + f.pos, in.p + f.pos, len - f.pos) == 0);
		if (r.rc == HT_OK) {
			inside(r.m.body, buf);
			r.body = copy_of(r.m.body);
			continue;
		}
		struct ht_tls_message m;
		uint32_t declared;
		if (ht_tls_frame_partial(&f, next, &m, &declared)) {
			require(ht_tls_frame_begun(&f, next));
			if (m.body.len > 0)
				inside(m.body, HT_SPAN(next, len));
			require(m.body.len <= declared);
		}
	}
	drop(buf);
	return r;
}

static void frames(bool second, bool early, struct ht_span cuts, struct ht_span in) {
	struct ht_tls_framer f = {.second = second, .early_data = early};
	struct framed whole = run_framer(f, in, HT_SPAN_EMPTY);
	struct framed cut = run_framer(f, in, cuts);
	require(whole.rc == cut.rc);
	if (whole.rc == HT_OK) {
		require(whole.m.kind == cut.m.kind && whole.m.records == cut.m.records);
		require(whole.m.stream_end == cut.m.stream_end);
		require(ht_span_eq(whole.body, cut.body));
		drop(cut.body);
	}

	struct ht_span all = copy_of(in);
	struct ht_tls_message m;
	enum ht_rc rc = ht_tls_frame_whole(&m, all);
	if (rc == HT_OK && !second) { // the short way agrees with the long one
		require(whole.rc == HT_OK && whole.m.stream_end == m.stream_end);
		require(whole.m.records == m.records && ht_span_eq(whole.body, m.body));
		require(ht_tls_start(all) == HT_TLS_RECORD);
	}
	require(rc != HT_SKIP || second || whole.rc == HT_SKIP);
	if (whole.rc == HT_OK) {
		hello(whole.m.kind, whole.body, false);
		drop(whole.body);
	}

	// Both of these decide once and for good.
	enum ht_tls_start start = ht_tls_start(all);
	uint32_t skip, skip_before;
	enum ht_rc behind = ht_tls_second(all, early, &skip);
	require(skip <= all.len);
	if (cuts.len > 0) {
		struct ht_span part = copy_of(HT_SPAN(in.p, in.len * cuts.p[0] / 256));
		enum ht_tls_start before = ht_tls_start(part);
		require(before == HT_TLS_PERHAPS || before == start);
		enum ht_rc behind_before = ht_tls_second(part, early, &skip_before);
		require(behind_before == HT_MORE || behind_before == behind);
		require(skip_before <= skip);
		drop(part);
	}
	drop(all);
}

static void datagrams(struct ht_reader r) {
	struct ht_arena *a = ht_arena_new(1);
	struct ht_dtls d = {0};
	struct ht_reader one;
	require(a != NULL);
	uint16_t given = 0;
	while (ht_vec16(&r, &one)) {
		struct ht_span in = copy_of(one.left);
		struct ht_tls_message m;
		bool start = ht_dtls_start(in), first;
		bool cut = one.left.len % 2 != 0;
		uint16_t seq, done = d.done_seq;
		require(ht_dtls_first(in, &seq, &first).len == 0 || start);
		enum ht_dtls_rc rc = ht_dtls_add(&d, a, in, cut, 8192, &m);
		if (rc == HT_DTLS_NEXT) {
			require(d.begun && (d.done_seq & ~done) != 0 && ++given <= 16);
			done = d.done_seq;
			ht_dtls_next(&d, a);
			rc = ht_dtls_add(&d, a, in, cut, 8192, &m);
		}
		require(rc != HT_DTLS_FULL);
		if (rc == HT_DTLS_HELLO) {
			require(m.kind == HT_HELLO_DTLS && m.body.len <= 8192 && m.records > 0);
			require((d.done_seq & ~done) != 0 && ++given <= 16);
			hello(m.kind, m.body, false);
			ht_dtls_next(&d, a);
			require(ht_arena_used(a) == 0);
		} else if (rc == HT_DTLS_NEXT) { // a datagram may begin several
			require((d.done_seq & ~done) != 0 && ++given <= 16);
			ht_dtls_next(&d, a);
		} else {
			require(d.done_seq == done);
			require(rc != HT_DTLS_MORE || (d.begun && d.length <= 8192));
			require(start || rc != HT_DTLS_MORE || one.left.len > 13);
		}
		drop(in);
	}
	ht_dtls_next(&d, a);
	require(ht_arena_used(a) == 0);
	ht_arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct ht_reader r = ht_reader(size > 0 ? HT_SPAN(data, size) : HT_SPAN_EMPTY), cuts;
	uint8_t what;
	if (size > HELLO_MAX || !ht_u8(&r, &what))
		return 0;
	switch (what & 7) {
	case 0:
	case 1:
		hello(HT_HELLO_TLS, r.left, true);
		break;
	case 2:
		hello(HT_HELLO_DTLS, r.left, true);
		break;
	case 3:
		hello(HT_HELLO_SSL2, r.left, true);
		break;
	case 4:
	case 5:
	case 6:
		if (ht_vec8(&r, &cuts))
			frames((what & 7) > 4, (what & 7) == 6, cuts.left, r.left);
		break;
	default:
		datagrams(r);
		break;
	}
	return 0;
}
