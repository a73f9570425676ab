// SPDX-License-Identifier: BSD-3-Clause
// Regular expressions on server names, all in one database. What stands here is common to
// Hyperscan 5.4 and Vectorscan.
//
// Hyperscan has no bound on the time that compiling takes, and somebody else may have written the
// list: so an expression is measured first, as what it is when its repeats are written out.

#include "ht_config.h"
#include "watchlist_int.h"

#include <stdio.h>

#if HT_HAVE_HYPERSCAN

#include <hs.h>
#include <stdlib.h>

#define WEIGHT_MAX 512u // characters, repeats written out: more can take minutes to compile
#define DEPTH_MAX 32u

// --- before compiling ---------------------------------------------------------------------------

struct weigh {
	uint32_t sum[DEPTH_MAX]; // of what a group has so far
	unsigned depth;
	uint32_t last; // of the last atom
	uint32_t repeat; // the longest
};

// skip_class returns what follows a class such as [^]a-z\]].
static const char *skip_class(const char *p) {
	p += p[1] == '^' ? 2 : 1;
	if (*p == ']')
		p++;
	while (*p != '\0' && *p != ']')
		p += p[0] == '\\' && p[1] != '\0' ? 2 : 1;
	return *p == ']' ? p + 1 : p;
}

// skip_escape returns what follows \d, \x{100}, \p{L} ...
static const char *skip_escape(const char *p) {
	if (p[1] == '\0')
		return p + 1;
	if (p[2] != '{' || strchr("xpPo", p[1]) == NULL)
		return p + 2;
	p += 3;
	while (*p != '\0' && *p != '}')
		p++;
	return *p == '}' ? p + 1 : p;
}

// take_repeat reads {2}, {2,} or {2,5} and returns what follows, or NULL if it is none, and then
// stands for itself.
static const char *take_repeat(const char *p, uint32_t *most) {
	uint32_t n = 0;
	*most = 0;
	for (p++; (*p >= '0' && *p <= '9') || *p == ','; p++) {
		n = *p == ',' ? 0 : 10 * (n < 100000 ? n : 100000) + (uint32_t)(*p - '0');
		if (n > *most)
			*most = n;
	}
	return *p == '}' ? p + 1 : NULL;
}

static void add(struct weigh *w, uint32_t atom) {
	w->last = atom;
	if (w->sum[w->depth] <= WEIGHT_MAX)
		w->sum[w->depth] += atom;
}

// The atom before it is there `most` times: it was counted once.
static void repeat(struct weigh *w, uint32_t most) {
	if (most > w->repeat)
		w->repeat = most;
	if (most > 1 && most <= HT_WATCHLIST_REPEAT_MAX)
		add(w, w->last * (most - 1));
}

// weigh_one reads an atom, a repeat or one end of a group. NULL: nested too deep.
static const char *weigh_one(struct weigh *w, const char *p) {
	uint32_t most;
	const char *next;
	switch (*p) {
	case '(':
		if (++w->depth == DEPTH_MAX)
			return NULL;
		w->sum[w->depth] = 0;
		return p + 1;
	case ')':
		if (w->depth > 0) {
			w->depth--;
			add(w, w->sum[w->depth + 1]);
		}
		return p + 1;
	case '[':
		add(w, 1);
		return skip_class(p);
	case '\\':
		add(w, 1);
		return skip_escape(p);
	case '{':
		next = take_repeat(p, &most);
		if (next != NULL) {
			repeat(w, most);
			return next;
		}
		break;
	default:
		break;
	}
	add(w, 1);
	return p + 1;
}

// has_other_reading finds what makes brackets and braces stand for something else: comments, (?x),
// \Q and \cX. No name needs them, and they would hide repeats from the one who weighs.
static bool has_other_reading(const char *p) {
	for (; *p != '\0'; p++) {
		if (p[0] == '\\' && p[1] != '\0') {
			if (strchr("QEc", p[1]) != NULL)
				return true;
			p++;
		} else if (p[0] == '(' && p[1] == '?') {
			const char *const flags = p + 2;
			const size_t n = strspn(flags, "^-abcdefghijklmnopqrstuvwxyz");
			if (flags[0] == '#' || memchr(flags, 'x', n) != NULL)
				return true;
		}
	}
	return false;
}

