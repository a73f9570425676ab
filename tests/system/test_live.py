#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Live capture through libpcap, by the options of the command line: veth pairs, fed by tcpreplay.

usage: test_live.py PROGRAM CAPTURES-FOLDER [CASE...]
Skipped (77) without root, ip, unshare, setpriv or tcpreplay. Nothing of it outlives the namespace.
"""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import sensor
from sensor import PROGRAM, SECONDS, LiveTest, load, not_sent, passed_on, ready, replayed, send, sh, until, veth, what

# Ethernet, sent as they are. What the snap length cut, and what takes longer than a time-out by its own clock,
# is no such capture.
SAME_AS_REPLAY = (
    "chromium-quic.pcapng", "chromium-tls13.pcapng", "firefox-quic.pcap", "openssl-hello-retry.pcap",
    "openssl-dtls12-fragments.pcap", "openssl-starttls-smtp.pcap", "curl-socks5.pcap", "encap-vlan.pcap",
    "encap-qinq.pcap", "encap-vxlan.pcap", "encap-mpls.pcap", "dtls-in-fragments.pcap", "quic-in-fragments.pcap",
    "duplicate-extensions.pcap", "fin-before-complete.pcap",
)

PLAYED_AGAIN = (
    "chromium-quic.pcapng", "chromium-tls13.pcapng", "openssl-hello-retry.pcap", "openssl-dtls12-fragments.pcap",
    "openssl-starttls-smtp.pcap", "curl-socks5.pcap", "encap-vlan.pcap", "quic-in-fragments.pcap",
)


class Records(LiveTest):
    def test_the_records_are_those_of_the_replay(self):
        for capture in SAME_AS_REPLAY:
            with self.subTest(capture):
                p = self.live("-i", "vb")
                sent = send("va", capture)
                p.end()
                self.expect(p, frames=sent)
                self.assertEqual(what(p.records()), replayed(capture))

    def test_the_same_again(self):
        # The same addresses, ports and sequence numbers. Without a SYN it may be a hello that is sent again.
        for capture in PLAYED_AGAIN:
            with self.subTest(capture):
                p = self.live("-i", "vb")
                sent = send("va", capture)
                time.sleep(1)
                sent += send("va", capture)
                p.end()
                self.expect(p, frames=sent)
                self.assertEqual(what(p.records()), sorted(2 * replayed(capture)))

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
                passed_on()
                p.end()
                self.expect(p, frames=5, withheld=withheld)
                self.assertEqual(p.ledger["datagrams"]["total"], 5)


class Time(LiveTest):
    def test_a_silent_link(self):
        """What fell silent is told though no frame comes, and reaches the file though nothing else does."""
        p = self.live("-i", "vb", "--hello-idle-s", "1")
        send("va", "tls13-hello.pcap")
        self.assertTrue(until(lambda: len(p.records()) == 1))
        send("va", "hello-never-complete.pcap")
        self.assertTrue(until(lambda: len(p.records()) == 2))
        self.assertEqual(p.records()[1]["incomplete_reason"], "idle")
        p.end()
        self.expect(p)

    def test_a_busy_link(self):
        """A record does not wait for the link to be silent, either."""
        p = self.live("-i", "vb")
        with load("va", "chromium-quic.pcapng", "--pps", "2000"):
            self.assertTrue(until(lambda: len(p.records()) > 0))
            p.end()
        self.expect(p, dropped=p.capture["kernel_dropped"])  # whoever stands still for some time loses some
        self.assertGreater(p.capture["frames"], 0)


class Drops(LiveTest):
    def come(self, capture, loop):
        """Sends a capture over and over; how many frames came to the other end."""
        before = not_sent("va")
        return send("va", capture, loop=loop) - (not_sent("va") - before)

    def flood(self, *args):
        """More than the ring holds, while the program stands still."""
        p = self.live("-i", "vb", "--buffer-mib", "1", *args)
        p.send(signal.SIGSTOP)
        quic = self.come("chromium-quic.pcapng", 400)
        tcp = self.come("tls13-hello.pcap", 200)
        p.send(signal.SIGCONT)
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
        with load("va", "tls13-hello.pcap"):
            for _ in range(5):
                p = self.live("-i", "vb", "-f", "udp")
                p.end()
                self.expect(p, frames=0)


class Ends(LiveTest):
    def test_what_the_ring_holds_is_read(self):
        p = self.live("-i", "vb")
        p.send(signal.SIGSTOP)
        sent = send("va", "chromium-quic.pcapng", "chromium-tls13.pcapng")
        p.send(signal.SIGTERM)
        p.send(signal.SIGCONT)
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

    def test_an_interface_goes_down_and_up_again(self):
        self.addCleanup(ready, "va", "vb")
        self.addCleanup(sh, "ip", "link", "set", "vb", "up")
        p = self.live("-i", "vb", "-i", "wb")
        p.send(signal.SIGSTOP)
        sent = send("va", "chromium-quic.pcapng")  # before: not lost
        sh("ip", "link", "set", "vb", "down")
        p.send(signal.SIGCONT)
        self.assertTrue(p.saying("hellotap: vb: link down\n"), p.said())
        sent += send("wa", "chromium-tls13.pcapng")
        sh("ip", "link", "set", "vb", "up")
        self.assertTrue(p.saying("hellotap: vb: link up\n"), p.said())
        ready("va", "vb")
        sent += send("va", "openssl-dtls12-cookie.pcap")
        p.end()
        self.expect(p, frames=sent)
        self.assertEqual(p.said().count("vb: "), 2)
        captures = "chromium-quic.pcapng", "chromium-tls13.pcapng", "openssl-dtls12-cookie.pcap"
        self.assertEqual(what(p.records()), replayed(*captures))

    def test_the_only_interface_goes_away(self):
        sh("ip", "link", "add", "xa", "type", "veth", "peer", "name", "xb")
        for i in ("xa", "xb"):
            sh("ip", "link", "set", i, "up")
        ready("xa", "xb")
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
        p = subprocess.run([*prefix, PROGRAM, "-q", *args], capture_output=True, timeout=SECONDS)
        self.assertEqual((p.returncode, p.stdout), (1, b""), p)
        self.assertEqual(p.stderr.count(b"\n"), 1, p.stderr)
        return p.stderr.decode()

    def test_no_such_interface(self):
        self.assertRegex(self.refused("-i", "nope0"), r"^hellotap: nope0: no such interface; there are .*\bvb\b.*, any$")
        self.assertIn("nope0", self.refused("-i", "vb", "-i", "nope0"))

    def test_an_interface_that_is_down(self):
        sh("ip", "link", "set", "wb", "down")
        self.addCleanup(ready, "wa", "wb")
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
                 "-i", "vb"], capture_output=True, timeout=SECONDS)
        self.assertEqual(p.returncode, 1)
        self.assertRegex(p.stderr.decode(), r"^hellotap: vb: not allowed to capture: .*CAP_NET_RAW")


def setUpModule():
    veth("va", "vb")
    veth("wa", "wb")


if __name__ == "__main__":
    sensor.main()
