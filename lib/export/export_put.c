// SPDX-License-Identifier: BSD-3-Clause

#include "export_int.h"

#include <time.h>

static const char hex_digits[16] = "0123456789abcdef";

bool memo_init(struct memo *m, char separator) {
	m->second = INT64_MIN; // no second of an int64_t of nanoseconds
	m->separator = separator;
	m->num_text = ht_num_text_new(separator);
	return m->num_text != NULL;
}

void memo_free(struct memo *m) {
	ht_num_text_free(m->num_text);
}

char *put_u24s(const struct memo *m, char *out, struct ht_span list) {
	for (size_t i = 0; i + 3 <= list.len; i += 3) {
		out = ht_u64_dec(out, ht_be24(list.p + i));
		*out++ = m->separator;
	}
	return out;
}

// put_group writes 16 bits in hex without leading zeros (RFC 5952 4.1).
static char *put_group(char *out, unsigned v) {
	for (int shift = v > 0xfff ? 12 : v > 0xff ? 8 : v > 0xf ? 4 : 0; shift >= 0; shift -= 4)
		*out++ = hex_digits[v >> shift & 15];
	return out;
}

// RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as "::", the
// first of equally long ones.
static char *put_ip6(char *out, const uint8_t *ip) {
	unsigned best = 8, best_len = 1, run = 0;
	for (unsigned i = 0; i < 8; i++) {
		run = ht_be16(ip + 2 * i) == 0 ? run + 1 : 0;
		if (run > best_len) {
			best_len = run;
			best = i + 1 - run;
		}
	}
	for (unsigned i = 0; i < 8; i++) {
		if (i == best) {
			*out++ = ':';
			*out++ = ':';
			i += best_len - 1;
			continue;
		}
		if (i > 0 && out[-1] != ':')
			*out++ = ':';
		out = put_group(out, ht_be16(ip + 2 * i));
	}
	return out;
}

char *put_ip(const struct memo *m, char *out, const uint8_t *ip) {
	if (!ht_ip_is_v4(ip))
		return put_ip6(out, ip);
	for (unsigned i = 12; i < 16; i++) {
		out = ht_num_text_put(m->num_text, out, ip[i]);
		out[-1] = '.';
	}
	return out - 1;
}

char *put_mac(char *out, const uint8_t *mac) {
	for (unsigned i = 0; i < 6; i++) {
		*out++ = hex_digits[mac[i] >> 4];
		*out++ = hex_digits[mac[i] & 15];
		*out++ = ':';
	}
	return out - 1;
}

static char *put_two(char *out, unsigned v) {
	*out++ = (char)('0' + v / 10);
	*out++ = (char)('0' + v % 10);
	return out;
}

// "2026-11-21T01:02:03"
static char *put_date_time(char *out, const struct tm *tm) {
	const unsigned year = (unsigned)(tm->tm_year + 1900);
	out = put_two(put_two(out, year / 100), year % 100);
	*out++ = '-';
	out = put_two(out, (unsigned)tm->tm_mon + 1);
	*out++ = '-';
	out = put_two(out, (unsigned)tm->tm_mday);
	*out++ = 'T';
	out = put_two(out, (unsigned)tm->tm_hour);
	*out++ = ':';
	out = put_two(out, (unsigned)tm->tm_min);
	*out++ = ':';
	return put_two(out, (unsigned)tm->tm_sec);
}

// Once a second of capture time at most, as long as frames come in order.
static void new_second(struct memo *m, int64_t second) {
	const time_t t = (time_t)second;
	struct tm tm = {0};
	gmtime_r(&t, &tm); // 64 bits of ns are the years 1677 to 2262: it cannot fail
	*put_date_time(m->second_text, &tm) = '.';
	m->second = second;
}

char *put_time(struct memo *m, char *out, int64_t ns, bool digits9) {
	int64_t second = ns / 1000000000, rest = ns % 1000000000;
	if (rest < 0) { // before 1970
		rest += 1000000000;
		second--;
	}
	if (second != m->second)
		new_second(m, second);
	memcpy(out, m->second_text, 20);
	out += 20;
	const uint32_t fraction = (uint32_t)rest;
	out = put_two(out, fraction / 10000000);
	out = put_two(out, fraction / 100000 % 100);
	out = put_two(out, fraction / 1000 % 100);
	if (digits9) {
		*out++ = (char)('0' + fraction / 100 % 10);
		out = put_two(out, fraction % 100);
	}
	*out++ = 'Z';
	return out;
}

char *put_seconds(char *out, int64_t seconds) {
	// What has no year of four digits is the nearest that has one.
	const int64_t first = -62167219200, last = 253402300799;
	const time_t t = seconds < first ? first : seconds > last ? last : seconds;
	struct tm tm = {0};
	gmtime_r(&t, &tm);
	out = put_date_time(out, &tm);
	*out++ = 'Z';
	return out;
}

uint32_t utf8_char(const uint8_t *p, unsigned n) {
	if (n == 1)
		return p[0];
	uint32_t c = p[0] & (0x7fu >> n);
	for (unsigned i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

// obeyed_or_hidden tells the characters beyond ASCII that make a line on a terminal look like what
// it is not: C1 controls, zero-width characters, line separators, the bidirectional controls
// (Unicode UAX 9 2).
static bool obeyed_or_hidden(uint32_t c) {
	return (c >= 0x80 && c < 0xa0) //
	       || c == 0xad || c == 0x61c //
	       || (c >= 0x200b && c <= 0x200f) //
	       || (c >= 0x2028 && c <= 0x202e) //
	       || (c >= 0x2060 && c <= 0x206f) //
	       || c == 0xfeff //
	       || (c >= 0xfff9 && c <= 0xfffb) //
	       || (c >= 0xe0000 && c <= 0xe0fff); // tags, variation selectors
}

char *put_plain(char *out, struct ht_span text, const char *also, bool terminal) {
	for (size_t i = 0; i < text.len;) {
		const uint8_t *p = text.p + i;
		unsigned n = ht_utf8_len(p, text.len - i);
		bool escape = n == 0;
		if (n == 1) {
			escape = p[0] < 0x20 || p[0] == 0x7f || strchr(also, p[0]) != NULL;
			// Else \x41 as sent could not be told from an escaped A.
			if (p[0] == '\\' && i + 1 < text.len && p[1] == 'x')
				escape = true;
		} else if (n > 1 && terminal) {
			escape = obeyed_or_hidden(utf8_char(p, n));
		}
		n += n == 0;
		for (unsigned k = 0; k < n; k++) {
			if (escape) {
				*out++ = '\\';
				*out++ = 'x';
				*out++ = hex_digits[p[k] >> 4];
				*out++ = hex_digits[p[k] & 15];
			} else {
				*out++ = (char)p[k];
			}
		}
		i += n;
	}
	return out;
}
