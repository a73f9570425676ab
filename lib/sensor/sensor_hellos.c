// SPDX-License-Identifier: BSD-3-Clause
// The pool of hellos in progress.

#include "sensor_int.h"

#include <sys/mman.h>

bool hellos_new(struct ht_sensor *s) {
	size_t num = (size_t)s->p.max_hellos + 1;
	// Anonymous pages are zero and cost nothing until used: the free list is threaded lazily,
	// so that a quiet link never touches most of the pool.
	s->hellos
		= mmap(NULL, num * sizeof(s->hellos[0]), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->hellos == MAP_FAILED) {
		s->hellos = NULL;
		return false;
	}
	s->hello_free = 1;
	return true;
}

void hellos_free(struct ht_sensor *s) {
	if (s->hellos != NULL)
		munmap(s->hellos, ((size_t)s->p.max_hellos + 1) * sizeof(s->hellos[0]));
}

static uint32_t index_of(const struct ht_sensor *s, const struct hello *h) {
	return (uint32_t)(h - s->hellos);
}

static void unlink_hello(struct ht_sensor *s, struct hello *h) {
	if (h->older != 0)
		s->hellos[h->older].newer = h->newer;
	else
		s->hello_oldest = h->newer;
	if (h->newer != 0)
		s->hellos[h->newer].older = h->older;
	else
		s->hello_newest = h->older;
}

static void link_newest(struct ht_sensor *s, struct hello *h) {
	uint32_t i = index_of(s, h);
	h->older = s->hello_newest;
	h->newer = 0;
	if (s->hello_newest != 0)
		s->hellos[s->hello_newest].newer = i;
	else
		s->hello_oldest = i;
	s->hello_newest = i;
}

struct hello *hello_of(struct ht_sensor *s, const struct ht_flow *f) {
	return f->work != 0 ? &s->hellos[f->work] : NULL;
}

struct hello *hello_get(struct ht_sensor *s, struct ht_flow *f, enum hello_kind kind) {
	if (s->hello_free > s->p.max_hellos)
		hello_make_room(s, NULL);
	uint32_t i = s->hello_free;
	struct hello *h = &s->hellos[i];
	// 0 in a free entry that was never used means "the next one".
	s->hello_free = h->newer != 0 ? h->newer : i + 1;
	h->kind = (uint8_t)kind;
	h->begun = h->talk = h->told = h->fin[0] = h->fin[1] = false;
	h->datagrams = h->weighed = 0;
	h->client = 0;
	h->flow = UINT32_MAX;
	h->at = (struct sighting){.ts = s->now, .encap = h->encap};
	switch (kind) {
	case HELLO_TCP:
		memset(h->tcp, 0, sizeof(h->tcp));
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
	link_newest(s, h);
	if (f != NULL) {
		h->flow = f->slot;
		f->work = i;
		f->state = HT_FLOW_WORKING;
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
	unlink_hello(s, h);
	if (h->flow != UINT32_MAX) {
		struct ht_flow *f = ht_flow_at(s->flows, h->flow);
		f->work = 0;
		f->state = HT_FLOW_OPEN;
	}
	h->kind = HELLO_FREE;
	h->newer = s->hello_free; // last in, first out: the next one is warm in the cache
	s->hello_free = index_of(s, h);
}

void hello_touch(struct ht_sensor *s, struct hello *h, const struct sighting *at) {
	if (index_of(s, h) != s->hello_newest) {
		unlink_hello(s, h);
		link_newest(s, h);
	}
	h->at = *at;
	memcpy(h->encap, at->encap, at->num_encap * sizeof(h->encap[0]));
	h->at.encap = h->encap;
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
	uint32_t i = s->hello_oldest;
	if (i != 0 && &s->hellos[i] == keep)
		i = keep->newer;
	if (i == 0)
		return false;
	count(s, HT_CTR_HELLOS_EVICTED);
	give_up(s, &s->hellos[i], HT_CTR_STREAM_EVICTED, HT_INCOMPLETE_EVICTED);
	return true;
}

void hellos_expire(struct ht_sensor *s) {
	while (s->hello_oldest != 0) {
		struct hello *h = &s->hellos[s->hello_oldest];
		// A jump back in time is another capture: what the last one left is as old.
		if (!ht_older_than(s->now, h->at.ts, s->hello_idle_ns)
		    && !ht_older_than(h->at.ts, s->now, s->hello_idle_ns))
			return;
		give_up(s, h, HT_CTR_STREAM_IDLE, HT_INCOMPLETE_IDLE);
	}
}

void hellos_end(struct ht_sensor *s) {
	while (s->hello_oldest != 0)
		give_up(s, &s->hellos[s->hello_oldest], HT_CTR_STREAM_OPEN,
			HT_INCOMPLETE_END_OF_CAPTURE);
}
