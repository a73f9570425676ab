// SPDX-License-Identifier: BSD-3-Clause
// Blocks read, and unpacked, ahead in a thread of their own. The reader fills the blocks of a ring
// in turn; the side that takes frames out of them gives them back in the same order.

#include "capture_int.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

// A number of blocks since the start that one side counts on and the other waits for. Whoever need
// not wait makes no system call, and whoever counts makes one only to wake a sleeper whose number
// is reached.
//
// No wake-up is lost: the one writes `until` and then reads `count`, the other the reverse, all
// sequentially consistent, so one of them sees what the other wrote. One too many may be posted;
// it costs the next sleeper a turn.
struct gate {
	_Alignas(64) _Atomic uint64_t count; // written by the side that counts
	_Atomic uint64_t until; // the sleeper wants this count; 0: nobody sleeps
	sem_t wake;
};

struct ht_ahead {
	struct gate filled; // the reader counts
	struct gate given_back; // the taker counts
	_Alignas(64) uint64_t taken; // the taker's
	atomic_bool stop; // the taker writes, the reader looks before each block
	struct ht_source *source; // the reader's, until it is joined
	size_t block;
	pthread_t thread;
	struct ht_block blocks[HT_CAPTURE_AHEAD];
};

// step counts one on. What was written before is seen by whoever sees the count.
static void step(struct gate *g) {
	uint64_t count = atomic_fetch_add(&g->count, 1) + 1, until = atomic_load(&g->until);
	if (until != 0 && count >= until && atomic_compare_exchange_strong(&g->until, &until, 0))
		sem_post(&g->wake);
}

static bool reached(const struct gate *g, uint64_t count) {
	return atomic_load(&g->count) >= count;
}

// doze waits for `count`, perhaps not long enough. False: a signal was handled.
static bool doze(struct gate *g, uint64_t count) {
	atomic_store(&g->until, count);
	return reached(g, count) || sem_wait(&g->wake) == 0;
}

static void *reader(void *arg) {
	struct ht_ahead *a = arg;
	bool last = false;
	for (uint64_t n = 0; !last && !atomic_load(&a->stop);) {
		if (n >= HT_CAPTURE_AHEAD && !reached(&a->given_back, n - HT_CAPTURE_AHEAD + 1)) {
			// Full. Sleeps until half of it is free, so that a wake-up is worth it.
			(void)doze(&a->given_back, n - HT_CAPTURE_AHEAD / 2);
			continue;
		}
		struct ht_block *b = &a->blocks[n++ % HT_CAPTURE_AHEAD];
		if (ht_source_read(a->source, b->buf + HT_CAPTURE_HEAD, a->block, &b->len)
		    != HT_OK) {
			b->why = a->source->why;
			b->len = 0;
		}
		b->bytes_read = a->source->bytes_read;
		last = b->len == 0;
		step(&a->filled); // the block is the taker's now
	}
	return NULL;
}

static bool one_cpu(void) {
	cpu_set_t set;
	// Fails where there are more CPUs than the set has room for.
	return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1;
}

static bool start(struct ht_ahead *a) {
	// Signals are for the program's own threads: one that ends the wait for a pipe ends
	// ht_ahead_next.
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&a->thread, NULL, reader, a);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc == 0;
}

static void discard(struct ht_ahead *a) {
	sem_destroy(&a->filled.wake);
	sem_destroy(&a->given_back.wake);
	for (unsigned i = 0; i < HT_CAPTURE_AHEAD; i++)
		free(a->blocks[i].buf);
	if (a->source->stop_fd >= 0)
		close(a->source->stop_fd);
	a->source->stop_fd = -1;
	free(a);
}

struct ht_ahead *ht_ahead_start(struct ht_source *s, size_t block) {
	struct ht_ahead *a = one_cpu() ? NULL : aligned_alloc(64, sizeof(*a));
	if (a == NULL)
		return NULL;
	memset(a, 0, sizeof(*a));
	a->source = s;
	a->block = block;
	sem_init(&a->filled.wake, 0, 0);
	sem_init(&a->given_back.wake, 0, 0);
	bool ok = true; // all the same: discard() frees what is there
	for (unsigned i = 0; i < HT_CAPTURE_AHEAD; i++)
		ok &= (a->blocks[i].buf = ht_capture_alloc(HT_CAPTURE_HEAD + block)) != NULL;
	if (s->waits)
		ok &= (s->stop_fd = eventfd(0, EFD_CLOEXEC)) >= 0;
	if (ok && start(a))
		return a;
	discard(a);
	return NULL;
}

const struct ht_block *ht_ahead_next(struct ht_ahead *a) {
	static const struct ht_block interrupted = {.why = HT_CAPTURE_INTERRUPTED};
	while (!reached(&a->filled, a->taken + 1))
		if (!doze(&a->filled, a->taken + 1) && a->source->waits)
			return &interrupted;
	const struct ht_block *b = &a->blocks[a->taken % HT_CAPTURE_AHEAD];
	a->taken += b->len > 0; // the last one is told again and again
	return b;
}

void ht_ahead_give_back(struct ht_ahead *a) {
	step(&a->given_back);
}

void ht_ahead_stop(struct ht_ahead *a) {
	if (a == NULL)
		return;
	atomic_store(&a->stop, true);
	sem_post(&a->given_back.wake);
	if (a->source->stop_fd >= 0)
		(void)eventfd_write(a->source->stop_fd, 1);
	pthread_join(a->thread, NULL);
	discard(a);
}
