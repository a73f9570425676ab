// SPDX-License-Identifier: BSD-3-Clause
// Each case is a child process with a thread under the filter and two that are not.

#include "capture.h"
#include "seccomp.h"
#include "t.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALL(...) (void)syscall(__VA_ARGS__)

// Opened before the filter is on.
static int file, event, epoll, sock;
static void *page;
static struct ht_capture *capture;

static void open_all(void) {
	struct epoll_event e = {.events = EPOLLIN};
	file = open("/proc/self/exe", O_RDONLY);
	event = eventfd(0, EFD_NONBLOCK);
	epoll = epoll_create1(0);
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (file < 0 || event < 0 || epoll < 0 || sock < 0 || page == MAP_FAILED
	    || epoll_ctl(epoll, EPOLL_CTL_ADD, event, &e) != 0)
		_exit(3);
}

// --- forbidden ----------------------------------------------------------------------------------

static void *nothing(void *p) {
	return p;
}

static void *forbid_thread(void *p) {
	pthread_t t;
	pthread_create(&t, NULL, nothing, NULL);
	return p;
}

static void *forbid_system(void *p) {
	return system("true") == 0 ? p : NULL;
}

#define SIMPLE(name, ...) \
	static void *forbid_##name(void *p) { \
		CALL(__VA_ARGS__); \
		return p; \
	}
// F(name, the arguments of syscall(2)): with arguments that would do, so that it is no accident.
#define FORBIDDEN(F) \
	F(openat, SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY) \
	F(openat2, SYS_openat2, AT_FDCWD, "/dev/null", NULL, 0) \
	F(stat, SYS_newfstatat, AT_FDCWD, "/dev/null", page, 0) \
	F(getdents, SYS_getdents64, file, page, 4096) \
	F(readlink, SYS_readlinkat, AT_FDCWD, "/proc/self/exe", page, 100) \
	F(unlink, SYS_unlinkat, AT_FDCWD, "/nowhere/nothing", 0) \
	F(rename, SYS_renameat2, AT_FDCWD, "/nowhere/a", AT_FDCWD, "/nowhere/b", 0) \
	F(mkdir, SYS_mkdirat, AT_FDCWD, "/nowhere/a", 0700) \
	F(fchmod, SYS_fchmod, event, 0600) \
	F(ftruncate, SYS_ftruncate, event, 0) \
	F(memfd, SYS_memfd_create, "x", 0) \
	F(pipe, SYS_pipe2, page, 0) \
	F(dup, SYS_dup, 0) \
	F(fcntl, SYS_fcntl, event, F_GETFL) \
	F(close, SYS_close, event) \
	F(socket, SYS_socket, AF_INET, SOCK_DGRAM, 0) \
	F(connect, SYS_connect, sock, page, 16) \
	F(bind, SYS_bind, sock, page, 16) \
	F(listen, SYS_listen, sock, 1) \
	F(accept, SYS_accept4, sock, NULL, NULL, 0) \
	F(sendto, SYS_sendto, sock, page, 1, MSG_DONTWAIT, NULL, 0) \
	F(sendmsg, SYS_sendmsg, sock, page, MSG_DONTWAIT) \
	F(recvmsg, SYS_recvmsg, sock, page, MSG_DONTWAIT) \
	F(setsockopt, SYS_setsockopt, sock, SOL_SOCKET, SO_BROADCAST, page, 4) \
	F(setsockopt_level, SYS_setsockopt, sock, IPPROTO_IP, SO_ATTACH_FILTER, page, 4) \
	F(getsockopt, SYS_getsockopt, sock, SOL_SOCKET, SO_RCVBUF, page, page) \
	F(getsockopt_packet, SYS_getsockopt, sock, SOL_PACKET, PACKET_VERSION, page, page) \
	F(ioctl_set, SYS_ioctl, sock, SIOCSIFFLAGS, page) \
	F(ioctl_tty, SYS_ioctl, 0, TIOCSTI, page) \
	F(execve, SYS_execve, "/bin/true", NULL, NULL) \
	F(execveat, SYS_execveat, AT_FDCWD, "/bin/true", NULL, NULL, 0) \
	F(clone, SYS_clone, SIGCHLD, 0, 0, 0, 0) \
	F(clone3, SYS_clone3, page, 64) \
	F(kill, SYS_kill, getpid(), 0) \
	F(tgkill_signal, SYS_tgkill, getpid(), gettid(), SIGTERM) \
	F(tgkill_other, SYS_tgkill, getppid(), getppid(), SIGABRT) \
	F(exit_group, SYS_exit_group, 0) \
	F(mmap_exec, SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, \
	  0) \
	F(mmap_wx, SYS_mmap, NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, \
	  0) \
	F(mprotect_exec, SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC) \
	F(pkey_mprotect, SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_EXEC, -1) \
	F(shmat, SYS_shmat, 0, NULL, 0) \
	F(setuid, SYS_setuid, 0) \
	F(setresuid, SYS_setresuid, 0, 0, 0) \
	F(capset, SYS_capset, page, NULL) \
	F(prctl, SYS_prctl, PR_GET_DUMPABLE) \
	F(seccomp, SYS_seccomp, 0, 0, NULL) \
	F(ptrace, SYS_ptrace, 0, 0, 0, 0) \
	F(process_vm_readv, SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0) \
	F(personality, SYS_personality, 0xffffffff) \
	F(bpf, SYS_bpf, 0, page, 64) \
	F(io_uring, SYS_io_uring_setup, 1, page) \
	F(userfaultfd, SYS_userfaultfd, 0) \
	F(mount, SYS_mount, "x", "/nowhere", "tmpfs", 0, NULL) \
	F(unshare, SYS_unshare, 0) \
	F(rt_sigaction, SYS_rt_sigaction, SIGUSR2, NULL, NULL, 8) \
	F(no_such_call, 9999)
