// SPDX-License-Identifier: BSD-3-Clause
// upgrade: STARTTLS and its kin. Where in a stream does TLS begin, and what was said before? Also
// names what a stream is that cannot begin TLS. Uses base, reader.
//
// Where TLS begins is found in one direction alone: the client must wait for the server's answer,
// so after its trigger (STARTTLS, SSLRequest, CONNECT ...) its own next byte is TLS. What became of
// an upgrade takes what both sides said (ht_upgrade_scan, ht_upgrade_answer), each side read by
// itself, so that neither how they were cut nor how they came interleaved changes the verdict.

#pragma once

#include "base.h"

#define HT_VIA_MAX 4 // proxies and upgrades in one another: ["socks5", "http-connect", "smtp"]

// What may stand before TLS: the names of the record's `via`.
#define HT_VIA_LIST(X) \
	X(SMTP, "smtp") \
	X(IMAP, "imap") \
	X(POP3, "pop3") \
	X(FTP, "ftp") \
	X(LDAP, "ldap") \
	X(XMPP, "xmpp") \
	X(NNTP, "nntp") \
	X(SIEVE, "sieve") \
	X(IRC, "irc") \
	X(POSTGRESQL, "postgresql") \
	X(MYSQL, "mysql") \
	X(TDS, "tds") \
	X(RDP, "rdp") \
	X(HTTP_CONNECT, "http-connect") \
	X(HTTP_UPGRADE, "http-upgrade") \
	X(SOCKS4, "socks4") \
	X(SOCKS5, "socks5") \
	X(PROXY_V1, "proxy-v1") \
	X(PROXY_V2, "proxy-v2") \
	X(OPENVPN, "openvpn") \
	X(ADB, "adb") \
	X(EAPOL, "eapol") \
	X(RADIUS, "radius")

enum ht_via {
#define X(id, name) HT_VIA_##id,
	HT_VIA_LIST(X)
#undef X
		HT_NUM_VIAS
};

const char *ht_via_name(enum ht_via v);

// What a direction was that will not begin TLS: each has a counter in the ledger.
#define HT_SPEAKS_LIST(X) \
	X(UNKNOWN, unknown, "none of the protocols known here") \
	X(SERVER, server, "the server's side of a protocol that has an upgrade") \
	X(PLAIN, plain, "an upgrade protocol on which no upgrade was asked for within the cap") \
	X(HTTP, http, "HTTP") \
	X(SSH, ssh, "SSH") \
	X(OPENVPN, openvpn, "OpenVPN over TCP") \
	X(DNS, dns, "DNS over TCP") \
	X(RTSP, rtsp, "RTSP or SIP") \
	X(BITTORRENT, bittorrent, "BitTorrent") \
	X(SMB, smb, "SMB or NetBIOS")

enum ht_speaks {
#define X(id, name, help) HT_SPEAKS_##id,
	HT_SPEAKS_LIST(X)
#undef X
		HT_NUM_SPEAKS
};

// An upgrade asked for later than this in a direction is not looked for: whoever wants TLS asks
// before the work begins, and the caller has to keep the bytes until the answer is known.
#define HT_UPGRADE_MAX (64u * 1024)

// What was said of an upgrade on a connection, as bits. The first are the client's.
enum ht_said {
	HT_SAID_ASKED = 1, // for TLS, or a proxy was told where to connect
	HT_SAID_WENT_ON = 2, // something in clear followed the last request
	HT_SAID_LOGIN = 4, // a secret that can be read, or can be made readable, was sent
	HT_SAID_MAIL = 8, // a mail was sent: text of it, not only its sender
	HT_SAID_MANGLED = 16, // a command was overwritten on its way: XXXXXXXX
	// The server's.
	HT_SAID_LISTED = 32, // what it can do
	HT_SAID_OFFERED = 64, // TLS
	HT_SAID_REQUIRED = 128, // TLS before anything else
	HT_SAID_OVERWRITTEN = 256, // a line of that list was overwritten on its way: 250-XXXXXXXA
	HT_SAID_TLS = 512, // its side went on with TLS
	HT_SAID_PROXIED = 1024, // a proxy granted the connection
	HT_SAID_INJECTED = 2048, // something in clear behind its last go-ahead; tells nothing until
				 // one of the sides goes on with TLS
	HT_SAID_PREAUTH = 4096, // IMAP: no login is needed, which rules TLS out
};

