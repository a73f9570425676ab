// SPDX-License-Identifier: BSD-3-Clause

#include "flow.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <sys/mman.h>
#include <xxhash.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define WAYS 8

struct tags {
	uint16_t t[WAYS]; // 0: empty
} __attribute__((aligned(16)));

struct ht_flow_table {
	struct tags *tags;
	struct ht_flow *flows; // WAYS to a bucket
	uint32_t num_buckets; // a power of two
	uint64_t secret;
};

struct ht_flow_table *ht_flow_table_new(uint32_t max_flows, uint64_t secret) {
	struct ht_flow_table *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->num_buckets = 1;
	while (t->num_buckets < UINT32_MAX / 2 / WAYS && t->num_buckets * WAYS < max_flows)
		t->num_buckets *= 2;
	t->secret = secret;
	size_t slots = (size_t)t->num_buckets * WAYS;
	// Anonymous pages: zero, aligned, and not there until they are used.
	t->tags
		= mmap(NULL, t->num_buckets * sizeof(struct tags), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	t->flows
		= mmap(NULL, slots * sizeof(struct ht_flow), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->tags == MAP_FAILED || t->flows == MAP_FAILED) {
		ht_flow_table_free(t);
		return NULL;
	}
	return t;
}

void ht_flow_table_free(struct ht_flow_table *t) {
	if (t == NULL)
		return;
	if (t->tags != MAP_FAILED)
		munmap(t->tags, t->num_buckets * sizeof(struct tags));
	if (t->flows != MAP_FAILED)
		munmap(t->flows, (size_t)t->num_buckets * WAYS * sizeof(struct ht_flow));
	free(t);
}

// The key as it is hashed: both ends in canonical order.
struct canonical {
	uint8_t addr[2][16];
	uint16_t port[2];
};

static uint8_t canonical(struct canonical *c, const struct ht_flow_key *k) {
	int order = memcmp(k->src, k->dst, 16);
	uint8_t side = order > 0 || (order == 0 && k->sport > k->dport);
	memcpy(c->addr[side], k->src, 16);
	memcpy(c->addr[!side], k->dst, 16);
	c->port[side] = k->sport;
	c->port[!side] = k->dport;
	return side;
}

struct ht_flow_ref
ht_flow_ref(const struct ht_flow_table *t, const struct ht_flow_key *key, uint8_t proto) {
	struct canonical c;
	uint8_t side = canonical(&c, key);
	return (struct ht_flow_ref){XXH3_64bits_withSeed(&c, sizeof(c), t->secret + proto), side};
}

static uint32_t bucket_of(const struct ht_flow_table *t, struct ht_flow_ref r) {
	return (uint32_t)r.hash & (t->num_buckets - 1);
}

static uint16_t tag_of(struct ht_flow_ref r) {
	return (uint16_t)(r.hash >> 48) | 1; // never 0
}

// A bit for each slot of the bucket that has the tag.
static unsigned match(const struct tags *tags, uint16_t tag) {
#ifdef __SSE2__
	__m128i eq = _mm_cmpeq_epi16(
		_mm_load_si128((const __m128i *)tags), _mm_set1_epi16((short)tag)
	);
	return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(eq, _mm_setzero_si128()));
#else
	unsigned m = 0;
	for (unsigned i = 0; i < WAYS; i++)
		m |= (unsigned)(tags->t[i] == tag) << i;
	return m;
#endif
}

void ht_flow_prefetch_tags(const struct ht_flow_table *t, struct ht_flow_ref r) {
	__builtin_prefetch(&t->tags[bucket_of(t, r)]);
}

void ht_flow_prefetch(const struct ht_flow_table *t, struct ht_flow_ref r) {
	uint32_t b = bucket_of(t, r);
	unsigned m = match(&t->tags[b], tag_of(r));
	unsigned way = m != 0 ? (unsigned)__builtin_ctz(m) : 0;
	__builtin_prefetch(&t->flows[b * WAYS + way]);
}

struct ht_flow *ht_flow_find(
	struct ht_flow_table *t, struct ht_flow_ref r, const struct ht_flow_key *key, uint8_t proto
) {
	uint32_t b = bucket_of(t, r);
	for (unsigned m = match(&t->tags[b], tag_of(r)); m != 0; m &= m - 1) {
		struct ht_flow *f = &t->flows[b * WAYS + (unsigned)__builtin_ctz(m)];
		if (f->port[r.side] == key->sport && f->port[!r.side] == key->dport
		    && f->proto == proto && memcmp(f->addr[r.side], key->src, 16) == 0
		    && memcmp(f->addr[!r.side], key->dst, 16) == 0)
			return f;
	}
	return NULL;
}

struct ht_flow *ht_flow_victim(struct ht_flow_table *t, struct ht_flow_ref r, uint32_t now) {
	struct ht_flow *bucket = &t->flows[bucket_of(t, r) * WAYS], *best = NULL;
	uint64_t best_score = 0;
	for (unsigned i = 0; i < WAYS; i++) {
		struct ht_flow *f = &bucket[i];
		if (f->state == HT_FLOW_FREE)
			return f;
		int32_t age = (int32_t)(now - f->seen);
		uint64_t score = (uint64_t)(HT_FLOW_WORKING - f->state + 1) << 32
				 | (age > 0 ? (uint32_t)age : 0);
		if (score > best_score) {
			best_score = score;
			best = f;
		}
	}
	return best;
}

void ht_flow_fill(
	struct ht_flow_table *t,
	struct ht_flow *slot,
	struct ht_flow_ref r,
	const struct ht_flow_key *key,
	uint8_t proto
) {
	uint32_t i = (uint32_t)(slot - t->flows);
	struct canonical c;
	canonical(&c, key);
	memset(slot, 0, sizeof(*slot));
	memcpy(slot->addr, c.addr, sizeof(c.addr));
	memcpy(slot->port, c.port, sizeof(c.port));
	slot->proto = proto;
	slot->state = HT_FLOW_OPEN;
	slot->slot = i;
	t->tags[i / WAYS].t[i % WAYS] = tag_of(r);
}

void ht_flow_remove(struct ht_flow_table *t, struct ht_flow *slot) {
	uint32_t i = (uint32_t)(slot - t->flows);
	slot->state = HT_FLOW_FREE;
	t->tags[i / WAYS].t[i % WAYS] = 0;
}

struct ht_flow *ht_flow_at(struct ht_flow_table *t, uint32_t i) {
	return &t->flows[i];
}

uint32_t ht_flow_capacity(const struct ht_flow_table *t) {
	return t->num_buckets * WAYS;
}
