// SPDX-License-Identifier: BSD-3-Clause
// A byte that says what the rest is. Even: a list; it must load, and line by line give as many
// errors and entries; what is found of it when each line is asked for as a name is the same when
// asked twice. Odd: a server name against a fixed list; a plain matcher on the bytes agrees where
// the name is ASCII, and a final dot and capitals make no difference.

#include "watchlist.h"

#include <stdlib.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[]
	= {"example.com", "b.example", "a.b.example", "xn--bcher-kva.example"};
static const char list[] = "example.com\n=b.example\n*.a.b.example\nxn--bcher-kva.example\n"
			   "/^x.*y$/\nexample.com & /w{3}/ & port:443\n";

static uint64_t counters[HT_WATCHLIST_NUM_CTRS];
static const struct ht_watchlist_params params = {.max_bytes = 64u << 20, .max_regexes = 16};

static struct ht_watchlists *load(struct ht_span text, struct ht_watchlist_report *rep) {
	struct ht_watchlists *w;
	uint8_t *copy = malloc(text.len > 0 ? text.len : 1);
	if (copy == NULL)
		abort();
	memcpy(copy, text.p, text.len);
	const enum ht_rc rc
		= ht_watchlists_load_text(&w, "l", HT_SPAN(copy, text.len), &params, rep);
	free(copy);
	if ((rc == HT_OK) != (w != NULL) || (w == NULL && rep->num == 0))
		abort();
	return w;
}

static unsigned
match(const struct ht_watchlists *w, struct ht_span sni, struct ht_watchlist_match *m) {
	uint8_t *copy = malloc(sni.len > 0 ? sni.len : 1);
	if (copy == NULL)
		abort();
	memcpy(copy, sni.p, sni.len);
	const struct ht_watchlist_query q = {
		.sni = HT_SPAN(copy, sni.len),
		.alpn = HT_SPAN(copy, sni.len),
		.ja3 = HT_SPAN(copy, sni.len),
		.ja4 = HT_SPAN(copy, sni.len),
		.cert_sha256 = HT_SPAN(copy, sni.len),
		.src_ip = sni.len >= 16 ? copy : NULL,
		.dst_port = 443,
	};
	const unsigned n = ht_watchlist_match(w, 0, &q, m, HT_WATCHLIST_MATCHES_MAX, counters);
	free(copy);
	return n;
}

static void same(const struct ht_watchlists *w, struct ht_span sni) {
	struct ht_watchlist_match a[HT_WATCHLIST_MATCHES_MAX], b[HT_WATCHLIST_MATCHES_MAX];
	const unsigned n = match(w, sni, a), again = match(w, sni, b);
	if (n != again)
		abort();
	for (unsigned i = 0; i < n; i++)
		if (a[i].entry != b[i].entry || strcmp(a[i].list, "l") != 0)
			abort();
}

static uint64_t entries(const struct ht_watchlist_report *rep) {
	uint64_t n = rep->duplicates + rep->ignored;
	for (unsigned i = 0; i < HT_WATCHLIST_NUM_KINDS; i++)
		n += rep->entries[i];
	return n;
}

static void read_list(struct ht_span text) {
	static struct ht_watchlist_report whole, one;
	struct ht_watchlists *w = load(text, &whole);
	uint64_t num = 0, errors = 0;
	if (w == NULL) // too many expressions
		return;
	for (size_t n; text.len > 0; text = HT_SPAN(text.p + n, text.len - n)) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		n = end != NULL ? (size_t)(end - text.p) + 1 : text.len;
		const struct ht_span line = HT_SPAN(text.p, n);
		same(w, line);
		if (end != NULL)
			same(w, HT_SPAN(line.p, n - 1));
		ht_watchlists_free(load(line, &one));
		num += entries(&one);
		errors += one.num + one.more;
	}
	// A byte order mark is one at the begin of a list alone, and so many entries hang on a
	// value.
	if (num + errors < entries(&whole) + whole.num + whole.more)
		abort();
	ht_watchlists_free(w);
}

static bool plain_match(struct ht_span sni, const char *name, bool whole, bool below) {
	const size_t len = strlen(name);
	if (sni.len > 0 && sni.p[sni.len - 1] == '.')
		sni.len--;
	if (sni.len < len || strncasecmp((const char *)sni.p + sni.len - len, name, len) != 0)
		return false;
	return sni.len == len ? whole : below && sni.p[sni.len - len - 1] == '.';
}

static bool has(const struct ht_watchlist_match *m, unsigned n, const char *entry) {
	for (unsigned i = 0; i < n; i++)
		if (strcmp(m[i].entry, entry) == 0)
			return true;
	return false;
}

static void look_up(struct ht_span sni) {
	static struct ht_watchlists *w;
	static struct ht_watchlist_report rep;
	struct ht_watchlist_match m[HT_WATCHLIST_MATCHES_MAX];
	bool ascii = true;
	if (w == NULL)
		w = load(HT_SPAN_STR(list), &rep);
	same(w, sni);
	for (size_t i = 0; i < sni.len; i++)
		ascii = ascii && sni.p[i] < 0x80;
	if (!ascii)
		return;
	const unsigned n = match(w, sni, m);
	if (has(m, n, "example.com") != plain_match(sni, names[0], true, true)
	    || has(m, n, "=b.example") != plain_match(sni, names[1], true, false)
	    || has(m, n, "*.a.b.example") != plain_match(sni, names[2], false, true)
	    || has(m, n, names[3]) != plain_match(sni, names[3], true, true))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size == 0)
		return 0;
	if (data[0] & 1)
		look_up(HT_SPAN(data + 1, size - 1));
	else
		read_list(HT_SPAN(data + 1, size - 1));
	return 0;
}
