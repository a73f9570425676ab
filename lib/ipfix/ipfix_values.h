// SPDX-License-Identifier: BSD-3-Clause
// ipfix_values: a record as libfixbuf takes it: the values of a template one behind the other, in
// the host's byte order, not aligned; what has a variable length is an fbVarfield_t. Uses record.

#pragma once

#include "ipfix_elements.h"

struct ipfix_step {
	uint8_t how; // enum ipfix_how, no AS_IS
	uint8_t field;
	uint8_t len; // 0: variable
	uint16_t from; // offset of the field in struct ht_record
	uint16_t to; // offset of the value in the internal record
};

#define IPFIX_MAX_STEPS 256
#define IPFIX_INTERNAL_MAX (IPFIX_MAX_STEPS * 16)

// One template.
struct ipfix_plan {
	uint16_t id;
	uint16_t num; // steps; 0: there is no such template
	uint16_t num_scope; // elements of the scope: an options template
	uint16_t template_len; // bytes of it in a template set
	uint16_t internal_len;
	uint16_t fixed_len; // bytes of a data record but for what has a variable length
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

// ipfix_values writes the record to `out`, plan->internal_len bytes, and returns how long its data
// record is; 0 when a value of it cannot be encoded (longer than 65535 bytes, no room in the
// scratch). What has a variable length borrows from the record and the scratch.
size_t ipfix_values(
	uint8_t *out,
	const struct ipfix_plan *plan,
	const struct ht_record *r,
	const struct ipfix_self *self,
	struct ipfix_scratch *scratch
);

// ipfix_is_v4 tells ::ffff:a.b.c.d.
bool ipfix_is_v4(const uint8_t *ip);
