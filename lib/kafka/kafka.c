// SPDX-License-Identifier: BSD-3-Clause
// The link: a producer of librdkafka, and what became of each record.
//
// Two calls of librdkafka may wait long and are made aside: what a broker says of the topic, and
// the end of a producer.
//
// Everything that librdkafka tells (delivery reports, errors, its log) waits in its queue until
// rd_kafka_poll, and so comes in the thread that uses the link.

#include "aside.h"
#include "clock.h"
#include "encode.h"
#include "kafka_int.h"
#include "protobuf.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

// States of records that were given and are not settled. More than librdkafka's queue holds unless
// it is told otherwise.
#define RING 131072u
enum state { UNDER_WAY, DELIVERED, REFUSED };

#define NO_TOPIC_MS 2000 // a broker may be about to create it
#define TOPIC_ANSWER_MS 1000
#define CLOSE_MS 1000 // how long the end of the last producer is waited for
#define WHY_MAX 400

struct ht_link {
	const struct ht_sink_options *o;
	struct kafka_conf conf;
	struct ht_json *json; // one of these two
	struct ht_protobuf *protobuf;

	rd_kafka_t *rk; // NULL: there is no producer now
	rd_kafka_topic_t *topic;
	bool broken; // what it does from here on means nothing
	struct question *question; // about the topic, under way; NULL: none
	struct ht_aside *asking; // in which it is
	struct ht_aside *ending; // of the producer before; NULL: it has ended
	bool up; // connect said so
	bool all_down; // no broker of those known can be reached, as told since connect began
	bool connecting;
	int64_t since_ms; // connect began
	int64_t heard_ms; // the last report came, or the first record was given

	// Record n, counted from 0 since the producer was made, is in ring[n % RING].
	uint8_t ring[RING];
	uint64_t given, num_settled;
	struct ht_settled settled;

	bool has_error;
	char why[WHY_MAX]; // without where it sends to
	char error[WHY_MAX + 160];
};

static void say(struct ht_link *l, const char *what) {
	snprintf(l->why, sizeof(l->why), "%s", what);
	for (char *c = l->why; *c != '\0'; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
	snprintf(l->error, sizeof(l->error), "%.150s: %s", l->o->to, l->why);
	l->has_error = true;
}

static enum ht_rc break_with(struct ht_link *l, const char *why) {
	if (!l->broken)
		say(l, why);
	l->broken = true;
	l->up = false;
	return HT_ERROR;
}

// ---- what became of records

// settle counts the first records that are no longer under way.
static void settle(struct ht_link *l) {
	for (; l->num_settled < l->given; l->num_settled++) {
		const uint8_t state = l->ring[l->num_settled % RING];
		if (state == UNDER_WAY)
			return;
		l->settled.delivered += state == DELIVERED;
		l->settled.refused += state == REFUSED;
	}
}

static void give_one(struct ht_link *l, enum state state) {
	if (l->given == l->num_settled)
		l->heard_ms = ht_clock_ms();
	l->ring[l->given++ % RING] = (uint8_t)state;
}

// is_refusal tells errors that are about the record: it would fare no better another time. All
// others are about the broker, or the way there.
static bool is_refusal(rd_kafka_resp_err_t err) {
	switch (err) {
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD:
	case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
	case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
		return true;
	default:
		return false;
	}
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque) {
	struct ht_link *l = opaque;
	const uint64_t n = (uintptr_t)m->_private;
	(void)rk;
	if (l->broken || n < l->num_settled || n >= l->given)
		return;
	l->heard_ms = ht_clock_ms();
	if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		l->ring[n % RING] = DELIVERED;
	} else if (is_refusal(m->err)) {
		say(l, rd_kafka_err2str(m->err));
		l->ring[n % RING] = REFUSED;
	} else {
		(void)break_with(l, rd_kafka_err2str(m->err));
	}
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque) {
	struct ht_link *l = opaque;
	char fatal[WHY_MAX];
	if (err == RD_KAFKA_RESP_ERR__FATAL) {
		rd_kafka_fatal_error(rk, fatal, sizeof(fatal));
		(void)break_with(l, fatal);
	} else if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
		l->all_down = true;
		if (!l->has_error) // what was said before says more
			say(l, reason);
	} else if (!l->broken) {
		say(l, reason);
	}
}

