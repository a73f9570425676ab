// SPDX-License-Identifier: BSD-3-Clause
// ipfix_int: what a link of this module is made of.

#pragma once

#include "ipfix.h"
#include "ipfix_message.h"
#include "ipfix_wire.h"

#include <time.h>

// Messages that were handed over and not yet acknowledged. Where there is no room for one more, the
// link takes nothing.
#define LINK_MAX_MESSAGES 4096u

// Over UDP templates are sent again after `template_s`, and after so many messages.
#define LINK_TEMPLATE_MESSAGES 4096u

struct message {
	uint64_t end; // bytes that the wire was given up to its end
	uint32_t records, refused;
};

struct ht_link {
	const struct ht_sink_options *options;
	struct wire *wire;
	struct ipfix_encoder *encoder;
	bool up;

	struct message filling; // .end is not known yet
	struct message *sent; // ring
	uint32_t first, num;
	struct ht_settled settled;

	int64_t templates_at; // ns of the clock
	uint32_t messages; // since then
	char error[512]; // empty: none

	int64_t (*clock)(clockid_t id); // ns; a test has its own
};

// ipfix_profiles_of reads the option. HT_BAD: `err` says which word it does not know.
enum ht_rc
ipfix_profiles_of(unsigned *out, const struct ht_sink_options *o, char *err, size_t err_len);
