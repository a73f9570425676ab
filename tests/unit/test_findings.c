// SPDX-License-Identifier: BSD-3-Clause
// The shipped policy against a second reading of it, written out by hand; random policies against
// one that walks their tree; what is wrong with a policy, and where.

#include "findings.h"
#include "t.h"

// --- hellos -------------------------------------------------------------------------------------

static uint64_t seed = 1;

static uint32_t draw(uint32_t below) {
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % below);
}

static bool chance(unsigned percent) {
	return draw(100) < percent;
}

#define PICK(from) (from)[draw(HT_ARRAY_LEN(from))]

// A record and the bytes that its spans borrow.
struct hello {
	struct ht_record r;
	uint8_t ciphers[96], extensions[64], groups[32], shares[16], versions[16], sig_algs[16];
	uint8_t alpn[64], compression[4];
};

static struct ht_span numbers(uint8_t *to, unsigned max, const uint16_t *from, size_t num) {
	const unsigned n = draw(max / 2 + 1);
	for (unsigned i = 0; i < n; i++)
		ht_put_be16(
			to + 2 * i, chance(90) ? from[draw((uint32_t)num)] : (uint16_t)draw(65536)
		);
	return HT_SPAN(to, 2 * (size_t)n);
}

static const uint16_t some_ciphers[]
	= {0x1301, 0x1302, 0xc02b, 0xc02f, 0x009c, 0x002f, 0x000a, 0x0005, 0x0004, 0x0009, 0x0003,
	   0x0018, 0x0001, 0x5600, 0x00ff, 0x0a0a, 0xc0b4, 0x0034, 0xc013, 0xfeff, 0x1a1a, 0xcca8};
static const uint16_t some_extensions[]
	= {0,  5,  10, 11, 13, 16, 18, 23, 35, 41, 42, 43,     44,     45,
	   49, 50, 51, 57, 28, 27, 21, 22, 17, 1,  15, 0x0a0a, 0xff01, 0xfe0d};
static const uint16_t some_groups[]
	= {0x001d, 0x0017, 0x0018, 0x11ec, 0x6399, 0x0a0a, 0x2a2a, 0x0100, 0x0201};
static const uint16_t some_versions[] = {0x0304, 0x0303, 0x0302, 0x7f1c, 0xfefd, 0xfefc, 0x0a0a};
static const uint16_t some_legacy[] = {0x0303, 0x0301, 0x0300, 0xfefd, 0x0304};
static const char *const some_services[]
	= {"openvpn",	 "docker", "https", "smtp",   "imaps",	    "mssql",
	   "postgresql", "ldaps",  "nntps", "radsec", "xmpp-client"};
static const char *const some_alpn[]
	= {"h2",	 "http/1.1",   "h3",	     "h3-29", "imap", "tds/8.0",
	   "postgresql", "acme-tls/1", "radius/1.1", "nntp",  "x",    "spdy/3.1"};
static const char *const some_snis[]
	= {"www.example.com", "192.0.2.1",	    "2001:db8::1",	  "a..b",
	   "example.com.",    "cloudflare-ech.com", "Cloudflare-ECH.com", "",
	   "under_score.x",   "-a.example",	    "[::1]:443",	  "256.1.1.1"};
static const char *const some_tls[] = {"SSL 2.0", "SSL 3.0",  "TLS 1.0",  "TLS 1.1", "TLS 1.2",
				       "TLS 1.3", "DTLS 1.0", "DTLS 1.2", "DTLS 1.3"};
static const char *const some_via[] = {"smtp", "radius", "eapol", "openvpn", "proxy-v1"};

static void draw_alpn(struct hello *h) {
	size_t at = 0;
	for (unsigned i = 0, n = draw(4); i < n; i++) {
		const char *name = PICK(some_alpn);
		h->alpn[at++] = (uint8_t)strlen(name);
		at = (size_t)((uint8_t *)mempcpy(h->alpn + at, name, strlen(name)) - h->alpn);
	}
	ht_set(&h->r, alpn, HT_SPAN(h->alpn, at));
}

static void draw_hello(struct hello *h) {
	struct ht_record *r = &h->r;
	const bool whole = chance(70);
	r->has = 0;
	ht_set(r, record, "hello");
	ht_set(r, complete, whole);
	ht_set(r, dst_port, (uint16_t)(chance(50) ? 443 : draw(65536)));
	ht_set(r, hello_number, (uint8_t)(1 + chance(20)));
	ht_set(r, protocol, chance(60) ? "tls" : chance(50) ? "quic" : "dtls");
	if (chance(70))
		ht_set(r, service, PICK(some_services));
	if (chance(20)) {
		ht_set(r, via, ((struct ht_strs){{PICK(some_via), PICK(some_via)}, 2}));
		r->via.num = (uint8_t)draw(3);
	}
	if (chance(30))
		ht_set(r, quic_version, chance(50) ? 1u : chance(50) ? 0x6b3343cfu : 0x51303433u);
	if (chance(95))
		ht_set(r, legacy_version, chance(60) ? 0x0303 : PICK(some_legacy));
	if (chance(90)) {
		ht_set(r, ciphers,
		       numbers(h->ciphers, chance(30) ? 10 : 48, some_ciphers,
			       HT_ARRAY_LEN(some_ciphers)));
		r->ciphers_are_24_bit = chance(10);
		if (r->ciphers_are_24_bit) {
			const unsigned n = draw(8);
			for (unsigned i = 0; i < n; i++) {
				h->ciphers[3 * i] = (uint8_t)draw(9);
				h->ciphers[3 * i + 1] = chance(80) ? 0 : (uint8_t)draw(256);
				h->ciphers[3 * i + 2] = chance(70) ? (chance(50) ? 0x80 : 0x40)
								   : (uint8_t)draw(256);
			}
			r->ciphers = HT_SPAN(h->ciphers, 3 * (size_t)n);
		}
		ht_set(r, session_id_len, (uint8_t)(chance(50) ? 0 : 32));
		const unsigned n = draw(3);
		h->compression[0] = chance(80) ? 0 : (uint8_t)draw(256);
		h->compression[1] = chance(50) ? 0 : 1;
		r->compression = HT_SPAN(h->compression, n);
	}
	if (chance(90))
		ht_set(r, tls_version, PICK(some_tls));
	if (chance(60)) {
		const char *name = PICK(some_snis);
		ht_set(r, sni, HT_SPAN(name, strlen(name)));
	}
	if (chance(60))
		draw_alpn(h);
	if (chance(70))
		ht_set(r, versions,
		       numbers(h->versions, 8, some_versions, HT_ARRAY_LEN(some_versions)));
	if (chance(85))
		ht_set(r, extensions,
		       numbers(h->extensions, chance(50) ? 12 : 32, some_extensions,
			       HT_ARRAY_LEN(some_extensions)));
	if (chance(80))
		ht_set(r, groups, numbers(h->groups, 10, some_groups, HT_ARRAY_LEN(some_groups)));
	if (chance(70))
		ht_set(r, key_share_groups,
		       numbers(h->shares, 6, some_groups, HT_ARRAY_LEN(some_groups)));
	if (chance(30))
		ht_set(r, psk, true);
	if (chance(20))
		ht_set(r, early_data, true);
	if (chance(20))
		ht_set(r, ech, "outer");
}

// --- three values -------------------------------------------------------------------------------

// Of an incomplete hello not all is known (Kleene's strong logic of three values).
enum tri { NO, UNKNOWN, YES };

static enum tri both(enum tri a, enum tri b) {
	return a < b ? a : b;
}

static enum tri either(enum tri a, enum tri b) {
	return a > b ? a : b;
}

static enum tri not(enum tri a) { return (enum tri)(YES - a); }

#define HAS(r, field) ((r)->has & HT_HAS(field))

// What something missing means.
static enum tri missing(const struct ht_record *r) {
	return r->complete ? NO : UNKNOWN;
}

#define THERE(r, field) (HAS(r, field) ? YES : missing(r))

static bool one_of(uint32_t v, const uint32_t *from, size_t num) {
	for (size_t i = 0; i < num; i++)
		if (from[i] == v)
			return true;
	return false;
}

#define ONE_OF(v, from) one_of(v, from, HT_ARRAY_LEN(from))

static bool has_number(struct ht_span s, size_t size, const uint32_t *from, size_t num) {
	for (size_t i = 0; i + size <= s.len; i += size) {
		const uint32_t v = size == 3   ? ht_be24(s.p + i)
				   : size == 2 ? ht_be16(s.p + i)
					       : s.p[i];
		if (one_of(v, from, num) && !(size == 2 && ht_is_grease((uint16_t)v)))
			return true;
	}
	return false;
}

