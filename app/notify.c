// SPDX-License-Identifier: BSD-3-Clause

#include "notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

// Bytes of one message. systemd reads up to a page.
#define MESSAGE 2048

// A number, whole and nothing else, or 0.
static uint64_t number(const char *text) {
	uint64_t v = 0;
	for (const char *p = text; *p != '\0'; p++)
		if (*p < '0' || *p > '9' || __builtin_mul_overflow(v, 10, &v)
		    || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return 0;
	return v;
}

static enum ht_rc read_watchdog(struct notify *n, char *err, size_t err_len) {
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	if (usec == NULL)
		return HT_OK;
	// A process that the one meant had started: not its concern.
	if (pid != NULL && number(pid) != (uint64_t)getpid())
		return HT_OK;
	n->watchdog_us = number(usec);
	if (n->watchdog_us > 0)
		return HT_OK;
	snprintf(err, err_len, "WATCHDOG_USEC=%.64s: no number of microseconds", usec);
	return HT_BAD;
}

static enum ht_rc read_socket(struct notify *n, char *err, size_t err_len) {
	const char *path = getenv("NOTIFY_SOCKET");
	if (path == NULL)
		return HT_SKIP;
	const size_t len = strlen(path);
	// '@' stands for the NUL of an abstract name, which has no other one at its end.
	if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof(n->to.sun_path)) {
		snprintf(err, err_len, "NOTIFY_SOCKET=%.128s: no address of a socket", path);
		return HT_BAD;
	}
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, path, len);
	n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '/'));
	if (path[0] == '@')
		n->to.sun_path[0] = '\0';
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->fd >= 0)
		return HT_OK;
	snprintf(err, err_len, "NOTIFY_SOCKET: %s", strerror(errno));
	return HT_ERROR;
}

enum ht_rc notify_open(struct notify *n, char *err, size_t err_len) {
	*n = (struct notify){.fd = -1};
	enum ht_rc rc = read_socket(n, err, err_len);
	if (rc == HT_OK)
		rc = read_watchdog(n, err, err_len);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return rc;
}

void notify_close(struct notify *n) {
	if (n->fd >= 0)
		close(n->fd);
	*n = (struct notify){.fd = -1};
}

static enum ht_rc send_text(struct notify *n, const char *text, size_t len) {
	if (n->fd < 0)
		return HT_SKIP;
	const ssize_t sent = sendto(
		n->fd, text, len, MSG_NOSIGNAL, (const struct sockaddr *)&n->to, n->to_len
	);
	return sent == (ssize_t)len ? HT_OK : HT_ERROR;
}

// `what`, and STATUS= behind it unless `status` is NULL.
static enum ht_rc send_with_status(struct notify *n, const char *what, const char *status) {
	char text[MESSAGE];
	if (status == NULL)
		return send_text(n, what, strlen(what));
	size_t len = (size_t)snprintf(text, sizeof(text), "%sSTATUS=", what);
	for (; *status != '\0' && len < sizeof(text); status++)
		text[len++] = (unsigned char)*status < ' ' || *status == 0x7f ? ' ' : *status;
	// A character of UTF-8 that is cut in two would have all of it refused.
	if (((unsigned char)*status & 0xc0) == 0x80) {
		while (((unsigned char)text[len - 1] & 0xc0) == 0x80)
			len--;
		len--;
	}
	return send_text(n, text, len);
}

enum ht_rc notify_ready(struct notify *n, const char *status) {
	return send_with_status(n, "READY=1\n", status);
}

enum ht_rc notify_status(struct notify *n, const char *status) {
	return send_with_status(n, "", status);
}

enum ht_rc notify_stopping(struct notify *n, const char *status) {
	return send_with_status(n, "STOPPING=1\n", status);
}

enum ht_rc notify_reloading(struct notify *n) {
	char text[64];
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	const int len = snprintf(
		text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n",
		(uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000
	);
	return send_text(n, text, (size_t)len);
}

enum ht_rc notify_extend(struct notify *n, uint64_t us) {
	char text[64];
	const int len = snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%" PRIu64 "\n", us);
	return send_text(n, text, (size_t)len);
}

enum ht_rc notify_alive(struct notify *n) {
	return send_text(n, "WATCHDOG=1\n", 11);
}
