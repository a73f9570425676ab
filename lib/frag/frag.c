// SPDX-License-Identifier: BSD-3-Clause

#include "frag.h"

#include "arena.h"

#include <stdlib.h>

// What was received of a packet is a bitmap of 8-byte units, because that is what the wire counts
// in (RFC 791 3.2, RFC 8200 4.5): any order of any fragments, down to 190 of 8 bytes, has a place
// in the 1 KiB of it, where a capped list of ranges would refuse a shuffled one.
#define UNIT 8
#define MAX_LEN 65535
#define BITMAP_WORDS (65536 / UNIT / 64)

// Packets that time out, or make room in the arena, in one call. Each call begins at most one
// packet, so that a few are enough to keep up, and a burst of thousands cannot stall the worker.
#define MAX_EXPIRED 8
#define MAX_EVICTED 64

#define NONE UINT32_MAX
#define UNKNOWN UINT32_MAX

struct key {
	uint8_t src[16], dst[16];
	uint32_t id;
	uint16_t v6;
	uint16_t proto; // 0 for IPv6: RFC 8200 4.5 leaves it out
};
_Static_assert(sizeof(struct key) == 40, "hashed and compared as bytes");

struct entry {
	struct key key;
	uint32_t next; // in the bucket, or in the free list
	uint32_t older, younger; // by the first fragment
	uint32_t bucket;
	int64_t since; // RFC 8200 4.5: the time-out counts from the fragment that came first
	uint8_t *buf;
	uint32_t size; // of buf
	uint32_t end; // of the farthest fragment
	uint32_t total; // from the last fragment, or UNKNOWN
	uint32_t units; // set in `have`
	uint8_t proto; // from the fragment at offset 0
	bool refused; // an overlap was seen: what else comes of it is dropped
	uint64_t have[BITMAP_WORDS];
};

struct ht_frag {
	struct ht_frag_params params;
	struct ht_frag_stats stats;
	struct ht_arena *arena;
	struct entry *entries;
	uint32_t *buckets;
	uint32_t bucket_mask;
	uint32_t free;
	uint32_t oldest, youngest;
	uint8_t *done; // the packet returned last
	uint32_t done_size;
};

struct ht_frag *ht_frag_new(const struct ht_frag_params *p) {
	struct ht_frag *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->params = *p;
	if (t->params.max_packets == 0)
		t->params.max_packets = 1;
	if (t->params.max_packets > UINT32_C(1) << 24)
		t->params.max_packets = UINT32_C(1) << 24;
	const uint32_t n = t->params.max_packets;
	uint32_t buckets = 1;
	while (buckets < n)
		buckets *= 2;
	t->bucket_mask = buckets - 1;
	t->arena = ht_arena_new(p->max_bytes);
	t->entries = calloc(n, sizeof(t->entries[0]));
	t->buckets = malloc(buckets * sizeof(t->buckets[0]));
	if (t->arena == NULL || t->entries == NULL || t->buckets == NULL) {
		ht_frag_free(t);
		return NULL;
	}
	memset(t->buckets, 0xff, buckets * sizeof(t->buckets[0])); // NONE
	for (uint32_t i = 0; i < n; i++)
		t->entries[i].next = i + 1 < n ? i + 1 : NONE;
	t->oldest = t->youngest = NONE;
	return t;
}

void ht_frag_free(struct ht_frag *t) {
	if (t == NULL)
		return;
	ht_arena_free(t->arena);
	free(t->entries);
	free(t->buckets);
	free(t);
}

const struct ht_frag_stats *ht_frag_stats(const struct ht_frag *t) {
	return &t->stats;
}

static uint64_t rotl(uint64_t x, unsigned n) {
	return x << n | x >> (64 - n);
}

struct sip {
	uint64_t v0, v1, v2, v3;
};

