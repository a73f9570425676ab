// SPDX-License-Identifier: BSD-3-Clause
// Capture files, read twice: as one piece through the real block size, and in small reads through
// small blocks, sometimes by a thread of its own. What is delivered must not depend on it.

#include "capture.h"
#include "capture_int.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAMES_MAX 20000u // a bomb of empty frames costs time and finds nothing

static uint64_t mix(uint64_t h, uint64_t v) {
	return (h ^ v) * 0x100000001b3 + (h >> 29);
}

// run returns a digest of all that was delivered. Every byte lent is read.
static uint64_t
run(struct ht_span in, const struct ht_capture_how *how, unsigned burst, bool filter) {
	struct ht_capture *c;
	struct ht_frame f[32];
	char err[512] = "";
	uint64_t h = 0, frames = 0;
	enum ht_rc rc = ht_capture_open_memory(
		&c, in, how, filter ? "len > 60 or ip" : NULL, err, sizeof(err)
	);
	if (rc != HT_OK) {
		if (err[0] == '\0' || strchr(err, '\n') != NULL)
			abort();
		return 1;
	}
	for (unsigned n; frames < FRAMES_MAX; frames += n) {
		unsigned max
			= FRAMES_MAX - frames < burst ? (unsigned)(FRAMES_MAX - frames) : burst;
		n = ht_capture_file.read(c, f, max);
		if (n > max)
			abort();
		if (n == 0)
			break;
		for (unsigned i = 0; i < n; i++) {
			if (f[i].caplen > f[i].len)
				abort();
			h = mix(h, (uint64_t)f[i].ts);
			h = mix(h, (uint64_t)f[i].caplen << 32 | f[i].len);
			h = mix(h,
				f[i].number << 17 | (uint64_t)f[i].linktype << 1 | f[i].ts_is_ns);
			for (uint32_t k = 0; k < f[i].caplen; k++)
				h = mix(h, f[i].data[k]);
		}
		ht_capture_file.release(c);
	}
	struct ht_capture_stats s;
	ht_capture_file.stats(c, &s);
	if (s.bytes_read > s.bytes_total || s.frames < frames + s.filtered)
		abort();
	if (frames < FRAMES_MAX) { // to the end
		const char *e = ht_capture_file.error(c);
		for (; e != NULL && *e != '\0'; e++)
			h = mix(h, (uint8_t)*e);
		h = mix(h, s.frames);
	}
	ht_capture_file.close(c);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct ht_span in = size > 0 ? HT_SPAN(data, size) : HT_SPAN_EMPTY;
	// A digest of compressed input may differ after an error: how much comes out of a damaged
	// stream before it is found out depends on the room there is.
	bool packed = size >= 2
		      && ((data[0] == 0x1f && data[1] == 0x8b) || data[0] == 0x28
			  || (data[0] & 0xf0) == 0x50);
	bool filter = size % 4 == 3;
	const struct ht_capture_how whole = {SIZE_MAX, HT_CAPTURE_BLOCK, UINT64_MAX};
	const struct ht_capture_how pieces
		= {5 + size % 61, 64 + size % 97, size % 8 == 5 ? size % 64 : UINT64_MAX};
	uint64_t a = run(in, &whole, 32, filter);
	uint64_t b = run(in, &pieces, 1 + size % 7, filter);
	if (a != b && !packed)
		abort();
	return 0;
}
