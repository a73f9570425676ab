// SPDX-License-Identifier: BSD-3-Clause

#include "rates_int.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <xxhash.h>

#define X(id, name, help) {"rates", name, help},
const struct ht_counter ht_rates_counters[HT_RATES_NUM_CTRS] = {HT_RATES_COUNTERS(X)};
#undef X

static const char *const fingerprints[] = {"none", "ja4", "ja3", "both", NULL};

#define P(field) offsetof(struct ht_rates_params, field)
static const struct ht_option options[] = {
	{
		.name = "flood_dst_hz",
		.type = HT_OPTION_U32,
		.offset = P(flood_dst_hz),
		.def = 20000,
		.most = 1000000000,
		.help = "hellos a second to one address that are a flood; 0: not told",
	},
	{
		.name = "flood_src_hz",
		.type = HT_OPTION_U32,
		.offset = P(flood_src_hz),
		.def = 10000,
		.most = 1000000000,
		.help = "hellos a second from one network that are a flood; 0: not told",
	},
	{
		.name = "flood_sni_hz",
		.type = HT_OPTION_U32,
		.offset = P(flood_sni_hz),
		.def = 10000,
		.most = 1000000000,
		.help = "hellos a second for one server name that are a flood; 0: not told",
	},
	{
		.name = "src_prefix4",
		.type = HT_OPTION_U32,
		.offset = P(src_prefix4),
		.def = 24,
		.least = 1,
		.most = 32,
		.help = "bits of the network of an IPv4 source",
	},
	{
		.name = "src_prefix6",
		.type = HT_OPTION_U32,
		.offset = P(src_prefix6),
		.def = 48,
		.least = 1,
		.most = 128,
		.help = "bits of the network of an IPv6 source",
	},
	{
		.name = "flood_hold_s",
		.type = HT_OPTION_U32,
		.offset = P(flood_hold_s),
		.def = 1,
		.most = 3600,
		.help
		= "seconds that a flood must last to be told; with 0, a burst of a tenth of a "
		  "second is one",
	},
	{
		.name = "flood_end_percent",
		.type = HT_OPTION_U32,
		.offset = P(flood_end_percent),
		.def = 50,
		.least = 1,
		.most = 100,
		.help = "percent of its threshold below which a flood is to end",
	},
	{
		.name = "flood_end_s",
		.type = HT_OPTION_U32,
		.offset = P(flood_end_s),
		.def = 10,
		.most = 3600,
		.help = "seconds that it must stay below that, to have ended",
	},
	{
		.name = "flood_peak_s",
		.type = HT_OPTION_U32,
		.offset = P(flood_peak_s),
		.def = 60,
		.least = 1,
		.most = 86400,
		.help
		= "seconds after which a new peak is told; one of twice the rate told last is "
		  "told after a second",
	},
	{
		.name = "max_keys",
		.type = HT_OPTION_U32,
		.offset = P(max_keys),
		.def = 1024,
		.least = 16,
		.most = 1 << 22,
		.help = "addresses whose hellos are counted, and as many networks and names: those "
			"with the most stay",
	},
	{
		.name = "max_floods",
		.type = HT_OPTION_U32,
		.offset = P(max_floods),
		.def = 64,
		.least = 1,
		.most = 4096,
		.help
		= "floods that are followed at a time, of addresses, of networks and of names",
	},
	{
		.name = "fingerprints",
		.type = HT_OPTION_CHOICE,
		.offset = P(fingerprints),
		.choices = fingerprints,
		.def = HT_RATES_JA4,
		.help = "of which fingerprints new and rare ones are told",
	},
	{
		.name = "learn_s",
		.type = HT_OPTION_U32,
		.offset = P(learn_s),
		.def = 86400,
		.most = 86400 * 365,
		.help = "seconds of traffic in which fingerprints are learned and none is told",
	},
	{
		.name = "learn_hellos",
		.type = HT_OPTION_U32,
		.offset = P(learn_hellos),
		.def = 10000,
		.most = 1000000000,
		.help = "hellos that are learned of besides, at least",
	},
	{
		.name = "rare_clients",
		.type = HT_OPTION_U32,
		.offset = P(rare_clients),
		.def = 3,
		.most = HT_RATES_CLIENTS,
		.help = "a fingerprint of fewer client addresses is rare; 0: none is",
	},
	{
		.name = "rare_ppm",
		.type = HT_OPTION_U32,
		.offset = P(rare_ppm),
		.most = 1000000,
		.help = "a fingerprint of fewer of a million hellos is rare, too; 0: none is",
	},
	{
		.name = "rare_interval_s",
		.type = HT_OPTION_U32,
		.offset = P(rare_interval_s),
		.def = 86400,
		.least = 1,
		.most = 86400 * 365,
		.help = "seconds between two events of one fingerprint",
	},
	{
		.name = "events_per_min",
		.type = HT_OPTION_U32,
		.offset = P(events_per_min),
		.def = 10,
		.least = 1,
		.most = 1000000,
		.help = "events of new and rare fingerprints in a minute; the others are counted",
	},
	{
		.name = "max_fingerprints",
		.type = HT_OPTION_U32,
		.offset = P(max_fingerprints),
		.def = 65536,
		.least = 16,
		.most = 1 << 22,
		.help
		= "fingerprints that are remembered, some 150 bytes each: those with the most "
		  "hellos stay",
	},
	{
		.name = "store",
		.type = HT_OPTION_TEXT,
		.offset = P(store),
		.help
		= "file that the fingerprints are read from at start and saved to; without it "
		  "each run learns anew",
	},
	{
		.name = "save_s",
		.type = HT_OPTION_U32,
		.offset = P(save_s),
		.def = 300,
		.least = 1,
		.most = 86400,
		.help = "seconds between two times that it is saved; it is at the end, too",
	},
};
#undef P

