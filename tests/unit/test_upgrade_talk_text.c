// SPDX-License-Identifier: BSD-3-Clause
// Whole dialogues of text protocols: what both sides together, and each alone, tell of an upgrade.

#include "t.h"

#include "upgrade.h"

#define HELLO "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03"
#define TURNS_MAX 24
#define SIDE_MAX 4096

// One dialogue. A turn begins with "C: " or "S: "; a client's turn that is HELLO is a hello.
struct talk {
	const char *name;
	const char *verdict; // "state severity[: evidence]", or "-"
	const char *turns[TURNS_MAX];
	bool offered_before;
	uint16_t port; // 0: the protocol's
	const char *via; // ht_upgrade_names, joined by commas; NULL: the protocol
};

#define T(name, verdict, ...) \
	{ \
		name, verdict, { \
			__VA_ARGS__ \
		} \
	}
// A server that offered TLS on an earlier connection.
#define B(name, verdict, ...) \
	{ name, verdict, {__VA_ARGS__}, true }
#define P(port, via, name, verdict, ...) \
	{ name, verdict, {__VA_ARGS__}, false, port, via }

struct side {
	uint8_t bytes[SIDE_MAX];
	size_t len;
};

struct run {
	struct ht_upgrade client;
	struct ht_answers server;
	bool scanned; // the scan is over: TLS came, or HT_BAD
	bool hello;
	struct side c, s; // seen so far
	size_t taken; // by ht_upgrade_answer
};

static void add(struct side *s, const void *bytes, size_t len) {
	assert_true(s->len + len <= sizeof(s->bytes));
	memcpy(s->bytes + s->len, bytes, len);
	s->len += len;
}

static void see_client(struct run *r, const void *bytes, size_t len) {
	add(&r->c, bytes, len);
	uint8_t *p = t_dup(r->c.bytes, r->c.len);
	const size_t n = r->c.len;
	while (!r->scanned) {
		const size_t at = r->client.offset;
		if (at > 0 || n == 0) {
			const size_t left = n - at;
			if (left == 0 || (left == 1 && p[at] == 0x16))
				break;
			if (p[at] == 0x16 && p[at + 1] == 3) {
				r->scanned = r->hello = true;
				break;
			}
		}
		enum ht_rc rc = ht_upgrade_scan(&r->client, HT_SPAN(p, n));
		if (rc == HT_MORE)
			break;
		r->scanned = rc == HT_BAD;
	}
	free(p);
}

static void see_server(struct run *r, const struct ht_upgrade *client, const void *b, size_t len) {
	add(&r->s, b, len);
	const size_t left = r->s.len - r->taken;
	uint8_t *p = t_dup(r->s.bytes + r->taken, left);
	if (left > 0) {
		const size_t n = ht_upgrade_answer(&r->server, client, HT_SPAN(p, left));
		assert_true(n <= left);
		assert_true(left < HT_ANSWER_BYTES || n > 0);
		r->taken += n;
	}
	free(p);
}

static const char *
told(const struct run *r, bool client, bool server, bool offered_before, char out[256]) {
	struct ht_verdict v;
	const bool any = ht_upgrade_verdict(
		&v, client ? &r->client : NULL, server ? &r->server : NULL, client && r->hello,
		offered_before
	);
	if (!any)
		return "-";
	snprintf(
		out, 256, "%s %s%s%s", ht_upgrade_state_name(v.state), v.severity,
		v.evidence != NULL ? ": " : "", v.evidence != NULL ? v.evidence : ""
	);
	return out;
}

static const char *names(const struct run *r, bool client, bool server, char out[128]) {
	uint8_t via[HT_VIA_MAX];
	unsigned num
		= ht_upgrade_names(via, client ? &r->client : NULL, server ? &r->server : NULL);
	out[0] = '\0';
	assert_in_range(num, 0, HT_VIA_MAX);
	for (unsigned i = 0; i < num; i++) {
		strcat(out, i > 0 ? "," : "");
		strcat(out, ht_via_name(via[i]));
	}
	return out;
}

static struct run *new_run(uint16_t port) {
	struct run *r = calloc(1, sizeof(*r));
	assert_non_null(r);
	r->client.port_hint = r->server.port_hint = port;
	return r;
}

static void
expect(const char *name, const char *how, size_t cut, const char *what, const char *want) {
	if (strcmp(what, want) != 0)
		fail_msg("%s, %s %zu: \"%s\", not \"%s\"", name, how, cut, what, want);
}

static void finish(const struct talk *t, struct run *r, const char *how, size_t cut) {
	char out[256], via[128];
	expect(t->name, how, cut, told(r, true, true, t->offered_before, out), t->verdict);
	expect(t->name, how, cut, names(r, true, true, via), t->via);
	free(r);
}

static size_t text_of(const char *turn, const char **text) {
	*text = turn + 3;
	// A hello holds zeros.
	return strcmp(*text, HELLO) == 0 ? sizeof(HELLO) - 1 : strlen(*text);
}

static void collect(const struct talk *t, struct side *c, struct side *s) {
	for (unsigned i = 0; t->turns[i] != NULL; i++) {
		const char *text;
		size_t len = text_of(t->turns[i], &text);
		add(t->turns[i][0] == 'C' ? c : s, text, len);
	}
}

static void turn_by_turn(const struct talk *t, bool by_byte) {
	struct run *r = new_run(t->port);
	for (unsigned i = 0; t->turns[i] != NULL; i++) {
		const char *text;
		size_t len = text_of(t->turns[i], &text), step = by_byte ? 1 : len;
		for (size_t at = 0; at < len; at += step)
			if (t->turns[i][0] == 'C')
				see_client(r, text + at, step);
			else
				see_server(r, &r->client, text + at, step);
	}
	finish(t, r, by_byte ? "byte by byte" : "turn by turn", 0);
}

static void in_two(const struct talk *t, bool client_first, size_t cut) {
	struct side c = {.len = 0}, s = {.len = 0};
	collect(t, &c, &s);
	struct run *r = new_run(t->port);
	const size_t c_cut = cut < c.len ? cut : c.len, s_cut = cut < s.len ? cut : s.len;
	for (unsigned half = 0; half < 2; half++) {
		if (client_first != (half == 1)) {
			see_client(r, c.bytes, c_cut);
			see_client(r, c.bytes + c_cut, c.len - c_cut);
		} else {
			see_server(r, &r->client, s.bytes, s_cut);
			see_server(r, &r->client, s.bytes + s_cut, s.len - s_cut);
		}
	}
	finish(t, r, client_first ? "client first, cut at" : "server first, cut at", cut);
}

static void check(const struct talk *t) {
	struct side c = {.len = 0}, s = {.len = 0};
	collect(t, &c, &s);
	turn_by_turn(t, false);
	turn_by_turn(t, true);
	for (size_t cut = 0; cut <= c.len || cut <= s.len; cut++) {
		in_two(t, true, cut);
		in_two(t, false, cut);
	}
}

// One side tells less than both, and never something worse.
static void check_sides(const struct talk *t) {
	struct side c = {.len = 0}, s = {.len = 0};
	collect(t, &c, &s);
	for (unsigned client = 0; client < 2; client++) {
		struct run *r = new_run(t->port);
		if (client)
			see_client(r, c.bytes, c.len);
		else
			see_server(r, NULL, s.bytes, s.len);
		char out[256];
		const char *said = told(r, client, !client, t->offered_before, out);
		if (strncmp(said, "plain", 5) == 0
		    || (strncmp(said, "stripped", 8) == 0 && strcmp(said, t->verdict) != 0))
			fail_msg(
				"%s, %s alone: \"%s\"", t->name, client ? "client" : "server", said
			);
		free(r);
	}
}

static void check_all(const char *via, uint16_t port, const struct talk *t, size_t num) {
	for (size_t i = 0; i < num; i++) {
		struct talk one = t[i];
		one.port = one.port != 0 ? one.port : port;
		one.via = one.via != NULL ? one.via : via;
		check(&one);
		check_sides(&one);
	}
}

// --- SMTP ---------------------------------------------------------------------------------------

#define GREETING "S: 220 mail.example ESMTP Postfix\r\n"
#define EHLO "C: EHLO client.example\r\n"
#define OFFER "S: 250-mail.example\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 8BITMIME\r\n"
#define NO_OFFER "S: 250-mail.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
#define STARTTLS "C: STARTTLS\r\n"
#define GO "S: 220 2.0.0 Ready to start TLS\r\n"
#define TLS_C "C: " HELLO
#define TLS_S "S: \x16\x03\x03\x01"
#define AUTH_PLAIN "C: AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"
#define AUTH_OK "S: 235 2.7.0 Authentication successful\r\n"
#define MAIL \
	"C: MAIL FROM:<a@example>\r\n", "S: 250 OK\r\n", "C: RCPT TO:<b@example>\r\n", \
		"S: 250 OK\r\n", "C: DATA\r\n", "S: 354 go on\r\n", \
		"C: Subject: x\r\n\r\nSTARTTLS\r\n.\r\n", "S: 250 queued\r\n"
#define QUIT "C: QUIT\r\n", "S: 221 bye\r\n"

