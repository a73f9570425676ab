// SPDX-License-Identifier: BSD-3-Clause

#include "policies.h"

#include <errno.h>
#include <stdlib.h>

// --- reading ------------------------------------------------------------------------------------

static bool read_file(const char *path, uint8_t *text, size_t *len) {
	FILE *f = fopen(path, "rb");
	if (f == NULL) {
		fprintf(stderr, "hellotap: %s: %s\n", path, strerror(errno));
		return false;
	}
	*len = fread(text, 1, HT_POLICY_BYTES_MAX + 1, f);
	const bool ok = !ferror(f);
	if (!ok)
		fprintf(stderr, "hellotap: %s: %s\n", path, strerror(errno));
	fclose(f);
	return ok;
}

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
		if (text != NULL && !read_file(name, text, &all.len)) {
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

static const char head[]
	= "# Findings\n"
	  "\n"
	  "Made by `hellotap --findings=md` from the policy in force "
	  "(`policies/default.policy`); do not edit.\n"
	  "\n"
	  "Each hello has a field `findings`: a list of words, each of which says something of the "
	  "client that\n"
	  "sent it. A hello in which nothing is found has no such field. The flow record of a "
	  "connection has\n"
	  "what was found in the hello that it tells of. The table has them as the last of its "
	  "notes: all of them\n"
	  "in a file, on a terminal what fits. What is found, and its name, is ruled by a policy: "
	  "a text\n"
	  "file. One is built into the program and is in force if nothing else is said; it lies "
	  "in\n"
	  "`share/hellotap/policies/default.policy`, too, to be read and copied.\n"
	  "\n"
	  "    hellotap -r capture.pcap --policy my.policy     # another one\n"
	  "    hellotap -r capture.pcap --policy off           # none: no field `findings`\n"
	  "    hellotap --policy my.policy --check             # is it right?\n"
	  "    hellotap --policy my.policy --findings          # what is in it\n"
	  "\n"
	  "In a configuration file it is `policy` of the section `findings`. A policy is read when "
	  "the program\n"
	  "starts, and stays in force until it ends.\n"
	  "\n"
	  "A finding is a reason to look, not a verdict: see the exceptions of each. The severity "
	  "is the policy's\n"
	  "word for how much it matters where there is no exception; records do not have it.\n";

static const char language[]
	= "\n## The language\n"
	  "\n"
	  "A policy is words between blanks and line ends; `#` begins a comment that goes to the "
	  "end of its\n"
	  "line. It has four statements:\n"
	  "\n"
	  "```\n"
	  "include default                     # the built-in policy; stands before all else\n"
	  "drop no_pq                          # takes out a finding that stands above\n"
	  "\n"
	  "set @ours = \"h2\" \"http/1.1\"         # a set of texts ...\n"
	  "set @old_curves = 1..18 @more       # ... or of numbers, ranges and other sets above\n"
	  "\n"
	  "finding tls12_on_8443 warning       # a name, and info, notice, warning or critical\n"
	  "\twhen dst_port = 8443 and tls_version < \"TLS 1.3\"\n"
	  "\thelp \"speaks TLS 1.2 to the new gateway\"\n"
	  "\twhy \"All clients were to be changed by May.\"\n"
	  "\tsee \"ticket 4711\"\n"
	  "\texcept \"The printers on the third floor.\"\n"
	  "\n"
	  "finding foreign_alpn notice when service = \"https\" and has alpn and not alpn any "
	  "@ours\n"
	  "finding known_bot critical when ja4 in {\"t13d1516h2_8daaf6152771_*\"}\n"
	  "```\n"
	  "\n"
	  "`help` and what follows it may be left out. Texts that stand side by side are one. A "
	  "name "
	  "is a-z, 0-9\n"
	  "and `_`.\n"
	  "\n"
	  "### Conditions\n"
	  "\n"
	  "`and` binds closer than `or`, `not` closer than both; parentheses do as they do "
	  "elsewhere.\n"
	  "\n"
	  "| condition | holds if |\n"
	  "| --- | --- |\n"
	  "| `has FIELD` | the field is there |\n"
	  "| `FIELD = VALUE`, `!=` | it is there, and this value; it is there, and another one |\n"
	  "| `FIELD < VALUE`, `<=`, `>`, `>=` | it is there, a number or `tls_version`, and in "
	  "that "
	  "order |\n"
	  "| `FIELD in {VALUES}`, `FIELD in @SET` | it is there, and one of them |\n"
	  "| `LIST any {VALUES}`, `any @SET`, `any VALUE` | it is there, and one of its values is "
	  "among them |\n"
	  "| `LIST all {VALUES}`, `all @SET`, `all VALUE` | it is there, has a value, and each is "
	  "among them |\n"
	  "| `psk`, `early_data` and the like | that field is there, which is all that it can be "
	  "|\n";

static const char rules[]
	= "\n"
	  "- A value is a number (decimal, or hexadecimal behind `0x`), a range `1..18`, or a text "
	  "in quotes, in\n"
	  "  which `\\\"`, `\\\\`, `\\*` and `\\xNN` are one byte. A `*` at the begin or the end "
	  "of a "
	  "text is\n"
	  "  anything: `\"*.example.com\"`, `\"t13d*\"`, `\"*bot*\"`; elsewhere it is a fault.\n"
	  "- `sni` is compared without regard to capital letters, all other texts as they are.\n"
	  "- A word that the field never has is a fault, in `transport`, `protocol`, `ech`, "
	  "`incomplete_reason`\n"
	  "  and `service`: there the table of services in force and the built-in one count "
	  "(docs/services.md).\n"
	  "  One with a `*` is not looked at so.\n"
	  "- `tls_version` is compared by age: `\"SSL 2.0\"` to `\"TLS 1.3\"`. DTLS 1.0 is as old "
	  "as "
	  "TLS 1.1, DTLS 1.2 as\n"
	  "  TLS 1.2.\n"
	  "- In lists of numbers of 16 bits, GREASE (RFC 8701) is passed over: no such value is "
	  "ever "
	  "found.\n"
	  "- The cipher kinds of an SSL 2.0 hello are numbers of 24 bits.\n"
	  "- **Incomplete hellos**: what such a hello does not show is unknown, and a finding is "
	  "told "
	  "only if it\n"
	  "  holds whatever would have come. `not has sni` is never told of a hello whose "
	  "extensions "
	  "were not all seen,\n"
	  "  `ciphers any @rc4` is if the ciphers were.\n"
	  "\n"
	  "What is wrong with a policy is told with file, line and column, and the program does "
	  "not "
	  "start. Caps:\n";

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
	fputs(head, out);
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
	fputs(language, out);
	fputs(rules, out);
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
