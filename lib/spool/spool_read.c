// SPDX-License-Identifier: BSD-3-Clause
// Where entries come out: finding them in a segment, the read position, settling.

#include "spool_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BUFFER (128u * 1024)
#define WINDOW_LEAST 1024u

// Behind a damaged length, bytes hashed in vain before the rest of a segment is given up: only who
// knows number and offset can make more than a few candidates, and he shall not gain much by it.
#define IN_VAIN_MAX (8ull * SPOOL_SEGMENT_MAX)

// --- bytes of a segment -------------------------------------------------------------------------

void spool_read_close(struct ht_spool *s) {
	if (s->read.fd >= 0)
		close(s->read.fd);
	s->read.fd = -1;
	s->read.len = 0;
}

// open_segment. HT_MORE: somebody deleted it, or put something else there.
static enum ht_rc open_segment(struct ht_spool *s, uint32_t index) {
	const uint64_t ordinal = s->first + index;
	char file[SPOOL_FILE_MAX];
	if (s->read.fd >= 0 && s->read.fd_ordinal == ordinal)
		return HT_OK;
	spool_read_close(s);
	spool_file_name(file, s->segments[index].number);
	s->read.fd = spool_open_file(s, file, O_RDONLY);
	s->read.fd_ordinal = ordinal;
	if (s->read.fd >= 0)
		return HT_OK;
	return errno == ENOENT || errno == ELOOP || errno == EINVAL
		       ? HT_MORE
		       : spool_fail(s, file, "cannot open");
}

static bool want_buffer(struct ht_spool *s, uint32_t n) {
	if (n <= s->read.cap)
		return true;
	uint8_t *buf = realloc(s->read.buf, n);
	if (buf == NULL)
		return false;
	s->read.buf = buf;
	s->read.cap = n;
	return true;
}

