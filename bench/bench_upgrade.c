// SPDX-License-Identifier: BSD-3-Clause
// bench_upgrade: nanoseconds for one mail connection, both sides and the verdict, as the sensor
// feeds them segment by segment; and for one line, to tell its verb and to tell what a stream is
// that begins with it. Where Hyperscan is there it recognises the same lines, for comparison.
// Prints the least and the median of many slices.

#include "bench.h"
#include "upgrade.h"
#include "upgrade_int.h" // up_word
#include "upgrade_verbs.h" // the verbs themselves

#include <stdio.h>
#include <stdlib.h>

#if HAVE_HS
#include <hs.h>
#endif

#define SLICES 300
#define SLICE 500 // connections, or times all lines, a slice
#define TURNS_MAX 16

static void measure(const char *what, unsigned per_run, void (*run)(const void *), const void *of) {
	static double slice[SLICES];
	for (unsigned s = 0; s < SLICES; s++) {
		const double start = now();
		for (unsigned i = 0; i < SLICE; i++)
			run(of);
		slice[s] = (now() - start) / SLICE / per_run;
	}
	qsort(slice, SLICES, sizeof(slice[0]), by_value);
	printf("%-44s %7.1f %7.1f\n", what, slice[0], slice[SLICES / 2]);
}

// --- whole connections ---------------------------------------------------------------------------

struct dialogue {
	const char *name;
	const char *turns[TURNS_MAX]; // segments: "C: ..." or "S: ..."
	bool hello;
	enum ht_upgrade_state state;
	// From the turns.
	uint8_t client[4096], server[4096];
	struct {
		bool client;
		size_t until; // of that side's bytes
	} segment[TURNS_MAX];
	unsigned num;
};

static struct dialogue dialogues[] = {
	{"SMTP, STARTTLS",
	 {"S: 220 mail.example.net ESMTP Postfix (Debian/GNU)\r\n", "C: EHLO [192.0.2.17]\r\n",
	  "S: 250-mail.example.net\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-VRFY\r\n"
	  "250-ETRN\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250-ENHANCEDSTATUSCODES\r\n"
	  "250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n",
	  "C: STARTTLS\r\n", "S: 220 2.0.0 Ready to start TLS\r\n"},
	 true,
	 HT_UPGRADE_COMPLETED},
	{"SMTP, a mail of 2 kB in clear",
	 {"S: 220 mail.example.net ESMTP Postfix (Debian/GNU)\r\n", "C: EHLO relay.example\r\n",
	  "S: 250-mail.example.net\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-STARTTLS\r\n"
	  "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 DSN\r\n",
	  "C: MAIL FROM:<a@relay.example> SIZE=2048\r\nRCPT TO:<b@example.net>\r\nDATA\r\n",
	  "S: 250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n", "C: mail",
	  "S: 250 2.0.0 Ok: queued as 4F6D21C0A2\r\n", "C: QUIT\r\n", "S: 221 2.0.0 Bye\r\n"},
	 false,
	 HT_UPGRADE_PLAIN_CREDENTIALS},
	{"IMAP, STARTTLS",
	 {"S: * OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS "
	  "LOGINDISABLED] Dovecot (Debian) ready.\r\n",
	  "C: 1 capability\r\n",
	  "S: * CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS "
	  "LOGINDISABLED\r\n1 OK Pre-login capabilities listed, post-login capabilities have "
	  "more.\r\n",
	  "C: 2 STARTTLS\r\n", "S: 2 OK Begin TLS negotiation now.\r\n"},
	 true,
	 HT_UPGRADE_COMPLETED},
	{"IMAP, a login in clear",
	 {"S: * OK [CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ STARTTLS AUTH=PLAIN] "
	  "ready.\r\n",
	  "C: a1 LOGIN \"alice\" \"secret\"\r\n",
	  "S: a1 OK [CAPABILITY IMAP4rev1 ID ENABLE IDLE SORT THREAD=REFS MULTIAPPEND UNSELECT "
	  "CHILDREN NAMESPACE UIDPLUS ESEARCH] Logged in\r\n",
	  "C: a2 SELECT INBOX\r\n",
	  "S: * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* 172 EXISTS\r\n* 1 "
	  "RECENT\r\n* OK [UNSEEN 12] first\r\n* OK [UIDVALIDITY 3857529045] valid\r\na2 OK "
	  "[READ-WRITE] done\r\n",
	  "C: a3 LOGOUT\r\n", "S: * BYE Logging out\r\na3 OK done\r\n"},
	 false,
	 HT_UPGRADE_PLAIN_CREDENTIALS},
	{"POP3, STLS",
	 {"S: +OK Dovecot (Debian) ready.\r\n", "C: CAPA\r\n",
	  "S: +OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nSTLS\r\n"
	  "SASL PLAIN\r\n.\r\n",
	  "C: STLS\r\n", "S: +OK Begin TLS negotiation now.\r\n"},
	 true,
	 HT_UPGRADE_COMPLETED},
	{"POP3, a login in clear",
	 {"S: +OK Dovecot (Debian) ready.\r\n", "C: CAPA\r\n",
	  "S: +OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nSTLS\r\n"
	  "USER\r\nSASL PLAIN\r\n.\r\n",
	  "C: USER alice\r\n", "S: +OK\r\n", "C: PASS secret\r\n", "S: +OK Logged in.\r\n",
	  "C: STAT\r\n", "S: +OK 0 0\r\n", "C: QUIT\r\n", "S: +OK Logging out.\r\n"},
	 false,
	 HT_UPGRADE_PLAIN_CREDENTIALS},
};

