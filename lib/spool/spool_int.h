// SPDX-License-Identifier: BSD-3-Clause
// spool_int: what the files of this module share.
//
// FOLDER/NAME/ has `lock` (flock), `cursor` and segments, NUMBER.spool with 18 digits. Numbers are
// never used again. Files are in the byte order of the host, which is little-endian:
//
//   segment:  stamp | entry | entry ...       stamp: offset 0
//   cursor:   stamp                           what lies before `offset` of segment `number`, and
//                                             all of lower numbers, is settled
//   entry:    head | bytes
//
// The hashes of an entry are over its place, too: what lies elsewhere, in bytes that a sender
// chose, or in a block of a deleted file, is no entry. The length has a hash of its own, so that a
// damaged entry can be told from a damaged length, and so that looking for the next entry behind a
// damaged length hashes 24 bytes at each place and not up to 4 MiB.
//
// Every opening begins a new segment, so nothing is ever written behind what a crash left.

#pragma once

#include "spool.h"

#define SPOOL_VERSION 1u
#define SPOOL_SEGMENT_MAX (8u * 1024 * 1024) // of a file; what lies behind is nobody's
#define SPOOL_SEGMENT_MIN 4096u
#define SPOOL_SEGMENTS 16u // of max_bytes
#define SPOOL_SEGMENTS_MAX (1u << 20) // files in a folder
#define SPOOL_BLOCK 4096u // what a file takes is a multiple of it
#define SPOOL_NUMBER_MAX 999999999999999998u // one more has 18 digits yet
#define SPOOL_BUFFER 65536u // of appended entries
#define SPOOL_NAME_MAX 256u // with the terminator
#define SPOOL_FILE_MAX 32u

struct spool_stamp {
	uint8_t magic[8];
	uint32_t version;
	uint32_t offset;
	uint64_t number;
	uint64_t sum; // of what stands before it
};

struct spool_head {
	uint32_t len;
	uint32_t len_sum;
	uint64_t sum;
};

_Static_assert(sizeof(struct spool_stamp) == 32 && sizeof(struct spool_head) == 16, "on disk");

#define SPOOL_FIRST ((uint32_t)sizeof(struct spool_stamp)) // offset of a segment's first entry
#define SPOOL_HEAD ((uint32_t)sizeof(struct spool_head))

struct spool_segment {
	uint64_t number;
	uint64_t disk; // bytes it takes there
	uint32_t size; // one past its last entry, those in the buffer included
	uint32_t left; // entries not settled
	bool gone; // its file is: only entries that were read already are left of it
};

// A mark is a place in the spool: segments counted since it was opened, and an offset. Marks are in
// the order of the entries.
#define SPOOL_MARK(ordinal, offset) ((ordinal) << 24 | (offset))
#define SPOOL_ORDINAL(mark) ((mark) >> 24)
#define SPOOL_OFFSET(mark) ((uint32_t)(mark)&0xffffffu)

_Static_assert(SPOOL_SEGMENT_MAX <= 0xffffffu, "a mark has 24 bits for an offset");

enum spool_number { SPOOL_COUNT, SPOOL_BYTES, SPOOL_NUM_NUMBERS };

struct ht_spool {
	char *path; // FOLDER/NAME, for messages
	int dir, lock;
	uint64_t max_bytes;
	uint32_t segment_bytes; // a segment is finished before it gets longer
	uint32_t fsync;

	// The oldest first. The last one may be the one that is written.
	struct spool_segment *segments;
	uint32_t num, max;
	uint64_t first; // ordinal of segments[0]
	uint64_t last_number; // the highest ever used

	// The last segment's end: its file has all but the last `buffered` bytes of its size.
	int out; // -1: the next entry begins a segment
	uint8_t *buffer; // SPOOL_BUFFER
	uint32_t buffered;
	uint64_t unflushed; // entries in it
	bool unsynced, dir_unsynced;

	struct {
		uint64_t mark; // where the next entry is
		uint32_t entries; // of that segment, read and not settled
		int fd; // -1: not open
		uint64_t fd_ordinal;
		uint8_t *buf; // bytes [at, at + len) of a segment
		uint32_t cap, at, len;
		uint64_t buf_ordinal;
	} read;
	uint64_t seen; // damage before this mark is counted

	bool loaded;

