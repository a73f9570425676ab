// SPDX-License-Identifier: BSD-3-Clause

#include "spool.h"
#include "spool_int.h"
#include "t.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KIB 1024u
#define MIB (1024u * 1024)
#define ROOMY (64ull * MIB)
#define STAMP 32u // a segment's first bytes
#define HEAD 16u // before the bytes of an entry

static char base[64]; // a folder of this test's own
static char path[128]; // of the spool "s" in it

// ---- files

static void remove_files(const char *folder) {
	char file[512];
	DIR *d = opendir(folder);
	if (d == NULL)
		return;
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(file, sizeof(file), "%s/%s", folder, e->d_name);
		if (unlink(file) != 0) {
			remove_files(file);
			rmdir(file);
		}
	}
	closedir(d);
}

static int set_up(void **state) {
	(void)state;
	// In memory where that can be had: others may keep the disk busy.
	const char *const where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(base, sizeof(base), "%s/test_spool.XXXXXX", where);
	if (mkdtemp(base) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/s", base);
	return 0;
}

static int tear_down(void **state) {
	(void)state;
	remove_files(base);
	return rmdir(base);
}

static const char *in_spool(const char *file) {
	static char full[512];
	snprintf(full, sizeof(full), "%s/%s", path, file);
	return full;
}

static const char *segment(unsigned number) {
	char file[64];
	snprintf(file, sizeof(file), "%018u.spool", number);
	return in_spool(file);
}

static size_t load_file(const char *file, uint8_t *p, size_t max) {
	FILE *f = fopen(file, "rb");
	if (f == NULL)
		fail_msg("%s: %s", file, strerror(errno));
	const size_t n = fread(p, 1, max, f);
	fclose(f);
	return n;
}

static void store_file(const char *file, const void *p, size_t n) {
	FILE *f = fopen(file, "wb");
	if (f == NULL)
		fail_msg("%s: %s", file, strerror(errno));
	assert_int_equal(fwrite(p, 1, n, f), n);
	fclose(f);
}

static bool exists(const char *file) {
	struct stat st;
	return lstat(file, &st) == 0;
}

// What the segments in the folder take.
static uint64_t on_disk(void) {
	struct stat st;
	uint64_t sum = 0;
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		if (strstr(e->d_name, ".spool") != NULL && stat(in_spool(e->d_name), &st) == 0)
			sum += ((uint64_t)st.st_size + 4095) / 4096 * 4096;
	closedir(d);
	return sum;
}

// ---- spools

static struct ht_spool *open_spool(uint64_t max_bytes, enum ht_spool_fsync fsync) {
	char err[256] = "";
	struct ht_spool *s = NULL;
	const struct ht_spool_params p
		= {.folder = base, .name = "s", .max_bytes = max_bytes, .fsync = fsync};
	if (ht_spool_open(&s, &p, err, sizeof(err)) != HT_OK)
		fail_msg("%s", err);
	return s;
}

static uint64_t counter(const struct ht_spool *s, enum ht_spool_counter id) {
	uint64_t total[HT_SPOOL_NUM_CTRS] = {0};
	ht_spool_stats(s, total);
	return total[id];
}

// What it believes that its segments take on the disk.
static uint64_t bytes_counted(const struct ht_spool *s) {
	return s->numbers[SPOOL_BYTES];
}

static void expect_balance(const struct ht_spool *s) {
	assert_int_equal(
		counter(s, HT_SPOOL_RECOVERED) + counter(s, HT_SPOOL_APPENDED),
		counter(s, HT_SPOOL_SETTLED) + counter(s, HT_SPOOL_LOST_DAMAGED) + ht_spool_count(s)
	);
}

// ---- entries that tell their number: 8 bytes of it, then what follows from it

static uint8_t entry_bytes[HT_SPOOL_ENTRY_MAX + 1];

static struct ht_span entry(uint64_t n, size_t len) {
	memset(entry_bytes, (int)(n * 31 + len), len);
	memcpy(entry_bytes, &n, len < sizeof(n) ? len : sizeof(n));
	return HT_SPAN(entry_bytes, len);
}

static void append(struct ht_spool *s, uint64_t n, size_t len) {
	assert_int_equal(ht_spool_append(s, entry(n, len)), HT_OK);
}

static void expect_next(struct ht_spool *s, uint64_t n, size_t len) {
	struct ht_span got;
	assert_int_equal(ht_spool_next(s, &got), HT_OK);
	assert_int_equal(got.len, len);
	assert_true(ht_span_eq(got, entry(n, len)));
}

static void expect_none(struct ht_spool *s) {
	struct ht_span got;
	assert_int_equal(ht_spool_next(s, &got), HT_MORE);
}

static uint64_t number_of(struct ht_span got) {
	uint64_t n;
	assert_true(got.len >= sizeof(n));
	memcpy(&n, got.p, sizeof(n));
	assert_true(ht_span_eq(got, entry(n, got.len)));
	return n;
}

static uint64_t random_state = 1;

static uint32_t draw(uint32_t below) {
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % below;
}

// ---- one after the other

static void test_in_order_and_again(void **state) {
	(void)state;
	static const size_t lens[]
		= {0, 1, 8, 700, 65519, 65520, 65521, 300000, HT_SPOOL_ENTRY_MAX, 9};
	struct stat st;
	struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_FLUSH);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	expect_none(s);
	for (unsigned i = 0; i < HT_ARRAY_LEN(lens); i++)
		append(s, i, lens[i]);
	assert_int_equal(ht_spool_append(s, entry(0, HT_SPOOL_ENTRY_MAX + 1)), HT_LIMIT);
	assert_int_equal(counter(s, HT_SPOOL_REFUSED_LONG), 1);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < HT_ARRAY_LEN(lens); i++)
			expect_next(s, i, lens[i]);
		expect_none(s);
		ht_spool_rewind(s);
	}
	expect_next(s, 0, lens[0]);
	expect_next(s, 1, lens[1]);
	expect_next(s, 2, lens[2]);
	ht_spool_settle(s, 2);
	ht_spool_rewind(s);
	expect_next(s, 2, lens[2]);
	assert_int_equal(ht_spool_count(s), HT_ARRAY_LEN(lens) - 2);
	expect_balance(s);
	ht_spool_close(s);

	s = open_spool(ROOMY, HT_SPOOL_FSYNC_SEGMENT);
	assert_int_equal(ht_spool_count(s), HT_ARRAY_LEN(lens) - 2);
	append(s, 77, 77);
	for (unsigned i = 2; i < HT_ARRAY_LEN(lens); i++)
		expect_next(s, i, lens[i]);
	expect_next(s, 77, 77);
	ht_spool_settle(s, 1000); // more than there are
	assert_int_equal(ht_spool_count(s), 0);
	assert_string_equal(ht_spool_error(s), "");
	expect_balance(s);
	ht_spool_close(s);
	assert_int_equal(on_disk(), 0);

	// An empty spool goes on with new numbers.
	s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	append(s, 5, 50);
	ht_spool_close(s);
	s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	expect_next(s, 5, 50);
	ht_spool_close(s);
}

