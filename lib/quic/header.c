// SPDX-License-Identifier: BSD-3-Clause
// Versions and long headers: what can be told without a key.

#include "quic_int.h"

const struct ht_quic_salt_def ht_quic_salts[HT_QUIC_NUM_SALTS] = {
	// RFC 9001 5.2
	[HT_SALT_V1]
	= {"\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17"
	   "\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a",
	   HT_LABELS_QUIC},
	// RFC 9369 3.3.1
	[HT_SALT_V2]
	= {"\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93"
	   "\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9",
	   HT_LABELS_QUICV2},
	[HT_SALT_DRAFT29]
	= {"\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97"
	   "\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99",
	   HT_LABELS_QUIC},
	[HT_SALT_DRAFT23]
	= {"\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7"
	   "\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02",
	   HT_LABELS_QUIC},
	[HT_SALT_DRAFT22]
	= {"\x7f\xbc\xdb\x0e\x7c\x66\xbb\xe9\x19\x3a"
	   "\x96\xcd\x21\x51\x9e\xbd\x7a\x02\x64\x4a",
	   HT_LABELS_QUIC},
	[HT_SALT_V2_DRAFT01]
	= {"\xa7\x07\xc2\x03\xa5\x9b\x47\x18\x4a\x1d"
	   "\x62\xca\x57\x04\x06\xea\x7a\xe3\xe5\xd3",
	   HT_LABELS_QUICV2},
	[HT_SALT_V2_DRAFT_2022]
	= {"\x3a\x78\x5f\xb8\xf3\x00\x98\x37\x54\x6c"
	   "\x9e\x85\x70\xb6\xba\xc8\x43\xe3\xe1\x42",
	   HT_LABELS_QUICV2},
	[HT_SALT_MVFST_2024]
	= {"\xca\x6b\x74\xa5\xce\x82\xfc\x04\x43\x6b"
	   "\xf2\xea\x75\xe7\x8c\x56\xc8\xc0\x8d\x24",
	   HT_LABELS_QUIC},
	[HT_SALT_Q050]
	= {"\x50\x45\x74\xef\xd0\x66\xfe\x2f\x9d\x94"
	   "\x5c\xfc\xdb\xd3\xa7\xf0\xd3\xb5\x6b\x45",
	   HT_LABELS_QUIC},
	[HT_SALT_T050]
	= {"\x7f\xf5\x79\xe5\xac\xd0\x72\x91\x55\x80"
	   "\x30\x4c\x43\xa2\x36\x7c\x60\x48\x83\x10",
	   HT_LABELS_QUIC},
	[HT_SALT_T051]
	= {"\x7a\x4e\xde\xf4\xe7\xcc\xee\x5f\xa4\x50"
	   "\x6c\x19\x12\x4f\xc8\xcc\xda\x6e\x03\x3d",
	   HT_LABELS_QUIC},
	// Nothing is defined for reserved versions (RFC 9000 15); this is what google/quiche sends.
	[HT_SALT_GREASED]
	= {"\xf9\x64\xbf\x45\x3a\x1f\x1b\x80\xa5\xf8"
	   "\x82\x03\x77\xd4\xaf\xca\x58\x0e\xe7\x43",
	   HT_LABELS_QUIC},
};

const struct ht_quic_retry_key ht_quic_retry_keys[HT_QUIC_NUM_RETRIES] = {
	// RFC 9001 5.8
	[HT_RETRY_V1]
	= {"\xbe\x0c\x69\x0b\x9f\x66\x57\x5a\x1d\x76\x6b\x54\xe3\x68\xc8\x4e",
	   "\x46\x15\x99\xd3\x5d\x63\x2b\xf2\x23\x98\x25\xbb"},
	// RFC 9369 3.3.3
	[HT_RETRY_V2]
	= {"\x8f\xb4\xb0\x1b\x56\xac\x48\xe2\x60\xfb\xcb\xce\xad\x7c\xcc\x92",
	   "\xd8\x69\x69\xbc\x2d\x7c\x6d\x99\x90\xef\xb0\x4a"},
	[HT_RETRY_DRAFT29]
	= {"\xcc\xce\x18\x7e\xd0\x9a\x09\xd0\x57\x28\x15\x5a\x6c\xb9\x6b\xe1",
	   "\xe5\x49\x30\xf9\x7f\x21\x36\xf0\x53\x0a\x8c\x1c"},
	[HT_RETRY_DRAFT25]
	= {"\x4d\x32\xec\xdb\x2a\x21\x33\xc8\x41\xe4\x04\x3d\xf2\x7d\x44\x30",
	   "\x4d\x16\x11\xd0\x55\x13\xa5\x52\xc5\x87\xd5\x75"},
};

