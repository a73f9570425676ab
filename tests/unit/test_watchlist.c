// SPDX-License-Identifier: BSD-3-Clause

#include "t.h"

#include "ht_config.h"
#include "watchlist.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#if HT_HAVE_IDN2
#include <idn2.h>
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOW_BUILD 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLOW_BUILD 1
#endif
#endif
#ifndef SLOW_BUILD
#define SLOW_BUILD 0
#endif

#define JA3 "6734f37431670b3ab4292b8f60f29984"
#define JA4 "t13d1516h2_8daaf6152771_e5627efa2ab1"

static struct ht_watchlist_report rep;
static uint64_t counters[HT_WATCHLIST_NUM_CTRS];

// ---- helpers

static struct ht_watchlists *load_with(const char *text, const struct ht_watchlist_params *p) {
	struct ht_watchlists *w;
	uint8_t *copy = t_dup(text, strlen(text));
	const enum ht_rc rc = ht_watchlists_load_text(
		&w, "lists/mine.txt", HT_SPAN(copy, strlen(text)), p, &rep
	);
	free(copy); // nothing may be borrowed from it
	assert_int_equal(rc, HT_OK);
	return w;
}

static struct ht_watchlists *load(const char *text) {
	return load_with(text, &(struct ht_watchlist_params){.workers = 2});
}

static void no_errors(void) {
	for (unsigned i = 0; i < rep.num; i++)
		print_error("line %u: %s\n", rep.errors[i].line, rep.errors[i].reason);
	assert_int_equal(rep.num, 0);
}

static struct ht_watchlists *load_good(const char *text) {
	struct ht_watchlists *w = load(text);
	no_errors();
	return w;
}

// matches returns the entries that match, with a space between them.
static const char *matches(const struct ht_watchlists *w, const struct ht_watchlist_query *q) {
	static char out[8192];
	struct ht_watchlist_match m[HT_WATCHLIST_MATCHES_MAX];
	const unsigned n = ht_watchlist_match(w, 1, q, m, HT_ARRAY_LEN(m), counters);
	out[0] = '\0';
	for (unsigned i = 0; i < n; i++) {
		assert_string_equal(m[i].list, "mine");
		if (i > 0)
			strcat(out, " ");
		strcat(out, m[i].entry);
	}
	return out;
}

static const char *name_bytes(const struct ht_watchlists *w, const void *p, size_t len) {
	uint8_t *copy = t_dup(p, len);
	const struct ht_watchlist_query q = {.sni = HT_SPAN(copy, len)};
	const char *got = matches(w, &q);
	free(copy);
	return got;
}

static const char *name(const struct ht_watchlists *w, const char *sni) {
	return name_bytes(w, sni, strlen(sni));
}

static const uint8_t *address(const char *hex) {
	static uint8_t ip[4][16];
	static unsigned turn;
	turn = (turn + 1) % 4;
	assert_int_equal(t_unhex(ip[turn], 16, hex), 16);
	return ip[turn];
}

#define V4 "00000000000000000000ffff "

// ---- names

static void test_domains(void **state) {
	(void)state;
	struct ht_watchlists *w = load_good("example.com\n*.below.example.net\n=host.example.org\n"
					    "sni:test\n_dmarc.example.edu.\n");
	static const struct {
		const char *sni, *want;
	} cases[] = {
		{"example.com", "example.com"},
		{"www.example.com", "example.com"},
		{"a.b.c.d.e.f.example.com", "example.com"},
		{"EXAMPLE.cOm", "example.com"},
		{"example.com.", "example.com"},
		{"www.Example.com.", "example.com"},
		{"example.com..", ""},
		{"evil-example.com", ""},
		{"evilexample.com", ""},
		{"example.com.evil.net", ""},
		{"example.co", ""},
		{"xample.com", ""},
		{"example..com", ""},
		{"com", ""},
		{".", ""},
		{"", ""},
		{"below.example.net", ""},
		{"x.below.example.net", "*.below.example.net"},
		{"y.x.below.example.net.", "*.below.example.net"},
		{"xbelow.example.net", ""},
		{"host.example.org", "=host.example.org"},
		{"HOST.example.org.", "=host.example.org"},
		{"a.host.example.org", ""},
		{"test", "sni:test"},
		{"a.test", "sni:test"},
		{"_dmarc.example.edu", "_dmarc.example.edu."},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++)
		if (strcmp(name(w, cases[i].sni), cases[i].want) != 0)
			fail_msg("%s: %s", cases[i].sni, name(w, cases[i].sni));
	ht_watchlists_free(w);
}

// What a client sends need not be a name at all.
static void test_any_bytes(void **state) {
	(void)state;
	struct ht_watchlists *w = load_good("example.com\n=a.example.org\n");
	assert_string_equal(name_bytes(w, "\0.example.com", 13), "example.com");
	assert_string_equal(name_bytes(w, "\xff\xfe.example.com", 14), "example.com");
	assert_string_equal(name_bytes(w, "example.com\0", 12), "");
	assert_string_equal(name_bytes(w, "a.example.org\n", 14), "");
	const size_t max = 70000;
	char *big = malloc(max);
	assert_non_null(big);
	static const char end[] = ".example.com";
	static const char *const fill[]
		= {"a",
		   ".",
		   "a.",
		   "\xc3\xbc",
		   "\xc3\xbc.",
		   "\xff",
		   "\xe3\x80\x82",
		   "\xf0\x9f\x98\x80",
		   "\xf0\x9f\x98\x80."};
	for (unsigned f = 0; f < HT_ARRAY_LEN(fill); f++) {
		for (size_t n = 0; n < max; n++)
			big[n] = fill[f][n % strlen(fill[f])];
		for (size_t n = 0; n < 1100; n++)
			name_bytes(w, big, n);
		for (size_t n = 65500; n < 65540; n++)
			name_bytes(w, big, n);
		memcpy(big + 65000 - strlen(end), end, strlen(end));
		assert_string_equal(name_bytes(w, big, 65000), "example.com");
		memcpy(big + max - strlen(end), end, strlen(end));
		assert_string_equal(name_bytes(w, big, max), "example.com");
	}
	free(big);
	ht_watchlists_free(w);
}

// A-labels of the list meet U-labels of the client in any build.
static void test_u_labels_of_clients(void **state) {
	(void)state;
	struct ht_watchlists *w = load_good("xn--bcher-kva.example\nxn--e1afmkfd.xn--80akhbyknj4f\n"
					    "*.XN--TDA.test\n=k.example.org\n");
	assert_string_equal(name(w, "bücher.example"), "xn--bcher-kva.example");
	assert_string_equal(name(w, "www.BÜCHER.Example."), "xn--bcher-kva.example");
	assert_string_equal(name(w, "xn--BCHER-kva.example"), "xn--bcher-kva.example");
	assert_string_equal(name(w, "\xff.bücher.example"), "xn--bcher-kva.example");
	assert_string_equal(name(w, "bucher.example"), "");
	assert_string_equal(name(w, "пример.испытание"), "xn--e1afmkfd.xn--80akhbyknj4f");
	assert_string_equal(name(w, "ПРИМЕР。испытание"), "xn--e1afmkfd.xn--80akhbyknj4f");
	assert_string_equal(name(w, "a.ü.test"), "*.XN--TDA.test");
	assert_string_equal(
		name(w, "\xe2\x84\xaa.example.org"), "=k.example.org"
	); // the Kelvin sign
	// What is not UTF-8 (overlong, a surrogate, cut) stays as it is.
	assert_string_equal(name(w, "\xc1\xab.example.org"), "");
	assert_string_equal(name(w, "\xed\xa0\x80.example.org"), "");
	assert_string_equal(name(w, "b\xc3"), "");
	ht_watchlists_free(w);
}

