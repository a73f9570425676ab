// SPDX-License-Identifier: BSD-3-Clause
// SHA-256, SHA-1 and the derivation of Initial keys by the SHA instructions of x86.
//
// One compression is a chain of 32 sha256rnds2 and mostly waits for the one before it. Where the
// key schedule has independent compressions (the two pads of an HMAC key; key, iv and hp) they run
// side by side in the same instructions' shadow.

#include "crypto_int.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("sha,sse4.1,ssse3")))
#define INLINE TARGET static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 64")
#endif

// FIPS 180-4 4.2.2.
static const uint32_t k256[64] __attribute__((aligned(16))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

// A hash state as sha256rnds2 wants it: words A B E F and C D G H, the first one on top.
struct state {
	__m128i abef, cdgh;
};

INLINE __m128i swap32(__m128i v) {
	const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	return _mm_shuffle_epi8(v, order);
}

INLINE __m128i load(const void *p) {
	return _mm_loadu_si128((const __m128i *)p);
}

INLINE void store(void *p, __m128i v) {
	_mm_storeu_si128((__m128i *)p, v);
}

// FIPS 180-4 5.3.3.
INLINE struct state initial_state(void) {
	return (struct state){
		_mm_set_epi32(0x6a09e667, (int)0xbb67ae85, 0x510e527f, (int)0x9b05688c),
		_mm_set_epi32(0x3c6ef372, (int)0xa54ff53a, 0x1f83d9ab, 0x5be0cd19),
	};
}

// words turns a state into the eight words of a digest, A in the lowest lane.
INLINE void words(__m128i w[2], struct state s) {
	w[0] = _mm_shuffle_epi32(_mm_unpackhi_epi64(s.abef, s.cdgh), 0xb1);
	w[1] = _mm_shuffle_epi32(_mm_unpacklo_epi64(s.abef, s.cdgh), 0xb1);
}

// four_rounds runs rounds 4g .. 4g+3 of one stream with W + K given.
INLINE void four_rounds(struct state *s, __m128i wk) {
	s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, wk);
	s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, _mm_shuffle_epi32(wk, 0x0e));
}

// schedule makes W[t .. t+3] out of the sixteen words before them; `m` is a ring of four vectors
// and the oldest is replaced.
INLINE void schedule(__m128i m[4], int g) {
	__m128i w9 = _mm_alignr_epi8(m[(g + 3) & 3], m[(g + 2) & 3], 4);
	__m128i t = _mm_add_epi32(_mm_sha256msg1_epu32(m[g & 3], m[(g + 1) & 3]), w9);
	m[g & 3] = _mm_sha256msg2_epu32(t, m[(g + 3) & 3]);
}

// compress hashes one block into each of n streams; n is a constant where it is inlined.
INLINE void compress(struct state *s, __m128i m[][4], int n) {
	struct state before[3];
	UNROLL
	for (int i = 0; i < n; i++)
		before[i] = s[i];
	UNROLL
	for (int g = 0; g < 16; g++) {
		__m128i k = _mm_load_si128((const __m128i *)&k256[4 * g]);
		UNROLL
		for (int i = 0; i < n; i++) {
			four_rounds(&s[i], _mm_add_epi32(m[i][g & 3], k));
			if (g < 12)
				schedule(m[i], g);
		}
	}
	UNROLL
	for (int i = 0; i < n; i++) {
		s[i].abef = _mm_add_epi32(s[i].abef, before[i].abef);
		s[i].cdgh = _mm_add_epi32(s[i].cdgh, before[i].cdgh);
	}
}

// compress_known is compress for blocks whose W + K was worked out before.
INLINE void compress_known(struct state *s, const uint32_t (*wk)[64], int n) {
	struct state before[3];
	UNROLL
	for (int i = 0; i < n; i++)
		before[i] = s[i];
	UNROLL
	for (int g = 0; g < 16; g++) {
		UNROLL
		for (int i = 0; i < n; i++)
			four_rounds(&s[i], load(&wk[i][4 * g]));
	}
	UNROLL
	for (int i = 0; i < n; i++) {
		s[i].abef = _mm_add_epi32(s[i].abef, before[i].abef);
		s[i].cdgh = _mm_add_epi32(s[i].cdgh, before[i].cdgh);
	}
}

INLINE void load_block(__m128i m[4], const uint8_t *p) {
	UNROLL
	for (int i = 0; i < 4; i++)
		m[i] = swap32(load(p + 16 * i));
}

TARGET static void sha256(struct ht_crypto *c, uint8_t out[32], struct ht_span in) {
	(void)c;
	struct state s = initial_state();
	__m128i m[1][4];
	size_t whole = in.len & ~(size_t)63;
	for (size_t i = 0; i < whole; i += 64) {
		load_block(m[0], in.p + i);
		compress(&s, m, 1);
	}
	uint8_t last[128];
	size_t n = ht_sha_last(last, in, whole);
	for (size_t i = 0; i < n; i += 64) {
		load_block(m[0], last + i);
		compress(&s, m, 1);
	}
	__m128i w[2];
	words(w, s);
	store(out, swap32(w[0]));
	store(out + 16, swap32(w[1]));
}

