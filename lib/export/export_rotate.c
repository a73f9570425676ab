// SPDX-License-Identifier: BSD-3-Clause

#include "export_file_int.h"
#include "path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PART ".part"
#define TIME_LEN 16u // 20261128T041500Z
#define NUMBER_LEN 6u // at least
#define NUMBERS_TRIED 10000u

// The wall clock, in seconds since the Unix epoch.
static int64_t now_s(void) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return t.tv_sec;
}

static void complain(struct sink_file *f, const char *name, const char *what, int error) {
	snprintf(
		f->error, sizeof(f->error), "%s: %s: %s: %s", f->o->to, name, what, strerror(error)
	);
}

// ---- names

// split cuts the name of a path into what stands before and behind the time. Of hellos.json.zst the
// end is .json.zst, and it is the same as of hellos.json where that is compressed.
static bool split(struct sink_file *f, const char *name) {
	size_t len = strlen(name);
	const char *const zst = f->zip != NULL ? ".zst" : "";
	if (len > 4 && strcmp(name + len - 4, ".zst") == 0 && f->zip != NULL)
		len -= 4;
	const char *dot = memrchr(name, '.', len);
	const size_t stem = dot != NULL && dot > name ? (size_t)(dot - name) : len;
	const size_t rest = TIME_LEN + 20
			    + strlen("-"
				     "-"
				     ".zst"
				     "." PART);
	if (len + rest > NAME_MAX)
		return false;
	snprintf(f->stem, sizeof(f->stem), "%.*s", (int)stem, name);
	snprintf(f->end, sizeof(f->end), "%.*s%s", (int)(len - stem), name + stem, zst);
	return true;
}

static bool put_name(struct sink_file *f, int64_t now) {
	const time_t t = (time_t)now;
	struct tm tm = {0};
	char time[TIME_LEN + 1];
	gmtime_r(&t, &tm);
	if (strftime(time, sizeof(time), "%Y%m%dT%H%M%SZ", &tm) != TIME_LEN)
		return false;
	const int n = snprintf(
		f->name, sizeof(f->name), "%s-%s-%06" PRIu64 "%s", f->stem, time, f->number, f->end
	);
	return n > 0 && (size_t)n < sizeof(f->name);
}

static void put_part(char part[NAME_MAX + 1], const char *name) {
	snprintf(part, NAME_MAX + 1, ".%.*s" PART, (int)(NAME_MAX - 1 - strlen(PART)), name);
}

// is_part tells whether a file of the folder is one of ours that is not finished, and writes the
// name it is to have. It may be compressed or not, whatever we do now.
static bool is_part(const struct sink_file *f, const char *part, char name[NAME_MAX + 1]) {
	const size_t stem = strlen(f->stem), len = strlen(part);
	size_t end = strlen(f->end);
	if (f->zip != NULL)
		end -= strlen(".zst");
	if (len < 1 + stem + strlen(PART) || part[0] != '.'
	    || strcmp(part + len - strlen(PART), PART) != 0 || memcmp(part + 1, f->stem, stem) != 0)
		return false;
	snprintf(name, NAME_MAX + 1, "%.*s", (int)(len - 1 - strlen(PART)), part + 1);
	const char *p = name + stem;
	static const char shape[] = "-ddddddddTddddddZ-dddddd";
	for (const char *c = shape; *c != '\0'; c++, p++)
		if (*c == 'd' ? *p < '0' || *p > '9' : *p != *c)
			return false;
	p += strspn(p, "0123456789");
	return strncmp(p, f->end, end) == 0 && (p[end] == '\0' || strcmp(p + end, ".zst") == 0);
}

// ---- finishing

// cut_torn_line cuts what stands behind the end of the last line, and tells what is left.
static bool cut_torn_line(int fd, uint64_t *size) {
	char buf[16 * 1024];
	struct stat st;
	if (fstat(fd, &st) != 0)
		return false;
	off_t at = st.st_size;
	const char *end = NULL;
	while (at > 0 && end == NULL) {
		const off_t from = at > (off_t)sizeof(buf) ? at - (off_t)sizeof(buf) : 0;
		const size_t n = (size_t)(at - from);
		if (pread(fd, buf, n, from) != (ssize_t)n)
			return false;
		end = memrchr(buf, '\n', n);
		at = end != NULL ? from + (end - buf) + 1 : from;
	}
	*size = (uint64_t)at;
	return at == st.st_size || ftruncate(fd, at) == 0;
}

// give_name renames a file that is finished; nothing is overwritten.
static bool give_name(struct sink_file *f, const char *part, const char *name) {
	char other[NAME_MAX + 1];
	snprintf(other, sizeof(other), "%s", name);
	for (unsigned i = 1; i <= NUMBERS_TRIED; i++) {
		if (renameat2(f->folder, part, f->folder, other, RENAME_NOREPLACE) == 0)
			return true;
		// A file system that cannot say "not over another" can link, which is as good.
		if (errno == EINVAL || errno == ENOSYS) {
			if (linkat(f->folder, part, f->folder, other, 0) == 0)
				return unlinkat(f->folder, part, 0) == 0;
		}
		if (errno != EEXIST)
			return false;
		// Somebody else has made it meanwhile.
		const size_t len = strlen(name) - strlen(f->end);
		if (snprintf(other, sizeof(other), "%.*s-%u%s", (int)len, name, i, name + len)
		    >= (int)sizeof(other))
			return false;
	}
	return false;
}

