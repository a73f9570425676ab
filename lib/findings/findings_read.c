// SPDX-License-Identifier: BSD-3-Clause
// Statements: sets, and findings with their conditions.

#include "findings_build.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const statements[] = {"include", "drop", "set", "finding"};

// --- words --------------------------------------------------------------------------------------

static void advance(struct build *b) {
	lexer_next(&b->lexer, &b->token);
}

static bool token_is(const struct token *t, enum token_type type, const char *s) {
	return t->type == type && t->s.len == strlen(s) && memcmp(t->s.p, s, t->s.len) == 0;
}

static bool at_word(const struct build *b, const char *s) {
	return token_is(&b->token, TOKEN_WORD, s);
}

static bool at_sign(const struct build *b, const char *s) {
	return token_is(&b->token, TOKEN_SIGN, s);
}

static bool take_word(struct build *b, const char *s) {
	const bool is = at_word(b, s);
	if (is)
		advance(b);
	return is;
}

static bool take_sign(struct build *b, const char *s) {
	const bool is = at_sign(b, s);
	if (is)
		advance(b);
	return is;
}

// What of a word is quoted in a message.
#define QUOTED(t) (int)((t)->s.len < 40 ? (t)->s.len : 40), (const char *)(t)->s.p

static void expected(struct build *b, const char *what) {
	if (b->token.type == TOKEN_WRONG)
		complain(b, &b->token, "%s", b->token.wrong);
	else if (b->token.type == TOKEN_END)
		complain(b, &b->token, "%s was expected, not the end of the policy", what);
	else
		complain(b, &b->token, "%s was expected, not %.*s", what, QUOTED(&b->token));
}

static const char *keep(struct build *b, const void *p, size_t len) {
	char *to = b->bytes + b->num_bytes;
	memmove(to, p, len); // it may lie there already
	to[len] = '\0';
	b->num_bytes += len + 1;
	return to;
}

// The bytes between the quotes: \" \\ \* and \xNN are one. `*open_front` and so on: there is a bare
// * at that side, which is not among them (NULL: a * is itself). It returns their number.
static size_t
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

