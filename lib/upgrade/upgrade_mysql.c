// SPDX-License-Identifier: BSD-3-Clause
// MySQL and MariaDB. The server speaks first and tells in its greeting whether it can have TLS; to
// the client's SSLRequest it says nothing. Numbers are little endian.

#include "upgrade_int.h"

// Capabilities.
enum {
	WITH_DB = 0x8,
	PROTOCOL_41 = 0x200,
	TLS = 0x800,
	SECURE_CONNECTION = 0x8000,
	PLUGIN_AUTH = 0x80000,
	LENGTH_ENCODED_DATA = 0x200000,
};

enum { HEADER = 4, FIXED = 32 };

static bool skip_string(struct ht_reader *r) {
	const uint8_t *nul = memchr(r->left.p, 0, r->left.len);
	return nul != NULL && ht_skip(r, (size_t)(nul - r->left.p) + 1);
}

// skip_length_encoded passes over a string of so many bytes as an integer of 1 byte, or of 2 behind
// fc, tells: nothing here is longer.
static bool skip_length_encoded(struct ht_reader *r) {
	uint8_t n, low, high;
	if (!ht_u8(r, &n))
		return false;
	if (n < 0xfb)
		return ht_skip(r, n);
	return n == 0xfc && ht_u8(r, &low) && ht_u8(r, &high)
	       && ht_skip(r, (size_t)low | high << 8);
}

// Protocol::HandshakeResponse41 behind its 32 fixed bytes: user name, what the plugin answers,
// perhaps a database, the plugin's name. Of the plugins one sends the password as it is.
static bool in_clear(struct ht_reader r, uint32_t capabilities) {
	struct ht_reader data;
	if (!(capabilities & PLUGIN_AUTH) || !skip_string(&r))
		return false;
	bool ok;
	if (capabilities & LENGTH_ENCODED_DATA)
		ok = skip_length_encoded(&r);
	else if (capabilities & SECURE_CONNECTION)
		ok = ht_vec8(&r, &data);
	else
		ok = skip_string(&r);
	if (!ok || ((capabilities & WITH_DB) && !skip_string(&r)))
		return false;
	return up_match(r.left, HT_SPAN_STR("mysql_clear_password")) == HT_OK;
}

// login ends a direction that goes on without TLS.
static enum ht_rc login(struct ht_upgrade *u, bool clear) {
	u->spoken = 1 + HT_VIA_MYSQL;
	u->replies = 1; // the greeting
	if (clear)
		up_login(u, u->replies);
	return up_bad(u, HT_SPEAKS_PLAIN);
}

// Protocol::SSLRequest: the packet of a HandshakeResponse41 cut after its fixed bytes: capabilities
// 4, largest packet 4, character set 1, filler 23 (MariaDB puts 4 bytes of further capabilities at
// the filler's end).
enum ht_rc up_mysql(struct ht_upgrade *u, struct ht_span all) {
	struct ht_reader r = up_here(u, all), body;
	struct ht_span s = r.left, filler;
	unsigned len = (unsigned)up_at(s, 0) | (unsigned)up_at(s, 1) << 8;
	if (len < FIXED)
		return HT_SKIP;
	if (s.len < HEADER + 4)
		return s.len > HEADER + 1 && !(s.p[HEADER + 1] & PROTOCOL_41 >> 8) ? HT_SKIP
										   : HT_MORE;
	uint32_t capabilities = __builtin_bswap32(ht_be32(s.p + HEADER));
	if (!(capabilities & PROTOCOL_41))
		return HT_SKIP;
	bool request = len == FIXED && (capabilities & TLS);
	if (!request && !(capabilities & PLUGIN_AUTH))
		return login(u, false);
	if (!ht_skip(&r, HEADER) || !ht_take(&r, len, &body.left))
		return HT_MORE;
	if (!ht_skip(&body, 9) || !ht_take(&body, 19, &filler) || !ht_skip(&body, 4))
		return HT_SKIP;
	if (!request)
		return login(u, in_clear(body, capabilities));
	for (size_t i = 0; i < filler.len; i++)
		if (filler.p[i] != 0)
			return HT_SKIP;
	u->replies = 1; // the greeting
	return up_found(u, HT_VIA_MYSQL, u->start + HEADER + FIXED, UP_SPENT);
}

// Protocol::HandshakeV10: {10, version, 0, connection 4, scramble 8, 0, lower capabilities 2 ...}.
static void greeting(struct ht_answers *a, struct ht_reader r) {
	struct ht_span low;
	if (!ht_skip(&r, HEADER + 1) || !skip_string(&r) || !ht_skip(&r, 4 + 8 + 1)
	    || !ht_take(&r, 2, &low))
		return;
	if (up_listed(a) && ((low.p[0] | low.p[1] << 8) & TLS))
		a->said |= HT_SAID_OFFERED;
}

// The greeting, then TLS, or the answer to a login in clear.
size_t
up_answer_mysql(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	enum { GREETED = UP_PRIVATE };
	enum { ERR = 0xff };
	struct ht_reader packet;
	(void)client;
	if (fresh.len <= HEADER)
		return 0;
	a->via = 1 + HT_VIA_MYSQL;
	if (a->flags & GREETED) {
		// As the length of a packet 16 03 0x has three bytes, and x is 0.
		if (fresh.p[0] == 0x16 && fresh.p[1] == 3 && fresh.p[2] != 0)
			a->said |= HT_SAID_TLS;
		else
			up_answered(a, fresh.p[HEADER] == ERR ? HT_ANSWER_NO : HT_ANSWER_OTHER);
		a->done = true;
		return 0;
	}
	size_t len = HEADER + ((size_t)fresh.p[0] | (size_t)fresh.p[1] << 8);
	size_t n = up_answer_head(a, fresh, len, &packet);
	if (n == 0)
		return 0;
	if (fresh.p[HEADER] == ERR)
		a->done = true; // too many connections, a host that may not connect
	else
		greeting(a, packet);
	up_answered(a, HT_ANSWER_OTHER);
	a->flags |= GREETED;
	return n;
}
