// SPDX-License-Identifier: BSD-3-Clause
// ipfix_wire: a socket, with or without TLS, that does not block. Uses sink_options.h.

#pragma once

#include "sink_options.h"

struct wire;

enum wire_kind { WIRE_TCP, WIRE_TLS, WIRE_UDP };

// wire_check looks at the spec and at the options of TLS. HT_BAD: `err` says what is wrong.
enum ht_rc
wire_check(enum wire_kind kind, const struct ht_sink_options *o, char *err, size_t err_len);

// wire_probe looks whether certificates and keys can be read. HT_ERROR: `err` says what is wrong.
enum ht_rc
wire_probe(enum wire_kind kind, const struct ht_sink_options *o, char *err, size_t err_len);

// wire_open reads certificates and keys. It connects to nothing.
enum ht_rc wire_open(
	struct wire **out,
	enum wire_kind kind,
	const struct ht_sink_options *o,
	char *err,
	size_t err_len
);
void wire_free(struct wire *w);

bool wire_is_udp(const struct wire *w);

// wire_connect begins to connect, or goes on, for at most `wait_ms`: HT_OK, HT_MORE, or HT_ERROR
// (wire_error).
enum ht_rc wire_connect(struct wire *w, int wait_ms);

// wire_put hands a message over; it is borrowed until wire_flush has returned HT_OK. Nothing else
// may be waiting. It returns the end of the message in the count of wire_acknowledged.
HT_MUST_USE enum ht_rc wire_put(struct wire *w, struct ht_span message, uint64_t *end);

// wire_flush sends what waits. HT_MORE: the socket is full. HT_ERROR: it broke.
enum ht_rc wire_flush(struct wire *w);
bool wire_is_waiting(const struct wire *w);

// wire_listen looks whether the other side has gone. HT_ERROR: it has.
enum ht_rc wire_listen(struct wire *w);

// wire_acknowledged is how many bytes, of all that were put since the connection, the other side's
// TCP has acknowledged; over UDP, that were sent.
uint64_t wire_acknowledged(const struct wire *w);

// wire_wait sleeps until the socket has something to say, or may be written to where something
// waits.
void wire_wait(const struct wire *w, int wait_ms);

// wire_drop gives the connection up. `politely` tells the other side that it is the end.
void wire_drop(struct wire *w, bool politely);

// wire_error is the last thing that went wrong, in one line.
const char *wire_error(const struct wire *w);
