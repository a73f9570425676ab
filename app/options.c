// SPDX-License-Identifier: BSD-3-Clause

#include "options.h"

#include "export.h"
#include "ht_config.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

// Long options without a letter. The sensor's own follow, in the order of its table.
enum {
	OPT_RECORDS = 256,
	OPT_FIELDS,
	OPT_STATS,
	OPT_JA4_R,
	OPT_SERVICES,
	OPT_SERVICES_TABLE,
	OPT_VERSION,
	OPT_SENSOR
};

static const struct {
	const char *name; // as in the table, with "_"
	uint32_t def, least, most;
	const char *help;
	size_t offset; // in struct ht_sensor_params
} sensor_options[] = {
#define X(name, def, least, most, help) \
	{#name, def, least, most, help, offsetof(struct ht_sensor_params, name)},
	HT_SENSOR_OPTIONS(X)
#undef X
};
#define NUM_SENSOR_OPTIONS HT_ARRAY_LEN(sensor_options)

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
	o->hellos = o->sensor.events = false;
	for (const char *p = list;; p++) {
		const size_t n = strcspn(p, ",");
		if (n == 5 && memcmp(p, "hello", n) == 0)
			o->hellos = true;
		else if (n == 5 && memcmp(p, "event", n) == 0)
			o->sensor.events = true;
		else
			usage(o, "--records %s: a list of 'hello' and 'event' was expected", list);
		p += n;
		if (*p == '\0')
			break;
	}
}

static void sensor_option(struct options *o, size_t i, const char *text) {
	char name[32], *end;
	spell(name, sensor_options[i].name);
	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0) {
		usage(o, "--%s %s: not a number", name, text);
		return;
	}
	if (v < sensor_options[i].least || v > sensor_options[i].most) {
		usage(o, "--%s %s: must be %u to %u", name, text, sensor_options[i].least,
		      sensor_options[i].most);
		return;
	}
	uint32_t value = (uint32_t)v;
	memcpy((char *)&o->sensor + sensor_options[i].offset, &value, sizeof(value));
}

static void
add(struct options *o,
    const char **list,
    unsigned *num,
    unsigned max,
    const char *what,
    const char *v) {
	if (*num == max)
		usage(o, "more than %u %s", max, what);
	else
		list[(*num)++] = v;
}