#define COMPLETED "completed info"
#define UNUSED "offered_unused info"
#define NOT_OFFERED "not_offered info"
#define PLAIN_LOGIN "plain_credentials warning: a login in clear; the server offered TLS"
#define PLAIN_MAIL "plain_credentials warning: a mail in clear; the server offered TLS"
#define MUST_LOGIN "plain_credentials warning: a login in clear; the server requires TLS"
#define OVERWRITTEN "stripped critical: a line of what the server can do was overwritten"
#define MANGLED "stripped critical: a command of the client was overwritten"
#define NOT_KNOWN "stripped critical: the server offered it, then did not know the command"
#define LACKING "stripped critical: not offered, though this server did on an earlier connection"
#define INJECTED "completed warning: the server's side went on in clear behind its go-ahead"
#define COMMANDS "completed warning: commands in clear stood between the request and the hello"
#define NO_HELLO "offered_unused notice: asked for and granted, and no hello followed"
#define UNANSWERED "requested_unanswered notice: no answer was seen"
#define REFUSED "refused notice: offered, then refused"
#define UNKNOWN_HERE "refused notice: the server does not know the command"

static void test_smtp(void **state) {
	(void)state;
	static const struct talk t[] = {
		T("completed", COMPLETED, GREETING, EHLO, OFFER, STARTTLS, GO, TLS_C, TLS_S),
		T("refused", REFUSED, GREETING, EHLO, OFFER, STARTTLS, "S: 454 4.7.0 not now\r\n",
		  QUIT),
		T("refused, not offered", "refused notice", GREETING, EHLO, NO_OFFER, STARTTLS,
		  "S: 503 not advertised\r\n", QUIT),
		T("refused, then granted", COMPLETED, GREETING, EHLO, OFFER, STARTTLS,
		  "S: 454 4.7.0 not now\r\n", "C: NOOP\r\n", "S: 250 OK\r\n", STARTTLS, GO, TLS_C,
		  TLS_S),
		T("refused, then a login", PLAIN_LOGIN, GREETING, EHLO, OFFER, STARTTLS,
		  "S: 454 not now\r\n", AUTH_PLAIN, AUTH_OK),
		T("granted, then refused", REFUSED, GREETING, EHLO, OFFER, STARTTLS, GO, STARTTLS,
		  "S: 454 not now\r\n"),
		T("neither granted nor refused", "refused notice: the answer was no go-ahead",
		  GREETING, EHLO, OFFER, STARTTLS, "S: 250 OK\r\n"),
		T("not offered", NOT_OFFERED, GREETING, EHLO, NO_OFFER, QUIT),
		T("not offered, a login", NOT_OFFERED, GREETING, EHLO, NO_OFFER, AUTH_PLAIN,
		  AUTH_OK),
		B("not offered, unlike before", LACKING, GREETING, EHLO, NO_OFFER, QUIT),
		B("not offered, asked all the same, unlike before", LACKING, GREETING, EHLO,
		  NO_OFFER, STARTTLS, "S: 502 what?\r\n"),
		T("asked for behind a DATA that was refused", COMPLETED, GREETING, EHLO, OFFER,
		  "C: DATA\r\n", "S: 503 no\r\n", STARTTLS, GO, TLS_C, TLS_S),
		B("a list that breaks off", "-", GREETING, EHLO,
		  "S: 250-mail.example\r\n250-PIPELINING\r\n250-STAR"),
		B("HELO lists nothing in several lines", "-", GREETING, "C: HELO x\r\n",
		  "S: 250-mail.example greets x\r\n250 pleased to meet you\r\n", QUIT),
		B("nor does EXPN", "-", GREETING, "C: HELO x\r\n", "S: 250 mail.example\r\n",
		  "C: EXPN staff\r\n", "S: 250-<a@example>\r\n250 <b@example>\r\n", QUIT),
		B("HELO lists nothing", "-", GREETING, "C: HELO x\r\n", "S: 250 mail.example\r\n",
		  MAIL),
		T("offered, not used", UNUSED, GREETING, EHLO, OFFER, QUIT),
		T("offered in the last line", UNUSED, GREETING, EHLO,
		  "S: 250-x\r\n250 STARTTLS\r\n", QUIT),
		T("any case, bare LF", UNUSED, "S: 220 x ESMTP\n", "C: ehlo x\n",
		  "S: 250-x\n250 starttls\n", "C: quit\n"),
		T("a longer keyword", NOT_OFFERED, GREETING, EHLO,
		  "S: 250-x\r\n250-SIZE 1\r\n250 STARTTLSX\r\n", QUIT),
		T("granted, not used", NO_HELLO, GREETING, EHLO, OFFER, STARTTLS, GO),
		T("granted, then a login in clear", PLAIN_LOGIN, GREETING, EHLO, OFFER, STARTTLS,
		  GO, EHLO, OFFER, AUTH_PLAIN, AUTH_OK),
		T("unanswered", UNANSWERED, GREETING, EHLO, OFFER, STARTTLS),
		P(587, "smtp", "a login in clear", PLAIN_LOGIN, GREETING, EHLO, OFFER, AUTH_PLAIN,
		  AUTH_OK, QUIT),
		P(587, "smtp", "a login in clear, in lines of its own", PLAIN_LOGIN, GREETING, EHLO,
		  OFFER, "C: AUTH LOGIN\r\n", "S: 334 VXNlcm5hbWU6\r\n", "C: YWxpY2U=\r\n",
		  "S: 334 UGFzc3dvcmQ6\r\n", "C: c2VjcmV0\r\n", AUTH_OK),
		P(587, "smtp", "no password was asked for", UNUSED, GREETING, EHLO, OFFER,
		  "C: AUTH LOGIN\r\n", "S: 334 VXNlcm5hbWU6\r\n", "C: YWxpY2U=\r\n",
		  "S: 535 no\r\n", QUIT),
		P(587, "smtp", "a login that proves knowledge", UNUSED, GREETING, EHLO, OFFER,
		  "C: AUTH CRAM-MD5\r\n", "S: 334 PDE+\r\n", "C: YWxpY2UgMTIz\r\n", AUTH_OK, QUIT),
		P(587, "smtp", "a login, given up", UNUSED, GREETING, EHLO, OFFER,
		  "C: AUTH PLAIN\r\n", "S: 334 \r\n", "C: *\r\n", "S: 501 given up\r\n", QUIT),
		P(587, "smtp", "a login, not begun", COMPLETED, GREETING, EHLO, OFFER,
		  "C: AUTH PLAIN\r\n", "S: 530 Must use STARTTLS\r\n", STARTTLS, GO, TLS_C),
		P(587, "smtp", "a login, then TLS", PLAIN_LOGIN, GREETING, EHLO, OFFER, AUTH_PLAIN,
		  AUTH_OK, STARTTLS, "S: 500 not here\r\n"),
		T("a mail in clear", PLAIN_MAIL, GREETING, EHLO, OFFER, MAIL, QUIT),
		T("a mail in chunks in clear", PLAIN_MAIL, GREETING, EHLO, OFFER,
		  "C: MAIL FROM:<>\r\n", "S: 250 OK\r\n", "C: BDAT 10 LAST\r\nSTARTTLS\r\n",
		  "S: 250 OK\r\n"),
		T("a mail in clear, refused", COMPLETED, GREETING, EHLO, OFFER,
		  "C: MAIL FROM:<>\r\nRCPT TO:<a>\r\nDATA\r\n",
		  "S: 530 5.7.0 Must issue a STARTTLS command first\r\n",
		  "S: 530 5.7.0 Must issue a STARTTLS command first\r\n", "S: 503 no\r\n",
		  "C: RSET\r\n", "S: 250 OK\r\n", STARTTLS, GO, TLS_C),
		T("required", "offered_unused info: the server requires TLS", GREETING,
		  "C: HELO x\r\n", "S: 250 x\r\n", "C: MAIL FROM:<>\r\n",
		  "S: 530 5.7.0 Must issue a STARTTLS command first\r\n", QUIT),
		T("530 asks for a login", "-", GREETING, "C: HELO x\r\n", "S: 250 x\r\n",
		  "C: MAIL FROM:<>\r\n", "S: 530 5.7.0 Authentication required\r\n", QUIT),
		T("required, and not in the list",
		  "not_offered warning: the server requires TLS, and its list lacks it", GREETING,
		  EHLO, NO_OFFER, "C: MAIL FROM:<>\r\n",
		  "S: 530 5.7.0 Must issue a STARTTLS command first\r\n", QUIT),
		T("overwritten", OVERWRITTEN, "S: 220 ****************\r\n", EHLO,
		  "S: 250-x\r\n250-XXXXXXXA\r\n250 8BITMIME\r\n", MAIL),
		T("overwritten, all of it, in the last line", OVERWRITTEN, GREETING, EHLO,
		  "S: 250-x\r\n250 XXXXXXXX\r\n", QUIT),
		T("another line was overwritten", UNUSED, GREETING, EHLO,
		  "S: 250-x\r\n250-XXXXXXXA\r\n250 STARTTLS\r\n", QUIT),
		T("a shorter line was overwritten", NOT_OFFERED, GREETING, EHLO,
		  "S: 250-x\r\n250-XXXB\r\n250 8BITMIME\r\n", QUIT),
		T("not in a list", "-", GREETING, "C: HELO x\r\n", "S: 250 XXXXXXXA\r\n", QUIT),
		T("a masked banner proves nothing", NOT_OFFERED, "S: 220 *****************\r\n",
		  EHLO, NO_OFFER, QUIT),
		T("the command was overwritten", MANGLED, GREETING, EHLO, OFFER, "C: XXXXXXXX\r\n",
		  "S: 500 what?\r\n", QUIT),
		T("the command was answered as if overwritten", NOT_KNOWN, GREETING, EHLO, OFFER,
		  STARTTLS, "S: 500 5.5.1 command unrecognized\r\n", QUIT),
		T("never known", UNKNOWN_HERE, GREETING, "C: HELO x\r\n", "S: 250 x\r\n", STARTTLS,
		  "S: 502 what?\r\n"),
		B("known on an earlier connection",
		  "stripped critical: the command is not known, though this server offered TLS on "
		  "an earlier connection",
		  GREETING, "C: HELO x\r\n", "S: 250 x\r\n", STARTTLS, "S: 502 what?\r\n"),
		T("pipelined", COMPLETED, GREETING, "C: EHLO x\r\nNOOP\r\nRSET\r\nSTARTTLS\r\n",
		  OFFER, "S: 250 OK\r\n250 OK\r\n220 go\r\n", TLS_C),
		T("pipelined, refused", REFUSED, GREETING,
		  "C: EHLO x\r\nNOOP\r\nRSET\r\nSTARTTLS\r\n", OFFER,
		  "S: 250 OK\r\n220 no go-ahead\r\n", "S: 454 no\r\n", QUIT),
		T("TLS behind a mail", COMPLETED, GREETING, EHLO, OFFER, MAIL, STARTTLS, GO, TLS_C),
		T("refused behind a mail in chunks", PLAIN_MAIL, GREETING, EHLO, OFFER,
		  "C: MAIL FROM:<>\r\nRCPT TO:<a>\r\nBDAT 3\r\nabc",
		  "S: 250 OK\r\n250 OK\r\n250 OK\r\n", "C: BDAT 0 LAST\r\n", "S: 250 OK\r\n",
		  STARTTLS, "S: 454 not now\r\n"),
		T("injected by the client", COMMANDS, GREETING, EHLO, OFFER,
		  "C: STARTTLS\r\nMAIL FROM:<x>\r\n", GO, TLS_C, TLS_S),
		T("injected by the server", INJECTED, GREETING, EHLO, OFFER, STARTTLS, GO,
		  "S: 250 OK\r\n", TLS_C, TLS_S),
		T("a go-ahead of several lines", COMPLETED, GREETING, EHLO, OFFER, STARTTLS,
		  "S: 220-go\r\n220 on\r\n", TLS_C, TLS_S),
		T("an alert",
		  "completed info: the server went on with TLS; no hello was seen whole", GREETING,
		  EHLO, OFFER, STARTTLS, GO, "S: \x15\x03\x03"),
		T("a greeting of several lines", REFUSED,
		  "S: 220-wait\r\n220-more\r\n220 x ESMTP\r\n", EHLO, OFFER, STARTTLS,
		  "S: 454 no\r\n"),
		T("turned away", "-", "S: 554 no\r\n", "C: QUIT\r\n"),
		P(24, "smtp", "LMTP", COMPLETED, "S: 220 x LMTP\r\n", "C: LHLO x\r\n", OFFER,
		  STARTTLS, GO, TLS_C),
		P(4711, "smtp", "an odd port", COMPLETED, "S: 220 x\r\n", EHLO, OFFER, STARTTLS, GO,
		  TLS_C),
		T("XCLIENT greets again", COMPLETED, GREETING, EHLO, OFFER, "C: XCLIENT ADDR=x\r\n",
		  GREETING, EHLO, OFFER, STARTTLS, GO, TLS_C, TLS_S),
		T("a SASL exchange that is over", UNUSED, GREETING, EHLO, OFFER,
		  "C: AUTH PLAIN\r\n", "S: 503 no\r\n", "C: NOOP\r\n", "S: 250 OK\r\n",
		  "C: XYZZY\r\n", "S: 500 what?\r\n", QUIT),
		T("a refusal that speaks of TLS", "-", GREETING, "C: HELO x\r\n", "S: 250 x\r\n",
		  "C: MAIL FROM:<>\r\n", "S: 550 your links must not be SSL\r\n", QUIT),
		P(25, "proxy-v1,smtp", "through a proxy header", REFUSED, "C: PROXY UNKNOWN\r\n",
		  GREETING, EHLO, OFFER, STARTTLS, "S: 454 no\r\n"),
	};
	check_all("smtp", 25, t, HT_ARRAY_LEN(t));
}

