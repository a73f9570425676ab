// SPDX-License-Identifier: BSD-3-Clause
// The stored bytes of a capture: a file, a pipe, or (for tests) memory.

#include "capture_int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

// await waits until a read would not wait. False: told to stop.
static bool await(const struct ht_source *s) {
	struct pollfd fds[] = {{s->fd, POLLIN, 0}, {s->stop_fd, POLLIN, 0}};
	while (poll(fds, HT_ARRAY_LEN(fds), -1) < 0 && errno == EINTR)
		;
	return fds[1].revents == 0;
}

enum ht_rc ht_source_raw(struct ht_source *s, uint8_t *to, size_t max, size_t *got) {
	if (s->fd < 0) {
		size_t n = s->mem.len < max ? s->mem.len : max;
		n = n < s->chunk ? n : s->chunk;
		memcpy(to, s->mem.p, n);
		s->mem = HT_SPAN(s->mem.p + n, s->mem.len - n);
		*got = n;
	} else {
		if (s->stop_fd >= 0 && !await(s)) {
			*got = 0;
			s->ended = true;
			return HT_OK;
		}
		ssize_t n = read(s->fd, to, max);
		if (n < 0) {
			// Not tried again: a program that catches a signal without SA_RESTART
			// wants to be let go of a pipe that says nothing.
			snprintf(
				s->why, sizeof(s->why), "%s",
				errno == EINTR ? HT_CAPTURE_INTERRUPTED : strerror(errno)
			);
			return HT_ERROR;
		}
		*got = (size_t)n;
	}
	s->bytes_read += *got;
	s->ended = *got == 0;
	return HT_OK;
}

// look reads the first four bytes, fewer when there are no more.
static enum ht_rc look(struct ht_source *s) {
	while (s->num_head < sizeof(s->head) && !s->ended) {
		size_t got;
		if (ht_source_raw(s, s->head + s->num_head, sizeof(s->head) - s->num_head, &got)
		    != HT_OK)
			return HT_ERROR;
		s->num_head += (uint8_t)got;
	}
	if (s->num_head >= 2 && s->head[0] == 0x1f && s->head[1] == 0x8b) // RFC 1952 2.3.1
		s->kind = HT_SOURCE_GZIP;
	if (s->num_head == 4
	    && (memcmp(s->head, "\x28\xb5\x2f\xfd", 4)
			== 0 // RFC 8878 3.1.1
			     // RFC 8878 3.1.2: skippable frames; pzstd starts with one.
		|| ((s->head[0] & 0xf0) == 0x50 && memcmp(s->head + 1, "\x2a\x4d\x18", 3) == 0)))
		s->kind = HT_SOURCE_ZSTD;
	return HT_OK;
}

enum ht_rc ht_source_open(struct ht_source *s, const char *path) {
	s->fd = s->stop_fd = -1;
	if (path != NULL) {
		struct stat st;
		s->fd = strcmp(path, "-") == 0 ? STDIN_FILENO
					       : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (s->fd < 0 || fstat(s->fd, &st) != 0) {
			snprintf(s->why, sizeof(s->why), "%s", strerror(errno));
			ht_source_close(s);
			return HT_ERROR;
		}
		s->waits = !S_ISREG(st.st_mode);
		if (!s->waits) {
			s->bytes_total = (uint64_t)st.st_size;
			(void)posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
		}
	} else {
		s->bytes_total = s->mem.len;
	}
	if (look(s) != HT_OK || (s->kind != HT_SOURCE_PLAIN && ht_unpack_open(s) != HT_OK)) {
		ht_source_close(s);
		return HT_ERROR;
	}
	return HT_OK;
}

enum ht_rc ht_source_read(struct ht_source *s, uint8_t *to, size_t max, size_t *got) {
	if (s->kind != HT_SOURCE_PLAIN)
		return ht_unpack_read(s, to, max, got);
	if (s->num_head > 0) {
		size_t n = s->num_head < max ? s->num_head : max;
		memcpy(to, s->head, n);
		memmove(s->head, s->head + n, sizeof(s->head) - n);
		s->num_head -= (uint8_t)n;
		*got = n;
		return HT_OK;
	}
	if (s->ended) {
		*got = 0;
		return HT_OK;
	}
	return ht_source_raw(s, to, max, got);
}

void ht_source_close(struct ht_source *s) {
	ht_unpack_close(s->unpack);
	s->unpack = NULL;
	if (s->fd > STDIN_FILENO) // standard input is not ours to close
		close(s->fd);
	s->fd = -1;
}
