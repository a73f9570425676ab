// SPDX-License-Identifier: BSD-3-Clause

#include "capture.h"
#include "capture_int.h"
#include "ht_config.h"
#include "t.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#if HT_HAVE_ZLIB
#include <zlib.h>
#endif
#if HT_HAVE_ZSTD
#include <zstd.h>
#endif

// A capture being written. `swap` writes numbers in the other byte order.
struct made {
	bool swap;
	size_t len;
	uint8_t b[1u << 20];
};

static void put(struct made *m, const void *p, size_t n) {
	assert_true(m->len + n <= sizeof(m->b));
	memcpy(m->b + m->len, p, n);
	m->len += n;
}

static void put16(struct made *m, uint16_t v) {
	v = m->swap ? __builtin_bswap16(v) : v;
	put(m, &v, sizeof(v));
}

static void put32(struct made *m, uint32_t v) {
	v = m->swap ? __builtin_bswap32(v) : v;
	put(m, &v, sizeof(v));
}

static void put_fill(struct made *m, size_t n, uint8_t seed) {
	assert_true(m->len + n <= sizeof(m->b));
	for (size_t i = 0; i < n; i++)
		m->b[m->len++] = (uint8_t)(seed + i * 7);
}

static void pcap_header(struct made *m, uint32_t magic, uint16_t minor, uint32_t network) {
	put32(m, magic);
	put16(m, 2);
	put16(m, minor);
	put32(m, 0);
	put32(m, 0);
	put32(m, 65535);
	put32(m, network);
}

static void pcap_frame(struct made *m, uint32_t sec, uint32_t frac, uint32_t caplen, uint32_t len) {
	put32(m, sec);
	put32(m, frac);
	put32(m, caplen);
	put32(m, len);
	put_fill(m, caplen, (uint8_t)caplen);
}

// ng_block writes a pcapng block around `body`, padded.
static void ng_block(struct made *m, uint32_t type, const struct made *body) {
	uint32_t total = 12 + (uint32_t)((body->len + 3) & ~(size_t)3);
	put32(m, type);
	put32(m, total);
	put(m, body->b, body->len);
	put(m, "\0\0\0", total - 12 - body->len);
	put32(m, total);
}

static struct made *made_new(bool swap) {
	struct made *m = malloc(sizeof(*m));
	assert_non_null(m);
	m->swap = swap;
	m->len = 0;
	return m;
}

static void ng_section(struct made *m, uint16_t major) {
	struct made *b = made_new(m->swap);
	put32(b, 0x1a2b3c4d);
	put16(b, major);
	put16(b, 0);
	put32(b, 0xffffffff);
	put32(b, 0xffffffff);
	ng_block(m, 0x0a0d0d0a, b);
	free(b);
}

// ng_iface describes an interface; tsresol and tsoffset are written when they are not 6 and 0.
static void
ng_iface(struct made *m, uint16_t linktype, uint32_t snaplen, uint8_t tsresol, int64_t tsoffset) {
	struct made *b = made_new(m->swap);
	put16(b, linktype);
	put16(b, 0);
	put32(b, snaplen);
	put16(b, 2); // if_name, not a multiple of 4
	put16(b, 5);
	put(b, "wire0\0\0", 8);
	if (tsresol != 6) {
		put16(b, 9);
		put16(b, 1);
		put(b, &tsresol, 1);
		put(b, "\0\0", 3);
	}
	if (tsoffset != 0) {
		put16(b, 14);
		put16(b, 8);
		uint64_t v = m->swap ? __builtin_bswap64((uint64_t)tsoffset) : (uint64_t)tsoffset;
		put(b, &v, sizeof(v));
	}
	put32(b, 0); // opt_endofopt
	ng_block(m, 1, b);
	free(b);
}

static void ng_epb(struct made *m, uint32_t iface, uint64_t ts, uint32_t caplen, uint32_t len) {
	struct made *b = made_new(m->swap);
	put32(b, iface);
	put32(b, (uint32_t)(ts >> 32));
	put32(b, (uint32_t)ts);
	put32(b, caplen);
	put32(b, len);
	put_fill(b, caplen, (uint8_t)caplen);
	ng_block(m, 6, b);
	free(b);
}

static void ng_unknown(struct made *m, size_t n) {
	struct made *b = made_new(m->swap);
	put_fill(b, n, 3);
	ng_block(m, 0x0bad, b);
	free(b);
}

// What a capture gave, with the bytes of each frame checked against put_fill.
struct seen {
	enum ht_rc rc;
	unsigned num;
	struct ht_frame f[1024]; // data is gone
	struct ht_capture_stats stats;
	char error[512]; // of open or of error(), empty when there is none
};

static struct seen *drain(struct ht_capture *c, struct seen *s, unsigned burst) {
	struct ht_frame f[64];
	for (unsigned n; (n = ht_capture_file.read(c, f, burst)) > 0;) {
		assert_true(n <= burst);
		for (unsigned i = 0; i < n; i++) {
			for (uint32_t k = 0; k < f[i].caplen; k++)
				assert_int_equal(f[i].data[k], (uint8_t)(f[i].caplen + k * 7));
			assert_true(s->num < HT_ARRAY_LEN(s->f));
			s->f[s->num] = f[i];
			s->f[s->num++].data = NULL;
		}
		ht_capture_file.release(c);
	}
	assert_int_equal(ht_capture_file.read(c, f, burst), 0); // the end stays the end
	const char *e = ht_capture_file.error(c);
	if (e != NULL)
		snprintf(s->error, sizeof(s->error), "%s", e);
	ht_capture_file.stats(c, &s->stats);
	ht_capture_file.close(c);
	return s;
}

// The ways to read: `burst` frames at a time, in one thread and in two.
static const struct way {
	struct ht_capture_how how;
	unsigned burst;
} ways[] = {
	{{1u << 20, HT_CAPTURE_BLOCK, UINT64_MAX}, 64},
	{{1, 64, UINT64_MAX}, 1},
	{{7, 64, UINT64_MAX}, 3},
	{{100, 100, UINT64_MAX}, 64},
	{{1u << 20, HT_CAPTURE_BLOCK, 0}, 64},
	{{7, 64, 0}, 3},
	{{64, 64, 100}, 64},
	{{1000, 1000, 200}, 64},
};

