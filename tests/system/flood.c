// SPDX-License-Identifier: BSD-3-Clause
// A flood of ClientHellos as a pcap on standard output: from `sources` addresses to one, `rate` a
// second for `ms` milliseconds; before it, for a second, and after it, for `after` seconds, and
// between, 1000 hellos a second of others. Each is a connection of its own, of which the segment
// with the hello is seen. The same arguments give the same bytes.
//
//   flood RATE MS SOURCES AFTER

#include "base.h"

#include <stdio.h>
#include <stdlib.h>

#define BACKGROUND_HZ 1000u
#define T0 1763686800ll // 2025-11-21, 01:00 UTC

// TLS 1.2, 4 cipher suites, server_name, supported_groups, signature_algorithms.
static const uint8_t hello[] = {
	0x16, 0x03, 0x01, 0x00, 0x5a, // record
	0x01, 0x00, 0x00, 0x56, 0x03, 0x03, // handshake, version
	0,    0,    0,	  0,	0,    0,    0,	  0,	0,    0,    0,
	0,    0,    0,	  0,	0,    0,    0,	  0,	0,    0,    0,
	0,    0,    0,	  0,	0,    0,    0,	  0,	0,    0,
	0x00, // session id
	0x00, 0x08, 0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, // cipher suites
	0x01, 0x00, // compression
	0x00, 0x25, // extensions
	0x00, 0x00, 0x00, 0x11, 0x00, 0x0f, 0x00, 0x00, 0x0c, // server_name
	'w',  '0',  '0',  '0',	'.',  'e',  'x',  'a',	'm',  'p',  'l',
	'e',  0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x1d, // supported_groups
	0x00, 0x0d, 0x00, 0x04, 0x00, 0x02, 0x04, 0x03, // signature_algorithms
};
#define HELLO_NAME 67 // where "w000" begins

static uint8_t frame[14 + 20 + 20 + sizeof(hello)];

static void put_frame(int64_t ns, uint32_t src, uint32_t dst, uint16_t port, unsigned name) {
	static uint32_t number;
	uint8_t *const ip = frame + 14, *const tcp = ip + 20;
	uint32_t head[4] = {
		(uint32_t)(ns / 1000000000),
		(uint32_t)(ns % 1000000000),
		sizeof(frame),
		sizeof(frame),
	};
	ht_put_be32(ip + 12, src);
	ht_put_be32(ip + 16, dst);
	ht_put_be16(tcp, port);
	number++;
	memcpy(tcp + 20 + 11, &number, sizeof(number)); // of the random
	for (unsigned i = 0, div = 100; i < 3; i++, div /= 10)
		tcp[20 + HELLO_NAME + 1 + i] = (uint8_t)('0' + name / div % 10);
	if (fwrite(head, sizeof(head), 1, stdout) != 1
	    || fwrite(frame, sizeof(frame), 1, stdout) != 1)
		exit(1);
}

static void prepare(void) {
	static const uint32_t file[6] = {0xa1b23c4d, 4 << 16 | 2, 0, 0, 65535, 1};
	uint8_t *const ip = frame + 14, *const tcp = ip + 20;
	frame[12] = 0x08; // IPv4
	ip[0] = 0x45;
	ht_put_be16(ip + 2, sizeof(frame) - 14);
	ip[8] = 64;
	ip[9] = 6;
	ht_put_be16(tcp + 2, 443);
	tcp[12] = 0x50;
	tcp[13] = 0x18; // PSH, ACK
	ht_put_be16(tcp + 14, 65535);
	memcpy(tcp + 20, hello, sizeof(hello));
	if (fwrite(file, sizeof(file), 1, stdout) != 1)
		exit(1);
}

int main(int argc, char **argv) {
	if (argc != 5)
		return 2;
	const int64_t rate = atoll(argv[1]), ms = atoll(argv[2]);
	const uint32_t sources = (uint32_t)atol(argv[3]);
	const int64_t begin = (T0 + 1) * 1000000000, end = begin + ms * 1000000,
		      after = end + atoll(argv[4]) * 1000000000;
	int64_t other = T0 * 1000000000, next = begin;
	uint32_t n = 0, others = 0;
	prepare();
	while (other < after) {
		if (next < end && next <= other) {
			// 100,000 sources in 65,536 networks: 11.0.0.0, 11.0.1.0 ...
			const uint32_t s = n % sources;
			put_frame(
				next, 0x0b000000 | (s & 0xffff) << 8 | s >> 16, 0xc6336407,
				(uint16_t)(1024 + n / sources % 60000), 0
			);
			next = begin + (int64_t)++n * 1000000000 / rate;
			continue;
		}
		const uint32_t o = others++;
		put_frame(
			other, 0x0a000000 | o % 5000, 0xcb007100 | o % 200,
			(uint16_t)(1024 + o / 5000 % 60000), 1 + o % 500
		);
		other += 1000000000 / BACKGROUND_HZ;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
