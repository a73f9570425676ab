// SPDX-License-Identifier: BSD-3-Clause
// What goes together: an output with what is read and made, and with the other outputs.

#include "path.h"
#include "policies.h"
#include "sinks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// What a file is written to: its path, or NULL for standard output and for what is no file.
static const char *destination(const char *spec) {
	const struct ht_link_ops *ops = ht_link_of(spec);
	return ops != NULL && ops->url ? NULL : ht_file_path(spec);
}

bool sinks_to_stdout(const char *spec) {
	const struct ht_link_ops *ops = ht_link_of(spec);
	return ops != NULL && !ops->url && destination(spec) == NULL;
}

// Both are the same regular file. What does not exist yet is nobody's.
static bool same_file(const char *a, const char *b) {
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev
	       && x.st_ino == y.st_ino;
}

// Whether something could be made there: the folder is.
static bool folder_is_there(const char *path) {
	char folder[PATH_MAX];
	return ht_path_folder(path, folder) && access(folder, F_OK) == 0;
}

// The path that a file will have which is not there yet, without links and dots.
static bool future_path(const char *path, char out[PATH_MAX]) {
	// glibc gives the part that is missing, which is the file when its folder is there.
	return folder_is_there(path) && realpath(path, out) == NULL && errno == ENOENT;
}

static bool same_destination(const char *a, const char *b) {
	char x[PATH_MAX], y[PATH_MAX];
	return same_file(a, b) || (future_path(a, x) && future_path(b, y) && strcmp(x, y) == 0);
}

static bool is_one_of(const char *path, const struct ht_option_texts *files) {
	for (unsigned i = 0; i < files->num; i++)
		if (same_file(path, files->v[i]))
			return true;
	return false;
}

// Opening a sink may empty its file: that must be no file to read.
static const char *read_as(const struct options *o, const char *path) {
	if (is_one_of(path, &o->inputs))
		return "the capture to read";
	if (is_one_of(path, &o->services))
		return "a table of services to read";
	if (is_one_of(path, &o->watchlists.files))
		return "a watchlist to read";
	if (o->rates.store != NULL && same_destination(path, o->rates.store))
		return "the store of fingerprints";
	if (policy_is_file(o->findings.policy) && same_file(path, o->findings.policy))
		return "a policy to read";
	return o->config != NULL && same_file(path, o->config) ? "the configuration" : NULL;
}

bool sinks_fits(
	const struct options *o, const struct ht_sink_options *s, char *err, size_t err_len
) {
	const char *const path = destination(s->to);
	const char *const what = path != NULL ? read_as(o, path) : NULL;
	if (what != NULL)
		snprintf(err, err_len, "is %s", what);
	else if (ht_sink_records(s, o->asked) == 0)
		snprintf(
			err, err_len,
			"nothing would go there: %s has no such records as are asked for",
			ht_link_of(s->to)->name
		);
	else
		return true;
	return false;
}

bool sinks_differ(
	const struct ht_sink_options *a, const struct ht_sink_options *b, char *err, size_t err_len
) {
	const bool x_is_stdout = sinks_to_stdout(a->to), y_is_stdout = sinks_to_stdout(b->to);
	const char *const x = x_is_stdout ? "/dev/stdout" : destination(a->to);
	const char *const y = y_is_stdout ? "/dev/stdout" : destination(b->to);
	const bool one = (x_is_stdout && y_is_stdout)
			 || (x != NULL && y != NULL && same_destination(x, y));
	// Below its folder a spool is called as the output is.
	const bool one_spool = a->spool != NULL && b->spool != NULL && strcmp(a->to, b->to) == 0
			       && strcmp(a->spool, b->spool) == 0;
	if (one && strcmp(a->to, b->to) == 0)
		snprintf(err, err_len, "is there twice");
	else if (one)
		snprintf(err, err_len, "writes where %s does", b->to);
	else if (one_spool)
		snprintf(err, err_len, "is there twice, with one spool");
	else
		return true;
	return false;
}