// --- IMAP ---------------------------------------------------------------------------------------

#define IMAP_HI "S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n"
#define IMAP_MAY "S: * OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] ready\r\n"
#define IMAP_OLD "S: * OK ready\r\n"
#define IMAP_LIST "S: * CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\na1 OK done\r\n"
#define IMAP_BARE "S: * CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na1 OK done\r\n"
#define CAPABILITY "C: a1 CAPABILITY\r\n"

static void test_imap(void **state) {
	(void)state;
	static const struct talk t[] = {
		T("completed", COMPLETED, IMAP_HI, "C: a1 STARTTLS\r\n", "S: a1 OK begin\r\n",
		  TLS_C, TLS_S),
		P(1, "imap", "completed, odd port, tag .", COMPLETED, IMAP_OLD, "C: . STARTTLS\r\n",
		  "S: * OK still here\r\n. OK begin\r\n", TLS_C),
		T("refused", REFUSED, IMAP_OLD, CAPABILITY, IMAP_LIST, "C: a2 STARTTLS\r\n",
		  "S: a2 NO not now\r\n"),
		T("refused, retried", COMPLETED, IMAP_MAY, "C: a2 STARTTLS\r\n",
		  "S: a2 NO not now\r\n", "C: a3 STARTTLS\r\n", "S: a3 OK begin\r\n", TLS_C, TLS_S),
		T("refused, then a login", PLAIN_LOGIN, IMAP_MAY, "C: a2 STARTTLS\r\n",
		  "S: a2 NO not now\r\n", "C: a3 LOGIN alice secret\r\n", "S: a3 OK in\r\n"),
		T("not offered", NOT_OFFERED, IMAP_OLD, CAPABILITY, IMAP_BARE),
		B("not offered, unlike before", LACKING, IMAP_OLD, CAPABILITY, IMAP_BARE),
		T("offered, not used", UNUSED, IMAP_MAY, "C: a1 LOGOUT\r\n", "S: * BYE\r\n"),
		T("required", "offered_unused info: the server requires TLS", IMAP_HI,
		  "C: a1 LOGOUT\r\n", "S: * BYE\r\n"),
		T("unanswered", UNANSWERED, IMAP_MAY, "C: a1 STARTTLS\r\n"),
		T("granted, not used", NO_HELLO, IMAP_MAY, "C: a1 STARTTLS\r\n", "S: a1 OK go\r\n"),
		T("hung up", REFUSED, IMAP_MAY, "C: a1 STARTTLS\r\n", "S: * BYE no\r\n"),
		T("a login though required", MUST_LOGIN, IMAP_HI, "C: a1 LOGIN alice secret\r\n",
		  "S: a1 NO [PRIVACYREQUIRED] no\r\n"),
		T("a login in literals", PLAIN_LOGIN, IMAP_MAY, "C: a1 LOGIN {5}\r\n", "S: + \r\n",
		  "C: alice {6}\r\n", "S: + \r\n", "C: secret\r\n", "S: a1 OK in\r\n"),
		T("a literal that was not asked for", UNUSED, IMAP_MAY, "C: a1 LOGIN {5}\r\n",
		  "S: a1 NO not in clear\r\n"),
		T("AUTHENTICATE PLAIN", PLAIN_LOGIN, IMAP_MAY, "C: a1 AUTHENTICATE PLAIN\r\n",
		  "S: + \r\n", "C: AGEAYg==\r\n", "S: a1 OK in\r\n"),
		T("AUTHENTICATE PLAIN, initial response", PLAIN_LOGIN, IMAP_MAY,
		  "C: a1 AUTHENTICATE PLAIN AGEAYg==\r\n", "S: a1 OK in\r\n"),
		T("AUTHENTICATE, given up", UNUSED, IMAP_MAY, "C: a1 AUTHENTICATE PLAIN\r\n",
		  "S: + \r\n", "C: *\r\n", "S: a1 BAD\r\n"),
		T("AUTHENTICATE, refused, then TLS", COMPLETED, IMAP_MAY,
		  "C: a1 AUTHENTICATE PLAIN\r\n", "S: a1 NO not in clear\r\n", "C: a2 STARTTLS\r\n",
		  "S: a2 OK go\r\n", TLS_C, TLS_S),
		T("a login that proves knowledge", UNUSED, IMAP_MAY,
		  "C: a1 AUTHENTICATE SCRAM-SHA-1\r\n", "S: + \r\n", "C: biwsbj1h\r\n",
		  "S: a1 NO\r\n"),
		B("a list with the login", "-", IMAP_OLD, "C: a1 LOGIN alice secret\r\n",
		  "S: a1 OK [CAPABILITY IMAP4rev1 IDLE] in\r\n"),
		B("a list before the login's reply", "-", IMAP_OLD, "C: a1 LOGIN alice secret\r\n",
		  "S: * CAPABILITY IMAP4rev1 IDLE\r\na1 OK in\r\n"),
		B("a list before the reply to SASL", "-", IMAP_OLD, "C: a1 AUTHENTICATE PLAIN\r\n",
		  "S: + \r\n", "C: AGEAYg==\r\n", "S: * CAPABILITY IMAP4rev1 IDLE\r\na1 OK in\r\n"),
		B("a list behind a login", "-", IMAP_OLD, "C: a0 LOGIN alice secret\r\n",
		  "S: a0 OK in\r\n", CAPABILITY, IMAP_BARE),
		B("a login, a list before it", LACKING, "S: * OK [CAPABILITY IMAP4rev1] hi\r\n",
		  "C: a0 LOGIN alice secret\r\n", "S: a0 OK in\r\n"),
		T("BAD behind a login", PLAIN_LOGIN, IMAP_MAY, "C: a0 LOGIN alice secret\r\n",
		  "S: a0 OK in\r\n", "C: a1 STARTTLS\r\n", "S: a1 BAD not in this state\r\n"),
		T("BAD though offered", NOT_KNOWN, IMAP_MAY, "C: a1 STARTTLS\r\n",
		  "S: a1 BAD unknown command\r\n"),
		T("overwritten", OVERWRITTEN, IMAP_OLD, CAPABILITY,
		  "S: * CAPABILITY IMAP4rev1 XXXXXXXX IDLE\r\na1 OK\r\n"),
		T("the command was overwritten", MANGLED, IMAP_MAY, "C: a1 XXXXXXXX\r\n",
		  "S: a1 BAD what?\r\n"),
		T("PREAUTH", "not_offered notice: the greeting says PREAUTH, which rules TLS out",
		  "S: * PREAUTH welcome\r\n", CAPABILITY, "S: * CAPABILITY IMAP4rev1\r\na1 OK\r\n"),
		B("PREAUTH, unlike before",
		  "stripped critical: the greeting says PREAUTH, though this server offered TLS on "
		  "an earlier connection",
		  "S: * PREAUTH welcome\r\n", "C: a1 SELECT x\r\n"),
		T("PREAUTH, asked all the same",
		  "refused notice: the greeting says PREAUTH, which rules TLS out",
		  "S: * PREAUTH welcome\r\n", "C: a1 STARTTLS\r\n", "S: a1 NO no\r\n"),
		T("pipelined", REFUSED, IMAP_OLD, "C: a1 CAPABILITY\r\na2 NOOP\r\na3 STARTTLS\r\n",
		  IMAP_LIST, "S: a2 OK\r\na3 NO no\r\n"),
		T("literals of the server", REFUSED, IMAP_MAY, "C: a1 ID NIL\r\n",
		  "S: * ID (\"x\" {12}\r\na1 BAD a\r\nb\r {3}\r\n\r\n*)\r\na1 OK\r\n",
		  "C: a2 STARTTLS\r\n", "S: a2 NO no\r\n"),
		T("IDLE and DONE", REFUSED, IMAP_MAY, "C: a1 IDLE\r\n", "S: + idling\r\n",
		  "C: DONE\r\n", "S: a1 OK\r\n", "C: a2 STARTTLS\r\n", "S: a2 NO no\r\n"),
		T("injected by the client", COMMANDS, IMAP_MAY, "C: a1 STARTTLS\r\na2 NOOP\r\n",
		  "S: a1 OK\r\n", TLS_C),
		T("injected by the server", INJECTED, IMAP_MAY, "C: a1 STARTTLS\r\n",
		  "S: a1 OK\r\n* 1 EXISTS\r\n", TLS_C),
		T("injected by the server, a reply", INJECTED, IMAP_MAY, "C: a1 STARTTLS\r\n",
		  "S: a1 OK\r\na2 OK in\r\n", TLS_C),
		T("plain text is disallowed", MUST_LOGIN, IMAP_OLD, "C: a1 LOGIN alice secret\r\n",
		  "S: * BAD [ALERT] Plaintext authentication not allowed without SSL/TLS\r\n"
		  "a1 NO no\r\n"),
	};
	check_all("imap", 143, t, HT_ARRAY_LEN(t));
}

