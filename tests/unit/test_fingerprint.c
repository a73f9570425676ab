// SPDX-License-Identifier: BSD-3-Clause
// JA3 and JA4 against the values their authors published, and where texts leave room, against what
// we chose.

#include "t.h"

#include "fingerprint.h"
#include "hello_build.h"

#include <inttypes.h>

static struct hb hb, other;
static struct ht_crypto *crypto;
static struct ht_fingerprinter *plain, *raw; // without and with JA4_r

#define MAX_HELLO 70000

static int set_up(void **state) {
	(void)state;
	crypto = ht_crypto_new();
	if (crypto == NULL)
		return 1;
	plain = ht_fingerprinter_new(&(struct ht_fingerprint_params
	){.crypto = crypto, .max_hello = MAX_HELLO});
	raw = ht_fingerprinter_new(&(struct ht_fingerprint_params
	){.crypto = crypto, .max_hello = MAX_HELLO, .ja4_r = true});
	return plain == NULL || raw == NULL;
}

static int tear_down(void **state) {
	(void)state;
	ht_fingerprinter_free(plain);
	ht_fingerprinter_free(raw);
	ht_fingerprinter_free(NULL);
	ht_crypto_free(crypto);
	return 0;
}

static struct ht_hello parsed(enum ht_hello_kind kind) {
	struct ht_hello h;
	enum ht_rc rc = ht_hello_parse(&h, kind, hb_span(&hb));
	if (rc != HT_OK)
		fail_msg("the test's own hello: %d", rc);
	return h;
}

// Fingerprints the hello in hb three ways: with the raw form (never cached), without it, and
// without it again. All must agree. The raw form is copied to `text`.
static struct ht_fingerprints
fingerprint(enum ht_hello_kind kind, enum ht_ja4_transport t, char *text, size_t size) {
	struct ht_hello h = parsed(kind);
	struct ht_fingerprints a, b, c;
	assert_true(ht_fingerprint(raw, &h, t, &a));
	if (text != NULL) {
		assert_true(a.ja4_r.len < size);
		memcpy(text, a.ja4_r.p, a.ja4_r.len);
		text[a.ja4_r.len] = '\0';
	}
	assert_memory_equal(a.ja4_r.p, a.ja4, 11);
	assert_true(ht_fingerprint(plain, &h, t, &b));
	assert_true(ht_fingerprint(plain, &h, t, &c));
	assert_int_equal(b.ja4_r.len, 0);
	assert_int_equal(c.ja4_r.len, 0);
	assert_memory_equal(a.ja3, b.ja3, sizeof(a.ja3));
	assert_memory_equal(a.ja4, b.ja4, sizeof(a.ja4));
	assert_memory_equal(a.ja3, c.ja3, sizeof(a.ja3));
	assert_memory_equal(a.ja4, c.ja4, sizeof(a.ja4));
	return a;
}

static void
expect_ja4(const char *name, enum ht_hello_kind kind, enum ht_ja4_transport t, const char *want) {
	struct ht_fingerprints f = fingerprint(kind, t, NULL, 0);
	if (memcmp(f.ja4, want, 36) != 0)
		fail_msg("%s: want %s, got %.36s", name, want, f.ja4);
}

// part a alone: the first ten characters
static void
expect_a(const char *name, enum ht_hello_kind kind, enum ht_ja4_transport t, const char *want) {
	struct ht_fingerprints f = fingerprint(kind, t, NULL, 0);
	if (memcmp(f.ja4, want, 10) != 0 || f.ja4[10] != '_' || f.ja4[23] != '_')
		fail_msg("%s: want %s, got %.36s", name, want, f.ja4);
}

static size_t begin(const char *ciphers) {
	hb_begin(&hb, HT_HELLO_TLS, 0x0303);
	hb_ciphers(&hb, ciphers);
	return hb_open(&hb, 2);
}

