// SPDX-License-Identifier: BSD-3-Clause
// A key: what it is made of, as text; a record's, as bytes that are equal when the keys are; and
// back.
//
//   2 bytes  which of its fields the record has
//   then the value of each: numbers as they lie in the record; words as their number, 2 bytes; IP a
//   length, 4 or 16, and so many bytes; spans behind a length of 2 bytes; STRS a count of 1 byte
//   and 2 bytes each; TEXTS a count of 1 byte and each behind a length of 1 byte. BOOL: nothing.

#include "aggregate_int.h"
#include "pages.h"

#define XXH_INLINE_ALL
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

static const char *const default_key[] = {
	"dst_ip", "dst_port",	"transport",   "protocol", "via",
	"sni",	  "alpn_first", "tls_version", "ja4",
};

// --- words --------------------------------------------------------------------------------------

bool words_init(struct words *w, uint64_t secret) {
	w->secret = secret;
	w->word = ht_pages_new((WORDS_MAX + 1) * sizeof(w->word[0]));
	w->slot = ht_pages_new(WORD_SLOTS * sizeof(w->slot[0]));
	return w->word != NULL && w->slot != NULL;
}

void words_free(struct words *w) {
	ht_pages_free(w->word, (WORDS_MAX + 1) * sizeof(w->word[0]));
	ht_pages_free(w->slot, WORD_SLOTS * sizeof(w->slot[0]));
}

// The number of a text. 0: there is no room for one more.
static uint16_t find_word(struct words *w, const char *text) {
	uint32_t i = (uint32_t)XXH3_64bits_withSeed(text, strlen(text), w->secret);
	for (;; i++) {
		uint16_t *const slot = &w->slot[i % WORD_SLOTS];
		if (*slot != 0 && strcmp(w->word[*slot], text) == 0)
			return *slot;
		if (*slot != 0)
			continue;
		if (w->num == WORDS_MAX)
			return 0;
		w->word[++w->num] = text;
		return *slot = (uint16_t)w->num;
	}
}

static uint16_t word_number(struct words *w, const char *text) {
	const uint64_t h = (uint64_t)(uintptr_t)text * 0x9e3779b97f4a7c15u;
	const unsigned i = (unsigned)(h >> 56);
	if (HT_UNLIKELY(w->cache[i].word != text)) {
		w->cache[i].number = find_word(w, text);
		w->cache[i].word = text;
	}
	return w->cache[i].number;
}

// --- as text ------------------------------------------------------------------------------------

// Times, counts, and what numbers records never repeat, or are what is summed up. Matches are
// several things in one.
static bool usable(unsigned field) {
	static const ht_fieldset no = HT_HAS(record) | HT_HAS(flow_part) | HT_HAS(sensor_id);
	const struct ht_field *const f = &ht_fields[field];
	return field == HT_FIELD_alpn_first
	       || ((f->kinds & HT_KIND_FLOW) && f->type != HT_TYPE_TIME && f->type != HT_TYPE_U64
		   && f->type != HT_TYPE_MATCHES && !(no >> field & 1));
}

static const struct ht_field *field_named(const char *name, size_t len) {
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++)
		if (ht_fields[i].name_len == len && memcmp(ht_fields[i].name, name, len) == 0)
			return &ht_fields[i];
	return NULL;
}

// Digits, a number of at most `most`.
static bool read_bits(const char **text, unsigned most, uint8_t *out) {
	char *end;
	if (**text < '0' || **text > '9')
		return false;
	const unsigned long v = strtoul(*text, &end, 10);
	*text = end;
	*out = (uint8_t)v;
	return v <= most;
}

// "/24" or "/24/48" behind the name of an address.
static bool read_prefix(struct key_field *f, const char *text) {
	f->has_prefix = *text != '\0';
	f->prefix[0] = 32;
	f->prefix[1] = 128;
	if (*text == '\0')
		return true;
	if (*text++ != '/' || !read_bits(&text, 32, &f->prefix[0]))
		return false;
	if (*text == '\0')
		return true;
	return *text++ == '/' && read_bits(&text, 128, &f->prefix[1]) && *text == '\0';
}

