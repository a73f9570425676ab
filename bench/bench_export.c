// SPDX-License-Identifier: BSD-3-Clause
// What it costs to turn a typical hello record into text: ns a record, the best of many slices. The
// text goes to /dev/null, so that the file system is not measured.

#include "export.h"
#include "ht_config.h"
#include "ipfix.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLICES 200
#define SLICE_RECORDS 5000

// A browser's hello of 2025: 16 ciphers, 18 extensions, X25519MLKEM768, ECH, GREASE.
static const uint8_t ciphers[] = {0x3a, 0x3a, 0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xc0, 0x2b, 0xc0,
				  0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xcc, 0xa9, 0xcc, 0xa8, 0xc0, 0x13,
				  0xc0, 0x14, 0x00, 0x9c, 0x00, 0x9d, 0x00, 0x2f, 0x00, 0x35};
static const uint8_t extensions[]
	= {0x4a, 0x4a, 0x00, 0x1b, 0x00, 0x00, 0x00, 0x33, 0x00, 0x10, 0x44, 0xcd,
	   0xff, 0x01, 0x00, 0x17, 0x00, 0x0d, 0x00, 0x05, 0x00, 0x0b, 0x00, 0x12,
	   0x00, 0x2b, 0x00, 0x2d, 0x00, 0x23, 0x00, 0x0a, 0xfe, 0x0d, 0xda, 0xda};
static const uint8_t groups[] = {0x1a, 0x1a, 0x11, 0xec, 0x00, 0x1d, 0x00, 0x17, 0x00, 0x18};
static const uint8_t shares[] = {0x1a, 0x1a, 0x11, 0xec, 0x00, 0x1d};
static const uint8_t sig_algs[] = {0x04, 0x03, 0x08, 0x04, 0x04, 0x01, 0x05, 0x03,
				   0x08, 0x05, 0x05, 0x01, 0x08, 0x06, 0x06, 0x01};
static const uint8_t versions[] = {0xfa, 0xfa, 0x03, 0x04, 0x03, 0x03};
static const uint8_t alpn[] = "\x02h2\x08http/1.1";
static const uint8_t client[16] = {[10] = 0xff, 0xff, 192, 168, 17, 34};
static const uint8_t server[16] = {[10] = 0xff, 0xff, 198, 51, 100, 207};

