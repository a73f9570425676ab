// SPDX-License-Identifier: BSD-3-Clause
// Replies of three digits: SMTP and LMTP (RFC 5321 4.2), FTP (RFC 959 4.2), NNTP (RFC 3977 3.2).

#include "upgrade_int.h"
#include "upgrade_verbs.h"

// RFC 5321 4.2: three digits, then a blank, or a hyphen when another line follows. 0: no reply.
static uint16_t code_of(struct ht_span line) {
	if (line.len < 3 || (line.len > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return 0;
	const unsigned first = line.p[0] - '0', second = line.p[1] - '0', third = line.p[2] - '0';
	if (first < 1 || first > 5 || second > 9 || third > 9)
		return 0;
	return (uint16_t)(first * 100 + second * 10 + third);
}

// text_of gives what stands behind the code.
static struct ht_span text_of(struct ht_span line) {
	struct ht_reader r = ht_reader(line);
	return ht_skip(&r, 4) ? r.left : HT_SPAN_EMPTY;
}

// What greets with this code, or turns a client away. 0: none of the three.
static uint8_t greets_with(uint16_t code, struct ht_span text) {
	switch (code) {
	case 120:
		return UP_FTP;
	case 200:
	case 201:
	case 400:
	case 502:
		return UP_NNTP;
	case 220:
		// RFC 5321 4.2 wants no "ESMTP" there, but nearly all say it.
		if (up_mentions(text, "SMTP") || up_mentions(text, "LMTP"))
			return UP_SMTP;
		return up_mentions(text, "FTP") ? UP_FTP : UP_SMTP | UP_FTP;
	default:
		return code >= 400 ? UP_SMTP | UP_FTP : 0;
	}
}

// Codes that only one of SMTP and FTP has.
static uint8_t belongs_to(uint16_t code) {
	switch (code) {
	case 235:
	case 251:
	case 252:
	case 334:
	case 354:
		return UP_SMTP;
	case 125:
	case 150:
	case 215:
	case 226 ... 234:
	case 257:
	case 331:
	case 332:
	case 350:
		return UP_FTP;
	default:
		return UP_SMTP | UP_FTP;
	}
}

static void narrow(struct ht_answers *a, uint8_t protocols) {
	if (a->candidates & protocols)
		a->candidates &= protocols;
}

static enum ht_answer answer_of(const struct ht_answers *a, uint16_t code) {
	const bool news = a->candidates == UP_NNTP;
	switch (code) {
	case 220: // RFC 3207 4: behind the greeting it answers STARTTLS
		return a->num > 0 && (a->candidates & UP_SMTP) ? HT_ANSWER_YES : HT_ANSWER_OTHER;
	case 234: // RFC 4217 4.1
		return news ? HT_ANSWER_OTHER : HT_ANSWER_YES;
	case 382: // RFC 4642 2.2
		return news ? HT_ANSWER_YES : HT_ANSWER_OTHER;
	case 500:
		return HT_ANSWER_UNKNOWN;
	case 502: // RFC 4642 2.2.1: there it is known, and not to be had
		return news ? HT_ANSWER_NO : HT_ANSWER_UNKNOWN;
	case 504: // RFC 4217 4.1: another mechanism may be known
		return a->candidates & UP_FTP ? HT_ANSWER_NO : HT_ANSWER_UNKNOWN;
	default:
		return code < 400 ? HT_ANSWER_OTHER : HT_ANSWER_NO;
	}
}

// RFC 3977 3.2.1.1, 5.2, 7.2, 7.6: replies that a block of lines follows, up to ".".
static bool has_block(uint16_t code) {
	switch (code) {
	case 100:
	case 101:
	case 215:
	case 220 ... 222:
	case 224:
	case 225:
	case 230:
	case 231:
	case 282: // XGTITLE, RFC 2980 2.8
		return true;
	default:
		return false;
	}
}

// RFC 5321 4.1.1.1: ehlo-line = keyword *( SP param ); RFC 3977 5.2.2: the same in NNTP. HELO and
// EXPN may have replies of several lines with 250, too: those have none of the usual keywords.
static bool is_keyword(struct ht_span word) {
	static const struct ht_span names[] = {
		HT_SPAN_STR("PIPELINING"), HT_SPAN_STR("SIZE"), // mostly the first two
		HT_SPAN_STR("8BITMIME"),   HT_SPAN_STR("AUTH"), HT_SPAN_STR("CHUNKING"),
		HT_SPAN_STR("DELIVERBY"),  HT_SPAN_STR("DSN"),	HT_SPAN_STR("ENHANCEDSTATUSCODES"),
		HT_SPAN_STR("ETRN"),	   HT_SPAN_STR("HELP"), HT_SPAN_STR("SMTPUTF8"),
		HT_SPAN_STR("STARTTLS"),   HT_SPAN_STR("VRFY"),
	};
	return up_is_any(word, names, HT_ARRAY_LEN(names));
}

static void keyword(struct ht_answers *a, struct ht_span line) {
	const int first = up_at(line, 0) & ~0x20;
	const bool may_offer = first == 'S' || first == 'X';
	if ((a->said & HT_SAID_LISTED) && !may_offer)
		return;
	struct ht_reader r = ht_reader(line);
	const struct ht_span word = up_word(&r);
	if (!(a->said & HT_SAID_LISTED) && is_keyword(word))
		(void)up_listed(a);
	if (!may_offer)
		return;
	if (up_is(word, "STARTTLS"))
		a->said |= HT_SAID_OFFERED;
	else if (word.len == strlen("STARTTLS") && up_blotted(word))
		a->said |= HT_SAID_OVERWRITTEN;
}

// RFC 2389 3.2, RFC 4217 6: " AUTH TLS"; some put several, "AUTH TLS;TLS-C;SSL;". Other replies
// with 211 (STAT) are told apart by having none of the usual features.
static void feature(struct ht_answers *a, struct ht_span line) {
	static const struct ht_span names[] = {
		HT_SPAN_STR("AUTH"), HT_SPAN_STR("CLNT"), HT_SPAN_STR("EPRT"), HT_SPAN_STR("EPSV"),
		HT_SPAN_STR("HOST"), HT_SPAN_STR("LANG"), HT_SPAN_STR("MDTM"), HT_SPAN_STR("MFMT"),
		HT_SPAN_STR("MLST"), HT_SPAN_STR("PASV"), HT_SPAN_STR("PBSZ"), HT_SPAN_STR("PROT"),
		HT_SPAN_STR("REST"), HT_SPAN_STR("SIZE"), HT_SPAN_STR("TVFS"), HT_SPAN_STR("UTF8"),
	};
	struct ht_reader r = ht_reader(line);
	struct ht_span word = up_word(&r);
	if (up_blotted(word))
		a->said |= HT_SAID_OVERWRITTEN;
	if (up_is_any(word, names, HT_ARRAY_LEN(names)))
		(void)up_listed(a);
	if (up_is(word, "AUTH") && (up_mentions(r.left, "TLS") || up_mentions(r.left, "SSL")))
		a->said |= HT_SAID_OFFERED;
}

// One of the lines between the first and the last, or the last, of a reply of several.
static void inner_line(struct ht_answers *a, struct ht_span text) {
	if (a->flags & UP_LISTING)
		keyword(a, text);
	else if (a->code == 211 && a->num > 0 && (a->candidates & UP_FTP))
		feature(a, text);
}

static void block_line(struct ht_answers *a, struct ht_span line) {
	if (line.len == 1 && line.p[0] == '.')
		a->flags &= (uint8_t) ~(UP_BLOCK | UP_LISTING);
	else if (a->flags & UP_LISTING)
		keyword(a, line);
}

// RFC 3977 3.2: codes of 1xx end a command there; in FTP another reply follows (RFC 959 4.2).
static bool is_preliminary(const struct ht_answers *a, uint16_t code) {
	return code < 200 && a->candidates != UP_NNTP;
}

static void last_line(struct ht_answers *a, uint16_t code, struct ht_span line) {
	a->code = 0;
	if (a->candidates != UP_NNTP)
		a->flags &= (uint8_t)~UP_LISTING;
	if (is_preliminary(a, code))
		return;
	// RFC 3977 3.2.1: 483. RFC 3207 4: 530, which also asks for a login, as 534, 538 and in FTP
	// 550 have other meanings too: the text decides. What is said of a mail is not looked at.
	// Behind a login 550 is said of a file, with its name.
	const bool of_mail = code >= 540 && a->candidates != UP_FTP;
	const bool of_file = code == 550 && (a->flags & UP_LOGGED_IN);
	if (code == 483 || (code >= 500 && !of_mail && !of_file && up_tls_demanded(line)))
		a->said |= HT_SAID_REQUIRED;
	if (code == 230)
		a->flags |= UP_LOGGED_IN;
	up_text_answered(a, answer_of(a, code));
}

static void first_line(struct ht_answers *a, uint16_t code, struct ht_span line) {
	const bool more = up_at(line, 3) == '-' && a->candidates != UP_NNTP;
	if (a->num > 0)
		narrow(a, belongs_to(code));
	if (more) {
		a->code = code;
		// FTP has 250 of several lines too: behind a login, which has narrowed it down.
		if (code == 250 && a->num > 0 && (a->candidates & UP_SMTP)) {
			narrow(a, UP_SMTP);
			a->flags |= UP_LISTING;
		}
		return;
	}
	if (a->candidates == UP_NNTP && a->num > 0 && has_block(code)) {
		a->flags |= UP_BLOCK;
		if (code == 101) {
			a->flags |= UP_LISTING;
			(void)up_listed(a);
		}
	}
	last_line(a, code, line);
}

size_t
up_answer_numeric(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client;
	struct ht_span line;
	size_t n = up_text_line(a, fresh, &line);
	if (n == 0)
		return 0;
	if (a->flags & UP_BLOCK) {
		block_line(a, line);
		return n;
	}
	const uint16_t code = code_of(line);
	if (a->code != 0) {
		// RFC 959 4.2: between the first line and the last there may be any text.
		const bool own = code == a->code;
		inner_line(a, own ? text_of(line) : line);
		if (own && up_at(line, 3) != '-')
			last_line(a, code, line);
		return n;
	}
	if (a->candidates == 0) {
		a->candidates = greets_with(code, text_of(line));
		a->done = a->candidates == 0;
	}
	// RFC 3977 6.1.2: the numbers that LISTGROUP gives may have three digits.
	if (!a->done && code != 0 && !(a->candidates == UP_NNTP && line.len == 3))
		first_line(a, code, line);
	return n;
}
