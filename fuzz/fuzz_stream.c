// SPDX-License-Identifier: BSD-3-Clause
// A script of segments against a naive model: every byte by itself, with a flag.

#include "stream.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Sequence numbers of the script lie within this of the first one, so that the model is finite.
#define MODEL 65536u
#define ORIGIN (MODEL / 2)
#define OPS_MAX 400u
#define PIECE_MAX 4096u

static uint8_t have[MODEL]; // 1 or 0; searched with memchr, or a run would take a second
static uint8_t bytes[MODEL];
static uint32_t base; // index of offset 0
static uint32_t end; // one past the last byte held, 0 when there is none
static bool anchored;

// The first index from `i` on that has `value`, at most `stop`.
static uint32_t next(uint32_t i, uint32_t stop, uint8_t value) {
	const uint8_t *p = i < stop ? memchr(have + i, value, stop - i) : NULL;
	return p != NULL ? (uint32_t)(p - have) : stop;
}

// How many runs of bytes there are.
static uint32_t runs(void) {
	uint32_t num = 0;
	for (uint32_t i = next(base, end, 1); i < end; i = next(next(i, end, 0), end, 1))
		num++;
	return num;
}

static enum ht_rc model_add(uint32_t at, const uint8_t *p, uint32_t n, uint32_t max) {
	if (n == 0)
		return HT_SKIP;
	if (at < base && !anchored) {
		if ((end > base ? end : base) - at > max)
			return HT_LIMIT;
		base = at;
	}
	uint32_t lo = at < base ? base : at, hi = at + n;
	if (hi <= lo)
		return HT_SKIP;
	if (lo - base >= max)
		return HT_LIMIT;
	if (hi - base > max) // what fits is kept
		hi = base + max;
	if (next(lo, hi, 0) == hi)
		return HT_SKIP;
	uint8_t before[PIECE_MAX];
	uint32_t end_before = end;
	memcpy(before, have + lo, hi - lo);
	memset(have + lo, 1, hi - lo);
	end = hi > end ? hi : end;
	if (runs() > HT_RANGES_MAX) {
		memcpy(have + lo, before, hi - lo);
		end = end_before;
		return HT_LIMIT;
	}
	for (uint32_t i = lo; i < hi; i++)
		if (!before[i - lo])
			bytes[i] = p[i - at];
	return HT_OK;
}

static bool model_anchor(uint32_t at, uint32_t max) {
	if (at > base || (at < base && (end > base ? end : base) - at > max))
		return false;
	base = at;
	anchored = true;
	return true;
}

static void check(const struct ht_stream *s, uint32_t first) {
	if (s->base != first + (base - ORIGIN) || s->anchored != anchored)
		abort();
	const struct ht_ranges *r = &s->data.have;
	if (r->num != runs() || r->num > HT_RANGES_MAX)
		abort();
	for (uint32_t i = 0; i < r->num; i++) {
		if (r->r[i].lo >= r->r[i].hi || r->r[i].hi > s->data.size
		    || (i > 0 && r->r[i].lo <= r->r[i - 1].hi)
		    || next(base + r->r[i].lo, base + r->r[i].hi, 0) != base + r->r[i].hi
		    || memcmp(s->data.buf + r->r[i].lo, bytes + base + r->r[i].lo,
			      r->r[i].hi - r->r[i].lo)
			       != 0)
			abort();
	}
	uint32_t prefix = next(base, end > base ? end : base, 0) - base;
	if (ht_stream_prefix(s) != prefix
	    || ht_stream_has_hole(s) != (end > base && end - base > prefix))
		abort();
}

// Header: first sequence number (4), flags (1: anchored, full arena), cap in 256 bytes (1). Then
// operations of four bytes: which, where (2), how long.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size < 6)
		return 0;
	uint32_t first = ht_be32(data), max = 256u * (data[5] + 1u);
	struct ht_stream s = {.base = first, .anchored = data[4] & 1};
	struct ht_arena *a = ht_arena_new(1);
	if (a == NULL)
		return 0;
	anchored = s.anchored;
	base = ORIGIN;
	end = 0;
	memset(have, 0, sizeof(have));
	uint32_t room;
	uint8_t *taken = data[4] & 2 ? ht_arena_get(a, HT_ARENA_MAX_BLOCK, &room) : NULL;
	if (taken != NULL) { // nothing fits: no call may leave a trace
		static const uint8_t one[1];
		if (ht_stream_add(&s, a, first, HT_SPAN(one, 1), max) != HT_FULL
		    || ht_stream_anchor(&s, a, first - 1, max) || s.base != first)
			abort();
		ht_arena_put(a, taken, room);
	}

	size_t at = 6;
	for (unsigned op = 0; op < OPS_MAX && size - at >= 4; op++) {
		uint8_t what = data[at];
		// Most segments lie near the first one; some anywhere in the model.
		int32_t away = (int16_t)ht_be16(data + at + 1);
		uint32_t where = ORIGIN + (uint32_t)(what & 1 ? away : away / 64);
		uint32_t n = what & 2 ? 16u * data[at + 3] : data[at + 3] & 15;
		at += 4;
		where = where < MODEL ? where : ORIGIN;
		n = n < MODEL - where ? n : MODEL - where;
		uint32_t seq = first + (where - ORIGIN);
		if (what >= 0xf0) {
			if (ht_stream_anchor(&s, a, seq, max) != model_anchor(where, max))
				abort();
		} else {
			// The segment's bytes differ from one operation to the next: it shows
			// whose were kept.
			uint8_t *piece = malloc(n > 0 ? n : 1);
			if (piece == NULL)
				break;
			for (uint32_t i = 0; i < n; i++)
				piece[i] = (uint8_t)(op * 131 + i * 7);
			enum ht_rc rc = ht_stream_add(&s, a, seq, HT_SPAN(piece, n), max);
			enum ht_rc want = model_add(where, piece, n, max);
			free(piece);
			if (rc != want)
				abort();
		}
		check(&s, first);
	}
	ht_stream_drop(&s, a);
	if (ht_arena_used(a) != 0)
		abort();
	ht_arena_free(a);
	return 0;
}
