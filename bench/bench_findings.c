// SPDX-License-Identifier: BSD-3-Clause
// bench_findings: nanoseconds that findings take of a hello, over the hellos of a capture; and what
// it takes to load a policy. Usage: bench_findings CAPTURE [POLICY]
//
// A record is unpacked where the sensor would make it, so that its bytes are as near as they are
// there; then the same without looking at it, and the difference counts.

#include "bench.h"
#include "capture.h"
#include "findings.h"
#include "sensor.h"
#include "whole.h"

#include <string.h>

#define NUM 8192 // hellos that are kept
#define SLICES 300
#define SLICE 1024 // hellos a slice
#define FRAMES 256

struct bench {
	struct ht_policy *policy;
	uint8_t *packed[NUM];
	unsigned num;
};

static void keep(void *user, struct ht_record *r) {
	static uint8_t bytes[1 << 20];
	struct bench *b = user;
	if (ht_record_kind(r) != HT_KIND_HELLO || b->num == NUM)
		return;
	const size_t len = ht_record_pack(bytes, sizeof(bytes), r);
	need(len > 0 && (b->packed[b->num] = malloc(len)) != NULL, "no memory");
	memcpy(b->packed[b->num++], bytes, len);
}

static void read_hellos(struct bench *b, const char *file) {
	static struct ht_frame frames[FRAMES];
	const struct ht_capture_params c = {.source = file};
	struct ht_sensor_params p;
	struct ht_capture *capture;
	char err[512];
	ht_sensor_defaults(&p);
	p.secret[0] = p.secret[1] = 1;
	p.emit = keep;
	p.user = b;
	struct ht_sensor *s = ht_sensor_new(&p);
	need(s != NULL, "no sensor");
	need(ht_capture_file.open(&capture, &c, err, sizeof(err)) == HT_OK, "no such capture");
	for (unsigned n; b->num < NUM && (n = ht_capture_file.read(capture, frames, FRAMES)) > 0;) {
		ht_sensor_run(s, frames, n);
		ht_capture_file.release(capture);
	}
	ht_capture_file.close(capture);
	ht_sensor_free(s);
	need(b->num > 0, "no hello in it");
}

static void load(struct bench *b, const char *file) {
	static uint8_t text[HT_POLICY_BYTES_MAX];
	static struct ht_policy_report rep;
	struct ht_span all = ht_policy_default();
	if (file != NULL) {
		need(ht_read_file(file, text, sizeof(text), &all.len), "no such policy");
		all.p = text;
	}
	const double start = now();
	need(ht_policy_parse(&b->policy, all, NULL, &rep) == HT_OK, "the policy is wrong");
	printf("policy: %u findings, loaded in %.2f ms\n", ht_policy_num(b->policy),
	       (now() - start) / 1e6);
}

// ns a hello.
static void measure(const struct bench *b, const struct ht_policy *p, double out[SLICES]) {
	static const uint8_t null_method[1];
	static struct ht_record r;
	unsigned n = 0;
	r.compression = HT_SPAN(null_method, 1);
	for (unsigned s = 0; s < SLICES; s++) {
		const double start = now();
		for (unsigned i = 0; i < SLICE; i++) {
			(void)ht_record_unpack(&r, b->packed[n]);
			ht_findings_fill(p, &r);
			n = n + 1 < b->num ? n + 1 : 0;
		}
		out[s] = (now() - start) / SLICE;
	}
	qsort(out, SLICES, sizeof(out[0]), by_value);
}

static void count(const struct bench *b) {
	static struct ht_record r;
	unsigned some = 0, all = 0;
	for (unsigned i = 0; i < b->num; i++) {
		(void)ht_record_unpack(&r, b->packed[i]);
		r.compression = HT_SPAN_EMPTY;
		ht_findings_fill(b->policy, &r);
		if (r.has & HT_HAS(findings)) {
			some++;
			all += r.findings.num;
		}
	}
	printf("%u hellos, of them with findings %u, findings %u\n", b->num, some, all);
}

int main(int argc, char **argv) {
	static struct bench b;
	static double with[SLICES], without[SLICES];
	need(argc > 1, "wants a capture");
	load(&b, argc > 2 ? argv[2] : NULL);
	read_hellos(&b, argv[1]);
	count(&b);
	measure(&b, b.policy, with); // the first one warms up
	measure(&b, NULL, without);
	measure(&b, b.policy, with);
	printf("%-28s %6s %6s\n", "ns for one hello", "least", "median");
	printf("%-28s %6.0f %6.0f\n", "unpacked", without[0], without[SLICES / 2]);
	printf("%-28s %6.0f %6.0f\n", "unpacked, findings", with[0], with[SLICES / 2]);
	printf("%-28s %6.0f %6.0f\n", "findings", with[0] - without[0],
	       with[SLICES / 2] - without[SLICES / 2]);
	for (unsigned i = 0; i < b.num; i++)
		free(b.packed[i]);
	ht_policy_free(b.policy);
	return 0;
}
