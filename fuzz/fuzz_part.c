// SPDX-License-Identifier: BSD-3-Clause
// A compressed file that a crash has left (lib/export/export_zip.c). The input is the file. What
// was repaired is a whole frame that ends with a line, and repairing it again changes nothing.

#include "export_file_int.h"
#include "ht_config.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if HT_HAVE_ZSTD
#include <zstd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A block of 4 bytes may stand for 128 KiB.
#define TEXT_MAX (16u << 20)

static void check_frame(const uint8_t *frame, size_t len) {
	static char text[TEXT_MAX];
	const size_t n = ZSTD_decompress(text, sizeof(text), frame, len);
	if (ZSTD_isError(n))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static uint8_t once[1 << 14], again[1 << 14];
	uint64_t len, len_again;
	if (size > 400) // of blocks that are made longest
		return 0;
	const int fd = memfd_create("fuzz_part", 0);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	const enum ht_rc rc = zip_repair(fd, &len);
	if (rc == HT_ERROR || (rc == HT_OK && (uint64_t)lseek(fd, 0, SEEK_END) != len))
		abort();
	if (rc == HT_OK && len > 0) {
		if (pread(fd, once, sizeof(once), 0) != (ssize_t)len)
			abort();
		check_frame(once, len);
		if (zip_repair(fd, &len_again) != HT_OK || len_again != len
		    || pread(fd, again, sizeof(again), 0) != (ssize_t)len
		    || memcmp(once, again, len) != 0)
			abort();
	}
	close(fd);
	return 0;
}

#else

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	(void)data, (void)size;
	return 0;
}

#endif
