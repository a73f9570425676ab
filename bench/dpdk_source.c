// SPDX-License-Identifier: BSD-3-Clause

#include "dpdk_source.h"

#include "bench.h"

#include <pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

// A turn is this long. Hellos that a client sends in several packets come that close together.
#define TURN ((uint64_t)1 << 32)
#define AT_ONCE 8 // frames

#define EARLY 8 // frames behind the hello by which a flow is decided

#define FLOOD_FRAMES 4096

struct raw {
	uint8_t ends[37]; // smaller address and port, greater one, protocol
	bool from_greater; // who sends
	uint32_t order; // in the file
	uint32_t len;
	uint32_t payload; // bytes behind TCP or UDP
	uint8_t *bytes;
	uint64_t when; // in the life of its flow
	struct source_frame f;
};

struct raws {
	struct raw *frame;
	uint32_t num, room;
};

static struct raw *more(struct raws *r) {
	if (r->num == r->room) {
		r->room = r->room == 0 ? 4096 : 2 * r->room;
		r->frame = realloc(r->frame, r->room * sizeof(*r->frame));
		need(r->frame != NULL, "no memory");
	}
	return &r->frame[r->num++];
}

// What gen_frame.c writes, and nothing else: Ethernet, IPv4 without options or IPv6, TCP or UDP.
static void read_ends(struct raw *w) {
	const uint8_t *p = w->bytes;
	w->f.v6 = ht_be16(p + 12) == 0x86dd;
	const unsigned l4 = w->f.v6 ? 54 : 34;
	need(w->len >= l4 + 8 && (w->f.v6 || p[14] == 0x45), "not a capture of generate");
	const uint8_t proto = w->f.v6 ? p[20] : p[23];
	const unsigned size = w->f.v6 ? 16 : 4, addr = w->f.v6 ? 22 : 26;
	w->payload = w->len - l4 - (proto == 17 ? 8 : (p[l4 + 12] >> 4) * 4u);
	uint8_t end[2][18] = {0};
	for (unsigned i = 0; i < 2; i++) {
		memcpy(end[i], p + addr + i * size, size);
		memcpy(end[i] + 16, p + l4 + 2 * i, 2);
	}
	w->from_greater = memcmp(end[0], end[1], 18) > 0;
	memcpy(w->ends, end[w->from_greater], 18);
	memcpy(w->ends + 18, end[!w->from_greater], 18);
	w->ends[36] = proto;
}

static void place(struct raw *w, bool from_client) {
	const uint8_t last[2] = {w->f.v6 ? 22 + 12 : 26, w->f.v6 ? 38 + 12 : 30};
	w->f.client = last[!from_client];
	w->f.server = last[from_client];
	w->f.port = (uint8_t)((w->f.v6 ? 54 : 34) + 2 * !from_client);
}

static struct raws read_capture(const char *path) {
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *c = pcap_open_offline(path, error);
	need(c != NULL, error);
	struct raws r = {0};
	struct pcap_pkthdr *h;
	const uint8_t *bytes;
	while (pcap_next_ex(c, &h, &bytes) == 1) {
		struct raw *w = more(&r);
		*w = (struct raw){.order = r.num, .len = h->caplen, .bytes = malloc(h->caplen)};
		need(w->bytes != NULL, "no memory");
		memcpy(w->bytes, bytes, h->caplen);
		read_ends(w);
	}
	pcap_close(c);
	need(r.num > 0, "an empty capture");
	return r;
}

static int by_flow(const void *a, const void *b) {
	const struct raw *x = a, *y = b;
	const int c = memcmp(x->ends, y->ends, sizeof(x->ends));
	return c != 0 ? c : (x->order > y->order) - (x->order < y->order);
}

static int by_place(const void *a, const void *b) {
	const struct raw *x = a, *y = b;
	const uint64_t p = x->when % TURN, q = y->when % TURN;
	return p != q ? (p > q) - (p < q) : (x->order > y->order) - (x->order < y->order);
}

// Whether a frame is of what the client sends before the server has answered: its hello, in one
// packet or more.
static bool is_hello(const struct raw *flow, const struct raw *w) {
	for (const struct raw *x = flow; x < w; x++)
		if (x->payload > 0 && x->from_greater != flow->from_greater)
			return false;
	return w->payload > 0 && w->from_greater == flow->from_greater;
}

