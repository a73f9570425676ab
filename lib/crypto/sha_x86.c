// SPDX-License-Identifier: BSD-3-Clause
// SHA-256, SHA-1 and the derivation of Initial keys by the SHA instructions of x86.

#include "crypto_int.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("sha,sse4.1,ssse3")))
#define INLINE TARGET static inline __attribute__((always_inline))

typedef __m128i vec;

// As sha256rnds2 wants it: the first word on top.
struct state {
	vec abef, cdgh;
};

INLINE vec vload(const void *p) {
	return _mm_loadu_si128((const __m128i *)p);
}

INLINE void vstore(void *p, vec v) {
	_mm_storeu_si128((__m128i *)p, v);
}

INLINE vec swap(vec v) {
	return _mm_shuffle_epi8(v, _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
}

INLINE vec vload_be(const void *p) {
	return swap(vload(p));
}

INLINE void vstore_be(void *p, vec v) {
	vstore(p, swap(v));
}

INLINE vec vset(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
	return _mm_set_epi32((int)d, (int)c, (int)b, (int)a);
}

INLINE vec vadd(vec a, vec b) {
	return _mm_add_epi32(a, b);
}

INLINE vec vxor(vec a, vec b) {
	return _mm_xor_si128(a, b);
}

INLINE void to_words(vec w[2], struct state s) {
	w[0] = _mm_shuffle_epi32(_mm_unpackhi_epi64(s.abef, s.cdgh), 0xb1);
	w[1] = _mm_shuffle_epi32(_mm_unpacklo_epi64(s.abef, s.cdgh), 0xb1);
}

INLINE struct state from_words(vec abcd, vec efgh) {
	vec badc = _mm_shuffle_epi32(abcd, 0xb1), fehg = _mm_shuffle_epi32(efgh, 0xb1);
	return (struct state){_mm_unpacklo_epi64(fehg, badc), _mm_unpackhi_epi64(fehg, badc)};
}

INLINE struct state state_add(struct state a, struct state b) {
	return (struct state){vadd(a.abef, b.abef), vadd(a.cdgh, b.cdgh)};
}

INLINE void four_rounds(struct state *s, vec wk) {
	s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, wk);
	s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, _mm_shuffle_epi32(wk, 0x0e));
}

INLINE void schedule(vec m[4], int g) {
	vec w9 = _mm_alignr_epi8(m[(g + 3) & 3], m[(g + 2) & 3], 4);
	vec t = vadd(_mm_sha256msg1_epu32(m[g & 3], m[(g + 1) & 3]), w9);
	m[g & 3] = _mm_sha256msg2_epu32(t, m[(g + 3) & 3]);
}

#include "sha_kernel.h"

// Four rounds of SHA-1 with the constant and function of `quarter` (FIPS 180-4 6.1.2); the
// intrinsic wants it as a literal.
#define SHA1_ROUNDS(quarter) abcd = _mm_sha1rnds4_epu32(abcd, e, quarter)

TARGET static void sha1_block(uint32_t st[5], const uint8_t *p) {
	const vec order = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
	vec m[4];
	UNROLL
	for (int i = 0; i < 4; i++)
		m[i] = _mm_shuffle_epi8(vload(p + 16 * i), order);
	vec abcd = _mm_shuffle_epi32(vload(st), 0x1b), before = abcd;
	vec e0 = _mm_set_epi32((int)st[4], 0, 0, 0), e = e0, last = abcd;
	UNROLL
	for (int g = 0; g < 20; g++) {
		vec w = m[g & 3];
		e = g == 0 ? _mm_add_epi32(e, w) : _mm_sha1nexte_epu32(last, w);
		last = abcd;
		switch (g / 5) {
		case 0:
			SHA1_ROUNDS(0);
			break;
		case 1:
			SHA1_ROUNDS(1);
			break;
		case 2:
			SHA1_ROUNDS(2);
			break;
		default:
			SHA1_ROUNDS(3);
		}
		if (g < 16) {
			vec t = _mm_sha1msg1_epu32(w, m[(g + 1) & 3]);
			t = _mm_xor_si128(t, m[(g + 2) & 3]);
			m[g & 3] = _mm_sha1msg2_epu32(t, m[(g + 3) & 3]);
		}
	}
	e = _mm_sha1nexte_epu32(last, e0);
	vstore(st, _mm_shuffle_epi32(_mm_add_epi32(abcd, before), 0x1b));
	st[4] = (uint32_t)_mm_extract_epi32(e, 3);
}

TARGET static void sha1(struct ht_crypto *c, uint8_t out[20], struct ht_span in) {
	(void)c;
	uint32_t st[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	size_t whole = in.len & ~(size_t)63;
	for (size_t i = 0; i < whole; i += 64)
		sha1_block(st, in.p + i);
	uint8_t last[128];
	size_t n = ht_sha_last(last, in, whole);
	for (size_t i = 0; i < n; i += 64)
		sha1_block(st, last + i);
	for (int i = 0; i < 5; i++)
		ht_put_be32(out + 4 * i, st[i]);
}

static const struct ht_sha_ops ops = {
	.name = "sha-ni",
	.sha256 = sha256,
	.sha1 = sha1,
	.salt = salt,
	.derive = derive,
};

const struct ht_sha_ops *ht_sha_cpu(void) {
	return ht_cpu_has(HT_CPU_SHA) ? &ops : NULL;
}

#endif
