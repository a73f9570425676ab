// SPDX-License-Identifier: BSD-3-Clause

#include "owner.h"
#include "t.h"
#include "wire.h"

#define FLOWS 2000u

static const struct ht_owner_params all_of = {.workers = 5, .rest_from = 5, .secret = 42};

// An Ethernet frame of IPv4 or IPv6 with a TCP or UDP header.
struct shape {
	bool v6;
	uint8_t proto;
	uint32_t src, dst; // the last four bytes of the addresses
	uint16_t sport, dport;
	uint16_t fragment; // the field of IPv4: flags and offset
	uint16_t vlan; // 0: none
};

static void put_address(struct bytes *o, bool v6, uint32_t last) {
	static const uint8_t prefix[12] = {0x20, 0x01, 0x0d, 0xb8};
	if (v6)
		put(o, prefix, sizeof(prefix));
	put32(o, last);
}

static void build(struct bytes *o, const struct shape *s) {
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	const unsigned l4 = s->proto == 6 ? 20 : 8;
	o->len = 0;
	put(o, macs, sizeof(macs));
	if (s->vlan != 0) {
		put16(o, 0x8100);
		put16(o, s->vlan);
	}
	put16(o, s->v6 ? 0x86dd : 0x0800);
	if (s->v6) {
		put32(o, 0x60000000);
		put16(o, l4);
		put8(o, s->proto);
		put8(o, 64);
	} else {
		put16(o, 0x4500);
		put16(o, 20 + l4);
		put16(o, 7);
		put16(o, s->fragment);
		put8(o, 64);
		put8(o, s->proto);
		put16(o, 0);
	}
	put_address(o, s->v6, s->src);
	put_address(o, s->v6, s->dst);
	put16(o, s->sport);
	put16(o, s->dport);
	if (s->proto == 6) {
		put32(o, 1);
		put32(o, 1);
		put32(o, 0x50180000);
		put32(o, 0);
	} else {
		put16(o, l4);
		put16(o, 0);
	}
}

static unsigned owner_of(struct ht_owner *o, const struct shape *s) {
	static struct bytes b;
	build(&b, s);
	uint8_t *exact = t_dup(b.b, b.len);
	const struct ht_frame f
		= {.data = exact, .caplen = (uint32_t)b.len, .len = (uint32_t)b.len, .linktype = 1};
	const unsigned owner = ht_owner_of(o, &f);
	free(exact);
	return owner;
}

static struct shape other_way(struct shape s) {
	const struct shape was = s;
	s.src = was.dst;
	s.dst = was.src;
	s.sport = was.dport;
	s.dport = was.sport;
	return s;
}

static void both_directions_and_all_fragments_have_one_owner(void **state) {
	(void)state;
	struct ht_owner *o = ht_owner_new(&all_of);
	struct rng r = {1};
	unsigned of[5] = {0};
	for (unsigned i = 0; i < FLOWS; i++) {
		struct shape s = {
			.v6 = i & 1,
			.proto = i & 2 ? 6 : 17,
			.src = rng_next(&r),
			.dst = rng_next(&r),
			.sport = (uint16_t)rng_next(&r),
			.dport = 443,
		};
		const unsigned owner = owner_of(o, &s);
		const struct shape back = other_way(s);
		assert_true(owner < 5);
		of[owner]++;
		assert_int_equal(owner_of(o, &back), owner);
		s.vlan = 12; // tags do not matter, nor do ports
		s.sport ^= 1;
		assert_int_equal(owner_of(o, &s), owner);
		if (s.v6)
			continue;
		s.fragment = 0x2000;
		assert_int_equal(owner_of(o, &s), owner);
		s.fragment = 100;
		assert_int_equal(owner_of(o, &s), owner);
	}
	for (unsigned i = 0; i < 5; i++) // a fifth each; a standard deviation is 18
		assert_in_range(of[i], FLOWS / 5 - 110, FLOWS / 5 + 110);
	ht_owner_free(o);
}

static void another_secret_is_another_choice(void **state) {
	(void)state;
	struct ht_owner_params p = all_of;
	struct ht_owner *a = ht_owner_new(&p);
	p.secret++;
	struct ht_owner *b = ht_owner_new(&p);
	unsigned same = 0;
	for (unsigned i = 0; i < FLOWS; i++) {
		const struct shape s = {.proto = 6, .src = i, .dst = 1, .dport = 443};
		same += owner_of(a, &s) == owner_of(b, &s);
	}
	assert_in_range(same, FLOWS / 5 - 110, FLOWS / 5 + 110);
	ht_owner_free(a);
	ht_owner_free(b);
}

