// SPDX-License-Identifier: BSD-3-Clause
// Whole dialogues of the protocols that are no lines of text, and of proxies: what became of the
// upgrade, however the bytes of both sides were cut and whichever side came first.

#include "talk.h"

#define DONE "completed info"
#define ALONE "requested_unanswered"
#define UNUSED "offered_unused notice: asked for and granted, and no hello followed"
#define LATE "the server went on with TLS; no hello was seen whole"

// --- LDAP
// ------------------------------------------------------------------------------------------

#define OID "1.3.6.1.4.1.1466.20037"
#define START_TLS "\x30\x1d\x02\x01\x01\x77\x18\x80\x16" OID
#define START_TLS_AD \
	"\x30\x84\x00\x00\x00\x25\x02\x01\x01\x77\x84\x00\x00\x00\x1c\x80\x84\x00\x00\x00\x16" OID
#define RESULT(op, code) "\x30\x0c\x02\x01\x01" op "\x07\x0a\x01" code "\x04\x00\x04\x00"
#define RESULT_AD(op, code) \
	"\x30\x84\x00\x00\x00\x10\x02\x01\x01" op "\x84\x00\x00\x00\x07\x0a\x01" code \
	"\x04\x00\x04\x00"
#define YES RESULT("\x78", "\x00")
#define ANON "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"
#define BIND "\x30\x10\x02\x01\x02\x60\x0b\x02\x01\x03\x04\x02n=\x80\x02pw"
#define SASL(name) \
	"\x30\x15\x02\x01\x02\x60\x10\x02\x01\x03\x04\x00\xa3\x09\x04\x05" name "\x04\x00"
#define WHOAMI \
	"\x30\x0a\x02\x01\x04\x77\x05\x80\x03" \
	"1.2"
#define SEARCH "\x30\x07\x02\x01\x02\x63\x02\x04\x00"
#define ROOT(oid) \
	"\x30\x44\x02\x01\x02\x64\x3f\x04\x00\x30\x3b" \
	"\x30\x07\x04\x01" \
	"a\x31\x02\x04\x00" \
	"\x30\x30\x04\x12supportedExtension\x31\x1a\x04\x16" oid "\x04\x00"
#define FOUND RESULT("\x65", "\x00")
#define UNBIND "\x30\x05\x02\x01\x09\x42\x00"

static void test_ldap(void **state) {
	(void)state;
	static const struct dialogue d[] = {
		{"granted",
		 {C(START_TLS), S(YES), C(TLS), S(TLS)},
		 "ldap",
		 DONE,
		 DONE,
		 "completed"},
		{"long lengths",
		 {C(START_TLS_AD), S(RESULT_AD("\x78", "\x00")), C(TLS), S(TLS)},
		 "ldap",
		 DONE,
		 DONE,
		 "completed"},
		{"granted, no hello", {C(START_TLS), S(YES)}, "ldap", UNUSED, ALONE, "-"},
		{"granted, the hello is missing",
		 {C(START_TLS), S(YES TLS)},
		 "ldap",
		 "completed info: " LATE,
		 ALONE,
		 "completed"},
		{"no answer",
		 {C(START_TLS)},
		 "ldap",
		 "requested_unanswered notice: no answer was seen",
		 ALONE,
		 "-"},
		{"refused",
		 {C(START_TLS), S(RESULT("\x78", "\x34")), C(ANON)},
		 "ldap",
		 "refused notice",
		 ALONE,
		 "-",
		 .said = HT_SAID_WENT_ON},
		{"not known",
		 {C(START_TLS), S(RESULT("\x78", "\x02"))},
		 "ldap",
		 "refused notice: the server does not know the command",
		 ALONE,
		 "-"},
		{"offered, then not known",
		 {C(SEARCH), S(ROOT(OID) FOUND), C(START_TLS), S(RESULT("\x78", "\x02"))},
		 "ldap",
		 "stripped critical: the server offered it, then did not know the command",
		 ALONE,
		 "offered_unused info"},
		{"refused, then granted",
		 {C(START_TLS), S(RESULT("\x78", "\x34")), C(START_TLS), S(YES), C(TLS)},
		 "ldap",
		 DONE,
		 DONE,
		 "-"},
		{"among other extended requests",
		 {C(WHOAMI WHOAMI), S(YES), S(YES), C(START_TLS), S(RESULT("\x78", "\x34")),
		  C(WHOAMI), S(YES)},
		 "ldap",
		 "refused notice",
		 ALONE,
		 "-"},
		{"answers out of order, searches between",
		 {C(SEARCH START_TLS SEARCH), S(RESULT("\x78", "\x34")), S(FOUND), S(FOUND)},
		 "ldap",
		 "refused notice",
		 ALONE,
		 "-"},
		{"a notice is no answer",
		 {C(START_TLS), S("\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00")},
		 "ldap",
		 "requested_unanswered notice: no answer was seen",
		 ALONE,
		 "-"},
		{"offered, login in clear",
		 {C(SEARCH), S(ROOT(OID) FOUND), C(BIND), S(RESULT("\x61", "\x00"))},
		 "ldap",
		 "plain_credentials warning: a login in clear; the server offered TLS",
		 "-",
		 "offered_unused info"},
		{"required",
		 {C(BIND), S(RESULT("\x61", "\x0d"))},
		 "ldap",
		 "plain_credentials warning: a login in clear; the server requires TLS",
		 "-",
		 "offered_unused info: the server requires TLS"},
		{"required of an anonymous",
		 {C(ANON), S(RESULT("\x61", "\x0d")), C(UNBIND)},
		 "ldap",
		 "offered_unused info: the server requires TLS",
		 "-",
		 "offered_unused info"},
		{"SASL PLAIN",
		 {C(SEARCH), S(ROOT(OID) FOUND), C(SASL("PLAIN"))},
		 "ldap",
		 "plain_credentials warning: a login in clear; the server offered TLS",
		 "-",
		 "offered_unused info"},
		{"SASL that shows nothing",
		 {C(SEARCH), S(ROOT(OID) FOUND), C(SASL("GSSAP"))},
		 "ldap",
		 "offered_unused info",
		 "-",
		 "offered_unused info"},
		{"login, nothing offered",
		 {C(BIND), S(RESULT("\x61", "\x00"))},
		 "ldap",
		 "-",
		 "-",
		 "-"},
		{"not offered",
		 {C(SEARCH), S(ROOT("1.3.6.1.4.1.1466.20036") FOUND)},
		 "ldap",
		 "not_offered info",
		 "-",
		 "not_offered info"},
		{"not offered, and was before",
		 {C(SEARCH), S(ROOT("1.3.6.1.4.1.1466.20036") FOUND)},
		 "ldap",
		 "stripped critical: not offered, though this server did on an earlier connection",
		 "-",
		 "stripped critical",
		 .offered_before = true},
		{"overwritten",
		 {C(SEARCH), S(ROOT("XXXXXXXXXXXXXXXXXXXXXX") FOUND)},
		 "ldap",
		 "stripped critical: a line of what the server can do was overwritten",
		 "-",
		 "stripped critical"},
		{"an entry with a name is not the rootDSE",
		 {C(SEARCH), S("\x30\x0b\x02\x01\x02\x64\x06\x04\x02n=\x30\x00" FOUND)},
		 "ldap",
		 "-",
		 "-",
		 "-"},
		{"injected before the hello",
		 {C(START_TLS ANON), S(YES), C(TLS)},
		 "ldap",
		 "completed warning: commands in clear stood between the request and the hello",
		 "completed warning",
		 "-"},
	};
	check_all(d, HT_ARRAY_LEN(d));
}

