// SPDX-License-Identifier: BSD-3-Clause
// kafka_int: what kafka.c and kafka_conf.c share.

#pragma once

#include "kafka.h"

#include <librdkafka/rdkafka.h>

#define KAFKA_TOPIC_MAX 249 // as Kafka has it

struct kafka_conf {
	rd_kafka_conf_t *conf; // each producer takes a copy
	char topic[KAFKA_TOPIC_MAX + 1];
	int key; // enum ht_field_id; -1: messages have none
	int stall_ms;
	bool own_log; // librdkafka's debug output was asked for, and goes to standard error
};

// kafka_conf_make reads the options of an output. HT_BAD: `err` says what is wrong.
HT_MUST_USE enum ht_rc
kafka_conf_make(struct kafka_conf *out, const struct ht_sink_options *o, char *err, size_t err_len);

// The longest key that kafka_key makes; text as sent is lent instead.
#define KAFKA_KEY_MAX 64

// kafka_key is the key of a message: the field's value as in JSON, without quotes and escapes. It
// is in `buf` or borrowed from the record. False: the record has none.
bool kafka_key(
	const struct ht_record *r, unsigned field, char buf[KAFKA_KEY_MAX], struct ht_span *out
);
