// SPDX-License-Identifier: BSD-3-Clause

#include "t.h"
#include "upgrade.h"

#define TLS "\x16\x03\x01\x00\x05\x01"

// What the caller of ht_upgrade_scan does, written down: "18=smtp" for HT_OK, then "tls" when that
// is what follows, "more", or "bad" and what it speaks. Offsets and names of one run.
struct log {
	char text[512];
	size_t len;
};

static void note(struct log *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct log *l, const char *format, ...) {
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(l->text + l->len, sizeof(l->text) - l->len, format, ap);
	va_end(ap);
	if (n < 0 || l->len + (size_t)n >= sizeof(l->text))
		fail_msg("the log is too small: %s", l->text);
	l->len += (size_t)n;
}

static const char *const speaks_names[] = {
#define X(id, name, help) #name,
	HT_SPEAKS_LIST(X)
#undef X
};

struct caller {
	struct ht_upgrade u;
	struct log log;
	uint8_t *held; // what came so far, as ht_upgrade_unwrap left it
	size_t len;
	bool at_offset; // HT_OK was returned, and what is there has not been looked at
	bool done;
};

// hold takes over the first `len` bytes, into a block of that size.
static void hold(struct caller *c, const void *in, size_t len) {
	uint8_t *p = t_dup(in, len);
	memcpy(p, c->held, c->len);
	free(c->held);
	c->held = p;
	c->len = len;
}

// see hands over the first `len` bytes.
static void see(struct caller *c, const void *in, size_t len) {
	hold(c, in, len);
	const uint8_t *p = c->held;
	while (!c->done) {
		if (c->at_offset) {
			uint32_t carried = (uint32_t)len;
			enum ht_rc rc = ht_upgrade_unwrap(&c->u, c->held, &carried);
			assert_in_range(carried, c->u.offset, len);
			size_t there = carried - c->u.offset;
			if (there == 0 || (there == 1 && p[c->u.offset] == 0x16)) {
				if (rc == HT_OK)
					break; // nothing to tell TLS by
				note(&c->log, "over ");
				c->done = true;
				break;
			}
			c->at_offset = false;
			if (p[c->u.offset] == 0x16 && p[c->u.offset + 1] == 3) {
				note(&c->log, "tls ");
				c->done = true;
				break;
			}
		}
		uint32_t before = c->u.offset;
		enum ht_rc rc = ht_upgrade_scan(&c->u, HT_SPAN(p, len));
		if (rc == HT_MORE)
			break;
		if (rc == HT_BAD) {
			note(&c->log, "bad %s ", speaks_names[c->u.speaks]);
			c->done = true;
			assert_int_equal(ht_upgrade_scan(&c->u, HT_SPAN(p, len)), HT_BAD);
			break;
		}
		assert_int_equal(rc, HT_OK);
		assert_true(c->u.offset <= len);
		assert_true(c->u.offset > before);
		assert_in_range(c->u.num_via, 1, HT_VIA_MAX);
		note(&c->log, "%u=", c->u.offset);
		for (unsigned i = 0; i < c->u.num_via; i++)
			note(&c->log, "%s%s", i > 0 ? "," : "", ht_via_name(c->u.via[i]));
		note(&c->log, "%s ", c->u.framing != HT_FRAMING_NONE ? "+framed" : "");
		c->at_offset = true;
	}
}

static void end(struct caller *c) {
	if (!c->done)
		note(&c->log, "more ");
	c->log.text[--c->log.len] = '\0'; // the space
	free(c->held);
	c->held = NULL;
}

static void new_caller(struct caller *c, uint16_t port) {
	memset(c, 0, sizeof(*c));
	c->held = t_dup("", 0);
	c->u.port_hint = port;
}

// check runs `in` whole, in two pieces at every place, byte by byte, and cut short at every place.
static void check(const char *name, const char *in, size_t len, uint16_t port, const char *want) {
	struct caller c;
	new_caller(&c, port);
	see(&c, in, len);
	end(&c);
	if (strcmp(c.log.text, want) != 0)
		fail_msg("%s: \"%s\", not \"%s\"", name, c.log.text, want);
	for (size_t cut = 0; cut <= len; cut++) {
		new_caller(&c, port);
		see(&c, in, cut);
		struct log shorter = c.log;
		see(&c, in, len);
		end(&c);
		if (strcmp(c.log.text, want) != 0)
			fail_msg("%s, cut at %zu: \"%s\", not \"%s\"", name, cut, c.log.text, want);
		// A part of the bytes leads to a part of the answers.
		assert_memory_equal(shorter.text, c.log.text, shorter.len - (shorter.len > 0));
	}
	new_caller(&c, port);
	for (size_t n = 1; n <= len; n++)
		see(&c, in, n);
	end(&c);
	if (strcmp(c.log.text, want) != 0)
		fail_msg("%s, byte by byte: \"%s\", not \"%s\"", name, c.log.text, want);
}

// TLS is asked for with the last byte of `before`.
struct trigger {
	const char *name, *before;
	size_t len;
	uint16_t port;
	const char *via;
};
#define T(name, port, before, via) \
	{ name, before, sizeof(before) - 1, port, via }

static void check_triggers(const struct trigger *t, size_t num) {
	// What may stand behind a trigger changes nothing of its answer.
	static const struct {
		const char *bytes;
		size_t len;
		const char *answer;
	} after[] = {
		{"", 0, "more"},
		{TLS, sizeof(TLS) - 1, "tls"},
		{"\x16", 1, "more"},
		{TLS "EHLO x\r\nSTARTTLS\r\n", sizeof(TLS "EHLO x\r\nSTARTTLS\r\n") - 1, "tls"},
	};
	for (; num > 0; num--, t++) {
		for (size_t i = 0; i < HT_ARRAY_LEN(after); i++) {
			char in[1024], want[64];
			assert_true(t->len + after[i].len <= sizeof(in));
			memcpy(in, t->before, t->len);
			memcpy(in + t->len, after[i].bytes, after[i].len);
			snprintf(want, sizeof(want), "%zu=%s %s", t->len, t->via, after[i].answer);
			check(t->name, in, t->len + after[i].len, t->port, want);
		}
	}
}

struct plain {
	const char *name, *in;
	size_t len;
	const char *want;
};
#define P(name, in, want) \
	{ name, in, sizeof(in) - 1, want }

static void check_all(const struct plain *p, size_t num) {
	for (; num > 0; num--, p++)
		check(p->name, p->in, p->len, 0, p->want);
}