static void add_range(struct build *b, const struct token *at, uint32_t first, uint32_t last) {
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
	for (unsigned i = 0; i < b->num_sets; i++) {
		const struct set *s = &b->set[i];
		if (ht_span_eq(name, HT_SPAN(s->name, strlen(s->name))))
			return s;
		guess_consider(&g, s->name);
	}
	if (g.name != NULL)
		complain(
			b, &b->token, "there is no set %.*s above; did you mean @%s?",
			QUOTED(&b->token), g.name
		);
	else
		complain(b, &b->token, "there is no set %.*s above", QUOTED(&b->token));
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

// One item, or all that follow. False: a fault was told.
static bool take_items(struct build *b, struct items *out, bool all) {
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

// @NAME, { items }, or one item.
static bool take_operand(struct build *b, struct items *out) {
	if (!take_sign(b, "{"))
		return take_items(b, out, false);
	if (!take_items(b, out, true))
		return false;
	if (!take_sign(b, "}"))
		expected(b, "a number, a \"text\", a @set or }");
	return !b->skipping;
}

static const char name_rule[]
	= "a name is a small letter or _, then a-z, 0-9 and _, 32 of them at most";

static bool is_name(const struct token *t, size_t skip) {
	const uint8_t *p = t->s.p + skip;
	const size_t len = t->s.len - skip;
	if (len > HT_POLICY_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((p[i] >= 'A' && p[i] <= 'Z') || (i == 0 && p[i] >= '0' && p[i] <= '9'))
			return false;
	return true;
}

static void set_statement(struct build *b) {
	const struct token at = b->token;
	if (at.type != TOKEN_SET)
		return expected(b, "@ and the name of the set");
	if (!is_name(&at, 1))
		return complain(b, &at, "%s", name_rule);
	if (b->num_sets == HT_POLICY_SETS_MAX)
		return complain(b, &at, "more than %u sets", HT_POLICY_SETS_MAX);
	for (unsigned i = 0; i < b->num_sets; i++)
		if (strlen(b->set[i].name) == at.s.len - 1
		    && memcmp(b->set[i].name, at.s.p + 1, at.s.len - 1) == 0)
			return complain(b, &at, "there is a set of this name above");
	advance(b);
	struct items items = {0};
	if (!take_sign(b, "="))
		expected(b, "=");
	else if (!take_items(b, &items, true))
		items.num = 0; // whoever names it need not be told
	struct set *s = &b->set[b->num_sets++];
	memcpy(s->name, at.s.p + 1, at.s.len - 1);
	s->name[at.s.len - 1] = '\0';
	s->items = items;
}

// --- facts --------------------------------------------------------------------------------------

static uint16_t add_node(struct build *b, enum node_type type, uint16_t left, uint16_t right) {
	if (b->num_nodes == HT_POLICY_NODES_MAX)
		complain(
			b, &b->token, "more than %u comparisons and words between them",
			HT_POLICY_NODES_MAX
		);
	if (b->skipping || left == NO_NODE || right == NO_NODE)
		return NO_NODE;
	b->node[b->num_nodes] = (struct node){(uint8_t)type, left, right};
	return (uint16_t)b->num_nodes++;
}

static uint16_t not_node(struct build *b, uint16_t of) {
	return add_node(b, NODE_NOT, of, 0);
}

static bool same_items(const struct build *b, const struct items *x, const struct items *y) {
	if (x->text != y->text || x->num != y->num)
		return false;
	for (uint32_t i = 0; i < x->num; i++) {
		const struct text_item *t = &b->text[x->first + i], *u = &b->text[y->first + i];
		const struct range *r = &b->range[x->first + i], *s = &b->range[y->first + i];
		if (x->text ? t->len != u->len || memcmp(t->s, u->s, t->len) != 0
				      || t->open_front != u->open_front
				      || t->open_back != u->open_back
			    : r->first != s->first || r->last != s->last)
			return false;
	}
	return true;
}

static uint16_t add_fact(struct build *b, const struct fact *f) {
	const uint32_t i = b->num_facts++;
	b->fact[i] = *f;
	b->fact[i].at_builtin = b->builtin;
	return add_node(b, NODE_FACT, (uint16_t)i, 0);
}

// A fact whose place is fixed: a field is there, or a predicate holds.
static uint16_t fixed_fact(struct build *b, const struct token *at, unsigned word, unsigned bit) {
	for (uint32_t i = 0; i < b->num_facts; i++)
		if (b->fact[i].word == word && b->fact[i].bit == bit)
			return add_node(b, NODE_FACT, (uint16_t)i, 0);
	return add_fact(b, &(struct fact){.word = (uint8_t)word, .bit = (uint8_t)bit, .at = *at});
}

static uint16_t has_fact(struct build *b, const struct token *at, unsigned field) {
	if (field == FIELD_COMPRESSION) // comes with it
		field = HT_FIELD_session_id_len;
	return fixed_fact(b, at, WORD_HAS_LOW + field / 64, field % 64);
}

// The word of a field's facts, or 0.
static unsigned word_of(struct build *b, const struct token *at, unsigned field) {
	struct ht_policy *p = b->policy;
	bool hidden;
	for (unsigned i = 0; i < p->num_sources; i++)
		if (p->source[i].field == field)
			return WORD_FIELDS + i;
	if (p->num_sources == HT_POLICY_FIELDS_MAX) {
		complain(b, at, "more than %u fields are compared", HT_POLICY_FIELDS_MAX);
		return 0;
	}
	p->source[p->num_sources] = (struct source){
		.field = (uint8_t)field,
		.kind = (uint8_t)field_kind(field, &hidden),
		.offset = field == FIELD_COMPRESSION ? offsetof(struct ht_record, compression)
						     : ht_fields[field].offset,
	};
	return WORD_FIELDS + p->num_sources++;
}

static int by_first(const void *x, const void *y) {
	const struct range *r = x, *s = y;
	return r->first < s->first ? -1 : r->first > s->first;
}

// The ranges of a fact: sorted, apart, behind all others.
static struct items sorted(struct build *b, const struct token *at, struct items in) {
	const uint32_t first = b->num_ranges;
	for (uint32_t i = 0; i < in.num && !b->skipping; i++)
		add_range(b, at, b->range[in.first + i].first, b->range[in.first + i].last);
	if (b->skipping)
		return (struct items){0};
	qsort(b->range + first, in.num, sizeof(b->range[0]), by_first);
	uint32_t last = first;
	for (uint32_t i = first + 1; i < b->num_ranges; i++) {
		const struct range r = b->range[i];
		if (b->range[last].last == UINT32_MAX || r.first <= b->range[last].last + 1)
			b->range[last].last
				= r.last > b->range[last].last ? r.last : b->range[last].last;
		else
			b->range[++last] = r;
	}
	b->num_ranges = last + 1;
	return (struct items){false, first, last + 1 - first};
}

// All other numbers, of ranges that sorted() made.
static struct items others(struct build *b, const struct token *at, struct items in) {
	struct items out = {false, b->num_ranges, 0};
	uint64_t next = 0;
	for (uint32_t i = 0; i < in.num; i++) {
		const struct range r = b->range[in.first + i];
		if (r.first > next)
			add_range(b, at, (uint32_t)next, r.first - 1);
		next = (uint64_t)r.last + 1;
	}
	if (next <= UINT32_MAX)
		add_range(b, at, (uint32_t)next, UINT32_MAX);
	out.num = b->num_ranges - out.first;
	return out;
}

// One of the field's values is among the items; of ranges, those that sorted() made.
static uint16_t
field_fact(struct build *b, const struct token *at, unsigned field, struct items items) {
	const unsigned word = word_of(b, at, field);
	if (b->skipping)
		return NO_NODE;
	for (uint32_t i = 0; i < b->num_facts; i++)
		if (b->fact[i].word == word && same_items(b, &b->fact[i].items, &items))
			return add_node(b, NODE_FACT, (uint16_t)i, 0);
	if (b->facts_of[word] == 64) {
		complain(b, at, "more than 64 different comparisons of one field");
		return NO_NODE;
	}
	const struct fact f = {
		.word = (uint8_t)word,
		.bit = b->facts_of[word]++,
		.source = (uint8_t)(word - WORD_FIELDS),
		.items = items,
		.at = *at,
	};
	return add_fact(b, &f);
}

// --- comparisons --------------------------------------------------------------------------------

static uint32_t largest(enum kind kind, unsigned field) {
	switch (kind) {
	case KIND_U8:
	case KIND_U8S:
		return UINT8_MAX;
	case KIND_U16:
		return UINT16_MAX;
	case KIND_U16S: // SSL 2.0 has 24 bits
		return field == HT_FIELD_ciphers ? 0xffffff : UINT16_MAX;
	default:
		return UINT32_MAX;
	}
}

// "TLS 1.2" as the number it is compared by.
static void ranks(struct build *b, const struct token *at, struct items *items) {
	static const char *const versions[]
		= {"SSL 2.0", "SSL 3.0",  "TLS 1.0",  "TLS 1.1", "TLS 1.2",
		   "TLS 1.3", "DTLS 1.0", "DTLS 1.2", "DTLS 1.3"};
	const struct items in = *items;
	*items = (struct items){false, b->num_ranges, in.num};
	for (uint32_t i = 0; i < in.num && !b->skipping; i++) {
		const struct text_item *t = &b->text[in.first + i];
		const uint32_t rank
			= t->open_front || t->open_back ? 0 : version_rank(t->s, t->len);
		struct ht_guess g = {HT_SPAN(t->s, t->len)};
		for (unsigned k = 0; k < HT_ARRAY_LEN(versions); k++)
			guess_consider(&g, versions[k]);
		if (rank != 0)
			add_range(b, at, rank, rank);
		else
			complain(
				b, at, "\"%.40s\" is no version; %s\"%s\"%s", t->s,
				g.name != NULL ? "did you mean " : "they are called ",
				g.name != NULL ? g.name : "TLS 1.2", g.name != NULL ? "?" : ""
			);
	}
}

// The words of fields that have no others: a slip would never hold, and nobody would see it.
static const struct {
	unsigned field;
	const char *words[9];
} closed[] = {
	{HT_FIELD_transport, {"tcp", "udp", "eapol"}},
	{HT_FIELD_protocol, {"tls", "dtls", "quic"}},
	{HT_FIELD_ech, {"outer", "grease", "real"}},
	{HT_FIELD_incomplete_reason,
	 {"gap", "evicted", "limit", "idle", "end_of_capture", "snaplen", "malformed", "decrypt"}},
};

static void
check_word(struct build *b, const struct token *at, unsigned which, const struct text_item *t) {
	struct ht_guess g = {HT_SPAN(t->s, t->len)};
	char all[128];
	size_t len = 0;
	for (unsigned i = 0; closed[which].words[i] != NULL; i++) {
		const char *word = closed[which].words[i];
		if (strlen(word) == t->len && memcmp(word, t->s, t->len) == 0)
			return;
		guess_consider(&g, word);
		len += (size_t
		)snprintf(all + len, sizeof(all) - len, "%s\"%s\"", i > 0 ? ", " : "", word);
	}
	if (g.name != NULL)
		complain(
			b, at, "%s is never \"%.40s\"; did you mean \"%s\"?",
			field_name(closed[which].field), t->s, g.name
		);
	else
		complain(
			b, at, "%s is never \"%.40s\", but one of %s",
			field_name(closed[which].field), t->s, all
		);
}

static void
check_words(struct build *b, const struct token *at, unsigned field, const struct items *items) {
	for (unsigned i = 0; i < HT_ARRAY_LEN(closed); i++)
		for (uint32_t k = 0; closed[i].field == field && k < items->num && !b->skipping;
		     k++) {
			const struct text_item *t = &b->text[items->first + k];
			if (!t->open_front && !t->open_back)
				check_word(b, at, i, t);
		}
}

// Items that fit the field, as a fact has them.
static bool
fit(struct build *b, const struct token *at, unsigned field, enum kind kind, struct items *items) {
	const uint32_t most = largest(kind, field);
	if (kind == KIND_VERSION && items->text)
		ranks(b, at, items);
	else if (kind == KIND_VERSION)
		complain(b, at, "%s is compared with texts: \"TLS 1.2\"", field_name(field));
	else if (items->text != kind_is_text(kind))
		complain(
			b, at, "%s is compared with %s", field_name(field),
			items->text ? "numbers" : "texts: \"...\""
		);
	if (items->text && !b->skipping)
		check_words(b, at, field, items);
	if (b->skipping || items->text)
		return !b->skipping;
	for (uint32_t i = 0; i < items->num; i++)
		if (b->range[items->first + i].last > most && kind != KIND_VERSION)
			complain(b, at, "%s has numbers up to %u", field_name(field), most);
	if (!b->skipping)
		*items = sorted(b, at, *items);
	return !b->skipping;
}

static uint16_t list_comparison(struct build *b, unsigned field, enum kind kind) {
	struct items items;
	const bool all = take_word(b, "all");
	if (!all && !take_word(b, "any")) {
		expected(b, "'any' or 'all'");
		return NO_NODE;
	}
	const struct token at = b->token;
	if (all && kind_is_text(kind)) {
		complain(b, &at, "'all' is for lists of numbers");
		return NO_NODE;
	}
	if (!take_operand(b, &items) || !fit(b, &at, field, kind, &items))
		return NO_NODE;
	if (!all)
		return field_fact(b, &at, field, items);
	add_range(b, &at, 0, UINT32_MAX);
	const struct items every = {false, b->num_ranges - 1, 1};
	return add_node(
		b, NODE_AND, field_fact(b, &at, field, every),
		not_node(b, field_fact(b, &at, field, others(b, &at, items)))
	);
}

// Every number on one side of one.
static struct items
side(struct build *b, const struct token *at, bool below, bool too, uint32_t of) {
	struct items out = {false, b->num_ranges, 1};
	if ((below && of == 0 && !too) || (!below && of == UINT32_MAX && !too))
		complain(b, at, "no number is");
	else if (below)
		add_range(b, at, 0, too ? of : of - 1);
	else
		add_range(b, at, too ? of : of + 1, UINT32_MAX);
	return out;
}

static uint16_t order_comparison(struct build *b, unsigned field, enum kind kind) {
	struct items items;
	const bool below = b->token.s.p[0] == '<', too = b->token.s.len == 2;
	advance(b);
	const struct token at = b->token;
	if (kind_is_text(kind)) {
		complain(b, &at, "%s has no order: =, != or in", field_name(field));
		return NO_NODE;
	}
	if (!take_items(b, &items, false) || !fit(b, &at, field, kind, &items))
		return NO_NODE;
	const struct range r = b->range[items.first];
	if (items.num != 1 || r.first != r.last) {
		complain(b, &at, "one value was expected");
		return NO_NODE;
	}
	items = side(b, &at, below, too, r.first);
	return b->skipping ? NO_NODE : field_fact(b, &at, field, items);
}

static uint16_t value_comparison(struct build *b, unsigned field, enum kind kind) {
	struct items items;
	if (at_sign(b, "<") || at_sign(b, "<=") || at_sign(b, ">") || at_sign(b, ">="))
		return order_comparison(b, field, kind);
	const bool unlike = take_sign(b, "!=");
	if (!unlike && !take_sign(b, "=") && !take_word(b, "in")) {
		expected(b, kind_is_text(kind) ? "=, != or 'in'" : "=, !=, <, <=, >, >= or 'in'");
		return NO_NODE;
	}
	const struct token at = b->token;
	if (!take_operand(b, &items) || !fit(b, &at, field, kind, &items))
		return NO_NODE;
	const uint16_t is = field_fact(b, &at, field, items);
	return !unlike ? is : add_node(b, NODE_AND, has_fact(b, &at, field), not_node(b, is));
}

// The field of this name, or HT_NUM_FIELDS + 1 with *hidden told.
static unsigned field_of(const struct token *t, bool *hidden) {
	unsigned i = 0;
	*hidden = false;
	for (const char *name; (name = field_name(i)) != NULL; i++)
		if (token_is(t, TOKEN_WORD, name)) {
			field_kind(i, hidden);
			break;
		}
	return i;
}

static const char *const predicate_names[NUM_PREDICATES] = {
#define P(id, name, help) #name,
	PREDICATES(P)
#undef P
};

static void unknown_word(struct build *b, bool predicates) {
	struct ht_guess g = {b->token.s};
	bool hidden;
	for (unsigned i = 0; field_name(i) != NULL; i++)
		if (field_kind(i, &hidden) != KIND_NONE || !hidden)
			guess_consider(&g, field_name(i));
	for (unsigned i = 0; i < NUM_PREDICATES && predicates; i++)
		guess_consider(&g, predicate_names[i]);
	if (g.name != NULL)
		complain(
			b, &b->token, "there is no field %.*s; did you mean %s?", QUOTED(&b->token),
			g.name
		);
	else
		complain(b, &b->token, "there is no field %.*s", QUOTED(&b->token));
}

// A field that may be named here, or HT_NUM_FIELDS + 1.
static unsigned take_field(struct build *b, bool predicates) {
	bool hidden;
	if (b->token.type != TOKEN_WORD) {
		expected(b, predicates ? "a condition" : "a field");
		return HT_NUM_FIELDS + 1;
	}
	const unsigned field = field_of(&b->token, &hidden);
	if (field_name(field) == NULL) {
		unknown_word(b, predicates);
		return HT_NUM_FIELDS + 1;
	}
	if (hidden) {
		complain(b, &b->token, "%s is no field that a policy looks at", field_name(field));
		return HT_NUM_FIELDS + 1;
	}
	advance(b);
	return field;
}

static uint16_t comparison(struct build *b) {
	const struct token at = b->token;
	bool hidden;
	for (unsigned i = 0; i < NUM_PREDICATES; i++)
		if (take_word(b, predicate_names[i]))
			return fixed_fact(b, &at, WORD_PREDICATES, i);
	const bool has = take_word(b, "has");
	const unsigned field = take_field(b, !has);
	if (b->skipping)
		return NO_NODE;
	const enum kind kind = field_kind(field, &hidden);
	if (has || (kind == KIND_NONE && ht_fields[field].type == HT_TYPE_BOOL))
		return has_fact(b, &at, field);
	if (kind == KIND_NONE) {
		complain(b, &at, "%s can only be there or not: 'has'", field_name(field));
		return NO_NODE;
	}
	return kind_is_list(kind) ? list_comparison(b, field, kind)
				  : value_comparison(b, field, kind);
}

// --- conditions ---------------------------------------------------------------------------------

static uint16_t any_of(struct build *b);

static uint16_t operand(struct build *b) {
	const struct token at = b->token;
	const bool negated = take_word(b, "not");
	if (!negated && !take_sign(b, "("))
		return comparison(b);
	if (b->depth == HT_POLICY_DEPTH_MAX) {
		complain(b, &at, "more than %u parentheses and 'not' deep", HT_POLICY_DEPTH_MAX);
		return NO_NODE;
	}
	b->depth++;
	const uint16_t inner = negated ? operand(b) : any_of(b);
	b->depth--;
	if (!b->skipping && !negated && !take_sign(b, ")"))
		expected(b, "'and', 'or' or )");
	return b->skipping ? NO_NODE : negated ? not_node(b, inner) : inner;
}

static uint16_t all_of(struct build *b) {
	uint16_t left = operand(b);
	while (!b->skipping && take_word(b, "and"))
		left = add_node(b, NODE_AND, left, operand(b));
	return left;
}

static uint16_t any_of(struct build *b) {
	uint16_t left = all_of(b);
	while (!b->skipping && take_word(b, "or"))
		left = add_node(b, NODE_OR, left, all_of(b));
	return left;
}

// The condition's words, with one blank between them.
static const char *keep_condition(struct build *b, struct ht_span text) {
	struct lexer l = {.text = text, .line = 1};
	struct token t;
	char *const begin = b->bytes + b->num_bytes, *to = begin;
	bool glued = true;
	for (lexer_next(&l, &t); t.type != TOKEN_END; lexer_next(&l, &t)) {
		const bool sign = t.type == TOKEN_SIGN;
		const char c = (char)t.s.p[0];
		if (!glued && !(sign && (c == ')' || c == '}' || c == '.')))
			*to++ = ' ';
		to = mempcpy(to, t.s.p, t.s.len);
		glued = sign && (c == '(' || c == '{' || c == '.');
	}
	*to++ = '\0';
	b->num_bytes += (size_t)(to - begin);
	return begin;
}

// --- findings -----------------------------------------------------------------------------------

static const char *take_prose(struct build *b) {
	uint8_t *const begin = (uint8_t *)b->bytes + b->num_bytes;
	size_t len = 0;
	if (b->token.type != TOKEN_TEXT)
		expected(b, "a \"text\"");
	for (; !b->skipping && b->token.type == TOKEN_TEXT; advance(b))
		len += unquote(b, begin + len, &b->token, NULL, NULL);
	for (size_t i = 0; i < len; i++)
		if (begin[i] < 0x20 || begin[i] == 0x7f)
			begin[i] = ' ';
	begin[len] = '\0';
	b->num_bytes += len + 1;
	return (const char *)begin;
}

static void take_help(struct build *b, struct ht_finding *f) {
	const struct {
		const char *word, **to;
	} texts[]
		= {{"help", &f->help}, {"why", &f->why}, {"see", &f->see}, {"except", &f->except}};
	for (bool more = true; more && !b->skipping;) {
		more = false;
		for (unsigned i = 0; i < HT_ARRAY_LEN(texts); i++) {
			const struct token at = b->token;
			if (!take_word(b, texts[i].word))
				continue;
			if ((*texts[i].to)[0] != '\0')
				complain(b, &at, "'%s' is there twice", texts[i].word);
			*texts[i].to = take_prose(b);
			more = true;
		}
	}
}

static enum ht_severity take_severity(struct build *b) {
	struct ht_guess g = {b->token.s};
	for (unsigned i = 0; i < HT_NUM_SEVERITIES; i++) {
		if (take_word(b, ht_severities[i]))
			return (enum ht_severity)i;
		guess_consider(&g, ht_severities[i]);
	}
	if (b->token.type == TOKEN_WORD && g.name != NULL)
		complain(
			b, &b->token, "no severity is called %.*s; did you mean %s?",
			QUOTED(&b->token), g.name
		);
	else
		expected(b, "a severity (info, notice, warning, critical)");
	return HT_SEVERITY_INFO;
}

static bool at_statement(const struct build *b) {
	for (unsigned i = 0; i < HT_ARRAY_LEN(statements); i++)
		if (at_word(b, statements[i]))
			return true;
	return b->token.type == TOKEN_END;
}

// The finding of this name, or their number.
static unsigned finding_of(const struct build *b, const struct token *t) {
	unsigned i = 0;
	while (i < b->policy->num_findings && !token_is(t, TOKEN_WORD, b->policy->finding[i].name))
		i++;
	return i;
}

static void finding_statement(struct build *b) {
	struct ht_policy *p = b->policy;
	const struct token at = b->token;
	if (at.type != TOKEN_WORD)
		return expected(b, "the name of the finding");
	if (!is_name(&at, 0))
		return complain(b, &at, "%s", name_rule);
	if (finding_of(b, &at) < p->num_findings)
		return complain(
			b, &at, "there is a finding %.*s above; 'drop' that first", QUOTED(&at)
		);
	if (p->num_findings == HT_POLICY_FINDINGS_MAX)
		return complain(b, &at, "more than %u findings", HT_POLICY_FINDINGS_MAX);
	struct read_finding *r = &b->finding[p->num_findings];
	struct ht_finding *f = &p->finding[p->num_findings++];
	*r = (struct read_finding){NO_NODE, at, b->builtin};
	*f = (struct ht_finding){.when = "", .help = "", .why = "", .see = "", .except = ""};
	f->name = keep(b, at.s.p, at.s.len);
	advance(b);
	f->severity = take_severity(b);
	if (!b->skipping && !take_word(b, "when"))
		expected(b, "'when' and a condition");
	if (b->skipping)
		return;
	const uint8_t *const begin = b->token.s.p;
	r->condition = any_of(b);
	if (b->skipping)
		return;
	f->when = keep_condition(b, HT_SPAN(begin, (size_t)(b->token.s.p - begin)));
	take_help(b, f);
	if (!at_statement(b))
		expected(
			b, f->help[0] == '\0' ? "'and', 'or', 'help' or the next statement"
					      : "'why', 'see', 'except' or the next statement"
		);
}

static void drop_statement(struct build *b) {
	struct ht_policy *p = b->policy;
	if (b->token.type != TOKEN_WORD)
		return expected(b, "the name of a finding");
	const unsigned i = finding_of(b, &b->token);
	if (i == p->num_findings) {
		struct ht_guess g = {b->token.s};
		for (unsigned k = 0; k < p->num_findings; k++)
			guess_consider(&g, p->finding[k].name);
		if (g.name != NULL)
			complain(
				b, &b->token, "there is no finding %.*s above; did you mean %s?",
				QUOTED(&b->token), g.name
			);
		else
			complain(b, &b->token, "there is no finding %.*s above", QUOTED(&b->token));
		return;
	}
	p->num_findings--;
	memmove(&p->finding[i], &p->finding[i + 1], (p->num_findings - i) * sizeof(p->finding[0]));
	memmove(&b->finding[i], &b->finding[i + 1], (p->num_findings - i) * sizeof(b->finding[0]));
	advance(b);
}

// --- the whole ----------------------------------------------------------------------------------

static void include_statement(struct build *b, const struct token *at, bool first) {
	if (!at_word(b, "default"))
		return expected(b, "'default'");
	if (!first || b->builtin)
		return complain(b, at, "'include default' stands before all else");
	const struct lexer lexer = b->lexer;
	b->builtin = true;
	policy_read(b, ht_policy_default());
	b->builtin = false;
	b->lexer = lexer;
	advance(b);
}

static void statement(struct build *b, bool first) {
	const struct token at = b->token;
	if (take_word(b, "set"))
		set_statement(b);
	else if (take_word(b, "finding"))
		finding_statement(b);
	else if (take_word(b, "drop"))
		drop_statement(b);
	else if (take_word(b, "include"))
		include_statement(b, &at, first);
	else
		expected(b, "'finding', 'set', 'drop' or 'include'");
}

void policy_read(struct build *b, struct ht_span text) {
	b->lexer = (struct lexer){.text = text, .line = 1};
	advance(b);
	for (bool first = true; b->token.type != TOKEN_END; first = false) {
		const size_t before = b->lexer.at;
		statement(b, first);
		if (b->skipping) {
			if (b->lexer.at == before)
				advance(b);
			while (!at_statement(b))
				advance(b);
		}
		b->skipping = false;
		b->depth = 0;
	}
}
