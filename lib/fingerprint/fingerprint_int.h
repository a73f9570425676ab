// SPDX-License-Identifier: BSD-3-Clause
// What ja3.c, ja4.c and fingerprint.c share.

#pragma once

#include "fingerprint.h"

struct ht_fingerprinter {
	struct ht_crypto *crypto;
	bool want_ja4_r;
	uint16_t *sorted; // room for all ciphers, extensions or algorithms of a hello
	char *text; // room for the longest JA3 string or JA4_r
	char *raw; // the JA4_r given out last
	struct cache *cache;
};

void ht_ja3(struct ht_fingerprinter *f, const struct ht_hello *h, char out[32]);

// ht_ja4 writes the 36 characters and, when f->want_ja4_r is set, the raw form to f->raw; it
// returns the length of that.
size_t
ht_ja4(struct ht_fingerprinter *f, const struct ht_hello *h, enum ht_ja4_transport t, char out[36]);
