// SPDX-License-Identifier: BSD-3-Clause

#include "t.h"

#include "encode.h"
#include "export_int.h"
#include "t_json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// ---- a file that a sink writes to

struct file {
	int fd;
	struct ht_sink *sink;
};

static void open_sink(struct file *f, const char *kind, unsigned width, bool color) {
	char spec[64], err[256] = "";
	f->fd = memfd_create("test_export", 0);
	assert_true(f->fd >= 0);
	snprintf(spec, sizeof(spec), "%s:/proc/self/fd/%d", kind, f->fd);
	const struct ht_sink_params params = {.color = color, .width = width};
	assert_int_equal(ht_sink_open(&f->sink, spec, &params, err, sizeof(err)), HT_OK);
	assert_string_equal(err, "");
}

// content is all that is in the file, terminated; free it.
static char *content(const struct file *f, size_t *len) {
	*len = (size_t)lseek(f->fd, 0, SEEK_END);
	char *p = malloc(*len + 1);
	assert_non_null(p);
	assert_int_equal(pread(f->fd, p, *len, 0), *len);
	p[*len] = '\0';
	return p;
}

static char *close_sink(struct file *f, size_t *len) {
	char err[256];
	struct ht_sink_stats stats;
	assert_int_equal(ht_sink_close(f->sink, &stats, err, sizeof(err)), HT_OK);
	assert_int_equal(stats.lost, 0);
	assert_int_equal(stats.delivered, stats.records);
	char *text = content(f, len);
	assert_int_equal(*len, stats.bytes);
	close(f->fd);
	return text;
}

// text_of is what a kind of sink makes of one record; for CSV without the header line.
static char *text_of(const char *kind, const struct ht_record *r) {
	struct file f;
	size_t len;
	open_sink(&f, kind, 120, false);
	ht_sink_write(f.sink, r);
	char *text = close_sink(&f, &len);
	if (strcmp(kind, "csv") == 0) {
		const char *line = strstr(text, "\r\n");
		assert_non_null(line);
		memmove(text, line + 2, strlen(line + 2) + 1);
	}
	return text;
}

static void expect(const char *kind, const struct ht_record *r, const char *want) {
	char *text = text_of(kind, r);
	assert_string_equal(text, want);
	free(text);
}

// expect_cell checks one field in JSON and in CSV.
static void
expect_field(const struct ht_record *r, const char *name, const char *json, const char *cell) {
	char want[512];
	snprintf(want, sizeof(want), "{\"%s\":%s}\n", name, json);
	expect("json", r, want);
	unsigned id = 0;
	while (strcmp(ht_fields[id].name, name) != 0)
		id++;
	char *out = want;
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		if (i == id)
			out = stpcpy(out, cell);
		if (i + 1 < HT_NUM_FIELDS)
			*out++ = ',';
	}
	strcpy(out, "\r\n");
	expect("csv", r, want);
}

#define ONE(r, id, ...) ((r)->has = 0, ht_set(r, id, __VA_ARGS__))

// ---- values

static void scalars_at_their_bounds(void **state) {
	(void)state;
	struct ht_record r;
	ONE(&r, psk, true);
	expect_field(&r, "psk", "true", "true");
	ONE(&r, complete, false);
	expect_field(&r, "complete", "false", "false");
	ONE(&r, hello_number, 0);
	expect_field(&r, "hello_number", "0", "0");
	ONE(&r, hello_number, 255);
	expect_field(&r, "hello_number", "255", "255");
	ONE(&r, src_port, 65535);
	expect_field(&r, "src_port", "65535", "65535");
	ONE(&r, src_port, 2047); // the last that is looked up
	expect_field(&r, "src_port", "2047", "2047");
	ONE(&r, src_port, 2048);
	expect_field(&r, "src_port", "2048", "2048");
	ONE(&r, quic_version, UINT32_MAX);
	expect_field(&r, "quic_version", "4294967295", "4294967295");
	ONE(&r, frame, UINT64_MAX);
	expect_field(&r, "frame", "18446744073709551615", "18446744073709551615");
	ONE(&r, transport, "tcp");
	expect_field(&r, "transport", "\"tcp\"", "tcp");
	ONE(&r, quic_dcid, HT_SPAN("\x00\x7f\xff\xa5", 4));
	expect_field(&r, "quic_dcid", "\"007fffa5\"", "007fffa5");
	ONE(&r, quic_scid, HT_SPAN_EMPTY);
	expect_field(&r, "quic_scid", "\"\"", "");
	ONE(&r, ja4_r, HT_SPAN_STR("t13d0101_1301,1302_0000_0403"));
	expect_field(
		&r, "ja4_r", "\"t13d0101_1301,1302_0000_0403\"", "\"t13d0101_1301,1302_0000_0403\""
	);
	ONE(&r, src_mac, (const uint8_t *)"\x00\x00\x5e\x00\x53\xff");
	expect_field(&r, "src_mac", "\"00:00:5e:00:53:ff\"", "00:00:5e:00:53:ff");
}

static void lists_of_none_one_and_more(void **state) {
	(void)state;
	struct ht_record r;
	r.ciphers_are_24_bit = false;
	ONE(&r, ciphers, HT_SPAN_EMPTY);
	expect_field(&r, "ciphers", "[]", "");
	ONE(&r, ciphers, HT_SPAN("\x13\x01", 2));
	expect_field(&r, "ciphers", "[4865]", "4865");
	ONE(&r, ciphers, HT_SPAN("\0\0\xff\xff\x27\x0f\x27\x10", 8));
	expect_field(&r, "ciphers", "[0,65535,9999,10000]", "0 65535 9999 10000");
	r.ciphers_are_24_bit = true;
	expect_field(&r, "ciphers", "[255,16721679]", "255 16721679");
	ONE(&r, ciphers, HT_SPAN("\0\0\0\xff\xff\xff", 6));
	expect_field(&r, "ciphers", "[0,16777215]", "0 16777215");
	ONE(&r, ciphers, HT_SPAN_EMPTY);
	expect_field(&r, "ciphers", "[]", "");
	ONE(&r, point_formats, HT_SPAN("\0\x01\x63\x64\xff", 5));
	expect_field(&r, "point_formats", "[0,1,99,100,255]", "0 1 99 100 255");
	ONE(&r, point_formats, HT_SPAN_EMPTY);
	expect_field(&r, "point_formats", "[]", "");
	// RFC 9000 A.1 and the ends of each length
	ONE(&r, quic_transport_parameters,
	    HT_SPAN("\xc2\x19\x7c\x5e\xff\x14\xe8\x8c\x9d\x7f\x3e\x7d\x7b\xbd\x25\x3f\x00\x40\x25"
		    "\xff\xff\xff\xff\xff\xff\xff\xff",
		    27));
	expect_field(
		&r, "quic_transport_parameters",
		"[151288809941952652,494878333,15293,37,63,0,37,4611686018427387903]",
		"151288809941952652 494878333 15293 37 63 0 37 4611686018427387903"
	);
	ONE(&r, quic_transport_parameters, HT_SPAN_EMPTY);
	expect_field(&r, "quic_transport_parameters", "[]", "");
	ONE(&r, alpn, HT_SPAN_STR("\x02h2\x08http/1.1"));
	expect_field(&r, "alpn", "[\"h2\",\"http/1.1\"]", "h2 http/1.1");
	ONE(&r, alpn, HT_SPAN_STR("\x00\x02h2\x00"));
	expect_field(&r, "alpn", "[\"\",\"h2\",\"\"]", " h2 ");
	ONE(&r, alpn,
	    HT_SPAN_STR("\x03"
			"a b\x02\",\x02\xfa\xfa"));
	expect_field(
		&r, "alpn", "[\"a b\",\"\\\",\",\"\\\\xfa\\\\xfa\"]", "\"a\\x20b \"\", \\xfa\\xfa\""
	);
	r.via.num = 2;
	r.via.s[0] = "proxy-v1";
	r.via.s[1] = "smtp";
	r.has = HT_HAS(via);
	expect_field(&r, "via", "[\"proxy-v1\",\"smtp\"]", "proxy-v1 smtp");
	r.encap.num = HT_TEXTS_MAX; // all of it full
	char json[1024] = "[", cell[1024] = "";
	for (unsigned i = 0; i < HT_TEXTS_MAX; i++) {
		memset(r.encap.s[i], 'a' + (int)i, HT_TEXT_SIZE);
		r.encap.len[i] = HT_TEXT_SIZE;
		snprintf(json + strlen(json), 64, "\"%.28s\"%s", r.encap.s[i], i < 15 ? "," : "]");
		snprintf(cell + strlen(cell), 64, "%.28s%s", r.encap.s[i], i < 15 ? " " : "");
	}
	r.has = HT_HAS(encap);
	char want[1100];
	snprintf(want, sizeof(want), "{\"encap\":%s}\n", json);
	expect("json", &r, want);
	char *text = text_of("csv", &r);
	assert_non_null(strstr(text, cell));
	free(text);
}

static void every_16_bit_number(void **state) {
	(void)state;
	uint8_t list[256];
	char *const want = malloc(65536 * 16), *w = want;
	assert_non_null(want);
	struct file f;
	open_sink(&f, "json", 0, false);
	// Twice: a number is made the first time and looked up the second.
	for (unsigned v = 0; v < 2 * 65536; v += 128) {
		w = stpcpy(w, "{\"groups\":[");
		for (unsigned i = 0; i < 128; i++) {
			ht_put_be16(list + 2 * i, (uint16_t)(v + i));
			w += sprintf(w, "%u%s", (v + i) % 65536, i < 127 ? "," : "]}\n");
		}
		struct ht_record r;
		ONE(&r, groups, HT_SPAN(list, sizeof(list)));
		ht_sink_write(f.sink, &r);
	}
	size_t len;
	char *text = close_sink(&f, &len);
	assert_true(strcmp(text, want) == 0);
	free(text);
	free(want);
}

static void times(void **state) {
	(void)state;
	static const struct {
		int64_t ns;
		bool digits9;
		const char *want;
	} cases[] = {
		{0, false, "1970-01-01T00:00:00.000000Z"},
		{-1, true, "1969-12-31T23:59:59.999999999Z"},
		{-1000000000, true, "1969-12-31T23:59:59.000000000Z"},
		{-1000000001, true, "1969-12-31T23:59:58.999999999Z"},
		{999, false, "1970-01-01T00:00:00.000000Z"}, // cut, not rounded
		{1000, false, "1970-01-01T00:00:00.000001Z"},
		{951827696123456789, true, "2000-02-29T12:34:56.123456789Z"},
		{951827696123456789, false, "2000-02-29T12:34:56.123456Z"},
		{1795222923123456000, false, "2026-11-21T01:02:03.123456Z"},
		{4107542400000000000, false, "2100-03-01T00:00:00.000000Z"},
		{INT64_MAX, true, "2262-04-11T23:47:16.854775807Z"},
		{INT64_MIN, true, "1677-09-21T00:12:43.145224192Z"},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_record r;
		char want[64];
		r.ts_is_ns = cases[i].digits9;
		ONE(&r, ts, cases[i].ns);
		snprintf(want, sizeof(want), "\"%s\"", cases[i].want);
		expect_field(&r, "ts", want, cases[i].want);
	}
}

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t rnd(void) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1d >> 16;
}

static void seconds(void **state) {
	(void)state;
	static const struct {
		int64_t seconds;
		const char *want;
	} cases[] = {
		{0, "1970-01-01T00:00:00Z"},
		{-1, "1969-12-31T23:59:59Z"},
		{253402300799, "9999-12-31T23:59:59Z"}, // no end of validity (RFC 5280 4.1.2.5)
		{INT64_MAX, "9999-12-31T23:59:59Z"},
		{-62167219200, "0000-01-01T00:00:00Z"},
		{INT64_MIN, "0000-01-01T00:00:00Z"},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_record r;
		char want[64];
		ONE(&r, cert_not_after, cases[i].seconds);
		snprintf(want, sizeof(want), "{\"cert_not_after\":\"%s\"}\n", cases[i].want);
		expect("json", &r, want);
	}
}

