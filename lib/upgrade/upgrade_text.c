// SPDX-License-Identifier: BSD-3-Clause
// Protocols that are lines of text. Several share verbs, so each line narrows the candidates down
// and the trigger's line names one of those left.

#include "upgrade_int.h"
#include "upgrade_verbs.h"

#define TAG_MAX 32u // no bound in RFC 9051; the longest tags of known clients have 20 bytes
#define HOST_MAX 64u // RFC 2812 2.3.1: server names have 63
#define TAG_VERB_MAX (UP_VERB_MAX - 1) // the longest verb

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

static void reply_due(struct ht_upgrade *u) {
	if (u->replies < UINT16_MAX)
		u->replies++;
}

static enum ht_rc asked(struct ht_upgrade *u, uint8_t candidates) {
	return up_found(u, up_name_of(candidates, u->port_hint, true), u->start, UP_TEXT);
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
	const uint8_t before = u->candidates;
	if (before & protocols)
		u->candidates &= protocols;
	// Of IRC's replies only those to STARTTLS are counted: nothing tells what the others
	// answer.
	if (u->candidates == UP_IRC && before != UP_IRC)
		u->replies = (uint16_t)(1 + up_asked(u));
}

// A command as a firewall leaves it that takes STARTTLS, or STLS, out at equal length.
static bool is_mangled(const struct ht_upgrade *u, struct ht_span word, struct ht_reader args) {
	const bool as_long
		= u->candidates & UP_POP3 ? word.len == 4 || word.len == 8 : word.len == 8;
	return as_long && up_blotted(word) && up_word(&args).len == 0;
}

static enum ht_rc act(struct ht_upgrade *u, const struct up_verb *verb, struct ht_reader args) {
	if (verb->act == UP_NOTHING)
		return HT_SKIP;
	struct ht_reader r = args;
	struct ht_span arg = up_word(&r);
	switch (verb->act) {
	case UP_STARTTLS:
	case UP_STLS:
		return arg.len == 0 ? asked(u, u->candidates) : HT_SKIP;
	case UP_AUTH:
		return auth(u, args);
	case UP_AUTHENTICATE:
		// RFC 5804 2.1: a string; IRCv3 sasl: a bare word.
		narrow(u, up_at(arg, 0) == '"' ? UP_SIEVE : UP_IRC);
		return HT_SKIP;
	case UP_MODE:
		// RFC 3977 5.3, RFC 4644 2.3. In FTP it is S, B or C, in IRC a nickname or a
		// channel.
		narrow(u, up_is(arg, "READER") || up_is(arg, "STREAM") ? UP_NNTP : UP_FTP | UP_IRC);
		return HT_SKIP;
	case UP_DATA:
	case UP_TAKETHIS:
	case UP_HTTP_OR_NEWS:
		u->state = UP_MAIL;
		u->flags &= (uint8_t)~UP_MAIL_BEGUN;
		return HT_SKIP;
	case UP_BDAT:
		u->said |= HT_SAID_MAIL;
		return skip_chunk(u, arg); // RFC 3030 2
	default:
		return HT_SKIP;
	}
}

// A line that is no command that is known. Its reply is an error, or goes on with SASL.
static void other_line(struct ht_upgrade *u, struct ht_span word, struct ht_reader args) {
	// RFC 5804 2.1: the client's SASL messages are strings.
	const bool string = up_at(word, 0) == '"' || up_at(word, 0) == '{';
	if (u->secret > 0)
		up_secret_line(u, word);
	else if (is_mangled(u, word, args))
		u->said |= HT_SAID_MANGLED;
	if (u->candidates != UP_IRC && !(u->candidates == UP_SIEVE && string))
		reply_due(u);
}

static enum ht_rc command(struct ht_upgrade *u, struct ht_span line) {
	struct ht_reader r = ht_reader(line);
	struct ht_span word = up_word(&r);
	const struct up_verb *verb = up_verb_find(word);
	if (word.len > 0 && up_asked(u))
		u->said |= HT_SAID_WENT_ON;
	if (verb == NULL || !(u->candidates & verb->protocols)) {
		other_line(u, word, r);
		return HT_SKIP;
	}
	if (verb->act != UP_AUTHENTICATE)
		u->secret = 0; // whatever SASL exchange there was is over
	narrow(u, verb->protocols);
	enum ht_rc rc = act(u, verb, r);
	if (rc == HT_OK)
		return rc;
	up_secret_command(u, verb, r);
	if (u->candidates != UP_IRC && verb->act != UP_TAKETHIS)
		reply_due(u);
	return rc;
}

