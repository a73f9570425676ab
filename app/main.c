// SPDX-License-Identifier: BSD-3-Clause
// hellotap: options, wiring, signals. No protocol code.

#include "capture.h"
#include "export.h"
#include "fields.h"
#include "ht_config.h"
#include "options.h"
#include "sensor.h"
#include "summary.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#define FRAMES 256

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static volatile sig_atomic_t stop; // the handler writes, main reads between bursts

static void on_signal(int sig) {
	stop = sig;
}

struct sinks {
	struct ht_sink *s[MAX_SINKS];
	const char *names[MAX_SINKS];
	unsigned num;
};

static void emit(void *user, const struct ht_record *r) {
	const struct sinks *k = user;
	for (unsigned i = 0; i < k->num; i++)
		ht_sink_write(k->s[i], r);
}

static bool open_sinks(struct sinks *k, const struct options *o, int *status) {
	static const char *const by_default[2] = {"json", "table"};
	bool terminal = isatty(STDOUT_FILENO);
	struct winsize size = {0};
	if (terminal)
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	const char *no_color = getenv("NO_COLOR"); // no-color.org: present and not empty
	const struct ht_sink_params p = {
		.color = terminal && (no_color == NULL || *no_color == '\0'),
		.width = size.ws_col,
	};
	unsigned num = o->num_sinks > 0 ? o->num_sinks : 1;
	for (k->num = 0; k->num < num; k->num++) {
		char err[512];
		const char *spec = o->num_sinks > 0 ? o->sinks[k->num] : by_default[terminal];
		enum ht_rc rc = ht_sink_open(&k->s[k->num], spec, &p, err, sizeof(err));
		if (rc != HT_OK) {
			fprintf(stderr, "hellotap: -o %s: %s\n", spec, err);
			*status = rc == HT_BAD ? EXIT_USAGE : EXIT_FAILED;
			return false;
		}
		k->names[k->num] = spec;
	}
	return true;
}

// Reads one capture to its end. False when it could not be read whole: that was said.
static bool
replay(struct ht_sensor *sensor,
       struct sinks *sinks,
       struct summary *sum,
       const char *file,
       const char *filter,
       bool interactive) {
	static struct ht_frame frames[FRAMES];
	const struct ht_capture_ops *ops = &ht_capture_file;
	const struct ht_capture_params p = {.source = file, .filter = filter};
	struct ht_capture *c;
	struct ht_capture_stats st;
	char err[512];
	if (ops->open(&c, &p, err, sizeof(err)) != HT_OK) {
		summary_clear(sum);
		fprintf(stderr, "hellotap: %s\n", err);
		return false;
	}
	bool lost = false;
	for (unsigned n, tick = 0; !stop && !lost && (n = ops->read(c, frames, FRAMES)) > 0;) {
		ht_sensor_run(sensor, frames, n);
		ops->release(c);
		if (interactive)
			for (unsigned i = 0; i < sinks->num; i++)
				ht_sink_flush(sinks->s[i]);
		if (++tick % 64 == 0) {
			ops->stats(c, &st);
			summary_progress(sum, file, &st);
			// Nothing is left to read for when every sink has failed (a closed pipe).
			lost = true;
			for (unsigned i = 0; i < sinks->num; i++)
				lost = lost && ht_sink_error(sinks->s[i]) != NULL;
		}
	}
	ops->stats(c, &st);
	summary_add(sum, &st);
	const char *error = ops->error(c);
	if (error != NULL) {
		summary_clear(sum);
		fprintf(stderr, "hellotap: %s\n", error);
	}
	ops->close(c);
	return error == NULL && !lost;
}

static bool close_sinks(struct sinks *k, struct ht_sink_stats *stats) {
	bool ok = true;
	for (unsigned i = 0; i < k->num; i++) {
		char err[512];
		if (ht_sink_close(k->s[i], &stats[i], err, sizeof(err)) != HT_OK) {
			fprintf(stderr, "hellotap: %s\n", err);
			ok = false;
		}
	}
	return ok;
}

static int run(struct options *o) {
	struct sinks sinks = {0};
	struct ht_sink_stats stats[MAX_SINKS];
	struct summary sum;
	int status = EXIT_DONE;
	if (getrandom(o->sensor.secret, sizeof(o->sensor.secret), 0) != sizeof(o->sensor.secret)) {
		perror("hellotap: getrandom");
		return EXIT_FAILED;
	}
	if (!open_sinks(&sinks, o, &status)) {
		close_sinks(&sinks, stats);
		return status;
	}
	o->sensor.emit = emit;
	o->sensor.user = &sinks;
	struct ht_sensor *sensor = ht_sensor_new(&o->sensor);
	if (sensor == NULL) {
		fputs("hellotap: the sensor could not be made: no memory, or libcrypto refused\n",
		      stderr);
		close_sinks(&sinks, stats);
		return EXIT_FAILED;
	}
	summary_begin(&sum, !o->quiet && isatty(STDERR_FILENO));
	for (unsigned i = 0; i < o->num_inputs && !stop; i++) {
		// Somebody waits for each record: a person at a terminal, or the end of a live
		// pipe.
		bool interactive = isatty(STDOUT_FILENO) || strcmp(o->inputs[i], "-") == 0;
		if (!replay(sensor, &sinks, &sum, o->inputs[i], o->filter, interactive))
			status = EXIT_FAILED;
	}
	ht_sensor_finish(sensor);
	summary_clear(&sum);
	if (!close_sinks(&sinks, stats))
		status = EXIT_FAILED;
	const uint64_t *counters = ht_sensor_counters(sensor);
	if (!o->quiet)
		summary_print(&sum, counters, stderr);
	if (o->stats_json)
		summary_ledger(&sum, counters, sinks.names, stats, sinks.num, stderr);
	ht_sensor_free(sensor);
	return status;
}

int main(int argc, char **argv) {
	static struct options o;
	options_parse(&o, argc, argv);
	switch (o.action) {
	case ACTION_USAGE:
		return EXIT_USAGE;
	case ACTION_HELP:
		options_help();
		return EXIT_DONE;
	case ACTION_VERSION:
		printf("hellotap %s (gzip %s, zstd %s)\n", HT_VERSION, HT_HAVE_ZLIB ? "yes" : "no",
		       HT_HAVE_ZSTD ? "yes" : "no");
		return EXIT_DONE;
	case ACTION_FIELDS:
		ht_print_fields(stdout);
		return EXIT_DONE;
	case ACTION_FIELDS_MD:
		ht_print_fields_md(stdout);
		return EXIT_DONE;
	case ACTION_RUN:
		break;
	}
	const struct sigaction act = {.sa_handler = on_signal};
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	signal(SIGPIPE, SIG_IGN); // a sink whose reader went away counts what it loses
	return run(&o);
}
