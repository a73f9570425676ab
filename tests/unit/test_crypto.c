// SPDX-License-Identifier: BSD-3-Clause
// Every back end against published vectors, and every kernel against libcrypto.

#include "crypto.h"
#include "t.h"

#include <openssl/evp.h>

#define MAX_LEN 2000

// All choices there are; those this CPU cannot run fall back and are tested all the same.
static const unsigned kernels[] = {
	0,
	HT_KERNEL_SHA,
	HT_KERNEL_AES,
	HT_KERNEL_SHA | HT_KERNEL_AES,
	HT_KERNEL_SHA | HT_KERNEL_VAES,
};

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint8_t rnd(void) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint8_t)(seed >> 32);
}

static void fill(uint8_t *p, size_t n) {
	for (size_t i = 0; i < n; i++)
		p[i] = rnd();
}

static void expect_hex(const uint8_t *got, const char *hex) {
	uint8_t want[64];
	size_t n = t_unhex(want, sizeof(want), hex);
	assert_memory_equal(got, want, n);
}

static void published_digests(void **state) {
	(void)state;
	static const struct {
		const char *in, *md5, *sha1, *sha256;
	} cases[] = {
		// RFC 1321 A.5, RFC 3174 7.3, FIPS 180-4
		{"", "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
		 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "900150983cd24fb0d6963f7d28e17f72",
		 "a9993e364706816aba3e25717850c26c9cd0d89d",
		 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "8215ef0796a20bcaaae116d3876c664a", "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	for (size_t k = 0; k < HT_ARRAY_LEN(kernels); k++) {
		struct ht_crypto *c = ht_crypto_new_kernel(kernels[k]);
		assert_non_null(c);
		for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
			uint8_t out[32];
			struct ht_span in = HT_SPAN(cases[i].in, strlen(cases[i].in));
			ht_md5(c, out, in);
			expect_hex(out, cases[i].md5);
			ht_sha1(c, out, in);
			expect_hex(out, cases[i].sha1);
			ht_sha256(c, out, in);
			expect_hex(out, cases[i].sha256);
		}
		ht_crypto_free(c);
	}
}

static void digests_of_every_length(void **state) {
	(void)state;
	uint8_t in[MAX_LEN];
	fill(in, sizeof(in));
	for (size_t k = 0; k < HT_ARRAY_LEN(kernels); k++) {
		struct ht_crypto *c = ht_crypto_new_kernel(kernels[k]);
		assert_non_null(c);
		for (size_t n = 0; n <= MAX_LEN; n++) {
			uint8_t *cut = t_dup(in, n), got[32], want[32];
			assert_int_equal(EVP_Digest(cut, n, want, NULL, EVP_md5(), NULL), 1);
			ht_md5(c, got, HT_SPAN(cut, n));
			assert_memory_equal(got, want, 16);
			assert_int_equal(EVP_Digest(cut, n, want, NULL, EVP_sha1(), NULL), 1);
			ht_sha1(c, got, HT_SPAN(cut, n));
			assert_memory_equal(got, want, 20);
			assert_int_equal(EVP_Digest(cut, n, want, NULL, EVP_sha256(), NULL), 1);
			ht_sha256(c, got, HT_SPAN(cut, n));
			assert_memory_equal(got, want, 32);
			free(cut);
		}
		ht_crypto_free(c);
	}
}

static void md5_in_pieces(void **state) {
	(void)state;
	uint8_t in[200], want[16], got[16];
	fill(in, sizeof(in));
	struct ht_crypto *c = ht_crypto_new();
	assert_non_null(c);
	ht_md5(c, want, HT_SPAN(in, sizeof(in)));
	for (size_t n = 0; n <= sizeof(in); n++) {
		struct ht_md5 begun, m;
		uint8_t *cut = t_dup(in, n);
		ht_md5_begin(&begun);
		ht_md5_blocks(&begun, HT_SPAN(cut, n));
		assert_int_equal(begun.done, n / 64 * 64);
		for (unsigned turn = 0; turn < 2;
		     turn++) { // what was begun is good for more than one
			m = begun;
			ht_md5_end(&m, got, HT_SPAN(in, sizeof(in)));
			assert_memory_equal(got, want, 16);
		}
		free(cut);
	}
	ht_crypto_free(c);
}

static const uint8_t salt_v1[20]
	= "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad"
	  "\xcc\xbb\x7f\x0a";
static const uint8_t salt_v2[20]
	= "\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb"
	  "\xf9\xbd\x2e\xd9";

