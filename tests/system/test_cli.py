#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The program as its users meet it: options, inputs, outputs, exit status, the ledger.

usage: test_cli.py PROGRAM CAPTURES-FOLDER MAN-PAGE
"""
import collections
import contextlib
import fcntl
import glob
import gzip
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

from waiting import until_within

PROGRAM, PCAPS, MAN = sys.argv[1:4]
del sys.argv[1:4]
SECONDS = 120  # for whatever has to happen; the machine may be busy
until = until_within(SECONDS)


def run(*args, stdin=None, env=None):
    e = dict(os.environ, **(env or {}))
    return subprocess.run([PROGRAM, *args], input=stdin, capture_output=True, env=e, timeout=SECONDS)


def waits_for_more(p):
    """Whether it has read all of its standard input, a pipe, and each of its threads sleeps."""
    (left,) = struct.unpack("i", fcntl.ioctl(p.stdin, termios.FIONREAD, bytes(4)))
    states = set()
    for path in glob.glob(f"/proc/{p.pid}/task/*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(path) as f:  # it may just have ended
            states.add(f.read().rpartition(")")[2].split()[0])
    return left == 0 and states == {"S"}


def pcap(name):
    return os.path.join(PCAPS, name)


def records(p):
    return [json.loads(line) for line in p.stdout.decode("utf-8").splitlines()]


def ledger(p):
    return json.loads([line for line in p.stderr.decode().splitlines() if line.startswith('{"record":"stats"')][0])


class Options(unittest.TestCase):
    def usage_error(self, *args, says):
        p = run(*args)
        self.assertEqual(p.returncode, 2, p)
        self.assertIn(says, p.stderr.decode())
        self.assertEqual(p.stdout, b"")

    def test_wrong_usage_says_what(self):
        self.usage_error(says="nothing to read")
        self.usage_error("-x", says="-x: no such option")
        self.usage_error("--no-such", says="--no-such: no such option")
        self.usage_error("-r", says="-r wants a value")
        self.usage_error("file.pcap", says="captures are named with -r")
        self.usage_error("-r", pcap("tls13-hello.pcap"), "--records", "hello,flows", says="a list of hello, event, flow")
        self.usage_error("-r", pcap("tls13-hello.pcap"), "--records", "", says="a list of hello, event, flow")
        self.usage_error("-r", pcap("tls13-hello.pcap"), "--stats", "xml", says="only 'json'")
        self.usage_error("-r", pcap("tls13-hello.pcap"), "--max-flows", "many", says="not a number")
        self.usage_error("-r", pcap("tls13-hello.pcap"), "--max-flows", "-1", says="not a number")
        self.usage_error("-r", pcap("tls13-hello.pcap"), "--max-flows", "7", says="must be 8 to")
        self.usage_error("-r", pcap("tls13-hello.pcap"), "-o", "xml:out", says="xml")
        self.usage_error("-r", pcap("tls13-hello.pcap"), "-i", "lo", says="-r and -i do not go together")
        self.usage_error("-r", pcap("tls13-hello.pcap"), "--immediate", says="--immediate is for -i")
        self.usage_error("-i", "lo", "-i", "any", says="-i any is all interfaces")
        self.usage_error("-i", "lo", "-i", "eth0", "-i", "lo", says="-i lo is there twice")
        self.usage_error("-i", "lo", "--snaplen", "63", says="--snaplen 63: must be 64 to 262144")
        self.usage_error("-i", "lo", "--buffer-mib", "0", says="--buffer-mib 0: must be 1 to 2047")

    def test_counters_are_those_of_a_ledger(self):
        p = run("--counters")
        self.assertEqual((p.returncode, p.stderr), (0, b""))
        named = [line.split()[0] for line in p.stdout.decode().splitlines()]
        self.assertEqual(len(named), len(set(named)))
        told = ledger(run("-r", pcap("tls13-hello.pcap"), "-o", "json:/dev/null", "-q", "--stats", "json"))
        found = set()
        for group, value in told.items():
            for v in value if isinstance(value, list) else [value]:
                found |= {f"{group}{'[]' * isinstance(value, list)}.{k}" for k in v} if isinstance(v, dict) else {group}
        self.assertEqual(found - set(named), {"record", "sinks[].sink"})
        self.assertIn(f"| `{named[0]}` | `hellotap_port_received_total` |", run("--counters=md").stdout.decode())
        self.usage_error("--counters=xml", says="only 'md' is known")

    def test_help_names_every_option_and_the_man_page_does_too(self):
        p = run("--help")
        self.assertEqual(p.returncode, 0)
        options = set(re.findall(r"--([a-z0-9][a-z0-9-]*)", p.stdout.decode()))
        self.assertGreater(len(options), 12)
        with open(MAN) as f:
            man = f.read()
        missing = [o for o in sorted(options) if not re.search(r"Fl -%s\b" % re.escape(o), man)]
        self.assertEqual(missing, [])

    def test_version_and_fields(self):
        self.assertRegex(
            run("--version").stdout.decode(),
            r"^hellotap \d+\.\d+\.\d+ \(gzip (yes|no), zstd (yes|no), dpdk (no|\d+\.[^ ,]+), configuration (yes|no), "
            r"metrics (yes|no), protobuf (yes|no), kafka (yes|no), ipfix (yes|no), hyperscan (yes|no), idn (yes|no), "
            r"capabilities (yes|no), seccomp (yes|no); libpcap \d+\.[^ ;]+; "
            r"libcrypto \d+\.[^ ;]+; crypto: [a-z0-9, -]+\)\n$",
        )
        fields = run("--fields").stdout.decode()
        for name in ("sni", "ja4", "quic_transport_parameters"):
            self.assertRegex(fields, r"(?m)^%s\b" % name)


class Services(unittest.TestCase):
    """--services and --services-table."""

    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def service(self, *args, capture="tls13-hello.pcap"):
        p = run("-r", pcap(capture), "-o", "json", "-q", *args)
        self.assertEqual((p.returncode, p.stderr), (0, b""))
        return records(p)[0].get("service")

    def table(self, *args):
        p = run("--services-table", *args)
        self.assertEqual((p.returncode, p.stderr), (0, b""))
        return [line.split("#")[0].split() for line in p.stdout.decode().splitlines()]

    def by_port(self, rows):
        ports = {}
        for where, *what in rows:
            first, last, proto = re.fullmatch(r"(\d+)(?:-(\d+))?/(tcp|udp)", where).groups()
            ports.update({(n, proto): what for n in range(int(first), int(last or first) + 1)})
        return ports

    def test_a_file_overrides_and_the_last_one_wins(self):
        a = self.write("a", "# ours\n443/tcp intranet never\n1-65535/udp any either\n")
        b = self.write("b", "443/tcp second implicit")
        gone = self.write("gone", "443/tcp -\n")
        self.assertEqual(self.service(), "https")
        self.assertEqual(self.service("--services", a), "intranet")
        self.assertEqual(self.service("--services", a, "--services", b), "second")
        self.assertEqual(self.service("--services", b, "--services", a), "intranet")
        self.assertEqual(self.service("--services", gone), None)
        self.assertEqual(self.service("--services", a, capture="quic-v1.pcap"), "any")

    def test_the_table_in_force_can_be_read_again(self):
        a = self.write("a", "1/tcp one never\n9250/tcp -\n443/udp -\n8000-8100/udp many either\n")
        rows = self.table("--services", a)
        self.assertEqual(rows, self.table("--services=" + a))
        self.assertEqual(rows[0], ["1/tcp", "one", "never"])
        for row in (["9200-9249/tcp", "elasticsearch", "either"], ["9251-9300/tcp", "elasticsearch", "either"],
                    ["443/tcp", "https", "implicit"], ["8000-8100/udp", "many", "either"]):
            self.assertIn(row, rows)
        self.assertNotIn("443/udp", [r[0] for r in rows])
        p = run("--services-table", "--services", a)
        everything = self.write("b", "1-65535/tcp -\n1-65535/udp -\n" + p.stdout.decode())
        # But for neighbours of one name and mode, which are one range now.
        self.assertEqual(self.by_port(self.table("--services", everything)), self.by_port(rows))
        self.assertEqual(run("--services", a, "--services-table").stdout, p.stdout)  # in either order
        md = run("--services-table=md", "--services", a).stdout.decode()
        self.assertIn("| 8000-8100/udp | `many` | either | set by the user |\n", md)

    def test_what_is_wrong_is_told_by_file_and_line(self):
        for text, says in (
            ("443/tcp https implicit\n\n0/tcp x never\n", ":3: a port is a number from 1 to 65535"),
            ("443 https implicit", ":1: behind the port or the range comes /tcp or /udp"),
            ("2-1/tcp x never", ":1: the range ends below its beginning"),
            ("443/tcp HTTPS implicit", ":1: a name is"),
            ("443/tcp https always", ":1: a mode is implicit, upgrade, either or never"),
            ("443/tcp - never", ":1: nothing follows -"),
            ("#" * (1 << 20), ": too long"),
        ):
            path = self.write("wrong", text)
            for args in (["-r", pcap("tls13-hello.pcap"), "-o", "json"], ["--services-table"]):
                p = run("--services", path, *args)
                self.assertEqual((p.returncode, p.stdout), (2, b""), text[:80])
                self.assertIn("hellotap: " + path + says, p.stderr.decode())
        for path, says in ((os.path.join(self.dir, "none"), "No such file"), (self.dir, "Is a directory")):
            p = run("--services", path, "-r", pcap("tls13-hello.pcap"))
            self.assertEqual((p.returncode, p.stdout), (1, b""))
            self.assertIn("%s: %s" % (path, says), p.stderr.decode())

    def test_wrong_usage(self):
        a = self.write("a", "443/tcp intranet never\n")
        for args, says in (
            (["--services-table=xml"], "only 'md' is known"),
            (["--services-table", "md"], "captures are named with -r"),
            (["--services"], "wants a value"),
            (["--services", a], "nothing to read"),
            (["-r", pcap("tls13-hello.pcap"), "--services", a, "-o", "json:" + a], "is a table of services"),
        ):
            p = run(*args)
            self.assertEqual(p.returncode, 2, args)
            self.assertIn(says, p.stderr.decode())
        with open(a) as f:
            self.assertEqual(f.read(), "443/tcp intranet never\n")


class Inputs(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        self.plain = pcap("hello-in-two-segments.pcap")
        with open(self.plain, "rb") as f:
            self.data = f.read()
        self.want = records(run("-r", self.plain, "-o", "json"))
        self.assertEqual(len(self.want), 1)

    def write(self, name, data):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def test_standard_input(self):
        self.assertEqual(records(run("-r", "-", "-o", "json", stdin=self.data)), self.want)

    def test_gzip_by_content_not_by_name(self):
        p = run("-r", self.write("capture.dat", gzip.compress(self.data)), "-o", "json")
        if b"built without" in p.stderr:
            self.skipTest("built without zlib")
        self.assertEqual(records(p), self.want)

    @unittest.skipUnless(shutil.which("zstd"), "no zstd program here")
    def test_zstd_from_a_pipe(self):
        z = subprocess.run(["zstd", "-qc"], input=self.data, capture_output=True, check=True).stdout
        p = run("-r", "-", "-o", "json", stdin=z)
        if b"built without" in p.stderr:
            self.skipTest("built without libzstd")
        self.assertEqual(records(p), self.want)

    def test_several_files_are_captures_of_their_own(self):
        # The same addresses, ports and sequence numbers in both: two connections all the same.
        p = run("-r", pcap("tls12-hello.pcap"), "-r", pcap("tls13-hello.pcap"), "-o", "json", "--stats", "json")
        self.assertEqual(p.returncode, 0)
        self.assertEqual([r["tls_version"] for r in records(p)], ["TLS 1.2", "TLS 1.3"])
        self.assertTrue(ledger(p)["balanced"])

    def test_a_sink_never_empties_a_capture_or_another_sink(self):
        path = self.write("in.pcap", self.data)
        for sinks in (["json:" + path], ["json", "csv"], ["json:" + self.dir + "/a", "csv:" + self.dir + "/a"]):
            p = run("-r", path, *sum((["-o", s] for s in sinks), []))
            self.assertEqual(p.returncode, 2, sinks)
        with open(path, "rb") as f:
            self.assertEqual(f.read(), self.data)

    def test_a_missing_file_does_not_stop_the_others(self):
        p = run("-r", os.path.join(self.dir, "none.pcap"), "-r", self.plain, "-o", "json")
        self.assertEqual(p.returncode, 1)
        self.assertEqual(records(p), self.want)
        self.assertIn("none.pcap: No such file or directory", p.stderr.decode())

    def test_every_cut_of_a_file_is_told_and_never_silent(self):
        whole = 24
        # Every cut of the file header and of the first frame's header, then every eleventh.
        for n in [*range(1, 64), *range(64, len(self.data), 11)]:
            p = run("-r", self.write("cut.pcap", self.data[:n]), "-o", "json", "-q", "--stats", "json")
            boundary = n == whole
            while whole < n:
                whole += 16 + int.from_bytes(self.data[whole + 8 : whole + 12], "little")
                boundary = whole == n
            if n < 24:
                self.assertEqual(p.returncode, 1, n)
                continue
            self.assertEqual(p.returncode, 0 if boundary else 1, n)
            if not boundary:
                self.assertRegex(p.stderr.decode(), r"cut\.pcap: offset \d+: ")
            self.assertTrue(ledger(p)["balanced"], n)

    def test_a_link_type_nobody_reads_is_told_once(self):
        says = "link type is not supported"
        p = run("-r", pcap("linktype-unknown.pcap"), "-r", self.plain, "-o", "json")
        self.assertEqual((p.returncode, records(p)), (0, self.want))
        self.assertEqual(p.stderr.decode().count(says), 1)
        self.assertNotIn(says, run("-r", self.plain, "-o", "json").stderr.decode())

    def test_not_a_capture(self):
        p = run("-r", self.write("x.pcap", b"#!/bin/sh\necho no capture\n" * 10))
        self.assertEqual(p.returncode, 1)
        self.assertIn("x.pcap", p.stderr.decode())

    def test_a_folder_and_an_empty_file(self):
        self.assertEqual(run("-r", self.dir).returncode, 1)
        self.assertEqual(run("-r", self.write("empty", b"")).returncode, 1)

    def test_filter(self):
        p = run("-r", self.plain, "-f", "udp", "-o", "json", "--stats", "json")
        self.assertEqual((p.returncode, records(p)), (0, []))
        self.assertGreater(ledger(p)["capture"]["filtered"], 0)
        self.assertTrue(ledger(p)["balanced"])
        self.assertEqual(records(run("-r", self.plain, "-f", "tcp port 443", "-o", "json")), self.want)
        p = run("-r", self.plain, "-f", "no such thing")
        self.assertEqual((p.returncode, p.stdout), (2, b""))
        self.assertIn("filter", p.stderr.decode().lower())


class Outputs(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)

    def test_sinks_side_by_side(self):
        paths = {k: os.path.join(self.dir, k) for k in ("json", "csv", "table")}
        p = run("-r", pcap("quic-v1.pcap"), *sum((["-o", "%s:%s" % i] for i in paths.items()), []))
        self.assertEqual((p.returncode, p.stdout), (0, b""))
        for path in paths.values():
            with open(path) as f:
                self.assertIn("quic.example.com", f.read())

    def test_two_outputs_in_one_file(self):
        new, link = (os.path.join(self.dir, n) for n in ("new", "link"))
        os.symlink(new, link)
        for other in (new, os.path.join(self.dir, ".", "new"), link):
            p = run("-r", pcap("quic-v1.pcap"), "-o", "json:" + new, "-o", "csv:" + other)
            self.assertEqual((p.returncode, p.stdout), (2, b""), p)
            self.assertIn(f"csv:{other}: writes where json:{new} does", p.stderr.decode())
        p = run("-r", pcap("quic-v1.pcap"), "-o", "json:/dev/null", "-o", "csv:/dev/null")
        self.assertEqual(p.returncode, 0)

    def test_wrong_usage_empties_and_makes_no_file(self):
        first = os.path.join(self.dir, "first")
        wrong = (["-o", "xml:x"], ["-o", "json:y?rotat_s=3"], ["-o", "json?rotate_s=3"], ["-o", "csv:" + first],
                 ["-o", f"csv:{self.dir}/./first"], ["-o", "csv?records=x"], ["-o", "kafka://b"], ["-o", "csv:" + self.dir],
                 ["-o", "ipfix+tls://b?tls_cert=x"], ["-o", "json", "-o", "csv:-"], ["-o", "json:" + pcap("quic-v1.pcap")],
                 ["-f", "tcp prot 443"], ["--window", "5"], ["--flows", "all"])
        for args in wrong:
            for before in (b"full\n", None):
                if before is not None:
                    with open(first, "wb") as f:
                        f.write(before)
                p = run("-r", pcap("quic-v1.pcap"), "-o", "json:" + first, *args)
                self.assertEqual((p.returncode, p.stdout), (2, b""), p)
                if before is None:
                    self.assertEqual(os.listdir(self.dir), [], args)
                    continue
                with open(first, "rb") as f:
                    self.assertEqual(f.read(), before, args)
                os.remove(first)
        # What standard output is may be named as well.
        with open(first, "wb") as f:
            p = subprocess.run([PROGRAM, "-r", pcap("quic-v1.pcap"), "-o", "json", "-o", "csv:/dev/stdout"], stdout=f,
                               stderr=subprocess.PIPE, timeout=60, check=False)
        self.assertEqual(p.returncode, 2)
        self.assertIn(b"csv:/dev/stdout: writes where json does", p.stderr)
        self.assertEqual(os.path.getsize(first), 0)

    def test_options_of_an_output(self):
        """Behind the last ?, each output its own; what stands before it is a name, whatever is in it."""
        hellos, events, odd = (os.path.join(self.dir, n) for n in ("hellos", "events", "odd?name=1"))
        p = run("-r", pcap("via-smtp.pcap"), "-o", f"json:{hellos}?records=hello&queue_mib=1", "-o",
                f"json:{events}?records=event", "-o", "csv:" + odd + "?", "--stats", "json")
        self.assertEqual((p.returncode, p.stdout), (0, b""), p.stderr)
        for path, kind in ((hellos, "hello"), (events, "event")):
            with open(path) as f:
                rs = [json.loads(line) for line in f]
            self.assertEqual({r["record"] for r in rs}, {kind})
            # Without --sensor-id a file has nothing of the sensor.
            self.assertFalse({"sensor_id", "sensor_run", "sequence"} & set(rs[0]))
        self.assertTrue(os.path.exists(odd))
        self.assertTrue(ledger(p)["balanced"])
        self.assertEqual(ledger(p)["sinks"][0]["sink"], "json:" + hellos)

    def test_an_output_has_what_it_asks_for(self):
        """Whatever --records says, which is for those that ask for nothing."""
        flows, plain = (os.path.join(self.dir, n) for n in ("flows", "plain"))

        def kinds(path):
            with open(path) as f:
                return {json.loads(line)["record"] for line in f}
        for args, want in (([], {"hello", "event"}), (["--records", "hello"], {"hello"})):
            p = run("-r", pcap("via-smtp.pcap"), *args, "-o", f"json:{flows}?records=flow,aggregate", "-o", "json:" + plain,
                    "--window", "5", "--stats", "json")
            self.assertEqual(p.returncode, 0, p)
            self.assertTrue(ledger(p)["balanced"])
            self.assertEqual((kinds(flows), kinds(plain)), ({"flow", "aggregate"}, want))
        # What nobody asks for is not made.
        p = run("-r", pcap("via-smtp.pcap"), "-o", f"json:{flows}?records=flow", "--stats", "json")
        self.assertEqual(ledger(p)["sinks"][0]["records"], 1)
        p = run("-r", pcap("via-smtp.pcap"), "--records", "stats", "-o", "csv")
        self.assertEqual((p.returncode, p.stdout), (2, b""))
        self.assertIn(b"csv: nothing would go there: csv has no such records", p.stderr)

    def test_the_summary(self):
        """The main numbers of what was asked for; of the outputs, where there is more to say than that a file has it all."""
        def summary(*args):
            p = run("-r", pcap("via-smtp.pcap"), *args)
            # Behind how much was read, and what there was to say in the meantime.
            return [line for line in p.stderr.decode().splitlines() if not line.startswith("hellotap: ")][1:]
        hellos = ["1 hello complete, 0 incomplete", "1 connection with an upgrade protocol (completed 1)"]
        self.assertEqual(summary("-o", "json:/dev/null"), hellos)
        self.assertEqual(summary("--records", "hello,flow", "-o", "json:/dev/null"), [*hellos, "1 flow record"])
        self.assertEqual(summary("--records", "aggregate", "-o", "json:/dev/null"),
                         [*hellos, "1 flow record, summed up to 1 aggregate of 1 window"])
        self.assertEqual(summary("-o", "json:/dev/null", "-o", "csv:/dev/null?records=hello"),
                         [*hellos, "json:/dev/null: 2 records delivered", "csv:/dev/null: 1 record delivered"])
        self.assertEqual(summary("-q", "-o", "json:/dev/null", "-o", "csv:/dev/null"), [])
        if "kafka yes" in run("--version").stdout.decode() and "protobuf yes" in run("--version").stdout.decode():
            to = f"kafka://localhost:1/t?linger_s=1&spool={self.dir}"
            name = "kafka://localhost:1/t: 0 records delivered, "
            self.assertEqual(summary("-o", to), [*hellos, name + "2 left in its spool for the next run"])
            self.assertEqual(summary("-o", to), [*hellos, name + "2 found in its spool, 4 left in its spool for the next run"])

    def test_the_head_of_a_csv_file(self):
        """The fields of the kinds that go there, whatever else is made."""
        heads = {}
        for args in (["--records", "event"], ["--records", "hello,event"], ["--records", "hello,event", "?records=event"]):
            to = os.path.join(self.dir, "csv")
            option = args.pop() if args[-1].startswith("?") else ""
            run("-r", pcap("openssl-starttls-smtp.pcap"), *args, "-o", "csv:" + to + option)
            with open(to, encoding="utf-8") as f:
                heads[args[1], option] = f.readline()
        self.assertEqual(heads["hello,event", "?records=event"], heads["event", ""])
        self.assertNotEqual(heads["hello,event", ""], heads["event", ""])

    def test_wrong_options_of_an_output(self):
        cases = {
            "json?queue_mib=0": "queue_mib=0: must be 1 to 1024",
            "json?when_full=wait": "when_full=wait: must be auto or drop or block",
            "json?queue_mib=1&eggs=2": "eggs: no option of an output; there are records when_full queue_mib",
            "json:typo?rotat_mib=5": "rotat_mib: no option of an output; did you mean rotate_mib?",
            "json?records=hallo": "records: hallo: hello, event, flow, aggregate or stats was expected",
            "csv?records=hello,stats": "records: stats: not for csv",
            "json?records=%4": "records: % wants two hex digits",
            "csv?tls_ca=/x": "tls_ca: not for csv",
            "eggs:/x": "eggs:/x: no such kind of output: json[:PATH], csv[:PATH], table[:PATH]",
        }
        for spec, told in cases.items():
            p = run("-r", pcap("quic-v1.pcap"), "-o", spec)
            self.assertEqual((p.returncode, p.stdout), (2, b""), spec)
            self.assertIn(told, p.stderr.decode())

    def test_the_name_of_the_sensor(self):
        begun = time.time()
        rs = records(run("-r", pcap("via-smtp.pcap"), "-o", "json", "--sensor-id", "spän 1"))
        self.assertEqual([r["sensor_id"] for r in rs], ["spän 1"] * len(rs))
        self.assertEqual([r["sequence"] for r in rs], list(range(1, len(rs) + 1)))
        self.assertEqual(len({r["sensor_run"] for r in rs}), 1)
        self.assertLess(begun - 1, rs[0]["sensor_run"] / 1000)
        self.assertLess(rs[0]["sensor_run"] / 1000, time.time() + 1)

    def test_no_escape_codes_but_on_a_terminal(self):
        self.assertNotIn(b"\x1b", run("-r", pcap("sni-odd.pcap"), "-o", "table").stdout)

    def test_a_hello_longer_than_the_cap_is_told(self):
        for c in ("pq-hello.pcap", "dtls-pq.pcap", "quic-two-initials.pcap", "hello-20k.pcap"):
            rs = records(run("-r", pcap(c), "-o", "json", "--max-hello-bytes", "600"))
            self.assertEqual([(r["complete"], r["incomplete_reason"]) for r in rs], [(False, "limit")], c)

    def test_kinds_of_records(self):
        kinds = {}
        for wanted in "hello", "event", "hello,event", "event,hello", None:
            args = ["--records", wanted] if wanted else []
            kinds[wanted] = [r["record"] for r in records(run("-r", pcap("openssl-starttls-smtp.pcap"), "-o", "json", *args))]
        self.assertEqual(kinds["hello"], ["hello"])
        self.assertEqual(kinds["event"], ["event"])
        for both in "hello,event", "event,hello", None:
            self.assertEqual(kinds[both], ["hello", "event"])

    def test_lost_records_are_told(self):
        p = run("-r", pcap("tls13-hello.pcap"), "-o", "json:/dev/full", "--stats", "json")
        self.assertEqual(p.returncode, 1)
        self.assertIn("No space left on device", p.stderr.decode())
        led = ledger(p)
        self.assertEqual(led["sinks"][0]["lost"], led["sinks"][0]["records"])
        self.assertTrue(led["balanced"])

    def many(self):
        """A capture of more frames than are read at a time, and how many."""
        with open(pcap("tls13-hello.pcap"), "rb") as f:
            data = f.read()
        n, at = 0, 24
        while at < len(data):
            n, at = n + 1, at + 16 + int.from_bytes(data[at + 8 : at + 12], "little")
        times = 60000 // n
        return data[:24] + data[24:] * times, n * times

    def test_a_lost_record_does_not_end_the_reading(self):
        data, n = self.many()
        p = run("-r", "-", "-o", "json:/dev/full", "-q", "--stats", "json", stdin=data)
        self.assertEqual(p.returncode, 1)
        led = ledger(p)
        self.assertGreater(led["sinks"][0]["lost"], 0)
        self.assertEqual(led["capture"]["frames"], n)

    def test_a_closed_pipe_does(self):
        data, n = self.many()
        path = os.path.join(self.dir, "many.pcap")
        with open(path, "wb") as f:
            f.write(data)
        for others, all_read in ([], False), (["-o", "json:/dev/null"], True):
            r, w = os.pipe()
            os.close(r)
            # A record is handed over at once when standard input is a source, too.
            with open(path, "rb") as f:
                p = subprocess.run([PROGRAM, "-r", "-", "-o", "json", *others, "-q", "--stats", "json"],
                                   stdin=f, stdout=w, stderr=subprocess.PIPE, timeout=120)
            os.close(w)
            self.assertEqual(p.returncode, 1)
            led = ledger(p)
            self.assertEqual(led["capture"]["frames"] == n, all_read)
            self.assertTrue(led["balanced"])

    def test_any_path_is_json_in_the_ledger(self):
        for name, want in (
            (b"plain", "plain"),
            (b'a "quote" and \\ back', 'a "quote" and \\ back'),
            (b"tab\tline\nescape\x1b\x7f", "tab\tline\nescape\x1b\x7f"),
            ("gr\u00fc\u00df \U0001f600".encode(), "gr\u00fc\u00df \U0001f600"),
            (b"not utf-8: \xff\xc3(", "not utf-8: \\xff\\xc3("),
        ):
            spec = b"json:" + os.path.join(self.dir.encode(), name)
            p = run("-r", pcap("tls13-hello.pcap"), "-o", spec, "-q", "--stats", "json")
            self.assertEqual(p.returncode, 0, name)
            self.assertEqual(ledger(p)["sinks"][0]["sink"], "json:%s/%s" % (self.dir, want))

    def test_an_output_that_cannot_be_made(self):
        p = run("-r", pcap("tls13-hello.pcap"), "-o", "json:%s/no/such/folder" % self.dir)
        self.assertEqual(p.returncode, 1)
        self.assertIn("No such file or directory", p.stderr.decode())

    def test_ja4_r_only_on_request(self):
        self.assertNotIn("ja4_r", records(run("-r", pcap("tls13-hello.pcap"), "-o", "json"))[0])
        r = records(run("-r", pcap("tls13-hello.pcap"), "-o", "json", "--ja4-r"))[0]
        self.assertEqual(r["ja4_r"].split("_")[0], r["ja4"].split("_")[0])

    def test_records_come_while_the_pipe_is_open(self):
        """A record leaves when the last byte of its hello was seen, not when the input ends."""
        with open(pcap("tls13-hello.pcap"), "rb") as f:
            data = f.read()
        p = subprocess.Popen([PROGRAM, "-r", "-", "-o", "json", "-q"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        p.stdin.write(data)
        p.stdin.flush()
        line = p.stdout.readline()
        self.assertIsNone(p.poll())
        self.assertEqual(json.loads(line)["sni"], "www.example.com")
        p.stdin.close()
        self.assertEqual(p.wait(timeout=SECONDS), 0)
        p.stdout.close()

    def late(self):
        """A hello behind so much that the capture is read by a thread of its own."""
        with open(pcap("tls13-hello.pcap"), "rb") as f:
            data = f.read()
        frame = bytes(8) + (1500).to_bytes(4, "little") * 2 + bytes(1500)
        return data[:24] + 2000 * frame + data[24:]

    def test_a_long_pipe(self):
        with subprocess.Popen([PROGRAM, "-r", "-", "-o", "json", "--stats", "json"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
            p.stdin.write(self.late())
            p.stdin.flush()
            self.assertEqual(json.loads(p.stdout.readline())["sni"], "www.example.com")
            self.assertTrue(until(lambda: waits_for_more(p)))
            p.send_signal(signal.SIGTERM)
            self.assertEqual(p.wait(timeout=SECONDS), 0)  # with its input still open
            err = p.stderr.read()
        self.assertNotIn(b"interrupted", err)  # it was asked to end
        self.assertIn(b'"balanced":true', err)

    def test_a_closed_output_ends_a_long_pipe(self):
        r, w = os.pipe()
        os.close(r)
        with subprocess.Popen([PROGRAM, "-r", "-", "-o", "json", "--stats", "json"], stdin=subprocess.PIPE,
                              stdout=w, stderr=subprocess.PIPE) as p:
            os.close(w)
            try:
                p.stdin.write(self.late())
                p.stdin.flush()
            except BrokenPipeError:
                pass  # it was quicker
            self.assertEqual(p.wait(timeout=SECONDS), 1)
            self.assertIn(b'"balanced":true', p.stderr.read())

    def test_a_signal_about_when_it_begins_to_wait(self):
        with open(pcap("tls13-hello.pcap"), "rb") as f:
            data = f.read()
        draw = random.Random(1)
        for _ in range(30):
            with subprocess.Popen([PROGRAM, "-r", "-", "-o", "json", "-q"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
                p.stdin.write(data)
                p.stdin.flush()
                self.assertEqual(json.loads(p.stdout.readline())["sni"], "www.example.com")
                time.sleep(draw.uniform(0, 0.001))
                p.send_signal(signal.SIGTERM)
                self.assertEqual(p.wait(timeout=SECONDS), 0)

    def test_sigterm_drains_and_ends(self):
        with open(pcap("hello-never-complete.pcap"), "rb") as f:
            data = f.read()
        p = subprocess.Popen([PROGRAM, "-r", "-", "-o", "json", "--stats", "json"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdin.write(data)
        p.stdin.flush()
        self.assertTrue(until(lambda: waits_for_more(p)))
        p.send_signal(signal.SIGTERM)
        out, err = p.communicate(timeout=SECONDS)
        self.assertEqual(json.loads(out)["incomplete_reason"], "end_of_capture")
        self.assertIn(b'"balanced":true', err)
        self.assertEqual(p.returncode, 0)


@unittest.skipIf("configuration no" in run("--version").stdout.decode(), "built without libyaml")
class Check(unittest.TestCase):
    """--check: what a configuration names outside is looked at, and nothing is made or changed."""

    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        os.chmod(self.dir, 0o755)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def check(self, text, *args):
        with open(self.path("c.yaml"), "w") as f:
            f.write("interfaces: [lo]\n" + text)
        there = sorted(os.walk(self.dir))
        # LeakSanitizer may not look at a process that has become another user.
        p = run("-c", self.path("c.yaml"), "--check", *args, env={"ASAN_OPTIONS": "detect_leaks=0"} if "user:" in text else None)
        self.assertEqual(sorted(os.walk(self.dir)), there)
        # LINE:COLUMN: what
        return p.returncode, [line.removeprefix(self.path("c.yaml") + ":") for line in p.stderr.decode().splitlines()]

    def told(self, text, *lines):
        status, told = self.check(text)
        self.assertEqual((status, len(told)), (1, len(lines)), told)
        for line, start in zip(told, lines):
            self.assertTrue(line.startswith(start), (line, start))

    def test_right(self):
        os.mkdir(self.path("out"))
        self.assertEqual(self.check(f"""outputs: ['json:{self.path("out", "a.json")}', 'csv:{self.path("out", "b")}?rotate_s=60']