// An entry longer than HT_ANSWER_BYTES is passed over, a long rootDSE read attribute by attribute.
static void test_ldap_long(void **state) {
	(void)state;
	for (unsigned root = 0; root < 2; root++) {
		struct talk t;
		static uint8_t m[6000];
		size_t n = 0;
		static const char head[] = "\x30\x82\x17\x3c\x02\x01\x02\x64\x82\x17\x35\x04";
		memcpy(m, head, sizeof(head) - 1);
		n += sizeof(head) - 1;
		if (root == 0)
			m[n++] = 1, m[n++] = 'n';
		else
			m[n++] = 0;
		static const char list[] = "\x30\x82\x17\x2f\x30\x82\x16\xf9\x04\x01"
					   "a";
		memcpy(m + n, list, sizeof(list) - 1);
		n += sizeof(list) - 1;
		size_t last = 4 + 0x173c - 50;
		memset(m + n, 'x', sizeof(m) - n);
		static const char extension[]
			= "\x30\x30\x04\x12supportedExtension\x31\x1a\x04\x16" OID
			  "\x04\x00" FOUND RESULT("\x78", "\x34");
		memcpy(m + last, extension, sizeof(extension) - 1);
		n = last + sizeof(extension) - 1;
		for (size_t piece = 1; piece < 3000; piece = piece * 3 + 1) {
			begin(&t);
			for (size_t at = 0; at < n; at += piece)
				say(&t, 'S', (const char *)m + at, n - at < piece ? n - at : piece);
			end(&t);
			assert_int_equal(t.a.num, 1);
			assert_int_equal(t.a.reply[0], HT_ANSWER_NO);
			assert_int_equal(t.a.said, root ? HT_SAID_LISTED | HT_SAID_OFFERED : 0);
		}
	}
}

// --- XMPP
// ------------------------------------------------------------------------------------------

#define XTLS "xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
#define OPEN "<?xml version='1.0'?><stream:stream to='x' version='1.0'>"
#define OPENED "<?xml version='1.0'?><stream:stream from='x' id='a>b' version=\"1.0\">\n"
#define FEATURES(inside) "<stream:features>" inside "</stream:features>"
#define WANTS "<starttls " XTLS "/>"
#define MECHANISMS "<mechanisms xmlns='s'><mechanism>PLAIN</mechanism><required/></mechanisms>"
#define PROCEED "<proceed " XTLS "/>"
#define FAILURE "<failure " XTLS "/>"
#define PLAIN_AUTH \
	"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>"

