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

// KEEP stops the compiler from moving sums together, for which there are too few registers.
#define KEEP(v) __asm__("" : "+x"(v))

// karatsuba_add2 as karatsuba_add(), but that karatsuba_end2() has still to be called.
INLINE void karatsuba_add2(struct product2 *p, __m256i a, __m256i b, __m256i fb) {
	p->lo = _mm256_xor_si256(p->lo, _mm256_clmulepi64_epi128(a, b, 0x00));
	p->hi = _mm256_xor_si256(p->hi, _mm256_clmulepi64_epi128(a, b, 0x11));
	p->mid = _mm256_xor_si256(p->mid, _mm256_clmulepi64_epi128(folded2(a), fb, 0x00));
	KEEP(p->lo);
	KEEP(p->hi);
	KEEP(p->mid);
}

INLINE struct product2 karatsuba_end2(struct product2 p) {
	p.mid = _mm256_xor_si256(p.mid, _mm256_xor_si256(p.lo, p.hi));
	return p;
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

// The hash runs in two lanes, one for the even blocks and one for the odd ones, each in steps of
// H^2. The lanes meet at the end: even * H^2 + odd * H. Powers 8, 6, 4 and 2, each in both lanes.
struct powers {
	__m256i h[4], fh[4];
};

// hash_aad starts the two lanes, with a zero block before an odd number of blocks.
INLINE __m256i hash_aad(__m256i h22, struct ht_span aad, enum slack slack) {
	__m256i acc = _mm256_setzero_si256();
	size_t at = 0;
	if ((aad.len + 15) / 16 % 2 != 0) {
		__m128i odd = padded_block(aad, 0, slack);
		acc = _mm256_inserti128_si256(acc, odd, 1);
		at = 16;
	}
	for (; at < aad.len; at += 32) {
		__m256i even = _mm256_castsi128_si256(padded_block(aad, at, slack));
		__m256i pair = _mm256_inserti128_si256(even, padded_block(aad, at + 16, slack), 1);
		acc = at > 0 ? _mm256_xor_si256(multiply2(acc, h22), pair) : pair;
	}
	return acc;
}

#define STRIDE 128 // bytes of a turn: four vectors, eight blocks

// eight decrypts eight blocks and hashes them as they are sealed: acc * H^8 + b0 * H^6 + b1 * H^4
// + b2 * H^2 + b3 in either lane. The multiplications stand between the rounds, that either kind of
// instruction may fill the other's waits; what depends on the last turn comes last.
INLINE __m256i
eight(const __m256i rk[11],
      const struct powers *w,
      __m256i acc,
      __m256i ctr,
      uint8_t *out,
      const uint8_t *in) {
	__m256i x[4];
	struct product2 p
		= {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
	UNROLL
	for (int i = 0; i < 4; i++) {
		__m256i v = _mm256_add_epi32(ctr, both(_mm_set_epi32(0, 0, 0, 2 * i)));
		x[i] = _mm256_xor_si256(swap2(v), rk[0]);
	}
	UNROLL
	for (int r = 1; r < 10; r++) {
		UNROLL
		for (int i = 0; i < 4; i++) {
			x[i] = _mm256_aesenc_epi128(x[i], rk[r]);
			KEEP(x[i]);
		}
		if (r < 4)
			karatsuba_add2(&p, swap2(load2(in + 32 * (r - 1))), w->h[r], w->fh[r]);
		else if (r == 4)
			karatsuba_add2(&p, acc, w->h[0], w->fh[0]);
	}
	UNROLL
	for (int i = 0; i < 4; i++) {
		__m256i last = _mm256_xor_si256(rk[10], load2(in + 32 * i));
		store2(out + 32 * i, _mm256_aesenclast_epi128(x[i], last));
	}
	return _mm256_xor_si256(reduce2(karatsuba_end2(p)), swap2(load2(in + 96)));
}

INLINE bool open_gcm(
	const __m128i rk[11],
	__m128i j0,
	uint8_t *out,
	struct ht_span aad,
	struct ht_span sealed,
	enum slack slack
) {
	__m128i h[9];
	__m256i rk2[11];
	struct powers w;
	h[1] = hash_key(encrypt(rk, _mm_setzero_si128()));
	h[2] = multiply(h[1], h[1]);
	__m256i h21 = _mm256_inserti128_si256(_mm256_castsi128_si256(h[2]), h[1], 1);
	w.h[3] = both(h[2]);
	__m256i h43 = multiply2(h21, w.h[3]);
	w.h[2] = _mm256_permute2x128_si256(h43, h43, 0x00);
	__m256i h65 = multiply2(h21, w.h[2]), h87 = multiply2(h43, w.h[2]);
	w.h[1] = _mm256_permute2x128_si256(h65, h65, 0x00);
	w.h[0] = _mm256_permute2x128_si256(h87, h87, 0x00);
	UNROLL
	for (int i = 0; i < 4; i++)
		w.fh[i] = folded2(w.h[i]);
	const __m256i pairs[3] = {h43, h65, h87};
	UNROLL
	for (int i = 0; i < 3; i++) {
		h[2 * i + 3] = _mm256_extracti128_si256(pairs[i], 1);
		h[2 * i + 4] = _mm256_castsi256_si128(pairs[i]);
	}
	UNROLL
	for (int i = 0; i < 11; i++)
		rk2[i] = both(rk[i]);
	__m128i tag_mask = encrypt(rk, swap128(j0));

	__m256i acc = hash_aad(w.h[3], aad, slack);
	__m256i ctr = _mm256_add_epi32(both(j0), _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 1));
	size_t len = sealed.len - 16, at = 0;
	for (; len - at >= STRIDE; at += STRIDE) {
		acc = eight(rk2, &w, acc, ctr, out + at, sealed.p + at);
		ctr = _mm256_add_epi32(ctr, both(_mm_set_epi32(0, 0, 0, 8)));
	}
	__m128i b[12] = {_mm256_castsi256_si128(acc), _mm256_extracti128_si256(acc, 1)};
	return open_tail(
		rk, h, _mm_setzero_si128(), b, 2, _mm256_castsi256_si128(ctr), tag_mask, aad.len,
		out, sealed.p, len, at, slack
	);
}

const struct ht_aes_ops ht_aes_vaes = {
	.name = "vaes",
	.mask = ht_aes_mask_x86,
	.open = gcm_open,
	.open_initial = open_initial,
};

#endif