static struct seen *see_way(const void *p, size_t n, const char *filter, const struct way *w) {
	struct seen *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	struct ht_capture *c;
	uint8_t *copy = t_dup(p, n);
	s->rc = ht_capture_open_memory(
		&c, HT_SPAN(copy, n), &w->how, filter, s->error, sizeof(s->error)
	);
	if (s->rc == HT_OK)
		drain(c, s, w->burst);
	else
		assert_int_equal(s->rc, HT_ERROR);
	free(copy);
	return s;
}

static void same_frame(const struct ht_frame *a, const struct ht_frame *b) {
	assert_int_equal(a->caplen, b->caplen);
	assert_int_equal(a->len, b->len);
	assert_int_equal(a->ts, b->ts);
	assert_int_equal(a->number, b->number);
	assert_int_equal(a->linktype, b->linktype);
	assert_int_equal(a->ts_is_ns, b->ts_is_ns);
}

// see reads a capture in all ways, which must agree, and returns what it gave.
static struct seen *see(const void *p, size_t n, const char *filter) {
	struct seen *s = see_way(p, n, filter, &ways[0]);
	for (size_t i = 1; i < HT_ARRAY_LEN(ways); i++) {
		struct seen *o = see_way(p, n, filter, &ways[i]);
		assert_int_equal(s->rc, o->rc);
		assert_string_equal(s->error, o->error);
		assert_int_equal(s->num, o->num);
		for (unsigned k = 0; k < s->num; k++)
			same_frame(&s->f[k], &o->f[k]);
		assert_int_equal(s->stats.frames, o->stats.frames);
		assert_int_equal(s->stats.filtered, o->stats.filtered);
		free(o);
	}
	return s;
}

// expect reads `m`, frees it, and wants `num` frames and an error that holds `error`, NULL for
// none.
static struct seen *expect(struct made *m, const char *name, unsigned num, const char *error) {
	struct seen *s = see(m->b, m->len, NULL);
	if (s->num != num || (error != NULL ? strstr(s->error, error) == NULL : s->error[0] != 0))
		fail_msg(
			"%s: %u frames, want %u; error \"%s\", want \"%s\"", name, s->num, num,
			s->error, error != NULL ? error : ""
		);
	free(m);
	return s;
}

static void test_pcap_forms(void **state) {
	(void)state;
	static const struct {
		const char *name;
		uint32_t magic;
		uint16_t minor;
		bool swap, ns;
		size_t extra; // bytes of the frame header after the first 16
	} cases[] = {
		{"this byte order, us", 0xa1b2c3d4, 4, false, false, 0},
		{"other byte order, us", 0xa1b2c3d4, 4, true, false, 0},
		{"this byte order, ns", 0xa1b23c4d, 4, false, true, 0},
		{"other byte order, ns", 0xa1b23c4d, 4, true, true, 0},
		{"24-byte frame headers", 0xa1b2cd34, 4, false, false, 8},
		{"24-byte frame headers, other byte order", 0xa1b2cd34, 4, true, false, 8},
		{"version 2.3, lengths as now", 0xa1b2c3d4, 3, false, false, 0},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct made *m = made_new(cases[i].swap);
		pcap_header(m, cases[i].magic, cases[i].minor, 113);
		for (uint32_t k = 0; k < 3; k++) {
			put32(m, 1700000000 + k);
			put32(m, 123456);
			put32(m, 10 * k);
			put32(m, 1514);
			put_fill(m, cases[i].extra, 0xee);
			put_fill(m, 10 * k, (uint8_t)(10 * k));
		}
		struct seen *s = expect(m, cases[i].name, 3, NULL);
		for (uint32_t k = 0; k < 3; k++) {
			const struct ht_frame *f = &s->f[k];
			int64_t frac = cases[i].ns ? 123456 : 123456000;
			assert_int_equal(f->ts, (1700000000LL + k) * 1000000000 + frac);
			assert_int_equal(f->caplen, 10 * k);
			assert_int_equal(f->len, 1514);
			assert_int_equal(f->number, k + 1);
			assert_int_equal(f->linktype, 113);
			assert_int_equal(f->ts_is_ns, cases[i].ns);
		}
		assert_int_equal(s->stats.frames, 3);
		assert_int_equal(s->stats.bytes_read, s->stats.bytes_total);
		free(s);
	}
}

static void test_pcap_lengths(void **state) {
	(void)state;
	static const struct {
		const char *name;
		uint16_t minor;
		uint32_t first, second, caplen, len;
	} cases[] = {
		{"version 2.2 has len before caplen", 2, 100, 40, 40, 100},
		{"version 2.3 with len before caplen", 3, 100, 40, 40, 100},
		{"caplen larger than len", 4, 40, 20, 40, 40},
		{"len left 0", 4, 40, 0, 40, 40},
		{"an empty frame", 4, 0, 0, 0, 0},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct made *m = made_new(false);
		pcap_header(m, 0xa1b2c3d4, cases[i].minor, 1);
		put32(m, 0xffffffff); // 2106, not 1969
		put32(m, 999999);
		put32(m, cases[i].first);
		put32(m, cases[i].second);
		put_fill(m, cases[i].caplen, (uint8_t)cases[i].caplen);
		struct seen *s = expect(m, cases[i].name, 1, NULL);
		assert_int_equal(s->f[0].caplen, cases[i].caplen);
		assert_int_equal(s->f[0].len, cases[i].len);
		assert_int_equal(s->f[0].ts, 4294967295999999000LL);
		free(s);
	}
}

static void test_linktypes(void **state) {
	(void)state;
	static const struct {
		uint32_t network;
		uint16_t linktype;
	} cases[] = {{1, 1}, {12, 101}, {14, 101}, {101, 101}, {276, 276}, {0x24000001, 1}};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct made *m = made_new(false);
		pcap_header(m, 0xa1b2c3d4, 4, cases[i].network);
		pcap_frame(m, 1, 2, 60, 60);
		struct seen *s = expect(m, "linktype", 1, NULL);
		assert_int_equal(s->f[0].linktype, cases[i].linktype);
		free(s);
	}
}

