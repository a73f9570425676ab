// SPDX-License-Identifier: BSD-3-Clause

#include "sinks.h"

#include "clock.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define START_AGAIN_S 5

// --- lists --------------------------------------------------------------------------------------

static void list_free(struct sinks_list *l) {
	for (unsigned i = 0; i < l->num; i++)
		free(l->v[i]);
	l->num = 0;
}

static enum ht_rc list_add(struct sinks_list *l, struct ht_sink_options *o) {
	if (o == NULL) {
		fputs("hellotap: no memory\n", stderr);
		return HT_ERROR;
	}
	if (l->num == MAX_SINKS) {
		fprintf(stderr, "hellotap: %s: more than %u outputs\n", o->to, MAX_SINKS);
		free(o);
		return HT_BAD;
	}
	l->v[l->num++] = o;
	return HT_OK;
}

static enum ht_rc list_parse(struct sinks_list *l, const char *spec) {
	struct ht_sink_options *o;
	char err[512];
	const enum ht_rc rc = ht_sink_parse(&o, spec, err, sizeof(err));
	if (rc == HT_OK)
		return list_add(l, o);
	fprintf(stderr, "hellotap: %s\n", err);
	return rc;
}

enum ht_rc sinks_list(struct sinks_list *l, const struct options *o) {
	const struct ht_sink_options *sinks = o->sinks.v;
	enum ht_rc rc = HT_OK;
	l->num = 0;
	for (unsigned i = 0; i < o->outputs.num && rc == HT_OK; i++)
		rc = list_parse(l, o->outputs.v[i]);
	for (unsigned i = 0; i < o->sinks.num && rc == HT_OK; i++)
		rc = list_add(l, ht_sink_copy(&sinks[i]));
	if (rc != HT_OK)
		list_free(l);
	return rc;
}

enum ht_rc sinks_list_again(struct sinks_list *l, const struct sinks *k) {
	enum ht_rc rc = HT_OK;
	l->num = 0;
	for (unsigned i = 0; i < k->num && rc == HT_OK; i++)
		rc = list_add(l, ht_sink_copy(k->v[i].options));
	if (rc != HT_OK)
		list_free(l);
	return rc;
}

// --- looking before opening ---------------------------------------------------------------------

static enum ht_rc refuse(const char *to, const char *why) {
	fprintf(stderr, "hellotap: %s: %s\n", to, why);
	return HT_BAD;
}

// Opening may empty a file, so all is looked at before the first one.
static enum ht_rc look(const struct options *o, const struct sinks_list *l) {
	char err[512];
	for (unsigned i = 0; i < l->num; i++) {
		const struct ht_sink_options *s = l->v[i];
		if (ht_sink_check(s, err, sizeof(err)) != HT_OK) {
			if (ht_link_of(s->to) != NULL)
				return refuse(s->to, err);
			fprintf(stderr, "hellotap: %s\n", err);
			return HT_BAD;
		}
		if (!sinks_fits(o, s, err, sizeof(err)))
			return refuse(s->to, err);
		for (unsigned n = 0; n < i; n++)
			if (!sinks_differ(s, l->v[n], err, sizeof(err)))
				return refuse(s->to, err);
	}
	return HT_OK;
}

static enum ht_rc probe(const struct sinks_list *l) {
	char err[512];
	for (unsigned i = 0; i < l->num; i++)
		if (ht_sink_probe(l->v[i], err, sizeof(err)) != HT_OK) {
			(void)refuse(l->v[i]->to, err);
			return HT_ERROR;
		}
	return HT_OK;
}

// --- opening ------------------------------------------------------------------------------------

struct opening {
	struct sinks *k;
	const struct options *o;
	unsigned how;
	struct sinks *old; // or NULL
	bool terminal; // standard output is one
	struct ht_sink_run to_terminal, to_file;
	const volatile sig_atomic_t *interrupted;
};

static void look_at_terminal(struct opening *p) {
	struct winsize size = {0};
	p->terminal = isatty(STDOUT_FILENO);
	if (p->terminal)
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	const char *no_color = getenv("NO_COLOR"); // no-color.org: present and not empty
	p->to_terminal = (struct ht_sink_run){
		.key = p->o->kinds & HT_KIND_AGGREGATE ? ht_aggregate_fields(&p->o->aggregate) : 0,
		.color = p->terminal && (no_color == NULL || *no_color == '\0'),
		.width = size.ws_col,
	};
	p->to_file = (struct ht_sink_run){
		.key = p->to_terminal.key,
		.append = p->how & SINKS_APPEND,
		.no_wait = p->how & SINKS_LIVE,
	};
}

