// SPDX-License-Identifier: BSD-3-Clause
// Against the brokers that librdkafka brings for tests: they answer on the loopback, can be taken
// away, and fail when they are told to. tests/system/test_kafka.py has a real one.

#include "ht_config.h"
#include "kafka.h"
#include "protobuf.h"
#include "t.h"

#include <time.h>

static const struct ht_link_ops *const ops = &ht_link_kafka;

#if !HT_HAVE_KAFKA

static void says_what_it_was_built_without(void **state) {
	(void)state;
	const struct ht_sink_options o = {.to = "kafka://b1/hellos"};
	struct ht_link *l;
	char err[200] = "";
	assert_int_equal(ops->check(&o, err, sizeof(err)), HT_BAD);
	assert_non_null(strstr(err, "librdkafka"));
	assert_int_equal(ops->open(&l, &o, err, sizeof(err)), HT_ERROR);
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(says_what_it_was_built_without)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#define PRODUCE 0 // keys of the API
#define INIT_PRODUCER_ID 22
#define MANY 3000
#define SOON_MS 60000 // for whatever has to happen; the machine may be busy

static int64_t now_ms(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// ---- brokers

static rd_kafka_t *idle;
static rd_kafka_mock_cluster_t *cluster;

static void quiet(const rd_kafka_t *rk, int level, const char *facility, const char *text) {
	(void)rk;
	(void)level;
	(void)facility;
	(void)text;
}

static int start_brokers(void **state) {
	(void)state;
	char err[200];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set_log_cb(conf, quiet);
	idle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof(err));
	assert_non_null(idle);
	cluster = rd_kafka_mock_cluster_new(idle, 2);
	assert_non_null(cluster);
	assert_int_equal(rd_kafka_mock_topic_create(cluster, "hellos", 3, 2), 0);
	return 0;
}

static int stop_brokers(void **state) {
	(void)state;
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(idle);
	return 0;
}

static void set_up(bool up) {
	for (int id = 1; id <= 2; id++)
		if (up)
			rd_kafka_mock_broker_set_up(cluster, id);
		else
			rd_kafka_mock_broker_set_down(cluster, id);
}

// ---- what arrives

struct arrived {
	unsigned times[MANY + 1]; // by sequence
	unsigned num, again, keyless, misplaced;
	bool in_order; // by partition, but for what came again
};

static void note(struct arrived *a, const rd_kafka_message_t *m, struct ht_protobuf *protobuf) {
	static uint64_t last[3];
	unsigned long sequence = 0;
	rd_kafka_headers_t *headers;
	const void *kind;
	size_t kind_len;
	if (a->num++ == 0)
		memset(last, 0, sizeof(last));
	if (protobuf != NULL) {
		struct ht_record r;
		assert_int_equal(
			ht_protobuf_decode(protobuf, HT_SPAN(m->payload, m->len), &r), HT_OK
		);
		sequence = r.sequence;
	} else {
		static const char name[] = "\"sequence\":";
		const char *at = memmem(m->payload, m->len, name, strlen(name));
		assert_non_null(at);
		assert_int_equal(((const char *)m->payload)[m->len - 1], '}');
		sequence = strtoul(at + strlen(name), NULL, 10);
	}
	assert_in_range(sequence, 1, MANY);
	a->again += a->times[sequence]++ > 0;
	if (a->times[sequence] == 1) {
		a->in_order = a->in_order && sequence > last[m->partition];
		last[m->partition] = sequence;
	}
	assert_int_equal(rd_kafka_message_headers(m, &headers), 0);
	assert_int_equal(rd_kafka_header_get_last(headers, "record", &kind, &kind_len), 0);
	assert_int_equal(kind_len, 5);
	assert_memory_equal(kind, "hello", 5);
	if (m->key == NULL)
		a->keyless++;
	else // the community id that fill() made
		assert_int_equal(strtoul((const char *)m->key + 2, NULL, 10), sequence % 100);
}

// read_back reads all of the topic.
static void read_back(struct arrived *a, bool protobuf) {
	char err[200];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set_log_cb(conf, quiet);
	rd_kafka_conf_set(conf, "group.id", "test", NULL, 0);
	rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
	rd_kafka_conf_set(
		conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster), NULL, 0
	);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, err, sizeof(err));
	assert_non_null(rk);
	rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(3);
	for (int i = 0; i < 3; i++)
		rd_kafka_topic_partition_list_add(all, "hellos", i)->offset
			= RD_KAFKA_OFFSET_BEGINNING;
	assert_int_equal(rd_kafka_assign(rk, all), 0);
	rd_kafka_topic_partition_list_destroy(all);
	struct ht_protobuf *p = protobuf ? ht_protobuf_new() : NULL;
	memset(a, 0, sizeof(*a));
	a->in_order = true;
	const int64_t end = now_ms() + SOON_MS;
	for (unsigned ends = 0; ends < 3 && now_ms() < end;) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
		if (m == NULL)
			continue;
		if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			ends++;
		else if (m->err == 0)
			note(a, m, p);
		rd_kafka_message_destroy(m);
	}
	ht_protobuf_free(p);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
}

