// SPDX-License-Identifier: BSD-3-Clause
// rss_probe: what a NIC's receive-side scaling does to flows. It needs DPDK and nothing of
// hellotap.
//
//   rss_probe [EAL options] -- [-q QUEUES] [-k symmetric|microsoft]
//
// Says on standard output, a JSON object a line: what the port can do, which rte_flow rules it
// accepts, and, after SIGTERM, which queues the frames came in and how many flows came in more than
// one. It says "ready" on standard error when frames can be sent.
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	MAX_QUEUES = 16,
	MAX_KEY = 64,
	BURST = 32,
	RING = 1024, // frames a queue, where the driver has no say
	FLOWS = 1 << 14,
	LINK_SECONDS = 10,
};

// A flow, the same for both of its directions: the lower end stands first.
struct end {
	uint8_t addr[16];
	uint16_t port;
};

struct flow {
	struct end end[2];
	uint8_t proto; // 0: a free place
	bool split, hash_differs, has_hash;
	uint16_t queue; // of its first frame
	uint32_t hash; // that the NIC gave with its first frame
};

struct probe {
	uint16_t port, num_queues;
	struct rte_mempool *pool;
	uint64_t frames, other, wrong_queue, hashes, untracked, of_queue[MAX_QUEUES];
	uint32_t num_flows, num_split, num_hash_differs;
	struct flow flows[FLOWS]; // open addressing
};

static volatile sig_atomic_t stop;

static void on_term(int sig) {
	(void)sig;
	stop = 1;
}

static void die(const char *what, int rc) {
	fprintf(stderr, "rss_probe: %s: %s\n", what, strerror(rc < 0 ? -rc : rc));
	exit(1);
}

// --- the flow of a frame ------------------------------------------------------------------------

static bool read_flow(struct flow *out, const struct rte_mbuf *m) {
	struct rte_ether_hdr eth_copy;
	struct rte_ipv4_hdr ip4_copy;
	struct rte_ipv6_hdr ip6_copy;
	uint16_t ports_copy[2];
	uint32_t at = sizeof(struct rte_ether_hdr);

	*out = (struct flow){0};
	const struct rte_ether_hdr *eth = rte_pktmbuf_read(m, 0, sizeof(*eth), &eth_copy);
	if (eth == NULL)
		return false;
	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4)) {
		const struct rte_ipv4_hdr *ip = rte_pktmbuf_read(m, at, sizeof(*ip), &ip4_copy);
		if (ip == NULL)
			return false;
		memcpy(out->end[0].addr, &ip->src_addr, sizeof(ip->src_addr));
		memcpy(out->end[1].addr, &ip->dst_addr, sizeof(ip->dst_addr));
		out->proto = ip->next_proto_id;
		at += rte_ipv4_hdr_len(ip);
	} else if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6)) {
		const struct rte_ipv6_hdr *ip = rte_pktmbuf_read(m, at, sizeof(*ip), &ip6_copy);
		if (ip == NULL)
			return false;
		memcpy(out->end[0].addr, ip->src_addr, sizeof(ip->src_addr));
		memcpy(out->end[1].addr, ip->dst_addr, sizeof(ip->dst_addr));
		out->proto = ip->proto;
		at += sizeof(*ip);
	}
	if (out->proto != IPPROTO_TCP && out->proto != IPPROTO_UDP)
		return false;
	const uint16_t *ports = rte_pktmbuf_read(m, at, sizeof(ports_copy), ports_copy);
	if (ports == NULL)
		return false;
	out->end[0].port = ports[0];
	out->end[1].port = ports[1];
	if (memcmp(&out->end[0], &out->end[1], sizeof(struct end)) > 0) {
		struct end first = out->end[1];
		out->end[1] = out->end[0];
		out->end[0] = first;
	}
	return true;
}

// The place of a flow: its own or a free one. NULL when the table is full.
static struct flow *find_flow(struct probe *p, const struct flow *f) {
	uint32_t hash = 2166136261u; // FNV-1a
	const uint8_t *bytes = (const uint8_t *)f->end;

	for (size_t i = 0; i < sizeof(f->end); i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct flow *at = &p->flows[(hash + i) % FLOWS];
		if (at->proto == 0)
			return at;
		if (at->proto == f->proto && memcmp(at->end, f->end, sizeof(f->end)) == 0)
			return at;
	}
	return NULL;
}