const struct ht_option_table ht_rates_options = {
	.title = "Floods, new and rare fingerprints: what the hellos together tell",
	.options = options,
	.num = HT_ARRAY_LEN(options),
	.size = sizeof(struct ht_rates_params),
};

bool ht_rates_balanced(const uint64_t *c) {
	return c[HT_RATES_FLOODS] == c[HT_RATES_ENDS]
	       && c[HT_RATES_NEW]
			  == c[HT_RATES_NEW_LEARNED] + c[HT_RATES_NEW_TOLD] + c[HT_RATES_NEW_CAPPED]
	       && c[HT_RATES_RARE] == c[HT_RATES_RARE_TOLD] + c[HT_RATES_RARE_CAPPED];
}

uint64_t ht_rates_memory(const struct ht_rates_params *p) {
	return sizeof(struct ht_rates) + floods_memory(p) + prints_memory(p);
}

struct ht_rates *ht_rates_new(const struct ht_rates_params *p) {
	struct ht_rates *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->p = *p;
	r->slot = r->seen = INT64_MIN;
	XXH3_generateSecret(r->hash_secret, sizeof(r->hash_secret), p->secret, sizeof(p->secret));
	XXH3_generateSecret(
		r->client_secret, sizeof(r->client_secret), r->hash_secret, sizeof(r->hash_secret)
	);
	if (floods_init(r) && prints_init(r))
		return r;
	ht_rates_free(r);
	return NULL;
}

void ht_rates_free(struct ht_rates *r) {
	if (r == NULL || r->saver.left)
		return;
	if (r->saver.started)
		pthread_join(r->saver.thread, NULL);
	free(r->saver.bytes);
	floods_exit(r);
	prints_exit(r);
	free(r);
}

const uint64_t *ht_rates_counts(const struct ht_rates *r) {
	return r->ctr;
}

// --- time ---------------------------------------------------------------------------------------

#define STRANGE_SLOTS (10 * SLOTS_PER_S)
#define STRANGE_MAX 16u // hellos after another: the clock was set

static int64_t slot_at(int64_t ts) {
	return ts / SLOT_NS - (ts % SLOT_NS < 0);
}

// Slots pass one by one while there is something in them: a key is gone a window after its last
// hello, a flood when it has ended.
static void go_on(struct ht_rates *r, int64_t slot) {
	while (r->slot < slot && !floods_empty(r))
		floods_rotate(r);
	r->slot = slot > r->slot ? slot : r->slot;
}

// One frame with a wrong time must neither end a flood nor hide what follows.
static bool is_strange(struct ht_rates *r, int64_t slot, bool complete) {
	const int64_t off = slot - r->slot;
	// What could not be completed is told when that is given up.
	if (off >= -STRANGE_SLOTS && off <= STRANGE_SLOTS) {
		r->strange = complete ? 0 : r->strange;
		return false;
	}
	if (off < 0 && !complete)
		return false;
	if (++r->strange < STRANGE_MAX) {
		count(r, HT_RATES_STRANGE);
		return true;
	}
	r->strange = 0;
	count(r, HT_RATES_CLOCK_JUMPS);
	if (off < 0)
		ht_rates_finish(r);
	return false;
}

// The slot that a hello counts in. *latest: it is the latest.
static int64_t find_slot(struct ht_rates *r, int64_t ts, bool complete, bool *latest) {
	const int64_t slot = slot_at(ts);
	*latest = false;
	if (r->slot != INT64_MIN && is_strange(r, slot, complete))
		return r->slot;
	if (r->slot == INT64_MIN)
		r->slot = slot;
	if (slot > r->slot)
		go_on(r, slot);
	*latest = ts > r->seen;
	r->seen = *latest ? ts : r->seen;
	if (slot > r->slot - WINDOW)
		return slot;
	count(r, HT_RATES_LATE);
	return r->slot;
}

bool ht_rates_add(struct ht_rates *r, const struct ht_record *h) {
	count(r, HT_RATES_HELLOS);
	if (!(h->has & HT_HAS(ts)))
		return false;
	const bool complete = (h->has & HT_HAS(complete)) && h->complete;
	bool latest;
	const int64_t slot = find_slot(r, h->ts, complete, &latest);
	struct print_looks looks;
	if (complete)
		prints_ask(r, &looks, h);
	r->ts_is_ns = h->ts_is_ns;
	floods_add(r, h, slot);
	if (complete)
		prints_add(r, &looks, h);
	return latest;
}

void ht_rates_tick(struct ht_rates *r, int64_t passed, int64_t now) {
	int64_t ts;
	prints_tick(&r->prints, now);
	if (r->seen != INT64_MIN && passed > 0 && !__builtin_add_overflow(r->seen, passed, &ts))
		go_on(r, slot_at(ts));
}

void ht_rates_finish(struct ht_rates *r) {
	floods_end(r);
	r->slot = r->seen = INT64_MIN;
	r->strange = 0;
}
