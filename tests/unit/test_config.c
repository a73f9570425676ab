// SPDX-License-Identifier: BSD-3-Clause

#include "config.h"
#include "config_table.h"
#include "ht_config.h"
#include "t.h"

#include <fcntl.h>
#include <unistd.h>

static struct ht_config_errors errors;
static struct ht_config *c;
static struct t_config v;

static int tear_down(void **state) {
	(void)state;
	ht_config_free(c);
	c = NULL;
	return 0;
}

// Loads a text from a block of exactly its size.
static enum ht_rc load_len(const char *text, size_t n) {
	uint8_t *copy = t_dup(text, n);
	tear_down(NULL);
	memset(&v, 0xa5, sizeof(v));
	enum ht_rc rc
		= ht_config_load_text(&c, "f", HT_SPAN(copy, n), &t_config_table, &v, &errors);
	free(copy);
	assert_true((rc == HT_OK) == (c != NULL));
	assert_true((rc == HT_OK) == (errors.num == 0));
	return rc;
}

static void good(const char *text) {
	if (load_len(text, strlen(text)) != HT_OK) {
		ht_config_print_errors(&errors, stderr);
		fail_msg("refused: %s", text);
	}
}

static char *printed(void) {
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	assert_non_null(f);
	ht_config_print_errors(&errors, f);
	assert_int_equal(fclose(f), 0);
	return out;
}

// Where `at` is in the file, as "LINE:COLUMN".
#define assert_where(pos, text) \
	do { \
		char where_[32]; \
		struct ht_config_pos p_ = (pos); \
		snprintf(where_, sizeof(where_), "%u:%u", p_.line, p_.column); \
		assert_string_equal(where_, text); \
	} while (0)

// --- what is right ------------------------------------------------------------------------------

static const char full[] = "# everything\n"
			   "sensor:\n"
			   "  max_flows: 64K\n"
			   "  events: false\n"
			   "  idle: {udp_s: 3600, tcp_s: 1}\n"
			   "  ports: [1, 443,\n"
			   "    65535]\n"
			   "name: \"a\\tb\\u00e9\"\n"
			   "note: 42\n"
			   "verbose: true\n"
			   "mode: off\n"
			   "interfaces:\n"
			   "- eth0\n"
			   "- 'it''s'\n"
			   "- \xc3\xa9 x # not of it\n"
			   "sinks:\n"
			   "  - kind: ipfix+tcp\n"
			   "    path: |\n"
			   "      two\n"
			   "      lines\n"
			   "    queue:\n"
			   "      records: 4294967295\n"
			   "    filters: [{expr: a}, {weight: 9, expr: \"\"}]\n"
			   "  - {kind: \"json\", flush: true}\n"
			   "kafka:\n"
			   "  brokers: [k:1]\n"
			   "  topic: \"null\"\n"
			   "  partitions: [0]\n";

static void everything(void **state) {
	(void)state;
	good(full);
	assert_int_equal(v.sensor.max_flows, 65536);
	assert_false(v.sensor.events);
	assert_int_equal(v.sensor.idle.tcp_s, 1);
	assert_int_equal(v.sensor.idle.udp_s, 3600);
	assert_int_equal(v.sensor.ports.num, 3);
	assert_int_equal(v.sensor.ports.v[0], 1);
	assert_int_equal(v.sensor.ports.v[1], 443);
	assert_int_equal(v.sensor.ports.v[2], 65535);
	assert_string_equal(v.name, "a\tb\xc3\xa9");
	assert_string_equal(v.note, "42");
	assert_true(v.verbose);
	assert_int_equal(v.mode, 2);
	assert_int_equal(v.interfaces.num, 3);
	assert_string_equal(v.interfaces.v[0], "eth0");
	assert_string_equal(v.interfaces.v[1], "it's");
	assert_string_equal(v.interfaces.v[2], "\xc3\xa9 x");
	assert_int_equal(v.sinks.num, 2);
	const struct t_sink *s = v.sinks.v;
	assert_int_equal(s[0].kind, 2);
	assert_string_equal(s[0].path, "two\nlines\n");
	assert_false(s[0].flush);
	assert_int_equal(s[0].queue.records, UINT32_MAX);
	assert_int_equal(s[0].filters.num, 2);
	const struct t_filter *f = s[0].filters.v;
	assert_string_equal(f[0].expr, "a");
	assert_int_equal(f[0].weight, 1);
	assert_string_equal(f[1].expr, "");
	assert_int_equal(f[1].weight, 9);
	assert_int_equal(s[1].kind, 0);
	assert_null(s[1].path);
	assert_true(s[1].flush);
	assert_int_equal(s[1].queue.records, 1024);
	assert_int_equal(s[1].filters.num, 0);
	assert_int_equal(v.kafka.brokers.num, 1);
	assert_string_equal(v.kafka.topic, "null");
	assert_int_equal(v.kafka.partitions.v[0], 0);
}

