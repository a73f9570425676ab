// SPDX-License-Identifier: BSD-3-Clause

#include "delivery.h"
#include "ipfix.h"
#include "kafka.h"

const struct ht_link_ops *const ht_link_kinds[] = {
	&ht_link_json,
	&ht_link_csv,
	&ht_link_table,
	// Those that a library is missing for say so when they are used.
	&ht_link_ipfix_tcp,
	&ht_link_ipfix_tls,
	&ht_link_ipfix_udp,
	&ht_link_kafka,
	NULL,
};