static void take(struct probe *p, const struct rte_mbuf *m, uint16_t queue) {
	bool has_hash = (m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0;
	struct flow f;

	p->frames++;
	p->of_queue[queue]++;
	p->hashes += has_hash;
	if (!read_flow(&f, m)) {
		p->other++;
		return;
	}
	struct flow *at = find_flow(p, &f);
	if (at == NULL) {
		p->untracked++;
		return;
	}
	if (at->proto == 0) {
		*at = f;
		at->queue = queue;
		at->has_hash = has_hash;
		at->hash = m->hash.rss;
		p->num_flows++;
	}
	if (queue != at->queue) {
		p->wrong_queue++;
		p->num_split += !at->split;
		at->split = true;
	}
	if (has_hash && at->has_hash && m->hash.rss != at->hash) {
		p->num_hash_differs += !at->hash_differs;
		at->hash_differs = true;
	}
}

// --- the port -----------------------------------------------------------------------------------

// RSS of source and destination alike needs a key that repeats after 16 bits: then each bit of an
// address or port meets the same key bits on either side (Woo and Park, 2012).
static void make_key(uint8_t *key, size_t len, bool symmetric) {
	static const uint8_t microsoft[40] = {
		0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
		0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
		0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
	};

	for (size_t i = 0; i < len; i++)
		key[i] = symmetric ? (i % 2 ? 0x5a : 0x6d) : microsoft[i % sizeof(microsoft)];
}

static void open_port(struct probe *p, bool symmetric) {
	struct rte_eth_dev_info info;
	struct rte_eth_link link = {0};
	uint8_t key[MAX_KEY];
	uint16_t num_rx = RING, num_tx = RING;
	int rc = rte_eth_dev_info_get(p->port, &info);

	if (rc != 0)
		die("port information", rc);
	size_t key_len = info.hash_key_size ? info.hash_key_size : 40;
	if (key_len > sizeof(key))
		die("length of the RSS key", E2BIG);
	make_key(key, key_len, symmetric);

	uint64_t wanted = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
	struct rte_eth_conf conf = {
		.rxmode = {
			.mq_mode = RTE_ETH_MQ_RX_RSS,
			.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH,
		},
		.rx_adv_conf.rss_conf = {
			.rss_key = key,
			.rss_key_len = key_len,
			.rss_hf = wanted & info.flow_type_rss_offloads,
		},
	};
	printf("{\"probe\":\"port\",\"driver\":\"%s\",\"max_queues\":%u,\"key_len\":%u,\"reta_"
	       "size\":%u,"
	       "\"rss_types\":\"0x%" PRIx64 "\"}\n",
	       info.driver_name, info.max_rx_queues, info.hash_key_size, info.reta_size,
	       info.flow_type_rss_offloads);

	// One queue for sending: there are drivers that do not start without.
	rc = rte_eth_dev_configure(p->port, p->num_queues, 1, &conf);
	if (rc != 0)
		die("configuring the port", rc);
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->port, &num_rx, &num_tx);
	if (rc != 0)
		die("number of descriptors", rc);
	for (uint16_t q = 0; q < p->num_queues && rc == 0; q++)
		rc = rte_eth_rx_queue_setup(p->port, q, num_rx, rte_socket_id(), NULL, p->pool);
	if (rc == 0)
		rc = rte_eth_tx_queue_setup(p->port, 0, num_tx, rte_socket_id(), NULL);
	if (rc == 0)
		rc = rte_eth_dev_start(p->port);
	if (rc == 0)
		rc = rte_eth_promiscuous_enable(p->port);
	if (rc != 0)
		die("starting the port", rc);
	for (int i = 0; i < LINK_SECONDS * 100 && link.link_status == RTE_ETH_LINK_DOWN; i++) {
		rte_delay_ms(10);
		rte_eth_link_get_nowait(p->port, &link);
	}
	if (link.link_status == RTE_ETH_LINK_DOWN)
		die("link", ENETDOWN);
}

// --- rte_flow -----------------------------------------------------------------------------------

enum which_port { FROM_443, TO_443, ANY_PORT };

static void try_rule(
	const struct probe *p,
	const char *name,
	bool ip6,
	enum which_port which,
	const struct rte_flow_action *action
) {
	static const struct rte_flow_item_ipv4 is_tcp4 = {.hdr.next_proto_id = IPPROTO_TCP};
	static const struct rte_flow_item_ipv4 proto4 = {.hdr.next_proto_id = 0xff};
	static const struct rte_flow_item_ipv6 is_tcp6 = {.hdr.proto = IPPROTO_TCP};
	static const struct rte_flow_item_ipv6 proto6 = {.hdr.proto = 0xff};
	struct rte_flow_item_tcp tcp = {0}, mask = {0};
	struct rte_flow_item items[] = {
		{.type = RTE_FLOW_ITEM_TYPE_ETH},
		{.type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &is_tcp4, .mask = &proto4},
		{.type = RTE_FLOW_ITEM_TYPE_TCP, .spec = &tcp, .mask = &mask},
		{.type = RTE_FLOW_ITEM_TYPE_END},
	};
	const struct rte_flow_action actions[] = {*action, {.type = RTE_FLOW_ACTION_TYPE_END}};
	const struct rte_flow_attr attr = {.ingress = 1};
	struct rte_flow_error error = {0};

	if (ip6)
		items[1] = (struct rte_flow_item
		){.type = RTE_FLOW_ITEM_TYPE_IPV6, .spec = &is_tcp6, .mask = &proto6};
	if (which == FROM_443) {
		tcp.hdr.src_port = RTE_BE16(443);
		mask.hdr.src_port = RTE_BE16(0xffff);
	} else if (which == TO_443) {
		tcp.hdr.dst_port = RTE_BE16(443);
		mask.hdr.dst_port = RTE_BE16(0xffff);
	} else {
		items[0] = (struct rte_flow_item){.type = RTE_FLOW_ITEM_TYPE_END};
	}
	int rc = rte_flow_validate(p->port, &attr, items, actions, &error);
	printf("{\"probe\":\"rule\",\"rule\":\"%s\",\"validates\":%s,\"error\":\"%s\",\"message\":"
	       "\"%s\"}\n",
	       name, rc == 0 ? "true" : "false", rc == 0 ? "" : strerrorname_np(-rc),
	       rc != 0 && error.message != NULL ? error.message : "");
}