static void places(void **state) {
	(void)state;
	good(full);
	const struct t_sink *s = v.sinks.v;
	const struct t_filter *f = s[0].filters.v;
	// These have one address.
	assert_where(ht_config_where(c, &v.sensor.max_flows), "3:14");
	assert_where(ht_config_where_section(c, &v.sensor.idle), "5:9");
	assert_where(ht_config_where(c, &v.sensor.idle.udp_s), "5:17");
	assert_where(ht_config_where(c, &v.sensor.ports), "6:10");
	assert_where(ht_config_where(c, &v.sensor.ports.v[2]), "7:5");
	assert_where(ht_config_where(c, &v.interfaces), "13:1");
	assert_where(ht_config_where(c, &v.interfaces.v[1]), "14:3");
	assert_where(ht_config_where_section(c, &s[0]), "17:5");
	assert_where(ht_config_where(c, &s[0].kind), "17:11");
	assert_where(ht_config_where(c, &f[1].weight), "23:35");
	assert_where(ht_config_where_section(c, &f[1]), "23:26");
	assert_where(ht_config_where(c, &s[1].flush), "24:27");
	assert_where(ht_config_where(c, &v.kafka.topic), "27:10");
	// What the file does not have is nowhere, even where its section is.
	assert_where(ht_config_where(c, &f[0].weight), "0:0");
	assert_where(ht_config_where(c, &s[1].path), "0:0");
	assert_where(ht_config_where(c, NULL), "0:0");
	good("sensor:\n  idle: {udp_s: 7}\n");
	assert_where(ht_config_where(c, &v.sensor.max_flows), "0:0");
	assert_where(ht_config_where(c, &v.sensor.idle.tcp_s), "0:0");
	assert_where(ht_config_where_section(c, &v.kafka), "0:0");
}

static void expect_defaults(void) {
	assert_int_equal(v.sensor.max_flows, 65536);
	assert_true(v.sensor.events);
	assert_int_equal(v.sensor.idle.tcp_s, 60);
	assert_int_equal(v.sensor.idle.udp_s, 30);
	assert_true(v.sensor.ports.num == 0 && v.sensor.ports.v == NULL);
	assert_string_equal(v.name, t_config_options[1].def_text);
	assert_null(v.note);
	assert_false(v.verbose);
	assert_int_equal(v.mode, 1);
	assert_true(v.interfaces.num == 0 && v.interfaces.v == NULL);
	assert_true(v.sinks.num == 0 && v.sinks.v == NULL);
	assert_int_equal(v.kafka.brokers.num, 0);
	assert_string_equal(v.kafka.topic, "hel|los");
}

static void defaults(void **state) {
	(void)state;
	memset(&v, 0xa5, sizeof(v));
	ht_config_defaults(&t_config_table, &v);
	expect_defaults();
	static const char *const texts[] = {
		"",
		"\n",
		"# nothing\n",
		"---\n",
		"--- \n...\n",
		"~",
		"null\n",
		"{}",
		"\xef\xbb\xbf",
		"sensor:\n",
		"sensor: ~",
		"sensor: {}\ninterfaces:\nsinks:\n",
		"sensor: {idle: }",
		"interfaces: []\nsinks: []\nsensor: {ports: []}",
		"%YAML 1.1\n---\n{}\n",
		"\xef\xbb\xbfverbose: false\r\nmode: strict\r\n",
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(texts); i++) {
		good(texts[i]);
		expect_defaults();
	}
	// Whatever was read of a file that is refused is taken back.
	assert_int_equal(load_len("verbose: true\nname: x\nmode: x", 30), HT_BAD);
	expect_defaults();
}

static void numbers(void **state) {
	(void)state;
	static const struct {
		const char *text;
		uint32_t value;
	} cases[] = {
		{"0", 0}, {"7", 7},	   {"4294967295", UINT32_MAX}, {"1K", 1024},
		{"0", 0}, {"3M", 3 << 20}, {"3G", 3u << 30},	       {"4194303K", 4194303u << 10},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		char text[80];
		snprintf(
			text, sizeof(text), "sinks: [{kind: csv, queue: {records: %s}}]",
			cases[i].text
		);
		good(text);
		assert_int_equal(((struct t_sink *)v.sinks.v)->queue.records, cases[i].value);
	}
	static const char *const bad[] = {
		"-1",
		"+1",
		"4294967296",
		"18446744073709551616",
		"99999999999999999999999999",
		"4G",
		"4096M",
		"18014398509481984K",
		"00",
		"01",
		"0K",
		"0x10",
		"1_000",
		"1,000",
		"1.0",
		"1e3",
		"1 K",
		"1k",
		"1KB",
		"1Ki",
		"K",
		"''",
		"\"1\"",
		"'1'",
		"~",
		"",
		"true",
		"[1]",
		"{a: 1}",
		".inf",
		"|-\n      1\n",
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(bad); i++) {
		char text[120];
		int n = snprintf(
			text, sizeof(text), "sinks:\n- kind: csv\n  queue:\n    records: %s", bad[i]
		);
		if (load_len(text, (size_t)n) != HT_BAD)
			fail_msg("%s is a number", bad[i]);
		assert_int_equal(errors.num, 1);
		assert_int_equal(errors.v[0].pos.line, 4);
		assert_memory_equal(
			errors.v[0].text, "sinks[0].queue.records: must be a number", 40
		);
	}
}

