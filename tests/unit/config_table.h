// SPDX-License-Identifier: BSD-3-Clause
// config_table: options of every type, nested every way, for the test of config and its fuzz
// target.

#pragma once

#include "option.h"

struct t_filter {
	const char *expr;
	uint32_t weight;
};

struct t_sink {
	uint32_t kind;
	const char *path;
	bool flush;
	struct t_queue {
		uint32_t records;
	} queue;
	struct ht_option_sections filters; // of struct t_filter
};

struct t_config {
	// First, and its first option first: all three have one address.
	struct t_sensor {
		uint32_t max_flows;
		bool events;
		struct t_idle {
			uint32_t tcp_s, udp_s;
		} idle;
		struct ht_option_u32s ports;
	} sensor;
	const char *name, *note;
	bool verbose;
	uint32_t mode;
	struct ht_option_texts interfaces;
	struct ht_option_sections sinks; // of struct t_sink
	struct t_kafka {
		struct ht_option_texts brokers;
		const char *topic;
		struct ht_option_u32s partitions;
	} kafka;
};

#define TABLE(name, title, type) \
	static const struct ht_option_table name##_table \
		= {title, name##_options, HT_ARRAY_LEN(name##_options), sizeof(type)}

static const char *const t_modes[] = {"lax", "strict", "off", NULL};
static const char *const t_kinds[] = {"json", "csv", "ipfix+tcp", NULL};

static const struct ht_option t_idle_options[] = {
	{"tcp_s", "seconds without a packet", offsetof(struct t_idle, tcp_s), HT_OPTION_U32,
	 .def = 60, .least = 1, .most = 3600, .reload = true},
	{"udp_s", "the same for UDP", offsetof(struct t_idle, udp_s), HT_OPTION_U32, .def = 30,
	 .least = 1, .most = 3600},
};
TABLE(t_idle, "When a flow has ended", struct t_idle);

static const struct ht_option t_sensor_options[] = {
	{"max_flows", "flows at a time", offsetof(struct t_sensor, max_flows), HT_OPTION_U32,
	 .def = 65536, .least = 16, .most = 1 << 24},
	{"events", "tell events", offsetof(struct t_sensor, events), HT_OPTION_BOOL, .def = 1,
	 .reload = true},
	{"idle", "when a flow has ended", offsetof(struct t_sensor, idle), HT_OPTION_SECTION,
	 .sub = &t_idle_table},
	{"ports", "ports to look at", offsetof(struct t_sensor, ports), HT_OPTION_U32S, .def = 443,
	 .least = 1, .most = 65535, .max = 4, .reload = true},
};
TABLE(t_sensor, "The engine", struct t_sensor);

static const struct ht_option t_queue_options[] = {
	{"records", "records that may wait", offsetof(struct t_queue, records), HT_OPTION_U32,
	 .def = 1024, .least = 0, .most = UINT32_MAX},
};
TABLE(t_queue, "A sink's queue", struct t_queue);

static const struct ht_option t_filter_options[] = {
	{"expr", "what passes", offsetof(struct t_filter, expr), HT_OPTION_TEXT,
	 .def_text = "sni ~ \"a|b\\c\"", .required = true, .reload = true},
	{"weight", "of its votes", offsetof(struct t_filter, weight), HT_OPTION_U32, .def = 1,
	 .most = 9},
};
TABLE(t_filter, "A filter of a sink", struct t_filter);

static const struct ht_option t_sink_options[] = {
	{"kind", "what is written", offsetof(struct t_sink, kind), HT_OPTION_CHOICE,
	 .choices = t_kinds, .required = true},
	{"path", "where to", offsetof(struct t_sink, path), HT_OPTION_TEXT},
	{"flush", "after each record", offsetof(struct t_sink, flush), HT_OPTION_BOOL,
	 .reload = true},
	{"queue", "what may wait", offsetof(struct t_sink, queue), HT_OPTION_SECTION,
	 .sub = &t_queue_table},
	{"filters", "one of them must let a record pass", offsetof(struct t_sink, filters),
	 HT_OPTION_SECTIONS, .max = 3, .sub = &t_filter_table},
};
TABLE(t_sink, "A sink", struct t_sink);

static const struct ht_option t_kafka_options[] = {
	{"brokers", "HOST:PORT of some", offsetof(struct t_kafka, brokers), HT_OPTION_TEXTS,
	 .max = 2, .def_text = "kafka.example:9092", .required = true},
	{"topic", "what to write | to", offsetof(struct t_kafka, topic), HT_OPTION_TEXT,
	 .def_text = "hel|los"},
	{"partitions", "which of them", offsetof(struct t_kafka, partitions), HT_OPTION_U32S,
	 .def = 7, .most = 9, .max = 3, .required = true},
};
TABLE(t_kafka, "Kafka", struct t_kafka);

static const struct ht_option t_config_options[] = {
	{"sensor", "the engine", offsetof(struct t_config, sensor), HT_OPTION_SECTION,
	 .sub = &t_sensor_table},
	{"name", "of this sensor", offsetof(struct t_config, name), HT_OPTION_TEXT,
	 .def_text = "hello \"tap\" \\ \xc3\xa9\n\xc2\x85\xe2\x80\xa8#: x"},
	{"note", "whatever", offsetof(struct t_config, note), HT_OPTION_TEXT, .reload = true},
	{"verbose", "say more", offsetof(struct t_config, verbose), HT_OPTION_BOOL, .reload = true},
	{"mode", "how strict to be", offsetof(struct t_config, mode), HT_OPTION_CHOICE, .def = 1,
	 .choices = t_modes},
	{"interfaces", "what to listen on", offsetof(struct t_config, interfaces), HT_OPTION_TEXTS,
	 .max = 8},
	{"sinks", "where records go", offsetof(struct t_config, sinks), HT_OPTION_SECTIONS,
	 .max = 4, .sub = &t_sink_table},
	{"kafka", "records to Kafka", offsetof(struct t_config, kafka), HT_OPTION_SECTION,
	 .sub = &t_kafka_table},
};
TABLE(t_config, "A sensor for tests", struct t_config);
