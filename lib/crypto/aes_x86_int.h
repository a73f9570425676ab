// SPDX-License-Identifier: BSD-3-Clause
// aes_x86_int: AES-128 and GHASH on 128-bit vectors, for the two files that define TARGET.
//
// GHASH (NIST SP 800-38D 6.4) numbers bits from the other end than a CPU does. Blocks are
// byte-swapped on load, which leaves the bits reversed as a whole; the product of two reversed
// polynomials is the reversed product shifted by one, and the hash key is shifted the other way
// once to make up for it.

#pragma once

#include "crypto_int.h"

#include <immintrin.h>

#define INLINE TARGET static inline __attribute__((always_inline, unused))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 64")
#endif

INLINE __m128i load(const void *p) {
	return _mm_loadu_si128((const __m128i *)p);
}

INLINE void store(void *p, __m128i v) {
	_mm_storeu_si128((__m128i *)p, v);
}

INLINE __m128i swap128(__m128i v) {
	return _mm_shuffle_epi8(v, _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f));
}

// next_key makes a round key of the one before it (FIPS 197 5.2). RotWord is a shuffle that gives
// the rotated last word four times; AESENCLAST on four equal columns is SubWord and the round
// constant.
INLINE __m128i next_key(__m128i k, int rcon) {
	__m128i w = _mm_shuffle_epi8(k, _mm_set1_epi32(0x0c0f0e0d));
	w = _mm_aesenclast_si128(w, _mm_set1_epi32(rcon));
	k = _mm_xor_si128(k, _mm_slli_si128(k, 4));
	k = _mm_xor_si128(k, _mm_slli_si128(k, 8));
	return _mm_xor_si128(k, w);
}

INLINE void expand(__m128i rk[11], __m128i key) {
	static const int rcon[10] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36};
	rk[0] = key;
	UNROLL
	for (int i = 0; i < 10; i++)
		rk[i + 1] = next_key(rk[i], rcon[i]);
}

// expand_two does two keys in the time of one: each step waits for the one before it.
INLINE void expand_two(__m128i a[11], __m128i key_a, __m128i b[11], __m128i key_b) {
	static const int rcon[10] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36};
	a[0] = key_a;
	b[0] = key_b;
	UNROLL
	for (int i = 0; i < 10; i++) {
		a[i + 1] = next_key(a[i], rcon[i]);
		b[i + 1] = next_key(b[i], rcon[i]);
	}
}

INLINE __m128i encrypt(const __m128i rk[11], __m128i x) {
	x = _mm_xor_si128(x, rk[0]);
	UNROLL
	for (int r = 1; r < 10; r++)
		x = _mm_aesenc_si128(x, rk[r]);
	return _mm_aesenclast_si128(x, rk[10]);
}

// A product of 256 bits, not reduced: lo + mid * x^64 + hi * x^128.
struct product {
	__m128i lo, mid, hi;
};

INLINE void multiply_add(struct product *p, __m128i a, __m128i b) {
	p->lo = _mm_xor_si128(p->lo, _mm_clmulepi64_si128(a, b, 0x00));
	p->hi = _mm_xor_si128(p->hi, _mm_clmulepi64_si128(a, b, 0x11));
	p->mid = _mm_xor_si128(p->mid, _mm_clmulepi64_si128(a, b, 0x01));
	p->mid = _mm_xor_si128(p->mid, _mm_clmulepi64_si128(a, b, 0x10));
}

// folded is the sum of both halves, in both halves.
INLINE __m128i folded(__m128i v) {
	return _mm_xor_si128(v, _mm_shuffle_epi32(v, 0x4e));
}

// karatsuba_add multiplies with three instructions instead of four; `fb` is folded(b). The middle
// is too large by lo and hi until karatsuba_end().
INLINE void karatsuba_add(struct product *p, __m128i a, __m128i b, __m128i fb) {
	p->lo = _mm_xor_si128(p->lo, _mm_clmulepi64_si128(a, b, 0x00));
	p->hi = _mm_xor_si128(p->hi, _mm_clmulepi64_si128(a, b, 0x11));
	p->mid = _mm_xor_si128(p->mid, _mm_clmulepi64_si128(folded(a), fb, 0x00));
}

INLINE struct product karatsuba_end(struct product p) {
	p.mid = _mm_xor_si128(p.mid, _mm_xor_si128(p.lo, p.hi));
	return p;
}

// reduce folds 64 bits twice by x^128 + x^7 + x^2 + x + 1, whose reversed low part is 0xc2 << 56.
INLINE __m128i reduce(struct product p) {
	const __m128i poly = _mm_set_epi64x(0, (long long)0xc200000000000000);
	__m128i t = _mm_clmulepi64_si128(p.lo, poly, 0x00);
	p.mid = _mm_xor_si128(p.mid, _mm_xor_si128(t, _mm_shuffle_epi32(p.lo, 0x4e)));
	t = _mm_clmulepi64_si128(p.mid, poly, 0x00);
	return _mm_xor_si128(p.hi, _mm_xor_si128(t, _mm_shuffle_epi32(p.mid, 0x4e)));
}