static void test_u_labels_of_lists(void **state) {
	(void)state;
	struct ht_watchlists *w
		= load("BÜCHER.example\n=straße.example\n*.例え。テスト\na\xff.example\n");
#if HT_HAVE_IDN2
	assert_int_equal(rep.num, 1);
	assert_int_equal(rep.errors[0].line, 4);
	assert_string_equal(name(w, "xn--bcher-kva.example"), "BÜCHER.example");
	assert_string_equal(name(w, "bücher.example"), "BÜCHER.example");
	assert_string_equal(name(w, "xn--strae-oqa.example"), "=straße.example");
	assert_string_equal(name(w, "strasse.example"), "");
	assert_string_equal(name(w, "x.xn--r8jz45g.xn--zckzah"), "*.例え。テスト");
	assert_string_equal(name(w, "x.例え.テスト"), "*.例え。テスト");
#else
	assert_int_equal(rep.num, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_non_null(strstr(rep.errors[i].reason, "built without libidn2"));
#endif
	ht_watchlists_free(w);
}

// ---- 10^6 names, 10^4 entries, and a matcher that splits names and compares label by label

#define NUM_ENTRIES 10000u
#define NUM_NAMES (SLOW_BUILD ? 20000u : 1000000u)
#define LABELS_MAX 64u

enum { DOMAIN, EXACT, BELOW };

struct labels {
	char text[512];
	char *v[LABELS_MAX];
	unsigned num;
};

struct slow_entry {
	struct labels labels;
	unsigned mode;
	struct slow_entry *next; // with the same last two labels
};

static uint64_t seed = 88172645463325252ull;

static unsigned draw(unsigned n) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static const char *const words[] = {
	"a",	  "b",	     "ab",     "www",		"mail",		  "evil",
	"evil-a", "x1",	     "cdn",    "example",	"bank",		  "login",
	"c2",	  "1",	     "_x",     "xn--bcher-kva", "xn--mnchen-3ya",
#if HT_HAVE_IDN2
	"bücher", "münchen", "straße", "ñandú",		"ελλάδα",	  "россия",
	"例え",	  "ça",
#endif
};
static const char *const tops[] = {
	"com", "net",	 "org", "de", "example", "co.uk", "xn--p1ai",
#if HT_HAVE_IDN2
	"рф",  "テスト",
#endif
};

static void draw_name(char *out, unsigned labels) {
	out[0] = '\0';
	for (unsigned i = 0; i < labels; i++) {
		const char *word = words[draw(HT_ARRAY_LEN(words))];
		strcat(out, word);
		if (draw(2) == 0 && strncmp(word, "xn--", 4) != 0)
			sprintf(out + strlen(out), "%u", draw(30));
		strcat(out, ".");
	}
	strcat(out, tops[draw(HT_ARRAY_LEN(tops))]);
}

// label_to_ascii: as libidn2 has it; what is no label is left alone. Results are kept, since most
// labels come again and again.
static void label_to_ascii(char *out, const char *in) {
	static struct { char in[128], out[128]; } kept[4096];
	bool ascii = true;
	unsigned h = 0;
	for (const char *c = in; *c != '\0'; c++) {
		ascii = ascii && (uint8_t)*c < 0x80;
		h = h * 31 + (uint8_t)*c;
	}
	strcpy(out, in);
	if (ascii || !HT_HAVE_IDN2)
		return;
	h %= HT_ARRAY_LEN(kept);
	if (strcmp(kept[h].in, in) != 0) {
		strcpy(kept[h].in, in);
		strcpy(kept[h].out, in);
#if HT_HAVE_IDN2
		uint8_t *a = NULL;
		const int flags = IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL;
		if (idn2_lookup_u8((const uint8_t *)in, &a, flags) == IDN2_OK)
			strcpy(kept[h].out, (const char *)a);
		idn2_free(a);
#endif
	}
	strcpy(out, kept[h].out);
}

static void to_ascii(char *out, const char *in) {
	char text[1024];
	size_t n = 0;
	for (; *in != '\0'; in++) {
		const bool ideographic = strncmp(in, "。", 3) == 0;
		text[n++] = ideographic ? '.' : *in;
		in += ideographic ? 2 : 0;
	}
	text[n] = '\0';
	for (char *label = text;; label++) {
		char *end = label + strcspn(label, "."), dot = *end;
		*end = '\0';
		label_to_ascii(out, label);
		out += strlen(out);
		*out = dot;
		if (dot == '\0')
			return;
		*++out = '\0';
		label = end;
	}
}

// split takes a name without its final dot apart.
static void split(struct labels *l, const char *ascii) {
	strcpy(l->text, ascii);
	const size_t len = strlen(ascii);
	if (len > 0 && ascii[len - 1] == '.')
		l->text[len - 1] = '\0';
	l->num = 0;
	for (char *p = l->text;; p++) {
		l->v[l->num++] = p;
		p += strcspn(p, ".");
		if (*p == '\0')
			return;
		*p = '\0';
	}
}

static bool slow_match(const struct slow_entry *e, const struct labels *name_labels) {
	const unsigned n = name_labels->num, m = e->labels.num;
	if (n < m || (e->mode == EXACT && n != m) || (e->mode == BELOW && n == m))
		return false;
	for (unsigned i = 1; i <= m; i++)
		if (strcasecmp(name_labels->v[n - i], e->labels.v[m - i]) != 0)
			return false;
	return true;
}

static bool same_name(const struct labels *a, const struct labels *b) {
	bool same = a->num == b->num;
	for (unsigned i = 0; same && i < a->num; i++)
		same = strcasecmp(a->v[i], b->v[i]) == 0;
	return same;
}

static struct slow_entry slow[NUM_ENTRIES], *buckets[4096];

static struct slow_entry **bucket(const struct labels *l) {
	unsigned h = 0;
	for (unsigned i = 1; i <= 2 && i <= l->num; i++)
		for (const char *c = l->v[l->num - i]; *c != '\0'; c++)
			h = h * 31 + (unsigned)((uint8_t)*c | 32);
	return &buckets[h % HT_ARRAY_LEN(buckets)];
}

static char originals[NUM_ENTRIES][128];

// make_list draws entries; each has its number for a label.
static struct ht_watchlists *make_list(void) {
	static const char *const prefix[] = {"", "=", "*."};
	char *text = malloc(NUM_ENTRIES * 192), *end = text;
	assert_non_null(text);
	for (unsigned i = 0; i < NUM_ENTRIES; i++) {
		struct slow_entry *e = &slow[i];
		char ascii[1024];
		bool twice;
		do {
			draw_name(originals[i], 1 + draw(3));
			e->mode = draw(3);
			to_ascii(ascii, originals[i]);
			split(&e->labels, ascii);
			twice = false;
			for (struct slow_entry *o = *bucket(&e->labels); o != NULL && !twice;
			     o = o->next)
				twice = o->mode == e->mode && same_name(&e->labels, &o->labels);
		} while (twice);
		e->next = *bucket(&e->labels);
		*bucket(&e->labels) = e;
		end += sprintf(
			end, "%s%s%s %u\n", prefix[e->mode], originals[i], draw(4) == 0 ? "." : "",
			i
		);
	}
	struct ht_watchlists *w = load_good(text);
	free(text);
	return w;
}

static void change_case(char *s) {
	for (; *s != '\0'; s++)
		if (*s >= 'a' && *s <= 'z' && draw(2) == 0)
			*s = (char)(*s - 32);
		else if ((uint8_t)s[0] == 0xc3 && (uint8_t)s[1] >= 0xa0 && (uint8_t)s[1] < 0xbf && (uint8_t)s[1] != 0xb7 && draw(2) == 0)
			s[1] = (char)(s[1] - 32); // Latin-1
}

// vary makes a name that may or may not match: near-misses, other forms.
static void vary(char out[1024], const char *name_in) {
	char base[512];
	strcpy(base, name_in);
	if (draw(4) == 0)
		to_ascii(base, name_in);
	const char *dot;
	switch (draw(10)) {
	case 0: // glued in front
		sprintf(out, "evil-%s", base);
		break;
	case 1:
	case 2: // below it
		sprintf(out, "%s.%s", words[draw(HT_ARRAY_LEN(words))], base);
		break;
	case 3: // a deeper one
		sprintf(out, "a.b.c.d.e.%s", base);
		break;
	case 4: // its parent
		dot = strchr(base, '.');
		strcpy(out, dot[1] != '\0' ? dot + 1 : base);
		break;
	case 5: // something behind it
		sprintf(out, "%s%s", base, draw(2) == 0 ? "m" : ".com");
		break;
	case 6: // a letter less; of ASCII alone, so that it is still UTF-8
		strcpy(out, (uint8_t)base[0] < 0x80 && base[1] != '.' ? base + 1 : base);
		break;
	case 7: // one of the dots is another
		dot = strchr(base, '.');
		sprintf(out, "%.*s%s%s", (int)(dot - base), base, draw(2) == 0 ? "-" : "..",
			dot + 1);
		break;
	default:
		strcpy(out, base);
		break;
	}
	if (draw(3) == 0)
		change_case(out);
	if (draw(5) == 0)
		strcat(out, draw(4) == 0 ? ".." : ".");
}

static void compare(const struct ht_watchlists *w, const char *sni, uint64_t *hits) {
	struct ht_watchlist_match m[HT_WATCHLIST_MATCHES_MAX];
	const struct ht_watchlist_query q = {.sni = HT_SPAN(sni, strlen(sni))};
	const unsigned n = ht_watchlist_match(w, 0, &q, m, HT_ARRAY_LEN(m), counters);
	char ascii[1024];
	struct labels labels;
	to_ascii(ascii, sni);
	split(&labels, ascii);
	unsigned want = 0;
	for (const struct slow_entry *e = *bucket(&labels); e != NULL; e = e->next) {
		if (!slow_match(e, &labels))
			continue;
		want++;
		bool there = false;
		for (unsigned i = 0; i < n; i++)
			there = there || (size_t)atoi(m[i].label) == (size_t)(e - slow);
		if (!there)
			fail_msg("%s does not match %s (%u)", sni, originals[e - slow], e->mode);
	}
	for (unsigned i = 1; i < n; i++)
		assert_true(atoi(m[i - 1].label) < atoi(m[i].label));
	if (want != n)
		fail_msg("%s: %u matches for %u, the first of %s", sni, n, want, m[0].entry);
	*hits += n;
}

static void test_agrees_with_slow_matcher(void **state) {
	(void)state;
	uint64_t hits = 0;
	struct ht_watchlists *w = make_list();
	assert_int_equal(rep.entries[HT_WATCHLIST_DOMAIN], NUM_ENTRIES);
	for (unsigned i = 0; i < NUM_NAMES; i++) {
		char base[256], sni[1024];
		if (draw(3) == 0)
			draw_name(base, 1 + draw(4));
		else
			strcpy(base, originals[draw(NUM_ENTRIES)]);
		vary(sni, base);
		compare(w, sni, &hits);
	}
	assert_true(hits > NUM_NAMES / 4 && hits < 20ull * NUM_NAMES);
	ht_watchlists_free(w);
}

// ---- the other kinds

static void test_kinds(void **state) {
	(void)state;
	struct ht_watchlists *w = load_good(
		"alpn:h2\nalpn:\\x0a\\x0a\nja3:" JA3 "\nja4:" JA4 "\nja4:*_8daaf6152771_*\n"
		"ja4:t13d1516h2_*_e5627efa2ab1\nja4:q13d0310h3_*_*\nip:192.0.2.0/24\n198.51.100.7\n"
		"2001:db8::/32\nip:2001:db8:1::1/128\nsrc_ip:203.0.113.0/28\ndst_ip:203.0.113.1\n"
		"port:4444\nsrc_port:666\n"
		"cert:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
		"cert:FF:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14:15:16:17:18:"
		"19:1a:1b:1c:1d:1e:1f\n"
	);
	assert_int_equal(rep.entries[HT_WATCHLIST_IP], 6);
	assert_int_equal(rep.entries[HT_WATCHLIST_JA4], 4);
#define Q(...) matches(w, &(struct ht_watchlist_query){__VA_ARGS__})
	assert_string_equal(Q(.alpn = HT_SPAN_STR("\x08http/1.1\x02h2")), "alpn:h2");
	assert_string_equal(
		Q(.alpn = HT_SPAN_STR("\x02\x0a\x0a\x02h2\x02h2")), "alpn:h2 alpn:\\x0a\\x0a"
	);
	assert_string_equal(Q(.alpn = HT_SPAN_STR("\x02H2\x03h2c\x01h")), "");
	assert_string_equal(Q(.alpn = HT_SPAN_STR("\x03h2")), ""); // cut
	assert_string_equal(Q(.ja3 = HT_SPAN_STR(JA3)), "ja3:" JA3);
	assert_string_equal(Q(.ja3 = HT_SPAN_STR("6734F37431670B3AB4292B8F60F29984")), "ja3:" JA3);
	assert_string_equal(Q(.ja3 = HT_SPAN_STR("6734f37431670b3ab4292b8f60f29985")), "");
	assert_string_equal(Q(.ja3 = HT_SPAN_STR("6734f37431670b3ab4292b8f60f2998")), "");
	assert_string_equal(Q(.ja3 = HT_SPAN_STR("6734f37431670b3ab4292b8f60f2998g")), "");
	assert_string_equal(
		Q(.ja4 = HT_SPAN_STR(JA4)),
		"ja4:" JA4 " ja4:*_8daaf6152771_* ja4:t13d1516h2_*_e5627efa2ab1"
	);
	assert_string_equal(
		Q(.ja4 = HT_SPAN_STR("q13d0310h3_8daaf6152771_e5627efa2ab2")),
		"ja4:*_8daaf6152771_* ja4:q13d0310h3_*_*"
	);
	assert_string_equal(Q(.ja4 = HT_SPAN_STR("q13d0310h3_8daaf6152771_e5627efa2ab")), "");
	assert_string_equal(Q(.src_ip = address(V4 "c00002ff")), "ip:192.0.2.0/24");
	assert_string_equal(Q(.dst_ip = address(V4 "c0000200")), "ip:192.0.2.0/24");
	assert_string_equal(Q(.dst_ip = address(V4 "c0000300")), "");
	assert_string_equal(Q(.dst_ip = address(V4 "c6336407")), "198.51.100.7");
	assert_string_equal(
		Q(.src_ip = address(V4 "c6336407"), .dst_ip = address(V4 "c6336407")),
		"198.51.100.7"
	);
	assert_string_equal(
		Q(.src_ip = address("20010db8000100000000000000000001")),
		"2001:db8::/32 ip:2001:db8:1::1/128"
	);
	assert_string_equal(Q(.src_ip = address("20010db9000100000000000000000001")), "");
	assert_string_equal(Q(.src_ip = address(V4 "cb007101")), "src_ip:203.0.113.0/28");
	assert_string_equal(Q(.dst_ip = address(V4 "cb007101")), "dst_ip:203.0.113.1");
	assert_string_equal(Q(.dst_port = 4444), "port:4444");
	assert_string_equal(Q(.src_port = 4444), "");
	assert_string_equal(Q(.src_port = 666, .dst_port = 666), "src_port:666");
	uint8_t sum[32];
	for (unsigned i = 0; i < 32; i++)
		sum[i] = (uint8_t)i;
	assert_non_null(strstr(Q(.cert_sha256 = HT_SPAN(sum, 32)), "cert:0001"));
	assert_string_equal(Q(.cert_sha256 = HT_SPAN(sum, 31)), "");
	sum[0] = 0xff;
	assert_non_null(strstr(Q(.cert_sha256 = HT_SPAN(sum, 32)), "cert:FF:01"));
	ht_watchlists_free(w);
}

// What is known of a hello before its server's certificate is told apart from what is known then.
static void test_only_cert(void **state) {
	(void)state;
	static const uint8_t sum[32] = {1, 2, 3};
#define SUM "0102030000000000000000000000000000000000000000000000000000000000"
	struct ht_watchlists *w = load_good("port:443\ncert:" SUM "\nexample.com & cert:" SUM
					    "\nport:80 & cert:" SUM "\nalpn:h2 & port:443\n");
	assert_true(ht_watchlists_has_cert(w));
	const struct ht_span name = HT_SPAN_STR("example.com"), cert = HT_SPAN(sum, 32);
	const struct ht_span alpn = HT_SPAN_STR("\x02h2");
	assert_string_equal(
		Q(.sni = name, .alpn = alpn, .dst_port = 443), "port:443 alpn:h2 & port:443"
	);
	assert_string_equal(
		Q(.sni = name, .alpn = alpn, .dst_port = 443, .cert_sha256 = cert,
		  .only_cert = true),
		"cert:" SUM " example.com & cert:" SUM
	);
	assert_string_equal(Q(.dst_port = 443, .only_cert = true), "");
	assert_string_equal(
		Q(.dst_port = 80, .cert_sha256 = cert, .only_cert = true),
		"cert:" SUM " port:80 & cert:" SUM
	);
	ht_watchlists_free(w);
	w = load_good("port:443\n");
	assert_false(ht_watchlists_has_cert(w));
	assert_string_equal(Q(.dst_port = 443, .cert_sha256 = cert, .only_cert = true), "");
	ht_watchlists_free(w);
#if HT_HAVE_HYPERSCAN
	w = load_good("/exa/\n/exa/ & cert:" SUM "\n/nope/ & cert:" SUM "\n");
	assert_string_equal(
		Q(.sni = name, .cert_sha256 = cert, .only_cert = true), "/exa/ & cert:" SUM
	);
	assert_string_equal(Q(.sni = name), "/exa/");
	ht_watchlists_free(w);
#endif
}

// A prefix of either family is not the other's.
static void test_prefix_lengths(void **state) {
	(void)state;
	struct ht_watchlists *w
		= load_good("ip:0.0.0.0/0\n::/0\n128.0.0.0/1\n8000::/1\nip:::ffff:192.0.2.1\n"
			    "192.0.2.1/31\n");
	assert_string_equal(Q(.src_ip = address(V4 "7f000001")), "ip:0.0.0.0/0");
	assert_string_equal(
		Q(.src_ip = address(V4 "c0000201")),
		"ip:0.0.0.0/0 128.0.0.0/1 ip:::ffff:192.0.2.1 192.0.2.1/31"
	);
	assert_string_equal(Q(.src_ip = address("7fff0000000000000000000000000000")), "::/0");
	assert_string_equal(
		Q(.src_ip = address("80000000000000000000000000000000")), "::/0 8000::/1"
	);
	ht_watchlists_free(w);
}

static void test_labels_and_severities(void **state) {
	(void)state;
	struct ht_watchlists *w
		= load_good("example.com\na.example c2 critical\nb.example \"two \\\"words\\\" # "
			    "\\\\\" INFO # why\n"
			    "c.example - warning\nd.example # only a comment\n  e.example\t\tx\t\n"
			    "f.example Critical # alone\ng.example \"critical\"\n"
			    "h.example critical info\n");
	static const struct {
		const char *sni, *label, *severity;
	} cases[] = {
		{"example.com", NULL, "notice"},
		{"a.example", "c2", "critical"},
		{"b.example", "two \"words\" # \\", "info"},
		{"c.example", NULL, "warning"},
		{"d.example", NULL, "notice"},
		{"e.example", "x", "notice"},
		{"f.example", NULL, "critical"},
		{"g.example", "critical", "notice"},
		{"h.example", "critical", "info"},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_watchlist_match m;
		const struct ht_watchlist_query q
			= {.sni = HT_SPAN(cases[i].sni, strlen(cases[i].sni))};
		assert_int_equal(ht_watchlist_match(w, 0, &q, &m, 1, counters), 1);
		assert_string_equal(ht_severities[m.severity], cases[i].severity);
		if (cases[i].label == NULL)
			assert_null(m.label);
		else
			assert_string_equal(m.label, cases[i].label);
	}
	ht_watchlists_free(w);
}

static void test_combinations(void **state) {
	(void)state;
	struct ht_watchlists *w
		= load_good("sni=example.com & ja4=*_8daaf6152771_* & port=443 three warning\n"
			    "alpn:h2&port:8443\n"
			    "ip:192.0.2.0/24 & sni:=a.example & src_port=1 & ja3=" JA3 "\n"
			    "dst_ip:2001:db8::1 & *.b.example & alpn=h3\n"
			    "src_ip:192.0.2.1 & dst_ip:192.0.2.2\n"
			    "c.example & sni:d.c.example # both names\n");
	assert_int_equal(rep.entries[HT_WATCHLIST_COMBINED], 6);
	const struct ht_span name = HT_SPAN_STR("www.Example.com."), ja4 = HT_SPAN_STR(JA4);
	assert_string_equal(
		Q(.sni = name, .ja4 = ja4, .dst_port = 443),
		"sni=example.com & ja4=*_8daaf6152771_* & port=443"
	);
	assert_string_equal(Q(.sni = name, .ja4 = ja4, .dst_port = 444), "");
	assert_string_equal(Q(.sni = name, .ja4 = ja4), "");
	assert_string_equal(Q(.sni = name, .dst_port = 443), "");
	assert_string_equal(
		Q(.sni = HT_SPAN_STR("evil-example.com"), .ja4 = ja4, .dst_port = 443), ""
	);
	assert_string_equal(
		Q(.alpn = HT_SPAN_STR("\x02h3\x02h2"), .dst_port = 8443), "alpn:h2&port:8443"
	);
	assert_string_equal(Q(.alpn = HT_SPAN_STR("\x02h3"), .dst_port = 8443), "");
	const struct ht_span a = HT_SPAN_STR("a.example"), ja3 = HT_SPAN_STR(JA3);
	const uint8_t *v4 = address(V4 "c0000201");
	assert_string_not_equal(Q(.sni = a, .dst_ip = v4, .src_port = 1, .ja3 = ja3), "");
	assert_string_not_equal(Q(.sni = a, .src_ip = v4, .src_port = 1, .ja3 = ja3), "");
	assert_string_equal(Q(.sni = a, .src_ip = v4, .dst_port = 1, .ja3 = ja3), "");
	assert_string_equal(Q(.sni = a, .src_port = 1, .ja3 = ja3), "");
	assert_string_equal(
		Q(.sni = HT_SPAN_STR("x.a.example"), .src_ip = v4, .src_port = 1, .ja3 = ja3), ""
	);
	const uint8_t *v6 = address("20010db8000000000000000000000001");
	const struct ht_span h3 = HT_SPAN_STR("\x02h3");
	assert_string_not_equal(Q(.sni = HT_SPAN_STR("a.b.example"), .dst_ip = v6, .alpn = h3), "");
	assert_string_equal(Q(.sni = HT_SPAN_STR("b.example"), .dst_ip = v6, .alpn = h3), "");
	assert_string_equal(Q(.sni = HT_SPAN_STR("a.b.example"), .src_ip = v6, .alpn = h3), "");
	assert_string_not_equal(Q(.src_ip = v4, .dst_ip = address(V4 "c0000202")), "");
	assert_string_equal(Q(.dst_ip = v4, .src_ip = address(V4 "c0000202")), "");
	assert_string_not_equal(Q(.sni = HT_SPAN_STR("d.c.example")), "");
	assert_string_equal(Q(.sni = HT_SPAN_STR("e.c.example")), "");
	ht_watchlists_free(w);
}

// ---- regular expressions

#if HT_HAVE_HYPERSCAN

static void test_regexes(void **state) {
	(void)state;
	struct ht_watchlists *w
		= load_good("/^[a-z]{12}\\.(top|xyz)$/ dga critical\nsni:/EVIL\\d+/i\n/a\\/b/s\n"
			    "sni=/^c2-/ & port=443\nport=8443 & /^c2-/ & example.com\n/ [ ]x/ "
			    "\"with a space\"\n");
	assert_int_equal(rep.entries[HT_WATCHLIST_REGEX], 4);
	assert_int_equal(rep.entries[HT_WATCHLIST_COMBINED], 2);
	assert_true(rep.database_bytes > 0 && rep.scratch_bytes > 0);
	assert_true(rep.bytes > rep.database_bytes + rep.scratch_bytes);
	assert_string_equal(name(w, "abcdefghijkl.TOP."), "/^[a-z]{12}\\.(top|xyz)$/");
	assert_string_equal(name(w, "abcdefghijk.top"), "");
	assert_string_equal(name(w, "x.evil7.example"), "sni:/EVIL\\d+/i");
	assert_string_equal(name(w, "a/b"), "/a\\/b/s");
	assert_string_equal(name(w, "  x"), "/ [ ]x/");
	const struct ht_span c2 = HT_SPAN_STR("C2-7.example.com");
	assert_string_equal(Q(.sni = c2, .dst_port = 443), "sni=/^c2-/ & port=443");
	assert_string_equal(Q(.sni = c2, .dst_port = 8443), "port=8443 & /^c2-/ & example.com");
	assert_string_equal(Q(.sni = HT_SPAN_STR("x.example.com"), .dst_port = 8443), "");
	assert_string_equal(Q(.sni = c2), "");
	ht_watchlists_free(w);
}

// What is refused is told with its line, and the rest is not lost. Nothing here may take long.
static void test_refused_regexes(void **state) {
	(void)state;
	static const char text[]
		= "/good/\n/(a)\\1/\n/(?=a)b/\n/a*/\n//\n/(/\n/x{300}/\n/((a{200}){200}){200}/\n"
		  "/abc\n/abc/q\n/a{1,99999999999}/\n/[a-/\n/good2/ & port:1\n"
		  "/(((((((((((((((((((((((((((((((((((((a)))))))))))))))))))))))))))))))))))))/\n"
		  "/(ab[a-z]{1,14}){240,}x/\n/[ab]{256}[cd]{256}e/\n"
		  "/[ab]{256}[cd]{255}e/\n/a.{250}b.{250}c/\n";
	struct timespec from, to;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	struct ht_watchlists *w = load(text);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	static const struct {
		uint32_t line;
		const char *reason;
	} want[] = {
		{2, "Hyperscan refuses"},
		{3, "Hyperscan refuses"},
		{4, "matches nothing at all"},
		{5, "matches nothing at all"},
		{6, "Hyperscan refuses"},
		{7, "repeat of more than 256"},
		{8, "too large"},
		{9, "second slash"},
		{10, "flags"},
		{11, "repeat of more than 256"},
		{12, "Hyperscan refuses"},
		{14, "too large"},
		{15, "repeats written out"}, // it would take 15 s, and be refused then
		{16, "repeats written out"},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(want); i++) {
		assert_int_equal(rep.errors[i].line, want[i].line);
		if (strstr(rep.errors[i].reason, want[i].reason) == NULL)
			fail_msg("line %u: %s", want[i].line, rep.errors[i].reason);
	}
	for (unsigned i = HT_ARRAY_LEN(want); i < rep.num; i++) // what a version may refuse
		assert_true(rep.errors[i].line >= 18);
	print_message("# hostile expressions: %ld s\n", (long)(to.tv_sec - from.tv_sec));
	assert_true(to.tv_sec - from.tv_sec < 60);
	assert_string_equal(name(w, "x.good"), "/good/");
	const struct ht_span good = HT_SPAN_STR("good2");
	assert_string_equal(Q(.sni = good, .dst_port = 1), "/good/ /good2/ & port:1");
	ht_watchlists_free(w);
}

// ---- the cache

static char folder[64];

static void remove_folder(void) {
	char file[400];
	DIR *d = opendir(folder);
	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		snprintf(file, sizeof(file), "%s/%s", folder, e->d_name);
		unlink(file);
	}
	if (d != NULL)
		closedir(d);
	rmdir(folder);
}