// --- POP3 ---------------------------------------------------------------------------------------

#define POP_HI "S: +OK ready <1.2@x>\r\n"
#define CAPA "C: CAPA\r\n"
#define CAPA_TLS "S: +OK list\r\nTOP\r\nUSER\r\nSTLS\r\nSASL PLAIN\r\n.\r\n"
#define CAPA_BARE "S: +OK list\r\nTOP\r\nUSER\r\nSASL PLAIN\r\n.\r\n"
#define POP_LOGIN "C: USER alice\r\n", "S: +OK\r\n", "C: PASS secret\r\n", "S: +OK in\r\n"
#define STLS "C: STLS\r\n"

static void test_pop3(void **state) {
	(void)state;
	static const struct talk t[] = {
		T("completed", COMPLETED, POP_HI, CAPA, CAPA_TLS, STLS, "S: +OK go\r\n", TLS_C,
		  TLS_S),
		T("refused", REFUSED, POP_HI, CAPA, CAPA_TLS, STLS, "S: -ERR not now\r\n"),
		T("refused, retried", COMPLETED, POP_HI, CAPA, CAPA_TLS, STLS,
		  "S: -ERR not now\r\n", STLS, "S: +OK\r\n", TLS_C),
		T("refused, then a login", PLAIN_LOGIN, POP_HI, CAPA, CAPA_TLS, STLS,
		  "S: -ERR not now\r\n", POP_LOGIN),
		T("not offered", NOT_OFFERED, POP_HI, CAPA, CAPA_BARE),
		B("not offered, unlike before", LACKING, POP_HI, CAPA, CAPA_BARE, POP_LOGIN),
		B("a list that breaks off", "-", POP_HI, CAPA, "S: +OK\r\nUSER\r\nSTL"),
		B("a list behind a login", "-", POP_HI, POP_LOGIN, CAPA, CAPA_BARE),
		T("offered, not used", UNUSED, POP_HI, CAPA, CAPA_TLS, "C: QUIT\r\n"),
		T("unanswered", UNANSWERED, POP_HI, CAPA, CAPA_TLS, STLS),
		T("granted, not used", NO_HELLO, POP_HI, STLS, "S: +OK go\r\n"),
		T("a login", PLAIN_LOGIN, POP_HI, CAPA, CAPA_TLS, POP_LOGIN),
		T("a login, APOP", UNUSED, POP_HI, CAPA, CAPA_TLS, "C: APOP alice c4c9334b\r\n",
		  "S: +OK in\r\n"),
		T("a login, SASL", PLAIN_LOGIN, POP_HI, CAPA, CAPA_TLS, "C: AUTH PLAIN\r\n",
		  "S: + \r\n", "C: AGEAYg==\r\n", "S: +OK in\r\n"),
		T("a login that fails, then TLS refused", REFUSED, POP_HI, CAPA, CAPA_TLS,
		  "C: AUTH CRAM-MD5\r\n", "S: + PDE+\r\n", "C: AGEAYg==\r\n", "S: -ERR no\r\n",
		  STLS, "S: -ERR no\r\n"),
		T("not in clear", MUST_LOGIN, POP_HI, "C: USER alice\r\n", "S: +OK\r\n",
		  "C: PASS secret\r\n",
		  "S: -ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS)\r\n"),
		T("unknown though offered", NOT_KNOWN, POP_HI, CAPA, CAPA_TLS, STLS,
		  "S: -ERR Unknown command.\r\n"),
		T("unknown", UNKNOWN_HERE, POP_HI, STLS, "S: -ERR Invalid command.\r\n"),
		T("overwritten", OVERWRITTEN, POP_HI, CAPA, "S: +OK list\r\nTOP\r\nXXXX\r\n.\r\n"),
		T("the command was overwritten", MANGLED, POP_HI, CAPA, CAPA_TLS, "C: XXXX\r\n",
		  "S: -ERR what?\r\n"),
		T("the first command was overwritten", MANGLED, POP_HI, "C: XXXX\r\n",
		  "S: -ERR what?\r\n"),
		T("pipelined", REFUSED, POP_HI, "C: CAPA\r\nNOOP\r\nSTLS\r\n", CAPA_TLS,
		  "S: +OK\r\n-ERR no\r\n"),
		T("a mail out of an mbox", "-", POP_HI, POP_LOGIN, "C: RETR 1\r\n",
		  "S: +OK\r\nFrom a@example\r\nSubject: x\r\n\r\nSTLS\r\nXXXX\r\nTOP\r\n.\r\n"),
		T("lists and messages", "refused notice", POP_HI, POP_LOGIN, "C: LIST\r\n",
		  "S: +OK\r\n1 12\r\n2 13\r\n.\r\n", "C: LIST\r\n", "S: +OK\r\n.\r\n",
		  "C: RETR 1\r\n", "S: +OK\r\nSubject: x\r\n\r\n+OK\r\nSTLS\r\n-ERR\r\n..\r\n.\r\n",
		  STLS, "S: -ERR too late\r\n"),
		T("injected by the server", INJECTED, POP_HI, STLS, "S: +OK go\r\n+OK in\r\n",
		  TLS_C, TLS_S),
		T("injected by the client", COMMANDS, POP_HI, "C: STLS\r\nUSER x\r\n",
		  "S: +OK go\r\n", TLS_C),
		P(5, "pop3", "odd port, no list", "-", POP_HI, POP_LOGIN),
	};
	check_all("pop3", 110, t, HT_ARRAY_LEN(t));
}