static void random_times_agree_with_libc(void **state) {
	(void)state;
	struct file f;
	open_sink(&f, "json", 0, false);
	for (unsigned i = 0; i < 20000; i++) {
		char want[64], got[64];
		int64_t ns = (int64_t)(rnd() << 16 ^ rnd());
		if (i % 2 == 0)
			ns /= 1000000; // near 1970
		const int64_t fraction = ((ns % 1000000000) + 1000000000) % 1000000000;
		const time_t t = (time_t)((ns - fraction) / 1000000000);
		struct tm tm;
		gmtime_r(&t, &tm);
		size_t n = strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(want + n, sizeof(want) - n, ".%09uZ", (unsigned)fraction);
		*put_time(&f.sink->memo, got, ns, true) = '\0';
		assert_string_equal(got, want);
	}
	size_t len;
	free(close_sink(&f, &len));
}

static void addresses(void **state) {
	(void)state;
	static const struct {
		const char *name, *ip, *want;
	} cases[] = {
		{"RFC 5952 4.1: leading zeros", "2001:0db8::0001", "2001:db8::1"},
		{"RFC 5952 4.2.1: as short as possible", "2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},
		{"RFC 5952 4.2.2: not for one group", "2001:db8:0:1:1:1:1:1",
		 "2001:db8:0:1:1:1:1:1"},
		{"RFC 5952 4.2.3: the longest run", "2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
		{"RFC 5952 4.2.3: the first of two", "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"RFC 5952 4.3: lower case", "2001:DB8::ABCD", "2001:db8::abcd"},
		{"all zero", "::", "::"},
		{"at the beginning", "::1", "::1"},
		{"at the end", "1::", "1::"},
		{"the longest", "1111:2222:3333:4444:5555:6666:7777:8888",
		 "1111:2222:3333:4444:5555:6666:7777:8888"},
		{"mapped", "::ffff:192.0.2.1", "192.0.2.1"},
		{"mapped, zeros", "::ffff:0.0.0.0", "0.0.0.0"},
		{"mapped, longest", "::ffff:255.255.255.255", "255.255.255.255"},
		{"not quite mapped", "::1:ffff:c000:201", "::1:ffff:c000:201"},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_record r;
		uint8_t ip[16];
		char want[64];
		assert_int_equal(inet_pton(AF_INET6, cases[i].ip, ip), 1);
		uint8_t *p = t_dup(ip, sizeof(ip));
		ONE(&r, dst_ip, p);
		snprintf(want, sizeof(want), "\"%s\"", cases[i].want);
		expect_field(&r, "dst_ip", want, cases[i].want);
		free(p);
	}
}

static void random_addresses_agree_with_libc(void **state) {
	(void)state;
	struct file f;
	open_sink(&f, "json", 0, false);
	for (unsigned i = 0; i < 100000; i++) {
		uint8_t ip[16];
		char want[64], got[64];
		const uint64_t zero = rnd();
		for (unsigned k = 0; k < 8; k++)
			ht_put_be16(
				ip + 2 * k,
				zero >> k & 1 ? 0 : (uint16_t)(rnd() >> (zero >> (8 + 2 * k) & 12))
			);
		if (memcmp(ip, (const uint8_t[12]){0}, 12) == 0)
			continue; // ::a.b.c.d: libc has it dotted, RFC 5952 5 does not ask for it
		inet_ntop(AF_INET6, ip, want, sizeof(want));
		*put_ip(&f.sink->memo, got, ip) = '\0';
		assert_string_equal(got, want);
		const uint32_t v4 = (uint32_t)rnd();
		memset(ip, 0, 10);
		memset(ip + 10, 0xff, 2);
		memcpy(ip + 12, &v4, 4);
		inet_ntop(AF_INET, ip + 12, want, sizeof(want));
		*put_ip(&f.sink->memo, got, ip) = '\0';
		assert_string_equal(got, want);
	}
	size_t len;
	free(close_sink(&f, &len));
}

// ---- text

static void text_as_sent(void **state) {
	(void)state;
	static const struct {
		const char *name, *sent, *json, *plain;
	} cases[] = {
		{"empty", "", "", ""},
		{"ASCII", "www.example.com", "www.example.com", "www.example.com"},
		{"a space is ordinary", "a b", "a b", "a b"},
		{"0x7e is ordinary", "~~~~~~~~~", "~~~~~~~~~", "~~~~~~~~~"},
		{"DEL", "a\x7f", "a\\u007f", "a\\x7f"},
		{"control characters", "\x01\x1f\n", "\\u0001\\u001f\\u000a", "\\x01\\x1f\\x0a"},
		{"slash is not escaped", "a/b", "a/b", "a/b"},
		{"backslash", "a\\b", "a\\\\b", "a\\b"},
		{"backslash at the end", "a\\", "a\\\\", "a\\"},
		{"forged escape", "\\x41", "\\\\x5cx41", "\\x5cx41"},
		{"two backslashes and x", "\\\\x", "\\\\\\\\x5cx", "\\\\x5cx"},
		{"backslash and a bad byte", "\\\xff", "\\\\\\\\xff", "\\\\xff"},
		{"U+0080", "\xc2\x80", "\xc2\x80", "\xc2\x80"},
		{"U+07FF", "\xdf\xbf", "\xdf\xbf", "\xdf\xbf"},
		{"U+0800", "\xe0\xa0\x80", "\xe0\xa0\x80", "\xe0\xa0\x80"},
		{"U+D7FF", "\xed\x9f\xbf", "\xed\x9f\xbf", "\xed\x9f\xbf"},
		{"U+E000", "\xee\x80\x80", "\xee\x80\x80", "\xee\x80\x80"},
		{"U+2028", "\xe2\x80\xa8", "\xe2\x80\xa8", "\xe2\x80\xa8"},
		{"U+FFFF", "\xef\xbf\xbf", "\xef\xbf\xbf", "\xef\xbf\xbf"},
		{"U+10000", "\xf0\x90\x80\x80", "\xf0\x90\x80\x80", "\xf0\x90\x80\x80"},
		{"U+10FFFF", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
		{"above U+10FFFF", "\xf4\x90\x80\x80", "\\\\xf4\\\\x90\\\\x80\\\\x80",
		 "\\xf4\\x90\\x80\\x80"},
		{"five bytes", "\xf8\x88\x80\x80\x80", "\\\\xf8\\\\x88\\\\x80\\\\x80\\\\x80",
		 "\\xf8\\x88\\x80\\x80\\x80"},
		{"surrogate U+D800", "\xed\xa0\x80", "\\\\xed\\\\xa0\\\\x80", "\\xed\\xa0\\x80"},
		{"surrogate U+DFFF", "\xed\xbf\xbf", "\\\\xed\\\\xbf\\\\xbf", "\\xed\\xbf\\xbf"},
		{"overlong /, 2 bytes", "\xc0\xaf", "\\\\xc0\\\\xaf", "\\xc0\\xaf"},
		{"overlong, C1", "\xc1\xbf", "\\\\xc1\\\\xbf", "\\xc1\\xbf"},
		{"overlong, 3 bytes", "\xe0\x9f\xbf", "\\\\xe0\\\\x9f\\\\xbf", "\\xe0\\x9f\\xbf"},
		{"overlong, 4 bytes", "\xf0\x8f\xbf\xbf", "\\\\xf0\\\\x8f\\\\xbf\\\\xbf",
		 "\\xf0\\x8f\\xbf\\xbf"},
		{"continuation alone", "\x80", "\\\\x80", "\\x80"},
		{"FE and FF", "\xfe\xff", "\\\\xfe\\\\xff", "\\xfe\\xff"},
		{"cut after 1 of 2", "\xc3", "\\\\xc3", "\\xc3"},
		{"cut after 2 of 3", "\xe2\x82", "\\\\xe2\\\\x82", "\\xe2\\x82"},
		{"cut after 3 of 4", "\xf0\x9f\x98", "\\\\xf0\\\\x9f\\\\x98", "\\xf0\\x9f\\x98"},
		{"broken in the middle",
		 "\xe2\x82"
		 "A",
		 "\\\\xe2\\\\x82A", "\\xe2\\x82A"},
		{"valid beside bad", "\xff\xc3\xbc\xff", "\\\\xff\xc3\xbc\\\\xff",
		 "\\xff\xc3\xbc\\xff"},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_record r;
		char json[256];
		const size_t n = strlen(cases[i].sent);
		uint8_t *sent = t_dup(cases[i].sent, n);
		print_message("# %s\n", cases[i].name);
		ONE(&r, sni, HT_SPAN(sent, n));
		snprintf(json, sizeof(json), "\"%s\"", cases[i].json);
		expect_field(&r, "sni", json, cases[i].plain);
		free(sent);
	}
	struct ht_record r;
	ONE(&r, sni, HT_SPAN("a\0b", 3));
	expect_field(&r, "sni", "\"a\\u0000b\"", "a\\x00b");
	ONE(&r, sni, HT_SPAN_STR("\""));
	expect_field(&r, "sni", "\"\\\"\"", "\"\"\"\"");
	ONE(&r, sni, HT_SPAN_STR("a,\"b\""));
	expect_field(&r, "sni", "\"a,\\\"b\\\"\"", "\"a,\"\"b\"\"\"");
}

// A special byte at every place of every length: the copy in words must not miss it. `at` is also
// behind the end, where there is none.
static void every_place_of_a_special_byte(void **state) {
	(void)state;
	static const uint8_t special[] = {0, 0x1f, '"', '\\', 0x7f, 0x80, 0xff};
	char *const want = malloc(2000000), *w = want;
	assert_non_null(want);
	struct file f;
	size_t len;
	open_sink(&f, "json", 0, false);
	for (size_t n = 0; n <= 50; n++) {
		for (size_t at = 0; at <= n; at++) {
			for (unsigned k = 0; k < sizeof(special); k++) {
				uint8_t text[50];
				w = stpcpy(w, "{\"sni\":\"");
				for (size_t i = 0; i < n; i++) {
					text[i] = i == at ? special[k] : "aZ !#[]/"[(i + n) % 8];
					if (text[i] == '\\' || text[i] == '"')
						w += sprintf(w, "\\%c", text[i]);
					else if (text[i] >= 0x80)
						w += sprintf(w, "\\\\x%02x", text[i]);
					else if (text[i] < 0x20 || text[i] == 0x7f)
						w += sprintf(w, "\\u%04x", text[i]);
					else
						*w++ = (char)text[i];
				}
				w = stpcpy(w, "\"}\n");
				uint8_t *sent = t_dup(text, n);
				struct ht_record r;
				ONE(&r, sni, HT_SPAN(sent, n));
				ht_sink_write(f.sink, &r);
				free(sent);
			}
		}
	}
	assert_true(w < want + 2000000);
	char *text = close_sink(&f, &len);
	assert_true(strcmp(text, want) == 0);
	free(text);
	free(want);
}

static void lists_cut_anywhere(void **state) {
	(void)state;
	static const uint8_t names[] = "\x02h2\x08http/1.1\x02h3";
	static const uint8_t varints[]
		= "\xc2\x19\x7c\x5e\xff\x14\xe8\x8c\x9d\x7f\x3e\x7d\x7b\xbd\x25\x40\x25";
	struct ht_record r;
	for (size_t n = 0; n < sizeof(names); n++) {
		uint8_t *a = t_dup(names, n), *b = t_dup(varints, n), *c = t_dup(names, n);
		r.has = 0;
		r.ciphers_are_24_bit = n % 2;
		ht_set(&r, alpn, HT_SPAN(a, n));
		ht_set(&r, quic_transport_parameters, HT_SPAN(b, n));
		ht_set(&r, ciphers, HT_SPAN(c, n));
		ht_set(&r, groups, HT_SPAN(c, n));
		char *json = text_of("json", &r);
		assert_non_null(strstr(json, "}\n"));
		free(json);
		free(text_of("csv", &r));
		free(text_of("table", &r));
		free(a);
		free(b);
		free(c);
	}
}

// ---- whole records

static const char *const words[]
	= {"hello", "tcp", "https-alt", "TLS 1.3", "end_of_capture", "quic"};

// random_text is text of bytes that are likely to be trouble, on a heap block of its own.
static struct ht_span random_text(void) {
	static const char *const bits[] = {"a",
					   "www.",
					   "\\",
					   "x",
					   "\\x41",
					   "\"",
					   ",",
					   " ",
					   "\xc3\xbc",
					   "\xe2\x82\xac",
					   "\xe2\x82",
					   "\xff",
					   "\xed\xa0\x80",
					   "\xf0\x9f\x98\x80",
					   "\x1b[2J",
					   "\n",
					   "\x7f",
					   "\xc2\x9b",
					   "\xc0"};
	uint8_t text[600];
	size_t n = 0;
	for (size_t pieces = rnd() % 4 == 0 ? 0 : rnd() % 80; pieces > 0; pieces--) {
		const char *bit = rnd() % 4 != 0 ? bits[0] : bits[rnd() % HT_ARRAY_LEN(bits)];
		memcpy(text + n, bit, strlen(bit));
		n += strlen(bit);
	}
	if (rnd() % 8 == 0)
		for (size_t i = 0; i < n; i++)
			text[i] = (uint8_t)rnd();
	return HT_SPAN(t_dup(text, n), n);
}

static struct ht_span random_bytes(void) {
	uint8_t bytes[200];
	const size_t n = rnd() % sizeof(bytes) & ~(size_t)1;
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)rnd();
	return HT_SPAN(t_dup(bytes, n), n);
}

static struct ht_span random_names(void) {
	uint8_t names[2000];
	size_t n = 0;
	for (size_t left = rnd() % 6; left > 0; left--) {
		const struct ht_span name = random_text();
		const uint8_t len = (uint8_t)(name.len < 255 ? name.len : 255);
		names[n++] = len;
		memcpy(names + n, name.p, len);
		n += len;
		free((void *)name.p);
	}
	return HT_SPAN(t_dup(names, n), n);
}

static struct ht_span random_varints(void) {
	uint8_t list[200];
	size_t n = 0;
	while (n < 100 && rnd() % 16 != 0) {
		list[n] = (uint8_t)rnd();
		const size_t len = (size_t)1 << (list[n] >> 6);
		for (size_t i = 1; i < len; i++)
			list[n + i] = (uint8_t)rnd();
		n += len;
	}
	return HT_SPAN(t_dup(list, n), n);
}

static struct ht_span random_matches(void) {
	static uint8_t list[HT_MATCHES_SIZE];
	uint8_t *at = list;
	const unsigned num = rnd() % 8;
	for (unsigned i = 0; i < num; i++) {
		const struct ht_match m
			= {random_bytes(), random_text(),
			   rnd() % 2 ? random_text() : random_bytes(), HT_SPAN_STR("info")};
		uint8_t *const next = ht_match_put(at, list + sizeof(list), &m);
		at = next != NULL ? next : at;
		free((void *)m.list.p);
		free((void *)m.entry.p);
		free((void *)m.label.p);
	}
	return HT_SPAN(t_dup(list, (size_t)(at - list)), (size_t)(at - list));
}

static bool is_span(unsigned type) {
	return type == HT_TYPE_TEXT || type == HT_TYPE_HEX || type == HT_TYPE_ASCII
	       || type == HT_TYPE_NAMES || type == HT_TYPE_U16S || type == HT_TYPE_U8S
	       || type == HT_TYPE_VARINTS || type == HT_TYPE_MATCHES;
}

// random_record gives about `share` of 8 fields a value; free it with free_record.
static void random_record(struct ht_record *r, unsigned share) {
	static const uint8_t ip[2][16]
		= {{[10] = 0xff, 0xff, 192, 0, 2, 1}, {0x20, 1, 0xd, 0xb8, [15] = 9}};
	r->has = 0;
	r->ts_is_ns = rnd() % 2;
	r->ciphers_are_24_bit = rnd() % 16 == 0;
	r->stats_json = HT_SPAN_EMPTY;
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		if (rnd() % 8 >= share)
			continue;
		r->has |= (ht_fieldset)1 << i;
		char *const v = (char *)r + ht_fields[i].offset;
		const uint64_t x = rnd() >> rnd() % 48;
		switch ((enum ht_type)ht_fields[i].type) {
		case HT_TYPE_BOOL:
		case HT_TYPE_FLAG:
			*(bool *)v = x & 1;
			break;
		case HT_TYPE_U8:
			*(uint8_t *)v = (uint8_t)x;
			break;
		case HT_TYPE_U16:
			*(uint16_t *)v = (uint16_t)x;
			break;
		case HT_TYPE_U32:
			*(uint32_t *)v = (uint32_t)x;
			break;
		case HT_TYPE_U64:
		case HT_TYPE_TIME:
		case HT_TYPE_SECONDS:
			memcpy(v, &x, 8);
			break;
		case HT_TYPE_STR:
			*(const char **)v = words[x % HT_ARRAY_LEN(words)];
			break;
		case HT_TYPE_TEXT:
			*(struct ht_span *)v = random_text();
			break;
		case HT_TYPE_ASCII: {
			char text[60];
			int n = snprintf(
				text, sizeof(text), "t13d1516h2_%llx,%llx", (unsigned long long)x,
				(unsigned long long)rnd()
			);
			*(struct ht_span *)v = HT_SPAN(t_dup(text, (size_t)n), (size_t)n);
			break;
		}
		case HT_TYPE_HEX:
		case HT_TYPE_U16S:
		case HT_TYPE_U8S:
			*(struct ht_span *)v = random_bytes();
			break;
		case HT_TYPE_VARINTS:
			*(struct ht_span *)v = random_varints();
			break;
		case HT_TYPE_NAMES:
			*(struct ht_span *)v = random_names();
			break;
		case HT_TYPE_MATCHES:
			*(struct ht_span *)v = random_matches();
			break;
		case HT_TYPE_IP:
			*(const uint8_t **)v = ip[x & 1];
			break;
		case HT_TYPE_MAC:
			*(const uint8_t **)v = ip[1];
			break;
		case HT_TYPE_STRS: {
			struct ht_strs *list = (struct ht_strs *)v;
			list->num = (uint8_t)(x % (HT_STRS_MAX + 1));
			for (unsigned k = 0; k < list->num; k++)
				list->s[k] = words[rnd() % HT_ARRAY_LEN(words)];
			break;
		}
		case HT_TYPE_TEXTS: {
			struct ht_texts *list = (struct ht_texts *)v;
			list->num = (uint8_t)(x % (HT_TEXTS_MAX + 1));
			for (unsigned k = 0; k < list->num; k++)
				list->len[k] = (uint8_t)snprintf(
					list->s[k], HT_TEXT_SIZE, "vlan:%u",
					(unsigned)(rnd() % 4096)
				);
			break;
		}
		case HT_NUM_TYPES:
			break;
		}
	}
}

static void free_record(struct ht_record *r) {
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++)
		if (r->has >> i & 1 && is_span(ht_fields[i].type))
			free((void *)((struct ht_span *)((char *)r + ht_fields[i].offset))->p);
}

// bytes_of undoes the escapes of text, as docs/fields.md tells it.
static size_t bytes_of(char *out, const char *text, size_t len) {
	size_t n = 0;
	for (size_t i = 0; i < len;) {
		if (i + 4 <= len && text[i] == '\\' && text[i + 1] == 'x') {
			assert_true(t_hex2(text + i + 2) >= 0);
			out[n++] = (char)t_hex2(text + i + 2);
			i += 4;
		} else {
			out[n++] = text[i++];
		}
	}
	return n;
}

static void check_text(struct t_json *j, struct ht_span want) {
	char decoded[8192], bytes[8192];
	size_t n = 0;
	assert_true(t_json_string(j, decoded, &n));
	n = bytes_of(bytes, decoded, n);
	assert_int_equal(n, want.len);
	assert_memory_equal(bytes, want.p, n);
}

static void check_matches(struct t_json *j, struct ht_span matches) {
	struct ht_match m;
	while (ht_match_next(&matches, &m)) {
		j->p++; // [ or ,
		assert_true(t_json_is(j, "{\"list\":"));
		check_text(j, m.list);
		assert_true(t_json_is(j, ",\"entry\":"));
		check_text(j, m.entry);
		if (m.label.len > 0) {
			assert_true(t_json_is(j, ",\"label\":"));
			check_text(j, m.label);
		}
		assert_true(t_json_is(j, ",\"severity\":"));
		check_text(j, m.severity);
		assert_true(t_json_is(j, "}"));
	}
	assert_true(j->p[0] == ']' || t_json_is(j, "[]"));
}

// check_json checks a line against the record it was made of: keys, order, types, text.
static const char *check_json(const char *line, const struct ht_record *r) {
	static const struct {
		const char *json, *kinds;
	} kinds[] = {{"boolean", "b"},	 {"number", "n"},    {"string", "s"},
		     {"[number]", "NE"}, {"[string]", "SE"}, {"[object]", "OE"}};
	struct t_json j = {line};
	struct t_json_item item;
	unsigned id = 0;
	int more;
	for (bool first = true; (more = t_json_next(&j, &item, first)) == 1; first = false) {
		while (id < HT_NUM_FIELDS && !(r->has >> id & 1))
			id++;
		assert_true(id < HT_NUM_FIELDS);
		assert_string_equal(item.key, ht_fields[id].name);
		const char *json = ht_types[ht_fields[id].type].json;
		for (unsigned i = 0; i < HT_ARRAY_LEN(kinds); i++)
			if (strcmp(kinds[i].json, json) == 0)
				assert_non_null(strchr(kinds[i].kinds, item.kind));
		const void *v = (const char *)r + ht_fields[id].offset;
		struct t_json value = {item.value};
		if (ht_fields[id].type == HT_TYPE_TEXT)
			check_text(&value, *(const struct ht_span *)v);
		if (ht_fields[id].type == HT_TYPE_NAMES) {
			const struct ht_span names = *(const struct ht_span *)v;
			for (size_t i = 0; i < names.len; i += 1 + names.p[i]) {
				value.p++; // [ or ,
				check_text(&value, HT_SPAN(names.p + i + 1, names.p[i]));
			}
		}
		if (ht_fields[id].type == HT_TYPE_MATCHES)
			check_matches(&value, *(const struct ht_span *)v);
		id++;
	}
	assert_int_equal(more, 0);
	assert_true(id >= HT_NUM_FIELDS || r->has >> id == 0);
	return j.p;
}

#define NUM_RANDOM 1000

static void random_records_are_json(void **state) {
	(void)state;
	struct ht_record *const r = calloc(NUM_RANDOM, sizeof(*r));
	assert_non_null(r);
	struct file f;
	open_sink(&f, "json", 0, false);
	for (unsigned i = 0; i < NUM_RANDOM; i++) {
		random_record(&r[i], i % 10);
		r[i].has &= ~HT_HAS(frames_read); // whose line is not made of fields
		ht_sink_write(f.sink, &r[i]);
	}
	size_t len;
	char *text = close_sink(&f, &len);
	const char *p = text;
	for (unsigned i = 0; i < NUM_RANDOM; i++) {
		p = check_json(p, &r[i]);
		free_record(&r[i]);
	}
	assert_ptr_equal(p, text + len);
	free(text);
	free(r);
}

// read_cell reads one cell of RFC 4180 and what ends it: ',' or CR.
static const char *read_cell(const char *p, char *out, size_t *len, char *ended_by) {
	size_t n = 0;
	if (*p == '"') {
		for (p++; p[0] != '"' || p[1] == '"'; p++) {
			assert_true(*p != '\0');
			p += p[0] == '"';
			out[n++] = *p;
		}
		p++;
	} else {
		while (*p != ',' && *p != '\r') {
			assert_true(*p != '"' && *p != '\n' && *p != '\0');
			out[n++] = *p++;
		}
	}
	*ended_by = *p;
	*len = n;
	assert_true(*p == ',' || (p[0] == '\r' && p[1] == '\n'));
	return p + (*p == ',' ? 1 : 2);
}

static void random_records_are_csv(void **state) {
	(void)state;
	struct file f;
	size_t len, n;
	char cell[16384], bytes[16384], end;
	open_sink(&f, "csv", 0, false);
	struct ht_record *const r = calloc(NUM_RANDOM, sizeof(*r));
	assert_non_null(r);
	for (unsigned i = 0; i < NUM_RANDOM; i++) {
		random_record(&r[i], i % 10);
		ht_sink_write(f.sink, &r[i]);
	}
	char *text = close_sink(&f, &len);
	const char *p = text;
	for (unsigned id = 0; id < HT_NUM_FIELDS; id++) {
		p = read_cell(p, cell, &n, &end);
		assert_int_equal(n, ht_fields[id].name_len);
		assert_memory_equal(cell, ht_fields[id].name, n);
	}
	for (unsigned i = 0; i < NUM_RANDOM; i++) {
		for (unsigned id = 0; id < HT_NUM_FIELDS; id++) {
			p = read_cell(p, cell, &n, &end);
			assert_int_equal(end, id + 1 < HT_NUM_FIELDS ? ',' : '\r');
			const bool has = r[i].has >> id & 1;
			const struct ht_span *v
				= (const struct ht_span *)((char *)&r[i] + ht_fields[id].offset);
			if (!has)
				assert_int_equal(n, 0);
			if (has && ht_fields[id].type == HT_TYPE_TEXT) {
				for (size_t k = 0; k < n; k++)
					assert_true((uint8_t)cell[k] >= 0x20);
				n = bytes_of(bytes, cell, n);
				assert_int_equal(n, v->len);
				assert_memory_equal(bytes, v->p, n);
			}
		}
		free_record(&r[i]);
	}
	assert_ptr_equal(p, text + len);
	free(text);
	free(r);
}

static void nothing_odd_reaches_a_terminal(void **state) {
	(void)state;
	for (unsigned width = 40; width <= 240; width += 40) {
		struct file f;
		size_t len;
		open_sink(&f, "table", width, false);
		for (unsigned i = 0; i < 500; i++) {
			struct ht_record r;
			random_record(&r, i % 10);
			ht_sink_write(f.sink, &r);
			free_record(&r);
		}
		char *text = close_sink(&f, &len);
		for (size_t i = 0; i < len;) {
			const size_t n = t_utf8(text + i);
			assert_true(n > 0);
			assert_true((uint8_t)text[i] >= 0x20 || text[i] == '\n');
			assert_true(text[i] != 0x7f);
			assert_false(
				n == 2 && (uint8_t)text[i] == 0xc2 && (uint8_t)text[i + 1] < 0xa0
			);
			i += n;
		}
		free(text);
	}
}

static void an_empty_record(void **state) {
	(void)state;
	struct ht_record r;
	r.has = 0;
	expect("json", &r, "{}\n");
	char commas[HT_NUM_FIELDS + 2];
	memset(commas, ',', sizeof(commas));
	strcpy(commas + HT_NUM_FIELDS - 1, "\r\n");
	expect("csv", &r, commas);
	free(text_of("table", &r));
}

static void the_largest_hello_comes_out_whole(void **state) {
	(void)state;
	const size_t n = 65535;
	uint8_t *bytes = malloc(n);
	assert_non_null(bytes);
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i % 2 != 0 ? 1 : 0xff);
	struct ht_record r;
	r.has = 0;
	r.ciphers_are_24_bit = false;
	ht_set(&r, record, "hello");
	ht_set(&r, sni, HT_SPAN(bytes, n));
	ht_set(&r, alpn, HT_SPAN(bytes + 1, n - 1)); // names of one byte
	ht_set(&r, ciphers, HT_SPAN(bytes, n - 1));
	ht_set(&r, extensions, HT_SPAN(bytes, n - 1));
	struct file f;
	size_t len;
	static const char *const sinks[] = {"json", "csv", "table"};
	for (unsigned i = 0; i < HT_ARRAY_LEN(sinks); i++) {
		open_sink(&f, sinks[i], 0, false);
		for (unsigned k = 0; k < 5; k++)
			ht_sink_write(f.sink, &r);
		char *text = close_sink(&f, &len);
		if (i == 0) {
			struct t_json j = {text};
			struct t_json_item item;
			for (unsigned k = 0; k < 5; k++) {
				unsigned num = 0;
				while (t_json_next(&j, &item, num == 0) == 1)
					num++;
				assert_int_equal(num, 5);
			}
			assert_ptr_equal(j.p, text + len);
			assert_true(len > 5 * 1000000);
		}
		free(text);
	}
	free(bytes);
}

