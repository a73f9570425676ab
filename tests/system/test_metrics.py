#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The endpoint of lib/metrics, read by the parsers of Prometheus' own client, and by clients that mean it no good.

usage: test_metrics.py SERVE-METRICS-PROGRAM
Skipped (77) without libmicrohttpd or prometheus_client.
"""
import contextlib
import glob
import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request

from waiting import until_within

PROGRAM = os.path.abspath(sys.argv[1])
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
# What Prometheus 2.4x sends.
ACCEPT = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
SINK = 'json:/tmp/"a\\b"\n\\xffü'
FRESH = 0.35  # a text is given out for 0.25 s
GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
SECONDS = 60  # for whatever has to happen; the machine may be busy
until = until_within(SECONDS)


try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
    from prometheus_client.parser import text_string_to_metric_families as parse_prometheus
except ImportError:
    print("SKIP: python3-prometheus-client is not installed")
    sys.exit(77)


class Server:
    """serve_metrics, until it is closed; then it must have ended by itself, with nothing to complain of."""

    def __init__(self, address="127.0.0.1", workers=3):
        self.address = address
        self.process = subprocess.Popen(
            [PROGRAM, address, str(workers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        line = self.process.stdout.readline()
        if not line:
            self.error = self.process.communicate()[1].decode()
            return
        self.error, self.port = None, int(line)
        self.host = f"[{address}]" if ":" in address else address
        self.own = set(self.sockets())  # before anybody was connected

    def close(self):
        _, err = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, err.decode()

    def connect(self, timeout=SECONDS):
        return socket.create_connection((self.address, self.port), timeout=timeout)

    def get(self, path="/metrics", accept=ACCEPT, method="GET", body=None):
        """Status, headers and text of an answer."""
        request = urllib.request.Request(f"http://{self.host}:{self.port}{path}", method=method, data=body)
        if accept:
            request.add_header("Accept", accept)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as r:
                return r.status, r.headers, r.read().decode()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.headers, e.read().decode()

    def families(self):
        return {f.name: f for f in parse_openmetrics(self.get()[2])}

    def value(self, family):
        return self.families()[family].samples[0].value

    def open(self):
        """What each descriptor is of."""
        found = []
        for fd in glob.glob(f"/proc/{self.process.pid}/fd/*"):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found.append(os.readlink(fd))
        return found

    def sockets(self):
        return [f for f in self.open() if f.startswith("socket:")]

    def connected(self):
        """How many connections it has open."""
        return len(set(self.sockets()) - self.own)

    def files(self):
        return sum(not f.startswith("socket:") for f in self.open())

    def resident(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def thread(self):
        """/proc/PID/task/TID of the endpoint's thread."""
        for task in glob.glob(f"/proc/{self.process.pid}/task/*"):
            with open(task + "/comm", encoding="ascii") as f:
                if f.read() == "ht-metrics\n":
                    return task
        return None

    def cpu(self):
        """CPU time of the endpoint's thread, in seconds."""
        with open(self.thread() + "/stat", encoding="ascii") as f:
            user, system = f.read().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def read_all(s):
    """What comes until the other side closes, or resets."""
    out = b""
    with contextlib.suppress(ConnectionError):
        while chunk := s.recv(65536):
            out += chunk
    return out


class Metrics(unittest.TestCase):
    ADDRESS, WORKERS = "127.0.0.1", 3

    def setUp(self):
        self.begun = time.time()
        self.server = Server(self.ADDRESS, self.WORKERS)
        if self.server.error is not None:
            self.server.close()
            if "built without" in self.server.error or ":" in self.ADDRESS:
                self.skipTest(self.server.error.strip())
            self.fail(self.server.error)
        self.get = self.server.get

    def tearDown(self):
        if self.server.error is None:
            self.assertEqual(self.server.close(), (0, ""))

    def settle(self):
        """All connections are gone, none is forgotten."""
        self.assertTrue(until(lambda: self.server.connected() == 0), self.server.open())


