// SPDX-License-Identifier: BSD-3-Clause
// Compiled databases on disk. A file is a head, what the database depends on (library, CPU,
// expressions), and the database. Its name is a hash of the former, which is compared whole when
// the file is read. A file that somebody else may have written is not read at all: Hyperscan trusts
// what it is given.

#include "watchlist_int.h"
#include "whole.h"

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

#define FILE_MAX (1ull << 30)
#define NAME_LEN 37u // 32 hex digits and ".hsdb"

struct head {
	uint8_t magic[8];
	uint64_t what_len, bytes_len;
	uint64_t sum[2]; // of all that follows, and of the head up to here
};

static const uint8_t magic[8] = {"htwlhs1"};

static void file_name(char out[NAME_LEN + 1], struct ht_span what) {
	const XXH128_hash_t h = XXH3_128bits(what.p, what.len);
	snprintf(out, NAME_LEN + 1, "%016" PRIx64 "%016" PRIx64 ".hsdb", h.high64, h.low64);
}

static void make_sum(uint64_t sum[2], const struct head *h, const uint8_t *rest, size_t len) {
	const XXH128_hash_t a = XXH3_128bits(rest, len);
	sum[0] = a.low64 ^ XXH3_64bits(h, offsetof(struct head, sum));
	sum[1] = a.high64;
}

static enum ht_rc fail(char note[200], const char *folder, const char *name, const char *why) {
	snprintf(note, 200, "cache: %.100s%s%s: %s", folder, *name != '\0' ? "/" : "", name, why);
	return HT_SKIP;
}

// is_ours: nobody but this user and root can have written it.
static bool is_ours(const struct stat *st) {
	return (st->st_uid == geteuid() || st->st_uid == 0) && (st->st_mode & 022) == 0;
}

static enum ht_rc open_folder(int *fd, const char *folder, char note[200]) {
	struct stat st;
	*fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return fail(note, folder, "", strerror(errno));
	if (fstat(*fd, &st) == 0 && is_ours(&st))
		return HT_OK;
	close(*fd);
	return fail(note, folder, "", "others can write to it: not used");
}

// check_file finds the database in a file's bytes.
static const char *
check_file(const uint8_t *file, size_t len, struct ht_span what, struct ht_span *bytes) {
	struct head h;
	uint64_t sum[2];
	if (len < sizeof(h))
		return "too short: compiled again";
	memcpy(&h, file, sizeof(h));
	const uint8_t *rest = file + sizeof(h);
	const size_t rest_len = len - sizeof(h);
	make_sum(sum, &h, rest, rest_len);
	if (memcmp(h.magic, magic, sizeof(magic)) != 0 || memcmp(h.sum, sum, sizeof(sum)) != 0
	    || h.what_len > rest_len || h.bytes_len != rest_len - h.what_len)
		return "damaged: compiled again";
	if (!ht_span_eq(HT_SPAN(rest, h.what_len), what))
		return "of other expressions: compiled again";
	*bytes = HT_SPAN(rest + h.what_len, h.bytes_len);
	return NULL;
}

static const char *load_file(int fd, struct ht_span what, void **block, struct ht_span *bytes) {
	struct stat st;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !is_ours(&st))
		return "others can write to it: not used";
	if ((uint64_t)st.st_size > FILE_MAX)
		return "too long: compiled again";
	uint8_t *file = malloc((size_t)st.st_size + 1);
	if (file == NULL)
		return "no memory";
	const char *why = ht_read_whole(fd, file, (size_t)st.st_size)
				  ? check_file(file, (size_t)st.st_size, what, bytes)
				  : "it cannot be read";
	*block = file;
	if (why != NULL)
		free(file);
	else
		futimens(fd, NULL); // the last used ones are kept
	return why;
}

enum ht_rc wl_cache_load(
	const char *folder, struct ht_span what, void **block, struct ht_span *bytes, char note[200]
) {
	char name[NAME_LEN + 1];
	int dir;
	const enum ht_rc rc = open_folder(&dir, folder, note);
	if (rc != HT_OK)
		return rc;
	file_name(name, what);
	const int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	const int error = errno;
	close(dir);
	if (fd < 0)
		return error == ENOENT ? HT_SKIP : fail(note, folder, name, strerror(error));
	const char *why = load_file(fd, what, block, bytes);
	close(fd);
	return why == NULL ? HT_OK : fail(note, folder, name, why);
}

// --- writing ------------------------------------------------------------------------------------

static bool write_file(int fd, struct ht_span what, struct ht_span bytes) {
	struct head h = {.what_len = what.len, .bytes_len = bytes.len};
	uint8_t *rest = malloc(what.len + bytes.len);
	if (rest == NULL)
		return false;
	memcpy(h.magic, magic, sizeof(magic));
	memcpy(rest, what.p, what.len);
	memcpy(rest + what.len, bytes.p, bytes.len);
	make_sum(h.sum, &h, rest, what.len + bytes.len);
	const bool good = ht_write_whole(fd, &h, sizeof(h))
			  && ht_write_whole(fd, rest, what.len + bytes.len);
	free(rest);
	return good;
}

// oldest finds the file that was used longest ago; it returns how many there are, unfinished ones
// included.
static unsigned oldest(int dir, char name[256]) {
	unsigned num = 0;
	struct stat st;
	struct timespec then = {0};
	const int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		if (strlen(e->d_name) < NAME_LEN || strncmp(e->d_name + 32, ".hsdb", 5) != 0
		    || fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (num++ == 0 || st.st_mtim.tv_sec < then.tv_sec
		    || (st.st_mtim.tv_sec == then.tv_sec && st.st_mtim.tv_nsec < then.tv_nsec)) {
			then = st.st_mtim;
			snprintf(name, 256, "%s", e->d_name);
		}
	}
	closedir(d);
	return num;
}

static void delete_oldest(int dir) {
	char name[256];
	while (oldest(dir, name) > HT_WATCHLIST_CACHED_MAX && unlinkat(dir, name, 0) == 0) {
	}
}

enum ht_rc
wl_cache_store(const char *folder, struct ht_span what, struct ht_span bytes, char note[200]) {
	char name[NAME_LEN + 1], unfinished[NAME_LEN + 5];
	int dir;
	enum ht_rc rc = open_folder(&dir, folder, note);
	if (rc != HT_OK)
		return rc;
	file_name(name, what);
	snprintf(unfinished, sizeof(unfinished), "%s.new", name);
	unlinkat(dir, unfinished, 0); // of a run that did not finish
	const int fd = openat(
		dir, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600
	);
	bool good = fd >= 0 && write_file(fd, what, bytes);
	if (fd >= 0)
		good = close(fd) == 0 && good;
	if (!good || renameat(dir, unfinished, dir, name) != 0) {
		rc = fail(note, folder, name, strerror(errno));
		unlinkat(dir, unfinished, 0);
	}
	delete_oldest(dir);
	close(dir);
	return rc;
}
