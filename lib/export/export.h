// SPDX-License-Identifier: BSD-3-Clause
// export: sinks for records; each walks the field table. Uses base, reader, stats, record.

#pragma once

#include "base.h"
#include "record.h"

struct ht_sink;

struct ht_sink_params {
	bool color; // the table may use colour
	unsigned width; // columns of the terminal, for the table; 0 when it is none
	bool append; // go on behind what a file has; otherwise it is emptied
	ht_fieldset fields; // that records given to it may have; 0: those of every kind
	ht_fieldset key; // of aggregates, for the columns of the table; 0: the default key
	bool no_wait; // a pipe that nobody reads is an error, not something to wait for
	const char *name; // filled in by ht_sink_open: what stands after "json:" ("-" is standard
			  // output)
};

// What became of the records given to a sink: given = delivered + lost.
struct ht_sink_stats {
	uint64_t records; // given to ht_sink_write
	uint64_t delivered; // handed whole to the operating system
	uint64_t lost; // write failed (disk full, closed pipe ...)
	uint64_t bytes;
};

// A kind of sink: json, csv, table.
struct ht_sink_ops {
	const char *name;
	const char *help; // for --help: what it is for
	enum ht_rc (*open)(struct ht_sink *s);
	// header puts what a file begins with into the buffer, which is empty. NULL: nothing.
	void (*header)(struct ht_sink *s);
	// write appends one record to the sink's buffer.
	void (*write)(struct ht_sink *s, const struct ht_record *r);
	void (*close)(struct ht_sink *s);
};

// ht_sink_open opens "json", "json:PATH", "csv[:PATH]" or "table[:PATH]". On HT_ERROR nothing is
// left open and `err` says what and why in one line. HT_BAD: no such kind of sink.
HT_MUST_USE enum ht_rc ht_sink_open(
	struct ht_sink **out,
	const char *spec,
	const struct ht_sink_params *p,
	char *err,
	size_t err_len
);

// ht_sink_write formats one record. It never blocks but on the file itself, and never fails: a
// record that could not be written is counted in `lost`.
void ht_sink_write(struct ht_sink *s, const struct ht_record *r);

// ht_sink_flush hands what is buffered to the operating system.
void ht_sink_flush(struct ht_sink *s);

// ht_sink_error is NULL, or one line that says what was lost and why.
const char *ht_sink_error(const struct ht_sink *s);

void ht_sink_stats(const struct ht_sink *s, struct ht_sink_stats *out);

// ht_sink_close flushes, writes the final counts to *out when it is not NULL, and frees.
// It returns HT_ERROR when a record was lost; then `err` says why in one line.
enum ht_rc ht_sink_close(struct ht_sink *s, struct ht_sink_stats *out, char *err, size_t err_len);

// ht_json_text writes `text` as it stands between the quotes of a JSON string, and returns the end:
// at most 6 characters a byte, and 16 bytes of scratch behind them. Bytes that are not UTF-8 become
// the four characters \xNN.
char *ht_json_text(char *out, struct ht_span text);

// All kinds, ended by NULL.
extern const struct ht_sink_ops *const ht_sink_kinds[];
