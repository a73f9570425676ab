// SPDX-License-Identifier: BSD-3-Clause

#include "hll.h"

#include <math.h>

void ht_hll_merge(uint8_t registers[HT_HLL_REGISTERS], const uint8_t more[HT_HLL_REGISTERS]) {
	for (unsigned i = 0; i < HT_HLL_REGISTERS; i++)
		registers[i] = more[i] > registers[i] ? more[i] : registers[i];
}

// Ertl 2017, (23): sigma(x) = x + sum over k >= 1 of x^(2^k) 2^(k-1).
static double sigma(double x) {
	double y = 1, z = x, before;
	do {
		x *= x;
		before = z;
		z += x * y;
		y += y;
	} while (z != before && z < INFINITY);
	return z;
}

// Ertl 2017, (24): tau(x) = (1 - x - sum over k >= 1 of (1 - x^(2^-k))^2 2^-k) / 3.
static double tau(double x) {
	if (x <= 0 || x >= 1)
		return 0;
	double y = 1, z = 1 - x, before;
	do {
		x = sqrt(x);
		before = z;
		y *= 0.5;
		z -= (1 - x) * (1 - x) * y;
	} while (z != before);
	return z / 3;
}

uint64_t ht_hll_estimate(const uint8_t registers[HT_HLL_REGISTERS]) {
	uint32_t num[HT_HLL_RANK_BITS + 2] = {0};
	for (unsigned i = 0; i < HT_HLL_REGISTERS; i++)
		num[registers[i]]++;
	const double m = HT_HLL_REGISTERS;
	if (num[0] == HT_HLL_REGISTERS)
		return 0;
	double z = m * tau(1 - num[HT_HLL_RANK_BITS + 1] / m);
	for (unsigned k = HT_HLL_RANK_BITS; k >= 1; k--)
		z = 0.5 * (z + num[k]);
	z += m * sigma(num[0] / m);
	// Hashes of 32 bits cannot tell more; with all registers at their end z is 0.
	const double most = UINT32_MAX, n = z > 0 ? m * m / (2 * M_LN2 * z) : most;
	return (uint64_t)((n < most ? n : most) + 0.5);
}
