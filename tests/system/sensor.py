# SPDX-License-Identifier: BSD-3-Clause
"""The program while it captures: started, fed, asked, ended. What the tests of live capture share.

A test runs in a network, mount and process namespace of its own: interfaces, mounts and what it started are gone
when it ends, however it ends.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import wire_file  # noqa: E402
from waiting import ready, until_within  # noqa: E402

PROGRAM, PCAPS = (os.path.abspath(a) for a in sys.argv[1:3])
SKIPPED = 77
SECONDS = 60  # for whatever has to happen; the machine may be busy
until = until_within(SECONDS)
ROOT = os.geteuid() == 0
NOBODY = 65534
METRICS = 9464  # in a network namespace of our own


def pcap(name):
    return os.path.join(PCAPS, name)


def sh(*args):
    subprocess.run(args, check=True, capture_output=True)


# --- what is sent ---------------------------------------------------------------------------------


def backlog():
    """Frames that CPUs keep for their softirqs, which wait when others want the CPU."""
    with open("/proc/net/softnet_stat", encoding="ascii") as f:
        return sum(int(n, 16) for line in f for n in line.split()[11:12])  # Linux 5.10; older ones do not say


def passed_on():
    """Waits until no CPU keeps a frame: what was sent is with who captures."""
    assert until(lambda: backlog() == 0)


def send(interface, *captures, loop=1, speed=("--topspeed",)):
    """Sends captures; returns how many frames that were. None is lost on the way if they are few (BACKLOG)."""
    p = subprocess.run(
        ["tcpreplay", "-q", "-i", interface, "--loop", str(loop), *speed, *map(pcap, captures)],
        capture_output=True, timeout=10 * SECONDS,
    )  # fmt: skip
    out = p.stdout.decode() + p.stderr.decode()
    assert p.returncode == 0 and re.search(r"Failed packets: +0\b", out), out
    passed_on()
    return int(re.search(r"Successful packets: +(\d+)", out).group(1))


@contextlib.contextmanager
def load(interface, capture, *speed):
    """Sends a capture over and over, meanwhile; the first frame was sent when it begins."""
    before = statistic(interface, "tx_packets") + not_sent(interface)
    p = subprocess.Popen(
        ["tcpreplay", "-q", "-K", "-i", interface, "--loop", "0", *(speed or ("--topspeed",)), pcap(capture)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert until(lambda: statistic(interface, "tx_packets") + not_sent(interface) > before), interface
        yield p
    finally:
        p.kill()
        p.wait()


def statistic(interface, what):
    with open(f"/sys/class/net/{interface}/statistics/{what}") as f:
        return int(f.read())


def not_sent(interface):
    """Frames that an end of a veth pair took and could not hand to the other: there is room for 1000, with XDP for 256."""
    return statistic(interface, "tx_dropped")


def veth(a, b, mtu=9000):
    """A pair of interfaces with a queue each."""
    one = ("numrxqueues", "1", "numtxqueues", "1")
    sh("ip", "link", "add", a, *one, "type", "veth", "peer", "name", b, *one)
    for i in (a, b):
        sh("ip", "link", "set", i, "mtu", str(mtu), "up")
    ready(a, b)


def write(name, frames):
    """A capture file, which is there as long as the namespace. Returns its path."""
    path = os.path.join("/run", name)
    with open(path, "wb") as f:
        f.write(wire_file.pcap(frames))
    return path


# --- records --------------------------------------------------------------------------------------


def parse(text):
    return [json.loads(line) for line in text.splitlines()]


def what(records, ts=False):
    """The records without what a replay and a capture of it have each for themselves, in one order.

    `ts`: with the time, as far as microseconds.
    """
    texts = []
    for r in records:
        r = {k: v for k, v in r.items() if k != "frame" and (ts or k != "ts")}
        if ts:
            seconds, _, fraction = r["ts"].rstrip("Z").partition(".")
            r["ts"] = seconds + "." + fraction[:6]
        texts.append(json.dumps(r, sort_keys=True))
    return sorted(texts)


def replay(*captures):
    """The records of a replay, as they are."""
    args = [a for c in captures for a in ("-r", pcap(c))]
    return parse(subprocess.run([PROGRAM, "-q", "-o", "json", *args], capture_output=True, check=True).stdout)


def replayed(*captures, ts=False):
    return what(replay(*captures), ts)


# --- the program ----------------------------------------------------------------------------------


class Process:
    """The program, listening. What it writes to standard output and error are files in a folder of its own."""

    def __init__(self, args, stdout=None, prefix=(), env=None, folder=None):
        self.dir = folder or tempfile.mkdtemp()
        self.out, self.err = os.path.join(self.dir, "out"), os.path.join(self.dir, "err")
        self.written = getattr(self, "written", self.out)  # the records
        leaks = os.path.join(self.dir, "leaks")  # those of others, where it is built with AddressSanitizer
        with open(leaks, "w") as f:
            f.write("leak:xsk_umem__create\n")
        env = {**(env or os.environ), "LSAN_OPTIONS": f"suppressions={leaks}:print_suppressions=0"}
        with open(self.out, "ab") as o, open(self.err, "wb") as e:
            self.p = subprocess.Popen(
                [*prefix, PROGRAM, *args], stdout=stdout or o, stderr=e, stdin=subprocess.DEVNULL, env=env)
        if not until(lambda: "listening on" in self.said() or self.p.poll() is not None):
            self.p.kill()
        if "listening on" not in self.said():
            self.p.wait()
            raise AssertionError(f"not listening, exit status {self.p.returncode}: {self.said()}")

    def read(self, path):
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def said(self):
        return self.read(self.err)

    def saying(self, text, seconds=SECONDS):
        return until(lambda: text in self.said(), seconds)

    def records(self, path=None):
        """Those that were written whole."""
        text = self.read(path or self.written)
        return parse(text[:text.rfind("\n") + 1])

    def send(self, sig):
        self.p.send_signal(sig)

    def wait(self, seconds=SECONDS):
        try:
            self.p.wait(seconds)
        except subprocess.TimeoutExpired:
            self.p.kill()
            raise AssertionError("does not end: " + self.said()) from None
        ledger = [line for line in self.said().splitlines() if line.startswith('{"record":"stats"')]
        assert ledger, f"no ledger, exit status {self.p.returncode}: {self.said()}"
        self.ledger = json.loads(ledger[0])
        self.capture = self.ledger["capture"]
        return self.p.returncode

    def end(self, sig=signal.SIGTERM):
        self.send(sig)
        return self.wait()

    def close(self):
        if self.p.poll() is None:
            self.p.kill()
            self.p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Live(Process):
    """By options of the command line, records on standard output."""

    def __init__(self, *args, stdout=None):
        super().__init__([*args, "-o", "json", "--stats", "json"], stdout)


class Sensor(Process):
    """By a configuration file. Without `outputs` records go to a file."""

    def __init__(self, config, *args, user=None, folder=None, stdout=None):
        folder = folder or tempfile.mkdtemp()
        if user is not None:
            os.chown(folder, user, user)
        self.file = os.path.join(folder, "sensor.yaml")
        self.config = {"outputs": ["json:" + os.path.join(folder, "records")], "metrics": {"port": METRICS}, **config}
        self.write(self.config)
        self.written = os.path.join(folder, "records")
        super().__init__(
            ["-c", self.file, "--stats", "json", *args], stdout, folder=folder,
            prefix=("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--bounding-set=-all")
            if user is not None else (),
            env={**os.environ, "XDG_RUNTIME_DIR": folder},
        )  # fmt: skip

    def write(self, config):
        """The configuration file: JSON is YAML."""
        text = config if isinstance(config, str) else json.dumps(config)
        with open(self.file, "w", encoding="utf-8") as f:
            f.write(text)

    # --- its metrics ---

    def metrics(self):
        """{(name, label, value ...): number}"""
        with urllib.request.urlopen(f"http://127.0.0.1:{METRICS}/metrics", timeout=SECONDS) as r:
            text = r.read().decode()
        found = {}
        for line in text.splitlines():
            m = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if m:
                labels = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', m[2] or "")
                found[(m[1], *labels)] = float(m[3])
        return found

    def metric(self, name):
        """A counter, summed over all that have it."""
        return int(sum(v for k, v in self.metrics().items() if k[0] == "hellotap_" + name))

    def by_worker(self, name):
        """{labels of the worker: number}"""
        return {k[1:]: v for k, v in self.metrics().items() if k[0] == "hellotap_" + name}

    def turned(self, counter="worker_turns_total"):
        """Waits until each worker has begun a turn and ended it: what it took before is in all counters."""
        seen = self.by_worker(counter)
        assert seen, counter
        # The first text may be a quarter of a second old; the next one may be made in the midst of a turn.
        for turns in (1, 2):
            found = {}

            def went_on():
                found.update(self.by_worker(counter))
                return all(found[k] >= n + turns for k, n in seen.items())  # noqa: B023

            if not until(went_on):
                return False
            seen = dict(found)
        return True

    def taken(self):
        """Frames that were taken from the queues or interfaces; the sensors may be at the last of them still."""
        names = ("hellotap_queue_frames_total", "hellotap_interface_frames_total")
        return int(sum(v for k, v in self.metrics().items() if k[0] in names))

    def has_taken(self, frames, seconds=SECONDS):
        return until(lambda: self.taken() >= frames, seconds)

    # --- its ledger, of DPDK ports ---

    def ports(self, word):
        return sum(p[word] for p in self.ledger["ports"])

    def queues(self, word):
        return sum(q[word] for p in self.ledger["ports"] for q in p["queues"])


def dpdk(*devices, workers=1, hugepages="auto", **more):
    """A configuration with ports of DPDK. A device is a text, or the port's section."""
    ports = [d if isinstance(d, dict) else {"device": d} for d in devices]
    section = {"file_prefix": f"hellotap-test-{os.getpid()}", "hugepages": hugepages, "ports": ports}
    section.update(more.pop("dpdk", {}))
    return {"dpdk": section, "workers": {"count": workers}, **more}


