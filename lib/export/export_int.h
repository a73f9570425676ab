// SPDX-License-Identifier: BSD-3-Clause
// export_int: what the sinks share. A sink's formatter appends a record to one buffer; export.c
// hands the buffer to the operating system and keeps the ledger.

#pragma once

#include "export.h"
#include "numtext.h"
#include "reader.h"
#include "utf8.h"

// The buffer is written out when it holds SINK_BATCH bytes. Behind that there is room for one
// record of any size a sensor can make: a handshake is at most 512 KiB (HT_ARENA_MAX_BLOCK), a byte
// of it makes at most 6 characters. Pages of it that no record needed are never touched.
#define SINK_BATCH (64u * 1024)
#define SINK_BATCH_RECORDS 4096u
#define SINK_RECORD_MAX (4u * 1024 * 1024)
// Writers store whole words and then move by what counts, so they may scribble over this many bytes
// behind the end; and all fields of a fixed size of one record fit in it.
#define SINK_SLACK (16u * 1024)

#define PUT_BYTE_MAX 6u // the most characters that a byte of a span makes

// What the writers below remember from one record to the next.
struct memo {
	// The text of the second that was last written: "2026-11-21T01:02:03."
	int64_t second;
	char second_text[24];

	struct ht_num_text *num_text; // numbers with the separator of a list behind them
	char separator; // of lists
};

// memo_init and memo_free: false, there is no memory.
bool memo_init(struct memo *m, char separator);
void memo_free(struct memo *m);

struct sink_file; // export_file_int.h

struct ht_sink {
	const struct ht_sink_ops *ops;
	struct ht_sink_params params;
	char *buf;
	size_t len; // bytes in buf

	int fd; // -1: `file` has none open
	bool own_fd;
	bool continues; // the file had something in it already
	int torn; // by which its end is read before the first record; -1: that was done
	bool dead; // the reader is gone (EPIPE): nothing is formatted any more
	uint32_t num_end; // records in buf
	uint32_t pinned; // first bytes of buf that are not dropped when a write fails
	uint32_t end[SINK_BATCH_RECORDS];

	struct ht_sink_stats stats;
	uint64_t too_large; // of stats.lost
	int error; // errno of the first write that failed
	char *spec; // as it was opened, for messages
	char *message; // of ht_sink_error
	size_t message_len;

	struct sink_file *file; // what rotates or compresses; NULL: it is written as it is
	struct memo memo;
	void *table; // of export_table.c
};

// sink_room is where a record begins; a formatter keeps below sink_limit with what has no fixed
// size.
static inline char *sink_room(struct ht_sink *s) {
	return s->buf + s->len;
}

static inline const char *sink_limit(const struct ht_sink *s) {
	return s->buf + SINK_BATCH + SINK_RECORD_MAX;
}

// sink_fits tells whether the text of a span can be written at `out`.
static inline bool sink_fits(const char *out, const char *limit, const struct ht_span *span) {
	return out < limit && span->len <= (size_t)(limit - out) / PUT_BYTE_MAX;
}

// sink_commit ends the record that was begun at sink_room(); sink_too_large gives it up.
void sink_commit(struct ht_sink *s, const char *end);
void sink_too_large(struct ht_sink *s);

// sink_put writes until all is written or the file refuses, and returns how many bytes were taken.
size_t sink_put(struct ht_sink *s, const char *from, size_t len);

// sink_settle books what became of the records in the buffer when `done` of its bytes were written.
void sink_settle(struct ht_sink *s, size_t done);

// sink_drop counts the records in the buffer as lost. A header line stays.
void sink_drop(struct ht_sink *s);

// sink_open is ht_sink_open, for a file that is opened by others where `file` is not NULL: it is
// borrowed, and `fd` is where to write to now, or -1.
enum ht_rc sink_open(
	struct ht_sink **out,
	const char *spec,
	const struct ht_sink_params *p,
	struct sink_file *file,
	char *err,
	size_t err_len
);

// json_put writes a record as one object, without the end of its line, and returns the end; NULL
// when it is too large for `limit`, behind which there is SINK_SLACK.
char *json_put(struct memo *m, char *out, const char *limit, const struct ht_record *r);

extern const struct ht_sink_ops ht_sink_json, ht_sink_csv, ht_sink_table;

// Writers: each writes at `out` and returns the end. They may scribble 16 bytes behind that.
char *put_ip(const struct memo *m, char *out, const uint8_t *ip);
char *put_mac(char *out, const uint8_t *mac);
char *put_time(struct memo *m, char *out, int64_t ns, bool digits9);

// put_seconds writes a time in whole seconds.
char *put_seconds(char *out, int64_t seconds);

// put_plain writes text for CSV and the terminal: a byte that is not part of valid UTF-8 and a
// control character becomes \xNN, and so does a backslash in front of an x. `also` holds ASCII
// characters that are escaped too. `terminal` escapes what a terminal would obey or hide.
char *put_plain(char *out, struct ht_span text, const char *also, bool terminal);

// utf8_char is the code point of a sequence that ht_utf8_len found to have n bytes.
uint32_t utf8_char(const uint8_t *p, unsigned n);