// RFC 9001 A.1 and RFC 9369 A.1: all from the client's connection id 8394c8f03e515708.
static void published_initial_keys(void **state) {
	(void)state;
	static const struct {
		const uint8_t *salt;
		enum ht_initial_labels labels;
		enum ht_initial_side side;
		const char *key, *iv, *hp;
	} cases[] = {
		{salt_v1, HT_LABELS_QUIC, HT_INITIAL_CLIENT, "1f369613dd76d5467730efcbe3b1a22d",
		 "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2"},
		{salt_v1, HT_LABELS_QUIC, HT_INITIAL_SERVER, "cf3a5331653c364c88f0f379b6067e37",
		 "0ac1493ca1905853b0bba03e", "c206b8d9b9f0f37644430b490eeaa314"},
		{salt_v2, HT_LABELS_QUICV2, HT_INITIAL_CLIENT, "8b1a0bc121284290a29e0971b5cd045d",
		 "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9"},
		{salt_v2, HT_LABELS_QUICV2, HT_INITIAL_SERVER, "82db637861d55e1d011f19ea71d5d2a7",
		 "dd13c276499c0249d3310652", "edf6d05c83121201b436e16877593c3a"},
	};
	for (size_t k = 0; k < HT_ARRAY_LEN(kernels); k++) {
		struct ht_crypto *c = ht_crypto_new_kernel(kernels[k]);
		assert_non_null(c);
		for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
			struct ht_initial_salt *s
				= ht_initial_salt_new(c, cases[i].salt, cases[i].labels);
			struct ht_initial_keys keys;
			assert_non_null(s);
			ht_initial_derive(
				c, &keys, s, cases[i].side,
				HT_SPAN_STR("\x83\x94\xc8\xf0\x3e\x51\x57\x08")
			);
			expect_hex(keys.key, cases[i].key);
			expect_hex(keys.iv, cases[i].iv);
			expect_hex(keys.hp, cases[i].hp);
			ht_initial_salt_free(s);
		}
		ht_crypto_free(c);
	}
}

static void initial_keys_of_every_id_length(void **state) {
	(void)state;
	struct ht_crypto *oracle = ht_crypto_new_portable();
	assert_non_null(oracle);
	for (size_t k = 1; k < HT_ARRAY_LEN(kernels); k++) {
		struct ht_crypto *c = ht_crypto_new_kernel(kernels[k]);
		assert_non_null(c);
		for (unsigned round = 0; round < 20; round++) {
			uint8_t salt[20], id[20];
			fill(salt, sizeof(salt));
			fill(id, sizeof(id));
			enum ht_initial_labels labels
				= round % 2 == 0 ? HT_LABELS_QUIC : HT_LABELS_QUICV2;
			struct ht_initial_salt *a = ht_initial_salt_new(c, salt, labels);
			struct ht_initial_salt *b = ht_initial_salt_new(oracle, salt, labels);
			assert_true(a != NULL && b != NULL);
			for (size_t n = 0; n <= sizeof(id); n++)
				for (int side = 0; side < 2; side++) {
					uint8_t *cut = t_dup(id, n);
					struct ht_initial_keys got, want;
					enum ht_initial_side d = (enum ht_initial_side)side;
					ht_initial_derive(c, &got, a, d, HT_SPAN(cut, n));
					ht_initial_derive(oracle, &want, b, d, HT_SPAN(cut, n));
					assert_memory_equal(&got, &want, sizeof(got));
					free(cut);
				}
			ht_initial_salt_free(a);
			ht_initial_salt_free(b);
		}
		ht_crypto_free(c);
	}
	ht_crypto_free(oracle);
}

static void header_protection(void **state) {
	(void)state;
	uint8_t hp[16], sample[16], mask[16], want[16];
	struct ht_crypto *oracle = ht_crypto_new_portable();
	assert_non_null(oracle);
	for (size_t k = 0; k < HT_ARRAY_LEN(kernels); k++) {
		struct ht_crypto *c = ht_crypto_new_kernel(kernels[k]);
		assert_non_null(c);
		// RFC 9001 A.2
		t_unhex(hp, sizeof(hp), "9f50449e04a0e810283a1e9933adedd2");
		t_unhex(sample, sizeof(sample), "d1b1c98dd7689fb8ec11d242b123dc9b");
		ht_hp_mask(c, mask, hp, sample);
		expect_hex(mask, "437b9aec36");
		for (int i = 0; i < 200; i++) {
			fill(hp, sizeof(hp));
			fill(sample, sizeof(sample));
			ht_hp_mask(c, mask, hp, sample);
			ht_hp_mask(oracle, want, hp, sample);
			assert_memory_equal(mask, want, 16);
		}
		ht_crypto_free(c);
	}
	ht_crypto_free(oracle);
}

