// SPDX-License-Identifier: BSD-3-Clause

#include "stats.h"
#include "t.h"

static void sum_of_blocks(void **state) {
	(void)state;
	uint64_t a[3] = {1, 2, UINT64_MAX}, b[3] = {0}, total[3] = {0};
	ht_stats_count(&b[0], 5);
	ht_stats_count(&b[0], 2);
	ht_stats_count(&b[2], 3); // words wrap, as unsigned numbers do
	ht_stats_sum(total, a, 3);
	ht_stats_sum(total, b, 3);
	assert_true(total[0] == 8 && total[1] == 2 && total[2] == 2);
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(sum_of_blocks)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
