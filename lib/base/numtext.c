// SPDX-License-Identifier: BSD-3-Clause

#include "numtext.h"

#include <stdlib.h>

struct ht_num_text *ht_num_text_new(char after) {
	struct ht_num_text *t = calloc(1, sizeof(*t));
	if (t != NULL)
		t->after = after;
	return t;
}

void ht_num_text_free(struct ht_num_text *t) {
	free(t);
}

void ht_num_text_make(struct ht_num_text *t, uint16_t v) {
	char *end = ht_u64_dec(t->text[v], v);
	*end++ = t->after;
	t->text[v][7] = (char)(end - t->text[v]);
}
