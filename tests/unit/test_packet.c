// SPDX-License-Identifier: BSD-3-Clause
// Frames are written as the list of their headers, outermost first: "eth vlan:10 ip4 tcp". Each
// word is a header put before what was built so far, from the right to the left, so that every
// length and type is that of what is inside.

#include "t.h"

#include "packet.h"
#include "packet_int.h"

#define PAYLOAD "the payload of the innermost header"
#define PAYLOAD_LEN (sizeof(PAYLOAD) - 1)
#define SPORT 40000
#define DPORT 443
#define SEQ 0x01020304u

static const uint8_t ip4_src[4] = {192, 0, 2, 10}, ip4_dst[4] = {198, 51, 100, 20};
static const uint8_t ip6_src[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x10};
static const uint8_t ip6_dst[16] = {0x20, 0x01, 0x0d, 0xb8, 0xff, [15] = 0x20};
// 02 and not 00, so that a MAC address is no control word; see the cases about pseudowires.
static const uint8_t mac_dst[6] = {0x02, 0, 0, 0, 0, 0xdd}, mac_src[6] = {0x02, 0, 0, 0, 0, 0x55};

// What was built so far, and what it is, as each kind of field that leads to it calls it.
struct build {
	uint8_t d[4096];
	size_t n;
	uint16_t ethertype, ppp;
	uint8_t proto, nsh, gpe;
};

static uint8_t *prepend(struct build *b, size_t n) {
	if (b->n + n > sizeof(b->d))
		abort();
	memmove(b->d + n, b->d, b->n);
	memset(b->d, 0, n);
	b->n += n;
	return b->d;
}

static void
is(struct build *b, uint16_t ethertype, uint8_t proto, uint16_t ppp, uint8_t nsh, uint8_t gpe) {
	b->ethertype = ethertype;
	b->proto = proto;
	b->ppp = ppp;
	b->nsh = nsh;
	b->gpe = gpe;
}

static void is_ethertype(struct build *b, uint16_t type) {
	is(b, type, 0, 0, 0, 0);
}

static void is_proto(struct build *b, uint8_t proto) {
	is(b, 0, proto, 0, 0, 0);
}

static void w_tcp(struct build *b, unsigned options) {
	uint8_t *h = prepend(b, 20 + options);
	ht_put_be16(h, SPORT);
	ht_put_be16(h + 2, DPORT);
	ht_put_be32(h + 4, SEQ);
	h[12] = (uint8_t)((20 + options) / 4 << 4);
	h[13] = HT_TCP_ACK | 0x08;
	is_proto(b, 6);
}

static void w_udp(struct build *b, unsigned dport) {
	uint8_t *h = prepend(b, 8);
	ht_put_be16(h, SPORT);
	ht_put_be16(h + 2, (uint16_t)(dport != 0 ? dport : DPORT));
	ht_put_be16(h + 4, (uint16_t)b->n);
	is_proto(b, 17);
}

static void w_udpfrom(struct build *b, unsigned sport) {
	w_udp(b, SPORT);
	ht_put_be16(b->d, (uint16_t)sport);
}

static void w_ip4(struct build *b, unsigned options) {
	uint8_t *h = prepend(b, 20 + options);
	h[0] = (uint8_t)(0x40 | (20 + options) / 4);
	ht_put_be16(h + 2, (uint16_t)b->n);
	h[6] = 0x40; // DF
	h[8] = 64;
	h[9] = b->proto;
	memcpy(h + 12, ip4_src, 4);
	memcpy(h + 16, ip4_dst, 4);
	is(b, 0x0800, 4, 0x0021, 1, 1);
}

static void w_ip6(struct build *b, unsigned arg) {
	(void)arg;
	size_t inside = b->n;
	uint8_t *h = prepend(b, 40);
	h[0] = 0x60;
	ht_put_be16(h + 4, (uint16_t)inside);
	h[6] = b->proto;
	h[7] = 64;
	memcpy(h + 8, ip6_src, 16);
	memcpy(h + 24, ip6_dst, 16);
	is(b, 0x86dd, 41, 0x0057, 2, 2);
}

// An extension header of the protocol number `proto`, 16 bytes long.
static void w_ext(struct build *b, unsigned proto) {
	uint8_t *h = prepend(b, 16);
	h[0] = b->proto;
	h[1] = 1;
	is_proto(b, (uint8_t)proto);
}

static void w_ah(struct build *b, unsigned arg) {
	(void)arg;
	uint8_t *h = prepend(b, 24);
	h[0] = b->proto;
	h[1] = 4;
	is_proto(b, 51);
}

static void w_atomic(struct build *b, unsigned arg) {
	uint8_t *h = prepend(b, 8);
	h[0] = b->proto;
	ht_put_be32(h + 4, arg);
	is_proto(b, 44);
}

static void w_eth(struct build *b, unsigned arg) {
	(void)arg;
	uint8_t *h = prepend(b, 14);
	memcpy(h, mac_dst, 6);
	memcpy(h + 6, mac_src, 6);
	ht_put_be16(h + 12, b->ethertype);
	is(b, 0x6558, 0, 0, 3, 3);
}

// Ethernet to an address that begins with this byte.
static void w_ethto(struct build *b, unsigned first) {
	w_eth(b, 0);
	b->d[0] = (uint8_t)first;
}

static void w_eth3(struct build *b, unsigned arg) {
	(void)arg;
	b->ethertype = (uint16_t)b->n; // 802.3: a length
	w_eth(b, 0);
}

static void w_snap(struct build *b, unsigned oui) {
	uint8_t *h = prepend(b, 8);
	h[0] = h[1] = 0xaa;
	h[2] = 3;
	h[3] = (uint8_t)(oui >> 16);
	ht_put_be16(h + 4, (uint16_t)oui);
	ht_put_be16(h + 6, oui == 0x80c2 ? 7 : b->ethertype);
	is_ethertype(b, 0x8870);
}

static void w_llc06(struct build *b, unsigned arg) {
	(void)arg;
	uint8_t *h = prepend(b, 3);
	h[0] = h[1] = 6;
	h[2] = 3;
}

static void w_tagged(struct build *b, uint16_t tpid, unsigned vid) {
	uint8_t *h = prepend(b, 4);
	ht_put_be16(h, (uint16_t)(vid | 0xe000)); // priority 7
	ht_put_be16(h + 2, b->ethertype);
	is_ethertype(b, tpid);
}

static void w_vlan(struct build *b, unsigned vid) {
	w_tagged(b, 0x8100, vid);
}

static void w_qinq(struct build *b, unsigned vid) {
	w_tagged(b, 0x88a8, vid);
}

static void w_q9100(struct build *b, unsigned vid) {
	w_tagged(b, 0x9100, vid);
}

static void w_q9200(struct build *b, unsigned vid) {
	w_tagged(b, 0x9200, vid);
}

static void w_pbb(struct build *b, unsigned isid) {
	ht_put_be32(prepend(b, 4), isid | 0x60000000);
	is_ethertype(b, 0x88e7);
}

static void w_vntag(struct build *b, unsigned arg) {
	uint8_t *h = prepend(b, 6);
	ht_put_be32(h, arg);
	ht_put_be16(h + 4, b->ethertype);
	is_ethertype(b, 0x8926);
}

static void w_etag(struct build *b, unsigned ecid) {
	uint8_t *h = prepend(b, 8);
	ht_put_be16(h + 2, ecid & 0x3fff);
	h[5] = (uint8_t)(ecid >> 14);
	ht_put_be16(h + 6, b->ethertype);
	is_ethertype(b, 0x893f);
}

static void w_sgt(struct build *b, unsigned sgt) {
	uint8_t *h = prepend(b, 8);
	h[0] = h[1] = h[3] = 1;
	ht_put_be16(h + 4, (uint16_t)sgt);
	ht_put_be16(h + 6, b->ethertype);
	is_ethertype(b, 0x8909);
}

static void w_macsec(struct build *b, unsigned tci) {
	size_t n = (tci & 0x20) != 0 ? 14 : 6;
	uint8_t *h = prepend(b, n + 2);
	h[0] = (uint8_t)tci;
	ht_put_be16(h + n, b->ethertype);
	is_ethertype(b, 0x88e5);
}

static void w_mpls(struct build *b, unsigned label) {
	bool bottom = b->ethertype != 0x8847;
	ht_put_be32(prepend(b, 4), label << 12 | (bottom ? 0x100u : 0) | 64);
	is(b, 0x8847, 137, 0x0281, 5, 5);
}

static void w_cw(struct build *b, unsigned seq) {
	ht_put_be32(prepend(b, 4), seq);
	is(b, 0, 0, 0, 0, 0);
}

static void w_ppp(struct build *b, unsigned address) {
	uint8_t *h = prepend(b, address != 0 ? 4 : 2);
	if (address != 0)
		ht_put_be16(h, (uint16_t)address);
	ht_put_be16(h + (address != 0 ? 2 : 0), b->ppp);
	is_ethertype(b, 0x880b);
}

static void w_ppp1(struct build *b, unsigned arg) {
	(void)arg;
	prepend(b, 1)[0] = (uint8_t)b->ppp;
	is_ethertype(b, 0x880b);
}

static void w_pppoe(struct build *b, unsigned arg) {
	(void)arg;
	uint8_t *h = prepend(b, 8);
	h[0] = 0x11;
	ht_put_be16(h + 2, 0x1234);
	ht_put_be16(h + 4, (uint16_t)(b->n - 6));
	ht_put_be16(h + 6, b->ppp);
	is_ethertype(b, 0x8864);
}