FORBIDDEN(SIMPLE)

#ifdef __x86_64__
// A number of x32, and a call that libc makes no more.
SIMPLE(x32, 0x40000000 | SYS_getpid)
static void *forbid_old_open(void *p) {
	CALL(SYS_open, "/dev/null", O_RDONLY);
	return p;
}
#endif

// --- allowed ------------------------------------------------------------------------------------

#define CHECK(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "not so: %s: %s\n", #what, strerror(errno)); \
			return NULL; \
		} \
	} while (0)

static void *allow_waiting(void *p) {
	const struct timespec ns = {.tv_nsec = 1000};
	struct pollfd f = {.fd = event, .events = POLLIN};
	struct epoll_event e = {.events = EPOLLIN};
	CHECK(poll(&f, 1, 1) == 0);
	CHECK(ppoll(&f, 1, &ns, NULL) == 0);
	CHECK(epoll_wait(epoll, &e, 1, 1) == 0);
	CHECK(epoll_pwait(epoll, &e, 1, 1, NULL) == 0);
	CHECK(epoll_ctl(epoll, EPOLL_CTL_MOD, event, &e) == 0);
	CHECK(nanosleep(&ns, NULL) == 0);
	CHECK(syscall(SYS_nanosleep, &ns, NULL) == 0);
	CHECK(usleep(1) == 0);
	CHECK(sched_yield() == 0);
	return p;
}

static void *allow_reading_and_writing(void *p) {
	uint64_t n = 1;
	char c;
	struct iovec v = {&c, 1};
	CHECK(write(event, &n, sizeof(n)) == sizeof(n));
	CHECK(read(event, &n, sizeof(n)) == sizeof(n));
	CHECK(lseek(file, 0, SEEK_SET) == 0);
	CHECK(pread(file, &c, 1, 1) == 1 && c == 'E');
	CHECK(readv(file, &v, 1) == 1 && c == 0x7f);
	CHECK(recvfrom(sock, &c, 1, MSG_DONTWAIT, NULL, NULL) == -1 && errno == EAGAIN);
	v.iov_len = 0;
	CHECK(writev(2, &v, 1) == 0);
	fprintf(stderr, "%s", "");
	return p;
}

static void *allow_clocks(void *p) {
	struct timespec t;
	struct tm tm;
	CHECK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t) == 0); // not by the vDSO
	CHECK(syscall(SYS_gettimeofday, page, NULL) == 0);
	CHECK(syscall(SYS_getcpu, page, NULL, NULL) == 0);
	CHECK(localtime_r(&t.tv_sec, &tm) != NULL);
	return p;
}

