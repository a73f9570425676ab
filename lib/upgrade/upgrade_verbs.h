// SPDX-License-Identifier: BSD-3-Clause
// upgrade_verbs: the first words of the protocols that are lines of text, and what else the files
// on these protocols share.

#pragma once

#include "reader.h"
#include "upgrade.h"

// Text protocols. IMAP's verbs stand behind a tag, so it is told apart by its first line alone.
enum up_text_protocol {
	UP_SMTP = 1,
	UP_POP3 = 2,
	UP_FTP = 4,
	UP_NNTP = 8,
	UP_SIEVE = 16,
	UP_IRC = 32,
	UP_IMAP = 64,
	UP_UNTAGGED = 63, // all but IMAP
};

// What a verb does beyond telling which protocols it may belong to.
enum up_act {
	UP_NOTHING,
	UP_STARTTLS,
	UP_STLS,
	UP_AUTH, // AUTH TLS is a trigger in FTP
	UP_AUTHENTICATE, // quoted mechanism: ManageSieve
	UP_MODE, // MODE READER: NNTP
	UP_DATA,
	UP_TAKETHIS, // an article follows at once, and one reply answers both
	UP_BDAT,
	// Secrets, and what leads to them.
	UP_USER,
	UP_PASS,
	UP_OPER,
	UP_LOGIN, // behind a tag
	UP_AUTHINFO,
	// These only count at the beginning of a stream.
	UP_GREETS, // a server said it
	UP_SAYS_HTTP, // an HTTP method that does not ask for TLS
	UP_SAYS_SIP, // SIP or RTSP
	UP_HTTP_OR_SIP, // HTTP, or SIP when the target is sip:
	UP_HTTP_HEAD, // CONNECT, and methods that may carry Upgrade
	UP_PROXY_HEADER, // PROXY protocol, version 1
	UP_HTTP_OR_NEWS, // POST: HTTP with a target, NNTP without
};

#define UP_VERB_MAX 16 // with its terminator; two words of 8 bytes

struct up_verb {
	char name[UP_VERB_MAX];
	uint8_t protocols; // enum up_text_protocol
	uint8_t act;
};

// up_verb_find looks `word` up in any case; NULL when it is not known.
const struct up_verb *up_verb_find(struct ht_span word);

// up_verb_number gives the verbs one after another, and NULL behind the last.
const struct up_verb *up_verb_number(size_t i);

// up_protocol_of_port gives the text protocol that has this port, or 0.
uint8_t up_protocol_of_port(uint16_t port);

// up_name_of names one of `candidates` (at least one): the port's, or else the likeliest; `asked`
// tells that TLS was asked for.
enum ht_via up_name_of(uint8_t candidates, uint16_t port, bool asked);

// up_secret_command looks at a command, of which `args` is what follows the verb, for a secret.
void up_secret_command(struct ht_upgrade *u, const struct up_verb *verb, struct ht_reader args);

// up_secret_line looks at the client's next line in a SASL exchange (u->secret > 0).
void up_secret_line(struct ht_upgrade *u, struct ht_span word);

// up_secret_whole: the command that was announced to end in a secret is there with its literals.
void up_secret_whole(struct ht_upgrade *u);

// up_tls_demanded tells whether a server's refusal says that TLS has to come first.
bool up_tls_demanded(struct ht_span line);

// up_mentions looks for `word`, in any case of its letters, anywhere in the line.
bool up_mentions(struct ht_span line, const char *word);
