// SPDX-License-Identifier: BSD-3-Clause
// crypto: SHA-256, SHA-1, MD5 for fingerprints, HKDF-SHA256, AES-128 header protection and AES-128-GCM
// open for QUIC Initials. Hides the library (and the CPU). Uses base.

#pragma once

#include "base.h"

// One for a thread: the library's contexts, made once, so that nothing is fetched or allocated later.
struct ht_crypto;

struct ht_crypto *ht_crypto_new(void); // NULL when the library refuses
void ht_crypto_free(struct ht_crypto *c);

// Digests of one contiguous message.
void ht_md5(struct ht_crypto *c, uint8_t out[16], struct ht_span in);
void ht_sha1(struct ht_crypto *c, uint8_t out[20], struct ht_span in);
void ht_sha256(struct ht_crypto *c, uint8_t out[32], struct ht_span in);
