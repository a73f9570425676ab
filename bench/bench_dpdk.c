// SPDX-License-Identifier: BSD-3-Clause
// What a frame costs a DPDK worker: loops over a net_pcap device that repeats a capture for ever,
// in turn, so that whatever else the machine does hits all of them alike.
//
//   receive   frames are received and freed: the floor
//   rewrite   the same, and each frame is made part of the flow that is its (dpdk_source.h), as in
//             all that follow
//   headers   the same, and the headers are read up to ports, with a symmetric hash of them: the
//             reference
//   sensor    the same as "rewrite", and the frames go through ht_sensor_run; records are looked at
//             and dropped
//
//   bench_dpdk EAL-OPTIONS -- --capture FILE | --flood syn|udp [OPTION...]
//
// With --swaps N, the loop "sensor" instead, whose hellos are matched with watchlists: by itself,
// and while N sets of them take each other's place. Each set has a label of its own, and a match of
// an older one than was said to be in force is an error.
//
// Ends 1 when the sensor does not find exactly the hellos that were sent, or its ledger does not
// balance.

#include "bench.h"
#include "dpdk_source.h"
#include "ht_config.h"
#include "sensor.h"
#include "watchlist.h"

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_hash_crc.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define BURST 32
#define ROUNDS_MAX 64
#define WORKERS_MAX 8
#define PORT 0

enum loop { RECEIVE, REWRITE, HEADERS, SENSOR, NUM_LOOPS, FILL };
static const char *const loop_name[NUM_LOOPS] = {"receive", "rewrite", "headers", "sensor"};

struct result {
	uint64_t frames, tsc;
};

struct worker {
	struct source source;
	struct ht_sensor *sensor;
	uint16_t queue;
	uint32_t next; // frame of the turn that comes next
	uint32_t turn; // of the sensor
	uint64_t hash; // so that nothing is left out by the compiler
	// Of the sensor: what it was given, and what it gave.
	uint64_t frames, hellos, records, whole, bare;

	// With --swaps: its number in the slot, what is in force, and hellos that matched no set or
	// one that was not in force any more.
	unsigned number;
	const struct ht_watchlists *set;
	uint64_t unmatched, stale, ctr[HT_WATCHLIST_NUM_CTRS];

	// What to do next.
	enum loop loop;
	uint32_t turns;
	struct result result;
} __attribute__((aligned(64)));

static struct {
	const char *capture, *flood;
	unsigned rounds, workers, each;
	uint64_t flows;
	double seconds;
	uint32_t max_flows, swaps;
	const char *loop;
} opt = {.rounds = 7, .workers = 1, .flows = 10000, .seconds = 0.5};

static struct worker workers[WORKERS_MAX];
static struct ht_watchlist_slot *slot; // NULL: no --swaps
static atomic_uint in_force; // number of the set that was said to be
static uint64_t tsc_hz;

// --- loops --------------------------------------------------------------------------------------

// What anything that looks at flows has to do: headers up to the ports, and one hash for both
// directions.
static inline uint32_t touch_headers(const uint8_t *p) {
	uint32_t at = 14, type = ht_be16(p + 12), proto;
	if (type == 0x8100) {
		type = ht_be16(p + 16);
		at = 18;
	}
	uint64_t a[2] = {0}, b[2] = {0};
	if (type == 0x0800) {
		uint32_t x, y;
		memcpy(&x, p + at + 12, 4);
		memcpy(&y, p + at + 16, 4);
		a[0] = x;
		b[0] = y;
		proto = p[at + 9];
		at += (p[at] & 15u) * 4;
	} else if (type == 0x86dd) {
		memcpy(a, p + at + 8, 16);
		memcpy(b, p + at + 24, 16);
		proto = p[at + 6];
		at += 40;
	} else {
		return 0;
	}
	if (proto != 6 && proto != 17)
		return 0;
	uint16_t sport, dport;
	memcpy(&sport, p + at, 2);
	memcpy(&dport, p + at + 2, 2);
	const uint32_t from = rte_hash_crc_8byte(a[0], rte_hash_crc_8byte(a[1], sport));
	const uint32_t to = rte_hash_crc_8byte(b[0], rte_hash_crc_8byte(b[1], dport));
	return rte_hash_crc_4byte(from ^ to, proto);
}

