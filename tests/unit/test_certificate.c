// SPDX-License-Identifier: BSD-3-Clause
// Certificates made here by libcrypto, and what is said of them.

#include "certificate.h"
#include "t.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#define NS 1000000000
#define YEAR (365 * 86400)
#define BEGIN INT64_C(1700000000)

// What a certificate is made of; what is not given is usual.
struct wish {
	const char *cn, *san;
	EVP_PKEY *key;
	const EVP_MD *md; // NULL: SHA-256
	X509 *issuer; // NULL: itself
	EVP_PKEY *issuer_key;
	int64_t not_before, not_after; // 0: BEGIN, a year
};

static EVP_PKEY *ec, *ca_key;
static X509 *ca;

static void set_time(ASN1_TIME *t, int64_t s) {
	assert_non_null(ASN1_TIME_adj(t, (time_t)s, 0, 0));
}

static X509 *make(const struct wish *w) {
	X509 *x = X509_new();
	EVP_PKEY *key = w->key != NULL ? w->key : ec;
	X509_NAME *name = X509_NAME_new();
	assert_int_equal(X509_set_version(x, 2), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 0x8001), 1);
	set_time(X509_getm_notBefore(x), w->not_before != 0 ? w->not_before : BEGIN);
	set_time(X509_getm_notAfter(x), w->not_after != 0 ? w->not_after : BEGIN + YEAR);
	assert_int_equal(
		X509_NAME_add_entry_by_txt(
			name, "O", MBSTRING_UTF8, (const uint8_t *)"B\xc3\xbcro, Example", -1, -1, 0
		),
		1
	);
	assert_int_equal(
		X509_NAME_add_entry_by_txt(
			name, "CN", MBSTRING_UTF8, (const uint8_t *)w->cn, -1, -1, 0
		),
		1
	);
	X509_set_subject_name(x, name);
	X509_set_issuer_name(x, w->issuer != NULL ? X509_get_subject_name(w->issuer) : name);
	X509_NAME_free(name);
	X509_set_pubkey(x, key);
	if (w->san != NULL) {
		X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, w->san);
		assert_non_null(e);
		X509_add_ext(x, e, -1);
		X509_EXTENSION_free(e);
	}
	EVP_PKEY *by = w->issuer_key != NULL ? w->issuer_key : key;
	const int id = EVP_PKEY_get_base_id(by);
	const EVP_MD *md = id == EVP_PKEY_ED25519 ? NULL : w->md != NULL ? w->md : EVP_sha256();
	assert_true(X509_sign(x, by, md) > 0);
	return x;
}

static uint8_t chain[70000];
static size_t chain_len;

static void add(const X509 *x) {
	uint8_t *p = chain + chain_len + 3;
	const int n = i2d_X509(x, NULL);
	assert_true(n > 0 && chain_len + 3 + (size_t)n <= sizeof(chain));
	(void)i2d_X509(x, &p);
	chain[chain_len] = 0;
	ht_put_be16(chain + chain_len + 1, (uint16_t)n);
	chain_len += 3 + (size_t)n;
}

static void only(X509 *x) {
	chain_len = 0;
	add(x);
	X509_free(x);
}

static struct ht_record record_of(int64_t s, const char *sni) {
	struct ht_record r;
	memset(&r, 0xa5, sizeof(r)); // a field is there by its bit alone
	r.has = 0;
	ht_set(&r, ts, s * NS);
	ht_set(&r, cert_count, 1);
	r.cert_chain = HT_SPAN(chain, chain_len);
	if (sni != NULL)
		ht_set(&r, sni, HT_SPAN(sni, strlen(sni)));
	return r;
}

// The findings, as one text.
static const char *findings(const struct ht_record *r) {
	static char text[256];
	text[0] = '\0';
	if (!(r->has & HT_HAS(cert_findings)))
		return text;
	assert_true(r->cert_findings.num > 0);
	for (unsigned i = 0; i < r->cert_findings.num; i++) {
		if (i > 0)
			strcat(text, " ");
		strcat(text, r->cert_findings.s[i]);
	}
	return text;
}

