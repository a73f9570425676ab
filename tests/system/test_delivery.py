#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What becomes of records when a collector or a disk fails: all of them arrive, or are counted as lost.

usage: test_delivery.py PROGRAM CAPTURES-FOLDER [CASE...]
Skipped (77) where this machine lacks something.

The collector is ipfix_reader.py. After each case the ledger must add up, and the numbers that arrived must bear it out:
what is missing is counted, and what came for the first time came in order.
"""

import glob
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

import mix
import sensor
from ipfix_reader import Collector
from mix import Capture
from sensor import PROGRAM, LiveTest, parse, sh, until, veth

FILES = 6  # of a replay: so many times the same capture
ENDS_IN_S = 150  # a program that has to deliver before it ends, which it is given 60 s for (LINGER)
LINGER = "linger_s=60"


def setUpModule():
    global FLOWS, PARTS
    # A connection has room for little, that whoever does not read is felt soon.
    for name, value in (("tcp_wmem", "4096 16384 65536"), ("tcp_rmem", "4096 16384 65536")):
        with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as f:
            f.write(value)
    FLOWS = Capture("flows", mix.many(500))
    # Connections that none of the others has: an end that is a moment ago is remembered.
    PARTS = [Capture(f"part{i}", part) for i, part in enumerate(mix.by_flow(mix.many(4000), 4))]


class Replay:
    """The program that reads FLOWS some times."""

    def __init__(self, *outputs, files=FILES, records="hello,flow", more=()):
        self.out = tempfile.TemporaryFile(mode="a+")  # appended to, wherever it is read
        args = [a for _ in range(files) for a in ("-r", FLOWS.path)]
        outputs = [a for o in outputs for a in ("-o", o)]
        self.p = subprocess.Popen(
            [PROGRAM, *args, "--records", records, *outputs, "--sensor-id", "sensor-7", "--stats", "json", *more],
            stdout=subprocess.DEVNULL, stderr=self.out,
        )  # fmt: skip

    def said(self):
        self.out.seek(0)
        return self.out.read()

    def naps(self, outputs):
        """{thread: how many times it went to sleep by itself}, of the outputs' threads or of the first one"""
        found = {}
        for path in glob.glob(f"/proc/{self.p.pid}/task/{'*' if outputs else self.p.pid}/status"):
            try:
                with open(path, encoding="ascii") as f:
                    text = f.read()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has just ended
            if not outputs or "Name:\toutput\n" in text:
                found[path] = int(re.search(r"^voluntary_ctxt_switches:\t(\d+)$", text, re.M)[1])
        return found

    def dozes(self, outputs, times=3):
        """Waits until those threads went to sleep some times. Who has nothing to do, or waits for others, looks again after
        a tenth of a second at most; who has something to do does that first."""
        if not until(lambda: self.naps(outputs) or self.p.poll() is not None):
            return False
        before = self.naps(outputs)

        def done():
            now = self.naps(outputs)
            return all(t not in now or now[t] >= n + times for t, n in before.items())

        return until(lambda: done() or self.p.poll() is not None) and self.p.poll() is None

    def rests(self):
        """Waits until it has done what it can: the reading waits for outputs, and those for somebody else."""
        return self.dozes(outputs=True) and self.dozes(outputs=False) and self.dozes(outputs=True)

    def wait(self, seconds=ENDS_IN_S):
        try:
            status = self.p.wait(seconds)
        except subprocess.TimeoutExpired:
            self.close()
            raise AssertionError("does not end: " + self.said()) from None
        lines = [line for line in self.said().splitlines() if line.startswith('{"record":"stats"')]
        assert lines, f"no ledger, exit status {status}: {self.said()}"
        self.ledger = json.loads(lines[0])
        return status

    def close(self):
        if self.p.poll() is None:
            self.p.kill()
            self.p.wait()
        self.out.close()


