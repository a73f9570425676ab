// SPDX-License-Identifier: BSD-3-Clause

#include "privileges.h"

#include "ht_config.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// The system call itself: a thread's own state, which glibc has no function for.
enum ht_rc privileges_none(char *err, size_t err_len) {
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
	if (syscall(SYS_capset, &header, none) == 0)
		return HT_OK;
	snprintf(err, err_len, "cannot give up capabilities: %s", strerror(errno));
	return HT_ERROR;
}

#if HT_HAVE_CAPNG

#include <cap-ng.h>
#include <dirent.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>

static const struct {
	const char *name;
	unsigned cap;
} may_keep[] = {
	{"cap_net_raw", CAP_NET_RAW}, // open an interface again
	{"cap_net_admin", CAP_NET_ADMIN}, // make it promiscuous, attach an XDP program
	{"cap_ipc_lock", CAP_IPC_LOCK}, // more huge pages, while it runs
	{"cap_sys_nice", CAP_SYS_NICE}, // priorities
};

// The capability of that name, or -1.
static int find(const char *name) {
	for (unsigned i = 0; i < HT_ARRAY_LEN(may_keep); i++)
		if (strcasecmp(name, may_keep[i].name) == 0)
			return (int)may_keep[i].cap;
	return -1;
}

bool privileges_capability(const char *name) {
	return find(name) >= 0;
}

static enum ht_rc no_new_privs(char *err, size_t err_len) {
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		return HT_OK;
	snprintf(err, err_len, "no_new_privs: %s", strerror(errno));
	return HT_ERROR;
}

enum ht_rc privileges_begin(char *err, size_t err_len) {
	if (no_new_privs(err, err_len) != HT_OK)
		return HT_ERROR;
	if (capng_get_caps_process() != 0) {
		snprintf(err, err_len, "cannot read the capabilities of the process");
		return HT_ERROR;
	}
	capng_select_t sets = CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT;
	// Without this one the bounding set stays; no_new_privs makes it useless then.
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		sets |= CAPNG_SELECT_BOUNDS;
	for (unsigned cap = 0; cap < 64; cap++) // those that the kernel lacks are refused
		(void)capng_update(CAPNG_DROP, CAPNG_INHERITABLE, cap);
	if (sets & CAPNG_SELECT_BOUNDS)
		capng_clear(CAPNG_SELECT_BOUNDS);
	capng_clear(CAPNG_SELECT_AMBIENT);
	if (capng_apply(sets) == 0)
		return HT_OK;
	snprintf(err, err_len, "cannot empty the capability sets: %s", strerror(errno));
	return HT_ERROR;
}

// --- what every thread has become ---------------------------------------------------------------

struct wanted {
	uid_t uid;
	gid_t gid;
	pid_t self; // the thread that keeps `caps`; others have made none since
	uint64_t caps;
};

// The thread's name, for a message.
static void thread_name(const char *tid, char *name, size_t len) {
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", tid);
	FILE *f = fopen(path, "re");
	if (f == NULL || fgets(name, (int)len, f) == NULL)
		snprintf(name, len, "?");
	name[strcspn(name, "\n")] = '\0';
	if (f != NULL)
		fclose(f);
}

// One line of a status file. NULL when it is as it must be, else what it is about.
static const char *line_wrong(const char *line, const struct wanted *w, uint64_t caps) {
	uint64_t n[4];
	if (sscanf(line, "Uid: %" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64, n, n + 1, n + 2, n + 3)
	    == 4)
		for (unsigned i = 0; i < 4; i++)
			if (n[i] != w->uid)
				return "user";
	if (sscanf(line, "Gid: %" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64, n, n + 1, n + 2, n + 3)
	    == 4)
		for (unsigned i = 0; i < 4; i++)
			if (n[i] != w->gid)
				return "group";
	if (sscanf(line, "CapPrm: %" SCNx64, n) == 1 && n[0] != caps)
		return "permitted capabilities";
	if (sscanf(line, "CapEff: %" SCNx64, n) == 1 && n[0] != caps)
		return "effective capabilities";
	if (sscanf(line, "CapInh: %" SCNx64, n) == 1 && n[0] != 0)
		return "inheritable capabilities";
	if (sscanf(line, "CapBnd: %" SCNx64, n) == 1 && n[0] != 0)
		return "capability bounding set";
	if (sscanf(line, "CapAmb: %" SCNx64, n) == 1 && n[0] != 0)
		return "ambient capabilities";
	if (sscanf(line, "NoNewPrivs: %" SCNu64, n) == 1 && n[0] != 1)
		return "right to gain privileges";
	return NULL;
}

// False: it is not as wanted, and `err` says so. A thread that ended meanwhile is as wanted.
static bool thread_ok(const char *tid, const struct wanted *w, char *err, size_t err_len) {
	char path[64], line[256], name[32];
	snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", tid);
	FILE *f = fopen(path, "re");
	if (f == NULL) {
		if (errno == ENOENT || errno == ESRCH)
			return true;
		snprintf(err, err_len, "%s: %s", path, strerror(errno));
		return false;
	}
	const uint64_t caps = strtol(tid, NULL, 10) == w->self ? w->caps : 0;
	const char *wrong = NULL;
	while (wrong == NULL && fgets(line, sizeof(line), f) != NULL)
		wrong = line_wrong(line, w, caps);
	fclose(f);
	if (wrong == NULL)
		return true;
	thread_name(tid, name, sizeof(name));
	line[strcspn(line, "\n")] = '\0';
	snprintf(err, err_len, "thread %s (%s) kept its %s (%s)", tid, name, wrong, line);
	return false;
}

