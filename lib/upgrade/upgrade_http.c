// SPDX-License-Identifier: BSD-3-Clause
// HTTP: CONNECT (RFC 9110 9.3.6) and Upgrade: TLS (RFC 2817). All else is HTTP in clear.

#include "upgrade_int.h"

// A request that is not CONNECT is kept until its head ends only to see an Upgrade field; the usual
// servers refuse longer heads. CONNECT may carry a Kerberos ticket and has the module's cap.
#define HEAD_MAX 8192u

static struct ht_span target_of(struct ht_span line) {
	struct ht_reader r = ht_reader(line);
	(void)up_word(&r);
	return up_word(&r);
}

// same_target tells whether the CONNECT at hand repeats the one before. A client that is asked for
// a password (407) repeats it: that is no second proxy.
static bool same_target(const struct ht_upgrade *u, struct ht_span all) {
	struct ht_span line[2];
	const uint32_t at[2] = {u->connect, u->head};
	for (unsigned i = 0; i < 2; i++) {
		struct ht_reader r = ht_reader(all);
		if (!ht_skip(&r, at[i]))
			return false;
		const uint8_t *lf = memchr(r.left.p, '\n', r.left.len);
		if (lf == NULL || !ht_take(&r, (size_t)(lf - r.left.p), &line[i]))
			return false;
	}
	return ht_span_eq(target_of(line[0]), target_of(line[1]));
}

static enum ht_rc request_line(struct ht_upgrade *u, struct ht_span line) {
	struct ht_reader r = ht_reader(line);
	struct ht_span method = up_word(&r), version = HT_SPAN_EMPTY;
	for (struct ht_span w = up_word(&r); w.len > 0; w = up_word(&r))
		version = w;
	// OPTIONS is RTSP's and SIP's too.
	if (up_match(version, HT_SPAN_STR("RTSP/")) == HT_OK
	    || up_match(version, HT_SPAN_STR("SIP/")) == HT_OK)
		return up_bad(u, HT_SPEAKS_RTSP);
	if (up_match(version, HT_SPAN_STR("HTTP/1.")) != HT_OK)
		return up_bad(u, up_is(method, "CONNECT") ? HT_SPEAKS_UNKNOWN : HT_SPEAKS_HTTP);
	u->flags = up_is(method, "CONNECT") ? UP_CONNECT : 0;
	u->body = 0;
	return HT_SKIP;
}

// wants_tls looks through the list of an Upgrade field (RFC 9110 7.8) for TLS/1.0 (RFC 2817 3.1),
// or another version of it.
static bool wants_tls(struct ht_span list) {
	for (size_t i = 0; i + 4 <= list.len; i++) {
		bool first = i == 0 || list.p[i - 1] == ',' || list.p[i - 1] == ' '
			     || list.p[i - 1] == '\t';
		if (first && up_is(HT_SPAN(list.p + i, 4), "TLS/"))
			return true;
	}
	return false;
}

static enum ht_rc header_field(struct ht_upgrade *u, struct ht_span line) {
	// Most fields end here: this runs for each GET in clear.
	if (strchr("uUcCtT", line.p[0]) == NULL)
		return HT_SKIP;
	struct ht_reader r = ht_reader(line);
	const uint8_t *colon = memchr(line.p, ':', line.len);
	struct ht_span name;
	if (colon == NULL || !ht_take(&r, (size_t)(colon - line.p), &name) || !ht_skip(&r, 1))
		return HT_SKIP;
	if (up_is(name, "upgrade") && wants_tls(r.left))
		u->flags |= UP_TLS_WANTED;
	if (u->flags & UP_CONNECT)
		return HT_SKIP; // RFC 9110 9.3.6: a CONNECT request has no content
	if (up_is(name, "content-length") && !up_number(up_word(&r), &u->body))
		return up_bad(u, HT_SPEAKS_HTTP);
	if (up_is(name, "transfer-encoding"))
		return up_bad(u, HT_SPEAKS_HTTP); // no length told, and nobody asks for TLS so
	return HT_SKIP;
}

enum ht_rc up_http_body(struct ht_upgrade *u, struct ht_span all) {
	if (u->start > HT_UPGRADE_MAX)
		return up_bad(u, HT_SPEAKS_HTTP);
	if (all.len < u->start)
		return HT_MORE;
	return up_found(u, HT_VIA_HTTP_UPGRADE, u->start, UP_START);
}

static enum ht_rc head_end(struct ht_upgrade *u, struct ht_span all) {
	if (u->flags & UP_CONNECT) {
		if (u->layer > 0 && u->via[u->layer - 1] == HT_VIA_HTTP_CONNECT
		    && same_target(u, all))
			u->layer--;
		u->connect = u->head;
		return up_found(u, HT_VIA_HTTP_CONNECT, u->start, UP_INSIDE);
	}
	if (!(u->flags & UP_TLS_WANTED))
		return up_bad(u, HT_SPEAKS_HTTP);
	// RFC 2817 3.1: the request is sent whole, the answer 101 comes after it.
	up_go_to(u, u->start + u->body);
	u->state = UP_HTTP_BODY;
	return up_http_body(u, all);
}

enum ht_rc up_http_first(struct ht_upgrade *u, struct ht_span all) {
	u->state = UP_HTTP;
	u->flags = 0;
	u->head = u->start;
	return up_http(u, all);
}

enum ht_rc up_http(struct ht_upgrade *u, struct ht_span all) {
	for (;;) {
		struct ht_span line;
		bool first = u->start == u->head;
		enum ht_rc rc = up_line(u, all, first ? HEAD_MAX : HT_UPGRADE_MAX, &line);
		if (rc == HT_LIMIT)
			return up_bad(u, HT_SPEAKS_HTTP);
		if (rc == HT_OK && first)
			rc = request_line(u, line);
		else if (rc == HT_OK && line.len > 0)
			rc = header_field(u, line);
		if (rc == HT_BAD)
			return rc;
		if (u->pos - u->head > HEAD_MAX && !(u->flags & UP_CONNECT))
			return up_bad(u, HT_SPEAKS_HTTP);
		if (rc == HT_MORE)
			return rc;
		if (rc == HT_OK)
			return head_end(u, all);
	}
}