// A list with one of these; `open`: it may go on in an incomplete hello.
static enum tri
any(const struct ht_record *r,
    bool there,
    bool open,
    struct ht_span s,
    size_t size,
    const uint32_t *from,
    size_t num) {
	if (there && has_number(s, size, from, num))
		return YES;
	return there && !open ? NO : missing(r);
}

#define ANY(r, field, from) \
	any(r, HAS(r, field), HT_FIELD_##field == HT_FIELD_extensions && !(r)->complete, \
	    (r)->field, HT_FIELD_##field == HT_FIELD_ciphers && (r)->ciphers_are_24_bit ? 3 : 2, \
	    from, HT_ARRAY_LEN(from))

#define NUMBERS(...) ((const uint32_t[]){__VA_ARGS__})
#define WORDS(...) ((const char *const[]){__VA_ARGS__})

static enum tri
is_word(bool there, enum tri otherwise, const char *word, const char *const *from, size_t num) {
	for (size_t i = 0; there && i < num; i++)
		if (strcmp(word, from[i]) == 0)
			return YES;
	return there ? NO : otherwise;
}

// The connection's fields are known of incomplete hellos, too.
#define IS(r, field, ...) \
	is_word(HAS(r, field), NO, (r)->field, WORDS(__VA_ARGS__), HT_ARRAY_LEN(WORDS(__VA_ARGS__)))

static enum tri alpn(const struct ht_record *r, const char *const *from, size_t num) {
	if (!HAS(r, alpn))
		return missing(r);
	for (size_t at = 0; at < r->alpn.len; at += 1 + (size_t)r->alpn.p[at])
		for (size_t i = 0; i < num; i++) {
			const size_t len = strlen(from[i]), got = r->alpn.p[at];
			const bool open = from[i][len - 1] == '*';
			if (open ? got >= len - 1
					    && memcmp(r->alpn.p + at + 1, from[i], len - 1) == 0
				 : got == len && memcmp(r->alpn.p + at + 1, from[i], len) == 0)
				return YES;
		}
	return NO;
}

#define ALPN(r, ...) alpn(r, WORDS(__VA_ARGS__), HT_ARRAY_LEN(WORDS(__VA_ARGS__)))

// Older than, or as old as, a version: the place in this list counts.
static enum tri older(const struct ht_record *r, const char *than, bool same) {
	static const char *const order[][2]
		= {{"SSL 2.0"},
		   {"SSL 3.0"},
		   {"TLS 1.0"},
		   {"TLS 1.1", "DTLS 1.0"},
		   {"TLS 1.2", "DTLS 1.2"},
		   {"TLS 1.3", "DTLS 1.3"}};
	int a = -1, b = -1;
	if (!HAS(r, tls_version))
		return missing(r);
	for (int i = 0; i < 6; i++)
		for (int k = 0; k < 2 && order[i][k] != NULL; k++) {
			a = strcmp(order[i][k], r->tls_version) == 0 ? i : a;
			b = strcmp(order[i][k], than) == 0 ? i : b;
		}
	return a < b || (same && a == b) ? YES : NO;
}

// --- the shipped policy, read once more ---------------------------------------------------------

static const uint32_t null_suites[]
	= {0x0000, 0x0001, 0x0002, 0x001c, 0x002c, 0x002d, 0x002e, 0x003b, 0x0082,
	   0x0083, 0x00b0, 0x00b1, 0x00b4, 0x00b5, 0x00b8, 0x00b9, 0xc001, 0xc006,
	   0xc00b, 0xc010, 0xc015, 0xc039, 0xc03a, 0xc03b, 0xc0b4, 0xc0b5};
static const uint32_t export_suites[]
	= {0x0003, 0x0006, 0x0008, 0x000b, 0x000e, 0x0011,   0x0014,  0x0017,
	   0x0019, 0x0026, 0x0027, 0x0028, 0x0029, 0x002a,   0x002b,  0x0060,
	   0x0061, 0x0062, 0x0063, 0x0064, 0x0065, 0x020080, 0x040080};
static const uint32_t rc4[]
	= {0x0003, 0x0004, 0x0005, 0x0017, 0x0018,   0x0020,   0x0024,	0x0028, 0x002b,
	   0x0060, 0x0064, 0x0065, 0x0066, 0x008a,   0x008e,   0x0092,	0xc002, 0xc007,
	   0xc00c, 0xc011, 0xc016, 0xc033, 0x010080, 0x020080, 0x080080};
static const uint32_t des[]
	= {0x0008, 0x0009, 0x000b, 0x000c, 0x000e, 0x000f, 0x0011, 0x0012, 0x0014, 0x0015,  0x0019,
	   0x001a, 0x001e, 0x0022, 0x0026, 0x0029, 0x0062, 0x0063, 0xfefe, 0xffe1, 0x060040};
static const uint32_t triple_des[]
	= {0x000a, 0x000d, 0x0010, 0x0013, 0x0016, 0x001b, 0x001f,  0x0023,
	   0x008b, 0x008f, 0x0093, 0xc003, 0xc008, 0xc00d, 0xc012,  0xc017,
	   0xc01a, 0xc01b, 0xc01c, 0xc034, 0xfeff, 0xffe0, 0x0700c0};
static const uint32_t anon[]
	= {0x0017, 0x0018, 0x0019, 0x001a, 0x001b, 0x0034, 0x003a, 0x0046, 0x006c,
	   0x006d, 0x0089, 0x009b, 0x00a6, 0x00a7, 0x00bf, 0x00c5, 0xc015, 0xc016,
	   0xc017, 0xc018, 0xc019, 0xc046, 0xc047, 0xc05a, 0xc05b, 0xc084, 0xc085};
static const uint32_t md5[]
	= {0x0001,   0x0003,   0x0004,	 0x0006,   0x0017,   0x0018,   0x0022,	0x0023,
	   0x0024,   0x0025,   0x0029,	 0x002a,   0x002b,   0x0060,   0x0061,	0x010080,
	   0x020080, 0x030080, 0x040080, 0x050080, 0x060040, 0x0700c0, 0x080080};
static const uint32_t ephemeral[]
	= {0x0011, 0x0012, 0x0013, 0x0014, 0x0015, 0x0016, 0x0017, 0x0018, 0x0019, 0x001a, 0x001b,
	   0x002d, 0x0032, 0x0033, 0x0034, 0x0038, 0x0039, 0x003a, 0x0040, 0x0044, 0x0045, 0x0046,
	   0x0063, 0x0065, 0x0066, 0x0067, 0x006a, 0x006b, 0x006c, 0x006d, 0x0087, 0x0088, 0x0089,
	   0x008e, 0x008f, 0x0090, 0x0091, 0x0099, 0x009a, 0x009b, 0x009e, 0x009f, 0x00a2, 0x00a3,
	   0x00a6, 0x00a7, 0x00aa, 0x00ab, 0x00b2, 0x00b3, 0x00b4, 0x00b5, 0x00bd, 0x00be, 0x00bf,
	   0x00c3, 0x00c4, 0x00c5, 0x16b7, 0x16b8, 0x16b9, 0x16ba, 0xc006, 0xc007, 0xc008, 0xc009,
	   0xc00a, 0xc010, 0xc011, 0xc012, 0xc013, 0xc014, 0xc015, 0xc016, 0xc017, 0xc018, 0xc019,
	   0xc01a, 0xc01b, 0xc01c, 0xc01d, 0xc01e, 0xc01f, 0xc020, 0xc021, 0xc022, 0xc023, 0xc024,
	   0xc027, 0xc028, 0xc02b, 0xc02c, 0xc02f, 0xc030, 0xc033, 0xc034, 0xc035, 0xc036, 0xc037,
	   0xc038, 0xc039, 0xc03a, 0xc03b, 0xc042, 0xc043, 0xc044, 0xc045, 0xc046, 0xc047, 0xc048,
	   0xc049, 0xc04c, 0xc04d, 0xc052, 0xc053, 0xc056, 0xc057, 0xc05a, 0xc05b, 0xc05c, 0xc05d,
	   0xc060, 0xc061, 0xc066, 0xc067, 0xc06c, 0xc06d, 0xc070, 0xc071, 0xc072, 0xc073, 0xc076,
	   0xc077, 0xc07c, 0xc07d, 0xc080, 0xc081, 0xc084, 0xc085, 0xc086, 0xc087, 0xc08a, 0xc08b,
	   0xc090, 0xc091, 0xc096, 0xc097, 0xc09a, 0xc09b, 0xc09e, 0xc09f, 0xc0a2, 0xc0a3, 0xc0a6,
	   0xc0a7, 0xc0aa, 0xc0ab, 0xc0ac, 0xc0ad, 0xc0ae, 0xc0af, 0xc0b0, 0xc0b1, 0xc0b2, 0xc0b3,
	   0xcc13, 0xcc14, 0xcc15, 0xcca8, 0xcca9, 0xccaa, 0xccac, 0xccad, 0xd001, 0xd002, 0xd003,
	   0xd005, 0xe001, 0xe011, 0xe051, 0xe412, 0xe413, 0xe414, 0xe415, 0xe418, 0xe419, 0xe41c,
	   0xe41d, 0xe41e, 0xe41f};

