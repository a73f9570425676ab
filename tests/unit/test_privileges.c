// SPDX-License-Identifier: BSD-3-Clause
// Each case happens in a child process, whose threads are looked at from outside.

#include "ht_config.h"
#include "privileges.h"
#include "t.h"

#include <dirent.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NET_RAW (UINT64_C(1) << CAP_NET_RAW)
#define THREADS 3 // of each kind

// What a child does. It ends when its pipe does.
struct plan {
	bool begin;
	const char *user;
	const char *keep[2];
	unsigned num_keep;
	bool unprivileged; // at the start
	unsigned lacks; // a capability that root is without, from the start; 0: none
};

struct report {
	enum ht_rc rc;
	char err[256];
};

static int end[2]; // the parent's end of it is the last one

static void *thread(void *arg) {
	char c;
	(void)!read(end[0], &c, 1); // until the test is over
	return arg;
}

static void start(const char *name) {
	pthread_t t;
	for (unsigned i = 0; i < THREADS; i++)
		if (pthread_create(&t, NULL, thread, NULL) != 0 || pthread_setname_np(t, name) != 0)
			_exit(1);
}

static void lose(unsigned cap) {
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2];
	extern int capget(cap_user_header_t, cap_user_data_t);
	extern int capset(cap_user_header_t, const cap_user_data_t);
	if (capget(&h, d) != 0)
		_exit(1);
	d[cap / 32].effective &= ~(1u << cap % 32);
	d[cap / 32].permitted &= ~(1u << cap % 32);
	if (capset(&h, d) != 0)
		_exit(1);
}

// Something to be rid of: an inheritable and an ambient capability, as a container may give, and
// root's groups.
static void burden(void) {
	const gid_t groups[] = {0, 4};
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2];
	extern int capget(cap_user_header_t, cap_user_data_t);
	extern int capset(cap_user_header_t, const cap_user_data_t);
	if (capget(&h, d) != 0)
		_exit(1);
	d[0].inheritable |= (uint32_t)NET_RAW;
	if (capset(&h, d) != 0 || setgroups(2, groups) != 0
	    || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) != 0)
		_exit(1);
}

static void child(const struct plan *p, int report) {
	struct report r = {.rc = HT_OK};
	char none[16] = "";
	close(end[1]);
	if (p->unprivileged && (setgroups(0, NULL) != 0 || setresuid(65534, 65534, 65534) != 0))
		_exit(1);
	if (!p->unprivileged)
		burden();
	if (p->lacks != 0)
		lose(p->lacks);
	if (p->begin && privileges_begin(r.err, sizeof(r.err)) != HT_OK)
		_exit(1);
	start("before");
	r.rc = privileges_drop(p->user, p->keep, p->num_keep, r.err, sizeof(r.err));
	start("after");
	if (write(report, &r, sizeof(r)) != sizeof(r))
		_exit(1);
	_exit(read(end[0], none, 1) == 0 ? 0 : 1);
}

static pid_t run(const struct plan *p, struct report *r) {
	int report[2];
	assert_int_equal(pipe(end), 0);
	assert_int_equal(pipe(report), 0);
	fflush(NULL);
	const pid_t pid = fork();
	if (pid == 0)
		child(p, report[1]);
	assert_true(pid > 0);
	close(end[0]);
	close(report[1]);
	const ssize_t n = read(report[0], r, sizeof(*r));
	close(report[0]);
	assert_int_equal(n, sizeof(*r));
	return pid;
}

