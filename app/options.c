// SPDX-License-Identifier: BSD-3-Clause

#include "options.h"

#include "config.h"
#include "delivery.h"
#include "ht_config.h"
#include "policies.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

// Long options without a letter. The sensor's own follow, in the order of its table.
enum {
	OPT_RECORDS = 256,
	OPT_CHECK,
	OPT_OPTIONS,
	OPT_WORKERS,
	OPT_FLOWS,
	OPT_AGGREGATE_BY,
	OPT_WINDOW,
	OPT_FIELDS,
	OPT_IPFIX,
	OPT_COUNTERS,
	OPT_STATS,
	OPT_SENSOR_ID,
	OPT_FLOOD,
	OPT_FINGERPRINTS,
	OPT_JA4_R,
	OPT_SERVICES,
	OPT_SERVICES_TABLE,
	OPT_POLICY,
	OPT_FINDINGS,
	OPT_WATCHLIST,
	OPT_SNAPLEN,
	OPT_BUFFER_MIB,
	OPT_IMMEDIATE,
	OPT_NO_PROMISCUOUS,
	OPT_VERSION,
	OPT_SENSOR
};

// The numbers of the sensor's table are options of the program.
enum {
#define X(name, def, least, most, help) SENSOR_OPTION_##name,
	HT_SENSOR_OPTIONS(X)
#undef X
		NUM_SENSOR_OPTIONS
};

static const struct ht_option *sensor_option_of(size_t i) {
	return &ht_sensor_options.options[i];
}

// The option's spelling: "--max-flows" for max_flows.
static void spell(char out[32], const char *name) {
	size_t i = 0;
	for (; name[i] != '\0' && i < 31; i++)
		out[i] = name[i] == '_' ? '-' : name[i];
	out[i] = '\0';
}

__attribute__((format(printf, 2, 3))) static void
usage(struct options *o, const char *format, ...) {
	va_list ap;
	va_start(ap, format);
	fputs("hellotap: ", stderr);
	vfprintf(stderr, format, ap);
	fputs("\nTry 'hellotap --help'.\n", stderr);
	va_end(ap);
	o->action = ACTION_USAGE;
}

static void records(struct options *o, const char *list) {
	o->asked = 0;
	for (const char *p = list;; p++) {
		const size_t n = strcspn(p, ",");
		const unsigned kind = ht_kind_of(HT_SPAN(p, n));
		if (kind == 0)
			return usage(
				o,
				"--records %s: a list of hello, event, flow, aggregate and stats "
				"was "
				"expected",
				list
			);
		o->asked |= kind;
		p += n;
		if (*p == '\0')
			break;
	}
}

// Fields with commas between them, which take the place of the file's.
static void aggregate_by(struct options *o, const char *list) {
	static const char *fields[HT_AGGREGATE_MAX_KEY + 1];
	static char text[1024];
	char *rest = text, err[256], *field;
	unsigned which;
	o->aggregate.key = (struct ht_option_texts){.v = fields};
	if (strlen(list) >= sizeof(text))
		return usage(o, "--aggregate-by: a list that long has no meaning");
	strcpy(text, list);
	while (o->aggregate.key.num < HT_ARRAY_LEN(fields) && (field = strsep(&rest, ",")) != NULL)
		fields[o->aggregate.key.num++] = field;
	if (ht_aggregate_check(&o->aggregate, &which, err, sizeof(err)) != HT_OK
	    && which < o->aggregate.key.num)
		usage(o, "--aggregate-by %s: %s", list, err);
}

static void
number(struct options *o,
       const char *name,
       const char *text,
       uint32_t least,
       uint32_t most,
       uint32_t *out) {
	char *end;
	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0) {
		usage(o, "--%s %s: not a number", name, text);
		return;
	}
	if (v < least || v > most) {
		usage(o, "--%s %s: must be %u to %u", name, text, least, most);
		return;
	}
	*out = (uint32_t)v;
}

static void sensor_option(struct options *o, size_t i, const char *text) {
	const struct ht_option *d = sensor_option_of(i);
	char name[32];
	spell(name, d->name);
	number(o, name, text, d->least, d->most, (uint32_t *)((char *)&o->sensor + d->offset));
}

