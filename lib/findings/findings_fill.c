// SPDX-License-Identifier: BSD-3-Clause
// A hello against a policy: facts first, a word for each field, then the terms that their facts
// lead to.

#include "findings_int.h"

#define SHARES_MAX 16u // of a hello, compared with its groups one by one
#define GROUPS_MAX 64u

enum { EXTENSION_PSK = 41 };

// --- facts of a field ---------------------------------------------------------------------------

static inline uint64_t of_u16(const struct numbers *n, uint8_t high, uint8_t low) {
	return n->facts[n->classes[n->page[high]][low]];
}

static uint64_t of_number(const struct numbers *n, uint32_t v) {
	uint64_t facts = 0;
	if (v <= UINT16_MAX)
		return of_u16(n, (uint8_t)(v >> 8), (uint8_t)v);
	for (unsigned i = 0; i < n->num_high; i++)
		if (v >= n->high[i].range.first && v <= n->high[i].range.last)
			facts |= n->high[i].facts;
	return facts;
}

static uint64_t of_u16s(const struct numbers *n, struct ht_span s) {
	uint64_t facts = 0, more = 0;
	size_t i = 0;
	for (; i + 3 < s.len; i += 4) {
		facts |= of_u16(n, s.p[i], s.p[i + 1]);
		more |= of_u16(n, s.p[i + 2], s.p[i + 3]);
	}
	if (i + 1 < s.len)
		facts |= of_u16(n, s.p[i], s.p[i + 1]);
	return facts | more;
}

static uint64_t of_u24s(const struct numbers *n, struct ht_span s) {
	uint64_t facts = 0;
	for (size_t i = 0; i + 2 < s.len; i += 3)
		facts |= of_number(n, ht_be24(s.p + i));
	return facts;
}

static uint64_t of_u8s(const struct numbers *n, struct ht_span s) {
	uint64_t facts = 0;
	for (size_t i = 0; i < s.len; i++)
		facts |= of_u16(n, 0, s.p[i]);
	return facts;
}

static bool same(const uint8_t *p, const char *text, size_t len, bool fold) {
	if (!fold)
		return memcmp(p, text, len) == 0;
	for (size_t i = 0; i < len; i++)
		if (ht_lower(p[i]) != ht_lower((uint8_t)text[i]))
			return false;
	return true;
}

// A text with open sides: "*.example" ends like this, "*word*" has it anywhere.
static bool open_matches(const struct text *t, struct ht_span s, bool fold) {
	if (s.len < t->len)
		return false;
	const size_t last = s.len - t->len;
	if (!t->open_front)
		return same(s.p, t->s, t->len, fold);
	if (!t->open_back)
		return same(s.p + last, t->s, t->len, fold);
	for (size_t at = 0; at <= last; at++)
		if (same(s.p + at, t->s, t->len, fold))
			return true;
	return false;
}

static uint64_t of_text(const struct texts *all, struct ht_span s) {
	uint64_t facts = 0;
	for (uint16_t i = all->chain[text_chain(s.p, s.len, all->fold)]; i != 0;) {
		const struct text *t = &all->text[i - 1];
		if (t->len == s.len && same(s.p, t->s, s.len, all->fold))
			facts |= t->facts;
		i = t->next;
	}
	for (uint16_t i = all->open; i != 0;) {
		const struct text *t = &all->text[i - 1];
		if (open_matches(t, s, all->fold))
			facts |= t->facts;
		i = t->next;
	}
	return facts;
}

static uint64_t of_names(const struct texts *all, struct ht_span s) {
	uint64_t facts = 0;
	for (size_t i = 0; i < s.len && s.p[i] < s.len - i; i += 1 + (size_t)s.p[i])
		facts |= of_text(all, HT_SPAN(s.p + i + 1, s.p[i]));
	return facts;
}

static uint64_t of_words(const struct texts *all, const struct ht_strs *words) {
	uint64_t facts = 0;
	for (unsigned i = 0; i < words->num; i++)
		facts |= of_text(all, HT_SPAN(words->s[i], strlen(words->s[i])));
	return facts;
}

