// SPDX-License-Identifier: BSD-3-Clause
// What became of an upgrade, through the sensor: whole dialogues, and the property that neither how
// the two sides were cut nor how they came interleaved, reordered and repeated changes the verdict
// (promise 3). Seeded: the same on every run.

#include "t.h"
#include "wire.h"

#define SPLITS 60 // of each dialogue

#define MAX_TURNS 14
#define IN_CLEAR "in clear" // an event without a state
#define HELLO "<hello>" // a turn of the client: a ClientHello

struct turn {
	int from;
	const char *text;
	size_t len; // of `text`
};

#define C(text) \
	{ FROM_CLIENT, text, sizeof(text) - 1 }
#define S(text) \
	{ FROM_SERVER, text, sizeof(text) - 1 }

struct dialogue {
	const char *name;
	uint16_t port;
	const char *via; // names with a space between
	const char *state; // NULL: no event
	const char *client_alone, *server_alone; // states when one side was seen; NULL: no event
	// What the server says first is no greeting of a known protocol: it must not come before
	// what it answers.
	bool causal;
	struct turn turns[MAX_TURNS];
};

#define LDAP_STARTTLS \
	"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" \
	"1.3.6.1.4.1.1466.20037"
#define LDAP_OK "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
#define LDAP_UNAVAILABLE "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x00"
#define LDAP_BIND \
	"\x30\x12\x02\x01\x02\x60\x0d\x02\x01\x03\x04\x02" \
	"cn" \
	"\x80\x04" \
	"pass"
#define XMPP_OPEN \
	"<?xml version='1.0'?><stream:stream to='a.example' version='1.0' " \
	"xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
#define XMPP_ANSWER \
	"<?xml version='1.0'?><stream:stream from='a.example' id='x1' version='1.0' " \
	"xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
#define XMPP_TLS "xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
#define MYSQL_GREETING(low, high) \
	"\x4a\x00\x00\x00\x0a" \
	"8.0.36\0" \
	"\x01\x00\x00\x00" \
	"saltsalt\0" low high "\xff\x02\x00\xff\xdf\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" \
	"saltsaltsalt\0" \
	"mysql_native_password\0"
#define MYSQL_SSL_REQUEST \
	"\x20\x00\x00\x01\x85\xae\xff\x19\x00\x00\x00\x01\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" \
	"\0\0\0\0\0"

