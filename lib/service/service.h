// SPDX-License-Identifier: BSD-3-Clause
// service: what is at home on a port, and whether it speaks TLS there. A built-in table that the
// user can extend and override. Uses base, reader.
//
// A port only names. Whether bytes are looked at, and what they are, never follows from it.

#pragma once

#include "base.h"

// X(ID, name, help): how TLS begins on a port.
#define HT_SERVICE_MODES(X) \
	X(IMPLICIT, "implicit", "always TLS, from the first byte") \
	X(UPGRADE, "upgrade", \
	  "begins in clear; TLS when it was asked for, or inside the protocol's own packets") \
	X(EITHER, "either", "TLS from the first byte or not, as the server is set up") \
	X(NEVER, "never", "no TLS")

enum ht_service_mode {
#define X(id, name, help) HT_SERVICE_##id,
	HT_SERVICE_MODES(X)
#undef X
		HT_NUM_SERVICE_MODES
};

// The mode's word and what it means.
const char *ht_service_mode_name(enum ht_service_mode mode);
const char *ht_service_mode_help(enum ht_service_mode mode);

#define HT_SERVICE_NAME_MAX 24 // of a-z, 0-9 and -
#define HT_SERVICES_MAX 1024 // different services in a table, those of the built-in one included

struct ht_service {
	const char *name;
	const char *help; // what runs there
	enum ht_service_mode mode;
};

struct ht_services;

// ht_services_new makes the built-in table: a third of a megabyte, of which a lookup touches a
// few lines. NULL: no memory. What the lookups return lives as long as the table.
struct ht_services *ht_services_new(void);
void ht_services_free(struct ht_services *t);

struct ht_services_error {
	uint32_t line; // from 1
	const char *reason;
};

// ht_services_parse changes the table by lines of text, later ones over earlier ones:
//   PORT[-PORT]/tcp|udp NAME MODE   what is there now
//   PORT[-PORT]/tcp|udp -           nothing is
// separated by blanks; # begins a comment. It returns HT_BAD at the first line that is none of
// these, with *err written; the lines above it hold. It borrows `text` for the call. A table that a
// sensor uses is not to be changed.
HT_MUST_USE enum ht_rc
ht_services_parse(struct ht_services *t, struct ht_span text, struct ht_services_error *err);

// ht_service_of looks a port up; `proto` is the number of the IP protocol. NULL: nothing is known
// to be there. It costs one load of a table, and may be called on the packet path.
const struct ht_service *ht_service_of(const struct ht_services *t, uint16_t port, uint8_t proto);

// ht_services_name is the name of the i-th service of the table, whether it has a port now or not;
// NULL: there are no more. Names may come again.
const char *ht_services_name(const struct ht_services *t, unsigned i);

// ht_service_always_tls tells whether anything but TLS would be out of place on a port.
bool ht_service_always_tls(const struct ht_services *t, uint16_t port, uint8_t proto);

// Ports in a row with the same service.
struct ht_service_ports {
	uint16_t first, last;
	uint8_t proto; // IPPROTO_TCP or IPPROTO_UDP
	const struct ht_service *service;
};

// ht_services_next lists the table by port, TCP before UDP. *at is where to go on, 0 at first.
// False: there are no more.
HT_MUST_USE bool
ht_services_next(const struct ht_services *t, uint32_t *at, struct ht_service_ports *out);
