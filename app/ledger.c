// SPDX-License-Identifier: BSD-3-Clause

#include "ledger.h"

#include "export.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

void ledger_sinks(struct ledger *l, const struct sinks *k) {
	l->num_sinks = k->num;
	l->made = k->made;
	for (unsigned i = 0; i < k->num; i++)
		l->sink_names[i] = k->v[i].name;
	sinks_count(k, l->sinks, l->sinks_gone);
}

// What an output has neither delivered nor lost, nor left in its spool. Those of its name that have
// ended have nothing of the kind.
static uint64_t not_delivered(const uint64_t *c) {
	const uint64_t in = c[HT_DELIVERY_RECORDS] + c[HT_DELIVERY_RECOVERED];
	const uint64_t out
		= c[HT_DELIVERY_DELIVERED] + c[HT_DELIVERY_LOST] + c[HT_DELIVERY_SPOOL_LEFT];
	return in > out ? in - out : 0;
}

void ledger_give_up(struct ledger *l, const struct sinks *k) {
	for (const struct sinks *set = k; set != NULL; set = set->before)
		for (unsigned i = 0; i < set->num; i++) {
			const struct sink *s = &set->v[i];
			if (s->d == NULL || s->lent)
				continue;
			const unsigned slot = set == k ? i : sinks_slot(k, s->name);
			uint64_t *const c = slot < k->num ? l->sinks[slot] : l->sinks_gone;
			const uint64_t left = not_delivered(c);
			fprintf(stderr,
				"hellotap: %s: takes nothing: %" PRIu64
				" records cannot be written, and are lost\n",
				s->name, left);
			c[HT_DELIVERY_LOST] += left;
			c[HT_DELIVERY_LOST_UNREACHABLE] += left;
		}
}

void ledger_watch(struct ledger *l, const struct watch *w) {
	ht_stats_sum(l->watchlist, w->ctr, HT_WATCHLIST_NUM_CTRS);
}

void ledger_lists(struct ledger *l, const struct lists *lists) {
	l->has_watchlists = lists != NULL;
	if (lists == NULL)
		return;
	ht_stats_sum(l->lists, lists_counts(lists), NUM_LISTS_COUNTERS);
	ht_stats_sum(l->lists_in_force, lists_in_force(lists), NUM_LISTS_GAUGES);
}

void ledger_pipeline(struct ledger *l, const struct pipeline *p) {
	ledger_watch(l, &p->watch);
	l->has_flows = p->o->kinds & HT_KIND_FLOW;
	l->has_certificates = p->certificates != NULL;
	if (l->has_certificates)
		ht_stats_sum(
			l->certificates, ht_certificates_counts(p->certificates),
			HT_CERTIFICATE_NUM_CTRS
		);
	l->has_aggregate = p->aggregate != NULL;
	if (l->has_aggregate)
		ht_stats_sum(
			l->aggregate, ht_aggregate_counts(p->aggregate), HT_AGGREGATE_NUM_CTRS
		);
	l->has_rates = p->rates != NULL;
	if (l->has_rates)
		ht_stats_sum(l->rates, ht_rates_counts(p->rates), HT_RATES_NUM_CTRS);
}

// --- balance ------------------------------------------------------------------------------------

// What the queues of all ports gave, and how much of it each way.
static void
sum_queues(const struct ledger *l, uint64_t total[HT_NUM_DPDK_COUNTERS], uint64_t *handed_in) {
	*handed_in = 0;
	memset(total, 0, HT_NUM_DPDK_COUNTERS * sizeof(*total));
	for (unsigned w = 0; w < l->workers; w++) {
		ht_stats_sum(handed_in, ht_dpdk_handed_in(l->dpdk, w), 1);
		for (unsigned p = 0; p < ht_dpdk_ports(l->dpdk); p++) {
			const uint64_t *block = ht_dpdk_queue_block(l->dpdk, p, w);
			if (block != NULL)
				ht_stats_sum(total, block, HT_NUM_DPDK_COUNTERS);
		}
	}
}

static bool dpdk_balanced(const struct ledger *l) {
	uint64_t q[HT_NUM_DPDK_COUNTERS], handed_in;
	sum_queues(l, q, &handed_in);
	return q[HT_DPDK_FRAMES]
		       == q[HT_DPDK_OWN] + q[HT_DPDK_FILTERED] + q[HT_DPDK_NOT_OF_INTEREST]
				  + q[HT_DPDK_HANDED_OVER] + q[HT_DPDK_HANDED_LOST]
	       && q[HT_DPDK_HANDED_OVER] == handed_in
	       && l->sensor[HT_CTR_FRAMES] == q[HT_DPDK_OWN] + handed_in;
}

