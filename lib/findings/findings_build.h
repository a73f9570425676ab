// SPDX-License-Identifier: BSD-3-Clause
// A policy while it is read: text -> words -> sets and conditions -> terms and tables.

#pragma once

#include "findings_int.h"
#include "guess.h"

#include <stdarg.h>

// --- words --------------------------------------------------------------------------------------

enum token_type {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_SET, // @name
	TOKEN_NUMBER,
	TOKEN_TEXT, // with its quotes
	TOKEN_SIGN, // ( ) { } .. = != < <= > >=
	TOKEN_WRONG, // none of these
};

struct token {
	enum token_type type;
	struct ht_span s; // as it stands there
	uint32_t line, column;
	uint32_t number;
	const char *wrong; // of TOKEN_WRONG
};

struct lexer {
	struct ht_span text;
	size_t at;
	size_t line_at; // where the line begins
	uint32_t line;
};

void lexer_next(struct lexer *l, struct token *out);

// --- what was read ------------------------------------------------------------------------------

// Some ranges or some texts, one behind the other in their pools.
struct items {
	bool text;
	uint32_t first, num;
};

struct set {
	char name[HT_POLICY_NAME_MAX + 1];
	struct items items;
};

struct text_item {
	const char *s;
	uint8_t len;
	bool open_front, open_back;
};

// A fact of a field: one of its values is in the set.
struct fact {
	uint8_t word, bit; // while it is read, each source has a word, from WORD_FIELDS on
	uint8_t source;
	struct items items; // of fields; ranges are sorted and apart
	struct token at;
	bool at_builtin;
};

enum node_type { NODE_FACT, NODE_NOT, NODE_AND, NODE_OR };

struct node {
	uint8_t type;
	uint16_t left, right; // of NODE_FACT: left is the fact
};

// One more than the number stands for a fault that was told.
#define NO_NODE UINT16_MAX

struct literal_term {
	uint16_t literal[HT_POLICY_LITERALS_MAX]; // 2 * fact, + 1 where it must not hold; sorted
	uint8_t num, finding;
};

struct read_finding {
	uint16_t condition; // node
	struct token at;
	bool at_builtin;
};

struct build {
	struct ht_policy *policy;
	struct ht_policy_report *rep;
	const struct ht_services *services; // or NULL
	struct lexer lexer;
	struct token token; // the next one
	bool builtin; // the text that is read is the built-in one
	bool skipping; // a fault was told: to the next statement
	bool no_memory;
	unsigned depth;
	struct set *set;
	struct range *range;
	struct text_item *text;
	struct node *node;
	struct fact *fact;
	struct literal_term *term;
	struct read_finding finding[HT_POLICY_FINDINGS_MAX];
	uint32_t num_sets, num_ranges, num_texts, num_nodes, num_facts, num_terms;
	char *bytes; // of texts
	size_t num_bytes, max_bytes;
	uint8_t facts_of[MAX_WORDS]; // how many
};

#define MAX_TERMS (HT_POLICY_FINDINGS_MAX * HT_POLICY_TERMS_MAX)

// complain tells a fault at a token; until the next statement nothing more is told.
__attribute__((format(printf, 3, 4))) void
complain(struct build *b, const struct token *at, const char *format, ...);

// guess_consider is ht_guess_consider with what is near here.
void guess_consider(struct ht_guess *g, const char *name);

// --- what statements are made of (findings_items.c) ----------------------------------------------

// What of a word is quoted in a message.
#define QUOTED(t) (int)((t)->s.len < 40 ? (t)->s.len : 40), (const char *)(t)->s.p

void advance(struct build *b);
bool token_is(const struct token *t, enum token_type type, const char *s);
bool at_word(const struct build *b, const char *s);
bool at_sign(const struct build *b, const char *s);

// take_word and take_sign go on to what is behind it, if it is there.
bool take_word(struct build *b, const char *s);
bool take_sign(struct build *b, const char *s);

// expected complains of what stands there. no_such does of a name; `meant` is what was most likely
// to stand there, with this sign before it, or NULL.
void expected(struct build *b, const char *what);
void no_such(
	struct build *b, const char *what, const char *where, const char *sign, const char *meant
);

// keep copies bytes behind those that are kept, with a zero behind them.
const char *keep(struct build *b, const void *p, size_t len);

// unquote writes the bytes between the quotes and returns their number: \" \\ \* and \xNN are one.
// `*open_front` and so on: there is a bare * at that side, which is not among them (NULL: a * is
// itself).
size_t
unquote(struct build *b, uint8_t *out, const struct token *t, bool *open_front, bool *open_back);

void add_range(struct build *b, const struct token *at, uint32_t first, uint32_t last);

// take_items takes one item, or all that follow; take_operand @NAME, { items }, or one item. False:
// a fault was told.
bool take_items(struct build *b, struct items *out, bool all);
bool take_operand(struct build *b, struct items *out);

// --- steps --------------------------------------------------------------------------------------

// policy_read reads the text into sets, facts and conditions.
void policy_read(struct build *b, struct ht_span text);

// policy_condition reads a condition: a node, or NO_NODE.
uint16_t policy_condition(struct build *b);

// policy_terms writes the conditions out as terms.
void policy_terms(struct build *b);

// policy_tables makes the tables of the fields, and the terms as they are looked at.
void policy_tables(struct build *b);
