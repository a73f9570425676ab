// SPDX-License-Identifier: BSD-3-Clause
// RDP: the first packet of each side negotiates what protects the session.

#include "upgrade_int.h"

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
	u->spoken = 1 + HT_VIA_RDP;
	if (!ht_u8(&x224, &type) || type != NEG_REQ || // RDP_NEG_REQ
	    !ht_u8(&x224, &flags) || // flags
	    !ht_u16(&x224, &neg_len) || neg_len != 0x0800 || // 8, little endian
	    !ht_u32(&x224, &protocols) || protocols == 0) // requestedProtocols
		return up_bad(u, HT_SPEAKS_PLAIN);
	return up_found(u, HT_VIA_RDP, u->start + len, UP_SPENT);
}

// MS-RDPBCGR 2.2.1.2: X.224 Connection Confirm {length 1, d0, dst 2, src 2, class 1}, then
// optionally RDP_NEG_RSP {2, flags 1, 8 0, the protocol chosen 4} or RDP_NEG_FAILURE {3, flags 1, 8
// 0, code 4}. Protocol 0, or none of it, is RDP's own security.
static enum ht_answer confirm(struct ht_answers *a, struct ht_reader r) {
	enum { NEG_RSP = 2, NEG_FAILURE = 3 };
	enum { SSL_REQUIRED = 1, HYBRID_REQUIRED = 5, SSL_WITH_USER_REQUIRED = 6 };
	struct ht_reader x224;
	uint8_t type, flags;
	uint16_t len;
	uint32_t value;
	if (!ht_skip(&r, 4) || !ht_vec8(&r, &x224) || !ht_skip(&x224, 6) || !ht_u8(&x224, &type)
	    || !ht_u8(&x224, &flags) || !ht_u16(&x224, &len) || !ht_u32(&x224, &value))
		return HT_ANSWER_NO;
	value = __builtin_bswap32(value);
	if (type == NEG_RSP && value != 0) {
		a->said |= HT_SAID_OFFERED;
		return HT_ANSWER_YES;
	}
	if (type == NEG_FAILURE
	    && (value == SSL_REQUIRED || value == HYBRID_REQUIRED || value == SSL_WITH_USER_REQUIRED
	    ))
		a->said |= HT_SAID_REQUIRED;
	return HT_ANSWER_NO;
}

size_t up_answer_rdp(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	enum { GRANTED = UP_PRIVATE, LEN_MIN = 11, CONNECTION_CONFIRM = 0xd0 };
	struct ht_reader tpkt;
	(void)client;
	if (a->flags & GRANTED)
		return up_answer_over(a, fresh);
	if (fresh.len < 6)
		return 0;
	uint16_t len = ht_be16(fresh.p + 2);
	if (fresh.p[1] != 0 || len < LEN_MIN || fresh.p[5] != CONNECTION_CONFIRM) {
		a->done = true;
		return 0;
	}
	size_t n = up_answer_head(a, fresh, len, &tpkt);
	if (n == 0)
		return 0;
	a->via = 1 + HT_VIA_RDP;
	enum ht_answer what = confirm(a, tpkt);
	up_answered(a, what);
	a->flags |= GRANTED;
	a->done = what != HT_ANSWER_YES;
	return n;
}