bool ledger_balanced(const struct ledger *l) {
	const struct ht_capture_stats *c = &l->capture;
	bool ok = ht_ledger_balance(l->sensor) == NULL;
	if (l->dpdk != NULL) {
		ok = ok && dpdk_balanced(l);
	} else {
		ok = ok && c->frames == l->sensor[HT_CTR_FRAMES] + c->filtered;
		if (l->live)
			ok = ok && c->received == c->frames + c->kernel_dropped + c->withheld;
	}
	if (l->live)
		ok = ok
		     && l->queue[HT_QUEUE_RECORDS]
				== l->queue[HT_QUEUE_TAKEN] + l->queue[HT_QUEUE_LOST_QUEUE_FULL]
					   + l->queue[HT_QUEUE_LOST_TOO_LONG] + l->left;
	const uint64_t *const a = l->aggregate;
	ok = ok
	     && a[HT_AGGREGATE_TOLD] + a[HT_AGGREGATE_FOLDED]
			== a[HT_AGGREGATE_KEYS] + a[HT_AGGREGATE_OTHERS];
	ok = ok && ht_rates_balanced(l->rates);
	for (unsigned i = 0; i < l->num_sinks; i++)
		ok = ok && ht_delivery_balanced(l->sinks[i]);
	return ok && ht_delivery_balanced(l->sinks_gone);
}

// --- JSON ---------------------------------------------------------------------------------------

// A path is whatever bytes the user's shell gave.
static void put_text(const char *text, FILE *to) {
	const size_t n = strlen(text);
	char *out = malloc(6 * n + 16);
	if (out != NULL)
		fwrite(out, 1, (size_t)(ht_json_text(out, HT_SPAN(text, n)) - out), to);
	free(out);
}

// "name":1,"other":2 of one block.
static void
put_block(const struct ht_counter *table, const uint64_t *block, unsigned num, FILE *to) {
	for (unsigned i = 0; i < num; i++)
		fprintf(to, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", table[i].name,
			__atomic_load_n(&block[i], __ATOMIC_RELAXED));
}

static void put_capture(const struct ledger *l, FILE *to) {
	const struct ht_capture_stats *c = &l->capture;
	fprintf(to,
		"\"capture\":{\"%s\":%u,\"frames\":%" PRIu64 ",\"filtered\":%" PRIu64
		",\"bytes\":%" PRIu64,
		l->dpdk != NULL ? "ports"
		: l->live	? "interfaces"
				: "files",
		l->sources, c->frames, c->filtered, c->bytes_read);
	if (l->live && l->dpdk == NULL)
		fprintf(to,
			",\"received\":%" PRIu64 ",\"kernel_dropped\":%" PRIu64
			",\"withheld\":%" PRIu64 ",\"if_dropped\":%" PRIu64,
			c->received, c->kernel_dropped, c->withheld, c->if_dropped);
	fputc('}', to);
}

uint64_t ledger_unread(const struct ledger *l, unsigned port) {
	uint64_t received = 0, frames = 0;
	ht_stats_sum(&received, &ht_dpdk_port_block(l->dpdk, port)[HT_DPDK_PORT_RECEIVED], 1);
	for (unsigned w = 0; w < l->workers; w++) {
		const uint64_t *block = ht_dpdk_queue_block(l->dpdk, port, w);
		if (block != NULL)
			ht_stats_sum(&frames, &block[HT_DPDK_FRAMES], 1);
	}
	return received > frames ? received - frames : 0;
}

static void put_ports(const struct ledger *l, bool end, FILE *to) {
	fputs(",\"ports\":[", to);
	for (unsigned p = 0; p < ht_dpdk_ports(l->dpdk); p++) {
		fprintf(to, "%s{\"port\":\"", p > 0 ? "," : "");
		put_text(ht_dpdk_port_name(l->dpdk, p), to);
		fputs("\",", to);
		put_block(
			ht_dpdk_port_counters, ht_dpdk_port_block(l->dpdk, p),
			HT_NUM_DPDK_PORT_COUNTERS, to
		);
		if (end)
			fprintf(to, ",\"unread\":%" PRIu64, ledger_unread(l, p));
		fputs(",\"queues\":[", to);
		for (unsigned w = 0, n = 0; w < l->workers; w++) {
			const uint64_t *block = ht_dpdk_queue_block(l->dpdk, p, w);
			if (block == NULL)
				continue;
			fprintf(to, "%s{\"queue\":%u,", n++ > 0 ? "," : "", w);
			put_block(ht_dpdk_counters, block, HT_NUM_DPDK_COUNTERS, to);
			fputc('}', to);
		}
		fputs("]}", to);
	}
	fputs("],\"handed_in\":[", to);
	for (unsigned w = 0; w < l->workers; w++) {
		uint64_t in = 0;
		ht_stats_sum(&in, ht_dpdk_handed_in(l->dpdk, w), 1);
		fprintf(to, "%s%" PRIu64, w > 0 ? "," : "", in);
	}
	fputc(']', to);
}

