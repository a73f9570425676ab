// SPDX-License-Identifier: BSD-3-Clause
// options: the command line.

#pragma once

#include "capture.h"
#include "sensor.h"

#define MAX_INPUTS 1024
#define MAX_INTERFACES 16
#define MAX_SINKS 8
#define MAX_SERVICES 16

enum action {
	ACTION_RUN,
	ACTION_FIELDS,
	ACTION_FIELDS_MD,
	ACTION_SERVICES,
	ACTION_SERVICES_MD,
	ACTION_VERSION,
	ACTION_HELP,
	ACTION_USAGE
};

struct options {
	enum action action;
	const char *inputs[MAX_INPUTS];
	unsigned num_inputs;
	const char *interfaces[MAX_INTERFACES];
	unsigned num_interfaces;
	struct ht_capture_params live; // but for source and filter
	const char *sinks[MAX_SINKS];
	unsigned num_sinks;
	const char *services[MAX_SERVICES]; // files
	unsigned num_services;
	const char *filter;
	bool hellos; // hello records are wanted
	bool stats_json;
	bool quiet;
	struct ht_sensor_params sensor;
};

// options_parse reads the command line. On ACTION_USAGE it has said on standard error what is
// wrong.
void options_parse(struct options *o, int argc, char **argv);

void options_help(void);
