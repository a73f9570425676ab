// SPDX-License-Identifier: BSD-3-Clause

#include "ipfix_plan.h"

static bool is_chosen(const struct ipfix_choice *c, const struct ipfix_element *e) {
	for (unsigned i = 0; i < c->num; i++)
		if (c->e[i].profile == e->profile && c->e[i].id == e->id)
			return true;
	return false;
}

static bool is_of(const struct ipfix_element *e, unsigned shapes, enum ipfix_variant variant) {
	return e->shapes & shapes && e->variants & 1u << variant;
}

// choose_from_table takes elements of records of these kinds. One element is taken once: in a wide
// aggregate flowStartMilliseconds is the aggregate's, not the flow's.
static void choose_from_table(
	struct ipfix_choice *c, unsigned shapes, enum ipfix_variant variant, unsigned profiles
) {
	for (const struct ipfix_element *e = ipfix_elements; e->name != NULL; e++)
		if (profiles & 1u << e->profile && is_of(e, shapes, variant) && !is_chosen(c, e))
			c->e[c->num++] = *e;
}

static void choose_private(struct ipfix_choice *c, unsigned kinds, enum ipfix_variant variant) {
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		struct ipfix_element e;
		if (ipfix_private(&e, c->names[i], i) && is_of(&e, kinds, variant))
			c->e[c->num++] = e;
	}
}

void ipfix_choose(
	struct ipfix_choice *out,
	unsigned shape,
	enum ipfix_variant variant,
	unsigned profiles,
	bool with_private
) {
	const bool options = shape == HT_KIND_BIT_STATS || shape == IPFIX_SAMPLING;
	unsigned shapes = 1u << shape;
	out->num = 0;
	if (options && variant != IPFIX_NO_IP)
		return;
	profiles = (profiles & IPFIX_OPTIONAL) | 1u << IPFIX_STANDARD | 1u << IPFIX_REVERSE;
	if (shape == IPFIX_WIDE) {
		// An aggregate's own first; then whatever a record with a key in it may have.
		choose_from_table(out, HT_KIND_AGGREGATE, variant, profiles);
		shapes = HT_KINDS_HEFA;
	}
	choose_from_table(out, shapes, variant, profiles);
	if (with_private)
		choose_private(out, shapes, variant);
}

void ipfix_plan_make(
	struct ipfix_plan *out,
	const struct ipfix_choice *c,
	unsigned shape,
	enum ipfix_variant variant,
	uint32_t pen
) {
	const bool options = shape == HT_KIND_BIT_STATS || shape == IPFIX_SAMPLING;
	*out = (struct ipfix_plan){
		.id = (uint16_t)(IPFIX_FIRST_TEMPLATE + shape * IPFIX_NUM_VARIANTS + variant),
		.num = (uint16_t)c->num,
		.num_scope = options ? 1 : 0,
		.template_len = options ? 6 : 4,
	};
	for (unsigned i = 0; i < c->num; i++) {
		const struct ipfix_element *const e = &c->e[i];
		const bool variable = e->len == IPFIX_VARIABLE;
		struct ipfix_step *const s = &out->steps[i];
		s->how = e->how != IPFIX_AS_IS ? e->how : ipfix_how_of(ht_fields[e->field].type);
		s->field = e->field;
		s->len = variable ? 0 : (uint8_t)e->len;
		s->from = e->field < HT_NUM_FIELDS ? ht_fields[e->field].offset : 0;
		out->template_len += ipfix_pen(e, pen) != 0 ? 8 : 4;
	}
}
