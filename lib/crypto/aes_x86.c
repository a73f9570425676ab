// SPDX-License-Identifier: BSD-3-Clause
// AES-128 header protection and AES-128-GCM open by AES-NI and PCLMULQDQ.

#include "crypto_int.h"

#if defined(__x86_64__)

#define TARGET __attribute__((target("aes,pclmul,sse4.1,ssse3")))
#include "aes_x86_int.h"

TARGET void ht_aes_mask_x86(
	struct ht_crypto *c, uint8_t mask[16], const uint8_t hp[16], const uint8_t sample[16]
) {
	(void)c;
	__m128i rk[11];
	expand(rk, load(hp));
	store(mask, encrypt(rk, load(sample)));
}

// eight decrypts eight blocks, counters `ctr` and following, and hashes the sealed bytes.
INLINE __m128i
eight(const __m128i rk[11],
      const __m128i h[9],
      const __m128i fh[9],
      __m128i acc,
      __m128i ctr,
      uint8_t *out,
      const uint8_t *in) {
	__m128i x[8];
	UNROLL
	for (int i = 0; i < 8; i++)
		x[i] = _mm_xor_si128(swap128(_mm_add_epi32(ctr, _mm_set_epi32(0, 0, 0, i))), rk[0]);
	UNROLL
	for (int r = 1; r < 10; r++) {
		UNROLL
		for (int i = 0; i < 8; i++)
			x[i] = _mm_aesenc_si128(x[i], rk[r]);
	}
	struct product p = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};
	UNROLL
	for (int i = 0; i < 8; i++) {
		__m128i sealed = load(in + 16 * i), b = swap128(sealed);
		x[i] = _mm_aesenclast_si128(x[i], _mm_xor_si128(rk[10], sealed));
		store(out + 16 * i, x[i]);
		if (i == 0)
			b = _mm_xor_si128(b, acc);
		karatsuba_add(&p, b, h[8 - i], fh[8 - i]);
	}
	return reduce(karatsuba_end(p));
}

INLINE __m128i hash_aad(const __m128i h[9], struct ht_span aad, enum slack slack) {
	__m128i acc = _mm_setzero_si128(), b[8];
	for (size_t at = 0; at < aad.len;) {
		size_t n = 0;
		for (; n < 8 && at < aad.len; at += 16)
			b[n++] = padded_block(aad, at, slack);
		acc = hash_few(acc, h, b, n);
	}
	return acc;
}

INLINE bool open_gcm(
	const __m128i rk[11],
	__m128i j0,
	uint8_t *out,
	struct ht_span aad,
	struct ht_span sealed,
	enum slack slack
) {
	__m128i h[9], fh[9];
	h[1] = hash_key(encrypt(rk, _mm_setzero_si128()));
	UNROLL
	for (int i = 2; i <= 8; i++) // from the halves, so that the chain is short
		h[i] = multiply(h[(i + 1) / 2], h[i / 2]);
	UNROLL
	for (int i = 1; i <= 8; i++)
		fh[i] = folded(h[i]);
	__m128i tag_mask = encrypt(rk, swap128(j0));
	__m128i ctr = _mm_add_epi32(j0, _mm_set_epi32(0, 0, 0, 1));

	__m128i acc = hash_aad(h, aad, slack), b[12];
	size_t len = sealed.len - 16, at = 0;
	for (; len - at >= 128; at += 128) {
		acc = eight(rk, h, fh, acc, ctr, out + at, sealed.p + at);
		ctr = _mm_add_epi32(ctr, _mm_set_epi32(0, 0, 0, 8));
	}
	return open_tail(rk, h, acc, b, 0, ctr, tag_mask, aad.len, out, sealed.p, len, at, slack);
}

static const struct ht_aes_ops ops = {
	.name = "aes-ni",
	.mask = ht_aes_mask_x86,
	.open = gcm_open,
	.open_initial = open_initial,
};

const struct ht_aes_ops *ht_aes_cpu(bool wide) {
	if (wide)
		return ht_cpu_has(HT_CPU_AES | HT_CPU_VAES) ? &ht_aes_vaes : NULL;
	return ht_cpu_has(HT_CPU_AES) ? &ops : NULL;
}

#endif