static void larger_than_any_hello_is_lost_and_said(void **state) {
	(void)state;
	const size_t n = SINK_RECORD_MAX / PUT_BYTE_MAX;
	uint8_t *bytes = calloc(1, n + SINK_BATCH); // control characters
	assert_non_null(bytes);
	struct ht_record small, fits, large;
	ONE(&small, sni, HT_SPAN_STR("a"));
	ONE(&fits, sni, HT_SPAN(bytes, n - 8));
	ONE(&large, sni, HT_SPAN(bytes, n + SINK_BATCH));
	struct file f;
	size_t len;
	char err[256];
	open_sink(&f, "json", 0, false);
	assert_null(ht_sink_error(f.sink));
	ht_sink_write(f.sink, &small);
	ht_sink_write(f.sink, &large);
	ht_sink_write(f.sink, &fits);
	ht_sink_write(f.sink, &small);
	assert_non_null(strstr(ht_sink_error(f.sink), ": larger than the buffer: 1 record lost"));
	struct ht_sink_stats stats;
	assert_int_equal(ht_sink_close(f.sink, &stats, err, sizeof(err)), HT_ERROR);
	assert_non_null(strstr(err, ": larger than the buffer: 1 record lost"));
	assert_int_equal(stats.records, 4);
	assert_int_equal(stats.delivered, 3);
	assert_int_equal(stats.lost, 1);
	char *text = content(&f, &len);
	assert_int_equal(len, 2 * 12 + 11 + 6 * (n - 8));
	assert_string_equal(text + len - 12, "{\"sni\":\"a\"}\n");
	free(text);
	close(f.fd);
	free(bytes);
}

