// SPDX-License-Identifier: BSD-3-Clause
// What the files of rates share.
//
//   rates.c         options, time, life
//   rates_flood.c   how often keys come; floods
//   rates_prints.c  fingerprints: new ones, rare ones
//   rates_store.c   fingerprints as bytes
//   rates_file.c    these bytes in a file

#pragma once

#include "clock.h"
#include "hll.h"
#include "rates.h"

#include <pthread.h>
#include <stdatomic.h>

#define SLOT_NS 100000000ll
#define SLOTS_PER_S 10
#define WINDOW 10 // slots: a rate is what came in them, in hellos a second

// --- sets ---

// Keys stand in sets of so many, a line of the cache to find one and a line to find the least. A
// hash says which set; in a full one, the least gives way.
#define WAYS 16u

struct set {
	uint32_t tag[WAYS]; // of the hash; 0: nothing is there
	int32_t weight[WAYS];
} __attribute__((aligned(64)));

static inline uint32_t tag_of(uint64_t hash) {
	return (uint32_t)hash != 0 ? (uint32_t)hash : 1;
}

static inline uint32_t set_of(uint64_t hash, uint32_t num_sets) {
	return (uint32_t)((hash >> 32) * num_sets >> 32);
}

// Four at a time: what compilers make of a loop that gathers bits takes ten times as long.
typedef uint32_t four __attribute__((vector_size(16)));
typedef int32_t four_signed __attribute__((vector_size(16)));

static inline unsigned bits_of(four a, four b, four c, four d) {
	const four bits = {1, 2, 4, 8};
	const four all = (a & bits) | (b & bits << 4) | (c & bits << 8) | (d & bits << 12);
	return all[0] | all[1] | all[2] | all[3];
}

// Those of a set whose tag is this one, as bits.
static inline unsigned ways_of(const struct set *s, uint32_t tag) {
	const four *const v = (const four *)s->tag;
	const four t = {tag, tag, tag, tag};
	return bits_of((four)(v[0] == t), (four)(v[1] == t), (four)(v[2] == t), (four)(v[3] == t));
}

static inline four_signed less_of(four_signed a, four_signed b) {
	const four_signed mask = a < b;
	return (a & mask) | (b & ~mask);
}

// The way of the least weight. PINNED is more than any other.
#define PINNED INT32_MAX

static inline unsigned least_of(const struct set *s) {
	const four_signed *const v = (const four_signed *)s->weight;
	const four_signed m = less_of(less_of(v[0], v[1]), less_of(v[2], v[3]));
	int32_t least = m[0];
	for (unsigned i = 1; i < 4; i++)
		least = m[i] < least ? m[i] : least;
	const four_signed t = {least, least, least, least};
	return (unsigned)__builtin_ctz(
		bits_of((four)(v[0] == t), (four)(v[1] == t), (four)(v[2] == t), (four)(v[3] == t))
	);
}

static inline int32_t weight_of(uint64_t hellos) {
	return hellos < PINNED ? (int32_t)hellos : PINNED - 1;
}

// --- floods ---

enum by { BY_DESTINATION, BY_SOURCE, BY_SNI, NUM_BY };

#define NAME_MAX_LEN 255 // bytes of a server name that are kept; the hash is of all

struct key {
	uint64_t hash;
	uint32_t count[WINDOW]; // hellos, by slot % WINDOW, since the key has this place
	uint32_t total; // of them
	uint32_t carry; // what the one before had: says who stays, and is never told
	uint32_t flood; // number of it, from 1; 0: none
};

enum flood_state { FLOOD_HELD, FLOOD_TOLD };

// A key above its threshold.
struct flood {
	uint8_t registers[HT_HLL_REGISTERS]; // addresses it came from
	uint64_t hellos;
	int64_t start, last; // slots: the first, and the latest above the threshold of its end
	int64_t told_at; // slot of the latest event
	int64_t below_since; // slot; INT64_MAX: it is not
	uint32_t peak, told_peak;
	enum flood_state state;
	uint32_t next_free;
};

// The keys of one kind.
struct table {
	enum by by;
	uint32_t threshold, end_threshold; // hellos a second
	uint32_t num_sets, in_use; // keys
	struct set *sets;
	struct key *keys;
	uint64_t *used; // a bit a set
	uint8_t *names; // of NAME_SIZE(by)
	struct flood *floods;
	uint32_t free_flood; // number, from 1; 0: none
};

// --- fingerprints ---

#define PRINT_MAX 36 // JA4; JA3 has 32

