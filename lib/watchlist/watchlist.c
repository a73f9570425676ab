// SPDX-License-Identifier: BSD-3-Clause

#include "clock.h"
#include "path.h"
#include "watchlist_int.h"
#include "whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct ht_watchlist_params with_defaults(const struct ht_watchlist_params *p) {
	struct ht_watchlist_params d = *p;
	if (d.workers == 0)
		d.workers = 1;
	if (d.max_entries == 0)
		d.max_entries = 4000000;
	if (d.max_regexes == 0)
		d.max_regexes = 4096;
	if (d.max_file_bytes == 0)
		d.max_file_bytes = 256u << 20;
	if (d.max_bytes == 0)
		d.max_bytes = 1u << 30;
	return d;
}

static uint64_t now(void) {
	return (uint64_t)ht_clock_ns(CLOCK_MONOTONIC);
}

// --- files --------------------------------------------------------------------------------------

static enum ht_rc refuse(struct wl_load *l, const char *file, const char *what) {
	wl_complain(l, file, 0, "%s", what);
	return HT_ERROR;
}

// read_all reads a file that was opened; *text is to be freed.
static enum ht_rc
read_all(struct wl_load *l, int fd, const char *file, uint64_t size, uint8_t **text, size_t *len) {
	*len = 0;
	*text = malloc(size + 1);
	if (*text == NULL)
		return refuse(l, file, "no memory");
	if (!ht_read_most(fd, *text, size + 1, len))
		return refuse(l, file, strerror(errno));
	return *len <= size ? HT_OK : refuse(l, file, "it grows while it is read");
}

