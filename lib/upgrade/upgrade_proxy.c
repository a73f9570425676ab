// SPDX-License-Identifier: BSD-3-Clause
// SOCKS and the PROXY protocol: what they carry begins after a header that tells its own length.
// SOCKS has an answer, PROXY has none.

#include "upgrade_int.h"

// SOCKS4: {4, command 1, port 2, address 4, user name, 0}. SOCKS4A: the address is 0.0.0.x, x not
// 0, and the host's name and another 0 follow.
enum ht_rc up_socks4(struct ht_upgrade *u, struct ht_span all) {
	enum { NAME_MAX_LEN = 255 };
	struct ht_reader r = up_here(u, all);
	size_t before = r.left.len;
	uint32_t address;
	if (!ht_skip(&r, 4) || !ht_u32(&r, &address))
		return HT_MORE;
	bool named = address > 0 && address <= 0xff;
	if (address >> 24 == 0 && !named)
		return HT_SKIP;
	for (unsigned i = 0; i < (named ? 2u : 1u); i++) {
		size_t most = r.left.len <= NAME_MAX_LEN ? r.left.len : NAME_MAX_LEN + 1;
		const uint8_t *nul = memchr(r.left.p, 0, most);
		if (nul == NULL)
			return most > NAME_MAX_LEN ? HT_SKIP : HT_MORE;
		if (!ht_skip(&r, (size_t)(nul - r.left.p) + 1))
			return HT_MORE;
	}
	return up_found(u, HT_VIA_SOCKS4, u->start + (before - r.left.len), UP_INSIDE);
}

// RFC 1928 4: {5, command 1, 0, address type 1, address, port 2}.
static enum ht_rc socks5_request(struct ht_reader *r) {
	enum { IPV4 = 1, NAME = 3, IPV6 = 4 };
	int command = up_at(r->left, 1), reserved = up_at(r->left, 2), type = up_at(r->left, 3);
	if (command == 0 || command > 3 || reserved > 0)
		return HT_SKIP;
	if (!ht_skip(r, 4))
		return HT_MORE;
	struct ht_reader name;
	switch (type) {
	case IPV4:
		return ht_skip(r, 4 + 2) ? HT_OK : HT_MORE;
	case IPV6:
		return ht_skip(r, 16 + 2) ? HT_OK : HT_MORE;
	case NAME:
		return ht_vec8(r, &name) && ht_skip(r, 2) ? HT_OK : HT_MORE;
	default:
		return HT_SKIP;
	}
}

// RFC 1928 3: {5, number 1, methods}, then the method's own messages: none, or RFC 1929 2: {1, user
// name, password}, each with a 1-byte length. A client in a hurry sends all of it at once, so only
// the lengths tell one from the next.
enum ht_rc up_socks5(struct ht_upgrade *u, struct ht_span all) {
	enum { METHODS_MAX = 32, PASSWORD = 1, REQUEST = 5 };
	struct ht_reader r = up_here(u, all), methods, user, password;
	size_t before = r.left.len;
	int num = up_at(r.left, 1);
	if (num == 0 || num > METHODS_MAX)
		return HT_SKIP;
	if (!ht_skip(&r, 1) || !ht_vec8(&r, &methods))
		return HT_MORE;
	if (up_at(r.left, 0) == PASSWORD) {
		if (!ht_skip(&r, 1) || !ht_vec8(&r, &user) || !ht_vec8(&r, &password))
			return HT_MORE;
	}
	if (r.left.len == 0)
		return HT_MORE;
	if (r.left.p[0] != REQUEST)
		return HT_SKIP;
	// The server's side looks the same so far: method 2, login accepted, reply "succeeded".
	if (up_at(r.left, 1) == 0)
		return up_bad(u, HT_SPEAKS_SERVER);
	enum ht_rc rc = socks5_request(&r);
	if (rc != HT_OK)
		return rc;
	return up_found(u, HT_VIA_SOCKS5, u->start + (before - r.left.len), UP_INSIDE);
}

