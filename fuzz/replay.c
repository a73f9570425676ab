// SPDX-License-Identifier: BSD-3-Clause
// replay: runs a fuzz target over every file of the folders (or files) named, as a test. An empty
// corpus fails: it would prove nothing.

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned num_files;

static int run_file(const char *path) {
	FILE *f = fopen(path, "rb");
	if (f == NULL) {
		perror(path);
		return 1;
	}
	// Exactly as many bytes as the file has, so that a sanitizer sees the byte after it.
	struct stat st;
	if (fstat(fileno(f), &st) != 0) {
		perror(path);
		fclose(f);
		return 1;
	}
	if (!S_ISREG(st.st_mode)) { // a folder beside the corpus files is none of them
		fclose(f);
		return 0;
	}
	size_t size = (size_t)st.st_size;
	uint8_t *data = malloc(size > 0 ? size : 1);
	if (data == NULL || fread(data, 1, size, f) != size) {
		fprintf(stderr, "%s: cannot be read whole\n", path);
		free(data);
		fclose(f);
		return 1;
	}
	fclose(f);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	num_files++;
	return 0;
}

static int run_folder(const char *path) {
	DIR *d = opendir(path);
	if (d == NULL)
		return run_file(path);
	int bad = 0;
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		char file[4096];
		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		bad |= run_file(file);
	}
	closedir(d);
	return bad;
}

int main(int argc, char **argv) {
	int bad = 0;
	for (int i = 1; i < argc; i++)
		bad |= run_folder(argv[i]);
	printf("%u inputs\n", num_files);
	return bad != 0 || num_files == 0;
}
