// SPDX-License-Identifier: BSD-3-Clause
// A port that runs: its link, what it counts, what its driver counts.

#include "capture_dpdk_int.h"

#include <rte_ethdev.h>
#include <rte_flow.h>

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// --- the driver's own counters ------------------------------------------------------------------

// A name that may stand in a metric's: letters and digits, and no ending that OpenMetrics has a
// meaning for. Room for that, and for a number behind it.
#define XSTAT_NAME (RTE_ETH_XSTATS_NAME_SIZE + 24)

static void xstat_name(char *out, const char *name) {
	static const char *const endings[]
		= {"_total", "_created", "_count", "_sum", "_bucket", "_gcount", "_gsum", "_info"};
	size_t n = 0;
	for (; n + 1 < RTE_ETH_XSTATS_NAME_SIZE && name[n] != '\0'; n++)
		out[n] = ht_is_alnum((uint8_t)name[n]) ? name[n] : '_';
	out[n] = '\0';
	for (size_t i = 0; i < HT_ARRAY_LEN(endings); i++) {
		const size_t len = strlen(endings[i]);
		if (n < len || strcmp(out + n - len, endings[i]) != 0)
			continue;
		strcpy(out + n, "_value");
		break;
	}
}

// xstats_prepare makes a table of what the driver counts. Without memory or such counters there is
// none.
static void xstats_prepare(struct port *p) {
	const int num = rte_eth_xstats_get_names_by_id(p->id, NULL, 0, NULL);
	if (num <= 0)
		return;
	const size_t n = (size_t)num;
	struct rte_eth_xstat_name *names = calloc(n, sizeof(*names));
	p->xstats = calloc(n, sizeof(*p->xstats));
	p->xstat_names = calloc(n, XSTAT_NAME);
	p->xstat_values = calloc(n, sizeof(*p->xstat_values));
	p->xstat_block = calloc(n, sizeof(*p->xstat_block));
	if (names == NULL || p->xstats == NULL || p->xstat_names == NULL || p->xstat_values == NULL
	    || p->xstat_block == NULL
	    || rte_eth_xstats_get_names_by_id(p->id, names, (unsigned)num, NULL) != num) {
		free(names);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		char *name = p->xstat_names + i * XSTAT_NAME;
		xstat_name(name, names[i].name);
		for (size_t k = 0; k < i; k++)
			if (strcmp(p->xstats[k].name, name) == 0) {
				snprintf(name + strlen(name), 12, "_%u", (unsigned)i);
				break;
			}
		p->xstats[i] = (struct ht_counter){"xstat", name, "counted by the driver"};
	}
	p->num_xstats = (unsigned)n;
	free(names);
}

// --- the link -----------------------------------------------------------------------------------

// The interface that net_af_packet, net_af_xdp, net_tap ("iface=") or net_pcap ("rx_iface=") reads.
static int find_interface(const char *device) {
	const char *at = strstr(device, ",iface="), *pcap = strstr(device, ",rx_iface=");
	char name[IF_NAMESIZE];
	if (at == NULL && pcap == NULL)
		return 0;
	at = strchr(at != NULL ? at : pcap, '=') + 1;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, ","), at);
	return (int)if_nametoindex(name);
}

// By its index: it may be renamed, and another one may get its name.
static bool interface_up(struct port *p) {
	struct ifreq r = {.ifr_ifindex = p->interface};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const unsigned both = IFF_UP | IFF_RUNNING;
	if (fd < 0)
		return p->link_up;
	if (ioctl(fd, SIOCGIFNAME, &r) != 0)
		p->gone = errno == ENODEV;
	const bool up = !p->gone && ioctl(fd, SIOCGIFFLAGS, &r) == 0
			&& ((unsigned)r.ifr_flags & both) == both;
	close(fd);
	return up;
}

static bool link_is_up(struct port *p) {
	struct rte_eth_link link = {0};
	p->gone = p->gone || rte_eth_dev_is_removed(p->id) == 1;
	if (p->gone)
		return false;
	if (rte_eth_link_get_nowait(p->id, &link) != 0)
		return p->link_up;
	return link.link_status == RTE_ETH_LINK_UP && (p->interface == 0 || interface_up(p));
}

static void look_at_link(struct ht_dpdk *d, struct port *p) {
	const bool was_gone = p->gone, up = link_is_up(p);
	if (p->gone && !was_gone)
		dpdk_log(d, "%s: the device has gone", p->name);
	if (up == p->link_up)
		return;
	p->link_up = up;
	ht_stats_count(&p->ctr[HT_DPDK_PORT_LINK_CHANGES], 1);
	if (!p->gone)
		dpdk_log(d, "%s: link %s", p->name, up ? "up" : "down");
}

// --- counters -----------------------------------------------------------------------------------

// The driver's numbers may begin anew (a peer that goes away, a reset): ours go on.
static uint64_t more(uint64_t *last, uint64_t now) {
	const uint64_t n = now >= *last ? now - *last : now;
	*last = now;
	return n;
}

static void grow(struct port *p, enum ht_dpdk_port_counter c, uint64_t now) {
	ht_stats_count(&p->ctr[c], more(&p->last[c], now));
}

// net_pcap counts each read of an interface that is down as an error, a million a second. No frame
// is lost by that.
static void grow_errors(struct port *p, uint64_t now, bool was_up) {
	const uint64_t n = more(&p->last[HT_DPDK_PORT_ERRORS], now);
	const bool down = strcmp(p->driver, "net_pcap") == 0 && !(was_up && p->link_up);
	if (!down)
		ht_stats_count(&p->ctr[HT_DPDK_PORT_ERRORS], n);
}

void port_look(struct ht_dpdk *d, struct port *p) {
	struct rte_eth_stats s;
	const bool was_up = p->link_up;
	if (!p->opened || rte_eth_stats_get(p->id, &s) != 0)
		return;
	look_at_link(d, p);
	grow(p, HT_DPDK_PORT_RECEIVED, s.ipackets);
	grow(p, HT_DPDK_PORT_MISSED, s.imissed);
	grow_errors(p, s.ierrors, was_up);
	grow(p, HT_DPDK_PORT_NO_MBUF, s.rx_nombuf);
	if (p->drop_rule != NULL) {
		const struct rte_flow_action count[2] = {
			{.type = RTE_FLOW_ACTION_TYPE_COUNT}, {.type = RTE_FLOW_ACTION_TYPE_END}};
		struct rte_flow_query_count q = {0};
		struct rte_flow_error e;
		if (rte_flow_query(p->id, p->drop_rule, count, &q, &e) == 0 && q.hits_set)
			grow(p, HT_DPDK_PORT_NIC_DROPPED, q.hits);
	}
	if (p->num_xstats > 0
	    && rte_eth_xstats_get_by_id(p->id, NULL, p->xstat_values, p->num_xstats)
		       == (int)p->num_xstats)
		for (unsigned i = 0; i < p->num_xstats; i++)
			__atomic_store_n(&p->xstat_block[i], p->xstat_values[i], __ATOMIC_RELAXED);
}

void port_watch(struct port *p) {
	p->interface = find_interface(p->p->device);
	p->link_up = link_is_up(p);
	xstats_prepare(p);
}

void port_watch_end(struct port *p) {
	free(p->xstats);
	free(p->xstat_names);
	free(p->xstat_values);
	free(p->xstat_block);
}