static void expect_each(const struct arrived *a, unsigned from, unsigned to) {
	for (unsigned i = from; i <= to; i++)
		if (a->times[i] == 0)
			fail_msg("record %u did not arrive", i);
}

static void expect_each_once(unsigned num, bool protobuf) {
	static struct arrived a;
	read_back(&a, protobuf);
	expect_each(&a, 1, num);
	assert_int_equal(a.num, num);
	assert_int_equal(a.again, 0);
	assert_true(a.in_order);
}

// ---- the link

static char where[200];
static const char *texts[8];
static struct ht_sink_options options;

// set_options is for brokers of their own; the options of librdkafka end with NULL.
static void set_options(const char *const *kafka) {
	snprintf(
		where, sizeof(where), "kafka://%s/hellos", rd_kafka_mock_cluster_bootstraps(cluster)
	);
	options = (struct ht_sink_options){.to = where, .queue_mib = 16};
	options.kafka.v = texts;
	texts[options.kafka.num++] = "topic.metadata.refresh.interval.ms=500";
	texts[options.kafka.num++] = "reconnect.backoff.max.ms=200";
	for (; kafka != NULL && *kafka != NULL; kafka++)
		texts[options.kafka.num++] = *kafka;
}

static struct ht_link *open_link(void) {
	struct ht_link *l;
	char err[400] = "";
	if (ops->open(&l, &options, err, sizeof(err)) != HT_OK)
		fail_msg("%s", err);
	return l;
}

static enum ht_rc connect_within(struct ht_link *l, int ms) {
	const int64_t end = now_ms() + ms;
	enum ht_rc rc;
	while ((rc = ops->connect(l, 5)) == HT_MORE && now_ms() < end)
		;
	return rc;
}

static struct ht_link *open_connected(const char *const *kafka) {
	set_options(kafka);
	struct ht_link *l = open_link();
	if (connect_within(l, SOON_MS) != HT_OK)
		fail_msg("%s", ops->error(l));
	assert_null(ops->error(l));
	return l;
}

static enum ht_rc give_sized(struct ht_link *l, unsigned sequence, size_t sni_len) {
	static char sni[8000], id[32];
	struct ht_record r;
	memset(sni, 'a', sizeof(sni));
	const int n = snprintf(id, sizeof(id), "1:%02u", sequence % 100);
	r.has = 0;
	ht_set(&r, record, "hello");
	ht_set(&r, community_id, HT_SPAN(id, (size_t)n));
	ht_set(&r, sni, HT_SPAN(sni, sni_len));
	ht_set(&r, sequence, sequence);
	return ops->give(l, &r);
}

static enum ht_rc give(struct ht_link *l, unsigned sequence) {
	return give_sized(l, sequence, 20);
}

static void give_all(struct ht_link *l, unsigned from, unsigned to) {
	for (unsigned i = from; i <= to; i++)
		assert_int_equal(give(l, i), HT_OK);
}

static struct ht_settled settled(const struct ht_link *l) {
	struct ht_settled s;
	ops->settled(l, &s);
	return s;
}

