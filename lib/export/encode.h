// SPDX-License-Identifier: BSD-3-Clause
// encode: a record as JSON without a file, for outputs that send messages. Uses base, record.

#pragma once

#include "base.h"
#include "record.h"

struct ht_json;

// ht_json_new makes an encoder, NULL: no memory. One thread uses it at a time.
struct ht_json *ht_json_new(void);

// ht_json_encode makes of a record what the sink json writes of it, one object without the end of
// the line. What it returns is borrowed until the next call; {NULL, 0}: the record is larger than
// the buffer.
HT_MUST_USE struct ht_span ht_json_encode(struct ht_json *j, const struct ht_record *r);

void ht_json_free(struct ht_json *j);
