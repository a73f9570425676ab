// SPDX-License-Identifier: BSD-3-Clause
// upgrade_int: what the files of this module share.

#pragma once

#include "reader.h"
#include "upgrade.h"

#include <strings.h>

// The longest command line. RFC 4954 4 holds 12288 octets to be enough for the lines of deployed
// authentication mechanisms, and no other protocol here asks for longer ones.
#define UP_LINE_MAX 12288u

// Which function goes on with the stream at the next call.
enum up_state {
	UP_START, // what begins at u->start is not known yet
	UP_TEXT,
	UP_MAIL, // the body of a mail or an article, up to the line "."
	UP_HTTP,
	UP_HTTP_BODY,
	UP_HTTP_AGAIN, // the request did not lead to TLS: another may begin
	UP_WEBSOCKET, // its frames carry no TLS
	UP_XMPP,
	UP_LDAP,
	UP_POSTGRESQL,
	UP_POSTGRESQL_LOGIN, // in clear, behind StartupMessage
	UP_ADB,
	UP_TDS, // behind PRELOGIN
	UP_INSIDE, // a proxy was told where to connect: another protocol begins
	UP_SPENT, // the only chance for TLS has passed
	UP_BAD,
	UP_NUM_STATES
};

enum up_flag {
	UP_CONTINUED = 1, // text: the line goes on after a literal, it is not a command
	UP_PENDING = 2, // XMPP: <starttls> was opened and not yet closed
	UP_CONNECT = 4, // HTTP: the request at hand is CONNECT
	UP_TLS_WANTED = 8, // HTTP: Upgrade: TLS was among the header fields
	UP_WEBSOCKET_WANTED = 16, // HTTP: Upgrade: websocket was
	UP_IQ_AUTH = 32, // XMPP: inside a stanza that may hold a password
	UP_ANONYMOUS = 64, // FTP: the password that follows is none
	UP_MAIL_BEGUN = 128 // text: the mail at hand has a line
};

// A step looks at the stream from u->start on. It returns HT_SKIP, with nothing changed, when what
// begins there is not its own.
typedef enum ht_rc up_step(struct ht_upgrade *u, struct ht_span all);

up_step up_start, up_text, up_text_first, up_greeting, up_http, up_http_first, up_http_body,
	up_http_again, up_websocket, up_xmpp, up_xmpp_first, up_ldap, up_ldap_first, up_postgresql,
	up_postgresql_first, up_postgresql_login, up_mysql, up_tds, up_tds_login, up_adb,
	up_adb_first, up_rdp, up_socks4, up_socks5, up_proxy_v1, up_proxy_v2;

// --- the server's side ---------------------------------------------------------------------------

// What is spoken by the server that goes on at the next call.
enum up_answer_state {
	UP_ANSWER_START, // what begins here is not known yet
	UP_ANSWER_NUMERIC, // SMTP, FTP, NNTP: replies of three digits
	UP_ANSWER_IMAP,
	UP_ANSWER_POP3,
	UP_ANSWER_SIEVE,
	UP_ANSWER_IRC,
	UP_ANSWER_XMPP,
	UP_ANSWER_LDAP,
	UP_ANSWER_POSTGRESQL,
	UP_ANSWER_MYSQL,
	UP_ANSWER_TDS,
	UP_ANSWER_RDP,
	UP_ANSWER_ADB,
	UP_ANSWER_HTTP,
	UP_ANSWER_SOCKS4,
	UP_ANSWER_SOCKS5,
	UP_NUM_ANSWER_STATES
};

// An answer step looks at the beginning of `fresh` and returns how many bytes it took. With 0 it
// has either changed a->state (or set a->done), or it wants more.
typedef size_t
up_answer(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh);

up_answer up_answer_start, up_answer_numeric, up_answer_imap, up_answer_pop3, up_answer_sieve,
	up_answer_irc, up_answer_xmpp, up_answer_ldap, up_answer_postgresql, up_answer_mysql,
	up_answer_tds, up_answer_rdp, up_answer_adb, up_answer_http, up_answer_socks4,
	up_answer_socks5;

enum up_answer_flag {
	UP_LONG_LINE = 1, // the line goes on: its head was looked at
	UP_PRIVATE = 2, // and up: each state's own
	UP_IN_FEATURES = 2, // XMPP: in the first list of them
	// Those of the text protocols.
	UP_GRANTED = 2, // there was a positive answer
	UP_LISTING = 4, // the lines at hand tell what the server can do
	UP_BLOCK = 8, // lines up to "." belong to the last reply
	UP_AFTER_OK = 16, // POP3: such lines may begin here
	UP_BEHIND_LITERAL = 32, // the line goes on behind a literal
	UP_LOGGED_IN = 64, // FTP: a login was granted
};

