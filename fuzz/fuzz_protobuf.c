// SPDX-License-Identifier: BSD-3-Clause
// Input: a message. What is taken and written again is the same record, and the same bytes however
// often; each value is within the bounds of its type.

#include "ht_config.h"
#include "protobuf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok) {
	if (!ok)
		abort();
}

// A list is whole items: whoever walks one relies on that.
static void must_be_within(const struct ht_record *r) {
	for (ht_fieldset left = r->has; left != 0;) {
		const struct ht_field *f = &ht_fields[ht_fieldset_next(&left)];
		const void *const value = (const char *)r + f->offset;
		const struct ht_span *const span = value;
		const struct ht_strs *const strs = value;
		const struct ht_texts *const texts = value;
		switch ((enum ht_type)f->type) {
		case HT_TYPE_STR:
			must(strpbrk(*(const char *const *)value, "\"\\,\n") == NULL);
			break;
		case HT_TYPE_U16S:
			must(span->len % (value == &r->ciphers && r->ciphers_are_24_bit ? 3 : 2)
			     == 0);
			break;
		case HT_TYPE_NAMES: {
			size_t i = 0;
			while (i < span->len)
				i += 1u + span->p[i];
			must(i == span->len);
			break;
		}
		case HT_TYPE_MATCHES: {
			struct ht_span rest = *span;
			struct ht_match m;
			unsigned num = 0;
			while (ht_match_next(&rest, &m))
				num++;
			must(rest.len == 0 && num <= HT_MATCHES_MAX && span->len <= HT_MATCHES_SIZE
			);
			break;
		}
		case HT_TYPE_STRS:
			must(strs->num <= HT_STRS_MAX);
			for (unsigned i = 0; i < strs->num; i++)
				must(strpbrk(strs->s[i], "\"\\,\n") == NULL);
			break;
		case HT_TYPE_TEXTS:
			must(texts->num <= HT_TEXTS_MAX);
			for (unsigned i = 0; i < texts->num; i++)
				must(texts->len[i] <= HT_TEXT_SIZE);
			break;
		default:
			break;
		}
	}
}

static uint8_t *copy_of(struct ht_span s) {
	uint8_t *copy = malloc(s.len > 0 ? s.len : 1);
	must(copy != NULL);
	memcpy(copy, s.p, s.len);
	return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct ht_protobuf *p;
	struct ht_record r;
	struct ht_span first, second;
	if (p == NULL && (p = ht_protobuf_new()) == NULL) {
		must(!HT_HAVE_PROTOBUF);
		return 0;
	}
	if (ht_protobuf_decode(p, HT_SPAN(data, size), &r) != HT_OK)
		return 0;
	must_be_within(&r);
	const ht_fieldset has = r.has;
	if (ht_protobuf_encode(p, &r, &first) != HT_OK)
		return 0; // numbers that were not packed are shorter, but keys may be longer
	uint8_t *const copy = copy_of(first);
	must(ht_protobuf_decode(p, HT_SPAN(copy, first.len), &r) == HT_OK);
	must(r.has == has);
	must(ht_protobuf_encode(p, &r, &second) == HT_OK);
	must(ht_span_eq(HT_SPAN(copy, first.len), second));
	free(copy);
	return 0;
}
