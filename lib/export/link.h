// SPDX-License-Identifier: BSD-3-Clause
// link: what an output of any kind looks like to whoever delivers records (delivery.h): a file, a
// collector that speaks IPFIX, a Kafka broker. One thread uses a link at a time. Uses base, record.
//
// A record that was given is settled later: delivered or refused, in the order in which they were
// given. A link that breaks forgets what was not settled; where `again` is set, whoever delivers
// keeps those records and gives them once more when it is connected again.

#pragma once

#include "base.h"
#include "record.h"
#include "sink_options.h"

struct ht_link;

// How many of the records given since the link was opened are settled. They never fall.
struct ht_settled {
	uint64_t delivered; // taken by the other side: written, acknowledged by its TCP, by the
			    // broker
	uint64_t refused; // never will be: too long, not wanted by the broker, the disk is full
	uint64_t bytes; // sent, in the encoding of the link, those sent again included
};

struct ht_link_ops {
	const char *name; // what a spec begins with: "json", "ipfix+tcp", "kafka"
	const char *help; // for --help: what it is for
	bool url; // the spec is name://..., not name[:PATH]
	bool again; // records that were not settled when it broke are to be given again
	unsigned kinds; // of record that it can carry, a mask of enum ht_kind

	// check looks at the options without touching anything outside: for --check. HT_BAD: `err`
	// says in one line what is wrong, beginning with the name of the option where it is one's
	// other than `to`.
	enum ht_rc (*check)(const struct ht_sink_options *o, char *err, size_t err_len);

	// probe looks at what the options name outside: files, folders, keys. It connects to
	// nobody, makes and changes nothing. NULL: there is nothing to look at. HT_ERROR: as check.
	enum ht_rc (*probe)(const struct ht_sink_options *o, char *err, size_t err_len);

	// open takes memory, opens files, reads keys. It does not wait for anybody: a collector may
	// be away. `o` is borrowed while the link lives. HT_ERROR: `err` says what and why in one
	// line, which begins with the spec.
	enum ht_rc (*open
	)(struct ht_link **out, const struct ht_sink_options *o, char *err, size_t err_len);

	// connect begins, or goes on, to connect; it waits for at most `wait_ms`.
	//   HT_OK    it is: records may be given
	//   HT_MORE  under way, call it again
	//   HT_ERROR it cannot: error() says why; calling it again begins anew
	enum ht_rc (*connect)(struct ht_link *l, int wait_ms);

	// give hands a record over; nothing of it is borrowed behind the call.
	//   HT_OK    it is taken, and will be settled if the link does not break
	//   HT_MORE  no room now: poll, then give it again
	//   HT_ERROR the link broke: error() says why, the record was not taken
	enum ht_rc (*give)(struct ht_link *l, const struct ht_record *r);

	// poll sends what is waiting (all of it, where `flush` is set), hears what is settled,
	// keeps time, and waits for at most `wait_ms` when there is nothing to do. HT_ERROR: the
	// link broke.
	enum ht_rc (*poll)(struct ht_link *l, bool flush, int wait_ms);

	void (*settled)(const struct ht_link *l, struct ht_settled *out);

	// error is NULL, or one line that says what went wrong last, with where it sends to.
	const char *(*error)(const struct ht_link *l);

	// break_off gives up the connection: what was given and is not settled is forgotten.
	void (*break_off)(struct ht_link *l);

	// is_dead tells whether nothing will ever be taken again: the reader of a pipe went away.
	bool (*is_dead)(const struct ht_link *l);

	void (*close)(struct ht_link *l
	); // after poll(flush) for those who want all of it delivered
};

extern const struct ht_link_ops ht_link_json, ht_link_csv, ht_link_table;

// ht_file_path is what the spec of one of them writes to: NULL for standard output. It borrows.
const char *ht_file_path(const char *spec);