sinks:
- to: ipfix+tcp://localhost
  spool: {self.path("spool")}
- to: json:{self.path("c.json")}?x
"""), (0, []))

    def test_files(self):
        os.mkdir(self.path("folder"))
        self.told(f"""outputs:
- json:{self.path("no", "a")}
- json:{self.path("no", "b")}?rotate_s=9
sinks:
- to: csv:{self.path("c.yaml", "c")}
- to: csv:{self.path("c.yaml")}
- to: table
  records: [hello]
services: [{self.path("no")}]
""", f"10:12: services: {self.path('no')}: No such file", f"3:3: outputs: json:{self.path('no', 'a')}: folder of ",
                  f"4:3: outputs: json:{self.path('no', 'b')}: folder of ", f"6:7: sinks[0].to: cannot write {self.path('c.yaml', 'c')}: Not a directory",
                  "7:7: sinks[1].to: is the configuration")
        self.assertEqual(self.check(f"services: [{self.path('c.yaml')}]\n")[0], 2)  # no table of services

    def test_twice(self):
        status, told = self.check(f"outputs: ['json:{self.path('a')}']\nsinks:\n- to: csv:{self.path('.', 'a')}\n- to: json\n- to: csv:-\n")
        self.assertEqual(status, 2)
        self.assertEqual(told, [f"4:7: sinks[0].to: writes where json:{self.path('a')} does", "6:7: sinks[2].to: writes where json does"])
        status, told = self.check(f"sinks:\n- to: json:{self.path('a')}?rotate_s=60\n")
        self.assertEqual((status, told), (2, [f"3:7: sinks[0].to: json:{self.path('a')}?rotate_s=60: its options stand beside it, not behind a ?"]))

    @unittest.skipIf(os.geteuid() != 0, "takes root")
    def test_as_the_user_that_it_becomes(self):
        with open(self.path("mine"), "w"):
            pass
        os.mkdir(self.path("spool"), 0o700)
        self.told(f"""service: {{user: nobody}}