// PROXY protocol 2.1: one line of at most 107 bytes with its CRLF.
enum ht_rc up_proxy_v1(struct ht_upgrade *u, struct ht_span all) {
	enum { V1_MAX = 107 };
	static const char *const families[] = {"TCP4 ", "TCP6 ", "UNKNOWN"};
	struct ht_reader r = up_here(u, all);
	enum ht_rc rc = HT_SKIP;
	if (!ht_skip(&r, sizeof("PROXY ") - 1))
		return HT_MORE;
	for (size_t i = 0; i < HT_ARRAY_LEN(families) && rc == HT_SKIP; i++)
		rc = up_match(r.left, HT_SPAN(families[i], strlen(families[i])));
	if (rc != HT_OK)
		return rc;
	r = up_here(u, all);
	size_t most = r.left.len < V1_MAX ? r.left.len : V1_MAX;
	const uint8_t *lf = memchr(r.left.p, '\n', most);
	if (lf == NULL)
		return most == V1_MAX ? HT_SKIP : HT_MORE;
	return up_found(u, HT_VIA_PROXY_V1, u->start + (size_t)(lf - r.left.p) + 1, UP_INSIDE);
}

// PROXY protocol 2.2: {signature 12, version 2 and command 1, family 1, length 2}, then addresses
// and TLVs of that length. LOCAL (command 0) is the proxy's own check, which may use TLS as well.
enum ht_rc up_proxy_v2(struct ht_upgrade *u, struct ht_span all) {
	struct ht_reader r = up_here(u, all), rest;
	size_t before = r.left.len;
	enum ht_rc rc = up_match(r.left, HT_SPAN_STR("\r\n\r\n\0\r\nQUIT\n"));
	if (rc != HT_OK)
		return rc;
	if (up_at(r.left, 12) >= 0 && (up_at(r.left, 12) & 0xfe) != 0x20)
		return HT_SKIP;
	if (!ht_skip(&r, 14) || !ht_vec16(&r, &rest))
		return HT_MORE;
	return up_found(u, HT_VIA_PROXY_V2, u->start + (before - r.left.len), UP_INSIDE);
}

// SOCKS4 answers {0, code 1, port 2, address 4}.
size_t
up_answer_socks4(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	enum { LEN = 8, GRANTED = 0x5a };
	(void)client;
	a->via = 1 + HT_VIA_SOCKS4;
	if (fresh.len < LEN)
		return 0;
	if (fresh.p[1] == GRANTED) {
		up_proxied(a);
	} else {
		up_answered(a, HT_ANSWER_NO);
		a->done = true;
	}
	return LEN;
}

static size_t socks5_refused(struct ht_answers *a) {
	up_answered(a, HT_ANSWER_NO);
	a->done = true;
	return 0;
}

// RFC 1928 6: {5, reply 1, 0, address type 1, address, port 2}.
static size_t socks5_reply(struct ht_answers *a, struct ht_span fresh) {
	enum { IPV4 = 1, NAME = 3, IPV6 = 4 };
	int type = up_at(fresh, 3), name_len = up_at(fresh, 4);
	if (up_at(fresh, 1) > 0)
		return socks5_refused(a); // some servers leave out the rest
	if (name_len < 0)
		return 0;
	size_t len = type == IPV4 ? 4 : type == IPV6 ? 16 : type == NAME ? 1 + (size_t)name_len : 0;
	if (len == 0 || fresh.p[2] != 0) {
		a->done = true;
		return 0;
	}
	len += 4 + 2;
	if (fresh.len < len)
		return 0;
	up_proxied(a);
	return len;
}

// RFC 1928 3: {5, method 1}, then RFC 1929 2: {1, status 1}, when that is the method, then the
// reply. Only the reply is counted, or the refusal that comes in its place.
size_t
up_answer_socks5(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	enum { CHOSEN = UP_PRIVATE, LOGIN = UP_PRIVATE << 1 };
	enum { NONE = 0, PASSWORD = 2, UNACCEPTABLE = 0xff };
	(void)client;
	a->via = 1 + HT_VIA_SOCKS5;
	if (fresh.len < 2)
		return 0;
	uint8_t second = fresh.p[1];
	if (a->flags & LOGIN) {
		if (second != 0)
			return socks5_refused(a);
		a->flags &= (uint8_t)~LOGIN;
		return 2;
	}
	if (a->flags & CHOSEN)
		return socks5_reply(a, fresh);
	if (second == UNACCEPTABLE)
		return socks5_refused(a);
	a->flags |= second == PASSWORD ? CHOSEN | LOGIN : CHOSEN;
	a->done = second != NONE && second != PASSWORD; // GSSAPI wraps all that follows
	return 2;
}
