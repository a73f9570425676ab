// SPDX-License-Identifier: BSD-3-Clause
// What begins here? The first byte selects a short list of patterns; the list is tried in order.

#include "upgrade_int.h"

// A byte of a pattern: the bits that count and their value.
#define BITS(mask, value) ((uint16_t)((mask) << 8 | (value)))
#define IS(value) BITS(0xff, value)
#define ANY 0
#define PATTERN_MAX 10

// What the bytes are when they match: `step` looks closer, or `speaks` is the answer.
struct row {
	uint16_t pattern[PATTERN_MAX];
	uint8_t num;
	up_step *step;
	enum ht_speaks speaks;
};

#define ROW(step, speaks, ...) \
	{ {__VA_ARGS__}, sizeof((uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t), step, speaks }
#define SPEAKS(what, ...) ROW(NULL, HT_SPEAKS_##what, __VA_ARGS__)
#define STEP(step, ...) ROW(step, HT_SPEAKS_UNKNOWN, __VA_ARGS__)

// MySQL packets begin with their length, so any byte may be the first: length 3 (below 4096 here),
// sequence number 0 for the greeting (0a, version) or an error (ff), 1 for the client's answer.
#define MYSQL_ROWS \
	SPEAKS(SERVER, ANY, BITS(0xf0, 0), IS(0), IS(0), IS(0x0a), BITS(0xf0, 0x30)), \
		SPEAKS(SERVER, ANY, BITS(0xf0, 0), IS(0), IS(0), IS(0xff)), \
		STEP(up_mysql, ANY, BITS(0xf0, 0), IS(0), IS(1))

// RFC 7766 8: DNS over TCP has a 2-byte length. RFC 1035 4.1.1: opcode 0, Z 0, one question; a
// query has no error code, and no answers.
#define DNS_ROWS \
	SPEAKS(DNS, BITS(0xf0, 0), ANY, ANY, ANY, BITS(0xf8, 0), BITS(0x4f, 0), IS(0), IS(1), \
	       IS(0), IS(0)), \
		SPEAKS(DNS, BITS(0xf0, 0), ANY, ANY, ANY, BITS(0xf8, 0x80), BITS(0x40, 0), IS(0), \
		       IS(1), IS(0))

// OpenVPN over TCP: 2-byte length, opcode << 3 | key id 0. HARD_RESET_CLIENT_V2,
// HARD_RESET_SERVER_V2, HARD_RESET_CLIENT_V3; the shortest is 14 bytes.
#define OPENVPN_ROWS \
	SPEAKS(OPENVPN, BITS(0xfc, 0), ANY, IS(0x38)), \
		SPEAKS(OPENVPN, BITS(0xfc, 0), ANY, IS(0x40)), \
		SPEAKS(OPENVPN, BITS(0xfc, 0), ANY, IS(0x50))

static const struct row zero_rows[] = {
	STEP(up_postgresql_first, IS(0), IS(0), ANY, ANY, IS(0x04), IS(0xd2), IS(0x16)),
	// StartupMessage of protocol 3.x or 2.0, in clear.
	SPEAKS(PLAIN, IS(0), IS(0), ANY, ANY, IS(0), BITS(0xfe, 2), IS(0)),
	// MS-SMB2 2.1: direct TCP transport. SMB 1, 2, encrypted, compressed.
	SPEAKS(SMB, IS(0), ANY, ANY, ANY, IS(0xff), IS('S'), IS('M'), IS('B')),
	SPEAKS(SMB, IS(0), ANY, ANY, ANY, BITS(0xfc, 0xfc), IS('S'), IS('M'), IS('B')),
	DNS_ROWS,
	OPENVPN_ROWS,
	SPEAKS(SERVER, IS(0), BITS(0xfe, 0x5a)), // SOCKS4: granted, refused
	SPEAKS(SERVER, IS(0), BITS(0xfe, 0x5c)), // SOCKS4: no identd, wrong user
	MYSQL_ROWS,
};

static const struct row low_rows[] = {DNS_ROWS, OPENVPN_ROWS, MYSQL_ROWS};

static const struct row rdp_rows[] = {
	STEP(up_rdp, IS(3), IS(0), ANY, ANY, ANY, IS(0xe0)),
	SPEAKS(SERVER, IS(3), IS(0), ANY, ANY, ANY, IS(0xd0)),
	DNS_ROWS,
	OPENVPN_ROWS,
	MYSQL_ROWS,
};

static const struct row four_rows[] = {
	// MS-TDS 2.2.3.1: a response has a small packet number and window 0. As SOCKS4 it would be
	// for a host x.x.1.0.
	SPEAKS(SERVER, IS(4), BITS(0xfe, 0), ANY, ANY, ANY, ANY, BITS(0xfe, 0), IS(0)),
	STEP(up_socks4, IS(4), IS(1)),
	STEP(up_socks4, IS(4), IS(2)),
	DNS_ROWS,
	MYSQL_ROWS,
};

static const struct row five_rows[] = {
	SPEAKS(SERVER, IS(5), IS(0), IS(5)), // no authentication, then the reply
	SPEAKS(SERVER, IS(5), IS(0xff)), // no acceptable method
	STEP(up_socks5, IS(5)),
	DNS_ROWS,
	MYSQL_ROWS,
};

static const struct row cr_rows[] = {STEP(up_proxy_v2, IS(0x0d), IS(0x0a)), DNS_ROWS, MYSQL_ROWS};

static const struct row login_rows[] = {
	// MS-TDS 2.2.6.4: LOGIN7 without PRELOGIN. TDS 4.2 and 5 log in with type 2.
	SPEAKS(PLAIN, BITS(0xed, 0), BITS(0xfe, 0), ANY, ANY, IS(0), IS(0), ANY, IS(0)),
	DNS_ROWS,
	OPENVPN_ROWS,
	MYSQL_ROWS,
};

static const struct row prelogin_rows[] = {
	STEP(up_tds, IS(0x12), BITS(0xfe, 0), ANY, ANY, IS(0), IS(0), ANY, IS(0)),
	MYSQL_ROWS,
};

static const struct row bittorrent_rows[] = {
	SPEAKS(BITTORRENT, IS(0x13), IS('B'), IS('i'), IS('t'), IS('T'), IS('o'), IS('r'), IS('r')),
	MYSQL_ROWS,
};

static const struct row length_rows[] = {MYSQL_ROWS};

static const struct row greeting_rows[] = {STEP(up_greeting, ANY), MYSQL_ROWS};

static const struct row xml_rows[] = {STEP(up_xmpp_first, IS('<')), MYSQL_ROWS};

static const struct row text_rows[] = {
	STEP(up_ldap_first, IS(0x30)), // '0': a tag of IMAP, or an ASN.1 SEQUENCE
	STEP(up_text_first, ANY),
	// PostgreSQL's answer to SSLRequest, then TLS, an error, or authentication in clear.
	SPEAKS(SERVER, IS('S'), IS(0x16)),
	SPEAKS(SERVER, IS('N'), IS('R'), IS(0)),
	SPEAKS(SERVER, IS('N'), IS('E'), IS(0)),
	SPEAKS(SERVER, IS('R'), IS(0), IS(0), IS(0)),
	SPEAKS(SERVER, IS('E'), IS(0), IS(0), IS(0)),
	STEP(up_adb_first, IS('C'), IS('N'), IS('X'), IS('N'), IS(0), IS(0), IS(0), IS(1)),
	STEP(up_adb_first, IS('C'), IS('N'), IS('X'), IS('N'), IS(1), IS(0), IS(0), IS(1)),
	SPEAKS(SERVER, IS('S'), IS('T'), IS('L'), IS('S'), IS(0)), // ADB: the device asks first
	MYSQL_ROWS,
};

static const struct row high_rows[] = {
	SPEAKS(SMB, IS(0x81), IS(0), IS(0), IS(0x44)), // RFC 1002 4.3.2: session request
	SPEAKS(SMB, IS(0x82), IS(0), IS(0), IS(0)), // positive answer
	SPEAKS(SMB, IS(0x83), IS(0), IS(0), IS(1)), // negative answer
	MYSQL_ROWS,
};

#define ROWS(name) ((struct rows){name, HT_ARRAY_LEN(name)})

struct rows {
	const struct row *row;
	size_t num;
};

static struct rows rows_of(uint8_t first) {
	switch (first) {
	case 0x00:
		return ROWS(zero_rows);
	case 0x03:
		return ROWS(rdp_rows);
	case 0x04:
		return ROWS(four_rows);
	case 0x05:
		return ROWS(five_rows);
	case 0x0d:
		return ROWS(cr_rows);
	case 0x02:
	case 0x10:
		return ROWS(login_rows);
	case 0x12:
		return ROWS(prelogin_rows);
	case 0x13:
		return ROWS(bittorrent_rows);
	case 0x01:
	case 0x06 ... 0x0c:
	case 0x0e ... 0x0f:
		return ROWS(low_rows);
	case '"':
	case '*':
	case '+':
	case '-':
	case ':':
		return ROWS(greeting_rows);
	case '<':
		return ROWS(xml_rows);
	case '(':
	case ')':
	case '%':
	case '{':
	case '\\':
		return ROWS(length_rows); // RFC 9051 9: no tag begins so
	case '!':
	case '#' ... '$':
	case '&' ... '\'':
	case ',':
	case '.' ... '9':
	case ';':
	case '=' ... '[':
	case ']' ... 'z':
	case '|' ... '~':
		return ROWS(text_rows);
	case 0x81 ... 0x83:
		return ROWS(high_rows);
	default:
		return ROWS(length_rows);
	}
}

static enum ht_rc match(const struct row *row, struct ht_span s) {
	for (size_t i = 0; i < row->num; i++) {
		int byte = up_at(s, i);
		if (byte < 0)
			return HT_MORE;
		if ((byte & row->pattern[i] >> 8) != (row->pattern[i] & 0xff))
			return HT_SKIP;
	}
	return HT_OK;
}

enum ht_rc up_start(struct ht_upgrade *u, struct ht_span all) {
	struct ht_span s = up_here(u, all).left;
	if (s.len == 0)
		return HT_MORE;
	struct rows rows = rows_of(s.p[0]);
	for (size_t i = 0; i < rows.num; i++) {
		enum ht_rc rc = match(&rows.row[i], s);
		// A later row could already be sure; but then the answer would depend on how the
		// bytes were cut.
		if (rc == HT_MORE)
			return HT_MORE;
		if (rc == HT_SKIP)
			continue;
		if (rows.row[i].step == NULL)
			return up_bad(u, rows.row[i].speaks);
		rc = rows.row[i].step(u, all);
		if (rc != HT_SKIP)
			return rc;
	}
	return up_bad(u, HT_SPEAKS_UNKNOWN);
}