static void w_nsh(struct build *b, unsigned spi) {
	uint8_t *h = prepend(b, 24); // MD type 1: 16 bytes of context
	ht_put_be16(h, 0x0fc6);
	h[2] = 1;
	h[3] = b->nsh;
	ht_put_be32(h + 4, spi << 8 | 255);
	is(b, 0x894f, 0, 0, 4, 4);
}

// GRE with the flags given, and the fields they ask for; key and sequence number count up.
static void gre(struct build *b, unsigned flags, uint16_t protocol) {
	size_t n = 4 + ((flags & 0x8000) != 0 ? 4 : 0) + ((flags & 0x2000) != 0 ? 4 : 0)
		   + ((flags & 0x1000) != 0 ? 4 : 0);
	uint8_t *h = prepend(b, n);
	ht_put_be16(h, (uint16_t)flags);
	ht_put_be16(h + 2, protocol);
	if ((flags & 0x2000) != 0)
		ht_put_be32(h + ((flags & 0x8000) != 0 ? 8 : 4), 0x00123456);
	is_proto(b, 47);
}

static void w_gre(struct build *b, unsigned flags) {
	gre(b, flags, b->ethertype);
}

static void w_erspan1(struct build *b, unsigned arg) {
	(void)arg;
	gre(b, 0, 0x88be);
}

static void w_erspan2(struct build *b, unsigned session) {
	uint8_t *h = prepend(b, 8);
	ht_put_be16(h, 0x1064);
	ht_put_be16(h + 2, (uint16_t)(session | 0xf800));
	gre(b, 0x1000, 0x88be);
}

static void w_erspan3(struct build *b, unsigned session) {
	uint8_t *h = prepend(b, 12);
	ht_put_be16(h, 0x2064);
	ht_put_be16(h + 2, (uint16_t)session);
	gre(b, 0x1000, 0x22eb);
}

// ... with the optional platform subheader.
static void w_erspan3o(struct build *b, unsigned session) {
	uint8_t *h = prepend(b, 20);
	ht_put_be16(h, 0x2064);
	ht_put_be16(h + 2, (uint16_t)session);
	h[11] = 1;
	gre(b, 0x1000, 0x22eb);
}

static void w_wccp1(struct build *b, unsigned arg) {
	(void)arg;
	gre(b, 0, 0x883e);
}

static void w_wccp2(struct build *b, unsigned arg) {
	(void)arg;
	prepend(b, 4);
	gre(b, 0, 0x883e);
}

static void w_aruba(struct build *b, unsigned protocol) {
	gre(b, 0, (uint16_t)protocol);
}

static void w_pptp(struct build *b, unsigned ack) {
	size_t inside = b->n;
	uint8_t *h = prepend(b, ack != 0 ? 16 : 12);
	ht_put_be16(h, (uint16_t)(0x3001 | (ack != 0 ? 0x80 : 0)));
	ht_put_be16(h + 2, 0x880b);
	ht_put_be16(h + 4, (uint16_t)inside);
	is_proto(b, 47);
}

static void w_vxlan(struct build *b, unsigned vni) {
	uint8_t *h = prepend(b, 8);
	h[0] = 0x08;
	ht_put_be32(h + 4, vni << 8);
}

static void w_gpe(struct build *b, unsigned vni) {
	uint8_t *h = prepend(b, 8);
	h[0] = 0x0c;
	h[3] = b->gpe;
	ht_put_be32(h + 4, vni << 8);
}

static void w_geneve(struct build *b, unsigned vni) {
	uint8_t *h = prepend(b, 16); // two words of options
	h[0] = 2;
	ht_put_be16(h + 2, b->ethertype);
	ht_put_be32(h + 4, vni << 8);
}

static void w_gtpu(struct build *b, unsigned teid) {
	size_t inside = b->n;
	uint8_t *h = prepend(b, 8);
	h[0] = 0x30;
	h[1] = 0xff;
	ht_put_be16(h + 2, (uint16_t)inside);
	ht_put_be32(h + 4, teid);
}

// GTP-U with a sequence number and two extension headers, of 4 and of 8 bytes.
static void w_gtpuext(struct build *b, unsigned teid) {
	static const uint8_t ext[16] = {0, 7, 0, 0x85, 1, 0x10, 9, 0xc0, 2};
	memcpy(prepend(b, sizeof(ext)), ext, sizeof(ext));
	w_gtpu(b, teid);
	b->d[0] = 0x36;
}

static void w_teredo(struct build *b, unsigned headers) {
	if ((headers & 1) != 0) // origin
		prepend(b, 8)[2] = 0x12;
	if ((headers & 2) != 0) { // authentication, id of 3 bytes, value of 2
		uint8_t *h = prepend(b, 4 + 3 + 2 + 9);
		h[1] = 1;
		h[2] = 3;
		h[3] = 2;
	}
}

static void w_l2tp(struct build *b, unsigned flags) {
	size_t n = 6 + ((flags & 0x4000) != 0 ? 2 : 0) + ((flags & 0x0800) != 0 ? 4 : 0)
		   + ((flags & 0x0200) != 0 ? 2 + 3 : 0);
	uint8_t *h = prepend(b, n);
	ht_put_be16(h, (uint16_t)(flags | 2));
	size_t at = 2;
	if ((flags & 0x4000) != 0) {
		ht_put_be16(h + 2, (uint16_t)b->n);
		at = 4;
	}
	ht_put_be16(h + at, 1);
	ht_put_be16(h + at + 2, 77);
	if ((flags & 0x0200) != 0)
		ht_put_be16(h + n - 5, 3);
}

// L2TPv3: the session id, and so many bytes of cookie and sublayer.
static void w_l2tpv3(struct build *b, unsigned before) {
	ht_put_be32(prepend(b, 4 + before), 77);
	is_proto(b, 115);
}

static void w_l2tpv3udp(struct build *b, unsigned before) {
	w_l2tpv3(b, before);
	prepend(b, 4)[1] = 3;
}

static void w_capwap(struct build *b, unsigned arg) {
	(void)arg;
	uint8_t *h = prepend(b, 16);
	h[1] = 4 << 3;
}

// ... whose inside is 802.11, with the bytes of its frame control swapped or not.
static void w_capwapn(struct build *b, unsigned swapped) {
	if (swapped != 0) {
		uint8_t first = b->d[0];
		b->d[0] = b->d[1];
		b->d[1] = first;
	}
	uint8_t *h = prepend(b, 8);
	h[1] = 2 << 3;
	h[2] = 1 << 1 | 1;
}

static void w_ayiya(struct build *b, unsigned arg) {
	(void)arg;
	uint8_t *h = prepend(b, 8 + 16 + 20);
	h[0] = 0x41;
	h[1] = 0x52;
	h[2] = 0x11;
	h[3] = b->proto;
}

static void w_tzsp(struct build *b, unsigned arg) {
	(void)arg;
	static const uint8_t tags[] = {1, 0, 0, 1, 0, 10, 2, 1, 2, 1};
	memcpy(prepend(b, sizeof(tags)), tags, sizeof(tags));
}

static void w_etherip(struct build *b, unsigned arg) {
	(void)arg;
	prepend(b, 2)[0] = 0x30;
	is_proto(b, 97);
}

// 802.11 data: `fc` is the two bytes of the frame control. What is inside is LLC.
static void w_dot11(struct build *b, unsigned fc) {
	size_t n = 24 + ((fc & 3) == 3 ? 6 : 0) + ((fc & 0x8000) != 0 ? 2 : 0)
		   + ((fc & 0x8080) == 0x8080 ? 4 : 0);
	uint8_t *h = prepend(b, n);
	ht_put_be16(h, (uint16_t)fc);
	memcpy(h + 4, mac_dst, 6);
	memcpy(h + 10, mac_src, 6);
}

// 802.11 QoS data with an A-MSDU in it.
static void w_amsdu(struct build *b, unsigned arg) {
	(void)arg;
	size_t inside = b->n;
	uint8_t *h = prepend(b, 26 + 14);
	ht_put_be16(h, 0x8802);
	h[24] = 0x80;
	memcpy(h + 26, mac_dst, 6);
	memcpy(h + 32, mac_src, 6);
	ht_put_be16(h + 38, (uint16_t)inside);
}

// QoS data whose header of 26 bytes is padded to 28, behind a radiotap header that says so.
static void w_padded(struct build *b, unsigned arg) {
	(void)arg;
	prepend(b, 2);
	w_dot11(b, 0x8801);
	static const uint8_t radiotap[] = {0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0,   0,
					   0, 0, 0,  1, 2, 3, 4, 5,    6, 7, 8, 0x20};
	memcpy(prepend(b, sizeof(radiotap)), radiotap, sizeof(radiotap));
}

static void w_radiotap(struct build *b, unsigned arg) {
	(void)arg;
	prepend(b, 9)[2] = 9;
}

static void w_sll(struct build *b, unsigned arphrd) {
	uint8_t *h = prepend(b, 16);
	ht_put_be16(h + 2, (uint16_t)arphrd);
	ht_put_be16(h + 4, 6);
	ht_put_be16(h + 14, b->ethertype);
}

static void w_sll2(struct build *b, unsigned arphrd) {
	uint8_t *h = prepend(b, 20);
	ht_put_be16(h, b->ethertype);
	ht_put_be16(h + 8, (uint16_t)arphrd);
	h[11] = 6;
}

static void w_be32(struct build *b, unsigned v) {
	ht_put_be32(prepend(b, 4), v);
}

