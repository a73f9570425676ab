// SPDX-License-Identifier: BSD-3-Clause
// One interface, captured through libpcap: on Linux a packet socket with a ring that the kernel
// writes to (TPACKET_V3; V2 in immediate mode).
//
// libpcap lends a frame for the time of a callback, so the callback copies it into a batch.
//
// The kernel counts what passes the socket's filter, and of that what found no room. The sum is
// made to hold to the frame by closing the socket's door (a filter that refuses all) twice: before
// the filter asked for is set, until what came through without it is gone, and at the end, until
// the ring is empty.
//
// read() makes no system call that opens anything (libpcap's pcap_stats does): a thread that may
// not (app/seccomp.h) can capture.

#include "asan.h"
#include "capture_int.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef PACKET_FANOUT_FLAG_UNIQUEID
#define PACKET_FANOUT_FLAG_UNIQUEID 0x2000 // Linux 4.12
#endif
#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING
#define PACKET_FANOUT_FLAG_IGNORE_OUTGOING 0x4000 // Linux 6.3
#endif
#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23 // Linux 4.20
#endif

// Bytes of frames after which a batch is full. Small enough to stay in L2 until it is walked.
#define BATCH (256u * 1024)

// The kernel hands over a block of the ring when it is full, or after this.
#define BLOCK_MS 20

// Reads between two looks at the kernel's counters. On a silent link a read takes a tenth of a
// second, and somebody may ask for what was lost.
#define READS_PER_LOOK 16

// How long to wait for what the kernel counted and has not handed over, and how often to look for
// it at least: a thread that stood still meanwhile has not waited. At the end it must come, but
// where libpcap may keep it back.
#define DRAIN_MS 250
#define DRAIN_LONG_MS 5000
#define DRAIN_LOOKS 25

struct live {
	pcap_t *pcap;
	char *name;
	int fd;
	uint32_t snaplen;
	uint16_t linktype;
	bool ts_is_ns;
	bool withholds; // libpcap may keep frames back that the kernel counts
	bool closing; // the door is closed
	bool ended;
	int64_t closing_since; // ms; moved on by each frame that still comes
	unsigned looks; // since then, in which none came

	struct ht_frame *f; // the caller's, during read()
	unsigned num;
	size_t used;
	uint8_t *batch; // BATCH bytes, and room for one more frame

	unsigned reads;
	int if_drops[2]; // what the interface itself lost, files of sysfs; -1: it does not say
	uint64_t if_dropped; // when it was looked at last
	struct ht_capture_stats stats;
	char error[512];
};

// A struct ht_capture of this backend is a struct live.
static struct live *of(struct ht_capture *c) {
	return (struct live *)c;
}

static const struct live *of_const(const struct ht_capture *c) {
	return (const struct live *)c;
}

#define P(field) offsetof(struct ht_capture_params, field)
static const struct ht_option options[] = {
	{.name = "snaplen",
	 .type = HT_OPTION_U32,
	 .offset = P(snaplen),
	 .def = HT_CAPTURE_SNAPLEN,
	 .least = HT_CAPTURE_SNAPLEN_MIN,
	 .most = HT_CAPTURE_SNAPLEN,
	 .help = "bytes kept of a frame"},
	{.name = "buffer_mib",
	 .type = HT_OPTION_U32,
	 .offset = P(buffer_mib),
	 .def = HT_CAPTURE_BUFFER_MIB,
	 .least = 1,
	 .most = HT_CAPTURE_BUFFER_MIB_MAX,
	 .help = "memory the kernel writes frames to, for each interface and worker"},
	{.name = "immediate",
	 .type = HT_OPTION_BOOL,
	 .offset = P(immediate),
	 .help = "take frames one by one as they come, not in blocks (20 ms at most)"},
	{.name = "promiscuous",
	 .type = HT_OPTION_BOOL,
	 .offset = P(promiscuous),
	 .def = true,
	 .help = "take what is sent to others, as a mirror port needs"},
};
#undef P
const struct ht_option_table ht_live_options = {
	.title = "Capture from interfaces, through libpcap",
	.options = options,
	.num = HT_ARRAY_LEN(options),
	.size = sizeof(struct ht_capture_params),
};

