// SPDX-License-Identifier: BSD-3-Clause
// pcapng files: draft-ietf-opsawg-pcapng. "pcapng 4.1" in a comment is its section.

#include "capture_int.h"

#include <inttypes.h>
#include <stdlib.h>

#define BLOCK_IDB 1u
#define BLOCK_PB 2u // obsolete
#define BLOCK_SPB 3u
#define BLOCK_EPB 6u
#define BLOCK_SHB 0x0a0d0d0au // the same in both byte orders
#define BYTE_ORDER_MAGIC 0x1a2b3c4du

// One block, whole in the buffer.
struct block {
	uint32_t type;
	uint32_t total; // as stored
	size_t size; // with padding
};

static int64_t clamp64(__int128 v) {
	return v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : (int64_t)v;
}

// ten_to is 10^n, n <= 18.
static int64_t ten_to(unsigned n) {
	int64_t v = 1;
	for (; n > 0; n--)
		v *= 10;
	return v;
}

int64_t ht_pcapng_ts(const struct ht_iface *i, uint64_t ts) {
	// pcapng 4.3: an unsigned count of units since 1970. The upper half can only be a time
	// before 1970 written as a negative number: in microseconds it begins 292,000 years from
	// now, and in nanoseconds beyond what we can say.
	int64_t t = (int64_t)ts;
	unsigned exp = i->tsresol & 0x7f;
	__int128 ns;
	if (i->tsresol & 0x80) {
		// Rounds down, as >> of a negative number does in gcc and clang. 94 bits at most.
		ns = ((__int128)t * 1000000000) >> exp;
	} else if (exp <= 9) {
		ns = (__int128)t * ten_to(9 - exp);
	} else if (exp - 9 <= 18) {
		int64_t d = ten_to(exp - 9);
		ns = t / d - (t % d < 0);
	} else {
		ns = t < 0 ? -1 : 0;
	}
	// pcapng 4.2, if_tsoffset: seconds to add.
	return clamp64(ns + (__int128)i->tsoffset * 1000000000);
}

// section reads a Section Header Block (pcapng 4.1). What the section before described is gone.
static bool section(struct ht_capture *c) {
	const uint8_t *p = c->buf + c->pos;
	unsigned major = get16(c, p + 12), minor = get16(c, p + 14);
	if (major != 1 || (minor != 0 && minor != 2)) { // 1.2 was written once, and is the same
		ht_capture_fail(
			c, ht_capture_at(c), "pcapng version %u.%u is not supported", major, minor
		);
		return false;
	}
	c->num_ifaces = 0;
	return true;
}

// options reads those of an Interface Description Block that change what frames mean.
static bool options(const struct ht_capture *c, struct ht_iface *i, const uint8_t *p, size_t len) {
	while (len >= 4) {
		unsigned code = get16(c, p);
		size_t n = get16(c, p + 2), padded = (n + 3) & ~(size_t)3;
		p += 4;
		len -= 4;
		if (code == 0) // opt_endofopt
			return true;
		if (n > len)
			return false;
		if (code == 9 && n == 1) { // if_tsresol
			i->tsresol = p[0];
		} else if (code == 14 && n == 8) { // if_tsoffset
			uint64_t v;
			memcpy(&v, p, sizeof(v));
			i->tsoffset = (int64_t)(c->swapped ? __builtin_bswap64(v) : v);
		}
		padded = padded < len ? padded : len;
		p += padded;
		len -= padded;
	}
	return len == 0;
}

// interface reads an Interface Description Block (pcapng 4.2).
static bool interface(struct ht_capture *c, const struct block *b) {
	if (b->size < 20) {
		ht_capture_fail(c, ht_capture_at(c), "corrupt: interface of %u bytes", b->total);
		return false;
	}
	if (c->num_ifaces == HT_CAPTURE_MAX_IFACES) {
		ht_capture_fail(
			c, ht_capture_at(c), "more than %u interfaces", HT_CAPTURE_MAX_IFACES
		);
		return false;
	}
	if (c->num_ifaces == c->cap_ifaces) {
		unsigned cap = c->cap_ifaces > 0 ? 2 * c->cap_ifaces : 4;
		struct ht_iface *grown = realloc(c->ifaces, cap * sizeof(*grown));
		if (grown == NULL) {
			ht_capture_fail(c, ht_capture_at(c), "out of memory");
			return false;
		}
		c->ifaces = grown;
		c->cap_ifaces = cap;
	}
	const uint8_t *p = c->buf + c->pos;
	struct ht_iface i = {
		.linktype = ht_capture_linktype(get16(c, p + 8)),
		.snaplen = get32(c, p + 12),
		.tsresol = 6, // pcapng 4.2: microseconds unless said otherwise
	};
	if (!options(c, &i, p + 16, b->size - 20)) {
		ht_capture_fail(
			c, ht_capture_at(c), "corrupt: an option runs past its interface block"
		);
		return false;
	}
	i.ts_is_ns = (i.tsresol & 0x80) != 0 ? (i.tsresol & 0x7f) >= 20 : i.tsresol > 6;
	c->ifaces[c->num_ifaces++] = i;
	return true;
}

