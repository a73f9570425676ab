// SPDX-License-Identifier: BSD-3-Clause
// One window: entries one behind the other in the order in which they came, and slots that lead to
// them, open addressing at most half full. A look-up touches a slot and, nearly always, one entry.
//
// A full window gives up the smallest quarter of its keys at once: that takes time for each key
// there is, and the next time is a quarter of them away, so a new key costs the same at any size.

#include "aggregate_int.h"
#include "pages.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <xxhash.h>

#define FIRST_SLOTS 1024u

// As many as hold max_keys and are at most half full.
static uint32_t most_slots(const struct ht_aggregate_params *p) {
	uint32_t n = FIRST_SLOTS;
	while (n < 2 * p->max_keys)
		n *= 2;
	return n;
}

static size_t bytes_of_slots(const struct ht_aggregate_params *p) {
	return most_slots(p) * sizeof(uint64_t);
}

static size_t bytes_of_entries(const struct ht_aggregate_params *p) {
	return (size_t)p->memory_mib << 20;
}

bool table_init(struct window *w, const struct ht_aggregate_params *p) {
	w->mem = ht_pages_new(bytes_of_entries(p));
	w->slots = ht_pages_new(bytes_of_slots(p));
	w->num_slots = FIRST_SLOTS;
	return w->mem != NULL && w->slots != NULL;
}

void table_exit(struct window *w, const struct ht_aggregate_params *p) {
	ht_pages_free(w->mem, bytes_of_entries(p));
	ht_pages_free(w->slots, bytes_of_slots(p));
}

uint64_t table_memory(const struct ht_aggregate_params *p) {
	return bytes_of_entries(p) + bytes_of_slots(p);
}

static size_t entry_size(size_t key_len) {
	return (sizeof(struct entry) + key_len + ENTRY_ALIGN - 1) & ~(size_t)(ENTRY_ALIGN - 1);
}

static struct entry *entry_at(const struct window *w, uint32_t place) {
	return (struct entry *)(w->mem + (size_t)place * ENTRY_ALIGN);
}

// --- sums ---------------------------------------------------------------------------------------

static void begin(struct sums *s) {
	memset(s, 0, sizeof(*s));
	s->first_seen = INT64_MAX;
	s->last_seen = INT64_MIN;
	s->hello_len_min = UINT32_MAX;
}

static void count(struct sums *s, const struct ht_record *r) {
	const ht_fieldset has = r->has;
#define VALUE(id) (has & HT_HAS(id) ? r->id : 0)
	s->hellos += VALUE(hellos);
	s->incomplete_hellos += VALUE(incomplete_hellos);
	s->c2s_packets += VALUE(c2s_packets);
	s->c2s_bytes += VALUE(c2s_bytes);
	s->c2s_ip_bytes += VALUE(c2s_ip_bytes);
	s->s2c_packets += VALUE(s2c_packets);
	s->s2c_bytes += VALUE(s2c_bytes);
	s->s2c_ip_bytes += VALUE(s2c_ip_bytes);
	const int64_t at = VALUE(ts);
	const int64_t first = has & HT_HAS(start) ? r->start : at;
	const int64_t last = has & HT_HAS(end) ? r->end : at;
	s->first_seen = first < s->first_seen ? first : s->first_seen;
	s->last_seen = last > s->last_seen ? last : s->last_seen;
	if (VALUE(flow_part) > 1) // what a flow is was told with its first part
		return;
	s->flows++;
	s->resumed += VALUE(resumed);
	s->refused += VALUE(refused);
#undef VALUE
	if (has & HT_HAS(hello_len)) {
		s->hello_len += r->hello_len;
		s->hello_lens++;
		s->hello_len_min
			= r->hello_len < s->hello_len_min ? r->hello_len : s->hello_len_min;
		s->hello_len_max
			= r->hello_len > s->hello_len_max ? r->hello_len : s->hello_len_max;
	}
}

static void add_sums(struct sums *to, const struct sums *s) {
	to->flows += s->flows;
	to->hellos += s->hellos;
	to->incomplete_hellos += s->incomplete_hellos;
	to->c2s_packets += s->c2s_packets;
	to->c2s_bytes += s->c2s_bytes;
	to->c2s_ip_bytes += s->c2s_ip_bytes;
	to->s2c_packets += s->s2c_packets;
	to->s2c_bytes += s->s2c_bytes;
	to->s2c_ip_bytes += s->s2c_ip_bytes;
	to->first_seen = s->first_seen < to->first_seen ? s->first_seen : to->first_seen;
	to->last_seen = s->last_seen > to->last_seen ? s->last_seen : to->last_seen;
	to->resumed += s->resumed;
	to->refused += s->refused;
	to->hello_len += s->hello_len;
	to->hello_lens += s->hello_lens;
	if (s->hello_len_min < to->hello_len_min)
		to->hello_len_min = s->hello_len_min;
	if (s->hello_len_max > to->hello_len_max)
		to->hello_len_max = s->hello_len_max;
}