static const char *found(struct ht_certificates *c, int64_t s, const char *sni) {
	struct ht_record r = record_of(s, sni);
	ht_certificates_fill(c, &r);
	return findings(&r);
}

static struct ht_certificates *cache(unsigned n) {
	struct ht_certificates *c = ht_certificates_new(n);
	assert_non_null(c);
	return c;
}

static int begin(void **state) {
	(void)state;
	ec = EVP_EC_gen("P-256");
	ca_key = EVP_EC_gen("P-256");
	assert_true(ec != NULL && ca_key != NULL);
	ca = make(&(struct wish){.cn = "CA", .key = ca_key});
	return 0;
}

static int end(void **state) {
	(void)state;
	EVP_PKEY_free(ec);
	EVP_PKEY_free(ca_key);
	X509_free(ca);
	return 0;
}

static struct wish issued(const char *cn, const char *san) {
	return (struct wish){.cn = cn, .san = san, .issuer = ca, .issuer_key = ca_key};
}

static void all_fields(void **state) {
	(void)state;
	struct ht_certificates *c = cache(4);
	struct wish w = issued(
		"www.example.com", "DNS:www.example.com,DNS:*.example.net,"
				   "IP:192.0.2.1,IP:2001:db8::1,email:a@example.com"
	);
	chain_len = 0;
	X509 *x = make(&w);
	add(x);
	add(ca);
	X509_free(x);
	struct ht_record r = record_of(BEGIN + 1, "a.example.net");
	ht_certificates_fill(c, &r);
	assert_string_equal(findings(&r), "");
	assert_true(ht_span_eq(
		r.cert_subject, HT_SPAN_STR("CN=www.example.com,O=B\xc3\xbcro\\, Example")
	));
	assert_true(ht_span_eq(r.cert_issuer, HT_SPAN_STR("CN=CA,O=B\xc3\xbcro\\, Example")));
	assert_true(ht_span_eq(
		r.cert_sans, HT_SPAN_STR("\x0fwww.example.com\x0d*.example.net\x09"
					 "192.0.2.1\x0b"
					 "2001:db8::1")
	));
	assert_int_equal(r.cert_not_before, BEGIN);
	assert_int_equal(r.cert_not_after, BEGIN + YEAR);
	assert_string_equal(r.cert_key, "ec");
	assert_int_equal(r.cert_key_bits, 256);
	assert_true(ht_span_eq(r.cert_signature, HT_SPAN_STR("ecdsa-with-SHA256")));
	assert_true(ht_span_eq(r.cert_serial, HT_SPAN_STR("\x80\x01")));
	uint8_t sha[32];
	EVP_Digest(chain + 3, ht_be24(chain), sha, NULL, EVP_sha256(), NULL);
	assert_true(ht_span_eq(r.cert_sha256, HT_SPAN(sha, 32)));
	assert_int_equal(ht_certificates_counts(c)[HT_CERTIFICATE_NAMES_LEFT_OUT], 1);
	ht_certificates_free(c);
}

static void times(void **state) {
	(void)state;
	struct ht_certificates *c = cache(4);
	only(make(&(struct wish){.cn = "t"}));
	assert_string_equal(found(c, BEGIN - 1, NULL), "not_yet_valid self_signed");
	assert_string_equal(found(c, BEGIN, NULL), "self_signed");
	assert_string_equal(found(c, BEGIN + YEAR, NULL), "self_signed");
	assert_string_equal(found(c, BEGIN + YEAR + 1, NULL), "expired self_signed");
	// One certificate, read once.
	assert_int_equal(ht_certificates_counts(c)[HT_CERTIFICATE_PARSED], 1);
	assert_int_equal(ht_certificates_counts(c)[HT_CERTIFICATE_CACHED], 3);
	only(make(&(struct wish){.cn = "t", .not_before = -YEAR, .not_after = INT64_C(253402300799)}
	));
	struct ht_record r = record_of(BEGIN, NULL);
	ht_certificates_fill(c, &r);
	assert_int_equal(r.cert_not_before, -YEAR);
	assert_int_equal(r.cert_not_after, INT64_C(253402300799)); // 9999-12-31, RFC 5280 4.1.2.5
	ht_certificates_free(c);
}

