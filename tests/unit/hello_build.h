// SPDX-License-Identifier: BSD-3-Clause
// hello_build: writes ClientHellos for tests, right ones and others. Header only. Uses tls.h for
// the kinds.
//
//     struct hb b;
//     hb_begin(&b, HT_HELLO_TLS, 0x0303);     version, random, session id, cookie of a DTLS hello
//     hb_ciphers(&b, "1301 1302");            ciphers and the null compression
//     size_t at = hb_open(&b, 2);             the extension block; leave it out for none
//     hb_ext(&b, 0x0010, "0003 02 6832");     an extension, its body in hex
//     hb_sni(&b, "example.com");
//     hb_close(&b, at, 2);
//     hb_span(&b)                             the body, as ht_hello_parse wants it

#pragma once

#include "base.h"
#include "t.h"
#include "tls.h"

#define HB_MAX (1u << 18)

struct hb {
	size_t len;
	uint8_t b[HB_MAX];
};

static inline void hb_bytes(struct hb *h, const void *p, size_t n) {
	assert_true(n <= HB_MAX - h->len);
	if (n > 0)
		memcpy(h->b + h->len, p, n);
	h->len += n;
}

// hb_num writes v in `size` bytes.
static inline void hb_num(struct hb *h, unsigned size, uint64_t v) {
	while (size-- > 0) {
		uint8_t byte = (uint8_t)(v >> 8 * size);
		hb_bytes(h, &byte, 1);
	}
}

static inline void hb_hex(struct hb *h, const char *hex) {
	h->len += t_unhex(h->b + h->len, HB_MAX - h->len, hex);
}

// hb_fill writes n bytes that are not all the same.
static inline void hb_fill(struct hb *h, size_t n, uint8_t first) {
	for (size_t i = 0; i < n; i++) {
		uint8_t byte = (uint8_t)(first + i * 7);
		hb_bytes(h, &byte, 1);
	}
}

// hb_open leaves room for a length of `size` bytes, hb_close writes it there.
static inline size_t hb_open(struct hb *h, unsigned size) {
	hb_num(h, size, 0);
	return h->len;
}

static inline void hb_close(struct hb *h, size_t at, unsigned size) {
	size_t n = h->len - at;
	for (unsigned i = 0; i < size; i++)
		h->b[at - 1 - i] = (uint8_t)(n >> 8 * i);
}

static inline struct ht_span hb_span(const struct hb *h) {
	return HT_SPAN(h->b, h->len);
}

static inline void
hb_begin_sid(struct hb *h, enum ht_hello_kind kind, uint16_t version, uint8_t sid) {
	h->len = 0;
	hb_num(h, 2, version);
	hb_fill(h, 32, 0x52);
	hb_num(h, 1, sid);
	hb_fill(h, sid, 0xd1);
	if (kind == HT_HELLO_DTLS)
		hb_num(h, 1, 0);
}

static inline void hb_begin(struct hb *h, enum ht_hello_kind kind, uint16_t version) {
	hb_begin_sid(h, kind, version, 32);
}

static inline void hb_ciphers(struct hb *h, const char *hex) {
	size_t at = hb_open(h, 2);
	hb_hex(h, hex);
	hb_close(h, at, 2);
	hb_hex(h, "01 00");
}

static inline void hb_ext(struct hb *h, uint16_t type, const char *hex) {
	hb_num(h, 2, type);
	size_t at = hb_open(h, 2);
	hb_hex(h, hex);
	hb_close(h, at, 2);
}

// hb_ext_list writes an extension that is one list behind a length of `size` bytes.
static inline void hb_ext_list(struct hb *h, uint16_t type, unsigned size, const char *hex) {
	hb_num(h, 2, type);
	size_t ext = hb_open(h, 2), list = hb_open(h, size);
	hb_hex(h, hex);
	hb_close(h, list, size);
	hb_close(h, ext, 2);
}

