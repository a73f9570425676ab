// SPDX-License-Identifier: BSD-3-Clause

#include "watchlist_int.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

// Half full at most.
#define SLOTS_FIRST 1024u

enum ht_rc wl_grow(struct ht_watchlists *w, void *p, uint32_t *cap, uint32_t num, size_t size) {
	void **const array = p;
	if (num < *cap)
		return HT_OK;
	if (*cap >= UINT32_MAX / 2)
		return HT_LIMIT;
	const uint32_t more = *cap == 0 ? 64 : 2 * *cap;
	const uint64_t add = (uint64_t)(more - *cap) * size;
	if (w->bytes + add > w->max_bytes)
		return HT_LIMIT;
	void *const grown = realloc(*array, more * size);
	if (grown == NULL)
		return HT_ERROR;
	*array = grown;
	*cap = more;
	w->bytes += add;
	return HT_OK;
}

static void trim(struct ht_watchlists *w, void *p, uint32_t *cap, uint32_t num, size_t size) {
	void **const array = p;
	void *const less = num > 0 ? realloc(*array, num * size) : NULL;
	if (less == NULL)
		return;
	*array = less;
	w->bytes -= (uint64_t)(*cap - num) * size;
	*cap = num;
}

void wl_trim(struct ht_watchlists *w) {
	trim(w, &w->text, &w->cap_text, w->text_len, 1);
	trim(w, &w->keys, &w->cap_keys, w->num_keys, sizeof(*w->keys));
	trim(w, &w->entries, &w->cap_entries, w->num_entries, sizeof(*w->entries));
	trim(w, &w->conditions, &w->cap_conditions, w->num_conditions, sizeof(*w->conditions));
	trim(w, &w->regexes, &w->cap_regexes, w->num_regexes, sizeof(*w->regexes));
}

enum ht_rc wl_text_add(struct ht_watchlists *w, uint32_t *at, struct ht_span bytes) {
	while (w->cap_text - w->text_len <= bytes.len) {
		const enum ht_rc rc = wl_grow(w, &w->text, &w->cap_text, w->cap_text, 1);
		if (rc != HT_OK)
			return rc;
	}
	char *const to = (char *)w->text + w->text_len;
	memcpy(to, bytes.p, bytes.len);
	to[bytes.len] = '\0';
	*at = w->text_len;
	w->text_len += (uint32_t)bytes.len + 1;
	return HT_OK;
}

// The seed is drawn for each set: who writes a list does not choose its collisions.
uint32_t wl_hash(const struct ht_watchlists *w, uint8_t field, uint8_t bits, struct ht_span bytes) {
	const uint64_t seed = w->seed ^ (uint64_t)field << 8 ^ bits;
	return (uint32_t)XXH3_64bits_withSeed(bytes.p, bytes.len, seed);
}

uint32_t
wl_find(const struct ht_watchlists *w,
	uint32_t hash,
	uint8_t field,
	uint8_t bits,
	struct ht_span bytes) {
	for (uint32_t i = hash & w->mask; w->slots[i].key != 0; i = (i + 1) & w->mask) {
		if (w->slots[i].hash != hash)
			continue;
		const struct wl_key *k = &w->keys[w->slots[i].key - 1];
		if (k->field == field && k->bits == bits && k->len == bytes.len
		    && memcmp(w->text + k->bytes, bytes.p, bytes.len) == 0)
			return w->slots[i].key - 1;
	}
	return WL_NONE;
}

static void put_slot(struct wl_slot *slots, uint32_t mask, struct wl_slot s) {
	uint32_t i = s.hash & mask;
	while (slots[i].key != 0)
		i = (i + 1) & mask;
	slots[i] = s;
}

static enum ht_rc grow_slots(struct ht_watchlists *w) {
	const uint64_t old = w->slots == NULL ? 0 : (uint64_t)w->mask + 1;
	if (2 * (uint64_t)w->num_keys < old)
		return HT_OK;
	const uint64_t num = old == 0 ? SLOTS_FIRST : 2 * old;
	const uint64_t add = (num - old) * sizeof(*w->slots);
	if (num > UINT32_MAX || w->bytes + add > w->max_bytes)
		return HT_LIMIT;
	struct wl_slot *slots = calloc(num, sizeof(*slots));
	if (slots == NULL)
		return HT_ERROR;
	for (uint64_t i = 0; i < old; i++)
		if (w->slots[i].key != 0)
			put_slot(slots, (uint32_t)(num - 1), w->slots[i]);
	free(w->slots);
	w->slots = slots;
	w->mask = (uint32_t)(num - 1);
	w->bytes += add;
	return HT_OK;
}

static unsigned count_labels(struct ht_span name) {
	unsigned n = 1;
	for (size_t i = 0; i < name.len; i++)
		n += name.p[i] == '.';
	return n;
}

// note_key keeps in mind what there is to look for.
static void note_key(struct ht_watchlists *w, const struct wl_value *v) {
	if (v->field == WL_NAME) {
		const unsigned n = count_labels(HT_SPAN(v->bytes, v->len));
		w->depths[n / 64] |= 1ull << n % 64;
	} else if (v->field == WL_IP4) {
		w->prefixes4 |= 1ull << v->bits;
	} else if (v->field == WL_IP6) {
		w->prefixes6[v->bits / 64] |= 1ull << v->bits % 64;
	} else if (v->field == WL_JA4) {
		w->ja4_parts |= (uint8_t)(1u << v->where);
	}
}

static enum ht_rc note_regex(struct ht_watchlists *w, uint32_t key) {
	const enum ht_rc rc
		= wl_grow(w, &w->regexes, &w->cap_regexes, w->num_regexes, sizeof(*w->regexes));
	if (rc == HT_OK)
		w->regexes[w->num_regexes++].key = key;
	return rc;
}

enum ht_rc wl_key_add(struct ht_watchlists *w, uint32_t *key, const struct wl_value *v) {
	const struct ht_span bytes = HT_SPAN(v->bytes, v->len);
	uint32_t at;
	enum ht_rc rc = grow_slots(w);
	if (rc != HT_OK)
		return rc;
	const uint32_t hash = wl_hash(w, v->field, v->bits, bytes);
	*key = wl_find(w, hash, v->field, v->bits, bytes);
	if (*key != WL_NONE)
		return HT_OK;
	rc = wl_grow(w, &w->keys, &w->cap_keys, w->num_keys, sizeof(*w->keys));
	if (rc == HT_OK)
		rc = wl_text_add(w, &at, bytes);
	if (rc == HT_OK && v->field == WL_REGEX)
		rc = note_regex(w, w->num_keys);
	if (rc != HT_OK)
		return rc;
	*key = w->num_keys++;
	w->keys[*key] = (struct wl_key
	){.bytes = at, .first = WL_NONE, .len = v->len, .field = v->field, .bits = v->bits};
	put_slot(w->slots, w->mask, (struct wl_slot){.hash = hash, .key = *key + 1});
	note_key(w, v);
	return HT_OK;
}
