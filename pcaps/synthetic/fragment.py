# SPDX-License-Identifier: BSD-3-Clause
"""IP fragments."""

from . import theme, w

case = theme("IP fragments")
q = w.quic

STREAM = w.records(w.hello13("fragment.example.com"))
L4 = w.tcp(STREAM, w.C4, w.S4, 49152, 443, 1001, 1, w.PSH | w.ACK)
L46 = w.tcp(STREAM, w.C6, w.S6, 49152, 443, 1001, 1, w.PSH | w.ACK)


def frames(l3s, wrap=w.ether):
    return [w.Frame(w.T0 + i * w.MS, wrap(p)) for i, p in enumerate(l3s)]


@case("ipv4-fragments.pcap", "The segment with the hello in three fragments, in order.")
def _():
    return frames(w.ipv4_fragments(L4, w.C4, w.S4, [120, 240]))


@case("ipv4-fragments-reversed.pcap", "The last fragment first.")
def _():
    return frames(reversed(w.ipv4_fragments(L4, w.C4, w.S4, [120, 240])))


@case("ipv4-fragments-8-bytes.pcap", "Fragments of eight bytes: the TCP header is over three of them.")
def _():
    return frames(w.ipv4_fragments(L4, w.C4, w.S4, range(8, len(L4[1]), 8)))


@case("ipv4-fragments-duplicate.pcap", "Each fragment twice.")
def _():
    return frames([p for p in w.ipv4_fragments(L4, w.C4, w.S4, [120, 240]) for _ in (0, 1)])


@case("ipv4-fragments-overlap.pcap", "A fragment overlaps with other bytes (RFC 5722): the packet is refused.")
def _():
    a, b, c = w.ipv4_fragments(L4, w.C4, w.S4, [120, 240])
    evil = w.ipv4((6, w.noise("evil", 64)), w.C4, w.S4, ident=0x1234, frag=0x2000 | 104 // 8)
    return frames([a, evil, b, c])


@case("ipv4-fragment-missing.pcap", "The middle fragment never comes.")
def _():
    a, _, c = w.ipv4_fragments(L4, w.C4, w.S4, [120, 240])
    return frames([a, c])


@case("ipv4-fragments-interleaved.pcap", "Fragments of two packets with other identifications take turns.")
def _():
    other = w.tcp(w.records(w.hello13("other.example.com")), w.C4, w.S4, 49153, 443, 1, 1, w.PSH | w.ACK)
    a = w.ipv4_fragments(L4, w.C4, w.S4, [120, 240], ident=1)
    b = w.ipv4_fragments(other, w.C4, w.S4, [120, 240], ident=2)
    return frames([p for pair in zip(a, b) for p in pair])


@case(
    "ipv4-fragment-beyond-64k.pcap", "A last fragment that ends beyond 65535 bytes (ping of death), then a good hello."
)
def _():
    evil = w.ipv4((6, bytes(1400)), w.C4, w.S4, ident=9, frag=0x1FFF)
    return frames([w.ipv4((6, L4[1][:120]), w.C4, w.S4, ident=9, frag=0x2000), evil, w.ip(L4, w.C4, w.S4)])


@case("ipv6-fragments.pcap", "IPv6 fragment headers, last fragment first.")
def _():
    return frames(reversed(w.ipv6_fragments(L46, w.C6, w.S6, [120, 240])))


@case(
    "ipv6-fragments-next-header-lies.pcap",
    "The other fragments' Next Header is not the first one's, which alone counts (RFC 8200 4.5).",
)
def _():
    a, _, _ = w.ipv6_fragments(L46, w.C6, w.S6, [120, 240])
    _, b, _ = w.ipv6_fragments((17, L46[1]), w.C6, w.S6, [120, 240])
    _, _, c = w.ipv6_fragments((59, L46[1]), w.C6, w.S6, [120, 240])
    return frames([a, b, c])


@case("ipv6-atomic-fragment.pcap", "A fragment header on a packet that is whole (RFC 6946).")
def _():
    return frames(w.ipv6_fragments(L46, w.C6, w.S6, []))


@case("quic-in-fragments.pcap", "A QUIC Initial in two IPv4 fragments.")
def _():
    d = w.noise("dcid", 8)
    h = w.client_hello(
        ciphers=w.CIPHERS_13,
        exts=[
            w.sni("quicfrag.example.com"),
            w.alpn("h3"),
            w.groups(),
            w.sig_algs(),
            w.key_share(0x1D),
            w.versions(w.TLS13),
        ],
    )
    l4 = w.udp(q.initial([q.crypto(h, 0)], d), w.C4, w.S4, 49152, 443)
    return frames(w.ipv4_fragments(l4, w.C4, w.S4, [800]))


@case("dtls-in-fragments.pcap", "A DTLS hello in IPv6 fragments.")
def _():
    l4 = w.udp(w.dtls_record(w.dtls_fragment(w.hello_dtls12("dtlsfrag.example.com"))), w.C6, w.S6, 49152, 4433)
    return frames(w.ipv6_fragments(l4, w.C6, w.S6, [64, 128]))


@case("fragments-in-vxlan.pcap", "The inner packet is fragmented, inside VXLAN.")
def _():
    def wrap(l3):
        d = w.vxlan(w.ether(l3, w.MAC_C, w.MAC_D, pad=False), 42)
        return w.ether(
            w.ip(w.udp(d, "192.0.2.201", "198.51.100.201", 51000, 4789, False), "192.0.2.201", "198.51.100.201")
        )

    return frames(w.ipv4_fragments(L4, w.C4, w.S4, [120, 240]), wrap)


@case("vxlan-in-fragments.pcap", "The outer packet is fragmented, with VXLAN inside.")
def _():
    d = w.vxlan(w.ether(w.ip(L4, w.C4, w.S4), w.MAC_C, w.MAC_D, pad=False), 42)
    l4 = w.udp(d, "192.0.2.201", "198.51.100.201", 51000, 4789, False)
    return frames(w.ipv4_fragments(l4, "192.0.2.201", "198.51.100.201", [200]))
