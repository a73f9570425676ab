// SPDX-License-Identifier: BSD-3-Clause
// Protocols that are lines of text. Several share verbs, so each line narrows the candidates down
// and the trigger's line names one of those left.

#include "upgrade_int.h"
#include "upgrade_verbs.h"

#define TAG_MAX 32u // no bound in RFC 9051; the longest tags of known clients have 20 bytes
#define HOST_MAX 64u // RFC 2812 2.3.1: server names have 63
#define TAG_VERB_MAX 13 // the longest verb

static bool is_graph(uint8_t c) {
	return c > 0x20 && c < 0x7f;
}

static size_t graph_len(struct ht_span s, size_t max) {
	size_t n = 0;
	while (n < s.len && n < max && is_graph(s.p[n]))
		n++;
	return n;
}

static bool ends_word(int c) {
	return c == ' ' || c == '\r' || c == '\n' || c == '\t';
}

// RFC 9051 9: tag = 1*<any ASTRING-CHAR except "+">.
static bool is_tag(struct ht_span s) {
	for (size_t i = 0; i < s.len; i++)
		if (!is_graph(s.p[i]) || strchr("(){%*\"\\+", s.p[i]) != NULL)
			return false;
	return s.len > 0;
}

// The port names the protocol where the verbs leave several.
static uint8_t protocol_of_port(uint16_t port) {
	switch (port) {
	case 21:
		return UP_FTP;
	case 24: // LMTP
	case 25:
	case 465:
	case 587:
	case 2525:
		return UP_SMTP;
	case 110:
		return UP_POP3;
	case 119:
	case 433:
		return UP_NNTP;
	case 2000:
	case 4190:
		return UP_SIEVE;
	case 194:
	case 6660 ... 6669:
	case 7000:
		return UP_IRC;
	default:
		return 0;
	}
}

// In the order of likelihood for a lone STARTTLS: a ManageSieve client has seen the capabilities in
// the greeting and needs no command before it, whereas in SMTP it must say EHLO first.
static enum ht_via name_of(const struct ht_upgrade *u, uint8_t candidates) {
	static const struct {
		uint8_t protocol, via;
	} order[] = {
		{UP_SIEVE, HT_VIA_SIEVE}, {UP_SMTP, HT_VIA_SMTP}, {UP_NNTP, HT_VIA_NNTP},
		{UP_IRC, HT_VIA_IRC},	  {UP_FTP, HT_VIA_FTP},	  {UP_POP3, HT_VIA_POP3},
	};
	uint8_t by_port = candidates & protocol_of_port(u->port_hint);
	for (size_t i = 0; i < HT_ARRAY_LEN(order); i++)
		if ((by_port != 0 ? by_port : candidates) & order[i].protocol)
			return (enum ht_via)order[i].via;
	return HT_VIA_IMAP;
}

static enum ht_rc asked(struct ht_upgrade *u, uint8_t candidates) {
	return up_found(u, name_of(u, candidates), u->start, UP_TEXT);
}

// literal skips the bytes that a line announces at its end: {n}, {n+} (RFC 7888 3, RFC 5804 1.2) or
// {n-}. If the server refused {n} the client sends another command instead; that cannot be known.
static enum ht_rc literal(struct ht_upgrade *u, struct ht_span line) {
	uint32_t n;
	struct ht_reader r = ht_reader(line);
	if (line.len < 3 || line.p[line.len - 1] != '}')
		return HT_SKIP;
	const uint8_t *open = memrchr(line.p, '{', line.len);
	if (open == NULL || !ht_skip(&r, (size_t)(open - line.p) + 1))
		return HT_SKIP;
	struct ht_span digits = r.left;
	digits.len--; // the brace
	if (digits.len > 0 && (digits.p[digits.len - 1] == '+' || digits.p[digits.len - 1] == '-'))
		digits.len--;
	if (!up_number(digits, &n))
		return HT_SKIP;
	u->flags |= UP_CONTINUED;
	up_go_to(u, u->start + n);
	return u->start > HT_UPGRADE_MAX ? up_bad(u, HT_SPEAKS_PLAIN) : HT_SKIP;
}

static enum ht_rc auth(struct ht_upgrade *u, struct ht_reader r) {
	// RFC 4217 4, and the older names of its drafts.
	static const char *const mechanisms[] = {"TLS", "SSL", "TLS-C", "TLS-P"};
	struct ht_span mechanism = up_word(&r);
	if (!(u->candidates & UP_FTP) || up_word(&r).len > 0)
		return HT_SKIP;
	for (size_t i = 0; i < HT_ARRAY_LEN(mechanisms); i++) {
		if (up_is(mechanism, mechanisms[i])) {
			u->candidates = UP_FTP;
			return asked(u, UP_FTP);
		}
	}
	return HT_SKIP;
}