static void test_xmpp(void **state) {
	(void)state;
	static const struct dialogue d[] = {
		{"granted",
		 {C(OPEN), S(OPENED FEATURES(WANTS MECHANISMS)), C(WANTS), S(PROCEED), C(TLS),
		  S(TLS)},
		 "xmpp",
		 DONE,
		 DONE,
		 "completed"},
		{"required, refused",
		 {C(OPEN),
		  S(OPENED FEATURES("<starttls " XTLS "><required/></starttls>" MECHANISMS)),
		  C(WANTS), S(FAILURE "</stream:stream>")},
		 "xmpp",
		 "refused notice: offered, then refused",
		 ALONE,
		 "offered_unused info",
		 .said = HT_SAID_REQUIRED | HT_SAID_LISTED},
		{"required of another feature",
		 {C(OPEN), S(OPENED FEATURES(WANTS MECHANISMS))},
		 "xmpp",
		 "offered_unused info",
		 "-",
		 "offered_unused info"},
		{"not offered, login",
		 {C(OPEN), S(OPENED FEATURES(MECHANISMS)), C(PLAIN_AUTH)},
		 "xmpp",
		 "not_offered info",
		 "-",
		 "not_offered info",
		 .said = HT_SAID_LOGIN},
		{"not offered, and was before",
		 {C(OPEN), S(OPENED FEATURES(MECHANISMS))},
		 "xmpp",
		 "stripped critical: not offered, though this server did on an earlier connection",
		 "-",
		 "stripped critical",
		 .offered_before = true},
		{"features that break off",
		 {C(OPEN), S(OPENED "<stream:features>" MECHANISMS "<startt")},
		 "xmpp",
		 "-",
		 "-",
		 "-",
		 .offered_before = true},
		{"no features at all",
		 {C(OPEN), S(OPENED "<stream:features/>" WANTS)},
		 "xmpp",
		 "not_offered info",
		 "-",
		 "not_offered info"},
		{"offered, login in clear",
		 {C(OPEN), S(OPENED FEATURES(WANTS)), C(PLAIN_AUTH)},
		 "xmpp",
		 "plain_credentials warning: a login in clear; the server offered TLS",
		 "-",
		 "offered_unused info"},
		{"offered, login that shows nothing",
		 {C(OPEN), S(OPENED FEATURES(WANTS)),
		  C("<auth mechanism='SCRAM-SHA-1'>biws</auth>")},
		 "xmpp",
		 "offered_unused info",
		 "-",
		 "offered_unused info"},
		{"the old login, password",
		 {C(OPEN), S(OPENED FEATURES(WANTS)),
		  C("<iq type='set' id='a'><query xmlns='jabber:iq:auth'><username>a</username>"
		    "<password>b</password></query></iq>")},
		 "xmpp",
		 "plain_credentials warning: a login in clear; the server offered TLS",
		 "-",
		 "offered_unused info"},
		{"the old login, digest",
		 {C(OPEN), S(OPENED FEATURES(WANTS)),
		  C("<iq type='set' id='a'><query xmlns='jabber:iq:auth'><username>a</username>"
		    "<digest>b</digest></query></iq><message><password>x</password></message>")},
		 "xmpp",
		 "offered_unused info",
		 "-",
		 "offered_unused info"},
		{"login, then a second list",
		 {C(OPEN), S(OPENED FEATURES(WANTS)), C(PLAIN_AUTH), S("<success/>"), C(OPEN),
		  S(OPENED FEATURES("<bind/>"))},
		 "xmpp",
		 "plain_credentials warning: a login in clear; the server offered TLS",
		 "-",
		 "offered_unused info"},
		{"offer overwritten",
		 {C(OPEN), S(OPENED FEATURES("<XXXXXXXX " XTLS "/>" MECHANISMS))},
		 "xmpp",
		 "stripped critical: a line of what the server can do was overwritten",
		 "-",
		 "stripped critical"},
		{"request overwritten",
		 {C(OPEN), S(OPENED FEATURES(WANTS)), C("<XXXXXXXX " XTLS "/>")},
		 "xmpp",
		 "stripped critical: a command of the client was overwritten",
		 "stripped critical",
		 "offered_unused info"},
		{"SASL's failure is another, and it requires TLS",
		 {C(OPEN), S(OPENED FEATURES(MECHANISMS)), C(PLAIN_AUTH),
		  S("<failure "
		    "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><encryption-required/></failure>")},
		 "xmpp",
		 "plain_credentials warning: a login in clear; the server requires TLS",
		 "-",
		 "not_offered warning: the server requires TLS, and its list lacks it"},
		{"in clear behind the go-ahead",
		 {C(OPEN), S(OPENED FEATURES(WANTS)), C(WANTS), S(PROCEED "<stream:features/>"),
		  C(TLS)},
		 "xmpp",
		 "completed warning: the server's side went on in clear behind its go-ahead",
		 DONE,
		 "offered_unused info"},
		{"stanza injected",
		 {C(OPEN), S(OPENED FEATURES(WANTS)), C(WANTS "<iq/>"), S(PROCEED), C(TLS)},
		 "xmpp",
		 "completed warning: commands in clear stood between the request and the hello",
		 "completed warning",
		 "offered_unused info"},
		{"refused, then granted",
		 {C(OPEN WANTS), S(OPENED FAILURE), C(OPEN WANTS), S(OPENED PROCEED "\n"), C(TLS),
		  S(TLS)},
		 "xmpp",
		 DONE,
		 DONE,
		 "completed"},
	};
	check_all(d, HT_ARRAY_LEN(d));
}

// --- PostgreSQL
// ------------------------------------------------------------------------------------

