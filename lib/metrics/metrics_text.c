// SPDX-License-Identifier: BSD-3-Clause
// The text: OpenMetrics 1.0 (prometheus.io/docs/specs/om) and the older format of Prometheus
// (prometheus.io/docs/instrumenting/exposition_formats). They differ in more than `# EOF`:
//
//                        OpenMetrics                       0.0.4
//   a counter's family   without _total                    with it, as the sample
//   version              type info, family without _info   a gauge, family as the sample
//   help                 \ " and newline escaped           \ and newline

#include "ht_config.h"
#include "metrics_int.h"
#include "utf8.h"

#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

const char *const metrics_content_type[] = {
	[HT_METRICS_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
	[HT_METRICS_PROMETHEUS] = "text/plain; version=0.0.4; charset=utf-8",
};

// Accept is a list of media types with parameters (RFC 9110 12.5.1). Only the type and a weight of
// zero are looked at: whoever names OpenMetrics can read it.
enum ht_metrics_format metrics_negotiate(const char *accept) {
	static const char type[] = "application/openmetrics-text";
	for (const char *p = accept, *end; p != NULL && *p != '\0'; p = end + (*end == ',')) {
		p += strspn(p, " \t");
		end = p + strcspn(p, ",");
		if (strncasecmp(p, type, sizeof(type) - 1) != 0)
			continue;
		p += sizeof(type) - 1;
		if (strchr(" \t;,", *p) == NULL) // at the end of the text, strchr finds that
			continue;
		bool refused = false;
		while ((p += strcspn(p, ";,")) < end) {
			p += 1 + strspn(p + 1, " \t");
			if (strncasecmp(p, "q=", 2) == 0)
				refused = strchr(" \t;,", p[2 + strspn(p + 2, "0.")]) != NULL;
		}
		if (!refused)
			return HT_METRICS_OPENMETRICS;
	}
	return HT_METRICS_PROMETHEUS;
}

static void put_bytes(struct metrics_text *t, const char *s, size_t n) {
	if (t->failed || n == 0)
		return;
	if (n > t->size - t->len) {
		const size_t size = 2 * t->size + n + 4096;
		char *p = realloc(t->p, size);
		if (p == NULL) {
			t->failed = true;
			return;
		}
		t->p = p;
		t->size = size;
	}
	memcpy(t->p + t->len, s, n);
	t->len += n;
}

void metrics_put(struct metrics_text *t, const char *s) {
	put_bytes(t, s, strlen(s));
}

void metrics_put_u64(struct metrics_text *t, uint64_t v) {
	char digits[20];
	put_bytes(t, digits, (size_t)(ht_u64_dec(digits, v) - digits));
}

// put_thousandths writes v / 1000.
static void put_thousandths(struct metrics_text *t, uint64_t v) {
	const char rest[] = {
		'.', (char)('0' + v / 100 % 10), (char)('0' + v / 10 % 10), (char)('0' + v % 10)};
	metrics_put_u64(t, v / 1000);
	put_bytes(t, rest, sizeof(rest));
}

static void put_escaped(struct metrics_text *t, const char *s, bool quotes) {
	for (size_t left = strlen(s); left > 0;) {
		const unsigned len = ht_utf8_len((const uint8_t *)s, left);
		if (len == 0) {
			char hex[2];
			ht_hex(hex, (const uint8_t *)s, 1);
			metrics_put(t, "\\\\x"); // one backslash, escaped
			put_bytes(t, hex, sizeof(hex));
		} else if (*s == '\n') {
			metrics_put(t, "\\n");
		} else if (*s == '\\' || (*s == '"' && quotes)) {
			metrics_put(t, "\\");
			put_bytes(t, s, 1);
		} else {
			put_bytes(t, s, len);
		}
		s += len > 0 ? len : 1;
		left -= len > 0 ? len : 1;
	}
}

void metrics_put_label(struct metrics_text *t, const char *name, const char *value) {
	metrics_put(t, name);
	metrics_put(t, "=\"");
	put_escaped(t, value, true);
	metrics_put(t, "\"");
}

// put_head writes HELP and TYPE. `suffix` is what the samples have behind the family's name.
static void put_head(
	struct metrics_text *t,
	enum ht_metrics_format format,
	const char *name,
	const char *suffix,
	const char *type,
	const char *help
) {
	const bool open = format == HT_METRICS_OPENMETRICS;
	metrics_put(t, "# HELP ");
	metrics_put(t, name);
	metrics_put(t, open ? "" : suffix);
	metrics_put(t, " ");
	put_escaped(t, help, open);
	metrics_put(t, "\n# TYPE ");
	metrics_put(t, name);
	metrics_put(t, open ? "" : suffix);
	metrics_put(t, " ");
	metrics_put(t, !open && strcmp(type, "info") == 0 ? "gauge" : type);
	metrics_put(t, "\n");
}

static void put_sample(struct metrics_text *t, const struct metrics_sample *s) {
	const struct ht_metrics_set *set = s->set;
	const unsigned i = (unsigned)(s - set->samples);
	uint64_t v = set->ended[i];
	if (set->block != NULL)
		ht_stats_sum(&v, &set->block[i], 1);
	metrics_put(t, s->family->name);
	metrics_put(t, set->kind == HT_METRICS_COUNTER ? "_total" : "");
	metrics_put(t, set->labels);
	metrics_put(t, " ");
	metrics_put_u64(t, v);
	metrics_put(t, "\n");
}

static bool is_shown(const struct metrics_sample *s) {
	return s->set->block != NULL || s->set->kind == HT_METRICS_COUNTER;
}

static void
put_family(struct metrics_text *t, enum ht_metrics_format format, const struct metrics_family *f) {
	const bool counter = f->kind == HT_METRICS_COUNTER;
	const struct metrics_sample *s = f->first;
	while (s != NULL && !is_shown(s))
		s = s->next;
	if (s == NULL && f->tally == NULL)
		return;
	put_head(
		t, format, f->name, counter ? "_total" : "", counter ? "counter" : "gauge", f->help
	);
	if (f->tally != NULL)
		metrics_put_tally(t, f->name, f->tally);
	for (; s != NULL; s = s->next)
		if (is_shown(s))
			put_sample(t, s);
}

static void put_build(struct metrics_text *t, enum ht_metrics_format format) {
	put_head(t, format, "hellotap_build", "_info", "info", "the program that tells this");
	metrics_put(t, "hellotap_build_info{");
	metrics_put_label(t, "version", HT_VERSION);
	metrics_put(t, "} 1\n");
}

// The names are those that Prometheus' own clients have. What cannot be read is left out.
static void
put_process(struct metrics_text *t, enum ht_metrics_format format, const struct ht_metrics *m) {
	put_head(
		t, format, "process_start_time_seconds", "", "gauge", "when the process began, UTC"
	);
	metrics_put(t, "process_start_time_seconds ");
	put_thousandths(t, (uint64_t)m->start_ms);
	metrics_put(t, "\n");

	struct timespec cpu;
	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0) {
		put_head(
			t, format, "process_cpu_seconds", "_total", "counter",
			"CPU time of all threads"
		);
		metrics_put(t, "process_cpu_seconds_total ");
		put_thousandths(t, (uint64_t)cpu.tv_sec * 1000 + (uint64_t)cpu.tv_nsec / 1000000);
		metrics_put(t, "\n");
	}

	// proc(5): size and resident, in pages, and more
	char pages[128];
	const ssize_t n = m->statm < 0 ? -1 : pread(m->statm, pages, sizeof(pages) - 1, 0);
	if (n <= 0)
		return;
	pages[n] = '\0';
	const char *resident = strchr(pages, ' ');
	if (resident == NULL)
		return;
	put_head(t, format, "process_resident_memory_bytes", "", "gauge", "memory in use");
	metrics_put(t, "process_resident_memory_bytes ");
	metrics_put_u64(t, strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE));
	metrics_put(t, "\n");
}

enum ht_rc
ht_metrics_text(struct ht_metrics *m, enum ht_metrics_format format, char **out, size_t *out_len) {
	struct metrics_text t = {0};
	if (m->collect != NULL)
		m->collect(m->collect_ctx);
	put_build(&t, format);
	pthread_mutex_lock(&m->lock);
	for (unsigned i = 0; i < m->num_families; i++)
		put_family(&t, format, m->families[i]);
	pthread_mutex_unlock(&m->lock);
	put_process(&t, format, m);
	if (format == HT_METRICS_OPENMETRICS)
		metrics_put(&t, "# EOF\n");
	if (t.failed) {
		free(t.p);
		return HT_FULL;
	}
	*out = t.p;
	*out_len = t.len;
	return HT_OK;
}