// Cycles of the TSC for which this thread had a CPU: others may want it, too. (Where nobody does,
// it is the same as the TSC.)
static uint64_t cpu_tsc(void) {
	return (uint64_t)(cpu_of_thread() * 1e-9 * (double)tsc_hz);
}

static struct ht_frame frame_of(const uint8_t *p, uint32_t len, int64_t ts) {
	return (struct ht_frame){
		.data = p,
		.caplen = len,
		.len = len,
		.ts = ts,
		.linktype = 1,
		.ts_is_ns = true,
	};
}

// The loops differ in `loop` alone, which the compiler knows in each.
static inline __attribute__((always_inline)) void run_loop(struct worker *w, const enum loop loop) {
	const struct source *const s = &w->source;
	const double ns = 1e9 / (double)tsc_hz;
	struct rte_mbuf *mbuf[BURST];
	struct ht_frame frame[BURST];
	uint32_t left = w->turns, turn = loop == SENSOR ? w->turn : 0, hash = 0;
	const uint64_t begin = cpu_tsc();
	while (left > 0) {
		const uint32_t room = s->num_frames - w->next;
		const uint16_t n = rte_eth_rx_burst(
			PORT, w->queue, mbuf, (uint16_t)(room < BURST ? room : BURST)
		);
		const int64_t ts = (int64_t)((double)rte_rdtsc() * ns);
		unsigned given = 0;
		for (unsigned i = 0; i < n; i++) {
			uint8_t *const p = rte_pktmbuf_mtod(mbuf[i], uint8_t *);
			const struct source_frame *const f = &s->frames[w->next + i];
			if (loop != RECEIVE)
				source_write(s, f, p, turn);
			if (loop == HEADERS)
				hash ^= touch_headers(p);
			// Of a flow that began before the bench did there is nothing to see.
			if (loop != SENSOR || (int32_t)(turn - f->back) < 0)
				continue;
			frame[given++] = frame_of(p, mbuf[i]->data_len, ts);
			w->hellos += f->whole;
		}
		if (loop == SENSOR) {
			if (slot != NULL)
				w->set = ht_watchlist_use(slot, w->number);
			ht_sensor_run(w->sensor, frame, given);
			w->frames += given;
		}
		rte_pktmbuf_free_bulk(mbuf, n);
		w->next += n;
		if (w->next == s->num_frames) {
			w->next = 0;
			turn++;
			left--;
		}
	}
	w->result = (struct result){(uint64_t)w->turns * s->num_frames, cpu_tsc() - begin};
	if (loop == SENSOR)
		w->turn = turn;
	if (loop == SENSOR && slot != NULL) {
		ht_watchlist_quiet(slot, w->number);
		w->set = NULL;
	}
	w->hash += hash;
}

// Turns without a device and without the data of flows that are decided: so there are millions of
// flows within seconds.
static void fill(struct worker *w) {
	const struct source *const s = &w->source;
	struct ht_frame frame[BURST];
	unsigned n = 0;
	for (const uint32_t end = w->turn + w->turns; w->turn < end; w->turn++) {
		const int64_t ts = (int64_t)((double)rte_rdtsc() * 1e9 / (double)tsc_hz);
		for (uint32_t i = 0; i < s->num_early; i++) {
			const struct source_copy *const e = &s->early[i];
			const struct source_frame *const f = &s->frames[e->frame];
			if ((int32_t)(w->turn - f->back) >= 0) {
				source_write(s, f, e->bytes, w->turn);
				frame[n++] = frame_of(e->bytes, e->len, ts);
				w->hellos += f->whole;
			}
			if (n == BURST || i + 1 == s->num_early) {
				ht_sensor_run(w->sensor, frame, n);
				w->frames += n;
				n = 0;
			}
		}
	}
}

static int work(void *arg) {
	struct worker *w = arg;
	switch (w->loop) {
	case RECEIVE:
		run_loop(w, RECEIVE);
		break;
	case REWRITE:
		run_loop(w, REWRITE);
		break;
	case HEADERS:
		run_loop(w, HEADERS);
		break;
	case SENSOR:
		run_loop(w, SENSOR);
		break;
	default:
		fill(w);
		break;
	}
	return 0;
}

