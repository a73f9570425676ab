// SPDX-License-Identifier: BSD-3-Clause
// pcap files: draft-ietf-opsawg-pcap, and the older forms libpcap reads.

#include "capture_int.h"

#include <inttypes.h>

#define FILE_HEADER 24u

enum ht_rc ht_pcap_open(struct ht_capture *c, uint32_t magic) {
	c->format = HT_FILE_PCAP;
	switch (magic) {
	case 0xa1b2c3d4:
	case 0xd4c3b2a1:
		c->ts_mul = 1000;
		c->header_len = 16;
		break;
	case 0xa1b23c4d: // draft-ietf-opsawg-pcap 4: nanoseconds
	case 0x4d3cb2a1:
		c->ts_mul = 1;
		c->ts_is_ns = true;
		c->header_len = 16;
		break;
	case 0xa1b2cd34: // A. Kuznetsov's libpcap: interface, protocol and direction after the
			 // header
	case 0x34cdb2a1:
		c->ts_mul = 1000;
		c->header_len = 24;
		break;
	default:
		return HT_SKIP;
	}
	c->swapped = (magic >> 24) != 0xa1;
	enum ht_rc rc = ht_capture_fill(c, FILE_HEADER);
	if (rc == HT_MORE)
		ht_capture_fail(
			c, c->offset, "cut short in the file header, %zu of %u bytes missing",
			FILE_HEADER - (c->len - c->pos), FILE_HEADER
		);
	if (rc != HT_OK)
		return HT_ERROR;
	const uint8_t *h = c->buf + c->pos;
	unsigned major = get16(c, h + 4);
	c->version_minor = (uint8_t)(get16(c, h + 6) < 255 ? get16(c, h + 6) : 255);
	if (major != 2) {
		ht_capture_fail(
			c, 4, "pcap version %u.%u is not supported", major, get16(c, h + 6)
		);
		return HT_ERROR;
	}
	// A frame longer than the snap length says is let pass up to what libpcap lets pass: merged
	// files have such. Beyond it the length is taken for damage.
	uint32_t snaplen = get32(c, h + 16);
	c->caplen_max = snaplen > HT_CAPTURE_SNAPLEN ? snaplen : HT_CAPTURE_SNAPLEN;
	if (c->caplen_max > HT_CAPTURE_FRAME_MAX)
		c->caplen_max = HT_CAPTURE_FRAME_MAX;
	// draft-ietf-opsawg-pcap 4: the upper 16 bits hold the FCS length and reserved bits.
	c->linktype = ht_capture_linktype(get32(c, h + 20) & 0xffff);
	c->pos += FILE_HEADER;
	if (c->filtering) {
		char why[256];
		c->filter = ht_filters_get(&c->filters, c->linktype, why, sizeof(why));
		if (why[0] != '\0') {
			ht_capture_fail(c, 0, "%s", why);
			return HT_ERROR;
		}
	}
	if (!c->swapped && c->header_len == 16 && !c->filtering && c->version_minor > 3)
		c->format = HT_FILE_PCAP_PLAIN;
	return HT_OK;
}

// walk parses the frames that are whole in the buffer. `plain` is a constant at both calls: this
// byte order, a 16-byte header, no filter. *need is what the next frame takes from pos on.
static inline __attribute__((always_inline)) unsigned
walk(struct ht_capture *c, struct ht_frame *f, unsigned max_f, size_t *need, const bool plain) {
	const size_t header_len = plain ? 16 : c->header_len;
	const uint32_t caplen_max = c->caplen_max;
	const uint8_t *buf = c->buf;
	uint64_t number = c->frames;
	size_t pos = c->pos, left = c->len - c->pos;
	unsigned n = 0;
	*need = header_len;
	while (n < max_f && left >= header_len) {
		uint32_t h[4]; // seconds, fraction, caplen, len
		memcpy(h, buf + pos, sizeof(h));
		if (!plain) {
			if (c->swapped)
				for (unsigned i = 0; i < 4; i++)
					h[i] = __builtin_bswap32(h[i]);
			// Before version 2.3 the two lengths stood the other way round; in 2.3 some
			// wrote them so and some did not.
			if (c->version_minor < 3 || (c->version_minor == 3 && h[2] > h[3])) {
				uint32_t t = h[2];
				h[2] = h[3];
				h[3] = t;
			}
		}
		uint32_t caplen = h[2];
		size_t size = header_len + (size_t)caplen;
		*need = size;
		if (HT_UNLIKELY(caplen > caplen_max || left < size))
			break;
		f[n] = (struct ht_frame){
			.data = buf + pos + header_len,
			.caplen = caplen,
			.len = h[3] > caplen ? h[3] : caplen, // some writers leave it 0
			// The seconds are unsigned (draft-ietf-opsawg-pcap 5), as tshark has them:
			// a time before 1970 cannot be said in this format, 2038 to 2106 can.
			.ts = (int64_t)h[0] * 1000000000 + (int64_t)h[1] * c->ts_mul,
			.number = ++number,
			.linktype = c->linktype,
			.ts_is_ns = c->ts_is_ns,
		};
		pos += size;
		left -= size;
		*need = header_len;
		if (!plain && c->filtering && !ht_filter_match(c->filter, &f[n])) {
			c->filtered++;
			continue;
		}
		n++;
	}
	c->frames = number;
	c->pos = pos;
	return n;
}

unsigned ht_pcap_read(struct ht_capture *c, struct ht_frame *f, unsigned max_f) {
	if (max_f == 0)
		return 0;
	while (!c->done) {
		size_t need;
		unsigned n = c->format == HT_FILE_PCAP_PLAIN ? walk(c, f, max_f, &need, true)
							     : walk(c, f, max_f, &need, false);
		if (n > 0)
			return n;
		if (need - c->header_len > c->caplen_max) {
			ht_capture_fail(
				c, ht_capture_at(c),
				"corrupt: frame %" PRIu64 " would have %zu bytes", c->frames + 1,
				need - c->header_len
			);
			return 0;
		}
		if (ht_capture_fill(c, need) != HT_MORE)
			continue;
		c->done = true;
		size_t left = c->len - c->pos;
		if (left > 0 && left < c->header_len)
			ht_capture_fail(
				c, ht_capture_at(c),
				"cut short in the header of frame %" PRIu64
				", %zu of %u bytes missing",
				c->frames + 1, c->header_len - left, c->header_len
			);
		else if (left > 0)
			ht_capture_fail(
				c, ht_capture_at(c),
				"cut short in frame %" PRIu64 ", %zu of %zu bytes missing",
				c->frames + 1, need - left, need - c->header_len
			);
	}
	return 0;
}