// A collector stays connected: the one that is set as this one is, and is in no other's place yet.
static struct ht_delivery *take_over(struct opening *p, const struct ht_sink_options *o) {
	for (unsigned i = 0; p->old != NULL && i < p->old->num; i++) {
		struct sink *s = &p->old->v[i];
		if (s->lent || !ht_delivery_ops(s->d)->url || !ht_sink_same(s->options, o))
			continue;
		s->lent = true;
		return s->d;
	}
	return NULL;
}

// One of the name may be open still, in the set that is there or in one that is ending.
static bool has_name(const struct sinks *k, const char *name) {
	for (const struct sinks *at = k; at != NULL; at = at->before)
		if (sinks_slot(at, name) < at->num)
			return true;
	return false;
}

// Every field that the records for one output may have.
static ht_fieldset fields_of(const struct opening *p, const struct ht_sink_options *o) {
	const unsigned kinds = ht_sink_records(o, p->o->asked);
	return ht_kind_fields(kinds) | (kinds & HT_KIND_AGGREGATE ? p->to_file.key : 0);
}

// The kinds that are made were fixed at start.
static void tell_missing(const struct opening *p, const struct ht_sink_options *o) {
	const unsigned missing = ht_sink_records(o, p->o->asked) & ~p->o->kinds;
	for (unsigned i = 0; i < HT_NUM_KINDS; i++)
		if (missing >> i & 1)
			fprintf(stderr,
				"hellotap: %s: no %s records are made in this run: that takes a "
				"restart\n",
				o->to, ht_kind_names[i]);
}

static void tell_while_waiting(void *sinks) {
	struct sinks *const k = sinks;
	if (k->say != NULL)
		sinks_tell(k, k->say, k->say_ctx);
}

static enum ht_rc open_one(struct opening *p, struct ht_sink_options *o) {
	struct sink *const s = &p->k->v[p->k->num];
	const struct ht_link_ops *ops = ht_link_of(o->to);
	const bool live = p->how & SINKS_LIVE;
	char err[512];
	o->run = p->terminal && sinks_to_stdout(o->to) ? p->to_terminal : p->to_file;
	o->run.fields = fields_of(p, o);
	tell_missing(p, o);
	*s = (struct sink){.options = o, .name = o->to, .d = take_over(p, o)};
	const struct ht_delivery_params params = {
		.ops = ops,
		.options = o,
		.kinds = p->o->asked,
		.live = live,
		.threaded = live || ops->url,
		.successor = has_name(p->old, o->to),
		.soon = p->old != NULL, // it runs, and what is told to reload waits
		.sensor_id = p->o->sensor_id,
		.run = p->o->run,
		.interrupted = p->interrupted,
		.waits = live ? NULL : tell_while_waiting, // a set of its own may go on with it
		.waits_ctx = p->k,
	};
	if (s->d == NULL) {
		const enum ht_rc rc = ht_delivery_new(&s->d, &params, err, sizeof(err));
		if (rc != HT_OK) {
			fprintf(stderr, "hellotap: %s\n", err);
			return rc;
		}
	}
	p->k->num++;
	return HT_OK;
}

// What was taken over stays with the old set.
static void take_back(struct opening *p) {
	for (unsigned i = 0; i < p->k->num; i++)
		for (unsigned n = 0; p->old != NULL && n < p->old->num; n++)
			if (p->old->v[n].d == p->k->v[i].d) {
				p->old->v[n].lent = false;
				p->k->v[i].d = NULL;
			}
}

enum ht_rc sinks_open(
	struct sinks *k,
	const struct options *o,
	struct sinks_list *list,
	unsigned how,
	struct sinks *old,
	const volatile sig_atomic_t *interrupted
) {
	struct opening p = {.k = k, .o = o, .how = how, .old = old, .interrupted = interrupted};
	enum ht_rc rc = HT_OK;
	unsigned opened = 0;
	*k = (struct sinks){.kinds = o->kinds};
	look_at_terminal(&p);
	if (list->num == 0)
		rc = list_parse(list, p.terminal ? "table" : "json");
	if (rc == HT_OK)
		rc = look(o, list);
	if (rc == HT_OK && old == NULL) // what is there to be taken over need not be read again
		rc = probe(list);
	for (; rc == HT_OK && opened < list->num; opened += rc == HT_OK)
		rc = open_one(&p, list->v[opened]);
	if (rc != HT_OK) {
		take_back(&p);
		sinks_free(k);
		for (unsigned i = opened; i < list->num; i++)
			free(list->v[i]);
	}
	list->num = 0;
	return rc;
}

uint64_t sinks_memory(const struct sinks *k) {
	uint64_t bytes = 0;
	for (unsigned i = 0; i < k->num; i++)
		bytes += ht_delivery_memory(k->v[i].options);
	return bytes;
}

