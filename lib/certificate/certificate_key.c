// SPDX-License-Identifier: BSD-3-Clause
// What of a foreign key libcrypto gets to see, and which keys it verifies with.

#include "certificate_int.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>

enum { TAG_OID = 0x06, TAG_SEQUENCE = 0x30, TAG_VERSION = 0xa0 };

// The next element of `in`, of definite length (X.690 8.1.3). False: it is cut, or has another.
static bool take(struct ht_span *in, unsigned *tag, struct ht_span *value) {
	if (in->len < 2)
		return false;
	size_t at = 2, len = in->p[1];
	if (len >= 0x80) {
		const size_t num = len & 0x7f;
		if (num == 0 || num > 4 || in->len - at < num)
			return false;
		for (len = 0; at < 2 + num; at++)
			len = len << 8 | in->p[at];
	}
	if (len > in->len - at)
		return false;
	*tag = in->p[0];
	*value = HT_SPAN(in->p + at, len);
	*in = HT_SPAN(in->p + at + len, in->len - at - len);
	return true;
}

static bool take_sequence(struct ht_span *in, struct ht_span *value) {
	unsigned tag;
	return take(in, &tag, value) && tag == TAG_SEQUENCE;
}

// RFC 5280 4.1: the algorithm of the key, and what stands behind it in its sequence.
static bool find_algorithm(struct ht_span der, struct ht_span *oid, struct ht_span *parameters) {
	struct ht_span certificate, tbs, key, v;
	unsigned tag;
	if (!take_sequence(&der, &certificate) || !take_sequence(&certificate, &tbs)
	    || !take(&tbs, &tag, &v))
		return false;
	if (tag == TAG_VERSION && !take(&tbs, &tag, &v)) // the serial number
		return false;
	for (unsigned i = 0; i < 4; i++) // signature, issuer, validity, subject
		if (!take_sequence(&tbs, &v))
			return false;
	if (!take_sequence(&tbs, &key) || !take_sequence(&key, parameters)
	    || !take(parameters, &tag, oid))
		return false;
	return tag == TAG_OID;
}

// RFC 3279 2.3, RFC 4055 1.2, RFC 8410 3.
static bool may_be_decoded(struct ht_span oid, struct ht_span parameters) {
	static const struct {
		struct ht_span oid;
		bool named; // of a curve that its parameters name
	} known[] = {
		{{(const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 9}, false}, // RSA
		{{(const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", 9}, false}, // RSA-PSS
		{{(const uint8_t *)"\x2a\x86\x48\xce\x38\x04\x01", 7}, false}, // DSA
		{{(const uint8_t *)"\x2a\x86\x48\xce\x3d\x02\x01", 7}, true}, // EC
		{{(const uint8_t *)"\x2b\x65\x70", 3}, false}, // Ed25519
		{{(const uint8_t *)"\x2b\x65\x71", 3}, false}, // Ed448
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(known); i++)
		if (ht_span_eq(known[i].oid, oid))
			return !known[i].named
			       || (parameters.len > 0 && parameters.p[0] == TAG_OID);
	return false;
}

X509 *ht_certificate_parse(struct ht_span der) {
	struct ht_span oid, parameters;
	if (!find_algorithm(der, &oid, &parameters))
		return NULL;
	const uint8_t *p = der.p;
	uint8_t *copy = NULL;
	if (!may_be_decoded(oid, parameters)) {
		if ((copy = malloc(der.len)) == NULL)
			return NULL;
		memcpy(copy, der.p, der.len);
		memset(copy + (oid.p - der.p), 1, oid.len); // 0.1.1...: nobody's
		p = copy;
	}
	const uint8_t *const end = p + der.len;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);
	if (x != NULL && p != end) { // something behind it
		X509_free(x);
		x = NULL;
	}
	free(copy);
	return x;
}

#define RSA_MAX 4096 // bits
#define EXPONENT_MAX 32

// A verification takes as many multiplications as the exponent has bits.
static bool rsa_is_bounded(const EVP_PKEY *key) {
	BIGNUM *e = NULL;
	const bool ok = EVP_PKEY_get_bits(key) <= RSA_MAX
			&& EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1
			&& BN_num_bits(e) <= EXPONENT_MAX;
	BN_free(e);
	return ok;
}

// Curves over primes in use; those over binary fields take milliseconds.
static bool curve_is_bounded(const EVP_PKEY *key) {
	static const int curves[] = {
		NID_X9_62_prime192v1, NID_secp224r1, NID_X9_62_prime256v1,
		NID_secp256k1,	      NID_secp384r1, NID_secp521r1,
	};
	char name[64];
	if (EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) != 1)
		return false;
	for (size_t i = 0; i < HT_ARRAY_LEN(curves); i++)
		if (OBJ_sn2nid(name) == curves[i])
			return true;
	return false;
}

bool key_is_bounded(const EVP_PKEY *key) {
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
		return rsa_is_bounded(key);
	case EVP_PKEY_EC:
		return curve_is_bounded(key);
	case EVP_PKEY_ED25519:
	case EVP_PKEY_ED448:
		return true;
	default: // DSA: its parameters are as long as a certificate
		return false;
	}
}
