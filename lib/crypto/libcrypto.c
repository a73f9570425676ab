// SPDX-License-Identifier: BSD-3-Clause
// The portable back end: libcrypto with everything fetched and allocated once.

#include "crypto_int.h"

#include <limits.h>

static void digest(EVP_MD_CTX *ctx, const EVP_MD *md, uint8_t *out, size_t n, struct ht_span in) {
	if (EVP_DigestInit_ex2(ctx, md, NULL) != 1 //
	    || EVP_DigestUpdate(ctx, in.p, in.len) != 1 //
	    || EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		memset(out, 0, n);
}

static void sha256(struct ht_crypto *c, uint8_t out[32], struct ht_span in) {
	digest(c->md, c->sha256, out, 32, in);
}

void ht_sha1_libcrypto(struct ht_crypto *c, uint8_t out[20], struct ht_span in) {
	digest(c->md, c->sha1, out, 20, in);
}

// pads hashes the two key blocks of HMAC-SHA256 (RFC 2104 2).
static bool
pads(struct ht_crypto *c, EVP_MD_CTX *inner, EVP_MD_CTX *outer, const uint8_t *key, size_t len) {
	uint8_t ipad[64], opad[64];
	memset(ipad, 0x36, sizeof(ipad));
	memset(opad, 0x5c, sizeof(opad));
	for (size_t i = 0; i < len; i++) {
		ipad[i] ^= key[i];
		opad[i] ^= key[i];
	}
	return EVP_DigestInit_ex2(inner, c->sha256, NULL) == 1 //
	       && EVP_DigestUpdate(inner, ipad, sizeof(ipad)) == 1 //
	       && EVP_DigestInit_ex2(outer, c->sha256, NULL) == 1 //
	       && EVP_DigestUpdate(outer, opad, sizeof(opad)) == 1;
}

static bool
hmac(struct ht_crypto *c,
     uint8_t out[32],
     const EVP_MD_CTX *inner,
     const EVP_MD_CTX *outer,
     const uint8_t *msg,
     size_t len) {
	return EVP_MD_CTX_copy_ex(c->md, inner) == 1 //
	       && EVP_DigestUpdate(c->md, msg, len) == 1 //
	       && EVP_DigestFinal_ex(c->md, out, NULL) == 1 //
	       && EVP_MD_CTX_copy_ex(c->md, outer) == 1 //
	       && EVP_DigestUpdate(c->md, out, 32) == 1 //
	       && EVP_DigestFinal_ex(c->md, out, NULL) == 1;
}

static bool salt(struct ht_crypto *c, struct ht_initial_salt *s, const uint8_t bytes[20]) {
	s->inner_ctx = EVP_MD_CTX_new();
	s->outer_ctx = EVP_MD_CTX_new();
	return s->inner_ctx != NULL && s->outer_ctx != NULL
	       && pads(c, s->inner_ctx, s->outer_ctx, bytes, 20);
}

// expand is HKDF-Expand-Label of one block with the pads of the secret at hand.
static bool expand(struct ht_crypto *c, uint8_t *out, size_t n, const struct ht_label *l) {
	uint8_t full[32];
	if (!hmac(c, full, c->pad_in, c->pad_out, l->info, l->len))
		return false;
	memcpy(out, full, n);
	return true;
}

static void
derive(struct ht_crypto *c,
       struct ht_initial_keys *out,
       const struct ht_initial_salt *s,
       enum ht_initial_side side,
       struct ht_span dcid) {
	const struct ht_label *l = ht_label_packet[s->labels];
	uint8_t secret[32];
	// RFC 9001 5.2: initial_secret = HKDF-Extract(salt, DCID), then the secret of the side.
	if (hmac(c, secret, s->inner_ctx, s->outer_ctx, dcid.p, dcid.len) //
	    && pads(c, c->pad_in, c->pad_out, secret, 32) //
	    && expand(c, secret, 32, &ht_label_side[side]) //
	    && pads(c, c->pad_in, c->pad_out, secret, 32) //
	    && expand(c, out->key, 16, &l[HT_LABEL_KEY]) //
	    && expand(c, out->iv, 12, &l[HT_LABEL_IV]) //
	    && expand(c, out->hp, 16, &l[HT_LABEL_HP]))
		return;
	memset(out, 0, sizeof(*out));
}

static void
mask(struct ht_crypto *c, uint8_t out[16], const uint8_t hp[16], const uint8_t *sample) {
	int n;
	if (EVP_EncryptInit_ex2(c->ecb_ctx, NULL, hp, NULL, NULL) != 1 //
	    || EVP_EncryptUpdate(c->ecb_ctx, out, &n, sample, 16) != 1)
		memset(out, 0, 16);
}

static bool gcm_open(
	struct ht_crypto *c,
	uint8_t *out,
	const uint8_t key[16],
	const uint8_t nonce[12],
	struct ht_span aad,
	struct ht_span sealed
) {
	int n;
	size_t len = sealed.len - 16;
	uint8_t tag[16], none[16];
	memcpy(tag, sealed.p + len, 16); // the library wants it writable
	if (aad.len > INT_MAX || len > INT_MAX)
		return false;
	return EVP_DecryptInit_ex2(c->gcm_ctx, NULL, key, nonce, NULL) == 1 //
	       && EVP_CIPHER_CTX_ctrl(c->gcm_ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag) == 1 //
	       && (aad.len == 0 || EVP_DecryptUpdate(c->gcm_ctx, NULL, &n, aad.p, (int)aad.len) == 1
	       ) //
	       && (len == 0 || EVP_DecryptUpdate(c->gcm_ctx, out, &n, sealed.p, (int)len) == 1) //
	       && EVP_DecryptFinal_ex(c->gcm_ctx, none, &n) == 1;
}

static bool open_initial(
	struct ht_crypto *c,
	uint8_t *out,
	struct ht_initial_opened *o,
	const struct ht_initial_keys *k,
	struct ht_span packet,
	size_t pn_offset
) {
	uint8_t m[16], nonce[12], pn[4];
	uint64_t low;
	mask(c, m, k->hp, packet.p + pn_offset + HT_SAMPLE_OFFSET);
	memcpy(&low, m, sizeof(low));
	ht_clear_header(out, o, packet, pn_offset, low);
	// RFC 9001 5.3: the nonce is the iv, its last bytes XORed with the packet number.
	memcpy(nonce, k->iv, sizeof(nonce));
	ht_put_be32(pn, o->pn);
	for (int i = 0; i < 4; i++)
		nonce[8 + i] ^= pn[i];
	return gcm_open(
		c, out + o->header_len, k->key, nonce, HT_SPAN(out, o->header_len),
		HT_SPAN(packet.p + o->header_len, packet.len - o->header_len)
	);
}

const struct ht_sha_ops ht_sha_libcrypto = {
	.name = "libcrypto sha",
	.sha256 = sha256,
	.sha1 = ht_sha1_libcrypto,
	.salt = salt,
	.derive = derive,
};

const struct ht_aes_ops ht_aes_libcrypto = {
	.name = "libcrypto aes",
	.mask = mask,
	.open = gcm_open,
	.open_initial = open_initial,
};