#define PG_SSL "\x00\x00\x00\x08\x04\xd2\x16\x2f"
#define PG_GSS "\x00\x00\x00\x08\x04\xd2\x16\x30"
#define STARTUP "\x00\x00\x00\x11\x00\x03\x00\x00user\x00x\x00\x00\x00"
#define AUTH_CLEAR "R\x00\x00\x00\x08\x00\x00\x00\x03"
#define AUTH_OK "R\x00\x00\x00\x08\x00\x00\x00\x00"
#define PASSWORD "p\x00\x00\x00\x0bsecret\x00"
#define MD5 "p\x00\x00\x00\x28md50123456789abcdef0123456789abcdef\x00"
#define SCRAM "p\x00\x00\x00\x1aSCRAM-SHA-256\x00\x00\x00\x00\x04n,,n"
#define GSSAPI "p\x00\x00\x00\x08\x60\x82\x01\x00"

static void test_postgresql(void **state) {
	(void)state;
	static const struct dialogue d[] = {
		{"granted",
		 {C(PG_SSL), S("S"), C(TLS), S(TLS)},
		 "postgresql",
		 DONE,
		 DONE,
		 "completed"},
		{"granted, no hello", {C(PG_SSL), S("S")}, "postgresql", UNUSED, ALONE, "-"},
		{"GSSAPI first",
		 {C(PG_GSS), S("N"), C(PG_SSL), S("S"), C(TLS), S(TLS)},
		 "postgresql",
		 DONE,
		 DONE,
		 "completed"},
		{"GSSAPI first, both refused",
		 {C(PG_GSS), S("N"), C(PG_SSL), S("N"), C(STARTUP), S(AUTH_OK)},
		 "postgresql",
		 "refused notice",
		 ALONE,
		 "-",
		 .said = HT_SAID_WENT_ON},
		{"refused", {C(PG_SSL), S("N")}, "postgresql", "refused notice", ALONE, "-"},
		{"refused, password",
		 {C(PG_SSL), S("N"), C(STARTUP), S(AUTH_CLEAR), C(PASSWORD), S(AUTH_OK)},
		 "postgresql",
		 "refused notice",
		 ALONE,
		 "-",
		 .said = HT_SAID_WENT_ON | HT_SAID_LOGIN},
		{"refused, and was granted before",
		 {C(PG_SSL), S("N"), C(STARTUP)},
		 "postgresql",
		 "stripped critical: refused, though this server did not on an earlier connection",
		 ALONE,
		 "-",
		 .offered_before = true},
		{"granted, and a password in clear",
		 {C(PG_SSL), S("S"), C(STARTUP PASSWORD)},
		 "postgresql",
		 "plain_credentials warning: a login in clear; the server offered TLS",
		 ALONE,
		 "-"},
		{"granted, and a hash",
		 {C(PG_SSL), S("S"), C(STARTUP MD5)},
		 "postgresql",
		 UNUSED,
		 ALONE,
		 "-"},
		{"granted, and SCRAM",
		 {C(PG_SSL), S("S"), C(STARTUP SCRAM)},
		 "postgresql",
		 UNUSED,
		 ALONE,
		 "-"},
		{"granted, and GSSAPI",
		 {C(PG_SSL), S("S"), C(STARTUP GSSAPI)},
		 "postgresql",
		 UNUSED,
		 ALONE,
		 "-"},
		{"error",
		 {C(PG_SSL), S("E\x00\x00\x00\x0bSFATAL\x00")},
		 "postgresql",
		 "refused notice",
		 ALONE,
		 "-"},
		{"in clear behind the go-ahead",
		 {C(PG_SSL), S("S" AUTH_OK), C(TLS)},
		 "postgresql",
		 "completed warning: the server's side went on in clear behind its go-ahead",
		 DONE,
		 "offered_unused info"},
		{"nothing asked",
		 {C(STARTUP), S(AUTH_CLEAR), C(PASSWORD)},
		 "postgresql",
		 "-",
		 "-",
		 "-"},
		{"no answer",
		 {C(PG_SSL)},
		 "postgresql",
		 "requested_unanswered notice: no answer was seen",
		 ALONE,
		 "-"},
	};
	check_all(d, HT_ARRAY_LEN(d));
}

// --- MySQL
// -----------------------------------------------------------------------------------------

#define ZERO23 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define ZERO10 "\0\0\0\0\0\0\0\0\0\0"
// `len` is 36 and the tail's.
#define GREETING(len, caps, tail) \
	len "\x00\x00\x00\x0a" \
	    "8.0\x00\x01\x00\x00\x00saltsalt\x00" caps "\x21\x02\x00\xff\xc1\x15" ZERO10 tail
#define GREETING_TLS GREETING("\x37", "\xff\xff", "saltsaltsalt\0mysql\0")
#define GREETING_PLAIN GREETING("\x37", "\xff\xf7", "saltsaltsalt\0mysql\0")
#define MYSQL_SSL "\x20\x00\x00\x01\x85\xae\x0f\x00\x00\x00\x00\x01\x21" ZERO23
#define LOGIN_WITH(plugin, len) \
	len "\x00\x00\x01\x85\xa2\x2a\x00\x00\x00\x00\x01\x21" ZERO23 "bob\x00\x03pw\x00" plugin \
	    "\x00"
#define LOGIN_CLEAR LOGIN_WITH("mysql_clear_password", "\x3d")
#define LOGIN_HASH LOGIN_WITH("mysql_native_passwor", "\x3d")
#define MYSQL_OK "\x07\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00"
#define MYSQL_ERR "\x09\x00\x00\x02\xff\x15\x04#28000"

