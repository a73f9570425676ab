// SPDX-License-Identifier: BSD-3-Clause
// path: the two parts of a file's path.

#pragma once

#include "base.h"

#include <limits.h>

// ht_path_name gives what stands behind the last slash of a path: the file's own name.
static inline const char *ht_path_name(const char *path) {
	const char *const slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

// ht_path_folder writes what stands before it, "." for nothing. False: errno is ENAMETOOLONG.
HT_MUST_USE bool ht_path_folder(const char *path, char folder[PATH_MAX]);
