// SPDX-License-Identifier: BSD-3-Clause
// A store of fingerprints as somebody else left it: whatever is taken over gives the same store
// when it is packed again and read by another. The first byte says how the rest is taken: as it is
// (even) or, since no fuzzer guesses a hash, with the right one behind it (odd).

#include "rates.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drop(void *user, const struct ht_record *r) {
	(void)user;
	(void)r;
}

static struct ht_rates *make(uint32_t max) {
	const struct ht_rates_params p = {
		.src_prefix4 = 24,
		.src_prefix6 = 48,
		.max_keys = 16,
		.max_floods = 1,
		.fingerprints = HT_RATES_BOTH,
		.rare_clients = HT_RATES_CLIENTS,
		.rare_interval_s = 1,
		.events_per_min = 1000,
		.max_fingerprints = max,
		.emit = drop,
	};
	struct ht_rates *const r = ht_rates_new(&p);
	if (r == NULL)
		abort();
	return r;
}

// How many fingerprints a store of `len` bytes has.
#define FINGERPRINTS(len) (((len)-56) / 136)

static void use(struct ht_rates *r) {
	static const uint8_t ip[16] = {0};
	static struct ht_record h;
	h.has = 0;
	ht_set(&h, record, "hello");
	ht_set(&h, ts, 1763686800000000000);
	ht_set(&h, complete, true);
	ht_set(&h, src_ip, ip);
	ht_set(&h, ja4, HT_SPAN_STR("t13d1516h2_8daaf6152771_d8a2da3f94cd"));
	ht_set(&h, ja3, HT_SPAN_STR("cd08e31494f9531f560d64c695473da9"));
	(void)ht_rates_add(r, &h);
}

static void check(struct ht_span bytes) {
	char err[200];
	struct ht_rates *const r = make(4096), *const again = make(4096);
	if (ht_rates_unpack(r, bytes, err, sizeof(err)) == HT_OK) {
		const size_t len = ht_rates_pack_size(r);
		uint8_t *const packed = malloc(len);
		if (packed == NULL)
			abort();
		ht_rates_pack(r, packed);
		if (ht_rates_unpack(again, HT_SPAN(packed, len), err, sizeof(err)) != HT_OK
		    || ht_rates_pack_size(again) != len || len > bytes.len)
			abort();
		// None is lost but for others of its set.
		if (FINGERPRINTS(bytes.len) <= 16 && len != bytes.len)
			abort();
		free(packed);
		use(r);
		use(again);
	} else if (FINGERPRINTS(ht_rates_pack_size(r)) != 0) {
		abort();
	}
	ht_rates_finish(r);
	if (!ht_rates_balanced(ht_rates_counts(r)))
		abort();
	ht_rates_free(r);
	ht_rates_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size < 1)
		return 0;
	const size_t len = size - 1;
	uint8_t *const bytes = malloc(len + sizeof(uint64_t));
	if (bytes == NULL)
		abort();
	memcpy(bytes, data + 1, len);
	const uint64_t sum = XXH3_64bits(bytes, len);
	memcpy(bytes + len, &sum, sizeof(sum));
	const size_t used = data[0] & 1 ? len + sizeof(sum) : len;
	uint8_t *const exact = malloc(used > 0 ? used : 1);
	if (exact == NULL)
		abort();
	memcpy(exact, bytes, used);
	check(HT_SPAN(exact, used));
	free(exact);
	free(bytes);
	return 0;
}
