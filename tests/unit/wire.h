// SPDX-License-Identifier: BSD-3-Clause
// wire: frames and hellos for tests of the sensor, built in memory.

#pragma once

#include "crypto.h"
#include "frame.h"
#include "sensor.h"
#include "t.h"

#include <openssl/evp.h>

// --- randomness: the same on every run -----------------------------------------------------------

struct rng {
	uint64_t s;
};

static inline uint32_t rng_next(struct rng *r) { // splitmix64
	uint64_t z = r->s += 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) >> 16);
}

static inline uint32_t rng_below(struct rng *r, uint32_t n) {
	return n == 0 ? 0 : rng_next(r) % n;
}

// --- byte buffers
// ---------------------------------------------------------------------------------

struct bytes {
	size_t len;
	uint8_t b[70000];
};

static inline void put(struct bytes *o, const void *p, size_t n) {
	assert_true(o->len + n <= sizeof(o->b));
	if (n > 0)
		memcpy(o->b + o->len, p, n);
	o->len += n;
}

static inline void put8(struct bytes *o, unsigned v) {
	uint8_t b = (uint8_t)v;
	put(o, &b, 1);
}

static inline void put16(struct bytes *o, unsigned v) {
	put8(o, v >> 8);
	put8(o, v);
}

static inline void put24(struct bytes *o, unsigned v) {
	put8(o, v >> 16);
	put16(o, v);
}

static inline void put32(struct bytes *o, uint32_t v) {
	put16(o, v >> 16);
	put16(o, v);
}

// --- a ClientHello
// --------------------------------------------------------------------------------

struct hello_shape {
	const char *name;
	const char *sni;
	unsigned ciphers;
	unsigned key_share; // bytes of the key share
	unsigned padding; // bytes of extension 21
	bool extensions; // false: no extension block at all
	bool early_data; // offered
	bool dtls, quic;
};

static inline void put_extension(struct bytes *o, unsigned type, const struct bytes *data) {
	put16(o, type);
	put16(o, (unsigned)data->len);
	put(o, data->b, data->len);
}

// The handshake message without its header.
static inline void hello_body(struct bytes *o, const struct hello_shape *h, struct rng *r) {
	static struct bytes x, e;
	o->len = 0;
	put16(o, h->dtls ? 0xfefd : 0x0303);
	for (int i = 0; i < 32; i++)
		put8(o, rng_next(r));
	put8(o, h->quic ? 0 : 32);
	for (int i = 0; !h->quic && i < 32; i++)
		put8(o, rng_next(r));
	if (h->dtls)
		put8(o, 0);
	put16(o, 2 * h->ciphers);
	for (unsigned i = 0; i < h->ciphers; i++)
		put16(o, i == 0 ? 0x1301 : 0xc000 + i);
	put16(o, 0x0100);
	if (!h->extensions)
		return;
	x.len = 0;
	e.len = 0; // server_name
	put16(&e, (unsigned)strlen(h->sni) + 3);
	put8(&e, 0);
	put16(&e, (unsigned)strlen(h->sni));
	put(&e, h->sni, strlen(h->sni));
	put_extension(&x, 0, &e);
	e.len = 0; // ALPN
	put16(&e, 12);
	put(&e, "\x02h2\x08http/1.1", 12);
	put_extension(&x, 16, &e);
	e.len = 0; // supported_versions
	put8(&e, 4);
	put16(&e, h->dtls ? 0xfefc : 0x0304);
	put16(&e, h->dtls ? 0xfefd : 0x0303);
	put_extension(&x, 43, &e);
	e.len = 0; // supported_groups
	put16(&e, 4);
	put16(&e, 0x11ec);
	put16(&e, 0x001d);
	put_extension(&x, 10, &e);
	e.len = 0; // signature_algorithms
	put16(&e, 4);
	put16(&e, 0x0403);
	put16(&e, 0x0804);
	put_extension(&x, 13, &e);
	e.len = 0; // key_share
	put16(&e, h->key_share + 4);
	put16(&e, 0x11ec);
	put16(&e, h->key_share);
	for (unsigned i = 0; i < h->key_share; i++)
		put8(&e, rng_next(r));
	put_extension(&x, 51, &e);
	if (h->quic) {
		e.len = 0; // initial_max_data 1000, then google_user_agent
		put(&e,
		    "\x04\x02\x43\xe8\x71\x29\x03"
		    "ua1",
		    10);
		put_extension(&x, 57, &e);
	}
	if (h->early_data) {
		e.len = 0;
		put_extension(&x, 42, &e);
	}
	if (h->padding > 0) {
		e.len = 0;
		for (unsigned i = 0; i < h->padding; i++)
			put8(&e, 0);
		put_extension(&x, 21, &e);
	}
	put16(o, (unsigned)x.len);
	put(o, x.b, x.len);
}