// The errors among it come to on_error, too.
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text) {
	(void)rk;
	(void)level;
	(void)facility;
	(void)text;
}

// ---- what is done aside

struct question {
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic;
	rd_kafka_resp_err_t asked, topic_says;
};

static void ask(void *ctx) {
	struct question *const q = ctx;
	const struct rd_kafka_metadata *all;
	q->asked = rd_kafka_metadata(q->rk, 0, q->topic, &all, TOPIC_ANSWER_MS);
	if (q->asked != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	q->topic_says = all->topic_cnt == 1 ? all->topics[0].err : RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_metadata_destroy(all);
}

// A producer at its end, and who may be using it yet.
struct ending {
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic;
	struct ht_aside *asking;
};

static void end_producer(void *ctx) {
	struct ending *const e = ctx;
	while (e->asking != NULL && !ht_aside_wait(e->asking, TOPIC_ANSWER_MS))
		;
	ht_aside_free(e->asking);
	if (e->topic != NULL)
		rd_kafka_topic_destroy(e->topic);
	rd_kafka_destroy_flags(e->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void end_aside(struct ht_link *l) {
	struct ending here = {l->rk, l->topic, l->asking};
	struct ending *const e = malloc(sizeof(*e));
	if (e != NULL) {
		*e = here;
		l->ending = ht_aside_run(end_producer, free, e);
	}
	if (l->ending == NULL) { // no memory: then it is waited for
		free(e);
		end_producer(&here);
	}
}

// has_ended tells whether the producer before the next one is gone.
static bool has_ended(struct ht_link *l, int wait_ms) {
	if (l->ending == NULL)
		return true;
	if (!ht_aside_wait(l->ending, wait_ms))
		return false;
	ht_aside_free(l->ending);
	l->ending = NULL;
	return true;
}

// ---- the producer

static void drop_producer(struct ht_link *l) {
	if (l->rk == NULL)
		return;
	l->broken = true; // reports of what is purged mean nothing
	rd_kafka_purge(
		l->rk,
		RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING
	);
	end_aside(l);
	l->rk = NULL;
	l->topic = NULL;
	l->asking = NULL;
	l->question = NULL;
	l->up = l->connecting = false;
	l->given = l->num_settled = 0;
}

static enum ht_rc make_producer(struct ht_link *l) {
	char why[WHY_MAX];
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(l->conf.conf);
	rd_kafka_conf_set_opaque(conf, l);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_conf_set_error_cb(conf, on_error);
	if (!l->conf.own_log)
		rd_kafka_conf_set_log_cb(conf, on_log);
	l->broken = false;
	l->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (l->rk == NULL) {
		rd_kafka_conf_destroy(conf);
		say(l, why);
		return HT_ERROR;
	}
	rd_kafka_set_log_queue(l->rk, NULL);
	l->topic = rd_kafka_topic_new(l->rk, l->conf.topic, NULL);
	if (l->topic == NULL) {
		say(l, rd_kafka_err2str(rd_kafka_last_error()));
		drop_producer(l);
		return HT_ERROR;
	}
	return HT_OK;
}

// ---- the link

static enum ht_rc kafka_check(const struct ht_sink_options *o, char *err, size_t err_len) {
	struct kafka_conf conf;
	const enum ht_rc rc = kafka_conf_make(&conf, o, err, err_len);
	if (rc == HT_OK)
		rd_kafka_conf_destroy(conf.conf);
	return rc;
}

// Without brokers a producer connects to nobody, and reads keys and certificates all the same.
static enum ht_rc kafka_probe(const struct ht_sink_options *o, char *err, size_t err_len) {
	struct kafka_conf conf;
	char why[WHY_MAX];
	const enum ht_rc rc = kafka_conf_make(&conf, o, err, err_len);
	if (rc != HT_OK)
		return rc;
	rd_kafka_conf_set(conf.conf, "bootstrap.servers", NULL, NULL, 0);
	rd_kafka_conf_set_log_cb(conf.conf, NULL);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf.conf, why, sizeof(why));
	if (rk != NULL) {
		rd_kafka_destroy(rk);
		return HT_OK;
	}
	rd_kafka_conf_destroy(conf.conf);
	snprintf(err, err_len, "kafka: %s", why);
	return HT_ERROR;
}

static void kafka_close(struct ht_link *l) {
	drop_producer(l);
	(void)has_ended(l, CLOSE_MS);
	ht_aside_free(l->ending);
	if (l->conf.conf != NULL)
		rd_kafka_conf_destroy(l->conf.conf);
	ht_json_free(l->json);
	ht_protobuf_free(l->protobuf);
	free(l);
}

static enum ht_rc
kafka_open(struct ht_link **out, const struct ht_sink_options *o, char *err, size_t err_len) {
	struct ht_link *l = calloc(1, sizeof(*l));
	if (l == NULL) {
		snprintf(err, err_len, "%s: no memory", o->to);
		return HT_ERROR;
	}
	l->o = o;
	char why[512];
	if (kafka_conf_make(&l->conf, o, why, sizeof(why)) != HT_OK) {
		snprintf(err, err_len, "%s: %s", o->to, why);
		kafka_close(l);
		return HT_ERROR;
	}
	if (o->encoding == HT_ENCODE_PROTOBUF)
		l->protobuf = ht_protobuf_new();
	else
		l->json = ht_json_new();
	if (l->protobuf == NULL && l->json == NULL) {
		snprintf(err, err_len, "%s: no memory", o->to);
		kafka_close(l);
		return HT_ERROR;
	}
	if (l->protobuf != NULL)
		ht_protobuf_for_export(l->protobuf);
	// Here already: what is wrong with keys and with options that exclude each other shows now.
	if (make_producer(l) != HT_OK) {
		snprintf(err, err_len, "%s", l->error);
		kafka_close(l);
		return HT_ERROR;
	}
	*out = l;
	return HT_OK;
}

static bool begin_to_ask(struct ht_link *l) {
	l->question = malloc(sizeof(*l->question));
	if (l->question == NULL)
		return false;
	*l->question = (struct question){.rk = l->rk, .topic = l->topic};
	l->asking = ht_aside_run(ask, free, l->question);
	if (l->asking == NULL)
		free(l->question);
	return l->asking != NULL;
}

// ask_for_topic: a broker is there, what does it say of the topic?
static enum ht_rc ask_for_topic(struct ht_link *l, int wait_ms) {
	if (l->asking == NULL && !begin_to_ask(l)) {
		say(l, "no memory, or no thread");
		return HT_ERROR;
	}
	const bool answered = ht_aside_wait(l->asking, wait_ms);
	rd_kafka_poll(l->rk, 0);
	if (!answered)
		return l->broken || l->all_down ? HT_ERROR : HT_MORE;
	const rd_kafka_resp_err_t asked = l->question->asked, err = l->question->topic_says;
	ht_aside_free(l->asking);
	l->asking = NULL;
	l->question = NULL;
	if (asked != RD_KAFKA_RESP_ERR_NO_ERROR)
		return l->broken || l->all_down ? HT_ERROR : HT_MORE;
	if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
		return l->broken ? HT_ERROR : HT_OK;
	const bool soon = err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
			  || err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	if (soon && ht_clock_ms() - l->since_ms < NO_TOPIC_MS)
		return HT_MORE;
	say(l, rd_kafka_err2str(err));
	return HT_ERROR;
}

static enum ht_rc try_to_connect(struct ht_link *l, int wait_ms) {
	rd_kafka_poll(l->rk, 0);
	if (l->broken)
		return HT_ERROR;
	const int64_t until = ht_clock_ms() + wait_ms;
	char *cluster
		= rd_kafka_clusterid(l->rk, wait_ms); // which any broker tells, once it answers
	if (cluster != NULL) {
		rd_kafka_mem_free(l->rk, cluster);
		const int64_t left = until - ht_clock_ms();
		return ask_for_topic(l, left > 0 ? (int)left : 0);
	}
	rd_kafka_poll(l->rk, 0);
	return l->broken || l->all_down ? HT_ERROR : HT_MORE;
}

static enum ht_rc kafka_connect(struct ht_link *l, int wait_ms) {
	if (l->broken)
		drop_producer(l);
	if (l->up)
		return HT_OK;
	if (!has_ended(l, wait_ms))
		return HT_MORE;
	if (l->rk == NULL && make_producer(l) != HT_OK)
		return HT_ERROR;
	if (!l->connecting) {
		l->connecting = true;
		l->all_down = false;
		l->since_ms = ht_clock_ms();
	}
	const enum ht_rc rc = try_to_connect(l, wait_ms);
	if (rc != HT_MORE)
		l->connecting = false;
	if (rc == HT_OK) {
		l->up = true;
		l->has_error = false;
	}
	return rc;
}

static struct ht_span encode(struct ht_link *l, const struct ht_record *r) {
	struct ht_span out;
	if (l->json != NULL)
		return ht_json_encode(l->json, r);
	if (ht_protobuf_encode(l->protobuf, r, &out) != HT_OK)
		return (struct ht_span){NULL, 0};
	return out;
}

static rd_kafka_resp_err_t
produce(struct ht_link *l, const struct ht_record *r, struct ht_span value) {
	char buf[KAFKA_KEY_MAX];
	struct ht_span key;
	if (l->conf.key < 0 || !kafka_key(r, (unsigned)l->conf.key, buf, &key))
		key = (struct ht_span){NULL, 0};
	return rd_kafka_producev(
		l->rk, RD_KAFKA_V_RKT(l->topic), RD_KAFKA_V_VALUE((void *)value.p, value.len),
		RD_KAFKA_V_KEY(key.p, key.len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
		RD_KAFKA_V_HEADER("record", r->record, -1),
		RD_KAFKA_V_OPAQUE((void *)(uintptr_t)l->given), RD_KAFKA_V_END
	);
}

static enum ht_rc kafka_give(struct ht_link *l, const struct ht_record *r) {
	if (!l->up || l->broken)
		return HT_ERROR;
	if (l->given - l->num_settled == RING)
		return HT_MORE;
	const struct ht_span value = encode(l, r);
	const rd_kafka_resp_err_t err
		= value.p != NULL ? produce(l, r, value) : RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
	if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		return HT_MORE;
	if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		l->settled.bytes += value.len;
		give_one(l, UNDER_WAY);
	} else if (is_refusal(err)) {
		say(l, rd_kafka_err2str(err));
		give_one(l, REFUSED);
	} else {
		return break_with(l, rd_kafka_err2str(err));
	}
	return HT_OK;
}

// What waits goes out by itself, linger.ms after it was given: that is soon enough for a flush.
static enum ht_rc kafka_poll(struct ht_link *l, bool flush, int wait_ms) {
	(void)flush;
	if (!l->up || l->broken)
		return HT_ERROR;
	settle(l); // what was refused at once
	rd_kafka_poll(l->rk, wait_ms);
	settle(l);
	if (l->broken)
		return HT_ERROR;
	if (l->given > l->num_settled && ht_clock_ms() - l->heard_ms >= l->conf.stall_ms) {
		char why[WHY_MAX];
		snprintf(
			why, sizeof(why), "nothing was acknowledged for %d s%s%.300s",
			l->conf.stall_ms / 1000, l->has_error ? "; last error: " : "",
			l->has_error ? l->why : ""
		);
		return break_with(l, why);
	}
	return HT_OK;
}

static void kafka_settled(const struct ht_link *l, struct ht_settled *out) {
	*out = l->settled;
}

static const char *kafka_error(const struct ht_link *l) {
	return l->has_error ? l->error : NULL;
}

static bool kafka_is_dead(const struct ht_link *l) {
	(void)l;
	return false;
}

const struct ht_link_ops ht_link_kafka = {
	.name = "kafka",
	.help = "messages of a topic: kafka://broker[:port][,...]/topic (docs/kafka.md)",
	.url = true,
	.again = true,
	.kinds = HT_KINDS_ALL,
	.check = kafka_check,
	.probe = kafka_probe,
	.open = kafka_open,
	.connect = kafka_connect,
	.give = kafka_give,
	.poll = kafka_poll,
	.settled = kafka_settled,
	.error = kafka_error,
	.break_off = drop_producer,
	.is_dead = kafka_is_dead,
	.close = kafka_close,
};
