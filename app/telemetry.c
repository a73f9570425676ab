// SPDX-License-Identifier: BSD-3-Clause

#include "telemetry.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

const struct ht_counter telemetry_hellos = {
	"hellos",
	"by_kind",
	"hello records by protocol, highest version offered and service of the server's port",
};
static const char *const hello_labels[] = {"protocol", "version", "service"};
#define MAX_KINDS 512 // series; what comes past them is counted together

static const struct ht_counter interface_up = {
	"interface",
	"up",
	"1: the interface is up, 0: it is down or away",
};
const struct ht_counter telemetry_handed_in = {
	"worker",
	"handed_in",
	"frames taken over from other workers",
};

// Outputs of one name and number. One takes the place of another while that is ending still, and
// may be handed on: so their counters are summed when somebody asks.
struct output {
	struct output *next;
	unsigned number;
	uint64_t past[HT_DELIVERY_NUM_CTRS]; // of those that have ended
	uint64_t total[HT_DELIVERY_NUM_CTRS]; // what is shown
	char name[];
};

#define MAX_SHOWN (8 * MAX_SINKS) // deliveries at one time, those that are ending included

struct telemetry {
	struct ht_metrics *metrics;
	struct ht_tally *tally;
	struct worker *workers;
	unsigned num_workers;
	struct ht_dpdk *dpdk;
	uint64_t (*queues)[HT_QUEUE_NUM_CTRS]; // summed when somebody asks
	pthread_mutex_t lock; // of what follows
	struct output *outputs;
	unsigned num_shown;
	struct {
		struct ht_delivery *d;
		struct output *output;
	} shown[MAX_SHOWN];
	bool ok;
};

static void add_kind(
	struct telemetry *t,
	enum ht_metrics_kind kind,
	struct ht_metrics_set **out,
	const struct ht_counter *table,
	unsigned num,
	const uint64_t *block,
	const struct ht_label *labels,
	unsigned num_labels
) {
	if (ht_metrics_add(t->metrics, out, table, num, block, kind, labels, num_labels) == HT_OK)
		return;
	if (out != NULL)
		*out = NULL;
	t->ok = false;
}

static void
add(struct telemetry *t,
    struct ht_metrics_set **out,
    const struct ht_counter *table,
    unsigned num,
    const uint64_t *block,
    const struct ht_label *labels,
    unsigned num_labels) {
	add_kind(t, HT_METRICS_COUNTER, out, table, num, block, labels, num_labels);
}

static void collect_outputs(struct telemetry *t) {
	for (struct output *o = t->outputs; o != NULL; o = o->next) {
		uint64_t now[HT_DELIVERY_NUM_CTRS];
		memcpy(now, o->past, sizeof(now));
		for (unsigned i = 0; i < t->num_shown; i++)
			if (t->shown[i].output == o)
				ht_stats_sum(
					now, ht_delivery_count(t->shown[i].d), HT_DELIVERY_NUM_CTRS
				);
		for (unsigned k = 0; k < HT_DELIVERY_NUM_CTRS; k++)
			__atomic_store_n(&o->total[k], now[k], __ATOMIC_RELAXED);
	}
}

static void collect(void *ctx) {
	struct telemetry *t = ctx;
	for (unsigned i = 0; i < t->num_workers; i++) {
		uint64_t now[HT_QUEUE_NUM_CTRS] = {0};
		ht_queue_count(t->workers[i].queue, now);
		for (unsigned k = 0; k < HT_QUEUE_NUM_CTRS; k++)
			__atomic_store_n(&t->queues[i][k], now[k], __ATOMIC_RELAXED);
	}
	pthread_mutex_lock(&t->lock);
	collect_outputs(t);
	pthread_mutex_unlock(&t->lock);
}

