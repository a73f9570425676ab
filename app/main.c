// SPDX-License-Identifier: BSD-3-Clause
// hellotap: options, wiring, signals. No protocol code.

#include "capture.h"
#include "crypto.h"
#include "export.h"
#include "fields.h"
#include "ht_config.h"
#include "live.h"
#include "options.h"
#include "sensor.h"
#include "services.h"
#include "sinks.h"
#include "summary.h"

#include <openssl/crypto.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRAMES 256

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static volatile sig_atomic_t stop; // the handler writes, main reads between bursts

static void on_signal(int sig) {
	stop = sig;
}

static void emit(void *user, const struct ht_record *r) {
	const struct sinks *k = user;
	if (!k->hellos && (r->has & HT_HAS(complete)))
		return;
	for (unsigned i = 0; i < k->num; i++)
		ht_sink_write(k->s[i], r);
}

// What a sink writes to: its path, or NULL for standard output.
static const char *destination(const char *spec) {
	const char *colon = strchr(spec, ':');
	return colon == NULL || strcmp(colon + 1, "-") == 0 ? NULL : colon + 1;
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
	const struct ht_sink_params file = {0};
	unsigned num = o->num_sinks > 0 ? o->num_sinks : 1;
	for (k->num = 0; k->num < num; k->num++) {
		char err[512];
		const char *spec = o->num_sinks > 0 ? o->sinks[k->num] : by_default[terminal];
		const bool to_terminal = terminal && destination(spec) == NULL;
		enum ht_rc rc = ht_sink_open(
			&k->s[k->num], spec, to_terminal ? &p : &file, err, sizeof(err)
		);
		if (rc != HT_OK) {
			fprintf(stderr, "hellotap: -o %s: %s\n", spec, err);
			*status = rc == HT_BAD ? EXIT_USAGE : EXIT_FAILED;
			return false;
		}
		k->names[k->num] = spec;
	}
	return true;
}

// Both are the same regular file. What does not exist yet is nobody's.
static bool same_file(const char *a, const char *b) {
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev
	       && x.st_ino == y.st_ino;
}

// Opening a sink empties its file: that must be no file to read, nor another sink's.
static bool destinations_ok(const struct options *o) {
	for (unsigned i = 0; i < o->num_sinks; i++) {
		const char *path = destination(o->sinks[i]);
		for (unsigned k = 0; path != NULL && k < o->num_inputs; k++) {
			if (!same_file(path, o->inputs[k]))
				continue;
			fprintf(stderr, "hellotap: -o %s: is the capture to read\n", o->sinks[i]);
			return false;
		}
		for (unsigned k = 0; path != NULL && k < o->num_services; k++) {
			if (!same_file(path, o->services[k]))
				continue;
			fprintf(stderr, "hellotap: -o %s: is a table of services to read\n",
				o->sinks[i]);
			return false;
		}
		for (unsigned k = 0; k < i; k++) {
			const char *other = destination(o->sinks[k]);
			bool same = path == NULL || other == NULL
					    ? path == other
					    : strcmp(path, other) == 0 || same_file(path, other);
			if (!same || (path != NULL && strncmp(path, "/dev/", 5) == 0))
				continue;
			fprintf(stderr, "hellotap: -o %s: writes where -o %s does\n", o->sinks[i],
				o->sinks[k]);
			return false;
		}
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
			sinks_flush(sinks);
		lost = sinks_all_dead(sinks);
		if (++tick % 64 == 0) {
			ops->stats(c, &st);
			summary_progress(sum, file, &st);
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
	// Each file is a capture of its own: the same addresses and ports in the next one are
	// another connection.
	ht_sensor_finish(sensor);
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
	struct sinks sinks = {.hellos = o->hellos};
	struct ht_sink_stats stats[MAX_SINKS];
	struct summary sum;
	int status = EXIT_DONE;
	if (getrandom(o->sensor.secret, sizeof(o->sensor.secret), 0) != sizeof(o->sensor.secret)) {
		perror("hellotap: getrandom");
		return EXIT_FAILED;
	}
	if (!destinations_ok(o))
		return EXIT_USAGE;
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
	summary_begin(&sum, !o->quiet && isatty(STDERR_FILENO), o->num_interfaces > 0);
	for (unsigned i = 0; i < o->num_inputs && !stop && !sinks_all_dead(&sinks); i++) {
		// Somebody waits for each record: a person at a terminal, or the end of a live
		// pipe.
		bool interactive = isatty(STDOUT_FILENO) || strcmp(o->inputs[i], "-") == 0;
		if (!replay(sensor, &sinks, &sum, o->inputs[i], o->filter, interactive))
			status = EXIT_FAILED;
	}
	if (o->num_interfaces > 0 && !live_run(sensor, &sinks, &sum, o, &stop))
		status = EXIT_FAILED;
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

static void print_version(void) {
	// "libpcap version 1.10.3 (with TPACKET_V3)"
	const char *pcap = pcap_lib_version();
	pcap += strcspn(pcap, "0123456789");
	struct ht_crypto *crypto = ht_crypto_new();
	printf("hellotap %s (gzip %s, zstd %s; libpcap %.*s; libcrypto %s; crypto: %s)\n",
	       HT_VERSION, HT_HAVE_ZLIB ? "yes" : "no", HT_HAVE_ZSTD ? "yes" : "no",
	       (int)strcspn(pcap, " "), pcap, OpenSSL_version(OPENSSL_VERSION_STRING),
	       crypto != NULL ? ht_crypto_name(crypto) : "refused by libcrypto");
	ht_crypto_free(crypto);
}

// The table of services in force. False: that was said, and *status is what to end with.
static bool load_services(struct ht_services **out, const struct options *o, int *status) {
	enum ht_rc rc = services_load(out, o->services, o->num_services);
	*status = rc == HT_OK ? EXIT_DONE : rc == HT_BAD ? EXIT_USAGE : EXIT_FAILED;
	return rc == HT_OK;
}

static int
print_services(const struct options *o, void (*print)(const struct ht_services *t, FILE *out)) {
	struct ht_services *services;
	int status;
	if (!load_services(&services, o, &status))
		return status;
	print(services, stdout);
	ht_services_free(services);
	return EXIT_DONE;
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
		print_version();
		return EXIT_DONE;
	case ACTION_FIELDS:
		ht_print_fields(stdout);
		return EXIT_DONE;
	case ACTION_FIELDS_MD:
		ht_print_fields_md(stdout);
		return EXIT_DONE;
	case ACTION_SERVICES:
		return print_services(&o, services_print);
	case ACTION_SERVICES_MD:
		return print_services(&o, services_print_md);
	case ACTION_RUN:
		break;
	}
	struct ht_services *services;
	int status;
	if (!load_services(&services, &o, &status))
		return status;
	o.sensor.services = services;
	const struct sigaction act = {.sa_handler = on_signal};
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	signal(SIGPIPE, SIG_IGN); // a sink whose reader went away counts what it loses
	status = run(&o);
	ht_services_free(services);
	return status;
}
