// SPDX-License-Identifier: BSD-3-Clause

#include "service.h"
#include "t.h"

#include <netinet/in.h>

static struct ht_services *t;

static int set_up(void **state) {
	(void)state;
	t = ht_services_new();
	return t == NULL ? -1 : 0;
}

static int tear_down(void **state) {
	(void)state;
	ht_services_free(t);
	return 0;
}

// parse reads a copy of exactly n bytes.
static enum ht_rc parse(const char *text, size_t n, struct ht_services_error *err) {
	uint8_t *copy = t_dup(text, n);
	*err = (struct ht_services_error){0, NULL};
	enum ht_rc rc = ht_services_parse(t, HT_SPAN(copy, n), err);
	free(copy);
	return rc;
}

static void good(const char *text) {
	struct ht_services_error err;
	if (parse(text, strlen(text), &err) != HT_OK)
		fail_msg("\"%s\": line %u: %s", text, err.line, err.reason);
}

// is expects a service, "name mode", or "" for none.
static void is(uint16_t port, uint8_t proto, const char *want) {
	const struct ht_service *s = ht_service_of(t, port, proto);
	char got[64] = "";
	if (s != NULL)
		snprintf(got, sizeof(got), "%s %s", s->name, ht_service_mode_name(s->mode));
	if (strcmp(got, want) != 0)
		fail_msg("port %u, protocol %u: want '%s', got '%s'", port, proto, want, got);
	assert_int_equal(ht_service_always_tls(t, port, proto), strstr(want, " implicit") != NULL);
}

static void builtin(void **state) {
	(void)state;
	static const struct {
		uint16_t port;
		uint8_t proto;
		const char *want;
	} cases[] = {
		{443, IPPROTO_TCP, "https implicit"},
		{443, IPPROTO_UDP, "https implicit"},
		{443, IPPROTO_SCTP, ""},
		{22, IPPROTO_TCP, "ssh never"},
		{22, IPPROTO_UDP, ""},
		{25, IPPROTO_TCP, "smtp upgrade"},
		{8080, IPPROTO_TCP, "http-alt either"},
		{9199, IPPROTO_TCP, ""},
		{9200, IPPROTO_TCP, "elasticsearch either"},
		{9250, IPPROTO_TCP, "elasticsearch either"},
		{9300, IPPROTO_TCP, "elasticsearch either"},
		{9301, IPPROTO_TCP, ""},
		{1812, IPPROTO_UDP, "radius upgrade"},
		{1813, IPPROTO_UDP, "radius-acct never"},
		{2083, IPPROTO_UDP, "radsec implicit"},
		{3268, IPPROTO_TCP, "ldap-gc upgrade"},
		{3269, IPPROTO_TCP, "ldap-gc implicit"},
		{0, IPPROTO_TCP, ""},
		{65535, IPPROTO_UDP, ""},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++)
		is(cases[i].port, cases[i].proto, cases[i].want);
}

// The ports that were promised are named.
static void none_is_missing(void **state) {
	(void)state;
	static const uint16_t tcp[] = {
		443,  8443, 9443, 8080, 25,   465,  587,  143,	993,  110,   995,
		21,   990,  389,  636,	3268, 3269, 3306, 5432, 1433, 6443,  2376,
		2377, 9200, 9300, 5671, 8883, 9093, 2083, 853,	1194, 119,   563,
		4190, 5222, 5223, 5269, 6697, 6667, 3389, 80,	22,   33060, 27017,
	};
	static const uint16_t udp[] = {443, 853, 1194, 1812, 1813, 2083, 3389};
	for (size_t i = 0; i < HT_ARRAY_LEN(tcp); i++)
		assert_non_null(ht_service_of(t, tcp[i], IPPROTO_TCP));
	for (size_t i = 0; i < HT_ARRAY_LEN(udp); i++)
		assert_non_null(ht_service_of(t, udp[i], IPPROTO_UDP));
}

// The list is sorted, without overlaps, and says of each port what the lookup says.
static void expect_sound(void) {
	static const struct ht_service *listed[2][65536];
	struct ht_service_ports p, before = {0};
	memset(listed, 0, sizeof(listed));
	for (uint32_t at = 0; ht_services_next(t, &at, &p); before = p) {
		assert_true(p.proto == IPPROTO_TCP || p.proto == IPPROTO_UDP);
		assert_true(
			p.first > before.first
			|| (p.first == before.first && p.proto == IPPROTO_UDP)
		);
		for (uint32_t port = p.first; port <= p.last; port++) {
			assert_null(listed[p.proto == IPPROTO_UDP][port]);
			listed[p.proto == IPPROTO_UDP][port] = p.service;
		}
	}
	for (uint32_t port = 0; port < 65536; port++) {
		assert_ptr_equal(listed[0][port], ht_service_of(t, (uint16_t)port, IPPROTO_TCP));
		assert_ptr_equal(listed[1][port], ht_service_of(t, (uint16_t)port, IPPROTO_UDP));
	}
}