static void w_byte(struct build *b, unsigned v) {
	prepend(b, 1)[0] = (uint8_t)v;
}

static void w_chdlc(struct build *b, unsigned address) {
	uint8_t *h = prepend(b, 4);
	h[0] = (uint8_t)address;
	ht_put_be16(h + 2, b->ethertype);
}

// family, version 0, resource id; a prefix of 5 bytes padded to 8; the payload. Little-endian, or
// big.
static void w_nflog(struct build *b, unsigned family) {
	bool big = (family & 0x100) != 0;
	size_t len = b->n + 4;
	uint8_t *h = prepend(b, 4 + 4 + 8 + 4);
	h[0] = (uint8_t)family;
	h[big ? 5 : 4] = 9;
	h[big ? 7 : 6] = 10;
	h[big ? 17 : 16] = (uint8_t)len;
	h[big ? 16 : 17] = (uint8_t)(len >> 8);
	h[big ? 19 : 18] = 9;
}

static const struct {
	const char *word;
	void (*put)(struct build *b, unsigned arg);
} words[] = {
#define W(name) \
	{ #name, w_##name }
	W(tcp),	    W(udp),	W(udpfrom),   W(ip4),	   W(ip6),     W(ext),	    W(ah),
	W(atomic),  W(eth),	W(ethto),     W(eth3),	   W(snap),    W(vlan),	    W(qinq),
	W(q9100),   W(q9200),	W(pbb),	      W(vntag),	   W(etag),    W(sgt),	    W(macsec),
	W(mpls),    W(cw),	W(ppp),	      W(ppp1),	   W(pppoe),   W(nsh),	    W(gre),
	W(erspan1), W(erspan2), W(erspan3),   W(erspan3o), W(wccp1),   W(wccp2),    W(aruba),
	W(pptp),    W(vxlan),	W(gpe),	      W(geneve),   W(gtpu),    W(gtpuext),  W(teredo),
	W(l2tp),    W(l2tpv3),	W(l2tpv3udp), W(capwap),   W(capwapn), W(ayiya),    W(tzsp),
	W(llc06),   W(etherip), W(dot11),     W(amsdu),	   W(padded),  W(radiotap), W(sll),
	W(sll2),    W(be32),	W(byte),      W(chdlc),	   W(nflog),
#undef W
};

static void put_word(struct build *b, const char *word, size_t len) {
	char text[32];
	assert_true(len < sizeof(text));
	memcpy(text, word, len);
	text[len] = '\0';
	char *arg = strchr(text, ':');
	if (arg != NULL)
		*arg++ = '\0';
	for (size_t i = 0; i < HT_ARRAY_LEN(words); i++) {
		if (strcmp(words[i].word, text) == 0) {
			words[i].put(b, arg != NULL ? (unsigned)strtoul(arg, NULL, 0) : 0);
			return;
		}
	}
	fail_msg("no such header: %s", text);
}

// build makes the frame of a list of headers around PAYLOAD.
static void build(struct build *b, const char *spec) {
	*b = (struct build){.n = PAYLOAD_LEN};
	memcpy(b->d, PAYLOAD, PAYLOAD_LEN);
	size_t end = strlen(spec);
	while (end > 0) {
		size_t start = end;
		while (start > 0 && spec[start - 1] != ' ')
			start--;
		put_word(b, spec + start, end - start);
		end = start > 0 ? start - 1 : 0;
	}
}

static struct ht_frame frame(const uint8_t *d, size_t caplen, size_t len, uint16_t linktype) {
	return (struct ht_frame){
		.data = d,
		.caplen = (uint32_t)caplen,
		.len = (uint32_t)len,
		.linktype = linktype,
	};
}

static const char *encap_text(const struct ht_packet *p) {
	static char text[HT_ENCAP_MAX * 25 + 1];
	char *out = text;
	for (unsigned i = 0; i < p->num_encap; i++) {
		if (i > 0)
			*out++ = ' ';
		out = ht_encap_text(out, p->encap[i]);
	}
	*out = '\0';
	return text;
}

// Both paths on a frame; what they say must be the same, in all that is valid for that end.
static enum ht_packet_end parse(struct ht_packet *p, const struct ht_frame *f, const char *what) {
	struct ht_packet q;
	memset(p, 0xa5, sizeof(*p));
	memset(&q, 0x5a, sizeof(q));
	enum ht_packet_end end = ht_packet_parse(p, f);
	if (end != p->end || ht_packet_parse_general(&q, f) != end || q.end != end)
		fail_msg("%s: ends %d and %d", what, end, q.end);
	bool same = p->num_encap == q.num_encap && p->num_encap <= HT_ENCAP_MAX;
	for (unsigned i = 0; same && i < p->num_encap; i++)
		same = p->encap[i].id == q.encap[i].id && p->encap[i].kind == q.encap[i].kind;
	if (end == HT_PACKET_TCP || end == HT_PACKET_UDP)
		same = same && memcmp(&p->key, &q.key, sizeof(p->key)) == 0;
	if (end == HT_PACKET_TCP)
		same = same && p->tcp_flags == q.tcp_flags && p->tcp_seq == q.tcp_seq;
	if (end == HT_PACKET_TCP || end == HT_PACKET_UDP || end == HT_PACKET_EAPOL) {
		same = same && p->proto == q.proto && p->payload_wire_len == q.payload_wire_len
		       && p->payload.p == q.payload.p && p->payload.len == q.payload.len;
		// Whatever happens, the payload is a part of the frame.
		same = same && p->payload.p >= f->data && p->payload.len <= p->payload_wire_len
		       && p->payload.p + p->payload.len <= f->data + f->caplen;
	}
	if (!same)
		fail_msg("%s: the fast path says something else", what);
	return end;
}

// A case's frame ends in TCP or UDP around PAYLOAD, as its last header says, and tells `encap`.
static const struct encap_case {
	uint16_t linktype;
	const char *spec;
	const char *encap;
} encap_cases[] = {
	{1, "eth ip4 tcp", ""},
	{1, "eth ip4 udp", ""},
	{1, "eth ip6 tcp", ""},
	{1, "eth ip6 udp", ""},
	{1, "eth ip4:8 tcp:12", ""},
	{1, "eth ip4:40 tcp:40", ""},
	{1, "eth ip4 ah tcp", ""},
	// link types
	{0, "be32:0x02000000 ip4 tcp", ""},
	{0, "be32:2 ip4 tcp", ""},
	{0, "be32:0x1e000000 ip6 tcp", ""},
	{0, "be32:28 ip6 tcp", ""},
	{0, "be32:24 ip6 udp", ""},
	{0, "be32:0x0a000000 ip6 udp", ""},
	{0, "be32:0x0f000800 ip4 tcp", ""},
	{108, "be32:30 ip6 tcp", ""},
	{9, "ppp:0xff03 ip4 tcp", "ppp"},
	{9, "ppp ip6 tcp", "ppp"},
	{50, "ppp:0xff03 ip6 udp", "ppp"},
	{50, "chdlc:0x0f ip4 tcp", ""},
	{50, "chdlc:0x8f ip6 tcp", ""},
	{104, "chdlc:0x0f mpls:16 ip4 tcp", "mpls:16"},
	{51, "pppoe ip4 tcp", "pppoe"},
	{166, "ppp:0x0103 ip4 tcp", "ppp"},
	{204, "byte:1 ppp:0xff03 ip4 tcp", "ppp"},
	{12, "ip4 tcp", ""},
	{14, "ip6 tcp", ""},
	{101, "ip4 udp", ""},
	{101, "ip6 udp", ""},
	{228, "ip4 tcp", ""},
	{229, "ip6 tcp", ""},
	{105, "dot11:0x0801 snap ip4 tcp", "802.11"},
	{105, "dot11:0x0802 snap ip6 udp", "802.11"},
	{105, "dot11:0x0803 snap ip4 tcp", "802.11"},
	{105, "dot11:0x8801 snap ip4 tcp", "802.11"},
	{105, "dot11:0x8881 snap ip4 tcp", "802.11"},
	{105, "dot11:0x8883 snap ip4 tcp", "802.11"},
	{105, "amsdu snap ip4 tcp", "802.11"},
	{127, "radiotap dot11:0x8801 snap ip4 tcp", "802.11"},
	{127, "padded snap ip4 tcp", "802.11"},
	{113, "sll:1 ip4 tcp", ""},
	{113, "sll:1 vlan:9 ip6 udp", "vlan:9"},
	{113, "sll:803 radiotap dot11:0x0801 snap ip4 tcp", "802.11"},
	{276, "sll2:1 ip4 tcp", ""},
	{276, "sll2:801 dot11:0x0801 snap ip4 tcp", "802.11"},
	{239, "nflog:2 ip4 tcp", ""},
	{239, "nflog:10 ip6 udp", ""},
	{239, "nflog:0x102 ip4 tcp", ""},
	{239, "nflog:0 ip6 tcp", ""},
	// tags
	{1, "eth vlan:10 ip4 tcp", "vlan:10"},
	{1, "eth vlan:0 ip4 udp", "vlan:0"},
	{1, "eth vlan:4095 ip6 tcp", "vlan:4095"},
	{1, "eth qinq:5 vlan:10 ip4 tcp", "qinq:5 vlan:10"},
	{1, "eth vlan:5 vlan:10 ip6 udp", "vlan:5 vlan:10"},
	{1, "eth q9100:5 q9200:6 vlan:7 ip4 tcp", "qinq:5 qinq:6 vlan:7"},
	{1, "eth3 snap ip4 tcp", ""},
	{1, "eth3 llc06 ip4 tcp", ""},
	{1, "eth3 snap:0x0000f8 ip6 tcp", ""},
	{1, "eth3 snap:0x0080c2 eth ip4 tcp", ""},
	{1, "eth snap ip4 tcp", ""}, // 8870
	{1, "eth qinq:3 pbb:0x123456 eth vlan:4 ip4 tcp", "qinq:3 pbb:1193046 vlan:4"},
	{1, "eth vntag:0x00000007 ip4 tcp", "vntag:7"},
	{1, "eth vntag:0x80090000 vlan:11 ip4 tcp", "vntag:9 vlan:11"},
	{1, "eth etag:0x2abcde ip4 tcp", "etag:2800862"},
	{1, "eth sgt:1234 ip4 tcp", "sgt:1234"},
	{1, "eth vlan:2 sgt:65535 ip6 udp", "vlan:2 sgt:65535"},
	{1, "eth macsec:0 ip4 tcp", "macsec"},
	{1, "eth macsec:0x23 vlan:3 ip4 tcp", "macsec vlan:3"},
	{1, "eth mpls:100 ip4 tcp", "mpls:100"},
	{1, "eth mpls:1048575 mpls:0 ip6 tcp", "mpls:1048575 mpls:0"},
	{1, "eth mpls:100 eth ip4 tcp", "mpls:100 pw"},
	{1, "eth mpls:100 mpls:200 ethto:0 ip4 tcp", "mpls:100 mpls:200 pw"},
	{1, "eth mpls:100 ethto:0x44 ip4 tcp", "mpls:100 pw"},
	{1, "eth mpls:100 ethto:0x45 ip6 udp", "mpls:100 pw"},
	{1, "eth mpls:100 ethto:0x60 vlan:1 ip4 tcp", "mpls:100 pw vlan:1"},
	{1, "eth mpls:100 ethto:0x10 ip4 tcp", "mpls:100 pw"},
	{1, "eth mpls:100 cw eth ip4 tcp", "mpls:100 pw"},
	{1, "eth mpls:100 cw:0x1234 ethto:0 vlan:1 ip6 tcp", "mpls:100 pw vlan:1"},
	{1, "eth pppoe ip4 tcp", "pppoe"},
	{1, "eth qinq:1 vlan:2 pppoe ip6 tcp", "qinq:1 vlan:2 pppoe"},
	{1, "eth pppoe mpls:3 ip4 tcp", "pppoe mpls:3"},
	{1, "eth nsh:55 ip4 tcp", "nsh:55"},
	{1, "eth nsh:55 ip6 tcp", "nsh:55"},
	{1, "eth nsh:55 eth ip6 tcp", "nsh:55"},
	{1, "eth nsh:16777215 nsh:1 mpls:2 ip6 tcp", "nsh:16777215 nsh:1 mpls:2"},
	// IP in IP
	{1, "eth ip4 ip4 tcp", "ipip"},
	{1, "eth ip4 ip6 tcp", "6in4"},
	{1, "eth ip6 ip4 tcp", "ipin6"},
	{1, "eth ip6 ip6 udp", "ipin6"},
	{1, "eth ip4 mpls:7 ip4 tcp", "mpls:7"},
	{1, "eth ip4 etherip eth ip4 tcp", "etherip"},
	// extension headers
	{1, "eth ip6 ext:0 tcp", ""},
	{1, "eth ip6 ext:0 ext:43 ext:60 ah ext:60 ext:135 ext:139 ext:140 udp", ""},
	{1, "eth ip6 atomic:1 tcp", ""},
	{1, "eth ip6 ext:60 atomic:1 ext:60 ip4 tcp", "ipin6"},
	// GRE
	{1, "eth ip4 gre ip4 tcp", "gre"},
	{1, "eth ip6 gre:0x8000 ip6 tcp", "gre"},
	{1, "eth ip4 gre:0x2000 ip4 tcp", "gre"},
	{1, "eth ip4 gre:0xb000 ip6 udp", "gre"},
	{1, "eth ip4 gre eth vlan:3 ip4 tcp", "gre vlan:3"},
	{1, "eth ip4 gre:0x2000 eth ip4 tcp", "nvgre:4660"},
	{1, "eth ip4 gre mpls:3 mpls:4 ip4 tcp", "gre mpls:3 mpls:4"},
	{1, "eth ip4 gre ppp:0xff03 ip4 tcp", "gre ppp"},
	{1, "eth ip4 gre nsh:1 ip4 tcp", "gre nsh:1"},
	{1, "eth ip4 pptp ppp:0xff03 ip4 tcp", "gre ppp"},
	{1, "eth ip4 pptp:1 ppp ip6 tcp", "gre ppp"},
	{1, "eth ip4 pptp:1 ppp1 ip4 tcp", "gre ppp"},
	{1, "eth ip4 erspan1 eth ip4 tcp", "erspan:0"},
	{1, "eth ip4 erspan2:1023 eth vlan:1 ip4 tcp", "erspan:1023 vlan:1"},
	{1, "eth ip6 erspan3:3 eth ip6 tcp", "erspan:3"},
	{1, "eth ip4 erspan3o:3 eth ip4 udp", "erspan:3"},
	{1, "eth ip4 wccp1 ip4 tcp", "gre"},
	{1, "eth ip4 wccp2 ip4 tcp", "gre"},
	{1, "eth ip4 aruba:0x8300 dot11:0x8802 snap ip4 tcp", "gre 802.11"},
	// UDP tunnels
	{1, "eth ip4 udp:4789 vxlan:42 eth ip4 tcp", "vxlan:42"},
	{1, "eth ip6 udp:4789 vxlan:16777215 eth vlan:8 ip6 udp", "vxlan:16777215 vlan:8"},
	{1, "eth ip4 udp:8472 vxlan:0 eth ip4 udp", "vxlan:0"},
	{1, "eth ip4 udpfrom:4789 vxlan:1 eth ip4 tcp", "vxlan:1"},
	{1, "eth ip4 udp:4790 gpe:42 ip4 tcp", "vxlan-gpe:42"},
	{1, "eth ip4 udp:4790 gpe:42 ip6 tcp", "vxlan-gpe:42"},
	{1, "eth ip4 udp:4790 gpe:42 eth ip4 tcp", "vxlan-gpe:42"},
	{1, "eth ip4 udp:4790 gpe:42 nsh:3 ip4 tcp", "vxlan-gpe:42 nsh:3"},
	{1, "eth ip4 udp:4790 gpe:42 mpls:3 ip4 tcp", "vxlan-gpe:42 mpls:3"},
	{1, "eth ip4 udp:4790 vxlan:42 eth ip4 tcp", "vxlan-gpe:42"},
	{1, "eth ip4 udp:6081 geneve:7 eth ip4 tcp", "geneve:7"},
	{1, "eth ip4 udp:6081 geneve:7 ip6 udp", "geneve:7"},
	{1, "eth ip4 udp:6081 geneve:7 mpls:1 ip6 udp", "geneve:7 mpls:1"},
	{1, "eth ip4 udp:6081 geneve:7 nsh:2 eth ip6 udp", "geneve:7 nsh:2"},
	{1, "eth ip4 udp:2152 gtpu:0x1a ip4 tcp", "gtpu:0x1a"},
	{1, "eth ip6 udp:2152 gtpu:0xffffffff ip6 udp", "gtpu:0xffffffff"},
	{1, "eth ip4 udpfrom:2152 gtpuext:0 ip4 tcp", "gtpu:0x0"},
	{1, "eth ip4 udp:2152 gtpu:1 eth vlan:2 ip4 tcp", "gtpu:0x1 vlan:2"},
	{1, "eth ip4 udp:3544 teredo ip6 tcp", "teredo"},
	{1, "eth ip4 udpfrom:3544 teredo:1 ip6 udp", "teredo"},
	{1, "eth ip4 udp:3544 teredo:2 ip6 udp", "teredo"},
	{1, "eth ip4 udp:3544 teredo:3 ip6 tcp", "teredo"},
	{1, "eth ip4 udp:1701 l2tp ppp:0xff03 ip4 tcp", "l2tp:77 ppp"},
	{1, "eth ip4 udp:1701 l2tp:0x4a00 ppp ip6 tcp", "l2tp:77 ppp"},
	{1, "eth ip4 udp:1701 l2tp:0x0800 ppp1 ip4 tcp", "l2tp:77 ppp"},
	{1, "eth ip4 udp:1701 l2tpv3udp eth ip4 tcp", "l2tp:77"},
	{1, "eth ip4 udp:1701 l2tpv3udp:12 eth ip4 tcp", "l2tp:77"},
	{1, "eth ip4 l2tpv3 eth ip4 tcp", "l2tp:77"},
	{1, "eth ip6 l2tpv3:4 eth vlan:2 ip6 tcp", "l2tp:77 vlan:2"},
	{1, "eth ip4 l2tpv3:8 eth ip4 tcp", "l2tp:77"},
	{1, "eth ip4 udp:6635 mpls:100 ip4 tcp", "mplsoudp mpls:100"},
	{1, "eth ip4 udp:6635 mpls:100 mpls:5 cw eth ip6 tcp", "mplsoudp mpls:100 mpls:5 pw"},
	{1, "eth ip4 udp:5247 capwap eth ip4 tcp", "capwap"},
	{1, "eth ip4 udpfrom:5247 capwapn dot11:0x0801 snap ip4 tcp", "capwap 802.11"},
	{1, "eth ip4 udp:5247 capwapn:1 dot11:0x8801 snap ip4 tcp", "capwap 802.11"},
	{1, "eth ip4 udp:5072 ayiya ip6 tcp", "ayiya"},
	{1, "eth ip4 udp:37008 tzsp eth ip4 tcp", "tzsp"},
	{1, "eth ip4 udp:2152 gtpu:1 ip4 udp:4789 vxlan:1 eth ip4 tcp", "gtpu:0x1 vxlan:1"},
	{1, "eth vlan:5 mpls:9 ip4 erspan2:20 eth ip4 udp:4790 gpe:9 eth ip6 udp",
	 "vlan:5 mpls:9 erspan:20 vxlan-gpe:9"},
};

static void check_innermost(const struct encap_case *c, const struct ht_packet *p) {
	const char *last = strrchr(c->spec, ' ') + 1, *ip = last - 2;
	bool tcp = strncmp(last, "tcp", 3) == 0;
	while (strncmp(ip, "ip4", 3) != 0 && strncmp(ip, "ip6", 3) != 0)
		ip--;
	uint8_t src[16] = {[10] = 0xff, [11] = 0xff}, dst[16] = {[10] = 0xff, [11] = 0xff};
	memcpy(src + 12, ip4_src, 4);
	memcpy(dst + 12, ip4_dst, 4);
	bool v6 = ip[2] == '6';
	if (p->end != (tcp ? HT_PACKET_TCP : HT_PACKET_UDP))
		fail_msg("%s: end %d", c->spec, p->end);
	if (strcmp(encap_text(p), c->encap) != 0)
		fail_msg("%s: encap is \"%s\"", c->spec, encap_text(p));
	assert_int_equal(p->proto, tcp ? HT_IPPROTO_TCP : HT_IPPROTO_UDP);
	assert_memory_equal(p->key.src, v6 ? ip6_src : src, 16);
	assert_memory_equal(p->key.dst, v6 ? ip6_dst : dst, 16);
	assert_int_equal(p->key.sport, SPORT);
	assert_int_equal(p->key.dport, DPORT);
	if (tcp) {
		assert_int_equal(p->tcp_seq, SEQ);
		assert_int_equal(p->tcp_flags, HT_TCP_ACK | 0x08);
	}
	assert_int_equal(p->payload_wire_len, PAYLOAD_LEN);
}

static void test_encapsulations(void **state) {
	(void)state;
	for (size_t i = 0; i < HT_ARRAY_LEN(encap_cases); i++) {
		const struct encap_case *c = &encap_cases[i];
		struct build b;
		build(&b, c->spec);
		uint8_t *d = t_dup(b.d, b.n);
		struct ht_frame f = frame(d, b.n, b.n, c->linktype);
		struct ht_packet p;
		parse(&p, &f, c->spec);
		check_innermost(c, &p);
		assert_int_equal(p.payload.len, PAYLOAD_LEN);
		assert_memory_equal(p.payload.p, PAYLOAD, PAYLOAD_LEN);
		free(d);
	}
}

// Padding and trailers behind the innermost packet are not part of it.
static void test_trailers(void **state) {
	(void)state;
	for (size_t i = 0; i < HT_ARRAY_LEN(encap_cases); i++) {
		const struct encap_case *c = &encap_cases[i];
		struct build b;
		build(&b, c->spec);
		uint8_t *d = t_dup(b.d, b.n + 9); // zeros
		struct ht_frame f = frame(d, b.n + 9, b.n + 9, c->linktype);
		struct ht_packet p;
		parse(&p, &f, c->spec);
		check_innermost(c, &p);
		assert_int_equal(p.payload.len, PAYLOAD_LEN);
		free(d);
	}
}

// Every frame, cut at every length by the snap length.
static void test_snapped(void **state) {
	(void)state;
	for (size_t i = 0; i < HT_ARRAY_LEN(encap_cases); i++) {
		const struct encap_case *c = &encap_cases[i];
		struct build b;
		build(&b, c->spec);
		for (size_t n = 0; n <= b.n; n++) {
			uint8_t *d = t_dup(b.d, n);
			struct ht_frame f = frame(d, n, b.n, c->linktype);
			struct ht_packet p;
			enum ht_packet_end end = parse(&p, &f, c->spec);
			if (n >= b.n - PAYLOAD_LEN) { // all headers are there
				check_innermost(c, &p);
				assert_int_equal(p.payload.len, n - (b.n - PAYLOAD_LEN));
			} else if (end == HT_PACKET_UDP) {
				// The outer datagram: not enough is there to know the tunnel.
				assert_int_equal(p.payload.len + (size_t)(p.payload.p - d), n);
				assert_true(p.payload_wire_len > p.payload.len);
			} else if (end == HT_PACKET_OTHER_L4) {
				assert_non_null(strstr(c->spec, "l2tpv3")); // the same
			} else if (end != HT_PACKET_TRUNCATED) {
				fail_msg("%s: end %d at %zu bytes", c->spec, end, n);
			}
			free(d);
		}
	}
}

// Every frame, with nothing behind the cut: no header may be believed beyond it.
static void test_short(void **state) {
	(void)state;
	for (size_t i = 0; i < HT_ARRAY_LEN(encap_cases); i++) {
		const struct encap_case *c = &encap_cases[i];
		struct build b;
		build(&b, c->spec);
		for (size_t n = 0; n < b.n; n++) {
			uint8_t *d = t_dup(b.d, n);
			struct ht_frame f = frame(d, n, n, c->linktype);
			struct ht_packet p;
			enum ht_packet_end end = parse(&p, &f, c->spec);
			if (end == HT_PACKET_TRUNCATED || end == HT_PACKET_DEPTH)
				fail_msg("%s: end %d at %zu bytes", c->spec, end, n);
			if (n + PAYLOAD_LEN < b.n && end == HT_PACKET_TCP)
				fail_msg("%s: TCP at %zu bytes", c->spec, n);
			free(d);
		}
	}
}

// Tunnel ports that hold no tunnel: the datagram is the client's.
static void test_not_a_tunnel(void **state) {
	(void)state;
	static const uint16_t ports[] = {
#define X(number, name) number,
		HT_UDP_TUNNELS(X)
#undef X
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(ports); i++) {
		char spec[64];
		snprintf(spec, sizeof(spec), "eth ip4 udp:%u", ports[i]);
		for (int from = 0; from < 2; from++) {
			struct build b;
			build(&b, spec);
			if (from) {
				ht_put_be16(b.d + 34, ports[i]);
				ht_put_be16(b.d + 36, DPORT);
			}
			struct ht_frame f = frame(b.d, b.n, b.n, 1);
			struct ht_packet p;
			assert_int_equal(parse(&p, &f, spec), HT_PACKET_UDP);
			assert_int_equal(p.num_encap, 0);
			assert_int_equal(p.payload.len, PAYLOAD_LEN);
			assert_int_equal(from ? p.key.sport : p.key.dport, ports[i]);
		}
	}
}

// A frame is built, bytes of it are set, and it ends so. `at` counts from the front.
static const struct mend_case {
	const char *name;
	uint16_t linktype;
	const char *spec;
	unsigned at;
	const char *hex;
	enum ht_packet_end end;
} mend_cases[] = {
	{"IPv4: version 5", 1, "eth ip4 tcp", 14, "55", HT_PACKET_MALFORMED},
	{"IPv4: version 6 under its ethertype", 1, "eth ip4 tcp", 14, "65", HT_PACKET_MALFORMED},
	{"IPv4: header of 16 bytes", 1, "eth ip4 tcp", 14, "44", HT_PACKET_MALFORMED},
	{"IPv4: header of 60 bytes in a packet of 43", 1, "eth ip4 udp", 14, "4f00002b",
	 HT_PACKET_MALFORMED},
	{"IPv4: total length below the header's", 1, "eth ip4 tcp", 16, "0013",
	 HT_PACKET_MALFORMED},
	{"IPv4: total length ends in the TCP header", 1, "eth ip4 tcp", 16, "0027",
	 HT_PACKET_MALFORMED},
	{"IPv4: total length ends behind the TCP header", 1, "eth ip4 tcp", 16, "0028",
	 HT_PACKET_TCP},
	{"IPv4: total length beyond the frame", 1, "eth ip4 tcp", 16, "ffff", HT_PACKET_TCP},
	{"IPv4: total length 0, segmentation offload", 1, "eth ip4 tcp", 16, "0000", HT_PACKET_TCP},
	{"IPv4: reserved flag", 1, "eth ip4 tcp", 20, "8000", HT_PACKET_TCP},
	{"IPv4: more fragments", 1, "eth ip4 tcp", 20, "2000", HT_PACKET_FRAGMENT},
	{"IPv4: last fragment", 1, "eth ip4 tcp", 20, "1fff", HT_PACKET_FRAGMENT},
	{"IPv4: a fragment longer than its frame", 1, "eth ip4 tcp", 16, "ffff00002000",
	 HT_PACKET_MALFORMED},
	{"IPv4: ICMP, whatever it quotes", 1, "eth ip4 tcp", 23, "01", HT_PACKET_OTHER_L4},
	{"IPv4: ESP", 1, "eth ip4 tcp", 23, "32", HT_PACKET_OTHER_L4},
	{"IPv4: SCTP", 1, "eth ip4 tcp", 23, "84", HT_PACKET_OTHER_L4},
	{"IPv4: hop-by-hop options are not for it", 1, "eth ip4 tcp", 23, "00", HT_PACKET_OTHER_L4},
	{"IPv6: version 4", 1, "eth ip6 tcp", 14, "45", HT_PACKET_MALFORMED},
	{"IPv6: length 0", 1, "eth ip6 tcp", 18, "0000", HT_PACKET_TCP},
	{"IPv6: length ends in the TCP header", 1, "eth ip6 tcp", 18, "0013", HT_PACKET_MALFORMED},
	{"IPv6: length beyond the frame", 1, "eth ip6 udp", 18, "ffff", HT_PACKET_UDP},
	{"IPv6: no next header", 1, "eth ip6 tcp", 20, "3b", HT_PACKET_OTHER_L4},
	{"IPv6: ESP", 1, "eth ip6 tcp", 20, "32", HT_PACKET_OTHER_L4},
	{"IPv6: ICMPv6", 1, "eth ip6 tcp", 20, "3a", HT_PACKET_OTHER_L4},
	{"IPv6: an extension header longer than its packet", 1, "eth ip6 ext:60 udp", 55, "ff",
	 HT_PACKET_MALFORMED},
	{"IPv6: AH of 8 bytes", 1, "eth ip6 ah udp", 55, "00", HT_PACKET_MALFORMED},
	{"IPv6: first fragment", 1, "eth ip6 atomic tcp", 56, "0001", HT_PACKET_FRAGMENT},
	{"IPv6: last fragment", 1, "eth ip6 atomic tcp", 56, "0008", HT_PACKET_FRAGMENT},
	{"IPv6: reserved bits of an atomic fragment", 1, "eth ip6 atomic tcp", 56, "0006",
	 HT_PACKET_TCP},
	{"TCP: header of 16 bytes", 1, "eth ip4 tcp", 46, "40", HT_PACKET_MALFORMED},
	{"TCP: header of 60 bytes, segment of 55", 1, "eth ip4 tcp", 46, "f0", HT_PACKET_MALFORMED},
	{"TCP: header of 52 bytes, segment of 55", 1, "eth ip4 tcp", 46, "d0", HT_PACKET_TCP},
	{"UDP: length 7", 1, "eth ip4 udp", 38, "0007", HT_PACKET_MALFORMED},
	{"UDP: length 8", 1, "eth ip4 udp", 38, "0008", HT_PACKET_UDP},
	{"UDP: length 0", 1, "eth ip4 udp", 38, "0000", HT_PACKET_UDP},
	{"UDP: one byte more than its packet", 1, "eth ip4 udp", 38, "002c", HT_PACKET_MALFORMED},
	{"Ethernet: ARP", 1, "eth ip4 udp", 12, "0806", HT_PACKET_NOT_IP},
	{"Ethernet: neither type nor length", 1, "eth ip4 udp", 12, "05dd", HT_PACKET_NOT_IP},
	{"Ethernet: PPPoE discovery", 1, "eth ip4 udp", 12, "8863", HT_PACKET_NOT_IP},
	{"LLC: STP", 1, "eth3 snap ip4 udp", 14, "4242", HT_PACKET_NOT_IP},
	{"LLC: Novell", 1, "eth3 snap ip4 udp", 14, "ffff", HT_PACKET_NOT_IP},
	{"LLC: not unnumbered information", 1, "eth3 snap ip4 udp", 16, "f3", HT_PACKET_NOT_IP},
	{"LLC: of two bytes", 1, "eth3 snap ip4 udp", 12, "0002", HT_PACKET_MALFORMED},
	{"SNAP: Cisco's own", 1, "eth3 snap ip4 udp", 17, "00000c2000", HT_PACKET_NOT_IP},
	{"VLAN: ARP inside", 1, "eth vlan:1 ip4 udp", 16, "0806", HT_PACKET_NOT_IP},
	{"MACsec: encrypted", 1, "eth macsec ip4 tcp", 14, "0c", HT_PACKET_NOT_IP},
	{"MACsec: version 1", 1, "eth macsec ip4 tcp", 14, "80", HT_PACKET_MALFORMED},
	{"NSH: header of 4 bytes", 1, "eth nsh ip4 tcp", 15, "c1", HT_PACKET_MALFORMED},
	{"NSH: version 1", 1, "eth nsh ip4 tcp", 14, "4f", HT_PACKET_MALFORMED},
	{"NSH: nothing known next", 1, "eth nsh ip4 tcp", 17, "7f", HT_PACKET_NOT_IP},
	{"PPPoE: version 2", 1, "eth pppoe ip4 tcp", 14, "21", HT_PACKET_MALFORMED},
	{"PPPoE: a discovery code", 1, "eth pppoe ip4 tcp", 15, "09", HT_PACKET_NOT_IP},
	{"PPPoE: length 1", 1, "eth pppoe ip4 tcp", 18, "0001", HT_PACKET_MALFORMED},
	{"PPPoE: LCP", 1, "eth pppoe ip4 tcp", 20, "c021", HT_PACKET_NOT_IP},
	{"MPLS: an associated channel", 1, "eth mpls:13 cw eth ip4 tcp", 18, "10000021",
	 HT_PACKET_NOT_IP},
	{"MPLS: nothing known inside", 1, "eth mpls:1 eth ip4 tcp", 30, "9999", HT_PACKET_NOT_IP},
	{"GRE: source routing", 1, "eth ip4 gre ip4 tcp", 34, "4000", HT_PACKET_OTHER_L4},
	{"GRE: version 2", 1, "eth ip4 gre ip4 tcp", 35, "02", HT_PACKET_OTHER_L4},
	{"GRE: a keep-alive", 1, "eth ip4 gre ip4 tcp", 36, "0000", HT_PACKET_OTHER_L4},
	{"GRE: a PPTP acknowledgement", 1, "eth ip4 pptp:1 ppp ip4 tcp", 34, "20",
	 HT_PACKET_OTHER_L4},
	{"L2TPv3: control", 1, "eth ip4 l2tpv3 eth ip4 tcp", 34, "00000000", HT_PACKET_OTHER_L4},
	{"VXLAN: no VNI", 1, "eth ip4 udp:4789 vxlan:1 eth ip4 tcp", 42, "f7", HT_PACKET_UDP},
	{"VXLAN: reserved bits", 1, "eth ip4 udp:4789 vxlan:1 eth ip4 tcp", 42, "ffffffff",
	 HT_PACKET_TCP},
	{"VXLAN: a group as source inside", 1, "eth ip4 udp:4789 vxlan:1 eth ip4 tcp", 56, "03",
	 HT_PACKET_UDP},
	{"VXLAN: IPv4 inside is no IPv4", 1, "eth ip4 udp:4789 vxlan:1 eth ip4 tcp", 64, "75",
	 HT_PACKET_UDP},
	{"VXLAN: ARP inside", 1, "eth ip4 udp:4789 vxlan:1 eth ip4 tcp", 62, "0806",
	 HT_PACKET_NOT_IP},
	{"VXLAN: STP inside", 1, "eth ip4 udp:4789 vxlan:1 eth3 snap ip4 tcp", 64, "4242",
	 HT_PACKET_NOT_IP},
	{"VXLAN: inner TCP header of 16 bytes", 1, "eth ip4 udp:4789 vxlan:1 eth ip4 tcp", 96, "40",
	 HT_PACKET_MALFORMED},
	{"GENEVE: version 1", 1, "eth ip4 udp:6081 geneve:1 eth ip4 tcp", 42, "42", HT_PACKET_UDP},
	{"GENEVE: more options than datagram", 1, "eth ip4 udp:6081 geneve:1 eth ip4 tcp", 42, "3f",
	 HT_PACKET_UDP},
	{"GTP-U: GTP'", 1, "eth ip4 udp:2152 gtpu:1 ip4 tcp", 42, "20", HT_PACKET_UDP},
	{"GTP-U: an echo", 1, "eth ip4 udp:2152 gtpu:1 ip4 tcp", 43, "01", HT_PACKET_UDP},
	{"GTP-U: longer than its datagram", 1, "eth ip4 udp:2152 gtpu:1 ip4 tcp", 44, "ffff",
	 HT_PACKET_UDP},
	{"GTP-U: extension of no length", 1, "eth ip4 udp:2152 gtpuext:1 ip4 tcp", 54, "00",
	 HT_PACKET_UDP},
	{"GTP-U: extension beyond", 1, "eth ip4 udp:2152 gtpuext:1 ip4 tcp", 54, "ff",
	 HT_PACKET_UDP},
	{"Teredo: IPv6 longer than its datagram", 1, "eth ip4 udp:3544 teredo ip6 tcp", 46, "1000",
	 HT_PACKET_UDP},
	{"L2TP: control", 1, "eth ip4 udp:1701 l2tp ppp ip4 tcp", 42, "c802", HT_PACKET_UDP},
	{"L2TP: longer than its datagram", 1, "eth ip4 udp:1701 l2tp:0x4000 ppp ip4 tcp", 44,
	 "ffff", HT_PACKET_UDP},
	{"L2TP: LCP inside", 1, "eth ip4 udp:1701 l2tp ppp ip4 tcp", 48, "c021", HT_PACKET_NOT_IP},
	{"CAPWAP: DTLS", 1, "eth ip4 udp:5247 capwap eth ip4 tcp", 42, "01", HT_PACKET_UDP},
	{"CAPWAP: a fragment", 1, "eth ip4 udp:5247 capwap eth ip4 tcp", 45, "80", HT_PACKET_UDP},
	{"AYIYA: a heartbeat", 1, "eth ip4 udp:5072 ayiya ip6 tcp", 44, "10", HT_PACKET_UDP},
	{"TZSP: tags without end", 1, "eth ip4 udp:37008 tzsp eth ip4 tcp", 46, "0a3a",
	 HT_PACKET_UDP},
	{"null: an unknown family", 0, "be32:2 ip4 tcp", 0, "0000000c", HT_PACKET_NOT_IP},
	{"raw: version 0", 101, "ip4 tcp", 0, "05", HT_PACKET_MALFORMED},
	{"radiotap: version 1", 127, "radiotap dot11:0x0801 snap ip4 tcp", 0, "01",
	 HT_PACKET_MALFORMED},
	{"radiotap: header of 7 bytes", 127, "radiotap dot11:0x0801 snap ip4 tcp", 2, "07",
	 HT_PACKET_MALFORMED},
	{"radiotap: header beyond the frame", 127, "radiotap dot11:0x0801 snap ip4 tcp", 2, "ffff",
	 HT_PACKET_MALFORMED},
	{"radiotap: `present` words without end", 127, "radiotap dot11:0x0801 snap ip4 tcp", 7,
	 "80", HT_PACKET_TCP},
	{"802.11: management", 105, "dot11:0x0801 snap ip4 tcp", 0, "80", HT_PACKET_NOT_IP},
	{"802.11: encrypted", 105, "dot11:0x0801 snap ip4 tcp", 1, "41", HT_PACKET_NOT_IP},
	{"802.11: null function", 105, "dot11:0x0801 snap ip4 tcp", 0, "48", HT_PACKET_NOT_IP},
	{"802.11: second fragment", 105, "dot11:0x0801 snap ip4 tcp", 22, "01", HT_PACKET_NOT_IP},
	{"SLL: netlink", 113, "sll:824 ip4 tcp", 0, "00", HT_PACKET_NOT_IP},
	{"SLL: 802.2", 113, "sll:1 snap ip4 tcp", 14, "0004", HT_PACKET_TCP},
	{"SLL: 802.3 without LLC", 113, "sll:1 snap ip4 tcp", 14, "0001", HT_PACKET_NOT_IP},
	{"NFLOG: version 1", 239, "nflog:2 ip4 tcp", 1, "01", HT_PACKET_NOT_IP},
	{"NFLOG: TLV of 3 bytes", 239, "nflog:2 ip4 tcp", 4, "03", HT_PACKET_MALFORMED},
	{"NFLOG: TLV beyond the frame", 239, "nflog:2 ip4 tcp", 4, "ffff", HT_PACKET_MALFORMED},
	{"NFLOG: payload beyond the frame", 239, "nflog:2 ip4 tcp", 16, "ffff",
	 HT_PACKET_MALFORMED},
	{"NFLOG: bridge family", 239, "nflog:7 ip4 tcp", 2, "00", HT_PACKET_NOT_IP},
	{"PPP: compressed", 9, "ppp ip4 tcp", 0, "00fd", HT_PACKET_NOT_IP},
};

static void test_odd_headers(void **state) {
	(void)state;
	for (size_t i = 0; i < HT_ARRAY_LEN(mend_cases); i++) {
		const struct mend_case *c = &mend_cases[i];
		struct build b;
		build(&b, c->spec);
		size_t n = t_unhex(b.d + c->at, 16, c->hex);
		assert_true(c->at + n <= b.n);
		uint8_t *d = t_dup(b.d, b.n);
		struct ht_frame f = frame(d, b.n, b.n, c->linktype);
		struct ht_packet p;
		enum ht_packet_end end = parse(&p, &f, c->name);
		if (end != c->end)
			fail_msg("%s: end %d, not %d", c->name, end, c->end);
		free(d);
	}
}

// Lengths: what the header says, what was captured, and which of them rules.
static void test_lengths(void **state) {
	(void)state;
	static const struct {
		const char *name, *spec;
		unsigned at;
		const char *hex;
		unsigned trailer;
		size_t payload, wire;
	} cases[] = {
		{"IPv4 ends early", "eth ip4 tcp", 16, "002a", 0, 2, 2},
		{"IPv4 says more than the frame", "eth ip4 tcp", 16, "03e8", 0, PAYLOAD_LEN, 960},
		{"IPv4 says nothing", "eth ip4 tcp", 16, "0000", 5, PAYLOAD_LEN + 5,
		 PAYLOAD_LEN + 5},
		{"IPv6 ends early", "eth ip6 tcp", 18, "0016", 0, 2, 2},
		{"IPv6 says more than the frame", "eth ip6 tcp", 18, "03e8", 0, PAYLOAD_LEN, 980},
		{"IPv6 says nothing", "eth ip6 udp", 18, "0000", 5, PAYLOAD_LEN, PAYLOAD_LEN},
		{"UDP ends before IP", "eth ip4 udp", 38, "000a", 0, 2, 2},
		{"UDP says nothing", "eth ip4 udp", 38, "0000", 5, PAYLOAD_LEN, PAYLOAD_LEN},
		{"TCP without payload, padded", "eth ip4 tcp", 16, "0028", 6, 0, 0},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct build b;
		build(&b, cases[i].spec);
		t_unhex(b.d + cases[i].at, 2, cases[i].hex);
		b.n += cases[i].trailer;
		uint8_t *d = t_dup(b.d, b.n);
		struct ht_frame f = frame(d, b.n, b.n, 1);
		struct ht_packet p;
		parse(&p, &f, cases[i].name);
		if (p.payload.len != cases[i].payload || p.payload_wire_len != cases[i].wire)
			fail_msg("%s: %zu of %u", cases[i].name, p.payload.len, p.payload_wire_len);
		// A file that claims a frame shorter than what it holds of it changes nothing.
		f.len = 0;
		parse(&p, &f, cases[i].name);
		assert_int_equal(p.payload.len, cases[i].payload);
		free(d);
	}
}

static void test_fragment4(void **state) {
	(void)state;
	struct build b;
	build(&b, "eth vlan:3 ip4 tcp");
	ht_put_be16(b.d + 18 + 4, 0xbeef);
	ht_put_be16(b.d + 18 + 6, 0x2000 | 185);
	struct ht_frame f = frame(b.d, b.n + 4, b.n + 4, 1);
	struct ht_packet p;
	assert_int_equal(parse(&p, &f, "fragment"), HT_PACKET_FRAGMENT);
	assert_int_equal(p.fragment.id, 0xbeef);
	assert_int_equal(p.fragment.offset, 1480);
	assert_true(p.fragment.more);
	assert_false(p.fragment.v6);
	assert_int_equal(p.fragment.proto, 6);
	assert_int_equal(p.fragment.data.len, 20 + PAYLOAD_LEN);
	assert_ptr_equal(p.fragment.data.p, b.d + 38);
	assert_memory_equal(p.key.src + 12, ip4_src, 4);
	assert_memory_equal(p.key.dst + 12, ip4_dst, 4);
	assert_int_equal(p.key.sport, 0);
	assert_string_equal(encap_text(&p), "vlan:3");

	f.caplen = (uint32_t)b.n - 1;
	assert_int_equal(parse(&p, &f, "cut"), HT_PACKET_TRUNCATED);
}

static void test_fragment6(void **state) {
	(void)state;
	struct build b;
	build(&b, "eth ip6 ext:0 atomic:0x12345678 ext:60 udp");
	ht_put_be16(b.d + 14 + 40 + 16 + 2, 1472 | 1);
	struct ht_frame f = frame(b.d, b.n, b.n, 1);
	struct ht_packet p;
	assert_int_equal(parse(&p, &f, "fragment"), HT_PACKET_FRAGMENT);
	assert_int_equal(p.fragment.id, 0x12345678);
	assert_int_equal(p.fragment.offset, 1472);
	assert_true(p.fragment.more);
	assert_true(p.fragment.v6);
	assert_int_equal(p.fragment.proto, 60);
	assert_int_equal(p.fragment.data.len, 16 + 8 + PAYLOAD_LEN);
	assert_memory_equal(p.key.src, ip6_src, 16);
}

// After reassembly the walk goes on where the fragment's IP header left it, tunnels and all.
static void test_resume(void **state) {
	(void)state;
	static const struct {
		const char *first, *rest, *encap;
		uint8_t proto;
		enum ht_packet_end end;
	} cases[] = {
		{"eth vlan:3 ip4 tcp", "tcp", "vlan:3", 6, HT_PACKET_TCP},
		{"eth ip4 tcp", "udp:4789 vxlan:9 eth ip6 tcp", "vxlan:9", 17, HT_PACKET_TCP},
		{"eth ip4 tcp", "ip6 udp", "6in4", 41, HT_PACKET_UDP},
		{"eth ip6 atomic tcp", "ext:60 ip6 udp", "ipin6", 60, HT_PACKET_UDP},
		{"eth ip4 tcp", "ext:60 udp", "", 60, HT_PACKET_OTHER_L4},
		{"eth vlan:3 ip4 tcp", "gre eth ip4 udp", "vlan:3 gre", 47, HT_PACKET_UDP},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct build b;
		build(&b, cases[i].first);
		bool v6 = strstr(cases[i].first, "atomic") != NULL;
		size_t ip = strstr(cases[i].first, "vlan") != NULL ? 18 : 14;
		if (v6) {
			b.d[ip + 40] = cases[i].proto;
			b.d[ip + 43] = 1;
		} else {
			b.d[ip + 6] = 0x20;
			b.d[ip + 9] = cases[i].proto;
		}
		struct ht_frame f = frame(b.d, b.n, b.n, 1);
		struct ht_packet p;
		assert_int_equal(parse(&p, &f, cases[i].first), HT_PACKET_FRAGMENT);

		struct build r;
		build(&r, cases[i].rest);
		for (size_t n = 0; n <= r.n; n++) {
			struct ht_packet q = p;
			uint8_t *d = t_dup(r.d, n);
			enum ht_packet_end end
				= ht_packet_resume(&q, HT_SPAN(d, n), q.fragment.proto);
			assert_int_equal(end, q.end);
			// Nothing was cut here: what is too short is wrong.
			assert_int_not_equal(end, HT_PACKET_TRUNCATED);
			if (n == r.n) {
				assert_int_equal(end, cases[i].end);
				assert_string_equal(encap_text(&q), cases[i].encap);
				if (end != HT_PACKET_OTHER_L4)
					assert_memory_equal(q.payload.p, PAYLOAD, PAYLOAD_LEN);
			}
			free(d);
		}
	}
}

static void test_depth(void **state) {
	(void)state;
	for (unsigned n = 15; n <= 18; n++) {
		char spec[256] = "eth";
		for (unsigned i = 0; i < n; i++)
			strcat(spec, " vlan:1");
		strcat(spec, " ip4 tcp");
		struct build b;
		build(&b, spec);
		struct ht_frame f = frame(b.d, b.n, b.n, 1);
		struct ht_packet p;
		parse(&p, &f, spec);
		assert_int_equal(p.end, n <= HT_ENCAP_MAX ? HT_PACKET_TCP : HT_PACKET_DEPTH);
		assert_int_equal(p.num_encap, n <= HT_ENCAP_MAX ? n : HT_ENCAP_MAX);
	}
	for (unsigned n = 10; n <= 11; n++) {
		char spec[256] = "eth ip6";
		for (unsigned i = 0; i < n; i++)
			strcat(spec, " ext:60");
		strcat(spec, " tcp");
		struct build b;
		build(&b, spec);
		struct ht_frame f = frame(b.d, b.n, b.n, 1);
		struct ht_packet p;
		assert_int_equal(parse(&p, &f, spec), n == 10 ? HT_PACKET_TCP : HT_PACKET_DEPTH);
	}
	// A tunnel that is one too many is that, not a plain datagram.
	char spec[512] = "eth";
	for (unsigned i = 0; i < HT_ENCAP_MAX; i++)
		strcat(spec, " mpls:1");
	strcat(spec, " ip4 udp:4789 vxlan:1 eth ip4 tcp");
	struct build b;
	build(&b, spec);
	struct ht_frame f = frame(b.d, b.n, b.n, 1);
	struct ht_packet p;
	assert_int_equal(parse(&p, &f, spec), HT_PACKET_DEPTH);

	// Layers that are not told: bridged Ethernet in SNAP in Ethernet, without end.
	build(&b, "eth ip4 tcp");
	for (unsigned i = 0; i < 100; i++) {
		w_snap(&b, 0x80c2);
		w_eth(&b, 0);
	}
	f = frame(b.d, b.n, b.n, 1);
	assert_int_equal(parse(&p, &f, "snap"), HT_PACKET_DEPTH);
}

static void test_eapol(void **state) {
	(void)state;
	static const struct {
		uint16_t linktype;
		const char *spec; // of what comes before the EAPOL header
		const char *src, *dst;
	} cases[] = {
		{1, "eth", "020000000055", "0200000000dd"},
		{1, "eth vlan:7", "020000000055", "0200000000dd"},
		{1, "eth ip4 gre eth", "020000000055", "0200000000dd"},
		{105, "dot11:0x0801 snap", "020000000055",
		 "000000000000"}, // to DS: SA is A2, DA is A3
		{105, "dot11:0x0802 snap", "000000000000",
		 "0200000000dd"}, // from DS: DA is A1, SA is A3
		{105, "amsdu snap", "020000000055", "0200000000dd"},
		{113, "sll:1", "000000000000", "000000000000"},
	};
	static const uint8_t eapol[12] = {2, 0, 0, 5, 1, 9, 0, 5, 1}; // body of 5, padding of 3
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct build b = {.n = sizeof(eapol), .ethertype = 0x888e};
		memcpy(b.d, eapol, sizeof(eapol));
		char words_left[64];
		strcpy(words_left, cases[i].spec);
		for (char *w; (w = strrchr(words_left, ' ')) != NULL; *w = '\0')
			put_word(&b, w + 1, strlen(w + 1));
		put_word(&b, words_left, strlen(words_left));
		size_t headers = b.n - sizeof(eapol);
		for (size_t n = headers; n <= b.n; n++) {
			uint8_t *d = t_dup(b.d, n);
			struct ht_frame f = frame(d, n, b.n, cases[i].linktype);
			struct ht_packet p;
			parse(&p, &f, cases[i].spec);
			size_t have = n - headers < 9 ? n - headers : 9;
			if (have < 4) {
				assert_int_equal(p.end, HT_PACKET_TRUNCATED);
				free(d);
				continue;
			}
			assert_int_equal(p.end, HT_PACKET_EAPOL);
			assert_int_equal(p.proto, 0);
			assert_int_equal(p.payload.len, have);
			assert_int_equal(p.payload_wire_len, 9);
			assert_memory_equal(p.payload.p, eapol, have);
			uint8_t mac[6];
			t_unhex(mac, 6, cases[i].src);
			assert_memory_equal(p.src_mac, mac, 6);
			t_unhex(mac, 6, cases[i].dst);
			assert_memory_equal(p.dst_mac, mac, 6);
			free(d);
		}
	}
}

