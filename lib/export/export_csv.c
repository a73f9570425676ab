// SPDX-License-Identifier: BSD-3-Clause
// CSV (RFC 4180): a header line, then a line a record with a cell for each field that the kinds of
// record written can have.
//
// A cell is what JSON has, without its quotes, but for text: control characters are escaped as \xNN
// like bytes that are not UTF-8, so that a record is always one line. The items of a list stand
// with spaces between them; a space in an item is \x20.

#include "export_int.h"

// close_cell puts a cell with a comma or a quote into quotes and doubles the quotes in it
// (RFC 4180 2). What it escapes is at most a third of what put_plain had room for.
static __attribute__((noinline)) char *close_cell(char *cell, char *out) {
	const size_t n = (size_t)(out - cell);
	size_t quotes = 0, commas = 0;
	for (size_t i = 0; i < n; i++) {
		quotes += cell[i] == '"';
		commas += cell[i] == ',';
	}
	if (quotes + commas == 0)
		return out;
	char *const end = out + quotes + 2;
	char *to = end;
	*--to = '"';
	for (size_t i = n; i > 0; i--) {
		const char c = cell[i - 1];
		*--to = c;
		if (c == '"')
			*--to = c;
	}
	*--to = '"';
	return end;
}

static const struct char_set cell_special = {"\"\",\\"}, item_special = {"\" ,\\"};

static char *put_text(char *out, struct ht_span text) {
	char *end = put_ordinary(out, text, cell_special);
	return HT_LIKELY(end != NULL) ? end : close_cell(out, put_plain(out, text, "", false));
}

// close_list drops the space behind the last item.
static inline char *close_list(char *list, char *out) {
	return out > list ? out - 1 : out;
}

static inline char *put_item(char *out, struct ht_span item, bool *special) {
	char *const end = put_ordinary(out, item, item_special);
	*special |= end == NULL;
	return HT_LIKELY(end != NULL) ? end : put_plain(out, item, " ", false);
}

static char *put_names(char *out, struct ht_span names) {
	char *const list = out;
	bool special = false;
	for (size_t i = 0; i < names.len;) {
		size_t n = names.p[i++];
		n = n < names.len - i ? n : names.len - i;
		out = put_item(out, HT_SPAN(names.p + i, n), &special);
		*out++ = ' ';
		i += n;
	}
	out = close_list(list, out);
	return special ? close_cell(list, out) : out;
}

// LIST:ENTRY of each.
static char *put_matches(char *out, struct ht_span matches) {
	char *const list = out;
	struct ht_match m;
	bool special = false;
	while (ht_match_next(&matches, &m)) {
		out = put_item(out, m.list, &special);
		*out++ = ':';
		out = put_item(out, m.entry, &special);
		*out++ = ' ';
	}
	out = close_list(list, out);
	return special ? close_cell(list, out) : out;
}

static char *put_varints(struct memo *m, char *out, struct ht_span list) {
	char *const start = out;
	struct ht_reader r = ht_reader(list);
	uint64_t v;
	while (ht_varint(&r, &v)) {
		out = put_number(m, out, v);
		*out++ = ' ';
	}
	return close_list(start, out);
}

static char *put_strs(char *out, const struct ht_strs *list) {
	char *const start = out;
	for (unsigned i = 0; i < list->num; i++) {
		out = put_str(out, list->s[i]);
		*out++ = ' ';
	}
	return close_list(start, out);
}

static char *put_texts(char *out, const struct ht_texts *list) {
	char *const start = out;
	for (unsigned i = 0; i < list->num; i++) {
		out = put_span(out, list->s[i], list->len[i]);
		*out++ = ' ';
	}
	return close_list(start, out);
}

static enum ht_rc csv_open(struct ht_sink *s) {
	(void)s;
	return HT_OK;
}

