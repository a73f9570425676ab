// SPDX-License-Identifier: BSD-3-Clause

#include "gen.h"
#include "reader.h"

#include <ctype.h>

#define MAX_EXTENSIONS 40
#define X25519MLKEM768 0x11ec

void gen_bytes(struct gen_rng *r, uint8_t *out, size_t len) {
	for (size_t i = 0; i < len; i += 8) {
		uint64_t v = gen_u64(r);
		memcpy(out + i, &v, len - i < 8 ? len - i : 8);
	}
}

// --- templates ----------------------------------------------------------------------------------

static const char *const names[GEN_NUM_CLIENTS] = {
	[GEN_CHROMIUM] = "chromium",
	[GEN_FIREFOX] = "firefox",
	[GEN_OPENSSL_TLS13] = "openssl-tls13",
	[GEN_OPENSSL_TLS12] = "openssl-tls12",
	[GEN_CURL] = "curl-h2",
	[GEN_GNUTLS] = "gnutls",
	[GEN_CHROMIUM_QUIC] = "chromium-quic",
	[GEN_FIREFOX_QUIC] = "firefox-quic",
};

static int nibble(int c) {
	return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

// Lines of hex; a line that begins with # tells the origin.
static bool read_hex(uint8_t out[GEN_HELLO_MAX], size_t *len, const char *path) {
	FILE *f = fopen(path, "r");
	if (f == NULL) {
		perror(path);
		return false;
	}
	char line[512];
	bool ok = true;
	*len = 0;
	while (ok && fgets(line, sizeof(line), f) != NULL) {
		if (line[0] == '#')
			continue;
		for (const char *p = line; ok && *p != '\n' && *p != '\0'; p += 2) {
			int hi = nibble(p[0]), lo = hi < 0 ? -1 : nibble(p[1]);
			ok = lo >= 0 && *len < GEN_HELLO_MAX - 64; // a longer name must fit
			if (ok)
				out[(*len)++] = (uint8_t)(hi << 4 | lo);
		}
	}
	fclose(f);
	if (!ok || *len < 4 || out[0] != 1 || ht_be24(out + 1) != *len - 4) {
		fprintf(stderr, "%s: not one ClientHello in hex\n", path);
		return false;
	}
	return true;
}

bool gen_templates_load(struct gen_templates *t, const char *folder) {
	for (unsigned i = 0; i < GEN_NUM_CLIENTS; i++) {
		char path[1024];
		snprintf(path, sizeof(path), "%s/%s.hex", folder, names[i]);
		if (!read_hex(t->hello[i], &t->len[i], path))
			return false;
	}
	return true;
}

// --- writing ------------------------------------------------------------------------------------

// The message being written. A template is at most 64 bytes shorter than the room there is.
struct writer {
	uint8_t *out;
	size_t len;
};

static void put(struct writer *w, const uint8_t *p, size_t len) {
	memcpy(w->out + w->len, p, len);
	w->len += len;
}

static void put8(struct writer *w, uint8_t v) {
	w->out[w->len++] = v;
}

static void put16(struct writer *w, uint16_t v) {
	ht_put_be16(w->out + w->len, v);
	w->len += 2;
}

static void put_noise(struct writer *w, struct gen_rng *r, size_t len) {
	gen_bytes(r, w->out + w->len, len);
	w->len += len;
}

// Leaves room for a length of two bytes; `close16` fills it in.
static size_t open16(struct writer *w) {
	w->len += 2;
	return w->len;
}

static void close16(struct writer *w, size_t from) {
	ht_put_be16(w->out + from - 2, (uint16_t)(w->len - from));
}

// --- extensions ---------------------------------------------------------------------------------

// RFC 8701: what a client draws anew for each connection. One value stands for the cipher, one for
// the group (in both extensions that name it), two different ones for extensions.
struct grease {
	uint16_t cipher, group, version, sig_alg, extension[2];
	unsigned extensions_met;
};

static uint16_t draw_grease(struct gen_rng *r) {
	return (uint16_t)(0x0a0a + 0x1010 * gen_below(r, 16));
}

static uint16_t regrease(uint16_t v, uint16_t drawn) {
	return ht_is_grease(v) ? drawn : v;
}

static void put_name(struct writer *w, struct gen_rng *r) {
	static const char domain[] = ".example";
	size_t letters = 8 + gen_below(r, 25); // 16 to 40 with the domain (RFC 2606 2)
	put16(w, (uint16_t)(3 + letters + sizeof(domain) - 1));
	put8(w, 0);
	put16(w, (uint16_t)(letters + sizeof(domain) - 1));
	for (size_t i = 0; i < letters; i++)
		put8(w, (uint8_t)('a' + gen_below(r, 26)));
	put(w, (const uint8_t *)domain, sizeof(domain) - 1);
}

// RFC 8446 4.2.8: each share gets bytes of its own.
static bool put_shares(
	struct writer *w, struct ht_reader body, bool pq, const struct grease *g, struct gen_rng *r
) {
	struct ht_reader list, share;
	if (!ht_vec16(&body, &list))
		return false;
	size_t from = open16(w);
	while (list.left.len > 0) {
		uint16_t group;
		if (!ht_u16(&list, &group) || !ht_vec16(&list, &share))
			return false;
		if (group == X25519MLKEM768 && !pq)
			continue;
		put16(w, regrease(group, g->group));
		put16(w, (uint16_t)share.left.len);
		put_noise(w, r, ht_is_grease(group) ? 0 : share.left.len);
		if (ht_is_grease(group))
			put(w, share.left.p, share.left.len);
	}
	close16(w, from);
	return true;
}

static bool put_groups(struct writer *w, struct ht_reader body, bool pq, const struct grease *g) {
	struct ht_reader list;
	if (!ht_vec16(&body, &list))
		return false;
	size_t from = open16(w);
	uint16_t group;
	while (ht_u16(&list, &group))
		if (group != X25519MLKEM768 || pq)
			put16(w, regrease(group, g->group));
	close16(w, from);
	return true;
}

// Chromium has had a reserved value among the signature algorithms, too, since 2025.
static bool put_sig_algs(struct writer *w, struct ht_reader body, const struct grease *g) {
	struct ht_reader list;
	if (!ht_vec16(&body, &list))
		return false;
	put16(w, (uint16_t)list.left.len);
	uint16_t v;
	while (ht_u16(&list, &v))
		put16(w, regrease(v, g->sig_alg));
	return true;
}

static bool put_versions(struct writer *w, struct ht_reader body, const struct grease *g) {
	struct ht_reader list;
	if (!ht_vec8(&body, &list))
		return false;
	put8(w, (uint8_t)list.left.len);
	uint16_t v;
	while (ht_u16(&list, &v))
		put16(w, regrease(v, g->version));
	return true;
}

// RFC 9849 5: what a client without a configuration sends looks like any other: a config id, an
// encapsulated key and a payload of its own.
static bool put_ech(struct writer *w, struct ht_reader body, struct gen_rng *r) {
	struct ht_span head;
	struct ht_reader key, payload;
	uint8_t id;
	if (!ht_take(&body, 5, &head) || !ht_u8(&body, &id) || !ht_vec16(&body, &key)
	    || !ht_vec16(&body, &payload))
		return false;
	put(w, head.p, head.len);
	put8(w, (uint8_t)gen_u64(r));
	put16(w, (uint16_t)key.left.len);
	put_noise(w, r, key.left.len);
	put16(w, (uint16_t)payload.left.len);
	put_noise(w, r, payload.left.len);
	return true;
}

static void shuffle(struct ht_span *s, uint32_t from, uint32_t to, struct gen_rng *r) {
	for (uint32_t i = to; i > from + 1; i--) {
		uint32_t k = from + gen_below(r, i - from);
		struct ht_span t = s[k];
		s[k] = s[i - 1];
		s[i - 1] = t;
	}
}

// RFC 9000 18: in an order of their own, as Chromium and Firefox send them. A reserved one (18.1)
// keeps the length of its number.
static bool
put_parameters(struct writer *w, struct ht_reader body, struct ht_span scid, struct gen_rng *r) {
	struct ht_span p[MAX_EXTENSIONS];
	uint32_t num = 0;
	while (body.left.len > 0) {
		struct ht_reader begin = body;
		uint64_t id, len;
		if (num == MAX_EXTENSIONS || !ht_varint(&body, &id) || !ht_varint(&body, &len)
		    || !ht_skip(&body, len))
			return false;
		p[num++] = HT_SPAN(begin.left.p, begin.left.len - body.left.len);
	}
	shuffle(p, 0, num, r);
	for (uint32_t i = 0; i < num; i++) {
		struct ht_reader one = ht_reader(p[i]);
		uint64_t id;
		bool ok = ht_varint(&one, &id);
		if (ok && id == 0x0f) { // initial_source_connection_id
			put8(w, 0x0f);
			put8(w, (uint8_t)scid.len);
			put(w, scid.p, scid.len);
		} else if (ok && id % 31 == 27 && p[i].p[0] >> 6 == 3) {
			uint64_t v = 0xc000000000000000u | (31 * (gen_u64(r) >> 8) + 27);
			for (unsigned k = 0; k < 8; k++)
				put8(w, (uint8_t)(v >> 8 * (7 - k)));
			put(w, one.left.p, one.left.len);
		} else {
			put(w, p[i].p, p[i].len);
		}
	}
	return true;
}

static bool put_extension(
	struct writer *w,
	struct ht_span ext,
	bool pq,
	struct ht_span scid,
	struct grease *g,
	struct gen_rng *r
) {
	struct ht_reader e = ht_reader(ext), body;
	uint16_t type;
	if (!ht_u16(&e, &type) || !ht_vec16(&e, &body))
		return false;
	put16(w, ht_is_grease(type) ? g->extension[g->extensions_met++ & 1] : type);
	size_t from = open16(w);
	bool ok = true;
	switch (type) {
	case 0:
		put_name(w, r);
		break;
	case 10:
		ok = put_groups(w, body, pq, g);
		break;
	case 13:
		ok = put_sig_algs(w, body, g);
		break;
	case 43:
		ok = put_versions(w, body, g);
		break;
	case 51:
		ok = put_shares(w, body, pq, g, r);
		break;
	case 57:
		ok = put_parameters(w, body, scid, r);
		break;
	case 0xfe0d:
		ok = put_ech(w, body, r);
		break;
	default:
		put(w, body.left.p, body.left.len);
		break;
	}
	close16(w, from);
	return ok;
}

// --- the message --------------------------------------------------------------------------------

size_t gen_hello(
	uint8_t out[GEN_HELLO_MAX],
	const struct gen_templates *t,
	enum gen_client client,
	bool pq,
	struct ht_span scid,
	struct gen_rng *r
) {
	struct grease g = {
		.cipher = draw_grease(r),
		.group = draw_grease(r),
		.version = draw_grease(r),
		.sig_alg = draw_grease(r),
		.extension = {draw_grease(r)},
	};
	g.extension[1] = g.extension[0] ^ 0x1010; // another one
	struct ht_reader in = ht_reader(HT_SPAN(t->hello[client], t->len[client]));
	struct ht_reader message, session_id, ciphers, compression, extensions;
	struct ht_span version, random;
	uint8_t type;
	if (!ht_u8(&in, &type) || !ht_vec24(&in, &message) //
	    || !ht_take(&message, 2, &version) //
	    || !ht_take(&message, 32, &random) //
	    || !ht_vec8(&message, &session_id) //
	    || !ht_vec16(&message, &ciphers) //
	    || !ht_vec8(&message, &compression) //
	    || !ht_vec16(&message, &extensions))
		return 0;
	struct ht_span ext[MAX_EXTENSIONS];
	uint32_t num = 0;
	while (extensions.left.len > 0) {
		struct ht_reader begin = extensions, body;
		uint16_t id;
		if (num == MAX_EXTENSIONS || !ht_u16(&extensions, &id)
		    || !ht_vec16(&extensions, &body))
			return 0;
		ext[num++] = HT_SPAN(begin.left.p, begin.left.len - extensions.left.len);
	}
	// Chromium keeps its two GREASE extensions at the ends and permutes what is between them.
	// Over QUIC it has none there; both browsers permute.
	if (client == GEN_CHROMIUM)
		shuffle(ext, 1, num - 1, r);
	else if (client == GEN_CHROMIUM_QUIC || client == GEN_FIREFOX_QUIC)
		shuffle(ext, 0, num, r);

	struct writer w = {out, 4};
	put(&w, version.p, version.len);
	put_noise(&w, r, random.len);
	put8(&w, (uint8_t)session_id.left.len);
	put_noise(&w, r, session_id.left.len);
	put16(&w, (uint16_t)ciphers.left.len);
	uint16_t c;
	while (ht_u16(&ciphers, &c))
		put16(&w, regrease(c, g.cipher));
	put8(&w, (uint8_t)compression.left.len);
	put(&w, compression.left.p, compression.left.len);
	size_t from = open16(&w);
	for (uint32_t i = 0; i < num; i++)
		if (!put_extension(&w, ext[i], pq, scid, &g, r))
			return 0;
	close16(&w, from);
	ht_put_be32(out, 1u << 24 | (uint32_t)(w.len - 4));
	return w.len;
}

void gen_server_hello(uint8_t out[GEN_SERVER_HELLO], struct gen_rng *r) {
	// No session id, TLS_AES_128_GCM_SHA256; supported_versions 1.3 and an X25519 share.
	static const uint8_t tail[]
		= {0, 0x13, 1, 0, 0, 46, 0, 43, 0, 2, 3, 4, 0, 51, 0, 36, 0, 29, 0, 32};
	ht_put_be32(out, 2u << 24 | (GEN_SERVER_HELLO - 4));
	ht_put_be16(out + 4, 0x0303);
	gen_bytes(r, out + 6, 32);
	memcpy(out + 38, tail, sizeof(tail));
	gen_bytes(r, out + 38 + sizeof(tail), 32);
}
