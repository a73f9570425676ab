// SPDX-License-Identifier: BSD-3-Clause

#include "delivery.h"
#include "ht_config.h"
#include "spool.h"
#include "t.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// --- a link that does as it is told -------------------------------------------------------------

#define GOT_MAX 200000u
#define PORTION 100u // what is put at a time, where it matters
#define SECONDS 120 // for whatever has to happen; the machine may be busy
#define AT_ONCE 30 // more than a busy machine takes, less than linger_s

// What the test tells the link, and what came of it. The test reads and writes while the delivery's
// thread does, so all of it is atomic.
static struct script {
	atomic_bool refuses_to_connect; // the collector is away
	atomic_bool is_up; // what connect made of it
	atomic_uint break_after; // give so many, then break; 0: never
	atomic_uint settle_late; // so many stay unsettled until all are flushed away by the test
	atomic_bool settle_nothing;
	atomic_bool no_room; // takes none
	atomic_uint refuse_each; // every n-th is refused
	atomic_uint slow_us; // each takes so long
	atomic_uint gives_most; // then there is no room; 0: no such number
	atomic_uint waits; // times that the thread that puts waited for room a tenth of a second
	atomic_bool hangs; // give does not come back
	atomic_bool hangs_in_close;
	atomic_uint settles_more; // than it was given
	atomic_uint given, connects, opened, closed;
	// Settled: what the collector has.
	atomic_uint num_got;
	uint64_t got[GOT_MAX];
	atomic_ullong got_run;
	char sensor[64];
} script;

struct ht_link {
	uint64_t held[GOT_MAX]; // given, not settled
	unsigned num_held, since; // `since` the link is up
	struct ht_settled settled;
};

static void begin_script(void) {
	memset(&script, 0, sizeof(script));
}

static enum ht_rc link_check(const struct ht_sink_options *o, char *err, size_t err_len) {
	(void)o;
	(void)err;
	(void)err_len;
	return HT_OK;
}

static enum ht_rc
link_open(struct ht_link **out, const struct ht_sink_options *o, char *err, size_t err_len) {
	(void)o;
	(void)err;
	(void)err_len;
	*out = calloc(1, sizeof(**out));
	script.opened++;
	return *out != NULL ? HT_OK : HT_ERROR;
}

static enum ht_rc link_connect(struct ht_link *l, int wait_ms) {
	(void)wait_ms;
	l->num_held = 0;
	l->since = 0;
	if (script.refuses_to_connect)
		return HT_ERROR;
	script.connects++;
	script.is_up = true;
	return HT_OK;
}

// What the collector has got is what it settled; what it had when it broke is there, too, now and
// then: here half of it.
static void arrive(struct ht_link *l, unsigned n, bool settle) {
	for (unsigned i = 0; i < n; i++) {
		const unsigned refuse_each = script.refuse_each;
		if (refuse_each > 0 && l->held[i] % refuse_each == 0) {
			l->settled.refused += settle;
			continue;
		}
		const unsigned at = script.num_got;
		assert_true(at < GOT_MAX);
		script.got[at] = l->held[i];
		script.num_got = at + 1;
		l->settled.delivered += settle;
	}
	memmove(l->held, l->held + n, (l->num_held - n) * sizeof(l->held[0]));
	l->num_held -= n;
}

static enum ht_rc link_broken(struct ht_link *l) {
	arrive(l, l->num_held / 2, false);
	l->num_held = 0;
	script.is_up = false;
	return HT_ERROR;
}

static enum ht_rc link_give(struct ht_link *l, const struct ht_record *r) {
	const unsigned after = script.break_after;
	while (script.hangs)
		usleep(1000);
	const unsigned most = script.gives_most;
	if (script.no_room || (most > 0 && script.given >= most))
		return HT_MORE;
	if (script.refuses_to_connect || (after > 0 && l->since == after))
		return link_broken(l);
	if (script.slow_us > 0)
		usleep(script.slow_us);
	assert_true(r->has & HT_HAS(frame));
	if (r->has & HT_HAS(sequence)) {
		script.got_run = r->sensor_run;
		snprintf(
			script.sensor, sizeof(script.sensor), "%.*s", (int)r->sensor_id.len,
			(const char *)r->sensor_id.p
		);
		assert_int_equal(r->sequence, r->frame);
	}
	l->held[l->num_held++] = r->frame;
	l->since++;
	script.given++;
	return HT_OK;
}

static enum ht_rc link_poll(struct ht_link *l, bool flush, int wait_ms) {
	const unsigned late = script.settle_late;
	(void)flush;
	if (script.refuses_to_connect && l->num_held > 0)
		return link_broken(l);
	if (!script.settle_nothing && l->num_held > late)
		arrive(l, l->num_held - late, true);
	else if (wait_ms > 0)
		usleep((unsigned)wait_ms * 1000);
	return HT_OK;
}

static void link_settled(const struct ht_link *l, struct ht_settled *out) {
	*out = l->settled;
	out->delivered += script.settles_more;
}

static const char *link_error(const struct ht_link *l) {
	(void)l;
	return script.is_up ? NULL : "test://there: nobody there";
}

static void link_break_off(struct ht_link *l) {
	l->num_held = 0;
}

static bool link_is_dead(const struct ht_link *l) {
	(void)l;
	return false;
}

static void link_close(struct ht_link *l) {
	while (script.hangs_in_close)
		usleep(1000);
	script.closed++;
	free(l);
}

static const struct ht_link_ops test_link = {
	.name = "test",
	.help = "",
	.url = true,
	.again = true,
	.kinds = HT_KIND_HELLO | HT_KIND_EVENT,
	.check = link_check,
	.open = link_open,
	.connect = link_connect,
	.give = link_give,
	.poll = link_poll,
	.settled = link_settled,
	.error = link_error,
	.break_off = link_break_off,
	.is_dead = link_is_dead,
	.close = link_close,
};

// --- deliveries ---------------------------------------------------------------------------------

static struct ht_sink_options options(const char *spool) {
	return (struct ht_sink_options){
		.to = "test://there",
		.when_full = HT_FULL_BLOCK,
		.queue_mib = 1,
		.linger_s = 60,
		.retry_max_s = 1,
		.spool = spool,
		.spool_mib = 64,
	};
}

// Each tenth of a second, of the thread that puts.
static void note_wait(void *unused) {
	(void)unused;
	if (++script.waits > 10 * SECONDS)
		fail_msg("nobody makes room");
}

static struct ht_delivery *
start(const struct ht_link_ops *ops, const struct ht_sink_options *o, bool run) {
	const struct ht_delivery_params p = {
		.ops = ops,
		.options = o,
		.kinds = HT_KIND_HELLO | HT_KIND_FLOW,
		.threaded = true,
		.sensor_id = "here",
		.run = 77,
		.waits = note_wait,
	};
	struct ht_delivery *d = NULL;
	char err[512] = "";
	if (ht_delivery_new(&d, &p, err, sizeof(err)) != HT_OK)
		fail_msg("%s", err);
	if (run)
		assert_true(ht_delivery_start(d));
	return d;
}