// settle polls until so many are settled.
static enum ht_rc settle(struct ht_link *l, uint64_t num, int ms) {
	const int64_t end = now_ms() + ms;
	uint64_t before = 0;
	while (now_ms() < end) {
		const struct ht_settled s = settled(l);
		assert_true(s.delivered + s.refused >= before);
		before = s.delivered + s.refused;
		if (before == num)
			return HT_OK;
		if (ops->poll(l, true, 20) != HT_OK)
			return HT_ERROR;
	}
	return HT_MORE;
}

static void expect_settled(const struct ht_link *l, uint64_t delivered, uint64_t refused) {
	assert_int_equal(settled(l).delivered, delivered);
	assert_int_equal(settled(l).refused, refused);
}

// ---- cases

static void options_are_checked(void **state) {
	(void)state;
	static const struct {
		const char *to, *key, *kafka, *err; // err: NULL, or how it begins
	} cases[] = {
		{"kafka://b1/hellos", NULL, NULL, NULL},
		{"kafka://b1:9092,b2.example:9093,192.0.2.1,[2001:db8::1]:9092,[::1]/a.b_c-1", NULL,
		 NULL, NULL},
		{"kafka://b1", NULL, NULL, "not kafka://broker[:port][,...]/topic"},
		{"kafka://b1/", NULL, NULL, "a topic is 1 to "},
		{"kafka:///hellos", NULL, NULL, "'' is no broker[:port]"},
		{"kafka://b1,/hellos", NULL, NULL, "'' is no broker[:port]"},
		{"kafka://b1:/hellos", NULL, NULL, "'b1:' is no broker[:port]"},
		{"kafka://b1:0/hellos", NULL, NULL, "'b1:0' is no broker[:port]"},
		{"kafka://b1:65536/hellos", NULL, NULL, "'b1:65536' is no broker[:port]"},
		{"kafka://b1:12x/hellos", NULL, NULL, "'b1:12x' is no broker[:port]"},
		{"kafka://:9092/hellos", NULL, NULL, "':9092' is no broker[:port]"},
		{"kafka://[::1/hellos", NULL, NULL, "'[::1' is no broker[:port]"},
		{"kafka://u@b1/hellos", NULL, NULL, "'u@b1' is no broker[:port]"},
		{"kafka://b1/hellos/more", NULL, NULL, "a topic is 1 to "},
		{"kafka://b1/..", NULL, NULL, "a topic is 1 to "},
		{"kafka://b1/h\xc3\xa4llos", NULL, NULL, "a topic is 1 to "},
		{"kafka://b1/hellos", "none", NULL, NULL},
		{"kafka://b1/hellos", "sni", NULL, NULL},
		{"kafka://b1/hellos", "dst_port", NULL, NULL},
		{"kafka://b1/hellos", "quic_dcid", NULL, NULL},
		{"kafka://b1/hellos", "snii", NULL, "key: snii: no such field"},
		{"kafka://b1/hellos", "alpn", NULL, "key: alpn: a [string]"},
		{"kafka://b1/hellos", "ts", NULL, "key: ts: "},
		{"kafka://b1/hellos", NULL, "linger.ms=5", NULL},
		{"kafka://b1/hellos", NULL, "sasl.password=a=b", NULL},
		{"kafka://b1/hellos", NULL, "compression.codec=gzip", NULL},
		{"kafka://b1/hellos", NULL, "linger.ms", "kafka: "},
		{"kafka://b1/hellos", NULL, "=5", "kafka: "},
		{"kafka://b1/hellos", NULL, "lingerms=5", "kafka: No such configuration property"},
		{"kafka://b1/hellos", NULL, "linger.ms=-5", "kafka: Configuration property"},
		{"kafka://b1/hellos", NULL, "compression.codec=rar", "kafka: Invalid value"},
		{"kafka://b1/hellos", NULL, "enable.idempotence=false",
		 "kafka: enable.idempotence"},
		{"kafka://b1/hellos", NULL, "acks=1", "kafka: acks: "},
		{"kafka://b1/hellos", NULL, "bootstrap.servers=b2", "kafka: bootstrap.servers"},
		{"kafka://b1/hellos", NULL, "transactional.id=x", "kafka: transactional.id"},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		const struct ht_sink_options o = {
			.to = cases[i].to,
			.key = cases[i].key,
			.queue_mib = 16,
			.kafka = {(const char **)&cases[i].kafka, cases[i].kafka != NULL},
		};
		char err[400] = "";
		const enum ht_rc rc = ops->check(&o, err, sizeof(err));
		const char *want = cases[i].err;
		if (rc != (want != NULL ? HT_BAD : HT_OK)
		    || (want != NULL && strncmp(err, want, strlen(want)) != 0))
			fail_msg("case %u, %s: %s", i, cases[i].to, err);
	}
}

