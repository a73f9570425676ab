// SPDX-License-Identifier: BSD-3-Clause
// whole: all bytes read from a file, or written to it, however often the system has to be asked.

#pragma once

#include "base.h"

// ht_read_whole reads `len` bytes from where the file is. False: errno says why; EIO where it has
// no more.
HT_MUST_USE bool ht_read_whole(int fd, void *to, size_t len);

// ht_write_whole writes `len` bytes where the file is. False: errno says why, and some may be
// there.
HT_MUST_USE bool ht_write_whole(int fd, const void *p, size_t len);
