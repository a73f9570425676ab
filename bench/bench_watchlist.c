// SPDX-License-Identifier: BSD-3-Clause
// bench_watchlist: nanoseconds a look-up in watchlists, time to load and memory; and the same names
// in Hyperscan, which is why names are kept in a hash. No arguments; with "quick", no million. With
// "write FOLDER", the lists of a million names and of a thousand expressions as files.
//
// Of each slice of look-ups the time is taken, and the median of the slices is printed.

#include "bench.h"
#include "ht_config.h"
#include "watchlist.h"

#if HT_HAVE_HYPERSCAN
#include <hs.h>
#endif

#define NUM_NAMES 65536u
#define SLICES 41u
#define SLICE 20000u
#define NAME_MAX_LEN 64u

static char hits[NUM_NAMES][NAME_MAX_LEN], misses[NUM_NAMES][NAME_MAX_LEN];
static uint64_t counters[HT_WATCHLIST_NUM_CTRS];

static uint64_t mix(uint64_t n) {
	n = (n + 1) * 0x9e3779b97f4a7c15u;
	return n ^ n >> 29;
}

// domain writes the n-th of a list; those with another salt are in none.
static void domain(char out[NAME_MAX_LEN], uint64_t n, char salt) {
	static const char *const tops[] = {"com", "net", "org", "example", "top", "xyz"};
	const uint64_t r = mix(n);
	char word[12];
	for (unsigned i = 0; i < 6 + r % 5; i++)
		word[i] = (char)('a' + (r >> (8 + 5 * i)) % 26);
	word[6 + r % 5] = '\0';
	snprintf(out, NAME_MAX_LEN, "%s%c%llu.%s", word, salt, (unsigned long long)n, tops[r % 6]);
}

static void make_names(unsigned num) {
	for (unsigned i = 0; i < NUM_NAMES; i++) {
		char d[NAME_MAX_LEN];
		domain(d, mix(i) % num, 'l');
		snprintf(hits[i], NAME_MAX_LEN, "www%u.%.50s", i % 10, d);
		domain(d, i, 'm');
		snprintf(misses[i], NAME_MAX_LEN, "www%u.%.50s", i % 10, d);
	}
}

// measure returns ns a look-up.
static double
measure(void (*look)(void *ctx, struct ht_span name), void *ctx, char (*names)[NAME_MAX_LEN]) {
	static double slice[SLICES];
	static size_t len[NUM_NAMES];
	unsigned at = 0;
	for (unsigned i = 0; i < NUM_NAMES; i++)
		len[i] = strlen(names[i]);
	for (unsigned s = 0; s < SLICES; s++) {
		const double start = cpu_of_thread();
		for (unsigned i = 0; i < SLICE; i++, at = (at + 1) % NUM_NAMES)
			look(ctx, HT_SPAN(names[at], len[at]));
		slice[s] = (cpu_of_thread() - start) / SLICE;
	}
	qsort(slice, SLICES, sizeof(slice[0]), by_value);
	return slice[SLICES / 2];
}

static void look_watchlist(void *ctx, struct ht_span name) {
	struct ht_watchlist_match m[8];
	const struct ht_watchlist_query q = {.sni = name, .dst_port = 443};
	ht_watchlist_match(ctx, 0, &q, m, 8, counters);
}

static void print(const char *what, double hit, double miss, double load_ms, double mib) {
	printf("| %-34s | %6.0f | %6.0f | %10.1f | %8.1f |\n", what, hit, miss, load_ms, mib);
	fflush(stdout);
}

static void run(const char *what, const char *text, unsigned num) {
	static struct ht_watchlist_report rep;
	struct ht_watchlists *w;
	const struct ht_watchlist_params p = {0};
	const struct ht_span all = HT_SPAN(text, strlen(text));
	need(ht_watchlists_load_text(&w, "bench", all, &p, &rep) == HT_OK && rep.num == 0,
	     "a list is refused");
	make_names(num);
	memset(counters, 0, sizeof(counters));
	const double hit = measure(look_watchlist, w, hits);
	need(counters[HT_WATCHLIST_CTR_MATCHED] == SLICE * SLICES, "a name was not found");
	const double miss = measure(look_watchlist, w, misses);
	need(counters[HT_WATCHLIST_CTR_MATCHED] == SLICE * SLICES,
	     "a name was found that is in no list");
	print(what, hit, miss, (double)(rep.read_ns + rep.compile_ns) / 1e6,
	      (double)rep.bytes / (1 << 20));
	ht_watchlists_free(w);
}

static char *add_domains(char *to, unsigned num) {
	for (unsigned i = 0; i < num; i++) {
		domain(to, i, 'l');
		to += strlen(to);
		*to++ = '\n';
	}
	*to = '\0';
	return to;
}

