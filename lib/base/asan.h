// SPDX-License-Identifier: BSD-3-Clause
// asan: marks for AddressSanitizer, so that reading bytes that hold nothing is reported though they
// are inside an allocation. Without it they are nothing. Uses libc.

#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define HT_WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HT_WITH_ASAN 1
#endif
#endif

#ifdef HT_WITH_ASAN
#include <sanitizer/asan_interface.h>
#define HT_POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define HT_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define HT_POISON(p, n) ((void)(p), (void)(n))
#define HT_UNPOISON(p, n) ((void)(p), (void)(n))
#endif
