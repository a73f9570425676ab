// SPDX-License-Identifier: BSD-3-Clause

#include "encode.h"

#include "export_int.h"

#include <stdlib.h>

struct ht_json {
	struct memo memo;
	char *buf;
};

struct ht_json *ht_json_new(void) {
	struct ht_json *j = calloc(1, sizeof(*j));
	if (j == NULL)
		return NULL;
	// Pages that no record needed are never touched.
	j->buf = malloc(SINK_RECORD_MAX + SINK_SLACK);
	if (memo_init(&j->memo, ',') && j->buf != NULL)
		return j;
	ht_json_free(j);
	return NULL;
}

struct ht_span ht_json_encode(struct ht_json *j, const struct ht_record *r) {
	const char *const end = json_put(&j->memo, j->buf, j->buf + SINK_RECORD_MAX, r);
	if (end == NULL)
		return (struct ht_span){NULL, 0};
	return HT_SPAN(j->buf, (size_t)(end - j->buf));
}

void ht_json_free(struct ht_json *j) {
	if (j == NULL)
		return;
	memo_free(&j->memo);
	free(j->buf);
	free(j);
}
