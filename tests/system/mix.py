# SPDX-License-Identifier: BSD-3-Clause
"""Captures of pcaps/ as one, in which none meets another: each gets addresses of its own.

The bytes of an address are replaced wherever they stand, so checksums are wrong afterwards, which a sensor does not
look at.
"""

import ipaddress
import os
import random
import re
import socket
import struct
import subprocess
import sys
from collections import defaultdict

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("tools", "qemu"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))

import traffic  # noqa: E402
import wire as w  # noqa: E402
from sensor import backlog, pcap, replay, until, write  # noqa: E402

# Ethernet, and the same whether it takes a second or none. Not those that compare one connection with another
# (upgrade-stripped-*): workers have no common memory of servers.
CAPTURES = """
    chromium-quic.pcapng chromium-tls13.pcapng firefox-quic.pcap firefox-tls13.pcap go-tls13-mlkem.pcap
    tls13-hello.pcap hello-in-two-segments.pcap segments-reversed.pcap hello-20k.pcap ssl2-hello.pcap gap.pcap
    hello-never-complete.pcap fin-before-complete.pcap duplicate-extensions.pcap no-syn.pcap
    openssl-hello-retry.pcap second-hello-after-hrr.pcap openssl-psk-early-data.pcap
    openssl-dtls12-fragments.pcap dtls-fragments-any-order.pcap dtls-cookie.pcap dtls13-hrr-cookie.pcap dtls-webrtc.pcap
    quic-v1.pcap quic-v2.pcap quic-two-initials-reversed.pcap quic-retry.pcap gquic-q050.pcap
    quic-in-fragments.pcap dtls-in-fragments.pcap ipv4-fragments-reversed.pcap ipv6-fragments.pcap
    fragments-in-vxlan.pcap vxlan-in-fragments.pcap ipv4-fragment-missing.pcap
    openssl-starttls-smtp.pcap openssl-starttls-imap.pcap openssl-starttls-ldap.pcap via-postgresql.pcap via-mysql.pcap
    upgrade-refused-smtp.pcap upgrade-not-offered-imap.pcap upgrade-injection-smtp.pcap upgrade-unanswered-ftp.pcap
    curl-socks5.pcap curl-http-connect.pcap via-proxy-v2.pcap via-tds.pcap via-rdp.pcap http-on-443.pcap ssh-on-443.pcap
    encap-vlan.pcap encap-vlan-three.pcap encap-vlan-ipv6.pcap encap-vxlan.pcap encap-geneve.pcap
    encap-gre.pcap encap-nvgre.pcap encap-erspan-2.pcap encap-mpls.pcap encap-mpls-three.pcap encap-pppoe.pcap
    encap-gtpu.pcap encap-6in4.pcap encap-llc-snap.pcap
    via-eapol-eap-tls.pcap via-radius-eap-tls.pcap
    via-openvpn-udp-any-order.pcap via-openvpn-tcp.pcap via-openvpn-tls-auth.pcap
    ipv6.pcap ipv6-extension-headers.pcap openssl-tls13-ipv6.pcap
""".split()  # fmt: skip
# One client by two ports: which of them came first, two queues do not say.
TWO_PORTS = ["via-radius-interleaved.pcap"]
# The outermost tag is 802.1ad's, which not every way into a worker keeps.
SERVICE_TAGGED = ["encap-qinq.pcap"]


def read(path):
    """The frames of a capture file over Ethernet."""
    data = subprocess.run(["tcpdump", "-r", path, "-w", "-"], capture_output=True, check=True).stdout  # pcapng, too
    (linktype,) = struct.unpack_from("<I", data, 20)
    assert linktype == w.ETHERNET, path
    at, frames = 24, []
    while at < len(data):
        seconds, us, n, wire_len = struct.unpack_from("<IIII", data, at)
        frames.append(w.Frame(seconds * 1_000_000_000 + us * 1000, data[at + 16 : at + 16 + n], wire_len))
        at += 16 + n
    return frames


def _others(capture, number):
    """{bytes of an address: bytes of one that no other capture has}"""
    records = replay(capture)
    found = {r[k] for r in records for k in ("src_ip", "dst_ip", "src_mac", "dst_mac") if k in r}
    new = {}
    for i, a in enumerate(sorted(found | {w.C4, w.S4, w.C6, w.S6})):
        if a.count(":") == 5:
            new[w.mac(a)] = struct.pack("!HHBB", 0x0200, number, 0x5E, i)
        elif ":" in a:
            new[w.addr(a)] = ipaddress.ip_address(f"fd00::{number:x}:{i:x}").packed
        else:
            new[w.addr(a)] = struct.pack("!BBBB", 10, number >> 8, number & 255, i + 1)
    return new


def _renumbered(capture, number):
    new = _others(capture, number)
    olds = re.compile(b"|".join(map(re.escape, new)), re.DOTALL)
    frames = read(pcap(capture))
    for f in frames:
        f.data = olds.sub(lambda m: new[m[0]], f.data)
    return frames


