// SPDX-License-Identifier: BSD-3-Clause

#include "policies.h"

#include "whole.h"

#include <errno.h>
#include <stdlib.h>

// --- reading ------------------------------------------------------------------------------------

static void say(const char *path, const struct ht_policy_report *rep) {
	for (unsigned i = 0; i < rep->num; i++) {
		const struct ht_policy_error *e = &rep->errors[i];
		fprintf(stderr, "hellotap: %s:%u:%u: %s\n",
			e->builtin ? "the built-in policy" : path, e->line, e->column, e->reason);
	}
	if (rep->more > 0)
		fprintf(stderr, "hellotap: %s: %u more errors\n", path, rep->more);
}

bool policy_is_file(const char *name) {
	return strcmp(name, POLICY_DEFAULT) != 0 && strcmp(name, POLICY_OFF) != 0;
}

enum ht_rc
policy_load(struct ht_policy **out, const char *name, const struct ht_services *services) {
	static struct ht_policy_report rep;
	uint8_t *text = NULL;
	struct ht_span all = ht_policy_default();
	*out = NULL;
	if (strcmp(name, POLICY_OFF) == 0)
		return HT_OK;
	if (policy_is_file(name)) {
		text = malloc(HT_POLICY_BYTES_MAX + 1);
		if (text != NULL && !ht_read_file(name, text, HT_POLICY_BYTES_MAX + 1, &all.len)) {
			fprintf(stderr, "hellotap: %s: %s\n", name, strerror(errno));
			free(text);
			return HT_ERROR;
		}
		all.p = text;
	}
	const enum ht_rc rc = all.p != NULL ? ht_policy_parse(out, all, services, &rep) : HT_ERROR;
	free(text);
	if (rc == HT_BAD)
		say(name, &rep);
	else if (rc != HT_OK)
		fprintf(stderr, "hellotap: no memory for the policy of findings\n");
	return rc;
}

// --- printing -----------------------------------------------------------------------------------

void policy_print(const struct ht_policy *p, FILE *out) {
	for (unsigned i = 0; p != NULL && i < ht_policy_num(p); i++) {
		const struct ht_finding *f = ht_policy_finding(p, i);
		fprintf(out, "%-24s %-8s %s\n", f->name, ht_severities[f->severity], f->help);
	}
}

// Made of policies_head.md and policies_language.md.
extern const uint8_t policies_head[], policies_language[];
extern const size_t policies_head_len, policies_language_len;

static void print_fields(FILE *out) {
	fputs("\n### Fields\n\n"
	      "What a field means is in docs/fields.md. `compression`, the compression methods "
	      "that "
	      "are offered, is no\n"
	      "field of the records.\n\n| field | compared by |\n| --- | --- |\n"
	      "| `compression` | `has`, `any`, `all` |\n",
	      out);
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		const char *words = ht_policy_field(&ht_fields[i]);
		if (words == NULL || ht_fields[i].type == HT_TYPE_FLAG)
			continue;
		fprintf(out, "| `%s` | `has`", ht_fields[i].name);
		for (; *words != '\0'; words += strspn(words, " ")) {
			const int len = (int)strcspn(words, " ");
			fprintf(out, ", `%.*s`", len, words);
			words += len;
		}
		fputs(ht_fields[i].type == HT_TYPE_BOOL ? ", its name alone |\n" : " |\n", out);
	}
	fputs("\n### Conditions with a name of their own\n\n| condition | holds if |\n"
	      "| --- | --- |\n",
	      out);
	const char *help, *name;
	for (unsigned i = 0; (name = ht_policy_predicate(i, &help)) != NULL; i++)
		fprintf(out, "| `%s` | %s |\n", name, help);
}

static void print_finding(const struct ht_finding *f, FILE *out) {
	fprintf(out, "\n### %s\n\n*%s*: the client %s.", f->name, ht_severities[f->severity],
		f->help);
	if (f->why[0] != '\0')
		fprintf(out, " %s", f->why);
	fputs("\n\n", out);
	if (f->see[0] != '\0')
		fprintf(out, "- See: %s.\n", f->see);
	if (f->except[0] != '\0')
		fprintf(out, "- Exceptions: %s\n", f->except);
	fputs("- Told when:\n\n```\n", out);
	// A long one in its alternatives.
	const char *p = f->when;
	for (const char * or ; strlen(f->when) > 90 && (or = strstr(p, " or ")) != NULL; p = or +1)
		fprintf(out, "%.*s\n", (int)(or -p), p);
	fprintf(out, "%s\n```\n", p);
}

void policy_print_md(const struct ht_policy *p, FILE *out) {
	const unsigned num = p != NULL ? ht_policy_num(p) : 0;
	fwrite(policies_head, 1, policies_head_len, out);
	fputs("\n## The findings of the policy\n\n| finding | severity | the client |\n"
	      "| --- | --- | --- |\n",
	      out);
	for (unsigned i = 0; i < num; i++) {
		const struct ht_finding *f = ht_policy_finding(p, i);
		fprintf(out, "| [`%s`](#%s) | %s | %s |\n", f->name, f->name,
			ht_severities[f->severity], f->help);
	}
	for (unsigned i = 0; i < num; i++)
		print_finding(ht_policy_finding(p, i), out);
	fwrite(policies_language, 1, policies_language_len, out);
	fprintf(out,
		"%u findings, %u sets, %u numbers and ranges, %u texts of 255 bytes, 64 different "
		"comparisons of a field and %u\n"
		"fields, %u alternatives of a finding when its condition is written out with `or` "
		"outermost, %u comparisons in each,\n%u deep; the file 1 MiB.\n",
		HT_POLICY_FINDINGS_MAX, HT_POLICY_SETS_MAX, HT_POLICY_RANGES_MAX,
		HT_POLICY_TEXTS_MAX, HT_POLICY_FIELDS_MAX, HT_POLICY_TERMS_MAX,
		HT_POLICY_LITERALS_MAX, HT_POLICY_DEPTH_MAX);
	print_fields(out);
}