	uint64_t *window; // ends of entries read and not settled; a ring
	uint32_t window_cap, window_at, window_num;

	uint64_t settled; // mark of the end of the last entry settled
	struct {
		uint64_t number;
		uint32_t offset;
	} cursor; // the same, as it goes to the disk
	uint64_t cursor_behind; // entries settled since it was written
	bool cursor_dirty;

	uint64_t numbers[SPOOL_NUM_NUMBERS]; // read by others, as the counters are
	uint64_t counters[HT_SPOOL_NUM_CTRS];
	char error[512];
};

static inline void spool_count(struct ht_spool *s, enum ht_spool_counter counter, uint64_t n) {
	ht_stats_count(&s->counters[counter], n);
}

static inline void spool_number_set(struct ht_spool *s, enum spool_number number, uint64_t v) {
	__atomic_store_n(&s->numbers[number], v, __ATOMIC_RELAXED);
}

static inline void spool_number_add(struct ht_spool *s, enum spool_number number, uint64_t n) {
	spool_number_set(s, number, s->numbers[number] + n);
}

// spool_disk_size tells what a file of `size` bytes takes.
static inline uint64_t spool_disk_size(uint64_t size) {
	return size / SPOOL_BLOCK * SPOOL_BLOCK + (size % SPOOL_BLOCK > 0 ? SPOOL_BLOCK : 0);
}

static inline bool spool_is_written(const struct ht_spool *s, const struct spool_segment *g) {
	return s->out >= 0 && g == &s->segments[s->num - 1];
}

// --- spool_disk.c: names, stamps, the cursor's file, the folder

// spool_fail keeps "PATH/FILE: WHAT: errno's text" for ht_spool_error. FILE may be NULL.
enum ht_rc spool_fail(struct ht_spool *s, const char *file, const char *what);

// spool_folder_name writes the folder's name for a spool's name.
void spool_folder_name(char out[SPOOL_NAME_MAX], const char *name);

void spool_file_name(char out[SPOOL_FILE_MAX], uint64_t number);

void spool_make_head(struct spool_head *h, uint64_t number, uint32_t offset, struct ht_span bytes);

// spool_head_is_right tells whether the length is one that was written at this place, and
// spool_sum_is_right whether the bytes are.
bool spool_head_is_right(const struct spool_head *h, uint64_t number, uint32_t offset);
bool spool_sum_is_right(
	const struct spool_head *h, uint64_t number, uint32_t offset, const uint8_t *bytes
);

void spool_make_stamp(struct spool_stamp *t, bool cursor, uint64_t number, uint32_t offset);

// spool_stamp_is_right tells whether it is a stamp of that kind, of whatever version.
bool spool_stamp_is_right(const struct spool_stamp *t, bool cursor);

// spool_open_file opens a regular file of the folder, and waits for nobody. -1: errno says why;
// EINVAL and ELOOP where something else has its name.
int spool_open_file(const struct ht_spool *s, const char *file, int flags);

// spool_write_cursor is tried again later if it fails.
void spool_write_cursor(struct ht_spool *s);

// spool_recover reads the folder, and gives s->segments, s->cursor and the counters.
enum ht_rc spool_recover(struct ht_spool *s);

// --- spool.c

// spool_add_segment makes room for one more at the end: zeros.
struct spool_segment *spool_add_segment(struct ht_spool *s);

// --- spool_read.c

// A gap is what is damaged before a good entry.
struct spool_gap {
	uint32_t bytes;
	uint32_t whole; // entries whose length is right, and whose bytes are not
	bool more; // and bytes of which nobody can tell how many entries they were; one at least
};

// spool_find finds the next good entry at *offset or behind, and leaves *offset behind it.
// HT_MORE: there is none up to the segment's end.
enum ht_rc spool_find(
	struct ht_spool *s,
	uint32_t index,
	uint32_t *offset,
	struct ht_span *bytes,
	struct spool_gap *gap
);

// spool_read_close lets go of the file that is read, and of what was read of it.
void spool_read_close(struct ht_spool *s);

// spool_give_up takes a segment for gone: what was not read of it is lost.
void spool_give_up(struct ht_spool *s, uint32_t index);

// spool_drop deletes the oldest segments as far as all of them is read and settled.
void spool_drop(struct ht_spool *s);