static void test_no_capture(void **state) {
	(void)state;
	static const struct {
		const char *name, *bytes, *error;
		size_t len;
	} cases[] = {
#define C(name, bytes, error) {name, bytes, error, sizeof(bytes) - 1}
		C("empty", "", "memory: empty file"),
		C("one byte", "\xd4", "not a capture file"),
		C("three bytes of a magic", "\xd4\xc3\xb2", "not a capture file"),
		C("text", "hello, world\n", "looks like text"),
		C("xz", "\xfd\x37zXZ\0\0\4\xe6", "looks like xz data"),
		C("bzip2", "BZh91AY&SY\x1c", "looks like bzip2 data"),
		C("zip", "PK\3\4\x14\0\0\0", "looks like a zip archive"),
		C("zeroes", "\0\0\0\0\0\0\0\0", "not a capture file (pcap or pcapng)"),
		C("pcap magic and no more", "\xd4\xc3\xb2\xa1", "20 of 24 bytes missing"),
		C("pcapng type and no more", "\x0a\x0d\x0d\x0a", "8 of 12 bytes missing"),
		C("pcapng without a byte order", "\x0a\x0d\x0d\x0a\x1c\0\0\0\1\2\3\4",
		  "no byte-order magic"),
		C("pcap of version 3", "\xd4\xc3\xb2\xa1\3\0\0\0\0\0\0\0\0\0\0\0\0\0\4\0\1\0\0\0",
		  "pcap version 3.0 is not supported"),
#undef C
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct made *m = made_new(false);
		put(m, cases[i].bytes, cases[i].len);
		struct seen *s = expect(m, cases[i].name, 0, cases[i].error);
		assert_int_equal(s->rc, HT_ERROR);
		free(s);
	}
}

static void test_pcap_corrupt(void **state) {
	(void)state;
	struct made *m = made_new(false);
	pcap_header(m, 0xa1b2c3d4, 4, 1);
	pcap_frame(m, 1, 2, 60, 60);
	pcap_frame(m, 1, 2, 61, 61);
	struct made *cut = made_new(false);
	put(cut, m->b, m->len - 5);
	free(
		expect(cut, "frame cut", 1,
		       "memory: offset 100: cut short in frame 2, 5 of 61 bytes missing")
	);
	cut = made_new(false);
	put(cut, m->b, 100 + 3);
	free(
		expect(cut, "header cut", 1,
		       "offset 100: cut short in the header of frame 2, 13 of 16 bytes")
	);
	put32(m, 1);
	put32(m, 2);
	put32(m, 262145);
	put32(m, 262145);
	put_fill(m, 262145, 1);
	free(
		expect(m, "beyond the snap length", 2,
		       "offset 177: corrupt: frame 3 would have 262145 bytes")
	);
	m = made_new(false);
	pcap_header(m, 0xa1b2c3d4, 4, 1);
	pcap_frame(m, 1, 2, 262144, 262144);
	free(expect(m, "as long as libpcap takes", 1, NULL));
	m = made_new(false);
	pcap_header(m, 0xa1b2c3d4, 4, 1);
	uint32_t snaplen = 0x7fffffff;
	memcpy(m->b + 16, &snaplen, sizeof(snaplen));
	pcap_frame(m, 1, 2, 900000, 900000);
	pcap_frame(m, 1, 2, 10, 10);
	struct made *n = made_new(false);
	put(n, m->b, m->len);
	free(expect(m, "a frame larger than the block", 2, NULL));
	uint32_t huge = HT_CAPTURE_FRAME_MAX + 1;
	memcpy(n->b + 24 + 8, &huge, sizeof(huge));
	free(expect(n, "beyond the cap", 0, "corrupt: frame 1 would have 16777217 bytes"));
}

// make_many fills with n frames of many sizes.
static struct made *make_many(bool ng, unsigned n) {
	struct made *m = made_new(false);
	if (ng) {
		ng_section(m, 1);
		ng_iface(m, 1, 0, 9, 0);
	} else {
		pcap_header(m, 0xa1b23c4d, 4, 1);
	}
	for (unsigned i = 0; i < n; i++) {
		uint32_t size = i * 37 % 211;
		if (ng && i % 16 == 5)
			ng_unknown(m, i);
		if (ng)
			ng_epb(m, 0, 1700000000000000000 + i, size, size);
		else
			pcap_frame(m, 1700000000, i, size, size);
	}
	return m;
}

static void test_straddling(void **state) {
	(void)state;
	for (unsigned ng = 0; ng < 2; ng++) {
		struct seen *s = expect(make_many(ng, 1000), ng ? "pcapng" : "pcap", 1000, NULL);
		for (unsigned i = 0; i < 1000; i++) {
			assert_int_equal(s->f[i].caplen, i * 37 % 211);
			assert_int_equal(s->f[i].ts, 1700000000000000000 + i);
			assert_int_equal(s->f[i].number, i + 1);
			assert_true(s->f[i].ts_is_ns);
		}
		free(s);
	}
}

// Frames of one size each, so that every way a frame can lie across the end of the buffer is met.
static void test_buffer_ends(void **state) {
	(void)state;
	for (uint32_t size = 0; size < 300; size++) {
		struct made *m = made_new(false);
		pcap_header(m, 0xa1b2c3d4, 4, 1);
		for (unsigned i = 0; i < 6; i++)
			pcap_frame(m, 1, i, size, size);
		free(expect(m, "frames of one size", 6, NULL));
	}
}

// Cut at every byte: the frames before the cut are there, and only a cut between two frames (or
// blocks) is a clean end.
static void test_truncation(void **state) {
	(void)state;
	for (unsigned ng = 0; ng < 2; ng++) {
		struct made *m = make_many(ng, 12);
		size_t cuts[64];
		unsigned frames_at[64], num = 0, frames = 0;
		size_t at = ng ? 0 : 24;
		while (at < m->len) { // where frames and blocks begin
			uint32_t v[4];
			memcpy(v, m->b + at, sizeof(v));
			cuts[num] = at;
			frames_at[num++] = frames;
			frames += !ng || v[0] == 6;
			at += ng ? v[1] : 16 + v[2];
		}
		assert_int_equal(at, m->len);
		assert_int_equal(frames, 12);
		for (size_t n = 0; n < m->len; n++) {
			unsigned k = 0;
			while (k + 1 < num && cuts[k + 1] <= n)
				k++;
			struct seen *s = see(m->b, n, NULL);
			bool clean = cuts[k] == n && n > 0;
			if ((s->error[0] == '\0') != clean || s->num != frames_at[k])
				fail_msg(
					"cut at %zu: %u frames, error \"%s\"", n, s->num, s->error
				);
			if (!clean && n >= 24 && s->rc == HT_OK)
				assert_non_null(strstr(s->error, "cut short"));
			free(s);
		}
		free(m);
	}
}