static const struct dialogue dialogues[] = {
	{.name = "smtp",
	 .port = 25,
	 .via = "smtp",
	 .state = "completed",
	 .client_alone = "completed",
	 .server_alone = "offered_unused",
	 .turns
	 = {S("220 mx.example ESMTP\r\n"), C("EHLO a.example\r\n"),
	    S("250-mx.example\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 HELP\r\n"),
	    C("STARTTLS\r\n"), S("220 go ahead\r\n"), C(HELLO)}},
	{.name = "smtp, refused for now",
	 .port = 587,
	 .via = "smtp",
	 .state = "refused",
	 .client_alone = "requested_unanswered",
	 .server_alone = "offered_unused",
	 .turns
	 = {S("220 mx.example ESMTP\r\n"), C("EHLO a.example\r\n"),
	    S("250-mx.example\r\n250 STARTTLS\r\n"), C("STARTTLS\r\n"),
	    S("454 TLS not available due to temporary reason\r\n"), C("QUIT\r\n"),
	    S("221 bye\r\n")}},
	{.name = "smtp, the offer overwritten",
	 .port = 25,
	 .via = "smtp",
	 .state = "stripped",
	 .client_alone = IN_CLEAR,
	 .server_alone = "stripped",
	 .turns
	 = {S("220 mx.example ESMTP\r\n"), C("EHLO a.example\r\n"),
	    S("250-mx.example\r\n250-XXXXXXXA\r\n250 HELP\r\n"), C("MAIL FROM:<a@a.example>\r\n"),
	    S("250 ok\r\n"), C("DATA\r\n"), S("354 go\r\n"), C("Subject: x\r\n\r\nx\r\n.\r\n"),
	    S("250 ok\r\n"), C("QUIT\r\n"), S("221 bye\r\n")}},
	{.name = "smtp, the request overwritten",
	 .port = 25,
	 .via = "smtp",
	 .state = "stripped",
	 .client_alone = "stripped",
	 .server_alone = "offered_unused",
	 .turns
	 = {S("220 mx.example ESMTP\r\n"), C("EHLO a.example\r\n"),
	    S("250-mx.example\r\n250 STARTTLS\r\n"), C("XXXXXXXX\r\n"),
	    S("500 5.5.1 Command unrecognized\r\n"), C("QUIT\r\n"), S("221 bye\r\n")}},
	{.name = "smtp, a mail in clear",
	 .port = 25,
	 .via = "smtp",
	 .state = "plain_credentials",
	 .client_alone = IN_CLEAR,
	 .server_alone = "offered_unused",
	 .turns
	 = {S("220 mx.example ESMTP\r\n"), C("EHLO a.example\r\n"),
	    S("250-mx.example\r\n250 STARTTLS\r\n"), C("MAIL FROM:<a@a.example>\r\n"),
	    S("250 ok\r\n"), C("DATA\r\n"), S("354 go\r\n"), C("Subject: x\r\n\r\nx\r\n.\r\n"),
	    S("250 ok\r\n"), C("QUIT\r\n"), S("221 bye\r\n")}},
	{.name = "smtp, no offer",
	 .port = 25,
	 .via = "smtp",
	 .state = "not_offered",
	 .client_alone = NULL,
	 .server_alone = "not_offered",
	 .turns
	 = {S("220 mx.example ESMTP\r\n"), C("EHLO a.example\r\n"),
	    S("250-mx.example\r\n250 HELP\r\n"), C("QUIT\r\n"), S("221 bye\r\n")}},
	{.name = "imap",
	 .port = 143,
	 .via = "imap",
	 .state = "completed",
	 .client_alone = "completed",
	 .server_alone = "offered_unused",
	 .turns
	 = {S("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n"), C("a1 STARTTLS\r\n"),
	    S("a1 OK begin TLS\r\n"), C(HELLO)}},
	{.name = "imap, a login in clear",
	 .port = 143,
	 .via = "imap",
	 .state = "plain_credentials",
	 .client_alone = IN_CLEAR,
	 .server_alone = "offered_unused",
	 .turns
	 = {S("* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] ready\r\n"),
	    C("a1 LOGIN user secret\r\n"), S("a1 OK logged in\r\n"), C("a2 LOGOUT\r\n"),
	    S("* BYE\r\na2 OK done\r\n")}},
	{.name = "imap, offered, then not known",
	 .port = 143,
	 .via = "imap",
	 .state = "stripped",
	 .client_alone = "requested_unanswered",
	 .server_alone = "offered_unused",
	 .turns
	 = {S("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"), C("a1 STARTTLS\r\n"),
	    S("a1 BAD unknown command\r\n"), C("a2 LOGOUT\r\n"), S("* BYE\r\na2 OK done\r\n")}},
	{.name = "pop3",
	 .port = 110,
	 .via = "pop3",
	 .state = "completed",
	 .client_alone = "completed",
	 .server_alone = "offered_unused",
	 .turns
	 = {S("+OK ready\r\n"), C("CAPA\r\n"), S("+OK\r\nSTLS\r\nUIDL\r\n.\r\n"), C("STLS\r\n"),
	    S("+OK begin\r\n"), C(HELLO)}},
	{.name = "pop3, a login in clear",
	 .port = 110,
	 .via = "pop3",
	 .state = "plain_credentials",
	 .client_alone = IN_CLEAR,
	 .server_alone = "offered_unused",
	 .turns
	 = {S("+OK ready\r\n"), C("CAPA\r\n"), S("+OK\r\nSTLS\r\nUIDL\r\n.\r\n"), C("USER u\r\n"),
	    S("+OK\r\n"), C("PASS secret\r\n"), S("+OK\r\n"), C("QUIT\r\n"), S("+OK\r\n")}},
	{.name = "ftp",
	 .port = 21,
	 .via = "ftp",
	 .state = "completed",
	 .client_alone = "completed",
	 .server_alone = NULL,
	 .turns = {S("220 ready\r\n"), C("AUTH TLS\r\n"), S("234 go\r\n"), C(HELLO)}},
	{.name = "ftp, not known",
	 .port = 21,
	 .via = "ftp",
	 .state = "refused",
	 .client_alone = "requested_unanswered",
	 .server_alone = NULL,
	 .turns
	 = {S("220 ready\r\n"), C("AUTH TLS\r\n"), S("500 what?\r\n"), C("QUIT\r\n"),
	    S("221 bye\r\n")}},
	{.name = "nntp",
	 .port = 119,
	 .via = "nntp",
	 .state = "completed",
	 .client_alone = "completed",
	 .server_alone = "offered_unused",
	 .turns
	 = {S("200 news ready\r\n"), C("CAPABILITIES\r\n"),
	    S("101 list\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n"), C("STARTTLS\r\n"), S("382 go\r\n"),
	    C(HELLO)}},
	{.name = "sieve",
	 .port = 4190,
	 .via = "sieve",
	 .state = "completed",
	 .client_alone = "completed",
	 .server_alone = "offered_unused",
	 .turns
	 = {S("\"IMPLEMENTATION\" \"x\"\r\n\"SIEVE\" \"fileinto\"\r\n\"STARTTLS\"\r\nOK\r\n"),
	    C("STARTTLS\r\n"), S("OK\r\n"), C(HELLO)}},
	{.name = "xmpp",
	 .port = 5222,
	 .via = "xmpp",
	 .state = "completed",
	 .client_alone = "completed",
	 .server_alone = "offered_unused",
	 .turns
	 = {C(XMPP_OPEN),
	    S(XMPP_ANSWER "<stream:features><starttls " XMPP_TLS "/></stream:features>"),
	    C("<starttls " XMPP_TLS "/>"), S("<proceed " XMPP_TLS "/>"), C(HELLO)}},
	{.name = "ldap",
	 .port = 389,
	 .via = "ldap",
	 .state = "completed",
	 .client_alone = "completed",
	 .server_alone = NULL,
	 .turns = {C(LDAP_STARTTLS), S(LDAP_OK), C(HELLO)}},
	{.name = "ldap, refused, then a password in clear",
	 .port = 389,
	 .via = "ldap",
	 .state = "refused",
	 .client_alone = "requested_unanswered",
	 .server_alone = NULL,
	 .turns = {C(LDAP_STARTTLS), S(LDAP_UNAVAILABLE), C(LDAP_BIND)}},
	{.name = "postgresql",
	 .port = 5432,
	 .via = "postgresql",
	 .state = "completed",
	 .client_alone = "completed",
	 .server_alone = NULL,
	 .causal = true,
	 .turns = {C("\x00\x00\x00\x08\x04\xd2\x16\x2f"), S("S"), C(HELLO)}},
	{.name = "postgresql, refused",
	 .port = 5432,
	 .via = "postgresql",
	 .state = "refused",
	 .client_alone = "requested_unanswered",
	 .server_alone = NULL,
	 .causal = true,
	 .turns
	 = {C("\x00\x00\x00\x08\x04\xd2\x16\x2f"), S("N"),
	    C("\x00\x00\x00\x11\x00\x03\x00\x00user\0postgres\0\0"),
	    S("R\x00\x00\x00\x08\x00\x00\x00\x00")}},
	{.name = "mysql",
	 .port = 3306,
	 .via = "mysql",
	 .state = "completed",
	 .client_alone = "completed",
	 .server_alone = "offered_unused",
	 .turns = {S(MYSQL_GREETING("\xff", "\xff")), C(MYSQL_SSL_REQUEST), C(HELLO)}},
	{.name = "rdp",
	 .port = 3389,
	 .via = "rdp",
	 .state = "completed",
	 .client_alone = "completed",
	 .server_alone = "offered_unused",
	 .turns
	 = {C("\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x01\x00\x00\x00"),
	    S("\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x02\x1f\x08\x00\x01\x00\x00\x00"),
	    C(HELLO)}},
	{.name = "rdp, refused",
	 .port = 3389,
	 .via = "rdp",
	 .state = "refused",
	 .client_alone = "requested_unanswered",
	 .server_alone = NULL,
	 .turns
	 = {C("\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x01\x00\x00\x00"),
	    S("\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x03\x00\x08\x00\x02\x00\x00\x00")}},
	{.name = "socks5",
	 .port = 1080,
	 .via = "socks5",
	 .state = "completed",
	 .client_alone = "completed",
	 .server_alone = NULL,
	 .turns
	 = {C("\x05\x01\x00"), S("\x05\x00"), C("\x05\x01\x00\x01\xc6\x33\x64\x01\x01\xbb"),
	    S("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"), C(HELLO)}},
	{.name = "socks5, refused",
	 .port = 1080,
	 .via = "socks5",
	 .state = "refused",
	 .client_alone = NULL,
	 .server_alone = NULL,
	 .turns
	 = {C("\x05\x01\x00"), S("\x05\x00"), C("\x05\x01\x00\x01\xc6\x33\x64\x01\x01\xbb"),
	    S("\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00")}},
	{.name = "smtp inside http-connect",
	 .port = 3128,
	 .via = "http-connect smtp",
	 .state = "completed",
	 .client_alone = "completed",
	 .server_alone = NULL,
	 .causal = true,
	 .turns
	 = {C("CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n\r\n"),
	    S("HTTP/1.1 200 OK\r\n\r\n"), S("220 mx.example ESMTP\r\n"), C("EHLO a.example\r\n"),
	    S("250-mx.example\r\n250 STARTTLS\r\n"), C("STARTTLS\r\n"), S("220 go ahead\r\n"),
	    C(HELLO)}},
	{.name = "smtp inside http-connect, refused",
	 .port = 3128,
	 .via = "http-connect smtp",
	 .state = "refused",
	 .client_alone = "requested_unanswered",
	 .server_alone = NULL,
	 .causal = true,
	 .turns
	 = {C("CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n\r\n"),
	    S("HTTP/1.1 200 OK\r\n\r\n"), S("220 mx.example ESMTP\r\n"), C("EHLO a.example\r\n"),
	    S("250-mx.example\r\n250 STARTTLS\r\n"), C("STARTTLS\r\n"), S("454 not now\r\n"),
	    C("QUIT\r\n"), S("221 bye\r\n")}},
	{.name = "http-connect, refused",
	 .port = 3128,
	 .via = "http-connect",
	 .state = "refused",
	 .client_alone = NULL,
	 .server_alone = NULL,
	 .causal = true,
	 .turns
	 = {C("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"),
	    S("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")}},
};

