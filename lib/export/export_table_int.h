// SPDX-License-Identifier: BSD-3-Clause
// What the files of the table share.
//
//   export_table.c        the sink; hellos and events
//   export_table_flows.c  flows and aggregates
//   export_line.c         a line in the making, and what stands in a cell

#pragma once

#include "export_int.h"

#define ELLIPSIS "\xe2\x80\xa6"
#define CELL_MAX 200u // columns

// A JA4 is cut only between its parts: a_b_c is 36 characters.
#define JA4_LEN 36u
#define JA4_A 10u

#define DATE_LEN 10u // 2026-11-21
#define SECOND_LEN 19u // 2026-11-21T01:02:03

// `at` counts columns, not bytes.
struct line {
	char *out;
	unsigned at;
	bool color;
};

extern const char line_plain[], line_bold[], line_dim[], line_red[], line_green[], line_yellow[],
	line_cyan[];

void line_put(struct line *l, const char *color, struct ht_span text);
void line_go(struct line *l, unsigned at);

// line_cut writes well-formed UTF-8, with an ellipsis in the place of what is too long.
void line_cut(struct line *l, const char *color, struct ht_span text, unsigned columns);

// line_peer writes an address and its port, or the MAC address where there is no IP. `prefix` is
// "", or the bits of a network: "/24".
void line_peer(
	const struct ht_sink *s,
	struct line *l,
	unsigned columns,
	const uint8_t *ip,
	const uint8_t *mac,
	const uint16_t *port,
	const char *prefix
);
void line_end(struct line *l);

// text_columns counts each sequence of UTF-8 once.
unsigned text_columns(struct ht_span text);

// text_sent writes text as sent. No column is made of more than 4 bytes, so what is behind
// 4 * columns is cut anyway.
#define SENT_MAX(columns) (4u * ((columns) + 1))
#define ESCAPED_MAX (4u * SENT_MAX(CELL_MAX))
char *text_sent(char *out, struct ht_span text, unsigned columns, const char *also);

// text_quic writes QUICv1, QUICv2, QUIC-29 (a draft), Q050 (gQUIC, whose versions are text), or
// QUIC.
char *text_quic(char *out, uint32_t version);

#define NOTE_MAX 96u // the longest evidence
#define NOTES_MAX (48u + HT_STRS_MAX) // of which the findings

// All notes of a record, ASCII.
struct notes {
	struct note {
		const char *color;
		char text[NOTE_MAX];
		unsigned len;
	} note[NOTES_MAX];
	unsigned num;
	unsigned len; // with a space between two
};

// note_add adds "ab", as much of it as there is room for.
void note_add(struct notes *n, const char *color, const char *a, struct ht_span b);

// note_words adds each of them; NULL is none.
void note_words(struct notes *n, const char *color, const struct ht_strs *words);

// note_matches adds the first match of a watchlist, LIST:ENTRY, and how many more there are.
void note_matches(struct notes *n, const struct ht_record *r);

// text_ascii writes the first NOTE_MAX bytes, those that are not printable ASCII as \xNN: 4 *
// NOTE_MAX at most, and no NUL.
char *text_ascii(char *out, struct ht_span text);

// color_of is the color of a severity.
const char *color_of(struct ht_span severity);

// line_notes writes them from column `start` on, with an ellipsis before `end` where it must.
void line_notes(struct line *l, const struct notes *n, unsigned start, unsigned end);

// --- flows and aggregates ---

#define MAX_COLUMNS 16u

struct layout {
	struct column {
		const char *title;
		unsigned width, start;
		bool right; // numbers
		void (*put
		)(struct ht_sink *s,
		  struct line *l,
		  const struct column *c,
		  const struct ht_record *r);
	} c[MAX_COLUMNS];
	unsigned num;
	unsigned notes; // where they start
	unsigned end; // no line goes on behind it
	ht_fieldset shown; // fields of a key that have a column, or would have one with more room
};

// `width` is that of the terminal; is_file: there is none, and notes are not cut.
void flow_layout(struct layout *t, unsigned width, bool is_file);

// `key` is the fields of the key.
void aggregate_layout(struct layout *t, ht_fieldset key, unsigned width, bool is_file);

void layout_header(struct line *l, const struct layout *t);
// layout_row writes a record, but for the end of its line. `time` is 2026-11-21T01:02:03.123456Z.
void layout_row(
	struct ht_sink *s,
	struct line *l,
	const struct layout *t,
	const struct ht_record *r,
	const char *time
);