static void try_rules(const struct probe *p) {
	static const uint16_t queues[MAX_QUEUES]
		= {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	const struct rte_flow_action_queue one = {.index = p->num_queues - 1};
	struct rte_flow_action_rss rss = {
		.func = RTE_ETH_HASH_FUNCTION_DEFAULT,
		.types = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_IPV6,
		.queue_num = p->num_queues,
		.queue = queues,
	};
	const struct rte_flow_action to_queue = {.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &one};
	const struct rte_flow_action spread = {.type = RTE_FLOW_ACTION_TYPE_RSS, .conf = &rss};
	const struct rte_flow_action drop = {.type = RTE_FLOW_ACTION_TYPE_DROP};

	try_rule(p, "ipv4 tcp to 443: queue", false, TO_443, &to_queue);
	try_rule(p, "ipv4 tcp from 443: queue", false, FROM_443, &to_queue);
	try_rule(p, "ipv6 tcp to 443: queue", true, TO_443, &to_queue);
	try_rule(p, "ipv4 tcp to 443: rss", false, TO_443, &spread);
	try_rule(p, "ipv4 tcp to 443: drop", false, TO_443, &drop);
	try_rule(p, "any: rss", false, ANY_PORT, &spread);
	rss.func = RTE_ETH_HASH_FUNCTION_SYMMETRIC_TOEPLITZ;
	try_rule(p, "any: rss, symmetric function", false, ANY_PORT, &spread);
}

// --- the run ------------------------------------------------------------------------------------

static void receive(struct probe *p) {
	struct rte_mbuf *burst[BURST];
	bool idle = false;

	while (!stop || !idle) {
		idle = true;
		for (uint16_t q = 0; q < p->num_queues; q++) {
			uint16_t n = rte_eth_rx_burst(p->port, q, burst, BURST);
			for (uint16_t i = 0; i < n; i++)
				take(p, burst[i], q);
			rte_pktmbuf_free_bulk(burst, n);
			idle = idle && n == 0;
		}
	}
}

static void tell(const struct probe *p) {
	struct rte_eth_stats stats = {0};

	rte_eth_stats_get(p->port, &stats);
	printf("{\"probe\":\"traffic\",\"frames\":%" PRIu64 ",\"queues\":[", p->frames);
	for (uint16_t q = 0; q < p->num_queues; q++)
		printf("%s%" PRIu64, q ? "," : "", p->of_queue[q]);
	printf("],\"flows\":%u,\"split_flows\":%u,\"wrong_queue\":%" PRIu64 ",\"hashes\":%" PRIu64
	       ",\"hash_differs\":%u,\"other\":%" PRIu64 ",\"untracked\":%" PRIu64
	       ",\"missed\":%" PRIu64 "}\n",
	       p->num_flows, p->num_split, p->wrong_queue, p->hashes, p->num_hash_differs, p->other,
	       p->untracked, stats.imissed + stats.rx_nombuf);
}

int main(int argc, char **argv) {
	static struct probe p = {.num_queues = 4};
	bool symmetric = true;
	int opt, used = rte_eal_init(argc, argv);

	if (used < 0)
		die("EAL", rte_errno);
	argc -= used;
	argv += used;
	while ((opt = getopt(argc, argv, "q:k:")) != -1) {
		if (opt == 'q')
			p.num_queues = (uint16_t)strtoul(optarg, NULL, 10);
		else if (opt == 'k' && strcmp(optarg, "microsoft") == 0)
			symmetric = false;
		else if (opt != 'k' || strcmp(optarg, "symmetric") != 0)
			die("options", EINVAL);
	}
	if (p.num_queues == 0 || p.num_queues > MAX_QUEUES)
		die("queues", EINVAL);
	p.port = rte_eth_find_next(0);
	if (p.port == RTE_MAX_ETHPORTS)
		die("port", ENODEV);
	p.pool = rte_pktmbuf_pool_create(
		"frames", p.num_queues * RING * 2u, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		rte_socket_id()
	);
	if (p.pool == NULL)
		die("pool", rte_errno);
	signal(SIGTERM, on_term);

	open_port(&p, symmetric);
	try_rules(&p);
	fflush(stdout);
	fprintf(stderr, "ready\n");
	receive(&p);
	tell(&p);
	rte_eth_dev_stop(p.port);
	rte_eth_dev_close(p.port);
	rte_eal_cleanup();
	return 0;
}
