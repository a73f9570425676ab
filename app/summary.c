// SPDX-License-Identifier: BSD-3-Clause

#include "summary.h"

#include "sensor.h"

#include <inttypes.h>
#include <stdlib.h>

static double since(const struct timespec *t) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - t->tv_sec) + (double)(now.tv_nsec - t->tv_nsec) / 1e9;
}

void summary_begin(struct summary *s, bool progress, bool live) {
	memset(s, 0, sizeof(*s));
	s->live = live;
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
	if (now->kernel_dropped > 0)
		fprintf(stderr, ", %" PRIu64 " dropped", now->kernel_dropped);
	fflush(stderr);
}

void summary_clear(struct summary *s) {
	if (s->progress)
		fputs("\r\033[K", stderr);
}

void summary_add(struct summary *s, const struct ht_capture_stats *one) {
	struct ht_capture_stats *total = &s->total;
	s->sources++;
	total->frames += one->frames;
	total->filtered += one->filtered;
	total->bytes_read += one->bytes_read;
	total->received += one->received;
	total->kernel_dropped += one->kernel_dropped;
	total->withheld += one->withheld;
	total->if_dropped += one->if_dropped;
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

void summary_print(struct summary *s, const uint64_t *counters, FILE *to) {
	double t = since(&s->begun);
	uint64_t complete = counters[HT_CTR_HELLOS_COMPLETE], incomplete = 0;
	for (unsigned i = 0; i < HT_NUM_INCOMPLETE; i++)
		incomplete += counters[HT_CTR_HELLO_GAP + i];
	const struct ht_capture_stats *c = &s->total;
	fprintf(to, "%u %s%s, %" PRIu64 " frames", s->sources, s->live ? "interface" : "file",
		s->sources == 1 ? "" : "s", c->frames);
	if (c->filtered > 0)
		fprintf(to, " (%" PRIu64 " filtered out)", c->filtered);
	fprintf(to, ", %.1f MB in %.2f s", (double)c->bytes_read / 1e6, t);
	if (t > 0.1)
		fprintf(to, " (%.2f million frames/s)", (double)c->frames / t / 1e6);
	if (c->kernel_dropped + c->if_dropped > 0)
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
	if (counters[HT_CTR_FRAME_LINKTYPE] > 0)
		fprintf(to,
			"%" PRIu64 " frames counted, not read: their link type is not supported\n",
			counters[HT_CTR_FRAME_LINKTYPE]);
}

// A path is whatever bytes the user's shell gave.
static void print_json_text(const char *text, FILE *to) {
	const size_t n = strlen(text);
	char *out = malloc(6 * n + 16);
	if (out != NULL)
		fwrite(out, 1, (size_t)(ht_json_text(out, HT_SPAN(text, n)) - out), to);
	free(out);
}

void summary_ledger(
	const struct summary *s,
	const uint64_t *counters,
	const char *const *sink_names,
	const struct ht_sink_stats *sinks,
	unsigned num_sinks,
	FILE *to
) {
	const struct ht_capture_stats *c = &s->total;
	fprintf(to,
		"{\"record\":\"stats\",\"capture\":{\"%s\":%u,\"frames\":%" PRIu64
		",\"filtered\":%" PRIu64 ",\"bytes\":%" PRIu64,
		s->live ? "interfaces" : "files", s->sources, c->frames, c->filtered,
		c->bytes_read);
	if (s->live)
		fprintf(to,
			",\"received\":%" PRIu64 ",\"kernel_dropped\":%" PRIu64
			",\"withheld\":%" PRIu64 ",\"if_dropped\":%" PRIu64,
			c->received, c->kernel_dropped, c->withheld, c->if_dropped);
	fputc('}', to);
	const char *group = "";
	for (unsigned i = 0; i < HT_NUM_CTRS; i++) {
		bool same = strcmp(group, ht_ledger[i].group) == 0;
		if (!same)
			fprintf(to, "%s\"%s\":{", i == 0 ? "," : "},", ht_ledger[i].group);
		group = ht_ledger[i].group;
		fprintf(to, "%s\"%s\":%" PRIu64, same ? "," : "", ht_ledger[i].name, counters[i]);
	}
	fputs("},\"sinks\":[", to);
	for (unsigned i = 0; i < num_sinks; i++) {
		fprintf(to, "%s{\"sink\":\"", i > 0 ? "," : "");
		print_json_text(sink_names[i], to);
		fprintf(to,
			"\",\"records\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"lost\":%" PRIu64
			"}",
			sinks[i].records, sinks[i].delivered, sinks[i].lost);
	}
	const char *bad = ht_ledger_balance(counters);
	bool balanced = bad == NULL && c->frames == counters[HT_CTR_FRAMES] + c->filtered;
	if (s->live)
		balanced = balanced && c->received == c->frames + c->kernel_dropped + c->withheld;
	for (unsigned i = 0; i < num_sinks; i++)
		balanced = balanced && sinks[i].records == sinks[i].delivered + sinks[i].lost;
	fprintf(to, "],\"balanced\":%s}\n", balanced ? "true" : "false");
}
