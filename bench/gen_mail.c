// SPDX-License-Identifier: BSD-3-Clause
// Mail as it is on a link: some upgrade, some do not, and all of them talk first.

#include "gen.h"

#define C(text) \
	{ 0, text, sizeof(text) - 1 }
#define S(text) \
	{ 1, text, sizeof(text) - 1 }
#define HELLO \
	{ 0, NULL, 0 }

#define SMTP_GREETING \
	S("220 mx1.example.net ESMTP Postfix (Debian/GNU)\r\n"), \
		C("EHLO relay-17.mail.example.com\r\n"), \
		S("250-mx1.example.net\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-VRFY\r\n" \
		  "250-ETRN\r\n250-STARTTLS\r\n250-AUTH PLAIN " \
		  "LOGIN\r\n250-ENHANCEDSTATUSCODES\r\n" \
		  "250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n")

static const struct gen_turn smtp_starttls[] = {
	SMTP_GREETING,
	C("STARTTLS\r\n"),
	S("220 2.0.0 Ready to start TLS\r\n"),
	HELLO,
};

static const struct gen_turn smtp_clear[] = {
	SMTP_GREETING,
	C("MAIL FROM:<bounce+4711@mail.example.com> SIZE=1711 BODY=8BITMIME\r\n"),
	S("250 2.1.0 Ok\r\n"),
	C("RCPT TO:<postmaster@example.net>\r\n"),
	S("250 2.1.5 Ok\r\n"),
	C("DATA\r\n"),
	S("354 End data with <CR><LF>.<CR><LF>\r\n"),
	C("Received: from a.example.com by relay-17.mail.example.com; Sat, 21 Nov 2026 01:02:03 "
	  "+0000\r\n"
	  "From: Sender <sender@mail.example.com>\r\nTo: <postmaster@example.net>\r\n"
	  "Subject: Weekly report\r\nMessage-Id: <4711.17@mail.example.com>\r\n"
	  "Date: Sat, 21 Nov 2026 01:02:03 +0000\r\nMIME-Version: 1.0\r\n"
	  "Content-Type: text/plain; charset=utf-8\r\n\r\n"
	  "Dear reader,\r\n\r\nthe figures of this week are in the table below. Nothing else of "
	  "note\r\n"
	  "has happened; STARTTLS stands here as a word in a body.\r\n\r\n"
	  "mon 1 2 3 4 5 6 7 8 9\r\ntue 1 2 3 4 5 6 7 8 9\r\nwed 1 2 3 4 5 6 7 8 9\r\n"
	  "thu 1 2 3 4 5 6 7 8 9\r\nfri 1 2 3 4 5 6 7 8 9\r\n\r\nYours\r\n.\r\n"),
	S("250 2.0.0 Ok: queued as 4B2F31A0C\r\n"),
	C("QUIT\r\n"),
	S("221 2.0.0 Bye\r\n"),
};

static const struct gen_turn imap_starttls[] = {
	S("* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS "
	  "LOGINDISABLED] Dovecot (Debian) ready.\r\n"),
	C("a001 STARTTLS\r\n"),
	S("a001 OK Begin TLS negotiation now.\r\n"),
	HELLO,
};

static const struct gen_turn imap_clear[] = {
	S("* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS "
	  "AUTH=PLAIN] Dovecot (Debian) ready.\r\n"),
	C("a001 LOGIN reader@example.net opensesame\r\n"),
	S("a001 OK [CAPABILITY IMAP4rev1 SASL-IR SORT THREAD=REFERENCES MULTIAPPEND UNSELECT "
	  "CHILDREN NAMESPACE UIDPLUS LIST-EXTENDED] Logged in\r\n"),
	C("a002 SELECT INBOX\r\n"),
	S("* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* 17 EXISTS\r\n* 0 RECENT\r\n"
	  "* OK [UIDVALIDITY 1763686800] UIDs valid\r\na002 OK [READ-WRITE] Select completed.\r\n"),
	C("a003 LOGOUT\r\n"),
	S("* BYE Logging out\r\na003 OK Logout completed.\r\n"),
};

static const struct gen_turn pop3_clear[] = {
	S("+OK Dovecot (Debian) ready.\r\n"),
	C("CAPA\r\n"),
	S("+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nSTLS\r\nSASL PLAIN\r\n.\r\n"),
	C("USER reader@example.net\r\n"),
	S("+OK\r\n"),
	C("PASS opensesame\r\n"),
	S("+OK Logged in.\r\n"),
	C("STAT\r\n"),
	S("+OK 2 3172\r\n"),
	C("QUIT\r\n"),
	S("+OK Logging out.\r\n"),
};

#define TURNS(name, percent, port) \
	{ name, HT_ARRAY_LEN(name), percent, port }

struct gen_dialogue gen_mail(struct gen_rng *r) {
	static const struct gen_dialogue share[] = {
		TURNS(smtp_starttls, 45, 25),  TURNS(smtp_clear, 20, 25),
		TURNS(imap_starttls, 15, 143), TURNS(imap_clear, 8, 143),
		TURNS(pop3_clear, 12, 110),
	};
	uint32_t x = gen_below(r, 100);
	unsigned i = 0;
	while (x >= share[i].percent)
		x -= share[i++].percent;
	return share[i];
}
