// SPDX-License-Identifier: BSD-3-Clause
// What is wrong in a file, said so that a person can mend it.

#include "config_int.h"
#include "guess.h"

#include <stdarg.h>

#define LISTED 12 // options, at most, that a message names for choice
#define VALUES_MAX 200 // of what it says an option may be

void ht_config_complain(
	struct ht_config_errors *e, struct ht_config_pos pos, const char *format, ...
) {
	if (ht_config_full(e)) {
		e->more++;
		return;
	}
	unsigned i = e->num++;
	for (; i > 0; i--) { // in the order of the file
		const struct ht_config_pos p = e->v[i - 1].pos;
		if (p.line < pos.line || (p.line == pos.line && p.column <= pos.column))
			break;
		e->v[i] = e->v[i - 1];
	}
	e->v[i].pos = pos;
	va_list ap;
	va_start(ap, format);
	vsnprintf(e->v[i].text, sizeof(e->v[i].text), format, ap);
	va_end(ap);
}

void ht_config_print_errors(const struct ht_config_errors *e, FILE *out) {
	for (unsigned i = 0; i < e->num; i++) {
		const struct ht_config_error *v = &e->v[i];
		if (v->pos.line > 0)
			fprintf(out, "%s:%u:%u: %s\n", e->file, v->pos.line, v->pos.column,
				v->text);
		else
			fprintf(out, "%s: %s\n", e->file, v->text);
	}
	if (e->more > 0)
		fprintf(out, "%s: and %u more\n", e->file, e->more);
}

// --- text in pieces -----------------------------------------------------------------------------

struct text {
	char *p;
	size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...) {
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(t->p + t->len, t->size - t->len, format, ap);
	va_end(ap);
	t->len += n > 0 ? (size_t)n : 0;
	if (t->len >= t->size) // cut
		t->len = t->size - 1;
}

void ht_option_values(
	char out[HT_OPTION_VALUES_LEN], const struct ht_option *o, enum ht_option_type type
) {
	struct text t = {out, HT_OPTION_VALUES_LEN, 0};
	const bool many
		= type == HT_OPTION_TEXTS || type == HT_OPTION_U32S || type == HT_OPTION_SECTIONS;
	add(&t, "%s", many ? "a list of " : "");
	switch (type) {
	case HT_OPTION_BOOL:
		add(&t, "true or false");
		break;
	case HT_OPTION_U32:
	case HT_OPTION_U32S:
		add(&t, "%s from %u to %u", many ? "numbers" : "a number", o->least, o->most);
		break;
	case HT_OPTION_CHOICE:
		for (unsigned i = 0; o->choices[i] != NULL; i++)
			add(&t, "%s%s", i == 0 ? "one of " : ", ", o->choices[i]);
		break;
	case HT_OPTION_TEXT:
	case HT_OPTION_TEXTS:
		add(&t, many ? "texts" : "a text");
		break;
	default:
		add(&t, many ? "sections" : "a section of options");
	}
}

// --- what was meant -----------------------------------------------------------------------------

#define NAME_MAX_LEN 32 // of what is compared

static void consider(struct ht_guess *g, const char *name) {
	const size_t num = strlen(name), longer = num > g->word.len ? num : g->word.len;
	if (longer <= NAME_MAX_LEN && g->word.len > 0)
		ht_guess_consider(g, name, longer < 3 ? 0 : longer < 5 ? 1 : (unsigned)longer / 3);
}

const char *ht_option_near(const struct ht_option_table *t, struct ht_span name) {
	struct ht_guess g = {name};
	for (unsigned i = 0; i < t->num; i++)
		consider(&g, t->options[i].name);
	for (unsigned i = 0; i < t->num && g.name == NULL && name.len >= 3; i++)
		if (strncasecmp(t->options[i].name, (const char *)name.p, name.len)
		    == 0) // its beginning
			g.name = t->options[i].name;
	return g.name;
}

// The path of the section whose option has just this name.
static bool elsewhere(
	struct text *out,
	const struct ht_option_table *t,
	const char *name,
	const struct ht_path *path
) {
	for (unsigned i = 0; i < t->num; i++) {
		const struct ht_option *o = &t->options[i];
		const struct ht_path inner = {path, o->name, 0};
		if (strcmp(o->name, name) == 0) {
			ht_path_text(out->p, out->size, path);
			return true;
		}
		if (o->sub != NULL && elsewhere(out, o->sub, name, &inner))
			return true;
	}
	return false;
}

// --- messages -----------------------------------------------------------------------------------

static void add_path(struct text *t, const struct ht_path *path) {
	char where[128];
	ht_path_text(where, sizeof(where), path);
	add(t, "%s", where);
}

