// SPDX-License-Identifier: BSD-3-Clause
// Statements: sets, and findings with their conditions.

#include "findings_build.h"

static const char *const statements[] = {"include", "drop", "set", "finding"};

// --- sets ---------------------------------------------------------------------------------------

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

// --- findings -----------------------------------------------------------------------------------

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
	for (unsigned i = 0; i < HT_NUM_SEVERITIES; i++)
		if (take_word(b, ht_severities[i]))
			return (enum ht_severity)i;
	for (unsigned i = 0; i < HT_NUM_SEVERITIES; i++)
		guess_consider(&g, ht_severities[i]);
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
	r->condition = policy_condition(b);
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
		return no_such(b, "finding", " above", "", g.name);
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