// seal is AES-128-GCM forward, by libcrypto: text.len + 16 bytes to out.
static void
seal(uint8_t *out, const uint8_t *key, const uint8_t *nonce, struct ht_span aad, struct ht_span text
) {
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	int n;
	assert_non_null(x);
	assert_int_equal(EVP_EncryptInit_ex(x, EVP_aes_128_gcm(), NULL, key, nonce), 1);
	if (aad.len > 0)
		assert_int_equal(EVP_EncryptUpdate(x, NULL, &n, aad.p, (int)aad.len), 1);
	if (text.len > 0)
		assert_int_equal(EVP_EncryptUpdate(x, out, &n, text.p, (int)text.len), 1);
	assert_int_equal(EVP_EncryptFinal_ex(x, out + text.len, &n), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, 16, out + text.len), 1);
	EVP_CIPHER_CTX_free(x);
}

// check_open opens one message of `len` bytes and `aad_len` bytes of AAD, then refuses it with each
// of its parts forged in one bit.
static void check_open(struct ht_crypto *c, size_t len, size_t aad_len) {
	uint8_t key[16], nonce[12];
	fill(key, sizeof(key));
	fill(nonce, sizeof(nonce));
	// Blocks of the exact size, so that a kernel that reads or writes a byte too far is found.
	uint8_t *text = malloc(len > 0 ? len : 1);
	uint8_t *aad = malloc(aad_len > 0 ? aad_len : 1);
	uint8_t *sealed = malloc(len + 16);
	uint8_t *out = malloc(len > 0 ? len : 1);
	assert_true(text != NULL && aad != NULL && sealed != NULL && out != NULL);
	fill(text, len);
	fill(aad, aad_len);
	seal(sealed, key, nonce, HT_SPAN(aad, aad_len), HT_SPAN(text, len));
	struct ht_span a = HT_SPAN(aad, aad_len), s = HT_SPAN(sealed, len + 16);
	memset(out, 0xee, len > 0 ? len : 1);
	assert_true(ht_gcm_open(c, out, key, nonce, a, s));
	assert_memory_equal(out, text, len);

	unsigned bit = rnd();
	sealed[len + bit % 16] ^= (uint8_t)(1u << (bit >> 4 & 7));
	assert_false(ht_gcm_open(c, out, key, nonce, a, s));
	sealed[len + bit % 16] ^= (uint8_t)(1u << (bit >> 4 & 7));
	if (len > 0) {
		size_t at = (bit * 7919u) % len;
		sealed[at] ^= 0x10;
		assert_false(ht_gcm_open(c, out, key, nonce, a, s));
		sealed[at] ^= 0x10;
		sealed[len - 1] ^= 1;
		assert_false(ht_gcm_open(c, out, key, nonce, a, s));
		sealed[len - 1] ^= 1;
	}
	if (aad_len > 0) {
		aad[bit % aad_len] ^= 0x80;
		assert_false(ht_gcm_open(c, out, key, nonce, a, s));
		aad[bit % aad_len] ^= 0x80;
	}
	nonce[bit % 12] ^= 4;
	assert_false(ht_gcm_open(c, out, key, nonce, a, s));
	free(text);
	free(aad);
	free(sealed);
	free(out);
}

static void gcm_of_every_length(void **state) {
	(void)state;
	for (size_t k = 0; k < HT_ARRAY_LEN(kernels); k++) {
		struct ht_crypto *c = ht_crypto_new_kernel(kernels[k]);
		assert_non_null(c);
		for (size_t n = 0; n <= MAX_LEN; n++)
			check_open(c, n, n % 60);
		for (size_t n = 0; n <= 600; n++) // a Retry is nothing but AAD
			check_open(c, 0, n);
		check_open(c, 65000, 30);
		check_open(c, 0, 65000);
		ht_crypto_free(c);
	}
}

