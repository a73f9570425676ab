// SPDX-License-Identifier: BSD-3-Clause
// A spool's folder as somebody else left it. What is found must be counted right, come out in the
// same way twice, and stand before what is appended; nothing but entries with their hashes right
// comes out.

#include "spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[]
	= {"cursor", "000000000000000001.spool", "000000000000000002.spool"};

static char base[64], folder[80];

static void make_folder(void) {
	if (base[0] != '\0')
		return;
	const char *shm = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(base, sizeof(base), "%s/fuzz_spool.XXXXXX", shm);
	if (mkdtemp(base) == NULL)
		abort();
	snprintf(folder, sizeof(folder), "%s/s", base);
}

static void in_folder(char out[128], const char *file) {
	snprintf(out, 128, "%s/%s", folder, file);
}

static void store(const char *file, struct ht_span bytes) {
	char name[128];
	in_folder(name, file);
	const int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, bytes.p, bytes.len) != (ssize_t)bytes.len)
		abort();
	close(fd);
}

// Nothing remains, whatever numbers the spool went on with.
static void remove_all(void) {
	char name[sizeof(folder) + 256];
	DIR *d = opendir(folder);
	if (d == NULL)
		abort();
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		snprintf(name, sizeof(name), "%s/%s", folder, e->d_name);
		if (e->d_name[0] != '.')
			unlink(name);
	}
	closedir(d);
	if (rmdir(folder) != 0 || rmdir(base) != 0)
		abort();
	base[0] = '\0';
}

static struct ht_spool *open_it(void) {
	char err[256];
	struct ht_spool *s = NULL;
	const struct ht_spool_params p = {.folder = base, .name = "s", .max_bytes = 1u << 20};
	return ht_spool_open(&s, &p, err, sizeof(err)) == HT_OK ? s : NULL;
}

// read_all reads to the end, and returns how many entries there were. *sum depends on each byte.
static uint64_t read_all(struct ht_spool *s, uint64_t *sum) {
	struct ht_span got;
	uint64_t n = 0;
	*sum = 0;
	for (; ht_spool_next(s, &got) == HT_OK; n++)
		for (size_t i = 0; i < got.len; i++)
			*sum = (*sum + got.p[i]) * 1099511628211u;
	return n;
}

static void check(struct ht_spool *s) {
	static const uint8_t mine[] = "the last one";
	uint64_t sum, again;
	const uint64_t count = ht_spool_count(s), n = read_all(s, &sum);
	if (n != count || ht_spool_count(s) != count)
		abort();
	ht_spool_rewind(s);
	if (read_all(s, &again) != n || again != sum)
		abort();
	ht_spool_close(s);
	s = open_it();
	if (s == NULL || ht_spool_count(s) != count || read_all(s, &again) != n || again != sum)
		abort();
	if (ht_spool_append(s, HT_SPAN(mine, sizeof(mine))) != HT_OK)
		abort();
	struct ht_span got;
	if (ht_spool_next(s, &got) != HT_OK || !ht_span_eq(got, HT_SPAN(mine, sizeof(mine))))
		abort();
	ht_spool_settle(s, n + 1);
	if (ht_spool_count(s) != 0)
		abort();
	ht_spool_close(s); // with nothing left there are no segments
	s = open_it();
	if (s == NULL || ht_spool_count(s) != 0)
		abort();
	ht_spool_close(s);
}

// as_it_is stores a folder that is the input: length of the cursor's file (1), of the first segment
// (2), then their bytes; the rest is the second segment. There is no file without bytes.
static void as_it_is(struct ht_span in) {
	if (in.len < 3)
		return;
	const size_t len[] = {in.p[0], ht_be16(in.p + 1), in.len};
	in = HT_SPAN(in.p + 3, in.len - 3);
	for (unsigned i = 0; i < HT_ARRAY_LEN(files); i++) {
		const size_t n = len[i] < in.len ? len[i] : in.len;
		if (n > 0)
			store(files[i], HT_SPAN(in.p, n));
		in = HT_SPAN(in.p + n, in.len - n);
	}
}

// damaged makes a right spool, and then damages its first segment, since no fuzzer guesses a hash:
// number of entries (1), and of those settled (1); lengths of the entries in 4 bytes (1 each);
// bytes cut off (1); then places: offset (2), what to change there (1).
static void damaged(struct ht_span in) {
	static uint8_t bytes[65536];
	if (in.len < 3 || in.len < 3u + in.p[0] % 32)
		return;
	const unsigned num = in.p[0] % 32;
	struct ht_span got;
	struct ht_spool *s = open_it();
	if (s == NULL)
		abort();
	for (unsigned i = 0; i < num; i++) {
		memset(bytes, (int)i, 1024);
		if (ht_spool_append(s, HT_SPAN(bytes, 4u * in.p[2 + i])) != HT_OK)
			abort();
	}
	for (unsigned i = 0; i < num; i++)
		if (ht_spool_next(s, &got) != HT_OK)
			abort();
	ht_spool_settle(s, in.p[1]);
	ht_spool_close(s);
	char name[128];
	in_folder(name, files[1]);
	const int fd = open(name, O_RDONLY);
	if (fd < 0)
		return;
	ssize_t len = read(fd, bytes, sizeof(bytes));
	close(fd);
	const uint8_t cut = in.p[2 + num];
	len = len > cut ? len - cut : 0;
	for (size_t at = 3 + num; at + 3 <= in.len; at += 3)
		if (ht_be16(in.p + at) < len)
			bytes[ht_be16(in.p + at)] ^= in.p[at + 2];
	store(files[1], HT_SPAN(bytes, (size_t)len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size < 1)
		return 0;
	make_folder();
	if (mkdir(folder, 0700) != 0)
		abort();
	if (data[0] & 1)
		damaged(HT_SPAN(data + 1, size - 1));
	else
		as_it_is(HT_SPAN(data + 1, size - 1));
	struct ht_spool *s = open_it();
	if (s != NULL) // NULL: another version wrote it
		check(s);
	remove_all();
	return 0;
}