static void names(void **state) {
	(void)state;
	struct ht_certificates *c = cache(4);
	struct wish w
		= issued("cn.example.com", "DNS:www.example.com,DNS:*.example.net,IP:192.0.2.1");
	X509 *x = make(&w);
	chain_len = 0;
	add(x);
	add(ca);
	X509_free(x);
	static const struct {
		const char *sni;
		bool right;
	} cases[] = {
		{"www.example.com", true}, {"WWW.EXAMPLE.COM", true},  {"www.example.com.", true},
		{"a.example.net", true},   {"a.b.example.net", false}, {"example.net", false},
		{"cn.example.com", false}, // the names of the extension replace it (RFC 6125 6.4.4)
		{"192.0.2.1", true},	   {"192.0.2.2", false},       {"", false},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++)
		assert_string_equal(
			found(c, BEGIN, cases[i].sni), cases[i].right ? "" : "name_mismatch"
		);
	struct ht_record r = record_of(BEGIN, NULL);
	ht_set(&r, sni, HT_SPAN_STR("www.example.com\0.evil"));
	ht_certificates_fill(c, &r);
	assert_string_equal(findings(&r), "name_mismatch");
	w = issued("cn.example.com", NULL);
	only(make(&w));
	add(ca);
	assert_string_equal(found(c, BEGIN, "cn.example.com"), "");
	ht_certificates_free(c);
}

static void chains(void **state) {
	(void)state;
	struct ht_certificates *c = cache(4);
	struct wish w = issued("leaf", NULL);
	X509 *leaf = make(&w), *other = make(&(struct wish){.cn = "other"});
	chain_len = 0;
	add(leaf);
	assert_string_equal(found(c, BEGIN, NULL), "incomplete_chain");
	add(other);
	assert_string_equal(found(c, BEGIN, NULL), "incomplete_chain");
	add(ca); // out of order, and there
	assert_string_equal(found(c, BEGIN, NULL), "");
	chain_len -= 1; // the last one is cut
	assert_string_equal(found(c, BEGIN, NULL), "malformed incomplete_chain");
	// The same names, and not its own signature.
	X509 *posing
		= make(&(struct wish){.cn = "CA", .key = ec, .issuer = ca, .issuer_key = ca_key});
	chain_len = 0;
	add(posing);
	assert_string_equal(found(c, BEGIN, NULL), "incomplete_chain");
	X509_free(leaf);
	X509_free(other);
	X509_free(posing);
	ht_certificates_free(c);
}

