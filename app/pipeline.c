// SPDX-License-Identifier: BSD-3-Clause

#include "pipeline.h"

#include "clock.h"

#include <stdio.h>
#include <sys/random.h>

#define CERTIFICATES 4096 // of which what was read is kept

static void emit(void *user, const struct ht_record *r) {
	struct pipeline *p = user;
	sinks_write(p->sinks, r);
}

#define CERTIFICATE_FIELDS \
	(HT_HAS(cert_sha256) | HT_HAS(cert_subject) | HT_HAS(cert_issuer) | HT_HAS(cert_sans) \
	 | HT_HAS(cert_not_before) | HT_HAS(cert_not_after) | HT_HAS(cert_key) \
	 | HT_HAS(cert_key_bits) | HT_HAS(cert_signature) | HT_HAS(cert_serial) \
	 | HT_HAS(cert_findings))

// Whether anybody sees what is read of a certificate.
static bool wants_certificates(const struct options *o) {
	if (o->sensor.flows == HT_FLOWS_NONE)
		return false;
	return (o->kinds & HT_KIND_FLOW)
	       || ((o->kinds & HT_KIND_EVENT) && o->watchlists.files.num > 0)
	       || ((o->kinds & HT_KIND_AGGREGATE)
		   && (ht_aggregate_fields(&o->aggregate) & CERTIFICATE_FIELDS));
}

uint64_t pipeline_memory(const struct options *o) {
	return (wants_certificates(o) ? ht_certificates_memory(CERTIFICATES) : 0)
	       + (o->kinds & HT_KIND_AGGREGATE ? ht_aggregate_memory(&o->aggregate) : 0);
}

bool pipeline_open(struct pipeline *p, const struct options *o, struct sinks *sinks) {
	*p = (struct pipeline){.sinks = sinks, .flows = o->kinds & HT_KIND_FLOW};
	if (wants_certificates(o)) {
		p->certificates = ht_certificates_new(CERTIFICATES);
		if (p->certificates == NULL) {
			fputs("hellotap: no memory to read certificates\n", stderr);
			return false;
		}
	}
	if (!(o->kinds & HT_KIND_AGGREGATE))
		return true;
	struct ht_aggregate_params params = o->aggregate;
	params.emit = emit;
	params.user = p;
	if (getrandom(params.secret, sizeof(params.secret), 0) != sizeof(params.secret)) {
		perror("hellotap: getrandom");
		return false;
	}
	p->aggregate = ht_aggregate_new(&params);
	if (p->aggregate == NULL)
		fputs("hellotap: no memory to aggregate flows (section aggregate)\n", stderr);
	return p->aggregate != NULL;
}

void pipeline_close(struct pipeline *p) {
	ht_aggregate_free(p->aggregate);
	ht_certificates_free(p->certificates);
	p->aggregate = NULL;
	p->certificates = NULL;
}

void pipeline_put(struct pipeline *p, const struct ht_record *r) {
	const struct ht_record *event = NULL;
	struct ht_record read;
	if (r->has & HT_HAS(cert_count)) {
		read = *r;
		if (p->certificates != NULL)
			ht_certificates_fill(p->certificates, &read);
		read.cert_chain = HT_SPAN_EMPTY; // nobody reads it behind this
		event = watch_flow(&p->watch, &read);
		r = &read;
	}
	if (p->aggregate != NULL) {
		if ((r->has & HT_HAS(ts)) && ht_aggregate_see(p->aggregate, r->ts))
			p->seen_at = ht_clock_ns(CLOCK_MONOTONIC_COARSE);
		if (ht_record_kind(r) == HT_KIND_FLOW)
			ht_aggregate_add(p->aggregate, r);
	}
	sinks_write(p->sinks, r);
	if (event != NULL)
		sinks_write(p->sinks, event);
}

void pipeline_tick(struct pipeline *p, int64_t now) {
	if (p->aggregate != NULL)
		ht_aggregate_tick(p->aggregate, now - p->seen_at);
}

bool pipeline_more(struct pipeline *p) {
	return p->aggregate != NULL && ht_aggregate_more(p->aggregate);
}

void pipeline_finish(struct pipeline *p) {
	if (p->aggregate != NULL)
		ht_aggregate_finish(p->aggregate);
}
