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

// Of a label: RFC 5890 2.3.1, and underscores.
static const bool is_ldh[256] = {
	['-'] = true,	      ['_'] = true,	    ['0' ... '9'] = true,
	['a' ... 'z'] = true, ['A' ... 'Z'] = true,
};

bool sni_is_invalid(struct ht_span name) {
	if (name.len > NAME_MAX_LEN)
		return true;
	for (size_t begin = 0, i = 0;; i++) {
		if (i < name.len && is_ldh[name.p[i]])
			continue;
		if (i < name.len && name.p[i] != '.')
			return true;
		// A label ends. An empty name has an empty one.
		if (i == begin || i - begin > LABEL_MAX_LEN || name.p[begin] == '-'
		    || name.p[i - 1] == '-')
			return true;
		if (i == name.len)
			return false;
		begin = i + 1;
	}
}