// --- order --------------------------------------------------------------------------------------

// Which of two is worth less; the older one where they are worth the same.
static bool is_less(const struct rank *a, const struct rank *b) {
	if (a->flows != b->flows)
		return a->flows < b->flows;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes;
	return a->at < b->at;
}

static void fill_ranks(struct rank *ranks, const struct window *w) {
	size_t at = 0;
	for (uint32_t i = 0; i < w->num; i++) {
		const struct entry *const e = (const struct entry *)(w->mem + at);
		ranks[i] = (struct rank){
			e->sums.flows,
			e->sums.c2s_bytes + e->sums.s2c_bytes,
			(uint32_t)(at / ENTRY_ALIGN),
		};
		at += entry_size(e->key_len);
	}
}

static uint64_t draw(struct ht_aggregate *a) {
	a->random ^= a->random << 13;
	a->random ^= a->random >> 7;
	a->random ^= a->random << 17;
	return a->random;
}

static void swap(struct rank *a, struct rank *b) {
	const struct rank t = *a;
	*a = *b;
	*b = t;
}

// The `n` least to the front, in any order (Hoare's selection). Pivots are drawn, so that nobody
// can have an order ready that makes it slow; which ones are the least does not depend on them.
static void select_least(struct ht_aggregate *a, uint32_t num, uint32_t n) {
	struct rank *const v = a->ranks;
	uint32_t lo = 0, hi = num; // the n-th is in [lo, hi)
	while (hi - lo > 1) {
		swap(&v[lo], &v[lo + draw(a) % (hi - lo)]);
		uint32_t i = lo;
		for (uint32_t k = lo + 1; k < hi; k++)
			if (is_less(&v[k], &v[lo]))
				swap(&v[++i], &v[k]);
		swap(&v[lo], &v[i]);
		if (i == n)
			return;
		if (i < n)
			lo = i + 1;
		else
			hi = i;
	}
}

// --- slots --------------------------------------------------------------------------------------

static void put_slot(struct window *w, uint32_t hash, uint32_t place) {
	uint32_t i = hash & (w->num_slots - 1);
	while (w->slots[i] != 0)
		i = (i + 1) & (w->num_slots - 1);
	w->slots[i] = (uint64_t)hash << 32 | (place + 1);
}

static void fill_slots(struct window *w) {
	size_t at = 0;
	memset(w->slots, 0, w->num_slots * sizeof(w->slots[0]));
	for (uint32_t i = 0; i < w->num; i++) {
		const struct entry *const e = (const struct entry *)(w->mem + at);
		put_slot(w, e->hash, (uint32_t)(at / ENTRY_ALIGN));
		at += entry_size(e->key_len);
	}
}

static struct entry *find(const struct window *w, uint32_t hash, const uint8_t *key, size_t len) {
	for (uint32_t i = hash & (w->num_slots - 1);; i = (i + 1) & (w->num_slots - 1)) {
		const uint64_t slot = w->slots[i];
		if (slot == 0)
			return NULL;
		if (slot >> 32 != hash)
			continue;
		struct entry *const e = entry_at(w, (uint32_t)slot - 1);
		if (e->key_len == len && memcmp(e->key, key, len) == 0)
			return e;
	}
}

// --- folding ------------------------------------------------------------------------------------

static void fold_one(struct ht_aggregate *a, struct window *w, struct entry *e) {
	add_sums(&w->other, &e->sums);
	clients_merge(&a->clients, w->other_clients, &e->clients);
	clients_release(&a->clients, &e->clients);
	w->other_keys++;
}

// The smallest quarter, one at least, becomes part of `other`; the others move together.
static void fold(struct ht_aggregate *a, struct window *w) {
	const uint32_t n = w->num / 4 + (w->num < 4), num = w->num;
	fill_ranks(a->ranks, w);
	select_least(a, num, n);
	for (uint32_t i = 0; i < n; i++)
		entry_at(w, a->ranks[i].at)->folded = true;
	size_t from = 0, to = 0;
	for (uint32_t i = 0; i < num; i++) {
		struct entry *const e = (struct entry *)(w->mem + from);
		const size_t size = entry_size(e->key_len);
		from += size;
		if (e->folded) {
			fold_one(a, w, e);
			continue;
		}
		memmove(w->mem + to, e, size);
		to += size;
	}
	w->num = num - n;
	w->used = to;
	fill_slots(w);
	ht_stats_count(&a->ctr[HT_AGGREGATE_FOLDED], n);
}

