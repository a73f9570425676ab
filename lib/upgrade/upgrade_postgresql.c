// SPDX-License-Identifier: BSD-3-Clause
// PostgreSQL, "SSL Session Encryption": SSLRequest, GSSENCRequest and CancelRequest are told apart
// by the code after the length. The server answers each of the first two with one letter.

#include "upgrade_int.h"

// GSSENCRequest may come first; when it is refused SSLRequest follows.
enum ht_rc up_postgresql(struct ht_upgrade *u, struct ht_span all) {
	enum { SSL = 0x04d2162f, GSSENC = 0x04d21630 };
	enum { STARTUP_MIN = 8, STARTUP_MAX = 10000 }; // MAX_STARTUP_PACKET_LENGTH of the server
	for (;;) {
		struct ht_reader r = up_here(u, all);
		uint32_t len, code;
		if (r.left.len == 0)
			return HT_MORE;
		if (r.left.p[0] != 0) {
			up_went_on(u);
			return up_bad(u, HT_SPEAKS_PLAIN);
		}
		if (!ht_u32(&r, &len) || !ht_u32(&r, &code))
			return HT_MORE;
		if (code == SSL && len == 8)
			return up_found(u, HT_VIA_POSTGRESQL, u->start + 8, UP_POSTGRESQL);
		if (code != GSSENC || len != 8) {
			up_went_on(u);
			// StartupMessage: protocol 2.0 or 3.x.
			bool startup = code >> 16 == 2 || code >> 16 == 3;
			if (!startup || len < STARTUP_MIN || len > STARTUP_MAX)
				return up_bad(u, HT_SPEAKS_PLAIN);
			up_go_to(u, u->start + len);
			u->state = UP_POSTGRESQL_LOGIN;
			return up_postgresql_login(u, all);
		}
		u->replies++;
		up_go_to(u, u->start + 8);
	}
}

enum ht_rc up_postgresql_first(struct ht_upgrade *u, struct ht_span all) {
	struct ht_reader r = up_here(u, all);
	uint32_t len, code;
	if (!ht_u32(&r, &len) || !ht_u32(&r, &code))
		return HT_MORE;
	if ((code & 0xff) < 0x2e || (code & 0xff) > 0x30)
		return HT_SKIP;
	u->state = UP_POSTGRESQL;
	return up_postgresql(u, all);
}

// A PasswordMessage is one string with its end. SASL (a mechanism's name, a length, more) and
// GSSAPI (binary) share its letter, and "md5" with 32 digits is a salted hash.
static bool is_password(struct ht_span s) {
	enum { HASH_LEN = 3 + 32 };
	for (size_t i = 0; i + 1 < s.len; i++)
		if (s.p[i] < ' ')
			return false;
	if (s.len < 2 || s.p[s.len - 1] != 0)
		return false;
	return s.len != HASH_LEN + 1 || memcmp(s.p, "md5", 3) != 0;
}

enum ht_rc up_postgresql_login(struct ht_upgrade *u, struct ht_span all) {
	enum { PASSWORD_MAX = 1024 };
	struct ht_reader r = up_here(u, all);
	struct ht_span password;
	uint8_t type;
	uint32_t len;
	if (!ht_u8(&r, &type))
		return HT_MORE;
	if (type != 'p')
		return up_bad(u, HT_SPEAKS_PLAIN);
	if (!ht_u32(&r, &len))
		return HT_MORE;
	if (len < 4 || len > PASSWORD_MAX)
		return up_bad(u, HT_SPEAKS_PLAIN);
	if (!ht_take(&r, len - 4, &password))
		return HT_MORE;
	if (is_password(password))
		up_login(u, u->replies);
	return up_bad(u, HT_SPEAKS_PLAIN);
}

// One letter for each request: S go ahead, N no, G go ahead with GSSAPI, and of a server that is
// older than all this, or overloaded, an ErrorResponse that begins with E.
size_t
up_answer_postgresql(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	enum { GRANTED = UP_PRIVATE };
	(void)client;
	a->via = 1 + HT_VIA_POSTGRESQL;
	if (a->flags & GRANTED)
		return up_answer_over(a, fresh);
	switch (fresh.p[0]) {
	case 'S':
		a->said |= HT_SAID_OFFERED;
		a->flags |= GRANTED;
		up_answered(a, HT_ANSWER_YES);
		return 1;
	case 'N':
		up_answered(a, HT_ANSWER_NO);
		return 1;
	case 'E':
		up_answered(a, HT_ANSWER_NO);
		break;
	default: // the session goes on in clear, or under GSSAPI
		up_answered(a, HT_ANSWER_OTHER);
		break;
	}
	a->done = true;
	return 0;
}
