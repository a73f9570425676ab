// SPDX-License-Identifier: BSD-3-Clause
// The tables that a hello is looked at with.

#include "findings_build.h"

#include <stdlib.h>

#define NUMBERS 65536u

// --- places of facts ----------------------------------------------------------------------------

static bool of_source(const struct fact *f, unsigned source) {
	return f->word >= WORD_FIELDS && f->source == source;
}

// Each source goes to the first word that has room for its facts.
static void place_facts(struct build *b) {
	struct ht_policy *p = b->policy;
	unsigned used[MAX_WORDS] = {0};
	p->num_words = WORD_FIELDS;
	for (unsigned i = 0; i < p->num_sources; i++) {
		const unsigned num = b->facts_of[WORD_FIELDS + i];
		struct source *s = &p->source[i];
		unsigned w = WORD_FIELDS;
		while (used[w] + num > 64)
			w++;
		const unsigned field
			= s->field == FIELD_COMPRESSION ? HT_FIELD_session_id_len : s->field;
		s->word = (uint8_t)w;
		s->has_word = (uint8_t)(WORD_HAS_LOW + field / 64);
		s->has_bit = (uint8_t)(field % 64);
		s->facts = (num < 64 ? ((uint64_t)1 << num) - 1 : UINT64_MAX) << used[w];
		for (uint32_t k = 0; k < b->num_facts; k++)
			if (of_source(&b->fact[k], i)) {
				b->fact[k].word = (uint8_t)w;
				b->fact[k].bit = (uint8_t)(b->fact[k].bit + used[w]);
			}
		used[w] += num;
		if (w >= p->num_words)
			p->num_words = w + 1;
	}
}

// --- numbers ------------------------------------------------------------------------------------

static void at_fact(struct build *b, const struct fact *f) {
	b->builtin = f->at_builtin;
	b->skipping = false;
}

#define PAGE 256u

// Pages of a source's numbers: facts that all of a page have, and whether some have others, too.
struct pages {
	uint64_t all[NUMBERS / PAGE];
	bool cut[NUMBERS / PAGE];
};

static void lay(const struct build *b, struct pages *out, unsigned source) {
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < b->num_facts; i++) {
		const struct fact *f = &b->fact[i];
		for (uint32_t k = 0; of_source(f, source) && k < f->items.num; k++) {
			const struct range r = b->range[f->items.first + k];
			for (uint32_t page = r.first / PAGE;
			     page <= r.last / PAGE && page < NUMBERS / PAGE; page++)
				if (r.first <= PAGE * page && r.last >= PAGE * page + PAGE - 1)
					out->all[page] |= (uint64_t)1 << f->bit;
				else
					out->cut[page] = true;
		}
	}
	// RFC 8701: 0x0a0a, 0x1a1a ... 0xfafa
	for (unsigned page = 0xa; page < NUMBERS / PAGE; page += 0x10)
		out->cut[page] |= b->policy->source[source].kind == KIND_U16S;
}

// The facts of a page's numbers; of one that is not cut, those of the first alone.
static void
spread(const struct build *b,
       const struct pages *pages,
       uint64_t facts[PAGE],
       unsigned source,
       unsigned page) {
	const uint32_t begin = PAGE * page, end = begin + PAGE - 1;
	for (unsigned low = 0; low < (pages->cut[page] ? PAGE : 1); low++)
		facts[low] = pages->all[page];
	for (uint32_t i = 0; pages->cut[page] && i < b->num_facts; i++) {
		const struct fact *f = &b->fact[i];
		for (uint32_t k = 0; of_source(f, source) && k < f->items.num; k++) {
			const struct range r = b->range[f->items.first + k];
			uint32_t v = r.first > begin ? r.first : begin;
			for (; v <= r.last && v <= end; v++)
				facts[v - begin] |= (uint64_t)1 << f->bit;
		}
	}
	if (b->policy->source[source].kind == KIND_U16S && page % 0x10 == 0xa)
		facts[page] = 0;
}

// The class of these facts, a new one if need be. HT_POLICY_CLASSES_MAX: there are too many.
static unsigned class_of(struct numbers *n, unsigned *num, uint64_t facts) {
	for (unsigned c = 0; c < *num; c++)
		if (n->facts[c] == facts)
			return c;
	if (*num < HT_POLICY_CLASSES_MAX)
		n->facts[*num] = facts;
	return *num < HT_POLICY_CLASSES_MAX ? (*num)++ : HT_POLICY_CLASSES_MAX;
}

