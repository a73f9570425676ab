// SPDX-License-Identifier: BSD-3-Clause

#include "lists.h"

#include "clock.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUBLISH_MS 2000 // that workers have to go on to a new set
#define CLOSE_MS 1000 // that what is being read has to end
#define NICENESS 10 // of the thread that looks, reads and compiles: workers come first
#define MATCHING (HT_KIND_HELLO | HT_KIND_EVENT | HT_KIND_FLOW)

#define X(id, name, help) {"watchlists", name, help},
const struct ht_counter lists_counters[NUM_LISTS_COUNTERS] = {LISTS_COUNTERS(X)};
const struct ht_counter lists_gauges[NUM_LISTS_GAUGES] = {LISTS_GAUGES(X)};
#undef X

// A file as it was: another one of the name, or other bytes, and it is not.
struct stamp {
	uint64_t device, inode, size;
	struct timespec changed;
};

// What is to be read, a copy of its own: the options may change while it is.
struct job {
	char **files;
	unsigned num;
	char *cache_folder;
	struct ht_watchlist_params params;
	cpu_set_t cpus;
	bool has_cpus;

	struct ht_watchlist_report report;
	struct stamp *stamps; // from before they were read
	enum ht_rc loaded, published;
	bool has_cert;
};

struct lists {
	struct ht_watchlist_slot *slot;
	unsigned threads;
	bool flows; // are there, and so certificates
	bool events; // are wanted
	uint64_t ctr[NUM_LISTS_COUNTERS], gauge[NUM_LISTS_GAUGES];
	struct job *last; // that was told; its stamps are what files are compared with
	struct stamp *looked; // at the last look
	int64_t looked_at;

	// While something is read, or files are looked at: either may take for ever, as NFS does.
	// `done` is the thread's, and before that `job`, `last`, `looked` and `changed`.
	bool busy;
	struct job *job; // that is read; NULL: files are looked at
	bool changed; // they were found to be
	pthread_t thread;
	atomic_bool done;
	bool again; // another job is to follow
};

// --- jobs ---------------------------------------------------------------------------------------

static void job_free(struct job *j) {
	if (j == NULL)
		return;
	for (unsigned i = 0; j->files != NULL && i < j->num; i++)
		free(j->files[i]);
	free(j->files);
	free(j->cache_folder);
	free(j->stamps);
	free(j);
}

// Those of the command line count more than those of the file as it is now.
static struct watchlists_options options_now(const struct options *o) {
	struct watchlists_options w
		= o->from_file != NULL ? o->from_file->watchlists : o->watchlists;
	if (o->watchlists_given)
		w.files = o->watchlists.files;
	return w;
}

// The CPUs that no worker has, if there are some.
static void find_cpus(struct job *j, const struct options *o) {
	j->has_cpus
		= o->workers.cpus.num > 0 && sched_getaffinity(0, sizeof(j->cpus), &j->cpus) == 0;
	for (unsigned i = 0; j->has_cpus && i < o->workers.cpus.num; i++)
		if (o->workers.cpus.v[i] < CPU_SETSIZE)
			CPU_CLR(o->workers.cpus.v[i], &j->cpus);
	j->has_cpus = j->has_cpus && CPU_COUNT(&j->cpus) > 0;
}

static struct job *job_new(const struct options *o, unsigned threads) {
	const struct watchlists_options w = options_now(o);
	struct job *j = calloc(1, sizeof(*j));
	if (j == NULL)
		return NULL;
	const unsigned room = w.files.num > 0 ? w.files.num : 1;
	j->num = w.files.num;
	j->files = calloc(room, sizeof(*j->files));
	j->stamps = calloc(room, sizeof(*j->stamps));
	bool ok = j->files != NULL && j->stamps != NULL;
	for (unsigned i = 0; ok && i < j->num; i++)
		ok = (j->files[i] = strdup(w.files.v[i])) != NULL;
	if (w.cache_folder != NULL)
		ok = ok && (j->cache_folder = strdup(w.cache_folder)) != NULL;
	if (!ok) {
		job_free(j);
		return NULL;
	}
	j->params = (struct ht_watchlist_params){
		.workers = threads,
		.max_entries = w.max_entries,
		.max_regexes = w.max_regexes,
		.max_file_bytes = (uint64_t)w.max_file_mib << 20,
		.max_bytes = (uint64_t)w.max_mib << 20,
		.cache_folder = j->cache_folder,
	};
	find_cpus(j, o);
	return j;
}