// check_initial seals a packet of `len` bytes whose packet number begins at pn_offset, and opens
// it.
static void
check_initial(struct ht_crypto *c, struct ht_crypto *oracle, size_t pn_offset, size_t len) {
	struct ht_initial_keys k;
	struct ht_initial_opened o;
	uint8_t nonce[12], mask[16];
	fill((uint8_t *)&k, sizeof(k));
	uint8_t *clear = malloc(len), *packet = malloc(len), *out = malloc(len);
	assert_true(clear != NULL && packet != NULL && out != NULL);
	fill(clear, len);
	size_t pn_len = (clear[0] & 3u) + 1, header_len = pn_offset + pn_len;
	if (header_len + 16 > len || pn_offset + 20 > len) {
		// Too short for a sample (RFC 9001 5.4.2).
		assert_false(ht_initial_open(c, out, &o, &k, HT_SPAN(clear, len), pn_offset));
		free(clear);
		free(packet);
		free(out);
		return;
	}
	uint32_t pn = 0;
	memcpy(nonce, k.iv, 12);
	for (size_t i = 0; i < pn_len; i++) {
		pn = pn << 8 | clear[pn_offset + i];
		nonce[12 - pn_len + i] ^= clear[pn_offset + i];
	}
	memcpy(packet, clear, header_len);
	size_t text_len = len - header_len - 16;
	seal(packet + header_len, k.key, nonce, HT_SPAN(clear, header_len),
	     HT_SPAN(clear + header_len, text_len));
	ht_hp_mask(oracle, mask, k.hp, packet + pn_offset + 4);
	packet[0] ^= mask[0] & 0x0f;
	for (size_t i = 0; i < pn_len; i++)
		packet[pn_offset + i] ^= mask[1 + i];

	struct ht_span p = HT_SPAN(packet, len);
	assert_true(ht_initial_open(c, out, &o, &k, p, pn_offset));
	assert_int_equal(o.pn, pn);
	assert_int_equal(o.header_len, header_len);
	assert_int_equal(o.payload_len, text_len);
	assert_memory_equal(out, clear, header_len + text_len);
	size_t at = (rnd() * 257u + rnd()) % len;
	packet[at] ^= 0x20;
	assert_false(ht_initial_open(c, out, &o, &k, p, pn_offset));
	free(clear);
	free(packet);
	free(out);
}

static void initials_of_every_length(void **state) {
	(void)state;
	struct ht_crypto *oracle = ht_crypto_new_portable();
	assert_non_null(oracle);
	for (size_t k = 0; k < HT_ARRAY_LEN(kernels); k++) {
		struct ht_crypto *c = ht_crypto_new_kernel(kernels[k]);
		assert_non_null(c);
		for (size_t len = 1; len <= MAX_LEN; len++)
			check_initial(c, oracle, 1 + len % 70, len);
		for (size_t offset = 1; offset < 300; offset++) // a long token
			for (size_t more = 19; more < 28; more++)
				check_initial(c, oracle, offset, offset + more);
		check_initial(c, oracle, 30000, 65535);
		ht_crypto_free(c);
	}
	ht_crypto_free(oracle);
}

static void shorter_than_a_tag(void **state) {
	(void)state;
	static const uint8_t zero[32];
	for (size_t k = 0; k < HT_ARRAY_LEN(kernels); k++) {
		struct ht_crypto *c = ht_crypto_new_kernel(kernels[k]);
		assert_non_null(c);
		for (size_t n = 0; n < 16; n++) {
			uint8_t *cut = t_dup(zero, n), out[1];
			assert_false(
				ht_gcm_open(c, out, zero, zero, HT_SPAN(zero, 0), HT_SPAN(cut, n))
			);
			free(cut);
		}
		ht_crypto_free(c);
	}
}

static void names(void **state) {
	(void)state;
	struct ht_crypto *c = ht_crypto_new_portable();
	assert_non_null(c);
	assert_string_equal(ht_crypto_name(c), "libcrypto");
	ht_crypto_free(c);
	c = ht_crypto_new();
	assert_non_null(c);
	print_message("# this CPU: %s\n", ht_crypto_name(c));
	ht_crypto_free(c);
	ht_crypto_free(NULL);
	ht_initial_salt_free(NULL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_digests),
		cmocka_unit_test(digests_of_every_length),
		cmocka_unit_test(md5_in_pieces),
		cmocka_unit_test(published_initial_keys),
		cmocka_unit_test(initial_keys_of_every_id_length),
		cmocka_unit_test(header_protection),
		cmocka_unit_test(gcm_of_every_length),
		cmocka_unit_test(initials_of_every_length),
		cmocka_unit_test(shorter_than_a_tag),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
