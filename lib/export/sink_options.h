// SPDX-License-Identifier: BSD-3-Clause
// sink_options: what can be set for an output. The section `sinks` of a configuration file and what
// stands behind the ? of a spec ("kafka://b1/hellos?key=sni") are of one table. Uses base, record.

#pragma once

#include "base.h"
#include "option.h"
#include "record.h"

// When its queue is full: wait, or count what is lost.
enum ht_when_full {
	HT_FULL_AUTO, // replay: block; live: drop
	HT_FULL_DROP,
	HT_FULL_BLOCK,
};

enum ht_compression { HT_COMPRESS_NONE, HT_COMPRESS_ZSTD };

enum ht_fsync {
	HT_FSYNC_NEVER,
	HT_FSYNC_FINISHED, // a file when it is finished
	HT_FSYNC_INTERVAL, // each second, too
};

enum ht_encoding { HT_ENCODE_JSON, HT_ENCODE_PROTOBUF };

// What is known only when the program runs; no option says it.
struct ht_sink_run {
	bool color; // the table may use colour
	unsigned width; // columns of the terminal, for the table; 0 when it is none
	bool append; // go on behind what a file has; otherwise it is emptied
	bool no_wait; // a pipe that nobody reads is an error, not something to wait for
	ht_fieldset fields; // that records given to it may have; 0: those of every kind
	ht_fieldset key; // of aggregates, for the columns of the table; 0: the default key
};

struct ht_sink_options {
	const char *to; // the spec without options: "json:PATH", "ipfix+tcp://host:4739"
	struct ht_option_texts records; // kinds that go there; none: all that are made
	uint32_t when_full; // enum ht_when_full
	uint32_t queue_mib;
	uint32_t linger_s; // at the end, how long what is there may take to be delivered
	uint32_t retry_max_s; // the longest wait between two tries to connect

	const char *spool; // folder, NULL: none
	uint32_t spool_mib;

	// Files.
	uint32_t rotate_mib; // 0: not by size
	uint32_t rotate_s; // 0: not by time
	uint32_t compress; // enum ht_compression
	uint32_t fsync; // enum ht_fsync; of the spool, too

	// TLS, for ipfix+tls.
	const char *tls_ca; // file of certificates to trust; NULL: the system's
	const char *tls_cert, *tls_key; // ours, if the collector wants one
	const char *tls_name; // that its certificate must have; NULL: the host of the spec

	// IPFIX.
	struct ht_option_texts profiles; // enterprise elements: flowmon, cesnet, cert, ntop
	uint32_t pen; // private enterprise number for what has no other element; 0: left out
	uint32_t domain; // observation domain id
	uint32_t template_s; // UDP: seconds between two sendings of the templates
	uint32_t mtu; // UDP: longest message

	// Kafka.
	uint32_t encoding; // enum ht_encoding
	const char *key; // field whose value is the key of a message
	struct ht_option_texts kafka; // "name=value" for librdkafka

	struct ht_sink_run run; // not in the table
};

extern const struct ht_option_table ht_sink_options_table;

#define HT_SINK_MAX_KAFKA 64