static void set_flow(struct raw *w, uint32_t n, uint32_t flow) {
	struct raw *hello = NULL;
	for (uint32_t k = 0; k < n; k++) {
		w[k].f.flow = flow;
		place(&w[k], w[k].from_greater == w[0].from_greater);
		if (is_hello(w, &w[k]))
			hello = &w[k];
	}
	if (hello == NULL)
		return;
	hello->f.whole = true;
	for (struct raw *x = w; x < w + n && x <= hello + EARLY; x++)
		x->f.early = true;
}

// The capture by flows: keeps those of this part, of each the first `most` frames and the last.
static void
keep_flows(struct source *s, struct raws *r, unsigned part, unsigned parts, uint32_t most) {
	uint32_t num = 0, flow = 0;
	for (uint32_t i = 0, n; i < r->num; i += n, flow++) {
		for (n = 1; i + n < r->num; n++)
			if (memcmp(r->frame[i].ends, r->frame[i + n].ends, 37) != 0)
				break;
		if (flow % parts != part)
			continue;
		const uint32_t kept = n < most ? n : most;
		for (uint32_t k = 0; k < kept; k++)
			r->frame[num + k] = r->frame[i + (k + 1 == kept ? n - 1 : k)];
		set_flow(&r->frame[num], kept, s->num_flows++);
		num += kept;
	}
	r->num = num;
}

// The most frames of a flow so that there are `each` on average.
static uint32_t longest(const struct raws *r, unsigned each) {
	uint32_t lengths[256] = {0}, flows = 0;
	for (uint32_t i = 0, n; i < r->num; i += n, flows++) {
		for (n = 1; i + n < r->num; n++)
			if (memcmp(r->frame[i].ends, r->frame[i + n].ends, 37) != 0)
				break;
		lengths[n < 255 ? n : 255]++;
	}
	uint32_t most = each;
	for (uint64_t sum = 0; most < 255; most++) {
		sum = 0;
		for (uint32_t n = 0; n < 256; n++)
			sum += (uint64_t)lengths[n] * (n < most ? n : most);
		if (sum >= (uint64_t)each * flows)
			break;
	}
	return most;
}

// The next packet of a hello comes with the one before it.
static bool at_once(const struct raw *flow, const struct raw *w) {
	return is_hello(flow, w - 1) && is_hello(flow, w);
}

// A flow begins anywhere in the turn, and its frames are equally far apart.
static void set_times(struct source *s, struct raws *r, uint64_t concurrent) {
	uint64_t steps = 0, step = 0, life = 0;
	for (unsigned pass = 0; pass < 2; pass++) {
		const struct raw *flow = NULL;
		for (struct raw *w = r->frame; w < r->frame + r->num; w++) {
			if (flow == NULL || w->f.flow != flow->f.flow) {
				flow = w;
				w->when = w->f.flow * (TURN / s->num_flows);
				continue;
			}
			const bool soon = at_once(flow, w);
			const uint64_t wait = soon ? AT_ONCE * (TURN / r->num) : step;
			steps += !soon;
			life += wait;
			w->when = w[-1].when + wait;
		}
		if (pass == 0 && steps > 0)
			step = (uint64_t)((unsigned __int128)concurrent * TURN / steps);
		if (pass == 0)
			life = 0;
	}
	s->concurrent = life / TURN;
	for (struct raw *w = r->frame; w < r->frame + r->num; w++) {
		w->f.back = (uint32_t)(w->when / TURN);
		if (w->f.back > s->turns)
			s->turns = w->f.back;
	}
}