static void add_node(struct text *t, const struct ht_node *n, bool plain_wanted) {
	if (n->kind == HT_NODE_LIST || n->kind == HT_NODE_MAPPING)
		add(t, n->kind == HT_NODE_LIST ? "a list" : "a mapping");
	else if (ht_node_is_null(n))
		add(t, "nothing");
	else
		add(t, "%s%s", ht_quote(n->text, n->len).text,
		    plain_wanted && !n->plain ? " as a text in quotes" : "");
}

// What a person may have had in mind.
static void add_hint(
	struct text *t, const struct ht_option *o, enum ht_option_type type, const struct ht_node *n
) {
	static const char *const booleans[] = {"yes", "no", "on", "off", "true", "false", "y", "n"};
	if (n->kind != HT_NODE_SCALAR)
		return;
	struct ht_guess g = {HT_SPAN(n->text, n->len)};
	if (ht_node_is_null(n)) {
		if (type == HT_OPTION_TEXT)
			add(t, " (the empty text is \"\")");
	} else if (type == HT_OPTION_BOOL) {
		for (unsigned i = 0; n->plain && i < HT_ARRAY_LEN(booleans); i++)
			if (strcasecmp(n->text, booleans[i]) == 0)
				add(t, " (of YAML's booleans only these two words are taken)");
	} else if (type == HT_OPTION_U32) {
		if (strspn(n->text, "0123456789") < n->len)
			add(t, " (decimal digits; K, M or G behind them multiply by 1024, 1024^2 "
			       "or 1024^3)");
		else if (n->len > 1 && n->text[0] == '0')
			add(t, " (without zeros in front)");
	} else if (type == HT_OPTION_CHOICE) {
		for (unsigned i = 0; o->choices[i] != NULL; i++)
			consider(&g, o->choices[i]);
		if (g.name != NULL)
			add(t, "; did you mean \"%s\"?", g.name);
	}
}

void ht_say_value(
	struct ht_config_errors *e,
	const struct ht_option *o,
	const struct ht_node *n,
	const struct ht_path *path
) {
	struct ht_config_error v;
	struct text t = {v.text, sizeof(v.text), 0};
	char values[HT_OPTION_VALUES_LEN];
	enum ht_option_type type = o->type;
	size_t size;
	if (path->name == NULL)
		type = ht_option_element(o, &size);
	const bool is_list
		= type == HT_OPTION_TEXTS || type == HT_OPTION_U32S || type == HT_OPTION_SECTIONS;
	ht_option_values(values, o, type);
	add_path(&t, path);
	if (is_list && n->num == 0 && (n->kind == HT_NODE_LIST || ht_node_is_null(n))) {
		add(&t, ": must have an element at least (%s)", values);
	} else {
		add(&t, ": must be %.*s%s, not ", VALUES_MAX, values,
		    strlen(values) > VALUES_MAX ? "..." : "");
		add_node(&t, n, type == HT_OPTION_BOOL || type == HT_OPTION_U32);
		add_hint(&t, o, type, n);
	}
	ht_config_complain(e, n->pos, "%s", v.text);
}

void ht_say_missing(
	struct ht_config_errors *e,
	const struct ht_option *o,
	const struct ht_node *section,
	const struct ht_path *path
) {
	char where[128], values[HT_OPTION_VALUES_LEN];
	ht_path_text(where, sizeof(where), path);
	ht_option_values(values, o, o->type);
	ht_config_complain(
		e, section->pos, "%s is missing: %.*s, %s", where, VALUES_MAX, values, o->help
	);
}

void ht_say_unknown(
	struct ht_config_errors *e,
	const struct ht_option_table *root,
	const struct ht_option_table *table,
	const struct ht_node *key,
	const struct ht_path *path
) {
	struct ht_config_error v;
	struct text t = {v.text, sizeof(v.text), 0};
	char section[128] = "";
	struct text other = {section, sizeof(section), 0};
	if (ht_config_full(e)) { // counted; a file has room for many
		e->more++;
		return;
	}
	const char *const near = ht_option_near(table, HT_SPAN(key->text, key->len));
	add(&t, "unknown option %s", ht_quote(key->text, key->len).text);
	if (path != NULL)
		add(&t, " in ");
	add_path(&t, path);
	if (elsewhere(&other, root, key->text, NULL))
		add(&t, "; it belongs %s%s", section[0] != '\0' ? "into " : "to the top level",
		    section);
	else if (near != NULL)
		add(&t, "; did you mean \"%s\"?", near);
	for (unsigned i = 0; i < table->num && table->num <= LISTED; i++)
		add(&t, "%s%s", i == 0 ? " (known here: " : ", ", table->options[i].name);
	if (table->num > 0 && table->num <= LISTED)
		add(&t, ")");
	ht_config_complain(e, key->pos, "%s", v.text);
}
