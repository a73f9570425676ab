// SPDX-License-Identifier: BSD-3-Clause
// The pool of hellos in progress.

#include "pages.h"
#include "sensor_int.h"

#include <stdlib.h>

bool hellos_new(struct ht_sensor *s) {
	size_t num = (size_t)s->p.max_hellos + 1;
	// The free list is threaded lazily, so that a quiet link never touches most of the pool.
	s->hellos = ht_pages_new(num * sizeof(s->hellos[0]));
	s->hello_links = calloc(num, sizeof(s->hello_links[0]));
	s->hello_free = 1;
	return s->hellos != NULL && s->hello_links != NULL;
}

void hellos_free(struct ht_sensor *s) {
	ht_pages_free(s->hellos, ((size_t)s->p.max_hellos + 1) * sizeof(s->hellos[0]));
	free(s->hello_links);
}

static uint32_t index_of(const struct ht_sensor *s, const struct hello *h) {
	return (uint32_t)(h - s->hellos);
}

static void unlink_hello(struct ht_sensor *s, uint32_t i) {
	struct hello_links *links = s->hello_links;
	links[links[i].older].newer = links[i].newer;
	links[links[i].newer].older = links[i].older;
}

static void link_newest(struct ht_sensor *s, uint32_t i) {
	struct hello_links *links = s->hello_links;
	links[i].newer = 0;
	links[i].older = links[0].older;
	links[links[0].older].newer = i;
	links[0].older = i;
}

void side_clear(struct tcp_side *t) {
	memset(t, 0, offsetof(struct tcp_side, upgrade));
	t->upgrade = (struct ht_upgrade){0};
	memset(&t->stream, 0, offsetof(struct ht_stream, data.have.r));
	t->framer = (struct ht_tls_framer){0};
	t->openvpn = (struct ht_openvpn_stream){0};
}

struct hello *hello_get(struct ht_sensor *s, struct ht_flow *f, enum hello_kind kind) {
	if (s->hello_free > s->p.max_hellos)
		hello_make_room(s, NULL);
	uint32_t i = s->hello_free;
	struct hello *h = &s->hellos[i];
	// 0 in a free entry that was never used means "the next one".
	const uint32_t next = s->hello_links[i].newer;
	s->hello_free = next != 0 ? next : i + 1;
	h->kind = (uint8_t)kind;
	h->begun = h->talk = h->told = h->fin[0] = h->fin[1] = false;
	h->datagrams = h->weighed = 0;
	h->client = 0;
	h->flow = UINT32_MAX;
	h->at = (struct sighting){.ts = s->now, .encap = h->encap};
	switch (kind) {
	case HELLO_TCP:
		side_clear(&h->tcp[0]);
		side_clear(&h->tcp[1]);
		break;
	case HELLO_QUIC:
		memset(&h->quic, 0, sizeof(h->quic));
		break;
	case HELLO_CARRIED:
		memset(&h->carried, 0, sizeof(h->carried));
		break;
	default:
		memset(&h->dtls, 0, sizeof(h->dtls));
		break;
	}
	link_newest(s, i);
	if (f != NULL) {
		h->flow = f->slot;
		f->work = i;
		flow_state(s, f, HT_FLOW_WORKING);
	}
	return h;
}

void hello_put(struct ht_sensor *s, struct hello *h) {
	switch (h->kind) {
	case HELLO_TCP:
		if (h->talk && !h->told)
			count(s, HT_CTR_UPGRADE_UNSAID);
		ht_stream_drop(&h->tcp[0].stream, s->arena);
		ht_stream_drop(&h->tcp[1].stream, s->arena);
		break;
	case HELLO_QUIC:
		ht_quic_drop(s->quic, &h->quic);
		break;
	case HELLO_CARRIED:
		ht_pieces_drop(&h->carried.pieces, s->arena);
		break;
	default:
		ht_dtls_next(&h->dtls, s->arena);
		break;
	}
	const uint32_t i = index_of(s, h);
	unlink_hello(s, i);
	if (h->flow != UINT32_MAX) {
		struct ht_flow *f = ht_flow_at(s->flows, h->flow);
		f->work = 0;
		flow_state(s, f, HT_FLOW_OPEN);
	}
	h->kind = HELLO_FREE;
	// Last in, first out: the next one is warm in the cache.
	s->hello_links[i].newer = s->hello_free;
	s->hello_free = i;
}

void hello_touch(struct ht_sensor *s, struct hello *h, const struct sighting *at) {
	const uint32_t i = index_of(s, h);
	if (i != s->hello_links[0].older) {
		unlink_hello(s, i);
		link_newest(s, i);
	}
	h->at = *at;
	h->at.encap = h->encap;
	for (unsigned n = 0; n < at->num_encap; n++)
		h->encap[n] = at->encap[n];
}

static void
give_up(struct ht_sensor *s, struct hello *h, enum ht_ledger open, enum ht_incomplete why) {
	struct ht_flow *f = ht_flow_at(s->flows, h->flow);
	if (h->kind == HELLO_TCP)
		tcp_end(s, f, open, why);
	else
		udp_end(s, h, why);
}

bool hello_make_room(struct ht_sensor *s, const struct hello *keep) {
	uint32_t i = s->hello_links[0].newer;
	if (i != 0 && &s->hellos[i] == keep)
		i = s->hello_links[i].newer;
	if (i == 0)
		return false;
	count(s, HT_CTR_HELLOS_EVICTED);
	give_up(s, &s->hellos[i], HT_CTR_STREAM_EVICTED, HT_INCOMPLETE_EVICTED);
	return true;
}

void hellos_give_up_idle(struct ht_sensor *s) {
	while (hellos_are_idle(s))
		give_up(s, &s->hellos[s->hello_links[0].newer], HT_CTR_STREAM_IDLE,
			HT_INCOMPLETE_IDLE);
}

void hellos_end(struct ht_sensor *s) {
	uint32_t oldest;
	while ((oldest = s->hello_links[0].newer) != 0)
		give_up(s, &s->hellos[oldest], HT_CTR_STREAM_OPEN, HT_INCOMPLETE_END_OF_CAPTURE);
}
