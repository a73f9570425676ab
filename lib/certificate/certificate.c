// SPDX-License-Identifier: BSD-3-Clause
// The certificates read last, and what is said of one in a record.

#include "certificate.h"

#include "certificate_int.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

const struct ht_counter ht_certificate_counters[HT_CERTIFICATE_NUM_CTRS] = {
#define X(id, name, help) {"certificates", name, help},
	HT_CERTIFICATE_COUNTERS(X)
#undef X
};

#define NONE UINT32_MAX

// Steps in a second of records that may take as long as the sender likes, up to some 0.3 ms: a
// verification, a certificate read that may be the issuer, NAMES_STEP names that are compared.
#define STEPS HT_CERTIFICATE_STEPS
#define NAMES_STEP 64
#define CERTIFICATE_BYTES 4096 // of an entry with all that libcrypto keeps of it, on the average

// Findings that take time are kept: what the next record asks for is nearly always the same.
struct kept {
	uint8_t chain[32]; // SHA-256 of what was sent behind it
	char sni[256];
	uint8_t sni_len;
	bool has_chain, has_issuer;
	bool has_sni, matches;
};

// An entry is in one chain of the hash, and in the list by use, newest first.
struct entry {
	struct ht_certificate cert;
	struct kept kept;
	uint32_t next; // in its chain
	uint32_t newer, older;
};

struct ht_certificates {
	uint64_t counters[HT_CERTIFICATE_NUM_CTRS];
	int64_t second; // of records
	uint32_t steps; // that are left in it
	bool put_off; // something of this record was
	uint32_t max, num;
	uint32_t newest, oldest;
	uint32_t mask; // of buckets
	uint32_t *buckets;
	struct entry *entries;
};

uint64_t ht_certificates_memory(unsigned max_cached) {
	return (uint64_t)max_cached * CERTIFICATE_BYTES;
}

struct ht_certificates *ht_certificates_new(unsigned max_cached) {
	struct ht_certificates *c = calloc(1, sizeof(*c));
	uint32_t buckets = 1;
	if (c == NULL || max_cached == 0 || max_cached > 1u << 24) {
		free(c);
		return NULL;
	}
	while (buckets < max_cached)
		buckets *= 2;
	c->max = max_cached;
	c->second = INT64_MIN;
	c->steps = STEPS;
	c->newest = c->oldest = NONE;
	c->mask = buckets - 1;
	c->buckets = malloc(buckets * sizeof(*c->buckets));
	c->entries = calloc(max_cached, sizeof(*c->entries));
	if (c->buckets == NULL || c->entries == NULL) {
		ht_certificates_free(c);
		return NULL;
	}
	for (uint32_t i = 0; i < buckets; i++)
		c->buckets[i] = NONE;
	return c;
}

void ht_certificates_free(struct ht_certificates *c) {
	if (c == NULL)
		return;
	for (uint32_t i = 0; i < c->num; i++)
		ht_certificate_drop(&c->entries[i].cert);
	free(c->buckets);
	free(c->entries);
	free(c);
}

const uint64_t *ht_certificates_counts(const struct ht_certificates *c) {
	return c->counters;
}

static void count(struct ht_certificates *c, enum ht_certificate_counter n) {
	ht_stats_count(&c->counters[n], 1);
}

// --- the cache ---------------------------------------------------------------------------------

// Who makes certificates whose hashes fall into one bucket has to make as many as a cache holds,
// and costs a walk over them.
static uint32_t *bucket_of(struct ht_certificates *c, const uint8_t sha256[32]) {
	uint32_t h;
	memcpy(&h, sha256, sizeof(h));
	return &c->buckets[h & c->mask];
}

static void list_take(struct ht_certificates *c, uint32_t i) {
	const struct entry *e = &c->entries[i];
	*(e->newer == NONE ? &c->newest : &c->entries[e->newer].older) = e->older;
	*(e->older == NONE ? &c->oldest : &c->entries[e->older].newer) = e->newer;
}

static void list_put(struct ht_certificates *c, uint32_t i) {
	struct entry *e = &c->entries[i];
	e->newer = NONE;
	e->older = c->newest;
	*(c->newest == NONE ? &c->oldest : &c->entries[c->newest].newer) = i;
	c->newest = i;
}

static struct entry *find(struct ht_certificates *c, const uint8_t sha256[32]) {
	for (uint32_t i = *bucket_of(c, sha256); i != NONE; i = c->entries[i].next) {
		if (memcmp(c->entries[i].cert.sha256, sha256, 32) != 0)
			continue;
		list_take(c, i);
		list_put(c, i);
		return &c->entries[i];
	}
	return NULL;
}