static void sip_round(struct sip *s) {
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

// SipHash-1-3 (Aumasson and Bernstein, 2012) of the key's five words. Its length is always the
// same, so that the last block, which would hold it, is left out.
static uint64_t hash(const struct ht_frag *t, const struct key *k) {
	const uint64_t *secret = t->params.secret;
	struct sip s = {
		secret[0] ^ UINT64_C(0x736f6d6570736575),
		secret[1] ^ UINT64_C(0x646f72616e646f6d),
		secret[0] ^ UINT64_C(0x6c7967656e657261),
		secret[1] ^ UINT64_C(0x7465646279746573),
	};
	uint64_t words[sizeof(*k) / 8];
	memcpy(words, k, sizeof(words));
	for (size_t i = 0; i < HT_ARRAY_LEN(words); i++) {
		s.v3 ^= words[i];
		sip_round(&s);
		s.v0 ^= words[i];
	}
	s.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

// release takes entry i out of the table; its bytes go back to the arena.
static void release(struct ht_frag *t, uint32_t i) {
	struct entry *e = &t->entries[i];
	uint32_t *link = &t->buckets[e->bucket];
	while (*link != i)
		link = &t->entries[*link].next;
	*link = e->next;
	*(e->older != NONE ? &t->entries[e->older].younger : &t->oldest) = e->younger;
	*(e->younger != NONE ? &t->entries[e->younger].older : &t->youngest) = e->older;
	if (e->buf != NULL)
		ht_arena_put(t->arena, e->buf, e->size);
	e->next = t->free;
	t->free = i;
}

// A packet that was refused has its count already.
static void give_up(struct ht_frag *t, uint32_t i, uint64_t *counter) {
	if (!t->entries[i].refused)
		++*counter;
	release(t, i);
}

static bool expired(const struct ht_frag *t, const struct entry *e, int64_t now) {
	return ht_older_than(now, e->since, t->params.timeout_ns);
}

void ht_frag_expire(struct ht_frag *t, int64_t now) {
	for (int n = 0; n < MAX_EXPIRED; n++) {
		if (t->oldest == NONE || !expired(t, &t->entries[t->oldest], now))
			return;
		give_up(t, t->oldest, &t->stats.timeout);
	}
}

static uint32_t begin(struct ht_frag *t, const struct key *k, uint32_t bucket, int64_t now) {
	if (t->free == NONE)
		give_up(t, t->oldest, &t->stats.evicted);
	uint32_t i = t->free;
	struct entry *e = &t->entries[i];
	t->free = e->next;
	*e = (struct entry){
		.key = *k,
		.next = t->buckets[bucket],
		.bucket = bucket,
		.older = t->youngest,
		.younger = NONE,
		.since = now,
		.total = UNKNOWN,
	};
	t->buckets[bucket] = i;
	*(t->youngest != NONE ? &t->entries[t->youngest].younger : &t->oldest) = i;
	t->youngest = i;
	t->stats.begun++;
	return i;
}

// find returns the packet of a key, begun now if it was not there.
static uint32_t find(struct ht_frag *t, const struct key *k, int64_t now) {
	uint32_t bucket = (uint32_t)hash(t, k) & t->bucket_mask;
	uint32_t i = t->buckets[bucket];
	while (i != NONE && memcmp(&t->entries[i].key, k, sizeof(*k)) != 0)
		i = t->entries[i].next;
	if (i != NONE && expired(t, &t->entries[i], now)) { // an id that is used again
		give_up(t, i, &t->stats.timeout);
		i = NONE;
	}
	return i != NONE ? i : begin(t, k, bucket, now);
}

// The bits of units [lo, hi) that lie in word w.
static uint64_t mask(uint32_t w, uint32_t lo, uint32_t hi) {
	uint32_t first = w * 64 < lo ? lo - w * 64 : 0;
	uint32_t last = hi - w * 64 < 64 ? hi - w * 64 : 64; // one past
	uint64_t upto = last == 64 ? UINT64_MAX : (UINT64_C(1) << last) - 1;
	return upto & UINT64_MAX << first;
}

static uint32_t count_units(const struct entry *e, uint32_t lo, uint32_t hi) {
	uint32_t n = 0;
	for (uint32_t w = lo / 64; w * 64 < hi; w++)
		n += (uint32_t)__builtin_popcountll(e->have[w] & mask(w, lo, hi));
	return n;
}

static void set_units(struct entry *e, uint32_t lo, uint32_t hi) {
	for (uint32_t w = lo / 64; w * 64 < hi; w++)
		e->have[w] |= mask(w, lo, hi);
	e->units += hi - lo;
}

// reserve makes room for `want` bytes in entry i, at the cost of the oldest packets if need be.
static bool reserve(struct ht_frag *t, uint32_t i, uint32_t want) {
	struct entry *e = &t->entries[i];
	if (want <= e->size)
		return true;
	uint32_t size;
	uint8_t *buf = ht_arena_get(t->arena, want, &size);
	for (int n = 0; buf == NULL && n < MAX_EVICTED; n++) {
		uint32_t victim = t->oldest != i ? t->oldest : e->younger;
		if (victim == NONE)
			break;
		give_up(t, victim, &t->stats.evicted);
		buf = ht_arena_get(t->arena, want, &size);
	}
	if (buf == NULL)
		return false;
	if (e->buf != NULL) {
		memcpy(buf, e->buf, e->end);
		ht_arena_put(t->arena, e->buf, e->size);
	}
	e->buf = buf;
	e->size = size;
	return true;
}

// Whether a fragment can be one at all.
static bool possible(const struct ht_fragment *f) {
	return f->data.len > 0 && f->data.len <= MAX_LEN && f->offset % UNIT == 0
	       && f->offset + f->data.len <= MAX_LEN && (!f->more || f->data.len % UNIT == 0);
}

// add puts a fragment into entry i. HT_FRAG_DONE: the packet is whole.
static enum ht_frag_end add(struct ht_frag *t, uint32_t i, const struct ht_fragment *f) {
	struct entry *e = &t->entries[i];
	const uint32_t lo = f->offset, hi = lo + (uint32_t)f->data.len;
	const uint32_t first = lo / UNIT, last = (hi + UNIT - 1) / UNIT;
	if (e->refused)
		return HT_FRAG_OVERLAP;
	// The last fragment says where the packet ends. Nothing may lie beyond, no other may say
	// otherwise, and where one said that more follows, none may end.
	bool fits;
	if (e->total == UNKNOWN)
		fits = f->more || hi > e->end;
	else
		fits = f->more ? hi < e->total : hi == e->total;
	if (!fits)
		return HT_FRAG_INVALID;

	uint32_t there = count_units(e, first, last);
	if (there > 0) {
		if (there == last - first && memcmp(e->buf + lo, f->data.p, f->data.len) == 0)
			return HT_FRAG_DUPLICATE;
		// RFC 8200 4.5 (RFC 5722 4): the packet and what else comes of it are dropped. IPv4
		// never said so, but two readings of one packet are as good for evasion there.
		e->refused = true;
		t->stats.overlap++;
		if (e->buf != NULL)
			ht_arena_put(t->arena, e->buf, e->size);
		e->buf = NULL;
		e->size = 0;
		return HT_FRAG_OVERLAP;
	}
	if (!reserve(t, i, hi)) { // without this part it will never be whole
		give_up(t, i, &t->stats.evicted);
		return HT_FRAG_NO_ROOM;
	}
	memcpy(e->buf + lo, f->data.p, f->data.len);
	set_units(e, first, last);
	// RFC 8200 4.5: the Next Header of the other fragments may differ, and means nothing.
	if (lo == 0)
		e->proto = f->proto;
	if (hi > e->end)
		e->end = hi;
	if (!f->more)
		e->total = hi;
	bool whole = e->total != UNKNOWN && e->units == (e->total + UNIT - 1) / UNIT;
	return whole ? HT_FRAG_DONE : HT_FRAG_HELD;
}

enum ht_frag_end ht_frag_add(
	struct ht_frag *t, const struct ht_packet *p, int64_t now, struct ht_frag_whole *whole
) {
	const struct ht_fragment *f = &p->fragment;
	uint8_t *lent = t->done;
	const uint32_t lent_size = t->done_size;
	enum ht_frag_end end = HT_FRAG_INVALID;

	t->done = NULL;
	ht_frag_expire(t, now);
	if (possible(f)) {
		struct key k = {.id = f->id, .v6 = f->v6, .proto = f->v6 ? 0 : f->proto};
		memcpy(k.src, p->key.src, sizeof(k.src));
		memcpy(k.dst, p->key.dst, sizeof(k.dst));
		uint32_t i = find(t, &k, now);
		struct entry *e = &t->entries[i];
		end = add(t, i, f);
		if (end == HT_FRAG_DONE) {
			*whole = (struct ht_frag_whole){HT_SPAN(e->buf, e->total), e->proto};
			t->done = e->buf;
			t->done_size = e->size;
			e->buf = NULL; // it is lent, and no longer the entry's
			t->stats.done++;
			release(t, i);
		}
	}
	// Only now: this fragment may be one that was found inside the packet lent by the last
	// call.
	if (lent != NULL)
		ht_arena_put(t->arena, lent, lent_size);
	return end;
}