static void put_kind(struct ht_delivery *d, const char *kind, uint64_t n) {
	static const uint8_t text[300];
	static struct ht_record r;
	r.has = 0;
	ht_set(&r, record, kind);
	ht_set(&r, frame, n);
	ht_set(&r, sni, HT_SPAN(text, sizeof(text)));
	ht_delivery_put(d, &r);
}

static void put(struct ht_delivery *d, uint64_t first, uint64_t last) {
	for (uint64_t n = first; n <= last; n++) {
		put_kind(d, "hello", n);
		if (n % 16 == 0)
			ht_delivery_flush(d);
	}
	ht_delivery_flush(d);
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// The exporter flushes each time it finds nothing to do.
#define UNTIL(what) UNTIL_OF(d, what)
#define UNTIL_OF(d, what) \
	for (const double until = now() + SECONDS; !(what); usleep(500)) { \
		assert_true(now() < until); \
		ht_delivery_flush(d); \
	}

// A portion at a time, each with a pause behind it, in which the thread has its turn.
static void put_slowly(struct ht_delivery *d, uint64_t first, uint64_t last, unsigned pause_us) {
	for (uint64_t n = first; n <= last; n += PORTION) {
		put(d, n, n + PORTION - 1);
		usleep(pause_us);
	}
}

// The link has got each portion when the next one is put.
static void put_through(struct ht_delivery *d, uint64_t first, uint64_t last) {
	for (uint64_t n = first; n <= last; n += PORTION) {
		put(d, n, n + PORTION - 1);
		UNTIL(script.given == n + PORTION - 1)
	}
}

static uint64_t ctr(struct ht_delivery *d, enum ht_delivery_counter id) {
	return __atomic_load_n(&ht_delivery_count(d)[id], __ATOMIC_RELAXED);
}

static void finish(struct ht_delivery *d) {
	ht_delivery_end(d);
	for (const double until = now() + SECONDS; !ht_delivery_ended(d); usleep(500))
		assert_true(now() < until);
	if (!ht_delivery_balanced(ht_delivery_count(d)))
		for (unsigned i = 0; i < HT_DELIVERY_NUM_CTRS; i++)
			print_message(
				"%s %llu\n", ht_delivery_counters[i].name,
				(unsigned long long)ht_delivery_count(d)[i]
			);
	assert_true(ht_delivery_balanced(ht_delivery_count(d)));
	assert_int_equal(script.opened, script.closed);
}

// Each of first..last is there, the first times in order.
static void expect_all_in_order(uint64_t first, uint64_t last) {
	uint64_t next = first;
	for (unsigned i = 0; i < script.num_got; i++) {
		if (script.got[i] > next)
			fail_msg(
				"%u: %llu where at most %llu was to come", i,
				(unsigned long long)script.got[i], (unsigned long long)next
			);
		next += script.got[i] == next;
	}
	assert_int_equal(next, last + 1);
}

static void expect_exactly(uint64_t first, uint64_t last) {
	expect_all_in_order(first, last);
	assert_int_equal(script.num_got, last - first + 1);
}

static char folder[] = "/tmp/delivery-XXXXXX";

static int remove_all(const char *path) {
	char command[256];
	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	return system(command); // NOLINT: a folder that this test made
}

// A spool holds records as Protocol Buffers.
static const char *new_folder(void) {
	if (!HT_HAVE_PROTOBUF)
		skip();
	strcpy(folder, "/tmp/delivery-XXXXXX");
	assert_non_null(mkdtemp(folder));
	return folder;
}

// --- tests --------------------------------------------------------------------------------------

static void test_delivers(void **state) {
	(void)state;
	begin_script();
	const struct ht_sink_options o = options(NULL);
	struct ht_delivery *d = start(&test_link, &o, true);
	put(d, 1, 5000);
	finish(d);
	expect_exactly(1, 5000);
	assert_int_equal(ctr(d, HT_DELIVERY_DELIVERED), 5000);
	assert_int_equal(ctr(d, HT_DELIVERY_CONNECTS), 1);
	assert_int_equal(script.got_run, 77);
	assert_string_equal(script.sensor, "here");
	assert_null(ht_delivery_verdict(d));
	ht_delivery_free(d);
}

// It sleeps for a tenth of a second where nobody wakes it. A busy machine may take as long for one
// record, or for many, and yet not for all.
#define QUICK_TIMES 20u
#define QUICK_TRIES 400u

// One record is not held back until more come.
static void test_is_quick(void **state) {
	(void)state;
	begin_script();
	const struct ht_sink_options o = options(NULL);
	struct ht_delivery *d = start(&test_link, &o, true);
	UNTIL(script.connects == 1)
	unsigned quick = 0;
	for (unsigned n = 1; n <= QUICK_TRIES && quick < QUICK_TIMES; n++) {
		usleep(10000); // it sleeps
		const double begun = now();
		put(d, n, n);
		UNTIL(script.num_got == n)
		quick += now() - begun < 0.05;
	}
	assert_int_equal(quick, QUICK_TIMES);
	finish(d);
	ht_delivery_free(d);
}

// A burst wakes it as soon as a chunk of the queue is full, not only when it is over.
static void test_wakes_in_a_burst(void **state) {
	(void)state;
	begin_script();
	const struct ht_sink_options o = options(NULL);
	struct ht_delivery *d = start(&test_link, &o, true);
	UNTIL(script.connects == 1)
	unsigned quick = 0;
	for (uint64_t n = 0; n < QUICK_TRIES * 400 && quick < QUICK_TIMES; n += 400) {
		usleep(20000); // it sleeps
		for (uint64_t i = 1; i <= 400; i++) // two chunks, nearly
			put_kind(d, "hello", n + i);
		const double begun = now();
		for (; script.given < n + 100; usleep(100))
			assert_true(now() < begun + SECONDS);
		quick += now() - begun < 0.03;
		ht_delivery_flush(d);
		UNTIL(script.num_got == n + 400)
	}
	assert_int_equal(quick, QUICK_TIMES);
	finish(d);
	ht_delivery_free(d);
}

// A flush behind which there is nothing leaves it alone.
static void test_sleeps_when_idle(void **state) {
	(void)state;
	begin_script();
	const struct ht_sink_options o = options(NULL);
	struct ht_delivery *d = start(&test_link, &o, true);
	put(d, 1, 1);
	UNTIL(script.num_got == 1)
	const uint64_t turns = ht_delivery_turns(d);
	const double begun = now();
	for (unsigned i = 0; i < 500; i++) {
		ht_delivery_flush(d);
		usleep(1000);
	}
	assert_true(ht_delivery_turns(d) - turns < 20 * (now() - begun) + 10);
	finish(d);
	ht_delivery_free(d);
}

static void test_kinds(void **state) {
	(void)state;
	begin_script();
	const char *only[] = {"event", "flow"};
	struct ht_sink_options o = options(NULL);
	struct ht_delivery *d = start(&test_link, &o, true);
	put_kind(d, "event", 9); // is not made, as far as start() says
	put_kind(d, "flow", 9); // the link cannot carry it
	put_kind(d, "hello", 1);
	put_kind(d, "hello", 2);
	finish(d);
	expect_exactly(1, 2);
	assert_int_equal(ctr(d, HT_DELIVERY_RECORDS), 2);
	ht_delivery_free(d);
	begin_script();
	o.records = (struct ht_option_texts){only, 2};
	d = start(&test_link, &o, true);
	put_kind(d, "hello", 1);
	finish(d);
	assert_int_equal(ctr(d, HT_DELIVERY_RECORDS), 0);
	ht_delivery_free(d);
}

static void test_breaks(void **state) {
	(void)state;
	for (unsigned late = 0; late < 400; late += 133) {
		begin_script();
		script.break_after = 1500; // more than are given at a time
		script.settle_late = late;
		const struct ht_sink_options o = options(NULL);
		struct ht_delivery *d = start(&test_link, &o, true);
		put(d, 1, 5000);
		script.settle_late = 0;
		finish(d);
		expect_all_in_order(1, 5000);
		assert_int_equal(ctr(d, HT_DELIVERY_DELIVERED), 5000);
		assert_int_equal(ctr(d, HT_DELIVERY_LOST), 0);
		assert_true(ctr(d, HT_DELIVERY_CONNECTS) >= 4);
		assert_true(ctr(d, HT_DELIVERY_SENT_AGAIN) > 0);
		ht_delivery_free(d);
	}
}

// Where a link cannot give again, what was on its way is lost and counted.
static void test_breaks_for_good(void **state) {
	(void)state;
	struct ht_link_ops once = test_link;
	once.again = false;
	begin_script();
	script.settle_nothing = true;
	const struct ht_sink_options o = options(NULL);
	struct ht_delivery *d = start(&once, &o, true);
	put_through(d, 1, 100);
	script.refuses_to_connect = true;
	UNTIL(ctr(d, HT_DELIVERY_LOST_UNREACHABLE) == 100)
	script.refuses_to_connect = false;
	script.settle_nothing = false;
	put(d, 101, 200);
	finish(d);
	assert_int_equal(ctr(d, HT_DELIVERY_DELIVERED), 100);
	assert_int_equal(script.got[script.num_got - 1], 200);
	ht_delivery_free(d);
}

static void test_refuses(void **state) {
	(void)state;
	begin_script();
	script.refuse_each = 10;
	const struct ht_sink_options o = options(NULL);
	struct ht_delivery *d = start(&test_link, &o, true);
	put(d, 1, 1000);
	finish(d);
	assert_int_equal(ctr(d, HT_DELIVERY_DELIVERED), 900);
	assert_int_equal(ctr(d, HT_DELIVERY_LOST_REFUSED), 100);
	assert_string_equal(ht_delivery_verdict(d), "test://there: 100 records lost (refused 100)");
	ht_delivery_free(d);
}

// Far more than the queue holds, to one that is slow: all of it arrives.
static void test_block(void **state) {
	(void)state;
	begin_script();
	script.slow_us = 10;
	const struct ht_sink_options o = options(NULL);
	struct ht_delivery *d = start(&test_link, &o, true);
	put(d, 1, 20000);
	finish(d);
	expect_exactly(1, 20000);
	ht_delivery_free(d);
}

static void test_drop(void **state) {
	(void)state;
	begin_script();
	script.no_room = true;
	struct ht_sink_options o = options(NULL);
	o.when_full = HT_FULL_DROP;
	struct ht_delivery *d = start(&test_link, &o, true);
	put(d, 1, 20000);
	assert_int_equal(script.waits, 0);
	const uint64_t lost = ctr(d, HT_DELIVERY_LOST_QUEUE_FULL);
	assert_true(lost > 1000 && lost < 20000);
	script.no_room = false;
	UNTIL(script.num_got == 20000 - lost)
	expect_exactly(1, 20000 - lost);
	put(d, 20001, 20001); // numbers go on: the gap shows (link_give)
	finish(d);
	assert_int_equal(script.got[script.num_got - 1], 20001);
	ht_delivery_free(d);
}

// Who waits for room can be told to wait no more.
static void *give_up_soon(void *delivery) {
	while (script.waits == 0)
		usleep(1000);
	ht_delivery_give_up(delivery);
	return NULL;
}

static void test_gives_up(void **state) {
	(void)state;
	begin_script();
	script.refuses_to_connect = true;
	struct ht_sink_options o = options(NULL);
	o.linger_s = 0;
	struct ht_delivery *d = start(&test_link, &o, true);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, give_up_soon, d), 0);
	put(d, 1, 20000);
	pthread_join(thread, NULL);
	finish(d);
	assert_true(ctr(d, HT_DELIVERY_LOST_QUEUE_FULL) > 0);
	assert_true(ctr(d, HT_DELIVERY_LOST_UNREACHABLE) > 0);
	assert_int_equal(ctr(d, HT_DELIVERY_LOST), 20000);
	ht_delivery_free(d);
}