static void keys_and_signatures(void **state) {
	(void)state;
	struct ht_certificates *c = cache(8);
	EVP_PKEY *rsa1024 = EVP_RSA_gen(1024), *rsa2048 = EVP_RSA_gen(2048),
		 *p192 = EVP_EC_gen("prime192v1"), *p224 = EVP_EC_gen("secp224r1"),
		 *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	assert_true(rsa1024 && rsa2048 && p192 && p224 && ed);
	const struct {
		EVP_PKEY *key;
		const char *name;
		unsigned bits;
		bool weak;
	} keys[] = {
		{rsa1024, "rsa", 1024, true}, {rsa2048, "rsa", 2048, false},
		{p192, "ec", 192, true},      {p224, "ec", 224, false},
		{ed, "ed25519", 256, false},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(keys); i++) {
		only(make(&(struct wish){.cn = "k", .key = keys[i].key}));
		struct ht_record r = record_of(BEGIN, NULL);
		ht_certificates_fill(c, &r);
		assert_string_equal(r.cert_key, keys[i].name);
		assert_int_equal(r.cert_key_bits, keys[i].bits);
		assert_string_equal(
			findings(&r), keys[i].weak ? "self_signed weak_key" : "self_signed"
		);
	}
	struct wish w = issued("s", NULL);
	static const char *const weak = "weak_signature incomplete_chain";
	w.md = EVP_sha1();
	only(make(&w));
	assert_string_equal(found(c, BEGIN, NULL), weak);
	w.issuer_key = rsa2048;
	w.md = EVP_md5();
	only(make(&w));
	assert_string_equal(found(c, BEGIN, NULL), weak);
	w.md = EVP_sha384();
	only(make(&w));
	assert_string_equal(found(c, BEGIN, NULL), "incomplete_chain");
	// Its own signature says nothing.
	only(make(&(struct wish){.cn = "s", .md = EVP_sha1()}));
	assert_string_equal(found(c, BEGIN, NULL), "self_signed");
	EVP_PKEY_free(rsa1024);
	EVP_PKEY_free(rsa2048);
	EVP_PKEY_free(p192);
	EVP_PKEY_free(p224);
	EVP_PKEY_free(ed);
	ht_certificates_free(c);
}

static void adds_up(const struct ht_certificates *c) {
	assert_int_equal(
		ht_certificates_counts(c)[HT_CERTIFICATE_RECORDS],
		ht_certificates_counts(c)[HT_CERTIFICATE_CACHED]
			+ ht_certificates_counts(c)[HT_CERTIFICATE_PARSED]
			+ ht_certificates_counts(c)[HT_CERTIFICATE_MALFORMED]
			+ ht_certificates_counts(c)[HT_CERTIFICATE_TOO_LONG]
			+ ht_certificates_counts(c)[HT_CERTIFICATE_NO_MEMORY]
	);
}

static void caps(void **state) {
	(void)state;
	struct ht_certificates *c = cache(4);
	// 200 names: the first 128 of them.
	static char san[60000];
	size_t n = 0;
	for (unsigned i = 0; i < 200; i++)
		n += (size_t)snprintf(san + n, sizeof(san) - n, "%sDNS:n%u.x", i > 0 ? "," : "", i);
	only(make(&(struct wish){.cn = "many", .san = san}));
	struct ht_record r = record_of(BEGIN, NULL);
	ht_certificates_fill(c, &r);
	unsigned num = 0;
	for (size_t at = 0; at < r.cert_sans.len; at += 1u + r.cert_sans.p[at])
		num++;
	assert_int_equal(num, HT_CERTIFICATE_MAX_NAMES);
	assert_int_equal(ht_certificates_counts(c)[HT_CERTIFICATE_NAMES_LEFT_OUT], 72);
	// Names of 250 bytes: 16 of them fit.
	n = 0;
	for (unsigned i = 0; i < 30; i++)
		n += (size_t
		)snprintf(san + n, sizeof(san) - n, "%sDNS:%0250u", i > 0 ? "," : "", i);
	only(make(&(struct wish){.cn = "long", .san = san}));
	r = record_of(BEGIN, NULL);
	ht_certificates_fill(c, &r);
	assert_int_equal(r.cert_sans.len, 16 * 251);
	// A name of 256 bytes does not fit its length byte.
	snprintf(san, sizeof(san), "DNS:%0256u,DNS:short", 1);
	only(make(&(struct wish){.cn = "longer", .san = san}));
	r = record_of(BEGIN, NULL);
	ht_certificates_fill(c, &r);
	assert_true(ht_span_eq(r.cert_sans, HT_SPAN_STR("\x05short")));
	// A certificate of more than 16 KiB, a chain of more than 64.
	n = 0;
	for (unsigned i = 0; i < 100; i++)
		n += (size_t
		)snprintf(san + n, sizeof(san) - n, "%sDNS:%0250u", i > 0 ? "," : "", i);
	only(make(&(struct wish){.cn = "big", .san = san}));
	r = record_of(BEGIN, NULL);
	ht_certificates_fill(c, &r);
	assert_false(r.has & HT_HAS(cert_subject));
	assert_false(r.has & HT_HAS(cert_findings));
	assert_int_equal(ht_certificates_counts(c)[HT_CERTIFICATE_TOO_LONG], 1);
	only(make(&(struct wish){.cn = "small"}));
	chain_len = HT_CERTIFICATE_CHAIN_MAX + 1;
	r = record_of(BEGIN, NULL);
	ht_certificates_fill(c, &r);
	assert_int_equal(ht_certificates_counts(c)[HT_CERTIFICATE_TOO_LONG], 2);
	adds_up(c);
	ht_certificates_free(c);
}

