// SPDX-License-Identifier: BSD-3-Clause
// The options and counters of the DPDK capture. They are there in a build without DPDK, too: a
// configuration file means the same in every build.

#include "capture_dpdk.h"

#define X(id, name, help) {"queue", name, help},
const struct ht_counter ht_dpdk_counters[HT_NUM_DPDK_COUNTERS] = {HT_DPDK_COUNTERS(X)};
#undef X

#define X(id, name, help) {"port", name, help},
const struct ht_counter ht_dpdk_port_counters[HT_NUM_DPDK_PORT_COUNTERS]
	= {HT_DPDK_PORT_COUNTERS(X)};
#undef X

static const char *const spreads[] = {"auto", "rss", "software", NULL};
static const char *const levels[] = {"driver", "outer", "inner", NULL};
static const char *const memories[] = {"auto", "yes", "no", NULL};
static const char *const idles[] = {"poll", "pause", "sleep", "interrupt", NULL};

#define P(field) offsetof(struct ht_dpdk_port_params, field)
static const struct ht_option port_options[] = {
	{.name = "device",
	 .type = HT_OPTION_TEXT,
	 .offset = P(device),
	 .required = true,
	 .help
	 = "PCI address (0000:3b:00.0), network interface whose PCI device is meant (enp59s0f0), "
	   "or virtual device with its arguments (net_af_packet0,iface=eth1,qpairs=2)"},
	{.name = "queues",
	 .type = HT_OPTION_U32,
	 .offset = P(queues),
	 .def = 0,
	 .least = 0,
	 .most = HT_DPDK_MAX_WORKERS,
	 .help
	 = "receive queues, the first to worker 0 and so on; 0: one for each worker, or as many "
	   "as the device has"},
	{.name = "rx_descriptors",
	 .type = HT_OPTION_U32,
	 .offset = P(rx_descriptors),
	 .def = 4096,
	 .least = 64,
	 .most = 32768,
	 .help = "descriptors of a queue: frames that wait while the worker is busy; a driver may "
		 "allow less"},
	{.name = "mtu",
	 .type = HT_OPTION_U32,
	 .offset = P(mtu),
	 .def = 1500,
	 .least = 68,
	 .most = 65535,
	 .help = "the longest packet to take, without the Ethernet header; 9216 for jumbo "
		 "frames"},
	{.name = "promiscuous",
	 .type = HT_OPTION_BOOL,
	 .offset = P(promiscuous),
	 .def = true,
	 .help = "take what is sent to others, as a mirror port needs"},
	{.name = "rss_level",
	 .type = HT_OPTION_CHOICE,
	 .offset = P(level),
	 .choices = levels,
	 .def = HT_LEVEL_DRIVER,
	 .help
	 = "which addresses of a tunnelled packet the NIC hashes: what the driver does by itself, "
	   "the outer or the inner ones"},
};
static const struct ht_option_table port_table = {
	.title = "A port of DPDK",
	.options = port_options,
	.num = HT_ARRAY_LEN(port_options),
	.size = sizeof(struct ht_dpdk_port_params),
};
#undef P

#define P(field) offsetof(struct ht_dpdk_params, field)
static const struct ht_option options[] = {
	{.name = "ports",
	 .type = HT_OPTION_SECTIONS,
	 .offset = P(ports),
	 .sub = &port_table,
	 .max = HT_DPDK_MAX_PORTS,
	 .help
	 = "the ports to read; worker i reads queue i of each of them. None: DPDK is not used"},
	{.name = "hugepages",
	 .type = HT_OPTION_CHOICE,
	 .offset = P(hugepages),
	 .choices = memories,
	 .def = HT_HUGEPAGES_AUTO,
	 .help
	 = "memory from hugepages; auto: where some are free. Without them it is 2 to 5 times "
	   "slower"},
	{.name = "memory_mib",
	 .type = HT_OPTION_U32,
	 .offset = P(memory_mib),
	 .def = 0,
	 .least = 0,
	 .most = 1u << 20,
	 .help = "memory DPDK may take without hugepages; 0: what the ports need"},
	{.name = "file_prefix",
	 .type = HT_OPTION_TEXT,
	 .offset = P(file_prefix),
	 .def_text = "hellotap",
	 .help
	 = "name of the run-time folder (/run/dpdk/NAME), where dpdk-telemetry.py looks; another "
	   "one for each process"},
	{.name = "eal_args",
	 .type = HT_OPTION_TEXTS,
	 .offset = P(eal_args),
	 .max = 64,
	 .help = "further arguments for EAL, one each"},
	{.name = "spread",
	 .type = HT_OPTION_CHOICE,
	 .offset = P(spread),
	 .choices = spreads,
	 .def = HT_SPREAD_AUTO,
	 .help
	 = "how frames get to the worker that owns their flow: by the NIC's RSS, or handed over "
	   "by the workers; auto: RSS where the driver can hash addresses symmetrically"},
	{.name = "inbox_frames",
	 .type = HT_OPTION_U32,
	 .offset = P(inbox_frames),
	 .def = 4096,
	 .least = 64,
	 .most = 1u << 20,
	 .help = "frames that may wait to be taken over by a worker"},
	{.name = "idle",
	 .type = HT_OPTION_CHOICE,
	 .offset = P(idle),
	 .choices = idles,
	 .def = HT_IDLE_PAUSE,
	 .help
	 = "what a worker does when its queues are empty: poll on; pause the CPU for a moment; "
	   "sleep 50 us after 1024 empty reads; wait for a receive interrupt after that, where "
	   "the driver has them"},
	{.name = "hardware_time",
	 .type = HT_OPTION_BOOL,
	 .offset = P(hardware_time),
	 .def = true,
	 .help = "take the time of a frame from the NIC where it has a clock"},
};
const struct ht_option_table ht_dpdk_options = {
	.title = "Capture over DPDK",
	.options = options,
	.num = HT_ARRAY_LEN(options),
	.size = sizeof(struct ht_dpdk_params),
};
#undef P
