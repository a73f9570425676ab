// SPDX-License-Identifier: BSD-3-Clause

#include "guess.h"

#define MAX_LEN 47

static char plain_char(char c) {
	return c == '-' || c == ' ' ? '_' : (char)ht_lower((uint8_t)c);
}

static unsigned distance(const char *a, size_t num_a, const char *b, size_t num_b) {
	unsigned rows[3][MAX_LEN + 1], *before = rows[0], *above = rows[1], *row = rows[2];
	for (unsigned k = 0; k <= num_b; k++)
		above[k] = k;
	for (size_t i = 1; i <= num_a; i++) {
		row[0] = (unsigned)i;
		for (size_t k = 1; k <= num_b; k++) {
			const char x = plain_char(a[i - 1]), y = plain_char(b[k - 1]);
			unsigned d = above[k - 1] + (x != y);
			d = above[k] + 1 < d ? above[k] + 1 : d;
			d = row[k - 1] + 1 < d ? row[k - 1] + 1 : d;
			if (i > 1 && k > 1 && x == plain_char(b[k - 2]) && y == plain_char(a[i - 2])
			    && before[k - 2] + 1 < d)
				d = before[k - 2] + 1;
			row[k] = d;
		}
		unsigned *reuse = before;
		before = above;
		above = row;
		row = reuse;
	}
	return above[num_b];
}

void ht_guess_consider(struct ht_guess *g, const char *name, unsigned most) {
	const size_t len = strlen(name);
	if (len > MAX_LEN || g->word.len > MAX_LEN)
		return;
	const unsigned d = distance((const char *)g->word.p, g->word.len, name, len);
	if (d <= most && (g->name == NULL || d < g->distance)) {
		g->name = name;
		g->distance = d;
	}
}