// Each frame once: an interface must not be named twice, be it as one of "any".
static void check_interfaces(struct options *o) {
	const struct ht_option_texts *all = &o->interfaces;
	for (unsigned i = 0; i < all->num; i++) {
		if (all->num > 1 && strcmp(all->v[i], "any") == 0)
			usage(o, "-i any is all interfaces: no other can be named");
		for (unsigned k = 0; k < i; k++)
			if (strcmp(all->v[i], all->v[k]) == 0)
				usage(o, "-i %s is there twice", all->v[i]);
	}
}

// What no link type has a meaning for is told before an output is opened. The rest shows with the
// capture: a filter may be for another link type than Ethernet.
static void check_filter(struct options *o) {
	char err[512];
	if (o->filter != NULL && ht_capture_filter_check(o->filter, err, sizeof(err)) != HT_OK
	    && strstr(err, "syntax error") != NULL)
		usage(o, "-f: %s", err);
}

// What to read is there, and what is there goes together. `live_only` is an option that was given
// and has a meaning with interfaces alone.
static void check_run(struct options *o, const char *live_only) {
	if (o->inputs.num > 0 && o->interfaces.num > 0 && o->config == NULL)
		usage(o, "-r and -i do not go together");
	else if (o->inputs.num == 0 && !options_live(o) && o->config != NULL)
		usage(o,
		      "%s: nothing to read: it has neither ports of dpdk nor interfaces, and "
		      "there is no -r or -i",
		      o->config);
	else if (o->inputs.num == 0 && !options_live(o))
		usage(o, "nothing to read: name a capture with -r FILE (- is standard input), an "
			 "interface with -i, or a configuration with -c");
	else if (o->interfaces.num == 0 && live_only != NULL)
		usage(o, "--%s is for -i", live_only);
	else if (o->inputs.num > 0 && o->workers.count > 1 && o->config == NULL)
		usage(o, "--workers is for -i: a file is read by one");
	else if (o->config == NULL)
		check_interfaces(o);
	else if (o->inputs.num == 0 && !options_check(o))
		o->action = ACTION_USAGE;
}

// A list of the command line, which replaces that of the file.
struct list {
	const char *v[MAX_INPUTS];
	unsigned max;
	const char *what;
	struct ht_option_texts *to;
};

static void add(struct options *o, struct list *l, const char *v) {
	if (l->to->v != l->v)
		*l->to = (struct ht_option_texts){.v = l->v};
	if (l->to->num == l->max)
		usage(o, "more than %u %s", l->max, l->what);
	else
		l->v[l->to->num++] = v;
}

// An option that prints a table, for people or as the document made of it.
static void print_table(
	struct options *o, const char *name, const char *how, enum action plain, enum action md
) {
	if (how == NULL)
		o->action = plain;
	else if (strcmp(how, "md") == 0)
		o->action = md;
	else
		usage(o, "--%s=%s: only 'md' is known", name, how);
}

// The file that -c names, which is read before all else.
static const char *
config_of(int argc, char **argv, const char *letters, const struct option *longs) {
	const char *file = NULL;
	int c;
	optind = 0; // begin anew
	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1)
		if (c == 'c')
			file = optarg;
	optind = 0;
	return file;
}

