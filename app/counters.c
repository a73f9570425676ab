// SPDX-License-Identifier: BSD-3-Clause

#include "counters.h"

#include "aggregate.h"
#include "capture_dpdk.h"
#include "certificate.h"
#include "delivery.h"
#include "lists.h"
#include "queue.h"
#include "rates.h"
#include "sensor.h"
#include "telemetry.h"
#include "worker.h"

#include <string.h>

// A table of counters, and where it is seen.
struct place {
	const char *title;
	const struct ht_counter *table;
	unsigned num;
	const char *ledger; // the object of the ledger it stands in; NULL: it is a metric only
	const char *labels; // NULL: it is in the ledger only
	const char *text; // what adds up, and what else is to be said
};

// Words of the ledger that no thread counts.
static const struct ht_counter besides[] = {
	{"capture", "files", "in a replay: how many were read"},
	{"capture", "interfaces", "on interfaces: how many are read"},
	{"capture", "ports", "with DPDK: how many are read"},
	{"ports[]", "unread",
	 "frames that its queues still held when the time for reading was over"},
	{"", "workers", "how many there are; live only"},
	{"queue", "left", "records that nobody took any more, at the end"},
	{"", "balanced", "true when every sum holds; `--stats json` at the end only"},
};

// The ledger has no sum of this one over workers that all see the same.
_Static_assert(INTERFACE_LINK_CHANGES == NUM_INTERFACE_COUNTERS - 1, "the last of its table");

static const struct place before[] = {
	{"A port of DPDK", ht_dpdk_port_counters, HT_NUM_DPDK_PORT_COUNTERS, "ports[]", "port",
	 "What the NIC or its driver counts. At the end received = the frames of its queues + "
	 "unread;\n"
	 "missed, errors and no_mbuf are frames that no worker has seen."},
	{"A queue of a port", ht_dpdk_counters, HT_NUM_DPDK_COUNTERS, "ports[].queues[]",
	 "port, queue",
	 "frames = own + filtered + not_of_interest + handed_over + handed_lost. Over all queues "
	 "and\n"
	 "workers: handed_over = handed_in, and frames.total = own + handed_in."},
	{"What a worker took over", &telemetry_handed_in, 1, "", "worker",
	 "`handed_in` is a list in the ledger, a number for each worker."},
	{"An interface, or the files", interface_counters, INTERFACE_LINK_CHANGES, "capture",
	 "worker, interface",
	 "The ledger has the sums over all workers and interfaces. In a replay frames = filtered "
	 "+\n"
	 "frames.total; on interfaces that, and received = frames + kernel_dropped + withheld.\n"
	 "if_dropped is in no sum. A replay has the first three alone, and so has DPDK: there "
	 "they\n"
	 "are the sums of the queues."},
	{"The link of an interface", &interface_counters[INTERFACE_LINK_CHANGES], 1, NULL,
	 "worker, interface",
	 "Each worker sees the same changes: look at one of them. Besides, the gauge\n"
	 "`hellotap_interface_up` (label: interface) is 1 while it is up."},
	{"A worker", worker_counters, NUM_WORKER_COUNTERS, NULL, "worker", "How busy it is."},
};

