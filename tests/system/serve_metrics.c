// SPDX-License-Identifier: BSD-3-Clause
// serve_metrics: a registry with something of everything, served for tests/system/test_metrics.py.
//
// usage: serve_metrics ADDRESS WORKERS
//
// Prints the port, and serves until standard input ends.

#include "metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NUM_COUNTERS 20
#define MAX_WORKERS 1000

static struct ht_counter table[NUM_COUNTERS];
static const struct ht_counter gauges[] = {
	{"test", "collects", "how often a text was made"},
	{"test", "largest", "the largest number"},
};
static const struct ht_counter hellos = {"hellos", "seen", "with \"quotes\", a \\ and a\nnewline"};
static const char *const hello_labels[] = {"protocol", "version", "service"};
static uint64_t blocks[MAX_WORKERS][NUM_COUNTERS], gauge_block[] = {0, UINT64_MAX};
static int stop;

static void *work(void *arg) {
	struct ht_tally *t = arg;
	const struct timespec ms = {.tv_nsec = 1000000};
	static const char *const services[] = {"https", "imaps", NULL, "smtps"};
	for (unsigned i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		ht_stats_count(&blocks[0][0], 1);
		ht_tally_count(t, (const char *[]){"tls", "TLS 1.3", services[i % 4]}, 1);
		nanosleep(&ms, NULL);
	}
	return NULL;
}

static void collect(void *ctx) {
	(void)ctx;
	ht_stats_count(&gauge_block[0], 1);
}

static int fail(const char *what) {
	fprintf(stderr, "serve_metrics: %s\n", what);
	return 1;
}

int main(int argc, char **argv) {
	if (argc != 3)
		return fail("usage: serve_metrics ADDRESS WORKERS");
	const unsigned workers = (unsigned)strtoul(argv[2], NULL, 10);
	struct ht_metrics *m = ht_metrics_new();
	struct ht_tally *t = ht_tally_new(&hellos, hello_labels, 3, 3);
	if (workers > MAX_WORKERS || m == NULL || t == NULL)
		return fail("too many workers, or no memory");
	static char names[NUM_COUNTERS][16];
	for (unsigned i = 0; i < NUM_COUNTERS; i++) {
		snprintf(names[i], sizeof(names[i]), "c%u", i);
		table[i] = (struct ht_counter){"frames", i == 0 ? "total" : names[i], "a counter"};
	}
	for (unsigned w = 0; w < workers; w++) {
		char worker[16];
		snprintf(worker, sizeof(worker), "%u", w);
		const struct ht_label labels[]
			= {{"worker", worker}, {"sink", "json:/tmp/\"a\\b\"\n\xff\xc3\xbc"}};
		for (unsigned i = 1; i < NUM_COUNTERS; i++)
			blocks[w][i] = w * 1000 + i;
		if (ht_metrics_add(
			    m, NULL, table, NUM_COUNTERS, blocks[w], HT_METRICS_COUNTER, labels, 2
		    )
		    != HT_OK)
			return fail("a set was refused");
	}
	if (ht_metrics_add(m, NULL, gauges, 2, gauge_block, HT_METRICS_GAUGE, NULL, 0) != HT_OK
	    || ht_metrics_add_tally(m, t) != HT_OK)
		return fail("gauges or the tally were refused");
	ht_metrics_on_collect(m, collect, NULL);
	char err[256];
	if (ht_metrics_serve(m, argv[1], 0, err, sizeof(err)) != HT_OK)
		return fail(err);
	printf("%u\n", ht_metrics_port(m));
	fflush(stdout);
	pthread_t worker;
	if (pthread_create(&worker, NULL, work, t) != 0)
		return fail("no thread");
	char c;
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(worker, NULL);
	ht_metrics_free(m);
	ht_tally_free(t);
	return 0;
}
