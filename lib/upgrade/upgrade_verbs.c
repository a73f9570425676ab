// SPDX-License-Identifier: BSD-3-Clause
// The verbs, sorted by their bytes: the look-up is a binary search.

#include "upgrade_verbs.h"

// clang-format off
static const struct up_verb verbs[] = {
	{"ACCT", UP_FTP, UP_NOTHING},
	{"ACK", 0, UP_SAYS_SIP},
	{"ADAT", UP_FTP, UP_NOTHING},
	{"ANNOUNCE", 0, UP_SAYS_SIP},
	{"APOP", UP_POP3, UP_NOTHING},
	{"APPEND", UP_IMAP, UP_NOTHING},
	{"ARTICLE", UP_NNTP, UP_NOTHING},
	{"AUTH", UP_SMTP | UP_POP3 | UP_FTP, UP_AUTH},
	{"AUTHENTICATE", UP_SIEVE | UP_IRC | UP_IMAP, UP_AUTHENTICATE},
	{"AUTHINFO", UP_NNTP, UP_AUTHINFO},
	{"BDAT", UP_SMTP, UP_BDAT},
	{"BYE", 0, UP_SAYS_SIP},
	{"CANCEL", 0, UP_SAYS_SIP},
	{"CAP", UP_IRC, UP_NOTHING},
	{"CAPA", UP_POP3, UP_NOTHING},
	{"CAPABILITIES", UP_NNTP, UP_NOTHING},
	{"CAPABILITY", UP_SIEVE | UP_IMAP, UP_NOTHING},
	{"CCC", UP_FTP, UP_NOTHING},
	{"CDUP", UP_FTP, UP_NOTHING},
	{"CHECKSCRIPT", UP_SIEVE, UP_NOTHING},
	{"CLNT", UP_FTP, UP_NOTHING},
	{"CONNECT", 0, UP_HTTP_HEAD},
	{"COPY", 0, UP_SAYS_HTTP},
	{"CREATE", UP_IMAP, UP_NOTHING},
	{"CWD", UP_FTP, UP_NOTHING},
	{"DATA", UP_SMTP, UP_DATA},
	{"DATE", UP_NNTP, UP_NOTHING},
	{"DELE", UP_POP3 | UP_FTP, UP_NOTHING},
	{"DELETE", UP_IMAP, UP_SAYS_HTTP},
	{"DESCRIBE", 0, UP_SAYS_SIP},
	{"EHLO", UP_SMTP, UP_NOTHING},
	{"ENABLE", UP_IMAP, UP_NOTHING},
	{"EPRT", UP_FTP, UP_NOTHING},
	{"EPSV", UP_FTP, UP_NOTHING},
	{"ERROR", UP_IRC, UP_GREETS},
	{"ETRN", UP_SMTP, UP_NOTHING},
	{"EXAMINE", UP_IMAP, UP_NOTHING},
	{"EXPN", UP_SMTP, UP_NOTHING},
	{"FEAT", UP_FTP, UP_NOTHING},
	{"GET", 0, UP_HTTP_HEAD},
	{"GETSCRIPT", UP_SIEVE, UP_NOTHING},
	{"GROUP", UP_NNTP, UP_NOTHING},
	{"HAVESPACE", UP_SIEVE, UP_NOTHING},
	{"HEAD", 0, UP_SAYS_HTTP},
	{"HELO", UP_SMTP, UP_NOTHING},
	{"HELP", UP_SMTP | UP_FTP | UP_NNTP | UP_IRC, UP_NOTHING},
	{"HOST", UP_FTP, UP_NOTHING},
	{"HTTP/1.0", 0, UP_SAYS_HTTP},
	{"HTTP/1.1", 0, UP_SAYS_HTTP},
	{"ID", UP_IMAP, UP_NOTHING},
	{"IDLE", UP_IMAP, UP_NOTHING},
	{"IHAVE", UP_NNTP, UP_DATA},
	{"INVITE", 0, UP_SAYS_SIP},
	{"JOIN", UP_IRC, UP_NOTHING},
	{"LANG", UP_POP3 | UP_FTP, UP_NOTHING},
	{"LHLO", UP_SMTP, UP_NOTHING},
	{"LIST", UP_POP3 | UP_FTP | UP_NNTP | UP_IRC | UP_IMAP, UP_NOTHING},
	{"LISTGROUP", UP_NNTP, UP_NOTHING},
	{"LISTSCRIPTS", UP_SIEVE, UP_NOTHING},
	{"LOCK", 0, UP_SAYS_HTTP},
	{"LOGIN", UP_IMAP, UP_LOGIN},
	{"LOGOUT", UP_SIEVE | UP_IMAP, UP_NOTHING},
	{"LSUB", UP_IMAP, UP_NOTHING},
	{"M-SEARCH", 0, UP_SAYS_HTTP},
	{"MAIL", UP_SMTP, UP_NOTHING},
	{"MDTM", UP_FTP, UP_NOTHING},
	{"MESSAGE", 0, UP_SAYS_SIP},
	{"MKCALENDAR", 0, UP_SAYS_HTTP},
	{"MKCOL", 0, UP_SAYS_HTTP},
	{"MKD", UP_FTP, UP_NOTHING},
	{"MODE", UP_NNTP | UP_FTP | UP_IRC, UP_MODE},
	{"MOVE", 0, UP_SAYS_HTTP},
	{"NAMESPACE", UP_IMAP, UP_NOTHING},
	{"NICK", UP_IRC, UP_NOTHING},
	{"NLST", UP_FTP, UP_NOTHING},
	{"NOOP", UP_SMTP | UP_POP3 | UP_FTP | UP_SIEVE | UP_IMAP, UP_NOTHING},
	{"NOTICE", UP_IRC, UP_GREETS},
	{"NOTIFY", 0, UP_HTTP_OR_SIP},
	{"OPER", UP_IRC, UP_OPER},
	{"OPTIONS", 0, UP_HTTP_HEAD},
	{"OPTS", UP_FTP, UP_NOTHING},
	{"OVER", UP_NNTP, UP_NOTHING},
	{"PASS", UP_POP3 | UP_FTP | UP_IRC, UP_PASS},
	{"PASV", UP_FTP, UP_NOTHING},
	{"PATCH", 0, UP_SAYS_HTTP},
	{"PBSZ", UP_FTP, UP_NOTHING},
	{"PING", UP_IRC, UP_NOTHING},
	{"PLAY", 0, UP_SAYS_SIP},
	{"PONG", UP_IRC, UP_NOTHING},
	{"PORT", UP_FTP, UP_NOTHING},
	{"POST", UP_NNTP, UP_HTTP_OR_NEWS},
	{"PRI", 0, UP_SAYS_HTTP},
	{"PRIVMSG", UP_IRC, UP_NOTHING},
	{"PROPFIND", 0, UP_SAYS_HTTP},
	{"PROPPATCH", 0, UP_SAYS_HTTP},
	{"PROT", UP_FTP, UP_NOTHING},
	{"PROTOCTL", UP_IRC, UP_NOTHING},
	{"PROXY", 0, UP_PROXY_HEADER},
	{"PUBLISH", 0, UP_SAYS_SIP},
	{"PUT", 0, UP_SAYS_HTTP},
	{"PUTSCRIPT", UP_SIEVE, UP_NOTHING},
	{"PWD", UP_FTP, UP_NOTHING},
	{"QUIT", UP_SMTP | UP_POP3 | UP_FTP | UP_NNTP | UP_IRC, UP_NOTHING},
	{"RCPT", UP_SMTP, UP_NOTHING},
	{"REGISTER", 0, UP_SAYS_SIP},
	{"REPORT", 0, UP_SAYS_HTTP},
	{"RETR", UP_POP3 | UP_FTP, UP_NOTHING},
	{"RPC_IN_DATA", 0, UP_SAYS_HTTP},
	{"RPC_OUT_DATA", 0, UP_SAYS_HTTP},
	{"RSET", UP_SMTP | UP_POP3, UP_NOTHING},
	{"RTSP/1.0", 0, UP_SAYS_SIP},
	{"SEARCH", UP_IMAP, UP_SAYS_HTTP},
	{"SELECT", UP_IMAP, UP_NOTHING},
	{"SERVER", UP_IRC, UP_NOTHING},
	{"SETACTIVE", UP_SIEVE, UP_NOTHING},
	{"SETUP", 0, UP_SAYS_SIP},
	{"SIP/2.0", 0, UP_SAYS_SIP},
	{"SITE", UP_FTP, UP_NOTHING},
	{"SIZE", UP_FTP, UP_NOTHING},
	{"STARTTLS", UP_SMTP | UP_NNTP | UP_SIEVE | UP_IRC | UP_IMAP, UP_STARTTLS},
	{"STAT", UP_POP3 | UP_FTP | UP_NNTP, UP_NOTHING},
	{"STATUS", UP_IMAP, UP_NOTHING},
	{"STLS", UP_POP3, UP_STLS},
	{"STOR", UP_FTP, UP_NOTHING},
	{"SUBSCRIBE", UP_IMAP, UP_HTTP_OR_SIP},
	{"SYST", UP_FTP, UP_NOTHING},
	{"TAKETHIS", UP_NNTP, UP_TAKETHIS},
	{"TOP", UP_POP3, UP_NOTHING},
	{"TRACE", 0, UP_SAYS_HTTP},
	{"TYPE", UP_FTP, UP_NOTHING},
	{"UIDL", UP_POP3, UP_NOTHING},
	{"UNLOCK", 0, UP_SAYS_HTTP},
	{"UNSELECT", UP_IMAP, UP_NOTHING},
	{"USER", UP_POP3 | UP_FTP | UP_IRC, UP_USER},
	{"UTF8", UP_POP3, UP_NOTHING},
	{"VRFY", UP_SMTP, UP_NOTHING},
	{"WEBIRC", UP_IRC, UP_NOTHING},
	{"XCLIENT", UP_SMTP, UP_NOTHING},
	{"XFORWARD", UP_SMTP, UP_NOTHING},
	{"XLIST", UP_IMAP, UP_NOTHING},
	{"XOVER", UP_NNTP, UP_NOTHING},
};
// clang-format on