// What is there.
static uint64_t of_source(const struct source *s, const struct ht_record *r) {
	const void *at = (const char *)r + s->offset;
	switch ((enum kind)s->kind) {
	case KIND_U16S:
		if (HT_UNLIKELY(s->field == HT_FIELD_ciphers && r->ciphers_are_24_bit))
			return of_u24s(s->numbers, r->ciphers);
		return of_u16s(s->numbers, *(const struct ht_span *)at);
	case KIND_U8S:
		return of_u8s(s->numbers, *(const struct ht_span *)at);
	case KIND_U8:
		return of_number(s->numbers, *(const uint8_t *)at);
	case KIND_U16:
		return of_number(s->numbers, *(const uint16_t *)at);
	case KIND_U32:
		return of_number(s->numbers, *(const uint32_t *)at);
	case KIND_VERSION: {
		const char *word = *(const char *const *)at;
		return of_number(s->numbers, version_rank(word, strlen(word)));
	}
	case KIND_WORD: {
		const char *word = *(const char *const *)at;
		return of_text(s->texts, HT_SPAN(word, strlen(word)));
	}
	case KIND_TEXT:
		return of_text(s->texts, *(const struct ht_span *)at);
	case KIND_NAMES:
		return of_names(s->texts, *(const struct ht_span *)at);
	case KIND_WORDS:
		return of_words(s->texts, at);
	case KIND_NONE:
		break;
	}
	return 0;
}

// --- predicates ---------------------------------------------------------------------------------

// Which numbers a list has, a bit each: for lists of any length, which senders choose.
struct listed {
	uint64_t bits[1024];
};

// list_one returns whether it was there before.
static bool list_one(struct listed *l, uint16_t v) {
	const uint64_t bit = UINT64_C(1) << v % 64;
	const bool before = (l->bits[v / 64] & bit) != 0;
	l->bits[v / 64] |= bit;
	return before;
}

static __attribute__((noinline)) bool extension_is_twice(struct ht_span s) {
	struct listed listed = {0};
	for (size_t i = 0; i + 1 < s.len; i += 2) {
		const uint16_t type = ht_be16(s.p + i);
		if (!ht_is_grease(type) && list_one(&listed, type))
			return true;
	}
	return false;
}

// Assigned types are below 64, but for a few. When as many bits are set as there are types, all
// differ; no branch depends on an order that clients shuffle.
static bool extension_twice(struct ht_span s) {
	uint64_t low = 0, high = 0;
	for (size_t i = 0; i + 1 < s.len; i += 2) {
		const uint32_t type = ht_be16(s.p + i);
		const uint32_t spread = type < 64 ? type : type * 0x9e3779b1u >> 26;
		const uint64_t bit = (uint64_t)1 << spread;
		low |= type < 64 ? bit : 0;
		high |= type < 64 ? 0 : bit;
	}
	const unsigned bits = (unsigned)(__builtin_popcountll(low) + __builtin_popcountll(high));
	return bits < s.len / 2 && extension_is_twice(s);
}

static bool psk_not_last(struct ht_span s) {
	for (size_t i = 0; i + 3 < s.len; i += 2)
		if (ht_be16(s.p + i) == EXTENSION_PSK)
			return true;
	return false;
}

static __attribute__((noinline)) bool
share_of_many_without_group(struct ht_span shares, struct ht_span groups) {
	struct listed listed = {0};
	for (size_t i = 0; i + 1 < groups.len; i += 2)
		(void)list_one(&listed, ht_be16(groups.p + i));
	for (size_t i = 0; i + 1 < shares.len; i += 2) {
		const uint16_t share = ht_be16(shares.p + i);
		if (!ht_is_grease(share) && !list_one(&listed, share))
			return true;
	}
	return false;
}

// Groups in the order of the shares are found at once.
static bool share_without_group(struct ht_span shares, struct ht_span groups) {
	if (shares.len > 2 * SHARES_MAX || groups.len > 2 * GROUPS_MAX)
		return share_of_many_without_group(shares, groups);
	for (size_t i = 0; i + 1 < shares.len; i += 2) {
		const uint16_t share = ht_be16(shares.p + i);
		size_t k = 0;
		while (k + 1 < groups.len && ht_be16(groups.p + k) != share)
			k += 2;
		if (k + 1 >= groups.len && !ht_is_grease(share))
			return true;
	}
	return false;
}

#define FACT(id) ((uint64_t)1 << PREDICATE_##id)

static uint64_t predicates(const struct ht_policy *p, const struct ht_record *r, bool whole) {
	uint64_t facts = whole ? FACT(COMPLETE) : 0;
	if ((p->predicates & (FACT(SNI_IS_IP) | FACT(SNI_INVALID))) && r->has & HT_HAS(sni)) {
		facts |= sni_is_ip(r->sni) ? FACT(SNI_IS_IP) : 0;
		facts |= sni_is_invalid(r->sni) ? FACT(SNI_INVALID) : 0;
	}
	if (r->has & HT_HAS(extensions)) {
		if (p->predicates & FACT(EXTENSION_TWICE))
			facts |= extension_twice(r->extensions) ? FACT(EXTENSION_TWICE) : 0;
		if ((p->predicates & FACT(PSK_NOT_LAST)) && r->has & HT_HAS(psk))
			facts |= psk_not_last(r->extensions) ? FACT(PSK_NOT_LAST) : 0;
	}
	if ((p->predicates & FACT(SHARE_WITHOUT_GROUP)) && r->has & HT_HAS(key_share_groups)
	    && (whole || r->has & HT_HAS(groups)))
		facts |= share_without_group(
				 r->key_share_groups,
				 r->has & HT_HAS(groups) ? r->groups : HT_SPAN_EMPTY
			 )
				 ? FACT(SHARE_WITHOUT_GROUP)
				 : 0;
	return facts;
}

