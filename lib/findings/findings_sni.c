// SPDX-License-Identifier: BSD-3-Clause
// What a server name is: RFC 6066 3 wants a DNS host name, without a dot at the end, and no literal
// address.

#include "findings_int.h"

#include <arpa/inet.h>

#define NAME_MAX_LEN 253 // RFC 1035 2.3.4: 255 bytes on the wire
#define LABEL_MAX_LEN 63

// Four numbers of 0 to 255, without zeros in front, and dots between them.
static bool is_ipv4(struct ht_span s) {
	unsigned part = 0, digits = 0, parts = 0;
	if (s.len < 7 || s.len > 15)
		return false;
	for (size_t i = 0; i <= s.len; i++) {
		if (i == s.len || s.p[i] == '.') {
			if (digits == 0 || part > 255)
				return false;
			parts++;
			part = digits = 0;
			continue;
		}
		const unsigned digit = (unsigned)s.p[i] - '0';
		if (digit > 9 || (digits > 0 && part == 0) || digits == 3)
			return false;
		part = 10 * part + digit;
		digits++;
	}
	return parts == 4;
}

// RFC 4291 2.2, in brackets as in URLs or without.
static bool is_ipv6(struct ht_span s) {
	char text[INET6_ADDRSTRLEN];
	uint8_t address[16];
	if (s.len > 2 && s.p[0] == '[' && s.p[s.len - 1] == ']')
		s = HT_SPAN(s.p + 1, s.len - 2);
	if (s.len < 2 || s.len >= sizeof(text) || memchr(s.p, ':', s.len) == NULL
	    || memchr(s.p, '\0', s.len) != NULL)
		return false;
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	return inet_pton(AF_INET6, text, address) == 1;
}

// Nearly every name ends in a letter that no address ends in.
bool sni_is_ip(struct ht_span name) {
	if (name.len == 0)
		return false;
	const uint8_t last = name.p[name.len - 1] | 0x20;
	return (last < 'g' || last > 'z') && (is_ipv4(name) || is_ipv6(name));
}

enum { DOT = 1, LDH, HYPHEN }; // what a byte is; 0: nothing that belongs there

static const uint8_t what[256] = {
	['.'] = DOT,	     ['-'] = HYPHEN,	  ['_'] = LDH,
	['0' ... '9'] = LDH, ['a' ... 'z'] = LDH, ['A' ... 'Z'] = LDH,
};

bool sni_is_invalid(struct ht_span name) {
	uint8_t before = DOT; // a label begins
	size_t label = 0;
	if (name.len > NAME_MAX_LEN)
		return true;
	for (size_t i = 0; i < name.len; i++) {
		const uint8_t now = what[name.p[i]];
		if (HT_LIKELY(now == LDH && before == LDH))
			continue;
		if (now == 0 || (now == DOT && before != LDH) || (now == HYPHEN && before == DOT))
			return true;
		if (now == DOT || before == DOT) {
			if (now == DOT && i - label > LABEL_MAX_LEN)
				return true;
			label = now == DOT ? i + 1 : label;
		}
		before = now;
	}
	return before != LDH || name.len - label > LABEL_MAX_LEN; // an empty one, too
}
