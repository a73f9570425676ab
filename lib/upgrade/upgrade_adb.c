// SPDX-License-Identifier: BSD-3-Clause
// Android debug bridge, protocol.txt.

#include "upgrade_int.h"

// {command 4, arguments 4 and 4, data length 4, checksum 4,
// command inverted 4}, little endian, then the data. The host says CNXN with a banner "host:"; when
// the device answers STLS the host sends STLS too and then its hello.
enum { HEADER = 24, STLS = 0x53544c53, OPEN = 0x4f50454e };

enum ht_rc up_adb(struct ht_upgrade *u, struct ht_span all) {
	while (u->start < all.len) {
		struct ht_reader r = up_here(u, all);
		uint32_t command, length, inverted;
		if (!ht_u32(&r, &command) || !ht_skip(&r, 8) || !ht_u32(&r, &length)
		    || !ht_skip(&r, 4) || !ht_u32(&r, &inverted))
			return HT_MORE;
		length = __builtin_bswap32(length);
		if ((command ^ inverted) == UINT32_MAX && command == STLS)
			return up_found(u, HT_VIA_ADB, u->start + HEADER, UP_ADB);
		up_went_on(u);
		// Behind OPEN the session goes on in clear.
		if ((command ^ inverted) != UINT32_MAX || length > HT_UPGRADE_MAX
		    || command == OPEN)
			return up_bad(u, HT_SPEAKS_PLAIN);
		up_go_to(u, u->start + HEADER + length);
	}
	return HT_MORE;
}

enum ht_rc up_adb_first(struct ht_upgrade *u, struct ht_span all) {
	struct ht_reader r = up_here(u, all);
	if (!ht_skip(&r, HEADER))
		return HT_MORE;
	enum ht_rc rc = up_match(r.left, HT_SPAN_STR("host:"));
	if (rc == HT_MORE)
		return rc;
	if (rc == HT_SKIP)
		return up_bad(u, HT_SPEAKS_SERVER);
	u->state = UP_ADB;
	u->spoken = 1 + HT_VIA_ADB;
	return up_adb(u, all);
}

// The device asks for TLS first, and the host's STLS is the answer to that, or the other way round:
// the device's STLS is the go-ahead, whatever stands before it. OKAY and the like belong to a
// session in clear.
size_t up_answer_adb(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	enum { GRANTED = UP_PRIVATE, CNXN = 0x434e584e, AUTH = 0x41555448 };
	struct ht_reader r = ht_reader(fresh);
	uint32_t command, length;
	(void)client;
	if (a->flags & GRANTED)
		return up_answer_over(a, fresh);
	if (!ht_u32(&r, &command) || !ht_skip(&r, 8) || !ht_u32(&r, &length) || !ht_skip(&r, 8))
		return 0;
	a->via = 1 + HT_VIA_ADB;
	switch (command) {
	case STLS:
		a->said |= HT_SAID_OFFERED;
		a->flags |= GRANTED;
		up_answered(a, HT_ANSWER_YES);
		return HEADER;
	case CNXN:
	case AUTH:
		return up_answer_pass(a, HEADER + (size_t)__builtin_bswap32(length));
	default:
		a->done = true;
		return 0;
	}
}
