// SPDX-License-Identifier: BSD-3-Clause
// The sections of the configuration file.

#include "delivery.h"
#include "options.h"
#include "policies.h"

static const char *const flow_choices[] = {"tls", "all", NULL};
static const char *const rests[] = {"share", "workers", "drop", NULL};

#define P(field) offsetof(struct workers_options, field)
static const struct ht_option workers_list[] = {
	{
		.name = "count",
		.type = HT_OPTION_U32,
		.offset = P(count),
		.def = 1,
		.least = 1,
		.most = MAX_WORKERS,
		.help
		= "engine threads; each has its own flows, hellos and memory (section sensor)",
	},
	{
		.name = "cpus",
		.type = HT_OPTION_U32S,
		.offset = P(cpus),
		.most = 1023,
		.max = MAX_WORKERS,
		.help
		= "the CPU of each worker, in order; best are isolated ones on the NUMA node of "
		  "the NIC. Without it the system places them",
	},
	{
		.name = "queue_mib",
		.type = HT_OPTION_U32,
		.offset = P(queue_mib),
		.def = 16,
		.least = 1,
		.most = 1024,
		.help = "memory for the records of a worker that wait to be written",
	},
};
static const struct ht_option_table workers_table = {
	.title = "Workers",
	.options = workers_list,
	.num = HT_ARRAY_LEN(workers_list),
	.size = sizeof(struct workers_options),
};
#undef P

#define P(field) offsetof(struct steering_options, field)
static const struct ht_option steering_list[] = {
	{
		.name = "rest",
		.type = HT_OPTION_CHOICE,
		.offset = P(rest),
		.choices = rests,
		.def = REST_SHARE,
		.help
		= "what happens to frames that are from or to no port of interest. share: the "
		  "same workers read them, every port is of interest; workers: workers of their "
		  "own do; drop: they are counted and dropped",
	},
	{
		.name = "rest_workers",
		.type = HT_OPTION_U32,
		.offset = P(rest_workers),
		.def = 1,
		.least = 1,
		.most = MAX_WORKERS - 1,
		.help = "with rest: workers, how many of workers.count: the last ones",
	},
	{
		.name = "services",
		.type = HT_OPTION_BOOL,
		.offset = P(services),
		.def = true,
		.help = "every port of the services table where TLS may be spoken is of interest",
	},
	{
		.name = "tcp",
		.type = HT_OPTION_U32S,
		.offset = P(tcp),
		.most = 65535,
		.max = MAX_STEERED,
		.help = "further TCP ports of interest",
	},
	{
		.name = "udp",
		.type = HT_OPTION_U32S,
		.offset = P(udp),
		.most = 65535,
		.max = MAX_STEERED,
		.help = "further UDP ports of interest",
	},
};
static const struct ht_option_table steering_table = {
	.title = "Steering of DPDK ports: which frames are looked at, and by whom",
	.options = steering_list,
	.num = HT_ARRAY_LEN(steering_list),
	.size = sizeof(struct steering_options),
};
#undef P

#define P(field) offsetof(struct findings_options, field)
static const struct ht_option findings_list[] = {
	{
		.name = "policy",
		.type = HT_OPTION_TEXT,
		.offset = P(policy),
		.def_text = POLICY_DEFAULT,
		.help = "what is found in hellos: a file (docs/findings.md), 'default' for the "
			"policy that is built in, or 'off'",
	},
};
static const struct ht_option_table findings_table = {
	.title = "Findings: what a policy says of each hello",
	.options = findings_list,
	.num = HT_ARRAY_LEN(findings_list),
	.size = sizeof(struct findings_options),
};
#undef P

#define P(field) offsetof(struct metrics_options, field)
static const struct ht_option metrics_list[] = {
	{
		.name = "address",
		.type = HT_OPTION_TEXT,
		.offset = P(address),
		.def_text = "127.0.0.1",
		.help = "where to listen; there is no password, so who reaches it can read it",
	},
	{
		.name = "port",
		.type = HT_OPTION_U32,
		.offset = P(port),
		.most = 65535,
		.help = "TCP port of http://ADDRESS:PORT/metrics; 0: none",
	},
};
static const struct ht_option_table metrics_table = {
	.title = "Metrics: every counter as OpenMetrics text over HTTP",
	.options = metrics_list,
	.num = HT_ARRAY_LEN(metrics_list),
	.size = sizeof(struct metrics_options),
};
#undef P

