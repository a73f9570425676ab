// SPDX-License-Identifier: BSD-3-Clause
// Built without librdkafka.

#include "kafka.h"

#include <stdio.h>

static enum ht_rc none_check(const struct ht_sink_options *o, char *err, size_t err_len) {
	(void)o;
	snprintf(err, err_len, "built without librdkafka");
	return HT_BAD;
}

static enum ht_rc
none_open(struct ht_link **out, const struct ht_sink_options *o, char *err, size_t err_len) {
	(void)out;
	snprintf(err, err_len, "%s: built without librdkafka", o->to);
	return HT_ERROR;
}

const struct ht_link_ops ht_link_kafka = {
	.name = "kafka",
	.help = "messages of a topic of Kafka; built without librdkafka",
	.url = true,
	.again = true,
	.kinds = HT_KINDS_ALL,
	.check = none_check,
	.open = none_open,
};
