// SPDX-License-Identifier: BSD-3-Clause
// How often keys come, and floods. Space-saving (Metwally, Agrawal, El Abbadi 2005), in sets: a key
// that has no place takes that of the one with the least weight, and has its weight from there on,
// so that a key that comes often gets a place in any company. What is told is only what was counted
// since it has its place: the weight of others never makes a flood.

#include "pages.h"
#include "rates_int.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <xxhash.h>

static const char *const by_names[NUM_BY] = {"destination", "source", "sni"};

static uint32_t threshold_of(const struct ht_rates_params *p, enum by by) {
	return by == BY_DESTINATION ? p->flood_dst_hz
	       : by == BY_SOURCE    ? p->flood_src_hz
				    : p->flood_sni_hz;
}

// A name has its length before it.
static size_t name_size(enum by by) {
	return by == BY_SNI ? 1 + NAME_MAX_LEN : 16;
}

static uint32_t num_sets(const struct ht_rates_params *p) {
	return (p->max_keys + WAYS - 1) / WAYS;
}

static size_t used_bytes(uint32_t sets) {
	return (sets + 63) / 64 * sizeof(uint64_t);
}

uint64_t floods_memory(const struct ht_rates_params *p) {
	const uint64_t sets = num_sets(p);
	uint64_t sum = 0;
	for (unsigned by = 0; by < NUM_BY; by++)
		if (threshold_of(p, by) > 0)
			sum += sets * sizeof(struct set)
			       + sets * WAYS * (sizeof(struct key) + name_size(by))
			       + used_bytes(num_sets(p)) + p->max_floods * sizeof(struct flood);
	return sum;
}

static bool table_init(struct table *t, enum by by, const struct ht_rates_params *p) {
	t->by = by;
	t->threshold = threshold_of(p, by);
	if (t->threshold == 0)
		return true;
	const uint64_t end = (uint64_t)t->threshold * p->flood_end_percent / 100;
	t->end_threshold = end > 0 ? (uint32_t)end : 1;
	t->num_sets = num_sets(p);
	const size_t keys = (size_t)t->num_sets * WAYS;
	t->sets = ht_pages_new(t->num_sets * sizeof(struct set));
	t->keys = ht_pages_new(keys * sizeof(struct key));
	t->names = ht_pages_new(keys * name_size(by));
	t->used = calloc(1, used_bytes(t->num_sets));
	t->floods = ht_pages_new(p->max_floods * sizeof(struct flood));
	if (t->sets == NULL || t->keys == NULL || t->names == NULL || t->used == NULL
	    || t->floods == NULL)
		return false;
	t->free_flood = 1;
	for (uint32_t i = 0; i < p->max_floods; i++)
		t->floods[i].next_free = i + 1 < p->max_floods ? i + 2 : 0;
	return true;
}

static void table_exit(struct table *t, const struct ht_rates_params *p) {
	const size_t keys = (size_t)t->num_sets * WAYS;
	ht_pages_free(t->sets, t->num_sets * sizeof(struct set));
	ht_pages_free(t->keys, keys * sizeof(struct key));
	ht_pages_free(t->names, keys * name_size(t->by));
	ht_pages_free(t->floods, p->max_floods * sizeof(struct flood));
	free(t->used);
}

bool floods_init(struct ht_rates *r) {
	bool ok = true;
	for (unsigned by = 0; by < NUM_BY; by++)
		ok = ok && table_init(&r->tables[by], by, &r->p);
	return ok;
}

void floods_exit(struct ht_rates *r) {
	for (unsigned by = 0; by < NUM_BY; by++)
		table_exit(&r->tables[by], &r->p);
}

bool floods_empty(const struct ht_rates *r) {
	for (unsigned by = 0; by < NUM_BY; by++)
		if (r->tables[by].in_use > 0)
			return false;
	return true;
}

// --- counting -----------------------------------------------------------------------------------

static uint8_t *name_at(const struct table *t, uint32_t at) {
	return t->names + at * name_size(t->by);
}

