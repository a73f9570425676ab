// SPDX-License-Identifier: BSD-3-Clause

#include "queue.h"
#include "t.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define SMALL 1u // 4 chunks of 64 KiB: the least there is
#define KIB 1024u
#define MIB (1024u * 1024)

static struct ht_queue *new_queue(uint32_t bytes) {
	struct ht_queue *q = ht_queue_new(&(struct ht_queue_params){.bytes = bytes});
	assert_non_null(q);
	return q;
}

static uint64_t counter(const struct ht_queue *q, enum ht_queue_counter id) {
	uint64_t total[HT_QUEUE_NUM_CTRS] = {0};
	ht_queue_count(q, total);
	return total[id];
}

static void expect_counters(
	const struct ht_queue *q, uint64_t records, uint64_t full, uint64_t too_long, uint64_t taken
) {
	assert_int_equal(counter(q, HT_QUEUE_RECORDS), records);
	assert_int_equal(counter(q, HT_QUEUE_LOST_QUEUE_FULL), full);
	assert_int_equal(counter(q, HT_QUEUE_LOST_TOO_LONG), too_long);
	assert_int_equal(counter(q, HT_QUEUE_TAKEN), taken);
}

// ---- records that tell their number

static const char *const words[] = {"tls", "dtls", "quic"};

struct numbered {
	struct ht_record r;
	uint8_t bytes[256];
};

// Everything in it comes from its number: a length from 0 to 255, and the bytes.
static void number(struct numbered *x, uint64_t n) {
	struct ht_record *const r = &x->r;
	r->has = 0;
	r->ts_is_ns = n % 2;
	memset(x->bytes, (int)(n * 31), sizeof(x->bytes));
	ht_set(r, ts, (int64_t)n * 1000);
	ht_set(r, frame, n);
	ht_set(r, src_ip, x->bytes);
	ht_set(r, protocol, words[n % HT_ARRAY_LEN(words)]);
	if (n % 5 == 0) {
		r->encap.num = 1;
		r->encap.len[0] = (uint8_t)(n % HT_TEXT_SIZE);
		memset(r->encap.s[0], 'a' + (int)(n % 26), r->encap.len[0]);
		r->has |= HT_HAS(encap);
	}
	ht_set(r, sni, HT_SPAN(x->bytes, n * 7 % sizeof(x->bytes)));
}

static void put(struct ht_queue *q, uint64_t n) {
	struct numbered x;
	number(&x, n);
	ht_queue_put(q, &x.r);
	memset(&x, 0xdd, sizeof(x)); // what is in the queue borrows nothing of it
}

static void expect_number(const struct ht_record *got, uint64_t n) {
	struct numbered want;
	assert_non_null(got);
	number(&want, n);
	assert_true(got->has == want.r.has);
	assert_int_equal(got->ts_is_ns, want.r.ts_is_ns);
	assert_int_equal(got->ts, want.r.ts);
	assert_int_equal(got->frame, n);
	assert_memory_equal(got->src_ip, want.r.src_ip, 16);
	assert_ptr_equal(got->protocol, want.r.protocol);
	if (got->has & HT_HAS(encap)) {
		assert_int_equal(got->encap.len[0], want.r.encap.len[0]);
		assert_memory_equal(got->encap.s[0], want.r.encap.s[0], want.r.encap.len[0]);
	}
	assert_true(ht_span_eq(got->sni, want.r.sni));
}

static void expect_next(struct ht_queue *q, uint64_t n) {
	expect_number(ht_queue_get(q), n);
}

static void expect_none(struct ht_queue *q) {
	assert_null(ht_queue_get(q));
}

// fill puts records from *n on until one is lost, and makes *n the number of that one.
static void fill(struct ht_queue *q, uint64_t *n) {
	const uint64_t lost = counter(q, HT_QUEUE_LOST_QUEUE_FULL);
	for (;; ++*n) {
		put(q, *n);
		if (counter(q, HT_QUEUE_LOST_QUEUE_FULL) > lost)
			return;
	}
}

// ---- one thread

static void counters_have_names(void **state) {
	(void)state;
	static const char *const names[] = {"records", "lost_queue_full", "lost_too_long", "taken"};
	for (unsigned i = 0; i < HT_QUEUE_NUM_CTRS; i++) {
		assert_string_equal(ht_queue_counters[i].group, "record_queue");
		assert_string_equal(ht_queue_counters[i].name, names[i]);
	}
}