// Small and large, grown in place and moved.
static void *allow_memory(void *p) {
	for (size_t n = 16; n < 64u << 20; n *= 4) {
		char *m = malloc(n);
		CHECK(m != NULL);
		memset(m, 1, n);
		m = realloc(m, n * 2);
		CHECK(m != NULL);
		memset(m, 2, n * 2);
		free(m);
	}
	CHECK(madvise(page, 4096, MADV_DONTNEED) == 0);
	CHECK(mprotect(page, 4096, PROT_READ) == 0);
	void *m = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
	CHECK(m != MAP_FAILED && munmap(m, 4096) == 0);
	return p;
}

static atomic_bool interrupted;

static void on_signal(int sig) {
	(void)sig;
}

// One that the handler returns from, in the middle of a wait; and to be stopped and go on.
static void *allow_signals(void *p) {
	struct pollfd f = {.fd = event, .events = POLLIN};
	const struct timespec t = {.tv_nsec = 300000000};
	sigset_t s;
	sigemptyset(&s);
	CHECK(pthread_sigmask(SIG_SETMASK, &s, NULL) == 0);
	CHECK(getpid() > 0 && syscall(SYS_gettid) > 0);
	const int n = poll(&f, 1, 120000); // main sends it
	interrupted = true;
	CHECK(n == -1 && errno == EINTR);
	// The parent stops the process in it.
	CHECK(nanosleep(&t, NULL) == 0 || errno == EINTR);
	return p;
}

static void *allow_sockets(void *p) {
	struct ifreq r = {.ifr_name = "lo"};
	struct sockaddr_storage a;
	int e;
	socklen_t len = sizeof(e);
	CHECK(ioctl(sock, SIOCGIFFLAGS, &r) == 0);
	CHECK(getsockopt(sock, SOL_SOCKET, SO_ERROR, &e, &len) == 0 && e == 0);
	CHECK(getsockopt(sock, SOL_PACKET, PACKET_STATISTICS, &e, &len) == -1 && errno != EPERM);
	CHECK(setsockopt(sock, SOL_SOCKET, SO_ATTACH_FILTER, &e, 4) == -1 && errno == EINVAL);
	len = sizeof(a);
	CHECK(getsockname(sock, (struct sockaddr *)&a, &len) == 0);
	return p;
}

// Opened outside, read inside. More reads than between two looks at the kernel's counters.
static void *allow_capture(void *p) {
	const struct ht_capture_ops *ops = p;
	struct ht_frame f[64];
	unsigned frames = 0;
	for (unsigned i = 0; i < 600; i++) {
		frames += ops->read(capture, f, 64);
		ops->release(capture);
	}
	if (ops->stop == NULL)
		return frames > 0 ? p : NULL;
	ops->stop(capture);
	while (!ops->ended(capture)) {
		(void)ops->read(capture, f, 64);
		ops->release(capture);
		CHECK(usleep(1000) == 0);
	}
	CHECK(ops->error(capture) == NULL);
	return p;
}

static void *abort_in_thread(void *p) {
	(void)p;
	abort();
}

// --- a case -------------------------------------------------------------------------------------

struct job {
	void *(*f)(void *);
	void *arg;
};

static void *under_filter(void *p) {
	const struct job *j = p;
	char err[256] = "";
	if (seccomp_parse_thread(err, sizeof(err)) != HT_OK) {
		fprintf(stderr, "%s\n", err);
		_exit(4);
	}
	return j->f(j->arg);
}

// A thread that was there before, and has no filter.
static void *bystander(void *p) {
	char c;
	if (read(*(int *)p, &c, 1) != 0) // until the one with the filter is done
		return NULL;
	const int fd = open("/dev/null", O_RDONLY);
	return fd >= 0 && close(fd) == 0 ? p : NULL;
}

static void child(void *(*f)(void *), void *arg) {
	const struct rlimit no_core = {0, 0};
	const struct sigaction act = {.sa_handler = on_signal};
	struct job j = {f, arg};
	int done[2];
	pthread_t filtered, other;
	void *ok, *other_ok;
	setrlimit(RLIMIT_CORE, &no_core);
	sigaction(SIGUSR1, &act, NULL);
	open_all();
	if (pipe(done) != 0 || pthread_create(&other, NULL, bystander, &done[0]) != 0
	    || pthread_create(&filtered, NULL, under_filter, &j) != 0)
		_exit(3);
	while (f == allow_signals && !interrupted) {
		usleep(20000);
		pthread_kill(filtered, SIGUSR1);
	}
	pthread_join(filtered, &ok);
	close(done[1]);
	pthread_join(other, &other_ok);
	const pid_t pid = fork(); // main may do what it likes, too
	if (pid == 0)
		_exit(0);
	_exit(pid < 0 || other_ok == NULL ? 5 : ok != NULL ? 0 : 6);
}

