// SPDX-License-Identifier: BSD-3-Clause
// The server's side: what begins here, and the loop over what it says.

#include "upgrade_int.h"

size_t up_answer_line(struct ht_answers *a, struct ht_span fresh, struct ht_span *line) {
	const uint8_t *lf = memchr(fresh.p, '\n', fresh.len);
	if (lf == NULL && fresh.len < HT_ANSWER_BYTES)
		return 0;
	size_t n = lf != NULL ? (size_t)(lf - fresh.p) : fresh.len;
	*line = HT_SPAN(fresh.p, n < HT_ANSWER_BYTES ? n : HT_ANSWER_BYTES);
	if (lf == NULL) {
		a->flags |= UP_LONG_LINE;
		return n;
	}
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;
	return n + 1;
}

bool up_blotted(struct ht_span word) {
	size_t n = 0;
	while (n < word.len && word.p[n] == 'X')
		n++;
	return n >= 4 && word.len - n <= 1;
}

// What begins here? The bytes decide, wherever they can; PostgreSQL's single letters need to know
// whom they answer.
static int state_of(const struct ht_upgrade *client, struct ht_span s) {
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
	case '<':
		return UP_ANSWER_XMPP;
	case 0x30:
		return UP_ANSWER_LDAP;
	case 0x03:
		return UP_ANSWER_RDP;
	case 0x04:
		return UP_ANSWER_TDS;
	case 0x05:
		return UP_ANSWER_SOCKS5;
	case 'H':
		return UP_ANSWER_HTTP;
	default:
		break;
	}
	if (up_via_at_hand(client) == 1 + HT_VIA_POSTGRESQL)
		return UP_ANSWER_POSTGRESQL;
	if (s.len < 5)
		return -1;
	if (s.p[0] == 'N' || s.p[0] == 'E')
		return UP_ANSWER_IRC; // NOTICE, ERROR
	if (s.p[0] == 'S' && s.p[1] == 0x16)
		return UP_ANSWER_POSTGRESQL;
	if (s.p[3] == 0 && (s.p[4] == 0x0a || s.p[4] == 0xff))
		return UP_ANSWER_MYSQL;
	if (s.p[0] == 0 && s.p[1] >= 0x5a && s.p[1] <= 0x5d)
		return UP_ANSWER_SOCKS4;
	return UP_NUM_ANSWER_STATES;
}

size_t
up_answer_start(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	if (fresh.p[0] == 0x16) {
		a->said |= HT_SAID_TLS;
		a->done = true;
		return 0;
	}
	int state = state_of(client, fresh);
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
