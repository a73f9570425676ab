// SPDX-License-Identifier: BSD-3-Clause
// The capture filter: pcap-filter(7), compiled and run by libpcap, once for each link type.

#include "capture_int.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

// DLT_ values, which libpcap's functions use, and LINKTYPE_ values differ where systems disagreed
// about the former before the latter were there (pcap/dlt.h).
static const struct {
	uint16_t linktype;
	int dlt;
} differ[] = {
	{100, DLT_ATM_RFC1483}, {101, DLT_RAW},	     {102, DLT_SLIP_BSDOS},
	{103, DLT_PPP_BSDOS},	{106, DLT_ATM_CLIP},
};

static int dlt(uint16_t linktype) {
	for (size_t i = 0; i < HT_ARRAY_LEN(differ); i++)
		if (differ[i].linktype == linktype)
			return differ[i].dlt;
	return linktype;
}

uint16_t ht_capture_dlt_linktype(int value) {
	for (size_t i = 0; i < HT_ARRAY_LEN(differ); i++)
		if (differ[i].dlt == value)
			return differ[i].linktype;
	return (uint16_t)value;
}

static struct bpf_program *compile(const char *expr, uint16_t linktype, char *why, size_t why_len) {
	struct bpf_program *prog = calloc(1, sizeof(*prog));
	pcap_t *dead = pcap_open_dead(dlt(linktype), (int)HT_CAPTURE_SNAPLEN);
	if (prog == NULL || dead == NULL) {
		snprintf(why, why_len, "filter: out of memory");
	} else if (pcap_compile(dead, prog, expr, 1, PCAP_NETMASK_UNKNOWN) != 0) {
		snprintf(why, why_len, "filter \"%s\": %s", expr, pcap_geterr(dead));
	} else {
		pcap_close(dead);
		return prog;
	}
	if (dead != NULL)
		pcap_close(dead);
	free(prog);
	return NULL;
}

enum ht_rc ht_capture_filter_check(const char *filter, char *err, size_t err_len) {
	struct bpf_program *prog = compile(filter, 1, err, err_len);
	if (prog == NULL)
		return HT_BAD;
	pcap_freecode(prog);
	free(prog);
	return HT_OK;
}

const struct ht_filter *
ht_filters_get(struct ht_filters *s, uint16_t linktype, char *why, size_t why_len) {
	// What no slot is left for.
	static const struct ht_filter none;
	why[0] = '\0';
	for (unsigned i = 0; i < s->num; i++)
		if (s->f[i].linktype == linktype)
			return &s->f[i];
	if (s->num == HT_CAPTURE_MAX_FILTERS) {
		snprintf(why, why_len, "filter: more than %u link types", HT_CAPTURE_MAX_FILTERS);
		return &none;
	}
	struct ht_filter *f = &s->f[s->num++];
	f->linktype = linktype;
	f->prog = compile(s->expr, linktype, why, why_len);
	return f;
}

bool ht_filter_match(const struct ht_filter *f, const struct ht_frame *frame) {
	struct pcap_pkthdr h = {.caplen = frame->caplen, .len = frame->len};
	return f->prog != NULL && pcap_offline_filter(f->prog, &h, frame->data) != 0;
}

void ht_filters_free(struct ht_filters *s) {
	for (unsigned i = 0; i < s->num; i++) {
		if (s->f[i].prog == NULL)
			continue;
		pcap_freecode(s->f[i].prog);
		free(s->f[i].prog);
	}
	free(s->expr);
}
