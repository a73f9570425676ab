#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The receive paths of DPDK's drivers, in a thread under the filter of system calls (app/seccomp.h).

usage: test_filtered.py POLL_FILTERED CAPTURE
Skipped (77) without root, tcpreplay or a network namespace.
"""
import contextlib
import os
import shutil
import subprocess
import sys
import unittest

from waiting import ready, until_within

PROGRAM, CAPTURE = (os.path.abspath(a) for a in sys.argv[1:3])
SECONDS = 60  # for whatever has to happen; the machine may be busy
until = until_within(SECONDS)
POLLS = 1000  # in any case


def sh(*args):
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout


def skip(why):
    print("SKIP:", why)
    sys.exit(77)


class Filtered(unittest.TestCase):
    def poll(self, vdev, wanted=0, interface=None, up=None):
        """Polls the device while a capture is sent twice, until so many frames came; returns how many did."""
        eal = ["--lcores", "0@0", "--no-pci", "--no-huge", "-m", "256", "--no-shconf", "--no-telemetry", "--file-prefix",
               "filtered", "--vdev", vdev]
        p = subprocess.Popen([PROGRAM, *eal], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, bufsize=1)
        try:
            if p.stdout.readline() != "polling\n":
                self.fail(p.communicate(timeout=SECONDS)[1])
            if up:
                sh("ip", "link", "set", up, "up")
                ready(up)
            polls = 0

            def enough(part):
                nonlocal polls
                came, polls = self.ask(p)
                return came >= wanted * part // 2 and polls >= POLLS

            for part in (1, 2):
                if interface:
                    sh("tcpreplay", "-q", "-i", interface, CAPTURE)
                until(lambda: enough(part))  # noqa: B023
                self.assertGreaterEqual(polls, POLLS)
            out, err = p.communicate(timeout=SECONDS)
        finally:
            p.kill()
            p.communicate()
        self.assertEqual(p.returncode, 0, err)
        return int(out.split()[0])

    def ask(self, p):
        """How many frames have come by now, and of how many polls."""
        with contextlib.suppress(BrokenPipeError):
            p.stdin.write("\n")
        line = p.stdout.readline()
        if not line:
            self.fail(f"ended: {p.wait(SECONDS)} {p.stderr.read()}")
        return map(int, line.split())

    def frames(self):
        out = sh("tcpreplay", "-q", "-i", "va", CAPTURE)
        return int(out.split("Successful packets:")[1].split()[0])

    def twice(self, vdev, interface, **kw):
        wanted = 2 * self.frames()
        self.assertGreaterEqual(self.poll(vdev, wanted, interface, **kw), wanted)

    def test_a_file(self):
        self.assertEqual(self.poll("net_pcap0,rx_pcap=" + CAPTURE, self.frames()), self.frames())

    def test_an_interface_by_libpcap(self):
        self.twice("net_pcap0,rx_iface=vb", "va")

    def test_af_packet(self):
        self.twice("net_af_packet0,iface=vb", "va")

    def test_af_xdp(self):
        self.twice("net_af_xdp0,iface=vb", "va")

    def test_a_tap(self):
        self.twice("net_tap0,iface=dtap0", "dtap0", up="dtap0")

    def test_a_ring(self):
        self.assertEqual(self.poll("net_ring0"), 0)


def main():
    if not os.environ.get("HT_TEST_NETNS"):
        if os.geteuid() != 0:
            skip("not root")
        for tool in ("ip", "unshare", "tcpreplay"):
            if shutil.which(tool) is None:
                skip("no " + tool)
        if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode != 0:
            skip("no network namespace")
        os.environ["HT_TEST_NETNS"] = "1"
        os.execvp("unshare", ["unshare", "-n", sys.executable, "-B", *sys.argv])
    sh("ip", "link", "add", "va", "numrxqueues", "1", "type", "veth", "peer", "name", "vb", "numrxqueues", "1")
    for i in "va", "vb", "lo":
        sh("ip", "link", "set", i, "up")
    ready("va", "vb")
    unittest.main(argv=sys.argv[:1])


main()