// Whoever cannot wait any longer brings the end forward; what is there goes into the spool.
static void test_end_by(void **state) {
	(void)state;
	for (unsigned spool = 0; spool < 2; spool++) {
		begin_script();
		script.settle_nothing = true;
		struct ht_sink_options o = options(spool ? new_folder() : NULL);
		o.linger_s = 60;
		struct ht_delivery *d = start(&test_link, &o, true);
		ht_delivery_end_by(d, 1); // it was not told to end
		put_through(d, 1, 100);
		script.no_room = true;
		put(d, 101, 200);
		ht_delivery_end(d);
		const int64_t now_ns = (int64_t)(now() * 1e9);
		ht_delivery_end_by(d, now_ns + 3600 * INT64_C(1000000000)); // later than it would
		usleep(200000);
		assert_false(ht_delivery_ended(d));
		const double begun = now();
		ht_delivery_end_by(d, spool ? now_ns : 0);
		finish(d);
		assert_true(now() - begun < AT_ONCE);
		assert_int_equal(ctr(d, HT_DELIVERY_SPOOL_LEFT), spool ? 200 : 0);
		assert_int_equal(ctr(d, HT_DELIVERY_LOST_UNREACHABLE), spool ? 0 : 200);
		ht_delivery_free(d);
		if (spool)
			remove_all(folder);
	}
}