static void test_names(void **state) {
	(void)state;
	char a[300], b[300], err[256];
	memset(a, '/', sizeof(a));
	a[299] = '\0';
	memcpy(b, a, sizeof(b));
	b[290] = 'x';
	const char *const names[] = {
		"kafka://a:1/t",
		"kafka:__a:1_t",
		"kafka%3A%2F%2Fa%3A1%2Ft",
		"..",
		"%2E.",
		"A",
		"a",
		a,
		b,
	};
	struct ht_spool *s[HT_ARRAY_LEN(names)], *more;
	for (unsigned i = 0; i < HT_ARRAY_LEN(names); i++) {
		const struct ht_spool_params p
			= {.folder = base, .name = names[i], .max_bytes = ROOMY};
		assert_int_equal(ht_spool_open(&s[i], &p, err, sizeof(err)), HT_OK);
		assert_int_equal(ht_spool_open(&more, &p, err, sizeof(err)), HT_MORE);
		assert_non_null(strstr(err, "in use"));
	}
	for (unsigned i = 0; i < HT_ARRAY_LEN(names); i++)
		ht_spool_close(s[i]);
	snprintf(a, sizeof(a), "%s/kafka%%3A%%2F%%2Fa%%3A1%%2Ft", base);
	assert_true(exists(a));
	struct ht_spool_params p = {.folder = base, .name = ""};
	assert_int_equal(ht_spool_open(&more, &p, err, sizeof(err)), HT_ERROR);
	p = (struct ht_spool_params){.folder = "/nowhere/at/all", .name = "x"};
	assert_int_equal(ht_spool_open(&more, &p, err, sizeof(err)), HT_ERROR);
	assert_string_equal(err, "/nowhere/at/all/x: cannot make: No such file or directory");
}

// ---- against a model

#define MODEL_MAX 40000u

struct model {
	uint32_t len[MODEL_MAX];
	uint64_t settled, read, num; // entries: settled <= read <= num
};

static uint32_t draw_len(void) {
	const uint32_t what = draw(100);
	return what < 10 ? draw(3) : what < 90 ? draw(1000) : what < 99 ? draw(9000) : draw(100000);
}

static void model_step(struct ht_spool **s, struct model *m, uint64_t max_bytes) {
	const uint32_t what = draw(1000);
	if (what < 500) {
		const uint32_t len = draw_len();
		const enum ht_rc rc = ht_spool_append(*s, entry(m->num, len));
		if (rc == HT_OK)
			m->len[m->num++] = len;
		else
			assert_int_equal(rc, HT_FULL);
	} else if (what < 800) {
		if (m->read == m->num)
			expect_none(*s);
		else
			expect_next(*s, m->read, m->len[m->read]), m->read++;
	} else if (what < 960) {
		const uint64_t n = draw((uint32_t)(m->read - m->settled) + 1);
		ht_spool_settle(*s, n);
		m->settled += n;
	} else if (what < 975) {
		ht_spool_rewind(*s);
		m->read = m->settled;
	} else if (what < 990) {
		assert_int_equal(ht_spool_flush(*s), HT_OK);
		assert_int_equal(ht_spool_unflushed(*s), 0);
		assert_int_equal(on_disk(), bytes_counted(*s));
	} else {
		ht_spool_close(*s);
		*s = open_spool(max_bytes, draw(3));
		m->read = m->settled;
	}
	assert_int_equal(ht_spool_count(*s), m->num - m->settled);
	assert_true(bytes_counted(*s) <= max_bytes);
	assert_true(ht_spool_unflushed(*s) <= ht_spool_count(*s));
	expect_balance(*s);
}

static void test_model(void **state) {
	(void)state;
	static struct model m;
	static const uint64_t sizes[] = {8 * KIB, 70 * KIB, 300 * KIB, ROOMY};
	uint64_t full = 0;
	for (unsigned i = 0; i < HT_ARRAY_LEN(sizes); i++) {
		struct ht_spool *s = open_spool(sizes[i], HT_SPOOL_FSYNC_NEVER);
		memset(&m, 0, sizeof(m));
		for (unsigned step = 0; step < 20000; step++)
			model_step(&s, &m, sizes[i]);
		full += counter(s, HT_SPOOL_REFUSED_FULL);
		assert_int_equal(counter(s, HT_SPOOL_DAMAGED), 0);
		ht_spool_close(s);
		remove_files(path);
	}
	assert_true(full > 0);
}

// ---- bounds

