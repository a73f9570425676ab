// SPDX-License-Identifier: BSD-3-Clause
// whole: all bytes read from a file, or written to it, however often the system has to be asked.

#pragma once

#include "base.h"

// ht_read_most reads from where the file is to its end, or `most` bytes; *len is how many. Whether
// it has more is known to whoever asks for one byte more than may be there. False: errno says why.
HT_MUST_USE bool ht_read_most(int fd, void *to, size_t most, size_t *len);

// ht_read_file does the same with the file of this name.
HT_MUST_USE bool ht_read_file(const char *path, void *to, size_t most, size_t *len);

// ht_read_whole reads `len` bytes from where the file is. False: errno says why; EIO where it has
// no more.
HT_MUST_USE bool ht_read_whole(int fd, void *to, size_t len);

// ht_write_whole writes `len` bytes where the file is. False: errno says why, and some may be
// there.
HT_MUST_USE bool ht_write_whole(int fd, const void *p, size_t len);
