// SPDX-License-Identifier: BSD-3-Clause
// crypto_int: what the back ends of crypto share. Private to the module.

#pragma once

#include "crypto.h"

#include <openssl/evp.h>

// An HkdfLabel and the counter of HKDF-Expand (RFC 5869 2.3), ready to be hashed: all fit one
// block.
struct ht_label {
	uint8_t len;
	uint8_t info[31];
};

enum { HT_LABEL_KEY, HT_LABEL_IV, HT_LABEL_HP, HT_NUM_LABELS };

extern const struct ht_label ht_label_side[2]; // by ht_initial_side
extern const struct ht_label ht_label_packet[2][HT_NUM_LABELS]; // by ht_initial_labels

// A kernel leaves the contexts NULL, the portable back end the states unused.
struct ht_initial_salt {
	enum ht_initial_labels labels;
	uint32_t inner[8],
		outer[8]; // SHA-256 after salt ^ ipad, salt ^ opad, as the kernel keeps it
	EVP_MD_CTX *inner_ctx, *outer_ctx;
};

// A back end for hashing and one for the cipher, chosen apart: a CPU can have one and not the
// other.
struct ht_sha_ops {
	const char *name;
	void (*sha256)(struct ht_crypto *c, uint8_t out[32], struct ht_span in);
	void (*sha1)(struct ht_crypto *c, uint8_t out[20], struct ht_span in);
	bool (*salt)(struct ht_crypto *c, struct ht_initial_salt *s, const uint8_t salt[20]);
	void (*derive
	)(struct ht_crypto *c,
	  struct ht_initial_keys *out,
	  const struct ht_initial_salt *s,
	  enum ht_initial_side side,
	  struct ht_span dcid);
};

struct ht_aes_ops {
	const char *name;
	void (*mask
	)(struct ht_crypto *c, uint8_t mask[16], const uint8_t hp[16], const uint8_t sample[16]);
	bool (*open
	)(struct ht_crypto *c,
	  uint8_t *out,
	  const uint8_t key[16],
	  const uint8_t nonce[12],
	  struct ht_span aad,
	  struct ht_span sealed);
};

struct ht_crypto {
	const struct ht_sha_ops *sha;
	const struct ht_aes_ops *aes;
	char name[48];
	EVP_MD *sha256, *sha1;
	EVP_CIPHER *ecb, *gcm;
	EVP_MD_CTX *md, *pad_in, *pad_out; // scratch of one call; the pads of the secret at hand
	EVP_CIPHER_CTX *ecb_ctx, *gcm_ctx;
};

extern const struct ht_sha_ops ht_sha_libcrypto;
extern const struct ht_aes_ops ht_aes_libcrypto;

// What the kernels of this CPU are; NULL when it has none.
const struct ht_sha_ops *ht_sha_cpu(void);
const struct ht_aes_ops *ht_aes_cpu(bool wide);
