// SPDX-License-Identifier: BSD-3-Clause

#include "gen.h"

#define HEADERS_MAX (14 + 40 + 60)
#define BUFFER (1u << 20)

// Little endian whatever the machine is: the same seed, the same file.
static void put_le32(uint8_t *p, uint32_t v) {
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

bool gen_out_open(struct gen_out *o, FILE *file) {
	// Some day of 2025, 01:00 UTC.
	*o = (struct gen_out){.file = file, .ns = 1763686800ull * 1000000000};
	if (file == NULL)
		return false;
	setvbuf(o->file, NULL, _IOFBF, BUFFER);
	uint8_t h[24] = {0};
	put_le32(h, 0xa1b2c3d4);
	h[4] = 2; // version 2.4
	h[6] = 4;
	put_le32(h + 16, 262144);
	put_le32(h + 20, 1); // LINKTYPE_ETHERNET
	o->failed = fwrite(h, sizeof(h), 1, o->file) != 1;
	o->bytes = sizeof(h);
	return true;
}

bool gen_out_close(struct gen_out *o) {
	return fclose(o->file) == 0 && !o->failed;
}

static void
put_frame(struct gen_out *o, const uint8_t *head, size_t head_len, struct ht_span data) {
	uint8_t h[16];
	uint32_t len = (uint32_t)(head_len + data.len);
	put_le32(h, (uint32_t)(o->ns / 1000000000));
	put_le32(h + 4, (uint32_t)(o->ns % 1000000000 / 1000));
	put_le32(h + 8, len);
	put_le32(h + 12, len);
	o->failed |= fwrite(h, sizeof(h), 1, o->file) != 1
		     || fwrite(head, head_len, 1, o->file) != 1
		     || (data.len > 0 && fwrite(data.p, data.len, 1, o->file) != 1);
	// As on a full link of 10 Gb/s: 24 bytes more go over the wire (IEEE 802.3 3.1.1, and the
	// gap).
	o->ns += ((uint64_t)len + 24) * 8 / 10;
	o->frames++;
	o->bytes += sizeof(h) + len;
}

void gen_ends_draw(struct gen_ends *e, uint32_t n, struct gen_rng *r) {
	memset(e, 0, sizeof(*e));
	e->v6 = gen_chance(r, 20);
	uint32_t client = n * 2654435761u & 0xffffff; // odd factor: no two flows share one
	uint32_t server = gen_below(r, 1u << 17);
	for (unsigned side = 0; side < 2; side++) {
		uint8_t *a = e->addr[side];
		if (e->v6) { // RFC 3849
			ht_put_be32(a, 0x20010db8);
			a[4] = (uint8_t)side;
			ht_put_be32(a + 12, side == 0 ? client : server);
		} else { // RFC 1918, and RFC 2544 C.2.2 for the servers
			ht_put_be32(a, side == 0 ? 10u << 24 | client : 0xc6120000 | server);
		}
	}
	e->port[0] = (uint16_t)(32768 + gen_below(r, 28232)); // Linux's ephemeral ports
	e->port[1] = gen_chance(r, 95) ? 443 : 8443;
	e->seq[0] = (uint32_t)gen_u64(r);
	e->seq[1] = (uint32_t)gen_u64(r);
}

static size_t
put_ip(uint8_t *p, const struct gen_ends *e, unsigned side, uint8_t proto, size_t len, uint16_t id
) {
	// Locally administered: client side 02:..:01, server side 02:..:02.
	static const uint8_t mac[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};
	memcpy(p, mac[!side], 6);
	memcpy(p + 6, mac[side], 6);
	ht_put_be16(p + 12, e->v6 ? 0x86dd : 0x0800);
	p += 14;
	if (e->v6) {
		ht_put_be32(p, 6u << 28);
		ht_put_be16(p + 4, (uint16_t)len);
		p[6] = proto;
		p[7] = 64;
		memcpy(p + 8, e->addr[side], 16);
		memcpy(p + 24, e->addr[!side], 16);
		return 14 + 40;
	}
	memset(p, 0, 20);
	p[0] = 0x45;
	ht_put_be16(p + 2, (uint16_t)(len + 20));
	ht_put_be16(p + 4, id);
	ht_put_be16(p + 6, 0x4000); // don't fragment
	p[8] = 64;
	p[9] = proto;
	memcpy(p + 12, e->addr[side], 4);
	memcpy(p + 16, e->addr[!side], 4);
	uint32_t sum = 0;
	for (unsigned i = 0; i < 20; i += 2)
		sum += ht_be16(p + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ht_put_be16(p + 10, (uint16_t)~sum);
	return 14 + 20;
}

// TCP and UDP checksums are zero: nobody who mirrors a link may rely on them (offload leaves them
// unset), and the sensor does not look.
void gen_tcp(
	struct gen_out *o,
	struct gen_ends *e,
	unsigned side,
	uint8_t flags,
	uint32_t seq,
	struct ht_span data
) {
	// RFC 9293 3.2 and RFC 7323 2.2, 3.2: maximum segment size, SACK, timestamps, window scale.
	static const uint8_t syn_options[20]
		= {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7};
	uint8_t head[HEADERS_MAX];
	size_t options = flags & GEN_SYN ? 20 : flags & GEN_RST ? 0 : 12;
	size_t at = put_ip(head, e, side, 6, 20 + options + data.len, (uint16_t)seq);
	uint8_t *p = head + at;
	ht_put_be16(p, e->port[side]);
	ht_put_be16(p + 2, e->port[!side]);
	ht_put_be32(p + 4, seq);
	ht_put_be32(p + 8, flags & GEN_ACK ? e->seq[!side] : 0);
	p[12] = (uint8_t)((20 + options) / 4 << 4);
	p[13] = flags;
	ht_put_be16(p + 14, 502);
	ht_put_be32(p + 16, 0);
	if (flags & GEN_SYN) {
		memcpy(p + 20, syn_options, sizeof(syn_options));
	} else if (options > 0) {
		uint32_t ms = (uint32_t)(o->ns / 1000000);
		ht_put_be32(p + 20, 0x0101080a);
		ht_put_be32(p + 24, ms + 7 * e->port[side]);
		ht_put_be32(p + 28, ms + 7 * e->port[!side]);
	}
	put_frame(o, head, at + 20 + options, data);
	uint32_t next = seq + (uint32_t)data.len + ((flags & (GEN_SYN | GEN_FIN)) != 0);
	if ((int32_t)(next - e->seq[side]) > 0)
		e->seq[side] = next;
}

void gen_udp(struct gen_out *o, struct gen_ends *e, unsigned side, struct ht_span data) {
	uint8_t head[HEADERS_MAX];
	size_t at = put_ip(head, e, side, 17, 8 + data.len, (uint16_t)o->frames);
	uint8_t *p = head + at;
	ht_put_be16(p, e->port[side]);
	ht_put_be16(p + 2, e->port[!side]);
	ht_put_be16(p + 4, (uint16_t)(8 + data.len));
	ht_put_be16(p + 6, 0);
	put_frame(o, head, at + 8, data);
}