// --- what is wrong ------------------------------------------------------------------------------

#define TOP_LEVEL " (known here: sensor, name, note, verbose, mode, interfaces, sinks, kafka)\n"
#define SENSOR " (known here: max_flows, events, idle, ports)\n"
#define DIGITS " (decimal digits; K, M or G behind them multiply by 1024, 1024^2 or 1024^3)\n"

static void wrong(void **state) {
	(void)state;
	static const struct {
		const char *text, *want;
	} cases[] = {
		// names
		{"sensr: {}",
		 "f:1:1: unknown option \"sensr\"; did you mean \"sensor\"?" TOP_LEVEL},
		{"MODE: lax", "f:1:1: unknown option \"MODE\"; did you mean \"mode\"?" TOP_LEVEL},
		{"naem: x", "f:1:1: unknown option \"naem\"; did you mean \"name\"?" TOP_LEVEL},
		{"zz: 1\n? \n: 1\n",
		 "f:1:1: unknown option \"zz\"" TOP_LEVEL "f:2:2: unknown option \"\"" TOP_LEVEL},
		{"sensor:\n  max-flow: 1", "f:2:3: unknown option \"max-flow\" in sensor; did you "
					   "mean \"max_flows\"?" SENSOR},
		{"sensor:\n  udp_s: 1",
		 "f:2:3: unknown option \"udp_s\" in sensor; it belongs into sensor.idle" SENSOR},
		{"sensor: {mode: lax}",
		 "f:1:10: unknown option \"mode\" in sensor; it belongs to the top level" SENSOR},
		{"sinks:\n- kind: csv\n  filters:\n  - {expr: a, eggs: b}\n",
		 "f:4:15: unknown option \"eggs\" in sinks[0].filters[0] (known here: expr, "
		 "weight)\n"},
		{"\"a\\e[31m\\u202e\\u00e9\\n\": 1",
		 "f:1:1: unknown option \"a\\u001b[31m\\u202e\xc3\xa9\\u000a\"" TOP_LEVEL},
		{"a234567890b234567890c234567890d234567890e234567890f234567890g234567890: 1",
		 "f:1:1: unknown option "
		 "\"a234567890b234567890c234567890d234567890e234567890f2345678..."
		 "\"" TOP_LEVEL},
		{"mode: lax\nname: x\n\nmode: lax",
		 "f:4:1: \"mode\" is here twice, first in line 1\n"},
		{"? [a]\n: 1\n? {a: b}\n: 2",
		 "f:1:3: the name of an option is expected here, not a list\n"
		 "f:3:3: the name of an option is expected here, not a mapping\n"},
		{"<<: {mode: lax}", "f:1:1: unknown option \"<<\"" TOP_LEVEL},
		// types
		{"[a]", "f:1:1: the file: must be a section of options, not a list\n"},
		{"\n text", "f:2:2: the file: must be a section of options, not \"text\"\n"},
		{"''", "f:1:1: the file: must be a section of options, not \"\"\n"},
		{"sensor: 1", "f:1:9: sensor: must be a section of options, not \"1\"\n"},
		{"sensor: [1]", "f:1:9: sensor: must be a section of options, not a list\n"},
		{"sinks: [x]", "f:1:9: sinks[0]: must be a section of options, not \"x\"\n"},
		{"sinks: {kind: csv}", "f:1:8: sinks: must be a list of sections, not a mapping\n"},
		{"interfaces: eth0", "f:1:13: interfaces: must be a list of texts, not \"eth0\"\n"},
		{"interfaces: [a, ~, [b], {c: d}]",
		 "f:1:17: interfaces[1]: must be a text, not nothing (the empty text is \"\")\n"
		 "f:1:20: interfaces[2]: must be a text, not a list\n"
		 "f:1:25: interfaces[3]: must be a text, not a mapping\n"},
		{"name:\nnote: null",
		 "f:1:6: name: must be a text, not nothing (the empty text is \"\")\n"
		 "f:2:7: note: must be a text, not nothing (the empty text is \"\")\n"},
		{"verbose: Yes", "f:1:10: verbose: must be true or false, not \"Yes\" (of YAML's "
				 "booleans only these two words are taken)\n"},
		{"verbose: TRUE", "f:1:10: verbose: must be true or false, not \"TRUE\" (of YAML's "
				  "booleans only these two words are taken)\n"},
		{"verbose: 1", "f:1:10: verbose: must be true or false, not \"1\"\n"},
		{"verbose: 'true'",
		 "f:1:10: verbose: must be true or false, not \"true\" as a text in quotes\n"},
		{"verbose:", "f:1:9: verbose: must be true or false, not nothing\n"},
		{"mode: Strict",
		 "f:1:7: mode: must be one of lax, strict, off, not \"Strict\"; did "
		 "you mean \"strict\"?\n"},
		{"mode: 1", "f:1:7: mode: must be one of lax, strict, off, not \"1\"\n"},
		{"mode: ", "f:1:6: mode: must be one of lax, strict, off, not nothing\n"},
		{"mode: [lax]", "f:1:7: mode: must be one of lax, strict, off, not a list\n"},
		// bounds
		{"sensor: {max_flows: 15}",
		 "f:1:21: sensor.max_flows: must be a number from 16 to 16777216, not \"15\"\n"},
		{"sensor: {max_flows: 16777217}", "f:1:21: sensor.max_flows: must be a number from "
						  "16 to 16777216, not \"16777217\"\n"},
		{"sensor: {max_flows: 1GB}", "f:1:21: sensor.max_flows: must be a number from 16 "
					     "to 16777216, not \"1GB\"" DIGITS},
		{"sensor: {max_flows: 020}",
		 "f:1:21: sensor.max_flows: must be a number from 16 to "
		 "16777216, not \"020\" (without zeros in front)\n"},
		{"sensor:\n  ports:\n  - 0\n  - 65536\n  - 1",
		 "f:3:5: sensor.ports[0]: must be a number from 1 to 65535, not \"0\"\n"
		 "f:4:5: sensor.ports[1]: must be a number from 1 to 65535, not \"65536\"\n"},
		{"sensor: {ports: [1, 2, 3, 4, 5, 6]}",
		 "f:1:30: sensor.ports: 4 elements at most, not 6\n"},
		// what is required
		{"sinks:\n- path: x\n-\n", "f:2:3: sinks[0].kind is missing: one of json, csv, "
					   "ipfix+tcp, what is written\n"
					   "f:3:2: sinks[1].kind is missing: one of json, csv, "
					   "ipfix+tcp, what is written\n"},
		{"kafka:\n  topic: x\n",
		 "f:2:3: kafka.brokers is missing: a list of texts, HOST:PORT of some\n"
		 "f:2:3: kafka.partitions is missing: a list of numbers from 0 to 9, which of "
		 "them\n"},
		{"kafka: {brokers: [], partitions: }",
		 "f:1:18: kafka.brokers: must have an element at least (a list of texts)\n"
		 "f:1:34: kafka.partitions: must have an element at least (a list of numbers from "
		 "0 to "
		 "9)\n"},
		// beyond what is taken of YAML
		{"name: !!str x", "f:1:7: tags (!) are refused: the option has its type\n"},
		{"!x\nsensor: !y {idle: !z [1]}",
		 "f:1:1: tags (!) are refused: the option has its type\n"
		 "f:2:9: tags (!) are refused: the option has its type\n"
		 "f:2:19: tags (!) are refused: the option has its type\n"
		 "f:2:19: sensor.idle: must be a section of options, not a list\n"},
		{"name: &a x\nnote: *a\n",
		 "f:1:7: anchors (&) are refused\nf:2:7: aliases (*) are refused\n"},
		{"*a : 1\nsinks: [*b]\nsensor: *c\ninterfaces: *d",
		 "f:1:1: aliases (*) are refused\nf:2:9: aliases (*) are refused\n"
		 "f:3:9: aliases (*) are refused\nf:4:13: aliases (*) are refused\n"},
		{"name: x\n---\nname: y\n",
		 "f:2:1: a second document begins here; a file has one\n"},
		{"name: x\n...\nname: y\n", "f:3:1: did not find expected <document start>\n"},
		{"name: \"a\\0b\"\n\"mode\\0\": lax",
		 "f:1:7: a NUL in a text is refused\nf:2:1: a NUL in a text is refused\n"},
		// no YAML, no text
		{"sensor:\n\tidle: {}",
		 "f:2:1: found character that cannot start any token, while "
		 "scanning for the next token (a tab cannot indent: use spaces)\n"},
		{"name: [a\nmode: b",
		 "f:2:5: did not find expected ',' or ']', while parsing a flow "
		 "sequence from line 1 on\n"},
		{"name: \"a",
		 "f:1:9: found unexpected end of stream, while scanning a quoted scalar\n"},
		{"name: a: b", "f:1:8: mapping values are not allowed in this context\n"},
		{"zz: 1\n  mode: b\nx", "f:2:7: mapping values are not allowed in this context\n"},
		{"name: \xc3\xa9\xff", "f:1:8: the byte 0xff is not UTF-8\n"},
		{"name: x\r\n\r\n\xc3", "f:3:1: the byte 0xc3 is not UTF-8\n"},
		{"\rname: \xed\xa0\x80", "f:2:7: the byte 0xed is not UTF-8\n"},
		{"\xc0\xaf", "f:1:1: the byte 0xc0 is not UTF-8\n"},
		{"\xff\xfe"
		 "n",
		 "f:1:1: the byte 0xff is not UTF-8\n"},
		{"name: \x1b[0m",
		 "f:1:7: the character U+001B is refused; in double quotes it can be "
		 "written as an escape\n"},
		{"\xef\xbb\xbf# \xe2\x80\xae", "f:1:3: the character U+202E is refused; in double "
					       "quotes it can be written as an escape\n"},
		{"#\xc2\x85x: 1",
		 "f:1:2: the character U+0085 is refused; in double quotes it can be "
		 "written as an escape\n"},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		assert_int_equal(load_len(cases[i].text, strlen(cases[i].text)), HT_BAD);
		char *out = printed();
		if (strcmp(out, cases[i].want) != 0)
			fail_msg("%s\nis\n%snot\n%s", cases[i].text, out, cases[i].want);
		free(out);
		expect_defaults();
	}
	assert_int_equal(load_len("name: a\n\0\n", 10), HT_BAD);
	assert_where(errors.v[0].pos, "2:1");
	assert_string_equal(
		errors.v[0].text, "the character U+0000 is refused (is this a text file?)"
	);
}

