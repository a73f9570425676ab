// SPDX-License-Identifier: BSD-3-Clause
// Capture files. Frames are parsed where read(2) or the decompressor put them: a block is read,
// walked, and what is left of a frame at its end is moved before the next one. The first blocks are
// read here, those of a longer capture by a thread of its own.

#include "asan.h"
#include "capture_int.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void ht_capture_note(struct ht_capture *c, uint64_t offset, const char *fmt, ...) {
	char line[384];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	size_t n = strlen(c->error);
	const char *of = c->source.kind != HT_SOURCE_PLAIN ? " of the uncompressed data" : "";
	if (n == 0)
		snprintf(
			c->error, sizeof(c->error), "%s: offset %" PRIu64 "%s: %s", c->name, offset,
			of, line
		);
	else
		snprintf(
			c->error + n, sizeof(c->error) - n, "; offset %" PRIu64 "%s: %s", offset,
			of, line
		);
}

uint8_t *ht_capture_alloc(size_t size) {
	return aligned_alloc(4096, (size + 4095) & ~(size_t)4095);
}

// use makes `buf`, with `left` bytes from `pos` on, the place where frames are taken. A block that
// was it before goes back.
static void use(struct ht_capture *c, uint8_t *buf, size_t cap, size_t pos, size_t left) {
	if (c->buf != c->own)
		ht_ahead_give_back(c->ahead);
	c->buf = buf;
	c->cap = cap;
	c->pos = pos;
	c->len = pos + left;
}

// make_room moves the bytes from pos on to, or in, the capture's own buffer, or takes a larger one,
// so that `need` of them fit and at least one more can be read.
static bool make_room(struct ht_capture *c, size_t need) {
	size_t left = c->len - c->pos, to = left <= HT_CAPTURE_HEAD ? HT_CAPTURE_HEAD - left : 0;
	if (c->buf == c->own && left > 0 && c->pos + need <= c->cap)
		return true;
	if (to + need > c->own_cap)
		to = 0;
	if (need > c->own_cap) {
		size_t cap = c->own_cap;
		while (cap < need)
			cap *= 2;
		uint8_t *grown = ht_capture_alloc(cap);
		if (grown == NULL) {
			ht_capture_fail(c, ht_capture_at(c), "out of memory");
			return false;
		}
		memcpy(grown + to, c->buf + c->pos, left);
		bool in_own = c->buf == c->own;
		free(c->own);
		c->own = grown;
		c->own_cap = cap;
		if (in_own)
			c->buf = grown;
	} else {
		memmove(c->own + to, c->buf + c->pos, left);
	}
	use(c, c->own, c->own_cap, to, left);
	return true;
}

// read_here reads behind what is left, and waits for it. HT_MORE: the data ended.
static enum ht_rc read_here(struct ht_capture *c, size_t need) {
	size_t got;
	if (!make_room(c, need))
		return HT_ERROR;
	if (ht_source_read(&c->source, c->buf + c->len, c->cap - c->len, &got) == HT_ERROR) {
		ht_capture_fail(c, c->offset, "%s", c->source.why);
		return HT_ERROR;
	}
	c->len += got;
	c->offset += got;
	c->bytes_read = c->source.bytes_read;
	return got > 0 ? HT_OK : HT_MORE;
}

// take_block goes on with the next block that was read ahead. HT_MORE: the data ended.
static enum ht_rc take_block(struct ht_capture *c, size_t need) {
	const struct ht_block *b = ht_ahead_next(c->ahead);
	if (b->why != NULL) {
		ht_capture_fail(c, c->offset, "%s", b->why);
		return HT_ERROR;
	}
	c->bytes_read = b->bytes_read;
	const size_t got = b->len, left = c->len - c->pos;
	if (got == 0)
		return HT_MORE;
	// The shorter part is moved to the longer one, so that a frame that comes in small pieces
	// is not moved once for each.
	if (left <= got && left <= HT_CAPTURE_HEAD) {
		size_t to = HT_CAPTURE_HEAD - left;
		memcpy(b->buf + to, c->buf + c->pos, left);
		use(c, b->buf, HT_CAPTURE_HEAD + c->how.block, to, left + got);
	} else {
		if (!make_room(c, need > left + got ? need : left + got))
			return HT_ERROR;
		memcpy(c->buf + c->len, b->buf + HT_CAPTURE_HEAD, got);
		c->len += got;
		ht_ahead_give_back(c->ahead);
	}
	c->offset += got;
	return HT_OK;
}

enum ht_rc ht_capture_fill(struct ht_capture *c, size_t need) {
	HT_UNPOISON(c->buf, c->cap);
	if (c->offset >= c->how.ahead_after) {
		c->ahead = ht_ahead_start(&c->source, c->how.block);
		c->how.ahead_after = UINT64_MAX;
	}
	enum ht_rc rc = HT_OK;
	while (rc == HT_OK && c->len - c->pos < need)
		rc = c->ahead != NULL ? take_block(c, need) : read_here(c, need);
	// Bytes that hold no data, and frames given back: reading them is reported.
	HT_POISON(c->buf + c->len, c->cap - c->len);
	return rc;
}

