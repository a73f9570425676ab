// SPDX-License-Identifier: BSD-3-Clause
// AES-128-GCM open on 256-bit vectors (VAES and VPCLMULQDQ with AVX2): two blocks an instruction.

#include "crypto_int.h"

#if defined(__x86_64__)

#define TARGET __attribute__((target("vaes,vpclmulqdq,avx2,aes,pclmul")))
#include "aes_x86_int.h"

INLINE __m256i load2(const void *p) {
	return _mm256_loadu_si256((const __m256i *)p);
}

INLINE void store2(void *p, __m256i v) {
	_mm256_storeu_si256((__m256i *)p, v);
}

INLINE __m256i both(__m128i v) {
	return _mm256_broadcastsi128_si256(v);
}

INLINE __m256i swap2(__m256i v) {
	return _mm256_shuffle_epi8(v, both(_mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f)));
}

struct product2 {
	__m256i lo, mid, hi;
};

INLINE void multiply_add2(struct product2 *p, __m256i a, __m256i b) {
	p->lo = _mm256_xor_si256(p->lo, _mm256_clmulepi64_epi128(a, b, 0x00));
	p->hi = _mm256_xor_si256(p->hi, _mm256_clmulepi64_epi128(a, b, 0x11));
	p->mid = _mm256_xor_si256(p->mid, _mm256_clmulepi64_epi128(a, b, 0x01));
	p->mid = _mm256_xor_si256(p->mid, _mm256_clmulepi64_epi128(a, b, 0x10));
}

INLINE __m256i folded2(__m256i v) {
	return _mm256_xor_si256(v, _mm256_shuffle_epi32(v, 0x4e));
}

// KEEP stops the compiler from joining sums of several turns, for which there are no registers.
#define KEEP(v) __asm__("" : "+x"(v))

INLINE void karatsuba_add2(struct product2 *p, __m256i a, __m256i b, __m256i fb) {
	p->lo = _mm256_xor_si256(p->lo, _mm256_clmulepi64_epi128(a, b, 0x00));
	p->hi = _mm256_xor_si256(p->hi, _mm256_clmulepi64_epi128(a, b, 0x11));
	p->mid = _mm256_xor_si256(p->mid, _mm256_clmulepi64_epi128(folded2(a), fb, 0x00));
	KEEP(p->lo);
	KEEP(p->hi);
	KEEP(p->mid);
}

INLINE __m256i reduce2(struct product2 p) {
	const __m256i poly = both(_mm_set_epi64x(0, (long long)0xc200000000000000));
	__m256i t = _mm256_clmulepi64_epi128(p.lo, poly, 0x00);
	p.mid = _mm256_xor_si256(p.mid, _mm256_xor_si256(t, _mm256_shuffle_epi32(p.lo, 0x4e)));
	t = _mm256_clmulepi64_epi128(p.mid, poly, 0x00);
	return _mm256_xor_si256(p.hi, _mm256_xor_si256(t, _mm256_shuffle_epi32(p.mid, 0x4e)));
}