static int run(void *(*f)(void *), void *arg) {
	int status;
	fflush(NULL);
	const pid_t pid = fork();
	if (pid == 0)
		child(f, arg);
	assert_true(pid > 0);
	if (f == allow_signals) {
		usleep(150000);
		kill(pid, SIGSTOP);
		usleep(50000);
		kill(pid, SIGCONT);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void dies(const char *name, void *(*f)(void *)) {
	const int status = run(f, page);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		fail_msg("%s: did not end by SIGSYS: status %#x", name, status);
}

static void passes(const char *name, void *(*f)(void *), void *arg) {
	const int status = run(f, arg);
	if (status != 0)
		fail_msg("%s: status %#x", name, status);
}

// Why it is off in this build, or NULL. In a child: nothing is to stick to the test itself.
static const char *why_off(void) {
	static char err[256];
	int fd[2];
	if (pipe(fd) != 0)
		abort();
	const pid_t pid = fork();
	if (pid == 0) {
		const enum ht_rc rc = seccomp_parse_thread(err, sizeof(err));
		(void)!write(fd[1], err, rc == HT_SKIP ? strlen(err) : 0);
		if (rc == HT_SKIP)
			_exit(0); // a sanitizer may have a thread of its own
		syscall(SYS_exit, 0); // exit_group is not allowed
	}
	close(fd[1]);
	const ssize_t n = read(fd[0], err, sizeof(err) - 1);
	close(fd[0]);
	waitpid(pid, NULL, 0);
	return n > 0 ? err : NULL;
}

static void forbidden(void **state) {
	(void)state;
#define RUN(name, ...) dies(#name, forbid_##name);
	FORBIDDEN(RUN)
	RUN(thread)
	RUN(system)
#ifdef __x86_64__
	RUN(x32)
	RUN(old_open)
#endif
}

static void allowed(void **state) {
	(void)state;
	passes("waiting", allow_waiting, &file);
	passes("reading and writing", allow_reading_and_writing, &file);
	passes("clocks", allow_clocks, &file);
	passes("memory", allow_memory, &file);
	passes("signals", allow_signals, &file);
	passes("sockets", allow_sockets, &file);
}

static void abort_is_seen_as_one(void **state) {
	(void)state;
	const int status = run(abort_in_thread, NULL);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

// The classic format: a header, and one frame.
static const uint8_t pcap[] = {
	0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0,
	0,    0,    1,	  0,	0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4,
};

static void a_capture_file(void **state) {
	(void)state;
	char err[256] = "", path[] = "/tmp/hellotap-seccomp-XXXXXX";
	const int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, pcap, sizeof(pcap)), sizeof(pcap));
	close(fd);
	const struct ht_capture_params p = {.source = path};
	assert_int_equal(ht_capture_file.open(&capture, &p, err, sizeof(err)), HT_OK);
	passes("capture file", allow_capture, (void *)&ht_capture_file);
	ht_capture_file.close(capture);
	unlink(path);
}

// Promiscuous, as then libpcap's pcap_stats opens files.
static void an_interface(void **state) {
	(void)state;
	char err[256] = "";
	const struct ht_capture_params p
		= {.source = "lo", .snaplen = 65535, .buffer_mib = 1, .promiscuous = true};
	if (ht_capture_live.open(&capture, &p, err, sizeof(err)) != HT_OK) {
		print_message("# SKIP an_interface: %s\n", err);
		return;
	}
	passes("lo", allow_capture, (void *)&ht_capture_live);
	ht_capture_live.close(capture);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forbidden),
		cmocka_unit_test(allowed),
		cmocka_unit_test(abort_is_seen_as_one),
		cmocka_unit_test(a_capture_file),
		cmocka_unit_test(an_interface),
	};
	const char *off = why_off();
	if (off != NULL) {
		printf("1..0 # SKIP %s\n", off);
		return 0;
	}
	return cmocka_run_group_tests_name("seccomp", tests, NULL, NULL);
}