// The thread that puts is told why it waits, and that is the only one that there is.
static struct {
	struct ht_delivery *d;
	char lines[4][512];
	unsigned num;
} told;

static void take_lines(void *unused) {
	(void)unused;
	assert_true(told.num < 4);
	if (!ht_delivery_said(told.d, told.lines[told.num], sizeof(told.lines[0])))
		return;
	if (strstr(told.lines[told.num++], "holds up") != NULL)
		script.no_room = false;
}

static void test_says_that_it_holds_up(void **state) {
	(void)state;
	begin_script();
	script.no_room = true;
	const struct ht_sink_options o = options(NULL);
	const struct ht_delivery_params p = {
		.ops = &test_link,
		.options = &o,
		.kinds = HT_KIND_HELLO,
		.threaded = true,
		.waits = take_lines,
	};
	char err[512];
	memset(&told, 0, sizeof(told));
	assert_int_equal(ht_delivery_new(&told.d, &p, err, sizeof(err)), HT_OK);
	assert_true(ht_delivery_start(told.d));
	UNTIL_OF(told.d, script.is_up)
	put(told.d, 1, 10000);
	finish(told.d);
	assert_int_equal(told.num, 1);
	unsigned long long waiting = 0;
	assert_int_equal(
		sscanf(told.lines[0],
		       "test://there: is slow; it holds up all others, %llu records wait for it",
		       &waiting),
		1
	);
	assert_in_range(waiting, 1000, 9999); // what the queue has room for
	assert_int_equal(ctr(told.d, HT_DELIVERY_DELIVERED), 10000);
	ht_delivery_free(told.d);
}

static void test_never_connects(void **state) {
	(void)state;
	begin_script();
	script.refuses_to_connect = true;
	struct ht_sink_options o = options(NULL);
	o.linger_s = 1;
	const double started = now();
	struct ht_delivery *d = start(&test_link, &o, true);
	char said[512];
	UNTIL(ht_delivery_said(d, said, sizeof(said)))
	assert_string_equal(said, "test://there: nobody there; records wait");
	put(d, 1, 100);
	// 0, 0.1, 0.3, 0.7 s, a quarter less or more: not often, not seldom.
	UNTIL(ctr(d, HT_DELIVERY_CONNECT_FAILURES) >= 4)
	assert_true(now() - started > 0.5 && now() - started < AT_ONCE);
	assert_false(ht_delivery_said(d, said, sizeof(said)));
	const double begun = now();
	finish(d);
	assert_true(now() - begun >= 0.9 && now() - begun < AT_ONCE);
	assert_int_equal(ctr(d, HT_DELIVERY_LOST_UNREACHABLE), 100);
	assert_string_equal(
		ht_delivery_verdict(d), "test://there: 100 records lost (unreachable 100); "
					"nobody there"
	);
	ht_delivery_free(d);
}

// What is on its way when time is up is lost, as far as is known.
static void test_never_settles(void **state) {
	(void)state;
	begin_script();
	script.settle_nothing = true;
	struct ht_sink_options o = options(NULL);
	o.linger_s = 1;
	struct ht_delivery *d = start(&test_link, &o, true);
	put(d, 1, 100);
	const double begun = now();
	finish(d);
	assert_true(now() - begun < AT_ONCE);
	assert_int_equal(ctr(d, HT_DELIVERY_LOST_UNREACHABLE), 100);
	ht_delivery_free(d);
}

// --- with a spool -------------------------------------------------------------------------------

static void test_spool_while_away(void **state) {
	(void)state;
	begin_script();
	script.refuses_to_connect = true;
	struct ht_sink_options o = options(new_folder());
	struct ht_delivery *d = start(&test_link, &o, true);
	put(d, 1, 20000); // more than the queue holds
	script.refuses_to_connect = false;
	UNTIL(ctr(d, HT_DELIVERY_DELIVERED) == 20000)
	put(d, 20001, 21000);
	finish(d);
	expect_exactly(1, 21000);
	assert_int_equal(ctr(d, HT_DELIVERY_SENT_AGAIN), 0);
	assert_int_equal(ctr(d, HT_DELIVERY_SPOOL_LEFT), 0);
	ht_delivery_free(d);
	remove_all(folder);
}

static void test_spool_breaks(void **state) {
	(void)state;
	for (unsigned late = 0; late < 400; late += 133) {
		begin_script();
		script.break_after = 1497;
		script.settle_late = late;
		struct ht_sink_options o = options(new_folder());
		struct ht_delivery *d = start(&test_link, &o, true);
		put(d, 1, 6000);
		UNTIL(ctr(d, HT_DELIVERY_DELIVERED) + late >= 6000)
		script.settle_late = 0;
		finish(d);
		expect_all_in_order(1, 6000);
		assert_int_equal(ctr(d, HT_DELIVERY_DELIVERED), 6000);
		ht_delivery_free(d);
		remove_all(folder);
	}
}

// The next run sends what is left, before anything of its own.
static void test_spool_left(void **state) {
	(void)state;
	begin_script();
	struct ht_sink_options o = options(new_folder());
	struct ht_delivery *d = start(&test_link, &o, true);
	script.settle_nothing = true;
	put_through(d, 1, 500);
	script.refuses_to_connect = true;
	put(d, 501, 3000);
	const double begun = now();
	finish(d);
	assert_true(now() - begun < AT_ONCE); // it does not wait for the collector
	const uint64_t left = ctr(d, HT_DELIVERY_SPOOL_LEFT);
	assert_int_equal(left, 3000);
	assert_int_equal(ctr(d, HT_DELIVERY_LOST), 0);
	ht_delivery_free(d);
	script.refuses_to_connect = false;
	script.settle_nothing = false;
	d = start(&test_link, &o, true);
	put(d, 1, 10); // numbers begin anew
	finish(d);
	assert_int_equal(ctr(d, HT_DELIVERY_RECOVERED), left);
	assert_int_equal(ctr(d, HT_DELIVERY_DELIVERED), left + 10);
	script.num_got -= 10;
	expect_all_in_order(1, 3000);
	assert_int_equal(script.got[script.num_got], 1);
	ht_delivery_free(d);
	remove_all(folder);
}

// A collector that is there and too slow: the spool takes what the queue cannot hold.
static void test_spool_too_slow(void **state) {
	(void)state;
	begin_script();
	struct ht_sink_options o = options(new_folder());
	struct ht_delivery *d = start(&test_link, &o, true);
	put(d, 1, 10);
	UNTIL(script.num_got == 10)
	script.settle_late = 100;
	script.slow_us = 50;
	script.gives_most = 12000; // however long the putting takes
	put_slowly(d, 11, 20010, 1000);
	// More waits than the queue holds, and nobody was held up.
	assert_true(ctr(d, HT_DELIVERY_DELIVERED) < 20010 - 4000);
	script.settle_late = 0;
	script.slow_us = 0;
	script.gives_most = 0;
	UNTIL(ctr(d, HT_DELIVERY_DELIVERED) == 20010) // whatever the machine's pace
	finish(d);
	expect_exactly(1, 20010);
	assert_int_equal(ctr(d, HT_DELIVERY_LOST), 0);
	ht_delivery_free(d);
	remove_all(folder);
}

