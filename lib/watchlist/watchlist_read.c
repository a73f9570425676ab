// SPDX-License-Identifier: BSD-3-Clause
// Lists as text: docs/watchlists.md.

#include "watchlist_read.h"

#include <stdarg.h>

#define SEVERITY_DEFAULT HT_SEVERITY_NOTICE

void wl_complain(struct wl_load *l, const char *file, uint32_t line, const char *format, ...) {
	struct ht_watchlist_report *r = l->rep;
	va_list args;
	if (r->num == HT_WATCHLIST_ERRORS_MAX) {
		r->more++;
		return;
	}
	struct ht_watchlist_error *e = &r->errors[r->num++];
	e->file = file;
	e->line = line;
	va_start(args, format);
	vsnprintf(e->reason, sizeof(e->reason), format, args);
	va_end(args);
	for (char *c = e->reason; *c != '\0'; c++) // a list's bytes may be in it
		if ((uint8_t)*c < ' ' || *c == 0x7f)
			*c = '?';
}

// --- lines --------------------------------------------------------------------------------------

// take_label: a word, "-" for none, or anything in double quotes, in which \ stands before a quote
// or itself.
static enum ht_rc
take_label(struct ht_span *label, uint8_t *room, struct ht_span *s, char reason[200]) {
	if (s->p[0] != '"') {
		*label = take_until(s, " \t");
		if (is_word(*label, "-"))
			label->len = 0;
		return HT_OK;
	}
	size_t n = 0;
	*s = skip(*s, 1);
	while (s->len > 0 && s->p[0] != '"') {
		if (s->p[0] == '\\' && s->len > 1 && (s->p[1] == '"' || s->p[1] == '\\'))
			*s = skip(*s, 1);
		room[n++] = s->p[0];
		*s = skip(*s, 1);
	}
	if (s->len == 0)
		return bad(reason, "a label without its second quote");
	*s = skip(*s, 1);
	*label = HT_SPAN(room, n);
	return s->len == 0 || is_blank(s->p[0]) ? HT_OK
						: bad(reason, "text behind the label's quote");
}

static bool take_severity(uint8_t *severity, struct ht_span word) {
	for (unsigned i = 0; i < HT_NUM_SEVERITIES; i++) {
		if (is_word(word, ht_severities[i])) {
			*severity = (uint8_t)i;
			return true;
		}
	}
	return false;
}

// at_end: nothing, or a comment.
static bool at_end(struct ht_span s) {
	return s.len == 0 || s.p[0] == '#';
}

// take_rest takes label and severity. The word of a severity that stands alone is one.
static enum ht_rc take_rest(struct entry *e, uint8_t *room, struct ht_span s, char reason[200]) {
	s = skip_blank(s);
	if (at_end(s))
		return HT_OK;
	const bool quoted = s.p[0] == '"';
	const enum ht_rc rc = take_label(&e->label, room, &s, reason);
	s = skip_blank(s);
	if (rc != HT_OK)
		return rc;
	if (at_end(s)) {
		if (!quoted && take_severity(&e->severity, e->label))
			e->label.len = 0;
		return HT_OK;
	}
	if (!take_severity(&e->severity, take_until(&s, " \t")))
		return bad(
			reason,
			"behind the label stands a severity: info, notice, warning or critical; a "
			"label of several words is put in quotes"
		);
	return at_end(skip_blank(s)) ? HT_OK : bad(reason, "text behind the severity");
}

static enum ht_rc
take_entry(struct entry *e, uint8_t *room, struct ht_span line, char reason[200]) {
	struct ht_span s = line;
	for (;;) {
		if (e->num == HT_WATCHLIST_CONDITIONS_MAX)
			return bad(reason, "more than 8 conditions");
		const enum ht_rc rc = wl_take_condition(&e->v[e->num++], &s, reason);
		if (rc != HT_OK)
			return rc;
		e->text = HT_SPAN(line.p, (size_t)(s.p - line.p));
		const struct ht_span next = skip_blank(s);
		if (next.len == 0 || next.p[0] != '&')
			return take_rest(e, room, s, reason);
		s = skip_blank(skip(next, 1));
	}
}

static enum ht_rc read_entry(struct wl_load *l, struct ht_span line) {
	struct entry e; // conditions are set one by one: most lines have one
	uint8_t room[HT_WATCHLIST_LINE_MAX];
	char reason[200];
	e.num = 0;
	e.label = HT_SPAN_EMPTY;
	e.severity = SEVERITY_DEFAULT;
	const enum ht_rc rc = take_entry(&e, room, line, reason);
	if (rc == HT_BAD)
		wl_complain(l, l->file, l->line, "%s", reason);
	return rc == HT_OK ? wl_add_entry(l, &e) : rc == HT_BAD ? HT_OK : rc;
}

