// SPDX-License-Identifier: BSD-3-Clause

#include "watchlist_int.h"

const struct ht_counter ht_watchlist_counters[HT_WATCHLIST_NUM_CTRS] = {
#define X(id, name, help) {"watchlist", name, help},
	HT_WATCHLIST_COUNTERS(X)
#undef X
};

// A hello as it is compared.
struct look {
	const struct ht_watchlists *w;
	struct wl_scratch *s;
	const struct ht_watchlist_query *q;
	struct ht_span name;
	struct ht_span alpn;
	uint8_t ja3[16];
	bool has_ja3, has_ja4;
};

// --- conditions ---------------------------------------------------------------------------------

static bool name_holds(const struct look *l, const struct wl_condition *c, const char *bytes) {
	const struct ht_span name = l->name;
	if (name.len < c->len || memcmp(name.p + name.len - c->len, bytes, c->len) != 0)
		return false;
	if (name.len == c->len)
		return (c->where & WL_WHOLE) != 0;
	return (c->where & WL_BELOW) != 0 && name.p[name.len - c->len - 1] == '.';
}

// take_alpn takes the next name; false at the end. An empty one is forbidden (RFC 7301 3.1) and
// hides none behind it.
static bool take_alpn(struct ht_span *alpn, struct ht_span *name) {
	const size_t n = alpn->len > 0 ? alpn->p[0] : 0;
	if (n + 1 > alpn->len)
		return false;
	*name = HT_SPAN(alpn->p + 1, n);
	*alpn = HT_SPAN(name->p + n, alpn->len - n - 1);
	return true;
}

// All names are looked at for as many conditions as there is room for: lists of 64 KiB and sets
// with many such entries do not add up.
static bool alpn_holds(const struct look *l, struct ht_span want) {
	struct ht_span alpn = l->alpn, name;
	if (alpn.len > l->s->alpn_left) {
		l->s->alpn_cut = true;
		return false;
	}
	l->s->alpn_left -= (uint32_t)alpn.len;
	while (take_alpn(&alpn, &name))
		if (ht_span_eq(name, want))
			return true;
	return false;
}

// ja4_key writes the fingerprint with '*' for the parts that are not asked for.
static struct ht_span ja4_key(uint8_t out[WL_JA4_LEN], const uint8_t *ja4, unsigned parts) {
	static const uint8_t at[] = {0, WL_JA4_B, WL_JA4_C}, len[] = {10, 12, 12};
	size_t n = 0;
	for (unsigned i = 0; i < 3; i++) {
		if (i > 0)
			out[n++] = '_';
		if ((parts >> i & 1) != 0) {
			memcpy(out + n, ja4 + at[i], len[i]);
			n += len[i];
		} else {
			out[n++] = '*';
		}
	}
	return HT_SPAN(out, n);
}

static bool ja4_holds(const struct look *l, const struct wl_condition *c, struct ht_span want) {
	uint8_t key[WL_JA4_LEN];
	return l->has_ja4 && ht_span_eq(ja4_key(key, l->q->ja4.p, c->where), want);
}