// put_u16s and put_u8s write lists with a separator behind each item. What they use is in locals: a
// store to `out` could, for all that the compiler knows, change *m.
static inline char *put_u16s(const struct memo *m, char *out, struct ht_span list) {
	struct ht_num_text *const table = m->num_text;
	for (size_t i = 0; i + 2 <= list.len; i += 2)
		out = ht_num_text_put(table, out, ht_be16(list.p + i));
	return out;
}

// put_u24s is for the cipher kinds of SSL 2.0.
char *put_u24s(const struct memo *m, char *out, struct ht_span list);

static inline char *put_u8s(const struct memo *m, char *out, struct ht_span list) {
	struct ht_num_text *const table = m->num_text;
	for (size_t i = 0; i < list.len; i++)
		out = ht_num_text_put(table, out, list.p[i]);
	return out;
}

// put_number writes any number. Large ones (client ports) are not looked up: they would share a
// cache line with nothing.
static inline char *put_number(const struct memo *m, char *out, uint64_t v) {
	return v < 2048 ? ht_num_text_put(m->num_text, out, (uint16_t)v) - 1 : ht_u64_dec(out, v);
}

// put_span copies bytes that need no escape.
static inline char *put_span(char *out, const void *from, size_t n) {
	const char *p = from;
	char *const to = out + n;
	if (n > 64) {
		memcpy(out, p, n);
		return to;
	}
	// Two moves that may overlap instead of a call.
	if (n >= 16) {
		char a[16], b[16];
		for (; n > 32; n -= 16, p += 16, out += 16)
			memcpy(out, p, 16);
		memcpy(a, p, 16);
		memcpy(b, p + n - 16, 16);
		memcpy(out, a, 16);
		memcpy(to - 16, b, 16);
	} else if (n >= 8) {
		memcpy(out, p, 8);
		memcpy(to - 8, p + n - 8, 8);
	} else if (n >= 4) {
		memcpy(out, p, 4);
		memcpy(to - 4, p + n - 4, 4);
	} else {
		for (size_t i = 0; i < n; i++)
			out[i] = p[i];
	}
	return to;
}

static inline char *put_str(char *out, const char *s) {
	return put_span(out, s, strlen(s));
}

// Eight bytes at a time: special_bytes is 0 exactly when no byte of x is below 0x20, above 0x7e or
// in `set`. (Its high bits above the lowest special byte mean nothing: a borrow went through them.)
#define EACH_BYTE(c) (0x0101010101010101ull * (uint8_t)(c))

// Four characters; one may stand there twice. Constant where it is used, so that nothing is left of
// it.
struct char_set {
	char c[4];
};

static inline uint64_t special_bytes(uint64_t x, const struct char_set set) {
	uint64_t r = x | (x + EACH_BYTE(1)) | (x - EACH_BYTE(0x20));
	for (unsigned i = 0; i < 4; i++)
		r |= (x ^ EACH_BYTE(set.c[i])) - EACH_BYTE(1);
	return r & EACH_BYTE(0x80);
}

// The same for 16 bytes, with a vector of the compiler: SSE2, NEON, or what it makes of it.
typedef int8_t bytes16 __attribute__((vector_size(16)));

static inline bytes16 special_bytes16(bytes16 x, const struct char_set set) {
	bytes16 r = (x < 0x20) | (x == 0x7f); // as signed numbers: 0x80 and more are below 0x20
	for (unsigned i = 0; i < 4; i++)
		r |= x == (int8_t)set.c[i];
	return r;
}

static inline bool any_byte16(bytes16 x) {
	uint64_t half[2];
	memcpy(half, &x, sizeof(half));
	return (half[0] | half[1]) != 0;
}

// put_ordinary copies text that has no special byte and returns the end; NULL, with rubbish at
// `out`, when it has one.
static inline char *put_ordinary(char *out, struct ht_span text, const struct char_set set) {
	const uint8_t *p = text.p;
	size_t n = text.len;
	uint64_t x;
	if (n >= 16) {
		bytes16 v, bad = {0};
		for (; n > 16; n -= 16, p += 16, out += 16) {
			memcpy(&v, p, 16);
			memcpy(out, &v, 16);
			bad |= special_bytes16(v, set);
		}
		p = p + n - 16; // the last ones, some of them again
		out = out + n - 16;
		memcpy(&v, p, 16);
		memcpy(out, &v, 16);
		bad |= special_bytes16(v, set);
		return any_byte16(bad) ? NULL : out + 16;
	}
	if (n >= 8) {
		uint64_t y;
		memcpy(&x, p, 8);
		memcpy(&y, p + n - 8, 8);
		memcpy(out, &x, 8);
		memcpy(out + n - 8, &y, 8);
		return (special_bytes(x, set) | special_bytes(y, set)) == 0 ? out + n : NULL;
	}
	if (n >= 4) {
		uint32_t lo, hi;
		memcpy(&lo, p, 4);
		memcpy(&hi, p + n - 4, 4);
		memcpy(out, &lo, 4);
		memcpy(out + n - 4, &hi, 4);
		return special_bytes((uint64_t)hi << 32 | lo, set) == 0 ? out + n : NULL;
	}
	x = EACH_BYTE('0');
	for (size_t i = 0; i < n; i++) {
		x = x << 8 | p[i];
		out[i] = (char)p[i];
	}
	return special_bytes(x, set) == 0 ? out + n : NULL;
}