// Two that librdkafka takes each, and not together.
static void options_that_exclude_each_other_fail_at_open(void **state) {
	(void)state;
	const char *v[] = {"max.in.flight.requests.per.connection=7"};
	const struct ht_sink_options o
		= {.to = "kafka://127.0.0.1:1/hellos", .queue_mib = 16, .kafka = {v, 1}};
	struct ht_link *l;
	char err[400] = "";
	assert_int_equal(ops->open(&l, &o, err, sizeof(err)), HT_ERROR);
	assert_non_null(strstr(err, "max.in.flight"));
}

static void each_arrives_once_in_order(void **state) {
	(void)state;
	struct ht_link *l = open_connected(NULL);
	give_all(l, 1, MANY);
	assert_int_equal(settle(l, MANY, SOON_MS), HT_OK);
	expect_settled(l, MANY, 0);
	assert_in_range(settled(l).bytes, MANY * 60, MANY * 120);
	ops->close(l);
	expect_each_once(MANY, false);
}

static void protobuf_arrives_as_well(void **state) {
	(void)state;
	if (!HT_HAVE_PROTOBUF)
		skip();
	set_options(NULL);
	options.encoding = HT_ENCODE_PROTOBUF;
	options.key = "none";
	struct ht_link *l = open_link();
	assert_int_equal(connect_within(l, SOON_MS), HT_OK);
	give_all(l, 1, 200);
	assert_int_equal(settle(l, 200, SOON_MS), HT_OK);
	assert_in_range(settled(l).bytes, 200 * 20, 200 * 50);
	ops->close(l);
	static struct arrived a;
	read_back(&a, true);
	expect_each(&a, 1, 200);
	assert_int_equal(a.keyless, 200);
}

// They are settled in the order of giving, between those that are delivered.
static void too_large_ones_are_refused(void **state) {
	(void)state;
	static const char *const small[] = {"message.max.bytes=2000", NULL};
	struct ht_link *l = open_connected(small);
	give_all(l, 1, 5);
	assert_int_equal(give_sized(l, 6, 5000), HT_OK);
	assert_non_null(strstr(ops->error(l), "too large"));
	give_all(l, 7, 10);
	expect_settled(l, 0, 0);
	assert_int_equal(settle(l, 10, SOON_MS), HT_OK);
	expect_settled(l, 9, 1);
	// The first of all, with nothing before it.
	assert_int_equal(give_sized(l, 11, 5000), HT_OK);
	assert_int_equal(settle(l, 11, SOON_MS), HT_OK);
	expect_settled(l, 9, 2);
	ops->close(l);
}

static void the_broker_refuses_some(void **state) {
	(void)state;
	struct ht_link *l = open_connected(NULL);
	rd_kafka_mock_push_request_errors(
		cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
	);
	give_all(l, 1, 1);
	assert_int_equal(settle(l, 1, SOON_MS), HT_OK);
	expect_settled(l, 0, 1);
	give_all(l, 2, 100);
	assert_int_equal(settle(l, 100, SOON_MS), HT_OK);
	expect_settled(l, 99, 1);
	ops->close(l);
}

static void passing_errors_lose_nothing(void **state) {
	(void)state;
	struct ht_link *l = open_connected(NULL);
	rd_kafka_mock_push_request_errors(
		cluster, PRODUCE, 5, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
		RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
		RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND
	);
	give_all(l, 1, MANY);
	assert_int_equal(settle(l, MANY, SOON_MS), HT_OK);
	expect_settled(l, MANY, 0);
	ops->close(l);
	static struct arrived a;
	read_back(&a, false);
	expect_each(&a, 1, MANY); // this broker does not know what it wrote before an error
}

