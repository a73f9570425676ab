// SPDX-License-Identifier: BSD-3-Clause
// Initials sealed by libcrypto and opened by quic; the packets of the RFCs; frames below the AEAD.

#include "quic.h"
#include "quic_int.h"
#include "t.h"

#include <openssl/evp.h>

// RFC 9001 A.2 to A.4, RFC 9369 A.2 to A.4: the client's first connection id is 8394c8f03e515708.
// clang-format off
static const char rfc9001_client[] =
	"c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d"
	"92ec356c0bab7df5976d27cd449f63300099f3991c260ec4c60d17b31f8429157bb35a1282a643a8d2262cad"
	"67500cadb8e7378c8eb7539ec4d4905fed1bee1fc8aafba17c750e2c7ace01e6005f80fcb7df621230c83711"
	"b39343fa028cea7f7fb5ff89eac2308249a02252155e2347b63d58c5457afd84d05dfffdb20392844ae81215"
	"4682e9cf012f9021a6f0be17ddd0c2084dce25ff9b06cde535d0f920a2db1bf362c23e596d11a4f5a6cf3948"
	"838a3aec4e15daf8500a6ef69ec4e3feb6b1d98e610ac8b7ec3faf6ad760b7bad1db4ba3485e8a94dc250ae3"
	"fdb41ed15fb6a8e5eba0fc3dd60bc8e30c5c4287e53805db059ae0648db2f64264ed5e39be2e20d82df566da"
	"8dd5998ccabdae053060ae6c7b4378e846d29f37ed7b4ea9ec5d82e7961b7f25a9323851f681d582363aa5f8"
	"9937f5a67258bf63ad6f1a0b1d96dbd4faddfcefc5266ba6611722395c906556be52afe3f565636ad1b17d50"
	"8b73d8743eeb524be22b3dcbc2c7468d54119c7468449a13d8e3b95811a198f3491de3e7fe942b330407abf8"
	"2a4ed7c1b311663ac69890f4157015853d91e923037c227a33cdd5ec281ca3f79c44546b9d90ca00f064c99e"
	"3dd97911d39fe9c5d0b23a229a234cb36186c4819e8b9c5927726632291d6a418211cc2962e20fe47feb3edf"
	"330f2c603a9d48c0fcb5699dbfe5896425c5bac4aee82e57a85aaf4e2513e4f05796b07ba2ee47d80506f8d2"
	"c25e50fd14de71e6c418559302f939b0e1abd576f279c4b2e0feb85c1f28ff18f58891ffef132eef2fa09346"
	"aee33c28eb130ff28f5b766953334113211996d20011a198e3fc433f9f2541010ae17c1bf202580f6047472f"
	"b36857fe843b19f5984009ddc324044e847a4f4a0ab34f719595de37252d6235365e9b84392b061085349d73"
	"203a4a13e96f5432ec0fd4a1ee65accdd5e3904df54c1da510b0ff20dcc0c77fcb2c0e0eb605cb0504db8763"
	"2cf3d8b4dae6e705769d1de354270123cb11450efc60ac47683d7b8d0f811365565fd98c4c8eb936bcab8d06"
	"9fc33bd801b03adea2e1fbc5aa463d08ca19896d2bf59a071b851e6c239052172f296bfb5e72404790a21810"
	"14f3b94a4e97d117b438130368cc39dbb2d198065ae3986547926cd2162f40a29f0c3c8745c0f50fba3852e5"
	"66d44575c29d39a03f0cda721984b6f440591f355e12d439ff150aab7613499dbd49adabc8676eef023b15b6"
	"5bfc5ca06948109f23f350db82123535eb8a7433bdabcb909271a6ecbcb58b936a88cd4e8f2e6ff5800175f1"
	"13253d8fa9ca8885c2f552e657dc603f252e1a8e308f76f0be79e2fb8f5d5fbbe2e30ecadd220723c8c0aea8"
	"078cdfcb3868263ff8f0940054da48781893a7e49ad5aff4af300cd804a6b6279ab3ff3afb64491c85194aab"
	"760d58a606654f9f4400e8b38591356fbf6425aca26dc85244259ff2b19c41b9f96f3ca9ec1dde434da7d2d3"
	"92b905ddf3d1f9af93d1af5950bd493f5aa731b4056df31bd267b6b90a079831aaf579be0a39013137aac6d4"
	"04f518cfd46840647e78bfe706ca4cf5e9c5453e9f7cfd2b8b4c8d169a44e55c88d4a9a7f9474241e221af44"
	"860018ab0856972e194cd934";
static const char rfc9001_server[] =
	"cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c697975"
	"54780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bde"
	"d74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407d"
	"d074ee";
static const char rfc9001_retry[] =
	"ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba";
static const char rfc9369_client[] =
	"d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071bf03dceebfa1"
	"62e75d6c96058bdbfb127cdfcbf903388e99ad049f9a3dd4425ae4d0992cfff18ecf0fdb5a842d09747052f1"
	"7ac2053d21f57c5d250f2c4f0e0202b70785b7946e992e58a59ac52dea6774d4f03b55545243cf1a12834e3f"
	"249a78d395e0d18f4d766004f1a2674802a747eaa901c3f10cda5500cb9122faa9f1df66c392079a1b40f0de"
	"1c6054196a11cbea40afb6ef5253cd6818f6625efce3b6def6ba7e4b37a40f7732e093daa7d52190935b8da5"
	"8976ff3312ae50b187c1433c0f028edcc4c2838b6a9bfc226ca4b4530e7a4ccee1bfa2a3d396ae5a3fb51238"
	"4b2fdd851f784a65e03f2c4fbe11a53c7777c023462239dd6f7521a3f6c7d5dd3ec9b3f233773d4b46d23cc3"
	"75eb198c63301c21801f6520bcfb7966fc49b393f0061d974a2706df8c4a9449f11d7f3d2dcbb90c6b877045"
	"636e7c0c0fe4eb0f697545460c806910d2c355f1d253bc9d2452aaa549e27a1fac7cf4ed77f322e8fa894b6a"
	"83810a34b361901751a6f5eb65a0326e07de7c1216ccce2d0193f958bb3850a833f7ae432b65bc5a53975c15"
	"5aa4bcb4f7b2c4e54df16efaf6ddea94e2c50b4cd1dfe06017e0e9d02900cffe1935e0491d77ffb4fdf85290"
	"fdd893d577b1131a610ef6a5c32b2ee0293617a37cbb08b847741c3b8017c25ca9052ca1079d8b78aebd4787"
	"6d330a30f6a8c6d61dd1ab5589329de714d19d61370f8149748c72f132f0fc99f34d766c6938597040d8f9e2"
	"bb522ff99c63a344d6a2ae8aa8e51b7b90a4a806105fcbca31506c446151adfeceb51b91abfe43960977c874"
	"71cf9ad4074d30e10d6a7f03c63bd5d4317f68ff325ba3bd80bf4dc8b52a0ba031758022eb025cdd770b44d6"
	"d6cf0670f4e990b22347a7db848265e3e5eb72dfe8299ad7481a408322cac55786e52f633b2fb6b614eaed18"
	"d703dd84045a274ae8bfa73379661388d6991fe39b0d93debb41700b41f90a15c4d526250235ddcd6776fc77"
	"bc97e7a417ebcb31600d01e57f32162a8560cacc7e27a096d37a1a86952ec71bd89a3e9a30a2a26162984d77"
	"40f81193e8238e61f6b5b984d4d3dfa033c1bb7e4f0037febf406d91c0dccf32acf423cfa1e7071010d3f270"
	"121b493ce85054ef58bada42310138fe081adb04e2bd901f2f13458b3d6758158197107c14ebb193230cd115"
	"7380aa79cae1374a7c1e5bbcb80ee23e06ebfde206bfb0fcbc0edc4ebec309661bdd908d532eb0c6adc38b7c"
	"a7331dce8dfce39ab71e7c32d318d136b6100671a1ae6a6600e3899f31f0eed19e3417d134b90c9058f8632c"
	"798d4490da4987307cba922d61c39805d072b589bd52fdf1e86215c2d54e6670e07383a27bbffb5addf47d66"
	"aa85a0c6f9f32e59d85a44dd5d3b22dc2be80919b490437ae4f36a0ae55edf1d0b5cb4e9a3ecabee93dfc6e3"
	"8d209d0fa6536d27a5d6fbb17641cde27525d61093f1b28072d111b2b4ae5f89d5974ee12e5cf7d5da4d6a31"
	"123041f33e61407e76cffcdcfd7e19ba58cf4b536f4c4938ae79324dc402894b44faf8afbab35282ab659d13"
	"c93f70412e85cb199a37ddec600545473cfb5a05e08d0b209973b2172b4d21fb69745a262ccde96ba18b2faa"
	"745b6fe189cf772a9f84cbfc";
static const char rfc9369_server[] =
	"dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea26b91eb761d9b89237b"
	"bf87263017915358230035f7fd3945d88965cf17f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e"
	"42757507698075b2c984c707f0a0812d8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521"
	"e2e140";
static const char rfc9369_retry[] =
	"cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6";
// clang-format on

#define V1 1u
#define V2 0x6b3343cfu
#define Q050 0x51303530u

#define ID_A HT_SPAN_STR("\x11\x22\x33\x44\x55\x66\x77\x88")
#define ID_B HT_SPAN_STR("\xb1\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xbb\xbc")
#define ID_SERVER HT_SPAN_STR("server-id")
#define ID_CLIENT HT_SPAN_STR("cli")
#define NONE HT_SPAN_EMPTY

static struct ht_crypto *crypto;
static struct ht_arena *arena;
static struct ht_quic *quic;

static int set_up(void **state) {
	(void)state;
	crypto = ht_crypto_new();
	arena = ht_arena_new(1 << 20);
	quic = ht_quic_new(&(struct ht_quic_params){crypto, arena, 16384});
	return crypto == NULL || arena == NULL || quic == NULL;
}

// Every test must give back what it took from the arena.
static int tear_down(void **state) {
	(void)state;
	size_t used = ht_arena_used(arena);
	ht_quic_free(quic);
	ht_arena_free(arena);
	ht_crypto_free(crypto);
	return used != 0;
}

// --- Bytes

struct buf {
	uint8_t p[4096];
	size_t len;
};

static void put(struct buf *b, const void *p, size_t n) {
	assert_true(b->len + n <= sizeof(b->p));
	if (n > 0)
		memcpy(b->p + b->len, p, n);
	b->len += n;
}

static void put_byte(struct buf *b, unsigned v) {
	uint8_t x = (uint8_t)v;
	put(b, &x, 1);
}

static void put_span(struct buf *b, struct ht_span s) {
	put(b, s.p, s.len);
}

static void put_varint(struct buf *b, uint64_t v) {
	unsigned n = v < 64 ? 0 : v < 16384 ? 1 : v < 1u << 30 ? 2 : 3;
	size_t bytes = (size_t)1 << n;
	for (size_t i = 0; i < bytes; i++) {
		unsigned byte = (unsigned)(v >> 8 * (bytes - 1 - i)) & 0xff;
		put_byte(b, i == 0 ? byte | n << 6 : byte);
	}
}

static void put_zeros(struct buf *b, size_t n) {
	for (size_t i = 0; i < n; i++)
		put_byte(b, 0);
}