static void keep_name(const struct table *t, uint32_t at, struct ht_span name) {
	uint8_t *const to = name_at(t, at);
	if (t->by != BY_SNI) {
		memcpy(to, name.p, 16);
		return;
	}
	to[0] = (uint8_t)(name.len < NAME_MAX_LEN ? name.len : NAME_MAX_LEN);
	memcpy(to + 1, name.p, to[0]);
}

// A hello's key in one of the tables. All three are asked for before any is looked at, so that
// memory is waited for once and not six times.
struct look {
	struct table *t;
	struct ht_span name;
	uint64_t hash;
	uint32_t set;
	unsigned ways; // that may be it
	unsigned least; // the way it takes where none is
};

static void ask_for_set(struct look *l, struct table *t, uint64_t hash, struct ht_span name) {
	*l = (struct look){.t = t, .name = name, .hash = hash, .set = set_of(hash, t->num_sets)};
	const struct set *const s = &t->sets[l->set];
	__builtin_prefetch(s->tag, 1);
	__builtin_prefetch(s->weight, 1);
}

static void ask_for_key(struct look *l) {
	const struct set *const s = &l->t->sets[l->set];
	l->ways = ways_of(s, tag_of(l->hash));
	l->least = l->ways == 0 ? least_of(s) : 0;
	const unsigned way = l->ways != 0 ? (unsigned)__builtin_ctz(l->ways) : l->least;
	__builtin_prefetch(&l->t->keys[l->set * WAYS + way], 1);
	if (l->ways == 0)
		__builtin_prefetch(name_at(l->t, l->set * WAYS + way), 1);
}

// A place for a key that has none. UINT32_MAX: all that it could have are those of floods.
static uint32_t take_place(struct ht_rates *r, const struct look *l) {
	struct table *const t = l->t;
	struct set *const s = &t->sets[l->set];
	const unsigned way = l->ways == 0 ? l->least : least_of(s);
	const uint32_t at = l->set * WAYS + way;
	const int32_t weight = s->weight[way];
	if (weight == PINNED) {
		count(r, HT_RATES_UNCOUNTED);
		return UINT32_MAX;
	}
	if (s->tag[way] != 0) {
		count(r, HT_RATES_EVICTED);
	} else {
		t->used[l->set / 64] |= UINT64_C(1) << l->set % 64;
		t->in_use++;
	}
	count(r, HT_RATES_KEYS);
	s->tag[way] = tag_of(l->hash);
	t->keys[at] = (struct key){.hash = l->hash, .carry = (uint32_t)weight};
	keep_name(t, at, l->name);
	return at;
}

static uint32_t find(const struct look *l) {
	for (unsigned ways = l->ways; ways != 0; ways &= ways - 1) {
		const uint32_t at = l->set * WAYS + (unsigned)__builtin_ctz(ways);
		if (HT_LIKELY(l->t->keys[at].hash == l->hash))
			return at;
	}
	return UINT32_MAX;
}

static uint32_t client_of(const struct ht_rates *r, const struct ht_record *h) {
	const struct ht_span from = client_address(h);
	return (uint32_t
	)XXH3_64bits_withSecret(from.p, from.len, r->client_secret, sizeof(r->client_secret));
}

// A slot's counter: of the ten before 1970, too, each has another one than those behind them.
static unsigned in_window(int64_t slot) {
	const int64_t in = slot % WINDOW;
	return (unsigned)(in < 0 ? in + WINDOW : in);
}

// Counts a hello in a slot's counter. It returns the flood it is part of, or NULL.
static struct flood *count_key(struct ht_rates *r, const struct look *l, unsigned in) {
	struct table *const t = l->t;
	uint32_t at = find(l);
	if (at == UINT32_MAX) {
		at = take_place(r, l);
		if (at == UINT32_MAX)
			return NULL;
	}
	struct key *const k = &t->keys[at];
	k->count[in]++;
	k->total++;
	if (k->flood == 0) {
		t->sets[l->set].weight[at % WAYS]++;
		return NULL;
	}
	return &t->floods[k->flood - 1];
}