// --- FTP ----------------------------------------------------------------------------------------

#define FTP_HI "S: 220 x FTP server\r\n"
#define FEAT "C: FEAT\r\n"
#define FEAT_TLS "S: 211-Features:\r\n MDTM\r\n AUTH TLS\r\n PBSZ\r\n211 End\r\n"
#define FEAT_BARE "S: 211-Features:\r\n MDTM\r\n SIZE\r\n211 End\r\n"
#define AUTH_TLS "C: AUTH TLS\r\n"
#define FTP_LOGIN "C: USER alice\r\n", "S: 331 password?\r\n", "C: PASS secret\r\n", "S: 230 in\r\n"

static void test_ftp(void **state) {
	(void)state;
	static const struct talk t[] = {
		T("completed", COMPLETED, FTP_HI, AUTH_TLS, "S: 234 go\r\n", TLS_C, TLS_S),
		T("refused", REFUSED, FTP_HI, FEAT, FEAT_TLS, AUTH_TLS, "S: 431 no\r\n"),
		T("another mechanism", COMPLETED, FTP_HI, FEAT, FEAT_TLS, "C: AUTH SSL\r\n",
		  "S: 504 not this\r\n", AUTH_TLS, "S: 234 go\r\n", TLS_C),
		T("another mechanism is not known", REFUSED, FTP_HI, FEAT, FEAT_TLS,
		  "C: AUTH SSL\r\n", "S: 504 not this\r\n"),
		T("unknown though offered", NOT_KNOWN, FTP_HI, FEAT, FEAT_TLS, AUTH_TLS,
		  "S: 500 what?\r\n"),
		T("unknown, then a login", UNKNOWN_HERE, FTP_HI, AUTH_TLS, "S: 502 what?\r\n",
		  FTP_LOGIN),
		T("not offered", NOT_OFFERED, FTP_HI, FEAT, FEAT_BARE),
		B("not offered, unlike before", LACKING, FTP_HI, FEAT, FEAT_BARE, FTP_LOGIN),
		B("a list that breaks off", "-", FTP_HI, FEAT, "S: 211-x\r\n SIZE\r\n AUT"),
		B("a list behind a login", "-", FTP_HI, FTP_LOGIN, FEAT, FEAT_BARE),
		B("a list behind a login, offered", PLAIN_LOGIN, FTP_HI, FTP_LOGIN, FEAT, FEAT_TLS),
		T("offered in one line", UNUSED, FTP_HI, FEAT,
		  "S: 211-x\r\n AUTH SSL;TLS-P;\r\n211 End\r\n"),
		T("offered in lines with codes", UNUSED, FTP_HI, FEAT,
		  "S: 211-x\r\n211-AUTH TLS\r\n211 End\r\n"),
		T("other AUTH", NOT_OFFERED, FTP_HI, FEAT,
		  "S: 211-x\r\n AUTH GSSAPI\r\n211 End\r\n"),
		T("unanswered", UNANSWERED, FTP_HI, AUTH_TLS),
		T("granted, not used", NO_HELLO, FTP_HI, AUTH_TLS, "S: 234 go\r\n"),
		T("a login", PLAIN_LOGIN, FTP_HI, FEAT, FEAT_TLS, FTP_LOGIN),
		T("an anonymous login", UNUSED, FTP_HI, FEAT, FEAT_TLS, "C: USER anonymous\r\n",
		  "S: 331 ?\r\n", "C: PASS a@example\r\n", "S: 230 in\r\n"),
		T("not in clear", MUST_LOGIN, FTP_HI, "C: USER alice\r\n", "S: 331 ?\r\n",
		  "C: PASS secret\r\n", "S: 530 Non-anonymous sessions must use encryption.\r\n"),
		T("not in clear, another code", "offered_unused info: the server requires TLS",
		  FTP_HI, "C: USER alice\r\n", "S: 550 SSL/TLS required\r\n"),
		T("the policy forbids TLS", "refused notice", FTP_HI, AUTH_TLS,
		  "S: 534 Local policy does not allow TLS\r\n"),
		T("the mechanism is overwritten", OVERWRITTEN, FTP_HI, FEAT,
		  "S: 211-x\r\n MDTM\r\n XXXXXXXX\r\n211 End\r\n"),
		T("1xx are not counted", "refused notice", "S: 120 wait\r\n220 FTP\r\n", FTP_LOGIN,
		  "C: RETR x\r\n", "S: 150 here\r\n226 done\r\n", AUTH_TLS, "S: 534 too late\r\n"),
		T("text inside replies", "refused notice",
		  "S: 220-hi\r\n230 people are here\r\n\r\n220 x FTP\r\n", FTP_LOGIN,
		  "C: CWD x\r\n", "S: 250-read me\r\nSTARTTLS\r\n250-STARTTLS\r\n250 OK\r\n",
		  AUTH_TLS, "S: 534 too late\r\n"),
		T("a file's name demands nothing", "-", FTP_HI, FTP_LOGIN,
		  "C: RETR need-tls.txt\r\n", "S: 550 need-tls.txt: No such file\r\n"),
		T("550 to a user does", "offered_unused info: the server requires TLS", FTP_HI,
		  "C: USER alice\r\n", "S: 550 TLS required on the control channel\r\n"),
		B("STAT is no list", "-", FTP_HI, "C: STAT\r\n",
		  "S: 211-status\r\n     TYPE: ASCII\r\n211 End\r\n"),
		T("pipelined", REFUSED, FTP_HI, "C: FEAT\r\nNOOP\r\nAUTH TLS\r\n", FEAT_TLS,
		  "S: 200 OK\r\n431 no\r\n"),
		T("injected by the server", INJECTED, FTP_HI, AUTH_TLS, "S: 234 go\r\n230 in\r\n",
		  TLS_C),
		T("injected by the client", COMMANDS, FTP_HI, "C: AUTH TLS\r\nNOOP\r\n",
		  "S: 234 go\r\n", TLS_C),
		P(110, "ftp", "named by the server", "-", "S: 220 x FTP\r\n", "C: USER x\r\n"),
		T("HOST greets again", COMPLETED, FTP_HI, "C: HOST x\r\n", "S: 220 x FTP\r\n",
		  AUTH_TLS, "S: 234 go\r\n", TLS_C, TLS_S),
	};
	check_all("ftp", 21, t, HT_ARRAY_LEN(t));
}

// --- NNTP ---------------------------------------------------------------------------------------

#define NEWS_HI "S: 200 ready\r\n"
#define CAPABILITIES "C: CAPABILITIES\r\n"
#define NEWS_TLS "S: 101 list\r\nVERSION 2\r\nREADER\r\nSTARTTLS\r\n.\r\n"
#define NEWS_BARE "S: 101 list\r\nVERSION 2\r\nREADER\r\n.\r\n"
#define NEWS_LOGIN \
	"C: AUTHINFO USER alice\r\n", "S: 381 more\r\n", "C: AUTHINFO PASS secret\r\n", \
		"S: 281 in\r\n"

