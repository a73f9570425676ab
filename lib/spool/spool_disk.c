// SPDX-License-Identifier: BSD-3-Clause
// What stands on the disk: names, stamps, hashes, the cursor's file; and reading a folder that an
// earlier run left.

#include "spool_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define NAME_CUT 160u // characters kept of a name that is too long
#define NAME_LONGEST 200u
#define NUMBER_DIGITS 18u

static const uint8_t magics[2][8] = {"htspool", "htcursor"};

enum ht_rc spool_fail(struct ht_spool *s, const char *file, const char *what) {
	const char *const slash = file != NULL ? "/" : "";
	snprintf(
		s->error, sizeof(s->error), "%s%s%s: %s: %s", s->path, slash,
		file != NULL ? file : "", what, strerror(errno)
	);
	return HT_ERROR;
}

// --- names --------------------------------------------------------------------------------------

static bool is_plain(char c, bool first) {
	return ht_is_alnum((uint8_t)c) || c == '-' || c == '_' || (c == '.' && !first);
}

void spool_folder_name(char out[SPOOL_NAME_MAX], const char *name) {
	uint32_t n = 0;
	for (const char *c = name; *c != '\0' && n <= NAME_LONGEST; c++) {
		if (is_plain(*c, c == name))
			out[n++] = *c;
		else
			n += (uint32_t)snprintf(out + n, SPOOL_NAME_MAX - n, "%%%02X", (uint8_t)*c);
	}
	out[n] = '\0';
	if (n <= NAME_LONGEST)
		return;
	// "%-" is in no name that was not cut.
	const XXH128_hash_t h = XXH3_128bits(name, strlen(name));
	snprintf(
		out + NAME_CUT, SPOOL_NAME_MAX - NAME_CUT, "%%-%016" PRIx64 "%016" PRIx64, h.high64,
		h.low64
	);
}

void spool_file_name(char out[SPOOL_FILE_MAX], uint64_t number) {
	snprintf(out, SPOOL_FILE_MAX, "%018" PRIu64 ".spool", number);
}

// parse_file_name returns 0 for what is no segment's name.
static uint64_t parse_file_name(const char *name) {
	uint64_t number = 0;
	for (unsigned i = 0; i < NUMBER_DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		number = 10 * number + (uint64_t)(name[i] - '0');
	}
	return strcmp(name + NUMBER_DIGITS, ".spool") == 0 && number <= SPOOL_NUMBER_MAX ? number
											 : 0;
}

// --- stamps and hashes --------------------------------------------------------------------------

void spool_make_stamp(struct spool_stamp *t, bool cursor, uint64_t number, uint32_t offset) {
	memset(t, 0, sizeof(*t));
	memcpy(t->magic, magics[cursor], sizeof(t->magic));
	t->version = SPOOL_VERSION;
	t->offset = offset;
	t->number = number;
	t->sum = XXH3_64bits(t, offsetof(struct spool_stamp, sum));
}

bool spool_stamp_is_right(const struct spool_stamp *t, bool cursor) {
	return memcmp(t->magic, magics[cursor], sizeof(t->magic)) == 0
	       && t->sum == XXH3_64bits(t, offsetof(struct spool_stamp, sum));
}

struct place {
	uint64_t number;
	uint32_t offset, len;
	uint64_t sum; // of the bytes; 0 for len_sum
};

static uint32_t len_sum(uint64_t number, uint32_t offset, uint32_t len) {
	const struct place p = {number, offset, len, 0};
	return (uint32_t)XXH3_64bits(&p, sizeof(p));
}

static uint64_t entry_sum(uint64_t number, uint32_t offset, const uint8_t *bytes, uint32_t len) {
	const struct place p = {number, offset, len, XXH3_64bits(bytes, len)};
	return XXH3_64bits(&p, sizeof(p));
}

void spool_make_head(struct spool_head *h, uint64_t number, uint32_t offset, struct ht_span bytes) {
	h->len = (uint32_t)bytes.len;
	h->len_sum = len_sum(number, offset, h->len);
	h->sum = entry_sum(number, offset, bytes.p, h->len);
}

bool spool_head_is_right(const struct spool_head *h, uint64_t number, uint32_t offset) {
	return h->len_sum == len_sum(number, offset, h->len);
}

bool spool_sum_is_right(
	const struct spool_head *h, uint64_t number, uint32_t offset, const uint8_t *bytes
) {
	return h->sum == entry_sum(number, offset, bytes, h->len);
}

// --- files of the folder ------------------------------------------------------------------------

