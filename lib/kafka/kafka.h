// SPDX-License-Identifier: BSD-3-Clause
// kafka: records as messages of a topic, through librdkafka: kafka://broker[:port][,...]/topic.
// docs/kafka.md says what it promises. Uses base, record, export, protobuf.

#pragma once

#include "link.h"

// The producer is idempotent and waits for all in-sync replicas. A record is delivered when the
// broker acknowledged it. librdkafka gets over a broker that is away for a moment; when it heard
// nothing for HT_KAFKA_STALL_S while records were under way, the link breaks, and what was not
// settled is to be given again: it may arrive twice.
//
// Beside what link.h says of connect: once a broker answered, it waits for that one's word on the
// topic, a second at most. Built without librdkafka (HT_HAVE_KAFKA), check and open say so.
extern const struct ht_link_ops ht_link_kafka;

#define HT_KAFKA_STALL_S 30
