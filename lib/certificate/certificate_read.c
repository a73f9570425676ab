// SPDX-License-Identifier: BSD-3-Clause
// One certificate, read by libcrypto (RFC 5280 4).

#include "certificate_int.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

// What is put together before it is known how long it is.
struct texts {
	char subject[HT_CERTIFICATE_MAX_NAME], issuer[HT_CERTIFICATE_MAX_NAME];
	uint8_t sans[HT_CERTIFICATE_MAX_NAMES_BYTES];
	uint8_t serial[SERIAL_MAX];
	char signature[SIGNATURE_MAX];
	size_t subject_len, issuer_len, sans_len, serial_len, signature_len;
};

// Bytes of a name in DER beyond which its text, of a fourth of them in the shortest case, is not
// made.
#define NAME_DER_MAX ((size_t)4 * HT_CERTIFICATE_MAX_NAME)

// RFC 4514, as UTF-8: what XN_FLAG_RFC2253 would escape of it byte by byte is left as it is.
static bool print_name(const X509_NAME *name, char *out, size_t *len) {
	size_t der;
	if (X509_NAME_get0_der(name, NULL, &der) != 1 || der > NAME_DER_MAX)
		return false;
	BIO *b = BIO_new(BIO_s_mem());
	const unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
	bool ok = false;
	char *p;
	if (b == NULL)
		return false;
	if (X509_NAME_print_ex(b, name, 0, flags) >= 0) {
		const long n = BIO_get_mem_data(b, &p);
		ok = n >= 0 && n <= HT_CERTIFICATE_MAX_NAME;
		if (ok) {
			if (n > 0)
				memcpy(out, p, (size_t)n);
			*len = (size_t)n;
		}
	}
	BIO_free(b);
	return ok;
}

static bool seconds_of(const ASN1_TIME *t, int64_t *out) {
	static const int64_t day = 86400;
	int days, secs;
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	const bool ok = epoch != NULL && ASN1_TIME_diff(&days, &secs, epoch, t) == 1;
	ASN1_TIME_free(epoch);
	if (ok)
		*out = days * day + secs;
	return ok;
}

// A name and its length byte. A zero byte in it would be text of another name to some readers; it
// is told as sent.
static bool put_name(struct texts *t, const uint8_t *p, size_t len) {
	if (len == 0 || len > UINT8_MAX || t->sans_len + 1 + len > sizeof(t->sans))
		return false;
	t->sans[t->sans_len++] = (uint8_t)len;
	memcpy(t->sans + t->sans_len, p, len);
	t->sans_len += len;
	return true;
}

static bool put_address(struct texts *t, const ASN1_OCTET_STRING *ip) {
	char text[INET6_ADDRSTRLEN];
	const int n = ASN1_STRING_length(ip);
	if ((n != 4 && n != 16)
	    || inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(ip), text, sizeof(text))
		       == NULL)
		return false;
	return put_name(t, (const uint8_t *)text, strlen(text));
}

// RFC 5280 4.2.1.6. What is neither a DNS name nor an address is not told.
static void read_names(struct ht_certificate *c, struct texts *t) {
	GENERAL_NAMES *names = X509_get_ext_d2i(c->x509, NID_subject_alt_name, NULL, NULL);
	const int num = sk_GENERAL_NAME_num(names); // -1 for none
	int told = 0;
	c->num_names = num > 0 ? (uint32_t)num : 0;
	for (int i = 0; i < num; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		bool ok = false;
		if (told == HT_CERTIFICATE_MAX_NAMES)
			ok = false;
		else if (g->type == GEN_DNS)
			ok = put_name(
				t, ASN1_STRING_get0_data(g->d.dNSName),
				(size_t)ASN1_STRING_length(g->d.dNSName)
			);
		else if (g->type == GEN_IPADD)
			ok = put_address(t, g->d.iPAddress);
		if (ok)
			told++;
		else
			c->names_left_out++;
	}
	GENERAL_NAMES_free(names);
}

static void read_key(struct ht_certificate *c) {
	static const struct {
		int id;
		const char *name;
		uint32_t least; // bits
	} keys[] = {
		{EVP_PKEY_RSA, "rsa", 2048},	  {EVP_PKEY_RSA_PSS, "rsa", 2048},
		{EVP_PKEY_DSA, "dsa", 2048},	  {EVP_PKEY_EC, "ec", 224},
		{EVP_PKEY_ED25519, "ed25519", 0}, {EVP_PKEY_ED448, "ed448", 0},
	};
	const EVP_PKEY *key = X509_get0_pubkey(c->x509);
	c->key = "other"; // also one that libcrypto has no code for, or does not take
	if (key == NULL)
		return;
	const int bits = EVP_PKEY_get_bits(key);
	c->key_bits = bits > 0 ? (uint32_t)bits : 0;
	for (size_t i = 0; i < HT_ARRAY_LEN(keys); i++) {
		if (EVP_PKEY_get_base_id(key) != keys[i].id)
			continue;
		c->key = keys[i].name;
		c->weak_key = c->key_bits > 0 && c->key_bits < keys[i].least;
	}
}

