// SPDX-License-Identifier: BSD-3-Clause
// gQUIC, the protocol QUIC came from: public headers up to Q043, the long headers of Q044 to Q046,
// the frames that Q050, T050 and T051 still use, and the ClientHello (CHLO) with its tag table.
// There is no RFC; the formats are those of google/quiche and of captures.

#include "quic_int.h"

// The version is text, "Q0" and two digits; `Q(43)` is 0x51303433.
#define Q(n) (0x51303000u | (uint32_t)('0' + (n) / 10) << 8 | (uint32_t)('0' + (n) % 10))

// Up to Q046 the handshake is in clear. From Q047 on connection ids have the lengths of RFC 8999.
static bool in_clear(uint32_t v) {
	uint8_t tens = v >> 8 & 0xff, ones = v & 0xff;
	return v >= Q(10) && v <= Q(46) && tens <= '9' && ones >= '0' && ones <= '9';
}

struct packet {
	uint32_t version;
	struct ht_span dcid;
	size_t pn_len;
	struct ht_reader rest; // from the packet number on
};

// The public header up to Q043: flags, connection id of 8 bytes, version, packet number.
// Flags: 0x01 a version is there, 0x02 reset, 0x08 a connection id is there (older: 0x0c), 0x30
// length of the packet number, 0x40 multipath, 0x80 never set.
static bool public_header(struct packet *out, struct ht_span datagram) {
	struct ht_reader r = ht_reader(datagram);
	uint8_t flags;
	if (!ht_u8(&r, &flags) //
	    || (flags & 0x8b) != 0x09 //
	    || !ht_take(&r, 8, &out->dcid) //
	    || !ht_u32(&r, &out->version) //
	    || !in_clear(out->version) || out->version > Q(43))
		return false;
	static const uint8_t pn_lens[4] = {1, 2, 4, 6};
	out->pn_len = pn_lens[flags >> 4 & 3];
	out->rest = r;
	return true;
}

// Q044 to Q046: an early form of the long header, both connection id lengths in one byte (0 or, in
// 3..18, less 3), then the packet number. No token and no length.
static bool long_header(struct packet *out, struct ht_span datagram) {
	struct ht_reader r = ht_reader(datagram);
	uint8_t first, lens;
	struct ht_span scid;
	if (!ht_u8(&r, &first) //
	    || (first & 0x80) == 0 //
	    || !ht_u32(&r, &out->version) //
	    || !in_clear(out->version) || out->version < Q(44) //
	    || !ht_u8(&r, &lens))
		return false;
	size_t d = lens >> 4, s = lens & 15;
	if (!ht_take(&r, d > 0 ? d + 3 : 0, &out->dcid) || !ht_take(&r, s > 0 ? s + 3 : 0, &scid))
		return false;
	out->pn_len = (size_t)(first & 3) + 1;
	out->rest = r;
	return true;
}

static bool read_packet(struct packet *out, struct ht_span datagram) {
	return public_header(out, datagram) || long_header(out, datagram);
}

bool ht_gquic_peek(struct ht_quic_header *out, struct ht_span datagram) {
	struct packet p;
	if (!read_packet(&p, datagram))
		return false;
	out->version = p.version;
	out->dcid = p.dcid;
	return true;
}

// Q039 turned the integers of packets to network order; those of messages stay little-endian.
static bool u16_le(struct ht_reader *r, uint16_t *v) {
	if (!ht_u16(r, v))
		return false;
	*v = __builtin_bswap16(*v);
	return true;
}

static bool u32_le(struct ht_reader *r, uint32_t *v) {
	if (!ht_u32(r, v))
		return false;
	*v = __builtin_bswap32(*v);
	return true;
}

// skip_ack skips an ACK frame, 01n0llmm: largest acked (ll), delay, the number of further blocks
// (if n), first block (mm), per block a gap and a length, then timestamps: 5 bytes and 3 for each
// further.
static bool skip_ack(struct ht_reader *r, uint8_t type) {
	static const uint8_t lens[4] = {1, 2, 4, 6};
	size_t largest = lens[type >> 2 & 3], block = lens[type & 3];
	uint8_t num_blocks = 0, num_stamps;
	return ht_skip(r, largest + 2) //
	       && ((type & 0x20) == 0 || ht_u8(r, &num_blocks)) //
	       && ht_skip(r, block + num_blocks * (block + 1)) //
	       && ht_u8(r, &num_stamps) //
	       && (num_stamps == 0 || ht_skip(r, 5 + (num_stamps - 1u) * 3));
}

// CONNECTION_CLOSE: error code, reason.
static bool skip_close(struct ht_reader *r) {
	struct ht_reader reason;
	return ht_skip(r, 4) && ht_vec16(r, &reason);
}

enum ht_quic_rc ht_gquic_frames(struct ht_quic_sink *s, struct ht_span payload) {
	struct ht_reader r = ht_reader(payload);
	enum ht_quic_rc rc = HT_QUIC_MORE;
	if (r.left.len == 0)
		return HT_QUIC_BAD;
	while (r.left.len > 0) {
		uint8_t type;
		bool ok = ht_u8(&r, &type);
		switch (type) {
		case 0x00: // PADDING
			ok = ok && ht_skip(&r, ht_quic_zeros(r.left));
			break;
		case 0x02: // CONNECTION_CLOSE
			ok = ok && skip_close(&r);
			break;
		case 0x07: // PING
			break;
		case 0x08: // CRYPTO, as in RFC 9000 19.6 but for its type
			ok = ok && ht_quic_crypto_frame(s, &r, &rc);
			break;
		default:
			ok = ok && (type & 0xc0) == 0x40 && skip_ack(&r, type);
		}
		if (!ok)
			return HT_QUIC_BAD;
	}
	return rc;
}