int spool_open_file(const struct ht_spool *s, const char *file, int flags) {
	struct stat st;
	const int fd = openat(
		s->dir, file, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600
	);
	if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

// --- the cursor ---------------------------------------------------------------------------------

static bool write_cursor_file(struct ht_spool *s) {
	struct spool_stamp t;
	// One that was left half-way goes, and whatever else has that name.
	(void)unlinkat(s->dir, "cursor.new", 0);
	const int fd = spool_open_file(s, "cursor.new", O_WRONLY | O_CREAT | O_EXCL);
	if (fd < 0)
		return false;
	spool_make_stamp(&t, true, s->cursor.number, s->cursor.offset);
	bool good = write(fd, &t, sizeof(t)) == (ssize_t)sizeof(t);
	if (good && s->fsync == HT_SPOOL_FSYNC_FLUSH)
		good = fdatasync(fd) == 0;
	good = close(fd) == 0 && good;
	return good && renameat(s->dir, "cursor.new", s->dir, "cursor") == 0;
}

void spool_write_cursor(struct ht_spool *s) {
	if (!s->cursor_dirty || s->lock < 0)
		return;
	if (!write_cursor_file(s)) {
		spool_count(s, HT_SPOOL_CURSOR_FAILED, 1);
		return;
	}
	s->cursor_dirty = false;
	s->cursor_behind = 0;
}

// read_stamp reads the first bytes of a file into *t, zeros where it is shorter, and returns its
// length. It is right only if it is whole.
static uint64_t read_stamp(struct ht_spool *s, const char *file, struct spool_stamp *t) {
	struct stat st;
	memset(t, 0, sizeof(*t));
	const int fd = spool_open_file(s, file, O_RDONLY);
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) != 0 || read(fd, t, sizeof(*t)) < 0)
		st.st_size = 0;
	close(fd);
	return (uint64_t)st.st_size;
}

// --- the folder ---------------------------------------------------------------------------------

static int by_number(const void *a, const void *b) {
	const struct spool_segment *x = a, *y = b;
	return (x->number > y->number) - (x->number < y->number);
}

// list_one adds a segment for a file whose name says that it is one.
static enum ht_rc list_one(struct ht_spool *s, const char *name) {
	struct stat st;
	const uint64_t number = parse_file_name(name);
	if (number == 0)
		return HT_OK;
	if (number > s->last_number)
		s->last_number = number;
	if (fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
		return HT_OK;
	struct spool_segment *g = spool_add_segment(s);
	if (g == NULL)
		return spool_fail(s, NULL, "cannot list");
	const uint64_t size = (uint64_t)st.st_size;
	g->number = number;
	g->disk = spool_disk_size(size);
	g->size = size < SPOOL_SEGMENT_MAX ? (uint32_t)size : SPOOL_SEGMENT_MAX;
	return HT_OK;
}

static enum ht_rc list_folder(struct ht_spool *s) {
	const int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL) {
		const enum ht_rc rc = spool_fail(s, NULL, "cannot list");
		if (fd >= 0)
			close(fd);
		return rc;
	}
	enum ht_rc rc = HT_OK;
	for (struct dirent *e; rc == HT_OK && (e = readdir(d)) != NULL;)
		rc = list_one(s, e->d_name);
	closedir(d);
	if (s->num > 0)
		qsort(s->segments, s->num, sizeof(*s->segments), by_number);
	return rc;
}

// A cursor behind everything there is (a folder put together by hand) is not believed: it is better
// that all comes again than that some is lost. It goes, or it would be believed once there are new
// segments.
static enum ht_rc read_cursor(struct ht_spool *s) {
	struct spool_stamp t;
	(void)read_stamp(s, "cursor", &t);
	if (!spool_stamp_is_right(&t, true) || t.version != SPOOL_VERSION
	    || t.number > SPOOL_NUMBER_MAX)
		return HT_OK;
	if (t.number > s->last_number)
		s->last_number = t.number;
	if (s->num > 0 && t.number > s->segments[s->num - 1].number) {
		if (unlinkat(s->dir, "cursor", 0) != 0)
			return spool_fail(s, "cursor", "cannot delete");
		return HT_OK;
	}
	s->cursor.number = t.number;
	s->cursor.offset = t.offset;
	return HT_OK;
}

struct scan {
	bool is_ours; // has a right stamp, or an entry
	uint32_t start; // end of the last entry that is settled
	uint32_t end; // of the last good entry
	uint64_t damaged; // entries that are not settled and cannot be read, before the end
	struct spool_gap tail; // behind the end
};

static bool is_settled(const struct ht_spool *s, uint64_t number, uint32_t offset) {
	return number < s->cursor.number
	       || (number == s->cursor.number && offset <= s->cursor.offset);
}

// find_behind is spool_find, but leaves out what of a gap is settled.
static enum ht_rc find_behind(
	struct ht_spool *s, uint32_t index, uint32_t *offset, struct spool_gap *gap, bool *cut_short
) {
	struct ht_span bytes;
	const uint32_t from = *offset, cursor = s->cursor.offset;
	const enum ht_rc rc = spool_find(s, index, offset, &bytes, gap);
	*cut_short = rc != HT_ERROR && s->segments[index].number == s->cursor.number
		     && from < cursor && cursor < *offset && cursor - from <= gap->bytes;
	if (!*cut_short)
		return rc;
	*offset = cursor;
	return spool_find(s, index, offset, &bytes, gap);
}

