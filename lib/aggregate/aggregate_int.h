// SPDX-License-Identifier: BSD-3-Clause
// What the files of aggregate share.
//
//   aggregate.c          windows, time, options
//   aggregate_key.c      a key as text, as bytes, as fields of a record
//   aggregate_table.c    one window: keys and their sums; folding; telling
//   aggregate_clients.c  how many different clients

#pragma once

#include "aggregate.h"
#include "hll.h"

#define NS_PER_S 1000000000ll

// --- keys ---

#define WORDS_MAX 65535u
#define WORD_SLOTS 131072u // at most half full
#define WORD_CACHE 256u

// Words of a fixed set, by number: two bytes in a key instead of the text, and a pointer that lives
// for ever on the way out. Equal texts have one number wherever they lie.
struct words {
	const char **word; // from 1
	uint16_t *slot; // of a hash of the text
	struct {
		const char *word;
		uint16_t number;
	} cache[WORD_CACHE]; // of a hash of the address
	uint32_t num;
	uint64_t secret;
};

struct key_field {
	uint8_t source; // the field of the flow record it is made of
	uint8_t field; // the field of the aggregate
	bool has_prefix;
	uint8_t prefix[2]; // bits of an IPv4 and of an IPv6 address
};

struct key_spec {
	struct key_field f[HT_AGGREGATE_MAX_KEY];
	unsigned num;
	ht_fieldset fields;
};

#define KEY_MAX (2 + HT_AGGREGATE_MAX_KEY * (HT_AGGREGATE_VALUE_MAX + 4))

// key_parse reads the elements of a key, or the default one. HT_BAD: *which and `err` say what is
// wrong.
HT_MUST_USE enum ht_rc key_parse(
	struct key_spec *out,
	const struct ht_option_texts *key,
	unsigned *which,
	char *err,
	size_t err_len
);

// key_encode writes the key of a record, KEY_MAX bytes at most, and returns its length.
size_t key_encode(
	struct words *w,
	const struct key_spec *k,
	uint8_t out[KEY_MAX],
	const struct ht_record *r,
	uint64_t *ctr
);

// key_decode sets the fields of a record. They borrow from `key` and from `addresses`.
void key_decode(
	const struct words *w,
	const struct key_spec *k,
	struct ht_record *r,
	const uint8_t *key,
	uint8_t addresses[HT_AGGREGATE_MAX_KEY][16]
);

HT_MUST_USE bool words_init(struct words *w, uint64_t secret);
void words_free(struct words *w);

// --- clients ---

#define FEW 4u // hashes that a key has room for itself
#define SOME 64u // of a small block

enum clients_form { CLIENTS_FEW, CLIENTS_SOME, CLIENTS_MANY };

// How many different clients: exact up to SOME, but for hashes of 32 bits that are equal; then
// HyperLogLog.
struct clients {
	union {
		uint32_t few[FEW];
		uint32_t block; // in its pool
	};
	uint8_t form; // enum clients_form
	uint8_t num; // hashes, while they are kept
};

// Blocks of one size: used ones, given back ones, and those that were never touched.
struct pool {
	uint8_t *mem;
	uint32_t size, num, touched;
	uint32_t free; // number of the first of a list, POOL_NONE: none
};
#define POOL_NONE UINT32_MAX

struct clients_store {
	struct pool some, many;
};

HT_MUST_USE bool clients_init(struct clients_store *s, size_t bytes);
void clients_exit(struct clients_store *s);

// clients_add counts a client by its hash.
void clients_add(struct clients_store *s, struct clients *c, uint32_t hash, uint64_t *ctr);

// clients_merge counts those of *c in `registers`, too.
void clients_merge(
	const struct clients_store *s, uint8_t registers[HT_HLL_REGISTERS], const struct clients *c
);

uint64_t clients_count(const struct clients_store *s, const struct clients *c);

// clients_release gives a block back.
void clients_release(struct clients_store *s, struct clients *c);

// --- a window ---

struct sums {
	uint64_t flows, hellos, incomplete_hellos;
	uint64_t c2s_packets, c2s_bytes, c2s_ip_bytes;
	uint64_t s2c_packets, s2c_bytes, s2c_ip_bytes;
	int64_t first_seen, last_seen;
	uint64_t resumed, refused;
	uint64_t hello_len, hello_lens; // sum, and of how many
	uint32_t hello_len_min, hello_len_max;
};

// One behind the other in memory, in the order in which they came, at multiples of ENTRY_ALIGN.
struct entry {
	struct sums sums;
	struct clients clients;
	uint32_t hash;
	uint16_t key_len;
	bool folded; // while others are kept
	uint8_t key[];
};
#define ENTRY_ALIGN 8u

// What the order of entries is made of.
struct rank {
	uint64_t flows, bytes;
	uint32_t at;
};

struct window {
	int64_t start; // ns
	bool open;
	bool ts_is_ns; // of some record
	uint8_t *mem; // entries
	uint64_t *slots; // hash << 32 | (place of the entry + 1); 0: none
	uint32_t num_slots; // in use, a power of two
	uint32_t num; // entries
	size_t used; // bytes of mem
	struct sums other;
	uint8_t other_clients[HT_HLL_REGISTERS];
	uint64_t other_keys;
};

#define NUM_WINDOWS 2 // the grace is a window at most

// A closed window of which some records are told already. They are put in order as they are told
// (incremental quicksort: Paredes, Navarro 2006): order[at] to order[end[depth - 1]] is the next
// part, and none of it comes behind what follows.
struct telling {
	struct window *w; // NULL: none
	struct rank *order; // max_keys
	uint32_t at, sorted, num; // told; in order; all
	uint32_t end[48]; // of parts, the next one last
	unsigned depth;
};

// A record on its way into its entry: between the steps others are looked at, and memory comes.
struct pending {
	struct window *w;
	struct sums sums; // of the one record
	uint32_t hash;
	uint32_t client; // hash
	bool has_client;
	uint16_t key_len;
	uint8_t key[KEY_MAX];
};
#define NUM_PENDING 16u
#define PENDING_STEP 8u // records from a slot's prefetch to its entry's, and from there to the sums

struct ht_aggregate {
	struct ht_aggregate_params p;
	struct key_spec key;
	struct words words;
	struct clients_store clients;
	struct window w[NUM_WINDOWS];
	struct pending *pending; // NUM_PENDING, by a record's number
	uint64_t taken, looked, added; // records that have gone through each step
	struct telling telling;
	struct rank *ranks; // scratch, max_keys
	uint64_t random; // for pivots
	int64_t length; // of a window, ns
	int64_t grace;
	int64_t seen; // the latest time of a record; INT64_MIN: none
	int64_t now; // the latest time, also of a tick; INT64_MIN: none
	uint8_t hash_secret[192], client_secret[192];
	uint64_t ctr[HT_AGGREGATE_NUM_CTRS];
};

HT_MUST_USE bool table_init(struct window *w, const struct ht_aggregate_params *p);
void table_exit(struct window *w, const struct ht_aggregate_params *p);
uint64_t table_memory(const struct ht_aggregate_params *p);

// table_begin opens an empty one.
void table_begin(struct window *w, int64_t start);

// table_add counts a record in a window, a few records later. table_settle counts all at once.
void table_add(struct ht_aggregate *a, struct window *w, const struct ht_record *r);
void table_settle(struct ht_aggregate *a);

// table_close: a settled window is told next, the largest record first. There must be no other.
void table_close(struct ht_aggregate *a, struct window *w);

// table_tell emits up to `max` records of the window that is being told, and empties it after the
// last one. False: there is none.
bool table_tell(struct ht_aggregate *a, uint32_t max);
