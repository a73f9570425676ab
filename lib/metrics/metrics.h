// SPDX-License-Identifier: BSD-3-Clause
// metrics: counters as OpenMetrics text, and an HTTP endpoint that serves it. Uses base, stats.
//
// The counters stay where they are: blocks of words that one thread each writes with
// ht_stats_count() and that are read here in the same way. No writer ever waits. What is called
// from here on may be called by any thread but ht_tally_count(), which is for the tally's one
// writer.

#pragma once

#include "base.h"
#include "stats.h"

// The most samples of one registry: workers x counters and so on.
#define HT_METRICS_MAX_SAMPLES 65536u

struct ht_metrics;
struct ht_metrics_set;
struct ht_tally;

// What is told about a set: worker="0". Values may be any text: they are escaped, and bytes that
// are not UTF-8 become the four characters \xNN.
struct ht_label {
	const char *name, *value;
};

enum ht_metrics_kind {
	HT_METRICS_COUNTER, // only ever grows
	HT_METRICS_GAUGE,
};

enum ht_metrics_format {
	HT_METRICS_OPENMETRICS, // OpenMetrics 1.0
	HT_METRICS_PROMETHEUS, // the older text format, 0.0.4
	HT_METRICS_NUM_FORMATS
};

// ht_metrics_new makes a registry with what is told of every process: version, start, memory, CPU
// time. The start is when the registry was made. NULL: no memory.
struct ht_metrics *ht_metrics_new(void);
// ht_metrics_free stops serving first.
void ht_metrics_free(struct ht_metrics *m);

// ht_metrics_add registers a block of `num` counters. Their names are hellotap_GROUP_NAME_total
// (of a counter called "total": hellotap_GROUP_total), of gauges hellotap_GROUP_NAME. Sets may
// share a table, or counters of the same name, as long as their labels differ. Labels are copied;
// table and block are borrowed, the block until ht_metrics_end(). `out` may be NULL.
//
// A set that was ended may be added again, with another block: it counts on from its last values.
//
// HT_BAD: a name that OpenMetrics does not allow, a label given twice, a name that is a counter
// here and a gauge there, or the same name and labels as another set. HT_FULL: too many samples, or
// no memory. Then nothing was added.
HT_MUST_USE enum ht_rc ht_metrics_add(
	struct ht_metrics *m,
	struct ht_metrics_set **out,
	const struct ht_counter *table,
	unsigned num,
	const uint64_t *block,
	enum ht_metrics_kind kind,
	const struct ht_label *labels,
	unsigned num_labels
);

// ht_metrics_end says that the block goes away: the worker or interface ended. Counters are shown
// with their last values for as long as the registry lives, or sums over them would drop; gauges
// are no longer shown. The block is not read again once this returns.
void ht_metrics_end(struct ht_metrics *m, struct ht_metrics_set *set);

// A tally is one counter with a series for each tuple of label values that came, up to a cap; what
// comes past the cap is counted together, in the series other="true". Values are pointers to texts
// that live as long as the tally and never change; NULL or "" is a label that is not there.
#define HT_TALLY_MAX_LABELS 4u
#define HT_TALLY_MAX_SERIES 4096u

// ht_tally_new borrows `what` and the names. NULL: no memory, or more than the maxima above.
struct ht_tally *ht_tally_new(
	const struct ht_counter *what,
	const char *const *label_names,
	unsigned num_labels,
	unsigned max_series
);
void ht_tally_free(struct ht_tally *t);

// ht_tally_count adds n to the series of these values, as many as there are labels. One thread
// only; it does not wait, allocate or fail.
void ht_tally_count(struct ht_tally *t, const char *const *values, uint64_t n);

// ht_metrics_add_tally borrows the tally until the registry is freed. Outcomes are those of
// ht_metrics_add; the name may be no other set's.
HT_MUST_USE enum ht_rc ht_metrics_add_tally(struct ht_metrics *m, const struct ht_tally *t);

// ht_metrics_on_collect sets what is called before a text is made, by the thread that makes it, to
// refresh what has to be fetched (counters in hardware). It may add and end sets. Set it before
// anybody asks for a text.
void ht_metrics_on_collect(struct ht_metrics *m, void (*collect)(void *ctx), void *ctx);

// ht_metrics_text makes the text. The caller frees *out, which has no terminator. HT_FULL: no
// memory.
HT_MUST_USE enum ht_rc
ht_metrics_text(struct ht_metrics *m, enum ht_metrics_format format, char **out, size_t *out_len);

// ht_metrics_serve answers GET /metrics on an IPv4 or IPv6 address ("127.0.0.1", "::1") in a thread
// of its own, which blocks all signals and has the caller's privileges of this moment: give them up
// first. Port 0 is any free one. It returns HT_ERROR when that cannot be; then `err` says what and
// why in one line.
//
// There is no TLS and no password: on any address but a loopback, who can reach it can read it.
// What strangers can cost is bounded: 16 connections of 8 KiB, the oldest of which goes when
// another comes, 10 s for each, one request a connection, 5 ms of rest a round, and a text is made
// four times a second at most, so that what is shown may be as old as that.
HT_MUST_USE enum ht_rc ht_metrics_serve(
	struct ht_metrics *m, const char *address, uint16_t port, char *err, size_t err_len
);

// ht_metrics_port is the port that is served on, 0 when none is.
uint16_t ht_metrics_port(const struct ht_metrics *m);

// ht_metrics_stop returns when the thread has ended and the port is free. Serving or not, it may be
// called. Serve and stop are for one thread, the one that owns the registry.
void ht_metrics_stop(struct ht_metrics *m);