static const struct place behind[] = {
	{"Hellos by kind", &telemetry_hellos, 1, NULL, "protocol, version, service",
	 "Counted where records are written: the sum of all is hellos.begun at the end, when no\n"
	 "record was lost on its way there."},
	{"Records on their way", ht_queue_counters, HT_QUEUE_NUM_CTRS, "queue", "worker",
	 "From the workers to the thread that writes; the ledger has the sums. Live only.\n"
	 "records = taken + lost_queue_full + lost_too_long + left."},
	{"Certificates", ht_certificate_counters, HT_CERTIFICATE_NUM_CTRS, "certificates", "",
	 "Certificates in flow records, where those are made.\n"
	 "records = cached + parsed + malformed + too_long + no_memory."},
	{"Aggregation", ht_aggregate_counters, HT_AGGREGATE_NUM_CTRS, "aggregate", "",
	 "What becomes of flow records where aggregates are wanted (docs/aggregate.md). At the "
	 "end\n"
	 "told + folded = keys + others; the flows of all that was told are those of the records."},
	{"Watchlists", ht_watchlist_counters, HT_WATCHLIST_NUM_CTRS, "watchlist", "worker",
	 "What is looked up in them (docs/watchlists.md): by workers hellos, and by `exporter`, "
	 "the\n"
	 "thread that gives records to the outputs, flow records with a certificate, where a list "
	 "has\n"
	 "entries on those. The ledger has the sums. Each match of a hello or a certificate gives "
	 "one\n"
	 "event, where events are written: `matched` of them."},
	{"Sets of watchlists", lists_counters, NUM_LISTS_COUNTERS, "watchlists", "",
	 "A set is all lists together, as they were read."},
	{"The watchlists in force", lists_gauges, NUM_LISTS_GAUGES, "watchlists", NULL,
	 "As metrics they are gauges without `_total`: `hellotap_watchlists_entries`."},
	{"Rates", ht_rates_counters, HT_RATES_NUM_CTRS, "rates", "",
	 "Floods and fingerprints, where events are wanted (docs/rates.md). In a replay hellos =\n"
	 "hellos.begun, and on interfaces less those lost on their way. At the end floods = ends;\n"
	 "always new = new_learned + new_told + new_capped and rare = rare_told + rare_capped."},
	{"An output", ht_delivery_counters, HT_DELIVERY_NUM_CTRS, "sinks[]", "sink, output",
	 "records + recovered = delivered + lost + spool_left, once it is closed, and lost = the "
	 "sum\n"
	 "of those that begin so. The ledger may also have `sinks_gone`: the same, summed over\n"
	 "outputs that a reload has taken away."},
	{"Besides", besides, HT_ARRAY_LEN(besides), "", NULL,
	 "What a ledger says that is no counter."},
};

// --- names --------------------------------------------------------------------------------------

struct name {
	char text[96];
};

// "hellotap_frames_tcp_total"; the counter called "total" is hellotap_frames_total.
static struct name metric(const struct ht_counter *c) {
	struct name n;
	const bool total = strcmp(c->name, "total") == 0;
	snprintf(
		n.text, sizeof(n.text), "hellotap_%s%s%s_total", c->group, total ? "" : "_",
		total ? "" : c->name
	);
	return n;
}

// "frames.tcp": the way to it in the ledger.
static struct name path(const char *object, const struct ht_counter *c) {
	struct name n;
	snprintf(n.text, sizeof(n.text), "%s%s%s", object, *object != '\0' ? "." : "", c->name);
	return n;
}

static struct name path_of(const struct place *p, const struct ht_counter *c) {
	return p->labels == NULL || p->ledger == NULL ? path(c->group, c) : path(p->ledger, c);
}

// --- the sensor's groups ------------------------------------------------------------------------

static unsigned group_end(unsigned first) {
	unsigned i = first;
	while (i < HT_NUM_CTRS && strcmp(ht_ledger[i].group, ht_ledger[first].group) == 0)
		i++;
	return i;
}

// Whether the first counter of a group must be the sum of the others: asked of the code that checks
// it, with a ledger in which it is not.
static bool adds_up(unsigned first) {
	uint64_t counters[HT_NUM_CTRS] = {0};
	counters[first] = 1;
	return ht_ledger_balance(counters) != NULL;
}

// --- a line a counter ---------------------------------------------------------------------------

static void line(FILE *out, const struct place *p, const struct ht_counter *c) {
	const struct name name = path_of(p, c);
	fprintf(out, "%-34s %s", name.text, c->help);
	if (p->ledger == NULL)
		fprintf(out, " [only as %s]", metric(c).text);
	else if (p->labels != NULL && strcmp(name.text, path(c->group, c).text) != 0)
		fprintf(out, " [%s]", metric(c).text);
	fputc('\n', out);
}

