// SPDX-License-Identifier: BSD-3-Clause
// capture_int: what the parts of the capture-file reader share. Not for other modules, but for the
// test and the fuzzer, which open captures from memory.

#pragma once

#include "capture.h"

#include <sys/types.h>

struct bpf_program; // libpcap

// Bytes of a block read at once. Measured with 64 KiB ... 1 MiB on 2.2 M frames in 2 GB, page cache
// warm, 512 KiB L2: 128 and 256 KiB take 7 % less CPU time than 1 MiB, the block being still in L2
// when it is walked.
#define HT_CAPTURE_BLOCK (256u * 1024)

// Room before the block for the start of a frame that straddles two of them. The block itself is
// then always read to the same, page-aligned place from a page-aligned offset.
#define HT_CAPTURE_HEAD (64u * 1024)

// Blocks of the ring that is read ahead. Measured: 4 of 256 KiB, 8 of 128 to 512, 16 of 128 and
// 256. The time is the same within 6 %, which is noise; 8 of 256 KiB take half the wake-ups of 4.
#define HT_CAPTURE_AHEAD 8u

// Bytes of a capture after which its reading goes to a thread of its own: smaller ones are over
// before it would pay.
#define HT_CAPTURE_AHEAD_AFTER (1024u * 1024)

// The most one frame (or one pcapng block that must be seen whole) may take. libpcap stops at 256
// KiB, which offloaded segments exceed; 16 MiB is far more than any link carries, and bounds what a
// forged length can make us reserve.
#define HT_CAPTURE_FRAME_MAX (16u * 1024 * 1024)

#define HT_CAPTURE_MAX_IFACES 16384u // a section of a pcapng file
#define HT_CAPTURE_MAX_FILTERS 32u // link types a file may mix under one filter expression

// A source of bytes: a file or a pipe as it is, or what it holds when it is compressed.
enum ht_source_kind { HT_SOURCE_PLAIN, HT_SOURCE_GZIP, HT_SOURCE_ZSTD };

struct ht_source {
	enum ht_source_kind kind;
	int fd; // -1: `mem`
	bool ended; // the stored bytes are used up
	bool waits; // a read may wait for somebody: no regular file
	int stop_fd; // an eventfd that ends such a wait, or -1
	uint8_t head[4]; // looked at to tell the kind, not given out yet
	uint8_t num_head;
	struct ht_span mem; // tests: instead of a file
	size_t chunk; // tests: the most one read of `mem` gives
	uint64_t bytes_read; // as stored
	uint64_t bytes_total;
	struct ht_unpack *unpack; // decompressor
	char why[160]; // why ht_source_read failed
};

// ht_source_open opens `path`, "-" for standard input, or takes s->mem when `path` is NULL, and
// looks at the first bytes to tell what it is. On HT_ERROR nothing is left open and s->why says
// why.
HT_MUST_USE enum ht_rc ht_source_open(struct ht_source *s, const char *path);

// ht_source_read writes up to `max` bytes, and to *got how many: 0 is the end. It returns what is
// there and does not wait for more. On HT_ERROR s->why says why; what came before was given out.
HT_MUST_USE enum ht_rc ht_source_read(struct ht_source *s, uint8_t *to, size_t max, size_t *got);

void ht_source_close(struct ht_source *s);

// Decompression of `in` to `to`. unpack_open is by kind; HT_ERROR writes s->why.
HT_MUST_USE enum ht_rc ht_unpack_open(struct ht_source *s);
HT_MUST_USE enum ht_rc ht_unpack_read(struct ht_source *s, uint8_t *to, size_t max, size_t *got);
void ht_unpack_close(struct ht_unpack *u);

// ht_source_raw reads stored bytes; *got 0 is the end.
HT_MUST_USE enum ht_rc ht_source_raw(struct ht_source *s, uint8_t *to, size_t max, size_t *got);

// A block read ahead: `len` bytes behind HT_CAPTURE_HEAD bytes of room.
struct ht_block {
	uint8_t *buf;
	size_t len; // 0: the last one
	const char *why; // of the last one: reading failed; NULL: the end
	uint64_t bytes_read; // of the source, with this block
};

// ht_ahead_start begins a thread that reads `s` ahead in blocks of `block` bytes; until
// ht_ahead_stop `s` is the thread's. NULL, where there is one CPU only or no thread or memory to be
// had: read with ht_source_read then. All other functions are for the thread that called it.
HT_MUST_USE struct ht_ahead *ht_ahead_start(struct ht_source *s, size_t block);

// ht_ahead_next waits for the next block, with whatever one read gave. It is the caller's until
// given back; so is the room before its bytes. The last one comes again at each call.
HT_MUST_USE const struct ht_block *ht_ahead_next(struct ht_ahead *a);

// ht_ahead_give_back gives back the oldest block that is held. One may be held while the next is
// taken.
void ht_ahead_give_back(struct ht_ahead *a);
void ht_ahead_stop(struct ht_ahead *a); // ends a read that waits; NULL is let pass

// One filter expression, compiled for each link type when its first frame comes.
struct ht_filter {
	uint16_t linktype;
	struct bpf_program *prog; // NULL: the expression has no meaning for this link type
};

struct ht_filters {
	char *expr;
	unsigned num;
	struct ht_filter f[HT_CAPTURE_MAX_FILTERS];
};

