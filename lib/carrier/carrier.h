// SPDX-License-Identifier: BSD-3-Clause
// carrier: TLS carried elsewhere than in a TCP stream or a bare datagram: EAP over 802.1X and over
// RADIUS, and OpenVPN's control channel. It takes the pieces of the TLS stream out of the packets
// and puts them in order; it does not know `tls`. Uses base, reader, ranges.
//
// One direction is enough: nothing here waits for an acknowledgement.

#pragma once

#include "arena.h"
#include "base.h"
#include "ranges.h"

// --- packets -----------------------------------------------------------------------------------

// What a packet is to a carrier.
enum ht_carrier_rc {
	HT_CARRIER_NOT, // not this protocol
	HT_CARRIER_NOTHING, // this protocol, and no TLS bytes that a client could have sent
	HT_CARRIER_PIECE, // *out is written
	HT_CARRIER_TLS_CRYPT, // OpenVPN with tls-crypt: its control channel cannot be read
};

// One piece of a TLS stream. Borrows from the packet (RADIUS: from the struct ht_radius).
struct ht_piece {
	uint32_t number; // one more than that of the piece before it
	bool number_wraps; // EAP: its lowest 8 bits are all that is known of it
	bool last; // EAP: the message ends with this piece
	bool cut; // the snap length took its end
	uint8_t context; // EAP: the method; OpenVPN: the key id. Another one is another handshake
	struct ht_span session; // OpenVPN: the sender's session id, 8 bytes; EAP: empty
	struct ht_span data; // may be empty (OpenVPN)
};

// The packets below are given as far as they were captured; `wire_len` is what they had on the
// wire.

// ht_eapol reads an EAPOL frame (IEEE 802.1X 11.3). A piece is in an EAP Response of EAP-TLS, TTLS,
// PEAP, FAST or TEAP; HT_CARRIER_NOT: the frame contradicts itself.
HT_MUST_USE enum ht_carrier_rc
ht_eapol(struct ht_piece *out, struct ht_span frame, uint32_t wire_len);

#define HT_RADIUS_MAX 4096 // RFC 2865 3

// The attributes of an Access-Request that tell one conversation from another. Borrows from the
// datagram; empty where absent.
enum ht_radius_who {
	HT_RADIUS_USER_NAME,
	HT_RADIUS_NAS_PORT,
	HT_RADIUS_CALLING_STATION_ID,
	HT_RADIUS_NAS_IDENTIFIER,
	HT_RADIUS_NUM_WHO
};

struct ht_radius {
	struct ht_span who[HT_RADIUS_NUM_WHO];
	uint8_t eap[HT_RADIUS_MAX]; // the EAP packet put together; a piece borrows from here
};

// ht_radius_is tells an Access-Request with EAP inside, by all of its lengths.
bool ht_radius_is(struct ht_span datagram, uint32_t wire_len);

// ht_radius reads one. A piece is as of ht_eapol.
HT_MUST_USE enum ht_carrier_rc
ht_radius(struct ht_piece *out, struct ht_radius *r, struct ht_span datagram, uint32_t wire_len);

// ht_openvpn reads a packet of OpenVPN's control channel: in clear, with or without the HMAC of
// tls-auth. A hard reset has no TLS bytes. Acknowledgements and data are HT_CARRIER_NOT: nothing in
// them tells them from random bytes.
HT_MUST_USE enum ht_carrier_rc
ht_openvpn(struct ht_piece *out, struct ht_span datagram, uint32_t wire_len);

// Number of the first piece of a handshake on OpenVPN's control channel; the reset before has 0.
#define HT_OPENVPN_FIRST 1

// ht_carrier_perhaps looks at the first byte of a datagram (which is not empty), which rules RADIUS
// and OpenVPN out for nearly all: Access-Request; CONTROL_V1 of any key; the three hard resets,
// which begin with key 0.
static inline bool ht_carrier_perhaps(struct ht_span datagram) {
	enum { SHORTEST = 14 }; // a hard reset in clear
	const uint64_t low = 1ull << 0x01 | 0xffull << 0x20 | 1ull << 0x38, // 00 to 3f
		high = 1ull << 0x00 | 1ull << 0x10; // 40 to 7f
	uint8_t first = datagram.p[0];
	return datagram.len >= SHORTEST && first < 0x80
	       && ((first & 0x40 ? high : low) >> (first & 0x3f) & 1);
}

// ht_openvpn_client_begins tells whether a packet with this first byte opens a client's connection:
// HARD_RESET_CLIENT_V2 and V3 of key 0.
static inline bool ht_openvpn_client_begins(uint8_t first) {
	return first == 0x38 || first == 0x50;
}

// --- OpenVPN over TCP --------------------------------------------------------------------------

// Packets behind 2-byte lengths, taken out of a TCP direction in place: what they carry is moved
// down to where the first of them began. Set `pos` and `end` to that offset, the rest to zero.
struct ht_openvpn_stream {
	uint32_t pos; // bytes before it were looked at
	uint32_t end; // the TLS bytes gathered end here
	uint32_t next; // number of the control packet that comes next
	uint8_t key; // id, of the handshake
};

// ht_openvpn_unframe goes on with the stream, of which `len` bytes from its beginning are at `buf`.
// `end`: no more of them will come, so that what is there of a last packet is taken, too.
//   HT_MORE  all packets that are there were taken; o->next is 0 until the first of them is there
//   HT_SKIP  tls-crypt
//   HT_BAD   not OpenVPN, or the handshake is over; what was gathered stays
HT_MUST_USE enum ht_rc
ht_openvpn_unframe(struct ht_openvpn_stream *o, uint8_t *buf, uint32_t len, bool end);

// --- pieces in order ---------------------------------------------------------------------------

// Pieces held for an earlier one. OpenVPN sends at most 6 ahead (12 since 2.6), EAP none.
#define HT_PIECES_AHEAD 16

// A stream put together from numbered pieces. They are in one block, in order of their numbers,
// without room for those that are missing. All zero is empty, and not anchored: nothing is in order
// until it is known which number is the first.
struct ht_pieces {
	struct ht_assembly data; // data.buf has the stream, then the pieces ahead
	uint32_t prefix; // bytes of the stream that are there without a hole
	uint32_t next; // number of the piece that comes at `prefix`; valid when anchored
	uint16_t taken; // pieces in the prefix
	bool anchored;
	uint8_t num_ahead;
	struct {
		uint32_t number, len;
	} ahead[HT_PIECES_AHEAD + 1];
};

// ht_pieces_add takes a piece. Numbers are compared as serial numbers (RFC 1982).
//   HT_OK    it is new
//   HT_SKIP  it was there before
//   HT_LIMIT more than `max` bytes, or too many pieces ahead
//   HT_FULL  the arena has no room
HT_MUST_USE enum ht_rc ht_pieces_add(
	struct ht_pieces *s, struct ht_arena *a, uint32_t number, struct ht_span bytes, uint32_t max
);

// ht_pieces_anchor says that the stream begins with the piece `number`. What is held from before it
// is dropped.
void ht_pieces_anchor(struct ht_pieces *s, uint32_t number);

// ht_pieces_cut drops what is held from behind the piece `number`, of which the end is missing:
// nothing can follow it. Call it before that piece is added.
void ht_pieces_cut(struct ht_pieces *s, uint32_t number);

// ht_pieces_near gives the number with these lowest 8 bits that is nearest to what is expected.
uint32_t ht_pieces_near(const struct ht_pieces *s, uint8_t low);

void ht_pieces_drop(struct ht_pieces *s, struct ht_arena *a);