static void test_text_triggers(void **state) {
	(void)state;
	static const struct trigger t[] = {
		T("SMTP", 0, "EHLO mail.example\r\nSTARTTLS\r\n", "smtp"),
		T("SMTP, HELO", 0, "HELO x\r\nSTARTTLS\r\n", "smtp"),
		T("LMTP", 0, "LHLO x\r\nSTARTTLS\r\n", "smtp"),
		T("any case", 0, "ehlo x\r\nStartTls\r\n", "smtp"),
		T("bare LF", 0, "EHLO x\nSTARTTLS\n", "smtp"),
		T("blanks behind the verb", 0, "EHLO x\r\nSTARTTLS \t\r\n", "smtp"),
		T("CR CR LF", 0, "EHLO x\r\nSTARTTLS\r\r\n", "smtp"),
		T("an empty line", 0, "EHLO x\r\n\r\nSTARTTLS\r\n", "smtp"),
		T("pipelined", 0, "EHLO x\r\nNOOP\r\nRSET\r\nSTARTTLS\r\n", "smtp"),
		T("verb of nobody", 0, "EHLO x\r\nXYZZY 1\r\nSTARTTLS\r\n", "smtp"),
		T("the port does not decide", 143, "EHLO x\r\nSTARTTLS\r\n", "smtp"),
		T("after a mail", 0,
		  "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<a>\r\nDATA\r\nSubject: x\r\n\r\nSTARTTLS\r\n"
		  "..\r\n.\r\nSTARTTLS\r\n",
		  "smtp"),
		T("empty mail", 0, "HELO x\r\nDATA\r\n.\r\nSTARTTLS\r\n", "smtp"),
		T("after BDAT", 0, "EHLO x\r\nBDAT 10 LAST\r\nSTARTTLS\r\nSTARTTLS\r\n", "smtp"),
		T("BDAT 0", 0, "EHLO x\r\nBDAT 0 LAST\r\nSTARTTLS\r\n", "smtp"),
		T("BDAT without a number", 0, "EHLO x\r\nBDAT -5 LAST\r\nSTARTTLS\r\n", "smtp"),
		T("SASL answer", 0, "EHLO x\r\nAUTH LOGIN\r\nYWJj\r\nZGVm\r\nSTARTTLS\r\n", "smtp"),
		T("IMAP", 0, "a001 STARTTLS\r\n", "imap"),
		T("IMAP, tag of digits", 0, "0 STARTTLS\r\n", "imap"),
		T("IMAP, tag like a length", 0, "01 CAPABILITY\r\n02 STARTTLS\r\n", "imap"),
		T("IMAP, tag .", 0, ". CAPABILITY\r\n. STARTTLS\r\n", "imap"),
		T("IMAP, tag like a reply code", 0, "100 CAPABILITY\r\n101 STARTTLS\r\n", "imap"),
		T("IMAP, ID first", 0, "A1 ID (\"name\" \"x\")\r\nA2 starttls\r\n", "imap"),
		T("IMAP, literals", 0,
		  "A1 LOGIN {10}\r\nSTARTTLS\r\n {10+}\r\nx STARTTLS STARTTLS\r\nA2 STARTTLS\r\n",
		  "imap"),
		T("IMAP, empty literal", 0, "A1 LOGIN {0+}\r\n {1+}\r\nx\r\nA2 STARTTLS\r\n",
		  "imap"),
		T("IMAP, braces that are no literal", 0,
		  "A1 LIST {x} {-}\r\nA2 NOOP }\r\nA3 NOOP {}\r\nA4 STARTTLS\r\n", "imap"),
		T("POP3", 0, "STLS\r\n", "pop3"),
		T("POP3, CAPA", 0, "CAPA\r\nstls\r\n", "pop3"),
		T("POP3, USER is FTP's too", 21, "USER x\r\nSTLS\r\n", "pop3"),
		T("FTP", 0, "AUTH TLS\r\n", "ftp"),
		T("FTP, SSL", 0, "AUTH SSL\r\n", "ftp"),
		T("FTP, TLS-C", 0, "FEAT\r\nauth tls-c\r\n", "ftp"),
		T("FTP, TLS-P", 0, "AUTH TLS-P\n", "ftp"),
		T("FTP, USER is POP3's too", 110, "USER x\r\nPASS y\r\nAUTH TLS\r\n", "ftp"),
		T("FTP, refused GSSAPI", 0, "AUTH GSSAPI\r\nAUTH TLS\r\n", "ftp"),
		T("NNTP", 0, "CAPABILITIES\r\nSTARTTLS\r\n", "nntp"),
		T("NNTP, MODE READER", 0, "MODE READER\r\nSTARTTLS\r\n", "nntp"),
		T("NNTP, article", 0, "GROUP a.b\r\nPOST\r\n\r\nSTARTTLS\r\n.\r\nSTARTTLS\r\n",
		  "nntp"),
		T("NNTP, POST refused", 0, "GROUP a.b\r\nPOST\r\nSTARTTLS\r\n", "nntp"),
		T("SMTP, DATA refused", 0, "EHLO x\r\nDATA\r\nSTARTTLS\r\n", "smtp"),
		T("NNTP by port", 119, "STARTTLS\r\n", "nntp"),
		T("ManageSieve by port", 4190, "STARTTLS\r\n", "sieve"),
		T("IRC by port", 6667, "STARTTLS\r\n", "irc"),
		T("SMTP by port", 587, "STARTTLS\r\n", "smtp"),
		T("a lone STARTTLS", 0, "STARTTLS\r\n", "sieve"),
		T("a port that it cannot be", 110, "STARTTLS\r\n", "sieve"),
		T("ManageSieve, CAPABILITY", 0, "CAPABILITY\r\nSTARTTLS\r\n", "sieve"),
		T("ManageSieve, quoted mechanism", 0,
		  "AUTHENTICATE \"PLAIN\" {10+}\r\nSTARTTLS\r\n\r\nSTARTTLS\r\n", "sieve"),
		T("ManageSieve, script", 0,
		  "HAVESPACE \"x\" 9\r\nPUTSCRIPT \"x\" {10+}\r\nSTARTTLS\r\n\r\nSTARTTLS\r\n",
		  "sieve"),
		T("IRC", 0, "NICK x\r\nUSER x 0 * :y\r\nSTARTTLS\r\n", "irc"),
		T("IRC, CAP", 25, "CAP LS 302\r\nSTARTTLS\r\n", "irc"),
		T("IRC, USER is FTP's too", 0, "USER x 0 * :y\r\nSTARTTLS\r\n", "irc"),
		T("IRC, leading blanks", 0, "CAP LS\r\n   STARTTLS\r\n", "irc"),
		T("IRC, bare mechanism", 0, "AUTHENTICATE PLAIN\r\nSTARTTLS\r\n", "irc"),
	};
	check_triggers(t, HT_ARRAY_LEN(t));
}

#define STREAM \
	"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' " \
	"to='x' version='1.0'>"
#define XTLS "urn:ietf:params:xml:ns:xmpp-tls"

