// SPDX-License-Identifier: BSD-3-Clause
// Flows and aggregates in the table. What a wider terminal adds stands in the order in which it is
// added. Of what is left the server name gets a usual width, then the notes, then both the same.

#include "export_table_int.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>

#define GET(r, id) ((r)->has & HT_HAS(id) ? (r)->id : NULL)
#define REF(r, id) ((r)->has & HT_HAS(id) ? &(r)->id : NULL)
#define NUMBER(r, id) ((r)->has & HT_HAS(id) ? (r)->id : 0)

#define SNI_LEAST 14u
#define SNI_USUAL 24u
#define NUMBER_WIDTH 5u // 999, 9.9k, 999k
#define NOTES_LEAST 8u
#define NOTES_USUAL 28u
#define SNI_TINY 4u // where the terminal is too narrow for all
#define YEAR_LEN 5u // "2026-", left out at a terminal

// --- cells --------------------------------------------------------------------------------------

// text_human writes a number in at most 4 characters, cut and not rounded: 999, 1.2k, 34M.
static char *text_human(char *out, uint64_t v) {
	static const char units[] = "kMGTPE";
	if (v < 1000)
		return ht_u64_dec(out, v);
	unsigned unit = 0;
	for (; v >= 1000000; unit++)
		v /= 1000;
	if (v < 10000) {
		out = ht_u64_dec(out, v / 1000);
		*out++ = '.';
		out = ht_u64_dec(out, v / 100 % 10);
	} else {
		out = ht_u64_dec(out, v / 1000);
	}
	*out++ = units[unit];
	return out;
}

// text_duration writes microseconds in at most 6 characters: 850us, 12ms, 9.9s, 99s, 59m59, 999h59,
// 41d.
static char *text_duration(char *out, uint64_t us) {
	const uint64_t ms = us / 1000, s = ms / 1000, m = s / 60, h = m / 60;
	if (us < 1000)
		return out + sprintf(out, "%uus", (unsigned)us);
	if (ms < 1000)
		return out + sprintf(out, "%ums", (unsigned)ms);
	if (s < 10)
		return out + sprintf(out, "%u.%us", (unsigned)s, (unsigned)(ms / 100 % 10));
	if (s < 100)
		return out + sprintf(out, "%us", (unsigned)s);
	if (h == 0)
		return out + sprintf(out, "%um%02u", (unsigned)m, (unsigned)(s % 60));
	if (h < 1000)
		return out + sprintf(out, "%uh%02u", (unsigned)h, (unsigned)(m % 60));
	out = text_human(out, h / 24);
	*out++ = 'd';
	return out;
}

// A number, to the right.
static void put_human(struct line *l, const struct column *c, uint64_t v) {
	char cell[32];
	const size_t len = (size_t)(text_human(cell, v) - cell);
	line_go(l, c->start + c->width - (unsigned)len);
	line_put(l, line_plain, HT_SPAN(cell, len));
}

#define HUMAN(name, expression) \
	static void name( \
		struct ht_sink *s, struct line *l, const struct column *c, \
		const struct ht_record *r \
	) { \
		(void)s; \
		put_human(l, c, expression); \
	}
HUMAN(put_flows, NUMBER(r, flows))
HUMAN(put_clients, NUMBER(r, clients))
HUMAN(put_hellos, NUMBER(r, hellos))
HUMAN(put_sent, NUMBER(r, c2s_bytes))
HUMAN(put_received, NUMBER(r, s2c_bytes))
HUMAN(put_packets_sent, NUMBER(r, c2s_packets))
HUMAN(put_packets_received, NUMBER(r, s2c_packets))
#undef HUMAN

// "/24" where an address is a network.
static const char *prefix_of(char out[8], const uint8_t *bits) {
	out[0] = '\0';
	if (bits != NULL)
		snprintf(out, 8, "/%u", *bits);
	return out;
}

static void
put_client(struct ht_sink *s, struct line *l, const struct column *c, const struct ht_record *r) {
	char prefix[8];
	// Any IPv4 address; its port where there is room for that.
	const uint16_t *const port = c->width > 18 ? REF(r, src_port) : NULL;
	line_peer(
		s, l, c->width, GET(r, src_ip), NULL, port, prefix_of(prefix, REF(r, src_prefix))
	);
}

