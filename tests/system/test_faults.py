#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What goes wrong while it captures: nothing hangs, and nothing is lost that is not counted.

usage: test_faults.py PROGRAM CAPTURES-FOLDER [CASE...]
Skipped (77) where this machine lacks something; what a single case lacks is said at the case.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import mix
import sensor
from mix import Capture
from sensor import SECONDS, LiveTest, Sensor, dpdk, load, parse, send, sh, until, veth, what

# Ways into the program, by name. The veth pair is the test's own.
WAYS = {
    "net_af_packet": lambda: dpdk("net_af_packet0,iface=tb,framecnt=4096"),
    "net_pcap": lambda: dpdk("net_pcap0,rx_iface=tb"),
    "net_af_xdp": lambda: dpdk("net_af_xdp0,iface=tb"),
    "libpcap": lambda: {"interfaces": ["tb"]},
    "libpcap, three workers": lambda: {"interfaces": ["tb"], "workers": {"count": 3}},
    "net_af_packet, three workers": lambda: dpdk("net_af_packet0,iface=tb,qpairs=3,framecnt=4096", workers=3),
}
PORTS = [way for way in WAYS if "," not in way and way != "libpcap"]


def setUpModule():
    global MANY, FLOWS
    MANY = Capture("many", mix.many(100))
    FLOWS = Capture("flows", mix.many(2000))


class FaultTest(LiveTest):
    def setUp(self):
        veth("ta", "tb", mtu=1500)
        self.addCleanup(lambda: os.path.exists("/sys/class/net/ta") and sh("ip", "link", "del", "ta"))

    def start(self, way, **more):
        return self.sensor({**WAYS[way](), **more})

    def feed_all(self, p, way, frames=None):
        """libpcap's buffer has room for all, if it is set so."""
        chunk = mix.CHUNK if "libpcap" in way else self.CHUNK
        mix.feed(self, p, "ta", frames or MANY.frames, chunk, has_room="libpcap" in way)

    def fed(self, p, frames, chunk):
        """Feeds them meanwhile; returns the thread, and what is wrong with it when it has ended."""
        wrong = []

        def run():
            try:
                for n in range(0, len(frames), chunk):
                    mix.feed(self, p, "ta", frames[n : n + chunk], has_room=True)
            except BaseException as e:  # the test's own thread is to tell
                wrong.append(e)

        thread = threading.Thread(target=run)
        thread.start()
        return thread, wrong

    def exit_status(self, p):
        """What a load without end comes to: 1 where an output, or the thread in front of it, did not keep up."""
        return int(p.ledger["queue"]["lost_queue_full"] + self.sinks(p, "lost_queue_full") > 0)

    def balanced(self, p, status=0):
        self.assertEqual(p.p.returncode, status, p.said())
        self.assertTrue(p.ledger["balanced"], p.said())

    def sinks(self, p, word):
        return sum(s[word] for s in p.ledger["sinks"]) + p.ledger.get("sinks_gone", {}).get(word, 0)

    def lines(self, path):
        """All of a file's records: every line must be a whole one."""
        with open(path, encoding="utf-8") as f:
            text = f.read()
        self.assertTrue(text == "" or text.endswith("\n"), f"cut: ...{text[-100:]}")
        return parse(text)

    @staticmethod
    def num_lines(path):
        """Those that are whole by now, while it is written."""
        with open(path, "rb") as f:
            return f.read().count(b"\n")


