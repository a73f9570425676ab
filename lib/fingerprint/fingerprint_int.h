// SPDX-License-Identifier: BSD-3-Clause
// What the files of fingerprint share.
//
//   fingerprint.c          the cache of whole hellos
//   fingerprint_ciphers.c  what a list of ciphers adds to both, kept
//   fingerprint_ja3.c      JA3
//   fingerprint_ja4.c      JA4 and JA4_r

#pragma once

#include "fingerprint.h"
#include "numtext.h"

struct ht_fingerprinter {
	struct ht_crypto *crypto;
	bool want_ja4_r;
	uint16_t *sorted; // room for all ciphers, extensions or algorithms of a hello
	char *text; // room for the longest JA3 string or JA4_r
	char *raw; // the JA4_r given out last
	struct ht_num_text *numbers; // with "-" behind them
	struct cache *cache; // of whole hellos
	struct ht_cipher_cache *ciphers;
	struct ht_extension_cache *extensions;
};

// ht_behind_grease is a list without the GREASE (RFC 8701) that clients put first, drawn anew each
// time: what is left comes again.
static inline struct ht_span ht_behind_grease(struct ht_span list) {
	bool drawn = list.len >= 2 && ht_is_grease(ht_be16(list.p));
	return drawn ? HT_SPAN(list.p + 2, list.len - 2) : list;
}

// --- fingerprint_ciphers.c ---

// What a list of ciphers adds to the fingerprints. Clients that draw GREASE and shuffle their
// extensions (Chrome) put the GREASE first, and what stands behind it is the same each time.
#define HT_CIPHERS_MAX 96

struct ht_ciphers {
	uint16_t num; // without GREASE
	char hash[12]; // part b of JA4
	struct ht_md5 md5; // of `head`, as far as it is whole blocks
	uint16_t head_len;
	char head[8 + 6 * HT_CIPHERS_MAX]; // how the JA3 string begins: "771,4865-4866,"
};

// ht_ciphers_find is NULL for a list that is not kept: it is too long, or the text of JA4_r is
// wanted. It uses f->text and f->sorted.
const struct ht_ciphers *ht_ciphers_find(struct ht_fingerprinter *f, const struct ht_hello *h);
bool ht_ciphers_new(struct ht_fingerprinter *f);

// --- fingerprint_ja3.c ---
// `c` is what ht_ciphers_find() gave for this hello, here and below.
void ht_ja3(
	struct ht_fingerprinter *f,
	const struct ht_hello *h,
	const struct ht_ciphers *c,
	char out[32]
);

// ht_ja3_head writes the version and the ciphers, each with a comma behind, and returns the end.
char *ht_ja3_head(struct ht_num_text *numbers, char *out, uint16_t version, struct ht_span ciphers);

// --- fingerprint_ja4.c ---

// ht_ja4 writes the 36 characters and, when f->want_ja4_r is set, the raw form to f->raw; it
// returns the length of that.
size_t
ht_ja4(struct ht_fingerprinter *f,
       const struct ht_hello *h,
       const struct ht_ciphers *c,
       enum ht_ja4_transport t,
       char out[36]);

// ht_ja4_ciphers writes part b and returns the number of ciphers for part a. What was hashed is
// left at `text` up to *text_end.
size_t ht_ja4_ciphers(
	struct ht_fingerprinter *f,
	char hash[12],
	struct ht_span ciphers,
	char *text,
	char **text_end
);
bool ht_extensions_new(struct ht_fingerprinter *f);
