// SPDX-License-Identifier: BSD-3-Clause
// t_pcap: what one side of a connection said, out of a capture of the project (HELLOTAP_PCAPS). For
// captures of pcaps/make-real.sh alone: pcap, Ethernet, IPv4 without options, segments in order.

#pragma once

#include "t.h"

struct t_piece {
	const uint8_t *p;
	size_t len;
	bool from_server;
	unsigned connection; // counted by SYNs; UDP has one
};

#define T_PIECES_MAX 128

// What a capture holds, in order: segments with bytes, or datagrams.
struct t_pcap {
	uint8_t *file;
	unsigned num;
	struct t_piece piece[T_PIECES_MAX];
};

static inline uint32_t t_le32(const uint8_t *p) {
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void t_pcap_frame(struct t_pcap *c, const uint8_t *f, size_t len, unsigned *syns) {
	if (len < 14 + 20 + 8 || ht_be16(f + 12) != 0x0800 || f[14] != 0x45)
		return;
	const uint8_t *ip = f + 14, *l4 = ip + 20;
	const bool tcp = ip[9] == 6;
	const size_t total = ht_be16(ip + 2), head = tcp ? (size_t)(l4[12] >> 4) * 4 : 8;
	assert_true(total <= len - 14 && total >= 20 + head);
	if (tcp && (l4[13] & 0x12) == 0x02)
		++*syns;
	if (total == 20 + head)
		return;
	assert_true(c->num < T_PIECES_MAX);
	c->piece[c->num++] = (struct t_piece
	){l4 + head, total - 20 - head, ht_be16(l4) == 443, tcp ? *syns - 1 : 0};
}

static inline void t_pcap_open(struct t_pcap *c, const char *name) {
	const char *folder = getenv("HELLOTAP_PCAPS");
	char path[512];
	unsigned syns = 0;
	snprintf(path, sizeof(path), "%s/%s", folder != NULL ? folder : "pcaps", name);
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		fail_msg("cannot open %s: set HELLOTAP_PCAPS", path);
	const size_t room = 65536;
	c->num = 0;
	c->file = malloc(room);
	assert_non_null(c->file);
	const size_t n = fread(c->file, 1, room, f);
	fclose(f);
	assert_true(n > 24 && n < room);
	for (size_t at = 24; at + 16 <= n;) {
		const size_t len = t_le32(c->file + at + 8);
		assert_true(len <= n - at - 16);
		t_pcap_frame(c, c->file + at + 16, len, &syns);
		at += 16 + len;
	}
}

static inline void t_pcap_close(struct t_pcap *c) {
	free(c->file);
}

// t_pcap_stream puts together what one side of a connection sent.
static inline size_t t_pcap_stream(
	const struct t_pcap *c, unsigned connection, bool from_server, uint8_t *out, size_t room
) {
	size_t n = 0;
	for (unsigned i = 0; i < c->num; i++) {
		const struct t_piece *p = &c->piece[i];
		if (p->connection != connection || p->from_server != from_server)
			continue;
		assert_true(p->len <= room - n);
		memcpy(out + n, p->p, p->len);
		n += p->len;
	}
	assert_true(n > 0);
	return n;
}