class Text(Metrics):
    def test_openmetrics(self):
        status, headers, text = self.get()
        self.assertEqual((status, headers["Content-Type"]), (200, OPENMETRICS))
        self.assertTrue(text.endswith("\n# EOF\n"))
        families = list(parse_openmetrics(text))
        names = [f.name for f in families]
        self.assertEqual(len(names), len(set(names)))
        by_name = dict(zip(names, families))
        self.assertTrue(all(f.type in ("counter", "gauge", "info") for f in families))
        self.assertTrue(all(f.documentation for f in families))
        for i in range(1, 20):
            f = by_name[f"hellotap_frames_c{i}"]
            self.assertEqual((f.type, f.documentation), ("counter", "a counter"))
            self.assertEqual(
                [(s.name, s.labels, s.value) for s in f.samples],
                [(f"hellotap_frames_c{i}_total", {"worker": str(w), "sink": SINK}, w * 1000 + i) for w in range(3)],
            )
        self.assertEqual([s.name for s in by_name["hellotap_frames"].samples], ["hellotap_frames_total"] * 3)
        self.assertEqual(by_name["hellotap_test_largest"].samples[0].value, 2**64 - 1)
        self.assertEqual(by_name["hellotap_hellos_seen"].documentation, 'with "quotes", a \\ and a\nnewline')
        self.assertEqual((by_name["hellotap_build"].type, by_name["hellotap_build"].samples[0].value), ("info", 1))
        self.assertRegex(by_name["hellotap_build"].samples[0].labels["version"], r"^\d+\.\d+")

    def test_prometheus(self):
        for accept in (None, "*/*", "text/plain", "application/openmetrics-text;q=0"):
            status, headers, text = self.get(accept=accept)
            self.assertEqual((status, headers["Content-Type"]), (200, PROMETHEUS))
            self.assertNotIn("# EOF", text)
        # Every sample has a TYPE of its own name: this format knows no other for counters.
        types = re.findall(r"^# TYPE (\S+) ", text, re.M)
        self.assertEqual(len(types), len(set(types)))
        self.assertEqual({re.split("[{ ]", line)[0] for line in text.splitlines() if line[0] != "#"}, set(types))
        # The values are those of the other format, but for what moves meanwhile.
        time.sleep(FRESH)

        def steady(families):
            return {
                (s.name, *sorted(s.labels.items())): float(s.value)
                for f in families
                for s in f.samples
                if re.match("hellotap_(frames_c|test_l|build)", s.name)
            }

        self.assertEqual(steady(parse_prometheus(text)), steady(parse_openmetrics(self.get()[2])))
        help_of = {f.name: f.documentation for f in parse_prometheus(text)}
        self.assertEqual(help_of["hellotap_hellos_seen"], 'with "quotes", a \\ and a\nnewline')

    def test_tally(self):
        def samples():
            return self.server.families()["hellotap_hellos_seen"].samples

        self.assertTrue(until(lambda: len(samples()) == 4 and all(s.value > 0 for s in samples())))
        seen = samples()
        self.assertEqual(
            [s.labels for s in seen],
            [
                {"protocol": "tls", "version": "TLS 1.3", "service": "https"},
                {"protocol": "tls", "version": "TLS 1.3", "service": "imaps"},
                {"protocol": "tls", "version": "TLS 1.3"},
                {"other": "true"},
            ],
        )

    def test_it_moves(self):
        before = self.server.families()

        def moved():
            after = self.server.families()
            for name in ("hellotap_frames", "hellotap_hellos_seen", "process_cpu_seconds"):
                self.assertGreaterEqual(after[name].samples[0].value, before[name].samples[0].value)
            return all(after[name].samples[0].value > before[name].samples[0].value
                       for name in ("hellotap_frames", "hellotap_test_collects"))  # fmt: skip

        self.assertTrue(until(moved))

    def test_a_text_is_shared(self):
        # A machine that has much to do may take longer for two of them than a text is given out; not each time.
        self.assertTrue(until(lambda: self.get()[2] == self.get()[2]))

    def test_process(self):
        families = self.server.families()
        started = families["process_start_time_seconds"].samples[0].value
        self.assertTrue(self.begun - 5 < started < time.time() + 5, (self.begun, started))
        resident = families["process_resident_memory_bytes"].samples[0].value
        self.assertTrue(0.5 < resident / self.server.resident() < 2)

    def test_signals_are_blocked(self):
        self.assertTrue(until(self.server.thread))  # it names itself
        with open(self.server.thread() + "/status", encoding="ascii") as f:
            blocked = int(re.search(r"^SigBlk:\s*(\w+)", f.read(), re.M).group(1), 16)
        for signal in (1, 2, 10, 13, 15, 17):
            self.assertTrue(blocked >> (signal - 1) & 1, signal)