static void
put_server(struct ht_sink *s, struct line *l, const struct column *c, const struct ht_record *r) {
	char cell[64], prefix[8];
	if (r->has & HT_HAS(dst_ip) || !(r->has & HT_HAS(dst_port))) {
		line_peer(
			s, l, c->width, GET(r, dst_ip), NULL, REF(r, dst_port),
			prefix_of(prefix, REF(r, dst_prefix))
		);
		return;
	}
	cell[0] = ':';
	const char *const end = put_number(&s->memo, cell + 1, r->dst_port);
	line_cut(l, line_plain, HT_SPAN(cell, (size_t)(end - cell)), c->width);
}

// What is spoken: the version that the server chose, or else the highest offered, TLS1.3; QUICv1;
// or what is known of it, DTLS, TCP.
static void
put_proto(struct ht_sink *s, struct line *l, const struct column *c, const struct ht_record *r) {
	char cell[64], *out = cell;
	(void)s;
	const char *const protocol = r->has & HT_HAS(protocol)	  ? r->protocol
				     : r->has & HT_HAS(transport) ? r->transport
								  : "-";
	const char *const version = r->has & HT_HAS(server_version) ? r->server_version
				    : r->has & HT_HAS(tls_version)  ? r->tls_version
								    : "";
	if (strcmp(protocol, "quic") == 0)
		out = text_quic(
			out, r->has & HT_HAS(server_quic_version) ? r->server_quic_version
								  : NUMBER(r, quic_version)
		);
	else
		for (const char *p = version[0] != '\0' ? version : protocol; *p != '\0'; p++)
			if (*p != ' ')
				*out++ = (char)toupper((unsigned char)*p);
	line_cut(l, line_plain, HT_SPAN(cell, (size_t)(out - cell)), c->width);
}

static void
put_text(struct line *l, const struct column *c, const char *color, const struct ht_span *text) {
	char cell[ESCAPED_MAX];
	if (text == NULL) {
		line_put(l, line_dim, HT_SPAN_STR("-"));
		return;
	}
	const char *const end = text_sent(cell, *text, c->width, "");
	line_cut(l, color, HT_SPAN(cell, (size_t)(end - cell)), c->width);
}

static void
put_sni(struct ht_sink *s, struct line *l, const struct column *c, const struct ht_record *r) {
	(void)s;
	put_text(l, c, line_bold, REF(r, sni));
}

static void
put_alpn(struct ht_sink *s, struct line *l, const struct column *c, const struct ht_record *r) {
	(void)s;
	struct ht_span first;
	if (r->has & HT_HAS(alpn_first)) {
		first = r->alpn_first;
	} else if (r->has & HT_HAS(server_alpn)) {
		first = r->server_alpn;
	} else if (r->has & HT_HAS(alpn) && r->alpn.len > 0) {
		const size_t n = r->alpn.p[0];
		first = HT_SPAN(r->alpn.p + 1, n < r->alpn.len ? n : r->alpn.len - 1);
	} else {
		return;
	}
	put_text(l, c, line_plain, &first);
}

static void
put_ja4(struct ht_sink *s, struct line *l, const struct column *c, const struct ht_record *r) {
	(void)s;
	if (r->has & HT_HAS(ja4))
		line_put(
			l, line_cyan,
			HT_SPAN(r->ja4.p, r->ja4.len < c->width ? r->ja4.len : c->width)
		);
}

static void
put_duration(struct ht_sink *s, struct line *l, const struct column *c, const struct ht_record *r) {
	char cell[32];
	(void)s;
	if (!(r->has & HT_HAS(duration_us)))
		return;
	const size_t len = (size_t)(text_duration(cell, r->duration_us) - cell);
	line_go(l, c->start + c->width - (unsigned)len);
	line_put(l, line_plain, HT_SPAN(cell, len));
}

static void put_end_reason(
	struct ht_sink *s, struct line *l, const struct column *c, const struct ht_record *r
) {
	(void)s;
	if (r->has & HT_HAS(end_reason))
		line_cut(l, line_plain, HT_SPAN(r->end_reason, strlen(r->end_reason)), c->width);
}