#define CIPHERS(id, from) \
	static enum tri id(const struct ht_record *r) { \
		return ANY(r, ciphers, from); \
	}
CIPHERS(cipher_null, null_suites)
CIPHERS(cipher_export, export_suites)
CIPHERS(cipher_rc4, rc4)
CIPHERS(cipher_des, des)
CIPHERS(cipher_3des, triple_des)
CIPHERS(cipher_anon, anon)
CIPHERS(cipher_md5, md5)

static enum tri version_old(const struct ht_record *r) {
	return older(r, "TLS 1.2", false);
}

static enum tri version_downgrade_scsv(const struct ht_record *r) {
	return ANY(r, ciphers, NUMBERS(0x5600));
}

static bool of_tls13(uint32_t cipher) {
	return (cipher >= 0x1301 && cipher <= 0x13ff) || (cipher >= 0xc103 && cipher <= 0xc106)
	       || ONE_OF(cipher, NUMBERS(0xc6, 0xc7, 0xc0b4, 0xc0b5));
}

static enum tri has_tls13_cipher(const struct ht_record *r) {
	const size_t size = r->ciphers_are_24_bit ? 3 : 2;
	for (size_t i = 0; HAS(r, ciphers) && i + size <= r->ciphers.len; i += size)
		if (of_tls13(size == 3 ? ht_be24(r->ciphers.p + i) : ht_be16(r->ciphers.p + i)))
			return YES;
	return HAS(r, ciphers) ? NO : missing(r);
}

static enum tri no_forward_secrecy(const struct ht_record *r) {
	return both(
		THERE(r, ciphers), not(either(has_tls13_cipher(r), ANY(r, ciphers, ephemeral)))
	);
}

static enum tri via_any(const struct ht_record *r, const char *const *from, size_t num) {
	for (unsigned i = 0; HAS(r, via) && i < r->via.num; i++)
		if (is_word(true, NO, r->via.s[i], from, num) == YES)
			return YES;
	return NO;
}

static enum tri no_sni(const struct ht_record *r) {
	return both(
		both(THERE(r, ciphers), not(THERE(r, sni))),
		not(via_any(r, WORDS("eapol", "radius", "openvpn"), 3))
	);
}

static enum tri name_is_one(const struct ht_record *r, const char *const *from, size_t num) {
	for (size_t i = 0; HAS(r, sni) && i < num; i++)
		if (r->sni.len == strlen(from[i])
		    && strncasecmp((const char *)r->sni.p, from[i], r->sni.len) == 0)
			return YES;
	return HAS(r, sni) ? NO : missing(r);
}

// Of the names that hellos here have.
static enum tri sni_is_ip(const struct ht_record *r) {
	return name_is_one(r, WORDS("192.0.2.1", "2001:db8::1"), 2);
}

static enum tri sni_invalid(const struct ht_record *r) {
	return name_is_one(r, WORDS("a..b", "example.com.", "", "-a.example", "[::1]:443"), 5);
}

#define PQ \
	NUMBERS(0x200, 0x201, 0x202, 0x11eb, 0x11ec, 0x11ed, 0x11ee, 0x6399, 0x639a, 0xfe30, \
		0xfe31, 0xfe32, 0x4138)

static enum tri no_pq(const struct ht_record *r) {
	const enum tri pq = either(ANY(r, groups, PQ), ANY(r, key_share_groups, PQ));
	return both(THERE(r, ciphers), not(pq));
}

static enum tri pq_only_keyshare(const struct ht_record *r) {
	bool some = false, all = true;
	if (!HAS(r, key_share_groups))
		return both(missing(r), r->hello_number == 1 ? YES : NO);
	for (size_t i = 0; i < r->key_share_groups.len; i += 2) {
		const uint16_t v = ht_be16(r->key_share_groups.p + i);
		some = some || !ht_is_grease(v);
		all = all && (ht_is_grease(v) || ONE_OF(v, PQ));
	}
	return some && all && r->hello_number == 1 ? YES : NO;
}

static enum tri compression_offered(const struct ht_record *r) {
	if (!HAS(r, session_id_len))
		return missing(r);
	for (size_t i = 0; i < r->compression.len; i++)
		if (r->compression.p[i] != 0)
			return YES;
	return NO;
}

static enum tri early_data(const struct ht_record *r) {
	return THERE(r, early_data);
}

static enum tri public_name(const struct ht_record *r) {
	return name_is_one(
		r, WORDS("cloudflare-ech.com", "public.tls-ech.dev", "cover.defo.ie"), 3
	);
}

static enum tri ech_real(const struct ht_record *r) {
	return both(THERE(r, ech), public_name(r));
}

static enum tri ech_grease(const struct ht_record *r) {
	return both(THERE(r, ech), not(public_name(r)));
}

static enum tri acme_tls_alpn(const struct ht_record *r) {
	return ALPN(r, "acme-tls/1");
}

// An offer, and a service that it does not belong to.
static enum tri alpn_port_mismatch(const struct ht_record *r) {
	const enum tri web
		= ALPN(r, "http/0.9", "http/1.0", "http/1.1", "h2", "h3", "h3-*", "spdy/*"),
		mail = ALPN(r, "imap", "pop3", "managesieve"), tds = ALPN(r, "tds/8.0"),
		postgres = ALPN(r, "postgresql"), news = ALPN(r, "nntp", "nnsp"),
		radius = ALPN(r, "radius/1.0", "radius/1.1");
	if (!HAS(r, service))
		return NO;
	enum tri out
		= both(web, not(IS(r, service, "https", "https-alt", "http", "http-alt", "docker",
				   "kubernetes", "elasticsearch", "prometheus")));
	out = either(
		out, both(mail, not(IS(r, service, "smtp", "smtps", "submission", "imap", "imaps",
				       "pop3", "pop3s", "sieve")))
	);
	out = either(out, both(tds, not(IS(r, service, "mssql"))));
	out = either(out, both(postgres, not(IS(r, service, "postgresql"))));
	out = either(out, both(news, not(IS(r, service, "nntp", "nntps"))));
	return either(out, both(radius, not(IS(r, service, "radius", "radius-acct", "radsec"))));
}

// --- contradictions

static bool twice(const struct ht_record *r) {
	const struct ht_span s = r->extensions;
	for (size_t i = 0; HAS(r, extensions) && i < s.len; i += 2)
		for (size_t k = 0; k < i; k += 2)
			if (ht_be16(s.p + i) == ht_be16(s.p + k) && !ht_is_grease(ht_be16(s.p + i)))
				return true;
	return false;
}

static bool psk_not_last(const struct ht_record *r) {
	const struct ht_span s = r->extensions;
	for (size_t i = 0; HAS(r, psk) && HAS(r, extensions) && i + 2 < s.len; i += 2)
		if (ht_be16(s.p + i) == 41)
			return true;
	return false;
}

static enum tri share_without_group(const struct ht_record *r) {
	if (!HAS(r, key_share_groups) || (!r->complete && !HAS(r, groups)))
		return missing(r);
	for (size_t i = 0; i < r->key_share_groups.len; i += 2) {
		const uint16_t v = ht_be16(r->key_share_groups.p + i);
		bool found = ht_is_grease(v);
		for (size_t k = 0; HAS(r, groups) && k < r->groups.len; k += 2)
			found = found || ht_be16(r->groups.p + k) == v;
		if (!found)
			return YES;
	}
	return NO;
}

static enum tri has_13(const struct ht_record *r) {
	for (size_t i = 0; HAS(r, versions) && i < r->versions.len; i += 2) {
		const uint16_t v = ht_be16(r->versions.p + i);
		if (v == 0x0304 || v == 0xfefc || (v >> 8 == 0x7f && !ht_is_grease(v)))
			return YES;
	}
	return HAS(r, versions) ? NO : missing(r);
}

