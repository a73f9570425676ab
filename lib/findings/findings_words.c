// SPDX-License-Identifier: BSD-3-Clause
// The words of a policy's text, and what is said about them.

#include "findings_build.h"

#include <stdio.h>

static bool is_name(uint8_t c) {
	return ht_is_alnum(c) || c == '_';
}

static bool is_digit(uint8_t c) {
	return c >= '0' && c <= '9';
}

static void skip_blanks(struct lexer *l) {
	while (l->at < l->text.len) {
		const uint8_t c = l->text.p[l->at];
		if (c == '\n') {
			l->line++;
			l->line_at = l->at + 1;
		} else if (c == '#') {
			const uint8_t *end = memchr(l->text.p + l->at, '\n', l->text.len - l->at);
			l->at = end != NULL ? (size_t)(end - l->text.p) : l->text.len;
			continue;
		} else if (c != ' ' && c != '\t' && c != '\r') {
			break;
		}
		l->at++;
	}
}

static void take(struct lexer *l, struct token *t, enum token_type type, size_t len) {
	t->type = type;
	t->s = HT_SPAN(l->text.p + l->at, len);
	l->at += len;
}

static void wrong(struct lexer *l, struct token *t, size_t len, const char *why) {
	take(l, t, TOKEN_WRONG, len);
	t->wrong = why;
}

static size_t name_len(struct ht_span s) {
	size_t n = 0;
	while (n < s.len && is_name(s.p[n]))
		n++;
	return n;
}

// Decimal, or hexadecimal behind 0x.
static void take_number(struct lexer *l, struct token *t, struct ht_span left) {
	const size_t len = name_len(left);
	const bool hex = len > 2 && left.p[0] == '0' && (left.p[1] | 0x20) == 'x';
	uint64_t v = 0;
	for (size_t i = hex ? 2 : 0; i < len; i++) {
		const uint8_t c = left.p[i];
		const unsigned digit = is_digit(c) ? c - 48u : (c | 0x20u) - 'a' + 10u;
		if (digit >= (hex ? 16 : 10)) {
			wrong(l, t, len, "a number is decimal digits, or 0x and hexadecimal ones");
			return;
		}
		v = v * (hex ? 16 : 10) + digit;
		if (v > UINT32_MAX) {
			wrong(l, t, len, "a number is at most 4294967295");
			return;
		}
	}
	t->number = (uint32_t)v;
	take(l, t, TOKEN_NUMBER, len);
}

// A text ends on its line.
static void take_text(struct lexer *l, struct token *t, struct ht_span left) {
	for (size_t i = 1; i < left.len && left.p[i] != '\n'; i++) {
		if (left.p[i] == '"') {
			take(l, t, TOKEN_TEXT, i + 1);
			return;
		}
		if (left.p[i] < 0x20 && left.p[i] != '\t') {
			wrong(l, t, i + 1, "a control character in a text is written \\xNN");
			return;
		}
		if (left.p[i] == '\\' && i + 1 < left.len && left.p[i + 1] >= 0x20)
			i++;
	}
	const uint8_t *end = memchr(left.p, '\n', left.len);
	wrong(l, t, end != NULL ? (size_t)(end - left.p) : left.len,
	      "the text has no \" at its end; it must stand on the same line");
}

static size_t sign_len(struct ht_span left) {
	static const char *const signs[]
		= {"..", "!=", "<=", ">=", "=", "<", ">", "(", ")", "{", "}"};
	for (unsigned i = 0; i < HT_ARRAY_LEN(signs); i++) {
		const size_t len = strlen(signs[i]);
		if (left.len >= len && memcmp(left.p, signs[i], len) == 0)
			return len;
	}
	return 0;
}

void lexer_next(struct lexer *l, struct token *t) {
	skip_blanks(l);
	const struct ht_span left = HT_SPAN(l->text.p + l->at, l->text.len - l->at);
	*t = (struct token){
		.line = l->line,
		.column = (uint32_t)(l->at - l->line_at) + 1,
	};
	if (left.len == 0) {
		take(l, t, TOKEN_END, 0);
	} else if (left.p[0] == '"') {
		take_text(l, t, left);
	} else if (is_digit(left.p[0])) {
		take_number(l, t, left);
	} else if (is_name(left.p[0])) {
		take(l, t, TOKEN_WORD, name_len(left));
	} else if (left.p[0] == '@') {
		const size_t len = name_len(HT_SPAN(left.p + 1, left.len - 1));
		if (len > 0)
			take(l, t, TOKEN_SET, 1 + len);
		else
			wrong(l, t, 1, "behind @ comes the name of a set");
	} else if (sign_len(left) > 0) {
		take(l, t, TOKEN_SIGN, sign_len(left));
	} else if (left.p[0] == ',') {
		wrong(l, t, 1, "there are no commas: blanks separate");
	} else {
		wrong(l, t, 1, "this character has no meaning here");
	}
}

// --- faults -------------------------------------------------------------------------------------

void complain(struct build *b, const struct token *at, const char *format, ...) {
	if (b->skipping)
		return;
	b->skipping = true;
	if (b->rep->num == HT_POLICY_ERRORS_MAX) {
		b->rep->more++;
		return;
	}
	struct ht_policy_error *e = &b->rep->errors[b->rep->num++];
	va_list ap;
	*e = (struct ht_policy_error){at->line, at->column, b->builtin, ""};
	va_start(ap, format);
	vsnprintf(e->reason, sizeof(e->reason), format, ap);
	va_end(ap);
	// What was quoted of the text may be anything.
	for (char *p = e->reason; *p != '\0'; p++)
		if ((uint8_t)*p < 0x20 || (uint8_t)*p > 0x7e)
			*p = '?';
}

void guess_consider(struct ht_guess *g, const char *name) {
	ht_guess_consider(g, name, 1 + (unsigned)g->word.len / 4);
}