static bool sync_folder(const struct sink_file *f) {
	return f->o->fsync == HT_FSYNC_NEVER || fsync(f->folder) == 0;
}

// settle_part gives an open file, whose content is right, to the disk and then its name.
static void
settle_part(struct sink_file *f, int fd, const char *part, const char *name, uint64_t size) {
	if (size == 0) {
		if (unlinkat(f->folder, part, 0) != 0)
			complain(f, part, "removing it", errno);
		return;
	}
	if (f->o->fsync != HT_FSYNC_NEVER && fsync(fd) != 0)
		complain(f, part, "fsync", errno);
	if (!give_name(f, part, name)) {
		complain(f, part, "renaming it", errno);
		f->left = true;
	} else if (!sync_folder(f)) {
		complain(f, name, "fsync of its folder", errno);
	}
}

static void repair(struct sink_file *f, int fd, const char *part, const char *name) {
	uint64_t size = 0;
	struct stat st;
	// Locked: it is being written, and not left.
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || flock(fd, LOCK_EX | LOCK_NB) != 0)
		return;
	const size_t len = strlen(name);
	const bool zst = len > 4 && strcmp(name + len - 4, ".zst") == 0;
	const enum ht_rc rc = zst			 ? zip_repair(fd, &size)
			      : cut_torn_line(fd, &size) ? HT_OK
							 : HT_ERROR;
	if (rc == HT_OK) {
		settle_part(f, fd, part, name, size);
	} else if (rc == HT_BAD) {
		complain(f, part, "finishing it", EILSEQ);
	} else {
		complain(f, part, "finishing it", errno);
		f->left = true;
	}
}

// finish_left finishes the files that a crash, or a disk that was full, has left.
static void finish_left(struct sink_file *f) {
	const int fd = openat(f->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *const dir = fd >= 0 ? fdopendir(fd) : NULL;
	f->left = false;
	if (dir == NULL) {
		complain(f, ".", "reading the folder", errno);
		if (fd >= 0)
			close(fd);
		return;
	}
	for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
		char name[NAME_MAX + 1];
		if (!is_part(f, e->d_name, name))
			continue;
		const int how = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
		const int part = openat(f->folder, e->d_name, how);
		if (part < 0) {
			if (errno != ENOENT)
				complain(f, e->d_name, "finishing it", errno);
			continue;
		}
		repair(f, part, e->d_name, name);
		close(part);
	}
	closedir(dir);
}

// ---- a file

enum ht_rc file_open(
	struct sink_file **out,
	const struct ht_sink_options *o,
	const char *name,
	char *err,
	size_t err_len
) {
	struct sink_file *const f = calloc(1, sizeof(*f));
	if (f == NULL) {
		snprintf(err, err_len, "%s", strerror(ENOMEM));
		return HT_ERROR;
	}
	f->o = o;
	f->folder = -1;
	if (o->compress == HT_COMPRESS_ZSTD && (f->zip = zip_new()) == NULL) {
		snprintf(err, err_len, "%s", strerror(ENOMEM));
		file_close(f);
		return HT_ERROR;
	}
	if (name == NULL) {
		*out = f;
		return HT_OK;
	}
	char folder[PATH_MAX];
	errno = ENAMETOOLONG;
	if (ht_path_folder(name, folder) && split(f, ht_path_name(name)))
		f->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->folder < 0 || faccessat(f->folder, ".", W_OK | X_OK, AT_EACCESS) != 0) {
		snprintf(err, err_len, "%s", strerror(errno));
		file_close(f);
		return HT_ERROR;
	}
	finish_left(f);
	*out = f;
	return HT_OK;
}

void file_close(struct sink_file *f) {
	if (f == NULL)
		return;
	if (f->folder >= 0)
		close(f->folder);
	zip_free(f->zip);
	free(f);
}

static int64_t window_of(const struct sink_file *f, int64_t now) {
	return f->o->rotate_s > 0 ? now / f->o->rotate_s : 0;
}

bool file_is_due(const struct sink_file *f, const struct ht_sink *s) {
	return f->folder >= 0 && s->fd >= 0 && f->o->rotate_s > 0
	       && window_of(f, now_s()) != f->window;
}