INLINE struct state load_state(const uint32_t st[8]) {
	return (struct state){load(st), load(st + 4)};
}

// hash_digest hashes the 32 bytes of each digest in `s` behind the 64 that `outer` has hashed.
INLINE void hash_digest(struct state *s, struct state outer, int n) {
	__m128i m[3][4];
	UNROLL
	for (int i = 0; i < n; i++) {
		words(m[i], s[i]);
		m[i][2] = _mm_set_epi32(0, 0, 0, (int)0x80000000);
		m[i][3] = _mm_set_epi32((64 + 32) * 8, 0, 0, 0);
		s[i] = outer;
	}
	compress(s, m, n);
}

// pads makes the two HMAC states of a key of 32 bytes, given as a digest (RFC 2104 2).
INLINE void pads(struct state pad[2], struct state key) {
	__m128i w[2], m[2][4];
	const __m128i x[2] = {_mm_set1_epi32(0x36363636), _mm_set1_epi32(0x5c5c5c5c)};
	words(w, key);
	UNROLL
	for (int i = 0; i < 2; i++) {
		pad[i] = initial_state();
		m[i][0] = _mm_xor_si128(w[0], x[i]);
		m[i][1] = _mm_xor_si128(w[1], x[i]);
		m[i][2] = m[i][3] = x[i];
	}
	compress(pad, m, 2);
}

TARGET static bool salt(struct ht_crypto *c, struct ht_initial_salt *s, const uint8_t bytes[20]) {
	(void)c;
	uint8_t block[64];
	__m128i m[1][4];
	for (int outer = 0; outer < 2; outer++) {
		memset(block, outer ? 0x5c : 0x36, sizeof(block));
		for (int i = 0; i < 20; i++)
			block[i] ^= bytes[i];
		struct state st = initial_state();
		load_block(m[0], block);
		compress(&st, m, 1);
		store(outer ? s->outer : s->inner, st.abef);
		store((outer ? s->outer : s->inner) + 4, st.cdgh);
	}
	ht_sha_label_schedules(s, k256);
	return true;
}

TARGET static void
derive(struct ht_crypto *c,
       struct ht_initial_keys *out,
       const struct ht_initial_salt *s,
       enum ht_initial_side side,
       struct ht_span dcid) {
	(void)c;
	// The connection id, 0x80 and zeros: at most 21 bytes, so the rest of the block is known.
	uint8_t id[32] = {0};
	memcpy(id, dcid.p, dcid.len);
	id[dcid.len] = 0x80;
	__m128i m[1][4] = {{
		swap32(load(id)),
		swap32(load(id + 16)),
		_mm_setzero_si128(),
		_mm_set_epi32((int)(64 + dcid.len) * 8, 0, 0, 0),
	}};
	// RFC 9001 5.2: initial_secret = HKDF-Extract(salt, DCID).
	struct state st = load_state(s->inner), pad[2];
	compress(&st, m, 1);
	hash_digest(&st, load_state(s->outer), 1);
	// The secret of the side.
	pads(pad, st);
	st = pad[0];
	compress_known(&st, &s->side_wk[side], 1);
	hash_digest(&st, pad[1], 1);
	// RFC 9001 5.1: key, iv and hp.
	pads(pad, st);
	struct state three[HT_NUM_LABELS] = {pad[0], pad[0], pad[0]};
	compress_known(three, s->label_wk, HT_NUM_LABELS);
	hash_digest(three, pad[1], HT_NUM_LABELS);

	__m128i w[2];
	words(w, three[HT_LABEL_KEY]);
	store(out->key, swap32(w[0]));
	words(w, three[HT_LABEL_HP]);
	store(out->hp, swap32(w[0]));
	words(w, three[HT_LABEL_IV]);
	uint8_t iv[16];
	store(iv, swap32(w[0]));
	memcpy(out->iv, iv, sizeof(out->iv));
}

// Four rounds of SHA-1 with the constant and function of `quarter` (FIPS 180-4 6.1.2); the
// intrinsic wants it as a literal.
#define SHA1_ROUNDS(quarter) abcd = _mm_sha1rnds4_epu32(abcd, e, quarter)

TARGET static void sha1_block(uint32_t st[5], const uint8_t *p) {
	const __m128i order = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
	__m128i m[4];
	UNROLL
	for (int i = 0; i < 4; i++)
		m[i] = _mm_shuffle_epi8(load(p + 16 * i), order);
	__m128i abcd = _mm_shuffle_epi32(load(st), 0x1b), before = abcd;
	__m128i e0 = _mm_set_epi32((int)st[4], 0, 0, 0), e = e0, last = abcd;
	UNROLL
	for (int g = 0; g < 20; g++) {
		__m128i w = m[g & 3];
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
			__m128i t = _mm_sha1msg1_epu32(w, m[(g + 1) & 3]);
			t = _mm_xor_si128(t, m[(g + 2) & 3]);
			m[g & 3] = _mm_sha1msg2_epu32(t, m[(g + 3) & 3]);
		}
	}
	e = _mm_sha1nexte_epu32(last, e0);
	store(st, _mm_shuffle_epi32(_mm_add_epi32(abcd, before), 0x1b));
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
