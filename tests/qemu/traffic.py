# SPDX-License-Identifier: BSD-3-Clause
"""Many TLS connections out of one: real conversations between other addresses, all at the same time."""

import ipaddress
import os
import random
import struct
import sys
from dataclasses import dataclass

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import wire_file  # noqa: E402
import wire_net as net  # noqa: E402

# RFC 5737 and RFC 3849: for documentation.
CLIENTS = {4: "192.0.2.0/24", 6: "2001:db8:1::/64"}
SERVERS = {4: "198.51.100.0/24", 6: "2001:db8:2::/64"}
PORT = 443


@dataclass
class Segment:
    """Of a TCP connection; what the copies have in common."""

    from_client: bool
    seq: int
    ack: int
    flags: int
    options: bytes
    payload: bytes


def conversation(path):
    """The segments of a pcap file that holds one TCP connection to PORT over Ethernet."""
    with open(path, "rb") as f:
        data = f.read()
    e = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at, segments = 24, []
    while at < len(data):
        (n,) = struct.unpack_from(e + "I", data, at + 8)
        frame = data[at + 16 : at + 16 + n]
        at += 16 + n
        (kind,) = struct.unpack_from("!H", frame, 12)
        if kind == net.IP4:
            tcp = frame[14 + (frame[14] & 15) * 4 : 14 + struct.unpack_from("!H", frame, 16)[0]]
        else:
            assert kind == net.IP6 and frame[20] == net.TCP, f"{path}: not TCP"
            tcp = frame[54 : 54 + struct.unpack_from("!H", frame, 18)[0]]
        src, dst, seq, ack, words, flags = struct.unpack_from("!HHIIBB", tcp)
        assert PORT in (src, dst), f"{path}: not port {PORT}"
        head = (words >> 4) * 4
        segments.append(Segment(dst == PORT, seq, ack, flags, tcp[20:head], tcp[head:]))
    return segments


def _ends(chance, version, number):
    """`number` pairs of (client, its port, server), no two the same."""
    found = set()
    while len(found) < number:
        client, server = (str(ipaddress.ip_network(n[version])[chance.randrange(1, 255)]) for n in (CLIENTS, SERVERS))
        found.add((client, chance.randrange(32768, 61000), server))
    return sorted(found)


def flows(captures, number, port=PORT):
    """(frames, ends): `number` connections of each (capture, IP version) to `port`, a segment of each in turn."""
    chance = random.Random(443)  # the same in every run
    copies, ends = [], []
    for path, version in captures:
        segments = conversation(path)
        ends += _ends(chance, version, number)
        copies += [(end, segments) for end in ends[-number:]]
    frames = []
    for step in range(max(len(segments) for _, segments in copies)):
        for (client, client_port, server), segments in copies:
            if step < len(segments):
                frames.append(_frame(segments[step], client, client_port, server, port))
    return [wire_file.Frame(wire_file.T0 + i * wire_file.MS, f) for i, f in enumerate(frames)], ends


def _frame(s, client, client_port, server, port):
    ports = (client_port, port) if s.from_client else (port, client_port)
    src, dst = (client, server) if s.from_client else (server, client)
    l4 = net.tcp(s.payload, src, dst, *ports, s.seq, s.ack, s.flags, s.options)
    macs = (net.MAC_A, net.MAC_B) if s.from_client else (net.MAC_B, net.MAC_A)
    return net.ether(net.ip(l4, src, dst), *macs)


def from_client(frame):
    return frame.data[6:12] == net.mac(net.MAC_A)


def pcap(frames):
    return wire_file.pcap(frames)
