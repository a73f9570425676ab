#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Live capture: veth pairs in a network namespace of its own, fed by tcpreplay.

usage: test_live.py PROGRAM CAPTURES-FOLDER
Skipped (77) without root, ip, unshare or tcpreplay. Nothing of it outlives the namespace.
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, PCAPS = (os.path.abspath(a) for a in sys.argv[1:3])

# Ethernet, sent as they are. What the snap length cut, and what takes longer than a time-out by its own clock,
# is no such capture.
SAME_AS_REPLAY = (
    "chromium-quic.pcapng", "chromium-tls13.pcapng", "firefox-quic.pcap", "openssl-hello-retry.pcap",
    "openssl-dtls12-fragments.pcap", "openssl-starttls-smtp.pcap", "curl-socks5.pcap", "encap-vlan.pcap",
    "encap-qinq.pcap", "encap-vxlan.pcap", "encap-mpls.pcap", "dtls-in-fragments.pcap", "quic-in-fragments.pcap",
    "duplicate-extensions.pcap", "fin-before-complete.pcap",
)


def pcap(name):
    return os.path.join(PCAPS, name)


def sh(*args):
    subprocess.run(args, check=True, capture_output=True)


def send(interface, *captures, loop=1, speed=("--topspeed",)):
    """Sends captures; returns how many frames that were."""
    p = subprocess.run(
        ["tcpreplay", "-q", "-i", interface, "--loop", str(loop), *speed, *map(pcap, captures)],
        capture_output=True, timeout=60,
    )
    out = p.stdout.decode() + p.stderr.decode()
    assert p.returncode == 0 and re.search(r"Failed packets: +0\b", out), out
    return int(re.search(r"Successful packets: +(\d+)", out).group(1))


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def parse(text):
    return [json.loads(line) for line in text.splitlines()]


def what(records):
    """The records without what a replay and a capture of it have each for themselves."""
    return sorted(json.dumps({k: v for k, v in r.items() if k not in ("ts", "frame")}, sort_keys=True) for r in records)


def replayed(*captures):
    args = [a for c in captures for a in ("-r", pcap(c))]
    return what(parse(subprocess.run([PROGRAM, "-q", "-o", "json", *args], capture_output=True, check=True).stdout))


