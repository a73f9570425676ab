// SPDX-License-Identifier: BSD-3-Clause
// What libhellotap reads of ServerHellos, for truth_answers.py. Each line of the input is a word
// and hex: `tls` a server's stream, `dtls` one of its datagrams, `>` and `<` QUIC datagrams of
// client and server; `.` ends a connection. Each ServerHello is a line of the output, and `.` the
// end.

#include "arena.h"
#include "fingerprint.h"
#include "quic.h"
#include "tls_answer.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX (1u << 20)

static struct ht_fingerprinter *fingerprinter;
static struct ht_arena *arena;
static struct ht_quic *quic;

static void tell(struct ht_span body) {
	struct ht_server_hello h;
	char ja3s[33] = "";
	const enum ht_rc rc = ht_server_hello_parse(&h, body);
	(void)!ht_ja3s(fingerprinter, &h, ja3s);
	printf("%d %04x %04x %04x ", rc, h.legacy_version, ht_server_hello_version(&h), h.cipher);
	if (h.seen & HT_SERVER_GROUP)
		printf("%04x", h.group);
	printf("; %.*s ", h.seen & HT_SERVER_ALPN ? (int)h.alpn.len : 0, h.alpn.p);
	for (unsigned i = 0; i < h.num_extensions; i++)
		printf("%s%u", i > 0 ? "," : "", ht_be16(h.extensions + 2 * i));
	printf("; %s\n", ja3s);
}

// Byte by byte, so that each of two hellos is seen.
static void stream(uint8_t *buf, size_t len) {
	for (size_t at = 0; at < len; at++) {
		struct ht_tls_answer a = {.pos = (uint32_t)at, .begin = (uint32_t)at};
		struct ht_tls_part before = {0, 0};
		if (buf[at] != 21 && buf[at] != 22)
			continue;
		for (size_t n = at + 1; n <= len; n++) {
			const enum ht_rc rc = ht_tls_answer(&a, buf, n, MAX);
			if (a.hello.len > 0 && a.hello.at != before.at)
				tell(HT_SPAN(buf + a.hello.at, a.hello.len));
			before = a.hello;
			if (rc != HT_MORE)
				break;
		}
		if (a.facts.seen & (HT_FACT_SERVER_HELLO | HT_FACT_RETRY_REQUEST))
			return;
	}
}

static void messages(const struct ht_quic_answer *a) {
	const uint32_t n = ht_ranges_prefix(&a->crypto.have);
	for (uint32_t at = 0; at + 4 <= n;) {
		const uint32_t len = ht_be24(a->crypto.buf + at + 1);
		if (len > n - at - 4)
			return;
		if (a->crypto.buf[at] == 2)
			tell(HT_SPAN(a->crypto.buf + at + 4, len));
		at += 4 + len;
	}
}

static size_t unhex(uint8_t *p, const char *s) {
	size_t n = 0;
	for (unsigned v; sscanf(s, "%2x", &v) == 1 && n < MAX; s += 2)
		p[n++] = (uint8_t)v;
	return n;
}

int main(void) {
	struct ht_crypto *crypto = ht_crypto_new();
	struct ht_fingerprint_params fp = {.crypto = crypto, .max_hello = MAX};
	char *line = malloc(2 * MAX + 16);
	uint8_t *buf = malloc(MAX);
	struct ht_dtls_answer dtls = {.client = false};
	struct ht_quic_conn conn = {.version = 0};
	struct ht_quic_answer answer = {.version = 0};
	arena = ht_arena_new(64u << 20);
	fingerprinter = ht_fingerprinter_new(&fp);
	quic = ht_quic_new(&(struct ht_quic_params){crypto, arena, 65536});
	if (line == NULL || buf == NULL || arena == NULL || fingerprinter == NULL || quic == NULL)
		return 1;
	while (fgets(line, 2 * MAX + 16, stdin) != NULL) {
		char *hex = strchr(line, ' ');
		const size_t n = hex != NULL ? unhex(buf, hex + 1) : 0;
		const struct ht_span d = HT_SPAN(buf, n);
		struct ht_dtls_messages m;
		struct ht_quic_past past;
		if (line[0] == 't') {
			stream(buf, n);
		} else if (line[0] == 'd' && n > 0) {
			(void)!ht_dtls_answer(&dtls, arena, d, false, MAX, &m);
			if (m.hello.len > 0)
				tell(m.hello);
		} else if (line[0] == '>' && n > 0) {
			(void)ht_quic_client(quic, &conn, d);
		} else if (line[0] == '<' && n > 0 && conn.key_version != 0) {
			ht_quic_leave(&past, &conn, 0);
			(void)ht_quic_answer(quic, &answer, &past, d);
		} else if (line[0] == '.') {
			messages(&answer);
			ht_dtls_answer_drop(&dtls, arena);
			ht_quic_answer_drop(quic, &answer);
			ht_quic_drop(quic, &conn);
			dtls = (struct ht_dtls_answer){.client = false};
			answer = (struct ht_quic_answer){.version = 0};
			puts(".");
			fflush(stdout);
		}
	}
	free(line);
	free(buf);
	ht_quic_free(quic);
	ht_fingerprinter_free(fingerprinter);
	ht_arena_free(arena);
	ht_crypto_free(crypto);
	return 0;
}