static void test_pcapng_times(void **state) {
	(void)state;
	static const struct {
		const char *name;
		uint8_t resol;
		int64_t offset;
		uint64_t ts;
		int64_t ns;
	} cases[] = {
		{"microseconds", 6, 0, 1700000000123456, 1700000000123456000},
		{"nanoseconds", 9, 0, 1700000000123456789, 1700000000123456789},
		{"seconds", 0, 0, 1700000000, 1700000000000000000},
		{"picoseconds, rounded down", 12, 0, 1999, 1},
		{"10^-27", 27, 0, UINT64_C(9000000000000000000), 9},
		{"10^-28 is less than we can say", 28, 0, UINT64_C(9000000000000000000), 0},
		{"10^-127", 127, 0, UINT64_C(9000000000000000000), 0},
		{"2^-0", 0x80, 0, 5, 5000000000},
		{"2^-1", 0x81, 0, 3, 1500000000},
		{"2^-32, as NTP", 0xa0, 0, UINT64_C(1700000000) << 31, 850000000000000000},
		{"2^-63", 0xbf, 0, UINT64_C(1) << 62, 500000000},
		{"2^-127", 0xff, 0, UINT64_C(1) << 62, 0},
		{"an offset forward", 6, 1700000000, 5, 1700000000000005000},
		{"an offset back", 6, -10, 5, -9999995000},
		{"before 1970 as a negative number", 6, 0, UINT64_MAX, -1000},
		{"before 1970, rounded down", 12, 0, UINT64_MAX, -1},
		{"before 1970, rounded down to nothing", 127, 0, UINT64_MAX, -1},
		{"before 1970, power of two", 0x81, 0, UINT64_MAX, -500000000},
		{"too late", 6, 0, INT64_MAX, INT64_MAX},
		{"too late in seconds", 0, 0, INT64_MAX, INT64_MAX},
		{"too late by the offset", 9, INT64_MAX, INT64_MAX, INT64_MAX},
		{"too early", 0, 0, (uint64_t)INT64_MIN, INT64_MIN},
		{"too early by the offset", 9, INT64_MIN, 0, INT64_MIN},
		{"too late, power of two", 0x80, INT64_MAX, INT64_MAX, INT64_MAX},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_iface f = {.tsresol = cases[i].resol, .tsoffset = cases[i].offset};
		int64_t ns = ht_pcapng_ts(&f, cases[i].ts);
		if (ns != cases[i].ns)
			fail_msg("%s: %" PRId64 ", want %" PRId64, cases[i].name, ns, cases[i].ns);
	}
}

static void test_pcapng_sections(void **state) {
	(void)state;
	struct made *m = made_new(false);
	ng_section(m, 1);
	ng_unknown(m, 5);
	ng_iface(m, 1, 30, 6, 0);
	ng_iface(m, 113, 0, 9, -5);
	ng_epb(m, 0, 1700000000000001, 40, 90);
	ng_epb(m, 1, 1700000005000000002, 41, 41);
	struct made *b
		= made_new(false); // Simple Packet Block: cut by the snap length of interface 0
	put32(b, 100);
	put_fill(b, 30, 30);
	ng_block(m, 3, b);
	b->len = 0; // Packet Block: interface 1, 7 drops
	put16(b, 1);
	put16(b, 7);
	put32(b, (uint32_t)(UINT64_C(1700000005000000003) >> 32));
	put32(b, (uint32_t)UINT64_C(1700000005000000003));
	put32(b, 9);
	put32(b, 8);
	put_fill(b, 9, 9);
	ng_block(m, 2, b);
	ng_unknown(m, 200000); // more than the buffer of the small ways
	m->swap = true; // a new section in the other byte order, with its own interface 0
	ng_section(m, 1);
	ng_iface(m, 12, 0, 0x94, 100);
	ng_epb(m, 0, UINT64_C(1) << 20, 50, 50);
	struct seen *s = expect(m, "two sections", 5, NULL);
	static const struct ht_frame want[] = {
		{NULL, 40, 90, 1700000000000001000, 1, 1, false},
		{NULL, 41, 41, 1700000000000000002, 2, 113, true},
		{NULL, 30, 100, 1700000000000000002, 3, 1, false},
		{NULL, 9, 9, 1700000000000000003, 4, 113, true},
		{NULL, 50, 50, 101000000000, 5, 101, true},
	};
	for (unsigned i = 0; i < 5; i++)
		same_frame(&s->f[i], &want[i]);
	free(s);
	free(b);
}