// Fields of a fixed size may go past the limit that lists and text keep; what follows them may not.
static void text_behind_the_limit_is_refused(void **state) {
	(void)state;
	const size_t n = SINK_RECORD_MAX / PUT_BYTE_MAX + SINK_BATCH / PUT_BYTE_MAX - 5;
	uint8_t *bytes = calloc(1, n); // control characters
	assert_non_null(bytes);
	static const char *const sinks[] = {"json", "csv"};
	for (unsigned i = 0; i < HT_ARRAY_LEN(sinks); i++) {
		struct ht_record r;
		struct file f;
		struct ht_sink_stats stats;
		char err[256];
		ONE(&r, sni, HT_SPAN(bytes, n));
		ht_set(&r, tls_version, "TLS 1.3");
		ht_set(&r, legacy_version, 0x0303);
		ht_set(&r, quic_version, 1);
		ht_set(&r, quic_token_len, 0);
		ht_set(&r, quic_user_agent, HT_SPAN(bytes, n));
		open_sink(&f, sinks[i], 0, false);
		ht_sink_write(f.sink, &r);
		assert_int_equal(ht_sink_close(f.sink, &stats, err, sizeof(err)), HT_ERROR);
		assert_int_equal(stats.lost, 1);
		assert_int_equal(stats.delivered, 0);
		close(f.fd);
	}
	free(bytes);
}

// ---- JSON besides that of fields and files

static void a_ledger_is_a_member_as_it_stands(void **state) {
	(void)state;
	struct ht_record r;
	ONE(&r, record, "stats");
	ht_set(&r, frames_read, 12);
	r.stats_json = HT_SPAN_STR("{\"flows\":{\"begun\":3}}");
	expect("json", &r,
	       "{\"record\":\"stats\",\"frames_read\":12,\"ledger\":{\"flows\":{\"begun\":3}}}\n");
	r.stats_json = HT_SPAN_EMPTY;
	expect("json", &r, "{\"record\":\"stats\",\"frames_read\":12}\n");
}

static void an_encoder_says_what_the_sink_writes(void **state) {
	(void)state;
	struct ht_json *j = ht_json_new();
	assert_non_null(j);
	for (unsigned i = 0; i < 100; i++) {
		struct ht_record r;
		random_record(&r, i % 10);
		r.stats_json = HT_SPAN_STR("{}");
		const struct ht_span one = ht_json_encode(j, &r);
		char *line = text_of("json", &r);
		assert_int_equal(one.len + 1, strlen(line));
		assert_memory_equal(one.p, line, one.len);
		free(line);
		free_record(&r);
	}
	ht_json_free(j);
	ht_json_free(NULL);
}

// Lengths around what the buffer takes, for text and for a ledger; afterwards it encodes as before.
static void an_encoder_refuses_what_is_too_large(void **state) {
	(void)state;
	uint8_t *bytes = calloc(1, SINK_RECORD_MAX);
	assert_non_null(bytes);
	struct ht_json *j = ht_json_new();
	assert_non_null(j);
	struct ht_record r;
	ONE(&r, sni, HT_SPAN(bytes, SINK_RECORD_MAX / PUT_BYTE_MAX - 2));
	assert_int_equal(ht_json_encode(j, &r).len, 10 + r.sni.len * PUT_BYTE_MAX);
	r.sni.len += 2;
	assert_null(ht_json_encode(j, &r).p);
	ONE(&r, frames_read, 1);
	const size_t before = strlen("{\"frames_read\":1"),
		     around = before + strlen(",\"ledger\":}");
	r.stats_json = HT_SPAN(bytes, SINK_RECORD_MAX - before - 1);
	assert_int_equal(ht_json_encode(j, &r).len, r.stats_json.len + around);
	r.stats_json.len++;
	assert_null(ht_json_encode(j, &r).p);
	ONE(&r, sni, HT_SPAN_STR("a"));
	assert_int_equal(ht_json_encode(j, &r).len, strlen("{\"sni\":\"a\"}"));
	ht_json_free(j);
	free(bytes);
}

// ---- what the operating system refuses

static void a_full_disk_loses_all_and_says_so(void **state) {
	(void)state;
	static const char *const sinks[] = {"json:/dev/full", "csv:/dev/full", "table:/dev/full"};
	for (unsigned i = 0; i < HT_ARRAY_LEN(sinks); i++) {
		struct ht_sink *s;
		struct ht_sink_stats stats;
		char err[256] = "", want[256];
		const struct ht_sink_params params = {.width = 100};
		assert_int_equal(ht_sink_open(&s, sinks[i], &params, err, sizeof(err)), HT_OK);
		struct ht_record r;
		ONE(&r, sni, HT_SPAN_STR("www.example.com"));
		ht_sink_write(s, &r);
		ht_sink_flush(s);
		snprintf(
			want, sizeof(want), "%s: No space left on device: 1 record lost", sinks[i]
		);
		assert_string_equal(ht_sink_error(s), want);
		for (unsigned k = 1; k < 10000; k++)
			ht_sink_write(s, &r);
		ht_sink_stats(s, &stats);
		assert_int_equal(stats.records, 10000);
		assert_int_equal(stats.delivered, 0);
		assert_int_equal(ht_sink_close(s, &stats, err, sizeof(err)), HT_ERROR);
		snprintf(
			want, sizeof(want), "%s: No space left on device: 10000 records lost",
			sinks[i]
		);
		assert_string_equal(err, want);
		assert_int_equal(stats.records, 10000);
		assert_int_equal(stats.lost, 10000);
		assert_int_equal(stats.delivered, 0);
		assert_int_equal(stats.bytes, 0);
	}
}