// What TLS records are inside of.
enum ht_framing {
	HT_FRAMING_NONE,
	HT_FRAMING_TDS, // packets of type 0x12 (MS-TDS 2.2.3), until Finished
	HT_FRAMING_WEBSOCKET, // binary frames (RFC 6455 5.2)
};

// The state of one direction. All zero is a new one.
struct ht_upgrade {
	uint16_t port_hint; // the caller may set it: the server's port. It names, it never decides
	uint8_t framing; // enum ht_framing, after HT_OK: ht_upgrade_unwrap takes it off
	uint8_t speaks; // enum ht_speaks, after HT_BAD
	uint8_t num_via;
	uint8_t via[HT_VIA_MAX]; // enum ht_via, outermost first
	uint32_t offset; // HT_OK: TLS begins here, or another protocol inside the last `via`
	uint16_t said; // enum ht_said, the client's bits
	uint16_t asked_at; // which of the server's replies answers the last request, from 0
	uint16_t login_at; // which of them answers the first secret sent

	// private to the module
	// That the commands so far will get. In the text protocols the greeting is reply 0; IMAP's
	// are the tagged ones, IRC's those to STARTTLS, and FTP's 1xx are not counted.
	uint16_t replies;
	uint32_t pos; // bytes before it need not be looked at again
	uint32_t start; // where the line, message or element at hand begins
	uint32_t head; // where the HTTP request at hand begins
	uint32_t connect; // where the CONNECT request of the last hop begins
	uint32_t body; // bytes of the HTTP request after its head
	uint8_t state; // enum up_state
	uint8_t layer; // proxies gone through: the protocol at hand is via[layer]
	uint8_t candidates; // text protocols that the verbs seen so far allow
	uint8_t flags;
	uint8_t depth; // open XML elements
	uint8_t quote; // inside an XML tag: the quotation mark that is open, or 1
	uint8_t spoken; // 1 + enum ht_via of the protocol at hand, when the bytes alone tell it
	uint8_t secret; // text: so many lines more of a SASL exchange, and a secret was sent
	struct {
		uint32_t at; // bytes before it were unwrapped; 0: none yet
		uint32_t end; // of what they carried
		uint32_t left; // bytes to come of the frame at hand
		uint8_t mask[4]; // the next byte's first
		bool carries; // the frame at hand is none of WebSocket's control frames
		bool over; // nothing more is carried
	} frame;
};

// ht_upgrade_scan looks at `sofar`, all in-order bytes of the direction since its beginning, of
// which the caller knows that they are not TLS. How they were cut changes nothing.
//   HT_MORE  no upgrade so far; call again with more bytes
//   HT_OK    the client's side asked for TLS, or a proxy was told where to connect: u->offset says
//            where the next protocol begins (offset <= sofar.len; perhaps no byte of it is there
//            yet). If what comes there is TLS, it is u->via that carried it. If it is not, call
//            again: the scan goes on from there (the server refused, another protocol follows
//            inside, or something was injected before the hello). Each HT_OK has a larger offset
//            than the last.
//   HT_BAD   this direction will not begin TLS; u->speaks says what it is. The answer is final.
// u->via borrows nothing; after HT_MORE and HT_BAD it lists what led to the last HT_OK.
HT_MUST_USE enum ht_rc ht_upgrade_scan(struct ht_upgrade *u, struct ht_span sofar);

// ht_upgrade_is_client tells whether the direction has shown itself as the client of a protocol
// that has an upgrade.
bool ht_upgrade_is_client(const struct ht_upgrade *u);

// ht_upgrade_unwrap takes the framing off in place. `buf` holds the first *len bytes of the
// direction, of which it has changed those before the *len of the last call; the caller adds what
// comes behind them and writes over none. *len becomes where what is carried ends:
// buf[u->offset] up to there is TLS, if TLS comes. How the bytes were cut changes nothing.
//   HT_OK   as much as was there is unwrapped, or nothing is framed and *len is what it was
//   HT_BAD  the same, and nothing that follows is carried: the framing ended or is broken
// To be called when ht_upgrade_scan has returned HT_OK, before TLS is looked for at u->offset, and
// whenever more came. What is not TLS there goes back to ht_upgrade_scan.
HT_MUST_USE enum ht_rc ht_upgrade_unwrap(struct ht_upgrade *u, uint8_t *buf, uint32_t *len);

