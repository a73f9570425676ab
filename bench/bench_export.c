// SPDX-License-Identifier: BSD-3-Clause
// What each kind of output costs, side by side: a browser's hello as text, as messages of IPFIX and
// of Kafka, through a queue and a thread, into a spool and out of it.
//
//   sender  ns of CPU time a record of the thread that gives records, the least of many slices
//   all     ns of CPU time a record of all threads of this process, the mean; collectors and
//   brokers
//           are other processes
//   fwrite  the same bytes with fwrite(3), to a file or a socket likewise, slice by slice in turn
//
// Files are in the folder that is given, /dev/shm otherwise; collectors are on the loopback.

#include "bench.h"
#include "delivery.h"
#include "export.h"
#include "ht_config.h"
#include "ipfix.h"
#include "kafka.h"
#include "protobuf.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#if HT_HAVE_KAFKA
#include <librdkafka/rdkafka.h>
// Wants what stands above.
#include <librdkafka/rdkafka_mock.h>
#endif

#define SLICES 300
#define SLICE_RECORDS 2000
#define RECORDS ((uint64_t)SLICES * SLICE_RECORDS)

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

static void next(struct ht_record *r) {
	r->ts += 1000; // a new microsecond, port and frame number each time
	r->frame++;
	r->src_port = (uint16_t)(r->src_port * 5 + 1);
}

// --- who reads it -------------------------------------------------------------------------------

// listen_at gives a socket of the loopback, and its port.
static int listen_at(uint16_t *port, bool listening) {
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t at_len = sizeof(at);
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	need(bind(fd, (struct sockaddr *)&at, at_len) == 0 && (!listening || listen(fd, 4) == 0)
		     && getsockname(fd, (struct sockaddr *)&at, &at_len) == 0,
	     "no socket");
	*port = ntohs(at.sin_port);
	return fd;
}

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

static int dial(uint16_t port) {
	const struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	need(connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0, "no connection");
	return fd;
}

// --- the floor ----------------------------------------------------------------------------------

struct plain {
	FILE *f;
	pid_t reader; // of a socket; 0: it is a file
	size_t record; // bytes
};

static const char *folder = "/dev/shm";

static void in_folder(char *out, size_t out_len, const char *name) {
	snprintf(out, out_len, "%s/bench_export.%d.%s", folder, (int)getpid(), name);
}

static struct plain plain_open(bool is_socket, size_t record) {
	struct plain p = {.record = record};
	if (is_socket) {
		uint16_t port;
		const int listener = listen_at(&port, true);
		p.reader = drain(listener);
		p.f = fdopen(dial(port), "w");
		close(listener);
	} else {
		char path[256];
		in_folder(path, sizeof(path), "plain");
		p.f = fopen(path, "w");
		unlink(path);
	}
	need(p.f != NULL, "nothing to write to");
	setvbuf(p.f, NULL, _IOFBF, 1 << 16);
	return p;
}

static double plain_slice(const struct plain *p) {
	static const char bytes[4096];
	need(p->record <= sizeof(bytes), "a long record");
	const double start = cpu_of_thread();
	for (unsigned i = 0; i < SLICE_RECORDS; i++)
		(void)fwrite(bytes, p->record, 1, p->f);
	return (cpu_of_thread() - start) / SLICE_RECORDS;
}

static void plain_close(const struct plain *p) {
	fclose(p->f);
	if (p->reader != 0)
		waitpid(p->reader, NULL, 0);
}

// --- the table ----------------------------------------------------------------------------------

static void print_head(void) {
	printf("%-34s %8s %8s %8s %8s %8s %8s\n", "a hello record", "sender", "M/s", "all", "bytes",
	       "fwrite", "ratio");
}