// abuse.ch's SSLBL: ja3_md5,Firstseen,Lastseen,Listingreason. HT_SKIP: the line is none of it.
static enum ht_rc read_csv(struct wl_load *l, struct ht_span line) {
	struct entry e = {.severity = SEVERITY_DEFAULT, .num = 1};
	char reason[200];
	e.text = take_until(&line, ",");
	if (line.len == 0)
		return HT_SKIP;
	if (is_word(e.text, "ja3_md5")) {
		l->rep->ignored++;
		return HT_OK;
	}
	if (wl_read_ja3(&e.v[0], e.text, reason) != HT_OK)
		return HT_SKIP;
	for (unsigned i = 0; i < 2 && line.len > 0; i++) {
		line = skip(line, 1);
		take_until(&line, ",");
	}
	if (line.len == 0) {
		wl_complain(l, l->file, l->line, "a line of SSLBL has four fields");
		return HT_OK;
	}
	e.label = skip_blank(skip(line, 1));
	if (e.label.len >= 2 && e.label.p[0] == '"' && e.label.p[e.label.len - 1] == '"')
		e.label = HT_SPAN(e.label.p + 1, e.label.len - 2);
	return wl_add_entry(l, &e);
}

// Where hosts files send the names that they block, and the addresses they begin with.
static bool is_hosts_address(struct ht_span word) {
	static const char *const addresses[]
		= {"0.0.0.0",	  "127.0.0.1", "::",	  "::1",    "255.255.255.255",
		   "fe80::1%lo0", "ff00::0",   "ff02::1", "ff02::2"};
	for (unsigned i = 0; i < HT_ARRAY_LEN(addresses); i++)
		if (is_word(word, addresses[i]))
			return true;
	return false;
}

// A host of a hosts file is that host, not a domain.
static enum ht_rc read_host(struct wl_load *l, struct ht_span name) {
	struct entry e = {.severity = SEVERITY_DEFAULT, .num = 1, .text = name};
	char reason[200];
	if (memchr(name.p, '.', name.len) == NULL || is_word(name, "localhost.localdomain")
	    || is_hosts_address(name)) {
		l->rep->ignored++;
		return HT_OK;
	}
	if (wl_read_name(&e.v[0], name, reason) != HT_OK || e.v[0].where != WL_ANY) {
		wl_complain(
			l, l->file, l->line, "%s", e.v[0].where != WL_ANY ? "not a host" : reason
		);
		return HT_OK;
	}
	e.v[0].where = WL_WHOLE;
	return wl_add_entry(l, &e);
}

// HT_SKIP: the line is no hosts file's.
static enum ht_rc read_hosts(struct wl_load *l, struct ht_span line) {
	const struct ht_span address = take_until(&line, " \t");
	if (!is_hosts_address(address) || at_end(skip_blank(line)))
		return HT_SKIP;
	enum ht_rc rc = HT_OK;
	while (rc == HT_OK && !at_end(line = skip_blank(line)))
		rc = read_host(l, take_until(&line, " \t#"));
	return rc;
}

static bool has_control(struct ht_span line) {
	for (size_t i = 0; i < line.len; i++)
		if ((line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] == 0x7f)
			return true;
	return false;
}

static enum ht_rc read_line(struct wl_load *l, struct ht_span line) {
	if (line.len > HT_WATCHLIST_LINE_MAX) {
		wl_complain(l, l->file, l->line, "a line of more than 4096 bytes");
		return HT_OK;
	}
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	line = trim_end(skip_blank(line));
	if (at_end(line))
		return HT_OK;
	if (has_control(line)) {
		wl_complain(l, l->file, l->line, "a control character; is it text?");
		return HT_OK;
	}
	enum ht_rc rc = read_csv(l, line);
	if (rc == HT_SKIP)
		rc = read_hosts(l, line);
	return rc == HT_SKIP ? read_entry(l, line) : rc;
}

enum ht_rc wl_read(struct wl_load *l, struct ht_span text) {
	l->line = 0;
	if (text.len >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		text = skip(text, 3);
	while (text.len > 0) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		const size_t n = end != NULL ? (size_t)(end - text.p) : text.len;
		l->line++;
		l->rep->lines++;
		const enum ht_rc rc = read_line(l, HT_SPAN(text.p, n));
		if (rc != HT_OK)
			return rc;
		text = skip(text, end != NULL ? n + 1 : n);
	}
	return HT_OK;
}