void options_parse(struct options *o, int argc, char **argv) {
	static const char letters[] = ":r:i:c:f:o:qh";
	static struct list inputs = {.max = MAX_INPUTS, .what = "files to read"};
	static struct list interfaces = {.max = MAX_INTERFACES, .what = "interfaces"};
	static struct list outputs = {.max = MAX_SINKS, .what = "outputs"};
	static struct list services = {.max = MAX_SERVICES, .what = "files of services"};
	static struct list watchlists = {.max = HT_WATCHLIST_FILES_MAX, .what = "watchlists"};
	static struct option longs[NUM_SENSOR_OPTIONS + 39] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPT_CHECK},
		{"options", optional_argument, NULL, OPT_OPTIONS},
		{"workers", required_argument, NULL, OPT_WORKERS},
		{"read", required_argument, NULL, 'r'},
		{"interface", required_argument, NULL, 'i'},
		{"snaplen", required_argument, NULL, OPT_SNAPLEN},
		{"buffer-mib", required_argument, NULL, OPT_BUFFER_MIB},
		{"immediate", no_argument, NULL, OPT_IMMEDIATE},
		{"no-promiscuous", no_argument, NULL, OPT_NO_PROMISCUOUS},
		{"filter", required_argument, NULL, 'f'},
		{"output", required_argument, NULL, 'o'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{"records", required_argument, NULL, OPT_RECORDS},
		{"flows", required_argument, NULL, OPT_FLOWS},
		{"aggregate-by", required_argument, NULL, OPT_AGGREGATE_BY},
		{"window", required_argument, NULL, OPT_WINDOW},
		{"fields", optional_argument, NULL, OPT_FIELDS},
		{"ipfix", optional_argument, NULL, OPT_IPFIX},
		{"counters", optional_argument, NULL, OPT_COUNTERS},
		{"stats", required_argument, NULL, OPT_STATS},
		{"sensor-id", required_argument, NULL, OPT_SENSOR_ID},
		{"flood", required_argument, NULL, OPT_FLOOD},
		{"fingerprints", required_argument, NULL, OPT_FINGERPRINTS},
		{"ja4-r", no_argument, NULL, OPT_JA4_R},
		{"services", required_argument, NULL, OPT_SERVICES},
		{"services-table", optional_argument, NULL, OPT_SERVICES_TABLE},
		{"policy", required_argument, NULL, OPT_POLICY},
		{"findings", optional_argument, NULL, OPT_FINDINGS},
		{"watchlist", required_argument, NULL, OPT_WATCHLIST},
		{"version", no_argument, NULL, OPT_VERSION},
	};
	static char names[NUM_SENSOR_OPTIONS][32];
	unsigned n = 0;
	while (longs[n].name != NULL)
		n++;
	for (size_t i = 0; i < NUM_SENSOR_OPTIONS; i++) {
		spell(names[i], sensor_option_of(i)->name);
		longs[n++]
			= (struct option){names[i], required_argument, NULL, OPT_SENSOR + (int)i};
	}

	memset(o, 0, sizeof(*o));
	ht_config_defaults(&options_table, o);
	o->asked = HT_KIND_HELLO | HT_KIND_EVENT;
	opterr = 0;
	o->config = config_of(argc, argv, letters, longs);
	if (o->config != NULL && options_load(o, o->config) != HT_OK) {
		o->action = ACTION_USAGE;
		return;
	}
	if (o->config != NULL && options_can_again(o)
	    && (o->from_file = options_again(o)) == NULL) {
		o->action = ACTION_USAGE;
		return;
	}
	inputs.to = &o->inputs;
	interfaces.to = &o->interfaces;
	outputs.to = &o->outputs;
	services.to = &o->services;
	watchlists.to = &o->watchlists.files;
	const char *live_only = NULL, *aggregate_only = NULL;
	bool config_seen = false, flows_given = false;
	int c;
	while (o->action != ACTION_USAGE
	       && (c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		switch (c) {
		case 'r':
			add(o, &inputs, optarg);
			break;
		case 'i':
			add(o, &interfaces, optarg);
			o->dpdk.ports.num = 0;
			break;
		case 'o':
			add(o, &outputs, optarg);
			o->outputs_given = true;
			o->sinks.num = 0;
			break;
		case 'f':
			o->filter = optarg;
			break;
		case 'c': // was read first
			if (config_seen)
				usage(o, "-c %s: one configuration is all", optarg);
			config_seen = true;
			break;
		case OPT_CHECK:
			o->action = ACTION_CHECK;
			break;
		case OPT_WORKERS:
			number(o, "workers", optarg, 1, MAX_WORKERS, &o->workers.count);
			break;
		case OPT_OPTIONS:
			print_table(o, "options", optarg, ACTION_OPTIONS, ACTION_OPTIONS_MD);
			return;
		case 'q':
			o->quiet = true;
			break;
		case 'h':
			o->action = ACTION_HELP;
			return;
		case OPT_VERSION:
			o->action = ACTION_VERSION;
			return;
		case OPT_FIELDS:
			if (optarg != NULL && strcmp(optarg, "proto") == 0)
				o->action = ACTION_FIELDS_PROTO;
			else
				print_table(o, "fields", optarg, ACTION_FIELDS, ACTION_FIELDS_MD);
			return;
		case OPT_IPFIX:
			print_table(o, "ipfix", optarg, ACTION_IPFIX, ACTION_IPFIX_MD);
			return;
		case OPT_COUNTERS:
			print_table(o, "counters", optarg, ACTION_COUNTERS, ACTION_COUNTERS_MD);
			return;
		case OPT_SERVICES:
			add(o, &services, optarg);
			break;
		case OPT_WATCHLIST:
			add(o, &watchlists, optarg);
			o->watchlists_given = true;
			break;
		case OPT_SERVICES_TABLE: // goes on: the files may be named behind it
			print_table(
				o, "services-table", optarg, ACTION_SERVICES, ACTION_SERVICES_MD
			);
			break;
		case OPT_POLICY:
			o->findings.policy = optarg;
			break;
		case OPT_FINDINGS: // the policy may be named behind it
			print_table(o, "findings", optarg, ACTION_FINDINGS, ACTION_FINDINGS_MD);
			break;
		case OPT_SNAPLEN:
			number(o, live_only = "snaplen", optarg, HT_CAPTURE_SNAPLEN_MIN,
			       HT_CAPTURE_SNAPLEN, &o->live.snaplen);
			break;
		case OPT_BUFFER_MIB:
			number(o, live_only = "buffer-mib", optarg, 1, HT_CAPTURE_BUFFER_MIB_MAX,
			       &o->live.buffer_mib);
			break;
		case OPT_IMMEDIATE:
			live_only = "immediate";
			o->live.immediate = true;
			break;
		case OPT_NO_PROMISCUOUS:
			live_only = "no-promiscuous";
			o->live.promiscuous = false;
			break;
		case OPT_RECORDS:
			records(o, optarg);
			break;
		case OPT_FLOWS:
			if (strcmp(optarg, "tls") != 0 && strcmp(optarg, "all") != 0)
				usage(o, "--flows %s: tls or all was expected", optarg);
			flows_given = true;
			o->flows = strcmp(optarg, "all") == 0 ? FLOWS_ALL : FLOWS_TLS;
			break;
		case OPT_AGGREGATE_BY:
			aggregate_only = "aggregate-by";
			aggregate_by(o, optarg);
			break;
		case OPT_WINDOW:
			number(o, aggregate_only = "window", optarg, 1, 86400,
			       &o->aggregate.window_s);
			break;
		case OPT_STATS:
			if (strcmp(optarg, "json") != 0)
				usage(o, "--stats %s: only 'json' is known", optarg);
			o->stats_json = true;
			break;
		case OPT_SENSOR_ID:
			o->sensor_id = optarg;
			break;
		case OPT_FLOOD:
			number(o, "flood", optarg, 0, 1000000000, &o->rates.flood_dst_hz);
			o->rates.flood_src_hz = o->rates.flood_sni_hz = o->rates.flood_dst_hz;
			break;
		case OPT_FINGERPRINTS:
			o->rates.store = optarg;
			break;
		case OPT_JA4_R:
			o->sensor.ja4_r = true;
			break;
		case ':':
			usage(o, "%s wants a value", argv[optind - 1]);
			break;
		case '?':
			if (optopt != 0 && optopt < 256)
				usage(o, "-%c: no such option", optopt);
			else
				usage(o, "%s: no such option", argv[optind - 1]);
			break;
		default:
			sensor_option(o, (size_t)(c - OPT_SENSOR), optarg);
			break;
		}
	}
	if (o->action == ACTION_USAGE)
		return;
	options_kinds(o);
	if (optind < argc)
		usage(o, "%s: captures are named with -r, interfaces with -i", argv[optind]);
	else if (aggregate_only != NULL && !(o->kinds & HT_KIND_AGGREGATE))
		usage(o, "--%s is for aggregates: --records aggregate", aggregate_only);
	else if (flows_given && !(o->kinds & (HT_KIND_FLOW | HT_KIND_AGGREGATE)))
		usage(o, "--flows is for flow and aggregate records: --records flow");
	else if (o->action == ACTION_CHECK && o->config == NULL && !o->watchlists_given
		 && !policy_is_file(o->findings.policy))
		usage(o,
		      "--check wants a configuration (-c FILE), a --policy or a --watchlist FILE");
	else if (o->action == ACTION_CHECK && o->config == NULL)
		return; // there is no run to be checked
	else if (o->action == ACTION_RUN || o->action == ACTION_CHECK)
		check_run(o, live_only);
	if (o->action == ACTION_RUN && o->inputs.num > 0)
		check_filter(o);
}

