// SPDX-License-Identifier: BSD-3-Clause
// owner: which worker a frame belongs to, by what is in it. Uses base, packet.
//
// Both directions of a flow, and all fragments of its packets, belong to one worker: the choice is
// a keyed hash of the two innermost addresses. Ports are left out, since fragments have none, and
// since a client may change its own (QUIC, RFC 9000 9) or use several (RADIUS).
//
// What stands in fragments of a tunnel's packets is not seen here: those go by the tunnel's
// addresses.

#pragma once

#include "base.h"
#include "frame.h"

struct ht_owner_params {
	unsigned workers;
	// Workers [0, rest_from) look at frames from and to the ports of interest, the others at
	// the rest, all by themselves. rest_from == workers: every frame is of interest.
	unsigned rest_from;
	bool drop_rest; // nobody looks at the rest
	const uint16_t *tcp, *udp; // ports of interest, host order; borrowed for the call
	unsigned num_tcp, num_udp;
	uint64_t secret; // the same for all workers; keys the hash, so that no sender chooses
};

struct ht_owner;

// ht_owner_new makes one for a thread. NULL: no memory.
struct ht_owner *ht_owner_new(const struct ht_owner_params *p);
void ht_owner_free(struct ht_owner *o);

// ht_owner_of returns a worker; HT_OWNER_NONE for a frame to be dropped; HT_OWNER_SELF for one that
// is not part of anything and that any worker may count.
//
// With ports of interest, fragments and EAPOL are of interest; what is neither TCP nor UDP is not.
unsigned ht_owner_of(struct ht_owner *o, const struct ht_frame *f);
