#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Overload on purpose: sent = parsed + every named loss, to the frame.

usage: test_loss.py PROGRAM CAPTURES-FOLDER [CASE...]
Skipped (77) where this machine lacks something; what a single case lacks is said at the case.
"""

import contextlib
import os
import signal
import subprocess

import mix
import sensor
from mix import Capture, w
from sensor import SECONDS, LiveTest, dpdk, not_sent, send, until, veth


def setUpModule():
    global MANY
    veth("va", "vb", mtu=1500)
    MANY = Capture("many", mix.many(100))


@contextlib.contextmanager
def stopped(p):
    """The program stands still meanwhile."""
    p.send(signal.SIGSTOP)
    try:
        yield
    finally:
        p.send(signal.SIGCONT)


@contextlib.contextmanager
def busy(cpu, loops=2):
    """Others want that CPU, too."""
    running = [subprocess.Popen(["taskset", "-c", str(cpu), "sh", "-c", "while :; do :; done"]) for _ in range(loops)]
    try:
        yield
    finally:
        for p in running:
            p.kill()
            p.wait()


class LossTest(LiveTest):
    def come(self, path, loop=1):
        """Sends a capture; returns how many frames came to the receiving end."""
        before = not_sent("va")
        sent = send("va", path, loop=loop)
        return sent - (not_sent("va") - before)

    def overload(self, p, loop=20):
        with stopped(p):
            return self.come(MANY.path, loop)

    def all_seen(self, p, sent):
        """Each frame was taken, or is known to be lost."""
        now = p.metrics()
        names = ("queue_frames", "port_missed", "interface_received")
        seen = sum(v for k, v in now.items() if k[0] in {f"hellotap_{n}_total" for n in names})
        return seen >= sent

    def after(self, p, sent, counted=True):
        """What was lost is lost, but it goes on: what comes now is read."""
        if counted:
            self.assertTrue(until(lambda: self.all_seen(p, sent)), p.said())
        self.assertTrue(p.turned("worker_empty_total"))
        before = p.metric("hellos_complete_total")
        late = Capture("late", mix.mixed(["chromium-quic.pcapng"]))
        sent += self.come(late.path)
        self.assertTrue(until(lambda: p.metric("hellos_complete_total") > before), p.said())
        if counted:
            self.assertTrue(until(lambda: self.all_seen(p, sent)), p.said())
        p.end()
        return sent


class Ports(LossTest):
    def lost(self, device, workers=1):
        p = self.sensor(dpdk(device, workers=workers))
        sent = self.after(p, self.overload(p))
        self.expect_ports(p, sent=sent)
        missed = p.ports("missed")
        self.assertGreater(missed, 0)
        self.assertEqual(p.ports("received") + missed, sent)
        self.assertIn(f"LOST before they were read: {device.partition(',')[0]}: {missed} frames missed", p.said())

    def test_rx_iface(self):
        self.lost("net_pcap0,rx_iface=vb")

    def test_rx_iface_three_workers(self):
        self.lost("net_pcap0,rx_iface=vb", 3)

    def test_af_xdp(self):
        self.lost("net_af_xdp0,iface=vb")

    def test_af_xdp_with_few_descriptors(self):
        """The kernel counts that as another kind of loss, which the driver does not read."""
        p = self.sensor(dpdk({"device": "net_af_xdp0,iface=vb", "rx_descriptors": 1024}))
        sent = self.after(p, self.overload(p), counted=False)
        self.assertLess(p.ports("received") + p.ports("missed"), sent)
        self.assertIn("net_af_xdp0: net_af_xdp counts what it loses with 2048", p.said())

    def test_af_xdp_three_workers(self):
        self.lost("net_af_xdp0,iface=vb", 3)

    def test_others_want_the_cpu(self):
        """The worker gets a third of a CPU, and too much comes for that, or not: the sum holds."""
        cpu = max(os.sched_getaffinity(0))
        config = dpdk("net_pcap0,rx_iface=vb")
        config["workers"]["cpus"] = [cpu]
        p = self.sensor(config)
        with busy(cpu):
            sent = self.come(MANY.path, loop=50)
        sent = self.after(p, sent)
        self.expect_ports(p, sent=sent)
        print(f"  {p.ports('missed')} of {sent} frames missed")

    def test_af_packet_does_not_count(self):
        """Nobody can tell what the kernel dropped there; so that is said."""
        p = self.sensor(dpdk("net_af_packet0,iface=vb"))
        sent = self.after(p, self.overload(p), counted=False)
        self.assertTrue(p.ledger["balanced"])
        self.assertLess(p.ports("received"), sent)
        self.assertEqual(p.ports("missed"), 0)
        self.assertIn("net_af_packet0: net_af_packet does not count what it loses", p.said())


class HandedOver(LossTest):
    """Software hand-over from one worker that reads all to others that share one CPU, and have little room."""

    def config(self, frames, workers=4, **more):
        path = sensor.write("handed.pcap", frames)
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            self.skipTest("one CPU only")
        port = {"device": "net_pcap0,rx_pcap=" + path, "rx_descriptors": 64}
        config = dpdk(port, workers=workers, dpdk={"inbox_frames": 64}, **more)
        config["workers"]["cpus"] = [cpus[0], *(cpus[1] for _ in range(workers - 1))]
        return config

    def test_small_inbox(self):
        p = self.sensor(self.config(MANY.frames * 50))
        self.assertTrue(p.has_taken(len(MANY.frames) * 50, 3 * SECONDS))
        p.end()
        self.expect_ports(p, sent=len(MANY.frames) * 50)
        lost = p.queues("handed_lost")
        self.assertGreater(lost, 0)
        self.assertEqual(p.ports("missed"), 0)
        self.assertEqual(p.queues("handed_over"), sum(p.ledger["handed_in"]))
        self.assertIn(f"LOST before they were parsed: net_pcap0: {lost} frames", p.said())

    def test_out_of_mbufs(self):
        """Frames of 60 kB, thirty mbufs each: inboxes full of them hold more than the pool has."""
        l4 = w.udp(bytes(60000), "10.0.0.1", "10.0.0.2", 1, 2, summed=False)
        clients = [f"10.0.0.{i}" for i in range(1, 50)]
        frames = [w.Frame(w.T0 + i, w.ether(w.ip(l4, c, "10.0.1.1"))) for i, c in enumerate(clients * 40)]
        p = self.sensor(self.config(frames, workers=8))
        lost = lambda: p.metric("port_no_mbuf_total") + p.metric("port_errors_total")  # noqa: E731
        self.assertTrue(until(lambda: p.taken() + lost() >= len(frames), 3 * SECONDS), p.said())
        p.end()
        self.expect_ports(p)
        lost = p.ports("no_mbuf") + p.ports("errors")
        self.assertEqual(p.ledger["frames"]["total"] + p.queues("handed_lost") + lost, len(frames))
        print(f"  {lost} of {len(frames)} frames without an mbuf, {p.queues('handed_lost')} without room in an inbox")
        if lost == 0:
            self.skipTest("the workers kept up: no pool was empty")
        self.assertRegex(p.said(), "LOST before they were read: net_pcap0: 0 frames missed, .* without memory to take")


class Libpcap(LossTest):
    def lost(self, workers, *args):
        p = self.sensor({"interfaces": ["vb"], "workers": {"count": workers}, "live": {"buffer_mib": 1}}, *args)
        sent = self.after(p, self.overload(p, loop=40 * workers))
        dropped = p.capture["kernel_dropped"]
        self.assertGreater(dropped, 0)
        self.expect(p, dropped=dropped)
        self.assertEqual(p.capture["received"], sent)
        self.assertIn(f"LOST before they were read: {dropped} frames without room", p.said())

    def test_one_worker(self):
        self.lost(1)

    def test_three_workers(self):
        self.lost(3)


if __name__ == "__main__":
    sensor.main(["tcpdump", "taskset"], ["dpdk", "yaml", "microhttpd"])