static struct ht_span span(const struct buf *b) {
	return HT_SPAN(b->p, b->len);
}

// message makes a handshake message of `len` bytes with its header; `mark` tells two apart.
static void message(struct buf *b, size_t len, uint8_t mark) {
	b->len = 0;
	put_byte(b, 1);
	put_byte(b, 0);
	put_byte(b, (unsigned)(len - 4) >> 8);
	put_byte(b, (unsigned)(len - 4) & 0xff);
	for (size_t i = 4; i < len; i++)
		put_byte(b, (unsigned)(i * 131 + mark) & 0xff);
}

static void put_crypto(struct buf *b, const struct buf *msg, size_t lo, size_t hi) {
	put_byte(b, 0x06);
	put_varint(b, lo);
	put_varint(b, hi - lo);
	put(b, msg->p + lo, hi - lo);
}

// --- Sealing

struct initial {
	uint32_t version;
	struct ht_span key_id; // empty pointer: dcid
	struct ht_span dcid, scid, token;
	uint32_t pn;
	size_t pn_len; // 0: 1
	size_t pad_to; // PADDING frames until the datagram has this length
	unsigned type; // 0 Initial, 1 0-RTT, 2 Handshake
	bool server, no_fixed_bit;
};

static void seal_gcm(
	struct buf *b,
	const struct ht_initial_keys *k,
	const uint8_t *nonce,
	size_t start,
	struct ht_span text
) {
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	int n;
	assert_non_null(x);
	assert_true(b->len + text.len + 16 <= sizeof(b->p));
	uint8_t *out = b->p + b->len;
	assert_int_equal(EVP_EncryptInit_ex(x, EVP_aes_128_gcm(), NULL, k->key, nonce), 1);
	assert_int_equal(EVP_EncryptUpdate(x, NULL, &n, b->p + start, (int)(b->len - start)), 1);
	if (text.len > 0)
		assert_int_equal(EVP_EncryptUpdate(x, out, &n, text.p, (int)text.len), 1);
	assert_int_equal(EVP_EncryptFinal_ex(x, out + text.len, &n), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, 16, out + text.len), 1);
	EVP_CIPHER_CTX_free(x);
	b->len += text.len + 16;
}

// seal appends a protected packet with these frames to the datagram.
static void seal(struct buf *d, const struct initial *in, const struct buf *frames) {
	const struct ht_quic_version *v = ht_quic_version_find(in->version);
	assert_non_null(v);
	const struct ht_quic_salt_def *def = &ht_quic_salts[v->salt];
	struct ht_initial_salt *salt = ht_initial_salt_new(crypto, def->salt, def->labels);
	struct ht_initial_keys k;
	ht_initial_derive(
		crypto, &k, salt, in->server ? HT_INITIAL_SERVER : HT_INITIAL_CLIENT,
		in->key_id.p != NULL ? in->key_id : in->dcid
	);
	ht_initial_salt_free(salt);

	size_t start = d->len, pn_len = in->pn_len > 0 ? in->pn_len : 1;
	unsigned bits = (in->type + (v->v2_types ? 1 : 0)) & 3;
	uint8_t word[4];
	put_byte(d, (in->no_fixed_bit ? 0x80u : 0xc0u) | bits << 4 | (unsigned)(pn_len - 1));
	ht_put_be32(word, in->version);
	put(d, word, 4);
	put_byte(d, (unsigned)in->dcid.len);
	put_span(d, in->dcid);
	put_byte(d, (unsigned)in->scid.len);
	put_span(d, in->scid);
	if (in->type == 0) {
		put_varint(d, in->token.p != NULL ? in->token.len : 0);
		if (in->token.p != NULL)
			put_span(d, in->token);
	}
	struct buf text = *frames;
	size_t whole = d->len + 2 + pn_len + text.len + 16;
	if (whole < in->pad_to)
		put_zeros(&text, in->pad_to - whole);
	if (text.len < 4) // RFC 9001 5.4.2: enough for a sample
		put_zeros(&text, 4 - text.len);
	uint64_t len = pn_len + text.len + 16;
	put_byte(d, 0x40 | (unsigned)(len >> 8)); // always two bytes
	put_byte(d, (unsigned)len & 0xff);
	size_t pn_at = d->len;
	uint8_t nonce[12];
	memcpy(nonce, k.iv, 12);
	ht_put_be32(word, in->pn);
	put(d, word + 4 - pn_len, pn_len);
	for (size_t i = 0; i < 4; i++)
		nonce[8 + i] ^= word[i];
	seal_gcm(d, &k, nonce, start, span(&text));
	uint8_t mask[16];
	ht_hp_mask(crypto, mask, k.hp, d->p + pn_at + 4);
	d->p[start] ^= mask[0] & 0x0f;
	for (size_t i = 0; i < pn_len; i++)
		d->p[pn_at + i] ^= mask[1 + i];
}

// give hands a datagram over as an exact-size copy.
static enum ht_quic_rc give(struct ht_quic_conn *c, struct ht_span d) {
	uint8_t *cut = t_dup(d.p, d.len);
	enum ht_quic_rc rc = ht_quic_client(quic, c, HT_SPAN(cut, d.len));
	free(cut);
	return rc;
}

static void give_server(struct ht_quic_conn *c, struct ht_span d) {
	uint8_t *cut = t_dup(d.p, d.len);
	ht_quic_server(quic, c, HT_SPAN(cut, d.len));
	free(cut);
}

static enum ht_quic_rc
give_frames(struct ht_quic_conn *c, const struct initial *in, const struct buf *frames) {
	struct buf d = {.len = 0};
	seal(&d, in, frames);
	return give(c, span(&d));
}

// give_part sends msg[lo..hi) in one Initial.
static enum ht_quic_rc give_part(
	struct ht_quic_conn *c,
	const struct initial *in,
	const struct buf *msg,
	size_t lo,
	size_t hi
) {
	struct buf f = {.len = 0};
	put_crypto(&f, msg, lo, hi);
	return give_frames(c, in, &f);
}

static void expect_message(const struct ht_quic_conn *c, const struct buf *msg) {
	assert_int_equal(ht_ranges_prefix(&c->crypto.have), msg->len);
	assert_memory_equal(c->crypto.buf, msg->p, msg->len);
}

static const struct initial plain = {
	.version = V1,
	.dcid = {(const uint8_t *)"\x11\x22\x33\x44\x55\x66\x77\x88", 8},
	.scid = {(const uint8_t *)"cli", 3},
	.pad_to = 1200,
};

// --- The packets of the RFCs

// RFC 9001 appendix A, RFC 9369 appendix A.
static const struct {
	uint32_t version;
	const char *client, *server, *retry;
} rfc_examples[] = {
	{V1, rfc9001_client, rfc9001_server, rfc9001_retry},
	{V2, rfc9369_client, rfc9369_server, rfc9369_retry},
};

static void rfc_packets(void **state) {
	(void)state;
	for (size_t i = 0; i < HT_ARRAY_LEN(rfc_examples); i++) {
		struct ht_quic_conn c = {0};
		uint8_t d[1500];
		size_t n = t_unhex(d, sizeof(d), rfc_examples[i].client);
		assert_int_equal(n, 1200);
		assert_int_equal(give(&c, HT_SPAN(d, n)), HT_QUIC_MORE);
		assert_int_equal(c.version, rfc_examples[i].version);
		assert_int_equal(c.packets, 1);
		assert_int_equal(c.largest_pn, 2);
		assert_int_equal(c.odcid_len, 8);
		assert_memory_equal(c.odcid, "\x83\x94\xc8\xf0\x3e\x51\x57\x08", 8);
		assert_int_equal(c.scid_len, 0);
		assert_int_equal(c.token_len, 0);
		// RFC 9001 A.2: a ClientHello of 241 bytes, client_version and random first.
		assert_int_equal(ht_ranges_prefix(&c.crypto.have), 241);
		assert_memory_equal(c.crypto.buf, "\x01\x00\x00\xed\x03\x03\xeb\xf8\xfa\x56", 10);

		// A Retry that answers it, and the same with a bit turned in each byte.
		n = t_unhex(d, sizeof(d), rfc_examples[i].retry);
		for (size_t at = 0; at < n; at++) {
			d[at] ^= 1;
			give_server(&c, HT_SPAN(d, n));
			assert_false(c.retry_cid_known);
			d[at] ^= 1;
		}
		give_server(&c, HT_SPAN(d, n));
		assert_true(c.retry_cid_known);
		assert_int_equal(c.retry_cid_len, 8);
		assert_memory_equal(c.retry_cid, "\xf0\x67\xa5\x50\x2a\x42\x62\xb5", 8);

		n = t_unhex(d, sizeof(d), rfc_examples[i].server);
		give_server(&c, HT_SPAN(d, n));
		assert_true(c.server_cid_known);
		assert_int_equal(c.server_cid_len, 8);
		// The server's Initial is not the client's.
		assert_int_equal(give(&c, HT_SPAN(d, n)), HT_QUIC_NO_KEY);
		ht_quic_drop(quic, &c);
	}
}

static void retry_that_answers_another(void **state) {
	(void)state;
	struct ht_quic_conn c = {0};
	struct buf m;
	uint8_t d[100];
	message(&m, 300, 1);
	struct initial in = plain;
	in.scid = NONE;
	assert_int_equal(give_part(&c, &in, &m, 0, 300), HT_QUIC_MORE);
	size_t n = t_unhex(d, sizeof(d), rfc9001_retry);
	give_server(&c, HT_SPAN(d, n));
	assert_false(c.retry_cid_known);
	ht_quic_drop(quic, &c);
}

// --- One connection

static void every_version(void **state) {
	(void)state;
	static const uint32_t versions[] = {
		V1,	    V2,		0xff000022, 0xff000021, 0xff000020, 0xff00001d,
		0xff00001c, 0xff000019, 0xff000018, 0xff000017, 0xff000016, 0x709a50c4,
		0x5a8e301a, 0xfaceb001, 0xfaceb002, 0xfaceb003, 0xfaceb004, 0xfaceb00e,
		0xfaceb013, 0xfaceb014, 0xfaceb015, 0xfacefeed, 0xd4000400, 0x1a2a3a4a,
	};
	struct buf m;
	message(&m, 333, 7);
	for (size_t i = 0; i < HT_ARRAY_LEN(versions); i++) {
		struct ht_quic_conn c = {0};
		struct initial in = plain;
		in.version = versions[i];
		in.pn = 0x12345678 >> 8 * (i % 4);
		in.pn_len = 4 - i % 4;
		assert_int_equal(give_part(&c, &in, &m, 0, m.len), HT_QUIC_MORE);
		expect_message(&c, &m);
		assert_int_equal(c.version, versions[i]);
		assert_int_equal(c.largest_pn, in.pn);
		ht_quic_drop(quic, &c);
	}
	static const uint32_t others[] = {
		0, 2, 0xff000015, 0xff000023, 0x51303433, 0x51303436, 0xfaceb016, 0x6f7dc0fd,
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(others); i++)
		assert_null(ht_quic_version_find(others[i]));
}

