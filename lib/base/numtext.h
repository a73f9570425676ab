// SPDX-License-Identifier: BSD-3-Clause
// numtext: 16-bit numbers as decimal text, looked up. The numbers in hellos are few and come again
// and again: looking one up costs a sixth of making it. Uses base.

#pragma once

#include "base.h"

// Up to five digits and what stands behind each number of a list; the last byte tells how many
// characters these are, 0 before the number is first asked for.
struct ht_num_text {
	char text[65536][8];
	char after;
};

// ht_num_text_new makes an empty table for lists with `after` behind each number. Half a megabyte,
// of which only the lines of numbers in use are ever touched. NULL: no memory.
struct ht_num_text *ht_num_text_new(char after);
void ht_num_text_free(struct ht_num_text *t);

void ht_num_text_make(struct ht_num_text *t, uint16_t v);

// ht_num_text_put writes v and what stands behind it, and returns the end. It stores 8 bytes: `out`
// has room for as many.
static inline char *ht_num_text_put(struct ht_num_text *t, char *out, uint16_t v) {
	uint64_t text;
	if (HT_UNLIKELY(t->text[v][7] == 0))
		ht_num_text_make(t, v);
	memcpy(&text, t->text[v], sizeof(text));
	memcpy(out, &text, sizeof(text));
	return out + t->text[v][7];
}
