// SPDX-License-Identifier: BSD-3-Clause

#include "fields.h"

#include "record.h"

void ht_print_fields(FILE *out) {
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		const struct ht_field *f = &ht_fields[i];
		fprintf(out, "%-26s %-9s %s\n", f->name, ht_types[f->type].json, f->help);
	}
}

static const char head[]
	= "# Fields of a record\n"
	  "\n"
	  "Made by `hellotap --fields=md` from the field table (`lib/record/record.h`); do not "
	  "edit.\n"
	  "\n"
	  "## JSON\n"
	  "\n"
	  "A record is one flat JSON object on one line. Keys stand in the order of the table "
	  "below. A\n"
	  "field without a value is left out; an empty list is a list that was sent empty. Numbers "
	  "are\n"
	  "numbers (those of more than 53 bits too: read them with a parser that keeps 64), lists "
	  "are\n"
	  "arrays, bytes are lower-case hex. Records of the kind `stats` have one member more, "
	  "`ledger`: an\n"
	  "object of all counters, with objects inside (docs/counters.md).\n"
	  "\n"
	  "Times are UTC in RFC 3339 form with 6 digits of a second, or 9 where the capture keeps\n"
	  "nanoseconds: `2026-11-21T01:02:03.123456Z`. IPv6 addresses are in the form of RFC 5952, "
	  "IPv4\n"
	  "addresses are dotted.\n"
	  "\n"
	  "### Text as sent\n"
	  "\n"
	  "`sni`, `alpn` and `quic_user_agent` are whatever the client sent, at any length and in "
	  "any\n"
	  "bytes. The output is always valid UTF-8, and no byte is lost:\n"
	  "\n"
	  "- A byte that is not part of well-formed UTF-8 (overlong forms and surrogates are not) "
	  "becomes\n"
	  "  the four characters `\\xNN`. The JSON text then has `\\\\xNN`.\n"
	  "- A backslash that was sent in front of an `x` becomes `\\x5c`, so that `\\x41` as "
	  "typed by a\n"
	  "  sender (`\\x5cx41`) is not taken for an escaped byte. Any other backslash is a "
	  "backslash,\n"
	  "  `\\\\` in the JSON text.\n"
	  "- Control characters (below 0x20, and 0x7f) are `\\u00NN` of JSON.\n"
	  "\n"
	  "To get the bytes back: decode the JSON string, then replace each `\\xNN` by its byte, "
	  "from left\n"
	  "to right.\n"
	  "\n"
	  "## CSV\n"
	  "\n"
	  "RFC 4180, lines ended by CR LF. The first line has the names of the fields that the "
	  "kinds of "
	  "record\n"
	  "written can have, and each record has a cell for each of them; a field without a value "
	  "is an "
	  "empty\n"
	  "cell. Values are as in JSON "
	  "without\n"
	  "the quotes, apart from these:\n"
	  "\n"
	  "- A cell with a comma or a quote stands in quotes, and quotes in it are doubled.\n"
	  "- The items of a list have one space between them: `4865 4866`, `h2 http/1.1`. A space "
	  "inside\n"
	  "  an item is `\\x20`. A list that was sent empty looks like one that was not sent.\n"
	  "- A control character in text is `\\xNN`, as a byte that is not UTF-8 is: no cell holds "
	  "a line\n"
	  "  break, and a record is always one line.\n"
	  "\n"
	  "Text is under the client's control. A spreadsheet takes a cell that begins with `=`, "
	  "`+`, `-` or\n"
	  "`@` for a formula: import the columns as text.\n"
	  "\n";

static void put_kinds(FILE *out, unsigned kinds) {
	const char *separator = "";
	if (kinds == HT_KINDS_ALL)
		fputs("all", out);
	for (unsigned i = 0; kinds != HT_KINDS_ALL && i < HT_NUM_KINDS; i++)
		if (kinds >> i & 1) {
			fprintf(out, "%s%s", separator, ht_kind_names[i]);
			separator = " ";
		}
}

void ht_print_fields_md(FILE *out) {
	fputs(head, out);
	fputs("## Fields\n\n| name | number | records | JSON type | meaning | value |\n"
	      "| --- | --- | --- | --- | --- | --- |\n",
	      out);
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		const struct ht_field *f = &ht_fields[i];
		const struct ht_type_info *t = &ht_types[f->type];
		fprintf(out, "| `%s` | %u | ", f->name, f->number);
		put_kinds(out, f->kinds);
		fprintf(out, " | %s | %s | %s |\n", t->json, f->help, t->help);
	}
}