static enum ht_rc read_file(struct wl_load *l, const char *file, uint8_t **text, size_t *len) {
	struct stat st;
	*text = NULL;
	// A pipe nobody writes to would be waited for.
	const int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return refuse(l, file, strerror(errno));
	enum ht_rc rc = HT_OK;
	if (fstat(fd, &st) != 0)
		rc = refuse(l, file, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		rc = refuse(l, file, "not a file");
	else if ((uint64_t)st.st_size > l->p.max_file_bytes)
		rc = refuse(l, file, "longer than max_file_bytes");
	else
		rc = read_all(l, fd, file, (uint64_t)st.st_size, text, len);
	close(fd);
	return rc;
}

// The list of a file is called like it.
static struct ht_span list_name(const char *file) {
	static const char *const endings[] = {".txt", ".csv", ".list", ".hosts"};
	const char *const name = ht_path_name(file);
	size_t len = strlen(name);
	for (unsigned i = 0; i < HT_ARRAY_LEN(endings); i++) {
		const size_t n = strlen(endings[i]);
		if (len > n && strcasecmp(name + len - n, endings[i]) == 0) {
			len -= n;
			break;
		}
	}
	return HT_SPAN(name, len);
}

static enum ht_rc add_list(struct wl_load *l, const char *file) {
	l->file = file;
	l->list = (uint16_t)l->w->num_lists;
	return wl_text_add(l->w, &l->w->lists[l->w->num_lists++], list_name(file));
}

// A match tells its list by name alone, so no two have the same.
static enum ht_rc check_name(struct wl_load *l, const char *const *files, unsigned i) {
	const struct ht_span name = list_name(files[i]);
	for (unsigned k = 0; k < i; k++) {
		if (!ht_span_eq(list_name(files[k]), name))
			continue;
		wl_complain(
			l, files[i], 0,
			"its list would be called %.*s, like that of %.100s: matches could not "
			"be told apart",
			(int)(name.len < 60 ? name.len : 60), (const char *)name.p, files[k]
		);
		return HT_ERROR;
	}
	return HT_OK;
}

// too_much tells of what could not be stored.
static enum ht_rc too_much(struct wl_load *l, enum ht_rc rc) {
	if (rc == HT_LIMIT)
		wl_complain(
			l, l->file, l->line,
			"here the lists have more than max_entries, max_regexes or max_mib allow"
		);
	else if (rc == HT_ERROR)
		wl_complain(l, l->file, l->line, "no memory");
	return rc;
}

static enum ht_rc load_list(struct wl_load *l, const char *file, struct ht_span text) {
	enum ht_rc rc = add_list(l, file);
	if (rc == HT_OK)
		rc = wl_read(l, text);
	return too_much(l, rc);
}

static enum ht_rc load_file(struct wl_load *l, const char *file) {
	uint8_t *text;
	size_t len;
	enum ht_rc rc = read_file(l, file, &text, &len);
	if (rc == HT_OK)
		rc = load_list(l, file, HT_SPAN(text, len));
	free(text);
	return rc;
}

// --- a set --------------------------------------------------------------------------------------

static struct ht_watchlists *new_set(const struct ht_watchlist_params *p, unsigned num_lists) {
	struct ht_watchlists *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return NULL;
	w->max_bytes = p->max_bytes;
	w->workers = p->workers;
	w->bytes = sizeof(*w);
	w->lists = calloc(num_lists, sizeof(*w->lists));
	w->scratch = calloc(p->workers, sizeof(struct wl_scratch *));
	w->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	uint32_t nothing;
	if (w->lists == NULL || w->scratch == NULL || w->locale == NULL
	    || getrandom(&w->seed, sizeof(w->seed), 0) != sizeof(w->seed)
	    || wl_text_add(w, &nothing, HT_SPAN_EMPTY) != HT_OK) {
		ht_watchlists_free(w);
		return NULL;
	}
	return w;
}

static void free_scratch(struct wl_scratch *s) {
	if (s == NULL)
		return;
	free(s->hits);
	free(s->hit);
	free(s);
}

void ht_watchlists_free(struct ht_watchlists *w) {
	if (w == NULL)
		return;
	wl_regex_free(w);
	for (unsigned i = 0; w->scratch != NULL && i < w->workers; i++)
		free_scratch(w->scratch[i]);
	if (w->locale != NULL)
		freelocale(w->locale);
	free(w->scratch);
	free(w->lists);
	free(w->slots);
	free((char *)w->text);
	free(w->keys);
	free(w->entries);
	free(w->conditions);
	free(w->regexes);
	free(w);
}

unsigned ht_watchlists_workers(const struct ht_watchlists *w) {
	return w->workers;
}

bool ht_watchlists_has_cert(const struct ht_watchlists *w) {
	return (w->fields >> WL_CERT & 1) != 0;
}

static struct wl_scratch *new_scratch(const struct ht_watchlists *w) {
	struct wl_scratch *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	const size_t num = w->num_regexes > 0 ? w->num_regexes : 1;
	s->hits = calloc(num, sizeof(*s->hits));
	s->hit = calloc(num / 64 + 1, sizeof(*s->hit));
	if (s->hits != NULL && s->hit != NULL)
		return s;
	free_scratch(s);
	return NULL;
}

static enum ht_rc make_scratch(struct wl_load *l) {
	struct ht_watchlists *w = l->w;
	const uint64_t each = sizeof(struct wl_scratch) + w->num_regexes * sizeof(uint32_t)
			      + w->num_regexes / 8 + 8;
	if (w->bytes + each * w->workers > w->max_bytes)
		return HT_LIMIT;
	for (unsigned i = 0; i < w->workers; i++)
		if ((w->scratch[i] = new_scratch(w)) == NULL)
			return HT_ERROR;
	w->bytes += each * w->workers;
	l->rep->scratch_bytes += each * w->workers;
	return HT_OK;
}

// finish makes of what was read what is matched.
static enum ht_rc finish(struct wl_load *l) {
	const uint64_t start = now();
	l->line = 0;
	l->w->bytes -= (uint64_t)l->cap_uses * sizeof(*l->uses);
	wl_trim(l->w);
	enum ht_rc rc = make_scratch(l);
	if (rc == HT_OK)
		rc = wl_regex_compile(l);
	l->rep->compile_ns = now() - start;
	l->rep->bytes = l->w->bytes;
	return too_much(l, rc);
}

static enum ht_rc
begin(struct wl_load *l,
      const struct ht_watchlist_params *p,
      struct ht_watchlist_report *rep,
      unsigned num_lists) {
	memset(rep, 0, sizeof(*rep));
	*l = (struct wl_load){.p = with_defaults(p), .rep = rep};
	if (num_lists > HT_WATCHLIST_FILES_MAX) {
		wl_complain(l, "", 0, "more than 256 lists");
		return HT_LIMIT;
	}
	l->w = new_set(&l->p, num_lists > 0 ? num_lists : 1);
	return l->w != NULL ? HT_OK : refuse(l, "", "no memory");
}

static enum ht_rc end(struct wl_load *l, struct ht_watchlists **out, enum ht_rc rc) {
	if (rc == HT_OK)
		rc = finish(l);
	free(l->uses);
	if (rc == HT_OK)
		*out = l->w;
	else
		ht_watchlists_free(l->w);
	return rc;
}

enum ht_rc ht_watchlists_load(
	struct ht_watchlists **out,
	const char *const *files,
	unsigned num,
	const struct ht_watchlist_params *p,
	struct ht_watchlist_report *rep
) {
	struct wl_load l;
	*out = NULL;
	enum ht_rc rc = begin(&l, p, rep, num);
	const uint64_t start = now();
	for (unsigned i = 0; i < num && rc == HT_OK; i++) {
		rc = check_name(&l, files, i);
		if (rc == HT_OK)
			rc = load_file(&l, files[i]);
	}
	rep->read_ns = now() - start;
	return end(&l, out, rc);
}

enum ht_rc ht_watchlists_load_text(
	struct ht_watchlists **out,
	const char *name,
	struct ht_span text,
	const struct ht_watchlist_params *p,
	struct ht_watchlist_report *rep
) {
	struct wl_load l;
	*out = NULL;
	enum ht_rc rc = begin(&l, p, rep, 1);
	const uint64_t start = now();
	if (rc == HT_OK)
		rc = load_list(&l, name, text);
	rep->read_ns = now() - start;
	return end(&l, out, rc);
}