#define P(field) offsetof(struct service_options, field)
static const struct ht_option service_list[] = {
	{
		.name = "user",
		.type = HT_OPTION_TEXT,
		.offset = P(user),
		.help = "become this user when all is open; without it the program stays who it is",
	},
	{
		.name = "capabilities",
		.type = HT_OPTION_TEXTS,
		.offset = P(capabilities),
		.max = 8,
		.help = "capabilities to keep beside that; none is needed once all is open",
	},
	{
		.name = "seccomp",
		.type = HT_OPTION_BOOL,
		.offset = P(seccomp),
		.def = true,
		.help = "refuse system calls to the threads that parse, but for those that reading "
			"takes; "
			"the kernel ends the program at any other",
	},
	{
		.name = "stall_s",
		.type = HT_OPTION_U32,
		.offset = P(stall_s),
		.def = 5,
		.least = 1,
		.most = 3600,
		.reload = true,
		.help
		= "seconds without a turn after which a worker, or the thread that gives records "
		  "to the outputs, is told to be stalled, and the service manager's watchdog is "
		  "no longer fed; an output that hangs is told, too, and all else goes on",
	},
	{
		.name = "end_after_idle_s",
		.type = HT_OPTION_U32,
		.offset = P(end_after_idle_s),
		.most = 86400,
		.reload = true,
		.help = "end when no frame came for so long; 0: never",
	},
};
static const struct ht_option_table service_table = {
	.title = "Life as a service",
	.options = service_list,
	.num = HT_ARRAY_LEN(service_list),
	.size = sizeof(struct service_options),
};
#undef P

#define P(field) offsetof(struct watchlists_options, field)
static const struct ht_option watchlists_list[] = {
	{
		.name = "files",
		.type = HT_OPTION_TEXTS,
		.offset = P(files),
		.max = HT_WATCHLIST_FILES_MAX,
		.reload = true,
		.help
		= "lists, one entry a line (docs/watchlists.md); one is called like its file. All "
		  "are read again at SIGHUP",
	},
	{
		.name = "reload_s",
		.type = HT_OPTION_U32,
		.offset = P(reload_s),
		.def = 10,
		.most = 86400,
		.reload = true,
		.help
		= "seconds between two looks for files that have changed, which are read when they "
		  "are the same at two looks; 0: never, at SIGHUP alone",
	},
	{
		.name = "cache_folder",
		.type = HT_OPTION_TEXT,
		.offset = P(cache_folder),
		.reload = true,
		.help
		= "where compiled regular expressions are kept from one run to the next; nobody "
		  "but the sensor's user and root may write to it",
	},
	{
		.name = "max_entries",
		.type = HT_OPTION_U32,
		.offset = P(max_entries),
		.def = 4000000,
		.least = 1,
		.most = 100000000,
		.reload = true,
		.help = "entries of all lists",
	},
	{
		.name = "max_regexes",
		.type = HT_OPTION_U32,
		.offset = P(max_regexes),
		.def = 4096,
		.least = 1,
		.most = 4096,
		.reload = true,
		.help = "of them, regular expressions",
	},
	{
		.name = "max_file_mib",
		.type = HT_OPTION_U32,
		.offset = P(max_file_mib),
		.def = 256,
		.least = 1,
		.most = 4096,
		.reload = true,
		.help = "size of a file",
	},
	{
		.name = "max_mib",
		.type = HT_OPTION_U32,
		.offset = P(max_mib),
		.def = 1024,
		.least = 1,
		.most = 65536,
		.reload = true,
		.help
		= "memory that the lists may take; while they are read again, those in force take "
		  "theirs, too",
	},
};
static const struct ht_option_table watchlists_table = {
	.title = "Watchlists: what of the hellos is told as a match",
	.options = watchlists_list,
	.num = HT_ARRAY_LEN(watchlists_list),
	.size = sizeof(struct watchlists_options),
};
#undef P

