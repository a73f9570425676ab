// SPDX-License-Identifier: BSD-3-Clause
// What the files of metrics share: the registry, and the text that is written.

#pragma once

#include "metrics.h"

#include <pthread.h>

// Text that grows. When there is no memory for more, `failed` stays set and nothing is added.
struct metrics_text {
	char *p;
	size_t len, size;
	bool failed;
};

void metrics_put(struct metrics_text *t, const char *s);
void metrics_put_u64(struct metrics_text *t, uint64_t v);
// metrics_put_label writes NAME="VALUE", the value escaped.
void metrics_put_label(struct metrics_text *t, const char *name, const char *value);

// A family is what shares a name: all samples of it stand together, below one HELP and TYPE.
struct metrics_family {
	char *name; // without _total
	const char *help;
	enum ht_metrics_kind kind;
	struct metrics_sample *first, *last; // by their `next`
	const struct ht_tally *tally; // instead of samples
};

struct metrics_sample {
	struct metrics_sample *next;
	struct metrics_family *family;
	struct ht_metrics_set *set;
};

struct ht_metrics_set {
	struct ht_metrics_set *next;
	const struct ht_counter *table;
	unsigned num;
	enum ht_metrics_kind kind;
	char *labels; // as they are written: {port="eth0",worker="0"}, or nothing
	const uint64_t *block; // NULL once ended
	uint64_t *ended; // the sum of the blocks that have ended
	struct metrics_sample samples[]; // one a counter
};

struct metrics_server;

struct ht_metrics {
	pthread_mutex_t lock; // what follows up to the next blank line
	struct metrics_family **families; // in the order they came
	unsigned num_families, max_families;
	struct ht_metrics_set *sets;
	unsigned num_samples;

	void (*collect)(void *ctx);
	void *collect_ctx;
	int64_t start_ms; // since the epoch
	int statm; // /proc/self/statm, open: it can be read whatever the program gives up later

	struct metrics_server *server;
};

// metrics_put_tally writes a sample for each series.
void metrics_put_tally(struct metrics_text *t, const char *name, const struct ht_tally *tally);
const struct ht_counter *metrics_tally_what(const struct ht_tally *t);
bool metrics_tally_labels_ok(const struct ht_tally *t);

bool metrics_label_name_ok(const char *name);

// metrics_negotiate picks a format by an Accept header (NULL: there is none): OpenMetrics when it
// is named there and not refused with q=0.
enum ht_metrics_format metrics_negotiate(const char *accept);

extern const char *const metrics_content_type[HT_METRICS_NUM_FORMATS];