// A cache of three: what it gives is right whatever it forgot.
static void eviction(void **state) {
	(void)state;
	struct ht_certificates *c = cache(3);
	X509 *x[8];
	char cn[16];
	uint32_t rnd = 1;
	for (unsigned i = 0; i < 8; i++) {
		snprintf(cn, sizeof(cn), "n%u", i);
		x[i] = make(&(struct wish){.cn = cn});
	}
	for (unsigned i = 0; i < 2000; i++) {
		rnd = rnd * 1664525 + 1013904223;
		const unsigned k = rnd >> 29;
		chain_len = 0;
		add(x[k]);
		if (rnd & 1 << 20) // something else behind the hash: malformed, and kept as such
			chain[3] = 0x31;
		struct ht_record r = record_of(BEGIN, NULL);
		ht_certificates_fill(c, &r);
		if (rnd & 1 << 20) {
			assert_string_equal(findings(&r), "malformed");
			continue;
		}
		snprintf(cn, sizeof(cn), "CN=n%u,", k);
		assert_memory_equal(r.cert_subject.p, cn, strlen(cn));
	}
	assert_true(ht_certificates_counts(c)[HT_CERTIFICATE_CACHED] > 100);
	assert_true(ht_certificates_counts(c)[HT_CERTIFICATE_PARSED] > 100);
	adds_up(c);
	for (unsigned i = 0; i < 8; i++)
		X509_free(x[i]);
	ht_certificates_free(c);
}

// Cut anywhere, with every byte changed: no fault, and always something said.
static void hostile(void **state) {
	(void)state;
	struct wish w = issued("www.example.com", "DNS:www.example.com,IP:192.0.2.1");
	only(make(&w));
	add(ca);
	struct ht_certificates *c = cache(2);
	const size_t n = chain_len, leaf = 3 + ht_be24(chain);
	for (size_t len = 1; len < n; len++) {
		struct ht_record r = record_of(BEGIN, "www.example.com");
		uint8_t *p = t_dup(chain, len);
		r.cert_chain = HT_SPAN(p, len);
		ht_certificates_fill(c, &r);
		const bool found_malformed = strstr(findings(&r), "malformed") != NULL;
		assert_int_equal(found_malformed, len != leaf);
		free(p);
	}
	for (size_t at = 0; at < n; at++) {
		struct ht_record r = record_of(BEGIN, "www.example.com");
		uint8_t *p = t_dup(chain, n);
		p[at] ^= (uint8_t)(1 + at % 255);
		r.cert_chain = HT_SPAN(p, n);
		ht_certificates_fill(c, &r);
		free(p);
	}
	adds_up(c);
	ht_certificates_free(c);
}

