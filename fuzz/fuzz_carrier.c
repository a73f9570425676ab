// SPDX-License-Identifier: BSD-3-Clause
// Input: [mode][...].
//   0  packets, each behind {kind 1, captured 2, more on the wire 1}: EAPOL, RADIUS, OpenVPN. Views
//      must stay inside the packet, and ht_radius_is must agree with ht_radius.
//   1  [step] a TCP direction of OpenVPN, given whole and in steps: both must give the same.
//   2  a script of pieces {what 1, number 1, length 1}, against a model that keeps all of them.

#include "carrier.h"
#include "reader.h"

#include <stdlib.h>

#define MAX_BYTES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok) {
	if (!ok)
		abort();
}

// A block of exactly this size, so that a sanitizer sees the byte after it.
static uint8_t *copy_of(struct ht_span s) {
	uint8_t *p = malloc(s.len > 0 ? s.len : 1);
	must(p != NULL);
	memcpy(p, s.p, s.len);
	return p;
}

static bool inside(struct ht_span s, const uint8_t *p, size_t len) {
	return s.len == 0 || (s.p >= p && s.p <= p + len && s.len <= (size_t)(p + len - s.p));
}

static void packets(struct ht_reader r) {
	static struct ht_radius radius;
	uint8_t kind, more;
	uint16_t len;
	struct ht_span s;
	while (ht_u8(&r, &kind) && ht_u16(&r, &len) && ht_u8(&r, &more)) {
		if (!ht_take(&r, len, &s))
			must(ht_take(&r, r.left.len, &s));
		struct ht_piece piece;
		uint8_t *p = copy_of(s);
		struct ht_span packet = HT_SPAN(p, s.len);
		uint32_t wire_len = (uint32_t)s.len + more;
		enum ht_carrier_rc rc;
		if (packet.len > 0)
			ht_carrier_perhaps(packet);
		switch (kind % 3) {
		case 0:
			rc = ht_eapol(&piece, packet, wire_len);
			must(rc != HT_CARRIER_PIECE || inside(piece.data, p, s.len));
			break;
		case 1:
			rc = ht_radius(&piece, &radius, packet, wire_len);
			must(rc != HT_CARRIER_PIECE
			     || inside(piece.data, radius.eap, sizeof(radius.eap)));
			must(!ht_radius_is(packet, wire_len) || ht_carrier_perhaps(packet));
			break;
		default:
			rc = ht_openvpn(&piece, packet, wire_len);
			must(rc != HT_CARRIER_PIECE
			     || (inside(piece.data, p, s.len) && inside(piece.session, p, s.len)));
			must(rc == HT_CARRIER_NOT || ht_carrier_perhaps(packet) || packet.len < 14
			); // cut by the snap length
			break;
		}
		if (rc == HT_CARRIER_PIECE)
			must(!piece.cut || more > 0 || kind % 3 == 0);
		free(p);
	}
}

static void stream(struct ht_reader r) {
	struct ht_openvpn_stream whole = {0}, steps = {0};
	uint8_t step;
	if (!ht_u8(&r, &step))
		return;
	size_t len = r.left.len, at = 0;
	uint8_t *a = copy_of(r.left), *b = copy_of(r.left);
	enum ht_rc rc = HT_MORE, want = ht_openvpn_unframe(&whole, a, (uint32_t)len, false);
	while (rc == HT_MORE && at < len) {
		at = len - at > step + 1u ? at + step + 1u : len;
		rc = ht_openvpn_unframe(&steps, b, (uint32_t)at, false);
		must(steps.end <= steps.pos && steps.pos <= at);
	}
	must(rc == want && whole.end == steps.end && whole.next == steps.next);
	must(memcmp(a, b, whole.end) == 0);
	free(a);
	free(b);
}

// The model: the pieces of all numbers that were taken, by what the module said of them.
struct model {
	bool there[512];
	uint8_t len[512], fill[512];
};

static void check(const struct ht_pieces *s, const struct model *m, unsigned first) {
	uint32_t at = 0;
	unsigned n = first;
	for (; n < 512 && m->there[n]; n++) {
		for (unsigned k = 0; k < m->len[n]; k++)
			must(s->data.buf[at + k] == (uint8_t)(m->fill[n] + k));
		at += m->len[n];
	}
	must(s->prefix == at && s->next == n && s->taken == n - first);
}

static void script(struct ht_reader r) {
	static struct ht_arena *arena;
	static struct model m;
	struct ht_pieces s = {0};
	uint8_t what, low, len, fill = 0, bytes[256];
	unsigned first = 0;
	if (arena == NULL)
		arena = ht_arena_new(1u << 20);
	must(arena != NULL);
	memset(&m, 0, sizeof(m));
	while (ht_u8(&r, &what) && ht_u8(&r, &low) && ht_u8(&r, &len)) {
		unsigned number = low + (what & 1) * 256u;
		if ((what & 0xf0) == 0xf0 && !s.anchored) {
			ht_pieces_anchor(&s, number);
			first = number;
			check(&s, &m, first);
		}
		fill = (uint8_t)(fill * 5 + 1);
		for (unsigned k = 0; k < len; k++)
			bytes[k] = (uint8_t)(fill + k);
		uint32_t near = ht_pieces_near(&s, low);
		must((uint8_t)near == low);
		bool known = m.there[number] || (s.anchored && number < first);
		uint8_t *p = copy_of(HT_SPAN(bytes, len));
		enum ht_rc rc = ht_pieces_add(&s, arena, number, HT_SPAN(p, len), MAX_BYTES);
		free(p);
		must((rc == HT_SKIP) == known);
		must(rc == HT_OK || rc == HT_SKIP || rc == HT_LIMIT);
		if (rc == HT_OK) {
			m.there[number] = true;
			m.len[number] = len;
			m.fill[number] = fill;
		}
		if (s.anchored)
			check(&s, &m, first);
		must(s.num_ahead <= HT_PIECES_AHEAD && ht_ranges_end(&s.data.have) <= MAX_BYTES);
	}
	ht_pieces_drop(&s, arena);
	must(ht_arena_used(arena) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct ht_reader r = ht_reader(HT_SPAN(data, size));
	uint8_t mode;
	if (!ht_u8(&r, &mode))
		return 0;
	switch (mode % 3) {
	case 0:
		packets(r);
		break;
	case 1:
		stream(r);
		break;
	default:
		script(r);
		break;
	}
	return 0;
}
