// SPDX-License-Identifier: BSD-3-Clause
// ipfix_text: strings of IPFIX. They are UTF-8 (RFC 7011 6.1.6), which what clients send may not
// be. Uses record.

#pragma once

#include "record.h"

struct ipfix_room {
	uint8_t *p;
	size_t len;
};

bool ipfix_is_utf8(struct ht_span text);

// These write a text to the room and tell whether all of it fitted. *out is what was written.
//
// ipfix_utf8 tells a byte that is part of no UTF-8 as the four characters \xNN, and so a backslash
// in front of an x, that it may not be taken for one. ipfix_names does so with each name, and with
// a separator in it, and puts the separator between the names. ipfix_matches does likewise with
// LIST:ENTRY of each match, and a comma.
bool ipfix_utf8(struct ht_span *out, struct ipfix_room room, struct ht_span text);
bool ipfix_names(struct ht_span *out, struct ipfix_room room, struct ht_span names, char separator);
bool ipfix_matches(struct ht_span *out, struct ipfix_room room, struct ht_span matches);
bool ipfix_words(struct ht_span *out, struct ipfix_room room, const struct ht_strs *words);
bool ipfix_texts(struct ht_span *out, struct ipfix_room room, const struct ht_texts *texts);

// ipfix_name_part takes the value of the first attribute of this type out of a distinguished name
// (RFC 4514), its escapes undone; empty when it has none.
bool ipfix_name_part(
	struct ht_span *out, struct ipfix_room room, struct ht_span name, const char *type
);
