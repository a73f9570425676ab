// SPDX-License-Identifier: BSD-3-Clause
// Which kernels this CPU can run, and what all of them share.

#include "crypto_int.h"

const uint32_t ht_sha256_k[64] __attribute__((aligned(16))) = {
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

const uint32_t ht_sha256_iv[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

size_t ht_sha_last(uint8_t out[128], struct ht_span in, size_t whole) {
	size_t rest = in.len - whole, n = rest < 56 ? 64 : 128;
	uint64_t bits = __builtin_bswap64((uint64_t)in.len << 3);
	memset(out, 0, n);
	memcpy(out, in.p + whole, rest);
	out[rest] = 0x80;
	memcpy(out + n - 8, &bits, 8);
	return n;
}

static uint32_t ror(uint32_t v, int n) {
	return v >> n | v << (32 - n);
}

// label_schedule hashes nothing: it works out W + K (FIPS 180-4 6.2.2) of a block that holds a
// label behind the 64 bytes of an HMAC pad.
static void label_schedule(uint32_t wk[64], const struct ht_label *l) {
	uint8_t block[64] = {0};
	uint32_t w[64];
	memcpy(block, l->info, l->len);
	block[l->len] = 0x80;
	ht_put_be16(block + 62, (uint16_t)((64 + l->len) * 8));
	for (int t = 0; t < 16; t++)
		w[t] = ht_be32(block + 4 * t);
	for (int t = 16; t < 64; t++) {
		uint32_t a = w[t - 15], b = w[t - 2];
		w[t] = w[t - 16] + (ror(a, 7) ^ ror(a, 18) ^ a >> 3) //
		       + w[t - 7] + (ror(b, 17) ^ ror(b, 19) ^ b >> 10);
	}
	for (int t = 0; t < 64; t++)
		wk[t] = w[t] + ht_sha256_k[t];
}

void ht_sha_label_schedules(struct ht_initial_salt *s) {
	for (int i = 0; i < 2; i++)
		label_schedule(s->side_wk[i], &ht_label_side[i]);
	for (int i = 0; i < HT_NUM_LABELS; i++)
		label_schedule(s->label_wk[i], &ht_label_packet[s->labels][i]);
}

#if defined(__x86_64__)

#include <cpuid.h>

static uint32_t xcr0(void) {
	uint32_t lo, hi;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return lo;
}

// Intel SDM volume 2A, CPUID leaves 1 and 7. Not __builtin_cpu_supports: gcc 12 and clang 14 do not
// know the names of all of these.
bool ht_cpu_has(unsigned all) {
	uint32_t a, b, c, d, b7 = 0, c7 = 0;
	if (__get_cpuid(1, &a, &b, &c, &d) == 0)
		return false;
	if (__get_cpuid_count(7, 0, &a, &b7, &c7, &d) == 0)
		b7 = c7 = 0;
	bool sse41 = (c & bit_SSE4_1) != 0 && (c & bit_SSSE3) != 0;
	bool avx2 = (c & bit_OSXSAVE) != 0 && (c & bit_AVX) != 0 && (b7 & bit_AVX2) != 0
		    && (xcr0() & 6) == 6; // SSE and AVX state are kept
	unsigned has = 0;
	if (sse41 && (b7 & bit_SHA) != 0)
		has |= HT_CPU_SHA;
	if (sse41 && (c & bit_AES) != 0 && (c & bit_PCLMUL) != 0)
		has |= HT_CPU_AES;
	if (avx2 && (c7 & bit_VAES) != 0 && (c7 & bit_VPCLMULQDQ) != 0)
		has |= HT_CPU_VAES;
	return (has & all) == all;
}

#else

const struct ht_aes_ops *ht_aes_cpu(bool wide) {
	(void)wide;
	return NULL;
}

#if !defined(HT_SHA_ARM)
const struct ht_sha_ops *ht_sha_cpu(void) {
	return NULL;
}
#endif

#endif