static enum tri implausible_13(const struct ht_record *r) {
	const enum tri final = ANY(r, versions, NUMBERS(0x0304)),
		       now = ANY(r, versions, NUMBERS(0x0304, 0xfefc)), any_13 = has_13(r);
	const enum tri no_psk = not(THERE(r, psk));
	const enum tri stream = IS(r, protocol, "tls", "quic");
	const enum tri other_legacy
		= HAS(r, legacy_version) ? (r->legacy_version != 0x0303 ? YES : NO) : missing(r);
	enum tri out = both(now, not(has_tls13_cipher(r)));
	out = either(out, both(both(any_13, no_psk), not(THERE(r, key_share_groups))));
	out = either(out, both(both(any_13, no_psk), not(THERE(r, groups))));
	out = either(out, both(any_13, compression_offered(r)));
	out = either(out, both(both(final, stream), other_legacy));
	return either(out, both(both(final, THERE(r, psk)), not(ANY(r, extensions, NUMBERS(45)))));
}

static enum tri implausible_quic(const struct ht_record *r) {
	if (!HAS(r, quic_version) || (r->quic_version != 1 && r->quic_version != 0x6b3343cf))
		return NO;
	const enum tri ciphers = THERE(r, ciphers);
	const enum tri sid
		= HAS(r, session_id_len) ? (r->session_id_len > 0 ? YES : NO) : missing(r);
	enum tri out = both(ciphers, not(has_13(r)));
	out = either(out, both(ciphers, not(ANY(r, extensions, NUMBERS(57)))));
	return either(out, sid);
}

static enum tri implausible_client(const struct ht_record *r) {
	enum tri out = twice(r) || psk_not_last(r) ? YES : NO;
	out = either(out, share_without_group(r));
	out = either(out, implausible_13(r));
	out = either(out, implausible_quic(r));
	out = either(
		out,
		both(older(r, "TLS 1.2", true), ANY(r, extensions, NUMBERS(41, 42, 44, 45, 51)))
	);
	out = either(out, both(THERE(r, early_data), not(THERE(r, psk))));
	out = either(out, both(ALPN(r, "h2"), older(r, "TLS 1.2", false)));
	return either(out, both(IS(r, protocol, "tls"), ANY(r, extensions, NUMBERS(57))));
}

