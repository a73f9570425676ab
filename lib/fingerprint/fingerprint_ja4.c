// SPDX-License-Identifier: BSD-3-Clause
// JA4 (FoxIO JA4.md): a_b_c. The sentences quoted are those of that text.

#include "fingerprint_int.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

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

static void sort_heap(uint16_t *v, size_t n) {
	for (size_t i = n / 2; i-- > 0;)
		sift(v, i, n);
	for (size_t i = n; i-- > 1;) {
		uint16_t t = v[0];
		v[0] = v[i];
		v[i] = t;
		sift(v, 0, i);
	}
}

// Real hellos have some 16 to 60 numbers. Those below 64, most extension types, go through one word
// of bits unless one comes twice; the others by insertion. A sender may put 32,000 there: heap sort
// keeps that from being quadratic.
static void sort_u16(uint16_t *v, size_t n) {
	if (n > 128) {
		sort_heap(v, n);
		return;
	}
	uint64_t small = 0;
	size_t num_large = 0, num_small = 0;
	uint16_t large[128];
	for (size_t i = 0; i < n; i++) {
		if (v[i] < 64 && !(small & (uint64_t)1 << v[i])) {
			small |= (uint64_t)1 << v[i];
			num_small++;
			continue;
		}
		uint16_t x = v[i];
		size_t k = num_large++;
		for (; k > 0 && large[k - 1] > x; k--)
			large[k] = large[k - 1];
		large[k] = x;
	}
	size_t o = 0, l = 0;
	for (; small != 0; small &= small - 1) {
		uint16_t x = (uint16_t)__builtin_ctzll(small);
		while (l < num_large && large[l] < x)
			v[o++] = large[l++]; // the second of a pair
		v[o++] = x;
	}
	while (l < num_large)
		v[o++] = large[l++];
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

struct list {
	const uint16_t *v;
	size_t num;
};

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

// A list with its length in front: two lists never make the key of two others.
static bool put_key(uint8_t *key, size_t *len, const uint16_t *v, size_t n) {
	if (*len + 2 + 2 * n > MEMO_KEY_MAX)
		return false;
	const uint16_t num = (uint16_t)n;
	memcpy(key + *len, &num, 2);
	memcpy(key + *len + 2, v, 2 * n);
	*len += 2 + 2 * n;
	return true;
}

// The first 12 hex digits of the SHA-256 of two lists as text, the second behind "_" when there is
// one; "000000000000" when the first is empty. `text` is room for it, where it is left behind.
static char *put_hash12(
	struct ht_fingerprinter *f,
	char *o,
	struct list a,
	struct list b,
	char *text,
	char **text_end
) {
	if (a.num == 0 && !f->want_ja4_r) {
		memset(o, '0', 12);
		return o + 12;
	}
	uint8_t key[MEMO_KEY_MAX];
	size_t len = 0;
	struct memo_entry *e = NULL;
	if (!f->want_ja4_r && put_key(key, &len, a.v, a.num) && put_key(key, &len, b.v, b.num)) {
		e = &f->memo->entry[XXH3_64bits(key, len) % MEMO_SLOTS];
		if (e->len == len && memcmp(e->key, key, len) == 0) {
			memcpy(o, e->hash, 12);
			return o + 12;
		}
	}
	char *w = put_hex16(text, a.v, a.num);
	// "If there are no signature algorithms in the hello packet, then the string ends without
	// an underscore".
	if (b.num > 0) {
		*w++ = '_';
		w = put_hex16(w, b.v, b.num);
	}
	*text_end = w;
	if (a.num == 0) {
		memset(o, '0', 12);
		return o + 12;
	}
	uint8_t digest[32];
	ht_sha256(f->crypto, digest, HT_SPAN(text, (size_t)(w - text)));
	ht_hex(o, digest, 6);
	if (e != NULL) {
		e->len = (uint16_t)len;
		memcpy(e->key, key, len);
		memcpy(e->hash, o, 12);
	}
	return o + 12;
}

size_t
ht_ja4(struct ht_fingerprinter *f, const struct ht_hello *h, enum ht_ja4_transport t, char out[36]
) {
	const struct list none = {f->sorted, 0};
	struct list ciphers = {f->sorted, without_grease(f->sorted, h->ciphers)};
	sort_u16(f->sorted, ciphers.num);

	uint16_t *const types = f->sorted + ciphers.num;
	size_t num_all
		= without_grease(types, HT_SPAN(h->extensions, 2 * (size_t)h->num_extensions));
	struct list extensions
		= {types, 0}; // "ignoring SNI (0000) and ALPN (0010)", told in part a
	for (size_t i = 0; i < num_all; i++)
		if (types[i] != EXT_SERVER_NAME && types[i] != EXT_ALPN)
			types[extensions.num++] = types[i];
	sort_u16(types, extensions.num);

	// The algorithms are "not to be sorted".
	uint16_t *const algorithms_at = types + extensions.num;
	struct list algorithms = {algorithms_at, 0};
	if (h->seen & HT_SEEN_SIG_ALGS)
		algorithms.num = without_grease(algorithms_at, h->sig_algs);

	char *o = out, *text = f->text + 11;
	*o++ = (char)t;
	memcpy(o, version_text(ht_hello_version(h)), 2);
	o += 2;
	*o++ = h->seen & HT_SEEN_SNI_EXT ? 'd' : 'i';
	o = put_two_digits(o, ciphers.num);
	o = put_two_digits(o, num_all);
	o = put_alpn(o, h);
	*o++ = '_';
	o = put_hash12(f, o, ciphers, none, text, &text);
	*o++ = '_';
	if (f->want_ja4_r)
		*text++ = '_';
	put_hash12(f, o, extensions, algorithms, text, &text);

	if (!f->want_ja4_r)
		return 0;
	// JA4_r is a_ciphers_extensions[_algorithms]: the two texts stand behind one another.
	memcpy(f->text, out, 11);
	size_t len = (size_t)(text - f->text);
	memcpy(f->raw, f->text, len);
	return len;
}