static const struct ht_quic_version versions[] = {
	{0x00000001, 0x00000001, HT_SALT_V1, HT_RETRY_V1, false, false},
	{0x6b3343cf, 0x6b3343cf, HT_SALT_V2, HT_RETRY_V2, true, false},
	{0xff000021, 0xff000022, HT_SALT_V1, HT_RETRY_V1, false, false}, // draft-33, -34
	{0xff00001d, 0xff000020, HT_SALT_DRAFT29, HT_RETRY_DRAFT29, false, false},
	{0xff000019, 0xff00001c, HT_SALT_DRAFT23, HT_RETRY_DRAFT25, false, false},
	{0xff000017, 0xff000018, HT_SALT_DRAFT23, HT_RETRY_ODCID, false, false},
	{0xff000016, 0xff000016, HT_SALT_DRAFT22, HT_RETRY_ODCID, false, false},
	// The drafts of v2 had other Retry keys, which nobody is known to send any more.
	{0x709a50c4, 0x709a50c4, HT_SALT_V2_DRAFT01, HT_RETRY_UNKNOWN, true, false},
	{0x5a8e301a, 0x5a8e301a, HT_SALT_V2_DRAFT_2022, HT_RETRY_UNKNOWN, true, false},
	// mvfst: quic/QuicConstants.h
	{0xfaceb001, 0xfaceb001, HT_SALT_DRAFT22, HT_RETRY_ODCID, false, false},
	{0xfaceb002, 0xfaceb002, HT_SALT_DRAFT23, HT_RETRY_DRAFT25, false, false},
	{0xfaceb003, 0xfaceb004, HT_SALT_V1, HT_RETRY_V1, false, false},
	{0xfaceb00e, 0xfaceb013, HT_SALT_DRAFT23, HT_RETRY_DRAFT25, false, false},
	{0xfaceb014, 0xfaceb015, HT_SALT_MVFST_2024, HT_RETRY_UNKNOWN, false, false},
	{0xfacefeed, 0xfacefeed, HT_SALT_V1, HT_RETRY_V1, false, false},
	{0x51303530, 0x51303530, HT_SALT_Q050, HT_RETRY_UNKNOWN, false, true}, // "Q050"
	{0x54303530, 0x54303530, HT_SALT_T050, HT_RETRY_UNKNOWN, false, true}, // "T050"
	{0x54303531, 0x54303531, HT_SALT_T051, HT_RETRY_UNKNOWN, false, true}, // "T051"
	{0xd4000400, 0xd4000400, HT_SALT_V1, HT_RETRY_V1, false,
	 false}, // seen in the wild, no text
};

static const struct ht_quic_version greased
	= {0, 0, HT_SALT_GREASED, HT_RETRY_UNKNOWN, false, false};

const struct ht_quic_version *ht_quic_version_find(uint32_t version) {
	for (size_t i = 0; i < HT_ARRAY_LEN(versions); i++)
		if (version >= versions[i].first && version <= versions[i].last)
			return &versions[i];
	return ht_quic_is_greased(version) ? &greased : NULL;
}

// A SCONE indication (draft-ietf-scone-protocol): a long header up to the Source Connection ID and
// nothing more; the two versions differ in the top bit.
static bool is_scone(uint32_t version) {
	return (version & 0x7fffffff) == 0x6f7dc0fd;
}

// read_invariant reads what every version has in common (RFC 8999 5.1).
static bool read_invariant(
	struct ht_reader *r,
	uint8_t *first,
	uint32_t *version,
	struct ht_span *dcid,
	struct ht_span *scid
) {
	struct ht_reader d, s;
	if (!ht_u8(r, first) //
	    || (*first & 0x80) == 0 //
	    || !ht_u32(r, version) //
	    || !ht_vec8(r, &d) //
	    || !ht_vec8(r, &s))
		return false;
	*dcid = d.left;
	*scid = s.left;
	return true;
}

enum ht_rc ht_quic_next(struct ht_quic_packet *out, struct ht_reader *r) {
	struct ht_reader t = *r;
	struct ht_quic_packet p = {.token = {t.left.p, 0}};
	uint8_t first;
	if (!read_invariant(&t, &first, &p.version, &p.dcid, &p.scid))
		return HT_BAD;
	if (is_scone(p.version)) {
		*r = t;
		return HT_SKIP;
	}
	// RFC 9000 17.2: at most 20 bytes in the versions known here. The fixed bit is not looked
	// at: an endpoint may grease it (RFC 9287 3).
	p.version_info = ht_quic_version_find(p.version);
	if (p.version_info == NULL //
	    || p.dcid.len > HT_QUIC_CID_MAX //
	    || p.scid.len > HT_QUIC_CID_MAX)
		return HT_BAD;
	// RFC 9369 3.2: v2 counts the types from 1.
	uint8_t bits = first >> 4 & 3;
	p.type = (enum ht_quic_type)(p.version_info->v2_types ? (bits + 3) & 3 : bits);

