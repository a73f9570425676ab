// SPDX-License-Identifier: BSD-3-Clause
// tsan: marks for ThreadSanitizer where memory is handed from one thread to another by means that
// it cannot see, such as the atomics of Concurrency Kit, which are assembler. Without it they are
// nothing. Uses libc.

#pragma once

#if defined(__SANITIZE_THREAD__)
#define HT_WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HT_WITH_TSAN 1
#endif
#endif

// What a thread did before HT_TSAN_RELEASE(p) comes before what another one does after its
// HT_TSAN_ACQUIRE(p).
#ifdef HT_WITH_TSAN
#include <sanitizer/tsan_interface.h>
#define HT_TSAN_RELEASE(p) __tsan_release(p)
#define HT_TSAN_ACQUIRE(p) __tsan_acquire(p)
#else
#define HT_TSAN_RELEASE(p) ((void)(p))
#define HT_TSAN_ACQUIRE(p) ((void)(p))
#endif
