// SPDX-License-Identifier: BSD-3-Clause
// Files, pipes and standard output as links. A plain one is a sink as it is; one that is rotated or
// compressed is a sink whose files others open and finish (export_file_int.h).

#include "export_file_int.h"
#include "ht_config.h"
#include "link.h"
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct ht_link {
	const struct ht_sink_options *o;
	struct ht_sink *sink; // NULL: it was broken off
	struct sink_file *file; // NULL: written as it is
	struct ht_sink_stats past; // of a sink that was broken off
	bool dead; // and that it was so
	time_t synced; // monotonic
	uint64_t synced_bytes;
	char *message;
	size_t message_len;
};

const char *ht_file_path(const char *spec) {
	const char *colon = strchr(spec, ':');
	return colon == NULL || colon[1] == '\0' || strcmp(colon + 1, "-") == 0 ? NULL : colon + 1;
}

// What has no name to be renamed: standard output, a pipe, a device.
static bool is_stream(const char *path) {
	struct stat st;
	return path == NULL || (stat(path, &st) == 0 && !S_ISREG(st.st_mode));
}

static const char *rotation(const struct ht_sink_options *o) {
	return o->rotate_mib > 0 ? "rotate_mib" : o->rotate_s > 0 ? "rotate_s" : NULL;
}

// check_options looks at what only goes together with some paths.
static enum ht_rc check_options(const struct ht_sink_options *o, char *err, size_t err_len) {
	const char *const path = ht_file_path(o->to), *const rotate = rotation(o);
	if (o->compress != HT_COMPRESS_NONE && !HT_HAVE_ZSTD) {
		snprintf(err, err_len, "compress: this program was built without zstd support");
		return HT_BAD;
	}
	if (rotate == NULL)
		return HT_OK;
	if (strncmp(o->to, "table", strcspn(o->to, ":")) == 0)
		snprintf(err, err_len, "%s: a table is not rotated", rotate);
	else if (path == NULL)
		snprintf(err, err_len, "%s: standard output has no name to be rotated", rotate);
	else if (is_stream(path))
		snprintf(err, err_len, "%s: %s is no regular file", rotate, path);
	else
		return HT_OK;
	return HT_BAD;
}

static enum ht_rc check(const struct ht_sink_options *o, char *err, size_t err_len) {
	const char *const path = ht_file_path(o->to);
	struct stat st;
	if (path != NULL && path[strlen(path) - 1] == '/')
		snprintf(err, err_len, "%s: no name of a file", path);
	else if (path != NULL && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		snprintf(err, err_len, "%s: %s", path, strerror(EISDIR));
	else
		return check_options(o, err, err_len);
	return HT_BAD;
}

// Whether this user may make files in the folder of a path.
static enum ht_rc probe_folder(const char *path, char *err, size_t err_len) {
	char folder[PATH_MAX];
	struct stat st;
	if (!ht_path_folder(path, folder) || stat(folder, &st) != 0)
		snprintf(err, err_len, "folder of %s: %s", path, strerror(errno));
	else if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0)
		snprintf(
			err, err_len, "folder of %s: cannot write there: %s", path, strerror(errno)
		);
	else
		return HT_OK;
	return HT_ERROR;
}

static enum ht_rc probe(const struct ht_sink_options *o, char *err, size_t err_len) {
	const char *const path = ht_file_path(o->to);
	struct stat st;
	if (path == NULL)
		return HT_OK;
	const bool made = rotation(o) != NULL || o->compress != HT_COMPRESS_NONE;
	if (made && !is_stream(path))
		return probe_folder(path, err, err_len);
	if (stat(path, &st) != 0 && errno == ENOENT && lstat(path, &st) != 0)
		return probe_folder(path, err, err_len);
	// A link to what is not there yet is left to open.
	if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 || errno == ENOENT)
		return HT_OK;
	snprintf(err, err_len, "cannot write %s: %s", path, strerror(errno));
	return HT_ERROR;
}

static void link_free(struct ht_link *l) {
	file_close(l->file);
	free(l->message);
	free(l);
}

// open_stream opens what is compressed and has no name of its own.
static bool open_stream(struct ht_sink *s, const struct ht_sink_options *o) {
	const char *const path = ht_file_path(o->to);
	s->fd = STDOUT_FILENO;
	if (path == NULL)
		return true;
	const int no_wait = o->run.no_wait ? O_NONBLOCK : 0;
	s->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | no_wait);
	s->own_fd = s->fd >= 0;
	// Opening was not to wait; writing is.
	if (s->own_fd && no_wait)
		(void)fcntl(s->fd, F_SETFL, fcntl(s->fd, F_GETFL) & ~O_NONBLOCK);
	return s->own_fd;
}

static enum ht_rc
open_made(struct ht_link *l, const struct ht_sink_params *p, char *err, size_t err_len) {
	const char *const to = l->o->to, *const path = ht_file_path(to);
	const bool stream = is_stream(path);
	char why[256];
	if (file_open(&l->file, l->o, stream ? NULL : path, why, sizeof(why)) != HT_OK) {
		snprintf(err, err_len, "%s: %s", to, why);
		return HT_ERROR;
	}
	const enum ht_rc rc = sink_open(&l->sink, to, p, l->file, err, err_len);
	if (rc != HT_OK || !stream || open_stream(l->sink, l->o))
		return rc;
	snprintf(err, err_len, "%s: %s", to, errno == ENXIO ? "nobody reads it" : strerror(errno));
	l->sink->fd = -1;
	(void)ht_sink_close(l->sink, NULL, why, sizeof(why));
	return HT_ERROR;
}