static void ids_and_token(void **state) {
	(void)state;
	struct ht_quic_conn c = {0};
	struct buf m;
	message(&m, 300, 1);
	struct initial in = plain;
	in.dcid = HT_SPAN_STR("20 bytes is the most");
	in.scid = HT_SPAN_STR("20 bytes for another");
	in.token = HT_SPAN_STR("a token of twenty-eight byte");
	assert_int_equal(give_part(&c, &in, &m, 0, 300), HT_QUIC_MORE);
	expect_message(&c, &m);
	assert_int_equal(c.odcid_len, 20);
	assert_memory_equal(c.odcid, in.dcid.p, 20);
	assert_memory_equal(c.scid, in.scid.p, 20);
	assert_int_equal(c.token_len, 28);
	assert_false(c.retried);
	ht_quic_drop(quic, &c);
}

// RFC 9000 7.2 and 14.1: what cannot be a first Initial is not tried.
static void no_beginning(void **state) {
	(void)state;
	struct ht_quic_conn c = {0};
	struct buf m;
	message(&m, 300, 1);
	struct initial in = plain;
	in.dcid = HT_SPAN_STR("seven b");
	assert_int_equal(give_part(&c, &in, &m, 0, 300), HT_QUIC_NO_KEY);
	assert_int_equal(c.undecryptable, 1);
	in = plain;
	in.pad_to = 1199;
	assert_int_equal(give_part(&c, &in, &m, 0, 300), HT_QUIC_NO_KEY);
	assert_int_equal(c.key_version, 0);
	// Its beginning was not seen: the id is the server's.
	in = plain;
	in.dcid = ID_SERVER;
	in.key_id = ID_A;
	assert_int_equal(give_part(&c, &in, &m, 0, 300), HT_QUIC_NO_KEY);
	assert_int_equal(c.undecryptable, 3);
	assert_int_equal(c.packets, 0);
	ht_quic_drop(quic, &c);
}

static void any_order_of_pieces(void **state) {
	(void)state;
	static const size_t cuts[5] = {0, 1, 60, 1000, 2203};
	struct buf m;
	message(&m, 2203, 3);
	for (unsigned order = 0; order < 256; order++) {
		unsigned pick[4] = {order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6};
		if ((1u << pick[0] | 1u << pick[1] | 1u << pick[2] | 1u << pick[3]) != 15)
			continue; // no permutation
		struct ht_quic_conn c = {0};
		struct initial in = plain;
		in.pad_to = 1250;
		for (unsigned i = 0; i < 4; i++) {
			in.pn = i;
			// With a retransmission of bytes that overlap.
			size_t lo = cuts[pick[i]], hi = cuts[pick[i] + 1];
			assert_int_equal(give_part(&c, &in, &m, lo, hi), HT_QUIC_MORE);
			assert_int_equal(give_part(&c, &in, &m, lo, hi), HT_QUIC_MORE);
		}
		expect_message(&c, &m);
		assert_int_equal(c.packets, 4);
		ht_quic_drop(quic, &c);
	}
}

static void shuffled_frames(void **state) {
	(void)state;
	struct buf m, f = {.len = 0};
	struct ht_quic_conn c = {0};
	message(&m, 600, 9);
	// What Chrome does: cuts at random, PING and PADDING between, all shuffled.
	static const size_t cuts[] = {0, 1, 2, 77, 78, 200, 333, 599, 600};
	static const unsigned order[] = {3, 7, 0, 5, 1, 6, 4, 2};
	for (size_t i = 0; i < HT_ARRAY_LEN(order); i++) {
		put_zeros(&f, i * 5);
		put_byte(&f, 0x01);
		put_crypto(&f, &m, cuts[order[i]], cuts[order[i] + 1]);
	}
	assert_int_equal(give_frames(&c, &plain, &f), HT_QUIC_MORE);
	expect_message(&c, &m);
	assert_int_equal(c.packets, 1);
	ht_quic_drop(quic, &c);
}

static void first_bytes_win(void **state) {
	(void)state;
	struct buf m, other;
	struct ht_quic_conn c = {0};
	message(&m, 300, 1);
	message(&other, 300, 2);
	assert_int_equal(give_part(&c, &plain, &m, 0, 200), HT_QUIC_MORE);
	assert_int_equal(give_part(&c, &plain, &other, 0, 200), HT_QUIC_MORE);
	assert_int_equal(give_part(&c, &plain, &m, 100, 300), HT_QUIC_MORE);
	expect_message(&c, &m);
	ht_quic_drop(quic, &c);
}

// --- Datagrams

static void datagram_walk(void **state) {
	(void)state;
	struct buf m, f = {.len = 0}, half = {.len = 0}, none = {.len = 0};
	message(&m, 400, 1);
	put_crypto(&f, &m, 0, 400);
	put_crypto(&half, &m, 0, 200);
	struct initial small = plain, zero_rtt = plain, handshake = plain, other = plain;
	small.pad_to = 0;
	zero_rtt.type = 1;
	zero_rtt.pad_to = 0;
	handshake.type = 2;
	handshake.pad_to = 0;
	other.pad_to = 0;
	other.dcid = ID_B;
	put_zeros(&none, 50);

	static const char *const names[] = {
		"zeros behind the packet", // neqo
		"c8 13 at the end", // mvfst
		"a SCONE header first", // draft-ietf-scone-protocol
		"0-RTT behind", // RFC 9000 12.2
		"0-RTT and Handshake before", // in any order
		"a cut packet behind", // the Length says more than is there
		"a short header behind", // 1-RTT
		"noise behind", // RFC 9000 14.1
		"two Initials", // of one connection
		"another id behind, ignored", // RFC 9000 12.2
		"an unknown version behind", //
		"a Retry behind", //
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(names); i++) {
		struct ht_quic_conn c = {0};
		struct buf d = {.len = 0};
		enum ht_quic_kind kind = HT_QUIC_INITIAL;
		switch (i) {
		case 0:
			seal(&d, &small, &f);
			put_zeros(&d, 1252 - d.len);
			break;
		case 1:
			seal(&d, &plain, &f);
			put(&d, "\xc8\x13", 2);
			break;
		case 2:
			put(&d, "\xff\x6f\x7d\xc0\xfd\x02xx\x03yyy", 12);
			seal(&d, &plain, &f);
			break;
		case 3:
			seal(&d, &small, &f);
			zero_rtt.pad_to = 1300;
			seal(&d, &zero_rtt, &none);
			break;
		case 4:
			zero_rtt.pad_to = 0;
			seal(&d, &zero_rtt, &none);
			seal(&d, &handshake, &none);
			small.pad_to = 1300;
			seal(&d, &small, &f);
			small.pad_to = 0;
			break;
		case 5:
			seal(&d, &plain, &f);
			seal(&d, &handshake, &none);
			d.len--;
			break;
		case 6:
			seal(&d, &plain, &f);
			put(&d, "\x41\x42\x43\x44", 4);
			break;
		case 7:
			seal(&d, &plain, &f);
			put(&d, "\xe5\x00\x00\x00\x01\xff\xff\xff", 8);
			break;
		case 8: {
			struct buf rest = {.len = 0};
			put_crypto(&rest, &m, 200, 400);
			seal(&d, &small, &half);
			small.pad_to = 1280;
			small.pn = 1;
			seal(&d, &small, &rest);
			small.pad_to = 0;
			small.pn = 0;
			break;
		}
		case 9: {
			struct buf m2, wrong = {.len = 0};
			message(&m2, 400, 99);
			put_crypto(&wrong, &m2, 0, 400);
			seal(&d, &plain, &f);
			seal(&d, &other, &wrong);
			break;
		}
		case 10:
			seal(&d, &plain, &f);
			put(&d, "\xc0\x00\x00\x00\x05\x00\x00\x00", 8);
			break;
		default: {
			uint8_t retry[100];
			size_t n = t_unhex(retry, sizeof(retry), rfc9001_retry);
			seal(&d, &plain, &f);
			put(&d, retry, n);
		}
		}
		struct ht_quic_header h;
		print_message("# %s\n", names[i]);
		assert_int_equal(ht_quic_peek(&h, span(&d)), kind);
		assert_int_equal(h.version, V1);
		assert_true(ht_span_eq(h.dcid, ID_A));
		assert_int_equal(give(&c, span(&d)), HT_QUIC_MORE);
		expect_message(&c, &m);
		assert_int_equal(c.packets, i == 8 ? 2 : 1);
		assert_int_equal(c.undecryptable, 0);
		ht_quic_drop(quic, &c);
	}
}

static void wrong_tag(void **state) {
	(void)state;
	struct buf m, f = {.len = 0}, d = {.len = 0};
	message(&m, 300, 1);
	put_crypto(&f, &m, 0, 300);
	seal(&d, &plain, &f);
	// Any byte the tag covers. The first one's low bits and the ids change the keys' meaning
	// too.
	for (size_t at = 0; at < d.len; at += at < 40 ? 1 : 17) {
		struct ht_quic_conn c = {0};
		d.p[at] ^= 0x01;
		assert_int_not_equal(give(&c, span(&d)), HT_QUIC_BAD);
		assert_int_equal(c.packets, 0);
		assert_int_equal(c.key_version, 0);
		assert_null(c.crypto.buf);
		d.p[at] ^= 0x01;
	}
	struct ht_quic_conn c = {0};
	assert_true(d.len > 0);
	d.p[d.len - 1] ^= 0x80;
	assert_int_equal(give(&c, span(&d)), HT_QUIC_NO_KEY);
	assert_int_equal(c.undecryptable, 1);
	d.p[d.len - 1] ^= 0x80;
	assert_int_equal(give(&c, span(&d)), HT_QUIC_MORE);
	expect_message(&c, &m);
	// Damaged later: known keys refuse as well, and nothing is lost.
	d.p[d.len - 1] ^= 0x80;
	assert_int_equal(give(&c, span(&d)), HT_QUIC_NO_KEY);
	assert_int_equal(c.undecryptable, 2);
	expect_message(&c, &m);
	ht_quic_drop(quic, &c);
}

static void greased_fixed_bit(void **state) {
	(void)state;
	struct buf m, f = {.len = 0}, d = {.len = 0};
	struct ht_quic_header h;
	struct ht_quic_conn c = {0};
	struct initial in = plain;
	in.no_fixed_bit = true; // RFC 9287 3
	message(&m, 300, 1);
	put_crypto(&f, &m, 0, 300);
	seal(&d, &in, &f);
	assert_int_equal(d.p[0] & 0xc0, 0x80);
	assert_int_equal(ht_quic_peek(&h, span(&d)), HT_QUIC_INITIAL);
	assert_int_equal(give(&c, span(&d)), HT_QUIC_MORE);
	expect_message(&c, &m);
	ht_quic_drop(quic, &c);
}

