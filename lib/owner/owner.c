// SPDX-License-Identifier: BSD-3-Clause

#include "owner.h"

#include "packet.h"

#include <stdlib.h>
#include <xxhash.h>

#define PORTS 65536u

struct ht_owner {
	unsigned interest; // workers [0, interest)
	unsigned rest; // workers [interest, interest + rest)
	bool sorts;
	uint64_t secret;
	unsigned turn;
	struct ht_packet packet; // scratch
	uint8_t tcp[PORTS / 8], udp[PORTS / 8]; // a bit a port
};

static void set(uint8_t *bits, const uint16_t *ports, unsigned num) {
	for (unsigned i = 0; i < num; i++)
		bits[ports[i] >> 3] |= (uint8_t)(1u << (ports[i] & 7));
}

static bool has(const uint8_t *bits, uint16_t port) {
	return bits[port >> 3] >> (port & 7) & 1;
}

struct ht_owner *ht_owner_new(const struct ht_owner_params *p) {
	struct ht_owner *o = calloc(1, sizeof(*o));
	if (o == NULL)
		return NULL;
	o->interest = p->rest_from;
	o->rest = p->workers - p->rest_from;
	o->sorts = p->drop_rest || o->rest > 0;
	o->secret = p->secret;
	set(o->tcp, p->tcp, p->num_tcp);
	set(o->udp, p->udp, p->num_udp);
	return o;
}

void ht_owner_free(struct ht_owner *o) {
	free(o);
}

static bool of_interest(const struct ht_owner *o, const struct ht_packet *p) {
	switch (p->end) {
	case HT_PACKET_TCP:
		return has(o->tcp, p->key.sport) || has(o->tcp, p->key.dport);
	case HT_PACKET_UDP:
		return has(o->udp, p->key.sport) || has(o->udp, p->key.dport);
	case HT_PACKET_FRAGMENT:
	case HT_PACKET_EAPOL:
		return true;
	default:
		return false;
	}
}

// The same for both directions: the smaller end comes first.
static uint64_t hash(const struct ht_owner *o, const uint8_t *a, const uint8_t *b, size_t len) {
	uint8_t ends[32];
	const bool swap = memcmp(a, b, len) > 0;
	memcpy(ends, swap ? b : a, len);
	memcpy(ends + len, swap ? a : b, len);
	return XXH3_64bits_withSeed(ends, 2 * len, o->secret);
}

unsigned ht_owner_of(struct ht_owner *o, const struct ht_frame *f) {
	struct ht_packet *p = &o->packet;
	uint64_t h;
	ht_packet_parse(p, f);
	const bool rest = o->sorts && !of_interest(o, p);
	if (rest && o->rest == 0)
		return HT_OWNER_NONE;
	switch (p->end) {
	case HT_PACKET_TCP:
	case HT_PACKET_UDP:
	case HT_PACKET_FRAGMENT:
		h = hash(o, p->key.src, p->key.dst, sizeof(p->key.src));
		break;
	case HT_PACKET_EAPOL:
		h = hash(o, p->src_mac, p->dst_mac, sizeof(p->src_mac));
		break;
	default:
		if (!o->sorts)
			return HT_OWNER_SELF;
		return o->interest + o->turn++ % o->rest; // part of nothing: each in turn
	}
	// The upper half of a 64-bit hash, scaled to the number of workers.
	const uint64_t among = rest ? o->rest : o->interest;
	return (unsigned)((h >> 32) * among >> 32) + (rest ? o->interest : 0);
}
