// SPDX-License-Identifier: BSD-3-Clause
// Lists as text: docs/watchlists.md.

#include "watchlist_int.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#define SEVERITY_DEFAULT HT_SEVERITY_NOTICE

void wl_complain(struct wl_load *l, const char *file, uint32_t line, const char *format, ...) {
	struct ht_watchlist_report *r = l->rep;
	va_list args;
	if (r->num == HT_WATCHLIST_ERRORS_MAX) {
		r->more++;
		return;
	}
	struct ht_watchlist_error *e = &r->errors[r->num++];
	e->file = file;
	e->line = line;
	va_start(args, format);
	vsnprintf(e->reason, sizeof(e->reason), format, args);
	va_end(args);
	for (char *c = e->reason; *c != '\0'; c++) // a list's bytes may be in it
		if ((uint8_t)*c < ' ' || *c == 0x7f)
			*c = '?';
}

// --- spans --------------------------------------------------------------------------------------

static bool is_blank(uint8_t c) {
	return c == ' ' || c == '\t';
}

static struct ht_span skip(struct ht_span s, size_t n) {
	return HT_SPAN(s.p + n, s.len - n);
}

static struct ht_span skip_blank(struct ht_span s) {
	while (s.len > 0 && is_blank(s.p[0]))
		s = skip(s, 1);
	return s;
}