static void depth(void **state) {
	(void)state;
	char text[200] = "zz: ";
	memset(text + 4, '[', HT_CONFIG_DEPTH_MAX - 1);
	memset(text + 4 + HT_CONFIG_DEPTH_MAX - 1, ']', HT_CONFIG_DEPTH_MAX - 1);
	assert_int_equal(load_len(text, strlen(text)), HT_BAD);
	assert_non_null(strstr(errors.v[0].text, "unknown option"));
	memset(text + 4, '[', HT_CONFIG_DEPTH_MAX);
	memset(text + 4 + HT_CONFIG_DEPTH_MAX, ']', HT_CONFIG_DEPTH_MAX);
	assert_int_equal(load_len(text, strlen(text)), HT_BAD);
	assert_int_equal(errors.num, 1);
	assert_where(errors.v[0].pos, "1:20");
	assert_string_equal(errors.v[0].text, "nested deeper than 16 levels");
}

// The first ones are kept, in order, and the others counted; a program's own join them.
static void many_errors(void **state) {
	(void)state;
	char text[4000];
	size_t n = 0;
	for (unsigned i = 0; i < 30; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "zz%u: 1\n", i);
	assert_int_equal(load_len(text, n), HT_BAD);
	assert_int_equal(errors.num, HT_CONFIG_ERRORS_MAX);
	assert_int_equal(errors.more, 30 - HT_CONFIG_ERRORS_MAX);
	for (unsigned i = 0; i < errors.num; i++)
		assert_int_equal(errors.v[i].pos.line, i + 1);
	ht_config_complain(&errors, (struct ht_config_pos){1, 1}, "late");
	char *out = printed();
	assert_non_null(strstr(out, "\nf: and 11 more\n"));
	free(out);
	errors = (struct ht_config_errors){.file = "f"};
	ht_config_complain(&errors, (struct ht_config_pos){2, 5}, "%s", "second");
	ht_config_complain(&errors, (struct ht_config_pos){2, 5}, "third");
	ht_config_complain(&errors, (struct ht_config_pos){3, 1}, "fourth");
	ht_config_complain(&errors, (struct ht_config_pos){2, 4}, "first");
	ht_config_complain(&errors, (struct ht_config_pos){0}, "%600s", "the file");
	assert_int_equal(strlen(errors.v[0].text), sizeof(errors.v[0].text) - 1);
	memset(errors.v[0].text, 0, sizeof(errors.v[0].text));
	out = printed();
	assert_string_equal(out, "f: \nf:2:4: first\nf:2:5: second\nf:2:5: third\nf:3:1: fourth\n");
	free(out);
}