static void test_pcapng_corrupt(void **state) {
	(void)state;
	// After a section, an interface and one frame comes a block of these words (host order).
	static const struct {
		const char *name, *error;
		uint32_t w[12];
		unsigned num_w;
	} cases[] = {
		{"block shorter than its frame", "block of 8 bytes", {6, 8, 8}, 3},
		{"block of nothing", "block of 0 bytes", {6, 0, 0}, 3},
		{"block larger than the cap", "block of 4294967292 bytes", {6, 0xfffffffc, 0}, 3},
		{"largest length", "block of 4294967295 bytes", {6, 0xffffffff, 0}, 3},
		{"unknown block larger than the file", "bytes missing", {99, 0xfffffffc, 0}, 3},
		{"lengths differ", "16 bytes by its start, 20 by its end", {99, 16, 0, 20}, 4},
		{"frame block too short", "frame block of 28 bytes", {6, 28, 0, 0, 0, 0, 28}, 7},
		{"simple block too short", "frame block of 12 bytes", {3, 12, 12}, 3},
		{"interface too short", "interface of 16 bytes", {1, 16, 1, 16}, 4},
		{"section too short", "block of 16 bytes", {0x0a0d0d0a, 16, 0x1a2b3c4d, 16}, 4},
		{"section of version 2",
		 "version 2.0",
		 {0x0a0d0d0a, 28, 0x1a2b3c4d, 2, 0xffffffff, 0xffffffff, 28},
		 7},
		{"interface not described",
		 "frame 2 is of interface 1, and 1 were described",
		 {6, 32, 1, 0, 0, 0, 0, 32},
		 8},
		{"interface of the section before",
		 "frame 2 is of interface 0, and 0 were described",
		 {0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff, 28, 3, 16, 0, 16},
		 11},
		{"frame larger than its block",
		 "frame 2 of 5 bytes in a block of 36",
		 {6, 36, 0, 0, 0, 5, 5, 0, 36},
		 9},
		{"largest frame", "frame 2 of 4294967295", {6, 32, 0, 0, 0, 0xffffffff, 0, 32}, 8},
		{"option past its block", "option runs past", {1, 28, 1, 0, 9 | 8 << 16, 6, 28}, 7},
		{"half an option", "option runs past", {1, 24, 1, 0, 9 | 1 << 16, 24}, 6},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct made *m = made_new(false);
		ng_section(m, 1);
		ng_iface(m, 1, 0, 6, 0);
		ng_epb(m, 0, 1, 10, 10);
		size_t at = m->len;
		for (unsigned k = 0; k < cases[i].num_w; k++)
			put32(m, cases[i].w[k]);
		struct seen *s = expect(m, cases[i].name, 1, cases[i].error);
		char offset[32];
		snprintf(offset, sizeof(offset), "memory: offset %zu: ", at);
		if (cases[i].w[0] != 99 && cases[i].num_w != 11)
			assert_memory_equal(s->error, offset, strlen(offset));
		free(s);
	}
	// A length without its padding: tshark reads these too.
	struct made *m = made_new(false);
	ng_section(m, 1);
	ng_iface(m, 1, 0, 6, 0);
	size_t at = m->len;
	ng_epb(m, 0, 1, 10, 10);
	uint32_t total = 42;
	memcpy(m->b + at + 4, &total, 4);
	memcpy(m->b + m->len - 4, &total, 4);
	free(expect(m, "length without padding", 1, NULL));
	m = made_new(false);
	ng_section(m, 1);
	for (unsigned i = 0; i <= HT_CAPTURE_MAX_IFACES; i++) {
		uint32_t w[] = {1, 20, 1, 0, 20};
		put(m, w, sizeof(w));
	}
	free(expect(m, "too many interfaces", 0, "more than 16384 interfaces"));
}

// udp_frame writes an Ethernet frame of a UDP datagram to `port`. see() wants put_fill bytes, so
// what the filter is given is read apart.
static void udp_frame(uint8_t f[60], uint16_t port) {
	memset(f, 0, 60);
	memcpy(f + 12, "\x08\x00\x45\x00\x00\x2e\x00\x01\x00\x00\x40\x11", 12);
	ht_put_be16(f + 36, port);
	f[39] = 26;
}

static unsigned
count(const struct made *m,
      const char *filter,
      char *err,
      size_t err_len,
      struct ht_capture_stats *st,
      uint64_t *last) {
	struct ht_capture *c;
	struct ht_frame f[2];
	unsigned sum = 0;
	const struct ht_capture_how how = {50, 64, 1000};
	if (ht_capture_open_memory(&c, HT_SPAN(m->b, m->len), &how, filter, err, err_len) != HT_OK)
		return 0;
	for (unsigned n; (n = ht_capture_file.read(c, f, 2)) > 0; sum += n)
		*last = f[n - 1].number;
	snprintf(
		err, err_len, "%s", ht_capture_file.error(c) != NULL ? ht_capture_file.error(c) : ""
	);
	ht_capture_file.stats(c, st);
	ht_capture_file.close(c);
	return sum;
}

static void test_filter(void **state) {
	(void)state;
	char err[512];
	uint64_t last = 0;
	struct ht_capture_stats st;
	uint8_t f[60];
	struct made *m = made_new(false);
	pcap_header(m, 0xa1b2c3d4, 4, 1);
	for (unsigned i = 0; i < 300; i++) {
		pcap_frame(m, 1, i, 60, 60);
		udp_frame(m->b + m->len - 60, i % 100 == 50 ? 443 : 53);
	}
	pcap_frame(m, 1, 0, 0, 60); // nothing of it was captured
	assert_int_equal(count(m, "udp dst port 443", err, sizeof(err), &st, &last), 3);
	assert_string_equal(err, "");
	assert_int_equal(last, 251);
	assert_int_equal(st.frames, 301);
	assert_int_equal(st.filtered, 298);
	assert_int_equal(count(m, "", err, sizeof(err), &st, &last), 301);
	assert_int_equal(st.filtered, 0);
	assert_int_equal(count(m, "tcp", err, sizeof(err), &st, &last), 0);
	assert_int_equal(st.filtered, 301);
	assert_int_equal(count(m, "udp dst prot 443", err, sizeof(err), &st, &last), 0);
	assert_non_null(strstr(err, "filter \"udp dst prot 443\": "));

	// One expression over two link types: raw IP (101 is DLT_RAW, 12) as well as Ethernet.
	m->len = 0;
	ng_section(m, 1);
	ng_iface(m, 1, 0, 6, 0);
	ng_iface(m, 101, 0, 6, 0);
	udp_frame(f, 443);
	ng_epb(m, 0, 1, 60, 60);
	memcpy(m->b + m->len - 64, f, 60);
	ng_epb(m, 1, 1, 44, 44);
	memcpy(m->b + m->len - 48, f + 14, 44);
	ng_epb(m, 1, 1, 44, 44);
	assert_int_equal(count(m, "udp dst port 443", err, sizeof(err), &st, &last), 2);
	assert_string_equal(err, "");
	assert_int_equal(st.filtered, 1);
	assert_int_equal(count(m, "udp dst prot 443", err, sizeof(err), &st, &last), 0);
	assert_non_null(strstr(err, "filter \"udp dst prot 443\": "));

	// Without meaning for the second link type: its frames are refused, and that is said once.
	assert_int_equal(count(m, "ether dst 0:0:0:0:0:0", err, sizeof(err), &st, &last), 1);
	assert_non_null(strstr(err, "link type 101: filter \"ether dst 0:0:0:0:0:0\": "));
	assert_null(strchr(err, ';'));
	assert_int_equal(st.frames, 3);
	assert_int_equal(st.filtered, 2);

	m->len = 0;
	ng_section(m, 1);
	for (uint16_t i = 0; i <= HT_CAPTURE_MAX_FILTERS; i++)
		ng_iface(m, 147 + i, 0, 6, 0);
	for (uint16_t i = 0; i <= HT_CAPTURE_MAX_FILTERS; i++)
		ng_epb(m, i, 1, 60, 60);
	assert_int_equal(count(m, "len > 1", err, sizeof(err), &st, &last), HT_CAPTURE_MAX_FILTERS);
	assert_non_null(strstr(err, "filter: more than 32 link types"));
	free(m);
}

