// SPDX-License-Identifier: BSD-3-Clause

#include "config_int.h"

struct changes {
	void (*changed)(void *ctx, const char *path, const struct ht_option *o);
	void *ctx;
};

static bool same_text(const char *a, const char *b) {
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

// Scalars of `type`.
static bool same(enum ht_option_type type, const void *a, const void *b) {
	if (type == HT_OPTION_TEXT)
		return same_text(*(const char *const *)a, *(const char *const *)b);
	return type == HT_OPTION_BOOL ? *(const bool *)a == *(const bool *)b
				      : *(const uint32_t *)a == *(const uint32_t *)b;
}

static void
compare(const struct changes *ch,
	const struct ht_option_table *t,
	const void *was,
	const void *is,
	const struct ht_path *up);

// Whether two lists differ as a whole. Sections of two lists of one length are compared here.
static bool lists_differ(
	const struct changes *ch,
	const struct ht_option *o,
	const void *was,
	const void *is,
	const struct ht_path *path
) {
	size_t size;
	unsigned num, num_is;
	const enum ht_option_type type = ht_option_element(o, &size);
	const char *a = ht_option_elements(was, &num), *b = ht_option_elements(is, &num_is);
	if (num != num_is)
		return true;
	for (unsigned i = 0; i < num; i++) {
		const struct ht_path element = {path, NULL, i};
		if (type == HT_OPTION_SECTION)
			compare(ch, o->sub, a + i * size, b + i * size, &element);
		else if (!same(type, a + i * size, b + i * size))
			return true;
	}
	return false;
}

static void
compare(const struct changes *ch,
	const struct ht_option_table *t,
	const void *was,
	const void *is,
	const struct ht_path *up) {
	for (unsigned i = 0; i < t->num; i++) {
		const struct ht_option *o = &t->options[i];
		const struct ht_path path = {up, o->name, 0};
		const void *a = ht_option_at(o, was), *b = ht_option_at(o, is);
		bool differs = false;
		if (o->type == HT_OPTION_SECTION)
			compare(ch, o->sub, a, b, &path);
		else if (o->type == HT_OPTION_TEXTS || o->type == HT_OPTION_U32S || o->type == HT_OPTION_SECTIONS)
			differs = lists_differ(ch, o, a, b, &path);
		else
			differs = !same(o->type, a, b);
		if (differs) {
			char text[256];
			ht_path_text(text, sizeof(text), &path);
			ch->changed(ch->ctx, text, o);
		}
	}
}

void ht_config_changes(
	const struct ht_option_table *root,
	const void *was,
	const void *is,
	void (*changed)(void *ctx, const char *path, const struct ht_option *o),
	void *ctx
) {
	compare(&(struct changes){changed, ctx}, root, was, is, NULL);
}