// create makes the next file and locks it. -1 with EEXIST: the name is taken.
static int create(struct sink_file *f) {
	char part[NAME_MAX + 1];
	struct stat st;
	put_part(part, f->name);
	errno = EEXIST;
	if (fstatat(f->folder, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -1;
	const int how = O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOCTTY | O_CLOEXEC;
	const int fd = openat(f->folder, part, how, 0666);
	if (fd < 0)
		return -1;
	// Before it was locked somebody may have taken it for one that was left, and removed it.
	// Where there are no locks nobody does.
	const bool taken = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	if (!taken && fstat(fd, &st) == 0 && st.st_nlink > 0)
		return fd;
	close(fd);
	errno = EEXIST;
	return -1;
}

bool file_begin(struct sink_file *f, struct ht_sink *s) {
	const int64_t now = now_s();
	int fd = -1;
	errno = EOVERFLOW;
	for (unsigned i = 0; i < NUMBERS_TRIED && fd < 0; i++) {
		f->number++;
		if (!put_name(f, now))
			break;
		fd = create(f);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	if (fd < 0) {
		f->number--;
		if (s->error == 0)
			s->error = errno;
		return false;
	}
	s->fd = fd;
	s->own_fd = true;
	f->window = window_of(f, now);
	f->before = s->stats.bytes;
	f->whole = 0;
	if (f->zip != NULL)
		zip_begin(f->zip);
	if (f->o->fsync == HT_FSYNC_INTERVAL && fsync(f->folder) != 0)
		complain(f, f->name, "fsync of its folder", errno);
	return true;
}

// end_text cuts the rest of a record off that could not be written. It is lost.
static bool end_text(struct ht_sink *s, uint64_t *size) {
	if (s->len > 0 && !cut_torn_line(s->fd, size))
		return false;
	s->stats.lost += s->num_end;
	s->num_end = 0;
	s->len = s->pinned = 0;
	return true;
}

// A frame of no bytes, for a stream without records.
static bool put_empty(struct ht_sink *s) {
	static const char frame[] = "\x28\xb5\x2f\xfd\x24\x00\x01\x00\x00\x99\xe9\xd8\x51";
	return sink_put(s, frame, sizeof(frame) - 1) == sizeof(frame) - 1;
}

// end_zip ends the frame behind the last batch that is whole.
static bool end_zip(struct sink_file *f, struct ht_sink *s, uint64_t *size) {
	struct zip *const z = f->zip;
	uint8_t end[ZIP_END_LEN];
	s->stats.lost += z->records;
	z->records = 0;
	*size = f->whole;
	if (z->done > 0 && (f->folder < 0 || ftruncate(s->fd, (off_t)f->whole) != 0))
		return false;
	if (f->whole == 0)
		return f->folder >= 0 || put_empty(s);
	zip_end(z, end);
	*size += sizeof(end);
	return sink_put(s, (const char *)end, sizeof(end)) == sizeof(end);
}

void file_finish(struct sink_file *f, struct ht_sink *s) {
	char part[NAME_MAX + 1];
	uint64_t size = s->stats.bytes - f->before;
	errno = 0;
	const bool whole = f->zip != NULL ? end_zip(f, s, &size) : end_text(s, &size);
	if (f->folder < 0)
		return;
	put_part(part, f->name);
	if (whole) {
		settle_part(f, s->fd, part, f->name, size);
	} else { // what stands in it is repaired with the others
		complain(f, part, "finishing it", s->error != 0 ? s->error : errno);
		f->left = true;
	}
	if (close(s->fd) != 0 && errno != EINTR)
		complain(f, f->name, "closing it", errno);
	s->fd = -1;
	s->own_fd = false;
	if (whole && f->left)
		finish_left(f);
	if (s->ops->header != NULL)
		s->ops->header(s);
}

// ---- flushing

// drain writes what waits of the compressed batch.
static bool drain(struct sink_file *f, struct ht_sink *s) {
	struct zip *const z = f->zip;
	if (z->len == 0)
		return true;
	z->done += sink_put(s, z->buf + z->done, z->len - z->done);
	if (z->done == z->len) {
		f->whole += z->len;
		s->stats.delivered += z->records;
		zip_whole(z);
		return true;
	}
	if (s->dead) {
		s->stats.lost += z->records;
		z->records = 0;
	}
	return false;
}

// While a batch waits to be written whole, because the disk is full, there is no other: what
// follows it in the stream refers to it.
static void flush_zip(struct sink_file *f, struct ht_sink *s) {
	if (!drain(f, s)) {
		sink_drop(s);
		return;
	}
	if (s->len == 0)
		return;
	if (!zip_add(f->zip, s->buf, s->len, s->num_end)) {
		if (s->error == 0)
			s->error = ENOMEM;
		sink_drop(s);
		// The stream is not to be gone on with.
		if (f->folder >= 0)
			file_finish(f, s);
		else
			s->dead = true;
		return;
	}
	s->len = s->pinned = s->num_end = 0;
	(void)drain(f, s);
}

void sink_file_flush(struct sink_file *f, struct ht_sink *s) {
	if (s->fd < 0) {
		if (s->num_end == 0) // no file for a header alone
			return;
		if (!file_begin(f, s)) {
			sink_drop(s);
			return;
		}
	}
	if (f->zip != NULL)
		flush_zip(f, s);
	else if (s->len > 0)
		sink_settle(s, sink_put(s, s->buf, s->len));
	const uint64_t limit = (uint64_t)f->o->rotate_mib << 20;
	if (f->folder >= 0 && s->fd >= 0 && limit > 0 && s->stats.bytes - f->before >= limit)
		file_finish(f, s);
}