// --- a run
// ---------------------------------------------------------------------------------------

struct result {
	unsigned hellos, events;
	char sni[64], via[64], state[32], seen[16], evidence[128], severity[16];
};

static struct frames fs;
static struct bytes body, message, hello;

static void on_record(void *user, struct ht_record *r) {
	struct result *res = user;
	if (strcmp(r->record, "hello") == 0) {
		res->hellos++;
		assert_true(r->complete);
		snprintf(
			res->sni, sizeof(res->sni), "%.*s", (int)r->sni.len, (const char *)r->sni.p
		);
		return;
	}
	res->events++;
	if (r->has & HT_HAS(seen)) {
		assert_string_equal(r->kind, "not_tls_on_tls_port");
		snprintf(res->seen, sizeof(res->seen), "%s", r->seen);
		return;
	}
	assert_string_equal(r->kind, "upgrade");
	assert_true(r->src_port >= 40000); // whoever spoke first, the client is the source
	snprintf(
		res->state, sizeof(res->state), "%s",
		r->has & HT_HAS(upgrade_state) ? r->upgrade_state : IN_CLEAR
	);
	snprintf(res->severity, sizeof(res->severity), "%s", r->severity);
	snprintf(
		res->evidence, sizeof(res->evidence), "%s",
		r->has & HT_HAS(evidence) ? r->evidence : ""
	);
	res->via[0] = '\0';
	for (unsigned i = 0; (r->has & HT_HAS(via)) && i < r->via.num; i++) {
		size_t n = strlen(res->via);
		snprintf(res->via + n, sizeof(res->via) - n, "%s%s", i > 0 ? " " : "", r->via.s[i]);
	}
}