static enum ht_rc
open_file(struct ht_link **out, const struct ht_sink_options *o, char *err, size_t err_len) {
	char why[256];
	if (check_options(o, why, sizeof(why)) != HT_OK) {
		snprintf(err, err_len, "%s: %s", o->to, why);
		return HT_ERROR;
	}
	struct ht_link *const l = calloc(1, sizeof(*l));
	if (l != NULL)
		l->message
			= calloc(1, l->message_len = strlen(o->to) + sizeof(l->file->error) + 128);
	if (l == NULL || l->message == NULL) {
		free(l);
		snprintf(err, err_len, "%s: %s", o->to, strerror(ENOMEM));
		return HT_ERROR;
	}
	l->o = o;
	const struct ht_sink_params p = {
		.color = o->run.color,
		.width = o->run.width,
		.append = o->run.append,
		.fields = o->run.fields,
		.key = o->run.key,
		.no_wait = o->run.no_wait,
	};
	const bool made = rotation(o) != NULL || o->compress != HT_COMPRESS_NONE;
	const enum ht_rc rc = made ? open_made(l, &p, err, err_len)
				   : ht_sink_open(&l->sink, o->to, &p, err, err_len);
	if (rc != HT_OK) {
		link_free(l);
		return HT_ERROR;
	}
	*out = l;
	return HT_OK;
}

static enum ht_rc connect_file(struct ht_link *l, int wait_ms) {
	(void)wait_ms;
	return l->sink != NULL ? HT_OK : HT_ERROR;
}

// turn finishes the file when its time is over.
static void turn(struct ht_link *l) {
	if (l->file == NULL || !file_is_due(l->file, l->sink))
		return;
	ht_sink_flush(l->sink);
	if (l->sink->fd >= 0) // else it was finished by its size
		file_finish(l->file, l->sink);
}

static enum ht_rc give(struct ht_link *l, const struct ht_record *r) {
	if (l->sink == NULL)
		return HT_ERROR;
	turn(l);
	ht_sink_write(l->sink, r);
	return HT_OK;
}

static void complain(struct ht_link *l, const char *what) {
	snprintf(l->message, l->message_len, "%s: %s: %s", l->o->to, what, strerror(errno));
}

// sync_file gives what is written to the disk. Pipes and devices know no such thing (EINVAL).
static void sync_file(struct ht_link *l) {
	const uint64_t bytes = l->sink->stats.bytes;
	if (l->sink->fd < 0 || bytes == l->synced_bytes)
		return;
	if (fsync(l->sink->fd) != 0 && errno != EINVAL && errno != EROFS)
		complain(l, "fsync");
	l->synced_bytes = bytes;
}

static void sync_now_and_then(struct ht_link *l) {
	struct timespec t;
	if (l->o->fsync != HT_FSYNC_INTERVAL)
		return;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	if (t.tv_sec == l->synced)
		return;
	l->synced = t.tv_sec;
	sync_file(l);
}

static enum ht_rc poll_file(struct ht_link *l, bool flush, int wait_ms) {
	(void)wait_ms;
	if (l->sink == NULL)
		return HT_ERROR;
	turn(l);
	if (flush)
		ht_sink_flush(l->sink);
	sync_now_and_then(l);
	return HT_OK;
}

static void settled(const struct ht_link *l, struct ht_settled *out) {
	const struct ht_sink_stats *const s = l->sink != NULL ? &l->sink->stats : &l->past;
	*out = (struct ht_settled
	){.delivered = s->delivered, .refused = s->lost, .bytes = s->bytes};
}

static const char *error(const struct ht_link *l) {
	const char *const lost = l->sink != NULL ? ht_sink_error(l->sink) : NULL;
	if (lost != NULL)
		return lost;
	if (l->message[0] != '\0')
		return l->message;
	return l->file != NULL && l->file->error[0] != '\0' ? l->file->error : NULL;
}

// A file that is broken off is finished, and closed: what closing it says is in error().
static void break_off(struct ht_link *l) {
	char err[512];
	if (l->sink == NULL)
		return;
	ht_sink_flush(l->sink);
	if (l->file != NULL && l->sink->fd >= 0)
		file_finish(l->file, l->sink);
	else if (l->o->fsync != HT_FSYNC_NEVER)
		sync_file(l);
	l->dead = l->sink->dead;
	if (ht_sink_close(l->sink, &l->past, err, sizeof(err)) != HT_OK)
		snprintf(l->message, l->message_len, "%s", err);
	l->sink = NULL;
}

static bool is_dead(const struct ht_link *l) {
	return l->sink != NULL ? l->sink->dead : l->dead;
}

static void close_file(struct ht_link *l) {
	break_off(l);
	link_free(l);
}

#define FILE_LINK \
	.check = check, .probe = probe, .open = open_file, .connect = connect_file, .give = give, \
	.poll = poll_file, .settled = settled, .error = error, .break_off = break_off, \
	.is_dead = is_dead, .close = close_file

const struct ht_link_ops ht_link_json = {
	.name = "json",
	.help = "JSON lines: one object a record (--fields lists the keys)",
	.kinds = HT_KINDS_ALL,
	FILE_LINK,
};

const struct ht_link_ops ht_link_csv = {
	.name = "csv",
	.help = "CSV with a header line (RFC 4180)",
	.kinds = HT_KINDS_ALL & ~HT_KIND_STATS,
	FILE_LINK,
};

const struct ht_link_ops ht_link_table = {
	.name = "table",
	.help = "one line a record, for people at a terminal",
	.kinds = HT_KINDS_ALL & ~HT_KIND_STATS,
	FILE_LINK,
};
