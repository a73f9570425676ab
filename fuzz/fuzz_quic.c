// SPDX-License-Identifier: BSD-3-Clause
// fuzz_quic: the first byte of the input chooses where it enters: datagrams as they come, frames
// below the AEAD (of RFC 9000, of gQUIC), gQUIC messages, or packets sealed here, so that keys,
// Retries and version changes are reached too.

#include "quic.h"
#include "quic_int.h"

#include <openssl/evp.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_BYTES 16384
#define CHECK(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

struct fuzz {
	struct ht_crypto *crypto;
	struct ht_arena *arena;
	struct ht_quic *quic;
	struct ht_quic_conn conn;
};

// What must hold whatever the input was.
static void check_conn(const struct ht_quic_conn *c) {
	const struct ht_ranges *have = &c->crypto.have;
	CHECK(have->num <= HT_RANGES_MAX);
	CHECK(have->num == 0 || c->crypto.buf != NULL);
	for (uint32_t i = 0; i < have->num; i++) {
		CHECK(have->r[i].lo < have->r[i].hi);
		CHECK(i == 0 || have->r[i - 1].hi < have->r[i].lo);
	}
	CHECK(ht_ranges_end(have) <= MAX_BYTES && ht_ranges_end(have) <= c->crypto.size);
	CHECK(c->odcid_len <= HT_QUIC_CID_MAX && c->scid_len <= HT_QUIC_CID_MAX);
	CHECK(c->key_cid_len <= HT_QUIC_CID_MAX && c->server_cid_len <= HT_QUIC_CID_MAX);
	CHECK(c->retry_cid_len <= HT_QUIC_CID_MAX);
	CHECK(c->packets == 0 || c->key_version != 0);
}

// A heap copy of its own size, so that the sanitizer sees a read past its end.
static struct ht_span copy_of(struct ht_span s) {
	uint8_t *p = malloc(s.len > 0 ? s.len : 1);
	CHECK(p != NULL);
	memcpy(p, s.p, s.len);
	return HT_SPAN(p, s.len);
}

static void give(struct fuzz *f, struct ht_span datagram, bool server) {
	struct ht_span d = copy_of(datagram);
	struct ht_quic_header h;
	struct ht_gquic_hello g;
	enum ht_quic_kind kind = ht_quic_peek(&h, d);
	CHECK(kind < HT_QUIC_NUM_KINDS && h.dcid.p != NULL && h.scid.p != NULL);
	if (ht_gquic_chlo(&g, d) == HT_OK)
		CHECK(g.message.len <= d.len && g.sni.len <= d.len && kind == HT_QUIC_GQUIC);
	if (server) {
		ht_quic_server(f->quic, &f->conn, d);
	} else if (ht_quic_client(f->quic, &f->conn, d) == HT_QUIC_NEW) {
		ht_quic_drop(f->quic, &f->conn);
		CHECK(ht_quic_client(f->quic, &f->conn, d) != HT_QUIC_NEW);
	}
	check_conn(&f->conn);
	free((void *)(uintptr_t)d.p);
}

// Datagrams, each behind 16 bits: the highest tells the side, the others how many bytes. A client's
// may be padded to the least size by another bit.
static void datagrams(struct fuzz *f, struct ht_reader r) {
	uint16_t head;
	struct ht_span s;
	while (ht_u16(&r, &head)) {
		if (!ht_take(&r, head & 0x3fff, &s))
			CHECK(ht_take(&r, r.left.len, &s));
		if ((head & 0x4000) != 0 && s.len < 1200) {
			uint8_t d[1200] = {0};
			memcpy(d, s.p, s.len);
			give(f, HT_SPAN(d, sizeof(d)), head >> 15);
		} else {
			give(f, s, head >> 15);
		}
	}
}

static void frames(struct fuzz *f, struct ht_reader r, bool google) {
	uint16_t len;
	struct ht_span s;
	while (ht_u16(&r, &len)) {
		if (!ht_take(&r, len & 0x7ff, &s))
			CHECK(ht_take(&r, r.left.len, &s));
		struct ht_quic_sink sink = {
			.conn = &f->conn,
			.crypto = &f->conn.crypto,
			.arena = f->arena,
			.max_bytes = MAX_BYTES,
		};
		struct ht_span d = copy_of(s);
		enum ht_quic_rc rc = google ? ht_gquic_frames(&sink, d) : ht_quic_frames(&sink, d);
		CHECK(rc == HT_QUIC_MORE || rc == HT_QUIC_LIMIT || rc == HT_QUIC_BAD);
		free((void *)(uintptr_t)d.p);
		f->conn.key_version = 1; // as if it had been opened
		check_conn(&f->conn);
		if ((len & 0x8000) != 0)
			ht_quic_consume(f->quic, &f->conn, len & 0xff);
		check_conn(&f->conn);
	}
}

static void message(struct ht_span in) {
	struct ht_span m = copy_of(in);
	struct ht_gquic_hello h;
	if (ht_gquic_message(&h, m) == HT_OK)
		CHECK(h.message.p == m.p && h.message.len <= m.len && h.sni.len <= m.len);
	free((void *)(uintptr_t)m.p);
}

static bool
gcm(uint8_t *out, const uint8_t *key, const uint8_t *nonce, struct ht_span aad, struct ht_span text
) {
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	int n;
	bool ok = x != NULL && EVP_EncryptInit_ex(x, EVP_aes_128_gcm(), NULL, key, nonce) == 1
		  && EVP_EncryptUpdate(x, NULL, &n, aad.p, (int)aad.len) == 1
		  && (text.len == 0 || EVP_EncryptUpdate(x, out, &n, text.p, (int)text.len) == 1)
		  && EVP_EncryptFinal_ex(x, out + text.len, &n) == 1
		  && EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, 16, out + text.len) == 1;
	EVP_CIPHER_CTX_free(x);
	return ok;
}

