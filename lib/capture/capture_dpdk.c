// SPDX-License-Identifier: BSD-3-Clause
// What a worker does with its queues: a burst in, whose is it, lend, free.

#include "capture_dpdk_int.h"

#include <rte_cycles.h>
#include <rte_epoll.h>
#include <rte_ethdev.h>
#include <rte_pause.h>

#include <stdio.h>
#include <time.h>

#define LINKTYPE_ETHERNET 1
#define AHEAD 4 // frames of a burst, whose first bytes are asked for

static struct worker *of(struct ht_capture *c) {
	return (struct worker *)c;
}

static const struct worker *of_const(const struct ht_capture *c) {
	return (const struct worker *)c;
}

// --- time ---------------------------------------------------------------------------------------

// A step of the host's clock that is none of drift.
#define STEP_NS 1000000000

static int64_t realtime_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void clock_look(struct tsc_clock *c) {
	c->base_ns = realtime_ns();
	c->base_tsc = rte_rdtsc();
	c->until_tsc = c->base_tsc + rte_get_tsc_hz();
	c->ns_per_tick = 1e9 / (double)rte_get_tsc_hz();
}

static int64_t clock_now(struct tsc_clock *c) {
	uint64_t tsc = rte_rdtsc();
	if (HT_UNLIKELY(tsc >= c->until_tsc)) {
		clock_look(c);
		tsc = c->base_tsc;
	}
	const int64_t now = c->base_ns + (int64_t)((double)(tsc - c->base_tsc) * c->ns_per_tick);
	// A small step back is the two clocks' drift, and not shown. After a large one somebody has
	// set the host's clock: it counts.
	if (now > c->last || c->last - now > STEP_NS)
		c->last = now;
	return c->last;
}

// The device's clock is looked at beside the host's once a second. How fast it goes is told by what
// it and the TSC have gone since the first look; until the second one the host's is taken. An error
// of a microsecond in a look is then 1 ppm of the first second, and less of every later one.
static void device_look(struct device_clock *c, uint16_t port, struct tsc_clock *clock) {
	uint64_t ticks;
	const int64_t now = clock_now(clock);
	const uint64_t tsc = rte_rdtsc();
	c->base_ns = now;
	if (rte_eth_read_clock(port, &ticks) != 0)
		return;
	if (c->first_tsc == 0) {
		c->first_tsc = tsc;
		c->first_ticks = ticks;
	} else if (ticks > c->first_ticks) {
		c->ns_per_tick = (double)(tsc - c->first_tsc) * clock->ns_per_tick
				 / (double)(ticks - c->first_ticks);
	}
	c->base_ticks = ticks;
}

static int64_t device_ns(struct worker *w, unsigned i, uint64_t ticks, int64_t now) {
	struct device_clock *c = &w->device[i];
	if (HT_UNLIKELY(now - c->base_ns >= 1000000000 || now < c->base_ns))
		device_look(c, w->d->port[i].id, &w->clock);
	if (c->ns_per_tick <= 0)
		return now;
	return c->base_ns + (int64_t)((double)(int64_t)(ticks - c->base_ticks) * c->ns_per_tick);
}

int64_t ht_dpdk_now(const struct ht_capture *c) {
	const struct ht_dpdk *d = of_const(c)->d;
	for (unsigned i = 0; i < d->num_ports; i++)
		if (!d->port[i].forever)
			return INT64_MIN;
	return realtime_ns();
}

// --- reading ------------------------------------------------------------------------------------

static inline int64_t *handed_time(const struct ht_dpdk *d, struct rte_mbuf *m) {
	return RTE_MBUF_DYNFIELD(m, d->handed_time, int64_t *);
}

static int64_t
time_of_frame(struct worker *w, const struct rte_mbuf *m, unsigned port, int64_t now) {
	const struct ht_dpdk *d = w->d;
	if (d->port[port].time == TIME_CLOCK || !(m->ol_flags & d->device_time_flag))
		return now;
	const uint64_t t = *RTE_MBUF_DYNFIELD(m, d->device_time, const rte_mbuf_timestamp_t *);
	return d->port[port].time == TIME_DRIVER_US ? (int64_t)t * 1000
						    : device_ns(w, port, t, now);
}

// A frame in several mbufs, put together at `to`. Returns how many bytes.
static uint32_t join(uint8_t *to, const struct rte_mbuf *m) {
	uint32_t len = 0;
	for (; m != NULL && len < FRAME_MAX; m = m->next) {
		const uint32_t room = FRAME_MAX - len;
		const uint32_t n = m->data_len < room ? m->data_len : room;
		memcpy(to + len, rte_pktmbuf_mtod(m, const uint8_t *), n);
		len += n;
	}
	return len;
}