static enum ht_rc tagged_command(struct ht_upgrade *u, struct ht_span line) {
	struct ht_reader r = ht_reader(line);
	struct ht_span tag = up_word(&r), word = up_word(&r);
	if (tag.len > 0 && up_asked(u))
		u->said |= HT_SAID_WENT_ON;
	if (word.len == 0) { // a SASL message, or the DONE of IDLE: no reply
		if (u->secret > 0)
			up_secret_line(u, tag);
		return HT_SKIP;
	}
	if (!is_tag(tag))
		return HT_SKIP;
	struct ht_reader args = r;
	const struct up_verb *verb = up_verb_find(word);
	enum ht_rc rc = HT_SKIP;
	u->secret = 0;
	if (verb != NULL && verb->act == UP_STARTTLS && up_word(&args).len == 0)
		rc = asked(u, UP_IMAP);
	else if (verb != NULL)
		up_secret_command(u, verb, r);
	else if (is_mangled(u, word, r))
		u->said |= HT_SAID_MANGLED;
	if (rc != HT_OK)
		reply_due(u);
	return rc;
}

// No mail begins so (no field of a header has a blank before its colon): the server refused DATA.
static bool is_refused(struct ht_span line) {
	struct ht_reader r = ht_reader(line);
	const struct ht_span word = up_word(&r);
	if (up_is(line, "QUIT") || up_is(line, "RSET") || up_is(line, "STARTTLS"))
		return true;
	return up_is(word, "EHLO") || up_is(word, "HELO")
	       || (up_is(word, "MAIL") && up_match(r.left, HT_SPAN_STR(" FROM:")) == HT_OK);
}

static enum ht_rc mail_line(struct ht_upgrade *u, struct ht_span line) {
	const bool first = !(u->flags & UP_MAIL_BEGUN);
	u->flags |= UP_MAIL_BEGUN;
	// RFC 5321 4.1.1.4. As in some servers bare LFs do as well; whether this one agrees cannot
	// be seen from the client's side.
	if (line.len == 1 && line.p[0] == '.') {
		u->state = UP_TEXT;
		reply_due(u);
		return HT_SKIP;
	}
	if (first && is_refused(line)) {
		u->state = UP_TEXT;
		return command(u, line);
	}
	if (u->candidates & UP_SMTP)
		u->said |= HT_SAID_MAIL;
	return HT_SKIP;
}

static enum ht_rc text_line(struct ht_upgrade *u, struct ht_span line) {
	if (u->state == UP_MAIL)
		return mail_line(u, line);
	const bool continued = u->flags & UP_CONTINUED;
	u->flags &= (uint8_t)~UP_CONTINUED;
	enum ht_rc rc = HT_SKIP;
	if (!continued)
		rc = u->candidates == UP_IMAP ? tagged_command(u, line) : command(u, line);
	if (rc == HT_SKIP && u->state == UP_TEXT && (u->candidates & (UP_IMAP | UP_SIEVE)))
		rc = literal(u, line);
	if (continued && !(u->flags & UP_CONTINUED))
		up_secret_whole(u);
	return rc;
}

// Passes over the lines of a mail that has begun, up to one that may be its end.
static void skip_mail(struct ht_upgrade *u, struct ht_span all) {
	while (u->pos == u->start && u->start < all.len && all.p[u->start] != '.') {
		const uint8_t *lf = memchr(all.p + u->start, '\n', all.len - u->start);
		if (lf == NULL)
			return;
		up_go_to(u, (size_t)(lf - all.p) + 1);
	}
}

enum ht_rc up_text(struct ht_upgrade *u, struct ht_span all) {
	for (;;) {
		struct ht_span line;
		const bool mail = u->state == UP_MAIL;
		if (mail && (u->flags & UP_MAIL_BEGUN)) {
			skip_mail(u, all);
		} else if (!mail && !(u->flags & UP_CONTINUED) && u->pos == u->start) {
			const int first = up_at(all, u->start);
			if (first >= 0 && !is_graph((uint8_t)first) && !ends_word(first))
				return up_hello_here(u, (uint8_t)first);
		}
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
	u->flags = u->secret = 0;
	u->candidates = candidates;
	u->replies = 1; // the greeting; of IRC's, whatever comes first
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
	// A command that was overwritten, if the port tells whose.
	const uint8_t by_port = up_protocol_of_port(u->port_hint);
	if ((by_port & UP_UNTAGGED) && after != ' ' && up_blotted(word))
		return begin(u, all, by_port);
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
	if (verb != NULL ? !(verb->protocols & UP_IMAP) : by_port != UP_IMAP || !up_blotted(word))
		return HT_SKIP;
	return begin(u, all, UP_IMAP);
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
