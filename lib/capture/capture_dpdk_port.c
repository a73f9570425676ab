// SPDX-License-Identifier: BSD-3-Clause
// One DPDK port: what its driver can do, its queues and pools, RSS, its own counters.

#include "capture_dpdk_int.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// A key with a period of 16 bits makes the Toeplitz hash the same for both directions (S. Woo, K.
// Park: Scalable TCP Session Monitoring with Symmetric Receive-side Scaling, 2012).
const uint8_t dpdk_symmetric_key[52] = {
	0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d,
	0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a,
	0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d,
	0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a,
};

// Addresses only; see capture_dpdk.h.
#define HASH_WANTED \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6)
// Ethernet header, two VLAN tags, FCS.
#define FRAME_AROUND (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN)
#define HASH_LEAST (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6)

// net_af_xdp fills a ring of so many mbufs, whatever is asked for.
#define DESCRIPTORS_LEAST 2048u

unsigned pool_frames(const struct ht_dpdk *d, unsigned i) {
	// All that can be away from the pool at a time: the descriptors of the worker's queues,
	// what it holds, what waits in the inboxes of the others, and what lies in the caches of
	// those who free. A long frame takes several mbufs, but for the descriptors: those are one
	// each.
	unsigned n = d->run.workers * POOL_CACHE * 2, each = 1;
	for (unsigned k = 0; k < d->num_ports; k++) {
		const struct port *p = &d->port[k];
		const unsigned mbufs
			= (p->p->mtu + FRAME_AROUND - 1) / RTE_MBUF_DEFAULT_DATAROOM + 1;
		if (i < p->queues)
			n += RTE_MAX(p->p->rx_descriptors, DESCRIPTORS_LEAST);
		if (mbufs > each)
			each = mbufs;
	}
	n += (LENT + BURST) * each;
	return d->hands_over ? n + (d->run.workers - 1) * d->p->inbox_frames * each : n;
}

uint16_t pool_room(const struct ht_dpdk *d) {
	(void)d;
	return RTE_MBUF_DEFAULT_BUF_SIZE; // longer frames come in several
}

// What these drivers say of RSS is not so: net_null hashes nothing, and the kernel spreads what
// comes by net_tap, whatever key is asked for.
static bool hollow_rss(const char *driver) {
	return strcmp(driver, "net_null") == 0 || strcmp(driver, "net_tap") == 0;
}

// These have as many queues as their arguments say, whatever is asked for: qpairs=, rx_pcap=,
// queue_count=. One that nobody reads would lose its frames uncounted.
static bool gives_to_all_queues(const char *driver) {
	return strcmp(driver, "net_af_packet") == 0 || strcmp(driver, "net_pcap") == 0
	       || strcmp(driver, "net_af_xdp") == 0;
}

// The hash types to ask for, 0 when the port cannot spread symmetrically.
static uint64_t
rss_hash(const struct ht_dpdk *d, const struct port *p, const struct rte_eth_dev_info *info) {
	const uint64_t offered = info->flow_type_rss_offloads;
	if (d->p->spread == HT_SPREAD_SOFTWARE || p->queues < 2)
		return 0;
	if ((offered & HASH_LEAST) != HASH_LEAST || info->hash_key_size == 0
	    || info->hash_key_size > sizeof(dpdk_symmetric_key)
	    || (d->p->spread == HT_SPREAD_AUTO && hollow_rss(p->driver)))
		return 0;
	const uint64_t level = p->p->level == HT_LEVEL_INNER   ? RTE_ETH_RSS_LEVEL_INNERMOST
			       : p->p->level == HT_LEVEL_OUTER ? RTE_ETH_RSS_LEVEL_OUTERMOST
							       : RTE_ETH_RSS_LEVEL_PMD_DEFAULT;
	return (offered & HASH_WANTED) | level;
}

// Where addresses alone cannot be hashed (i40e has no type for that), or the workers hand over in
// any case, the NIC may still share out the work of receiving, by whatever it hashes: all queues
// are asked about. Without RSS all frames would come by the first queue.
static uint64_t other_hash(const struct port *p, const struct rte_eth_dev_info *info) {
	if (p->queues < 2 || hollow_rss(p->driver)
	    || info->hash_key_size > sizeof(dpdk_symmetric_key))
		return 0;
	return info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
}

