// SPDX-License-Identifier: BSD-3-Clause

#include "export_file_int.h"
#include "export_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const struct ht_sink_ops *const ht_sink_kinds[]
	= {&ht_sink_json, &ht_sink_csv, &ht_sink_table, NULL};

size_t sink_put(struct ht_sink *s, const char *from, size_t len) {
	size_t done = 0;
	while (done < len) {
		const ssize_t n = write(s->fd, from + done, len - done);
		if (n > 0) {
			done += (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			// Standard output may have been made non-blocking by whoever shares it.
			struct pollfd p = {.fd = s->fd, .events = POLLOUT};
			(void)poll(&p, 1, -1);
		} else if (n == 0 || errno != EINTR) {
			if (s->error == 0)
				s->error = n == 0 ? EIO : errno;
			s->dead = n < 0 && errno == EPIPE;
			break;
		}
	}
	s->stats.bytes += done;
	return done;
}

// After a failure a record of which a part is in the file already (and likewise a header line)
// stays, to be completed when the file takes bytes again; else its successor would be glued to it.
void sink_settle(struct ht_sink *s, size_t done) {
	uint32_t whole = 0;
	while (whole < s->num_end && s->end[whole] <= done)
		whole++;
	s->stats.delivered += whole;
	size_t stays = 0; // bytes from `done` on
	uint32_t torn = 0;
	if (done < s->pinned) {
		stays = s->pinned - done;
		torn = whole < s->num_end && s->end[whole] == s->pinned;
	} else if (whole < s->num_end && done > (whole > 0 ? s->end[whole - 1] : s->pinned)) {
		stays = s->end[whole] - done;
		torn = 1;
	}
	if (s->dead) {
		stays = 0;
		torn = 0;
	}
	s->stats.lost += s->num_end - whole - torn;
	memmove(s->buf, s->buf + done, stays);
	s->len = stays;
	s->pinned = (uint32_t)stays;
	s->num_end = torn;
	s->end[0] = s->pinned;
}

void sink_drop(struct ht_sink *s) {
	s->stats.lost += s->num_end;
	s->num_end = 0;
	s->len = s->pinned;
}

void ht_sink_flush(struct ht_sink *s) {
	if (s->file != NULL)
		sink_file_flush(s->file, s);
	else if (s->len > 0)
		sink_settle(s, sink_put(s, s->buf, s->len));
}

void sink_commit(struct ht_sink *s, const char *end) {
	s->len = (size_t)(end - s->buf);
	s->end[s->num_end++] = (uint32_t)s->len;
	if (s->len >= SINK_BATCH || s->num_end == SINK_BATCH_RECORDS)
		ht_sink_flush(s);
}

void sink_too_large(struct ht_sink *s) {
	s->too_large++;
	s->stats.lost++;
}

// A last line without an end is one that was torn (a crash, a full disk): it is ended, so that what
// follows stands by itself. That waits for the first record: whoever wrote the file before may do
// so until then.
static void end_torn_line(struct ht_sink *s) {
	struct stat st;
	char last = '\n';
	if (fstat(s->torn, &st) == 0 && st.st_size > 0
	    && pread(s->torn, &last, 1, st.st_size - 1) == 1 && last != '\n'
	    && write(s->fd, "\n", 1) != 1)
		s->error = errno;
	close(s->torn);
	s->torn = -1;
}

void ht_sink_write(struct ht_sink *s, const struct ht_record *r) {
	s->stats.records++;
	if (HT_UNLIKELY(s->torn >= 0))
		end_torn_line(s);
	// Only the rest of a torn record can be that long here: the file is still full.
	if (HT_UNLIKELY(s->len >= SINK_BATCH))
		ht_sink_flush(s);
	if (HT_UNLIKELY(s->dead || s->len >= SINK_BATCH))
		s->stats.lost++;
	else
		s->ops->write(s, r);
}

static void say_lost(const struct ht_sink *s, uint64_t lost, char *out, size_t out_len) {
	snprintf(
		out, out_len, "%s: %s: %" PRIu64 " record%s lost", s->spec,
		s->error != 0 ? strerror(s->error) : "larger than the buffer", lost,
		lost == 1 ? "" : "s"
	);
}

const char *ht_sink_error(const struct ht_sink *s) {
	if (s->stats.lost == 0)
		return NULL;
	say_lost(s, s->stats.lost, s->message, s->message_len);
	return s->message;
}

void ht_sink_stats(const struct ht_sink *s, struct ht_sink_stats *out) {
	*out = s->stats;
}

static void sink_free(struct ht_sink *s) {
	if (s->own_fd)
		close(s->fd);
	if (s->torn >= 0)
		close(s->torn);
	free(s->message);
	free(s->spec);
	memo_free(&s->memo);
	free(s->buf);
	free(s);
}

// kind_of finds the kind of sink that stands before the colon.
static const struct ht_sink_ops *kind_of(const char *spec, size_t len) {
	for (unsigned i = 0; ht_sink_kinds[i] != NULL; i++)
		if (strlen(ht_sink_kinds[i]->name) == len
		    && memcmp(ht_sink_kinds[i]->name, spec, len) == 0)
			return ht_sink_kinds[i];
	return NULL;
}

static struct ht_sink *sink_new(const struct ht_sink_ops *ops, const char *name) {
	struct ht_sink *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->ops = ops;
	s->fd = STDOUT_FILENO;
	s->torn = -1;
	s->message_len = strlen(ops->name) + strlen(name) + 128;
	s->message = malloc(s->message_len);
	s->buf = malloc(SINK_BATCH + SINK_RECORD_MAX + SINK_SLACK);
	if (!memo_init(&s->memo, ops == &ht_sink_csv ? ' ' : ',') || s->message == NULL
	    || s->buf == NULL || asprintf(&s->spec, "%s:%s", ops->name, name) < 0) {
		s->spec = NULL;
		sink_free(s);
		return NULL;
	}
	return s;
}

static bool has_something(int fd) {
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
}

static bool open_file(struct ht_sink *s, const char *name, const struct ht_sink_params *p) {
	// O_APPEND in any case: whoever rotates files may cut one that is being written.
	const int how = O_APPEND | (p->append ? 0 : O_TRUNC) | (p->no_wait ? O_NONBLOCK : 0);
	s->fd = open(name, O_WRONLY | O_CREAT | how | O_CLOEXEC | O_NOCTTY, 0666);
	s->own_fd = s->fd >= 0;
	if (!s->own_fd)
		return false;
	// Opening was not to wait; writing is.
	if (p->no_wait)
		(void)fcntl(s->fd, F_SETFL, fcntl(s->fd, F_GETFL) & ~O_NONBLOCK);
	if (p->append)
		s->continues = has_something(s->fd);
	if (s->continues)
		s->torn = open(name, O_RDONLY | O_CLOEXEC);
	return true;
}

enum ht_rc sink_open(
	struct ht_sink **out,
	const char *spec,
	const struct ht_sink_params *p,
	struct sink_file *file,
	char *err,
	size_t err_len
) {
	const size_t kind_len = strcspn(spec, ":");
	const struct ht_sink_ops *ops = kind_of(spec, kind_len);
	if (ops == NULL) {
		snprintf(err, err_len, "%s: no such kind of sink", spec);
		return HT_BAD;
	}
	const char *name = spec[kind_len] == ':' ? spec + kind_len + 1 : "";
	if (name[0] == '\0')
		name = "-";
	struct ht_sink *s = sink_new(ops, name);
	if (s == NULL) {
		snprintf(err, err_len, "%s: %s", spec, strerror(ENOMEM));
		return HT_ERROR;
	}
	s->file = file;
	if (file != NULL) {
		s->fd = -1;
	} else if (strcmp(name, "-") != 0 && !open_file(s, name, p)) {
		snprintf(
			err, err_len, "%s: %s", s->spec,
			errno == ENXIO ? "nobody reads it" : strerror(errno)
		);
		sink_free(s);
		return HT_ERROR;
	}
	s->params = *p;
	if (p->fields == 0)
		s->params.fields = ht_kind_fields(HT_KINDS_ALL);
	s->params.name = s->spec + kind_len + 1;
	const enum ht_rc rc = ops->open(s);
	if (rc != HT_OK) {
		snprintf(err, err_len, "%s: %s", s->spec, strerror(ENOMEM));
		sink_free(s);
		return rc;
	}
	if (ops->header != NULL && !s->continues) // else the file has it
		ops->header(s);
	*out = s;
	return HT_OK;
}

enum ht_rc ht_sink_open(
	struct ht_sink **out,
	const char *spec,
	const struct ht_sink_params *p,
	char *err,
	size_t err_len
) {
	return sink_open(out, spec, p, NULL, err, err_len);
}

enum ht_rc ht_sink_close(struct ht_sink *s, struct ht_sink_stats *out, char *err, size_t err_len) {
	ht_sink_flush(s);
	// A header, or the rest of a torn record, which is lost now.
	const bool cut = s->len > 0 && s->file == NULL;
	s->stats.lost += s->num_end;
	enum ht_rc rc = HT_OK;
	if (s->stats.lost > 0 || cut) {
		say_lost(s, s->stats.lost, err, err_len);
		rc = HT_ERROR;
	}
	// A file system may find out only now (NFS, quota) that it has no room.
	if (s->own_fd && close(s->fd) != 0 && errno != EINTR && rc == HT_OK) {
		snprintf(err, err_len, "%s: %s when closing it", s->spec, strerror(errno));
		rc = HT_ERROR;
	}
	s->own_fd = false;
	if (out != NULL)
		*out = s->stats;
	s->ops->close(s);
	sink_free(s);
	return rc;
}