static void test_encap_text(void **state) {
	(void)state;
	static const struct {
		struct ht_encap e;
		const char *text;
	} cases[] = {
		{{10, HT_ENCAP_VLAN}, "vlan:10"},
		{{0, HT_ENCAP_VLAN}, "vlan:0"},
		{{1007, HT_ENCAP_MPLS}, "mpls:1007"},
		{{99, HT_ENCAP_PPPOE}, "pppoe"},
		{{0x1a, HT_ENCAP_GTPU}, "gtpu:0x1a"},
		{{0, HT_ENCAP_GTPU}, "gtpu:0x0"},
		{{0x10000000, HT_ENCAP_GTPU}, "gtpu:0x10000000"},
		{{UINT32_MAX, HT_ENCAP_L2TP}, "l2tp:4294967295"},
		{{1, HT_ENCAP_NUM_KINDS}, ""},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		char text[32];
		*ht_encap_text(text, cases[i].e) = '\0';
		assert_string_equal(text, cases[i].text);
	}
	for (unsigned k = 0; k < HT_ENCAP_NUM_KINDS; k++) {
		char text[64];
		char *end = ht_encap_text(text, (struct ht_encap){UINT32_MAX, (uint8_t)k});
		assert_true(end > text && end - text <= 24);
	}
}