static void the_rest_is_for_others_or_nobody(void **state) {
	(void)state;
	static const uint16_t tcp[] = {25, 443}, udp[] = {443};
	struct ht_owner_params p = {
		.workers = 4, .rest_from = 3, .tcp = tcp, .num_tcp = 2, .udp = udp, .num_udp = 1};
	struct ht_owner *o = ht_owner_new(&p);
	p.drop_rest = true;
	p.rest_from = 4;
	struct ht_owner *drop = ht_owner_new(&p);
	for (unsigned i = 0; i < FLOWS; i++) {
		struct shape s = {.v6 = i & 1, .proto = 6, .src = i, .dst = 1, .sport = 40000};
		s.dport = i & 2 ? 443 : 25;
		struct shape back = other_way(s);
		assert_true(owner_of(o, &s) < 3);
		assert_int_equal(owner_of(o, &back), owner_of(o, &s));
		assert_true(owner_of(drop, &back) < 4);
		s.dport = 22;
		back = other_way(s);
		assert_int_equal(owner_of(o, &s), 3);
		assert_int_equal(owner_of(o, &back), 3);
		assert_int_equal(owner_of(drop, &s), HT_OWNER_NONE);
		s.proto = 17;
		s.dport = 25; // of interest over TCP only
		assert_int_equal(owner_of(o, &s), 3);
		s.dport = 443;
		assert_true(owner_of(o, &s) < 3);
	}
	ht_owner_free(o);
	ht_owner_free(drop);
}

static void what_is_no_packet_is_anybodys(void **state) {
	(void)state;
	struct ht_owner *o = ht_owner_new(&all_of);
	static const uint8_t arp[60] = {[12] = 0x08, [13] = 0x06};
	const struct ht_frame f = {.data = arp, .caplen = 60, .len = 60, .linktype = 1};
	assert_int_equal(ht_owner_of(o, &f), HT_OWNER_SELF);
	ht_owner_free(o);
	// Where ports are sorted out it is of no interest.
	const struct ht_owner_params p = {.workers = 2, .rest_from = 1};
	o = ht_owner_new(&p);
	assert_int_equal(ht_owner_of(o, &f), 1);
	ht_owner_free(o);
}

// Both ends of a conversation of EAP over 802.1X.
static void eapol_goes_by_mac_addresses(void **state) {
	(void)state;
	const struct ht_owner_params p = {.workers = 7, .rest_from = 7, .secret = 3};
	struct ht_owner *o = ht_owner_new(&p);
	unsigned seen = 0;
	for (unsigned i = 0; i < 100; i++) {
		uint8_t there[18]
			= {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, (uint8_t)i, 0x88, 0x8e, 2, 0, 0, 0};
		uint8_t back[18];
		memcpy(back, there, sizeof(back));
		memcpy(back, there + 6, 6);
		memcpy(back + 6, there, 6);
		const struct ht_frame a = {.data = there, .caplen = 18, .len = 18, .linktype = 1};
		const struct ht_frame b = {.data = back, .caplen = 18, .len = 18, .linktype = 1};
		const unsigned owner = ht_owner_of(o, &a);
		assert_true(owner < 7);
		assert_int_equal(ht_owner_of(o, &b), owner);
		seen |= 1u << owner;
	}
	assert_int_equal(seen, 0x7f);
	ht_owner_free(o);
}

static void any_cut_of_a_frame_has_an_answer(void **state) {
	(void)state;
	static struct bytes b;
	struct ht_owner *o = ht_owner_new(&all_of);
	const struct shape s
		= {.v6 = true, .proto = 6, .src = 1, .dst = 2, .dport = 443, .vlan = 1};
	build(&b, &s);
	for (size_t n = 0; n <= b.len; n++) {
		uint8_t *cut = t_dup(b.b, n);
		const struct ht_frame f = {
			.data = cut, .caplen = (uint32_t)n, .len = (uint32_t)b.len, .linktype = 1};
		const unsigned owner = ht_owner_of(o, &f);
		assert_true(owner < 5 || owner == HT_OWNER_SELF);
		free(cut);
	}
	ht_owner_free(o);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_directions_and_all_fragments_have_one_owner),
		cmocka_unit_test(another_secret_is_another_choice),
		cmocka_unit_test(the_rest_is_for_others_or_nobody),
		cmocka_unit_test(what_is_no_packet_is_anybodys),
		cmocka_unit_test(eapol_goes_by_mac_addresses),
		cmocka_unit_test(any_cut_of_a_frame_has_an_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