// up_answer_line takes one line of the server, without its end. It returns how many bytes that is
// with the end, 0 when the end has not come. Of a line longer than HT_ANSWER_BYTES the head is
// given, and the rest is passed over without another call's notice.
static inline size_t
up_answer_line(struct ht_answers *a, struct ht_span fresh, struct ht_span *line) {
	const uint8_t *lf = memchr(fresh.p, '\n', fresh.len);
	if (lf == NULL && fresh.len < HT_ANSWER_BYTES)
		return 0;
	size_t n = lf != NULL ? (size_t)(lf - fresh.p) : fresh.len;
	*line = HT_SPAN(fresh.p, n < HT_ANSWER_BYTES ? n : HT_ANSWER_BYTES);
	if (lf == NULL) {
		a->flags |= UP_LONG_LINE;
		return n;
	}
	// (A longer one ends elsewhere, and perhaps its end was not there.)
	if (n > 0 && n < HT_ANSWER_BYTES && line->p[n - 1] == '\r')
		line->len--;
	return n + 1;
}

// up_answer_head gives of a message of `len` bytes the first HT_ANSWER_BYTES, or all; what is
// behind them is passed over. It returns 0 while they are not all there.
size_t
up_answer_head(struct ht_answers *a, struct ht_span fresh, size_t len, struct ht_reader *head);

// up_answer_pass passes over `len` bytes, 1 at least.
static inline size_t up_answer_pass(struct ht_answers *a, size_t len) {
	a->skip = len - 1 < UINT32_MAX ? (uint32_t)(len - 1) : UINT32_MAX;
	return 1;
}

// up_answer_over looks at what follows a go-ahead. In clear there it may have been put there for
// the client to take it for something said inside TLS (CVE-2021-23222).
static inline size_t up_answer_over(struct ht_answers *a, struct ht_span fresh) {
	enum { ALERT = 0x15, HANDSHAKE = 0x16 };
	const bool tls = fresh.p[0] == HANDSHAKE || fresh.p[0] == ALERT;
	a->said |= tls ? HT_SAID_TLS : HT_SAID_INJECTED;
	a->done = true;
	return 0;
}

// up_text_line takes a line as up_answer_line does, unless TLS begins here: then it says so, and
// a->done is set.
static inline size_t
up_text_line(struct ht_answers *a, struct ht_span fresh, struct ht_span *line) {
	enum { ALERT = 0x15, HANDSHAKE = 0x16, MAJOR = 3 };
	const bool tls = fresh.p[0] == HANDSHAKE || fresh.p[0] == ALERT;
	if (tls && !(a->flags & UP_BEHIND_LITERAL)) {
		if (fresh.len < 2)
			return 0;
		if (fresh.p[1] == MAJOR) {
			a->said |= HT_SAID_TLS;
			a->done = true;
			return 0;
		}
	}
	size_t n = up_answer_line(a, fresh, line);
	if (n > 0 && (a->flags & UP_GRANTED))
		a->said |= HT_SAID_INJECTED;
	return n;
}

// up_answered notes the next of the server's replies.
static inline void up_answered(struct ht_answers *a, enum ht_answer what) {
	if (a->num < HT_REPLIES_MAX)
		a->reply[a->num] = (uint8_t)what;
	if (a->num < UINT16_MAX)
		a->num++;
}

// up_text_answered does so for a text protocol, where what follows a go-ahead tells something too.
void up_text_answered(struct ht_answers *a, enum ht_answer what);

// up_listed notes that the server has listed what it can do; only the first list counts (behind a
// login, or inside TLS, another one may lack the offer by right).
static inline bool up_listed(struct ht_answers *a) {
	if (a->said & HT_SAID_LISTED)
		return false;
	a->said |= HT_SAID_LISTED;
	a->listed_at = a->num;
	return true;
}

// up_blotted tells whether a word was overwritten on its way, as firewalls do that must keep the
// length of what they take out (Cisco "inspect esmtp": XXXXXXXA): four X at least, nothing behind
// them but X and one letter.
bool up_blotted(struct ht_span word);

// up_proxied: a proxy granted the connection. What it carries begins anew.
static inline void up_proxied(struct ht_answers *a) {
	a->said = HT_SAID_PROXIED;
	a->num = a->listed_at = a->code = 0;
	a->state = UP_ANSWER_START;
	a->candidates = a->flags = a->via = 0;
	a->skip = a->body = 0;
	if (a->layer < HT_VIA_MAX)
		a->layer++;
}

// up_layers_answered tells how many of the client's proxies answer: a PROXY header has no answer.
unsigned up_layers_answered(const struct ht_upgrade *client);