// What to try, the best first: each is asked for without a queue to send by, since a sensor sends
// nothing, and then with, since some drivers want one all the same.
#define MAX_TRIES 4

static unsigned hashes_to_try(
	const struct ht_dpdk *d,
	const struct port *p,
	const struct rte_eth_dev_info *info,
	uint64_t hf[MAX_TRIES]
) {
	const uint64_t ours = rss_hash(d, p, info);
	unsigned num = 0;
	if (ours != 0)
		hf[num++] = ours;
	if (ours & RTE_ETH_RSS_LEVEL_MASK)
		hf[num++] = ours & ~RTE_ETH_RSS_LEVEL_MASK;
	if (d->p->spread == HT_SPREAD_RSS && p->queues > 1)
		return num;
	const uint64_t other = other_hash(p, info);
	if (other != 0)
		hf[num++] = other;
	hf[num++] = 0;
	return num;
}

static int
try(const struct port *p,
    struct rte_eth_conf *conf,
    const struct rte_eth_dev_info *info,
    uint64_t hf) {
	conf->rxmode.mq_mode = hf != 0 ? RTE_ETH_MQ_RX_RSS : RTE_ETH_MQ_RX_NONE;
	conf->rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
		.rss_key
		= info->hash_key_size > 0 ? (uint8_t *)(uintptr_t)dpdk_symmetric_key : NULL,
		.rss_key_len = info->hash_key_size,
		.rss_hf = hf,
	};
	const int rc = rte_eth_dev_configure(p->id, p->queues, 0, conf);
	return rc == 0 ? 0 : rte_eth_dev_configure(p->id, p->queues, p->queues, conf);
}

static void set_length(
	const struct ht_dpdk *d,
	const struct port *p,
	struct rte_eth_conf *conf,
	const struct rte_eth_dev_info *info
) {
	conf->rxmode.mtu = p->p->mtu;
	if (info->max_mtu > 0 && conf->rxmode.mtu > info->max_mtu) {
		dpdk_log(
			d, "%s: mtu %u is more than the driver's %u, which is taken", p->name,
			conf->rxmode.mtu, info->max_mtu
		);
		conf->rxmode.mtu = info->max_mtu;
	}
	if (conf->rxmode.mtu + FRAME_AROUND <= RTE_MBUF_DEFAULT_DATAROOM)
		return; // one buffer holds any frame, and receiving into one is faster
	if (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER)
		conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	else
		dpdk_log(
			d,
			"%s: %s does not say that it can put a frame into several buffers: "
			"frames of more than %u bytes may be lost",
			p->name, p->driver, RTE_MBUF_DEFAULT_DATAROOM
		);
}

static void set_time(
	const struct ht_dpdk *d,
	struct port *p,
	struct rte_eth_conf *conf,
	const struct rte_eth_dev_info *info
) {
	uint64_t ticks;
	p->time = strcmp(p->driver, "net_pcap") == 0 ? TIME_DRIVER_US : TIME_CLOCK;
	if (!d->p->hardware_time || !(info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP)
	    || rte_eth_read_clock(p->id, &ticks) != 0)
		return;
	conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
	p->time = TIME_DEVICE;
}