// `offers` is the memory that several sensors share, NULL for the sensor's own.
static struct result run_with(uint64_t *offers) {
	struct result res = {0};
	struct ht_sensor_params p = small_sensor(on_record, &res);
	p.events = true;
	p.offers = offers;
	struct ht_sensor *s = ht_sensor_new(&p);
	assert_non_null(s);
	ht_sensor_run(s, fs.f, fs.num);
	frames_clear(&fs);
	ht_sensor_finish(s);
	assert_null(ht_ledger_balance(ht_sensor_counters(s)));
	ht_sensor_free(s);
	return res;
}

static struct result run(void) {
	return run_with(NULL);
}

static void
expect(const struct dialogue *d, const char *how, unsigned n, const char *state, struct result r) {
	const bool same
		= state == NULL ? r.events == 0 : r.events == 1 && strcmp(r.state, state) == 0;
	const bool via = state == NULL || strcmp(r.via, d->via) == 0;
	if (same && via)
		return;
	fail_msg(
		"%s, %s %u: %u events, state \"%s\" (%s) via \"%s\"; expected \"%s\" via \"%s\"",
		d->name, how, n, r.events, r.state, r.evidence, r.via, state ? state : "", d->via
	);
}

// --- the two sides
// ---------------------------------------------------------------------------------

