// SPDX-License-Identifier: BSD-3-Clause

#include "base.h"

char *ht_hex(char *out, const uint8_t *p, size_t len) {
	static const char digits[16] = "0123456789abcdef";
	for (size_t i = 0; i < len; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	return out;
}

char *ht_u64_dec(char *out, uint64_t v) {
	char tmp[20];
	unsigned n = 0;
	do {
		tmp[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	while (n > 0)
		*out++ = tmp[--n];
	return out;
}