// As in memory, so in the file: rates_store.c.
struct print {
	int64_t first_seen, last_seen;
	int64_t told; // when it was told last; INT64_MIN: never
	uint64_t hellos;
	char text[PRINT_MAX];
	uint8_t len;
	uint8_t is_ja3;
	uint8_t num_clients;
	uint8_t none;
	uint32_t clients[HT_RATES_CLIENTS]; // hashes
};
_Static_assert(sizeof(struct print) == 136, "no padding: it goes into a file");

struct prints {
	struct set *sets;
	struct print *prints;
	uint32_t num_sets, in_use;
	// What the file has besides.
	uint64_t secret[2]; // of the hashes; the file's, so that clients are the same in the next
			    // run
	uint64_t hellos; // all that were looked at
	int64_t watched; // ns of the frames, without gaps of a minute
	uint8_t hash_secret[192], client_secret[192];
	int64_t seen; // latest time of a hello; INT64_MIN: none
	int64_t minute; // that events are counted in
	uint32_t events; // in it
	int64_t host_minute; // likewise, by the clock of ht_rates_tick; INT64_MIN: there is none
	uint32_t host_events;
};

// --- saving ---

struct saver {
	pthread_t thread;
	bool started;
	bool last; // the one at the end has been begun
	bool left; // it hangs, and may use all of this still
	atomic_bool done;
	uint8_t *bytes;
	size_t len;
	char error[512]; // empty: none. The thread's until `done`
	char told[512]; // what was wrong with one that is done
	bool failed; // that is to be told
};

struct ht_rates {
	struct ht_rates_params p;
	struct table tables[NUM_BY];
	struct prints prints;
	struct saver saver;
	int64_t slot; // that is being counted; INT64_MIN: none
	int64_t seen; // the latest time of a hello; INT64_MIN: none
	unsigned strange; // hellos after another that were
	bool ts_is_ns; // of the latest hello
	uint8_t hash_secret[192], client_secret[192];
	struct ht_record out;
	uint64_t ctr[HT_RATES_NUM_CTRS];
};

static inline void count(struct ht_rates *r, enum ht_rates_counter c) {
	ht_stats_count(&r->ctr[c], 1);
}

// Who a hello is from.
static inline struct ht_span client_address(const struct ht_record *h) {
	return h->has & HT_HAS(src_ip)	  ? HT_SPAN(h->src_ip, 16)
	       : h->has & HT_HAS(src_mac) ? HT_SPAN(h->src_mac, 6)
					  : HT_SPAN_EMPTY;
}

HT_MUST_USE bool floods_init(struct ht_rates *r);
void floods_exit(struct ht_rates *r);
uint64_t floods_memory(const struct ht_rates_params *p);

// floods_add counts a hello in `slot`, one of the last WINDOW.
void floods_add(struct ht_rates *r, const struct ht_record *h, int64_t slot);

// floods_rotate looks at what came up to the end of r->slot, and goes on to the next one.
void floods_rotate(struct ht_rates *r);

// floods_empty tells whether there is no key.
bool floods_empty(const struct ht_rates *r);

// floods_end ends all, and forgets all keys.
void floods_end(struct ht_rates *r);

HT_MUST_USE bool prints_init(struct ht_rates *r);
void prints_exit(struct ht_rates *r);
uint64_t prints_memory(const struct ht_rates_params *p);

// The fingerprints of a hello: asked for, and looked at when memory had time to come.
struct print_look {
	struct ht_span text;
	uint64_t hash;
	bool is_ja3;
};

struct print_looks {
	struct print_look v[2];
	unsigned num;
};

void prints_ask(const struct ht_rates *r, struct print_looks *l, const struct ht_record *h);
void prints_add(struct ht_rates *r, const struct print_looks *l, const struct ht_record *h);

// prints_key makes the hashes' secrets of prints.secret.
void prints_key(struct prints *t);

// prints_place is the place of a fingerprint, which is new: another may have to go for it.
struct print *prints_place(struct ht_rates *r, struct ht_span text, bool is_ja3);

// prints_weigh says how many hellos the one in this place has.
void prints_weigh(struct prints *t, const struct print *p);

// prints_tick says what time it is by the clock that events are counted by, too.
void prints_tick(struct prints *t, int64_t now);

// prints_clear empties the store.
void prints_clear(struct prints *t);

static inline bool print_at(const struct prints *t, uint32_t i) {
	return t->sets[i / WAYS].tag[i % WAYS] != 0;
}