// up_line takes the line that begins at u->start, without its end. A bare LF ends a line too: the
// servers seen accept it. HT_MORE: its end is not there yet; HT_LIMIT: it is longer than `max`.
HT_MUST_USE enum ht_rc
up_line(struct ht_upgrade *u, struct ht_span all, size_t max, struct ht_span *line);

// up_same tells whether two words are the same in any case of their letters. Most words differ in
// length or in their first letter.
static inline bool up_same(struct ht_span word, struct ht_span name) {
	return word.len == name.len && word.len > 0 && ((word.p[0] ^ name.p[0]) & ~0x20) == 0
	       && strncasecmp((const char *)word.p, (const char *)name.p, name.len) == 0;
}

// up_is does so for a name that stands in the code, whose length the compiler knows.
static inline bool up_is(struct ht_span word, const char *name) {
	return up_same(word, HT_SPAN(name, strlen(name)));
}

// up_is_any tells whether the word is one of `num` names.
static inline bool up_is_any(struct ht_span word, const struct ht_span *names, size_t num) {
	for (size_t i = 0; i < num; i++)
		if (up_same(word, names[i]))
			return true;
	return false;
}

// up_word takes the next word of a line; it is empty when there is none.
struct ht_span up_word(struct ht_reader *r);

// up_number reads decimal digits; false when there are none or anything else is among them. It
// stays at HT_UPGRADE_MAX when the number is larger.
HT_MUST_USE bool up_number(struct ht_span digits, uint32_t *v);

// up_match compares as many bytes as are there: HT_MORE when they are a true prefix.
static inline enum ht_rc up_match(struct ht_span s, struct ht_span what) {
	size_t n = s.len < what.len ? s.len : what.len;
	if (memcmp(s.p, what.p, n) != 0)
		return HT_SKIP;
	return n == what.len ? HT_OK : HT_MORE;
}

// up_at gives byte i, or -1 when it has not come yet.
static inline int up_at(struct ht_span s, size_t i) {
	return i < s.len ? s.p[i] : -1;
}

// up_here reads the stream from u->start on; empty when the stream has not got so far.
static inline struct ht_reader up_here(const struct ht_upgrade *u, struct ht_span all) {
	struct ht_reader r = ht_reader(all);
	return ht_skip(&r, u->start) ? r : ht_reader(HT_SPAN_EMPTY);
}

static inline enum ht_rc up_bad(struct ht_upgrade *u, enum ht_speaks speaks) {
	u->speaks = (uint8_t)speaks;
	u->state = UP_BAD;
	return HT_BAD;
}

// up_go_to sets where the next line or message begins.
static inline void up_go_to(struct ht_upgrade *u, size_t at) {
	u->start = u->pos = (uint32_t)at;
}

// up_found reports `via`, with what it carries beginning at `offset`; `next` goes on when that is
// not TLS. A protocol that asks again after a refusal is listed once.
static inline enum ht_rc
up_found(struct ht_upgrade *u, enum ht_via via, size_t offset, enum up_state next) {
	u->via[u->layer] = (uint8_t)via;
	u->num_via = (uint8_t)(u->layer + 1);
	u->said = (uint16_t)((u->said | HT_SAID_ASKED) & ~HT_SAID_WENT_ON);
	u->asked_at = u->replies++;
	u->offset = (uint32_t)offset;
	u->state = (uint8_t)next;
	up_go_to(u, offset);
	return HT_OK;
}

// up_asked tells whether the protocol at hand has asked for TLS before.
static inline bool up_asked(const struct ht_upgrade *u) {
	return u->num_via > u->layer;
}

// up_went_on notes that something in clear followed the last request, if there was one.
static inline void up_went_on(struct ht_upgrade *u) {
	if (up_asked(u))
		u->said |= HT_SAID_WENT_ON;
}

// up_login notes that a secret was sent in clear, and which reply answers it.
static inline void up_login(struct ht_upgrade *u, uint16_t answered_by) {
	if (!(u->said & HT_SAID_LOGIN))
		u->login_at = answered_by;
	u->said |= HT_SAID_LOGIN;
}

// up_hello_here looks at a byte that begins no command: after a trigger it may be a hello that
// comes late, behind commands that somebody injected (CVE-2011-0411).
static inline enum ht_rc up_hello_here(struct ht_upgrade *u, uint8_t byte) {
	if (byte != 0x16 || !up_asked(u) || u->offset == u->pos)
		return up_bad(u, HT_SPEAKS_PLAIN);
	uint16_t said = u->said, asked_at = u->asked_at, replies = u->replies;
	enum ht_rc rc = up_found(u, (enum ht_via)u->via[u->layer], u->pos, (enum up_state)u->state);
	u->said = said;
	u->asked_at = asked_at;
	u->replies = replies;
	return rc;
}
