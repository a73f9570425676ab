// SPDX-License-Identifier: BSD-3-Clause

#include "seccomp.h"

#include "ht_config.h"

#include <stdio.h>

// A sanitizer's run time opens files, starts threads and processes.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) \
	|| __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

#if HT_HAVE_SECCOMP && !defined(SANITIZED)

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// Allowed with any argument. Those that an architecture does not have are no rule there.
static const int calls[] = {
	// Waiting: idle workers, live captures, DPDK's receive interrupts.
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(epoll_ctl), // rte_eth_dev_rx_intr_ctl_q: a worker enters its own queues
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(futex),
	SCMP_SYS(nanosleep),
	SCMP_SYS(poll), // also net_pcap and net_af_xdp, each time the ring is empty
	SCMP_SYS(ppoll),
	SCMP_SYS(restart_syscall), // the kernel's own, after SIGCONT
	SCMP_SYS(sched_yield),
	// Reading captures, event descriptors, taps; waking the exporter, arming an interrupt,
	// logging.
	SCMP_SYS(lseek),
	SCMP_SYS(pread64),
	SCMP_SYS(read),
	SCMP_SYS(readv), // net_tap
	SCMP_SYS(recvfrom), // net_af_xdp with busy polling
	SCMP_SYS(write),
	SCMP_SYS(writev), // what libc says before it aborts
	SCMP_SYS(getsockname), // libpcap: is the interface there still?
	// Clocks, where the vDSO cannot tell.
	SCMP_SYS(clock_gettime),
	SCMP_SYS(getcpu),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	// Memory. mmap and mprotect are below.
	SCMP_SYS(brk),
	SCMP_SYS(madvise),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	// Signals (net_tap gets one when frames come), the end of a thread.
	SCMP_SYS(exit),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
};

// Allowed when all that is said of the arguments holds.
struct rule {
	int call;
	unsigned num;
	struct scmp_arg_cmp args[2];
};

static int add_rules(scmp_filter_ctx ctx) {
	const struct rule rules[] = {
		{SCMP_SYS(mmap), 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)}},
		{SCMP_SYS(mprotect), 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)}},
		// Is the interface up still?
		{SCMP_SYS(ioctl), 1, {SCMP_A1(SCMP_CMP_EQ, SIOCGIFFLAGS)}},
		// What went wrong with a packet socket, and what it lost.
		{SCMP_SYS(getsockopt),
		 2,
		 {SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET), SCMP_A2(SCMP_CMP_EQ, SO_ERROR)}},
		{SCMP_SYS(getsockopt),
		 2,
		 {SCMP_A1(SCMP_CMP_EQ, SOL_PACKET), SCMP_A2(SCMP_CMP_EQ, PACKET_STATISTICS)}},
		{SCMP_SYS(getsockopt),
		 2,
		 {SCMP_A1(SCMP_CMP_EQ, SOL_XDP), SCMP_A2(SCMP_CMP_EQ, XDP_STATISTICS)}},
		// The end of a live capture: a filter that refuses all.
		{SCMP_SYS(setsockopt),
		 2,
		 {SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET), SCMP_A2(SCMP_CMP_EQ, SO_ATTACH_FILTER)}},
		// abort(): so that a failed assertion is seen as one.
		{SCMP_SYS(tgkill),
		 2,
		 {SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()), SCMP_A2(SCMP_CMP_EQ, SIGABRT)}},
	};
	int rc = 0;
	for (unsigned i = 0; rc == 0 && i < HT_ARRAY_LEN(calls); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	for (unsigned i = 0; rc == 0 && i < HT_ARRAY_LEN(rules); i++)
		rc = seccomp_rule_add_array(
			ctx, SCMP_ACT_ALLOW, rules[i].call, rules[i].num, rules[i].args
		);
	return rc;
}

static int load(scmp_filter_ctx ctx) {
	// A call by another architecture's numbers (x32, i386) is none of ours either.
	int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = add_rules(ctx);
	return rc == 0 ? seccomp_load(ctx) : rc;
}

enum ht_rc seccomp_parse_thread(char *err, size_t err_len) {
	tzset(); // or the first look at the time of day would open /etc/localtime
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (ctx == NULL) {
		snprintf(
			err, err_len,
			"seccomp: no memory, a kernel before 4.14, or seccomp(2) itself is not "
			"allowed"
		);
		return HT_ERROR;
	}
	const int rc = load(ctx);
	seccomp_release(ctx);
	if (rc == 0)
		return HT_OK;
	snprintf(err, err_len, "seccomp: %s", strerror(-rc));
	return HT_ERROR;
}

#else

enum ht_rc seccomp_parse_thread(char *err, size_t err_len) {
#ifdef SANITIZED
	snprintf(err, err_len, "seccomp: off, built with a sanitizer");
#else
	snprintf(err, err_len, "seccomp: off, built without libseccomp");
#endif
	return HT_SKIP;
}

#endif
