// SPDX-License-Identifier: BSD-3-Clause
// EAP methods that carry TLS (RFC 3748 4; 5216 3.1 and 9190 2.1 EAP-TLS, 5281 9.1 TTLS, 4851 4.1
// FAST, 7170 4.1 TEAP; PEAP is in [MS-PEAP] 3.1). They share the first flags and the fragments,
// which are acknowledged one by one (RFC 5216 2.1.5): the server MUST increment the Identifier for
// each acknowledgement, and the peer's next fragment has it. So the Identifier numbers the pieces,
// and a fragment that is sent again has the one it had.

#include "carrier_int.h"

enum { RESPONSE = 2 };

enum {
	TYPE_TLS = 13,
	TYPE_TTLS = 21,
	TYPE_PEAP = 25,
	TYPE_FAST = 43,
	TYPE_TEAP = 55,
	TYPE_EXPANDED = 254, // RFC 3748 5.7
};

enum {
	FLAG_LENGTH = 0x80,
	FLAG_MORE = 0x40,
	FLAG_OUTER_TLVS = 0x10, // TEAP: their length stands before the TLS bytes, they behind
};

// An expanded type of vendor 0 is the same as the type itself.
static bool method(struct ht_reader *r, uint8_t *type) {
	uint32_t vendor, number;
	if (!ht_u8(r, type))
		return false;
	if (*type == TYPE_EXPANDED) {
		if (!ht_u24(r, &vendor) || !ht_u32(r, &number) || vendor != 0 || number > UINT8_MAX)
			return false;
		*type = (uint8_t)number;
	}
	switch (*type) {
	case TYPE_TLS:
	case TYPE_TTLS:
	case TYPE_PEAP:
	case TYPE_FAST:
	case TYPE_TEAP:
		return true;
	default:
		return false;
	}
}

enum ht_carrier_rc eap_piece(struct ht_piece *out, struct ht_span packet, bool cut) {
	struct ht_reader r = ht_reader(packet), body;
	uint8_t code, id, type, flags;
	uint16_t len;
	if (!ht_u8(&r, &code) || !ht_u8(&r, &id) || !ht_u16(&r, &len) || len < 4)
		return HT_CARRIER_NOT;
	cut &= len > packet.len;
	// RFC 3748 4.1: what lies beyond the length is padding.
	if (!ht_take(&r, cut ? r.left.len : len - 4u, &body.left))
		return HT_CARRIER_NOT;
	r = body;
	if (code != RESPONSE || !method(&r, &type) || !ht_u8(&r, &flags))
		return HT_CARRIER_NOTHING;
	// The length of the message helps nobody here: TLS has its own.
	if (((flags & FLAG_LENGTH) && !ht_skip(&r, 4))
	    || (type == TYPE_TEAP && (flags & FLAG_OUTER_TLVS) && !ht_skip(&r, 4))
	    || r.left.len == 0) // an acknowledgement
		return HT_CARRIER_NOTHING;
	*out = (struct ht_piece){
		.number = id,
		.number_wraps = true,
		.last = !(flags & FLAG_MORE),
		.cut = cut,
		.context = type,
		.session = HT_SPAN_EMPTY,
		.data = r.left,
	};
	return HT_CARRIER_PIECE;
}

enum ht_carrier_rc ht_eapol(struct ht_piece *out, struct ht_span frame, uint32_t wire_len) {
	enum { EAP_PACKET = 0 };
	struct ht_reader r = ht_reader(frame);
	struct ht_span packet;
	uint8_t version, type;
	uint16_t len;
	if (!ht_u8(&r, &version) || !ht_u8(&r, &type) || !ht_u16(&r, &len) || 4u + len > wire_len)
		return HT_CARRIER_NOT;
	if (type != EAP_PACKET)
		return HT_CARRIER_NOTHING;
	bool cut = len > r.left.len;
	return ht_take(&r, cut ? r.left.len : len, &packet) ? eap_piece(out, packet, cut)
							    : HT_CARRIER_NOT;
}
