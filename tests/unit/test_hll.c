// SPDX-License-Identifier: BSD-3-Clause

#include "hll.h"
#include "t.h"

static uint64_t state = 0x9e3779b97f4a7c15;

static uint32_t rnd(void) {
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static void none_and_all(void **unused) {
	(void)unused;
	const uint8_t empty[HT_HLL_REGISTERS] = {0};
	assert_int_equal(ht_hll_estimate(empty), 0);
	uint8_t full[HT_HLL_REGISTERS];
	memset(full, HT_HLL_RANK_BITS + 1, sizeof(full)); // as far as it goes, it ends
	assert_int_equal(ht_hll_estimate(full), UINT32_MAX);
}

static void as_close_as_it_says(void **unused) {
	(void)unused;
	static const uint32_t sizes[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
	for (unsigned i = 0; i < HT_ARRAY_LEN(sizes); i++) {
		double mean = 0, square = 0;
		const unsigned rounds = sizes[i] > 10000 ? 20 : 100;
		for (unsigned n = 0; n < rounds; n++) {
			uint8_t r[HT_HLL_REGISTERS] = {0};
			for (uint32_t k = 0; k < sizes[i]; k++) {
				const uint32_t hash = rnd();
				ht_hll_add(r, hash);
				ht_hll_add(r, hash); // counts once
			}
			const double error = (double)ht_hll_estimate(r) / sizes[i] - 1;
			mean += error / rounds;
			square += error * error / rounds;
		}
		assert_true(square < 0.035 * 0.035); // the standard error is 0.023
		assert_true(mean > -0.025 && mean < 0.025);
	}
}

static void merged_is_both(void **unused) {
	(void)unused;
	uint8_t a[HT_HLL_REGISTERS] = {0}, b[HT_HLL_REGISTERS] = {0}, both[HT_HLL_REGISTERS] = {0};
	for (unsigned i = 0; i < 30000; i++) {
		const uint32_t hash = rnd();
		ht_hll_add(i % 3 == 0 ? a : b, hash);
		ht_hll_add(both, hash);
	}
	ht_hll_merge(a, b);
	assert_memory_equal(a, both, sizeof(a));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_and_all),
		cmocka_unit_test(as_close_as_it_says),
		cmocka_unit_test(merged_is_both),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