static enum ht_rc look_at_threads(const struct wanted *w, char *err, size_t err_len) {
	DIR *d = opendir("/proc/self/task");
	if (d == NULL) {
		snprintf(
			err, err_len,
			"cannot see what the threads have become: /proc/self/task: %s",
			strerror(errno)
		);
		return HT_ERROR;
	}
	bool ok = true;
	for (struct dirent *e; ok && (e = readdir(d)) != NULL;)
		ok = e->d_name[0] == '.' || thread_ok(e->d_name, w, err, err_len);
	closedir(d);
	return ok ? HT_OK : HT_ERROR;
}

// --- the change ---------------------------------------------------------------------------------

static enum ht_rc
find_user(struct passwd *pw, char *buf, size_t len, const char *user, char *err, size_t err_len) {
	struct passwd *found = NULL;
	const int rc = getpwnam_r(user, pw, buf, len, &found);
	if (found == NULL)
		snprintf(
			err, err_len, "user \"%s\": %s", user,
			rc != 0 ? strerror(rc) : "there is none of that name"
		);
	else if (pw->pw_uid == 0)
		snprintf(err, err_len, "user \"%s\": has the rights of root", user);
	else
		return HT_OK;
	return HT_BAD;
}

// What the change itself takes, and what is to be kept.
static enum ht_rc may_change(const char *user, uint64_t caps, char *err, size_t err_len) {
	static const unsigned needed[] = {CAP_SETUID, CAP_SETGID, CAP_SETPCAP};
	if (geteuid() != 0) {
		snprintf(err, err_len, "cannot become user \"%s\": not started as root", user);
		return HT_ERROR;
	}
	if (capng_get_caps_process() != 0) {
		snprintf(err, err_len, "cannot read the capabilities of the process");
		return HT_ERROR;
	}
	for (unsigned i = 0; i < HT_ARRAY_LEN(needed); i++)
		caps |= UINT64_C(1) << needed[i];
	for (unsigned cap = 0; cap < 64; cap++) {
		if ((caps >> cap & 1) == 0 || capng_have_capability(CAPNG_PERMITTED, cap))
			continue;
		snprintf(
			err, err_len, "cannot become user \"%s\": root is without cap_%s here",
			user, capng_capability_to_name(cap)
		);
		return HT_ERROR;
	}
	return HT_OK;
}

static enum ht_rc change(const struct passwd *pw, uint64_t caps, char *err, size_t err_len) {
	// By name: two names may have one number, and not the same groups.
	if (initgroups(pw->pw_name, pw->pw_gid) != 0) {
		snprintf(err, err_len, "groups of user \"%s\": %s", pw->pw_name, strerror(errno));
		return HT_ERROR;
	}
	capng_clear(CAPNG_SELECT_ALL);
	for (unsigned cap = 0; cap < 64; cap++)
		if (caps >> cap & 1)
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap);
	const int rc = capng_change_id(
		(int)pw->pw_uid, (int)pw->pw_gid, CAPNG_CLEAR_BOUNDING | CAPNG_CLEAR_AMBIENT
	);
	if (rc == 0)
		return HT_OK;
	snprintf(
		err, err_len, "cannot become user \"%s\": %s (capng_change_id: %d)", pw->pw_name,
		strerror(errno), rc
	);
	return HT_ERROR;
}

enum ht_rc privileges_drop(
	const char *user, const char *const *keep, unsigned num_keep, char *err, size_t err_len
) {
	char buf[4096];
	struct passwd pw = {0};
	uint64_t caps = 0;
	for (unsigned i = 0; i < num_keep; i++) {
		const int cap = find(keep[i]);
		if (cap < 0) {
			snprintf(err, err_len, "capability \"%s\": none that may be kept", keep[i]);
			return HT_BAD;
		}
		caps |= UINT64_C(1) << cap;
	}
	enum ht_rc rc = find_user(&pw, buf, sizeof(buf), user, err, err_len);
	if (rc == HT_OK)
		rc = may_change(user, caps, err, err_len);
	if (rc == HT_OK)
		rc = no_new_privs(err, err_len);
	if (rc == HT_OK)
		rc = change(&pw, caps, err, err_len);
	const struct wanted w = {pw.pw_uid, pw.pw_gid, (pid_t)syscall(SYS_gettid), caps};
	return rc == HT_OK ? look_at_threads(&w, err, err_len) : rc;
}

#else // without libcap-ng

enum ht_rc privileges_begin(char *err, size_t err_len) {
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		return HT_OK;
	snprintf(err, err_len, "no_new_privs: %s", strerror(errno));
	return HT_ERROR;
}

enum ht_rc privileges_drop(
	const char *user, const char *const *keep, unsigned num_keep, char *err, size_t err_len
) {
	(void)keep;
	(void)num_keep;
	snprintf(err, err_len, "cannot become user \"%s\": built without libcap-ng", user);
	return HT_ERROR;
}

bool privileges_capability(const char *name) {
	(void)name;
	return false;
}

#endif
