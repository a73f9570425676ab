# SPDX-License-Identifier: BSD-3-Clause
"""The same short session inside every encapsulation, one capture each."""

import struct

from . import theme, w

case = theme("Encapsulations and link types")

OUT_A, OUT_B = "192.0.2.201", "198.51.100.201"  # tunnel ends
OUT_A6, OUT_B6 = "2001:db8:a::1", "2001:db8:b::1"


def session(name, six=False):
    c = w.Tcp(w.C6, w.S6) if six else w.Tcp()
    return c.open().say(w.records(w.hello13(name + ".example.com")), [200])


def inner(l3):
    """The Ethernet frame inside a tunnel."""
    return w.ether(l3, w.MAC_C, w.MAC_D, pad=False)


def outer(l4, v6=False):
    a, b = (OUT_A6, OUT_B6) if v6 else (OUT_A, OUT_B)
    return w.ether(w.ip(l4, a, b))


def udp_outer(payload, dport, sport=51000, v6=False):
    a, b = (OUT_A6, OUT_B6) if v6 else (OUT_A, OUT_B)
    return w.ether(w.ip(w.udp(payload, a, b, sport, dport, summed=v6), a, b))


WRAPS = [
    ("vlan", "802.1Q", lambda l3: w.ether(w.vlan(l3, 10))),
    ("vlan-priority", "802.1Q priority tag: VLAN id 0", lambda l3: w.ether(w.vlan(l3, 0, pcp=5))),
    ("qinq", "802.1ad with an 802.1Q tag inside", lambda l3: w.ether(w.qinq(l3, 5, 10))),
    ("qinq-9100", "stacked tags with ethertype 0x9100", lambda l3: w.ether(w.vlan(w.vlan(l3, 10), 5, tpid=0x9100))),
    ("vlan-three", "three 802.1Q tags", lambda l3: w.ether(w.vlan(w.vlan(w.vlan(l3, 30), 20), 10))),
    ("pbb", "802.1ah provider backbone bridge", lambda l3: w.ether(w.pbb(inner(l3), 0x1234, 7))),
    ("vntag", "Cisco VN-Tag", lambda l3: w.ether(w.vntag(w.vlan(l3, 10), 11))),
    ("etag", "802.1BR E-TAG", lambda l3: w.ether(w.etag(l3, 0x123))),
    ("sgt", "Cisco security group tag, ethertype 0x8909", lambda l3: w.ether(w.sgt(l3, 2007))),
    ("vlan-sgt", "802.1Q with a security group tag behind it", lambda l3: w.ether(w.vlan(w.sgt(l3, 2007), 10))),
    ("mpls", "MPLS, one label", lambda l3: w.ether(w.mpls(l3, [1007]))),
    ("mpls-three", "MPLS, three labels", lambda l3: w.ether(w.mpls(l3, [16, 1007, 1048575]))),
    (
        "mpls-ethernet-cw",
        "MPLS pseudowire with control word",
        lambda l3: w.ether(w.mpls_ether(inner(l3), [17, 1007], True)),
    ),
    ("mpls-ethernet", "MPLS pseudowire without control word", lambda l3: w.ether(w.mpls_ether(inner(l3), [17, 1007]))),
    (
        "mpls-ethernet-mac-02",
        "The same, with a MAC address that begins like a control word (RFC 4928 3)",
        lambda l3: w.ether(w.mpls_ether(w.ether(l3, w.MAC_A, w.MAC_B, pad=False), [17, 1007])),
    ),
    ("pppoe", "PPPoE", lambda l3: w.ether(w.pppoe(l3))),
    ("vlan-pppoe", "PPPoE in a VLAN", lambda l3: w.ether(w.vlan(w.pppoe(l3), 7))),
    ("nsh-md1", "NSH over Ethernet, MD type 1, Ethernet inside", lambda l3: w.ether(w.nsh(inner(l3), 3))),
    (
        "nsh-md2",
        "NSH over Ethernet, MD type 2 without metadata, IPv4 inside",
        lambda l3: w.ether(w.nsh(l3[1], 1, md=2)),
    ),
    ("gre", "GRE", lambda l3: outer(w.gre(l3))),
    ("gre-key-seq-sum", "GRE with checksum, key and sequence number", lambda l3: outer(w.gre(l3, 77, 5, True))),
    ("gre-ethernet", "GRE with transparent Ethernet bridging", lambda l3: outer(w.gre((w.TEB, inner(l3))))),
    ("gre-mpls", "MPLS in GRE", lambda l3: outer(w.gre(w.mpls(l3, [1007])))),
    ("gre-over-ipv6", "GRE over IPv6", lambda l3: outer(w.gre(l3), v6=True)),
    ("gre-pptp", "GRE version 1 with PPP (RFC 2637)", lambda l3: outer(w.gre_pptp(l3, ack=3))),
    ("nvgre", "NVGRE", lambda l3: outer(w.nvgre(inner(l3), 0x4321, 9))),
    ("erspan-1", "ERSPAN type I: GRE without sequence number", lambda l3: outer(w.erspan1(inner(l3)))),
    ("erspan-2", "ERSPAN type II", lambda l3: outer(w.erspan2(inner(l3), 100, vid=3))),
    ("erspan-2-vlan", "ERSPAN type II with a VLAN inside", lambda l3: outer(w.erspan2(inner(w.vlan(l3, 10)), 100))),
    ("erspan-3", "ERSPAN type III", lambda l3: outer(w.erspan3(inner(l3), 1023))),
    (
        "erspan-3-subheader",
        "ERSPAN type III with the platform subheader",
        lambda l3: outer(w.erspan3(inner(l3), 3, subheader=True)),
    ),
    ("vxlan", "VXLAN", lambda l3: udp_outer(w.vxlan(inner(l3), 42), 4789)),
    ("vxlan-8472", "VXLAN on the port of the Linux kernel", lambda l3: udp_outer(w.vxlan(inner(l3), 42), 8472)),
    (
        "vxlan-over-ipv6",
        "VXLAN over IPv6 with a VLAN inside",
        lambda l3: udp_outer(w.vxlan(inner(w.vlan(l3, 10)), 42), 4789, v6=True),
    ),
    ("vxlan-gpe-ip", "VXLAN-GPE with IP", lambda l3: udp_outer(w.vxlan_gpe(l3[1], 42, 1), 4790)),
    ("vxlan-gpe-ethernet", "VXLAN-GPE with Ethernet", lambda l3: udp_outer(w.vxlan_gpe(inner(l3), 42, 3), 4790)),
    (
        "vxlan-gpe-nsh",
        "VXLAN-GPE with NSH and Ethernet",
        lambda l3: udp_outer(w.vxlan_gpe(w.nsh_bytes(inner(l3), 3), 42, 4), 4790),
    ),
    (
        "geneve",
        "GENEVE with Ethernet and options",
        lambda l3: udp_outer(w.geneve((w.TEB, inner(l3)), 7, w.geneve_option(0x0102, 0x80, w.noise("gnv", 8))), 6081),
    ),
    (
        "geneve-ip",
        "GENEVE with IP, as the AWS gateway load balancer sends it",
        lambda l3: udp_outer(w.geneve(l3, 0), 6081),
    ),
    ("gtpu", "GTP-U", lambda l3: udp_outer(w.gtpu(l3[1], 0x1A), 2152, 2152)),
    ("gtpu-seq", "GTP-U with sequence number", lambda l3: udp_outer(w.gtpu(l3[1], 0x1A, seq=9), 2152, 2152)),
    (
        "gtpu-5g",
        "GTP-U with a PDU session container",
        lambda l3: udp_outer(w.gtpu(l3[1], 0xDEADBEEF, ext=[(0x85, b"\x10\x09")]), 2152, 2152),
    ),
    (
        "gtpu-two-extensions",
        "GTP-U with two extension headers",
        lambda l3: udp_outer(
            w.gtpu(l3[1], 0x1A, seq=9, ext=[(0xC0, b"\x12\x34"), (0x85, bytes([0x10, 9, 0, 0, 0, 0]))]), 2152, 2152
        ),
    ),
    ("ipip", "IPv4 in IPv4", lambda l3: outer((w.IPIP, l3[1]))),
    ("ipip-in-ipv6", "IPv4 in IPv6 (RFC 2473)", lambda l3: outer((w.IPIP, l3[1]), v6=True)),
    (
        "teredo-off-port-ipv4",
        "UDP on 3544 that carries IPv4: no Teredo, and no hello",
        lambda l3: udp_outer(l3[1], 3544),
    ),
    ("l2tpv2", "L2TPv2 with PPP", lambda l3: udp_outer(w.l2tp2(l3, 11, 22), 1701, 1701)),
    (
        "l2tpv2-all-fields",
        "L2TPv2 with sequence numbers and offset padding",
        lambda l3: udp_outer(w.l2tp2(l3, 11, 22, seq=3, offset=4), 1701, 1701),
    ),
    (
        "l2tpv2-no-length",
        "L2TPv2 without the length field",
        lambda l3: udp_outer(w.l2tp2(l3, 11, 22, length=False), 1701, 1701),
    ),
    ("l2tpv3-ip", "L2TPv3 over IP, Ethernet, no cookie", lambda l3: outer(w.l2tp3_ip(inner(l3), 33))),
    (
        "l2tpv3-ip-cookie",
        "L2TPv3 over IP, 8-byte cookie and sublayer",
        lambda l3: outer(w.l2tp3_ip(inner(l3), 33, w.noise("ck", 8), True)),
    ),
    (
        "l2tpv3-udp",
        "L2TPv3 over UDP, 4-byte cookie",
        lambda l3: udp_outer(w.l2tp3_udp(inner(l3), 33, w.noise("ck", 4)), 1701, 1701),
    ),
    ("mpls-over-udp", "MPLS over UDP (RFC 7510)", lambda l3: udp_outer(w.mpls(l3, [1007])[1], 6635)),
    ("llc-snap", "802.3 length with LLC and SNAP", w.ether_llc),
    (
        "deep",
        "VLAN, MPLS, GRE, VXLAN, VLAN",
        lambda l3: w.ether(
            w.vlan(
                w.mpls(
                    w.ip(
                        w.gre(
                            w.ip(
                                w.udp(w.vxlan(inner(w.vlan(l3, 30)), 42), OUT_A, OUT_B, 51000, 4789, False),
                                OUT_A,
                                OUT_B,
                            )
                        ),
                        OUT_A,
                        OUT_B,
                    ),
                    [1007],
                ),
                10,
            )
        ),
    ),
]
SIX_WRAPS = [
    ("vlan-ipv6", "802.1Q with IPv6", lambda l3: w.ether(w.vlan(l3, 10))),
    ("mpls-ipv6", "MPLS with IPv6", lambda l3: w.ether(w.mpls(l3, [2]))),
    ("pppoe-ipv6", "PPPoE with IPv6", lambda l3: w.ether(w.pppoe(l3))),
    ("gre-ipv6", "GRE with IPv6", lambda l3: outer(w.gre(l3))),
    ("gtpu-ipv6", "GTP-U with IPv6", lambda l3: udp_outer(w.gtpu(l3[1], 0x1A), 2152, 2152)),
    ("6in4", "IPv6 in IPv4", lambda l3: outer((w.IP6IN, l3[1]))),
    ("6in6", "IPv6 in IPv6", lambda l3: outer((w.IP6IN, l3[1]), v6=True)),
    ("teredo", "Teredo", lambda l3: udp_outer(w.teredo(l3), 3544)),
    (
        "teredo-indications",
        "Teredo with authentication and origin indications",
        lambda l3: udp_outer(w.teredo(l3, True, (51000, "192.0.2.7")), 51000, 3544),
    ),
]