static void test_mysql(void **state) {
	(void)state;
	static const struct dialogue d[] = {
		{"asked",
		 {S(GREETING_TLS), C(MYSQL_SSL), C(TLS), S(TLS)},
		 "mysql",
		 DONE,
		 DONE,
		 "completed"},
		{"offered, login in clear",
		 {S(GREETING_TLS), C(LOGIN_CLEAR), S(MYSQL_OK)},
		 "mysql",
		 "plain_credentials warning: a login in clear; the server offered TLS",
		 "-",
		 "offered_unused info"},
		{"offered, a hash",
		 {S(GREETING_TLS), C(LOGIN_HASH), S(MYSQL_OK)},
		 "mysql",
		 "offered_unused info",
		 "-",
		 "offered_unused info"},
		{"not offered",
		 {S(GREETING_PLAIN), C(LOGIN_CLEAR), S(MYSQL_OK)},
		 "mysql",
		 "not_offered info",
		 "-",
		 "not_offered info",
		 .said = HT_SAID_LOGIN},
		{"not offered, and was before",
		 {S(GREETING_PLAIN), C(LOGIN_HASH), S(MYSQL_OK)},
		 "mysql",
		 "stripped critical: not offered, though this server did on an earlier connection",
		 "-",
		 "stripped critical",
		 .offered_before = true},
		{"refused",
		 {S(GREETING_TLS), C(MYSQL_SSL), S(MYSQL_ERR)},
		 "mysql",
		 "refused notice: offered, then refused",
		 ALONE,
		 "offered_unused info"},
		{"asked, then went on in clear",
		 {S(GREETING_TLS), C(MYSQL_SSL "\x52\x00\x00\x02")},
		 "mysql",
		 "requested_unanswered notice: no answer was seen",
		 ALONE,
		 "offered_unused info",
		 .said = HT_SAID_WENT_ON},
		{"a host that may not connect",
		 {S("\x0b\x00\x00\x00\xff\x6a\x04"
		    "no such!!")},
		 "mysql",
		 "-",
		 "-",
		 "-"},
		{"a greeting that begins like a reply code",
		 {S(GREETING("\x32", "\xff\xff", ZERO10 "1234"))},
		 "mysql",
		 "offered_unused info",
		 "-",
		 "offered_unused info"},
		{"a greeting that begins like XML",
		 {S(GREETING("\x3c", "\xff\xff", ZERO10 ZERO10 "1234"))},
		 "mysql",
		 "offered_unused info",
		 "-",
		 "offered_unused info"},
		{"a greeting that begins like LDAP",
		 {S(GREETING("\x30", "\xff\xff", ZERO10 "12"))},
		 "mysql",
		 "offered_unused info",
		 "-",
		 "offered_unused info"},
		{"a greeting that begins like PostgreSQL",
		 {S(GREETING("S", "\xff\xf7", ZERO23 ZERO23 "1"))},
		 "mysql",
		 "not_offered info",
		 "-",
		 "not_offered info"},
		{"a greeting that begins like TLS",
		 {S("\x16\x00\x00\x00\x0a"
		    "3\x00\x01\x00\x00\x00saltsalt"
		    "\x00\x00\x08\x21\x02\x00\x00")},
		 "mysql",
		 "offered_unused info",
		 "-",
		 "offered_unused info"},
	};
	check_all(d, HT_ARRAY_LEN(d));
}

// --- TDS, RDP, ADB
// -----------------------------------------------------------------------------------

#define PRELOGIN_AS(type, encryption) \
	type "\x01\x00\x1a\x00\x00\x00\x00" \
	     "\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff\x09\x00\x00\x00\x00\x00" encryption
#define PRELOGIN(encryption) PRELOGIN_AS("\x12", encryption)
#define PRELOGON(encryption) PRELOGIN_AS("\x04", encryption)
#define ZERO46 ZERO23 ZERO23
#define LOGIN7(password_chars) "\x10\x01\x00\x40\x00\x00\x01\x00" ZERO46 password_chars "\0"
#define IN_TDS(len) "\x12\x01\x00" len "\0\0\0\0"
#define TDS_TLS IN_TDS("\x0a") "\x16\x03" IN_TDS("\x0c") "\x01\x00\x05\x01"
#define TDS_PLAIN "\x04\x01\x00\x0d\x00\x33\x01\x00\xad\x00\x00\x00\x00"