static void add_workers(struct telemetry *t, const struct options *o) {
	for (unsigned i = 0; i < t->num_workers; i++) {
		const struct worker *w = &t->workers[i];
		char number[16];
		snprintf(number, sizeof(number), "%u", i);
		const struct ht_label worker = {"worker", number};
		add(t, NULL, ht_ledger, HT_NUM_CTRS, ht_sensor_counters(w->sensor), &worker, 1);
		add(t, NULL, worker_counters, NUM_WORKER_COUNTERS, w->ctr, &worker, 1);
		if (t->dpdk != NULL)
			add(t, NULL, &telemetry_handed_in, 1, ht_dpdk_handed_in(t->dpdk, i),
			    &worker, 1);
		add(t, NULL, ht_queue_counters, HT_QUEUE_NUM_CTRS, t->queues[i], &worker, 1);
		for (unsigned k = 0; w->dpdk == NULL && k < w->num_captures; k++) {
			const struct ht_label both[2] = {worker, {"interface", o->interfaces.v[k]}};
			add(t, NULL, interface_counters, NUM_INTERFACE_COUNTERS, w->interface[k],
			    both, 2);
			if (i == 0)
				add_kind(
					t, HT_METRICS_GAUGE, NULL, &interface_up, 1, &w->up[k],
					&both[1], 1
				);
		}
	}
}

static void
add_lists(struct telemetry *t, const struct pipeline *pipeline, const struct lists *lists) {
	for (unsigned i = 0; i < t->num_workers; i++) {
		char number[16];
		snprintf(number, sizeof(number), "%u", i);
		const struct ht_label worker = {"worker", number};
		add(t, NULL, ht_watchlist_counters, HT_WATCHLIST_NUM_CTRS, t->workers[i].watch.ctr,
		    &worker, 1);
	}
	const struct ht_label exporter = {"worker", "exporter"};
	add(t, NULL, ht_watchlist_counters, HT_WATCHLIST_NUM_CTRS, pipeline->watch.ctr, &exporter,
	    1);
	add(t, NULL, lists_counters, NUM_LISTS_COUNTERS, lists_counts(lists), NULL, 0);
	add_kind(
		t, HT_METRICS_GAUGE, NULL, lists_gauges, NUM_LISTS_GAUGES, lists_in_force(lists),
		NULL, 0
	);
}

static void add_ports(struct telemetry *t) {
	for (unsigned p = 0; t->dpdk != NULL && p < ht_dpdk_ports(t->dpdk); p++) {
		const struct ht_label port = {"port", ht_dpdk_port_name(t->dpdk, p)};
		add(t, NULL, ht_dpdk_port_counters, HT_NUM_DPDK_PORT_COUNTERS,
		    ht_dpdk_port_block(t->dpdk, p), &port, 1);
		const uint64_t *block;
		unsigned num;
		const struct ht_counter *table = ht_dpdk_xstats(t->dpdk, p, &block, &num);
		// What a driver counts may also fall: a size, a rate.
		if (num > 0
		    && ht_metrics_add(
			       t->metrics, NULL, table, num, block, HT_METRICS_GAUGE, &port, 1
		       ) != HT_OK)
			fprintf(stderr,
				"hellotap: %s: the driver's own counters are not among the "
				"metrics\n",
				port.value);
		for (unsigned w = 0; w < t->num_workers; w++) {
			const uint64_t *queue = ht_dpdk_queue_block(t->dpdk, p, w);
			char number[16];
			snprintf(number, sizeof(number), "%u", w);
			const struct ht_label both[2] = {port, {"queue", number}};
			if (queue != NULL)
				add(t, NULL, ht_dpdk_counters, HT_NUM_DPDK_COUNTERS, queue, both,
				    2);
		}
	}
}

// The one of this name and number, a new one if need be. NULL: no memory, or too many samples.
static struct output *find_output(struct telemetry *t, const char *name, unsigned number) {
	for (struct output *o = t->outputs; o != NULL; o = o->next)
		if (o->number == number && strcmp(o->name, name) == 0)
			return o;
	const size_t len = strlen(name) + 1;
	struct output *const o = calloc(1, sizeof(*o) + len);
	char text[16];
	if (o == NULL)
		return NULL;
	o->number = number;
	memcpy(o->name, name, len);
	snprintf(text, sizeof(text), "%u", number);
	// The same one may be there twice: /dev/null.
	const struct ht_label both[2] = {{"sink", o->name}, {"output", text}};
	if (ht_metrics_add(
		    t->metrics, NULL, ht_delivery_counters, HT_DELIVERY_NUM_CTRS, o->total,
		    HT_METRICS_COUNTER, both, 2
	    )
	    != HT_OK) {
		free(o);
		return NULL;
	}
	o->next = t->outputs;
	t->outputs = o;
	return o;
}