// --- adding -------------------------------------------------------------------------------------

static struct entry *
new_entry(struct ht_aggregate *a, struct window *w, uint32_t hash, const uint8_t *key, size_t len) {
	const size_t size = entry_size(len);
	while (w->num == a->p.max_keys || w->used + size > bytes_of_entries(&a->p))
		fold(a, w);
	if (2 * (w->num + 1) > w->num_slots) {
		w->num_slots *= 2;
		fill_slots(w);
	}
	struct entry *const e = (struct entry *)(w->mem + w->used);
	begin(&e->sums);
	e->clients = (struct clients){.form = CLIENTS_FEW};
	e->hash = hash;
	e->key_len = (uint16_t)len;
	e->folded = false;
	memcpy(e->key, key, len);
	put_slot(w, hash, (uint32_t)(w->used / ENTRY_ALIGN));
	w->used += size;
	w->num++;
	ht_stats_count(&a->ctr[HT_AGGREGATE_KEYS], 1);
	return e;
}

static void find_client(struct ht_aggregate *a, struct pending *p, const struct ht_record *r) {
	const bool has_ip = r->has & HT_HAS(src_ip);
	p->has_client = r->has & (HT_HAS(src_ip) | HT_HAS(src_mac));
	if (p->has_client)
		p->client = (uint32_t)XXH3_64bits_withSecret(
			has_ip ? r->src_ip : r->src_mac, has_ip ? 16 : 6, a->client_secret,
			sizeof(a->client_secret)
		);
}

static void look_up(struct ht_aggregate *a) {
	const struct pending *const p = &a->pending[a->looked++ % NUM_PENDING];
	const uint64_t slot = p->w->slots[p->hash & (p->w->num_slots - 1)];
	const uint8_t *const e = (const uint8_t *)entry_at(p->w, (uint32_t)slot - (slot != 0));
	for (unsigned i = 0; i < sizeof(struct entry) + 64; i += 64)
		__builtin_prefetch(e + i, 1);
}

static void add(struct ht_aggregate *a) {
	const struct pending *const p = &a->pending[a->added++ % NUM_PENDING];
	struct entry *e = find(p->w, p->hash, p->key, p->key_len);
	if (e == NULL)
		e = new_entry(a, p->w, p->hash, p->key, p->key_len);
	add_sums(&e->sums, &p->sums);
	if (p->has_client)
		clients_add(&a->clients, &e->clients, p->client, a->ctr);
}

void table_add(struct ht_aggregate *a, struct window *w, const struct ht_record *r) {
	struct pending *const p = &a->pending[a->taken++ % NUM_PENDING];
	const size_t len = key_encode(&a->words, &a->key, p->key, r, a->ctr);
	p->w = w;
	p->key_len = (uint16_t)len;
	p->hash = (uint32_t
	)XXH3_64bits_withSecret(p->key, len, a->hash_secret, sizeof(a->hash_secret));
	__builtin_prefetch(&w->slots[p->hash & (w->num_slots - 1)]);
	begin(&p->sums);
	count(&p->sums, r);
	find_client(a, p, r);
	w->ts_is_ns = w->ts_is_ns || ((r->has & HT_HAS(ts)) && r->ts_is_ns);
	if (a->taken - a->looked == PENDING_STEP)
		look_up(a);
	if (a->taken - a->added == NUM_PENDING)
		add(a);
}

void table_settle(struct ht_aggregate *a) {
	a->looked = a->taken;
	while (a->added < a->taken)
		add(a);
}

// --- telling ------------------------------------------------------------------------------------

static void set_sums(struct ht_record *r, const struct sums *s) {
	ht_set(r, flows, s->flows);
	ht_set(r, hellos, s->hellos);
	ht_set(r, incomplete_hellos, s->incomplete_hellos);
	ht_set(r, c2s_packets, s->c2s_packets);
	ht_set(r, c2s_bytes, s->c2s_bytes);
	ht_set(r, c2s_ip_bytes, s->c2s_ip_bytes);
	ht_set(r, s2c_packets, s->s2c_packets);
	ht_set(r, s2c_bytes, s->s2c_bytes);
	ht_set(r, s2c_ip_bytes, s->s2c_ip_bytes);
	ht_set(r, first_seen, s->first_seen);
	ht_set(r, last_seen, s->last_seen);
	ht_set(r, resumed_flows, s->resumed);
	ht_set(r, refused_flows, s->refused);
	if (s->hello_lens > 0) {
		ht_set(r, hello_len_min, s->hello_len_min);
		ht_set(r, hello_len_max, s->hello_len_max);
		ht_set(r, hello_len_mean,
		       (uint32_t)((s->hello_len + s->hello_lens / 2) / s->hello_lens));
	}
}

