// SPDX-License-Identifier: BSD-3-Clause
// ipfix_values: a data record: the values of a template one behind the other (RFC 7011 3.4.3). Uses
// record.

#pragma once

#include "ipfix_elements.h"

struct ipfix_step {
	uint8_t how; // enum ipfix_how, no AS_IS
	uint8_t field;
	uint8_t len; // 0: variable
	uint16_t from; // offset of the field in struct ht_record
};

#define IPFIX_MAX_STEPS 256
#define IPFIX_LONGEST_FIXED 16

// A data record is longer than this only by what has a fixed length, and then fits in no message. A
// number is written as 8 bytes, and the next value over those it does not have.
#define IPFIX_RECORD_MAX UINT16_MAX
#define IPFIX_RECORD_ROOM (IPFIX_RECORD_MAX + IPFIX_LONGEST_FIXED * IPFIX_MAX_STEPS + 8)

// One template.
struct ipfix_plan {
	uint16_t id;
	uint16_t num; // steps; 0: there is no such template
	uint16_t num_scope; // elements of the scope: an options template
	uint16_t template_len; // bytes of it in a template set
	struct ipfix_step steps[IPFIX_MAX_STEPS];
};

// What stands in no record.
struct ipfix_self {
	uint32_t domain;
	uint64_t messages, records, bytes; // sent in this session
};

// Room for texts that are made: names put together, bytes that are no UTF-8 told as \xNN.
#define IPFIX_SCRATCH (256u * 1024)

struct ipfix_scratch {
	uint8_t *p;
	size_t len; // used
};

// ipfix_values writes a data record and returns how long it is; 0 when it cannot be encoded (more
// than IPFIX_RECORD_MAX bytes of values of a variable length, no room in the scratch).
size_t ipfix_values(
	uint8_t out[IPFIX_RECORD_ROOM],
	const struct ipfix_plan *plan,
	const struct ht_record *r,
	const struct ipfix_self *self,
	struct ipfix_scratch *scratch
);

// ipfix_put_variable writes a value behind its length (RFC 7011 7), and returns the end: at most 3
// bytes more than `v` has, which are 65535 at most.
static inline uint8_t *ipfix_put_variable(uint8_t *out, struct ht_span v) {
	if (v.len < 255) {
		*out++ = (uint8_t)v.len;
	} else {
		*out = 255;
		ht_put_be16(out + 1, (uint16_t)v.len);
		out += 3;
	}
	return v.len > 0 ? mempcpy(out, v.p, v.len) : out;
}

// ipfix_is_v4 tells ::ffff:a.b.c.d.
bool ipfix_is_v4(const uint8_t *ip);
