// SPDX-License-Identifier: BSD-3-Clause
// Structs written as YAML: the values alone, or the defaults with their help, as an example.

#include "config_int.h"

#include <stdlib.h>

struct writing {
	FILE *out;
	unsigned indent;
	bool explain; // an example
	bool off; // commented out
	bool dash; // the next line is the first of a list's element
	bool failed; // no memory
};

static void write_section(struct writing *w, const struct ht_option_table *t, const void *values);

// Begins a line of YAML.
static void lead(struct writing *w) {
	const unsigned dash = w->dash ? 2 : 0;
	fprintf(w->out, "%*s%s%s", (int)(w->indent - dash), "", w->off ? "#" : "",
		w->dash ? "- " : "");
	w->dash = false;
}

void ht_put_text(FILE *out, const char *text, bool cell) {
	fputc('"', out);
	for (size_t i = 0, left = strlen(text), n; left > 0; i += n, left -= n) {
		uint32_t c = (uint8_t)text[i];
		n = ht_utf8(HT_SPAN(text + i, left), &c);
		const bool is_char = n > 0;
		n = is_char ? n : 1;
		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", (int)c);
		else if (c == '|' && cell)
			fputs("\\|", out);
		else if (is_char && ht_printable(c))
			fwrite(text + i, 1, n, out);
		else if (c <= 0xff)
			fprintf(out, "\\x%02x", c);
		else
			fprintf(out, "\\u%04x", c); // all that is not printable is below 0x10000
	}
	fputc('"', out);
}

static void put_scalar(
	struct writing *w, const struct ht_option *o, enum ht_option_type type, const void *value
) {
	switch (type) {
	case HT_OPTION_BOOL:
		fputs(*(const bool *)value ? "true" : "false", w->out);
		break;
	case HT_OPTION_U32:
		fprintf(w->out, "%u", *(const uint32_t *)value);
		break;
	case HT_OPTION_CHOICE:
		fputs(o->choices[*(const uint32_t *)value], w->out);
		break;
	default:
		ht_put_text(w->out, *(const char *const *)value, false);
	}
}

static void write_scalars(struct writing *w, const struct ht_option *o, const void *list) {
	size_t size;
	unsigned num;
	const enum ht_option_type type = ht_option_element(o, &size);
	const char *v = ht_option_elements(list, &num);
	lead(w);
	fprintf(w->out, "%s: [", o->name);
	for (unsigned i = 0; i < num; i++) {
		fputs(i > 0 ? ", " : "", w->out);
		put_scalar(w, o, type, v + i * size);
	}
	fputs("]\n", w->out);
}

static void write_sections(struct writing *w, const struct ht_option *o, const void *list) {
	unsigned num;
	const char *v = ht_option_elements(list, &num);
	lead(w);
	fprintf(w->out, "%s:%s\n", o->name, num == 0 ? " []" : "");
	w->indent += 4;
	for (unsigned i = 0; i < num; i++) {
		w->dash = true;
		write_section(w, o->sub, v + i * o->sub->size);
		if (w->dash) { // nothing of it had to be written
			lead(w);
			fputs("{}\n", w->out);
		}
	}
	w->indent -= 4;
}

bool ht_option_no_default(const struct ht_option *o) {
	switch (o->type) {
	case HT_OPTION_BOOL:
	case HT_OPTION_U32:
	case HT_OPTION_CHOICE:
		return false;
	case HT_OPTION_TEXT:
		return o->def_text == NULL;
	case HT_OPTION_SECTION:
		for (unsigned i = 0; i < o->sub->num; i++) {
			const struct ht_option *inner = &o->sub->options[i];
			if (inner->required
			    && (inner->type != HT_OPTION_SECTION || ht_option_no_default(inner)))
				return true;
		}
		return false;
	default:
		return true;
	}
}

static void differs(void *ctx, const char *path, const struct ht_option *o) {
	(void)path;
	(void)o;
	*(bool *)ctx = true;
}

