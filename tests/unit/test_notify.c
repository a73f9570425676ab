// SPDX-License-Identifier: BSD-3-Clause
// The manager here is a socket of the test's own.

#include "notify.h"
#include "t.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int manager = -1;
static char folder[] = "/tmp/hellotap-notify-XXXXXX";
static char path[64];

// Listens at `address` ('@': abstract) and puts it where the manager would.
static void listen_at(const char *address) {
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const size_t len = strlen(address);
	memcpy(to.sun_path, address, len);
	if (address[0] == '@')
		to.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(manager >= 0);
	assert_int_equal(
		bind(manager, (struct sockaddr *)&to,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
		0
	);
	setenv("NOTIFY_SOCKET", address, 1);
}

// The next message, or "" when there is none. What was sent is there already.
static const char *said(void) {
	static char text[8192];
	const ssize_t n = recv(manager, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static int setup(void **state) {
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	strcpy(folder, "/tmp/hellotap-notify-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/socket", folder);
	return 0;
}

static int teardown(void **state) {
	(void)state;
	if (manager >= 0)
		close(manager);
	manager = -1;
	unlink(path);
	return rmdir(folder);
}

static void each_message(void) {
	struct notify n;
	char err[256];
	assert_int_equal(notify_open(&n, err, sizeof(err)), HT_OK);
	assert_int_equal(notify_ready(&n, "3 workers"), HT_OK);
	assert_string_equal(said(), "READY=1\nSTATUS=3 workers");
	assert_int_equal(notify_ready(&n, NULL), HT_OK);
	assert_string_equal(said(), "READY=1\n");
	assert_int_equal(notify_status(&n, "10 hellos"), HT_OK);
	assert_string_equal(said(), "STATUS=10 hellos");
	assert_int_equal(notify_alive(&n), HT_OK);
	assert_string_equal(said(), "WATCHDOG=1\n");
	assert_int_equal(notify_stopping(&n, "writing what is left"), HT_OK);
	assert_string_equal(said(), "STOPPING=1\nSTATUS=writing what is left");
	assert_int_equal(notify_extend(&n, 10000000), HT_OK);
	assert_string_equal(said(), "EXTEND_TIMEOUT_USEC=10000000\n");
	notify_close(&n);
	assert_int_equal(notify_alive(&n), HT_SKIP);
	assert_string_equal(said(), "");
}

static void a_socket_in_the_file_system(void **state) {
	(void)state;
	listen_at(path);
	each_message();
}

static void an_abstract_socket(void **state) {
	(void)state;
	char name[64];
	snprintf(name, sizeof(name), "@hellotap-test-%d", (int)getpid());
	listen_at(name);
	each_message();
}

static void the_longest_address(void **state) {
	(void)state;
	struct notify n;
	char err[256], name[sizeof(n.to.sun_path) + 1];
	memset(name, 'x', sizeof(name));
	snprintf(name, 32, "@hellotap-test-%d", (int)getpid());
	name[strlen(name)] = 'x';
	name[sizeof(name) - 2] = '\0'; // 107 bytes
	listen_at(name);
	assert_int_equal(notify_open(&n, err, sizeof(err)), HT_OK);
	assert_int_equal(notify_alive(&n), HT_OK);
	assert_string_equal(said(), "WATCHDOG=1\n");
	notify_close(&n);
}

static void reloading_tells_the_time(void **state) {
	(void)state;
	struct notify n;
	struct timespec before, after;
	char err[256];
	uint64_t us;
	int end = 0;
	listen_at(path);
	assert_int_equal(notify_open(&n, err, sizeof(err)), HT_OK);
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(notify_reloading(&n), HT_OK);
	clock_gettime(CLOCK_MONOTONIC, &after);
	const char *text = said();
	assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%" SCNu64 "\n%n", &us, &end), 1);
	assert_int_equal(end, strlen(text));
	assert_true(us >= (uint64_t)before.tv_sec * 1000000 + (uint64_t)before.tv_nsec / 1000);
	assert_true(us <= (uint64_t)after.tv_sec * 1000000 + (uint64_t)after.tv_nsec / 1000);
	notify_close(&n);
}

// A status may hold what a configuration file says.
static void a_status_is_one_line(void **state) {
	(void)state;
	struct notify n;
	char err[256];
	listen_at(path);
	assert_int_equal(notify_open(&n, err, sizeof(err)), HT_OK);
	assert_int_equal(notify_status(&n, "a\nREADY=1\r\n\tb\x7f"), HT_OK);
	assert_string_equal(said(), "STATUS=a READY=1   b ");
	notify_close(&n);
}

// Any length, of characters of one to four bytes: what arrives is a part of it, and whole
// characters.
static void a_long_status_is_cut_between_characters(void **state) {
	(void)state;
	static const char *const chars[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\x9f"};
	struct notify n;
	char err[256], status[4096 + 8];
	listen_at(path);
	assert_int_equal(notify_open(&n, err, sizeof(err)), HT_OK);
	for (unsigned c = 0; c < HT_ARRAY_LEN(chars); c++) {
		const size_t size = strlen(chars[c]);
		for (size_t shift = 0; shift < size; shift++) {
			memset(status, '-', shift);
			size_t len = shift;
			for (; len < 4096; len += size)
				memcpy(status + len, chars[c], size);
			status[len] = '\0';
			assert_int_equal(notify_status(&n, status), HT_OK);
			const char *text = said() + strlen("STATUS=");
			const size_t got = strlen(text);
			assert_true(got > 2000 && got <= 2048);
			assert_memory_equal(text, status, got);
			assert_int_equal((got - shift) % size, 0);
		}
	}
	notify_close(&n);
}

static void the_variables_are_gone(void **state) {
	(void)state;
	struct notify n;
	char err[256];
	listen_at(path);
	setenv("WATCHDOG_USEC", "30000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_open(&n, err, sizeof(err)), HT_OK);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
	assert_int_equal(n.watchdog_us, 0); // another process was meant
	notify_close(&n);
}

static void the_watchdog(void **state) {
	(void)state;
	char me[16];
	snprintf(me, sizeof(me), "%d", (int)getpid());
	const struct {
		const char *usec, *pid;
		uint64_t us;
		enum ht_rc rc;
	} cases[] = {
		{"30000000", NULL, 30000000, HT_OK},
		{"30000000", me, 30000000, HT_OK},
		{"30000000", "2147483647", 0, HT_OK},
		{"30000000", "", 0, HT_OK},
		{"18446744073709551615", me, UINT64_MAX, HT_OK},
		{"18446744073709551616", me, 0, HT_BAD},
		{"0", me, 0, HT_BAD},
		{"", me, 0, HT_BAD},
		{"-1", me, 0, HT_BAD},
		{"30s", me, 0, HT_BAD},
	};
	listen_at(path);
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct notify n;
		char err[256] = "";
		setenv("NOTIFY_SOCKET", path, 1);
		setenv("WATCHDOG_USEC", cases[i].usec, 1);
		if (cases[i].pid != NULL)
			setenv("WATCHDOG_PID", cases[i].pid, 1);
		assert_int_equal(notify_open(&n, err, sizeof(err)), cases[i].rc);
		assert_int_equal(n.watchdog_us, cases[i].us);
		assert_int_equal(err[0] != '\0', cases[i].rc != HT_OK);
		assert_int_equal(notify_alive(&n), HT_OK); // the socket is good all the same
		assert_string_equal(said(), "WATCHDOG=1\n");
		notify_close(&n);
	}
}

static void nobody_asked(void **state) {
	(void)state;
	struct notify n;
	char err[256];
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(notify_open(&n, err, sizeof(err)), HT_SKIP);
	assert_int_equal(n.watchdog_us, 0);
	assert_null(getenv("WATCHDOG_USEC"));
	assert_int_equal(notify_ready(&n, "x"), HT_SKIP);
	assert_int_equal(notify_reloading(&n), HT_SKIP);
	assert_int_equal(notify_stopping(&n, NULL), HT_SKIP);
	notify_close(&n);
}

static void no_address(void **state) {
	(void)state;
	char too_long[200];
	memset(too_long, 'x', sizeof(too_long));
	too_long[0] = '/';
	too_long[108] = '\0'; // the NUL has no room
	const char *const bad[] = {"", "/", "@", "relative", "vsock:2:1234", too_long};
	for (unsigned i = 0; i < HT_ARRAY_LEN(bad); i++) {
		struct notify n;
		char err[256] = "";
		setenv("NOTIFY_SOCKET", bad[i], 1);
		assert_int_equal(notify_open(&n, err, sizeof(err)), HT_BAD);
		assert_non_null(strstr(err, "NOTIFY_SOCKET="));
		assert_null(getenv("NOTIFY_SOCKET"));
		assert_int_equal(notify_alive(&n), HT_SKIP);
		notify_close(&n);
	}
}

static void the_manager_goes_away_and_comes_back(void **state) {
	(void)state;
	struct notify n;
	char err[256];
	listen_at(path);
	assert_int_equal(notify_open(&n, err, sizeof(err)), HT_OK);
	close(manager);
	assert_int_equal(notify_alive(&n), HT_ERROR);
	unlink(path);
	assert_int_equal(notify_alive(&n), HT_ERROR);
	listen_at(path);
	assert_int_equal(notify_alive(&n), HT_OK);
	assert_string_equal(said(), "WATCHDOG=1\n");
	notify_close(&n);
}

// A manager that stands still must not stop the sensor.
static void the_manager_does_not_read(void **state) {
	(void)state;
	struct notify n;
	char err[256];
	enum ht_rc rc = HT_OK;
	listen_at(path);
	assert_int_equal(notify_open(&n, err, sizeof(err)), HT_OK);
	for (unsigned i = 0; rc == HT_OK && i < 100000; i++)
		rc = notify_alive(&n);
	assert_int_equal(rc, HT_ERROR);
	assert_int_equal(errno, EAGAIN);
	notify_close(&n);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(a_socket_in_the_file_system),
		CASE(an_abstract_socket),
		CASE(the_longest_address),
		CASE(reloading_tells_the_time),
		CASE(a_status_is_one_line),
		CASE(a_long_status_is_cut_between_characters),
		CASE(the_variables_are_gone),
		CASE(the_watchdog),
		CASE(nobody_asked),
		CASE(no_address),
		CASE(the_manager_goes_away_and_comes_back),
		CASE(the_manager_does_not_read),
	};
	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
