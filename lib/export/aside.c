// SPDX-License-Identifier: BSD-3-Clause

#include "aside.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct ht_aside {
	void (*call)(void *ctx);
	void (*drop)(void *ctx);
	void *ctx;
	pthread_mutex_t lock;
	pthread_cond_t returned;
	bool done, left; // the call has returned, nobody waits for it; who is last frees
};

static void aside_free(struct ht_aside *a) {
	pthread_cond_destroy(&a->returned);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

static void *run(void *aside) {
	struct ht_aside *const a = aside;
	pthread_setname_np(pthread_self(), "aside");
	a->call(a->ctx);
	pthread_mutex_lock(&a->lock);
	a->done = true;
	const bool last = a->left;
	pthread_cond_signal(&a->returned);
	pthread_mutex_unlock(&a->lock);
	if (last) {
		a->drop(a->ctx);
		aside_free(a);
	}
	return NULL;
}

static bool start(struct ht_aside *a) {
	pthread_attr_t attr;
	pthread_t thread;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	const bool ok = pthread_create(&thread, &attr, run, a) == 0;
	pthread_attr_destroy(&attr);
	return ok;
}

struct ht_aside *ht_aside_run(void (*call)(void *ctx), void (*drop)(void *ctx), void *ctx) {
	struct ht_aside *const a = calloc(1, sizeof(*a));
	pthread_condattr_t attr;
	if (a == NULL)
		return NULL;
	a->call = call;
	a->drop = drop;
	a->ctx = ctx;
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->returned, &attr);
	pthread_condattr_destroy(&attr);
	if (start(a))
		return a;
	aside_free(a);
	return NULL;
}

bool ht_aside_wait(struct ht_aside *a, int wait_ms) {
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	const long ns = until.tv_nsec + (long)(wait_ms % 1000) * 1000000;
	until.tv_sec += wait_ms / 1000 + ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	pthread_mutex_lock(&a->lock);
	while (!a->done && pthread_cond_timedwait(&a->returned, &a->lock, &until) == 0)
		;
	const bool done = a->done;
	pthread_mutex_unlock(&a->lock);
	return done;
}

void ht_aside_free(struct ht_aside *a) {
	if (a == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	a->left = true;
	const bool last = a->done;
	pthread_mutex_unlock(&a->lock);
	if (last) {
		a->drop(a->ctx);
		aside_free(a);
	}
}