static void test_xmpp_triggers(void **state) {
	(void)state;
	static const struct trigger t[] = {
		T("bare", 0, STREAM "<starttls xmlns='" XTLS "'/>", "xmpp"),
		T("XML declaration", 0,
		  "<?xml version='1.0'?>\r\n" STREAM "\n<starttls xmlns=\"" XTLS "\" />", "xmpp"),
		T("closed by a tag", 0, STREAM "<starttls xmlns='" XTLS "'></starttls>", "xmpp"),
		T("with a child", 0, STREAM "<starttls xmlns='" XTLS "'><a/><b></b></starttls>",
		  "xmpp"),
		T("prefix", 0, STREAM "<t:starttls xmlns:t='" XTLS "'/>", "xmpp"),
		T("servers to each other", 0,
		  "<stream:stream xmlns:db='jabber:server:dialback' xmlns='jabber:server' from='a' "
		  "to='b'><starttls xmlns='" XTLS "'/>",
		  "xmpp"),
		T("> in a value", 0,
		  "<stream:stream a='>' b='\"' c=\"'>\"><starttls q='/>' xmlns='" XTLS "'/>",
		  "xmpp"),
		T("stanzas before", 0,
		  STREAM "<iq id='1' type='get'><q>a&gt;b</q></iq>  <starttls xmlns='" XTLS "'/>",
		  "xmpp"),
		T("blanks around =", 0, STREAM "<starttls xmlns = '" XTLS "'/>", "xmpp"),
	};
	check_triggers(t, HT_ARRAY_LEN(t));

	static const struct plain p[] = {
		P("no name space", STREAM "<starttls/>" TLS, "bad plain"),
		P("another name space", STREAM "<starttls xmlns='urn:x'/>" TLS, "bad plain"),
		P("another element", STREAM "<starttlsx xmlns='" XTLS "'/>" TLS, "bad plain"),
		P("not the stream's child", STREAM "<a><starttls xmlns='" XTLS "'/></a>" TLS,
		  "bad plain"),
		P("in a value", STREAM "<a b=\"<starttls xmlns='" XTLS "'/>\"/>" TLS, "bad plain"),
		P("not closed", STREAM "<starttls xmlns='" XTLS "'>" TLS, "more"),
		P("nothing but a header", STREAM, "more"),
		P("refused, then a stanza",
		  STREAM "<starttls xmlns='" XTLS "'/><iq/>" STREAM "<starttls xmlns='" XTLS
			 "'/>" TLS,
		  "157=xmpp 319=xmpp tls"),
		P("blanks before the hello", STREAM "<starttls xmlns='" XTLS "'/>\r\n" TLS,
		  "157=xmpp 159=xmpp tls"),
		P("stanza injected before the hello",
		  STREAM "<starttls xmlns='" XTLS "'/><iq/>" TLS, "157=xmpp 162=xmpp tls"),
		P("the server's header has an id",
		  "<?xml version='1.0'?><stream:stream from='x' id='1'>", "bad server"),
		P("xml:id is none", "<stream:stream ids='x' to='y'>", "more"),
		P("HTML", "<html><body>", "bad unknown"),
		P("other XML", "<?xml version='1.0'?><methodCall>", "bad unknown"),
		P("Flash policy", "<policy-file-request/>", "bad unknown"),
		P("other element", "<stream:streams>", "bad unknown"),
	};
	check_all(p, HT_ARRAY_LEN(p));
}

#define OID "1.3.6.1.4.1.1466.20037"
#define START_TLS "\x30\x1d\x02\x01\x01\x77\x18\x80\x16" OID
#define BIND "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"

static void test_ldap(void **state) {
	(void)state;
	static const struct trigger t[] = {
		T("first message", 0, START_TLS, "ldap"),
		T("after a bind", 0, BIND START_TLS, "ldap"),
		T("long lengths", 0,
		  "\x30\x84\x00\x00\x00\x2a\x02\x01\x01\x77\x84\x00\x00\x00\x1c\x80\x84\x00\x00\x00"
		  "\x16" OID "\xa0\x03\x30\x01\x00",
		  "ldap"),
		T("length in one more byte", 0, "\x30\x81\x1e\x02\x02\x01\x00\x77\x18\x80\x16" OID,
		  "ldap"),
		T("after a search whose filter holds the OID", 0,
		  "\x30\x20\x02\x01\x02\x63\x1b\x77\x18\x80\x16" OID "\x00" START_TLS, "ldap"),
		T("after another extended request", 0,
		  "\x30\x0a\x02\x01\x01\x77\x05\x80\x03"
		  "1.2" START_TLS,
		  "ldap"),
	};
	check_triggers(t, HT_ARRAY_LEN(t));

	static const struct plain p[] = {
		P("refused, and again", START_TLS START_TLS TLS, "31=ldap 62=ldap tls"),
		P("refused, then a bind", START_TLS BIND, "31=ldap more"),
		P("another OID",
		  "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
		  "1.3.6.1.4.1.1466.20036" TLS,
		  "bad plain"),
		P("OID longer by one", "\x30\x1e\x02\x01\x01\x77\x19\x80\x17" OID "0" TLS,
		  "bad plain"),
		P("OID that leaves its request", "\x30\x1d\x02\x01\x01\x77\x10\x80\x16" OID TLS,
		  "bad plain"),
		P("response", "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00",
		  "bad server"),
		P("search entry", "\x30\x84\x00\x00\x0a\x8b\x02\x01\x01\x64\x84\x00\x00\x0a\x82",
		  "bad server"),
		P("SASL layer after a bind", BIND "\x00\x00\x00\x10", "bad plain"),
		P("indefinite length", "\x30\x80\x02\x01\x01\x60", "bad unknown"),
		P("length of 5 bytes", "\x30\x85\x00\x00\x00\x00\x10\x02\x01\x01\x60",
		  "bad unknown"),
		P("operation longer than its message", "\x30\x05\x02\x01\x01\x60\x40",
		  "bad unknown"),
		P("message over the cap",
		  "\x30\x84\x00\x10\x00\x00\x02\x01\x01\x63\x84\x00\x0f\xff\xf0", "bad plain"),
		P("length of 4 GB", "\x30\x84\xff\xff\xff\xff\x02\x01\x01\x60\x84\xff\xff\xff\x00",
		  "bad plain"),
		P("SNMP", "\x30\x26\x02\x01\x01\x04\x06public", "bad unknown"),
	};
	check_all(p, HT_ARRAY_LEN(p));
}

#define PG_SSL "\x00\x00\x00\x08\x04\xd2\x16\x2f"
#define PG_GSS "\x00\x00\x00\x08\x04\xd2\x16\x30"
#define PG_STARTUP "\x00\x00\x00\x11\x00\x03\x00\x00user\x00x\x00\x00\x00"
#define ZERO19 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define MYSQL_SSL "\x20\x00\x00\x01\x85\xae\x0f\x00\x00\x00\x00\x01\x21" ZERO19 "\0\0\0\0"
#define MARIA_SSL "\x20\x00\x00\x01\x84\xae\x0f\x00\x00\x00\x00\x01\x21" ZERO19 "\x1d\0\0\0"
#define PRELOGIN(status, encryption) \
	"\x12" status "\x00\x1a\x00\x00\x00\x00" \
	"\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff\x09\x00\x00\x00\x00\x00" encryption
