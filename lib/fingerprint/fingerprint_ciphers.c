// SPDX-License-Identifier: BSD-3-Clause
// What a list of ciphers adds to both fingerprints, kept: there are few lists. Direct mapped, as
// the cache of whole hellos is.

#include "fingerprint_int.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <xxhash.h>

#define SLOTS 64

struct entry {
	bool used;
	uint16_t version;
	uint16_t len; // of `list`
	uint8_t list[2 * HT_CIPHERS_MAX];
	struct ht_ciphers is;
};

struct ht_cipher_cache {
	struct entry slot[SLOTS];
};

bool ht_ciphers_new(struct ht_fingerprinter *f) {
	f->ciphers = calloc(1, sizeof(*f->ciphers));
	return f->ciphers != NULL;
}

static void fill(struct ht_fingerprinter *f, struct ht_ciphers *c, const struct entry *e) {
	const struct ht_span list = HT_SPAN(e->list, e->len);
	char *text_end;
	c->num = (uint16_t)ht_ja4_ciphers(f, c->hash, list, f->text, &text_end);
	const char *end = ht_ja3_head(f->numbers, c->head, e->version, list);
	c->head_len = (uint16_t)(end - c->head);
	ht_md5_begin(&c->md5);
	ht_md5_blocks(&c->md5, HT_SPAN(c->head, c->head_len));
}

const struct ht_ciphers *ht_ciphers_find(struct ht_fingerprinter *f, const struct ht_hello *h) {
	const struct ht_span list = ht_behind_grease(h->ciphers);
	if (f->want_ja4_r || list.len > 2 * HT_CIPHERS_MAX)
		return NULL;
	struct entry *e = &f->ciphers->slot[XXH3_64bits(list.p, list.len) % SLOTS];
	if (e->used && e->version == h->legacy_version
	    && ht_span_eq(list, HT_SPAN(e->list, e->len)))
		return &e->is;
	e->used = true;
	e->version = h->legacy_version;
	e->len = (uint16_t)list.len;
	memcpy(e->list, list.p, list.len);
	fill(f, &e->is, e);
	return &e->is;
}
