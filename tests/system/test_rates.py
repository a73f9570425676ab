#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Floods and fingerprints, through the whole program.

usage: test_rates.py PROGRAM FLOOD PCAPS [TEST...]

FLOOD makes the capture of a flood (flood.c), which is read through a pipe. The captures of PCAPS, and those of
../shared/corpus where they are, are of nobody's flood.
"""
import collections
import glob
import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM, FLOOD, PCAPS = (os.path.abspath(a) for a in sys.argv[1:4])
CORPUS = os.path.join(PCAPS, "..", "..", "shared", "corpus")
RATES = ("flood", "new_fingerprint", "rare_fingerprint")
RATE, MS, SOURCES = 1000000, 1600, 100000


def seconds(ts):
    """Of the minute, which is enough."""
    return float(ts[17:].rstrip("Z"))


def run(args, **more):
    p = subprocess.run([PROGRAM, "-q", "-o", "json", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **more)
    return p, [json.loads(line) for line in p.stdout.splitlines()]


class Flood(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.records, cls.ledger, cls.peak_mib = cls.replay(RATE, MS, 13)

    @staticmethod
    def replay(rate, ms, after, *args):
        """The events, the ledger, and the most memory that the program had."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            with subprocess.Popen([FLOOD, str(rate), str(ms), str(SOURCES), str(after)], stdout=subprocess.PIPE) as made:
                p = subprocess.Popen([PROGRAM, "-q", "-r", "-", "-o", "json", "--records", "event", "--stats", "json", *args],
                                     stdin=made.stdout, stdout=out, stderr=err)  # fmt: skip
                _, status, usage = os.wait4(p.pid, 0)
                p.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            text = err.read()
            assert p.returncode == 0, text
            return [json.loads(line) for line in out], json.loads(text), usage.ru_maxrss / 1024

    def test_each_hello_was_seen(self):
        hellos = self.ledger["hellos"]
        self.assertEqual(hellos["complete"], RATE * MS // 1000 + 1000 + MS + 13000)
        self.assertEqual(hellos["begun"], hellos["complete"])
        self.assertEqual(self.ledger["rates"]["hellos"], hellos["begun"])
        self.assertTrue(self.ledger["balanced"])

    def test_told_within_two_seconds_with_the_right_peak(self):
        # It begins a second after the capture, to one address for one name.
        told = [(r["flood_by"], r["flood_state"]) for r in self.records]
        self.assertEqual(sorted(told), [("destination", "end"), ("destination", "start"), ("sni", "end"), ("sni", "start")])
        for r in self.records:
            self.assertEqual((r["kind"], r["start"]), ("flood", "2025-11-21T01:00:01.000000000Z"))
            self.assertTrue(0.9 * RATE <= r["rate_peak"] <= 1.1 * RATE, r)
            self.assertTrue(0.9 * SOURCES <= r["clients"] <= 1.1 * SOURCES, r)
            if r["flood_by"] == "destination":
                self.assertEqual(r["dst_ip"], "198.51.100.7")
            else:
                self.assertEqual(r["sni"], "w000.example")
            if r["flood_state"] == "start":
                self.assertEqual(r["severity"], "warning")
                self.assertLessEqual(seconds(r["ts"]), 1 + 2)
            else:
                self.assertAlmostEqual(seconds(r["end"]), 1 + MS / 1000, delta=0.11)
                self.assertEqual(r["hellos"], RATE * MS // 1000)

    def test_memory_is_bounded(self):
        _, _, small = self.replay(RATE / 10, MS, 13)
        self.assertLess(self.peak_mib, 160)
        # Ten times the hellos: tables of a fixed size are filled a little more.
        self.assertLess(self.peak_mib, small + 48)

    def test_the_table_for_people(self):
        with subprocess.Popen([FLOOD, "30000", "1500", "100", "0"], stdout=subprocess.PIPE) as made:
            p = subprocess.run([PROGRAM, "-q", "-r", "-", "-o", "table", "--records", "event"], stdin=made.stdout, stdout=subprocess.PIPE, text=True, check=True)
        self.assertIn("flood start", p.stdout)
        self.assertIn("30000/s", p.stdout)

    def test_a_threshold_of_the_command_line(self):
        # Beside it 256 sources of one network send 256 hellos a second for a while.
        for hz, told in (("2000", {"destination", "sni"}), ("100", {"destination", "source", "sni"}), ("0", set())):
            records, _, _ = self.replay(5000, 1500, 0, "--flood", hz)
            self.assertEqual({r["flood_by"] for r in records if r["flood_state"] == "start"}, told, hz)


class Captures(unittest.TestCase):
    def none_in(self, files):
        kinds = collections.Counter()
        for i in range(0, len(files), 200):
            args = [a for f in files[i : i + 200] for a in ("-r", f)]
            _, records = run(["--records", "event", *args])  # cut-short captures end with status 1
            kinds.update(r["kind"] for r in records)
        self.assertGreater(kinds["upgrade"], 0)
        self.assertEqual({k: kinds[k] for k in RATES}, dict.fromkeys(RATES, 0))

    def test_none_in_those_of_the_project(self):
        files = sorted(glob.glob(os.path.join(PCAPS, "*.pcap*")))
        self.assertGreater(len(files), 100)
        self.none_in(files)

    def test_none_in_the_shared_ones(self):
        files = sorted(glob.glob(os.path.join(CORPUS, "*", "*.pcap*")))
        if not files:
            self.skipTest("../shared/corpus is not here")
        self.none_in(files)


class Fingerprints(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.store = os.path.join(self.folder.name, "store")
        self.config = os.path.join(self.folder.name, "c.yaml")
        self.configure(learn_s=0, learn_hellos=0)

    def tearDown(self):
        self.folder.cleanup()

    def configure(self, **more):
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(f"rates:\n  store: {self.store}\n")
            f.writelines(f"  {k}: {v}\n" for k, v in more.items())

    def told(self, capture, status=0, args=()):
        p, records = run(["-c", self.config, "-r", os.path.join(PCAPS, capture), *args])
        self.assertEqual(p.returncode, status, p.stderr)
        self.stderr = p.stderr
        return [r for r in records if r.get("kind") in RATES], records

    def test_a_new_one_is_told_once(self):
        events, records = self.told("tls13-hello.pcap")
        self.assertEqual([e["kind"] for e in events], ["new_fingerprint"])
        hello = next(r for r in records if r["record"] == "hello")
        for name in ("ja4", "src_ip", "dst_ip", "dst_port", "community_id", "sni", "ts", "frame"):
            self.assertEqual(events[0].get(name), hello.get(name), name)
        events, _ = self.told("tls13-hello.pcap")
        self.assertEqual(events, [])  # known by the store

    def test_it_learns_first(self):
        self.configure()
        events, _ = self.told("tls13-hello.pcap")
        self.assertEqual(events, [])
        # Where it was known before, it is not told when it has learned.
        self.configure(learn_s=0, learn_hellos=1, rare_clients=0)
        events, _ = self.told("tls13-hello.pcap")
        self.assertEqual(events, [])

    def test_a_rare_one(self):
        self.configure(learn_s=0, learn_hellos=0, rare_interval_s=1)
        self.told("tls13-hello.pcap")
        # The same capture a year later.
        later = os.path.join(self.folder.name, "later.pcap")
        with open(os.path.join(PCAPS, "tls13-hello.pcap"), "rb") as f:
            d = bytearray(f.read())
        at = 24
        while at < len(d):
            d[at : at + 4] = (int.from_bytes(d[at : at + 4], "little") + 31536000).to_bytes(4, "little")
            at += 16 + int.from_bytes(d[at + 8 : at + 12], "little")
        with open(later, "wb") as f:
            f.write(d)
        events, _ = self.told(later)
        self.assertEqual([(e["kind"], e["hellos"], e["clients"]) for e in events], [("rare_fingerprint", 2, 1)])
        self.assertEqual(events[0]["first_seen"], events[0]["last_seen"])

    def test_a_damaged_store_is_moved_away(self):
        self.told("tls13-hello.pcap")
        with open(self.store, "r+b") as f:
            f.seek(100)
            f.write(b"\xff")
        events, _ = self.told("tls13-hello.pcap")
        self.assertIn("its checksum is wrong", self.stderr)
        self.assertEqual(len(events), 1)
        self.assertTrue(os.path.exists(self.store + ".damaged"))

    def test_what_is_no_file_is_no_store(self):
        for self.store in ("/dev/full", self.folder.name):
            p, _ = run(["--fingerprints", self.store, "-r", os.path.join(PCAPS, "tls13-hello.pcap")])
            self.assertEqual(p.returncode, 1)
            self.assertEqual(p.stderr, f"hellotap: {self.store}: no file of fingerprints\n")

    def test_what_is_no_store_is_left_alone(self):
        with open(self.store, "w", encoding="utf-8") as f:
            f.write("something else")
        self.told("tls13-hello.pcap", 1)
        self.assertIn("no store of fingerprints", self.stderr)
        with open(self.store, encoding="utf-8") as f:
            self.assertEqual(f.read(), "something else")

    def test_it_is_no_output(self):
        self.told("tls13-hello.pcap", 2, ["-o", "json:" + self.store])

    def test_its_folder_is_missing(self):
        self.store = os.path.join(self.folder.name, "none", "store")
        self.configure()
        for args in ([], ["--check"]):
            self.assertEqual(self.told("tls13-hello.pcap", 1, args), ([], []))
            self.assertIn("no store can be made there: No such file or directory", self.stderr)

    def test_without_events_it_still_learns(self):
        p, records = run(["--records", "hello", "--fingerprints", self.store, "-r", os.path.join(PCAPS, "tls13-hello.pcap")])
        self.assertEqual((p.returncode, len(records)), (0, 1))
        self.assertEqual(os.path.getsize(self.store), 48 + 136 + 8)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