#if HT_HAVE_ZLIB
static size_t gzip(uint8_t *out, size_t max, const uint8_t *p, size_t n) {
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	z.next_out = out;
	z.avail_out = (uInt)max;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return max - z.avail_out;
}
#endif

#if HT_HAVE_ZSTD
static size_t zstd(uint8_t *out, size_t max, const uint8_t *p, size_t n) {
	size_t len = ZSTD_compress(out, max, p, n, 3);
	assert_false(ZSTD_isError(len));
	return len;
}
#endif

#if HT_HAVE_ZLIB || HT_HAVE_ZSTD
// pack_sweep checks one compression: in one piece and in several, cut at every byte, with something
// behind it.
static void
pack_sweep(size_t (*pack)(uint8_t *, size_t, const uint8_t *, size_t), const char *name) {
	for (unsigned ng = 0; ng < 2; ng++) {
		struct made *m = make_many(ng, 40);
		struct made *z = made_new(false);
		z->len = pack(z->b, sizeof(z->b), m->b, m->len);
		struct made *one = made_new(false);
		put(one, z->b, z->len);
		struct seen *s = expect(one, name, 40, NULL);
		assert_int_equal(s->stats.bytes_total, z->len);
		assert_int_equal(s->stats.bytes_read, z->len);
		free(s);
		for (size_t n = 4; n < z->len; n += 1 + n / 64) {
			s = see(z->b, n, NULL);
			assert_true(s->num < 40 || strstr(s->error, "cut short") != NULL);
			assert_true(strstr(s->error, "cut short") != NULL);
			free(s);
		}
		// Three pieces, cut anywhere, one of them empty.
		struct made *parts = made_new(false);
		parts->len += pack(parts->b + parts->len, 65536, m->b, 77);
		parts->len += pack(parts->b + parts->len, 65536, m->b, 0);
		parts->len += pack(parts->b + parts->len, 65536, m->b + 77, m->len - 77);
		struct made *junk = made_new(false);
		put(junk, parts->b, parts->len);
		put(junk, "not compressed", 14);
		free(expect(parts, name, 40, NULL));
		s = see(junk->b, junk->len, NULL);
		assert_int_equal(s->num, 40);
		assert_non_null(strstr(s->error, " of the uncompressed data: "));
		assert_non_null(strstr(s->error, name));
		free(s);
		free(junk);
		// Damage in the middle: frames before it, and an error.
		z->b[z->len / 2] ^= 0xff;
		z->b[z->len / 2 + 1] ^= 0xff;
		s = see(z->b, z->len, NULL);
		assert_true(s->error[0] != '\0');
		free(s);
		free(z);
		// What is inside is cut, at a place told in the data inside.
		z = made_new(false);
		z->len = pack(z->b, sizeof(z->b), m->b, m->len - 3);
		free(expect(z, name, 39, "of the uncompressed data: cut short in "));
		z = made_new(false);
		z->len = pack(z->b, sizeof(z->b), m->b, 0);
		free(expect(z, name, 0, "empty file"));
		z = made_new(false);
		z->len = pack(z->b, sizeof(z->b), (const uint8_t *)"some text", 9);
		free(expect(z, name, 0, "not a capture file (pcap or pcapng): looks like text"));
		free(m);
	}
}

#endif

static void test_gzip(void **state) {
	(void)state;
#if HT_HAVE_ZLIB
	pack_sweep(gzip, "gzip");
	struct made *m = make_many(false, 10), *z = made_new(false);
	z->len = gzip(z->b, sizeof(z->b), m->b, m->len);
	put(z, "\0\0\0\0\0\0\0", 7);
	struct made *again = made_new(false);
	put(again, z->b, z->len);
	free(expect(z, "zero bytes behind", 10, NULL));
	put(again, "\x1f\x8b", 2);
	free(expect(again, "zero bytes and then more", 10, "something else follows"));
	free(m);
#else
	struct made *m = made_new(false);
	put(m, "\x1f\x8b\x08\x00", 4);
	free(expect(m, "gzip", 0, "built without zlib support"));
#endif
}

static void test_zstd(void **state) {
	(void)state;
#if HT_HAVE_ZSTD
	pack_sweep(zstd, "zstd");
	struct made *m = make_many(false, 10), *z = made_new(false);
	put(z, "\x5a\x2a\x4d\x18\x03\0\0\0abc", 11);
	z->len += zstd(z->b + z->len, sizeof(z->b) - z->len, m->b, m->len);
	free(expect(z, "a skippable frame first", 10, NULL));
	free(m);
#else
	struct made *m = made_new(false);
	put(m, "\x28\xb5\x2f\xfd", 4);
	free(expect(m, "zstd", 0, "built without zstd support"));
#endif
}

