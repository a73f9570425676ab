// SPDX-License-Identifier: BSD-3-Clause
// ipfix_plan: templates made of the table of elements. Uses record.

#pragma once

#include "ipfix_values.h"

// Template ids never change their meaning: 256 + 3 * shape + variant. Data sets of a collector that
// was restarted, or of a file, are read by them.
#define IPFIX_FIRST_TEMPLATE 256
#define IPFIX_NUM_PLANS (IPFIX_NUM_SHAPES * IPFIX_NUM_VARIANTS)
#define IPFIX_TYPE_TEMPLATE (IPFIX_FIRST_TEMPLATE + IPFIX_NUM_PLANS)

// Elements of one template, private ones with their names.
struct ipfix_choice {
	unsigned num;
	struct ipfix_element e[IPFIX_MAX_STEPS];
	char names[HT_NUM_FIELDS][IPFIX_NAME_SIZE];
};

// ipfix_choose takes the elements of a shape and a variant, for a mask of profiles (IPFIX_STANDARD
// and IPFIX_REVERSE always). None: there is no such template.
void ipfix_choose(
	struct ipfix_choice *out,
	unsigned shape,
	enum ipfix_variant variant,
	unsigned profiles,
	bool with_private
);

// ipfix_plan_make lays a template out.
void ipfix_plan_make(
	struct ipfix_plan *out,
	const struct ipfix_choice *c,
	unsigned shape,
	enum ipfix_variant variant,
	uint32_t pen
);

static inline uint32_t ipfix_pen(const struct ipfix_element *e, uint32_t pen) {
	return e->profile == IPFIX_PRIVATE ? pen : ipfix_profiles[e->profile].pen;
}
