// SPDX-License-Identifier: BSD-3-Clause
// A table for people: one line a record. The widths of the columns are settled once,
// from the width of the terminal; what does not fit a cell is cut with an ellipsis (the JSON has it
// whole), so that columns stay in line. Without a terminal it is made for grep and wc: the date
// in each line, notes that are never cut, and one header, but for records of different kinds: they
// have different columns, and the header stands where the kind changes.

#include "export_table_int.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum hello_column { TIME, CLIENT, SERVER, PROTO, SNI, ALPN, JA4, NOTES, NUM_COLUMNS };

static const char *const titles[NUM_COLUMNS]
	= {"TIME", "CLIENT", "SERVER", "PROTO", "SNI", "ALPN", "JA4", "NOTES"};

#define HEADER_EVERY 40u
#define WIDTH_OF_A_FILE 160u
#define NOTES_LEAST 8u
#define NOTES_AMPLE 25u // incomplete:end_of_capture

// Which columns a record has.
enum columns { OF_NONE, OF_HELLO, OF_FLOW, OF_AGGREGATE };

struct table {
	struct layout flow, aggregate;
	enum columns last; // of the last row
	unsigned width[NUM_COLUMNS]; // 0: not shown
	unsigned start[NUM_COLUMNS];
	unsigned lone_notes; // where the notes of a hello without JA4 start
	unsigned end; // no line goes on behind it
	bool is_file; // no terminal
	unsigned rows; // since the header
	char day[DATE_LEN]; // that was told last
};

// What 80 columns hold.
static const unsigned least[NUM_COLUMNS] = {
	[TIME] = 8, // 01:02:03
	[CLIENT] = 15, // any IPv4 address
	[SERVER] = 21, // and its port
	[PROTO] = 7, // DTLS1.2
	[SNI] = 14, //
	[JA4] = JA4_A,
};

// lay_out finds where columns start, and returns the width of all.
static unsigned lay_out(struct table *t) {
	unsigned at = 0;
	for (unsigned i = 0; i < NUM_COLUMNS; i++) {
		t->start[i] = at;
		at += t->width[i] > 0 ? t->width[i] + 1 : 0;
	}
	return at - 1;
}

// share_rest gives what the other columns leave to the notes, until the usual ones fit, and then to
// the server name and the notes in equal parts.
static void share_rest(struct table *t, unsigned width) {
	const unsigned used = lay_out(t);
	const unsigned rest = width > used ? width - used : 0;
	unsigned notes = rest / 2;
	if (notes < NOTES_LEAST)
		notes = rest > NOTES_LEAST ? NOTES_LEAST : rest > 2 ? rest - 1 : 0;
	const unsigned sni = t->width[SNI] + rest - notes - (notes > 0);
	t->width[SNI] = sni < CELL_MAX ? sni : CELL_MAX;
	t->width[NOTES] = notes;
}

static enum ht_rc table_open(struct ht_sink *s) {
	struct table *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return HT_ERROR;
	t->is_file = s->params.width == 0;
	const unsigned width = t->is_file ? WIDTH_OF_A_FILE : s->params.width;
	memcpy(t->width, least, sizeof(least));
	if (width < 80)
		t->width[JA4] = 0;
	if (width >= 100)
		t->width[ALPN] = 5; // h2 +1
	if (width >= 120) {
		t->width[SNI] = 16;
		t->width[ALPN] = 11; // h2 http/1.1
		t->width[JA4] = JA4_LEN;
	}
	if (width >= 140)
		t->width[CLIENT] = t->width[SERVER]; // with its port
	if (width >= 180)
		t->width[TIME] = 12; // 01:02:03.123
	share_rest(t, width);
	if (t->is_file)
		t->width[TIME] = SECOND_LEN;
	lay_out(t);
	t->end = t->is_file ? UINT_MAX : width;
	t->lone_notes = t->start[!t->is_file && t->width[NOTES] < NOTES_AMPLE ? JA4 : NOTES];
	flow_layout(&t->flow, width, t->is_file);
	aggregate_layout(&t->aggregate, s->params.key, width, t->is_file);
	s->table = t;
	return HT_OK;
}

static void table_close(struct ht_sink *s) {
	free(s->table);
}

static bool is_event(const struct ht_record *r) {
	return r->has & HT_HAS(kind);
}

// What a hello offers has its columns, but for an event of a watchlist, behind its hello: there
// the matches have the room.
static bool shows_hello(const struct ht_record *r) {
	return !is_event(r) || ((r->has & HT_HAS(ja4)) && !(r->has & HT_HAS(matches)));
}