enum { ISN = 1000 };

static void turn_bytes(const struct turn *t, const void **p, size_t *len) {
	const bool is_hello = t->len == sizeof(HELLO) - 1 && memcmp(t->text, HELLO, t->len) == 0;
	*p = is_hello ? (const void *)hello.b : t->text;
	*len = is_hello ? hello.len : t->len;
}

static void syns(bool client, bool server) {
	if (client)
		tcp_add(&fs, FROM_CLIENT, ISN, HT_TCP_SYN, NULL, 0);
	if (server)
		tcp_add(&fs, FROM_SERVER, 2 * ISN, HT_TCP_SYN | HT_TCP_ACK, NULL, 0);
}

static void in_turns(const struct dialogue *d, bool client, bool server, bool fins) {
	uint32_t seq[2] = {ISN + 1, 2 * ISN + 1};
	const bool seen[2] = {client, server};
	fs.server_port = d->port;
	syns(client, server);
	for (unsigned i = 0; i < MAX_TURNS && d->turns[i].text != NULL; i++) {
		const void *p;
		size_t len;
		turn_bytes(&d->turns[i], &p, &len);
		const int from = d->turns[i].from;
		if (seen[from])
			tcp_add(&fs, from, seq[from], HT_TCP_ACK, p, len);
		seq[from] += (uint32_t)len;
	}
	for (int from = 0; fins && from < 2; from++)
		if (seen[from])
			tcp_add(&fs, from, seq[from], HT_TCP_FIN | HT_TCP_ACK, NULL, 0);
}

#define MAX_SEGMENTS 900

struct segment {
	int from;
	uint32_t at;
	uint32_t len;
	unsigned turn;
};

// The turns cut in segments of random length; then neighbours of one side change places, and,
// unless the dialogue is causal, neighbours of both sides; some come twice.
static void at_random(const struct dialogue *d, struct rng *r, uint32_t most) {
	static struct bytes side[2];
	static struct segment g[MAX_SEGMENTS];
	unsigned num = 0;
	side[0].len = side[1].len = 0;
	for (unsigned i = 0; i < MAX_TURNS && d->turns[i].text != NULL; i++) {
		const void *p;
		size_t len;
		turn_bytes(&d->turns[i], &p, &len);
		const int from = d->turns[i].from;
		for (uint32_t at = 0, n; at < len; at += n) {
			n = 1 + rng_below(r, most);
			if (n > len - at)
				n = (uint32_t)len - at;
			assert_true(num < MAX_SEGMENTS);
			g[num++] = (struct segment){from, (uint32_t)side[from].len + at, n, i};
		}
		put(&side[from], p, len);
	}
	const unsigned swaps = most > 1 ? num : 0;
	for (unsigned k = 0; k < swaps && num > 1; k++) {
		unsigned i = rng_below(r, num - 1);
		if (d->causal && g[i].from != g[i + 1].from)
			continue;
		struct segment t = g[i];
		g[i] = g[i + 1];
		g[i + 1] = t;
	}
	fs.server_port = d->port;
	syns(true, true);
	for (unsigned i = 0; i < num; i++) {
		const uint32_t base = (g[i].from == FROM_CLIENT ? ISN : 2 * ISN) + 1;
		for (unsigned times = 1 + (rng_below(r, 8) == 0); times > 0; times--) {
			tcp_add(&fs, g[i].from, base + g[i].at, HT_TCP_ACK,
				side[g[i].from].b + g[i].at, g[i].len);
		}
	}
	tcp_add(&fs, FROM_SERVER, 2 * ISN + 1 + (uint32_t)side[1].len, HT_TCP_FIN | HT_TCP_ACK,
		NULL, 0);
	tcp_add(&fs, FROM_CLIENT, ISN + 1 + (uint32_t)side[0].len, HT_TCP_FIN | HT_TCP_ACK, NULL,
		0);
}

