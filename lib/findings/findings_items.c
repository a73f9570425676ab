// SPDX-License-Identifier: BSD-3-Clause
// What statements are made of: words that are expected, numbers, texts and sets of them.

#include "findings_build.h"

// --- words --------------------------------------------------------------------------------------

void advance(struct build *b) {
	lexer_next(&b->lexer, &b->token);
}

bool token_is(const struct token *t, enum token_type type, const char *s) {
	return t->type == type && t->s.len == strlen(s) && memcmp(t->s.p, s, t->s.len) == 0;
}

bool at_word(const struct build *b, const char *s) {
	return token_is(&b->token, TOKEN_WORD, s);
}

bool at_sign(const struct build *b, const char *s) {
	return token_is(&b->token, TOKEN_SIGN, s);
}

bool take_word(struct build *b, const char *s) {
	const bool is = at_word(b, s);
	if (is)
		advance(b);
	return is;
}

bool take_sign(struct build *b, const char *s) {
	const bool is = at_sign(b, s);
	if (is)
		advance(b);
	return is;
}

void expected(struct build *b, const char *what) {
	if (b->token.type == TOKEN_WRONG)
		complain(b, &b->token, "%s", b->token.wrong);
	else if (b->token.type == TOKEN_END)
		complain(b, &b->token, "%s was expected, not the end of the policy", what);
	else
		complain(b, &b->token, "%s was expected, not %.*s", what, QUOTED(&b->token));
}

void no_such(
	struct build *b, const char *what, const char *where, const char *sign, const char *meant
) {
	if (meant != NULL)
		complain(
			b, &b->token, "there is no %s %.*s%s; did you mean %s%s?", what,
			QUOTED(&b->token), where, sign, meant
		);
	else
		complain(b, &b->token, "there is no %s %.*s%s", what, QUOTED(&b->token), where);
}

const char *keep(struct build *b, const void *p, size_t len) {
	char *to = b->bytes + b->num_bytes;
	memmove(to, p, len); // it may lie there already
	to[len] = '\0';
	b->num_bytes += len + 1;
	return to;
}

size_t
unquote(struct build *b, uint8_t *out, const struct token *t, bool *open_front, bool *open_back) {
	const uint8_t *p = t->s.p + 1, *const end = t->s.p + t->s.len - 1;
	size_t len = 0;
	for (const uint8_t *const begin = p; p < end; p++) {
		if (open_front != NULL && *p == '*' && (p == begin || p == end - 1)) {
			*(p == begin ? open_front : open_back) = true;
		} else if (open_front != NULL && *p == '*') { // what ja4 of a watchlist may have
			complain(
				b, t,
				"a * for anything stands at the begin or the end; one that is "
				"itself is written \\*"
			);
			return 0;
		} else if (*p != '\\') {
			out[len++] = *p;
		} else if (end - p > 1 && (p[1] == '"' || p[1] == '\\' || p[1] == '*')) {
			out[len++] = *++p;
		} else if (end - p > 3 && p[1] == 'x' && ht_unhex(out + len, 1, p + 2)) {
			len++;
			p += 3;
		} else {
			complain(
				b, t,
				"behind \\ comes \", \\, * or x with two hexadecimal digits: \\x0a"
			);
			return 0;
		}
	}
	return len;
}

// --- sets ---------------------------------------------------------------------------------------

void add_range(struct build *b, const struct token *at, uint32_t first, uint32_t last) {
	if (b->num_ranges == HT_POLICY_RANGES_MAX)
		complain(b, at, "more than %u numbers and ranges", HT_POLICY_RANGES_MAX);
	else
		b->range[b->num_ranges++] = (struct range){first, last};
}

static void add_text_item(struct build *b, const struct token *at, const struct text_item *t) {
	if (b->num_texts == HT_POLICY_TEXTS_MAX)
		complain(b, at, "more than %u texts", HT_POLICY_TEXTS_MAX);
	else
		b->text[b->num_texts++] = *t;
}

static void take_text_item(struct build *b) {
	const struct token t = b->token;
	struct text_item item = {0};
	uint8_t *to = (uint8_t *)b->bytes + b->num_bytes;
	const size_t len = unquote(b, to, &t, &item.open_front, &item.open_back);
	advance(b);
	if (len > UINT8_MAX)
		return complain(b, &t, "a text that is compared has 255 bytes at most");
	if (len == 0 && (item.open_front || item.open_back))
		return complain(b, &t, "this is any text: say 'has' and the field");
	item.s = keep(b, to, len);
	item.len = (uint8_t)len;
	add_text_item(b, &t, &item);
}

static void take_range(struct build *b) {
	const struct token t = b->token;
	uint32_t last = t.number;
	advance(b);
	if (take_sign(b, "..")) {
		if (b->token.type != TOKEN_NUMBER)
			return expected(b, "a number behind ..");
		last = b->token.number;
		advance(b);
	}
	if (last < t.number)
		return complain(b, &t, "the range ends below its beginning");
	add_range(b, &t, t.number, last);
}

static const struct set *set_of(struct build *b) {
	const struct ht_span name = HT_SPAN(b->token.s.p + 1, b->token.s.len - 1);
	struct ht_guess g = {name};
	for (unsigned i = 0; i < b->num_sets; i++)
		if (ht_span_eq(name, HT_SPAN(b->set[i].name, strlen(b->set[i].name))))
			return &b->set[i];
	for (unsigned i = 0; i < b->num_sets; i++)
		guess_consider(&g, b->set[i].name);
	no_such(b, "set", " above", "@", g.name);
	return NULL;
}

static void take_set(struct build *b, bool text) {
	const struct set *s = set_of(b);
	const struct token t = b->token;
	advance(b);
	if (s == NULL || s->items.num == 0) {
		b->skipping = true; // what is wrong with the set was told
		return;
	}
	if (s->items.text != text)
		return complain(b, &t, "numbers and texts do not go together");
	for (uint32_t i = s->items.first; i < s->items.first + s->items.num && !b->skipping; i++)
		if (text) {
			const struct text_item copy = b->text[i];
			add_text_item(b, &t, &copy);
		} else {
			add_range(b, &t, b->range[i].first, b->range[i].last);
		}
}

static bool at_item(const struct build *b) {
	return b->token.type == TOKEN_NUMBER || b->token.type == TOKEN_TEXT
	       || b->token.type == TOKEN_SET;
}

bool take_items(struct build *b, struct items *out, bool all) {
	if (!at_item(b))
		expected(b, "a number, a \"text\" or a @set");
	const struct set *s = b->token.type == TOKEN_SET ? set_of(b) : NULL;
	*out = (struct items){.text = s != NULL ? s->items.text : b->token.type == TOKEN_TEXT};
	out->first = out->text ? b->num_texts : b->num_ranges;
	do {
		if (b->skipping)
			break;
		if (b->token.type == TOKEN_SET)
			take_set(b, out->text);
		else if ((b->token.type == TOKEN_TEXT) != out->text)
			complain(b, &b->token, "numbers and texts do not go together");
		else if (out->text)
			take_text_item(b);
		else
			take_range(b);
	} while (all && at_item(b));
	out->num = (out->text ? b->num_texts : b->num_ranges) - out->first;
	return !b->skipping;
}

bool take_operand(struct build *b, struct items *out) {
	if (!take_sign(b, "{"))
		return take_items(b, out, false);
	if (!take_items(b, out, true))
		return false;
	if (!take_sign(b, "}"))
		expected(b, "a number, a \"text\", a @set or }");
	return !b->skipping;
}
