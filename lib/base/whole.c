// SPDX-License-Identifier: BSD-3-Clause

#include "whole.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool ht_read_most(int fd, void *to, size_t most, size_t *len) {
	for (*len = 0; *len < most;) {
		const ssize_t n = read(fd, (uint8_t *)to + *len, most - *len);
		if (n == 0)
			break;
		if (n < 0 && errno != EINTR)
			return false;
		*len += n > 0 ? (size_t)n : 0;
	}
	return true;
}

bool ht_read_file(const char *path, void *to, size_t most, size_t *len) {
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return false;
	const bool good = ht_read_most(fd, to, most, len);
	const int why = errno;
	close(fd);
	errno = why;
	return good;
}

bool ht_read_whole(int fd, void *to, size_t len) {
	size_t there;
	if (!ht_read_most(fd, to, len, &there))
		return false;
	errno = there < len ? EIO : errno;
	return there == len;
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