// --- counters -----------------------------------------------------------------------------------

// What the interface has lost since it is there.
static uint64_t read_if_drops(const struct live *l) {
	uint64_t sum = 0;
	for (unsigned i = 0; i < HT_ARRAY_LEN(l->if_drops); i++) {
		char text[32];
		const ssize_t n
			= l->if_drops[i] < 0 ? 0 : pread(l->if_drops[i], text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		sum += strtoull(text, NULL, 10);
	}
	return sum;
}

static void look(struct live *l) {
	struct tpacket_stats now; // since the last time it was asked
	socklen_t len = sizeof(now);
	if (getsockopt(l->fd, SOL_PACKET, PACKET_STATISTICS, &now, &len) != 0)
		return;
	l->stats.received += now.tp_packets; // with those it dropped
	l->stats.kernel_dropped += now.tp_drops;
	const uint64_t dropped = read_if_drops(l);
	if (dropped > l->if_dropped) // an interface that went away has none
		l->stats.if_dropped += dropped - l->if_dropped;
	l->if_dropped = dropped;
}

// in_ring is how many frames the kernel has counted that were neither dropped nor given out.
static uint64_t in_ring(struct live *l, uint64_t given) {
	look(l);
	const uint64_t gone = given + l->stats.kernel_dropped;
	return l->stats.received > gone ? l->stats.received - gone : 0;
}

static void close_door(struct live *l) {
	struct sock_filter refuse = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog prog = {.len = 1, .filter = &refuse};
	(void)setsockopt(l->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
	l->closing_since = ht_clock_ms();
	l->looks = 0;
}

// looked_for counts a look, and tells whether that is enough.
static bool looked_for(struct live *l, int64_t ms) {
	return ++l->looks >= DRAIN_LOOKS && ht_clock_ms() - l->closing_since >= ms;
}

// --- opening ------------------------------------------------------------------------------------

// no_interface names what there is.
static void no_interface(const char *name, char *err, size_t err_len) {
	size_t n = (size_t)snprintf(err, err_len, "%s: no such interface; there are", name);
	struct if_nameindex *all = if_nameindex();
	for (struct if_nameindex *i = all; i != NULL && i->if_index != 0 && n < err_len; i++)
		n += (size_t)snprintf(err + n, err_len - n, " %s,", i->if_name);
	if (n < err_len)
		snprintf(err + n, err_len - n, " any");
	if (all != NULL)
		if_freenameindex(all);
}

static void why_not_active(const struct live *l, int rc, char *err, size_t err_len) {
	const char *detail = pcap_geterr(l->pcap);
	switch (rc) {
	case PCAP_ERROR_PERM_DENIED:
	case PCAP_ERROR_PROMISC_PERM_DENIED:
		snprintf(
			err, err_len,
			"%s: not allowed to capture: that takes root or CAP_NET_RAW "
			"(setcap cap_net_raw+ep on the program)",
			l->name
		);
		return;
	case PCAP_ERROR_IFACE_NOT_UP:
		snprintf(err, err_len, "%s: the interface is down", l->name);
		return;
	default:
		snprintf(
			err, err_len, "%s: %s%s%s", l->name, pcap_statustostr(rc),
			detail[0] != '\0' ? ": " : "", detail
		);
		return;
	}
}

static enum ht_rc
activate(struct live *l, const struct ht_capture_params *p, char *err, size_t err_len) {
	char why[PCAP_ERRBUF_SIZE] = "";
	l->pcap = pcap_create(l->name, why);
	if (l->pcap == NULL) {
		snprintf(err, err_len, "%s: %s", l->name, why);
		return HT_ERROR;
	}
	pcap_set_snaplen(l->pcap, (int)l->snaplen);
	pcap_set_promisc(l->pcap, p->promiscuous);
	pcap_set_timeout(l->pcap, BLOCK_MS);
	pcap_set_immediate_mode(l->pcap, p->immediate);
	pcap_set_buffer_size(l->pcap, (int)(p->buffer_mib << 20));
	pcap_set_tstamp_precision(l->pcap, PCAP_TSTAMP_PRECISION_NANO); // µs if refused
	int rc = pcap_activate(l->pcap);
	if (rc < 0) {
		why_not_active(l, rc, err, err_len);
		return HT_ERROR;
	}
	if (pcap_setnonblock(l->pcap, 1, why) != 0) {
		snprintf(err, err_len, "%s: %s", l->name, why);
		return HT_ERROR;
	}
	l->fd = pcap_get_selectable_fd(l->pcap);
	l->linktype = ht_capture_dlt_linktype(pcap_datalink(l->pcap));
	l->ts_is_ns = pcap_get_tstamp_precision(l->pcap) == PCAP_TSTAMP_PRECISION_NANO;
	return HT_OK;
}

// iff tells whether a flag of the interface is as given; false for "any" and where there is no
// telling.
static bool iff(const struct live *l, unsigned flag, bool is) {
	struct ifreq r = {0};
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", l->name);
	return ioctl(l->fd, SIOCGIFFLAGS, &r) == 0 && !!(r.ifr_flags & flag) == is;
}

// Each frame through a loopback is seen going out and coming in. libpcap withholds the first; the
// kernel need not even hand it over.
static void once_on_loopback(struct live *l) {
	const int on = 1;
	if (iff(l, IFF_LOOPBACK, true)
	    && setsockopt(l->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0)
		l->withholds = true;
}

// Not an interface's own, if it is not promiscuous: it refuses most of what it sees.
static void open_if_drops(struct live *l) {
	static const char *const names[] = {"rx_missed_errors", "rx_fifo_errors"};
	for (unsigned i = 0; i < HT_ARRAY_LEN(names); i++) {
		char path[128];
		snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", l->name, names[i]);
		l->if_drops[i] = open(path, O_RDONLY | O_CLOEXEC);
	}
	l->if_dropped = read_if_drops(l);
}

static void discard(u_char *count, const struct pcap_pkthdr *h, const u_char *bytes) {
	(void)h;
	(void)bytes;
	++*(uint64_t *)count;
}

// empty_ring takes away what came before a filter was there, and forgets that it was counted. The
// door is closed.
static void empty_ring(struct live *l) {
	uint64_t gone = 0;
	struct pollfd p = {.fd = l->fd, .events = POLLIN};
	// A frame may be on its way past the door still: so one wait at least.
	do {
		(void)poll(&p, 1, 2);
		if (pcap_dispatch(l->pcap, -1, discard, (u_char *)&gone) < 0)
			break; // read() will tell
	} while (in_ring(l, gone) > 0 && !looked_for(l, DRAIN_MS));
	memset(&l->stats, 0, sizeof(l->stats));
}

// set_filter also opens the door: no expression is one that takes all, up to the snap length.
static enum ht_rc set_filter(struct live *l, const char *expr, char *err, size_t err_len) {
	struct bpf_program prog;
	if (expr == NULL)
		expr = "";
	if (pcap_compile(l->pcap, &prog, expr, 1, PCAP_NETMASK_UNKNOWN) != 0) {
		snprintf(
			err, err_len, "%s: filter \"%s\": %s", l->name, expr, pcap_geterr(l->pcap)
		);
		return HT_ERROR;
	}
	int rc = pcap_setfilter(l->pcap, &prog);
	pcap_freecode(&prog);
	if (rc != 0) {
		snprintf(
			err, err_len, "%s: filter \"%s\": %s", l->name, expr, pcap_geterr(l->pcap)
		);
		return HT_ERROR;
	}
	// libpcap does not say which filter the kernel did not take.
	socklen_t len = 0;
	if (getsockopt(l->fd, SOL_SOCKET, SO_GET_FILTER, NULL, &len) == 0 && len == 0)
		l->withholds = true;
	return HT_OK;
}

// The kernel's choice among the captures of a group: the two addresses of IPv4 or IPv6, folded by
// exclusive or, so that both directions give the same; what has none goes to the first. The kernel
// has taken a VLAN tag away before, and divides by the size of the group itself.
static bool set_choice(const struct live *l) {
	enum { NET = SKF_NET_OFF };
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(NET + (offset)))
#define FOLD(offset) \
	BPF_STMT(BPF_MISC | BPF_TAX, 0), LOAD(offset), BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0)
	static struct sock_filter choice[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0800, 0, 5),
		LOAD(12),
		FOLD(16),
		BPF_STMT(BPF_JMP | BPF_JA, 24),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x86dd, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		LOAD(8),
		FOLD(12),
		FOLD(16),
		FOLD(20),
		FOLD(24),
		FOLD(28),
		FOLD(32),
		FOLD(36),
		// Addresses of one network differ in a few bits only: all of them shall count. The
		// product's upper half is well mixed.
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 0x9e3779b1),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
#undef FOLD
#undef LOAD
	const struct sock_fprog prog = {.len = HT_ARRAY_LEN(choice), .filter = choice};
	return setsockopt(l->fd, SOL_PACKET, PACKET_FANOUT_DATA, &prog, sizeof(prog)) == 0;
}

