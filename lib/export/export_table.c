// SPDX-License-Identifier: BSD-3-Clause
// A table for people: one line a hello. Columns are soft: what does not fit (an IPv6 address)
// pushes the next columns to the right, and these take the room back from the server name. The
// notes come last and are never cut.

#include "export_int.h"

#include <stdlib.h>

enum column { TIME, CLIENT, SERVER, PROTO, SNI, ALPN, JA4, NOTES, NUM_COLUMNS };

static const char *const titles[NUM_COLUMNS]
	= {"TIME", "CLIENT", "-> SERVER", "PROTO", "SNI", "ALPN", "JA4", "NOTES"};

#define HEADER_EVERY 40u
#define DEFAULT_WIDTH 120u
#define CELL_MAX 200u // columns
#define ELLIPSIS "\xe2\x80\xa6"
#define ARROW "-> "
#define ARROW_LEN 3u

// A JA4 is cut only between its parts: a_b_c is 36 characters.
#define JA4_LEN 36u
#define JA4_AB 23u
#define JA4_A 10u

struct table {
	unsigned width[NUM_COLUMNS]; // 0: not shown
	unsigned start[NUM_COLUMNS];
	unsigned rows; // since the header
	char day[10]; // of the last row
};

// What 79 columns hold, and what is made wider first when there is more.
static const unsigned least[NUM_COLUMNS]
	= {[TIME] = 8,	      [CLIENT] = 13, [SERVER] = 17 + ARROW_LEN, [PROTO] = 7, [SNI] = 12,
	   [JA4] = JA4_A + 1, [NOTES] = 3};

static const struct {
	enum column column;
	unsigned width;
} steps[] = {
	{SNI, 16},   {ALPN, 5},	     {JA4, JA4_AB + 1},
	{NOTES, 8},  {JA4, JA4_LEN}, {SNI, 24},
	{ALPN, 11},  {CLIENT, 15},   {SERVER, 20 + ARROW_LEN},
	{NOTES, 16}, {TIME, 12},     {SNI, 32},
	{TIME, 15},  {NOTES, 32},    {SNI, 64},
};

static unsigned lay_out(struct table *t) {
	unsigned at = 0;
	for (unsigned i = 0; i < NUM_COLUMNS; i++) {
		t->start[i] = at;
		at += t->width[i] > 0 ? t->width[i] + 1 : 0;
	}
	return at - 1;
}

static enum ht_rc table_open(struct ht_sink *s) {
	struct table *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return HT_ERROR;
	const unsigned width = s->params.width > 0 ? s->params.width : DEFAULT_WIDTH;
	memcpy(t->width, least, sizeof(least));
	for (unsigned i = 0; i < HT_ARRAY_LEN(steps); i++) {
		const unsigned before = t->width[steps[i].column];
		t->width[steps[i].column] = steps[i].width;
		if (lay_out(t) > width) {
			t->width[steps[i].column] = before;
			break;
		}
	}
	lay_out(t);
	s->table = t;
	return HT_OK;
}

static void table_close(struct ht_sink *s) {
	free(s->table);
}

// A line in the making. `at` counts columns, not bytes.
struct line {
	char *out;
	unsigned at;
	bool color;
};

static const char plain[] = "\033[0m", bold[] = "\033[1m", dim[] = "\033[2m", red[] = "\033[31m",
		  green[] = "\033[32m", yellow[] = "\033[33m", cyan[] = "\033[36m";

static void put(struct line *l, const char *color, struct ht_span text) {
	if (l->color && color != plain)
		l->out = put_str(l->out, color);
	memcpy(l->out, text.p, text.len);
	l->out += text.len;
	if (l->color && color != plain)
		l->out = put_str(l->out, plain);
	for (size_t i = 0; i < text.len; i++)
		l->at += (text.p[i] & 0xc0) != 0x80; // each UTF-8 sequence once
}

static void go_to(struct line *l, unsigned at) {
	if (l->at >= at && l->at > 0)
		at = l->at + 1;
	while (l->at < at) {
		*l->out++ = ' ';
		l->at++;
	}
}

// room is what is left of a column when the columns before it took too much, but never less than
// half.
static unsigned room(const struct line *l, const struct table *t, enum column c) {
	const unsigned end = t->start[c] + t->width[c], half = t->width[c] / 2;
	const unsigned left = end > l->at ? end - l->at : 0;
	return left > half ? left : half;
}