// The first `bits` bits of an address.
static void network_of(uint8_t out[16], const uint8_t ip[16], unsigned bits) {
	uint64_t half[2];
	memcpy(half, ip, sizeof(half));
	const unsigned in = bits >= 64; // the half that is cut
	const unsigned left = bits - 64 * in;
	if (bits < 128)
		half[in] &= left == 0 ? 0 : __builtin_bswap64(~UINT64_C(0) << (64 - left));
	if (in == 0)
		half[1] = 0;
	memcpy(out, half, sizeof(half));
}

static unsigned prefix_of(const struct ht_rates *r, const uint8_t ip[16]) {
	return ht_ip_is_v4(ip) ? r->p.src_prefix4 : r->p.src_prefix6;
}

static uint64_t hash_of(const struct ht_rates *r, struct ht_span s) {
	return XXH3_64bits_withSecret(s.p, s.len, r->hash_secret, sizeof(r->hash_secret));
}

// Names are compared as DNS does: RFC 4343, and without the dot of the root.
static uint64_t hash_of_name(const struct ht_rates *r, struct ht_span name) {
	uint8_t lower[NAME_MAX_LEN];
	if (name.len > 0 && name.p[name.len - 1] == '.')
		name.len--;
	if (name.len > sizeof(lower))
		return hash_of(r, name); // none of DNS
	for (size_t i = 0; i < name.len; i++)
		lower[i] = ht_lower(name.p[i]);
	return hash_of(r, HT_SPAN(lower, name.len));
}

void floods_add(struct ht_rates *r, const struct ht_record *h, int64_t slot) {
	struct table *const dst = &r->tables[BY_DESTINATION], *const src = &r->tables[BY_SOURCE],
			    *const sni = &r->tables[BY_SNI];
	struct look looks[NUM_BY];
	unsigned num = 0;
	uint8_t network[16];
	if (dst->threshold > 0 && (h->has & HT_HAS(dst_ip))) {
		const struct ht_span ip = HT_SPAN(h->dst_ip, 16);
		ask_for_set(&looks[num++], dst, hash_of(r, ip), ip);
	}
	if (src->threshold > 0 && (h->has & HT_HAS(src_ip))) {
		const unsigned bits = prefix_of(r, h->src_ip);
		network_of(network, h->src_ip, bits + (ht_ip_is_v4(h->src_ip) ? 96 : 0));
		const struct ht_span ip = HT_SPAN(network, 16);
		ask_for_set(&looks[num++], src, hash_of(r, ip), ip);
	}
	if (sni->threshold > 0 && (h->has & HT_HAS(sni)))
		ask_for_set(&looks[num++], sni, hash_of_name(r, h->sni), h->sni);
	for (unsigned i = 0; i < num; i++)
		ask_for_key(&looks[i]);
	struct flood *floods[NUM_BY];
	unsigned num_floods = 0;
	for (unsigned i = 0; i < num; i++) {
		floods[num_floods] = count_key(r, &looks[i], in_window(slot));
		num_floods += floods[num_floods] != NULL;
	}
	const uint32_t client = num_floods > 0 ? client_of(r, h) : 0;
	for (unsigned i = 0; i < num_floods; i++) {
		floods[i]->hellos++;
		ht_hll_add(floods[i]->registers, client);
	}
}

// --- telling ------------------------------------------------------------------------------------

// The first and the last slot that times have begin and end outside of them.
static int64_t begin_of(int64_t slot) {
	int64_t ts;
	if (__builtin_mul_overflow(slot, SLOT_NS, &ts))
		return slot < 0 ? INT64_MIN : INT64_MAX;
	return ts;
}

static void put_key(struct ht_rates *r, struct ht_record *out, const struct table *t, uint32_t at) {
	const uint8_t *const name = name_at(t, at);
	ht_set(out, flood_by, by_names[t->by]);
	if (t->by == BY_DESTINATION) {
		ht_set(out, dst_ip, name);
	} else if (t->by == BY_SOURCE) {
		ht_set(out, src_ip, name);
		ht_set(out, src_prefix, (uint8_t)prefix_of(r, name));
	} else {
		ht_set(out, sni, HT_SPAN(name + 1, name[0]));
	}
}