static void test_max_bytes(void **state) {
	(void)state;
	const uint64_t max = 256 * KIB;
	struct ht_spool *s = open_spool(max, HT_SPOOL_FSYNC_NEVER);
	uint64_t in = 0, out = 0;
	for (unsigned round = 0; round < 20; round++) {
		while (ht_spool_append(s, entry(in, 700)) == HT_OK)
			in++;
		assert_true(bytes_counted(s) <= max && bytes_counted(s) > max - 8 * KIB);
		assert_int_equal(ht_spool_flush(s), HT_OK);
		assert_int_equal(on_disk(), bytes_counted(s));
		for (unsigned i = 0; i < 100; i++)
			expect_next(s, out++, 700);
		ht_spool_settle(s, 100);
	}
	assert_int_equal(counter(s, HT_SPOOL_REFUSED_FULL), 20);
	ht_spool_close(s);

	// One that got too large for new bounds can be drained, and takes nothing before it fits.
	s = open_spool(8 * KIB, HT_SPOOL_FSYNC_NEVER);
	assert_int_equal(ht_spool_append(s, entry(in, 700)), HT_FULL);
	while (out < in)
		expect_next(s, out++, 700);
	ht_spool_settle(s, in);
	// Room for one at a time, in the segment that is being written.
	for (unsigned i = 0; i < 10; i++) {
		append(s, i, 7000);
		assert_int_equal(ht_spool_append(s, entry(in, 7000)), HT_FULL);
		expect_next(s, i, 7000);
		assert_int_equal(ht_spool_append(s, entry(in, 7000)), HT_FULL);
		ht_spool_settle(s, 1);
	}
	expect_balance(s);
	ht_spool_close(s);
}

static void test_window(void **state) {
	(void)state;
	struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	struct ht_span got;
	for (uint32_t i = 0; i <= HT_SPOOL_WINDOW; i++)
		assert_int_equal(ht_spool_append(s, HT_SPAN_EMPTY), HT_OK);
	for (uint32_t i = 0; i < HT_SPOOL_WINDOW; i++)
		assert_int_equal(ht_spool_next(s, &got), HT_OK);
	assert_int_equal(ht_spool_next(s, &got), HT_MORE);
	ht_spool_settle(s, 1);
	assert_int_equal(ht_spool_next(s, &got), HT_OK);
	ht_spool_settle(s, HT_SPOOL_WINDOW);
	assert_int_equal(ht_spool_count(s), 0);
	ht_spool_close(s);
}

// ---- crashes

#define ROUNDS 300u

// What a writer that is killed tells before and after each step.
struct told {
	_Atomic uint64_t opened; // 1 when it began
	_Atomic uint64_t flushed; // entries below this number are
	_Atomic uint64_t settling, settled; // told before and after
};

static void write_and_read(struct told *t, uint64_t first, uint64_t next) {
	struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	uint64_t read = first, settled = first;
	struct ht_span got;
	atomic_store(&t->opened, 1);
	for (;;) {
		for (uint32_t n = draw(300); n > 0; n--, next++)
			if (ht_spool_append(s, entry(next, 8 + draw_len())) != HT_OK)
				_exit(1);
		if (ht_spool_flush(s) != HT_OK)
			_exit(2);
		atomic_store(&t->flushed, next);
		for (uint32_t n = draw(400); n > 0 && ht_spool_next(s, &got) == HT_OK; n--, read++)
			if (number_of(got) != read)
				_exit(3);
		const uint64_t n = draw((uint32_t)(read - settled) + 1);
		atomic_store(&t->settling, settled + n);
		ht_spool_settle(s, n);
		settled += n;
		atomic_store(&t->settled, settled);
	}
}

static void pause_us(long us) {
	const struct timespec t = {.tv_nsec = us * 1000};
	nanosleep(&t, NULL);
}

// Lets a writer go on until it has flushed some, as long as that takes: the machine may be busy.
// Now and then it is not waited for, and may not have opened the spool yet.
static void let_write(const struct told *t, unsigned round, uint64_t flushed) {
	const bool waits = round % 8 != 0;
	for (unsigned i = 0; i < (waits ? 600000 : 100) && atomic_load(&t->opened) == 0; i++)
		pause_us(100);
	pause_us(draw(5000));
	for (unsigned i = 0; waits && i < 600000 && atomic_load(&t->flushed) < flushed; i++)
		pause_us(100);
}

static void test_killed(void **state) {
	(void)state;
	struct told *t
		= mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(t != MAP_FAILED);
	uint64_t first = 0, next = 0, again_most = 0, torn = 0, begun = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		atomic_store(&t->opened, 0);
		atomic_store(&t->flushed, next);
		atomic_store(&t->settling, first);
		atomic_store(&t->settled, first);
		random_state = round + 1;
		const pid_t child = fork();
		if (child == 0)
			write_and_read(t, first, next);
		assert_true(child > 0);
		let_write(t, round, next + 50);
		kill(child, SIGKILL);
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status)); // it did not find anything wrong
		begun += atomic_load(&t->opened);

		struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
		const uint64_t count = ht_spool_count(s);
		uint64_t at = 0, n = 0;
		struct ht_span got;
		while (ht_spool_next(s, &got) == HT_OK) {
			if (n == 0)
				at = first = number_of(got);
			assert_int_equal(number_of(got), at++); // in order, without a hole
			n++;
		}
		assert_int_equal(n, count);
		if (n == 0)
			at = first = atomic_load(&t->flushed);
		assert_true(at >= atomic_load(&t->flushed)); // what was flushed is there
		assert_true(first <= atomic_load(&t->settling)); // so is what was not settled
		const uint64_t settled = atomic_load(&t->settled);
		const uint64_t again = settled > first ? settled - first : 0;
		assert_true(again <= HT_SPOOL_PACE);
		again_most = again > again_most ? again : again_most;
		torn += counter(s, HT_SPOOL_TORN_BYTES) > 0;
		assert_int_equal(counter(s, HT_SPOOL_DAMAGED), 0);
		next = at;
		// Half of the rounds go on with what is there, half with little.
		if (round % 2 == 0 && n > 0) {
			ht_spool_settle(s, n - 1);
			first += n - 1;
		}
		expect_balance(s);
		ht_spool_close(s);
	}
	print_message(
		"# %u of %u began, %u entries, %u with a torn end, %u came again at most\n",
		(unsigned)begun, ROUNDS, (unsigned)next, (unsigned)torn, (unsigned)again_most
	);
	assert_true(begun > ROUNDS / 2 && next > 10000 && again_most > 0);
	munmap(t, sizeof(*t));
}

