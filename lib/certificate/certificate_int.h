// SPDX-License-Identifier: BSD-3-Clause
// What the files of certificate share.
//
//   certificate.c       the cache, and what depends on the record
//   certificate_read.c  one certificate as libcrypto reads it
//   certificate_key.c   what of its key libcrypto gets to see

#pragma once

#include "certificate.h"

#include <openssl/x509.h>

// key_is_bounded: verifying with it takes no longer than is known.
bool key_is_bounded(const EVP_PKEY *key);

#define SERIAL_MAX 64 // RFC 5280 4.1.2.2: 20 bytes
#define SIGNATURE_MAX 48

// What was read of one certificate.
struct ht_certificate {
	X509 *x509; // NULL: malformed
	uint8_t sha256[32];
	bool has_subject, has_issuer, has_not_before, has_not_after;
	bool self_signed, weak_key, weak_signature;
	bool verifiable; // self_signed is by names and key identifiers; its key can say more
	bool verified; // it did
	int64_t not_before, not_after;
	const char *key;
	uint32_t key_bits;
	uint32_t num_names, names_left_out;
	char *text; // everything below, in one block
	struct ht_span subject, issuer, sans, serial, signature;
};

// ht_certificate_parse has libcrypto read a DER certificate, but for a key of another algorithm
// than those told, or one on a curve that it brings along: libcrypto decodes the key at once, and
// what that takes is for whoever made the curve to choose. Such a key is hidden from it. NULL:
// malformed, or no memory.
X509 *ht_certificate_parse(struct ht_span der);

// ht_certificate_read reads a DER certificate. False: no memory. A certificate that libcrypto
// refuses is malformed, and has its hash alone.
HT_MUST_USE bool ht_certificate_read(struct ht_certificate *out, struct ht_span der);

// ht_certificate_verify verifies one that is verifiable with its own key, which takes some 0.3 ms
// at most.
void ht_certificate_verify(struct ht_certificate *c);

void ht_certificate_drop(struct ht_certificate *c);