// filter_of is the filter of an interface, compiled when the first frame (or ht_pcapng_open) asks.
static const struct ht_filter *filter_of(struct ht_capture *c, struct ht_iface *i) {
	if (i->filter == NULL) {
		char why[256];
		i->filter = ht_filters_get(&c->filters, i->linktype, why, sizeof(why));
		// The frames of this link type cannot match; the others are still worth reading.
		if (why[0] != '\0')
			ht_capture_note(c, ht_capture_at(c), "link type %u: %s", i->linktype, why);
	}
	return i->filter;
}

// frame reads a packet block. HT_SKIP: the filter refused it. HT_BAD: reported.
static enum ht_rc frame(struct ht_capture *c, const struct block *b, struct ht_frame *f) {
	const uint8_t *p = c->buf + c->pos;
	size_t header_len = b->type == BLOCK_SPB ? 12 : 28;
	if (b->size < header_len + 4) {
		ht_capture_fail(c, ht_capture_at(c), "corrupt: frame block of %u bytes", b->total);
		return HT_BAD;
	}
	size_t room = b->size - header_len - 4;
	uint32_t iface = 0; // pcapng 4.4: a Simple Packet Block is of the first interface
	if (b->type == BLOCK_EPB)
		iface = get32(c, p + 8);
	else if (b->type == BLOCK_PB)
		iface = get16(c, p + 8);
	if (iface >= c->num_ifaces) {
		ht_capture_fail(
			c, ht_capture_at(c),
			"corrupt: frame %" PRIu64 " is of interface %u, and %u were described",
			c->frames + 1, iface, c->num_ifaces
		);
		return HT_BAD;
	}
	struct ht_iface *i = &c->ifaces[iface];
	uint32_t caplen, len;
	if (b->type == BLOCK_SPB) {
		// pcapng 4.4: no captured length; it follows from the others. No time either: that
		// of the frame before is kept, so that time does not jump back in a mixed file.
		len = get32(c, p + 8);
		caplen = i->snaplen != 0 && i->snaplen < len ? i->snaplen : len;
		caplen = caplen < room ? caplen : (uint32_t)room;
	} else {
		caplen = get32(c, p + 20);
		len = get32(c, p + 24);
		uint64_t ts = (uint64_t)get32(c, p + 12) << 32 | get32(c, p + 16);
		c->last_ts = ht_pcapng_ts(i, ts);
	}
	if (caplen > room) {
		ht_capture_fail(
			c, ht_capture_at(c),
			"corrupt: frame %" PRIu64 " of %u bytes in a block of %u", c->frames + 1,
			caplen, b->total
		);
		return HT_BAD;
	}
	*f = (struct ht_frame){
		.data = p + header_len,
		.caplen = caplen,
		.len = len > caplen ? len : caplen,
		.ts = c->last_ts,
		.number = ++c->frames,
		.linktype = i->linktype,
		.ts_is_ns = i->ts_is_ns,
	};
	if (c->filtering && !ht_filter_match(filter_of(c, i), f)) {
		c->filtered++;
		return HT_SKIP;
	}
	return HT_OK;
}

static void cut_short(struct ht_capture *c, const struct block *b, uint64_t at, size_t missing) {
	ht_capture_fail(
		c, at, "cut short in a block after frame %" PRIu64 ", %zu of %zu bytes missing",
		c->frames, missing, b->size
	);
}

static void
lengths_differ(struct ht_capture *c, const struct block *b, uint64_t at, uint32_t last) {
	ht_capture_fail(
		c, at, "corrupt: block of %u bytes by its start, %u by its end", b->total, last
	);
}

static bool wanted(uint32_t type) {
	return type == BLOCK_EPB || type == BLOCK_SPB || type == BLOCK_PB || type == BLOCK_IDB
	       || type == BLOCK_SHB;
}

// skip_block passes a block that need not be whole in the buffer, all but its last length, which
// must be the first again (pcapng 3.1).
static void skip_block(struct ht_capture *c, const struct block *b) {
	uint64_t at = ht_capture_at(c);
	for (size_t left = b->size;;) {
		size_t n = c->len - c->pos < left - 4 ? c->len - c->pos : left - 4;
		c->pos += n;
		left -= n;
		if (left == 4 && c->len - c->pos >= 4)
			break;
		enum ht_rc rc = ht_capture_fill(c, left > 4 ? 1 : 4);
		if (rc == HT_MORE)
			cut_short(c, b, at, left - (c->len - c->pos));
		if (rc != HT_OK)
			return;
	}
	uint32_t last = get32(c, c->buf + c->pos);
	c->pos += 4;
	if (last != b->total)
		lengths_differ(c, b, at, last);
}