static void an_empty_queue_gives_none(void **state) {
	(void)state;
	struct ht_queue *q = new_queue(SMALL);
	expect_none(q);
	ht_queue_flush(q);
	ht_queue_finish(q);
	expect_none(q);
	expect_counters(q, 0, 0, 0, 0);
	ht_queue_free(q);
	ht_queue_free(NULL);
}

// Some 10 MB through 256 KiB: chunks, and slots of the rings, are used again and again.
static void the_order_is_kept_round_after_round(void **state) {
	(void)state;
	struct ht_queue *q = new_queue(SMALL);
	uint64_t in = 0, out = 0;
	for (unsigned round = 0; round < 400; round++) {
		for (unsigned i = 0; i < 1 + round; i++)
			put(q, in++);
		if (round % 3 == 0)
			ht_queue_finish(q);
		while (out < in) {
			const struct ht_record *r = ht_queue_get(q);
			if (r == NULL) {
				ht_queue_flush(q); // now that nothing waits
				r = ht_queue_get(q);
			}
			expect_number(r, out++);
		}
		expect_none(q);
	}
	expect_counters(q, in, 0, 0, in);
	ht_queue_free(q);
}

static void flush_hands_over_when_the_other_side_has_nothing_left(void **state) {
	(void)state;
	struct ht_queue *q = new_queue(SMALL);
	put(q, 0);
	expect_none(q); // not before the burst ends
	ht_queue_flush(q);
	put(q, 1);
	ht_queue_flush(q); // number 0 waits yet: 1 stays
	put(q, 2);
	ht_queue_flush(q);
	expect_next(q, 0);
	expect_none(q);
	ht_queue_flush(q);
	expect_next(q, 1);
	// The other side is in the midst of a chunk, and none waits behind it.
	put(q, 3);
	ht_queue_flush(q);
	expect_next(q, 2);
	expect_next(q, 3);
	expect_none(q);
	expect_counters(q, 4, 0, 0, 4);
	ht_queue_free(q);
}

// While nothing is taken, a flush after each record costs no room.
static void chunks_are_filled_while_the_other_side_is_behind(void **state) {
	(void)state;
	uint64_t with = 0, without = 0;
	struct ht_queue *q = new_queue(SMALL);
	fill(q, &without);
	ht_queue_free(q);
	q = new_queue(SMALL);
	while (counter(q, HT_QUEUE_LOST_QUEUE_FULL) == 0) {
		put(q, with++);
		ht_queue_flush(q);
	}
	// All but the first chunk, which went with one record.
	assert_in_range(with, without * 7 / 10, without);
	ht_queue_free(q);
}

static void a_full_queue_counts_what_it_loses(void **state) {
	(void)state;
	struct ht_queue *q = new_queue(SMALL);
	uint64_t kept = 0;
	fill(q, &kept);
	for (unsigned i = 0; i < 999; i++)
		put(q, 0);
	expect_counters(q, kept + 1000, 1000, 0, 0);
	for (uint64_t n = 0; n < kept; n++)
		expect_next(q, n);
	expect_none(q);
	expect_counters(q, kept + 1000, 1000, 0, kept);
	// And then it has room again, for as much.
	uint64_t again = 0;
	fill(q, &again);
	assert_int_equal(again, kept);
	expect_next(q, 0);
	ht_queue_free(q);
}

// A record stays what it is until the next call, whatever is put meanwhile.
static void a_record_stays_while_the_queue_fills(void **state) {
	(void)state;
	struct ht_queue *q = new_queue(SMALL);
	uint64_t n = 2;
	put(q, 0);
	put(q, 1);
	ht_queue_flush(q);
	expect_next(q, 0);
	const struct ht_record *r = ht_queue_get(q); // the last of its chunk
	fill(q, &n);
	expect_number(r, 1);
	// The next call gives the chunk back: as much as that is free now.
	expect_next(q, 2);
	const uint64_t lost = n;
	fill(q, &n);
	assert_in_range(n - lost, 100, 1000);
	for (uint64_t i = 3; i < lost; i++)
		expect_next(q, i);
	ht_queue_free(q);
}