static void fill(struct ht_record *r) {
	r->has = 0;
	r->ts_is_ns = false;
	r->ciphers_are_24_bit = false;
	ht_set(r, record, "hello");
	ht_set(r, ts, 1763686800123456000);
	ht_set(r, frame, 123456);
	ht_set(r, src_ip, client);
	ht_set(r, src_port, 53124);
	ht_set(r, dst_ip, server);
	ht_set(r, dst_port, 443);
	ht_set(r, transport, "tcp");
	ht_set(r, community_id, HT_SPAN_STR("1:LQU9qZlK+B5F3KDmev6m5PMibrg="));
	r->encap.num = 1;
	r->encap.len[0] = (uint8_t)snprintf(r->encap.s[0], sizeof(r->encap.s[0]), "vlan:10");
	r->has |= HT_HAS(encap);
	ht_set(r, service, "https");
	ht_set(r, protocol, "tls");
	ht_set(r, complete, true);
	ht_set(r, hello_number, 1);
	ht_set(r, hello_len, 1787);
	ht_set(r, segments, 2);
	ht_set(r, tls_records, 1);
	ht_set(r, sni, HT_SPAN_STR("static.content.example.com"));
	ht_set(r, alpn, HT_SPAN(alpn, sizeof(alpn) - 1));
	ht_set(r, tls_version, "TLS 1.3");
	ht_set(r, legacy_version, 0x0303);
	ht_set(r, versions, HT_SPAN(versions, sizeof(versions)));
	ht_set(r, ciphers, HT_SPAN(ciphers, sizeof(ciphers)));
	ht_set(r, extensions, HT_SPAN(extensions, sizeof(extensions)));
	ht_set(r, groups, HT_SPAN(groups, sizeof(groups)));
	ht_set(r, key_share_groups, HT_SPAN(shares, sizeof(shares)));
	ht_set(r, sig_algs, HT_SPAN(sig_algs, sizeof(sig_algs)));
	ht_set(r, point_formats, HT_SPAN("", 1));
	ht_set(r, session_id_len, 32);
	ht_set(r, ocsp_stapling, true);
	ht_set(r, session_ticket, true);
	ht_set(r, pq, true);
	ht_set(r, ech, "outer");
	ht_set(r, ja3, HT_SPAN_STR("cd08e31494f9531f560d64c695473da9"));
	ht_set(r, ja4, HT_SPAN_STR("t13d1516h2_8daaf6152771_d8a2da3f94cd"));
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int measure(const char *spec, const char *name) {
	struct ht_sink *s;
	char err[256];
	const struct ht_sink_params params = {.width = 160};
	if (ht_sink_open(&s, spec, &params, err, sizeof(err)) != HT_OK) {
		fprintf(stderr, "bench_export: %s\n", err);
		return 1;
	}
	struct ht_record r;
	fill(&r);
	double best = 1e18;
	for (unsigned slice = 0; slice < SLICES; slice++) {
		const double start = now();
		for (unsigned i = 0; i < SLICE_RECORDS; i++) {
			r.ts += 1000; // a new microsecond, port and frame number each time
			r.frame++;
			r.src_port = (uint16_t)(r.src_port * 5 + 1);
			ht_sink_write(s, &r);
		}
		const double took = (now() - start) / SLICE_RECORDS;
		best = took < best ? took : best;
	}
	struct ht_sink_stats stats;
	if (ht_sink_close(s, &stats, err, sizeof(err)) != HT_OK) {
		fprintf(stderr, "bench_export: %s\n", err);
		return 1;
	}
	printf("export_%s %.0f ns/record %" PRIu64 " bytes/record %.2f GB/s\n", name, best,
	       stats.bytes / stats.records, (double)stats.bytes / (double)stats.records / best);
	return 0;
}

#if HT_HAVE_IPFIX
// drain reads what comes and throws it away, in a process of its own.
static pid_t drain(int listener) {
	const pid_t pid = fork();
	if (pid != 0)
		return pid;
	static char bytes[1 << 20];
	const int fd = accept(listener, NULL, NULL);
	while (fd >= 0 && read(fd, bytes, sizeof(bytes)) > 0)
		continue;
	_exit(0);
}

// The time of this process alone: encoding, and handing messages to a TCP socket.
static double cpu(void) {
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void give(const struct ht_link_ops *ops, struct ht_link *l, const struct ht_record *r) {
	while (ops->give(l, r) == HT_MORE)
		if (ops->poll(l, false, 100) != HT_OK)
			return;
}

static int measure_ipfix(const char *name, struct ht_sink_options o) {
	const struct ht_link_ops *const ops = &ht_link_ipfix_tcp;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t at_len = sizeof(at);
	const int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&at, at_len) != 0 || listen(listener, 1) != 0
	    || getsockname(listener, (struct sockaddr *)&at, &at_len) != 0)
		return 1;
	char spec[64], err[256];
	snprintf(spec, sizeof(spec), "ipfix+tcp://127.0.0.1:%u", ntohs(at.sin_port));
	o.to = spec;
	const pid_t reader = drain(listener);
	struct ht_link *l;
	if (ops->open(&l, &o, err, sizeof(err)) != HT_OK || ops->connect(l, 5000) != HT_OK) {
		fprintf(stderr, "bench_export: no IPFIX\n");
		return 1;
	}
	struct ht_record r;
	fill(&r);
	double best = 1e18;
	for (unsigned slice = 0; slice < SLICES; slice++) {
		const double start = cpu();
		for (unsigned i = 0; i < SLICE_RECORDS; i++) {
			r.ts += 1000;
			r.frame++;
			r.src_port = (uint16_t)(r.src_port * 5 + 1);
			give(ops, l, &r);
		}
		const double took = (cpu() - start) / SLICE_RECORDS;
		best = took < best ? took : best;
	}
	struct ht_settled s;
	do
		ops->settled(l, &s);
	while (s.delivered < (uint64_t)SLICES * SLICE_RECORDS && ops->poll(l, true, 100) == HT_OK);
	ops->close(l);
	close(listener);
	waitpid(reader, NULL, 0);
	printf("export_%s %.0f ns/record %" PRIu64 " bytes/record %.2f GB/s\n", name, best,
	       s.bytes / s.delivered, (double)s.bytes / (double)s.delivered / best);
	return 0;
}
#endif

int main(void) {
	int rc = measure("json:/dev/null", "json");
	rc |= measure("csv:/dev/null", "csv");
	rc |= measure("table:/dev/null", "table");
#if HT_HAVE_IPFIX
	const char *all[] = {"flowmon", "cesnet", "cert", "ntop"};
	rc |= measure_ipfix("ipfix", (struct ht_sink_options){.domain = 1});
	rc |= measure_ipfix(
		"ipfix_all", (struct ht_sink_options
			     ){.domain = 1, .pen = 64512, .profiles = {all, HT_ARRAY_LEN(all)}}
	);
#endif
	return rc;
}