static bool parse_one(struct key_spec *k, const char *text, char *err, size_t err_len) {
	const size_t len = strcspn(text, "/");
	const struct ht_field *const field = field_named(text, len);
	if (field == NULL) {
		snprintf(err, err_len, "%s: no such field (--fields lists them)", text);
		return false;
	}
	const unsigned id = (unsigned)(field - ht_fields);
	struct key_field *const f = &k->f[k->num];
	f->field = (uint8_t)id;
	f->source = id == HT_FIELD_alpn_first ? HT_FIELD_alpn : (uint8_t)id;
	if (!usable(id)) {
		snprintf(
			err, err_len, "%s: cannot be part of a key: %s", text,
			!(field->kinds & HT_KIND_FLOW) ? "flow records do not have it"
			: field->type == HT_TYPE_MATCHES
				? "a list of what watchlists say"
				: "a time, a count or a number of the record"
		);
		return false;
	}
	if (k->fields >> id & 1) {
		snprintf(err, err_len, "%s: is there twice", text);
		return false;
	}
	if (text[len] != '\0' && field->type != HT_TYPE_IP) {
		snprintf(err, err_len, "%s: only addresses have a prefix", text);
		return false;
	}
	if (!read_prefix(f, text + len)) {
		snprintf(
			err, err_len,
			"%s: /BITS of IPv4 (0 to 32) or /BITS/BITS of IPv4 and IPv6 (0 to 128) was "
			"expected",
			text
		);
		return false;
	}
	k->fields |= (ht_fieldset)1 << id;
	k->num++;
	return true;
}

enum ht_rc key_parse(
	struct key_spec *out,
	const struct ht_option_texts *key,
	unsigned *which,
	char *err,
	size_t err_len
) {
	const unsigned num = key->num > 0 ? key->num : HT_ARRAY_LEN(default_key);
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < num; i++) {
		*which = i;
		if (i == HT_AGGREGATE_MAX_KEY) {
			snprintf(
				err, err_len, "more than %u fields in a key", HT_AGGREGATE_MAX_KEY
			);
			return HT_BAD;
		}
		if (!parse_one(out, key->num > 0 ? key->v[i] : default_key[i], err, err_len))
			return HT_BAD;
	}
	return HT_OK;
}

// --- as bytes -----------------------------------------------------------------------------------

static uint8_t *put(uint8_t *out, const void *from, size_t n) {
	return mempcpy(out, from, n);
}

// A span, cut at `max` bytes.
static uint8_t *put_span(uint8_t *out, struct ht_span s, size_t max, uint64_t *ctr) {
	if (HT_UNLIKELY(s.len > max))
		ht_stats_count(&ctr[HT_AGGREGATE_CUT], 1);
	const uint16_t n = (uint16_t)(s.len < max ? s.len : max);
	return put(put(out, &n, sizeof(n)), s.p, n);
}

// A network: the bits behind the prefix are zero.
static uint8_t *put_ip(uint8_t *out, const struct key_field *f, const uint8_t *ip) {
	const bool four = ht_ip_is_v4(ip);
	const unsigned len = four ? 4 : 16, bits = f->prefix[!four];
	*out++ = (uint8_t)len;
	memcpy(out, ip + 16 - len, len);
	if (bits < 8 * len) {
		out[bits / 8] &= (uint8_t)(0xff00 >> bits % 8);
		memset(out + bits / 8 + 1, 0, len - bits / 8 - 1);
	}
	return out + len;
}

static uint8_t *put_word(struct words *w, uint8_t *out, const char *word, uint64_t *ctr) {
	const uint16_t n = word_number(w, word);
	if (HT_UNLIKELY(n == 0))
		ht_stats_count(&ctr[HT_AGGREGATE_WORDS_FULL], 1);
	return put(out, &n, sizeof(n));
}

static uint8_t *put_strs(struct words *w, uint8_t *out, const struct ht_strs *list, uint64_t *ctr) {
	*out++ = list->num;
	for (unsigned i = 0; i < list->num; i++)
		out = put_word(w, out, list->s[i], ctr);
	return out;
}

