#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What capturing costs where there is no NIC for DPDK: CPU time a frame of the ways to share an interface among workers.

usage: bench/live.py [--workers N] [--frames N] [--pps N] [--rounds N] [PROGRAM [CAPTURE]]

In a network namespace of its own, as root: tcpreplay sends a capture over a veth pair at a steady rate, and the CPU time
of hellotap's threads (user and system) is divided by the frames it read. The ways take turns. Frames that were lost are
told: with them a figure means nothing. A worker of DPDK polls: between frames it spends what it would spend on frames.
"""
import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def configurations(workers, prefix):
    common = f"workers: {{count: {workers}}}\noutputs: ['json:/dev/null']\n"
    port = f"net_af_packet0,iface=vb,qpairs={workers},blocksz=1048576,framesz=2048,framecnt=8192"
    return {
        "libpcap, PACKET_FANOUT_CBPF": common + "interfaces: [vb]\n",
        "DPDK net_af_packet": common
        + f"dpdk: {{file_prefix: {prefix}, idle: sleep, ports: [{{device: '{port}'}}]}}\n",
    }


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(program, config, capture, frames, pps):
    with tempfile.TemporaryDirectory() as folder:
        path, said = os.path.join(folder, "live.yaml"), os.path.join(folder, "said")
        with open(path, "w", encoding="ascii") as f:
            f.write(config)
        with open(said, "wb") as err:
            p = subprocess.Popen([program, "-c", path, "--stats", "json"], stdout=subprocess.DEVNULL, stderr=err)
        try:
            while b"listening on" not in open(said, "rb").read():
                assert p.poll() is None, open(said, encoding="utf-8").read()
                time.sleep(0.01)
            begun = cpu_seconds(p.pid)
            sent = subprocess.run(
                ["tcpreplay", "-q", "-K", "-i", "va", f"--pps={pps}", "--loop=0", f"--limit={frames}", capture],
                capture_output=True, text=True, check=True,
            ).stdout
            time.sleep(0.5)
            spent = cpu_seconds(p.pid) - begun
            p.send_signal(signal.SIGTERM)
            assert p.wait(20) == 0, open(said, encoding="utf-8").read()
        finally:
            if p.poll() is None:
                p.kill()
                p.wait()
        with open(said, encoding="utf-8") as f:
            ledger = json.loads([line for line in f if line.startswith("{")][-1])
    read = ledger["frames"]["total"]
    return spent / read * 1e9, int(re.search(r"Successful packets: +(\d+)", sent).group(1)) - read


def main():
    a = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a.add_argument("--workers", type=int, default=2)
    a.add_argument("--frames", type=int, default=500000)
    a.add_argument("--pps", type=int, default=100000)
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("program", nargs="?", default=os.path.join(HERE, "../build/app/hellotap"))
    a.add_argument("capture", nargs="?", default=os.path.join(HERE, "../pcaps/chromium-tls13.pcapng"))
    args = a.parse_args()
    if "HELLOTAP_BENCH_INSIDE" not in os.environ:
        os.environ["HELLOTAP_BENCH_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, "-B", *sys.argv])
    # The kernel's own frames (IPv6 neighbours) would be counted with those sent.
    with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w", encoding="ascii") as f:
        f.write("1")
    for line in ("link add va type veth peer name vb", "link set va up", "link set vb up"):
        subprocess.run(["ip", *line.split()], check=True)
    ways = configurations(args.workers, f"live{os.getpid()}")
    costs, lost = {w: [] for w in ways}, {w: 0 for w in ways}
    for _ in range(args.rounds):
        for way, config in ways.items():
            cost, missing = run(args.program, config, args.capture, args.frames, args.pps)
            costs[way].append(cost)
            lost[way] += missing
    print(f"{args.workers} workers, {args.frames} frames at {args.pps} a second, {args.rounds} rounds")
    for way, c in costs.items():
        print(f"{way:30s} {statistics.median(c):6.0f} ns of CPU a frame ({min(c):.0f} to {max(c):.0f}), {lost[way]} lost")


main()
