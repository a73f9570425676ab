// SPDX-License-Identifier: BSD-3-Clause

#include "ht_config.h"
#include "metrics.h"
#include "t.h"

#include <pthread.h>
#include <time.h>

// What is not in the public header: the choice by an Accept header.
enum ht_metrics_format metrics_negotiate(const char *accept);

static const struct ht_counter frames[] = {
	{"frames", "total", "frames given to the sensor"},
	{"frames", "tcp", "TCP segments"},
};
static const struct ht_counter flows[] = {{"flows", "held", "flows in the table"}};
static const struct ht_counter odd[] = {{"odd", "help", "a \"quoted\" \\ and\na newline"}};

// text_of is the whole text; between() what stands in it between build and process.
static char *text_of(struct ht_metrics *m, enum ht_metrics_format format) {
	char *text;
	size_t len;
	assert_int_equal(ht_metrics_text(m, format, &text, &len), HT_OK);
	char *copy = strndup(text, len);
	assert_int_equal(strlen(copy), len);
	free(text);
	return copy;
}

static char *between(struct ht_metrics *m, enum ht_metrics_format format) {
	char *text = text_of(m, format);
	char *start = strstr(text, "hellotap_build_info{"), *end = strstr(text, "# HELP process_");
	assert_non_null(start);
	assert_non_null(end);
	*end = '\0';
	start = strchr(start, '\n') + 1;
	memmove(text, start, strlen(start) + 1);
	return text;
}

#define CHECK_TEXT(m, format, want) \
	do { \
		char *got_ = between(m, format); \
		assert_string_equal(got_, want); \
		free(got_); \
	} while (0)

static void
add(struct ht_metrics *m,
    struct ht_metrics_set **set,
    const struct ht_counter *table,
    unsigned num,
    const uint64_t *block,
    enum ht_metrics_kind kind,
    const char *worker) {
	const struct ht_label label = {"worker", worker};
	assert_int_equal(
		ht_metrics_add(m, set, table, num, block, kind, &label, worker != NULL), HT_OK
	);
}

// Two workers share a table: one HELP and TYPE, their samples together.
static void both_formats(void **state) {
	(void)state;
	struct ht_metrics *m = ht_metrics_new();
	const uint64_t a[2] = {3, 2}, b[2] = {UINT64_MAX, 0}, held[1] = {7}, none[1] = {0};
	add(m, NULL, frames, 2, a, HT_METRICS_COUNTER, "0");
	add(m, NULL, flows, 1, held, HT_METRICS_GAUGE, "0");
	add(m, NULL, odd, 1, none, HT_METRICS_COUNTER, NULL);
	add(m, NULL, frames, 2, b, HT_METRICS_COUNTER, "1");
	CHECK_TEXT(
		m, HT_METRICS_OPENMETRICS,
		"# HELP hellotap_frames frames given to the sensor\n"
		"# TYPE hellotap_frames counter\n"
		"hellotap_frames_total{worker=\"0\"} 3\n"
		"hellotap_frames_total{worker=\"1\"} 18446744073709551615\n"
		"# HELP hellotap_frames_tcp TCP segments\n"
		"# TYPE hellotap_frames_tcp counter\n"
		"hellotap_frames_tcp_total{worker=\"0\"} 2\n"
		"hellotap_frames_tcp_total{worker=\"1\"} 0\n"
		"# HELP hellotap_flows_held flows in the table\n"
		"# TYPE hellotap_flows_held gauge\n"
		"hellotap_flows_held{worker=\"0\"} 7\n"
		"# HELP hellotap_odd_help a \\\"quoted\\\" \\\\ and\\na newline\n"
		"# TYPE hellotap_odd_help counter\n"
		"hellotap_odd_help_total 0\n"
	);
	CHECK_TEXT(
		m, HT_METRICS_PROMETHEUS,
		"# HELP hellotap_frames_total frames given to the sensor\n"
		"# TYPE hellotap_frames_total counter\n"
		"hellotap_frames_total{worker=\"0\"} 3\n"
		"hellotap_frames_total{worker=\"1\"} 18446744073709551615\n"
		"# HELP hellotap_frames_tcp_total TCP segments\n"
		"# TYPE hellotap_frames_tcp_total counter\n"
		"hellotap_frames_tcp_total{worker=\"0\"} 2\n"
		"hellotap_frames_tcp_total{worker=\"1\"} 0\n"
		"# HELP hellotap_flows_held flows in the table\n"
		"# TYPE hellotap_flows_held gauge\n"
		"hellotap_flows_held{worker=\"0\"} 7\n"
		"# HELP hellotap_odd_help_total a \"quoted\" \\\\ and\\na newline\n"
		"# TYPE hellotap_odd_help_total counter\n"
		"hellotap_odd_help_total 0\n"
	);
	ht_metrics_free(m);
}

