// SPDX-License-Identifier: BSD-3-Clause
// hellotap: options, wiring, signals. No protocol code.

#include "config.h"
#include "counters.h"
#include "crypto.h"
#include "engine.h"
#include "fields.h"
#include "ht_config.h"
#include "ipfix.h"
#include "options.h"
#include "privileges.h"
#include "protobuf.h"
#include "replay.h"
#include "services.h"
#include "summary.h"

#include <openssl/crypto.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

// How many signals came, as far as 2: the first ends the reading, one that comes while outputs end
// has them end at once. The handler writes, main reads between bursts.
static volatile sig_atomic_t stop;

static void on_signal(int sig) {
	(void)sig;
	if (stop < 2)
		stop = stop + 1;
}

static int replay(const struct options *o) {
	struct sinks sinks;
	struct pipeline pipeline;
	struct sinks_list list;
	struct ledger l = {0};
	struct summary sum;
	enum ht_rc rc = sinks_list(&list, o);
	if (rc == HT_OK)
		rc = sinks_open(
			&sinks, o, &list, o->config != NULL && !o->outputs_given ? SINKS_APPEND : 0,
			NULL, &stop
		);
	if (rc != HT_OK)
		return rc == HT_BAD ? EXIT_USAGE : EXIT_FAILED;
	if (!pipeline_open(&pipeline, o, &sinks)) {
		sinks_free(&sinks);
		return EXIT_FAILED;
	}
	summary_begin(&sum, !o->quiet && isatty(STDERR_FILENO));
	bool ok = sinks_start(&sinks) && replay_run(o, &pipeline, &sum, &l, &stop);
	summary_clear(&sum);
	ok = pipeline_save(&pipeline) && ok;
	ledger_pipeline(&l, &pipeline);
	if (o->kinds & HT_KIND_STATS) {
		ledger_sinks(&l, &sinks);
		ledger_record(&l, INT64_MIN, &sinks);
	}
	sinks_end(&sinks);
	sinks_wait(&sinks, &stop);
	const bool closed = sinks_close(&sinks, &sinks, NULL, NULL);
	ledger_sinks(&l, &sinks);
	if (!closed)
		ledger_give_up(&l, &sinks);
	if (!o->quiet)
		summary_print(&sum, &l, stderr);
	if (o->stats_json) {
		ledger_json(&l, stderr);
	}
	if (!closed)
		_exit(EXIT_FAILED); // a thread that hangs uses all of it
	sinks_free(&sinks);
	pipeline_close(&pipeline);
	return ok && !sinks.failed ? EXIT_DONE : EXIT_FAILED;
}

static int live(struct options *o) {
	enum ht_rc rc;
	if (engine_run(o, &rc))
		return EXIT_DONE;
	return rc == HT_BAD ? EXIT_USAGE : EXIT_FAILED;
}

static int run(struct options *o) {
	char err[256];
	if (o->service.user != NULL && privileges_begin(err, sizeof(err)) != HT_OK) {
		fprintf(stderr, "hellotap: %s\n", err);
		return EXIT_FAILED;
	}
	if (getrandom(o->sensor.secret, sizeof(o->sensor.secret), 0) != sizeof(o->sensor.secret)) {
		perror("hellotap: getrandom");
		return EXIT_FAILED;
	}
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	o->run = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	signal(SIGPIPE, SIG_IGN); // a sink whose reader went away counts what it loses
	if (o->inputs.num == 0)
		return live(o);
	const struct sigaction act = {.sa_handler = on_signal};
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL); // the terminal is gone
	return replay(o);
}

static void print_version(void) {
	// "libpcap version 1.10.3 (with TPACKET_V3)"
	const char *pcap = pcap_lib_version();
	pcap += strcspn(pcap, "0123456789");
	struct ht_crypto *crypto = ht_crypto_new();
#define BUILT(what) (HT_HAVE_##what ? "yes" : "no")
	printf("hellotap %s (gzip %s, zstd %s, dpdk %s, configuration %s, metrics %s, protobuf %s, "
	       "kafka %s, ipfix %s, hyperscan %s, idn %s, capabilities %s, seccomp %s; libpcap "
	       "%.*s; "
	       "libcrypto %s; crypto: %s)\n",
	       HT_VERSION, BUILT(ZLIB), BUILT(ZSTD), HT_DPDK_VERSION, BUILT(YAML),
	       BUILT(MICROHTTPD), BUILT(PROTOBUF), BUILT(KAFKA), BUILT(IPFIX), BUILT(HYPERSCAN),
	       BUILT(IDN2), BUILT(CAPNG), BUILT(SECCOMP), (int)strcspn(pcap, " "), pcap,
	       OpenSSL_version(OPENSSL_VERSION_STRING),
	       crypto != NULL ? ht_crypto_name(crypto) : "refused by libcrypto");
	ht_crypto_free(crypto);
}

// The table of services in force. False: that was said, and *status is what to end with.
static bool load_services(struct ht_services **out, const struct options *o, int *status) {
	enum ht_rc rc = services_load(out, o->services.v, o->services.num);
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
	case ACTION_FIELDS_PROTO:
		ht_print_proto(stdout);
		return EXIT_DONE;
	case ACTION_IPFIX:
		ht_ipfix_print(stdout);
		return EXIT_DONE;
	case ACTION_IPFIX_MD:
		ht_ipfix_print_md(stdout);
		return EXIT_DONE;
	case ACTION_COUNTERS:
		ht_print_counters(stdout);
		return EXIT_DONE;
	case ACTION_COUNTERS_MD:
		ht_print_counters_md(stdout);
		return EXIT_DONE;
	case ACTION_SERVICES:
		return print_services(&o, services_print);
	case ACTION_SERVICES_MD:
		return print_services(&o, services_print_md);
	case ACTION_OPTIONS:
		return ht_options_example(&options_table, stdout) == HT_OK ? EXIT_DONE
									   : EXIT_FAILED;
	case ACTION_OPTIONS_MD:
		ht_options_md(&options_table, stdout);
		return EXIT_DONE;
	case ACTION_CHECK:
	case ACTION_RUN:
		break;
	}
	struct ht_services *services;
	int status;
	if (!load_services(&services, &o, &status))
		return status;
	o.sensor.services = services;
	if (o.action == ACTION_CHECK)
		printf("%s: right\n", o.config);
	else
		status = run(&o);
	ht_services_free(services);
	options_free(&o);
	return status;
}
