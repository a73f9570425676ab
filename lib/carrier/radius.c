// SPDX-License-Identifier: BSD-3-Clause
// EAP in RADIUS Access-Requests (RFC 2865 3 and 5, RFC 3579 3.1): code 1, identifier, length 2,
// authenticator 16, then attributes {type 1, length 1, value}.

#include "carrier_int.h"

enum { ACCESS_REQUEST = 1, HEADER = 20 };
enum { EAP_MESSAGE = 79 };

static const uint8_t who_types[HT_RADIUS_NUM_WHO] = {
	[HT_RADIUS_USER_NAME] = 1,
	[HT_RADIUS_NAS_PORT] = 5,
	[HT_RADIUS_CALLING_STATION_ID] = 31,
	[HT_RADIUS_NAS_IDENTIFIER] = 32,
};

// The attributes of an Access-Request, as far as they were captured.
static bool attributes(struct ht_span d, uint32_t wire_len, struct ht_reader *out) {
	struct ht_reader r = ht_reader(d);
	uint8_t code, id;
	uint16_t len;
	if (!ht_u8(&r, &code) || !ht_u8(&r, &id) || !ht_u16(&r, &len) || !ht_skip(&r, 16))
		return false;
	// RFC 2865 3: what lies beyond the length is padding. Nobody pads; all of it must fit.
	if (code != ACCESS_REQUEST || len != wire_len || len <= HEADER || len > HT_RADIUS_MAX)
		return false;
	*out = r;
	return true;
}

// Takes one attribute. What the snap length cut of its value is missing.
static bool attribute(struct ht_reader *r, bool cut, uint8_t *type, struct ht_span *value) {
	uint8_t len;
	if (!ht_u8(r, type) || !ht_u8(r, &len) || len < 2)
		return false;
	return ht_take(r, len - 2u, value) || (cut && ht_take(r, r->left.len, value));
}

bool ht_radius_is(struct ht_span datagram, uint32_t wire_len) {
	struct ht_reader r;
	struct ht_span value;
	uint8_t type;
	bool cut = wire_len > datagram.len, eap = false;
	if (!attributes(datagram, wire_len, &r))
		return false;
	while (r.left.len > 0) {
		if (!attribute(&r, cut, &type, &value))
			return cut && eap;
		eap |= type == EAP_MESSAGE;
	}
	return eap;
}

enum ht_carrier_rc
ht_radius(struct ht_piece *out, struct ht_radius *x, struct ht_span datagram, uint32_t wire_len) {
	struct ht_reader r;
	struct ht_span value;
	uint8_t type;
	size_t len = 0;
	bool cut = wire_len > datagram.len;
	for (unsigned i = 0; i < HT_RADIUS_NUM_WHO; i++)
		x->who[i] = HT_SPAN_EMPTY;
	if (!attributes(datagram, wire_len, &r))
		return HT_CARRIER_NOT;
	while (r.left.len > 0 && attribute(&r, cut, &type, &value)) {
		for (unsigned i = 0; i < HT_RADIUS_NUM_WHO; i++)
			if (type == who_types[i])
				x->who[i] = value;
		if (type != EAP_MESSAGE || value.len > sizeof(x->eap) - len)
			continue;
		memcpy(x->eap + len, value.p, value.len);
		len += value.len;
	}
	return eap_piece(out, HT_SPAN(x->eap, len), cut);
}
