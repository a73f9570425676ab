// SPDX-License-Identifier: BSD-3-Clause
// Built without libfixbuf or libssl: the kinds are known, and refused.

#include "ipfix.h"

static enum ht_rc check(const struct ht_sink_options *o, char *err, size_t err_len) {
	(void)o;
	snprintf(err, err_len, "built without IPFIX (libfixbuf and libssl)");
	return HT_BAD;
}

static enum ht_rc
open_link(struct ht_link **out, const struct ht_sink_options *o, char *err, size_t err_len) {
	(void)out;
	snprintf(err, err_len, "%s: built without IPFIX (libfixbuf and libssl)", o->to);
	return HT_ERROR;
}

#define LINK(kind) \
	const struct ht_link_ops ht_link_ipfix_##kind = { \
		.name = "ipfix+" #kind, \
		.help = "built without", \
		.url = true, \
		.again = true, \
		.kinds = HT_KINDS_ALL, \
		.check = check, \
		.open = open_link, \
	};
LINK(tcp)
LINK(tls)
LINK(udp)