static struct stamp stamp_of(const char *file) {
	struct stat st;
	if (stat(file, &st) != 0)
		return (struct stamp){0};
	return (struct stamp){
		.device = st.st_dev,
		.inode = st.st_ino,
		.size = (uint64_t)st.st_size,
		.changed = st.st_mtim,
	};
}

static bool same_stamp(const struct stamp *a, const struct stamp *b) {
	return a->device == b->device && a->inode == b->inode && a->size == b->size
	       && a->changed.tv_sec == b->changed.tv_sec
	       && a->changed.tv_nsec == b->changed.tv_nsec;
}

// Without files there is no set.
static struct ht_watchlists *job_load(struct job *j) {
	struct ht_watchlists *set = NULL;
	for (unsigned i = 0; i < j->num; i++)
		j->stamps[i] = stamp_of(j->files[i]);
	j->loaded = j->num == 0 ? HT_OK
				: ht_watchlists_load(
					&set, (const char *const *)j->files, j->num, &j->params,
					&j->report
				);
	j->has_cert = set != NULL && ht_watchlists_has_cert(set);
	return set;
}

static void job_publish(struct lists *l, struct job *j, struct ht_watchlists *set) {
	j->published = ht_watchlist_publish(l->slot, set, PUBLISH_MS);
	if (j->published != HT_OK && j->published != HT_MORE)
		ht_watchlists_free(set);
}

// --- what is told -------------------------------------------------------------------------------

static uint64_t entries_of(const struct job *j) {
	uint64_t num = 0;
	for (unsigned i = 0; i < HT_WATCHLIST_NUM_KINDS; i++)
		num += j->report.entries[i];
	return num;
}

// The file has no line where all of it is meant.
static void say_errors(const struct job *j, lists_say *say, void *user) {
	char line[HT_WATCHLIST_LINE_MAX + 256];
	const struct ht_watchlist_report *rep = &j->report;
	for (unsigned i = 0; i < rep->num; i++) {
		const struct ht_watchlist_error *e = &rep->errors[i];
		if (e->line > 0)
			snprintf(line, sizeof(line), "%s:%u: %s", e->file, e->line, e->reason);
		else
			snprintf(
				line, sizeof(line), "%s: %s",
				e->file[0] != '\0' ? e->file : "watchlists", e->reason
			);
		say(user, line);
	}
	if (rep->more > 0) {
		snprintf(line, sizeof(line), "watchlists: and %u further wrong lines", rep->more);
		say(user, line);
	}
	if (rep->cache_note[0] != '\0') {
		snprintf(line, sizeof(line), "watchlists: cache: %s", rep->cache_note);
		say(user, line);
	}
}

// "2 lists, 12 entries, 1 wrong line, 0.1 MiB, read in 1 ms, compiled in 20 ms"
static void describe(const struct job *j, char *out, size_t len) {
	const struct ht_watchlist_report *r = &j->report;
	const uint64_t entries = entries_of(j), wrong = (uint64_t)r->num + r->more;
	snprintf(
		out, len,
		"%u list%s, %" PRIu64 " entr%s, %" PRIu64
		" wrong line%s, %.1f MiB, read in %" PRIu64 " ms, %s in %" PRIu64 " ms",
		j->num, j->num == 1 ? "" : "s", entries, entries == 1 ? "y" : "ies", wrong,
		wrong == 1 ? "" : "s", (double)r->bytes / (1 << 20), r->read_ns / 1000000,
		r->from_cache ? "from the cache" : "compiled", r->compile_ns / 1000000
	);
}

