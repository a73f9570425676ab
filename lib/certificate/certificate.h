// SPDX-License-Identifier: BSD-3-Clause
// certificate: what a server's certificate says, read by libcrypto into the fields of a record.
// Uses base, stats, record.
//
// For the thread that exports records, not for the packet path: it allocates. Nothing here decides
// whom to trust: there is no store of authorities, and no signature is verified but for a
// certificate's own.

#pragma once

#include "base.h"
#include "record.h"
#include "stats.h"

// A certificate longer than this is not given to libcrypto; a leaf with a few hundred names has
// some 10 KiB.
#define HT_CERTIFICATE_MAX 16384
#define HT_CERTIFICATE_CHAIN_MAX 65536
// Names of one certificate that are told, and bytes of them with their length bytes.
#define HT_CERTIFICATE_MAX_NAMES 128
#define HT_CERTIFICATE_MAX_NAMES_BYTES 4096
// Bytes of a subject or issuer; a longer one is not told.
#define HT_CERTIFICATE_MAX_NAME 2048

// Steps in a second of records that may take up to some 0.3 ms: a sender that has new certificates
// for each record makes them cost no more than that.
#define HT_CERTIFICATE_STEPS 1000

// X(ID, name, help). records = cached + parsed + malformed + too_long + no_memory.
#define HT_CERTIFICATE_COUNTERS(X) \
	X(RECORDS, "records", "records with certificates") \
	X(CACHED, "cached", "their first certificate was read before") \
	X(PARSED, "parsed", "it was read by libcrypto") \
	X(MALFORMED, "malformed", "libcrypto refused it, or a length in the chain is wrong") \
	X(TOO_LONG, "too_long", "it is longer than 16 KiB, or the chain than 64 KiB") \
	X(NO_MEMORY, "no_memory", "there was no memory to read it") \
	X(NAMES_LEFT_OUT, "names_left_out", \
	  "names in certificates that were not told: too long, too many, or neither a DNS name " \
	  "nor " \
	  "an address") \
	X(UNVERIFIED, "unverified", \
	  "records with a self-signed certificate that is so by names and key identifiers: its " \
	  "key " \
	  "is not verified with, or that was put off") \
	X(PUT_OFF, "put_off", \
	  "records of which a finding was not looked for: there were too many new certificates " \
	  "in " \
	  "one second")

enum ht_certificate_counter {
#define X(id, name, help) HT_CERTIFICATE_##id,
	HT_CERTIFICATE_COUNTERS(X)
#undef X
		HT_CERTIFICATE_NUM_CTRS
};

extern const struct ht_counter ht_certificate_counters[HT_CERTIFICATE_NUM_CTRS];

struct ht_certificates;

// ht_certificates_memory is what it takes with so many certificates, in bytes, about: with those of
// public authorities some 4 KiB each.
uint64_t ht_certificates_memory(unsigned max_cached);

// ht_certificates_new makes room for what was read of `max_cached` certificates (1 or more), some
// 1 to 8 KiB each. NULL: no memory.
struct ht_certificates *ht_certificates_new(unsigned max_cached);
void ht_certificates_free(struct ht_certificates *c);

// ht_certificates_fill sets the cert_* fields of a record that has cert_count and a cert_chain.
// What they borrow is good until the next call. Findings:
//   expired, not_yet_valid  against the record's ts
//   self_signed             subject and issuer are the same, and its own key verifies it; by names
//                           and key identifiers alone where the key is none of RSA of 4096 bits
//                           at most with an exponent of 32, of a well-known curve over a prime
//                           field, Ed25519 and Ed448
//   name_mismatch           there is an sni, and X509_check_host() (an address:
//                           X509_check_ip_asc()) does not find it
//   weak_key                RSA or DSA of less than 2048 bits, EC of less than 224
//   weak_signature          by MD2, MD4, MD5 or SHA-1; not of a self-signed one, whose signature
//                           nobody relies on
//   incomplete_chain        it is not self-signed, and no other certificate sent is its issuer, by
//                           name and key identifier (X509_check_issued())
//   malformed               libcrypto does not read it, it is not DER, or the chain is not what
//                           its lengths say
// A key on a curve that it brings along is told as `other`, without its bits. After
// HT_CERTIFICATE_STEPS costly steps in a second of records, self_signed is by names alone, and
// name_mismatch (of more than 64 names) and incomplete_chain are not looked for, but where the last
// record of the certificate had the same name and chain.
void ht_certificates_fill(struct ht_certificates *c, struct ht_record *r);

// ht_certificates_counts is the block of counters: HT_CERTIFICATE_NUM_CTRS words that any thread
// may read.
const uint64_t *ht_certificates_counts(const struct ht_certificates *c);
