// SPDX-License-Identifier: BSD-3-Clause
// A chain as servers send it: each certificate behind 3 bytes of length. A record must say the same
// when the certificate comes from the cache.

#include "certificate.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
	if (!ok)
		abort();
}

static void same_span(struct ht_span a, struct ht_span b, bool there) {
	require(!there || ht_span_eq(a, b));
}

static void fill(struct ht_certificates *c, struct ht_record *r, struct ht_span chain) {
	r->has = 0;
	ht_set(r, ts, INT64_C(1700000000000000000));
	ht_set(r, sni, HT_SPAN_STR("www.example.com"));
	ht_set(r, cert_count, 1);
	r->cert_chain = chain;
	ht_certificates_fill(c, r);
}

// Names, each behind its length, to the end.
static void check_names(struct ht_span s) {
	require(s.len > 0 && s.len <= HT_CERTIFICATE_MAX_NAMES_BYTES);
	unsigned num = 0;
	while (s.len > 0) {
		require(s.p[0] > 0 && s.p[0] < s.len && ++num <= HT_CERTIFICATE_MAX_NAMES);
		s = HT_SPAN(s.p + 1 + s.p[0], s.len - 1 - s.p[0]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct ht_record a, b;
	uint8_t *p = malloc(size > 0 ? size : 1);
	struct ht_certificates *c = ht_certificates_new(1);
	require(p != NULL && c != NULL);
	if (size > 0)
		memcpy(p, data, size);
	fill(c, &a, HT_SPAN(p, size));
	if (a.has & HT_HAS(cert_sans))
		check_names(a.cert_sans);
	fill(c, &b, HT_SPAN(p, size));
	require(a.has == b.has);
	same_span(a.cert_subject, b.cert_subject, a.has & HT_HAS(cert_subject));
	same_span(a.cert_sans, b.cert_sans, a.has & HT_HAS(cert_sans));
	if (a.has & HT_HAS(cert_findings))
		require(a.cert_findings.num == b.cert_findings.num && a.cert_findings.num > 0);
	if (a.has & HT_HAS(cert_signature))
		for (size_t i = 0; i < a.cert_signature.len; i++)
			require(a.cert_signature.p[i] > ' ' && a.cert_signature.p[i] < 0x7f
				&& a.cert_signature.p[i] != '"' && a.cert_signature.p[i] != '\\');
	ht_certificates_free(c);
	free(p);
	return 0;
}