// Every length of a datagram: on a new connection, and on one whose keys are there.
static void cut_datagrams(void **state) {
	(void)state;
	struct buf m, f = {.len = 0}, d = {.len = 0}, rest = {.len = 0};
	message(&m, 700, 1);
	put_crypto(&f, &m, 0, 300);
	struct initial in = plain;
	in.token = HT_SPAN_STR("token");
	in.pad_to = 1210;
	seal(&d, &in, &f);
	size_t first = d.len;
	struct initial second = plain;
	second.pad_to = 0;
	put_crypto(&rest, &m, 300, 700);
	seal(&d, &second, &rest);
	struct ht_quic_conn known = {0};
	assert_int_equal(give_part(&known, &in, &m, 0, 100), HT_QUIC_MORE);
	for (size_t n = 0; n < d.len; n++) {
		struct ht_quic_conn c = {0}, k = known;
		memset(&k.crypto, 0, sizeof(k.crypto));
		struct ht_quic_header h;
		uint8_t *cut = t_dup(d.p, n);
		(void)ht_quic_peek(&h, HT_SPAN(cut, n));
		free(cut);
		enum ht_quic_rc rc = give(&c, HT_SPAN(d.p, n));
		assert_int_equal(rc, n >= first ? HT_QUIC_MORE : HT_QUIC_NO_KEY);
		assert_int_equal(ht_ranges_prefix(&c.crypto.have), n >= first ? 300 : 0);
		assert_int_equal(give(&k, HT_SPAN(d.p, n)), rc);
		assert_int_equal(ht_ranges_prefix(&k.crypto.have), n >= first ? 300 : 0);
		ht_quic_drop(quic, &c);
		ht_quic_drop(quic, &k);
	}
	struct ht_quic_conn c = {0};
	assert_int_equal(give(&c, span(&d)), HT_QUIC_MORE);
	expect_message(&c, &m);
	ht_quic_drop(quic, &c);
	ht_quic_drop(quic, &known);
}

// Every Length of a packet that is there whole: too short for a sample, for a tag, for a frame.
static void short_packets(void **state) {
	(void)state;
	struct buf m;
	message(&m, 300, 1);
	for (unsigned len = 0; len < 40; len++) {
		struct ht_quic_conn c = {0};
		struct buf d = {.len = 0};
		put(&d, "\xc0\x00\x00\x00\x01\x08\x11\x22\x33\x44\x55\x66\x77\x88\x00\x00\x40", 17);
		put_byte(&d, len);
		put_zeros(&d, len);
		// On a connection with keys, so that it is tried.
		assert_int_equal(give_part(&c, &plain, &m, 0, 300), HT_QUIC_MORE);
		assert_int_equal(give(&c, span(&d)), HT_QUIC_NO_KEY);
		expect_message(&c, &m);
		ht_quic_drop(quic, &c);
	}
}

// --- Which keys

static void id_of_the_server(void **state) {
	(void)state;
	struct buf m, hello = {.len = 0};
	message(&m, 900, 1);
	for (int seen = 0; seen < 2; seen++) {
		struct ht_quic_conn c = {0};
		assert_int_equal(give_part(&c, &plain, &m, 0, 400), HT_QUIC_MORE);
		if (seen) {
			struct buf d = {.len = 0};
			struct initial s = plain;
			s.dcid = ID_CLIENT;
			s.scid = ID_SERVER;
			s.key_id = ID_A;
			s.server = true;
			put_crypto(&hello, &m, 0, 50);
			seal(&d, &s, &hello);
			give_server(&c, span(&d));
			assert_true(c.server_cid_known);
		}
		// RFC 9001 5.2: the keys stay.
		struct initial in = plain;
		in.dcid = ID_SERVER;
		in.key_id = ID_A;
		in.pn = 1;
		assert_int_equal(give_part(&c, &in, &m, 400, 800), HT_QUIC_MORE);
		assert_int_equal(give_part(&c, &in, &m, 800, 900), HT_QUIC_MORE);
		expect_message(&c, &m);
		assert_int_equal(c.odcid_len, 8);
		assert_memory_equal(c.odcid, ID_A.p, 8);
		assert_int_equal(c.server_cid_len, ID_SERVER.len);
		assert_memory_equal(c.server_cid, ID_SERVER.p, ID_SERVER.len);
		assert_int_equal(c.undecryptable, 0);
		ht_quic_drop(quic, &c);
	}
}

// put_retry makes a Retry (RFC 9001 5.8) that answers `odcid`.
static void
put_retry(struct buf *d, struct ht_span odcid, struct ht_span dcid, struct ht_span scid) {
	struct buf pseudo = {.len = 0};
	put_byte(&pseudo, (unsigned)odcid.len);
	put_span(&pseudo, odcid);
	size_t start = pseudo.len;
	put(&pseudo, "\xf0\x00\x00\x00\x01", 5);
	put_byte(&pseudo, (unsigned)dcid.len);
	put_span(&pseudo, dcid);
	put_byte(&pseudo, (unsigned)scid.len);
	put_span(&pseudo, scid);
	put(&pseudo, "a new token", 11);
	struct ht_initial_keys k;
	memcpy(k.key, ht_quic_retry_keys[HT_RETRY_V1].key, 16);
	seal_gcm(&pseudo, &k, ht_quic_retry_keys[HT_RETRY_V1].nonce, 0, NONE);
	put(d, pseudo.p + start, pseudo.len - start);
}

static void retry(void **state) {
	(void)state;
	struct buf m, m2;
	message(&m, 900, 1);
	message(&m2, 900, 2);
	static const struct {
		const char *name;
		bool seen, consumed, whole, another;
	} cases[] = {
		{"the Retry was seen", true, false, true, false},
		{"it was not seen", false, false, true, false},
		{"the hello was not complete", true, false, false, false},
		{"not seen and not complete", false, false, false, false},
		{"the hello was consumed", true, true, true, false},
		{"consumed, and another comes", true, true, true, true},
		{"not complete, and another comes", true, false, false, true},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_quic_conn c = {0};
		struct initial in = plain;
		print_message("# %s\n", cases[i].name);
		size_t first = cases[i].whole ? 900 : 500;
		assert_int_equal(give_part(&c, &in, &m, 0, first), HT_QUIC_MORE);
		if (cases[i].consumed)
			ht_quic_consume(quic, &c, 900);
		if (cases[i].seen) {
			struct buf d = {.len = 0};
			put_retry(&d, ID_A, ID_CLIENT, ID_B);
			give_server(&c, span(&d));
			assert_true(c.retry_cid_known);
		}
		// RFC 9000 17.2.5.3: the id of the Retry, its token, the next packet numbers.
		in.dcid = ID_B;
		in.token = HT_SPAN_STR("a new token");
		in.pn = 1;
		const struct buf *again = cases[i].another ? &m2 : &m;
		assert_int_equal(give_part(&c, &in, again, 0, 600), HT_QUIC_MORE);
		assert_true(c.retried);
		in.pn = 2;
		assert_int_equal(give_part(&c, &in, again, 600, 900), HT_QUIC_MORE);
		if (cases[i].consumed && !cases[i].another)
			assert_int_equal(ht_ranges_end(&c.crypto.have), 0);
		else
			expect_message(&c, again);
		assert_int_equal(c.crypto_base, cases[i].consumed && !cases[i].another ? 900 : 0);
		assert_memory_equal(c.odcid, ID_A.p, 8);
		assert_int_equal(c.token_len, 0);
		assert_int_equal(c.undecryptable, 0);
		// A late first Initial changes nothing, but it is noted.
		c.repeated = false;
		assert_int_equal(give_part(&c, &plain, &m, 0, 100), HT_QUIC_MORE);
		assert_true(c.repeated);
		assert_int_equal(c.undecryptable, 0);
		// And the server's id after that.
		in.key_id = ID_B;
		in.dcid = ID_SERVER;
		in.pn = 3;
		assert_int_equal(give_part(&c, &in, again, 0, 600), HT_QUIC_MORE);
		assert_int_equal(c.undecryptable, 0);
		ht_quic_drop(quic, &c);
	}
}

// A Retry was answered and the first Initial comes after all, out of order: only the flow's first
// id opens it, and it must not be lost as an error of the second.
static void retry_first_initial_unseen(void **state) {
	(void)state;
	struct ht_quic_conn c = {0};
	struct buf m;
	message(&m, 900, 1);
	struct initial in = plain;
	in.dcid = HT_SPAN_STR("four"); // RFC 9000 17.2.5.3: an id of any length
	in.token = HT_SPAN_STR("token");
	in.pn = 1;
	assert_int_equal(give_part(&c, &in, &m, 0, 900), HT_QUIC_MORE);
	expect_message(&c, &m);
	assert_int_equal(c.odcid_len, 4);
	assert_int_equal(c.token_len, 5);
	ht_quic_drop(quic, &c);
}

// draft-ietf-quic-transport-22 17.2.5: no tag, the id it answers stands in clear.
static void retry_of_old_drafts(void **state) {
	(void)state;
	struct buf m;
	message(&m, 900, 1);
	static const struct {
		const char *name;
		struct ht_span odcid;
		bool right;
	} cases[] = {
		{"the right id", {(const uint8_t *)"\x11\x22\x33\x44\x55\x66\x77\x88", 8}, true},
		{"another id", {(const uint8_t *)"\x11\x22\x33\x44\x55\x66\x77\x89", 8}, false},
		{"none", {(const uint8_t *)"", 0}, false},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_quic_conn c = {0};
		struct buf d = {.len = 0};
		struct initial in = plain;
		in.version = 0xff000016;
		print_message("# %s\n", cases[i].name);
		assert_int_equal(give_part(&c, &in, &m, 0, 500), HT_QUIC_MORE);
		put(&d,
		    "\xf0\xff\x00\x00\x16\x03"
		    "cli\x0c",
		    10);
		put_span(&d, ID_B);
		put_byte(&d, (unsigned)cases[i].odcid.len);
		put_span(&d, cases[i].odcid);
		put(&d, "token", 5);
		for (size_t n = 0; n < d.len - 5; n++) {
			give_server(&c, HT_SPAN(d.p, n));
			assert_false(c.retry_cid_known);
		}
		give_server(&c, span(&d));
		assert_int_equal(c.retry_cid_known, cases[i].right);
		ht_quic_drop(quic, &c);
	}
}

// RFC 9000 17.2.5.2: one Retry, and none behind an Initial of the server.
static void retry_too_late(void **state) {
	(void)state;
	struct buf m, f = {.len = 0}, d = {.len = 0}, r = {.len = 0};
	struct ht_quic_conn c = {0};
	message(&m, 300, 1);
	assert_int_equal(give_part(&c, &plain, &m, 0, 300), HT_QUIC_MORE);
	struct initial in = plain;
	in.dcid = ID_CLIENT;
	in.scid = ID_SERVER;
	in.key_id = ID_A;
	in.server = true;
	put_crypto(&f, &m, 0, 100);
	put(&d,
	    "\xff\x6f\x7d\xc0\xfd\x03"
	    "cli\x00",
	    10); // behind a SCONE header
	seal(&d, &in, &f);
	give_server(&c, span(&d));
	assert_true(c.server_cid_known);
	put_retry(&r, ID_A, ID_CLIENT, ID_B);
	give_server(&c, span(&r));
	assert_false(c.retry_cid_known);
	ht_quic_drop(quic, &c);

	// What is for another client, or came before the client was seen, is not looked at.
	give_server(&c, span(&d));
	assert_false(c.server_cid_known);
	in = plain;
	in.scid = HT_SPAN_STR("another");
	assert_int_equal(give_part(&c, &in, &m, 0, 300), HT_QUIC_MORE);
	give_server(&c, span(&d));
	assert_false(c.server_cid_known);
	ht_quic_drop(quic, &c);
}