static void test_nntp(void **state) {
	(void)state;
	static const struct talk t[] = {
		T("completed", COMPLETED, NEWS_HI, CAPABILITIES, NEWS_TLS, STARTTLS,
		  "S: 382 go\r\n", TLS_C, TLS_S),
		T("refused", REFUSED, NEWS_HI, CAPABILITIES, NEWS_TLS, STARTTLS, "S: 580 no\r\n"),
		T("502 is no", REFUSED, NEWS_HI, CAPABILITIES, NEWS_TLS, STARTTLS, "S: 502 no\r\n"),
		T("unknown though offered", NOT_KNOWN, NEWS_HI, CAPABILITIES, NEWS_TLS, STARTTLS,
		  "S: 500 what?\r\n"),
		T("refused, retried", COMPLETED, NEWS_HI, STARTTLS, "S: 580 no\r\n", STARTTLS,
		  "S: 382 go\r\n", TLS_C),
		T("not offered", NOT_OFFERED, NEWS_HI, CAPABILITIES, NEWS_BARE),
		B("not offered, unlike before", LACKING, NEWS_HI, CAPABILITIES, NEWS_BARE,
		  NEWS_LOGIN),
		B("a list that breaks off", "-", NEWS_HI, CAPABILITIES,
		  "S: 101 list\r\nVERSION 2\r\nSTART"),
		B("a list behind a login", "-", NEWS_HI, NEWS_LOGIN, CAPABILITIES, NEWS_BARE),
		T("offered, not used", UNUSED, NEWS_HI, CAPABILITIES, NEWS_TLS),
		T("unanswered", UNANSWERED, NEWS_HI, STARTTLS),
		T("granted, not used", NO_HELLO, NEWS_HI, STARTTLS, "S: 382 go\r\n"),
		T("a login", PLAIN_LOGIN, NEWS_HI, CAPABILITIES, NEWS_TLS, NEWS_LOGIN),
		T("a login, SASL", PLAIN_LOGIN, NEWS_HI, CAPABILITIES, NEWS_TLS,
		  "C: AUTHINFO SASL PLAIN AGEAYg==\r\n", "S: 281 in\r\n"),
		T("not in clear", "offered_unused info: the server requires TLS", NEWS_HI,
		  "C: AUTHINFO USER alice\r\n", "S: 483 not in clear\r\n"),
		T("the keyword is overwritten", OVERWRITTEN, NEWS_HI, CAPABILITIES,
		  "S: 101 x\r\nVERSION 2\r\nXXXXXXXX\r\n.\r\n"),
		T("the command is overwritten", MANGLED, NEWS_HI, "C: XXXXXXXX\r\n",
		  "S: 500 what?\r\n"),
		T("articles and groups", "refused notice", NEWS_HI,
		  "C: GROUP a\r\nLISTGROUP a\r\nARTICLE 1\r\n",
		  "S: 211 1 1 1 a\r\n211 1 1 1 a\r\n123\r\n211\r\n.\r\n220 1 <x>\r\nSTARTTLS\r\n"
		  "382 x\r\n..\r\n.\r\n",
		  STARTTLS, "S: 580 no\r\n"),
		T("posting", "refused notice", NEWS_HI, "C: POST\r\n", "S: 340 go on\r\n",
		  "C: Subject: x\r\n.\r\n", "S: 240 thanks\r\n",
		  "C: TAKETHIS <x>\r\nSubject: x\r\n.\r\n", "S: 239 x\r\n", STARTTLS,
		  "S: 580 no\r\n"),
		T("posting is refused", "-", NEWS_HI, "C: POST\r\n", "S: 440 no\r\n", "C: QUIT\r\n",
		  "S: 205 bye\r\n"),
		T("pipelined", REFUSED, NEWS_HI, "C: CAPABILITIES\r\nDATE\r\nSTARTTLS\r\n",
		  NEWS_TLS, "S: 111 2020\r\n580 no\r\n"),
		P(5, "nntp", "odd port, named by the greeting", COMPLETED, NEWS_HI, STARTTLS,
		  "S: 382 go\r\n", TLS_C),
		T("injected by the server", INJECTED, NEWS_HI, STARTTLS, "S: 382 go\r\n281 in\r\n",
		  TLS_C),
	};
	check_all("nntp", 119, t, HT_ARRAY_LEN(t));
}

// --- ManageSieve --------------------------------------------------------------------------------

#define SIEVE_TLS \
	"S: \"IMPLEMENTATION\" \"x\"\r\n\"SIEVE\" \"a b\"\r\n\"STARTTLS\"\r\n\"SASL\" " \
	"\"PLAIN\"\r\nOK \"hi\"\r\n"
#define SIEVE_BARE "S: \"IMPLEMENTATION\" \"x\"\r\n\"SASL\" \"PLAIN\"\r\nOK \"hi\"\r\n"

static void test_sieve(void **state) {
	(void)state;
	static const struct talk t[] = {
		T("completed", COMPLETED, SIEVE_TLS, STARTTLS, "S: OK\r\n", TLS_C, TLS_S),
		P(5, "sieve", "odd port", COMPLETED, SIEVE_TLS, STARTTLS, "S: OK \"go\"\r\n",
		  TLS_C),
		T("refused", REFUSED, SIEVE_TLS, STARTTLS, "S: NO \"not now\"\r\n"),
		T("hung up", REFUSED, SIEVE_TLS, STARTTLS, "S: BYE \"no\"\r\n"),
		T("refused, retried", COMPLETED, SIEVE_TLS, STARTTLS,
		  "S: NO {7}\r\nOK\r\n\"x\"\r\n", STARTTLS, "S: OK\r\n", TLS_C),
		T("not offered", NOT_OFFERED, SIEVE_BARE, "C: LOGOUT\r\n"),
		B("a list that breaks off", "-", "S: \"IMPLEMENTATION\" \"x\"\r\n\"STAR"),
		B("not offered, unlike before", LACKING, SIEVE_BARE, "C: LOGOUT\r\n"),
		T("offered, not used", UNUSED, SIEVE_TLS, "C: LOGOUT\r\n", "S: OK\r\n"),
		T("unanswered", UNANSWERED, SIEVE_TLS, STARTTLS),
		T("granted, not used", NO_HELLO, SIEVE_TLS, STARTTLS, "S: OK\r\n"),
		T("a login", PLAIN_LOGIN, SIEVE_TLS, "C: AUTHENTICATE \"PLAIN\" \"AGEAYg==\"\r\n",
		  "S: OK\r\n"),
		T("a login, in a literal", PLAIN_LOGIN, SIEVE_TLS,
		  "C: AUTHENTICATE \"PLAIN\" {8+}\r\nAGEAYg==\r\n", "S: OK\r\n"),
		T("a login, in a line of its own", PLAIN_LOGIN, SIEVE_TLS,
		  "C: AUTHENTICATE \"PLAIN\"\r\n", "S: \"\"\r\n", "C: \"AGEAYg==\"\r\n",
		  "S: NO\r\n", STARTTLS, "S: NO\r\n"),
		T("a login that proves knowledge", REFUSED, SIEVE_TLS,
		  "C: AUTHENTICATE \"SCRAM-SHA-1\"\r\n", "S: \"\"\r\n", "C: \"biws\"\r\n",
		  "S: NO\r\n", STARTTLS, "S: NO\r\n"),
		T("a login refused, another that proves knowledge", UNUSED, SIEVE_TLS,
		  "C: AUTHENTICATE \"PLAIN\"\r\n", "S: NO\r\n",
		  "C: AUTHENTICATE \"SCRAM-SHA-1\"\r\n", "S: \"\"\r\n", "C: \"biws\"\r\n",
		  "S: NO\r\n"),
		T("a script's name is no capability", NOT_OFFERED, SIEVE_BARE, "C: LISTSCRIPTS\r\n",
		  "S: \"STARTTLS\" ACTIVE\r\nOK\r\n"),
		T("not in clear", MUST_LOGIN, SIEVE_BARE,
		  "C: AUTHENTICATE \"PLAIN\" \"AGEAYg==\"\r\n",
		  "S: NO (ENCRYPT-NEEDED) \"no\"\r\n"),
		T("the capability is overwritten", OVERWRITTEN,
		  "S: \"IMPLEMENTATION\" \"x\"\r\n\"XXXXXXXX\"\r\nOK\r\n", "C: LOGOUT\r\n"),
		T("the command is overwritten", MANGLED, SIEVE_TLS, "C: XXXXXXXX\r\n", "S: NO\r\n"),
		T("scripts", REFUSED, SIEVE_TLS,
		  "C: PUTSCRIPT \"a\" {4+}\r\nNO\r\n\r\nLISTSCRIPTS\r\nGETSCRIPT \"a\"\r\n",
		  "S: OK\r\n\"STARTTLS\" ACTIVE\r\nOK\r\n{4}\r\nNO\r\n\r\nOK\r\n", STARTTLS,
		  "S: NO\r\n"),
		T("capabilities behind the go-ahead, in clear", INJECTED, SIEVE_TLS, STARTTLS,
		  "S: OK\r\n\"SIEVE\" \"\"\r\n", TLS_C),
		T("injected by the client", COMMANDS, SIEVE_TLS, "C: STARTTLS\r\nNOOP\r\n",
		  "S: OK\r\n", TLS_C),
	};
	check_all("sieve", 4190, t, HT_ARRAY_LEN(t));
}

// --- IRC ----------------------------------------------------------------------------------------

#define IRC_HI "S: :irc.example NOTICE * :*** Looking up your hostname\r\n"
#define IRC_NAME "C: NICK a\r\nUSER a 0 * :A\r\n"
#define CAP_LS "C: CAP LS 302\r\n"
#define CAP_TLS "S: :irc.example CAP * LS :multi-prefix tls sasl\r\n"
#define CAP_BARE "S: :irc.example CAP * LS :multi-prefix sasl\r\n"
#define IRC_GO "S: :irc.example 670 a :STARTTLS successful\r\n"

