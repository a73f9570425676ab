#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The receive paths of DPDK's drivers, in a thread under the filter of system calls (app/seccomp.h).

usage: test_filtered.py POLL_FILTERED CAPTURE
Skipped (77) without root, tcpreplay or a network namespace.
"""
import os
import shutil
import subprocess
import sys
import time
import unittest

PROGRAM, CAPTURE = (os.path.abspath(a) for a in sys.argv[1:3])


def sh(*args):
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout


def skip(why):
    print("SKIP:", why)
    sys.exit(77)


class Filtered(unittest.TestCase):
    def poll(self, vdev, interface=None, up=None):
        """Polls the device while a capture is sent twice; returns how many frames came."""
        eal = ["--lcores", "0@0", "--no-pci", "--no-huge", "-m", "256", "--no-shconf", "--no-telemetry", "--file-prefix",
               "filtered", "--vdev", vdev]
        p = subprocess.Popen([PROGRAM, *eal], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, bufsize=1)
        try:
            if p.stdout.readline() != "polling\n":
                self.fail(p.communicate(timeout=20)[1])
            if up:
                sh("ip", "link", "set", up, "up")
            time.sleep(0.5)
            for _ in range(2 if interface else 0):
                sh("tcpreplay", "-q", "-i", interface, CAPTURE)
                time.sleep(0.3)
            out, err = p.communicate(timeout=20)
        finally:
            p.kill()
            p.communicate()
        self.assertEqual(p.returncode, 0, err)
        return int(out)

    def frames(self):
        out = sh("tcpreplay", "-q", "-i", "va", CAPTURE)
        return int(out.split("Successful packets:")[1].split()[0])

    def test_a_file(self):
        self.assertEqual(self.poll("net_pcap0,rx_pcap=" + CAPTURE), self.frames())

    def test_an_interface_by_libpcap(self):
        self.assertGreaterEqual(self.poll("net_pcap0,rx_iface=vb", "va"), 2 * self.frames())

    def test_af_packet(self):
        self.assertGreaterEqual(self.poll("net_af_packet0,iface=vb", "va"), 2 * self.frames())

    def test_af_xdp(self):
        self.assertGreaterEqual(self.poll("net_af_xdp0,iface=vb", "va"), 2 * self.frames())

    def test_a_tap(self):
        self.assertGreaterEqual(self.poll("net_tap0,iface=dtap0", "dtap0", up="dtap0"), 2 * self.frames())

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
    unittest.main(argv=sys.argv[:1])


main()
