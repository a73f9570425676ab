// SPDX-License-Identifier: BSD-3-Clause
// Conditions: comparisons of fields, as facts, and words between them.

#include "findings_build.h"

#include <stdio.h>
#include <stdlib.h>

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
		if (rank != 0) {
			add_range(b, at, rank, rank);
			continue;
		}
		struct ht_guess g = {HT_SPAN(t->s, t->len)};
		for (unsigned k = 0; k < HT_ARRAY_LEN(versions); k++)
			guess_consider(&g, versions[k]);
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
	const char *const *const words = closed[which].words;
	struct ht_guess g = {HT_SPAN(t->s, t->len)};
	char all[128];
	size_t len = 0;
	for (unsigned i = 0; words[i] != NULL; i++)
		if (strlen(words[i]) == t->len && memcmp(words[i], t->s, t->len) == 0)
			return;
	for (unsigned i = 0; words[i] != NULL; i++) {
		const char *word = words[i];
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

// Those of the table in force, and the built-in ones: a policy may name them all.
static void check_service(struct build *b, const struct token *at, const struct text_item *t) {
	struct ht_guess g = {HT_SPAN(t->s, t->len)};
	const char *name;
	for (unsigned i = 0; (name = ht_services_name(b->services, i)) != NULL; i++)
		if (strlen(name) == t->len && memcmp(name, t->s, t->len) == 0)
			return;
	for (unsigned i = 0; (name = ht_services_name(b->services, i)) != NULL; i++)
		guess_consider(&g, name);
	if (g.name != NULL)
		complain(
			b, at, "no service is called \"%.40s\"; did you mean \"%s\"?", t->s, g.name
		);
	else
		complain(
			b, at, "no service is called \"%.40s\"; --services-table lists them", t->s
		);
}

static void
check_words(struct build *b, const struct token *at, unsigned field, const struct items *items) {
	unsigned which = 0;
	while (which < HT_ARRAY_LEN(closed) && closed[which].field != field)
		which++;
	const bool is_service = field == HT_FIELD_service && b->services != NULL;
	for (uint32_t k = 0; k < items->num && !b->skipping; k++) {
		const struct text_item *t = &b->text[items->first + k];
		if (t->open_front || t->open_back)
			continue;
		if (is_service)
			check_service(b, at, t);
		else if (which < HT_ARRAY_LEN(closed))
			check_word(b, at, which, t);
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
	no_such(b, "field", "", "", g.name);
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
	const uint16_t inner = negated ? operand(b) : policy_condition(b);
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

uint16_t policy_condition(struct build *b) {
	uint16_t left = all_of(b);
	while (!b->skipping && take_word(b, "or"))
		left = add_node(b, NODE_OR, left, all_of(b));
	return left;
}
