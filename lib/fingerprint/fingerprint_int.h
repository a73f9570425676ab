// SPDX-License-Identifier: BSD-3-Clause
// What fingerprint.c, fingerprint_ja3.c and fingerprint_ja4.c share.

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
	struct memo *memo; // of the two hashes of JA4
};

// One hash of JA4, by what it is a hash of. Clients that draw GREASE and shuffle their extensions
// (Chrome) have the same ciphers and, sorted, the same extensions each time.
#define MEMO_KEY_MAX 242
#define MEMO_SLOTS 256

struct memo_entry {
	uint16_t len; // bytes of the key; 0: empty
	char hash[12];
	uint8_t key[MEMO_KEY_MAX];
};

struct memo {
	struct memo_entry entry[MEMO_SLOTS];
};

void ht_ja3(struct ht_fingerprinter *f, const struct ht_hello *h, char out[32]);

// ht_ja4 writes the 36 characters and, when f->want_ja4_r is set, the raw form to f->raw; it
// returns the length of that.
size_t
ht_ja4(struct ht_fingerprinter *f, const struct ht_hello *h, enum ht_ja4_transport t, char out[36]);
