// SPDX-License-Identifier: BSD-3-Clause
// What the files that read a list share: watchlist_read.c the lines, watchlist_condition.c the
// conditions, watchlist_entry.c what is kept of them.

#pragma once

#include "watchlist_int.h"

#include <stdio.h>
#include <strings.h>

// An entry as it is read.
struct entry {
	struct wl_value v[HT_WATCHLIST_CONDITIONS_MAX];
	unsigned num;
	struct ht_span text, label;
	uint8_t severity;
};

// --- text ---------------------------------------------------------------------------------------

static inline bool is_blank(uint8_t c) {
	return c == ' ' || c == '\t';
}

static inline struct ht_span skip(struct ht_span s, size_t n) {
	return HT_SPAN(s.p + n, s.len - n);
}

static inline struct ht_span skip_blank(struct ht_span s) {
	while (s.len > 0 && is_blank(s.p[0]))
		s = skip(s, 1);
	return s;
}

static inline struct ht_span trim_end(struct ht_span s) {
	while (s.len > 0 && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

// take_until takes what stands before one of the bytes.
static inline struct ht_span take_until(struct ht_span *s, const char *stop) {
	size_t n = 0;
	while (n < s->len && strchr(stop, s->p[n]) == NULL)
		n++;
	const struct ht_span taken = HT_SPAN(s->p, n);
	*s = skip(*s, n);
	return taken;
}

static inline bool is_word(struct ht_span s, const char *word) {
	return s.len == strlen(word) && strncasecmp((const char *)s.p, word, s.len) == 0;
}

static inline enum ht_rc bad(char reason[200], const char *why) {
	snprintf(reason, 200, "%s", why);
	return HT_BAD;
}

// --- watchlist_condition.c ----------------------------------------------------------------------

// What reads a value writes all of *v. HT_BAD: with the reason. wl_take_condition takes one off the
// text, of any kind.
enum ht_rc wl_take_condition(struct wl_value *v, struct ht_span *s, char reason[200]);
enum ht_rc wl_read_name(struct wl_value *v, struct ht_span in, char reason[200]);
enum ht_rc wl_read_ja3(struct wl_value *v, struct ht_span in, char reason[200]);

// --- watchlist_entry.c --------------------------------------------------------------------------

// wl_add_entry stores an entry, or tells why it is left out. But for HT_OK there was no room.
enum ht_rc wl_add_entry(struct wl_load *l, const struct entry *e);
