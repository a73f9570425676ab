// SPDX-License-Identifier: BSD-3-Clause
// services: the table of ports in force, and the same for people: `hellotap --services-table`, and
// docs/services.md.

#pragma once

#include "service.h"

#include <stdio.h>

// services_load makes the built-in table and changes it by the files, in their order. HT_BAD: a
// line of a file is wrong; HT_ERROR: a file cannot be read, or no memory. Then `err` says in one
// line what and where, and *which is the number of the file, or num_files. Free *out with
// ht_services_free.
HT_MUST_USE enum ht_rc services_load(
	struct ht_services **out,
	const char *const *files,
	unsigned num_files,
	unsigned *which,
	char *err,
	size_t err_len
);

// services_print prints the table as lines that --services reads.
void services_print(const struct ht_services *t, FILE *out);

// services_print_md prints docs/services.md (`hellotap --services-table=md`).
void services_print_md(const struct ht_services *t, FILE *out);