static void test_tds(void **state) {
	(void)state;
	static const struct dialogue d[] = {
		{"on",
		 {C(PRELOGIN("\x01")), S(PRELOGON("\x01")), C(TDS_TLS), S(TDS_TLS)},
		 "tds",
		 DONE,
		 DONE,
		 "completed"},
		{"for the login alone",
		 {C(PRELOGIN("\x00")), S(PRELOGON("\x00")), C(TDS_TLS), S(TDS_TLS)},
		 "tds",
		 DONE,
		 DONE,
		 "completed"},
		{"required, no hello",
		 {C(PRELOGIN("\x01")), S(PRELOGON("\x03"))},
		 "tds",
		 UNUSED,
		 ALONE,
		 "offered_unused info",
		 .said = HT_SAID_REQUIRED},
		{"not supported",
		 {C(PRELOGIN("\x00")), S(PRELOGON("\x02")), C(LOGIN7("\x04")), S(TDS_PLAIN)},
		 "tds",
		 "refused notice",
		 ALONE,
		 "-",
		 .said = HT_SAID_LOGIN | HT_SAID_WENT_ON},
		{"not supported, and was before",
		 {C(PRELOGIN("\x00")), S(PRELOGON("\x02")), C(LOGIN7("\x04"))},
		 "tds",
		 "stripped critical: refused, though this server did not on an earlier connection",
		 ALONE,
		 "-",
		 .offered_before = true},
		{"client does not",
		 {C(PRELOGIN("\x02")), S(PRELOGON("\x02")), C(LOGIN7("\x04")), S(TDS_PLAIN)},
		 "tds",
		 "-",
		 "-",
		 "-",
		 .offered_before = true,
		 .said = HT_SAID_LOGIN},
		{"client does not, the server requires it",
		 {C(PRELOGIN("\x02")), S(PRELOGON("\x03")), C(LOGIN7("\x04"))},
		 "tds",
		 "plain_credentials warning: a login in clear; the server requires TLS",
		 "-",
		 "offered_unused info"},
		{"no password in it",
		 {C(PRELOGIN("\x02")), S(PRELOGON("\x03")), C(LOGIN7("\x00"))},
		 "tds",
		 "offered_unused info: the server requires TLS",
		 "-",
		 "offered_unused info"},
		{"granted, login in clear",
		 {C(PRELOGIN("\x00")), S(PRELOGON("\x00")), C(LOGIN7("\x01"))},
		 "tds",
		 "plain_credentials warning: a login in clear; the server offered TLS",
		 ALONE,
		 "offered_unused info"},
	};
	check_all(d, HT_ARRAY_LEN(d));
}

#define RDP_CR(protocols) \
	"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00" protocols "\x00\x00\x00"
#define RDP_CC(kind, value) \
	"\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00" kind "\x00\x08\x00" value "\x00\x00\x00"
#define RDP_OLD "\x03\x00\x00\x0b\x06\xd0\x00\x00\x12\x34\x00"

static void test_rdp(void **state) {
	(void)state;
	static const struct dialogue d[] = {
		{"granted",
		 {C(RDP_CR("\x03")), S(RDP_CC("\x02", "\x02")), C(TLS), S(TLS)},
		 "rdp",
		 DONE,
		 DONE,
		 "completed"},
		{"granted, no hello",
		 {C(RDP_CR("\x03")), S(RDP_CC("\x02", "\x01"))},
		 "rdp",
		 UNUSED,
		 ALONE,
		 "offered_unused info"},
		{"protocol 0",
		 {C(RDP_CR("\x01")), S(RDP_CC("\x02", "\x00")), C("\x03\x00\x01\x9c")},
		 "rdp",
		 "refused notice",
		 ALONE,
		 "-",
		 .said = HT_SAID_WENT_ON},
		{"failure",
		 {C(RDP_CR("\x01")), S(RDP_CC("\x03", "\x02"))},
		 "rdp",
		 "refused notice",
		 ALONE,
		 "-"},
		{"more is required",
		 {C(RDP_CR("\x01")), S(RDP_CC("\x03", "\x05"))},
		 "rdp",
		 "refused notice: offered, then refused",
		 ALONE,
		 "offered_unused info",
		 .said = HT_SAID_REQUIRED},
		{"not known", {C(RDP_CR("\x01")), S(RDP_OLD)}, "rdp", "refused notice", ALONE, "-"},
		{"not asked", {C(RDP_CR("\x00")), S(RDP_OLD)}, "rdp", "-", "-", "-"},
	};
	check_all(d, HT_ARRAY_LEN(d));
}

#define CNXN(banner) "CNXN\1\0\0\1\0\0\4\0\7\0\0\0\0\0\0\0\xbc\xb1\xa7\xb1" banner
#define STLS "STLS\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\xac\xab\xb3\xac"

static void test_adb(void **state) {
	(void)state;
	static const struct dialogue d[] = {
		{"asked",
		 {C(CNXN("host::\0")), S(STLS), C(STLS), C(TLS), S(TLS)},
		 "adb",
		 DONE,
		 DONE,
		 "completed"},
		{"the host asks first",
		 {C(CNXN("host::\0")), S(CNXN("device:")), C(STLS), S(STLS), C(TLS), S(TLS)},
		 "adb",
		 DONE,
		 DONE,
		 "completed"},
		{"asked, and went on in clear",
		 {C(CNXN("host::\0")), S(CNXN("device:")), C(STLS), S("OKAY" ZERO23 "\0")},
		 "adb",
		 "-",
		 ALONE,
		 "-"},
		{"in clear", {C(CNXN("host::\0")), S(CNXN("device:"))}, "adb", "-", "-", "-"},
	};
	check_all(d, HT_ARRAY_LEN(d));
}

// --- HTTP and SOCKS
// ----------------------------------------------------------------------------------

#define CONNECT(more) "CONNECT a.example:443 HTTP/1.1\r\n" more "\r\n"
#define ESTABLISHED "HTTP/1.1 200 Connection established\r\n\r\n"
#define DENIED "HTTP/1.1 407 No\r\nContent-Length: 6\r\n\r\ndenied"
#define UPGRADE "OPTIONS * HTTP/1.1\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n"
#define WEBSOCKET "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
#define SWITCHING "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"