// Whether a section need not be there: what it must have is then not missed, and to leave it out
// gives the same.
static bool is_absent(struct writing *w, const struct ht_option *o, const void *value) {
	if (w->explain || o->required || !ht_option_no_default(o))
		return false;
	bool found = false;
	void *defaults = calloc(1, o->sub->size);
	if (defaults == NULL) {
		w->failed = true;
		return true;
	}
	ht_config_defaults(o->sub, defaults);
	ht_config_changes(o->sub, defaults, value, differs, &found);
	free(defaults);
	return !found;
}

static void write_value(struct writing *w, const struct ht_option *o, const void *value) {
	switch (o->type) {
	case HT_OPTION_SECTION:
		if (is_absent(w, o, value))
			return;
		lead(w);
		fprintf(w->out, "%s:\n", o->name);
		w->indent += 2;
		write_section(w, o->sub, value);
		w->indent -= 2;
		break;
	case HT_OPTION_TEXTS:
	case HT_OPTION_U32S:
		write_scalars(w, o, value);
		break;
	case HT_OPTION_SECTIONS:
		write_sections(w, o, value);
		break;
	default:
		if (o->type == HT_OPTION_TEXT && *(const char *const *)value == NULL)
			return;
		lead(w);
		fprintf(w->out, "%s: ", o->name);
		put_scalar(w, o, o->type, value);
		fputc('\n', w->out);
	}
}

// --- the example --------------------------------------------------------------------------------

// What stands for an option: its default where that is a value; for a list, one element, of which
// each option has its default.
static void write_sample(struct writing *w, const struct ht_option *o, const void *value) {
	const char *text = o->def_text != NULL ? o->def_text : "";
	uint32_t number = o->def < o->least ? o->least : o->def;
	struct ht_option_sections list = {.num = 1};
	switch (o->type) {
	case HT_OPTION_TEXT:
		write_value(w, o, &text);
		break;
	case HT_OPTION_TEXTS:
		write_value(
			w, o, &(struct ht_option_texts){&text, o->def_text != NULL || o->required}
		);
		break;
	case HT_OPTION_U32S:
		write_value(w, o, &(struct ht_option_u32s){&number, 1});
		break;
	case HT_OPTION_SECTIONS:
		list.v = calloc(1, o->sub->size);
		if (list.v != NULL) {
			ht_config_defaults(o->sub, list.v);
			write_value(w, o, &list);
		}
		w->failed |= list.v == NULL;
		free(list.v);
		break;
	default:
		write_value(w, o, value);
	}
}

static void write_example(struct writing *w, const struct ht_option *o, const void *value) {
	char values[HT_OPTION_VALUES_LEN];
	const bool was_off = w->off;
	const int indent = (int)w->indent;
	ht_option_values(values, o, o->type);
	fprintf(w->out, "\n%*s# %s", indent, "", o->help);
	if (o->type != HT_OPTION_SECTION)
		fprintf(w->out, ": %s", values);
	if (o->max > 0)
		fprintf(w->out, ", %u at most", o->max);
	fprintf(w->out, "%s%s\n", o->required ? "; required" : "",
		o->reload ? "; may change while running" : "");
	w->off |= !o->required && ht_option_no_default(o);
	write_sample(w, o, value);
	w->off = was_off;
}

static void write_section(struct writing *w, const struct ht_option_table *t, const void *values) {
	for (unsigned i = 0; i < t->num; i++) {
		const struct ht_option *o = &t->options[i];
		if (w->explain)
			write_example(w, o, ht_option_at(o, values));
		else
			write_value(w, o, ht_option_at(o, values));
	}
}

enum ht_rc ht_config_write(const struct ht_option_table *root, const void *values, FILE *out) {
	struct writing w = {.out = out};
	write_section(&w, root, values);
	return w.failed || ferror(out) ? HT_ERROR : HT_OK;
}

enum ht_rc ht_options_example(const struct ht_option_table *root, FILE *out) {
	struct writing w = {.out = out, .explain = true};
	void *values = calloc(1, root->size);
	if (values == NULL)
		return HT_ERROR;
	ht_config_defaults(root, values);
	fprintf(out,
		"# %s. Every option is here, with its default.\n"
		"# A # without a space behind it stands before what is not there by default.\n",
		root->title);
	write_section(&w, root, values);
	free(values);
	return w.failed || ferror(out) ? HT_ERROR : HT_OK;
}
