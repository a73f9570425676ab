// SPDX-License-Identifier: BSD-3-Clause
// Numbered pieces of unknown lengths, put in order in one block.

#include "carrier_int.h"

// Takes over the pieces that are next.
static void absorb(struct ht_pieces *s) {
	uint8_t n = 0;
	while (s->anchored && n < s->num_ahead && s->ahead[n].number == s->next) {
		s->prefix += s->ahead[n].len;
		s->next++;
		if (s->taken < UINT16_MAX)
			s->taken++;
		n++;
	}
	s->num_ahead -= n;
	memmove(&s->ahead[0], &s->ahead[n], s->num_ahead * sizeof(s->ahead[0]));
}

enum ht_rc ht_pieces_add(
	struct ht_pieces *s, struct ht_arena *a, uint32_t number, struct ht_span bytes, uint32_t max
) {
	if (s->anchored && (int32_t)(number - s->next) < 0)
		return HT_SKIP;
	uint32_t at = s->prefix, end = ht_ranges_end(&s->data.have), len = (uint32_t)bytes.len;
	uint8_t i = 0;
	while (i < s->num_ahead && (int32_t)(s->ahead[i].number - number) < 0)
		at += s->ahead[i++].len;
	if (i < s->num_ahead && s->ahead[i].number == number)
		return HT_SKIP;
	bool is_next = s->anchored && number == s->next;
	if (!is_next && s->num_ahead >= HT_PIECES_AHEAD)
		return HT_LIMIT;
	enum ht_rc rc = ht_assembly_add(&s->data, a, end, bytes, max);
	if (rc != HT_OK)
		return rc;
	if (at < end && len > 0) {
		memmove(s->data.buf + at + len, s->data.buf + at, end - at);
		memcpy(s->data.buf + at, bytes.p, len);
	}
	memmove(&s->ahead[i + 1], &s->ahead[i], (s->num_ahead - i) * sizeof(s->ahead[0]));
	s->ahead[i].number = number;
	s->ahead[i].len = len;
	s->num_ahead++;
	absorb(s);
	return HT_OK;
}

void ht_pieces_anchor(struct ht_pieces *s, uint32_t number) {
	uint32_t end = ht_ranges_end(&s->data.have), gone = s->prefix;
	uint8_t n = 0;
	while (n < s->num_ahead && (int32_t)(s->ahead[n].number - number) < 0)
		gone += s->ahead[n++].len;
	if (gone > 0) {
		memmove(s->data.buf, s->data.buf + gone, end - gone);
		s->data.have.r[0].hi = end - gone;
		s->data.have.num = end > gone;
	}
	s->num_ahead -= n;
	memmove(&s->ahead[0], &s->ahead[n], s->num_ahead * sizeof(s->ahead[0]));
	s->prefix = 0;
	s->taken = 0;
	s->next = number;
	s->anchored = true;
	absorb(s);
}

void ht_pieces_cut(struct ht_pieces *s, uint32_t number) {
	uint32_t end = s->prefix;
	uint8_t n = 0;
	while (n < s->num_ahead && (int32_t)(s->ahead[n].number - number) <= 0)
		end += s->ahead[n++].len;
	s->num_ahead = n;
	if (end < ht_ranges_end(&s->data.have)) {
		s->data.have.r[0].hi = end;
		s->data.have.num = end > 0;
	}
}

uint32_t ht_pieces_near(const struct ht_pieces *s, uint8_t low) {
	if (!s->anchored && s->num_ahead == 0)
		return low;
	uint32_t expected = s->anchored ? s->next : s->ahead[0].number;
	return expected + (uint32_t)(int8_t)(low - (uint8_t)expected);
}

void ht_pieces_drop(struct ht_pieces *s, struct ht_arena *a) {
	ht_assembly_drop(&s->data, a);
	s->prefix = s->next = 0;
	s->taken = 0;
	s->anchored = false;
	s->num_ahead = 0;
}
