// SPDX-License-Identifier: BSD-3-Clause
// proto: the schema, as users have it and as protobuf-c has it. Both are the same on the wire.

#pragma once

#include <stdio.h>

// What a message has beside the fields of the table, with numbers that no field will have:
// X(label and type, name, number, label and type for protobuf-c, help).
#define PROTO_EXTRAS(X) \
	X("optional bool", ts_is_ns, 2001, "optional bool", \
	  "times are known to the nanosecond; otherwise to the microsecond") \
	X("optional bool", ciphers_are_24_bit, 2002, "optional bool", \
	  "ciphers are the cipher kinds of an SSL 2.0 hello, of 24 bits (RFC 5246 E.2)") \
	X("repeated uint32", empty_lists, 2003, "repeated uint32", \
	  "numbers of the fields that are lists and were sent empty: a list without an item is " \
	  "not in a message") \
	X("optional string", stats_json, 2004, "optional bytes", \
	  "of a record of the kind stats: the whole ledger as JSON (docs/counters.md)") \
	X("optional bytes", cert_chain, 2005, "optional bytes", \
	  "the certificates as sent, each behind 3 bytes of length (RFC 5246 7.4.2); on disk only" \
	)

// A match of a watchlist: X as above.
#define PROTO_MATCH(X) \
	X("optional bytes", list, 1, "optional bytes", \
	  "name of the list: text as given, UTF-8 or not") \
	X("optional bytes", entry, 2, "optional bytes", "the entry as the list has it, likewise") \
	X("optional bytes", label, 3, "optional bytes", "likewise; not there: none") \
	X("optional string", severity, 4, "optional string", "info, notice, warning or critical")

// proto_print prints the schema: proto3, with `for_c` the form that protobuf-c makes C of. Its
// version 1.4 does not know `optional` in proto3. There, text that is never used as a C string is
// bytes, so that it needs no terminator.
void proto_print(FILE *out, int for_c);
