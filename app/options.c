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

static const struct ht_option *sensor_option_of(size_t i) {
	return &ht_sensor_options.options[i];
}

static const char letters[] = ":r:i:c:f:o:qh";

static const struct option own_longs[] = {
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
#define NUM_LONGS HT_ARRAY_LEN(own_longs)

// Those, then the sensor's.
static struct option longs[NUM_LONGS + NUM_SENSOR_OPTIONS + 1];

void options_spell(char out[32], const char *name) {
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
	options_spell(name, d->name);
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

static struct {
	struct list inputs, interfaces, outputs, services, watchlists;
} lists = {
	.inputs = {.max = MAX_INPUTS, .what = "files to read"},
	.interfaces = {.max = MAX_INTERFACES, .what = "interfaces"},
	.outputs = {.max = MAX_SINKS, .what = "outputs"},
	.services = {.max = MAX_SERVICES, .what = "files of services"},
	.watchlists = {.max = HT_WATCHLIST_FILES_MAX, .what = "watchlists"},
};

static void set_lists(struct options *o) {
	lists.inputs.to = &o->inputs;
	lists.interfaces.to = &o->interfaces;
	lists.outputs.to = &o->outputs;
	lists.services.to = &o->services;
	lists.watchlists.to = &o->watchlists.files;
}

// Options that print a table, for people or as the document made of it. One that goes on may have
// behind it what names the files to print.
static const struct printed {
	int option;
	const char *name;
	enum action plain, md;
	bool goes_on;
} printed[] = {
	{OPT_OPTIONS, "options", ACTION_OPTIONS, ACTION_OPTIONS_MD, false},
	{OPT_FIELDS, "fields", ACTION_FIELDS, ACTION_FIELDS_MD, false},
	{OPT_IPFIX, "ipfix", ACTION_IPFIX, ACTION_IPFIX_MD, false},
	{OPT_COUNTERS, "counters", ACTION_COUNTERS, ACTION_COUNTERS_MD, false},
	{OPT_SERVICES_TABLE, "services-table", ACTION_SERVICES, ACTION_SERVICES_MD, true},
	{OPT_FINDINGS, "findings", ACTION_FINDINGS, ACTION_FINDINGS_MD, true},
};

// True: there is more to take. For one of those above.
static bool take_printed(struct options *o, int option) {
	const struct printed *p = printed;
	while (p->option != option)
		p++;
	if (optarg == NULL)
		o->action = p->plain;
	else if (strcmp(optarg, "md") == 0)
		o->action = p->md;
	else if (option == OPT_FIELDS && strcmp(optarg, "proto") == 0)
		o->action = ACTION_FIELDS_PROTO;
	else
		usage(o, "--%s=%s: only 'md' is known", p->name, optarg);
	return p->goes_on;
}

// What was given that wants something else, or may be given once.
struct given {
	const char *live_only, *aggregate_only; // names of options, or NULL
	bool config, flows;
};

// take takes an option; `word` is the argument it stands in, for what is none. False: nothing else
// is looked at.
static bool take(struct options *o, struct given *g, int c, const char *word) {
	switch (c) {
	case 'r':
		add(o, &lists.inputs, optarg);
		break;
	case 'i':
		add(o, &lists.interfaces, optarg);
		o->dpdk.ports.num = 0;
		break;
	case 'o':
		add(o, &lists.outputs, optarg);
		o->outputs_given = true;
		o->sinks.num = 0;
		break;
	case 'f':
		o->filter = optarg;
		break;
	case 'c': // was read first
		if (g->config)
			usage(o, "-c %s: one configuration is all", optarg);
		g->config = true;
		break;
	case OPT_CHECK:
		o->action = ACTION_CHECK;
		break;
	case OPT_WORKERS:
		number(o, "workers", optarg, 1, MAX_WORKERS, &o->workers.count);
		break;
	case 'q':
		o->quiet = true;
		break;
	case 'h':
		o->action = ACTION_HELP;
		return false;
	case OPT_VERSION:
		o->action = ACTION_VERSION;
		return false;
	case OPT_SERVICES:
		add(o, &lists.services, optarg);
		break;
	case OPT_WATCHLIST:
		add(o, &lists.watchlists, optarg);
		o->watchlists_given = true;
		break;
	case OPT_POLICY:
		o->findings.policy = optarg;
		break;
	case OPT_SNAPLEN:
		number(o, g->live_only = "snaplen", optarg, HT_CAPTURE_SNAPLEN_MIN,
		       HT_CAPTURE_SNAPLEN, &o->live.snaplen);
		break;
	case OPT_BUFFER_MIB:
		number(o, g->live_only = "buffer-mib", optarg, 1, HT_CAPTURE_BUFFER_MIB_MAX,
		       &o->live.buffer_mib);
		break;
	case OPT_IMMEDIATE:
		g->live_only = "immediate";
		o->live.immediate = true;
		break;
	case OPT_NO_PROMISCUOUS:
		g->live_only = "no-promiscuous";
		o->live.promiscuous = false;
		break;
	case OPT_RECORDS:
		records(o, optarg);
		break;
	case OPT_FLOWS:
		if (strcmp(optarg, "tls") != 0 && strcmp(optarg, "all") != 0)
			usage(o, "--flows %s: tls or all was expected", optarg);
		g->flows = true;
		o->flows = strcmp(optarg, "all") == 0 ? FLOWS_ALL : FLOWS_TLS;
		break;
	case OPT_AGGREGATE_BY:
		g->aggregate_only = "aggregate-by";
		aggregate_by(o, optarg);
		break;
	case OPT_WINDOW:
		number(o, g->aggregate_only = "window", optarg, 1, 86400, &o->aggregate.window_s);
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
		usage(o, "%s wants a value", word);
		break;
	case '?':
		if (optopt != 0 && optopt < 256)
			usage(o, "-%c: no such option", optopt);
		else
			usage(o, "%s: no such option", word);
		break;
	default:
		if (c >= OPT_SENSOR)
			sensor_option(o, (size_t)(c - OPT_SENSOR), optarg);
		else
			return take_printed(o, c);
	}
	return true;
}

// What has been given goes together, and something is to be done.
static void check_given(struct options *o, const struct given *g, const char *rest) {
	const bool alone = o->action == ACTION_CHECK && o->config == NULL; // there is no run
	if (rest != NULL)
		usage(o, "%s: captures are named with -r, interfaces with -i", rest);
	else if (g->aggregate_only != NULL && !(o->kinds & HT_KIND_AGGREGATE))
		usage(o, "--%s is for aggregates: --records aggregate", g->aggregate_only);
	else if (g->flows && !(o->kinds & (HT_KIND_FLOW | HT_KIND_AGGREGATE)))
		usage(o, "--flows is for flow and aggregate records: --records flow");
	else if (alone && !o->watchlists_given && !policy_is_file(o->findings.policy))
		usage(o,
		      "--check wants a configuration (-c FILE), a --policy or a --watchlist FILE");
	else if (!alone && (o->action == ACTION_RUN || o->action == ACTION_CHECK))
		check_run(o, g->live_only);
	if (o->action == ACTION_RUN && o->inputs.num > 0)
		check_filter(o);
}

// The file that -c names, which is read before all else.
static const char *config_of(int argc, char **argv) {
	const char *file = NULL;
	int c;
	optind = 0; // begin anew
	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1)
		if (c == 'c')
			file = optarg;
	optind = 0;
	return file;
}

// The values of the file are the ones that the command line changes. False: something is wrong with
// it, which was said.
static bool load(struct options *o) {
	if (o->config == NULL)
		return true;
	return options_load(o, o->config) == HT_OK
	       && (!options_can_again(o) || (o->from_file = options_again(o)) != NULL);
}

static void fill_longs(void) {
	static char names[NUM_SENSOR_OPTIONS][32];
	memcpy(longs, own_longs, sizeof(own_longs));
	for (size_t i = 0; i < NUM_SENSOR_OPTIONS; i++) {
		options_spell(names[i], sensor_option_of(i)->name);
		longs[NUM_LONGS + i]
			= (struct option){names[i], required_argument, NULL, OPT_SENSOR + (int)i};
	}
}

void options_parse(struct options *o, int argc, char **argv) {
	struct given given = {0};
	int c;
	memset(o, 0, sizeof(*o));
	ht_config_defaults(&options_table, o);
	o->asked = HT_KIND_HELLO | HT_KIND_EVENT;
	opterr = 0;
	fill_longs();
	o->config = config_of(argc, argv);
	if (!load(o)) {
		o->action = ACTION_USAGE;
		return;
	}
	set_lists(o);
	while (o->action != ACTION_USAGE
	       && (c = getopt_long(argc, argv, letters, longs, NULL)) != -1)
		if (!take(o, &given, c, argv[optind - 1]))
			return;
	if (o->action == ACTION_USAGE)
		return;
	options_kinds(o);
	check_given(o, &given, optind < argc ? argv[optind] : NULL);
}
