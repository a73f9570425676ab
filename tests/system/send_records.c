// SPDX-License-Identifier: BSD-3-Clause
// Replays captures and gives their records to a link, as an output of the program would: what was
// not settled when the link broke is given again.
//
//	send_records SPEC [NAME=VALUE...] CAPTURE...
//
// `times=N` sends the records N times, `per_second=N` no more than so many; `json=FILE`
// writes what each record is as JSON; `encoding=protobuf`, `key=FIELD` and `kafka=NAME=VALUE` (more
// than once) are those of an output. When everything is settled, or `patience_s` are over, it
// prints "given N delivered N refused N again N breaks N".

#include "capture.h"
#include "encode.h"
#include "kafka.h"
#include "sensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RECORDS_MAX 65536u
#define WAIT_MS 20
#define RETRY_NS 200000000

struct sender {
	const struct ht_link_ops *ops;
	struct ht_link *link;
	bool connected;
	// The captures' records, packed.
	uint8_t *packed[RECORDS_MAX];
	uint32_t num;
	uint64_t total, next; // records to give; the next one, from 0
	uint64_t again, breaks;
	uint32_t times, per_second, patience_s;
	const char *json;
};

__attribute__((noreturn)) static void die(const char *what) {
	fprintf(stderr, "send_records: %s\n", what);
	exit(1);
}

static int64_t now_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void keep(void *user, const struct ht_record *r) {
	static uint8_t room[1 << 20];
	struct sender *const s = user;
	const size_t len = ht_record_pack(room, sizeof(room), r);
	if (len == 0 || s->num == RECORDS_MAX || (s->packed[s->num] = malloc(len)) == NULL)
		die("too many records, or too large ones");
	memcpy(s->packed[s->num++], room, len);
}

static void read_capture(struct sender *s, const char *file) {
	static struct ht_frame frames[256];
	struct ht_sensor_params p;
	ht_sensor_defaults(&p);
	p.emit = keep;
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
}

static void record_of(const struct sender *s, uint64_t n, struct ht_record *r) {
	(void)ht_record_unpack(r, s->packed[n % s->num]);
	ht_set(r, sensor_id, HT_SPAN_STR("sensor-7"));
	ht_set(r, sensor_run, 1763686800000);
	ht_set(r, sequence, n + 1);
}

static void write_json(const struct sender *s) {
	FILE *f = fopen(s->json, "w");
	struct ht_json *const j = ht_json_new();
	if (f == NULL || j == NULL)
		die(s->json);
	for (uint64_t n = 0; n < s->total; n++) {
		struct ht_record r;
		record_of(s, n, &r);
		const struct ht_span line = ht_json_encode(j, &r);
		fprintf(f, "%.*s\n", (int)line.len, (const char *)line.p);
	}
	ht_json_free(j);
	if (fclose(f) != 0)
		die(s->json);
}

static uint64_t num_settled(const struct sender *s) {
	struct ht_settled now;
	s->ops->settled(s->link, &now);
	return now.delivered + now.refused;
}

static void broke(struct sender *s) {
	const char *why = s->ops->error(s->link);
	fprintf(stderr, "%s\n", why != NULL ? why : "broke, and does not say why");
	s->again += s->next - num_settled(s);
	s->breaks++;
	s->connected = false;
	s->next = num_settled(s);
}

static void connect_link(struct sender *s) {
	const enum ht_rc rc = s->ops->connect(s->link, WAIT_MS);
	s->connected = rc == HT_OK;
	if (rc == HT_ERROR)
		nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
}

// give_some gives what may have been given by now. False: there is nothing now, or no room.
static bool give_some(struct sender *s, int64_t begun) {
	const uint64_t due = s->per_second == 0
				     ? s->total
				     : (uint64_t)((double)(now_ns() - begun) / 1e9 * s->per_second);
	struct ht_record r;
	for (unsigned i = 0; i < 1024; i++) {
		if (s->next == s->total || s->next >= due)
			return false;
		record_of(s, s->next, &r);
		const enum ht_rc rc = s->ops->give(s->link, &r);
		if (rc == HT_ERROR)
			broke(s);
		if (rc != HT_OK)
			return false;
		s->next++;
	}
	return true;
}

static void set(struct ht_sink_options *o, struct sender *s, char *argument) {
	static const char *kafka[16];
	char *value = strchr(argument, '=');
	*value++ = '\0';
	const uint32_t number = (uint32_t)strtoul(value, NULL, 10);
	if (strcmp(argument, "times") == 0)
		s->times = number;
	else if (strcmp(argument, "per_second") == 0)
		s->per_second = number;
	else if (strcmp(argument, "patience_s") == 0)
		s->patience_s = number;
	else if (strcmp(argument, "json") == 0)
		s->json = value;
	else if (strcmp(argument, "encoding") == 0)
		o->encoding = strcmp(value, "protobuf") == 0 ? HT_ENCODE_PROTOBUF : HT_ENCODE_JSON;
	else if (strcmp(argument, "key") == 0)
		o->key = value;
	else if (strcmp(argument, "kafka") == 0 && o->kafka.num < HT_ARRAY_LEN(kafka))
		kafka[o->kafka.num++] = value;
	else
		die("no such option");
	o->kafka.v = kafka;
}

static void run(struct sender *s) {
	const int64_t begun = now_ns(), end = begun + s->patience_s * 1000000000ll;
	while (num_settled(s) < s->total && now_ns() < end) {
		if (!s->connected) {
			connect_link(s);
			continue;
		}
		const bool more = give_some(s, begun);
		if (s->connected && s->ops->poll(s->link, !more, more ? 0 : WAIT_MS) != HT_OK)
			broke(s);
	}
}

int main(int argc, char **argv) {
	static struct sender s = {.ops = &ht_link_kafka, .times = 1, .patience_s = 60};
	if (argc < 3)
		die("usage: send_records SPEC [NAME=VALUE...] CAPTURE...");
	struct ht_sink_options o = {.to = argv[1], .queue_mib = 16};
	char err[512];
	for (int i = 2; i < argc; i++)
		if (strchr(argv[i], '=') != NULL)
			set(&o, &s, argv[i]);
		else
			read_capture(&s, argv[i]);
	if (s.ops->check(&o, err, sizeof(err)) != HT_OK
	    || s.ops->open(&s.link, &o, err, sizeof(err)) != HT_OK)
		die(err);
	s.total = (uint64_t)s.num * s.times;
	if (s.json != NULL)
		write_json(&s);
	run(&s);
	struct ht_settled now;
	s.ops->settled(s.link, &now);
	printf("given %" PRIu64 " delivered %" PRIu64 " refused %" PRIu64 " again %" PRIu64
	       " breaks %" PRIu64 "\n",
	       s.next, now.delivered, now.refused, s.again, s.breaks);
	s.ops->close(s.link);
	for (uint32_t i = 0; i < s.num; i++)
		free(s.packed[i]);
	return 0;
}