// The hello of JA4.md's worked example, in the order it is listed there; GREASE where `grease`
// says.
static void ja4_example(const char *sig_algs, bool grease) {
	size_t at
		= begin(grease ? "dada 1301 1302 1303 c02b c02f c02c 0a0a c030 cca9 cca8 c013 c014 "
				 "009c 009d 002f 0035"
			       : "1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d "
				 "002f 0035");
	if (grease)
		hb_ext(&hb, 0xbaba, "");
	hb_ext(&hb, 0x001b, "02 0002");
	hb_sni(&hb, "example.com");
	hb_ext(&hb, 0x0033, "0005 001d 0001 aa");
	hb_ext_list(&hb, 0x0010, 2, "02 6832 08 687474702f312e31");
	hb_ext(&hb, 0x4469, "0003 02 6832");
	hb_ext(&hb, 0x0017, "");
	hb_ext_list(&hb, 0x002d, 1, "01");
	hb_ext_list(&hb, 0x000d, 2, sig_algs);
	hb_ext(&hb, 0x0005, "01 0000 0000");
	hb_ext(&hb, 0x0023, "");
	hb_ext(&hb, 0x0012, "");
	hb_ext_list(&hb, 0x002b, 1, grease ? "9a9a 0304 0303" : "0304 0303");
	hb_ext(&hb, 0xff01, "00");
	hb_ext_list(&hb, 0x000b, 1, "00");
	hb_ext_list(&hb, 0x000a, 2, grease ? "3a3a 001d 0017 0018" : "001d 0017 0018");
	if (grease)
		hb_ext(&hb, 0x1a1a, "00");
	hb_ext(&hb, 0x0015, "000000");
	hb_close(&hb, at, 2);
}

#define SIG_ALGS "0403 0804 0401 0503 0805 0501 0806 0601"

static void ja4_published(void **state) {
	(void)state;
	char text[512];
	static const char want_r[]
		= "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,"
		  "c02f,c030,cca8,cca9_0005,000a,000b,000d,0012,0015,0017,001b,0023,"
		  "002b,002d,0033,4469,ff01_0403,0804,0401,0503,0805,0501,0806,0601";
	for (unsigned grease = 0; grease < 2; grease++) {
		ja4_example(grease ? "5a5a " SIG_ALGS " 0a0a" : SIG_ALGS, grease);
		expect_ja4(
			"JA4.md, the example", HT_HELLO_TLS, HT_JA4_TCP,
			"t13d1516h2_8daaf6152771_e5627efa2ab1"
		);
		fingerprint(HT_HELLO_TLS, HT_JA4_TCP, text, sizeof(text));
		assert_string_equal(text, want_r);
		// "If there are no signature algorithms": an empty list, or GREASE alone
		ja4_example(grease ? "7a7a" : "", grease);
		expect_ja4(
			"JA4.md, no signature algorithms", HT_HELLO_TLS, HT_JA4_TCP,
			"t13d1516h2_8daaf6152771_6d807ffa2a79"
		);
		fingerprint(HT_HELLO_TLS, HT_JA4_TCP, text, sizeof(text));
		assert_string_equal(text + strlen(text) - 5, ",ff01");
	}
}

// The order of ciphers and extensions does not matter, that of algorithms does.
static void ja4_order(void **state) {
	(void)state;
	size_t at
		= begin("0035 002f 009d 009c c014 c013 cca8 cca9 c030 c02c c02f c02b 1303 1302 1301"
		);
	hb_ext(&hb, 0x0015, "000000");
	hb_ext_list(&hb, 0x000a, 2, "001d 0017 0018");
	hb_ext_list(&hb, 0x000b, 1, "00");
	hb_ext(&hb, 0xff01, "00");
	hb_ext_list(&hb, 0x002b, 1, "0303 0304");
	hb_ext(&hb, 0x0012, "");
	hb_ext(&hb, 0x0023, "");
	hb_ext(&hb, 0x0005, "01 0000 0000");
	hb_ext_list(&hb, 0x000d, 2, SIG_ALGS);
	hb_ext_list(&hb, 0x002d, 1, "01");
	hb_ext(&hb, 0x0017, "");
	hb_ext(&hb, 0x4469, "0003 02 6832");
	hb_ext_list(&hb, 0x0010, 2, "02 6832");
	hb_ext(&hb, 0x0033, "0005 001d 0001 aa");
	hb_sni(&hb, "another.example");
	hb_ext(&hb, 0x001b, "02 0002");
	hb_close(&hb, at, 2);
	expect_ja4(
		"everything reversed", HT_HELLO_TLS, HT_JA4_TCP,
		"t13d1516h2_8daaf6152771_e5627efa2ab1"
	);
	ja4_example("0804 0403 0401 0503 0805 0501 0806 0601", false);
	struct ht_fingerprints f = fingerprint(HT_HELLO_TLS, HT_JA4_TCP, NULL, 0);
	assert_memory_equal(f.ja4, "t13d1516h2_8daaf6152771_", 24);
	assert_memory_not_equal(f.ja4 + 24, "e5627efa2ab1", 12);
}