// Something is wrong: wider terminals say what.
static void
put_mark(struct ht_sink *s, struct line *l, const struct column *c, const struct ht_record *r) {
	(void)s;
	(void)c;
	const bool found = r->has & HT_HAS(cert_findings) && r->cert_findings.num > 0;
	const bool half = r->has & HT_HAS(complete) && !r->complete;
	if (found || half || r->has & HT_HAS(alert) || NUMBER(r, refused))
		line_put(l, line_red, HT_SPAN_STR("!"));
}

// --- notes --------------------------------------------------------------------------------------

static void note_word(struct notes *n, const char *color, const char *before, const char *word) {
	note_add(n, color, before, HT_SPAN(word, strlen(word)));
}

static void note_number(struct notes *n, const char *color, const char *before, uint64_t v) {
	char text[24];
	note_add(n, color, before, HT_SPAN(text, (size_t)(ht_u64_dec(text, v) - text)));
}

static void note_count(struct notes *n, const char *color, const char *before, uint64_t v) {
	char text[24];
	if (v > 0)
		note_add(n, color, before, HT_SPAN(text, (size_t)(text_human(text, v) - text)));
}

// What became of the handshake, and what was odd about it.
static void flow_notes(struct notes *n, const struct ht_record *r) {
	if (NUMBER(r, refused))
		note_word(n, line_red, "", "refused");
	if (r->has & HT_HAS(alert))
		note_word(n, line_yellow, "alert:", r->alert);
	if (r->has & HT_HAS(complete) && !r->complete)
		note_word(
			n, line_red, "incomplete:",
			r->has & HT_HAS(incomplete_reason) ? r->incomplete_reason : ""
		);
	note_matches(n, r);
	note_words(n, line_yellow, REF(r, via));
	note_words(n, line_red, REF(r, cert_findings));
	if (NUMBER(r, flow_part) > 1)
		note_number(n, line_plain, "part:", r->flow_part);
	if (NUMBER(r, resumed))
		note_word(n, line_plain, "", "resumed");
	if (NUMBER(r, hrr))
		note_word(n, line_plain, "", "hrr");
	if (NUMBER(r, quic_retry))
		note_word(n, line_plain, "", "retry");
	if (NUMBER(r, client_cert))
		note_word(n, line_plain, "", "client-cert");
	if (r->has & HT_HAS(server_cipher)) {
		char text[16];
		snprintf(text, sizeof(text), "0x%04x", r->server_cipher);
		note_word(n, line_dim, "cipher:", text);
	}
	if (NUMBER(r, pq))
		note_word(n, line_green, "", "pq");
	if (r->has & HT_HAS(ech))
		note_word(n, line_green, "ech:", r->ech);
	note_words(n, line_plain, REF(r, findings));
}

static char *text_hex(char *out, struct ht_span bytes) {
	return ht_hex(out, bytes.p, bytes.len < NOTE_MAX ? bytes.len : NOTE_MAX);
}

// No more of a list than a note has room for.
static struct ht_span some(struct ht_span list) {
	return HT_SPAN(list.p, list.len < NOTE_MAX ? list.len : NOTE_MAX);
}

static char *text_words(char *out, const struct ht_strs *list) {
	for (unsigned i = 0; i < list->num; i++)
		out = stpcpy(stpcpy(out, i > 0 ? "," : ""), list->s[i]);
	return out;
}

static char *text_texts(char *out, const struct ht_texts *list) {
	for (unsigned i = 0; i < list->num; i++) {
		out = stpcpy(out, i > 0 ? "," : "");
		out = mempcpy(out, list->s[i], list->len[i]);
	}
	return out;
}

// Behind a number of a list stands a comma.
static char *without_last(const char *start, char *out) {
	return out > start ? out - 1 : out;
}