outputs:
- json:{self.path("mine")}
- json:{self.path("new")}
- json:/dev/null
sinks:
- to: ipfix+tcp://localhost
  spool: {self.path("spool")}
""", f"4:3: outputs: json:{self.path('mine')}: cannot write {self.path('mine')}: Permission denied",
                  f"5:3: outputs: json:{self.path('new')}: folder of {self.path('new')}: cannot write there",
                  f"9:10: sinks[0].spool: {self.path('spool')}")

    def test_spools(self):
        os.makedirs(self.path("open", "kafka%3A%2F%2Fb%2Ft"), 0o777)
        os.chmod(self.path("open", "kafka%3A%2F%2Fb%2Ft"), 0o777)
        if "kafka yes" not in run("--version").stdout.decode():
            self.skipTest("built without librdkafka")
        self.told(f"""sinks:
- to: kafka://b/t
  spool: {self.path("open")}
- to: kafka://b/u
  spool: {self.path("no", "no")}
""", f"4:10: sinks[0].spool: {self.path('open')}/kafka%3A%2F%2Fb%2Ft: group or others may write there", f"6:10: sinks[1].spool: {self.path('no', 'no')}/")

    def test_tls(self):
        if "ipfix yes" not in run("--version").stdout.decode() or shutil.which("openssl") is None:
            self.skipTest("built without IPFIX, or no openssl here")
        for name in "ab":
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
                            "-keyout", self.path(name + ".key"), "-out", self.path(name + ".pem")], check=True, capture_output=True)
        subprocess.run(["openssl", "ec", "-in", self.path("a.key"), "-aes128", "-passout", "pass:open", "-out", self.path("enc.key")],
                       check=True, capture_output=True)

        def sink(**files):
            return "sinks:\n- to: ipfix+tls://localhost\n" + "".join(f"  tls_{k}: {self.path(v)}\n" for k, v in files.items())
        self.assertEqual(self.check(sink(ca="b.pem", cert="a.pem", key="a.key")), (0, []))
        for files, says in (({"ca": "no.pem"}, "4:11: sinks[0].tls_ca: %s: No such file"),
                            ({"ca": "a.key"}, "4:11: sinks[0].tls_ca: %s: no certificate"),
                            ({"cert": "a.key", "key": "a.key"}, "4:13: sinks[0].tls_cert: %s: no PEM file of that kind"),
                            ({"cert": "a.pem", "key": "a.pem"}, "5:12: sinks[0].tls_key: %s: "),
                            ({"cert": "a.pem", "key": "b.key"}, "5:12: sinks[0].tls_key: %s: key values mismatch"),
                            ({"cert": "a.pem", "key": "enc.key"}, "5:12: sinks[0].tls_key: %s: is encrypted")):
            self.told(sink(**files), says % self.path(list(files.values())[-1 if "tls_key" in says else 0]))


class EveryCapture(unittest.TestCase):
    """Each capture of the project, whatever is in it: the ledger balances and each sink can tell it."""

    def test_ledger_and_sinks(self):
        captures = sorted(glob.glob(os.path.join(PCAPS, "*.pcap*")))
        self.assertGreater(len(captures), 100)
        for c in captures:
            with self.subTest(os.path.basename(c)):
                p = run("-r", c, "-o", "json", "-o", "csv:/dev/null", "-o", "table:/dev/null", "--stats", "json")
                if b"built without" in p.stderr:
                    continue
                self.assertIn(p.returncode, (0, 1))
                led = ledger(p)
                self.assertTrue(led["balanced"], led)
                rs = records(p)
                hellos = [r for r in rs if r["record"] == "hello"]
                h = led["hellos"]
                self.assertEqual(h["complete"], sum(r["complete"] for r in hellos))
                self.assertEqual(h["begun"], len(hellos))
                told = collections.Counter(r["upgrade_state"] for r in rs if "upgrade_state" in r)
                in_clear = [r for r in rs if r.get("kind") == "upgrade" and "upgrade_state" not in r]
                self.assertLessEqual(len(in_clear), led["upgrades"]["unsaid"])
                self.assertTrue(all(r["in_clear"] for r in in_clear))
                states = {k: n for k, n in led["upgrades"].items() if k not in ("begun", "unsaid") and n > 0}
                self.assertEqual(states, told)
                not_tls = [r for r in rs if r.get("kind") == "not_tls_on_tls_port"]
                self.assertEqual(led["events"]["not_tls_on_tls_port"], len(not_tls))
                encrypted = [r for r in rs if r.get("kind") == "encrypted_hello"]
                self.assertEqual(led["events"]["encrypted_hello"], len(encrypted))
                self.assertEqual(len(rs), len(hellos) + sum(told.values()) + len(in_clear) + len(not_tls) + len(encrypted))
                self.assertEqual({s["delivered"] for s in led["sinks"]}, {len(rs)})

    def test_a_small_sensor_gives_up_and_says_so(self):
        """The smallest caps: nothing crashes, and what was given up is in the ledger."""
        for c in sorted(glob.glob(os.path.join(PCAPS, "*.pcap*"))):
            with self.subTest(os.path.basename(c)):
                p = run("-r", c, "-o", "json", "--stats", "json", "--max-flows", "8", "--max-hellos", "8",
                        "--max-hello-bytes", "512", "--max-fragmented", "1", "--arena-bytes", "1048576")
                if b"built without" in p.stderr:
                    continue
                self.assertTrue(ledger(p)["balanced"], c)


if __name__ == "__main__":
    unittest.main()