// A new group gets a number from the kernel, so that no other process of this network namespace can
// be in it. On a loopback the group, too, must leave out what goes out; a kernel that cannot leaves
// that to libpcap.
static bool group_of(struct live *l, const struct live *with, int *group) {
	const int out = iff(l, IFF_LOOPBACK, true) ? PACKET_FANOUT_FLAG_IGNORE_OUTGOING : 0;
	socklen_t len = sizeof(*group);
	if (with != NULL) {
		l->withholds = l->withholds || with->withholds;
		return getsockopt(with->fd, SOL_PACKET, PACKET_FANOUT, group, &len) == 0;
	}
	*group = (PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_UNIQUEID | out) << 16;
	return true;
}

static enum ht_rc join_group(struct live *l, const struct live *with, char *err, size_t err_len) {
	int group;
	bool ok = group_of(l, with, &group);
	if (ok && setsockopt(l->fd, SOL_PACKET, PACKET_FANOUT, &group, sizeof(group)) != 0) {
		group &= ~(PACKET_FANOUT_FLAG_IGNORE_OUTGOING << 16);
		l->withholds = l->withholds || iff(l, IFF_LOOPBACK, true);
		ok = setsockopt(l->fd, SOL_PACKET, PACKET_FANOUT, &group, sizeof(group)) == 0;
	}
	if (ok && (with != NULL || set_choice(l)))
		return HT_OK;
	snprintf(
		err, err_len, "%s: cannot be shared by several workers: %s", l->name,
		strerror(errno)
	);
	return HT_ERROR;
}