static void test_http(void **state) {
	(void)state;
	static const struct dialogue d[] = {
		{"CONNECT",
		 {C(CONNECT("")), S(ESTABLISHED), C(TLS), S(TLS)},
		 "http-connect",
		 DONE,
		 DONE,
		 "completed"},
		{"CONNECT, something else inside",
		 {C(CONNECT("")), S(ESTABLISHED), C("\xff\xff"), S("\xff")},
		 "http-connect",
		 "-",
		 "-",
		 "-"},
		{"CONNECT refused",
		 {C(CONNECT("")), S("HTTP/1.1 403 No\r\n\r\n")},
		 "http-connect",
		 "refused notice",
		 "-",
		 "-"},
		{"CONNECT, 407, granted",
		 {C(CONNECT("")), S(DENIED), C(CONNECT("Proxy-Authorization: x\r\n")),
		  S(ESTABLISHED), C(TLS), S(TLS)},
		 "http-connect",
		 DONE,
		 DONE,
		 "completed"},
		{"CONNECT, 407, 407",
		 {C(CONNECT("")), S(DENIED), C(CONNECT("A: x\r\n")), S(DENIED)},
		 "http-connect",
		 "refused notice",
		 "-",
		 "-"},
		{"CONNECT, 407, 200 and silence",
		 {C(CONNECT("")), S(DENIED), C(CONNECT("A: x\r\n")), S(ESTABLISHED)},
		 "http-connect",
		 "-",
		 "-",
		 "-"},
		{"CONNECT, not answered", {C(CONNECT(""))}, "http-connect", "-", "-", "-"},
		{"CONNECT, 100, 200",
		 {C(CONNECT("")), S("HTTP/1.1 100 Continue\r\n\r\n" ESTABLISHED), C(TLS)},
		 "http-connect",
		 DONE,
		 DONE,
		 "-"},
		{"CONNECT, a length of 0 all the same",
		 {C(CONNECT("")), S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
		  C("EHLO x\r\n"), S("\xff")},
		 "http-connect,smtp",
		 "-",
		 "-",
		 "-"},
		{"CONNECT, TLS through a length of 0",
		 {C(CONNECT("")), S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), C(TLS),
		  S(TLS)},
		 "http-connect",
		 DONE,
		 DONE,
		 "completed"},
		{"CONNECT, then PostgreSQL",
		 {C(CONNECT("")), S(ESTABLISHED), C(PG_SSL), S("N"), C(STARTUP)},
		 "http-connect,postgresql",
		 "refused notice",
		 ALONE,
		 "-"},
		{"CONNECT through CONNECT, then LDAP",
		 {C(CONNECT("")), S(ESTABLISHED), C("CONNECT b:389 HTTP/1.1\r\n\r\n"),
		  S(ESTABLISHED), C(START_TLS), S(RESULT("\x78", "\x34"))},
		 "http-connect,http-connect,ldap",
		 "refused notice",
		 ALONE,
		 "-"},
		{"Upgrade",
		 {C(UPGRADE), S(SWITCHING), C(TLS), S(TLS)},
		 "http-upgrade",
		 DONE,
		 DONE,
		 "completed"},
		{"Upgrade ignored",
		 {C(UPGRADE), S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")},
		 "http-upgrade",
		 "refused notice: the answer was no go-ahead",
		 ALONE,
		 "-"},
		{"Upgrade ignored, 204",
		 {C(UPGRADE), S("HTTP/1.1 204 OK\r\n\r\n")},
		 "http-upgrade",
		 "refused notice: the answer was no go-ahead",
		 ALONE,
		 "-"},
		{"Upgrade ignored, went on",
		 {C(UPGRADE), S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"),
		  C("GET / HTTP/1.1\r\n\r\n"), S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab")},
		 "http-upgrade",
		 "refused notice: the answer was no go-ahead",
		 ALONE,
		 "-",
		 .said = HT_SAID_WENT_ON},
		{"Upgrade refused, then granted",
		 {C(UPGRADE), S("HTTP/1.1 503 No\r\nContent-Length: 1\r\n\r\nx"), C(UPGRADE),
		  S(SWITCHING), C(TLS), S(TLS)},
		 "http-upgrade",
		 DONE,
		 DONE,
		 "completed"},
		{"required",
		 {S("HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n\r\n")},
		 "",
		 "offered_unused info: the server requires TLS",
		 "-",
		 "offered_unused info",
		 .said = HT_SAID_REQUIRED},
		{"426 for something else",
		 {S("HTTP/1.1 426 Upgrade Required\r\nUpgrade: h2c\r\n\r\n")},
		 "",
		 "-",
		 "-",
		 "-"},
		{"WebSocket",
		 {C(WEBSOCKET), S(SWITCHING "\x81\x02hi"), C("\x81\x02hi")},
		 "http-upgrade",
		 "-",
		 "-",
		 "-"},
		{"WebSocket with TLS",
		 {C(WEBSOCKET), S(SWITCHING), C("\x82\x86\xff\x00\xff\x00\xe9\x03\xfe\x00\xfa\x01"),
		  S("\x82\x02\x16\x03")},
		 "http-upgrade",
		 DONE,
		 DONE,
		 "-"},
	};
	check_all(d, HT_ARRAY_LEN(d));
}

#define SOCKS4 "\x04\x01\x01\xbb\xc0\x00\x02\x01\x00"
#define SOCKS4_SAYS(code) "\x00" code "\0\0\0\0\0\0"
#define METHODS "\x05\x02\x00\x02"
#define LOGIN \
	"\x01\x01" \
	"a\x01" \
	"b"
#define REQUEST "\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb"
#define REPLY(code) "\x05" code "\x00\x01\0\0\0\0\0\0"

static void test_socks(void **state) {
	(void)state;
	static const struct dialogue d[] = {
		{"SOCKS4",
		 {C(SOCKS4), S(SOCKS4_SAYS("\x5a")), C(TLS), S(TLS)},
		 "socks4",
		 DONE,
		 DONE,
		 "completed"},
		{"SOCKS4 refused",
		 {C(SOCKS4), S(SOCKS4_SAYS("\x5b"))},
		 "socks4",
		 "refused notice",
		 "-",
		 "-"},
		{"SOCKS4, something else",
		 {C(SOCKS4), S(SOCKS4_SAYS("\x5a")), C("\xff\xff\xff\xff\xff")},
		 "socks4",
		 "-",
		 "-",
		 "-"},
		{"SOCKS5",
		 {C(METHODS), S("\x05\x00"), C(REQUEST), S(REPLY("\x00")), C(TLS), S(TLS)},
		 "socks5",
		 DONE,
		 DONE,
		 "completed"},
		{"SOCKS5, password",
		 {C(METHODS), S("\x05\x02"), C(LOGIN), S("\x01\x00"), C(REQUEST), S(REPLY("\x00")),
		  C(TLS), S(TLS)},
		 "socks5",
		 DONE,
		 DONE,
		 "completed"},
		{"SOCKS5, wrong password",
		 {C(METHODS LOGIN REQUEST), S("\x05\x02"), S("\x01\x01")},
		 "socks5",
		 "refused notice",
		 "-",
		 "-"},
		{"SOCKS5, no method",
		 {C("\x05\x01\x00" REQUEST), S("\x05\xff")},
		 "socks5",
		 "refused notice",
		 "-",
		 "-"},
		{"SOCKS5, refused",
		 {C("\x05\x01\x00" REQUEST), S("\x05\x00\x05\x02")},
		 "socks5",
		 "refused notice",
		 "-",
		 "-"},
		{"SOCKS5, name in the reply, LDAP inside",
		 {C("\x05\x01\x00" REQUEST), S("\x05\x00\x05\x00\x00\x03\x02hi\x00\x00"),
		  C(START_TLS), S(RESULT("\x78", "\x34"))},
		 "socks5,ldap",
		 "refused notice",
		 ALONE,
		 "-"},
		{"SOCKS5, IPv6, MySQL inside",
		 {C("\x05\x01\x00" REQUEST),
		  S("\x05\x00\x05\x00\x00\x04" ZERO10 "\0\0\0\0\0\0\0\0"), C(MYSQL_SSL)},
		 "socks5,mysql",
		 "requested_unanswered notice: no answer was seen",
		 ALONE,
		 "-"},
		{"PROXY has no answer",
		 {C("PROXY UNKNOWN\r\n" PG_SSL), S("S"), C(TLS), S(TLS)},
		 "proxy-v1,postgresql",
		 DONE,
		 DONE,
		 "completed"},
		{"PROXY, refused inside",
		 {C("PROXY UNKNOWN\r\n" PG_SSL), S("N"), C(STARTUP)},
		 "proxy-v1,postgresql",
		 "refused notice",
		 ALONE,
		 "-"},
	};
	check_all(d, HT_ARRAY_LEN(d));
}

// --- what no server says
// ---------------------------------------------------------------------------

static void test_garbage(void **state) {
	(void)state;
	uint32_t x = 1;
	static const char *const begins[]
		= {"\x30\x84",
		   "\x30\x0c\x02\x01\x01",
		   "<stream:features>",
		   "S",
		   "N",
		   "\x04\x01",
		   "\x05\x02",
		   "\x03\x00",
		   "HTTP/1.1 200 ",
		   "STLS",
		   "\x16\x03",
		   "220 x\r\n"};
	for (unsigned n = 0; n < 20000; n++) {
		struct talk t;
		char in[64];
		const char *head = begins[n % HT_ARRAY_LEN(begins)];
		size_t len = strlen(head);
		memcpy(in, head, len);
		for (; len < sizeof(in); len++) {
			x = x * 1664525 + 1013904223;
			in[len] = (char)(x >> 24 & (n & 1 ? 0x8f : 0xff));
		}
		struct ht_answers whole = {0};
		begin(&t);
		say(&t, 'S', in, sizeof(in));
		whole = t.a;
		end(&t);
		begin(&t);
		for (size_t i = 0; i < sizeof(in); i++)
			say(&t, 'S', in + i, 1);
		assert_int_equal(whole.said, t.a.said);
		assert_int_equal(whole.num, t.a.num);
		assert_int_equal(whole.done, t.a.done);
		assert_memory_equal(whole.reply, t.a.reply, sizeof(whole.reply));
		end(&t);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ldap),	cmocka_unit_test(test_ldap_long),
		cmocka_unit_test(test_xmpp),	cmocka_unit_test(test_postgresql),
		cmocka_unit_test(test_mysql),	cmocka_unit_test(test_tds),
		cmocka_unit_test(test_rdp),	cmocka_unit_test(test_adb),
		cmocka_unit_test(test_http),	cmocka_unit_test(test_socks),
		cmocka_unit_test(test_garbage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