// The value of a field of any type that a key can have.
static char *
text_value(struct ht_sink *s, char *out, const struct ht_record *r, const struct ht_field *f) {
	const void *const v = (const char *)r + f->offset;
	const struct ht_span *const span = v;
	switch ((enum ht_type)f->type) {
	case HT_TYPE_BOOL:
	case HT_TYPE_FLAG:
		return stpcpy(out, *(const bool *)v ? "true" : "false");
	case HT_TYPE_U8:
		return put_number(&s->memo, out, *(const uint8_t *)v);
	case HT_TYPE_U16:
		return put_number(&s->memo, out, *(const uint16_t *)v);
	case HT_TYPE_U32:
		return put_number(&s->memo, out, *(const uint32_t *)v);
	case HT_TYPE_STR:
		return stpcpy(out, *(const char *const *)v);
	case HT_TYPE_STRS:
		return text_words(out, v);
	case HT_TYPE_TEXTS:
		return text_texts(out, v);
	case HT_TYPE_IP:
		return put_ip(&s->memo, out, *(const uint8_t *const *)v);
	case HT_TYPE_MAC:
		return put_mac(out, *(const uint8_t *const *)v);
	case HT_TYPE_SECONDS:
		return put_seconds(out, *(const int64_t *)v);
	case HT_TYPE_U16S:
		if (f == &ht_fields[HT_FIELD_ciphers] && r->ciphers_are_24_bit)
			return without_last(out, put_u24s(&s->memo, out, some(*span)));
		return without_last(out, put_u16s(&s->memo, out, some(*span)));
	case HT_TYPE_U8S:
		return without_last(out, put_u8s(&s->memo, out, some(*span)));
	case HT_TYPE_TEXT:
	case HT_TYPE_ASCII:
	case HT_TYPE_NAMES: // a length byte stands where a dot would: \x02h2
		return text_ascii(out, *span);
	case HT_TYPE_HEX:
	case HT_TYPE_VARINTS:
		return text_hex(out, *span);
	case HT_TYPE_U64:
	case HT_TYPE_TIME:
	case HT_TYPE_MATCHES:
	case HT_NUM_TYPES:
		break;
	}
	return out;
}

// What an aggregate has that is no field of a key.
#define SUMS \
	(HT_HAS(record) | HT_HAS(ts) | HT_HAS(window_start) | HT_HAS(window_end) | HT_HAS(flows) \
	 | HT_HAS(hellos) | HT_HAS(incomplete_hellos) | HT_HAS(c2s_packets) | HT_HAS(c2s_bytes) \
	 | HT_HAS(c2s_ip_bytes) | HT_HAS(s2c_packets) | HT_HAS(s2c_bytes) | HT_HAS(s2c_ip_bytes) \
	 | HT_HAS(first_seen) | HT_HAS(last_seen) | HT_HAS(clients) | HT_HAS(hello_len_min) \
	 | HT_HAS(hello_len_max) | HT_HAS(hello_len_mean) | HT_HAS(resumed_flows) \
	 | HT_HAS(refused_flows) | HT_HAS(other) | HT_HAS(other_keys) | HT_HAS(src_prefix) \
	 | HT_HAS(dst_prefix) | HT_HAS(sensor_id) | HT_HAS(sensor_run) | HT_HAS(sequence))

// What of the key has no column, then what is seldom other than 0, and last, since it is the first
// to be cut, how long hellos are, where that differs.
static void aggregate_notes(
	struct ht_sink *s, struct notes *n, const struct layout *t, const struct ht_record *r
) {
	char text[16 * NOTE_MAX];
	note_words(n, line_yellow, t->shown & HT_HAS(via) ? REF(r, via) : NULL);
	for (ht_fieldset left = r->has & ~t->shown & ~SUMS; left != 0;) {
		const struct ht_field *const f = &ht_fields[ht_fieldset_next(&left)];
		char *const out = stpcpy(stpcpy(text, f->name), "=");
		const char *const end = text_value(s, out, r, f);
		note_add(n, line_plain, "", HT_SPAN(text, (size_t)(end - text)));
	}
	note_count(n, line_red, "refused:", NUMBER(r, refused_flows));
	note_count(n, line_red, "incomplete:", NUMBER(r, incomplete_hellos));
	note_count(n, line_plain, "resumed:", NUMBER(r, resumed_flows));
	if (r->has & HT_HAS(hello_len_mean) && r->hello_len_min != r->hello_len_max) {
		snprintf(
			text, sizeof(text), "len:%u<%u<%u", r->hello_len_min, r->hello_len_mean,
			r->hello_len_max
		);
		note_word(n, line_dim, "", text);
	}
}