static void put_sensor(const uint64_t *counters, FILE *to) {
	const char *group = "";
	for (unsigned i = 0; i < HT_NUM_CTRS; i++) {
		const bool same = strcmp(group, ht_ledger[i].group) == 0;
		if (!same)
			fprintf(to, "%s\"%s\":{", i == 0 ? "," : "},", ht_ledger[i].group);
		group = ht_ledger[i].group;
		fprintf(to, "%s\"%s\":%" PRIu64, same ? "," : "", ht_ledger[i].name, counters[i]);
	}
	fputc('}', to);
}

static void put_sinks(const struct ledger *l, FILE *to) {
	fputs(",\"sinks\":[", to);
	for (unsigned i = 0; i < l->num_sinks; i++) {
		fprintf(to, "%s{\"sink\":\"", i > 0 ? "," : "");
		put_text(l->sink_names[i], to);
		fputs("\",", to);
		put_block(ht_delivery_counters, l->sinks[i], HT_DELIVERY_NUM_CTRS, to);
		fputc('}', to);
	}
	fputc(']', to);
	if (l->sinks_gone[HT_DELIVERY_RECORDS] + l->sinks_gone[HT_DELIVERY_RECOVERED] > 0) {
		fputs(",\"sinks_gone\":{", to);
		put_block(ht_delivery_counters, l->sinks_gone, HT_DELIVERY_NUM_CTRS, to);
		fputc('}', to);
	}
}

// The members of the object.
static void put_ledger(const struct ledger *l, bool end, FILE *to) {
	put_capture(l, to);
	if (l->dpdk != NULL)
		put_ports(l, end, to);
	put_sensor(l->sensor, to);
	if (l->live) {
		fprintf(to, ",\"workers\":%u,\"queue\":{", l->workers);
		put_block(ht_queue_counters, l->queue, HT_QUEUE_NUM_CTRS, to);
		fprintf(to, ",\"left\":%" PRIu64 "}", l->left);
	}
	if (l->has_certificates) {
		fputs(",\"certificates\":{", to);
		put_block(ht_certificate_counters, l->certificates, HT_CERTIFICATE_NUM_CTRS, to);
		fputc('}', to);
	}
	if (l->has_aggregate) {
		fputs(",\"aggregate\":{", to);
		put_block(ht_aggregate_counters, l->aggregate, HT_AGGREGATE_NUM_CTRS, to);
		fputc('}', to);
	}
	if (l->has_watchlists) {
		fputs(",\"watchlist\":{", to);
		put_block(ht_watchlist_counters, l->watchlist, HT_WATCHLIST_NUM_CTRS, to);
		fputs("},\"watchlists\":{", to);
		put_block(lists_counters, l->lists, NUM_LISTS_COUNTERS, to);
		fputc(',', to);
		put_block(lists_gauges, l->lists_in_force, NUM_LISTS_GAUGES, to);
		fputc('}', to);
	}
	if (l->has_rates) {
		fputs(",\"rates\":{", to);
		put_block(ht_rates_counters, l->rates, HT_RATES_NUM_CTRS, to);
		fputc('}', to);
	}
	put_sinks(l, to);
	if (end)
		fprintf(to, ",\"balanced\":%s", ledger_balanced(l) ? "true" : "false");
}

void ledger_json(const struct ledger *l, FILE *to) {
	fputs("{\"record\":\"stats\",", to);
	put_ledger(l, true, to);
	fputs("}\n", to);
}

// Records that were lost on their way: to all outputs, and to each.
static uint64_t records_lost(const struct ledger *l) {
	uint64_t lost = l->queue[HT_QUEUE_LOST_QUEUE_FULL] + l->queue[HT_QUEUE_LOST_TOO_LONG]
			+ l->sinks_gone[HT_DELIVERY_LOST];
	for (unsigned i = 0; i < l->num_sinks; i++)
		lost += l->sinks[i][HT_DELIVERY_LOST];
	return lost;
}

void ledger_record(const struct ledger *l, int64_t ts, struct sinks *k) {
	static struct ht_record r; // of the only thread that puts
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	if (to == NULL)
		return;
	fputc('{', to);
	put_ledger(l, false, to);
	fputc('}', to);
	fclose(to);
	r.has = 0;
	ht_set(&r, record, ht_kind_names[HT_KIND_BIT_STATS]);
	if (ts != INT64_MIN) {
		ht_set(&r, ts, ts);
		r.ts_is_ns = true;
	}
	ht_set(&r, frames_read, l->capture.frames);
	ht_set(&r, frames_lost, l->capture.kernel_dropped + l->capture.if_dropped);
	ht_set(&r, records_made, l->live ? l->queue[HT_QUEUE_RECORDS] : l->made);
	ht_set(&r, records_lost, records_lost(l));
	r.stats_json = HT_SPAN(text, len);
	sinks_write(k, &r);
	free(text);
}