static void ja4_transports(void **state) {
	(void)state;
	ja4_example(SIG_ALGS, false);
	expect_ja4("TCP", HT_HELLO_TLS, HT_JA4_TCP, "t13d1516h2_8daaf6152771_e5627efa2ab1");
	// The cache must keep them apart.
	expect_ja4("QUIC", HT_HELLO_TLS, HT_JA4_QUIC, "q13d1516h2_8daaf6152771_e5627efa2ab1");
	expect_ja4("TCP again", HT_HELLO_TLS, HT_JA4_TCP, "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

static void ja4_versions(void **state) {
	(void)state;
	static const struct {
		const char *name;
		enum ht_hello_kind kind;
		uint16_t legacy;
		const char *versions; // NULL: no extension
		const char *want;
	} cases[] = {
		{"1.3", HT_HELLO_TLS, 0x0303, "0304", "t13"},
		{"1.3, not in front", HT_HELLO_TLS, 0x0303, "0301 0304 0303", "t13"},
		{"1.2 by the old field", HT_HELLO_TLS, 0x0303, NULL, "t12"},
		{"1.1 by the old field", HT_HELLO_TLS, 0x0302, NULL, "t11"},
		{"1.0 by the old field", HT_HELLO_TLS, 0x0301, NULL, "t10"},
		{"SSL 3.0", HT_HELLO_TLS, 0x0300, NULL, "ts3"},
		{"SSL 2.0 in a TLS hello", HT_HELLO_TLS, 0x0002, NULL, "ts2"},
		{"1.2 by the extension alone", HT_HELLO_TLS, 0x0301, "0303", "t12"},
		{"GREASE is the largest number", HT_HELLO_TLS, 0x0303, "fafa 0304", "t13"},
		{"GREASE alone", HT_HELLO_TLS, 0x0303, "2a2a", "t00"},
		{"an empty list", HT_HELLO_TLS, 0x0303, "", "t00"},
		{"a draft of 1.3", HT_HELLO_TLS, 0x0303, "7f1c 0303", "t00"},
		{"unknown", HT_HELLO_TLS, 0x0305, NULL, "t00"},
		{"DTLS 1.0", HT_HELLO_DTLS, 0xfeff, NULL, "dd1"},
		{"DTLS 1.2", HT_HELLO_DTLS, 0xfefd, NULL, "dd2"},
		{"DTLS 1.3: the newest, not the largest number", HT_HELLO_DTLS, 0xfefd, "fefd fefc",
		 "dd3"},
		{"DTLS 1.3 with GREASE", HT_HELLO_DTLS, 0xfefd, "aaaa fefc fefd feff", "dd3"},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		hb_begin(&hb, cases[i].kind, cases[i].legacy);
		hb_ciphers(&hb, "1301");
		if (cases[i].versions != NULL) {
			size_t at = hb_open(&hb, 2);
			hb_ext_list(&hb, 43, 1, cases[i].versions);
			hb_close(&hb, at, 2);
		}
		char want[11];
		snprintf(
			want, sizeof(want), "%si01%s00", cases[i].want,
			cases[i].versions != NULL ? "01" : "00"
		);
		expect_a(
			cases[i].name, cases[i].kind,
			cases[i].kind == HT_HELLO_DTLS ? HT_JA4_DTLS : HT_JA4_TCP, want
		);
	}
}

static void ja4_alpn(void **state) {
	(void)state;
	static const struct {
		const char *name, *list, *want;
	} cases[] = {
		{"h2", "02 6832", "h2"},
		{"http/1.1", "08 687474702f312e31", "h1"},
		{"the first of two", "03 646f74 02 6832", "dt"},
		{"one letter counts twice", "01 68", "hh"},
		{"one byte that is no letter", "01 ab", "ab"},
		{"one blank", "01 20", "20"},
		{"ab", "01 ab 02 6832", "ab"},
		{"20 61", "02 2061", "21"},
		{"30 ab", "02 30ab", "3b"},
		{"61 20", "02 6120", "60"},
		{"30 31 ab cd", "04 3031abcd", "3d"},
		{"30 ab cd 31", "04 30abcd31", "01"},
		{"upper case", "02 5a41", "ZA"},
		{"ends of the rows", "02 397a", "9z"},
		{"beginnings of the rows", "02 3041", "0A"},
		{"just outside the letters", "02 405b", "4b"},
		{"just outside the digits", "02 2f3a", "2a"},
		{"just outside the small letters", "02 607b", "6b"},
		{"an empty name", "00 02 6832", "00"},
		{"an empty list", "", "00"},
		{"GREASE is left out", "02 3a3a 02 6832", "h2"},
		{"GREASE alone", "02 0a0a", "00"},
		{"no GREASE: the bytes differ", "02 0a1a", "0a"},
		{"no GREASE: three bytes", "03 0a0a0a", "0a"},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		size_t at = begin("1301");
		hb_ext_list(&hb, 16, 2, cases[i].list);
		hb_close(&hb, at, 2);
		char want[11];
		snprintf(want, sizeof(want), "t12i0101%s", cases[i].want);
		expect_a(cases[i].name, HT_HELLO_TLS, HT_JA4_TCP, want);
	}
}

static void ja4_sni(void **state) {
	(void)state;
	static const struct {
		const char *name, *in;
	} cases[] = {
		{"a name", "0006 00 0003 616263"},
		{"an address", "000c 00 0009 3132372e302e302e31"},
		{"an empty extension", ""},
		{"an empty list", "0000"},
		{"an empty name", "0003 00 0000"},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		size_t at = begin("1301");
		hb_ext(&hb, 0, cases[i].in);
		hb_close(&hb, at, 2);
		// It counts among the extensions, and nothing but it is there: part c is empty.
		expect_ja4(
			cases[i].name, HT_HELLO_TLS, HT_JA4_TCP,
			"t12d010100_0f2cb44170f4_000000000000"
		);
	}
}

static void ja4_counts_and_empty_parts(void **state) {
	(void)state;
	hb_begin(&hb, HT_HELLO_TLS, 0x0301);
	hb_ciphers(&hb, "");
	expect_ja4(
		"nothing at all", HT_HELLO_TLS, HT_JA4_TCP, "t10i000000_000000000000_000000000000"
	);
	hb_begin(&hb, HT_HELLO_TLS, 0x0301);
	hb_ciphers(&hb, "");
	hb_hex(&hb, "0000");
	expect_ja4(
		"an empty block", HT_HELLO_TLS, HT_JA4_TCP, "t10i000000_000000000000_000000000000"
	);
	size_t at = begin("0a0a fafa");
	hb_ext(&hb, 0x1a1a, "");
	hb_ext(&hb, 0x2a2a, "00");
	hb_close(&hb, at, 2);
	expect_ja4(
		"GREASE alone", HT_HELLO_TLS, HT_JA4_TCP, "t12i000000_000000000000_000000000000"
	);
	at = begin("1301");
	hb_sni(&hb, "a");
	hb_alpn1(&hb, "h2", 2);
	hb_close(&hb, at, 2);
	expect_ja4(
		"SNI and ALPN count in a, not in c", HT_HELLO_TLS, HT_JA4_TCP,
		"t12d0102h2_0f2cb44170f4_000000000000"
	);
	// SCSVs (RFC 5746 3.3, RFC 7507) and private numbers count.
	at = begin("00ff 5600 fe00 feff");
	hb_close(&hb, at, 2);
	expect_a("signalling ciphers", HT_HELLO_TLS, HT_JA4_TCP, "t12i040000");
	// An extension sent twice is listed twice.
	at = begin("1301");
	hb_ext(&hb, 0x0017, "");
	hb_ext(&hb, 0x0017, "");
	hb_close(&hb, at, 2);
	char text[128];
	fingerprint(HT_HELLO_TLS, HT_JA4_TCP, text, sizeof(text));
	assert_string_equal(text, "t12i010200_1301_0017,0017");
	static const struct {
		unsigned num;
		const char *want;
	} cases[]
		= {{9, "t12i090900"}, {99, "t12i999900"}, {100, "t12i999900"}, {400, "t12i999900"}};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		hb_begin(&hb, HT_HELLO_TLS, 0x0303);
		at = hb_open(&hb, 2);
		for (unsigned k = 0; k < cases[i].num; k++)
			hb_num(&hb, 2, 0xc000 + k);
		hb_close(&hb, at, 2);
		hb_hex(&hb, "01 00");
		at = hb_open(&hb, 2);
		for (unsigned k = 0; k < cases[i].num; k++)
			hb_ext(&hb, (uint16_t)(0x1000 + k), "");
		hb_close(&hb, at, 2);
		expect_a("many", HT_HELLO_TLS, HT_JA4_TCP, cases[i].want);
	}
	// Algorithms are those of extension 13 alone, not of delegated_credentials.
	at = begin("1301");
	hb_ext_list(&hb, 0x0022, 2, "0403");
	hb_close(&hb, at, 2);
	fingerprint(HT_HELLO_TLS, HT_JA4_TCP, text, sizeof(text));
	assert_string_equal(text, "t12i010100_1301_0022");
}

static void ja3_published(void **state) {
	(void)state;
	hb_begin(&hb, HT_HELLO_TLS, 769);
	hb_ciphers(&hb, "002f 0035 0005 000a c009 c00a c013 c014 0032 0038 0013 0004");
	size_t at = hb_open(&hb, 2);
	hb_sni(&hb, "x");
	hb_ext_list(&hb, 10, 2, "0017 0018 0019");
	hb_ext_list(&hb, 11, 1, "00");
	hb_close(&hb, at, 2);
	struct ht_hello h = parsed(HT_HELLO_TLS);
	assert_true(ht_span_eq(
		ht_ja3_string(plain, &h),
		HT_SPAN_STR("769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0")
	));
	struct ht_fingerprints f = fingerprint(HT_HELLO_TLS, HT_JA4_TCP, NULL, 0);
	assert_memory_equal(f.ja3, "ada70206e40642a3e4461f35503241d5", 32);

	// "If there are no TLS extensions in the ClientHello, the fields are left empty."
	for (unsigned block = 0; block < 2; block++) {
		hb_begin(&hb, HT_HELLO_TLS, 769);
		hb_ciphers(&hb, "0004 0005 000a 0009 0064 0062 0003 0006 0013 0012 0063");
		if (block)
			hb_hex(&hb, "0000");
		h = parsed(HT_HELLO_TLS);
		assert_true(ht_span_eq(
			ht_ja3_string(plain, &h), HT_SPAN_STR("769,4-5-10-9-100-98-3-6-19-18-99,,,")
		));
		f = fingerprint(HT_HELLO_TLS, HT_JA4_TCP, NULL, 0);
		assert_memory_equal(f.ja3, "de350869b8c85de67a350c8d186f11e6", 32);
	}
}

static void ja3_strings(void **state) {
	(void)state;
	static const struct {
		const char *name, *ciphers, *exts, *want;
	} cases[] = {
		{"GREASE taken out, in front, behind and in between", "0a0a 1301 2a2a 1302 fafa",
		 "1a1a 0000 0017 0000 3a3a 0001 00 000a 0008 0006 4a4a 001d 5a5a 6a6a 0000",
		 "771,4865-4866,23-10,29,"},
		{"GREASE alone", "0a0a", "1a1a 0000 000a 0004 0002 2a2a", "771,,10,,"},
		{"formats are bytes, and 10 is none of GREASE", "1301", "000b 0004 03 00 0a ff",
		 "771,4865,11,,0-10-255"},
		{"empty lists", "1301", "000a 0002 0000 000b 0001 00", "771,4865,10-11,,"},
		{"the last of two counts", "1301",
		 "000a 0004 0002 0017 000a 0004 0002 001d 000b 0002 01 00 000b 0002 01 01",
		 "771,4865,10-10-11-11,29,1"},
		{"largest numbers", "ffff", "ffff 0000 000a 0004 0002 ffff",
		 "771,65535,65535-10,65535,"},
		{"nothing", "", "", "771,,,,"},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		size_t at = begin(cases[i].ciphers);
		hb_hex(&hb, cases[i].exts);
		hb_close(&hb, at, 2);
		struct ht_hello h = parsed(HT_HELLO_TLS);
		struct ht_span got = ht_ja3_string(plain, &h);
		if (!ht_span_eq(got, HT_SPAN(cases[i].want, strlen(cases[i].want))))
			fail_msg("%s: %.*s", cases[i].name, (int)got.len, (const char *)got.p);
		uint8_t digest[16];
		char hex[33] = "";
		ht_md5(crypto, digest, HT_SPAN(cases[i].want, strlen(cases[i].want)));
		ht_hex(hex, digest, 16);
		struct ht_fingerprints f = fingerprint(HT_HELLO_TLS, HT_JA4_TCP, NULL, 0);
		assert_memory_equal(f.ja3, hex, 32);
	}
}

static void ssl2_has_none(void **state) {
	(void)state;
	hb_ssl2(&other, 0x0002, "010080 0700c0", 0, 16);
	struct ht_hello h;
	assert_int_equal(
		ht_hello_parse(&h, HT_HELLO_SSL2, HT_SPAN(other.b + 2, other.len - 2)), HT_OK
	);
	struct ht_fingerprints f, untouched;
	memset(&f, 0x77, sizeof(f));
	untouched = f;
	assert_false(ht_fingerprint(plain, &h, HT_JA4_TCP, &f));
	assert_memory_equal(&f, &untouched, sizeof(f));
}

static uint64_t seed;

static uint32_t rnd(uint32_t n) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % n;
}

