# SPDX-License-Identifier: BSD-3-Clause
"""Packets below TLS: Ethernet to UDP and TCP, encapsulations, fragments, link-layer headers.

Two shapes run through this file. An "l3" is (ethertype, bytes): what Ethernet carries. An "l4" is
(IP protocol, bytes): what IP carries. Encapsulations take one and give one, so that they nest.
"""

import hashlib
import ipaddress
import struct

IP4, IP6, ARP = 0x0800, 0x86DD, 0x0806
TEB = 0x6558  # transparent Ethernet bridging: "an Ethernet frame follows"
TCP, UDP, GRE, IPIP, IP6IN, L2TP3, ICMP, ICMP6 = 6, 17, 47, 4, 41, 115, 1, 58

MAC_A, MAC_B = "02:00:5e:10:00:01", "02:00:5e:10:00:02"  # locally administered
# First nibble not 0, 4 or 6, so that a pseudowire without control word is not ambiguous (RFC 4928 3).
MAC_C, MAC_D = "ae:00:5e:20:00:01", "ae:00:5e:20:00:02"


def noise(label, n):
    """n bytes that look random and are the same in every run."""
    return hashlib.shake_256(label.encode()).digest(n)


def pieces(data, cuts):
    """(offset, bytes) of data cut at the given offsets."""
    edges = [0, *cuts, len(data)]
    if sorted(set(edges)) != edges:
        raise ValueError("cuts outside of the data or not in order: %r" % edges)
    return [(a, data[a:b]) for a, b in zip(edges, edges[1:])]


def every(data, n):
    return pieces(data, range(n, len(data), n))


def mac(s):
    return bytes.fromhex(s.replace(":", ""))


def addr(s):
    return ipaddress.ip_address(s).packed


