// SPDX-License-Identifier: BSD-3-Clause
// SHA-256 and the derivation of Initial keys by the SHA-2 instructions of ARMv8 (FEAT_SHA256). AES
// and SHA-1 stay with libcrypto, which has them in assembly. Not measured on such a CPU;
// checked with qemu-user against the RFCs' keys and digests of all lengths up to 2000.

#include "crypto_int.h"

#if defined(HT_SHA_ARM)

#include <arm_neon.h>
#include <sys/auxv.h>

#ifdef __clang__
#define TARGET
#else
#define TARGET __attribute__((target("+crypto")))
#endif
#define INLINE TARGET static inline __attribute__((always_inline))

typedef uint32x4_t vec;

struct state {
	vec abcd, efgh;
};

INLINE vec vload(const uint32_t *p) {
	return vld1q_u32(p);
}

INLINE void vstore(uint32_t *p, vec v) {
	vst1q_u32(p, v);
}

INLINE vec vload_be(const uint8_t *p) {
	return vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(p)));
}

INLINE void vstore_be(uint8_t *p, vec v) {
	vst1q_u8(p, vrev32q_u8(vreinterpretq_u8_u32(v)));
}

INLINE vec vset(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
	return (vec){a, b, c, d};
}

INLINE vec vadd(vec a, vec b) {
	return vaddq_u32(a, b);
}

INLINE vec vxor(vec a, vec b) {
	return veorq_u32(a, b);
}

INLINE void to_words(vec w[2], struct state s) {
	w[0] = s.abcd;
	w[1] = s.efgh;
}

INLINE struct state from_words(vec abcd, vec efgh) {
	return (struct state){abcd, efgh};
}

INLINE struct state state_add(struct state a, struct state b) {
	return (struct state){vadd(a.abcd, b.abcd), vadd(a.efgh, b.efgh)};
}

INLINE void four_rounds(struct state *s, vec wk) {
	vec abcd = s->abcd;
	s->abcd = vsha256hq_u32(abcd, s->efgh, wk);
	s->efgh = vsha256h2q_u32(s->efgh, abcd, wk);
}

INLINE void schedule(vec m[4], int g) {
	vec t = vsha256su0q_u32(m[g & 3], m[(g + 1) & 3]);
	m[g & 3] = vsha256su1q_u32(t, m[(g + 2) & 3], m[(g + 3) & 3]);
}

#include "sha_kernel.h"

static const struct ht_sha_ops ops = {
	.name = "armv8 sha2",
	.sha256 = sha256,
	.sha1 = ht_sha1_libcrypto,
	.salt = salt,
	.derive = derive,
};

#ifndef HWCAP_SHA2
#define HWCAP_SHA2 (1 << 6) // Linux, Documentation/arch/arm64/elf_hwcaps.rst
#endif

const struct ht_sha_ops *ht_sha_cpu(void) {
	return (getauxval(AT_HWCAP) & HWCAP_SHA2) != 0 ? &ops : NULL;
}

#endif
