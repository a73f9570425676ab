// SPDX-License-Identifier: BSD-3-Clause
// OpenVPN's control channel (openvpn.net, "OpenVPN protocol"; doc/tls-crypt-v2.txt of its sources):
//
//   opcode << 3 | key id, session id 8,
//   [tls-auth: HMAC of the chosen digest, packet id 4, time 4,]
//   number of acknowledgements 1, each 4, the peer's session id 8 when there are any,
//   message packet id 4, TLS bytes
//
// and with tls-crypt: opcode and key id, session id 8, packet id 4, time 4, HMAC 32, ciphertext.
// Nothing tells which of them it is but that the numbers make sense: they are counters, and small.
// OpenVPN 2.6 encrypts later handshakes so even where the first was in clear ("dynamic tls-crypt").

#include "carrier_int.h"

enum {
	HARD_RESET_CLIENT_V2 = 7,
	HARD_RESET_SERVER_V2 = 8,
	HARD_RESET_CLIENT_V3 = 10, // tls-crypt-v2
	SOFT_RESET_V1 = 3,
	CONTROL_V1 = 4,
	ACK_V1 = 5,
};

#define ACKS_MAX 8 // RELIABLE_ACK_SIZE
#define NUMBER_MAX 4095 // of a message; each handshake counts from 0

// Lengths of the HMAC of tls-auth, by the digests of --auth; 0 is without. 28 comes before 20: read
// with the wrong one of two that are 8 apart, a packet id of the longer makes sense as a number.
static const uint8_t hmac_lens[] = {0, 28, 20, 32, 64, 16, 48};

// What stands behind the HMAC and its packet id.
static bool message(struct ht_reader r, uint32_t *number, struct ht_span *data) {
	uint8_t acks;
	if (!ht_u8(&r, &acks) || acks > ACKS_MAX)
		return false;
	for (unsigned i = 0; i < acks; i++) {
		uint32_t acked;
		if (!ht_u32(&r, &acked) || acked > NUMBER_MAX)
			return false;
	}
	if ((acks > 0 && !ht_skip(&r, 8)) || !ht_u32(&r, number) || *number > NUMBER_MAX)
		return false;
	*data = r.left;
	return true;
}

// The packet id of tls-crypt counts from 1, and with tls-crypt-v2 in the first packets from
// 0f000001; behind it comes the time. In clear these would be a number of 256 or more.
static bool tls_crypt(struct ht_reader r) {
	enum { LEAST = 8 + 32 + 5, SINCE = 0x40000000 }; // SINCE: the year 2004
	uint32_t counter, seconds;
	return r.left.len >= LEAST && ht_u32(&r, &counter) && ht_u32(&r, &seconds)
	       && ((counter >= 1 && counter <= NUMBER_MAX) || counter >> 16 == 0x0f00)
	       && seconds >= SINCE;
}

// Finds the layout that makes sense of a packet, `r` being what stands behind the session id: the
// one with which TLS bytes begin a handshake record, else the first. (A list of many
// acknowledgements makes sense in more than one way. A client that begins has got one packet to
// acknowledge.)
static enum ht_carrier_rc
layout(struct ht_piece *out, struct ht_reader r, uint8_t opcode, bool cut) {
	const bool reset = opcode != CONTROL_V1;
	bool found = false;
	if (tls_crypt(r))
		return HT_CARRIER_TLS_CRYPT;
	for (unsigned i = 0; i < HT_ARRAY_LEN(hmac_lens) && opcode != HARD_RESET_CLIENT_V3; i++) {
		struct ht_reader m = r;
		struct ht_span data;
		uint32_t number;
		uint8_t hmac = hmac_lens[i];
		if ((hmac > 0 && !ht_skip(&m, hmac + 8u)) || !message(m, &number, &data))
			continue;
		// A reset has number 0 and nothing behind it; nothing else has number 0.
		if (reset != (number == 0) || (reset && (data.len > 0 || cut)))
			continue;
		if (reset)
			return HT_CARRIER_NOTHING;
		bool record = data.len >= 2 && data.p[0] == 0x16 && data.p[1] == 0x03;
		if (found && !record)
			continue;
		found = true;
		out->number = number;
		out->data = data;
		if (record)
			break;
	}
	return found ? HT_CARRIER_PIECE : HT_CARRIER_NOT;
}

enum ht_carrier_rc ht_openvpn(struct ht_piece *out, struct ht_span datagram, uint32_t wire_len) {
	struct ht_reader r = ht_reader(datagram);
	uint8_t first;
	*out = (struct ht_piece){.cut = wire_len > datagram.len, .data = HT_SPAN_EMPTY};
	if (!ht_u8(&r, &first) || !ht_take(&r, 8, &out->session))
		return HT_CARRIER_NOT;
	out->context = first & 7;
	switch (first >> 3) {
	case CONTROL_V1:
		break;
	case HARD_RESET_CLIENT_V2:
	case HARD_RESET_SERVER_V2:
	case HARD_RESET_CLIENT_V3:
		if (out->context != 0)
			return HT_CARRIER_NOT;
		break;
	default:
		return HT_CARRIER_NOT;
	}
	return layout(out, r, first >> 3, out->cut);
}

// --- over TCP ------------------------------------------------------------------------------------

// One packet of the stream: its TLS bytes are moved to o->end.
static enum ht_rc take_packet(struct ht_openvpn_stream *o, uint8_t *buf, struct ht_span packet) {
	struct ht_piece piece;
	switch (packet.len > 0 ? packet.p[0] >> 3 : 0) {
	case ACK_V1:
		return o->next > 0 ? HT_OK : HT_BAD;
	case SOFT_RESET_V1: // the next handshake, long after the first
		return HT_BAD;
	default:
		break;
	}
	switch (ht_openvpn(&piece, packet, (uint32_t)packet.len)) {
	case HT_CARRIER_NOTHING: // the reset, perhaps again
		if (o->next == 0)
			o->next = HT_OPENVPN_FIRST;
		return HT_OK;
	case HT_CARRIER_TLS_CRYPT:
		return HT_SKIP;
	case HT_CARRIER_PIECE:
		break;
	default:
		return HT_BAD;
	}
	// The stream is in order and has no holes; a number that is too low is there again.
	if (o->next == 0 || piece.number > o->next || piece.context != o->key)
		return HT_BAD;
	if (piece.number < o->next)
		return HT_OK;
	o->next++;
	memmove(buf + o->end, piece.data.p, piece.data.len);
	o->end += (uint32_t)piece.data.len;
	return HT_OK;
}

enum ht_rc ht_openvpn_unframe(struct ht_openvpn_stream *o, uint8_t *buf, uint32_t len, bool end) {
	struct ht_reader r = ht_reader(HT_SPAN(buf, len)), packet;
	if (!ht_skip(&r, o->pos))
		return HT_MORE;
	while (ht_vec16(&r, &packet)) {
		enum ht_rc rc = take_packet(o, buf, packet.left);
		if (rc != HT_OK)
			return rc;
		o->pos += 2 + (uint32_t)packet.left.len;
	}
	if (!end || !ht_skip(&r, 2) || r.left.len == 0)
		return HT_MORE;
	enum ht_rc rc = take_packet(o, buf, r.left);
	return rc == HT_OK ? HT_MORE : rc;
}