class Signals(FaultTest):
    def test_term_under_load(self):
        for way in WAYS:
            with self.subTest(way), self.running(WAYS[way]()) as p:
                with load("ta", MANY.path):
                    self.assertTrue(p.has_taken(1000))
                    p.end()  # while there is more to read
                self.balanced(p, self.exit_status(p))
                self.assertGreater(len(self.lines(p.written)), 0)

    def test_term_while_it_starts(self):
        """What it opens may take for ever: a capture that is a pipe, which nobody writes to."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        pipe, path = os.path.join(folder, "pipe"), os.path.join(folder, "sensor.yaml")
        os.mkfifo(pipe)
        with open(path, "w", encoding="ascii") as f:
            f.write(f"dpdk: {{file_prefix: starts, ports: [{{device: 'net_pcap0,rx_pcap={pipe}'}}]}}\n")
        with subprocess.Popen([sensor.PROGRAM, "-c", path], stderr=subprocess.PIPE) as p:
            try:
                self.assertTrue(until(lambda: self.opens_a_pipe(p) or p.poll() is not None))
                self.assertIsNone(p.poll())
                p.send_signal(signal.SIGTERM)
                self.assertEqual(p.wait(SECONDS), 1)
                self.assertIn(b"ended by a signal while it was starting", p.stderr.read())
            finally:
                p.kill()

    @staticmethod
    def opens_a_pipe(p):
        with open(f"/proc/{p.pid}/wchan", encoding="ascii") as f:
            return f.read() == "wait_for_partner"

    def test_kill_and_again(self):
        """It starts again at once, and goes on in the same file."""
        for way in ("net_af_packet", "net_af_xdp", "libpcap"):
            with self.subTest(way):
                folder = self.folder()
                out = os.path.join(folder, "records")
                for _ in range(2):
                    p = Sensor(WAYS[way](), folder=folder)
                    self.addCleanup(p.close)
                    with load("ta", FLOWS.path):
                        self.assertTrue(p.has_taken(5000))
                        p.send(signal.SIGKILL)
                        self.assertEqual(p.p.wait(SECONDS), -signal.SIGKILL)
                before = self.whole(out)
                p = Sensor(WAYS[way](), folder=folder)
                self.addCleanup(p.close)
                self.feed_all(p, way)
                p.end()
                self.balanced(p)
                self.assertEqual(self.whole(out), before + len(MANY.records))

    def whole(self, path):
        """How many whole lines there are. A write may have been cut short by the kill; then another line begins."""
        with open(path, encoding="utf-8") as f:
            lines = f.read().splitlines()
        whole = [line for line in lines if line.endswith("}")]
        self.assertGreaterEqual(len(whole), len(lines) - 2)
        return len(parse("\n".join(whole)))

    def test_a_line_that_was_cut(self):
        """As a full disk or a crash of the machine leaves it: what is written then begins a new line."""
        folder = self.folder()
        with open(os.path.join(folder, "records"), "w") as f:
            f.write('{"record":"hello","ts":"20')
        p = self.sensor(dpdk("net_pcap0,rx_pcap=" + MANY.path), folder=folder)
        self.taken(p, len(MANY.frames))
        p.end()
        self.balanced(p)
        cut, *others = p.read(p.written).splitlines()
        self.assertEqual(cut, '{"record":"hello","ts":"20')
        self.same(what(parse("\n".join(others))), what(MANY.records))

    def test_hup_under_load(self):
        """Files are rotated twice a second: each record is in one of them, once."""
        for way in ("net_pcap", "libpcap"):
            folder = self.folder()
            outputs = [f"json:{folder}/records?linger_s=60"]
            with self.subTest(way), self.running({**WAYS[way](), "outputs": outputs}, folder=folder) as p:
                moved = []
                # What libpcap has is given to the program four times a second.
                sender, wrong = self.fed(p, FLOWS.frames, mix.CHUNK * (3 if way == "libpcap" else 1))
                while sender.is_alive() or len(moved) < 3:
                    time.sleep(0.4)
                    moved.append(f"{p.written}.{len(moved)}")
                    os.rename(p.written, moved[-1])
                    p.send(signal.SIGHUP)
                    self.assertTrue(until(lambda: os.path.exists(p.written)), p.said())
                sender.join()
                self.assertEqual(wrong, [])
                p.end()
                self.balanced(p)
                self.assertGreaterEqual(len(moved), 3)
                records = [r for path in (*moved, p.written) for r in self.lines(path)]
                self.assertEqual(len(records), self.sinks(p, "delivered"))
                self.assertEqual(self.sinks(p, "lost"), 0)
                self.assertGreaterEqual(p.said().count("outputs opened again"), len(moved) - 1)
                self.same(what(records), what(FLOWS.records))


class Links(FaultTest):
    def test_down_and_up(self):
        """It goes on, and says what happened; what libpcap reads ends with an error (test_live.py)."""
        for way in PORTS:
            with self.subTest(way), self.running(WAYS[way]()) as p:
                name = p.config["dpdk"]["ports"][0]["device"].partition(",")[0]
                half = len(MANY.frames) // 2
                self.feed(p, "ta", MANY.frames[:half])
                sh("ip", "link", "set", "tb", "down")
                self.assertTrue(p.saying(f"{name}: link down"), p.said())
                sh("ip", "link", "set", "tb", "up")
                self.assertTrue(p.saying(f"{name}: link up"), p.said())
                self.feed(p, "ta", MANY.frames[half:])
                p.end()
                self.expect_ports(p, sent=len(MANY.frames))
                self.same(what(self.lines(p.written)), what(MANY.records))
                self.assertEqual(p.ports("link_changes"), 2)
                self.assertEqual(p.ports("errors"), 0)

    def test_the_other_end_goes_down(self):
        p = self.start("net_af_packet")
        sh("ip", "link", "set", "ta", "down")
        self.assertTrue(p.saying("net_af_packet0: link down"), p.said())
        sh("ip", "link", "set", "ta", "up")
        self.assertTrue(p.saying("net_af_packet0: link up"), p.said())
        p.end()
        self.balanced(p)

    def test_the_interface_goes_away(self):
        """Nothing will ever come again: it ends, with an error, and the ledger."""
        for way in WAYS:
            with self.subTest(way), self.running(WAYS[way]()) as p:
                self.feed_all(p, way)
                sh("ip", "link", "del", "ta")
                p.wait()
                self.balanced(p, status=1)
                gone = "net_[a-z_]+0: the device has gone|tb: .*(disappeared|went down)"
                self.assertRegex(p.said(), f"hellotap: ({gone})\n")
                self.assertEqual(p.ledger["frames"]["total"], len(MANY.frames))
                self.same(what(self.lines(p.written)), what(MANY.records))
            if not os.path.exists("/sys/class/net/ta"):
                veth("ta", "tb", mtu=1500)

    def test_one_of_two_goes_away(self):
        """The other goes on; the exit status tells."""
        veth("ua", "ub", mtu=1500)
        p = self.sensor(dpdk("net_af_packet0,iface=tb", "net_af_packet1,iface=ub"))
        sh("ip", "link", "del", "ua")
        self.assertTrue(p.saying("net_af_packet1: the device has gone"), p.said())
        self.feed(p, "ta", MANY.frames)
        p.end()
        self.balanced(p, status=1)
        self.same(what(self.lines(p.written)), what(MANY.records))


class Outputs(FaultTest):
    """Frames come from a file with 4000 hellos, some 2 MB of records, or from a veth."""

    def fifo(self, room=1 << 16):
        path = os.path.join(self.folder(), "fifo")
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, room)
        return path, reader

    def read_all(self, reader):
        """What a pipe holds, until it is empty."""
        got = b""
        while True:
            try:
                part = os.read(reader, 1 << 16)
            except BlockingIOError:
                return got
            if not part:
                return got
            got += part

    def slow(self, path, linger_s=2):
        """One MiB for records that wait."""
        config = dpdk("net_pcap0,rx_pcap=" + FLOWS.path, outputs=[f"json:{path}?queue_mib=1&linger_s={linger_s}"])
        return self.sensor({**config, "service": {"stall_s": 1}})

    def test_nobody_reads_on(self):
        """A reader that takes nothing costs its own records, which are counted, and neither the capture nor the end."""
        path, reader = self.fifo()
        self.addCleanup(os.close, reader)
        p = self.slow(path)
        self.assertTrue(p.has_taken(len(FLOWS.frames)))  # the capture goes on
        self.assertTrue(p.saying(f"the output json:{path} is stalled: no turn for 1 s"), p.said())
        p.end()
        self.balanced(p, status=1)
        self.assertEqual(p.ledger["queue"]["lost_queue_full"], 0)
        self.assertEqual(self.sinks(p, "records"), len(FLOWS.records))
        self.assertGreater(self.sinks(p, "lost_queue_full"), 0)
        self.assertGreater(self.sinks(p, "lost_unreachable"), 0)
        self.assertIn(f"json:{path}: takes nothing: {self.sinks(p, 'lost_unreachable')} records", p.said())

    def test_nobody_reads_one_of_two(self):
        """The other output has all of it."""
        path, reader = self.fifo()
        self.addCleanup(os.close, reader)
        other = os.path.join(self.folder(), "other")
        outputs = [f"json:{path}?queue_mib=1&linger_s=1", "json:" + other]
        p = self.sensor(dpdk("net_pcap0,rx_pcap=" + FLOWS.path, outputs=outputs))
        self.assertTrue(p.has_taken(len(FLOWS.frames)))
        self.assertTrue(until(lambda: self.num_lines(other) == len(FLOWS.records)), p.said())
        p.end()
        self.balanced(p, status=1)
        self.same(what(self.lines(other)), what(FLOWS.records))

    def test_hup_while_nobody_reads(self):
        """What the output had counts on in all sums, while it is ending and when it was left behind."""
        path, reader = self.fifo()
        self.addCleanup(os.close, reader)
        other = os.path.join(self.folder(), "other")
        outputs = [f"json:{path}?queue_mib=1&linger_s=1&records=hello", "json:" + other]
        more = {"outputs": outputs, "records": ["hello", "stats"], "stats_interval_s": 1}
        p = self.sensor(dpdk("net_pcap0,rx_pcap=" + FLOWS.path, **more))
        stats = lambda: [r for r in p.records(other) if r["record"] == "stats"]  # noqa: E731
        self.assertTrue(p.has_taken(len(FLOWS.frames)))
        self.assertTrue(until(lambda: len(stats()) > 0), p.said())
        p.send(signal.SIGHUP)
        self.assertTrue(p.saying("outputs opened again"), p.said())
        before = len(stats())
        self.assertTrue(until(lambda: len(stats()) > before + 2), p.said())
        p.end()
        self.balanced(p, status=1)
        told = [r["ledger"]["sinks"][0]["records"] for r in stats()]
        self.assertEqual(told, sorted(told))
        self.assertEqual(p.ledger["sinks"][0]["records"], len(FLOWS.records))
        self.assertGreater(p.ledger["sinks"][0]["lost_unreachable"], 0)

    def test_it_reads_on_after_all(self):
        """What was lost is lost, all the rest is delivered."""
        path, reader = self.fifo()
        p = self.slow(path, linger_s=60)
        self.assertTrue(p.has_taken(len(FLOWS.frames)))
        self.assertTrue(p.saying(f"the output json:{path} is stalled"), p.said())
        got = []
        thread = threading.Thread(target=lambda: got.append(self.drain(reader)))
        thread.start()
        self.assertTrue(p.saying(f"the output json:{path} goes on"), p.said())
        p.end()
        thread.join(SECONDS)
        self.assertFalse(thread.is_alive())
        os.close(reader)
        records = parse(got[0].decode())
        self.balanced(p, status=1)
        self.assertGreater(self.sinks(p, "lost_queue_full"), 0)
        self.assertEqual(self.sinks(p, "lost"), self.sinks(p, "lost_queue_full"))
        self.assertEqual(len(records), self.sinks(p, "records") - self.sinks(p, "lost"))
        self.assertEqual(len(records), self.sinks(p, "delivered"))

    def drain(self, reader):
        """To the end."""
        os.set_blocking(reader, True)
        got = b""
        while part := os.read(reader, 1 << 16):
            got += part
        return got

    def test_disk_full(self):
        """Records are lost and counted; when there is room again, it goes on."""
        disk = self.folder()
        sh("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk)
        self.addCleanup(sh, "umount", "-l", disk)
        p = self.start("libpcap", outputs=["json:" + os.path.join(disk, "out")], live={"buffer_mib": 64})
        self.feed_all(p, "libpcap", FLOWS.frames)
        self.assertTrue(until(lambda: p.metric("sink_lost_total") > 0), p.said())
        before = p.metric("sink_delivered_total")
        sh("mount", "-o", "remount,size=16m", disk)
        late = Capture("late", mix.mixed(["chromium-quic.pcapng"]))
        send("ta", late.path)
        self.assertTrue(until(lambda: p.metric("sink_delivered_total") > before), p.said())
        p.end()
        self.balanced(p, status=1)
        self.assertGreater(self.sinks(p, "lost"), 0)
        self.assertEqual(len(self.lines(os.path.join(disk, "out"))), self.sinks(p, "delivered"))
        self.assertRegex(p.said(), r"hellotap: json:.*/out: No space left on device: \d+ records lost")

    def test_no_reader_is_left(self):
        """Of two pipes one goes, and it goes on; then the other, and it ends."""
        a, reader_a = self.fifo(1 << 20)
        b, reader_b = self.fifo(1 << 20)
        p = self.start("libpcap", outputs=["json:" + a, "json:" + b])
        os.close(reader_a)
        self.feed_all(p, "libpcap")
        self.assertTrue(until(lambda: p.metric("sink_delivered_total") == len(MANY.records)), p.said())
        self.assertTrue(until(lambda: p.metric("sink_lost_total") == len(MANY.records)), p.said())
        time.sleep(0.5)
        self.assertIsNone(p.p.poll(), p.said())
        self.same(what(parse(self.read_all(reader_b).decode())), what(MANY.records))
        os.close(reader_b)
        late = Capture("late", mix.mixed(["chromium-quic.pcapng"]))
        send("ta", late.path)
        p.wait()
        self.balanced(p, status=1)
        # It may not have waited for the last of them.
        self.assertEqual(self.sinks(p, "records"), 2 * p.ledger["queue"]["records"])
        self.assertGreater(self.sinks(p, "records"), 2 * len(MANY.records))
        self.assertEqual(self.sinks(p, "delivered"), len(MANY.records))


if __name__ == "__main__":
    sensor.main(["tcpdump"], ["dpdk", "yaml", "microhttpd"])