INLINE __m128i multiply(__m128i a, __m128i b) {
	struct product p = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};
	multiply_add(&p, a, b);
	return reduce(p);
}

// hash_key shifts the hash key left by one, modulo the polynomial.
INLINE __m128i hash_key(__m128i zero_encrypted) {
	__m128i h = swap128(zero_encrypted);
	__m128i carry = _mm_srai_epi32(_mm_shuffle_epi32(h, 0xff), 31);
	__m128i up = _mm_slli_si128(_mm_srli_epi64(h, 63), 8);
	h = _mm_or_si128(_mm_slli_epi64(h, 1), up);
	return _mm_xor_si128(
		h, _mm_and_si128(carry, _mm_set_epi64x((long long)0xc200000000000000, 1))
	);
}

// first_counter is J0 (SP 800-38D 7.1), the nonce being iv XOR pn, byte-swapped so that the counter
// is the lowest lane.
INLINE __m128i first_counter(const uint8_t iv[12], uint32_t pn) {
	return _mm_set_epi64x(
		(long long)ht_be64(iv), (long long)((uint64_t)(ht_be32(iv + 8) ^ pn) << 32 | 1)
	);
}

// first_bytes keeps n <= 16 bytes of a block and makes the others zero.
INLINE __m128i first_bytes(__m128i v, size_t n) {
	static const uint8_t mask[32] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	};
	return _mm_and_si128(v, load(mask + 16 - n));
}

// hash_few adds n <= 8 blocks, swapped already, to the hash. h[i] is the i-th power of the key.
INLINE __m128i hash_few(__m128i acc, const __m128i h[9], const __m128i *b, size_t n) {
	struct product p = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};
	for (size_t i = 0; i < n; i++)
		multiply_add(&p, i == 0 ? _mm_xor_si128(acc, b[0]) : b[i], h[n - i]);
	return reduce(p);
}

// Whether 16 bytes may be read or written where fewer count. It is a constant where it is inlined:
// true for an Initial, where the tag's place follows.
enum slack { EXACT, SLACK };

// padded_block takes the block at `at`, padded with zeros where the bytes end, and swaps it.
INLINE __m128i padded_block(struct ht_span s, size_t at, enum slack slack) {
	const uint8_t *p = s.p + at;
	size_t n = s.len - at;
	uint8_t block[16] = {0};
	if (n >= 16)
		return swap128(load(p));
	if (slack == EXACT)
		p = memcpy(block, p, n);
	return swap128(first_bytes(load(p), n));
}

// open_tail decrypts what is left of `len` bytes from `at` on, at most 128, and checks the tag
// behind them, for which reason 16 bytes of `in` can always be read. `b` has room for 12 blocks;
// the first n of them, at most 2, are still to be hashed before what is left.
INLINE bool open_tail(
	const __m128i rk[11],
	const __m128i h[9],
	__m128i acc,
	__m128i b[12],
	size_t n,
	__m128i ctr,
	__m128i tag_mask,
	size_t aad_len,
	uint8_t *out,
	const uint8_t *in,
	size_t len,
	size_t at,
	enum slack slack
) {
	for (; at < len; at += 16) {
		__m128i sealed = load(in + at);
		__m128i clear = _mm_xor_si128(sealed, encrypt(rk, swap128(ctr)));
		ctr = _mm_add_epi32(ctr, _mm_set_epi32(0, 0, 0, 1));
		if (len - at < 16)
			sealed = first_bytes(sealed, len - at);
		b[n++] = swap128(sealed);
		if (slack == SLACK || len - at >= 16) {
			store(out + at, clear);
		} else {
			uint8_t block[16];
			store(block, clear);
			memcpy(out + at, block, len - at);
		}
	}
	b[n++] = _mm_set_epi64x((long long)(8 * (uint64_t)aad_len), (long long)(8 * (uint64_t)len));
	if (n > 8) {
		acc = hash_few(acc, h, b, n - 8);
		b += n - 8;
		n = 8;
	}
	acc = hash_few(acc, h, b, n);
	__m128i tag = _mm_xor_si128(swap128(acc), tag_mask);
	return _mm_movemask_epi8(_mm_cmpeq_epi8(tag, load(in + len))) == 0xffff;
}

// open_gcm is each file's own: decrypts and hashes `sealed` as wide as its vectors are.
INLINE bool open_gcm(
	const __m128i rk[11],
	__m128i j0,
	uint8_t *out,
	struct ht_span aad,
	struct ht_span sealed,
	enum slack slack
);

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
	return open_gcm(rk, first_counter(nonce, 0), out, aad, sealed, EXACT);
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
		HT_SPAN(packet.p + o->header_len, packet.len - o->header_len), SLACK
	);
}