static struct ht_span trim_end(struct ht_span s) {
	while (s.len > 0 && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

// take_until takes what stands before one of the bytes.
static struct ht_span take_until(struct ht_span *s, const char *stop) {
	size_t n = 0;
	while (n < s->len && strchr(stop, s->p[n]) == NULL)
		n++;
	const struct ht_span taken = HT_SPAN(s->p, n);
	*s = skip(*s, n);
	return taken;
}

static bool is_word(struct ht_span s, const char *word) {
	return s.len == strlen(word) && strncasecmp((const char *)s.p, word, s.len) == 0;
}

// unhex reads exactly len bytes.
static bool unhex(uint8_t *out, size_t len, struct ht_span in) {
	return in.len == 2 * len && ht_unhex(out, len, in.p);
}

static bool number(uint32_t *out, struct ht_span in, uint32_t most) {
	*out = 0;
	if (in.len == 0 || in.len > 6)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		if (in.p[i] < '0' || in.p[i] > '9')
			return false;
		*out = *out * 10 + in.p[i] - '0';
	}
	return *out <= most;
}

// --- conditions ---------------------------------------------------------------------------------

static enum ht_rc bad(char reason[200], const char *why) {
	snprintf(reason, 200, "%s", why);
	return HT_BAD;
}

// A reader of the value of a condition writes all of *v. HT_BAD: with the reason.
typedef enum ht_rc read_value(struct wl_value *v, struct ht_span in, char reason[200]);

static enum ht_rc read_name(struct wl_value *v, struct ht_span in, char reason[200]) {
	v->field = WL_NAME;
	v->where = WL_ANY;
	if (in.len > 0 && in.p[0] == '=') {
		v->where = WL_WHOLE;
		in = skip(in, 1);
	} else if (in.len > 1 && in.p[0] == '*' && in.p[1] == '.') {
		v->where = WL_BELOW;
		in = skip(in, 2);
	}
	return wl_list_name(v->bytes, &v->len, in, reason);
}

// \xNN stands for a byte, as IANA has GREASE and others that are not text.
static enum ht_rc read_alpn(struct wl_value *v, struct ht_span in, char reason[200]) {
	v->field = WL_ALPN;
	v->where = WL_ANY;
	v->len = 0;
	for (size_t n; in.len > 0; in = skip(in, n)) {
		if (v->len == 255)
			return bad(reason, "a protocol of more than 255 bytes");
		v->bytes[v->len] = in.p[0];
		n = 1;
		if (in.len >= 4 && in.p[0] == '\\' && in.p[1] == 'x') {
			n = 4;
			if (!unhex(v->bytes + v->len, 1, HT_SPAN(in.p + 2, 2)))
				return bad(reason, "\\x wants two hex digits");
		}
		v->len++;
	}
	return v->len > 0 ? HT_OK : bad(reason, "a protocol without a name");
}

static enum ht_rc read_ja3(struct wl_value *v, struct ht_span in, char reason[200]) {
	v->field = WL_JA3;
	v->where = WL_ANY;
	v->len = 16;
	return unhex(v->bytes, 16, in) ? HT_OK : bad(reason, "a JA3 fingerprint has 32 hex digits");
}

// ja4_part writes '*' or `len` characters in lower case, but for the ALPN's in the first part,
// which are as sent.
static bool ja4_part(struct wl_value *v, struct ht_span in, unsigned part) {
	const unsigned len = part == 0 ? 10 : 12;
	if (in.len == 1 && in.p[0] == '*') {
		v->bytes[v->len++] = '*';
		return true;
	}
	if (in.len != len)
		return false;
	for (unsigned i = 0; i < len; i++) {
		const uint8_t c = in.p[i];
		if (part == 0 ? !isalnum(c) : !isxdigit(c))
			return false;
		v->bytes[v->len++] = part == 0 ? c : (uint8_t)tolower(c);
	}
	v->where |= (uint8_t)(1u << part);
	return true;
}

static enum ht_rc read_ja4(struct wl_value *v, struct ht_span in, char reason[200]) {
	static const char form[] = "a JA4 fingerprint is like "
				   "t13d1516h2_8daaf6152771_e5627efa2ab1, with * for a part";
	v->field = WL_JA4;
	v->len = 0;
	v->where = 0;
	for (unsigned part = 0; part < 3; part++) {
		if (!ja4_part(v, take_until(&in, "_"), part) || (in.len > 0) != (part < 2))
			return bad(reason, form);
		if (part < 2) {
			v->bytes[v->len++] = '_';
			in = skip(in, 1);
		}
	}
	return v->where != 0 ? HT_OK : bad(reason, "any JA4 fingerprint at all");
}

static void mask_bits(uint8_t *p, unsigned len, unsigned bits) {
	for (unsigned i = 0; i < len; i++) {
		const unsigned keep = bits > 8 * i ? bits - 8 * i : 0;
		if (keep < 8)
			p[i] &= (uint8_t)(0xff00u >> keep);
	}
}

// read_address: IPv4 in IPv6 (RFC 4291 2.5.5.2) is IPv4. What is behind the prefix does not count.
static enum ht_rc read_address(struct wl_value *v, struct ht_span in, char reason[200]) {
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char text[INET6_ADDRSTRLEN];
	const struct ht_span address = take_until(&in, "/");
	v->where = WL_ANY;
	if (address.len >= sizeof(text))
		return bad(reason, "not an address");
	memcpy(text, address.p, address.len);
	text[address.len] = '\0';
	v->field = inet_pton(AF_INET, text, v->bytes) == 1 ? WL_IP4 : WL_IP6;
	if (v->field == WL_IP6 && inet_pton(AF_INET6, text, v->bytes) != 1)
		return bad(reason, "not an address");
	const unsigned most = v->field == WL_IP4 ? 32 : 128;
	uint32_t bits = most;
	if (in.len > 0 && !number(&bits, skip(in, 1), most))
		return bad(
			reason, most == 32 ? "a prefix of IPv4 has 0 to 32 bits"
					   : "a prefix of IPv6 has 0 to 128 bits"
		);
	if (v->field == WL_IP6 && bits >= 96 && memcmp(v->bytes, mapped, 12) == 0) {
		v->field = WL_IP4;
		bits -= 96;
		memmove(v->bytes, v->bytes + 12, 4);
	}
	v->bits = (uint8_t)bits;
	v->len = v->field == WL_IP4 ? 4 : 16;
	mask_bits(v->bytes, v->len, bits);
	return HT_OK;
}

static enum ht_rc read_src_address(struct wl_value *v, struct ht_span in, char reason[200]) {
	const enum ht_rc rc = read_address(v, in, reason);
	v->where = WL_SRC;
	return rc;
}

static enum ht_rc read_dst_address(struct wl_value *v, struct ht_span in, char reason[200]) {
	const enum ht_rc rc = read_address(v, in, reason);
	v->where = WL_DST;
	return rc;
}

// The server's port is what a list means; a client's is any.
static enum ht_rc read_port(struct wl_value *v, struct ht_span in, char reason[200]) {
	uint32_t port;
	v->field = WL_PORT;
	v->where = WL_DST;
	v->len = 2;
	if (!number(&port, in, UINT16_MAX) || port == 0)
		return bad(reason, "a port is a number from 1 to 65535");
	ht_put_be16(v->bytes, (uint16_t)port);
	return HT_OK;
}

static enum ht_rc read_src_port(struct wl_value *v, struct ht_span in, char reason[200]) {
	const enum ht_rc rc = read_port(v, in, reason);
	v->where = WL_SRC;
	return rc;
}

// With or without the colons that openssl prints.
static enum ht_rc read_cert(struct wl_value *v, struct ht_span in, char reason[200]) {
	v->field = WL_CERT;
	v->where = WL_ANY;
	v->len = 0;
	while (in.len >= 2 && v->len < 32 && unhex(v->bytes + v->len, 1, HT_SPAN(in.p, 2))) {
		in = skip(in, 2);
		if (++v->len < 32 && in.len > 0 && in.p[0] == ':')
			in = skip(in, 1);
	}
	return v->len == 32 && in.len == 0
		       ? HT_OK
		       : bad(reason, "a certificate's SHA-256 has 64 hex digits");
}

// may_be_address spares the names of a long list a closer look.
static bool may_be_address(struct ht_span in) {
	for (size_t i = 0; i < in.len; i++)
		if (!isxdigit(in.p[i]) && (in.p[i] < '.' || in.p[i] > ':')) // also / and :
			return false;
	return true;
}

static bool all_hex(struct ht_span in) {
	for (size_t i = 0; i < in.len; i++)
		if (!isxdigit(in.p[i]))
			return false;
	return true;
}

// has_kind: "foo:..." or "foo=...", foo being no kind.
static bool has_kind(struct ht_span in) {
	const struct ht_span word = take_until(&in, ":=");
	if (in.len == 0 || word.len == 0 || !isalpha(word.p[0]))
		return false;
	for (size_t i = 1; i < word.len; i++)
		if (!isalnum(word.p[i]) && word.p[i] != '_')
			return false;
	return true;
}

// guess_bare says of a value that is neither address nor name what it may have been meant for.
static const char *guess_bare(struct ht_span in) {
	struct wl_value v;
	struct ht_span rest = in;
	char ignored[200];
	const struct ht_span host = take_until(&rest, "/:");
	if (rest.len >= 3 && memcmp(rest.p, "://", 3) == 0)
		return "a URL; only its host can be listed";
	if (may_be_address(in) && memchr(host.p, '.', host.len) != NULL && rest.len > 0
	    && rest.p[0] == ':' && read_address(&v, host, ignored) == HT_OK)
		return "an address with a port is written dst_ip:ADDRESS & port:PORT";
	if (all_hex(in) && in.len == 32)
		return "32 hex digits: a JA3 fingerprint is written ja3:MD5";
	if (all_hex(in) && in.len == 64)
		return "64 hex digits: a certificate is written cert:SHA256";
	if (all_hex(in) && in.len == 40)
		return "40 hex digits: certificates are listed by SHA-256, not by SHA-1";
	if (read_ja4(&v, in, ignored) == HT_OK)
		return "a JA4 fingerprint is written ja4:A_B_C";
	if (has_kind(in))
		return "no such kind of entry: there are sni, alpn, ja3, ja4, ip, src_ip, dst_ip, "
		       "port, dst_port, src_port and cert";
	if (memchr(in.p, '.', in.len) == NULL && in.p[0] < 0x80 && in.p[0] != '=')
		return "a word without a dot; a name of one label is written sni:NAME";
	return NULL;
}

// A prefix is told what is wrong with it, where its address is right.
static bool wrong_prefix(struct ht_span in) {
	struct wl_value v;
	char ignored[200];
	const struct ht_span address = take_until(&in, "/");
	return in.len > 0 && read_address(&v, address, ignored) == HT_OK;
}

// read_bare is for a value without a kind: an address, or a name.
static enum ht_rc read_bare(struct wl_value *v, struct ht_span in, char reason[200]) {
	if (may_be_address(in)) {
		if (read_address(v, in, reason) == HT_OK)
			return HT_OK;
		if (wrong_prefix(in))
			return HT_BAD;
	}
	*v = (struct wl_value){0};
	if (memchr(in.p, '.', in.len) != NULL || in.p[0] >= 0x80 || in.p[0] == '=') {
		const enum ht_rc rc = read_name(v, in, reason);
		if (rc != HT_BAD)
			return rc;
	}
	const char *const guess = guess_bare(in);
	return guess != NULL ? bad(reason, guess) : HT_BAD;
}

static const struct {
	const char *word;
	read_value *read;
} kinds[] = {
	{"sni", read_name},
	{"alpn", read_alpn},
	{"ja3", read_ja3},
	{"ja4", read_ja4},
	{"ip", read_address},
	{"src_ip", read_src_address},
	{"dst_ip", read_dst_address},
	{"port", read_port},
	{"dst_port", read_port},
	{"src_port", read_src_port},
	{"cert", read_cert},
};

// take_kind takes "ja3:" or "ja3=" where that is what stands here.
static read_value *take_kind(struct ht_span *s) {
	for (unsigned i = 0; i < HT_ARRAY_LEN(kinds); i++) {
		const size_t n = strlen(kinds[i].word);
		if (s->len > n && is_word(HT_SPAN(s->p, n), kinds[i].word)
		    && (s->p[n] == ':' || s->p[n] == '=')) {
			*s = skip(*s, n + 1);
			return kinds[i].read;
		}
	}
	return read_bare;
}

// take_regex takes "/.../flags". A slash in it is written \/, which the compiler reads as one.
static enum ht_rc take_regex(struct wl_value *v, struct ht_span *s, char reason[200]) {
	size_t n = 1;
	while (n < s->len && s->p[n] != '/')
		n += s->p[n] == '\\' ? 2 : 1;
	if (n >= s->len)
		return bad(reason, "a regular expression without its second slash");
	if (n - 1 > HT_WATCHLIST_REGEX_LEN_MAX)
		return bad(reason, "a regular expression of more than 512 bytes");
	for (size_t i = 1; i < n; i++)
		if (s->p[i] >= 0x80)
			return bad(
				reason, "an expression finds names with A-labels (xn--...): a "
					"character beyond ASCII is never there"
			);
	v->field = WL_REGEX;
	v->where = WL_ANY;
	v->len = (uint16_t)n;
	v->bytes[0] = 0;
	memcpy(v->bytes + 1, s->p + 1, n - 1);
	v->bytes[n] = '\0';
	*s = skip(*s, n + 1);
	const struct ht_span flags = take_until(s, " \t&");
	for (size_t i = 0; i < flags.len; i++) {
		if (flags.p[i] == 's')
			v->bytes[0] |= WL_REGEX_DOTALL;
		else if (flags.p[i] != 'i') // names have no case anyway
			return bad(reason, "flags of a regular expression are i and s");
	}
	return wl_regex_check(v, reason);
}

static enum ht_rc take_condition(struct wl_value *v, struct ht_span *s, char reason[200]) {
	read_value *read = take_kind(s);
	*v = (struct wl_value){0};
	if ((read == read_name || read == read_bare) && s->len > 0 && s->p[0] == '/')
		return take_regex(v, s, reason);
	const struct ht_span value = take_until(s, " \t&");
	return value.len > 0 ? read(v, value, reason) : bad(reason, "a condition without a value");
}

// --- entries ------------------------------------------------------------------------------------

struct entry {
	struct wl_value v[HT_WATCHLIST_CONDITIONS_MAX];
	unsigned num;
	struct ht_span text, label;
	uint8_t severity;
};

// rank says how few hellos a condition holds for; the best one's key finds the entry.
static unsigned rank(const struct wl_value *v) {
	switch ((enum wl_field)v->field) {
	case WL_CERT:
		return 9;
	case WL_JA4:
		return v->where == WL_JA4_ALL ? 7 : 3;
	case WL_NAME:
		return 8;
	case WL_JA3:
		return 6;
	case WL_IP4:
	case WL_IP6:
		return 5;
	case WL_REGEX:
		return 4;
	case WL_ALPN:
		return 2;
	case WL_PORT:
		return 1;
	}
	return 0;
}

static enum ht_watchlist_kind kind_of(const struct entry *e) {
	static const uint8_t kind[] = {
		[WL_NAME] = HT_WATCHLIST_DOMAIN, [WL_REGEX] = HT_WATCHLIST_REGEX,
		[WL_ALPN] = HT_WATCHLIST_ALPN,	 [WL_JA3] = HT_WATCHLIST_JA3,
		[WL_JA4] = HT_WATCHLIST_JA4,	 [WL_IP4] = HT_WATCHLIST_IP,
		[WL_IP6] = HT_WATCHLIST_IP,	 [WL_PORT] = HT_WATCHLIST_PORT,
		[WL_CERT] = HT_WATCHLIST_CERT,
	};
	return e->num > 1 ? HT_WATCHLIST_COMBINED : (enum ht_watchlist_kind)kind[e->v[0].field];
}

static uint32_t regex_of_key(const struct ht_watchlists *w, uint32_t key) {
	uint32_t low = 0, high = w->num_regexes;
	while (low < high) {
		const uint32_t mid = low + (high - low) / 2;
		if (w->regexes[mid].key < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

// use_regex keeps in mind where an expression is, for what its compiler says later.
static enum ht_rc
use_regex(struct wl_load *l, const struct entry *e, const struct wl_value *v, uint32_t *regex) {
	uint32_t key;
	enum ht_rc rc = wl_key_add(l->w, &key, v);
	if (rc == HT_OK)
		rc = wl_grow(l->w, &l->uses, &l->cap_uses, l->num_uses, sizeof(*l->uses));
	if (rc != HT_OK)
		return rc;
	*regex = regex_of_key(l->w, key);
	l->uses[l->num_uses++] = (struct wl_use
	){.file = l->file, .line = l->line, .regex = *regex, .kind = (uint8_t)kind_of(e)};
	return HT_OK;
}

static enum ht_rc
add_condition(struct wl_load *l, const struct entry *e, const struct wl_value *v) {
	struct ht_watchlists *w = l->w;
	struct wl_condition c
		= {.len = v->len, .field = v->field, .where = v->where, .bits = v->bits};
	const enum ht_rc rc = v->field == WL_REGEX
				      ? use_regex(l, e, v, &c.bytes)
				      : wl_text_add(w, &c.bytes, HT_SPAN(v->bytes, v->len));
	if (rc != HT_OK)
		return rc;
	const enum ht_rc grown = wl_grow(
		w, &w->conditions, &w->cap_conditions, w->num_conditions, sizeof(*w->conditions)
	);
	if (grown == HT_OK)
		w->conditions[w->num_conditions++] = c;
	return grown;
}

static bool is_duplicate(
	const struct wl_load *l, const struct wl_key *k, const struct entry *e, uint8_t where
) {
	const struct ht_watchlists *w = l->w;
	for (uint32_t i = k->first; i != WL_NONE; i = w->entries[i].next)
		if (w->entries[i].num_more == 0 && e->num == 1 && w->entries[i].list == l->list
		    && w->entries[i].where == where)
			return true;
	return false;
}

// add_label keeps one text for lines that have the same one in turn.
static enum ht_rc add_label(struct wl_load *l, uint32_t *at, struct ht_span label) {
	*at = 0;
	if (label.len == 0)
		return HT_OK;
	const char *last = l->w->text + l->last_label;
	if (strlen(last) == label.len && memcmp(last, label.p, label.len) == 0) {
		*at = l->last_label;
		return HT_OK;
	}
	const enum ht_rc rc = wl_text_add(l->w, at, label);
	l->last_label = rc == HT_OK ? *at : 0;
	return rc;
}

// add_texts: an entry that is written as its key is needs no text of its own.
static enum ht_rc
add_texts(struct wl_load *l, struct wl_entry *n, const struct wl_key *k, const struct entry *e) {
	const enum ht_rc rc = add_label(l, &n->label, e->label);
	n->text = k->bytes;
	if (rc != HT_OK || ht_span_eq(HT_SPAN(l->w->text + k->bytes, k->len), e->text))
		return rc;
	return wl_text_add(l->w, &n->text, e->text);
}

// store_entry hangs an entry on its best condition's key.
static enum ht_rc store_entry(struct wl_load *l, const struct entry *e, unsigned best) {
	struct ht_watchlists *w = l->w;
	const struct wl_value *v = &e->v[best];
	struct wl_entry n = {
		.more = w->num_conditions,
		.list = l->list,
		.severity = e->severity,
		.where = v->field == WL_JA4 ? WL_ANY : v->where,
		.num_more = (uint8_t)(e->num - 1),
	};
	uint32_t key, regex;
	enum ht_rc rc = wl_key_add(w, &key, v);
	if (rc != HT_OK)
		return rc;
	if (is_duplicate(l, &w->keys[key], e, n.where)) {
		l->rep->duplicates++;
		return HT_OK;
	}
	if (w->keys[key].num == HT_WATCHLIST_SAME_MAX) {
		wl_complain(l, l->file, l->line, "more than 256 entries on the same value");
		return HT_OK;
	}
	if (w->num_entries == l->p.max_entries)
		return HT_LIMIT;
	if (v->field == WL_REGEX)
		rc = use_regex(l, e, v, &regex);
	for (unsigned i = 0; i < e->num && rc == HT_OK; i++)
		if (i != best)
			rc = add_condition(l, e, &e->v[i]);
	if (rc == HT_OK)
		rc = add_texts(l, &n, &w->keys[key], e);
	if (rc == HT_OK)
		rc = wl_grow(w, &w->entries, &w->cap_entries, w->num_entries, sizeof(*w->entries));
	if (rc != HT_OK)
		return rc;
	n.next = w->keys[key].first;
	w->keys[key].first = w->num_entries;
	w->keys[key].num++;
	w->entries[w->num_entries++] = n;
	for (unsigned i = 0; i < e->num; i++)
		w->fields |= 1u << e->v[i].field;
	l->rep->entries[kind_of(e)]++;
	return w->num_regexes > l->p.max_regexes ? HT_LIMIT : HT_OK;
}

static enum ht_rc add_entry(struct wl_load *l, const struct entry *e) {
	unsigned best = 0;
	uint32_t weight = 0;
	for (unsigned i = 0; i < e->num; i++)
		weight += e->v[i].weight;
	if (weight > HT_WATCHLIST_WEIGHT_MAX - l->weight) {
		wl_complain(
			l, l->file, l->line,
			"with this one the regular expressions are too large together"
		);
		return HT_OK;
	}
	l->weight += weight;
	for (unsigned i = 1; i < e->num; i++)
		if (rank(&e->v[i]) > rank(&e->v[best]))
			best = i;
	return store_entry(l, e, best);
}

// --- lines --------------------------------------------------------------------------------------

// take_label: a word, "-" for none, or anything in double quotes, in which \ stands before a quote
// or itself.
static enum ht_rc
take_label(struct ht_span *label, uint8_t *room, struct ht_span *s, char reason[200]) {
	if (s->p[0] != '"') {
		*label = take_until(s, " \t");
		if (is_word(*label, "-"))
			label->len = 0;
		return HT_OK;
	}
	size_t n = 0;
	*s = skip(*s, 1);
	while (s->len > 0 && s->p[0] != '"') {
		if (s->p[0] == '\\' && s->len > 1 && (s->p[1] == '"' || s->p[1] == '\\'))
			*s = skip(*s, 1);
		room[n++] = s->p[0];
		*s = skip(*s, 1);
	}
	if (s->len == 0)
		return bad(reason, "a label without its second quote");
	*s = skip(*s, 1);
	*label = HT_SPAN(room, n);
	return s->len == 0 || is_blank(s->p[0]) ? HT_OK
						: bad(reason, "text behind the label's quote");
}

static bool take_severity(uint8_t *severity, struct ht_span word) {
	for (unsigned i = 0; i < HT_NUM_SEVERITIES; i++) {
		if (is_word(word, ht_severities[i])) {
			*severity = (uint8_t)i;
			return true;
		}
	}
	return false;
}

// at_end: nothing, or a comment.
static bool at_end(struct ht_span s) {
	return s.len == 0 || s.p[0] == '#';
}

// take_rest takes label and severity. The word of a severity that stands alone is one.
static enum ht_rc take_rest(struct entry *e, uint8_t *room, struct ht_span s, char reason[200]) {
	s = skip_blank(s);
	if (at_end(s))
		return HT_OK;
	const bool quoted = s.p[0] == '"';
	const enum ht_rc rc = take_label(&e->label, room, &s, reason);
	s = skip_blank(s);
	if (rc != HT_OK)
		return rc;
	if (at_end(s)) {
		if (!quoted && take_severity(&e->severity, e->label))
			e->label.len = 0;
		return HT_OK;
	}
	if (!take_severity(&e->severity, take_until(&s, " \t")))
		return bad(
			reason,
			"behind the label stands a severity: info, notice, warning or critical; a "
			"label of several words is put in quotes"
		);
	return at_end(skip_blank(s)) ? HT_OK : bad(reason, "text behind the severity");
}

static enum ht_rc
take_entry(struct entry *e, uint8_t *room, struct ht_span line, char reason[200]) {
	struct ht_span s = line;
	for (;;) {
		if (e->num == HT_WATCHLIST_CONDITIONS_MAX)
			return bad(reason, "more than 8 conditions");
		const enum ht_rc rc = take_condition(&e->v[e->num++], &s, reason);
		if (rc != HT_OK)
			return rc;
		e->text = HT_SPAN(line.p, (size_t)(s.p - line.p));
		const struct ht_span next = skip_blank(s);
		if (next.len == 0 || next.p[0] != '&')
			return take_rest(e, room, s, reason);
		s = skip_blank(skip(next, 1));
	}
}

static enum ht_rc read_entry(struct wl_load *l, struct ht_span line) {
	struct entry e; // conditions are set one by one: most lines have one
	uint8_t room[HT_WATCHLIST_LINE_MAX];
	char reason[200];
	e.num = 0;
	e.label = HT_SPAN_EMPTY;
	e.severity = SEVERITY_DEFAULT;
	const enum ht_rc rc = take_entry(&e, room, line, reason);
	if (rc == HT_BAD)
		wl_complain(l, l->file, l->line, "%s", reason);
	return rc == HT_OK ? add_entry(l, &e) : rc == HT_BAD ? HT_OK : rc;
}

// abuse.ch's SSLBL: ja3_md5,Firstseen,Lastseen,Listingreason. HT_SKIP: the line is none of it.
static enum ht_rc read_csv(struct wl_load *l, struct ht_span line) {
	struct entry e = {.severity = SEVERITY_DEFAULT, .num = 1};
	char reason[200];
	e.text = take_until(&line, ",");
	if (line.len == 0)
		return HT_SKIP;
	if (is_word(e.text, "ja3_md5")) {
		l->rep->ignored++;
		return HT_OK;
	}
	if (read_ja3(&e.v[0], e.text, reason) != HT_OK)
		return HT_SKIP;
	for (unsigned i = 0; i < 2 && line.len > 0; i++) {
		line = skip(line, 1);
		take_until(&line, ",");
	}
	if (line.len == 0) {
		wl_complain(l, l->file, l->line, "a line of SSLBL has four fields");
		return HT_OK;
	}
	e.label = skip_blank(skip(line, 1));
	if (e.label.len >= 2 && e.label.p[0] == '"' && e.label.p[e.label.len - 1] == '"')
		e.label = HT_SPAN(e.label.p + 1, e.label.len - 2);
	return add_entry(l, &e);
}

// Where hosts files send the names that they block, and the addresses they begin with.
static bool is_hosts_address(struct ht_span word) {
	static const char *const addresses[]
		= {"0.0.0.0",	  "127.0.0.1", "::",	  "::1",    "255.255.255.255",
		   "fe80::1%lo0", "ff00::0",   "ff02::1", "ff02::2"};
	for (unsigned i = 0; i < HT_ARRAY_LEN(addresses); i++)
		if (is_word(word, addresses[i]))
			return true;
	return false;
}

// A host of a hosts file is that host, not a domain.
static enum ht_rc read_host(struct wl_load *l, struct ht_span name) {
	struct entry e = {.severity = SEVERITY_DEFAULT, .num = 1, .text = name};
	char reason[200];
	if (memchr(name.p, '.', name.len) == NULL || is_word(name, "localhost.localdomain")
	    || is_hosts_address(name)) {
		l->rep->ignored++;
		return HT_OK;
	}
	if (read_name(&e.v[0], name, reason) != HT_OK || e.v[0].where != WL_ANY) {
		wl_complain(
			l, l->file, l->line, "%s", e.v[0].where != WL_ANY ? "not a host" : reason
		);
		return HT_OK;
	}
	e.v[0].where = WL_WHOLE;
	return add_entry(l, &e);
}

// HT_SKIP: the line is no hosts file's.
static enum ht_rc read_hosts(struct wl_load *l, struct ht_span line) {
	const struct ht_span address = take_until(&line, " \t");
	if (!is_hosts_address(address) || at_end(skip_blank(line)))
		return HT_SKIP;
	enum ht_rc rc = HT_OK;
	while (rc == HT_OK && !at_end(line = skip_blank(line)))
		rc = read_host(l, take_until(&line, " \t#"));
	return rc;
}

static bool has_control(struct ht_span line) {
	for (size_t i = 0; i < line.len; i++)
		if ((line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] == 0x7f)
			return true;
	return false;
}

static enum ht_rc read_line(struct wl_load *l, struct ht_span line) {
	if (line.len > HT_WATCHLIST_LINE_MAX) {
		wl_complain(l, l->file, l->line, "a line of more than 4096 bytes");
		return HT_OK;
	}
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	line = trim_end(skip_blank(line));
	if (at_end(line))
		return HT_OK;
	if (has_control(line)) {
		wl_complain(l, l->file, l->line, "a control character; is it text?");
		return HT_OK;
	}
	enum ht_rc rc = read_csv(l, line);
	if (rc == HT_SKIP)
		rc = read_hosts(l, line);
	return rc == HT_SKIP ? read_entry(l, line) : rc;
}

enum ht_rc wl_read(struct wl_load *l, struct ht_span text) {
	l->line = 0;
	if (text.len >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		text = skip(text, 3);
	while (text.len > 0) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		const size_t n = end != NULL ? (size_t)(end - text.p) : text.len;
		l->line++;
		l->rep->lines++;
		const enum ht_rc rc = read_line(l, HT_SPAN(text.p, n));
		if (rc != HT_OK)
			return rc;
		text = skip(text, end != NULL ? n + 1 : n);
	}
	return HT_OK;
}
