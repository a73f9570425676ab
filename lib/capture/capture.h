// SPDX-License-Identifier: BSD-3-Clause
// capture: frames from a capture file, an interface, a port. Uses base, stats.
//
// A backend is one const struct of functions. read() lends frames until release(); nothing else in
// the program frees a frame.

#pragma once

#include "base.h"
#include "frame.h"

struct ht_capture;

struct ht_capture_params {
	const char *source; // a path, "-" for standard input
	const char *filter; // pcap-filter(7) expression, or NULL
};

// Progress and the end of a capture, for the summary and the progress line.
struct ht_capture_stats {
	uint64_t frames; // read from the source, before the filter
	uint64_t filtered; // refused by the filter
	uint64_t bytes_read; // of the file as stored (compressed where it is)
	uint64_t bytes_total; // size of the file as stored; 0 when unknown (a pipe)
};

struct ht_capture_ops {
	const char *name; // "file", later "pcap", "dpdk"
	// open writes *out. On HT_ERROR nothing is left open and `err` (err_len bytes) says
	// what and where in one line without a newline.
	enum ht_rc (*open
	)(struct ht_capture **out, const struct ht_capture_params *p, char *err, size_t err_len);
	// read lends up to max_f frames, valid until release(). It returns how many; 0 is the end
	// of the capture: then error() tells whether it was a clean one.
	unsigned (*read)(struct ht_capture *c, struct ht_frame *f, unsigned max_f);
	void (*release)(struct ht_capture *c); // gives back what the last read() lent
	// error is NULL, or "FILE: offset N: reason" when the capture was cut short or is corrupt.
	const char *(*error)(const struct ht_capture *c);
	void (*stats)(const struct ht_capture *c, struct ht_capture_stats *out);
	void (*close)(struct ht_capture *c);
};

// Capture files: pcap (both byte orders, us and ns, 24-byte frame headers) and pcapng, each also
// gzip or zstd, told by content.
//
// - Seconds in a pcap are unsigned: 1970 to 2106. A pcapng timestamp with the top bit set is a time
//   before 1970. A Simple Packet Block has no time and gets that of the frame before it.
// - A frame of up to 16 MiB is taken where the file's snap length allows it, 256 KiB otherwise.
// - `frame.number` counts what the filter refuses too, as tshark's does.
// - When the filter has no meaning for one link type of several, frames of that type are refused
// and
//   error() says so at the end; the others are read.
// - What is longer than 1 MiB is read ahead by a thread of its own where there are two CPUs; it
//   blocks all signals. stats() counts bytes as they are parsed, not as they are read ahead.
// - A signal whose handler does not restart system calls ends a read from a pipe: error() says
//   "interrupted by a signal".
extern const struct ht_capture_ops ht_capture_file;
