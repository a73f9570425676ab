// SPDX-License-Identifier: BSD-3-Clause

#include "aggregate_int.h"
#include "pages.h"

#define XXH_INLINE_ALL
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#define X(id, name, help) {"aggregate", name, help},
const struct ht_counter ht_aggregate_counters[HT_AGGREGATE_NUM_CTRS] = {HT_AGGREGATE_COUNTERS(X)};
#undef X

// A flow may be told hours after its last packet, but not a day: then the clock was set back, or
// one frame had a time of another year.
#define BACK_NS (86400 * NS_PER_S)

#define P(field) offsetof(struct ht_aggregate_params, field)
static const struct ht_option options[] = {
	{
		.name = "window_s",
		.type = HT_OPTION_U32,
		.offset = P(window_s),
		.def = 60,
		.least = 1,
		.most = 86400,
		.help = "length of a window in seconds; windows begin at multiples of it since the "
			"epoch",
	},
	{
		.name = "grace_s",
		.type = HT_OPTION_U32,
		.offset = P(grace_s),
		.def = 15,
		.most = 86400,
		.help
		= "how long a window waits for flows that are told late; no longer than window_s",
	},
	{
		.name = "key",
		.type = HT_OPTION_TEXTS,
		.offset = P(key),
		.max = HT_AGGREGATE_MAX_KEY,
		.def_text = "src_ip/24/48",
		.help
		= "fields that make a key, of those that flow records have, and alpn_first; an "
		  "address with the bits of its network: src_ip/24, or src_ip/24/48 for IPv4 and "
		  "IPv6. Without it dst_ip, dst_port, transport, protocol, via, sni, alpn_first, "
		  "tls_version, ja4",
	},
	{
		.name = "max_keys",
		.type = HT_OPTION_U32,
		.offset = P(max_keys),
		.def = 1 << 20,
		.least = 16,
		.most = 1 << 26,
		.help = "keys of a window; the smallest beyond are told as one, `other`",
	},
	{
		.name = "memory_mib",
		.type = HT_OPTION_U32,
		.offset = P(memory_mib),
		.def = 320,
		.least = 1,
		.most = 32767,
		.help
		= "memory for the keys of a window, some 280 bytes each; there are two windows at "
		  "most",
	},
	{
		.name = "clients_mib",
		.type = HT_OPTION_U32,
		.offset = P(clients_mib),
		.def = 64,
		.least = 1,
		.most = 32768,
		.help
		= "memory for counting different clients: a key with more than 4 takes 256 bytes, "
		  "with more than 64 2 KiB",
	},
};
#undef P

const struct ht_option_table ht_aggregate_options = {
	.title = "Aggregation of flow records",
	.options = options,
	.num = HT_ARRAY_LEN(options),
	.size = sizeof(struct ht_aggregate_params),
};

enum ht_rc ht_aggregate_check(
	const struct ht_aggregate_params *p, unsigned *which, char *err, size_t err_len
) {
	struct key_spec k;
	return key_parse(&k, &p->key, which, err, err_len);
}

ht_fieldset ht_aggregate_fields(const struct ht_aggregate_params *p) {
	struct key_spec k;
	unsigned which;
	char err[256];
	return key_parse(&k, &p->key, &which, err, sizeof(err)) == HT_OK ? k.fields : 0;
}

static size_t bytes_of_ranks(const struct ht_aggregate_params *p) {
	return p->max_keys * sizeof(struct rank);
}

uint64_t ht_aggregate_memory(const struct ht_aggregate_params *p) {
	return NUM_WINDOWS * table_memory(p) + ((uint64_t)p->clients_mib << 20)
	       + 2 * bytes_of_ranks(p) + NUM_PENDING * sizeof(struct pending)
	       + sizeof(struct ht_aggregate);
}

static bool make(struct ht_aggregate *a) {
	bool ok = words_init(&a->words, a->p.secret[0] ^ a->p.secret[1])
		  && clients_init(&a->clients, (size_t)a->p.clients_mib << 20);
	for (unsigned i = 0; i < NUM_WINDOWS; i++)
		ok = ok && table_init(&a->w[i], &a->p);
	a->ranks = ht_pages_new(bytes_of_ranks(&a->p));
	a->telling.order = ht_pages_new(bytes_of_ranks(&a->p));
	a->pending = calloc(NUM_PENDING, sizeof(a->pending[0]));
	return ok && a->ranks != NULL && a->telling.order != NULL && a->pending != NULL;
}

struct ht_aggregate *ht_aggregate_new(const struct ht_aggregate_params *p) {
	struct key_spec key;
	unsigned which;
	char err[256];
	if (ht_aggregate_check(p, &which, err, sizeof(err)) != HT_OK
	    || key_parse(&key, &p->key, &which, err, sizeof(err)) != HT_OK)
		return NULL;
	struct ht_aggregate *a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	a->p = *p;
	a->p.key = (struct ht_option_texts){0};
	a->key = key;
	a->length = p->window_s * NS_PER_S;
	a->grace = (p->grace_s < p->window_s ? p->grace_s : p->window_s) * NS_PER_S;
	a->seen = a->now = INT64_MIN;
	a->random = p->secret[1] | 1;
	XXH3_generateSecret(a->hash_secret, sizeof(a->hash_secret), p->secret, sizeof(p->secret));
	XXH3_generateSecret(
		a->client_secret, sizeof(a->client_secret), a->hash_secret, sizeof(a->hash_secret)
	);
	if (make(a))
		return a;
	ht_aggregate_free(a);
	return NULL;
}

