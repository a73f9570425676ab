// SPDX-License-Identifier: BSD-3-Clause
// fingerprint: JA3, JA4 and JA4_r of a ClientHello view, JA3S of a ServerHello. Uses base, reader,
// crypto, tls.
//
// JA3: the string rules of salesforce/ja3. JA4: technical_details/JA4.md of FoxIO-LLC/ja4
// (BSD-3-Clause). Nothing else of the JA4+ family is computed: its licence is another one.

#pragma once

#include "base.h"
#include "crypto.h"
#include "tls.h"
#include "tls_answer.h"

// Contexts and scratch of one worker.
struct ht_fingerprinter;

struct ht_fingerprint_params {
	struct ht_crypto *crypto; // outlives the fingerprinter
	uint32_t max_hello; // bytes of the longest hello
	bool ja4_r; // make the unhashed form, too
};

struct ht_fingerprinter *ht_fingerprinter_new(const struct ht_fingerprint_params *p
); // NULL: no memory
void ht_fingerprinter_free(struct ht_fingerprinter *f);

// First character of a JA4.
enum ht_ja4_transport { HT_JA4_TCP = 't', HT_JA4_QUIC = 'q', HT_JA4_DTLS = 'd' };

// Borrows from the fingerprinter until its next call.
struct ht_fingerprints {
	char ja3[32]; // lower-case hex of the MD5
	char ja4[36];
	struct ht_span ja4_r; // empty unless asked for
};

// ht_fingerprint fills *out for a whole TLS or DTLS hello. It returns false, and writes nothing,
// for an SSL 2.0 hello: neither method is defined for its cipher specs.
HT_MUST_USE bool ht_fingerprint(
	struct ht_fingerprinter *f,
	const struct ht_hello *h,
	enum ht_ja4_transport t,
	struct ht_fingerprints *out
);

// ht_ja3_string writes the text that JA3 hashes and returns its length. Borrowed like the above;
// for tests and for people who look at one.
struct ht_span ht_ja3_string(struct ht_fingerprinter *f, const struct ht_hello *h);

// ht_ja3s writes the JA3S of a ServerHello: MD5 of "version,cipher,extensions" in decimal (the
// rules of salesforce/ja3, which take no GREASE out), the version being the legacy one. False, with
// nothing written, when its body was not there.
HT_MUST_USE bool ht_ja3s(struct ht_fingerprinter *f, const struct ht_server_hello *h, char out[32]);
