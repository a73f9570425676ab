// SPDX-License-Identifier: BSD-3-Clause
// The whole sensor over a capture file's bytes. Each frame is an exact-size heap copy, so that a
// read past it is seen; the caps are small, so that evictions happen; the ledger must balance
// whatever comes.

#include "capture_int.h"
#include "export.h"
#include "sensor.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void emit(void *user, struct ht_record *r) {
	for (unsigned i = 0; i < 3; i++)
		ht_sink_write(((struct ht_sink **)user)[i], r);
}

static void run_copy(struct ht_sensor *s, const struct ht_frame *f) {
	struct ht_frame copy = *f;
	uint8_t *bytes = malloc(f->caplen > 0 ? f->caplen : 1);
	if (bytes == NULL)
		abort();
	memcpy(bytes, f->data, f->caplen);
	copy.data = bytes;
	ht_sensor_run(s, &copy, 1);
	free(bytes);
}

// Made once: libcrypto takes longer to start than an input takes to run. ht_sensor_finish ends all
// flows, so inputs do not meet but in the fragment table.
static struct ht_sensor *make(enum ht_flows flows) {
	static struct ht_sink *sinks[3];
	static const char *const specs[3] = {"json:/dev/null", "csv:/dev/null", "table:/dev/null"};
	char err[256];
	for (unsigned i = 0; i < 3 && sinks[i] == NULL; i++) {
		const struct ht_sink_params none = {.width = 80};
		if (ht_sink_open(&sinks[i], specs[i], &none, err, sizeof(err)) != HT_OK)
			abort();
	}
	struct ht_sensor_params p;
	ht_sensor_defaults(&p);
	p.max_flows = 16;
	p.max_hellos = 8;
	p.max_hello_bytes = 4096;
	p.arena_bytes = 1u << 20;
	p.max_fragmented = 4;
	p.fragment_bytes = 1u << 19;
	p.ja4_r = true;
	p.flows = flows;
	p.flow_active_s = 1;
	p.flow_bytes = 1u << 20;
	p.max_answers = 8;
	p.max_answer_bytes = 4096;
	p.answer_bytes = 1u << 20;
	p.emit = emit;
	p.user = sinks;
	struct ht_sensor *s = ht_sensor_new(&p);
	if (s == NULL)
		abort();
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct ht_sensor *sensors[HT_FLOWS_ALL + 1];
	struct ht_capture *c;
	char err[256];
	// Without flow records, with those of TLS, with all: the input's length says which.
	const enum ht_flows flows = (enum ht_flows)(size % HT_ARRAY_LEN(sensors));
	if (sensors[flows] == NULL)
		sensors[flows] = make(flows);
	struct ht_sensor *s = sensors[flows];
	const struct ht_capture_how how
		= {.chunk = 1 << 16, .block = 1 << 16, .ahead_after = UINT64_MAX};
	if (ht_capture_open_memory(&c, HT_SPAN(data, size), &how, NULL, err, sizeof(err)) != HT_OK)
		return 0;
	struct ht_frame f[16];
	for (unsigned n; (n = ht_capture_file.read(c, f, 16)) > 0;) {
		for (unsigned i = 0; i < n; i++)
			run_copy(s, &f[i]);
		ht_capture_file.release(c);
	}
	ht_capture_file.close(c);
	ht_sensor_finish(s);
	const char *bad = ht_ledger_balance(ht_sensor_counters(s));
	if (bad != NULL) {
		fprintf(stderr, "ledger: %s does not balance\n", bad);
		abort();
	}
	return 0;
}
