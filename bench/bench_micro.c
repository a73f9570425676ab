// SPDX-License-Identifier: BSD-3-Clause
// bench_micro: nanoseconds for one ClientHello in each step of its way, over hellos made from the
// templates. Prints the least and the median of many slices. Usage: bench_micro [TEMPLATES]. What
// an Initial costs is measured by bench_quic.

#include "bench.h"
#include "export.h"
#include "fingerprint_int.h" // JA3 and JA4 one by one, behind the cache
#include "gen.h"
#include "queue.h"
#include "sensor.h"
#include "tls.h"

#include <stdlib.h>

#define NUM 2048 // different hellos: more than the cache of fingerprints has slots
#define SLICES 300
#define SLICE 256 // hellos a slice

struct bench {
	uint8_t (*record)[5 + GEN_HELLO_MAX];
	size_t len[NUM];
	struct ht_hello *view;
	struct ht_fingerprinter *fingerprinter;
	struct ht_sink *sink;
	const struct ht_record *one;
	uint8_t packed[64 * 1024];
	size_t packed_len;
	struct ht_queue *queue;
};

static void
measure(struct bench *b, const char *what, const char *who, void (*run)(struct bench *, unsigned)) {
	static double slice[SLICES];
	unsigned n = 0;
	for (unsigned s = 0; s < SLICES; s++) {
		const double start = now();
		for (unsigned i = 0; i < SLICE; i++) {
			run(b, n);
			n = n + 1 < NUM ? n + 1 : 0;
		}
		slice[s] = (now() - start) / SLICE;
	}
	qsort(slice, SLICES, sizeof(slice[0]), by_value);
	printf("%-28s %-16s %6.0f %6.0f\n", what, who, slice[0], slice[SLICES / 2]);
}

// --- what is measured ---------------------------------------------------------------------------

static void parse(struct bench *b, unsigned n) {
	struct ht_tls_message m;
	const struct ht_span s = HT_SPAN(b->record[n], b->len[n]);
	need(ht_tls_frame_whole(&m, s) == HT_OK
		     && ht_hello_parse(&b->view[n], HT_HELLO_TLS, m.body) == HT_OK,
	     "a hello is refused");
}

static void ja3(struct bench *b, unsigned n) {
	char out[32];
	const struct ht_hello *h = &b->view[n];
	ht_ja3(b->fingerprinter, h, ht_ciphers_find(b->fingerprinter, h), out);
	__asm__ volatile("" : : "m"(out));
}

static void ja4(struct bench *b, unsigned n) {
	char out[36];
	const struct ht_hello *h = &b->view[n];
	(void)ht_ja4(b->fingerprinter, h, ht_ciphers_find(b->fingerprinter, h), HT_JA4_TCP, out);
	__asm__ volatile("" : : "m"(out));
}

static void both(struct bench *b, unsigned n) {
	struct ht_fingerprints out;
	need(ht_fingerprint(b->fingerprinter, &b->view[n], HT_JA4_TCP, &out), "no fingerprint");
}

static void both_same(struct bench *b, unsigned n) {
	(void)n;
	both(b, 0);
}

static void json(struct bench *b, unsigned n) {
	(void)n;
	ht_sink_write(b->sink, b->one);
}

static void pack(struct bench *b, unsigned n) {
	(void)n;
	b->packed_len = ht_record_pack(b->packed, sizeof(b->packed), b->one);
	need(b->packed_len > 0, "a record is too long");
}

static void unpack(struct bench *b, unsigned n) {
	struct ht_record r;
	(void)n;
	need(ht_record_unpack(&r, b->packed) == b->packed_len, "a record has another length");
}

// Both sides in one thread, so without what it costs that a cache line changes its core.
static void queue(struct bench *b, unsigned n) {
	ht_queue_put(b->queue, b->one);
	ht_queue_flush(b->queue);
	if (n % 32 == 0)
		while (ht_queue_get(b->queue) != NULL)
			;
}

// --- a record of a hello ------------------------------------------------------------------------

// Called by the sensor: the record is good until this returns.
static void on_record(void *user, struct ht_record *r) {
	struct bench *b = user;
	const char *const kind = r->hello_len > 1400 ? "post-quantum" : "classic";
	char err[256];
	b->one = r;
	need(ht_sink_open(&b->sink, "json:/dev/null", &(struct ht_sink_params){0}, err, sizeof(err))
		     == HT_OK,
	     "/dev/null cannot be opened");
	measure(b, "record to JSON", kind, json);
	struct ht_sink_stats s;
	need(ht_sink_close(b->sink, &s, err, sizeof(err)) == HT_OK, "records were lost");
	printf("%-28s %-16s %6.0f\n", "  its bytes", "", (double)s.bytes / (double)s.records);
	b->queue = ht_queue_new(&(struct ht_queue_params){.bytes = 4u << 20});
	need(b->queue != NULL, "no memory");
	measure(b, "record packed", kind, pack);
	measure(b, "record unpacked", kind, unpack);
	measure(b, "record through the queue", kind, queue);
	printf("%-28s %-16s %6zu\n", "  its bytes, packed", "", b->packed_len);
	ht_queue_free(b->queue);
	b->one = NULL;
}