// A name as one number: its bytes, zeros behind its end. The numbers are ordered as the names are.
typedef unsigned __int128 name_t;

static name_t number_of(uint64_t first, uint64_t second) {
	return (name_t)first << 64 | second;
}

// eight_of gives 8 bytes at most, zeros behind them, in capital letters.
static uint64_t eight_of(const uint8_t *p, size_t len) {
	const uint64_t each = 0x0101010101010101;
	uint64_t x = 0;
	if (len >= 8) {
		memcpy(&x, p, 8);
	} else if (len >= 4) {
		uint32_t lo, hi;
		memcpy(&lo, p, 4);
		memcpy(&hi, p + len - 4, 4);
		x = (uint64_t)hi << 8 * (len - 4) | lo;
	} else {
		for (size_t i = 0; i < len; i++)
			x |= (uint64_t)p[i] << 8 * i;
	}
	// The top bit of each byte, which ASCII does not use, takes the comparisons.
	const uint64_t ascii = x & each * 0x7f;
	const uint64_t from_a = ascii + each * (0x80 - 'a'), beyond_z = ascii + each * (0x7f - 'z');
	const uint64_t small = (from_a ^ beyond_z) & ~x & each * 0x80;
	return __builtin_bswap64(x - (small >> 2));
}

const struct up_verb *up_verb_find(struct ht_span word) {
	if (word.len == 0 || word.len >= UP_VERB_MAX)
		return NULL;
	const name_t wanted = number_of(
		eight_of(word.p, word.len), word.len > 8 ? eight_of(word.p + 8, word.len - 8) : 0
	);
	const struct up_verb *found = verbs;
	for (size_t num = HT_ARRAY_LEN(verbs); num > 1;) {
		const size_t half = num / 2;
		const uint8_t *name = (const uint8_t *)found[half].name;
		if (wanted >= number_of(ht_be64(name), ht_be64(name + 8)))
			found += half;
		num -= half;
	}
	const uint8_t *name = (const uint8_t *)found->name;
	return wanted == number_of(ht_be64(name), ht_be64(name + 8)) ? found : NULL;
}

const struct up_verb *up_verb_number(size_t i) {
	return i < HT_ARRAY_LEN(verbs) ? &verbs[i] : NULL;
}
