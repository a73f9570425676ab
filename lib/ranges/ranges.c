// SPDX-License-Identifier: BSD-3-Clause

#include "ranges.h"

// The first range that ends at or behind `at`; s->num when there is none.
static uint32_t first_from(const struct ht_ranges *s, uint32_t at) {
	uint32_t i = 0;
	while (i < s->num && s->r[i].hi < at)
		i++;
	return i;
}

// ht_ranges_add with `first` known, which first_from() gave for lo.
static enum ht_rc add_at(struct ht_ranges *s, uint32_t first, uint32_t lo, uint32_t hi) {
	// [first, last) are the ranges that overlap or touch [lo, hi).
	uint32_t last = first;
	while (last < s->num && s->r[last].lo <= hi)
		last++;

	if (first == last) {
		if (s->num == HT_RANGES_MAX)
			return HT_LIMIT;
		for (uint32_t i = s->num++; i > first; i--) // few: a call of memmove costs more
			s->r[i] = s->r[i - 1];
		s->r[first] = (struct ht_range){lo, hi};
		return HT_OK;
	}
	if (s->r[first].lo < lo)
		lo = s->r[first].lo;
	if (s->r[last - 1].hi > hi)
		hi = s->r[last - 1].hi;
	s->r[first] = (struct ht_range){lo, hi};
	for (uint32_t i = last; i < s->num; i++)
		s->r[first + 1 + i - last] = s->r[i];
	s->num -= last - first - 1;
	return HT_OK;
}

enum ht_rc ht_ranges_add(struct ht_ranges *s, uint32_t lo, uint32_t hi) {
	return add_at(s, first_from(s, lo), lo, hi);
}

bool ht_ranges_hole(const struct ht_ranges *s, uint32_t lo, uint32_t hi, struct ht_range *hole) {
	for (uint32_t i = 0; i < s->num && lo < hi; i++) {
		if (s->r[i].hi <= lo)
			continue;
		if (s->r[i].lo > lo) {
			*hole = (struct ht_range){lo, s->r[i].lo < hi ? s->r[i].lo : hi};
			return true;
		}
		lo = s->r[i].hi;
	}
	if (lo >= hi)
		return false;
	*hole = (struct ht_range){lo, hi};
	return true;
}

static enum ht_rc grow(struct ht_assembly *s, struct ht_arena *a, uint32_t want) {
	uint32_t size;
	uint8_t *buf = ht_arena_get(a, want, &size);
	if (buf == NULL)
		return HT_FULL;
	if (s->buf != NULL) {
		memcpy(buf, s->buf, ht_ranges_end(&s->have));
		ht_arena_put(a, s->buf, s->size);
	}
	s->buf = buf;
	s->size = size;
	return HT_OK;
}

enum ht_rc ht_assembly_add(
	struct ht_assembly *s,
	struct ht_arena *a,
	uint64_t offset,
	struct ht_span bytes,
	uint32_t max
) {
	if (offset > max || bytes.len > max - offset)
		return HT_LIMIT;
	if (bytes.len == 0)
		return HT_OK;
	uint32_t lo = (uint32_t)offset, hi = lo + (uint32_t)bytes.len;
	if (hi > s->size && grow(s, a, hi) != HT_OK)
		return HT_FULL;
	if (s->have.num == 1 && s->have.r[0].hi == lo) { // in order: nearly all of TCP
		s->have.r[0].hi = hi;
		memcpy(s->buf + lo, bytes.p, bytes.len);
		return HT_OK;
	}

	const uint32_t first = first_from(&s->have, lo);
	const struct ht_range *r = s->have.r + first, *const end = s->have.r + s->have.num;
	if (r < end && r->hi == lo) // it touches, and the next one is the first that may overlap
		r++;
	if (r == end || r->lo >= hi) { // nothing of it is there: most pieces
		if (add_at(&s->have, first, lo, hi) != HT_OK)
			return HT_LIMIT;
		memcpy(s->buf + lo, bytes.p, bytes.len);
		return HT_OK;
	}
	if (r->lo <= lo && r->hi >= hi)
		return HT_OK;
	// The holes must be known before the range is added, and filled after it was accepted.
	struct ht_ranges before = s->have;
	if (ht_ranges_add(&s->have, lo, hi) != HT_OK)
		return HT_LIMIT;
	struct ht_range hole = {lo, lo};
	while (ht_ranges_hole(&before, hole.hi, hi, &hole))
		memcpy(s->buf + hole.lo, bytes.p + (hole.lo - lo), hole.hi - hole.lo);
	return HT_OK;
}

void ht_assembly_drop(struct ht_assembly *s, struct ht_arena *a) {
	if (s->buf != NULL)
		ht_arena_put(a, s->buf, s->size);
	s->buf = NULL;
	s->size = 0;
	s->have.num = 0;
}