// --- columns ------------------------------------------------------------------------------------

static void
add(struct layout *t,
    const char *title,
    unsigned width,
    void (*put
    )(struct ht_sink *s, struct line *l, const struct column *c, const struct ht_record *r),
    bool right) {
	t->c[t->num++]
		= (struct column){.title = title, .width = width, .put = put, .right = right};
}

// What a server name of the least width gets of `spare` columns; the notes get the others.
static unsigned share(unsigned spare) {
	const unsigned to_name = SNI_USUAL - SNI_LEAST, to_notes = NOTES_USUAL - NOTES_LEAST;
	if (spare <= to_name)
		return spare;
	return spare > to_name + to_notes ? to_name + (spare - to_name - to_notes) / 2 : to_name;
}

// lay_out finds where columns start. `sni` is the one that takes the rest, NULL: none does.
static void lay_out(struct layout *t, struct column *sni, unsigned width, bool is_file) {
	unsigned used = 0;
	for (unsigned i = 0; i < t->num; i++)
		used += t->c[i].width + 1;
	// Notes that would be a few characters leave them to the name.
	const unsigned rest = width > used ? width - used : 0;
	const bool notes = is_file || rest >= NOTES_LEAST;
	if (sni != NULL && used > width + 1) {
		const unsigned over = used - 1 - width;
		sni->width = sni->width > over + SNI_TINY ? sni->width - over : SNI_TINY;
	} else if (sni != NULL) {
		const unsigned more = notes ? share(rest - NOTES_LEAST) : width + 1 - used;
		sni->width = sni->width + more < CELL_MAX ? sni->width + more : CELL_MAX;
	}
	unsigned at = 0;
	for (unsigned i = 0; i < t->num; i++) {
		if (i == 0 && is_file)
			t->c[i].width = SECOND_LEN;
		t->c[i].start = at;
		at += t->c[i].width + 1;
	}
	t->end = is_file ? UINT_MAX : width;
	t->notes = notes ? at : t->end;
}

void flow_layout(struct layout *t, unsigned width, bool is_file) {
	struct column *sni;
	memset(t, 0, sizeof(*t));
	add(t, "TIME", width >= 180 ? 12 : 8, NULL, false);
	add(t, "CLIENT", width >= 150 ? 21 : 15, put_client, false);
	add(t, "SERVER", 21, put_server, false);
	add(t, "PROTO", 7, put_proto, false);
	sni = &t->c[t->num];
	add(t, "SNI", SNI_LEAST, put_sni, false);
	if (width >= 120)
		add(t, "ALPN", 8, put_alpn, false);
	if (width >= 90)
		add(t, "FOR", 6, put_duration, true);
	if (width >= 150) {
		add(t, "->PKT", NUMBER_WIDTH, put_packets_sent, true);
		add(t, "<-PKT", NUMBER_WIDTH, put_packets_received, true);
	}
	add(t, "->", NUMBER_WIDTH - 1, put_sent, true);
	add(t, "<-", NUMBER_WIDTH - 1, put_received, true);
	if (width >= 106)
		add(t, "END", 9, put_end_reason, false);
	if (width >= 80 && width < 95) // there is no room for notes
		add(t, "!", 1, put_mark, false);
	lay_out(t, sni, width, is_file);
}

