// SPDX-License-Identifier: BSD-3-Clause

#include "summary.h"

#include <inttypes.h>

static double since(const struct timespec *t) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - t->tv_sec) + (double)(now.tv_nsec - t->tv_nsec) / 1e9;
}

void summary_begin(struct summary *s, bool progress) {
	memset(s, 0, sizeof(*s));
	s->progress = progress;
	clock_gettime(CLOCK_MONOTONIC, &s->begun);
	s->shown = s->begun;
}

void summary_progress(struct summary *s, const char *file, const struct ht_capture_stats *now) {
	if (!s->progress || since(&s->shown) < 0.2)
		return;
	clock_gettime(CLOCK_MONOTONIC, &s->shown);
	fprintf(stderr, "\r\033[K%s: %" PRIu64 " frames, %.1f MB", file, now->frames,
		(double)now->bytes_read / 1e6);
	if (now->bytes_total > 0)
		fprintf(stderr, " of %.1f (%.0f %%)", (double)now->bytes_total / 1e6,
			100.0 * (double)now->bytes_read / (double)now->bytes_total);
	const uint64_t dropped = now->kernel_dropped + now->if_dropped;
	if (dropped > 0)
		fprintf(stderr, ", %" PRIu64 " dropped", dropped);
	fflush(stderr);
}

void summary_clear(struct summary *s) {
	if (s->progress)
		fputs("\r\033[K", stderr);
}

void summary_say(void *summary, const char *line) {
	summary_clear(summary);
	fprintf(stderr, "hellotap: %s\n", line);
}

// Those of `num` counters from `first` on that are not zero: " (gap 1, idle 2)".
static void print_some(FILE *to, const uint64_t *counters, unsigned first, unsigned num) {
	const char *sep = " (";
	for (unsigned i = first; i < first + num; i++) {
		if (counters[i] == 0)
			continue;
		fprintf(to, "%s%s %" PRIu64, sep, ht_ledger[i].name, counters[i]);
		sep = ", ";
	}
	fputs(*sep == ',' ? ")\n" : "\n", to);
}

static void print_flows(const struct ledger *l, FILE *to) {
	const uint64_t *const c = l->sensor, *const a = l->aggregate;
	uint64_t flows = 0;
	for (unsigned i = HT_CTR_TOLD_END; i <= HT_CTR_TOLD_RESOURCES; i++)
		flows += c[i];
	for (unsigned i = HT_CTR_PART_END; i <= HT_CTR_PART_RESOURCES; i++)
		flows += c[i];
	if (!l->has_flows && !l->has_aggregate)
		return;
	fprintf(to, "%" PRIu64 " flow record%s", flows, flows == 1 ? "" : "s");
	if (l->has_aggregate)
		fprintf(to, ", summed up to %" PRIu64 " aggregate%s of %" PRIu64 " window%s",
			a[HT_AGGREGATE_TOLD], a[HT_AGGREGATE_TOLD] == 1 ? "" : "s",
			a[HT_AGGREGATE_WINDOWS], a[HT_AGGREGATE_WINDOWS] == 1 ? "" : "s");
	if (a[HT_AGGREGATE_FOLDED] > 0)
		fprintf(to, " (%" PRIu64 " keys folded into 'other')", a[HT_AGGREGATE_FOLDED]);
	fputc('\n', to);
}

static void print_output(const char *name, const uint64_t *c, FILE *to) {
	fprintf(to, "%s: %" PRIu64 " record%s delivered", name, c[HT_DELIVERY_DELIVERED],
		c[HT_DELIVERY_DELIVERED] == 1 ? "" : "s");
	if (c[HT_DELIVERY_RECOVERED] > 0)
		fprintf(to, ", %" PRIu64 " found in its spool", c[HT_DELIVERY_RECOVERED]);
	if (c[HT_DELIVERY_SPOOL_LEFT] > 0)
		fprintf(to, ", %" PRIu64 " left in its spool for the next run",
			c[HT_DELIVERY_SPOOL_LEFT]);
	if (c[HT_DELIVERY_LOST] > 0)
		fprintf(to, ", %" PRIu64 " LOST", c[HT_DELIVERY_LOST]);
	fputc('\n', to);
}

// One that is a file and got all says nothing.
static void print_outputs(const struct ledger *l, FILE *to) {
	const uint64_t *const gone = l->sinks_gone;
	const bool has_gone = gone[HT_DELIVERY_RECORDS] + gone[HT_DELIVERY_RECOVERED] > 0;
	if (l->num_sinks == 1 && !has_gone && !ht_link_of(l->sink_names[0])->url
	    && l->sinks[0][HT_DELIVERY_LOST] == 0)
		return;
	for (unsigned i = 0; i < l->num_sinks; i++)
		print_output(l->sink_names[i], l->sinks[i], to);
	if (has_gone)
		print_output("outputs that are no more", gone, to);
}