static bool has_name(const char *name) {
	const char *s;
	for (unsigned i = 0; (s = ht_services_name(t, i)) != NULL; i++)
		if (strcmp(s, name) == 0)
			return true;
	return false;
}

static void list(void **state) {
	(void)state;
	struct ht_service_ports p;
	expect_sound();
	for (uint32_t at = 0; ht_services_next(t, &at, &p);) {
		// Names that a user could give, and cells of docs/services.md.
		size_t n = strlen(p.service->name);
		assert_true(n > 0 && n <= HT_SERVICE_NAME_MAX);
		assert_int_equal(
			strspn(p.service->name, "abcdefghijklmnopqrstuvwxyz0123456789-"), n
		);
		assert_null(strpbrk(p.service->help, "|\n#"));
	}
	good("1-65535/tcp all never\n65535/udp last never");
	expect_sound();
	assert_true(has_name("all") && has_name("last") && has_name("https"));
	assert_false(has_name("htps"));
	uint32_t at = 0;
	assert_true(ht_services_next(t, &at, &p));
	assert_true(p.first == 1 && p.last == 65535 && p.proto == IPPROTO_TCP);
	good("1-65535/tcp -\n1-65535/udp -");
	at = 0;
	assert_false(ht_services_next(t, &at, &p));
	assert_false(ht_services_next(t, &at, &p)); // nor when asked again
}

static void users_lines(void **state) {
	(void)state;
	good("");
	good("\n\n# a comment\n   \t# another\r\n");
	is(443, IPPROTO_TCP, "https implicit");
	good("4433/tcp intranet implicit\n"
	     "\t7000-7009/udp \t backend  either   # why\r\n"
	     "443/tcp web either#\n"
	     "9250/tcp -\n"
	     "9251/tcp - # gone\n"
	     "1/tcp a-very-long-name-of-24-b upgrade\n"
	     "00065535/udp - \n"
	     "65535/udp last never"); // no line end
	is(4433, IPPROTO_TCP, "intranet implicit");
	is(4433, IPPROTO_UDP, "");
	is(6999, IPPROTO_UDP, "");
	is(7000, IPPROTO_UDP, "backend either");
	is(7009, IPPROTO_UDP, "backend either");
	is(7010, IPPROTO_UDP, "");
	is(443, IPPROTO_TCP, "web either");
	is(443, IPPROTO_UDP, "https implicit");
	is(9249, IPPROTO_TCP, "elasticsearch either");
	is(9250, IPPROTO_TCP, "");
	is(9251, IPPROTO_TCP, "");
	is(9252, IPPROTO_TCP, "elasticsearch either");
	is(1, IPPROTO_TCP, "a-very-long-name-of-24-b upgrade");
	is(65535, IPPROTO_UDP, "last never");
	good("7000-7005/udp one never\n7005-7006/udp two never\n7003/udp -"); // later lines win
	is(7002, IPPROTO_UDP, "one never");
	is(7003, IPPROTO_UDP, "");
	is(7004, IPPROTO_UDP, "one never");
	is(7005, IPPROTO_UDP, "two never");
	is(7007, IPPROTO_UDP, "backend either");
	expect_sound();
}

