// SPDX-License-Identifier: BSD-3-Clause
// carrier_build: packets of EAP, RADIUS and OpenVPN for tests, with the pieces of a TLS stream in
// them.

#pragma once

#include "wire.h"

#define EAP_REQUEST 1
#define EAP_RESPONSE 2
#define EAP_TLS 13
#define EAP_LENGTH 0x80
#define EAP_MORE 0x40

struct eap_packet {
	unsigned code, id, type, flags;
	uint32_t total; // told with EAP_LENGTH
};

// Appends an EAP packet of one of the methods with TLS inside (RFC 5216 3.1).
static inline void
put_eap(struct bytes *o, const struct eap_packet *e, const uint8_t *data, size_t n) {
	size_t length = e->flags & EAP_LENGTH ? 4 : 0;
	put8(o, e->code);
	put8(o, e->id);
	put16(o, (unsigned)(6 + length + n));
	put8(o, e->type);
	put8(o, e->flags);
	if (length > 0)
		put32(o, e->total);
	put(o, data, n);
}

// A frame of 802.1X with this EAP packet, to the group address (IEEE
// 802.1X 11.1.1).
static inline void eapol_add(struct frames *fs, const struct bytes *eap) {
	static struct bytes o;
	o.len = 0;
	put(&o, "\x01\x80\xc2\x00\x00\x03\x02\x00\x00\x00\x00\x01\x88\x8e\x02\x00", 16);
	put16(&o, (unsigned)eap->len);
	put(&o, eap->b, eap->len);
	frame_add(fs, &o);
}

static inline void put_attribute(struct bytes *o, unsigned type, const void *p, size_t n) {
	put8(o, type);
	put8(o, 2 + (unsigned)n);
	put(o, p, n);
}

// An Access-Request about `user`, the EAP packet in as many attributes as it takes (RFC 3579 3.1).
static inline void
put_radius(struct bytes *o, unsigned id, const char *user, const struct bytes *eap) {
	size_t begin = o->len;
	put8(o, 1);
	put8(o, id);
	put16(o, 0);
	for (unsigned i = 0; i < 16; i++)
		put8(o, 16 * id + i);
	put_attribute(o, 1, user, strlen(user));
	put_attribute(o, 5, "\x00\x00\x00\x07", 4);
	for (size_t at = 0; at < eap->len; at += 253)
		put_attribute(o, 79, eap->b + at, eap->len - at < 253 ? eap->len - at : 253);
	put_attribute(o, 80, "0123456789abcdef", 16);
	ht_put_be16(o->b + begin + 2, (uint16_t)(o->len - begin));
}

#define OPENVPN_CLIENT_V2 (7u << 3)
#define OPENVPN_SERVER_V2 (8u << 3)
#define OPENVPN_CLIENT_V3 (10u << 3)
#define OPENVPN_CONTROL (4u << 3)
#define OPENVPN_ACK (5u << 3)

struct openvpn_packet {
	unsigned first; // opcode << 3 | key id
	uint64_t session;
	unsigned hmac; // bytes; 0: no tls-auth
	unsigned acks;
	uint32_t number;
};

static inline void
put_openvpn(struct bytes *o, const struct openvpn_packet *p, const uint8_t *data, size_t n) {
	put8(o, p->first);
	put32(o, (uint32_t)(p->session >> 32));
	put32(o, (uint32_t)p->session);
	for (unsigned i = 0; i < p->hmac; i++) // of random bytes few are so small that they mislead
		put8(o, 0x80 | (0x25 + 7 * i));
	if (p->hmac > 0) {
		put32(o, p->number + 1);
		put32(o, 1700000000);
	}
	put8(o, p->acks);
	for (unsigned i = 0; i < p->acks; i++)
		put32(o, i);
	if (p->acks > 0)
		put(o, "peersid.", 8);
	if ((p->first & 0xf8) != OPENVPN_ACK)
		put32(o, p->number);
	put(o, data, n);
}

// What tls-crypt makes of a packet: all behind the time looks random.
static inline void put_tls_crypt(struct bytes *o, unsigned first, uint32_t counter, size_t n) {
	put8(o, first);
	put(o, "sessions", 8);
	put32(o, counter);
	put32(o, 1700000000);
	for (size_t i = 0; i < n; i++)
		put8(o, 0xa5 + 7 * (unsigned)i);
}
