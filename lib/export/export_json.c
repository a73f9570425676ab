// SPDX-License-Identifier: BSD-3-Clause
// JSON lines (RFC 8259), one object a record.

#include "export_int.h"

// What stands before a value: `,"name":`. One cache line holds all that the loop wants to know of a
// field but for its value.
struct key {
	char text[40];
	uint8_t len, type;
	uint16_t offset;
};

#define F(id, number, type, kinds, help) \
	{",\"" #id "\":", sizeof(",\"" #id "\":") - 1, HT_TYPE_##type, \
	 offsetof(struct ht_record, id)},
static const struct key keys[HT_NUM_FIELDS] = {HT_RECORD_FIELDS(F)};
#undef F
#define F(id, number, type, kinds, help) \
	_Static_assert(sizeof(",\"" #id "\":") - 1 <= 32, #id ": see put_key");
HT_RECORD_FIELDS(F)
#undef F

static char *put_key(char *out, const struct key *k) {
	memcpy(out, k->text, 32);
	return out + k->len;
}

static char *put_escape(char *out, const char *prefix, uint8_t c) {
	static const char digits[16] = "0123456789abcdef";
	out = put_span(out, prefix, strlen(prefix));
	*out++ = digits[c >> 4];
	*out++ = digits[c & 15];
	return out;
}

// RFC 8259 7. Bytes that are not UTF-8 have no place in JSON: they become the four characters \xNN,
// and, so that they cannot be forged, a backslash that was sent in front of an x becomes \x5c.
static __attribute__((noinline)) char *put_odd_text(char *out, struct ht_span text) {
	for (size_t i = 0; i < text.len;) {
		const uint8_t *p = text.p + i;
		const unsigned n = ht_utf8_len(p, text.len - i);
		if (n == 0) {
			out = put_escape(out, "\\\\x", p[0]);
		} else if (n > 1) {
			memcpy(out, p, n);
			out += n;
		} else if (p[0] < 0x20 || p[0] == 0x7f) {
			out = put_escape(out, "\\u00", p[0]);
		} else if (p[0] == '\\' && i + 1 < text.len && p[1] == 'x') {
			out = put_escape(out, "\\\\x", p[0]);
		} else {
			if (p[0] == '"' || p[0] == '\\')
				*out++ = '\\';
			*out++ = (char)p[0];
		}
		i += n > 0 ? n : 1;
	}
	return out;
}

static const struct char_set json_special = {"\"\"\\\\"};

char *ht_json_text(char *out, struct ht_span text) {
	return put_odd_text(out, text);
}

static inline char *put_text(char *out, struct ht_span text) {
	*out++ = '"';
	char *end = put_ordinary(out, text, json_special);
	out = HT_LIKELY(end != NULL) ? end : put_odd_text(out, text);
	*out++ = '"';
	return out;
}

static inline char *put_quoted(char *out, const void *p, size_t n) {
	*out++ = '"';
	out = put_span(out, p, n);
	*out++ = '"';
	return out;
}

// close_list ends a list whose items each have a comma behind them.
static inline char *close_list(char *out) {
	out -= out[-1] == ',';
	*out++ = ']';
	return out;
}

static inline char *close_numbers(char *out, bool any) {
	out -= any;
	*out++ = ']';
	return out;
}

static char *put_names(char *out, struct ht_span names) {
	*out++ = '[';
	for (size_t i = 0; i < names.len;) {
		size_t n = names.p[i++];
		n = n < names.len - i ? n : names.len - i;
		out = put_text(out, HT_SPAN(names.p + i, n));
		*out++ = ',';
		i += n;
	}
	return close_list(out);
}

static char *put_varints(struct memo *m, char *out, struct ht_span list) {
	*out++ = '[';
	struct ht_reader r = ht_reader(list);
	uint64_t v;
	while (ht_varint(&r, &v)) {
		out = put_number(m, out, v);
		*out++ = ',';
	}
	return close_list(out);
}

static char *put_strs(char *out, const struct ht_strs *list) {
	*out++ = '[';
	for (unsigned i = 0; i < list->num; i++) {
		out = put_quoted(out, list->s[i], strlen(list->s[i]));
		*out++ = ',';
	}
	return close_list(out);
}

static char *put_texts(char *out, const struct ht_texts *list) {
	*out++ = '[';
	for (unsigned i = 0; i < list->num; i++) {
		out = put_quoted(out, list->s[i], list->len[i]);
		*out++ = ',';
	}
	return close_list(out);
}

static char *put_member(char *out, const char *key, struct ht_span value) {
	return put_text(put_str(out, key), value);
}

// What is written for a match beside its bytes is 6 characters for each of its 8 bytes of lengths.
static char *put_matches(char *out, struct ht_span matches) {
	struct ht_match m;
	*out++ = '[';
	while (ht_match_next(&matches, &m)) {
		out = put_member(out, "{\"list\":", m.list);
		out = put_member(out, ",\"entry\":", m.entry);
		if (m.label.len > 0)
			out = put_member(out, ",\"label\":", m.label);
		out = put_member(out, ",\"severity\":", m.severity);
		*out++ = '}';
		*out++ = ',';
	}
	return close_list(out);
}

static enum ht_rc json_open(struct ht_sink *s) {
	(void)s;
	return HT_OK;
}

// The ledger comes as JSON already.
static __attribute__((noinline)) char *
put_ledger(char *out, const char *limit, struct ht_span object) {
	if (out >= limit || object.len >= (size_t)(limit - out))
		return NULL;
	return mempcpy(stpcpy(out, ",\"ledger\":"), object.p, object.len);
}

char *
json_put(struct memo *m, char *const start, const char *const limit, const struct ht_record *r) {
	char *out = start;
	for (ht_fieldset left = r->has; left != 0;) {
		const struct key *k = &keys[ht_fieldset_next(&left)];
		const void *const value = (const char *)r + k->offset;
		const struct ht_span *const span = value;
		out = put_key(out, k);
		// No byte of a value makes more characters than PUT_BYTE_MAX, apart from what
		// SINK_SLACK has room for.
		switch ((enum ht_type)k->type) {
		case HT_TYPE_BOOL:
		case HT_TYPE_FLAG:
			out = *(const bool *)value ? put_span(out, "true", 4)
						   : put_span(out, "false", 5);
			break;
		case HT_TYPE_U8:
			out = put_number(m, out, *(const uint8_t *)value);
			break;
		case HT_TYPE_U16:
			out = put_number(m, out, *(const uint16_t *)value);
			break;
		case HT_TYPE_U32:
			out = put_number(m, out, *(const uint32_t *)value);
			break;
		case HT_TYPE_U64:
			out = put_number(m, out, *(const uint64_t *)value);
			break;
		case HT_TYPE_STR: {
			const char *str = *(const char *const *)value;
			out = put_quoted(out, str, strlen(str));
			break;
		}
		case HT_TYPE_TEXT:
			if (HT_UNLIKELY(!sink_fits(out, limit, span)))
				return NULL;
			out = put_text(out, *span);
			break;
		case HT_TYPE_HEX:
			if (HT_UNLIKELY(!sink_fits(out, limit, span)))
				return NULL;
			*out++ = '"';
			out = ht_hex(out, span->p, span->len);
			*out++ = '"';
			break;
		case HT_TYPE_ASCII:
			if (HT_UNLIKELY(!sink_fits(out, limit, span)))
				return NULL;
			// A fingerprint is printable, but no bug elsewhere shall break the JSON.
			out = put_text(out, *span);
			break;
		case HT_TYPE_IP:
			*out++ = '"';
			out = put_ip(m, out, *(const uint8_t *const *)value);
			*out++ = '"';
			break;
		case HT_TYPE_MAC:
			*out++ = '"';
			out = put_mac(out, *(const uint8_t *const *)value);
			*out++ = '"';
			break;
		case HT_TYPE_TIME:
			*out++ = '"';
			out = put_time(m, out, *(const int64_t *)value, r->ts_is_ns);
			*out++ = '"';
			break;
		case HT_TYPE_SECONDS:
			*out++ = '"';
			out = put_seconds(out, *(const int64_t *)value);
			*out++ = '"';
			break;
		case HT_TYPE_U16S:
			if (HT_UNLIKELY(!sink_fits(out, limit, span)))
				return NULL;
			*out++ = '[';
			if (HT_UNLIKELY(value == &r->ciphers && r->ciphers_are_24_bit))
				out = close_numbers(put_u24s(m, out, *span), span->len >= 3);
			else
				out = close_numbers(put_u16s(m, out, *span), span->len >= 2);
			break;
		case HT_TYPE_U8S:
			if (HT_UNLIKELY(!sink_fits(out, limit, span)))
				return NULL;
			*out++ = '[';
			out = close_numbers(put_u8s(m, out, *span), span->len > 0);
			break;
		case HT_TYPE_VARINTS:
			if (HT_UNLIKELY(!sink_fits(out, limit, span)))
				return NULL;
			out = put_varints(m, out, *span);
			break;
		case HT_TYPE_NAMES:
			if (HT_UNLIKELY(!sink_fits(out, limit, span)))
				return NULL;
			out = put_names(out, *span);
			break;
		case HT_TYPE_MATCHES:
			if (HT_UNLIKELY(!sink_fits(out, limit, span)))
				return NULL;
			out = put_matches(out, *span);
			break;
		case HT_TYPE_STRS:
			out = put_strs(out, value);
			break;
		case HT_TYPE_TEXTS:
			out = put_texts(out, value);
			break;
		case HT_NUM_TYPES:
			break;
		}
	}
	if (HT_UNLIKELY(r->has & HT_HAS(frames_read)) && r->stats_json.len > 0
	    && (out = put_ledger(out, limit, r->stats_json)) == NULL)
		return NULL;
	out += out == start; // no field at all
	*start = '{'; // instead of the first comma
	*out++ = '}';
	return out;
}

static void json_write(struct ht_sink *s, const struct ht_record *r) {
	char *const end = json_put(&s->memo, sink_room(s), sink_limit(s), r);
	if (HT_UNLIKELY(end == NULL)) {
		sink_too_large(s);
		return;
	}
	*end = '\n';
	sink_commit(s, end + 1);
}

static void json_close(struct ht_sink *s) {
	(void)s;
}

const struct ht_sink_ops ht_sink_json = {
	.name = "json",
	.help = "JSON lines: one object a record (--fields lists the keys)",
	.open = json_open,
	.write = json_write,
	.close = json_close,
};