def mixed(captures):
    """The frames of all, each capture begun a millisecond after the one before and all of them under way together."""
    mix = []
    for number, capture in enumerate(captures, 1):
        frames = _renumbered(capture, number)
        begun = w.T0 + number * w.MS
        mix += [w.Frame(begun + f.ts - frames[0].ts, f.data, f.wire_len) for f in frames]
    return sorted(mix, key=lambda f: f.ts)  # stable


def jumbo(number=5000):
    """A connection whose hello stands in a frame of that many bytes."""
    stream = w.records(w.hello13("jumbo.example.com", last=[(21, bytes(number - 600))]))
    c = w.Tcp("10.255.0.1", "10.255.0.2").open().say(stream)
    return c.ack().close().frames()


def many(each):
    """`each` connections of two real ones, IPv4 and IPv6, both directions, all at the same time."""
    return traffic.flows([(pcap("curl-https.pcap"), 4), (pcap("openssl-tls13-ipv6.pcap"), 6)], each)[0]


def pair(frame):
    """What both directions of a flow have in common, by the outermost addresses: of IP or else of Ethernet."""
    at = 12
    while frame[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    if frame[at : at + 2] == b"\x08\x00":
        ends = frame[at + 14 : at + 18], frame[at + 18 : at + 22]
    elif frame[at : at + 2] == b"\x86\xdd":
        ends = frame[at + 10 : at + 26], frame[at + 26 : at + 42]
    else:
        ends = frame[:6], frame[6:12]
    return tuple(sorted(ends))


def ip4_fragment(frame):
    """(bytes behind the header, word of flags and offset, which packet it is part of: None if it is whole)"""
    if frame[12:14] != b"\x08\x00":
        return 0, 0, None
    total, ident, offset = struct.unpack_from("!HHH", frame, 16)
    if offset & 0x3FFF == 0:
        return 0, 0, None
    return total - (frame[14] & 15) * 4, offset, (frame[26:34], frame[23], ident)


def ports(frame):
    """The ports of a whole TCP or UDP packet with only Ethernet and an IP header without options before it, or ()."""
    if frame[12:14] == b"\x08\x00" and frame[14] == 0x45 and frame[23] in (w.TCP, w.UDP) and not ip4_fragment(frame)[2]:
        return struct.unpack_from("!HH", frame, 34)
    if frame[12:14] == b"\x86\xdd" and frame[20] in (w.TCP, w.UDP):
        return struct.unpack_from("!HH", frame, 54)
    return ()


def reassembled(frames):
    """How many frames there are when IPv4 packets have been put together, as the kernel does it for a packet socket."""
    number, packets = 0, defaultdict(list)
    for f in frames:
        length, offset, packet = ip4_fragment(f.data)
        if packet is None:
            number += 1
        else:
            packets[packet].append((offset & 0x1FFF, bool(offset & 0x2000), length))
    for parts in packets.values():
        end = [offset * 8 + n for offset, more, n in parts if not more]
        number += bool(end) and sum(n for _, _, n in parts) == end[0]
    return number


def by_flow(frames, queues, chance=None):
    """Lists of frames, one a queue: all of two hosts in one that is drawn by lot."""
    chance = chance or random.Random(4)  # the same in every run
    queue_of = defaultdict(lambda: chance.randrange(queues))
    split = [[] for _ in range(queues)]
    for f in frames:
        split[queue_of[pair(f.data)]].append(f)
    return split


CHUNK = 800  # frames at a time, of the 1000 that a CPU keeps for its softirq (net.core.netdev_max_backlog)


def feed(test, p, interface, frames, chunk=CHUNK, has_room=False):
    """Sends frames, a chunk at a time, so that none is lost however long others have the CPU. `has_room`: where the program
    reads, there is room for all of them; else it has read a chunk when the next one is sent.

    What the sensors were given is up to date at once; libpcap's own counters are looked at once a second.
    """
    seen = p.metric("frames_total")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((interface, 0))
        for n in range(0, len(frames), chunk):
            part = frames[n : n + chunk]
            for f in part:
                s.send(f.data)
            seen += len(part)
            if has_room and n + chunk < len(frames):
                taken = until(lambda: backlog() < 1000 - CHUNK)
            else:
                taken = until(lambda: p.metric("frames_total") >= seen)  # noqa: B023
            if not taken:
                test.fail(f"{p.metric('frames_total')} of {seen} frames\n{p.said()}")


def in_turn(frames, queues):
    return [frames[i::queues] for i in range(queues)]


class Capture:
    """Frames, the file they are in, and the records of its replay."""

    def __init__(self, name, frames):
        self.name, self.frames = name, frames
        self.path = write(name + ".pcap", frames)
        self.records = replay(self.path)

    def split(self, how, queues):
        """A net_pcap device with a file a queue."""
        paths = [write(f"{self.name}.{i}", part) for i, part in enumerate(how(self.frames, queues))]
        return "net_pcap0," + ",".join("rx_pcap=" + p for p in paths)


def join(*captures):
    """Captures as one, one behind the other."""
    return Capture("+".join(c.name for c in captures), [f for c in captures for f in c.frames])
