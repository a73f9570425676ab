// SPDX-License-Identifier: BSD-3-Clause

#include "path.h"

#include <errno.h>

bool ht_path_folder(const char *path, char folder[PATH_MAX]) {
	const size_t len = (size_t)(ht_path_name(path) - path);
	if (len >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(folder, len > 0 ? path : ".", len > 0 ? len : 1);
	folder[len > 0 ? len : 1] = '\0';
	return true;
}