// What a server answered.
enum ht_answer {
	HT_ANSWER_NONE,
	HT_ANSWER_OTHER, // positive or intermediate, and no go-ahead for TLS
	HT_ANSWER_YES, // go ahead
	HT_ANSWER_NO, // refused, by a code that means it: 454, 580, NO, resultCode 52
	HT_ANSWER_UNKNOWN, // such a command is not known: 500, 502, BAD, protocolError
};

#define HT_REPLIES_MAX 32 // an upgrade asked for later than that gets no verdict from its answer

// The state of a server's direction. All zero is a new one.
struct ht_answers {
	uint16_t port_hint; // as in struct ht_upgrade
	uint16_t said; // enum ht_said, the server's bits
	uint16_t listed_at; // which reply listed what the server can do, the first time
	uint16_t num; // replies so far, also beyond HT_REPLIES_MAX
	uint8_t reply[HT_REPLIES_MAX]; // enum ht_answer
	bool done; // nothing that follows is looked at

	// private to the module
	uint8_t state; // enum up_answer_state
	uint8_t layer; // proxies gone through
	uint8_t candidates; // text protocols that the greeting allows
	uint8_t via; // 1 + enum ht_via of the protocol at hand; 0: not known, or one of
		     // `candidates`
	uint8_t flags;
	uint16_t code; // of the reply of several lines that is being read
	uint32_t skip; // bytes to pass over
	uint32_t body; // HTTP: the content's length. LDAP: what is left of the entry at hand
};

// ht_upgrade_answer reads the server's side: `fresh` is what comes next in order, behind what
// earlier calls took. `client` is what is known of the other side, or NULL. It returns how many
// bytes it took; the others are to be given again when more came. A reply longer than
// HT_ANSWER_BYTES is not waited for: of that many bytes some are always taken.
#define HT_ANSWER_BYTES 1024u
size_t
ht_upgrade_answer(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh);

// What became of an upgrade: the record's upgrade_state.
#define HT_UPGRADE_STATES(X) \
	X(COMPLETED, completed, "a hello followed") \
	X(REFUSED, refused, "the server said no") \
	X(NOT_OFFERED, not_offered, "the server listed what it can do, and TLS was not there") \
	X(OFFERED_UNUSED, offered_unused, "offered or granted, and not used") \
	X(REQUESTED_UNANSWERED, requested_unanswered, "asked for, and no answer was seen") \
	X(STRIPPED, stripped, "offer or request were tampered with on their way") \
	X(PLAIN_CREDENTIALS, plain_credentials, \
	  "a login or a mail in clear though TLS was offered or required")

enum ht_upgrade_state {
#define X(id, name, help) HT_UPGRADE_##id,
	HT_UPGRADE_STATES(X)
#undef X
		HT_NUM_UPGRADE_STATES
};

const char *ht_upgrade_state_name(enum ht_upgrade_state state);

struct ht_verdict {
	enum ht_upgrade_state state;
	const char *severity; // info, notice, warning or critical
	const char
		*evidence; // one line of ASCII, never what a peer sent; NULL: the state says it all
};

// ht_upgrade_verdict says what became of the upgrade on a connection that is over, or has given its
// hello. `client` and `server` are NULL for a side that was not seen; `offered_before`: this server
// offered TLS on an earlier connection. False: what was seen says nothing (a proxy that carried
// something else, a side alone that tells neither offer nor request).
HT_MUST_USE bool ht_upgrade_verdict(
	struct ht_verdict *v,
	const struct ht_upgrade *client,
	const struct ht_answers *server,
	bool hello,
	bool offered_before
);

// ht_upgrade_names writes what is spoken on a connection, outermost first, whether or not TLS was
// asked for, and returns how many names that are; 0: no upgrade protocol.
unsigned ht_upgrade_names(
	uint8_t via[HT_VIA_MAX], const struct ht_upgrade *client, const struct ht_answers *server
);
