// SPDX-License-Identifier: BSD-3-Clause
// What servers of text protocols say of an upgrade: IMAP (RFC 9051), POP3 (RFC 1939, 2449, 2595),
// ManageSieve (RFC 5804), IRC (IRCv3).

#include "upgrade_int.h"
#include "upgrade_verbs.h"

#include <strings.h>

bool up_mentions(struct ht_span line, const char *word) {
	const size_t len = strlen(word);
	for (size_t i = 0; i + len <= line.len; i++)
		if (((line.p[i] ^ word[0]) & ~0x20) == 0
		    && strncasecmp((const char *)line.p + i, word, len) == 0)
			return true;
	return false;
}

static bool mentions_any(struct ht_span line, const char *const *words, size_t num) {
	for (size_t i = 0; i < num; i++)
		if (up_mentions(line, words[i]))
			return true;
	return false;
}

bool up_tls_demanded(struct ht_span line) {
	static const char *const what[] = {"TLS", "SSL", "ENCRYPT"};
	static const char *const must[] = {"MUST", "REQUIRE", "NEED", "FIRST"};
	static const char *const plain[] = {"DISALLOWED", "NOT ALLOWED WITHOUT"};
	return mentions_any(line, what, HT_ARRAY_LEN(what))
	       && (mentions_any(line, must, HT_ARRAY_LEN(must))
		   || mentions_any(line, plain, HT_ARRAY_LEN(plain)));
}

void up_text_answered(struct ht_answers *a, enum ht_answer what) {
	up_answered(a, what);
	if (what != HT_ANSWER_YES)
		return;
	a->flags |= UP_GRANTED;
	a->said &= (uint16_t)~HT_SAID_INJECTED;
}

static void refused(struct ht_answers *a, enum ht_answer what, struct ht_span line) {
	if (up_tls_demanded(line))
		a->said |= HT_SAID_REQUIRED;
	up_text_answered(a, what);
}

// literal passes over the bytes that the line announces at its end: {n}, or {n+} (RFC 5804 1.2).
static void literal(struct ht_answers *a, struct ht_span line) {
	if (line.len == HT_ANSWER_BYTES) {
		// Its end is not there: what follows may be a mail, in which anybody can write.
		a->done |= a->candidates == UP_IMAP;
		return;
	}
	if (line.len < 3 || line.p[line.len - 1] != '}')
		return;
	const uint8_t *open = memrchr(line.p, '{', line.len);
	struct ht_reader r = ht_reader(line);
	if (open == NULL || !ht_skip(&r, (size_t)(open - line.p) + 1))
		return;
	uint64_t n = 0;
	for (size_t i = 0; i + 1 < r.left.len; i++) {
		const uint8_t c = r.left.p[i];
		if (c == '+' && i > 0 && i + 2 == r.left.len)
			break;
		if (c < '0' || c > '9' || n > UINT32_MAX / 16)
			return;
		n = n * 10 + (c - '0');
	}
	a->skip = (uint32_t)n;
	a->flags |= UP_BEHIND_LITERAL;
}

// behind_literal tells whether the line is the rest of one that a literal stood in.
static bool behind_literal(struct ht_answers *a, struct ht_span line) {
	if (!(a->flags & UP_BEHIND_LITERAL))
		return false;
	a->flags &= (uint8_t)~UP_BEHIND_LITERAL;
	literal(a, line);
	return true;
}

static bool begins_with(struct ht_span line, const char *what) {
	const size_t len = strlen(what);
	return line.len >= len && strncasecmp((const char *)line.p, what, len) == 0;
}

// --- IMAP ----------------------------------------------------------------------------------------