// A message has what was written, however much there is to choose from.
static void many_words(void **state) {
	(void)state;
	static const char *words[61];
	static char text[60][8];
	for (unsigned i = 0; i < 60; i++) {
		snprintf(text[i], sizeof(text[i]), "word%02u", i);
		words[i] = text[i];
	}
	const struct ht_option option = {"word", "a word", 0, HT_OPTION_CHOICE, .choices = words};
	const struct ht_option_table table = {"x", &option, 1, sizeof(uint32_t)};
	uint32_t word;
	assert_int_equal(
		ht_config_load_text(&c, "f", HT_SPAN_STR("word: Word5"), &table, &word, &errors),
		HT_BAD
	);
	const char *message = errors.v[0].text;
	assert_non_null(strstr(message, "word: must be one of word00, word01, "));
	assert_non_null(strstr(message, "..., not \"Word5\"; did you mean \"word05\"?"));
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	ht_options_md(&table, f); // all of them
	fclose(f);
	assert_non_null(strstr(out, "word58, word59 | `word00` |"));
	free(out);
}

// --- hostile ------------------------------------------------------------------------------------

// A text is taken, or refused with a place inside it.
static enum ht_rc expect_sane(const char *text, size_t n) {
	enum ht_rc rc = load_len(text, n);
	size_t lines = 1;
	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n' || text[i] == '\r';
	assert_true(rc == HT_OK || rc == HT_BAD);
	for (unsigned i = 0; i < errors.num; i++) {
		const struct ht_config_error *e = &errors.v[i];
		assert_in_range(e->pos.line, 1, lines + 1);
		assert_in_range(e->pos.column, 1, n + 1);
		assert_true(e->text[0] != '\0' && strchr(e->text, '\n') == NULL);
	}
	if (rc == HT_BAD)
		expect_defaults();
	return rc;
}