static int by_text(const void *a, const void *b) {
	return memcmp(a, b, 4);
}

// The longest hello there can be, sorted by another sort; the fingerprinter's scratch is made for
// exactly this length, so that a sanitizer sees one character too many.
static void longest_lists(void **state) {
	(void)state;
	static char items[33000][5], want[33000 * 5 + 64];
	static const unsigned sizes[] = {127, 128, 129, 1000, 32000, 32767};
	for (size_t s = 0; s < HT_ARRAY_LEN(sizes); s++) {
		for (unsigned shape = 0; shape < 4; shape++) {
			seed = 77 + s;
			hb_begin(&hb, HT_HELLO_TLS, 0x0303);
			size_t at = hb_open(&hb, 2), num = 0;
			for (unsigned k = 0; k < sizes[s]; k++) {
				uint32_t v = shape == 0	  ? rnd(65536)
					     : shape == 1 ? 65535 - k
					     : shape == 2 ? k
							  : 0xc02b; // random, down, up, equal
				hb_num(&hb, 2, v);
				if (!ht_is_grease((uint16_t)v))
					snprintf(
						items[num++], sizeof(items[0]), "%04" PRIx32,
						v & 0xffff
					);
			}
			hb_close(&hb, at, 2);
			hb_hex(&hb, "01 00 0000");
			qsort(items, num, sizeof(items[0]), by_text);
			size_t n = (size_t)snprintf(want, sizeof(want), "t12i990000_");
			for (size_t i = 0; i < num; i++)
				n += (size_t
				)snprintf(want + n, 8, "%s%s", i > 0 ? "," : "", items[i]);
			want[n++] = '_';
			struct ht_fingerprinter *f
				= ht_fingerprinter_new(&(struct ht_fingerprint_params
				){.crypto = crypto, .max_hello = (uint32_t)hb.len, .ja4_r = true});
			assert_non_null(f);
			struct ht_hello h = parsed(HT_HELLO_TLS);
			struct ht_fingerprints out;
			assert_true(ht_fingerprint(f, &h, HT_JA4_TCP, &out));
			assert_true(ht_span_eq(out.ja4_r, HT_SPAN(want, n)));
			ht_fingerprinter_free(f);
		}
	}
}