static void finish_hands_over_all_there_is(void **state) {
	(void)state;
	struct ht_queue *q = new_queue(SMALL);
	uint64_t n = 3;
	put(q, 0);
	ht_queue_flush(q);
	put(q, 1);
	ht_queue_flush(q); // stays
	ht_queue_finish(q);
	put(q, 2);
	ht_queue_finish(q);
	ht_queue_finish(q);
	for (uint64_t i = 0; i < 3; i++)
		expect_next(q, i);
	expect_none(q);
	// Every chunk but one waits, and the last is half full.
	for (; n < 903; n++)
		put(q, n);
	expect_counters(q, n, 0, 0, 3);
	ht_queue_finish(q);
	for (uint64_t i = 3; i < n; i++)
		expect_next(q, i);
	expect_none(q);
	expect_counters(q, n, 0, 0, n);
	ht_queue_free(q);
}

// ---- sizes

// put_bytes puts a record with a text of n bytes, and tells whether it went in.
static bool put_bytes(struct ht_queue *q, size_t n) {
	const uint64_t lost = counter(q, HT_QUEUE_LOST_TOO_LONG);
	struct ht_record r = {.has = 0};
	uint8_t *const bytes = calloc(1, n);
	assert_non_null(bytes);
	ht_set(&r, sni, HT_SPAN(bytes, n));
	ht_queue_put(q, &r);
	free(bytes);
	return counter(q, HT_QUEUE_LOST_TOO_LONG) == lost;
}

static void expect_longest(uint32_t bytes, size_t chunk, unsigned num) {
	struct ht_queue *q = new_queue(bytes);
	size_t n = chunk;
	while (!put_bytes(q, n))
		n--;
	assert_in_range(n, chunk - 32, chunk); // what is in front of it
	assert_false(put_bytes(q, n + 1));
	// So there is one record to a chunk.
	for (unsigned i = 1; i < num; i++)
		assert_true(put_bytes(q, n));
	assert_int_equal(counter(q, HT_QUEUE_LOST_QUEUE_FULL), 0);
	assert_true(put_bytes(q, n));
	assert_int_equal(counter(q, HT_QUEUE_LOST_QUEUE_FULL), 1);
	ht_queue_free(q);
}

static void the_size_of_chunks_follows_the_rule(void **state) {
	(void)state;
	expect_longest(0, 64 * KIB, 4);
	expect_longest(256 * KIB - 1, 64 * KIB, 4);
	expect_longest(320 * KIB, 64 * KIB, 5);
	expect_longest(8 * MIB - 1, 64 * KIB, 127);
	expect_longest(8 * MIB, 128 * KIB, 64);
	expect_longest(16 * MIB, 256 * KIB, 64);
	expect_longest(130 * MIB, 1 * MIB, 130);
}

static void a_record_too_long_is_lost_alone(void **state) {
	(void)state;
	struct ht_queue *q = new_queue(SMALL);
	uint64_t records = 0, taken = 0;
	for (unsigned i = 0; i < 20; i++) {
		put(q, 2 * i);
		assert_false(put_bytes(q, 64 * KIB)); // behind another
		assert_false(put_bytes(q, 64 * KIB)); // first in a chunk
		put(q, 2 * i + 1);
		records += 4;
		ht_queue_finish(q);
		expect_next(q, taken++);
		expect_next(q, taken++);
		expect_none(q);
	}
	expect_counters(q, records, 0, 40, taken);
	ht_queue_free(q);
}

// ---- two threads

#define MANY 1000000u

struct load {
	struct ht_queue *q;
	atomic_uint_fast64_t taken; // the side that gets writes
	atomic_bool finished; // the side that puts writes
	bool paced; // nothing may be lost
	char other_line[64];
};

static void *put_many(void *arg) {
	struct load *l = arg;
	struct numbered x;
	for (uint64_t n = 0; n < MANY; n++) {
		number(&x, n);
		ht_queue_put(l->q, &x.r);
		if (n * 2654435761u % 16 == 0) // bursts of all lengths
			ht_queue_flush(l->q);
		// 200 records have less than a chunk.
		while (l->paced && n > atomic_load(&l->taken) + 200) {
			ht_queue_flush(l->q);
			sched_yield();
		}
	}
	ht_queue_finish(l->q);
	atomic_store(&l->finished, true);
	return NULL;
}