class Live:
    """The program, listening."""

    def __init__(self, *args, stdout=None):
        self.dir = tempfile.mkdtemp()
        self.out, self.err = os.path.join(self.dir, "out"), os.path.join(self.dir, "err")
        with open(self.out, "wb") as o, open(self.err, "wb") as e:
            self.p = subprocess.Popen(
                [PROGRAM, *args, "-o", "json", "--stats", "json"], stdout=stdout or o, stderr=e, stdin=subprocess.DEVNULL)
        if not until(lambda: "listening on" in self.said() or self.p.poll() is not None):
            self.p.kill()
            raise AssertionError("not listening: " + self.said())

    def read(self, path):
        with open(path, encoding="utf-8") as f:
            return f.read()

    def said(self):
        return self.read(self.err)

    def records(self):
        text = self.read(self.out)
        return parse(text[:text.rfind("\n") + 1])

    def wait(self):
        try:
            self.p.wait(20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            raise
        ledger = [line for line in self.said().splitlines() if line.startswith('{"record":"stats"')]
        self.ledger = json.loads(ledger[0])
        self.capture = self.ledger["capture"]
        return self.p.returncode

    def end(self, sig=signal.SIGTERM):
        self.p.send_signal(sig)
        return self.wait()

    def close(self):
        if self.p.poll() is None:
            self.p.kill()
            self.p.wait()
        shutil.rmtree(self.dir)


class LiveTest(unittest.TestCase):
    def live(self, *args, **kw):
        p = Live(*args, **kw)
        self.addCleanup(p.close)
        return p

    def expect(self, p, status=0, frames=None, dropped=0, withheld=0):
        """The exit status and a ledger that adds up."""
        self.assertEqual(p.p.returncode, status, p.said())
        self.assertTrue(p.ledger["balanced"], p.said())
        c = p.capture
        self.assertEqual(c["received"], c["frames"] + c["kernel_dropped"] + c["withheld"])
        self.assertEqual(c["frames"], p.ledger["frames"]["total"])
        self.assertEqual((c["kernel_dropped"], c["withheld"]), (dropped, withheld))
        if frames is not None:
            self.assertEqual(c["frames"], frames)


class Records(LiveTest):
    def test_the_records_are_those_of_the_replay(self):
        for capture in SAME_AS_REPLAY:
            with self.subTest(capture):
                p = self.live("-i", "vb")
                sent = send("va", capture)
                p.end()
                self.expect(p, frames=sent)
                self.assertEqual(what(p.records()), replayed(capture))

    def test_immediate_mode_and_what_is_sent(self):
        p = self.live("-i", "va", "--immediate", "--no-promiscuous")  # the end that sends
        sent = send("va", "chromium-quic.pcapng", "chromium-tls13.pcapng")
        p.end(signal.SIGINT)
        self.expect(p, frames=sent)
        self.assertEqual(what(p.records()), replayed("chromium-quic.pcapng", "chromium-tls13.pcapng"))

    def test_two_interfaces(self):
        p = self.live("-i", "vb", "-i", "wb")
        sent = send("va", "chromium-quic.pcapng") + send("wa", "chromium-tls13.pcapng")
        p.end()
        self.expect(p, frames=sent)
        self.assertEqual(p.capture["interfaces"], 2)
        self.assertIn("listening on vb, wb", p.said())
        self.assertEqual(what(p.records()), replayed("chromium-quic.pcapng", "chromium-tls13.pcapng"))

    def test_snap_length(self):
        p = self.live("-i", "vb", "--snaplen", "96")
        sent = send("va", "tls13-hello.pcap")
        p.end()
        self.expect(p, frames=sent)
        self.assertEqual([r.get("incomplete_reason") for r in p.records()], ["snaplen"])

    def test_filter(self):
        p = self.live("-i", "vb", "-f", "udp")
        udp = send("va", "chromium-quic.pcapng")
        send("va", "tls13-hello.pcap")
        p.end()
        self.expect(p, frames=udp)
        self.assertEqual(what(p.records()), replayed("chromium-quic.pcapng"))

    def test_a_filter_too_long_for_the_kernel(self):
        # 5102 instructions; the kernel takes 4096.
        hosts = " or ".join("(src host 10.%d.%d.1 and dst port %d)" % (i // 200, i % 200, i + 1) for i in range(400))
        p = self.live("-i", "vb", "-f", "udp or " + hosts)
        udp = send("va", "chromium-quic.pcapng")
        tcp = send("va", "tls13-hello.pcap")
        p.end()
        self.expect(p, frames=udp, withheld=tcp)

    def test_loopback_and_any(self):
        for interface, withheld in (("lo", 0), ("any", 5)):  # `any` has them going out, too
            with self.subTest(interface), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind(("127.0.0.1", 0))
                p = self.live("-i", interface)
                for _ in range(5):
                    s.sendto(b"?" * 100, s.getsockname())
                p.end()
                self.expect(p, frames=5, withheld=withheld)
                self.assertEqual(p.ledger["datagrams"]["total"], 5)


class Time(LiveTest):
    def test_a_silent_link(self):
        """What fell silent is told though no frame comes, and reaches the file though nothing else does."""
        p = self.live("-i", "vb", "--hello-idle-s", "1")
        send("va", "tls13-hello.pcap")
        self.assertTrue(until(lambda: len(p.records()) == 1, 3))
        send("va", "hello-never-complete.pcap")
        self.assertTrue(until(lambda: len(p.records()) == 2, 4))
        self.assertEqual(p.records()[1]["incomplete_reason"], "idle")
        p.end()
        self.expect(p)

    def test_a_busy_link(self):
        """A record does not wait for the link to be silent, either."""
        p = self.live("-i", "vb")
        load = subprocess.Popen(
            ["tcpreplay", "-q", "-i", "va", "--pps", "2000", "--loop", "0", pcap("chromium-quic.pcapng")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.assertTrue(until(lambda: len(p.records()) > 0, 4))
            p.end()  # under load
        finally:
            load.kill()
            load.wait()
        self.expect(p)
        self.assertGreater(p.capture["frames"], 0)


class Drops(LiveTest):
    def flood(self, *args):
        """More than the ring holds, while the program stands still."""
        p = self.live("-i", "vb", "--buffer-mib", "1", *args)
        p.p.send_signal(signal.SIGSTOP)
        quic = send("va", "chromium-quic.pcapng", loop=400)
        tcp = send("va", "tls13-hello.pcap", loop=200)
        p.p.send_signal(signal.SIGCONT)
        p.end()
        dropped = p.capture["kernel_dropped"]
        self.assertGreater(dropped, 0)
        self.expect(p, dropped=dropped)
        self.assertIn("LOST before they were read: %d frames without room" % dropped, p.said())
        return p.capture["received"], quic, tcp

    def test_each_lost_frame_is_counted(self):
        received, quic, tcp = self.flood()
        self.assertEqual(received, quic + tcp)

    def test_in_immediate_mode(self):
        received, quic, tcp = self.flood("--immediate")
        self.assertEqual(received, quic + tcp)

    def test_of_those_that_pass_the_filter(self):
        received, quic, tcp = self.flood("-f", "udp")
        self.assertEqual(received, quic)

    def test_what_came_before_the_filter_is_not_counted(self):
        load = subprocess.Popen(
            ["tcpreplay", "-q", "-K", "-i", "va", "--topspeed", "--loop", "0", pcap("tls13-hello.pcap")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(5):
                p = self.live("-i", "vb", "-f", "udp")
                p.end()
                self.expect(p, frames=0)
        finally:
            load.kill()
            load.wait()


class Ends(LiveTest):
    def test_what_the_ring_holds_is_read(self):
        p = self.live("-i", "vb")
        p.p.send_signal(signal.SIGSTOP)
        sent = send("va", "chromium-quic.pcapng", "chromium-tls13.pcapng")
        p.p.send_signal(signal.SIGTERM)
        p.p.send_signal(signal.SIGCONT)
        p.wait()
        self.expect(p, frames=sent)
        self.assertEqual(what(p.records()), replayed("chromium-quic.pcapng", "chromium-tls13.pcapng"))

    def test_hellos_in_progress_end(self):
        p = self.live("-i", "vb")
        send("va", "hello-never-complete.pcap")
        p.end(signal.SIGINT)
        self.expect(p)
        self.assertEqual(p.records()[0]["incomplete_reason"], "end_of_capture")
        self.assertEqual(what(p.records()), replayed("hello-never-complete.pcap"))

    def test_an_interface_goes_down_and_the_other_goes_on(self):
        self.addCleanup(sh, "ip", "link", "set", "vb", "up")
        p = self.live("-i", "vb", "-i", "wb")
        p.p.send_signal(signal.SIGSTOP)
        sent = send("va", "chromium-quic.pcapng")  # before: not lost
        sh("ip", "link", "set", "vb", "down")
        p.p.send_signal(signal.SIGCONT)
        self.assertTrue(until(lambda: "hellotap: vb: the interface went down\n" in p.said(), 3), p.said())
        sent += send("wa", "chromium-tls13.pcapng")
        p.end()
        self.expect(p, status=1, frames=sent)
        self.assertEqual(p.said().count("vb: "), 1)
        self.assertEqual(what(p.records()), replayed("chromium-quic.pcapng", "chromium-tls13.pcapng"))

    def test_the_only_interface_goes_away(self):
        sh("ip", "link", "add", "xa", "type", "veth", "peer", "name", "xb")
        for i in ("xa", "xb"):
            sh("ip", "link", "set", i, "up")
        p = self.live("-i", "xb")
        sh("ip", "link", "del", "xa")
        p.wait()
        self.expect(p, status=1)
        self.assertRegex(p.said(), "hellotap: xb: .*(disappeared|went down)\n")

    def test_nobody_reads(self):
        r, w = os.pipe()
        p = self.live("-i", "vb", stdout=w)
        os.close(w)
        os.close(r)
        send("va", "tls13-hello.pcap")
        self.assertEqual(p.wait(), 1)


class Refused(LiveTest):
    def refused(self, *args, prefix=()):
        p = subprocess.run([*prefix, PROGRAM, "-q", *args], capture_output=True, timeout=20)
        self.assertEqual((p.returncode, p.stdout), (1, b""), p)
        self.assertEqual(p.stderr.count(b"\n"), 1, p.stderr)
        return p.stderr.decode()

    def test_no_such_interface(self):
        self.assertRegex(self.refused("-i", "nope0"), r"^hellotap: nope0: no such interface; there are .*\bvb\b.*, any$")
        self.assertIn("nope0", self.refused("-i", "vb", "-i", "nope0"))

    def test_an_interface_that_is_down(self):
        sh("ip", "link", "set", "wb", "down")
        self.addCleanup(sh, "ip", "link", "set", "wb", "up")
        self.assertEqual(self.refused("-i", "wb"), "hellotap: wb: the interface is down\n")

    def test_no_filter(self):
        self.assertRegex(self.refused("-i", "vb", "-f", "por 443"), r'^hellotap: vb: filter "por 443": ')

    def test_not_allowed(self):
        with tempfile.TemporaryDirectory() as d:  # where nobody may look
            os.chmod(d, 0o755)
            program = shutil.copy(PROGRAM, d)
            p = subprocess.run(
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", program, "-q",
                 "-i", "vb"], capture_output=True, timeout=20)
        self.assertEqual(p.returncode, 1)
        self.assertRegex(p.stderr.decode(), r"^hellotap: vb: not allowed to capture: .*CAP_NET_RAW")


def setUpModule():
    # The kernel's own packets would be counted.
    with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w") as f:
        f.write("1")
    sh("ip", "link", "set", "lo", "up")
    for a, b in (("va", "vb"), ("wa", "wb")):
        sh("ip", "link", "add", a, "type", "veth", "peer", "name", b)
        for i in (a, b):
            sh("ip", "link", "set", i, "mtu", "9000", "up")


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def main():
    if os.environ.get("HT_TEST_NETNS"):
        unittest.main(argv=sys.argv[:1] + sys.argv[3:])
    if os.geteuid() != 0:
        skip("not root")
    for tool in ("ip", "unshare", "setpriv", "tcpreplay"):
        if shutil.which(tool) is None:
            skip("no " + tool)
    if subprocess.run(["unshare", "-n", "ip", "link", "add", "va", "type", "veth", "peer", "name", "vb"],
                      capture_output=True).returncode != 0:
        skip("no network namespace, or no veth")
    os.environ["HT_TEST_NETNS"] = "1"
    os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])


main()
