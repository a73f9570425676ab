// SPDX-License-Identifier: BSD-3-Clause
// upgrade_verbs: the first words of the protocols that are lines of text.

#pragma once

#include "base.h"

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
	UP_BDAT,
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
