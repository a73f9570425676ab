// SPDX-License-Identifier: BSD-3-Clause
// Opening and closing, and where entries go in.

#include "spool.h"

#include "spool_int.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

const struct ht_counter ht_spool_counters[HT_SPOOL_NUM_CTRS] = {
#define X(id, name, help) {"spool", name, help},
	HT_SPOOL_COUNTERS(X)
#undef X
};

static struct spool_segment *last_segment(struct ht_spool *s) {
	return &s->segments[s->num - 1];
}

// fail_segment is spool_fail about the file of the last segment.
static enum ht_rc fail_segment(struct ht_spool *s, const char *what) {
	char file[SPOOL_FILE_MAX];
	const int error = errno;
	spool_file_name(file, last_segment(s)->number);
	errno = error;
	return spool_fail(s, file, what);
}

struct spool_segment *spool_add_segment(struct ht_spool *s) {
	if (s->num == SPOOL_SEGMENTS_MAX) {
		errno = EMFILE;
		return NULL;
	}
	if (s->num == s->max) {
		const uint32_t max = s->max > 0 ? 2 * s->max : 16;
		struct spool_segment *more = realloc(s->segments, max * sizeof(*more));
		if (more == NULL)
			return NULL;
		s->segments = more;
		s->max = max;
	}
	struct spool_segment *g = &s->segments[s->num++];
	memset(g, 0, sizeof(*g));
	return g;
}

// set_size changes the last segment's size, and what it takes.
static void set_size(struct ht_spool *s, uint32_t size) {
	struct spool_segment *g = last_segment(s);
	const uint64_t disk = spool_disk_size(size);
	g->size = size;
	spool_number_add(s, SPOOL_BYTES, disk - g->disk);
	g->disk = disk;
}

// --- writing ------------------------------------------------------------------------------------

