// SPDX-License-Identifier: BSD-3-Clause

#include "export_table_int.h"

#include <ctype.h>
#include <stdio.h>

const char line_plain[] = "\033[0m", line_bold[] = "\033[1m", line_dim[] = "\033[2m",
	   line_red[] = "\033[31m", line_green[] = "\033[32m", line_yellow[] = "\033[33m",
	   line_cyan[] = "\033[36m";

// text_columns counts each sequence of UTF-8 once.
unsigned text_columns(struct ht_span text) {
	unsigned n = 0;
	for (size_t i = 0; i < text.len; i++)
		n += (text.p[i] & 0xc0) != 0x80;
	return n;
}

void line_put(struct line *l, const char *color, struct ht_span text) {
	if (l->color && color != line_plain)
		l->out = put_str(l->out, color);
	memcpy(l->out, text.p, text.len);
	l->out += text.len;
	if (l->color && color != line_plain)
		l->out = put_str(l->out, line_plain);
	l->at += text_columns(text);
}

void line_go(struct line *l, unsigned at) {
	for (; l->at < at; l->at++)
		*l->out++ = ' ';
}

// line_cut writes well-formed UTF-8, with an ellipsis in the place of what is too long.
void line_cut(struct line *l, const char *color, struct ht_span text, unsigned columns) {
	size_t cut = 0, i = 0;
	for (unsigned n = 0; i < text.len; n++) {
		if (n + 1 == columns)
			cut = i;
		if (n == columns)
			break;
		i += ht_utf8_len(text.p + i, text.len - i);
	}
	if (i >= text.len) {
		line_put(l, color, text);
		return;
	}
	line_put(l, color, HT_SPAN(text.p, cut));
	line_put(l, color, HT_SPAN_STR(ELLIPSIS));
}

char *text_sent(char *out, struct ht_span text, unsigned columns, const char *also) {
	const size_t n = text.len < SENT_MAX(columns) ? text.len : SENT_MAX(columns);
	return put_plain(out, HT_SPAN(text.p, n), also, true);
}

// put_middle writes ASCII, with an ellipsis in the middle when it is too long.
static char *put_middle(char *out, struct ht_span text, unsigned columns) {
	if (text.len <= columns)
		return mempcpy(out, text.p, text.len);
	const unsigned head = columns / 2, tail = columns - 1 - head;
	out = mempcpy(out, text.p, head);
	out = stpcpy(out, ELLIPSIS);
	return mempcpy(out, text.p + text.len - tail, tail);
}

// line_peer writes an address and its port, or the MAC address where there is no IP.
void line_peer(
	const struct ht_sink *s,
	struct line *l,
	unsigned columns,
	const uint8_t *ip,
	const uint8_t *mac,
	const uint16_t *port,
	const char *prefix
) {
	char address[80], behind[32], cell[128];
	char *end, *behind_end = behind, *out = cell;
	if (ip != NULL)
		end = put_ip(&s->memo, address, ip);
	else
		end = mac != NULL ? put_mac(address, mac) : stpcpy(address, "-");
	const size_t len = (size_t)(end - address);
	if (ip != NULL && port != NULL) {
		if (memchr(address, ':', len) != NULL) { // RFC 5952 6
			*out++ = '[';
			*behind_end++ = ']';
		}
		*behind_end++ = ':';
		behind_end = put_number(&s->memo, behind_end, *port);
	}
	behind_end = stpcpy(behind_end, ip != NULL ? prefix : "");
	const size_t around = (size_t)(out - cell + (behind_end - behind));
	out = put_middle(out, HT_SPAN(address, len), columns - (unsigned)around);
	out = mempcpy(out, behind, (size_t)(behind_end - behind));
	line_put(l, line_plain, HT_SPAN(cell, (size_t)(out - cell)));
}