static void a_header_alone_that_is_refused_is_an_error(void **state) {
	(void)state;
	struct ht_sink *s;
	char err[256] = "";
	const struct ht_sink_params params = {0};
	assert_int_equal(ht_sink_open(&s, "csv:/dev/full", &params, err, sizeof(err)), HT_OK);
	assert_int_equal(ht_sink_close(s, NULL, err, sizeof(err)), HT_ERROR);
	assert_string_equal(err, "csv:/dev/full: No space left on device: 0 records lost");
}

static void a_reader_that_leaves(void **state) {
	(void)state;
	int pipes[2];
	char spec[64], err[256];
	signal(SIGPIPE, SIG_IGN); // as the program does
	assert_int_equal(pipe(pipes), 0);
	snprintf(spec, sizeof(spec), "json:/proc/self/fd/%d", pipes[1]);
	struct ht_sink *s;
	struct ht_sink_stats stats;
	const struct ht_sink_params params = {0};
	assert_int_equal(ht_sink_open(&s, spec, &params, err, sizeof(err)), HT_OK);
	close(pipes[1]);
	struct ht_record r;
	ONE(&r, sni, HT_SPAN_STR("www.example.com"));
	ht_sink_write(s, &r);
	ht_sink_flush(s);
	close(pipes[0]);
	for (unsigned i = 0; i < 100; i++) {
		ht_sink_write(s, &r);
		ht_sink_flush(s);
	}
	assert_int_equal(ht_sink_close(s, &stats, err, sizeof(err)), HT_ERROR);
	assert_non_null(strstr(err, ": Broken pipe: 100 records lost"));
	assert_int_equal(stats.records, 101);
	assert_int_equal(stats.delivered, 1);
	assert_int_equal(stats.lost, 100);
}

// number_of_lines checks that each line is a whole record.
static uint64_t number_of_lines(const char *text, const char *kind, const struct ht_record *r) {
	char *one = text_of(kind, r);
	const size_t n = strlen(one);
	uint64_t lines = 0;
	while (strncmp(text, one, n) == 0) {
		text += n;
		lines++;
	}
	assert_string_equal(text, "");
	free(one);
	return lines;
}

// The file may grow to some size only, at first: a write is cut in the middle of a record.
static void a_record_cut_by_a_full_disk_is_completed_later(void **state) {
	(void)state;
	struct rlimit old, cut;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, SIG_IGN);
	static const char *const sinks[] = {"json", "csv"};
	for (unsigned i = 0; i < 2 * 120; i++) {
		struct ht_record r;
		struct file f;
		struct ht_sink_stats stats;
		char err[256];
		size_t len;
		ONE(&r, sni, HT_SPAN_STR("www.example.com"));
		ht_set(&r, complete, true);
		open_sink(&f, sinks[i % 2], 0, false);
		cut = old;
		cut.rlim_cur = 1 + i / 2 * 11;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &cut), 0);
		for (unsigned k = 0; k < 40; k++) {
			ht_sink_write(f.sink, &r);
			if (k % 5 == 4)
				ht_sink_flush(f.sink);
		}
		const bool failed = ht_sink_error(f.sink) != NULL;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
		for (unsigned k = 0; k < 3; k++)
			ht_sink_write(f.sink, &r);
		assert_int_equal(
			ht_sink_close(f.sink, &stats, err, sizeof(err)), failed ? HT_ERROR : HT_OK
		);
		if (failed)
			assert_non_null(strstr(err, ": File too large: "));
		assert_int_equal(stats.records, 43);
		assert_int_equal(stats.delivered + stats.lost, 43);
		assert_true(stats.delivered >= 3);
		assert_true(failed == (stats.lost > 0));
		char *text = content(&f, &len);
		assert_int_equal(len, stats.bytes);
		const char *records = text;
		if (i % 2 == 1) {
			assert_memory_equal(text, "record,ts,", 10);
			records = strstr(text, "\r\n") + 2;
		}
		assert_int_equal(number_of_lines(records, sinks[i % 2], &r), stats.delivered);
		free(text);
		close(f.fd);
	}
}

static void a_record_cut_for_good_is_lost(void **state) {
	(void)state;
	struct rlimit old, cut;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, SIG_IGN);
	struct ht_record r;
	struct file f;
	struct ht_sink_stats stats;
	char err[256];
	ONE(&r, sni, HT_SPAN_STR("a")); // 12 bytes
	open_sink(&f, "json", 0, false);
	cut = old;
	cut.rlim_cur = 30;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &cut), 0);
	for (unsigned k = 0; k < 40000; k++)
		ht_sink_write(f.sink, &r);
	assert_int_equal(ht_sink_close(f.sink, &stats, err, sizeof(err)), HT_ERROR);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(stats.records, 40000);
	assert_int_equal(stats.delivered, 2);
	assert_int_equal(stats.lost, 39998);
	assert_int_equal(stats.bytes, 30);
	close(f.fd);
}

// The rest of a torn record may be longer than a batch: what comes meanwhile is lost, not glued to
// it.
static void a_long_rest_waits(void **state) {
	(void)state;
	struct rlimit old, cut;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, SIG_IGN);
	const size_t n = 4 * SINK_BATCH;
	uint8_t *bytes = malloc(n);
	assert_non_null(bytes);
	memset(bytes, 'a', n);
	struct ht_record large, small;
	ONE(&large, sni, HT_SPAN(bytes, n));
	ONE(&small, sni, HT_SPAN_STR("b"));
	struct file f;
	size_t len;
	struct ht_sink_stats stats;
	char err[256];
	open_sink(&f, "json", 0, false);
	cut = old;
	cut.rlim_cur = 1000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &cut), 0);
	ht_sink_write(f.sink, &large);
	for (unsigned k = 0; k < 10; k++)
		ht_sink_write(f.sink, &small);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	ht_sink_write(f.sink, &small);
	assert_int_equal(ht_sink_close(f.sink, &stats, err, sizeof(err)), HT_ERROR);
	assert_int_equal(stats.delivered, 2);
	assert_int_equal(stats.lost, 10);
	char *text = content(&f, &len);
	assert_int_equal(len, n + 11 + 12);
	assert_string_equal(text + n + 9, "}\n{\"sni\":\"b\"}\n");
	free(text);
	close(f.fd);
	free(bytes);
}