def hugepages_free():
    with open("/proc/meminfo") as f:
        return int(re.search(r"HugePages_Free: +(\d+)", f.read()).group(1))


class LiveTest(unittest.TestCase):
    maxDiff = 4000

    def live(self, *args, **kw):
        p = Live(*args, **kw)
        self.addCleanup(p.close)
        return p

    def sensor(self, *args, **kw):
        p = Sensor(*args, **kw)
        self.addCleanup(p.close)
        return p

    @contextlib.contextmanager
    def running(self, *args, **kw):
        p = Sensor(*args, **kw)
        try:
            yield p
        finally:
            p.close()

    # Frames: what a veth with XDP (256), and libpcap with frames of 9000 bytes (227), take while their reader sleeps.
    CHUNK = 200
    # Frames: what the kernel's queue for a CPU takes, if libpcap has room for them.
    BACKLOG = 900

    def feed(self, p, interface, frames, counted=len, chunk=CHUNK):
        """By tcpreplay, a chunk at a time: nothing may be lost, and a worker sleeps when others want the CPU.

        `counted` tells how many frames the program sees of those that were sent.
        """
        before = p.taken()
        for n in range(0, len(frames), chunk):
            send(interface, write("chunk", frames[n : n + chunk]))
            self.taken(p, before + counted(frames[: n + chunk]))

    def taken(self, p, frames):
        if not p.has_taken(frames):
            taken = p.taken()
            p.end()
            self.fail(f"{taken} of {frames} frames\n{p.said()}")

    def folder(self):
        d = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, d, True)
        return d

    def same(self, got, wanted):
        """Two lists of what(): says only what is not in both."""
        if got == wanted:
            return
        less, more = list(wanted), []
        for r in got:
            if r in less:
                less.remove(r)
            else:
                more.append(r)
        text = [f"{len(got)} records, wanted {len(wanted)}"]
        text += ["missing: " + r for r in less[:5]] + ["not wanted: " + r for r in more[:5]]
        self.fail("\n".join(text))

    def expect(self, p, status=0, frames=None, dropped=0, withheld=0):
        """libpcap: the exit status and a ledger that adds up."""
        self.assertEqual(p.p.returncode, status, p.said())
        self.assertTrue(p.ledger["balanced"], p.said())
        c = p.capture
        self.assertEqual(c["received"], c["frames"] + c["kernel_dropped"] + c["withheld"])
        self.assertEqual(c["frames"], p.ledger["frames"]["total"])
        self.assertEqual((c["kernel_dropped"], c["withheld"]), (dropped, withheld))
        if frames is not None:
            self.assertEqual(c["frames"], frames)

    def expect_ports(self, p, status=0, sent=None):
        """DPDK: the exit status, and where each frame that was sent has gone."""
        self.assertEqual(p.p.returncode, status, p.said())
        self.assertTrue(p.ledger["balanced"], p.said())
        read = p.ledger["frames"]["total"] + sum(map(p.queues, ("handed_lost", "filtered", "not_of_interest")))
        self.assertEqual(p.queues("frames"), read)
        self.assertEqual(p.ports("received"), read)
        if sent is not None:
            self.assertEqual(read + p.ports("missed"), sent, p.said())