// read_file reads up to n bytes. A place that the disk does not give back is the end: what lies
// behind is lost with it.
static uint32_t read_file(int fd, uint8_t *to, uint32_t offset, uint32_t n) {
	uint32_t done = 0;
	while (done < n) {
		const ssize_t got = pread(fd, to + done, n - done, (off_t)offset + done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += (uint32_t)got;
	}
	return done;
}

// load reads from `offset` on: as much as the buffer holds, and n bytes at least.
static enum ht_rc load(struct ht_spool *s, uint32_t index, uint32_t offset, uint32_t n) {
	const struct spool_segment *g = &s->segments[index];
	const uint32_t in_file = g->size - (spool_is_written(s, g) ? s->buffered : 0);
	uint32_t want = g->size - offset;
	want = want < READ_BUFFER ? want : n > READ_BUFFER ? n : READ_BUFFER;
	s->read.len = 0;
	if (!want_buffer(s, want > READ_BUFFER ? want : READ_BUFFER)) {
		errno = ENOMEM;
		return spool_fail(s, NULL, "cannot read");
	}
	uint32_t got = 0;
	if (offset < in_file) {
		const uint32_t part = want < in_file - offset ? want : in_file - offset;
		const enum ht_rc rc = open_segment(s, index);
		if (rc != HT_OK)
			return rc;
		got = read_file(s->read.fd, s->read.buf, offset, part);
		if (got < part)
			want = got;
	}
	if (got < want) // the rest has not been flushed yet
		memcpy(s->read.buf + got, s->buffer + (offset + got - in_file), want - got);
	s->read.buf_ordinal = s->first + index;
	s->read.at = offset;
	s->read.len = want;
	return n <= want ? HT_OK : HT_MORE;
}

// bytes_at borrows n bytes, which end within the segment's size. HT_MORE: the file is shorter.
static enum ht_rc
bytes_at(struct ht_spool *s, uint32_t index, uint32_t offset, uint32_t n, const uint8_t **p) {
	const bool there = s->read.buf_ordinal == s->first + index && offset >= s->read.at
			   && offset + n <= s->read.at + s->read.len;
	if (HT_UNLIKELY(!there)) {
		const enum ht_rc rc = load(s, index, offset, n);
		if (rc != HT_OK)
			return rc;
	}
	*p = s->read.buf + (offset - s->read.at);
	return HT_OK;
}

// --- entries of a segment -----------------------------------------------------------------------

enum ht_rc spool_find(
	struct ht_spool *s,
	uint32_t index,
	uint32_t *offset,
	struct ht_span *bytes,
	struct spool_gap *gap
) {
	const uint64_t number = s->segments[index].number;
	const uint32_t size = s->segments[index].size;
	uint64_t in_vain = 0;
	bool in_step = true; // `at` is where an entry begins, if lengths so far were right
	uint32_t at = *offset;
	memset(gap, 0, sizeof(*gap));
	while (at + SPOOL_HEAD <= size && in_vain <= IN_VAIN_MAX) {
		struct spool_head h;
		const uint8_t *p;
		enum ht_rc rc = bytes_at(s, index, at, SPOOL_HEAD, &p);
		if (rc == HT_ERROR)
			return rc;
		if (rc != HT_OK)
			break;
		memcpy(&h, p, sizeof(h));
		if (h.len > HT_SPOOL_ENTRY_MAX || h.len > size - at - SPOOL_HEAD
		    || !spool_head_is_right(&h, number, at)) {
			in_step = false;
			at++;
			continue;
		}
		rc = bytes_at(s, index, at, SPOOL_HEAD + h.len, &p);
		if (rc == HT_ERROR)
			return rc;
		if (rc == HT_OK && spool_sum_is_right(&h, number, at, p + SPOOL_HEAD)) {
			*bytes = HT_SPAN(p + SPOOL_HEAD, h.len);
			gap->bytes = at - *offset;
			gap->more = !in_step;
			*offset = at + SPOOL_HEAD + h.len;
			return HT_OK;
		}
		in_vain += in_step ? 0 : h.len;
		gap->whole += in_step;
		at += in_step ? SPOOL_HEAD + h.len : 1;
	}
	gap->bytes = size > *offset ? size - *offset : 0;
	gap->more = !in_step || at < size;
	*offset = size;
	return HT_MORE;
}

// --- the read position --------------------------------------------------------------------------

static bool want_window(struct ht_spool *s) {
	if (s->window_num < s->window_cap)
		return true;
	const uint32_t cap = s->window_cap > 0 ? 2 * s->window_cap : WINDOW_LEAST;
	uint64_t *window = malloc(cap * sizeof(*window));
	if (window == NULL)
		return false;
	for (uint32_t i = 0; i < s->window_num; i++)
		window[i] = s->window[(s->window_at + i) % s->window_cap];
	free(s->window);
	s->window = window;
	s->window_cap = cap;
	s->window_at = 0;
	return true;
}

// count_damage counts bytes skipped before `mark`, but not again after a rewind.
static void count_damage(struct ht_spool *s, uint64_t mark, uint32_t skipped) {
	if (mark <= s->seen)
		return;
	s->seen = mark;
	if (skipped == 0)
		return;
	spool_count(s, HT_SPOOL_DAMAGED, 1);
	spool_count(s, HT_SPOOL_DAMAGED_BYTES, skipped);
}

static void lose(struct ht_spool *s, struct spool_segment *g, uint32_t lost) {
	if (lost == 0)
		return;
	spool_count(s, HT_SPOOL_LOST_DAMAGED, lost);
	spool_number_add(s, SPOOL_COUNT, -(uint64_t)lost);
	g->left -= lost;
	snprintf(
		s->error, sizeof(s->error), "%s: %u of its entries %s", s->path, lost,
		g->gone ? "are gone: their file was taken away" : "cannot be read any more"
	);
}

// leave_segment goes on to the next one. What was counted and did not come is lost.
static void leave_segment(struct ht_spool *s, struct spool_segment *g) {
	lose(s, g, g->left - s->read.entries);
	s->read.mark = SPOOL_MARK(SPOOL_ORDINAL(s->read.mark) + 1, (uint64_t)SPOOL_FIRST);
	s->read.entries = 0;
	spool_read_close(s);
}

// count_read: one that was given up for lost, and can be read again after a rewind, is found anew.
static void count_read(struct ht_spool *s, struct spool_segment *g) {
	if (++s->read.entries <= g->left)
		return;
	g->left++;
	spool_count(s, HT_SPOOL_RECOVERED, 1);
	spool_number_add(s, SPOOL_COUNT, 1);
}

enum ht_rc ht_spool_next(struct ht_spool *s, struct ht_span *bytes) {
	if (s->window_num == HT_SPOOL_WINDOW)
		return HT_MORE;
	if (!want_window(s)) {
		errno = ENOMEM;
		return spool_fail(s, NULL, "cannot read");
	}
	for (;;) {
		const uint64_t ordinal = SPOOL_ORDINAL(s->read.mark);
		const uint32_t index = (uint32_t)(ordinal - s->first);
		if (index == s->num)
			return HT_MORE;
		uint32_t offset = SPOOL_OFFSET(s->read.mark);
		struct spool_gap gap;
		const enum ht_rc rc = spool_find(s, index, &offset, bytes, &gap);
		if (rc == HT_ERROR)
			return rc;
		s->read.mark = SPOOL_MARK(ordinal, (uint64_t)offset);
		count_damage(s, s->read.mark, gap.bytes);
		if (rc == HT_OK) {
			const uint32_t slot = (s->window_at + s->window_num) % s->window_cap;
			s->window[slot] = s->read.mark;
			s->window_num++;
			count_read(s, &s->segments[index]);
			return HT_OK;
		}
		if (spool_is_written(s, &s->segments[index]))
			return HT_MORE;
		leave_segment(s, &s->segments[index]);
		spool_drop(s);
	}
}

void spool_give_up(struct ht_spool *s, uint32_t index) {
	struct spool_segment *g = &s->segments[index];
	const uint64_t ordinal = s->first + index, reading = SPOOL_ORDINAL(s->read.mark);
	const uint32_t size = g->size;
	const uint64_t lost = s->counters[HT_SPOOL_LOST_DAMAGED];
	g->gone = true;
	g->size = SPOOL_FIRST;
	spool_number_add(s, SPOOL_BYTES, -g->disk);
	g->disk = 0;
	if (ordinal == reading)
		leave_segment(s, g);
	else if (ordinal > reading)
		lose(s, g, g->left);
	if (s->counters[HT_SPOOL_LOST_DAMAGED] == lost)
		return;
	spool_count(s, HT_SPOOL_DAMAGED, 1);
	spool_count(s, HT_SPOOL_DAMAGED_BYTES, size - SPOOL_FIRST);
}

void ht_spool_rewind(struct ht_spool *s) {
	const uint64_t first = SPOOL_MARK(s->first, (uint64_t)SPOOL_FIRST);
	s->window_num = 0;
	s->read.entries = 0;
	s->read.mark = s->settled > first ? s->settled : first;
}

// --- settling -----------------------------------------------------------------------------------

static void delete_first(struct ht_spool *s) {
	char file[SPOOL_FILE_MAX];
	spool_file_name(file, s->segments[0].number);
	// If it cannot be deleted it stays, and is deleted when the spool is opened next: the
	// cursor is behind it. What has its name now is not ours.
	if (!s->segments[0].gone)
		(void)unlinkat(s->dir, file, 0);
	spool_number_add(s, SPOOL_BYTES, -s->segments[0].disk);
	s->num--;
	s->first++;
	memmove(s->segments, s->segments + 1, s->num * sizeof(*s->segments));
}

void spool_drop(struct ht_spool *s) {
	bool any = false;
	while (s->num > 0) {
		struct spool_segment *g = &s->segments[0];
		if (g->left > 0 || spool_is_written(s, g))
			break;
		if (SPOOL_ORDINAL(s->read.mark) == s->first) {
			if (SPOOL_OFFSET(s->read.mark) < g->size)
				break;
			leave_segment(s, g);
		}
		if (!any && s->cursor_dirty)
			spool_write_cursor(s);
		any = true;
		delete_first(s);
	}
}

void ht_spool_settle(struct ht_spool *s, uint64_t n) {
	n = n < s->window_num ? n : s->window_num;
	if (n == 0)
		return;
	for (uint64_t i = 0; i < n; i++) {
		s->settled = s->window[s->window_at];
		s->window_at = (s->window_at + 1) % s->window_cap;
		s->segments[SPOOL_ORDINAL(s->settled) - s->first].left--;
		if (SPOOL_ORDINAL(s->settled) == SPOOL_ORDINAL(s->read.mark))
			s->read.entries--;
	}
	s->window_num -= (uint32_t)n;
	s->cursor.number = s->segments[SPOOL_ORDINAL(s->settled) - s->first].number;
	s->cursor.offset = SPOOL_OFFSET(s->settled);
	s->cursor_dirty = true;
	s->cursor_behind += n;
	spool_count(s, HT_SPOOL_SETTLED, n);
	spool_number_add(s, SPOOL_COUNT, -n);
	spool_drop(s);
	if (s->cursor_behind >= HT_SPOOL_PACE)
		spool_write_cursor(s);
}