static bool waits(const struct sinks *leaving, const char *name) {
	for (; leaving != NULL; leaving = leaving->before)
		for (unsigned i = 0; i < leaving->num; i++) {
			const struct sink *s = &leaving->v[i];
			if (s->d != NULL && !s->lent && strcmp(s->name, name) == 0
			    && !ht_delivery_ended(s->d)
			    && ht_clock_ns(CLOCK_MONOTONIC) < s->ends_by)
				return true;
		}
	return false;
}

// False: the system has no thread for it. It keeps what its queue can hold until it has.
static bool start_one(struct sink *s) {
	const int64_t now = ht_clock_ns(CLOCK_MONOTONIC);
	if (now < s->start_at)
		return true;
	s->started = ht_delivery_start(s->d);
	if (s->started)
		return true;
	if (s->start_at == 0)
		fprintf(stderr, "hellotap: %s: no thread for it\n", s->name);
	s->start_at = now + START_AGAIN_S * HT_NS_PER_S;
	return false;
}

bool sinks_start(struct sinks *k) {
	bool ok = true;
	for (unsigned i = 0; i < k->num; i++) {
		struct sink *s = &k->v[i];
		if (!s->started && s->d != NULL && !waits(k->before, s->name))
			ok = start_one(s) && ok;
	}
	return ok;
}

bool sinks_started(const struct sinks *k) {
	for (unsigned i = 0; i < k->num; i++)
		if (!k->v[i].started)
			return false;
	return true;
}

// --- ending -------------------------------------------------------------------------------------

void sinks_end(struct sinks *k) {
	for (unsigned i = 0; i < k->num; i++) {
		struct sink *s = &k->v[i];
		if (s->d == NULL || s->lent || s->ends)
			continue;
		s->ends = true;
		s->ends_by = ht_clock_ns(CLOCK_MONOTONIC)
			     + (s->options->linger_s + SINKS_END_S) * HT_NS_PER_S;
		ht_delivery_end(s->d);
	}
}

bool sinks_ended(const struct sinks *k) {
	for (unsigned i = 0; i < k->num; i++) {
		const struct sink *s = &k->v[i];
		if (s->d != NULL && !s->lent && !ht_delivery_ended(s->d)
		    && ht_clock_ns(CLOCK_MONOTONIC) < s->ends_by)
			return false;
	}
	return true;
}

uint32_t sinks_linger(const struct sinks *k) {
	uint32_t most = 0;
	for (unsigned i = 0; i < k->num; i++)
		if (k->v[i].options->linger_s > most)
			most = k->v[i].options->linger_s;
	return most;
}

void sinks_give_up(struct sinks *k) {
	for (unsigned i = 0; i < k->num; i++)
		ht_delivery_give_up(k->v[i].d);
}

// Of the time that is left, half and at most SINKS_END_S are for closing.
static void wait_until(struct sink *s, int64_t now, int64_t latest) {
	const int64_t left = latest > now ? latest - now : 0;
	const int64_t closing
		= left / 2 < SINKS_END_S * HT_NS_PER_S ? left / 2 : SINKS_END_S * HT_NS_PER_S;
	if (s->ends_by <= latest)
		return;
	s->ends_by = latest;
	if (s->d != NULL && !s->lent)
		ht_delivery_end_by(s->d, latest - closing);
}

void sinks_wait_until(struct sinks *k, int64_t latest) {
	const int64_t now = ht_clock_ns(CLOCK_MONOTONIC);
	for (; k != NULL; k = k->before)
		for (unsigned i = 0; i < k->num; i++)
			wait_until(&k->v[i], now, latest);
}

// What is there goes into the spools, for which they have as long as for closing.
static void end_now(struct sinks *k) {
	const int64_t now = ht_clock_ns(CLOCK_MONOTONIC);
	sinks_wait_until(k, now + SINKS_END_S * HT_NS_PER_S);
	for (unsigned i = 0; i < k->num; i++)
		if (k->v[i].d != NULL && !k->v[i].lent)
			ht_delivery_end_by(k->v[i].d, now);
}

void sinks_wait(struct sinks *k, const volatile sig_atomic_t *stop) {
	sig_atomic_t seen = *stop; // that ended the reading
	for (bool hurried = false; !sinks_ended(k);) {
		const struct timespec t = {.tv_nsec = 1000000};
		nanosleep(&t, NULL);
		tell_while_waiting(k);
		if (*stop == seen)
			continue;
		seen = *stop;
		if (hurried)
			sinks_wait_until(k, 0);
		else
			end_now(k);
		hurried = true;
	}
}

// --- sums ---------------------------------------------------------------------------------------

// The thread that puts sums up while the first one closes: what is moved is to be seen once, in its
// old place or in the new one.
static pthread_mutex_t moving = PTHREAD_MUTEX_INITIALIZER;