struct stream_frame {
	uint64_t id, offset;
	struct ht_span data;
};

static bool integer(struct ht_reader *r, size_t n, bool le, uint64_t *v) {
	struct ht_span s;
	if (!ht_take(r, n, &s))
		return false;
	*v = 0;
	for (size_t i = 0; i < n; i++)
		*v = *v << 8 | s.p[le ? n - 1 - i : i];
	return true;
}

// read_stream reads a STREAM frame, 1fdoooss: id of ss + 1 bytes, offset of none or ooo + 1 bytes,
// and with d a data length; without it the data goes on to the end of the packet.
static bool
read_stream(struct stream_frame *out, struct ht_reader *r, uint8_t type, uint32_t version) {
	bool le = version < Q(39);
	size_t offset_len = type >> 2 & 7;
	uint64_t len;
	if (!integer(r, (type & 3u) + 1, le, &out->id) //
	    || !integer(r, offset_len > 0 ? offset_len + 1 : 0, le, &out->offset))
		return false;
	if ((type & 0x20) == 0)
		len = r->left.len;
	else if (!integer(r, 2, le, &len))
		return false;
	return ht_take(r, (size_t)len, &out->data);
}

// find_chlo walks the frames of a packet up to the STREAM frame that begins the handshake.
static enum ht_rc find_chlo(struct ht_span *out, struct ht_reader r, const struct packet *p) {
	while (r.left.len > 0) {
		uint8_t type;
		struct stream_frame f;
		if (!ht_u8(&r, &type))
			return HT_BAD;
		if ((type & 0x80) != 0) {
			if (!read_stream(&f, &r, type, p->version))
				return HT_BAD;
			if (f.id == 1 && f.offset == 0) { // the crypto stream
				*out = f.data;
				return HT_OK;
			}
		} else if ((type & 0x40) != 0) {
			// Before Q034 an ACK carried an entropy hash and a list of losses.
			if (p->version < Q(34))
				return HT_SKIP;
			if (!skip_ack(&r, type))
				return HT_BAD;
		} else if (type == 0x00) { // PADDING: before Q038 to the end of the packet
			if (!ht_skip(&r, ht_quic_zeros(r.left)))
				return HT_BAD;
		} else if (type == 0x06) { // STOP_WAITING: the least packet awaited, as a
					   // difference
			if (!ht_skip(&r, p->pn_len + (p->version < Q(34) ? 1 : 0)))
				return HT_BAD;
		} else if (type != 0x07) { // PING
			return HT_SKIP; // nothing that stands before a CHLO
		}
	}
	return HT_SKIP;
}

enum ht_rc ht_gquic_chlo(struct ht_gquic_hello *out, struct ht_span datagram) {
	struct packet p;
	if (!read_packet(&p, datagram))
		return HT_SKIP;
	// Packets without a key end their header with 12 bytes of FNV-1a hash. Encrypted ones look
	// the same from here, and what follows decides. Before Q034 a byte of flags comes then.
	struct ht_reader r = p.rest;
	if (!ht_skip(&r, p.pn_len + 12 + (p.version < Q(34) ? 1 : 0)))
		return HT_SKIP;
	struct ht_span data;
	if (find_chlo(&data, r, &p) != HT_OK)
		return HT_SKIP;
	struct ht_gquic_hello h;
	enum ht_rc rc = ht_gquic_message(&h, data);
	if (rc != HT_OK)
		return rc;
	h.version = p.version;
	*out = h;
	return HT_OK;
}

// As google/quiche refuses more.
#define MAX_TAGS 128

enum ht_rc ht_gquic_message(struct ht_gquic_hello *out, struct ht_span message) {
	static const uint8_t magic[4] = {'C', 'H', 'L', 'O'};
	size_t n = message.len < 4 ? message.len : 4;
	if (memcmp(message.p, magic, n) != 0)
		return HT_SKIP;
	struct ht_reader r = ht_reader(message);
	uint16_t num_tags, zero;
	if (!ht_skip(&r, 4) || !u16_le(&r, &num_tags) || !u16_le(&r, &zero))
		return HT_MORE;
	if (num_tags > MAX_TAGS)
		return HT_BAD;
	struct ht_span table;
	if (!ht_take(&r, 8u * num_tags, &table))
		return HT_MORE;

	struct ht_span none = {message.p, 0};
	struct ht_gquic_hello h = {.sni = none, .user_agent = none, .versions = none};
	struct ht_reader t = ht_reader(table);
	uint32_t start = 0;
	for (uint16_t i = 0; i < num_tags; i++) {
		uint32_t tag, end;
		struct ht_span value;
		if (!ht_u32(&t, &tag) || !u32_le(&t, &end) || end < start)
			return HT_BAD;
		if (!ht_take(&r, end - start, &value))
			return HT_MORE;
		start = end;
		if (tag == 0x534e4900) // "SNI\0"
			h.sni = value;
		else if (tag == 0x55414944) // "UAID"
			h.user_agent = value;
		else if (tag == 0x56455200) // "VER\0"
			h.versions = value;
	}
	h.message = (struct ht_span){message.p, message.len - r.left.len};
	h.version = h.versions.len == 4 ? ht_be32(h.versions.p) : 0;
	*out = h;
	return HT_OK;
}
