// SPDX-License-Identifier: BSD-3-Clause

#include "proto.h"

#include "protobuf.h"
#include "record.h"

struct proto_type {
	const char *type, *for_c;
	const char *help; // NULL: nothing to add to what the field's help says
};

static const struct proto_type types[HT_NUM_TYPES] = {
	[HT_TYPE_BOOL] = {"optional bool", "optional bool", NULL},
	[HT_TYPE_FLAG] = {"optional bool", "optional bool", NULL},
	[HT_TYPE_U8] = {"optional uint32", "optional uint32", "0 to 255"},
	[HT_TYPE_U16] = {"optional uint32", "optional uint32", "0 to 65535"},
	[HT_TYPE_U32] = {"optional uint32", "optional uint32", NULL},
	[HT_TYPE_U64] = {"optional uint64", "optional uint64", NULL},
	[HT_TYPE_STR] = {"optional string", "optional string", NULL},
	[HT_TYPE_TEXT] = {"optional bytes", "optional bytes", "text as sent, UTF-8 or not"},
	[HT_TYPE_HEX] = {"optional bytes", "optional bytes", NULL},
	[HT_TYPE_ASCII] = {"optional string", "optional bytes", NULL},
	[HT_TYPE_IP] = {"optional bytes", "optional bytes", "4 bytes of IPv4 or 16 of IPv6"},
	[HT_TYPE_MAC] = {"optional bytes", "optional bytes", "6 bytes"},
	[HT_TYPE_TIME] = {"optional sfixed64", "optional sfixed64", "ns since the Unix epoch"},
	[HT_TYPE_SECONDS] = {"optional int64", "optional int64", "seconds since the Unix epoch"},
	[HT_TYPE_U16S] = {"repeated uint32", "repeated uint32", "each 0 to 65535"},
	[HT_TYPE_U8S] = {"repeated uint32", "repeated uint32", "each 0 to 255"},
	[HT_TYPE_VARINTS] = {"repeated uint64", "repeated uint64", "each 0 to 2^62-1"},
	[HT_TYPE_NAMES] = {"repeated bytes", "repeated bytes", "texts as sent, UTF-8 or not"},
	[HT_TYPE_STRS] = {"repeated string", "repeated string", NULL},
	[HT_TYPE_TEXTS] = {"repeated string", "repeated bytes", NULL},
	[HT_TYPE_MATCHES] = {"repeated Match", "repeated Match", NULL},
};
#define T(id, ctype, json, help) \
	_Static_assert(HT_TYPE_##id < HT_TYPE_MATCHES + 1, #id ": a line in the table above, too");
HT_TYPES(T)
#undef T

static const char head[]
	= "// Records of hellotap in Protocol Buffers.\n"
	  "//\n"
	  "// Made by `hellotap --fields=proto` from the field table (lib/record/record.h); do not "
	  "edit.\n"
	  "//\n"
	  "// Names are those of the JSON output. The number of a field never changes, and a new "
	  "one takes\n"
	  "// the next number: a reader with an older schema skips what it does not know. A field "
	  "that is\n"
	  "// not in a message has no value; 0 and false are values.\n";

#define COLUMNS 100
#define INDENT "  // "

// put_comment wraps `text` into lines of a comment; `column` is where it goes on in the line that
// stands already, and where it ends is returned.
static unsigned put_comment(FILE *out, unsigned column, const char *text) {
	while (*text != '\0') {
		const unsigned n = (unsigned)strcspn(text, " ");
		if (column == 0 || column + 1 + n > COLUMNS)
			column = (unsigned)fprintf(
					 out, "%s" INDENT "%.*s", column == 0 ? "" : "\n", (int)n,
					 text
				 )
				 - (column != 0);
		else
			column += (unsigned)fprintf(out, " %.*s", (int)n, text);
		text += n + (text[n] == ' ');
	}
	return column;
}

static void put_field(FILE *out, const char *type, const char *name, unsigned number, bool for_c) {
	// What is the default in proto3.
	const char *packed
		= for_c && strncmp(type, "repeated uint", 13) == 0 ? " [packed=true]" : "";
	fprintf(out, "\n  %s %s = %u%s;\n", type, name, number, packed);
}

void proto_print(FILE *out, int for_c) {
	fprintf(out, "%s\nsyntax = \"%s\";\n\npackage hellotap;\n\nmessage Record {\n", head,
		for_c ? "proto2" : "proto3");
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		const struct ht_field *f = &ht_fields[i];
		const struct proto_type *t = &types[f->type];
		unsigned column = put_comment(out, 0, f->help);
		if (t->help != NULL)
			put_comment(out, column + (unsigned)fprintf(out, ":"), t->help);
		put_field(out, for_c ? t->for_c : t->type, f->name, f->number, for_c);
	}
#define X(type, id, number, type_for_c, help) \
	put_comment(out, 0, help); \
	put_field(out, for_c ? type_for_c : type, #id, number, for_c);
	PROTO_EXTRAS(X)
#undef X
	fputs("}\n\n// An entry of a watchlist that matches.\nmessage Match {", out);
#define X(type, id, number, type_for_c, help) \
	fputc('\n', out); \
	put_comment(out, 0, help); \
	put_field(out, for_c ? type_for_c : type, #id, number, for_c);
	PROTO_MATCH(X)
#undef X
	fputs("}\n", out);
}

void ht_print_proto(FILE *out) {
	proto_print(out, false);
}