static uint8_t *put_texts(uint8_t *out, const struct ht_texts *list) {
	*out++ = list->num;
	for (unsigned i = 0; i < list->num; i++) {
		*out++ = list->len[i];
		out = put(out, list->s[i], list->len[i]);
	}
	return out;
}

// The most bytes of a list that a key takes: whole items.
static size_t whole_items(unsigned type, bool of_three) {
	const size_t max = HT_AGGREGATE_VALUE_MAX;
	return type != HT_TYPE_U16S ? max : of_three ? max - max % 3 : max - max % 2;
}

// The first of a list of names, which may be cut anywhere.
static struct ht_span first_name(struct ht_span names) {
	const size_t n = names.p[0];
	return HT_SPAN(names.p + 1, n < names.len ? n : names.len - 1);
}

static bool has_value(const struct key_field *f, const struct ht_record *r) {
	if (!(r->has >> f->source & 1))
		return false;
	const void *const v = (const uint8_t *)r + ht_fields[f->source].offset;
	if (ht_fields[f->source].type == HT_TYPE_BOOL)
		return *(const bool *)v;
	return f->field != HT_FIELD_alpn_first || r->alpn.len > 0;
}

static uint8_t *put_value(
	struct words *w,
	uint8_t *out,
	const struct key_field *f,
	const struct ht_record *r,
	uint64_t *ctr
) {
	const struct ht_field *const field = &ht_fields[f->field];
	const void *const v = (const uint8_t *)r + field->offset;
	const bool of_three = f->field == HT_FIELD_ciphers && r->ciphers_are_24_bit;
	if (f->field == HT_FIELD_alpn_first)
		return put_span(out, first_name(r->alpn), HT_AGGREGATE_VALUE_MAX, ctr);
	if (f->field == HT_FIELD_ciphers)
		*out++ = of_three;
	switch ((enum ht_type)field->type) {
	case HT_TYPE_FLAG:
		return put(out, v, sizeof(bool));
	case HT_TYPE_U8:
		return put(out, v, 1);
	case HT_TYPE_U16:
		return put(out, v, 2);
	case HT_TYPE_U32:
		return put(out, v, 4);
	case HT_TYPE_SECONDS:
		return put(out, v, 8);
	case HT_TYPE_STR:
		return put_word(w, out, *(const char *const *)v, ctr);
	case HT_TYPE_STRS:
		return put_strs(w, out, v, ctr);
	case HT_TYPE_TEXTS:
		return put_texts(out, v);
	case HT_TYPE_IP:
		return put_ip(out, f, *(const uint8_t *const *)v);
	case HT_TYPE_MAC:
		return put(out, *(const uint8_t *const *)v, 6);
	case HT_TYPE_TEXT:
	case HT_TYPE_HEX:
	case HT_TYPE_ASCII:
	case HT_TYPE_U16S:
	case HT_TYPE_U8S:
	case HT_TYPE_VARINTS:
	case HT_TYPE_NAMES:
		return put_span(
			out, *(const struct ht_span *)v, whole_items(field->type, of_three), ctr
		);
	case HT_TYPE_BOOL: // that it is there says all
	case HT_TYPE_U64: // not usable
	case HT_TYPE_TIME:
	case HT_TYPE_MATCHES:
	case HT_NUM_TYPES:
		break;
	}
	return out;
}

size_t key_encode(
	struct words *w,
	const struct key_spec *k,
	uint8_t out[KEY_MAX],
	const struct ht_record *r,
	uint64_t *ctr
) {
	uint16_t there = 0;
	uint8_t *p = out + sizeof(there);
	for (unsigned i = 0; i < k->num; i++) {
		if (!has_value(&k->f[i], r))
			continue;
		there |= (uint16_t)(1u << i);
		p = put_value(w, p, &k->f[i], r, ctr);
	}
	memcpy(out, &there, sizeof(there));
	return (size_t)(p - out);
}

// --- as fields of a record ----------------------------------------------------------------------

static const uint8_t *get(const uint8_t *in, void *to, size_t n) {
	memcpy(to, in, n);
	return in + n;
}

