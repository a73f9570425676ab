// SPDX-License-Identifier: BSD-3-Clause

#include "flow.h"

#include "pages.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <xxhash.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define WAYS 16

// What is asked of a bucket is in one cache line: whose flows its slots hold, and what each is
// worth. The flows themselves are touched when the tag is right, or to be given up.
struct bucket {
	uint16_t tag[WAYS]; // 0: empty
	uint16_t worth[WAYS]; // worth_of()
} __attribute__((aligned(64)));

// Of a slot that a table of fewer than WAYS does not have: neither empty nor anybody's.
#define TAG_NONE 0xfffe

struct ht_flow_table {
	struct bucket *buckets;
	struct ht_flow *flows; // WAYS to a bucket
	uint32_t num_buckets; // a power of two
	uint32_t capacity;
	uint64_t secret[6];
};

#define HUGE_PAGE ((size_t)2 << 20)

// Half a huge page and more is a whole one: flows are met at random, and with small pages each
// look-up would miss the TLB as well.
static size_t rounded(size_t bytes) {
	return bytes < HUGE_PAGE / 2 ? bytes : (bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
}

static size_t bytes_of_buckets(const struct ht_flow_table *t) {
	return t->num_buckets * sizeof(struct bucket);
}

static size_t bytes_of_flows(const struct ht_flow_table *t) {
	return (size_t)t->num_buckets * WAYS * sizeof(struct ht_flow);
}

struct ht_flow_table *ht_flow_table_new(uint32_t max_flows, uint64_t secret) {
	struct ht_flow_table *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->capacity = WAYS / 2;
	while (t->capacity < UINT32_MAX / 2 && t->capacity < max_flows)
		t->capacity *= 2;
	t->num_buckets = t->capacity < WAYS ? 1 : t->capacity / WAYS;
	for (unsigned i = 0; i < HT_ARRAY_LEN(t->secret); i++)
		t->secret[i] = XXH3_64bits_withSeed(&i, sizeof(i), secret);
	t->buckets = ht_pages_new(rounded(bytes_of_buckets(t)));
	t->flows = ht_pages_new(rounded(bytes_of_flows(t)));
	if (t->buckets == NULL || t->flows == NULL) {
		ht_flow_table_free(t);
		return NULL;
	}
	for (uint32_t i = t->capacity; i < WAYS; i++)
		t->buckets[0].tag[i] = TAG_NONE;
	return t;
}

void ht_flow_table_free(struct ht_flow_table *t) {
	if (t == NULL)
		return;
	ht_pages_free(t->buckets, rounded(bytes_of_buckets(t)));
	ht_pages_free(t->flows, rounded(bytes_of_flows(t)));
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

// Side 0 has the smaller address, then the smaller port. Which side a packet comes from is a coin
// toss, so no branch depends on it, here and below.
static uint8_t side_of(const struct ends *e, const struct ht_flow_key *k) {
	const unsigned __int128 src = (unsigned __int128)e->src[0] << 64 | e->src[1];
	const unsigned __int128 dst = (unsigned __int128)e->dst[0] << 64 | e->dst[1];
	return HT_UNLIKELY(src == dst) ? k->sport > k->dport : src > dst;
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
	const struct ends e = ends_of(key);
	const uint8_t side = side_of(&e, key);
	const uint64_t mask = -(uint64_t)side;
	const uint64_t swap[2] = {(e.src[0] ^ e.dst[0]) & mask, (e.src[1] ^ e.dst[1]) & mask};
	const uint64_t ports_swap = (key->sport ^ key->dport) & mask;
	const uint64_t ports = (key->sport ^ ports_swap) << 16 | (key->dport ^ ports_swap);
	uint64_t h = fold(e.src[0] ^ swap[0] ^ t->secret[0], e.src[1] ^ swap[1] ^ t->secret[1])
		     ^ fold(e.dst[0] ^ swap[0] ^ t->secret[2], e.dst[1] ^ swap[1] ^ t->secret[3]);
	h = fold(h ^ t->secret[4], (ports << 8 | proto) ^ t->secret[5]);
	return (struct ht_flow_ref){h ^ h >> 29, side};
}

static uint32_t bucket_of(const struct ht_flow_table *t, struct ht_flow_ref r) {
	return (uint32_t)r.hash & (t->num_buckets - 1);
}

static uint16_t tag_of(struct ht_flow_ref r) {
	return (uint16_t)(r.hash >> 48) | 1; // never 0, never TAG_NONE
}

// A bit for each of a bucket's words that is `want`.
static unsigned match(const uint16_t words[WAYS], uint16_t want) {
#ifdef __SSE2__
	const __m128i *v = (const __m128i *)words, w = _mm_set1_epi16((short)want);
	return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(
		_mm_cmpeq_epi16(_mm_load_si128(v), w), _mm_cmpeq_epi16(_mm_load_si128(v + 1), w)
	));
#else
	unsigned m = 0;
	for (unsigned i = 0; i < WAYS; i++)
		m |= (unsigned)(words[i] == want) << i;
	return m;
#endif
}

// What a flow is worth, in 16 bits: its state, and when it was seen last in units of 16 ticks
// (268 ms), of which 14 bits last for 73 minutes.
#define AGE_MASK 0x3fff

static uint16_t worth_of(uint8_t state, uint32_t seen) {
	return (uint16_t)(state << 14 | (seen >> 4 & AGE_MASK));
}

// Out of order by so much is no age.
#define AGE_AHEAD 64

// The first of those that are worth least: done before open before working, then the oldest.
// Without branches, so that the compiler makes a few vector instructions of it.
static unsigned least(const struct bucket *b, uint32_t now) {
	uint16_t score[WAYS] __attribute__((aligned(16)));
	uint16_t best = 0;
	for (unsigned i = 0; i < WAYS; i++) {
		uint16_t age = (uint16_t)((now >> 4) - b->worth[i]) & AGE_MASK;
		age = age > AGE_MASK - AGE_AHEAD ? 0 : age;
		score[i] = (uint16_t)(~b->worth[i] & ~AGE_MASK) | age;
		score[i] = b->tag[i] == TAG_NONE ? 0 : score[i];
	}
	for (unsigned i = 0; i < WAYS; i++)
		best = score[i] > best ? score[i] : best;
	return (unsigned)__builtin_ctz(match(score, best));
}

// The slot that a new flow takes.
static uint32_t victim(const struct ht_flow_table *t, struct ht_flow_ref r, uint32_t now) {
	const uint32_t n = bucket_of(t, r);
	const struct bucket *b = &t->buckets[n];
	const unsigned empty = match(b->tag, 0);
	if (empty != 0)
		return n * WAYS + (unsigned)__builtin_ctz(empty);
	return n * WAYS + least(b, now);
}

void ht_flow_prefetch_tags(const struct ht_flow_table *t, struct ht_flow_ref r) {
	__builtin_prefetch(&t->buckets[bucket_of(t, r)]);
}

struct ht_flow *
ht_flow_prefetch(const struct ht_flow_table *t, struct ht_flow_ref r, uint32_t now) {
	const uint32_t n = bucket_of(t, r);
	const unsigned m = match(t->buckets[n].tag, tag_of(r));
	if (HT_UNLIKELY(m == 0)) { // a new flow, perhaps
		__builtin_prefetch(&t->flows[victim(t, r, now)], 1);
		return NULL;
	}
	struct ht_flow *likely = &t->flows[n * WAYS + (unsigned)__builtin_ctz(m)];
	__builtin_prefetch(likely);
	return likely;
}

struct ht_flow *ht_flow_find(
	struct ht_flow_table *t, struct ht_flow_ref r, const struct ht_flow_key *key, uint8_t proto
) {
	uint32_t b = bucket_of(t, r);
	for (unsigned m = match(t->buckets[b].tag, tag_of(r)); m != 0; m &= m - 1) {
		struct ht_flow *f = &t->flows[b * WAYS + (unsigned)__builtin_ctz(m)];
		if (ht_flow_is(f, r, key, proto))
			return f;
	}
	return NULL;
}

struct ht_flow *ht_flow_victim(struct ht_flow_table *t, struct ht_flow_ref r, uint32_t now) {
	return &t->flows[victim(t, r, now)];
}

void ht_flow_note(struct ht_flow_table *t, const struct ht_flow *f) {
	t->buckets[f->slot / WAYS].worth[f->slot % WAYS] = worth_of(f->state, f->seen);
}

void ht_flow_fill(
	struct ht_flow_table *t,
	struct ht_flow *slot,
	struct ht_flow_ref r,
	const struct ht_flow_key *key,
	uint8_t proto,
	uint32_t now
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
	slot->seen = now;
	slot->slot = i;
	t->buckets[i / WAYS].tag[i % WAYS] = tag_of(r);
	ht_flow_note(t, slot);
}

void ht_flow_remove(struct ht_flow_table *t, struct ht_flow *slot) {
	uint32_t i = (uint32_t)(slot - t->flows);
	slot->state = HT_FLOW_FREE;
	t->buckets[i / WAYS].tag[i % WAYS] = 0;
}

struct ht_flow *ht_flow_at(struct ht_flow_table *t, uint32_t i) {
	return &t->flows[i];
}

uint32_t ht_flow_capacity(const struct ht_flow_table *t) {
	return t->capacity;
}
