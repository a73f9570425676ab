// SPDX-License-Identifier: BSD-3-Clause

#include "metrics_int.h"

#include <stdlib.h>

struct series {
	const char *values[HT_TALLY_MAX_LABELS];
	uint64_t count;
};

// Where the writer finds a series by the pointers of its values.
struct slot {
	const char *values[HT_TALLY_MAX_LABELS];
	uint32_t series; // index + 1; max_series + 1: the others; 0: empty
};

struct ht_tally {
	const struct ht_counter *what;
	const char *const *label_names;
	unsigned num_labels, max_series;

	// The writer adds and counts, readers look. Series up to `num_series` never change but in
	// `count`. One more behind the last is that of the others.
	unsigned num_series;
	struct series *series;

	// The writer's alone. The same values may come by several pointers (the linker need not
	// merge equal texts): each has its slot, all lead to one series. So has what belongs to the
	// others.
	struct slot *slots;
	unsigned num_slots, max_slots; // at most half of `mask` + 1 are taken
	uint32_t mask;
};

struct ht_tally *ht_tally_new(
	const struct ht_counter *what,
	const char *const *label_names,
	unsigned num_labels,
	unsigned max_series
) {
	if (num_labels > HT_TALLY_MAX_LABELS || max_series > HT_TALLY_MAX_SERIES)
		return NULL;
	struct ht_tally *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	uint32_t size = 4;
	while (size < 4 * max_series)
		size *= 2;
	*t = (struct ht_tally){
		.what = what,
		.label_names = label_names,
		.num_labels = num_labels,
		.max_series = max_series,
		.series = calloc(max_series + 1, sizeof(*t->series)),
		.slots = calloc(size, sizeof(*t->slots)),
		.max_slots = size / 2,
		.mask = size - 1,
	};
	if (t->series == NULL || t->slots == NULL) {
		ht_tally_free(t);
		return NULL;
	}
	return t;
}

void ht_tally_free(struct ht_tally *t) {
	if (t == NULL)
		return;
	free(t->series);
	free(t->slots);
	free(t);
}

// find_slot gives the slot of these pointers, or the empty one where they belong. Nobody outside
// chooses addresses of texts, so the hash has no key.
static struct slot *find_slot(struct ht_tally *t, const char *const *values) {
	uint64_t h = 0;
	for (unsigned i = 0; i < t->num_labels; i++) {
		h = (h ^ (uintptr_t)values[i]) * 0x9e3779b97f4a7c15u;
		h ^= h >> 32;
	}
	for (;; h++) {
		struct slot *slot = &t->slots[h & t->mask];
		if (slot->series == 0
		    || memcmp(slot->values, values, t->num_labels * sizeof(*values)) == 0)
			return slot;
	}
}

static bool same_text(const char *a, const char *b) {
	return a == b || strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

// find_series gives the series with these texts, a new one if need be, or that of the others.
static uint32_t find_series(struct ht_tally *t, const char *const *values) {
	for (uint32_t i = 0; i < t->num_series; i++) {
		unsigned same = 0;
		while (same < t->num_labels && same_text(t->series[i].values[same], values[same]))
			same++;
		if (same == t->num_labels)
			return i;
	}
	if (t->num_series == t->max_series)
		return t->max_series;
	memcpy(t->series[t->num_series].values, values, t->num_labels * sizeof(*values));
	__atomic_store_n(&t->num_series, t->num_series + 1, __ATOMIC_RELEASE);
	return t->num_series - 1;
}

void ht_tally_count(struct ht_tally *t, const char *const *values, uint64_t n) {
	struct slot *slot = find_slot(t, values);
	if (HT_UNLIKELY(slot->series == 0)) {
		// The texts are compared once for each tuple of pointers. There are slots for twice
		// as many tuples as series; a tuple past these is not looked at.
		if (t->num_slots == t->max_slots) {
			ht_stats_count(&t->series[t->max_series].count, n);
			return;
		}
		memcpy(slot->values, values, t->num_labels * sizeof(*values));
		slot->series = find_series(t, values) + 1;
		t->num_slots++;
	}
	ht_stats_count(&t->series[slot->series - 1].count, n);
}

const struct ht_counter *metrics_tally_what(const struct ht_tally *t) {
	return t->what;
}

bool metrics_tally_labels_ok(const struct ht_tally *t) {
	for (unsigned i = 0; i < t->num_labels; i++) {
		if (!metrics_label_name_ok(t->label_names[i])
		    || strcmp(t->label_names[i], "other") == 0)
			return false;
		for (unsigned j = 0; j < i; j++)
			if (strcmp(t->label_names[i], t->label_names[j]) == 0)
				return false;
	}
	return true;
}

void metrics_put_tally(struct metrics_text *t, const char *name, const struct ht_tally *tally) {
	const unsigned num = __atomic_load_n(&tally->num_series, __ATOMIC_ACQUIRE);
	for (unsigned i = 0; i < num; i++) {
		const struct series *s = &tally->series[i];
		const char *before = "{";
		metrics_put(t, name);
		metrics_put(t, "_total");
		for (unsigned k = 0; k < tally->num_labels; k++) {
			if (s->values[k] == NULL || s->values[k][0] == '\0')
				continue;
			metrics_put(t, before);
			metrics_put_label(t, tally->label_names[k], s->values[k]);
			before = ",";
		}
		metrics_put(t, before[0] == ',' ? "} " : " ");
		metrics_put_u64(t, __atomic_load_n(&s->count, __ATOMIC_RELAXED));
		metrics_put(t, "\n");
	}
	// Shown from the start: an alert on it has something to compare with.
	metrics_put(t, name);
	metrics_put(t, "_total{other=\"true\"} ");
	metrics_put_u64(
		t, __atomic_load_n(&tally->series[tally->max_series].count, __ATOMIC_RELAXED)
	);
	metrics_put(t, "\n");
}
