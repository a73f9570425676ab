// SPDX-License-Identifier: BSD-3-Clause

#include "base.h"

// "00" "01" ... "ff" and "00" "01" ... "99": two characters a look-up.
#define H1(x) #x "0" #x "1" #x "2" #x "3" #x "4" #x "5" #x "6" #x "7" #x "8" #x "9"
#define H2(x) H1(x) #x "a" #x "b" #x "c" #x "d" #x "e" #x "f"
static const char hex_pairs[] = H2(0) H2(1) H2(2) H2(3) H2(4) H2(5) H2(6) H2(7) H2(8) H2(9) H2(a)
	H2(b) H2(c) H2(d) H2(e) H2(f);
static const char decimal_pairs[] = H1(0) H1(1) H1(2) H1(3) H1(4) H1(5) H1(6) H1(7) H1(8) H1(9);

char *ht_hex(char *out, const uint8_t *p, size_t len) {
	for (size_t i = 0; i < len; i++, out += 2)
		memcpy(out, hex_pairs + 2 * (size_t)p[i], 2);
	return out;
}

static unsigned hex_digit(char c) {
	return c >= '0' && c <= '9'   ? (unsigned)(c - '0')
	       : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
	       : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
				      : 16;
}

bool ht_unhex(uint8_t *out, size_t len, const void *digits) {
	const char *p = digits;
	for (size_t i = 0; i < len; i++, p += 2) {
		const unsigned high = hex_digit(p[0]), low = high < 16 ? hex_digit(p[1]) : 16;
		if (low == 16)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

char *ht_u64_dec(char *out, uint64_t v) {
	size_t digits = 1;
	for (uint64_t power = 10; digits < 20 && v >= power; power *= 10)
		digits++;
	char *const end = out + digits;
	char *o = end;
	for (; v >= 100; v /= 100)
		memcpy(o -= 2, decimal_pairs + 2 * (v % 100), 2);
	if (v >= 10)
		memcpy(o - 2, decimal_pairs + 2 * v, 2);
	else
		o[-1] = (char)('0' + v);
	return end;
}