// `slot` is where a frame of several mbufs is put together.
static void frame_of(
	struct worker *w, struct ht_frame *f, struct rte_mbuf *m, int64_t ts, bool ns, unsigned slot
) {
	f->data = rte_pktmbuf_mtod(m, const uint8_t *);
	f->caplen = m->data_len;
	f->len = m->pkt_len;
	f->ts = ts;
	f->number = 0;
	f->linktype = LINKTYPE_ETHERNET;
	f->ts_is_ns = ns;
	if (HT_UNLIKELY(m->nb_segs > 1)) {
		uint8_t *to = w->joined + (size_t)slot * FRAME_MAX;
		f->caplen = join(to, m);
		f->data = to;
	}
}

static void drop(struct rte_mbuf *m, uint64_t *word) {
	rte_pktmbuf_free(m);
	ht_stats_count(word, 1);
}

static void hand_over(struct worker *w, struct queue *q) {
	for (unsigned i = 0; i < w->d->run.workers; i++) {
		const unsigned num = w->out[i].num;
		if (num == 0)
			continue;
		struct rte_mbuf **m = w->out[i].m;
		const unsigned in = rte_ring_mp_enqueue_burst(
			w->d->worker[i]->inbox, (void *const *)m, num, NULL
		);
		ht_stats_count(&q->ctr[HT_DPDK_HANDED_OVER], in);
		if (HT_UNLIKELY(in < num)) {
			rte_pktmbuf_free_bulk(m + in, num - in);
			ht_stats_count(&q->ctr[HT_DPDK_HANDED_LOST], num - in);
		}
		w->out[i].num = 0;
	}
}

// What a queue gave, sorted: some to lend, some for others, some for nobody. Returns how many.
static unsigned
sort(struct worker *w, struct queue *q, struct rte_mbuf **m, unsigned num, struct ht_frame *f) {
	const unsigned port = (unsigned)(q->port - w->d->port);
	const struct ht_dpdk_run *run = &w->d->run;
	const bool ns = q->port->time != TIME_DRIVER_US;
	const int64_t now = clock_now(&w->clock);
	uint64_t bytes = 0, segmented = 0, too_long = 0;
	unsigned lent = 0;
	for (unsigned i = 0; i < num; i++) {
		if (i + AHEAD < num && (q->asks || w->filter != NULL))
			__builtin_prefetch(rte_pktmbuf_mtod(m[i + AHEAD], const uint8_t *));
		bytes += m[i]->pkt_len;
		segmented += m[i]->nb_segs > 1;
		too_long += m[i]->pkt_len > FRAME_MAX;
		frame_of(w, &f[lent], m[i], time_of_frame(w, m[i], port, now), ns, lent);
		if (w->filter != NULL && !ht_filter_match(w->filter, &f[lent])) {
			drop(m[i], &q->ctr[HT_DPDK_FILTERED]);
			continue;
		}
		unsigned owner = HT_OWNER_SELF;
		if (q->asks)
			owner = run->owner(run->owner_arg[w->index], &f[lent]);
		if (owner == HT_OWNER_NONE) {
			drop(m[i], &q->ctr[HT_DPDK_NOT_OF_INTEREST]);
		} else if (owner == HT_OWNER_SELF || owner == w->index || owner >= q->keeps_from) {
			w->lent[lent++] = m[i];
		} else {
			*handed_time(w->d, m[i]) = f[lent].ts;
			w->out[owner].m[w->out[owner].num++] = m[i];
		}
	}
	if (q->asks)
		hand_over(w, q);
	ht_stats_count(&q->ctr[HT_DPDK_FRAMES], num);
	ht_stats_count(&q->ctr[HT_DPDK_BYTES], bytes);
	ht_stats_count(&q->ctr[HT_DPDK_OWN], lent);
	if (HT_UNLIKELY(segmented > 0)) {
		ht_stats_count(&q->ctr[HT_DPDK_SEGMENTED], segmented);
		ht_stats_count(&q->ctr[HT_DPDK_TOO_LONG], too_long);
	}
	return lent;
}

// What others handed over, behind the `lent` frames that are lent already.
static unsigned take_in(struct worker *w, struct ht_frame *f, unsigned lent, unsigned max_f) {
	struct rte_mbuf **m = &w->lent[lent];
	const unsigned num = rte_ring_sc_dequeue_burst(w->inbox, (void **)m, max_f - lent, NULL);
	for (unsigned i = 0; i < num; i++) {
		const struct ht_dpdk *d = w->d;
		bool ns = true;
		for (unsigned k = 0; k < d->num_ports; k++)
			if (d->port[k].id == m[i]->port)
				ns = d->port[k].time != TIME_DRIVER_US;
		frame_of(w, &f[lent + i], m[i], *handed_time(d, m[i]), ns, lent + i);
	}
	ht_stats_count(&w->handed_in, num);
	return lent + num;
}

// Stopping, the queues are read until they are empty. Where more keeps coming: for a while, and as
// many frames as they can have held, since the thread may have stood still that while.
static bool last_burst(struct worker *w, unsigned num) {
	w->last += num;
	const uint64_t held = (uint64_t)QUEUE_HOLDS * w->d->num_ports;
	if (num > 0 && (rte_rdtsc() < w->d->stop_tsc || w->last < held))
		return false;
	w->done = true;
	atomic_fetch_add_explicit(&w->d->done, 1, memory_order_release);
	return true;
}

