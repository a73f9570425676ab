// SPDX-License-Identifier: BSD-3-Clause
// ipfix_tls: the client's side of TLS 1.2 or newer, on memory: it has no socket. Uses
// sink_options.h.

#pragma once

#include "sink_options.h"

struct tls;

// tls_open reads what is to be trusted, and our certificate and key. `host` is the name or address
// that the other side's certificate must have where no option says another one; both are borrowed.
enum ht_rc tls_open(
	struct tls **out,
	const char *host,
	const struct ht_sink_options *o,
	char *err,
	size_t err_len
);
void tls_free(struct tls *t);

// tls_begin begins a connection.
enum ht_rc tls_begin(struct tls *t);

// tls_shake_hands: HT_OK when the handshake is done, HT_MORE when it wants to send or to receive,
// HT_ERROR (tls_error) when there will be no connection.
enum ht_rc tls_shake_hands(struct tls *t);

// tls_is_accepted tells whether the other side has said that it takes us: with TLS 1.3 and a
// certificate of ours the handshake is over for us before that was looked at. What says so is a
// session ticket, which not all send.
bool tls_is_accepted(const struct tls *t);

// tls_write makes records of a message; tls_take has them.
enum ht_rc tls_write(struct tls *t, struct ht_span message);

// tls_take lends bytes that are to be sent, until the next call of it; empty when there are none.
struct ht_span tls_take(struct tls *t);

// tls_waiting is how many bytes tls_take still has.
size_t tls_waiting(const struct tls *t);

// tls_received takes bytes that were received. False: no memory.
bool tls_received(struct tls *t, struct ht_span bytes);

// tls_read looks at what was received: HT_ERROR when it is an alert or the end.
enum ht_rc tls_read(struct tls *t);

// tls_say_goodbye makes a close_notify.
void tls_say_goodbye(struct tls *t);

const char *tls_error(const struct tls *t);