#define MORE1 "\x12\x00\x00\x09\0\0\0\0x"
#define MORE7 MORE1 MORE1 MORE1 MORE1 MORE1 MORE1 MORE1
#define IN_TDS(len) "\x12\x01\x00" len "\0\0\0\0"
#define ADB_CNXN_AS(banner) "CNXN\1\0\0\1\0\0\4\0\7\0\0\0\0\0\0\0\xbc\xb1\xa7\xb1" banner
#define ADB_CNXN ADB_CNXN_AS("host::\0")
#define ADB_STLS "STLS\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\xac\xab\xb3\xac"
#define RDP_CR "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00"
#define RDP_COOKIE \
	"\x03\x00\x00\x2b\x26\xe0\x00\x00\x00\x00\x00" \
	"Cookie: mstshash=admin\r\n\x01\x00\x08\x00"

static void test_databases_and_rdp(void **state) {
	(void)state;
	static const struct trigger t[] = {
		T("PostgreSQL", 0, PG_SSL, "postgresql"),
		T("PostgreSQL, GSSAPI refused", 0, PG_GSS PG_SSL, "postgresql"),
		T("MySQL", 0, MYSQL_SSL, "mysql"),
		T("MariaDB", 0, MARIA_SSL, "mysql"),
		T("TDS", 0, PRELOGIN("\x01", "\x01"), "tds+framed"),
		T("TDS, only the login", 0, PRELOGIN("\x01", "\x00"), "tds+framed"),
		T("TDS, with a certificate", 0, PRELOGIN("\x01", "\x81"), "tds+framed"),
		T("TDS, in two packets", 0,
		  PRELOGIN("\x00", "\x01") "\x12\x01\x00\x09\x00\x00\x01\x00x", "tds+framed"),
		T("ADB", 0, ADB_CNXN ADB_STLS, "adb"),
		T("ADB, another message before", 0,
		  ADB_CNXN "SYNC\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xac\xa6\xb1\xbc" ADB_STLS, "adb"),
		T("RDP", 0, RDP_CR "\x03\x00\x00\x00", "rdp"),
		T("RDP, TLS alone", 0, RDP_CR "\x01\x00\x00\x00", "rdp"),
		T("RDP, cookie", 0, RDP_COOKIE "\x0b\x00\x00\x00", "rdp"),
		T("RDP, correlation info behind", 0,
		  "\x03\x00\x00\x17\x12\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"
		  "\x06\x00\x04\x00",
		  "rdp"),
	};
	check_triggers(t, HT_ARRAY_LEN(t));

	static const struct plain p[] = {
		P("PostgreSQL, refused", PG_SSL PG_STARTUP, "8=postgresql more"),
		P("PostgreSQL, refused, password", PG_SSL PG_STARTUP "p\0\0\0\6x\0",
		  "8=postgresql bad plain"),
		P("PostgreSQL, refused, query", PG_SSL PG_STARTUP "Q", "8=postgresql bad plain"),
		P("PostgreSQL, refused, hello in its place", PG_SSL PG_STARTUP TLS,
		  "8=postgresql bad plain"),
		P("PostgreSQL, asked twice", PG_SSL PG_SSL TLS, "8=postgresql 16=postgresql tls"),
		P("PostgreSQL, refused, GSSAPI", PG_SSL PG_GSS, "8=postgresql more"),
		P("PostgreSQL, GSSAPI accepted", PG_GSS "\x00\x00\x02\x00\x60\x82\x01\x00",
		  "bad plain"),
		P("PostgreSQL, in clear", PG_STARTUP, "bad plain"),
		P("PostgreSQL, cancel",
		  "\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x01\x00\x00\x00\x02", "bad plain"),
		P("PostgreSQL, code of nobody", "\x00\x00\x00\x08\x04\xd2\x16\x31", "bad unknown"),
		P("PostgreSQL, refused by server", "NR\x00\x00\x00\x0c", "bad server"),
		P("PostgreSQL, server's error", "NE\x00\x00\x00\x0c", "bad server"),
		P("PostgreSQL, accepted by server", "S\x16\x03\x03\x00\x4a", "bad server"),
		P("PostgreSQL, server in clear", "R\x00\x00\x00\x08\x00\x00\x00\x00", "bad server"),
		P("PostgreSQL, one byte says nothing", "S", "more"),
		P("MySQL, in clear, not all of it",
		  "\x52\x00\x00\x01\x05\xa6\x0f\x00\x00\x00\x00\x01", "more"),
		P("MySQL, in clear, no plugin", "\x52\x00\x00\x01\x05\xa6\x07\x00", "bad plain"),
		P("MySQL, no TLS bit",
		  "\x20\x00\x00\x01\x85\xa6\x0f\x00\x00\x00\x00\x01\x21" ZERO19 "\0\0\0\0",
		  "bad plain"),
		P("MySQL, filler not zero",
		  "\x20\x00\x00\x01\x85\xae\x0f\x00\x00\x00\x00\x01\x21xxxxxxxxxxxxxxxxxxxxxxx",
		  "bad unknown"),
		P("MySQL, packet too short", "\x1f\x00\x00\x01\x85\xae", "bad unknown"),
		P("MySQL, protocol 4.0", "\x20\x00\x00\x01\x85\x0c", "bad unknown"),
		P("PostgreSQL, refused, no message of it", PG_SSL "Q", "8=postgresql bad plain"),
		P("TDS, PRELOGIN of 9 packets", PRELOGIN("\x00", "\x01") MORE7 "\x12\x01",
		  "bad plain"),
		P("TDS, another type inside PRELOGIN", PRELOGIN("\x00", "\x01") "\x10\x01\x00\x09",
		  "bad plain"),
		P("MySQL, greeting",
		  "\x4a\x00\x00\x00\x0a"
		  "8.0.28\x00",
		  "bad server"),
		P("MySQL, host not allowed", "\x45\x00\x00\x00\xff\x6a\x04Host", "bad server"),
		P("MySQL, TLS did not come", MYSQL_SSL "\x52\x00\x00\x02", "36=mysql bad plain"),
		P("TDS, no TLS here", PRELOGIN("\x01", "\x02"), "more"),
		P("TDS, no TLS here, SQL", PRELOGIN("\x01", "\x02") "\x01", "bad plain"),
		P("TDS, login", PRELOGIN("\x01", "\x01") "\x10\x01\x00\x90", "26=tds+framed more"),
		P("TDS, query", PRELOGIN("\x01", "\x01") "\x01", "26=tds+framed bad plain"),
		P("TDS, hello in a packet", PRELOGIN("\x01", "\x01") IN_TDS("\x0e") TLS,
		  "26=tds+framed tls"),
		P("TDS, hello in packets of a byte",
		  PRELOGIN("\x01", "\x01") IN_TDS("\x09") "\x16" IN_TDS("\x09") "\x03",
		  "26=tds+framed tls"),
		P("TDS, an empty packet first",
		  PRELOGIN("\x01", "\x01") IN_TDS("\x08") IN_TDS("\x0e") TLS, "26=tds+framed tls"),
		P("TDS, header alone", PRELOGIN("\x01", "\x01") IN_TDS("\x0e"),
		  "26=tds+framed more"),
		P("TDS, length below the header", PRELOGIN("\x01", "\x01") IN_TDS("\x07") TLS,
		  "26=tds+framed bad plain"),
		P("TDS, then another type",
		  PRELOGIN("\x01", "\x01") IN_TDS("\x09") "\x16\x10\x01\x00\x90",
		  "26=tds+framed over"),
		P("TDS, no TLS in the packet", PRELOGIN("\x01", "\x01") IN_TDS("\x0a") "\x17\x03",
		  "26=tds+framed bad plain"),
		P("TDS, VERSION not first",
		  "\x12\x01\x00\x0f\x00\x00\x00\x00\x01\x00\x06\x00\x01\xff\x01", "bad unknown"),
		P("TDS, option cut", "\x12\x01\x00\x0c\x00\x00\x00\x00\x00\x00\x06\x00",
		  "bad unknown"),
		P("TDS, LOGIN7 at once", "\x10\x01\x00\x90\x00\x00\x01\x00", "bad plain"),
		P("TDS, response", "\x04\x01\x00\x2b\x00\x34\x01\x00\x00\x00\x15", "bad server"),
		P("ADB, device", ADB_CNXN_AS("device:"), "bad server"),
		P("ADB, device asks for TLS", ADB_STLS, "bad server"),
		P("ADB, in clear", ADB_CNXN "OPEN\1\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0\xb0\xaf\xba\xb1",
		  "bad plain"),
		P("ADB, not inverted",
		  ADB_CNXN "STLS\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\xac\xab\xb3\xad", "bad plain"),
		P("ADB, data over the cap",
		  ADB_CNXN "AUTH\0\0\0\1\0\0\0\0\0\0\0\xff\0\0\0\0\xbe\xaa\xab\xb7", "bad plain"),
		P("RDP, its own security", RDP_CR "\x00\x00\x00\x00", "bad plain"),
		P("RDP, no request", "\x03\x00\x00\x0b\x06\xe0\x00\x00\x00\x00\x00", "bad plain"),
		P("RDP, cookie alone",
		  "\x03\x00\x00\x23\x1e\xe0\x00\x00\x00\x00\x00"
		  "Cookie: mstshash=admin\r\n",
		  "bad plain"),
		P("RDP, cookie without an end",
		  "\x03\x00\x00\x16\x11\xe0\x00\x00\x00\x00\x00"
		  "Cookie: mst",
		  "bad plain"),
		P("RDP, TLS did not come", RDP_CR "\x01\x00\x00\x00\x03\x00\x01\x9c",
		  "19=rdp bad plain"),
		P("RDP, confirm", "\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x02\x00\x08\x00",
		  "bad server"),
		P("X.224 of a controller",
		  "\x03\x00\x00\x16\x11\xe0\x00\x00\x00\x01\x00\xc0\x01\x0a\xc1\x02\x01\x00\xc2\x02"
		  "\x01\x02",
		  "bad unknown"),
		P("X.224 data", "\x03\x00\x00\x0b\x02\xf0\x80\x7f\x65\x82\x01", "bad unknown"),
		P("X.224 longer than its TPKT", "\x03\x00\x00\x0b\x20\xe0\x00\x00\x00\x00\x00",
		  "bad unknown"),
	};
	check_all(p, HT_ARRAY_LEN(p));
}

