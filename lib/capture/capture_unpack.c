// SPDX-License-Identifier: BSD-3-Clause
// Compressed captures: gzip of several members, zstd of several frames. Constant memory whatever
// the data unpack to: the caller's buffer bounds what is there at a time.

#include "capture_int.h"
#include "ht_config.h"

#include <stdio.h>
#include <stdlib.h>

#if HT_HAVE_ZLIB
#include <zlib.h>
#endif
#if HT_HAVE_ZSTD
#include <zstd.h>
#endif

#define IN_LEN (128u * 1024)

struct ht_unpack {
	bool between; // no member (frame) is open: the data may end here
	bool padding; // only zero bytes may follow
	bool failed; // s->why says why
#if HT_HAVE_ZLIB
	z_stream z;
	bool z_open;
#endif
#if HT_HAVE_ZSTD
	ZSTD_DStream *zstd;
#endif
	size_t in_pos, in_len;
	uint8_t in[IN_LEN];
};

#define FAIL(s, ...) (snprintf((s)->why, sizeof((s)->why), __VA_ARGS__), HT_ERROR)

enum ht_rc ht_unpack_open(struct ht_source *s) {
	struct ht_unpack *u = calloc(1, sizeof(*u));
	if (u == NULL)
		return FAIL(s, "out of memory");
	s->unpack = u;
	// What ht_source_open looked at comes first.
	memcpy(u->in, s->head, s->num_head);
	u->in_len = s->num_head;
	s->num_head = 0;
	if (s->kind == HT_SOURCE_GZIP) {
#if HT_HAVE_ZLIB
		if (inflateInit2(&u->z, 15 + 16) != Z_OK) // 16: a gzip header, nothing else
			return FAIL(s, "zlib: out of memory");
		u->z_open = true;
#else
		return FAIL(s, "is gzip data, and this program was built without zlib support");
#endif
	} else {
#if HT_HAVE_ZSTD
		// libzstd refuses windows over 128 MiB unless told otherwise: that is the cap.
		u->zstd = ZSTD_createDStream();
		if (u->zstd == NULL)
			return FAIL(s, "zstd: out of memory");
#else
		return FAIL(s, "is zstd data, and this program was built without zstd support");
#endif
	}
	return HT_OK;
}

void ht_unpack_close(struct ht_unpack *u) {
	if (u == NULL)
		return;
#if HT_HAVE_ZLIB
	if (u->z_open)
		inflateEnd(&u->z);
#endif
#if HT_HAVE_ZSTD
	ZSTD_freeDStream(u->zstd);
#endif
	free(u);
}

#if HT_HAVE_ZLIB
static enum ht_rc step_gzip(struct ht_source *s, uint8_t *to, size_t max, size_t *got) {
	struct ht_unpack *u = s->unpack;
	*got = 0;
	if (u->between) {
		// RFC 1952 2.2: members follow each other with nothing between. Tapes and block
		// devices pad the last one with zero bytes, which gzip(1) lets pass too.
		while (u->in_pos < u->in_len && u->in[u->in_pos] == 0) {
			u->padding = true;
			u->in_pos++;
		}
		if (u->in_pos == u->in_len)
			return HT_OK;
		if (u->padding || u->in[u->in_pos] != 0x1f)
			return FAIL(s, "gzip: something else follows the compressed data");
		(void)inflateReset(&u->z); // fails only on a stream that was never set up
		u->between = false;
	}
	u->z.next_in = u->in + u->in_pos;
	u->z.avail_in = (uInt)(u->in_len - u->in_pos);
	u->z.next_out = to;
	u->z.avail_out = max < UINT32_MAX ? (uInt)max : UINT32_MAX;
	uInt room = u->z.avail_out;
	int rc = inflate(&u->z, Z_NO_FLUSH);
	u->in_pos = u->in_len - u->z.avail_in;
	*got = room - u->z.avail_out;
	u->between = rc == Z_STREAM_END;
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return FAIL(s, "gzip: %s", u->z.msg != NULL ? u->z.msg : "cannot be unpacked");
	return HT_OK;
}
#endif

#if HT_HAVE_ZSTD
static enum ht_rc step_zstd(struct ht_source *s, uint8_t *to, size_t max, size_t *got) {
	struct ht_unpack *u = s->unpack;
	ZSTD_inBuffer in = {u->in, u->in_len, u->in_pos};
	ZSTD_outBuffer out = {to, max, 0};
	*got = 0;
	if (u->between && u->in_pos == u->in_len)
		return HT_OK;
	size_t rc = ZSTD_decompressStream(u->zstd, &out, &in);
	u->in_pos = in.pos;
	*got = out.pos;
	if (ZSTD_isError(rc))
		return FAIL(s, "zstd: %s", ZSTD_getErrorName(rc));
	u->between = rc == 0;
	return HT_OK;
}
#endif

static enum ht_rc step(struct ht_source *s, uint8_t *to, size_t max, size_t *got) {
#if HT_HAVE_ZLIB
	if (s->kind == HT_SOURCE_GZIP)
		return step_gzip(s, to, max, got);
#endif
#if HT_HAVE_ZSTD
	if (s->kind == HT_SOURCE_ZSTD)
		return step_zstd(s, to, max, got);
#endif
	(void)to, (void)max;
	*got = 0;
	return FAIL(s, "cannot be unpacked");
}

enum ht_rc ht_unpack_read(struct ht_source *s, uint8_t *to, size_t max, size_t *got) {
	struct ht_unpack *u = s->unpack;
	*got = 0;
	if (u->failed)
		return HT_ERROR;
	// Ends: each turn gives bytes, uses up input, or reads more of a finite file.
	for (;;) {
		// A step before more is read: the library may hold output back from the last one.
		size_t before = u->in_pos, n;
		bool was_between = u->between;
		enum ht_rc rc = step(s, to, max, &n);
		u->failed = rc != HT_OK;
		*got = n;
		if (n > 0)
			return HT_OK; // an error, if any, is for the next call
		if (rc != HT_OK)
			return rc;
		if (u->in_pos < u->in_len) {
			if (u->in_pos != before || u->between != was_between)
				continue;
			u->failed = true;
			return FAIL(s, "the compressed data lead nowhere");
		}
		if (s->ended) {
			if (u->between)
				return HT_OK;
			u->failed = true;
			return FAIL(s, "the compressed data are cut short");
		}
		u->in_pos = 0;
		if (ht_source_raw(s, u->in, IN_LEN, &u->in_len) != HT_OK) {
			u->in_len = 0;
			u->failed = true;
			return HT_ERROR;
		}
	}
}