static const char mail_line[] = "Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed\r\n";

// Lays the segments of each side one behind the other, as they are held.
static void lay_out(struct dialogue *d) {
	size_t len[2] = {0};
	for (; d->turns[d->num] != NULL; d->num++) {
		const bool client = d->turns[d->num][0] == 'C';
		uint8_t *to = client ? d->client : d->server;
		const char *text = d->turns[d->num] + 3;
		if (strcmp(text, "mail") == 0) {
			for (unsigned i = 0; i < 33; i++, len[1] += sizeof(mail_line) - 1)
				memcpy(to + len[1], mail_line, sizeof(mail_line) - 1);
			text = ".\r\n";
		}
		memcpy(to + len[client], text, strlen(text));
		len[client] += strlen(text);
		need(len[client] <= sizeof(d->client), "a dialogue is too long");
		d->segment[d->num].client = client;
		d->segment[d->num].until = len[client];
	}
}

static void one_connection(const void *of) {
	const struct dialogue *d = of;
	struct ht_upgrade u = {.port_hint = 25};
	struct ht_answers a = {.port_hint = 25};
	size_t taken = 0;
	for (unsigned i = 0; i < d->num; i++) {
		const size_t until = d->segment[i].until;
		if (d->segment[i].client)
			while (ht_upgrade_scan(&u, HT_SPAN(d->client, until)) == HT_OK
			       && u.offset < until)
				;
		else
			taken += ht_upgrade_answer(
				&a, &u, HT_SPAN(d->server + taken, until - taken)
			);
	}
	struct ht_verdict v;
	need(ht_upgrade_verdict(&v, &u, &a, d->hello, false) && v.state == d->state, d->name);
}

// --- one line ------------------------------------------------------------------------------------

static const char *const lines[] = {
	"EHLO client.example.net\r\n",
	"MAIL FROM:<alice@example.net> SIZE=2048\r\n",
	"RCPT TO:<bob@example.org>\r\n",
	"DATA\r\n",
	"STARTTLS\r\n",
	"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n",
	"QUIT\r\n",
	"CAPA\r\n",
	"USER alice\r\n",
	"PASS secret\r\n",
	"STLS\r\n",
	"LIST\r\n",
	"RETR 12\r\n",
	"UIDL\r\n",
	"FEAT\r\n",
	"TYPE I\r\n",
	"PASV\r\n",
	"CAPABILITIES\r\n",
	"GROUP misc.test\r\n",
	"NICK alice\r\n",
	"CAP LS 302\r\n",
	"GET /index.html HTTP/1.1\r\n",
	"POST /login HTTP/1.1\r\n",
	"OPTIONS * HTTP/1.1\r\n",
	"220 mail.example.net ESMTP Postfix\r\n",
	"250-PIPELINING\r\n",
	"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n",
	"+OK Dovecot ready.\r\n",
	"\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n",
	":irc.example.net NOTICE * :*** Looking up your hostname\r\n",
	"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
	"Lorem ipsum dolor sit amet, consetetur sadipscing elitr\r\n",
	"Received: from relay.example (relay.example [192.0.2.1])\r\n",
	"XYZZY plugh\r\n",
};

static size_t found; // lines of the last run that were known

static void verbs_here(const void *of) {
	const size_t *len = of;
	found = 0;
	for (size_t i = 0; i < HT_ARRAY_LEN(lines); i++) {
		struct ht_reader r = ht_reader(HT_SPAN(lines[i], len[i]));
		found += up_verb_find(up_word(&r)) != NULL;
	}
}

