// SPDX-License-Identifier: BSD-3-Clause
// guess: which of some names was meant by a word that is none of them.

#pragma once

#include "base.h"

// Begins with the word alone: {.word = ...}.
struct ht_guess {
	struct ht_span word;
	const char *name; // the nearest so far; NULL: none is near
	unsigned distance;
};

// ht_guess_consider keeps a name that is nearer than the one before and no more than `most`
// characters away: one more, less, another or two changed about count 1 (optimal string alignment).
// Large and small letters are the same, and so are blank, "-" and "_". Names and words of more than
// 47 bytes are near to none.
void ht_guess_consider(struct ht_guess *g, const char *name, unsigned most);
