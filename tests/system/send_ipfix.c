// SPDX-License-Identifier: BSD-3-Clause
// Replays a capture and gives its records to a link of IPFIX: what test_ipfix.py has collectors
// read.
//
//	send_ipfix ipfix+KIND://HOST:PORT CAPTURE [NAME=VALUE...]
//
// NAME is that of a sink's option; `flows=1` adds a flow, an aggregate and a stats record of known
// counts behind each hello, `times=N` sends all of it N times. When everything is settled it prints
// "given N delivered N refused N".

#include "capture.h"
#include "ipfix.h"
#include "sensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TRIES 3 // to connect
#define PATIENCE_MS 20000

struct sender {
	const struct ht_link_ops *ops;
	struct ht_link *link;
	uint64_t given;
	bool flows, connected;
};

__attribute__((noreturn)) static void die(const char *what) {
	fprintf(stderr, "send_ipfix: %s\n", what);
	exit(1);
}

static const char *reason(const struct sender *s) {
	const char *const e = s->ops->error(s->link);
	return e != NULL ? e : "broken, and does not say why";
}

static void give(struct sender *s, struct ht_record *r) {
	ht_set(r, sequence, ++s->given);
	ht_set(r, sensor_id, HT_SPAN_STR("sensor-7"));
	ht_set(r, sensor_run, 1763686800000);
	for (;;) {
		const enum ht_rc rc = s->ops->give(s->link, r);
		if (rc == HT_OK)
			return;
		if (rc != HT_MORE || s->ops->poll(s->link, false, 100) != HT_OK)
			die(reason(s));
	}
}

// The counts are the record's number in another place each.
static void give_flow(struct sender *s, const struct ht_record *hello) {
	const uint64_t n = s->given;
	struct ht_record r = *hello;
	ht_set(&r, record, "flow");
	ht_set(&r, start, r.ts - 1500000000);
	ht_set(&r, end, r.ts);
	ht_set(&r, duration_us, 1500000);
	ht_set(&r, end_reason, "end");
	ht_set(&r, c2s_packets, 10 + n);
	ht_set(&r, c2s_bytes, 2000 + n);
	ht_set(&r, c2s_ip_bytes, 1000 + n);
	ht_set(&r, s2c_packets, 20 + n);
	ht_set(&r, s2c_bytes, 40000 + n);
	ht_set(&r, s2c_ip_bytes, 30000 + n);
	ht_set(&r, c2s_tcp_flags, 0x1b);
	ht_set(&r, s2c_tcp_flags, 0x1a);
	ht_set(&r, server_version, "TLS 1.3");
	ht_set(&r, server_cipher, 0x1301);
	give(s, &r);
	ht_set(&r, record, "aggregate");
	r.has &= ht_kind_fields(HT_KIND_AGGREGATE);
	ht_set(&r, first_seen, r.ts - 1500000000);
	ht_set(&r, last_seen, r.ts);
	ht_set(&r, flows, 7);
	give(s, &r);
}

static void give_stats(struct sender *s) {
	struct ht_record r = {.has = 0};
	ht_set(&r, record, "stats");
	ht_set(&r, ts, 1763686800123456789);
	ht_set(&r, frames_read, 4711);
	ht_set(&r, frames_lost, 12);
	ht_set(&r, records_made, s->given);
	ht_set(&r, records_lost, 3);
	give(s, &r);
}

static void emit(void *user, const struct ht_record *r) {
	struct sender *const s = user;
	struct ht_record copy = *r;
	give(s, &copy);
	if (s->flows && ht_record_kind(r) == HT_KIND_HELLO)
		give_flow(s, r);
}

