// SPDX-License-Identifier: BSD-3-Clause
// pages: large memory that is reserved at once and not there until it is touched. Uses libc.

#pragma once

#include <stddef.h>

// ht_pages_new reserves `bytes` of zeros, or returns NULL. What lies in it is met at random: where
// the system has large pages it is asked for them, since with small ones each access would miss the
// TLB as well.
void *ht_pages_new(size_t bytes);

// ht_pages_free gives them back; NULL is nothing.
void ht_pages_free(void *pages, size_t bytes);