static void build_and_process(void **state) {
	(void)state;
	struct ht_metrics *m = ht_metrics_new();
	char *text = text_of(m, HT_METRICS_OPENMETRICS);
	const char head[] = "# HELP hellotap_build the program that tells this\n"
			    "# TYPE hellotap_build info\n"
			    "hellotap_build_info{version=\"" HT_VERSION "\"} 1\n"
			    "# HELP process_start_time_seconds ";
	assert_memory_equal(text, head, sizeof(head) - 1);
	assert_string_equal(text + strlen(text) - 7, "\n# EOF\n");
	// Some time after this was written, and not in the future; at least a page, less than all.
	const double start = atof(strstr(text, "\nprocess_start_time_seconds ") + 28);
	assert_true(start > 1.7e9 && start < 1.0 + (double)time(NULL));
	const double memory = atof(strstr(text, "\nprocess_resident_memory_bytes ") + 31);
	assert_true(memory >= 4096 && memory < 1e12);
	assert_non_null(strstr(text, "\n# TYPE process_cpu_seconds counter\n"));
	assert_non_null(strstr(text, "\nprocess_cpu_seconds_total "));
	free(text);

	text = text_of(m, HT_METRICS_PROMETHEUS);
	assert_non_null(strstr(text, "# TYPE hellotap_build_info gauge\nhellotap_build_info{"));
	assert_non_null(strstr(text, "\n# TYPE process_cpu_seconds_total counter\n"));
	assert_null(strstr(text, "# EOF"));
	free(text);
	ht_metrics_free(m);
}

static void labels(void **state) {
	(void)state;
	static const struct {
		const char *value, *text;
	} cases[] = {
		{"", ""},
		{"json:/x", "json:/x"},
		{"a\"b\\c\nd", "a\\\"b\\\\c\\nd"},
		{"\t\r{}=,#", "\t\r{}=,#"},
		{"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x9f",
		 "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x9f"},
		{"\xff.", "\\\\xff."},
		{"\xc3", "\\\\xc3"}, // cut off
		{"\xe2\x82", "\\\\xe2\\\\x82"},
		{"\xc0\xaf", "\\\\xc0\\\\xaf"}, // '/', too long
		{"\xe0\x80\xaf", "\\\\xe0\\\\x80\\\\xaf"},
		{"\xed\xa0\x80", "\\\\xed\\\\xa0\\\\x80"}, // a surrogate
		{"\xf4\x90\x80\x80", "\\\\xf4\\\\x90\\\\x80\\\\x80"}, // past U+10FFFF
		{"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf",
		 "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"},
	};
	const uint64_t block[1] = {1};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_metrics *m = ht_metrics_new();
		char *value = (char *)t_dup(cases[i].value, strlen(cases[i].value) + 1);
		// Sorted by name, whatever order they come in.
		const struct ht_label l[] = {{"sink", value}, {"a_2", "x"}};
		assert_int_equal(
			ht_metrics_add(m, NULL, flows, 1, block, HT_METRICS_GAUGE, l, 2), HT_OK
		);
		free(value); // it was copied
		char want[256];
		snprintf(
			want, sizeof(want), "\nhellotap_flows_held{a_2=\"x\",sink=\"%s\"} 1\n",
			cases[i].text
		);
		char *text = between(m, HT_METRICS_OPENMETRICS);
		if (strstr(text, want) == NULL)
			fail_msg("case %u: %s", i, text);
		free(text);
		ht_metrics_free(m);
	}
}