static void an_outage_in_mid_stream(void **state) {
	(void)state;
	struct ht_link *l = open_connected(NULL);
	give_all(l, 1, 1000);
	assert_int_equal(settle(l, 1000, SOON_MS), HT_OK);
	set_up(false);
	give_all(l, 1001, 2000);
	assert_int_equal(settle(l, 2000, 1500), HT_MORE);
	assert_true(settled(l).delivered < 2000);
	give_all(l, 2001, MANY);
	set_up(true);
	assert_int_equal(settle(l, MANY, SOON_MS), HT_OK);
	expect_settled(l, MANY, 0);
	ops->close(l);
	expect_each_once(MANY, false);
}

static void an_outage_at_the_start(void **state) {
	(void)state;
	set_options(NULL);
	set_up(false);
	struct ht_link *l = open_link();
	assert_int_equal(connect_within(l, SOON_MS), HT_ERROR);
	assert_non_null(strstr(ops->error(l), where));
	assert_non_null(strstr(ops->error(l), "refused"));
	assert_int_equal(give(l, 1), HT_ERROR);
	assert_int_not_equal(ops->connect(l, 5), HT_OK); // it begins anew
	ops->break_off(l);
	assert_int_equal(connect_within(l, SOON_MS), HT_ERROR);
	set_up(true);
	assert_int_equal(connect_within(l, SOON_MS), HT_OK);
	give_all(l, 1, 100);
	assert_int_equal(settle(l, 100, SOON_MS), HT_OK);
	ops->close(l);
	expect_each_once(100, false);
}

static void a_long_outage_breaks_the_link(void **state) {
	(void)state;
	static const char *const soon[] = {"message.timeout.ms=1500", NULL};
	struct ht_link *l = open_connected(soon);
	give_all(l, 1, 100);
	assert_int_equal(settle(l, 100, SOON_MS), HT_OK);
	set_up(false);
	const int64_t begun = now_ms();
	give_all(l, 101, 200);
	assert_int_equal(settle(l, 200, SOON_MS), HT_ERROR);
	assert_true(now_ms() - begun >= 500);
	expect_settled(l, 100, 0);
	assert_non_null(ops->error(l));
	assert_int_equal(ops->poll(l, false, 0), HT_ERROR);
	assert_int_equal(give(l, 201), HT_ERROR);
	set_up(true);
	assert_int_equal(connect_within(l, SOON_MS), HT_OK);
	give_all(l, 101, 200); // again
	assert_int_equal(settle(l, 200, SOON_MS), HT_OK);
	expect_settled(l, 200, 0);
	ops->close(l);
	static struct arrived a;
	read_back(&a, false);
	expect_each(&a, 1, 200);
}

static void a_full_queue_says_so(void **state) {
	(void)state;
	static const char *const few[] = {"queue.buffering.max.messages=100", NULL};
	struct ht_link *l = open_connected(few);
	set_up(false);
	unsigned given = 0;
	while (give(l, given + 1) == HT_OK)
		given++;
	assert_int_equal(given, 100);
	assert_int_equal(ops->poll(l, true, 100), HT_OK);
	assert_int_equal(give(l, given + 1), HT_MORE);
	set_up(true);
	assert_int_equal(settle(l, 100, SOON_MS), HT_OK);
	give_all(l, 101, 150);
	assert_int_equal(settle(l, 150, SOON_MS), HT_OK);
	ops->close(l);
	expect_each_once(150, false);
}

static void a_fatal_error_breaks_the_link(void **state) {
	(void)state;
	set_options(NULL);
	struct ht_link *l = open_link();
	for (unsigned i = 0; i < 2; i++)
		rd_kafka_mock_push_request_errors(
			cluster, INIT_PRODUCER_ID, 1, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED
		);
	// The producer asks for its id as soon as there is a broker.
	enum ht_rc rc = connect_within(l, SOON_MS);
	if (rc == HT_OK)
		rc = give(l, 1);
	if (rc == HT_OK)
		rc = settle(l, 1, SOON_MS);
	assert_int_equal(rc, HT_ERROR);
	assert_non_null(strstr(ops->error(l), "authoriz"));
	expect_settled(l, 0, 0);
	rd_kafka_mock_clear_request_errors(cluster, INIT_PRODUCER_ID);
	assert_int_equal(connect_within(l, SOON_MS), HT_OK);
	give_all(l, 1, 10);
	assert_int_equal(settle(l, 10, SOON_MS), HT_OK);
	ops->close(l);
	expect_each_once(10, false);
}