void ht_aggregate_free(struct ht_aggregate *a) {
	if (a == NULL)
		return;
	words_free(&a->words);
	clients_exit(&a->clients);
	for (unsigned i = 0; i < NUM_WINDOWS; i++)
		table_exit(&a->w[i], &a->p);
	ht_pages_free(a->ranks, bytes_of_ranks(&a->p));
	ht_pages_free(a->telling.order, bytes_of_ranks(&a->p));
	free(a->pending);
	free(a);
}

const uint64_t *ht_aggregate_counts(const struct ht_aggregate *a) {
	return a->ctr;
}

// --- time ---------------------------------------------------------------------------------------

static int64_t less(int64_t t, int64_t ns) {
	int64_t v;
	return __builtin_sub_overflow(t, ns, &v) ? INT64_MIN : v;
}

// The begin of the window that a time lies in. The first one there is may be cut.
static int64_t start_of(const struct ht_aggregate *a, int64_t ts) {
	int64_t rest = ts % a->length;
	rest += rest < 0 ? a->length : 0;
	return less(ts, rest);
}

// The begin of the oldest window that is not closed at `now`.
static int64_t oldest(const struct ht_aggregate *a) {
	return start_of(a, less(a->now, a->grace));
}

// The one that begins first, or NULL.
static struct window *first_open(struct ht_aggregate *a) {
	struct window *first = NULL;
	for (unsigned i = 0; i < NUM_WINDOWS; i++)
		if (a->w[i].open && (first == NULL || a->w[i].start < first->start))
			first = &a->w[i];
	return first;
}

// What is left of a window that is being told.
static void tell_rest(struct ht_aggregate *a) {
	while (table_tell(a, UINT32_MAX))
		;
}

static void close(struct ht_aggregate *a, struct window *w) {
	tell_rest(a);
	table_settle(a);
	table_close(a, w);
}

// Closes all that begin before `start`, in order.
static void close_before(struct ht_aggregate *a, int64_t start) {
	struct window *w;
	while ((w = first_open(a)) != NULL && w->start < start)
		close(a, w);
}

static struct window *window_at(struct ht_aggregate *a, int64_t start) {
	struct window *unused = NULL;
	for (unsigned i = 0; i < NUM_WINDOWS; i++) {
		if (a->w[i].open && a->w[i].start == start)
			return &a->w[i];
		if (!a->w[i].open && (unused == NULL || unused == a->telling.w))
			unused = &a->w[i];
	}
	// No two others can be open: the grace is a window at most. One may still be told.
	if (unused == a->telling.w)
		tell_rest(a);
	table_begin(unused, start);
	ht_stats_count(&a->ctr[HT_AGGREGATE_WINDOWS], 1);
	return unused;
}

static void go_on(struct ht_aggregate *a, int64_t now) {
	if (now <= a->now)
		return;
	a->now = now;
	close_before(a, oldest(a));
}

void ht_aggregate_finish(struct ht_aggregate *a) {
	struct window *w;
	while ((w = first_open(a)) != NULL)
		close(a, w);
	tell_rest(a);
	a->seen = a->now = INT64_MIN;
}

bool ht_aggregate_see(struct ht_aggregate *a, int64_t ts) {
	if (ht_older_than(a->now, ts, BACK_NS)) {
		ht_aggregate_finish(a);
		ht_stats_count(&a->ctr[HT_AGGREGATE_CLOCK_BACK], 1);
	}
	const bool newer = ts > a->seen;
	if (newer)
		a->seen = ts;
	go_on(a, ts);
	return newer;
}

void ht_aggregate_tick(struct ht_aggregate *a, int64_t passed) {
	int64_t now;
	if (a->seen != INT64_MIN && passed > 0 && !__builtin_add_overflow(a->seen, passed, &now))
		go_on(a, now);
}

bool ht_aggregate_more(struct ht_aggregate *a) {
	return table_tell(a, HT_AGGREGATE_SLICE);
}

// Records told for each that comes: more than it can begin keys, so that the window is told long
// before the next one is full.
#define TOLD_PER_RECORD 8

void ht_aggregate_add(struct ht_aggregate *a, const struct ht_record *r) {
	ht_stats_count(&a->ctr[HT_AGGREGATE_RECORDS], 1);
	if (r->has & HT_HAS(ts))
		ht_aggregate_see(a, r->ts);
	int64_t start = start_of(a, r->has & HT_HAS(ts) ? r->ts : a->now);
	if (start < oldest(a)) {
		start = oldest(a);
		ht_stats_count(&a->ctr[HT_AGGREGATE_LATE], 1);
	}
	table_add(a, window_at(a, start), r);
	(void)table_tell(a, TOLD_PER_RECORD);
}