// The first `num` workers run `loop` at the same time. Millions of frames a second of CPU time, all
// of them.
static double run(enum loop loop, uint32_t turns, unsigned num) {
	unsigned i = 0, lcore;
	RTE_LCORE_FOREACH_WORKER(lcore) {
		if (i == num)
			break;
		workers[i].loop = loop;
		workers[i].turns = turns;
		need(rte_eal_remote_launch(work, &workers[i], lcore) == 0, "a worker is busy");
		i++;
	}
	need(i == num, "fewer lcores than workers");
	// rte_eal_mp_wait_lcore alone would spin, on a core that somebody needs.
	RTE_LCORE_FOREACH_WORKER(lcore)
	while (rte_eal_get_lcore_state(lcore) == RUNNING)
		usleep(1000);
	rte_eal_mp_wait_lcore();
	double rate = 0;
	for (i = 0; i < num; i++) {
		const struct result *r = &workers[i].result;
		rate += (double)r->frames / (double)r->tsc * (double)tsc_hz / 1e6;
	}
	return rate;
}

// --- setting up ---------------------------------------------------------------------------------

// Every hello has an address, and so each set matches it, by a label that is the set's number.
static void match(struct worker *w, const struct ht_record *r) {
	struct ht_watchlist_match m;
	const struct ht_watchlist_query q = {
		.sni = r->has & HT_HAS(sni) ? r->sni : HT_SPAN_EMPTY,
		.alpn = r->has & HT_HAS(alpn) ? r->alpn : HT_SPAN_EMPTY,
		.ja3 = r->has & HT_HAS(ja3) ? r->ja3 : HT_SPAN_EMPTY,
		.ja4 = r->has & HT_HAS(ja4) ? r->ja4 : HT_SPAN_EMPTY,
		.src_ip = r->src_ip,
		.dst_ip = r->dst_ip,
		.src_port = r->src_port,
		.dst_port = r->dst_port,
	};
	if (ht_watchlist_match(w->set, w->number, &q, &m, 1, w->ctr) == 0) {
		w->unmatched++;
		return;
	}
	w->stale += strtoul(m.label, NULL, 10) < atomic_load(&in_force);
}

// Counts, and looks whether what a whole hello must have is there.
static void look(void *user, struct ht_record *r) {
	static const ht_fieldset all = HT_HAS(ts) | HT_HAS(src_ip) | HT_HAS(dst_port)
				       | HT_HAS(community_id) | HT_HAS(complete) | HT_HAS(sni)
				       | HT_HAS(ciphers) | HT_HAS(extensions) | HT_HAS(ja3)
				       | HT_HAS(ja4);
	struct worker *w = user;
	w->records++;
	if (w->set != NULL)
		match(w, r);
	if (!r->complete)
		return;
	w->whole++;
	w->bare += (r->has & all) != all;
}

static void device(void) {
	char args[64 * WORKERS_MAX];
	size_t n = 0;
	uint32_t frames = 0;
	for (unsigned i = 0; i < opt.workers; i++) {
		n += (size_t)snprintf(
			args + n, sizeof(args) - n, "rx_pcap=/proc/self/fd/%d,",
			workers[i].source.fd
		);
		if (workers[i].source.num_frames > frames)
			frames = workers[i].source.num_frames;
	}
	snprintf(args + n, sizeof(args) - n, "infinite_rx=1");
	need(rte_eal_hotplug_add("vdev", "net_pcap0", args) == 0, "net_pcap");
	const struct rte_eth_conf conf = {0};
	need(rte_eth_dev_configure(PORT, (uint16_t)opt.workers, 0, &conf) == 0, "configure");
	for (unsigned i = 0; i < opt.workers; i++) {
		char name[32];
		snprintf(name, sizeof(name), "frames%u", i);
		struct rte_mempool *pool = rte_pktmbuf_pool_create(
			name, frames + 4096, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY
		);
		need(pool != NULL, "too few huge pages");
		need(rte_eth_rx_queue_setup(PORT, (uint16_t)i, 1024, SOCKET_ID_ANY, NULL, pool)
			     == 0,
		     "a queue");
	}
	need(rte_eth_dev_start(PORT) == 0, "start");
}