static void replay(struct sender *s, const char *file) {
	static struct ht_frame frames[256];
	struct ht_sensor_params p;
	ht_sensor_defaults(&p);
	p.emit = emit;
	p.user = s;
	struct ht_sensor *const sensor = ht_sensor_new(&p);
	const struct ht_capture_params from = {.source = file};
	struct ht_capture *c;
	char err[512] = "no memory";
	if (sensor == NULL || ht_capture_file.open(&c, &from, err, sizeof(err)) != HT_OK)
		die(err);
	for (unsigned n; (n = ht_capture_file.read(c, frames, HT_ARRAY_LEN(frames))) > 0;) {
		ht_sensor_run(sensor, frames, n);
		ht_capture_file.release(c);
	}
	ht_capture_file.close(c);
	ht_sensor_finish(sensor);
	ht_sensor_free(sensor);
	if (s->flows)
		give_stats(s);
}

static const struct ht_link_ops *ops_of(const char *spec) {
	static const struct ht_link_ops *const all[]
		= {&ht_link_ipfix_tcp, &ht_link_ipfix_tls, &ht_link_ipfix_udp};
	for (unsigned i = 0; i < HT_ARRAY_LEN(all); i++)
		if (strncmp(spec, all[i]->name, strlen(all[i]->name)) == 0)
			return all[i];
	die("no such kind of link");
}

static void set(struct ht_sink_options *o, struct sender *s, unsigned *times, char *argument) {
	static const char *words[8];
	char *value = strchr(argument, '=');
	if (value == NULL)
		die("usage: send_ipfix SPEC CAPTURE [NAME=VALUE...]");
	*value++ = '\0';
	const uint32_t number = (uint32_t)strtoul(value, NULL, 10);
	if (strcmp(argument, "flows") == 0)
		s->flows = number != 0;
	else if (strcmp(argument, "times") == 0)
		*times = number;
	else if (strcmp(argument, "pen") == 0)
		o->pen = number;
	else if (strcmp(argument, "mtu") == 0)
		o->mtu = number;
	else if (strcmp(argument, "tls_ca") == 0)
		o->tls_ca = value;
	else if (strcmp(argument, "tls_cert") == 0)
		o->tls_cert = value;
	else if (strcmp(argument, "tls_key") == 0)
		o->tls_key = value;
	else if (strcmp(argument, "tls_name") == 0)
		o->tls_name = value;
	else if (strcmp(argument, "profiles") == 0)
		for (char *w = strtok(value, ","); w != NULL && o->profiles.num < 8;
		     w = strtok(NULL, ","))
			words[o->profiles.num++] = w;
	else
		die("no such option");
	o->profiles.v = words;
}

static void connect_link(struct sender *s) {
	for (unsigned tries = 1;; tries++) {
		enum ht_rc rc;
		do
			rc = s->ops->connect(s->link, 1000);
		while (rc == HT_MORE);
		if (rc == HT_OK)
			return;
		if (tries == TRIES)
			die(reason(s));
		nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
	}
}

static void settle(struct sender *s) {
	struct ht_settled now = {0};
	for (unsigned i = 0; i < PATIENCE_MS / 100; i++) {
		if (s->ops->poll(s->link, true, 100) != HT_OK)
			die(reason(s));
		s->ops->settled(s->link, &now);
		if (now.delivered + now.refused == s->given)
			break;
	}
	printf("given %" PRIu64 " delivered %" PRIu64 " refused %" PRIu64 "\n", s->given,
	       now.delivered, now.refused);
}

int main(int argc, char **argv) {
	if (argc < 3)
		die("usage: send_ipfix SPEC CAPTURE [NAME=VALUE...]");
	struct ht_sink_options o = {.to = argv[1], .domain = 42, .template_s = 60, .mtu = 1400};
	struct sender s = {.ops = ops_of(argv[1])};
	unsigned times = 1;
	char err[512];
	for (int i = 3; i < argc; i++)
		set(&o, &s, &times, argv[i]);
	if (s.ops->check(&o, err, sizeof(err)) != HT_OK
	    || s.ops->open(&s.link, &o, err, sizeof(err)) != HT_OK)
		die(err);
	connect_link(&s);
	for (unsigned i = 0; i < times; i++)
		replay(&s, argv[2]);
	settle(&s);
	s.ops->close(s.link);
	return 0;
}
