// SPDX-License-Identifier: BSD-3-Clause
// The upgrades of databases, of RDP and of ADB: fixed packets at the beginning of the client's
// stream.

#include "upgrade_int.h"

// PostgreSQL, "SSL Session Encryption": SSLRequest, GSSENCRequest and CancelRequest are told apart
// by the code after the length. GSSENCRequest may come first; when it is refused SSLRequest
// follows.
enum ht_rc up_postgresql(struct ht_upgrade *u, struct ht_span all) {
	enum { CANCEL = 0x04d2162e, SSL = 0x04d2162f, GSSENC = 0x04d21630 };
	for (;;) {
		struct ht_reader r = up_here(u, all);
		uint32_t len, code;
		if (r.left.len == 0)
			return HT_MORE;
		if (r.left.p[0] != 0)
			return up_bad(u, HT_SPEAKS_PLAIN);
		if (!ht_u32(&r, &len) || !ht_u32(&r, &code))
			return HT_MORE;
		if (code == SSL && len == 8)
			return up_found(u, HT_VIA_POSTGRESQL, u->start + 8, UP_POSTGRESQL);
		if (code != GSSENC || len != 8)
			return up_bad(u, HT_SPEAKS_PLAIN); // StartupMessage, CancelRequest
		up_go_to(u, u->start + 8);
	}
}

enum ht_rc up_postgresql_first(struct ht_upgrade *u, struct ht_span all) {
	struct ht_reader r = up_here(u, all);
	uint32_t len, code;
	if (!ht_u32(&r, &len) || !ht_u32(&r, &code))
		return HT_MORE;
	if ((code & 0xff) < 0x2e || (code & 0xff) > 0x30)
		return HT_SKIP;
	u->state = UP_POSTGRESQL;
	return up_postgresql(u, all);
}

// MySQL, Protocol::SSLRequest: the packet of a HandshakeResponse41 cut after its 32 fixed bytes:
// capabilities 4, largest packet 4, character set 1, filler 23 (MariaDB puts 4 bytes of further
// capabilities at the filler's end).
enum ht_rc up_mysql(struct ht_upgrade *u, struct ht_span all) {
	enum { PROTOCOL_41 = 0x0200, TLS = 0x0800, FIXED = 32, HEADER = 4 };
	struct ht_reader r = up_here(u, all), body;
	struct ht_span s = r.left, filler;
	unsigned len = (unsigned)up_at(s, 0) | (unsigned)up_at(s, 1) << 8;
	int low = up_at(s, HEADER), high = up_at(s, HEADER + 1);
	if (len < FIXED)
		return HT_SKIP;
	if (low < 0 || high < 0)
		return HT_MORE;
	unsigned capabilities = (unsigned)low | (unsigned)high << 8;
	if (!(capabilities & PROTOCOL_41))
		return HT_SKIP;
	if (len != FIXED || !(capabilities & TLS))
		return up_bad(u, HT_SPEAKS_PLAIN);
	if (!ht_skip(&r, HEADER) || !ht_take(&r, FIXED, &body.left))
		return HT_MORE;
	if (!ht_skip(&body, 9) || !ht_take(&body, 19, &filler))
		return HT_SKIP;
	for (size_t i = 0; i < filler.len; i++)
		if (filler.p[i] != 0)
			return HT_SKIP;
	return up_found(u, HT_VIA_MYSQL, u->start + HEADER + FIXED, UP_SPENT);
}

// MS-TDS 2.2.6.5: PRELOGIN is a list of options {type 1, offset 2, length 2} that ends with ff,
// then their values; VERSION is the first, ENCRYPTION tells whether the client can have TLS.
static enum ht_rc prelogin(struct ht_reader r) {
	enum { VERSION = 0, ENCRYPTION = 1, END = 0xff, NOT_SUPPORTED = 2, MAX_OPTIONS = 32 };
	struct ht_span whole = r.left;
	for (unsigned i = 0; i < MAX_OPTIONS; i++) {
		uint8_t type;
		uint16_t offset, len;
		if (!ht_u8(&r, &type) || (i == 0 && type != VERSION))
			return HT_SKIP;
		if (type == END)
			return HT_OK;
		if (!ht_u16(&r, &offset) || !ht_u16(&r, &len))
			return HT_SKIP;
		// ENCRYPT_OFF is no refusal: the login is encrypted all the same.
		if (type == ENCRYPTION && (up_at(whole, offset) & 0x7f) == NOT_SUPPORTED)
			return HT_BAD;
	}
	return HT_SKIP;
}

// MS-TDS 2.2.3: header {type 1, status 1, length 2, spid 2, packet 1, window 1}; bit 0 of the
// status marks the last packet of the message. The first packet must hold all options.
enum ht_rc up_tds(struct ht_upgrade *u, struct ht_span all) {
	enum { TYPE_PRELOGIN = 0x12, HEADER = 8, MAX_PACKETS = 8 };
	struct ht_reader r = up_here(u, all);
	size_t before = r.left.len;
	for (unsigned i = 0; i < MAX_PACKETS; i++) {
		struct ht_reader body;
		uint8_t type, status;
		uint16_t len;
		if (!ht_u8(&r, &type) || !ht_u8(&r, &status) || !ht_u16(&r, &len))
			return HT_MORE;
		if (type != TYPE_PRELOGIN || len <= HEADER)
			return i == 0 ? HT_SKIP : up_bad(u, HT_SPEAKS_PLAIN);
		if (!ht_take(&r, len - 4u, &body.left))
			return HT_MORE;
		if (i == 0) {
			enum ht_rc rc = ht_skip(&body, HEADER - 4) ? prelogin(body) : HT_SKIP;
			if (rc != HT_OK)
				return rc == HT_SKIP ? rc : up_bad(u, HT_SPEAKS_PLAIN);
		}
		if (status & 1) {
			u->tds_framed = true;
			return up_found(u, HT_VIA_TDS, u->start + (before - r.left.len), UP_TDS);
		}
	}
	return up_bad(u, HT_SPEAKS_PLAIN);
}