static uint64_t resident(void) {
	FILE *f = fopen("/proc/self/statm", "r");
	uint64_t size = 0, pages = 0;
	need(f != NULL && fscanf(f, "%" SCNu64 "%" SCNu64, &size, &pages) == 2, "/proc/self/statm");
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

// Core cycles for one of the TSC: a chain of additions, one a cycle.
static double core_cycles(void) {
#ifdef __x86_64__
	double best = 0;
	for (unsigned k = 0; k < 20; k++) {
		uint64_t x = 1, n = 200000;
		const uint64_t begin = rte_rdtsc();
		for (uint64_t i = 0; i < n; i++)
			__asm__ volatile("add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n"
					 "add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n"
					 : "+r"(x));
		const double r = (double)(8 * n) / (double)(rte_rdtsc() - begin);
		if (r > best)
			best = r;
	}
	return best;
#else
	return 1;
#endif
}

// --- results ------------------------------------------------------------------------------------

#define SERIES_MAX 4096

struct series {
	double v[SERIES_MAX];
	unsigned num;
};

static void add(struct series *s, double v) {
	s->v[s->num++] = v;
}

static double median(struct series *s) {
	qsort(s->v, s->num, sizeof(s->v[0]), by_value);
	return s->num % 2 ? s->v[s->num / 2] : (s->v[s->num / 2 - 1] + s->v[s->num / 2]) / 2;
}

static void print_row(const char *name, struct series *s, double core, bool hellos, unsigned num) {
	const struct source *t = &workers[0].source;
	const double m = median(s), tsc = (double)tsc_hz / 1e6 * num / m;
	printf("%-12s %7.2f %7.2f -%7.2f %7.1f %8.1f %8.1f", name, m, s->v[0], s->v[s->num - 1],
	       m * 8e-3 * (double)t->bytes / t->num_frames, tsc, tsc * core);
	if (hellos && t->hellos > 0)
		printf(" %9.3f", m * t->hellos / t->num_frames);
	putchar('\n');
}

// Two series round by round: the median of their ratio.
static double ratio(const struct series *a, const struct series *b, double (*f)(double, double)) {
	struct series r = {.num = 0};
	for (unsigned i = 0; i < a->num; i++)
		add(&r, f(a->v[i], b->v[i]));
	return median(&r);
}

static double over(double a, double b) {
	return a / b;
}

static bool check(struct worker *w, unsigned i) {
	ht_sensor_finish(w->sensor);
	const uint64_t *c = ht_sensor_counters(w->sensor);
	const char *unbalanced = ht_ledger_balance(c);
	bool ok = true;
#define WANT(what, got, want) \
	do { \
		if ((got) != (want)) { \
			fprintf(stderr, "worker %u: %s: %" PRIu64 ", not %" PRIu64 "\n", i, what, \
				(uint64_t)(got), (uint64_t)(want)); \
			ok = false; \
		} \
	} while (0)
	WANT("frames", c[HT_CTR_FRAMES], w->frames);
	WANT("whole hellos", c[HT_CTR_HELLOS_COMPLETE], w->hellos);
	WANT("whole records", w->whole, w->hellos);
	WANT("whole records that lack something", w->bare, 0u);
	WANT("records without a match", w->unmatched, 0u);
	WANT("records with a match of an old set", w->stale, 0u);
	// Those of which the bench sent no end.
	WANT("other hellos", c[HT_CTR_HELLOS_BEGUN] - w->hellos, c[HT_CTR_HELLO_END_OF_CAPTURE]);
#undef WANT
	if (unbalanced != NULL)
		fprintf(stderr, "worker %u: the ledger's %s do not balance\n", i, unbalanced);
	printf("worker %u: %" PRIu64 " frames, %" PRIu64 " hellos sent, %" PRIu64
	       " whole records; flows %" PRIu64 ", of them undecided ones given up %" PRIu64
	       "; mid-stream %" PRIu64 "; ledger %s\n",
	       i, w->frames, w->hellos, w->whole, c[HT_CTR_FLOWS_BEGUN], c[HT_CTR_FLOWS_EVICTED],
	       c[HT_CTR_STREAM_MID_STREAM], unbalanced == NULL ? "balanced" : "NOT balanced");
	return ok && unbalanced == NULL;
}

// --- watchlists ---------------------------------------------------------------------------------

#define NAMES 10000u

static struct {
	atomic_bool done;
	uint64_t most_us; // the longest wait for the workers
} swaps;

// A set that every hello matches, with names and expressions beside it.
static struct ht_watchlists *make_set(unsigned number) {
	static char text[NAMES * 32 + 4096];
	static struct ht_watchlist_report rep;
	const struct ht_watchlist_params p = {.workers = opt.workers};
	struct ht_watchlists *w;
	char *to = text + sprintf(text, "0.0.0.0/0 %u\n::/0 %u\n", number, number);
	for (unsigned i = 0; i < NAMES; i++)
		to += sprintf(to, "host%u.example.net\n", i);
#if HT_HAVE_HYPERSCAN
	for (unsigned i = 0; i < 20; i++)
		to += sprintf(to, "/^x%u[0-9]{4}\\.(com|net)$/\n", i);
#endif
	const struct ht_span all = HT_SPAN(text, (size_t)(to - text));
	need(ht_watchlists_load_text(&w, "bench", all, &p, &rep) == HT_OK && rep.num == 0,
	     "a list is refused");
	return w;
}

static void *swap(void *arg) {
	(void)arg;
	for (unsigned i = 1; i <= opt.swaps; i++) {
		struct ht_watchlists *const w = make_set(i);
		const uint64_t begin = rte_rdtsc();
		need(ht_watchlist_publish(slot, w, 10000) == HT_OK, "a worker hangs");
		const uint64_t us
			= (uint64_t)((double)(rte_rdtsc() - begin) / (double)tsc_hz * 1e6);
		atomic_store(&in_force, i);
		swaps.most_us = us > swaps.most_us ? us : swaps.most_us;
	}
	atomic_store(&swaps.done, true);
	return NULL;
}

// The rates of rounds without a swap and of those with them, and that nothing is missing.
static bool run_swaps(uint32_t turns) {
	static struct series still, swapped;
	pthread_t thread;
	bool ok = true;
	slot = ht_watchlist_slot_new(opt.workers);
	need(slot != NULL && ht_watchlist_publish(slot, make_set(0), 0) == HT_OK, "no slot");
	const uint64_t before = resident();
	for (unsigned r = 0; r < opt.rounds; r++)
		add(&still, run(SENSOR, turns, opt.workers));
	need(pthread_create(&thread, NULL, swap, NULL) == 0, "no thread");
	while (!atomic_load(&swaps.done) && swapped.num < SERIES_MAX)
		add(&swapped, run(SENSOR, turns, opt.workers));
	pthread_join(thread, NULL);
	const double grown = (double)resident() - (double)before;
	const double a = median(&still), b = median(&swapped);
	for (unsigned i = 0; i < opt.workers; i++) {
		ok &= check(&workers[i], i);
		ht_sensor_free(workers[i].sensor);
		source_free(&workers[i].source);
	}
	printf("%u swaps: %.2f Mpps meanwhile (%.2f to %.2f), %.2f without (%.2f to %.2f); "
	       "a set was in force %.1f ms at most after it was published; %.1f MB more than "
	       "before\n",
	       opt.swaps, b, swapped.v[0], swapped.v[swapped.num - 1], a, still.v[0],
	       still.v[still.num - 1], (double)swaps.most_us / 1e3, grown / 1e6);
	printf("RESULT swap_ratio=%.3f\n", b / a);
	ht_watchlist_slot_free(slot);
	return ok;
}

// What to end with.
static int close_device(bool ok) {
	fflush(stdout);
	rte_eth_dev_stop(PORT);
	rte_eth_dev_close(PORT);
	rte_eal_cleanup();
	return ok ? 0 : 1;
}

static int usage(void) {
	fputs("usage: bench_dpdk EAL-OPTIONS -- --capture FILE | --flood syn|udp\n"
	      "  --flows N        flows in progress at a time (default 10000)\n"
	      "  --each N         frames a flow, on average (default: as in the capture)\n"
	      "  --max-flows N    room in the sensor's table (default: enough for --flows)\n"
	      "  --workers N      also all N of them at a time (default 1)\n"
	      "  --loop NAME      this loop alone, for a profiler\n"
	      "  --swaps N        with watchlists, of which N sets take each other's place\n"
	      "  --rounds N       of all loops in turn (default 7)\n"
	      "  --seconds S      for each loop in a round (default 0.5)\n",
	      stderr);
	return 2;
}

static bool options(int argc, char **argv) {
	if (argc % 2 == 0)
		return false;
	for (int i = 1; i < argc; i += 2) {
		const char *name = argv[i], *v = argv[i + 1];
		if (strcmp(name, "--capture") == 0)
			opt.capture = v;
		else if (strcmp(name, "--flood") == 0)
			opt.flood = v;
		else if (strcmp(name, "--flows") == 0)
			opt.flows = strtoull(v, NULL, 10);
		else if (strcmp(name, "--each") == 0)
			opt.each = (unsigned)strtoul(v, NULL, 10);
		else if (strcmp(name, "--max-flows") == 0)
			opt.max_flows = (uint32_t)strtoul(v, NULL, 10);
		else if (strcmp(name, "--workers") == 0)
			opt.workers = (unsigned)strtoul(v, NULL, 10);
		else if (strcmp(name, "--loop") == 0)
			opt.loop = v;
		else if (strcmp(name, "--swaps") == 0)
			opt.swaps = (uint32_t)strtoul(v, NULL, 10);
		else if (strcmp(name, "--rounds") == 0)
			opt.rounds = (unsigned)strtoul(v, NULL, 10);
		else if (strcmp(name, "--seconds") == 0)
			opt.seconds = strtod(v, NULL);
		else
			return false;
	}
	return (opt.capture != NULL) != (opt.flood != NULL) && opt.rounds > 0
	       && opt.rounds <= ROUNDS_MAX && opt.workers > 0 && opt.workers <= WORKERS_MAX
	       && opt.flows > 0 && opt.seconds > 0;
}

int main(int argc, char **argv) {
	const int eal = rte_eal_init(argc, argv);
	need(eal >= 0, "EAL");
	if (!options(argc - eal, argv + eal))
		return usage();
	tsc_hz = rte_get_tsc_hz();
	for (unsigned i = 0; i < opt.workers; i++) {
		struct source *s = &workers[i].source;
		if (opt.capture != NULL)
			source_capture(s, opt.capture, i, opt.workers, opt.flows, opt.each);
		else
			source_flood(s, strcmp(opt.flood, "udp") == 0);
		workers[i].queue = (uint16_t)i;
		workers[i].number = i;
	}
	device();
	const struct source *s = &workers[0].source;

	// Flows that have ended stay in the table until others take their place, so there is room
	// for half as many again.
	struct ht_sensor_params params;
	ht_sensor_defaults(&params);
	const uint64_t room = opt.flows + opt.flows / 2;
	params.max_flows = opt.max_flows != 0	     ? opt.max_flows
			   : room < params.max_flows ? params.max_flows
						     : (uint32_t)room;
	params.secret[0] = rte_rdtsc() * 0x9e3779b97f4a7c15u;
	params.secret[1] = ~params.secret[0];
	params.emit = look;
	const uint64_t before = resident();
	for (unsigned i = 0; i < opt.workers; i++) {
		params.user = &workers[i];
		workers[i].sensor = ht_sensor_new(&params);
		need(workers[i].sensor != NULL, "no memory for a sensor");
	}

	run(REWRITE, 2, 1);
	const double tsc_turn = (double)workers[0].result.tsc / 2;
	uint32_t turns[NUM_LOOPS];
	for (unsigned l = 0; l < NUM_LOOPS; l++)
		turns[l] = (uint32_t)(opt.seconds * (double)tsc_hz / tsc_turn) + 1;
	// Until flows begin and end alike, and for those that have ended to fill the table.
	run(FILL, s->turns + s->turns * 3 / 4 + 1, opt.workers);
	run(SENSOR, 2, opt.workers);
	turns[SENSOR] = turns[SENSOR] / 3 + 1; // about as long as the others
	const double core = core_cycles();

	printf("%s: a turn of %" PRIu32 " frames, %.0f bytes each, %" PRIu32 " flows, %" PRIu32
	       " hellos (%.2f %%); %" PRIu64 " flows at a time, room for %" PRIu32
	       "; TSC %.3f GHz, core %.2f GHz\n",
	       opt.capture != NULL ? opt.capture : opt.flood, s->num_frames,
	       (double)s->bytes / s->num_frames, s->num_flows, s->hellos,
	       100.0 * s->hellos / s->num_frames, s->concurrent, params.max_flows,
	       (double)tsc_hz / 1e9, (double)tsc_hz / 1e9 * core);
	for (unsigned l = 0; l < NUM_LOOPS && opt.loop != NULL; l++)
		if (strcmp(opt.loop, loop_name[l]) == 0) {
			printf("%.2f Mpps\n", run(l, opt.rounds * turns[l], 1));
			return 0;
		}
	if (opt.swaps > 0)
		return close_device(run_swaps(turns[SENSOR]));
	static struct series rate[NUM_LOOPS], many[NUM_LOOPS];
	for (unsigned r = 0; r < opt.rounds; r++)
		for (unsigned l = 0; l < NUM_LOOPS; l++) {
			add(&rate[l], run(l, turns[l], 1));
			if (opt.workers > 1 && l >= HEADERS)
				add(&many[l], run(l, turns[l], opt.workers));
		}

	printf("%-12s %7s %16s %7s %8s %8s %9s\n", "", "Mpps", "least - most", "Gb/s", "tsc/fr",
	       "core/fr", "Mhello/s");
	const double half = ratio(&rate[SENSOR], &rate[HEADERS], over);
	double more[NUM_LOOPS] = {0};
	for (unsigned l = HEADERS; l < NUM_LOOPS && opt.workers > 1; l++)
		more[l] = ratio(&many[l], &rate[l], over);
	for (unsigned l = 0; l < NUM_LOOPS; l++)
		print_row(loop_name[l], &rate[l], core, l == SENSOR, 1);
	for (unsigned l = HEADERS; l < NUM_LOOPS && opt.workers > 1; l++) {
		char name[32];
		snprintf(name, sizeof(name), "%s x%u", loop_name[l], opt.workers);
		print_row(name, &many[l], core, l == SENSOR, opt.workers);
	}
	double tsc[NUM_LOOPS];
	for (unsigned l = 0; l < NUM_LOOPS; l++)
		tsc[l] = (double)tsc_hz / 1e6 / median(&rate[l]);
	printf("sensor: %.3f of the rate of headers; without receiving and rewriting %.1f tsc a "
	       "frame against %.1f\n",
	       half, tsc[SENSOR] - tsc[REWRITE], tsc[HEADERS] - tsc[REWRITE]);
	for (unsigned l = HEADERS; l < NUM_LOOPS && opt.workers > 1; l++)
		printf("%s: %u workers give %.2f of one\n", loop_name[l], opt.workers, more[l]);
	const double memory = (double)(resident() - before);
	const double flow_bytes
		= s->concurrent == 0 ? 0 : memory / (double)s->concurrent / opt.workers;
	if (s->concurrent > 0)
		printf("memory: %.1f MB resident, %.1f bytes a flow in progress\n", memory / 1e6,
		       flow_bytes);

	bool ok = true;
	for (unsigned i = 0; i < opt.workers; i++) {
		ok &= check(&workers[i], i);
		ht_sensor_free(workers[i].sensor);
		source_free(&workers[i].source);
	}
	printf("RESULT sensor_tsc=%.1f ratio=%.3f mpps=%.2f flow_bytes=%.1f", tsc[SENSOR], half,
	       median(&rate[SENSOR]), flow_bytes);
	if (opt.workers > 1)
		printf(" scale=%.3f", more[SENSOR]);
	putchar('\n');
	return close_device(ok);
}