// RFC 9000 6.2: after Version Negotiation the client begins a connection, maybe with a token and
// with packet numbers that go on.
static void version_negotiation(void **state) {
	(void)state;
	static const uint8_t packet[] = "\x80\x00\x00\x00\x00\x03"
					"cli\x08"
					"\x11\x22\x33\x44\x55\x66\x77\x88\x00\x00\x00\x01";
	struct ht_quic_conn c = {0};
	struct buf m;
	message(&m, 300, 1);
	struct initial in = plain;
	in.version = V2;
	assert_int_equal(give_part(&c, &in, &m, 0, 200), HT_QUIC_MORE);
	give_server(&c, HT_SPAN(packet, sizeof(packet) - 1));
	assert_true(c.version_negotiated);
	in = plain;
	in.dcid = ID_B;
	in.token = HT_SPAN_STR("token");
	in.pn = 9;
	assert_int_equal(give_part(&c, &in, &m, 0, 300), HT_QUIC_NEW);
	ht_quic_drop(quic, &c);
}

static void leave_and_resume(void **state) {
	(void)state;
	struct buf m, m2, both = {.len = 0};
	message(&m, 300, 1);
	message(&m2, 350, 2);
	put_span(&both, span(&m));
	put_span(&both, span(&m2));
	for (int retried = 0; retried < 2; retried++) {
		struct ht_quic_conn c = {0};
		struct ht_quic_past past;
		struct initial in = plain;
		assert_int_equal(give_part(&c, &in, &m, 0, 300), HT_QUIC_MORE);
		if (retried) {
			in.dcid = ID_B;
			in.token = HT_SPAN_STR("token");
			in.pn = 1;
			assert_int_equal(give_part(&c, &in, &m, 0, 300), HT_QUIC_MORE);
			assert_true(c.retried);
			in.key_id = ID_B;
		} else {
			in.key_id = ID_A;
		}
		ht_quic_leave(&past, &c, 300);
		ht_quic_drop(quic, &c);

		// The second hello, after a repeat of the first, to the id of the server.
		ht_quic_resume(quic, &c, &past);
		in.dcid = ID_SERVER;
		in.pn = 2;
		assert_false(c.repeated);
		assert_int_equal(give_part(&c, &in, &both, 0, 300), HT_QUIC_MORE);
		assert_true(c.repeated);
		assert_null(c.crypto.buf);
		assert_int_equal(give_part(&c, &in, &both, 250, 650), HT_QUIC_MORE);
		expect_message(&c, &m2);
		assert_int_equal(c.crypto_base, 300);
		assert_memory_equal(c.odcid, ID_A.p, 8);
		assert_int_equal(c.retried, retried);
		assert_int_equal(c.undecryptable, 0);
		ht_quic_drop(quic, &c);

		// Another connection is told from it.
		ht_quic_resume(quic, &c, &past);
		in = plain;
		in.dcid = HT_SPAN_STR("otherid8");
		assert_int_equal(give_part(&c, &in, &m2, 0, 350), HT_QUIC_NEW);
		ht_quic_drop(quic, &c);
	}
	// Nothing was opened: nothing is left, and nothing goes on.
	struct ht_quic_conn c = {0};
	struct ht_quic_past past;
	ht_quic_leave(&past, &c, 0);
	ht_quic_resume(quic, &c, &past);
	assert_int_equal(c.key_version, 0);
	assert_int_equal(give_part(&c, &plain, &m, 0, 300), HT_QUIC_MORE);
	expect_message(&c, &m);
	ht_quic_drop(quic, &c);
	ht_quic_free(NULL);
}

static void compatible_version(void **state) {
	(void)state;
	struct ht_quic_conn c = {0};
	struct buf m;
	message(&m, 900, 1);
	assert_int_equal(give_part(&c, &plain, &m, 0, 400), HT_QUIC_MORE);
	// RFC 9369 4.1: the server answered in v2; the keys come from the same id by the salt of
	// v2.
	struct initial in = plain;
	in.version = V2;
	in.dcid = ID_SERVER;
	in.key_id = ID_A;
	in.pn = 1;
	assert_int_equal(give_part(&c, &in, &m, 400, 900), HT_QUIC_MORE);
	expect_message(&c, &m);
	assert_int_equal(c.version, V2);
	assert_int_equal(c.undecryptable, 0);
	// A late one in the first version is no new connection.
	assert_int_equal(give_part(&c, &plain, &m, 0, 400), HT_QUIC_MORE);
	assert_int_equal(give_part(&c, &in, &m, 0, 400), HT_QUIC_MORE);
	expect_message(&c, &m);
	assert_int_equal(c.version, V2);
	ht_quic_drop(quic, &c);
}

static void another_connection(void **state) {
	(void)state;
	struct buf m, m2;
	message(&m, 900, 1);
	message(&m2, 900, 2);
	static const struct {
		const char *name;
		struct ht_span dcid, scid, token;
		uint32_t version, pn;
	} cases[] = {
		{"another id",
		 {(const uint8_t *)"otherid8", 8},
		 {(const uint8_t *)"cli", 3},
		 {0},
		 V1,
		 5},
		{"with a token and another scid",
		 {(const uint8_t *)"otherid8", 8},
		 {(const uint8_t *)"new", 3},
		 {(const uint8_t *)"token", 5},
		 V1,
		 5},
		{"with a token and counting from 0",
		 {(const uint8_t *)"otherid8", 8},
		 {(const uint8_t *)"cli", 3},
		 {(const uint8_t *)"token", 5},
		 V1,
		 0},
		{"the same id in another version",
		 {(const uint8_t *)"\x11\x22\x33\x44\x55\x66\x77\x88", 8},
		 {(const uint8_t *)"cli", 3},
		 {0},
		 V2,
		 1},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_quic_conn c = {0};
		struct initial in = plain;
		in.pn = 1;
		print_message("# %s\n", cases[i].name);
		assert_int_equal(give_part(&c, &in, &m, 0, 500), HT_QUIC_MORE);
		in.dcid = cases[i].dcid;
		in.scid = cases[i].scid;
		in.token = cases[i].token;
		in.version = cases[i].version;
		in.pn = cases[i].pn;
		assert_int_equal(give_part(&c, &in, &m2, 0, 900), HT_QUIC_NEW);
		assert_int_equal(ht_ranges_prefix(&c.crypto.have), 500);
		assert_memory_equal(c.odcid, ID_A.p, 8);
		ht_quic_drop(quic, &c);
		assert_int_equal(give_part(&c, &in, &m2, 0, 900), HT_QUIC_MORE);
		expect_message(&c, &m2);
		ht_quic_drop(quic, &c);
	}
}

// Two connections in one datagram are none that an endpoint sends. The second must not be told as
// new when the first was taken: given again, the datagram would say so for ever.
static void two_versions_in_a_datagram(void **state) {
	(void)state;
	struct ht_quic_conn c = {0};
	struct buf m, m2, f = {.len = 0}, f2 = {.len = 0}, d = {.len = 0};
	message(&m, 300, 1);
	message(&m2, 300, 2);
	put_crypto(&f, &m, 0, 300);
	put_crypto(&f2, &m2, 0, 300);
	struct initial in = plain;
	in.pad_to = 0;
	seal(&d, &in, &f);
	in.version = V2;
	in.pad_to = 1250;
	seal(&d, &in, &f2);
	assert_int_equal(give(&c, span(&d)), HT_QUIC_MORE);
	expect_message(&c, &m);
	ht_quic_drop(quic, &c);
}

static void second_hello(void **state) {
	(void)state;
	struct ht_quic_conn c = {0};
	struct buf m, m2, both = {.len = 0};
	message(&m, 300, 1);
	message(&m2, 350, 2);
	put_span(&both, span(&m));
	put_span(&both, span(&m2));
	assert_int_equal(give_part(&c, &plain, &both, 0, 300), HT_QUIC_MORE);
	// RFC 9001 4.7: it goes on where the first ended; here its end comes first.
	assert_int_equal(give_part(&c, &plain, &both, 500, 650), HT_QUIC_MORE);
	ht_quic_consume(quic, &c, 300);
	assert_int_equal(c.crypto_base, 300);
	assert_int_equal(c.packets, 0);
	assert_int_equal(ht_ranges_prefix(&c.crypto.have), 0);
	assert_int_equal(ht_ranges_end(&c.crypto.have), 350);
	assert_int_equal(give_part(&c, &plain, &both, 250, 500), HT_QUIC_MORE);
	expect_message(&c, &m2);
	ht_quic_consume(quic, &c, 350);
	assert_null(c.crypto.buf);
	assert_int_equal(give_part(&c, &plain, &both, 0, 650), HT_QUIC_MORE);
	assert_null(c.crypto.buf);
	ht_quic_consume(quic, &c, UINT32_MAX);
	assert_int_equal(c.crypto_base, UINT32_MAX);
	ht_quic_drop(quic, &c);
}

// --- Caps

static void caps(void **state) {
	(void)state;
	struct buf m;
	message(&m, 1000, 1);
	struct ht_quic_conn c = {0};
	struct buf f = {.len = 0};
	put_byte(&f, 0x06);
	put_varint(&f, 16384 - 10); // one byte more than max_bytes
	put_varint(&f, 11);
	put(&f, m.p, 11);
	put_crypto(&f, &m, 0, 10); // what comes behind it still counts
	assert_int_equal(give_frames(&c, &plain, &f), HT_QUIC_LIMIT);
	assert_int_equal(ht_ranges_prefix(&c.crypto.have), 10);
	ht_quic_drop(quic, &c);

	f.len = 0;
	for (size_t i = 0; i <= HT_RANGES_MAX; i++)
		put_crypto(&f, &m, 2 * i, 2 * i + 1);
	assert_int_equal(give_frames(&c, &plain, &f), HT_QUIC_LIMIT);
	assert_int_equal(c.crypto.have.num, HT_RANGES_MAX);
	ht_quic_drop(quic, &c);

	uint8_t *blocks[64];
	uint32_t sizes[64];
	size_t num = 0;
	while ((blocks[num] = ht_arena_get(arena, HT_ARENA_MAX_BLOCK, &sizes[num])) != NULL)
		num++;
	assert_int_equal(give_part(&c, &plain, &m, 0, 1000), HT_QUIC_NO_ROOM);
	assert_int_equal(c.packets, 0);
	while (num-- > 0)
		ht_arena_put(arena, blocks[num], sizes[num]);
	assert_int_equal(give_part(&c, &plain, &m, 0, 1000), HT_QUIC_MORE);
	expect_message(&c, &m);
	ht_quic_drop(quic, &c);
}

// --- Below the AEAD

static enum ht_quic_rc
frames(struct ht_quic_conn *c, struct ht_span payload, bool google, bool *new_bytes) {
	struct ht_quic_sink s
		= {.conn = c, .crypto = &c->crypto, .arena = arena, .max_bytes = 16384};
	uint8_t *cut = t_dup(payload.p, payload.len);
	struct ht_span copy = HT_SPAN(cut, payload.len);
	enum ht_quic_rc rc = google ? ht_gquic_frames(&s, copy) : ht_quic_frames(&s, copy);
	free(cut);
	*new_bytes = s.new_bytes;
	return rc;
}

