// SPDX-License-Identifier: BSD-3-Clause
// hellotap: options, wiring, signals. No protocol code.

#include "config.h"
#include "counters.h"
#include "crypto.h"
#include "engine.h"
#include "fields.h"
#include "ht_config.h"
#include "ipfix.h"
#include "lists.h"
#include "options.h"
#include "pipeline.h"
#include "policies.h"
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

// How many signals came, as far as 3: the first ends the reading, one that comes while outputs end
// has them end at once, and with the next they are not waited for. The handler writes, main reads
// between bursts.
static volatile sig_atomic_t stop;
static volatile sig_atomic_t reads = 1; // main writes: captures are read

// A signal lets main go of a pipe that says nothing. One that came when main had looked at `stop`
// and did not wait yet does not: another one follows, until the reading has ended.
static void once_more(int sig) {
	(void)sig;
	if (reads)
		alarm(1);
}

static void on_signal(int sig) {
	static const struct sigaction again = {.sa_handler = once_more};
	(void)sig;
	if (stop < 3)
		stop = stop + 1;
	if (reads && sigaction(SIGALRM, &again, NULL) == 0)
		alarm(1);
}

static void a_moment(void *ctx) {
	(void)ctx;
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

#define REPLAY_THREADS 2 // that match: whose hellos, and whose flows; one thread does both

static int replay(const struct options *o) {
	struct sinks sinks;
	struct pipeline pipeline;
	struct sinks_list list;
	struct lists *lists;
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
	if (!lists_open(&lists, o, REPLAY_THREADS) || !pipeline_open(&pipeline, o, &sinks)) {
		(void)lists_close(lists);
		sinks_free(&sinks);
		return EXIT_FAILED;
	}
	lists_watch(lists, &pipeline.watch, REPLAY_THREADS - 1);
	summary_begin(&sum, !o->quiet && isatty(STDERR_FILENO));
	sinks.say = summary_say;
	sinks.say_ctx = &sum;
	bool ok = sinks_start(&sinks) && replay_run(o, lists, &pipeline, &sum, &l, &stop);
	reads = 0;
	alarm(0);
	summary_clear(&sum);
	const enum pipeline_saved saved = pipeline_save(&pipeline, a_moment, NULL);
	ok = saved == PIPELINE_SAVED && ok;
	ledger_pipeline(&l, &pipeline);
	ledger_lists(&l, lists);
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
	if (!closed || saved == PIPELINE_SAVE_HANGS)
		_exit(EXIT_FAILED); // a thread that hangs uses all of it
	sinks_free(&sinks);
	pipeline_close(&pipeline);
	(void)lists_close(lists);
	return ok && !sinks.failed ? EXIT_DONE : EXIT_FAILED;
}

static int live(struct options *o) {
	enum ht_rc rc;
	if (engine_run(o, &rc))
		return EXIT_DONE;
	return rc == HT_BAD ? EXIT_USAGE : EXIT_FAILED;
}

// Each key of hashes is drawn by itself: what one of them lets out says nothing of another.
static bool draw_secrets(struct options *o) {
	uint64_t *const secrets[] = {o->sensor.secret, o->aggregate.secret, o->rates.secret};
	const size_t len = sizeof(o->sensor.secret);
	for (unsigned i = 0; i < HT_ARRAY_LEN(secrets); i++)
		if (getrandom(secrets[i], len, 0) != (ssize_t)len) {
			perror("hellotap: getrandom");
			return false;
		}
	return true;
}

static int run(struct options *o) {
	char err[256];
	if (o->service.user != NULL && privileges_begin(err, sizeof(err)) != HT_OK) {
		fprintf(stderr, "hellotap: %s\n", err);
		return EXIT_FAILED;
	}
	if (!draw_secrets(o))
		return EXIT_FAILED;
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

static int status_of(enum ht_rc rc) {
	return rc == HT_OK ? EXIT_DONE : rc == HT_BAD ? EXIT_USAGE : EXIT_FAILED;
}

// Files [first, first + num) over the built-in table. What is wrong is said, with its place in the
// configuration if it is named there.
static enum ht_rc
load_files(struct ht_services **out, const struct options *o, unsigned first, unsigned num) {
	const char **const files = o->services.v;
	char err[512];
	unsigned which;
	const enum ht_rc rc
		= services_load(out, num > 0 ? files + first : NULL, num, &which, err, sizeof(err));
	if (rc == HT_OK)
		return rc;
	const struct ht_config_pos pos = which < num && o->loaded != NULL
						 ? ht_config_where(o->loaded, &files[first + which])
						 : (struct ht_config_pos){0};
	if (pos.line > 0)
		fprintf(stderr, "%s:%u:%u: services: %s\n", o->config, pos.line, pos.column, err);
	else
		fprintf(stderr, "hellotap: %s\n", err);
	return rc;
}

// The table of services in force. False: that was said, and *status is what to end with.
static bool load_services(struct ht_services **out, const struct options *o, int *status) {
	const enum ht_rc rc = load_files(out, o, 0, o->services.num);
	*status = status_of(rc);
	return rc == HT_OK;
}

// The policy in force, as load_services.
static bool load_policy(
	struct ht_policy **out,
	const struct options *o,
	const struct ht_services *services,
	int *status
) {
	const enum ht_rc rc = policy_load(out, o->findings.policy, services);
	*status = status_of(rc);
	return rc == HT_OK;
}

// What the configuration names outside is all looked at, whatever else was wrong.
static int check(struct options *o) {
	int status = EXIT_DONE;
	for (unsigned i = 0; i < o->services.num; i++) {
		struct ht_services *t;
		const enum ht_rc rc = load_files(&t, o, i, 1);
		if (rc == HT_OK)
			ht_services_free(t);
		else if (status != EXIT_USAGE)
			status = status_of(rc);
	}
	// With a wrong table no name in the policy can be said to be wrong.
	struct ht_services *services = NULL;
	struct ht_policy *policy;
	int of_all, of_policy;
	if (status == EXIT_DONE && !load_services(&services, o, &of_all))
		status = of_all;
	if (load_policy(&policy, o, services, &of_policy))
		ht_policy_free(policy);
	else if (status != EXIT_USAGE)
		status = of_policy;
	ht_services_free(services);
	if (o->config != NULL && !options_probe_outputs(o) && status == EXIT_DONE)
		status = EXIT_FAILED;
	if (!pipeline_check(o) && status == EXIT_DONE)
		status = EXIT_FAILED;
	if (!lists_check(o, stdout) && status == EXIT_DONE)
		status = EXIT_FAILED;
	if (status == EXIT_DONE && o->config != NULL)
		printf("%s: right\n", o->config);
	if (status == EXIT_DONE && policy_is_file(o->findings.policy))
		printf("%s: right\n", o->findings.policy);
	return status;
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

// Whether a record that is wanted tells findings: that of a hello, of its flow, or an aggregate by
// them.
static bool wants_findings(const struct options *o) {
	return (o->kinds & (HT_KIND_HELLO | HT_KIND_FLOW))
	       || ((o->kinds & HT_KIND_AGGREGATE)
		   && (ht_aggregate_fields(&o->aggregate) & HT_HAS(findings)));
}

static int
print_findings(const struct options *o, void (*print)(const struct ht_policy *p, FILE *out)) {
	struct ht_services *services;
	struct ht_policy *policy;
	int status;
	if (!load_services(&services, o, &status))
		return status;
	if (load_policy(&policy, o, services, &status)) {
		print(policy, stdout);
		ht_policy_free(policy);
	}
	ht_services_free(services);
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
	case ACTION_FINDINGS:
		return print_findings(&o, policy_print);
	case ACTION_FINDINGS_MD:
		return print_findings(&o, policy_print_md);
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
	struct ht_policy *policy;
	int status;
	if (o.action == ACTION_CHECK) {
		status = check(&o);
	} else if (load_services(&services, &o, &status)) {
		o.sensor.services = services;
		if (load_policy(&policy, &o, services, &status)) {
			o.policy = wants_findings(&o) ? policy : NULL;
			status = run(&o);
			ht_policy_free(policy);
		}
		ht_services_free(services);
	}
	options_free(&o);
	return status;
}