static enum ht_rc configure(struct ht_dpdk *d, struct port *p, char *err, size_t err_len) {
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	uint64_t hf[MAX_TRIES];
	int rc = rte_eth_dev_info_get(p->id, &info);
	if (rc != 0) {
		snprintf(err, err_len, "%s: no information: %s", p->name, rte_strerror(-rc));
		return HT_ERROR;
	}
	p->driver = info.driver_name;
	const unsigned wanted = p->p->queues > 0 ? p->p->queues : d->run.workers;
	p->queues = (uint16_t)(wanted < info.max_rx_queues ? wanted : info.max_rx_queues);
	if (p->p->queues > p->queues) {
		snprintf(
			err, err_len, "%s: has %u queues, not %u", p->name, info.max_rx_queues,
			p->p->queues
		);
		return HT_ERROR;
	}
	if (gives_to_all_queues(p->driver) && p->queues < info.max_rx_queues) {
		snprintf(
			err, err_len,
			"%s: the device gives frames to %u queues, of which %u would be read: make "
			"it "
			"one of %u, or have as many workers",
			p->name, info.max_rx_queues, p->queues, p->queues
		);
		return HT_ERROR;
	}
	set_length(d, p, &conf, &info);
	set_time(d, p, &conf, &info);
	conf.intr_conf.rxq = p->interrupts;
	const unsigned tries = hashes_to_try(d, p, &info, hf);
	if (tries == 0) {
		snprintf(
			err, err_len, "%s: spread: rss: %s cannot hash addresses symmetrically",
			p->name, p->driver
		);
		return HT_ERROR;
	}
	rc = -EINVAL;
	for (unsigned i = 0; i < tries && rc != 0; i++) {
		rc = try(p, &conf, &info, hf[i]);
		p->hash = hf[i];
	}
	if (rc != 0) {
		snprintf(
			err, err_len, "%s: %s refuses %u queues, mtu %u: %s", p->name, p->driver,
			p->queues, conf.rxmode.mtu, rte_strerror(-rc)
		);
		return HT_ERROR;
	}
	p->opened = true;
	const uint64_t ours = rss_hash(d, p, &info) & ~RTE_ETH_RSS_LEVEL_MASK;
	if (ours == 0 || (p->hash & ~RTE_ETH_RSS_LEVEL_MASK) != ours)
		p->hash = 0; // whatever the NIC hashes, it is not what makes one worker's flows
	else if (p->p->level != HT_LEVEL_DRIVER && !(p->hash & RTE_ETH_RSS_LEVEL_MASK))
		dpdk_log(
			d, "%s: %s does not hash %s headers: the driver's choice is taken", p->name,
			p->driver, p->p->level == HT_LEVEL_INNER ? "inner" : "outer"
		);
	return HT_OK;
}

static enum ht_rc set_up_queues(struct ht_dpdk *d, struct port *p, char *err, size_t err_len) {
	struct rte_eth_dev_info info;
	uint16_t rx = (uint16_t)p->p->rx_descriptors, tx = 512;
	int rc = rte_eth_dev_info_get(p->id, &info);
	if (rc == 0)
		rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &rx, &tx);
	if (rc == 0 && rx != p->p->rx_descriptors)
		dpdk_log(
			d, "%s: %u receive descriptors, by what %s allows", p->name, rx, p->driver
		);
	for (uint16_t i = 0; rc == 0 && i < p->queues; i++)
		rc = rte_eth_rx_queue_setup(
			p->id, i, rx, (unsigned)p->socket, NULL, d->worker[i]->pool
		);
	for (uint16_t i = 0; rc == 0 && i < info.nb_tx_queues; i++)
		rc = rte_eth_tx_queue_setup(p->id, i, tx, (unsigned)p->socket, NULL);
	if (rc != 0) {
		snprintf(
			err, err_len, "%s: its queues cannot be set up: %s", p->name,
			rte_strerror(-rc)
		);
		return HT_ERROR;
	}
	return HT_OK;
}

// What these drivers lose shows in no counter.
static const char *uncounted_loss(const struct port *p) {
	if (strcmp(p->driver, "net_af_packet") == 0)
		return "net_af_packet does not count what it loses (net_pcap's rx_iface= does)";
	if (strcmp(p->driver, "net_af_xdp") == 0 && p->p->rx_descriptors < 2048)
		return "net_af_xdp counts what it loses with 2048 receive descriptors or more only";
	return NULL;
}

static void say(const struct ht_dpdk *d, const struct port *p) {
	const uint64_t hash = p->hash;
	char how[160] = "one worker";
	if (hash != 0)
		snprintf(
			how, sizeof(how), "spread by the NIC over both addresses%s",
			hash & RTE_ETH_RSS_LEVEL_INNERMOST ? " (inner)" : ""
		);
	else if (d->run.workers > 1)
		snprintf(
			how, sizeof(how), "spread in software: %s",
			d->p->spread == HT_SPREAD_SOFTWARE ? "as asked for"
			: p->queues < 2			   ? "it has one queue"
					: "it cannot hash addresses symmetrically"
		);
	dpdk_log(
		d, "%s: driver %s, %u queue%s, link %s, NUMA node %d, time %s; %s", p->name,
		p->driver, p->queues, p->queues == 1 ? "" : "s", p->link_up ? "up" : "down",
		p->socket,
		p->time == TIME_CLOCK	    ? "of this host, once a burst"
		: p->time == TIME_DRIVER_US ? "of the driver"
					    : "of the device",
		how
	);
	if (uncounted_loss(p))
		dpdk_log(d, "%s: %s", p->name, uncounted_loss(p));
}

