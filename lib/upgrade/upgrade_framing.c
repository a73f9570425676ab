// SPDX-License-Identifier: BSD-3-Clause
// What carries TLS in pieces, each behind a header of its own: TDS packets, WebSocket frames. The
// pieces are moved together in place, over the headers between them.

#include "upgrade_int.h"

struct frame {
	uint32_t head, left; // bytes of its header, and behind it
	bool carries; // TLS
	uint8_t mask[4];
};

// A header is read whole or not at all: HT_MORE. HT_BAD: no TLS comes that way.
typedef enum ht_rc read_head(struct frame *f, struct ht_reader r);

// MS-TDS 2.2.3.1: {type 1, status 1, length 2, spid 2, packet 1, window 1}.
static enum ht_rc tds_head(struct frame *f, struct ht_reader r) {
	enum { HEADER = 8, TYPE_PRELOGIN = 0x12 };
	uint8_t type, status;
	uint16_t len;
	if (!ht_u8(&r, &type))
		return HT_MORE;
	if (type != TYPE_PRELOGIN)
		return HT_BAD;
	if (!ht_u8(&r, &status) || !ht_u16(&r, &len) || !ht_skip(&r, 4))
		return HT_MORE;
	if (len < HEADER)
		return HT_BAD;
	*f = (struct frame){.head = HEADER, .left = len - (uint32_t)HEADER, .carries = true};
	return HT_OK;
}

// RFC 6455 5.2: {FIN and opcode 1, MASK and length 1, 2 or 8 bytes of a longer length, masking key
// 4}. A client must mask; one that does not is understood as well. With an extension's bit set the
// content is not what it was (RFC 7692: compressed).
static enum ht_rc websocket_head(struct frame *f, struct ht_reader r) {
	enum { CONTINUATION = 0, BINARY = 2, PING = 9, PONG = 10 };
	enum { RESERVED = 0x70, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f, LEN16 = 126 };
	const size_t before = r.left.len;
	uint8_t first, second;
	uint16_t len16;
	uint32_t len, high;
	struct ht_span mask;
	if (!ht_u8(&r, &first))
		return HT_MORE;
	uint8_t opcode = first & OPCODE;
	bool control = opcode == PING || opcode == PONG;
	if ((first & RESERVED) || (!control && opcode != CONTINUATION && opcode != BINARY))
		return HT_BAD;
	if (!ht_u8(&r, &second))
		return HT_MORE;
	len = second & LENGTH;
	if (len == LEN16) {
		if (!ht_u16(&r, &len16))
			return HT_MORE;
		len = len16;
	} else if (len > LEN16) {
		if (!ht_u32(&r, &high) || !ht_u32(&r, &len))
			return HT_MORE;
		if (high != 0)
			return HT_BAD;
	}
	*f = (struct frame){.carries = !control};
	if (second & MASKED) {
		if (!ht_take(&r, sizeof(f->mask), &mask))
			return HT_MORE;
		memcpy(f->mask, mask.p, sizeof(f->mask));
	}
	f->head = (uint32_t)(before - r.left.len);
	f->left = len;
	return HT_OK;
}

// unmask takes RFC 6455 5.3 off n bytes and turns the key to where the next byte begins.
static void unmask(uint8_t mask[4], uint8_t *p, uint32_t n) {
	uint8_t turned[4];
	for (uint32_t i = 0; i < n; i++)
		p[i] ^= mask[i & 3];
	for (uint32_t i = 0; i < 4; i++)
		turned[i] = mask[(n + i) & 3];
	memcpy(mask, turned, sizeof(turned));
}

// carry moves what is there of the frame at hand behind what was carried before.
static void carry(struct ht_upgrade *u, uint8_t *buf, uint32_t there) {
	uint32_t n = there < u->frame.left ? there : u->frame.left;
	if (u->frame.carries) {
		uint8_t *to = buf + u->frame.end;
		memmove(to, buf + u->frame.at, n);
		if (u->framing == HT_FRAMING_WEBSOCKET)
			unmask(u->frame.mask, to, n);
		u->frame.end += n;
	}
	u->frame.at += n;
	u->frame.left -= n;
}

// next_frame takes a header. HT_BAD: what is there is none of those that lead to TLS.
static enum ht_rc next_frame(struct ht_upgrade *u, struct ht_span left) {
	static read_head *const heads[] = {
		[HT_FRAMING_TDS] = tds_head,
		[HT_FRAMING_WEBSOCKET] = websocket_head,
	};
	struct frame f;
	enum ht_rc rc = heads[u->framing](&f, ht_reader(left));
	if (rc != HT_OK)
		return rc;
	u->frame.at += f.head;
	u->frame.left = f.left;
	u->frame.carries = f.carries;
	memcpy(u->frame.mask, f.mask, sizeof(f.mask));
	return HT_OK;
}

enum ht_rc ht_upgrade_unwrap(struct ht_upgrade *u, uint8_t *buf, uint32_t *len) {
	if (u->framing == HT_FRAMING_NONE || *len <= u->offset)
		return HT_OK;
	const bool first = u->frame.at == 0;
	if (first)
		u->frame.at = u->frame.end = u->offset;
	while (u->frame.at < *len && !u->frame.over) {
		if (u->frame.left > 0) {
			carry(u, buf, *len - u->frame.at);
			continue;
		}
		enum ht_rc rc = next_frame(u, HT_SPAN(buf + u->frame.at, *len - u->frame.at));
		if (rc == HT_MORE)
			break;
		u->frame.over = rc != HT_OK;
	}
	if (u->frame.at == u->offset) {
		// No frame was there: it is the scan's to say what is.
		u->frame.at = 0;
		if (!u->frame.over) {
			*len = u->offset;
			return HT_OK;
		}
		u->frame.over = false;
		u->framing = HT_FRAMING_NONE;
		return HT_OK;
	}
	*len = u->frame.end;
	return u->frame.over ? HT_BAD : HT_OK;
}