// cached returns the one file of the cache.
static const char *cached(unsigned *num) {
	static char file[400];
	DIR *d = opendir(folder);
	assert_non_null(d);
	*num = 0;
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", folder, e->d_name);
		++*num;
	}
	closedir(d);
	return file;
}

// load_cached loads, matches, and tells whether the database came from the cache.
static bool load_cached(const char *text) {
	const struct ht_watchlist_params p = {.workers = 2, .cache_folder = folder};
	struct ht_watchlists *w = load_with(text, &p);
	no_errors();
	assert_string_equal(name(w, "xx-7.example"), "/^xx-\\d/");
	ht_watchlists_free(w);
	return rep.from_cache;
}

static void damage(const char *file, long at) {
	FILE *f = fopen(file, "r+b");
	assert_non_null(f);
	fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
	const int c = fgetc(f);
	fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
	fputc(c ^ 1, f);
	fclose(f);
}

static void test_cache(void **state) {
	(void)state;
	static const char text[] = "/^xx-\\d/\n/other/ & port:1\n";
	unsigned num;
	struct stat st;
	strcpy(folder, "/tmp/test_watchlist.XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_false(load_cached(text));
	assert_string_equal(rep.cache_note, "");
	const char *file = cached(&num);
	assert_int_equal(num, 1);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(load_cached(text));
	// Each byte counts; a damaged file is written again.
	static const long places[] = {0, 8, 16, 24, 32, 40, 60, -1, -100};
	for (unsigned i = 0; i < HT_ARRAY_LEN(places); i++) {
		damage(file, places[i]);
		assert_false(load_cached(text));
		assert_non_null(strstr(rep.cache_note, "damaged"));
		assert_true(load_cached(text));
	}
	for (off_t len = 0; len < st.st_size; len += 1 + st.st_size / 20) {
		assert_int_equal(truncate(file, len), 0);
		assert_false(load_cached(text));
		assert_true(load_cached(text));
	}
	// Whose file it may be.
	assert_int_equal(chmod(file, 0620), 0);
	assert_false(load_cached(text));
	assert_non_null(strstr(rep.cache_note, "others can write to it"));
	assert_true(load_cached(text)); // replaced
	if (geteuid() == 0) {
		assert_int_equal(chown(file, 65534, 65534), 0);
		assert_false(load_cached(text));
	}
	assert_int_equal(chmod(folder, 0777), 0);
	assert_false(load_cached(text));
	assert_non_null(strstr(rep.cache_note, "others can write to it"));
	assert_int_equal(chmod(folder, 0700), 0);
	// Other expressions are another file, and a file under another's name is not taken.
	assert_false(load_cached("/^xx-\\d/\n/others/\n"));
	cached(&num);
	assert_int_equal(num, 2);
	char name_of[2][400];
	unsigned n = 0;
	DIR *d = opendir(folder);
	for (struct dirent *e; (e = readdir(d)) != NULL && n < 2;)
		if (e->d_name[0] != '.')
			snprintf(name_of[n++], sizeof(name_of[0]), "%s/%s", folder, e->d_name);
	closedir(d);
	assert_int_equal(rename(name_of[0], name_of[1]), 0);
	const bool a = load_cached(text), b = load_cached("/^xx-\\d/\n/others/\n");
	assert_false(a && b);
	// Their number is bounded.
	for (unsigned i = 0; i < 20; i++) {
		char other[64];
		snprintf(other, sizeof(other), "/^xx-\\d/\n/more%u/\n", i);
		assert_false(load_cached(other));
	}
	cached(&num);
	assert_int_equal(num, HT_WATCHLIST_CACHED_MAX);
	remove_folder();
	assert_false(load_cached(text)); // no folder
	assert_non_null(strstr(rep.cache_note, "No such file"));
}

#else

static void test_no_hyperscan(void **state) {
	(void)state;
	struct ht_watchlists *w = load("/evil/\nexample.com\nport:443 & /c2/\n");
	assert_int_equal(rep.num, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_non_null(strstr(rep.errors[i].reason, "built without Hyperscan"));
	assert_int_equal(rep.errors[1].line, 3);
	assert_string_equal(name(w, "evil.example.com"), "example.com");
	ht_watchlists_free(w);
}

#endif

// ---- formats

static void test_sslbl_csv(void **state) {
	(void)state;
	struct ht_watchlists *w = load_good(
		"# abuse.ch SSLBL\r\n# ja3_md5,Firstseen,Lastseen,Listingreason\r\n"
		"ja3_md5,Firstseen,Lastseen,Listingreason\r\n" JA3
		",2017-07-14 18:08:15,2019-07-27 20:42:54,Some Trojan, v2\r\n"
		"4ab3f133e797b65e7fc4b00f1afcc1de,2018-01-01 00:00:00,2018-01-01 00:00:00,\"A, "
		"B\"\r\n"
		"e7d705a3286e19ea42f587b344ee6865,2018-01-01 00:00:00,2018-01-01 00:00:00,\r\n"
	);
	assert_int_equal(rep.entries[HT_WATCHLIST_JA3], 3);
	struct ht_watchlist_match m;
	const struct ht_watchlist_query q = {.ja3 = HT_SPAN_STR(JA3)};
	assert_int_equal(ht_watchlist_match(w, 0, &q, &m, 1, counters), 1);
	assert_string_equal(m.label, "Some Trojan, v2");
	assert_string_equal(m.entry, JA3);
	const struct ht_watchlist_query quoted
		= {.ja3 = HT_SPAN_STR("4ab3f133e797b65e7fc4b00f1afcc1de")};
	assert_int_equal(ht_watchlist_match(w, 0, &quoted, &m, 1, counters), 1);
	assert_string_equal(m.label, "A, B");
	ht_watchlists_free(w);
	w = load(JA3 ",2017-07-14 18:08:15\n");
	assert_int_equal(rep.num, 1);
	ht_watchlists_free(w);
}

static void test_hosts_file(void **state) {
	(void)state;
	struct ht_watchlists *w
		= load_good("127.0.0.1 localhost localhost.localdomain\n::1 localhost\n"
			    "fe80::1%lo0 localhost\n0.0.0.0 0.0.0.0\n0.0.0.0\tads.example.com\n"
			    "0.0.0.0 a.example b.example # two\n127.0.0.1 A.example.\n");
	assert_int_equal(rep.entries[HT_WATCHLIST_DOMAIN], 3);
	assert_int_equal(rep.duplicates, 1);
	assert_int_equal(rep.ignored, 5);
	assert_string_equal(name(w, "ads.example.com"), "ads.example.com");
	assert_string_equal(name(w, "x.ads.example.com"), ""); // a host, not a domain
	assert_string_equal(name(w, "B.example"), "b.example");
	ht_watchlists_free(w);
}

static void test_domain_dump(void **state) {
	(void)state;
	struct ht_watchlists *w
		= load_good("\xef\xbb\xbf"
			    "one.example.\r\n\r\nTWO.example\r\n  three.example  \r\n"
			    "one.example\r\nfour.example");
	assert_int_equal(rep.entries[HT_WATCHLIST_DOMAIN], 4);
	assert_int_equal(rep.duplicates, 1);
	assert_int_equal(rep.lines, 6);
	assert_string_equal(name(w, "one.example"), "one.example.");
	assert_string_equal(name(w, "x.two.example"), "TWO.example");
	assert_string_equal(name(w, "three.example"), "three.example");
	assert_string_equal(name(w, "four.example"), "four.example");
	ht_watchlists_free(w);
}

// ---- what is wrong

static void test_wrong_lines(void **state) {
	(void)state;
	static const struct {
		const char *line, *reason;
	} cases[] = {
		{"example..com", "empty label"},
		{".example.com", "empty label"},
		{"exa mple.com x", "without a dot"},
		{"word", "without a dot"},
		{"foo.*.com", "character '*'"},
		{"https://example.com/", "a URL"},
		{"192.0.2.1:443", "dst_ip:ADDRESS & port:PORT"},
		{"example.com:443", "character ':'"},
		{"foo:example.com", "no such kind of entry"},
		{"ja3s=0123456789abcdef0123456789abcdef", "no such kind of entry"},
		{"0123456789abcdef0123456789abcdef", "ja3:MD5"},
		{"0123456789abcdef0123456789abcdef01234567", "not by SHA-1"},
		{"t13d1516h2_8daaf6152771_e5627efa2ab1", "ja4:A_B_C"},
		{"example.com/path", "character '/'"},
		{"192.0.2.256", "last label is a number"},
		{"ip:192.0.2.256", "not an address"},
		{"192.0.2.0/33", "IPv4 has 0 to 32 bits"},
		{"2001:db8::/129", "IPv6 has 0 to 128 bits"},
		{"ip:192.0.2.0/33", "0 to 32 bits"},
		{"ip:192.0.2.0/", "0 to 32 bits"},
		{"ip:2001:db8::/129", "0 to 128 bits"},
		{"ip:2001:db8::1::", "not an address"},
		{"port:0", "1 to 65535"},
		{"port:65536", "1 to 65535"},
		{"port:443x", "1 to 65535"},
		{"port:", "without a value"},
		{"ja3:1234", "32 hex digits"},
		{"ja4:t13d1516h2_8daaf6152771", "a JA4 fingerprint"},
		{"ja4:t13d1516h2_8daaf6152771_e5627efa2ab1_", "a JA4 fingerprint"},
		{"ja4:t13d1516h2_8daaf6152771_e5627efa2abz", "a JA4 fingerprint"},
		{"ja4:*_*_*", "any JA4"},
		{"cert:0011", "64 hex digits"},
		{"alpn:\\xg0", "two hex digits"},
		{"/b\xc3\xbc"
		 "cher/",
		 "beyond ASCII"},
		{"a.example &", "without a value"},
		{"a.example & & b.example", "without a value"},
		{"a.example label wrong", "severity"},
		{"a.example label info more", "behind the severity"},
		{"a.example \"label", "second quote"},
		{"a.example \"label\"x", "behind the label"},
		{"a.example&b.example&c.example&d.example&port:1&port:2&port:3&port:4&port:5",
		 "more than 8"},
		{"a\x01.example", "control character"},
		{"=", "empty"},
		{"*.", "it is empty"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example",
		 "more than 63"},
		{"0.0.0.0 a.example bad..example", "empty label"},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		char text[512];
		snprintf(text, sizeof(text), "before.example\n%s\nafter.example\n", cases[i].line);
		struct ht_watchlists *w = load(text);
		if (rep.num != 1 || rep.errors[0].line != 2
		    || strstr(rep.errors[0].reason, cases[i].reason) == NULL)
			fail_msg("%s: %u %s", cases[i].line, rep.num, rep.errors[0].reason);
		assert_string_equal(rep.errors[0].file, "lists/mine.txt");
		assert_string_equal(name(w, "before.example"), "before.example");
		assert_string_equal(name(w, "after.example"), "after.example");
		ht_watchlists_free(w);
	}
}

// Each list cut anywhere is a list.
static void test_cut_anywhere(void **state) {
	(void)state;
	static const char text[]
		= "\xef\xbb\xbf=a.example & ja4=*_8daaf6152771_* & ip:2001:db8::/32 \"la\\\"bel\" "
		  "info # x\r\n"
		  "0.0.0.0 b.example\nalpn:\\x0a\n" JA3 ",1,2,three\ncert:00:11\nb\xc3\xbc"
		  "cher.example\n"
		  "port:12 x warning\n";
	for (size_t n = 0; n <= strlen(text); n++) {
		struct ht_watchlists *w;
		uint8_t *copy = t_dup(text, n);
		const struct ht_watchlist_params p = {0};
		assert_int_equal(
			ht_watchlists_load_text(&w, "x", HT_SPAN(copy, n), &p, &rep), HT_OK
		);
		free(copy);
		ht_watchlists_free(w);
	}
}

static void test_errors_are_bounded(void **state) {
	(void)state;
	char text[2000], *end = text;
	for (unsigned i = 0; i < 100; i++)
		end += sprintf(end, "wrong\n");
	struct ht_watchlists *w = load(text);
	assert_int_equal(rep.num, HT_WATCHLIST_ERRORS_MAX);
	assert_int_equal(rep.more, 100 - HT_WATCHLIST_ERRORS_MAX);
	ht_watchlists_free(w);
	w = load("wr\x7fong\n\xff\n");
	assert_int_equal(rep.num, 2);
	ht_watchlists_free(w);
}

// ---- caps

static enum ht_rc try_text(const char *text, const struct ht_watchlist_params *p) {
	struct ht_watchlists *w;
	const enum ht_rc rc
		= ht_watchlists_load_text(&w, "x", HT_SPAN(text, strlen(text)), p, &rep);
	if (rc != HT_OK) {
		assert_null(w);
		assert_true(rep.num > 0);
	}
	ht_watchlists_free(w);
	return rc;
}

static void test_caps(void **state) {
	(void)state;
	struct ht_watchlist_params p = {.max_entries = 2};
	assert_int_equal(try_text("a.example\nb.example\na.example\n", &p), HT_OK);
	assert_int_equal(try_text("a.example\nb.example\nc.example\n", &p), HT_LIMIT);
	assert_int_equal(rep.errors[0].line, 3);
	p = (struct ht_watchlist_params){.max_bytes = 1u << 20};
	char *many = malloc(20000 * 20), *end = many;
	assert_non_null(many);
	for (unsigned i = 0; i < 20000; i++)
		end += sprintf(end, "d%u.example\n", i);
	assert_int_equal(try_text(many, &p), HT_LIMIT);
	p.max_bytes = 8u << 20;
	assert_int_equal(try_text(many, &p), HT_OK);
	assert_true(rep.bytes < p.max_bytes);
	p.workers = 1000; // scratch
	assert_int_equal(try_text(many, &p), HT_LIMIT);
	// On one value, and a line.
	end = many;
	for (unsigned i = 0; i <= HT_WATCHLIST_SAME_MAX; i++)
		end += sprintf(end, "a.example & port:%u\n", i + 1);
	memset(end, 'x', HT_WATCHLIST_LINE_MAX + 1);
	strcpy(end + HT_WATCHLIST_LINE_MAX + 1, "\nb.example\n");
	p = (struct ht_watchlist_params){0};
	assert_int_equal(try_text(many, &p), HT_OK);
	assert_int_equal(rep.num, 2);
	assert_non_null(strstr(rep.errors[0].reason, "more than 256 entries"));
	assert_non_null(strstr(rep.errors[1].reason, "4096"));
	assert_int_equal(rep.entries[HT_WATCHLIST_COMBINED], HT_WATCHLIST_SAME_MAX);
	assert_int_equal(rep.entries[HT_WATCHLIST_DOMAIN], 1);
#if HT_HAVE_HYPERSCAN
	end = many; // together too large
	for (unsigned i = 0; i < HT_WATCHLIST_WEIGHT_MAX / 455; i++)
		end += sprintf(end, "/a%05u([b-z]{1,%u}\\.){4}/\n", i, 120);
	p = (struct ht_watchlist_params){.max_regexes = 1000};
	const time_t start = time(NULL);
	assert_int_equal(try_text(many, &p), HT_OK);
	print_message("# expressions as large as allowed: %ld s\n", (long)(time(NULL) - start));
	assert_true(rep.num > 0 && rep.num < 10);
	assert_non_null(strstr(rep.errors[0].reason, "too large together"));
	p = (struct ht_watchlist_params){.max_regexes = 2};
	assert_int_equal(try_text("/a/\n/b/\n/a/ & port:1\n", &p), HT_OK);
	assert_int_equal(try_text("/a/\n/b/\n/c/\n", &p), HT_LIMIT);
	p = (struct ht_watchlist_params){0};
	assert_int_equal(try_text("/[ab].{200}b/\n", &p), HT_OK);
	p.max_bytes = rep.bytes;
	assert_int_equal(try_text("/[ab].{200}b/\n", &p), HT_OK);
	p.max_bytes = rep.bytes - 1;
	assert_int_equal(try_text("/[ab].{200}b/\n", &p), HT_LIMIT);
#endif
	free(many);
}

#if HT_HAVE_HYPERSCAN
// What makes a bracket something else would hide the repeats behind it, which take minutes.
static void test_no_hidden_repeats(void **state) {
	(void)state;
	static const char *const hidden[] = {
		"/(?#[)(\\d.{200}\\w.{200}){8}(?#])a/\n",
		"/\\Q[\\E(\\d.{200}\\w.{200}){8}\\Q]\\Ea/\n",
		"/[a\\Q]\\E(\\d.{200}\\w.{200}){8}]/\n",
		"/\\c[(\\d.{200}\\w.{200}){8}\\c]a/\n",
		"/(?ix)(\\d.{200}\\w.{200}){8}/\n",
		"/(?i-x:a)b/\n",
	};
	static const char *const open[] = {
		"/\\\\Qa/\n", "/(?:a|b)c/\n", "/(?i)ab/\n", "/(?i:ab)x/\n", "/\\(?a#/\n",
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(hidden); i++) {
		ht_watchlists_free(load(hidden[i]));
		assert_int_equal(rep.num, 1);
		assert_non_null(strstr(rep.errors[0].reason, "with a comment"));
	}
	for (unsigned i = 0; i < HT_ARRAY_LEN(open); i++)
		ht_watchlists_free(load_good(open[i]));
}
#endif

static void test_more_matches_than_room(void **state) {
	(void)state;
	char text[8192], *end = text;
	for (unsigned i = 0; i < 100; i++)
		end += sprintf(end, "example.com & src_port:7 & dst_port:%u\n", 9);
	end += sprintf(end, "port:9\n");
	struct ht_watchlists *w = load_good(text);
	struct ht_watchlist_match m[200];
	memset(counters, 0, sizeof(counters));
	const struct ht_watchlist_query q
		= {.sni = HT_SPAN_STR("example.com"), .src_port = 7, .dst_port = 9};
	assert_int_equal(ht_watchlist_match(w, 0, &q, m, 200, counters), HT_WATCHLIST_MATCHES_MAX);
	for (unsigned i = 0; i < HT_WATCHLIST_MATCHES_MAX; i++)
		assert_string_not_equal(m[i].entry, "port:9"); // the last one
	assert_int_equal(counters[HT_WATCHLIST_CTR_MATCHES], 101);
	assert_int_equal(counters[HT_WATCHLIST_CTR_MATCHES_CUT], 101 - HT_WATCHLIST_MATCHES_MAX);
	assert_int_equal(ht_watchlist_match(w, 0, &q, m, 3, counters), 3);
	assert_int_equal(ht_watchlist_match(w, 0, &q, m, 0, counters), 0);
	assert_int_equal(counters[HT_WATCHLIST_CTR_QUERIES], 3);
	assert_int_equal(counters[HT_WATCHLIST_CTR_MATCHED], 3);
	ht_watchlists_free(w);
}

// A hello that matches more entries of little weight than are told is told with the one that
// counts, wherever that stands.
static void test_noise_does_not_hide(void **state) {
	(void)state;
	for (unsigned at = 0; at <= 100; at += 50) {
		char text[8192], *end = text;
		for (unsigned i = 0; i <= 100; i++)
			end += i == at ? sprintf(end, "evil.example bad critical\n")
				       : sprintf(end, "alpn:p%02x noise info\n", i);
		struct ht_watchlists *w = load_good(text);
		uint8_t alpn[101 * 4];
		for (unsigned i = 0; i <= 100; i++) {
			char name[8];
			sprintf(name, "\x03p%02x", i & 0xff);
			memcpy(alpn + 4 * i, name, 4);
		}
		struct ht_watchlist_match m[HT_WATCHLIST_MATCHES_MAX];
		const struct ht_watchlist_query q
			= {.sni = HT_SPAN_STR("evil.example"), .alpn = HT_SPAN(alpn, sizeof(alpn))};
		memset(counters, 0, sizeof(counters));
		assert_int_equal(
			ht_watchlist_match(w, 0, &q, m, HT_WATCHLIST_MATCHES_MAX, counters),
			HT_WATCHLIST_MATCHES_MAX
		);
		unsigned critical = 0, before = 0;
		for (unsigned i = 0; i < HT_WATCHLIST_MATCHES_MAX; i++) {
			critical += m[i].severity == HT_SEVERITY_CRITICAL;
			before += critical == 0;
		}
		assert_int_equal(critical, 1);
		assert_int_equal(before, at < 63 ? at : 63); // the order is the list's
		assert_int_equal(counters[HT_WATCHLIST_CTR_MATCHES_CUT], 101 - 64);
		ht_watchlists_free(w);
	}
}

// Neither many protocols nor an empty one hide what a server may choose.
static void test_alpn_of_any_length(void **state) {
	(void)state;
	struct ht_watchlists *w
		= load_good("alpn:h2\nalpn:last\nevil.example & alpn:last & alpn:h2\n");
	static uint8_t alpn[65535];
	size_t len = 0;
	alpn[len++] = 0;
	while (len + 3 + 5 <= sizeof(alpn)) {
		memcpy(alpn + len, "\x02h2", 3);
		len += 3;
	}
	memcpy(alpn + len, "\x04last", 5);
	const struct ht_span all = HT_SPAN(alpn, len + 5), evil = HT_SPAN_STR("evil.example");
	memset(counters, 0, sizeof(counters));
	assert_string_equal(
		Q(.alpn = all, .sni = evil), "alpn:h2 alpn:last evil.example & alpn:last & alpn:h2"
	);
	assert_int_equal(counters[HT_WATCHLIST_CTR_ALPN_CUT], 0);
	assert_int_equal(counters[HT_WATCHLIST_CTR_MATCHES_CUT], 0);
	ht_watchlists_free(w);
	// More than there is time for is told.
	char text[8192], *end = text;
	for (unsigned i = 0; i < 100; i++)
		end += sprintf(end, "evil.example & alpn:none%u\n", i);
	w = load_good(text);
	assert_string_equal(Q(.alpn = all, .sni = evil), "");
	assert_int_equal(counters[HT_WATCHLIST_CTR_ALPN_CUT], 1);
	ht_watchlists_free(w);
	end = text;
	for (unsigned i = 0; i <= HT_WATCHLIST_ALPN_MAX; i++) {
		end += sprintf(end, "alpn:p%03x\n", i);
		memcpy(alpn + 5 * i, "\x04p", 2);
		memcpy(alpn + 5 * i + 2, end - 4, 3);
	}
	w = load_good(text);
	assert_string_not_equal(Q(.alpn = HT_SPAN(alpn, 5 * (HT_WATCHLIST_ALPN_MAX + 1))), "");
	assert_int_equal(counters[HT_WATCHLIST_CTR_ALPN_CUT], 2);
	ht_watchlists_free(w);
}

// ---- files

static void write_file(const char *file, const char *text) {
	FILE *f = fopen(file, "wb");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_files(void **state) {
	(void)state;
	char dir[] = "/tmp/test_watchlist.XXXXXX", a[64], b[64], pipe_file[64];
	assert_non_null(mkdtemp(dir));
	snprintf(a, sizeof(a), "%s/c2.txt", dir);
	snprintf(b, sizeof(b), "%s/ads.hosts", dir);
	snprintf(pipe_file, sizeof(pipe_file), "%s/pipe", dir);
	write_file(a, "example.com one\nbad\n");
	write_file(b, "0.0.0.0 example.com\nworse\n");
	assert_int_equal(mkfifo(pipe_file, 0600), 0);
	const char *const files[] = {a, b, pipe_file};
	const struct ht_watchlist_params p = {0};
	struct ht_watchlists *w;
	assert_int_equal(ht_watchlists_load(&w, files, 2, &p, &rep), HT_OK);
	assert_int_equal(rep.num, 2);
	assert_ptr_equal(rep.errors[1].file, b);
	struct ht_watchlist_match m[4];
	const struct ht_watchlist_query q = {.sni = HT_SPAN_STR("example.com")};
	assert_int_equal(ht_watchlist_match(w, 0, &q, m, 4, counters), 2);
	assert_string_equal(m[0].list, "c2");
	assert_string_equal(m[1].list, "ads");
	ht_watchlists_free(w);
	assert_int_equal(ht_watchlists_load(&w, files, 3, &p, &rep), HT_ERROR);
	assert_null(w);
	assert_ptr_equal(rep.errors[2].file, pipe_file);
	assert_int_equal(rep.errors[2].line, 0);
	const struct ht_watchlist_params small = {.max_file_bytes = 10};
	assert_int_equal(ht_watchlists_load(&w, files, 1, &small, &rep), HT_ERROR);
	unlink(a);
	assert_int_equal(ht_watchlists_load(&w, files, 2, &p, &rep), HT_ERROR);
	assert_string_equal(rep.errors[0].reason, "No such file or directory");
	assert_int_equal(ht_watchlists_load(&w, files, 0, &p, &rep), HT_OK);
	assert_int_equal(ht_watchlist_match(w, 0, &q, m, 4, counters), 0);
	ht_watchlists_free(w);
	unlink(b);
	unlink(pipe_file);
	rmdir(dir);
}

// A match is told by the list's name, so that is one list's alone.
static void test_same_name(void **state) {
	(void)state;
	static const char *const seconds[] = {"ads.csv", "ads", "ads.txt", "ADS.txt", "ads2.txt"};
	char dir[] = "/tmp/test_watchlist.XXXXXX", a[64], b[64];
	assert_non_null(mkdtemp(dir));
	snprintf(a, sizeof(a), "%s/ads.txt", dir);
	write_file(a, "example.com\n");
	for (unsigned i = 0; i < HT_ARRAY_LEN(seconds); i++) {
		struct ht_watchlists *w;
		const struct ht_watchlist_params p = {0};
		snprintf(b, sizeof(b), "%s/%s", dir, seconds[i]);
		write_file(b, "example.com\n");
		const char *const files[] = {a, b};
		assert_int_equal(
			ht_watchlists_load(&w, files, 2, &p, &rep), i < 3 ? HT_ERROR : HT_OK
		);
		ht_watchlists_free(w);
		assert_int_equal(rep.num, i < 3);
		if (i < 3) {
			assert_ptr_equal(rep.errors[0].file, b);
			assert_int_equal(rep.errors[0].line, 0);
			char reason[200];
			snprintf(
				reason, sizeof(reason),
				"its list would be called ads, like that of %s: "
				"matches could not be told apart",
				a
			);
			assert_string_equal(rep.errors[0].reason, reason);
		}
		if (strcmp(a, b) != 0)
			unlink(b);
	}
	unlink(a);
	rmdir(dir);
}

// ---- swapping

#define SWAPS 300u
#define WORKERS 3u

static struct ht_watchlist_slot *slot;
static atomic_uint announced; // the newest set whose publishing returned
static atomic_bool stop;
static atomic_uint bursts[WORKERS];

static struct ht_watchlists *numbered(unsigned number, unsigned workers) {
	char text[256];
	snprintf(
		text, sizeof(text), "example.com n%u\n%s", number,
		HT_HAVE_HYPERSCAN ? "/^www/ re\n" : ""
	);
	struct ht_watchlists *w
		= load_with(text, &(struct ht_watchlist_params){.workers = workers});
	no_errors();
	return w;
}

static void stale(unsigned have, unsigned want) {
	if (have >= want)
		return;
	fprintf(stderr, "a match of set %u after set %u was announced\n", have, want);
	abort(); // cmocka's checks are for its own thread
}

static void burst(const struct ht_watchlists *w, unsigned worker, unsigned before) {
	struct ht_watchlist_match m[4];
	uint64_t ctrs[HT_WATCHLIST_NUM_CTRS] = {0};
	const struct ht_watchlist_query q = {.sni = HT_SPAN_STR("www.example.com")};
	for (unsigned i = 0; i < 8; i++) {
		const unsigned n = ht_watchlist_match(w, worker, &q, m, 4, ctrs);
		if (n != 1u + HT_HAVE_HYPERSCAN)
			abort();
		const unsigned number = (unsigned)atoi(m[0].label + 1);
		stale(number, before);
		stale(number,
		      atomic_load(&announced)); // while it is held, it is not told to be gone
	}
}

static void *work(void *arg) {
	const unsigned worker = (unsigned)(uintptr_t)arg;
	for (unsigned i = 0; !atomic_load(&stop); i++) {
		const unsigned before = atomic_load(&announced);
		burst(ht_watchlist_use(slot, worker), worker, before);
		atomic_fetch_add(&bursts[worker], 1);
		if (i % (5 + worker) == 0)
			ht_watchlist_quiet(slot, worker);
		if (i % 64 == 0)
			sched_yield();
	}
	ht_watchlist_quiet(slot, worker);
	return NULL;
}

static void test_swap_under_load(void **state) {
	(void)state;
	pthread_t threads[WORKERS];
	slot = ht_watchlist_slot_new(WORKERS);
	assert_non_null(slot);
	assert_null(ht_watchlist_use(slot, 0));
	ht_watchlist_quiet(slot, 0);
	assert_int_equal(ht_watchlist_publish(slot, numbered(0, WORKERS), 10000), HT_OK);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i), 0);
	for (unsigned i = 0; i < WORKERS; i++)
		while (atomic_load(&bursts[i]) == 0)
			sched_yield();
	for (unsigned i = 1; i <= SWAPS; i++) {
		assert_int_equal(ht_watchlist_publish(slot, numbered(i, WORKERS), 60000), HT_OK);
		atomic_store(&announced, i);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < WORKERS; i++) {
		pthread_join(threads[i], NULL);
		assert_true(atomic_load(&bursts[i]) > 0);
	}
	assert_int_equal(ht_watchlist_publish(slot, NULL, 0), HT_OK);
	assert_null(ht_watchlist_use(slot, 0));
	ht_watchlist_slot_free(slot);
}

static void test_worker_that_holds_on(void **state) {
	(void)state;
	struct ht_watchlist_slot *s = ht_watchlist_slot_new(2);
	struct ht_watchlists *third = numbered(3, 2), *few = numbered(9, 1);
	assert_int_equal(ht_watchlist_publish(s, few, 0), HT_BAD);
	ht_watchlists_free(few);
	assert_int_equal(ht_watchlist_publish(s, numbered(1, 2), 0), HT_OK);
	const struct ht_watchlists *held = ht_watchlist_use(s, 1);
	assert_int_equal(ht_watchlist_publish(s, numbered(2, 2), 1), HT_MORE);
	assert_ptr_not_equal(ht_watchlist_use(s, 0), held); // the other one has the new one
	assert_string_equal(name(held, "example.com"), "example.com"); // and this is still good
	assert_int_equal(ht_watchlist_publish(s, third, 1), HT_FULL);
	ht_watchlist_use(s, 1);
	assert_int_equal(ht_watchlist_publish(s, third, 1), HT_MORE); // of set 2
	ht_watchlist_quiet(s, 0);
	ht_watchlist_quiet(s, 1);
	ht_watchlist_slot_free(s); // frees both
	ht_watchlist_slot_free(NULL);
	ht_watchlists_free(NULL);
}

int main(void) {
	const struct CMUnitTest tests[]
		= { cmocka_unit_test(test_domains),
		    cmocka_unit_test(test_any_bytes),
		    cmocka_unit_test(test_u_labels_of_clients),
		    cmocka_unit_test(test_u_labels_of_lists),
		    cmocka_unit_test(test_agrees_with_slow_matcher),
		    cmocka_unit_test(test_kinds),
		    cmocka_unit_test(test_only_cert),
		    cmocka_unit_test(test_prefix_lengths),
		    cmocka_unit_test(test_labels_and_severities),
		    cmocka_unit_test(test_combinations),
#if HT_HAVE_HYPERSCAN
		    cmocka_unit_test(test_regexes),
		    cmocka_unit_test(test_refused_regexes),
		    cmocka_unit_test(test_cache),
#else
		    cmocka_unit_test(test_no_hyperscan),
#endif
		    cmocka_unit_test(test_sslbl_csv),
		    cmocka_unit_test(test_hosts_file),
		    cmocka_unit_test(test_domain_dump),
		    cmocka_unit_test(test_wrong_lines),
		    cmocka_unit_test(test_cut_anywhere),
		    cmocka_unit_test(test_errors_are_bounded),
		    cmocka_unit_test(test_caps),
#if HT_HAVE_HYPERSCAN
		    cmocka_unit_test(test_no_hidden_repeats),
#endif
		    cmocka_unit_test(test_more_matches_than_room),
		    cmocka_unit_test(test_noise_does_not_hide),
		    cmocka_unit_test(test_alpn_of_any_length),
		    cmocka_unit_test(test_files),
		    cmocka_unit_test(test_same_name),
		    cmocka_unit_test(test_swap_under_load),
		    cmocka_unit_test(test_worker_that_holds_on),
		  };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
