// SPDX-License-Identifier: BSD-3-Clause

#include "delivery.h"
#include "ht_config.h"

const struct ht_link_ops *const ht_link_kinds[] = {
	&ht_link_json,
	&ht_link_csv,
	&ht_link_table,
	NULL,
};