// Without a flush, too, the cursor goes to the disk at its pace.
static void test_pace(void **state) {
	(void)state;
	const pid_t child = fork();
	if (child == 0) {
		struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
		struct ht_span got;
		for (unsigned i = 0; i < 6000; i++)
			append(s, i, 20);
		if (ht_spool_flush(s) != HT_OK)
			_exit(1);
		for (unsigned i = 0; i < 5600 && ht_spool_next(s, &got) == HT_OK; i++)
			ht_spool_settle(s, i % 7 == 6 ? 7 : 0);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	assert_in_range(ht_spool_count(s), 401, 400 + HT_SPOOL_PACE);
	expect_next(s, 6000 - ht_spool_count(s), 20);
	ht_spool_close(s);
}

// ---- damage

#define SMALL_NUM 6u
static const size_t small_len[SMALL_NUM] = {20, 8, 57, 9, 8, 33};

// A spool of six entries in one segment, number 1; returns the segment's bytes.
static size_t make_small(uint8_t *bytes, size_t max) {
	remove_files(path);
	struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	for (unsigned i = 0; i < SMALL_NUM; i++)
		append(s, i, small_len[i]);
	ht_spool_close(s);
	const size_t n = load_file(segment(1), bytes, max);
	assert_true(n < max);
	return n;
}

static void test_torn_tails(void **state) {
	(void)state;
	uint8_t bytes[512];
	const size_t size = make_small(bytes, sizeof(bytes));
	for (size_t n = 0; n <= size; n++) {
		unsigned whole = 0;
		size_t end = STAMP;
		while (whole < SMALL_NUM && end + HEAD + small_len[whole] <= n)
			end += HEAD + small_len[whole++];
		remove_files(path);
		store_file(segment(1), bytes, n);
		struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
		assert_int_equal(ht_spool_count(s), whole);
		if (n >= STAMP)
			assert_int_equal(counter(s, HT_SPOOL_TORN_BYTES), n - end);
		append(s, 100, 10);
		ht_spool_close(s);
		s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
		assert_int_equal(ht_spool_count(s), whole + 1);
		for (unsigned i = 0; i < whole; i++)
			expect_next(s, i, small_len[i]);
		expect_next(s, 100, 10);
		expect_none(s);
		assert_int_equal(counter(s, HT_SPOOL_DAMAGED), 0);
		ht_spool_settle(s, whole + 1);
		ht_spool_close(s);
		assert_int_equal(on_disk(), 0);
	}
}

// expect_but reads the six entries, of which `missing` is gone, then number 100.
static void expect_but(struct ht_spool *s, unsigned missing) {
	for (unsigned i = 0; i < SMALL_NUM; i++)
		if (i != missing)
			expect_next(s, i, small_len[i]);
	expect_next(s, 100, 10);
	expect_none(s);
}

static void test_every_byte_flipped(void **state) {
	(void)state;
	uint8_t bytes[512];
	static const uint8_t flips[] = {0x01, 0x80, 0xff};
	const size_t size = make_small(bytes, sizeof(bytes));
	for (size_t at = 0; at < size; at++) {
		unsigned missing = SMALL_NUM; // the one it is in; none in the stamp
		for (size_t i = 0, end = STAMP; i < SMALL_NUM && end <= at; i++) {
			missing = (unsigned)i;
			end += HEAD + small_len[i];
		}
		for (unsigned f = 0; f < HT_ARRAY_LEN(flips); f++) {
			remove_files(path);
			bytes[at] ^= flips[f];
			store_file(segment(1), bytes, size);
			bytes[at] ^= flips[f];
			struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
			const unsigned left = SMALL_NUM - (missing < SMALL_NUM);
			assert_int_equal(ht_spool_count(s), left);
			// A damaged length at the end cannot be told from an unfinished write.
			const bool lost = missing < SMALL_NUM && !counter(s, HT_SPOOL_TORN_BYTES);
			assert_int_equal(counter(s, HT_SPOOL_LOST_DAMAGED), lost);
			assert_int_equal(counter(s, HT_SPOOL_RECOVERED), left + lost);
			assert_int_equal(ht_spool_error(s)[0] != '\0', missing < SMALL_NUM);
			append(s, 100, 10);
			expect_but(s, missing);
			ht_spool_rewind(s);
			expect_but(s, missing); // and counts nothing twice
			assert_int_equal(
				counter(s, HT_SPOOL_DAMAGED)
					+ (counter(s, HT_SPOOL_TORN_BYTES) > 0),
				missing < SMALL_NUM
			);
			if (missing < SMALL_NUM)
				assert_int_equal(
					counter(s, HT_SPOOL_DAMAGED_BYTES)
						+ counter(s, HT_SPOOL_TORN_BYTES),
					HEAD + small_len[missing]
				);
			ht_spool_settle(s, left + 1);
			expect_balance(s);
			ht_spool_close(s);
			assert_int_equal(on_disk(), 0);
		}
	}
}

// A spool of 3 segments, 1 to 3, of which one entry each, 0 to 2; the first one is settled, and
// there is a cursor in segment 1. Its bytes are returned.
static size_t make_three(uint8_t *cursor, size_t max) {
	remove_files(path);
	for (unsigned i = 0; i < 3; i++) {
		struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
		append(s, i, 100);
		append(s, 10 + i, 100);
		if (i == 2) {
			expect_next(s, 0, 100);
			ht_spool_settle(s, 1);
		}
		ht_spool_close(s);
	}
	return load_file(in_spool("cursor"), cursor, max);
}

// Several damaged entries are counted when it is opened; those that are settled are not.
static void test_damage_is_counted(void **state) {
	(void)state;
	uint8_t bytes[8192];
	for (unsigned settled = 0; settled <= 50; settled += 50) {
		remove_files(path);
		struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
		for (unsigned i = 0; i < 100; i++)
			append(s, i, 40);
		for (unsigned i = 0; i < settled; i++)
			expect_next(s, i, 40);
		ht_spool_settle(s, settled);
		ht_spool_close(s);
		const size_t n = load_file(segment(1), bytes, sizeof(bytes));
		unsigned lost = 0;
		for (unsigned i = 0; i < 100; i++) {
			if (i % 3 == 0)
				continue;
			bytes[STAMP + i * (HEAD + 40) + HEAD + 8] ^= 4;
			lost += i >= settled;
		}
		store_file(segment(1), bytes, n);
		s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
		assert_int_equal(counter(s, HT_SPOOL_RECOVERED), 100 - settled);
		assert_int_equal(counter(s, HT_SPOOL_LOST_DAMAGED), lost);
		assert_int_equal(ht_spool_count(s), 100 - settled - lost);
		assert_non_null(strstr(ht_spool_error(s), "damaged entries"));
		expect_balance(s);
		struct ht_span got;
		while (ht_spool_next(s, &got) == HT_OK)
			assert_int_equal(number_of(got) % 3, 0);
		ht_spool_settle(s, 100);
		assert_int_equal(counter(s, HT_SPOOL_LOST_DAMAGED), lost);
		expect_balance(s);
		ht_spool_close(s);
	}
}

// ---- taken away while open

enum taking { TAKE_FILES, TAKE_FOLDER, TAKE_ALL_FOLDERS, MOVE_FOLDER, TAKE_SEGMENT, NUM_TAKINGS };

static void take_away(enum taking how) {
	char aside[160];
	snprintf(aside, sizeof(aside), "%s.aside", path);
	if (how == TAKE_SEGMENT) {
		assert_int_equal(unlink(segment(1)), 0);
		return;
	}
	if (how == MOVE_FOLDER) {
		assert_int_equal(rename(path, aside), 0);
		return;
	}
	remove_files(path);
	if (how != TAKE_FILES)
		assert_int_equal(rmdir(path), 0);
	if (how == TAKE_ALL_FOLDERS)
		assert_int_equal(rmdir(base), 0);
}

// 10 entries in the file and 5 in memory, `read` of them on their way; then it is taken away.
static void expect_begun_anew(enum taking how, unsigned read, bool broken) {
	struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_FLUSH);
	for (unsigned i = 0; i < 10; i++)
		append(s, i, 100);
	assert_int_equal(ht_spool_flush(s), HT_OK);
	for (unsigned i = 10; i < 15; i++)
		append(s, i, 100);
	for (unsigned i = 0; i < read; i++)
		expect_next(s, i, 100);
	take_away(how);
	assert_int_equal(ht_spool_flush(s), read < 10 ? HT_ERROR : HT_OK);
	unsigned lost = read < 10 ? 10 - read : 0;
	if (lost > 0)
		assert_non_null(strstr(ht_spool_error(s), "taken away"));
	assert_int_equal(counter(s, HT_SPOOL_LOST_DAMAGED), lost);
	assert_int_equal(ht_spool_count(s), 15 - lost);
	expect_balance(s);
	assert_int_equal(ht_spool_flush(s), HT_OK);
	append(s, 15, 100);
	assert_int_equal(ht_spool_flush(s), HT_OK);
	assert_int_equal(on_disk(), bytes_counted(s));
	if (broken) {
		ht_spool_rewind(s);
		lost = read < 10 ? 10 : read;
	} else {
		ht_spool_settle(s, read);
	}
	for (unsigned i = read < 10 ? 10 : read; i < 16; i++)
		expect_next(s, i, 100);
	expect_none(s);
	assert_int_equal(counter(s, HT_SPOOL_LOST_DAMAGED), lost);
	assert_int_equal(ht_spool_count(s), 16 - (read < 10 ? 10 : read));
	expect_balance(s);
	ht_spool_close(s);
	// What it says is left is there.
	s = open_spool(ROOMY, HT_SPOOL_FSYNC_FLUSH);
	for (unsigned i = read < 10 ? 10 : read; i < 16; i++)
		expect_next(s, i, 100);
	ht_spool_settle(s, 16);
	assert_int_equal(ht_spool_count(s), 0);
	ht_spool_close(s);
	remove_files(base);
}

