// SPDX-License-Identifier: BSD-3-Clause
// docs/options.md, of the tables.

#include "config_int.h"

static const char head[]
	= "The file is YAML: one document of mappings, lists and scalars, in UTF-8, of 1 MiB at "
	  "most.\n"
	  "Tags, anchors and aliases are refused. An option that is not in the file has its "
	  "default. "
	  "Whatever\n"
	  "is wrong in a file is told at once, a line for each, as `FILE:LINE:COLUMN: what`.\n"
	  "\n"
	  "| value | how it is written |\n"
	  "| --- | --- |\n"
	  "| number | decimal digits; `K`, `M` or `G` behind them multiply by 1024, 1024² or 1024³ "
	  "|\n"
	  "| boolean | `true` or `false`; `yes`, `no`, `on`, `off` are refused |\n"
	  "| word | one of those listed |\n"
	  "| text | as it is, or in quotes where YAML would take it for something else; `\"\"` is "
	  "the empty text |\n"
	  "| list | `[a, b]`, or a line `- a` for each; without a value it is empty |\n"
	  "| section | a mapping, its lines indented with spaces; without a value all of it has "
	  "its "
	  "defaults |\n";
_Static_assert(HT_CONFIG_BYTES_MAX == 1 << 20 && HT_CONFIG_DEPTH_MAX == 16, "the text says it");

// A cell of a table.
static void put(FILE *out, const char *text) {
	for (; *text != '\0'; text++) {
		if (*text == '|')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void put_default(FILE *out, const struct ht_option *o) {
	if (o->required) {
		fputs("required", out);
		return;
	}
	switch (o->type) {
	case HT_OPTION_BOOL:
		fputs(o->def != 0 ? "`true`" : "`false`", out);
		break;
	case HT_OPTION_U32:
		fprintf(out, "`%u`", o->def);
		break;
	case HT_OPTION_CHOICE:
		fprintf(out, "`%s`", o->choices[o->def]);
		break;
	case HT_OPTION_TEXT:
		if (o->def_text != NULL) {
			fputc('`', out);
			ht_put_text(out, o->def_text, true);
			fputc('`', out);
		}
		break;
	case HT_OPTION_SECTION:
		break;
	default:
		fputs("empty", out);
	}
}

static void put_option(FILE *out, const struct ht_option *o, const char *path) {
	char values[HT_OPTION_VALUES_LEN];
	fprintf(out, "| `%s` | ", o->name);
	ht_option_values(values, o, o->type);
	put(out, values);
	if (o->max > 0)
		fprintf(out, ", %u at most", o->max);
	if (o->sub != NULL)
		fprintf(out, ": see `%s`", path);
	fputs(" | ", out);
	put_default(out, o);
	fprintf(out, " | %s | ", o->reload ? "yes" : o->type == HT_OPTION_SECTION ? "" : "no");
	put(out, o->help);
	fputs(" |\n", out);
}

static void put_section(FILE *out, const struct ht_option_table *t, const char *name) {
	if (name[0] != '\0')
		fprintf(out, "\n## `%s`\n\n%s.\n", name, t->title);
	else
		fputs("\n## Top level\n", out);
	fputs("\n| option | value | default | may change while running | what it is |\n"
	      "| --- | --- | --- | --- | --- |\n",
	      out);
	char path[128];
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < t->num; i++) {
			const struct ht_option *o = &t->options[i];
			snprintf(
				path, sizeof(path), "%s%s%s%s", name, name[0] != '\0' ? "." : "",
				o->name, o->type == HT_OPTION_SECTIONS ? "[]" : ""
			);
			if (pass == 0)
				put_option(out, o, path);
			else if (o->sub != NULL)
				put_section(out, o->sub, path);
		}
}

void ht_options_md(const struct ht_option_table *root, FILE *out) {
	fprintf(out, "# %s\n\nMade of the tables of options; do not edit.\n\n%s", root->title,
		head);
	put_section(out, root, "");
}