static inline void hello_message(struct bytes *o, const struct bytes *body) {
	o->len = 0;
	put8(o, 1);
	put24(o, (unsigned)body->len);
	put(o, body->b, body->len);
}

// Appends a TLS record.
static inline void put_record(struct bytes *o, unsigned type, const void *p, size_t n) {
	put8(o, type);
	put16(o, 0x0301);
	put16(o, (unsigned)n);
	put(o, p, n);
}

// Appends a DTLS record (RFC 9147 4, 5.5) with the `len` bytes at `at` of a ClientHello.
static inline void put_dtls_fragment(
	struct bytes *o,
	const struct bytes *body,
	unsigned message_seq,
	size_t at,
	size_t len,
	uint32_t record_seq
) {
	put8(o, 22);
	put16(o, 0xfeff);
	put16(o, 0); // epoch
	put16(o, 0);
	put32(o, record_seq);
	put16(o, 12 + (unsigned)len);
	put8(o, 1);
	put24(o, (unsigned)body->len);
	put16(o, message_seq);
	put24(o, (unsigned)at);
	put24(o, (unsigned)len);
	put(o, body->b + at, len);
}

// --- frames
// ---------------------------------------------------------------------------------------

#define FROM_CLIENT 0
#define FROM_SERVER 1
#define MAX_FRAME 70000

// Frames of one capture, each an exact-size heap copy.
struct frames {
	struct ht_frame f[4096];
	unsigned num;
	uint16_t client_port;
	uint16_t server_port; // 0: 443
};

static inline void frames_clear(struct frames *fs) {
	for (unsigned i = 0; i < fs->num; i++)
		free((void *)(uintptr_t)fs->f[i].data);
	fs->num = 0;
}

static inline void frame_add(struct frames *fs, const struct bytes *b) {
	assert_true(fs->num < HT_ARRAY_LEN(fs->f));
	struct ht_frame *f = &fs->f[fs->num++];
	*f = (struct ht_frame){
		.data = t_dup(b->b, b->len),
		.caplen = (uint32_t)b->len,
		.len = (uint32_t)b->len,
		.ts = 1700000000000000000ll + fs->num * 1000ll,
		.number = fs->num,
		.linktype = 1,
	};
}