static enum ht_rc scan_entries(struct ht_spool *s, uint32_t index, struct scan *c) {
	struct spool_segment *g = &s->segments[index];
	uint32_t offset = SPOOL_FIRST;
	enum ht_rc rc;
	bool cut_short;
	c->start = c->end = SPOOL_FIRST;
	while ((rc = find_behind(s, index, &offset, &c->tail, &cut_short)) == HT_OK) {
		c->is_ours = true;
		c->end = offset;
		if (is_settled(s, g->number, offset)) {
			c->start = offset;
			continue;
		}
		if (cut_short)
			c->start = s->cursor.offset;
		g->left++;
		c->damaged += c->tail.whole + c->tail.more;
	}
	return rc == HT_MORE ? HT_OK : rc;
}

// cut takes away what stands behind the last good entry of all: an unfinished write.
static void cut(struct ht_spool *s, const char *file, struct spool_segment *g, uint32_t end) {
	struct spool_head h;
	const int fd = spool_open_file(s, file, O_RDWR);
	if (fd < 0)
		return;
	const uint32_t rest = g->size - end;
	// Whole and wrong is a damaged entry.
	if (pread(fd, &h, sizeof(h), end) == (ssize_t)sizeof(h)
	    && spool_head_is_right(&h, g->number, end) && h.len <= rest - SPOOL_HEAD) {
		spool_count(s, HT_SPOOL_DAMAGED, 1);
		spool_count(s, HT_SPOOL_DAMAGED_BYTES, rest);
	} else {
		spool_count(s, HT_SPOOL_TORN_BYTES, rest);
	}
	if (ftruncate(fd, end) == 0)
		g->disk = spool_disk_size(end);
	close(fd);
	g->size = end;
}

// recover_one looks at a segment. HT_SKIP: it is none, or nothing of it is left.
static enum ht_rc
recover_one(struct ht_spool *s, uint32_t index, bool last, uint32_t *start, uint64_t *damaged) {
	struct spool_segment *g = &s->segments[index];
	struct spool_stamp t, right;
	struct scan c = {0};
	char file[SPOOL_FILE_MAX];
	spool_file_name(file, g->number);
	const uint64_t size = read_stamp(s, file, &t);
	if (spool_stamp_is_right(&t, false) && t.version != SPOOL_VERSION) {
		errno = EPROTONOSUPPORT;
		return spool_fail(s, file, "written by another version of this program");
	}
	spool_make_stamp(&right, false, g->number, 0);
	c.is_ours = memcmp(&t, &right, size < sizeof(t) ? size : sizeof(t)) == 0;
	const enum ht_rc rc = scan_entries(s, index, &c);
	spool_read_close(s);
	if (rc != HT_OK)
		return rc;
	if (!c.is_ours)
		return HT_SKIP;
	if (g->number < s->cursor.number || (last && c.end == SPOOL_FIRST && size < SPOOL_FIRST)) {
		(void)unlinkat(s->dir, file, 0);
		return HT_SKIP;
	}
	// An unfinished write at the end of all was no entry yet.
	if (!is_settled(s, g->number, g->size))
		c.damaged += c.tail.whole + (c.tail.more && !last);
	if (last && c.end < g->size)
		cut(s, file, g, c.end);
	*start = c.start;
	*damaged += c.damaged;
	return HT_OK;
}

static void tell_damage(struct ht_spool *s, uint64_t damaged) {
	const uint64_t torn = s->counters[HT_SPOOL_TORN_BYTES];
	if (damaged > 0 || torn > 0)
		snprintf(
			s->error, sizeof(s->error),
			"%s: found %" PRIu64 " damaged entries, which are lost, and %" PRIu64
			" bytes of an unfinished write",
			s->path, damaged, torn
		);
}

enum ht_rc spool_recover(struct ht_spool *s) {
	enum ht_rc rc = list_folder(s);
	if (rc == HT_OK)
		rc = read_cursor(s);
	if (rc != HT_OK)
		return rc;
	uint32_t kept = 0, start = SPOOL_FIRST;
	uint64_t entries = 0, disk = 0, damaged = 0;
	for (uint32_t i = 0; i < s->num; i++) {
		uint32_t from = SPOOL_FIRST;
		rc = recover_one(s, i, i == s->num - 1, &from, &damaged);
		if (rc == HT_ERROR)
			return rc;
		if (rc == HT_SKIP)
			continue;
		if (kept == 0)
			start = from;
		entries += s->segments[i].left;
		disk += s->segments[i].disk;
		s->segments[kept++] = s->segments[i];
	}
	s->num = kept;
	s->read.mark = s->settled = s->seen = SPOOL_MARK(s->first, (uint64_t)start);
	spool_count(s, HT_SPOOL_RECOVERED, entries + damaged);
	spool_count(s, HT_SPOOL_LOST_DAMAGED, damaged);
	spool_number_set(s, SPOOL_COUNT, entries);
	spool_number_set(s, SPOOL_BYTES, disk);
	spool_drop(s);
	tell_damage(s, damaged);
	return HT_OK;
}
