// SPDX-License-Identifier: BSD-3-Clause
// findings: what a policy says of a hello. A policy is text: findings by name, each with a
// condition over the fields of the record (docs/findings.md has the language). It is compiled once
// into tables and masks, so that a hello costs a look at each number it lists. Uses base, service,
// record.

#pragma once

#include "record.h"
#include "service.h"
#include "severity.h"

// --- a policy -----------------------------------------------------------------------------------

#define HT_POLICY_BYTES_MAX (1u << 20) // of the text
#define HT_POLICY_FINDINGS_MAX 64u // a hello may have all of them
#define HT_POLICY_NAME_MAX 32u // bytes of a finding's name, and of a set's
#define HT_POLICY_SETS_MAX 256u
#define HT_POLICY_RANGES_MAX 16384u // numbers and ranges of all sets and comparisons
#define HT_POLICY_TEXTS_MAX 4096u // different texts, of 255 bytes at the most each
#define HT_POLICY_DEPTH_MAX 32u // of parentheses and `not`
#define HT_POLICY_NODES_MAX 4096u // comparisons, `and`, `or` and `not`
#define HT_POLICY_TERMS_MAX 256u // of a finding: its condition written out, `or` outermost
#define HT_POLICY_LITERALS_MAX 24u // of such a term
#define HT_POLICY_FIELDS_MAX 29u // fields that are compared
#define HT_POLICY_CLASSES_MAX 256u // of numbers of a field, by the sets they are in
#define HT_POLICY_ERRORS_MAX 16u // kept in a report

_Static_assert(HT_POLICY_FINDINGS_MAX <= HT_STRS_MAX, "all of them go into a record");

// Immutable. Records point to the names of its findings, so it must outlive them.
struct ht_policy;

// Texts that the policy does not give are "".
struct ht_finding {
	const char *name; // of a-z, 0-9 and _
	enum ht_severity severity;
	const char *when; // the condition, on one line
	const char *help; // what it says of the client
	const char *why; // it matters
	const char *see; // specifications
	const char *except; // when it means nothing
};

struct ht_policy_error {
	uint32_t line, column; // from 1; columns are bytes
	bool builtin; // a place in the built-in policy, of which the text includes what clashes
	char reason[200];
};

struct ht_policy_report {
	struct ht_policy_error errors[HT_POLICY_ERRORS_MAX];
	unsigned num, more; // those kept, those found when these were full
};

// ht_policy_parse compiles a policy; the text is borrowed for the call, and so is the table of
// services, which tells what `service` may be called (NULL: that is not looked at).
//   HT_OK     *out is there
//   HT_BAD    *rep says what is wrong; behind an error it goes on with the next statement
//   HT_ERROR  no memory
// and but for HT_OK *out is NULL.
HT_MUST_USE enum ht_rc ht_policy_parse(
	struct ht_policy **out,
	struct ht_span text,
	const struct ht_services *services,
	struct ht_policy_report *rep
);
void ht_policy_free(struct ht_policy *p);

// ht_policy_default is the text of the built-in policy.
struct ht_span ht_policy_default(void);

// The findings of a policy, in its order.
unsigned ht_policy_num(const struct ht_policy *p);
const struct ht_finding *ht_policy_finding(const struct ht_policy *p, unsigned i);

// --- a hello ------------------------------------------------------------------------------------

// ht_findings_fill sets the field `findings` of a hello in which something is found. Other records
// are left alone; without a policy (NULL) all are. What an incomplete hello does not show is
// unknown: a finding is told if it holds whatever comes there. No lock, no allocation; its time is
// linear in the bytes of the record's lists.
void ht_findings_fill(const struct ht_policy *p, struct ht_record *r);

// --- the words of the language, for its documentation and for tests -----------------------------

// ht_policy_predicate is the i-th condition that has a name of its own and what it means, or NULL.
const char *ht_policy_predicate(unsigned i, const char **help);

// ht_policy_field tells whether a policy may name a field, and by which words it is compared:
// "any", "any all", "= != in", "= != < <= > >= in", or "" where it can only be there or not. NULL:
// it may not.
const char *ht_policy_field(const struct ht_field *f);