// looks_like names what is no capture, where its first bytes tell.
static const char *looks_like(const uint8_t *p, size_t len) {
	static const struct {
		const char *magic, *what;
		size_t len;
	} known[] = {
#define M(magic, what) {magic, what, sizeof(magic) - 1}
		M("\x1f\x8b", "gzip data inside compressed data"),
		M("\x28\xb5\x2f\xfd", "zstd data inside compressed data"),
		M("\xfd\x37zXZ\0", "xz data"),
		M("BZh", "bzip2 data"),
		M("\x04\x22\x4d\x18", "lz4 data"),
		M("PK\x03\x04", "a zip archive"),
		M("7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
		M("\x7f"
		  "ELF",
		  "an ELF program"),
		M("snoop\0\0\0", "a snoop capture"),
		M("btsnoop\0", "a Bluetooth snoop capture"),
		M("GMBU", "a Network Monitor capture"),
		M("RTSS", "a Network Monitor capture"),
		M("iptrace", "an AIX iptrace capture"),
		M("TRSNIFF", "a Sniffer capture"),
		M("%PDF", "a PDF document"),
		M("\xff\xd8\xff", "a JPEG picture"),
		M("\x89PNG", "a PNG picture"),
#undef M
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(known); i++)
		if (len >= known[i].len && memcmp(p, known[i].magic, known[i].len) == 0)
			return known[i].what;
	for (size_t i = 0; i < len && i < 64; i++)
		if (p[i] >= 0x7f || (p[i] < ' ' && p[i] != '\n' && p[i] != '\r' && p[i] != '\t'))
			return NULL;
	return "text";
}

static enum ht_rc open_format(struct ht_capture *c) {
	enum ht_rc rc = ht_capture_fill(c, 4);
	if (rc == HT_ERROR)
		return rc;
	size_t left = c->len - c->pos;
	const uint8_t *p = c->buf + c->pos;
	if (left == 0) {
		snprintf(c->error, sizeof(c->error), "%s: empty file", c->name);
		return HT_ERROR;
	}
	uint32_t magic = 0;
	if (left >= 4)
		memcpy(&magic, p, sizeof(magic));
	if (magic == 0x0a0d0d0a)
		return ht_pcapng_open(c);
	rc = ht_pcap_open(c, magic);
	if (rc != HT_SKIP)
		return rc;
	if (ht_capture_fill(c, 64) == HT_ERROR)
		return HT_ERROR;
	const char *what = looks_like(c->buf + c->pos, c->len - c->pos);
	snprintf(
		c->error, sizeof(c->error), "%s: not a capture file (pcap or pcapng)%s%s", c->name,
		what != NULL ? ": looks like " : "", what != NULL ? what : ""
	);
	return HT_ERROR;
}

static void file_close(struct ht_capture *c) {
	if (c == NULL)
		return;
	if (c->buf != NULL)
		HT_UNPOISON(c->buf, c->cap);
	ht_ahead_stop(c->ahead);
	ht_source_close(&c->source);
	ht_filters_free(&c->filters);
	free(c->ifaces);
	free(c->own);
	free(c->name);
	free(c);
}

static enum ht_rc open_with(
	struct ht_capture **out,
	const char *path,
	struct ht_span mem,
	const struct ht_capture_how *how,
	const char *filter,
	char *err,
	size_t err_len
) {
	struct ht_capture *c = calloc(1, sizeof(*c));
	if (c == NULL) {
		snprintf(err, err_len, "out of memory");
		return HT_ERROR;
	}
	c->source = (struct ht_source){.fd = -1, .mem = mem, .chunk = how->chunk};
	c->how = *how;
	c->pos = c->len = HT_CAPTURE_HEAD;
	c->cap = c->own_cap = HT_CAPTURE_HEAD + how->block;
	c->buf = c->own = ht_capture_alloc(c->cap);
	c->name = strdup(
		path == NULL		 ? "memory"
		: strcmp(path, "-") == 0 ? "standard input"
					 : path
	);
	c->filtering = filter != NULL && filter[0] != '\0';
	if (c->filtering)
		c->filters.expr = strdup(filter);
	if (c->buf == NULL || c->name == NULL || (c->filtering && c->filters.expr == NULL)) {
		snprintf(err, err_len, "out of memory");
		file_close(c);
		return HT_ERROR;
	}
	if (ht_source_open(&c->source, path) != HT_OK)
		snprintf(c->error, sizeof(c->error), "%s: %s", c->name, c->source.why);
	else if (open_format(c) == HT_OK) {
		*out = c;
		return HT_OK;
	}
	snprintf(err, err_len, "%s", c->error);
	file_close(c);
	return HT_ERROR;
}

static enum ht_rc
file_open(struct ht_capture **out, const struct ht_capture_params *p, char *err, size_t err_len) {
	const struct ht_capture_how how
		= {.block = HT_CAPTURE_BLOCK, .ahead_after = HT_CAPTURE_AHEAD_AFTER};
	return open_with(out, p->source, HT_SPAN_EMPTY, &how, p->filter, err, err_len);
}

enum ht_rc ht_capture_open_memory(
	struct ht_capture **out,
	struct ht_span bytes,
	const struct ht_capture_how *how,
	const char *filter,
	char *err,
	size_t err_len
) {
	return open_with(out, NULL, bytes, how, filter, err, err_len);
}

static unsigned file_read(struct ht_capture *c, struct ht_frame *f, unsigned max_f) {
	return c->format == HT_FILE_PCAPNG ? ht_pcapng_read(c, f, max_f)
					   : ht_pcap_read(c, f, max_f);
}

static void file_release(struct ht_capture *c) {
	HT_POISON(c->buf, c->pos);
}

static const char *file_error(const struct ht_capture *c) {
	return c->error[0] != '\0' ? c->error : NULL;
}

static void file_stats(const struct ht_capture *c, struct ht_capture_stats *out) {
	*out = (struct ht_capture_stats){
		.frames = c->frames,
		.filtered = c->filtered,
		.bytes_read = c->bytes_read,
		.bytes_total = c->source.bytes_total,
	};
}

const struct ht_capture_ops ht_capture_file = {
	.name = "file",
	.open = file_open,
	.read = file_read,
	.release = file_release,
	.error = file_error,
	.stats = file_stats,
	.close = file_close,
};
