// SPDX-License-Identifier: BSD-3-Clause

#include "ipfix_text.h"

#include "utf8.h"

#include <stdlib.h>

static bool is_ascii(struct ht_span text) {
	const uint8_t *p = text.p;
	size_t n = text.len;
	uint64_t all = 0;
	for (; n >= 8; n -= 8, p += 8) {
		uint64_t x;
		memcpy(&x, p, 8);
		all |= x;
	}
	for (; n > 0; n--)
		all |= *p++;
	return (all & 0x8080808080808080) == 0;
}

bool ipfix_is_utf8(struct ht_span text) {
	if (is_ascii(text))
		return true;
	for (size_t i = 0; i < text.len;) {
		const unsigned n = ht_utf8_len(text.p + i, text.len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

// A text that is being written; `full` when something did not fit.
struct writer {
	uint8_t *p, *at, *end;
	bool full;
};

static struct writer begin(struct ipfix_room room) {
	return (struct writer){room.p, room.p, room.p + room.len, false};
}

static bool done(struct ht_span *out, const struct writer *w) {
	*out = HT_SPAN(w->p, (size_t)(w->at - w->p));
	return !w->full;
}

static void put(struct writer *w, const void *from, size_t n) {
	if (n > (size_t)(w->end - w->at)) {
		w->full = true;
		return;
	}
	w->at = mempcpy(w->at, from, n);
}

static void put_byte(struct writer *w, uint8_t b) {
	put(w, &b, 1);
}

static void put_escaped(struct writer *w, const uint8_t b) {
	char text[4] = "\\x";
	ht_hex(text + 2, &b, 1);
	put(w, text, sizeof(text));
}

static void put_text(struct writer *w, struct ht_span text, char separator) {
	for (size_t i = 0; i < text.len && !w->full;) {
		const uint8_t *const p = text.p + i;
		const unsigned n = ht_utf8_len(p, text.len - i);
		const bool looks_escaped = p[0] == '\\' && i + 1 < text.len && p[1] == 'x';
		if (n == 0 || looks_escaped || (separator != '\0' && p[0] == (uint8_t)separator))
			put_escaped(w, p[0]);
		else
			put(w, p, n);
		i += n > 0 ? n : 1;
	}
}

bool ipfix_utf8(struct ht_span *out, struct ipfix_room room, struct ht_span text) {
	struct writer w = begin(room);
	put_text(&w, text, '\0');
	return done(out, &w);
}

bool ipfix_names(
	struct ht_span *out, struct ipfix_room room, struct ht_span names, char separator
) {
	struct writer w = begin(room);
	for (size_t i = 0; i < names.len; i += 1u + names.p[i]) {
		if (i > 0)
			put_byte(&w, (uint8_t)separator);
		put_text(&w, HT_SPAN(names.p + i + 1, names.p[i]), separator);
	}
	return done(out, &w);
}

bool ipfix_matches(struct ht_span *out, struct ipfix_room room, struct ht_span matches) {
	struct writer w = begin(room);
	struct ht_match m;
	while (ht_match_next(&matches, &m)) {
		if (w.at > w.p)
			put_byte(&w, ',');
		put_text(&w, m.list, ',');
		put_byte(&w, ':');
		put_text(&w, m.entry, ',');
	}
	return done(out, &w);
}

bool ipfix_words(struct ht_span *out, struct ipfix_room room, const struct ht_strs *words) {
	struct writer w = begin(room);
	for (unsigned i = 0; i < words->num; i++) {
		if (i > 0)
			put_byte(&w, ',');
		put(&w, words->s[i], strlen(words->s[i]));
	}
	return done(out, &w);
}

bool ipfix_texts(struct ht_span *out, struct ipfix_room room, const struct ht_texts *texts) {
	struct writer w = begin(room);
	for (unsigned i = 0; i < texts->num; i++) {
		if (i > 0)
			put_byte(&w, ',');
		put(&w, texts->s[i], texts->len[i]);
	}
	return done(out, &w);
}

// RFC 4514 2.4 and 3: a value ends at a comma or a plus that no backslash escapes; a backslash
// stands before a character, or before the two hex digits of a byte.
static size_t value_end(struct ht_span name, size_t at, struct writer *w) {
	for (; at < name.len && name.p[at] != ',' && name.p[at] != '+'; at++) {
		uint8_t b = name.p[at], byte;
		if (b == '\\' && at + 1 < name.len) {
			b = name.p[++at];
			if (at + 1 < name.len && ht_unhex(&byte, 1, name.p + at)) {
				b = byte;
				at++;
			}
		}
		if (w != NULL)
			put_byte(w, b);
	}
	return at;
}

bool ipfix_name_part(
	struct ht_span *out, struct ipfix_room room, struct ht_span name, const char *type
) {
	struct writer w = begin(room);
	const size_t n = strlen(type);
	for (size_t at = 0; at < name.len;) {
		while (at < name.len && name.p[at] == ' ')
			at++;
		const bool it = name.len - at > n && memcmp(name.p + at, type, n) == 0
				&& name.p[at + n] == '=';
		at = value_end(name, it ? at + n + 1 : at, it ? &w : NULL) + 1;
		if (it)
			break;
	}
	struct ht_span value;
	if (!done(&value, &w))
		return false;
	if (ipfix_is_utf8(value)) {
		*out = value;
		return true;
	}
	// The value moves up: what becomes of it stands behind it, and both are in the scratch.
	struct ipfix_room rest = {room.p + value.len, room.len - value.len};
	struct ht_span text;
	const bool ok = ipfix_utf8(&text, rest, value);
	memmove(room.p, text.p, text.len);
	*out = HT_SPAN(room.p, text.len);
	return ok;
}