static void wrong_lines(void **state) {
	(void)state;
	static const char port[] = "a port is a number from 1 to 65535";
	static const char proto[] = "behind the port or the range comes /tcp or /udp";
	static const char range[] = "the range ends below its beginning";
	static const char name[] = "a name is 1 to 24 characters of a-z, 0-9 and -";
	static const char mode[] = "a mode is implicit, upgrade, either or never";
	static const struct {
		const char *line, *reason;
	} cases[] = {
		{"0/tcp a never", port},
		{"65536/tcp a never", port},
		{"4294967739/tcp a never", port}, // 443 in 32 bits
		{"18446744073709552059/tcp a never", port}, // in 64
		{"http/tcp a never", port},
		{"-443/tcp a never", port},
		{"443-/tcp a never", port},
		{"443-0/tcp a never", port},
		{"443-70000/tcp a never", port},
		{"+443/tcp a never", port},
		{"/tcp a never", port},
		{"\xef\xbb\xbf"
		 "443/tcp a never",
		 port}, // a byte order mark
		{"443 a never", proto},
		{"443/ a never", proto},
		{"443/tc a never", proto},
		{"443/tcpx a never", proto},
		{"443/TCP a never", proto},
		{"443/sctp a never", proto},
		{"443 /tcp a never", proto},
		{"443,444/tcp a never", proto},
		{"1-2-3/tcp a never", proto},
		{"444-443/tcp a never", range},
		{"443/tcp", name},
		{"443/tcp # a never", name},
		{"443/tcp A never", name},
		{"443/tcp a_b never", name},
		{"443/tcp a\"b never", name},
		{"443/tcp \x1b[31m never", name},
		{"443/tcp twenty-five-characters-ab never", name},
		{"443/tcp a", mode},
		{"443/tcp a sometimes", mode},
		{"443/tcp a Never", mode},
		{"443/tcp a nev", mode},
		{"443/tcp a neverx", mode},
		{"443/tcp -- ", mode},
		{"443/tcp a never b", "nothing follows the mode"},
		{"443/tcp - never", "nothing follows -"},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_services_error err;
		char text[200];
		int n = snprintf(
			text, sizeof(text), "1/tcp above never\n\n%s\n2/tcp below never\n",
			cases[i].line
		);
		if (parse(text, (size_t)n, &err) != HT_BAD || err.line != 3
		    || strcmp(err.reason, cases[i].reason) != 0)
			fail_msg("%s: line %u: %s", cases[i].line, err.line, err.reason);
		is(443, IPPROTO_TCP, "https implicit");
		is(1, IPPROTO_TCP, "above never");
		is(2, IPPROTO_TCP, "");
	}
	struct ht_services_error err;
	assert_int_equal(parse("443/tcp a\0b never", 17, &err), HT_BAD);
	assert_string_equal(err.reason, name);
}

static void long_lines(void **state) {
	(void)state;
	static char text[100000];
	struct ht_services_error err;
	memset(text, '#', sizeof(text));
	assert_int_equal(parse(text, sizeof(text), &err), HT_OK);
	memset(text, ' ', sizeof(text));
	memcpy(text, "443/tcp", 7);
	memcpy(text + 50000, "web", 3);
	memcpy(text + sizeof(text) - 5, "never", 5);
	assert_int_equal(parse(text, sizeof(text), &err), HT_OK);
	is(443, IPPROTO_TCP, "web never");
	memset(text, '9', sizeof(text));
	assert_int_equal(parse(text, sizeof(text), &err), HT_BAD);
	memcpy(text, "443/tcp ", 8);
	assert_int_equal(parse(text, sizeof(text), &err), HT_BAD);
	memset(text, '\n', sizeof(text));
	text[sizeof(text) - 1] = 'x';
	assert_int_equal(parse(text, sizeof(text), &err), HT_BAD);
	assert_int_equal(err.line, sizeof(text));
}

// Whatever is cut off: a whole line holds, and part of a line is an error or a shorter line.
static void truncation(void **state) {
	(void)state;
	static const char text[] = "4433/tcp intranet implicit # x\n7000-7009/udp backend either\n";
	for (size_t n = 0; n < sizeof(text); n++) {
		struct ht_services_error err;
		tear_down(NULL);
		set_up(NULL);
		enum ht_rc rc = parse(text, n, &err);
		assert_true(rc == HT_OK || (rc == HT_BAD && err.reason != NULL && err.line <= 2));
		is(4433, IPPROTO_TCP, n >= 26 ? "intranet implicit" : "");
		is(7000, IPPROTO_UDP, n >= 59 ? "backend either" : "");
		assert_int_equal(rc == HT_OK, n == 0 || (n >= 26 && n <= 31) || n >= 59);
	}
}

static void too_many(void **state) {
	(void)state;
	struct ht_services_error err;
	char line[64];
	unsigned n = 0;
	enum ht_rc rc = HT_OK;
	for (; rc == HT_OK && n <= HT_SERVICES_MAX; n++) {
		int len = snprintf(line, sizeof(line), "%u/tcp s%u never\n", 10000 + n, n);
		rc = parse(line, (size_t)len, &err);
	}
	assert_int_equal(rc, HT_BAD);
	assert_string_equal(err.reason, "too many different services");
	assert_true(n > HT_SERVICES_MAX / 2);
	// What is there stays, and more ports for a service that is known find room.
	is(10000, IPPROTO_TCP, "s0 never");
	is((uint16_t)(10000 + n - 1), IPPROTO_TCP, "");
	good("9/tcp s0 never\n443/tcp -");
	is(9, IPPROTO_TCP, "s0 never");
	expect_sound();
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(builtin),	   CASE(none_is_missing), CASE(list),	    CASE(users_lines),
		CASE(wrong_lines), CASE(long_lines),	  CASE(truncation), CASE(too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
