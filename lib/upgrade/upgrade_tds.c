// SPDX-License-Identifier: BSD-3-Clause
// SQL Server: MS-TDS 2.2.3, header {type 1, status 1, length 2, spid 2, packet 1, window 1}. Both
// sides say in a PRELOGIN whether they can have TLS; its records then come inside packets of the
// same type, until Finished.

#include "upgrade_int.h"

enum { HEADER = 8, TYPE_RESPONSE = 4, TYPE_LOGIN7 = 0x10, TYPE_PRELOGIN = 0x12 };

// MS-TDS 2.2.6.5, ENCRYPTION.
enum { OFF = 0, ON = 1, NOT_SUPPORTED = 2, REQUIRED = 3 };

// prelogin reads a list of options {type 1, offset 2, length 2} that ends with ff, then their
// values; VERSION is the first. Without the option nothing of it is refused. Of a client, bit 7
// tells of a certificate.
static enum ht_rc prelogin(struct ht_reader r, uint8_t *encryption) {
	enum { VERSION = 0, ENCRYPTION = 1, END = 0xff, MAX_OPTIONS = 32 };
	struct ht_span whole = r.left;
	*encryption = OFF;
	for (unsigned i = 0; i < MAX_OPTIONS; i++) {
		uint8_t type;
		uint16_t offset, len;
		if (!ht_u8(&r, &type) || (i == 0 && type != VERSION))
			return HT_SKIP;
		if (type == END)
			return HT_OK;
		if (!ht_u16(&r, &offset) || !ht_u16(&r, &len))
			return HT_SKIP;
		if (type == ENCRYPTION && offset < whole.len)
			*encryption = whole.p[offset] & 0x7f;
	}
	return HT_SKIP;
}

// Bit 0 of the status marks the last packet of the message. The first packet must hold all options.
// ENCRYPT_OFF is no refusal: the login is encrypted all the same.
enum ht_rc up_tds(struct ht_upgrade *u, struct ht_span all) {
	enum { MAX_PACKETS = 8 };
	struct ht_reader r = up_here(u, all);
	size_t before = r.left.len;
	uint8_t encryption = OFF;
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
		if (i == 0 && (!ht_skip(&body, HEADER - 4) || prelogin(body, &encryption) != HT_OK))
			return HT_SKIP;
		if (!(status & 1))
			continue;
		u->spoken = 1 + HT_VIA_TDS;
		size_t end = u->start + (before - r.left.len);
		if (encryption != NOT_SUPPORTED) {
			u->framing = HT_FRAMING_TDS;
			return up_found(u, HT_VIA_TDS, end, UP_TDS);
		}
		u->replies++;
		up_go_to(u, end);
		u->state = UP_TDS;
		return up_tds_login(u, all);
	}
	return up_bad(u, HT_SPEAKS_PLAIN);
}

// MS-TDS 2.2.6.4: LOGIN7 in clear. Its password is only swapped and XORed; with integrated security
// there is none.
enum ht_rc up_tds_login(struct ht_upgrade *u, struct ht_span all) {
	enum { PASSWORD_CHARS = 36 + 10 }; // cchPassword
	struct ht_reader r = up_here(u, all);
	uint8_t type, low, high;
	if (u->frame.at != 0)
		return up_bad(u, HT_SPEAKS_PLAIN); // what was carried was no hello
	if (!ht_u8(&r, &type))
		return HT_MORE;
	up_went_on(u);
	if (type != TYPE_LOGIN7)
		return up_bad(u, HT_SPEAKS_PLAIN);
	if (!ht_skip(&r, HEADER - 1 + PASSWORD_CHARS) || !ht_u8(&r, &low) || !ht_u8(&r, &high))
		return HT_MORE;
	if ((low | high) != 0)
		up_login(u, u->replies);
	return up_bad(u, HT_SPEAKS_PLAIN);
}

// What the server makes of ENCRYPTION depends on what the client said (MS-TDS 2.2.6.5, the table):
// to one that cannot, it says that it cannot either. So only the others tell of the server.
static void answer(struct ht_answers *a, uint8_t encryption) {
	if (encryption == NOT_SUPPORTED) {
		up_answered(a, HT_ANSWER_NO);
		return;
	}
	a->said |= HT_SAID_OFFERED;
	if (encryption == REQUIRED)
		a->said |= HT_SAID_REQUIRED;
	up_answered(a, HT_ANSWER_YES);
}

// PRELOGIN's answer, then TLS inside packets, or the answer to a login.
size_t up_answer_tds(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	enum { ANSWERED = UP_PRIVATE };
	struct ht_reader r = ht_reader(fresh), packet;
	uint8_t type, status, encryption;
	uint16_t len;
	(void)client;
	if (!ht_u8(&r, &type) || !ht_u8(&r, &status) || !ht_u16(&r, &len))
		return 0;
	// Older servers answer the handshake with the type of a response, too.
	bool right
		= (type == TYPE_RESPONSE || type == TYPE_PRELOGIN) && status <= 1 && len > HEADER;
	if (right && (a->flags & ANSWERED) && fresh.len <= HEADER)
		return 0;
	if (!right || (a->flags & ANSWERED)) {
		if (right && fresh.p[HEADER] == 0x16)
			a->said |= HT_SAID_TLS;
		a->done = true;
		return 0;
	}
	size_t n = up_answer_head(a, fresh, len, &packet);
	if (n == 0)
		return 0;
	a->flags |= ANSWERED;
	if (!ht_skip(&packet, HEADER) || prelogin(packet, &encryption) != HT_OK) {
		a->done = true;
		return n;
	}
	a->via = 1 + HT_VIA_TDS;
	answer(a, encryption);
	return n;
}
