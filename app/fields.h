// SPDX-License-Identifier: BSD-3-Clause
// fields: the field table for people: `hellotap --fields`, and docs/fields.md.

#pragma once

#include <stdio.h>

// ht_print_fields prints a line a field: name, JSON type, help.
void ht_print_fields(FILE *out);

// ht_print_fields_md prints docs/fields.md (`hellotap --fields=md`).
void ht_print_fields_md(FILE *out);