INLINE __m256i multiply2(__m256i a, __m256i b) {
	struct product2 p
		= {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
	multiply_add2(&p, a, b);
	return reduce2(p);
}

INLINE __m128i join(__m256i v) {
	return _mm_xor_si128(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

INLINE struct product2 zero2(void) {
	return (struct product2
	){_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
}

// The powers of the hash key, two a vector as the blocks they meet: 8 7, 6 5, 4 3, 2 1.
struct powers {
	__m256i h[4], fh[4];
};

// sixteen decrypts sixteen blocks and hashes the sealed bytes in two halves. The multiplications
// stand between the rounds: each kind of instruction waits for itself and leaves room for the
// other.
INLINE __m128i
sixteen(const __m256i rk[11],
	const struct powers *w,
	__m128i acc,
	__m256i ctr,
	uint8_t *out,
	const uint8_t *in) {
	__m256i x[8];
	struct product2 p = zero2();
	UNROLL
	for (int i = 0; i < 8; i++) {
		__m256i v = _mm256_add_epi32(ctr, both(_mm_set_epi32(0, 0, 0, 2 * i)));
		x[i] = _mm256_xor_si256(swap2(v), rk[0]);
	}
	UNROLL
	for (int r = 1; r < 10; r++) {
		UNROLL
		for (int i = 0; i < 8; i++)
			x[i] = _mm256_aesenc_epi128(x[i], rk[r]);
		if (r == 9)
			break;
		__m256i b = swap2(load2(in + 32 * (r - 1)));
		if (r % 4 == 1)
			b = _mm256_xor_si256(b, _mm256_zextsi128_si256(acc));
		karatsuba_add2(&p, b, w->h[(r - 1) % 4], w->fh[(r - 1) % 4]);
		if (r % 4 == 0) {
			acc = reduce(karatsuba_end((struct product
			){join(p.lo), join(p.mid), join(p.hi)}));
			p = zero2();
		}
	}
	UNROLL
	for (int i = 0; i < 8; i++) {
		__m256i last = _mm256_xor_si256(rk[10], load2(in + 32 * i));
		store2(out + 32 * i, _mm256_aesenclast_epi128(x[i], last));
	}
	return acc;
}

// eight is half of that, for what is left.
INLINE __m128i
eight(const __m256i rk[11],
      const struct powers *w,
      __m128i acc,
      __m256i ctr,
      uint8_t *out,
      const uint8_t *in) {
	__m256i x[4];
	struct product2 p = zero2();
	UNROLL
	for (int i = 0; i < 4; i++) {
		__m256i v = _mm256_add_epi32(ctr, both(_mm_set_epi32(0, 0, 0, 2 * i)));
		x[i] = _mm256_xor_si256(swap2(v), rk[0]);
	}
	UNROLL
	for (int r = 1; r < 10; r++) {
		UNROLL
		for (int i = 0; i < 4; i++)
			x[i] = _mm256_aesenc_epi128(x[i], rk[r]);
	}
	UNROLL
	for (int i = 0; i < 4; i++) {
		__m256i sealed = load2(in + 32 * i), b = swap2(sealed);
		x[i] = _mm256_aesenclast_epi128(x[i], _mm256_xor_si256(rk[10], sealed));
		store2(out + 32 * i, x[i]);
		if (i == 0)
			b = _mm256_xor_si256(b, _mm256_zextsi128_si256(acc));
		karatsuba_add2(&p, b, w->h[i], w->fh[i]);
	}
	return reduce(karatsuba_end((struct product){join(p.lo), join(p.mid), join(p.hi)}));
}

INLINE bool open_gcm(
	const __m128i rk[11], __m128i j0, uint8_t *out, struct ht_span aad, struct ht_span sealed
) {
	__m128i h[9];
	__m256i rk2[11];
	struct powers w;
	h[1] = hash_key(encrypt(rk, _mm_setzero_si128()));
	h[2] = multiply(h[1], h[1]);
	__m256i h22 = both(h[2]);
	w.h[3] = _mm256_inserti128_si256(_mm256_castsi128_si256(h[2]), h[1], 1);
	w.h[2] = multiply2(w.h[3], h22);
	__m256i h44 = _mm256_permute2x128_si256(w.h[2], w.h[2], 0x00);
	w.h[1] = multiply2(w.h[3], h44);
	w.h[0] = multiply2(w.h[2], h44);
	UNROLL
	for (int i = 0; i < 4; i++)
		w.fh[i] = folded2(w.h[i]);
	UNROLL
	for (int i = 0; i < 3; i++) {
		h[8 - 2 * i] = _mm256_castsi256_si128(w.h[i]);
		h[7 - 2 * i] = _mm256_extracti128_si256(w.h[i], 1);
	}
	UNROLL
	for (int i = 0; i < 11; i++)
		rk2[i] = both(rk[i]);
	__m128i tag_mask = encrypt(rk, swap128(j0));

	__m128i acc = hash_padded(_mm_setzero_si128(), h, aad);
	__m256i ctr = _mm256_add_epi32(both(j0), _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 1));
	size_t len = sealed.len - 16, at = 0;
	for (; len - at >= 256; at += 256) {
		acc = sixteen(rk2, &w, acc, ctr, out + at, sealed.p + at);
		ctr = _mm256_add_epi32(ctr, both(_mm_set_epi32(0, 0, 0, 16)));
	}
	if (len - at >= 128) {
		acc = eight(rk2, &w, acc, ctr, out + at, sealed.p + at);
		ctr = _mm256_add_epi32(ctr, both(_mm_set_epi32(0, 0, 0, 8)));
		at += 128;
	}
	return open_tail(
		rk, h, acc, _mm256_castsi256_si128(ctr), tag_mask, aad.len, out, sealed.p, len, at
	);
}

TARGET static bool gcm_open(
	struct ht_crypto *c,
	uint8_t *out,
	const uint8_t key[16],
	const uint8_t nonce[12],
	struct ht_span aad,
	struct ht_span sealed
) {
	(void)c;
	__m128i rk[11];
	expand(rk, load(key));
	return open_gcm(rk, first_counter(nonce, 0), out, aad, sealed);
}

TARGET static bool open_initial(
	struct ht_crypto *c,
	uint8_t *out,
	struct ht_initial_opened *o,
	const struct ht_initial_keys *k,
	struct ht_span packet,
	size_t pn_offset
) {
	(void)c;
	__m128i rk[11], hp[11];
	expand_two(rk, load(k->key), hp, load(k->hp));
	__m128i mask = encrypt(hp, load(packet.p + pn_offset + HT_SAMPLE_OFFSET));
	ht_clear_header(out, o, packet, pn_offset, (uint64_t)_mm_cvtsi128_si64(mask));
	return open_gcm(
		rk, first_counter(k->iv, o->pn), out + o->header_len, HT_SPAN(out, o->header_len),
		HT_SPAN(packet.p + o->header_len, packet.len - o->header_len)
	);
}

const struct ht_aes_ops ht_aes_vaes = {
	.name = "vaes",
	.mask = ht_aes_mask_x86,
	.open = gcm_open,
	.open_initial = open_initial,
};

#endif
