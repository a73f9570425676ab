// SPDX-License-Identifier: BSD-3-Clause
// A tree put into structs, by tables. What is wrong is said, and the walk goes on: a person is told
// all of it at once.

#include "config_int.h"

#include <stdlib.h>

struct walk {
	struct ht_config *c;
	struct ht_pool *scratch;
	struct ht_config_errors *errors;
	const struct ht_option_table *root;
};

// Each step returns HT_OK, whatever was wrong in the file, or HT_ERROR: no memory.

static enum ht_rc note(struct walk *w, const void *at, bool section, struct ht_config_pos pos) {
	struct ht_config *c = w->c;
	if (c->num_places == c->max_places) {
		const size_t max = c->max_places > 0 ? 2 * c->max_places : 32;
		void *more = realloc(c->places, max * sizeof(*c->places));
		if (more == NULL)
			return HT_ERROR;
		c->places = more;
		c->max_places = max;
	}
	c->places[c->num_places++] = (struct ht_config_place){at, section, pos};
	return HT_OK;
}

// --- scalars ------------------------------------------------------------------------------------

// Digits, without zeros in front (which YAML 1.1 reads as octal), and perhaps a factor.
static bool to_u32(const struct ht_node *n, uint32_t *out) {
	const char *p = n->text;
	uint64_t v = 0;
	if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] != '\0'))
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = 10 * v + (uint64_t)(*p - '0');
		if (v > UINT32_MAX)
			return false;
	}
	const unsigned shift = *p == 'K' ? 10 : *p == 'M' ? 20 : *p == 'G' ? 30 : 0;
	v <<= shift;
	if (p[shift > 0] != '\0' || v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool to_choice(const struct ht_node *n, const char *const *choices, uint32_t *out) {
	for (uint32_t i = 0; choices[i] != NULL; i++)
		if (strcmp(n->text, choices[i]) == 0) {
			*out = i;
			return true;
		}
	return false;
}

static bool to_bool(const struct ht_node *n, bool *out) {
	*out = strcmp(n->text, "true") == 0;
	return *out || strcmp(n->text, "false") == 0;
}

// A value that is none of the option's leaves `to` as it is.
static enum ht_rc read_scalar(
	struct walk *w,
	const struct ht_option *o,
	enum ht_option_type type,
	const struct ht_node *n,
	void *to,
	const struct ht_path *path
) {
	bool good = n->kind == HT_NODE_SCALAR, b;
	uint32_t v;
	if (n->kind == HT_NODE_REFUSED)
		return HT_OK;
	if (good && type == HT_OPTION_BOOL) {
		good = n->plain && to_bool(n, &b);
		if (good)
			*(bool *)to = b;
	} else if (good && type == HT_OPTION_TEXT) {
		good = !ht_node_is_null(n);
		char *text = good ? ht_pool_get(&w->c->kept, n->len + 1) : NULL;
		if (good && text == NULL)
			return HT_ERROR;
		if (good)
			*(const char **)to = memcpy(text, n->text, n->len + 1);
	} else if (good) {
		if (type == HT_OPTION_CHOICE)
			good = to_choice(n, o->choices, &v);
		else
			good = n->plain && to_u32(n, &v) && v >= o->least && v <= o->most;
		if (good)
			*(uint32_t *)to = v;
	}
	if (good)
		return note(w, to, false, n->pos);
	ht_say_value(w->errors, o, n, path);
	return HT_OK;
}

// --- lists and sections -------------------------------------------------------------------------

static enum ht_rc read_section(
	struct walk *w,
	const struct ht_option *o,
	const struct ht_option_table *t,
	const struct ht_node *n,
	void *to,
	const struct ht_path *path
);

static enum ht_rc read_list(
	struct walk *w,
	const struct ht_option *o,
	const struct ht_node *n,
	struct ht_option_sections *to,
	const struct ht_path *path
) {
	size_t size;
	const enum ht_option_type type = ht_option_element(o, &size);
	if (n->kind == HT_NODE_REFUSED)
		return HT_OK;
	if (n->kind != HT_NODE_LIST && !ht_node_is_null(n)) {
		ht_say_value(w->errors, o, n, path);
		return HT_OK;
	}
	if (o->required && n->num == 0)
		ht_say_value(w->errors, o, n, path);
	const unsigned num = n->num <= o->max ? n->num : o->max;
	char *elements = num > 0 ? ht_pool_get(&w->c->kept, num * size) : NULL;
	if (num > 0 && elements == NULL)
		return HT_ERROR;
	*to = (struct ht_option_sections){elements, num};
	enum ht_rc rc = note(w, to, false, n->pos);
	unsigned i = 0;
	for (const struct ht_node *e = n->first; e != NULL && rc == HT_OK; e = e->next, i++) {
		const struct ht_path element = {path, NULL, i};
		char *at = elements + i * size;
		if (i == num) {
			char where[128];
			ht_path_text(where, sizeof(where), path);
			ht_config_complain(
				w->errors, e->pos, "%s: %u elements at most, not %u", where, o->max,
				n->num
			);
			break;
		}
		if (type == HT_OPTION_SECTION) {
			ht_config_defaults(o->sub, at);
			rc = read_section(w, o, o->sub, e, at, &element);
		} else {
			rc = read_scalar(w, o, type, e, at, &element);
		}
	}
	return rc;
}

static enum ht_rc read_option(
	struct walk *w,
	const struct ht_option *o,
	const struct ht_node *n,
	void *to,
	const struct ht_path *path
) {
	switch (o->type) {
	case HT_OPTION_SECTION:
		return read_section(w, o, o->sub, n, to, path);
	case HT_OPTION_TEXTS:
	case HT_OPTION_U32S:
	case HT_OPTION_SECTIONS:
		return read_list(w, o, n, to, path);
	default:
		return read_scalar(w, o, o->type, n, to, path);
	}
}

static unsigned find(const struct ht_option_table *t, const char *name) {
	unsigned i = 0;
	while (i < t->num && strcmp(t->options[i].name, name) != 0)
		i++;
	return i;
}

// The key of each option, in `keys`. Says what is unknown or there twice.
static void sort_keys(
	struct walk *w,
	const struct ht_option_table *t,
	const struct ht_node *n,
	const struct ht_node **keys,
	const struct ht_path *path
) {
	for (const struct ht_node *key = n->first; key != NULL; key = key->next) {
		if (key->kind == HT_NODE_LIST || key->kind == HT_NODE_MAPPING)
			ht_config_complain(
				w->errors, key->pos,
				"the name of an option is expected here, not a %s",
				key->kind == HT_NODE_LIST ? "list" : "mapping"
			);
		if (key->kind != HT_NODE_SCALAR)
			continue;
		const unsigned i = find(t, key->text);
		if (i == t->num)
			ht_say_unknown(w->errors, w->root, t, key, path);
		else if (keys[i] != NULL)
			ht_config_complain(
				w->errors, key->pos, "\"%s\" is here twice, first in line %u",
				t->options[i].name, keys[i]->pos.line
			);
		else
			keys[i] = key;
	}
}

// `o` is NULL for the root.
static enum ht_rc read_section(
	struct walk *w,
	const struct ht_option *o,
	const struct ht_option_table *t,
	const struct ht_node *n,
	void *to,
	const struct ht_path *path
) {
	if (n->kind == HT_NODE_REFUSED)
		return HT_OK;
	if (n->kind != HT_NODE_MAPPING && !ht_node_is_null(n)) {
		static const struct ht_option root
			= {.name = "the file", .type = HT_OPTION_SECTION};
		const struct ht_path file = {NULL, root.name, 0};
		ht_say_value(w->errors, o != NULL ? o : &root, n, path != NULL ? path : &file);
		return HT_OK;
	}
	const struct ht_node **keys = ht_pool_get(w->scratch, t->num * sizeof(*keys));
	if (keys == NULL)
		return HT_ERROR;
	sort_keys(w, t, n, keys, path);
	enum ht_rc rc = note(w, to, true, n->pos);
	for (unsigned i = 0; i < t->num && rc == HT_OK; i++) {
		const struct ht_option *option = &t->options[i];
		const struct ht_path inner = {path, option->name, 0};
		if (keys[i] != NULL)
			rc = read_option(
				w, option, keys[i]->value, ht_option_at(option, to), &inner
			);
		else if (option->required)
			ht_say_missing(w->errors, option, n, &inner);
	}
	return rc;
}

enum ht_rc ht_config_read(
	struct ht_config *c,
	const struct ht_node *top,
	struct ht_pool *scratch,
	const struct ht_option_table *root,
	void *to,
	struct ht_config_errors *errors
) {
	struct walk w = {c, scratch, errors, root};
	enum ht_rc rc = read_section(&w, NULL, root, top, to, NULL);
	if (rc == HT_ERROR)
		ht_config_complain(errors, (struct ht_config_pos){0}, "out of memory");
	return rc;
}