static void refused(void **state) {
	(void)state;
	static const struct ht_counter names[] = {
		{"", "x", ""},		{"x", "", ""},	      {"x-y", "z", ""},	   {"x", "y z", ""},
		{"x", "y_created", ""}, {"x", "y_total", ""}, {"x", "y_info", ""}, {"x", "sum", ""},
	};
	static const struct ht_counter twice[]
		= {{"x", "y", ""}, {"x", "z", ""}, {"x_y", "total", ""}};
	static const char *const label_names[] = {"", "0a", "a-b", "__a", "a b", "\xc3\xbc"};
	struct ht_metrics *m = ht_metrics_new();
	const uint64_t block[3] = {0};
	for (unsigned i = 0; i < HT_ARRAY_LEN(names); i++)
		assert_int_equal(
			ht_metrics_add(m, NULL, &names[i], 1, block, HT_METRICS_COUNTER, NULL, 0),
			HT_BAD
		);
	// A gauge of this name could be taken for the counter of the group.
	assert_int_equal(
		ht_metrics_add(m, NULL, frames, 1, block, HT_METRICS_GAUGE, NULL, 0), HT_BAD
	);
	assert_int_equal(
		ht_metrics_add(m, NULL, twice, 3, block, HT_METRICS_COUNTER, NULL, 0), HT_BAD
	);
	for (unsigned i = 0; i < HT_ARRAY_LEN(label_names); i++) {
		const struct ht_label l = {label_names[i], "v"};
		assert_int_equal(
			ht_metrics_add(m, NULL, flows, 1, block, HT_METRICS_GAUGE, &l, 1), HT_BAD
		);
	}
	const struct ht_label same[] = {{"a", "1"}, {"b", "2"}, {"a", "3"}};
	assert_int_equal(
		ht_metrics_add(m, NULL, flows, 1, block, HT_METRICS_GAUGE, same, 3), HT_BAD
	);
	assert_int_equal(
		ht_metrics_add(m, NULL, flows, 0, block, HT_METRICS_GAUGE, NULL, 0), HT_BAD
	);
	CHECK_TEXT(m, HT_METRICS_OPENMETRICS, "");

	// A name that was refused as one kind is free for the other.
	add(m, NULL, twice, 2, block, HT_METRICS_GAUGE, NULL);
	assert_int_equal(
		ht_metrics_add(m, NULL, &twice[1], 1, block, HT_METRICS_COUNTER, same, 1), HT_BAD
	);
	assert_int_equal(
		ht_metrics_add(m, NULL, twice, 2, block, HT_METRICS_GAUGE, NULL, 0), HT_BAD
	);
	// Part of another set's names with its labels; with labels of its own it may.
	assert_int_equal(
		ht_metrics_add(m, NULL, &twice[1], 1, block, HT_METRICS_GAUGE, NULL, 0), HT_BAD
	);
	add(m, NULL, &twice[1], 1, block, HT_METRICS_GAUGE, "1");
	CHECK_TEXT(
		m, HT_METRICS_OPENMETRICS,
		"# HELP hellotap_x_y \n# TYPE hellotap_x_y gauge\nhellotap_x_y 0\n"
		"# HELP hellotap_x_z \n# TYPE hellotap_x_z gauge\nhellotap_x_z 0\n"
		"hellotap_x_z{worker=\"1\"} 0\n"
	);
	ht_metrics_free(m);
}

