// SPDX-License-Identifier: BSD-3-Clause
// The server's side: what begins here, and the loop over what it says.

#include "upgrade_int.h"

bool up_blotted(struct ht_span word) {
	size_t n = 0;
	while (n < word.len && word.p[n] == 'X')
		n++;
	return n >= 4 && word.len - n <= 1;
}

size_t
up_answer_head(struct ht_answers *a, struct ht_span fresh, size_t len, struct ht_reader *head) {
	size_t n = len < HT_ANSWER_BYTES ? len : HT_ANSWER_BYTES;
	if (n == 0 || fresh.len < n)
		return 0;
	head->left = HT_SPAN(fresh.p, n);
	a->skip = (uint32_t)(len - n);
	return n;
}

// MySQL's packets begin with their length, so any byte may be the first: length 3 (below 4096
// here), sequence number 0, then 0a and a version or ff and an error code, 1000 at least. Two zeros
// at that place are in no text.
static bool is_mysql(struct ht_span s) {
	if (s.p[1] >= 0x10 || s.p[2] != 0 || s.p[3] != 0)
		return false;
	return s.p[4] == 0x0a || (s.p[4] == 0xff && s.p[6] >= 3 && s.p[6] < 0x10);
}

// PostgreSQL answers with a letter, behind which TLS, the next letter or a message {letter, length
// 4} comes.
static bool is_postgresql(struct ht_span s) {
	const uint8_t *p = s.p;
	if (p[0] == 'R' || p[0] == 'E' || p[0] == 'G')
		return p[1] == 0;
	if (p[0] == 'S' && p[1] == 0x16)
		return true;
	return (p[0] == 'S' || p[0] == 'N') && strchr("SNGRE", p[1]) != NULL && p[1] != 0;
}

// What the bytes of a binary protocol are, which its own step looks at closer.
static int binary_state(struct ht_span s) {
	switch (s.p[0]) {
	case 0x00:
		return s.p[1] >= 0x5a && s.p[1] <= 0x5d ? UP_ANSWER_SOCKS4 : UP_NUM_ANSWER_STATES;
	case 0x03:
		return UP_ANSWER_RDP;
	case 0x04:
		return UP_ANSWER_TDS;
	case 0x05:
		return UP_ANSWER_SOCKS5;
	case 0x30:
		return UP_ANSWER_LDAP;
	case 'R':
	case 'S':
	case 'G':
		return is_postgresql(s)		     ? UP_ANSWER_POSTGRESQL
		       : memcmp(s.p, "STLS", 5) == 0 ? UP_ANSWER_ADB
						     : UP_NUM_ANSWER_STATES;
	case 'A':
	case 'C':
		return memcmp(s.p, "AUTH\1", 5) == 0 || memcmp(s.p, "CNXN", 4) == 0
			       ? UP_ANSWER_ADB
			       : UP_NUM_ANSWER_STATES;
	default:
		return UP_NUM_ANSWER_STATES;
	}
}

// What begins here? The bytes decide, wherever they can; of PostgreSQL's single letters the first
// is known at once when it is known whom they answer. All else has BEGINNING bytes at least.
static int state_of(const struct ht_answers *a, const struct ht_upgrade *client, struct ht_span s) {
	enum { BEGINNING = 5, WITH_ERROR_CODE = 7 };
	if (client != NULL && up_asked(client) && client->via[client->layer] == HT_VIA_POSTGRESQL
	    && up_layers_answered(client) == a->layer)
		return UP_ANSWER_POSTGRESQL;
	if (s.p[0] == 0x05 && (up_at(s, 1) == 0xff || up_at(s, 2) > 0))
		return UP_ANSWER_SOCKS5; // a refusal may be shorter
	if (s.len < BEGINNING || (s.p[4] == 0xff && s.len < WITH_ERROR_CODE))
		return -1;
	if (is_mysql(s))
		return UP_ANSWER_MYSQL;
	switch (s.p[0]) {
	case '1' ... '5':
		return UP_ANSWER_NUMERIC;
	case '*':
		return UP_ANSWER_IMAP;
	case '+':
	case '-':
		return UP_ANSWER_POP3;
	case '"':
		return UP_ANSWER_SIEVE;
	case ':':
		return UP_ANSWER_IRC;
	case 'N':
	case 'E':
	case 'P':
		return is_postgresql(s) ? UP_ANSWER_POSTGRESQL
					: UP_ANSWER_IRC; // NOTICE, ERROR, PING
	case '<':
		return UP_ANSWER_XMPP;
	case 'H':
		return UP_ANSWER_HTTP;
	default:
		return binary_state(s);
	}
}

size_t
up_answer_start(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	if (fresh.p[0] == 0x16 && up_at(fresh, 1) < 0)
		return 0; // the length of a MySQL packet may be the same
	if (fresh.p[0] == 0x16 && fresh.p[1] == 3) {
		a->said |= HT_SAID_TLS;
		a->done = true;
		return 0;
	}
	int state = state_of(a, client, fresh);
	if (state == UP_NUM_ANSWER_STATES)
		a->done = true;
	else if (state > 0)
		a->state = (uint8_t)state;
	return 0;
}

// The rest of a line, or of a message, that nobody wants to see.
static size_t pass_over(struct ht_answers *a, struct ht_span fresh) {
	if (a->flags & UP_LONG_LINE) {
		const uint8_t *lf = memchr(fresh.p, '\n', fresh.len);
		if (lf != NULL)
			a->flags &= (uint8_t)~UP_LONG_LINE;
		return lf != NULL ? (size_t)(lf - fresh.p) + 1 : fresh.len;
	}
	size_t n = a->skip < fresh.len ? a->skip : fresh.len;
	a->skip -= (uint32_t)n;
	return n;
}

size_t
ht_upgrade_answer(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	static up_answer *const steps[UP_NUM_ANSWER_STATES] = {
		[UP_ANSWER_START] = up_answer_start,
		[UP_ANSWER_NUMERIC] = up_answer_numeric,
		[UP_ANSWER_IMAP] = up_answer_imap,
		[UP_ANSWER_POP3] = up_answer_pop3,
		[UP_ANSWER_SIEVE] = up_answer_sieve,
		[UP_ANSWER_IRC] = up_answer_irc,
		[UP_ANSWER_XMPP] = up_answer_xmpp,
		[UP_ANSWER_LDAP] = up_answer_ldap,
		[UP_ANSWER_POSTGRESQL] = up_answer_postgresql,
		[UP_ANSWER_MYSQL] = up_answer_mysql,
		[UP_ANSWER_TDS] = up_answer_tds,
		[UP_ANSWER_RDP] = up_answer_rdp,
		[UP_ANSWER_ADB] = up_answer_adb,
		[UP_ANSWER_HTTP] = up_answer_http,
		[UP_ANSWER_SOCKS4] = up_answer_socks4,
		[UP_ANSWER_SOCKS5] = up_answer_socks5,
	};
	size_t taken = 0;
	while (taken < fresh.len && !a->done) {
		struct ht_span left = HT_SPAN(fresh.p + taken, fresh.len - taken);
		uint8_t state = a->state;
		size_t n = (a->flags & UP_LONG_LINE) || a->skip > 0 ? pass_over(a, left)
								    : steps[state](a, client, left);
		taken += n;
		if (n == 0 && a->state == state && !a->done)
			return taken;
	}
	return a->done ? fresh.len : taken;
}
