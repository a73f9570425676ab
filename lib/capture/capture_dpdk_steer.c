// SPDX-License-Identifier: BSD-3-Clause
// rte_flow rules: the ports of interest to the workers that look at them, the rest to the others or
// to nobody.
//
// What a NIC sorts out by its rules it sorts by outer headers. Fragments and tunnels come with the
// rest, and the workers of the rest hand them to their owners; where the NIC drops the rest, they
// are dropped with it. With several workers for the ports of interest, the owner of a fragment need
// not be the worker to which the NIC gives the whole packets of its flow.
//
// Where the rest goes to workers, rules may be missing (a NIC that knows IPv4 alone, a table that
// is full), and the NIC may even not follow those it took: whatever comes with the rest is handed
// to its owner. Where the rest is dropped, all of them must be there.

#include "capture_dpdk_int.h"

#include <rte_errno.h>
#include <rte_flow.h>

#include <stdio.h>

enum { IP4, IP6, NUM_IP };

struct steering {
	struct ht_dpdk *d;
	struct port *p;
	const char *refused; // why, the first time
	struct rte_flow_action actions[2];
	struct rte_flow_action_rss rss;
	struct rte_flow_action_queue queue;
	uint16_t queues[HT_DPDK_MAX_WORKERS];
};

#define ANY \
	{ .type = RTE_FLOW_ITEM_TYPE_ETH }
#define END \
	{ .type = RTE_FLOW_ITEM_TYPE_END }

static const struct rte_flow_attr ingress = {.ingress = 1};

static struct rte_flow *refuse(struct steering *s, const struct rte_flow_error *e) {
	if (s->refused == NULL)
		s->refused = e->message != NULL ? e->message : rte_strerror(rte_errno);
	return NULL;
}

// Drivers differ: most want the protocol told by the kind of the item alone, the 5-tuple filters of
// igb and ixgbe want it in the IP header, too.
static struct rte_flow *
make(struct steering *s, uint16_t number, bool tcp, unsigned ip, bool from) {
	const rte_be16_t n = rte_cpu_to_be_16(number);
	const uint8_t proto = tcp ? IPPROTO_TCP : IPPROTO_UDP;
	const struct rte_flow_item_tcp tcp_spec
		= {.hdr = {.src_port = from ? n : 0, .dst_port = from ? 0 : n}};
	const struct rte_flow_item_tcp tcp_mask
		= {.hdr = {.src_port = from ? 0xffff : 0, .dst_port = from ? 0 : 0xffff}};
	const struct rte_flow_item_udp udp_spec
		= {.hdr = {.src_port = from ? n : 0, .dst_port = from ? 0 : n}};
	const struct rte_flow_item_udp udp_mask
		= {.hdr = {.src_port = from ? 0xffff : 0, .dst_port = from ? 0 : 0xffff}};
	const struct rte_flow_item_ipv4 ip4_spec = {.hdr.next_proto_id = proto};
	const struct rte_flow_item_ipv4 ip4_mask = {.hdr.next_proto_id = 0xff};
	const struct rte_flow_item_ipv6 ip6_spec = {.hdr.proto = proto};
	const struct rte_flow_item_ipv6 ip6_mask = {.hdr.proto = 0xff};
	struct rte_flow_item pattern[] = {
		ANY,
		{.type = ip == IP6 ? RTE_FLOW_ITEM_TYPE_IPV6 : RTE_FLOW_ITEM_TYPE_IPV4},
		{
			.type = tcp ? RTE_FLOW_ITEM_TYPE_TCP : RTE_FLOW_ITEM_TYPE_UDP,
			.spec = tcp ? (const void *)&tcp_spec : &udp_spec,
			.mask = tcp ? (const void *)&tcp_mask : &udp_mask,
		},
		END,
	};
	struct rte_flow_error e = {0};
	struct rte_flow *rule = rte_flow_create(s->p->id, &ingress, pattern, s->actions, &e);
	if (rule != NULL)
		return rule;
	pattern[1].spec = ip == IP6 ? (const void *)&ip6_spec : &ip4_spec;
	pattern[1].mask = ip == IP6 ? (const void *)&ip6_mask : &ip4_mask;
	rule = rte_flow_create(s->p->id, &ingress, pattern, s->actions, &e);
	return rule != NULL ? rule : refuse(s, &e);
}

// One port number as destination and as source, or neither: a flow whose directions went different
// ways could be two workers'.
static bool rules_of(struct steering *s, uint16_t number, bool tcp, unsigned ip) {
	struct rte_flow_error e;
	struct rte_flow *to = make(s, number, tcp, ip, false);
	if (to == NULL)
		return false;
	if (make(s, number, tcp, ip, true) != NULL)
		return true;
	(void)rte_flow_destroy(s->p->id, to, &e);
	return false;
}

// There are drivers that take an RSS action for all frames and never look at the pattern (igb and
// ixgbe; hns3 before 23.03). No frame is TCP in ARP: a driver to which such a rule is good does not
// look. Asked and not listed, since it changes with their versions.
static bool looks_at_pattern(struct steering *s) {
	static const struct rte_flow_item nothing[] = {
		ANY,
		{.type = RTE_FLOW_ITEM_TYPE_ARP_ETH_IPV4},
		{.type = RTE_FLOW_ITEM_TYPE_TCP},
		END,
	};
	struct rte_flow_error e = {0};
	if (s->actions[0].type != RTE_FLOW_ACTION_TYPE_RSS
	    || rte_flow_validate(s->p->id, &ingress, nothing, s->actions, &e) != 0)
		return true;
	s->refused = "its driver does not look at the pattern of an RSS rule";
	return false;
}

