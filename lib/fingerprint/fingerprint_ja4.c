// SPDX-License-Identifier: BSD-3-Clause
// JA4 (FoxIO JA4.md): a_b_c. The sentences quoted are those of that text.

#include "fingerprint_int.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
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
	if (ht_is_alnum(first) && ht_is_alnum(last)) {
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

// The first 12 hex digits of the SHA-256 of two lists as text, the second behind "_" when there is
// one; "000000000000" when the first is empty. The text is left at `text`; its end is returned.
static char *
hash12(struct ht_fingerprinter *f, char out[12], struct list a, struct list b, char *text) {
	char *end = put_hex16(text, a.v, a.num);
	// "If there are no signature algorithms in the hello packet, then the string ends without
	// an underscore".
	if (b.num > 0) {
		*end++ = '_';
		end = put_hex16(end, b.v, b.num);
	}
	if (a.num == 0) {
		memset(out, '0', 12);
		return end;
	}
	uint8_t digest[32];
	ht_sha256(f->crypto, digest, HT_SPAN(text, (size_t)(end - text)));
	ht_hex(out, digest, 6);
	return end;
}

size_t ht_ja4_ciphers(
	struct ht_fingerprinter *f,
	char hash[12],
	struct ht_span ciphers,
	char *text,
	char **text_end
) {
	const struct list none = {f->sorted, 0};
	struct list all = {f->sorted, without_grease(f->sorted, ciphers)};
	sort_u16(f->sorted, all.num);
	*text_end = hash12(f, hash, all, none, text);
	return all.num;
}

// --- extensions ---------------------------------------------------------------------------------

// Part c; returns the number of extensions for part a.
static size_t make_extensions(
	struct ht_fingerprinter *f,
	char hash[12],
	struct ht_span extensions,
	struct ht_span sig_algs,
	char *text,
	char **text_end
) {
	uint16_t *const types = f->sorted;
	size_t num_all = without_grease(types, extensions), num = 0;
	// "ignoring SNI (0000) and ALPN (0010)", told in part a
	for (size_t i = 0; i < num_all; i++)
		if (types[i] != EXT_SERVER_NAME && types[i] != EXT_ALPN)
			types[num++] = types[i];
	sort_u16(types, num);
	// The algorithms are "not to be sorted".
	uint16_t *const algorithms = types + num;
	size_t num_algorithms = without_grease(algorithms, sig_algs);
	*text_end = hash12(
		f, hash, (struct list){types, num}, (struct list){algorithms, num_algorithms}, text
	);
	return num_all;
}

// Part c, kept by the set of extensions: clients that shuffle them (Chrome) send the same set each
// time, and telling that needs no sorting of those below 64, nearly all of them.
#define SET_LARGE 8
#define SET_SIG_ALGS 80

struct set {
	uint64_t small; // a bit for each type below 64
	uint16_t large[SET_LARGE]; // the others, sorted, zeros behind them
	uint16_t sig_algs_len;
	uint8_t sig_algs[SET_SIG_ALGS]; // as sent
};

#define SET_SLOTS 256

struct ht_extension_cache {
	struct set_entry {
		uint16_t key_len; // bytes of `set` that count; 0: empty
		uint16_t num;
		char hash[12];
		struct set set;
	} slot[SET_SLOTS];
};

bool ht_extensions_new(struct ht_fingerprinter *f) {
	f->extensions = calloc(1, sizeof(*f->extensions));
	return f->extensions != NULL;
}

// The bytes of *s that count; 0 for extensions that are no set, or that do not fit.
static size_t
make_set(struct set *s, size_t *num, struct ht_span extensions, struct ht_span sig_algs) {
	size_t n = 0, num_large = 0;
	uint16_t large[SET_LARGE + 1];
	uint64_t small = 0, twice = 0;
	for (size_t i = 0; i + 1 < extensions.len; i += 2) {
		uint16_t v = ht_be16(extensions.p + i);
		if (ht_is_grease(v))
			continue;
		n++;
		// Without a branch on where in a shuffled list the large ones stand.
		uint64_t bit = (uint64_t)(v < 64) << (v & 63);
		twice |= small & bit;
		small |= bit;
		large[num_large] = v;
		num_large += v >= 64 && num_large < SET_LARGE;
	}
	// A list with one twice is no set.
	if (twice != 0 || num_large == SET_LARGE || sig_algs.len > SET_SIG_ALGS)
		return 0;
	s->small = small;
	for (size_t i = 0; i < num_large; i++) {
		uint16_t x = large[i];
		size_t k = i;
		for (; k > 0 && s->large[k - 1] > x; k--)
			s->large[k] = s->large[k - 1];
		s->large[k] = x;
	}
	for (size_t i = num_large; i < SET_LARGE; i++)
		s->large[i] = 0;
	s->sig_algs_len = (uint16_t)sig_algs.len;
	memcpy(s->sig_algs, sig_algs.p, sig_algs.len);
	*num = n;
	return offsetof(struct set, sig_algs) + sig_algs.len;
}

static size_t put_extensions(
	struct ht_fingerprinter *f,
	char hash[12],
	const struct ht_hello *h,
	char *text,
	char **text_end
) {
	const struct ht_span all = HT_SPAN(h->extensions, 2 * (size_t)h->num_extensions);
	struct ht_span sig_algs = h->seen & HT_SEEN_SIG_ALGS ? h->sig_algs : HT_SPAN_EMPTY;
	sig_algs = ht_behind_grease(sig_algs);
	struct set set;
	size_t num, key_len = f->want_ja4_r ? 0 : make_set(&set, &num, all, sig_algs);
	if (key_len == 0)
		return make_extensions(f, hash, all, sig_algs, text, text_end);
	struct set_entry *e = &f->extensions->slot[XXH3_64bits(&set, key_len) % SET_SLOTS];
	if (e->key_len != key_len || memcmp(&e->set, &set, key_len) != 0) {
		e->key_len = (uint16_t)key_len;
		memcpy(&e->set, &set, key_len);
		(void)make_extensions(f, e->hash, all, sig_algs, text, text_end);
	}
	memcpy(hash, e->hash, 12);
	return num;
}

// --- the whole ----------------------------------------------------------------------------------

size_t
ht_ja4(struct ht_fingerprinter *f,
       const struct ht_hello *h,
       const struct ht_ciphers *c,
       enum ht_ja4_transport t,
       char out[36]) {
	char *const part_b = out + 11, *const part_c = part_b + 13;
	char *text = f->text + 11;
	size_t num_ciphers;
	if (c != NULL) {
		num_ciphers = c->num;
		memcpy(part_b, c->hash, 12);
	} else {
		num_ciphers = ht_ja4_ciphers(f, part_b, h->ciphers, text, &text);
	}
	if (f->want_ja4_r)
		*text++ = '_';
	size_t num_extensions = put_extensions(f, part_c, h, text, &text);

	char *o = out;
	*o++ = (char)t;
	memcpy(o, version_text(ht_hello_version(h)), 2);
	o += 2;
	*o++ = h->seen & HT_SEEN_SNI_EXT ? 'd' : 'i';
	o = put_two_digits(o, num_ciphers);
	o = put_two_digits(o, num_extensions);
	o = put_alpn(o, h);
	*o = '_';
	part_c[-1] = '_';

	if (!f->want_ja4_r)
		return 0;
	// JA4_r is a_ciphers_extensions[_algorithms]: the two texts stand behind one another.
	memcpy(f->text, out, 11);
	size_t len = (size_t)(text - f->text);
	memcpy(f->raw, f->text, len);
	return len;
}