static void
tell(struct ht_rates *r, struct table *t, uint32_t at, const char *state, int64_t ts, uint32_t rate
) {
	struct ht_record *const out = &r->out;
	struct flood *const f = &t->floods[t->keys[at].flood - 1];
	const bool ended = state[0] == 'e';
	out->has = 0;
	ht_set(out, record, ht_kind_names[HT_KIND_BIT_EVENT]);
	ht_set(out, ts, ts);
	out->ts_is_ns = r->ts_is_ns;
	ht_set(out, kind, "flood");
	ht_set(out, severity, ended ? "notice" : "warning");
	put_key(r, out, t, at);
	ht_set(out, flood_state, state);
	ht_set(out, rate, rate);
	ht_set(out, rate_peak, f->peak);
	ht_set(out, hellos, f->hellos);
	ht_set(out, clients, ht_hll_estimate(f->registers));
	ht_set(out, start, begin_of(f->start));
	if (ended) {
		const int64_t end = begin_of(f->last + 1);
		ht_set(out, end, end < ts ? end : ts);
		ht_set(out, duration_us, ((uint64_t)out->end - (uint64_t)out->start) / 1000);
	}
	f->told_at = r->slot;
	f->told_peak = f->peak;
	count(r, ended ? HT_RATES_ENDS : state[0] == 's' ? HT_RATES_FLOODS : HT_RATES_PEAKS);
	r->p.emit(r->p.user, out);
}

// --- floods -------------------------------------------------------------------------------------

static void release(struct table *t, struct key *k, int32_t *weight) {
	struct flood *const f = &t->floods[k->flood - 1];
	f->next_free = t->free_flood;
	t->free_flood = k->flood;
	k->flood = 0;
	*weight = weight_of((uint64_t)k->total + k->carry);
}

// Follows a key that is above its threshold at the end of r->slot. It began with the first slot
// that by itself is.
static void follow(struct ht_rates *r, struct table *t, struct key *k, int32_t *weight) {
	if (t->free_flood == 0) {
		count(r, HT_RATES_UNFOLLOWED);
		return;
	}
	struct flood *const f = &t->floods[t->free_flood - 1];
	const uint32_t number = t->free_flood;
	t->free_flood = f->next_free;
	*f = (struct flood){.last = r->slot, .below_since = INT64_MAX, .state = FLOOD_HELD};
	for (f->start = r->slot - WINDOW + 1; f->start < r->slot; f->start++)
		if ((uint64_t)k->count[in_window(f->start)] * SLOTS_PER_S >= t->threshold)
			break;
	for (int64_t s = f->start; s <= r->slot; s++)
		f->hellos += k->count[in_window(s)];
	k->flood = number;
	k->carry = 0;
	*weight = PINNED;
}

static bool passed(const struct ht_rates *r, int64_t since, uint32_t seconds) {
	return r->slot - since >= (int64_t)seconds * SLOTS_PER_S;
}

// A new peak is told now and then, one of twice the rate told last after a second (flood_peak_s is
// one at least).
static bool peak_is_due(const struct ht_rates *r, const struct flood *f) {
	if (f->peak <= f->told_peak)
		return false;
	const bool doubled = f->peak / 2 >= f->told_peak;
	return passed(r, f->told_at, doubled ? 1 : r->p.flood_peak_s);
}

static void look_at_told(struct ht_rates *r, struct table *t, uint32_t at, int32_t *weight) {
	struct key *const k = &t->keys[at];
	struct flood *const f = &t->floods[k->flood - 1];
	const int64_t now = begin_of(r->slot + 1);
	if (k->total >= t->end_threshold) {
		f->below_since = INT64_MAX;
	} else if (f->below_since == INT64_MAX) {
		f->below_since = r->slot;
	}
	if (f->below_since != INT64_MAX && passed(r, f->below_since, r->p.flood_end_s)) {
		tell(r, t, at, "end", now, k->total);
		release(t, k, weight);
	} else if (peak_is_due(r, f)) {
		tell(r, t, at, "peak", now, k->total);
	}
}