// next frames one block: HT_OK, `*b` is whole in the buffer; HT_MORE, `*need` bytes are wanted from
// pos on; HT_SKIP, `*b` is not for us and not whole; HT_BAD, reported.
static enum ht_rc next(struct ht_capture *c, struct block *b, size_t *need) {
	size_t left = c->len - c->pos;
	const uint8_t *p = c->buf + c->pos;
	*b = (struct block){.size = 12};
	*need = 12;
	if (left < 12)
		return HT_MORE;
	b->type = get32(c, p);
	if (b->type == BLOCK_SHB) {
		// pcapng 4.1: each section has its own byte order.
		uint32_t magic;
		memcpy(&magic, p + 8, sizeof(magic));
		if (magic != BYTE_ORDER_MAGIC && __builtin_bswap32(magic) != BYTE_ORDER_MAGIC) {
			ht_capture_fail(c, ht_capture_at(c), "corrupt: no byte-order magic");
			return HT_BAD;
		}
		c->swapped = magic != BYTE_ORDER_MAGIC;
	}
	b->total = get32(c, p + 4);
	// pcapng 3.1: a multiple of 4. Some writers leave the padding out of the length, not out of
	// the file; tshark reads those too.
	b->size = ((size_t)b->total + 3) & ~(size_t)3;
	*need = b->size;
	if (b->total < 12 || (b->type == BLOCK_SHB && b->total < 28)) {
		ht_capture_fail(c, ht_capture_at(c), "corrupt: block of %u bytes", b->total);
		return HT_BAD;
	}
	if (left < b->size) {
		if (!wanted(b->type))
			return HT_SKIP;
		if (b->size > HT_CAPTURE_FRAME_MAX) {
			ht_capture_fail(
				c, ht_capture_at(c), "corrupt: block of %u bytes", b->total
			);
			return HT_BAD;
		}
		return HT_MORE;
	}
	uint32_t last = get32(c, p + b->size - 4);
	if (last != b->total) {
		lengths_differ(c, b, ht_capture_at(c), last);
		return HT_BAD;
	}
	return HT_OK;
}

unsigned ht_pcapng_read(struct ht_capture *c, struct ht_frame *f, unsigned max_f) {
	unsigned n = 0;
	while (n < max_f && !c->done) {
		struct block b;
		size_t need;
		enum ht_rc rc = next(c, &b, &need);
		if (rc == HT_OK) {
			if (b.type == BLOCK_SHB)
				rc = section(c) ? HT_SKIP : HT_BAD;
			else if (b.type == BLOCK_IDB)
				rc = interface(c, &b) ? HT_SKIP : HT_BAD;
			else if (wanted(b.type))
				rc = frame(c, &b, &f[n]);
			else
				rc = HT_SKIP;
			if (rc == HT_BAD)
				break;
			n += rc == HT_OK;
			c->pos += b.size;
			continue;
		}
		// What follows may move the buffer, and with it the frames found so far.
		if (n > 0 || rc == HT_BAD)
			break;
		if (rc == HT_SKIP) {
			skip_block(c, &b);
			continue;
		}
		if (ht_capture_fill(c, need) == HT_MORE) {
			c->done = true;
			if (c->len > c->pos)
				cut_short(c, &b, ht_capture_at(c), b.size - (c->len - c->pos));
		}
	}
	return n;
}

enum ht_rc ht_pcapng_open(struct ht_capture *c) {
	c->format = HT_FILE_PCAPNG;
	// Up to the first interface, so that a bad file or filter is an error at once.
	while (c->num_ifaces == 0 && !c->done) {
		struct block b;
		size_t need;
		enum ht_rc rc = next(c, &b, &need);
		if (rc == HT_SKIP) {
			skip_block(c, &b);
		} else if (rc == HT_MORE) {
			if (ht_capture_fill(c, need) == HT_MORE) {
				c->done = true;
				if (c->len > c->pos)
					cut_short(
						c, &b, ht_capture_at(c), b.size - (c->len - c->pos)
					);
			}
		} else if (rc == HT_OK) {
			if (b.type == BLOCK_SHB && !section(c))
				break;
			if (b.type == BLOCK_IDB && !interface(c, &b))
				break;
			if (wanted(b.type) && b.type != BLOCK_SHB && b.type != BLOCK_IDB)
				break; // a frame without an interface: for ht_pcapng_read to report
			c->pos += b.size;
		}
	}
	if (c->error[0] == '\0' && c->filtering && c->num_ifaces > 0)
		(void)filter_of(c, &c->ifaces[0]);
	return c->error[0] == '\0' ? HT_OK : HT_ERROR;
}
