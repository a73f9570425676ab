// SPDX-License-Identifier: BSD-3-Clause

#include "crypto_int.h"

#include <stdio.h>
#include <stdlib.h>

// RFC 8446 7.1: HkdfLabel is length(2), label with its length before it, context with its length
// before it (empty here); after it the counter of HKDF-Expand, 1. Bytes: RFC 9001 A.1, RFC 9369
// A.1.
const struct ht_label ht_label_side[2] = {
	[HT_INITIAL_CLIENT] = {20, "\x00\x20\x0ftls13 client in\x00\x01"},
	[HT_INITIAL_SERVER] = {20, "\x00\x20\x0ftls13 server in\x00\x01"},
};

const struct ht_label ht_label_packet[2][HT_NUM_LABELS] = {
	[HT_LABELS_QUIC] =
		{
			[HT_LABEL_KEY] = {19, "\x00\x10\x0etls13 quic key\x00\x01"},
			[HT_LABEL_IV] = {18, "\x00\x0c\x0dtls13 quic iv\x00\x01"},
			[HT_LABEL_HP] = {18, "\x00\x10\x0dtls13 quic hp\x00\x01"},
		},
	[HT_LABELS_QUICV2] =
		{
			[HT_LABEL_KEY] = {21, "\x00\x10\x10tls13 quicv2 key\x00\x01"},
			[HT_LABEL_IV] = {20, "\x00\x0c\x0ftls13 quicv2 iv\x00\x01"},
			[HT_LABEL_HP] = {20, "\x00\x10\x0ftls13 quicv2 hp\x00\x01"},
		},
};

struct ht_crypto *ht_crypto_new_kernel(unsigned allowed) {
	struct ht_crypto *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	const struct ht_sha_ops *sha = (allowed & HT_KERNEL_SHA) != 0 ? ht_sha_cpu() : NULL;
	const struct ht_aes_ops *aes = NULL;
	if ((allowed & HT_KERNEL_VAES) != 0)
		aes = ht_aes_cpu(true);
	if (aes == NULL && (allowed & HT_KERNEL_AES) != 0)
		aes = ht_aes_cpu(false);
	c->sha = sha != NULL ? sha : &ht_sha_libcrypto;
	c->aes = aes != NULL ? aes : &ht_aes_libcrypto;
	if (sha == NULL && aes == NULL)
		snprintf(c->name, sizeof(c->name), "libcrypto");
	else
		snprintf(c->name, sizeof(c->name), "%s, %s", c->sha->name, c->aes->name);

	// Fetched by name once: what is fetched anew for every call costs more than the hashing.
	c->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	c->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	c->ecb = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
	c->gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	c->md = EVP_MD_CTX_new();
	c->pad_in = EVP_MD_CTX_new();
	c->pad_out = EVP_MD_CTX_new();
	c->ecb_ctx = EVP_CIPHER_CTX_new();
	c->gcm_ctx = EVP_CIPHER_CTX_new();
	if (c->sha256 == NULL || c->sha1 == NULL || c->ecb == NULL || c->gcm == NULL //
	    || c->md == NULL || c->pad_in == NULL || c->pad_out == NULL //
	    || c->ecb_ctx == NULL || c->gcm_ctx == NULL //
	    || EVP_EncryptInit_ex2(c->ecb_ctx, c->ecb, NULL, NULL, NULL) != 1 //
	    || EVP_DecryptInit_ex2(c->gcm_ctx, c->gcm, NULL, NULL, NULL) != 1) {
		ht_crypto_free(c);
		return NULL;
	}
	return c;
}

struct ht_crypto *ht_crypto_new(void) {
	return ht_crypto_new_kernel(HT_KERNEL_SHA | HT_KERNEL_AES | HT_KERNEL_VAES);
}

struct ht_crypto *ht_crypto_new_portable(void) {
	return ht_crypto_new_kernel(0);
}

void ht_crypto_free(struct ht_crypto *c) {
	if (c == NULL)
		return;
	EVP_CIPHER_CTX_free(c->gcm_ctx);
	EVP_CIPHER_CTX_free(c->ecb_ctx);
	EVP_MD_CTX_free(c->pad_out);
	EVP_MD_CTX_free(c->pad_in);
	EVP_MD_CTX_free(c->md);
	EVP_CIPHER_free(c->gcm);
	EVP_CIPHER_free(c->ecb);
	EVP_MD_free(c->sha1);
	EVP_MD_free(c->sha256);
	free(c);
}

const char *ht_crypto_name(const struct ht_crypto *c) {
	return c->name;
}

void ht_sha1(struct ht_crypto *c, uint8_t out[20], struct ht_span in) {
	c->sha->sha1(c, out, in);
}

void ht_sha256(struct ht_crypto *c, uint8_t out[32], struct ht_span in) {
	c->sha->sha256(c, out, in);
}

struct ht_initial_salt *
ht_initial_salt_new(struct ht_crypto *c, const uint8_t salt[20], enum ht_initial_labels labels) {
	struct ht_initial_salt *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->labels = labels;
	if (!c->sha->salt(c, s, salt)) {
		ht_initial_salt_free(s);
		return NULL;
	}
	return s;
}

void ht_initial_salt_free(struct ht_initial_salt *s) {
	if (s == NULL)
		return;
	EVP_MD_CTX_free(s->inner_ctx);
	EVP_MD_CTX_free(s->outer_ctx);
	free(s);
}

void ht_initial_derive(
	struct ht_crypto *c,
	struct ht_initial_keys *out,
	const struct ht_initial_salt *s,
	enum ht_initial_side side,
	struct ht_span dcid
) {
	c->sha->derive(c, out, s, side, dcid);
}

void ht_hp_mask(
	struct ht_crypto *c, uint8_t mask[16], const uint8_t hp[16], const uint8_t sample[16]
) {
	c->aes->mask(c, mask, hp, sample);
}

bool ht_gcm_open(
	struct ht_crypto *c,
	uint8_t *out,
	const uint8_t key[16],
	const uint8_t nonce[12],
	struct ht_span aad,
	struct ht_span sealed
) {
	if (sealed.len < 16)
		return false;
	return c->aes->open(c, out, key, nonce, aad, sealed);
}

bool ht_initial_open(
	struct ht_crypto *c,
	uint8_t *out,
	struct ht_initial_opened *o,
	const struct ht_initial_keys *k,
	struct ht_span packet,
	size_t pn_offset
) {
	// RFC 9001 5.4.2: a shorter packet has no sample and is discarded. What is left for the
	// sample is enough for a packet number of any length and the tag.
	if (pn_offset == 0 || packet.len < pn_offset + HT_SAMPLE_OFFSET + 16)
		return false;
	return c->aes->open_initial(c, out, o, k, packet, pn_offset);
}