// --- cases
// ---------------------------------------------------------------------------------------

static int make_hello(void **state) {
	(void)state;
	struct rng r = {1};
	const struct hello_shape shape
		= {.name = "",
		   .sni = "www.example.com",
		   .ciphers = 17,
		   .key_share = 32,
		   .extensions = true};
	hello_body(&body, &shape, &r);
	hello_message(&message, &body);
	put_record(&hello, 22, message.b, message.len);
	fs.client_port = 40000;
	return 0;
}

static bool has_hello(const struct dialogue *d) {
	return d->state != NULL && strcmp(d->state, "completed") == 0;
}

static void test_turn_by_turn(void **state) {
	(void)state;
	for (unsigned i = 0; i < HT_ARRAY_LEN(dialogues); i++) {
		const struct dialogue *d = &dialogues[i];
		for (unsigned fins = 0; fins < 2; fins++) {
			in_turns(d, true, true, fins);
			struct result r = run();
			expect(d, fins ? "with FIN" : "without FIN", 0, d->state, r);
			assert_int_equal(r.hellos, has_hello(d));
		}
	}
}

static void test_one_side_alone(void **state) {
	(void)state;
	for (unsigned i = 0; i < HT_ARRAY_LEN(dialogues); i++) {
		const struct dialogue *d = &dialogues[i];
		in_turns(d, true, false, true);
		expect(d, "the client alone", 0, d->client_alone, run());
		in_turns(d, false, true, true);
		expect(d, "the server alone", 0, d->server_alone, run());
	}
}

static void test_any_segments(void **state) {
	(void)state;
	struct rng r = {2};
	for (unsigned i = 0; i < HT_ARRAY_LEN(dialogues); i++) {
		const struct dialogue *d = &dialogues[i];
		in_turns(d, true, true, true);
		const struct result whole = run();
		for (unsigned n = 0; n < SPLITS; n++) {
			static const uint32_t most[] = {1, 3, 20, 400};
			at_random(d, &r, most[n % 4]);
			struct result got = run();
			expect(d, "split", n, d->state, got);
			assert_string_equal(got.evidence, whole.evidence);
			assert_string_equal(got.severity, whole.severity);
			assert_string_equal(got.sni, whole.sni);
			assert_int_equal(got.hellos, whole.hellos);
		}
	}
}

// --- several connections
// ---------------------------------------------------------------------------

static const struct dialogue *dialogue(const char *name) {
	for (unsigned i = 0; i < HT_ARRAY_LEN(dialogues); i++)
		if (strcmp(dialogues[i].name, name) == 0)
			return &dialogues[i];
	fail_msg("no dialogue %s", name);
	return NULL;
}

// Each connection that only greets holds a place; the client's side of one that lost its place is
// found all the same.
static void test_an_evicted_talk_hides_no_hello(void **state) {
	(void)state;
	static const char greeting[] = "220 mx.example ESMTP\r\n";
	static const char asks[] = "EHLO a.example\r\nSTARTTLS\r\n";
	fs.server_port = 25;
	for (unsigned i = 0; i < 40; i++) {
		fs.client_port = (uint16_t)(40000 + i);
		syns(true, true);
		tcp_add(&fs, FROM_SERVER, 2 * ISN + 1, HT_TCP_ACK, (const uint8_t *)greeting,
			sizeof(greeting) - 1);
	}
	fs.client_port = 40000;
	tcp_add(&fs, FROM_CLIENT, ISN + 1, HT_TCP_ACK, (const uint8_t *)asks, sizeof(asks) - 1);
	tcp_add(&fs, FROM_CLIENT, ISN + sizeof(asks), HT_TCP_ACK, hello.b, hello.len);
	struct result r = run();
	assert_int_equal(r.hellos, 1);
	assert_int_equal(r.events, 1);
	assert_string_equal(r.state, "completed");
	assert_string_equal(r.via, "smtp");
}

