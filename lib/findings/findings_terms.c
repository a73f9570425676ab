// SPDX-License-Identifier: BSD-3-Clause
// Conditions written out: `or` outermost, then `and`, then facts that hold or do not (disjunctive
// normal form). `not` goes to the facts, so that it is said of each whether it must certainly hold
// or certainly not: that is what an incomplete hello is asked.

#include "findings_build.h"

// Terms of a part of a condition: the last ones of b->term.
struct terms {
	uint32_t first, num;
};

static struct literal_term *add_term(struct build *b, const struct token *at) {
	if (b->num_terms == MAX_TERMS) {
		complain(b, at, "the conditions are too long when they are written out");
		return NULL;
	}
	return &b->term[b->num_terms++];
}

static void check_num(struct build *b, const struct token *at, uint32_t num) {
	if (num > HT_POLICY_TERMS_MAX)
		complain(
			b, at,
			"the condition has more than %u alternatives when it is written out, 'or' "
			"outermost",
			HT_POLICY_TERMS_MAX
		);
}

// Both of them. False: they contradict each other, or a fault was told.
static bool
join(struct build *b,
     const struct token *at,
     struct literal_term *out,
     const struct literal_term *x,
     const struct literal_term *y) {
	unsigned i = 0, k = 0, num = 0;
	while (i < x->num || k < y->num) {
		const uint16_t l = k == y->num || (i < x->num && x->literal[i] <= y->literal[k])
					   ? x->literal[i++]
					   : y->literal[k++];
		if (num > 0 && out->literal[num - 1] == l)
			continue;
		if (num > 0 && out->literal[num - 1] / 2 == l / 2)
			return false;
		if (num == HT_POLICY_LITERALS_MAX) {
			complain(
				b, at, "more than %u comparisons with 'and' between them",
				HT_POLICY_LITERALS_MAX
			);
			return false;
		}
		out->literal[num++] = l;
	}
	out->num = (uint8_t)num;
	return true;
}

static struct terms write_out(struct build *b, const struct token *at, unsigned node, bool negated);

// Each of the left ones with each of the right ones, in their place.
static struct terms
write_out_and(struct build *b, const struct token *at, const struct node *n, bool negated) {
	const struct terms left = write_out(b, at, n->left, negated);
	const struct terms right = write_out(b, at, n->right, negated);
	struct terms out = {left.first, 0};
	const uint32_t behind = right.first + right.num;
	for (uint32_t i = 0; i < left.num && !b->skipping; i++)
		for (uint32_t k = 0; k < right.num && !b->skipping; k++) {
			struct literal_term *t = add_term(b, at);
			if (t != NULL
			    && !join(b, at, t, &b->term[left.first + i], &b->term[right.first + k]))
				b->num_terms--;
			check_num(b, at, b->num_terms - behind);
		}
	out.num = b->num_terms - behind;
	memmove(&b->term[out.first], &b->term[behind], out.num * sizeof(b->term[0]));
	b->num_terms = out.first + out.num;
	return out;
}

static struct terms
write_out(struct build *b, const struct token *at, unsigned node, bool negated) {
	const struct node *n = &b->node[node];
	struct terms out = {b->num_terms, 0};
	if (b->skipping)
		return out;
	if (n->type == NODE_NOT)
		return write_out(b, at, n->left, !negated);
	if (n->type == NODE_FACT) {
		struct literal_term *t = add_term(b, at);
		if (t != NULL) {
			t->literal[0] = (uint16_t)(2 * n->left + negated);
			t->num = 1;
			out.num = 1;
		}
		return out;
	}
	if ((n->type == NODE_AND) != negated)
		return write_out_and(b, at, n, negated);
	out.num = write_out(b, at, n->left, negated).num;
	out.num += write_out(b, at, n->right, negated).num;
	check_num(b, at, out.num);
	return out;
}

void policy_terms(struct build *b) {
	for (unsigned i = 0; i < b->policy->num_findings; i++) {
		const struct read_finding *f = &b->finding[i];
		b->skipping = false;
		b->builtin = f->at_builtin;
		if (f->condition == NO_NODE)
			continue; // a fault that was told
		const struct terms t = write_out(b, &f->at, f->condition, false);
		if (!b->skipping && t.num == 0)
			complain(b, &f->at, "this condition never holds");
		for (uint32_t k = 0; k < t.num; k++)
			b->term[t.first + k].finding = (uint8_t)i;
	}
}
