// SPDX-License-Identifier: BSD-3-Clause
// Names as they are compared. A server name is an A-label name (RFC 6066 3), but nothing keeps a
// client from sending U-labels. They are turned into A-labels here without libidn2, which
// allocates: a U-label is in NFC and lower case already (RFC 5890 2.3.2.1), so that Punycode is all
// it takes. Capital letters are taken, too; what is not in NFC stays different.

#include "ht_config.h"
#include "watchlist_int.h"

#include <stdio.h>
#include <wctype.h>
#if HT_HAVE_IDN2
#include <idn2.h>
#endif

#define POINTS_MAX (WL_LABEL_MAX - 4) // each is a byte of the A-label at least, behind "xn--"

// copy_lower returns all bytes in one, by or.
static uint8_t copy_lower(uint8_t *out, struct ht_span in) {
	uint8_t all = 0;
	for (size_t i = 0; i < in.len; i++) {
		all |= in.p[i];
		out[i] = ht_lower(in.p[i]);
	}
	return all;
}

// --- Punycode -----------------------------------------------------------------------------------

// RFC 3492 5, with the names of 6.1 and 6.3.
enum { BASE = 36, TMIN = 1, TMAX = 26, SKEW = 38, DAMP = 700, BIAS = 72, FIRST = 0x80 };

static uint32_t adapt(uint32_t delta, uint32_t num, bool first) {
	uint32_t k = 0;
	delta = first ? delta / DAMP : delta / 2;
	delta += delta / num;
	for (; delta > (BASE - TMIN) * TMAX / 2; k += BASE)
		delta /= BASE - TMIN;
	return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

struct label {
	uint8_t *out;
	unsigned len;
};

static bool put(struct label *l, uint8_t c) {
	if (l->len == WL_LABEL_MAX)
		return false;
	l->out[l->len++] = c;
	return true;
}

static uint8_t digit(uint32_t d) {
	return (uint8_t)(d < 26 ? 'a' + d : '0' + d - 26);
}

static bool put_number(struct label *l, uint32_t q, uint32_t bias) {
	for (uint32_t k = BASE;; k += BASE) {
		const uint32_t t = k <= bias ? TMIN : k >= bias + TMAX ? TMAX : k - bias;
		if (q < t)
			return put(l, digit(q));
		if (!put(l, digit(t + (q - t) % (BASE - t))))
			return false;
		q = (q - t) / (BASE - t);
	}
}

// put_basic copies what is ASCII and returns how many that were.
static unsigned put_basic(struct label *l, const uint32_t *cp, unsigned num) {
	unsigned basic = 0;
	for (unsigned i = 0; i < num; i++)
		if (cp[i] < FIRST)
			basic += put(l, (uint8_t)cp[i]);
	return basic;
}

static uint32_t smallest_from(const uint32_t *cp, unsigned num, uint32_t n) {
	uint32_t m = UINT32_MAX;
	for (unsigned i = 0; i < num; i++)
		if (cp[i] >= n && cp[i] < m)
			m = cp[i];
	return m;
}

// punycode: false if it would be longer than a label. At most POINTS_MAX code points below
// 0x110000: delta stays below 2^27.
static bool punycode(struct label *l, const uint32_t *cp, unsigned num) {
	uint32_t n = FIRST, delta = 0, bias = BIAS;
	const unsigned basic = put_basic(l, cp, num);
	unsigned done = basic;
	if (basic > 0 && !put(l, '-'))
		return false;
	for (; done < num; delta++, n++) {
		const uint32_t m = smallest_from(cp, num, n);
		delta += (m - n) * (done + 1);
		n = m;
		for (unsigned i = 0; i < num; i++) {
			delta += cp[i] < n;
			if (cp[i] != n)
				continue;
			if (!put_number(l, delta, bias))
				return false;
			bias = adapt(delta, done + 1, done == basic);
			delta = 0;
			done++;
		}
	}
	return true;
}

// --- UTF-8 --------------------------------------------------------------------------------------

// take_point reads a code point (RFC 3629 4) and returns its bytes, 0 if it is none.
static unsigned take_point(uint32_t *cp, struct ht_span in) {
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t c = in.p[0];
	const unsigned n = c < 0x80 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;
	if (n == 0 || n > in.len)
		return 0;
	*cp = n == 1 ? c : c & (0x7fu >> n);
	for (unsigned i = 1; i < n; i++) {
		if (in.p[i] >> 6 != 2)
			return 0;
		*cp = *cp << 6 | (in.p[i] & 0x3fu);
	}
	return *cp < least[n] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp < 0xe000) ? 0 : n;
}