static const uint8_t *get_word(const struct words *w, const uint8_t *in, const char **to) {
	uint16_t n;
	in = get(in, &n, sizeof(n));
	*to = n > 0 ? w->word[n] : "";
	return in;
}

static const uint8_t *get_strs(const struct words *w, const uint8_t *in, struct ht_strs *to) {
	to->num = *in++;
	for (unsigned i = 0; i < to->num; i++)
		in = get_word(w, in, &to->s[i]);
	return in;
}

static const uint8_t *get_texts(const uint8_t *in, struct ht_texts *to) {
	to->num = *in++;
	for (unsigned i = 0; i < to->num; i++) {
		to->len[i] = *in++;
		in = get(in, to->s[i], to->len[i]);
	}
	return in;
}

static const uint8_t *get_span(const uint8_t *in, struct ht_span *to) {
	uint16_t n;
	in = get(in, &n, sizeof(n));
	*to = HT_SPAN(in, n);
	return in + n;
}

static const uint8_t *
get_ip(struct ht_record *r, const struct key_field *f, const uint8_t *in, uint8_t address[16]) {
	const unsigned len = *in++;
	const uint8_t bits = f->prefix[len == 16];
	memset(address, 0, 10);
	memset(address + 10, 0xff, 2); // IPv4-mapped, unless the next line covers it
	memcpy(address + 16 - len, in, len);
	*(const uint8_t **)((uint8_t *)r + ht_fields[f->field].offset) = address;
	if (f->has_prefix && bits < 8 * len) {
		if (f->field == HT_FIELD_src_ip)
			ht_set(r, src_prefix, bits);
		else
			ht_set(r, dst_prefix, bits);
	}
	return in + len;
}

static const uint8_t *get_value(
	const struct words *w,
	struct ht_record *r,
	const struct key_field *f,
	const uint8_t *in,
	uint8_t address[16]
) {
	void *const v = (uint8_t *)r + ht_fields[f->field].offset;
	r->has |= (ht_fieldset)1 << f->field;
	if (f->field == HT_FIELD_ciphers)
		r->ciphers_are_24_bit = *in++;
	switch ((enum ht_type)ht_fields[f->field].type) {
	case HT_TYPE_BOOL:
		*(bool *)v = true;
		return in;
	case HT_TYPE_FLAG:
		return get(in, v, sizeof(bool));
	case HT_TYPE_U8:
		return get(in, v, 1);
	case HT_TYPE_U16:
		return get(in, v, 2);
	case HT_TYPE_U32:
		return get(in, v, 4);
	case HT_TYPE_SECONDS:
		return get(in, v, 8);
	case HT_TYPE_STR:
		return get_word(w, in, v);
	case HT_TYPE_STRS:
		return get_strs(w, in, v);
	case HT_TYPE_TEXTS:
		return get_texts(in, v);
	case HT_TYPE_IP:
		return get_ip(r, f, in, address);
	case HT_TYPE_MAC:
		*(const uint8_t **)v = in;
		return in + 6;
	case HT_TYPE_TEXT:
	case HT_TYPE_HEX:
	case HT_TYPE_ASCII:
	case HT_TYPE_U16S:
	case HT_TYPE_U8S:
	case HT_TYPE_VARINTS:
	case HT_TYPE_NAMES:
		return get_span(in, v);
	case HT_TYPE_U64:
	case HT_TYPE_TIME:
	case HT_TYPE_MATCHES:
	case HT_NUM_TYPES:
		break;
	}
	return in;
}

void key_decode(
	const struct words *w,
	const struct key_spec *k,
	struct ht_record *r,
	const uint8_t *key,
	uint8_t addresses[HT_AGGREGATE_MAX_KEY][16]
) {
	uint16_t there;
	key = get(key, &there, sizeof(there));
	r->cert_chain = HT_SPAN_EMPTY; // set together with cert_count
	for (unsigned i = 0; i < k->num; i++)
		if (there >> i & 1)
			key = get_value(w, r, &k->f[i], key, addresses[i]);
}
