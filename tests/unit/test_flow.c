// SPDX-License-Identifier: BSD-3-Clause
// The table against a list of flows, and which slot it gives up.

#include "flow.h"
#include "t.h"

#include <inttypes.h>

static uint64_t seed;

static uint32_t rnd(uint32_t n) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % n;
}

// Key number n: IPv4 addresses as the packet module writes them, ports that differ, too.
static struct ht_flow_key key_of(uint32_t n) {
	struct ht_flow_key k = {.sport = (uint16_t)(40000 + n % 97), .dport = 443};
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	memcpy(k.src, mapped, sizeof(mapped));
	memcpy(k.dst, mapped, sizeof(mapped));
	ht_put_be32(k.src + 12, 0x0a000000 + n);
	ht_put_be32(k.dst + 12, 0xc6336401 - n % 5);
	return k;
}

static struct ht_flow_key back(const struct ht_flow_key *k) {
	struct ht_flow_key b = {.sport = k->dport, .dport = k->sport};
	memcpy(b.src, k->dst, 16);
	memcpy(b.dst, k->src, 16);
	return b;
}

static struct ht_flow *find(struct ht_flow_table *t, const struct ht_flow_key *k, uint8_t proto) {
	struct ht_flow_ref r = ht_flow_ref(t, k, proto);
	ht_flow_prefetch_tags(t, r);
	ht_flow_prefetch(t, r, 1);
	return ht_flow_find(t, r, k, proto);
}

static struct ht_flow *
insert(struct ht_flow_table *t, const struct ht_flow_key *k, uint8_t proto, uint32_t now) {
	struct ht_flow_ref r = ht_flow_ref(t, k, proto);
	struct ht_flow *f = ht_flow_victim(t, r, now);
	ht_flow_fill(t, f, r, k, proto, now);
	return f;
}

static void capacity(void **state) {
	(void)state;
	static const uint32_t cases[][2] = {
		{0, 8}, {1, 8}, {8, 8}, {9, 16}, {16, 16}, {17, 32}, {1000, 1024}, {1024, 1024},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_flow_table *t = ht_flow_table_new(cases[i][0], 1);
		assert_non_null(t);
		assert_int_equal(ht_flow_capacity(t), cases[i][1]);
		for (uint32_t k = 0; k < cases[i][1]; k++)
			assert_int_equal(ht_flow_at(t, k)->state, HT_FLOW_FREE);
		ht_flow_table_free(t);
	}
	ht_flow_table_free(NULL);
}

static void both_directions_are_one_flow(void **state) {
	(void)state;
	struct ht_flow_table *t = ht_flow_table_new(64, 7);
	struct ht_flow_key cases[] = {key_of(1), key_of(2), key_of(3), key_of(4)};
	// The same address on both ends: the ports tell the sides apart.
	memcpy(cases[1].dst, cases[1].src, 16);
	// IPv6, the sender with the greater address.
	memset(cases[2].src, 0xfe, 16);
	// Differs in the last byte of the address alone.
	memcpy(cases[3].dst, cases[3].src, 16);
	cases[3].dst[15]++;
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_flow_key there = cases[i], here = back(&there);
		struct ht_flow_ref a = ht_flow_ref(t, &there, HT_IPPROTO_TCP);
		struct ht_flow_ref b = ht_flow_ref(t, &here, HT_IPPROTO_TCP);
		assert_true(a.hash == b.hash);
		assert_int_equal(a.side, !b.side);
		struct ht_flow *f = insert(t, &there, HT_IPPROTO_TCP, 1);
		assert_ptr_equal(find(t, &there, HT_IPPROTO_TCP), f);
		assert_ptr_equal(find(t, &here, HT_IPPROTO_TCP), f);
		// Whoever sent the packet stands on the side that the ref names.
		assert_memory_equal(f->addr[a.side], there.src, 16);
		assert_memory_equal(f->addr[b.side], there.dst, 16);
		assert_int_equal(f->port[a.side], there.sport);
		assert_int_equal(f->port[b.side], there.dport);
		// Side 0 has the smaller end.
		int order = memcmp(f->addr[0], f->addr[1], 16);
		assert_true(order < 0 || (order == 0 && f->port[0] <= f->port[1]));
	}
	// Both ends the same: there is one direction only, and it is found.
	struct ht_flow_key loop = key_of(9);
	memcpy(loop.dst, loop.src, 16);
	loop.dport = loop.sport;
	struct ht_flow *f = insert(t, &loop, HT_IPPROTO_TCP, 1);
	assert_ptr_equal(find(t, &loop, HT_IPPROTO_TCP), f);
	ht_flow_table_free(t);
}