// `target` in M/s, 0: there is none. `plain` 0: nothing to compare with.
static void
print_row(const char *name, double sender, double all, double bytes, double plain, double target) {
	printf("%-34s %8.0f %8.2f %8.0f %8.0f", name, sender, 1e3 / sender, all, bytes);
	if (plain > 0)
		printf(" %8.0f %8.1f", plain, sender / plain);
	if (target > 0)
		printf("  target %.1f M/s: %s", target, 1e3 / sender >= target ? "met" : "missed");
	putchar('\n');
	fflush(stdout);
}

static struct ht_sink_options *options_of(const char *spec) {
	struct ht_sink_options *o;
	char err[256];
	if (ht_sink_parse(&o, spec, err, sizeof(err)) == HT_OK)
		return o;
	fprintf(stderr, "%s\n", err);
	exit(1);
}

// --- links --------------------------------------------------------------------------------------

static void give(const struct ht_link_ops *ops, struct ht_link *l, const struct ht_record *r) {
	enum ht_rc rc;
	while ((rc = ops->give(l, r)) == HT_MORE)
		need(ops->poll(l, false, 10) == HT_OK, "the link broke");
	need(rc == HT_OK, "the link broke");
}

static struct ht_settled settle(const struct ht_link_ops *ops, struct ht_link *l, uint64_t num) {
	struct ht_settled s;
	for (ops->settled(l, &s); s.delivered < num; ops->settled(l, &s))
		need(s.refused == 0 && ops->poll(l, true, 10) == HT_OK, "the link broke");
	return s;
}

static void measure_link(const char *name, const char *spec, bool is_socket, double target) {
	struct ht_sink_options *const o = options_of(spec);
	const struct ht_link_ops *const ops = ht_link_of(o->to);
	struct ht_link *l = NULL;
	char err[256];
	if (ops->open(&l, o, err, sizeof(err)) != HT_OK) {
		printf("%-34s %s\n", name, err);
		free(o);
		return;
	}
	enum ht_rc rc;
	while ((rc = ops->connect(l, 1000)) == HT_MORE)
		continue;
	need(rc == HT_OK, "not connected");
	struct ht_record r;
	fill(&r);
	for (unsigned i = 0; i < SLICE_RECORDS; i++, next(&r))
		give(ops, l, &r);
	const uint64_t warm = settle(ops, l, SLICE_RECORDS).bytes;
	const struct plain p = plain_open(is_socket, warm / SLICE_RECORDS);
	double least = 1e18, plain = 1e18, plain_all = 0;
	const double start = cpu_of_all();
	for (unsigned slice = 0; slice < SLICES; slice++) {
		const double begun = cpu_of_thread();
		for (unsigned i = 0; i < SLICE_RECORDS; i++, next(&r))
			give(ops, l, &r);
		const double took = (cpu_of_thread() - begun) / SLICE_RECORDS;
		const double floor = plain_slice(&p);
		least = took < least ? took : least;
		plain = floor < plain ? floor : plain;
		plain_all += floor * SLICE_RECORDS;
	}
	const struct ht_settled s = settle(ops, l, RECORDS + SLICE_RECORDS);
	const double all = cpu_of_all() - start - plain_all;
	ops->close(l);
	plain_close(&p);
	free(o);
	print_row(name, least, all / RECORDS, (double)(s.bytes - warm) / RECORDS, plain, target);
}

static void measure_file(const char *kind, double target) {
	char path[256], spec[300], name[64];
	in_folder(path, sizeof(path), kind);
	snprintf(spec, sizeof(spec), "%s:%s", kind, path);
	snprintf(name, sizeof(name), "%s, file", kind);
	measure_link(name, spec, false, target);
	unlink(path);
}

static void measure_ipfix(const char *name, const char *options, double target) {
	char spec[128];
	uint16_t port;
	const int listener = listen_at(&port, true);
	const pid_t reader = drain(listener);
	close(listener);
	snprintf(spec, sizeof(spec), "ipfix+tcp://127.0.0.1:%u%s", port, options);
	if (HT_HAVE_IPFIX)
		measure_link(name, spec, true, target);
	else
		kill(reader, SIGKILL);
	waitpid(reader, NULL, 0);
}

