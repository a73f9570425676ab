// SPDX-License-Identifier: BSD-3-Clause

#include "ipfix_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

struct tls {
	SSL_CTX *ctx;
	SSL *ssl; // of this connection, owns both BIOs
	BIO *in, *out;
	const char *name; // that the certificate must have
	bool name_is_address;
	bool wants_certificate; // of us, in this connection
	bool has_ticket;
	bool key_is_encrypted;
	uint8_t take[16384];
	char error[384];
};

// because adds what OpenSSL's queue says last: that is nearest to the cause.
static void because(char *out, size_t out_len, const char *what) {
	const unsigned long code = ERR_peek_last_error();
	const char *const reason = code != 0 ? ERR_reason_error_string(code) : NULL;
	snprintf(out, out_len, "%s: %s", what, reason != NULL ? reason : "no reason given");
	ERR_clear_error();
}

// why_not_read adds what the queue says first: the system's reason, or the parser's.
static void why_not_read(char *out, size_t out_len, const char *what) {
	const unsigned long code = ERR_peek_error();
	if (code != 0 && ERR_SYSTEM_ERROR(code)) {
		snprintf(out, out_len, "%s: %s", what, strerror(ERR_GET_REASON(code)));
	} else {
		const char *const reason = code != 0 ? ERR_reason_error_string(code) : NULL;
		snprintf(
			out, out_len, "%s: %s", what,
			ERR_GET_LIB(code) == ERR_LIB_PEM	    ? "no PEM file of that kind"
			: ERR_GET_REASON(code) == ERR_R_UNSUPPORTED ? "holds no key of use"
			: reason != NULL			    ? reason
								    : "holds nothing of use"
		);
	}
	ERR_clear_error();
}

static bool is_address(const char *name) {
	uint8_t bytes[16];
	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static int certificate_wanted(SSL *ssl, void *arg) {
	(void)ssl;
	((struct tls *)arg)->wants_certificate = true;
	return 1;
}

static int ticket_came(SSL *ssl, SSL_SESSION *session) {
	(void)session;
	((struct tls *)SSL_get_app_data(ssl))->has_ticket = true;
	return 0; // it is not kept
}

// Nobody is there to be asked, and a service would hang.
static int no_passphrase(char *buf, int size, int writing, void *encrypted) {
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)encrypted = true;
	return -1;
}

static bool load(struct tls *t, const struct ht_sink_options *o, char *what, size_t what_len) {
	SSL_CTX *const c = t->ctx;
	snprintf(what, what_len, "TLS");
	if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) != 1)
		return false;
	// A collector that begins a new handshake would have writes wait for what is only read
	// later.
	SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_cb(c, certificate_wanted, t);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c, ticket_came);
	SSL_CTX_set_default_passwd_cb(c, no_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(c, &t->key_is_encrypted);
	if (o->tls_ca == NULL) {
		snprintf(what, what_len, "the system's certificates");
		if (SSL_CTX_set_default_verify_paths(c) != 1)
			return false;
	} else {
		snprintf(what, what_len, "tls_ca: %s", o->tls_ca);
		if (SSL_CTX_load_verify_file(c, o->tls_ca) != 1)
			return false;
	}
	if (o->tls_cert == NULL)
		return true;
	snprintf(what, what_len, "tls_cert: %s", o->tls_cert);
	if (SSL_CTX_use_certificate_chain_file(c, o->tls_cert) != 1)
		return false;
	snprintf(what, what_len, "tls_key: %s", o->tls_key);
	return SSL_CTX_use_PrivateKey_file(c, o->tls_key, SSL_FILETYPE_PEM) == 1
	       && SSL_CTX_check_private_key(c) == 1;
}

enum ht_rc tls_open(
	struct tls **out,
	const char *host,
	const struct ht_sink_options *o,
	char *err,
	size_t err_len
) {
	struct tls *const t = calloc(1, sizeof(*t));
	if (t != NULL)
		t->ctx = SSL_CTX_new(TLS_client_method());
	if (t == NULL || t->ctx == NULL) {
		free(t);
		snprintf(err, err_len, "TLS: no memory");
		return HT_ERROR;
	}
	t->name = o->tls_name != NULL ? o->tls_name : host;
	t->name_is_address = is_address(t->name);
	char what[320];
	ERR_clear_error();
	if (!load(t, o, what, sizeof(what))) {
		why_not_read(err, err_len, what);
		if (t->key_is_encrypted)
			snprintf(
				err, err_len,
				"%s: is encrypted: nobody can be asked for a "
				"passphrase",
				what
			);
		tls_free(t);
		return HT_ERROR;
	}
	*out = t;
	return HT_OK;
}