static bool is_shown(const struct telemetry *t, const struct ht_delivery *d) {
	for (unsigned i = 0; i < t->num_shown; i++)
		if (t->shown[i].d == d)
			return true;
	return false;
}

// One that was handed on stays what it was.
static void add_sinks(struct telemetry *t, struct sinks *k) {
	for (unsigned i = 0; i < k->num; i++) {
		if (is_shown(t, k->v[i].d))
			continue;
		struct output *o
			= t->num_shown < MAX_SHOWN ? find_output(t, k->v[i].name, i) : NULL;
		if (o == NULL) {
			t->ok = false;
			continue;
		}
		t->shown[t->num_shown].d = k->v[i].d;
		t->shown[t->num_shown++].output = o;
	}
}

void telemetry_sinks(struct telemetry *t, struct sinks *sinks) {
	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	add_sinks(t, sinks);
	pthread_mutex_unlock(&t->lock);
}

void telemetry_sink_ends(void *telemetry, const struct ht_delivery *d) {
	struct telemetry *t = telemetry;
	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < t->num_shown; i++)
		if (t->shown[i].d == d) {
			ht_stats_sum(
				t->shown[i].output->past, ht_delivery_count(t->shown[i].d),
				HT_DELIVERY_NUM_CTRS
			);
			t->shown[i] = t->shown[--t->num_shown];
			break;
		}
	pthread_mutex_unlock(&t->lock);
}

bool telemetry_start(
	struct telemetry **out,
	const struct options *o,
	struct worker *workers,
	unsigned num_workers,
	struct ht_dpdk *dpdk,
	const struct pipeline *pipeline,
	const struct lists *lists
) {
	*out = NULL;
	if (o->metrics.port == 0)
		return true;
	struct telemetry *t = *out = calloc(1, sizeof(*t));
	char err[256];
	if (t == NULL) {
		fputs("hellotap: metrics: no memory\n", stderr);
		return false;
	}
	pthread_mutex_init(&t->lock, NULL);
	t->ok = true;
	t->workers = workers;
	t->num_workers = num_workers;
	t->dpdk = dpdk;
	t->metrics = ht_metrics_new();
	t->tally = ht_tally_new(
		&telemetry_hellos, hello_labels, HT_ARRAY_LEN(hello_labels), MAX_KINDS
	);
	t->queues = calloc(num_workers, sizeof(t->queues[0]));
	if (t->metrics == NULL || t->tally == NULL || t->queues == NULL) {
		fputs("hellotap: metrics: no memory\n", stderr);
		return false;
	}
	add_workers(t, o);
	add_ports(t);
	if (pipeline->certificates != NULL)
		add(t, NULL, ht_certificate_counters, HT_CERTIFICATE_NUM_CTRS,
		    ht_certificates_counts(pipeline->certificates), NULL, 0);
	if (pipeline->aggregate != NULL)
		add(t, NULL, ht_aggregate_counters, HT_AGGREGATE_NUM_CTRS,
		    ht_aggregate_counts(pipeline->aggregate), NULL, 0);
	if (lists != NULL)
		add_lists(t, pipeline, lists);
	if (pipeline->rates != NULL)
		add(t, NULL, ht_rates_counters, HT_RATES_NUM_CTRS, ht_rates_counts(pipeline->rates),
		    NULL, 0);
	add_sinks(t, pipeline->sinks);
	if (!t->ok || ht_metrics_add_tally(t->metrics, t->tally) != HT_OK) {
		fputs("hellotap: metrics: more counters than can be told\n", stderr);
		return false;
	}
	ht_metrics_on_collect(t->metrics, collect, t);
	if (ht_metrics_serve(
		    t->metrics, o->metrics.address, (uint16_t)o->metrics.port, err, sizeof(err)
	    )
	    != HT_OK) {
		fprintf(stderr, "hellotap: %s\n", err);
		return false;
	}
	return true;
}

void telemetry_free(struct telemetry *t) {
	if (t == NULL)
		return;
	ht_metrics_free(t->metrics);
	for (struct output *o = t->outputs, *next; o != NULL; o = next) {
		next = o->next;
		free(o);
	}
	pthread_mutex_destroy(&t->lock);
	ht_tally_free(t->tally);
	free(t->queues);
	free(t);
}

struct ht_tally *telemetry_tally(struct telemetry *t) {
	return t != NULL ? t->tally : NULL;
}
