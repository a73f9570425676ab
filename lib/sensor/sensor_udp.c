// SPDX-License-Identifier: BSD-3-Clause
// UDP: which datagrams are QUIC, DTLS or a carrier of TLS. A flow is made only for what has proved
// to be a client's hello; everything else costs a look at its first bytes.

#include "sensor_int.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t keyed_hash(const struct ht_sensor *s, struct ht_span b) {
	return XXH3_64bits_withSeed(b.p, b.len, s->p.secret[1]);
}

bool udp_wants(struct ht_sensor *s, const struct ht_packet *p) {
	struct ht_span d = p->payload;
	if (d.len == 0)
		return false;
	count(s, HT_CTR_DATAGRAMS);
	if (HT_LIKELY(!ht_quic_perhaps(d) && !ht_dtls_perhaps(d) && !ht_carrier_perhaps(d))) {
		count(s, HT_CTR_DATAGRAM_OTHER);
		return false;
	}
	if (ht_dtls_start(d))
		return true;
	struct ht_quic_header q;
	switch (ht_quic_peek(&q, d)) {
	case HT_QUIC_INITIAL:
	case HT_QUIC_GQUIC:
	case HT_QUIC_LONG:
	case HT_QUIC_RETRY:
	case HT_QUIC_VERSION_NEGOTIATION:
		return true;
	case HT_QUIC_GREASED:
		count(s, HT_CTR_DATAGRAM_QUIC_GREASED);
		return false;
	case HT_QUIC_UNKNOWN_VERSION:
		count(s, HT_CTR_DATAGRAM_QUIC_UNKNOWN);
		return false;
	default:
		if (HT_UNLIKELY(ht_carrier_perhaps(p->payload)))
			return carried_wants(s, p);
		count(s, HT_CTR_DATAGRAM_OTHER);
		return false;
	}
}

void udp_packet(
	struct ht_sensor *s,
	const struct ht_packet *p,
	struct ht_flow_ref ref,
	const struct sighting *at
) {
	struct ht_quic_header q;
	if (ht_dtls_start(p->payload))
		dtls_packet(s, p, ref, flow_find(s, p, ref), at);
	else if (ht_quic_peek(&q, p->payload) != HT_QUIC_NOT)
		quic_packet(s, p, ref, flow_find(s, p, ref), &q, at);
	else
		carried_packet(s, p, ref, at);
}

void udp_end(struct ht_sensor *s, struct hello *h, enum ht_incomplete why) {
	switch (h->kind) {
	case HELLO_QUIC:
		quic_give_up(s, h, why);
		break;
	case HELLO_CARRIED:
		carried_give_up(s, h, why);
		break;
	default:
		dtls_give_up(s, h, why);
		break;
	}
}
