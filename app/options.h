// SPDX-License-Identifier: BSD-3-Clause
// options: the command line, and a configuration file's values under it.

#pragma once

#include "aggregate.h"
#include "capture.h"
#include "capture_dpdk.h"
#include "findings.h"
#include "option.h"
#include "rates.h"
#include "sensor.h"
#include "watchlist.h"

#define MAX_INPUTS 1024
#define MAX_INTERFACES 16
#define MAX_SINKS 8
#define MAX_SERVICES 16
#define MAX_STEERED 1024 // ports of interest
#define MAX_WORKERS HT_DPDK_MAX_WORKERS

enum action {
	ACTION_RUN,
	ACTION_CHECK,
	ACTION_FIELDS,
	ACTION_FIELDS_MD,
	ACTION_FIELDS_PROTO,
	ACTION_IPFIX,
	ACTION_IPFIX_MD,
	ACTION_COUNTERS,
	ACTION_COUNTERS_MD,
	ACTION_FINDINGS,
	ACTION_FINDINGS_MD,
	ACTION_SERVICES,
	ACTION_SERVICES_MD,
	ACTION_OPTIONS,
	ACTION_OPTIONS_MD,
	ACTION_VERSION,
	ACTION_HELP,
	ACTION_USAGE
};

// The section `workers`.
struct workers_options {
	uint32_t count;
	struct ht_option_u32s cpus;
	uint32_t queue_mib;
};

// The section `watchlists`.
struct watchlists_options {
	struct ht_option_texts files;
	const char *cache_folder; // NULL: none
	uint32_t max_entries, max_regexes;
	uint32_t max_file_mib, max_mib;
	uint32_t reload_s; // between two looks for changed files; 0: SIGHUP alone
};

enum flows { FLOWS_TLS, FLOWS_ALL };

enum rest { REST_SHARE, REST_WORKERS, REST_DROP };

// The section `steering`.
struct steering_options {
	uint32_t rest; // enum rest
	uint32_t rest_workers;
	bool services;
	struct ht_option_u32s tcp, udp;
};

// The section `metrics`.
struct metrics_options {
	const char *address;
	uint32_t port; // 0: none
};

// The section `service`.
struct service_options {
	const char *user; // NULL: stay who we are
	struct ht_option_texts capabilities;
	bool seccomp;
	uint32_t stall_s;
	uint32_t end_after_idle_s;
};

// The section `findings`.
struct findings_options {
	const char *policy; // a file, POLICY_DEFAULT or POLICY_OFF
};

struct options {
	enum action action;
	const char *config; // the file, NULL: none
	struct ht_option_texts inputs;
	struct ht_option_texts interfaces;
	struct ht_capture_params live; // but for source and filter
	struct ht_dpdk_params dpdk;
	struct workers_options workers;
	struct steering_options steering;
	struct ht_option_texts outputs; // with options behind a ?, or
	struct ht_option_sections sinks; // of struct ht_sink_options: both count
	const char *sensor_id; // NULL: none is told in files
	uint64_t run; // when the program began, in ms since the epoch
	struct ht_option_texts services; // files
	struct ht_option_texts record_kinds;
	const char *filter;
	unsigned kinds; // of record that are made, a mask of enum ht_kind
	unsigned asked; // kinds that go to outputs which do not say what they want: --records
	uint32_t flows; // enum flows: which ones are told, where flow or aggregate records are
			// wanted
	uint32_t stats_interval_s;
	bool stats_json;
	bool quiet;
	struct ht_sensor_params sensor;
	struct findings_options findings;
	const struct ht_policy *policy; // in force; NULL: none, or no record tells findings
	struct ht_aggregate_params aggregate; // but for emit
	struct ht_rates_params rates; // but for emit
	struct metrics_options metrics;
	struct service_options service;
	struct watchlists_options watchlists;
	bool watchlists_given; // files, on the command line
	struct ht_config *loaded; // what the file's values point to
	struct options *from_file; // the values as the file had them when it was last read, or NULL
	bool outputs_given; // on the command line
};

struct ht_config_errors;

// The sections of a configuration file.
extern const struct ht_option_table options_table;

// options_parse reads the command line, and the file it names with -c first: what stands on the
// command line counts more, and a list there replaces the file's. On ACTION_USAGE it has said on
// standard error what is wrong.
void options_parse(struct options *o, int argc, char **argv);

// options_load reads the values of a file. HT_BAD: something in it is wrong, HT_ERROR: it cannot be
// read; that was said on standard error. Free with options_free.
HT_MUST_USE enum ht_rc options_load(struct options *o, const char *file);
void options_free(struct options *o);

// options_check looks once more at what must hold between the values of a file, when the command
// line has changed some of them. False: something does not, which was said.
HT_MUST_USE bool options_check(struct options *o);

// options_can_again tells whether o->config is a file that can be read again: no pipe.
bool options_can_again(const struct options *o);

// options_again reads o->config once more. NULL: it is wrong or cannot be read: that was said.
// options_replace makes what it returned the new o->from_file.
HT_MUST_USE struct options *options_again(const struct options *o);
void options_replace(struct options *o, struct options *again);

// options_check_outputs adds what is wrong with the outputs and sinks of a file.
// options_probe_outputs looks, for --check, at the files and folders that they name, as the user
// that the program would be, which this process is from then on. It changes nothing there. False:
// something is wrong, which was said.
void options_check_outputs(const struct options *o, struct ht_config_errors *e);
HT_MUST_USE bool options_probe_outputs(struct options *o);

// options_kinds sets what kinds are made, by o->asked and by what outputs say, and what follows
// from that and o->flows for the sensor.
void options_kinds(struct options *o);

// options_live tells whether there is something to capture: an interface or a port.
static inline bool options_live(const struct options *o) {
	return o->interfaces.num > 0 || o->dpdk.ports.num > 0;
}

// The numbers of the sensor's table are options of the program.
enum {
#define X(name, def, least, most, help) SENSOR_OPTION_##name,
	HT_SENSOR_OPTIONS(X)
#undef X
		NUM_SENSOR_OPTIONS
};

// options_spell writes the name of one of them as the command line has it:
// "max-flows" for max_flows.
void options_spell(char out[32], const char *name);

void options_help(void);