// is_tight: an event of a watchlist or a flood, where the notes would show little of it. They begin
// right behind the word that says what it is.
static bool is_tight(const struct table *t, const struct ht_record *r) {
	return is_event(r) && r->has & (HT_HAS(matches) | HT_HAS(flood_state)) && !t->is_file
	       && t->width[NOTES] < NOTES_AMPLE;
}

static const char *severity_color(const struct ht_record *r) {
	const char *severity = r->has & HT_HAS(severity) ? r->severity : "";
	return color_of(HT_SPAN(severity, strlen(severity)));
}

// An event says what happened in the place of the server name.
static void put_event(struct line *l, const struct table *t, const struct ht_record *r) {
	char cell[32 + ESCAPED_MAX];
	const unsigned columns = t->width[SNI];
	int n;
	if (r->has & HT_HAS(seen))
		n = snprintf(cell, sizeof(cell), "not TLS: %s", r->seen);
	else if (r->has & HT_HAS(flood_state))
		n = snprintf(cell, 32, "flood %s", r->flood_state);
	else
		n = snprintf(
			cell, sizeof(cell), "%s",
			r->has & HT_HAS(upgrade_state) ? r->upgrade_state
			: r->has & HT_HAS(in_clear)    ? "in clear"
						       : r->kind
		);
	if ((r->has & HT_HAS(flood_state)) && (r->has & HT_HAS(sni)) && !is_tight(t, r)) {
		cell[n++] = ' ';
		n = (int)(text_sent(cell + n, r->sni, columns, "") - cell);
	}
	line_cut(l, severity_color(r), HT_SPAN(cell, (size_t)n), columns);
}

static void put_sni(struct line *l, const struct table *t, const struct ht_record *r) {
	char cell[ESCAPED_MAX];
	const unsigned columns = t->width[SNI];
	if (is_event(r)) {
		put_event(l, t, r);
		return;
	}
	if (!(r->has & HT_HAS(sni))) {
		line_put(l, line_dim, HT_SPAN_STR("-"));
		return;
	}
	const char *end = text_sent(cell, r->sni, columns, "");
	line_cut(l, line_bold, HT_SPAN(cell, (size_t)(end - cell)), columns);
}

// next_name takes the first of a list of names, which may be cut anywhere.
static struct ht_span next_name(struct ht_span *names) {
	const size_t left = names->len - 1, n = names->p[0];
	const struct ht_span name = HT_SPAN(names->p + 1, n < left ? n : left);
	*names = HT_SPAN(name.p + name.len, left - name.len);
	return name;
}

// put_alpn writes all names when they fit, else the first and how many more there are.
static void put_alpn(struct line *l, const struct table *t, struct ht_span names) {
	char first[ESCAPED_MAX], all[2 * ESCAPED_MAX], more[16];
	char *first_end = first, *end = all;
	const unsigned columns = t->width[ALPN];
	unsigned num = 0;
	for (; names.len > 0; num++) {
		const struct ht_span name = next_name(&names);
		if (num == 0)
			first_end = text_sent(first, name, columns, " ");
		else if (end < all + ESCAPED_MAX)
			*end++ = ' ';
		if (end < all + ESCAPED_MAX)
			end = text_sent(end, name, columns, " ");
	}
	if (num < 2 || text_columns(HT_SPAN(all, (size_t)(end - all))) <= columns) {
		line_cut(l, line_plain, HT_SPAN(all, (size_t)(end - all)), columns);
		return;
	}
	const unsigned n = (unsigned)snprintf(more, sizeof(more), " +%u", num - 1);
	const unsigned left = columns > n ? columns - n : 1;
	line_cut(l, line_plain, HT_SPAN(first, (size_t)(first_end - first)), left);
	line_cut(l, line_plain, HT_SPAN(more, n), columns - left);
}

// put_proto writes TLS1.3, DTLS1.2, SSL3.0, and TLS or DTLS when the version is not known.
static void put_proto(struct line *l, const struct table *t, const struct ht_record *r) {
	char cell[64];
	char *out = cell;
	const char *const protocol = is_event(r)		 ? "event"
				     : r->has & HT_HAS(protocol) ? r->protocol
								 : "-";
	const char *const version
		= !is_event(r) && r->has & HT_HAS(tls_version) ? r->tls_version : "";
	if (strcmp(protocol, "quic") == 0) {
		out = text_quic(out, r->has & HT_HAS(quic_version) ? r->quic_version : 0);
	} else if (version[0] != '\0') {
		for (const char *p = version; *p != '\0'; p++)
			if (*p != ' ')
				*out++ = *p;
	} else {
		for (const char *p = protocol; *p != '\0'; p++)
			*out++ = (char)toupper((unsigned char)*p);
	}
	static const char *const old[] = {"SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1", "DTLS 1.0"};
	const char *color = line_plain;
	for (unsigned i = 0; i < HT_ARRAY_LEN(old); i++)
		if (strcmp(version, old[i]) == 0)
			color = line_yellow;
	line_cut(l, color, HT_SPAN(cell, (size_t)(out - cell)), t->width[PROTO]);
}