static bool is_ipv4(const uint8_t ip[16]) {
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

static void mask_address(uint8_t *out, const uint8_t *ip, unsigned len, unsigned bits) {
	memcpy(out, ip, len);
	if (bits / 8 < len) {
		out[bits / 8] &= (uint8_t)(0xff00u >> bits % 8);
		memset(out + bits / 8 + 1, 0, len - bits / 8 - 1);
	}
}

static bool address_holds(const uint8_t *ip, const struct wl_condition *c, const char *bytes) {
	uint8_t masked[16];
	if (ip == NULL || is_ipv4(ip) != (c->field == WL_IP4))
		return false;
	mask_address(masked, ip + 16 - c->len, c->len, c->bits);
	return memcmp(masked, bytes, c->len) == 0;
}

static bool condition_holds(const struct look *l, const struct wl_condition *c) {
	const struct ht_watchlist_query *q = l->q;
	const bool src = (c->where & WL_SRC) != 0, dst = (c->where & WL_DST) != 0;
	if (c->field == WL_REGEX) {
		const uint32_t n = c->bytes;
		return l->s->num_hits > 0 && (l->s->hit[n / 64] >> n % 64 & 1) != 0;
	}
	const char *bytes = l->w->text + c->bytes;
	const struct ht_span want = HT_SPAN(bytes, c->len);
	switch ((enum wl_field)c->field) {
	case WL_NAME:
		return name_holds(l, c, bytes);
	case WL_ALPN:
		return alpn_holds(l, want);
	case WL_JA3:
		return l->has_ja3 && memcmp(l->ja3, bytes, sizeof(l->ja3)) == 0;
	case WL_JA4:
		return ja4_holds(l, c, want);
	case WL_IP4:
	case WL_IP6:
		return (src && address_holds(q->src_ip, c, bytes))
		       || (dst && address_holds(q->dst_ip, c, bytes));
	case WL_PORT:
		return (src && q->src_port == ht_be16(want.p))
		       || (dst && q->dst_port == ht_be16(want.p));
	case WL_CERT:
		return ht_span_eq(q->cert_sha256, want);
	case WL_REGEX:
		break;
	}
	return false;
}

// --- entries ------------------------------------------------------------------------------------

// drop_one makes room for an entry: the last one of the least severity goes. False: that is the
// entry itself. Whoever sends a hello may add to it what matches entries of little weight.
static bool drop_one(const struct ht_watchlists *w, struct wl_scratch *s, uint32_t entry) {
	const struct wl_entry *const e = w->entries;
	unsigned least = 0;
	for (unsigned i = 1; i < s->num_found; i++)
		if (e[s->found[i]].severity <= e[s->found[least]].severity)
			least = i;
	const uint32_t out = s->found[least];
	if (e[entry].severity < e[out].severity
	    || (e[entry].severity == e[out].severity && entry > out))
		return false;
	s->num_found--;
	memmove(s->found + least, s->found + least + 1,
		(s->num_found - least) * sizeof(s->found[0]));
	return true;
}

// found keeps the most severe entries, of these the first ones, in order.
static void found(const struct ht_watchlists *w, struct wl_scratch *s, uint32_t entry) {
	unsigned at = s->num_found;
	while (at > 0 && s->found[at - 1] > entry)
		at--;
	if (at > 0 && s->found[at - 1] == entry) // by its other end, or another protocol
		return;
	if (s->num_found == HT_WATCHLIST_MATCHES_MAX) {
		s->cut++;
		if (!drop_one(w, s, entry))
			return;
		for (at = s->num_found; at > 0 && s->found[at - 1] > entry;)
			at--;
	}
	memmove(s->found + at + 1, s->found + at, (s->num_found - at) * sizeof(s->found[0]));
	s->found[at] = entry;
	s->num_found++;
}

static bool more_holds(const struct look *l, const struct wl_entry *e) {
	for (unsigned i = 0; i < e->num_more; i++)
		if (!condition_holds(l, &l->w->conditions[e->more + i]))
			return false;
	return true;
}

static void look_key(const struct look *l, uint32_t key, uint8_t where) {
	const struct wl_entry *entries = l->w->entries;
	for (uint32_t i = l->w->keys[key].first; i != WL_NONE; i = entries[i].next)
		if ((entries[i].where & where) != 0 && more_holds(l, &entries[i]))
			found(l->w, l->s, i);
}

static void
look_up(const struct look *l, uint8_t field, uint8_t bits, struct ht_span bytes, uint8_t where) {
	const uint32_t key = wl_find(l->w, wl_hash(l->w, field, bits, bytes), field, bits, bytes);
	if (key != WL_NONE)
		look_key(l, key, where);
}

static bool has(const struct look *l, enum wl_field field) {
	return (l->w->fields >> field & 1) != 0;
}

// --- fields -------------------------------------------------------------------------------------

struct suffixes {
	struct {
		uint32_t hash;
		uint16_t len;
	} v[WL_NAME_MAX / 2 + 1];
	unsigned num;
};

// find_suffixes hashes what stands behind each dot, and the name itself, where a list has a name of
// so many labels. An empty label ends it: no list has one.
static void find_suffixes(const struct look *l, struct suffixes *out) {
	const struct ht_watchlists *w = l->w;
	const uint8_t *const end = l->name.p + l->name.len;
	unsigned labels = 0;
	out->num = 0;
	if (l->q->only_cert || !has(l, WL_NAME))
		return;
	for (size_t len = 1; len <= l->name.len && len <= WL_NAME_MAX; len++) {
		const uint8_t *p = end - len;
		if (*p == '.' && (len == 1 || p[1] == '.'))
			break;
		if (*p == '.' || (len < l->name.len && p[-1] != '.'))
			continue;
		labels++;
		if ((w->depths[labels / 64] >> labels % 64 & 1) == 0)
			continue;
		const uint32_t hash = wl_hash(w, WL_NAME, 0, HT_SPAN(p, len));
		__builtin_prefetch(&w->slots[hash & w->mask]);
		out->v[out->num].hash = hash;
		out->v[out->num++].len = (uint16_t)len;
	}
}

static void look_name(const struct look *l, const struct suffixes *suffixes) {
	for (unsigned i = 0; i < suffixes->num; i++) {
		const size_t len = suffixes->v[i].len;
		const struct ht_span s = HT_SPAN(l->name.p + l->name.len - len, len);
		const uint32_t key = wl_find(l->w, suffixes->v[i].hash, WL_NAME, 0, s);
		if (key != WL_NONE)
			look_key(l, key, len == l->name.len ? WL_WHOLE : WL_BELOW);
	}
}

static void scan(const struct look *l, uint64_t *counters) {
	if (l->name.len > 0 && l->w->database != NULL && !wl_regex_scan(l->w, l->s, l->name))
		ht_stats_count(&counters[HT_WATCHLIST_CTR_SCANS_FAILED], 1);
}

static void look_regexes(const struct look *l) {
	for (uint32_t i = 0; i < l->s->num_hits; i++)
		look_key(l, l->w->regexes[l->s->hits[i]].key, WL_ANY);
}

// Each name once: a hello may have the same one thousands of times.
static void look_alpn(const struct look *l) {
	struct ht_span alpn = l->alpn, name;
	uint32_t before[HT_WATCHLIST_ALPN_MAX];
	unsigned num = 0;
	while (take_alpn(&alpn, &name)) {
		const uint32_t key
			= wl_find(l->w, wl_hash(l->w, WL_ALPN, 0, name), WL_ALPN, 0, name);
		unsigned i = 0;
		while (key != WL_NONE && i < num && before[i] != key)
			i++;
		if (key == WL_NONE || i < num)
			continue;
		if (num == HT_WATCHLIST_ALPN_MAX) {
			l->s->alpn_cut = true;
			return;
		}
		before[num++] = key;
		look_key(l, key, WL_ANY);
	}
}

static void look_ja4(const struct look *l) {
	uint8_t key[WL_JA4_LEN];
	for (unsigned parts = 1; parts <= WL_JA4_ALL; parts++)
		if ((l->w->ja4_parts >> parts & 1) != 0)
			look_up(l, WL_JA4, 0, ja4_key(key, l->q->ja4.p, parts), WL_ANY);
}

// look_prefixes looks up each length of 64 that a list has.
static void look_prefixes(
	const struct look *l, const uint8_t *ip, uint64_t lengths, unsigned base, uint8_t where
) {
	const bool v4 = is_ipv4(ip);
	const unsigned len = v4 ? 4 : 16;
	uint8_t masked[16];
	for (; lengths != 0; lengths &= lengths - 1) {
		const unsigned bits = base + (unsigned)__builtin_ctzll(lengths);
		mask_address(masked, ip + 16 - len, len, bits);
		look_up(l, v4 ? WL_IP4 : WL_IP6, (uint8_t)bits, HT_SPAN(masked, len), where);
	}
}

static void look_address(const struct look *l, const uint8_t *ip, uint8_t where) {
	if (ip == NULL)
		return;
	if (is_ipv4(ip)) {
		look_prefixes(l, ip, l->w->prefixes4, 0, where);
		return;
	}
	for (unsigned i = 0; i < HT_ARRAY_LEN(l->w->prefixes6); i++)
		look_prefixes(l, ip, l->w->prefixes6[i], 64 * i, where);
}

static void look_port(const struct look *l, uint16_t port, uint8_t where) {
	uint8_t key[2];
	ht_put_be16(key, port);
	if (port != 0)
		look_up(l, WL_PORT, 0, HT_SPAN(key, 2), where);
}

// --- a hello ------------------------------------------------------------------------------------

static bool read_ja3(uint8_t out[16], struct ht_span hex) {
	if (hex.len != 32)
		return false;
	for (unsigned i = 0; i < 32; i++) {
		const uint8_t c = hex.p[i], letter = (uint8_t)((c | 32) - 'a');
		const uint8_t digit = (uint8_t)(c - '0');
		if (digit > 9 && letter > 5)
			return false;
		const uint8_t v = digit <= 9 ? digit : (uint8_t)(letter + 10);
		out[i / 2] = i % 2 == 0 ? (uint8_t)(v << 4) : out[i / 2] | v;
	}
	return true;
}

// prepare reads what the set's conditions look at.
static void prepare(struct look *l) {
	const struct ht_watchlist_query *q = l->q;
	l->name = HT_SPAN_EMPTY;
	l->alpn = HT_SPAN_EMPTY;
	l->has_ja3 = has(l, WL_JA3) && read_ja3(l->ja3, q->ja3);
	l->has_ja4 = has(l, WL_JA4) && q->ja4.len == WL_JA4_LEN;
	if (q->sni.len > 0 && (has(l, WL_NAME) || has(l, WL_REGEX)))
		l->name = HT_SPAN(l->s->folded, wl_fold(l->w->locale, l->s->folded, q->sni));
	if (q->alpn.len > 0 && has(l, WL_ALPN))
		l->alpn = q->alpn;
}

// No condition tells more than a certificate: entries that have one hang on it.
static void look_cert(const struct look *l) {
	if (l->q->cert_sha256.len == 32 && has(l, WL_CERT))
		look_up(l, WL_CERT, 0, l->q->cert_sha256, WL_ANY);
}

// Names are scanned first, since other keys' entries may have expressions among their conditions.
// Meanwhile the slots of the name and of what it is below are on their way from memory.
static void look_all(const struct look *l, uint64_t *counters) {
	const struct ht_watchlist_query *q = l->q;
	struct suffixes suffixes;
	find_suffixes(l, &suffixes);
	scan(l, counters);
	look_cert(l);
	if (q->only_cert)
		return;
	look_regexes(l);
	look_name(l, &suffixes);
	if (l->alpn.len > 0)
		look_alpn(l);
	if (l->has_ja3)
		look_up(l, WL_JA3, 0, HT_SPAN(l->ja3, sizeof(l->ja3)), WL_ANY);
	if (l->has_ja4)
		look_ja4(l);
	if (has(l, WL_IP4) || has(l, WL_IP6)) {
		look_address(l, q->src_ip, WL_SRC);
		look_address(l, q->dst_ip, WL_DST);
	}
	if (has(l, WL_PORT)) {
		look_port(l, q->src_port, WL_SRC);
		look_port(l, q->dst_port, WL_DST);
	}
}

static struct ht_watchlist_match tell(const struct ht_watchlists *w, uint32_t entry) {
	const struct wl_entry *e = &w->entries[entry];
	return (struct ht_watchlist_match){
		.list = w->text + w->lists[e->list],
		.entry = w->text + e->text,
		.label = e->label != 0 ? w->text + e->label : NULL,
		.severity = (enum ht_severity)e->severity,
	};
}

unsigned ht_watchlist_match(
	const struct ht_watchlists *w,
	unsigned worker,
	const struct ht_watchlist_query *q,
	struct ht_watchlist_match *out,
	unsigned max,
	uint64_t counters[HT_WATCHLIST_NUM_CTRS]
) {
	struct look l = {.w = w, .s = w->scratch[worker], .q = q};
	ht_stats_count(&counters[HT_WATCHLIST_CTR_QUERIES], 1);
	if (w->num_entries == 0)
		return 0;
	l.s->num_found = 0;
	l.s->cut = 0;
	l.s->alpn_left = HT_WATCHLIST_ALPN_BYTES_MAX;
	l.s->alpn_cut = false;
	prepare(&l);
	look_all(&l, counters);
	if (l.s->alpn_cut)
		ht_stats_count(&counters[HT_WATCHLIST_CTR_ALPN_CUT], 1);
	const unsigned num = l.s->num_found < max ? l.s->num_found : max;
	for (unsigned i = 0; i < num; i++)
		out[i] = tell(w, l.s->found[i]);
	if (l.s->num_found > 0) {
		ht_stats_count(&counters[HT_WATCHLIST_CTR_MATCHED], 1);
		ht_stats_count(&counters[HT_WATCHLIST_CTR_MATCHES], l.s->num_found + l.s->cut);
		ht_stats_count(
			&counters[HT_WATCHLIST_CTR_MATCHES_CUT], l.s->num_found - num + l.s->cut
		);
	}
	for (uint32_t i = 0; i < l.s->num_hits; i++)
		l.s->hit[l.s->hits[i] / 64] = 0;
	l.s->num_hits = 0;
	return num;
}