static enum ht_rc weigh(uint16_t *weight, const char *pattern, char reason[200]) {
	struct weigh w = {0};
	uint64_t sum = 0;
	if (has_other_reading(pattern)) {
		snprintf(reason, 200, "a regular expression with a comment, (?x), \\Q or \\c");
		return HT_BAD;
	}
	for (const char *p = pattern; p != NULL && *p != '\0';)
		if ((p = weigh_one(&w, p)) == NULL)
			sum = UINT32_MAX;
	for (unsigned i = 0; i <= w.depth && i < DEPTH_MAX; i++)
		sum += w.sum[i];
	if (w.repeat > HT_WATCHLIST_REPEAT_MAX) {
		snprintf(reason, 200, "a regular expression with a repeat of more than 256");
		return HT_BAD;
	}
	if (sum > WEIGHT_MAX) {
		snprintf(
			reason, 200,
			"a regular expression that is too large with its repeats written out"
		);
		return HT_BAD;
	}
	// What is written costs little; repeats cost seconds.
	const size_t written = strlen(pattern);
	*weight = sum > written ? (uint16_t)(sum - written) : 0;
	return HT_OK;
}

static unsigned hs_flags(uint8_t flags) {
	return HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH
	       | (flags & WL_REGEX_DOTALL ? HS_FLAG_DOTALL : 0u);
}

enum ht_rc wl_regex_check(struct wl_value *v, char reason[200]) {
	const char *pattern = (const char *)v->bytes + 1;
	hs_expr_info_t *info = NULL;
	hs_compile_error_t *error = NULL;
	if (hs_valid_platform() != HS_SUCCESS) {
		snprintf(
			reason, 200, "a regular expression, and Hyperscan does not run on this CPU"
		);
		return HT_BAD;
	}
	if (weigh(&v->weight, pattern, reason) != HT_OK)
		return HT_BAD;
	if (hs_expression_info(pattern, hs_flags(v->bytes[0]), &info, &error) != HS_SUCCESS) {
		snprintf(
			reason, 200, "Hyperscan refuses it: %s",
			error != NULL ? error->message : "no memory"
		);
		hs_free_compile_error(error);
		return HT_BAD;
	}
	const unsigned least = info->min_width;
	free(info); // its allocator was not changed
	if (least > 0)
		return HT_OK;
	snprintf(reason, 200, "a regular expression that matches nothing at all, and so anything");
	return HT_BAD;
}

// --- compiling ----------------------------------------------------------------------------------

struct wl_database {
	hs_database_t *hs;
};

// Those that are compiled together; `id` is the number of the expression.
struct batch {
	const char **pattern;
	unsigned *flags, *id;
	unsigned num;
};

static void free_batch(struct batch *b) {
	free(b->pattern);
	free(b->flags);
	free(b->id);
}

static enum ht_rc make_batch(struct batch *b, const struct ht_watchlists *w) {
	const size_t n = w->num_regexes;
	b->pattern = malloc(n * sizeof(*b->pattern));
	b->flags = malloc(n * sizeof(*b->flags));
	b->id = malloc(n * sizeof(*b->id));
	if (b->pattern == NULL || b->flags == NULL || b->id == NULL)
		return HT_ERROR;
	for (unsigned i = 0; i < n; i++) {
		const char *key = w->text + w->keys[w->regexes[i].key].bytes;
		b->pattern[i] = key + 1;
		b->flags[i] = hs_flags((uint8_t)key[0]);
		b->id[i] = i;
	}
	b->num = (unsigned)n;
	return HT_OK;
}

// told tells whether another expression of the same line was refused before.
static bool told(const struct wl_load *l, uint32_t use) {
	const struct wl_use *u = l->uses;
	for (uint32_t i = use;
	     i > 0 && u[i - 1].line == u[use].line && u[i - 1].file == u[use].file; i--)
		if (u[i - 1].refused)
			return true;
	for (uint32_t i = use + 1;
	     i < l->num_uses && u[i].line == u[use].line && u[i].file == u[use].file; i++)
		if (u[i].refused)
			return true;
	return false;
}

