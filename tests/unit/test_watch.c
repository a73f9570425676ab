// SPDX-License-Identifier: BSD-3-Clause

#include "t.h"
#include "watch.h"

static const uint8_t client[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
static const uint8_t server[16] = {[10] = 0xff, 0xff, 198, 51, 100, 1};
static const uint8_t sum[32] = {0xab};
#define SUM "ab00000000000000000000000000000000000000000000000000000000000000"

// ---- helpers

static struct ht_watchlist_report rep;

static struct watch *start(const char *text) {
	struct watch *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);
	struct ht_watchlists *set;
	assert_non_null(w);
	memset(w, 0, sizeof(*w));
	w->slot = ht_watchlist_slot_new(1);
	assert_non_null(w->slot);
	w->events = true;
	const struct ht_watchlist_params p = {.workers = 1};
	assert_int_equal(
		ht_watchlists_load_text(&set, "l.txt", HT_SPAN(text, strlen(text)), &p, &rep), HT_OK
	);
	assert_int_equal(rep.num, 0);
	assert_int_equal(ht_watchlist_publish(w->slot, set, 0), HT_OK);
	watch_begin(w);
	return w;
}

static void stop(struct watch *w) {
	watch_quiet(w);
	ht_watchlist_slot_free(w->slot);
	free(w);
}

static void hello(struct ht_record *r) {
	memset(r, 0xa5, sizeof(*r)); // what has no bit in `has` is rubbish
	r->has = 0;
	ht_set(r, record, "hello");
	ht_set(r, ts, 7);
	r->ts_is_ns = true;
	ht_set(r, src_ip, client);
	ht_set(r, dst_ip, server);
	ht_set(r, src_port, 50000);
	ht_set(r, dst_port, 443);
	ht_set(r, sni, HT_SPAN_STR("www.example.com"));
	ht_set(r, hello_len, 300);
}

static void flow(struct ht_record *r) {
	hello(r);
	ht_set(r, record, "flow");
	ht_set(r, cert_sha256, HT_SPAN(sum, sizeof(sum)));
}

// The matches as "entry entry".
static const char *entries(const struct ht_record *r) {
	static char text[64 * 1024];
	struct ht_match m;
	char *to = text;
	text[0] = '\0';
	struct ht_span rest = r->has & HT_HAS(matches) ? r->matches : HT_SPAN_EMPTY;
	while (ht_match_next(&rest, &m))
		to += sprintf(to, "%s%.*s", to > text ? " " : "", (int)m.entry.len, m.entry.p);
	assert_int_equal(rest.len, 0);
	return text;
}

static unsigned number(const struct ht_record *r) {
	struct ht_span rest = r->matches;
	struct ht_match m;
	unsigned n = 0;
	while (ht_match_next(&rest, &m))
		n++;
	return n;
}

// ---- tests

static void a_hello_gets_its_matches_and_an_event(void **state) {
	(void)state;
	struct watch *w = start("example.com a info\nport:443 b critical\nport:80\n192.0.2.0/24\n");
	struct ht_record r;
	hello(&r);
	const struct ht_record *e = watch_hello(w, &r);
	assert_string_equal(entries(&r), "example.com port:443 192.0.2.0/24");
	assert_non_null(e);
	assert_string_equal(entries(e), "example.com port:443 192.0.2.0/24");
	assert_string_equal(e->record, "event");
	assert_string_equal(e->kind, "watchlist");
	assert_string_equal(e->severity, "critical");
	assert_non_null(e->evidence);
	assert_int_equal(e->ts, 7);
	assert_true(e->ts_is_ns);
	assert_ptr_equal(e->src_ip, client);
	assert_int_equal(e->dst_port, 443);
	assert_true(ht_span_eq(e->sni, r.sni));
	// No event has these.
	assert_false(e->has & HT_HAS(hello_len));
	assert_true((e->has & ~ht_kind_fields(HT_KIND_EVENT)) == 0);
	assert_int_equal(w->ctr[HT_WATCHLIST_CTR_MATCHES], 3);
	stop(w);
}

static void severities_are_ordered(void **state) {
	(void)state;
	static const char *const words[] = {"info", "notice", "warning", "critical"};
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < 4; k++) {
			char text[128];
			struct ht_record r;
			snprintf(
				text, sizeof(text), "port:443 - %s\nexample.com - %s\n", words[i],
				words[k]
			);
			struct watch *w = start(text);
			hello(&r);
			const struct ht_record *e = watch_hello(w, &r);
			assert_non_null(e);
			assert_string_equal(e->severity, words[i > k ? i : k]);
			stop(w);
		}
}

static void nothing_else_is_touched(void **state) {
	(void)state;
	struct ht_record r;
	struct watch *w = start("port:443\n");
	hello(&r);
	ht_set(&r, dst_port, 444);
	assert_null(watch_hello(w, &r));
	assert_false(r.has & HT_HAS(matches));
	hello(&r);
	ht_set(&r, record, "event");
	assert_null(watch_hello(w, &r));
	flow(&r);
	assert_null(watch_hello(w, &r));
	watch_quiet(w);
	assert_null(watch_flow(w, &r)); // no entry is about certificates
	assert_false(r.has & HT_HAS(matches));
	hello(&r);
	assert_null(watch_hello(w, &r)); // between two bursts
	watch_begin(w);
	w->events = false;
	assert_null(watch_hello(w, &r)); // but it has its matches
	assert_string_equal(entries(&r), "port:443");
	stop(w);

	static struct watch none;
	watch_begin(&none);
	hello(&r);
	assert_null(watch_hello(&none, &r));
	flow(&r);
	assert_null(watch_flow(&none, &r));
	watch_quiet(&none);
}

