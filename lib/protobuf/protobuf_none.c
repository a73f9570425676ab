// SPDX-License-Identifier: BSD-3-Clause
// Built without protobuf-c: there is no struct ht_protobuf that anything could be done with.

#include "protobuf.h"

struct ht_protobuf *ht_protobuf_new(void) {
	return NULL;
}

void ht_protobuf_for_export(struct ht_protobuf *p) {
	(void)p;
}

enum ht_rc
ht_protobuf_encode(struct ht_protobuf *p, const struct ht_record *r, struct ht_span *out) {
	(void)p;
	(void)r;
	(void)out;
	return HT_LIMIT;
}

enum ht_rc ht_protobuf_decode(struct ht_protobuf *p, struct ht_span in, struct ht_record *out) {
	(void)p;
	(void)in;
	(void)out;
	return HT_BAD;
}

void ht_protobuf_free(struct ht_protobuf *p) {
	(void)p;
}