static inline void put_ipv4(struct bytes *o, int from, uint8_t proto, size_t payload) {
	static const uint8_t eth[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
	static const uint8_t client[4] = {192, 0, 2, 1}, server[4] = {198, 51, 100, 1};
	o->len = 0;
	put(o, eth, sizeof(eth));
	put16(o, 0x4500);
	put16(o, 20 + (unsigned)payload);
	put32(o, 0);
	put8(o, 64);
	put8(o, proto);
	put16(o, 0);
	put(o, from == FROM_CLIENT ? client : server, 4);
	put(o, from == FROM_CLIENT ? server : client, 4);
}

static inline void put_ports(struct bytes *o, const struct frames *fs, int from) {
	const uint16_t server_port = fs->server_port != 0 ? fs->server_port : 443;
	put16(o, from == FROM_CLIENT ? fs->client_port : server_port);
	put16(o, from == FROM_CLIENT ? server_port : fs->client_port);
}

static inline void
tcp_add(struct frames *fs, int from, uint32_t seq, unsigned flags, const uint8_t *p, size_t n) {
	static struct bytes o;
	put_ipv4(&o, from, 6, 20 + n);
	put_ports(&o, fs, from);
	put32(&o, seq);
	put32(&o, 0);
	put8(&o, 0x50);
	put8(&o, flags);
	put16(&o, 65535);
	put32(&o, 0);
	put(&o, p, n);
	frame_add(fs, &o);
}

static inline void udp_add(struct frames *fs, int from, const uint8_t *p, size_t n) {
	static struct bytes o;
	put_ipv4(&o, from, 17, 8 + n);
	put_ports(&o, fs, from);
	put16(&o, 8 + (unsigned)n);
	put16(&o, 0);
	put(&o, p, n);
	frame_add(fs, &o);
}

// --- QUIC v1 Initials, sealed (RFC 9001 5)
// ---------------------------------------------------------

static inline void put_varint16(struct bytes *o, unsigned v) {
	put16(o, 0x4000 | v);
}

static inline void aes_block(const uint8_t key[16], const uint8_t in[16], uint8_t out[16]) {
	int n;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), NULL, key, NULL), 1);
	EVP_CIPHER_CTX_set_padding(c, 0);
	assert_int_equal(EVP_EncryptUpdate(c, out, &n, in, 16), 1);
	EVP_CIPHER_CTX_free(c);
}

static const uint8_t quic_v1_salt[20] = {
	// RFC 9001 5.2
	0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
	0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a,
};

// AES-128-GCM: `out` gets the n bytes of `plain` sealed, and the tag of 16 bytes behind them.
static inline void gcm_seal(
	uint8_t *out,
	const uint8_t key[16],
	const uint8_t nonce[12],
	struct ht_span aad,
	const uint8_t *plain,
	size_t n
) {
	int l;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, key, nonce), 1);
	assert_int_equal(EVP_EncryptUpdate(c, NULL, &l, aad.p, (int)aad.len), 1);
	if (n > 0)
		assert_int_equal(EVP_EncryptUpdate(c, out, &l, plain, (int)n), 1);
	assert_int_equal(EVP_EncryptFinal_ex(c, out + n, &l), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, out + n), 1);
	EVP_CIPHER_CTX_free(c);
}

// What stands in the header of an Initial. All but `dcid` may be left out: version 1, no token.
struct quic_initial {
	uint32_t version;
	struct ht_span dcid, scid, token;
	uint32_t pn;
};

// Seals `frames_in` (padded with PADDING to a datagram of 1200 bytes or more) and adds the
// datagram.
static inline void quic_add_initial(
	struct frames *fs,
	const struct ht_initial_keys *keys,
	const struct quic_initial *q,
	const struct bytes *frames_in
) {
	static struct bytes d, plain, sealed;
	uint8_t nonce[12], mask[16];
	plain = *frames_in;
	while (plain.len < 1170)
		put8(&plain, 0);
	d.len = 0;
	put8(&d, 0xc3); // Initial, 4-byte packet number
	put32(&d, q->version != 0 ? q->version : 1);
	put8(&d, (unsigned)q->dcid.len);
	put(&d, q->dcid.p, q->dcid.len);
	put8(&d, (unsigned)q->scid.len);
	put(&d, q->scid.p, q->scid.len);
	put8(&d, (unsigned)q->token.len); // below 64: a one-byte integer
	put(&d, q->token.p, q->token.len);
	put_varint16(&d, (unsigned)(4 + plain.len + 16));
	size_t pn_at = d.len;
	put32(&d, q->pn);
	memcpy(nonce, keys->iv, 12);
	for (int i = 0; i < 4; i++)
		nonce[8 + i] ^= (uint8_t)(q->pn >> (24 - 8 * i));
	assert_true(plain.len + 16 <= sizeof(sealed.b));
	gcm_seal(sealed.b, keys->key, nonce, HT_SPAN(d.b, d.len), plain.b, plain.len);
	put(&d, sealed.b, plain.len + 16);
	aes_block(keys->hp, d.b + pn_at + 4, mask);
	d.b[0] ^= mask[0] & 0x0f;
	for (int i = 0; i < 4; i++)
		d.b[pn_at + i] ^= mask[1 + i];
	udp_add(fs, FROM_CLIENT, d.b, d.len);
}