static void frame_table(void **state) {
	(void)state;
	static const struct {
		const char *name, *hex;
		bool google;
		enum ht_quic_rc rc;
		uint32_t bytes;
	} cases[] = {
		{"no frame at all", "", false, HT_QUIC_BAD, 0},
		{"PADDING", "00 00 00", false, HT_QUIC_MORE, 0},
		{"PING", "01", false, HT_QUIC_MORE, 0},
		{"CRYPTO of no bytes", "06 00 00", false, HT_QUIC_MORE, 0},
		{"CRYPTO", "06 00 02 aa bb", false, HT_QUIC_MORE, 2},
		{"CRYPTO with long integers", "06 4000 80000002 aa bb", false, HT_QUIC_MORE, 2},
		{"CRYPTO that says more than is there", "06 00 03 aa bb", false, HT_QUIC_BAD, 0},
		{"CRYPTO of 2^62-1 bytes", "06 00 ffffffffffffffff aa", false, HT_QUIC_BAD, 0},
		{"CRYPTO that ends at 2^62-1", "06 fffffffffffffffe 01 aa", false, HT_QUIC_LIMIT,
		 0},
		{"CRYPTO that ends at 2^62", "06 ffffffffffffffff 01 aa", false, HT_QUIC_BAD, 0},
		{"CRYPTO far away", "06 80100000 01 aa 06 00 01 bb", false, HT_QUIC_LIMIT, 1},
		{"ACK", "02 05 00 00 01 06 00 01 aa", false, HT_QUIC_MORE, 1},
		{"ACK of ranges", "02 05 00 02 01 00 00 01 01 06 00 01 aa", false, HT_QUIC_MORE, 1},
		{"ACK of ranges, cut", "02 05 00 02 01 00 00 01", false, HT_QUIC_BAD, 0},
		{"ACK of 2^62-1 ranges", "02 05 00 ffffffffffffffff 01 00", false, HT_QUIC_BAD, 0},
		{"ACK with ECN", "03 05 00 00 01 01 02 03 01", false, HT_QUIC_MORE, 0},
		{"ACK with ECN, cut", "03 05 00 00 01 01 02", false, HT_QUIC_BAD, 0},
		{"CONNECTION_CLOSE", "1c 0a 06 03 61 62 63 00", false, HT_QUIC_MORE, 0},
		{"CONNECTION_CLOSE, cut", "1c 0a 06 04 61 62 63", false, HT_QUIC_BAD, 0},
		{"its application kind", "1d 0a 00", false, HT_QUIC_BAD, 0},
		{"STREAM", "08 00 01 aa", false, HT_QUIC_BAD, 0},
		{"HANDSHAKE_DONE", "1e", false, HT_QUIC_BAD, 0},
		{"a type in two bytes", "40 06 00 01 aa", false, HT_QUIC_BAD, 0},
		{"a bad frame behind CRYPTO", "06 00 01 aa 1e", false, HT_QUIC_BAD, 1},
		{"gQUIC CRYPTO", "08 00 02 aa bb", true, HT_QUIC_MORE, 2},
		{"IETF CRYPTO in gQUIC", "06 00 02 aa bb", true, HT_QUIC_BAD, 0},
		{"gQUIC PADDING and PING", "00 00 07 00", true, HT_QUIC_MORE, 0},
		{"gQUIC nothing", "", true, HT_QUIC_BAD, 0},
		{"gQUIC close", "02 00000019 0003 616263", true, HT_QUIC_MORE, 0},
		{"gQUIC close, cut", "02 00000019 0003 6162", true, HT_QUIC_BAD, 0},
		{"gQUIC ACK", "40 05 0000 01 00 08 00 01 aa", true, HT_QUIC_MORE, 1},
		{"gQUIC ACK, long, of blocks", "65 0005 0000 02 0001 01 0001 01 0001 00", true,
		 HT_QUIC_MORE, 0},
		{"gQUIC ACK with times", "40 05 0000 01 02 00 00000000 00 0000", true, HT_QUIC_MORE,
		 0},
		{"gQUIC ACK with times, cut", "40 05 0000 01 02 00 00000000 00 00", true,
		 HT_QUIC_BAD, 0},
		{"gQUIC STREAM", "a0 01 00 01 aa", true, HT_QUIC_BAD, 0},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_quic_conn c = {0};
		uint8_t in[64];
		bool new_bytes;
		size_t n = t_unhex(in, sizeof(in), cases[i].hex);
		print_message("# %s\n", cases[i].name);
		assert_int_equal(
			frames(&c, HT_SPAN(in, n), cases[i].google, &new_bytes), cases[i].rc
		);
		assert_int_equal(ht_ranges_prefix(&c.crypto.have), cases[i].bytes);
		assert_int_equal(new_bytes, cases[i].bytes > 0);
		ht_quic_drop(quic, &c);
	}
}

static void cut_frames(void **state) {
	(void)state;
	for (int google = 0; google < 2; google++) {
		struct buf m, f = {.len = 0};
		message(&m, 60, 1);
		if (google)
			put(&f, "\x40\x05\x00\x00\x01\x00\x07", 7);
		else
			put(&f, "\x03\x05\x00\x01\x00\x01\x01\x01\x02\x03\x01\x00\x00\x00", 14);
		for (size_t lo = 0; lo < 60; lo += 20) {
			size_t at = f.len;
			put_crypto(&f, &m, lo, lo + 20);
			f.p[at] = google ? 0x08 : 0x06;
		}
		put_zeros(&f, 70);
		for (size_t n = 0; n < f.len; n++) {
			struct ht_quic_conn c = {0};
			bool new_bytes;
			enum ht_quic_rc rc = frames(&c, HT_SPAN(f.p, n), google, &new_bytes);
			assert_true(rc == HT_QUIC_BAD || rc == HT_QUIC_MORE);
			uint32_t have = ht_ranges_prefix(&c.crypto.have);
			assert_true(have % 20 == 0 && have <= 60);
			if (have > 0)
				assert_memory_equal(c.crypto.buf, m.p, have);
			ht_quic_drop(quic, &c);
		}
		struct ht_quic_conn c = {0};
		bool new_bytes;
		assert_int_equal(frames(&c, span(&f), google, &new_bytes), HT_QUIC_MORE);
		expect_message(&c, &m);
		ht_quic_drop(quic, &c);
	}
}

static void runs_of_zeros(void **state) {
	(void)state;
	for (size_t n = 0; n < 200; n++)
		for (size_t at = 0; at <= n; at++) {
			uint8_t *z = calloc(n > 0 ? n : 1, 1);
			assert_non_null(z);
			if (at < n)
				z[at] = (uint8_t)(1u << at % 8);
			assert_int_equal(ht_quic_zeros(HT_SPAN(z, n)), at);
			free(z);
		}
}

// --- What a datagram is

static void peek_table(void **state) {
	(void)state;
	static const struct {
		const char *name, *hex;
		enum ht_quic_kind kind;
	} cases[] = {
		{"nothing", "", HT_QUIC_NOT},
		{"a short header", "40 00000001 00 00", HT_QUIC_NOT},
		{"v1 Initial", "c0 00000001 00 00", HT_QUIC_INITIAL},
		{"v1 Initial without the fixed bit", "80 00000001 00 00", HT_QUIC_INITIAL},
		{"v1 Handshake", "e0 00000001 00 00", HT_QUIC_LONG},
		{"v1 0-RTT", "d0 00000001 00 00", HT_QUIC_LONG},
		{"v1 Retry", "f0 00000001 00 00", HT_QUIC_RETRY},
		{"v2 Initial", "d0 6b3343cf 00 00", HT_QUIC_INITIAL},
		{"v2 Retry", "c0 6b3343cf 00 00", HT_QUIC_RETRY},
		{"v2 0-RTT", "e0 6b3343cf 00 00", HT_QUIC_LONG},
		{"v2 Handshake", "f0 6b3343cf 00 00", HT_QUIC_LONG},
		{"Handshake, then an Initial", "e0 00000001 00 00 01 aa c0 00000001 00 00 00 01 aa",
		 HT_QUIC_INITIAL},
		{"Handshake, then a cut Initial",
		 "e0 00000001 00 00 01 aa c0 00000001 00 00 00 02 aa", HT_QUIC_LONG},
		{"an id of 20", "c0 00000001 14 0000000000000000000000000000000000000000 00",
		 HT_QUIC_INITIAL},
		{"an id of 21", "c0 00000001 15 000000000000000000000000000000000000000000 00",
		 HT_QUIC_NOT},
		{"an id that is cut", "c0 00000001 02 00", HT_QUIC_NOT},
		{"Version Negotiation", "80 00000000 00 00 00000001 6b3343cf",
		 HT_QUIC_VERSION_NEGOTIATION},
		{"Version Negotiation without a version", "80 00000000 00 00", HT_QUIC_NOT},
		{"Version Negotiation, cut", "80 00000000 00 00 000000", HT_QUIC_NOT},
		{"a greased version", "c0 1a2a3a4a 00 00", HT_QUIC_GREASED},
		{"an unknown version", "c0 00000002 00 00", HT_QUIC_UNKNOWN_VERSION},
		{"unknown without the fixed bit", "80 00000002 00 00", HT_QUIC_NOT},
		{"SCONE alone", "ff 6f7dc0fd 00 00", HT_QUIC_NOT},
		{"SCONE, then an Initial", "ff ef7dc0fd 00 00 c0 00000001 00 00", HT_QUIC_INITIAL},
		{"Q043", "09 0011223344556677 51303433 01", HT_QUIC_GQUIC},
		{"Q046", "c3 51303436 50 0011223344556677 00000001", HT_QUIC_GQUIC},
		{"Q050 Initial", "c0 51303530 00 00", HT_QUIC_INITIAL},
		{"Q046 by its version, in the wrong form", "09 0011223344556677 51303436 01",
		 HT_QUIC_NOT},
		{"Q0 and no digits", "09 0011223344556677 51303a3a 01", HT_QUIC_NOT},
		{"STUN", "00 01 00 00 21 12 a4 42 00 00 00 00 00 00 00 00 00 00 00 00",
		 HT_QUIC_NOT},
		{"DTLS", "16 fe fd 00 00 00 00 00 00 00 00 00 70 01 00 00", HT_QUIC_NOT},
		{"RTP", "80 60 12 34 00 01 02 03 04 05 06 07", HT_QUIC_NOT},
		{"OpenVPN", "38 01 02 03 04 05 06 07 08 00 00 00 00 00", HT_QUIC_NOT},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		uint8_t in[64];
		size_t n = t_unhex(in, sizeof(in), cases[i].hex);
		print_message("# %s\n", cases[i].name);
		for (size_t cut = 0; cut <= n; cut++) {
			uint8_t *d = t_dup(in, cut);
			struct ht_quic_header h;
			enum ht_quic_kind kind = ht_quic_peek(&h, HT_SPAN(d, cut));
			assert_int_equal(h.kind, kind);
			assert_non_null(h.dcid.p);
			assert_non_null(h.scid.p);
			if (cut == n)
				assert_int_equal(kind, cases[i].kind);
			free(d);
		}
	}
}

// --- gQUIC

static void put_le32(struct buf *b, uint32_t v) {
	for (int i = 0; i < 4; i++)
		put_byte(b, v >> 8 * i & 0xff);
}

static void put_chlo(struct buf *b) {
	put(b, "CHLO\x04\x00\x00\x00", 8);
	put(b, "PAD\0", 4);
	put_le32(b, 5);
	put(b, "SNI\0", 4);
	put_le32(b, 16);
	put(b, "VER\0", 4);
	put_le32(b, 20);
	put(b, "UAID", 4);
	put_le32(b, 29);
	put(b, "-----example.comQ043Chrome/42", 29);
}