static inline void hb_sni(struct hb *h, const char *name) {
	hb_num(h, 2, 0);
	size_t ext = hb_open(h, 2), list = hb_open(h, 2);
	hb_num(h, 1, 0);
	hb_num(h, 2, strlen(name));
	hb_bytes(h, name, strlen(name));
	hb_close(h, list, 2);
	hb_close(h, ext, 2);
}

// hb_alpn1 offers one protocol of any bytes.
static inline void hb_alpn1(struct hb *h, const void *name, uint8_t len) {
	hb_num(h, 2, 16);
	size_t ext = hb_open(h, 2), list = hb_open(h, 2);
	hb_num(h, 1, len);
	hb_bytes(h, name, len);
	hb_close(h, list, 2);
	hb_close(h, ext, 2);
}

// hb_browser writes a hello as browsers send them: GREASE, SNI, ALPN h2 and http/1.1, groups with a
// hybrid one, key shares, TLS 1.3 and 1.2 (for DTLS their like).
static inline void hb_browser(struct hb *h, enum ht_hello_kind kind) {
	hb_begin(h, kind, kind == HT_HELLO_DTLS ? 0xfefd : 0x0303);
	hb_ciphers(h, "1a1a 1301 1302 1303 c02b c02f 009c 0035");
	size_t at = hb_open(h, 2);
	hb_ext(h, 0x3a3a, "");
	hb_sni(h, "www.example.com");
	hb_ext(h, 0x0017, "");
	hb_ext_list(h, 0x000a, 2, "4a4a 11ec 001d 0017 0018");
	hb_ext_list(h, 0x000b, 1, "00");
	hb_ext(h, 0x0023, "");
	hb_ext_list(h, 0x0010, 2, "02 6832 08 687474702f312e31");
	hb_ext(h, 0x0005, "01 0000 0000");
	hb_ext_list(h, 0x000d, 2, "0403 0804 0401 0503");
	hb_num(h, 2, 0x0033);
	size_t ext = hb_open(h, 2), list = hb_open(h, 2);
	hb_hex(h, "4a4a 0001 00 11ec 04c0");
	hb_fill(h, 0x04c0, 0x91);
	hb_hex(h, "001d 0020");
	hb_fill(h, 32, 0x1d);
	hb_close(h, list, 2);
	hb_close(h, ext, 2);
	hb_ext_list(h, 0x002d, 1, "01");
	hb_ext_list(h, 0x002b, 1, kind == HT_HELLO_DTLS ? "6a6a fefc fefd" : "6a6a 0304 0303");
	hb_ext(h, 0x9a9a, "00");
	hb_close(h, at, 2);
}

// hb_message puts the 4-byte handshake header in front of a body (RFC 8446 4).
static inline void hb_message(struct hb *out, uint8_t type, struct ht_span body) {
	out->len = 0;
	hb_num(out, 1, type);
	hb_num(out, 3, body.len);
	hb_bytes(out, body.p, body.len);
}

// hb_record appends a TLS record (RFC 8446 5.1).
static inline void hb_record(struct hb *out, uint8_t type, const void *p, size_t n) {
	hb_num(out, 1, type);
	hb_num(out, 2, 0x0301);
	hb_num(out, 2, n);
	hb_bytes(out, p, n);
}

// hb_ssl2 writes the SSL 2.0 CLIENT-HELLO of RFC 5246 E.2 behind its 2-byte length.
static inline void
hb_ssl2(struct hb *h, uint16_t version, const char *specs, uint8_t sid_len, uint8_t challenge_len) {
	h->len = 0;
	hb_hex(h, "0000 01");
	hb_num(h, 2, version);
	hb_hex(h, "0000");
	hb_num(h, 2, sid_len);
	hb_num(h, 2, challenge_len);
	size_t at = h->len;
	hb_hex(h, specs);
	ht_put_be16(h->b + 5, (uint16_t)(h->len - at));
	hb_fill(h, sid_len, 0x51);
	hb_fill(h, challenge_len, 0xc1);
	ht_put_be16(h->b, (uint16_t)(0x8000 | (h->len - 2)));
}
