#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""pipelines/: ClickHouse's schema and Vector's program with the records of a replay.

usage: test_pipelines.py PROGRAM PCAPS PIPELINES CACHE

ClickHouse's engine (chdb-core) and the compiler of Vector's language (pyVRL) come from PyPI by pip into CACHE, the
first time. Exit status 77 where they cannot be had.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

PROGRAM, PCAPS, PIPELINES, CACHE = sys.argv[1:5]
CAPTURES = ["chromium-quic.pcapng", "curl-https.pcap", "openssl-starttls-smtp.pcap", "upgrade-stripped-smtp.pcap",
            "openssl-hello-retry.pcap", "gap.pcap", "openssl-dtls12-cookie.pcap"]  # fmt: skip
WHEELS = ["chdb-core==26.9.0", "pyVRL==0.0.2"]
# What a type of docs/fields.md may be in ClickHouse.
TYPES = {
    "boolean": r"Bool",
    "number": r"UInt(8|16|32|64)",
    "string": r"(LowCardinality\()?String\)?|IPv6|DateTime64\([09], 'UTC'\)",
    "[number]": r"Array\(UInt(8|16|64)\)",
    "[string]": r"Array\((LowCardinality\()?String\)?\)",
}


def fetch():
    """Puts the two packages on the path; False, and why it could not be."""
    sys.path.insert(0, CACHE)
    if not os.path.exists(os.path.join(CACHE, "pyvrl")) or not os.path.exists(os.path.join(CACHE, "chdb")):
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary", ":all:", "--target", CACHE]
        p = subprocess.run(pip + WHEELS, capture_output=True, text=True, timeout=900, check=False)
        if p.returncode != 0:
            return p.stderr.strip().splitlines()[-1] if p.stderr.strip() else "pip failed"
    try:
        import chdb  # noqa: F401
        import pyvrl  # noqa: F401
    except ImportError as e:
        return str(e)
    return None


def replay():
    inputs = [a for c in CAPTURES for a in ("-r", os.path.join(PCAPS, c))]
    p = subprocess.run([PROGRAM, "-q", "-o", "json", "--sensor-id", "probe-7", "--records",
                        "hello,event,flow,aggregate,stats", *inputs], capture_output=True, text=True, check=True)  # fmt: skip
    return p.stdout.splitlines()


def read(*path):
    with open(os.path.join(PIPELINES, *path), encoding="utf-8") as f:
        return f.read()


def statements():
    """Without the time to live: the captures are older than that."""
    sql = re.sub(r"--.*|\nTTL [^;]*", "", read("clickhouse", "schema.sql"))
    return [s.strip() for s in sql.split(";") if s.strip()]


def columns(statement):
    body = re.search(r"\((.*)\)\s*ENGINE", statement, re.S).group(1)
    for line in body.strip().splitlines():
        m = re.match(r"\s*(\w+) (.*?)( CODEC\(.*\)| DEFAULT .*)?,?$", line)
        yield m.group(1), m.group(2)