static void test_linktypes(void **state) {
	(void)state;
	static const uint8_t zeros[64];
	unsigned known = 0;
	for (unsigned t = 0; t < 65536; t++) {
		struct ht_frame f = frame(zeros, sizeof(zeros), sizeof(zeros), (uint16_t)t);
		struct ht_packet p;
		enum ht_packet_end end = ht_packet_parse(&p, &f);
		assert_true(t != 1 || end != HT_PACKET_LINKTYPE);
		assert_true(t != 147 || end == HT_PACKET_LINKTYPE);
		known += end != HT_PACKET_LINKTYPE;
	}
	assert_int_equal(known, 19); // as many as packet.c lists
}

// Any bytes changed anywhere: nothing is read out of bounds, and both paths agree (see parse).
static void test_mutants(void **state) {
	(void)state;
	uint32_t seed = 1;
	unsigned fast = 0;
	for (unsigned round = 0; round < 200000; round++) {
		const struct encap_case *c = &encap_cases[round % HT_ARRAY_LEN(encap_cases)];
		// Half of the time one of the first few, which the fast path is made for.
		if (round % 2 == 0)
			c = &encap_cases[round / 2 % 6];
		struct build b;
		build(&b, c->spec);
		unsigned changes = 0;
		do {
			seed = seed * 1664525 + 1013904223;
			unsigned at = (seed >> 8) % (unsigned)(b.n < 100 ? b.n : 100);
			uint8_t v = (uint8_t)(seed >> 24);
			b.d[at] = (seed & 0x80) != 0 ? v : (uint8_t)(b.d[at] ^ 1u << (v & 7));
		} while (++changes < round % 5);
		size_t n = (seed & 0x40) != 0 ? b.n : (seed >> 9) % (b.n + 1);
		uint8_t *d = t_dup(b.d, n);
		struct ht_frame f = frame(d, n, (seed & 0x20) != 0 ? b.n : n, c->linktype);
		struct ht_packet p;
		enum ht_packet_end end = parse(&p, &f, c->spec);
		fast += end == HT_PACKET_TCP || end == HT_PACKET_UDP;
		free(d);
	}
	assert_true(fast > 50000); // or the changes were too wild to say anything
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encapsulations), cmocka_unit_test(test_trailers),
		cmocka_unit_test(test_snapped),	       cmocka_unit_test(test_short),
		cmocka_unit_test(test_not_a_tunnel),   cmocka_unit_test(test_odd_headers),
		cmocka_unit_test(test_lengths),	       cmocka_unit_test(test_fragment4),
		cmocka_unit_test(test_fragment6),      cmocka_unit_test(test_resume),
		cmocka_unit_test(test_depth),	       cmocka_unit_test(test_eapol),
		cmocka_unit_test(test_encap_text),     cmocka_unit_test(test_linktypes),
		cmocka_unit_test(test_mutants),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