static const struct {
	const char *name;
	enum tri (*holds)(const struct ht_record *r);
} readings[] = {
#define READING(id) \
	{ #id, id }
	READING(version_old),
	READING(version_downgrade_scsv),
	READING(cipher_null),
	READING(cipher_export),
	READING(cipher_rc4),
	READING(cipher_des),
	READING(cipher_3des),
	READING(cipher_anon),
	READING(cipher_md5),
	READING(no_forward_secrecy),
	READING(no_sni),
	READING(sni_is_ip),
	READING(sni_invalid),
	READING(no_pq),
	READING(pq_only_keyshare),
	READING(compression_offered),
	READING(early_data),
	READING(ech_real),
	READING(ech_grease),
	READING(acme_tls_alpn),
	READING(alpn_port_mismatch),
	READING(implausible_client),
};

// --- cases --------------------------------------------------------------------------------------

static const struct ht_services *services; // NULL: what they are called is not looked at

static struct ht_policy *policy_of(const char *text, size_t len, struct ht_policy_report *rep) {
	struct ht_policy *p;
	uint8_t *copy = t_dup(text, len);
	const enum ht_rc rc = ht_policy_parse(&p, HT_SPAN(copy, len), services, rep);
	free(copy);
	assert_true((rc == HT_OK) == (p != NULL));
	assert_true((rc == HT_BAD) == (rep->num > 0));
	return p;
}

static struct ht_policy *good(const char *text) {
	struct ht_policy_report rep;
	struct ht_policy *p = policy_of(text, strlen(text), &rep);
	if (p == NULL)
		fail_msg(
			"%s: %u:%u: %s", text, rep.errors[0].line, rep.errors[0].column,
			rep.errors[0].reason
		);
	return p;
}

static struct ht_policy *shipped(void) {
	return good("include default");
}

static bool found(const struct ht_policy *p, struct ht_record *r, const char *name) {
	r->has &= ~HT_HAS(findings);
	ht_findings_fill(p, r);
	for (unsigned i = 0; HAS(r, findings) && i < r->findings.num; i++)
		if (strcmp(r->findings.s[i], name) == 0)
			return true;
	return false;
}

static void shipped_policy(void **state) {
	(void)state;
	static struct hello h;
	struct ht_policy *p = shipped();
	unsigned yes[HT_ARRAY_LEN(readings)] = {0}, unsure = 0;
	assert_int_equal(ht_policy_num(p), HT_ARRAY_LEN(readings));
	for (unsigned n = 0; n < 300000; n++) {
		draw_hello(&h);
		ht_findings_fill(p, &h.r);
		unsigned at = 0;
		for (unsigned i = 0; i < HT_ARRAY_LEN(readings); i++) {
			const bool told = HAS(&h.r, findings) && at < h.r.findings.num
					  && strcmp(h.r.findings.s[at], readings[i].name) == 0;
			const enum tri want = readings[i].holds(&h.r);
			at += told;
			yes[i] += told;
			unsure += want == UNKNOWN;
			if (told != (want == YES))
				fail_msg(
					"hello %u: %s is %stold", n, readings[i].name,
					told ? "" : "not "
				);
		}
		assert_int_equal(at, HAS(&h.r, findings) ? h.r.findings.num : 0);
		assert_true(!HAS(&h.r, findings) || at > 0);
	}
	for (unsigned i = 0; i < HT_ARRAY_LEN(readings); i++) // each was there, and was not
		assert_in_range(yes[i], 100, 299900);
	assert_true(unsure > 1000);
	ht_policy_free(p);
}

// Each cipher suite by itself, in hellos of both kinds.
static void each_cipher(void **state) {
	(void)state;
	static struct hello h;
	struct ht_policy *p = shipped();
	for (uint32_t v = 0; v < 0x90000; v++) {
		struct ht_record *r = &h.r;
		if (v > 0x10000 && (v & 0xff) != 0x80 && (v & 0xff) != 0x40 && (v & 0xff) != 0xc0)
			continue;
		r->has = 0;
		ht_set(r, record, "hello");
		ht_set(r, complete, true);
		const uint8_t bytes[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
		for (int wide = v > 0xffff; wide < 2; wide++) {
			ht_set(r, ciphers, wide ? HT_SPAN(bytes, 3) : HT_SPAN(bytes + 1, 2));
			r->ciphers_are_24_bit = wide;
			for (unsigned i = 0; i < HT_ARRAY_LEN(readings); i++)
				if (strstr(readings[i].name, "cipher_") == readings[i].name
				    && found(p, r, readings[i].name)
					       != (readings[i].holds(r) == YES))
					fail_msg("%s of %#x", readings[i].name, v);
			assert_int_equal(
				found(p, r, "no_forward_secrecy"), no_forward_secrecy(r) == YES
			);
		}
	}
	ht_policy_free(p);
}

static void server_names(void **state) {
	(void)state;
	static char long_label[80], long_name[300];
	memset(long_label, 'a', 64);
	strcpy(long_label + 64, ".example");
	for (unsigned i = 0; i < 63; i++)
		memcpy(long_name + 4 * i, "abc.", 4);
	strcpy(long_name + 252, "de"); // 254 bytes
	const struct {
		const char *name;
		int len; // or 0: all of it
		const char *want; // "", "ip", "bad"
	} cases[] = {
		{"example.com", 0, ""},
		{"EXAMPLE.Com", 0, ""},
		{"localhost", 0, ""},
		{"a", 0, ""},
		{"a.b", 0, ""},
		{"xn--bcher-kva.example", 0, ""},
		{"_dmarc.example.com", 0, ""},
		{"r3---sn-n4v7knl6.example", 0, ""},
		{"1.2.3", 0, ""},
		{"1.2.3.4.5", 0, ""},
		{"256.1.1.1", 0, ""},
		{"01.1.1.1", 0, ""},
		{"1.1.1.1a", 0, ""},
		{long_label + 1, 0, ""},
		{long_name, 253, ""},
		{"", 0, "bad"},
		{long_name, 254, "bad"},
		{long_label, 0, "bad"},
		{long_label, 64, "bad"},
		{long_label, 63, ""},
		{".", 0, "bad"},
		{".example.com", 0, "bad"},
		{"example.com.", 0, "bad"},
		{"a..b", 0, "bad"},
		{"-a.example", 0, "bad"},
		{"a-.example", 0, "bad"},
		{"a.-", 0, "bad"},
		{"a.b-", 0, "bad"},
		{"a.-b", 0, "bad"},
		{"a b", 0, "bad"},
		{"*.example.com", 0, "bad"},
		{"example.com:443", 0, "bad"},
		{"b\xc3\xbc"
		 "cher.example",
		 0, "bad"},
		{"a\0b", 3, "bad"},
		{"1.2.3.", 0, "bad"},
		{"1..2.3", 0, "bad"},
		{"1.2.3.4:443", 0, "bad"},
		{"fe80::1%eth0", 0, "bad"},
		{"[::1", 0, "bad"},
		{"::1\0", 4, "bad"},
		{"0.0.0.0", 0, "ip"},
		{"255.255.255.255", 0, "ip"},
		{"192.0.2.1", 0, "ip"},
		{"::", 0, "ip"},
		{"::1", 0, "ip"},
		{"[::1]", 0, "ip"},
		{"2001:db8::ffff", 0, "ip"},
		{"2001:DB8::A", 0, "ip"},
		{"::ffff:192.0.2.1", 0, "ip"},
		{"1:2:3:4:5:6:7:8", 0, "ip"},
	};
	struct ht_policy *p = shipped();
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_record r;
		const size_t len = cases[i].len > 0 ? (size_t)cases[i].len : strlen(cases[i].name);
		uint8_t *copy = t_dup(cases[i].name, len);
		r.has = 0;
		ht_set(&r, record, "hello");
		ht_set(&r, sni, HT_SPAN(copy, len));
		ht_set(&r, complete, i % 2 == 0); // it was sent, whatever comes behind it
		const bool ip = found(p, &r, "sni_is_ip"), bad = found(p, &r, "sni_invalid");
		const char *got = ip && bad ? "both" : ip ? "ip" : bad ? "bad" : "";
		if (strcmp(got, cases[i].want) != 0)
			fail_msg(
				"'%s': '%s' was expected, not '%s'", cases[i].name, cases[i].want,
				got
			);
		free(copy);
	}
	ht_policy_free(p);
}

// --- random policies ----------------------------------------------------------------------------

// A condition as a tree, and as text.
struct tree {
	enum { LEAF, NOT_, AND_, OR_ } type;
	unsigned leaf, from, to; // of LEAF: which one, and its numbers
	struct tree *left, *right;
};

static enum tri number_in(bool there, enum tri otherwise, uint32_t v, unsigned from, unsigned to) {
	return !there ? otherwise : v >= from && v <= to ? YES : NO;
}

// A list of 2-byte numbers; all: and no other one, GREASE apart.
static enum tri
list_in(const struct ht_record *r,
	bool there,
	bool open,
	struct ht_span s,
	const struct tree *t,
	bool all) {
	bool some = false, other = false;
	for (size_t i = 0; there && i + 1 < s.len; i += 2) {
		const uint16_t v = ht_be16(s.p + i);
		const bool is = v >= t->from && v <= t->to;
		some = some || (!ht_is_grease(v) && (is || all));
		other = other || (!ht_is_grease(v) && !is);
	}
	if (!there)
		return missing(r);
	const enum tri end = open ? UNKNOWN : NO;
	const enum tri any_is = some ? YES : end, any_other = other ? YES : end;
	return all ? both(any_is, not(any_other)) : any_is;
}

static enum tri leaf_holds(const struct tree *t, const struct ht_record *r) {
	const bool open = !r->complete;
	switch (t->leaf) {
	case 0:
		return list_in(r, HAS(r, extensions), open, r->extensions, t, false);
	case 1:
		return list_in(r, HAS(r, extensions), open, r->extensions, t, true);
	case 2:
		return list_in(r, HAS(r, groups), false, r->groups, t, t->from % 2);
	case 3:
		return number_in(true, NO, r->dst_port, 0, t->from);
	case 4:
		return not(number_in(true, NO, r->dst_port, t->from, t->to));
	case 5:
		return number_in(
			HAS(r, legacy_version), missing(r), r->legacy_version, t->from, 0xffff
		);
	case 6:
		return THERE(r, psk);
	case 7:
		return HAS(r, service) ? YES : NO;
	case 8:
		return r->complete ? YES : NO;
	case 9:
		return number_in(HAS(r, quic_version), NO, r->quic_version, 0x10000, UINT32_MAX);
	default:
		return older(r, some_tls[t->from % 6], false);
	}
}

static enum tri tree_holds(const struct tree *t, const struct ht_record *r) {
	switch (t->type) {
	case NOT_:
		return not(tree_holds(t->left, r));
	case AND_:
		return both(tree_holds(t->left, r), tree_holds(t->right, r));
	case OR_:
		return either(tree_holds(t->left, r), tree_holds(t->right, r));
	default:
		return leaf_holds(t, r);
	}
}

static char *leaf_text(const struct tree *t, char *to) {
	switch (t->leaf) {
	case 0:
	case 1:
		return to
		       + sprintf(
			       to, "extensions %s %u..%u", t->leaf ? "all" : "any", t->from, t->to
		       );
	case 2:
		return to
		       + sprintf(
			       to, "groups %s {%#x..%#x %u}", t->from % 2 ? "all" : "any", t->from,
			       t->to, t->to
		       );
	case 3:
		return to + sprintf(to, "dst_port <= %u", t->from);
	case 4:
		return to + sprintf(to, "dst_port != {%u..%u}", t->from, t->to);
	case 5:
		return to + sprintf(to, "legacy_version >= %u", t->from);
	case 6:
		return to + sprintf(to, "psk");
	case 7:
		return to + sprintf(to, "has service");
	case 8:
		return to + sprintf(to, "complete");
	case 9:
		return to + sprintf(to, "quic_version > 0xffff");
	default:
		return to + sprintf(to, "tls_version < \"%s\"", some_tls[t->from % 6]);
	}
}

static char *tree_text(const struct tree *t, char *to) {
	if (t->type == LEAF)
		return leaf_text(t, to);
	to += sprintf(to, t->type == NOT_ ? "not (" : "(");
	to = tree_text(t->left, to);
	if (t->type != NOT_) {
		to += sprintf(to, t->type == AND_ ? ") and (" : ") or (");
		to = tree_text(t->right, to);
	}
	return to + sprintf(to, ")");
}

static struct tree *draw_tree(struct tree pool[64], unsigned *num, unsigned depth) {
	struct tree *t = &pool[(*num)++];
	t->type = depth == 0 || chance(30) ? LEAF : chance(25) ? NOT_ : chance(50) ? AND_ : OR_;
	t->leaf = draw(11);
	t->from = chance(80) ? draw(60) : draw(65536);
	t->to = t->from + (chance(50) ? draw(3) : draw(65536 - t->from));
	t->to = t->to > 65535 ? 65535 : t->to;
	if (t->type != LEAF)
		t->left = draw_tree(pool, num, depth - 1);
	if (t->type == AND_ || t->type == OR_)
		t->right = draw_tree(pool, num, depth - 1);
	return t;
}

static void random_policies(void **state) {
	(void)state;
	static struct tree pool[64];
	static struct hello h;
	static char text[16384];
	static struct ht_policy_report rep;
	unsigned taken = 0, told = 0;
	for (unsigned n = 0; n < 1000; n++) {
		unsigned num = 0;
		struct tree *trees[3];
		char *to = text;
		for (unsigned i = 0; i < 3; i++) {
			trees[i] = draw_tree(pool, &num, 3);
			to += sprintf(to, "finding f%u info when ", i);
			to = tree_text(trees[i], to);
			*to++ = '\n';
		}
		struct ht_policy *p = policy_of(text, (size_t)(to - text), &rep);
		if (p == NULL) { // a and not a
			for (unsigned i = 0; i < rep.num; i++)
				assert_string_equal(
					rep.errors[i].reason, "this condition never holds"
				);
			continue;
		}
		taken++;
		for (unsigned k = 0; k < 100; k++) {
			draw_hello(&h);
			for (unsigned i = 0; i < 3; i++) {
				const char name[] = {'f', (char)('0' + i), '\0'};
				const bool is = found(p, &h.r, name);
				told += is;
				if (is != (tree_holds(trees[i], &h.r) == YES))
					fail_msg(
						"policy %u, %s is %stold:\n%.*s", n, name,
						is ? "" : "not ", (int)(to - text), text
					);
			}
		}
		ht_policy_free(p);
	}
	assert_true(taken > 800 && told > 10000);
}

// --- the language -------------------------------------------------------------------------------

// A hello with a bit of everything.
static void known_hello(struct hello *h) {
	struct ht_record *r = &h->r;
	r->has = 0;
	ht_set(r, record, "hello");
	ht_set(r, complete, true);
	ht_set(r, dst_port, 8443);
	ht_set(r, protocol, "tls");
	ht_set(r, service, "https-alt");
	ht_set(r, tls_version, "TLS 1.2");
	ht_set(r, legacy_version, 0x0303);
	ht_set(r, hello_len, 70000);
	ht_set(r, sni, HT_SPAN_STR("Www.Example.COM"));
	ht_set(r, alpn, HT_SPAN_STR("\2h2\10http/1.1\0\4a\"b\xff"));
	ht_set(r, ja4, HT_SPAN_STR("t13d1516h2_8daaf6152771_02713d6af862"));
	ht_set(r, via, ((struct ht_strs){{"proxy-v1", "smtp"}, 2}));
	ht_set(r, psk, true);
	memcpy(h->ciphers, "\x1a\x1a\x13\x01\x00\x05", 6);
	ht_set(r, ciphers, HT_SPAN(h->ciphers, 6));
	memcpy(h->groups, "\x0a\x0a\x00\x1d", 4);
	ht_set(r, groups, HT_SPAN(h->groups, 4));
	ht_set(r, key_share_groups, HT_SPAN(h->shares, 0));
	ht_set(r, session_id_len, 32);
	h->compression[0] = 0;
	r->compression = HT_SPAN(h->compression, 1);
	ht_set(r, point_formats, HT_SPAN_STR("\0\1\2"));
	ht_set(r, quic_version, 0x6b3343cfu);
}

// What a condition says of the known hello.
struct saying {
	bool want;
	const char *when;
};

static void expect_sayings(const struct saying *cases, size_t num, bool whole) {
	static struct hello h;
	for (size_t i = 0; i < num; i++) {
		char text[512];
		snprintf(text, sizeof(text), "finding f notice when %s help \"x\"", cases[i].when);
		struct ht_policy *p = good(text);
		known_hello(&h);
		if (!whole) {
			ht_set(&h.r, complete, false);
			ht_set(&h.r, extensions, HT_SPAN_STR("\0\0"));
		}
		if (found(p, &h.r, "f") != cases[i].want)
			fail_msg("%s: %stold", cases[i].when, cases[i].want ? "not " : "");
		ht_policy_free(p);
	}
}

static void conditions(void **state) {
	(void)state;
	static const struct saying cases[] = {
		{true, "has sni"},
		{false, "has ech"},
		{true, "not has ech"},
		{true, "not not has sni"},
		{true, "complete"},
		{true, "psk"},
		{false, "early_data"},
		{true, "dst_port = 8443"},
		{true, "dst_port = 0x20fb"},
		{true, "dst_port in {443 8443}"},
		{true, "dst_port in 8000..8999"},
		{false, "dst_port in {1..8442 8444..65535}"},
		{true, "dst_port != 443"},
		{false, "dst_port != 8443"},
		{true, "dst_port < 8444"},
		{false, "dst_port < 8443"},
		{true, "dst_port <= 8443"},
		{true, "dst_port > 8442"},
		{false, "dst_port > 8443"},
		{true, "dst_port >= 8443"},
		{false, "src_port != 1"}, // it is not there
		{true, "not src_port = 1"},
		{true, "hello_len > 65535"},
		{true, "hello_len = 70000"},
		{false, "hello_len in 70001..0xffffffff"},
		{true, "quic_version = 0x6b3343cf"},
		{true, "service = \"https-alt\""},
		{false, "service = \"https\""},
		{true, "service = \"https*\""},
		{true, "service in {\"x\" \"https-alt\"}"},
		{true, "service != \"x\""},
		{true, "tls_version = \"TLS 1.2\""},
		{true, "tls_version = \"DTLS 1.2\""}, // as old
		{true, "tls_version < \"TLS 1.3\""},
		{false, "tls_version < \"TLS 1.2\""},
		{true, "tls_version <= \"TLS 1.2\""},
		{true, "tls_version > \"DTLS 1.0\""},
		{true, "tls_version in {\"SSL 3.0\" \"TLS 1.2\"}"},
		{true, "sni = \"www.example.com\""},
		{true, "sni = \"*.example.com\""},
		{true, "sni = \"www*\""},
		{true, "sni = \"*EXAMPLE*\""},
		{false, "sni = \"*.example\""},
		{false, "sni = \"example.com\""},
		{false, "sni = \"www.example.com\\*x\""},
		{false, "sni = \"*aWww.example.com\""},
		{true, "alpn any \"h2\""},
		{true, "alpn any {\"x\" \"http*\"}"},
		{true, "alpn any \"\""}, // it has an empty one
		{true, "alpn any \"a\\\"b\\xff\""},
		{false, "alpn any \"H2\""},
		{false, "alpn any \"\\*2\""},
		{true, "alpn any \"*2\""},
		{true, "ja4 = \"t13d1516h2_8daaf6152771_*\""},
		{true, "ja4 = \"t13d1516h2_*\" and ja4 = \"*_02713d6af862\""},
		{true, "via any \"smtp\""},
		{false, "via any \"imap\""},
		{true, "ciphers any 5"},
		{false, "ciphers any 0x1a1a"}, // GREASE
		{true, "ciphers all {5 0x1301}"},
		{false, "ciphers all 5"},
		{true, "groups all 29"},
		{false, "groups any 0x0a0a"},
		{false, "key_share_groups all 29"}, // it is empty
		{true, "has key_share_groups"},
		{true, "point_formats any 1..2"},
		{true, "point_formats all 0..2"},
		{false, "point_formats all 0..1"},
		{true, "has compression"},
		{false, "compression any 1..255"},
		{true, "compression all 0"},
		{true, "psk and has sni or has ech"},
		{true, "has ech or psk and has sni"},
		{false, "(has sni or psk) and has ech"},
		{true, "has sni or psk and has ech"},
		{false, "not (has sni or has ech)"},
		{true, "not has ech and has sni"}, // not binds closer
		{true, "not (has ech and has sni)"},
		{true, "psk#comment\n\tand # another\n has sni"},
		{true, "((((((((((((psk))))))))))))"},
	};
	expect_sayings(cases, HT_ARRAY_LEN(cases), true);
}

// What an incomplete hello does not show is unknown.
static void incomplete(void **state) {
	(void)state;
	static const struct saying cases[] = {
		{true, "has sni"},
		{false, "has ech"},
		{false, "not has ech"},
		{false, "not complete and not has ech"},
		{true, "not complete"},
		{true, "not has src_port"}, // of the connection
		{true, "not ciphers any 6"}, // the list is whole
		{true, "ciphers all {5 0x1301}"},
		{true, "extensions any 0"},
		{false, "extensions all 0"}, // more may come
		{false, "not extensions any 1"},
		{false, "not extension_twice"},
		{true, "not sni_is_ip"},
		{false, "not has ech or psk and has ech"},
		{true, "service != \"x\""},
		{false, "not has session_ticket"},
	};
	expect_sayings(cases, HT_ARRAY_LEN(cases), false);
}

// What contradicts stands behind all that is looked at one by one.
static void long_lists_hide_nothing(void **state) {
	(void)state;
	struct ht_policy *twice = good("finding f notice when extension_twice"),
			 *share = good("finding f notice when share_without_group");
	static struct hello h;
	static uint8_t list[2 * 512], groups[2 * 512];
	for (unsigned num = 1; num <= 512; num += num < 300 ? 1 : 53) {
		for (unsigned i = 0; i < num; i++) {
			ht_put_be16(list + 2 * i, (uint16_t)(0x4000 + 3 * i));
			ht_put_be16(groups + 2 * (num - 1 - i), (uint16_t)(0x4000 + 3 * i));
		}
		known_hello(&h);
		ht_set(&h.r, extensions, HT_SPAN(list, 2 * num));
		ht_set(&h.r, key_share_groups, HT_SPAN(list, 2 * num));
		ht_set(&h.r, groups, HT_SPAN(groups, 2 * num));
		assert_false(found(twice, &h.r, "f"));
		assert_false(found(share, &h.r, "f"));
		h.r.groups.len -= 2; // the first share's
		assert_true(found(share, &h.r, "f"));
		h.r.groups = HT_SPAN(groups + 2, 2 * num - 2); // the last share's
		assert_true(found(share, &h.r, "f"));
		if (num > 1) {
			memcpy(list + 2 * num - 2, list + 2 * num - 4, 2);
			assert_true(found(twice, &h.r, "f"));
			memset(list + 2 * num - 4, 0x0a, 4); // GREASE
			assert_false(found(twice, &h.r, "f"));
		}
	}
	ht_policy_free(twice);
	ht_policy_free(share);
}

// Other records, and no policy.
static void left_alone(void **state) {
	(void)state;
	static const char *const kinds[] = {"event", "flow", "aggregate", "stats"};
	struct ht_policy *p = good("finding f info when not has ech");
	static struct hello h;
	for (unsigned i = 0; i < HT_ARRAY_LEN(kinds); i++) {
		known_hello(&h);
		h.r.record = kinds[i];
		ht_findings_fill(p, &h.r);
		assert_false(HAS(&h.r, findings));
	}
	known_hello(&h);
	ht_findings_fill(NULL, &h.r);
	assert_false(HAS(&h.r, findings));
	ht_findings_fill(p, &h.r);
	assert_int_equal(h.r.findings.num, 1);
	assert_ptr_equal(h.r.findings.s[0], ht_policy_finding(p, 0)->name);
	ht_policy_free(p);
}

static void statements(void **state) {
	(void)state;
	struct ht_policy *p = good("include default drop no_pq\nset @mine = \"a\" \"b\"\n"
				   "set @all = @mine \"c\"\n"
				   "finding no_pq critical when ( alpn any  @all ) # x\n"
				   "and dst_port in {1 .. 5}\n"
				   "why \"b\" help \"one \" \"two\\x0a\" except \"d\" see \"c\"");
	const unsigned num = ht_policy_num(p);
	const struct ht_finding *f = ht_policy_finding(p, num - 1);
	assert_int_equal(num, HT_ARRAY_LEN(readings));
	assert_string_equal(f->name, "no_pq");
	assert_int_equal(f->severity, HT_SEVERITY_CRITICAL);
	assert_string_equal(f->when, "(alpn any @all) and dst_port in {1..5}");
	assert_string_equal(f->help, "one two ");
	assert_string_equal(f->why, "b");
	assert_string_equal(f->see, "c");
	assert_string_equal(f->except, "d");
	ht_policy_free(p);
	p = good("");
	assert_int_equal(ht_policy_num(p), 0);
	ht_policy_free(p);
	// Dropped, and the others keep their conditions.
	p = good("finding a info when psk finding b info when has ech drop a");
	static struct hello h;
	known_hello(&h);
	assert_false(found(p, &h.r, "a"));
	assert_false(found(p, &h.r, "b"));
	ht_set(&h.r, ech, "outer");
	assert_true(found(p, &h.r, "b"));
	ht_policy_free(p);
}

// --- faults -------------------------------------------------------------------------------------

// A policy with one fault, or "nothing" where there is none.
static void expect_fault(const char *text, const char *fault) {
	struct ht_policy_report rep;
	char got[256] = "nothing";
	struct ht_policy *p = policy_of(text, strlen(text), &rep);
	if (p == NULL)
		snprintf(
			got, sizeof(got), "%u:%u: %s", rep.errors[0].line, rep.errors[0].column,
			rep.errors[0].reason
		);
	if (strcmp(got, fault) != 0)
		fail_msg("%s\nwant %s\ngot  %s", text, fault, got);
	assert_true(p != NULL || rep.num == 1);
	ht_policy_free(p);
}

static void faults(void **state) {
	(void)state;
	static const char *const cases[][2] = {
		{"fnding x", "1:1: 'finding', 'set', 'drop' or 'include' was expected, not fnding"},
		{"finding", "1:8: the name of the finding was expected, not the end of the policy"},
		{"finding 3des", "1:9: a number is decimal digits, or 0x and hexadecimal ones"},
		{"finding X info",
		 "1:9: a name is a small letter or _, then a-z, 0-9 and _, 32 of them "
		 "at most"},
		{"finding x notise when psk",
		 "1:11: no severity is called notise; did you mean notice?"},
		{"finding x when psk",
		 "1:11: a severity (info, notice, warning, critical) was expected, not when"},
		{"finding x info psk", "1:16: 'when' and a condition was expected, not psk"},
		{"finding x info when",
		 "1:20: a condition was expected, not the end of the policy"},
		{"finding x info when cipers any 1",
		 "1:21: there is no field cipers; did you mean ciphers?"},
		{"finding x info when sni_is_pi", "1:21: there is no field sni_is_pi; did you mean "
						  "sni_is_ip?"},
		{"finding x info when zzzzzzzz", "1:21: there is no field zzzzzzzz"},
		{"finding x info when has 5", "1:25: a field was expected, not 5"},
		{"finding x info when has frame", "1:25: frame is no field that a policy looks at"},
		{"finding x info when findings any \"x\"",
		 "1:21: findings is no field that a policy looks at"},
		{"finding x info when src_ip = 5", "1:21: src_ip can only be there or not: 'has'"},
		{"finding x info when ciphers = 5", "1:29: 'any' or 'all' was expected, not ="},
		{"finding x info when dst_port any 5",
		 "1:30: =, !=, <, <=, >, >= or 'in' was expected, not any"},
		{"finding x info when service < \"a\"", "1:31: service has no order: =, != or in"},
		{"finding x info when alpn all \"a\"", "1:30: 'all' is for lists of numbers"},
		{"finding x info when dst_port = \"a\"", "1:32: dst_port is compared with numbers"},
		{"finding x info when service = 5",
		 "1:31: service is compared with texts: \"...\""},
		{"finding x info when dst_port = 65536", "1:32: dst_port has numbers up to 65535"},
		{"finding x info when ciphers any 0x1000000",
		 "1:33: ciphers has numbers up to 16777215"},
		{"finding x info when point_formats any 256",
		 "1:39: point_formats has numbers up to 255"},
		{"finding x info when dst_port < 0", "1:32: no number is"},
		{"finding x info when hello_len > 0xffffffff", "1:33: no number is"},
		{"finding x info when dst_port < 1..2", "1:32: one value was expected"},
		{"finding x info when tls_version < \"TLS1.2\"",
		 "1:35: \"TLS1.2\" is no version; did you mean \"TLS 1.2\"?"},
		{"finding x info when tls_version = 5",
		 "1:35: tls_version is compared with texts: \"TLS 1.2\""},
		{"finding x info when sni = \"*\"",
		 "1:27: this is any text: say 'has' and the field"},
		{"finding x info when ja4 = \"t13d_*_a\"",
		 "1:27: a * for anything stands at the begin or the end; one that is itself is "
		 "written \\*"},
		{"finding x info when protocol = \"tcp\"",
		 "1:32: protocol is never \"tcp\", but one of \"tls\", \"dtls\", \"quic\""},
		{"set @p = \"quic\" \"quik\" finding x info when protocol in @p",
		 "1:56: protocol is never \"quik\"; did you mean \"quic\"?"},
		{"finding x info when incomplete_reason = \"gaps\"",
		 "1:41: incomplete_reason is never \"gaps\"; did you mean \"gap\"?"},
		{"finding x info when sni = \"a",
		 "1:27: the text has no \" at its end; it must stand "
		 "on the same line"},
		{"finding x info when sni = \"a\x01\"",
		 "1:27: a control character in a text is written \\xNN"},
		{"finding x info when sni = \"a\\q\"",
		 "1:27: behind \\ comes \", \\, * or x with two hexadecimal digits: \\x0a"},
		{"finding x info when ciphers any @rc4", "1:33: there is no set @rc4 above"},
		{"set @rc4 = 4 finding x info when ciphers any @rc5",
		 "1:46: there is no set @rc5 above; did you mean @rc4?"},
		{"finding x info when ciphers any {}",
		 "1:34: a number, a \"text\" or a @set was expected, not }"},
		{"finding x info when ciphers any {1 psk",
		 "1:36: a number, a \"text\", a @set or } was expected, not psk"},
		{"finding x info when ciphers any {1, 2}",
		 "1:35: there are no commas: blanks separate"},
		{"finding x info when ciphers any 5..4",
		 "1:33: the range ends below its beginning"},
		{"finding x info when ciphers any 5..x",
		 "1:36: a number behind .. was expected, not x"},
		{"set @a = 4294967296", "1:10: a number is at most 4294967295"},
		{"set @a = 1 \"b\"", "1:12: numbers and texts do not go together"},
		{"set a = 1", "1:5: @ and the name of the set was expected, not a"},
		{"set @ = 1", "1:5: behind @ comes the name of a set"},
		{"set @a 1", "1:8: = was expected, not 1"},
		{"set @a = 1 set @a = 1", "1:16: there is a set of this name above"},
		{"finding x info when (psk",
		 "1:25: 'and', 'or' or ) was expected, not the end of the "
		 "policy"},
		{"finding x info when psk)", "1:24: 'and', 'or', 'help' or the next statement was "
					     "expected, not )"},
		{"finding x info when psk help",
		 "1:29: a \"text\" was expected, not the end of the "
		 "policy"},
		{"finding x info when psk help \"a\" help \"b\"", "1:34: 'help' is there twice"},
		{"finding x info when psk finding x info when psk",
		 "1:33: there is a finding x above; 'drop' that first"},
		{"finding x info when psk and not psk", "1:9: this condition never holds"},
		{"drop x", "1:6: there is no finding x above"},
		{"finding xyz info when psk drop xyy",
		 "1:32: there is no finding xyy above; did you mean xyz?"},
		{"include x", "1:9: 'default' was expected, not x"},
		{"set @a = 1 include default", "1:12: 'include default' stands before all else"},
		{"\n\n  # x\n\t; y", "4:2: this character has no meaning here"},
		{"finding x\xff info", "1:10: this character has no meaning here"},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++)
		expect_fault(cases[i][0], cases[i][1]);
}

// What a service may be called: as in the table in force, or as in the built-in one.
static void names_of_services(void **state) {
	(void)state;
	static const char *const cases[][2] = {
		{"finding x info when service = \"htps\"",
		 "1:31: no service is called \"htps\"; did you mean \"https\"?"},
		{"finding x info\n\twhen not service in {\"https\" \"zzzzzzzzzz\"}",
		 "2:22: no service is called \"zzzzzzzzzz\"; --services-table lists them"},
		{"set @s = \"imaps\" \"intranets\" finding x info when service != @s",
		 "1:61: no service is called \"intranets\"; did you mean \"intranet\"?"},
		{"finding x info when service = \"intranet\"", "nothing"},
		{"finding x info when service in {\"https\" \"htps*\" \"*x\"}", "nothing"},
		{"finding x info when sni = \"htps\"", "nothing"},
	};
	struct ht_services *t = ht_services_new();
	struct ht_services_error wrong;
	assert_non_null(t);
	const struct ht_span lines
		= HT_SPAN_STR("4433/tcp intranet implicit\n443/tcp -\n443/udp -");
	assert_int_equal(ht_services_parse(t, lines, &wrong), HT_OK);
	services = t;
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++)
		expect_fault(cases[i][0], cases[i][1]);
	struct ht_policy_report rep;
	const struct ht_span builtin = ht_policy_default();
	ht_policy_free(policy_of((const char *)builtin.p, builtin.len, &rep));
	assert_int_equal(rep.num, 0);
	services = NULL;
	expect_fault(cases[0][0], "nothing");
	ht_services_free(t);
}