static void test_files(void **state) {
	(void)state;
	struct ht_capture *c;
	char err[512], path[] = "/tmp/test_capture.XXXXXX", want[128];
	struct made *m = make_many(false, 30);
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	struct ht_capture_params p = {.source = path};
	assert_int_equal(ht_capture_file.open(&c, &p, err, sizeof(err)), HT_ERROR);
	snprintf(want, sizeof(want), "%s: empty file", path);
	assert_string_equal(err, want);
	assert_int_equal(write(fd, m->b, m->len), m->len);
	assert_int_equal(ht_capture_file.open(&c, &p, err, sizeof(err)), HT_OK);
	struct seen *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	drain(c, s, 8);
	assert_int_equal(s->num, 30);
	assert_string_equal(s->error, "");
	assert_int_equal(s->stats.bytes_read, m->len);
	assert_int_equal(s->stats.bytes_total, m->len);
	// Cut under the reader, behind the first block: an error, not a fault.
	struct made *big = made_new(false);
	pcap_header(big, 0xa1b2c3d4, 4, 1);
	for (unsigned i = 0; i < 10; i++)
		pcap_frame(big, 1, i, 60000, 60000);
	assert_int_equal(pwrite(fd, big->b, big->len, 0), big->len);
	assert_int_equal(ht_capture_file.open(&c, &p, err, sizeof(err)), HT_OK);
	assert_int_equal(ftruncate(fd, 300000), 0);
	free(big);
	memset(s, 0, sizeof(*s));
	drain(c, s, 8);
	assert_int_equal(s->num, 4);
	assert_non_null(strstr(s->error, ": offset 240088: cut short in frame 5, 104 of 60000 "));
	assert_non_null(strstr(s->error, path));

	// A pipe as standard input, written while it is read.
	int keep = dup(STDIN_FILENO), pipe_fd[2];
	assert_int_equal(pipe(pipe_fd), 0);
	assert_true(dup2(pipe_fd[0], STDIN_FILENO) >= 0);
	close(pipe_fd[0]);
	struct ht_frame f[64];
	p.source = "-";
	assert_int_equal(
		write(pipe_fd[1], m->b, 24 + 16), 24 + 16
	); // header, the empty first frame
	assert_int_equal(ht_capture_file.open(&c, &p, err, sizeof(err)), HT_OK);
	assert_int_equal(ht_capture_file.read(c, f, 64), 1); // not held back until a block is full
	ht_capture_file.release(c);
	assert_int_equal(write(pipe_fd[1], m->b + 40, m->len - 41), m->len - 41);
	close(pipe_fd[1]);
	memset(s, 0, sizeof(*s));
	drain(c, s, 8);
	assert_int_equal(s->num, 28);
	assert_int_equal(s->stats.bytes_total, 0);
	assert_non_null(strstr(s->error, "standard input: offset "));
	assert_non_null(strstr(s->error, "cut short in frame 30, 1 of "));
	assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0); // standard input is left open
	if (keep >= 0) {
		dup2(keep, STDIN_FILENO);
		close(keep);
	}

	p.source = "/tmp";
	assert_int_equal(ht_capture_file.open(&c, &p, err, sizeof(err)), HT_ERROR);
	assert_string_equal(err, "/tmp: Is a directory");
	unlink(path);
	p.source = path;
	assert_int_equal(ht_capture_file.open(&c, &p, err, sizeof(err)), HT_ERROR);
	snprintf(want, sizeof(want), "%s: No such file or directory", path);
	assert_string_equal(err, want);
	close(fd);
	free(s);
	free(m);
}

// Two frames of 60000 bytes are more than a pipe holds, forty more than is read in the caller's
// thread.
#define BIG 60000u
#define BIG_NUM 40u
#define BIG_SIZE (16 + BIG)

static struct made *make_big(void) {
	struct made *m = made_new(false);
	pcap_header(m, 0xa1b2c3d4, 4, 1);
	pcap_frame(m, 1, 0, BIG, BIG);
	return m;
}

static bool two_cpus(void) {
	cpu_set_t set;
	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	return CPU_COUNT(&set) > 1;
}

// A capture being written into a pipe.
struct live {
	struct made *m;
	struct ht_capture *c;
	int to, lowest_fd; // lowest_fd: free before anything was opened
};

static int lowest_fd(void) {
	int fd = dup(STDOUT_FILENO);
	assert_true(fd >= 0);
	close(fd);
	return fd;
}

static void live_open(struct live *l) {
	char path[64], err[512];
	int fd[2];
	*l = (struct live){.m = make_big(), .lowest_fd = lowest_fd()};
	assert_int_equal(pipe(fd), 0);
	l->to = fd[1];
	assert_int_equal(write(l->to, l->m->b, 24), 24);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd[0]);
	struct ht_capture_params p = {.source = path};
	assert_int_equal(ht_capture_file.open(&l->c, &p, err, sizeof(err)), HT_OK);
	close(fd[0]);
}

// live_frames writes frames, each when the one before was delivered.
static void live_frames(struct live *l, unsigned num) {
	struct ht_frame f[4];
	for (unsigned i = 0; i < num; i++) {
		assert_int_equal(write(l->to, l->m->b + 24, BIG_SIZE), BIG_SIZE);
		assert_int_equal(ht_capture_file.read(l->c, f, 4), 1);
		assert_memory_equal(f[0].data, l->m->b + 40, BIG);
		ht_capture_file.release(l->c);
	}
}

static void live_close(struct live *l) {
	ht_capture_file.close(l->c);
	if (l->to >= 0)
		close(l->to);
	free(l->m);
	assert_int_equal(lowest_fd(), l->lowest_fd);
}

static void test_slow_pipe(void **state) {
	(void)state;
	struct live l;
	struct ht_frame f[4];
	struct ht_capture_stats st;
	live_open(&l);
	live_frames(&l, 10);
	assert_null(l.c->ahead); // not worth it yet
	live_frames(&l, BIG_NUM);
	assert_int_equal(l.c->ahead != NULL, two_cpus());
	const uint64_t at = 24 + (10 + BIG_NUM) * (uint64_t)BIG_SIZE;
	ht_capture_file.stats(l.c, &st);
	assert_int_equal(st.bytes_read, at);
	assert_int_equal(st.bytes_total, 0);
	assert_int_equal(write(l.to, l.m->b + 24, 100), 100);
	close(l.to);
	l.to = -1;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(ht_capture_file.read(l.c, f, 4), 0);
	char want[128];
	snprintf(want, sizeof(want), ": offset %" PRIu64 ": cut short in frame 51, ", at);
	assert_non_null(strstr(ht_capture_file.error(l.c), want));
	live_close(&l);
}

// The caller goes away while the reader waits for a pipe.
static void test_early_close_pipe(void **state) {
	(void)state;
	struct live l;
	live_open(&l);
	live_frames(&l, BIG_NUM);
	live_close(&l);
}

// A file of BIG_NUM big frames. The caller closes fd and unlinks path.
static int big_file(char *path) {
	struct made *m = make_big();
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, m->b, 24), 24);
	for (unsigned i = 0; i < BIG_NUM; i++)
		assert_int_equal(write(fd, m->b + 24, BIG_SIZE), BIG_SIZE);
	free(m);
	return fd;
}

static unsigned read_frames(struct ht_capture *c, unsigned max) {
	struct ht_frame f[1];
	unsigned num = 0;
	for (; num < max && ht_capture_file.read(c, f, 1) > 0; num++) {
		assert_int_equal(f->caplen, BIG);
		assert_int_equal(f->data[BIG - 1], (uint8_t)(BIG + (BIG - 1) * 7));
		ht_capture_file.release(c);
	}
	return num;
}