static enum ht_rc set_up(struct ht_dpdk *d, struct port *p, char *err, size_t err_len) {
	if (set_up_queues(d, p, err, err_len) != HT_OK)
		return HT_ERROR;
	const int rc = rte_eth_dev_start(p->id);
	if (rc != 0) {
		snprintf(err, err_len, "%s: cannot be started: %s", p->name, rte_strerror(-rc));
		return HT_ERROR;
	}
	return HT_OK;
}

static bool is_uio(int fd) {
	char link[64], file[16] = "";
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return readlink(link, file, sizeof(file)) > 0 && memcmp(file, "/dev/uio", 8) == 0;
}

// Why workers cannot wait for the interrupts of their queues, NULL if they can. A driver may take
// them into its configuration and have none.
static const char *without_interrupts(const struct port *p) {
	int fd[HT_DPDK_MAX_WORKERS];
	for (uint16_t i = 0; i < p->queues; i++) {
		fd[i] = rte_eth_dev_rx_intr_ctl_q_get_fd(p->id, i);
		if (fd[i] < 0)
			return "it has no receive interrupts";
		// Who reads what another thread has read already waits for the next one, for ever
		// on a silent link. By uio EAL's own thread is such another, for the link.
		for (uint16_t k = 0; k < i; k++)
			if (fd[k] == fd[i])
				return "it has one interrupt for several queues";
		if (is_uio(fd[i]))
			return "by uio there is one interrupt for all (vfio-pci has others)";
		if (rte_eth_dev_rx_intr_enable(p->id, i) != 0
		    || rte_eth_dev_rx_intr_disable(p->id, i) != 0)
			return "its receive interrupts cannot be switched on and off";
	}
	return NULL;
}

static void look_for_interrupts(struct ht_dpdk *d, struct port *p, const char *why) {
	if (why == NULL)
		why = without_interrupts(p);
	p->interrupts = why == NULL;
	if (why != NULL)
		dpdk_log(
			d, "%s: no waiting for interrupts: %s: workers sleep instead", p->name, why
		);
}

enum ht_rc port_configure(struct ht_dpdk *d, struct port *p, char *err, size_t err_len) {
	p->socket = rte_eth_dev_socket_id(p->id);
	p->interrupts = d->p->idle == HT_IDLE_INTERRUPT;
	if (configure(d, p, err, err_len) == HT_OK)
		return HT_OK;
	if (!p->interrupts)
		return HT_ERROR;
	p->interrupts = false;
	if (configure(d, p, err, err_len) != HT_OK)
		return HT_ERROR;
	look_for_interrupts(d, p, "its driver refuses them");
	return HT_OK;
}

enum ht_rc port_start(struct ht_dpdk *d, struct port *p, char *err, size_t err_len) {
	int rc;
	if (set_up(d, p, err, err_len) != HT_OK) {
		if (!p->interrupts)
			return HT_ERROR;
		// Some drivers find out only now that there are not enough of them.
		p->interrupts = false;
		if (configure(d, p, err, err_len) != HT_OK || set_up(d, p, err, err_len) != HT_OK)
			return HT_ERROR;
		look_for_interrupts(d, p, "it starts without them only");
	}
	if (p->interrupts)
		look_for_interrupts(d, p, NULL);
	if (p->p->promiscuous && (rc = rte_eth_promiscuous_enable(p->id)) != 0 && rc != -ENOTSUP)
		dpdk_log(d, "%s: not promiscuous: %s", p->name, rte_strerror(-rc));
	port_watch(p);
	p->steers = d->steering && port_spreads(d, p) && port_steer(d, p, p->hash);
	if (d->steering && !port_spreads(d, p))
		dpdk_log(d, "%s: the ports of interest are sorted out in software", p->name);
	say(d, p);
	return HT_OK;
}

void port_close(struct port *p) {
	if (p->opened) {
		(void)rte_eth_promiscuous_disable(p->id); // an interface keeps it otherwise
		struct rte_flow_error e;
		(void)rte_flow_flush(p->id, &e);
		(void)rte_eth_dev_stop(p->id);
		(void)rte_eth_dev_close(p->id);
	}
	port_watch_end(p);
	*p = (struct port){0};
}