// Room for one more: that of the one not used for longest, when there is no other.
static uint32_t make_room(struct ht_certificates *c) {
	if (c->num < c->max)
		return c->num++;
	const uint32_t i = c->oldest;
	uint32_t *at = bucket_of(c, c->entries[i].cert.sha256);
	while (*at != i)
		at = &c->entries[*at].next;
	*at = c->entries[i].next;
	list_take(c, i);
	ht_certificate_drop(&c->entries[i].cert);
	return i;
}

// The certificate of these bytes, read now or before. NULL: no memory, or the library failed.
static struct entry *get(struct ht_certificates *c, struct ht_span der, bool *cached) {
	uint8_t sha256[32];
	struct ht_certificate read;
	*cached = false;
	if (EVP_Digest(der.p, der.len, sha256, NULL, EVP_sha256(), NULL) != 1)
		return NULL;
	struct entry *found = find(c, sha256);
	if (found != NULL) {
		*cached = true;
		return found;
	}
	if (!ht_certificate_read(&read, der))
		return NULL;
	const uint32_t i = make_room(c);
	struct entry *e = &c->entries[i];
	uint32_t *bucket = bucket_of(c, sha256);
	e->cert = read;
	e->kept = (struct kept){.has_chain = false};
	e->next = *bucket;
	*bucket = i;
	list_put(c, i);
	return e;
}

// --- steps -------------------------------------------------------------------------------------

#define NS_PER_S 1000000000

// Rounded down, also before 1970.
static int64_t second_of(const struct ht_record *r) {
	return r->ts / NS_PER_S - (r->ts % NS_PER_S < 0);
}

// Records of several queues are not in order, so a second that is over does not come again; but a
// clock may be set back.
#define CLOCK_BACK 60

static void begin_second(struct ht_certificates *c, const struct ht_record *r) {
	if (!(r->has & HT_HAS(ts)))
		return;
	const int64_t now = second_of(r);
	if (now <= c->second && !ht_older_than(c->second, now, CLOCK_BACK))
		return;
	c->second = now;
	c->steps = STEPS;
}

static bool may_take(struct ht_certificates *c, uint32_t steps) {
	const bool ok = steps <= c->steps;
	c->steps -= ok ? steps : 0;
	c->put_off = c->put_off || !ok;
	return ok;
}

// --- a record ----------------------------------------------------------------------------------

// The first certificate of a chain, each behind 3 bytes of length.
static bool take_certificate(struct ht_span *chain, struct ht_span *out) {
	if (chain->len < 3)
		return false;
	const size_t n = ht_be24(chain->p);
	if (n > chain->len - 3)
		return false;
	*out = HT_SPAN(chain->p + 3, n);
	*chain = HT_SPAN(chain->p + 3 + n, chain->len - 3 - n);
	return true;
}

static void find_out(struct ht_record *r, const char *what) {
	if (r->cert_findings.num < HT_STRS_MAX)
		r->cert_findings.s[r->cert_findings.num++] = what;
}

// Those of a chain that are looked at for the issuer, so that a chain of nothing but certificates
// costs no more.
#define MAX_ISSUERS 16

static bool is_issuer(struct ht_span der, X509 *leaf) {
	if (der.len > HT_CERTIFICATE_MAX)
		return false;
	X509 *x = ht_certificate_parse(der);
	const bool is = x != NULL && X509_check_issued(x, leaf) == X509_V_OK;
	X509_free(x);
	ERR_clear_error();
	return is;
}

// Whether one of the other certificates sent is the issuer: few chains are out of order, and the
// first one that fits ends it. True also where that was put off.
static bool has_issuer(struct ht_certificates *c, struct entry *e, struct ht_span rest) {
	struct kept *const k = &e->kept;
	uint8_t hash[32];
	struct ht_span der;
	bool found = false;
	if (EVP_Digest(rest.p, rest.len, hash, NULL, EVP_sha256(), NULL) != 1)
		return true;
	if (k->has_chain && memcmp(k->chain, hash, sizeof(hash)) == 0)
		return k->has_issuer;
	for (unsigned i = 0; i < MAX_ISSUERS && !found && take_certificate(&rest, &der); i++) {
		if (!may_take(c, 1))
			return true;
		found = is_issuer(der, e->cert.x509);
	}
	memcpy(k->chain, hash, sizeof(hash));
	k->has_chain = true;
	k->has_issuer = found;
	return found;
}

// All of the rest must be certificates by their lengths.
static bool is_whole(struct ht_span rest) {
	struct ht_span der;
	while (rest.len > 0)
		if (!take_certificate(&rest, &der))
			return false;
	return true;
}

// RFC 6066 3 has no addresses in an sni; some clients send them all the same.
static bool matches(X509 *x, struct ht_span name) {
	char text[256];
	if (name.len == 0 || name.len >= sizeof(text) || memchr(name.p, 0, name.len) != NULL)
		return false;
	memcpy(text, name.p, name.len);
	text[name.len] = '\0';
	if (name.len > 1 && text[name.len - 1] == '.') // absolute
		text[name.len - 1] = '\0';
	return X509_check_host(x, text, 0, 0, NULL) == 1 || X509_check_ip_asc(x, text, 0) == 1;
}