// What a key is at the end of r->slot.
static void look_at(struct ht_rates *r, struct table *t, uint32_t at, int32_t *weight) {
	struct key *const k = &t->keys[at];
	if (HT_LIKELY(k->flood == 0)) {
		if (HT_LIKELY(k->total < t->threshold))
			return;
		follow(r, t, k, weight);
		if (k->flood == 0)
			return;
	}
	struct flood *const f = &t->floods[k->flood - 1];
	const uint32_t in_slot = k->count[in_window(r->slot)];
	f->peak = k->total > f->peak ? k->total : f->peak;
	if ((uint64_t)in_slot * SLOTS_PER_S >= t->end_threshold)
		f->last = r->slot;
	if (f->state == FLOOD_TOLD) {
		look_at_told(r, t, at, weight);
	} else if (k->total < t->threshold) {
		release(t, k, weight);
	} else if (passed(r, f->start, r->p.flood_hold_s)) {
		f->state = FLOOD_TOLD;
		tell(r, t, at, "start", begin_of(r->slot + 1), k->total);
	}
}

static void forget(struct table *t, uint32_t set, unsigned way) {
	struct set *const s = &t->sets[set];
	s->tag[way] = 0;
	s->weight[way] = 0;
	t->in_use--;
	if (ways_of(s, 0) == (1u << WAYS) - 1)
		t->used[set / 64] &= ~(UINT64_C(1) << set % 64);
}

// Takes what came in the slot that leaves the window out of a key. A tenth of what it has of others
// goes with it.
static void age(struct ht_rates *r, struct table *t, uint32_t set, unsigned way) {
	struct key *const k = &t->keys[set * WAYS + way];
	uint32_t *const oldest = &k->count[in_window(r->slot + 1)];
	k->total -= *oldest;
	*oldest = 0;
	if (k->flood != 0)
		return;
	k->carry -= (k->carry + WINDOW - 1) / WINDOW;
	t->sets[set].weight[way] = weight_of((uint64_t)k->total + k->carry);
	if (k->total == 0)
		forget(t, set, way);
}

static void rotate(struct ht_rates *r, struct table *t) {
	for (uint32_t word = 0; t->in_use > 0 && word < (t->num_sets + 63) / 64; word++)
		for (uint64_t used = t->used[word]; used != 0; used &= used - 1) {
			const uint32_t set = word * 64 + (unsigned)__builtin_ctzll(used);
			unsigned ways = ~ways_of(&t->sets[set], 0) & ((1u << WAYS) - 1);
			for (; ways != 0; ways &= ways - 1) {
				const unsigned way = (unsigned)__builtin_ctz(ways);
				look_at(r, t, set * WAYS + way, &t->sets[set].weight[way]);
				age(r, t, set, way);
			}
		}
}

void floods_rotate(struct ht_rates *r) {
	for (unsigned by = 0; by < NUM_BY; by++)
		rotate(r, &r->tables[by]);
	r->slot++;
}

static void end_all(struct ht_rates *r, struct table *t) {
	const int64_t now = r->seen > begin_of(r->slot) ? r->seen : begin_of(r->slot);
	for (uint32_t at = 0; t->in_use > 0 && at < t->num_sets * WAYS; at++) {
		struct set *const s = &t->sets[at / WAYS];
		struct key *const k = &t->keys[at];
		if (s->tag[at % WAYS] == 0)
			continue;
		// What came since the slot before is part of it.
		if (k->flood != 0) {
			struct flood *const f = &t->floods[k->flood - 1];
			f->peak = k->total > f->peak ? k->total : f->peak;
			if (f->below_since == INT64_MAX)
				f->last = r->slot;
			if (f->state == FLOOD_TOLD)
				tell(r, t, at, "end", now, k->total);
			release(t, k, &s->weight[at % WAYS]);
		}
		forget(t, at / WAYS, at % WAYS);
	}
}

void floods_end(struct ht_rates *r) {
	if (r->slot == INT64_MIN)
		return;
	for (unsigned by = 0; by < NUM_BY; by++)
		end_all(r, &r->tables[by]);
}
