# SPDX-License-Identifier: BSD-3-Clause
"""What is not TLS, what is no IP, and capture file formats."""

import struct

from . import theme, w

case = theme("Not TLS")


@case("http-on-443.pcap", "Clear HTTP on port 443.")
def _():
    c = w.Tcp().open().say(b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
    return c.answer(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").close()


@case("ssh-on-443.pcap", "SSH on port 443.")
def _():
    c = w.Tcp().open().say(b"SSH-2.0-OpenSSH_9.2p1\r\n").answer(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    return c.say(struct.pack("!IBB", 300, 4, 20) + w.noise("kex", 298))


@case("random-on-443.pcap", "Random bytes on TCP 443, both ways.")
def _():
    c = w.Tcp().open()
    for i in range(4):
        c.say(w.noise("r%d" % i, 300)).answer(w.noise("a%d" % i, 300))
    return c


@case("random-on-udp-443.pcap", "Random datagrams of 1200 bytes on UDP 443.")
def _():
    c = w.Udp()
    for i in range(6):
        c.c(w.noise("u%d" % i, 1200))
    return c


@case("looks-like-tls.pcap", "Bytes that begin as a handshake record with type 1 and go on with something else.")
def _():
    a = w.Tcp(dport=9999).open().say(b"\x16\x03\x01\x00\x40\x01\x00\x10\x00" + w.noise("likely", 600)).close()
    b = w.Tcp(dport=9999, sport=49153, t=a.t).open().say(b"\x16\x03\x01\x00\x04\x02\x00\x00\x00").close()
    return a.frames() + b.frames()


@case("server-hello-from-client.pcap", "The side that opened the connection sends a ServerHello.")
def _():
    return w.Tcp().open().say(w.record(w.server_hello13(), version=0x0303))


@case(
    "hello-from-server-side.pcap",
    "The TLS client is the side that accepted the connection, as in active FTP (RFC 4217 7).",
)
def _():
    c = w.Tcp(sport=20, dport=50020).open()
    return c.answer(w.records(w.hello12("ftpdata.example.com")))


@case("udp-mix.pcap", "DNS, STUN, NTP, WireGuard, RTP and syslog datagrams.")
def _():
    out = []
    for i, (p, d) in enumerate(
        (
            (53, bytes.fromhex("123401000001000000000000") + b"\x03www\x07example\x03com\0\0\1\0\1"),
            (3478, bytes.fromhex("000100002112a442") + w.noise("t", 12)),
            (123, b"\x23" + bytes(47)),
            (51820, b"\1\0\0\0" + w.noise("wg", 144)),
            (5004, b"\x80\x60" + w.noise("rtp", 170)),
            (514, b"<13>Jan  1 00:00:00 host.example.com app: text"),
        )
    ):
        out += w.Udp(dport=p, sport=49152 + i, t=w.T0 + i * w.MS).c(d).frames()
    return out


@case("no-ip.pcap", "ARP, STP, LLDP, LACP, PAUSE and an ICMPv6 neighbour solicitation.")
def _():
    lacp = b"\x01\x01\x01\x14" + bytes(18) + b"\x02\x14" + bytes(18) + b"\x03\x10" + bytes(14) + bytes(52)
    frames = [
        w.ether(
            (w.ARP, struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + w.mac(w.MAC_A) + w.addr(w.C4) + bytes(6) + w.addr(w.S4))
        ),
        w.mac("01:80:c2:00:00:00") + w.mac(w.MAC_A) + struct.pack("!H", 38) + b"\x42\x42\x03" + bytes(43),
        w.ether((0x88CC, b"\x02\x07\x04" + w.mac(w.MAC_A) + b"\x04\x02\x07\x31\x06\x02\x00\x78\0\0")),
        w.ether((0x8809, lacp)),
        w.ether((0x8808, b"\x00\x01\xff\xff")),
        w.ether(w.ip((w.ICMP6, b"\x87\0\0\0" + bytes(4) + w.addr(w.S6)), w.C6, "ff02::1:ff00:20")),
    ]
    return [w.Frame(w.T0 + i * w.MS, f) for i, f in enumerate(frames)]


@case("bad-headers.pcap", "Frames whose headers contradict themselves: lengths too short, too long, cut.")
def _():
    good = w.Tcp().say(w.records(w.hello13("bad.example.com"))).frames()[0].data
    frames = [
        good[:20],
        good[:13],
        good[:14],
        good[:14] + b"\x43" + good[15:],
        good[:14] + b"\x4f" + good[15:],
        good[:16] + b"\0\x13" + good[18:],
        good[:16] + b"\xff\xff" + good[18:],
        good[:46] + b"\x10" + good[47:],
        good[:46] + b"\xf0" + good[47:60],
        good[:40],
        good[:12] + b"\x86\xdd" + good[14:],
        good[:12] + b"\x81\0",
        good[:12] + b"\x88\x47" + bytes(8),
        good[:12] + b"\x88\x64\x11\0\0\1\xff\xff\0\x21" + good[14:],
        b"\0",
    ]
    return [w.Frame(w.T0 + i * w.MS, f, max(len(f), 1)) for i, f in enumerate(frames)]


formats = theme("Capture file formats")
TWO = [w.Tcp().open().say(w.records(w.hello13("format.example.com")), [200]).frames()]


def session():
    return [w.Frame(f.ts + 123456789, f.data) for f in TWO[0]]


@formats("format-pcap-ns.pcap", "Nanosecond pcap.", ns=True)
def _():
    return session()


@formats("format-pcap-big-endian.pcap", "Big-endian pcap, microseconds.", big=True)
def _():
    return session()


@formats("format-pcap-ns-big-endian.pcap", "Big-endian pcap, nanoseconds.", ns=True, big=True)
def _():
    return session()


@formats("format-pcapng.pcapng", "pcapng, one interface, microseconds.")
def _():
    return w.pcapng(session())


@formats("format-pcapng-big-endian-ns.pcapng", "Big-endian pcapng, nanoseconds.")
def _():
    return w.pcapng(session(), [{"linktype": w.ETHERNET, "tsresol": 9}], big=True)


@formats(
    "format-pcapng-interfaces.pcapng",
    "Five interfaces, a session each: Ethernet (us), SLL2 (ns), raw (2^-20 s), loopback (ms), radiotap with an offset.",
)
def _():
    ifs = [
        ({"linktype": w.ETHERNET, "name": "eth0"}, w.ether),
        ({"linktype": w.LINUX_SLL2, "name": "any", "tsresol": 9}, w.sll2),
        ({"linktype": w.RAW, "name": "tun0", "tsresol": 0x80 | 20}, lambda l3: l3[1]),
        ({"linktype": w.NULL, "name": "lo0", "tsresol": 3}, w.null),
        ({"linktype": w.RADIOTAP, "name": "wlan0", "tsoffset": 3600}, lambda l3: w.radiotap(w.ieee80211(l3))),
    ]
    frames = []
    for i, (_, wrap) in enumerate(ifs):
        c = w.Tcp(sport=49152 + i, t=w.T0 + i * w.MS, step=10 * w.MS).open()
        for f in c.say(w.records(w.hello13("if%d.example.com" % i)), [200]).frames(wrap):
            frames.append(w.Frame(f.ts, f.data, iface=i))
    return w.pcapng(sorted(frames, key=lambda f: f.ts), [i for i, _ in ifs])


@formats(
    "format-pcapng-sections.pcapng",
    "Two sections, little then big endian, the second with nanoseconds and other interfaces.",
)
def _():
    a = w.pcapng(session())
    c = w.Tcp(sport=49153, t=w.T0 + 1000 * w.MS).open().say(w.records(w.hello13("section.example.com")))
    return a + w.pcapng(c.frames(lambda l3: l3[1]), [{"linktype": w.RAW, "tsresol": 9}], big=True)


@formats(
    "format-pcapng-other-blocks.pcapng",
    "Name resolution, statistics, custom and unknown blocks, a simple packet block and an obsolete packet block.",
)
def _():
    f = session()
    nrb = struct.pack("<HH", 1, 16) + w.addr(w.S4) + b"example.com\0" + struct.pack("<HH", 0, 0)
    custom = struct.pack("<I", 32473) + b"anything at all"
    extra = w.block(4, nrb) + w.block(0xBAD, custom) + w.block(0x00000B16, bytes(20))
    simple = w.block(3, struct.pack("<I", len(f[0].data)) + f[0].data)
    t = f[1].ts // 1000
    old = w.block(2, struct.pack("<HHIIII", 0, 0, t >> 32, t & 0xFFFFFFFF, len(f[1].data), len(f[1].data)) + f[1].data)
    stats = w.block(5, struct.pack("<III", 0, t >> 32, t & 0xFFFFFFFF))
    return w.pcapng(f[2:], extra=extra + simple + old + stats)


@formats(
    "format-cut-short.pcap", "The file ends inside the header of its last packet: what is whole is read, then an error."
)
def _():
    return w.pcap(session()) + struct.pack("<II", 1_767_225_601, 0)


@formats("format-cut-short-ng.pcapng", "The file ends inside a block.")
def _():
    return w.pcapng(session())[:-30]


@formats("format-bad-length.pcap", "A packet header that says 4 GB.")
def _():
    return w.pcap(session()) + struct.pack("<IIII", 1_767_225_601, 0, 0xFFFFFFFF, 0xFFFFFFFF) + bytes(64)


@formats("format-bad-block-length.pcapng", "A block whose two lengths differ, and is not a multiple of 4.")
def _():
    return w.pcapng(session()) + struct.pack("<II", 6, 45) + bytes(40)


@formats("format-empty.pcap", "A capture without packets.")
def _():
    return w.pcap([])


@formats("format-time-backwards.pcap", "Time stamps go back by two seconds inside the hello.")
def _():
    f = session()
    return f[:-1] + [w.Frame(f[-1].ts - 2000 * w.MS, f[-1].data)]
