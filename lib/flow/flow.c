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
	uint64_t secret[6];
};

struct ht_flow_table *ht_flow_table_new(uint32_t max_flows, uint64_t secret) {
	struct ht_flow_table *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->num_buckets = 1;
	while (t->num_buckets < UINT32_MAX / 2 / WAYS && t->num_buckets * WAYS < max_flows)
		t->num_buckets *= 2;
	for (unsigned i = 0; i < HT_ARRAY_LEN(t->secret); i++)
		t->secret[i] = XXH3_64bits_withSeed(&i, sizeof(i), secret);
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
#ifdef MADV_HUGEPAGE
	// Flows are met at random: with small pages each look-up would miss the TLB as well.
	madvise(t->tags, t->num_buckets * sizeof(struct tags), MADV_HUGEPAGE);
	madvise(t->flows, slots * sizeof(struct ht_flow), MADV_HUGEPAGE);
#endif
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

// Both ends as words: the order of the addresses as bytes is that of the big-endian words.
struct ends {
	uint64_t src[2], dst[2];
};

static struct ends ends_of(const struct ht_flow_key *k) {
	return (struct ends){
		{ht_be64(k->src), ht_be64(k->src + 8)},
		{ht_be64(k->dst), ht_be64(k->dst + 8)},
	};
}

// Side 0 has the smaller address, then the smaller port.
static uint8_t side_of(const struct ends *e, const struct ht_flow_key *k) {
	if (e->src[0] != e->dst[0])
		return e->src[0] > e->dst[0];
	if (e->src[1] != e->dst[1])
		return e->src[1] > e->dst[1];
	return k->sport > k->dport;
}

static uint64_t fold(uint64_t a, uint64_t b) {
	unsigned __int128 m = (unsigned __int128)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

// Folded 128-bit products of the key's words with secret ones, the construction of wyhash and XXH3,
// on words that are in registers already. Both directions give the same: the words are swapped, not
// the hashes.
struct ht_flow_ref
ht_flow_ref(const struct ht_flow_table *t, const struct ht_flow_key *key, uint8_t proto) {
	struct ends e = ends_of(key);
	uint8_t side = side_of(&e, key);
	const uint64_t *a = side ? e.dst : e.src, *b = side ? e.src : e.dst;
	uint64_t ports = side ? (uint64_t)key->dport << 16 | key->sport
			      : (uint64_t)key->sport << 16 | key->dport;
	uint64_t h = fold(a[0] ^ t->secret[0], a[1] ^ t->secret[1])
		     ^ fold(b[0] ^ t->secret[2], b[1] ^ t->secret[3]);
	h = fold(h ^ t->secret[4], (ports << 8 | proto) ^ t->secret[5]);
	return (struct ht_flow_ref){h ^ h >> 29, side};
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

const struct ht_flow *ht_flow_prefetch(const struct ht_flow_table *t, struct ht_flow_ref r) {
	uint32_t b = bucket_of(t, r);
	unsigned m = match(&t->tags[b], tag_of(r));
	const struct ht_flow *likely
		= m != 0 ? &t->flows[b * WAYS + (unsigned)__builtin_ctz(m)] : NULL;
	if (m == 0)
		m = match(&t->tags[b], 0); // a new flow goes to an empty slot
	if (m == 0)
		m = (1u << WAYS) - 1; // or takes the place of one of these
	for (; m != 0; m &= m - 1)
		__builtin_prefetch(&t->flows[b * WAYS + (unsigned)__builtin_ctz(m)]);
	return likely;
}

static bool same_address(const uint8_t *a, const uint8_t *b) {
	uint64_t x[2], y[2];
	memcpy(x, a, 16);
	memcpy(y, b, 16);
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

struct ht_flow *ht_flow_find(
	struct ht_flow_table *t, struct ht_flow_ref r, const struct ht_flow_key *key, uint8_t proto
) {
	uint32_t b = bucket_of(t, r);
	for (unsigned m = match(&t->tags[b], tag_of(r)); m != 0; m &= m - 1) {
		struct ht_flow *f = &t->flows[b * WAYS + (unsigned)__builtin_ctz(m)];
		if (f->port[r.side] == key->sport && f->port[!r.side] == key->dport
		    && f->proto == proto && same_address(f->addr[r.side], key->src)
		    && same_address(f->addr[!r.side], key->dst))
			return f;
	}
	return NULL;
}

struct ht_flow *ht_flow_victim(struct ht_flow_table *t, struct ht_flow_ref r, uint32_t now) {
	uint32_t b = bucket_of(t, r);
	struct ht_flow *bucket = &t->flows[b * WAYS], *best = NULL;
	unsigned empty = match(&t->tags[b], 0);
	if (empty != 0)
		return &bucket[__builtin_ctz(empty)];
	uint64_t best_score = 0;
	for (unsigned i = 0; i < WAYS; i++) {
		struct ht_flow *f = &bucket[i];
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
	struct ends e = ends_of(key);
	uint8_t side = side_of(&e, key);
	memset(slot, 0, sizeof(*slot));
	memcpy(slot->addr[side], key->src, 16);
	memcpy(slot->addr[!side], key->dst, 16);
	slot->port[side] = key->sport;
	slot->port[!side] = key->dport;
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
