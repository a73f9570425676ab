// SPDX-License-Identifier: BSD-3-Clause

#include "watch.h"

#define VALUE(r, id, none) ((r)->has & HT_HAS(id) ? (r)->id : (none))

static struct ht_watchlist_query query_of(const struct ht_record *r) {
	return (struct ht_watchlist_query){
		.sni = VALUE(r, sni, HT_SPAN_EMPTY),
		.alpn = VALUE(r, alpn, HT_SPAN_EMPTY),
		.ja3 = VALUE(r, ja3, HT_SPAN_EMPTY),
		.ja4 = VALUE(r, ja4, HT_SPAN_EMPTY),
		.src_ip = VALUE(r, src_ip, NULL),
		.dst_ip = VALUE(r, dst_ip, NULL),
		.src_port = VALUE(r, src_port, 0),
		.dst_port = VALUE(r, dst_port, 0),
	};
}

static struct ht_span text(const char *s) {
	return s != NULL ? HT_SPAN(s, strlen(s)) : HT_SPAN_EMPTY;
}

static struct ht_match match_of(const struct ht_watchlist_match *v) {
	return (struct ht_match
	){text(v->list), text(v->entry), text(v->label), text(ht_severities[v->severity])};
}

_Static_assert(HT_MATCHES_MAX <= 64, "a bit each");

// choose tells which matches fit, as bits: the most severe ones first. They are put where they will
// be written in any case, which says how much room each takes.
static uint64_t
choose(uint8_t *out, const uint8_t *end, const struct ht_watchlist_match *v, unsigned num) {
	uint64_t chosen = 0;
	for (unsigned severity = HT_NUM_SEVERITIES; severity-- > 0;)
		for (unsigned i = 0; i < num; i++) {
			if (v[i].severity != severity)
				continue;
			const struct ht_match m = match_of(&v[i]);
			uint8_t *const next = ht_match_put(out, end, &m);
			if (next == NULL)
				continue;
			out = next;
			chosen |= UINT64_C(1) << i;
		}
	return chosen;
}

// put writes matches at `out` and returns the end. What does not fit is left out, and counted.
static uint8_t *
put(struct watch *w,
    uint8_t *out,
    const uint8_t *end,
    const struct ht_watchlist_match *v,
    unsigned num) {
	const uint64_t chosen = num > 1 ? choose(out, end, v, num) : 1;
	for (unsigned i = 0; i < num; i++) {
		const struct ht_match m = match_of(&v[i]);
		uint8_t *const next = chosen >> i & 1 ? ht_match_put(out, end, &m) : NULL;
		if (next != NULL)
			out = next;
		else
			ht_stats_count(&w->ctr[HT_WATCHLIST_CTR_MATCHES_CUT], 1);
	}
	return out;
}

static const char *worst(const struct ht_watchlist_match *v, unsigned num) {
	enum ht_severity found = HT_SEVERITY_INFO;
	for (unsigned i = 0; i < num; i++)
		found = v[i].severity > found ? v[i].severity : found;
	return ht_severities[found];
}

// The event has of the record what events may have.
static struct ht_record *event_of(
	struct watch *w,
	const struct ht_record *r,
	const char *severity,
	struct ht_span matches,
	const char *evidence
) {
	struct ht_record *const e = &w->event;
	if (!w->events)
		return NULL;
	ht_record_copy(e, r, ht_kind_fields(HT_KIND_EVENT));
	ht_set(e, record, ht_kind_names[HT_KIND_BIT_EVENT]);
	ht_set(e, kind, "watchlist");
	ht_set(e, severity, severity);
	ht_set(e, evidence, evidence);
	ht_set(e, matches, matches);
	return e;
}

struct ht_record *watch_hello(struct watch *w, struct ht_record *r) {
	struct ht_watchlist_match found[HT_MATCHES_MAX];
	if (w->set == NULL || ht_record_kind(r) != HT_KIND_HELLO)
		return NULL;
	const struct ht_watchlist_query q = query_of(r);
	const unsigned num
		= ht_watchlist_match(w->set, w->number, &q, found, HT_MATCHES_MAX, w->ctr);
	if (num == 0)
		return NULL;
	const uint8_t *const end = put(w, w->matches, w->matches + sizeof(w->matches), found, num);
	ht_set(r, matches, HT_SPAN(w->matches, (size_t)(end - w->matches)));
	return event_of(w, r, worst(found, num), r->matches, "the hello matches a watchlist");
}

// append copies matches behind the `num` that the record has, at `out`, and returns the end.
static uint8_t *append(struct watch *w, uint8_t *out, struct ht_span matches, unsigned *num) {
	const uint8_t *const end = w->matches + sizeof(w->matches);
	struct ht_match m;
	while (ht_match_next(&matches, &m)) {
		uint8_t *const next = *num < HT_MATCHES_MAX ? ht_match_put(out, end, &m) : NULL;
		if (next == NULL) {
			ht_stats_count(&w->ctr[HT_WATCHLIST_CTR_MATCHES_CUT], 1);
			continue;
		}
		out = next;
		++*num;
	}
	return out;
}

static void add(struct watch *w, struct ht_record *r, struct ht_span more) {
	unsigned num = 0;
	uint8_t *out = append(w, w->matches, VALUE(r, matches, HT_SPAN_EMPTY), &num);
	out = append(w, out, more, &num);
	ht_set(r, matches, HT_SPAN(w->matches, (size_t)(out - w->matches)));
}

static struct ht_record *look_at_flow(struct watch *w, struct ht_record *r) {
	struct ht_watchlist_match found[HT_MATCHES_MAX];
	struct ht_watchlist_query q = query_of(r);
	q.cert_sha256 = r->cert_sha256;
	q.only_cert = true;
	const unsigned num
		= ht_watchlist_match(w->set, w->number, &q, found, HT_MATCHES_MAX, w->ctr);
	if (num == 0)
		return NULL;
	const uint8_t *const end = put(w, w->told, w->told + sizeof(w->told), found, num);
	const struct ht_span told = HT_SPAN(w->told, (size_t)(end - w->told));
	add(w, r, told);
	return event_of(
		w, r, worst(found, num), told, "the server's certificate matches a watchlist"
	);
}

struct ht_record *watch_flow(struct watch *w, struct ht_record *r) {
	struct ht_record *event = NULL;
	if (w->slot == NULL || ht_record_kind(r) != HT_KIND_FLOW || !(r->has & HT_HAS(cert_sha256)))
		return NULL;
	watch_begin(w);
	if (w->set != NULL && ht_watchlists_has_cert(w->set))
		event = look_at_flow(w, r);
	watch_quiet(w);
	return event;
}