def _register():
    for six, table in ((False, WRAPS), (True, SIX_WRAPS)):
        for name, shows, wrap in table:

            def build(name=name, wrap=wrap, six=six):
                return session(name.replace("-", ""), six).frames(wrap)

            case("encap-%s.pcap" % name, shows + ".")(build)


_register()


@case("encap-too-deep.pcap", "Forty 802.1Q tags: more than any sensor follows.")
def _():
    def wrap(l3):
        for i in range(40):
            l3 = w.vlan(l3, i + 1)
        return w.ether(l3)

    return session("deep").frames(wrap)


@case("ipv4-options.pcap", "IPv4 header with options.")
def _():
    c = w.Tcp(ip_options={"options": b"\x94\x04\x00\x00\x44\x08\x05\x00" + bytes(4)})
    return c.open().say(w.records(w.hello13("options.example.com")), [200])


@case("ipv6-extension-headers.pcap", "Hop-by-hop, destination options, routing and authentication headers before TCP.")
def _():
    ext = [
        (0, b"\0\x01\x04" + bytes(4)),
        (60, b"\0\x01\x04" + bytes(4)),
        (43, b"\0\0\0" + bytes(4)),
        (51, b"\x04\0\0\0\0\0\x01\0\0\0\x02" + bytes(12)),
    ]
    c = w.Tcp(w.C6, w.S6, ip_options={"ext": ext})
    return c.open().say(w.records(w.hello13("ext.example.com")), [200])


