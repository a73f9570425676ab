// SPDX-License-Identifier: BSD-3-Clause
// upgrade: STARTTLS and its kin. Where in a stream does TLS begin, and what was said before? Also
// names what a stream is that cannot begin TLS. Uses base, reader.
//
// It looks at one direction of a connection alone: the client must wait for the server's answer, so
// after its trigger (STARTTLS, SSLRequest, CONNECT ...) its own next byte is TLS.

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
	X(ADB, "adb")

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

// The state of one direction. All zero is a new one.
struct ht_upgrade {
	uint16_t port_hint; // the caller may set it: the server's port. It names, it never decides
	// HT_OK: TLS comes inside TDS packets of type 0x12, the first at `offset`, until Finished.
	// A caller that does not take them apart calls again: when the hello is whole in the first
	// packet, the next HT_OK is at its record, with tds_framed false.
	bool tds_framed;
	uint8_t speaks; // enum ht_speaks, after HT_BAD
	uint8_t num_via;
	uint8_t via[HT_VIA_MAX]; // enum ht_via, outermost first
	uint32_t offset; // HT_OK: TLS begins here, or another protocol inside the last `via`

	// private to the module
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
