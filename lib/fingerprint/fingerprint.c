// SPDX-License-Identifier: BSD-3-Clause
// Fingerprints of a hello, and a cache of them: most hellos of a link come from few programs.

#include "fingerprint.h"

#include "fingerprint_int.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <xxhash.h>

// What both fingerprints depend on, byte for byte. A client that draws GREASE or shuffles its
// extensions (Chrome) misses; the hit spares a hello of most others the two hashes. Direct mapped:
// a flood of different hellos costs what no cache would.
#define KEY_MAX 464
#define CACHE_SLOTS 512

struct entry {
	uint64_t hash;
	uint16_t key_len; // 0: empty
	char ja3[32];
	char ja4[36];
	uint8_t key[KEY_MAX];
};

struct cache {
	struct entry slot[CACHE_SLOTS];
};

struct ht_fingerprinter *ht_fingerprinter_new(const struct ht_fingerprint_params *p) {
	struct ht_fingerprinter *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->crypto = p->crypto;
	f->want_ja4_r = p->ja4_r;
	// Two bytes of a hello become at most six characters of JA3 ("65535-"), a point format
	// four, and there are at most 255 of those.
	size_t text = 3 * ((size_t)p->max_hello + 2 * HT_HELLO_MAX_EXTENSIONS) + 4 * 255 + 64;
	f->sorted = malloc(p->max_hello + 2 * HT_HELLO_MAX_EXTENSIONS);
	f->text = malloc(text);
	f->raw = p->ja4_r ? malloc(text) : NULL;
	f->numbers = ht_num_text_new('-');
	f->cache = calloc(1, sizeof(*f->cache));
	if (f->sorted == NULL || f->text == NULL || (p->ja4_r && f->raw == NULL) || f->cache == NULL
	    || f->numbers == NULL || !ht_ciphers_new(f) || !ht_extensions_new(f)) {
		ht_fingerprinter_free(f);
		return NULL;
	}
	return f;
}

void ht_fingerprinter_free(struct ht_fingerprinter *f) {
	if (f == NULL)
		return;
	free(f->sorted);
	free(f->text);
	free(f->raw);
	ht_num_text_free(f->numbers);
	free(f->cache);
	free(f->ciphers);
	free(f->extensions);
	free(f);
}

// Lists stand behind their length, so that two different hellos never make the same key.
static bool put_list(uint8_t **o, const uint8_t *end, struct ht_span s) {
	if (s.len > UINT16_MAX || (size_t)(end - *o) < s.len + 2)
		return false;
	ht_put_be16(*o, (uint16_t)s.len);
	memcpy(*o + 2, s.p, s.len);
	*o += s.len + 2;
	return true;
}

static struct ht_span seen(const struct ht_hello *h, uint32_t bit, struct ht_span s) {
	return h->seen & bit ? s : HT_SPAN_EMPTY;
}

// The key's length, or 0 when the hello is too long for the cache.
static size_t make_key(uint8_t key[KEY_MAX], const struct ht_hello *h, enum ht_ja4_transport t) {
	const uint32_t bits = HT_SEEN_SNI_EXT | HT_SEEN_GROUPS | HT_SEEN_POINT_FORMATS
			      | HT_SEEN_VERSIONS | HT_SEEN_SIG_ALGS | HT_SEEN_ALPN;
	uint8_t *o = key;
	const uint8_t *end = key + KEY_MAX;
	ht_put_be32(o, h->seen & bits);
	ht_put_be16(o + 4, h->legacy_version);
	o[6] = (uint8_t)t;
	o += 7;
	if (!put_list(&o, end, h->ciphers)
	    || !put_list(&o, end, HT_SPAN(h->extensions, 2 * (size_t)h->num_extensions))
	    || !put_list(&o, end, seen(h, HT_SEEN_GROUPS, h->groups))
	    || !put_list(&o, end, seen(h, HT_SEEN_POINT_FORMATS, h->point_formats))
	    || !put_list(&o, end, seen(h, HT_SEEN_VERSIONS, h->versions))
	    || !put_list(&o, end, seen(h, HT_SEEN_SIG_ALGS, h->sig_algs))
	    || !put_list(&o, end, seen(h, HT_SEEN_ALPN, h->alpn)))
		return 0;
	return (size_t)(o - key);
}

bool ht_fingerprint(
	struct ht_fingerprinter *f,
	const struct ht_hello *h,
	enum ht_ja4_transport t,
	struct ht_fingerprints *out
) {
	if (h->kind == HT_HELLO_SSL2)
		return false;
	out->ja4_r = HT_SPAN_EMPTY;
	uint8_t key[KEY_MAX];
	// A client that draws GREASE (RFC 8701) makes another key each time: it would only drive
	// others out. So does one that shuffles its extensions; over QUIC most do.
	bool draws = h->ciphers.len >= 2 && ht_is_grease(ht_be16(h->ciphers.p));
	bool differs = draws || t == HT_JA4_QUIC;
	size_t key_len = f->want_ja4_r || differs ? 0 : make_key(key, h, t);
	struct entry *e = NULL;
	if (key_len > 0) {
		uint64_t hash = XXH3_64bits(key, key_len);
		e = &f->cache->slot[hash % CACHE_SLOTS];
		if (e->hash == hash && e->key_len == key_len && memcmp(e->key, key, key_len) == 0) {
			memcpy(out->ja3, e->ja3, sizeof(e->ja3));
			memcpy(out->ja4, e->ja4, sizeof(e->ja4));
			return true;
		}
		e->hash = hash;
		e->key_len = (uint16_t)key_len;
		memcpy(e->key, key, key_len);
	}
	const struct ht_ciphers *ciphers = ht_ciphers_find(f, h);
	ht_ja3(f, h, ciphers, out->ja3);
	size_t raw_len = ht_ja4(f, h, ciphers, t, out->ja4);
	if (f->want_ja4_r)
		out->ja4_r = HT_SPAN(f->raw, raw_len);
	if (e != NULL) {
		memcpy(e->ja3, out->ja3, sizeof(e->ja3));
		memcpy(e->ja4, out->ja4, sizeof(e->ja4));
	}
	return true;
}