// get_many takes what comes and checks it. The first to come is taken when `stall` were put.
static uint64_t get_many(struct load *l, uint64_t stall) {
	uint64_t next = 0, taken = 0;
	while (counter(l->q, HT_QUEUE_RECORDS) < stall)
		sched_yield();
	for (;;) {
		const bool finished = atomic_load(&l->finished); // before the last look
		const struct ht_record *r = ht_queue_get(l->q);
		if (r == NULL && finished)
			return taken;
		if (r == NULL) {
			sched_yield();
			continue;
		}
		assert_true(r->frame >= next); // what is missing was lost
		expect_number(r, r->frame);
		next = r->frame + 1;
		atomic_store(&l->taken, next);
		taken++;
	}
}

static void run_threads(bool paced, uint64_t stall, uint64_t least_lost, uint64_t most_lost) {
	struct load l = {.q = new_queue(SMALL), .paced = paced};
	pthread_t t;
	assert_int_equal(pthread_create(&t, NULL, put_many, &l), 0);
	const uint64_t taken = get_many(&l, stall);
	assert_int_equal(pthread_join(t, NULL), 0);
	expect_none(l.q);
	const uint64_t lost = counter(l.q, HT_QUEUE_LOST_QUEUE_FULL);
	expect_counters(l.q, MANY, MANY - taken, 0, taken);
	assert_in_range(lost, least_lost, most_lost);
	ht_queue_free(l.q);
}

static void a_million_records_cross_and_none_is_lost(void **state) {
	(void)state;
	run_threads(true, 0, 0, 0);
}

static void a_flood_is_accounted_for(void **state) {
	(void)state;
	run_threads(false, 0, 0, MANY - 1000); // the queue holds more
}

static void a_stall_is_accounted_for(void **state) {
	(void)state;
	run_threads(false, MANY / 2, MANY / 2 - 10000, MANY - 1000);
}

// ---- records with a number beside them

static void what_is_offered_has_its_number_and_none_is_lost(void **state) {
	(void)state;
	struct ht_queue *q = new_queue(SMALL);
	struct ht_queue_item item;
	struct numbered x;
	uint64_t in = 0, out = 0;
	assert_true(ht_queue_is_empty(q));
	assert_false(ht_queue_take(q, &item));
	for (unsigned round = 0; round < 5; round++) {
		enum ht_rc rc = HT_OK;
		while (rc == HT_OK) {
			number(&x, in);
			rc = ht_queue_offer(q, &x.r, in + 7);
			in += rc == HT_OK;
		}
		assert_int_equal(rc, HT_FULL);
		assert_true(ht_queue_is_half_full(q));
		ht_queue_finish(q);
		while (ht_queue_take(q, &item)) {
			struct ht_record again;
			assert_int_equal(item.number, out + 7);
			expect_number(item.record, out);
			assert_int_equal(ht_record_unpack(&again, item.packed.p), item.packed.len);
			expect_number(&again, out++);
		}
		assert_int_equal(in, out);
		assert_true(ht_queue_is_empty(q));
		assert_false(ht_queue_is_half_full(q));
	}
	expect_counters(q, in, 0, 0, out); // nobody counts what was refused as lost
	static uint8_t much[KIB * 64];
	x.r.has = 0;
	ht_set(&x.r, sni, HT_SPAN(much, sizeof(much)));
	assert_int_equal(ht_queue_offer(q, &x.r, 1), HT_LIMIT);
	ht_queue_free(q);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_have_names),
		cmocka_unit_test(an_empty_queue_gives_none),
		cmocka_unit_test(the_order_is_kept_round_after_round),
		cmocka_unit_test(flush_hands_over_when_the_other_side_has_nothing_left),
		cmocka_unit_test(chunks_are_filled_while_the_other_side_is_behind),
		cmocka_unit_test(a_full_queue_counts_what_it_loses),
		cmocka_unit_test(a_record_stays_while_the_queue_fills),
		cmocka_unit_test(finish_hands_over_all_there_is),
		cmocka_unit_test(the_size_of_chunks_follows_the_rule),
		cmocka_unit_test(a_record_too_long_is_lost_alone),
		cmocka_unit_test(a_million_records_cross_and_none_is_lost),
		cmocka_unit_test(a_flood_is_accounted_for),
		cmocka_unit_test(a_stall_is_accounted_for),
		cmocka_unit_test(what_is_offered_has_its_number_and_none_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
