// SPDX-License-Identifier: BSD-3-Clause
// export_file_int: files that are rotated or compressed, below a sink: export_file.c is the link
// above both, export_rotate.c names, begins and finishes files, export_zip.c compresses.
//
// What is being written is hidden as .NAME.part in the folder of NAME and locked (flock), so that
// whoever starts next can tell a file that was left by a crash from one in use.

#pragma once

#include "export_int.h"
#include "sink_options.h"

#include <limits.h>

// One frame of zstd (RFC 8878) with a checksum. It is flushed behind each batch, and its end is put
// there by us and not by libzstd: then a frame can be ended behind any batch that is whole in the
// file, when the disk was full or the program was killed in the next one.
struct zip {
	struct ZSTD_CCtx_s *ctx;
	struct XXH64_state_s *sum, *sum_next; // of the text that is whole in the file; of all text
	char *buf; // of a batch
	size_t room, len, done; // bytes of the batch, and those that are written
	uint32_t records; // in the batch
};

// zip_new is NULL when there is no memory, or no libzstd (HT_HAVE_ZSTD).
struct zip *zip_new(void);
void zip_free(struct zip *z);

// zip_begin begins a frame.
void zip_begin(struct zip *z);

// zip_add makes a batch of a text, where none waits. False: there is no memory.
HT_MUST_USE bool zip_add(struct zip *z, const char *text, size_t len, uint32_t records);

// zip_whole tells that the batch is written.
void zip_whole(struct zip *z);

// zip_end writes what ends the frame behind the last batch that is whole.
#define ZIP_END_LEN 7u
void zip_end(const struct zip *z, uint8_t out[ZIP_END_LEN]);

// zip_repair cuts a file of one frame behind the last batch that can be decoded and ends with a
// line, and ends the frame there. `size` is what the file has then; 0: nothing could be decoded.
//   HT_OK    the frame is whole
//   HT_BAD   is no frame that zip_add began: nothing was done
//   HT_ERROR errno says why
HT_MUST_USE enum ht_rc zip_repair(int fd, uint64_t *size);

struct sink_file {
	const struct ht_sink_options *o;
	int folder; // -1: a stream, which has no name of its own
	char stem[NAME_MAX + 1], end[NAME_MAX + 1]; // NAME is stem-TIME-NUMBER and end
	uint64_t number; // of the last file
	char name[NAME_MAX + 1]; // of the file being written
	int64_t window; // of time, in which it was begun
	uint64_t before; // bytes of the sink when it was begun
	uint64_t whole; // bytes of it that hold whole batches, where it is compressed
	bool left; // a file could not be finished; it is tried again
	struct zip *zip; // NULL: not compressed
	char error[512]; // of what is no record; empty: none
};

// file_open prepares for the path `name` and finishes what a crash has left there. No file is begun
// before the first record. HT_ERROR: `err` says why, without the name of the sink.
HT_MUST_USE enum ht_rc file_open(
	struct sink_file **out,
	const struct ht_sink_options *o,
	const char *name,
	char *err,
	size_t err_len
);
void file_close(struct sink_file *f);

// file_begin opens the next file; false: s->error says why.
HT_MUST_USE bool file_begin(struct sink_file *f, struct ht_sink *s);

// file_finish gives the file its name, after a flush: what could not be written of a record is cut
// off. A stream is ended.
void file_finish(struct sink_file *f, struct ht_sink *s);

// file_is_due tells whether the window of time of the file that is open is over.
bool file_is_due(const struct sink_file *f, const struct ht_sink *s);

// sink_file_flush is ht_sink_flush for such files.
void sink_file_flush(struct sink_file *f, struct ht_sink *s);
