// SPDX-License-Identifier: BSD-3-Clause
// aside: a call that may wait long (a look-up of a name, the end of a library's threads) in a
// thread of its own, so that a link waits for it only as long as it is told to.

#pragma once

#include "base.h"

struct ht_aside;

// ht_aside_run begins call(ctx); signals are blocked in it as in the caller. `drop` frees ctx once
// the call has returned and ht_aside_free was called. NULL: there is no memory, or no thread; then
// ctx stays the caller's.
struct ht_aside *ht_aside_run(void (*call)(void *ctx), void (*drop)(void *ctx), void *ctx);

// ht_aside_wait waits for at most `wait_ms` and tells whether the call has returned: then what it
// left in ctx may be read.
bool ht_aside_wait(struct ht_aside *a, int wait_ms);

// ht_aside_free does not wait: a call that goes on is on its own. NULL is allowed.
void ht_aside_free(struct ht_aside *a);
