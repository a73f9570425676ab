// SPDX-License-Identifier: BSD-3-Clause
// t_json: a strict reader of the flat JSON objects that sinks write (RFC 8259), written apart from
// the code under test. It accepts no white space, since none is written.

#pragma once

#include "t.h"

struct t_json {
	const char *p; // what has not been read, terminated
};

// Kinds of values: s string, n number, b boolean; S, N lists of them; O list of objects of strings;
// E empty list.
struct t_json_item {
	char key[64];
	char kind;
	const char *value; // as it stands in the text
	size_t len;
};

static inline bool t_json_is(struct t_json *j, const char *what) {
	const size_t n = strlen(what);
	if (strncmp(j->p, what, n) != 0)
		return false;
	j->p += n;
	return true;
}

// t_utf8 decodes one code point: 0 bytes when it is not the one shortest form of a scalar value.
static inline size_t t_utf8(const char *s) {
	static const uint32_t first[5] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *p = (const uint8_t *)s;
	size_t n = p[0] < 0x80	     ? 1
		   : p[0] >> 5 == 6  ? 2
		   : p[0] >> 4 == 14 ? 3
		   : p[0] >> 3 == 30 ? 4
				     : 0;
	if (n <= 1)
		return n;
	uint32_t c = p[0] & (0xff >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < first[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

// t_hex2 reads two hex digits; -1 when they are none. (sscanf would measure all of the text first.)
static inline int t_hex2(const char *p) {
	int v = 0;
	for (int i = 0; i < 2; i++) {
		const char *digits = "0123456789abcdef";
		const char *d = p[i] != '\0' ? strchr(digits, p[i]) : NULL;
		if (d == NULL)
			return -1;
		v = v * 16 + (int)(d - digits);
	}
	return v;
}

// t_json_string reads a string and, when `out` is not NULL, decodes it there (it is never longer).
static inline bool t_json_string(struct t_json *j, char *out, size_t *len) {
	size_t n = 0;
	if (!t_json_is(j, "\""))
		return false;
	while (!t_json_is(j, "\"")) {
		char c[4];
		size_t c_len = 1;
		if (t_json_is(j, "\\")) {
			static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
			const char *f = *j->p != '\0' ? strchr(from, *j->p) : NULL;
			if (f != NULL) {
				c[0] = to[f - from];
				j->p++;
			} else if (t_json_is(j, "u00") && t_hex2(j->p) >= 0 && t_hex2(j->p) < 0x80) {
				c[0] = (char)t_hex2(j->p);
				j->p += 2;
			} else {
				return false;
			}
		} else {
			c_len = t_utf8(j->p);
			if (c_len == 0 || (uint8_t)*j->p < 0x20)
				return false;
			memcpy(c, j->p, c_len);
			j->p += c_len;
		}
		if (out != NULL)
			memcpy(out + n, c, c_len);
		n += c_len;
	}
	if (len != NULL)
		*len = n;
	return true;
}

static inline bool t_json_number(struct t_json *j) {
	const char *p = j->p;
	const size_t n = strspn(p, "0123456789");
	if (n == 0 || (n > 1 && p[0] == '0'))
		return false;
	j->p += n;
	return true;
}

static inline char t_json_scalar(struct t_json *j) {
	if (*j->p == '"')
		return t_json_string(j, NULL, NULL) ? 's' : '\0';
	if (t_json_is(j, "true") || t_json_is(j, "false"))
		return 'b';
	return t_json_number(j) ? 'n' : '\0';
}

// t_json_objects reads objects of strings, of one member or more, and the end of their list.
static inline bool t_json_objects(struct t_json *j) {
	do {
		if (!t_json_is(j, "{"))
			return false;
		do
			if (!t_json_string(j, NULL, NULL) || !t_json_is(j, ":")
			    || !t_json_string(j, NULL, NULL))
				return false;
		while (t_json_is(j, ","));
		if (!t_json_is(j, "}"))
			return false;
	} while (t_json_is(j, ","));
	return t_json_is(j, "]");
}

static inline char t_json_value(struct t_json *j) {
	if (!t_json_is(j, "["))
		return t_json_scalar(j);
	if (t_json_is(j, "]"))
		return 'E';
	if (*j->p == '{')
		return t_json_objects(j) ? 'O' : '\0';
	const char kind = t_json_scalar(j);
	if (kind != 's' && kind != 'n')
		return '\0';
	while (t_json_is(j, ","))
		if (t_json_scalar(j) != kind)
			return '\0';
	if (!t_json_is(j, "]"))
		return '\0';
	return kind == 's' ? 'S' : 'N';
}

// t_json_next reads the next member of the object that begins at j->p: 1 there was one, 0 the
// object and its line ended, -1 that is no JSON line.
static inline int t_json_next(struct t_json *j, struct t_json_item *item, bool first) {
	if (first && !t_json_is(j, "{"))
		return -1;
	if (t_json_is(j, "}"))
		return t_json_is(j, "\n") ? 0 : -1;
	size_t n;
	const char *start = j->p;
	if (!first && !t_json_is(j, ","))
		return -1;
	start = j->p;
	if (!t_json_string(j, NULL, &n) || n >= sizeof(item->key))
		return -1;
	j->p = start;
	if (!t_json_string(j, item->key, &n) || !t_json_is(j, ":"))
		return -1;
	item->key[n] = '\0';
	item->value = j->p;
	item->kind = t_json_value(j);
	item->len = (size_t)(j->p - item->value);
	return item->kind != '\0' ? 1 : -1;
}
