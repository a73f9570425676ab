// SPDX-License-Identifier: BSD-3-Clause
// bench_quic: nanoseconds for one client Initial of 1200 bytes, by each back end. No arguments; the
// smallest of many slices is printed, for 64 connections (in cache) and for 4096.

#include "bench.h"
#include "quic.h"

#include <openssl/evp.h>

#define DATAGRAM 1200
#define MAX_CONNS 4096
#define HELLO 517
#define SLICES 400
#define SLICE 64 // Initials a slice

struct bench {
	struct ht_crypto *crypto;
	struct ht_arena *arena;
	struct ht_quic *quic;
	struct ht_initial_salt *salt;
	uint8_t (*datagram)[DATAGRAM];
	struct ht_quic_conn *conn;
	size_t num;
};

static const uint8_t salt_v1[20]
	= "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad"
	  "\xcc\xbb\x7f\x0a";

// The layout of all of them: 18 bytes of header, a packet number of one byte, one CRYPTO frame,
// PADDING.
#define PN_AT 18
#define DCID_AT 6

static void make(struct bench *b, size_t n) {
	uint8_t *d = b->datagram[n], text[DATAGRAM - PN_AT - 1 - 16] = {0};
	uint64_t id = 0x9e3779b97f4a7c15u * (n + 1);
	size_t rest = DATAGRAM - PN_AT;
	memcpy(d, "\xc0\x00\x00\x00\x01\x08", DCID_AT);
	memcpy(d + DCID_AT, &id, 8);
	d[14] = 0; // no source connection id
	d[15] = 0; // no token
	ht_put_be16(d + 16, (uint16_t)(0x4000 | rest));
	d[PN_AT] = 0;
	memcpy(text, "\x06\x00\x42\x05\x01\x00\x02\x01", 8); // CRYPTO 0, 517: ClientHello of 513
	for (size_t i = 8; i < 4 + HELLO; i++)
		text[i] = (uint8_t)(i * 37 + n);

	struct ht_initial_keys k;
	ht_initial_derive(b->crypto, &k, b->salt, HT_INITIAL_CLIENT, HT_SPAN(d + DCID_AT, 8));
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	int len;
	need(x != NULL //
		     && EVP_EncryptInit_ex(x, EVP_aes_128_gcm(), NULL, k.key, k.iv) == 1 //
		     && EVP_EncryptUpdate(x, NULL, &len, d, PN_AT + 1) == 1 //
		     && EVP_EncryptUpdate(x, d + PN_AT + 1, &len, text, sizeof(text)) == 1 //
		     && EVP_EncryptFinal_ex(x, d + DATAGRAM - 16, &len) == 1 //
		     && EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, 16, d + DATAGRAM - 16) == 1,
	     "libcrypto refuses");
	EVP_CIPHER_CTX_free(x);
	uint8_t mask[16];
	ht_hp_mask(b->crypto, mask, k.hp, d + PN_AT + 4);
	d[0] ^= mask[0] & 0x0f;
	d[PN_AT] ^= mask[1];
}

// Each measures one Initial.
static void derive(struct bench *b, size_t n) {
	struct ht_initial_keys k;
	ht_initial_derive(
		b->crypto, &k, b->salt, HT_INITIAL_CLIENT, HT_SPAN(b->datagram[n] + DCID_AT, 8)
	);
	need(k.key[0] != 0 || k.key[1] != 0 || k.key[2] != 0 || k.key[3] != 0, "no keys");
}

static void open_bare(struct bench *b, size_t n, const struct ht_initial_keys *k) {
	uint8_t mask[16], header[PN_AT + 1], nonce[12], text[DATAGRAM];
	const uint8_t *d = b->datagram[n];
	ht_hp_mask(b->crypto, mask, k->hp, d + PN_AT + 4);
	memcpy(header, d, sizeof(header));
	header[0] ^= mask[0] & 0x0f;
	header[PN_AT] ^= mask[1];
	memcpy(nonce, k->iv, 12);
	nonce[11] ^= header[PN_AT];
	struct ht_span sealed = HT_SPAN(d + PN_AT + 1, DATAGRAM - PN_AT - 1);
	need(ht_gcm_open(b->crypto, text, k->key, nonce, HT_SPAN(header, sizeof(header)), sealed),
	     "wrong tag");
}

static void open_known(struct bench *b, size_t n) {
	open_bare(b, n, &b->conn[n].keys);
}

static void derive_and_open(struct bench *b, size_t n) {
	struct ht_initial_keys k;
	ht_initial_derive(
		b->crypto, &k, b->salt, HT_INITIAL_CLIENT, HT_SPAN(b->datagram[n] + DCID_AT, 8)
	);
	open_bare(b, n, &k);
}

static void full_new(struct bench *b, size_t n) {
	struct ht_quic_conn *c = &b->conn[n];
	ht_quic_drop(b->quic, c);
	need(ht_quic_client(b->quic, c, HT_SPAN(b->datagram[n], DATAGRAM)) == HT_QUIC_MORE
		     && ht_ranges_prefix(&c->crypto.have) == HELLO,
	     "not opened");
}