// False: there are too many classes.
static bool make_page(
	struct numbers *n,
	unsigned *num_classes,
	uint8_t page[PAGE],
	const uint64_t facts[PAGE],
	bool alike
) {
	unsigned class = 0;
	for (unsigned low = 0; low < (alike ? 1 : PAGE); low++) {
		if (*num_classes == 0 || n->facts[class] != facts[low])
			class = class_of(n, num_classes, facts[low]);
		if (class == HT_POLICY_CLASSES_MAX)
			return false;
		page[low] = (uint8_t) class;
	}
	if (alike)
		memset(page, (int)class, PAGE);
	return true;
}

// False: there are too many classes.
static bool make_pages(const struct build *b, struct numbers *n, unsigned source) {
	unsigned num_classes = 0, num_pages = 0;
	uint64_t facts[PAGE];
	struct pages pages;
	lay(b, &pages, source);
	for (unsigned high = 0; high < NUMBERS / PAGE; high++) {
		uint8_t *const page = n->classes[num_pages];
		spread(b, &pages, facts, source, high);
		if (!make_page(n, &num_classes, page, facts, !pages.cut[high]))
			return false;
		unsigned same = 0;
		while (memcmp(n->classes[same], page, PAGE) != 0)
			same++; // it is found at num_pages at the latest
		n->page[high] = (uint8_t)same;
		num_pages += same == num_pages;
	}
	return true;
}

static bool make_high(const struct build *b, struct numbers *n, unsigned source) {
	n->high = calloc(b->num_ranges + 1, sizeof(n->high[0]));
	if (n->high == NULL)
		return false;
	for (uint32_t i = 0; i < b->num_facts; i++) {
		const struct fact *f = &b->fact[i];
		for (uint32_t k = 0; of_source(f, source) && k < f->items.num; k++) {
			struct range r = b->range[f->items.first + k];
			if (r.last < NUMBERS)
				continue;
			r.first = r.first < NUMBERS ? NUMBERS : r.first;
			n->high[n->num_high++] = (struct high){r, (uint64_t)1 << f->bit};
		}
	}
	struct high *less = realloc(n->high, (n->num_high + 1) * sizeof(n->high[0]));
	n->high = less != NULL ? less : n->high;
	return true;
}

static const struct fact *last_fact(const struct build *b, unsigned source) {
	const struct fact *last = NULL;
	for (uint32_t i = 0; i < b->num_facts; i++)
		if (of_source(&b->fact[i], source))
			last = &b->fact[i];
	return last;
}

static void make_numbers(struct build *b, unsigned source) {
	struct source *s = &b->policy->source[source];
	struct numbers *n = s->numbers = calloc(1, sizeof(*n));
	if (n == NULL || (n->classes = calloc(256, 256)) == NULL || !make_high(b, n, source)) {
		b->no_memory = true;
		return;
	}
	if (!make_pages(b, n, source)) {
		const struct fact *f = last_fact(b, source);
		at_fact(b, f);
		complain(
			b, &f->at, "the sets that %s is compared with overlap in too many ways",
			field_name(s->field)
		);
	}
}

// --- texts --------------------------------------------------------------------------------------

static struct text *find(struct texts *all, unsigned num, const struct text_item *item) {
	for (unsigned i = 0; i < num; i++) {
		struct text *t = &all->text[i];
		if (t->len == item->len && t->open_front == item->open_front
		    && t->open_back == item->open_back && memcmp(t->s, item->s, t->len) == 0)
			return t;
	}
	return NULL;
}

static void make_texts(struct build *b, unsigned source) {
	struct source *s = &b->policy->source[source];
	struct texts *all = s->texts = calloc(1, sizeof(*all));
	unsigned num = 0;
	for (uint32_t i = 0; i < b->num_facts; i++)
		num += of_source(&b->fact[i], source) ? b->fact[i].items.num : 0;
	if (all == NULL || (all->text = calloc(num + 1, sizeof(all->text[0]))) == NULL) {
		b->no_memory = true;
		return;
	}
	all->fold = s->field == HT_FIELD_sni;
	num = 0;
	for (uint32_t i = 0; i < b->num_facts; i++) {
		const struct fact *f = &b->fact[i];
		for (uint32_t k = 0; of_source(f, source) && k < f->items.num; k++) {
			const struct text_item *item = &b->text[f->items.first + k];
			struct text *t = find(all, num, item);
			if (t == NULL) {
				t = &all->text[num++];
				*t = (struct text){
					.s = item->s,
					.len = item->len,
					.open_front = item->open_front,
					.open_back = item->open_back,
				};
				uint16_t *chain = item->open_front || item->open_back
							  ? &all->open
							  : &all->chain[text_chain(
								  (const uint8_t *)item->s,
								  item->len, all->fold
							  )];
				t->next = *chain;
				*chain = (uint16_t)num;
			}
			t->facts |= (uint64_t)1 << f->bit;
		}
	}
}