static void truncation(void **state) {
	(void)state;
	unsigned taken = 0;
	for (size_t n = 0; n < sizeof(full); n++)
		taken += expect_sane(full, n) == HT_OK;
	assert_in_range(taken, 20, sizeof(full) / 2); // what is cut at the end of an option
}

static void other_bytes(void **state) {
	(void)state;
	static const char bytes[] = "\0\xff\xc3 \t\n\r:,-?[]{}#&*!|>'\"%@`~\\0K";
	char text[sizeof(full)];
	for (size_t i = 0; i < sizeof(full) - 1; i++)
		for (size_t k = 0; k < sizeof(bytes) - 1; k++) {
			memcpy(text, full, sizeof(text));
			text[i] = bytes[k];
			expect_sane(text, sizeof(full) - 1);
		}
}

// A file's worth of one thing over and over. Each took too long, or too deep, in some reader of
// YAML.
static void floods(void **state) {
	(void)state;
	static const struct {
		const char *head, *unit;
		enum ht_rc rc;
	} cases[] = {
		{"", "[", HT_BAD},
		{"", "{", HT_BAD},
		{"", "- ", HT_BAD},
		{"", "? ", HT_BAD},
		{"", "{a: ", HT_BAD},
		{"", "&a ", HT_BAD},
		{"", "]", HT_BAD},
		{"", "a:\n", HT_BAD},
		{"", "mode: lax\n", HT_BAD},
		{"", "---\n", HT_BAD},
		{"", "%TAG !a! b\n", HT_BAD},
		{"", "#\n", HT_OK},
		{"", "\n", HT_OK},
		{"", " ", HT_OK},
		{"name: ", "b", HT_OK},
		{"name: ", "b ", HT_OK},
		{"name: \"", "b\n", HT_BAD},
		{"name: |\n", "  b\n", HT_OK},
		{"interfaces: [", "*a,", HT_BAD},
		{"interfaces: [", "&a b,", HT_BAD},
		{"interfaces: [", "a: b,", HT_BAD},
		{"interfaces:\n", "- a\n", HT_BAD},
		{"sinks:\n", "- {}\n", HT_BAD},
		{"sinks:\n", "-\n", HT_BAD},
		{"sensor:\n", " mode: 1\n", HT_BAD},
		{"{", "? a,", HT_BAD},
	};
	char *text = malloc(HT_CONFIG_BYTES_MAX + 1);
	assert_non_null(text);
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		const size_t unit = strlen(cases[i].unit);
		size_t n = strlen(cases[i].head);
		memcpy(text, cases[i].head, n);
		for (; n + unit <= HT_CONFIG_BYTES_MAX; n += unit)
			memcpy(text + n, cases[i].unit, unit);
		if (expect_sane(text, n) != cases[i].rc)
			fail_msg("%s%s...", cases[i].head, cases[i].unit);
	}
	memset(text, '\n', HT_CONFIG_BYTES_MAX + 1);
	assert_int_equal(load_len(text, HT_CONFIG_BYTES_MAX), HT_OK);
	assert_int_equal(load_len(text, HT_CONFIG_BYTES_MAX + 1), HT_BAD);
	assert_string_equal(errors.v[0].text, "longer than 1048576 bytes");
	assert_where(errors.v[0].pos, "0:0");
	free(text);
}

// --- files --------------------------------------------------------------------------------------