#define CONNECT "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"
#define SOCKS4 "\x04\x01\x01\xbb\xc0\x00\x02\x01\x00"
#define SOCKS5 "\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb"
#define WEBSOCKET "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
#define V2_SIG "\r\n\r\n\0\r\nQUIT\n"

static void test_proxies(void **state) {
	(void)state;
	static const struct trigger t[] = {
		T("CONNECT", 0, CONNECT, "http-connect"),
		T("CONNECT, HTTP/1.0, no header", 0, "CONNECT a:443 HTTP/1.0\r\n\r\n",
		  "http-connect"),
		T("CONNECT, bare LF", 0, "CONNECT a:443 HTTP/1.0\n\n", "http-connect"),
		T("CONNECT, one word too many", 0, "CONNECT a:25 / HTTP/1.0\r\nx\r\n\r\n",
		  "http-connect"),
		T("SOCKS4", 0, SOCKS4, "socks4"),
		T("SOCKS4, user", 0, "\x04\x01\x01\xbb\xc0\x00\x02\x01user\x00", "socks4"),
		T("SOCKS4, bind", 0, "\x04\x02\x01\xbb\xc0\x00\x02\x01\x00", "socks4"),
		T("SOCKS4A", 0, "\x04\x01\x01\xbb\x00\x00\x00\x01user\x00www.example\x00",
		  "socks4"),
		T("SOCKS5", 0, SOCKS5, "socks5"),
		T("SOCKS5, name", 0,
		  "\x05\x01\x00\x05\x01\x00\x03\x03"
		  "a.b\x01\xbb",
		  "socks5"),
		T("SOCKS5, IPv6", 0,
		  "\x05\x01\x00\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb",
		  "socks5"),
		T("SOCKS5, password", 0,
		  "\x05\x02\x00\x02\x01\x03"
		  "bob\x05"
		  "alice\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb",
		  "socks5"),
		T("SOCKS5, empty password", 0,
		  "\x05\x02\x00\x02\x01\x01"
		  "b\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb",
		  "socks5"),
		T("PROXY v1", 0, "PROXY TCP4 192.0.2.1 192.0.2.2 5 443\r\n", "proxy-v1"),
		T("PROXY v1, IPv6", 0, "PROXY TCP6 2001:db8::1 2001:db8::2 5 443\r\n", "proxy-v1"),
		T("PROXY v1, unknown", 0, "PROXY UNKNOWN\r\n", "proxy-v1"),
		T("PROXY v2", 0,
		  V2_SIG "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x05\x01\xbb",
		  "proxy-v2"),
		T("PROXY v2, LOCAL", 0, V2_SIG "\x20\x00\x00\x00", "proxy-v2"),
		T("PROXY v2, TLVs", 0, V2_SIG "\x21\x00\x00\x05\x01\x00\x02h2", "proxy-v2"),
		T("RFC 2817", 0,
		  "OPTIONS * HTTP/1.1\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n",
		  "http-upgrade"),
		T("RFC 2817, a list", 0, "GET / HTTP/1.1\r\nupgrade: SSL/3.0,tls/1.2\r\n\r\n",
		  "http-upgrade"),
		T("RFC 2817, content", 0,
		  "OPTIONS * HTTP/1.1\r\nUpgrade: TLS/1.0\r\nContent-Length: 3\r\n\r\nabc",
		  "http-upgrade"),
	};
	check_triggers(t, HT_ARRAY_LEN(t));

	static const struct plain p[] = {
		P("CONNECT, then SMTP", CONNECT "EHLO x\r\nSTARTTLS\r\n" TLS,
		  "55=http-connect 73=http-connect,smtp tls"),
		P("CONNECT, then SMTP refused", CONNECT "EHLO x\r\nSTARTTLS\r\nSTARTTLS\r\n" TLS,
		  "55=http-connect 73=http-connect,smtp 83=http-connect,smtp tls"),
		P("CONNECT again after 407",
		  CONNECT "CONNECT a.example:443 HTTP/1.1\r\nProxy-Authorization: x\r\n\r\n" TLS,
		  "55=http-connect 113=http-connect tls"),
		P("CONNECT three times", CONNECT CONNECT CONNECT TLS,
		  "55=http-connect 110=http-connect 165=http-connect tls"),
		P("CONNECT through CONNECT", CONNECT "CONNECT b:443 HTTP/1.1\r\n\r\n" TLS,
		  "55=http-connect 81=http-connect,http-connect tls"),
		P("HTTP inside", CONNECT "GET / HTTP/1.1\r\n\r\n", "55=http-connect bad http"),
		P("SOCKS5, then CONNECT, then IMAP", SOCKS5 CONNECT "1 STARTTLS\r\n" TLS,
		  "13=socks5 68=socks5,http-connect 80=socks5,http-connect,imap tls"),
		P("SOCKS4, then RDP", SOCKS4 RDP_CR "\x03\x00\x00\x00" TLS,
		  "9=socks4 28=socks4,rdp tls"),
		P("PROXY v1, then v1, then PostgreSQL",
		  "PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n" PG_SSL TLS,
		  "15=proxy-v1 30=proxy-v1,proxy-v1 38=proxy-v1,proxy-v1,postgresql tls"),
		P("deeper than HT_VIA_MAX", SOCKS4 SOCKS4 SOCKS4 SOCKS4 SOCKS4,
		  "9=socks4 18=socks4,socks4 27=socks4,socks4,socks4 "
		  "36=socks4,socks4,socks4,socks4 "
		  "bad plain"),
		P("nothing known inside", SOCKS4 "\xff\xff\xff", "9=socks4 bad unknown"),
		P("RFC 2817, refused",
		  "OPTIONS * HTTP/1.1\r\nUpgrade: TLS/1.0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		  "40=http-upgrade bad http"),
		P("RFC 2817, asked again",
		  "OPTIONS * HTTP/1.1\r\nUpgrade: TLS/1.0\r\n\r\n"
		  "OPTIONS * HTTP/1.1\r\nUpgrade: TLS/1.0\r\n\r\n" TLS,
		  "40=http-upgrade 80=http-upgrade tls"),
		P("content not there yet",
		  "OPTIONS * HTTP/1.1\r\nUpgrade: TLS/1.0\r\nContent-Length: 3\r\n\r\nab", "more"),
		P("content over the cap",
		  "OPTIONS * HTTP/1.1\r\nUpgrade: TLS/1.0\r\nContent-Length: "
		  "99999999999999999999\r\n\r\n",
		  "bad http"),
		P("content of no length",
		  "OPTIONS * HTTP/1.1\r\nUpgrade: TLS/1.0\r\nContent-Length: -1\r\n\r\n",
		  "bad http"),
		P("chunked",
		  "OPTIONS * HTTP/1.1\r\nUpgrade: TLS/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
		  "bad http"),
		P("WebSocket", WEBSOCKET, "38=http-upgrade+framed more"),
		P("WebSocket, TLS", WEBSOCKET "\x82\x06" TLS, "38=http-upgrade+framed tls"),
		P("WebSocket, masked", WEBSOCKET "\x82\x82\xff\x0f\x55\xaa\xe9\x0c",
		  "38=http-upgrade+framed tls"),
		P("WebSocket, masked, a byte a frame, ping between",
		  WEBSOCKET "\x02\x81\xff\x00\x00\x00\xe9\x89\x81\x01\x02\x03\x04x"
			    "\x80\x81\x01\x00\x00\x00\x02",
		  "38=http-upgrade+framed tls"),
		P("WebSocket, length of 2 bytes", WEBSOCKET "\x82\x7e\x00\x06" TLS,
		  "38=http-upgrade+framed tls"),
		P("WebSocket, length of 8 bytes", WEBSOCKET "\x82\x7f\0\0\0\0\0\0\0\x06" TLS,
		  "38=http-upgrade+framed tls"),
		P("WebSocket, length over 4 GB", WEBSOCKET "\x82\x7f\0\0\0\1\0\0\0\x06" TLS,
		  "38=http-upgrade+framed bad http"),
		P("WebSocket, text", WEBSOCKET "\x81\x06" TLS, "38=http-upgrade+framed bad http"),
		P("WebSocket, compressed", WEBSOCKET "\xc2\x06" TLS,
		  "38=http-upgrade+framed bad http"),
		P("WebSocket, another protocol", WEBSOCKET "\x82\x04\x00\x01\x02\x03",
		  "38=http-upgrade+framed bad http"),
		P("WebSocket, ping, then closed", WEBSOCKET "\x89\x00\x88\x00",
		  "38=http-upgrade+framed over"),
		P("WebSocket refused, and no frame", WEBSOCKET "GET / HTTP/1.1\r\n\r\n",
		  "38=http-upgrade+framed bad http"),
		P("TLS inside another word", "GET / HTTP/1.1\r\nUpgrade: xTLS/1.0\r\n\r\n",
		  "bad http"),
		P("in another field", "GET / HTTP/1.1\r\nX-Upgrade: TLS/1.0\r\n\r\n", "bad http"),
		P("CONNECT with fields that begin like others",
		  "CONNECT a:1 HTTP/1.1\r\nContent-Length: 9\r\nTransfer-Encoding: "
		  "x\r\nU\r\n\r\n" TLS,
		  "68=http-connect tls"),
		P("CONNECT is no HTTP", "CONNECT\naccept-version:1.2\n", "bad unknown"),
		P("CONNECT without a version", "CONNECT a:443\r\n\r\n", "bad unknown"),
		P("SOCKS4, no address", "\x04\x01\x01\xbb\x00\x01\x02\x03\x00", "bad unknown"),
		P("SOCKS4, command 3", "\x04\x03\x01\xbb\xc0\x00\x02\x01\x00", "bad unknown"),
		P("SOCKS4, granted", "\x00\x5a\x01\xbb\xc0\x00\x02\x01", "bad server"),
		P("SOCKS4, refused", "\x00\x5b\x00\x00\x00\x00\x00\x00", "bad server"),
		P("SOCKS5, server", "\x05\x00\x05\x00\x00\x01", "bad server"),
		P("SOCKS5, server after a password", "\x05\x02\x01\x00\x05\x00\x00\x01",
		  "bad server"),
		P("SOCKS5, no method", "\x05\xff", "bad server"),
		P("SOCKS5, command 4", "\x05\x01\x00\x05\x04\x00\x01", "bad unknown"),
		P("SOCKS5, address type 2", "\x05\x01\x00\x05\x01\x00\x02", "bad unknown"),
		P("SOCKS5, 33 methods", "\x05\x21\x00\x01\x02\x03\x04\x05\x06", "bad unknown"),
		P("DCE/RPC", "\x05\x00\x0b\x03\x10\x00\x00\x00\x48\x00", "bad unknown"),
		P("PROXY v1, unknown family", "PROXY UDP4 1 2 3 4\r\n", "bad unknown"),
		P("PROXY v2, version 3", V2_SIG "\x31\x11\x00\x0c", "bad unknown"),
		P("PROXY v2, command 2", V2_SIG "\x22\x11\x00\x0c", "bad unknown"),
		P("nearly PROXY v2", "\r\n\r\n\r\n", "bad unknown"),
	};
	check_all(p, HT_ARRAY_LEN(p));
}

static void test_near_misses(void **state) {
	(void)state;
	static const struct plain p[] = {
		P("longer verb", "EHLO x\r\nSTARTTLSX\r\n" TLS, "bad plain"),
		P("argument", "EHLO x\r\nSTARTTLS now\r\n" TLS, "bad plain"),
		P("not the first word", "EHLO x\r\nX STARTTLS\r\n" TLS, "bad plain"),
		P("IMAP's in SMTP", "EHLO x\r\na1 STARTTLS\r\n" TLS, "bad plain"),
		P("SMTP's in IMAP", "a1 NOOP\r\nSTARTTLS\r\n" TLS, "bad plain"),
		P("no line end", "EHLO x\r\nSTARTTLS", "more"),
		P("in a mail", "EHLO x\r\nDATA\r\n\r\nSTARTTLS\r\n" TLS "\r\n.\r\n", "more"),
		P("in a chunk", "EHLO x\r\nBDAT 16\r\nSTARTTLS\r\n" TLS "\r\n", "more"),
		P("in a chunk over the cap", "EHLO x\r\nBDAT 99999999999999 LAST\r\n", "bad plain"),
		P("in a literal", "A1 APPEND x {18}\r\nA2 STARTTLS\r\n" TLS, "more"),
		P("behind a literal", "A1 LOGIN {1}\r\nx STARTTLS\r\n" TLS, "bad plain"),
		P("literal over the cap", "A1 APPEND x {999999999999}\r\n", "bad plain"),
		P("AUTH TLS in SMTP", "EHLO x\r\nAUTH TLS\r\n" TLS, "bad plain"),
		P("AUTH TLSX", "AUTH TLSX\r\n" TLS, "bad plain"),
		P("AUTH TLS with an argument", "AUTH TLS x\r\n" TLS, "bad plain"),
		P("STLS in FTP", "FEAT\r\nSTLS\r\n" TLS, "bad plain"),
		P("STARTTLS in POP3", "CAPA\r\nSTARTTLS\r\n" TLS, "bad plain"),
		P("tag with a plus", "a+ STARTTLS\r\n", "bad unknown"),
		P("refused, and again", "EHLO x\r\nSTARTTLS\r\nEHLO x\r\nSTARTTLS\r\n" TLS,
		  "18=smtp 36=smtp tls"),
		P("refused, another mechanism", "AUTH TLS\r\nAUTH SSL\r\n" TLS,
		  "10=ftp 20=ftp tls"),
		P("refused, then it turns out to be IRC", "STARTTLS\r\nNICK x\r\nSTARTTLS\r\n" TLS,
		  "10=sieve 28=irc tls"),
		P("injected before the hello", "EHLO x\r\nSTARTTLS\r\nMAIL FROM:<a>\r\n" TLS,
		  "18=smtp 33=smtp tls"),
		P("a byte like a hello, and no hello", "EHLO x\r\nSTARTTLS\r\n\x16\x04\x01",
		  "18=smtp bad plain"),
		P("binary behind the trigger", "EHLO x\r\nSTARTTLS\r\n\x80\x2e\x01",
		  "18=smtp bad plain"),
		P("binary", "EHLO x\r\n\x00\x01", "bad plain"),
		P("a hello nobody asked for", "EHLO x\r\n" TLS, "bad plain"),
		P("dialogue in clear", "USER x\r\nPASS y\r\nLIST\r\nQUIT\r\n", "more"),
		P("DATE in FTP is no candidate", "USER x\r\nDATE\r\nAUTH TLS\r\n" TLS,
		  "24=ftp tls"),
	};
	check_all(p, HT_ARRAY_LEN(p));
}

static void test_what_it_speaks(void **state) {
	(void)state;
	static const struct plain p[] = {
		P("SMTP greeting", "220 x ESMTP\r\n", "bad server"),
		P("long SMTP greeting", "220-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		  "bad server"),
		P("SMTP, no service", "554 no\r\n", "bad server"),
		P("NNTP greeting", "200 hi\r\n", "bad server"),
		P("NNTP, no posting", "201 hi\r\n", "bad server"),
		P("IMAP greeting", "* OK ready\r\n", "bad server"),
		P("IMAP, authenticated", "* PREAUTH x\r\n", "bad server"),
		P("POP3 greeting", "+OK\r\n", "bad server"),
		P("ManageSieve greeting", "\"IMPLEMENTATION\" \"x\"\r\n", "bad server"),
		P("IRC greeting", ":irc.example NOTICE * :hi\r\n", "bad server"),
		P("IRC greeting, old", "NOTICE AUTH :hi\r\n", "bad server"),
		P("IRC, turned away", "ERROR :Closing Link\r\n", "bad server"),
		P("HTTP answer", "HTTP/1.1 200 OK\r\n", "bad http"),
		P("GET", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "bad http"),
		P("GET, HTTP/0.9", "GET /\r\n", "bad http"),
		P("GET, head not whole", "GET / HTTP/1.1\r\nHost: x\r\n", "more"),
		P("POST", "POST ", "bad http"),
		P("PUT", "PUT ", "bad http"),
		P("HEAD", "HEAD ", "bad http"),
		P("h2c", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad http"),
		P("UPnP", "NOTIFY /x HTTP/1.1\r\n", "bad http"),
		P("SIP", "NOTIFY sip:a@b SIP/2.0\r\n", "bad rtsp"),
		P("SIP answer", "SIP/2.0 200 OK\r\n", "bad rtsp"),
		P("SIP OPTIONS", "OPTIONS sip:a@b SIP/2.0\r\n", "bad rtsp"),
		P("RTSP OPTIONS", "OPTIONS rtsp://a/ RTSP/1.0\r\n", "bad rtsp"),
		P("RTSP", "DESCRIBE rtsp://a/ RTSP/1.0\r\n", "bad rtsp"),
		P("SSH", "SSH-", "bad ssh"),
		P("SMB 1", "\x00\x00\x00\x45\xffSMB", "bad smb"),
		P("SMB 2", "\x00\x00\x00\x45\xfeSMB", "bad smb"),
		P("NetBIOS session", "\x81\x00\x00\x44 CK", "bad smb"),
		P("DNS query", "\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00",
		  "bad dns"),
		P("DNS answer", "\x01\x1d\x12\x34\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00",
		  "bad dns"),
		P("OpenVPN, client",
		  "\x00\x0e\x38\x11\x22\x33\x44\x55\x66\x77\x88\x00\x00\x00\x00\x00",
		  "bad openvpn"),
		P("OpenVPN, server", "\x00\x1a\x40\x11\x22\x33\x44\x55\x66\x77\x88\x01",
		  "bad openvpn"),
		P("BitTorrent",
		  "\x13"
		  "BitTorrent protocol",
		  "bad bittorrent"),
		P("Modbus", "\x00\x01\x00\x00\x00\x06\x0a\x01", "bad unknown"),
		P("MQTT", "\x10\x20\x00\x04MQTT", "bad unknown"),
		P("Redis", "*1\r\n$4\r\nPING\r\n", "bad unknown"),
		P("memcached", "set x 0 0 1\r\n", "bad unknown"),
		P("JSON", "{\"a\":1}", "bad unknown"),
		P("VNC", "RFB 003.008\n", "bad unknown"),
		P("words", "hello world\r\n", "bad unknown"),
		P("one word", "hello\r\n", "bad unknown"),
		P("33 letters", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bad unknown"),
		P("32 letters", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "more"),
		P("zeros", "\0\0\0\0\0\0\0\0", "bad unknown"),
		P("ff", "\xff\xff", "bad unknown"),
		P("alert", "\x15\x03\x01\x00\x02\x02\x28", "bad unknown"),
		P("application data", "\x17\x03\x03\x00\x20", "bad unknown"),
		P("nothing", "", "more"),
	};
	check_all(p, HT_ARRAY_LEN(p));
}

// fill makes a stream of `len` bytes: `head`, then `unit` repeated, then `tail`.
static char *fill(size_t len, const char *head, const char *unit, const char *tail) {
	char *s = malloc(len + 1);
	assert_non_null(s);
	size_t at = strlen(head), last = len - strlen(tail), step = strlen(unit);
	assert_true(at <= last);
	memcpy(s, head, at);
	for (size_t i = 0; at + i < last; i++)
		s[at + i] = unit[i % step];
	memcpy(s + last, tail, strlen(tail));
	return s;
}

static void check_long(
	const char *name,
	size_t len,
	const char *head,
	const char *unit,
	const char *tail,
	const char *want
) {
	char *s = fill(len, head, unit, tail);
	for (unsigned piece = 0; piece < 3; piece++) {
		static const size_t sizes[] = {SIZE_MAX, 1448, 7};
		struct caller c;
		new_caller(&c, 0);
		for (size_t n = 0; n < len && !c.done;) {
			n = len - n <= sizes[piece] ? len : n + sizes[piece];
			see(&c, s, n);
		}
		end(&c);
		if (strcmp(c.log.text, want) != 0)
			fail_msg(
				"%s in pieces of %zu: \"%s\", not \"%s\"", name, sizes[piece],
				c.log.text, want
			);
	}
	free(s);
}

static void test_caps(void **state) {
	(void)state;
	// Lines: 12288 bytes without the LF.
	check_long(
		"longest line", 12288 + 1 + 10, "EHLO ", "x", "\nSTARTTLS\r\n", "12299=smtp more"
	);
	check_long("line too long", 12288 + 2 + 10, "EHLO ", "x", "\nSTARTTLS\r\n", "bad plain");
	check_long("line without an end", 12289, "EHLO ", "x", "", "bad plain");
	check_long("line that can still end", 12288, "EHLO ", "x", "", "more");
	// A mail's lines have no cap of their own.
	check_long(
		"mail of one line", 20000, "EHLO x\r\nDATA\r\n", "x", "\r\n.\r\nSTARTTLS\r\n",
		"20000=smtp more"
	);
	// The head of a request that is not CONNECT: 8192 bytes.
	check_long(
		"longest head", 8192, "GET / HTTP/1.1\r\nUpgrade: TLS/1.0\r\nA: ", "x", "\r\n\r\n",
		"8192=http-upgrade more"
	);
	check_long(
		"head too long", 8193, "GET / HTTP/1.1\r\nUpgrade: TLS/1.0\r\nA: ", "x", "\r\n\r\n",
		"bad http"
	);
	check_long("request line too long", 8300, "CONNECT ", "x", " HTTP/1.1\r\n\r\n", "bad http");
	check_long(
		"head of CONNECT", 60000, "CONNECT a:1 HTTP/1.1\r\nA: ", "x", "\r\n\r\n",
		"60000=http-connect more"
	);
	// All of it: HT_UPGRADE_MAX.
	check_long(
		"as late as can be", HT_UPGRADE_MAX, "EHLO x\r\n\r\n\r\n", "NOOP\r\n",
		"STARTTLS\r\n", "65536=smtp more"
	);
	check_long(
		"too late", HT_UPGRADE_MAX + 6, "EHLO x\r\n\r\n\r\n", "NOOP\r\n", "STARTTLS\r\n",
		"bad plain"
	);
	check_long("stanza too long", 12500, STREAM "<a b='", "x", "'/>", "bad plain");
	check_long("too many open elements", 4000, STREAM, "<a>", "", "bad plain");
	check_long(
		"SOCKS4, longest user", 8 + 255, "\x04\x01\x01\xbb\xc0\x01\x02\x01", "u", "", "more"
	);
	check_long(
		"SOCKS4, user too long", 8 + 256, "\x04\x01\x01\xbb\xc0\x01\x02\x01", "u", "",
		"bad unknown"
	);
	check_long("PROXY v1, longest", 107, "PROXY UNKNOWN ", "x", "\r\n", "107=proxy-v1 more");
	check_long("PROXY v1, too long", 108, "PROXY UNKNOWN ", "x", "\r\n", "bad unknown");
}

static void test_names(void **state) {
	(void)state;
	assert_string_equal(ht_via_name(HT_VIA_SMTP), "smtp");
	assert_string_equal(ht_via_name(HT_VIA_HTTP_CONNECT), "http-connect");
	assert_string_equal(ht_via_name(HT_VIA_OPENVPN), "openvpn");
	assert_string_equal(ht_via_name(HT_NUM_VIAS), "?");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_triggers),  cmocka_unit_test(test_xmpp_triggers),
		cmocka_unit_test(test_ldap),	       cmocka_unit_test(test_databases_and_rdp),
		cmocka_unit_test(test_proxies),	       cmocka_unit_test(test_near_misses),
		cmocka_unit_test(test_what_it_speaks), cmocka_unit_test(test_caps),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