void summary_print(const struct summary *s, const struct ledger *l, FILE *to) {
	const uint64_t *const counters = l->sensor;
	double t = since(&s->begun);
	uint64_t complete = counters[HT_CTR_HELLOS_COMPLETE], incomplete = 0;
	for (unsigned i = 0; i < HT_NUM_INCOMPLETE; i++)
		incomplete += counters[HT_CTR_HELLO_GAP + i];
	const struct ht_capture_stats *c = &l->capture;
	fprintf(to, "%u %s%s, %" PRIu64 " frames", l->sources,
		l->dpdk != NULL ? "port"
		: l->live	? "interface"
				: "file",
		l->sources == 1 ? "" : "s", c->frames);
	if (c->filtered > 0)
		fprintf(to, " (%" PRIu64 " filtered out)", c->filtered);
	fprintf(to, ", %.1f MB in %.2f s", (double)c->bytes_read / 1e6, t);
	if (t > 0.1)
		fprintf(to, " (%.2f million frames/s)", (double)c->frames / t / 1e6);
	if (l->dpdk == NULL && c->kernel_dropped + c->if_dropped > 0)
		fprintf(to,
			"\nLOST before they were read: %" PRIu64 " frames without room in the "
			"buffer, %" PRIu64 " by the interface",
			c->kernel_dropped, c->if_dropped);
	fprintf(to, "\n%" PRIu64 " hello%s complete, %" PRIu64 " incomplete", complete,
		complete == 1 ? "" : "s", incomplete);
	print_some(to, counters, HT_CTR_HELLO_GAP, HT_NUM_INCOMPLETE);
	const uint64_t upgrades = counters[HT_CTR_UPGRADES_BEGUN];
	if (upgrades > 0) {
		fprintf(to, "%" PRIu64 " connection%s with an upgrade protocol", upgrades,
			upgrades == 1 ? "" : "s");
		print_some(to, counters, HT_CTR_UPGRADE_COMPLETED, HT_NUM_UPGRADE_STATES);
	}
	const uint64_t not_tls = counters[HT_CTR_EVENTS_NOT_TLS];
	if (not_tls > 0)
		fprintf(to, "%" PRIu64 " connection%s to a TLS port without TLS\n", not_tls,
			not_tls == 1 ? "" : "s");
	const uint64_t encrypted = counters[HT_CTR_EVENTS_ENCRYPTED];
	if (encrypted > 0)
		fprintf(to, "%" PRIu64 " OpenVPN connection%s encrypted with tls-crypt\n",
			encrypted, encrypted == 1 ? "" : "s");
	print_flows(l, to);
	if (counters[HT_CTR_FRAME_LINKTYPE] > 0)
		fprintf(to,
			"%" PRIu64 " frames counted, not read: their link type is not supported\n",
			counters[HT_CTR_FRAME_LINKTYPE]);
	print_outputs(l, to);
}

static void lost_by_port(const struct ledger *l, unsigned port, FILE *to) {
	const uint64_t *const b = ht_dpdk_port_block(l->dpdk, port);
	const char *const name = ht_dpdk_port_name(l->dpdk, port);
	uint64_t handed_lost = 0;
	if (b[HT_DPDK_PORT_MISSED] + b[HT_DPDK_PORT_ERRORS] + b[HT_DPDK_PORT_NO_MBUF] > 0)
		fprintf(to,
			"LOST before they were read: %s: %" PRIu64 " frames missed, %" PRIu64
			" with errors, %" PRIu64 " without memory to take them\n",
			name, b[HT_DPDK_PORT_MISSED], b[HT_DPDK_PORT_ERRORS],
			b[HT_DPDK_PORT_NO_MBUF]);
	for (unsigned w = 0; w < l->workers; w++) {
		const uint64_t *const q = ht_dpdk_queue_block(l->dpdk, port, w);
		if (q != NULL)
			ht_stats_sum(&handed_lost, &q[HT_DPDK_HANDED_LOST], 1);
	}
	if (handed_lost > 0)
		fprintf(to,
			"LOST before they were parsed: %s: %" PRIu64
			" frames, since the worker they belong to was too slow\n",
			name, handed_lost);
	const uint64_t unread = ledger_unread(l, port);
	if (unread > 0)
		fprintf(to, "%s: %" PRIu64 " frames were still unread at the end\n", name, unread);
}

void summary_lost(const struct ledger *l, FILE *to) {
	const uint64_t *const q = l->queue;
	const uint64_t queue_lost
		= q[HT_QUEUE_LOST_QUEUE_FULL] + q[HT_QUEUE_LOST_TOO_LONG] + l->left;
	if (queue_lost > 0)
		fprintf(to, "LOST: %" PRIu64 " records, since what writes them was too slow\n",
			queue_lost);
	for (unsigned p = 0; l->dpdk != NULL && p < ht_dpdk_ports(l->dpdk); p++)
		lost_by_port(l, p, to);
}