// Every list at its longest within one hello of 64 KiB, and every number of five digits.
static void longest_text(void **state) {
	(void)state;
	static const struct {
		const char *name;
		unsigned ciphers, groups, algorithms, extensions, formats;
	} cases[] = {
		{"ciphers", 32700, 0, 0, 0, 0},
		{"groups", 0, 32700, 0, 0, 0},
		{"algorithms", 0, 0, 32700, 0, 0},
		{"extensions and formats", 0, 0, 0, 500, 255},
		{"all", 32000, 10000, 15000, 500, 255},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		hb_begin_sid(&hb, HT_HELLO_TLS, 0xffff, 0);
		size_t at = hb_open(&hb, 2);
		for (unsigned k = 0; k < cases[i].ciphers; k++)
			hb_num(&hb, 2, 0xfff0);
		hb_close(&hb, at, 2);
		hb_hex(&hb, "00");
		size_t block = hb_open(&hb, 2);
		for (unsigned list = 0; list < 2; list++) {
			hb_num(&hb, 2, list == 0 ? 10 : 13);
			size_t ext = hb_open(&hb, 2), in = hb_open(&hb, 2);
			for (unsigned k = 0;
			     k < (list == 0 ? cases[i].groups : cases[i].algorithms); k++)
				hb_num(&hb, 2, 0xfff1);
			hb_close(&hb, in, 2);
			hb_close(&hb, ext, 2);
		}
		hb_num(&hb, 2, 11);
		size_t ext = hb_open(&hb, 2), in = hb_open(&hb, 1);
		for (unsigned k = 0; k < cases[i].formats; k++)
			hb_num(&hb, 1, 255);
		hb_close(&hb, in, 1);
		hb_close(&hb, ext, 2);
		for (unsigned k = 0; k < cases[i].extensions; k++)
			hb_ext(&hb, 0xfff2, "");
		hb_close(&hb, block, 2);
		struct ht_hello h = parsed(HT_HELLO_TLS);
		struct ht_fingerprints a, b;
		struct ht_fingerprint_params p = {.crypto = crypto, .max_hello = (uint32_t)hb.len};
		struct ht_fingerprinter *f = ht_fingerprinter_new(&p);
		p.ja4_r = true;
		struct ht_fingerprinter *r = ht_fingerprinter_new(&p);
		assert_true(ht_fingerprint(f, &h, HT_JA4_TCP, &a));
		assert_true(ht_fingerprint(r, &h, HT_JA4_TCP, &b));
		assert_memory_equal(a.ja4, b.ja4, sizeof(a.ja4));
		assert_memory_equal(a.ja3, b.ja3, sizeof(a.ja3));
		size_t listed = cases[i].ciphers + cases[i].algorithms + cases[i].extensions + 3;
		size_t want = 11 + 5 * listed - 1 + (cases[i].ciphers == 0);
		if (b.ja4_r.len != want)
			fail_msg("%s: %zu characters, not %zu", cases[i].name, b.ja4_r.len, want);
		ht_fingerprinter_free(f);
		ht_fingerprinter_free(r);
	}
}

