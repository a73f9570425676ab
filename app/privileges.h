// SPDX-License-Identifier: BSD-3-Clause
// privileges: become an unprivileged user when ports and sockets are open.
//
// The kernel keeps all of this by thread, and others are there by then (DPDK starts some of its
// own). So it takes two steps. What only a thread itself can give up is given up before there is a
// second one, which then inherits it. User and groups follow later: glibc sets them in every
// thread, and with the user each other thread loses its capabilities.
//
// The kernel makes a process that changed its user one that cannot be dumped (prctl(2),
// PR_SET_DUMPABLE), and it stays so: no other process of that user may trace it, and a core, which
// holds what was on the wire, is written only where fs.suid_dumpable says so. /proc/PID/status is
// everybody's to read all the same.

#pragma once

#include "base.h"

// privileges_begin is for the start of main, while there is one thread. It sets no_new_privs and
// empties the inheritable, ambient and bounding sets. What root may do now is as before. HT_OK, or
// HT_ERROR with a line.
enum ht_rc privileges_begin(char *err, size_t err_len);

// privileges_drop makes the process `user`, with the groups that /etc/group gives it, in all
// threads. The calling thread, and those it makes from now on, keep the capabilities in `keep`
// ("cap_net_raw", ...); all others have none. Then it reads in /proc what every thread has become.
// HT_OK; HT_BAD: there is no such user or capability, and nothing has changed; HT_ERROR: not
// allowed, or a thread kept what it must not have. Both with a line in `err`; after HT_ERROR the
// caller ends.
enum ht_rc privileges_drop(
	const char *user, const char *const *keep, unsigned num_keep, char *err, size_t err_len
);

// privileges_none takes all capabilities from the calling thread, and from no other, for good. For
// threads that handle what anybody may have sent. HT_OK, or HT_ERROR with a line.
enum ht_rc privileges_none(char *err, size_t err_len);

// privileges_capability tells whether `name` is one that may be kept. The others are as good as
// root, or of no use to a sensor.
bool privileges_capability(const char *name);