static void ended(void **state) {
	(void)state;
	struct ht_metrics *m = ht_metrics_new();
	struct ht_metrics_set *counters, *gauges, *again;
	uint64_t *a = calloc(2, sizeof(*a)), *held = calloc(1, sizeof(*held));
	add(m, &counters, frames, 2, a, HT_METRICS_COUNTER, "0");
	add(m, &gauges, flows, 1, held, HT_METRICS_GAUGE, "0");
	ht_stats_count(&a[0], 5);
	ht_metrics_end(m, counters);
	ht_metrics_end(m, gauges);
	free(a); // a sanitizer sees who still looks
	free(held);
	static const char last[] = "# HELP hellotap_frames frames given to the sensor\n"
				   "# TYPE hellotap_frames counter\n"
				   "hellotap_frames_total{worker=\"0\"} 5\n"
				   "# HELP hellotap_frames_tcp TCP segments\n"
				   "# TYPE hellotap_frames_tcp counter\n"
				   "hellotap_frames_tcp_total{worker=\"0\"} 0\n";
	CHECK_TEXT(m, HT_METRICS_OPENMETRICS, last);
	ht_metrics_end(m, counters); // twice is once
	CHECK_TEXT(m, HT_METRICS_OPENMETRICS, last);

	const uint64_t b[2] = {2, 1}, now_held[1] = {4};
	add(m, &again, frames, 2, b, HT_METRICS_COUNTER, "0");
	assert_ptr_equal(again, counters);
	add(m, NULL, flows, 1, now_held, HT_METRICS_GAUGE, "0");
	CHECK_TEXT(
		m, HT_METRICS_OPENMETRICS,
		"# HELP hellotap_frames frames given to the sensor\n"
		"# TYPE hellotap_frames counter\n"
		"hellotap_frames_total{worker=\"0\"} 7\n"
		"# HELP hellotap_frames_tcp TCP segments\n"
		"# TYPE hellotap_frames_tcp counter\n"
		"hellotap_frames_tcp_total{worker=\"0\"} 1\n"
		"# HELP hellotap_flows_held flows in the table\n"
		"# TYPE hellotap_flows_held gauge\n"
		"hellotap_flows_held{worker=\"0\"} 4\n"
	);
	ht_metrics_free(m);
}

static void cap_of_samples(void **state) {
	(void)state;
	enum { NUM = 1024 };
	struct ht_counter *table = calloc(NUM, sizeof(*table));
	char(*names)[8] = calloc(NUM, sizeof(*names));
	uint64_t *block = calloc(NUM, sizeof(*block));
	for (unsigned i = 0; i < NUM; i++) {
		snprintf(names[i], sizeof(names[i]), "n%u", i);
		table[i] = (struct ht_counter){"cap", names[i], "help"};
	}
	struct ht_metrics *m = ht_metrics_new();
	for (unsigned i = 0; i < HT_METRICS_MAX_SAMPLES / NUM; i++) {
		char worker[8];
		snprintf(worker, sizeof(worker), "%u", i);
		add(m, NULL, table, NUM, block, HT_METRICS_COUNTER, worker);
	}
	assert_int_equal(
		ht_metrics_add(m, NULL, flows, 1, block, HT_METRICS_GAUGE, NULL, 0), HT_FULL
	);
	assert_int_equal(
		ht_metrics_add(
			m, NULL, table, HT_METRICS_MAX_SAMPLES + 1, block, HT_METRICS_GAUGE, NULL, 0
		),
		HT_FULL
	);
	// Every sample is there, and those of a family together: a name is never come back to.
	char *text = between(m, HT_METRICS_OPENMETRICS), *line = text, last[64] = "";
	unsigned samples = 0, families = 0;
	for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		if (line[0] == '#') {
			families += strncmp(line, "# TYPE ", 7) == 0;
			if (strncmp(line, "# TYPE ", 7) == 0)
				snprintf(
					last, sizeof(last), "%.*s_total{",
					(int)(strcspn(line + 7, " ")), line + 7
				);
			continue;
		}
		assert_memory_equal(line, last, strlen(last));
		samples++;
	}
	assert_int_equal(samples, HT_METRICS_MAX_SAMPLES);
	assert_int_equal(families, NUM);
	free(text);
	ht_metrics_free(m);
	free(table);
	free(names);
	free(block);
}