// Gives the sensor a connection with this hello.
static void one_record(struct bench *b, unsigned n, struct gen_rng *r) {
	char *file;
	size_t size;
	struct gen_out o;
	struct gen_ends e;
	need(gen_out_open(&o, open_memstream(&file, &size)), "no memory");
	gen_ends_draw(&e, n, r);
	gen_tcp(&o, &e, 0, GEN_SYN, e.seq[0], HT_SPAN_EMPTY);
	const size_t mss = gen_mss(&e);
	for (size_t at = 0; at < b->len[n]; at += mss) {
		const size_t left = b->len[n] - at;
		const struct ht_span s = HT_SPAN(b->record[n] + at, left < mss ? left : mss);
		gen_tcp(&o, &e, 0, GEN_ACK, e.seq[0], s);
	}
	need(gen_out_close(&o), "no memory");
	struct ht_sensor_params p;
	ht_sensor_defaults(&p);
	p.secret[0] = p.secret[1] = 1;
	p.emit = on_record;
	p.user = b;
	struct ht_sensor *s = ht_sensor_new(&p);
	need(s != NULL, "no sensor");
	for (size_t at = 24; at < size;) {
		uint32_t len;
		memcpy(&len, file + at + 8, sizeof(len));
		const struct ht_frame f = {
			.data = (const uint8_t *)file + at + 16,
			.caplen = len,
			.len = len,
			.ts = (int64_t)o.ns,
			.number = 123456,
			.linktype = 1,
		};
		ht_sensor_run(s, &f, 1);
		at += 16 + len;
	}
	need(ht_sensor_counters(s)[HT_CTR_HELLOS_COMPLETE] == 1, "no record");
	ht_sensor_free(s);
	free(file);
}

int main(int argc, char **argv) {
	static struct gen_templates t;
	static struct bench b;
	struct gen_rng r = {1};
	need(gen_templates_load(&t, argc > 1 ? argv[1] : "bench/templates"), "no templates");
	b.record = calloc(NUM, sizeof(*b.record));
	b.view = calloc(NUM, sizeof(*b.view));
	struct ht_crypto *crypto = ht_crypto_new();
	const struct ht_fingerprint_params p = {.crypto = crypto, .max_hello = 65536};
	b.fingerprinter = crypto != NULL ? ht_fingerprinter_new(&p) : NULL;
	need(b.record != NULL && b.view != NULL && b.fingerprinter != NULL, "no memory");
	printf("ns for one hello (%s)%*s least median\n", ht_crypto_name(crypto),
	       24 - (int)strlen(ht_crypto_name(crypto)), "");
	static const struct {
		const char *name;
		enum gen_client client;
		bool pq;
	} kinds[] = {
		{"chromium", GEN_CHROMIUM, true},
		{"chromium, no pq", GEN_CHROMIUM, false},
		{"firefox", GEN_FIREFOX, true},
		{"openssl", GEN_OPENSSL_TLS13, true},
	};
	for (unsigned k = 0; k < HT_ARRAY_LEN(kinds); k++) {
		const char *who = kinds[k].name;
		for (unsigned i = 0; i < NUM; i++) {
			uint8_t *rec = b.record[i];
			size_t n = gen_hello(
				rec + 5, &t, kinds[k].client, kinds[k].pq, HT_SPAN_EMPTY, &r
			);
			memcpy(rec, "\x16\x03\x01", 3);
			ht_put_be16(rec + 3, (uint16_t)n);
			b.len[i] = n + 5;
		}
		measure(&b, "find and parse", who, parse);
		measure(&b, "JA3", who, ja3);
		measure(&b, "JA4", who, ja4);
		measure(&b, "JA3 and JA4, all different", who, both);
		measure(&b, "JA3 and JA4, always the same", who, both_same);
		if (kinds[k].client != GEN_FIREFOX)
			one_record(&b, 0, &r);
	}
	ht_fingerprinter_free(b.fingerprinter);
	ht_crypto_free(crypto);
	free(b.view);
	free(b.record);
	return 0;
}
