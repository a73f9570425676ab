// SPDX-License-Identifier: BSD-3-Clause
// Fingerprints: which ones were seen in this network, since when, how often, from how many clients.
// In a full set the one with the fewest hellos gives way: made-up ones come and go, and those of
// software that is in use stay.

#include "pages.h"
#include "rates_int.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define GAP_NS (60 * HT_NS_PER_S) // in which nothing was watched

// What an event has of its hello.
#define HELLO_FIELDS \
	(HT_HAS(ts) | HT_HAS(frame) | HT_HAS(src_ip) | HT_HAS(src_port) | HT_HAS(dst_ip) \
	 | HT_HAS(dst_port) | HT_HAS(src_mac) | HT_HAS(dst_mac) | HT_HAS(transport) \
	 | HT_HAS(community_id) | HT_HAS(encap) | HT_HAS(service) | HT_HAS(protocol) | HT_HAS(via) \
	 | HT_HAS(sni))

static uint32_t num_sets(const struct ht_rates_params *p) {
	return (p->max_fingerprints + WAYS - 1) / WAYS;
}

uint64_t prints_memory(const struct ht_rates_params *p) {
	const uint64_t sets = num_sets(p);
	// Once more for the copy that is saved.
	return p->fingerprints == HT_RATES_NONE
		       ? 0
		       : sets * (sizeof(struct set) + 2 * WAYS * sizeof(struct print));
}

bool prints_init(struct ht_rates *r) {
	struct prints *const t = &r->prints;
	t->seen = t->minute = t->host_minute = INT64_MIN;
	if (r->p.fingerprints == HT_RATES_NONE)
		return true;
	t->num_sets = num_sets(&r->p);
	t->sets = ht_pages_new(t->num_sets * sizeof(struct set));
	t->prints = ht_pages_new((size_t)t->num_sets * WAYS * sizeof(struct print));
	// The secret of the file, if there is one, takes the place of this one.
	for (unsigned i = 0; i < 2; i++)
		t->secret[i] = XXH3_64bits_withSecret(
			&i, sizeof(i), r->client_secret, sizeof(r->client_secret)
		);
	prints_key(t);
	return t->sets != NULL && t->prints != NULL;
}

void prints_exit(struct ht_rates *r) {
	struct prints *const t = &r->prints;
	ht_pages_free(t->sets, t->num_sets * sizeof(struct set));
	ht_pages_free(t->prints, (size_t)t->num_sets * WAYS * sizeof(struct print));
}

void prints_key(struct prints *t) {
	XXH3_generateSecret(t->hash_secret, sizeof(t->hash_secret), t->secret, sizeof(t->secret));
	XXH3_generateSecret(
		t->client_secret, sizeof(t->client_secret), t->hash_secret, sizeof(t->hash_secret)
	);
}

void prints_clear(struct prints *t) {
	memset(t->sets, 0, t->num_sets * sizeof(struct set));
	t->in_use = 0;
	t->hellos = 0;
	t->watched = 0;
}

// --- the table ----------------------------------------------------------------------------------

static uint64_t hash_of(const struct prints *t, struct ht_span text) {
	return XXH3_64bits_withSecret(text.p, text.len, t->hash_secret, sizeof(t->hash_secret));
}

static bool is_text(const struct print *p, struct ht_span text) {
	return p->len == text.len && memcmp(p->text, text.p, text.len) == 0;
}

static struct print *find(struct prints *t, uint64_t hash, struct ht_span text) {
	const uint32_t set = set_of(hash, t->num_sets);
	unsigned ways = ways_of(&t->sets[set], tag_of(hash));
	for (; ways != 0; ways &= ways - 1) {
		struct print *const p = &t->prints[set * WAYS + (unsigned)__builtin_ctz(ways)];
		if (is_text(p, text))
			return p;
	}
	return NULL;
}

void prints_weigh(struct prints *t, const struct print *p) {
	const size_t at = (size_t)(p - t->prints);
	t->sets[at / WAYS].weight[at % WAYS] = weight_of(p->hellos);
}

struct print *prints_place(struct ht_rates *r, struct ht_span text, bool is_ja3) {
	struct prints *const t = &r->prints;
	const uint64_t hash = hash_of(t, text);
	const uint32_t set = set_of(hash, t->num_sets);
	struct set *const s = &t->sets[set];
	const unsigned way = least_of(s);
	struct print *const p = &t->prints[set * WAYS + way];
	if (s->tag[way] != 0)
		count(r, HT_RATES_FORGOTTEN);
	else
		t->in_use++;
	s->tag[way] = tag_of(hash);
	*p = (struct print){.told = INT64_MIN, .len = (uint8_t)text.len, .is_ja3 = is_ja3};
	memcpy(p->text, text.p, text.len);
	return p;
}

static void add_client(const struct prints *t, struct print *p, const struct ht_record *h) {
	if (p->num_clients == HT_RATES_CLIENTS)
		return;
	const struct ht_span from = client_address(h);
	const uint32_t hash = (uint32_t
	)XXH3_64bits_withSecret(from.p, from.len, t->client_secret, sizeof(t->client_secret));
	for (unsigned i = 0; i < p->num_clients; i++)
		if (p->clients[i] == hash)
			return;
	p->clients[p->num_clients++] = hash;
}

// --- telling ------------------------------------------------------------------------------------

static bool has_learned(const struct ht_rates *r) {
	return r->prints.watched >= r->p.learn_s * HT_NS_PER_S
	       && r->prints.hellos >= r->p.learn_hellos;
}