static void what_tells_flows_apart(void **state) {
	(void)state;
	struct ht_flow_table *t = ht_flow_table_new(64, 7);
	struct ht_flow_key k = key_of(1);
	insert(t, &k, HT_IPPROTO_TCP, 1);
	assert_null(find(t, &k, HT_IPPROTO_UDP));
	for (unsigned i = 0; i < 16; i++) {
		struct ht_flow_key other = k;
		other.src[i] ^= 1;
		assert_null(find(t, &other, HT_IPPROTO_TCP));
		other = k;
		other.dst[i] ^= 0x80;
		assert_null(find(t, &other, HT_IPPROTO_TCP));
	}
	struct ht_flow_key other = k;
	other.sport ^= 1;
	assert_null(find(t, &other, HT_IPPROTO_TCP));
	other = k;
	other.dport ^= 0x100;
	assert_null(find(t, &other, HT_IPPROTO_TCP));
	// The ports exchanged between the ends are another connection.
	other = k;
	other.sport = k.dport;
	other.dport = k.sport;
	assert_null(find(t, &other, HT_IPPROTO_TCP));
	ht_flow_table_free(t);
}

static void fill_clears_what_was_there(void **state) {
	(void)state;
	struct ht_flow_table *t = ht_flow_table_new(8, 7);
	struct ht_flow_key k = key_of(1);
	for (unsigned turn = 0; turn < 20; turn++) {
		struct ht_flow *f = insert(t, &k, HT_IPPROTO_TCP, 1);
		assert_int_equal(f->state, HT_FLOW_OPEN);
		assert_int_equal(f->proto, HT_IPPROTO_TCP);
		assert_ptr_equal(ht_flow_at(t, f->slot), f);
		assert_true(f->dir[0] == 0 && f->dir[1] == 0 && f->seq[0] == 0 && f->seq[1] == 0);
		assert_true(f->work == 0 && f->client == 0 && f->hellos == 0 && f->flags == 0);
		f->dir[0] = f->dir[1] = f->client = f->hellos = f->flags = 0xff;
		f->seq[0] = f->seq[1] = f->work = UINT32_MAX;
		ht_flow_remove(t, f);
		assert_int_equal(f->state, HT_FLOW_FREE);
		assert_null(find(t, &k, HT_IPPROTO_TCP));
	}
	ht_flow_table_free(t);
}

