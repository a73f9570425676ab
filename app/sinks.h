// SPDX-License-Identifier: BSD-3-Clause
// sinks: where the records of a run go.

#pragma once

#include "export.h"
#include "options.h"

struct sinks {
	bool hellos; // hello records are wanted
	struct ht_sink *s[MAX_SINKS];
	const char *names[MAX_SINKS];
	unsigned num;
};

static inline void sinks_flush(const struct sinks *k) {
	for (unsigned i = 0; i < k->num; i++)
		ht_sink_flush(k->s[i]);
}

// Nothing is left to read for when every sink's reader went away.
static inline bool sinks_all_dead(const struct sinks *k) {
	for (unsigned i = 0; i < k->num; i++)
		if (!ht_sink_is_dead(k->s[i]))
			return false;
	return true;
}
