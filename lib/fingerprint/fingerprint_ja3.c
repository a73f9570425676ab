// SPDX-License-Identifier: BSD-3-Clause
// JA3 (salesforce/ja3): MD5 of "version,ciphers,extensions,groups,formats" in decimal, "-" inside,
// "," between, wire order, GREASE (RFC 8701) taken out of all but the version and the formats. JA3S
// is the same of a ServerHello, "version,cipher,extensions", with whatever stands there.

#include "fingerprint_int.h"

static char *put_list(struct ht_num_text *numbers, char *o, struct ht_span list) {
	char *const from = o;
	for (size_t i = 0; i + 1 < list.len; i += 2) {
		uint16_t v = ht_be16(list.p + i);
		if (!ht_is_grease(v))
			o = ht_num_text_put(numbers, o, v);
	}
	return o > from ? o - 1 : o; // without the last "-"
}

char *
ht_ja3_head(struct ht_num_text *numbers, char *out, uint16_t version, struct ht_span ciphers) {
	out = ht_u64_dec(out, version);
	*out++ = ',';
	out = put_list(numbers, out, ciphers);
	*out++ = ',';
	return out;
}

// The string from the extensions on.
static char *put_tail(struct ht_num_text *numbers, char *o, const struct ht_hello *h) {
	o = put_list(numbers, o, HT_SPAN(h->extensions, 2 * (size_t)h->num_extensions));
	*o++ = ',';
	if (h->seen & HT_SEEN_GROUPS)
		o = put_list(numbers, o, h->groups);
	*o++ = ',';
	if (h->seen & HT_SEEN_POINT_FORMATS) {
		for (size_t i = 0; i < h->point_formats.len; i++) {
			if (i > 0)
				*o++ = '-';
			o = ht_u64_dec(o, h->point_formats.p[i]);
		}
	}
	return o;
}

struct ht_span ht_ja3_string(struct ht_fingerprinter *f, const struct ht_hello *h) {
	char *o = ht_ja3_head(f->numbers, f->text, h->legacy_version, h->ciphers);
	o = put_tail(f->numbers, o, h);
	return HT_SPAN(f->text, (size_t)(o - f->text));
}

void ht_ja3(
	struct ht_fingerprinter *f,
	const struct ht_hello *h,
	const struct ht_ciphers *c,
	char out[32]
) {
	uint8_t digest[16];
	if (c == NULL) {
		ht_md5(f->crypto, digest, ht_ja3_string(f, h));
	} else {
		memcpy(f->text, c->head, c->head_len);
		const char *end = put_tail(f->numbers, f->text + c->head_len, h);
		struct ht_md5 md5 = c->md5;
		ht_md5_end(&md5, digest, HT_SPAN(f->text, (size_t)(end - f->text)));
	}
	ht_hex(out, digest, sizeof(digest));
}

// 5 digits and a "-" for each, and as much for version and cipher.
#define JA3S_MAX (6 * (HT_SERVER_HELLO_MAX_EXTENSIONS + 2))

bool ht_ja3s(struct ht_fingerprinter *f, const struct ht_server_hello *h, char out[32]) {
	char text[JA3S_MAX], *o = text;
	uint8_t digest[16];
	if (!(h->seen & HT_SERVER_BODY))
		return false;
	o = ht_u64_dec(o, h->legacy_version);
	*o++ = ',';
	o = ht_u64_dec(o, h->cipher);
	*o++ = ',';
	for (unsigned i = 0; i < h->num_extensions; i++) {
		if (i > 0)
			*o++ = '-';
		o = ht_u64_dec(o, ht_be16(h->extensions + 2 * i));
	}
	ht_md5(f->crypto, digest, HT_SPAN(text, (size_t)(o - text)));
	ht_hex(out, digest, sizeof(digest));
	return true;
}
