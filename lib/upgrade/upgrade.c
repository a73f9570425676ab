// SPDX-License-Identifier: BSD-3-Clause

#include "upgrade_int.h"

const char *ht_via_name(enum ht_via v) {
	static const char *const names[] = {
#define X(id, name) name,
		HT_VIA_LIST(X)
#undef X
	};
	return (unsigned)v < HT_NUM_VIAS ? names[v] : "?";
}

enum ht_rc up_line(struct ht_upgrade *u, struct ht_span all, size_t max, struct ht_span *line) {
	if (u->pos > all.len) // behind a literal that has not come yet
		return HT_MORE;
	const uint8_t *lf = memchr(all.p + u->pos, '\n', all.len - u->pos);
	const size_t stop = lf != NULL ? (size_t)(lf - all.p) : all.len;
	if (stop - u->start > max)
		return HT_LIMIT;
	if (lf == NULL) {
		u->pos = (uint32_t)all.len;
		return HT_MORE;
	}
	*line = HT_SPAN(all.p + u->start, stop - u->start);
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;
	up_go_to(u, stop + 1);
	return HT_OK;
}

// A second CR before the LF is seen from some clients.
static bool is_blank(uint8_t c) {
	return c == ' ' || c == '\t' || c == '\r';
}

#define EACH_BYTE(x) (0x0101010101010101u * (x))

// The bytes of a word from `i` on are passed over eight at a time as long as all of them are beyond
// the blank: most of a word is.
static size_t word_end(struct ht_span s, size_t i) {
	for (uint64_t x; s.len - i >= sizeof(x); i += sizeof(x)) {
		memcpy(&x, s.p + i, sizeof(x));
		const uint64_t low = (x - EACH_BYTE(0x21)) & ~x & EACH_BYTE(0x80);
		if (low != 0) {
			i += (unsigned)__builtin_ctzll(low) / 8;
			break;
		}
	}
	while (i < s.len && !is_blank(s.p[i]))
		i++;
	return i;
}

struct ht_span up_word(struct ht_reader *r) {
	struct ht_span s = r->left;
	size_t blank = 0;
	while (blank < s.len && is_blank(s.p[blank]))
		blank++;
	if (!ht_skip(r, blank) || !ht_take(r, word_end(s, blank) - blank, &s))
		return HT_SPAN_EMPTY;
	return s;
}

bool up_number(struct ht_span digits, uint32_t *v) {
	uint32_t n = 0;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
		n = n * 10 + (digits.p[i] - '0');
		if (n > HT_UPGRADE_MAX)
			n = HT_UPGRADE_MAX;
	}
	*v = n;
	return digits.len > 0;
}

bool ht_upgrade_is_client(const struct ht_upgrade *u) {
	switch (u->state) {
	case UP_TEXT:
	case UP_MAIL:
	case UP_LDAP:
	case UP_POSTGRESQL:
	case UP_POSTGRESQL_LOGIN:
	case UP_ADB:
	case UP_TDS:
		return true;
	case UP_XMPP:
		return u->depth > 0; // the header was seen, and is no server's
	default:
		if (u->num_via > 0)
			return true;
		return u->state == UP_BAD ? u->speaks == HT_SPEAKS_PLAIN : u->spoken != 0;
	}
}

static enum ht_rc inside(struct ht_upgrade *u, struct ht_span all) {
	if (all.len <= u->start)
		return HT_MORE;
	if (u->layer + 1 == HT_VIA_MAX)
		return up_bad(u, HT_SPEAKS_PLAIN);
	u->layer++;
	u->said = u->replies = u->spoken = u->flags = 0;
	u->candidates = u->secret = 0;
	u->state = UP_START;
	return up_start(u, all);
}

static enum ht_rc spent(struct ht_upgrade *u, struct ht_span all) {
	if (all.len <= u->start)
		return HT_MORE;
	up_went_on(u);
	return up_bad(u, HT_SPEAKS_PLAIN);
}

static enum ht_rc bad(struct ht_upgrade *u, struct ht_span all) {
	(void)u, (void)all;
	return HT_BAD;
}

enum ht_rc ht_upgrade_scan(struct ht_upgrade *u, struct ht_span sofar) {
	static up_step *const steps[UP_NUM_STATES] = {
		[UP_START] = up_start,
		[UP_TEXT] = up_text,
		[UP_MAIL] = up_text,
		[UP_HTTP] = up_http,
		[UP_HTTP_BODY] = up_http_body,
		[UP_HTTP_AGAIN] = up_http_again,
		[UP_WEBSOCKET] = up_websocket,
		[UP_XMPP] = up_xmpp,
		[UP_LDAP] = up_ldap,
		[UP_POSTGRESQL] = up_postgresql,
		[UP_POSTGRESQL_LOGIN] = up_postgresql_login,
		[UP_ADB] = up_adb,
		[UP_TDS] = up_tds_login,
		[UP_INSIDE] = inside,
		[UP_SPENT] = spent,
		[UP_BAD] = bad,
	};
	// The same bytes are looked at however many came in the last call, or the answer would
	// depend on how they were cut.
	struct ht_span all = sofar;
	if (all.len > HT_UPGRADE_MAX)
		all.len = HT_UPGRADE_MAX;
	enum ht_rc rc = steps[u->state](u, all);
	if (rc == HT_MORE && (sofar.len > HT_UPGRADE_MAX || u->pos > HT_UPGRADE_MAX))
		return up_bad(u, u->state == UP_START ? HT_SPEAKS_UNKNOWN : HT_SPEAKS_PLAIN);
	return rc;
}