void aggregate_layout(struct layout *t, ht_fieldset key, unsigned width, bool is_file) {
	struct column *sni = NULL;
	memset(t, 0, sizeof(*t));
	if (key == 0)
		key = HT_HAS(dst_ip) | HT_HAS(dst_port) | HT_HAS(transport) | HT_HAS(protocol)
		      | HT_HAS(via) | HT_HAS(sni) | HT_HAS(alpn_first) | HT_HAS(tls_version)
		      | HT_HAS(ja4);
	t->shown = key & HT_HAS(via);
	// With its date, as windows may be days: 11-21T01:02:03, or 11-21T01:02 where room is
	// short.
	const unsigned window = is_file ? 8 : width < 80 ? 11 : 14;
	add(t, is_file ? "WINDOW" : "WINDOW UTC", window, NULL, false);
	if (key & HT_HAS(src_ip)) {
		const bool port = key & HT_HAS(src_port);
		add(t, "CLIENT", port ? 21 : 18, put_client, false);
		t->shown |= key & (HT_HAS(src_ip) | HT_HAS(src_port));
	}
	if (key & (HT_HAS(dst_ip) | HT_HAS(dst_port))) {
		add(t, "SERVER", 21, put_server, false);
		t->shown |= key & (HT_HAS(dst_ip) | HT_HAS(dst_port));
	}
	const ht_fieldset proto = HT_HAS(transport) | HT_HAS(protocol) | HT_HAS(tls_version)
				  | HT_HAS(quic_version) | HT_HAS(server_version)
				  | HT_HAS(server_quic_version);
	if (key & proto) {
		add(t, "PROTO", 7, put_proto, false);
		t->shown |= key & proto;
	}
	if (key & HT_HAS(sni)) {
		sni = &t->c[t->num];
		add(t, "SNI", SNI_LEAST, put_sni, false);
		t->shown |= HT_HAS(sni);
	}
	// Cut to what a narrow terminal leaves for notes, these would say nothing.
	t->shown |= key & (HT_HAS(alpn_first) | HT_HAS(ja4));
	if (key & HT_HAS(alpn_first) && width >= 110)
		add(t, "ALPN", 8, put_alpn, false);
	if (key & HT_HAS(ja4) && width >= 100) {
		const bool whole = width >= 160;
		add(t, whole ? "JA4" : "JA4_a", whole ? JA4_LEN : JA4_A, put_ja4, false);
	}
	add(t, "FLOWS", NUMBER_WIDTH, put_flows, true);
	if (width >= 120)
		add(t, "HELLOS", 6, put_hellos, true);
	add(t, "CLNTS", NUMBER_WIDTH, put_clients, true);
	add(t, "->", NUMBER_WIDTH - 1, put_sent, true);
	add(t, "<-", NUMBER_WIDTH - 1, put_received, true);
	lay_out(t, sni, width, is_file);
}

void layout_header(struct line *l, const struct layout *t) {
	for (unsigned i = 0; i < t->num; i++) {
		const struct column *const c = &t->c[i];
		const unsigned len = (unsigned)strlen(c->title);
		line_go(l, c->right ? c->start + c->width - len : c->start);
		line_put(l, line_dim, HT_SPAN(c->title, len));
	}
	if (t->notes + NOTES_LEAST <= t->end) {
		line_go(l, t->notes);
		line_put(l, line_dim, HT_SPAN_STR("NOTES"));
	}
	line_end(l);
}

// In the place of a key, in as many columns as there are up to the numbers.
static void put_other(struct line *l, const struct layout *t, const struct ht_record *r) {
	char cell[64];
	unsigned i = 1;
	while (!t->c[i].right)
		i++;
	line_go(l, t->c[0].width + 1);
	const unsigned room = t->c[i].start - l->at;
	char *end = text_human(stpcpy(cell, "other: "), NUMBER(r, other_keys));
	end = stpcpy(end, " keys");
	if (room > 1)
		line_cut(l, line_dim, HT_SPAN(cell, (size_t)(end - cell)), room - 1);
}

void layout_row(
	struct ht_sink *s,
	struct line *l,
	const struct layout *t,
	const struct ht_record *r,
	const char *time
) {
	struct notes n;
	n.num = n.len = 0;
	const bool of_aggregate = ht_record_kind(r) == HT_KIND_AGGREGATE;
	const unsigned width = t->c[0].width;
	const char *const from = width == SECOND_LEN ? time
				 : of_aggregate	     ? time + YEAR_LEN
						     : time + DATE_LEN + 1;
	line_put(l, line_dim, HT_SPAN(from, width));
	const bool other = NUMBER(r, other);
	if (other)
		put_other(l, t, r);
	for (unsigned i = 1; i < t->num; i++) {
		if (other && !t->c[i].right)
			continue;
		line_go(l, t->c[i].start);
		t->c[i].put(s, l, &t->c[i], r);
	}
	if (of_aggregate)
		aggregate_notes(s, &n, t, r);
	else
		flow_notes(&n, r);
	line_notes(l, &n, t->notes, t->end);
}