static void refuse(struct wl_load *l, unsigned regex, const char *why) {
	for (uint32_t i = 0; i < l->num_uses; i++) {
		struct wl_use *u = &l->uses[i];
		if (u->regex != regex || u->refused)
			continue;
		if (!told(l, i)) {
			wl_complain(l, u->file, u->line, "Hyperscan refuses it: %s", why);
			l->rep->entries[u->kind]--;
		}
		u->refused = true;
	}
}

static void refuse_all(struct wl_load *l, struct batch *b, const char *why) {
	for (unsigned i = 0; i < b->num; i++)
		refuse(l, b->id[i], why);
	b->num = 0;
}

static hs_database_t *compile(const struct batch *b, char why[200]) {
	hs_database_t *db = NULL;
	hs_compile_error_t *error = NULL;
	if (hs_compile_multi(b->pattern, b->flags, b->id, b->num, HS_MODE_BLOCK, NULL, &db, &error)
	    == HS_SUCCESS)
		return db;
	snprintf(why, 200, "%s", error != NULL ? error->message : "no memory");
	hs_free_compile_error(error);
	return NULL;
}

// drop_refused compiles each alone, and leaves in the batch those that can be.
static void drop_refused(struct wl_load *l, struct batch *b) {
	unsigned kept = 0;
	for (unsigned i = 0; i < b->num; i++) {
		char why[200];
		const struct batch one = {&b->pattern[i], &b->flags[i], &b->id[i], 1};
		hs_database_t *db = compile(&one, why);
		if (db == NULL) {
			refuse(l, b->id[i], why);
			continue;
		}
		hs_free_database(db);
		b->pattern[kept] = b->pattern[i];
		b->flags[kept] = b->flags[i];
		b->id[kept++] = b->id[i];
	}
	b->num = kept;
}

// compile_what_can returns NULL where nothing can be.
static hs_database_t *compile_what_can(struct wl_load *l, struct batch *b) {
	char why[200];
	hs_database_t *db = compile(b, why);
	if (db == NULL) {
		drop_refused(l, b);
		db = b->num > 0 ? compile(b, why) : NULL;
	}
	if (db == NULL)
		refuse_all(l, b, why);
	return db;
}

// --- the cache ----------------------------------------------------------------------------------

static void write_u32(FILE *out, uint32_t v) {
	fwrite(&v, sizeof(v), 1, out);
}

// describe writes all that a database depends on; *text is to be freed.
static bool describe(const struct batch *b, char **text, size_t *len) {
	hs_platform_info_t platform;
	memset(&platform, 0, sizeof(platform));
	FILE *out
		= hs_populate_platform(&platform) == HS_SUCCESS ? open_memstream(text, len) : NULL;
	if (out == NULL)
		return false;
	fprintf(out, "%s\n", hs_version());
	fwrite(&platform, sizeof(platform), 1, out);
	for (unsigned i = 0; i < b->num; i++) {
		write_u32(out, b->id[i]);
		write_u32(out, b->flags[i]);
		fwrite(b->pattern[i], strlen(b->pattern[i]) + 1, 1, out);
	}
	return fclose(out) == 0;
}

static hs_database_t *from_cache(struct wl_load *l, struct ht_span what) {
	struct ht_span bytes;
	void *block;
	hs_database_t *db = NULL;
	char *note = l->rep->cache_note;
	if (wl_cache_load(l->p.cache_folder, what, &block, &bytes, note) != HT_OK)
		return NULL;
	const hs_error_t error = hs_deserialize_database((const char *)bytes.p, bytes.len, &db);
	free(block);
	if (error != HS_SUCCESS)
		snprintf(note, 200, "cache: Hyperscan does not read its database (%d)", error);
	l->rep->from_cache = error == HS_SUCCESS;
	return error == HS_SUCCESS ? db : NULL;
}

static void to_cache(struct wl_load *l, struct ht_span what, const hs_database_t *db) {
	char *bytes = NULL;
	size_t len;
	if (hs_serialize_database(db, &bytes, &len) != HS_SUCCESS)
		return;
	wl_cache_store(l->p.cache_folder, what, HT_SPAN(bytes, len), l->rep->cache_note);
	free(bytes);
}

