// SPDX-License-Identifier: BSD-3-Clause
// rte_flow rules: the ports of interest to the workers that look at them, the rest to the others or
// to nobody.
//
// What a NIC sorts out by its rules it sorts by outer headers. Fragments and tunnels come with the
// rest, and the workers of the rest hand them to their owners; where the NIC drops the rest, they
// are dropped with it.

#include "capture_dpdk_int.h"

#include <rte_errno.h>
#include <rte_flow.h>

#include <stdio.h>

struct steering {
	struct ht_dpdk *d;
	struct port *p;
	struct rte_flow_error error;
	struct rte_flow_action actions[2];
	struct rte_flow_action_rss rss;
	struct rte_flow_action_queue queue;
	uint16_t queues[HT_DPDK_MAX_WORKERS];
};

#define ANY \
	{ .type = RTE_FLOW_ITEM_TYPE_ETH }
#define END \
	{ .type = RTE_FLOW_ITEM_TYPE_END }

static bool make(struct steering *s, const struct rte_flow_item *pattern) {
	static const struct rte_flow_attr ingress = {.ingress = 1};
	return rte_flow_create(s->p->id, &ingress, pattern, s->actions, &s->error) != NULL;
}

// One port number as source and as destination, over IPv4 and IPv6.
static bool rules_of(struct steering *s, uint16_t number, bool tcp) {
	for (unsigned i = 0; i < 4; i++) {
		const bool source = i & 1, v6 = i & 2;
		const rte_be16_t n = rte_cpu_to_be_16(number);
		const struct rte_flow_item_tcp tcp_spec
			= {.hdr = {.src_port = source ? n : 0, .dst_port = source ? 0 : n}};
		const struct rte_flow_item_tcp tcp_mask = {
			.hdr = {.src_port = source ? 0xffff : 0, .dst_port = source ? 0 : 0xffff}};
		const struct rte_flow_item_udp udp_spec
			= {.hdr = {.src_port = source ? n : 0, .dst_port = source ? 0 : n}};
		const struct rte_flow_item_udp udp_mask = {
			.hdr = {.src_port = source ? 0xffff : 0, .dst_port = source ? 0 : 0xffff}};
		const struct rte_flow_item pattern[] = {
			ANY,
			{.type = v6 ? RTE_FLOW_ITEM_TYPE_IPV6 : RTE_FLOW_ITEM_TYPE_IPV4},
			{
				.type = tcp ? RTE_FLOW_ITEM_TYPE_TCP : RTE_FLOW_ITEM_TYPE_UDP,
				.spec = tcp ? (const void *)&tcp_spec : &udp_spec,
				.mask = tcp ? (const void *)&tcp_mask : &udp_mask,
			},
			END,
		};
		if (!make(s, pattern))
			return false;
	}
	return true;
}

// The rest goes to the queues of its workers: the redirection table of RSS holds no others.
static bool rest_to_workers(struct steering *s) {
	struct rte_eth_dev_info info;
	const unsigned from = s->d->run.rest_from, num = s->p->queues - from;
	if (rte_eth_dev_info_get(s->p->id, &info) != 0 || info.reta_size == 0
	    || info.reta_size > RTE_ETH_RSS_RETA_SIZE_512)
		return false;
	struct rte_eth_rss_reta_entry64 reta[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE]
		= {0};
	for (unsigned i = 0; i < info.reta_size; i++) {
		struct rte_eth_rss_reta_entry64 *e = &reta[i / RTE_ETH_RETA_GROUP_SIZE];
		e->mask = UINT64_MAX;
		e->reta[i % RTE_ETH_RETA_GROUP_SIZE] = (uint16_t)(from + i % num);
	}
	return rte_eth_dev_rss_reta_update(s->p->id, reta, info.reta_size) == 0;
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
	s->p->drop_rule = rte_flow_create(s->p->id, &last, any, actions, &s->error);
	return s->p->drop_rule != NULL;
}

bool port_steer(struct ht_dpdk *d, struct port *p, uint64_t hash) {
	struct steering s = {.d = d, .p = p};
	const unsigned num = d->run.rest_from;
	if (d->run.rest_from < d->run.workers && p->queues < d->run.workers)
		return false; // there is no queue for each
	for (uint16_t i = 0; i < num; i++)
		s.queues[i] = i;
	s.rss = (struct rte_flow_action_rss){
		.types = hash,
		.key_len = 40,
		.key = dpdk_symmetric_key,
		.queue_num = num,
		.queue = s.queues,
	};
	s.actions[0] = num == 1 ? (struct rte_flow_action){RTE_FLOW_ACTION_TYPE_QUEUE, &s.queue}
				: (struct rte_flow_action){RTE_FLOW_ACTION_TYPE_RSS, &s.rss};
	s.actions[1].type = RTE_FLOW_ACTION_TYPE_END;
	bool ok = true;
	unsigned ports = 0;
	for (unsigned i = 0; ok && i < d->run.num_tcp; i++, ports++)
		ok = rules_of(&s, d->run.tcp[i], true);
	for (unsigned i = 0; ok && i < d->run.num_udp; i++, ports++)
		ok = rules_of(&s, d->run.udp[i], false);
	if (ok)
		ok = d->run.drop_rest ? drop_rest(&s) : rest_to_workers(&s);
	if (ok) {
		dpdk_log(d, "%s: the NIC sorts out %u ports of interest", p->name, ports);
		return true;
	}
	dpdk_log(
		d, "%s: the NIC does not sort out the ports of interest (%s): done in software",
		p->name, s.error.message != NULL ? s.error.message : "no such rule"
	);
	struct rte_flow_error e;
	(void)rte_flow_flush(p->id, &e);
	p->drop_rule = NULL;
	return false;
}