// put_cut writes well-formed UTF-8, with an ellipsis in the place of what is too long.
static void put_cut(struct line *l, const char *color, struct ht_span text, unsigned columns) {
	size_t cut = 0, i = 0;
	for (unsigned n = 0; i < text.len; n++) {
		if (n + 1 == columns)
			cut = i;
		if (n == columns)
			break;
		i += utf8_len(text.p + i, text.len - i);
	}
	if (i >= text.len) {
		put(l, color, text);
		return;
	}
	put(l, color, HT_SPAN(text.p, cut));
	put(l, color, HT_SPAN_STR(ELLIPSIS));
}

// Text as sent: no column is made of more than 4 bytes, so what is behind 4 * columns is cut
// anyway.
#define SENT_MAX(columns) (4u * ((columns) + 1))
#define ESCAPED_MAX (4u * SENT_MAX(CELL_MAX))

static char *put_sent(char *out, struct ht_span text, unsigned columns, const char *also) {
	const size_t n = text.len < SENT_MAX(columns) ? text.len : SENT_MAX(columns);
	return put_plain(out, HT_SPAN(text.p, n), also, true);
}

static void put_sni(struct line *l, const struct table *t, const struct ht_record *r) {
	char cell[ESCAPED_MAX];
	const unsigned columns = room(l, t, SNI);
	if (!(r->has & HT_HAS(sni))) {
		put(l, dim, HT_SPAN_STR("-"));
		return;
	}
	const char *end = put_sent(cell, r->sni, columns, "");
	put_cut(l, bold, HT_SPAN(cell, (size_t)(end - cell)), columns);
}

static void put_alpn(struct line *l, const struct table *t, const struct ht_record *r) {
	char cell[2 * ESCAPED_MAX];
	char *out = cell;
	const unsigned columns = room(l, t, ALPN);
	const struct ht_span names = r->alpn;
	for (size_t i = 0; i < names.len && out < cell + ESCAPED_MAX;) {
		size_t n = names.p[i++];
		n = n < names.len - i ? n : names.len - i;
		out = put_sent(out, HT_SPAN(names.p + i, n), columns, " ");
		*out++ = ' ';
		i += n;
	}
	out -= out > cell;
	put_cut(l, plain, HT_SPAN(cell, (size_t)(out - cell)), columns);
}

static void put_ja4(struct line *l, const struct table *t, struct ht_span ja4) {
	const size_t parts = t->width[JA4] >= JA4_LEN ? JA4_LEN : t->width[JA4] - 1;
	if (ja4.len <= parts) {
		put(l, cyan, ja4);
		return;
	}
	put(l, cyan, HT_SPAN(ja4.p, parts));
	put(l, cyan, HT_SPAN_STR(ELLIPSIS));
}

// put_peer writes an address and its port, or the MAC address where there is no IP.
static char *put_peer(
	const struct ht_sink *s,
	char *out,
	const uint8_t *ip,
	const uint8_t *mac,
	const uint16_t *port
) {
	if (ip == NULL)
		return mac != NULL ? put_mac(out, mac) : put_str(out, "-");
	char *const start = out + 1;
	char *const end = put_ip(s, start, ip);
	const bool six = memchr(start, ':', (size_t)(end - start)) != NULL;
	if (port == NULL || !six) {
		memmove(out, start, (size_t)(end - start));
		out += end - start;
	} else { // RFC 5952 6
		*out = '[';
		out = end;
		*out++ = ']';
	}
	if (port != NULL) {
		*out++ = ':';
		out = put_number(s, out, *port);
	}
	return out;
}

// put_proto writes TLS1.3, QUIC1.3, DTLS1.2, SSL3.0.
static void put_proto(struct line *l, const struct ht_record *r) {
	char cell[64];
	char *out = cell;
	const char *const version = r->has & HT_HAS(tls_version) ? r->tls_version : "";
	const char *const space = strchr(version, ' ');
	const bool quic = r->has & HT_HAS(protocol) && strcmp(r->protocol, "quic") == 0;
	if (quic) {
		out = stpcpy(out, "QUIC");
	} else if (space != NULL) {
		out = mempcpy(out, version, (size_t)(space - version));
	} else if (r->has & HT_HAS(protocol)) {
		out = stpcpy(out, r->protocol);
	}
	if (space != NULL)
		out = stpcpy(out, space + 1);
	static const char *const old[] = {"SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1", "DTLS 1.0"};
	const char *color = plain;
	for (unsigned i = 0; i < HT_ARRAY_LEN(old); i++)
		if (strcmp(version, old[i]) == 0)
			color = yellow;
	put(l, color, HT_SPAN(cell, (size_t)(out - cell)));
}