// Behind a fault it goes on, and what follows from it is not told.
static void more_faults(void **state) {
	(void)state;
	struct ht_policy_report rep;
	const char text[] = "set @a = 1 , 2\nset @b = @a\nfinding x info when ciphers any @b\n"
			    "finding y info when pks\nfinding z info when sni any \"x\"\n"
			    "finding x info when psk\n";
	assert_null(policy_of(text, strlen(text), &rep));
	assert_int_equal(rep.num, 4);
	const unsigned lines[] = {1, 4, 5, 6};
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(rep.errors[i].line, lines[i]);
	// More than are kept.
	char many[4096] = "";
	for (unsigned i = 0; i < 40; i++)
		strcat(many, "drop x\n");
	assert_null(policy_of(many, strlen(many), &rep));
	assert_int_equal(rep.num, HT_POLICY_ERRORS_MAX);
	assert_int_equal(rep.more, 40 - HT_POLICY_ERRORS_MAX);
}

static char *repeat(char *to, const char *s, unsigned n) {
	for (unsigned i = 0; i < n; i++)
		to = stpcpy(to, s);
	return to;
}

// What each cap says; one less is taken.
static void caps(void **state) {
	(void)state;
	static char text[HT_POLICY_BYTES_MAX + 2];
	static struct ht_policy_report rep;
	for (unsigned over = 0; over < 2; over++)
		for (unsigned which = 0; which < 11; which++) {
			const char *want = NULL;
			char *to = text;
			switch (which) {
			case 0:
				for (unsigned i = 0; i < HT_POLICY_FINDINGS_MAX + over; i++)
					to += sprintf(to, "finding f%u info when psk\n", i);
				want = "more than 64 findings";
				break;
			case 1:
				for (unsigned i = 0; i < HT_POLICY_SETS_MAX + over; i++)
					to += sprintf(to, "set @s%u = %u\n", i, i);
				want = "more than 256 sets";
				break;
			case 2:
				to = stpcpy(to, "set @s =");
				to = repeat(to, " 7", HT_POLICY_RANGES_MAX + over);
				want = "more than 16384 numbers and ranges";
				break;
			case 3:
				to = stpcpy(to, "set @s =");
				to = repeat(to, " \"7\"", HT_POLICY_TEXTS_MAX + over);
				want = "more than 4096 texts";
				break;
			case 4:
				to = stpcpy(to, "finding f info when ");
				to = repeat(to, "(", HT_POLICY_DEPTH_MAX + over);
				to = stpcpy(to, "psk");
				to = repeat(to, ")", HT_POLICY_DEPTH_MAX + over);
				want = "more than 32 parentheses and 'not' deep";
				break;
			case 5:
				to = stpcpy(to, "finding f info when psk");
				to = repeat(to, " and psk", HT_POLICY_NODES_MAX / 2 - 1 + over);
				want = "more than 4096 comparisons and words between them";
				break;
			case 6: // 2 to the 8th, or 9th
				to = stpcpy(to, "finding f info when (psk or early_data)");
				for (unsigned i = 1; i < 8 + over; i++)
					to += sprintf(
						to, " and (dst_port = %u or src_port = %u)", i, i
					);
				want = "the condition has more than 256 alternatives when it is "
				       "written out, 'or' outermost";
				break;
			case 7:
				to = stpcpy(to, "finding f info when psk");
				for (unsigned i = 1; i < HT_POLICY_LITERALS_MAX + over; i++)
					to += sprintf(to, " and ciphers any %u", i);
				want = "more than 24 comparisons with 'and' between them";
				break;
			case 8:
				to = stpcpy(to, "finding f info when psk");
				for (unsigned i = 0; i < 64 + over; i++)
					to += sprintf(to, " or ciphers any %u", i);
				want = "more than 64 different comparisons of one field";
				break;
			case 9: // each number in a class of its own
				to = stpcpy(to, "finding f info when psk");
				for (unsigned i = 0; i < 8 + over; i++) {
					to = stpcpy(to, " or dst_port in {");
					for (unsigned v = 0; v < 1024; v++)
						if (v >> i & 1 && v < 256 + 256 * over)
							to += sprintf(to, "%u ", v);
					to = stpcpy(to, "}");
				}
				want = "the sets that dst_port is compared with overlap in too "
				       "many ways";
				break;
			default:
				memset(text, ' ', HT_POLICY_BYTES_MAX + over);
				to = text + HT_POLICY_BYTES_MAX + over;
				want = "a policy is 1 MiB at the most";
				break;
			}
			struct ht_policy *p = policy_of(text, (size_t)(to - text), &rep);
			if ((p == NULL) != over
			    || (over && strcmp(rep.errors[0].reason, want) != 0))
				fail_msg(
					"cap %u: %s", which,
					p == NULL ? rep.errors[0].reason : "it is taken"
				);
			ht_policy_free(p);
		}
}