static const struct ht_counter hellos = {"hellos", "seen", "hellos by what they are"};
static const char *const hello_labels[] = {"protocol", "version", "service"};

#define TALLY_HEAD \
	"# HELP hellotap_hellos_seen hellos by what they are\n" \
	"# TYPE hellotap_hellos_seen counter\n"

static void tally(void **state) {
	(void)state;
	struct ht_metrics *m = ht_metrics_new();
	struct ht_tally *t = ht_tally_new(&hellos, hello_labels, 3, 3);
	assert_int_equal(ht_metrics_add_tally(m, t), HT_OK);
	CHECK_TEXT(
		m, HT_METRICS_OPENMETRICS,
		TALLY_HEAD "hellotap_hellos_seen_total{other=\"true\"} 0\n"
	);
	// Texts are told apart by what they say, not by where they are.
	static const char tls[] = "tls", tls_again[] = "tls";
	assert_ptr_not_equal(tls, tls_again);
	ht_tally_count(t, (const char *[]){tls, "TLS 1.3", "https"}, 1);
	ht_tally_count(t, (const char *[]){"quic", "TLS 1.3", "https"}, 2);
	ht_tally_count(t, (const char *[]){tls, "TLS 1.3", NULL}, 3);
	ht_tally_count(t, (const char *[]){tls_again, "TLS 1.3", "https"}, 10);
	ht_tally_count(t, (const char *[]){tls_again, "TLS 1.3", ""}, 20);
	ht_tally_count(t, (const char *[]){tls, "TLS 1.2", "https"}, 100); // the cap is reached
	ht_tally_count(t, (const char *[]){NULL, NULL, NULL}, 1000);
	ht_tally_count(t, (const char *[]){tls, "TLS 1.2", "https"}, 100);
	ht_tally_count(t, (const char *[]){tls, "TLS 1.3", "https"}, 1);
	CHECK_TEXT(
		m, HT_METRICS_OPENMETRICS,
		TALLY_HEAD "hellotap_hellos_seen_total{protocol=\"tls\",version=\"TLS "
			   "1.3\",service=\"https\"} 12\n"
			   "hellotap_hellos_seen_total{protocol=\"quic\",version=\"TLS "
			   "1.3\",service=\"https\"} 2\n"
			   "hellotap_hellos_seen_total{protocol=\"tls\",version=\"TLS 1.3\"} 23\n"
			   "hellotap_hellos_seen_total{other=\"true\"} 1200\n"
	);
	ht_metrics_free(m);
	ht_tally_free(t);
}

// Far more tuples than series, slots or anything: the sum is right and the first ones have theirs.
static void tally_flood(void **state) {
	(void)state;
	enum { CAP = 100, NUM = 5000 };
	static char values[NUM][8];
	struct ht_metrics *m = ht_metrics_new();
	struct ht_tally *t = ht_tally_new(&hellos, hello_labels, 1, CAP);
	assert_int_equal(ht_metrics_add_tally(m, t), HT_OK);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < NUM; i++) {
			snprintf(values[i], sizeof(values[i]), "v%u", i);
			ht_tally_count(t, (const char *[]){values[i]}, 1);
		}
	}
	char *text = between(m, HT_METRICS_OPENMETRICS), *line = text;
	unsigned num = 0;
	uint64_t sum = 0;
	for (; (line = strstr(line, "} ")) != NULL; num++) {
		const uint64_t v = strtoull(line += 2, NULL, 10);
		assert_int_equal(v, num < CAP ? 2 : 2 * (NUM - CAP));
		sum += v;
	}
	assert_int_equal(num, CAP + 1);
	assert_int_equal(sum, 2 * NUM);
	free(text);
	ht_metrics_free(m);
	ht_tally_free(t);
}