// RFC 9051 7.2.2: capabilities, up to the end of the line or of the response code.
static void capabilities(struct ht_answers *a, struct ht_reader r) {
	bool end = false;
	while (!end) {
		struct ht_span word = up_word(&r);
		if (word.len > 0 && word.p[word.len - 1] == ']') {
			end = true;
			word.len--;
		}
		if (word.len == 0)
			break;
		if (up_is(word, "STARTTLS"))
			a->said |= HT_SAID_OFFERED;
		else if (up_is(word, "LOGINDISABLED"))
			a->said |= HT_SAID_REQUIRED;
		else if (word.len == strlen("STARTTLS") && up_blotted(word))
			a->said |= HT_SAID_OVERWRITTEN;
	}
}

// code_of looks at a response code, RFC 9051 7.1: "[CAPABILITY ...]". True when that was it.
static bool capability_code(struct ht_answers *a, struct ht_reader r) {
	if (!up_is(up_word(&r), "[CAPABILITY"))
		return false;
	capabilities(a, r);
	return true;
}

static void imap_greeting(struct ht_answers *a, struct ht_span what, struct ht_reader r) {
	if (up_is(what, "PREAUTH"))
		a->said |= HT_SAID_PREAUTH;
	if (capability_code(a, r))
		(void)up_listed(a);
	a->candidates = UP_IMAP;
	up_text_answered(a, up_is(what, "BYE") ? HT_ANSWER_NO : HT_ANSWER_OTHER);
}

static void imap_untagged(struct ht_answers *a, struct ht_reader r, struct ht_span line) {
	struct ht_span what = up_word(&r);
	if (a->num == 0) {
		a->done = !up_is(what, "OK") && !up_is(what, "PREAUTH") && !up_is(what, "BYE");
		if (!a->done)
			imap_greeting(a, what, r);
	} else if (up_is(what, "CAPABILITY")) {
		(void)up_listed(a);
		capabilities(a, r);
	} else if (up_is(what, "OK")) {
		(void)capability_code(a, r);
	} else if (up_is(what, "BYE")) {
		up_text_answered(a, HT_ANSWER_NO); // whatever was asked gets no other answer
	} else if (up_is(what, "NO") || up_is(what, "BAD")) {
		if (up_tls_demanded(line))
			a->said |= HT_SAID_REQUIRED;
	} else {
		literal(a, line);
	}
}

static void imap_tagged(struct ht_answers *a, struct ht_reader r, struct ht_span line) {
	struct ht_span what = up_word(&r);
	if (up_is(what, "OK")) {
		// Not a list to hold against the server: it comes with a login, and behind one
		// STARTTLS is left out by right.
		(void)capability_code(a, r);
		up_text_answered(a, HT_ANSWER_YES);
	} else if (up_is(what, "NO")) {
		if (up_is(up_word(&r), "[PRIVACYREQUIRED]")) // RFC 5530 3
			a->said |= HT_SAID_REQUIRED;
		refused(a, HT_ANSWER_NO, line);
	} else if (up_is(what, "BAD")) {
		refused(a, HT_ANSWER_UNKNOWN, line);
	}
}

size_t up_answer_imap(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client;
	struct ht_span line;
	size_t n = up_text_line(a, fresh, &line);
	if (n == 0 || behind_literal(a, line))
		return n;
	struct ht_reader r = ht_reader(line);
	struct ht_span tag = up_word(&r);
	if (up_is(tag, "*"))
		imap_untagged(a, r, line);
	else if (a->num == 0)
		a->done = true;
	else if (tag.len > 0 && !up_is(tag, "+"))
		imap_tagged(a, r, line);
	return n;
}

// --- POP3 ----------------------------------------------------------------------------------------

