// SPDX-License-Identifier: BSD-3-Clause
// JA4 (FoxIO JA4.md): a_b_c. The sentences quoted are those of that text.

#include "fingerprint_int.h"

enum { EXT_SERVER_NAME = 0, EXT_ALPN = 16 };

static void sift(uint16_t *v, size_t root, size_t n) {
	for (;;) {
		size_t child = 2 * root + 1;
		if (child >= n)
			return;
		if (child + 1 < n && v[child + 1] > v[child])
			child++;
		if (v[root] >= v[child])
			return;
		uint16_t t = v[root];
		v[root] = v[child];
		v[child] = t;
		root = child;
	}
}

// Real hellos have some 16 to 60 numbers, for which insertion is the fastest. A sender may put
// 32,000 there: heap sort keeps that from being quadratic.
static void sort_u16(uint16_t *v, size_t n) {
	if (n <= 128) {
		for (size_t i = 1; i < n; i++) {
			uint16_t x = v[i];
			size_t j = i;
			for (; j > 0 && v[j - 1] > x; j--)
				v[j] = v[j - 1];
			v[j] = x;
		}
		return;
	}
	for (size_t i = n / 2; i-- > 0;)
		sift(v, i, n);
	for (size_t i = n; i-- > 1;) {
		uint16_t t = v[0];
		v[0] = v[i];
		v[i] = t;
		sift(v, 0, i);
	}
}

// Copies a list without GREASE ("Ignore GREASE values anywhere") and returns how many are left.
static size_t without_grease(uint16_t *out, struct ht_span list) {
	size_t n = 0;
	for (size_t i = 0; i + 1 < list.len; i += 2) {
		uint16_t v = ht_be16(list.p + i);
		if (!ht_is_grease(v))
			out[n++] = v;
	}
	return n;
}

static char *put_hex16(char *o, const uint16_t *v, size_t n) {
	for (size_t i = 0; i < n; i++) {
		uint8_t b[2];
		if (i > 0)
			*o++ = ',';
		ht_put_be16(b, v[i]);
		o = ht_hex(o, b, 2);
	}
	return o;
}

static char *put_two_digits(char *o, size_t n) {
	n = n > 99 ? 99 : n; // "if > 99, which there should never be, then output 99"
	*o++ = (char)('0' + n / 10);
	*o++ = (char)('0' + n % 10);
	return o;
}

static const char *version_text(uint16_t v) {
	switch (v) {
	case 0x0304:
		return "13";
	case 0x0303:
		return "12";
	case 0x0302:
		return "11";
	case 0x0301:
		return "10";
	case 0x0300:
		return "s3";
	case 0x0002:
		return "s2";
	case 0xfeff:
		return "d1";
	case 0xfefd:
		return "d2";
	case 0xfefc:
		return "d3";
	default:
		return "00";
	}
}

static bool is_alnum(uint8_t c) {
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// "The first and last characters of the ALPN's first value", of the first one that is not GREASE.
// "If the first or last byte is not ASCII alphanumeric, print the first and last characters of the
// hex representation of the first ALPN instead". No value, or an empty one: 00.
static char *put_alpn(char *o, const struct ht_hello *h) {
	struct ht_span list = h->seen & HT_SEEN_ALPN ? h->alpn : HT_SPAN_EMPTY,
		       name = HT_SPAN_EMPTY;
	while (list.len > 0) { // parsed before: each length fits
		name = HT_SPAN(list.p + 1, list.p[0]);
		list = HT_SPAN(name.p + name.len, list.len - 1 - name.len);
		if (name.len != 2 || !ht_is_grease(ht_be16(name.p)))
			break;
		name = HT_SPAN_EMPTY;
	}
	if (name.len == 0) {
		*o++ = '0';
		*o++ = '0';
		return o;
	}
	uint8_t first = name.p[0], last = name.p[name.len - 1];
	if (is_alnum(first) && is_alnum(last)) {
		*o++ = (char)first;
		*o++ = (char)last;
		return o;
	}
	char hex[4];
	ht_hex(hex, &first, 1);
	ht_hex(hex + 2, &last, 1);
	*o++ = hex[0];
	*o++ = hex[3];
	return o;
}

// The first 12 hex digits of the SHA-256 of what stands between `from` and `to`; "000000000000"
// when the list it stands for is empty.
static char *
put_hash12(struct ht_fingerprinter *f, char *o, const char *from, const char *to, bool empty) {
	if (empty) {
		memset(o, '0', 12);
		return o + 12;
	}
	uint8_t digest[32];
	ht_sha256(f->crypto, digest, HT_SPAN(from, (size_t)(to - from)));
	return ht_hex(o, digest, 6);
}

size_t
ht_ja4(struct ht_fingerprinter *f, const struct ht_hello *h, enum ht_ja4_transport t, char out[36]
) {
	// The raw form is a_ciphers_extensions[_algorithms]; b and c are hashes of its parts, so it
	// is made first and hashed piece by piece.
	char *const ciphers_at = f->text + 11, *w = ciphers_at;
	size_t num_ciphers = without_grease(f->sorted, h->ciphers);
	sort_u16(f->sorted, num_ciphers);
	w = put_hex16(w, f->sorted, num_ciphers);
	char *const ciphers_end = w;
	*w++ = '_';

	char *const extensions_at = w;
	size_t num_all
		= without_grease(f->sorted, HT_SPAN(h->extensions, 2 * (size_t)h->num_extensions));
	size_t num = 0; // "ignoring SNI (0000) and ALPN (0010)", which part a holds
	for (size_t i = 0; i < num_all; i++)
		if (f->sorted[i] != EXT_SERVER_NAME && f->sorted[i] != EXT_ALPN)
			f->sorted[num++] = f->sorted[i];
	sort_u16(f->sorted, num);
	w = put_hex16(w, f->sorted, num);
	// "If there are no signature algorithms in the hello packet, then the string ends without
	// an underscore". They are "not to be sorted".
	size_t num_algs = h->seen & HT_SEEN_SIG_ALGS ? without_grease(f->sorted, h->sig_algs) : 0;
	if (num_algs > 0) {
		*w++ = '_';
		w = put_hex16(w, f->sorted, num_algs);
	}

	char *o = out;
	*o++ = (char)t;
	memcpy(o, version_text(ht_hello_version(h)), 2);
	o += 2;
	*o++ = h->seen & HT_SEEN_SNI_EXT ? 'd' : 'i';
	o = put_two_digits(o, num_ciphers);
	o = put_two_digits(o, num_all);
	o = put_alpn(o, h);
	*o++ = '_';
	o = put_hash12(f, o, ciphers_at, ciphers_end, num_ciphers == 0);
	*o++ = '_';
	put_hash12(f, o, extensions_at, w, num == 0);

	if (!f->want_ja4_r)
		return 0;
	memcpy(f->text, out, 11);
	size_t len = (size_t)(w - f->text);
	memcpy(f->raw, f->text, len);
	return len;
}