def checksum(data):
    """Internet checksum, RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def _pseudo(src, dst, proto, n):
    s, d = addr(src), addr(dst)
    if len(s) == 4:
        return s + d + struct.pack("!BBH", 0, proto, n)
    return s + d + struct.pack("!IHBB", n, 0, 0, proto)


# ---- L4


def udp(payload, src, dst, sport, dport, summed=True, length=None):
    """UDP datagram as an l4; summed=False leaves the checksum 0, as tunnels do."""
    n = 8 + len(payload) if length is None else length
    d = struct.pack("!HHHH", sport, dport, n, 0) + payload
    if summed:
        c = checksum(_pseudo(src, dst, UDP, len(d)) + d) or 0xFFFF
        d = d[:6] + struct.pack("!H", c) + d[8:]
    return UDP, d


def tcp(payload, src, dst, sport, dport, seq, ack, flags, options=b"", window=64240):
    """TCP segment as an l4."""
    options += bytes(-len(options) % 4)
    head = struct.pack(
        "!HHIIBBHHH",
        sport,
        dport,
        seq & 0xFFFFFFFF,
        ack & 0xFFFFFFFF,
        (5 + len(options) // 4) << 4,
        flags,
        window,
        0,
        0,
    )
    d = head + options + payload
    c = checksum(_pseudo(src, dst, TCP, len(d)) + d)
    return TCP, d[:16] + struct.pack("!H", c) + d[18:]


# ---- IP


def ipv4(l4, src, dst, ident=0, ttl=64, frag=0x4000, options=b"", tos=0, total_len=None):
    """IPv4 packet as an l3. frag is the whole flags-and-offset word (0x4000: do not fragment)."""
    proto, payload = l4
    options += bytes(-len(options) % 4)
    n = 20 + len(options) + len(payload) if total_len is None else total_len
    h = struct.pack("!BBHHHBBH", 0x40 | (5 + len(options) // 4), tos, n, ident, frag, ttl, proto, 0)
    h += addr(src) + addr(dst) + options
    h = h[:10] + struct.pack("!H", checksum(h)) + h[12:]
    return IP4, h + payload


def ipv6(l4, src, dst, ext=(), hop=64, flow=0):
    """IPv6 packet as an l3. ext: (type, body without its next-header byte) of extension headers."""
    nh, payload = l4
    for kind, body in reversed(ext):
        payload = bytes([nh]) + body + payload
        nh = kind
    h = struct.pack("!IHBB", 6 << 28 | flow, len(payload), nh, hop) + addr(src) + addr(dst)
    return IP6, h + payload


def ip(l4, src, dst, **kw):
    return (ipv6 if ":" in src else ipv4)(l4, src, dst, **kw)


def ipv4_fragments(l4, src, dst, cuts, ident=0x1234):
    """The IPv4 fragments of an l4, cut at the given offsets (multiples of 8), in order."""
    proto, data = l4
    return [
        ipv4((proto, part), src, dst, ident=ident, frag=(0x2000 if off + len(part) < len(data) else 0) | off // 8)
        for off, part in pieces(data, cuts)
    ]


def ipv6_fragments(l4, src, dst, cuts, ident=0x12345678):
    """The IPv6 fragments of an l4 (RFC 8200 4.5)."""
    proto, data = l4
    return [
        ipv6((proto, part), src, dst, ext=[(44, struct.pack("!BHI", 0, off | (off + len(part) < len(data)), ident))])
        for off, part in pieces(data, cuts)
    ]


# ---- Ethernet and what comes between it and IP


def ether(l3, src=MAC_A, dst=MAC_B, pad=True):
    """Ethernet frame; short ones are padded to 60 bytes as on a wire."""
    f = mac(dst) + mac(src) + struct.pack("!H", l3[0]) + l3[1]
    return f + bytes(max(0, 60 - len(f))) if pad else f


def ether_llc(l3, src=MAC_A, dst=MAC_B):
    """Ethernet frame with a length field and LLC/SNAP (RFC 1042)."""
    body = bytes.fromhex("aaaa03000000") + struct.pack("!H", l3[0]) + l3[1]
    return mac(dst) + mac(src) + struct.pack("!H", len(body)) + body


def vlan(l3, vid, pcp=0, tpid=0x8100):
    return tpid, struct.pack("!HH", pcp << 13 | vid, l3[0]) + l3[1]


def qinq(l3, outer, inner):
    """802.1ad: service tag outside."""
    return vlan(vlan(l3, inner), outer, tpid=0x88A8)


def pbb(frame, isid, bvid=None):
    """802.1ah: a whole customer frame behind an I-tag, and a B-tag when bvid is given."""
    l3 = (0x88E7, struct.pack("!I", isid) + frame)
    return l3 if bvid is None else vlan(l3, bvid, tpid=0x88A8)


def vntag(l3, src_vif, dst_vif=0):
    return 0x8926, struct.pack("!IH", dst_vif << 16 | src_vif, l3[0]) + l3[1]


def etag(l3, ecid):
    """802.1BR E-TAG."""
    return 0x893F, struct.pack("!HHHH", 0, ecid & 0x3FFF, 0, l3[0]) + l3[1]


def sgt(l3, tag):
    """Cisco MetaData with a security group tag."""
    return 0x8909, struct.pack("!BBHHH", 1, 1, 1, tag, l3[0]) + l3[1]


def macsec_clear(l3, pn=1):
    """802.1AE SecTAG, integrity only: the payload is readable, 16 bytes of ICV follow."""
    return 0x88E5, struct.pack("!BBI", 0, 0, pn) + struct.pack("!H", l3[0]) + l3[1] + bytes(16)


def _labels(labels, ttl=64):
    return b"".join(
        struct.pack("!I", label << 12 | (i == len(labels) - 1) << 8 | ttl) for i, label in enumerate(labels)
    )


def mpls(l3, labels):
    """MPLS over IP payload: nothing says which, the first nibble does."""
    return 0x8847, _labels(labels) + l3[1]


def mpls_ether(frame, labels, control_word=False):
    """MPLS pseudowire (RFC 4448), with or without the control word."""
    return 0x8847, _labels(labels) + (bytes(4) if control_word else b"") + frame


def _ppp_proto(l3):
    return {IP4: 0x0021, IP6: 0x0057}.get(l3[0], l3[0])


def ppp(l3, hdlc=True, compressed=False):
    """PPP frame. compressed: protocol field of one byte (RFC 1661 6.5)."""
    p = _ppp_proto(l3)
    proto = bytes([p]) if compressed else struct.pack("!H", p)
    return (b"\xff\x03" if hdlc else b"") + proto + l3[1]


def pppoe(l3, session=0x11):
    body = ppp(l3, hdlc=False)
    return 0x8864, struct.pack("!BBHH", 0x11, 0, session, len(body)) + body


def nsh_bytes(inner, next_proto, spi=42, si=255, md=1):
    """Network service header (RFC 8300). next_proto: 1 IPv4, 2 IPv6, 3 Ethernet."""
    meta = noise("nsh", 16) if md == 1 else b""
    words = 2 + len(meta) // 4
    return struct.pack("!HBBI", 63 << 6 | words, md, next_proto, spi << 8 | si) + meta + inner


def nsh(inner, next_proto, **kw):
    return 0x894F, nsh_bytes(inner, next_proto, **kw)


# ---- Tunnels over IP


def gre(l3, key=None, seq=None, summed=False, routing=None):
    """GRE version 0 (RFC 2784, 2890) as an l4."""
    flags = (summed << 15) | ((key is not None) << 13) | ((seq is not None) << 12)
    flags |= (routing is not None) << 14
    h = struct.pack("!HH", flags, l3[0])
    if summed or routing is not None:
        h += bytes(4)
    h += struct.pack("!I", key) if key is not None else b""
    h += struct.pack("!I", seq) if seq is not None else b""
    h += routing or b""
    if summed:
        h = h[:4] + struct.pack("!H", checksum(h + l3[1])) + h[6:]
    return GRE, h + l3[1]


def gre_pptp(l3, call=7, seq=1, ack=None):
    """GRE version 1 with PPP inside (RFC 2637)."""
    body = ppp(l3)
    flags = 0x3001 | (0x0080 if ack is not None else 0)
    h = struct.pack("!HHHHI", flags, 0x880B, len(body), call, seq)
    return GRE, h + (struct.pack("!I", ack) if ack is not None else b"") + body


def nvgre(frame, vsid, flow=0):
    return gre((TEB, frame), key=vsid << 8 | flow)


def erspan1(frame):
    return GRE, struct.pack("!HH", 0, 0x88BE) + frame


def erspan2(frame, session, seq=1, vid=0):
    h = struct.pack("!HHI", 1 << 12 | vid, session, 0)
    return gre((0x88BE, h + frame), seq=seq)


def erspan3(frame, session, seq=1, vid=0, subheader=False, inner_ip=False):
    """ERSPAN type III. P is 1 and FT 0 (Ethernet) or 2 (IP); subheader: O bit and its 8 bytes."""
    ft = 2 if inner_ip else 0
    last = 1 << 15 | ft << 10 | 0 << 4 | 0 << 1 | subheader
    h = struct.pack("!HHIHH", 2 << 12 | vid, session, 0x01020304, 0, last)
    return gre((0x22EB, h + (noise("erspan", 8) if subheader else b"") + frame), seq=seq)


def vxlan(frame, vni):
    return struct.pack("!II", 0x08 << 24, vni << 8) + frame


def vxlan_gpe(inner, vni, next_proto):
    """next_proto: 1 IPv4, 2 IPv6, 3 Ethernet, 4 NSH."""
    return struct.pack("!II", 0x0C << 24 | next_proto, vni << 8) + inner


def geneve(l3, vni, options=b""):
    """RFC 8926. options: whole TLVs, a multiple of 4 bytes."""
    return struct.pack("!BBHI", len(options) // 4, 0, l3[0], vni << 8) + options + l3[1]


def geneve_option(cls, kind, data):
    return struct.pack("!HBB", cls, kind, len(data) // 4) + data


def gtpu(inner, teid, seq=None, ext=()):
    """G-PDU (3GPP TS 29.281). ext: (type, content of 4n-2 bytes) of extension headers."""
    opt = b""
    flags = 0x30
    if seq is not None or ext:
        flags |= (0x02 if seq is not None else 0) | (0x04 if ext else 0)
        opt = struct.pack("!HBB", seq or 0, 0, ext[0][0] if ext else 0)
        for i, (_, body) in enumerate(ext):
            follows = ext[i + 1][0] if i + 1 < len(ext) else 0
            opt += bytes([(len(body) + 2) // 4]) + body + bytes([follows])
    return struct.pack("!BBHI", flags, 0xFF, len(opt) + len(inner), teid) + opt + inner


def teredo(ip6, auth=False, origin=None):
    """RFC 4380: optional authentication and origin indications before the IPv6 packet."""
    h = b""
    if auth:
        h += struct.pack("!BBBB", 0, 1, 0, 0) + bytes(8) + b"\0"
    if origin:
        port, host = origin
        h += struct.pack("!HH", 0, port ^ 0xFFFF) + bytes(b ^ 0xFF for b in addr(host))
    return h + ip6[1]


def l2tp2(l3, tunnel, session, length=True, seq=None, offset=None):
    """L2TPv2 data message with PPP (RFC 2661 3.1)."""
    flags = 0x0002 | (0x4000 if length else 0)
    tail = struct.pack("!HH", tunnel, session)
    if seq is not None:
        flags |= 0x0800
        tail += struct.pack("!HH", seq, 0)
    if offset is not None:
        flags |= 0x0200
        tail += struct.pack("!H", offset) + bytes(offset)
    tail += ppp(l3)
    if length:
        tail = struct.pack("!H", len(tail) + 4) + tail
    return struct.pack("!H", flags) + tail


def l2tp3_ip(frame, session, cookie=b"", sublayer=False):
    """L2TPv3 over IP with Ethernet (RFC 3931 4.1.1, RFC 4719) as an l4."""
    return L2TP3, struct.pack("!I", session) + cookie + (bytes(4) if sublayer else b"") + frame


def l2tp3_udp(frame, session, cookie=b"", sublayer=False):
    """L2TPv3 over UDP (RFC 3931 4.1.2)."""
    return struct.pack("!HHI", 3, 0, session) + cookie + (bytes(4) if sublayer else b"") + frame


# ---- Link layers other than Ethernet


def sll(l3, kind=0):
    """LINKTYPE_LINUX_SLL."""
    return struct.pack("!HHH", kind, 1, 6) + mac(MAC_A) + bytes(2) + struct.pack("!H", l3[0]) + l3[1]


def sll2(l3, kind=0, ifindex=3):
    """LINKTYPE_LINUX_SLL2."""
    return struct.pack("!HHIHBB", l3[0], 0, ifindex, 1, kind, 6) + mac(MAC_A) + bytes(2) + l3[1]


def null(l3, big=False, af6=30):
    """LINKTYPE_NULL: address family in the byte order of the capturing machine."""
    return struct.pack(">I" if big else "<I", 2 if l3[0] == IP4 else af6) + l3[1]


def loop(l3):
    """LINKTYPE_LOOP: the same in network order."""
    return null(l3, big=True, af6=24)


def ieee80211(l3, qos=False, to_ds=True, protected=False):
    """802.11 data frame with LLC/SNAP."""
    fc0, fc1 = (0x88 if qos else 0x08), (0x01 if to_ds else 0x02) | (0x40 if protected else 0)
    h = bytes([fc0, fc1, 0, 0]) + mac(MAC_C) + mac(MAC_A) + mac(MAC_B) + b"\x10\x00"
    h += b"\0\0" if qos else b""
    return h + bytes.fromhex("aaaa03000000") + struct.pack("!H", l3[0]) + l3[1]


def radiotap(frame80211, fcs=False):
    """Radiotap header with the flags field alone, telling whether an FCS follows the frame."""
    h = struct.pack("<BBHIB", 0, 0, 9, 1 << 1, 0x10 if fcs else 0)
    return h + frame80211 + (bytes(4) if fcs else b"")