// No output is a file of these messages: they are put together and written with fwrite.
static void measure_protobuf(void) {
	struct ht_protobuf *const pb = ht_protobuf_new();
	if (pb == NULL) {
		puts("protobuf: built without it");
		return;
	}
	ht_protobuf_for_export(pb);
	struct ht_record r;
	struct ht_span m;
	fill(&r);
	need(ht_protobuf_encode(pb, &r, &m) == HT_OK, "no message");
	const struct plain to = plain_open(false, m.len), p = plain_open(false, m.len);
	double least = 1e18, plain = 1e18;
	for (unsigned slice = 0; slice < SLICES; slice++) {
		const double begun = cpu_of_thread();
		for (unsigned i = 0; i < SLICE_RECORDS; i++, next(&r))
			if (ht_protobuf_encode(pb, &r, &m) == HT_OK)
				(void)fwrite(m.p, m.len, 1, to.f);
		const double took = (cpu_of_thread() - begun) / SLICE_RECORDS;
		const double floor = plain_slice(&p);
		least = took < least ? took : least;
		plain = floor < plain ? floor : plain;
	}
	plain_close(&to);
	plain_close(&p);
	ht_protobuf_free(pb);
	print_row("protobuf, file", least, least, (double)m.len, plain, 0);
}

#if HT_HAVE_KAFKA
// A broker as librdkafka plays it, in a process of its own that ends with `*stop`.
static pid_t broker(char *where, size_t where_len, int *stop) {
	int told[2], end[2];
	need(pipe(told) == 0 && pipe(end) == 0, "no pipe");
	const pid_t pid = fork();
	if (pid == 0) {
		close(end[1]);
		char err[256], c;
		rd_kafka_conf_t *const conf = rd_kafka_conf_new();
		(void
		)rd_kafka_conf_set(conf, "log_level", "3", NULL, 0); // no word on having no broker
		rd_kafka_t *const rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof(err));
		need(rk != NULL, err);
		rd_kafka_mock_cluster_t *const mc = rd_kafka_mock_cluster_new(rk, 1);
		need(mc != NULL && rd_kafka_mock_topic_create(mc, "hellos", 1, 1) == 0,
		     "no cluster");
		const char *const at = rd_kafka_mock_cluster_bootstraps(mc);
		need(write(told[1], at, strlen(at)) > 0, "no pipe");
		close(told[1]);
		_exit(read(end[0], &c, 1) != 0);
	}
	close(told[1]);
	close(end[0]);
	const ssize_t n = read(told[0], where, where_len - 1);
	need(n > 0, "no broker");
	where[n] = '\0';
	close(told[0]);
	*stop = end[1];
	return pid;
}

static void measure_kafka(const char *encoding) {
	char at[128], spec[256], name[64];
	int stop;
	const pid_t pid = broker(at, sizeof(at), &stop);
	snprintf(spec, sizeof(spec), "kafka://%s/hellos?encoding=%s", at, encoding);
	snprintf(name, sizeof(name), "kafka, %s, a mock broker", encoding);
	measure_link(name, spec, true, 0);
	close(stop);
	waitpid(pid, NULL, 0);
}
#endif

// --- deliveries ---------------------------------------------------------------------------------

static struct ht_delivery *delivery(const char *spec) {
	struct ht_sink_options *const o = options_of(spec);
	const struct ht_delivery_params p = {
		.ops = ht_link_of(o->to),
		.options = o,
		.kinds = HT_KIND_HELLO,
		.threaded = true,
		.run = 1,
	};
	struct ht_delivery *d;
	char err[256];
	need(ht_delivery_new(&d, &p, err, sizeof(err)) == HT_OK && ht_delivery_start(d), err);
	free(o);
	return d;
}