static const uint32_t versions[4] = {0x00000001, 0x6b3343cf, 0xff00001d, 0x51303530};
static const char ids[4][9] = {"dcid-one", "dcid-two", "serverid", "client-x"};

// seal makes one packet of a client out of two bytes of choices and its frames.
static size_t seal(struct fuzz *f, uint8_t *d, uint8_t what, uint8_t pn, struct ht_span text) {
	uint32_t version = versions[what & 3];
	const char *dcid = ids[what >> 2 & 3], *key_id = ids[what >> 4 & 3];
	bool token = (what & 0x40) != 0, padded = (what & 0x80) != 0;
	const struct ht_quic_version *v = ht_quic_version_find(version);
	const struct ht_quic_salt_def *def = &ht_quic_salts[v->salt];
	struct ht_initial_salt *salt = ht_initial_salt_new(f->crypto, def->salt, def->labels);
	struct ht_initial_keys k;
	CHECK(salt != NULL);
	ht_initial_derive(f->crypto, &k, salt, HT_INITIAL_CLIENT, HT_SPAN(key_id, 8));
	ht_initial_salt_free(salt);
	uint8_t clear[1400] = {0}, nonce[12], mask[16];
	size_t n = text.len < 1100 ? text.len : 1100, at = 0;
	memcpy(clear, text.p, n);
	if (padded || n < 4)
		n = 1200;
	d[at++] = v->v2_types ? 0xd0 : 0xc0;
	ht_put_be32(d + at, version);
	at += 4;
	d[at++] = 8;
	memcpy(d + at, dcid, 8);
	at += 8;
	d[at++] = 1;
	d[at++] = 'c';
	d[at++] = token;
	if (token)
		d[at++] = 't';
	ht_put_be16(d + at, (uint16_t)(0x4000 | (1 + n + 16)));
	at += 2;
	d[at++] = pn;
	memcpy(nonce, k.iv, 12);
	nonce[11] ^= pn;
	CHECK(gcm(d + at, k.key, nonce, HT_SPAN(d, at), HT_SPAN(clear, n)));
	ht_hp_mask(f->crypto, mask, k.hp, d + at + 3);
	d[0] ^= mask[0] & 0x0f;
	d[at - 1] ^= mask[1];
	return at + n + 16;
}

static size_t retry(uint8_t *d, uint8_t what) {
	uint8_t pseudo[64], *p = pseudo;
	*p++ = 8;
	memcpy(p, ids[what & 3], 8);
	p += 8;
	memcpy(p,
	       "\xf0\x00\x00\x00\x01\x01"
	       "c\x08",
	       8);
	p += 8;
	memcpy(p, ids[what >> 2 & 3], 8);
	p += 8;
	*p++ = 't';
	size_t n = (size_t)(p - pseudo);
	const struct ht_quic_retry_key *k = &ht_quic_retry_keys[HT_RETRY_V1];
	CHECK(gcm(p, k->key, k->nonce, HT_SPAN(pseudo, n), HT_SPAN_EMPTY));
	memcpy(d, pseudo + 9, n - 9 + 16);
	return n - 9 + 16;
}

static void sealed(struct fuzz *f, struct ht_reader r) {
	uint8_t what, pn, len;
	struct ht_span s;
	for (int i = 0; i < 32 && ht_u8(&r, &what) && ht_u8(&r, &pn) && ht_u8(&r, &len); i++) {
		uint8_t d[3000];
		if (len == 0xff) {
			give(f, HT_SPAN(d, retry(d, what)), true);
			continue;
		}
		if (len == 0xfe) {
			if (pn % 2 == 0) {
				ht_quic_consume(f->quic, &f->conn, what);
			} else { // the same, and the connection is put away
				struct ht_quic_past past;
				ht_quic_leave(&past, &f->conn, what);
				ht_quic_drop(f->quic, &f->conn);
				ht_quic_resume(f->quic, &f->conn, &past);
			}
			check_conn(&f->conn);
			continue;
		}
		if (!ht_take(&r, len, &s))
			CHECK(ht_take(&r, r.left.len, &s));
		size_t n = seal(f, d, what, pn, s);
		if (n < 1200) { // zeros behind the packet
			memset(d + n, 0, 1200 - n);
			n = 1200;
		}
		give(f, HT_SPAN(d, n), false);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct fuzz f;
	if (f.quic == NULL) {
		f.crypto = ht_crypto_new();
		f.arena = ht_arena_new(1 << 20);
		f.quic = ht_quic_new(&(struct ht_quic_params){f.crypto, f.arena, MAX_BYTES});
		CHECK(f.quic != NULL);
	}
	struct ht_reader r = ht_reader(HT_SPAN(data, size));
	uint8_t mode;
	if (!ht_u8(&r, &mode))
		return 0;
	switch (mode % 5) {
	case 0:
		datagrams(&f, r);
		break;
	case 1:
		frames(&f, r, false);
		break;
	case 2:
		frames(&f, r, true);
		break;
	case 3:
		message(r.left);
		break;
	default:
		sealed(&f, r);
	}
	ht_quic_drop(f.quic, &f.conn);
	CHECK(ht_arena_used(f.arena) == 0);
	return 0;
}
