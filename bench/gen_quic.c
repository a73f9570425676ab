// SPDX-License-Identifier: BSD-3-Clause
// Sealing is done by libcrypto alone, so that nothing of the sensor opens what the sensor made.

#include "gen.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#define TAG 16
#define PN_LEN 1
#define MAX_PIECES 16

struct gen_quic {
	EVP_CIPHER_CTX *gcm, *ecb;
};

struct gen_quic *gen_quic_new(void) {
	struct gen_quic *q = calloc(1, sizeof(*q));
	if (q == NULL)
		return NULL;
	q->gcm = EVP_CIPHER_CTX_new();
	q->ecb = EVP_CIPHER_CTX_new();
	if (q->gcm == NULL || q->ecb == NULL
	    || EVP_EncryptInit_ex2(q->gcm, EVP_aes_128_gcm(), NULL, NULL, NULL) != 1
	    || EVP_EncryptInit_ex2(q->ecb, EVP_aes_128_ecb(), NULL, NULL, NULL) != 1) {
		gen_quic_free(q);
		return NULL;
	}
	return q;
}

void gen_quic_free(struct gen_quic *q) {
	if (q == NULL)
		return;
	EVP_CIPHER_CTX_free(q->gcm);
	EVP_CIPHER_CTX_free(q->ecb);
	free(q);
}

// --- keys ---------------------------------------------------------------------------------------

struct keys {
	uint8_t key[32], iv[32], hp[32]; // the first 16, 12, 16 bytes
};

static void
mac(uint8_t out[32], const uint8_t *key, int key_len, const uint8_t *data, size_t data_len) {
	unsigned len = 32;
	if (HMAC(EVP_sha256(), key, key_len, data, data_len, out, &len) == NULL)
		abort();
}

// HKDF-Expand-Label with an empty context, one block (RFC 8446 7.1, RFC 5869 2.3).
static void expand(uint8_t out[32], const uint8_t secret[32], const char *label, uint8_t len) {
	uint8_t info[64] = {0, len};
	info[2] = (uint8_t)(6 + strlen(label));
	int n = snprintf((char *)info + 3, sizeof(info) - 5, "tls13 %s", label);
	info[4 + n] = 1; // behind the empty context: block number 1
	mac(out, secret, 32, info, (size_t)n + 5);
}

