// SPDX-License-Identifier: BSD-3-Clause
// Which lines of a client hold a secret that can be read: a password as it is, or in base64. That
// one was sent is noted, and which reply answers it; nothing of the secret is kept.

#include "upgrade_int.h"
#include "upgrade_verbs.h"

// In IMAP and ManageSieve one reply ends a command, whatever the client sends in the middle of it;
// elsewhere each line gets its own.
static bool one_reply(const struct ht_upgrade *u) {
	return (u->candidates & ~(UP_IMAP | UP_SIEVE)) == 0;
}

static void sent(struct ht_upgrade *u, uint16_t answered_by) {
	u->secret = 0;
	up_login(u, answered_by);
}

static struct ht_span unquoted(struct ht_span s) {
	bool quoted = s.len >= 2 && s.p[0] == '"' && s.p[s.len - 1] == '"';
	return quoted ? HT_SPAN(s.p + 1, s.len - 2) : s;
}

// The mechanisms that send a secret, and which of the client's answers it is. Those that prove its
// knowledge (CRAM-MD5, SCRAM, GSSAPI, NTLM) or need none (EXTERNAL, ANONYMOUS) are not here.
static void sasl(struct ht_upgrade *u, struct ht_span mechanism, struct ht_span initial) {
	static const struct {
		const char *name;
		uint8_t answers;
	} readable[] = {
		{"PLAIN", 1}, // RFC 4616
		{"LOGIN", 2}, // the user first
		{"XOAUTH2", 1},
		{"OAUTHBEARER", 1}, // RFC 7628
	};
	mechanism = unquoted(mechanism);
	u->secret = 0;
	// RFC 4954 4: "=" is an initial response of no bytes.
	const bool answered = initial.len > 0 && !up_is(initial, "=");
	for (size_t i = 0; i < HT_ARRAY_LEN(readable); i++) {
		if (!up_is(mechanism, readable[i].name))
			continue;
		u->secret = (uint8_t)(readable[i].answers - answered);
		if (u->secret == 0)
			sent(u, u->replies);
	}
}

void up_secret_line(struct ht_upgrade *u, struct ht_span word) {
	word = unquoted(word);
	// RFC 4954 4, RFC 9051 6.2.2, RFC 5804 2.1: "*" gives up. "+" is IRC's empty answer.
	if (word.len == 0 || up_is(word, "*") || up_is(word, "+"))
		u->secret = 0;
	else if (--u->secret == 0)
		sent(u, (uint16_t)(u->replies - one_reply(u)));
}

void up_secret_whole(struct ht_upgrade *u) {
	if (u->secret > 0)
		sent(u, (uint16_t)(u->replies - one_reply(u)));
}

// RFC 9051 6.2.3: LOGIN takes a user and a password, each a string or a literal.
static void imap_login(struct ht_upgrade *u, struct ht_span user, struct ht_span password) {
	if (up_at(user, 0) == '{' || up_at(password, 0) == '{')
		u->secret = 1; // a server that forbids LOGIN may not ask for the literal
	else if (password.len > 0)
		sent(u, u->replies);
}

void up_secret_command(struct ht_upgrade *u, const struct up_verb *verb, struct ht_reader args) {
	if (verb->act == UP_NOTHING)
		return;
	struct ht_span arg = up_word(&args), next = up_word(&args);
	switch (verb->act) {
	case UP_AUTH:
		sasl(u, arg, next);
		break;
	case UP_AUTHENTICATE:
		// IRCv3 sasl: the mechanism and each answer to it is a command of its own.
		if (u->candidates == UP_IRC && u->secret > 0)
			up_secret_line(u, arg);
		else
			sasl(u, arg, next);
		return;
	case UP_USER:
		u->flags &= (uint8_t)~UP_ANONYMOUS;
		if (up_is(arg, "anonymous") || up_is(arg, "ftp")) // RFC 1635
			u->flags |= UP_ANONYMOUS;
		break;
	case UP_PASS:
		if (arg.len > 0 && !((u->candidates & UP_FTP) && (u->flags & UP_ANONYMOUS)))
			sent(u, u->replies);
		break;
	case UP_OPER: // RFC 2812 3.1.4
		if (next.len > 0)
			sent(u, u->replies);
		break;
	case UP_LOGIN:
		imap_login(u, arg, next);
		break;
	case UP_AUTHINFO: // RFC 4643 2.3, 2.4
		if (up_is(arg, "PASS") && next.len > 0)
			sent(u, u->replies);
		else if (up_is(arg, "SASL"))
			sasl(u, next, up_word(&args));
		break;
	default:
		break;
	}
}