static void test_taken_away(void **state) {
	(void)state;
	static const unsigned reads[] = {0, 4, 10, 12, 15};
	for (unsigned how = 0; how < NUM_TAKINGS; how++)
		for (unsigned i = 0; i < HT_ARRAY_LEN(reads); i++)
			for (unsigned broken = 0; broken < 2; broken++)
				expect_begun_anew(how, reads[i], broken);
}

// Nothing was ever flushed: all of it is saved.
static void test_taken_away_at_once(void **state) {
	(void)state;
	struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	for (unsigned i = 0; i < 500; i++)
		append(s, i, 100);
	take_away(TAKE_FILES);
	ht_spool_close(s);
	s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	for (unsigned i = 0; i < 500; i++)
		expect_next(s, i, 100);
	ht_spool_close(s);
}

// Of several segments: what is gone is told before what is left is counted.
static void test_old_segments_taken_away(void **state) {
	(void)state;
	for (unsigned written = 0; written < 2; written++) {
		make_three((uint8_t[64]){0}, 64); // 10; 1 and 11; 2 and 12
		struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
		expect_next(s, 10, 100);
		if (written)
			append(s, 99, 100);
		assert_int_equal(ht_spool_flush(s), HT_OK);
		assert_int_equal(ht_spool_check(s), HT_OK);
		assert_int_equal(unlink(segment(1)), 0);
		assert_int_equal(unlink(segment(2)), 0);
		assert_int_equal(mkfifo(segment(2), 0600), 0);
		assert_int_equal(ht_spool_flush(s), HT_OK);
		assert_int_equal(ht_spool_check(s), HT_ERROR);
		assert_int_equal(counter(s, HT_SPOOL_LOST_DAMAGED), 2);
		assert_int_equal(ht_spool_count(s), 3 + written);
		assert_int_equal(ht_spool_check(s), HT_OK);
		ht_spool_settle(s, 1);
		expect_next(s, 2, 100);
		expect_next(s, 12, 100);
		expect_balance(s);
		assert_true(exists(segment(2)));
		ht_spool_close(s);
	}
	// A pipe in place of one keeps nobody waiting, without a check as well.
	make_three((uint8_t[64]){0}, 64);
	struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	assert_int_equal(unlink(segment(2)), 0);
	assert_int_equal(mkfifo(segment(2), 0600), 0);
	assert_int_equal(unlink(segment(3)), 0);
	assert_int_equal(symlink("/dev/zero", segment(3)), 0);
	expect_next(s, 10, 100);
	expect_none(s);
	assert_int_equal(counter(s, HT_SPOOL_LOST_DAMAGED), 4);
	assert_non_null(strstr(ht_spool_error(s), "cannot be read any more"));
	ht_spool_close(s);
}

