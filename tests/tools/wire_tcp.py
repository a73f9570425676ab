# SPDX-License-Identifier: BSD-3-Clause
"""TCP and UDP conversations with the segments, order and gaps that a case wants."""

import struct

import wire_net as net
from wire_file import MS, T0, Frame

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

C4, S4 = "192.0.2.10", "198.51.100.20"
C6, S6 = "2001:db8:1::10", "2001:db8:2::20"


class Conversation:
    """Collects packets as (time, l3, sent by the server?). Time moves by `step` a packet."""

    def __init__(self, src=C4, dst=S4, sport=49152, dport=443, t=T0, step=MS):
        self.src, self.dst, self.sport, self.dport = src, dst, sport, dport
        self.t, self.step = t, step
        self.packets = []

    def put(self, l3, back=False):
        self.packets.append((self.t, l3, back))
        self.t += self.step
        return self

    def wait(self, ns):
        self.t += ns
        return self

    def frames(self, wrap=None):
        """Frames: Ethernet, or what wrap makes of an l3."""
        if wrap:
            return [Frame(t, wrap(l3)) for t, l3, _ in self.packets]
        return [
            Frame(t, net.ether(l3, *((net.MAC_B, net.MAC_A) if back else (net.MAC_A, net.MAC_B))))
            for t, l3, back in self.packets
        ]


class Tcp(Conversation):
    """Offsets are counted from the first byte of each side's stream (the one after the SYN)."""

    def __init__(self, *a, isn=1_000_000, peer_isn=5_000_000, ip_options=None, **kw):
        super().__init__(*a, **kw)
        self.isn, self.peer_isn = isn, peer_isn
        self.sent, self.got = 0, 0  # bytes of the client and of the server so far
        self.ip = ip_options or {}

    def c(self, offset, data=b"", flags=PSH | ACK, options=b""):
        """A client segment at a stream offset."""
        l4 = net.tcp(
            data,
            self.src,
            self.dst,
            self.sport,
            self.dport,
            self.isn + 1 + offset,
            self.peer_isn + 1 + self.got if flags & ACK else 0,
            flags,
            options,
        )
        self.sent = max(self.sent, offset + len(data))
        return self.put(net.ip(l4, self.src, self.dst, **self.ip))

    def s(self, offset, data=b"", flags=PSH | ACK, options=b""):
        """A server segment at a stream offset."""
        l4 = net.tcp(
            data,
            self.dst,
            self.src,
            self.dport,
            self.sport,
            self.peer_isn + 1 + offset,
            self.isn + 1 + self.sent if flags & ACK else 0,
            flags,
            options,
        )
        self.got = max(self.got, offset + len(data))
        return self.put(net.ip(l4, self.dst, self.src, **self.ip), True)

    def syn(self, data=b"", options=b"\x02\x04\x05\xb4"):
        self.c(-1, data, SYN, options)
        self.sent = len(data)
        return self

    def open(self):
        """Three-way handshake."""
        self.syn()
        self.s(-1, b"", SYN | ACK, b"\x02\x04\x05\xb4")
        self.got = 0
        return self.c(0, b"", ACK)

    def say(self, data, cuts=()):
        """Client bytes in order, cut at the offsets, after what was said before."""
        base = self.sent
        for off, part in net.pieces(data, cuts):
            self.c(base + off, part)
        return self

    def answer(self, data):
        """Server bytes, acknowledging all of the client's."""
        return self.s(self.got, data)

    def ack(self):
        return self.s(self.got, b"", ACK)

    def close(self):
        self.c(self.sent, b"", FIN | ACK)
        self.sent += 1
        self.s(self.got, b"", FIN | ACK)
        self.got += 1
        return self.c(self.sent, b"", ACK)


class Udp(Conversation):
    def c(self, data, sport=None, **kw):
        l4 = net.udp(data, self.src, self.dst, sport or self.sport, self.dport, **kw)
        return self.put(net.ip(l4, self.src, self.dst))

    def s(self, data, dport=None, **kw):
        l4 = net.udp(data, self.dst, self.src, self.dport, dport or self.sport, **kw)
        return self.put(net.ip(l4, self.dst, self.src), True)


def fast_open(cookie):
    """TCP Fast Open option (RFC 7413 4.1.1) behind an MSS."""
    return b"\x02\x04\x05\xb4" + struct.pack("!BB", 34, 2 + len(cookie)) + cookie
