// SPDX-License-Identifier: BSD-3-Clause
// policies: the policy in force, and the same for people: `hellotap --findings`, and
// docs/findings.md.

#pragma once

#include "findings.h"

#include <stdio.h>

// What an option of a policy is set to where no file is meant.
#define POLICY_DEFAULT "default"
#define POLICY_OFF "off"

// policy_load compiles the file of this name, or the built-in policy; `off` is none, NULL. Services
// are called as in this table (NULL: that is not looked at). HT_BAD:
// something in it is wrong; HT_ERROR: it cannot be read, or no memory. Then it has said on standard
// error what and where. Free *out with ht_policy_free when no record is left.
HT_MUST_USE enum ht_rc
policy_load(struct ht_policy **out, const char *name, const struct ht_services *services);

// policy_is_file tells whether this is the name of a file.
bool policy_is_file(const char *name);

// policy_print prints the findings of a policy, a line each.
void policy_print(const struct ht_policy *p, FILE *out);

// policy_print_md prints docs/findings.md (`hellotap --findings=md`).
void policy_print_md(const struct ht_policy *p, FILE *out);
