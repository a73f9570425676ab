// SPDX-License-Identifier: BSD-3-Clause
// Input: a user's table of services. Read whole, and line by line from blocks of exactly a line's
// size, it must give the same table or the same error.

#include "service.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok) {
	if (!ok)
		abort();
}

static enum ht_rc
parse(struct ht_services *t, const uint8_t *p, size_t n, struct ht_services_error *err) {
	uint8_t *copy = malloc(n > 0 ? n : 1);
	must(copy != NULL);
	memcpy(copy, p, n);
	enum ht_rc rc = ht_services_parse(t, HT_SPAN(copy, n), err);
	must(rc == HT_OK || (rc == HT_BAD && err->line > 0 && err->reason != NULL));
	free(copy);
	return rc;
}

// by_line reads a line at a time, its end included.
static enum ht_rc
by_line(struct ht_services *t, const uint8_t *p, size_t n, struct ht_services_error *err) {
	for (uint32_t line = 1; n > 0; line++) {
		const uint8_t *end = memchr(p, '\n', n);
		size_t len = end != NULL ? (size_t)(end - p) + 1 : n;
		if (parse(t, p, len, err) != HT_OK) {
			must(err->line == 1);
			err->line = line;
			return HT_BAD;
		}
		p += len;
		n -= len;
	}
	return HT_OK;
}

static void must_be_same(const struct ht_services *a, const struct ht_services *b) {
	struct ht_service_ports x, y;
	uint32_t at = 0, bt = 0;
	while (ht_services_next(a, &at, &x)) {
		must(ht_services_next(b, &bt, &y));
		must(x.first == y.first && x.last == y.last && x.proto == y.proto);
		must(x.first > 0 && x.first <= x.last);
		must(strcmp(x.service->name, y.service->name) == 0);
		must(x.service->mode == y.service->mode);
		must(strlen(x.service->name) <= HT_SERVICE_NAME_MAX);
		must(ht_service_of(a, x.first, x.proto) == x.service);
		must(ht_service_of(a, x.last, x.proto) == x.service);
	}
	must(!ht_services_next(b, &bt, &y));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct ht_services *whole = ht_services_new(), *lines = ht_services_new();
	struct ht_services_error a = {0}, b = {0};
	must(whole != NULL && lines != NULL);
	must(parse(whole, data, size, &a) == by_line(lines, data, size, &b));
	must(a.line == b.line && a.reason == b.reason);
	must_be_same(whole, lines);
	ht_services_free(whole);
	ht_services_free(lines);
	return 0;
}