// The rate now is what counts of a flood that goes on, the peak of one that is over.
static void note_rates(struct notes *n, const struct ht_record *r) {
	char rate[32], peak[32];
	if (!(r->has & HT_HAS(rate_peak)))
		return;
	const int len = snprintf(rate, sizeof(rate), "%" PRIu64 "/s", r->rate);
	const int peak_len = snprintf(peak, sizeof(peak), "%" PRIu64 "/s", r->rate_peak);
	const bool over = r->has & HT_HAS(flood_state) && strcmp(r->flood_state, "end") == 0;
	if (!over)
		note_add(n, line_plain, "", HT_SPAN(rate, (size_t)len));
	note_add(n, line_plain, "peak ", HT_SPAN(peak, (size_t)peak_len));
	if (over)
		note_add(n, line_plain, "", HT_SPAN(rate, (size_t)len));
}

// find_notes: where it is tight, what matched and the rate stand before the severity, which a color
// tells, too. What most hellos have a word of comes last: the findings.
static void find_notes(struct notes *n, const struct ht_record *r, bool tight) {
	const struct ht_span none = HT_SPAN_STR("");
	const ht_fieldset has = r->has;
	n->num = n->len = 0;
	if (tight) {
		note_matches(n, r);
		note_rates(n, r);
	}
	if (severity_color(r) != line_plain)
		note_add(n, severity_color(r), r->severity, none);
	if (has & HT_HAS(complete) && !r->complete) {
		const char *why = has & HT_HAS(incomplete_reason) ? r->incomplete_reason : "";
		note_add(n, line_red, "incomplete:", HT_SPAN(why, strlen(why)));
	}
	if (!tight)
		note_matches(n, r);
	note_words(n, line_yellow, has & HT_HAS(via) ? &r->via : NULL);
	for (unsigned i = 0; has & HT_HAS(encap) && i < r->encap.num; i++)
		note_add(n, line_dim, "", HT_SPAN(r->encap.s[i], r->encap.len[i]));
	if (has & HT_HAS(hello_number) && r->hello_number == 2)
		note_add(n, line_plain, "hello:2", none);
	if (has & HT_HAS(pq) && r->pq)
		note_add(n, line_green, "pq", none);
	if (has & HT_HAS(ech) && strcmp(r->ech, "outer") == 0)
		note_add(n, line_green, "ech", none);
	else if (has & HT_HAS(ech))
		note_add(n, line_green, "ech:", HT_SPAN(r->ech, strlen(r->ech)));
	if (has & HT_HAS(psk) && r->psk)
		note_add(n, line_plain, "psk", none);
	if (has & HT_HAS(early_data) && r->early_data)
		note_add(n, line_plain, "0rtt", none);
	if (!tight)
		note_rates(n, r);
	if (has & HT_HAS(evidence))
		note_add(n, line_plain, "", HT_SPAN(r->evidence, strnlen(r->evidence, NOTE_MAX)));
	note_words(n, line_plain, has & HT_HAS(findings) ? &r->findings : NULL);
}

static void put_notes(struct line *l, const struct table *t, const struct ht_record *r) {
	struct notes n;
	// What stands in no other column of this record leaves its room to the notes.
	const bool lone = !shows_hello(r);
	const bool tight = is_tight(t, r);
	const size_t word
		= r->has & HT_HAS(flood_state) ? strlen("flood start") : strlen("watchlist");
	const unsigned start = tight			    ? t->start[SNI] + (unsigned)word + 1
			       : lone && t->width[ALPN] > 0 ? t->start[ALPN]
			       : lone && t->width[JA4] > 0  ? t->start[JA4]
			       : r->has & HT_HAS(ja4) && shows_hello(r) ? t->start[NOTES]
									: t->lone_notes;
	find_notes(&n, r, tight);
	if (start < t->end)
		line_notes(l, &n, start, t->end);
}

static void put_titles(struct line *l, const struct table *t) {
	for (unsigned i = 0; i < NUM_COLUMNS; i++) {
		if (t->width[i] == 0)
			continue;
		const char *title = i == JA4 && t->width[JA4] == JA4_A ? "JA4_a" : titles[i];
		const size_t len = strlen(title);
		line_go(l, t->start[i]);
		line_put(l, line_dim, HT_SPAN(title, len < t->width[i] ? len : t->width[i]));
	}
	line_end(l);
}

