// SPDX-License-Identifier: BSD-3-Clause
// ipfix_message: messages of IPFIX (RFC 7011 3), put together by libfixbuf. Uses record.

#pragma once

#include "ipfix_elements.h"

#include <stdio.h>

struct ipfix_encoder;

struct ipfix_encoder_params {
	unsigned profiles; // mask of enum ipfix_profile, of those of IPFIX_OPTIONAL
	uint32_t pen; // private enterprise number; 0: none
	uint32_t domain;
	size_t max_message; // bytes, 65496 at most
};

#define IPFIX_MESSAGE_MAX 65496

// HT_ERROR: `err` says why in one line.
enum ht_rc ipfix_encoder_new(
	struct ipfix_encoder **out, const struct ipfix_encoder_params *p, char *err, size_t err_len
);
void ipfix_encoder_free(struct ipfix_encoder *e);

// ipfix_longest_template is the size of the longest message that has but one template, for a mask
// of profiles.
size_t ipfix_longest_template(unsigned profiles, uint32_t pen);

// ipfix_encoder_begin begins a session: sequence numbers from 0, no message, templates to be sent.
enum ht_rc ipfix_encoder_begin(struct ipfix_encoder *e, char *err, size_t err_len);

// ipfix_encoder_again has the templates sent once more, before the next record.
void ipfix_encoder_again(struct ipfix_encoder *e);

// ipfix_encoder_announce adds templates, type records (RFC 5610) and what is said of sampling, as
// far as they are to be sent and the message has room.
//   HT_OK    they are all in messages
//   HT_FULL  take the message, then call it again
enum ht_rc ipfix_encoder_announce(struct ipfix_encoder *e);

// ipfix_encoder_add adds a record; everything is announced already.
//   HT_OK    it is in the message
//   HT_FULL  take the message, then give it again
//   HT_LIMIT it does not fit in any message
enum ht_rc ipfix_encoder_add(struct ipfix_encoder *e, const struct ht_record *r);

bool ipfix_encoder_is_empty(const struct ipfix_encoder *e);

// ipfix_encoder_take ends the message, which is not empty, and lends it until the next message is
// taken, or a session begins: a socket may take its time for it while that is being filled. Its
// export time is `now`, in seconds since 1970.
struct ht_span ipfix_encoder_take(struct ipfix_encoder *e, uint32_t now);