static bool write_all(int fd, const uint8_t *p, size_t n, uint32_t offset) {
	while (n > 0) {
		const ssize_t done = pwrite(fd, p, n, offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
		offset += (uint32_t)done;
	}
	return true;
}

// take_back cuts a write that failed half-way. If that fails as well nothing is lost by it: the
// next write begins at the same place, and what nobody writes over is cut by the next opening.
static enum ht_rc take_back(struct ht_spool *s, uint32_t size) {
	const enum ht_rc rc = fail_segment(s, "cannot write");
	if (ftruncate(s->out, size) != 0)
		return fail_segment(s, "cannot take back what was written");
	return rc;
}

static enum ht_rc write_buffer(struct ht_spool *s) {
	if (s->out < 0 || s->buffered == 0)
		return HT_OK;
	const uint32_t written = last_segment(s)->size - s->buffered;
	if (!write_all(s->out, s->buffer, s->buffered, written))
		return take_back(s, written);
	s->buffered = 0;
	s->unflushed = 0;
	s->unsynced = true;
	return HT_OK;
}

static enum ht_rc sync_segment(struct ht_spool *s) {
	if (s->out >= 0 && s->unsynced && fdatasync(s->out) != 0)
		return fail_segment(s, "cannot sync");
	s->unsynced = false;
	if (s->dir_unsynced && fsync(s->dir) != 0)
		return spool_fail(s, NULL, "cannot sync");
	s->dir_unsynced = false;
	return HT_OK;
}

static void close_segment(struct ht_spool *s) {
	close(s->out);
	s->out = -1;
	s->unsynced = false;
}

// finish_segment: the next entry begins a new one.
static enum ht_rc finish_segment(struct ht_spool *s) {
	enum ht_rc rc = write_buffer(s);
	if (rc != HT_OK)
		return rc;
	if (s->fsync != HT_SPOOL_FSYNC_NEVER)
		rc = sync_segment(s);
	close_segment(s);
	return rc;
}

static enum ht_rc begin_segment(struct ht_spool *s) {
	char file[SPOOL_FILE_MAX];
	struct spool_stamp t;
	spool_file_name(file, s->last_number + 1);
	if (s->last_number >= SPOOL_NUMBER_MAX) {
		errno = EOVERFLOW;
		return spool_fail(s, file, "cannot make");
	}
	struct spool_segment *g = spool_add_segment(s);
	if (g == NULL)
		return spool_fail(s, file, "cannot make");
	s->out = spool_open_file(s, file, O_WRONLY | O_CREAT | O_EXCL);
	if (s->out < 0) {
		// The folder may be another one by now: the next try is with the next number.
		s->last_number += errno == EEXIST;
		const enum ht_rc rc = spool_fail(s, file, "cannot make");
		s->num--;
		return rc;
	}
	s->dir_unsynced = s->fsync != HT_SPOOL_FSYNC_NEVER;
	g->number = ++s->last_number;
	spool_make_stamp(&t, false, g->number, 0);
	memcpy(s->buffer, &t, sizeof(t));
	s->buffered = SPOOL_FIRST;
	set_size(s, SPOOL_FIRST);
	return HT_OK;
}

static void put_in_buffer(struct ht_spool *s, const struct spool_head *h, struct ht_span bytes) {
	uint8_t *const to = s->buffer + s->buffered;
	memcpy(to, h, SPOOL_HEAD);
	memcpy(to + SPOOL_HEAD, bytes.p, bytes.len);
	s->buffered += SPOOL_HEAD + (uint32_t)bytes.len;
	s->unflushed++;
}

// --- the folder ---------------------------------------------------------------------------------

static enum ht_rc refuse_folder(struct ht_spool *s, const char *why) {
	close(s->dir);
	s->dir = -1;
	snprintf(s->error, sizeof(s->error), "%s: %s", s->path, why);
	return HT_ERROR;
}

static enum ht_rc open_lock(struct ht_spool *s) {
	if (s->lock >= 0)
		close(s->lock);
	s->lock = spool_open_file(s, "lock", O_RDWR | O_CREAT);
	if (s->lock < 0)
		return spool_fail(s, "lock", "cannot open as a regular file");
	if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
		return HT_OK;
	const bool in_use = errno == EWOULDBLOCK;
	(void)spool_fail(s, "lock", "cannot lock");
	close(s->lock);
	s->lock = -1;
	if (!in_use)
		return HT_ERROR;
	snprintf(s->error, sizeof(s->error), "%s: in use by another process", s->path);
	return HT_MORE;
}

static bool make_folders(struct ht_spool *s) {
	char *const slash = strrchr(s->path, '/'); // a spool's own name has none
	*slash = '\0';
	const bool good = mkdir(s->path, 0700) == 0 || errno == EEXIST;
	*slash = '/';
	return good && (mkdir(s->path, 0700) == 0 || errno == EEXIST);
}

// Who else may write there can have this process write, delete and send what he likes. NULL: nobody
// can.
static const char *why_not_ours(const struct stat *st) {
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return "belongs to another user: not used as a spool";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "group or others may write there: not used as a spool (chmod 0700)";
	return NULL;
}

static enum ht_rc open_folder(struct ht_spool *s) {
	struct stat st;
	if (s->dir >= 0)
		close(s->dir);
	s->dir = -1;
	if (!make_folders(s))
		return spool_fail(s, NULL, "cannot make");
	s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir < 0 || fstat(s->dir, &st) != 0)
		return spool_fail(s, NULL, "cannot open");
	const char *const why = why_not_ours(&st);
	return why != NULL ? refuse_folder(s, why) : open_lock(s);
}

// --- what somebody took away while the spool is open --------------------------------------------

// is_there tells whether a name still means what is open. NULL: the folder's own.
static bool is_there(const struct ht_spool *s, const char *file, int fd) {
	struct stat named, opened;
	const int rc = file == NULL ? lstat(s->path, &named)
				    : fstatat(s->dir, file, &named, AT_SYMLINK_NOFOLLOW);
	return rc == 0 && fstat(fd, &opened) == 0 && named.st_dev == opened.st_dev
	       && named.st_ino == opened.st_ino;
}