// RFC 2449 6: the first words of the list that CAPA gives, and of RFC 2595, 3206, 6856.
static void pop3_capability(struct ht_answers *a, struct ht_span line) {
	static const struct ht_span names[] = {
		HT_SPAN_STR("TOP"),
		HT_SPAN_STR("USER"),
		HT_SPAN_STR("SASL"),
		HT_SPAN_STR("RESP-CODES"),
		HT_SPAN_STR("LOGIN-DELAY"),
		HT_SPAN_STR("PIPELINING"),
		HT_SPAN_STR("EXPIRE"),
		HT_SPAN_STR("UIDL"),
		HT_SPAN_STR("IMPLEMENTATION"),
		HT_SPAN_STR("STLS"),
		HT_SPAN_STR("AUTH-RESP-CODE"),
		HT_SPAN_STR("UTF8"),
		HT_SPAN_STR("LANG"),
	};
	struct ht_reader r = ht_reader(line);
	struct ht_span word = up_word(&r);
	if (!(a->said & HT_SAID_LISTED) && up_is_any(word, names, HT_ARRAY_LEN(names))) {
		(void)up_listed(a);
		a->listed_at = (uint16_t)(a->num - 1); // "+OK" was counted before
	}
	if (up_is(word, "STLS"))
		a->said |= HT_SAID_OFFERED;
	else if (word.len == strlen("STLS") && up_blotted(word))
		a->said |= HT_SAID_OVERWRITTEN;
}

// Nothing tells whether lines follow "+OK", but what they are: no reply. A message begins with a
// header field, or with the "From " of an mbox; anything else is a list.
static void pop3_block(struct ht_answers *a, struct ht_span line) {
	if (line.len == 1 && line.p[0] == '.') {
		a->flags &= (uint8_t) ~(UP_BLOCK | UP_LISTING);
		return;
	}
	if (!(a->flags & UP_BLOCK)) {
		struct ht_reader r = ht_reader(line);
		struct ht_span word = up_word(&r);
		a->flags |= UP_BLOCK;
		if (word.len > 0 && memchr(word.p, ':', word.len) == NULL && !up_is(word, "From"))
			a->flags |= UP_LISTING;
	}
	if (a->flags & UP_LISTING)
		pop3_capability(a, line);
}

static void pop3_error(struct ht_answers *a, struct ht_span line) {
	static const char *const unknown[]
		= {"UNKNOWN", "UNRECOGNI", "INVALID", "NOT IMPLEMENTED", "BAD COMMAND"};
	const bool is_unknown = mentions_any(line, unknown, HT_ARRAY_LEN(unknown));
	refused(a, is_unknown ? HT_ANSWER_UNKNOWN : HT_ANSWER_NO, line);
}

size_t up_answer_pop3(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client;
	struct ht_span line;
	size_t n = up_text_line(a, fresh, &line);
	if (n == 0)
		return 0;
	const bool greeting = a->num == 0;
	const uint8_t after_ok = a->flags & UP_AFTER_OK;
	a->flags &= (uint8_t)~UP_AFTER_OK;
	if (a->flags & UP_BLOCK) {
		pop3_block(a, line);
	} else if (begins_with(line, "+OK")) {
		up_text_answered(a, greeting ? HT_ANSWER_OTHER : HT_ANSWER_YES);
		a->flags |= UP_AFTER_OK;
	} else if (begins_with(line, "-ERR")) {
		pop3_error(a, line);
	} else if (greeting) {
		a->done = true;
	} else if (up_at(line, 0) == '+') {
		up_text_answered(a, HT_ANSWER_OTHER); // RFC 5034 4: SASL goes on
	} else if (after_ok) {
		pop3_block(a, line);
	}
	a->candidates = UP_POP3;
	return n;
}

// --- ManageSieve ---------------------------------------------------------------------------------

// RFC 5804 1.7: "name" SP "value". Only those of the greeting: later on names of scripts look
// alike.
static void sieve_capability(struct ht_answers *a, struct ht_span line) {
	struct ht_reader r = ht_reader(line);
	struct ht_span name = up_word(&r), value = up_word(&r);
	(void)up_listed(a);
	if (up_is(name, "\"STARTTLS\""))
		a->said |= HT_SAID_OFFERED;
	else if (up_is(name, "\"SASL\"") && up_is(value, "\"\""))
		a->said |= HT_SAID_REQUIRED; // no way to log in before it
	else if (name.len == strlen("\"STARTTLS\"") && up_blotted(HT_SPAN(name.p + 1, 8)))
		a->said |= HT_SAID_OVERWRITTEN;
}