// The bytes are taken anew each time, so that only the keys are known.
static void full_cached(struct bench *b, size_t n) {
	struct ht_quic_conn *c = &b->conn[n];
	ht_assembly_drop(&c->crypto, b->arena);
	need(ht_quic_client(b->quic, c, HT_SPAN(b->datagram[n], DATAGRAM)) == HT_QUIC_MORE
		     && ht_ranges_prefix(&c->crypto.have) == HELLO,
	     "not opened");
}

static double measure(struct bench *b, void (*one)(struct bench *, size_t)) {
	double best = 1e18;
	size_t n = 0;
	for (int s = 0; s < SLICES; s++) {
		const double begun = now();
		for (int i = 0; i < SLICE; i++) {
			one(b, n);
			n = n + 1 < b->num ? n + 1 : 0;
		}
		const double took = (now() - begun) / SLICE;
		best = took < best ? took : best;
	}
	return best;
}

static void run(unsigned kernels, size_t num) {
	struct bench b = {.num = num};
	b.crypto = ht_crypto_new_kernel(kernels);
	need(b.crypto != NULL, "no crypto");
	b.arena = ht_arena_new((size_t)16 << 20);
	b.quic = ht_quic_new(&(struct ht_quic_params){b.crypto, b.arena, 16384});
	b.salt = ht_initial_salt_new(b.crypto, salt_v1, HT_LABELS_QUIC);
	b.datagram = calloc(num, DATAGRAM);
	b.conn = calloc(num, sizeof(*b.conn));
	need(b.arena != NULL && b.quic != NULL && b.salt != NULL && b.datagram != NULL
		     && b.conn != NULL,
	     "no memory");
	for (size_t i = 0; i < num; i++) {
		make(&b, i);
		need(ht_quic_client(b.quic, &b.conn[i], HT_SPAN(b.datagram[i], DATAGRAM))
			     == HT_QUIC_MORE,
		     "not opened");
	}
	double d = measure(&b, derive), o = measure(&b, open_known);
	double bare = measure(&b, derive_and_open);
	double fresh = measure(&b, full_new), cached = measure(&b, full_cached);
	printf("%-28s %5zu %8.0f %8.0f %8.0f %10.0f %10.0f\n", ht_crypto_name(b.crypto), num, d, o,
	       bare, fresh, cached);
	for (size_t i = 0; i < num; i++)
		ht_quic_drop(b.quic, &b.conn[i]);
	free(b.conn);
	free(b.datagram);
	ht_initial_salt_free(b.salt);
	ht_quic_free(b.quic);
	ht_arena_free(b.arena);
	ht_crypto_free(b.crypto);
}

static void digests(unsigned kernels) {
	struct ht_crypto *c = ht_crypto_new_kernel(kernels);
	need(c != NULL, "no crypto");
	static const size_t lens[] = {40, 64, 200, 400};
	uint8_t in[400] = {1}, out[32];
	printf("%-28s", ht_crypto_name(c));
	for (size_t l = 0; l < HT_ARRAY_LEN(lens); l++) {
		double best[3] = {1e9, 1e9, 1e9};
		for (int s = 0; s < SLICES; s++)
			for (int what = 0; what < 3; what++) {
				const double begun = now();
				for (int i = 0; i < SLICE; i++) {
					struct ht_span m = HT_SPAN(in, lens[l]);
					if (what == 0)
						ht_md5(c, out, m);
					else if (what == 1)
						ht_sha1(c, out, m);
					else
						ht_sha256(c, out, m);
					in[0] ^= out[0];
				}
				double ns = (now() - begun) / SLICE;
				if (ns < best[what])
					best[what] = ns;
			}
		printf("  %3zu: %4.0f %4.0f %4.0f", lens[l], best[0], best[1], best[2]);
	}
	printf("\n");
	ht_crypto_free(c);
}

int main(void) {
	static const unsigned kernels[] = {
		0,
		HT_KERNEL_SHA,
		HT_KERNEL_SHA | HT_KERNEL_AES,
		HT_KERNEL_SHA | HT_KERNEL_VAES,
	};
	static const size_t nums[] = {64, MAX_CONNS};
	printf("ns for a client Initial of %d bytes\n", DATAGRAM);
	printf("%-28s %5s %8s %8s %8s %10s %10s\n", "", "conns", "derive", "open", "both",
	       "full, new", "cached");
	for (size_t n = 0; n < HT_ARRAY_LEN(nums); n++)
		for (size_t k = 0; k < HT_ARRAY_LEN(kernels); k++)
			run(kernels[k], nums[n]);
	printf("ns for MD5, SHA-1, SHA-256 by message length\n");
	for (size_t k = 0; k < 2; k++)
		digests(kernels[k]);
	return 0;
}