// One CPU: no thread. Everything else is the same, at each place where the caller may stop.
static void test_big_file(void **state) {
	(void)state;
	char err[512], path[] = "/tmp/test_capture.XXXXXX";
	cpu_set_t all, one;
	int lowest = lowest_fd(), fd = big_file(path);
	struct ht_capture_params p = {.source = path};
	struct ht_capture *c;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	for (unsigned cpus = 1; cpus <= 2; cpus++) {
		assert_int_equal(sched_setaffinity(0, sizeof(all), cpus == 1 ? &one : &all), 0);
		for (unsigned stop = 0; stop <= BIG_NUM; stop++) {
			assert_int_equal(ht_capture_file.open(&c, &p, err, sizeof(err)), HT_OK);
			assert_int_equal(read_frames(c, stop), stop);
			if (stop == BIG_NUM)
				assert_int_equal(c->ahead != NULL, cpus == 2 && two_cpus());
			ht_capture_file.close(c);
		}
		assert_int_equal(ht_capture_file.open(&c, &p, err, sizeof(err)), HT_OK);
		assert_int_equal(read_frames(c, UINT_MAX), BIG_NUM);
		assert_null(ht_capture_file.error(c));
		struct ht_capture_stats st;
		ht_capture_file.stats(c, &st);
		assert_int_equal(st.bytes_read, 24 + (uint64_t)BIG_NUM * BIG_SIZE);
		assert_int_equal(st.bytes_total, st.bytes_read);
		ht_capture_file.close(c);

		// read(2) fails where the thread would begin: the file has become a folder.
		assert_int_equal(ht_capture_file.open(&c, &p, err, sizeof(err)), HT_OK);
		assert_int_equal(read_frames(c, 17), 17);
		int folder = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(dup2(folder, c->source.fd) >= 0);
		close(folder);
		assert_int_equal(read_frames(c, UINT_MAX), 0);
		assert_non_null(strstr(ht_capture_file.error(c), path));
		assert_non_null(strstr(ht_capture_file.error(c), ": offset 1048576: Is a directory")
		);
		ht_capture_file.close(c);
	}
	close(fd);
	unlink(path);
	assert_int_equal(lowest_fd(), lowest);
}

// What was given back must not be read: each side of the ring holds the other up now and then.
static void test_ahead_uneven(void **state) {
	(void)state;
	static const unsigned bursts[] = {1, 2, 64};
	struct made *m = make_many(true, 1000);
	for (size_t i = 0; i < HT_ARRAY_LEN(bursts); i++) {
		const struct ht_capture_how how = {3000, 4096, 0};
		struct ht_capture *c;
		struct ht_frame f[64];
		char err[512];
		unsigned num = 0;
		assert_int_equal(
			ht_capture_open_memory(
				&c, HT_SPAN(m->b, m->len), &how, NULL, err, sizeof(err)
			),
			HT_OK
		);
		for (unsigned n; (n = ht_capture_file.read(c, f, bursts[i])) > 0; num += n) {
			if (num % 97 < n)
				usleep(300);
			for (unsigned k = 0; k < n; k++)
				for (uint32_t at = 0; at < f[k].caplen; at++)
					assert_int_equal(
						f[k].data[at], (uint8_t)(f[k].caplen + at * 7)
					);
			ht_capture_file.release(c);
		}
		assert_int_equal(num, 1000);
		ht_capture_file.close(c);
	}
	free(m);
}

static void on_alarm(int sig) {
	(void)sig;
}

// Before there is a thread, and with it.
static void interrupted_after(unsigned frames) {
	struct live l;
	struct ht_frame f[4];
	live_open(&l);
	live_frames(&l, frames);
	struct ht_capture *c = l.c;
	struct sigaction alarm_action = {.sa_handler = on_alarm}, old; // no SA_RESTART
	assert_int_equal(sigaction(SIGALRM, &alarm_action, &old), 0);
	// Again and again: the first may come before read(2) waits.
	struct itimerval every = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
	assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
	assert_int_equal(ht_capture_file.read(c, f, 4), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
	assert_non_null(ht_capture_file.error(c));
	assert_non_null(strstr(ht_capture_file.error(c), "interrupted by a signal"));
	live_close(&l);
}

static void test_interrupted(void **state) {
	(void)state;
	interrupted_after(1);
	interrupted_after(BIG_NUM);
}

// What needs no permission. The rest is tests/system/test_live.py.
static void test_live(void **state) {
	(void)state;
	struct ht_capture *c;
	char err[512];
	const struct ht_capture_params p
		= {.source = "no-such-if", .snaplen = 96, .buffer_mib = 1, .promiscuous = true};
	assert_int_equal(ht_capture_live.open(&c, &p, err, sizeof(err)), HT_ERROR);
	assert_ptr_equal(strstr(err, "no-such-if: no such interface; there are "), err);
	assert_string_equal(err + strlen(err) - 4, " any");
	char small[24]; // names that do not fit are left out
	assert_int_equal(ht_capture_live.open(&c, &p, small, sizeof(small)), HT_ERROR);
	assert_string_equal(small, "no-such-if: no such int");

	assert_int_equal(ht_capture_dlt_linktype(1), 1); // Ethernet
	assert_int_equal(ht_capture_dlt_linktype(12), 101); // DLT_RAW
	assert_int_equal(ht_capture_dlt_linktype(113), 113); // cooked
	assert_int_equal(ht_capture_dlt_linktype(276), 276);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pcap_forms),     cmocka_unit_test(test_pcap_lengths),
		cmocka_unit_test(test_linktypes),      cmocka_unit_test(test_no_capture),
		cmocka_unit_test(test_pcap_corrupt),   cmocka_unit_test(test_straddling),
		cmocka_unit_test(test_buffer_ends),    cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_pcapng_times),   cmocka_unit_test(test_pcapng_sections),
		cmocka_unit_test(test_pcapng_corrupt), cmocka_unit_test(test_filter),
		cmocka_unit_test(test_gzip),	       cmocka_unit_test(test_zstd),
		cmocka_unit_test(test_files),	       cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_slow_pipe),      cmocka_unit_test(test_early_close_pipe),
		cmocka_unit_test(test_big_file),       cmocka_unit_test(test_ahead_uneven),
		cmocka_unit_test(test_live),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