static inline void quic_add(
	struct frames *fs,
	const struct ht_initial_keys *keys,
	struct ht_span dcid,
	uint32_t pn,
	const struct bytes *frames_in
) {
	const struct quic_initial q = {.dcid = dcid, .pn = pn};
	quic_add_initial(fs, keys, &q, frames_in);
}

static inline void put_crypto(struct bytes *o, unsigned offset, const uint8_t *p, size_t n) {
	put8(o, 6);
	put32(o, 0x80000000u | offset);
	put_varint16(o, (unsigned)n);
	put(o, p, n);
}

// --- records
// --------------------------------------------------------------------------------------

static inline void digest_span(struct bytes *o, struct ht_span s) {
	put32(o, (uint32_t)s.len);
	put(o, s.p, s.len);
}

// Every field of the record, byte for byte.
static inline void digest_field(struct bytes *o, const struct ht_record *r, unsigned id) {
	const void *at = (const char *)r + ht_fields[id].offset;
	put8(o, id);
	switch (ht_fields[id].type) {
	case HT_TYPE_BOOL:
	case HT_TYPE_FLAG:
		put8(o, *(const bool *)at);
		return;
	case HT_TYPE_U8:
		put8(o, *(const uint8_t *)at);
		return;
	case HT_TYPE_U16:
		put16(o, *(const uint16_t *)at);
		return;
	case HT_TYPE_U32:
		put32(o, *(const uint32_t *)at);
		return;
	case HT_TYPE_U64:
	case HT_TYPE_TIME:
	case HT_TYPE_SECONDS:
		put(o, at, 8);
		return;
	case HT_TYPE_STR: {
		const char *s = *(const char *const *)at;
		put(o, s, strlen(s) + 1);
		return;
	}
	case HT_TYPE_IP:
		put(o, *(const uint8_t *const *)at, 16);
		return;
	case HT_TYPE_MAC:
		put(o, *(const uint8_t *const *)at, 6);
		return;
	case HT_TYPE_STRS: {
		const struct ht_strs *l = at;
		for (unsigned i = 0; i < l->num; i++)
			put(o, l->s[i], strlen(l->s[i]) + 1);
		return;
	}
	case HT_TYPE_TEXTS: {
		const struct ht_texts *l = at;
		for (unsigned i = 0; i < l->num; i++)
			put(o, l->s[i], l->len[i]);
		return;
	}
	default:
		digest_span(o, *(const struct ht_span *)at);
		return;
	}
}

// Appends the fields of the record whose bits are in `fields`.
static inline void digest_record(struct bytes *o, const struct ht_record *r, ht_fieldset fields) {
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++)
		if (r->has & fields & (ht_fieldset)1 << i)
			digest_field(o, r, i);
}

// --- a sensor
// ---------------------------------------------------------------------------------------

// Small, so that a case reaches what it wants to reach.
static inline struct ht_sensor_params
small_sensor(void (*emit)(void *user, struct ht_record *r), void *user) {
	struct ht_sensor_params p;
	ht_sensor_defaults(&p);
	p.max_flows = 64;
	p.max_hellos = 16;
	p.arena_bytes = 1u << 20;
	p.fragment_bytes = 1u << 19;
	p.max_fragmented = 8;
	p.secret[0] = 1;
	p.secret[1] = 2;
	p.emit = emit;
	p.user = user;
	return p;
}
