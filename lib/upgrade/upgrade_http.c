// SPDX-License-Identifier: BSD-3-Clause
// HTTP: CONNECT (RFC 9110 9.3.6), Upgrade: TLS (RFC 2817), and WebSocket (RFC 6455), which may
// carry TLS in its frames. All else is HTTP in clear.

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

// lists looks through the list of an Upgrade field (RFC 9110 7.8) for what begins with `name`.
static bool lists(struct ht_span list, const char *name) {
	const size_t n = strlen(name);
	for (size_t i = 0; i + n <= list.len; i++) {
		bool first = i == 0 || list.p[i - 1] == ',' || list.p[i - 1] == ' '
			     || list.p[i - 1] == '\t';
		if (first && up_is(HT_SPAN(list.p + i, n), name))
			return true;
	}
	return false;
}

// TLS/1.0 (RFC 2817 3.1), or another version of it.
#define TLS_TOKEN "TLS/"
#define WEBSOCKET_TOKEN "websocket" // RFC 6455 4.1

// field takes the name of a header field; *value is what stands behind the colon.
static struct ht_span field(struct ht_span line, struct ht_reader *value) {
	struct ht_reader r = ht_reader(line);
	const uint8_t *colon = memchr(line.p, ':', line.len);
	struct ht_span name;
	if (colon == NULL || !ht_take(&r, (size_t)(colon - line.p), &name) || !ht_skip(&r, 1))
		return HT_SPAN_EMPTY;
	*value = r;
	return name;
}

static enum ht_rc header_field(struct ht_upgrade *u, struct ht_span line) {
	// Most fields end here: this runs for each GET in clear.
	if (strchr("uUcCtT", line.p[0]) == NULL)
		return HT_SKIP;
	struct ht_reader r;
	struct ht_span name = field(line, &r);
	if (up_is(name, "upgrade") && lists(r.left, TLS_TOKEN))
		u->flags |= UP_TLS_WANTED;
	if (up_is(name, "upgrade") && lists(r.left, WEBSOCKET_TOKEN))
		u->flags |= UP_WEBSOCKET_WANTED;
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
	return up_found(u, HT_VIA_HTTP_UPGRADE, u->start, UP_HTTP_AGAIN);
}

// The answer was no, or something was put behind the request.
enum ht_rc up_http_again(struct ht_upgrade *u, struct ht_span all) {
	if (all.len <= u->start)
		return HT_MORE;
	up_went_on(u);
	u->state = UP_START;
	return up_start(u, all);
}

enum ht_rc up_websocket(struct ht_upgrade *u, struct ht_span all) {
	return all.len <= u->start ? HT_MORE : up_bad(u, HT_SPEAKS_HTTP);
}

static enum ht_rc head_end(struct ht_upgrade *u, struct ht_span all) {
	if (u->flags & UP_CONNECT) {
		if (u->layer > 0 && u->via[u->layer - 1] == HT_VIA_HTTP_CONNECT
		    && same_target(u, all)) {
			u->layer--;
			u->replies = u->asked_at + 1;
		}
		u->connect = u->head;
		return up_found(u, HT_VIA_HTTP_CONNECT, u->start, UP_INSIDE);
	}
	if (!(u->flags & UP_TLS_WANTED) && (u->flags & UP_WEBSOCKET_WANTED)) {
		const uint16_t said = u->said;
		u->framing = HT_FRAMING_WEBSOCKET;
		enum ht_rc rc = up_found(u, HT_VIA_HTTP_UPGRADE, u->start, UP_WEBSOCKET);
		u->said = said; // nearly all of them carry something else: TLS was not asked for
		return rc;
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

// --- the server's side

enum {
	IN_HEAD = UP_PRIVATE, // the status line was there
	LENGTH = UP_PRIVATE << 1, // a Content-Length was
	CHUNKED = UP_PRIVATE << 2, // or another coding that tells no length
	WITH_TLS = UP_PRIVATE << 3, // Upgrade: TLS was
	GRANTED = UP_PRIVATE << 4, // 101 was said
	PERHAPS_PROXIED = UP_PRIVATE << 5, // 2xx with a Content-Length of 0 was
};

// RFC 9112 4: HTTP-version SP status-code SP.
static bool status_line(struct ht_answers *a, struct ht_span line) {
	struct ht_reader r = ht_reader(line);
	uint32_t code;
	struct ht_span version = up_word(&r);
	if (up_match(version, HT_SPAN_STR("HTTP/1.")) != HT_OK || !up_number(up_word(&r), &code)
	    || code < 100 || code > 599)
		return false;
	a->code = (uint16_t)code;
	a->body = 0;
	a->flags |= IN_HEAD; // the rest of a long line may still come
	return true;
}

static void answer_field(struct ht_answers *a, struct ht_span line) {
	struct ht_reader r;
	struct ht_span name = field(line, &r);
	if (up_is(name, "upgrade") && lists(r.left, TLS_TOKEN))
		a->flags |= WITH_TLS;
	if (up_is(name, "transfer-encoding"))
		a->flags |= CHUNKED;
	if (!up_is(name, "content-length"))
		return;
	a->flags |= LENGTH;
	if (!up_number(up_word(&r), &a->body) || a->body == HT_UPGRADE_MAX)
		a->flags |= CHUNKED; // too long to wait behind it
}

// RFC 9110 9.3.6: to CONNECT a 2xx has no content and should tell no length; to all else it does,
// or goes on to the end of the connection. Who tells a length of 0 all the same is known by what
// comes next.
static void success(struct ht_answers *a) {
	if (!(a->flags & (LENGTH | CHUNKED))) {
		up_proxied(a);
		return;
	}
	up_answered(a, HT_ANSWER_OTHER);
	a->done = a->flags & CHUNKED;
	a->skip = a->body;
	a->flags = a->body == 0 ? PERHAPS_PROXIED : 0;
}

static void answer_end(struct ht_answers *a) {
	enum { SWITCHING = 101, UPGRADE_REQUIRED = 426 };
	if (a->code == SWITCHING) {
		up_answered(a, HT_ANSWER_YES);
		a->flags = GRANTED;
		return;
	}
	// RFC 2817 4: the server may tell that it can, or insist on it.
	if (a->flags & WITH_TLS)
		a->said |= a->code == UPGRADE_REQUIRED ? HT_SAID_REQUIRED : HT_SAID_OFFERED;
	if (a->code / 100 == 1) {
		a->flags = 0; // RFC 9110 15.2: the answer is still to come
		return;
	}
	if (a->code / 100 == 2) {
		success(a);
		return;
	}
	up_answered(a, HT_ANSWER_NO);
	const bool empty = a->code == 304;
	a->done = !empty && (!(a->flags & LENGTH) || (a->flags & CHUNKED));
	a->skip = empty ? 0 : a->body;
	a->flags = 0;
}

size_t up_answer_http(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	struct ht_span line;
	(void)client;
	if (a->flags & GRANTED) {
		// Behind Upgrade: websocket come frames, which are no injection.
		if (fresh.p[0] == 0x16)
			a->said |= HT_SAID_TLS;
		a->done = true;
		return 0;
	}
	if (a->flags & PERHAPS_PROXIED) {
		a->flags = 0;
		if (fresh.p[0] != 'H') {
			up_proxied(a);
			return 0;
		}
	}
	size_t n = up_answer_line(a, fresh, &line);
	if (n == 0)
		return 0;
	if (!(a->flags & IN_HEAD)) {
		a->done = !status_line(a, line);
		return n;
	}
	if (line.len > 0)
		answer_field(a, line);
	else
		answer_end(a);
	return n;
}
