// SPDX-License-Identifier: BSD-3-Clause
// config: a YAML file read into plain structs by tables of options (option.h); the docs and an
// example made of the same tables. Uses base. libyaml reads the syntax; without it
// (-Dconfig=disabled) all is there but loading.
//
// A file is one document of mappings, lists and scalars, in UTF-8, of HT_CONFIG_BYTES_MAX at most
// and HT_CONFIG_DEPTH_MAX deep. What YAML has beyond that (tags, anchors, aliases) is refused.
// Values:
//   a number    decimal digits; K, M or G behind them multiply by 1024, 1024^2 or 1024^3
//   a boolean   true or false, without quotes
//   a word      one of those listed
//   a text      any scalar; "" is the empty text
//   a list      [a, b] or a line "- a" an element; without a value it is empty
//   a section   a mapping; without a value, all of it is as if not given
// A table is trusted, a file is not: what is wrong in it is told with line and column, all of it at
// once, and every way to be wrong is HT_BAD.

#pragma once

#include "option.h"

#include <stdio.h>

#define HT_CONFIG_BYTES_MAX (1u << 20)
#define HT_CONFIG_DEPTH_MAX 16
#define HT_CONFIG_ERRORS_MAX 20

// A place in a file, from 1; columns are characters. {0}: none.
struct ht_config_pos {
	uint32_t line, column;
};

// --- what is wrong ------------------------------------------------------------------------------

struct ht_config_error {
	struct ht_config_pos pos; // {0}: the file as such
	char text[512]; // one line
};

struct ht_config_errors {
	const char *file; // for the messages; borrowed
	struct ht_config_error v[HT_CONFIG_ERRORS_MAX]; // in the order of the file
	unsigned num, more; // those kept, those found when these were full
};

// ht_config_complain adds an error, as a program does after checks of its own.
__attribute__((format(printf, 3, 4))) void
ht_config_complain(struct ht_config_errors *e, struct ht_config_pos pos, const char *format, ...);

// ht_config_print_errors writes a line for each, "FILE:LINE:COLUMN: text", and how many more.
void ht_config_print_errors(const struct ht_config_errors *e, FILE *out);

// ht_option_near is the name in a table that was most likely meant by one that is not in it, or
// NULL.
const char *ht_option_near(const struct ht_option_table *t, struct ht_span name);

// --- reading ------------------------------------------------------------------------------------

// What a file gave: the texts and lists that a struct points to, and where each value stood.
struct ht_config;

// ht_config_defaults gives every option of the struct `to` its default; lists are empty.
void ht_config_defaults(const struct ht_option_table *root, void *to);

// ht_config_load reads a file, "-" for standard input, into the struct `to`. An option that the
// file does not have gets its default. It returns
//   HT_OK     *out is to be freed by ht_config_free, after the last use of the struct
//   HT_BAD    something is wrong in the file; *errors has it
//   HT_ERROR  it cannot be read, or there is no memory or no libyaml; *errors has that
// and but for HT_OK *out is NULL and the struct holds the defaults. *errors is written in any case
// and borrows `path`; *out borrows the table.
HT_MUST_USE enum ht_rc ht_config_load(
	struct ht_config **out,
	const char *path,
	const struct ht_option_table *root,
	void *to,
	struct ht_config_errors *errors
);

// ht_config_load_text does the same with a text, which it borrows for the call. `name` is what
// the messages call it.
HT_MUST_USE enum ht_rc ht_config_load_text(
	struct ht_config **out,
	const char *name,
	struct ht_span text,
	const struct ht_option_table *root,
	void *to,
	struct ht_config_errors *errors
);

// NULL is allowed.
void ht_config_free(struct ht_config *c);

// ht_config_where tells where the value stood that is now at `value`: an option's, a list's or an
// element's. {0}: the file does not have it. ht_config_where_section does so for the struct of a
// section, which may have the address of its first value.
struct ht_config_pos ht_config_where(const struct ht_config *c, const void *value);
struct ht_config_pos ht_config_where_section(const struct ht_config *c, const void *section);

// --- two structs --------------------------------------------------------------------------------

// ht_config_changes calls `changed` for each option that differs, with its path
// ("sensor.max_flows", "sinks[1].path"; valid during the call). A list differs as a whole, but for
// a list of sections of the same length, whose options are compared one by one. Whether the change
// can be made without a restart is o->reload.
void ht_config_changes(
	const struct ht_option_table *root,
	const void *was,
	const void *is,
	void (*changed)(void *ctx, const char *path, const struct ht_option *o),
	void *ctx
);

// --- writing ------------------------------------------------------------------------------------

// ht_config_write writes a struct that was loaded as a file that loads to the same, in UTF-8.
// HT_ERROR: `out` failed, or no memory.
HT_MUST_USE enum ht_rc
ht_config_write(const struct ht_option_table *root, const void *values, FILE *out);

// ht_options_example writes a file that has every option with its default and its help, and loads.
// What is not there by default (a list, a text that has none, a section that must have something)
// is commented out, by a "#" without a space behind it, as no prose is. HT_ERROR: `out` failed, or
// no memory.
HT_MUST_USE enum ht_rc ht_options_example(const struct ht_option_table *root, FILE *out);

// ht_options_md writes docs/options.md: how a file is written, and each section's options.
void ht_options_md(const struct ht_option_table *root, FILE *out);