static enum ht_rc skip_chunk(struct ht_upgrade *u, struct ht_span size) {
	uint32_t n;
	if (!up_number(size, &n))
		return HT_SKIP; // the server will refuse it
	up_go_to(u, u->start + n);
	return u->start > HT_UPGRADE_MAX ? up_bad(u, HT_SPEAKS_PLAIN) : HT_SKIP;
}

// narrow drops candidates, unless none would be left: then the line is nobody's command.
static void narrow(struct ht_upgrade *u, uint8_t protocols) {
	if (u->candidates & protocols)
		u->candidates &= protocols;
}

static enum ht_rc command(struct ht_upgrade *u, struct ht_span line) {
	struct ht_reader r = ht_reader(line);
	const struct up_verb *verb = up_verb_find(up_word(&r));
	if (verb == NULL || !(u->candidates & verb->protocols))
		return HT_SKIP;
	narrow(u, verb->protocols);
	struct ht_reader args = r;
	struct ht_span arg = up_word(&args);
	switch (verb->act) {
	case UP_STARTTLS:
	case UP_STLS:
		return arg.len == 0 ? asked(u, u->candidates) : HT_SKIP;
	case UP_AUTH:
		return auth(u, r);
	case UP_AUTHENTICATE:
		// RFC 5804 2.1: a string; IRCv3 sasl: a bare word.
		narrow(u, up_at(arg, 0) == '"' ? UP_SIEVE : UP_IRC);
		return HT_SKIP;
	case UP_MODE:
		// RFC 3977 5.3. In FTP it is S, B or C, in IRC a nickname or a channel.
		narrow(u, up_is(arg, "READER") ? UP_NNTP : UP_FTP | UP_IRC);
		return HT_SKIP;
	case UP_DATA:
	case UP_HTTP_OR_NEWS:
		u->state = UP_MAIL;
		return HT_SKIP;
	case UP_BDAT:
		return skip_chunk(u, arg); // RFC 3030 2
	default:
		return HT_SKIP;
	}
}

static enum ht_rc tagged_command(struct ht_upgrade *u, struct ht_span line) {
	struct ht_reader r = ht_reader(line);
	bool tagged = is_tag(up_word(&r));
	if (tagged && up_is(up_word(&r), "STARTTLS") && up_word(&r).len == 0)
		return asked(u, UP_IMAP);
	return HT_SKIP;
}

static enum ht_rc text_line(struct ht_upgrade *u, struct ht_span line) {
	if (u->state == UP_MAIL) {
		// RFC 5321 4.1.1.4. As in some servers bare LFs do as well; whether this one agrees
		// cannot be seen from the client's side.
		if (line.len == 1 && line.p[0] == '.')
			u->state = UP_TEXT;
		return HT_SKIP;
	}
	bool is_command = !(u->flags & UP_CONTINUED);
	u->flags &= (uint8_t)~UP_CONTINUED;
	enum ht_rc rc = HT_SKIP;
	if (is_command)
		rc = u->candidates == UP_IMAP ? tagged_command(u, line) : command(u, line);
	if (rc == HT_SKIP && u->state == UP_TEXT && (u->candidates & (UP_IMAP | UP_SIEVE)))
		rc = literal(u, line);
	return rc;
}

enum ht_rc up_text(struct ht_upgrade *u, struct ht_span all) {
	for (;;) {
		struct ht_span line;
		bool mail = u->state == UP_MAIL;
		int first = u->pos == u->start ? up_at(up_here(u, all).left, 0) : -1;
		if (first >= 0 && !mail && !(u->flags & UP_CONTINUED) && !is_graph((uint8_t)first)
		    && !ends_word(first))
			return up_hello_here(u, (uint8_t)first);
		enum ht_rc rc = up_line(u, all, mail ? HT_UPGRADE_MAX : UP_LINE_MAX, &line);
		if (rc == HT_LIMIT)
			return up_bad(u, HT_SPEAKS_PLAIN);
		if (rc == HT_MORE)
			return rc;
		rc = text_line(u, line);
		if (rc != HT_SKIP)
			return rc;
	}
}

static enum ht_rc begin(struct ht_upgrade *u, struct ht_span all, uint8_t candidates) {
	u->state = UP_TEXT;
	u->flags = 0;
	u->candidates = candidates;
	return up_text(u, all);
}