// text_quic writes QUICv1, QUICv2, QUIC-29 (a draft), Q050 (gQUIC, whose versions are text), or
// QUIC.
char *text_quic(char *out, uint32_t version) {
	const unsigned a = version >> 24, b = version >> 16 & 0xff, c = version >> 8 & 0xff,
		       d = version & 0xff;
	if (version == 0x00000001)
		return stpcpy(out, "QUICv1");
	if (version == 0x6b3343cf)
		return stpcpy(out, "QUICv2");
	if (version >> 8 == 0xff0000 && d < 100)
		return out + sprintf(out, "QUIC-%02u", d);
	if ((a == 'Q' || a == 'T') && isdigit((int)b) && isdigit((int)c) && isdigit((int)d))
		return out + sprintf(out, "%c%c%c%c", (int)a, (int)b, (int)c, (int)d);
	return stpcpy(out, "QUIC");
}

void line_end(struct line *l) {
	while (l->out[-1] == ' ')
		l->out--;
	*l->out++ = '\n';
	l->at = 0;
}

void note_add(struct notes *n, const char *color, const char *a, struct ht_span b) {
	if (n->num == NOTES_MAX)
		return;
	struct note *const note = &n->note[n->num++];
	const size_t len = strnlen(a, NOTE_MAX), left = NOTE_MAX - len;
	note->color = color;
	memcpy(note->text, a, len);
	memcpy(note->text + len, b.p, b.len < left ? b.len : left);
	note->len = (unsigned)(len + (b.len < left ? b.len : left));
	n->len += note->len + (n->num > 1);
}

void note_words(struct notes *n, const char *color, const struct ht_strs *words) {
	for (unsigned i = 0; words != NULL && i < words->num; i++)
		note_add(n, color, "", HT_SPAN(words->s[i], strlen(words->s[i])));
}

// ASCII, with \xNN for all else.
char *text_ascii(char *out, struct ht_span text) {
	for (size_t i = 0; i < text.len && i < NOTE_MAX; i++) {
		const uint8_t c = text.p[i];
		if (c > 0x20 && c < 0x7f)
			*out++ = (char)c;
		else
			out = ht_hex(mempcpy(out, "\\x", 2), &c, 1);
	}
	return out;
}

const char *color_of(struct ht_span severity) {
	return ht_span_eq(severity, HT_SPAN_STR("critical"))  ? line_red
	       : ht_span_eq(severity, HT_SPAN_STR("warning")) ? line_yellow
							      : line_plain;
}

void note_matches(struct notes *n, const struct ht_record *r) {
	char text[2 * 4 * NOTE_MAX + 1];
	struct ht_match m;
	unsigned more = 0;
	struct ht_span rest = r->has & HT_HAS(matches) ? r->matches : HT_SPAN_EMPTY;
	if (!ht_match_next(&rest, &m))
		return;
	char *const entry = stpcpy(text_ascii(text, m.list), ":");
	const char *const end = text_ascii(entry, m.entry);
	note_add(n, color_of(m.severity), "", HT_SPAN(text, (size_t)(end - text)));
	while (ht_match_next(&rest, &m))
		more++;
	if (more > 0)
		note_add(
			n, line_plain, "+", HT_SPAN(text, (size_t)(ht_u64_dec(text, more) - text))
		);
}

void line_notes(struct line *l, const struct notes *n, unsigned start, unsigned last) {
	if (n->num == 0 || start >= last)
		return;
	line_go(l, start);
	const bool cut = n->len > last - start;
	const unsigned end = cut ? last - 1 : last;
	for (unsigned i = 0; i < n->num && l->at < end; i++) {
		const struct note *const note = &n->note[i];
		const unsigned left = end - l->at;
		line_put(l, note->color, HT_SPAN(note->text, note->len < left ? note->len : left));
		if (i + 1 < n->num && l->at < end)
			line_go(l, l->at + 1);
	}
	if (cut)
		line_put(l, line_dim, HT_SPAN_STR(ELLIPSIS));
}
