// SPDX-License-Identifier: BSD-3-Clause
// notify: tells the service manager how the program is (sd_notify(3), by hand: a datagram to a
// socket).
//
// One thread only. Nothing is said, and all is well, where no manager asked.

#pragma once

#include "base.h"

#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	int fd; // -1: nobody asked
	socklen_t to_len;
	struct sockaddr_un to;
	uint64_t watchdog_us; // notify_alive is wanted once within this, better twice; 0: not
};

// notify_open reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and takes them out of the
// environment. Call it before there are threads, and before rights are dropped. HT_OK; HT_SKIP:
// nobody asked; HT_BAD: what stands in a variable cannot be, a line in `err`; HT_ERROR: no socket,
// likewise. Whatever it returns, `n` may be used from then on.
enum ht_rc notify_open(struct notify *n, char *err, size_t err_len);

void notify_close(struct notify *n);

// Each of these: HT_OK; HT_SKIP: nobody asked; HT_ERROR: it could not be sent (errno). They do not
// wait: a manager that does not read misses something.

// notify_ready: started, or done with loading again. `status` is one line for people, as in
// notify_status.
enum ht_rc notify_ready(struct notify *n, const char *status);

// notify_status: what `systemctl status` shows. Control characters become blanks, what is too long
// is cut.
enum ht_rc notify_status(struct notify *n, const char *status);

// notify_reloading: the configuration is being read again; notify_ready follows.
enum ht_rc notify_reloading(struct notify *n);

enum ht_rc notify_stopping(struct notify *n, const char *status);

// notify_extend: stopping takes up to this much longer from now on, whatever was set for it.
enum ht_rc notify_extend(struct notify *n, uint64_t us);

enum ht_rc notify_alive(struct notify *n);
