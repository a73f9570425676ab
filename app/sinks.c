// SPDX-License-Identifier: BSD-3-Clause

#include "sinks.h"

#include "pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define X(id, name, field, help) {"sink", name, help},
const struct ht_counter sink_counters[SINK_NUM_COUNTERS] = {SINK_COUNTERS(X)};
#undef X

// What a sink writes to: its path, or NULL for standard output.
static const char *destination(const char *spec) {
	const char *colon = strchr(spec, ':');
	return colon == NULL || strcmp(colon + 1, "-") == 0 ? NULL : colon + 1;
}

// Both are the same regular file. What does not exist yet is nobody's.
static bool same_file(const char *a, const char *b) {
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev
	       && x.st_ino == y.st_ino;
}

static bool is_one_of(const char *path, const struct ht_option_texts *files) {
	for (unsigned i = 0; i < files->num; i++)
		if (same_file(path, files->v[i]))
			return true;
	return false;
}

// Opening a sink may empty its file: that must be no file to read.
static bool destinations_ok(const struct options *o, const struct ht_option_texts *outputs) {
	for (unsigned i = 0; i < outputs->num; i++) {
		const char *spec = outputs->v[i], *path = destination(spec);
		const char *what = NULL;
		if (path != NULL && is_one_of(path, &o->inputs))
			what = "the capture to read";
		else if (path != NULL && is_one_of(path, &o->services))
			what = "a table of services to read";
		else if (path != NULL && o->config != NULL && same_file(path, o->config))
			what = "the configuration";
		if (what != NULL) {
			fprintf(stderr, "hellotap: %s: is %s\n", spec, what);
			return false;
		}
	}
	return true;
}

// Two outputs that write to one file, by whatever names, would write over each other; so would two
// to standard output, whatever that is.
static bool all_different(const struct sinks *k) {
	struct stat a, b;
	for (unsigned i = 0; i < k->num; i++)
		for (unsigned n = 0; n < i; n++) {
			const bool both_out = destination(k->names[i]) == NULL
					      && destination(k->names[n]) == NULL;
			const bool one_file = fstat(ht_sink_fd(k->s[i]), &a) == 0
					      && fstat(ht_sink_fd(k->s[n]), &b) == 0
					      && S_ISREG(a.st_mode) && a.st_dev == b.st_dev
					      && a.st_ino == b.st_ino;
			if (!both_out && !one_file)
				continue;
			fprintf(stderr, "hellotap: %s: writes where %s does\n", k->names[i],
				k->names[n]);
			return false;
		}
	return true;
}

static enum ht_rc open_one(struct sinks *k, const char *spec, const struct ht_sink_params *p) {
	char err[512];
	enum ht_rc rc = ht_sink_open(&k->s[k->num], spec, p, err, sizeof(err));
	if (rc != HT_OK) {
		fprintf(stderr, "hellotap: %s\n", err);
		return rc;
	}
	k->names[k->num] = strdup(spec);
	if (k->names[k->num++] != NULL)
		return HT_OK;
	fputs("hellotap: no memory\n", stderr);
	return HT_ERROR;
}

enum ht_rc sinks_open(
	struct sinks *k,
	const struct options *o,
	const struct ht_option_texts *outputs,
	unsigned how
) {
	const bool terminal = isatty(STDOUT_FILENO);
	const char *by_default[1] = {terminal ? "table" : "json"};
	const struct ht_option_texts defaults = {.v = by_default, .num = 1};
	const struct ht_option_texts *specs = outputs->num > 0 ? outputs : &defaults;
	struct winsize size = {0};
	*k = (struct sinks){.kinds = o->kinds};
	if (!destinations_ok(o, outputs))
		return HT_BAD;
	if (terminal)
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	const char *no_color = getenv("NO_COLOR"); // no-color.org: present and not empty
	const struct ht_sink_params to_terminal = {
		.key = o->kinds & HT_KIND_AGGREGATE ? ht_aggregate_fields(&o->aggregate) : 0,
		.color = terminal && (no_color == NULL || *no_color == '\0'),
		.width = size.ws_col,
	};
	const struct ht_sink_params to_file = {
		.key = o->kinds & HT_KIND_AGGREGATE ? ht_aggregate_fields(&o->aggregate) : 0,
		.fields = pipeline_fields(o),
		.append = how & SINKS_APPEND,
		.no_wait = how & SINKS_LIVE,
	};
	for (unsigned i = 0; i < specs->num; i++) {
		const char *spec = specs->v[i];
		const enum ht_rc rc = open_one(
			k, spec, terminal && destination(spec) == NULL ? &to_terminal : &to_file
		);
		if (rc != HT_OK) {
			sinks_close(k, NULL);
			sinks_free_names(k);
			return rc;
		}
	}
	if (all_different(k))
		return HT_OK;
	sinks_close(k, NULL);
	sinks_free_names(k);
	return HT_BAD;
}

static void publish(struct sinks *k, unsigned i, const struct ht_sink_stats *s) {
#define X(id, name, field, help) \
	__atomic_store_n(&k->ctr[i][SINK_##id], s->field, __ATOMIC_RELAXED);
	SINK_COUNTERS(X)
#undef X
}

static void add(struct ht_sink_stats *to, const struct ht_sink_stats *s) {
#define X(id, name, field, help) to->field += s->field;
	SINK_COUNTERS(X)
#undef X
}

// Where the counts of sink i go on: the slot of the same name, or with those that are gone.
static struct ht_sink_stats *successor(struct sinks *next, const char *name) {
	for (unsigned i = 0; i < next->num; i++)
		if (strcmp(next->names[i], name) == 0)
			return &next->past[i];
	return &next->gone;
}

void sinks_close(struct sinks *k, struct sinks *next) {
	for (unsigned i = 0; i < k->num; i++) {
		struct ht_sink_stats stats;
		char err[512];
		if (k->s[i] == NULL) // closed before
			continue;
		if (ht_sink_close(k->s[i], &stats, err, sizeof(err)) != HT_OK) {
			fprintf(stderr, "hellotap: %s\n", err);
			k->failed = true;
		}
		k->s[i] = NULL;
		publish(k, i, &stats);
		add(&k->past[i], &stats);
		if (next != NULL)
			add(successor(next, k->names[i]), &k->past[i]);
	}
	if (next == NULL)
		return;
	add(&next->gone, &k->gone);
	next->failed = next->failed || k->failed;
}

void sinks_free_names(struct sinks *k) {
	for (unsigned i = 0; i < k->num; i++)
		free(k->names[i]);
	k->num = 0;
}

struct ht_sink_stats sinks_stats(const struct sinks *k, unsigned i) {
	struct ht_sink_stats s = {0};
	if (k->s[i] != NULL)
		ht_sink_stats(k->s[i], &s);
	add(&s, &k->past[i]);
	return s;
}

void sinks_publish(struct sinks *k) {
	for (unsigned i = 0; i < k->num; i++) {
		struct ht_sink_stats s;
		if (k->s[i] == NULL)
			continue;
		ht_sink_stats(k->s[i], &s);
		publish(k, i, &s);
	}
}
