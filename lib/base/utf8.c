// SPDX-License-Identifier: BSD-3-Clause

#include "utf8.h"

unsigned ht_utf8_len(const uint8_t *p, size_t left) {
	const uint8_t c = p[0];
	if (c < 0x80)
		return 1;
	// The second byte has a narrower range where a wider one would allow overlong forms (E0,
	// F0), surrogates (ED) or more than U+10FFFF (F4). C0, C1 and F5 to FF begin nothing.
	uint8_t lo = 0x80, hi = 0xbf;
	unsigned n;
	if (c >= 0xc2 && c <= 0xdf) {
		n = 2;
	} else if (c >= 0xe0 && c <= 0xef) {
		n = 3;
		lo = c == 0xe0 ? 0xa0 : lo;
		hi = c == 0xed ? 0x9f : hi;
	} else if (c >= 0xf0 && c <= 0xf4) {
		n = 4;
		lo = c == 0xf0 ? 0x90 : lo;
		hi = c == 0xf4 ? 0x8f : hi;
	} else {
		return 0;
	}
	if (left < n || p[1] < lo || p[1] > hi)
		return 0;
	for (unsigned i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}