// A record may lack anything.
static void a_bare_hello(void **state) {
	(void)state;
	struct ht_record r;
	struct watch *w = start("example.com\nport:443\n192.0.2.1\nalpn:h2\n");
	memset(&r, 0xa5, sizeof(r));
	r.has = 0;
	ht_set(&r, record, "hello");
	assert_null(watch_hello(w, &r));
	stop(w);
}

static void a_certificate_adds_to_a_flow(void **state) {
	(void)state;
	struct ht_record h, r;
	struct watch *w
		= start("port:443 x critical\ncert:" SUM " c warning\nexample.com & cert:" SUM
			"\nexample.org & cert:" SUM "\n");
	hello(&h);
	assert_non_null(watch_hello(w, &h));
	assert_string_equal(entries(&h), "port:443");
	watch_quiet(w);
	// The flow has its hello's, in memory of its own.
	uint8_t *kept = t_dup(h.matches.p, h.matches.len);
	flow(&r);
	ht_set(&r, matches, HT_SPAN(kept, h.matches.len));
	const struct ht_record *e = watch_flow(w, &r);
	assert_string_equal(entries(&r), "port:443 cert:" SUM " example.com & cert:" SUM);
	assert_non_null(e);
	assert_string_equal(entries(e), "cert:" SUM " example.com & cert:" SUM);
	assert_string_equal(e->severity, "warning");
	assert_true(ht_span_eq(e->cert_sha256, HT_SPAN(sum, sizeof(sum))));
	assert_string_equal(e->record, "event");
	free(kept);
	flow(&r);
	r.has &= ~HT_HAS(cert_sha256);
	assert_null(watch_flow(w, &r));
	stop(w);
}

// As many as there is room for; the others are counted.
static void more_than_a_record_has(void **state) {
	(void)state;
	static char text[128 * 1024], label[600];
	struct ht_record r;
	char *to = text;
	memset(label, 'x', sizeof(label) - 1);
	for (unsigned i = 1; i <= 32; i++) {
		to += sprintf(to, "src_ip:192.0.2.1/%u \"%s\"\n", i, label);
		to += sprintf(to, "dst_ip:198.51.100.1/%u & port:443\n", i);
		to += sprintf(to, "src_ip:192.0.2.1/%u & src_port:50000\n", i);
	}
	struct watch *w = start(text);
	hello(&r);
	assert_non_null(watch_hello(w, &r));
	const unsigned told = number(&r);
	assert_in_range(told, 20, HT_MATCHES_MAX);
	assert_in_range(r.matches.len, HT_MATCHES_SIZE * 3 / 4, HT_MATCHES_SIZE);
	assert_int_equal(w->ctr[HT_WATCHLIST_CTR_MATCHES], 96);
	assert_int_equal(w->ctr[HT_WATCHLIST_CTR_MATCHES_CUT], 96 - told);
	stop(w);
}

// Entries of little weight, which a sender can choose to match, take no room from others.
static void long_ones_do_not_hide_a_severe_one(void **state) {
	(void)state;
	static char text[128 * 1024], label[600];
	struct ht_record r;
	char *to = text;
	memset(label, 'x', sizeof(label) - 1);
	for (unsigned i = 1; i <= 32; i++)
		to += sprintf(to, "src_ip:192.0.2.1/%u \"%s\" info\n", i, label);
	sprintf(to, "dst_ip:198.51.100.1 \"%s\" critical\n", label);
	struct watch *w = start(text);
	hello(&r);
	const struct ht_record *const e = watch_hello(w, &r);
	assert_non_null(e);
	assert_string_equal(e->severity, "critical");
	assert_non_null(strstr(entries(&r), "dst_ip:198.51.100.1"));
	assert_int_equal(w->ctr[HT_WATCHLIST_CTR_MATCHES_CUT], 33 - number(&r));
	stop(w);
}

// What a flow has of its hello is all it has room for: the event tells the certificate's.
static void a_full_flow(void **state) {
	(void)state;
	static uint8_t full[HT_MATCHES_SIZE];
	struct ht_record r;
	uint8_t *at = full;
	const struct ht_match m
		= {HT_SPAN_STR("l"), HT_SPAN_STR("e"), HT_SPAN_EMPTY, HT_SPAN_STR("info")};
	struct watch *w = start("cert:" SUM "\n");
	watch_quiet(w);
	for (unsigned i = 0; i < HT_MATCHES_MAX; i++)
		at = ht_match_put(at, full + sizeof(full), &m);
	flow(&r);
	ht_set(&r, matches, HT_SPAN(full, (size_t)(at - full)));
	const struct ht_record *e = watch_flow(w, &r);
	assert_int_equal(number(&r), HT_MATCHES_MAX);
	assert_non_null(e);
	assert_string_equal(entries(e), "cert:" SUM);
	assert_int_equal(w->ctr[HT_WATCHLIST_CTR_MATCHES_CUT], 1);
	stop(w);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_gets_its_matches_and_an_event),
		cmocka_unit_test(severities_are_ordered),
		cmocka_unit_test(nothing_else_is_touched),
		cmocka_unit_test(a_bare_hello),
		cmocka_unit_test(a_certificate_adds_to_a_flow),
		cmocka_unit_test(more_than_a_record_has),
		cmocka_unit_test(long_ones_do_not_hide_a_severe_one),
		cmocka_unit_test(a_full_flow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
