// SPDX-License-Identifier: BSD-3-Clause

#include "pages.h"

#include <sys/mman.h>

void *ht_pages_new(size_t bytes) {
	void *p
		= mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
#ifdef MADV_HUGEPAGE
	madvise(p, bytes, MADV_HUGEPAGE);
#endif
	return p;
}

void ht_pages_free(void *pages, size_t bytes) {
	if (pages != NULL)
		munmap(pages, bytes);
}