// Expressions as analysts write them, which none of the names matches.
static char *add_regexes(char *to, unsigned num) {
	for (unsigned i = 0; i < num; i++) {
		char word[NAME_MAX_LEN];
		domain(word, i, 'r');
		*strchr(word, '.') = '\0';
		switch (i % 3) {
		case 0:
			to += sprintf(to, "/^%s-[0-9a-f]{8}\\./\n", word);
			break;
		case 1:
			to += sprintf(to, "/%s\\d+\\.(top|xyz)$/\n", word);
			break;
		default:
			to += sprintf(to, "/^[a-z]+-%s(-cdn)?\\./\n", word);
			break;
		}
	}
	return to;
}

#if HT_HAVE_HYPERSCAN

struct rival {
	hs_database_t *db;
	hs_scratch_t *scratch;
	unsigned found;
};

static int
found(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx) {
	(void)id, (void)from, (void)to, (void)flags;
	((struct rival *)ctx)->found++;
	return 1;
}

// The name between a dot and a newline: ".domain\n" is found at the end of a label's boundary.
static void look_rival(void *ctx, struct ht_span name) {
	struct rival *r = ctx;
	char text[NAME_MAX_LEN + 2];
	text[0] = '.';
	memcpy(text + 1, name.p, name.len);
	text[name.len + 1] = '\n';
	hs_scan(r->db, text, (unsigned)name.len + 2, 0, r->scratch, found, r);
}

static void run_rival(unsigned num) {
	struct rival r = {0};
	hs_compile_error_t *error;
	char(*text)[NAME_MAX_LEN + 2] = calloc(num, sizeof(*text));
	const char **v = calloc(num, sizeof(*v));
	unsigned *flags = calloc(num, sizeof(*flags)), *ids = calloc(num, sizeof(*ids));
	size_t *len = calloc(num, sizeof(*len)), size = 0;
	need(text != NULL && v != NULL && flags != NULL && ids != NULL && len != NULL, "no memory");
	for (unsigned i = 0; i < num; i++) {
		text[i][0] = '.';
		domain(text[i] + 1, i, 'l');
		strcat(text[i], "\n");
		v[i] = text[i];
		len[i] = strlen(text[i]);
		flags[i] = HS_FLAG_CASELESS;
		ids[i] = i;
	}
	const double start = cpu_of_thread();
	need(hs_compile_lit_multi(v, flags, ids, len, num, HS_MODE_BLOCK, NULL, &r.db, &error)
		     == HS_SUCCESS,
	     "Hyperscan does not compile");
	const double took = cpu_of_thread() - start;
	need(hs_alloc_scratch(r.db, &r.scratch) == HS_SUCCESS
		     && hs_database_size(r.db, &size) == HS_SUCCESS,
	     "Hyperscan has no scratch");
	make_names(num);
	const double hit = measure(look_rival, &r, hits);
	need(r.found == SLICE * SLICES, "Hyperscan did not find a name");
	const double miss = measure(look_rival, &r, misses);
	char what[64];
	snprintf(what, sizeof(what), "Hyperscan literals, %u domains", num);
	print(what, hit, miss, took / 1e6, (double)size / (1 << 20));
	hs_free_scratch(r.scratch);
	hs_free_database(r.db);
	free(text);
	free(v);
	free(flags);
	free(ids);
	free(len);
}

#endif

static void write_list(const char *folder, const char *name, const char *text) {
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *const f = fopen(path, "w");
	need(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0, path);
}

int main(int argc, char **argv) {
	static const unsigned nums[] = {10, 10000, 1000000};
	const bool quick = argc > 1 && strcmp(argv[1], "quick") == 0;
	char *text = malloc((size_t)nums[2] * NAME_MAX_LEN + 1000 * 128), what[64];
	need(text != NULL, "no memory");
	if (argc == 3 && strcmp(argv[1], "write") == 0) {
		add_domains(text, nums[2]);
		write_list(argv[2], "million.txt", text);
		add_regexes(text, 1000);
		write_list(argv[2], "expressions.txt", text);
		free(text);
		return 0;
	}
	printf("| %-34s | %6s | %6s | %10s | %8s |\n|---|---|---|---|---|\n", "", "hit, ns",
	       "miss, ns", "load, ms", "MiB");
	for (unsigned i = 0; i < (quick ? 2 : 3); i++) {
		add_domains(text, nums[i]);
		snprintf(what, sizeof(what), "%u domains", nums[i]);
		run(what, text, nums[i]);
	}
#if HT_HAVE_HYPERSCAN
	static const unsigned regexes[] = {10, 1000};
	for (unsigned i = 0; i < 2; i++) {
		add_regexes(add_domains(text, 10), regexes[i]);
		snprintf(what, sizeof(what), "10 domains, %u expressions", regexes[i]);
		run(what, text, 10);
	}
	if (!quick) {
		add_regexes(add_domains(text, nums[2]), 1000);
		run("1000000 domains, 1000 expressions", text, nums[2]);
	}
	run_rival(10);
	run_rival(10000);
	if (!quick)
		run_rival(100000);
#endif
	free(text);
	return 0;
}