static void a_topic_that_is_not_ours(void **state) {
	(void)state;
	set_options(NULL);
	rd_kafka_mock_topic_set_error(
		cluster, "hellos", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
	);
	struct ht_link *l = open_link();
	assert_int_equal(connect_within(l, SOON_MS), HT_ERROR);
	assert_non_null(strstr(ops->error(l), "Topic authorization failed"));
	rd_kafka_mock_topic_set_error(cluster, "hellos", RD_KAFKA_RESP_ERR_NO_ERROR);
	assert_int_equal(connect_within(l, SOON_MS), HT_OK);
	give_all(l, 1, 10);
	assert_int_equal(settle(l, 10, SOON_MS), HT_OK);
	// Somebody takes the right away: that is not the fault of a record.
	rd_kafka_mock_push_request_errors(
		cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
	);
	give_all(l, 11, 11);
	assert_int_equal(settle(l, 11, SOON_MS), HT_ERROR);
	expect_settled(l, 10, 0);
	assert_int_equal(connect_within(l, SOON_MS), HT_OK);
	give_all(l, 11, 11);
	assert_int_equal(settle(l, 11, SOON_MS), HT_OK);
	expect_settled(l, 11, 0);
	ops->close(l);
	expect_each_once(11, false);
}

static void ending_does_not_hang(void **state) {
	(void)state;
	for (unsigned close = 0; close < 2; close++) {
		struct ht_link *l = open_connected(NULL);
		set_up(false);
		give_all(l, 1, MANY);
		assert_int_equal(ops->poll(l, true, 100), HT_OK);
		const int64_t begun = now_ms();
		if (close == 0)
			ops->break_off(l);
		else
			ops->close(l);
		assert_in_range(now_ms() - begun, 0, SOON_MS / 2); // and not for ever
		set_up(true);
		if (close == 0) {
			expect_settled(l, 0, 0);
			assert_int_equal(connect_within(l, SOON_MS), HT_OK);
			give_all(l, 1, 10);
			assert_int_equal(settle(l, 10, SOON_MS), HT_OK);
			ops->close(l);
		}
	}
}

// Whoever connects waits no longer than it was told to, however late the brokers answer: it gets to
// ask many times before they do. A busy machine may not let it, but now and then it does.
static void slow_brokers(void **state) {
	(void)state;
	set_options(NULL);
	for (int id = 1; id <= 2; id++)
		rd_kafka_mock_broker_set_rtt(cluster, id, 400);
	struct ht_link *l = open_link();
	unsigned asked = 0;
	for (unsigned tries = 0; tries < 20 && asked < 20; tries++) {
		enum ht_rc rc;
		const int64_t begun = now_ms();
		ops->break_off(l);
		asked = 0;
		while ((rc = ops->connect(l, 5)) == HT_MORE && now_ms() - begun < SOON_MS)
			asked++;
		assert_int_equal(rc, HT_OK);
		assert_true(now_ms() - begun > 400);
	}
	assert_true(asked >= 20);
	ops->break_off(l);
	(void)ops->connect(l, 5); // and again, broken off while it asks
	ops->close(l);
}

int main(void) {
#define WITH_BROKERS(name) cmocka_unit_test_setup_teardown(name, start_brokers, stop_brokers)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_checked),
		WITH_BROKERS(slow_brokers),
		cmocka_unit_test(options_that_exclude_each_other_fail_at_open),
		WITH_BROKERS(each_arrives_once_in_order),
		WITH_BROKERS(protobuf_arrives_as_well),
		WITH_BROKERS(too_large_ones_are_refused),
		WITH_BROKERS(the_broker_refuses_some),
		WITH_BROKERS(passing_errors_lose_nothing),
		WITH_BROKERS(an_outage_in_mid_stream),
		WITH_BROKERS(an_outage_at_the_start),
		WITH_BROKERS(a_long_outage_breaks_the_link),
		WITH_BROKERS(a_full_queue_says_so),
		WITH_BROKERS(a_fatal_error_breaks_the_link),
		WITH_BROKERS(a_topic_that_is_not_ours),
		WITH_BROKERS(ending_does_not_hang),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