// Random hellos from a small choice of parts: whatever the cache returns is what is computed anew.
static void cached_equals_computed(void **state) {
	(void)state;
	static const char *const ciphers[]
		= {"1301", "1301 1302", "1302 1301", "0a0a 1301", "", "c02b"};
	static const char *const lists[] = {"", "001d", "001d 0017", "0017 001d", "0a0a 001d"};
	static const char *const protocols[] = {"", "02 6832", "02 6832 02 6833", "00", "02 0a0a"};
	static const char *const formats[] = {"", "00", "0001"};
	seed = 5;
	for (unsigned turn = 0; turn < 4000; turn++) {
		enum ht_hello_kind kind = rnd(4) == 0 ? HT_HELLO_DTLS : HT_HELLO_TLS;
		hb_begin(&hb, kind, (uint16_t)(0x0301 + rnd(3)));
		hb_ciphers(&hb, ciphers[rnd(HT_ARRAY_LEN(ciphers))]);
		size_t at = hb_open(&hb, 2);
		for (unsigned num = rnd(6); num > 0; num--) {
			switch (rnd(7)) {
			case 0:
				hb_sni(&hb, rnd(2) == 0 ? "a" : "b");
				break;
			case 1:
				hb_ext_list(&hb, 10, 2, lists[rnd(HT_ARRAY_LEN(lists))]);
				break;
			case 2:
				hb_ext_list(&hb, 13, 2, lists[rnd(HT_ARRAY_LEN(lists))]);
				break;
			case 3:
				hb_ext_list(&hb, 43, 1, lists[rnd(HT_ARRAY_LEN(lists))]);
				break;
			case 4:
				hb_ext_list(&hb, 16, 2, protocols[rnd(HT_ARRAY_LEN(protocols))]);
				break;
			case 5:
				hb_ext_list(&hb, 11, 1, formats[rnd(HT_ARRAY_LEN(formats))]);
				break;
			default:
				hb_ext(&hb, (uint16_t)(0x2000 + rnd(3)), "");
				break;
			}
		}
		hb_close(&hb, at, 2);
		static const enum ht_ja4_transport by[] = {HT_JA4_TCP, HT_JA4_QUIC, HT_JA4_DTLS};
		fingerprint(kind, by[rnd(3)], NULL, 0); // compares
	}
}