// RFC 9001 5.2.
static void initial_keys(struct keys *k, const struct gen_cid *odcid, const char *side) {
	static const uint8_t salt[20]
		= {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
		   0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
	uint8_t initial[32], secret[32];
	mac(initial, salt, sizeof(salt), odcid->id, odcid->len);
	expand(secret, initial, side, 32);
	expand(k->key, secret, "quic key", 16);
	expand(k->iv, secret, "quic iv", 12);
	expand(k->hp, secret, "quic hp", 16);
}

// --- packets ------------------------------------------------------------------------------------

// A long header with a length field of two bytes that covers `len` bytes behind it (RFC 9000 17.2).
static size_t put_long(
	uint8_t *out,
	uint8_t first,
	const struct gen_cid *to,
	const struct gen_cid *from,
	bool token,
	size_t len
) {
	size_t n = 0;
	out[n++] = first;
	ht_put_be32(out + n, 1);
	n += 4;
	out[n++] = to->len;
	memcpy(out + n, to->id, to->len);
	n += to->len;
	out[n++] = from->len;
	memcpy(out + n, from->id, from->len);
	n += from->len;
	if (token)
		out[n++] = 0;
	ht_put_be16(out + n, (uint16_t)(0x4000 | len));
	return n + 2;
}

// What is in front of the packet number of an Initial.
static size_t head_len(const struct gen_cid *to, const struct gen_cid *from) {
	return 1 + 4 + 1 + to->len + 1 + from->len + 1 + 2;
}

// Seals `plain` as an Initial into `out` (RFC 9001 5.3, 5.4) and returns its length.
static size_t
seal(struct gen_quic *q,
     uint8_t *out,
     const struct keys *k,
     const struct gen_cid *to,
     const struct gen_cid *from,
     uint8_t pn,
     struct ht_span plain) {
	size_t head = put_long(out, 0xc0 | (PN_LEN - 1), to, from, true, PN_LEN + plain.len + TAG);
	out[head] = pn;
	head += PN_LEN;
	uint8_t nonce[12], mask[16];
	memcpy(nonce, k->iv, 12);
	nonce[11] ^= pn;
	int n;
	if (EVP_EncryptInit_ex2(q->gcm, NULL, k->key, nonce, NULL) != 1
	    || EVP_EncryptUpdate(q->gcm, NULL, &n, out, (int)head) != 1
	    || EVP_EncryptUpdate(q->gcm, out + head, &n, plain.p, (int)plain.len) != 1
	    || EVP_EncryptFinal_ex(q->gcm, out + head + n, &n) != 1
	    || EVP_CIPHER_CTX_ctrl(q->gcm, EVP_CTRL_AEAD_GET_TAG, TAG, out + head + plain.len) != 1
	    || EVP_EncryptInit_ex2(q->ecb, NULL, k->hp, NULL, NULL) != 1
	    || EVP_EncryptUpdate(q->ecb, mask, &n, out + head - PN_LEN + 4, 16) != 1)
		abort();
	out[0] ^= mask[0] & 0x0f;
	out[head - PN_LEN] ^= mask[1];
	return head + plain.len + TAG;
}

static size_t put_varint(uint8_t *out, uint32_t v) {
	if (v < 64) {
		out[0] = (uint8_t)v;
		return 1;
	}
	ht_put_be16(out, (uint16_t)(0x4000 | v)); // what is written here is below 2^14
	return 2;
}

// --- the client's Initials ----------------------------------------------------------------------

struct piece {
	size_t from, len;
};

// Cuts the hello where no two clients do, and shuffles: RFC 9000 19.6 allows any order.
static unsigned cut(struct piece p[MAX_PIECES], size_t len, unsigned num, struct gen_rng *r) {
	size_t at = 0;
	for (unsigned i = 0; i < num; i++) {
		size_t left = len - at, share = left / (num - i);
		size_t n = i + 1 == num ? left : share / 2 + gen_below(r, (uint32_t)share + 1);
		p[i] = (struct piece){at, n};
		at += n;
	}
	for (unsigned i = num; i > 1; i--) {
		unsigned k = gen_below(r, i);
		struct piece t = p[k];
		p[k] = p[i - 1];
		p[i - 1] = t;
	}
	return num;
}

// One Initial's frames: its pieces with PING and PADDING between them, filled up to `room`.
static void put_frames(
	uint8_t *plain,
	size_t room,
	struct ht_span hello,
	const struct piece *p,
	unsigned num,
	struct gen_rng *r
) {
	size_t used = 0, n = 0;
	for (unsigned i = 0; i < num; i++)
		used += 1 + 2 + 2 + p[i].len;
	memset(plain, 0, room);
	for (unsigned i = 0; i < num; i++) {
		size_t spare = room - used;
		if (spare > 2 && gen_chance(r, 60)) {
			size_t gap = gen_below(r, (uint32_t)spare / 2);
			if (gap > 0 && gen_chance(r, 50))
				plain[n] = 1; // PING
			n += gap;
			used += gap;
		}
		plain[n++] = 6;
		size_t v = put_varint(plain + n, (uint32_t)p[i].from);
		v += put_varint(plain + n + v, (uint32_t)p[i].len);
		used -= 4 - v;
		n += v;
		memcpy(plain + n, hello.p + p[i].from, p[i].len);
		n += p[i].len;
	}
}

void gen_initials(
	struct gen_quic *q,
	struct gen_datagrams *out,
	struct ht_span hello,
	const struct gen_cid *dcid,
	const struct gen_cid *scid,
	struct gen_rng *r
) {
	struct keys k;
	initial_keys(&k, dcid, "client in");
	const size_t room = GEN_DATAGRAM - head_len(dcid, scid) - PN_LEN - TAG;
	struct piece p[MAX_PIECES];
	// Pieces small enough for the second packet to hold whatever the first one does not.
	unsigned num = cut(p, hello.len, 10 + gen_below(r, MAX_PIECES - 10 + 1), r), i = 0;
	const size_t all = hello.len + 5 * num, enough = all > room ? all / 2 : room;
	out->num = 0;
	while (i < num) {
		unsigned first = i;
		size_t used = 0;
		while (i < num && used + 5 + p[i].len <= room && (out->num > 0 || used < enough))
			used += 5 + p[i++].len;
		if (i == first || out->num == GEN_MAX_INITIALS)
			abort(); // a template longer than was thought of
		uint8_t plain[GEN_DATAGRAM];
		put_frames(plain, room, hello, p + first, i - first, r);
		seal(q, out->bytes[out->num], &k, dcid, scid, (uint8_t)(out->num + 1),
		     HT_SPAN(plain, room));
		out->num++;
	}
}

// --- behind the first flight --------------------------------------------------------------------

size_t gen_handshake(
	uint8_t *out,
	size_t len,
	const struct gen_cid *to,
	const struct gen_cid *from,
	struct gen_rng *r
) {
	size_t head = head_len(to, from) - 1; // no token
	put_long(out, (uint8_t)(0xe0 | gen_below(r, 16)), to, from, false, len - head);
	gen_bytes(r, out + head, len - head);
	return len;
}

size_t gen_short(uint8_t *out, size_t len, const struct gen_cid *to, struct gen_rng *r) {
	out[0] = (uint8_t)(0x40 | gen_below(r, 64));
	memcpy(out + 1, to->id, to->len);
	gen_bytes(r, out + 1 + to->len, len - 1 - to->len);
	return len;
}

size_t gen_server_initial(
	struct gen_quic *q,
	uint8_t out[GEN_DATAGRAM],
	const struct gen_cid *odcid,
	const struct gen_cid *to,
	const struct gen_cid *from,
	struct gen_rng *r
) {
	struct keys k;
	initial_keys(&k, odcid, "server in");
	// RFC 9000 19.3, 19.6: ACK of packet 1, then CRYPTO at offset 0.
	uint8_t plain[9 + GEN_SERVER_HELLO] = {2, 1, 0, 0, 0, 6, 0, 0x40, GEN_SERVER_HELLO};
	gen_server_hello(plain + 9, r);
	size_t n = seal(q, out, &k, to, from, 0, HT_SPAN(plain, sizeof(plain)));
	return n + gen_handshake(out + n, GEN_DATAGRAM - n, to, from, r);
}