// ht_capture_dlt_linktype is the LINKTYPE_ value of a DLT_ value.
uint16_t ht_capture_dlt_linktype(int value);

// ht_filters_get returns the filter for `linktype`, valid until ht_filters_free. When the
// expression does not compile the filter matches nothing and, the first time, `why` (not empty)
// says why.
const struct ht_filter *
ht_filters_get(struct ht_filters *s, uint16_t linktype, char *why, size_t why_len);
bool ht_filter_match(const struct ht_filter *f, const struct ht_frame *frame);
void ht_filters_free(struct ht_filters *s);

// An interface of a pcapng section.
struct ht_iface {
	uint16_t linktype;
	uint8_t tsresol; // as stored: 10^-n, or 2^-(n - 128)
	bool ts_is_ns;
	uint32_t snaplen; // 0: no limit
	int64_t tsoffset; // s
	const struct ht_filter *filter; // NULL until a frame needs it
};

// How the bytes come. Files: 0, HT_CAPTURE_BLOCK, HT_CAPTURE_AHEAD_AFTER.
struct ht_capture_how {
	size_t chunk; // the most one read of memory gives
	size_t block; // bytes read at once
	uint64_t ahead_after; // bytes; UINT64_MAX: no thread
};

enum ht_file_format { HT_FILE_PCAP, HT_FILE_PCAP_PLAIN, HT_FILE_PCAPNG };

struct ht_capture {
	// Where frames are taken: `own`, or a block of `ahead`. Bytes [pos, len) have not been
	// parsed yet.
	uint8_t *buf;
	size_t pos, len, cap;
	uint64_t offset; // of buf[len] in the (uncompressed) data
	uint64_t bytes_read; // of the source, up to buf[len]
	uint64_t frames;
	uint64_t filtered;
	enum ht_file_format format;
	bool done; // nothing more will come; `error` tells why when it was not a clean end
	bool swapped;
	bool filtering;

	// pcap
	uint16_t linktype;
	bool ts_is_ns;
	uint8_t header_len;
	uint8_t version_minor;
	uint32_t ts_mul;
	uint32_t caplen_max;
	const struct ht_filter *filter;

	// pcapng
	struct ht_iface *ifaces;
	unsigned num_ifaces, cap_ifaces;
	int64_t last_ts;

	struct ht_source source;
	struct ht_ahead *ahead; // NULL: the source is read here
	struct ht_capture_how how;
	uint8_t *own;
	size_t own_cap;
	struct ht_filters filters;
	char *name;
	char error[512];
};

// ht_capture_alloc allocates a page-aligned buffer of at least `size` bytes, for free().
HT_MUST_USE uint8_t *ht_capture_alloc(size_t size);

// ht_capture_fill brings at least `need` bytes from pos on into the buffer. Frames lent before are
// gone afterwards. HT_MORE: the data ended before; HT_ERROR: reading failed (already reported).
HT_MUST_USE enum ht_rc ht_capture_fill(struct ht_capture *c, size_t need);

// ht_capture_at is the offset of buf[pos] in the (uncompressed) data.
static inline uint64_t ht_capture_at(const struct ht_capture *c) {
	return c->offset - (c->len - c->pos);
}

// get32 and get16 read a number in the byte order of the file.
static inline uint32_t get32(const struct ht_capture *c, const uint8_t *p) {
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return c->swapped ? __builtin_bswap32(v) : v;
}

static inline uint16_t get16(const struct ht_capture *c, const uint8_t *p) {
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return c->swapped ? __builtin_bswap16(v) : v;
}

// ht_capture_note keeps one line for error(): the reason, after file and offset. A second one is
// put behind the first. ht_capture_fail ends the capture as well.
__attribute__((format(printf, 3, 4))) void
ht_capture_note(struct ht_capture *c, uint64_t offset, const char *fmt, ...);
#define ht_capture_fail(c, ...) ((c)->done = true, ht_capture_note((c), __VA_ARGS__))

// ht_capture_linktype is the LINKTYPE_ value for what a file says.
static inline uint16_t ht_capture_linktype(uint32_t v) {
	// Files written with the DLT_RAW of the system (12, OpenBSD 14) where LINKTYPE_RAW belongs.
	return v == 12 || v == 14 ? 101 : (uint16_t)v;
}

// Formats. _open parses the file header (HT_ERROR: reported), _read is read() of the ops.
HT_MUST_USE enum ht_rc ht_pcap_open(struct ht_capture *c, uint32_t magic);
unsigned ht_pcap_read(struct ht_capture *c, struct ht_frame *f, unsigned max_f);
HT_MUST_USE enum ht_rc ht_pcapng_open(struct ht_capture *c);
unsigned ht_pcapng_read(struct ht_capture *c, struct ht_frame *f, unsigned max_f);

// ht_pcapng_ts is the time of a pcapng timestamp in ns since the epoch; beyond what 64 bits hold it
// is the nearest they do.
int64_t ht_pcapng_ts(const struct ht_iface *i, uint64_t ts);

// ht_capture_open_memory opens a capture held in memory, which must outlive it.
HT_MUST_USE enum ht_rc ht_capture_open_memory(
	struct ht_capture **out,
	struct ht_span bytes,
	const struct ht_capture_how *how,
	const char *filter,
	char *err,
	size_t err_len
);
