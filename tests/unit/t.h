// SPDX-License-Identifier: BSD-3-Clause
// t: what every unit test uses. A case names what it shows; a parser gets exact-size heap copies.

#pragma once

// cmocka.h wants these before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

#include "base.h"

// t_dup copies n bytes into a heap block of n bytes and not one more, so that a sanitizer sees an
// over-read of one. Free it with free().
static inline uint8_t *t_dup(const void *p, size_t n) {
	uint8_t *c = malloc(n > 0 ? n : 1);
	if (c == NULL)
		abort();
	if (n > 0)
		memcpy(c, p, n);
	return c;
}

// t_unhex turns hex digits (spaces allowed) into bytes and returns how many; it stops the test on
// anything else.
static inline size_t t_unhex(uint8_t *out, size_t max, const char *hex) {
	size_t n = 0;
	while (*hex != '\0') {
		unsigned v;
		if (*hex == ' ' || *hex == '\n' || *hex == '\t') {
			hex++;
			continue;
		}
		if (n >= max || sscanf(hex, "%2x", &v) != 1 || hex[1] == '\0') {
			fprintf(stderr, "t_unhex: bad hex or too long\n");
			abort();
		}
		out[n++] = (uint8_t)v;
		hex += 2;
	}
	return n;
}