// Hellos around the longest that the cache takes, which differ in their last byte alone.
static void around_the_longest_cached(void **state) {
	(void)state;
	char before[36] = "";
	for (unsigned num = 180; num < 260; num++) {
		for (unsigned last = 0; last < 2; last++) {
			size_t at = begin("1301");
			hb_num(&hb, 2, 13);
			size_t ext = hb_open(&hb, 2), list = hb_open(&hb, 2);
			for (unsigned k = 1; k < num; k++)
				hb_num(&hb, 2, 0x0403);
			hb_num(&hb, 2, 0x0500 + last);
			hb_close(&hb, list, 2);
			hb_close(&hb, ext, 2);
			hb_close(&hb, at, 2);
			struct ht_fingerprints f = fingerprint(HT_HELLO_TLS, HT_JA4_TCP, NULL, 0);
			assert_memory_not_equal(f.ja4, before, 36);
			memcpy(before, f.ja4, 36);
		}
	}
}

// Clients that draw GREASE are not kept whole; their ciphers and the set of their extensions are.
// Lists of all lengths around what is kept, the extensions in any order, some of them twice.
static void parts_equal_computed(void **state) {
	(void)state;
	seed = 6;
	for (unsigned turn = 0; turn < 4000; turn++) {
		hb_begin(&hb, HT_HELLO_TLS, (uint16_t)(0x0302 + rnd(2)));
		size_t list = hb_open(&hb, 2);
		hb_num(&hb, 2, 0x0a0a + 0x1010 * rnd(16));
		unsigned num = rnd(4) == 0 ? 94 + rnd(4) : rnd(30);
		for (unsigned i = 0; i < num; i++)
			hb_num(&hb, 2, 0x1301 + i % 20);
		hb_num(&hb, 2, 0x1301 + rnd(2));
		hb_close(&hb, list, 2);
		hb_hex(&hb, "01 00");
		size_t at = hb_open(&hb, 2);
		hb_ext(&hb, (uint16_t)(0x0a0a + 0x1010 * rnd(16)), "");
		// 7 is prime to 16: an order, not always the same one.
		unsigned large = rnd(11), small = rnd(16), first = rnd(16);
		for (unsigned i = 0; i < small; i++)
			hb_ext(&hb, (uint16_t)(20 + (first + 7 * i) % 16), "");
		for (unsigned i = 0; i < large; i++)
			hb_ext(&hb, (uint16_t)(0x2000 + (first + 7 * i) % 16), "");
		if (rnd(8) == 0)
			hb_ext(&hb, rnd(2) == 0 ? 20 : 0x2000, "");
		size_t ext = (hb_num(&hb, 2, 13), hb_open(&hb, 2)), algs = hb_open(&hb, 2);
		if (rnd(2) == 0)
			hb_num(&hb, 2, 0x0a0a + 0x1010 * rnd(16));
		for (unsigned i = 0, n = rnd(2) == 0 ? 8 : 36 + rnd(6); i < n; i++)
			hb_num(&hb, 2, 0x0403 + i);
		hb_num(&hb, 2, 0x0500 + rnd(2));
		hb_close(&hb, algs, 2);
		hb_close(&hb, ext, 2);
		hb_close(&hb, at, 2);
		fingerprint(HT_HELLO_TLS, HT_JA4_TCP, NULL, 0); // compares
	}
}