static void tally_refused(void **state) {
	(void)state;
	static const char *const other[] = {"other"}, *const twice[] = {"a", "a"},
				 *const bad[] = {"-"};
	struct ht_metrics *m = ht_metrics_new();
	struct ht_tally *t[]
		= {ht_tally_new(&hellos, other, 1, 1), ht_tally_new(&hellos, twice, 2, 1),
		   ht_tally_new(&hellos, bad, 1, 1), ht_tally_new(&flows[0], hello_labels, 3, 1),
		   ht_tally_new(&hellos, hello_labels, 3, 0)};
	const uint64_t block[1] = {0};
	add(m, NULL, flows, 1, block, HT_METRICS_COUNTER, NULL);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(ht_metrics_add_tally(m, t[i]), HT_BAD);
	assert_int_equal(ht_metrics_add_tally(m, t[4]), HT_OK);
	assert_int_equal(ht_metrics_add_tally(m, t[4]), HT_BAD);
	assert_int_equal(
		ht_metrics_add(m, NULL, &hellos, 1, block, HT_METRICS_COUNTER, NULL, 0), HT_BAD
	);
	ht_tally_count(t[4], (const char *[]){"a", "b", "c"}, 9); // a cap of none
	CHECK_TEXT(
		m, HT_METRICS_PROMETHEUS,
		"# HELP hellotap_flows_held_total flows in the table\n"
		"# TYPE hellotap_flows_held_total counter\n"
		"hellotap_flows_held_total 0\n"
		"# HELP hellotap_hellos_seen_total hellos by what they are\n"
		"# TYPE hellotap_hellos_seen_total counter\n"
		"hellotap_hellos_seen_total{other=\"true\"} 9\n"
	);
	assert_null(ht_tally_new(&hellos, hello_labels, HT_TALLY_MAX_LABELS + 1, 1));
	assert_null(ht_tally_new(&hellos, hello_labels, 3, HT_TALLY_MAX_SERIES + 1));
	ht_metrics_free(m);
	for (unsigned i = 0; i < HT_ARRAY_LEN(t); i++)
		ht_tally_free(t[i]);
}