// What has become of a job, for the counters and for people. The first set is told in silence.
static void tell(struct lists *l, const struct job *j, bool first, lists_say *say, void *user) {
	char text[256], line[512];
	const bool in_force
		= j->loaded == HT_OK && j->published != HT_FULL && j->published != HT_BAD;
	say_errors(j, say, user);
	ht_stats_count(&l->ctr[in_force ? LISTS_PUBLISHED : LISTS_REFUSED], 1);
	if (!in_force) {
		if (!first)
			say(user, j->loaded == HT_OK
					  ? "watchlists: a worker hangs and has not gone on to the "
					    "last ones: they stay as they are"
					  : "watchlists: they stay as they are");
		return;
	}
	const uint64_t values[NUM_LISTS_GAUGES] = {
		[LISTS_LISTS] = j->num,
		[LISTS_ENTRIES] = entries_of(j),
		[LISTS_WRONG_LINES] = (uint64_t)j->report.num + j->report.more,
		[LISTS_BYTES] = j->report.bytes,
	};
	for (unsigned i = 0; i < NUM_LISTS_GAUGES; i++)
		__atomic_store_n(&l->gauge[i], values[i], __ATOMIC_RELAXED);
	if (j->has_cert && !l->flows)
		say(user, "watchlists: entries on certificates match nothing here: those are read "
			  "where flow records are made (--records flow)");
	if (first)
		return;
	describe(j, text, sizeof(text));
	snprintf(
		line, sizeof(line), "watchlists in force: %s%s", text,
		j->published == HT_MORE ? "; a worker hangs, and has the last ones still" : ""
	);
	say(user, line);
}

static void say_on_stderr(void *user, const char *line) {
	(void)user;
	fprintf(stderr, "hellotap: %s\n", line);
}

// --- the first set ------------------------------------------------------------------------------

bool lists_open(struct lists **out, const struct options *o, unsigned threads) {
	*out = NULL;
	if (!(o->kinds & MATCHING))
		return true;
	struct lists *l = *out = calloc(1, sizeof(*l));
	struct job *j = job_new(o, threads);
	if (l != NULL)
		l->slot = ht_watchlist_slot_new(threads);
	if (l == NULL || j == NULL || l->slot == NULL) {
		fputs("hellotap: no memory for watchlists\n", stderr);
		job_free(j);
		return false;
	}
	l->threads = threads;
	l->flows = o->sensor.flows != HT_FLOWS_NONE;
	l->events = o->kinds & HT_KIND_EVENT;
	l->last = j;
	struct ht_watchlists *set = job_load(j);
	if (j->loaded == HT_OK)
		job_publish(l, j, set);
	if (j->num > 0)
		tell(l, j, true, say_on_stderr, NULL);
	return j->loaded == HT_OK;
}

bool lists_check(const struct options *o, FILE *out) {
	struct job *j = job_new(o, 1);
	if (j == NULL) {
		fputs("hellotap: no memory for watchlists\n", stderr);
		return false;
	}
	ht_watchlists_free(job_load(j));
	say_errors(j, say_on_stderr, NULL);
	const bool ok = j->loaded == HT_OK && j->report.num == 0;
	if (j->loaded == HT_OK && j->num > 0) {
		char text[256];
		describe(j, text, sizeof(text));
		fprintf(out, "watchlists: %s\n", text);
	}
	job_free(j);
	return ok;
}

// --- others, while it runs ----------------------------------------------------------------------

// The thread has neither the workers' filter of system calls nor their CPUs.
static void step_back(const struct job *j) {
	pthread_setname_np(pthread_self(), "watchlists");
	if (j->has_cpus)
		(void)pthread_setaffinity_np(pthread_self(), sizeof(j->cpus), &j->cpus);
	(void)setpriority(PRIO_PROCESS, 0, NICENESS); // of this thread alone, on Linux
}