@case("ethernet-trailer.pcap", "Bytes behind the IP packet (switch trailer, FCS) that are not TCP payload.")
def _():
    return session("trailer").frames(lambda l3: w.ether(l3) + w.noise("trailer", 8))


@case("ipv4-total-length-0.pcap", "Total length 0, as segmentation offload leaves it on captured large frames.")
def _():
    c = w.Tcp().open()
    c.ip = {"total_len": 0}
    return c.say(w.records(w.hello_browser("tso.example.com")))


@case("tcp-options.pcap", "TCP header of 60 bytes: timestamps, SACK blocks, padding.")
def _():
    c = w.Tcp().open()
    s = w.records(w.hello13("tcpoptions.example.com"))
    return c.c(0, s, options=b"\x01\x01\x08\x0a" + bytes(8) + b"\x05\x1a" + bytes(24) + b"\x01\x01")


LINKS = [
    ("linktype-sll", w.LINUX_SLL, "LINKTYPE_LINUX_SLL (tcpdump -i any, older)", w.sll),
    ("linktype-sll2", w.LINUX_SLL2, "LINKTYPE_LINUX_SLL2", w.sll2),
    ("linktype-sll-vlan", w.LINUX_SLL, "LINKTYPE_LINUX_SLL with an 802.1Q tag", lambda l3: w.sll(w.vlan(l3, 10))),
    ("linktype-raw", w.RAW, "LINKTYPE_RAW: IP from the first byte", lambda l3: l3[1]),
    ("linktype-ipv4", w.IPV4, "LINKTYPE_IPV4", lambda l3: l3[1]),
    ("linktype-null", w.NULL, "LINKTYPE_NULL, little endian", w.null),
    ("linktype-loop", w.LOOP, "LINKTYPE_LOOP", w.loop),
    ("linktype-ppp", w.PPP, "LINKTYPE_PPP", w.ppp),
    (
        "linktype-ppp-bare",
        w.PPP,
        "LINKTYPE_PPP without address and control, one-byte protocol field",
        lambda l3: w.ppp(l3, hdlc=False, compressed=True),
    ),
    ("linktype-ppp-hdlc", w.PPP_HDLC, "LINKTYPE_PPP_HDLC", w.ppp),
    ("linktype-802.11", w.IEEE802_11, "LINKTYPE_IEEE802_11, data frames in clear", w.ieee80211),
    (
        "linktype-radiotap",
        w.RADIOTAP,
        "LINKTYPE_IEEE802_11_RADIOTAP, QoS data",
        lambda l3: w.radiotap(w.ieee80211(l3, qos=True)),
    ),
    (
        "linktype-radiotap-fcs",
        w.RADIOTAP,
        "The same with the frame check sequence kept",
        lambda l3: w.radiotap(w.ieee80211(l3), True),
    ),
]


