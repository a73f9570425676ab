// SPDX-License-Identifier: BSD-3-Clause
// read_floor: the least any reader of a pcap file must do. It reads the file with read(2) in blocks
// of 1 MiB and walks the frame headers. Usage: read_floor FILE [KIB]. Prints frames, bytes and
// seconds.

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX (16u * 1024 * 1024)

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: read_floor FILE [KIB]\n");
		return 2;
	}
	size_t block = (argc > 2 ? strtoul(argv[2], NULL, 10) : 1024) * 1024;
	if (block == 0 || block > FRAME_MAX) {
		fprintf(stderr, "read_floor: KIB is 1 to 16384\n");
		return 2;
	}
	uint8_t *buf = malloc(FRAME_MAX + 16 + block);
	int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || buf == NULL) {
		perror(argv[1]);
		return 1;
	}
	double start = now();
	uint64_t frames = 0, bytes = 0, sum = 0;
	size_t pos = 0, len = 0;
	for (;;) {
		// pos > 0 but for the first block: the bytes of a frame that straddles two blocks.
		memmove(buf, buf + pos, len - pos);
		len -= pos;
		pos = 0;
		ssize_t got = read(fd, buf + len, block);
		if (got < 0) {
			perror(argv[1]);
			return 1;
		}
		if (got == 0)
			break;
		len += (size_t)got;
		if (bytes == 0) {
			uint32_t magic = 0;
			memcpy(&magic, buf, sizeof(magic));
			if (got < 24 || (magic != 0xa1b2c3d4 && magic != 0xa1b23c4d)) {
				fprintf(stderr, "%s: not a pcap of this byte order\n", argv[1]);
				return 1;
			}
			pos = 24;
		}
		bytes += (uint64_t)got;
		while (len - pos >= 16) {
			uint32_t h[4];
			memcpy(h, buf + pos, sizeof(h));
			if (h[2] > FRAME_MAX) {
				fprintf(stderr, "%s: corrupt frame %ju\n", argv[1],
					(uintmax_t)frames + 1);
				return 1;
			}
			if (len - pos - 16 < h[2])
				break;
			sum += h[2];
			pos += 16 + h[2];
			frames++;
		}
	}
	double t = now() - start;
	printf("frames %ju bytes %ju captured %ju seconds %.3f\n", (uintmax_t)frames,
	       (uintmax_t)bytes, (uintmax_t)sum, t);
	close(fd);
	free(buf);
	return len - pos != 0;
}