static void files(void **state) {
	(void)state;
	char path[] = "/tmp/test_config.XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, full, sizeof(full) - 1), sizeof(full) - 1);
	assert_int_equal(ht_config_load(&c, path, &t_config_table, &v, &errors), HT_OK);
	assert_int_equal(v.sinks.num, 2);
	assert_where(ht_config_where(c, &v.mode), "11:7");
	tear_down(NULL);

	// As standard input, which stays open.
	int was = dup(STDIN_FILENO);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	assert_int_equal(ht_config_load(&c, "-", &t_config_table, &v, &errors), HT_OK);
	assert_int_equal(v.sinks.num, 2);
	assert_string_equal(errors.file, "standard input");
	assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
	if (was >= 0) {
		dup2(was, STDIN_FILENO);
		close(was);
	}
	tear_down(NULL);

	assert_int_equal(ftruncate(fd, HT_CONFIG_BYTES_MAX + 1), 0);
	assert_int_equal(ht_config_load(&c, path, &t_config_table, &v, &errors), HT_BAD);
	close(fd);
	unlink(path);
	assert_int_equal(ht_config_load(&c, path, &t_config_table, &v, &errors), HT_ERROR);
	assert_null(c);
	expect_defaults();
	char *out = printed(), want[100];
	snprintf(want, sizeof(want), "%s: No such file or directory\n", path);
	assert_string_equal(out, want);
	free(out);
	assert_int_equal(ht_config_load(&c, "/", &t_config_table, &v, &errors), HT_ERROR);
	assert_string_equal(errors.v[0].text, "Is a directory");
}

// --- two structs --------------------------------------------------------------------------------

static char changed_text[1000];

static void changed(void *ctx, const char *path, const struct ht_option *o) {
	assert_ptr_equal(ctx, changed_text);
	size_t n = strlen(changed_text);
	snprintf(changed_text + n, sizeof(changed_text) - n, "%s%s ", path, o->reload ? "*" : "");
}

// The paths that differ from `full`, with a * where it may change.
static void differs(const char *was_text, const char *text, const char *want) {
	good(was_text);
	struct ht_config *was_c = c;
	struct t_config was = v;
	c = NULL;
	good(text);
	changed_text[0] = '\0';
	ht_config_changes(&t_config_table, &was, &v, changed, changed_text);
	assert_string_equal(changed_text, want);
	ht_config_free(was_c);
}

static void changes(void **state) {
	(void)state;
	differs(full, full, "");
	differs("", "", "");
	differs("", "sensor: {max_flows: 64K, idle: {tcp_s: 60}}\nmode: strict", "");
	differs("", "note: ''\nname: x", "name note* ");
	differs("note: a", "", "note* ");
	differs("note: a", "note: 'a'", "");
	differs("", "verbose: true\nmode: lax\nsensor: {events: false, max_flows: 16}",
		"sensor.max_flows sensor.events* verbose* mode ");
	differs("", "sensor: {idle: {tcp_s: 1, udp_s: 1}}",
		"sensor.idle.tcp_s* sensor.idle.udp_s ");
	differs("sensor: {ports: [1, 2]}", "sensor: {ports: [1, 3]}", "sensor.ports* ");
	differs("sensor: {ports: [1, 2]}", "sensor: {ports: [1]}", "sensor.ports* ");
	differs("interfaces: [a, b]", "interfaces: [b, a]", "interfaces ");
	differs("sinks: [{kind: csv}]", "sinks: [{kind: csv}, {kind: csv}]", "sinks ");
	differs("sinks: [{kind: csv}, {kind: csv, filters: [{expr: a}, {expr: b}]}]",
		"sinks: [{kind: json}, {kind: csv, flush: true, filters: [{expr: a}, {expr: c}]}]",
		"sinks[0].kind sinks[1].flush* sinks[1].filters[1].expr* ");
}

// --- writing ------------------------------------------------------------------------------------

static char *written(const struct t_config *values, bool example) {
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	assert_non_null(f);
	if (example)
		assert_int_equal(ht_options_example(&t_config_table, f), HT_OK);
	else
		assert_int_equal(ht_config_write(&t_config_table, values, f), HT_OK);
	assert_int_equal(fclose(f), 0);
	return out;
}

