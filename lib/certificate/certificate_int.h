// SPDX-License-Identifier: BSD-3-Clause
// What the files of certificate share.
//
//   certificate.c       the cache, and what depends on the record
//   certificate_read.c  one certificate as libcrypto reads it

#pragma once

#include "certificate.h"

#include <openssl/x509.h>

#define SERIAL_MAX 64 // RFC 5280 4.1.2.2: 20 bytes
#define SIGNATURE_MAX 48

// What was read of one certificate.
struct ht_certificate {
	X509 *x509; // NULL: malformed
	uint8_t sha256[32];
	bool has_subject, has_issuer, has_not_before, has_not_after;
	bool self_signed, weak_key, weak_signature;
	int64_t not_before, not_after;
	const char *key;
	uint32_t key_bits;
	uint32_t names_left_out;
	char *text; // everything below, in one block
	struct ht_span subject, issuer, sans, serial, signature;
};

// ht_certificate_read reads a DER certificate. False: no memory. A certificate that libcrypto
// refuses is malformed, and has its hash alone.
HT_MUST_USE bool ht_certificate_read(struct ht_certificate *out, struct ht_span der);
void ht_certificate_drop(struct ht_certificate *c);
