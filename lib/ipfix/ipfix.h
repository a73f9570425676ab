// SPDX-License-Identifier: BSD-3-Clause
// ipfix: records to a collector that speaks IPFIX (RFC 7011), over TCP, TLS or UDP. Uses base,
// stats, record, export (link.h).
//
// docs/ipfix.md says which field goes in which element; it is made by ht_ipfix_print_md from the
// table in ipfix_elements.c, and so are the templates.
//
// When a record is settled:
//   TCP, TLS  when the collector's TCP has acknowledged the last byte of its message. What the
//             collector did with it then, IPFIX has no way to say.
//   UDP       when its message was handed to the network. More cannot be known: where an ICMP error
//             comes back, the link breaks, but what it was about has counted as delivered.
// A record that is too long for a message (65496 bytes, or `mtu` over UDP) is refused whole: no
// value is ever cut.

#pragma once

#include "link.h"

#include <stdio.h>

// ipfix+tcp://HOST[:4739], ipfix+tls://HOST[:4740], ipfix+udp://HOST[:4739]; an IPv6 address stands
// in brackets. Built without libfixbuf or libssl, check and open refuse all of them and say why.
//
// connect looks the host up first, and that waits for as long as the resolver does (resolv.conf(5):
// `timeout` times `attempts`), whatever `wait_ms` says: a link has a thread of its own.
extern const struct ht_link_ops ht_link_ipfix_tcp, ht_link_ipfix_tls, ht_link_ipfix_udp;

// ht_ipfix_print prints which element each field goes in: by profile, for a terminal, or as
// docs/ipfix.md.
void ht_ipfix_print(FILE *out);
void ht_ipfix_print_md(FILE *out);