static void first_lines_here(const void *of) {
	const size_t *len = of;
	found = 0;
	for (size_t i = 0; i < HT_ARRAY_LEN(lines); i++) {
		struct ht_upgrade u = {.port_hint = 0};
		found += ht_upgrade_scan(&u, HT_SPAN(lines[i], len[i])) != HT_BAD
			 || u.speaks != HT_SPEAKS_UNKNOWN;
	}
}

#if HAVE_HS
struct rival {
	hs_database_t *verbs, *first; // the verbs alone; verbs and greetings
	hs_scratch_t *scratch;
	const size_t *len;
};

static int on_match(
	unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context
) {
	(void)from, (void)to, (void)flags;
	*(unsigned *)context = id + 1;
	return 1; // one is enough
}

static void scan_all(const struct rival *r, const hs_database_t *db) {
	found = 0;
	for (size_t i = 0; i < HT_ARRAY_LEN(lines); i++) {
		unsigned id = 0;
		(void)hs_scan(db, lines[i], (unsigned)r->len[i], 0, r->scratch, on_match, &id);
		found += id != 0;
	}
}

static void verbs_there(const void *of) {
	const struct rival *r = of;
	scan_all(r, r->verbs);
}

static void first_lines_there(const void *of) {
	const struct rival *r = of;
	scan_all(r, r->first);
}

static hs_database_t *compile(bool greetings) {
	static const char *const greet[] = {
		"^(120|200|201|220|400|421|502|554)[ -]",
		"^\\* (OK|PREAUTH|BYE)",
		"^(\\+OK|-ERR)",
		"^\"(IMPLEMENTATION|SIEVE|SASL|STARTTLS|VERSION)\"",
		"^:[!-~]+ ",
		"^SSH-",
	};
	enum { MAX = 256 };
	static char text[MAX][40];
	const char *patterns[MAX];
	unsigned flags[MAX], ids[MAX], num = 0;
	for (size_t i = 0; up_verb_number(i) != NULL; i++, num++) {
		need(num < MAX - HT_ARRAY_LEN(greet), "too many verbs");
		snprintf(text[num], sizeof(text[num]), "^%s[ \\r]", up_verb_number(i)->name);
		patterns[num] = text[num];
	}
	for (size_t i = 0; greetings && i < HT_ARRAY_LEN(greet); i++)
		patterns[num++] = greet[i];
	for (unsigned i = 0; i < num; i++) {
		flags[i] = HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH;
		ids[i] = i;
	}
	hs_database_t *db = NULL;
	hs_compile_error_t *err = NULL;
	need(hs_compile_multi(patterns, flags, ids, num, HS_MODE_BLOCK, NULL, &db, &err)
		     == HS_SUCCESS,
	     err != NULL ? err->message : "no database");
	return db;
}

static void measure_rival(const size_t *len, size_t verbs, size_t firsts) {
	struct rival r = {compile(false), compile(true), NULL, len};
	need(hs_alloc_scratch(r.verbs, &r.scratch) == HS_SUCCESS
		     && hs_alloc_scratch(r.first, &r.scratch) == HS_SUCCESS,
	     "no scratch");
	measure("a line's verb, Hyperscan", HT_ARRAY_LEN(lines), verbs_there, &r);
	need(found == verbs, "Hyperscan finds other verbs");
	measure("what begins with a line, Hyperscan", HT_ARRAY_LEN(lines), first_lines_there, &r);
	need(found == firsts, "Hyperscan finds other beginnings");
	hs_free_scratch(r.scratch);
	hs_free_database(r.verbs);
	hs_free_database(r.first);
}
#else
static void measure_rival(const size_t *len, size_t verbs, size_t firsts) {
	(void)len, (void)verbs, (void)firsts;
	printf("(built without Hyperscan)\n");
}
#endif

int main(void) {
	static size_t len[HT_ARRAY_LEN(lines)];
	printf("%-44s %7s %7s\n", "ns for one", "least", "median");
	for (size_t i = 0; i < HT_ARRAY_LEN(dialogues); i++) {
		lay_out(&dialogues[i]);
		measure(dialogues[i].name, 1, one_connection, &dialogues[i]);
	}
	for (size_t i = 0; i < HT_ARRAY_LEN(lines); i++)
		len[i] = strlen(lines[i]);
	measure("a line's verb", HT_ARRAY_LEN(lines), verbs_here, len);
	const size_t verbs = found;
	measure("what begins with a line, ht_upgrade_scan", HT_ARRAY_LEN(lines), first_lines_here,
		len);
	const size_t firsts = found;
	measure_rival(len, verbs, firsts);
	return 0;
}
