# SPDX-License-Identifier: BSD-3-Clause
"""Capture files from lists of frames: pcap (us, ns, both byte orders) and pcapng (several interfaces)."""

import struct
from dataclasses import dataclass

# https://www.tcpdump.org/linktypes.html
NULL, ETHERNET, PPP, PPP_HDLC, PPP_ETHER = 0, 1, 9, 50, 51
RAW, IEEE802_11, LOOP, LINUX_SLL, RADIOTAP = 101, 105, 108, 113, 127
IPV4, IPV6, LINUX_SLL2 = 228, 229, 276

# 2026-01-01T00:00:00Z. Captures carry no real time, so that they can be made again byte for byte.
T0 = 1_767_225_600 * 1_000_000_000
MS = 1_000_000


@dataclass
class Frame:
    """One frame: time in ns since the epoch, bytes, length on the wire, interface (pcapng)."""

    ts: int
    data: bytes
    wire_len: int = 0
    iface: int = 0

    def __post_init__(self):
        self.wire_len = self.wire_len or len(self.data)


def snap(frames, n):
    """Cuts frames to n bytes, as a capture with that snap length has them."""
    return [Frame(f.ts, f.data[:n], f.wire_len, f.iface) for f in frames]


def pcap(frames, linktype=ETHERNET, ns=False, big=False, snaplen=262144):
    """Bytes of a pcap file (draft-ietf-opsawg-pcap)."""
    e = ">" if big else "<"
    magic = 0xA1B23C4D if ns else 0xA1B2C3D4
    out = [struct.pack(e + "IHHiIII", magic, 2, 4, 0, 0, snaplen, linktype)]
    for f in frames:
        frac = f.ts % 1_000_000_000
        out.append(
            struct.pack(e + "IIII", f.ts // 1_000_000_000, frac if ns else frac // 1000, len(f.data), f.wire_len)
        )
        out.append(f.data)
    return b"".join(out)


def _pad4(b):
    return b + bytes(-len(b) % 4)


def _block(e, kind, body):
    n = len(body) + 12
    return struct.pack(e + "II", kind, n) + body + struct.pack(e + "I", n)


def _option(e, code, value):
    return struct.pack(e + "HH", code, len(value)) + _pad4(value)


def section(interfaces, big=False):
    """Section header and interface blocks of a pcapng file (draft-ietf-opsawg-pcapng 4.1, 4.2).

    interfaces: dicts with linktype, and optionally name, snaplen, tsresol (digits; 0x80|bits for powers
    of two), tsoffset (seconds).
    """
    e = ">" if big else "<"
    out = [_block(e, 0x0A0D0D0A, struct.pack(e + "IHHq", 0x1A2B3C4D, 1, 0, -1))]
    for i in interfaces:
        body = struct.pack(e + "HHI", i["linktype"], 0, i.get("snaplen", 0))
        opts = b""
        if "name" in i:
            opts += _option(e, 2, i["name"].encode())
        if "tsresol" in i:
            opts += _option(e, 9, bytes([i["tsresol"]]))
        if "tsoffset" in i:
            opts += _option(e, 14, struct.pack(e + "q", i["tsoffset"]))
        out.append(_block(e, 1, body + opts + (_option(e, 0, b"") if opts else b"")))
    return b"".join(out)


def _ticks(ts, i):
    ts -= i.get("tsoffset", 0) * 1_000_000_000
    r = i.get("tsresol", 6)
    if r & 0x80:
        return ts * (1 << (r & 0x7F)) // 1_000_000_000
    return ts * 10**r // 1_000_000_000


def pcapng(frames, interfaces=None, big=False, extra=b""):
    """Bytes of a pcapng file with one section; Frame.iface chooses the interface.

    extra: blocks put between the interfaces and the packets, as block() makes them.
    """
    e = ">" if big else "<"
    interfaces = interfaces or [{"linktype": ETHERNET}]
    out = [section(interfaces, big), extra]
    for f in frames:
        t = _ticks(f.ts, interfaces[f.iface])
        head = struct.pack(e + "IIIII", f.iface, t >> 32, t & 0xFFFFFFFF, len(f.data), f.wire_len)
        out.append(_block(e, 6, head + _pad4(f.data)))
    return b"".join(out)


def block(kind, body, big=False):
    """One pcapng block, padded."""
    return _block(">" if big else "<", kind, _pad4(body))
