// SPDX-License-Identifier: BSD-3-Clause
// The verbs, a list for each first letter.

#include "upgrade_verbs.h"

// clang-format off
static const struct up_verb on_a[] = {
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
};

static const struct up_verb on_b[] = {
	{"BDAT", UP_SMTP, UP_BDAT},
	{"BYE", 0, UP_SAYS_SIP},
};

static const struct up_verb on_c[] = {
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
};

static const struct up_verb on_d[] = {
	{"DATA", UP_SMTP, UP_DATA},
	{"DATE", UP_NNTP, UP_NOTHING},
	{"DELE", UP_POP3 | UP_FTP, UP_NOTHING},
	{"DELETE", UP_IMAP, UP_SAYS_HTTP},
	{"DESCRIBE", 0, UP_SAYS_SIP},
};

static const struct up_verb on_e[] = {
	{"EHLO", UP_SMTP, UP_NOTHING},
	{"ENABLE", UP_IMAP, UP_NOTHING},
	{"EPRT", UP_FTP, UP_NOTHING},
	{"EPSV", UP_FTP, UP_NOTHING},
	{"ERROR", UP_IRC, UP_GREETS},
	{"ETRN", UP_SMTP, UP_NOTHING},
	{"EXAMINE", UP_IMAP, UP_NOTHING},
	{"EXPN", UP_SMTP, UP_NOTHING},
};

static const struct up_verb on_f[] = {
	{"FEAT", UP_FTP, UP_NOTHING},
};

static const struct up_verb on_g[] = {
	{"GET", 0, UP_HTTP_HEAD},
	{"GETSCRIPT", UP_SIEVE, UP_NOTHING},
	{"GROUP", UP_NNTP, UP_NOTHING},
};

static const struct up_verb on_h[] = {
	{"HAVESPACE", UP_SIEVE, UP_NOTHING},
	{"HEAD", 0, UP_SAYS_HTTP},
	{"HELO", UP_SMTP, UP_NOTHING},
	{"HELP", UP_SMTP | UP_FTP | UP_NNTP | UP_IRC, UP_NOTHING},
	{"HOST", UP_FTP, UP_NOTHING},
	{"HTTP/1.0", 0, UP_SAYS_HTTP},
	{"HTTP/1.1", 0, UP_SAYS_HTTP},
};

static const struct up_verb on_i[] = {
	{"ID", UP_IMAP, UP_NOTHING},
	{"IDLE", UP_IMAP, UP_NOTHING},
	{"IHAVE", UP_NNTP, UP_DATA},
	{"INVITE", 0, UP_SAYS_SIP},
};

static const struct up_verb on_j[] = {
	{"JOIN", UP_IRC, UP_NOTHING},
};

static const struct up_verb on_l[] = {
	{"LANG", UP_POP3 | UP_FTP, UP_NOTHING},
	{"LHLO", UP_SMTP, UP_NOTHING},
	{"LIST", UP_POP3 | UP_FTP | UP_NNTP | UP_IRC | UP_IMAP, UP_NOTHING},
	{"LISTGROUP", UP_NNTP, UP_NOTHING},
	{"LISTSCRIPTS", UP_SIEVE, UP_NOTHING},
	{"LOCK", 0, UP_SAYS_HTTP},
	{"LOGIN", UP_IMAP, UP_LOGIN},
	{"LOGOUT", UP_SIEVE | UP_IMAP, UP_NOTHING},
	{"LSUB", UP_IMAP, UP_NOTHING},
};

static const struct up_verb on_m[] = {
	{"M-SEARCH", 0, UP_SAYS_HTTP},
	{"MAIL", UP_SMTP, UP_NOTHING},
	{"MDTM", UP_FTP, UP_NOTHING},
	{"MESSAGE", 0, UP_SAYS_SIP},
	{"MKCALENDAR", 0, UP_SAYS_HTTP},
	{"MKCOL", 0, UP_SAYS_HTTP},
	{"MKD", UP_FTP, UP_NOTHING},
	{"MODE", UP_NNTP | UP_FTP | UP_IRC, UP_MODE},
	{"MOVE", 0, UP_SAYS_HTTP},
};

static const struct up_verb on_n[] = {
	{"NAMESPACE", UP_IMAP, UP_NOTHING},
	{"NICK", UP_IRC, UP_NOTHING},
	{"NLST", UP_FTP, UP_NOTHING},
	{"NOOP", UP_SMTP | UP_POP3 | UP_FTP | UP_SIEVE | UP_IMAP, UP_NOTHING},
	{"NOTICE", UP_IRC, UP_GREETS},
	{"NOTIFY", 0, UP_HTTP_OR_SIP},
};

