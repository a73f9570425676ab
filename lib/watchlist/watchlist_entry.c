// SPDX-License-Identifier: BSD-3-Clause
// Entries as they are kept: on the key of the condition that holds for the fewest hellos.

#include "watchlist_read.h"

// rank says how few hellos a condition holds for; the best one's key finds the entry.
static unsigned rank(const struct wl_value *v) {
	switch ((enum wl_field)v->field) {
	case WL_CERT:
		return 9;
	case WL_JA4:
		return v->where == WL_JA4_ALL ? 7 : 3;
	case WL_NAME:
		return 8;
	case WL_JA3:
		return 6;
	case WL_IP4:
	case WL_IP6:
		return 5;
	case WL_REGEX:
		return 4;
	case WL_ALPN:
		return 2;
	case WL_PORT:
		return 1;
	}
	return 0;
}

static enum ht_watchlist_kind kind_of(const struct entry *e) {
	static const uint8_t kind[] = {
		[WL_NAME] = HT_WATCHLIST_DOMAIN, [WL_REGEX] = HT_WATCHLIST_REGEX,
		[WL_ALPN] = HT_WATCHLIST_ALPN,	 [WL_JA3] = HT_WATCHLIST_JA3,
		[WL_JA4] = HT_WATCHLIST_JA4,	 [WL_IP4] = HT_WATCHLIST_IP,
		[WL_IP6] = HT_WATCHLIST_IP,	 [WL_PORT] = HT_WATCHLIST_PORT,
		[WL_CERT] = HT_WATCHLIST_CERT,
	};
	return e->num > 1 ? HT_WATCHLIST_COMBINED : (enum ht_watchlist_kind)kind[e->v[0].field];
}

static uint32_t regex_of_key(const struct ht_watchlists *w, uint32_t key) {
	uint32_t low = 0, high = w->num_regexes;
	while (low < high) {
		const uint32_t mid = low + (high - low) / 2;
		if (w->regexes[mid].key < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

// use_regex keeps in mind where an expression is, for what its compiler says later.
static enum ht_rc
use_regex(struct wl_load *l, const struct entry *e, const struct wl_value *v, uint32_t *regex) {
	uint32_t key;
	enum ht_rc rc = wl_key_add(l->w, &key, v);
	if (rc == HT_OK)
		rc = wl_grow(l->w, &l->uses, &l->cap_uses, l->num_uses, sizeof(*l->uses));
	if (rc != HT_OK)
		return rc;
	*regex = regex_of_key(l->w, key);
	l->uses[l->num_uses++] = (struct wl_use
	){.file = l->file, .line = l->line, .regex = *regex, .kind = (uint8_t)kind_of(e)};
	return HT_OK;
}

static enum ht_rc
add_condition(struct wl_load *l, const struct entry *e, const struct wl_value *v) {
	struct ht_watchlists *w = l->w;
	struct wl_condition c
		= {.len = v->len, .field = v->field, .where = v->where, .bits = v->bits};
	const enum ht_rc rc = v->field == WL_REGEX
				      ? use_regex(l, e, v, &c.bytes)
				      : wl_text_add(w, &c.bytes, HT_SPAN(v->bytes, v->len));
	if (rc != HT_OK)
		return rc;
	const enum ht_rc grown = wl_grow(
		w, &w->conditions, &w->cap_conditions, w->num_conditions, sizeof(*w->conditions)
	);
	if (grown == HT_OK)
		w->conditions[w->num_conditions++] = c;
	return grown;
}

static bool is_duplicate(
	const struct wl_load *l, const struct wl_key *k, const struct entry *e, uint8_t where
) {
	const struct ht_watchlists *w = l->w;
	for (uint32_t i = k->first; i != WL_NONE; i = w->entries[i].next)
		if (w->entries[i].num_more == 0 && e->num == 1 && w->entries[i].list == l->list
		    && w->entries[i].where == where)
			return true;
	return false;
}

// add_label keeps one text for lines that have the same one in turn.
static enum ht_rc add_label(struct wl_load *l, uint32_t *at, struct ht_span label) {
	*at = 0;
	if (label.len == 0)
		return HT_OK;
	const char *last = l->w->text + l->last_label;
	if (strlen(last) == label.len && memcmp(last, label.p, label.len) == 0) {
		*at = l->last_label;
		return HT_OK;
	}
	const enum ht_rc rc = wl_text_add(l->w, at, label);
	l->last_label = rc == HT_OK ? *at : 0;
	return rc;
}

// add_texts: an entry that is written as its key is needs no text of its own.
static enum ht_rc
add_texts(struct wl_load *l, struct wl_entry *n, const struct wl_key *k, const struct entry *e) {
	const enum ht_rc rc = add_label(l, &n->label, e->label);
	n->text = k->bytes;
	if (rc != HT_OK || ht_span_eq(HT_SPAN(l->w->text + k->bytes, k->len), e->text))
		return rc;
	return wl_text_add(l->w, &n->text, e->text);
}

// store_entry hangs an entry on its best condition's key.
static enum ht_rc store_entry(struct wl_load *l, const struct entry *e, unsigned best) {
	struct ht_watchlists *w = l->w;
	const struct wl_value *v = &e->v[best];
	struct wl_entry n = {
		.more = w->num_conditions,
		.list = l->list,
		.severity = e->severity,
		.where = v->field == WL_JA4 ? WL_ANY : v->where,
		.num_more = (uint8_t)(e->num - 1),
	};
	uint32_t key, regex;
	enum ht_rc rc = wl_key_add(w, &key, v);
	if (rc != HT_OK)
		return rc;
	if (is_duplicate(l, &w->keys[key], e, n.where)) {
		l->rep->duplicates++;
		return HT_OK;
	}
	if (w->keys[key].num == HT_WATCHLIST_SAME_MAX) {
		wl_complain(l, l->file, l->line, "more than 256 entries on the same value");
		return HT_OK;
	}
	if (w->num_entries == l->p.max_entries)
		return HT_LIMIT;
	if (v->field == WL_REGEX)
		rc = use_regex(l, e, v, &regex);
	for (unsigned i = 0; i < e->num && rc == HT_OK; i++)
		if (i != best)
			rc = add_condition(l, e, &e->v[i]);
	if (rc == HT_OK)
		rc = add_texts(l, &n, &w->keys[key], e);
	if (rc == HT_OK)
		rc = wl_grow(w, &w->entries, &w->cap_entries, w->num_entries, sizeof(*w->entries));
	if (rc != HT_OK)
		return rc;
	n.next = w->keys[key].first;
	w->keys[key].first = w->num_entries;
	w->keys[key].num++;
	w->entries[w->num_entries++] = n;
	for (unsigned i = 0; i < e->num; i++)
		w->fields |= 1u << e->v[i].field;
	l->rep->entries[kind_of(e)]++;
	return w->num_regexes > l->p.max_regexes ? HT_LIMIT : HT_OK;
}

enum ht_rc wl_add_entry(struct wl_load *l, const struct entry *e) {
	unsigned best = 0;
	uint32_t weight = 0;
	for (unsigned i = 0; i < e->num; i++)
		weight += e->v[i].weight;
	if (weight > HT_WATCHLIST_WEIGHT_MAX - l->weight) {
		wl_complain(
			l, l->file, l->line,
			"with this one the regular expressions are too large together"
		);
		return HT_OK;
	}
	l->weight += weight;
	for (unsigned i = 1; i < e->num; i++)
		if (rank(&e->v[i]) > rank(&e->v[best]))
			best = i;
	return store_entry(l, e, best);
}
