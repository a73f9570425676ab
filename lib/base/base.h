// SPDX-License-Identifier: BSD-3-Clause
// base: spans, result codes, byte order. Uses libc.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HT_MUST_USE __attribute__((warn_unused_result))
#define HT_LIKELY(x) __builtin_expect(!!(x), 1)
#define HT_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define HT_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

// ht_span is a view of bytes that somebody else owns. An empty span still points at a byte (or one
// past the end of an object), never at NULL: `NULL + 0` is undefined.
struct ht_span {
	const uint8_t *p;
	size_t len;
};

#define HT_SPAN(ptr, n) ((struct ht_span){(const uint8_t *)(ptr), (n)})
#define HT_SPAN_STR(lit) ((struct ht_span){(const uint8_t *)(lit), sizeof(lit) - 1})
#define HT_SPAN_EMPTY ((struct ht_span){(const uint8_t *)"", 0})

// ht_span_eq tells whether two spans hold the same bytes.
static inline bool ht_span_eq(struct ht_span a, struct ht_span b) {
	return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

// Outcomes. A function says in its comment which of them it returns and what each means there.
// Framing functions may want more bytes; parsing functions get complete input and do not.
enum ht_rc {
	HT_OK, // done, the outputs are written
	HT_MORE, // what is there is right so far, but not all of it is there
	HT_SKIP, // well-formed, and not what was looked for
	HT_BAD, // cannot be what was looked for
	HT_LIMIT, // a cap of this object was reached
	HT_FULL, // a store shared with others (arena, pool) has no room
	HT_ERROR, // the world outside failed: file, socket, library
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "what follows swaps bytes");

static inline uint16_t ht_be16(const uint8_t *p) {
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t ht_be24(const uint8_t *p) {
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t ht_be32(const uint8_t *p) {
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static inline uint64_t ht_be64(const uint8_t *p) {
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

static inline void ht_put_be16(uint8_t *p, uint16_t v) {
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void ht_put_be32(uint8_t *p, uint32_t v) {
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}

// ht_ip_is_v4 tells an IPv4-mapped address (RFC 4291 2.5.5.2), whose last four bytes are the IPv4
// one.
static inline bool ht_ip_is_v4(const uint8_t ip[16]) {
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

// ht_lower makes a capital letter of ASCII a small one, and leaves every other byte alone.
static inline uint8_t ht_lower(uint8_t c) {
	return (uint8_t)(c + ((uint8_t)(c - 'A') < 26) * 32);
}

// ht_is_alnum tells ASCII's letters and digits, whatever the locale.
static inline bool ht_is_alnum(uint8_t c) {
	return (uint8_t)(c - '0') < 10 || (uint8_t)((c | 0x20) - 'a') < 26;
}

// ht_hex writes 2*len lower-case hex digits (no terminator) and returns the end.
char *ht_hex(char *out, const uint8_t *p, size_t len);

// ht_unhex reads 2*len hex digits, of either case. False: it stopped at one that is none, and
// looked at nothing behind it; what is in `out` then means nothing.
HT_MUST_USE bool ht_unhex(uint8_t *out, size_t len, const void *digits);

// ht_u64_dec writes v in decimal (no terminator, at most 20 digits) and returns the end.
char *ht_u64_dec(char *out, uint64_t v);

// ht_is_grease tells the 16 reserved values of RFC 8701 2: 0x0A0A, 0x1A1A ... 0xFAFA.
static inline bool ht_is_grease(uint16_t v) {
	return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

// ht_older_than tells whether `then` lies more than `ns` nanoseconds before `now`. Times come from
// files: the difference may not fit. A time in the future has no age.
static inline bool ht_older_than(int64_t now, int64_t then, int64_t ns) {
	int64_t age;
	if (__builtin_sub_overflow(now, then, &age))
		return now > then;
	return age > ns;
}
