// SPDX-License-Identifier: BSD-3-Clause
// The store of fingerprints in its file. It is replaced as a whole: whoever reads it, after a crash
// too, finds the old one or the new one.

#include "path.h"
#include "rates_int.h"
#include "whole.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MOST (1ll << 30) // twice what as many fingerprints take as can be

static enum ht_rc fail(char *err, size_t err_len, const char *path, const char *what) {
	snprintf(
		err, err_len, "%.400s: %s%s%s", path, what, *what != '\0' ? ": " : "",
		strerror(errno)
	);
	return HT_ERROR;
}

// --- reading ------------------------------------------------------------------------------------

// All bytes of a file: free `out`.
static enum ht_rc
read_file(const char *path, uint8_t **out, size_t *len, char *err, size_t err_len) {
	struct stat st;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT ? HT_SKIP : fail(err, err_len, path, "");
	enum ht_rc rc = HT_OK;
	*out = NULL;
	if (fstat(fd, &st) != 0) {
		rc = fail(err, err_len, path, "");
	} else if (!S_ISREG(st.st_mode) || st.st_size > FILE_MOST) {
		snprintf(err, err_len, "%s: no file of fingerprints", path);
		rc = HT_ERROR;
	} else {
		*len = (size_t)st.st_size;
		*out = malloc(*len + 1);
		if (*out == NULL || !ht_read_whole(fd, *out, *len))
			rc = fail(err, err_len, path, "");
	}
	close(fd);
	return rc;
}

// What is damaged is kept for whoever wants to look at it.
static enum ht_rc move_aside(const char *path, const char *why, char *err, size_t err_len) {
	char aside[PATH_MAX];
	const int n = snprintf(aside, sizeof(aside), "%s.damaged", path);
	if (n >= (int)sizeof(aside) || rename(path, aside) != 0) {
		snprintf(err, err_len, "%s: %s, and it cannot be moved away", path, why);
		return HT_ERROR;
	}
	snprintf(
		err, err_len, "%s: %s: it is called %s now, and fingerprints are learned anew",
		path, why, aside
	);
	return HT_BAD;
}

enum ht_rc ht_rates_store_place(const char *path, char *err, size_t err_len) {
	char folder[PATH_MAX];
	struct stat st;
	return ht_path_folder(path, folder) && stat(folder, &st) == 0
		       ? HT_OK
		       : fail(err, err_len, path, "no store can be made there");
}

enum ht_rc ht_rates_load(struct ht_rates *r, char *err, size_t err_len) {
	const char *const path = r->p.store;
	uint8_t *bytes = NULL;
	size_t len = 0;
	char why[128];
	enum ht_rc rc = read_file(path, &bytes, &len, err, err_len);
	if (rc == HT_SKIP)
		return ht_rates_store_place(path, err, err_len) == HT_OK ? HT_SKIP : HT_ERROR;
	if (rc == HT_OK && len == 0)
		rc = HT_SKIP;
	if (rc == HT_OK) {
		rc = ht_rates_unpack(r, HT_SPAN(bytes, len), why, sizeof(why));
		if (rc == HT_BAD) {
			rc = move_aside(path, why, err, err_len);
		} else if (rc == HT_SKIP) {
			snprintf(err, err_len, "%s: %s", path, why);
			rc = HT_ERROR;
		}
	}
	free(bytes);
	return rc;
}

// --- writing ------------------------------------------------------------------------------------

// The new name is on the disk when its folder is.
static void sync_folder(const char *path) {
	char folder[PATH_MAX];
	if (!ht_path_folder(path, folder))
		return;
	const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
}

static enum ht_rc
write_file(const char *path, const uint8_t *p, size_t len, char *err, size_t err_len) {
	char new[PATH_MAX];
	if (snprintf(new, sizeof(new), "%s.new", path) >= (int)sizeof(new)) {
		errno = ENAMETOOLONG;
		return fail(err, err_len, path, "");
	}
	// One that was left half-way goes, and whatever else has that name.
	(void)unlink(new);
	const int fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return fail(err, err_len, new, "");
	bool ok = ht_write_whole(fd, p, len) && fsync(fd) == 0;
	const int why = errno;
	ok = close(fd) == 0 && ok;
	if (ok && rename(new, path) == 0) {
		sync_folder(path);
		return HT_OK;
	}
	errno = ok ? errno : why;
	const enum ht_rc rc = fail(err, err_len, path, "not saved");
	(void)unlink(new);
	return rc;
}

static bool copy(struct ht_rates *r) {
	struct saver *const s = &r->saver;
	s->len = ht_rates_pack_size(r);
	s->bytes = malloc(s->len);
	if (s->bytes != NULL)
		ht_rates_pack(r, s->bytes);
	else
		snprintf(s->error, sizeof(s->error), "%s: not saved: no memory", r->p.store);
	return s->bytes != NULL;
}

static void *save(void *arg) {
	struct ht_rates *const r = arg;
	struct saver *const s = &r->saver;
	pthread_setname_np(pthread_self(), "fingerprints");
	(void)!write_file(r->p.store, s->bytes, s->len, s->error, sizeof(s->error));
	atomic_store_explicit(&s->done, true, memory_order_release);
	return NULL;
}

// The thread takes no signals: they are for those that wait for them.
static bool start(struct ht_rates *r) {
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	const bool ok = pthread_create(&r->saver.thread, NULL, save, r) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ok;
}

// What is known when a copy has been written, or could not be.
static void settle(struct ht_rates *r) {
	struct saver *const s = &r->saver;
	free(s->bytes);
	s->bytes = NULL;
	const bool failed = s->error[0] != '\0';
	// The next one may be on its way before this is told.
	if (failed)
		memcpy(s->told, s->error, sizeof(s->told));
	s->failed |= failed;
	count(r, failed ? HT_RATES_SAVE_FAILED : HT_RATES_SAVED);
}

static void reap(struct ht_rates *r) {
	struct saver *const s = &r->saver;
	if (!s->started || !atomic_load_explicit(&s->done, memory_order_acquire))
		return;
	pthread_join(s->thread, NULL);
	s->started = false;
	settle(r);
}

void ht_rates_save(struct ht_rates *r) {
	struct saver *const s = &r->saver;
	reap(r);
	if (s->started)
		return;
	s->error[0] = '\0';
	atomic_store(&s->done, false);
	if (copy(r)) {
		s->started = start(r);
		if (s->started)
			return;
		snprintf(s->error, sizeof(s->error), "%s: not saved: no thread", r->p.store);
	}
	settle(r);
}

enum ht_rc ht_rates_save_last(struct ht_rates *r, char *err, size_t err_len) {
	struct saver *const s = &r->saver;
	reap(r);
	if (!s->started && !s->last) {
		s->last = true;
		s->failed = false; // of an earlier one
		ht_rates_save(r);
	}
	if (s->started)
		return HT_MORE;
	s->last = false;
	const char *const error = ht_rates_save_error(r);
	if (error == NULL)
		return HT_OK;
	snprintf(err, err_len, "%s", error);
	return HT_ERROR;
}

bool ht_rates_save_leave(struct ht_rates *r) {
	struct saver *const s = &r->saver;
	reap(r);
	if (!s->started)
		return false;
	pthread_detach(s->thread);
	s->left = true;
	count(r, HT_RATES_SAVE_FAILED);
	return true;
}

const char *ht_rates_save_error(struct ht_rates *r) {
	struct saver *const s = &r->saver;
	reap(r);
	const bool failed = s->failed;
	s->failed = false;
	return failed ? s->told : NULL;
}
