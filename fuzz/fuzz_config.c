// SPDX-License-Identifier: BSD-3-Clause
// Input: a configuration file. What is refused is refused with places inside the file, and leaves
// the defaults; what is taken is within the bounds of its table, each given value has a place, and
// the struct written and loaded again is the same.

#include "../tests/unit/config_table.h"
#include "config.h"
#include "ht_config.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok) {
	if (!ok)
		abort();
}

static void
must_be_within(const struct ht_config *c, const struct ht_option_table *t, const void *values);

static void
list_must_be_within(const struct ht_config *c, const struct ht_option *o, const void *at) {
	const struct ht_option_sections *list = at;
	const struct ht_option_texts *texts = at;
	const struct ht_option_u32s *numbers = at;
	must(list->num <= o->max);
	must((list->v == NULL) == (list->num == 0));
	must(list->num == 0 || ht_config_where(c, at).line > 0);
	for (unsigned i = 0; i < list->num; i++) {
		if (o->type == HT_OPTION_SECTIONS) {
			const char *element = (const char *)list->v + i * o->sub->size;
			must(ht_config_where_section(c, element).line > 0);
			must_be_within(c, o->sub, element);
		} else if (o->type == HT_OPTION_TEXTS) {
			must(texts->v[i] != NULL && ht_config_where(c, &texts->v[i]).line > 0);
		} else {
			must(numbers->v[i] >= o->least && numbers->v[i] <= o->most);
			must(ht_config_where(c, &numbers->v[i]).line > 0);
		}
	}
}

static void
must_be_within(const struct ht_config *c, const struct ht_option_table *t, const void *values) {
	for (unsigned i = 0; i < t->num; i++) {
		const struct ht_option *o = &t->options[i];
		const void *at = (const char *)values + o->offset;
		const bool given = ht_config_where(c, at).line > 0;
		if (o->type == HT_OPTION_SECTION) {
			must_be_within(c, o->sub, at);
		} else if (o->type == HT_OPTION_BOOL) {
			must(given || *(const bool *)at == (o->def != 0));
		} else if (o->type == HT_OPTION_TEXT) {
			must(given || *(const char *const *)at == o->def_text);
		} else if (o->type == HT_OPTION_U32) {
			const uint32_t v = *(const uint32_t *)at;
			must(given ? v >= o->least && v <= o->most : v == o->def);
		} else if (o->type == HT_OPTION_CHOICE) {
			uint32_t num = 0;
			while (o->choices[num] != NULL)
				num++;
			must(*(const uint32_t *)at < num);
			must(given || *(const uint32_t *)at == o->def);
		} else {
			list_must_be_within(c, o, at);
		}
	}
}

static void differs(void *ctx, const char *path, const struct ht_option *o) {
	(void)ctx;
	(void)path;
	(void)o;
	abort();
}

static void must_be_sound(const struct ht_config_errors *e, struct ht_span text) {
	uint32_t lines = 1;
	for (size_t i = 0; i < text.len; i++)
		lines += text.p[i] == '\n' || text.p[i] == '\r';
	must(e->num > 0 && (e->more == 0 || e->num == HT_CONFIG_ERRORS_MAX));
	for (unsigned i = 0; i < e->num; i++) {
		const struct ht_config_pos p = e->v[i].pos;
		must(p.line > 0 ? p.line <= lines + 1 && p.column > 0 && p.column <= text.len + 1
				: text.len > HT_CONFIG_BYTES_MAX);
		must(i == 0 || e->v[i - 1].pos.line <= p.line);
		must(e->v[i].text[0] != '\0');
		for (const char *s = e->v[i].text; *s != '\0'; s++)
			must((uint8_t)*s >= ' ' && *s != 0x7f);
	}
}

static void round_trip(const struct t_config *v) {
	struct ht_config *again;
	struct ht_config_errors e;
	struct t_config w;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	must(f != NULL && ht_config_write(&t_config_table, v, f) == HT_OK && fclose(f) == 0);
	// Escapes are longer than what they stand for.
	if (len <= HT_CONFIG_BYTES_MAX) {
		must(ht_config_load_text(&again, "w", HT_SPAN(text, len), &t_config_table, &w, &e)
		     == HT_OK);
		ht_config_changes(&t_config_table, v, &w, differs, NULL);
		ht_config_free(again);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct ht_config *c;
	struct ht_config_errors e;
	struct t_config v, defaults;
	if (!HT_HAVE_YAML)
		return 0;
	memset(&v, 0xa5, sizeof(v));
	enum ht_rc rc = ht_config_load_text(&c, "f", HT_SPAN(data, size), &t_config_table, &v, &e);
	if (rc == HT_OK) {
		must(c != NULL && e.num == 0);
		must_be_within(c, &t_config_table, &v);
		round_trip(&v);
		ht_config_free(c);
	} else {
		must(rc == HT_BAD && c == NULL);
		must_be_sound(&e, HT_SPAN(data, size));
		ht_config_defaults(&t_config_table, &defaults);
		ht_config_changes(&t_config_table, &defaults, &v, differs, NULL);
	}
	return 0;
}