// Times of frames may be anything where frames are not stamped here: live, the clock counts, too.
void prints_tick(struct prints *t, int64_t now) {
	const int64_t minute = now / (60 * HT_NS_PER_S);
	if (minute != t->host_minute) {
		t->host_minute = minute;
		t->host_events = 0;
	}
}

// Whether another event may be told in this minute.
static bool may_tell(struct ht_rates *r, int64_t ts) {
	struct prints *const t = &r->prints;
	const int64_t minute = ts / (60 * HT_NS_PER_S);
	if (minute != t->minute) {
		t->minute = minute;
		t->events = 0;
	}
	const bool live = t->host_minute != INT64_MIN;
	return t->events < r->p.events_per_min && (!live || t->host_events < r->p.events_per_min);
}

static void
tell(struct ht_rates *r, struct print *p, const struct ht_record *h, const char *kind, int64_t last
) {
	struct ht_record *const out = &r->out;
	const struct ht_span text = HT_SPAN(p->text, p->len);
	const bool is_new = kind[0] == 'n';
	ht_record_copy(out, h, HELLO_FIELDS);
	ht_set(out, record, ht_kind_names[HT_KIND_BIT_EVENT]);
	ht_set(out, kind, kind);
	ht_set(out, severity, "notice");
	if (p->is_ja3)
		ht_set(out, ja3, text);
	else
		ht_set(out, ja4, text);
	if (!is_new) {
		ht_set(out, hellos, p->hellos);
		ht_set(out, clients, p->num_clients);
		ht_set(out, first_seen, p->first_seen);
		ht_set(out, last_seen, last);
	}
	p->told = h->ts;
	r->prints.events++;
	r->prints.host_events++;
	r->p.emit(r->p.user, out);
}

static void
look_at_new(struct ht_rates *r, struct print *p, const struct ht_record *h, bool learned) {
	count(r, HT_RATES_NEW);
	if (!learned) {
		count(r, HT_RATES_NEW_LEARNED);
	} else if (!may_tell(r, h->ts)) {
		count(r, HT_RATES_NEW_CAPPED);
		p->told = h->ts; // not rare at once
	} else {
		count(r, HT_RATES_NEW_TOLD);
		tell(r, p, h, "new_fingerprint", 0);
	}
}

static bool is_rare(const struct ht_rates *r, const struct print *p) {
	if (p->num_clients < r->p.rare_clients)
		return true;
	const uint64_t limit = r->prints.hellos / 1000000 * r->p.rare_ppm
			       + r->prints.hellos % 1000000 * r->p.rare_ppm / 1000000;
	return p->hellos < limit;
}

static void
look_at_rare(struct ht_rates *r, struct print *p, const struct ht_record *h, int64_t last) {
	const int64_t interval = r->p.rare_interval_s * HT_NS_PER_S;
	// A clock that was wrong then, and years ahead, does not silence it for as long.
	if (p->told != INT64_MIN && !ht_older_than(h->ts, p->told, interval)
	    && !ht_older_than(p->told, h->ts, interval))
		return;
	count(r, HT_RATES_RARE);
	if (may_tell(r, h->ts)) {
		count(r, HT_RATES_RARE_TOLD);
		tell(r, p, h, "rare_fingerprint", last);
	} else {
		count(r, HT_RATES_RARE_CAPPED);
	}
}

static void look_at(struct ht_rates *r, const struct ht_record *h, const struct print_look *l) {
	struct prints *const t = &r->prints;
	count(r, HT_RATES_FINGERPRINTS);
	struct print *p = find(t, l->hash, l->text);
	const bool learned = has_learned(r), is_new = p == NULL;
	if (is_new) {
		p = prints_place(r, l->text, l->is_ja3);
		p->first_seen = p->last_seen = h->ts;
	}
	const int64_t last = p->last_seen;
	p->hellos++;
	p->last_seen = h->ts > last ? h->ts : last;
	add_client(t, p, h);
	prints_weigh(t, p);
	if (is_new)
		look_at_new(r, p, h, learned);
	else if (learned && is_rare(r, p))
		look_at_rare(r, p, h, last);
}

// Time counts as watched while hellos come.
static void watch(struct prints *t, int64_t ts) {
	if (t->seen == INT64_MIN || ht_older_than(t->seen, ts, GAP_NS)) {
		t->seen = ts;
	} else if (ts > t->seen) {
		t->watched += ht_older_than(ts, t->seen, GAP_NS) ? 0 : ts - t->seen;
		t->seen = ts;
	}
}

static void ask(const struct prints *t, struct print_looks *l, struct ht_span text, bool is_ja3) {
	if (text.len == 0 || text.len > PRINT_MAX)
		return;
	const uint64_t hash = hash_of(t, text);
	const struct set *const s = &t->sets[set_of(hash, t->num_sets)];
	__builtin_prefetch(s->tag, 1);
	__builtin_prefetch(s->weight, 1);
	l->v[l->num++] = (struct print_look){.text = text, .hash = hash, .is_ja3 = is_ja3};
}

void prints_ask(const struct ht_rates *r, struct print_looks *l, const struct ht_record *h) {
	const uint32_t which = r->p.fingerprints;
	l->num = 0;
	if ((h->has & HT_HAS(ja4)) && (which == HT_RATES_JA4 || which == HT_RATES_BOTH))
		ask(&r->prints, l, h->ja4, false);
	if ((h->has & HT_HAS(ja3)) && (which == HT_RATES_JA3 || which == HT_RATES_BOTH))
		ask(&r->prints, l, h->ja3, true);
}

void prints_add(struct ht_rates *r, const struct print_looks *l, const struct ht_record *h) {
	watch(&r->prints, h->ts);
	for (unsigned i = 0; i < l->num; i++)
		look_at(r, h, &l->v[i]);
	r->prints.hellos++;
}