// Any beginning of a policy is taken, or refused at a place in it.
static void cut(void **state) {
	(void)state;
	static const char text[]
		= "set @a = 1..5 0x10 # x\nset @b = \"a*\" \"\\x41\"\nfinding f info when (has "
		  "sni\n"
		  "or not ciphers any {@a 7}) and tls_version <= \"TLS 1.2\" and alpn any @b\n"
		  "help \"h\" why \"w\" see \"s\" except \"e\"\ndrop f\nfinding g critical when "
		  "psk";
	static struct ht_policy_report rep;
	for (size_t n = 0; n <= strlen(text); n++) {
		ht_policy_free(policy_of(text, n, &rep));
		for (unsigned i = 0; i < rep.num; i++)
			assert_in_range(rep.errors[i].line, 1, 7);
	}
	const struct ht_span all = ht_policy_default();
	for (size_t n = 0; n <= all.len; n += 1 + n % 61)
		ht_policy_free(policy_of((const char *)all.p, n, &rep));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_policy),
		cmocka_unit_test(each_cipher),
		cmocka_unit_test(server_names),
		cmocka_unit_test(random_policies),
		cmocka_unit_test(conditions),
		cmocka_unit_test(incomplete),
		cmocka_unit_test(long_lists_hide_nothing),
		cmocka_unit_test(left_alone),
		cmocka_unit_test(statements),
		cmocka_unit_test(faults),
		cmocka_unit_test(names_of_services),
		cmocka_unit_test(more_faults),
		cmocka_unit_test(caps),
		cmocka_unit_test(cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