static void round_trip(void **state) {
	(void)state;
	static const char *const texts[] = {
		full,
		"",
		"sinks: [{kind: json}, {kind: csv, filters: [{expr: '0x'}]}]",
		"name: \"\\u202e\\x7f\\u2028\\ufeff\\uffff\\ud7ff\\U0001f600\\e\\\"\\\\\\n\"",
		"name: ''\nnote: ''",
		"kafka: {brokers: [a], partitions: [0]}",
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(texts); i++) {
		good(texts[i]);
		char *out = written(&v, false);
		differs(texts[i], out, "");
		free(out);
	}
	// A list's element of which nothing is written.
	static const struct ht_option inner[] = {{"text", "a text", 0, HT_OPTION_TEXT}};
	static const struct ht_option_table inner_table = {"x", inner, 1, sizeof(char *)};
	static const struct ht_option outer[]
		= {{"list", "a list", 0, HT_OPTION_SECTIONS, .max = 2, .sub = &inner_table}};
	static const struct ht_option_table outer_table
		= {"x", outer, 1, sizeof(struct ht_option_sections)};
	struct ht_option_sections list;
	tear_down(NULL);
	assert_int_equal(
		ht_config_load_text(
			&c, "f", HT_SPAN_STR("list: [{}, {text: x}]"), &outer_table, &list, &errors
		),
		HT_OK
	);
	char out[100] = "";
	FILE *f = fmemopen(out, sizeof(out), "w");
	assert_int_equal(ht_config_write(&outer_table, &list, f), HT_OK);
	fclose(f);
	assert_string_equal(out, "list:\n  - {}\n  - text: \"x\"\n");
}

static void example(void **state) {
	(void)state;
	char *out = written(NULL, true);
	good(out);
	expect_defaults();
	// With every option that is commented out, too.
	char *all = strdup(out), *to = all;
	bool front = true;
	for (const char *p = out; *p != '\0'; p++) {
		if (!(front && *p == '#' && p[1] != ' '))
			*to++ = *p;
		front = *p == '\n' || (front && *p == ' ');
	}
	*to = '\0';
	good(all);
	assert_int_equal(v.sinks.num, 1);
	assert_int_equal(v.sensor.ports.v[0], 443);
	assert_string_equal(v.kafka.brokers.v[0], "kafka.example:9092");
	assert_where(ht_config_where(c, &v.sensor.max_flows), "8:14");
	const struct t_sink *s = v.sinks.v;
	assert_string_equal(((struct t_filter *)s->filters.v)->expr, "sni ~ \"a|b\\c\"");
	free(all);
	static const char part[] = "  # when a flow has ended\n"
				   "  idle:\n"
				   "\n"
				   "    # seconds without a packet: a number from 1 to 3600; may "
				   "change while running\n"
				   "    tcp_s: 60\n";
	assert_non_null(strstr(out, part));
	free(out);
	FILE *full_disk = fopen("/dev/full", "w");
	if (full_disk != NULL) {
		setvbuf(full_disk, NULL, _IONBF, 0);
		assert_int_equal(ht_options_example(&t_config_table, full_disk), HT_ERROR);
		fclose(full_disk);
	}
}

static void docs(void **state) {
	(void)state;
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	assert_non_null(f);
	ht_options_md(&t_config_table, f);
	fclose(f);
	static const char *const parts[] = {
		"# A sensor for tests\n",
		"\n## `sensor.idle`\n\nWhen a flow has ended.\n",
		"\n| `max_flows` | a number from 16 to 16777216 | `65536` | no | flows at a time "
		"|\n",
		"\n| `idle` | a section of options: see `sensor.idle` |  |  | when a flow has "
		"ended |\n",
		"\n| `ports` | a list of numbers from 1 to 65535, 4 at most | empty | yes | ports "
		"to "
		"look at |\n",
		"\n| `name` | a text | `\"hello \\\"tap\\\" \\\\ \xc3\xa9\\x0a\\x85\\u2028#: x\"` "
		"| no |",
		"\n| `note` | a text |  | yes | whatever |\n",
		"\n| `mode` | one of lax, strict, off | `strict` | no | how strict to be |\n",
		"\n| `sinks` | a list of sections, 4 at most: see `sinks[]` | empty | no |",
		"\n| `topic` | a text | `\"hel\\|los\"` | no | what to write \\| to |\n",
		"\n## `sinks[].filters[]`\n",
		"\n| `expr` | a text | required | yes | what passes |\n",
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(parts); i++)
		if (strstr(out, parts[i]) == NULL)
			fail_msg("%s\nis not in\n%s", parts[i], out);
	free(out);
}

static void without_libyaml(void **state) {
	(void)state;
	assert_int_equal(load_len("", 0), HT_ERROR);
	assert_string_equal(errors.v[0].text, "built without libyaml");
	expect_defaults();
}

int main(void) {
#define CASE(f) cmocka_unit_test_teardown(f, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(everything), CASE(places),	     CASE(defaults),	CASE(numbers),
		CASE(wrong),	  CASE(depth),	     CASE(many_errors), CASE(many_words),
		CASE(truncation), CASE(other_bytes), CASE(floods),	CASE(files),
		CASE(changes),	  CASE(round_trip),  CASE(example),	CASE(docs),
	};
	const struct CMUnitTest without[] = {CASE(without_libyaml), CASE(docs)};
	return HT_HAVE_YAML ? cmocka_run_group_tests(tests, NULL, NULL)
			    : cmocka_run_group_tests(without, NULL, NULL);
}