static void
put_header(struct line *l, struct table *t, const char *day, enum columns columns, bool due) {
	// Windows have their date with them.
	if (due && !t->is_file && columns != OF_AGGREGATE) {
		line_put(l, line_dim, HT_SPAN(day, DATE_LEN));
		line_put(l, line_dim, HT_SPAN_STR(" UTC"));
		line_end(l);
		memcpy(t->day, day, sizeof(t->day));
	}
	if (columns == OF_HELLO)
		put_titles(l, t);
	else
		layout_header(l, columns == OF_FLOW ? &t->flow : &t->aggregate);
	t->last = columns;
	if (due)
		t->rows = 0;
}

static bool header_is_due(struct table *t, const char *day, enum columns columns) {
	if (t->last == OF_NONE || t->is_file)
		return t->last == OF_NONE;
	const bool other_day = columns != OF_AGGREGATE && memcmp(t->day, day, sizeof(t->day)) != 0;
	return other_day || ++t->rows >= HEADER_EVERY;
}

static enum columns columns_of(const struct ht_record *r) {
	if (!(r->has & HT_HAS(record)))
		return OF_HELLO;
	switch (ht_record_kind(r)) {
	case HT_KIND_FLOW:
		return OF_FLOW;
	case HT_KIND_AGGREGATE:
		return OF_AGGREGATE;
	default:
		return OF_HELLO;
	}
}

#define GET(r, id) ((r)->has & HT_HAS(id) ? (r)->id : NULL)
#define REF(r, id) ((r)->has & HT_HAS(id) ? &(r)->id : NULL)

// The name of a flood, which has no address.
static void put_flooded_name(struct line *l, const struct table *t, const struct ht_record *r) {
	char cell[ESCAPED_MAX];
	const char *end = text_sent(cell, r->sni, t->width[SERVER], "");
	line_cut(l, line_bold, HT_SPAN(cell, (size_t)(end - cell)), t->width[SERVER]);
}

static void
put_hello(struct ht_sink *s, struct line *l, const struct ht_record *r, const char *time) {
	const struct table *const t = s->table;
	const char *const clock = t->is_file ? time : time + DATE_LEN + 1;
	const uint16_t *const src_port = t->width[CLIENT] > least[CLIENT] ? REF(r, src_port) : NULL;
	char prefix[8] = "";
	if (r->has & HT_HAS(src_prefix))
		snprintf(prefix, sizeof(prefix), "/%u", r->src_prefix);
	line_put(l, line_dim, HT_SPAN(clock, t->width[TIME]));
	line_go(l, t->start[CLIENT]);
	line_peer(s, l, t->width[CLIENT], GET(r, src_ip), GET(r, src_mac), src_port, prefix);
	line_go(l, t->start[SERVER]);
	if (is_tight(t, r) && (r->has & HT_HAS(flood_state)) && (r->has & HT_HAS(sni)))
		put_flooded_name(l, t, r);
	else
		line_peer(
			s, l, t->width[SERVER], GET(r, dst_ip), GET(r, dst_mac), REF(r, dst_port),
			""
		);
	line_go(l, t->start[PROTO]);
	put_proto(l, t, r);
	line_go(l, t->start[SNI]);
	put_sni(l, t, r);
	if (t->width[ALPN] > 0 && r->has & HT_HAS(alpn) && shows_hello(r)) {
		line_go(l, t->start[ALPN]);
		put_alpn(l, t, r->alpn);
	}
	if (t->width[JA4] > 0 && r->has & HT_HAS(ja4) && shows_hello(r)) {
		line_go(l, t->start[JA4]);
		line_put(
			l, line_cyan,
			HT_SPAN(r->ja4.p, r->ja4.len < t->width[JA4] ? r->ja4.len : t->width[JA4])
		);
	}
	put_notes(l, t, r);
}

static void table_write(struct ht_sink *s, const struct ht_record *r) {
	struct table *const t = s->table;
	struct line l = {.out = sink_room(s), .color = s->params.color};
	const enum columns columns = columns_of(r);
	char time[64] = "0000-00-00T---------------";
	// A flow and a window stand where they begin.
	if (r->has & (columns == OF_FLOW ? HT_HAS(start) : HT_HAS(window_start)))
		put_time(&s->memo, time, columns == OF_FLOW ? r->start : r->window_start, false);
	else if (r->has & HT_HAS(ts))
		put_time(&s->memo, time, r->ts, false);
	const bool due = header_is_due(t, time, columns);
	if (due || columns != t->last)
		put_header(&l, t, time, columns, due);
	if (columns == OF_HELLO)
		put_hello(s, &l, r, time);
	else
		layout_row(s, &l, columns == OF_FLOW ? &t->flow : &t->aggregate, r, time);
	line_end(&l);
	sink_commit(s, l.out);
}

const struct ht_sink_ops ht_sink_table = {
	.name = "table",
	.help = "one line a record, for people at a terminal",
	.open = table_open,
	.write = table_write,
	.close = table_close,
};