static void negotiate(void **state) {
	(void)state;
	static const struct {
		const char *accept;
		enum ht_metrics_format format;
	} cases[] = {
		{NULL, HT_METRICS_PROMETHEUS},
		{"", HT_METRICS_PROMETHEUS},
		{"*/*", HT_METRICS_PROMETHEUS},
		{"text/plain;version=0.0.4", HT_METRICS_PROMETHEUS},
		{"application/openmetrics-text", HT_METRICS_OPENMETRICS},
		{"Application/OpenMetrics-Text ; version=1.0.0", HT_METRICS_OPENMETRICS},
		// Prometheus 2 and 3
		{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
		 "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		 HT_METRICS_OPENMETRICS},
		{"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
		 "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;"
		 "escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,/;q=0.1",
		 HT_METRICS_OPENMETRICS},
		{"text/plain, \tapplication/openmetrics-text", HT_METRICS_OPENMETRICS},
		{"application/openmetrics-text;q=0", HT_METRICS_PROMETHEUS},
		{"application/openmetrics-text;q=0.000, text/plain", HT_METRICS_PROMETHEUS},
		{"application/openmetrics-text; Q=0 ;version=1.0.0", HT_METRICS_PROMETHEUS},
		{"application/openmetrics-text;q=0.001", HT_METRICS_OPENMETRICS},
		{"application/openmetrics-text;q=0, application/openmetrics-text",
		 HT_METRICS_OPENMETRICS},
		{"application/openmetrics-textual", HT_METRICS_PROMETHEUS},
		{"text/plain;a=application/openmetrics-text", HT_METRICS_PROMETHEUS},
		{"application/openmetrics-text;", HT_METRICS_OPENMETRICS},
		{"application/openmetrics-text;;; ,", HT_METRICS_OPENMETRICS},
		{",,;q=,  ", HT_METRICS_PROMETHEUS},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		if (metrics_negotiate(cases[i].accept) != cases[i].format)
			fail_msg("%s", cases[i].accept);
		// Cut off anywhere it is not read past its end.
		for (size_t n = cases[i].accept != NULL ? strlen(cases[i].accept) : 0; n > 0; n--) {
			char *cut = (char *)t_dup(cases[i].accept, n);
			cut[n - 1] = '\0';
			(void)metrics_negotiate(cut);
			free(cut);
		}
	}
}

// Writers, one who adds and ends sets, and a reader, all at once. What is read never goes back.
struct busy {
	struct ht_metrics *m;
	struct ht_tally *t;
	uint64_t block[2];
	int stop;
};

#define BUSY_COUNTS 200000u

static void *busy_writer(void *arg) {
	struct busy *b = arg;
	static const char *const services[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
	for (unsigned i = 0; i < BUSY_COUNTS; i++) {
		ht_stats_count(&b->block[0], 1);
		ht_tally_count(b->t, (const char *[]){"tls", "1.3", services[i / 1000 % 8]}, 1);
	}
	__atomic_store_n(&b->stop, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void *busy_adder(void *arg) {
	struct busy *b = arg;
	for (unsigned i = 0; !__atomic_load_n(&b->stop, __ATOMIC_ACQUIRE); i++) {
		struct ht_metrics_set *set;
		uint64_t *block = calloc(2, sizeof(*block));
		char worker[16];
		snprintf(worker, sizeof(worker), "w%u", i % 50);
		add(b->m, &set, frames, 2, block, HT_METRICS_COUNTER, worker);
		ht_stats_count(&block[0], 1);
		ht_metrics_end(b->m, set);
		free(block);
	}
	return NULL;
}

static uint64_t sum_of(const char *text, const char *name) {
	uint64_t sum = 0;
	for (const char *p = text; (p = strstr(p, name)) != NULL;)
		if (*(p += strlen(name)) == '{')
			sum += strtoull(strstr(p, "} ") + 2, NULL, 10);
	return sum;
}

static void threads(void **state) {
	(void)state;
	struct busy b = {.m = ht_metrics_new(), .t = ht_tally_new(&hellos, hello_labels, 3, 5)};
	add(b.m, NULL, frames, 2, b.block, HT_METRICS_COUNTER, "0");
	assert_int_equal(ht_metrics_add_tally(b.m, b.t), HT_OK);
	pthread_t writer, adder;
	assert_int_equal(pthread_create(&writer, NULL, busy_writer, &b), 0);
	assert_int_equal(pthread_create(&adder, NULL, busy_adder, &b), 0);
	uint64_t frames_before = 0, hellos_before = 0;
	for (bool last = false; !last;) {
		last = __atomic_load_n(&b.stop, __ATOMIC_ACQUIRE);
		char *text = between(b.m, HT_METRICS_OPENMETRICS);
		const uint64_t f = sum_of(text, "\nhellotap_frames_total"),
			       h = sum_of(text, "\nhellotap_hellos_seen_total");
		assert_true(f >= frames_before && h >= hellos_before);
		frames_before = f;
		hellos_before = h;
		free(text);
	}
	assert_int_equal(hellos_before, BUSY_COUNTS);
	assert_true(frames_before >= BUSY_COUNTS);
	pthread_join(writer, NULL);
	pthread_join(adder, NULL);
	ht_metrics_free(b.m);
	ht_tally_free(b.t);
}

static uint64_t fetched[1];
static void collect(void *ctx) {
	struct ht_metrics *m = ctx;
	if (fetched[0]++ == 0) // it may add sets
		add(m, NULL, flows, 1, fetched, HT_METRICS_GAUGE, NULL);
}

static void collects_before(void **state) {
	(void)state;
	struct ht_metrics *m = ht_metrics_new();
	ht_metrics_on_collect(m, collect, m);
	for (unsigned i = 1; i < 3; i++) {
		char want[256];
		snprintf(
			want, sizeof(want),
			"# HELP hellotap_flows_held flows in the table\n"
			"# TYPE hellotap_flows_held gauge\nhellotap_flows_held %u\n",
			i
		);
		CHECK_TEXT(m, HT_METRICS_OPENMETRICS, want);
	}
	ht_metrics_free(m);
}

// What the endpoint says is for tests/system/test_metrics.py; here, that it starts and stops.
static void serves(void **state) {
	(void)state;
	struct ht_metrics *m = ht_metrics_new(), *other = ht_metrics_new();
	char err[128], want[128];
	assert_int_equal(ht_metrics_port(m), 0);
	ht_metrics_stop(m);
	if (!HT_HAVE_MICROHTTPD) {
		assert_int_equal(ht_metrics_serve(m, "127.0.0.1", 0, err, sizeof(err)), HT_ERROR);
		assert_string_equal(err, "metrics: built without libmicrohttpd");
		ht_metrics_free(m);
		ht_metrics_free(other);
		return;
	}
	static const char *const no_address[]
		= {"localhost", "", "127.0.0.1:80", "[::1]", "1.2.3.400"};
	for (unsigned i = 0; i < HT_ARRAY_LEN(no_address); i++) {
		assert_int_equal(ht_metrics_serve(m, no_address[i], 7, err, sizeof(err)), HT_ERROR);
		snprintf(
			want, sizeof(want), "metrics: %s port 7: not an IP address", no_address[i]
		);
		assert_string_equal(err, want);
	}
	// An address of documentation (RFC 5737) is nobody's.
	assert_int_equal(ht_metrics_serve(m, "192.0.2.1", 7, err, sizeof(err)), HT_ERROR);
	assert_string_equal(err, "metrics: 192.0.2.1 port 7: Cannot assign requested address");

	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(ht_metrics_serve(m, "127.0.0.1", 0, err, sizeof(err)), HT_OK);
		const uint16_t port = ht_metrics_port(m);
		assert_true(port > 0);
		assert_int_equal(ht_metrics_serve(m, "127.0.0.1", 0, err, sizeof(err)), HT_ERROR);
		assert_string_equal(err, "metrics: served already");
		assert_int_equal(
			ht_metrics_serve(other, "127.0.0.1", port, err, sizeof(err)), HT_ERROR
		);
		snprintf(
			want, sizeof(want), "metrics: 127.0.0.1 port %u: Address already in use",
			port
		);
		assert_string_equal(err, want);
		ht_metrics_stop(m);
		assert_int_equal(ht_metrics_port(m), 0);
		assert_int_equal(
			ht_metrics_serve(other, "127.0.0.1", port, err, sizeof(err)), HT_OK
		);
		ht_metrics_stop(other);
		ht_metrics_stop(other);
	}
	char *text = between(m, HT_METRICS_OPENMETRICS); // its own counters, kept
	assert_non_null(strstr(text, "\nhellotap_endpoint_scrapes_total 0\n"));
	free(text);
	assert_int_equal(ht_metrics_serve(m, "127.0.0.1", 0, err, sizeof(err)), HT_OK);
	ht_metrics_free(m); // stops it
	ht_metrics_free(other);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_formats),	 cmocka_unit_test(build_and_process),
		cmocka_unit_test(labels),	 cmocka_unit_test(refused),
		cmocka_unit_test(ended),	 cmocka_unit_test(cap_of_samples),
		cmocka_unit_test(tally),	 cmocka_unit_test(tally_flood),
		cmocka_unit_test(tally_refused), cmocka_unit_test(negotiate),
		cmocka_unit_test(threads),	 cmocka_unit_test(collects_before),
		cmocka_unit_test(serves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