static void put_note(struct line *l, const char *color, const char *a, const char *b) {
	char cell[128];
	char *end = stpcpy(stpcpy(cell, a), b);
	put(l, color, HT_SPAN(cell, (size_t)(end - cell)));
	*l->out++ = ' ';
	l->at++;
}

static void put_notes(struct line *l, const struct ht_record *r) {
	char *const start = l->out;
	const uint64_t has = r->has;
	if (has & HT_HAS(complete) && !r->complete)
		put_note(
			l, red,
			"incomplete:", has & HT_HAS(incomplete_reason) ? r->incomplete_reason : ""
		);
	for (unsigned i = 0; has & HT_HAS(via) && i < r->via.num; i++)
		put_note(l, yellow, r->via.s[i], "");
	for (unsigned i = 0; has & HT_HAS(encap) && i < r->encap.num; i++) {
		put(l, dim, HT_SPAN(r->encap.s[i], r->encap.len[i]));
		*l->out++ = ' ';
	}
	if (has & HT_HAS(hello_number) && r->hello_number == 2)
		put_note(l, plain, "hrr", "");
	if (has & HT_HAS(pq) && r->pq)
		put_note(l, green, "pq", "");
	if (has & HT_HAS(ech))
		put_note(
			l, green, strcmp(r->ech, "outer") == 0 ? "ech" : "ech:",
			strcmp(r->ech, "outer") == 0 ? "" : r->ech
		);
	if (has & HT_HAS(psk) && r->psk)
		put_note(l, plain, "psk", "");
	if (has & HT_HAS(early_data) && r->early_data)
		put_note(l, plain, "0rtt", "");
	l->out -= l->out > start; // the last space
}

static void end_line(struct line *l) {
	while (l->out[-1] == ' ')
		l->out--;
	*l->out++ = '\n';
	l->at = 0;
}

static void put_header(struct line *l, struct table *t, const char *day) {
	put(l, dim, HT_SPAN(day, 10));
	put(l, dim, HT_SPAN_STR(" UTC"));
	end_line(l);
	for (unsigned i = 0; i < NUM_COLUMNS; i++) {
		if (t->width[i] == 0)
			continue;
		go_to(l, t->start[i]);
		put(l, dim, HT_SPAN(titles[i], strlen(titles[i])));
	}
	end_line(l);
	memcpy(t->day, day, sizeof(t->day));
	t->rows = 0;
}

#define GET(r, id) ((r)->has & HT_HAS(id) ? (r)->id : NULL)
#define REF(r, id) ((r)->has & HT_HAS(id) ? &(r)->id : NULL)

static void table_write(struct ht_sink *s, const struct ht_record *r) {
	struct table *const t = s->table;
	struct line l = {.out = sink_room(s), .color = s->params.color};
	char cell[64];
	char *end;
	char time[64] = "0000-00-00T---------------";
	if (r->has & HT_HAS(ts))
		put_time(s, time, r->ts, false);
	if (t->day[0] == '\0' || memcmp(t->day, time, sizeof(t->day)) != 0
	    || ++t->rows >= HEADER_EVERY)
		put_header(&l, t, time);
	put(&l, dim, HT_SPAN(time + sizeof("2026-11-21"), t->width[TIME]));
	go_to(&l, t->start[CLIENT]);
	end = put_peer(s, cell, GET(r, src_ip), GET(r, src_mac), NULL);
	put(&l, plain, HT_SPAN(cell, (size_t)(end - cell)));
	go_to(&l, t->start[SERVER]);
	put(&l, dim, HT_SPAN_STR(ARROW));
	end = put_peer(s, cell, GET(r, dst_ip), GET(r, dst_mac), REF(r, dst_port));
	put(&l, plain, HT_SPAN(cell, (size_t)(end - cell)));
	go_to(&l, t->start[PROTO]);
	put_proto(&l, r);
	go_to(&l, t->start[SNI]);
	put_sni(&l, t, r);
	if (t->width[ALPN] > 0) {
		go_to(&l, t->start[ALPN]);
		if (r->has & HT_HAS(alpn))
			put_alpn(&l, t, r);
	}
	go_to(&l, t->start[JA4]);
	if (r->has & HT_HAS(ja4))
		put_ja4(&l, t, r->ja4);
	go_to(&l, t->start[NOTES]);
	put_notes(&l, r);
	end_line(&l);
	sink_commit(s, l.out);
}

const struct ht_sink_ops ht_sink_table = {
	.name = "table",
	.help = "one line a hello, for people at a terminal",
	.open = table_open,
	.write = table_write,
	.close = table_close,
};