// True also where that was put off.
static bool has_name(struct ht_certificates *c, struct entry *e, struct ht_span name) {
	struct kept *const k = &e->kept;
	if (name.len >= sizeof(k->sni))
		return false;
	if (k->has_sni && ht_span_eq(HT_SPAN(k->sni, k->sni_len), name))
		return k->matches;
	if (e->cert.num_names > NAMES_STEP && !may_take(c, e->cert.num_names / NAMES_STEP))
		return true;
	memcpy(k->sni, name.p, name.len);
	k->sni_len = (uint8_t)name.len;
	k->has_sni = true;
	k->matches = matches(e->cert.x509, name);
	return k->matches;
}

static void find_out_all(
	struct ht_certificates *all, struct ht_record *r, struct entry *e, struct ht_span rest
) {
	struct ht_certificate *const c = &e->cert;
	if (c->x509 == NULL || !is_whole(rest))
		find_out(r, "malformed");
	if (c->x509 == NULL)
		return;
	if (r->has & HT_HAS(ts)) {
		const int64_t now = second_of(r); // notAfter is the last one (RFC 5280 4.1.2.5)
		if (c->has_not_after && now > c->not_after)
			find_out(r, "expired");
		if (c->has_not_before && now < c->not_before)
			find_out(r, "not_yet_valid");
	}
	if (c->verifiable && may_take(all, 1))
		ht_certificate_verify(c);
	if (c->self_signed) {
		find_out(r, "self_signed");
		if (!c->verified)
			count(all, HT_CERTIFICATE_UNVERIFIED);
	}
	if (r->has & HT_HAS(sni) && !has_name(all, e, r->sni))
		find_out(r, "name_mismatch");
	if (c->weak_key)
		find_out(r, "weak_key");
	if (c->weak_signature && !c->self_signed)
		find_out(r, "weak_signature");
	if (!c->self_signed && !has_issuer(all, e, rest))
		find_out(r, "incomplete_chain");
}

static void set_fields(struct ht_record *r, const struct ht_certificate *c) {
	ht_set(r, cert_sha256, HT_SPAN(c->sha256, sizeof(c->sha256)));
	if (c->x509 == NULL)
		return;
	if (c->has_subject)
		ht_set(r, cert_subject, c->subject);
	if (c->has_issuer)
		ht_set(r, cert_issuer, c->issuer);
	if (c->sans.len > 0)
		ht_set(r, cert_sans, c->sans);
	if (c->has_not_before)
		ht_set(r, cert_not_before, c->not_before);
	if (c->has_not_after)
		ht_set(r, cert_not_after, c->not_after);
	ht_set(r, cert_key, c->key);
	if (c->key_bits > 0)
		ht_set(r, cert_key_bits, c->key_bits);
	if (c->signature.len > 0)
		ht_set(r, cert_signature, c->signature);
	if (c->serial.len > 0)
		ht_set(r, cert_serial, c->serial);
}

void ht_certificates_fill(struct ht_certificates *c, struct ht_record *r) {
	if (!(r->has & HT_HAS(cert_count)) || r->cert_chain.len == 0)
		return;
	count(c, HT_CERTIFICATE_RECORDS);
	struct ht_span rest = r->cert_chain, der;
	const bool whole = take_certificate(&rest, &der);
	r->cert_findings.num = 0;
	if (r->cert_chain.len > HT_CERTIFICATE_CHAIN_MAX
	    || (whole && der.len > HT_CERTIFICATE_MAX)) {
		count(c, HT_CERTIFICATE_TOO_LONG);
		return;
	}
	bool cached = false;
	struct entry *const e = whole ? get(c, der, &cached) : NULL;
	if (e == NULL) {
		count(c, whole ? HT_CERTIFICATE_NO_MEMORY : HT_CERTIFICATE_MALFORMED);
		if (!whole) {
			find_out(r, "malformed");
			r->has |= HT_HAS(cert_findings);
		}
		return;
	}
	const struct ht_certificate *const cert = &e->cert;
	count(c, cached		      ? HT_CERTIFICATE_CACHED
		 : cert->x509 == NULL ? HT_CERTIFICATE_MALFORMED
				      : HT_CERTIFICATE_PARSED);
	ht_stats_count(&c->counters[HT_CERTIFICATE_NAMES_LEFT_OUT], cert->names_left_out);
	set_fields(r, cert);
	c->put_off = false;
	begin_second(c, r);
	find_out_all(c, r, e, rest);
	if (c->put_off)
		count(c, HT_CERTIFICATE_PUT_OFF);
	if (r->cert_findings.num > 0)
		r->has |= HT_HAS(cert_findings);
}
