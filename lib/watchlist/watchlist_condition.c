// SPDX-License-Identifier: BSD-3-Clause
// The values of conditions: names, fingerprints, addresses, ports, certificates, expressions.

#include "watchlist_read.h"

#include <arpa/inet.h>
#include <ctype.h>

// --- numbers ------------------------------------------------------------------------------------

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

// A reader of the value of a condition writes all of *v. HT_BAD: with the reason.
typedef enum ht_rc read_value(struct wl_value *v, struct ht_span in, char reason[200]);

enum ht_rc wl_read_name(struct wl_value *v, struct ht_span in, char reason[200]) {
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

enum ht_rc wl_read_ja3(struct wl_value *v, struct ht_span in, char reason[200]) {
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
		if (part == 0 ? !ht_is_alnum(c) : !isxdigit(c))
			return false;
		v->bytes[v->len++] = part == 0 ? c : ht_lower(c);
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
		if (!ht_is_alnum(word.p[i]) && word.p[i] != '_')
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
		const enum ht_rc rc = wl_read_name(v, in, reason);
		if (rc != HT_BAD)
			return rc;
	}
	const char *const guess = guess_bare(in);
	return guess != NULL ? bad(reason, guess) : HT_BAD;
}

struct kind {
	const char *word;
	read_value *read;
	uint8_t side; // of the connection, instead of the reader's `where`; 0: that
};

static const struct kind bare = {"", read_bare, 0};
static const struct kind kinds[] = {
	{"sni", wl_read_name, 0},	  {"alpn", read_alpn, 0},
	{"ja3", wl_read_ja3, 0},	  {"ja4", read_ja4, 0},
	{"ip", read_address, 0},	  {"src_ip", read_address, WL_SRC},
	{"dst_ip", read_address, WL_DST}, {"port", read_port, 0},
	{"dst_port", read_port, 0},	  {"src_port", read_port, WL_SRC},
	{"cert", read_cert, 0},
};

// take_kind takes "ja3:" or "ja3=" where that is what stands here.
static const struct kind *take_kind(struct ht_span *s) {
	for (unsigned i = 0; i < HT_ARRAY_LEN(kinds); i++) {
		const size_t n = strlen(kinds[i].word);
		if (s->len > n && is_word(HT_SPAN(s->p, n), kinds[i].word)
		    && (s->p[n] == ':' || s->p[n] == '=')) {
			*s = skip(*s, n + 1);
			return &kinds[i];
		}
	}
	return &bare;
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

enum ht_rc wl_take_condition(struct wl_value *v, struct ht_span *s, char reason[200]) {
	const struct kind *const kind = take_kind(s);
	*v = (struct wl_value){0};
	if ((kind->read == wl_read_name || kind == &bare) && s->len > 0 && s->p[0] == '/')
		return take_regex(v, s, reason);
	const struct ht_span value = take_until(s, " \t&");
	if (value.len == 0)
		return bad(reason, "a condition without a value");
	const enum ht_rc rc = kind->read(v, value, reason);
	if (kind->side != 0)
		v->where = kind->side;
	return rc;
}