// The plainest stripping leaves the offer out; it shows beside an earlier connection.
static void test_an_offer_is_remembered(void **state) {
	(void)state;
	in_turns(dialogue("smtp, a mail in clear"), true, true, true);
	fs.client_port = 40000 + 1;
	in_turns(dialogue("smtp, no offer"), true, true, true);
	fs.client_port = 40000;
	struct result r = run();
	assert_int_equal(r.events, 2);
	assert_string_equal(r.state, "stripped");
	// Another server of the same address has never offered it.
	in_turns(dialogue("smtp, a mail in clear"), true, true, true);
	fs.client_port = 40000 + 1;
	struct dialogue other = *dialogue("smtp, no offer");
	other.port = 2525;
	in_turns(&other, true, true, true);
	fs.client_port = 40000;
	r = run();
	assert_int_equal(r.events, 2);
	assert_string_equal(r.state, "not_offered");
}

// Workers see different connections of one server: what one has seen offered the other knows.
static void test_an_offer_is_remembered_by_all_workers(void **state) {
	(void)state;
	static uint64_t offers[HT_SENSOR_OFFERS];
	in_turns(dialogue("smtp, a mail in clear"), true, true, true);
	assert_int_equal(run_with(offers).events, 1);
	in_turns(dialogue("smtp, no offer"), true, true, true);
	assert_string_equal(run_with(offers).state, "stripped");
	in_turns(dialogue("smtp, no offer"), true, true, true);
	assert_string_equal(run_with(NULL).state, "not_offered");
}

// The server's greeting tells which protocol a lone STARTTLS is of, also when the hello is there.
static void test_the_greeting_names(void **state) {
	(void)state;
	static const struct dialogue lone = {
		.name = "lone STARTTLS",
		.port = 2626,
		.turns
		= {S("220 mx.example ESMTP\r\n"), C("STARTTLS\r\n"), S("220 go\r\n"), C(HELLO)},
	};
	in_turns(&lone, true, true, true);
	struct result r = run();
	assert_int_equal(r.events, 1);
	assert_string_equal(r.state, "completed");
	assert_string_equal(r.via, "smtp");
}

// What the client said is lost; the server's go-ahead and the hello tell enough.
static void test_a_granted_hello(void **state) {
	(void)state;
	static const char server[] = "220 mx.example ESMTP\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n";
	for (size_t cut = 0; cut < 2; cut++) {
		fs.server_port = 25;
		syns(true, true);
		tcp_add(&fs, FROM_SERVER, 2 * ISN + 1, HT_TCP_ACK, (const uint8_t *)server,
			sizeof(server) - 1);
		tcp_add(&fs, FROM_CLIENT, ISN + 1, HT_TCP_ACK, hello.b, cut > 0 ? 100 : hello.len);
		if (cut > 0)
			tcp_add(&fs, FROM_CLIENT, ISN + 101, HT_TCP_ACK, hello.b + 100,
				hello.len - 100);
		struct result r = run();
		assert_int_equal(r.hellos, 1);
		assert_int_equal(r.events, 1);
		assert_string_equal(r.state, "completed");
	}
}

// A SYN that comes late decides what was held; the event is told with the SYN's time.
static void test_a_late_syn_decides(void **state) {
	(void)state;
	static const uint8_t garbage[] = {0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8};
	fs.server_port = 443;
	tcp_add(&fs, FROM_CLIENT, ISN + 1, HT_TCP_ACK, garbage, sizeof(garbage));
	tcp_add(&fs, FROM_CLIENT, ISN, HT_TCP_SYN, NULL, 0);
	struct result r = run();
	assert_int_equal(r.events, 1);
	assert_string_equal(r.seen, "unknown");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turn_by_turn),
		cmocka_unit_test(test_one_side_alone),
		cmocka_unit_test(test_any_segments),
		cmocka_unit_test(test_an_evicted_talk_hides_no_hello),
		cmocka_unit_test(test_an_offer_is_remembered),
		cmocka_unit_test(test_an_offer_is_remembered_by_all_workers),
		cmocka_unit_test(test_the_greeting_names),
		cmocka_unit_test(test_a_granted_hello),
		cmocka_unit_test(test_a_late_syn_decides),
	};
	return cmocka_run_group_tests(tests, make_hello, NULL);
}