static unsigned dpdk_read(struct ht_capture *c, struct ht_frame *f, unsigned max_f) {
	struct worker *w = of(c);
	const struct ht_dpdk *d = w->d;
	const bool stopping = atomic_load_explicit(&d->stopping, memory_order_acquire);
	unsigned num = 0, lent = 0;
	if (max_f > LENT)
		max_f = LENT;
	const unsigned own = max_f < BURST ? max_f : BURST;
	for (unsigned i = 0; i < d->num_ports && num == 0 && !w->done; i++) {
		struct queue *q = &w->queue[w->next];
		if (q->port != NULL)
			num = rte_eth_rx_burst(
				q->port->id, (uint16_t)w->index, w->lent, (uint16_t)own
			);
		if (num > 0)
			lent = sort(w, q, w->lent, num, f);
		if (++w->next == d->num_ports)
			w->next = 0;
	}
	if (HT_UNLIKELY(stopping) && !w->done)
		last_burst(w, num);
	// Behind a full burst of its own, too: a queue that never runs dry must not shut out what
	// others hand over.
	if (w->inbox != NULL && lent < max_f)
		lent = take_in(w, f, lent, max_f);
	w->num_lent = lent;
	return lent;
}

static void dpdk_release(struct ht_capture *c) {
	struct worker *w = of(c);
	rte_pktmbuf_free_bulk(w->lent, w->num_lent);
	w->num_lent = 0;
}

static const char *dpdk_error(const struct ht_capture *c) {
	(void)c;
	return NULL;
}

static void dpdk_stats(const struct ht_capture *c, struct ht_capture_stats *out) {
	const struct worker *w = of_const(c);
	*out = (struct ht_capture_stats){0};
	for (unsigned i = 0; i < w->d->num_ports; i++) {
		uint64_t ctr[HT_NUM_DPDK_COUNTERS] = {0};
		ht_stats_sum(ctr, w->queue[i].ctr, HT_NUM_DPDK_COUNTERS);
		out->frames += ctr[HT_DPDK_FRAMES];
		out->filtered += ctr[HT_DPDK_FILTERED];
		out->bytes_read += ctr[HT_DPDK_BYTES];
	}
}

static bool dpdk_ended(const struct ht_capture *c) {
	const struct worker *w = of_const(c);
	return w->done && ht_dpdk_drained(w->d, w->index);
}

const struct ht_capture_ops ht_capture_dpdk = {
	.name = "dpdk",
	.read = dpdk_read,
	.release = dpdk_release,
	.error = dpdk_error,
	.stats = dpdk_stats,
	.ended = dpdk_ended,
};

bool ht_dpdk_drained(struct ht_dpdk *d, unsigned worker) {
	const struct worker *w = d->worker[worker];
	return atomic_load_explicit(&d->done, memory_order_acquire) == d->run.workers
	       && (w->inbox == NULL || rte_ring_empty(w->inbox));
}

// --- nothing to do
// --------------------------------------------------------------------------------

// Empty reads after which a worker pauses, and after which it sleeps: what comes meanwhile waits in
// the queue, some 10 us a thousand descriptors at full rate.
#define PAUSE_AFTER 16
#define SLEEP_AFTER 1024
#define SLEEP_NS 50000
#define WAIT_MS 10

// For one of any of the worker's queues. A frame that came just before the interrupt was enabled
// may give none: hence WAIT_MS.
static bool wait_for_interrupt(struct worker *w) {
	struct rte_epoll_event e[HT_DPDK_MAX_PORTS];
	bool all = true;
	for (unsigned i = 0; i < w->d->num_ports; i++) {
		struct queue *q = &w->queue[i];
		if (q->port == NULL)
			continue;
		const uint16_t id = q->port->id, n = (uint16_t)w->index;
		if (!q->armed)
			q->armed = rte_eth_dev_rx_intr_ctl_q(
					   id, n, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL
				   )
				   == 0;
		all = all && q->armed && rte_eth_dev_rx_intr_enable(id, n) == 0;
	}
	if (all)
		rte_epoll_wait(RTE_EPOLL_PER_THREAD, e, HT_DPDK_MAX_PORTS, WAIT_MS);
	for (unsigned i = 0; i < w->d->num_ports; i++)
		if (w->queue[i].armed)
			rte_eth_dev_rx_intr_disable(w->queue[i].port->id, (uint16_t)w->index);
	return all;
}

void ht_dpdk_idle(struct ht_capture *c, unsigned empty) {
	struct worker *w = of(c);
	const uint32_t idle = w->d->p->idle;
	if (idle == HT_IDLE_POLL || empty < PAUSE_AFTER)
		return;
	if (idle == HT_IDLE_PAUSE || empty < SLEEP_AFTER) {
		rte_pause();
		return;
	}
	if (w->waits && wait_for_interrupt(w))
		return;
	const struct timespec t = {.tv_nsec = SLEEP_NS};
	nanosleep(&t, NULL);
}