// --- terms --------------------------------------------------------------------------------------

// How seldom a fact is there, by guess: a term is looked at when its rarest one is.
static unsigned rarity(const struct ht_policy *p, const struct fact *f) {
	if (f->word == WORD_PREDICATES)
		return f->bit == PREDICATE_COMPLETE ? 0 : 8;
	if (f->word < WORD_FIELDS)
		return 1;
	const struct source *s = &p->source[f->source];
	switch ((enum kind)s->kind) {
	case KIND_TEXT:
		return 7;
	case KIND_WORD:
		return s->field == HT_FIELD_service ? 7 : 2;
	case KIND_VERSION:
	case KIND_U8:
	case KIND_U16:
	case KIND_U32:
		return 6;
	case KIND_NAMES:
	case KIND_WORDS:
	case KIND_U8S:
		return 5;
	default:
		return s->field == HT_FIELD_versions ? 3 : 4;
	}
}

// The place of the fact that a term is found by; MAX_FACTS if it wants none.
static unsigned key_of(const struct build *b, const struct literal_term *t) {
	const struct fact *key = NULL;
	for (unsigned i = 0; i < t->num; i++) {
		const struct fact *f = &b->fact[t->literal[i] / 2];
		if (t->literal[i] % 2 == 0
		    && (key == NULL || rarity(b->policy, f) > rarity(b->policy, key)))
			key = f;
	}
	return key != NULL ? 64u * key->word + key->bit : MAX_FACTS;
}

static void
add_parts(struct build *b, struct term *out, const struct literal_term *t, uint16_t at) {
	struct part all[MAX_WORDS] = {0};
	for (unsigned i = 0; i < t->num; i++) {
		const struct fact *f = &b->fact[t->literal[i] / 2];
		const uint64_t bit = (uint64_t)1 << f->bit;
		*(t->literal[i] % 2 == 0 ? &all[f->word].want : &all[f->word].forbid) |= bit;
	}
	*out = (struct term){at, 0, t->finding};
	for (unsigned w = 0; w < MAX_WORDS; w++) {
		if ((all[w].want | all[w].forbid) == 0)
			continue;
		all[w].word = (uint8_t)w;
		b->policy->part[at + out->num++] = all[w];
	}
}

static void make_terms(struct build *b) {
	struct ht_policy *p = b->policy;
	unsigned num_parts = 0;
	uint16_t *key = calloc(b->num_terms + 1, sizeof(key[0]));
	for (uint32_t i = 0; i < b->num_terms; i++)
		num_parts += b->term[i].num;
	p->term = calloc(b->num_terms + 1, sizeof(p->term[0]));
	p->part = calloc(num_parts + 1, sizeof(p->part[0]));
	if (num_parts > UINT16_MAX)
		complain(b, &b->token, "the conditions are too long when they are written out");
	else if (key == NULL || p->term == NULL || p->part == NULL)
		b->no_memory = true;
	if (b->skipping || b->no_memory) {
		free(key);
		return;
	}
	// Counted, then put in their places.
	_Static_assert(MAX_FACTS < UINT16_MAX, "a key has 16 bits");
	uint16_t count[MAX_FACTS + 1] = {0}, parts = 0;
	for (uint32_t i = 0; i < b->num_terms; i++)
		count[key[i] = (uint16_t)key_of(b, &b->term[i])]++;
	for (unsigned f = 0, first = 0; f <= MAX_FACTS; first += count[f++]) {
		p->first_term[f] = (uint16_t)first;
		if (f < MAX_FACTS && count[f] > 0)
			p->keys[f / 64] |= (uint64_t)1 << f % 64;
	}
	memcpy(count, p->first_term, sizeof(count));
	for (uint32_t i = 0; i < b->num_terms; i++) {
		struct term *t = &p->term[count[key[i]]++];
		add_parts(b, t, &b->term[i], parts);
		parts = (uint16_t)(parts + t->num);
	}
	p->num_terms = (uint16_t)b->num_terms;
	free(key);
}

void policy_tables(struct build *b) {
	struct ht_policy *p = b->policy;
	place_facts(b);
	for (unsigned i = 0; i < p->num_sources && !b->no_memory; i++)
		if (kind_is_text((enum kind)p->source[i].kind) && p->source[i].kind != KIND_VERSION)
			make_texts(b, i);
		else
			make_numbers(b, i);
	b->skipping = false;
	if (!b->no_memory && b->rep->num == 0)
		make_terms(b);
	for (uint32_t i = 0; i < b->num_facts; i++)
		if (b->fact[i].word == WORD_PREDICATES)
			p->predicates |= (uint64_t)1 << b->fact[i].bit;
}
