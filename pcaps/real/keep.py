#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Keeps the part of a capture up to and shortly after its last hello, and writes it in the wanted form.

    keep.py IN.pcap OUT [--after N] [--ns] [--sni NAME]

OUT ends in .pcap, .pcapng, .pcap.zst, .pcapng.gz ... Nothing of the machine is written, which editcap and
dumpcap would do in pcapng.
"""

import argparse
import gzip
import os
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "tools"))
sys.dont_write_bytecode = True
import wire  # noqa: E402

HELLO = "tls.handshake.type == 1 || dtls.handshake.type == 1"


def read_ns(path):
    with open(path, "rb") as f:
        d = f.read()
    magic, *_, link = struct.unpack("<IHHiIII", d[:24])
    if magic != 0xA1B23C4D:
        sys.exit("keep: %s is no little-endian nanosecond pcap" % path)
    frames, at = [], 24
    while at + 16 <= len(d):
        s, ns, n, wire_len = struct.unpack("<IIII", d[at : at + 16])
        if at + 16 + n > len(d):
            break
        frames.append(wire.Frame(s * 1_000_000_000 + ns, d[at + 16 : at + 16 + n], wire_len))
        at += 16 + n
    return frames, link & 0xFFFF


def tshark(path, also, condition, field):
    return subprocess.run(
        ["tshark", "-n", "-r", path, *also, "-Y", condition, "-T", "fields", "-e", field],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    ).stdout.split()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("input")
    p.add_argument("output")
    p.add_argument("--after", type=int, default=2)
    p.add_argument("--max", type=int, default=30_000, help="bytes of the frames kept")
    p.add_argument("--sni", help="keep only the connections that ask for this name")
    p.add_argument("--ns", action="store_true")
    p.add_argument("--tshark", nargs="*", default=[], help="options for tshark, as name:value")
    a = p.parse_args()
    frames, link = read_ns(a.input)
    also = [x for o in a.tshark for x in (("-d", o) if "==" in o else ("-o", o))]
    condition, wanted = HELLO, range(1, len(frames) + 1)
    if a.sni:
        condition = 'tls.handshake.extensions_server_name == "%s"' % a.sni
        stream = "udp.stream" if "udp" in tshark(a.input, also, condition, "frame.protocols")[0] else "tcp.stream"
        streams = set(tshark(a.input, also, condition, stream))
        wanted = {int(n) for n in tshark(a.input, also, "%s in {%s}" % (stream, ",".join(streams)), "frame.number")}
    hellos = tshark(a.input, also, condition, "frame.number")
    if not hellos:
        sys.exit("keep: no hello in %s" % a.input)
    last = int(hellos[-1])
    frames = [f for i, f in enumerate(frames, 1) if i in wanted and i <= last] + [
        f for i, f in enumerate(frames, 1) if i in wanted and i > last
    ][: a.after]
    if sum(len(f.data) for f in frames) > a.max:
        sys.exit("keep: %s has %d bytes up to its last hello" % (a.input, sum(len(f.data) for f in frames)))
    name = a.output
    form = name.removesuffix(".gz").removesuffix(".zst")
    if form.endswith(".pcapng"):
        data = wire.pcapng(frames, [{"linktype": link, "tsresol": 9 if a.ns else 6}])
    else:
        data = wire.pcap(frames, link, a.ns)
    if name.endswith(".gz"):
        data = gzip.compress(data, mtime=0)
    if name.endswith(".zst"):
        data = subprocess.run(["zstd", "-19", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    with open(name, "wb") as f:
        f.write(data)
    print("%s: %d frames, %d bytes" % (os.path.basename(name), len(frames), len(data)))


main()
