// SPDX-License-Identifier: BSD-3-Clause

#include "sensor.h"

const struct ht_counter ht_ledger[HT_NUM_CTRS] = {
#define X(id, group, name, help) {group, name, help},
	HT_LEDGER(X)
#undef X
};

// A stream's and a hello's counter is found by adding to the first of them.
#define X(id, name, help) \
	_Static_assert((int)HT_CTR_STREAM_##id == (int)HT_CTR_STREAM_UNKNOWN + HT_SPEAKS_##id, #id);
HT_SPEAKS_LIST(X)
#undef X
#define X(id, name, help) \
	_Static_assert((int)HT_CTR_HELLO_##id == (int)HT_CTR_HELLO_GAP + HT_INCOMPLETE_##id, #id);
HT_INCOMPLETE_REASONS(X)
#undef X
#define X(id, name, help) \
	_Static_assert( \
		(int)HT_CTR_UPGRADE_##id == (int)HT_CTR_UPGRADE_COMPLETED + HT_UPGRADE_##id, #id \
	);
HT_UPGRADE_STATES(X)
#undef X

const char *ht_ledger_balance(const uint64_t counters[HT_NUM_CTRS]) {
	static const char *const groups[]
		= {"frames", "flows", "streams", "datagrams", "hellos", "upgrades", "flow_records"};
	for (size_t g = 0; g < HT_ARRAY_LEN(groups); g++) {
		uint64_t total = 0, sum = 0;
		bool first = true;
		for (unsigned i = 0; i < HT_NUM_CTRS; i++) {
			if (strcmp(ht_ledger[i].group, groups[g]) != 0)
				continue;
			// The first of a group is what went in, the others are where it went.
			*(first ? &total : &sum) += counters[i];
			first = false;
		}
		if (total != sum)
			return groups[g];
	}
	const uint64_t ended = counters[HT_CTR_FLOWS_ENDED];
	if (ended != 0 && ended != counters[HT_CTR_FLOWS_BEGUN])
		return "flow_records";
	return NULL;
}

void ht_sensor_defaults(struct ht_sensor_params *p) {
	memset(p, 0, sizeof(*p));
#define X(name, def, least, most, help) p->name = (def);
	HT_SENSOR_OPTIONS(X)
#undef X
}
