// SPDX-License-Identifier: BSD-3-Clause
// utf8: which bytes are well-formed UTF-8.

#pragma once

#include "base.h"

// ht_utf8_len tells how many bytes the well-formed UTF-8 sequence at p has (Unicode 15, table 3-7);
// 0 when there is none within `left` bytes, left > 0.
unsigned ht_utf8_len(const uint8_t *p, size_t left);