static void live_close(struct ht_capture *c) {
	struct live *l = of(c);
	if (l == NULL)
		return;
	if (l->pcap != NULL)
		pcap_close(l->pcap);
	for (unsigned i = 0; i < HT_ARRAY_LEN(l->if_drops); i++)
		if (l->if_drops[i] >= 0)
			close(l->if_drops[i]);
	if (l->batch != NULL)
		HT_UNPOISON(l->batch, BATCH + l->snaplen);
	free(l->batch);
	free(l->name);
	free(l);
}

static enum ht_rc
live_open(struct ht_capture **out, const struct ht_capture_params *p, char *err, size_t err_len) {
	const bool any = strcmp(p->source, "any") == 0;
	if (!any && if_nametoindex(p->source) == 0) {
		no_interface(p->source, err, err_len);
		return HT_ERROR;
	}
	struct live *l = calloc(1, sizeof(*l));
	if (l != NULL) {
		l->snaplen = p->snaplen;
		l->withholds = any;
		l->if_drops[0] = l->if_drops[1] = -1;
		l->name = strdup(p->source);
		l->batch = ht_capture_alloc(BATCH + p->snaplen);
	}
	if (l == NULL || l->name == NULL || l->batch == NULL) {
		snprintf(err, err_len, "out of memory");
		live_close((struct ht_capture *)l);
		return HT_ERROR;
	}
	if (activate(l, p, err, err_len) != HT_OK) {
		live_close((struct ht_capture *)l);
		return HT_ERROR;
	}
	close_door(l);
	if (p->promiscuous)
		open_if_drops(l);
	once_on_loopback(l);
	if (p->shared && join_group(l, of_const(p->with), err, err_len) != HT_OK) {
		live_close((struct ht_capture *)l);
		return HT_ERROR;
	}
	empty_ring(l);
	if (!p->shared && set_filter(l, p->filter, err, err_len) != HT_OK) {
		live_close((struct ht_capture *)l);
		return HT_ERROR;
	}
	*out = (struct ht_capture *)l;
	return HT_OK;
}