// deliver puts records and waits for the end. It tells the least that a slice took the putter, and
// gives `all` what all threads took.
static double deliver(const char *spec, uint64_t num, double *all, uint64_t counts[]) {
	struct ht_record r;
	fill(&r);
	double least = 1e18;
	const double start = cpu_of_all();
	struct ht_delivery *const d = delivery(spec);
	for (uint64_t n = 0; n < num; n += SLICE_RECORDS) {
		const double begun = cpu_of_thread();
		for (unsigned i = 0; i < SLICE_RECORDS; i++, next(&r))
			ht_delivery_put(d, &r);
		ht_delivery_flush(d);
		const double took = (cpu_of_thread() - begun) / SLICE_RECORDS;
		least = took < least ? took : least;
	}
	ht_delivery_end(d);
	while (!ht_delivery_ended(d))
		usleep(1000);
	*all = (cpu_of_all() - start) / RECORDS;
	memcpy(counts, ht_delivery_count(d), HT_DELIVERY_NUM_CTRS * sizeof(counts[0]));
	need(ht_delivery_balanced(counts) && counts[HT_DELIVERY_LOST] == 0, "records were lost");
	ht_delivery_free(d);
	return least;
}

static void measure_delivery(void) {
	char path[256], spec[300];
	uint64_t counts[HT_DELIVERY_NUM_CTRS];
	double all;
	in_folder(path, sizeof(path), "delivery");
	snprintf(spec, sizeof(spec), "json:%s?when_full=block", path);
	const double least = deliver(spec, RECORDS, &all, counts);
	unlink(path);
	print_row(
		"queue and thread, json, file", least, all,
		(double)counts[HT_DELIVERY_BYTES] / RECORDS, 0, 0
	);
}

static uint64_t bytes_found;

static int add(const char *path, const struct stat *st, int type, struct FTW *at) {
	(void)path;
	(void)at;
	bytes_found += type == FTW_F ? (uint64_t)st->st_size : 0;
	return 0;
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *at) {
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

// A collector that is away while records come, and there in the next run.
static void measure_spool(void) {
	char path[256], spec[400];
	uint64_t counts[HT_DELIVERY_NUM_CTRS];
	double all;
	uint16_t port;
	in_folder(path, sizeof(path), "spool");
	const int away = listen_at(&port, false);
	snprintf(
		spec, sizeof(spec),
		"ipfix+tcp://127.0.0.1:%u?when_full=block&spool=%s&spool_mib=4096&linger_s=600",
		port, path
	);
	const double least = deliver(spec, RECORDS, &all, counts);
	need(counts[HT_DELIVERY_SPOOL_LEFT] == RECORDS && nftw(path, add, 8, FTW_PHYS) == 0,
	     "not all in the spool");
	print_row("queue, thread and spool", least, all, (double)bytes_found / RECORDS, 0, 0);
	need(listen(away, 1) == 0, "no socket");
	const pid_t reader = drain(away);
	close(away);
	(void)deliver(spec, 0, &all, counts);
	waitpid(reader, NULL, 0);
	need(counts[HT_DELIVERY_DELIVERED] == RECORDS, "not all delivered");
	print_row(
		"out of the spool, IPFIX", all, all, (double)counts[HT_DELIVERY_BYTES] / RECORDS, 0,
		0
	);
	(void)nftw(path, drop, 8, FTW_PHYS | FTW_DEPTH);
}

int main(int argc, char **argv) {
	if (argc > 1)
		folder = argv[1];
	print_head();
	measure_file("json", 0.5);
	measure_file("csv", 0);
	measure_file("table", 0);
	measure_protobuf();
	measure_ipfix("ipfix, TCP", "", 1);
	measure_ipfix(
		"ipfix, all profiles, TCP", "?pen=64512&profiles=flowmon,cesnet,cert,ntop", 0
	);
#if HT_HAVE_KAFKA
	measure_kafka("json");
	measure_kafka("protobuf");
#else
	puts("kafka: built without it");
#endif
	measure_delivery();
	if (HT_HAVE_IPFIX && HT_HAVE_PROTOBUF)
		measure_spool();
	return 0;
}