// A new segment is not begun where nobody finds it, nor where it is another's now.
static void test_no_place_any_more(void **state) {
	(void)state;
	struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER), *other = NULL;
	remove_files(path);
	assert_int_equal(rmdir(path), 0);
	append(s, 1, 100);
	assert_int_equal(ht_spool_flush(s), HT_OK);
	assert_true(exists(segment(1)));
	// No folder can be made.
	take_away(TAKE_FOLDER);
	store_file(path, "x", 1);
	assert_int_equal(ht_spool_append(s, entry(2, 100)), HT_OK); // in memory
	assert_int_equal(ht_spool_flush(s), HT_ERROR);
	assert_int_equal(ht_spool_append(s, entry(3, 100)), HT_ERROR);
	assert_int_equal(counter(s, HT_SPOOL_REFUSED_DISK), 1);
	assert_int_equal(counter(s, HT_SPOOL_LOST_DAMAGED), 2);
	assert_int_equal(ht_spool_count(s), 0);
	expect_balance(s);
	// It can again.
	assert_int_equal(unlink(path), 0);
	append(s, 4, 100);
	assert_int_equal(ht_spool_flush(s), HT_OK);
	// Another process takes what is ours, since the lock was deleted.
	assert_int_equal(unlink(in_spool("lock")), 0);
	other = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	const uint64_t disk = on_disk();
	append(s, 6, 100);
	assert_int_equal(ht_spool_flush(s), HT_ERROR);
	assert_int_equal(on_disk(), disk);
	assert_non_null(strstr(ht_spool_error(s), "in use"));
	assert_int_equal(ht_spool_count(s), 0);
	assert_int_equal(ht_spool_append(s, entry(5, 100)), HT_ERROR);
	expect_next(other, 4, 100);
	expect_none(s);
	expect_balance(s);
	ht_spool_close(s);
	ht_spool_rewind(other);
	expect_next(other, 4, 100);
	ht_spool_close(other);
	// The lock alone is made again.
	s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	assert_int_equal(unlink(in_spool("lock")), 0);
	assert_int_equal(ht_spool_flush(s), HT_OK);
	assert_true(exists(in_spool("lock")));
	expect_next(s, 4, 100);
	ht_spool_close(s);
}

// ---- what others put into the folder

static void expect_refused(const char *why) {
	char err[256] = "";
	struct ht_spool *s = NULL;
	const struct ht_spool_params p = {.folder = base, .name = "s", .max_bytes = ROOMY};
	assert_int_equal(ht_spool_open(&s, &p, err, sizeof(err)), HT_ERROR);
	if (strstr(err, why) == NULL)
		fail_msg("%s", err);
}

static void test_traps(void **state) {
	(void)state;
	char victim[160], now[64];
	snprintf(victim, sizeof(victim), "%s/victim", base);
	static const char *const names[] = {"cursor.new", "cursor", "000000000000000001.spool"};
	for (unsigned i = 0; i < HT_ARRAY_LEN(names); i++) {
		for (unsigned kind = 0; kind < 3; kind++) {
			assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
			store_file(victim, "precious", 8);
			const char *const trap = in_spool(names[i]);
			assert_int_equal(
				kind == 0   ? symlink(victim, trap)
				: kind == 1 ? link(victim, trap)
					    : mkfifo(trap, 0600),
				0
			);
			struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_FLUSH);
			append(s, 1, 100);
			append(s, 2, 100);
			expect_next(s, 1, 100);
			ht_spool_settle(s, 1);
			ht_spool_close(s);
			s = open_spool(ROOMY, HT_SPOOL_FSYNC_FLUSH);
			assert_int_equal(counter(s, HT_SPOOL_RECOVERED), 1);
			expect_next(s, 2, 100);
			ht_spool_close(s);
			assert_int_equal(load_file(victim, (uint8_t *)now, sizeof(now)), 8);
			assert_memory_equal(now, "precious", 8);
			remove_files(path);
		}
	}
	assert_int_equal(symlink(victim, in_spool("lock")), 0);
	expect_refused("lock: cannot open as a regular file");
	assert_int_equal(unlink(in_spool("lock")), 0);
	assert_int_equal(mkfifo(in_spool("lock"), 0600), 0);
	expect_refused("lock: cannot open as a regular file");
}