class DeliveryTest(LiveTest):
    def collector(self, up=True):
        c = Collector()
        self.addCleanup(c.close)
        if up:
            c.up()
        return c

    def replay(self, *args, **kw):
        p = Replay(*args, **kw)
        self.addCleanup(p.close)
        return p

    def end(self, p):
        """By a signal, and the time that it may take to deliver what is there."""
        p.send(signal.SIGTERM)
        p.wait(ENDS_IN_S)

    def delivered(self, p):
        """Waits until all that was put is at the collector."""
        self.assertTrue(until(lambda: p.metric("sink_delivered_total") >= p.metric("sink_records_total"), 60), p.said())

    def spool(self, size=None):
        folder = self.folder()
        if size is not None:
            sh("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
            self.addCleanup(sh, "umount", "-l", folder)
        return folder

    # --- what must hold ---

    def sink(self, p, to):
        """The counters of an output, of which the sums hold."""
        self.assertTrue(p.ledger["balanced"], p.said())
        found = [s for s in p.ledger["sinks"] if s["sink"].startswith(to)]
        self.assertEqual(len(found), 1, p.ledger["sinks"])
        s = found[0]
        self.assertEqual(s["records"] + s["recovered"], s["delivered"] + s["lost"] + s["spool_left"], s)
        self.assertEqual(s["lost"], sum(v for k, v in s.items() if k.startswith("lost_")), s)
        return s

    def in_order(self, numbers):
        """Those of each run, apart from repeats, came in order. Returns {run: set}, and how many were repeats."""
        runs, newest, repeats = {}, {}, 0
        for n in numbers:
            self.assertEqual(n.sensor, "sensor-7")
            seen = runs.setdefault(n.run, set())
            if n.sequence in seen:
                repeats += 1
                continue
            self.assertGreater(n.sequence, newest.get(n.run, 0), "order")
            seen.add(n.sequence)
            newest[n.run] = n.sequence
        return runs, repeats

    def proves(self, s, numbers):
        """What came of one run is what its counters say."""
        runs, repeats = self.in_order(numbers)
        (came,) = runs.values() or [set()]
        self.assertLessEqual(max(came, default=0), s["records"])
        missing = s["records"] - len(came)
        # What was under way at the end, or is in the spool, may have arrived.
        unsure = s["lost_unreachable"] + s["spool_left"]
        self.assertLessEqual(missing, s["lost"] + s["spool_left"])
        self.assertGreaterEqual(missing, s["lost"] + s["spool_left"] - unsure)
        self.assertLessEqual(repeats, s["sent_again"])
        print(f"  {s['records']} records, {len(came)} came, {repeats} of them again; "
              + ", ".join(f"{k} {v}" for k, v in s.items() if k not in ("sink", "records") and v), flush=True)

    def all_came(self, s, numbers):
        self.proves(s, numbers)
        self.assertEqual((s["delivered"], s["lost"], s["spool_left"]), (s["records"], 0, 0))


class Replays(DeliveryTest):
    """Whoever reads files waits for outputs: nothing need be lost."""

    def test_down_at_the_start(self):
        for spool in (False, True):
            with self.subTest(spool=spool):
                c = self.collector(up=False)
                p = self.replay(c.to + "?queue_mib=1&linger_s=60" + (f"&spool={self.spool()}&spool_mib=1" if spool else ""))
                self.assertTrue(until(lambda: "Connection refused; records " in p.said()), p.said())
                self.assertTrue(p.rests(), p.said())
                c.up()
                self.assertEqual(p.wait(), 0, p.said())
                s = self.sink(p, c.to)
                self.assertGreater(s["connect_failures"], 0)
                self.all_came(s, c.numbers)

    def test_down_in_the_middle(self):
        for spool in (False, True):
            with self.subTest(spool=spool):
                c = self.collector()
                c.up_to = 1500
                p = self.replay(c.to + "?queue_mib=1&linger_s=60" + (f"&spool={self.spool()}&spool_mib=1" if spool else ""))
                self.assertTrue(until(lambda: c.count() >= 1500), p.said())
                c.down()
                self.assertTrue(p.rests(), p.said())
                c.up()
                self.assertEqual(p.wait(), 0, p.said())
                s = self.sink(p, c.to)
                self.assertEqual(s["connects"], 2)
                self.assertEqual(len(c.streams), 2)
                self.all_came(s, c.numbers)

    def test_the_network_is_away(self):
        """The connection stands, and nobody answers."""
        c = self.collector()
        c.up_to = 1500
        p = self.replay(f"{c.to}?queue_mib=1&linger_s=60&spool={self.spool()}")
        self.assertTrue(until(lambda: c.count() >= 1500), p.said())
        sh("ip", "link", "set", "lo", "down")
        c.up_to = None
        self.assertTrue(c.has_read_all())
        came = c.count()
        self.assertTrue(p.rests(), p.said())
        self.assertEqual(c.count(), came)
        sh("ip", "link", "set", "lo", "up")
        self.assertEqual(p.wait(), 0, p.said())
        self.all_came(self.sink(p, c.to), c.numbers)

    def test_slow(self):
        c = self.collector()
        c.per_second = 5000
        p = self.replay(c.to + "?queue_mib=1&" + LINGER)
        self.assertEqual(p.wait(), 0, p.said())
        s = self.sink(p, c.to)
        self.assertEqual((s["connects"], s["sent_again"]), (1, 0))
        self.all_came(s, c.numbers)

    def test_never_there(self):
        """Without a spool all is lost, and said; with one it is there for the next run, and goes first."""
        c = self.collector(up=False)
        p = self.replay(c.to + "?queue_mib=64&linger_s=1", files=1)
        self.assertEqual(p.wait(), 1, p.said())
        s = self.sink(p, c.to)
        self.proves(s, c.numbers)
        self.assertEqual(s["lost_unreachable"], s["records"])
        self.assertIn(f"{c.to}: {s['records']} records lost (unreachable {s['records']})", p.said())
        spool = f"{c.to}?{LINGER}&spool={self.spool()}"
        left = 0
        for _ in range(2):
            p = self.replay(spool, files=1)
            self.assertEqual(p.wait(), 0, p.said())
            s = self.sink(p, c.to)
            self.assertEqual((s["recovered"], s["spool_left"]), (left, left + s["records"]))
            left = s["spool_left"]
        c.up()
        p = self.replay(spool, files=1)
        self.assertEqual(p.wait(), 0, p.said())
        s = self.sink(p, c.to)
        self.assertEqual((s["recovered"], s["delivered"]), (left, left + s["records"]))
        runs, repeats = self.in_order(c.numbers)
        self.assertEqual([len(n) for n in runs.values()], [s["records"]] * 3)
        self.assertEqual(list(runs), sorted(runs))  # the oldest run first
        self.assertEqual(repeats, 0)

    def test_spool_disk_is_full(self):
        """Whoever waits loses nothing."""
        c = self.collector(up=False)
        disk = self.spool("1m")
        p = self.replay(f"{c.to}?queue_mib=1&linger_s=60&spool={disk}")
        self.assertTrue(until(lambda: self.is_full(disk)), p.said())
        self.assertTrue(p.rests(), p.said())
        c.up()
        self.assertEqual(p.wait(), 0, p.said())
        self.all_came(self.sink(p, c.to), c.numbers)

    def test_spool_disk_is_full_and_nobody_waits(self):
        """What has no room is lost, and counted; what had is sent by the next run."""
        c = self.collector(up=False)
        disk = self.spool("256k")  # less than a queue that was full puts there
        to = f"{c.to}?queue_mib=1&spool={disk}"
        p = self.replay(to + "&when_full=drop")
        self.assertEqual(p.wait(), 1, p.said())
        first = self.sink(p, c.to)
        self.assertGreater(first["lost_spool_failed"], 0)
        self.assertGreater(first["spool_left"], 0)
        self.assertIn("No space left on device", p.said())
        sh("mount", "-o", "remount,size=64m", disk)
        c.up()
        p = self.replay(f"{to}&{LINGER}", files=1)
        self.assertEqual(p.wait(), 0, p.said())
        s = self.sink(p, c.to)
        self.assertEqual((s["recovered"], s["lost"]), (first["spool_left"], 0))
        runs, repeats = self.in_order(c.numbers)
        self.assertEqual([len(n) for n in runs.values()], [first["spool_left"], s["records"]])
        self.assertEqual(repeats, 0)

    def test_a_signal_while_it_lingers(self):
        """It ends then and there. What was not delivered is in the spool, without one it is lost and counted."""
        for spool in (True, False):
            for answers in (True, False):
                with self.subTest(spool=spool, answers=answers):
                    c = self.collector(up=answers)
                    c.reading = False  # the connection stands
                    if not answers:
                        self.listens_to_nobody(c.port)
                    to = c.to + "?queue_mib=8&linger_s=60" + (f"&spool={self.spool()}" if spool else "")
                    done = os.path.join(self.folder(), "done")
                    p = self.replay(to, "json:" + done, files=1)
                    # All was read, and the file has it: its thread has ended, and the first one waits for the other.
                    ended = lambda done=done, p=p: self.size(done) > 0 and len(p.naps(outputs=True)) == 1  # noqa: E731
                    self.assertTrue(until(ended), p.said())
                    self.assertTrue(p.dozes(outputs=False, times=20), p.said())
                    begun = time.monotonic()
                    p.p.send_signal(signal.SIGTERM)
                    status = p.wait()
                    self.assertLess(time.monotonic() - begun, 30)  # and not when it has lingered
                    s = self.sink(p, c.to)
                    self.assertEqual(status, 0 if spool else 1, p.said())
                    self.assertEqual(s["lost"], 0 if spool else s["lost_unreachable"])
                    self.assertGreater(s["spool_left"] if spool else s["lost"], 500)
                    if answers:
                        c.reading = True
                        self.assertTrue(until(lambda c=c: not c.open))
                        self.proves(s, c.numbers)

    @staticmethod
    def size(path):
        return os.path.getsize(path) if os.path.exists(path) else 0

    def listens_to_nobody(self, port):
        """Whoever connects gets no answer: the listener's backlog is full."""
        s = socket.create_server(("127.0.0.1", port), backlog=0)
        self.addCleanup(s.close)
        for _ in range(2):
            full = socket.socket()
            full.setblocking(False)
            full.connect_ex(("127.0.0.1", port))
            self.addCleanup(full.close)

    def test_says_why_it_waits(self):
        """Whoever replays is told what holds that up, while it does."""
        c = self.collector(up=False)
        p = self.replay(c.to + "?queue_mib=1&linger_s=60&retry_max_s=1")
        self.assertTrue(until(lambda: f"hellotap: {c.to}: Connection refused; records wait\n" in p.said()), p.said())
        waits = f"hellotap: {re.escape(c.to)}: Connection refused; it holds up all others, [1-9]\\d* records wait for it\n"
        self.assertTrue(until(lambda: re.search(waits, p.said()), 60), p.said())
        self.assertIsNone(p.p.poll(), p.said())
        c.per_second = 1000  # so that it has not ended when it may say something again
        c.up()
        self.assertTrue(until(lambda: f"hellotap: {c.to}: is back\n" in p.said(), 60), p.said())
        c.per_second = None
        self.assertEqual(p.wait(), 0, p.said())
        self.all_came(self.sink(p, c.to), c.numbers)

    def test_says_that_it_is_slow(self):
        c = self.collector()
        c.per_second = 300
        p = self.replay(c.to + "?queue_mib=1&" + LINGER, files=3)
        slow = f"hellotap: {re.escape(c.to)}: is slow; it holds up all others, [1-9]\\d* records wait for it\n"
        self.assertTrue(until(lambda: re.search(slow, p.said()), 60), p.said())
        c.per_second = None
        self.assertEqual(p.wait(), 0, p.said())
        self.all_came(self.sink(p, c.to), c.numbers)

    @staticmethod
    def is_full(folder, room=65536):
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize < room

    def test_disk_is_full_of_rotated_files(self):
        """Where a file has no room records are lost; what is there is whole, and with room it goes on."""
        for compress in ("none", "zstd"):
            with self.subTest(compress):
                disk = self.spool("2m" if compress == "none" else "96k")
                to = f"json:{disk}/out.json"
                pace = self.collector()  # holds up the replay, so that there is room before its end
                pace.up_to = 8000  # more than the disk holds
                rotate = "rotate_mib=1" if compress == "none" else "rotate_s=1"
                p = self.replay(f"{to}?{rotate}&compress={compress}&{LINGER}", pace.to + "?queue_mib=1&" + LINGER)
                self.assertTrue(until(lambda: self.is_full(disk, 8192) and pace.count() >= pace.up_to), p.said())
                self.assertTrue(p.rests(), p.said())
                sh("mount", "-o", "remount,size=256m", disk)
                pace.up_to = None
                self.assertEqual(p.wait(), 1, p.said())
                s = self.sink(p, to)
                records = []
                for path in sorted(glob.glob(os.path.join(disk, "*"))):
                    text = subprocess.run(["zstd", "-dcq", path] if compress == "zstd" else ["cat", path],
                                          capture_output=True, check=True, text=True).stdout  # fmt: skip
                    self.assertTrue(text.endswith("\n"), path)
                    records += parse(text)
                self.assertEqual(os.listdir(disk), [n for n in os.listdir(disk) if n[0] != "."])
                numbers = [r["sequence"] for r in records]
                self.assertEqual(numbers, sorted(set(numbers)))
                self.assertEqual((len(numbers), s["lost"]), (s["delivered"], s["lost_refused"]))
                self.assertGreater(s["lost"], 0)
                self.assertEqual(numbers[-1], s["records"])  # it went on
                self.assertEqual(s["records"] - len(numbers), s["lost"])
                self.all_came(self.sink(p, pace.to), pace.numbers)


class Live(DeliveryTest):
    def setUp(self):
        veth("ta", "tb", mtu=1500)
        self.addCleanup(sh, "ip", "link", "del", "ta")
        self.times = self.made = 0

    # Nothing is lost, also where the output's thread is not given the CPU.
    WITH_SPOOL = {"queue_mib": 1, "when_full": "block", "linger_s": 60, "retry_max_s": 1}

    @staticmethod
    def config(*sinks):
        return {"interfaces": ["tb"], "live": {"buffer_mib": 64}, "records": ["hello"], "sensor_id": "sensor-7",
                "outputs": [], "sinks": list(sinks)}  # fmt: skip

    def start(self, *sinks, folder=None):
        self.times = self.made = 0
        return self.sensor(self.config(*sinks), folder=folder)

    def feed_all(self, p, times=1):
        """Some 2000 records a time, all of them at the outputs when this returns."""
        for _ in range(times):
            part = PARTS[self.times]
            mix.feed(self, p, "ta", part.frames, has_room=True)
            self.times += 1
            self.made += len(part.records)
            if not until(lambda: self.told(p) == self.made):
                self.fail(f"{self.told(p)} of {self.made}, {p.said()}")

    @staticmethod
    def told(p):
        """Records for the first output, counted by those that were in its place, too."""
        return int(next(v for k, v in p.metrics().items() if k[0] == "hellotap_sink_records_total"))

    def test_down_at_the_start_and_again(self):
        c = self.collector(up=False)
        p = self.start({**self.WITH_SPOOL, "to": c.to, "spool": self.spool()})
        self.feed_all(p)
        c.up()
        self.assertTrue(until(lambda: c.count() >= 1000), p.said())
        c.down()
        self.feed_all(p)
        c.up()
        self.feed_all(p)
        self.delivered(p)
        self.end(p)
        s = self.sink(p, c.to)
        self.assertGreaterEqual(s["connects"], 2)
        self.all_came(s, c.numbers)

    def test_without_a_spool(self):
        """What the queue cannot hold is lost; what it holds comes when the collector is back."""
        c = self.collector()
        p = self.start({"to": c.to, "queue_mib": 1, "linger_s": 60, "retry_max_s": 1})
        self.feed_all(p)
        done = lambda: p.metric("sink_delivered_total") + p.metric("sink_lost_total")  # noqa: E731
        self.assertTrue(until(lambda: done() >= p.metric("sink_records_total"), 60), p.said())
        c.down()
        self.feed_all(p, 3)
        c.up()
        self.end(p)
        s = self.sink(p, c.to)
        self.proves(s, c.numbers)
        self.assertGreater(s["lost_queue_full"], 0)
        self.assertEqual(s["lost"], s["lost_queue_full"])

    def test_slow(self):
        """With a spool nothing is lost of what comes faster than it goes; what is not sent at the end is in it."""
        c = self.collector()
        c.per_second = 1000
        c.up_to = 1500  # however long the feeding takes
        to = {**self.WITH_SPOOL, "to": c.to, "spool": self.spool(), "linger_s": 0}
        p = self.start(to)
        self.feed_all(p, 2)
        self.end(p)
        s = self.sink(p, c.to)
        self.proves(s, c.numbers)
        self.assertEqual((s["lost"], s["connects"]), (0, 1))
        self.assertGreater(s["spool_left"], 0)
        c.per_second = c.up_to = None
        self.assertTrue(until(lambda: not c.open))
        came = len(set(c.numbers))
        p = self.start({**to, "linger_s": 60})
        self.assertTrue(until(lambda: p.metric("sink_delivered_total") >= s["spool_left"], 60), p.said())
        self.end(p)
        again = self.sink(p, c.to)
        self.assertEqual((again["recovered"], again["lost"]), (s["spool_left"], 0))
        (numbers,) = [{n.sequence for n in c.numbers}]
        self.assertEqual(numbers, set(range(1, s["records"] + 1)))
        self.assertLess(came, s["records"])

    def test_killed_with_a_spool_half_drained(self):
        c = self.collector(up=False)
        to = {**self.WITH_SPOOL, "to": c.to, "spool": self.spool()}
        p = self.start(to)
        self.feed_all(p, 3)
        made = p.metric("sink_records_total")
        c.up_to = made // 2
        c.up()
        self.assertTrue(until(lambda: c.count() >= made // 2), p.said())
        p.send(signal.SIGKILL)
        p.p.wait(sensor.SECONDS)
        c.up_to = None
        self.assertTrue(until(lambda: not c.open))
        came = len(c.numbers)
        self.assertLess(came, made)
        p = self.start(to)
        self.feed_all(p)
        new = p.metric("sink_records_total")
        self.assertTrue(until(lambda: p.metric("sink_delivered_total") >= new + made - came, 60), p.said())
        self.end(p)
        s = self.sink(p, c.to)
        self.assertEqual((s["records"], s["lost"], s["spool_left"]), (new, 0, 0))
        self.assertEqual(s["delivered"], new + s["recovered"])
        runs, repeats = self.in_order(c.numbers)
        self.assertEqual([sorted(n) for n in runs.values()], [list(range(1, made + 1)), list(range(1, new + 1))])
        self.assertEqual(repeats, s["recovered"] + came - made)
        print(f"  {made} records, {came} came, killed, {s['recovered']} recovered, {repeats} came again", flush=True)

    # --- several outputs ---

    def lines(self, path):
        with open(path, encoding="utf-8") as f:
            return parse(f.read())

    def test_hup(self):
        """Files are opened again. A collector that is set as before keeps its connection, another one is replaced."""
        stays, changes = self.collector(), self.collector()
        file = os.path.join(self.folder(), "records")
        sinks = [{"to": to, "linger_s": 60} for to in ("json:" + file, stays.to, changes.to)]
        p = self.start(*sinks)
        said = 0
        for i in range(3):
            self.feed_all(p)
            os.rename(file, f"{file}.{i}")
            if i == 1:
                sinks[2]["domain"] = 7
                p.write({**p.config, "sinks": sinks})
            p.send(signal.SIGHUP)
            said += 1
            self.assertTrue(until(lambda: p.said().count("outputs opened again") == said), p.said())
            self.assertTrue(until(lambda: os.path.exists(file)), p.said())
        self.feed_all(p)
        self.end(p)
        numbers = [len(part.records) for part in PARTS]
        s = self.sink(p, stays.to)
        self.assertEqual((s["records"], s["connects"], len(stays.streams)), (self.made, 1, 1))
        self.all_came(s, stays.numbers)
        s = self.sink(p, changes.to)
        self.assertEqual((s["records"], s["delivered"], s["connects"], len(changes.streams)), (self.made, self.made, 2, 2))
        self.assertEqual([len(x.numbers) for x in changes.streams], [sum(numbers[:2]), sum(numbers[2:])])
        self.assertNotIn("sinks_gone", p.ledger)
        self.assertEqual([len(self.lines(f)) for f in (file + ".0", file + ".1", file + ".2", file)], numbers)

    def test_one_blocked_output_holds_up_no_other(self):
        blocked, reads = self.collector(), self.collector()
        blocked.reading = False
        file = os.path.join(self.folder(), "records")
        others = [{"to": to, "linger_s": 60} for to in (reads.to, "json:" + file)]
        p = self.start({"to": blocked.to, "queue_mib": 1, "linger_s": 0}, *others)
        for _ in PARTS:
            self.feed_all(p)
            self.assertTrue(until(lambda: len(p.records(file)) == self.made), p.said())
            self.assertTrue(until(lambda: reads.count() == self.made), p.said())
            self.assertEqual(blocked.count(), 0)
        self.end(p)
        self.all_came(self.sink(p, reads.to), reads.numbers)
        s = self.sink(p, blocked.to)
        self.assertGreater(s["lost_queue_full"], 0)
        self.assertGreater(s["lost_unreachable"], 0)
        blocked.reading = True
        self.assertTrue(until(lambda: not blocked.open))
        self.proves(s, blocked.numbers)


if __name__ == "__main__":
    sensor.main(["tcpdump", "zstd"], ["yaml", "microhttpd", "fixbuf", "ssl", "protobuf-c", "zstd"])
