#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The program as a service: another user without rights, its configuration file, what it tells of itself.

usage: test_running.py PROGRAM CAPTURES-FOLDER [CASE...]
Skipped (77) where this machine lacks something; what a single case lacks is said at the case.
"""

import contextlib
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import threading
import time

import mix
import sensor
from mix import Capture
from sensor import PROGRAM, SECONDS, LiveTest, Sensor, dpdk, pcap, send, until, veth, what


def setUpModule():
    global MANY
    veth("va", "vb", mtu=1500)
    MANY = Capture("many", mix.many(100))


def nobody_gets_in(test):
    """A port where who connects is neither taken nor refused."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    test.addCleanup(listener.close)
    port = listener.getsockname()[1]
    for _ in range(2):
        full = socket.socket()
        test.addCleanup(full.close)
        full.setblocking(False)
        full.connect_ex(("127.0.0.1", port))
    return port


class User(LiveTest):
    """`service.user`: all is opened as root, then nobody can do nothing."""

    NOBODY = pwd.getpwnam("nobody")
    NO_RIGHTS = {"CapInh": "0", "CapPrm": "0", "CapEff": "0", "CapBnd": "0", "CapAmb": "0", "NoNewPrivs": "1"}

    def threads(self, p):
        """[{word: value}] of every thread's status."""
        found = []
        for tid in os.listdir(f"/proc/{p.p.pid}/task"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                with open(f"/proc/{p.p.pid}/task/{tid}/status") as f:
                    found.append(dict(re.findall(r"^(\w+):\s*(.*)$", f.read(), re.MULTILINE)))
        return found

    def check(self, p, workers):
        names = {"exporter", *(f"worker-{i}" for i in range(workers))}
        self.assertTrue(until(lambda: names <= {t["Name"] for t in self.threads(p)}))
        # Behind seccomp, which comes before the first turn.
        self.assertTrue(until(lambda: sum(n > 0 for n in p.by_worker("worker_turns_total").values()) == workers))
        for t in self.threads(p):
            self.assertEqual(t["Uid"].split(), [str(self.NOBODY.pw_uid)] * 4, t)
            self.assertEqual(t["Gid"].split(), [str(self.NOBODY.pw_gid)] * 4, t)
            self.assertNotIn("0", t["Groups"].split(), t)
            for word, value in self.NO_RIGHTS.items():
                self.assertEqual(t[word].lstrip("0") or "0", value, (word, t))
            if t["Name"].startswith("worker-") and not sensor.without("seccomp"):
                self.assertEqual(t["Seccomp"], "2", t)  # SECCOMP_MODE_FILTER

    def run_as_nobody(self, config, workers=1):
        if sensor.without("capng"):
            self.skipTest("built without libcap-ng")
        folder = self.folder()
        os.chown(folder, self.NOBODY.pw_uid, self.NOBODY.pw_gid)
        for _ in range(2):  # nothing is left behind that stands in the way of the next one
            p = Sensor({**config, "service": {"user": "nobody"}}, folder=folder)
            self.addCleanup(p.close)
            self.check(p, workers)
            self.feed(p, "va", MANY.frames, chunk=self.CHUNK if "dpdk" in config else self.BACKLOG)
            p.send(signal.SIGHUP)  # opens its files again, as nobody
            self.assertTrue(p.saying("outputs opened again"), p.said())
            p.end()
            self.assertEqual(p.p.returncode, 0, p.said())
            self.assertTrue(p.ledger["balanced"])
            self.assertEqual(p.ledger["frames"]["total"], len(MANY.frames))
            self.same(what(p.records()), what(MANY.records))
            os.unlink(p.written)

    def test_libpcap(self):
        self.run_as_nobody({"interfaces": ["vb"]})

    def test_libpcap_two_workers(self):
        self.run_as_nobody({"interfaces": ["vb"], "workers": {"count": 2}}, workers=2)

    def test_af_packet(self):
        self.run_as_nobody(dpdk("net_af_packet0,iface=vb,qpairs=2,framecnt=4096", workers=2), workers=2)

    def test_rx_iface(self):
        self.run_as_nobody(dpdk("net_pcap0,rx_iface=vb"))

    def test_af_xdp(self):
        self.run_as_nobody(dpdk("net_af_xdp0,iface=vb"))

    def test_a_capability_to_keep(self):
        if sensor.without("capng"):
            self.skipTest("built without libcap-ng")
        service = {"user": "nobody", "capabilities": ["cap_net_raw"]}
        p = self.sensor({"interfaces": ["vb"], "outputs": [], "service": service})
        words = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")

        def caps():
            return {t["Name"]: tuple(int(t[w], 16) for w in words) for t in self.threads(p)}

        self.assertTrue(until(lambda: caps().get("worker-0") == (0, 0, 0, 0, 0)), caps())  # it parses
        self.assertEqual(caps()["hellotap"], (0, 1 << 13, 1 << 13, 0, 0))
        p.end()

    def test_no_such_user(self):
        with self.assertRaisesRegex(AssertionError, r"exit status 2: (?s:.*):\d+:\d+: service.user: there is no such user"):
            self.sensor({"interfaces": ["vb"], "outputs": [], "service": {"user": "nobody-of-that-name"}})


class Config(LiveTest):
    def write(self, text):
        path = os.path.join(self.folder(), "sensor.yaml")
        with open(path, "w") as f:
            f.write(text)
        return path

    def call(self, *args):
        return subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=SECONDS)

    def test_each_error_has_its_place(self):
        path = self.write("""
interfaces: [vb, vb]
workers:
  count: 65
  cpu: [1]
dpdk:
  idle: doze
  ports:
    - queues: 1
stats_interval_s: soon
""")
        for args in ((), ("--check",)):
            p = self.call("-c", path, *args)
            self.assertEqual((p.returncode, p.stdout), (2, ""))
            places = re.findall(rf"^{path}:(\d+):(\d+): (.*)$", p.stderr, re.MULTILINE)
            self.assertEqual(len(places), len(p.stderr.splitlines()), p.stderr)
            self.assertEqual([int(line) for line, _, _ in places], sorted(int(line) for line, _, _ in places))
            told = {(int(line), int(column)): text for line, column, text in places}
            expected = {(4, 10): "count", (5, 3): "cpu", (7, 9): "idle", (9, 7): "device", (10, 19): "stats_interval_s"}
            for place, word in expected.items():
                self.assertIn(word, told.get(place, ""), p.stderr)

    def test_what_does_not_go_together(self):
        path = self.write("""interfaces: [vb, vb]
steering:
  rest: drop
workers: {count: 2, cpus: [0]}
records: [hallo]
""")
        p = self.call("-c", path)
        self.assertEqual(p.returncode, 2)
        for place in ("1:18: ", "3:9: ", "4:27: ", "5:11: "):
            self.assertIn(f"{path}:{place}", p.stderr)

    def test_sinks(self):
        text = """interfaces: [vb]
outputs: ['json:/a?queue_mib=0', 'json:/b']
sinks:
- to: json:/b
- to: csv:/c
  spool: /d
- to: eggs:/e
- {to: json:/g, records: [hallo]}
"""
        path = self.write(text)
        p = self.call("-c", path, "--check")
        self.assertEqual(p.returncode, 2)
        for line in ("2:11: outputs: json:/a?queue_mib=0: queue_mib=0: must be 1 to 1024\n", "4:7: sinks[0].to: is there twice\n",
                     "6:10: sinks[1].spool: not for csv\n", "7:7: sinks[2].to: eggs:/e: no such kind of output: json",
                     "8:26: sinks[3].records: hallo: hello, event, "):
            self.assertIn(f"{path}:{line}", p.stderr)
        p = self.call("-c", self.write("interfaces: [vb]\nsinks:\n- to: json:/f\n  queue_mib: 0\n"), "--check")
        self.assertIn(":4:14: sinks[0].queue_mib: must be ", p.stderr)
        sinks = "".join(f"- to: json:/{i}\n" for i in range(8))
        p = self.call("-c", self.write(f"interfaces: [vb]\nsinks:\n{sinks}outputs: [json]\n"), "--check")
        self.assertIn("with outputs, more than 8", p.stderr)

    def test_check(self):
        path = self.write("interfaces: [nope0]\noutputs: ['json:/dev/null']\n")
        p = self.call("-c", path, "--check")
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, path + ": right\n", ""))

    def test_no_yaml(self):
        path = self.write("interfaces: [vb\nworkers: 1\n")
        p = self.call("-c", path, "--check")
        self.assertEqual(p.returncode, 2)
        self.assertRegex(p.stderr, rf"^{path}:\d+:\d+: ")

    def test_no_file(self):
        p = self.call("-c", "/nowhere/sensor.yaml")
        self.assertEqual((p.returncode, p.stdout), (2, ""), p.stderr)
        self.assertIn("/nowhere/sensor.yaml", p.stderr)

    def test_the_example_is_right(self):
        path = self.write(self.call("--options").stdout)
        p = self.call("-c", path, "-i", "vb", "--check")  # which it does not name
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, path + ": right\n", ""))

    def test_the_command_line_counts_more(self):
        """The interface, the filter and the output of the command line; the rest is the file's."""
        folder = self.folder()
        other = os.path.join(folder, "other")
        config = {"interfaces": ["nope0"], "filter": "tcp", "workers": {"count": 2}}
        config["outputs"] = ["json:" + os.path.join(folder, "not")]
        p = self.sensor(config, "-i", "vb", "-f", "udp", "-o", "json:" + other)
        udp = send("va", pcap("chromium-quic.pcapng"))
        send("va", pcap("tls13-hello.pcap"))
        p.end()
        self.expect(p, frames=udp)
        self.assertEqual(p.ledger["workers"], 2)
        self.same(what(p.records(other)), sensor.replayed("chromium-quic.pcapng"))
        self.assertFalse(os.path.exists(os.path.join(folder, "not")))

    def test_replay_by_a_file(self):
        """-r takes the place of what the file captures from."""
        path = self.write("interfaces: [nope0]\nsensor: {ja4_r: true}\n")
        p = self.call("-c", path, "-q", "-r", pcap("tls13-hello.pcap"))
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertIn("ja4_r", p.stdout)