static bool is_weak_digest(int nid) {
	return nid == NID_md2 || nid == NID_md4 || nid == NID_md5 || nid == NID_sha1;
}

static void read_signature(struct ht_certificate *c, struct texts *t) {
	const int nid = X509_get_signature_nid(c->x509);
	int digest = NID_undef;
	// RSASSA-PSS names its digest in parameters, which this looks into (RFC 4055 3.1).
	if (X509_get_signature_info(c->x509, &digest, NULL, NULL, NULL) == 1)
		c->weak_signature = is_weak_digest(digest);
	else if (OBJ_find_sigid_algs(nid, &digest, NULL) == 1)
		c->weak_signature = is_weak_digest(digest);
	const X509_ALGOR *alg;
	const ASN1_OBJECT *id;
	X509_get0_signature(NULL, &alg, c->x509);
	X509_ALGOR_get0(&id, NULL, NULL, alg);
	// The short name, or the digits of a number that has none: printable ASCII both.
	const int n = nid != NID_undef ? (int)strlen(OBJ_nid2sn(nid))
				       : OBJ_obj2txt(t->signature, sizeof(t->signature), id, 1);
	if (n <= 0 || (size_t)n >= sizeof(t->signature))
		return;
	if (nid != NID_undef)
		memcpy(t->signature, OBJ_nid2sn(nid), (size_t)n);
	t->signature_len = (size_t)n;
}

// The bytes of the number, most significant first, without what DER puts before a high bit.
static void read_serial(struct ht_certificate *c, struct texts *t) {
	const ASN1_INTEGER *serial = X509_get0_serialNumber(c->x509);
	const int n = ASN1_STRING_length(serial);
	if (n <= 0 || (size_t)n > sizeof(t->serial))
		return;
	memcpy(t->serial, ASN1_STRING_get0_data(serial), (size_t)n);
	t->serial_len = (size_t)n;
}

// Names and key identifiers alone do not make it self-signed: an authority may have issued it under
// its own name.
static void read_self_signed(struct ht_certificate *c) {
	const ASN1_OCTET_STRING *const own = X509_get0_subject_key_id(c->x509),
				       *const by = X509_get0_authority_key_id(c->x509);
	const EVP_PKEY *key = X509_get0_pubkey(c->x509);
	c->self_signed
		= X509_NAME_cmp(X509_get_subject_name(c->x509), X509_get_issuer_name(c->x509)) == 0
		  && (own == NULL || by == NULL || ASN1_OCTET_STRING_cmp(own, by) == 0);
	c->verifiable = c->self_signed && key != NULL && key_is_bounded(key);
}

void ht_certificate_verify(struct ht_certificate *c) {
	c->self_signed = X509_verify(c->x509, X509_get0_pubkey(c->x509)) == 1;
	c->verifiable = false;
	c->verified = true;
	ERR_clear_error();
}

static struct ht_span put(char **at, const void *p, size_t len) {
	const struct ht_span s = HT_SPAN(*at, len);
	memcpy(*at, p, len);
	*at += len;
	return s;
}

static bool keep_texts(struct ht_certificate *c, const struct texts *t) {
	char *at = malloc(
		1 + t->subject_len + t->issuer_len + t->sans_len + t->serial_len + t->signature_len
	);
	if (at == NULL)
		return false;
	c->text = at;
	c->subject = put(&at, t->subject, t->subject_len);
	c->issuer = put(&at, t->issuer, t->issuer_len);
	c->sans = put(&at, t->sans, t->sans_len);
	c->serial = put(&at, t->serial, t->serial_len);
	c->signature = put(&at, t->signature, t->signature_len);
	return true;
}

bool ht_certificate_read(struct ht_certificate *c, struct ht_span der) {
	struct texts t;
	*c = (struct ht_certificate){.key = "other"};
	if (EVP_Digest(der.p, der.len, c->sha256, NULL, EVP_sha256(), NULL) != 1)
		return false;
	c->x509 = ht_certificate_parse(der);
	if (c->x509 == NULL) {
		ERR_clear_error();
		return true;
	}
	t.subject_len = t.issuer_len = t.sans_len = t.serial_len = t.signature_len = 0;
	c->has_subject = print_name(X509_get_subject_name(c->x509), t.subject, &t.subject_len);
	c->has_issuer = print_name(X509_get_issuer_name(c->x509), t.issuer, &t.issuer_len);
	c->has_not_before = seconds_of(X509_get0_notBefore(c->x509), &c->not_before);
	c->has_not_after = seconds_of(X509_get0_notAfter(c->x509), &c->not_after);
	read_names(c, &t);
	read_key(c);
	read_signature(c, &t);
	read_serial(c, &t);
	read_self_signed(c);
	ERR_clear_error(); // what of it libcrypto did not like
	if (keep_texts(c, &t))
		return true;
	ht_certificate_drop(c);
	return false;
}

void ht_certificate_drop(struct ht_certificate *c) {
	X509_free(c->x509);
	free(c->text);
	*c = (struct ht_certificate){.x509 = NULL};
}