static void test_irc(void **state) {
	(void)state;
	static const struct talk t[] = {
		T("completed", COMPLETED, IRC_HI, CAP_LS, CAP_TLS, STARTTLS, IRC_GO, TLS_C, TLS_S),
		T("nothing said before", COMPLETED, STARTTLS, IRC_GO, TLS_C),
		P(5, "irc", "odd port, named by the server", COMPLETED, IRC_HI, STARTTLS, IRC_GO,
		  TLS_C),
		T("refused", REFUSED, IRC_HI, CAP_LS, CAP_TLS, STARTTLS, "S: :x 691 a :failed\r\n"),
		T("refused, retried", COMPLETED, IRC_HI, IRC_NAME, STARTTLS,
		  "S: :x 691 a :failed\r\n", STARTTLS, IRC_GO, TLS_C),
		T("unknown though offered", NOT_KNOWN, IRC_HI, CAP_LS, CAP_TLS, STARTTLS,
		  "S: :x 421 * STARTTLS :Unknown command\r\n"),
		T("unknown", UNKNOWN_HERE, IRC_HI,
		  "C: PASS x\r\nUSER a 0 * :A\r\nNICK a\r\nSTARTTLS\r\n",
		  "S: :x 421 a FOO :Unknown command\r\n:x 451 STARTTLS :You have not "
		  "registered\r\n"),
		T("not offered", NOT_OFFERED, IRC_HI, CAP_LS, CAP_BARE, IRC_NAME),
		B("a list that breaks off", "-", IRC_HI, "C: CAP LS 302\r\n",
		  "S: :irc.example CAP * LS * :sasl\r\n"),
		B("not offered, unlike before", LACKING, IRC_HI, CAP_LS, CAP_BARE, IRC_NAME),
		T("offered, not used", UNUSED, IRC_HI, CAP_LS, CAP_TLS, IRC_NAME),
		T("offered in the second line of a list", UNUSED, IRC_HI, CAP_LS,
		  "S: :x CAP * LS * :a b\r\n:x CAP * LS :tls\r\n"),
		T("strict transport", UNUSED, IRC_HI, CAP_LS,
		  "S: :x CAP * LS :sts=port=6697,duration=1\r\n", IRC_NAME),
		T("strict transport, of TLS itself", NOT_OFFERED, IRC_HI, CAP_LS,
		  "S: :x CAP * LS :sts=duration=1\r\n", IRC_NAME),
		B("a password before the list", LACKING, IRC_HI, "C: CAP LS\r\nPASS secret\r\n",
		  CAP_BARE, IRC_NAME),
		T("a password", PLAIN_LOGIN, IRC_HI, CAP_LS, CAP_TLS, "C: PASS secret\r\n",
		  IRC_NAME),
		T("SASL", PLAIN_LOGIN, IRC_HI, CAP_LS, CAP_TLS, IRC_NAME,
		  "C: AUTHENTICATE PLAIN\r\n", "S: AUTHENTICATE +\r\n",
		  "C: AUTHENTICATE AGEAYg==\r\n"),
		T("SASL that proves knowledge", UNUSED, IRC_HI, CAP_LS, CAP_TLS, IRC_NAME,
		  "C: AUTHENTICATE EXTERNAL\r\n", "S: AUTHENTICATE +\r\n", "C: AUTHENTICATE +\r\n"),
		T("an operator's password", PLAIN_LOGIN, IRC_HI, CAP_LS, CAP_TLS, IRC_NAME,
		  "C: OPER a secret\r\n"),
		T("unanswered", UNANSWERED, IRC_HI, STARTTLS),
		T("granted, not used", NO_HELLO, IRC_HI, STARTTLS, IRC_GO),
		T("a notice crosses", COMPLETED, IRC_HI, STARTTLS, IRC_GO, IRC_HI, TLS_C),
		T("injected by the server", INJECTED, IRC_HI, STARTTLS, IRC_GO,
		  "S: :x 001 a :Welcome\r\n", TLS_C),
		T("the command is overwritten", MANGLED, IRC_HI, IRC_NAME, "C: XXXXXXXX\r\n"),
		T("PING first", UNUSED, "S: PING :x\r\n", "C: PONG :x\r\n", CAP_LS, CAP_TLS),
	};
	check_all("irc", 6667, t, HT_ARRAY_LEN(t));
}

// --- one side alone -----------------------------------------------------------------------------

struct alone {
	const char *name;
	uint16_t port;
	bool offered_before;
	const char *said; // by one side
	const char *via, *verdict;
};

static void check_alone(const struct alone *t, size_t num, bool client) {
	for (; num > 0; num--, t++) {
		char out[256], via[128];
		struct run *r = new_run(t->port);
		const char *text = t->said;
		const size_t len = strlen(text);
		for (size_t i = 0; i < len; i++)
			if (client)
				see_client(r, text + i, 1);
			else
				see_server(r, NULL, text + i, 1);
		expect(t->name, "alone", len, told(r, client, !client, t->offered_before, out),
		       t->verdict);
		expect(t->name, "alone", len, names(r, client, !client, via), t->via);
		free(r);
	}
}

static void test_client_alone(void **state) {
	(void)state;
	static const struct alone t[] = {
		{"HELO", 0, false, "HELO x\r\n", "smtp", "-"},
		{"a login", 0, false, "EHLO x\r\nAUTH PLAIN AGEAYg==\r\n", "smtp", "-"},
		{"asked", 0, false, "EHLO x\r\nSTARTTLS\r\n", "smtp",
		 "requested_unanswered notice: only the client's side was seen"},
		{"asked, then in clear", 0, false, "EHLO x\r\nSTARTTLS\r\nMAIL FROM:<>\r\n", "smtp",
		 "requested_unanswered notice: only the client's side was seen"},
		{"overwritten", 0, false, "EHLO x\r\nXXXXXXXX\r\n", "smtp", MANGLED},
		{"overwritten, IMAP", 0, false, "a1 CAPABILITY\r\na2 XXXXXXXX\r\n", "imap",
		 MANGLED},
		{"overwritten, the first, IMAP", 143, false, "a1 XXXXXXXX\r\n", "imap", MANGLED},
		{"overwritten, the first, port of nobody", 0, false, "XXXXXXXX\r\n", "", "-"},
		{"overwritten, with an argument", 0, false, "EHLO x\r\nXXXXXXXX y\r\n", "smtp",
		 "-"},
		{"overwritten, too long", 0, false, "EHLO x\r\nXXXXXXXXX\r\n", "smtp", "-"},
		{"STLS's length in SMTP", 0, false, "EHLO x\r\nXXXX\r\n", "smtp", "-"},
		{"in a mail", 0, false, "EHLO x\r\nDATA\r\nXXXXXXXX\r\n.\r\n", "smtp", "-"},
		{"POP3 or FTP, by port", 110, false, "USER a\r\nPASS b\r\n", "pop3", "-"},
		{"POP3 or FTP", 0, false, "USER a\r\nPASS b\r\n", "ftp", "-"},
		{"POP3 or FTP, told apart", 0, false, "USER a\r\nPASS b\r\nUIDL\r\n", "pop3", "-"},
		{"QUIT", 0, false, "QUIT\r\n", "smtp", "-"},
		{"NOOP", 0, false, "NOOP\r\n", "smtp", "-"},
		{"QUIT, by port", 119, false, "QUIT\r\n", "nntp", "-"},
		{"a lone STARTTLS", 0, false, "STARTTLS\r\n", "sieve",
		 "requested_unanswered notice: only the client's side was seen"},
		{"behind a proxy", 0, false, "CONNECT a:25 HTTP/1.1\r\n\r\nEHLO x\r\n",
		 "http-connect,smtp", "-"},
		{"HTTP", 0, false, "GET / HTTP/1.0\r\n\r\n", "", "-"},
		{"nothing", 25, false, "", "", "-"},
	};
	check_alone(t, HT_ARRAY_LEN(t), true);
}

static void test_server_alone(void **state) {
	(void)state;
#define EHLO_REPLY(line) "220 x\r\n250-x\r\n" line "250 HELP\r\n"
	static const struct alone t[] = {
		{"greeting", 0, false, "220 x\r\n", "smtp", "-"},
		{"greeting, by port", 21, false, "220 x\r\n", "ftp", "-"},
		{"greeting, by its text", 0, false, "220 (vsFTPd 3.0.3)\r\n", "ftp", "-"},
		{"told apart by a code", 0, false, "220 x\r\n331 ?\r\n", "ftp", "-"},
		{"offered", 0, false, EHLO_REPLY("250-STARTTLS\r\n"), "smtp", UNUSED},
		{"not offered", 0, false, EHLO_REPLY(""), "smtp", NOT_OFFERED},
		{"not offered, unlike before", 0, true, EHLO_REPLY(""), "smtp", LACKING},
		{"overwritten", 0, false, EHLO_REPLY("250-XXXXXXXA\r\n"), "smtp", OVERWRITTEN},
		{"completed", 0, false, EHLO_REPLY("250-STARTTLS\r\n") "220 go\r\n\x16\x03\x03",
		 "smtp", "completed info: only the server's side was seen: it went on with TLS"},
		{"injected", 0, false,
		 EHLO_REPLY("250-STARTTLS\r\n") "220 go\r\n250 OK\r\n\x16\x03\x03", "smtp",
		 INJECTED},
		{"TLS from the first byte", 465, false, "\x16\x03\x03\x01", "", "-"},
		{"IMAP", 0, true, "* OK [CAPABILITY IMAP4rev1] hi\r\n", "imap", LACKING},
		{"IMAP, a list that may stand behind a login", 0, true,
		 "* OK hi\r\na1 OK in\r\n* CAPABILITY IMAP4rev1\r\na2 OK\r\n", "imap", "-"},
		{"IMAP, PREAUTH", 0, false, "* PREAUTH hi\r\n", "imap",
		 "not_offered notice: the greeting says PREAUTH, which rules TLS out"},
		{"POP3", 0, false, "+OK hi\r\n+OK list\r\nUIDL\r\nSTLS\r\n.\r\n", "pop3", UNUSED},
		{"POP3, not offered", 0, false, "+OK hi\r\n+OK list\r\nUIDL\r\n.\r\n", "pop3",
		 NOT_OFFERED},
		{"POP3, mechanisms are no list", 0, true,
		 "+OK hi\r\n+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n", "pop3", "-"},
		{"ManageSieve", 0, false, "\"IMPLEMENTATION\" \"x\"\r\n\"STARTTLS\"\r\nOK\r\n",
		 "sieve", UNUSED},
		{"IRC", 0, false, ":x NOTICE * :hi\r\n:x CAP * LS :tls\r\n", "irc", UNUSED},
		{"NNTP", 0, false, "201 hi\r\n101 list\r\nSTARTTLS\r\n.\r\n", "nntp", UNUSED},
		{"digits", 0, false, "123456\r\n", "", "-"},
		{"not a greeting", 0, false, "250-x\r\n250 STARTTLS\r\n", "", "-"},
		{"Redis", 0, false, "*1\r\n$4\r\nPING\r\n", "", "-"},
		{"neither +OK nor -ERR", 0, false, "-x y\r\n", "pop3", "-"},
	};
	check_alone(t, HT_ARRAY_LEN(t), false);
}

