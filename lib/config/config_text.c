// SPDX-License-Identifier: BSD-3-Clause
// What a file is made of before it is YAML: characters, and where they stand. libyaml would refuse
// the same, but not say in which line; and it would count lines that no editor counts.

#include "config_int.h"

unsigned ht_utf8(struct ht_span text, uint32_t *c) {
	// RFC 3629 4: by the first byte, how many follow and the least that needs as many.
	static const struct {
		uint8_t mask, lead;
		uint32_t least;
	} forms[]
		= {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	for (unsigned k = 0; k < HT_ARRAY_LEN(forms); k++) {
		if ((text.p[0] & forms[k].mask) != forms[k].lead)
			continue;
		if (text.len <= k)
			return 0;
		uint32_t v = text.p[0] & (uint8_t)~forms[k].mask;
		for (unsigned i = 1; i <= k; i++) {
			if ((text.p[i] & 0xc0) != 0x80)
				return 0;
			v = v << 6 | (text.p[i] & 0x3f);
		}
		if (v < forms[k].least || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
			return 0;
		*c = v;
		return k + 1;
	}
	return 0;
}

bool ht_printable(uint32_t c) {
	bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
	bool line_end = c == 0x2028 || c == 0x2029; // as U+0085 is, in YAML 1.1 and not in 1.2
	bool direction = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
	bool no_character = c == 0xfeff || c == 0xfffe || c == 0xffff;
	return !control && !line_end && !direction && !no_character;
}

enum ht_rc ht_config_check_text(struct ht_span *text, struct ht_config_errors *errors) {
	struct ht_config_pos at = {1, 1};
	if (text->len >= 3 && memcmp(text->p, "\xef\xbb\xbf", 3) == 0)
		*text = HT_SPAN(text->p + 3, text->len - 3);
	for (size_t i = 0, n; i < text->len; i += n) {
		uint32_t c = 0;
		n = ht_utf8(HT_SPAN(text->p + i, text->len - i), &c);
		if (n == 0) {
			ht_config_complain(errors, at, "the byte 0x%02x is not UTF-8", text->p[i]);
			return HT_BAD;
		}
		bool ends_line = c == '\n'
				 || (c == '\r' && (i + 1 == text->len || text->p[i + 1] != '\n'));
		if (ends_line) {
			at = (struct ht_config_pos){at.line + 1, 1};
			continue;
		}
		if (!ht_printable(c) && c != '\t' && c != '\r') {
			ht_config_complain(
				errors, at, "the character U+%04X is refused%s", c,
				c == 0 ? " (is this a text file?)"
				       : "; in double quotes it can be written as an escape"
			);
			return HT_BAD;
		}
		at.column++;
	}
	return HT_OK;
}

struct ht_quoted ht_quote(const char *text, size_t len) {
	struct ht_quoted q = {"\""};
	const size_t room = sizeof(q.text) - sizeof("...\"");
	size_t o = 1, i = 0;
	for (unsigned n; i < len; i += n) {
		char one[16];
		uint32_t c = 0;
		n = ht_utf8(HT_SPAN(text + i, len - i), &c);
		size_t num;
		if (n > 0 && ht_printable(c)) {
			memcpy(one, text + i, n);
			num = n;
		} else {
			num = (size_t)snprintf(
				one, sizeof(one), n == 0 ? "\\x%02x" : "\\u%04x",
				n == 0 ? (uint8_t)text[i] : c
			);
			n = n == 0 ? 1 : n;
		}
		if (o + num > room)
			break;
		memcpy(q.text + o, one, num);
		o += num;
	}
	strcpy(q.text + o, i < len ? "...\"" : "\"");
	return q;
}