// A table of one bucket: eight flows of the given states and times, then one more.
static void victim_order(void **state) {
	(void)state;
	enum {
		UNIT = 16, // ticks that make one older than another
		FREE = HT_FLOW_FREE,
		DONE = HT_FLOW_DONE,
		OPEN = HT_FLOW_OPEN,
		WORK = HT_FLOW_WORKING
	};
	static const struct {
		const char *name;
		struct {
			uint8_t state;
			uint32_t seen;
		} in[8];
		uint32_t now;
		unsigned want;
	} cases[] = {
		{"a free slot before any other",
		 {{DONE, 1},
		  {DONE, 1},
		  {DONE, 1},
		  {DONE, 1},
		  {DONE, 1},
		  {FREE, 99},
		  {DONE, 1},
		  {DONE, 1}},
		 100,
		 5},
		{"done before an older open one",
		 {{OPEN, 1},
		  {OPEN, 1},
		  {WORK, 1},
		  {DONE, 99},
		  {OPEN, 1},
		  {WORK, 1},
		  {OPEN, 1},
		  {OPEN, 1}},
		 100,
		 3},
		{"open before an older working one",
		 {{WORK, 1},
		  {WORK, 1},
		  {WORK, 1},
		  {WORK, 1},
		  {WORK, 1},
		  {WORK, 1},
		  {OPEN, 99},
		  {WORK, 1}},
		 100,
		 6},
		{"the oldest done one",
		 {{DONE, 9},
		  {DONE, 8},
		  {DONE, 7},
		  {DONE, 9},
		  {DONE, 5},
		  {DONE, 6},
		  {OPEN, 1},
		  {WORK, 1}},
		 100,
		 4},
		{"the oldest open one",
		 {{OPEN, 9},
		  {OPEN, 8},
		  {OPEN, 7},
		  {OPEN, 9},
		  {OPEN, 8},
		  {OPEN, 6},
		  {OPEN, 9},
		  {WORK, 1}},
		 100,
		 5},
		{"the oldest working one",
		 {{WORK, 9},
		  {WORK, 8},
		  {WORK, 7},
		  {WORK, 9},
		  {WORK, 8},
		  {WORK, 6},
		  {WORK, 9},
		  {WORK, 1}},
		 100,
		 7},
		{"the first of equals",
		 {{DONE, 9},
		  {DONE, 9},
		  {DONE, 9},
		  {DONE, 9},
		  {DONE, 9},
		  {DONE, 9},
		  {DONE, 9},
		  {DONE, 9}},
		 9,
		 0},
		{"the clock has wrapped: the one before the wrap is older",
		 {{DONE, 2},
		  {DONE, 3},
		  {DONE, 4},
		  {DONE, UINT32_MAX - 1},
		  {DONE, 3},
		  {DONE, 3},
		  {DONE, 2},
		  {DONE, 3}},
		 5,
		 3},
		{"a time in the future is no age",
		 {{DONE, 164},
		  {DONE, 120},
		  {DONE, 99},
		  {DONE, 101},
		  {DONE, 164},
		  {DONE, 120},
		  {DONE, 120},
		  {DONE, 120}},
		 100,
		 2},
		{"far in the future is the past of another capture",
		 {{DONE, 99},
		  {DONE, 99},
		  {DONE, 1},
		  {DONE, 99},
		  {DONE, 99},
		  {DONE, 99},
		  {DONE, 166},
		  {DONE, 99}},
		 100,
		 6},
		{"the youngest done one against the oldest open one",
		 {{OPEN, 1},
		  {OPEN, 1},
		  {OPEN, 1},
		  {OPEN, 1},
		  {OPEN, 1},
		  {OPEN, 1},
		  {OPEN, 1},
		  {DONE, 0x7fffffff}},
		 0x7fffffff,
		 7},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_flow_table *t = ht_flow_table_new(8, 7);
		for (uint32_t n = 0; n < 8; n++) {
			struct ht_flow_key k = key_of(n);
			insert(t, &k, HT_IPPROTO_TCP, 0);
		}
		for (uint32_t n = 0; n < 8; n++) {
			struct ht_flow *f = ht_flow_at(t, n);
			f->state = cases[i].in[n].state;
			f->seen = cases[i].in[n].seen * UNIT;
			ht_flow_note(t, f);
			if (f->state == HT_FLOW_FREE)
				ht_flow_remove(t, f);
		}
		struct ht_flow_key k = key_of(100);
		struct ht_flow_ref r = ht_flow_ref(t, &k, HT_IPPROTO_TCP);
		struct ht_flow *v = ht_flow_victim(t, r, cases[i].now * UNIT);
		if (v != ht_flow_at(t, cases[i].want))
			fail_msg("%s: slot %" PRIu32, cases[i].name, v->slot);
		// The one that was given up is not found any more, the new one is.
		struct ht_flow_key old = {.sport = v->port[0], .dport = v->port[1]};
		memcpy(old.src, v->addr[0], 16);
		memcpy(old.dst, v->addr[1], 16);
		ht_flow_fill(t, v, r, &k, HT_IPPROTO_TCP, 0);
		assert_ptr_equal(find(t, &k, HT_IPPROTO_TCP), v);
		assert_null(find(t, &old, HT_IPPROTO_TCP));
		ht_flow_table_free(t);
	}
}