// first_verb goes on with the verb at the beginning of a stream; `rest` is what follows a space, or
// NULL when the line ended.
static enum ht_rc first_verb(
	struct ht_upgrade *u,
	struct ht_span all,
	const struct up_verb *verb,
	const struct ht_span *rest
) {
	if (verb->act == UP_GREETS)
		return up_bad(u, HT_SPEAKS_SERVER);
	if (rest != NULL) {
		enum ht_rc rc;
		switch (verb->act) {
		case UP_SAYS_HTTP:
		case UP_HTTP_OR_NEWS:
			return up_bad(u, HT_SPEAKS_HTTP);
		case UP_SAYS_SIP:
			return up_bad(u, HT_SPEAKS_RTSP);
		case UP_HTTP_OR_SIP:
			rc = up_match(*rest, HT_SPAN_STR("sip"));
			if (rc == HT_MORE)
				return rc;
			return up_bad(u, rc == HT_OK ? HT_SPEAKS_RTSP : HT_SPEAKS_HTTP);
		case UP_HTTP_HEAD:
			return up_http_first(u, all);
		case UP_PROXY_HEADER:
			return up_proxy_v1(u, all);
		default:
			break;
		}
	}
	return verb->protocols & UP_UNTAGGED ? begin(u, all, UP_UNTAGGED) : HT_SKIP;
}

// Reply codes that a server of a protocol with an upgrade greets with, or turns a client away.
static bool is_greeting_code(struct ht_span s) {
	static const char codes[][4] = {"120", "200", "201", "220", "400", "421", "502", "554"};
	if (s.len < 4 || (s.p[3] != ' ' && s.p[3] != '-'))
		return false;
	for (size_t i = 0; i < HT_ARRAY_LEN(codes); i++)
		if (memcmp(s.p, codes[i], 3) == 0)
			return true;
	return false;
}

enum ht_rc up_text_first(struct ht_upgrade *u, struct ht_span all) {
	struct ht_reader r = up_here(u, all);
	struct ht_span word, s = r.left;
	if (is_greeting_code(s))
		return up_bad(u, HT_SPEAKS_SERVER);
	if (up_match(s, HT_SPAN_STR("SSH-")) == HT_OK)
		return up_bad(u, HT_SPEAKS_SSH);
	size_t n = graph_len(s, TAG_MAX + 1);
	if (n > TAG_MAX)
		return HT_SKIP;
	int after = up_at(s, n);
	if (after < 0)
		return HT_MORE;
	if (!ends_word(after) || !ht_take(&r, n, &word) || !ht_skip(&r, 1))
		return HT_SKIP;
	const struct up_verb *verb = up_verb_find(word);
	if (verb != NULL) {
		enum ht_rc rc = first_verb(u, all, verb, after == ' ' ? &r.left : NULL);
		if (rc != HT_SKIP)
			return rc;
	}
	// Not a known verb: a tag of IMAP, then, if one of its commands follows.
	if (after != ' ' || !is_tag(word))
		return HT_SKIP;
	n = graph_len(r.left, TAG_VERB_MAX + 1);
	after = up_at(r.left, n);
	if (n > TAG_VERB_MAX)
		return HT_SKIP;
	if (after < 0)
		return HT_MORE;
	if (!ends_word(after) || !ht_take(&r, n, &word))
		return HT_SKIP;
	verb = up_verb_find(word);
	return verb != NULL && (verb->protocols & UP_IMAP) ? begin(u, all, UP_IMAP) : HT_SKIP;
}

enum ht_rc up_greeting(struct ht_upgrade *u, struct ht_span all) {
	static const char *const greetings[] = {
		"* OK",
		"* PREAUTH",
		"* BYE", // IMAP
		"+OK",
		"-ERR", // POP3
		"\"IMPLEMENTATION\"",
		"\"SIEVE\"",
		"\"SASL\"",
		"\"STARTTLS\"",
		"\"VERSION\"", // ManageSieve
	};
	struct ht_span s = up_here(u, all).left;
	for (size_t i = 0; i < HT_ARRAY_LEN(greetings); i++) {
		enum ht_rc rc = up_match(s, HT_SPAN(greetings[i], strlen(greetings[i])));
		if (rc == HT_OK)
			return up_bad(u, HT_SPEAKS_SERVER);
		if (rc == HT_MORE)
			return rc;
	}
	// RFC 2812 2.3: ":" server SPACE command. Only servers put a prefix first.
	size_t n = graph_len(s, HOST_MAX + 1);
	if (s.p[0] != ':' || n > HOST_MAX)
		return HT_SKIP;
	if (n == s.len)
		return HT_MORE;
	return s.p[n] == ' ' && n > 1 ? up_bad(u, HT_SPEAKS_SERVER) : HT_SKIP;
}