static void *work(void *lists) {
	struct lists *l = lists;
	struct job *j = l->job;
	step_back(j);
	struct ht_watchlists *set = job_load(j);
	if (j->loaded == HT_OK)
		job_publish(l, j, set);
	atomic_store_explicit(&l->done, true, memory_order_release);
	return NULL;
}

static bool begin(struct lists *l, void *(*run)(void *lists)) {
	atomic_store_explicit(&l->done, false, memory_order_relaxed);
	return l->busy = pthread_create(&l->thread, NULL, run, l) == 0;
}

void lists_reload(struct lists *l, const struct options *o) {
	if (l == NULL)
		return;
	l->again = l->busy;
	if (l->again)
		return;
	struct job *j = job_new(o, l->threads);
	l->again = j == NULL; // no memory: at the next turn
	if (j == NULL || (j->num == 0 && l->last->num == 0)) {
		job_free(j);
		return;
	}
	l->job = j;
	if (begin(l, work))
		return;
	l->job = NULL;
	l->again = true; // at the next turn
	job_free(j);
}

// Whether a file has changed, and is as it was at the look before: what is being written still is
// not read.
static bool changed(struct lists *l) {
	const struct job *last = l->last;
	bool other = false, settled = true;
	if (l->looked == NULL && last->num > 0)
		l->looked = calloc(last->num, sizeof(*l->looked));
	for (unsigned i = 0; l->looked != NULL && i < last->num; i++) {
		const struct stamp now = stamp_of(last->files[i]);
		other |= !same_stamp(&now, &last->stamps[i]);
		settled &= same_stamp(&now, &l->looked[i]);
		l->looked[i] = now;
	}
	return other && settled;
}

static void *look(void *lists) {
	struct lists *l = lists;
	step_back(l->last);
	l->changed = changed(l);
	atomic_store_explicit(&l->done, true, memory_order_release);
	return NULL;
}

static void finish(struct lists *l, lists_say *say, void *user) {
	struct job *j = l->job;
	pthread_join(l->thread, NULL);
	l->busy = false;
	l->job = NULL;
	if (j == NULL) {
		l->again |= l->changed;
		return;
	}
	tell(l, j, false, say, user);
	// What could not be read is not tried again until it has changed again.
	job_free(l->last);
	free(l->looked);
	l->looked = NULL;
	l->last = j;
}

void lists_turn(struct lists *l, const struct options *o, lists_say *say, void *user) {
	if (l == NULL)
		return;
	if (l->busy && atomic_load_explicit(&l->done, memory_order_acquire))
		finish(l, say, user);
	if (l->busy)
		return;
	const uint32_t every = options_now(o).reload_s;
	const int64_t now = ht_clock_ns(CLOCK_MONOTONIC);
	if (l->again) {
		lists_reload(l, o);
	} else if (every > 0 && l->last->num > 0 && now - l->looked_at >= every * HT_NS_PER_S) {
		l->looked_at = now;
		(void)begin(l, look); // or the next time
	}
}

void lists_watch(const struct lists *l, struct watch *w, unsigned thread) {
	if (l == NULL)
		return;
	w->slot = l->slot;
	w->number = thread;
	w->events = l->events;
}

const uint64_t *lists_counts(const struct lists *l) {
	return l->ctr;
}

const uint64_t *lists_in_force(const struct lists *l) {
	return l->gauge;
}

bool lists_close(struct lists *l) {
	if (l == NULL)
		return true;
	for (unsigned i = 0; l->busy; i++) {
		if (atomic_load_explicit(&l->done, memory_order_acquire)) {
			pthread_join(l->thread, NULL);
			job_free(l->job);
			l->job = NULL;
			l->busy = false;
		} else if (i == CLOSE_MS) {
			return false;
		} else {
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		}
	}
	ht_watchlist_slot_free(l->slot);
	job_free(l->last);
	free(l->looked);
	free(l);
	return true;
}
