// SPDX-License-Identifier: BSD-3-Clause
// seccomp: which system calls a thread may make that polls a queue and parses what came out.
//
// Such a thread handles bytes that anybody may have sent. What it has open it may read, write, wait
// for and unmap; it may sleep, take memory (none that can be executed), and end. It cannot open or
// connect anything, start a process or a thread, nor change rights. The list is in seccomp.c, with
// who needs what.
//
// A call that is not on it ends the whole process at once with SIGSYS: a sensor whose parser does
// what it never does is not to go on. The kernel logs it (audit: type=1326, with the thread's name
// and syscall=NUMBER, which `ausyscall NUMBER` or `scmp_sys_resolver NUMBER` names).
//
// So a thread that called seccomp_parse_thread must not:
// - open captures or interfaces, close live ones, add DPDK memory;
// - use syslog: DPDK logs there unless it is told of a stream (rte_openlog_stream);
// - print to standard output, a file that stdio looks at first; standard error is not looked at;
// - end by pthread_exit or pthread_cancel, for which glibc loads libgcc_s: it returns.

#pragma once

#include "base.h"

// seccomp_parse_thread puts the filter on the calling thread, and on no other; it cannot be taken
// off. It also sets no_new_privs for the thread. HT_OK; HT_SKIP: it is off in this build, `err`
// says why; HT_ERROR: the kernel or libseccomp refused, a line in `err`.
enum ht_rc seccomp_parse_thread(char *err, size_t err_len);