static void test_spool_stalled(void **state) {
	(void)state;
	begin_script();
	struct ht_sink_options o = options(new_folder());
	script.settle_nothing = true;
	struct ht_delivery *d = start(&test_link, &o, true);
	put_through(d, 1, 100);
	script.no_room = true;
	put_slowly(d, 101, 20100, 1000);
	script.refuses_to_connect = true; // and it breaks: the window is older than the spool
	script.no_room = false;
	UNTIL(!script.is_up)
	script.refuses_to_connect = false;
	script.settle_nothing = false;
	UNTIL(ctr(d, HT_DELIVERY_DELIVERED) == 20100)
	finish(d);
	expect_all_in_order(1, 20100);
	assert_int_equal(ctr(d, HT_DELIVERY_LOST), 0);
	ht_delivery_free(d);
	remove_all(folder);
}

// Who waits fills it up; the one after that finds it full.
static void test_spool_full(void **state) {
	(void)state;
	struct ht_sink_options o = options(new_folder());
	o.spool_mib = 1;
	o.linger_s = 0;
	for (unsigned block = 2; block-- > 0;) {
		begin_script();
		script.refuses_to_connect = true;
		o.when_full = block ? HT_FULL_BLOCK : HT_FULL_DROP;
		struct ht_delivery *d = start(&test_link, &o, true);
		pthread_t thread;
		if (block)
			assert_int_equal(pthread_create(&thread, NULL, give_up_soon, d), 0);
		put(d, 1, 20000);
		if (block)
			pthread_join(thread, NULL);
		finish(d);
		assert_int_equal(ctr(d, HT_DELIVERY_RECOVERED) > 500, !block);
		assert_true(ctr(d, HT_DELIVERY_SPOOL_LEFT) > 500);
		assert_true(ctr(d, HT_DELIVERY_LOST_SPOOL_FULL) > 500); // what the queue had
		assert_true(ctr(d, HT_DELIVERY_LOST_QUEUE_FULL) > 0);
		ht_delivery_free(d);
	}
	remove_all(folder);
}

// Behind a signal, what there is yet to put goes into the spool; for one that takes no more it is
// not waited for long.
static void test_interrupted_with_a_spool(void **state) {
	(void)state;
	static const volatile sig_atomic_t interrupted = 1;
	for (unsigned full = 0; full < 2; full++) {
		begin_script();
		script.refuses_to_connect = true;
		struct ht_sink_options o = options(new_folder());
		o.spool_mib = full ? 1 : 64;
		o.linger_s = 0;
		const struct ht_delivery_params p = {
			.ops = &test_link,
			.options = &o,
			.kinds = HT_KIND_HELLO,
			.threaded = true,
			.interrupted = &interrupted,
		};
		struct ht_delivery *d = NULL;
		char err[512];
		assert_int_equal(ht_delivery_new(&d, &p, err, sizeof(err)), HT_OK);
		assert_true(ht_delivery_start(d));
		const double begun = now();
		put(d, 1, 20000); // more than the queue holds
		const double took = now() - begun;
		assert_true(took < AT_ONCE);
		finish(d);
		// On a busy machine a disk may be too slow as well.
		if (full || took < 2)
			assert_int_equal(ctr(d, HT_DELIVERY_LOST) > 0, full);
		assert_int_equal(ctr(d, HT_DELIVERY_SPOOL_LEFT), 20000 - ctr(d, HT_DELIVERY_LOST));
		ht_delivery_free(d);
		remove_all(folder);
	}
}

// Where the spool has no room, what comes waits in the queue, behind it.
static void test_spool_full_and_the_queue(void **state) {
	(void)state;
	begin_script();
	script.refuses_to_connect = true;
	struct ht_sink_options o = options(new_folder());
	o.spool_mib = 1;
	struct ht_delivery *d = start(&test_link, &o, true);
	put(d, 1, 4000); // more than the spool has room for
	assert_int_equal(ctr(d, HT_DELIVERY_LOST), 0);
	script.refuses_to_connect = false;
	UNTIL(ctr(d, HT_DELIVERY_DELIVERED) == 4000)
	finish(d);
	expect_exactly(1, 4000);
	ht_delivery_free(d);
	remove_all(folder);
}

// What the window has and no more fits into the spool: that is younger than what went there.
static void test_spool_too_small_for_window(void **state) {
	(void)state;
	begin_script();
	script.settle_nothing = true;
	struct ht_sink_options o = options(new_folder());
	o.spool_mib = 1;
	struct ht_delivery *d = start(&test_link, &o, true);
	put_through(d, 1, 6000); // past the spool
	script.refuses_to_connect = true;
	UNTIL(!script.is_up)
	put(d, 6001, 7000);
	script.refuses_to_connect = false;
	script.settle_nothing = false;
	UNTIL(ctr(d, HT_DELIVERY_DELIVERED) == 7000)
	finish(d);
	expect_all_in_order(1, 7000);
	assert_int_equal(ctr(d, HT_DELIVERY_LOST), 0);
	ht_delivery_free(d);
	remove_all(folder);
}

// A link that is up and settles nothing: what it has stands in the spool before what came later,
// and the next run sends it first. With `later` the link has got more out of the spool.
static void test_spool_order_of_next_run(void **state) {
	(void)state;
	for (unsigned later = 0; later < 2; later++) {
		const unsigned settled = later ? 100 : 0;
		begin_script();
		struct ht_sink_options o = options(new_folder());
		o.linger_s = 0;
		script.settle_nothing = true;
		struct ht_delivery *d = start(&test_link, &o, true);
		put_through(d, 1, 100);
		script.no_room = true;
		put_slowly(d, 101, 10100, 1000);
		if (later) {
			script.settle_nothing = false;
			UNTIL(ctr(d, HT_DELIVERY_DELIVERED) == 100)
			script.settle_nothing = true;
			script.no_room = false;
			UNTIL(script.given == 10100)
		}
		finish(d);
		assert_int_equal(script.num_got, settled);
		assert_int_equal(ctr(d, HT_DELIVERY_SPOOL_LEFT), 10100 - settled);
		assert_int_equal(ctr(d, HT_DELIVERY_SENT_AGAIN), 0);
		ht_delivery_free(d);
		script.settle_nothing = false;
		script.no_room = false;
		d = start(&test_link, &o, true);
		UNTIL(ctr(d, HT_DELIVERY_DELIVERED) == 10100 - settled)
		finish(d);
		expect_exactly(1, 10100);
		ht_delivery_free(d);
		remove_all(folder);
	}
}