static void write_turn(struct source *s, const struct raws *r) {
	s->fd = memfd_create("turn", MFD_CLOEXEC);
	need(s->fd >= 0, "memfd_create");
	pcap_t *c = pcap_open_dead(DLT_EN10MB, 65535);
	FILE *f = fdopen(dup(s->fd), "wb");
	need(c != NULL && f != NULL, "no memory");
	pcap_dumper_t *d = pcap_dump_fopen(c, f);
	need(d != NULL, "pcap_dump_fopen");
	s->num_frames = r->num;
	s->frames = calloc(r->num, sizeof(*s->frames));
	s->early = calloc(r->num, sizeof(*s->early));
	need(s->frames != NULL && s->early != NULL, "no memory");
	for (uint32_t i = 0; i < r->num; i++) {
		const struct raw *w = &r->frame[i];
		const struct pcap_pkthdr h = {.caplen = w->len, .len = w->len};
		pcap_dump((uint8_t *)d, &h, w->bytes);
		s->frames[i] = w->f;
		s->bytes += w->len;
		s->hellos += w->f.whole;
		if (!w->f.early)
			continue;
		struct source_copy *e = &s->early[s->num_early++];
		*e = (struct source_copy){i, w->len, malloc(w->len)};
		need(e->bytes != NULL, "no memory");
		memcpy(e->bytes, w->bytes, w->len);
	}
	need(pcap_dump_flush(d) == 0, "the capture could not be written");
	pcap_dump_close(d);
	pcap_close(c);
}

void source_capture(
	struct source *s,
	const char *path,
	unsigned part,
	unsigned parts,
	uint64_t concurrent,
	unsigned each
) {
	memset(s, 0, sizeof(*s));
	struct raws r = read_capture(path);
	struct raw *const all = malloc(r.num * sizeof(*all));
	need(all != NULL, "no memory");
	const uint32_t num = r.num;
	memcpy(all, r.frame, num * sizeof(*all));
	qsort(r.frame, r.num, sizeof(*r.frame), by_flow);
	keep_flows(s, &r, part, parts, each == 0 ? UINT32_MAX : longest(&r, each));
	set_times(s, &r, concurrent);
	qsort(r.frame, r.num, sizeof(*r.frame), by_place);
	write_turn(s, &r);
	for (uint32_t i = 0; i < num; i++)
		free(all[i].bytes);
	free(all);
	free(r.frame);
}

void source_flood(struct source *s, bool udp) {
	// 60 bytes and the FCS are the shortest frame. RFC 9293 3.1: a SYN with a maximum segment
	// size and two bytes of padding behind the packet; RFC 768: 18 bytes of payload.
	static const uint8_t syn[60] = {
		2,    0, 0, 0,	  0, 2, 2,  0, 0,  0, 0, 1, 8,	  0, // Ethernet
		0x45, 0, 0, 44,	  0, 0, 64, 0, 64, 6, 0, 0, 10,	  0, 0, 1, 198, 18, 0, 1, // IPv4
		0x80, 0, 1, 0xbb, 0, 0, 0,  0, 0,  0, 0, 0, 0x60, 2, 2, 0, 0,	0,  0, 0,
		2,    4, 5, 0xb4,
	};
	static const uint8_t datagram[60] = {
		2,    0, 0, 0,	  0, 2,	 2,  0, 0,  0,	0, 1, 8,  0, // Ethernet
		0x45, 0, 0, 46,	  0, 0,	 64, 0, 64, 17, 0, 0, 10, 0, 0, 1, 198, 18, 0, 1, // IPv4
		0x80, 0, 1, 0xbb, 0, 26, 0,  0,
	};
	memset(s, 0, sizeof(*s));
	struct raws r = {0};
	uint64_t noise = 1;
	for (uint32_t i = 0; i < FLOOD_FRAMES; i++) {
		struct raw *w = more(&r);
		*w = (struct raw){.order = i, .len = 60, .bytes = malloc(60), .f = {.flow = i}};
		need(w->bytes != NULL, "no memory");
		memcpy(w->bytes, udp ? datagram : syn, 60);
		for (unsigned k = 42; udp && k < 60; k++)
			w->bytes[k] = (uint8_t)((noise = noise * 6364136223846793005u + 1) >> 56);
		if (!udp)
			ht_put_be32(w->bytes + 38, i * 2654435761u);
		place(w, true);
	}
	s->num_flows = r.num;
	write_turn(s, &r);
	for (uint32_t i = 0; i < r.num; i++)
		free(r.frame[i].bytes);
	free(r.frame);
}

void source_free(struct source *s) {
	for (uint32_t i = 0; i < s->num_early; i++)
		free(s->early[i].bytes);
	free(s->early);
	free(s->frames);
	close(s->fd);
}