static void emit(struct ht_aggregate *a, const struct window *w, struct ht_record *r) {
	int64_t end;
	if (__builtin_add_overflow(w->start, a->length, &end))
		end = INT64_MAX;
	ht_set(r, record, "aggregate");
	ht_set(r, ts, end);
	ht_set(r, window_start, w->start);
	ht_set(r, window_end, end);
	r->ts_is_ns = w->ts_is_ns;
	ht_stats_count(&a->ctr[HT_AGGREGATE_TOLD], 1);
	a->p.emit(a->p.user, r);
}

static void tell_one(struct ht_aggregate *a, const struct window *w, struct entry *e) {
	struct ht_record r;
	uint8_t addresses[HT_AGGREGATE_MAX_KEY][16];
	r.has = 0;
	key_decode(&a->words, &a->key, &r, e->key, addresses);
	set_sums(&r, &e->sums);
	ht_set(&r, clients, clients_count(&a->clients, &e->clients));
	emit(a, w, &r);
	clients_release(&a->clients, &e->clients);
}

static void tell_other(struct ht_aggregate *a, const struct window *w) {
	struct ht_record r;
	r.has = 0;
	set_sums(&r, &w->other);
	ht_set(&r, clients, ht_hll_estimate(w->other_clients));
	ht_set(&r, other, true);
	ht_set(&r, other_keys, w->other_keys);
	ht_stats_count(&a->ctr[HT_AGGREGATE_OTHERS], 1);
	emit(a, w, &r);
}

// The largest first; what is as large, by the bytes of the key.
static int by_size(const void *x, const void *y, void *window) {
	const struct rank *const a = x, *const b = y;
	if (a->flows != b->flows)
		return a->flows < b->flows ? 1 : -1;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	const struct entry *const e = entry_at(window, a->at), *const f = entry_at(window, b->at);
	const int cmp = memcmp(e->key, f->key, e->key_len < f->key_len ? e->key_len : f->key_len);
	return cmp != 0 ? cmp : (int)e->key_len - (int)f->key_len;
}

// Empty, with as many slots as the keys of this window would fill to an eighth.
static void empty(struct window *w) {
	memset(w->slots, 0, w->num_slots * sizeof(w->slots[0]));
	while (w->num_slots > FIRST_SLOTS && w->num < w->num_slots / 8)
		w->num_slots /= 2;
	w->num = 0;
	w->used = 0;
}

void table_begin(struct window *w, int64_t start) {
	w->start = start;
	w->open = true;
	w->ts_is_ns = false;
	w->other_keys = 0;
	begin(&w->other);
	memset(w->other_clients, 0, sizeof(w->other_clients));
}

void table_close(struct ht_aggregate *a, struct window *w) {
	struct telling *const t = &a->telling;
	fill_ranks(t->order, w);
	w->open = false;
	t->w = w;
	t->at = t->sorted = 0;
	t->num = t->end[0] = w->num;
	t->depth = 1;
}

#define SORT_AT_ONCE 1024

// Puts some more in order: that costs one pass over a part, which halves each time.
static void sort_some(struct ht_aggregate *a) {
	struct telling *const t = &a->telling;
	struct rank *const v = t->order;
	while (t->end[t->depth - 1] - t->at > SORT_AT_ONCE && t->depth < HT_ARRAY_LEN(t->end)) {
		const uint32_t lo = t->at, hi = t->end[t->depth - 1];
		swap(&v[lo], &v[lo + draw(a) % (hi - lo)]);
		uint32_t i = lo;
		for (uint32_t k = lo + 1; k < hi; k++)
			if (by_size(&v[k], &v[lo], t->w) < 0)
				swap(&v[++i], &v[k]);
		swap(&v[lo], &v[i]);
		t->end[t->depth++] = i + 1; // not empty: the pivot is its last
		if (i + 1 == hi) // the pivot comes last of all: the same part without it
			t->end[t->depth - 1] = i;
	}
	t->sorted = t->end[--t->depth];
	qsort_r(v + t->at, t->sorted - t->at, sizeof(v[0]), by_size, t->w);
}

bool table_tell(struct ht_aggregate *a, uint32_t max) {
	struct telling *const t = &a->telling;
	if (t->w == NULL)
		return false;
	for (; max > 0 && t->at < t->num; max--) {
		if (t->at == t->sorted)
			sort_some(a);
		tell_one(a, t->w, entry_at(t->w, t->order[t->at++].at));
	}
	if (t->at < t->num)
		return true;
	if (t->w->other_keys > 0)
		tell_other(a, t->w);
	empty(t->w);
	t->w = NULL;
	return true;
}
