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

// What a tag says that matters here.
struct element {
	struct ht_span name; // without its prefix
	struct ht_span space, mechanism; // the last xmlns, the attribute mechanism
	bool tls_space, id, empty;
};

static struct element read_tag(struct ht_span tag) {
	struct ht_reader r = ht_reader(tag);
	struct ht_span key, value;
	struct element e = {
		.name = local_name(take_name(&r)),
		.space = HT_SPAN_EMPTY,
		.mechanism = HT_SPAN_EMPTY,
		.empty = tag.len > 0 && tag.p[tag.len - 1] == '/',
	};
	while (attribute(&r, &key, &value)) {
		// RFC 6120 4.7.3: only the receiving entity's header has an id.
		if (ht_span_eq(key, HT_SPAN_STR("id")))
			e.id = true;
		if (ht_span_eq(key, HT_SPAN_STR("mechanism")))
			e.mechanism = value;
		if (up_match(key, HT_SPAN_STR("xmlns")) != HT_OK)
			continue;
		e.space = value;
		e.tls_space |= ht_span_eq(value, HT_SPAN_STR(XMPP_TLS));
	}
	return e;
}

static bool named(const struct element *e, const char *name) {
	return e->name.len == strlen(name) && memcmp(e->name.p, name, e->name.len) == 0;
}

// secret looks for a password that can be read. RFC 6120 6.4.2 and XEP-0388: <auth mechanism=''>,
// <authenticate mechanism=''>. XEP-0078 and XEP-0077: <password/> in a query; <digest/> is none.
static void secret(struct ht_upgrade *u, const struct element *e) {
	static const char *const mechanisms[] = {"PLAIN", "LOGIN", "X-OAUTH2", "OAUTHBEARER"};
	if (u->depth == 1 && (named(e, "auth") || named(e, "authenticate")))
		for (size_t i = 0; i < HT_ARRAY_LEN(mechanisms); i++)
			if (up_is(e->mechanism, mechanisms[i]))
				up_login(u, u->replies);
	if (u->depth == 1)
		u->flags &= (uint8_t)~UP_IQ_AUTH;
	if (named(e, "query")
	    && (ht_span_eq(e->space, HT_SPAN_STR("jabber:iq:auth"))
		|| ht_span_eq(e->space, HT_SPAN_STR("jabber:iq:register"))))
		u->flags |= UP_IQ_AUTH;
	if ((u->flags & UP_IQ_AUTH) && !e->empty && named(e, "password"))
		up_login(u, u->replies);
}

// open_tag sees what stands between '<' and '>' of a start tag or an empty element.
static enum ht_rc open_tag(struct ht_upgrade *u, struct ht_span tag) {
	const struct element e = read_tag(tag);
	bool stream = named(&e, "stream");
	if (stream && e.id)
		return up_bad(u, HT_SPEAKS_SERVER);
	if (u->depth == 0 && !stream)
		return up_bad(u, HT_SPEAKS_UNKNOWN);
	bool starttls = u->depth == 1 && e.tls_space && named(&e, "starttls");
	if (starttls && e.empty)
		return up_found(u, HT_VIA_XMPP, u->pos, UP_XMPP);
	if (starttls)
		u->flags |= UP_PENDING;
	else if (!(u->flags & UP_PENDING))
		up_went_on(u);
	if (stream) {
		u->depth = 1; // RFC 6120 4.3.3: a restart has no closing tag
		return HT_SKIP;
	}
	if (u->depth == 1 && e.name.len == strlen("starttls") && up_blotted(e.name))
		u->said |= HT_SAID_MANGLED;
	secret(u, &e);
	if (!e.empty && ++u->depth > DEPTH_MAX)
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
	u->spoken = 1 + HT_VIA_XMPP;
	return up_xmpp(u, all);
}

// --- the server's side

enum {
	IN_STARTTLS = UP_PRIVATE << 1,
	PROCEED = UP_PRIVATE << 2,
};

static void answer_close(struct ht_answers *a, struct ht_span tag) {
	struct ht_reader r = ht_reader(tag);
	struct ht_span name = ht_skip(&r, 1) ? local_name(take_name(&r)) : HT_SPAN_EMPTY;
	if (ht_span_eq(name, HT_SPAN_STR("features")))
		a->flags &= (uint8_t) ~(UP_IN_FEATURES | IN_STARTTLS);
	else if (ht_span_eq(name, HT_SPAN_STR("starttls")))
		a->flags &= (uint8_t)~IN_STARTTLS;
}

static void answer_feature(struct ht_answers *a, const struct element *e) {
	if (named(e, "starttls") && e->tls_space) {
		a->said |= HT_SAID_OFFERED;
		if (!e->empty)
			a->flags |= IN_STARTTLS;
	} else if ((a->flags & IN_STARTTLS) && named(e, "required")) {
		a->said |= HT_SAID_REQUIRED; // RFC 6120 5.4.1
	} else if (e->name.len == strlen("starttls") && up_blotted(e->name)) {
		a->said |= HT_SAID_OVERWRITTEN;
	}
}

static void answer_open(struct ht_answers *a, const struct element *e) {
	if (named(e, "stream")) {
		a->via = 1 + HT_VIA_XMPP;
	} else if (named(e, "features")) {
		if (up_listed(a) && !e->empty)
			a->flags |= UP_IN_FEATURES;
	} else if (a->flags & UP_IN_FEATURES) {
		answer_feature(a, e);
	} else if (named(e, "proceed") && e->tls_space) {
		up_answered(a, HT_ANSWER_YES);
		a->flags |= PROCEED;
	} else if (named(e, "failure") && e->tls_space) {
		up_answered(a, HT_ANSWER_NO);
	} else if (named(e, "encryption-required")) {
		a->said |= HT_SAID_REQUIRED; // RFC 6120 6.5.4
	}
}

// tag_len is how long the tag is that begins here, up to and with its '>'; 0 when that has not
// come.
static size_t tag_len(struct ht_span s) {
	int quote = 0;
	for (size_t i = 0; i < s.len && i < HT_ANSWER_BYTES; i++) {
		uint8_t c = s.p[i];
		if (quote == 0 && c == '>')
			return i + 1;
		if (quote == 0 && (c == '\'' || c == '"'))
			quote = c;
		else if (c == quote)
			quote = 0;
	}
	return 0;
}

size_t up_answer_xmpp(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client;
	if ((a->flags & PROCEED) && is_blank(fresh.p[0]))
		return 1;
	if (a->flags & PROCEED)
		return up_answer_over(a, fresh);
	if (fresh.p[0] != '<') {
		const uint8_t *open = memchr(fresh.p, '<', fresh.len);
		return open != NULL ? (size_t)(open - fresh.p) : fresh.len;
	}
	size_t n = tag_len(fresh);
	if (n == 0) {
		a->done = fresh.len >= HT_ANSWER_BYTES;
		return 0;
	}
	struct ht_span tag = HT_SPAN(fresh.p + 1, n - 2);
	if (up_at(tag, 0) == '/') {
		answer_close(a, tag);
	} else if (up_at(tag, 0) != '?' && up_at(tag, 0) != '!') {
		const struct element e = read_tag(tag);
		answer_open(a, &e);
	}
	return n;
}
