// SPDX-License-Identifier: BSD-3-Clause

#include "pipeline.h"

#include "clock.h"

#include <stdio.h>

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

#define SAVE_END_S 10u // that saving may take at the end, as outputs by default

static bool has_store(const struct options *o) {
	return o->rates.store != NULL && *o->rates.store != '\0'
	       && o->rates.fingerprints != HT_RATES_NONE;
}

// Somebody hears of events, or what is seen is remembered.
static bool wants_rates(const struct options *o) {
	return (o->kinds & HT_KIND_EVENT) || has_store(o);
}

uint64_t pipeline_memory(const struct options *o) {
	return (wants_certificates(o) ? ht_certificates_memory(CERTIFICATES) : 0)
	       + (o->kinds & HT_KIND_AGGREGATE ? ht_aggregate_memory(&o->aggregate) : 0)
	       + (wants_rates(o) ? ht_rates_memory(&o->rates) : 0);
}

static bool open_certificates(struct pipeline *p) {
	if (!wants_certificates(p->o))
		return true;
	p->certificates = ht_certificates_new(CERTIFICATES);
	if (p->certificates == NULL)
		fputs("hellotap: no memory to read certificates\n", stderr);
	return p->certificates != NULL;
}

static bool open_aggregate(struct pipeline *p) {
	struct ht_aggregate_params params = p->o->aggregate;
	if (!(p->o->kinds & HT_KIND_AGGREGATE))
		return true;
	params.emit = emit;
	params.user = p;
	p->aggregate = ht_aggregate_new(&params);
	if (p->aggregate == NULL)
		fputs("hellotap: no memory to aggregate flows (section aggregate)\n", stderr);
	return p->aggregate != NULL;
}

static bool load(struct pipeline *p) {
	char err[8192];
	if (!has_store(p->o))
		return true;
	const enum ht_rc rc = ht_rates_load(p->rates, err, sizeof(err));
	if (rc == HT_BAD || rc == HT_ERROR)
		fprintf(stderr, "hellotap: %s\n", err);
	return rc != HT_ERROR;
}

bool pipeline_check(const struct options *o) {
	char err[8192];
	if (!has_store(o) || ht_rates_store_place(o->rates.store, err, sizeof(err)) == HT_OK)
		return true;
	fprintf(stderr, "hellotap: %s\n", err);
	return false;
}

static bool open_rates(struct pipeline *p) {
	struct ht_rates_params params = p->o->rates;
	if (!wants_rates(p->o))
		return true;
	params.emit = emit;
	params.user = p;
	p->rates = ht_rates_new(&params);
	if (p->rates == NULL)
		fputs("hellotap: no memory to tell floods and fingerprints (section rates)\n",
		      stderr);
	p->saved_at = ht_clock_ns(CLOCK_MONOTONIC_COARSE);
	return p->rates != NULL && load(p);
}

bool pipeline_open(struct pipeline *p, const struct options *o, struct sinks *sinks) {
	*p = (struct pipeline){.sinks = sinks, .o = o};
	if (open_certificates(p) && open_aggregate(p) && open_rates(p))
		return true;
	pipeline_close(p);
	return false;
}

void pipeline_close(struct pipeline *p) {
	ht_aggregate_free(p->aggregate);
	ht_certificates_free(p->certificates);
	ht_rates_free(p->rates);
	p->aggregate = NULL;
	p->rates = NULL;
	p->certificates = NULL;
}

void pipeline_put(struct pipeline *p, struct ht_record *r) {
	const struct ht_record *event = NULL;
	if (r->has & HT_HAS(cert_count)) {
		if (p->certificates != NULL)
			ht_certificates_fill(p->certificates, r);
		r->cert_chain = HT_SPAN_EMPTY; // nobody reads it behind this
		event = watch_flow(&p->watch, r);
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
	if (p->rates != NULL && ht_record_kind(r) == HT_KIND_HELLO && ht_rates_add(p->rates, r))
		p->hello_at = 0;
}

static void tick_rates(struct pipeline *p, int64_t now) {
	// A look at the clock for each hello would cost as much as counting it.
	if (p->hello_at == 0)
		p->hello_at = now;
	ht_rates_tick(p->rates, now - p->hello_at, now);
	if (!has_store(p->o))
		return;
	if (now - p->saved_at >= p->o->rates.save_s * HT_NS_PER_S) {
		p->saved_at = now;
		ht_rates_save(p->rates);
	}
	const char *const error = ht_rates_save_error(p->rates);
	if (error != NULL)
		fprintf(stderr, "hellotap: %s\n", error);
}

void pipeline_tick(struct pipeline *p, int64_t now) {
	if (p->aggregate != NULL)
		ht_aggregate_tick(p->aggregate, now - p->seen_at);
	if (p->rates != NULL)
		tick_rates(p, now);
}

bool pipeline_more(struct pipeline *p) {
	return p->aggregate != NULL && ht_aggregate_more(p->aggregate);
}

void pipeline_finish(struct pipeline *p) {
	if (p->aggregate != NULL)
		ht_aggregate_finish(p->aggregate);
	if (p->rates != NULL)
		ht_rates_finish(p->rates);
}

enum pipeline_saved pipeline_save(struct pipeline *p, void (*wait)(void *ctx), void *ctx) {
	char err[8192];
	if (p->rates == NULL || !has_store(p->o))
		return PIPELINE_SAVED;
	const int64_t deadline = ht_clock_ns(CLOCK_MONOTONIC) + SAVE_END_S * HT_NS_PER_S;
	enum ht_rc rc;
	while ((rc = ht_rates_save_last(p->rates, err, sizeof(err))) == HT_MORE
	       && ht_clock_ns(CLOCK_MONOTONIC) < deadline)
		wait(ctx);
	if (rc == HT_OK)
		return PIPELINE_SAVED;
	const bool left = rc == HT_MORE && ht_rates_save_leave(p->rates);
	if (rc == HT_MORE)
		snprintf(
			err, sizeof(err),
			"%s: not saved: the disk has not taken it in %u s; it stays as it was",
			p->o->rates.store, SAVE_END_S
		);
	fprintf(stderr, "hellotap: %s\n", err);
	return left ? PIPELINE_SAVE_HANGS : PIPELINE_NOT_SAVED;
}