// MS-TDS 2.2.6.5: after both PRELOGINs a packet of the same type holds TLS records. A hello that
// goes over several packets is left to a caller that heeds tds_framed.
enum ht_rc up_tds_packet(struct ht_upgrade *u, struct ht_span all) {
	enum { TYPE_PRELOGIN = 0x12, HANDSHAKE = 0x16, CLIENT_HELLO = 1, HEADER = 8 };
	struct ht_reader r = up_here(u, all);
	uint8_t type, status, content, message;
	uint16_t len, version, record_len;
	uint32_t hello_len;
	u->tds_framed = false;
	if (!ht_u8(&r, &type))
		return HT_MORE;
	if (type != TYPE_PRELOGIN)
		return up_bad(u, HT_SPEAKS_PLAIN);
	if (!ht_u8(&r, &status) || !ht_u16(&r, &len) || !ht_skip(&r, 4) || // TDS header
	    !ht_u8(&r, &content) || !ht_u16(&r, &version) || !ht_u16(&r, &record_len) || // record
	    !ht_u8(&r, &message) || !ht_u24(&r, &hello_len)) // handshake message
		return HT_MORE;
	if (content != HANDSHAKE || version >> 8 != 3 || message != CLIENT_HELLO
	    || record_len + HEADER + 5u > len || hello_len + 4 > record_len)
		return up_bad(u, HT_SPEAKS_PLAIN);
	return up_found(u, HT_VIA_TDS, u->start + HEADER, UP_SPENT);
}

// MS-RDPBCGR 2.2.1.1: TPKT {3, 0, length 2}, X.224 Connection Request {length 1, e0, dst 2, src 2,
// class 1}, then optionally a routing token or cookie that ends with CRLF, and RDP_NEG_REQ {1,
// flags 1, 8 0, protocols 4 little endian}. Protocols 0, or none of it, is RDP's own security.
enum ht_rc up_rdp(struct ht_upgrade *u, struct ht_span all) {
	enum { NEG_REQ = 1, NEG_REQ_LEN = 8 };
	struct ht_reader r = up_here(u, all), tpkt, x224;
	uint16_t version, len, neg_len;
	uint8_t type, flags;
	uint32_t protocols;
	if (!ht_u16(&r, &version) || !ht_u16(&r, &len))
		return HT_MORE;
	if (len < 11 || up_at(r.left, 0) < 6 || up_at(r.left, 0) > len - 5)
		return HT_SKIP;
	if (!ht_take(&r, len - 4u, &tpkt.left))
		return HT_MORE;
	if (!ht_vec8(&tpkt, &x224) || !ht_skip(&x224, 6))
		return HT_SKIP;
	const uint8_t *lf = memchr(x224.left.p, '\n', x224.left.len);
	if (up_at(x224.left, 0) > ' ' && lf != NULL
	    && !ht_skip(&x224, (size_t)(lf - x224.left.p) + 1))
		return HT_SKIP;
	if (up_at(x224.left, 0) >= 0xc0)
		return HT_SKIP; // parameters of ISO 8073 13.3.4: industrial protocols have them
	if (!ht_u8(&x224, &type) || type != NEG_REQ || // RDP_NEG_REQ
	    !ht_u8(&x224, &flags) || // flags
	    !ht_u16(&x224, &neg_len) || neg_len != 0x0800 || // 8, little endian
	    !ht_u32(&x224, &protocols) || protocols == 0) // requestedProtocols
		return up_bad(u, HT_SPEAKS_PLAIN);
	return up_found(u, HT_VIA_RDP, u->start + len, UP_SPENT);
}

// Android debug bridge, protocol.txt: {command 4, arguments 4 and 4, data length 4, checksum 4,
// command inverted 4}, little endian, then the data. The host says CNXN with a banner "host:"; when
// the device answers STLS the host sends STLS too and then its hello.
enum ht_rc up_adb(struct ht_upgrade *u, struct ht_span all) {
	enum { HEADER = 24 };
	while (u->start < all.len) {
		struct ht_reader r = up_here(u, all);
		uint32_t command, length, inverted;
		if (!ht_u32(&r, &command) || !ht_skip(&r, 8) || !ht_u32(&r, &length)
		    || !ht_skip(&r, 4) || !ht_u32(&r, &inverted))
			return HT_MORE;
		length = __builtin_bswap32(length);
		if ((command ^ inverted) != UINT32_MAX || length > HT_UPGRADE_MAX)
			return up_bad(u, HT_SPEAKS_PLAIN);
		if (command == 0x53544c53) // "STLS"
			return up_found(u, HT_VIA_ADB, u->start + HEADER, UP_ADB);
		if (command == 0x4f50454e) // "OPEN": the session goes on in clear
			return up_bad(u, HT_SPEAKS_PLAIN);
		up_go_to(u, u->start + HEADER + length);
	}
	return HT_MORE;
}

enum ht_rc up_adb_first(struct ht_upgrade *u, struct ht_span all) {
	struct ht_reader r = up_here(u, all);
	if (!ht_skip(&r, 24))
		return HT_MORE;
	enum ht_rc rc = up_match(r.left, HT_SPAN_STR("host:"));
	if (rc == HT_MORE)
		return rc;
	if (rc == HT_SKIP)
		return up_bad(u, HT_SPEAKS_SERVER);
	u->state = UP_ADB;
	return up_adb(u, all);
}