# --- running the tests ----------------------------------------------------------------------------


class Result(unittest.TextTestResult):
    """One line a case: what became of it, how long it took, why it was skipped."""

    def startTest(self, test):
        unittest.TestResult.startTest(self, test)
        self.begun = time.monotonic()

    def _tell(self, word, test, why=""):
        name = test.id().replace("__main__.", "")
        print(f"{word} {name} ({time.monotonic() - self.begun:.1f} s){why}", flush=True)

    def addSuccess(self, test):
        unittest.TestResult.addSuccess(self, test)
        self._tell("ok", test)

    def addSkip(self, test, reason):
        unittest.TestResult.addSkip(self, test, reason)
        self._tell("SKIP", test, ": " + reason)

    def addFailure(self, test, err):
        unittest.TestResult.addFailure(self, test, err)
        self._tell("FAILED", test)

    def addError(self, test, err):
        unittest.TestResult.addError(self, test, err)
        self._tell("ERROR", test)

    def addSubTest(self, test, subtest, err):
        unittest.TestResult.addSubTest(self, test, subtest, err)
        if err is not None:
            self._tell("FAILED", subtest)


def skip(why):
    print("SKIP:", why)
    sys.exit(SKIPPED)


def without(library):
    """Whether the program was built without it; meson says so."""
    return library in os.environ.get("HELLOTAP_WITHOUT", "").split()


