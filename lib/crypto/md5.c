// SPDX-License-Identifier: BSD-3-Clause
// MD5 (RFC 1321) for JA3. Of its own because a library in FIPS mode refuses it, and because for a
// few hundred bytes the library's set-up costs about as much as the hashing.

#include "crypto.h"

static inline uint32_t le32(const uint8_t *p) {
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static inline void put_le32(uint8_t *p, uint32_t v) {
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static inline uint32_t rol(uint32_t v, int n) {
	return v << n | v >> (32 - n);
}

// RFC 1321 3.4, the auxiliary functions; f and g in forms with one operation less.
#define FN_F(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define FN_G(x, y, z) (((x) & (z)) + ((y) & ~(z)))
#define FN_H(x, y, z) ((x) ^ (y) ^ (z))
#define FN_I(x, y, z) ((y) ^ ((x) | ~(z)))
#define STEP(fn, a, b, c, d, w, k, s) a = b + rol(a + fn(b, c, d) + (w) + (k), s)
#define STEP4(fn, w0, w1, w2, w3, k0, k1, k2, k3, s0, s1, s2, s3) \
	STEP(fn, a, b, c, d, m[w0], k0, s0); \
	STEP(fn, d, a, b, c, m[w1], k1, s1); \
	STEP(fn, c, d, a, b, m[w2], k2, s2); \
	STEP(fn, b, c, d, a, m[w3], k3, s3)
#define ROUND1(...) STEP4(FN_F, __VA_ARGS__, 7, 12, 17, 22)
#define ROUND2(...) STEP4(FN_G, __VA_ARGS__, 5, 9, 14, 20)
#define ROUND3(...) STEP4(FN_H, __VA_ARGS__, 4, 11, 16, 23)
#define ROUND4(...) STEP4(FN_I, __VA_ARGS__, 6, 10, 15, 21)

static void compress(uint32_t st[4], const uint8_t *p) {
	uint32_t m[16];
	for (int i = 0; i < 16; i++)
		m[i] = le32(p + 4 * i);
	uint32_t a = st[0], b = st[1], c = st[2], d = st[3];
	ROUND1(0, 1, 2, 3, 0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee);
	ROUND1(4, 5, 6, 7, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501);
	ROUND1(8, 9, 10, 11, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be);
	ROUND1(12, 13, 14, 15, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821);
	ROUND2(1, 6, 11, 0, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa);
	ROUND2(5, 10, 15, 4, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8);
	ROUND2(9, 14, 3, 8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed);
	ROUND2(13, 2, 7, 12, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a);
	ROUND3(5, 8, 11, 14, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c);
	ROUND3(1, 4, 7, 10, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70);
	ROUND3(13, 0, 3, 6, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05);
	ROUND3(9, 12, 15, 2, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665);
	ROUND4(0, 7, 14, 5, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039);
	ROUND4(12, 3, 10, 1, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1);
	ROUND4(8, 15, 6, 13, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1);
	ROUND4(4, 11, 2, 9, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391);
	st[0] += a;
	st[1] += b;
	st[2] += c;
	st[3] += d;
}

void ht_md5_begin(struct ht_md5 *m) {
	*m = (struct ht_md5){{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}, 0};
}

void ht_md5_blocks(struct ht_md5 *m, struct ht_span in) {
	for (; in.len - m->done >= 64; m->done += 64)
		compress(m->st, in.p + m->done);
}

void ht_md5_end(struct ht_md5 *m, uint8_t out[16], struct ht_span in) {
	ht_md5_blocks(m, in);
	// RFC 1321 3.1-2: a one bit, zeros, and the length in bits in the last 8 bytes.
	uint8_t last[128] = {0};
	size_t rest = in.len - m->done;
	size_t n = rest < 56 ? 64 : 128;
	if (rest > 0)
		memcpy(last, in.p + m->done, rest);
	last[rest] = 0x80;
	put_le32(last + n - 8, (uint32_t)((uint64_t)in.len << 3));
	put_le32(last + n - 4, (uint32_t)((uint64_t)in.len >> 29));
	for (size_t i = 0; i < n; i += 64)
		compress(m->st, last + i);
	for (int i = 0; i < 4; i++)
		put_le32(out + 4 * i, m->st[i]);
}

void ht_md5(struct ht_crypto *c, uint8_t out[16], struct ht_span in) {
	(void)c;
	struct ht_md5 m;
	ht_md5_begin(&m);
	ht_md5_end(&m, out, in);
}