static void lines(FILE *out, const struct place *p, unsigned num) {
	for (unsigned i = 0; i < num; i++)
		for (unsigned k = 0; k < p[i].num; k++)
			line(out, &p[i], &p[i].table[k]);
}

void ht_print_counters(FILE *out) {
	lines(out, before, HT_ARRAY_LEN(before));
	for (unsigned i = 0; i < HT_NUM_CTRS; i++)
		fprintf(out, "%-34s %s\n", path(ht_ledger[i].group, &ht_ledger[i]).text,
			ht_ledger[i].help);
	lines(out, behind, HT_ARRAY_LEN(behind));
}

// --- docs/counters.md ---------------------------------------------------------------------------

static const char head[]
	= "# Counters\n"
	  "\n"
	  "Made by `hellotap --counters=md` from the tables of counters; do not edit.\n"
	  "\n"
	  "All of them together are the ledger: every frame, flow, hello and record that came in\n"
	  "is found again in one counter that says what became of it. It is seen in three ways:\n"
	  "\n"
	  "- `--stats json`: at the end, one JSON object on standard error, with `balanced`.\n"
	  "- Records of the kind `stats` (`--records hello,event,stats`, or `records:` of a\n"
	  "  configuration): the same object, without `balanced`, as the member `ledger`, every\n"
	  "  `stats_interval_s` seconds and at the end; of a replay, at the end. Outputs that are "
	  "no\n"
	  "  JSON have its sums alone: `frames_read`, `frames_lost`, `records_made`, "
	  "`records_lost`.\n"
	  "- As metrics, where `metrics.port` is set (docs/metrics.md), by worker, port, queue,\n"
	  "  interface and output. The ledger has sums over the workers.\n"
	  "\n"
	  "Sums hold at the end. Before it, what is in progress has been counted as begun and\n"
	  "nowhere else, and the counters are read one by one while others count.\n"
	  "\n"
	  "A name in the ledger is the way through its objects: `hellos.gap`, `ports[].missed`;\n"
	  "`[]` is a list.\n";

static void row(FILE *out, const char *name, const char *metric_name, const char *help) {
	fprintf(out, *name != '\0' ? "| `%s` |" : "| %s |", name);
	fprintf(out, *metric_name != '\0' ? " `%s` |" : " %s |", metric_name);
	fprintf(out, " %s |\n", help);
}

static void row_head(FILE *out) {
	fputs("\n| in the ledger | metric | what it counts |\n| --- | --- | --- |\n", out);
}

static void tables(FILE *out, const struct place *p, unsigned num) {
	for (unsigned i = 0; i < num; i++, p++) {
		fprintf(out, "\n## %s\n\n%s\n", p->title, p->text);
		if (p->labels != NULL && *p->labels != '\0')
			fprintf(out, "Labels of the metrics: %s.\n", p->labels);
		row_head(out);
		for (unsigned k = 0; k < p->num; k++)
			row(out, p->ledger != NULL ? path_of(p, &p->table[k]).text : "",
			    p->labels != NULL ? metric(&p->table[k]).text : "", p->table[k].help);
	}
}

void ht_print_counters_md(FILE *out) {
	fputs(head, out);
	tables(out, before, HT_ARRAY_LEN(before));
	fputs("\n## What the sensor makes of the frames\n\nLabel of the metrics: worker.\n", out);
	for (unsigned i = 0; i < HT_NUM_CTRS;) {
		const unsigned end = group_end(i);
		fprintf(out, "\n### %s\n", ht_ledger[i].group);
		if (adds_up(i))
			fprintf(out, "\n%s = the sum of the others.\n", ht_ledger[i].name);
		row_head(out);
		for (; i < end; i++)
			row(out, path(ht_ledger[i].group, &ht_ledger[i]).text,
			    metric(&ht_ledger[i]).text, ht_ledger[i].help);
	}
	tables(out, behind, HT_ARRAY_LEN(behind));
}