// A non-blocking standard output, and a reader that is slow: nothing is lost.
static void a_pipe_that_is_full(void **state) {
	(void)state;
	int data[2], answer[2];
	assert_int_equal(pipe(data), 0);
	assert_int_equal(pipe(answer), 0);
	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char buf[3000];
		uint64_t lines = 0;
		ssize_t n;
		close(data[1]);
		while ((n = read(data[0], buf, sizeof(buf))) > 0) {
			for (ssize_t i = 0; i < n; i++)
				lines += buf[i] == '\n';
			if (lines < 3000)
				usleep(300);
		}
		_exit(write(answer[1], &lines, sizeof(lines)) == sizeof(lines) ? 0 : 1);
	}
	close(data[0]);
	fflush(stdout);
	const int out = dup(STDOUT_FILENO);
	assert_int_equal(fcntl(data[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(dup2(data[1], STDOUT_FILENO), STDOUT_FILENO);
	close(data[1]);
	struct ht_sink *s;
	struct ht_sink_stats stats;
	char err[256];
	const struct ht_sink_params params = {0};
	const enum ht_rc opened = ht_sink_open(&s, "json", &params, err, sizeof(err));
	struct ht_record r;
	ONE(&r, sni, HT_SPAN_STR("www.example.com"));
	for (unsigned i = 0; i < 50000; i++)
		ht_sink_write(s, &r);
	const enum ht_rc closed = ht_sink_close(s, &stats, err, sizeof(err));
	const bool still_open = fcntl(STDOUT_FILENO, F_GETFD) >= 0; // it is not the sink's to close
	dup2(out, STDOUT_FILENO);
	close(out);
	uint64_t lines = 0;
	assert_int_equal(read(answer[0], &lines, sizeof(lines)), sizeof(lines));
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(opened, HT_OK);
	assert_int_equal(closed, HT_OK);
	assert_true(still_open);
	assert_int_equal(lines, 50000);
	assert_int_equal(stats.delivered, 50000);
	close(answer[0]);
	close(answer[1]);
}

static void more_records_than_a_batch_counts(void **state) {
	(void)state;
	struct file f;
	size_t len;
	struct ht_record r;
	r.has = 0;
	open_sink(&f, "json", 0, false);
	for (unsigned i = 0; i < 3 * SINK_BATCH_RECORDS + 1; i++)
		ht_sink_write(f.sink, &r);
	struct ht_sink_stats stats;
	ht_sink_stats(f.sink, &stats);
	assert_int_equal(stats.delivered, 3 * SINK_BATCH_RECORDS);
	free(close_sink(&f, &len));
	assert_int_equal(len, 3 * (3 * SINK_BATCH_RECORDS + 1));
}

static void flush_hands_over_what_is_there(void **state) {
	(void)state;
	struct file f;
	size_t len;
	struct ht_record r;
	ONE(&r, sni, HT_SPAN_STR("a"));
	open_sink(&f, "json", 0, false);
	ht_sink_write(f.sink, &r);
	char *text = content(&f, &len);
	assert_int_equal(len, 0);
	free(text);
	ht_sink_flush(f.sink);
	ht_sink_flush(f.sink);
	text = content(&f, &len);
	assert_string_equal(text, "{\"sni\":\"a\"}\n");
	free(text);
	free(close_sink(&f, &len));
	assert_int_equal(len, 12);
}

static void what_cannot_be_opened(void **state) {
	(void)state;
	static const struct {
		const char *spec;
		enum ht_rc rc;
		const char *err;
	} cases[] = {
		{"xml", HT_BAD, "xml: no such kind of sink"},
		{"", HT_BAD, ": no such kind of sink"},
		{"jso", HT_BAD, "jso: no such kind of sink"},
		{"jsonl:x", HT_BAD, "jsonl:x: no such kind of sink"},
		{"json:/nowhere/x", HT_ERROR, "json:/nowhere/x: No such file or directory"},
		{"csv:/proc", HT_ERROR, "csv:/proc: Is a directory"},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_sink *s = NULL;
		char err[128] = "", cut[8] = "";
		const struct ht_sink_params params = {0};
		assert_int_equal(
			ht_sink_open(&s, cases[i].spec, &params, err, sizeof(err)), cases[i].rc
		);
		assert_string_equal(err, cases[i].err);
		assert_null(s);
		assert_int_not_equal(
			ht_sink_open(&s, cases[i].spec, &params, cut, sizeof(cut)), HT_OK
		);
		assert_true(memchr(cut, '\0', sizeof(cut)) != NULL);
	}
}

static void standard_output_is_dash_or_nothing(void **state) {
	(void)state;
	static const char *const specs[] = {"json", "json:", "json:-"};
	for (unsigned i = 0; i < HT_ARRAY_LEN(specs); i++) {
		struct ht_sink *s;
		char err[128];
		const struct ht_sink_params params = {0};
		assert_int_equal(ht_sink_open(&s, specs[i], &params, err, sizeof(err)), HT_OK);
		assert_string_equal(s->params.name, "-");
		assert_int_equal(s->fd, STDOUT_FILENO);
		assert_int_equal(ht_sink_close(s, NULL, err, sizeof(err)), HT_OK);
		assert_true(fcntl(STDOUT_FILENO, F_GETFD) >= 0);
	}
}

// ---- the table

static void hello(struct ht_record *r) {
	static const uint8_t client[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
	static const uint8_t server[16] = {[10] = 0xff, 0xff, 198, 51, 100, 7};
	r->has = 0;
	r->ts_is_ns = false;
	ht_set(r, ts, 1795222923123456000);
	ht_set(r, src_ip, client);
	ht_set(r, src_port, 50000);
	ht_set(r, dst_ip, server);
	ht_set(r, dst_port, 443);
	ht_set(r, protocol, "tls");
	ht_set(r, tls_version, "TLS 1.3");
	ht_set(r, complete, true);
	ht_set(r, sni, HT_SPAN_STR("www.example.com"));
	ht_set(r, alpn, HT_SPAN_STR("\x02h2\x08http/1.1"));
	ht_set(r, ja4, HT_SPAN_STR("t13d1516h2_8daaf6152771_d8a2da3f94cd"));
}

#define E "\xe2\x80\xa6" // ellipsis

// row is the last line of the table of one record.
static char *row(unsigned width, const struct ht_record *r) {
	struct file f;
	size_t len;
	open_sink(&f, "table", width, false);
	ht_sink_write(f.sink, r);
	char *text = close_sink(&f, &len);
	text[len - 1] = '\0';
	const char *line = strrchr(text, '\n') + 1;
	memmove(text, line, strlen(line) + 1);
	return text;
}

static void expect_row(unsigned width, const struct ht_record *r, const char *want) {
	char *text = row(width, r);
	assert_string_equal(text, want);
	free(text);
}

static unsigned columns_of(const char *line) {
	unsigned columns = 0;
	for (; *line != '\0' && *line != '\n'; line += t_utf8(line))
		columns++;
	return columns;
}

// expect_cell checks what stands in a row from column `at` on; all before it is ASCII.
static void expect_cell(unsigned width, const struct ht_record *r, unsigned at, const char *want) {
	char *text = row(width, r);
	assert_true(strlen(text) >= at);
	assert_true(at == 0 || text[at - 1] == ' ');
	text[at + strlen(want) < strlen(text) ? at + strlen(want) : strlen(text)] = '\0';
	assert_string_equal(text + at, want);
	free(text);
}

static void table_rows(void **state) {
	(void)state;
	struct ht_record r;
	hello(&r);
	expect_row(
		80, &r,
		"01:02:03 192.0.2.1       198.51.100.7:443      TLS1.3  www.example.c" E
		" t13d1516h2"
	);
	expect_row(
		100, &r,
		"01:02:03 192.0.2.1       198.51.100.7:443      TLS1.3  www.example.com     h2 +1"
		" t13d1516h2"
	);
	expect_row(
		120, &r,
		"01:02:03 192.0.2.1       198.51.100.7:443      TLS1.3  www.example.com "
		" h2 http/1.1 t13d1516h2_8daaf6152771_d8a2da3f94cd"
	);
	r.via.num = 2;
	r.via.s[0] = "proxy-v2";
	r.via.s[1] = "smtp";
	r.has |= HT_HAS(via);
	r.encap.num = 1;
	memcpy(r.encap.s[0], "vlan:10", 7);
	r.encap.len[0] = 7;
	r.has |= HT_HAS(encap);
	ht_set(&r, pq, true);
	ht_set(&r, ech, "outer");
	ht_set(&r, psk, true);
	ht_set(&r, early_data, true);
	ht_set(&r, hello_number, 2);
#define PEERS "192.0.2.1:50000       198.51.100.7:443      TLS1.3  www.example.com"
#define AFTER " h2 http/1.1 t13d1516h2_8daaf6152771_d8a2da3f94cd "
	expect_row(160, &r, "01:02:03 " PEERS "                 " AFTER "proxy-v2 smtp vl" E);
	expect_row(
		220, &r,
		"01:02:03.123 " PEERS "                                             " AFTER
		"proxy-v2 smtp vlan:10 hello:2 pq ech psk 0rtt"
	);
	expect_row( // no terminal: the date, and all notes
		0, &r,
		"2026-11-21T01:02:03 " PEERS "                 " AFTER
		"proxy-v2 smtp vlan:10 hello:2 pq ech psk 0rtt"
	);
	hello(&r);
	r.has &= ~(HT_HAS(sni) | HT_HAS(alpn) | HT_HAS(ja4) | HT_HAS(tls_version));
	ht_set(&r, complete, false);
	ht_set(&r, incomplete_reason, "gap");
	ht_set(&r, ech, "grease");
	// Where there is little room for notes they stand in the place of the JA4.
	expect_row(
		120, &r,
		"01:02:03 192.0.2.1       198.51.100.7:443      TLS     -                         "
		"   incomplete:gap ech:grease"
	);
	expect_row(
		80, &r,
		"01:02:03 192.0.2.1       198.51.100.7:443      TLS     -              incomplet" E
	);
	// What a watchlist said has the room behind the word, and comes first where that is little.
	uint8_t list[64];
	const struct ht_match m
		= {HT_SPAN_STR("bad"), HT_SPAN_STR("example.com"), HT_SPAN_EMPTY,
		   HT_SPAN_STR("critical")};
	hello(&r);
	ht_set(&r, record, "event");
	ht_set(&r, kind, "watchlist");
	ht_set(&r, severity, "critical");
	ht_set(&r, matches,
	       HT_SPAN(list, (size_t)(ht_match_put(list, list + sizeof(list), &m) - list)));
	expect_row(
		80, &r,
		"01:02:03 192.0.2.1       198.51.100.7:443      EVENT   watchlist bad:example.co" E
	);
	expect_cell(100, &r, 55, "watchlist bad:example.com critical");
	expect_cell(0, &r, 72, "watchlist                        critical bad:example.com");
	// Of a flood, whose it is and how much; a network with its bits.
	r = (struct ht_record){.ts = r.ts, .has = HT_HAS(ts)};
	ht_set(&r, record, "event");
	ht_set(&r, kind, "flood");
	ht_set(&r, severity, "warning");
	ht_set(&r, flood_state, "start");
	ht_set(&r, rate, 30000);
	ht_set(&r, rate_peak, 31000);
	ht_set(&r, sni, HT_SPAN_STR("www.example.com"));
	expect_row(
		80, &r,
		"01:02:03 -               www.example.com       EVENT   flood start 30000/s peak" E
	);
	r.has &= ~HT_HAS(sni);
	ht_set(&r, flood_state, "end");
	static const uint8_t network[16] = {[10] = 0xff, 0xff, 192, 0, 2, 0};
	ht_set(&r, src_ip, network);
	ht_set(&r, src_prefix, 24);
	expect_row(
		80, &r,
		"01:02:03 192.0.2.0/24    -                     EVENT   flood end   peak 31000/s" E
	);
	hello(&r);
	ht_set(&r, sni, HT_SPAN_STR("a\x1b[31m\xc2\x9b\xe2\x80\xae"));
	char *text = row(200, &r);
	assert_non_null(strstr(text, " a\\x1b[31m\\xc2\\x9b\\xe2\\x80\\xae "));
	free(text);
}

static void table_protocols(void **state) {
	(void)state;
	static const struct {
		const char *protocol, *tls_version;
		uint32_t quic_version;
		const char *want;
	} cases[] = {
		{"tls", "TLS 1.3", 0, "TLS1.3  www"},
		{"tls", "SSL 2.0", 0, "SSL2.0  www"},
		{"dtls", "DTLS 1.2", 0, "DTLS1.2 www"},
		{"tls", NULL, 0, "TLS     www"},
		{"dtls", NULL, 0, "DTLS    www"},
		{"quic", NULL, 0, "QUIC    www"},
		{"quic", "TLS 1.3", 0x00000001, "QUICv1  www"},
		{"quic", "TLS 1.3", 0x6b3343cf, "QUICv2  www"},
		{"quic", "TLS 1.3", 0xff00001d, "QUIC-29 www"},
		{"quic", "TLS 1.3", 0xff000063, "QUIC-99 www"},
		{"quic", "TLS 1.3", 0xff000064, "QUIC    www"},
		{"quic", "TLS 1.3", 0xfaceb002, "QUIC    www"},
		{"quic", "TLS 1.3", 0x1a2a3a4a, "QUIC    www"},
		{"quic", NULL, 0x51303530, "Q050    www"},
		{"quic", "TLS 1.3", 0x54303531, "T051    www"},
		{"quic", NULL, 0x51303a30, "QUIC    www"},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_record r;
		hello(&r);
		r.has &= ~HT_HAS(tls_version);
		ht_set(&r, protocol, cases[i].protocol);
		if (cases[i].tls_version != NULL)
			ht_set(&r, tls_version, cases[i].tls_version);
		if (cases[i].quic_version != 0)
			ht_set(&r, quic_version, cases[i].quic_version);
		expect_cell(80, &r, 47, cases[i].want);
	}
}

static void table_alpn(void **state) {
	(void)state;
	static const struct {
		struct ht_span alpn;
		const char *at_100, *at_120;
	} cases[] = {
		{HT_SPAN_STR("\x02h2"), "h2    t13", "h2          t13"},
		{HT_SPAN_STR("\x02h2\x02h3"), "h2 h3 t13", "h2 h3       t13"},
		{HT_SPAN_STR("\x02h2\x08http/1.1"), "h2 +1 t13", "h2 http/1.1 t13"},
		{HT_SPAN_STR("\x02h3\x02h2\x08http/1.1"), "h3 +2 t13", "h3 +2       t13"},
		{HT_SPAN_STR("\x08http/1.1"), "http" E " t13", "http/1.1    t13"},
		{HT_SPAN_STR("\x08http/1.1\x06spdy/3"), "h" E " +1 t13", "http/1.1 +1 t13"},
		{HT_SPAN_STR("\x00\x02h2"), " h2   t13", " h2         t13"},
		{HT_SPAN_STR(""), "      t13", "            t13"},
		{HT_SPAN_STR("\x09http"), "http  t13", "http        t13"},
	};
	struct ht_record r;
	hello(&r);
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		ht_set(&r, alpn, cases[i].alpn);
		expect_cell(100, &r, 75, cases[i].at_100);
		expect_cell(120, &r, 72, cases[i].at_120);
	}
	static const uint8_t names[2 * 2000] = {0}; // empty ones
	ht_set(&r, alpn, HT_SPAN(names, sizeof(names)));
	expect_cell(100, &r, 75, " +3" E "  t13"); // the number, cut
}

static void table_peers(void **state) {
	(void)state;
	static const uint8_t six[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	static const uint8_t long_six[16] = {0x20, 0x01, 0x0d, 0xb8, 0x12, 0x34, [9] = 1, [15] = 1};
	static const uint8_t four[16]
		= {[10] = 0xff, 0xff, [12] = 255, [13] = 255, [14] = 255, [15] = 255};
	struct ht_record r;
	hello(&r);
	ht_set(&r, src_ip, six);
	ht_set(&r, dst_ip, six);
	expect_cell(80, &r, 9, "2001:db8::1     [2001:db8::1]:443     TLS1.3 ");
	expect_cell(140, &r, 9, "[2001:db8::1]:50000   [2001:db8::1]:443     TLS1.3 ");
	ht_set(&r, src_ip, long_six);
	ht_set(&r, dst_ip, long_six);
	ht_set(&r, dst_port, 65535);
	expect_cell(80, &r, 9, "2001:db" E ":0:1::1 [2001:d" E "0:1::1]:65535 TLS1.3 ");
	expect_cell(140, &r, 9, "[2001:d" E "0:1::1]:50000 [2001:d" E "0:1::1]:65535 TLS1.3 ");
	ht_set(&r, src_ip, four);
	ht_set(&r, dst_ip, four);
	expect_cell(80, &r, 9, "255.255.255.255 255.255.255.255:65535 TLS1.3 ");
	expect_cell(140, &r, 9, "255.255.255.255:50000 255.255.255.255:65535 TLS1.3 ");
	r.has &= ~(HT_HAS(src_ip) | HT_HAS(dst_ip) | HT_HAS(src_port) | HT_HAS(dst_port));
	expect_cell(80, &r, 9, "-               -                     TLS1.3 ");
	ht_set(&r, src_mac, six);
	ht_set(&r, dst_mac, six + 10);
	expect_cell(80, &r, 9, "20:01:0" E "8:00:00 00:00:00:00:00:01     TLS1.3 ");
	expect_cell(160, &r, 9, "20:01:0d:b8:00:00     00:00:00:00:00:01     TLS1.3 ");
}

// The first one, and how many more; the longest texts that are looked at.
static void table_matches(void **state) {
	(void)state;
	uint8_t odd[200], bytes[2048];
	struct ht_record r;
	memset(odd, 0xff, sizeof(odd));
	const struct ht_match m[] = {
		{HT_SPAN_STR("bad"), HT_SPAN_STR("*.example"), HT_SPAN_EMPTY, HT_SPAN_STR("info")},
		{HT_SPAN(odd, sizeof(odd)), HT_SPAN(odd, sizeof(odd)), HT_SPAN_EMPTY,
		 HT_SPAN_STR("info")},
	};
	hello(&r);
	for (unsigned first = 0; first < 2; first++) {
		const uint8_t *const end = bytes + sizeof(bytes);
		uint8_t *at = ht_match_put(bytes, end, &m[first]);
		at = ht_match_put(at, end, &m[!first]);
		assert_non_null(at);
		ht_set(&r, matches, HT_SPAN(bytes, (size_t)(at - bytes)));
		char *text = row(700, &r);
		assert_non_null(strstr(text, first == 0 ? " bad:*.example +1" : " \\xff\\xff"));
		assert_non_null(strstr(text, first == 0 ? " +1" : "\\xff +1"));
		free(text);
	}
}

// A record with all cells full, at any width: no line is longer, and columns start where the header
// says.
static void table_fits_its_width(void **state) {
	(void)state;
	static const uint8_t ip[16] = {0x20, 1,	   0x0d, 0xb8, 0x11, 0x11, 0x22, 0x22,
				       0x33, 0x33, 0x44, 0x44, 0x55, 0x55, 6,	 6};
	uint8_t name[3 * 500];
	for (unsigned i = 0; i < 500; i++)
		memcpy(name + 3 * i, "\xe2\x82\xac", 3);
	for (unsigned width = 79; width <= 700; width++) {
		struct ht_record r;
		hello(&r);
		ht_set(&r, src_ip, ip);
		ht_set(&r, dst_ip, ip);
		ht_set(&r, sni, HT_SPAN(name, sizeof(name)));
		r.has |= HT_HAS(encap);
		r.encap.num = HT_TEXTS_MAX;
		for (unsigned i = 0; i < HT_TEXTS_MAX; i++) {
			memset(r.encap.s[i], 'a' + (int)i, HT_TEXT_SIZE);
			r.encap.len[i] = HT_TEXT_SIZE;
		}
		char *text = row(width, &r);
		assert_in_range(
			columns_of(text), width >= 120 && width < 123 ? 119 : width - 2, width
		);
		assert_non_null(strstr(text, "\xe2\x82\xac" E " "));
		if (width >= 123)
			assert_string_equal(text + strlen(text) - 3, E);
		assert_true(
			(strstr(text, " t13d1516h2_8daaf6152771_d8a2da3f94cd") != NULL)
			== (width >= 120)
		);
		free(text);
		r.has &= ~HT_HAS(ja4);
		text = row(width, &r);
		assert_int_equal(columns_of(text), width);
		free(text);
	}
	// Notes that fit to the column are not cut; one more character is.
	struct ht_record r;
	hello(&r);
	r.has |= HT_HAS(encap);
	r.encap.num = 2;
	memcpy(r.encap.s[0], "abcd", 4);
	memcpy(r.encap.s[1], "efghi", 5);
	r.encap.len[0] = 4;
	r.encap.len[1] = 3;
	expect_cell(100, &r, 92, "abcd efg");
	r.encap.len[1] = 4;
	expect_cell(100, &r, 92, "abcd ef" E);
}

// Without a terminal: one header, and as many lines more as records.
static void table_in_a_file(void **state) {
	(void)state;
	struct file f;
	size_t len;
	struct ht_record r;
	open_sink(&f, "table", 0, false);
	hello(&r);
	for (unsigned i = 0; i < 100; i++) {
		r.ts += (int64_t)3600 * 1000000000;
		ht_sink_write(f.sink, &r);
	}
	char *text = close_sink(&f, &len);
	unsigned lines = 0, rows = 0;
	assert_memory_equal(text, "TIME                CLIENT                SERVER ", 49);
	for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	for (const char *p = text; (p = strstr(p, "\n2026-11-2")) != NULL; p++)
		rows++;
	assert_int_equal(lines, 101);
	assert_int_equal(rows, 100);
	free(text);
}

static void table_header_comes_again(void **state) {
	(void)state;
	struct file f;
	size_t len;
	struct ht_record r;
	open_sink(&f, "table", 120, true);
	hello(&r);
	for (unsigned i = 0; i < 100; i++)
		ht_sink_write(f.sink, &r);
	r.ts += (int64_t)86400 * 1000000000; // another day
	ht_sink_write(f.sink, &r);
	char *text = close_sink(&f, &len);
	unsigned headers = 0, lines = 0;
	for (const char *p = text; (p = strstr(p, " UTC")) != NULL; p++)
		headers++;
	for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	assert_int_equal(headers, 4);
	assert_int_equal(lines, 101 + 2 * headers);
	assert_non_null(strstr(text, "2026-11-21"));
	assert_non_null(strstr(text, "2026-11-22"));
	assert_non_null(strstr(text, "\033[1mwww.example.com\033[0m"));
	free(text);
}

// ---- flows and aggregates in the table

static void flow(struct ht_record *r) {
	hello(r);
	ht_set(r, record, "flow");
	ht_set(r, start, 1795222923123456000);
	ht_set(r, end, r->start + 2500000000);
	ht_set(r, ts, r->end);
	ht_set(r, transport, "tcp");
	ht_set(r, duration_us, 2500000);
	ht_set(r, end_reason, "end");
	ht_set(r, flow_part, 1);
	ht_set(r, c2s_packets, 12);
	ht_set(r, c2s_bytes, 2345);
	ht_set(r, s2c_packets, 1200);
	ht_set(r, s2c_bytes, 34567890);
}

static void aggregate(struct ht_record *r) {
	flow(r);
	r->has
		&= ~(HT_HAS(start) | HT_HAS(end) | HT_HAS(duration_us) | HT_HAS(end_reason)
		     | HT_HAS(flow_part) | HT_HAS(src_ip) | HT_HAS(src_port) | HT_HAS(alpn)
		     | HT_HAS(complete));
	ht_set(r, record, "aggregate");
	ht_set(r, window_start, 1795222920000000000);
	ht_set(r, window_end, 1795222980000000000);
	ht_set(r, ts, r->window_end);
	ht_set(r, alpn_first, HT_SPAN_STR("h2"));
	ht_set(r, flows, 999);
	ht_set(r, hellos, 1000);
	ht_set(r, incomplete_hellos, 0);
	ht_set(r, clients, 43210);
	ht_set(r, first_seen, r->window_start);
	ht_set(r, last_seen, r->window_end);
	ht_set(r, resumed_flows, 0);
	ht_set(r, refused_flows, 0);
}

static void table_flows(void **state) {
	(void)state;
	struct ht_record r;
	flow(&r);
	expect_row(
		80, &r,
		"01:02:03 192.0.2.1       198.51.100.7:443      TLS1.3  www.example." E " "
		"2.3k  34M"
	);
	expect_row(
		110, &r,
		"01:02:03 192.0.2.1       198.51.100.7:443      TLS1.3  www.example.com   "
		"    2.5s 2.3k  34M end"
	);
	expect_row(
		160, &r,
		"01:02:03 192.0.2.1:50000       198.51.100.7:443      TLS1.3  www.example.com"
		"          h2         2.5s    12  1.2k 2.3k  34M end"
	);
	ht_set(&r, server_version, "TLS 1.2");
	ht_set(&r, refused, true);
	ht_set(&r, alert, "unknown_ca");
	ht_set(&r, resumed, true);
	ht_set(&r, hrr, true);
	ht_set(&r, server_cipher, 0xc02f);
	r.cert_findings.num = 2;
	r.cert_findings.s[0] = "expired";
	r.cert_findings.s[1] = "self_signed";
	r.has |= HT_HAS(cert_findings);
	ht_set(&r, flow_part, 3);
	// What is wrong comes before the longest names, and a mark of it where there is no room.
	static const struct {
		unsigned width;
		const char *end;
	} ends[] = {
		{80, " 34M !"},
		{94, " 34M !"},
		{95, " 34M refused" E},
		{160, " end       refused alert:unknown_ca " E},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(ends); i++) {
		char *line = row(ends[i].width, &r);
		const size_t len = strlen(line), end = strlen(ends[i].end);
		assert_true(len > end);
		assert_string_equal(line + len - end, ends[i].end);
		free(line);
	}
	char *text = row(0, &r);
	assert_non_null(strstr(text, "2026-11-21T01:02:03 192.0.2.1:50000 "));
	assert_non_null(strstr(text, " TLS1.2 "));
	assert_non_null(
		strstr(text, " refused alert:unknown_ca expired self_signed part:3 resumed hrr "
			     "cipher:0xc02f")
	);
	free(text);
	// A flow that was no TLS.
	flow(&r);
	r.has
		&= ~(HT_HAS(protocol) | HT_HAS(tls_version) | HT_HAS(sni) | HT_HAS(alpn)
		     | HT_HAS(ja4) | HT_HAS(complete));
	expect_cell(80, &r, 47, "TCP     -");
	ht_set(&r, protocol, "quic");
	ht_set(&r, quic_version, 1);
	expect_cell(80, &r, 47, "QUICv1  -");
	ht_set(&r, server_quic_version, 0x6b3343cf);
	expect_cell(80, &r, 47, "QUICv2  -");
}

// Findings are the last of the notes, of hellos and of flows; in a file all of them are there.
static void table_findings(void **state) {
	(void)state;
	struct ht_record r;
	hello(&r);
	ht_set(&r, pq, true);
	r.has |= HT_HAS(findings);
	r.findings.num = 2;
	r.findings.s[0] = "cipher_rc4";
	r.findings.s[1] = "no_sni";
	char *text = row(160, &r);
	assert_non_null(strstr(text, "_d8a2da3f94cd pq cipher_rc4 no" E));
	free(text);
	text = row(0, &r);
	assert_non_null(strstr(text, " pq cipher_rc4 no_sni"));
	free(text);
	r.findings.num = 0;
	for (; r.findings.num < HT_STRS_MAX - 1; r.findings.num++)
		r.findings.s[r.findings.num] = "a_name_of_thirty_two_characters_";
	r.findings.s[r.findings.num++] = "the_last";
	text = row(0, &r);
	assert_non_null(strstr(text, "characters_ the_last"));
	free(text);
	flow(&r);
	ht_set(&r, pq, true);
	r.has |= HT_HAS(findings);
	r.findings.num = 1;
	text = row(0, &r);
	assert_non_null(strstr(text, " pq a_name_of_thirty_two_characters_"));
	free(text);
}

static void table_numbers(void **state) {
	(void)state;
	static const struct {
		uint64_t v;
		const char *want;
	} numbers[] = {
		{0, "   0"},	   {9, "   9"},		{999, " 999"},	      {1000, "1.0k"},
		{1999, "1.9k"},	   {9999, "9.9k"},	{10000, " 10k"},      {999999, "999k"},
		{1000000, "1.0M"}, {999999999, "999M"}, {1ull << 40, "1.0T"}, {UINT64_MAX, " 18E"},
	};
	static const struct {
		uint64_t us;
		const char *want;
	} durations[] = {
		{0, "   0us"},
		{999, " 999us"},
		{1000, "   1ms"},
		{999999, " 999ms"},
		{1000000, "  1.0s"},
		{9999999, "  9.9s"},
		{10000000, "   10s"},
		{99999999, "   99s"},
		{100000000, "  1m40"},
		{3599999999, " 59m59"},
		{3600000000, "  1h00"},
		{3599999999999, "999h59"},
		{3600000000000, "   41d"},
		{UINT64_MAX, " 213Md"},
	};
	struct ht_record r;
	flow(&r);
	for (unsigned i = 0; i < HT_ARRAY_LEN(numbers); i++) {
		ht_set(&r, s2c_bytes, numbers[i].v);
		char *text = row(80, &r);
		assert_string_equal(text + strlen(text) - 4, numbers[i].want);
		free(text);
	}
	flow(&r);
	for (unsigned i = 0; i < HT_ARRAY_LEN(durations); i++) {
		ht_set(&r, duration_us, durations[i].us);
		char *text = row(100, &r);
		const char *const end = strstr(text, " 2.3k");
		assert_non_null(end);
		assert_memory_equal(end - 6, durations[i].want, 6);
		free(text);
	}
}

static void table_aggregates(void **state) {
	(void)state;
	struct ht_record r;
	aggregate(&r);
	expect_row(
		80, &r,
		"11-21T01:02:00 198.51.100.7:443      TLS1.3  www.example." E
		"   999   43k 2.3k  34M"
	);
	expect_row(
		100, &r,
		"11-21T01:02:00 198.51.100.7:443      TLS1.3  www.example.com      "
		"  t13d1516h2   999   43k 2.3k  34M"
	);
	expect_cell(79, &r, 0, "11-21T01:02 198.51.100.7:443 ");
	ht_set(&r, refused_flows, 12);
	ht_set(&r, resumed_flows, 3000);
	ht_set(&r, incomplete_hellos, 1);
	ht_set(&r, hello_len_min, 200);
	ht_set(&r, hello_len_mean, 517);
	ht_set(&r, hello_len_max, 1800);
	r.via.num = 1;
	r.via.s[0] = "smtp";
	r.has |= HT_HAS(via);
	char *text = row(200, &r);
	assert_non_null(strstr(text, " t13d1516h2_8daaf6152771_d8a2da3f94cd   999 "));
	assert_non_null(strstr(text, " smtp refused:12 incomplete:1 "));
	free(text);
	text = row(0, &r);
	assert_non_null(strstr(text, "2026-11-21T01:02:00 198.51.100.7:443 "));
	assert_non_null(strstr(text, " smtp refused:12 incomplete:1 resumed:3.0k len:200<517<1800")
	);
	free(text);
	// Hellos of one length have nothing that is worth a note.
	ht_set(&r, hello_len_min, 517);
	ht_set(&r, hello_len_max, 517);
	text = row(0, &r);
	assert_non_null(strstr(text, " resumed:3.0k"));
	assert_null(strstr(text, "len:"));
	free(text);
	// The folded rest.
	aggregate(&r);
	r.has
		&= ~(HT_HAS(dst_ip) | HT_HAS(dst_port) | HT_HAS(transport) | HT_HAS(protocol)
		     | HT_HAS(sni) | HT_HAS(alpn_first) | HT_HAS(tls_version) | HT_HAS(ja4));
	ht_set(&r, other, true);
	ht_set(&r, other_keys, 12345);
	expect_row(
		80, &r,
		"11-21T01:02:00 other: 12k keys                               999   43k 2.3k  34M"
	);
}

// What is in the key and has no column stands in the notes, whatever it is.
static void table_keys(void **state) {
	(void)state;
	struct file f;
	size_t len;
	struct ht_record r;
	static const uint8_t net[16] = {0x20, 0x01, 0x0d, 0xb8, 0xaa, 0xaa};
	aggregate(&r);
	r.has
		&= ~(HT_HAS(dst_ip) | HT_HAS(dst_port) | HT_HAS(transport) | HT_HAS(protocol)
		     | HT_HAS(sni) | HT_HAS(alpn_first) | HT_HAS(tls_version) | HT_HAS(ja4));
	ht_set(&r, src_ip, net);
	ht_set(&r, src_prefix, 48);
	ht_set(&r, service, "https");
	ht_set(&r, ja3, HT_SPAN_STR("cd08"));
	ht_set(&r, server_alpn, HT_SPAN_STR("a b\x1b[31m\xff"));
	ht_set(&r, server_cipher, 4865);
	ht_set(&r, ciphers, HT_SPAN_STR("\x13\x01\x13\x02"));
	ht_set(&r, refused, true);
	r.ciphers_are_24_bit = false;
	char err[256];
	f.fd = memfd_create("test_export", 0);
	char spec[64];
	snprintf(spec, sizeof(spec), "table:/proc/self/fd/%d", f.fd);
	const struct ht_sink_params params = {
		.key = HT_HAS(src_ip) | HT_HAS(service) | HT_HAS(ja3) | HT_HAS(server_alpn)
		       | HT_HAS(server_cipher) | HT_HAS(ciphers) | HT_HAS(refused),
	};
	assert_int_equal(ht_sink_open(&f.sink, spec, &params, err, sizeof(err)), HT_OK);
	ht_sink_write(f.sink, &r);
	char *text = close_sink(&f, &len);
	assert_string_equal(
		text, "WINDOW              CLIENT             FLOWS HELLOS CLNTS   ->   <- NOTES\n"
		      "2026-11-21T01:02:00 2001:db8:aaaa::/48   999   1.0k   43k 2.3k  34M "
		      "service=https ciphers=4865,4866 ja3=cd08 server_cipher=4865 "
		      "server_alpn=a\\x20b\\x1b[31m\\xff refused=true\n"
	);
	free(text);
}

// At any width, with all cells full: no line is longer, nothing is cut but by an ellipsis.
static void table_flows_fit_the_width(void **state) {
	(void)state;
	static const uint8_t ip[16] = {0x20, 1,	   0x0d, 0xb8, 0x11, 0x11, 0x22, 0x22,
				       0x33, 0x33, 0x44, 0x44, 0x55, 0x55, 6,	 6};
	uint8_t name[3 * 500];
	for (unsigned i = 0; i < 500; i++)
		memcpy(name + 3 * i, "\xe2\x82\xac", 3);
	for (unsigned width = 70; width <= 700; width++) {
		for (unsigned kind = 0; kind < 2; kind++) {
			struct ht_record r;
			if (kind == 0)
				flow(&r);
			else
				aggregate(&r);
			ht_set(&r, src_ip, ip);
			ht_set(&r, dst_ip, ip);
			ht_set(&r, dst_port, 65535);
			ht_set(&r, sni, HT_SPAN(name, sizeof(name)));
			ht_set(&r, alpn_first, HT_SPAN(name, sizeof(name)));
			ht_set(&r, alpn, HT_SPAN(name, sizeof(name)));
			ht_set(&r, server_alpn, HT_SPAN(name, sizeof(name)));
			ht_set(&r, end_reason, "resources");
			ht_set(&r, refused, true);
			ht_set(&r, refused_flows, UINT64_MAX);
			ht_set(&r, c2s_bytes, UINT64_MAX);
			ht_set(&r, clients, UINT64_MAX);
			ht_set(&r, duration_us, UINT64_MAX);
			char *text = row(width, &r);
			assert_true(columns_of(text) <= width);
			assert_non_null(strstr(text, E " "));
			assert_non_null(strstr(text, " 18E"));
			free(text);
		}
	}
}

// Records of different kinds have different columns: a header stands where the kind changes.
static void table_headers_of_kinds(void **state) {
	(void)state;
	struct ht_record r[3];
	hello(&r[0]);
	ht_set(&r[0], record, "hello");
	flow(&r[1]);
	aggregate(&r[2]);
	for (unsigned width = 0; width <= 120; width += 120) {
		struct file f;
		size_t len;
		open_sink(&f, "table", width, false);
		for (unsigned i = 0; i < 9; i++)
			ht_sink_write(f.sink, &r[i / 3]);
		ht_sink_write(f.sink, &r[0]);
		char *text = close_sink(&f, &len);
		unsigned hellos = 0, flows = 0, aggregates = 0, lines = 0;
		for (const char *p = text; (p = strstr(p, "ALPN        JA4")) != NULL; p++)
			hellos++;
		for (const char *p = text; (p = strstr(p, "FOR ")) != NULL; p++)
			flows++;
		for (const char *p = text; (p = strstr(p, "WINDOW ")) != NULL; p++)
			aggregates++;
		for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
			lines++;
		assert_int_equal(hellos, 2);
		assert_int_equal(flows, 1);
		assert_int_equal(aggregates, 1);
		assert_int_equal(lines, 10 + 4 + (width > 0)); // and the date
		free(text);
	}
}

// Windows tell their day themselves: one header for a screen of them, and none for another day. A
// hello behind them is told its day, unless that is the one that was told last.
static void table_days_of_windows(void **state) {
	(void)state;
	const int64_t day = (int64_t)86400 * 1000000000;
	struct file f;
	size_t len;
	struct ht_record a, h;
	aggregate(&a);
	hello(&h);
	ht_set(&h, record, "hello");
	open_sink(&f, "table", 100, false);
	for (unsigned i = 0; i < 41; i++, a.window_start += day)
		ht_sink_write(f.sink, &a);
	for (unsigned i = 0; i < 2; i++) {
		ht_sink_write(f.sink, &h);
		ht_sink_write(f.sink, &a);
	}
	h.ts += day;
	ht_sink_write(f.sink, &h);
	char *text = close_sink(&f, &len);
	assert_memory_equal(text, "WINDOW UTC ", 11);
	unsigned windows = 0, days = 0;
	for (const char *p = text; (p = strstr(p, "WINDOW UTC ")) != NULL; p++)
		windows++;
	for (const char *p = text; (p = strstr(p, " UTC\n")) != NULL; p++)
		days++;
	assert_int_equal(windows, 2 + 2);
	assert_int_equal(days, 2);
	assert_non_null(strstr(text, "\n2026-11-21 UTC\n"));
	assert_non_null(strstr(text, "\n2026-11-22 UTC\n"));
	free(text);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars_at_their_bounds),
		cmocka_unit_test(lists_of_none_one_and_more),
		cmocka_unit_test(every_16_bit_number),
		cmocka_unit_test(times),
		cmocka_unit_test(seconds),
		cmocka_unit_test(random_times_agree_with_libc),
		cmocka_unit_test(addresses),
		cmocka_unit_test(random_addresses_agree_with_libc),
		cmocka_unit_test(text_as_sent),
		cmocka_unit_test(every_place_of_a_special_byte),
		cmocka_unit_test(lists_cut_anywhere),
		cmocka_unit_test(random_records_are_json),
		cmocka_unit_test(random_records_are_csv),
		cmocka_unit_test(nothing_odd_reaches_a_terminal),
		cmocka_unit_test(an_empty_record),
		cmocka_unit_test(the_largest_hello_comes_out_whole),
		cmocka_unit_test(larger_than_any_hello_is_lost_and_said),
		cmocka_unit_test(text_behind_the_limit_is_refused),
		cmocka_unit_test(a_ledger_is_a_member_as_it_stands),
		cmocka_unit_test(an_encoder_says_what_the_sink_writes),
		cmocka_unit_test(an_encoder_refuses_what_is_too_large),
		cmocka_unit_test(a_full_disk_loses_all_and_says_so),
		cmocka_unit_test(a_header_alone_that_is_refused_is_an_error),
		cmocka_unit_test(a_reader_that_leaves),
		cmocka_unit_test(a_record_cut_by_a_full_disk_is_completed_later),
		cmocka_unit_test(a_record_cut_for_good_is_lost),
		cmocka_unit_test(a_long_rest_waits),
		cmocka_unit_test(a_pipe_that_is_full),
		cmocka_unit_test(more_records_than_a_batch_counts),
		cmocka_unit_test(flush_hands_over_what_is_there),
		cmocka_unit_test(what_cannot_be_opened),
		cmocka_unit_test(standard_output_is_dash_or_nothing),
		cmocka_unit_test(table_rows),
		cmocka_unit_test(table_protocols),
		cmocka_unit_test(table_alpn),
		cmocka_unit_test(table_peers),
		cmocka_unit_test(table_matches),
		cmocka_unit_test(table_findings),
		cmocka_unit_test(table_fits_its_width),
		cmocka_unit_test(table_in_a_file),
		cmocka_unit_test(table_header_comes_again),
		cmocka_unit_test(table_flows),
		cmocka_unit_test(table_numbers),
		cmocka_unit_test(table_aggregates),
		cmocka_unit_test(table_keys),
		cmocka_unit_test(table_flows_fit_the_width),
		cmocka_unit_test(table_headers_of_kinds),
		cmocka_unit_test(table_days_of_windows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
