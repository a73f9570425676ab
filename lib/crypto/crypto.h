// SPDX-License-Identifier: BSD-3-Clause
// crypto: SHA-256, SHA-1, MD5 for fingerprints, HKDF-SHA256, AES-128 header protection and
// AES-128-GCM open for QUIC Initials. Hides the library (and the CPU). Uses base.
//
// Every key opened here is computed from bytes that stand in clear in the packet, so nothing in
// this module is secret and nothing needs to run in constant time.

#pragma once

#include "base.h"

// One for a thread: the library's contexts, made once, so that nothing is fetched or allocated
// later.
struct ht_crypto;

// ht_crypto_new takes the fastest code this CPU can run. NULL when the library refuses.
struct ht_crypto *ht_crypto_new(void);

// ht_crypto_new_portable stays with libcrypto alone: what other CPUs get, and the oracle of the
// tests.
struct ht_crypto *ht_crypto_new_portable(void);

// ht_crypto_new_kernel takes the kernels whose bits are set in `allowed`, as far as the CPU has
// them.
#define HT_KERNEL_SHA 1u // SHA-256 and SHA-1 instructions
#define HT_KERNEL_AES 2u // AES-NI and PCLMULQDQ
#define HT_KERNEL_VAES 4u // the same on 256-bit vectors
struct ht_crypto *ht_crypto_new_kernel(unsigned allowed);

void ht_crypto_free(struct ht_crypto *c);

// ht_crypto_name tells which code was chosen, for --version: "sha-ni, vaes", "libcrypto".
const char *ht_crypto_name(const struct ht_crypto *c);

// Digests of one contiguous message.
void ht_md5(struct ht_crypto *c, uint8_t out[16], struct ht_span in);
void ht_sha1(struct ht_crypto *c, uint8_t out[20], struct ht_span in);
void ht_sha256(struct ht_crypto *c, uint8_t out[32], struct ht_span in);

// An MD5 in pieces, so that what messages begin with alike is hashed once: a copy of the struct
// goes on from there.
struct ht_md5 {
	uint32_t st[4];
	size_t done; // bytes of the message that are in `st`, whole blocks
};

void ht_md5_begin(struct ht_md5 *m);
// ht_md5_blocks takes the whole blocks of `in`, ht_md5_end all of it; `in` is the message from its
// first byte, and those that were taken before are not looked at again.
void ht_md5_blocks(struct ht_md5 *m, struct ht_span in);
void ht_md5_end(struct ht_md5 *m, uint8_t out[16], struct ht_span in);

// The HKDF labels of a QUIC version: "quic key" (RFC 9001 5.1) or "quicv2 key" (RFC 9369 3.3.2).
enum ht_initial_labels { HT_LABELS_QUIC, HT_LABELS_QUICV2 };

// The Initial salt of a QUIC version with its HMAC pads hashed already. Belongs to the ht_crypto it
// was made with, which must outlive it.
struct ht_initial_salt;

struct ht_initial_salt *ht_initial_salt_new( // NULL: no memory
	struct ht_crypto *c,
	const uint8_t salt[20],
	enum ht_initial_labels labels
);
void ht_initial_salt_free(struct ht_initial_salt *s);

// What opens the Initials of one direction.
struct ht_initial_keys {
	uint8_t key[16], hp[16], iv[12];
};

enum ht_initial_side { HT_INITIAL_CLIENT, HT_INITIAL_SERVER };

// ht_initial_derive computes the keys from a Destination Connection ID of at most 20 bytes (RFC
// 9001 5.2). Should the library fail the keys open nothing.
void ht_initial_derive(
	struct ht_crypto *c,
	struct ht_initial_keys *out,
	const struct ht_initial_salt *s,
	enum ht_initial_side side,
	struct ht_span dcid
);

// ht_hp_mask computes the header protection mask of a sample (RFC 9001 5.4.3). Five bytes are used.
void ht_hp_mask(
	struct ht_crypto *c, uint8_t mask[16], const uint8_t hp[16], const uint8_t sample[16]
);

// An Initial packet that was opened.
struct ht_initial_opened {
	uint32_t pn; // as sent, 1 to 4 bytes
	size_t header_len; // bytes before the payload, packet number included
	size_t payload_len;
};

// ht_initial_open removes the header protection of a packet and decrypts it (RFC 9001 5.4.1, 5.3):
// first byte to the end of the payload, the packet number at pn_offset. `out` takes packet.len
// bytes and gets the header in clear and the payload behind it. False when the packet is too short
// for a sample or the tag does not fit; then neither `out` nor *o holds anything of use.
HT_MUST_USE bool ht_initial_open(
	struct ht_crypto *c,
	uint8_t *out,
	struct ht_initial_opened *o,
	const struct ht_initial_keys *k,
	struct ht_span packet,
	size_t pn_offset
);

// ht_gcm_open decrypts `sealed`, which ends with the tag of 16 bytes, to `out` (sealed.len - 16
// bytes, not overlapping with the inputs). False when the tag does not fit; then `out` holds
// nothing of use.
HT_MUST_USE bool ht_gcm_open(
	struct ht_crypto *c,
	uint8_t *out,
	const uint8_t key[16],
	const uint8_t nonce[12],
	struct ht_span aad,
	struct ht_span sealed
);