static void expect_chlo(const struct ht_gquic_hello *h, uint32_t version) {
	assert_true(ht_span_eq(h->sni, HT_SPAN_STR("example.com")));
	assert_true(ht_span_eq(h->user_agent, HT_SPAN_STR("Chrome/42")));
	assert_true(ht_span_eq(h->versions, HT_SPAN_STR("Q043")));
	assert_int_equal(h->version, version);
	assert_int_equal(h->message.len, 8 + 4 * 8 + 29);
}

static void gquic_in_clear(void **state) {
	(void)state;
	static const struct {
		const char *name;
		uint32_t version;
		const char *header; // to the first frame
		const char *frame; // to the CHLO
	} cases[] = {
		{"Q043", 0x51303433, "09 0011223344556677 51303433 01 000102030405060708090a0b",
		 "a0 01 0045"},
		{"Q043, 4-byte packet number", 0x51303433,
		 "29 0011223344556677 51303433 00000001 000102030405060708090a0b", "a0 01 0045"},
		{"Q043 behind an ACK and STOP_WAITING", 0x51303433,
		 "0d 0011223344556677 51303433 02 000102030405060708090a0b",
		 "40 01 0000 01 00 06 01 07 a0 01 0045"},
		{"Q043 with an offset and a wide id", 0x51303433,
		 "09 0011223344556677 51303433 01 000102030405060708090a0b",
		 "a7 00000001 0000 0045"},
		{"Q043 without a data length", 0x51303433,
		 "09 0011223344556677 51303433 01 000102030405060708090a0b", "80 01"},
		{"Q034, little-endian", 0x51303334,
		 "0d 0011223344556677 51303334 01 000102030405060708090a0b", "a0 01 4500"},
		{"Q033, with private flags", 0x51303333,
		 "09 0011223344556677 51303333 01 000102030405060708090a0b 00", "a0 01 4500"},
		{"Q046", 0x51303436,
		 "c3 51303436 50 0011223344556677 00000001 000102030405060708090a0b", "a0 01 0045"},
		{"Q044", 0x51303434,
		 "ff 51303434 50 0011223344556677 00000001 000102030405060708090a0b", "a0 01 0045"},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct buf d = {.len = 0};
		struct ht_gquic_hello h;
		struct ht_quic_header q;
		print_message("# %s\n", cases[i].name);
		d.len = t_unhex(d.p, sizeof(d.p), cases[i].header);
		d.len += t_unhex(d.p + d.len, sizeof(d.p) - d.len, cases[i].frame);
		put_chlo(&d);
		size_t whole = d.len;
		assert_int_equal(ht_quic_peek(&q, span(&d)), HT_QUIC_GQUIC);
		assert_int_equal(q.version, cases[i].version);
		assert_true(ht_span_eq(q.dcid, HT_SPAN_STR("\x00\x11\x22\x33\x44\x55\x66\x77")));
		put_zeros(&d, 100);
		assert_int_equal(ht_gquic_chlo(&h, span(&d)), HT_OK);
		expect_chlo(&h, cases[i].version);
		for (size_t n = 0; n < d.len; n++) {
			uint8_t *cut = t_dup(d.p, n);
			enum ht_rc rc = ht_gquic_chlo(&h, HT_SPAN(cut, n));
			assert_true(rc == (n >= whole ? HT_OK : rc) && (n >= whole || rc != HT_OK));
			free(cut);
		}
	}
}

static void gquic_nothing(void **state) {
	(void)state;
	static const struct {
		const char *name, *hex;
	} cases[] = {
		{"a list of versions", "09 0011223344556677 51303335 51303337 51303338 51303339"},
		{"a reset", "0b 0011223344556677 51303433 01"},
		{"an encrypted packet",
		 "0d 0011223344556677 51303433 02 547dd276b9afad445408e315 13d5 6a6a"},
		{"a frame of another stream",
		 "09 0011223344556677 51303433 01 000102030405060708090a0b a0 03 0004 43484c4f"},
		{"a stream offset",
		 "09 0011223344556677 51303433 01 000102030405060708090a0b a4 01 "
		 "0001 0004 43484c4f"},
		{"ACK before Q034",
		 "09 0011223344556677 51303333 01 000102030405060708090a0b 00 40"},
		{"an ACK that is cut",
		 "09 0011223344556677 51303433 01 000102030405060708090a0b 40 01"},
		{"nothing but PADDING and PING",
		 "09 0011223344556677 51303433 01 000102030405060708090a0b 00 00 07 00"},
		{"STOP_WAITING that is cut",
		 "29 0011223344556677 51303433 00000001 000102030405060708090a0b 06 00"},
		{"a STREAM frame that is cut",
		 "09 0011223344556677 51303433 01 000102030405060708090a0b a0 01 00"},
		{"a server's message",
		 "09 0011223344556677 51303433 01 000102030405060708090a0b a0 01 0004 53484c4f"},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		uint8_t in[64];
		struct ht_gquic_hello h;
		size_t n = t_unhex(in, sizeof(in), cases[i].hex);
		uint8_t *d = t_dup(in, n);
		print_message("# %s\n", cases[i].name);
		assert_int_equal(ht_gquic_chlo(&h, HT_SPAN(d, n)), HT_SKIP);
		free(d);
	}
}

static void gquic_messages(void **state) {
	(void)state;
	struct buf m = {.len = 0};
	struct ht_gquic_hello h;
	put_chlo(&m);
	for (size_t n = 0; n < m.len; n++) {
		uint8_t *cut = t_dup(m.p, n);
		assert_int_equal(ht_gquic_message(&h, HT_SPAN(cut, n)), HT_MORE);
		free(cut);
	}
	assert_int_equal(ht_gquic_message(&h, span(&m)), HT_OK);
	expect_chlo(&h, 0x51303433); // by its VER tag
	static const struct {
		const char *name, *hex;
		enum ht_rc rc;
	} cases[] = {
		{"no tag", "43484c4f 0000 0000", HT_OK},
		{"not a CHLO", "52454a00 0000 0000", HT_SKIP},
		{"not a CHLO by its second byte", "4344", HT_SKIP},
		{"129 tags", "43484c4f 8100 0000", HT_BAD},
		{"ends that go back", "43484c4f 0200 0000 534e4900 02000000 56455200 01000000 aaaa",
		 HT_BAD},
		{"an end past all", "43484c4f 0100 0000 534e4900 ffffffff aaaa", HT_MORE},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		uint8_t in[64];
		size_t n = t_unhex(in, sizeof(in), cases[i].hex);
		uint8_t *d = t_dup(in, n);
		print_message("# %s\n", cases[i].name);
		assert_int_equal(ht_gquic_message(&h, HT_SPAN(d, n)), cases[i].rc);
		free(d);
	}
}

static void gquic_encrypted(void **state) {
	(void)state;
	static const uint32_t versions[] = {Q050, 0x54303530, 0x54303531};
	for (size_t i = 0; i < HT_ARRAY_LEN(versions); i++) {
		struct ht_quic_conn c = {0};
		struct buf m = {.len = 0}, f = {.len = 0};
		struct ht_gquic_hello h;
		put_chlo(&m);
		struct initial in = plain;
		in.version = versions[i];
		for (size_t lo = 0; lo < m.len; lo += 23) {
			size_t at = f.len, hi = lo + 23 < m.len ? lo + 23 : m.len;
			put_crypto(&f, &m, lo, hi);
			f.p[at] = 0x08;
			put_byte(&f, 0x07);
		}
		assert_int_equal(give_frames(&c, &in, &f), HT_QUIC_MORE);
		expect_message(&c, &m);
		assert_int_equal(ht_gquic_message(&h, HT_SPAN(c.crypto.buf, m.len)), HT_OK);
		expect_chlo(&h, 0x51303433);
		ht_quic_drop(quic, &c);
	}
}

static void size_of_a_connection(void **state) {
	(void)state;
	assert_true(sizeof(struct ht_quic_conn) <= 512);
}

// --- The server's side

// What is left of a hello of the id in `plain`, in V1.
static struct ht_quic_past past_of(void) {
	struct ht_quic_conn c = {0};
	struct buf m;
	struct ht_quic_past p;
	message(&m, 300, 1);
	assert_int_equal(give_part(&c, &plain, &m, 0, 300), HT_QUIC_MORE);
	ht_quic_leave(&p, &c, 300);
	ht_quic_drop(quic, &c);
	return p;
}

static enum ht_quic_rc
answer(struct ht_quic_answer *a, const struct ht_quic_past *p, struct ht_span d) {
	uint8_t *cut = t_dup(d.p, d.len);
	enum ht_quic_rc rc = ht_quic_answer(quic, a, p, HT_SPAN(cut, d.len));
	free(cut);
	return rc;
}

static const struct initial answering = {
	.version = V1,
	.key_id = {(const uint8_t *)"\x11\x22\x33\x44\x55\x66\x77\x88", 8},
	.dcid = {(const uint8_t *)"cli", 3},
	.scid = {(const uint8_t *)"server", 6},
	.server = true,
};

static enum ht_quic_rc answer_part(
	struct ht_quic_answer *a,
	const struct ht_quic_past *p,
	const struct initial *in,
	const struct buf *msg,
	size_t lo,
	size_t hi
) {
	struct buf f = {.len = 0}, d = {.len = 0};
	put_crypto(&f, msg, lo, hi);
	seal(&d, in, &f);
	return answer(a, p, span(&d));
}

static void expect_answer(const struct ht_quic_answer *a, const struct buf *msg) {
	assert_int_equal(ht_ranges_prefix(&a->crypto.have), msg->len);
	assert_memory_equal(a->crypto.buf, msg->p, msg->len);
}

// RFC 9001 A.3 and RFC 9369 A.3: a ServerHello of 90 bytes, by what is left of the client's hello.
static void rfc_answers(void **state) {
	(void)state;
	for (size_t i = 0; i < HT_ARRAY_LEN(rfc_examples); i++) {
		struct ht_quic_conn c = {0};
		struct ht_quic_answer a = {0}, r = {0};
		struct ht_quic_past past;
		uint8_t d[1500];
		size_t n = t_unhex(d, sizeof(d), rfc_examples[i].client);
		assert_int_equal(give(&c, HT_SPAN(d, n)), HT_QUIC_MORE);
		ht_quic_leave(&past, &c, 241);
		ht_quic_drop(quic, &c);
		// The client's own Initial is none of the server's.
		assert_int_equal(answer(&a, &past, HT_SPAN(d, n)), HT_QUIC_MORE);
		assert_int_equal(a.undecryptable, 0);

		n = t_unhex(d, sizeof(d), rfc_examples[i].server);
		for (size_t len = 1; len < n; len++) {
			(void)answer(&a, &past, HT_SPAN(d, len));
			assert_false(a.opened);
		}
		assert_int_equal(answer(&a, &past, HT_SPAN(d, n)), HT_QUIC_MORE);
		assert_true(a.opened);
		assert_int_equal(a.version, rfc_examples[i].version);
		assert_int_equal(a.packets, 1);
		assert_int_equal(ht_ranges_prefix(&a.crypto.have), 90);
		assert_memory_equal(a.crypto.buf, "\x02\x00\x00\x56\x03\x03\xee\xfc\xe7\xf7", 10);
		// Once more: nothing new.
		assert_int_equal(answer(&a, &past, HT_SPAN(d, n)), HT_QUIC_MORE);
		assert_int_equal(a.packets, 1);

		n = t_unhex(d, sizeof(d), rfc_examples[i].retry);
		d[(n - 1) % sizeof(d)] ^= 1;
		assert_int_equal(answer(&r, &past, HT_SPAN(d, n)), HT_QUIC_MORE);
		assert_false(r.retry);
		d[(n - 1) % sizeof(d)] ^= 1;
		for (size_t len = 1; len < n; len++) {
			struct ht_quic_answer short_one = {0};
			(void)answer(&short_one, &past, HT_SPAN(d, len));
			assert_false(short_one.retry);
		}
		assert_int_equal(answer(&r, &past, HT_SPAN(d, n)), HT_QUIC_MORE);
		assert_true(r.retry);
		assert_int_equal(r.retry_token_len, 5); // "token"
		assert_int_equal(r.retry_cid_len, 8);
		assert_memory_equal(r.retry_cid, "\xf0\x67\xa5\x50\x2a\x42\x62\xb5", 8);
		// None behind an Initial of the server.
		assert_int_equal(answer(&a, &past, HT_SPAN(d, n)), HT_QUIC_MORE);
		assert_false(a.retry);
		ht_quic_answer_drop(quic, &a);
	}
}