void options_parse(struct options *o, int argc, char **argv) {
	static struct option longs[NUM_SENSOR_OPTIONS + 16] = {
		{"read", required_argument, NULL, 'r'},
		{"filter", required_argument, NULL, 'f'},
		{"output", required_argument, NULL, 'o'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{"records", required_argument, NULL, OPT_RECORDS},
		{"fields", optional_argument, NULL, OPT_FIELDS},
		{"stats", required_argument, NULL, OPT_STATS},
		{"ja4-r", no_argument, NULL, OPT_JA4_R},
		{"services", required_argument, NULL, OPT_SERVICES},
		{"services-table", optional_argument, NULL, OPT_SERVICES_TABLE},
		{"version", no_argument, NULL, OPT_VERSION},
	};
	static char names[NUM_SENSOR_OPTIONS][32];
	unsigned n = 0;
	while (longs[n].name != NULL)
		n++;
	for (size_t i = 0; i < NUM_SENSOR_OPTIONS; i++) {
		spell(names[i], sensor_options[i].name);
		longs[n++]
			= (struct option){names[i], required_argument, NULL, OPT_SENSOR + (int)i};
	}

	memset(o, 0, sizeof(*o));
	ht_sensor_defaults(&o->sensor);
	o->hellos = o->sensor.events = true;
	int c;
	opterr = 0;
	while (o->action != ACTION_USAGE
	       && (c = getopt_long(argc, argv, ":r:f:o:qh", longs, NULL)) != -1) {
		switch (c) {
		case 'r':
			add(o, o->inputs, &o->num_inputs, MAX_INPUTS, "files to read", optarg);
			break;
		case 'o':
			add(o, o->sinks, &o->num_sinks, MAX_SINKS, "outputs", optarg);
			break;
		case 'f':
			o->filter = optarg;
			break;
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
			if (optarg == NULL)
				o->action = ACTION_FIELDS;
			else if (strcmp(optarg, "md") == 0)
				o->action = ACTION_FIELDS_MD;
			else
				usage(o, "--fields=%s: only 'md' is known", optarg);
			return;
		case OPT_SERVICES:
			add(o, o->services, &o->num_services, MAX_SERVICES, "files of services",
			    optarg);
			break;
		case OPT_SERVICES_TABLE: // goes on: the files may be named behind it
			if (optarg == NULL)
				o->action = ACTION_SERVICES;
			else if (strcmp(optarg, "md") == 0)
				o->action = ACTION_SERVICES_MD;
			else
				usage(o, "--services-table=%s: only 'md' is known", optarg);
			break;
		case OPT_RECORDS:
			records(o, optarg);
			break;
		case OPT_STATS:
			if (strcmp(optarg, "json") != 0)
				usage(o, "--stats %s: only 'json' is known", optarg);
			o->stats_json = true;
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
	if (optind < argc)
		usage(o, "%s: captures are named with -r", argv[optind]);
	else if (o->action == ACTION_RUN && o->num_inputs == 0)
		usage(o, "nothing to read: name a capture with -r FILE (- is standard input)");
}

void options_help(void) {
	fputs("hellotap finds every TLS, DTLS and QUIC ClientHello in a capture and says what the "
	      "client offered.\n"
	      "\n"
	      "  hellotap -r FILE [-r FILE ...] [-f FILTER] [-o SINK ...]\n"
	      "\n"
	      "Input\n"
	      "  -r, --read FILE      a capture: pcap or pcapng, plain, gzip or zstd (told by "
	      "content);\n"
	      "                       - is standard input. Several are read one after the other\n"
	      "  -f, --filter 'BPF'   only frames that match (pcap-filter(7)), e.g. 'port 443'\n"
	      "\n"
	      "Output\n"
	      "  -o, --output SINK    where records go; several are fed side by side:\n",
	      stdout);
	for (const struct ht_sink_ops *const *k = ht_sink_kinds; *k != NULL; k++)
		printf("                         %-14s %s\n", (*k)->name, (*k)->help);
	fputs("                       SINK:PATH writes to a file; without it, to standard output.\n"
	      "                       Default: table on a terminal, json otherwise\n"
	      "      --records LIST   kinds of record: hello, event (default: hello,event)\n"
	      "      --ja4-r          add the unhashed JA4_r\n"
	      "      --services FILE  name ports by the lines of FILE, 'PORT[-PORT]/tcp|udp NAME "
	      "MODE',\n"
	      "                       over the built-in table; may be given more than once\n"
	      "      --stats json     at the end, the whole ledger of counters on standard error\n"
	      "  -q, --quiet          no progress line and no summary\n"
	      "      --fields[=md]    print the table of record fields and exit\n"
	      "      --services-table[=md]\n"
	      "                       print the table of services by port in force and exit\n"
	      "      --version        print the version, and what it was built with, and exit\n"
	      "\n"
	      "Caps: all state is reserved at start; what does not fit is given up and counted\n",
	      stdout);
	for (size_t i = 0; i < NUM_SENSOR_OPTIONS; i++) {
		char name[32];
		spell(name, sensor_options[i].name);
		printf("      --%-20s %s\n", name, sensor_options[i].help);
		printf("        %-20s   %u to %u, default %u\n", "", sensor_options[i].least,
		       sensor_options[i].most, sensor_options[i].def);
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
	      "  ssh probe tcpdump -w - | hellotap -r - -f 'port 443' -o csv:hellos.csv\n",
	      stdout);
}