// probe tells what opening would say of the folder, and makes nothing.
static void expect_probed(const char *folder, const char *why) {
	char err[256] = "";
	const struct ht_spool_params p = {.folder = folder, .name = "s"};
	const enum ht_rc rc = ht_spool_probe(&p, err, sizeof(err));
	assert_int_equal(rc, why == NULL ? HT_OK : HT_ERROR);
	if (why != NULL && strstr(err, why) == NULL)
		fail_msg("%s", err);
}

static void test_probe(void **state) {
	(void)state;
	char new[200], newer[240], name[240];
	snprintf(new, sizeof(new), "%s/new", base);
	snprintf(newer, sizeof(newer), "%s/new", new);
	snprintf(name, sizeof(name), "%s/s", new);
	expect_probed(base, NULL);
	assert_int_equal(access(path, F_OK), -1);
	expect_probed(new, NULL);
	expect_probed(newer, "/new/new/s: No such file");
	assert_int_equal(access(new, F_OK), -1);
	store_file(new, "x", 1);
	expect_probed(new, "/new/s: Not a directory");
	assert_int_equal(unlink(new), 0);
	assert_int_equal(mkdir(new, 0700), 0);
	assert_int_equal(symlink(base, name), 0); // is not followed
	expect_probed(new, "/new/s: Not a directory");
	assert_int_equal(unlink(name), 0);
	assert_int_equal(rmdir(new), 0);
}

static void test_folder_of_others(void **state) {
	(void)state;
	static const mode_t modes[] = {0770, 0702, 01777, 0720};
	assert_int_equal(mkdir(path, 0700), 0);
	for (unsigned i = 0; i < HT_ARRAY_LEN(modes); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		expect_refused("/s: group or others may write there");
		expect_probed(base, "/s: group or others may write there");
	}
	assert_int_equal(chmod(path, 0755), 0);
	ht_spool_close(open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER));
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(path, 12345, 0), 0);
	expect_refused("/s: belongs to another user");
	expect_probed(base, "/s: belongs to another user");
	// Nor one that took the place of ours meanwhile.
	assert_int_equal(chown(path, 0, 0), 0);
	struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	take_away(TAKE_FOLDER);
	assert_int_equal(mkdir(path, 0777), 0);
	assert_int_equal(chmod(path, 0777), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ht_spool_append(s, entry(i, 100)), HT_ERROR);
		assert_non_null(strstr(ht_spool_error(s), "may write there"));
	}
	assert_int_equal(on_disk(), 0);
	ht_spool_close(s);
}

// A file that changes under an open spool: what was counted and is gone is told.
static void test_damaged_while_open(void **state) {
	(void)state;
	uint8_t bytes[512];
	const size_t size = make_small(bytes, sizeof(bytes));
	struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	assert_int_equal(ht_spool_count(s), SMALL_NUM);
	bytes[STAMP + HEAD + 3] ^= 1; // the first one
	store_file(segment(1), bytes, size - 1); // and the last
	for (unsigned i = 1; i < SMALL_NUM - 1; i++)
		expect_next(s, i, small_len[i]);
	expect_none(s);
	assert_int_equal(ht_spool_count(s), SMALL_NUM - 2);
	assert_int_equal(counter(s, HT_SPOOL_LOST_DAMAGED), 2);
	assert_int_equal(counter(s, HT_SPOOL_DAMAGED), 2);
	expect_balance(s);
	// The damage goes away: they are found anew.
	bytes[STAMP + HEAD + 3] ^= 1;
	store_file(segment(1), bytes, size);
	ht_spool_rewind(s);
	for (unsigned i = 0; i < SMALL_NUM; i++)
		expect_next(s, i, small_len[i]);
	expect_none(s);
	expect_balance(s);
	// The file goes away.
	assert_int_equal(unlink(segment(1)), 0);
	append(s, 100, 10);
	ht_spool_rewind(s);
	expect_next(s, 100, 10);
	expect_none(s);
	ht_spool_settle(s, 1);
	assert_int_equal(ht_spool_count(s), 0);
	expect_balance(s);
	ht_spool_close(s);
}

static void expect_three(bool first_too, uint64_t more) {
	static const uint64_t n[] = {0, 10, 1, 11, 2, 12};
	struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	assert_int_equal(ht_spool_count(s), 5 + first_too + (more > 0));
	for (unsigned i = !first_too; i < HT_ARRAY_LEN(n); i++)
		expect_next(s, n[i], 100);
	if (more > 0)
		expect_next(s, more, 100);
	else
		append(s, 99, 100), expect_next(s, 99, 100);
	expect_none(s);
	ht_spool_close(s);
}

static void test_cursor(void **state) {
	(void)state;
	uint8_t cursor[64], changed[64], of_5[64];
	size_t size = make_three(cursor, sizeof(cursor));
	assert_int_equal(size, 32);
	expect_three(false, 0);
	expect_three(false, 99);

	// A damaged, short or lost one: all comes again.
	for (size_t i = 0; i < size; i++) {
		make_three(cursor, sizeof(cursor));
		memcpy(changed, cursor, size);
		changed[i] ^= 0x10;
		store_file(in_spool("cursor"), changed, size);
		expect_three(true, 0);
		make_three(cursor, sizeof(cursor));
		store_file(in_spool("cursor"), cursor, i);
		expect_three(true, 0);
	}
	make_three(cursor, sizeof(cursor));
	unlink(in_spool("cursor"));
	expect_three(true, 0);

	// One that is right, and of other segments. Whatever comes new is behind it.
	make_three(of_5, sizeof(of_5));
	struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	append(s, 3, 100);
	append(s, 4, 100);
	for (unsigned i = 0; i < 6; i++) {
		struct ht_span got;
		assert_int_equal(ht_spool_next(s, &got), HT_OK);
	}
	ht_spool_settle(s, 6);
	ht_spool_close(s);
	load_file(in_spool("cursor"), of_5, sizeof(of_5)); // in segment 4
	make_three(cursor, sizeof(cursor));
	store_file(in_spool("cursor"), of_5, size);
	expect_three(true, 0);
	assert_true(exists(segment(5)));
	expect_three(true, 99);
	remove_files(path);
	store_file(in_spool("cursor"), of_5, size);
	s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	append(s, 7, 100);
	ht_spool_close(s);
	assert_true(exists(segment(5)));
	s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	expect_next(s, 7, 100);
	ht_spool_close(s);

	// Leftovers that the cursor is behind of are deleted.
	make_three(cursor, sizeof(cursor));
	s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	uint8_t first[512];
	const size_t first_size = load_file(segment(1), first, sizeof(first));
	expect_next(s, 10, 100);
	expect_next(s, 1, 100);
	ht_spool_settle(s, 2);
	ht_spool_close(s);
	store_file(segment(1), first, first_size);
	s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	assert_int_equal(ht_spool_count(s), 3);
	assert_false(exists(segment(1)));
	expect_next(s, 11, 100);
	ht_spool_close(s);
}

