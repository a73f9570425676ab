// SPDX-License-Identifier: BSD-3-Clause

#include "export_file_int.h"
#include "ht_config.h"

#if HT_HAVE_ZSTD

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#define LEVEL 3 // 8 makes it a sixth smaller and costs four times as much

struct zip *zip_new(void) {
	struct zip *z = calloc(1, sizeof(*z));
	if (z == NULL)
		return NULL;
	// Pages that no batch needed are never touched.
	z->room = ZSTD_compressBound(SINK_BATCH + SINK_RECORD_MAX + SINK_SLACK);
	z->buf = malloc(z->room);
	z->ctx = ZSTD_createCCtx();
	z->sum = XXH64_createState();
	z->sum_next = XXH64_createState();
	if (z->buf == NULL || z->ctx == NULL || z->sum == NULL || z->sum_next == NULL
	    || ZSTD_isError(ZSTD_CCtx_setParameter(z->ctx, ZSTD_c_compressionLevel, LEVEL))
	    || ZSTD_isError(ZSTD_CCtx_setParameter(z->ctx, ZSTD_c_checksumFlag, 1))) {
		zip_free(z);
		return NULL;
	}
	zip_begin(z);
	return z;
}

void zip_free(struct zip *z) {
	if (z == NULL)
		return;
	XXH64_freeState(z->sum_next);
	XXH64_freeState(z->sum);
	ZSTD_freeCCtx(z->ctx);
	free(z->buf);
	free(z);
}

void zip_begin(struct zip *z) {
	(void)ZSTD_CCtx_reset(z->ctx, ZSTD_reset_session_only); // which cannot fail
	XXH64_reset(z->sum, 0);
	XXH64_reset(z->sum_next, 0);
	z->len = z->done = 0;
	z->records = 0;
}

bool zip_add(struct zip *z, const char *text, size_t len, uint32_t records) {
	ZSTD_inBuffer in = {text, len, 0};
	ZSTD_outBuffer out = {z->buf, z->room, 0};
	size_t left;
	do
		left = ZSTD_compressStream2(z->ctx, &out, &in, ZSTD_e_flush);
	while (!ZSTD_isError(left) && left > 0 && out.pos < out.size);
	if (left != 0)
		return false;
	XXH64_update(z->sum_next, text, len);
	z->len = out.pos;
	z->done = 0;
	z->records = records;
	return true;
}

void zip_whole(struct zip *z) {
	XXH64_copyState(z->sum, z->sum_next);
	z->len = z->done = 0;
	z->records = 0;
}

// An empty raw block that is the last (RFC 8878 3.1.1.2), and the checksum (3.1.1).
static void put_end(const XXH64_state_t *sum, uint8_t out[ZIP_END_LEN]) {
	const uint32_t low = (uint32_t)XXH64_digest(sum);
	out[0] = 1;
	out[1] = out[2] = 0;
	memcpy(out + 3, &low, sizeof(low));
}

void zip_end(const struct zip *z, uint8_t out[ZIP_END_LEN]) {
	put_end(z->sum, out);
}

// ---- what a crash has left

#define FRAME_HEADER_LEN 6u // magic number, descriptor, window (RFC 8878 3.1.1.1)
#define BLOCK_MAX (128u * 1024)
#define WINDOW_LOG_MAX 23 // ours are 21

struct repair {
	int fd;
	ZSTD_DCtx *ctx;
	XXH64_state_t *sum, *good_sum;
	uint64_t at, good; // bytes that were read; those up to the end of a line
	bool ended; // the frame has its end
	uint8_t in[3 + BLOCK_MAX + 4];
	uint8_t out[BLOCK_MAX];
};

// decode takes n bytes of r->in; false: they are broken.
static bool decode(struct repair *r, size_t n) {
	ZSTD_inBuffer in = {r->in, n, 0};
	uint8_t last = 0;
	for (bool full = true; in.pos < in.size || full;) {
		ZSTD_outBuffer out = {r->out, sizeof(r->out), 0};
		const size_t before = in.pos;
		const size_t rc = ZSTD_decompressStream(r->ctx, &out, &in);
		if (ZSTD_isError(rc) || (out.pos == 0 && in.pos == before && in.pos < in.size))
			return false;
		XXH64_update(r->sum, r->out, out.pos);
		if (out.pos > 0)
			last = r->out[out.pos - 1];
		full = out.pos == out.size;
		r->ended = rc == 0;
		if (r->ended)
			break;
	}
	r->at += n;
	if (last == '\n') {
		r->good = r->at;
		XXH64_copyState(r->good_sum, r->sum);
	}
	return true;
}

