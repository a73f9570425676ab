// SPDX-License-Identifier: BSD-3-Clause
// Input: [flags byte][stream]. The stream is looked at whole, and in pieces whose sizes follow from
// the flags; both must find the same. Flags: bits 0-2 the piece size's shape, bits 3-7 the port.

#include "upgrade.h"

#include <stdlib.h>

#define MAX_EVENTS 64

struct event {
	uint32_t offset;
	uint8_t num_via;
	uint8_t via[HT_VIA_MAX];
};

struct events {
	struct event e[MAX_EVENTS];
	unsigned num; // the first MAX_EVENTS are kept
	enum ht_rc last;
	uint8_t speaks;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok) {
	if (!ok)
		abort();
}

// look scans until nothing more is found, as if TLS never came.
static void look(struct ht_upgrade *u, struct events *ev, const uint8_t *in, size_t len) {
	// A block of exactly this size, so that a sanitizer sees the byte after it.
	uint8_t *p = malloc(len > 0 ? len : 1);
	must(p != NULL);
	memcpy(p, in, len);
	uint32_t before = u->offset;
	while ((ev->last = ht_upgrade_scan(u, HT_SPAN(p, len))) == HT_OK) {
		must(u->offset > before && u->offset <= len && u->offset <= HT_UPGRADE_MAX);
		must(u->num_via >= 1 && u->num_via <= HT_VIA_MAX);
		before = u->offset;
		if (ev->num < MAX_EVENTS) {
			struct event *e = &ev->e[ev->num];
			e->offset = u->offset;
			e->num_via = u->num_via;
			memcpy(e->via, u->via, sizeof(e->via));
		}
		ev->num++;
	}
	must(ev->last == HT_MORE || ev->last == HT_BAD);
	ev->speaks = u->speaks;
	free(p);
}

// next_piece tells how many bytes come next.
static size_t next_piece(uint8_t flags, const uint8_t *in, size_t at) {
	switch (flags & 7) {
	case 0:
		return 1;
	case 1:
		return 2;
	case 2:
		return 7;
	case 3:
		return 1u + (in[at] & 15u);
	case 4:
		return 1u + in[at];
	case 5:
		return at == 0 ? 1u : 1460u;
	case 6:
		return 536;
	default:
		return 1u + in[at] * 16u;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static const uint16_t ports[32]
		= {0, 21, 24, 25, 110, 119, 143, 194, 433, 587, 2000, 4190, 6667};
	if (size < 1)
		return 0;
	uint8_t flags = data[0];
	const uint8_t *in = data + 1;
	size_t len = size - 1;

	struct ht_upgrade whole = {.port_hint = ports[flags >> 3]};
	struct events a = {0};
	look(&whole, &a, in, len);

	struct ht_upgrade cut = {.port_hint = ports[flags >> 3]};
	struct events b = {0};
	// Copies of all that came so far: no more than 300 of them.
	for (size_t at = 0, pieces = 0; at < len; pieces++) {
		size_t n = pieces < 300 ? next_piece(flags, in, at) : len - at;
		at = n < len - at ? at + n : len;
		look(&cut, &b, in, at);
	}
	if (len == 0)
		look(&cut, &b, in, 0);

	must(a.num == b.num && a.last == b.last && a.speaks == b.speaks);
	for (unsigned i = 0; i < a.num && i < MAX_EVENTS; i++) {
		must(a.e[i].offset == b.e[i].offset && a.e[i].num_via == b.e[i].num_via);
		must(memcmp(a.e[i].via, b.e[i].via, a.e[i].num_via) == 0);
	}
	return 0;
}