static void csv_header(struct ht_sink *s) {
	char *out = s->buf;
	for (ht_fieldset left = s->params.fields; left != 0;) {
		out = put_str(out, ht_fields[ht_fieldset_next(&left)].name);
		*out++ = ',';
	}
	out[-1] = '\r';
	*out++ = '\n';
	s->len = (size_t)(out - s->buf);
	s->pinned = (uint32_t)s->len;
}

// put_value writes the cell of one field.
static inline char *
put_value(struct memo *m, char *out, const struct ht_record *r, const struct ht_field *f) {
	const void *const value = (const char *)r + f->offset;
	const struct ht_span *const span = value;
	char *const cell = out;
	switch ((enum ht_type)f->type) {
	case HT_TYPE_BOOL:
	case HT_TYPE_FLAG:
		return *(const bool *)value ? put_span(out, "true", 4) : put_span(out, "false", 5);
	case HT_TYPE_U8:
		return put_number(m, out, *(const uint8_t *)value);
	case HT_TYPE_U16:
		return put_number(m, out, *(const uint16_t *)value);
	case HT_TYPE_U32:
		return put_number(m, out, *(const uint32_t *)value);
	case HT_TYPE_U64:
		return put_number(m, out, *(const uint64_t *)value);
	case HT_TYPE_STR:
		return put_str(out, *(const char *const *)value);
	case HT_TYPE_TEXT:
		return put_text(out, *span);
	case HT_TYPE_HEX:
		return ht_hex(out, span->p, span->len);
	case HT_TYPE_ASCII: // JA4_r has commas
		return put_text(out, *span);
	case HT_TYPE_IP:
		return put_ip(m, out, *(const uint8_t *const *)value);
	case HT_TYPE_MAC:
		return put_mac(out, *(const uint8_t *const *)value);
	case HT_TYPE_TIME:
		return put_time(m, out, *(const int64_t *)value, r->ts_is_ns);
	case HT_TYPE_SECONDS:
		return put_seconds(out, *(const int64_t *)value);
	case HT_TYPE_U16S:
		if (HT_UNLIKELY(value == &r->ciphers && r->ciphers_are_24_bit))
			return close_list(cell, put_u24s(m, out, *span));
		return close_list(cell, put_u16s(m, out, *span));
	case HT_TYPE_U8S:
		return close_list(cell, put_u8s(m, out, *span));
	case HT_TYPE_VARINTS:
		return put_varints(m, out, *span);
	case HT_TYPE_NAMES:
		return put_names(out, *span);
	case HT_TYPE_MATCHES:
		return put_matches(out, *span);
	case HT_TYPE_STRS:
		return put_strs(out, value);
	case HT_TYPE_TEXTS:
		return put_texts(out, value);
	case HT_NUM_TYPES:
		break;
	}
	return out;
}

#define BIT(type) (1u << HT_TYPE_##type)
static const uint32_t span_types = BIT(TEXT) | BIT(HEX) | BIT(ASCII) | BIT(U16S) | BIT(U8S)
				   | BIT(VARINTS) | BIT(NAMES) | BIT(MATCHES);

static void csv_write(struct ht_sink *s, const struct ht_record *r) {
	const char *const limit = sink_limit(s);
	char *out = sink_room(s);
	for (ht_fieldset left = s->params.fields; left != 0;) {
		const unsigned i = ht_fieldset_next(&left);
		const struct ht_field *const f = &ht_fields[i];
		if (r->has >> i & 1) {
			const void *const value = (const char *)r + f->offset;
			if ((span_types >> f->type & 1)
			    && HT_UNLIKELY(!sink_fits(out, limit, value))) {
				sink_too_large(s);
				return;
			}
			out = put_value(&s->memo, out, r, f);
		}
		*out++ = ',';
	}
	out[-1] = '\r';
	*out++ = '\n';
	sink_commit(s, out);
}

static void csv_close(struct ht_sink *s) {
	(void)s;
}

const struct ht_sink_ops ht_sink_csv = {
	.name = "csv",
	.help = "CSV with a header line (RFC 4180)",
	.open = csv_open,
	.header = csv_header,
	.write = csv_write,
	.close = csv_close,
};