// A hello whose supported_versions does not read, and one where the list is empty: the same
// extensions, the same (empty) lists, and not the same version.
static void broken_is_not_empty(void **state) {
	(void)state;
	struct ht_fingerprints f;
	for (unsigned turn = 0; turn < 4; turn++) {
		bool broken = turn % 2;
		size_t at = begin("1301");
		hb_ext(&hb, 43, broken ? "03 0304 03" : "00");
		hb_close(&hb, at, 2);
		struct ht_hello h;
		assert_int_equal(
			ht_hello_parse(&h, HT_HELLO_TLS, hb_span(&hb)), broken ? HT_BAD : HT_OK
		);
		assert_true(ht_fingerprint(plain, &h, HT_JA4_TCP, &f));
		assert_memory_equal(f.ja4, broken ? "t12i010100_" : "t00i010100_", 11);
	}
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(ja4_published),
		CASE(ja4_order),
		CASE(ja4_transports),
		CASE(ja4_versions),
		CASE(ja4_alpn),
		CASE(ja4_sni),
		CASE(ja4_counts_and_empty_parts),
		CASE(ja3_published),
		CASE(ja3_strings),
		CASE(ssl2_has_none),
		CASE(longest_lists),
		CASE(longest_text),
		CASE(broken_is_not_empty),
		CASE(cached_equals_computed),
		CASE(around_the_longest_cached),
		CASE(parts_equal_computed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
