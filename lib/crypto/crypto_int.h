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

// A kernel leaves the contexts NULL, the portable back end all the rest but the labels.
struct ht_initial_salt {
	enum ht_initial_labels labels;
	uint32_t inner[8], outer[8]; // SHA-256 after salt ^ ipad, salt ^ opad, as the kernel has it
	// The blocks with the labels never change: their message schedules, round constants added.
	uint32_t side_wk[2][64], label_wk[HT_NUM_LABELS][64];
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
	// The arguments were checked: a sample is there, and the tag lies behind the packet number.
	bool (*open_initial
	)(struct ht_crypto *c,
	  uint8_t *out,
	  struct ht_initial_opened *o,
	  const struct ht_initial_keys *k,
	  struct ht_span packet,
	  size_t pn_offset);
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

// RFC 9001 5.4.2: the sample begins 4 bytes behind the first of the packet number.
#define HT_SAMPLE_OFFSET 4

// ht_clear_header writes the header with its protection removed to `out` and fills in *o; `mask` is
// the header protection mask, its first byte lowest (RFC 9001 5.4.1).
static inline void ht_clear_header(
	uint8_t *out,
	struct ht_initial_opened *o,
	struct ht_span packet,
	size_t pn_offset,
	uint64_t mask
) {
	uint8_t first = packet.p[0] ^ (mask & 0x0f);
	// Four bytes whatever the length; the payload overwrites what is not of the number.
	uint32_t pn = ht_be32(packet.p + pn_offset) ^ __builtin_bswap32((uint32_t)(mask >> 8));
	size_t pn_len = (first & 3u) + 1;
	// In pieces of 16, past the header but not past the packet: a call of memcpy costs more
	// here.
	for (size_t i = 0; i < pn_offset; i += 16)
		memcpy(out + i, packet.p + i, 16);
	out[0] = first;
	ht_put_be32(out + pn_offset, pn);
	o->pn = pn >> 8 * (4 - pn_len);
	o->header_len = pn_offset + pn_len;
	o->payload_len = packet.len - o->header_len - 16;
}

// For kernels: ht_sha_last makes the last one or two blocks of a message, from byte `whole` on,
// padded (FIPS 180-4 5.1.1); it returns 64 or 128.
size_t ht_sha_last(uint8_t out[128], struct ht_span in, size_t whole);

// ht_sha_label_schedules fills side_wk and label_wk.
void ht_sha_label_schedules(struct ht_initial_salt *s);

extern const uint32_t ht_sha256_k[64]; // FIPS 180-4 4.2.2
extern const uint32_t ht_sha256_iv[8]; // FIPS 180-4 5.3.3

void ht_sha1_libcrypto(struct ht_crypto *c, uint8_t out[20], struct ht_span in);

// gcc takes the SHA-2 intrinsics of ARMv8 in a function for such CPUs; clang only in a build for
// them.
#if defined(__aarch64__) && (!defined(__clang__) || defined(__ARM_FEATURE_SHA2))
#define HT_SHA_ARM 1
#endif

#if defined(__x86_64__)
#define HT_CPU_SHA 1u // with SSE4.1
#define HT_CPU_AES 2u // with PCLMULQDQ and SSE4.1
#define HT_CPU_VAES 4u // with VPCLMULQDQ, AVX2, and an operating system that keeps the registers
bool ht_cpu_has(unsigned all);

extern const struct ht_aes_ops ht_aes_vaes;
void ht_aes_mask_x86(
	struct ht_crypto *c, uint8_t mask[16], const uint8_t hp[16], const uint8_t sample[16]
);
#endif