// The spool has no room for what the link has: that stays in memory, and nothing comes twice.
static void test_spool_does_not_take_the_window(void **state) {
	(void)state;
	begin_script();
	script.settle_nothing = true;
	struct ht_sink_options o = options(new_folder());
	o.spool_mib = 1;
	struct ht_delivery *d = start(&test_link, &o, true);
	put_through(d, 1, 6000); // past the spool
	script.no_room = true;
	put_slowly(d, 6001, 8000, 1000);
	script.settle_nothing = false;
	UNTIL(ctr(d, HT_DELIVERY_DELIVERED) == 6000)
	script.no_room = false;
	UNTIL(ctr(d, HT_DELIVERY_DELIVERED) == 8000)
	finish(d);
	expect_exactly(1, 8000);
	assert_int_equal(ctr(d, HT_DELIVERY_SENT_AGAIN), 0);
	assert_int_equal(ctr(d, HT_DELIVERY_LOST), 0);
	ht_delivery_free(d);
	remove_all(folder);
}

// Whoever waits for it to be made does not wait for its spool to be read.
static void test_spool_read_soon(void **state) {
	(void)state;
	for (unsigned started = 0; started < 2; started++) {
		begin_script();
		script.refuses_to_connect = true;
		struct ht_sink_options o = options(new_folder());
		struct ht_delivery *d = start(&test_link, &o, true);
		put(d, 1, 1000);
		finish(d);
		assert_int_equal(ctr(d, HT_DELIVERY_SPOOL_LEFT), 1000);
		ht_delivery_free(d);
		const struct ht_delivery_params p = {
			.ops = &test_link,
			.options = &o,
			.kinds = HT_KIND_HELLO,
			.threaded = true,
			.soon = true,
		};
		struct ht_delivery *other;
		char err[512];
		assert_int_equal(ht_delivery_new(&d, &p, err, sizeof(err)), HT_OK);
		assert_int_equal(ctr(d, HT_DELIVERY_RECOVERED), 0);
		// It is taken all the same, and that can be told at once.
		assert_int_equal(ht_delivery_new(&other, &p, err, sizeof(err)), HT_ERROR);
		assert_non_null(strstr(err, "in use"));
		put(d, 1, 10); // numbers begin anew
		script.refuses_to_connect = false;
		if (started)
			assert_true(ht_delivery_start(d));
		finish(d);
		assert_int_equal(ctr(d, HT_DELIVERY_RECOVERED), 1000);
		assert_int_equal(ctr(d, HT_DELIVERY_DELIVERED), 1010);
		assert_int_equal(script.got[1000], 1);
		script.num_got -= 10;
		expect_exactly(1, 1000);
		ht_delivery_free(d);
		// One that was never started leaves what is there.
		assert_int_equal(ht_delivery_new(&d, &p, err, sizeof(err)), HT_OK);
		ht_delivery_free(d);
		remove_all(folder);
	}
}