static void move(uint64_t *to, uint64_t *from) {
	ht_stats_sum(to, from, HT_DELIVERY_NUM_CTRS);
	memset(from, 0, HT_DELIVERY_NUM_CTRS * sizeof(*from));
}

unsigned sinks_slot(const struct sinks *k, const char *name) {
	unsigned i = 0;
	while (i < k->num && strcmp(k->v[i].name, name) != 0)
		i++;
	return i;
}

static uint64_t *successor(struct sinks *to, const char *name) {
	const unsigned i = sinks_slot(to, name);
	return i < to->num ? to->v[i].past : to->gone;
}

void sinks_succeed(struct sinks *k, struct sinks *old) {
	pthread_mutex_lock(&moving);
	move(k->gone, old->gone);
	for (unsigned i = 0; i < old->num; i++)
		move(successor(k, old->v[i].name), old->v[i].past);
	k->failed = k->failed || old->failed;
	k->before = old;
	pthread_mutex_unlock(&moving);
}

void sinks_count(
	const struct sinks *k,
	uint64_t slots[MAX_SINKS][HT_DELIVERY_NUM_CTRS],
	uint64_t gone[HT_DELIVERY_NUM_CTRS]
) {
	memset(slots, 0, k->num * sizeof(slots[0]));
	pthread_mutex_lock(&moving);
	memcpy(gone, k->gone, sizeof(k->gone));
	for (unsigned i = 0; i < k->num; i++) {
		ht_stats_sum(slots[i], k->v[i].past, HT_DELIVERY_NUM_CTRS);
		if (k->v[i].d != NULL)
			ht_stats_sum(slots[i], ht_delivery_count(k->v[i].d), HT_DELIVERY_NUM_CTRS);
	}
	for (const struct sinks *old = k->before; old != NULL; old = old->before)
		for (unsigned i = 0; i < old->num; i++) {
			const struct sink *s = &old->v[i];
			const unsigned to = sinks_slot(k, s->name);
			if (s->d != NULL && !s->lent)
				ht_stats_sum(
					to < k->num ? slots[to] : gone, ht_delivery_count(s->d),
					HT_DELIVERY_NUM_CTRS
				);
		}
	pthread_mutex_unlock(&moving);
}

// --- closing ------------------------------------------------------------------------------------

static void close_one(struct sinks *k, struct sink *s, struct sinks *to) {
	const char *verdict = ht_delivery_verdict(s->d);
	if (verdict != NULL) {
		fprintf(stderr, "hellotap: %s\n", verdict);
		to->failed = true;
	}
	struct ht_delivery *const d = s->d;
	pthread_mutex_lock(&moving);
	ht_stats_sum(
		to == k ? s->past : successor(to, s->name), ht_delivery_count(d),
		HT_DELIVERY_NUM_CTRS
	);
	s->d = NULL;
	pthread_mutex_unlock(&moving);
	ht_delivery_free(d);
}

bool sinks_close(
	struct sinks *k,
	struct sinks *to,
	void (*closes)(void *ctx, const struct ht_delivery *d),
	void *ctx
) {
	bool all = true;
	for (unsigned i = 0; i < k->num; i++) {
		struct sink *s = &k->v[i];
		if (s->d != NULL && !s->lent && ht_delivery_ended(s->d)) {
			if (closes != NULL)
				closes(ctx, s->d);
			close_one(k, s, to);
		}
		all = all && (s->d == NULL || s->lent);
	}
	return all;
}

void sinks_leave(
	struct sinks *k, void (*closes)(void *ctx, const struct ht_delivery *d), void *ctx
) {
	for (struct sinks **at = &k->before; *at != NULL;) {
		struct sinks *const old = *at;
		if (!sinks_close(old, k, closes, ctx)) {
			at = &old->before;
			continue;
		}
		pthread_mutex_lock(&moving);
		*at = old->before;
		pthread_mutex_unlock(&moving);
		sinks_free(old);
		free(old);
	}
}

bool sinks_left(const struct sinks *k) {
	for (const struct sinks *old = k->before; old != NULL; old = old->before)
		if (!sinks_ended(old))
			return true;
	return false;
}

void sinks_free(struct sinks *k) {
	for (unsigned i = 0; i < k->num; i++) {
		if (!k->v[i].lent)
			ht_delivery_free(k->v[i].d);
		free(k->v[i].options);
	}
	k->num = 0;
}

// --- telling ------------------------------------------------------------------------------------

void sinks_tell(struct sinks *k, void (*say)(void *ctx, const char *line), void *ctx) {
	char line[512];
	for (unsigned i = 0; i < k->num; i++)
		if (k->v[i].d != NULL && ht_delivery_said(k->v[i].d, line, sizeof(line)))
			say(ctx, line);
}