// A line, or more of them, each behind the column of the text.
static void print_wrapped(const char *text) {
	enum { COLUMN = 29, WIDTH = 100 - COLUMN };
	while (strlen(text) > WIDTH) {
		int n = WIDTH;
		while (n > 0 && text[n] != ' ')
			n--;
		if (n == 0)
			break;
		printf("%.*s\n%*s", n, text, COLUMN, "");
		text += n + 1;
	}
	puts(text);
}

void options_help(void) {
	fputs("hellotap finds every TLS, DTLS and QUIC ClientHello in a capture or on an interface "
	      "and says what\n"
	      "the client offered.\n"
	      "\n"
	      "  hellotap -r FILE [-r FILE ...] [-f FILTER] [-o SINK ...]\n"
	      "  hellotap -i IFACE [-i IFACE ...] [-f FILTER] [-o SINK ...]\n"
	      "  hellotap -c FILE [--check]\n"
	      "\n"
	      "Input\n"
	      "  -r, --read FILE      a capture: pcap or pcapng, plain, gzip or zstd (told by "
	      "content);\n"
	      "                       - is standard input. Several are read one after the other\n"
	      "  -i, --interface IFACE\n"
	      "                       capture live, until a signal ends it (SIGINT, SIGTERM); "
	      "several are\n"
	      "                       served in turn; 'any' is all. Wants CAP_NET_RAW\n"
	      "  -c, --config FILE    all of it from a configuration file (YAML), DPDK ports, too; "
	      "what "
	      "stands\n"
	      "                       on the command line counts more. --options prints a file "
	      "with "
	      "every\n"
	      "                       option, its default and what it is for\n"
	      "      --check          say whether the files of -c and --policy, what they name "
	      "outside, and all\n"
	      "                       watchlists are right, and exit\n"
	      "  -f, --filter 'BPF'   only frames that match (pcap-filter(7)), e.g. 'port 443'\n",
	      stdout);
	printf("      --snaplen N      -i: bytes kept of a frame, %u to %u (default: %u)\n"
	       "      --buffer-mib N   -i: memory the kernel writes frames to, for each interface "
	       "(default: %u)\n",
	       HT_CAPTURE_SNAPLEN_MIN, HT_CAPTURE_SNAPLEN, HT_CAPTURE_SNAPLEN,
	       HT_CAPTURE_BUFFER_MIB);
	fputs("      --immediate      -i: take frames one by one as they come, not in blocks "
	      "(20 ms at most)\n"
	      "      --no-promiscuous -i: only what is for this machine\n"
	      "      --workers N      -i: engine threads; the kernel gives each its flows "
	      "(default: "
	      "1)\n"
	      "\n"
	      "Output\n"
	      "  -o, --output SINK    where records go; several are fed side by side:\n",
	      stdout);
	for (const struct ht_link_ops *const *k = ht_link_kinds; *k != NULL; k++)
		printf("                         %-14s %s\n", (*k)->name, (*k)->help);
	fputs("                       KIND:PATH writes to a file; without it, to standard output.\n"
	      "                       Default: table on a terminal, json otherwise. Options stand "
	      "behind a ?,\n"
	      "                       with %XX for bytes of a value that would end it:\n"
	      "                         json:PATH?rotate_mib=100&compress=zstd\n"
	      "                       --options has them all, as the section 'sinks'\n"
	      "      --sensor-id NAME name of this sensor, in each record\n"
	      "      --records LIST   kinds of record: hello, event, flow, aggregate, stats "
	      "(default:\n"
	      "                       hello,event); an output may have its own: "
	      "json:PATH?records=flow\n"
	      "      --flows tls|all  flow and aggregate records are of TLS, DTLS and QUIC alone, "
	      "or "
	      "of every\n"
	      "                       TCP and UDP flow (default: tls)\n"
	      "      --aggregate-by LIST\n"
	      "                       fields that flows are summed up by, e.g. src_ip/24/48,sni "
	      "(default:\n"
	      "                       dst_ip,dst_port,transport,protocol,via,sni,alpn_first,"
	      "tls_version,ja4)\n"
	      "      --window S       seconds they are summed up over (default: 60)\n"
	      "      --flood HZ       hellos a second that are a flood, to an address, from a "
	      "network "
	      "or for a\n"
	      "                       name; 0: none is told (default: 20000, 10000, 10000)\n"
	      "      --fingerprints FILE\n"
	      "                       remember the fingerprints of this network in FILE, so that "
	      "new "
	      "and rare\n"
	      "                       ones can be told (docs/rates.md)\n"
	      "      --ja4-r          add the unhashed JA4_r\n"
	      "      --services FILE  name ports by the lines of FILE, 'PORT[-PORT]/tcp|udp NAME "
	      "MODE',\n"
	      "                       over the built-in table; may be given more than once\n"
	      "      --policy FILE    what is found in a hello, by a policy of your own instead of "
	      "the built-in\n"
	      "                       one (docs/findings.md); 'off': no findings\n"
	      "      --watchlist FILE tell which hellos match an entry of FILE, a domain, "
	      "expression, address,\n"
	      "                       fingerprint ... a line (docs/watchlists.md); may be given "
	      "more than once\n"
	      "      --stats json     at the end, the whole ledger of counters on standard error\n"
	      "  -q, --quiet          no progress line and no summary\n"
	      "      --options[=md]   print the options of a configuration file and exit\n"
	      "      --fields[=md]    print the table of record fields and exit; --fields=proto: "
	      "the "
	      "schema\n"
	      "                       of records in Protocol Buffers\n"
	      "      --ipfix[=md]     print which IPFIX element carries which field and exit\n"
	      "      --counters[=md]  print the counters of the ledger and exit\n"
	      "      --services-table[=md]\n"
	      "                       print the table of services by port in force and exit\n"
	      "      --findings[=md]  print the findings of the policy in force and exit\n"
	      "      --version        print the version, and what it was built with, and exit\n"
	      "\n"
	      "Caps: all state is reserved at start; what does not fit is given up and counted\n",
	      stdout);
	for (size_t i = 0; i < NUM_SENSOR_OPTIONS; i++) {
		const struct ht_option *d = sensor_option_of(i);
		char name[32];
		spell(name, d->name);
		printf("      --%-20s ", name);
		print_wrapped(d->help);
		printf("        %-20s   %u to %u, default %u\n", "", d->least, d->most, d->def);
	}
	fputs("\n"
	      "Records go to standard output, everything else to standard error.\n"
	      "Exit status: 0 done; 1 something failed or was cut short (one line says what), "
	      "after\n"
	      "everything that could be read was read; 2 wrong usage.\n"
	      "\n"
	      "Examples\n"
	      "  hellotap -r capture.pcapng                    a table of hellos on the terminal\n"
	      "  hellotap -r capture.pcap.zst -o json | jq -r '.sni // empty'\n"
	      "  hellotap -r mail.pcap -o json --records event | jq 'select(.in_clear)'\n"
	      "  hellotap -r capture.pcap --watchlist bad.txt -o json --records event\n"
	      "  hellotap -i eth0 -f 'tcp or udp' -o json:hellos.json\n"
	      "  hellotap -r capture.pcap --records aggregate   who talks to what, minute by "
	      "minute\n"
	      "  ssh probe tcpdump -w - | hellotap -r - -f 'port 443' -o csv:hellos.csv\n",
	      stdout);
}
