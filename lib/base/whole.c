// SPDX-License-Identifier: BSD-3-Clause

#include "whole.h"

#include <errno.h>
#include <unistd.h>

bool ht_read_whole(int fd, void *to, size_t len) {
	for (size_t at = 0; at < len;) {
		const ssize_t n = read(fd, (uint8_t *)to + at, len - at);
		if (n == 0)
			errno = EIO;
		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		at += n > 0 ? (size_t)n : 0;
	}
	return true;
}

bool ht_write_whole(int fd, const void *p, size_t len) {
	for (size_t at = 0; at < len;) {
		const ssize_t n = write(fd, (const uint8_t *)p + at, len - at);
		if (n < 0 && errno != EINTR)
			return false;
		at += n > 0 ? (size_t)n : 0;
	}
	return true;
}
