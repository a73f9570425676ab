// SPDX-License-Identifier: BSD-3-Clause
// capture: frames from a capture file, an interface, a port. Uses base, stats.
//
// A backend is one const struct of functions; what a struct ht_capture holds is each backend's own
// business. read() lends frames until release(); nothing else in the program frees a frame.

#pragma once

#include "base.h"
#include "frame.h"
#include "option.h"

struct ht_capture;

#define HT_CAPTURE_SNAPLEN 262144u // libpcap's MAXIMUM_SNAPLEN
#define HT_CAPTURE_SNAPLEN_MIN 64u
#define HT_CAPTURE_BUFFER_MIB 32u
#define HT_CAPTURE_BUFFER_MIB_MAX 2047u // libpcap counts its bytes in an int

struct ht_capture_params {
	const char *source; // a path, "-" for standard input; live: an interface, "any" for all
	const char *filter; // pcap-filter(7) expression, or NULL
	// Live only.
	uint32_t snaplen; // bytes kept of a frame, up to HT_CAPTURE_SNAPLEN
	uint32_t buffer_mib; // size of the ring the kernel writes to, in MiB
	bool immediate; // frames are told one by one as they come, not in blocks
	bool promiscuous; // what is sent to others, too
	// Several captures of one interface share its frames: the first names no other, each
	// further one names the first. Both directions of a flow, and all fragments of a packet, go
	// to one of them, by a hash of the two addresses that the kernel runs.
	bool shared;
	const struct ht_capture *with;
};

// Those for interfaces as a table: the section `live` of a configuration file.
extern const struct ht_option_table ht_live_options;

// Progress and the end of a capture, for the summary and the progress line.
struct ht_capture_stats {
	uint64_t frames; // read from the source, before the filter
	uint64_t filtered; // refused by the filter
	uint64_t bytes_read; // of the file as stored (compressed where it is); live: of the frames
	uint64_t bytes_total; // size of the file as stored; 0 when unknown (a pipe, live)
	// Live only. When the capture has ended,
	//   received = frames + kernel_dropped + withheld
	uint64_t received; // counted by the kernel for us: what passed the filter
	uint64_t kernel_dropped; // of them: there was no room in the ring
	uint64_t withheld; // of them: kept back by libpcap; the rest, where there may be such
	uint64_t if_dropped; // lost by the interface, before the kernel counted
	uint64_t link_changes; // times the interface went down or up
	bool down; // it is down now
};

struct ht_capture_ops {
	const char *name; // "file", "live", later "dpdk"
	// open writes *out. On HT_ERROR nothing is left open and `err` (err_len bytes) says
	// what and where in one line without a newline.
	enum ht_rc (*open
	)(struct ht_capture **out, const struct ht_capture_params *p, char *err, size_t err_len);
	// read lends up to max_f frames, valid until release(). It returns how many; 0 is the end
	// of the capture: then error() tells whether it was a clean one. Live, read does not wait:
	// 0 is the end when ended() says so, and nothing is there now otherwise.
	unsigned (*read)(struct ht_capture *c, struct ht_frame *f, unsigned max_f);
	void (*release)(struct ht_capture *c); // gives back what the last read() lent
	// error is NULL, or "FILE: offset N: reason" when the capture was cut short or is corrupt.
	const char *(*error)(const struct ht_capture *c);
	void (*stats)(const struct ht_capture *c, struct ht_capture_stats *out);
	void (*close)(struct ht_capture *c);

	// Live only, NULL otherwise.
	int (*fd)(const struct ht_capture *c); // poll(2) it for POLLIN when read() gave nothing
	// stop lets nothing more in. read() gives what came before, then the capture ends.
	void (*stop)(struct ht_capture *c);
	bool (*ended)(const struct ht_capture *c);
};

// ht_capture_filter_check tells whether a filter is one, for Ethernet. HT_BAD: `err` says why not.
HT_MUST_USE enum ht_rc ht_capture_filter_check(const char *filter, char *err, size_t err_len);

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
// - A signal whose handler does not restart system calls ends a read from a pipe: error() ends with
//   HT_CAPTURE_INTERRUPTED.
#define HT_CAPTURE_INTERRUPTED "interrupted by a signal"
extern const struct ht_capture_ops ht_capture_file;

// An interface, through libpcap: all of its frames in both directions, in the order they came.
//
// - Frames are copied out of the ring: libpcap takes a block back without being asked.
// - A frame's number is 0. Its time is the host's clock (CLOCK_REALTIME), in ns where libpcap can.
// - The filter runs in the kernel; what it refuses is counted nowhere. Where the kernel does not
//   take it (some thousand instructions) libpcap runs it, and counts as `withheld` what it refuses.
// - "any" is every interface, as Linux cooked frames; libpcap withholds the second copy of what
// goes
//   through the loopback. Elsewhere nothing is withheld, and the sum above is a check.
// - An interface that goes down gives nothing until it is up again. One that goes away ends the
//   capture with an error(), after what came before.
// - Statistics are those of the last look at the kernel's counters, which read() takes now and then
//   and stop() and the end always.
extern const struct ht_capture_ops ht_capture_live;

// ht_capture_live_begin lets frames in that match the filter (NULL: all), to a capture that shares
// its interface. HT_ERROR: `err` says why.
HT_MUST_USE enum ht_rc
ht_capture_live_begin(struct ht_capture *c, const char *filter, char *err, size_t err_len);
