// SPDX-License-Identifier: BSD-3-Clause
// XMPP: <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/> as a child of the stream (RFC 6120 5).

#include "upgrade_int.h"

#define XMPP_TLS "urn:ietf:params:xml:ns:xmpp-tls"
#define DEPTH_MAX 200u
#define NO_QUOTE 1 // inside a tag, between its attributes

static bool is_blank(uint8_t c) {
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// name_of takes the name of an element or attribute, without its prefix.
static struct ht_span local_name(struct ht_span name) {
	const uint8_t *colon = memchr(name.p, ':', name.len);
	struct ht_reader r = ht_reader(name);
	if (colon != NULL && !ht_skip(&r, (size_t)(colon - name.p) + 1))
		return HT_SPAN_EMPTY;
	return r.left;
}

static struct ht_span take_name(struct ht_reader *r) {
	size_t n = 0;
	while (n < r->left.len && !is_blank(r->left.p[n]) && r->left.p[n] != '='
	       && r->left.p[n] != '/')
		n++;
	struct ht_span name;
	return ht_take(r, n, &name) ? name : HT_SPAN_EMPTY;
}

// attribute takes the next name='value' of a tag.
static bool attribute(struct ht_reader *r, struct ht_span *name, struct ht_span *value) {
	uint8_t c;
	while (r->left.len > 0 && is_blank(r->left.p[0]))
		if (!ht_skip(r, 1))
			return false;
	*name = take_name(r);
	do {
		if (!ht_u8(r, &c))
			return false;
	} while (c == '=' || is_blank(c));
	if (name->len == 0 || (c != '\'' && c != '"'))
		return false;
	const uint8_t *close = memchr(r->left.p, c, r->left.len);
	return close != NULL && ht_take(r, (size_t)(close - r->left.p), value) && ht_skip(r, 1);
}

// open_tag sees what stands between '<' and '>' of a start tag or an empty element.
static enum ht_rc open_tag(struct ht_upgrade *u, struct ht_span tag) {
	struct ht_reader r = ht_reader(tag);
	struct ht_span name = local_name(take_name(&r)), key, value;
	bool empty = tag.len > 0 && tag.p[tag.len - 1] == '/';
	bool stream = ht_span_eq(name, HT_SPAN_STR("stream"));
	bool tls_space = false, id = false;
	while (attribute(&r, &key, &value)) {
		// RFC 6120 4.7.3: only the receiving entity's header has an id.
		if (ht_span_eq(key, HT_SPAN_STR("id")))
			id = true;
		if (up_match(key, HT_SPAN_STR("xmlns")) == HT_OK
		    && ht_span_eq(value, HT_SPAN_STR(XMPP_TLS)))
			tls_space = true;
	}
	if (stream && id)
		return up_bad(u, HT_SPEAKS_SERVER);
	if (u->depth == 0 && !stream)
		return up_bad(u, HT_SPEAKS_UNKNOWN);
	if (stream) {
		u->depth = 1; // RFC 6120 4.3.3: a restart has no closing tag
		return HT_SKIP;
	}
	bool starttls = u->depth == 1 && tls_space && ht_span_eq(name, HT_SPAN_STR("starttls"));
	if (starttls && empty)
		return up_found(u, HT_VIA_XMPP, u->pos, UP_XMPP);
	if (starttls)
		u->flags |= UP_PENDING;
	if (!empty && ++u->depth > DEPTH_MAX)
		return up_bad(u, HT_SPEAKS_PLAIN);
	return HT_SKIP;
}

static enum ht_rc close_tag(struct ht_upgrade *u) {
	if (u->depth > 0)
		u->depth--;
	if (u->depth != 1 || !(u->flags & UP_PENDING))
		return HT_SKIP;
	u->flags &= (uint8_t)~UP_PENDING;
	return up_found(u, HT_VIA_XMPP, u->pos, UP_XMPP);
}

// tag_end moves u->pos behind the '>' that ends the tag. XML lets '>' stand in a value as it is.
static bool tag_end(struct ht_upgrade *u, struct ht_span all) {
	while (u->pos < all.len) {
		uint8_t c = all.p[u->pos++];
		if (u->quote == NO_QUOTE && c == '>')
			return true;
		if (u->quote == NO_QUOTE && (c == '\'' || c == '"'))
			u->quote = c;
		else if (c == u->quote)
			u->quote = NO_QUOTE;
	}
	return false;
}

// between_tags moves u->pos to the next '<'. Outside of stanzas only blanks may stand.
static enum ht_rc between_tags(struct ht_upgrade *u, struct ht_span all) {
	for (; u->pos < all.len; u->pos++) {
		uint8_t c = all.p[u->pos];
		if (c == '<')
			return HT_SKIP;
		if (u->depth <= 1 && !is_blank(c))
			return up_hello_here(u, c);
	}
	return HT_MORE;
}

enum ht_rc up_xmpp(struct ht_upgrade *u, struct ht_span all) {
	for (;;) {
		if (u->quote == 0) {
			enum ht_rc rc = between_tags(u, all);
			if (rc != HT_SKIP)
				return rc;
			u->start = u->pos++;
			u->quote = NO_QUOTE;
		}
		bool whole = tag_end(u, all);
		if (u->pos - u->start > UP_LINE_MAX)
			return up_bad(u, HT_SPEAKS_PLAIN);
		if (!whole)
			return HT_MORE;
		u->quote = 0;
		struct ht_reader r = up_here(u, all);
		struct ht_span tag;
		if (!ht_skip(&r, 1) || !ht_take(&r, u->pos - u->start - 2, &tag))
			return HT_MORE;
		enum ht_rc rc = HT_SKIP;
		if (up_at(tag, 0) == '/')
			rc = close_tag(u);
		else if (up_at(tag, 0) != '?' && up_at(tag, 0) != '!')
			rc = open_tag(u, tag);
		if (rc != HT_SKIP)
			return rc;
		u->start = u->pos;
	}
}

enum ht_rc up_xmpp_first(struct ht_upgrade *u, struct ht_span all) {
	struct ht_span s = up_here(u, all).left;
	enum ht_rc rc = up_match(s, HT_SPAN_STR("<stream:stream"));
	if (rc == HT_SKIP)
		rc = up_match(s, HT_SPAN_STR("<?xml"));
	if (rc != HT_OK)
		return rc;
	u->state = UP_XMPP;
	return up_xmpp(u, all);
}