// dot_at tells how many bytes of a dot stand here: the full stop, or those that IDNA takes for one
// (RFC 3490 3.1): U+3002, U+FF0E, U+FF61.
static unsigned dot_at(struct ht_span in) {
	if (in.p[0] == '.')
		return 1;
	if (in.len < 3)
		return 0;
	return memcmp(in.p, "\xe3\x80\x82", 3) == 0 || memcmp(in.p, "\xef\xbc\x8e", 3) == 0
			       || memcmp(in.p, "\xef\xbd\xa1", 3) == 0
		       ? 3
		       : 0;
}

// --- server names -------------------------------------------------------------------------------

// take_points reads a label in lower case; 0 if it is not UTF-8 or too long.
static unsigned
take_points(locale_t locale, uint32_t cp[POINTS_MAX], struct ht_span in, bool *ascii) {
	unsigned num = 0;
	*ascii = true;
	for (unsigned n; in.len > 0; in = HT_SPAN(in.p + n, in.len - n)) {
		uint32_t c;
		n = num < POINTS_MAX ? take_point(&c, in) : 0;
		if (n == 0)
			return 0;
		c = c < 0x80 ? ht_lower((uint8_t)c) : (uint32_t)towlower_l((wint_t)c, locale);
		*ascii = *ascii && c < 0x80;
		cp[num++] = c;
	}
	return num;
}

// fold_label writes one label, at most 63 bytes or as many as it had.
static size_t fold_label(locale_t locale, uint8_t *out, struct ht_span in) {
	uint32_t cp[POINTS_MAX];
	struct label l = {.out = out};
	bool ascii;
	const bool high = copy_lower(out, in) >= 0x80;
	const unsigned num = high ? take_points(locale, cp, in, &ascii) : 0;
	if (num == 0)
		return in.len;
	if (ascii) // the Kelvin sign is k
		return put_basic(&l, cp, num);
	l.len = 4;
	memcpy(out, "xn--", 4);
	if (punycode(&l, cp, num))
		return l.len;
	copy_lower(out, in);
	return in.len;
}

static size_t fold_labels(locale_t locale, uint8_t *out, struct ht_span in) {
	size_t at = 0, len = 0;
	while (at < in.len) {
		unsigned dot = 0;
		size_t end = at;
		while (end < in.len && (dot = dot_at(HT_SPAN(in.p + end, in.len - end))) == 0)
			end++;
		len += fold_label(locale, out + len, HT_SPAN(in.p + at, end - at));
		if (dot != 0)
			out[len++] = '.';
		at = end + dot;
	}
	return len;
}

size_t wl_fold(locale_t locale, uint8_t *out, struct ht_span name) {
	if (name.len > WL_SNI_MAX)
		name = HT_SPAN(name.p + name.len - WL_SNI_MAX, WL_SNI_MAX);
	size_t len = name.len;
	if (copy_lower(out, name) >= 0x80) {
		// What stands before the longest DNS name is no part of one: it stays as it is.
		size_t tail = len > WL_TAIL_MAX ? len - WL_TAIL_MAX : 0;
		while (tail > 0 && tail < len && name.p[tail - 1] != '.')
			tail++;
		len = tail + fold_labels(locale, out + tail, HT_SPAN(name.p + tail, len - tail));
	}
	return len > 0 && out[len - 1] == '.' ? len - 1 : len;
}

// --- names of lists -----------------------------------------------------------------------------

// What becomes of a name beyond ASCII; longer than any name, so that too long is told.
struct ascii {
	uint8_t p[WL_NAME_MAX + 3];
	size_t len;
};

