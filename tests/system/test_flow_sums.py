#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Packets and bytes of flow records are those of tshark's conversations, and those of aggregates the flow records'.

    test_flow_sums.py PROGRAM TABLE [--quick] [CAPTURE...]

Of each capture (without names: all in pcaps/ and, where they are there, in ../shared/corpus) the records
of `--records flow --flows all` are summed up by addresses, ports and direction, and compared with Wireshark's
conversations (../pcap/shark.py), packet by packet and byte by byte. A conversation of tshark's is one of any TCP or UDP
header in a frame, ours are of the innermost one: the datagrams of a tunnel are in tshark's table, too, so on a tunnel's
port it may have more. Other differences stand in TABLE (NAME<tab>REASON), and all that stands there must be one.

The aggregates of the same run have the ends of a connection for their key and room for 16 of them; the smallest are in
`other`. Over all windows they have the flows, hellos, packets and bytes of all flow records.

Exit status: 0 nothing unexplained, 1 differences, 77 no sharkd here.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "pcap"))
import shark  # noqa: E402

# HT_UDP_TUNNELS of lib/packet/packet_int.h.
TUNNELS = {1701, 2152, 3544, 4789, 4790, 5072, 5247, 6081, 6635, 8472, 37008}
# A handful of the shipped captures, each of another kind.
QUICK = [
    "alpn-odd", "bad-checksums", "chromium-quic", "dtls-fragments", "encap-gre", "encap-qinq", "encap-vxlan", "firefox-tls13",
    "hello-20k", "ipv4-fragments", "ipv6-fragments", "ports", "sni-odd", "via-smtp",
]  # fmt: skip
MERGED = [n for n in QUICK if not n.startswith("encap")]

COUNTS = [f"{way}_{what}" for way in ("c2s", "s2c") for what in ("packets", "bytes", "ip_bytes")]
COUNTS += ["hellos", "incomplete_hellos"]
CONFIG = {
    "flows": "all",
    "records": ["flow", "aggregate"],
    "aggregate": {"max_keys": 16, "window_s": 86400, "key": ["src_ip", "src_port", "dst_ip", "dst_port", "transport"]},
}


def sums_of(records):
    sums = collections.Counter({name: 0 for name in COUNTS})
    for r in records:
        sums.update({name: r.get(name, 0) for name in COUNTS})
        sums["flows"] += r["flows"] if r["record"] == "aggregate" else r.get("flow_part", 1) == 1
    return dict(sums)


def ours(program, capture, config):
    """(proto, from, to) -> [packets, bytes], what is wrong with that, and how many aggregates are `other`."""
    out = subprocess.run(
        [program, "-c", config, "-r", capture, "-o", "json", "--stats", "json", "-q"], capture_output=True, text=True
    )
    sums = collections.defaultdict(lambda: [0, 0])
    wrong = ["the ledger does not balance"]
    for line in out.stderr.splitlines():
        if line.startswith('{"record":"stats"') and json.loads(line)["balanced"]:
            wrong = []
    records = [json.loads(line) for line in out.stdout.splitlines()]
    flows = [r for r in records if r["record"] == "flow"]
    aggregates = [r for r in records if r["record"] == "aggregate"]
    if sums_of(flows) != sums_of(aggregates):
        wrong.append("flows: %s, aggregates: %s" % (sums_of(flows), sums_of(aggregates)))
    for r in flows:
        ends = (r["src_ip"], r["src_port"]), (r["dst_ip"], r["dst_port"])
        for (a, b), way in ((ends, "c2s"), (ends[::-1], "s2c")):
            if r[way + "_packets"] > 0:
                total = sums[(r["transport"], a, b)]
                total[0] += r[way + "_packets"]
                total[1] += r[way + "_bytes"]
    return dict(sums), wrong, sum("other" in r for r in aggregates)


def theirs(sharks, capture):
    """(proto, from, to) -> [frames, bytes]"""
    sums = collections.defaultdict(lambda: [0, 0])
    with sharks.read(capture) as c:
        for proto, a, b, there, back in c.conversations():
            for key, (frames, size) in (((proto, a, b), there), ((proto, b, a), back)):
                if frames > 0:
                    # Connections with the same ports are conversations of their own to Wireshark.
                    sums[key][0] += frames
                    sums[key][1] += size
    return sums


def compare(sharks, program, capture, config):
    name = shark.name_of(capture)
    mine, differences, others = ours(program, capture, config)
    tshark = theirs(sharks, capture)
    for key in sorted(mine.keys() | tshark.keys()):
        text = "%s %s -> %s" % (key[0], "%s:%d" % key[1], "%s:%d" % key[2])
        if key not in tshark:
            differences.append("%s: %d packets, none to tshark" % (text, mine[key][0]))
            continue
        frames, amount = tshark[key]
        packets, size = mine.get(key, (0, 0))
        outer = key[0] == "udp" and {key[1][1], key[2][1]} & TUNNELS
        if not (packets == frames and size == amount or outer and packets < frames):
            differences.append("%s: %d packets, %d bytes, tshark has %d, %d" % (text, packets, size, frames, amount))
    return name, differences, len(mine), others


def captures(quick):
    found = []
    project = os.path.join(HERE, "..", "..")
    folders = [os.path.join(project, "pcaps")]
    if not quick:
        folders.append(os.path.join(project, "..", "shared", "corpus"))
    for folder in folders:
        for where, _, names in os.walk(folder):
            found += [os.path.join(where, n) for n in names if shark.SUFFIX.search(n)]
    if quick:
        found = [f for f in found if shark.name_of(f) in QUICK]
    return sorted(found)


def merged(names, folder):
    """One capture of several: in none of the others is a window with more flows than there is room for."""
    path = os.path.join(folder, "merged.pcap")
    few = [n for n in names if shark.name_of(n) in MERGED]
    subprocess.run(["mergecap", "-F", "pcap", "-w", path, *few], check=True, capture_output=True)
    return path


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("table")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("captures", nargs="*")
    args = parser.parse_args()
    if not shark.here():
        print("no sharkd here")
        return 77
    with open(args.table, encoding="utf-8") as f:
        explained = dict(line.rstrip("\n").split("\t") for line in f if not line.startswith("#"))
    names = args.captures or captures(args.quick)
    bad = flows = different = others = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        shark.Sharks() as sharks,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        config = os.path.join(folder, "config.yaml")
        with open(config, "w", encoding="utf-8") as f:
            json.dump(CONFIG, f)  # JSON is YAML
        if not args.captures:
            names.append(merged(names, folder))
        for name, differences, num, other in pool.map(lambda c: compare(sharks, args.program, c, config), names):
            flows += num
            others += other
            different += bool(differences)
            if bool(differences) == (name in explained):
                continue
            bad += 1
            print("%s:" % name, *(differences or ["explained, and no difference"]), sep="\n  ")
    print("%d captures, %d directions of flows, %d captures with known differences" % (len(names), flows, different))
    print("%d aggregates of small keys" % others)
    if others == 0 and not args.captures:
        print("no window had more keys than there is room for")
        return 1
    if not names or flows == 0:
        return 1
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