	if (p.type == HT_TYPE_RETRY) { // RFC 9000 17.2.5: no Length, so it ends the datagram
		p.whole = r->left;
		*out = p;
		*r = (struct ht_reader){{t.left.p + t.left.len, 0}};
		return HT_OK;
	}
	uint64_t token_len, len;
	if (p.type == HT_TYPE_INITIAL
	    && (!ht_varint(&t, &token_len) //
		|| token_len > t.left.len //
		|| !ht_take(&t, (size_t)token_len, &p.token)))
		return HT_BAD;
	struct ht_span payload;
	if (!ht_varint(&t, &len) //
	    || len > t.left.len //
	    || !ht_take(&t, (size_t)len, &payload))
		return HT_BAD;
	p.pn_offset = (size_t)(payload.p - r->left.p);
	p.whole = (struct ht_span){r->left.p, p.pn_offset + payload.len};
	*out = p;
	*r = t;
	return HT_OK;
}

// RFC 9000 17.2.1: the versions are all that follows the connection ids.
static bool is_version_negotiation(struct ht_span rest) {
	return rest.len > 0 && rest.len % 4 == 0;
}

// later_initial looks for an Initial behind the 0-RTT or Handshake packet a datagram starts with.
static bool later_initial(struct ht_quic_packet *p, struct ht_span datagram) {
	struct ht_reader r = ht_reader(datagram);
	for (enum ht_rc rc; (rc = ht_quic_next(p, &r)) != HT_BAD;)
		if (rc == HT_OK && p->type == HT_TYPE_INITIAL)
			return true;
	return false;
}

static enum ht_quic_kind kind_of(struct ht_quic_header *out, struct ht_span datagram) {
	struct ht_reader r = ht_reader(datagram);
	uint8_t first;
	struct ht_quic_header h;
	do { // each turn takes 7 bytes or more
		if (!read_invariant(&r, &first, &h.version, &h.dcid, &h.scid))
			return HT_QUIC_NOT;
	} while (is_scone(h.version));
	if (h.version == 0) { // the first byte is arbitrary, connection ids may be long
		if (!is_version_negotiation(r.left))
			return HT_QUIC_NOT;
		out->dcid = h.dcid;
		out->scid = h.scid;
		return HT_QUIC_VERSION_NEGOTIATION;
	}
	if (h.dcid.len > HT_QUIC_CID_MAX || h.scid.len > HT_QUIC_CID_MAX)
		return HT_QUIC_NOT;
	const struct ht_quic_version *v = ht_quic_version_find(h.version);
	// RFC 9000 17.2: without a version that is known the fixed bit is all there is to go by.
	if (v == NULL && (first & 0x40) == 0)
		return HT_QUIC_NOT;
	out->version = h.version;
	out->dcid = h.dcid;
	out->scid = h.scid;
	if (v == NULL)
		return HT_QUIC_UNKNOWN_VERSION;
	if (ht_quic_is_greased(h.version))
		return HT_QUIC_GREASED;
	uint8_t bits = first >> 4 & 3;
	switch ((enum ht_quic_type)(v->v2_types ? (bits + 3) & 3 : bits)) {
	case HT_TYPE_INITIAL:
		return HT_QUIC_INITIAL;
	case HT_TYPE_RETRY:
		return HT_QUIC_RETRY;
	case HT_TYPE_0RTT:
	case HT_TYPE_HANDSHAKE:
		break;
	}
	struct ht_quic_packet p;
	if (!later_initial(&p, datagram))
		return HT_QUIC_LONG;
	out->version = p.version;
	out->dcid = p.dcid;
	out->scid = p.scid;
	return HT_QUIC_INITIAL;
}

enum ht_quic_kind ht_quic_peek(struct ht_quic_header *out, struct ht_span datagram) {
	*out = (struct ht_quic_header){.dcid = {datagram.p, 0}, .scid = {datagram.p, 0}};
	// gQUIC first: Q044 to Q046 have a long header with connection id lengths of their own.
	enum ht_quic_kind k = HT_QUIC_GQUIC;
	if (!ht_gquic_peek(out, datagram))
		k = kind_of(out, datagram);
	out->kind = (uint8_t)k;
	return k;
}