static void test_no_upgrade(void **state) {
	(void)state;
	const struct ht_upgrade client = {.port_hint = 443};
	const struct ht_answers server = {.said = HT_SAID_TLS, .done = true};
	struct ht_verdict v;
	uint8_t via[HT_VIA_MAX];
	assert_false(ht_upgrade_verdict(&v, &client, NULL, true, false));
	assert_false(ht_upgrade_verdict(&v, &client, &server, true, false));
	assert_false(ht_upgrade_verdict(&v, &client, &server, false, true));
	// A hello in the place of a greeting's answer, and one whose request was lost.
	struct ht_answers greeted = {.num = 1, .reply = {HT_ANSWER_OTHER}};
	assert_false(ht_upgrade_verdict(&v, &client, &greeted, true, false));
	greeted.reply[0] = HT_ANSWER_YES;
	assert_true(ht_upgrade_verdict(&v, &client, &greeted, true, false));
	assert_int_equal(v.state, HT_UPGRADE_COMPLETED);
	assert_false(ht_upgrade_verdict(&v, NULL, NULL, false, true));
	assert_int_equal(ht_upgrade_names(via, &client, &server), 0);
	assert_int_equal(ht_upgrade_names(via, NULL, NULL), 0);
	assert_string_equal(ht_upgrade_state_name(HT_UPGRADE_STRIPPED), "stripped");
	assert_string_equal(ht_upgrade_state_name(HT_NUM_UPGRADE_STATES), "?");
}

// --- what is long, many or broken ---------------------------------------------------------------

static void feed_server(struct run *r, const char *text) {
	see_server(r, NULL, text, strlen(text));
}

static void test_long_lines(void **state) {
	(void)state;
	char line[1500];
	// Lengths around HT_ANSWER_BYTES, with CR LF right there, each cut at every place around
	// it.
	for (size_t len = HT_ANSWER_BYTES - 3; len < HT_ANSWER_BYTES + 3; len++) {
		for (size_t cut = HT_ANSWER_BYTES - 5; cut < HT_ANSWER_BYTES + 5; cut++) {
			struct run *r = new_run(25);
			char via[128], out[256];
			feed_server(r, "220 x ESMTP\r\n");
			memset(line, 'x', sizeof(line));
			memcpy(line, "250-", 4);
			memcpy(line + len, "\r\n250 STARTTLS\r\n", 16);
			line[len + 16] = '\0';
			see_server(r, NULL, line, cut);
			feed_server(r, line + cut);
			expect("long line", "server", len, names(r, false, true, via), "smtp");
			expect("long line", "server", cut, told(r, false, true, false, out),
			       UNUSED);
			free(r);
		}
	}
}

// A literal whose announcement ends where a line gets too long: it is one in both cuts, or in none.
// What may stand in a literal that is not known to be one is not taken for replies.
static void test_long_literal(void **state) {
	(void)state;
	char in[HT_ANSWER_BYTES + 32];
	const char *end = "{5}\r\na1 OK\r\na2 OK\r\n";
	for (size_t len = HT_ANSWER_BYTES - 4; len < HT_ANSWER_BYTES + 4; len++) {
		uint16_t num[2];
		for (unsigned cut = 0; cut < 2; cut++) {
			struct run *r = new_run(143);
			feed_server(r, "* OK hi\r\n");
			memset(in, 'x', sizeof(in));
			memcpy(in, "* ", 2);
			memcpy(in + len - 5, end, strlen(end));
			const size_t all = len - 5 + strlen(end);
			const size_t first = cut ? HT_ANSWER_BYTES : all;
			see_server(r, NULL, in, first);
			see_server(r, NULL, in + first, all - first);
			num[cut] = r->server.num;
			free(r);
		}
		assert_int_equal(num[0], num[1]);
		// Greeting and a2, or what follows is not known.
		assert_int_equal(num[0], len <= HT_ANSWER_BYTES ? 2 : 1);
	}
}

static void test_many(void **state) {
	(void)state;
	// More replies than are kept: the answer to the last request is not known.
	struct run *r = new_run(25);
	char out[256];
	see_client(r, "EHLO x\r\n", 8);
	feed_server(r, "220 x ESMTP\r\n250 x\r\n");
	for (unsigned i = 0; i < 2 * HT_REPLIES_MAX; i++) {
		see_client(r, "NOOP\r\n", 6);
		feed_server(r, "250 OK\r\n");
	}
	see_client(r, "STARTTLS\r\n", 10);
	expect("many", "unanswered", 0, told(r, true, true, false, out), UNANSWERED);
	feed_server(r, "454 no\r\n");
	expect("many", "answered", 0, told(r, true, true, false, out), "-");
	assert_int_equal(r->client.replies, r->server.num);
	free(r);
	// The numbers stay where they are.
	struct ht_upgrade u = {.replies = UINT16_MAX};
	struct ht_answers a = {.num = UINT16_MAX};
	const char *start = "EHLO x\r\n", *more = "220 x ESMTP\r\n250 x\r\n";
	assert_int_equal(ht_upgrade_scan(&u, HT_SPAN(start, strlen(start))), HT_MORE);
	assert_int_equal(ht_upgrade_answer(&a, NULL, HT_SPAN(more, strlen(more))), strlen(more));
	assert_int_equal(a.num, UINT16_MAX);
}

// Whatever comes: no over-read (each piece is a block of its size), no standstill, the same facts
// however it was cut.
static void test_garbage(void **state) {
	(void)state;
	static const char *const words[] = {
		"220 ",	      "220-",	   "250-",     "250 ",	      "211-",
		"101 ",	      "* OK ",	   "* ",       "a1 OK ",      "+OK ",
		"-ERR ",      "\"SASL\" ", "OK ",      ":x ",	      "CAP ",
		"LS ",	      "\r\n",	   "\n",       ".\r\n",	      "{5}\r\n",
		"{",	      "}",	   "\x16",     "\x03",	      "[",
		"]",	      "STLS",	   "STARTTLS", "XXXX",	      "XXXXXX",
		"NOTICE ",    "670 ",	   "EHLO ",    "AUTH ",	      "PLAIN ",
		"DATA\r\n",   "a1 ",	   "LOGIN ",   "USER ",	      "PASS ",
		"\x15",	      "382 ",	   "234 ",     "CAPABILITY ", "AUTHENTICATE ",
		"\"PLAIN\" ", "x",	   "1",
	};
	uint32_t seed = 1;
	for (unsigned round = 0; round < 3000; round++) {
		struct side in = {.len = 0};
		for (unsigned i = 0; i < 40; i++) {
			seed = seed * 1103515245u + 12345u;
			const char *w = words[(seed >> 16) % HT_ARRAY_LEN(words)];
			add(&in, w, strlen(w));
		}
		struct run *whole = new_run(25), *bytes = new_run(25);
		see_server(whole, NULL, in.bytes, in.len);
		see_client(whole, in.bytes, in.len);
		for (size_t i = 0; i < in.len; i++) {
			see_server(bytes, NULL, in.bytes + i, 1);
			see_client(bytes, in.bytes + i, 1);
		}
		char a[256], b[256];
		expect("garbage", "server", round, told(bytes, false, true, true, a),
		       told(whole, false, true, true, b));
		expect("garbage", "both", round, told(bytes, true, true, false, a),
		       told(whole, true, true, false, b));
		assert_int_equal(whole->server.num, bytes->server.num);
		assert_int_equal(whole->client.replies, bytes->client.replies);
		free(whole);
		free(bytes);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smtp),	     cmocka_unit_test(test_imap),
		cmocka_unit_test(test_pop3),	     cmocka_unit_test(test_ftp),
		cmocka_unit_test(test_nntp),	     cmocka_unit_test(test_sieve),
		cmocka_unit_test(test_irc),	     cmocka_unit_test(test_client_alone),
		cmocka_unit_test(test_server_alone), cmocka_unit_test(test_no_upgrade),
		cmocka_unit_test(test_long_lines),   cmocka_unit_test(test_long_literal),
		cmocka_unit_test(test_many),	     cmocka_unit_test(test_garbage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