// Two flows of one bucket with the same tag: the tag alone must not decide. With 15 bits of tag and
// a table of one bucket such a pair is found soon.
static void tag_collision(void **state) {
	(void)state;
	struct ht_flow_table *t = ht_flow_table_new(8, 7);
	static uint32_t by_tag[1 << 16];
	uint32_t a = 0, b = 0;
	for (uint32_t n = 1; b == 0 && n < 100000; n++) {
		struct ht_flow_key k = key_of(n);
		// The upper 16 bits of the hash are what a tag is made of.
		uint32_t *slot = &by_tag[ht_flow_ref(t, &k, HT_IPPROTO_TCP).hash >> 48];
		if (*slot != 0) {
			a = *slot;
			b = n;
		}
		*slot = n;
	}
	assert_true(b != 0);
	struct ht_flow_key ka = key_of(a), kb = key_of(b);
	struct ht_flow *fa = insert(t, &ka, HT_IPPROTO_TCP, 1);
	assert_null(find(t, &kb, HT_IPPROTO_TCP));
	struct ht_flow *fb = insert(t, &kb, HT_IPPROTO_TCP, 1);
	assert_ptr_not_equal(fa, fb);
	assert_ptr_equal(find(t, &ka, HT_IPPROTO_TCP), fa);
	assert_ptr_equal(find(t, &kb, HT_IPPROTO_TCP), fb);
	ht_flow_remove(t, fa);
	assert_null(find(t, &ka, HT_IPPROTO_TCP));
	assert_ptr_equal(find(t, &kb, HT_IPPROTO_TCP), fb);
	ht_flow_table_free(t);
}

// The same ends with the same tag, once TCP and once UDP.
static void tag_collision_of_protocols(void **state) {
	(void)state;
	struct ht_flow_table *t = ht_flow_table_new(8, 7);
	unsigned found = 0;
	for (uint32_t n = 1; found == 0 && n < 1000000; n++) {
		struct ht_flow_key k = key_of(n);
		if (ht_flow_ref(t, &k, HT_IPPROTO_TCP).hash >> 49
		    != ht_flow_ref(t, &k, HT_IPPROTO_UDP).hash >> 49)
			continue;
		found++;
		struct ht_flow *tcp = insert(t, &k, HT_IPPROTO_TCP, 1);
		assert_null(find(t, &k, HT_IPPROTO_UDP));
		struct ht_flow *udp = insert(t, &k, HT_IPPROTO_UDP, 1);
		assert_ptr_equal(find(t, &k, HT_IPPROTO_TCP), tcp);
		assert_ptr_equal(find(t, &k, HT_IPPROTO_UDP), udp);
	}
	assert_int_equal(found, 1);
	ht_flow_table_free(t);
}

static void secret_changes_placement(void **state) {
	(void)state;
	enum { KEYS = 1000 };
	struct ht_flow_table *a = ht_flow_table_new(4096, 1), *b = ht_flow_table_new(4096, 2),
			     *c = ht_flow_table_new(4096, 1);
	unsigned same = 0;
	for (uint32_t n = 0; n < KEYS; n++) {
		struct ht_flow_key k = key_of(n);
		uint64_t ha = ht_flow_ref(a, &k, HT_IPPROTO_TCP).hash;
		assert_true(ha == ht_flow_ref(c, &k, HT_IPPROTO_TCP).hash);
		assert_true(ha != ht_flow_ref(b, &k, HT_IPPROTO_TCP).hash);
		// The 256 buckets of a table are chosen by the low 8 bits.
		same += (ha & 255) == (ht_flow_ref(b, &k, HT_IPPROTO_TCP).hash & 255);
	}
	assert_true(same < KEYS / 50); // 1 of 256 by chance
	ht_flow_table_free(a);
	ht_flow_table_free(b);
	ht_flow_table_free(c);
}

