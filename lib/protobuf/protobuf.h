// SPDX-License-Identifier: BSD-3-Clause
// protobuf: a record in a compact binary form with a published schema, docs/hellotap.proto, which
// is made from the field table (Protocol Buffers, through protobuf-c). Uses base, reader, record.

#pragma once

#include "base.h"
#include "record.h"

#include <stdio.h>

// Scratch for one record at a time. One thread uses it.
struct ht_protobuf;

// The longest message: a record that needs more is HT_LIMIT, one that is longer is HT_BAD. Kafka
// brokers take as much at most unless told otherwise.
#define HT_PROTOBUF_MAX (1024u * 1024)

// ht_protobuf_new allocates all that encoding and decoding need. NULL: no memory, or built without
// protobuf-c (HT_HAVE_PROTOBUF).
struct ht_protobuf *ht_protobuf_new(void);

// ht_protobuf_for_export leaves out, from now on, what is for this program's own use: cert_chain.
void ht_protobuf_for_export(struct ht_protobuf *p);

// ht_protobuf_encode writes one message hellotap.Record. `*out` is borrowed until the next call
// with the same `p`. As in JSON, what hangs over behind the last whole item of a list is left out.
// HT_LIMIT: the record is too large.
HT_MUST_USE enum ht_rc
ht_protobuf_encode(struct ht_protobuf *p, const struct ht_record *r, struct ht_span *out);

// ht_protobuf_decode reads one whole message, whoever wrote it. Fields of a later version are
// skipped. `*r` borrows from `p` until the next call with the same `p`; its words (STR, STRS),
// too, which are not of static lifetime then. HT_BAD: it is not such a message, or a value is not
// what its type in the field table says; what is in `*r` then means nothing.
HT_MUST_USE enum ht_rc
ht_protobuf_decode(struct ht_protobuf *p, struct ht_span in, struct ht_record *r);

void ht_protobuf_free(struct ht_protobuf *p);

// ht_print_proto prints docs/hellotap.proto (`hellotap --fields=proto`).
void ht_print_proto(FILE *out);
