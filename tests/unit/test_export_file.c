// SPDX-License-Identifier: BSD-3-Clause

#include "ht_config.h"
#include "link.h"
#include "t.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// ---- the clock and the disk, as the test wants them (linked with --wrap)

static int64_t wall_clock; // 0: the real one
static unsigned syncs;
static int sync_error;

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_fsync(int fd);

int __wrap_clock_gettime(clockid_t id, struct timespec *t) {
	if (wall_clock == 0)
		return __real_clock_gettime(id, t);
	*t = (struct timespec){.tv_sec = wall_clock};
	return 0;
}

int __wrap_fsync(int fd) {
	(void)fd;
	syncs++;
	errno = sync_error;
	return sync_error != 0 ? -1 : 0;
}

#define BEGIN 1795839300 // 2026-11-28T04:15:00Z

// ---- a folder, and a link that writes there

struct place {
	char folder[64], spec[PATH_MAX], err[512];
	struct ht_sink_options o;
	struct ht_link *link;
	const struct ht_link_ops *ops;
};

static int set_up(void **state) {
	struct place *p = calloc(1, sizeof(*p));
	assert_non_null(p);
	strcpy(p->folder, "/tmp/test_export_file.XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	wall_clock = BEGIN;
	syncs = 0;
	sync_error = 0;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	*state = p;
	return 0;
}

static int tear_down(void **state) {
	struct place *p = *state;
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", p->folder);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

static void want(struct place *p, const char *kind, const char *name) {
	static const struct ht_link_ops *const all[]
		= {&ht_link_json, &ht_link_csv, &ht_link_table};
	for (unsigned i = 0; i < HT_ARRAY_LEN(all); i++)
		if (strcmp(all[i]->name, kind) == 0)
			p->ops = all[i];
	const bool whole = name[0] == '/' || strcmp(name, "-") == 0;
	snprintf(
		p->spec, sizeof(p->spec), "%s:%s%s%s", kind, whole ? "" : p->folder,
		whole ? "" : "/", name
	);
	p->o.to = p->spec;
	p->o.run.fields = HT_HAS(sni) | HT_HAS(frame);
}

static void open_link(struct place *p) {
	const enum ht_rc rc = p->ops->open(&p->link, &p->o, p->err, sizeof(p->err));
	if (rc != HT_OK)
		fail_msg("%s", p->err);
	assert_int_equal(p->ops->connect(p->link, 0), HT_OK);
}

static void give(struct place *p, uint64_t number) {
	struct ht_record r = {0};
	ht_set(&r, frame, number);
	ht_set(&r, sni, HT_SPAN_STR("www.example.com"));
	assert_int_equal(p->ops->give(p->link, &r), HT_OK);
}

static void flush(struct place *p) {
	assert_int_equal(p->ops->poll(p->link, true, 0), HT_OK);
}

static void settled(struct place *p, uint64_t delivered, uint64_t refused) {
	struct ht_settled s;
	p->ops->settled(p->link, &s);
	assert_int_equal(s.delivered, delivered);
	assert_int_equal(s.refused, refused);
}

static void close_link(struct place *p) {
	p->ops->close(p->link);
}

static char *path(const struct place *p, const char *name) {
	static char s[4][NAME_MAX + 80];
	static unsigned i;
	i = (i + 1) % 4;
	snprintf(s[i], sizeof(s[i]), "%s/%.*s", p->folder, NAME_MAX, name);
	return s[i];
}

// text_of is all that a command or a file gives; free it.
static char *read_all(FILE *from, size_t *len) {
	size_t room = 1 << 16;
	char *text = malloc(room);
	*len = 0;
	for (size_t n; (n = fread(text + *len, 1, room - *len - 1, from)) > 0;) {
		*len += n;
		if (room - *len < 2)
			text = realloc(text, room *= 2);
		assert_non_null(text);
	}
	text[*len] = '\0';
	return text;
}

static char *text_of(const struct place *p, const char *name) {
	size_t len;
	FILE *f = fopen(path(p, name), "r");
	if (f == NULL)
		fail_msg("%s: %s", name, strerror(errno));
	char *text = read_all(f, &len);
	fclose(f);
	return text;
}

// unzip asks the program zstd, which checks the checksum, too. `whole`: it must find nothing wrong.
static char *unzip(const struct place *p, const char *name, bool whole) {
	char command[PATH_MAX + 64];
	size_t len;
	snprintf(command, sizeof(command), "zstd -qdc < '%s' 2>&1", path(p, name));
	FILE *f = popen(command, "r");
	assert_non_null(f);
	char *text = read_all(f, &len);
	const int rc = pclose(f);
	if (whole && rc != 0)
		fail_msg("%s: %s", name, text);
	return text;
}

static void put_file(const struct place *p, const char *name, const void *bytes, size_t len) {
	FILE *f = fopen(path(p, name), "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	fclose(f);
}

static int by_name(const void *a, const void *b) {
	return strcmp(a, b);
}

// files lists what is in the folder, hidden files too, by name.
static unsigned files(const struct place *p, char names[][NAME_MAX + 1], unsigned max) {
	unsigned n = 0;
	DIR *d = opendir(p->folder);
	assert_non_null(d);
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
			assert_true(n < max);
			strcpy(names[n++], e->d_name);
		}
	closedir(d);
	qsort(names, n, sizeof(names[0]), by_name);
	return n;
}

static void only(const struct place *p, const char *name) {
	char names[8][NAME_MAX + 1];
	assert_int_equal(files(p, names, 8), 1);
	assert_string_equal(names[0], name);
}

// count checks that a text is whole lines of give(), of numbers that rise, and tells how many.
static uint64_t count(const char *text, uint64_t *last) {
	uint64_t n = 0;
	for (; *text != '\0'; n++) {
		char line[128];
		const uint64_t number = strtoull(text + strlen("{\"frame\":"), NULL, 10);
		const int len = snprintf(
			line, sizeof(line), "{\"frame\":%lu,\"sni\":\"www.example.com\"}\n",
			(unsigned long)number
		);
		if (strncmp(text, line, (size_t)len) != 0)
			fail_msg("no line: %.60s", text);
		assert_true(number > *last);
		*last = number;
		text += len;
	}
	return n;
}

#define LINE(n) "{\"frame\":" #n ",\"sni\":\"www.example.com\"}\n"

// ---- plain files

static void a_plain_file_is_written_and_gone_on_with(void **state) {
	struct place *p = *state;
	want(p, "csv", "a.csv");
	for (unsigned i = 0; i < 2; i++) {
		p->o.run.append = i > 0;
		open_link(p);
		give(p, i + 1);
		settled(p, 0, 0);
		flush(p);
		settled(p, 1, 0);
		assert_null(p->ops->error(p->link));
		close_link(p);
	}
	char *text = text_of(p, "a.csv");
	assert_string_equal(text, "frame,sni\r\n1,www.example.com\r\n2,www.example.com\r\n");
	free(text);
	only(p, "a.csv");
}

// What was there ends in the middle of a line, and whoever wrote that may go on until the first
// record comes.
static void a_torn_line_is_ended_when_a_record_comes(void **state) {
	struct place *p = *state;
	for (unsigned goes_on = 0; goes_on < 2; goes_on++) {
		want(p, "json", goes_on ? "on.json" : "torn.json");
		const char *const file = path(p, goes_on ? "on.json" : "torn.json");
		FILE *f = fopen(file, "a");
		assert_non_null(f);
		assert_true(fputs("{\"frame\":", f) >= 0 && fflush(f) == 0);
		p->o.run.append = true;
		open_link(p);
		flush(p);
		assert_true(!goes_on || fputs("1}\n", f) >= 0);
		fclose(f);
		give(p, 2);
		close_link(p);
		char line[200];
		f = fopen(file, "r");
		assert_non_null(f);
		assert_non_null(fgets(line, sizeof(line), f));
		assert_string_equal(line, goes_on ? "{\"frame\":1}\n" : "{\"frame\":\n");
		assert_non_null(fgets(line, sizeof(line), f));
		assert_non_null(strstr(line, "www.example.com"));
		assert_null(fgets(line, sizeof(line), f));
		fclose(f);
	}
}

static void each_kind_writes_as_its_sink_does(void **state) {
	struct place *p = *state;
	want(p, "json", "a");
	open_link(p);
	give(p, 7);
	close_link(p);
	char *text = text_of(p, "a");
	assert_string_equal(text, LINE(7));
	free(text);
	want(p, "table", "a");
	open_link(p);
	give(p, 7);
	close_link(p);
	text = text_of(p, "a");
	assert_non_null(strstr(text, "www.example.com"));
	free(text);
}

static void what_is_no_path_is_said(void **state) {
	struct place *p = *state;
	want(p, "json", "none/a.json");
	assert_int_equal(p->ops->open(&p->link, &p->o, p->err, sizeof(p->err)), HT_ERROR);
	assert_non_null(strstr(p->err, "none/a.json: No such file or directory"));
	p->o.rotate_s = 60;
	assert_int_equal(p->ops->open(&p->link, &p->o, p->err, sizeof(p->err)), HT_ERROR);
	assert_non_null(strstr(p->err, "none/a.json: No such file or directory"));
	p->o.rotate_s = 0;
	assert_int_equal(mkfifo(path(p, "fifo"), 0600), 0);
	want(p, "json", "fifo");
	p->o.run.no_wait = true;
	for (unsigned i = 0; i < (HT_HAVE_ZSTD ? 2 : 1); i++) {
		p->o.compress = i;
		assert_int_equal(p->ops->open(&p->link, &p->o, p->err, sizeof(p->err)), HT_ERROR);
		assert_non_null(strstr(p->err, "fifo: nobody reads it"));
	}
}

static void options_that_make_no_sense(void **state) {
	struct place *p = *state;
	assert_int_equal(mkfifo(path(p, "fifo"), 0600), 0);
	static const struct {
		const char *kind, *name;
		uint32_t mib, s;
		const char *says;
	} cases[] = {
		{"json", "-", 1, 0, "rotate_mib: standard output has no name to be rotated"},
		{"csv", "-", 0, 1, "rotate_s: standard output has no name to be rotated"},
		{"table", "a", 0, 1, "rotate_s: a table is not rotated"},
		{"json", "/dev/null", 1, 0, "rotate_mib: /dev/null is no regular file"},
		{"json", "fifo", 1, 0, "is no regular file"},
		{"json", "/tmp", 0, 0, "/tmp: Is a directory"},
		{"json", "/tmp/none/", 0, 0, "/tmp/none/: no name of a file"},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		want(p, cases[i].kind, cases[i].name);
		p->o.rotate_mib = cases[i].mib;
		p->o.rotate_s = cases[i].s;
		assert_int_equal(p->ops->check(&p->o, p->err, sizeof(p->err)), HT_BAD);
		assert_non_null(strstr(p->err, cases[i].says));
		assert_int_equal(p->ops->open(&p->link, &p->o, p->err, sizeof(p->err)), HT_ERROR);
		assert_memory_equal(p->err, p->spec, strlen(p->spec));
	}
	want(p, "json", "a");
	p->o.rotate_mib = p->o.rotate_s = 0;
	assert_int_equal(p->ops->check(&p->o, p->err, sizeof(p->err)), HT_OK);
	p->o.rotate_mib = p->o.rotate_s = 1;
	assert_int_equal(p->ops->check(&p->o, p->err, sizeof(p->err)), HT_OK);
	p->o.compress = HT_COMPRESS_ZSTD;
	assert_int_equal(
		p->ops->check(&p->o, p->err, sizeof(p->err)), HT_HAVE_ZSTD ? HT_OK : HT_BAD
	);
	if (!HT_HAVE_ZSTD)
		assert_non_null(strstr(p->err, "compress: this program was built without"));
}

static void a_full_device(void **state) {
	struct place *p = *state;
	for (unsigned zip = 0; zip < (HT_HAVE_ZSTD ? 2 : 1); zip++) {
		want(p, "json", "/dev/full");
		p->o.compress = zip;
		open_link(p);
		for (unsigned i = 0; i < 10000; i++)
			give(p, i + 1);
		flush(p);
		struct ht_settled s;
		p->ops->settled(p->link, &s);
		assert_int_equal(s.delivered, 0);
		assert_true(s.refused > 7000); // a compressed batch may wait
		assert_non_null(strstr(p->ops->error(p->link), "No space left on device: "));
		assert_false(p->ops->is_dead(p->link));
		p->ops->break_off(p->link);
		settled(p, 0, 10000);
		assert_non_null(strstr(p->ops->error(p->link), "10000 records lost"));
		close_link(p);
	}
}

static void a_reader_that_leaves(void **state) {
	struct place *p = *state;
	for (unsigned zip = 0; zip < (HT_HAVE_ZSTD ? 2 : 1); zip++) {
		int ends[2];
		char name[64];
		assert_int_equal(pipe(ends), 0);
		snprintf(name, sizeof(name), "/proc/self/fd/%d", ends[1]);
		want(p, "json", name);
		p->o.compress = zip;
		open_link(p);
		close(ends[1]);
		give(p, 1);
		flush(p);
		settled(p, 1, 0);
		assert_false(p->ops->is_dead(p->link));
		close(ends[0]);
		for (unsigned i = 0; i < 10; i++) {
			give(p, 2);
			flush(p);
		}
		settled(p, 1, 10);
		assert_true(p->ops->is_dead(p->link));
		p->ops->break_off(p->link);
		assert_true(p->ops->is_dead(p->link));
		assert_non_null(strstr(p->ops->error(p->link), "Broken pipe: 10 records lost"));
		close_link(p);
	}
}

static void what_was_broken_off_takes_nothing(void **state) {
	struct place *p = *state;
	struct ht_record r = {0};
	want(p, "json", "a");
	open_link(p);
	give(p, 1);
	p->ops->break_off(p->link);
	settled(p, 1, 0);
	assert_int_equal(p->ops->give(p->link, &r), HT_ERROR);
	assert_int_equal(p->ops->poll(p->link, true, 0), HT_ERROR);
	assert_int_equal(p->ops->connect(p->link, 0), HT_ERROR);
	settled(p, 1, 0);
	close_link(p);
}

// ---- rotation

static void a_file_for_each_window_of_time(void **state) {
	struct place *p = *state;
	want(p, "csv", "hellos.csv");
	p->o.rotate_s = 3600;
	open_link(p);
	char names[8][NAME_MAX + 1];
	assert_int_equal(files(p, names, 8), 0);
	give(p, 1);
	flush(p);
	only(p, ".hellos-20261128T041500Z-000001.csv.part");
	wall_clock = BEGIN + 2699; // 04:59:59
	give(p, 2);
	wall_clock++; // 05:00:00
	give(p, 3);
	assert_int_equal(files(p, names, 8), 1);
	flush(p);
	assert_int_equal(files(p, names, 8), 2);
	assert_string_equal(names[0], ".hellos-20261128T050000Z-000002.csv.part");
	// Nothing comes, and the file is finished all the same. None is begun.
	wall_clock += 3600;
	assert_int_equal(p->ops->poll(p->link, false, 0), HT_OK);
	assert_int_equal(files(p, names, 8), 2);
	assert_string_equal(names[0], "hellos-20261128T041500Z-000001.csv");
	assert_string_equal(names[1], "hellos-20261128T050000Z-000002.csv");
	settled(p, 3, 0);
	assert_null(p->ops->error(p->link));
	close_link(p);
	assert_int_equal(files(p, names, 8), 2);
	char *text = text_of(p, names[0]);
	assert_string_equal(text, "frame,sni\r\n1,www.example.com\r\n2,www.example.com\r\n");
	free(text);
	text = text_of(p, names[1]);
	assert_string_equal(text, "frame,sni\r\n3,www.example.com\r\n");
	free(text);
}

static void a_file_of_so_many_mib(void **state) {
	struct place *p = *state;
	for (unsigned zip = 0; zip < (HT_HAVE_ZSTD ? 2 : 1); zip++) {
		want(p, "json", zip ? "b.json" : "a.json");
		p->o.rotate_mib = 1;
		p->o.compress = zip;
		open_link(p);
		const uint64_t num = 70000;
		struct ht_record r = {0};
		char noise[64];
		for (uint64_t i = 1; i <= num; i++) {
			ht_set(&r, frame, i);
			for (unsigned k = 0; k < sizeof(noise); k++)
				noise[k] = (char)('0' + random() % 75);
			ht_set(&r, sni, HT_SPAN(noise, zip ? sizeof(noise) : 15));
			assert_int_equal(p->ops->give(p->link, &r), HT_OK);
		}
		flush(p);
		settled(p, num, 0);
		close_link(p);
		char names[16][NAME_MAX + 1];
		const unsigned n = files(p, names, 16);
		unsigned ours = 0;
		for (unsigned i = 0; i < n; i++) {
			struct stat st;
			if (names[i][0] != (zip ? 'b' : 'a'))
				continue;
			assert_int_equal(stat(path(p, names[i]), &st), 0);
			ours++;
			assert_true(st.st_size < (1 << 20) + (65 << 10));
			if (i + 1 < n && names[i + 1][0] == names[i][0])
				assert_true(st.st_size >= 1 << 20);
			if (zip)
				free(unzip(p, names[i], true));
		}
		assert_true(ours >= 3);
	}
}

static void nothing_is_overwritten(void **state) {
	struct place *p = *state;
	put_file(p, "a-20261128T041500Z-000001.json", "mine\n", 5);
	put_file(p, "a-20261128T041500Z-000003.json", "mine\n", 5);
	want(p, "json", "a.json");
	p->o.rotate_s = 1;
	open_link(p);
	give(p, 1);
	flush(p);
	// One that comes while the file is being written.
	put_file(p, "a-20261128T041500Z-000002.json", "mine\n", 5);
	close_link(p);
	// Another link of the same path, at the same time: SIGHUP opens before it closes.
	open_link(p);
	give(p, 2);
	flush(p);
	struct place other = *p;
	open_link(&other);
	give(&other, 3);
	flush(&other);
	assert_null(p->ops->error(other.link));
	close_link(p);
	close_link(&other);
	char names[16][NAME_MAX + 1];
	static const char *const wanted[][2] = {
		{"a-20261128T041500Z-000001.json", "mine\n"},
		{"a-20261128T041500Z-000002-1.json", LINE(1)},
		{"a-20261128T041500Z-000002.json", "mine\n"},
		{"a-20261128T041500Z-000003.json", "mine\n"},
		{"a-20261128T041500Z-000004.json", LINE(2)},
		{"a-20261128T041500Z-000005.json", LINE(3)},
	};
	assert_int_equal(files(p, names, 16), HT_ARRAY_LEN(wanted));
	for (unsigned i = 0; i < HT_ARRAY_LEN(wanted); i++) {
		char *text = text_of(p, wanted[i][0]);
		assert_string_equal(text, wanted[i][1]);
		free(text);
	}
}

static void names_with_and_without_an_end(void **state) {
	struct place *p = *state;
	static const char *const cases[][3] = {
		{"a", "a-20261128T041500Z-000001", "a-20261128T041500Z-000001.zst"},
		{".b", ".b-20261128T041500Z-000001", ".b-20261128T041500Z-000001.zst"},
		{"c.d.json", "c.d-20261128T041500Z-000001.json",
		 "c.d-20261128T041500Z-000001.json.zst"},
		{"e.json.zst", "e.json-20261128T041500Z-000001.zst",
		 "e-20261128T041500Z-000001.json.zst"},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++)
		for (unsigned zip = 0; zip < (HT_HAVE_ZSTD ? 2 : 1); zip++) {
			want(p, "json", cases[i][0]);
			p->o.rotate_s = 1;
			p->o.compress = zip;
			open_link(p);
			give(p, 1);
			close_link(p);
			only(p, cases[i][1 + zip]);
			assert_int_equal(unlink(path(p, cases[i][1 + zip])), 0);
		}
	char name[NAME_MAX + 1];
	memset(name, 'a', 230);
	name[230] = '\0';
	want(p, "json", name);
	assert_int_equal(p->ops->open(&p->link, &p->o, p->err, sizeof(p->err)), HT_ERROR);
	assert_non_null(strstr(p->err, "File name too long"));
}

static void a_file_that_cannot_be_begun(void **state) {
	struct place *p = *state;
	want(p, "json", "a.json");
	p->o.rotate_s = 60;
	open_link(p);
	struct rlimit old, none = {0};
	getrlimit(RLIMIT_NOFILE, &old);
	none.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_NOFILE, &none);
	give(p, 1);
	flush(p);
	setrlimit(RLIMIT_NOFILE, &old);
	settled(p, 0, 1);
	assert_non_null(strstr(p->ops->error(p->link), "Too many open files: 1 record lost"));
	give(p, 2);
	flush(p);
	settled(p, 1, 1);
	close_link(p);
	char *text = text_of(p, "a-20261128T041500Z-000001.json");
	assert_string_equal(text, LINE(2));
	free(text);
}

// There is no room for the end of a frame: the file is finished when there is.
static void a_frame_that_cannot_be_ended(void **state) {
	struct place *p = *state;
	if (!HT_HAVE_ZSTD)
		skip();
	want(p, "json", "a.json");
	p->o.rotate_s = 60;
	p->o.compress = HT_COMPRESS_ZSTD;
	open_link(p);
	give(p, 1);
	flush(p);
	const char *const part = ".a-20261128T041500Z-000001.json.zst.part";
	struct stat st;
	struct rlimit old, cut;
	assert_int_equal(stat(path(p, part), &st), 0);
	getrlimit(RLIMIT_FSIZE, &old);
	cut = (struct rlimit){.rlim_cur = (rlim_t)st.st_size, .rlim_max = old.rlim_max};
	setrlimit(RLIMIT_FSIZE, &cut);
	wall_clock += 60;
	assert_int_equal(p->ops->poll(p->link, false, 0), HT_OK);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_non_null(strstr(p->ops->error(p->link), "finishing it: File too large"));
	settled(p, 1, 0);
	only(p, part);
	give(p, 2);
	flush(p);
	wall_clock += 60;
	assert_int_equal(p->ops->poll(p->link, false, 0), HT_OK);
	settled(p, 2, 0);
	char names[2][NAME_MAX + 1];
	assert_int_equal(files(p, names, 2), 2);
	for (unsigned i = 0; i < 2; i++) {
		char *text = unzip(p, names[i], true);
		assert_string_equal(text, i == 0 ? LINE(1) : LINE(2));
		free(text);
	}
	close_link(p);
}

// ---- fsync

static unsigned syncs_of(struct place *p, uint32_t how) {
	p->o.fsync = how;
	syncs = 0;
	open_link(p);
	for (unsigned i = 0; i < 4; i++) { // four seconds, twice in each
		give(p, i + 1);
		flush(p);
		flush(p);
		wall_clock++;
	}
	flush(p); // nothing new
	close_link(p);
	return syncs;
}

static void when_files_are_synced(void **state) {
	struct place *p = *state;
	want(p, "json", "a.json");
	assert_int_equal(syncs_of(p, HT_FSYNC_NEVER), 0);
	assert_int_equal(syncs_of(p, HT_FSYNC_FINISHED), 1);
	assert_int_equal(syncs_of(p, HT_FSYNC_INTERVAL), 4);
	p->o.rotate_mib = 1;
	assert_int_equal(syncs_of(p, HT_FSYNC_NEVER), 0);
	assert_int_equal(syncs_of(p, HT_FSYNC_FINISHED), 2); // and its folder
	assert_int_equal(syncs_of(p, HT_FSYNC_INTERVAL), 4 + 3); // the folder when it is begun, too
}

static void a_sync_that_fails_is_said(void **state) {
	struct place *p = *state;
	sync_error = EIO;
	want(p, "json", "a.json");
	p->o.fsync = HT_FSYNC_INTERVAL;
	open_link(p);
	give(p, 1);
	flush(p);
	assert_non_null(strstr(p->ops->error(p->link), "a.json: fsync: Input/output error"));
	settled(p, 1, 0);
	close_link(p);
	p->o.rotate_s = 1;
	p->o.fsync = HT_FSYNC_FINISHED;
	open_link(p);
	give(p, 1);
	p->ops->break_off(p->link);
	assert_non_null(strstr(p->ops->error(p->link), ": fsync of its folder: Input"));
	close_link(p);
}

// ---- what a crash has left

#define PART(n, end) ".a-20261128T030000Z-00000" #n end ".part"
#define DONE(n, end) "a-20261128T030000Z-00000" #n end

static void what_a_crash_left_is_finished(void **state) {
	struct place *p = *state;
	put_file(p, PART(1, ".json"), LINE(1) LINE(2), 2 * strlen(LINE(1)));
	put_file(p, PART(2, ".json"), LINE(1) LINE(2), 2 * strlen(LINE(1)) - 1); // torn
	put_file(p, PART(3, ".json"), LINE(1), strlen(LINE(1)) - 1); // nothing whole in it
	put_file(p, PART(4, ".json"), "", 0);
	put_file(p, PART(5, ".json"), LINE(5), strlen(LINE(5)));
	put_file(p, DONE(5, ".json"), "mine\n", 5); // is there already
	put_file(p, PART(6, ".csv"), "x", 1); // of another
	put_file(p, ".a-20261128T030000Z-00000x.json.part", "x", 1);
	put_file(p, ".b-20261128T030000Z-000001.json.part", "x", 1);
	put_file(p, PART(7, ".json"), LINE(7), strlen(LINE(7))); // in use
	const int used = open(path(p, PART(7, ".json")), O_RDWR);
	assert_int_equal(flock(used, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(symlink("/dev/null", path(p, PART(8, ".json"))), 0);
	char *long_line = calloc(1, 100000);
	assert_non_null(long_line);
	memset(long_line, 'x', 100000);
	memcpy(long_line, LINE(9), strlen(LINE(9)));
	put_file(p, PART(9, ".json"), long_line, 100000);
	free(long_line);
	want(p, "json", "a.json");
	p->o.rotate_s = 60;
	open_link(p);
	close_link(p);
	static const char *const wanted[][2] = {
		{PART(6, ".csv"), "x"},
		{PART(7, ".json"), LINE(7)},
		{PART(8, ".json"), ""},
		{".a-20261128T030000Z-00000x.json.part", "x"},
		{".b-20261128T030000Z-000001.json.part", "x"},
		{DONE(1, ".json"), LINE(1) LINE(2)},
		{DONE(2, ".json"), LINE(1)},
		{"a-20261128T030000Z-000005-1.json", LINE(5)},
		{DONE(5, ".json"), "mine\n"},
		{DONE(9, ".json"), LINE(9)},
	};
	char names[16][NAME_MAX + 1];
	assert_int_equal(files(p, names, 16), HT_ARRAY_LEN(wanted));
	for (unsigned i = 0; i < HT_ARRAY_LEN(wanted); i++) {
		assert_string_equal(names[i], wanted[i][0]);
		char *text = text_of(p, wanted[i][0]);
		assert_string_equal(text, wanted[i][1]);
		free(text);
	}
	close(used);
}

// A real crash: a process that is killed with its file open.
static void a_process_that_is_killed(void **state) {
	struct place *p = *state;
	for (unsigned zip = 0; zip < (HT_HAVE_ZSTD ? 2 : 1); zip++) {
		want(p, "json", "a.json");
		p->o.rotate_s = 60;
		p->o.compress = zip;
		const pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			open_link(p);
			for (unsigned i = 1; i <= 5000; i++)
				give(p, i);
			flush(p);
			give(p, 5001);
			kill(getpid(), SIGKILL);
		}
		assert_int_equal(waitpid(child, NULL, 0), child);
		open_link(p);
		const char *const name = zip ? "a-20261128T041500Z-000001.json.zst"
					     : "a-20261128T041500Z-000001.json";
		only(p, name);
		char *text = zip ? unzip(p, name, true) : text_of(p, name);
		uint64_t last = 0;
		assert_int_equal(count(text, &last), 5000);
		free(text);
		close_link(p);
		assert_int_equal(unlink(path(p, name)), 0);
	}
}

// ---- compression

static void each_flush_can_be_decoded(void **state) {
	struct place *p = *state;
	if (!HT_HAVE_ZSTD)
		skip();
	want(p, "json", "a.json");
	p->o.compress = HT_COMPRESS_ZSTD;
	open_link(p);
	for (unsigned i = 1; i <= 5; i++) {
		give(p, i);
		flush(p);
		settled(p, i, 0);
		char *text = unzip(p, ".a-20261128T041500Z-000001.json.zst.part", false);
		char line[64];
		snprintf(line, sizeof(line), "{\"frame\":%u,", i);
		assert_non_null(strstr(text, line));
		free(text);
	}
	struct ht_settled s;
	p->ops->settled(p->link, &s);
	close_link(p);
	only(p, "a-20261128T041500Z-000001.json.zst");
	struct stat st;
	assert_int_equal(stat(path(p, "a-20261128T041500Z-000001.json.zst"), &st), 0);
	assert_int_equal(st.st_size, s.bytes + 7);
	char *text = unzip(p, "a-20261128T041500Z-000001.json.zst", true);
	assert_string_equal(text, LINE(1) LINE(2) LINE(3) LINE(4) LINE(5));
	free(text);
}

static void streams_are_compressed_too(void **state) {
	struct place *p = *state;
	if (!HT_HAVE_ZSTD)
		skip();
	for (unsigned num = 0; num < 2; num++) {
		const int out = dup(STDOUT_FILENO);
		const int to = open(path(p, "out"), O_RDWR | O_CREAT | O_TRUNC, 0600);
		fflush(stdout);
		assert_int_equal(dup2(to, STDOUT_FILENO), STDOUT_FILENO);
		want(p, "csv", "-");
		p->o.compress = HT_COMPRESS_ZSTD;
		open_link(p);
		for (unsigned i = 0; i < num; i++)
			give(p, 1);
		close_link(p);
		dup2(out, STDOUT_FILENO);
		close(out);
		close(to);
		char *text = unzip(p, "out", true);
		assert_string_equal(
			text, num > 0 ? "frame,sni\r\n1,www.example.com\r\n" : "frame,sni\r\n"
		);
		free(text);
	}
}

// A file cut anywhere is whole again, with the lines of the batches that were whole in it.
static void a_compressed_file_cut_anywhere(void **state) {
	struct place *p = *state;
	if (!HT_HAVE_ZSTD)
		skip();
	want(p, "json", "a.json");
	p->o.compress = HT_COMPRESS_ZSTD;
	open_link(p);
	uint64_t ends[8] = {0}, number = 0;
	for (unsigned batch = 1; batch < 6; batch++) {
		for (unsigned i = 0; i < 3; i++)
			give(p, ++number);
		flush(p);
		struct ht_settled s;
		p->ops->settled(p->link, &s);
		ends[batch] = s.bytes;
	}
	close_link(p);
	const char *const name = "a-20261128T041500Z-000001.json.zst";
	size_t len;
	FILE *f = fopen(path(p, name), "r");
	char *bytes = read_all(f, &len);
	fclose(f);
	assert_int_equal(len, ends[5] + 7);
	for (size_t cut = 0; cut <= len; cut++) {
		assert_int_equal(unlink(path(p, name)), 0);
		put_file(p, ".a-20261128T041500Z-000001.json.zst.part", bytes, cut);
		open_link(p);
		assert_null(p->ops->error(p->link));
		close_link(p);
		unsigned batches = 0;
		while (batches < 5 && ends[batches + 1] <= cut)
			batches++;
		if (batches > 0) {
			only(p, name);
			char *text = unzip(p, name, true);
			uint64_t last = 0;
			assert_int_equal(count(text, &last), 3 * batches);
			free(text);
		} else {
			char names[1][NAME_MAX + 1];
			assert_int_equal(files(p, names, 1), 0);
			put_file(p, name, "", 0); // to be removed
		}
	}
	free(bytes);
}

// Bytes that were changed: whatever is kept can be decoded, and what is no frame of ours stays.
static void a_compressed_file_that_is_broken(void **state) {
	struct place *p = *state;
	if (!HT_HAVE_ZSTD)
		skip();
	want(p, "json", "a.json");
	p->o.compress = HT_COMPRESS_ZSTD;
	open_link(p);
	for (unsigned i = 1; i <= 40; i++) {
		give(p, i);
		if (i % 10 == 0)
			flush(p);
	}
	close_link(p);
	const char *const name = "a-20261128T041500Z-000001.json.zst";
	const char *const part = ".a-20261128T041500Z-000001.json.zst.part";
	size_t len;
	FILE *f = fopen(path(p, name), "r");
	char *bytes = read_all(f, &len);
	fclose(f);
	for (size_t at = 0; at < len; at++) {
		unlink(path(p, name));
		bytes[at] ^= (char)(1 + at % 255);
		put_file(p, part, bytes, len);
		bytes[at] ^= (char)(1 + at % 255);
		open_link(p);
		struct stat st;
		const bool stays = stat(path(p, part), &st) == 0;
		assert_int_equal(stays, at < 5);
		assert_int_equal(p->ops->error(p->link) != NULL, stays);
		close_link(p);
		unlink(path(p, part));
		if (stat(path(p, name), &st) == 0)
			free(unzip(p, name, true));
	}
	free(bytes);
}

// Batches of more than one block (128 KiB) are cut at a block that ends a line, if any.
static void records_larger_than_a_block(void **state) {
	struct place *p = *state;
	if (!HT_HAVE_ZSTD)
		skip();
	want(p, "json", "a.json");
	p->o.compress = HT_COMPRESS_ZSTD;
	open_link(p);
	uint8_t *text = malloc(500000);
	assert_non_null(text);
	for (unsigned i = 0; i < 500000; i++)
		text[i] = (uint8_t)('0' + random() % 40);
	struct ht_record r = {0};
	give(p, 1);
	flush(p);
	ht_set(&r, sni, HT_SPAN(text, 500000));
	assert_int_equal(p->ops->give(p->link, &r), HT_OK);
	flush(p);
	settled(p, 2, 0);
	close_link(p);
	const char *const name = "a-20261128T041500Z-000001.json.zst";
	char *whole = unzip(p, name, true);
	assert_int_equal(strlen(whole), strlen(LINE(1)) + 500000 + 11);
	free(whole);
	assert_int_equal(truncate(path(p, name), 300000), 0);
	assert_int_equal(
		rename(path(p, name), path(p, ".a-20261128T041500Z-000001.json.zst.part")), 0
	);
	open_link(p);
	close_link(p);
	whole = unzip(p, name, true);
	assert_string_equal(whole, LINE(1));
	free(whole);
	free(text);
}

// ---- a disk that is full

static bool mount_small(const struct place *p) {
	return geteuid() == 0 && unshare(CLONE_NEWNS) == 0
	       && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0
	       && mount("none", p->folder, "tmpfs", 0, "size=256k") == 0;
}

// One child a case, with a file system of its own.
static int full_disk(struct place *p, uint32_t compress, bool room_again) {
	if (!mount_small(p))
		return 77;
	want(p, "json", "a.json");
	p->o.rotate_s = 60;
	p->o.compress = compress;
	open_link(p);
	uint64_t number = 0;
	struct ht_record r = {0};
	char noise[600];
	struct ht_settled s;
	give(p, ++number);
	flush(p);
	// What does not compress, until some are refused.
	for (unsigned i = 0; i < 2000; i++) {
		for (unsigned k = 0; k < sizeof(noise); k++)
			noise[k] = (char)('0' + random() % 64);
		ht_set(&r, frame, ++number);
		ht_set(&r, sni, HT_SPAN(noise, sizeof(noise)));
		assert_int_equal(p->ops->give(p->link, &r), HT_OK);
		if (i % 7 == 0)
			flush(p);
	}
	flush(p);
	p->ops->settled(p->link, &s);
	assert_true(s.delivered > 100 && s.refused > 100);
	assert_non_null(strstr(p->ops->error(p->link), "No space left on device"));
	if (room_again) {
		assert_int_equal(mount("none", p->folder, "tmpfs", MS_REMOUNT, "size=1m"), 0);
		for (unsigned i = 0; i < 50; i++)
			give(p, ++number);
		flush(p);
		const uint64_t before = s.delivered;
		p->ops->settled(p->link, &s);
		assert_true(s.delivered >= before + 50);
		assert_int_equal(s.delivered + s.refused, number);
	}
	p->ops->break_off(p->link);
	p->ops->settled(p->link, &s);
	assert_int_equal(s.delivered + s.refused, number);
	close_link(p);
	// What was cut off has left room for the end of the frame.
	char names[8][NAME_MAX + 1];
	assert_int_equal(files(p, names, 8), 1);
	assert_int_equal(names[0][0], 'a');
	char *text = compress ? unzip(p, names[0], true) : text_of(p, names[0]);
	uint64_t lines = 0;
	for (const char *c = text; *c != '\0'; lines++) {
		assert_memory_equal(c, "{\"frame\":", 9);
		c = strchr(c, '\n');
		assert_non_null(c);
		assert_memory_equal(c - 2, "\"}", 2);
		c++;
	}
	assert_int_equal(lines, s.delivered);
	free(text);
	return 0;
}

static void a_disk_that_is_full(void **state) {
	struct place *p = *state;
	for (unsigned i = 0; i < (HT_HAVE_ZSTD ? 4 : 2); i++) {
		const pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			_exit(full_disk(p, i / 2, i % 2));
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
			skip();
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(a_plain_file_is_written_and_gone_on_with),
		CASE(a_torn_line_is_ended_when_a_record_comes),
		CASE(each_kind_writes_as_its_sink_does),
		CASE(what_is_no_path_is_said),
		CASE(options_that_make_no_sense),
		CASE(a_full_device),
		CASE(a_reader_that_leaves),
		CASE(what_was_broken_off_takes_nothing),
		CASE(a_file_for_each_window_of_time),
		CASE(a_file_of_so_many_mib),
		CASE(nothing_is_overwritten),
		CASE(names_with_and_without_an_end),
		CASE(a_file_that_cannot_be_begun),
		CASE(a_frame_that_cannot_be_ended),
		CASE(when_files_are_synced),
		CASE(a_sync_that_fails_is_said),
		CASE(what_a_crash_left_is_finished),
		CASE(a_process_that_is_killed),
		CASE(each_flush_can_be_decoded),
		CASE(streams_are_compressed_too),
		CASE(a_compressed_file_cut_anywhere),
		CASE(a_compressed_file_that_is_broken),
		CASE(records_larger_than_a_block),
		CASE(a_disk_that_is_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