// next_block decodes a block, and what is behind the last one; false: it is not there, or not
// whole.
static bool next_block(struct repair *r) {
	if (pread(r->fd, r->in, 3, (off_t)r->at) != 3)
		return false;
	const uint32_t header
		= (uint32_t)r->in[0] | (uint32_t)r->in[1] << 8 | (uint32_t)r->in[2] << 16;
	const uint32_t type = header >> 1 & 3, size = header >> 3;
	// A compressed block of no bytes is none (RFC 8878 3.1.1.2.2), though ZSTD_decompressStream
	// passes over it.
	if (type == 3 || size > BLOCK_MAX || (type == 2 && size == 0))
		return false;
	const size_t n = 3 + (type == 1 ? 1 : size) + (header & 1 ? 4 : 0);
	return pread(r->fd, r->in, n, (off_t)r->at) == (ssize_t)n && decode(r, n);
}

static enum ht_rc repair(struct repair *r, uint64_t *size) {
	static const uint8_t begin[] = {0x28, 0xb5, 0x2f, 0xfd, 0x04}; // no more than a checksum
	const ssize_t n = pread(r->fd, r->in, FRAME_HEADER_LEN, 0);
	if (n < 0)
		return HT_ERROR;
	*size = 0;
	if (n < (ssize_t)FRAME_HEADER_LEN)
		return ftruncate(r->fd, 0) == 0 ? HT_OK : HT_ERROR;
	if (memcmp(r->in, begin, sizeof(begin)) != 0)
		return HT_BAD;
	if (!decode(r, FRAME_HEADER_LEN))
		return HT_BAD;
	while (!r->ended && next_block(r)) {
	}
	*size = r->ended ? r->at : r->good;
	if (ftruncate(r->fd, (off_t)*size) != 0)
		return HT_ERROR;
	if (r->ended || r->good == 0)
		return HT_OK;
	uint8_t end[ZIP_END_LEN];
	put_end(r->good_sum, end);
	if (pwrite(r->fd, end, sizeof(end), (off_t)*size) != (ssize_t)sizeof(end))
		return HT_ERROR;
	*size += sizeof(end);
	return HT_OK;
}

enum ht_rc zip_repair(int fd, uint64_t *size) {
	enum ht_rc rc = HT_ERROR;
	struct repair *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return HT_ERROR;
	r->fd = fd;
	r->ctx = ZSTD_createDCtx();
	r->sum = XXH64_createState();
	r->good_sum = XXH64_createState();
	if (r->ctx != NULL && r->sum != NULL && r->good_sum != NULL
	    && !ZSTD_isError(ZSTD_DCtx_setParameter(r->ctx, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
		XXH64_reset(r->sum, 0);
		errno = ENOSPC; // of a write that is too short
		rc = repair(r, size);
	} else {
		errno = ENOMEM;
	}
	XXH64_freeState(r->good_sum);
	XXH64_freeState(r->sum);
	ZSTD_freeDCtx(r->ctx);
	free(r);
	return rc;
}

#else

struct zip *zip_new(void) {
	return NULL;
}

void zip_free(struct zip *z) {
	(void)z;
}

void zip_begin(struct zip *z) {
	(void)z;
}

bool zip_add(struct zip *z, const char *text, size_t len, uint32_t records) {
	(void)z, (void)text, (void)len, (void)records;
	return false;
}

void zip_whole(struct zip *z) {
	(void)z;
}

void zip_end(const struct zip *z, uint8_t out[ZIP_END_LEN]) {
	(void)z;
	memset(out, 0, ZIP_END_LEN);
}

enum ht_rc zip_repair(int fd, uint64_t *size) {
	(void)fd, (void)size;
	return HT_BAD; // and it stays for a program that can
}

#endif
