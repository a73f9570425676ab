// SPDX-License-Identifier: BSD-3-Clause
// protobuf_int: what encoding and decoding share.

#pragma once

#include "protobuf.h"

// What a message that is decoded stands as in memory. A list of names without a letter takes twenty
// times as much as on the wire; a message that wants more than this is not one of a record. Pages
// of it that no record needed are never touched.
#define PROTOBUF_SCRATCH (16u * 1024 * 1024)

struct ht_protobuf {
	bool for_export;
	uint8_t by_number[HT_FIELD_NUMBER_MAX]; // which field has number 1, 2 ...; HT_NUM_FIELDS:
						// none
	size_t used; // bytes of scratch
	uint8_t *scratch;
	uint8_t *message; // that was encoded
};

// No word of the program is as long as this.
#define PROTOBUF_WORD_MAX 4096u