class ClickHouse(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        from chdb import session

        cls.lines = replay()
        cls.records = [json.loads(line) for line in cls.lines]
        cls.folder = tempfile.TemporaryDirectory()
        cls.session = session.Session(cls.folder.name)
        for s in statements():
            cls.query("EXPLAIN AST " + s)  # the statement of the queue can only be parsed here
            if "_raw_message" not in s:  # a column that only the Kafka engine has
                cls.query(re.sub(r"ENGINE = Kafka\s+SETTINGS.*", "ENGINE = Null", s, flags=re.S))
        insert = ("INSERT INTO hellotap.queue SETTINGS date_time_input_format='best_effort', "
                  "input_format_skip_unknown_fields=1 FORMAT JSONEachRow ")  # fmt: skip
        for _ in range(2):  # delivery is at least once
            cls.query(insert + "\n".join(cls.lines))

    @classmethod
    def tearDownClass(cls):
        cls.session.close()
        cls.folder.cleanup()

    @classmethod
    def query(cls, sql):
        return [json.loads(row) for row in str(cls.session.query(sql, "JSONEachRow")).splitlines() if row]

    def number(self, sql):
        [row] = self.query(sql)
        return int(next(iter(row.values())))

    def of_kind(self, kind):
        return [r for r in self.records if r["record"] == kind]

    def test_each_record_is_there_once(self):
        for kind in ("hello", "flow", "aggregate", "event"):
            want = len(self.of_kind(kind))
            self.assertGreater(want, 0, kind)
            self.assertEqual(self.number(f"SELECT count() FROM hellotap.{kind}s FINAL"), want, kind)

    def test_values_are_those_of_the_records(self):
        for r in self.of_kind("hello"):
            [row] = self.query(f"SELECT * FROM hellotap.hellos FINAL WHERE sequence = {r['sequence']}")
            for name, value in r.items():
                if name in row and name not in ("ts", "src_ip", "dst_ip"):
                    got = row[name]
                    self.assertEqual(int(got) if isinstance(got, str) and isinstance(value, int) else got, value, name)
            self.assertEqual(row["src_ip"].removeprefix("::ffff:"), r["src_ip"])
            self.assertEqual(row["ts"].replace(" ", "T")[:26], r["ts"][:26])

    def test_bytes_of_flows_and_aggregates(self):
        for kind in ("flow", "aggregate"):
            want = sum(r["c2s_bytes"] + r["s2c_bytes"] for r in self.of_kind(kind))
            self.assertEqual(self.number(f"SELECT sum(c2s_bytes + s2c_bytes) FROM hellotap.{kind}s FINAL"), want)

    def test_the_roll_up_counts_what_came_twice_once(self):
        rows = self.query(
            "SELECT sni, uniqCombinedMerge(hellos) n, uniqCombinedIfMerge(incomplete) i, uniqCombinedIfMerge(pq) p "
            "FROM hellotap.hellos_by_hour GROUP BY sni"
        )
        hellos = self.of_kind("hello")
        self.assertEqual(sum(int(r["n"]) for r in rows), len(hellos))
        self.assertEqual(sum(int(r["i"]) for r in rows), sum(not r["complete"] for r in hellos))
        self.assertEqual(sum(int(r["p"]) for r in rows), sum(r.get("pq", False) for r in hellos))

    def test_completeness_sees_what_never_came(self):
        [row] = self.query("SELECT * FROM hellotap.completeness")
        self.assertEqual((int(row["came"]), int(row["missing"])), (2 * len(self.records), 0))
        self.query("CREATE DATABASE gap")
        for t in ("hellos", "flows", "aggregates", "events", "stats"):
            self.query(f"CREATE TABLE gap.{t} ENGINE = MergeTree ORDER BY sequence AS SELECT * FROM hellotap.{t} "
                       "WHERE sequence != 3")  # fmt: skip
        [view] = [s for s in statements() if s.startswith("CREATE VIEW hellotap.completeness")]
        self.query(view.replace("hellotap.", "gap."))
        self.assertEqual(int(self.query("SELECT * FROM gap.completeness")[0]["missing"]), 1)

    def test_columns_are_fields(self):
        p = subprocess.run([PROGRAM, "--fields=md"], capture_output=True, text=True, check=True)
        fields = {m[1]: m[2] for m in re.finditer(r"^\| `(\w+)` \| \d+ \| [^|]+ \| ([^|]+?) \|", p.stdout, re.M)}
        checked = 0
        for s in statements():
            table = re.match(r"CREATE TABLE hellotap\.(queue|hellos|flows|aggregates|events|stats)\s", s)
            for name, type_ in columns(s) if table else ():
                self.assertIn(name, fields)
                self.assertRegex(type_, f"^({TYPES[fields[name]]})$", name)
                checked += 1
        self.assertGreater(checked, 200)


class Vector(unittest.TestCase):
    def setUp(self):
        import pyvrl

        self.program = pyvrl.Transform(read("vector", "remap.vrl") + "\n.\n")  # its value is the event

    def run_on(self, line):
        return self.program.remap({"message": line})

    def test_records_go_through(self):
        seen = set()
        for line in replay():
            out, r = self.run_on(line), json.loads(line)
            for name in ("record", "sni", "src_ip"):
                self.assertEqual(out.get(name), r.get(name))
            if "sni" in r:
                self.assertEqual(out["sni_domain"], ".".join(r["sni"].lower().split(".")[-2:]))
            if r.get("complete") is False:
                self.assertIn("incomplete", out["findings"])
                seen.add("incomplete")
            seen.add(r["record"])
        self.assertLessEqual({"hello", "event", "flow", "aggregate", "incomplete"}, seen)

    def test_networks(self):
        for ip, ours in (("10.1.2.3", True), ("192.0.2.1", False), ("fd00::1", True), ("2001:db8::1", False)):
            out = self.run_on(json.dumps({"record": "hello", "src_ip": ip, "sni": "a"}))
            self.assertEqual((out["src_is_ours"], out["sni_domain"]), (ours, "a"))

    def test_what_is_no_record_is_dropped(self):
        for line in ("", "no JSON", "[1]", '{"x":1}', '{"record":1}'):
            with self.assertRaises(ValueError):
                self.run_on(line)

    def test_the_configuration_refers_to_what_is_there(self):
        import yaml

        config = yaml.safe_load(read("vector", "vector.yaml"))
        known = set(config["sources"])
        for name, t in config["transforms"].items():
            known.add(name)
            known |= {f"{name}.{r}" for r in t.get("route", {})}
            if t.get("reroute_dropped"):
                known.add(name + ".dropped")
            if "file" in t:
                read("vector", t["file"])
        tables = {re.match(r"CREATE TABLE hellotap\.(\w+)", s)[1] for s in statements() if s.startswith("CREATE TABLE")}
        for t in list(config["transforms"].values()) + list(config["sinks"].values()):
            for i in t["inputs"]:
                self.assertIn(i, known)
            if t["type"] == "clickhouse":
                self.assertIn(t["table"], tables)


if __name__ == "__main__":
    why = fetch()
    if why is not None:
        print("SKIP: ClickHouse's engine and Vector's compiler cannot be had:", why)
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
