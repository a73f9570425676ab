// SPDX-License-Identifier: BSD-3-Clause
// sha_kernel: SHA-256 and the derivation of Initial keys over a CPU's four rounds. Whoever includes
// it defines TARGET, INLINE, the type `vec` (four words, the first one lowest), `struct state` and
//   vload, vstore       16 bytes as they are          vload_be, vstore_be   four big-endian words
//   vset, vadd, vxor    of words
//   from_words          a state from two vectors of words, A B C D and E F G H
//   to_words            and back
//   state_add           word by word
//   four_rounds         rounds 4g .. 4g+3 with W + K given
//   schedule            W[t .. t+3] of the 16 words before, in a ring of four vectors
//
// One compression is a chain of 32 steps that mostly waits for itself. Where the key schedule has
// independent ones (the two pads of an HMAC key; key, iv and hp) they run side by side.

#pragma once

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 64")
#endif

INLINE struct state load_state(const uint32_t w[8]) {
	return from_words(vload(w), vload(w + 4));
}

// compress hashes one block into each of n <= 3 streams; n is a constant where it is inlined.
INLINE void compress(struct state *s, vec m[][4], int n) {
	struct state before[3];
	const uint32_t *constants = ht_sha256_k;
	// Hides where it points, or clang keeps all sixteen vectors over a loop of blocks and the
	// state, for which no register is left, goes through memory in every round.
	__asm__ volatile("" : "+r"(constants));
	UNROLL
	for (int i = 0; i < n; i++)
		before[i] = s[i];
	UNROLL
	for (int g = 0; g < 16; g++) {
		vec k = vload(&constants[4 * g]);
		UNROLL
		for (int i = 0; i < n; i++) {
			four_rounds(&s[i], vadd(m[i][g & 3], k));
			if (g < 12)
				schedule(m[i], g);
		}
	}
	UNROLL
	for (int i = 0; i < n; i++)
		s[i] = state_add(s[i], before[i]);
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
			four_rounds(&s[i], vload(&wk[i][4 * g]));
	}
	UNROLL
	for (int i = 0; i < n; i++)
		s[i] = state_add(s[i], before[i]);
}

INLINE void hash_block(struct state *s, const uint8_t *p) {
	vec m[1][4];
	UNROLL
	for (int i = 0; i < 4; i++)
		m[0][i] = vload_be(p + 16 * i);
	compress(s, m, 1);
}

TARGET static void sha256(struct ht_crypto *c, uint8_t out[32], struct ht_span in) {
	(void)c;
	struct state s = load_state(ht_sha256_iv);
	size_t whole = in.len & ~(size_t)63;
	for (size_t i = 0; i < whole; i += 64)
		hash_block(&s, in.p + i);
	uint8_t last[128];
	size_t n = ht_sha_last(last, in, whole);
	for (size_t i = 0; i < n; i += 64)
		hash_block(&s, last + i);
	vec w[2];
	to_words(w, s);
	vstore_be(out, w[0]);
	vstore_be(out + 16, w[1]);
}

// hash_digest hashes the 32 bytes of each digest in `s` behind the 64 that `outer` has hashed.
INLINE void hash_digest(struct state *s, struct state outer, int n) {
	vec m[3][4];
	UNROLL
	for (int i = 0; i < n; i++) {
		to_words(m[i], s[i]);
		m[i][2] = vset(0x80000000, 0, 0, 0);
		m[i][3] = vset(0, 0, 0, (64 + 32) * 8);
		s[i] = outer;
	}
	compress(s, m, n);
}

// pads makes the two HMAC states of a key of 32 bytes, given as a digest (RFC 2104 2).
INLINE void pads(struct state pad[2], struct state key) {
	const vec x[2] = {
		vset(0x36363636, 0x36363636, 0x36363636, 0x36363636),
		vset(0x5c5c5c5c, 0x5c5c5c5c, 0x5c5c5c5c, 0x5c5c5c5c),
	};
	vec w[2], m[2][4];
	to_words(w, key);
	UNROLL
	for (int i = 0; i < 2; i++) {
		pad[i] = load_state(ht_sha256_iv);
		m[i][0] = vxor(w[0], x[i]);
		m[i][1] = vxor(w[1], x[i]);
		m[i][2] = m[i][3] = x[i];
	}
	compress(pad, m, 2);
}

TARGET static bool salt(struct ht_crypto *c, struct ht_initial_salt *s, const uint8_t bytes[20]) {
	(void)c;
	for (int outer = 0; outer < 2; outer++) {
		uint8_t block[64];
		uint32_t *to = outer ? s->outer : s->inner;
		memset(block, outer ? 0x5c : 0x36, sizeof(block));
		for (int i = 0; i < 20; i++)
			block[i] ^= bytes[i];
		struct state st = load_state(ht_sha256_iv);
		hash_block(&st, block);
		vec w[2];
		to_words(w, st);
		vstore(to, w[0]);
		vstore(to + 4, w[1]);
	}
	ht_sha_label_schedules(s);
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
	vec m[1][4] = {{
		vload_be(id),
		vload_be(id + 16),
		vset(0, 0, 0, 0),
		vset(0, 0, 0, (uint32_t)(64 + dcid.len) * 8),
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

	vec w[2];
	uint8_t iv[16];
	to_words(w, three[HT_LABEL_KEY]);
	vstore_be(out->key, w[0]);
	to_words(w, three[HT_LABEL_HP]);
	vstore_be(out->hp, w[0]);
	to_words(w, three[HT_LABEL_IV]);
	vstore_be(iv, w[0]);
	memcpy(out->iv, iv, sizeof(out->iv));
}
