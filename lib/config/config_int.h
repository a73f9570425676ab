// SPDX-License-Identifier: BSD-3-Clause
// config_int: what the files of config share. Private to the module.

#pragma once

#include "config.h"

// --- memory that goes together ------------------------------------------------------------------

struct ht_pool {
	struct ht_pool_block *blocks;
};

// ht_pool_get returns n zeroed bytes that last until ht_pool_free. NULL: no memory.
void *ht_pool_get(struct ht_pool *p, size_t n);
void ht_pool_free(struct ht_pool *p);

// --- text ---------------------------------------------------------------------------------------

// ht_utf8 reads the character that a text begins with and returns its bytes; 0: it is not UTF-8.
// The text is not empty.
unsigned ht_utf8(struct ht_span text, uint32_t *c);

// ht_printable tells characters that YAML takes as they are and that do nothing to a terminal: no
// controls, and none of what some take for the end of a line.
bool ht_printable(uint32_t c);

// ht_config_check_text finds the first place where a file is no text, and says so. A byte order
// mark in front is taken off.
HT_MUST_USE enum ht_rc ht_config_check_text(struct ht_span *text, struct ht_config_errors *errors);

struct ht_quoted {
	char text[64];
};

// ht_quote makes text from a file fit for a message: in quotes, escaped, and cut.
struct ht_quoted ht_quote(const char *text, size_t len);

// --- the tree of a file -------------------------------------------------------------------------

enum ht_node_kind {
	HT_NODE_SCALAR,
	HT_NODE_LIST,
	HT_NODE_MAPPING,
	HT_NODE_REFUSED, // an error was told; nothing more is to be said about it
};

struct ht_node {
	enum ht_node_kind kind;
	bool plain; // SCALAR: without quotes, and no block
	struct ht_config_pos pos;
	const char *text; // SCALAR: ended by NUL, and without one inside
	size_t len;
	struct ht_node *first; // LIST: elements; MAPPING: keys
	unsigned num; // of these
	struct ht_node *next; // beside it
	struct ht_node *value; // of a key
};

// ht_config_tree reads a text as YAML. On HT_OK, *top is in `pool`, and there may be errors all
// the same; HT_BAD: the tree could not be made.
HT_MUST_USE enum ht_rc ht_config_tree(
	struct ht_node **top,
	struct ht_pool *pool,
	struct ht_span text,
	struct ht_config_errors *errors
);

// ht_node_is_null tells a scalar without a value: nothing, ~ or null.
bool ht_node_is_null(const struct ht_node *n);

// --- tables -------------------------------------------------------------------------------------

// Where an option stands, from the innermost name up.
struct ht_path {
	const struct ht_path *up; // NULL: the root, which has no name
	const char *name; // NULL: an element of a list, `index`
	unsigned index;
};

// Always ended by NUL, cut where it does not fit.
void ht_path_text(char *out, size_t size, const struct ht_path *path);

// The address of an option's value in a struct.
static inline void *ht_option_at(const struct ht_option *o, const void *in) {
	return (char *)in + o->offset;
}

// What an element of a list is: the type of a scalar, SECTION of SECTIONS, and its size.
enum ht_option_type ht_option_element(const struct ht_option *o, size_t *size);

// The elements of a list of any type, and their number.
void *ht_option_elements(const void *list, unsigned *num);

#define HT_OPTION_VALUES_LEN 1000

// ht_option_values says what values there are: "a number from 1 to 64", "one of a, b". For a list,
// `type` is that of an element.
void ht_option_values(
	char out[HT_OPTION_VALUES_LEN], const struct ht_option *o, enum ht_option_type type
);

// ht_option_no_default tells what is not there by default: a list, a text that has none, a section
// that must have something.
bool ht_option_no_default(const struct ht_option *o);

// ht_put_text writes a text as YAML, in double quotes, or as a cell of a Markdown table.
void ht_put_text(FILE *out, const char *text, bool cell);

// --- reading ------------------------------------------------------------------------------------

struct ht_config {
	struct ht_pool kept; // texts and lists
	struct ht_config_place {
		const void *at;
		bool section;
		struct ht_config_pos pos;
	} * places;
	size_t num_places, max_places;
};

// ht_config_read puts a tree into the struct `to`, which holds the defaults. What is wrong goes to
// `errors`. `scratch` is for what the walk needs. HT_ERROR: no memory.
HT_MUST_USE enum ht_rc ht_config_read(
	struct ht_config *c,
	const struct ht_node *top,
	struct ht_pool *scratch,
	const struct ht_option_table *root,
	void *to,
	struct ht_config_errors *errors
);

// --- saying -------------------------------------------------------------------------------------

// Whether a message would be counted and no more, so that none need be made.
static inline bool ht_config_full(const struct ht_config_errors *e) {
	return e->num == HT_CONFIG_ERRORS_MAX;
}

// Each says one thing. `path` is that of the option or element; for a key, of the section that it
// stands in (NULL: the root).

// ht_say_value: the node is no value of the option, or of the list's element.
void ht_say_value(
	struct ht_config_errors *e,
	const struct ht_option *o,
	const struct ht_node *n,
	const struct ht_path *path
);
// ht_say_missing: a section does not have an option that is required.
void ht_say_missing(
	struct ht_config_errors *e,
	const struct ht_option *o,
	const struct ht_node *section,
	const struct ht_path *path
);
// ht_say_unknown: a section has a key that is none of its options.
void ht_say_unknown(
	struct ht_config_errors *e,
	const struct ht_option_table *root,
	const struct ht_option_table *table,
	const struct ht_node *key,
	const struct ht_path *path
);