static void finish(pid_t pid) {
	int status;
	close(end[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

// --- the threads --------------------------------------------------------------------------------

struct thread_status {
	char name[32];
	uint64_t uid[4], gid[4], prm, eff, inh, bnd, amb, no_new_privs;
	char groups[128];
};

static void parse(struct thread_status *t, const char *line) {
	uint64_t *u = t->uid, *g = t->gid;
	sscanf(line, "Name: %31s", t->name);
	sscanf(line, "Uid: %lu %lu %lu %lu", u, u + 1, u + 2, u + 3);
	sscanf(line, "Gid: %lu %lu %lu %lu", g, g + 1, g + 2, g + 3);
	sscanf(line, "Groups: %127[0-9 ]", t->groups);
	sscanf(line, "CapPrm: %lx", &t->prm);
	sscanf(line, "CapEff: %lx", &t->eff);
	sscanf(line, "CapInh: %lx", &t->inh);
	sscanf(line, "CapBnd: %lx", &t->bnd);
	sscanf(line, "CapAmb: %lx", &t->amb);
	sscanf(line, "NoNewPrivs: %lu", &t->no_new_privs);
}

// Fills `t` with the threads of a process and returns how many there are.
static unsigned threads_of(pid_t pid, struct thread_status *t, unsigned max) {
	char path[320], line[256];
	unsigned n = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		assert_true(n < max);
		memset(&t[n], 0xff, sizeof(t[n])); // what no line says is wrong
		t[n].groups[0] = '\0';
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid, e->d_name);
		FILE *f = fopen(path, "r");
		assert_non_null(f);
		while (fgets(line, sizeof(line), f) != NULL)
			parse(&t[n], line);
		fclose(f);
		n++;
	}
	closedir(d);
	return n;
}

// The groups of a user, as /proc shows them.
static void groups_of(const char *user, gid_t gid, char *text, size_t len) {
	gid_t g[64];
	int num = 64;
	*text = '\0';
	assert_true(getgrouplist(user, gid, g, &num) > 0);
	for (int i = 0; i < num; i++)
		for (int k = i + 1; k < num; k++)
			if (g[k] < g[i]) {
				const gid_t swap = g[i];
				g[i] = g[k];
				g[k] = swap;
			}
	for (int i = 0; i < num; i++) {
		const size_t used = strlen(text);
		snprintf(text + used, len - used, "%u ", g[i]);
	}
}

// A user of Debian's base system with groups of its own would be best; there is none, so whoever
// has some.
static const char *user_with_groups(void) {
	static char name[64];
	struct passwd *pw;
	gid_t g[64];
	snprintf(name, sizeof(name), "nobody");
	setpwent();
	while ((pw = getpwent()) != NULL) {
		int num = 64;
		if (pw->pw_uid == 0 || getgrouplist(pw->pw_name, pw->pw_gid, g, &num) < 2)
			continue;
		snprintf(name, sizeof(name), "%s", pw->pw_name);
		break;
	}
	endpwent();
	return name;
}

// Every thread is `user`; main and those made later have `caps`, the others none.
static void check_threads(pid_t pid, const char *user, uint64_t caps) {
	struct thread_status t[16];
	char groups[256];
	unsigned before = 0, after = 0;
	const struct passwd *pw = getpwnam(user);
	assert_non_null(pw);
	const uint64_t uid = pw->pw_uid, gid = pw->pw_gid;
	groups_of(user, pw->pw_gid, groups, sizeof(groups));
	const unsigned n = threads_of(pid, t, HT_ARRAY_LEN(t));
	assert_true(n >= 1 + 2 * THREADS); // a sanitizer may have one more
	for (unsigned i = 0; i < n; i++) {
		const bool is_before = strcmp(t[i].name, "before") == 0;
		const bool is_after = strcmp(t[i].name, "after") == 0;
		before += is_before;
		after += is_after;
		for (unsigned k = 0; k < 4; k++) {
			assert_int_equal(t[i].uid[k], uid);
			assert_int_equal(t[i].gid[k], gid);
		}
		assert_string_equal(t[i].groups, groups);
		// The names of main and of a sanitizer's own thread are the same.
		const uint64_t wanted = is_before ? 0 : caps;
		if (is_before || is_after || n == 1 + 2 * THREADS) {
			assert_int_equal(t[i].prm, wanted);
			assert_int_equal(t[i].eff, wanted);
		}
		assert_int_equal(t[i].inh, 0);
		assert_int_equal(t[i].bnd, 0);
		assert_int_equal(t[i].amb, 0);
		assert_int_equal(t[i].no_new_privs, 1);
	}
	assert_int_equal(before, THREADS);
	assert_int_equal(after, THREADS);
}

// --- the cases ----------------------------------------------------------------------------------

static void no_capability_is_kept(void **state) {
	(void)state;
	struct report r;
	const struct plan p = {.begin = true, .user = user_with_groups()};
	const pid_t pid = run(&p, &r);
	assert_string_equal(r.err, "");
	assert_int_equal(r.rc, HT_OK);
	check_threads(pid, p.user, 0);
	finish(pid);
}

static void one_is_kept(void **state) {
	(void)state;
	struct report r;
	const struct plan p
		= {.begin = true, .user = "nobody", .keep = {"CAP_NET_RAW"}, .num_keep = 1};
	const pid_t pid = run(&p, &r);
	assert_string_equal(r.err, "");
	assert_int_equal(r.rc, HT_OK);
	check_threads(pid, "nobody", NET_RAW);
	finish(pid);
}

static void the_process_cannot_be_traced_but_read(void **state) {
	(void)state;
	struct report r;
	struct thread_status t[16];
	const struct plan p = {.begin = true, .user = "nobody"};
	const pid_t pid = run(&p, &r);
	assert_int_equal(r.rc, HT_OK);
	fflush(NULL);
	const pid_t other = fork();
	if (other == 0) { // another process of that user
		char path[64];
		const struct passwd *pw = getpwnam("nobody");
		if (pw == NULL || setgroups(0, NULL) != 0
		    || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0
		    || setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0)
			_exit(1);
		snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
		if (access(path, R_OK) == 0 || threads_of(pid, t, 16) < 1 + 2 * THREADS)
			_exit(2);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(status, 0);
	finish(pid);
}

// What it must not do: threads that were there already would keep the right to gain privileges.
static void without_the_first_step(void **state) {
	(void)state;
	struct report r;
	const struct plan p = {.user = "nobody"};
	const pid_t pid = run(&p, &r);
	assert_int_equal(r.rc, HT_ERROR);
	assert_non_null(strstr(r.err, "(before) kept its"));
	finish(pid);
}

// Refused before anything has changed.
static void refused(const struct plan *p, enum ht_rc rc, const char *line) {
	struct report r;
	const pid_t pid = run(p, &r);
	assert_string_equal(r.err, line);
	assert_int_equal(r.rc, rc);
	struct thread_status t[16];
	const unsigned n = threads_of(pid, t, HT_ARRAY_LEN(t));
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(t[i].uid[1], p->unprivileged ? 65534 : 0);
	finish(pid);
}

static void refusals(void **state) {
	(void)state;
	const struct plan nobody = {.begin = true, .user = "no-such-user"};
	refused(&nobody, HT_BAD, "user \"no-such-user\": there is none of that name");
	const struct plan root = {.begin = true, .user = "root"};
	refused(&root, HT_BAD, "user \"root\": has the rights of root");
	const struct plan cap
		= {.begin = true,
		   .user = "nobody",
		   .keep = {"cap_net_raw", "cap_sys_admin"},
		   .num_keep = 2};
	refused(&cap, HT_BAD, "capability \"cap_sys_admin\": none that may be kept");
	const struct plan not_root = {.begin = true, .user = "nobody", .unprivileged = true};
	refused(&not_root, HT_ERROR, "cannot become user \"nobody\": not started as root");
	const struct plan setuid = {.begin = true, .user = "nobody", .lacks = CAP_SETUID};
	refused(&setuid, HT_ERROR,
		"cannot become user \"nobody\": root is without cap_setuid here");
	const struct plan keep
		= {.begin = true,
		   .user = "nobody",
		   .keep = {"cap_sys_nice"},
		   .num_keep = 1,
		   .lacks = CAP_SYS_NICE};
	refused(&keep, HT_ERROR,
		"cannot become user \"nobody\": root is without cap_sys_nice here");
}

static void not_root(void **state) {
	(void)state;
	char err[256];
	assert_int_equal(privileges_begin(err, sizeof(err)), HT_OK);
	assert_int_equal(privileges_drop("nobody", NULL, 0, err, sizeof(err)), HT_ERROR);
	assert_non_null(strstr(err, "cannot become user \"nobody\": "));
}

static void names(void **state) {
	(void)state;
	assert_int_equal(privileges_capability("cap_net_raw"), HT_HAVE_CAPNG);
	assert_int_equal(privileges_capability("CAP_SYS_NICE"), HT_HAVE_CAPNG);
	assert_false(privileges_capability("cap_setuid"));
	assert_false(privileges_capability("net_raw"));
	assert_false(privileges_capability(""));
}

// ThreadSanitizer has a thread of its own from the start, before main could give anything up.
#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif
#ifndef WITH_TSAN
#define WITH_TSAN 0
#endif

int main(void) {
	const struct CMUnitTest as_root[] = {
		cmocka_unit_test(no_capability_is_kept),
		cmocka_unit_test(one_is_kept),
		cmocka_unit_test(the_process_cannot_be_traced_but_read),
		cmocka_unit_test(without_the_first_step),
		cmocka_unit_test(refusals),
		cmocka_unit_test(names),
	};
	const struct CMUnitTest as_user[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(not_root),
	};
	if (WITH_TSAN) {
		puts("1..0 # SKIP a thread of the sanitizer keeps its rights");
		return 0;
	}
	if (HT_HAVE_CAPNG && geteuid() == 0)
		return cmocka_run_group_tests_name("privileges", as_root, NULL, NULL);
	puts("# SKIP what takes root and libcap-ng");
	return cmocka_run_group_tests_name("privileges", as_user, NULL, NULL);
}