static void let_files_have(rlim_t bytes) {
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

// A disk that refuses for a while loses nothing that is in memory, neither of the window nor of the
// queue; for good, it is lost at the end.
static void test_spool_refused_by_disk(void **state) {
	(void)state;
	for (unsigned for_good = 0; for_good < 2; for_good++) {
		begin_script();
		script.settle_nothing = true;
		struct ht_sink_options o = options(new_folder());
		o.when_full = for_good ? HT_FULL_DROP : HT_FULL_BLOCK;
		o.linger_s = for_good ? 0 : 60;
		struct ht_delivery *d = start(&test_link, &o, true);
		put_through(d, 1, 500);
		let_files_have(8192);
		script.refuses_to_connect = true;
		UNTIL(!script.is_up)
		put(d, 501, 1500);
		usleep(300000);
		assert_int_equal(ctr(d, HT_DELIVERY_LOST), 0);
		if (!for_good) {
			let_files_have(RLIM_INFINITY);
			script.refuses_to_connect = false;
			script.settle_nothing = false;
			UNTIL(ctr(d, HT_DELIVERY_DELIVERED) == 1500)
		}
		finish(d);
		let_files_have(RLIM_INFINITY);
		assert_int_equal(ctr(d, HT_DELIVERY_LOST_SPOOL_FAILED) > 1000, for_good);
		assert_int_equal(ctr(d, HT_DELIVERY_LOST), ctr(d, HT_DELIVERY_LOST_SPOOL_FAILED));
		if (!for_good)
			expect_all_in_order(1, 1500);
		ht_delivery_free(d);
		remove_all(folder);
	}
}

// One that takes another's place waits until that has left the spool; what it left is sent first.
static void test_spool_of_another(void **state) {
	(void)state;
	begin_script();
	struct ht_sink_options o = options(new_folder());
	script.refuses_to_connect = true;
	struct ht_delivery *old = start(&test_link, &o, true);
	put(old, 1, 100);
	const struct ht_delivery_params p = {
		.ops = &test_link,
		.options = &o,
		.kinds = HT_KIND_HELLO,
		.threaded = true,
		.successor = true,
	};
	struct ht_delivery *d;
	char err[512], begin[128];
	struct ht_delivery_params stranger = p;
	stranger.successor = false;
	assert_int_equal(ht_delivery_new(&d, &stranger, err, sizeof(err)), HT_ERROR);
	snprintf(begin, sizeof(begin), "%s: spool: %s/", o.to, folder);
	assert_memory_equal(err, begin, strlen(begin));
	assert_int_equal(ht_delivery_new(&d, &p, err, sizeof(err)), HT_OK);
	assert_true(ht_delivery_start(d));
	put(d, 1, 10);
	usleep(100000);
	ht_delivery_end(old);
	UNTIL(ht_delivery_ended(old))
	script.refuses_to_connect = false;
	UNTIL(ctr(d, HT_DELIVERY_DELIVERED) == 110)
	finish(d);
	script.num_got -= 10;
	expect_exactly(1, 100);
	assert_int_equal(script.got[100], 1);
	ht_delivery_free(old);
	ht_delivery_free(d);
	remove_all(folder);
}

// One whose spool cannot be opened when the other has left it says so once, and does without.
static void test_spool_of_another_fails(void **state) {
	(void)state;
	begin_script();
	struct ht_sink_options o = options(new_folder());
	struct ht_delivery *old = start(&test_link, &o, true);
	const struct ht_delivery_params p = {
		.ops = &test_link,
		.options = &o,
		.kinds = HT_KIND_HELLO,
		.threaded = true,
		.successor = true,
	};
	struct ht_delivery *d;
	char err[512], moved[64];
	assert_int_equal(ht_delivery_new(&d, &p, err, sizeof(err)), HT_OK);
	snprintf(moved, sizeof(moved), "%s-moved", folder);
	assert_int_equal(rename(folder, moved), 0);
	FILE *f = fopen(folder, "w"); // where the folder was
	assert_non_null(f);
	fclose(f);
	assert_true(ht_delivery_start(d));
	put(d, 1, 10);
	UNTIL(ctr(d, HT_DELIVERY_DELIVERED) == 10)
	assert_true(ht_delivery_said(d, err, sizeof(err)));
	assert_non_null(strstr(err, "goes on without a spool"));
	ht_delivery_end(old);
	UNTIL(ht_delivery_ended(old))
	finish(d);
	ht_delivery_free(old);
	ht_delivery_free(d);
	remove_all(folder);
	remove_all(moved);
}

// --- the end ------------------------------------------------------------------------------------

// What a link that does not close leaves in the spool is known all the same.
static void test_hangs_in_close(void **state) {
	(void)state;
	begin_script();
	script.refuses_to_connect = true;
	script.hangs_in_close = true;
	struct ht_sink_options o = options(new_folder());
	struct ht_delivery *d = start(&test_link, &o, true);
	put(d, 1, 100);
	ht_delivery_end(d);
	UNTIL(ctr(d, HT_DELIVERY_SPOOL_LEFT) == 100)
	assert_false(ht_delivery_ended(d));
	script.hangs_in_close = false;
	finish(d);
	assert_true(ht_delivery_balanced(ht_delivery_count(d)));
	ht_delivery_free(d);
	remove_all(folder);
}

static void test_settles_too_many(void **state) {
	(void)state;
	begin_script();
	const struct ht_sink_options o = options(NULL);
	struct ht_delivery *d = start(&test_link, &o, true);
	put(d, 1, 10);
	UNTIL(ctr(d, HT_DELIVERY_DELIVERED) == 10)
	script.settles_more = 3;
	finish(d);
	assert_int_equal(ctr(d, HT_DELIVERY_DELIVERED), 10);
	assert_string_equal(
		ht_delivery_verdict(d),
		"test://there: a fault: 3 records settled that were not given"
	);
	ht_delivery_free(d);
}

// --- inline, and not started --------------------------------------------------------------------

static void test_inline(void **state) {
	(void)state;
	struct ht_link_ops file = test_link;
	file.again = file.url = false;
	const struct ht_sink_options o = options(NULL);
	const struct ht_delivery_params p = {.ops = &file, .options = &o, .kinds = HT_KINDS_ALL};
	struct ht_delivery *d;
	char err[512];
	begin_script();
	assert_int_equal(ht_delivery_new(&d, &p, err, sizeof(err)), HT_OK);
	assert_true(ht_delivery_start(d));
	script.break_after = 3000; // no file does that; it is counted all the same
	put(d, 1, 5000);
	finish(d);
	assert_true(script.num_got > 0);
	assert_true(ctr(d, HT_DELIVERY_LOST_UNREACHABLE) > 0);
	assert_int_equal(ctr(d, HT_DELIVERY_RECORDS), 5000);
	assert_string_equal(script.sensor, ""); // no name was set: records are as they are
	ht_delivery_free(d);
}

static void test_not_started(void **state) {
	(void)state;
	begin_script();
	const struct ht_sink_options o = options(NULL);
	struct ht_delivery *d = start(&test_link, &o, false);
	put(d, 1, 10);
	finish(d);
	assert_int_equal(ctr(d, HT_DELIVERY_DELIVERED), 10);
	ht_delivery_free(d);
	d = start(&test_link, &o, false); // and one that is never used
	put(d, 1, 10);
	ht_delivery_free(d);
	ht_delivery_free(NULL);
}

// --- options ------------------------------------------------------------------------------------

static void test_parse(void **state) {
	(void)state;
	struct ht_sink_options *o;
	char err[512];
	static const struct {
		const char *spec, *to;
		uint32_t queue_mib;
	} paths[] = {
		{"json:/a?b?queue_mib=1", "json:/a?b", 1},
		{"json:/a?b", "json:/a?b", 16}, // nothing is set
		{"json:/a?b c=1", "json:/a?b c=1", 16},
		{"json:/a?=1", "json:/a?=1", 16},
		{"json:/a?b=1?", "json:/a?b=1", 16},
		{"json:/a?b=1?queue_mib=1", "json:/a?b=1", 1},
		{"json:/a??", "json:/a?", 16},
		{"json:/a&b=1", "json:/a&b=1", 16}, // no option
		{"json:/a&key=1?", "json:/a&key=1", 16},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(paths); i++) {
		assert_int_equal(ht_sink_parse(&o, paths[i].spec, err, sizeof(err)), HT_OK);
		assert_string_equal(o->to, paths[i].to);
		assert_int_equal(o->queue_mib, paths[i].queue_mib);
		free(o);
	}
	assert_int_equal(
		ht_sink_parse(
			&o,
			"kafka://b1,b2/t?records=hello,flow&when_full=block&queue_mib=3&key=s%6ei&"
			"kafka=a=1%2C2&spool=/x%26y&kafka=b=,c=3",
			err, sizeof(err)
		),
		HT_OK
	);
	assert_string_equal(o->to, "kafka://b1,b2/t");
	assert_int_equal(o->records.num, 2);
	assert_string_equal(o->records.v[1], "flow");
	assert_int_equal(o->when_full, HT_FULL_BLOCK);
	assert_int_equal(o->queue_mib, 3);
	assert_string_equal(o->key, "sni");
	assert_string_equal(o->spool, "/x&y");
	assert_int_equal(o->kafka.num, 3);
	assert_string_equal(o->kafka.v[0], "a=1,2");
	assert_string_equal(o->kafka.v[1], "b=");
	assert_string_equal(o->kafka.v[2], "c=3");
	struct ht_sink_options *copy = ht_sink_copy(o);
	assert_true(ht_sink_same(o, copy));
	free(o);
	assert_string_equal(copy->kafka.v[2], "c=3");
	copy->queue_mib++;
	free(copy);
}

// However long a spec is, its lists do not reach into its text.
static void test_parse_long(void **state) {
	(void)state;
	enum { LONG = 1 << 17 };
	struct ht_sink_options *o;
	char err[512];
	char *spec = malloc(LONG + 1024);
	assert_non_null(spec);
	char *p = spec + sprintf(spec, "kafka://b1/t?tls_name=");
	memset(p, 'x', LONG);
	p += LONG;
	for (unsigned i = 0; i < HT_SINK_MAX_KAFKA / 2; i++)
		p += sprintf(p, "&kafka=a=%u,b", i % 10);
	strcpy(p, "&records=hello,flow,event&profiles=flowmon,none&records=aggregate");
	assert_int_equal(ht_sink_parse(&o, spec, err, sizeof(err)), HT_OK);
	assert_string_equal(o->to, "kafka://b1/t");
	assert_int_equal(strlen(o->tls_name), LONG);
	assert_int_equal(o->kafka.num, HT_SINK_MAX_KAFKA);
	assert_string_equal(o->kafka.v[0], "a=0");
	assert_string_equal(o->kafka.v[HT_SINK_MAX_KAFKA - 1], "b");
	assert_int_equal(o->records.num, 4);
	assert_string_equal(o->records.v[3], "aggregate");
	assert_string_equal(o->profiles.v[1], "none");
	free(o);
	strcpy(p, "&kafka=c");
	assert_int_equal(ht_sink_parse(&o, spec, err, sizeof(err)), HT_BAD);
	free(spec);
}

static void test_parse_wrong(void **state) {
	(void)state;
	static const struct {
		const char *spec, *says;
	} cases[] = {
		{"json?queue_mib=0", "json?queue_mib=0: queue_mib=0: must be 1 to 1024"},
		{"json?queue_mib=-1", "json?queue_mib=-1: queue_mib=-1: must be 1 to 1024"},
		{"json?queue_mib=", "json?queue_mib=: queue_mib=: must be 1 to 1024"},
		{"json?compress=zip", "json?compress=zip: compress=zip: must be none or zstd"},
		{"json?key=%4", "json?key=%4: key: % wants two hex digits"},
		{"json?key=%00", "json?key=%00: key: % wants two hex digits"},
		{"json?records=%gg", "json?records=%gg: records: % wants two hex digits"},
		{"json?records=a,b,c,d,e,f", "json?records=a,b,c,d,e,f: records: more than 5"},
		{"json?key=a&eggs=1", "json?key=a&eggs=1: eggs: no option of an output; there are "
				      "records when_full "},
		{"json?key=a&", "json?key=a&: : no option of an output; there are "},
		{"json?key=a&&key=b", "json?key=a&&key=b: : no option of an output; there are "},
		{"json?key=a&spool", "json?key=a&spool: spool: wants a value: NAME=VALUE"},
		{"json:x?compress", "json:x?compress: compress: wants a value: NAME=VALUE"},
		{"json:x&compress=zstd", "json:x&compress=zstd: options stand behind a ? (if this "
					 "is a name, write a ? behind it)"},
		{"json?to=a", "json?to=a: to: no option of an output"},
		{"json:x?rotat_mib=5",
		 "json:x?rotat_mib=5: rotat_mib: no option of an output; did you mean rotate_mib? "
		 "(if the ? is part of the file's name, write one more ? behind it)"},
		{"json:/a?b?queue=1", "json:/a?b?queue=1: queue: no option of an output; did you "
				      "mean queue_mib?"},
		{"json:x?Rotate-S=5", "json:x?Rotate-S=5: Rotate-S: no option of an output; did "
				      "you mean rotate_s?"},
		{"kafka://b/t?keys=sni", "kafka://b/t?keys=sni: keys: no option of an output; did "
					 "you mean key?"},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_sink_options *o;
		char err[512];
		assert_int_equal(ht_sink_parse(&o, cases[i].spec, err, sizeof(err)), HT_BAD);
		if (strncmp(err, cases[i].says, strlen(cases[i].says)) != 0)
			fail_msg("%s", err);
		char small[20];
		assert_int_equal(ht_sink_parse(&o, cases[i].spec, small, sizeof(small)), HT_BAD);
	}
}

static void test_check(void **state) {
	(void)state;
	static const struct {
		const char *spec, *says;
	} cases[] = {
		{"json:/x?rotate_s=10&queue_mib=4", NULL},
		{"csv:-", NULL},
		{"jsonx", "jsonx: no such kind of output: json[:PATH], csv[:PATH], table[:PATH]"},
		{"json://x", NULL}, // a path
		{"out.json", "out.json: no such kind of output: did you mean json:out.json?"},
		{"/a/b.csv", "/a/b.csv: no such kind of output: did you mean csv:/a/b.csv?"},
		{"JSON:/x", "JSON:/x: no such kind of output: did you mean json:/x?"},
		{"json=x", "json=x: no such kind of output: did you mean json:x?"},
		{"Table", "Table: no such kind of output: did you mean table?"},
		{"kafka:b/t", "kafka:b/t: no such kind of output: did you mean kafka://b/t?"},
		{"ipfix://h", "ipfix://h: no such kind of output: did you mean ipfix+tcp://h?"},
		{"http://h/x.json", "http://h/x.json: no such kind of output: json[:PATH], csv"},
		{"json?records=hello,x", "records: x: hello, event, flow, aggregate or stats was "
					 "expected"},
		{"json?spool=/x", "spool: not for json"},
		{"csv?tls_ca=/x", "tls_ca: not for csv"},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_sink_options *o;
		char err[512] = "";
		assert_int_equal(ht_sink_parse(&o, cases[i].spec, err, sizeof(err)), HT_OK);
		const enum ht_rc rc = ht_sink_check(o, err, sizeof(err));
		assert_int_equal(rc, cases[i].says == NULL ? HT_OK : HT_BAD);
		if (cases[i].says != NULL
		    && strncmp(err, cases[i].says, strlen(cases[i].says)) != 0)
			fail_msg("%s", err);
		free(o);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delivers),
		cmocka_unit_test(test_is_quick),
		cmocka_unit_test(test_wakes_in_a_burst),
		cmocka_unit_test(test_sleeps_when_idle),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_breaks),
		cmocka_unit_test(test_breaks_for_good),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_end_by),
		cmocka_unit_test(test_says_that_it_holds_up),
		cmocka_unit_test(test_never_connects),
		cmocka_unit_test(test_never_settles),
		cmocka_unit_test(test_spool_while_away),
		cmocka_unit_test(test_spool_breaks),
		cmocka_unit_test(test_spool_left),
		cmocka_unit_test(test_spool_too_slow),
		cmocka_unit_test(test_spool_stalled),
		cmocka_unit_test(test_spool_read_soon),
		cmocka_unit_test(test_spool_full),
		cmocka_unit_test(test_interrupted_with_a_spool),
		cmocka_unit_test(test_spool_full_and_the_queue),
		cmocka_unit_test(test_spool_of_another),
		cmocka_unit_test(test_spool_too_small_for_window),
		cmocka_unit_test(test_spool_order_of_next_run),
		cmocka_unit_test(test_spool_does_not_take_the_window),
		cmocka_unit_test(test_spool_refused_by_disk),
		cmocka_unit_test(test_spool_of_another_fails),
		cmocka_unit_test(test_hangs_in_close),
		cmocka_unit_test(test_settles_too_many),
		cmocka_unit_test(test_inline),
		cmocka_unit_test(test_not_started),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_wrong),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_parse_long),
	};
	signal(SIGXFSZ, SIG_IGN); // let_files_have
	return cmocka_run_group_tests(tests, NULL, NULL);
}