def _links():
    for name, link, shows, wrap in LINKS:

        def build(name=name, wrap=wrap):
            return session(name.replace("-", "").replace(".", "")).frames(wrap)

        case(name + ".pcap", shows + ".", linktype=link)(build)


_links()


@case("linktype-ipv6.pcap", "LINKTYPE_IPV6.", linktype=w.IPV6)
def _():
    return session("linktypeipv6", True).frames(lambda l3: l3[1])


@case("linktype-null-big-endian.pcap", "LINKTYPE_NULL written on a big-endian machine.", linktype=w.NULL, big=True)
def _():
    return session("nullbig").frames(lambda l3: w.null(l3, big=True))


@case("linktype-null-ipv6.pcap", "LINKTYPE_NULL with the three numbers that BSD systems use for IPv6.", linktype=w.NULL)
def _():
    out = []
    for i, af in enumerate((24, 28, 30)):
        c = w.Tcp(w.C6, w.S6, sport=49152 + i, t=w.T0 + i * 100 * w.MS).open()
        c.say(w.records(w.hello13("null%d.example.com" % af)))
        out += c.frames(lambda l3, af=af: w.null(l3, af6=af))
    return out


@case(
    "linktype-unknown.pcap", "A link type that nobody reads here (LINKTYPE_USER0): counted, not guessed.", linktype=147
)
def _():
    return session("user0").frames()


@case("tunnel-with-hello-outside.pcap", "TCP 443 between the tunnel ends, and another session inside VXLAN.")
def _():
    a = w.Tcp(OUT_A, OUT_B).open().say(w.records(w.hello13("outside.example.com")))
    b = session("inside").frames(lambda l3: udp_outer(w.vxlan(inner(l3), 42), 4789))
    return sorted(a.frames() + b, key=lambda f: f.ts)


@case("icmp-quotes-hello.pcap", "ICMP destination unreachable that quotes a packet with a hello: not a hello.")
def _():
    c = w.Tcp().say(w.records(w.hello13("quoted.example.com")))
    quoted = c.packets[0][1][1][:548]
    body = struct.pack("!BBHI", 3, 1, 0, 0) + quoted
    body = body[:2] + struct.pack("!H", w.checksum(body)) + body[4:]
    return [w.Frame(w.T0, w.ether(w.ip((w.ICMP, body), w.S4, w.C4)))]