def main(tools=(), libraries=()):
    """Runs the tests of the calling program: names of cases may follow PROGRAM CAPTURES-FOLDER."""
    for library in filter(without, libraries):
        skip(f"built without {library}")
    for tool in ("ip", "unshare", "setpriv", "tcpreplay", *tools):
        if shutil.which(tool) is None:
            skip(f"not installed: {tool} (./setup.sh tests installs it)")
    if not os.environ.get("HT_TEST_NETNS"):
        if not ROOT:
            skip("not root: network namespaces and interfaces want it")
        unshare = "unshare --net --mount --pid --fork --kill-child --mount-proc".split()
        if subprocess.run([*unshare, "ip", "link", "add", "va", "type", "veth", "peer", "name", "vb"],
                          capture_output=True).returncode != 0:
            skip("no namespaces, or no veth")
        os.environ["HT_TEST_NETNS"] = "1"
        os.execvp("unshare", [*unshare, sys.executable, "-B", *sys.argv])
    # The kernel's own packets would be counted.
    with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w") as f:
        f.write("1")
    sh("ip", "link", "set", "lo", "up")
    sh("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
    sh("mount", "-t", "sysfs", "sysfs", "/sys")  # which tells of this namespace's interfaces
    runner = unittest.TextTestRunner(resultclass=Result, verbosity=0, stream=sys.stdout)
    result = unittest.main(argv=sys.argv[:1] + sys.argv[3:], testRunner=runner, exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if result.testsRun == len(result.skipped) else 0)
