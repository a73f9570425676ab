#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Receive-side scaling of NICs that QEMU emulates, as DPDK sees it, and hellotap on them.

    test_rss.py build/app/hellotap [CASE...]   exit status 0: passed, 77: cannot run here (says why), else failed
    test_rss.py --list                         the cases, one a line

What the guest is made of comes by apt the first time and stays in HELLOTAP_GUEST=FOLDER, by default in the build
folder. Wants root, for a network namespace and a tap of its own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import guest  # noqa: E402
import live  # noqa: E402
import traffic  # noqa: E402
from guest import Guest, Skip  # noqa: E402

PCAPS = os.path.join(HERE, "..", "..", "pcaps")
CONVERSATIONS = ("curl-https.pcap", 4), ("openssl-tls13-ipv6.pcap", 6)
FLOWS_EACH = 250
QUEUES = 4
FRAMES_A_SECOND = 2000  # the guest takes some 10,000
SKIPPED = 77


def pcap(name):
    return os.path.join(PCAPS, name)


class Test:
    """What the cases share: the program, its build folder, the frames."""

    def __init__(self, program):
        self.program = os.path.abspath(program)
        self.build = os.path.dirname(os.path.dirname(self.program))
        self.cache = os.environ.get("HELLOTAP_GUEST") or os.path.join(self.build, "tests", "guest")
        self.probe = os.path.join(self.build, "tests", "rss_probe")
        missing = [p for p in ("ip", "tcpreplay", "unshare") if not shutil.which(p)]
        if missing:
            raise Skip(f"not installed: {' '.join(missing)} (./setup.sh tests installs them)")
        if not os.path.exists(self.probe):
            raise Skip("built without DPDK: no tests/rss_probe in the build folder")
        self.frames, self.ends = self.flows(FLOWS_EACH, traffic.PORT)

    def flows(self, number, port):
        return traffic.flows([(pcap(n), v) for n, v in CONVERSATIONS], number, port)

    def send(self, tap, frames=None):
        """The frames, by tcpreplay, no more at a time than the tap has room for; returns how many."""
        frames = frames or self.frames
        before, number = guest.sent(), 0
        for at in range(0, len(frames), guest.TAP_FRAMES // 2):
            number += self.send_some(tap, frames[at : at + guest.TAP_FRAMES // 2])
            guest.wait_until_taken(before + number)
        return number

    def send_some(self, tap, frames):
        with tempfile.NamedTemporaryFile(suffix=".pcap") as f:
            f.write(traffic.pcap(frames))
            f.flush()
            argv = ["tcpreplay", "-q", "-K", "--pps", str(FRAMES_A_SECOND), "-i", tap, f.name]
            p = subprocess.run(argv, capture_output=True, text=True, timeout=600)
        said = p.stdout + p.stderr
        assert p.returncode == 0 and re.search(r"Failed packets: +0\b", said), said
        return int(re.search(r"Successful packets: +(\d+)", said)[1])

    def ask(self, where, key):
        """The probe in the guest: (port, {rule: what became of it}, traffic)."""
        command = ["/bin/rss_probe", *"-l 0 --in-memory --".split(), "-q", str(QUEUES), "-k", key]
        r = where.run(command, {"/bin/rss_probe": self.probe}, ready="ready", traffic=self.send)
        assert r.status == 0, f"rss_probe: exit status {r.status}\n{r.stderr}\n{r.console}"
        said = [json.loads(line) for line in r.stdout.splitlines()]
        port, rules, seen = ([s for s in said if s["probe"] == what] for what in ("port", "rule", "traffic"))
        seen = seen[0]
        print(f"  {key} key: {seen}", flush=True)
        # Else the figures below would be of some flows only.
        equal("frames sent", r.sent, len(self.frames))
        equal("frames that came, were missed or refused", seen["frames"] + seen["missed"] + r.refused, r.sent)
        equal("frames lost", seen["missed"] + r.refused, 0)
        equal("frames of no flow", seen["other"] + seen["untracked"], 0)
        equal("flows", seen["flows"], len(self.ends))
        return port[0], {s["rule"]: s["validates"] for s in rules}, seen


def equal(what, got, wanted):
    assert got == wanted, f"{what}: {got}, not {wanted}"


def spread(seen):
    """Every queue has its share."""
    least = min(seen["queues"])
    assert least > seen["frames"] / QUEUES / 3, f"a queue had {least} of {seen['frames']} frames only"


def keys(t, where):
    """Both directions of a flow in one queue, and a key with which they are not: the check can fail."""
    port, rules, seen = t.ask(where, "symmetric")
    spread(seen)
    equal("flows in two queues", seen["split_flows"], 0)
    equal("flows with two hashes", seen["hash_differs"], 0)
    _, _, other = t.ask(where, "microsoft")
    split = other["split_flows"]
    assert split > len(t.ends) / 2, f"a key that is not symmetric splits {split} flows only"
    return port, rules, seen, other


def virtio_net(t, where):
    port, rules, _, _ = keys(t, where)
    equal("driver", port["driver"], "net_virtio")
    equal("rules that validate", [r for r, good in rules.items() if good], [])


def igb(t, where):
    port, rules, seen, other = keys(t, where)
    equal("driver", port["driver"], "net_e1000_igb")
    equal("frames with a hash", seen["hashes"], seen["frames"])
    assert other["hash_differs"] > len(t.ends) / 2, "the NIC's hash does not depend on the key"
    equal("rules", rules, {
        "ipv4 tcp to 443: queue": True,
        "ipv4 tcp from 443: queue": True,
        "ipv6 tcp to 443: queue": False,  # the 5-tuple filters of the 82576 are for IPv4
        "ipv4 tcp to 443: rss": True,  # the driver looks at the action and not at the pattern
        "ipv4 tcp to 443: drop": False,
        "any: rss": True,
        "any: rss, symmetric function": False,
    })  # fmt: skip


def hellotap(t, where):
    """The program itself on a CPU that is not this one: the same records, to the byte."""
    captures = "chromium-quic.pcapng", "firefox-quic.pcap", "aioquic-v1.pcap", "firefox-tls13.pcap"
    files = {"/bin/hellotap": t.program, "/flows.pcap": traffic.pcap(t.frames)}
    files.update({"/" + c: pcap(c) for c in captures})
    args = [a for name in (*captures, "flows.pcap") for a in ("-r", name)]
    with tempfile.TemporaryDirectory() as here:
        for c in captures:
            os.symlink(os.path.abspath(pcap(c)), os.path.join(here, c))
        with open(os.path.join(here, "flows.pcap"), "wb") as f:
            f.write(files["/flows.pcap"])
        command = [t.program, *args, "-q", "-o", "json"]
        wanted = subprocess.run(command, cwd=here, stdout=subprocess.PIPE, check=True).stdout.decode()
    command = ["/bin/hellotap", *(a if a == "-r" else "/" + a for a in args), "-o", "json"]
    r = where.run(command, files)
    equal("exit status", r.status, 0)
    hellos = sum(json.loads(line)["record"] == "hello" for line in wanted.splitlines())
    assert hellos >= len(t.ends) + len(captures), f"{hellos} hellos only"
    assert r.stdout == wanted, f"{len(r.stdout)} bytes of records, not {len(wanted)}, or others"
    print(f"  {hellos} hellos in {len(wanted)} bytes", flush=True)


CASES = {  # name -> (NIC, what is asked of it)
    "virtio-net": ("virtio-net", virtio_net),
    "igb": ("igb", igb),
    "hellotap": ("virtio-net", hellotap),
    **live.CASES,
}


def there_is(names, cache):
    """The cases that have all they need. It is got here, since the guest's network leads nowhere."""
    found = []
    for name in names:
        try:
            Guest(CASES[name][0], cache)
            found.append(name)
        except Skip as why:
            print(f"SKIP {name}: {why}", flush=True)
    return found


def run(t, name):
    """0, 1 or SKIPPED."""
    nic, function = CASES[name]
    begin = time.monotonic()
    try:
        function(t, Guest(nic, t.cache))
    except Skip as why:
        print(f"SKIP {name}: {why}", flush=True)
        return SKIPPED
    except AssertionError as why:
        print(f"FAILED {name}: {why}", flush=True)
        return 1
    print(f"ok {name} ({time.monotonic() - begin:.0f} s)", flush=True)
    return 0


def main():
    names = sys.argv[2:] or list(CASES)
    if sys.argv[1:] == ["--list"]:
        print(*CASES, sep="\n")
        return 0
    if len(sys.argv) < 2 or not set(names) <= set(CASES):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        if not guest.entered():
            guest.may_enter()
            names = there_is(names, Test(sys.argv[1]).cache)
            if names:
                guest.enter([sys.argv[1], *names])
            return SKIPPED
        t = Test(sys.argv[1])
    except Skip as why:
        print(f"SKIP: {why}")
        return SKIPPED
    results = [run(t, name) for name in names]
    return 1 if 1 in results else SKIPPED if set(results) == {SKIPPED} else 0


if __name__ == "__main__":
    sys.exit(main())
