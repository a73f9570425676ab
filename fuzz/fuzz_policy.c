// SPDX-License-Identifier: BSD-3-Clause
// A policy. What is refused is refused at a place in it. What is taken says the same of a hello
// twice; of the same hello cut short it finds nothing that the whole one would not have; and its
// conditions as they are printed, taken for a policy, are the same policy.

#include "findings.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
	if (!holds)
		abort();
}

static struct ht_policy *parse(const void *text, size_t len) {
	static struct ht_policy_report rep;
	static struct ht_services *services;
	struct ht_policy *p;
	uint8_t *copy = malloc(len > 0 ? len : 1);
	must(copy != NULL);
	memcpy(copy, text, len);
	if (services == NULL)
		services = ht_services_new();
	must(services != NULL);
	const enum ht_rc rc = ht_policy_parse(&p, HT_SPAN(copy, len), services, &rep);
	free(copy);
	must((rc == HT_OK) == (p != NULL) && (rc == HT_BAD) == (rep.num > 0));
	for (unsigned i = 0; i < rep.num; i++)
		must(rep.errors[i].line > 0 && rep.errors[i].column > 0
		     && (rep.errors[i].builtin || rep.errors[i].line <= len + 1));
	return p;
}

static void hello(struct ht_record *r, bool whole) {
	r->has = 0;
	ht_set(r, record, "hello");
	ht_set(r, complete, whole);
	ht_set(r, dst_port, 443);
	ht_set(r, service, "https");
	ht_set(r, protocol, "tls");
	ht_set(r, legacy_version, 0x0301);
	ht_set(r, ciphers, HT_SPAN_STR("\x0a\x0a\x13\x01\x00\x05\x00\x00"));
	r->ciphers_are_24_bit = false;
	ht_set(r, session_id_len, 0);
	r->compression = HT_SPAN_STR("\0\1");
	ht_set(r, sni, HT_SPAN_STR("a..b"));
	ht_set(r, extensions, HT_SPAN_STR("\0\0\0\x10\0\x2a"));
	if (!whole)
		return;
	ht_set(r, extensions, HT_SPAN_STR("\0\0\0\x10\0\x2a\0\x2b\0\x33"));
	ht_set(r, alpn, HT_SPAN_STR("\2h2\0\1x"));
	ht_set(r, tls_version, "TLS 1.3");
	ht_set(r, versions, HT_SPAN_STR("\3\4"));
	ht_set(r, key_share_groups, HT_SPAN_STR("\x11\xec"));
	ht_set(r, early_data, true);
}

static unsigned find(const struct ht_policy *p, bool whole, struct ht_strs *out) {
	static struct ht_record r;
	hello(&r, whole);
	ht_findings_fill(p, &r);
	if (!(r.has & HT_HAS(findings)))
		r.findings.num = 0;
	*out = r.findings;
	return r.findings.num;
}

// A set's items do not stand in a condition, so only policies without sets can be written again.
static void write_again(const struct ht_policy *p, const struct ht_strs *want) {
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	must(f != NULL);
	for (unsigned i = 0; i < ht_policy_num(p); i++) {
		const struct ht_finding *one = ht_policy_finding(p, i);
		fprintf(f, "finding %s %s when %s\n", one->name, ht_severities[one->severity],
			one->when);
	}
	must(fclose(f) == 0);
	if (memchr(text, '@', len) == NULL && len < HT_POLICY_BYTES_MAX) {
		struct ht_strs got;
		struct ht_policy *again = parse(text, len);
		must(again != NULL && ht_policy_num(again) == ht_policy_num(p));
		must(find(again, true, &got) == want->num);
		for (unsigned i = 0; i < got.num; i++)
			must(strcmp(got.s[i], want->s[i]) == 0);
		ht_policy_free(again);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct ht_policy *p = parse(data, size);
	if (p == NULL)
		return 0;
	struct ht_strs whole, again, part;
	find(p, true, &whole);
	must(find(p, true, &again) == whole.num);
	find(p, false, &part);
	// What is said of the connection, and that it is incomplete, may differ.
	for (unsigned i = 0, k = 0; i < part.num; i++) {
		bool about_end = false;
		for (unsigned n = 0; n < ht_policy_num(p); n++)
			if (ht_policy_finding(p, n)->name == part.s[i])
				about_end
					= strstr(ht_policy_finding(p, n)->when, "complete") != NULL;
		while (!about_end && k < whole.num && whole.s[k] != part.s[i])
			k++;
		must(about_end || k < whole.num);
	}
	write_again(p, &whole);
	ht_policy_free(p);
	return 0;
}