enum ht_rc
ht_capture_live_begin(struct ht_capture *c, const char *filter, char *err, size_t err_len) {
	return set_filter(of(c), filter, err, err_len);
}

// --- frames -------------------------------------------------------------------------------------

static void take(u_char *user, const struct pcap_pkthdr *h, const u_char *bytes) {
	struct live *l = (struct live *)user;
	const uint32_t caplen = h->caplen < l->snaplen ? h->caplen : l->snaplen;
	uint8_t *to = l->batch + l->used;
	if (l->used >= BATCH) // never, as libpcap is; the ledger would not balance
		return;
	memcpy(to, bytes, caplen);
	l->f[l->num++] = (struct ht_frame){
		.data = to,
		.caplen = caplen,
		.len = h->len > caplen ? h->len : caplen,
		.ts = (int64_t)h->ts.tv_sec * 1000000000
		      + (int64_t)h->ts.tv_usec * (l->ts_is_ns ? 1 : 1000),
		.linktype = l->linktype,
		.ts_is_ns = l->ts_is_ns,
	};
	l->used += caplen;
	l->stats.bytes_read += caplen;
	if (l->used >= BATCH)
		pcap_breakloop(l->pcap);
}

static void live_stop(struct ht_capture *c) {
	struct live *l = of(c);
	if (l->closing)
		return;
	l->closing = true;
	close_door(l);
}

// The capture ends with an error, after what is still in the ring.
static void fail(struct live *l, const char *why) {
	if (l->closing)
		return;
	snprintf(l->error, sizeof(l->error), "%s: %s", l->name, why);
	live_stop((struct ht_capture *)l);
}

// The ring is empty, or nothing comes out of it any more. What the kernel counted and did not hand
// over is libpcap's doing, where it may be.
static void see_end(struct live *l) {
	const uint64_t left = in_ring(l, l->stats.frames);
	if (left > 0 && !looked_for(l, l->withholds ? DRAIN_MS : DRAIN_LONG_MS))
		return;
	l->ended = true;
	if (l->withholds)
		l->stats.withheld = left;
}

// The socket outlives its interface's being down, and reads on when that is up again.
static void look_at_link(struct live *l) {
	const bool down = iff(l, IFF_UP, false);
	if (down == l->stats.down)
		return;
	l->stats.down = down;
	l->stats.link_changes++;
}

static unsigned live_read(struct ht_capture *c, struct ht_frame *f, unsigned max_f) {
	struct live *l = of(c);
	if (l->ended)
		return 0;
	HT_UNPOISON(l->batch, BATCH + l->snaplen);
	l->f = f;
	l->num = 0;
	l->used = 0;
	const int rc = pcap_dispatch(l->pcap, (int)max_f, take, (u_char *)l);
	l->stats.frames += l->num;
	if (rc == PCAP_ERROR)
		fail(l, pcap_geterr(l->pcap));
	else if (l->num == 0)
		look_at_link(l);
	if (++l->reads % READS_PER_LOOK == 0)
		look(l);
	if (l->closing && l->num > 0) {
		l->closing_since = ht_clock_ms();
		l->looks = 0;
	} else if (l->closing) {
		see_end(l);
	}
	return l->num;
}

static void live_release(struct ht_capture *c) {
	HT_POISON(of(c)->batch, BATCH + of(c)->snaplen);
}

static const char *live_error(const struct ht_capture *c) {
	return of_const(c)->error[0] != '\0' ? of_const(c)->error : NULL;
}

static void live_stats(const struct ht_capture *c, struct ht_capture_stats *out) {
	*out = of_const(c)->stats;
}

static int live_fd(const struct ht_capture *c) {
	return of_const(c)->fd;
}

static bool live_ended(const struct ht_capture *c) {
	return of_const(c)->ended;
}

const struct ht_capture_ops ht_capture_live = {
	.name = "live",
	.open = live_open,
	.read = live_read,
	.release = live_release,
	.error = live_error,
	.stats = live_stats,
	.close = live_close,
	.fd = live_fd,
	.stop = live_stop,
	.ended = live_ended,
};