// RFC 5804 1.2: OK, NO or BYE. A code may follow: NO (ENCRYPT-NEEDED).
static void sieve_reply(struct ht_answers *a, struct ht_span line) {
	struct ht_reader r = ht_reader(line);
	struct ht_span word = up_word(&r);
	if (up_is(word, "OK"))
		up_text_answered(a, a->num == 0 ? HT_ANSWER_OTHER : HT_ANSWER_YES);
	else if (up_is(word, "NO") || up_is(word, "BYE"))
		refused(a, HT_ANSWER_NO, line);
	else if (a->num == 0)
		a->done = true;
	if (up_is(word, "NO") && begins_with(up_word(&r), "(ENCRYPT-NEEDED"))
		a->said |= HT_SAID_REQUIRED;
}

size_t
up_answer_sieve(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client;
	struct ht_span line;
	size_t n = up_text_line(a, fresh, &line);
	a->candidates = UP_SIEVE;
	if (n == 0 || behind_literal(a, line))
		return n;
	const int first = up_at(line, 0);
	if (first == '"' && a->num == 0)
		sieve_capability(a, line);
	else if (first != '"' && first != '{')
		sieve_reply(a, line);
	literal(a, line);
	return n;
}

// --- IRC -----------------------------------------------------------------------------------------

// IRCv3 capability negotiation: CAP <nick> LS [*] :<list>. "tls" is the extension of that name;
// "sts=port=6697,..." tells a client in clear to come again with TLS on that port.
static void irc_capabilities(struct ht_answers *a, struct ht_reader r) {
	(void)up_word(&r);
	struct ht_span what = up_word(&r);
	if (!up_is(what, "LS") && !up_is(what, "NEW"))
		return;
	struct ht_reader head = r;
	if (up_is(what, "LS") && !up_is(up_word(&head), "*")) // "*": more lines follow
		(void)up_listed(a);
	for (struct ht_span word = up_word(&r); word.len > 0; word = up_word(&r)) {
		if (word.p[0] == ':')
			word = HT_SPAN(word.p + 1, word.len - 1);
		if (up_is(word, "tls") || (begins_with(word, "sts=") && up_mentions(word, "port=")))
			a->said |= HT_SAID_OFFERED;
	}
}

// A line, without its prefix. Of the replies only those to STARTTLS are counted.
static void irc_line(struct ht_answers *a, struct ht_reader r) {
	struct ht_span what = up_word(&r);
	if (up_is(what, "CAP"))
		irc_capabilities(a, r);
	else if (up_is(what, "670"))
		up_text_answered(a, HT_ANSWER_YES);
	else if (up_is(what, "691"))
		up_text_answered(a, HT_ANSWER_NO);
	else if ((up_is(what, "421") || up_is(what, "451")) && up_mentions(r.left, "STARTTLS"))
		up_text_answered(a, HT_ANSWER_UNKNOWN);
}

static bool irc_begins(struct ht_span first_word) {
	return first_word.len > 1
	       && (first_word.p[0] == ':' || up_is(first_word, "NOTICE")
		   || up_is(first_word, "ERROR") || up_is(first_word, "PING"));
}

size_t up_answer_irc(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client;
	const uint16_t before = a->said;
	struct ht_span line;
	size_t n = up_text_line(a, fresh, &line);
	if (n == 0)
		return 0;
	struct ht_reader r = ht_reader(line);
	if (a->num == 0) {
		struct ht_reader head = r;
		a->done = !irc_begins(up_word(&head));
		up_text_answered(a, HT_ANSWER_OTHER); // in the place of a greeting
	}
	if (up_at(line, 0) == ':')
		(void)up_word(&r);
	struct ht_reader command = r;
	struct ht_span what = up_word(&command);
	// What a server says by itself may cross the client's STARTTLS.
	if (up_is(what, "NOTICE") || up_is(what, "PING"))
		a->said = before;
	irc_line(a, r);
	a->candidates = UP_IRC;
	return n;
}