static const struct up_verb on_o[] = {
	{"OPER", UP_IRC, UP_OPER},
	{"OPTIONS", 0, UP_HTTP_HEAD},
	{"OPTS", UP_FTP, UP_NOTHING},
	{"OVER", UP_NNTP, UP_NOTHING},
};

static const struct up_verb on_p[] = {
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
};

static const struct up_verb on_q[] = {
	{"QUIT", UP_SMTP | UP_POP3 | UP_FTP | UP_NNTP | UP_IRC, UP_NOTHING},
};

static const struct up_verb on_r[] = {
	{"RCPT", UP_SMTP, UP_NOTHING},
	{"REGISTER", 0, UP_SAYS_SIP},
	{"REPORT", 0, UP_SAYS_HTTP},
	{"RETR", UP_POP3 | UP_FTP, UP_NOTHING},
	{"RPC_IN_DATA", 0, UP_SAYS_HTTP},
	{"RPC_OUT_DATA", 0, UP_SAYS_HTTP},
	{"RSET", UP_SMTP | UP_POP3, UP_NOTHING},
	{"RTSP/1.0", 0, UP_SAYS_SIP},
};

static const struct up_verb on_s[] = {
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
};

static const struct up_verb on_t[] = {
	{"TAKETHIS", UP_NNTP, UP_TAKETHIS},
	{"TOP", UP_POP3, UP_NOTHING},
	{"TRACE", 0, UP_SAYS_HTTP},
	{"TYPE", UP_FTP, UP_NOTHING},
};

static const struct up_verb on_u[] = {
	{"UIDL", UP_POP3, UP_NOTHING},
	{"UNLOCK", 0, UP_SAYS_HTTP},
	{"UNSELECT", UP_IMAP, UP_NOTHING},
	{"USER", UP_POP3 | UP_FTP | UP_IRC, UP_USER},
	{"UTF8", UP_POP3, UP_NOTHING},
};

static const struct up_verb on_v[] = {
	{"VRFY", UP_SMTP, UP_NOTHING},
};

static const struct up_verb on_w[] = {
	{"WEBIRC", UP_IRC, UP_NOTHING},
};

static const struct up_verb on_x[] = {
	{"XCLIENT", UP_SMTP, UP_NOTHING},
	{"XFORWARD", UP_SMTP, UP_NOTHING},
	{"XLIST", UP_IMAP, UP_NOTHING},
	{"XOVER", UP_NNTP, UP_NOTHING},
};
// clang-format on

#define LIST(letter, verbs) [letter - 'A'] = {verbs, HT_ARRAY_LEN(verbs)}

static const struct {
	const struct up_verb *verb;
	size_t num;
} lists[26] = {
	LIST('A', on_a), LIST('B', on_b), LIST('C', on_c), LIST('D', on_d), LIST('E', on_e),
	LIST('F', on_f), LIST('G', on_g), LIST('H', on_h), LIST('I', on_i), LIST('J', on_j),
	LIST('L', on_l), LIST('M', on_m), LIST('N', on_n), LIST('O', on_o), LIST('P', on_p),
	LIST('Q', on_q), LIST('R', on_r), LIST('S', on_s), LIST('T', on_t), LIST('U', on_u),
	LIST('V', on_v), LIST('W', on_w), LIST('X', on_x),
};

// eight_of gives 8 bytes at most as a number, in capital letters, zeros behind them.
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
	return x - (small >> 2);
}

const struct up_verb *up_verb_find(struct ht_span word) {
	if (word.len == 0 || word.len >= UP_VERB_MAX)
		return NULL;
	const uint64_t wanted[2] = {
		eight_of(word.p, word.len),
		word.len > 8 ? eight_of(word.p + 8, word.len - 8) : 0,
	};
	const size_t letter = (uint8_t)(wanted[0] & 0xff) - (size_t)'A';
	if (letter >= HT_ARRAY_LEN(lists))
		return NULL;
	const struct up_verb *verb = lists[letter].verb, *const end = verb + lists[letter].num;
	for (; verb < end; verb++)
		if (memcmp(verb->name, wanted, sizeof(wanted)) == 0)
			return verb;
	return NULL;
}

const struct up_verb *up_verb_number(size_t i) {
	for (size_t letter = 0; letter < HT_ARRAY_LEN(lists); letter++) {
		if (i < lists[letter].num)
			return &lists[letter].verb[i];
		i -= lists[letter].num;
	}
	return NULL;
}
