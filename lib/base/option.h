// SPDX-License-Identifier: BSD-3-Clause
// option: descriptors of options. A module has its options in a table of these; the configuration
// file, --help and docs/options.md are made from the tables. Uses base.

#pragma once

#include "base.h"

// T(id, C type of the value, help)
#define HT_OPTION_TYPES(T) \
	T(BOOL, bool, "true or false") \
	T(U32, uint32_t, "a number") \
	T(CHOICE, uint32_t, "one of a few words; the value is its index") \
	T(TEXT, const char *, "text; NULL when not given") \
	T(TEXTS, struct ht_option_texts, "a list of texts") \
	T(U32S, struct ht_option_u32s, "a list of numbers") \
	T(SECTION, (none), "a mapping of other options, in place") \
	T(SECTIONS, struct ht_option_sections, "a list of such mappings")

enum ht_option_type {
#define T(id, ctype, help) HT_OPTION_##id,
	HT_OPTION_TYPES(T)
#undef T
		HT_NUM_OPTION_TYPES
};

struct ht_option_texts {
	const char **v;
	unsigned num;
};

struct ht_option_u32s {
	uint32_t *v;
	unsigned num;
};

// `v` is an array of `num` structs, of the size that the option says.
struct ht_option_sections {
	void *v;
	unsigned num;
};

struct ht_option {
	const char *name; // as in the file: max_flows
	const char *help; // a line, without a full stop
	size_t offset; // of the value in the struct of the table; SECTION: of the inner struct
	enum ht_option_type type;
	uint32_t def, least, most; // U32, and each of U32S; BOOL and CHOICE use `def`
	unsigned max; // the most elements of a list, whose default is to have none
	const char *def_text; // TEXT: the default, or NULL; TEXTS: an element, for the example
	const char *const *choices; // CHOICE: the words, ended by NULL
	const struct ht_option_table *sub; // SECTION, SECTIONS
	// Where its section is in the file, it must be there, and a list have an element. Its
	// default is what the example shows.
	bool required;
	bool reload; // what may change while the program runs (SIGHUP)
};

struct ht_option_table {
	const char *title; // what the section is, for the docs
	const struct ht_option *options;
	unsigned num;
	size_t size; // of the struct
};