static bool has_file(const struct ht_spool *s, const struct spool_segment *g) {
	char file[SPOOL_FILE_MAX];
	struct stat st;
	spool_file_name(file, g->number);
	if (spool_is_written(s, g))
		return is_there(s, file, s->out);
	return fstatat(s->dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

// save_buffer puts entries that were in memory alone into a new segment.
static void save_buffer(struct ht_spool *s, const uint8_t *p, uint32_t entries) {
	struct spool_head h;
	uint32_t at = 0;
	enum ht_rc rc = s->lock >= 0 ? begin_segment(s) : HT_ERROR;
	for (; rc == HT_OK && entries > 0; entries--) {
		memcpy(&h, p + at, sizeof(h));
		const struct ht_span bytes = HT_SPAN(p + at + SPOOL_HEAD, h.len);
		const uint32_t need = SPOOL_HEAD + h.len;
		if (s->buffered + need > SPOOL_BUFFER && (rc = write_buffer(s)) != HT_OK)
			break;
		spool_make_head(&h, last_segment(s)->number, last_segment(s)->size, bytes);
		put_in_buffer(s, &h, bytes);
		set_size(s, last_segment(s)->size + need);
		last_segment(s)->left++;
		at += need;
	}
	spool_count(s, HT_SPOOL_LOST_DAMAGED, entries);
	spool_number_add(s, SPOOL_COUNT, -(uint64_t)entries);
}

// give_up_written: the file that is written is gone. What is in the buffer is not, but for what was
// read already: that is on its way, and settled in its old place.
static void give_up_written(struct ht_spool *s) {
	struct spool_segment *g = last_segment(s);
	const uint64_t begin = SPOOL_MARK(s->first + s->num - 1, (uint64_t)g->size - s->buffered);
	uint32_t at = 0, entries = 0;
	uint8_t *saved = s->buffered > 0 ? malloc(s->buffered) : NULL;
	uint32_t len = saved != NULL ? s->buffered : 0;
	if (len > 0 && g->size == s->buffered)
		at = SPOOL_FIRST; // behind the stamp
	if (s->read.mark > begin + at)
		at = (uint32_t)(s->read.mark - begin);
	at = at < len ? at : len;
	if (len > at)
		memcpy(saved, s->buffer + at, len - at);
	len -= at;
	for (uint32_t i = 0; i < len; entries++) {
		struct spool_head h;
		memcpy(&h, saved + i, sizeof(h));
		i += SPOOL_HEAD + h.len;
	}
	s->buffered = 0;
	s->unflushed = 0;
	g->left -= entries;
	g->size -= len;
	spool_give_up(s, s->num - 1);
	close_segment(s);
	if (entries > 0)
		save_buffer(s, saved, entries);
	free(saved);
}

// check finds out whether folder, lock and the file that is written are still what their names
// mean, or else writes would go where nobody finds them; with `all`, or when one of these is gone,
// the other files, too. It begins anew with what is gone. HT_ERROR: it cannot.
static enum ht_rc check(struct ht_spool *s, bool all) {
	const bool folder = is_there(s, NULL, s->dir);
	const bool lock = folder && is_there(s, "lock", s->lock);
	const bool written = s->out < 0 || has_file(s, last_segment(s));
	if (HT_LIKELY(lock && written && !all))
		return HT_OK;
	enum ht_rc rc = lock ? HT_OK : folder ? open_lock(s) : open_folder(s);
	// Without the lock they are another process's.
	const bool ours = rc == HT_OK;
	char error[sizeof(s->error)];
	memcpy(error, s->error, sizeof(error));
	const uint64_t lost = s->counters[HT_SPOOL_LOST_DAMAGED];
	const uint32_t num = s->out >= 0 ? s->num - 1 : s->num;
	for (uint32_t i = 0; i < num; i++)
		if (!s->segments[i].gone && !(ours && has_file(s, &s->segments[i])))
			spool_give_up(s, i);
	if (s->out >= 0 && !(ours && has_file(s, last_segment(s))))
		give_up_written(s);
	s->cursor_dirty = s->cursor_dirty || (!lock && s->cursor.number > 0);
	if (ours)
		spool_drop(s);
	if (!ours)
		memcpy(s->error, error, sizeof(error));
	else if (s->counters[HT_SPOOL_LOST_DAMAGED] > lost)
		snprintf(
			s->error, sizeof(s->error),
			"%s: files were taken away while it was open: %llu entries are lost",
			s->path, (unsigned long long)(s->counters[HT_SPOOL_LOST_DAMAGED] - lost)
		);
	return ours ? HT_OK : HT_ERROR;
}

// --- appending ----------------------------------------------------------------------------------

static bool wants_new_segment(const struct ht_spool *s, uint32_t need) {
	if (s->out < 0)
		return true;
	const uint32_t size = s->segments[s->num - 1].size;
	return size > SPOOL_FIRST && size + need > s->segment_bytes;
}

static bool has_room(const struct ht_spool *s, uint32_t need) {
	uint64_t bytes = s->numbers[SPOOL_BYTES];
	if (wants_new_segment(s, need)) {
		bytes += spool_disk_size(SPOOL_FIRST + (uint64_t)need);
	} else {
		const struct spool_segment *g = &s->segments[s->num - 1];
		bytes += spool_disk_size((uint64_t)g->size + need) - g->disk;
	}
	return bytes <= s->max_bytes;
}

// make_room gives up the segment being written if all of it is settled: nothing else would delete
// it before it is full.
static bool make_room(struct ht_spool *s, uint32_t need) {
	struct ht_span none;
	if (s->numbers[SPOOL_COUNT] > 0 || s->out < 0)
		return false;
	set_size(s, last_segment(s)->size - s->buffered);
	s->buffered = 0;
	s->unflushed = 0;
	close_segment(s);
	// Reading to the end deletes it.
	return ht_spool_next(s, &none) == HT_MORE && has_room(s, need);
}

// put_in_file is for what is too long for the buffer, which is empty.
static enum ht_rc
put_in_file(struct ht_spool *s, const struct spool_head *h, struct ht_span bytes) {
	const uint32_t size = last_segment(s)->size;
	if (!write_all(s->out, (const uint8_t *)h, SPOOL_HEAD, size)
	    || !write_all(s->out, bytes.p, bytes.len, size + SPOOL_HEAD))
		return take_back(s, size);
	s->unsynced = true;
	return HT_OK;
}

static enum ht_rc put(struct ht_spool *s, struct ht_span bytes) {
	const uint32_t need = SPOOL_HEAD + (uint32_t)bytes.len;
	struct spool_head h;
	enum ht_rc rc = HT_OK;
	if (wants_new_segment(s, need))
		rc = check(s, false);
	if (rc == HT_OK && s->out >= 0 && wants_new_segment(s, need))
		rc = finish_segment(s);
	if (rc == HT_OK && s->out < 0)
		rc = begin_segment(s);
	if (rc == HT_OK && s->buffered + need > SPOOL_BUFFER)
		rc = write_buffer(s);
	if (rc != HT_OK)
		return rc;
	spool_make_head(&h, last_segment(s)->number, last_segment(s)->size, bytes);
	if (need <= SPOOL_BUFFER)
		put_in_buffer(s, &h, bytes);
	else
		rc = put_in_file(s, &h, bytes);
	return rc;
}

enum ht_rc ht_spool_append(struct ht_spool *s, struct ht_span bytes) {
	if (bytes.len > HT_SPOOL_ENTRY_MAX) {
		spool_count(s, HT_SPOOL_REFUSED_LONG, 1);
		return HT_LIMIT;
	}
	const uint32_t need = SPOOL_HEAD + (uint32_t)bytes.len;
	if (HT_UNLIKELY(!has_room(s, need)) && !make_room(s, need)) {
		spool_count(s, HT_SPOOL_REFUSED_FULL, 1);
		return HT_FULL;
	}
	enum ht_rc rc = put(s, bytes);
	if (HT_UNLIKELY(rc != HT_OK)
	    && make_room(s, need)) // it may be this file that fills the disk
		rc = put(s, bytes);
	if (rc != HT_OK) {
		spool_count(s, HT_SPOOL_REFUSED_DISK, 1);
		return rc;
	}
	set_size(s, last_segment(s)->size + need);
	last_segment(s)->left++;
	spool_count(s, HT_SPOOL_APPENDED, 1);
	spool_number_add(s, SPOOL_COUNT, 1);
	return HT_OK;
}

enum ht_rc ht_spool_flush(struct ht_spool *s) {
	const uint64_t lost = s->counters[HT_SPOOL_LOST_DAMAGED];
	enum ht_rc rc = check(s, false);
	if (rc == HT_OK)
		rc = write_buffer(s);
	if (rc == HT_OK && s->fsync == HT_SPOOL_FSYNC_FLUSH)
		rc = sync_segment(s);
	spool_write_cursor(s);
	// It began anew: all is well again, but that is to be told.
	return s->counters[HT_SPOOL_LOST_DAMAGED] == lost ? rc : HT_ERROR;
}

enum ht_rc ht_spool_check(struct ht_spool *s) {
	const uint64_t lost = s->counters[HT_SPOOL_LOST_DAMAGED];
	const enum ht_rc rc = check(s, true);
	return s->counters[HT_SPOOL_LOST_DAMAGED] == lost ? rc : HT_ERROR;
}

// --- numbers ------------------------------------------------------------------------------------

static uint64_t number(const struct ht_spool *s, enum spool_number n) {
	return __atomic_load_n(&s->numbers[n], __ATOMIC_RELAXED);
}

uint64_t ht_spool_count(const struct ht_spool *s) {
	return number(s, SPOOL_COUNT);
}

void ht_spool_stats(const struct ht_spool *s, uint64_t *total) {
	ht_stats_sum(total, s->counters, HT_SPOOL_NUM_CTRS);
}

uint64_t ht_spool_unflushed(const struct ht_spool *s) {
	const uint64_t count = ht_spool_count(s); // the newest ones are in the buffer
	return s->unflushed < count ? s->unflushed : count;
}

const char *ht_spool_error(const struct ht_spool *s) {
	return s->error;
}

// --- opening and closing ------------------------------------------------------------------------

static char *make_path(const struct ht_spool_params *p) {
	char name[SPOOL_NAME_MAX], *path = NULL;
	spool_folder_name(name, p->name);
	return asprintf(&path, "%s/%s", p->folder, name) < 0 ? NULL : path;
}

static uint32_t segment_bytes(uint64_t max_bytes) {
	const uint64_t n = max_bytes / SPOOL_SEGMENTS / SPOOL_BLOCK * SPOOL_BLOCK;
	return n > SPOOL_SEGMENT_MAX   ? SPOOL_SEGMENT_MAX
	       : n < SPOOL_SEGMENT_MIN ? SPOOL_SEGMENT_MIN
				       : (uint32_t)n;
}

static void free_all(struct ht_spool *s) {
	spool_read_close(s);
	if (s->out >= 0)
		close(s->out);
	if (s->lock >= 0)
		close(s->lock);
	if (s->dir >= 0)
		close(s->dir);
	free(s->read.buf);
	free(s->window);
	free(s->segments);
	free(s->buffer);
	free(s->path);
	free(s);
}

enum ht_rc
ht_spool_claim(struct ht_spool **out, const struct ht_spool_params *p, char *err, size_t err_len) {
	struct ht_spool *s = calloc(1, sizeof(*s));
	if (s != NULL) {
		s->dir = s->lock = s->out = s->read.fd = -1;
		s->path = make_path(p);
		s->buffer = malloc(SPOOL_BUFFER);
	}
	if (s == NULL || s->path == NULL || s->buffer == NULL) {
		snprintf(err, err_len, "%s: no memory for a spool", p->folder);
		if (s != NULL)
			free_all(s);
		return HT_ERROR;
	}
	s->max_bytes = p->max_bytes;
	s->segment_bytes = segment_bytes(p->max_bytes);
	s->fsync = p->fsync;
	enum ht_rc rc = HT_ERROR;
	if (p->name[0] != '\0')
		rc = open_folder(s);
	else
		snprintf(s->error, sizeof(s->error), "%s: a spool without a name", p->folder);
	if (rc != HT_OK) {
		snprintf(err, err_len, "%s", s->error);
		free_all(s);
		return rc;
	}
	*out = s;
	return HT_OK;
}

enum ht_rc ht_spool_load(struct ht_spool *s, char *err, size_t err_len) {
	const enum ht_rc rc = spool_recover(s);
	if (rc != HT_OK) {
		snprintf(err, err_len, "%s", s->error);
		free_all(s);
		return rc;
	}
	s->loaded = true;
	return HT_OK;
}

enum ht_rc
ht_spool_open(struct ht_spool **out, const struct ht_spool_params *p, char *err, size_t err_len) {
	struct ht_spool *s;
	enum ht_rc rc = ht_spool_claim(&s, p, err, err_len);
	if (rc == HT_OK)
		rc = ht_spool_load(s, err, err_len);
	if (rc == HT_OK)
		*out = s;
	return rc;
}

static bool may_write(const char *folder) {
	return faccessat(AT_FDCWD, folder, R_OK | W_OK | X_OK, AT_EACCESS) == 0;
}

// why_no_folder looks at PARENT/FOLDER/NAME, as much of it as is there. NULL: nothing is wrong.
static const char *why_no_folder(const char *path, const char *folder) {
	struct stat st;
	const char *why = NULL;
	if (lstat(path, &st) == 0) {
		why = S_ISDIR(st.st_mode) ? why_not_ours(&st) : strerror(ENOTDIR);
		return why != NULL || may_write(path) ? why : strerror(errno);
	}
	if (errno != ENOENT && errno != ENOTDIR)
		return strerror(errno);
	if (stat(folder, &st) == 0) {
		why = S_ISDIR(st.st_mode) ? NULL : strerror(ENOTDIR);
		return why != NULL || may_write(folder) ? why : strerror(errno);
	}
	char *const copy = strdup(folder); // dirname(3) cuts it
	if (copy == NULL || faccessat(AT_FDCWD, dirname(copy), W_OK | X_OK, AT_EACCESS) != 0)
		why = strerror(errno);
	free(copy);
	return why;
}

enum ht_rc ht_spool_probe(const struct ht_spool_params *p, char *err, size_t err_len) {
	char *const path = make_path(p);
	if (path == NULL) {
		snprintf(err, err_len, "%s: no memory for a spool", p->folder);
		return HT_ERROR;
	}
	const char *const why = why_no_folder(path, p->folder);
	if (why != NULL)
		snprintf(err, err_len, "%s: %s", path, why);
	free(path);
	return why == NULL ? HT_OK : HT_ERROR;
}

void ht_spool_close(struct ht_spool *s) {
	if (s == NULL)
		return;
	if (!s->loaded) {
		free_all(s);
		return;
	}
	(void)ht_spool_flush(s);
	if (s->out >= 0 && s->buffered == 0)
		finish_segment(s);
	spool_drop(s);
	free_all(s);
}