static void answer_in_pieces(void **state) {
	(void)state;
	struct ht_quic_answer a = {0};
	struct ht_quic_past past = past_of();
	struct buf m;
	message(&m, 900, 3);
	struct initial in = answering;
	in.pn = 1;
	assert_int_equal(answer_part(&a, &past, &in, &m, 500, 900), HT_QUIC_MORE);
	assert_int_equal(ht_ranges_prefix(&a.crypto.have), 0);
	assert_int_equal(answer_part(&a, &past, &answering, &m, 0, 500), HT_QUIC_MORE);
	expect_answer(&a, &m);
	assert_int_equal(a.packets, 2);
	// Another client's, and some that no key opens.
	in.dcid = HT_SPAN_STR("cl2");
	assert_int_equal(answer_part(&a, &past, &in, &m, 0, 900), HT_QUIC_MORE);
	in = answering;
	in.key_id = HT_SPAN_STR("another1");
	assert_int_equal(answer_part(&a, &past, &in, &m, 0, 900), HT_QUIC_NO_KEY);
	in = answering;
	in.server = false; // sealed by the client's keys
	assert_int_equal(answer_part(&a, &past, &in, &m, 0, 900), HT_QUIC_NO_KEY);
	assert_int_equal(a.undecryptable, 2);
	assert_int_equal(a.packets, 2);
	ht_quic_answer_drop(quic, &a);
}

static void answer_in_another_version(void **state) {
	(void)state;
	struct ht_quic_answer a = {0};
	struct ht_quic_past past = past_of();
	struct buf m;
	message(&m, 100, 3);
	struct initial in = answering;
	in.version = V2;
	assert_int_equal(answer_part(&a, &past, &in, &m, 0, 100), HT_QUIC_MORE);
	assert_int_equal(a.version, V2);
	expect_answer(&a, &m);
	ht_quic_answer_drop(quic, &a);
	// One in the client's version, and back: the keys that are kept are those of the last.
	a = (struct ht_quic_answer){0};
	for (size_t i = 0; i < 10; i++) {
		in.version = i % 4 < 2 ? V2 : V1;
		in.pn = (uint32_t)i;
		assert_int_equal(
			answer_part(&a, &past, &in, &m, 10 * i, 10 * i + 10), HT_QUIC_MORE
		);
		assert_int_equal(a.hello_keys.version, in.version);
	}
	expect_answer(&a, &m);
	assert_int_equal(a.futile, 0);
	ht_quic_answer_drop(quic, &a);
}

// A Retry behind the hello: the answer's keys come from the id in it. One by the keys of before is
// opened, too.
static void answer_behind_retry(void **state) {
	(void)state;
	struct ht_quic_answer a = {.retry = true, .retry_cid_len = 5};
	struct ht_quic_past past = past_of();
	struct buf m;
	memcpy(a.retry_cid, "retry", 5);
	message(&m, 100, 3);
	struct initial in = answering;
	in.key_id = HT_SPAN_STR("retry");
	assert_int_equal(answer_part(&a, &past, &in, &m, 0, 50), HT_QUIC_MORE);
	assert_int_equal(answer_part(&a, &past, &answering, &m, 50, 100), HT_QUIC_MORE);
	expect_answer(&a, &m);
	ht_quic_answer_drop(quic, &a);
}

static void answer_closes(void **state) {
	(void)state;
	struct ht_quic_answer a = {0};
	struct ht_quic_past past = past_of();
	struct buf f = {.len = 0}, d = {.len = 0};
	put_byte(&f, 0x1c);
	put_varint(&f, 0x128); // handshake_failure
	put_varint(&f, 6);
	put_varint(&f, 2);
	put(&f, "no", 2);
	seal(&d, &answering, &f);
	assert_int_equal(answer(&a, &past, span(&d)), HT_QUIC_MORE);
	assert_true(a.closed);
	assert_int_equal(a.close_error, 0x128);
	assert_int_equal(a.packets, 0);
	assert_int_equal(a.crypto.have.num, 0);
}

static void answer_negotiates(void **state) {
	(void)state;
	static const char negotiation[] = "\x80\0\0\0\0\x03"
					  "cli"
					  "\x08\x11\x22\x33\x44\x55\x66\x77\x88"
					  "\0\0\0\x01";
	struct ht_quic_answer a = {0};
	struct ht_quic_past past = past_of();
	struct buf d = {.len = 0};
	put(&d, negotiation, sizeof(negotiation) - 1);
	assert_int_equal(answer(&a, &past, span(&d)), HT_QUIC_MORE);
	assert_true(a.version_negotiation);
	a = (struct ht_quic_answer){0};
	d.p[12] ^= 1; // not the id the client sent to
	assert_int_equal(answer(&a, &past, span(&d)), HT_QUIC_MORE);
	assert_false(a.version_negotiation);
}

static void answer_is_bounded(void **state) {
	(void)state;
	struct ht_quic_answer a = {0};
	struct ht_quic_past past = past_of();
	struct buf f = {.len = 0}, d = {.len = 0};
	put_byte(&f, 0x06);
	put_varint(&f, 16384); // max_bytes
	put_varint(&f, 1);
	put_byte(&f, 0);
	seal(&d, &answering, &f);
	assert_int_equal(answer(&a, &past, span(&d)), HT_QUIC_LIMIT);
	assert_int_equal(ht_arena_used(arena), 0);
}

// Of packets that bring nothing the first 16 are tried, whatever they are.
static void answer_gives_up(void **state) {
	(void)state;
	const struct ht_quic_past past = past_of();
	struct initial bogus = answering;
	bogus.key_id = HT_SPAN_STR("another1");
	struct buf m, ping = {.len = 0}, retry = {.len = 0};
	message(&m, 100, 3);
	put_byte(&ping, 0x01);
	put_zeros(&ping, 30);
	put(&retry,
	    "\xf0\0\0\0\x01\x03"
	    "cli"
	    "\x06"
	    "server",
	    16);
	put_zeros(&retry, 40); // no tag
	for (unsigned kind = 0; kind < 3; kind++) {
		for (unsigned num = 15; num <= 16; num++) {
			struct ht_quic_answer a = {0};
			for (unsigned i = 0; i < num; i++) {
				struct buf d = {.len = 0};
				if (kind == 2)
					d = retry;
				else
					seal(&d, kind == 0 ? &bogus : &answering, &ping);
				assert_int_equal(
					answer(&a, &past, span(&d)),
					kind == 0 ? HT_QUIC_NO_KEY : HT_QUIC_MORE
				);
			}
			assert_int_equal(a.futile, num);
			assert_int_equal(a.undecryptable, kind == 0 ? num : 0);
			assert_int_equal(
				answer_part(&a, &past, &answering, &m, 0, 100),
				num < 16 ? HT_QUIC_MORE : HT_QUIC_LIMIT
			);
			assert_int_equal(a.packets, num < 16);
			ht_quic_answer_drop(quic, &a);
		}
	}
	// All in one datagram.
	struct ht_quic_answer a = {0};
	struct buf d = {.len = 0};
	for (unsigned i = 0; i < 20; i++)
		seal(&d, &bogus, &ping);
	assert_int_equal(answer(&a, &past, span(&d)), HT_QUIC_LIMIT);
	assert_int_equal(a.undecryptable, HT_QUIC_MAX_FUTILE);
}

// Without room the datagram may be given again, as often as it takes.
static void answer_without_room(void **state) {
	(void)state;
	const struct ht_quic_past past = past_of();
	struct ht_quic_answer a = {0};
	struct buf m, ping = {.len = 0}, hello = {.len = 0}, d = {.len = 0};
	message(&m, 100, 3);
	put_byte(&ping, 0x01);
	put_zeros(&ping, 30);
	put_crypto(&hello, &m, 0, 100);
	seal(&d, &answering, &ping);
	seal(&d, &answering, &hello);
	uint8_t *blocks[2];
	uint32_t size;
	for (unsigned i = 0; i < 2; i++) {
		blocks[i] = ht_arena_get(arena, HT_ARENA_MAX_BLOCK, &size);
		assert_non_null(blocks[i]);
	}
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(answer(&a, &past, span(&d)), HT_QUIC_NO_ROOM);
	for (unsigned i = 0; i < 2; i++)
		ht_arena_put(arena, blocks[i], size);
	assert_int_equal(answer(&a, &past, span(&d)), HT_QUIC_MORE);
	expect_answer(&a, &m);
	ht_quic_answer_drop(quic, &a);
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(rfc_packets),
		CASE(rfc_answers),
		CASE(answer_in_pieces),
		CASE(answer_in_another_version),
		CASE(answer_behind_retry),
		CASE(answer_closes),
		CASE(answer_negotiates),
		CASE(answer_is_bounded),
		CASE(answer_gives_up),
		CASE(answer_without_room),
		CASE(retry_that_answers_another),
		CASE(every_version),
		CASE(ids_and_token),
		CASE(no_beginning),
		CASE(any_order_of_pieces),
		CASE(shuffled_frames),
		CASE(first_bytes_win),
		CASE(datagram_walk),
		CASE(wrong_tag),
		CASE(greased_fixed_bit),
		CASE(cut_datagrams),
		CASE(short_packets),
		CASE(id_of_the_server),
		CASE(retry),
		CASE(retry_first_initial_unseen),
		CASE(retry_of_old_drafts),
		CASE(retry_too_late),
		CASE(version_negotiation),
		CASE(leave_and_resume),
		CASE(compatible_version),
		CASE(another_connection),
		CASE(two_versions_in_a_datagram),
		CASE(second_hello),
		CASE(caps),
		CASE(frame_table),
		CASE(cut_frames),
		CASE(runs_of_zeros),
		CASE(peek_table),
		CASE(gquic_in_clear),
		CASE(gquic_nothing),
		CASE(gquic_messages),
		CASE(gquic_encrypted),
		CASE(size_of_a_connection),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