struct model {
	bool there[600];
	uint32_t mark[600];
};

static void table_against_a_list(void **state) {
	(void)state;
	enum { KEYS = 600, TURNS = 30000 };
	static struct model m;
	unsigned evicted = 0;
	for (uint64_t round = 1; round <= 3; round++) {
		struct ht_flow_table *t = ht_flow_table_new(256, round * 77);
		memset(&m, 0, sizeof(m));
		seed = round * 0x9e3779b97f4a7c15;
		uint32_t held = 0;
		for (uint32_t turn = 1; turn <= TURNS; turn++) {
			uint32_t n = rnd(KEYS);
			// A third of the keys are UDP flows of the same addresses and ports.
			uint8_t proto = n % 3 == 0 ? HT_IPPROTO_UDP : HT_IPPROTO_TCP;
			struct ht_flow_key k = key_of(n - n % 3);
			k.dport = (uint16_t)(k.dport + (n % 3 == 2));
			struct ht_flow_key as_seen = rnd(2) == 0 ? k : back(&k);
			struct ht_flow *f = find(t, &as_seen, proto);
			assert_int_equal(f != NULL, m.there[n]);
			if (f != NULL && f->seq[0] != m.mark[n])
				fail_msg("another flow's slot");
			if (f != NULL && rnd(3) == 0) {
				ht_flow_remove(t, f);
				m.there[n] = false;
				held--;
			} else if (f == NULL) {
				struct ht_flow_ref r = ht_flow_ref(t, &as_seen, proto);
				struct ht_flow *v = ht_flow_victim(t, r, turn);
				if (v->state != HT_FLOW_FREE) {
					assert_true(m.there[v->work]);
					m.there[v->work] = false;
					evicted++;
					held--;
				}
				ht_flow_fill(t, v, r, &as_seen, proto, turn);
				v->work = n;
				v->seq[0] = m.mark[n] = turn;
				v->state = (uint8_t)(HT_FLOW_DONE + rnd(3));
				ht_flow_note(t, v);
				m.there[n] = true;
				held++;
			}
		}
		uint32_t taken = 0;
		for (uint32_t i = 0; i < ht_flow_capacity(t); i++)
			taken += ht_flow_at(t, i)->state != HT_FLOW_FREE;
		assert_int_equal(taken, held);
		ht_flow_table_free(t);
	}
	assert_true(evicted > 1000);
}

static void ticks(void **state) {
	(void)state;
	assert_int_equal(ht_flow_ticks(0), 0);
	assert_int_equal(ht_flow_ticks((1 << 24) - 1), 0);
	assert_int_equal(ht_flow_ticks(1 << 24), 1);
	// The difference of two times survives the wrap, and a time before 1970.
	int64_t wrap = (int64_t)1 << 56;
	assert_int_equal(ht_flow_ticks(wrap) - ht_flow_ticks(wrap - (1 << 24)), 1);
	assert_int_equal(ht_flow_ticks(0) - ht_flow_ticks(-(1 << 24)), 1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capacity),
		cmocka_unit_test(both_directions_are_one_flow),
		cmocka_unit_test(what_tells_flows_apart),
		cmocka_unit_test(fill_clears_what_was_there),
		cmocka_unit_test(victim_order),
		cmocka_unit_test(tag_collision),
		cmocka_unit_test(tag_collision_of_protocols),
		cmocka_unit_test(secret_changes_placement),
		cmocka_unit_test(table_against_a_list),
		cmocka_unit_test(ticks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