static void put_bytes(struct ascii *a, const void *p, size_t len) {
	if (len > sizeof(a->p) - a->len)
		len = sizeof(a->p) - a->len;
	memcpy(a->p + a->len, p, len);
	a->len += len;
}

static bool is_ascii(struct ht_span s) {
	uint8_t all = 0;
	for (size_t i = 0; i < s.len; i++)
		all |= s.p[i];
	return all < 0x80;
}

#if HT_HAVE_IDN2
static bool put_u_label(struct ascii *to, struct ht_span label, char reason[200]) {
	char in[WL_TAIL_MAX + 1], *a = NULL;
	memcpy(in, label.p, label.len);
	in[label.len] = '\0';
	const int rc = idn2_lookup_u8(
		(const uint8_t *)in, (uint8_t **)&a, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL
	);
	if (rc != IDN2_OK) {
		snprintf(reason, 200, "not an internationalized name: %s", idn2_strerror(rc));
		return false;
	}
	put_bytes(to, a, strlen(a));
	idn2_free(a);
	return true;
}
#else
static bool put_u_label(struct ascii *to, struct ht_span label, char reason[200]) {
	(void)to, (void)label;
	snprintf(
		reason, 200,
		"a name beyond ASCII, and this program was built without libidn2: write it as xn--"
	);
	return false;
}
#endif

// to_ascii turns U-labels into A-labels. It leaves the others alone, which may have what IDNA does
// not allow, such as '_'.
static bool to_ascii(struct ascii *to, struct ht_span name, char reason[200]) {
	to->len = 0;
	for (size_t at = 0, n; at <= name.len; at += n + 1) {
		const struct ht_span rest = HT_SPAN(name.p + at, name.len - at);
		const uint8_t *dot = memchr(rest.p, '.', rest.len);
		n = dot != NULL ? (size_t)(dot - rest.p) : rest.len;
		const struct ht_span label = HT_SPAN(rest.p, n);
		if (is_ascii(label))
			put_bytes(to, label.p, label.len);
		else if (!put_u_label(to, label, reason))
			return false;
		if (dot != NULL)
			put_bytes(to, ".", 1);
	}
	return true;
}

static enum ht_rc bad_name(char reason[200], const char *why) {
	snprintf(reason, 200, "not a name: %s", why);
	return HT_BAD;
}

// check_labels: letters, digits, '-' and '_' (which names that are no host's have, RFC 8552).
static enum ht_rc check_labels(const uint8_t *p, size_t len, char reason[200]) {
	size_t label = 0;
	bool number = true; // the last label
	for (size_t i = 0; i <= len; i++) {
		const uint8_t c = i < len ? p[i] : '.';
		if (c == '.') {
			if (label == 0)
				return bad_name(reason, "an empty label");
			if (label > WL_LABEL_MAX)
				return bad_name(reason, "a label of more than 63 bytes");
			label = 0;
			continue;
		}
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) {
			char why[64];
			snprintf(
				why, sizeof(why), c < 0x7f ? "the character '%c'" : "the byte %02x",
				c
			);
			return bad_name(reason, why);
		}
		number = (label == 0 || number) && c >= '0' && c <= '9';
		label++;
	}
	return number ? bad_name(reason, "its last label is a number") : HT_OK;
}

static enum ht_rc
check_name(uint8_t out[WL_NAME_MAX], uint16_t *len, struct ht_span name, char reason[200]) {
	if (name.len > 0 && name.p[name.len - 1] == '.')
		name.len--;
	if (name.len == 0)
		return bad_name(reason, "it is empty");
	if (name.len > WL_NAME_MAX)
		return bad_name(reason, "more than 253 bytes");
	copy_lower(out, name);
	*len = (uint16_t)name.len;
	return check_labels(out, name.len, reason);
}

enum ht_rc
wl_list_name(uint8_t out[WL_NAME_MAX], uint16_t *len, struct ht_span name, char reason[200]) {
	struct ascii a;
	if (is_ascii(name))
		return check_name(out, len, name, reason);
	if (name.len > WL_TAIL_MAX)
		return bad_name(reason, "more than 253 bytes");
	return to_ascii(&a, name, reason) ? check_name(out, len, HT_SPAN(a.p, a.len), reason)
					  : HT_BAD;
}
