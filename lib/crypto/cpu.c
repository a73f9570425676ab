// SPDX-License-Identifier: BSD-3-Clause
// Which kernels this CPU can run, and what all of them share.

#include "crypto_int.h"

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
static void label_schedule(uint32_t wk[64], const struct ht_label *l, const uint32_t k[64]) {
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
		wk[t] = w[t] + k[t];
}

void ht_sha_label_schedules(struct ht_initial_salt *s, const uint32_t k[64]) {
	for (int i = 0; i < 2; i++)
		label_schedule(s->side_wk[i], &ht_label_side[i], k);
	for (int i = 0; i < HT_NUM_LABELS; i++)
		label_schedule(s->label_wk[i], &ht_label_packet[s->labels][i], k);
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

#if !defined(__aarch64__)
const struct ht_sha_ops *ht_sha_cpu(void) {
	return NULL;
}
#endif

#endif