class Reload(LiveTest):
    """SIGHUP: what can change does, what cannot is said."""

    def reload(self, p, config, *said):
        before = p.said()
        if config is not None:
            p.write(config)
        p.send(signal.SIGHUP)
        self.assertTrue(until(lambda: all(s in p.said()[len(before):] for s in said)), p.said()[len(before):])
        return p.said()[len(before):]

    def test_reload(self):
        p = self.sensor({"interfaces": ["vb"]})
        first, second = MANY.frames[: len(MANY.frames) // 2], MANY.frames[len(MANY.frames) // 2 :]
        self.feed(p, "va", first, chunk=self.BACKLOG)
        # To another file, with other times.
        other = os.path.join(p.dir, "other")
        config = {**p.config, "outputs": ["json:" + other], "service": {"stall_s": 7}, "stats_interval_s": 9}
        changed = [f"{name}: changed\n" for name in ("outputs", "service.stall_s", "stats_interval_s")]
        said = self.reload(p, config, *changed, "outputs opened again")
        self.assertNotIn("takes a restart", said)
        # What takes a restart is said, and not done.
        not_now = [f"{name}: changed, which takes a restart\n" for name in ("workers.count", "filter")]
        said = self.reload(p, {**config, "workers": {"count": 2}, "filter": "udp"}, *not_now, "outputs opened again")
        self.assertNotIn("outputs: changed", said)
        # What is wrong is said where it stands, and all stays.
        wrong = "interfaces: [vb]\nworkers: {count: none}\n"
        said = self.reload(p, wrong, f"{p.file}: not taken, all stays as it is\n")
        self.assertIn(f"{p.file}:2:18: ", said)
        # So it is with an output that cannot be opened.
        self.reload(p, {**config, "outputs": ["json:/nowhere/at/all"]}, "/nowhere/at/all", "outputs stay as they are\n",
                    "outputs opened again\n")  # fmt: skip
        # Sections do as well as texts.
        sinks = {**config, "outputs": [], "sinks": [{"to": "json:" + other, "queue_mib": 3}]}
        self.reload(p, sinks, "sinks: changed\n", "outputs opened again\n")
        self.reload(p, {**config, "outputs": ["json:/nowhere/at/all"]}, "outputs stay as they are\n",
                    "outputs opened again\n")  # fmt: skip
        # Those in use are opened again all the same: somebody may have moved the file away.
        moved = other + ".1"
        os.rename(other, moved)
        self.reload(p, None, "outputs stay as they are\n", "outputs opened again\n")
        self.assertTrue(os.path.exists(other))
        self.feed(p, "va", second, chunk=self.BACKLOG)
        p.end()
        self.expect(p, frames=len(MANY.frames))
        self.assertEqual(p.ledger["workers"], 1)
        self.same(what(p.records() + p.records(moved) + p.records(other)), what(MANY.records))
        self.assertGreater(len(p.records(other)), 0)

    def test_a_spool_that_comes_back(self):
        """It is taken out, and put in again while it is ending: the new one waits for its spool."""
        if sensor.without("fixbuf"):
            self.skipTest("built without libfixbuf")
        port = nobody_gets_in(self)
        records, spool = f"json:{self.folder()}/records", self.folder()
        with_it = [records, f"ipfix+tcp://127.0.0.1:{port}?spool={spool}&linger_s=5"]
        p = self.sensor({"interfaces": ["vb"], "outputs": with_it})
        self.reload(p, {**p.config, "outputs": [records]}, "outputs opened again\n")
        said = self.reload(p, {**p.config, "outputs": with_it}, "outputs opened again\n")
        self.assertNotIn("stay as they are", said)
        p.end()
        self.expect(p)

    def test_without_a_file(self):
        """Outputs are opened again."""
        out = os.path.join(self.folder(), "out")
        p = self.live("-i", "vb", "-o", "json:" + out)
        self.addCleanup(p.close)
        os.rename(out, out + ".1")
        p.send(signal.SIGHUP)
        self.assertTrue(p.saying("outputs opened again"))
        send("va", pcap("tls13-hello.pcap"))
        p.end()
        self.expect(p)
        self.assertEqual((len(p.records(out + ".1")), len(p.records(out))), (0, 1))


class Replay(LiveTest):
    def test_a_signal_ends_the_wait(self):
        """What was not delivered is lost, and counted so."""
        if sensor.without("fixbuf"):
            self.skipTest("built without libfixbuf")
        output = f"ipfix+tcp://127.0.0.1:{nobody_gets_in(self)}?linger_s=3600"
        capture = os.path.join(self.folder(), "capture")
        os.mkfifo(capture)

        def writer():
            """A descriptor; None while nobody has it open to read."""
            with contextlib.suppress(OSError):
                return os.open(capture, os.O_WRONLY | os.O_NONBLOCK)

        def closed():
            fd = writer()
            return fd is None or os.close(fd)

        args = [PROGRAM, "-r", capture, "-o", output, "--stats", "json"]
        with subprocess.Popen(args, stderr=subprocess.PIPE, text=True) as p:
            try:
                fds = []
                self.assertTrue(until(lambda: fds.append(writer()) or fds[-1] is not None))
                with open(pcap("tls13-hello.pcap"), "rb") as f, open(fds[-1], "wb") as to:
                    to.write(f.read())
                self.assertTrue(until(closed))  # it has read all
                time.sleep(1)
                self.assertIsNone(p.poll())
                p.send_signal(signal.SIGTERM)
                self.assertEqual(p.wait(SECONDS), 1)
                ledger = json.loads(p.stderr.read().splitlines()[-1])
            finally:
                p.kill()
        self.assertTrue(ledger["balanced"])
        self.assertEqual([s["lost_unreachable"] for s in ledger["sinks"]], [1])


class Tells(LiveTest):
    """Stats records, metrics, the ledger: all say the same."""

    def stats(self, p):
        return [r for r in p.records() if r["record"] == "stats"]

    def test_stats_records(self):
        p = self.sensor({"interfaces": ["vb"], "records": ["hello", "stats"], "stats_interval_s": 1})
        sent, half = len(MANY.frames), len(MANY.frames) // 2
        for frames in (MANY.frames[:half], MANY.frames[half:]):
            before = len(self.stats(p))
            self.feed(p, "va", frames, chunk=self.BACKLOG)
            self.assertTrue(until(lambda n=before: len(self.stats(p)) >= n + 2))
        p.end()
        self.expect(p, frames=sent)
        stats = self.stats(p)
        self.assertEqual(p.records()[-1]["record"], "stats")
        times = [r["ts"] for r in stats]
        self.assertEqual(times, sorted(times))
        frames = [r["ledger"]["frames"]["total"] for r in stats]
        self.assertEqual(frames, sorted(frames))
        self.assertGreater(len(set(frames)), 1)
        last = {k: v for k, v in stats[-1]["ledger"].items() if k != "sinks"}
        self.assertEqual(last, {k: v for k, v in p.ledger.items() if k not in ("record", "sinks", "balanced")})
        self.assertEqual(stats[-1]["frames_read"], sent)
        self.same(what(r for r in p.records() if r["record"] == "hello"), what(MANY.records))

    def test_only_stats(self):
        """And at SIGHUP more often."""
        p = self.sensor(dpdk("net_pcap0,rx_pcap=" + MANY.path, records=["stats"], stats_interval_s=3600))
        self.assertTrue(p.has_taken(len(MANY.frames)))
        time.sleep(1.2)
        self.assertEqual(p.records(), [])
        p.write({**p.config, "stats_interval_s": 1})
        p.send(signal.SIGHUP)
        self.assertTrue(until(lambda: len(p.records()) >= 2))
        p.end()
        self.assertEqual(p.p.returncode, 0, p.said())
        self.assertEqual({r["record"] for r in p.records()}, {"stats"})
        self.assertEqual(p.records()[-1]["ledger"]["hellos"]["complete"], len(MANY.records))

    def still(self, p):
        """Whether all that was fed has been read, has been counted, and is at the output."""
        now = p.metrics()

        def is_all(number, *names):
            return {sum(v for k, v in now.items() if k[0] == f"hellotap_{n}_total") for n in names} == {number}

        frames = "interface_frames", "interface_received"  # counted once a second
        if "dpdk" in p.config:
            frames = "queue_frames", "port_received"
        return (is_all(len(MANY.frames), "frames", *frames)
                and is_all(len(MANY.records), "record_queue_records", "hellos_by_kind", "sink_delivered"))  # fmt: skip

    def metrics_and_ledger(self, config):
        p = self.sensor(config)
        seen, ask = [], p.metrics
        p.metrics = lambda: seen.append(ask()) or seen[-1]  # by those who wait for frames
        self.feed(p, "va", MANY.frames, chunk=self.BACKLOG)
        p.metrics = ask
        taken = {sum(v for k, v in m.items() if k[0] == "hellotap_frames_total") for m in seen}
        self.assertGreater(len(taken), 2)
        for a, b in zip(seen, seen[1:]):
            for key, value in a.items():
                if key[0].endswith("_total"):
                    self.assertLessEqual(value, b[key], key)
        # When all is still, each counter is the one of the ledger.
        self.assertTrue(p.turned())
        self.assertTrue(until(lambda: self.still(p)), p.said())
        now = {k: v for k, v in p.metrics().items() if k[0].endswith("_total")}
        p.end()
        self.assertTrue(p.ledger["balanced"])
        ledger = p.ledger
        doc = subprocess.run([PROGRAM, "--counters=md"], capture_output=True, text=True, check=True).stdout
        ours = {k[0] for k in now if k[0].startswith("hellotap_") and not k[0].startswith("hellotap_endpoint_")}
        self.assertEqual({name for name in ours if f"`{name}`" not in doc}, set())

        def total(name):
            found = [v for k, v in now.items() if k[0] == f"hellotap_{name}_total"]
            self.assertGreater(len(found), 0, name)
            return int(sum(found))

        self.assertEqual(total("frames"), ledger["frames"]["total"])
        for group in ("frames", "fragments", "bytes", "tables", "datagrams", "hellos", "events"):
            for word, value in ledger[group].items():
                if word != "total":
                    self.assertEqual(total(f"{group}_{word}"), value, (group, word))
        self.assertEqual(total("flows_begun"), ledger["flows"]["begun"])  # what became of them is known at their end
        self.assertEqual(total("record_queue_records"), ledger["queue"]["records"])
        self.assertEqual(total("sink_delivered"), ledger["sinks"][0]["delivered"])
        self.assertEqual(total("hellos_by_kind"), ledger["hellos"]["complete"])
        self.assertEqual(total("hellos_complete"), len(MANY.records))
        return total, p

    def test_metrics_of_ports(self):
        total, p = self.metrics_and_ledger(dpdk("net_af_packet0,iface=vb,qpairs=2,framecnt=4096", workers=2))
        for word in ("frames", "bytes", "own", "handed_over", "handed_lost", "not_of_interest"):
            self.assertEqual(total(f"queue_{word}"), p.queues(word), word)
        self.assertEqual(total("worker_handed_in"), sum(p.ledger["handed_in"]))
        for word in ("received", "missed", "errors"):
            self.assertEqual(total(f"port_{word}"), p.ports(word), word)

    def test_metrics_of_interfaces(self):
        total, p = self.metrics_and_ledger({"interfaces": ["vb"], "workers": {"count": 2}})
        for word in ("frames", "received", "kernel_dropped", "withheld", "bytes"):
            self.assertEqual(total(f"interface_{word}"), p.capture[word], word)

    def collector(self):
        """Takes all that comes, and reads nothing of it. Returns its port."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    with listener.accept()[0] as c:
                        while c.recv(1 << 16):
                            pass

        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1]

    def test_metrics_of_outputs_that_go_on(self):
        """SIGHUP: a file is opened again, a collector stays connected, and each record is counted once."""
        if sensor.without("fixbuf"):
            self.skipTest("built without libfixbuf")
        folder = self.folder()
        outputs = [f"json:{folder}/records", f"ipfix+tcp://127.0.0.1:{self.collector()}"]
        p = self.sensor({"interfaces": ["vb"], "outputs": outputs})
        third = len(MANY.frames) // 3
        for n, frames in enumerate((MANY.frames[:third], MANY.frames[third : 2 * third], MANY.frames[2 * third :])):
            self.feed(p, "va", frames, chunk=self.BACKLOG)
            self.assertTrue(p.turned())  # all records are in the queue
            self.assertTrue(until(lambda: self.delivered(p) == 2 * [p.metric("record_queue_records_total")]), p.said())
            before = self.delivered(p)
            if n < 2:
                p.send(signal.SIGHUP)
                self.assertTrue(until(lambda: p.said().count("outputs opened again") == n + 1), p.said())
                self.assertEqual(self.delivered(p), before)
        self.assertTrue(until(lambda: p.metric("sink_connects_total") >= 4))
        self.assertEqual(p.metric("sink_connects_total"), 4)  # the file's, three times
        seen = self.delivered(p)
        p.end()
        self.expect(p, frames=len(MANY.frames))
        self.assertEqual(seen, [s["delivered"] for s in p.ledger["sinks"]])

    def delivered(self, p):
        """Of each output."""
        found = sorted((k, v) for k, v in p.metrics().items() if k[0] == "hellotap_sink_delivered_total")
        self.assertEqual(len(found), 2)
        by_output = {dict(k[1:])["output"]: int(v) for k, v in found}
        return [by_output["0"], by_output["1"]]

    def test_end_after_idle(self):
        p = self.sensor(dpdk("net_pcap0,rx_pcap=" + MANY.path, service={"end_after_idle_s": 1}))
        p.wait()
        self.assertEqual(p.p.returncode, 0, p.said())
        self.same(what(p.records(), True), what(MANY.records, True))


if __name__ == "__main__":
    sensor.main(["tcpdump"], ["dpdk", "yaml", "microhttpd"])