static hs_database_t *cached_or_compiled(struct wl_load *l, struct batch *b) {
	char *what = NULL;
	size_t len;
	if (l->p.cache_folder == NULL || !describe(b, &what, &len)) {
		free(what);
		return compile_what_can(l, b);
	}
	const unsigned all = b->num;
	hs_database_t *db = from_cache(l, HT_SPAN(what, len));
	if (db == NULL) {
		db = compile_what_can(l, b);
		if (db != NULL && b->num == all) // else its refusals would not be told again
			to_cache(l, HT_SPAN(what, len), db);
	}
	free(what);
	return db;
}

// --- scratch ------------------------------------------------------------------------------------

static enum ht_rc give_scratch(struct wl_load *l) {
	struct ht_watchlists *w = l->w;
	hs_scratch_t *first = NULL;
	size_t db_size = 0, size = 0;
	hs_error_t error = hs_alloc_scratch(w->database->hs, &first);
	if (error != HS_SUCCESS)
		return HT_ERROR;
	w->scratch[0]->hs = first;
	for (unsigned i = 1; i < w->workers && error == HS_SUCCESS; i++) {
		hs_scratch_t *s = NULL;
		error = hs_clone_scratch(first, &s);
		w->scratch[i]->hs = s;
	}
	if (error != HS_SUCCESS || hs_scratch_size(first, &size) != HS_SUCCESS
	    || hs_database_size(w->database->hs, &db_size) != HS_SUCCESS)
		return HT_ERROR;
	l->rep->database_bytes = db_size;
	l->rep->scratch_bytes += size * w->workers;
	w->bytes += db_size + size * w->workers;
	return w->bytes <= w->max_bytes ? HT_OK : HT_LIMIT;
}

enum ht_rc wl_regex_compile(struct wl_load *l) {
	struct batch b = {0};
	if (l->w->num_regexes == 0)
		return HT_OK;
	enum ht_rc rc = make_batch(&b, l->w);
	hs_database_t *db = NULL;
	if (rc == HT_OK)
		db = cached_or_compiled(l, &b);
	if (db != NULL) {
		l->w->database = calloc(1, sizeof(*l->w->database));
		if (l->w->database == NULL) {
			hs_free_database(db);
			rc = HT_ERROR;
		} else {
			l->w->database->hs = db;
			rc = give_scratch(l);
		}
	}
	free_batch(&b);
	return rc;
}

void wl_regex_free(struct ht_watchlists *w) {
	for (unsigned i = 0; w->scratch != NULL && i < w->workers; i++)
		if (w->scratch[i] != NULL)
			hs_free_scratch(w->scratch[i]->hs);
	if (w->database != NULL)
		hs_free_database(w->database->hs);
	free(w->database);
}

// --- scanning -----------------------------------------------------------------------------------

// An expression may be told several times, even with HS_FLAG_SINGLEMATCH where Vectorscan is older.
static int
hit(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx) {
	struct wl_scratch *s = ctx;
	(void)from, (void)to, (void)flags;
	if ((s->hit[id / 64] >> id % 64 & 1) == 0) {
		s->hit[id / 64] |= 1ull << id % 64;
		s->hits[s->num_hits++] = id;
	}
	return 0;
}

bool wl_regex_scan(const struct ht_watchlists *w, struct wl_scratch *s, struct ht_span name) {
	return hs_scan(w->database->hs, (const char *)name.p, (unsigned)name.len, 0, s->hs, hit, s)
	       == HS_SUCCESS;
}

#else

enum ht_rc wl_regex_check(struct wl_value *v, char reason[200]) {
	(void)v;
	snprintf(
		reason, 200,
		"a regular expression, and this program was built without Hyperscan or Vectorscan"
	);
	return HT_BAD;
}

enum ht_rc wl_regex_compile(struct wl_load *l) {
	(void)l; // none was taken
	return HT_OK;
}

bool wl_regex_scan(const struct ht_watchlists *w, struct wl_scratch *s, struct ht_span name) {
	(void)w, (void)s, (void)name;
	return true;
}

void wl_regex_free(struct ht_watchlists *w) {
	(void)w;
}

#endif