static void test_foreign_files(void **state) {
	(void)state;
	static const char *const names[] = {
		"000000000000000002.spool",
		"00000000000000001.spool",
		"000000000000000001.spool~",
		"0000000000000000012.spool",
		"000000000000000000.spool",
		"note",
		"1.spool",
		"999999999999999999.spool",
	};
	static const char text[] = "this is no segment, and longer than its first 32 bytes";
	make_small((uint8_t[512]){0}, 512);
	for (unsigned i = 0; i < HT_ARRAY_LEN(names); i++)
		store_file(in_spool(names[i]), text, sizeof(text));
	assert_int_equal(mkdir(segment(3), 0700), 0);
	char link[512];
	snprintf(link, sizeof(link), "%s", segment(4));
	assert_int_equal(symlink(segment(1), link), 0);
	struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_NEVER);
	assert_int_equal(ht_spool_count(s), SMALL_NUM);
	append(s, 100, 10);
	expect_but(s, SMALL_NUM);
	ht_spool_settle(s, SMALL_NUM + 1);
	ht_spool_close(s);
	for (unsigned i = 0; i < HT_ARRAY_LEN(names); i++) {
		char now[128];
		assert_int_equal(load_file(in_spool(names[i]), (uint8_t *)now, 128), sizeof(text));
		assert_memory_equal(now, text, sizeof(text));
	}
	assert_true(exists(segment(3)) && exists(link) && !exists(segment(5)));
}

// ---- a full disk

static void test_full_disk(void **state) {
	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0
	    || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
	    || mount("none", base, "tmpfs", 0, "size=512k") != 0) {
		print_message("# SKIP: a small tmpfs wants root and a mount namespace\n");
		skip();
	}
	struct ht_spool *s = open_spool(ROOMY, HT_SPOOL_FSYNC_FLUSH);
	uint64_t in = 0, out = 0, in_memory = 0, emptied = 0;
	for (unsigned round = 0; round < 200; round++) {
		const size_t len = 8 + draw(round % 10 == 0 ? 90000 : 3000);
		enum ht_rc rc;
		while ((rc = ht_spool_append(s, entry(in, len))) == HT_OK)
			in++;
		assert_int_equal(rc, HT_ERROR);
		assert_non_null(strstr(ht_spool_error(s), "No space left on device"));
		assert_int_equal(counter(s, HT_SPOOL_REFUSED_DISK), 1 + round % 7);
		if (ht_spool_flush(s) != HT_OK)
			in_memory++;
		// All of it is there, what is in memory as well.
		assert_int_equal(ht_spool_count(s), in - out);
		ht_spool_rewind(s);
		for (uint64_t n = out; n < in; n++) {
			struct ht_span got;
			assert_int_equal(ht_spool_next(s, &got), HT_OK);
			assert_int_equal(number_of(got), n);
		}
		expect_none(s);
		const uint64_t n = round % 5 == 4 ? in - out : draw((uint32_t)(in - out) + 1);
		ht_spool_settle(s, n);
		out += n;
		expect_balance(s);
		if (out == in) { // the disk is not full of what is settled
			append(s, in++, 3000);
			emptied++;
		}
		if (round % 7 < 6)
			continue;
		// What the disk did not take by the end is lost, and nothing else.
		const uint64_t settled = out;
		const bool all = ht_spool_flush(s) == HT_OK;
		const uint64_t flushed = in - (all ? 0 : ht_spool_unflushed(s));
		ht_spool_close(s);
		s = open_spool(ROOMY, HT_SPOOL_FSYNC_FLUSH);
		assert_int_equal(counter(s, HT_SPOOL_DAMAGED), 0);
		assert_int_equal(counter(s, HT_SPOOL_TORN_BYTES), 0);
		// Without room the cursor is an old one.
		const uint64_t count = ht_spool_count(s);
		struct ht_span got;
		if (count > 0) {
			assert_int_equal(ht_spool_next(s, &got), HT_OK);
			assert_true(number_of(got) <= out);
			out = number_of(got);
		}
		assert_true(out + count >= flushed || flushed <= settled);
		in = out + count;
	}
	assert_true(in_memory > 0 && emptied > 0);
	ht_spool_close(s);
	umount2(base, MNT_DETACH);
}

int main(void) {
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(test_in_order_and_again),
		T(test_names),
		T(test_model),
		T(test_max_bytes),
		T(test_window),
		T(test_killed),
		T(test_pace),
		T(test_torn_tails),
		T(test_every_byte_flipped),
		T(test_damage_is_counted),
		T(test_taken_away),
		T(test_taken_away_at_once),
		T(test_old_segments_taken_away),
		T(test_no_place_any_more),
		T(test_traps),
		T(test_probe),
		T(test_folder_of_others),
		T(test_damaged_while_open),
		T(test_cursor),
		T(test_foreign_files),
		T(test_full_disk),
	};
	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