class Requests(Metrics):
    def test_head(self):
        for path in ("/metrics", "/"):
            _, get_headers, text = self.get(path)
            status, headers, nothing = self.get(path, method="HEAD")
            self.assertEqual((status, nothing), (200, ""))
            self.assertEqual(headers["Content-Type"], get_headers["Content-Type"])
            self.assertEqual(int(headers["Content-Length"]), len(text.encode()))

    def test_page(self):
        status, headers, text = self.get("/")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn('<a href="/metrics">', text)

    def test_query_is_ignored(self):
        self.assertEqual(self.get("/metrics?name=x")[0], 200)

    def test_not_found(self):
        for path in ("/metric", "/metrics/", "/metrics/x", "//metrics", "/../metrics", "/%2e", "/" + "x" * 3000):
            for method in ("GET", "HEAD", "POST"):
                self.assertEqual(self.get(path, method=method)[0], 404, path)

    def test_bad_method(self):
        for path in ("/metrics", "/"):
            for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get", "X"):
                status, headers, _ = self.get(path, method=method)
                self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"), method)

    def test_one_request_a_connection(self):
        with self.server.connect() as s:
            s.sendall(GET * 3)
            answer = read_all(s)
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), 1)
        self.assertIn(b"\r\nConnection: close\r\n", answer)

    def test_body_is_not_read(self):
        for method in (b"POST", b"GET"):
            with self.server.connect() as s:
                s.sendall(method + b" /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 1000)
                self.assertIn(b"HTTP/1.1 200" if method == b"GET" else b"HTTP/1.1 405", s.recv(20))
        self.settle()

    def test_own_counters(self):
        self.get("/x")
        self.get(method="POST")
        self.get()
        time.sleep(FRESH)
        f = self.server.families()
        got = {n: f["hellotap_endpoint_" + n].samples[0].value for n in ("connections", "scrapes", "refused", "evicted")}
        self.assertEqual(got, {"connections": 4, "scrapes": 1, "refused": 2, "evicted": 0})


class Hostile(Metrics):
    WORKERS = 500  # a text of more than a megabyte

    def setUp(self):
        super().setUp()
        self.server.families()  # what is made at the first request is there
        self.files, self.memory = self.server.files(), self.server.resident()

    def tearDown(self):
        if self.server.error is None:
            self.assertEqual(self.get()[0], 200)
            self.settle()
            self.assertEqual(self.server.files(), self.files, self.server.open())
            # A sanitizer keeps what was freed for a while.
            if not os.environ.get("HELLOTAP_SANITIZED"):
                self.assertLess(self.server.resident() - self.memory, 64 << 20)
        super().tearDown()

    def evicted(self):
        with contextlib.suppress(OSError, http.client.HTTPException):  # or this one was
            return self.server.value("hellotap_endpoint_evicted")
        return 0

    def scrape(self):
        status, _, text = self.get()
        self.assertEqual((status, text[-6:]), (200, "# EOF\n"))

    def at_once(self, attempt, most=5):
        """It takes less than `most` seconds, or else one of some attempts does: the machine may stand still for a while.

        Who waits for others, until their 10 s are over, waits each time.
        """
        took = []
        while not took or took[-1] >= most and len(took) < 4:
            start = time.monotonic()
            attempt()
            took.append(time.monotonic() - start)
        self.assertLess(took[-1], most, took)

    def test_garbage(self):
        for junk in (
            b"\x00" * 5000, b"\xff" * 20000, b"\r\n" * 3000, b"GET\r\n\r\n", b"GET /metrics\r\n\r\n", b" / HTTP/1.1\r\n\r\n",
            b"GET /metrics HTTP/9.9\r\n\r\n", b"GET /metrics HTTP/1.1\r\n\r\n", b"GET " + b"/" * 100000,
            b"GET /metrics HTTP/1.1\r\nHost\r\n:\r\n\r\n", b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            b"GET /\x00metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: " + b"application/openmetrics-text;q=0," * 200 + b"\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ):
            # Some of it is answered, some is dropped, and some may become a request yet.
            with self.server.connect() as s, contextlib.suppress(ConnectionError, TimeoutError):
                s.settimeout(0.3)
                s.sendall(junk)
                s.shutdown(socket.SHUT_WR)
                read_all(s)
        self.at_once(self.scrape)

    def test_every_cut_of_a_request(self):
        def cuts():
            for n in range(len(GET)):
                with self.server.connect() as s, contextlib.suppress(ConnectionError):  # it had to make room
                    s.sendall(GET[:n])
                    if n % 2:
                        s.shutdown(socket.SHUT_WR)
            self.scrape()

        self.at_once(cuts)

    def test_byte_by_byte(self):
        with self.server.connect() as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in GET:
                s.sendall(bytes([byte]))
                time.sleep(0.01)
            self.assertTrue(read_all(s).startswith(b"HTTP/1.1 200 OK"))

    def test_huge_headers(self):
        for head in (b"X: " + b"x" * 1000000, b"X: y\r\n" * 100000, b"Cookie: " + b"a=b;" * 5000 + b"\r\n\r\n"):
            with self.server.connect() as s:
                with contextlib.suppress(ConnectionError):
                    s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + head)
                self.assertNotIn(b" 200 ", read_all(s)[:20])
        self.at_once(self.scrape)

    def test_idle_connections(self):
        def idle():
            with contextlib.ExitStack() as stack:
                some = [stack.enter_context(self.server.connect()) for _ in range(200)]
                self.scrape()
                # The last ones may stay; the others made room.
                self.assertTrue(until(lambda: self.server.connected() < 18))
                self.assertEqual(some[0].recv(1), b"")

        self.at_once(idle)
        self.assertTrue(until(lambda: self.server.value("hellotap_endpoint_evicted") > 150))

    def test_slow_requests(self):
        """Somebody keeps every place with requests that never end."""
        stop, dripping = threading.Event(), [0]

        def drip():
            while not stop.is_set():
                with contextlib.suppress(OSError), self.server.connect() as s:
                    dripping[0] += 1
                    s.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
                    while not stop.wait(0.05):
                        s.sendall(b"x")

        def scrape():
            # Who does not read for a moment may have to make room, too, and asks again.
            def answered():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    self.scrape()
                    return True

            self.assertTrue(until(answered))

        threads = [threading.Thread(target=drip) for _ in range(24)]
        for t in threads:
            t.start()
        try:
            # All have been let in, some of them again.
            self.assertTrue(until(lambda: len(threads) < dripping[0]))
            for _ in range(5):
                self.at_once(scrape)
            # It had not waited for their 10 s to be over.
            self.assertTrue(until(lambda: self.evicted() > len(threads)))
        finally:
            stop.set()
            for t in threads:
                t.join()

    def test_who_does_not_read(self):
        """Requests whose answers are not taken, with receive buffers as small as can be."""
        def ask():
            with contextlib.ExitStack() as stack:
                for _ in range(50):
                    s = stack.enter_context(socket.socket())
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                    s.connect((self.server.address, self.server.port))
                    with contextlib.suppress(ConnectionError):  # it had to make room
                        s.sendall(GET)
                time.sleep(FRESH)
                self.scrape()

        self.at_once(ask)

    def test_time_limit(self):
        """One that sends a byte now and then, and one that reads a little now and then, are ended after 10 s."""
        start, steps = time.monotonic(), 0
        with self.server.connect() as writer, socket.socket() as reader:
            reader.settimeout(SECONDS)
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            reader.connect((self.server.address, self.server.port))
            reader.sendall(GET)
            writer.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
            with contextlib.suppress(ConnectionError):
                while time.monotonic() - start < SECONDS:
                    time.sleep(0.2)
                    writer.sendall(b"x")
                    reader.recv(100)
                    steps += 1
            self.assertGreater(time.monotonic() - start, 9)
            self.assertLess(steps, 100)
            self.assertTrue(until(lambda: self.server.value("hellotap_endpoint_expired") >= 2))
            self.assertEqual(self.server.value("hellotap_endpoint_expired"), 2)

    def test_flood(self):
        """As many requests as can be, all of them for the text: it is made four times a second and no more."""
        collects, cpu, start = self.server.value("hellotap_test_collects"), self.server.cpu(), time.monotonic()
        answers = [0] * 4

        def ask(i):
            while time.monotonic() - start < 3 or sum(answers) <= 100 and time.monotonic() - start < SECONDS:
                with contextlib.suppress(OSError), self.server.connect() as s:
                    s.sendall(b"HEAD" + GET[3:])
                    answers[i] += s.recv(12) == b"HTTP/1.1 200"

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(answers))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        seconds, cpu = time.monotonic() - start, self.server.cpu() - cpu
        made = self.server.value("hellotap_test_collects") - collects
        print(f"flood: {sum(answers) / seconds:.0f} answers/s, {made:.0f} texts, {100 * cpu / seconds:.0f} % of a CPU")
        self.assertGreater(sum(answers), 100)
        self.assertLessEqual(made, 2 * (seconds / 0.25 + 2))

    def test_stop_with_clients(self):
        """Clients that are in the middle of something do not keep the program from ending."""
        def stop():
            server = Server(self.ADDRESS, self.WORKERS)
            with server.connect() as idle, server.connect() as reader:
                idle.sendall(b"GET ")
                reader.sendall(GET)
                self.assertTrue(until(lambda: server.connected() == 2))
                self.assertEqual(server.close(), (0, ""))

        self.at_once(stop)


class OverIPv6(Metrics):
    ADDRESS = "::1"

    def test_scrape(self):
        self.assertIn("hellotap_frames", self.server.families())


class AnyAddress(Metrics):
    ADDRESS = "::"

    def test_both_kinds(self):
        for address in ("::1", "127.0.0.1"):
            with socket.create_connection((address, self.server.port), timeout=SECONDS) as s:
                s.sendall(GET)
                self.assertTrue(read_all(s).startswith(b"HTTP/1.1 200 OK"))


if __name__ == "__main__":
    probe = Server()
    error = probe.error
    if error is None:
        probe.close()
    elif "built without" in error:
        print("SKIP:", error.strip())
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