static void drop(struct tls *t) {
	SSL_free(t->ssl);
	t->ssl = NULL;
	t->in = t->out = NULL;
}

void tls_free(struct tls *t) {
	if (t == NULL)
		return;
	drop(t);
	SSL_CTX_free(t->ctx);
	free(t);
}

static bool expect_name(struct tls *t) {
	X509_VERIFY_PARAM *const p = SSL_get0_param(t->ssl);
	if (t->name_is_address)
		return X509_VERIFY_PARAM_set1_ip_asc(p, t->name) == 1;
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(p, t->name, 0) == 1
	       && SSL_set_tlsext_host_name(t->ssl, t->name) == 1;
}

enum ht_rc tls_begin(struct tls *t) {
	drop(t);
	ERR_clear_error();
	t->ssl = SSL_new(t->ctx);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (t->ssl == NULL || t->in == NULL || t->out == NULL) {
		BIO_free(t->in);
		BIO_free(t->out);
		drop(t);
		snprintf(t->error, sizeof(t->error), "TLS: no memory");
		return HT_ERROR;
	}
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_connect_state(t->ssl);
	SSL_set_app_data(t->ssl, t);
	t->wants_certificate = t->has_ticket = false;
	if (!expect_name(t)) {
		because(t->error, sizeof(t->error), "TLS: name of the collector");
		return HT_ERROR;
	}
	return HT_OK;
}

// not_trusted says what is wrong with the certificate.
static void not_trusted(struct tls *t, long verdict) {
	const bool name = verdict == X509_V_ERR_HOSTNAME_MISMATCH
			  || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH;
	snprintf(
		t->error, sizeof(t->error),
		"the collector's certificate is not to be trusted: %s%s%s",
		X509_verify_cert_error_string(verdict), name ? ", it is not of " : "",
		name ? t->name : ""
	);
	ERR_clear_error();
}

// outcome tells what a call of SSL_* that did not succeed means.
static enum ht_rc outcome(struct tls *t, int rc) {
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return HT_MORE;
	case SSL_ERROR_ZERO_RETURN:
		snprintf(t->error, sizeof(t->error), "the collector closed the connection");
		return HT_ERROR;
	default:
		because(t->error, sizeof(t->error), "TLS");
		return HT_ERROR;
	}
}

enum ht_rc tls_shake_hands(struct tls *t) {
	ERR_clear_error();
	const int rc = SSL_do_handshake(t->ssl);
	if (rc == 1)
		return HT_OK;
	const long verdict = SSL_get_verify_result(t->ssl);
	const enum ht_rc what = outcome(t, rc);
	if (what == HT_ERROR && verdict != X509_V_OK)
		not_trusted(t, verdict);
	return what;
}

bool tls_is_accepted(const struct tls *t) {
	return !t->wants_certificate || t->has_ticket || SSL_version(t->ssl) < TLS1_3_VERSION;
}

enum ht_rc tls_write(struct tls *t, struct ht_span message) {
	ERR_clear_error();
	const int rc = SSL_write(t->ssl, message.p, (int)message.len);
	if (rc > 0) // all of it: memory does not say that it is full
		return HT_OK;
	if (outcome(t, rc) == HT_MORE)
		snprintf(t->error, sizeof(t->error), "TLS: the collector wants to be heard first");
	return HT_ERROR;
}

struct ht_span tls_take(struct tls *t) {
	if (t->out == NULL)
		return HT_SPAN_EMPTY;
	const int n = BIO_read(t->out, t->take, sizeof(t->take));
	return n > 0 ? HT_SPAN(t->take, (size_t)n) : HT_SPAN_EMPTY;
}

size_t tls_waiting(const struct tls *t) {
	return BIO_ctrl_pending(t->out);
}

bool tls_received(struct tls *t, struct ht_span bytes) {
	return BIO_write(t->in, bytes.p, (int)bytes.len) == (int)bytes.len;
}

enum ht_rc tls_read(struct tls *t) {
	uint8_t bytes[4096];
	for (;;) {
		ERR_clear_error();
		const int rc = SSL_read(t->ssl, bytes, sizeof(bytes));
		if (rc <= 0) {
			const enum ht_rc what = outcome(t, rc);
			return what == HT_MORE ? HT_OK : what;
		}
	}
}

void tls_say_goodbye(struct tls *t) {
	(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}

const char *tls_error(const struct tls *t) {
	return t->error;
}