// An RSA key of another's numbers, with an exponent of as many bits.
static EVP_PKEY *large_exponent(const EVP_PKEY *of) {
	BIGNUM *n = NULL;
	EVP_PKEY *key = NULL;
	assert_int_equal(EVP_PKEY_get_bn_param(of, OSSL_PKEY_PARAM_RSA_N, &n), 1);
	BIGNUM *e = BN_dup(n);
	BN_sub_word(e, 2);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	BN_free(n);
	BN_free(e);
	return key;
}

// Keys that could take long are not verified with; a curve that is sent along is not even looked
// at.
static void foreign_keys(void **state) {
	(void)state;
	struct ht_certificates *c = cache(4);
	const uint64_t *const ctr = ht_certificates_counts(c);
	EVP_PKEY *rsa = EVP_RSA_gen(2048), *slow = large_exponent(rsa);
	// It could not be right: the key has no private half.
	only(make(&(struct wish){.cn = "slow", .key = slow, .issuer_key = rsa}));
	struct ht_record r = record_of(BEGIN, NULL);
	ht_certificates_fill(c, &r);
	assert_string_equal(findings(&r), "self_signed");
	assert_string_equal(r.cert_key, "rsa");
	assert_int_equal(r.cert_key_bits, 2048);
	assert_int_equal(ctr[HT_CERTIFICATE_UNVERIFIED], 1);
	only(make(&(struct wish){.cn = "quick", .key = rsa, .issuer_key = ec}));
	assert_string_equal(found(c, BEGIN, NULL), "incomplete_chain");
	EVP_PKEY *curve = EVP_EC_gen("P-256");
	assert_int_equal(
		EVP_PKEY_set_utf8_string_param(
			curve, OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_EXPLICIT
		),
		1
	);
	only(make(&(struct wish){.cn = "curve", .key = curve}));
	r = record_of(BEGIN, NULL);
	ht_certificates_fill(c, &r);
	assert_string_equal(findings(&r), "self_signed");
	assert_string_equal(r.cert_key, "other");
	assert_false(r.has & HT_HAS(cert_key_bits));
	assert_int_equal(ctr[HT_CERTIFICATE_UNVERIFIED], 2);
	uint8_t sha[32]; // of what was sent
	EVP_Digest(chain + 3, ht_be24(chain), sha, NULL, EVP_sha256(), NULL);
	assert_true(ht_span_eq(r.cert_sha256, HT_SPAN(sha, 32)));
	assert_int_equal(ctr[HT_CERTIFICATE_PUT_OFF], 0);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(slow);
	EVP_PKEY_free(curve);
	ht_certificates_free(c);
}

// Takes steps of a second: certificates that are not the issuer, in another chain each time.
static void
take_steps(struct ht_certificates *c, int64_t s, const X509 *leaf, const X509 *other, unsigned n) {
	static uint16_t number;
	const uint64_t before = ht_certificates_counts(c)[HT_CERTIFICATE_PUT_OFF];
	for (unsigned some; n > 0; n -= some) {
		some = n < 16 ? n : 16;
		chain_len = 0;
		add(leaf);
		for (unsigned k = 1; k < some; k++)
			add(other);
		ht_put_be16(chain + chain_len, 0);
		chain[chain_len + 2] = 2; // bytes, of none that is one
		ht_put_be16(chain + chain_len + 3, number++);
		chain_len += 5;
		assert_non_null(strstr(found(c, s, NULL), "incomplete_chain"));
	}
	assert_int_equal(ht_certificates_counts(c)[HT_CERTIFICATE_PUT_OFF], before);
}

