// SPDX-License-Identifier: BSD-3-Clause
// The registry: who shares a name with whom is found out when a set is added, once.

#include "metrics_int.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct ht_metrics *ht_metrics_new(void) {
	struct ht_metrics *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	struct timespec now = {0};
	clock_gettime(CLOCK_REALTIME, &now);
	m->start_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	m->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

static void free_set(struct ht_metrics_set *set) {
	free(set->labels);
	free(set->ended);
	free(set);
}

void ht_metrics_free(struct ht_metrics *m) {
	if (m == NULL)
		return;
	ht_metrics_stop(m);
	for (unsigned i = 0; i < m->num_families; i++) {
		free(m->families[i]->name);
		free(m->families[i]);
	}
	free(m->families);
	for (struct ht_metrics_set *set = m->sets, *next; set != NULL; set = next) {
		next = set->next;
		free_set(set);
	}
	if (m->statm >= 0)
		close(m->statm);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static bool is_word(const char *s) {
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")]
	       == '\0';
}

// OpenMetrics: "label names beginning with two underscores are RESERVED".
bool metrics_label_name_ok(const char *name) {
	return name[0] != '\0' && is_word(name) && (name[0] < '0' || name[0] > '9')
	       && strncmp(name, "__", 2) != 0;
}

static bool ends_with(const char *s, const char *end) {
	const size_t len = strlen(s), end_len = strlen(end);
	return len >= end_len && strcmp(s + len - end_len, end) == 0;
}

// find_family gives the family of a counter, a new one if need be. HT_BAD: the name is none, or
// taken by the other kind. HT_FULL: no memory.
static enum ht_rc find_family(
	struct metrics_family **out,
	struct ht_metrics *m,
	const struct ht_counter *c,
	enum ht_metrics_kind kind
) {
	// What OpenMetrics puts behind the names of some families: a family that ends so by itself
	// could be taken for a sample of another.
	static const char *const reserved[]
		= {"_total", "_created", "_info", "_bucket", "_count", "_sum", "_gcount", "_gsum"};
	const bool whole_group = kind == HT_METRICS_COUNTER && strcmp(c->name, "total") == 0;
	if (c->group[0] == '\0' || c->name[0] == '\0' || !is_word(c->group) || !is_word(c->name))
		return HT_BAD;
	char *name;
	if (asprintf(
		    &name, "hellotap_%s%s%s", c->group, whole_group ? "" : "_",
		    whole_group ? "" : c->name
	    )
	    < 0)
		return HT_FULL;
	enum ht_rc rc = HT_BAD;
	struct metrics_family *f = NULL;
	for (unsigned i = 0; i < HT_ARRAY_LEN(reserved); i++)
		if (ends_with(name, reserved[i]))
			goto end;
	for (unsigned i = 0; i < m->num_families && f == NULL; i++)
		if (strcmp(m->families[i]->name, name) == 0)
			f = m->families[i];
	if (f != NULL && f->first == NULL && f->tally == NULL) { // left of a set that was refused
		f->kind = kind;
		f->help = c->help;
	}
	if (f != NULL) {
		rc = f->kind == kind ? HT_OK : HT_BAD;
		goto end;
	}
	rc = HT_FULL;
	if (m->num_families == m->max_families) {
		const unsigned max = 2 * m->max_families + 64;
		struct metrics_family **bigger = realloc(m->families, max * sizeof(*bigger));
		if (bigger == NULL)
			goto end;
		m->families = bigger;
		m->max_families = max;
	}
	f = malloc(sizeof(*f));
	if (f == NULL)
		goto end;
	*f = (struct metrics_family){.name = name, .help = c->help, .kind = kind};
	m->families[m->num_families++] = f;
	name = NULL;
	rc = HT_OK;
end:
	free(name);
	if (rc == HT_OK)
		*out = f;
	return rc;
}

// make_labels writes the labels of a set as they will be shown, by name: the same labels give the
// same text.
static enum ht_rc make_labels(char **out, const struct ht_label *labels, unsigned num) {
	struct metrics_text t = {0};
	const struct ht_label *last = NULL;
	for (unsigned n = 0; n < num; n++) {
		const struct ht_label *next = NULL;
		for (unsigned i = 0; i < num; i++) {
			const bool later = last == NULL || strcmp(labels[i].name, last->name) > 0;
			if (later && (next == NULL || strcmp(labels[i].name, next->name) < 0))
				next = &labels[i];
		}
		if (next == NULL || !metrics_label_name_ok(next->name)) { // NULL: one came twice
			free(t.p);
			return HT_BAD;
		}
		metrics_put(&t, last == NULL ? "{" : ",");
		metrics_put_label(&t, next->name, next->value);
		last = next;
	}
	metrics_put(&t, num > 0 ? "}" : "");
	*out = t.failed ? NULL : strndup(num > 0 ? t.p : "", t.len);
	free(t.p);
	return *out != NULL ? HT_OK : HT_FULL;
}

// find_set gives a set with the same counters, and the same labels if they are to be.
static struct ht_metrics_set *
find_set(struct ht_metrics *m, const struct ht_metrics_set *like, bool same_labels) {
	for (struct ht_metrics_set *set = m->sets; set != NULL; set = set->next)
		if (set->table == like->table && set->num == like->num && set->kind == like->kind
		    && (!same_labels || strcmp(set->labels, like->labels) == 0))
			return set;
	return NULL;
}

static bool is_in_family(const struct metrics_family *f, const char *labels) {
	for (const struct metrics_sample *s = f->first; s != NULL; s = s->next)
		if (strcmp(s->set->labels, labels) == 0)
			return true;
	return false;
}

// find_families fills in the samples' families, and tells whether what is in them already goes
// together with the set.
static enum ht_rc find_families(struct ht_metrics *m, struct ht_metrics_set *set) {
	const struct ht_metrics_set *sibling = find_set(m, set, false); // another worker's
	for (unsigned i = 0; i < set->num; i++) {
		struct metrics_family *f = sibling != NULL ? sibling->samples[i].family : NULL;
		const enum ht_rc rc
			= f != NULL ? HT_OK : find_family(&f, m, &set->table[i], set->kind);
		if (rc != HT_OK)
			return rc;
		if (f->tally != NULL || is_in_family(f, set->labels))
			return HT_BAD;
		for (unsigned k = 0; k < i && sibling == NULL; k++)
			if (set->samples[k].family == f)
				return HT_BAD;
		set->samples[i] = (struct metrics_sample){.family = f, .set = set};
	}
	return HT_OK;
}

// add_set takes the set. When it was there before and has ended, that one goes on and *set is
// changed to it.
static enum ht_rc add_set(struct ht_metrics *m, struct ht_metrics_set **set) {
	struct ht_metrics_set *new = *set, *old = find_set(m, new, true);
	if (old != NULL) {
		if (old->block != NULL)
			return HT_BAD;
		old->block = new->block;
		free_set(new);
		*set = old;
		return HT_OK;
	}
	if (new->num > HT_METRICS_MAX_SAMPLES - m->num_samples)
		return HT_FULL;
	const enum ht_rc rc = find_families(m, new);
	if (rc != HT_OK)
		return rc;
	for (unsigned i = 0; i < new->num; i++) {
		struct metrics_family *f = new->samples[i].family;
		*(f->last != NULL ? &f->last->next : &f->first) = &new->samples[i];
		f->last = &new->samples[i];
	}
	m->num_samples += new->num;
	new->next = m->sets;
	m->sets = new;
	return HT_OK;
}

enum ht_rc ht_metrics_add(
	struct ht_metrics *m,
	struct ht_metrics_set **out,
	const struct ht_counter *table,
	unsigned num,
	const uint64_t *block,
	enum ht_metrics_kind kind,
	const struct ht_label *labels,
	unsigned num_labels
) {
	if (num == 0 || num > HT_METRICS_MAX_SAMPLES)
		return num == 0 ? HT_BAD : HT_FULL;
	struct ht_metrics_set *set = calloc(1, sizeof(*set) + num * sizeof(set->samples[0]));
	if (set == NULL)
		return HT_FULL;
	set->table = table;
	set->num = num;
	set->block = block;
	set->kind = kind;
	set->ended = calloc(num, sizeof(*set->ended));
	enum ht_rc rc
		= set->ended != NULL ? make_labels(&set->labels, labels, num_labels) : HT_FULL;
	if (rc == HT_OK) {
		pthread_mutex_lock(&m->lock);
		rc = add_set(m, &set);
		pthread_mutex_unlock(&m->lock);
	}
	if (rc != HT_OK)
		free_set(set);
	else if (out != NULL)
		*out = set;
	return rc;
}

void ht_metrics_end(struct ht_metrics *m, struct ht_metrics_set *set) {
	pthread_mutex_lock(&m->lock);
	if (set->block != NULL && set->kind == HT_METRICS_COUNTER)
		ht_stats_sum(set->ended, set->block, set->num);
	set->block = NULL;
	pthread_mutex_unlock(&m->lock);
}

enum ht_rc ht_metrics_add_tally(struct ht_metrics *m, const struct ht_tally *t) {
	if (!metrics_tally_labels_ok(t))
		return HT_BAD;
	struct metrics_family *f;
	pthread_mutex_lock(&m->lock);
	enum ht_rc rc = find_family(&f, m, metrics_tally_what(t), HT_METRICS_COUNTER);
	if (rc == HT_OK && (f->tally != NULL || f->first != NULL))
		rc = HT_BAD;
	if (rc == HT_OK)
		f->tally = t;
	pthread_mutex_unlock(&m->lock);
	return rc;
}

void ht_metrics_on_collect(struct ht_metrics *m, void (*collect)(void *ctx), void *ctx) {
	m->collect = collect;
	m->collect_ctx = ctx;
}
