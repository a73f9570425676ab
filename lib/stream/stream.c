// SPDX-License-Identifier: BSD-3-Clause

#include "stream.h"

// Moves everything held `by` bytes up, to make room for a new beginning.
static enum ht_rc shift(struct ht_stream *s, struct ht_arena *a, uint32_t by, uint32_t max) {
	struct ht_assembly *d = &s->data;
	uint32_t end = ht_ranges_end(&d->have);
	if (by > max || end > max - by)
		return HT_LIMIT;
	if (end + by > d->size) {
		uint32_t size;
		uint8_t *buf = ht_arena_get(a, end + by, &size);
		if (buf == NULL)
			return HT_FULL;
		if (d->buf != NULL) {
			memcpy(buf + by, d->buf, end);
			ht_arena_put(a, d->buf, d->size);
		}
		d->buf = buf;
		d->size = size;
	} else {
		memmove(d->buf + by, d->buf, end);
	}
	for (uint32_t i = 0; i < d->have.num; i++) {
		d->have.r[i].lo += by;
		d->have.r[i].hi += by;
	}
	s->base -= by;
	return HT_OK;
}

enum ht_rc ht_stream_add(
	struct ht_stream *s, struct ht_arena *a, uint32_t seq, struct ht_span payload, uint32_t max
) {
	// A bare acknowledgement says nothing about where data begins.
	if (payload.len == 0)
		return HT_SKIP;
	int32_t at = (int32_t)(seq - s->base); // RFC 9293 3.4: arithmetic modulo 2^32
	if (at < 0 && !s->anchored && at >= -HT_STREAM_REBASE_MAX) {
		enum ht_rc rc = shift(s, a, (uint32_t)-at, max);
		if (rc != HT_OK)
			return rc;
		at = 0;
	}
	if (at < 0) {
		uint32_t below = (uint32_t) - (int64_t)at;
		if (below >= payload.len)
			return HT_SKIP;
		payload = HT_SPAN(payload.p + below, payload.len - below);
		at = 0;
	}
	if ((uint32_t)at >= max)
		return HT_LIMIT;
	if (payload.len > max - (uint32_t)at)
		payload.len = max - (uint32_t)at;
	struct ht_range hole;
	uint32_t hi = (uint32_t)at + (uint32_t)payload.len;
	if (!ht_ranges_hole(&s->data.have, (uint32_t)at, hi, &hole))
		return HT_SKIP;
	enum ht_rc rc = ht_assembly_add(&s->data, a, (uint32_t)at, payload, max);
	if (rc == HT_OK && s->segments < UINT16_MAX)
		s->segments++;
	return rc;
}

bool ht_stream_anchor(struct ht_stream *s, struct ht_arena *a, uint32_t seq, uint32_t max) {
	int32_t at = (int32_t)(seq - s->base);
	if (at > 0 || at < -HT_STREAM_REBASE_MAX)
		return false;
	if (at < 0 && shift(s, a, (uint32_t)-at, max) != HT_OK)
		return false;
	s->anchored = true;
	return true;
}

void ht_stream_consume(struct ht_stream *s, struct ht_arena *a, uint32_t n) {
	struct ht_ranges *have = &s->data.have;
	if (n == 0)
		return;
	s->base += n;
	if (n == ht_ranges_end(have)) {
		ht_assembly_drop(&s->data, a);
		return;
	}
	memmove(s->data.buf, s->data.buf + n, ht_ranges_end(have) - n);
	uint32_t kept = 0;
	for (uint32_t i = 0; i < have->num; i++) {
		if (have->r[i].hi <= n)
			continue;
		uint32_t lo = have->r[i].lo > n ? have->r[i].lo - n : 0;
		have->r[kept++] = (struct ht_range){lo, have->r[i].hi - n};
	}
	have->num = kept;
}

void ht_stream_drop(struct ht_stream *s, struct ht_arena *a) {
	ht_assembly_drop(&s->data, a);
	s->segments = 0;
}