// Only so many steps in a second; what is known takes none, and what was put off is made up for.
static void steps(void **state) {
	(void)state;
	struct ht_certificates *c = cache(4);
	const uint64_t *const ctr = ht_certificates_counts(c);
	struct wish w = issued("leaf", NULL);
	X509 *leaf = make(&w), *other = make(&(struct wish){.cn = "other"});
	X509 *posing
		= make(&(struct wish){.cn = "CA", .key = ec, .issuer = ca, .issuer_key = ca_key});
	chain_len = 0;
	add(leaf);
	add(ca);
	for (unsigned i = 0; i < 2 * HT_CERTIFICATE_STEPS; i++)
		assert_string_equal(found(c, BEGIN, NULL), "");
	assert_int_equal(ctr[HT_CERTIFICATE_PUT_OFF], 0);
	take_steps(c, BEGIN, leaf, other, HT_CERTIFICATE_STEPS - 1);
	chain_len = 0;
	add(leaf);
	for (unsigned k = 0; k < 16; k++)
		add(other);
	assert_string_equal(found(c, BEGIN, NULL), "");
	assert_int_equal(ctr[HT_CERTIFICATE_PUT_OFF], 1);
	assert_string_equal(found(c, BEGIN - 60, NULL), "not_yet_valid"); // the same second
	assert_string_equal(found(c, BEGIN + 1, NULL), "incomplete_chain");
	assert_int_equal(ctr[HT_CERTIFICATE_PUT_OFF], 2);
	take_steps(c, BEGIN + 1, leaf, other, HT_CERTIFICATE_STEPS - 16);
	chain_len = 0;
	add(posing);
	assert_string_equal(found(c, BEGIN + 1, NULL), "self_signed");
	assert_int_equal(ctr[HT_CERTIFICATE_UNVERIFIED], 1);
	assert_string_equal(found(c, BEGIN - 60, NULL), "not_yet_valid incomplete_chain");
	assert_int_equal(ctr[HT_CERTIFICATE_UNVERIFIED], 1);
	// 1000 names take 15 steps each time that another one is asked for.
	static char san[16000];
	size_t n = 0;
	for (unsigned i = 0; i < 1000; i++)
		n += (size_t)snprintf(san + n, sizeof(san) - n, "%sDNS:n%u", i > 0 ? "," : "", i);
	X509 *many = make(&(struct wish){.cn = "many", .san = san});
	chain_len = 0;
	add(many);
	assert_string_equal(found(c, BEGIN + 2, "n999"), "self_signed");
	take_steps(c, BEGIN + 2, leaf, other, HT_CERTIFICATE_STEPS - 1 - 15 - 14);
	chain_len = 0;
	add(many);
	assert_string_equal(found(c, BEGIN + 2, "n1000"), "self_signed");
	take_steps(c, BEGIN + 3, leaf, other, HT_CERTIFICATE_STEPS - 15);
	chain_len = 0;
	add(many);
	assert_string_equal(found(c, BEGIN + 3, "n1000"), "self_signed name_mismatch");
	assert_string_equal(found(c, BEGIN + 3, "n1000"), "self_signed name_mismatch");
	assert_string_equal(found(c, BEGIN + 3, "n1001"), "self_signed");
	X509_free(many);
	X509_free(leaf);
	X509_free(other);
	X509_free(posing);
	ht_certificates_free(c);
}

static void nothing_to_read(void **state) {
	(void)state;
	struct ht_certificates *c = cache(1);
	chain_len = 0;
	struct ht_record r = record_of(BEGIN, NULL);
	const ht_fieldset has = r.has;
	ht_certificates_fill(c, &r);
	assert_true(r.has == has);
	r.has = 0;
	ht_certificates_fill(c, &r);
	assert_true(r.has == 0);
	assert_int_equal(ht_certificates_counts(c)[HT_CERTIFICATE_RECORDS], 0);
	ht_certificates_free(c);
	assert_null(ht_certificates_new(0));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_fields),
		cmocka_unit_test(times),
		cmocka_unit_test(names),
		cmocka_unit_test(chains),
		cmocka_unit_test(keys_and_signatures),
		cmocka_unit_test(caps),
		cmocka_unit_test(eviction),
		cmocka_unit_test(hostile),
		cmocka_unit_test(foreign_keys),
		cmocka_unit_test(steps),
		cmocka_unit_test(nothing_to_read),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