// --- terms --------------------------------------------------------------------------------------

// Of an incomplete hello: facts that would be there if they held. Its list of extensions ends
// somewhere, and what is derived from all of it is not there yet.
static void
find_known(const struct ht_policy *p, const struct ht_record *r, uint64_t known[MAX_WORDS]) {
	const ht_fieldset has = r->has | p->of_connection;
	known[WORD_HAS_LOW] = (uint64_t)has;
	known[WORD_HAS_HIGH] = (uint64_t)(has >> 64);
	known[WORD_PREDICATES] = FACT(COMPLETE);
	if (r->has & HT_HAS(sni))
		known[WORD_PREDICATES] |= FACT(SNI_IS_IP) | FACT(SNI_INVALID);
	if (r->has & HT_HAS(key_share_groups) && r->has & HT_HAS(groups))
		known[WORD_PREDICATES] |= FACT(SHARE_WITHOUT_GROUP);
	for (unsigned w = WORD_FIELDS; w < p->num_words; w++)
		known[w] = 0;
	for (const struct source *s = p->source; s < p->source + p->num_sources; s++)
		if ((known[s->has_word] >> s->has_bit & 1) && s->field != HT_FIELD_extensions)
			known[s->word] |= s->facts;
}

static inline bool
holds(const struct ht_policy *p, const struct term *t, const uint64_t *facts, const uint64_t *may) {
	const struct part *part = &p->part[t->first];
	for (unsigned i = 0; i < t->num; i++, part++)
		if ((facts[part->word] & part->want) != part->want
		    || (may[part->word] & part->forbid) != 0)
			return false;
	return true;
}

static inline uint64_t
terms(const struct ht_policy *p,
      unsigned first,
      unsigned end,
      const uint64_t *facts,
      const uint64_t *may) {
	uint64_t found = 0;
	for (unsigned i = first; i < end; i++)
		if (holds(p, &p->term[i], facts, may))
			found |= (uint64_t)1 << p->term[i].finding;
	return found;
}

void ht_findings_fill(const struct ht_policy *p, struct ht_record *r) {
	uint64_t facts[MAX_WORDS], unknown[MAX_WORDS];
	if (p == NULL || ht_record_kind(r) != HT_KIND_HELLO)
		return;
	const bool whole = r->has & HT_HAS(complete) && r->complete;
	facts[WORD_HAS_LOW] = (uint64_t)r->has;
	facts[WORD_HAS_HIGH] = (uint64_t)(r->has >> 64);
	facts[WORD_PREDICATES] = p->predicates != 0 ? predicates(p, r, whole) : 0;
	for (unsigned w = WORD_FIELDS; w < p->num_words; w++)
		facts[w] = 0;
	for (const struct source *s = p->source; s < p->source + p->num_sources; s++)
		if (facts[s->has_word] >> s->has_bit & 1)
			facts[s->word] |= of_source(s, r);
	const uint64_t *may = facts; // what may hold
	if (HT_UNLIKELY(!whole)) {
		find_known(p, r, unknown);
		for (unsigned i = 0; i < p->num_words; i++)
			unknown[i] = facts[i] | ~unknown[i];
		may = unknown;
	}
	const unsigned free_terms = p->first_term[MAX_FACTS];
	uint64_t found = terms(p, free_terms, p->num_terms, facts, may);
	for (unsigned w = 0; w < p->num_words; w++)
		for (uint64_t keys = facts[w] & p->keys[w]; keys != 0; keys &= keys - 1) {
			const unsigned fact = 64 * w + (unsigned)__builtin_ctzll(keys);
			found |= terms(p, p->first_term[fact], p->first_term[fact + 1], facts, may);
		}
	if (found == 0)
		return;
	unsigned num = 0;
	for (; found != 0; found &= found - 1)
		r->findings.s[num++] = p->finding[__builtin_ctzll(found)].name;
	r->findings.num = (uint8_t)num;
	r->has |= HT_HAS(findings);
}