// The rest goes to the queues of its workers: the redirection table of RSS holds no others.
static bool rest_to_workers(struct steering *s) {
	struct rte_eth_dev_info info;
	const unsigned from = s->d->run.rest_from, num = s->p->queues - from;
	if (rte_eth_dev_info_get(s->p->id, &info) != 0 || info.reta_size == 0
	    || info.reta_size > RTE_ETH_RSS_RETA_SIZE_512) {
		s->refused = "it has no redirection table";
		return false;
	}
	struct rte_eth_rss_reta_entry64 reta[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE]
		= {0};
	for (unsigned i = 0; i < info.reta_size; i++) {
		struct rte_eth_rss_reta_entry64 *e = &reta[i / RTE_ETH_RETA_GROUP_SIZE];
		e->mask = UINT64_MAX;
		e->reta[i % RTE_ETH_RETA_GROUP_SIZE] = (uint16_t)(from + i % num);
	}
	if (rte_eth_dev_rss_reta_update(s->p->id, reta, info.reta_size) == 0)
		return true;
	s->refused = "its redirection table cannot be set";
	return false;
}

// Lower priority than the ports of interest, whatever it is; dropped, and counted by the NIC.
static bool drop_rest(struct steering *s) {
	static const struct rte_flow_attr last = {.ingress = 1, .priority = 1};
	static const struct rte_flow_item any[] = {ANY, END};
	static const struct rte_flow_action_count count;
	static const struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_COUNT, .conf = &count},
		{.type = RTE_FLOW_ACTION_TYPE_DROP},
		{.type = RTE_FLOW_ACTION_TYPE_END},
	};
	struct rte_flow_error e = {0};
	s->p->drop_rule = rte_flow_create(s->p->id, &last, any, actions, &e);
	if (s->p->drop_rule == NULL)
		refuse(s, &e);
	return s->p->drop_rule != NULL;
}

static void set_action(struct steering *s, uint64_t hash) {
	struct rte_eth_dev_info info;
	uint32_t key_len = 40;
	if (rte_eth_dev_info_get(s->p->id, &info) == 0 && info.hash_key_size > 0)
		key_len = info.hash_key_size;
	const unsigned num
		= s->d->run.rest_from < s->p->queues ? s->d->run.rest_from : s->p->queues;
	for (uint16_t i = 0; i < num; i++)
		s->queues[i] = i;
	s->rss = (struct rte_flow_action_rss){
		.types = hash & ~RTE_ETH_RSS_LEVEL_MASK,
		.level = RTE_ETH_RSS_LEVEL(hash), // a rule has it apart from the types
		.key_len = key_len,
		.key = dpdk_symmetric_key,
		.queue_num = num,
		.queue = s->queues,
	};
	s->actions[0] = num == 1 ? (struct rte_flow_action){RTE_FLOW_ACTION_TYPE_QUEUE, &s->queue}
				 : (struct rte_flow_action){RTE_FLOW_ACTION_TYPE_RSS, &s->rss};
	s->actions[1].type = RTE_FLOW_ACTION_TYPE_END;
}

// How many ports of interest have their rules, by version of IP.
static void make_rules(struct steering *s, unsigned made[NUM_IP]) {
	const struct ht_dpdk_run *run = &s->d->run;
	bool all = true;
	for (unsigned ip = 0; ip < NUM_IP; ip++) {
		made[ip] = 0;
		for (unsigned i = 0; i < run->num_tcp + run->num_udp; i++) {
			const bool tcp = i < run->num_tcp;
			const uint16_t n = tcp ? run->tcp[i] : run->udp[i - run->num_tcp];
			const bool ok = rules_of(s, n, tcp, ip);
			made[ip] += ok;
			all = all && ok;
			if (!all && run->drop_rest)
				return;
		}
	}
}

bool port_steer(struct ht_dpdk *d, struct port *p, uint64_t hash) {
	struct steering s = {.d = d, .p = p};
	const unsigned ports = d->run.num_tcp + d->run.num_udp;
	unsigned made[NUM_IP] = {0};
	bool ok = false;
	if (d->run.rest_from < d->run.workers && p->queues < d->run.workers) {
		s.refused = "it has no queue for each worker";
	} else {
		set_action(&s, hash);
		if (looks_at_pattern(&s))
			make_rules(&s, made);
		const bool all = made[IP4] == ports && made[IP6] == ports;
		if (d->run.drop_rest)
			ok = all && drop_rest(&s);
		else
			ok = made[IP4] + made[IP6] > 0 && rest_to_workers(&s);
		if (ok && all) {
			dpdk_log(d, "%s: the NIC sorts out %u ports of interest", p->name, ports);
			return true;
		}
	}
	if (ok) {
		dpdk_log(
			d,
			"%s: the NIC sorts out %u of %u ports of interest over IPv4, %u over IPv6 "
			"(%s): the workers of the rest hand over what else is of interest",
			p->name, made[IP4], ports, made[IP6], s.refused
		);
		return true;
	}
	dpdk_log(
		d, "%s: the NIC does not sort out the ports of interest (%s): done in software",
		p->name, s.refused
	);
	struct rte_flow_error e;
	(void)rte_flow_flush(p->id, &e);
	p->drop_rule = NULL;
	return false;
}
