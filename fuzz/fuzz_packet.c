// SPDX-License-Identifier: BSD-3-Clause
// Frames through `packet`, and the fragments among them through `frag` and back.
//
// byte 0: the link type, an index into `linktypes` below
// byte 1: low 7 bits: how many bytes the snap length cut; top bit: not one frame follows but
// several,
//         each with its length (16 bits) before it
// then the frame, or frames. They are a second apart.

#include "frag.h"
#include "packet.h"
#include "packet_int.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NESTED_MAX 4 // fragments inside of fragments

// The last one is not known.
static const uint16_t linktypes[] = {1,	  0,   9,   12,	 14,  50,  51,	101, 104, 105,
				     108, 113, 127, 166, 204, 228, 229, 239, 276, 147};

static void must(bool holds) {
	if (!holds)
		abort();
}

static void check(const struct ht_packet *p, enum ht_packet_end end, struct ht_span within) {
	must(end == p->end && end < HT_PACKET_NUM_ENDS && p->num_encap <= HT_ENCAP_MAX);
	for (unsigned i = 0; i < p->num_encap; i++) {
		char text[24];
		char *stop = ht_encap_text(text, p->encap[i]);
		must(stop > text && stop <= text + sizeof(text));
	}
	struct ht_span part = {within.p, 0};
	if (end == HT_PACKET_TCP || end == HT_PACKET_UDP || end == HT_PACKET_EAPOL) {
		part = p->payload;
		must(p->payload_wire_len >= part.len);
	} else if (end == HT_PACKET_FRAGMENT) {
		part = p->fragment.data;
	}
	must(part.p >= within.p && part.p + part.len <= within.p + within.len);
}

// What is valid for its end must not depend on the path taken.
static void check_same(const struct ht_packet *a, const struct ht_packet *b) {
	must(a->end == b->end && a->num_encap == b->num_encap);
	for (unsigned i = 0; i < a->num_encap; i++)
		must(a->encap[i].id == b->encap[i].id && a->encap[i].kind == b->encap[i].kind);
	if (a->end != HT_PACKET_TCP && a->end != HT_PACKET_UDP)
		return;
	must(memcmp(&a->key, &b->key, sizeof(a->key)) == 0 && a->proto == b->proto);
	must(a->payload.p == b->payload.p && a->payload.len == b->payload.len);
	must(a->payload_wire_len == b->payload_wire_len);
	if (a->end == HT_PACKET_TCP)
		must(a->tcp_seq == b->tcp_seq && a->tcp_flags == b->tcp_flags);
}

static void run_frame(struct ht_frag *t, const struct ht_frame *f) {
	struct ht_packet p, q;
	enum ht_packet_end end = ht_packet_parse(&p, f);
	ht_packet_parse_general(&q, f);
	check(&p, end, HT_SPAN(f->data, f->caplen));
	check_same(&p, &q);
	for (int i = 0; end == HT_PACKET_FRAGMENT && i < NESTED_MAX; i++) {
		struct ht_frag_whole whole;
		if (ht_frag_add(t, &p, f->ts, &whole) != HT_FRAG_DONE)
			break;
		must(whole.payload.len > 0 && whole.payload.len <= 65535);
		end = ht_packet_resume(&p, whole.payload, whole.proto);
		check(&p, end, whole.payload);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct ht_reader r = ht_reader(HT_SPAN(data, size));
	uint8_t link, how;
	if (!ht_u8(&r, &link) || !ht_u8(&r, &how))
		return 0;
	struct ht_frag *t = ht_frag_new(&(struct ht_frag_params){
		.max_packets = 4,
		.timeout_ns = INT64_C(10) * 1000 * 1000 * 1000,
		.secret = {1, 2},
	});
	must(t != NULL);
	struct ht_frame f = {.linktype = linktypes[link % HT_ARRAY_LEN(linktypes)]};
	do {
		struct ht_reader one = r;
		if ((how & 0x80) != 0 && !ht_vec16(&r, &one))
			break;
		// A copy that ends where the frame ends, so that the next frame hides no over-read.
		uint8_t *copy = malloc(one.left.len > 0 ? one.left.len : 1);
		must(copy != NULL);
		memcpy(copy, one.left.p, one.left.len);
		f.data = copy;
		f.caplen = (uint32_t)one.left.len;
		f.len = f.caplen + (how & 0x7fu);
		f.ts += INT64_C(1000) * 1000 * 1000;
		f.number++;
		run_frame(t, &f);
		free(copy);
	} while ((how & 0x80) != 0);

	const struct ht_frag_stats *s = ht_frag_stats(t);
	must(s->begun >= s->done + s->timeout + s->overlap + s->evicted);
	for (int i = 0; i < 4; i++)
		ht_frag_expire(t, INT64_MAX);
	must(s->begun == s->done + s->timeout + s->overlap + s->evicted);
	ht_frag_free(t);
	return 0;
}