#define P(field) offsetof(struct options, field)
static const struct ht_option root_list[] = {
	{
		.name = "dpdk",
		.type = HT_OPTION_SECTION,
		.offset = P(dpdk),
		.sub = &ht_dpdk_options,
		.help = "ports that DPDK reads",
	},
	{
		.name = "interfaces",
		.type = HT_OPTION_TEXTS,
		.offset = P(interfaces),
		.max = MAX_INTERFACES,
		.help
		= "network interfaces to capture from through libpcap, where there are no DPDK "
		  "ports; 'any' is all",
	},
	{
		.name = "live",
		.type = HT_OPTION_SECTION,
		.offset = P(live),
		.sub = &ht_live_options,
		.help = "how interfaces are captured from",
	},
	{
		.name = "filter",
		.type = HT_OPTION_TEXT,
		.offset = P(filter),
		.help = "only frames that match are looked at (pcap-filter(7))",
	},
	{
		.name = "workers",
		.type = HT_OPTION_SECTION,
		.offset = P(workers),
		.sub = &workers_table,
		.help = "the threads of the engine",
	},
	{
		.name = "steering",
		.type = HT_OPTION_SECTION,
		.offset = P(steering),
		.sub = &steering_table,
		.help = "ports of interest",
	},
	{
		.name = "sensor",
		.type = HT_OPTION_SECTION,
		.offset = P(sensor),
		.sub = &ht_sensor_options,
		.help = "caps of each worker",
	},
	{
		.name = "services",
		.type = HT_OPTION_TEXTS,
		.offset = P(services),
		.max = MAX_SERVICES,
		.help = "files that override the table of services by port (docs/services.md)",
	},
	{
		.name = "records",
		.type = HT_OPTION_TEXTS,
		.offset = P(record_kinds),
		.max = HT_NUM_KINDS,
		.help = "kinds of record that go to outputs which do not say what they want by "
			"records of their own: hello, event, flow, aggregate, stats; without it "
			"hello and event",
	},
	{
		.name = "flows",
		.type = HT_OPTION_CHOICE,
		.offset = P(flows),
		.choices = flow_choices,
		.def = FLOWS_TLS,
		.help = "of which flows there are flow and aggregate records: tls, those that "
			"were TLS, DTLS or QUIC; all, every TCP and UDP flow",
	},
	{
		.name = "findings",
		.type = HT_OPTION_SECTION,
		.offset = P(findings),
		.sub = &findings_table,
		.help = "the field `findings` of hellos",
	},
	{
		.name = "aggregate",
		.type = HT_OPTION_SECTION,
		.offset = P(aggregate),
		.sub = &ht_aggregate_options,
		.help = "how flows are summed up, where aggregate records are written",
	},
	{
		.name = "watchlists",
		.type = HT_OPTION_SECTION,
		.offset = P(watchlists),
		.sub = &watchlists_table,
		.help = "lists of names, fingerprints, addresses that hellos are matched with",
	},
	{
		.name = "rates",
		.type = HT_OPTION_SECTION,
		.offset = P(rates),
		.sub = &ht_rates_options,
		.help = "what the hellos together tell, where events are written",
	},
	{
		.name = "outputs",
		.type = HT_OPTION_TEXTS,
		.offset = P(outputs),
		.max = MAX_SINKS,
		.reload = true,
		.help
		= "where records go: json:PATH, csv:PATH, table:PATH; without a path, to standard "
		  "output; or a collector, KIND://... (hellotap --help has the kinds). Options "
		  "stand behind a ?: json:PATH?rotate_mib=100&compress=zstd. Files are appended "
		  "to, and opened again at SIGHUP",
	},
	{
		.name = "sinks",
		.type = HT_OPTION_SECTIONS,
		.offset = P(sinks),
		.sub = &ht_sink_options_table,
		.max = MAX_SINKS,
		.reload = true,
		.help = "further outputs, with what is set for each; 8 in all",
	},
	{
		.name = "sensor_id",
		.type = HT_OPTION_TEXT,
		.offset = P(sensor_id),
		.help = "name of this sensor, in each record; without it, collectors get the name "
			"of the host, and files none",
	},
	{
		.name = "stats_interval_s",
		.type = HT_OPTION_U32,
		.offset = P(stats_interval_s),
		.def = 60,
		.least = 1,
		.most = 86400,
		.reload = true,
		.help = "seconds between two stats records, where those are written",
	},
	{
		.name = "metrics",
		.type = HT_OPTION_SECTION,
		.offset = P(metrics),
		.sub = &metrics_table,
		.help = "counters over HTTP",
	},
	{
		.name = "service",
		.type = HT_OPTION_SECTION,
		.offset = P(service),
		.sub = &service_table,
		.help = "privileges, watchdog",
	},
};
#undef P
const struct ht_option_table options_table = {
	.title = "hellotap",
	.options = root_list,
	.num = HT_ARRAY_LEN(root_list),
	.size = sizeof(struct options),
};
