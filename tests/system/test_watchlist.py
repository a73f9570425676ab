#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Watchlists: what records match, and how lists are changed while hellos come.

usage: test_watchlist.py PROGRAM CAPTURES-FOLDER [CASE...]
What a record must match is found here once more, slowly, from the records of a run without lists.
Skipped (77) where this machine lacks something.
"""

import contextlib
import glob
import ipaddress
import itertools
import json
import os
import pwd
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import mix
import sensor
from sensor import PCAPS, PROGRAM, SECONDS, LiveTest, Sensor, dpdk, parse, pcap, until, veth

REGEX = not sensor.without("hs")
IDN = not sensor.without("idn2")
SEVERITIES = ("info", "notice", "warning", "critical")
KINDS = "hello,event,flow"


def setUpModule():
    veth("va", "vb", mtu=1500)


def run(*args):
    return subprocess.run([PROGRAM, *args], capture_output=True, timeout=10 * SECONDS)


# --- the slow matcher -----------------------------------------------------------------------------


def sent(text):
    """The bytes of a text as sent (docs/fields.md)."""
    parts = re.split(r"(\\x[0-9a-f]{2})", text)
    return b"".join(bytes([int(p[2:], 16)]) if i % 2 else p.encode() for i, p in enumerate(parts))


def name_of(r):
    """The server name as it is compared: in lower case, without the final dot, in A-labels."""
    name = sent(r.get("sni", ""))
    name = bytes(c + 32 if 65 <= c <= 90 else c for c in name)
    name = name[:-1] if name.endswith(b".") else name
    if all(c < 128 for c in name):
        return name
    try:
        return b".".join(label.encode("idna") for label in name.decode().split("."))
    except UnicodeError:
        return name


def below(domain):
    return lambda r: name_of(r).endswith(b"." + domain.encode())


def host(domain):
    return lambda r: name_of(r) == domain.encode()


def regex(text):
    return lambda r: bool(name_of(r)) and re.search(text.encode(), name_of(r)) is not None


def one_of(*conditions):
    return lambda r: any(c(r) for c in conditions)


def all_of(*conditions):
    return lambda r: all(c(r) for c in conditions)


def address(net, *fields):
    net = ipaddress.ip_network(net)
    return lambda r: any(f in r and ipaddress.ip_address(r[f]) in net for f in fields)


def value(field, wanted):
    return lambda r: r.get(field) == wanted


def ja4(a, b, c):
    def holds(r):
        parts = r.get("ja4", "__").split("_")
        return all(p in ("*", q) for p, q in zip((a, b, c), parts))
    return holds


class Lists:
    """Files of lists, and what they say."""

    def __init__(self, folder):
        self.folder, self.entries, self.files = folder, [], []

    def add(self, file, lines):
        """Lines: (text, entry, condition, label, severity, whether it is about the certificate)."""
        path = os.path.join(self.folder, file)
        with open(path, "w", encoding="utf-8") as f:
            f.write("".join(line[0] + "\n" for line in lines))
        self.files.append(path)
        name = re.sub(r"\.(txt|csv|list|hosts)$", "", file)
        for _, entry, condition, label, severity, cert in lines:
            match = {"list": name, "entry": entry, **({"label": label} if label else {}), "severity": severity}
            self.entries.append((match, condition, cert))

    def args(self):
        return [a for f in self.files for a in ("--watchlist", f)]

    def matches(self, r, cert):
        return [m for m, condition, c in self.entries if c == cert and condition(r)]


def plain(text, condition, cert=False):
    return (text, text, condition, None, "notice", cert)


# --- replay ---------------------------------------------------------------------------------------


def without_own(r):
    return {k: v for k, v in r.items() if k != "matches"}


class Replay(LiveTest):
    """Every capture with lists of every kind."""

    @classmethod
    def setUpClass(cls):
        cls.captures = [a for f in sorted(glob.glob(PCAPS + "/*.pcap*")) for a in ("-r", f)]
        cls.plain = parse(cls.replay(cls).stdout)

    def replay(self, *args, kinds=KINDS):
        return run(*self.captures, "-q", "-o", "json", "--records", kinds, *args)

    def first(self, *fields, **values):
        """A record that has all of these."""
        return next(r for r in self.plain if all(f in r for f in fields)
                    and all(r.get(k) == v for k, v in values.items()))

    def lists(self):
        lists = Lists(self.folder())
        names = sorted({name_of(r).decode() for r in self.plain if re.fullmatch(rb"[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]+", name_of(r)) and len(name_of(r)) <= 253})
        self.assertTrue(len(names) > 10)
        h = self.first("ja3", "ja4", "sni", record="hello")
        a, b, c = h["ja4"].split("_")
        # In turn: the domain, what is below its parent, itself, one that is like it and is not.
        domains = []
        for i, n in enumerate(names):
            parent = n.split(".", 1)[1]
            if i % 4 == 0:
                domains.append(plain(n.upper() + ".", one_of(host(n), below(n))))
            elif i % 4 == 1 and "." in parent:
                domains.append(plain("*." + parent, below(parent)))
            elif i % 4 == 2:
                domains.append(plain("=" + n, host(n)))
            else:
                domains.append(plain("evil-" + n, one_of(host("evil-" + n), below("evil-" + n))))
        different = {d[0]: d for d in domains}  # one entry counts once
        lists.add("domains.txt", list(different.values()))
        four = self.first("src_ip", transport="tcp", dst_port=443)
        six = next(r for r in self.plain if ":" in r.get("src_ip", ""))
        net4 = str(ipaddress.ip_network(four["dst_ip"] + "/24", False))
        net6 = str(ipaddress.ip_network(six["dst_ip"] + "/64", False))
        both = ("src_ip", "dst_ip")
        more = [
            plain("alpn:h2", lambda r: "h2" in r.get("alpn", [])),
            plain("alpn:http/1.1", lambda r: "http/1.1" in r.get("alpn", [])),
            plain("ja3:" + h["ja3"].upper(), value("ja3", h["ja3"])),
            plain(f"ja4:{a}_{b}_{c}", ja4(a, b, c)),
            plain(f"ja4:*_{b}_*", ja4("*", b, "*")),
            plain(f"ja4:{a}_*_{c}", ja4(a, "*", c)),
            plain(net4, address(net4, *both)),
            plain("dst_ip:" + four["dst_ip"], address(four["dst_ip"], "dst_ip")),
            plain("src_ip:" + four["dst_ip"], address(four["dst_ip"], "src_ip")),
            plain(net6, address(net6, *both)),
            plain(six["src_ip"], address(six["src_ip"], *both)),
            plain("port:443", value("dst_port", 443)),
            plain(f"src_port:{four['src_port']}", value("src_port", four["src_port"])),
            (f'port:993 "mail, in TLS" critical # IMAP', "port:993", value("dst_port", 993), "mail, in TLS", "critical", False),
            (f"sni={h['sni']} & ja4=*_{b}_* & port=443 both warning", f"sni={h['sni']} & ja4=*_{b}_* & port=443",
             all_of(one_of(host(h["sni"]), below(h["sni"])), ja4("*", b, "*"), value("dst_port", 443)), "both", "warning", False),
        ]  # fmt: skip
        if REGEX:
            more += [
                plain("/^www\\./", regex(r"^www\.")),
                plain("/exa.*\\.(com|org)$/", regex(r"exa.*\.(com|org)$")),
                ("/example/ & alpn:h2 - info", "/example/ & alpn:h2",
                 all_of(regex("example"), lambda r: "h2" in r.get("alpn", [])), None, "info", False),
            ]  # fmt: skip
        lists.add("more.list", more)
        certs = sorted({r["cert_sha256"] for r in self.plain if "cert_sha256" in r})
        self.assertTrue(len(certs) >= 2)
        colons = ":".join(certs[0][i : i + 2] for i in range(0, 64, 2)).upper()
        lists.add("certs.txt", [
            (f"cert:{colons} seen critical", f"cert:{colons}", value("cert_sha256", certs[0]), "seen", "critical", True),
            plain(f"cert:{certs[1]} & port:443", all_of(value("cert_sha256", certs[1]), value("dst_port", 443)), True),
            plain(f"cert:{certs[1]} & port:1", all_of(value("cert_sha256", certs[1]), value("dst_port", 1)), True),
        ])  # fmt: skip
        lists.add("block.hosts", [
            ("127.0.0.1 localhost", "", lambda r: False, None, "notice", False),
            (f"0.0.0.0 {names[0]} {names[1]}", names[0], host(names[0]), None, "notice", False),
            ("", names[1], host(names[1]), None, "notice", False),
        ])  # fmt: skip
        lists.add("sslbl.csv", [
            ("# ja3_md5,Firstseen,Lastseen,Listingreason", "", lambda r: False, None, "notice", False),
            (f"{h['ja3']},2017-07-14 18:08:15,2019-07-27 20:42:54,A reason", h["ja3"], value("ja3", h["ja3"]), "A reason", "notice", False),
        ])  # fmt: skip
        return lists

    def test_every_record_of_every_capture(self):
        lists = self.lists()
        p = self.replay(*lists.args(), "--stats", "json")
        self.assertEqual(p.returncode, run(*self.captures, "-q", "-o", "json:/dev/null").returncode)
        records = parse(p.stdout)
        events = [r for r in records if r.get("kind") == "watchlist"]
        others = [r for r in records if r.get("kind") != "watchlist"]
        self.assertEqual([without_own(r) for r in others], self.plain)
        wanted, seen = [], set()
        for r, was in zip(others, self.plain):
            hello = lists.matches(was, False) if r["record"] in ("hello", "flow") else []
            cert = lists.matches(was, True) if r["record"] == "flow" else []
            self.assertEqual(r.get("matches", []), hello + cert, was)
            told = hello if r["record"] == "hello" else cert
            seen |= {m["entry"] for m in told}
            if told:
                worst = max((m["severity"] for m in told), key=SEVERITIES.index)
                wanted.append((r["record"], was["ts"], was.get("sni"), was.get("ja4"), was["src_ip"] if "src_ip" in was else None, worst, told))
        got = [("flow" if "certificate" in e["evidence"] else "hello", e["ts"], e.get("sni"), e.get("ja4"), e.get("src_ip"),
                e["severity"], e["matches"]) for e in events]  # fmt: skip
        self.assertEqual(got, wanted)
        # Each kind of entry was met.
        for entry in ("alpn:h2", "port:443", "/^www\\./" if REGEX else "port:443"):
            self.assertIn(entry, seen)
        for start in ("ja3:", "ja4:*", "cert:", "dst_ip:", "src_port:", "=", "*.", "sni="):
            self.assertTrue(any(e.startswith(start) for e in seen), start)
        self.assertFalse(any(e.startswith("evil-") for e in seen))
        ledger = json.loads(next(x for x in p.stderr.decode().splitlines() if x.startswith('{"record":"stats"')))
        self.assertTrue(ledger["balanced"])
        self.assertEqual(ledger["watchlist"]["matched"], len(events))
        self.assertEqual(ledger["watchlist"]["matches"], sum(len(e["matches"]) for e in events))
        self.assertEqual(ledger["watchlists"]["published"], 1)
        self.assertEqual(ledger["watchlists"]["lists"], len(lists.files))

    def test_kinds_of_record(self):
        """What is matched does not depend on which records are written."""
        args = self.lists().args()
        self.captures = [a for c in ("answer-*", "via-*", "quic-*", "ipv6*") for f in sorted(glob.glob(f"{PCAPS}/{c}"))
                         for a in ("-r", f)]  # fmt: skip
        whole = parse(self.replay(*args).stdout)
        for kinds in ("hello", "event", "flow", "hello,event"):
            got = parse(self.replay(*args, kinds=kinds).stdout)
            wanted = [r for r in whole if r["record"] in kinds.split(",")]
            if "flow" not in kinds:  # nobody reads certificates
                wanted = [r for r in wanted if "certificate" not in r.get("evidence", "")]
            self.assertEqual([without_own(r) if r["record"] != "event" else r for r in got],
                             [without_own(r) if r["record"] != "event" else r for r in wanted], kinds)
            self.assertEqual([r.get("matches") for r in got], [r.get("matches") for r in wanted], kinds)
        p = self.replay(*args, kinds="hello")
        self.assertIn(b"entries on certificates match nothing here", p.stderr)
        self.assertNotIn(b"certificates", self.replay(*args).stderr)
        self.assertNotIn(b"matches", self.replay(*args, kinds="stats").stdout)

    def test_outputs(self):
        """CSV and the table say it, too."""
        folder = self.folder()
        path = os.path.join(folder, "a list.txt")
        with open(path, "w") as f:
            f.write('port:443 "one, two" warning\nport:443 & alpn:h2\n')
        args = ("-r", pcap("chromium-tls13.pcapng"), "-q", "--watchlist", path)
        csv = run(*args, "-o", "csv").stdout.decode()
        self.assertIn("a\\x20list:port:443 a\\x20list:port:443\\x20&\\x20alpn:h2", csv)
        table = run(*args, "-o", "table").stdout.decode()
        self.assertIn("a\\x20list:port:443 +1", table)
        self.assertRegex(table, "EVENT +watchlist +warning")
        p = run(*args, "-o", "json:" + path)
        self.assertEqual((p.returncode, b"is a watchlist to read" in p.stderr), (2, True), p.stderr)
        with open(path) as f:
            self.assertIn("port:443", f.read())


class Check(LiveTest):
    """What is wrong is said, and the rest is taken."""

    def file(self, name, text):
        path = os.path.join(self.folder(), name)
        with open(path, "wb") as f:
            f.write(text)
        return path

    def test_wrong_lines(self):
        path = self.file("x.txt", b"example.com\nnodots\nja3:12\n10.0.0.0/33\nport:443 -\nexample.org a urgent\n")
        p = run("--check", "--watchlist", path)
        self.assertEqual(p.returncode, 1)
        said = p.stderr.decode().splitlines()
        self.assertEqual([int(re.fullmatch(rf"hellotap: {path}:(\d+): .+", s)[1]) for s in said], [2, 3, 4, 6])
        self.assertIn(b"1 list, 2 entries, 4 wrong lines", p.stdout)
        p = run("-r", pcap("tls13-hello.pcap"), "-q", "-o", "json", "--watchlist", path)
        self.assertEqual((p.returncode, p.stderr.decode().splitlines()), (0, said))
        self.assertEqual([m["entry"] for m in parse(p.stdout)[0]["matches"]], ["example.com", "port:443"])

    def test_many_wrong_lines(self):
        p = run("--check", "--watchlist", self.file("x.txt", b"nodots\n" * 100))
        self.assertEqual(p.stderr.count(b"\n"), 65)
        self.assertIn(b"watchlists: and 36 further wrong lines", p.stderr)

    def test_right(self):
        p = run("--check", "--watchlist", self.file("x.txt", b"# nothing\n"))
        self.assertEqual((p.returncode, p.stderr), (0, b""))

    def test_a_list_that_cannot_be_read(self):
        for args in (("--check",), ("-r", pcap("tls13-hello.pcap"), "-q", "-o", "json")):
            p = run(*args, "--watchlist", "/no/such/file")
            self.assertEqual((p.returncode, p.stdout), (1, b""))
            self.assertEqual(p.stderr, b"hellotap: /no/such/file: No such file or directory\n")

    def test_a_configuration(self):
        if sensor.without("yaml"):
            self.skipTest("built without libcyaml")
        path = self.file("x.txt", b"example.com\nexample.net\n")
        for section, status, says in (
            ({"files": [path]}, 0, "1 list, 2 entries, 0 wrong lines"),
            ({"files": [path], "max_entries": 1}, 1, "max_entries"),
            ({"files": [path, "/no/such/file"]}, 1, "No such file"),
            ({"files": path}, 2, "list"),
        ):
            config = self.file("c.yaml", json.dumps({"interfaces": ["lo"], "watchlists": section}).encode())
            p = run("--check", "-c", config)
            self.assertEqual(p.returncode, status, p.stderr)
            self.assertIn(says, (p.stdout + p.stderr).decode())
        # The command line counts more.
        config = self.file("c.yaml", json.dumps({"interfaces": ["lo"], "watchlists": {"files": ["/no"]}}).encode())
        self.assertEqual(run("--check", "-c", config, "--watchlist", path).returncode, 0)

    def test_without_a_library(self):
        """A build without it says plainly which lines it refuses, and takes the rest."""
        path = self.file("x.txt", "/exa/\nbücher.example\nexample.com & /zz/\nexample.com\n".encode())
        p = run("--check", "--watchlist", path)
        said = p.stderr.decode()
        self.assertEqual([f"{path}:{n}:" in said for n in (1, 2, 3, 4)], [not REGEX, not IDN, not REGEX, False], said)
        self.assertEqual(said.count("without Hyperscan"), 0 if REGEX else 2, said)
        self.assertEqual(said.count("without libidn2"), 0 if IDN else 1, said)
        p = run("-r", pcap("tls13-hello.pcap"), "-q", "-o", "json", "--watchlist", path)
        entries = [m["entry"] for m in parse(p.stdout)[0]["matches"]]
        self.assertEqual(entries, ["/exa/", "example.com"] if REGEX else ["example.com"])


# --- while it captures ----------------------------------------------------------------------------

NUMBERS = itertools.count()
UNDER_WAY = LiveTest.BACKLOG - 100  # hellos at a time that were sent and not seen
HELLO = next(f.data for f in mix.jumbo(1400) if len(f.data) > 1000)


def hello(number):
    """A connection to port 443 of which nothing was seen but its hello, each of a client of its own."""
    client = struct.pack("!BBBB", 10, number >> 16 & 255, number >> 8 & 255, number & 255)
    return HELLO[:26] + client + HELLO[30:]


def hellos(number):
    return [mix.w.Frame(mix.w.T0, hello(n), len(HELLO)) for n in itertools.islice(NUMBERS, number)]


@contextlib.contextmanager
def load(interface, p):
    """Some 2000 hellos a second, meanwhile. What it gives is how many, up to now.

    No more are under way than there is room for while the program, or this one, stands still.
    """
    sent, stop = [0], threading.Event()

    def seen():
        return p.metric("hellos_complete_total")

    def send():
        taken = seen()
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind((interface, 0))
            while not stop.wait(0.005):
                if sent[0] - taken > UNDER_WAY:
                    taken = seen()
                    continue
                for _ in range(10):
                    s.send(hello(next(NUMBERS)))
                    sent[0] += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()



class Changed(LiveTest):
    """Lists are read again while hellos come: no frame is lost for it, and nothing stale is told."""

    def put(self, label):
        """The list with another label: whoever reads it has the old file or the new one."""
        with open(self.path + ".new", "w") as f:
            f.write(f"port:443 {label}\n" + "".join(f"d{i}.example.net\n" for i in range(2000)))
            if REGEX:
                f.write("/^www[0-9]{1,8}\\.example\\.(net|org)$/\n")
        os.rename(self.path + ".new", self.path)

    def start(self, config=None, **watchlists):
        if sensor.without("yaml"):
            self.skipTest("built without libcyaml")
        self.path = os.path.join(self.folder(), "list.txt")
        os.chmod(os.path.dirname(self.path), 0o755)
        self.put("v0")
        section = {"files": [self.path], "reload_s": 0, **watchlists}
        return self.sensor({"watchlists": section, **(config or {"interfaces": ["vb"]})})

    def announced(self, p):
        return p.said().count("watchlists in force: ")

    def labels(self, records):
        return {m["label"] for r in records for m in r.get("matches", []) if "label" in m}

    def swap(self, p, times):
        """By SIGHUP, under load. When each set was said to be in force: a hello after that matches no older one."""
        at = []
        with load("va", p) as self.sent:
            self.assertTrue(until(lambda: os.path.getsize(p.written) > 0), p.said())
            for i in range(1, times + 1):
                self.put(f"v{i}")
                p.send(signal.SIGHUP)
                self.assertTrue(until(lambda i=i: self.announced(p) == i), p.said())
                # A worker that has not had the CPU for 2 s may have the last one still, which is said.
                at.append(float("inf") if p.said().rstrip().endswith("has the last ones still") else time.time())
            before = self.sent[0]
            self.assertTrue(until(lambda: self.sent[0] >= before + 20), p.said())
        self.assertGreater(sum(t < float("inf") for t in at), times / 2)
        return at

    def expect_no_stale_match(self, records, at):
        newest = 0
        for r in records:
            if r["record"] != "hello":
                continue
            seconds, fraction = re.fullmatch(r"(.*)\.(\d+)Z", r["ts"]).groups()
            ts = time.mktime(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) - time.timezone + float("0." + fraction)
            label = int(r["matches"][0]["label"][1:])
            newest = max(newest, label)
            self.assertGreaterEqual(label, sum(t < ts for t in at), r)
        self.assertEqual(newest, len(at))

    def check_swaps(self, p, times):
        at = self.swap(p, times)
        self.assertTrue(until(lambda: p.metric("watchlists_published_total") >= times + 1), p.said())
        self.assertEqual(p.metric("watchlists_published_total"), times + 1)
        self.assertEqual(p.metric("watchlists_refused_total"), 0)
        self.assertEqual(p.metric("watchlists_entries"), 2001 + REGEX)
        self.assertEqual(p.metric("watchlists_lists"), 1)
        self.assertGreater(p.metric("watchlist_matched_total"), 0)
        p.end()
        self.assertEqual(p.p.returncode, 0, p.said())
        self.assertTrue(p.ledger["balanced"], p.said())
        self.assertEqual(p.ledger["hellos"]["complete"], self.sent[0])  # none was lost
        self.expect_no_stale_match(p.records(), at)
        events = [r for r in p.records() if r.get("kind") == "watchlist"]
        self.assertEqual(len(events), p.ledger["watchlist"]["matched"])
        return p.ledger

    def test_100_times_on_an_interface(self):
        ledger = self.check_swaps(self.start({"interfaces": ["vb"], "workers": {"count": 2}}), 100)
        self.assertEqual(ledger["capture"]["kernel_dropped"], 0)

    def test_on_a_port_of_dpdk(self):
        if sensor.without("dpdk"):
            self.skipTest("built without DPDK")
        ledger = self.check_swaps(self.start(dpdk("net_af_packet0,iface=vb,qpairs=1,framecnt=4096")), 20)
        self.assertEqual(sum(p["missed"] for p in ledger["ports"]), 0)

    def test_as_another_user(self):
        """What is read again is read by the user that the program has become."""
        if sensor.without("capng"):
            self.skipTest("built without libcap-ng")
        nobody = pwd.getpwnam("nobody").pw_uid
        folder = self.folder()
        os.chown(folder, nobody, nobody)
        self.path = os.path.join(folder, "list.txt")
        self.put("v0")
        config = {"interfaces": ["vb"], "service": {"user": "nobody"}, "watchlists": {"files": [self.path], "reload_s": 0}}
        p = Sensor(config, folder=folder)
        self.addCleanup(p.close)
        self.check_swaps(p, 3)
        os.chmod(self.path, 0o600)
        with self.assertRaisesRegex(AssertionError, "list.txt: Permission denied"):
            Sensor(config, folder=folder)

    def test_a_file_that_changes(self):
        p = self.start(reload_s=1)
        for i in range(1, 4):
            self.put(f"v{i}")
            self.assertTrue(until(lambda i=i: self.announced(p) == i), p.said())
            self.feed(p, "va", hellos(10))
            self.assertTrue(until(lambda i=i: f"v{i}" in self.labels(p.records())), p.said())
        self.assertEqual(self.announced(p), 3)
        time.sleep(2.5)
        self.assertEqual(self.announced(p), 3)  # it has not changed
        self.assertEqual(p.end(), 0, p.said())

    def test_a_set_that_cannot_be_used(self):
        """The one in force stays, and it is said."""
        p = self.start()
        os.unlink(self.path)
        p.send(signal.SIGHUP)
        self.assertTrue(p.saying("watchlists: they stay as they are"), p.said())
        self.assertIn(f"{self.path}: No such file or directory", p.said())
        self.feed(p, "va", hellos(10))
        self.assertEqual(self.announced(p), 0)
        self.assertTrue(until(lambda: self.labels(p.records()) == {"v0"}), p.said())
        self.assertTrue(until(lambda: p.metric("watchlists_refused_total") > 0))
        self.assertEqual((p.metric("watchlists_refused_total"), p.metric("watchlists_published_total")), (1, 1))
        with open(self.path, "w") as f:
            f.write("nodots\nport:443 later\n")  # a wrong line alone does not refuse it
        p.send(signal.SIGHUP)
        self.assertTrue(p.saying("watchlists in force: 1 list, 1 entry, 1 wrong line"), p.said())
        self.assertIn(f"{self.path}:1: ", p.said())
        self.feed(p, "va", hellos(10))
        self.assertTrue(until(lambda: self.labels(p.records()) == {"v0", "later"}), p.said())
        self.assertEqual(p.end(), 0, p.said())

    def test_other_files(self):
        """The configuration names other lists, none, and some again."""
        p = self.start({"interfaces": ["vb"]})
        other = os.path.join(self.folder(), "other.txt")
        with open(other, "w") as f:
            f.write("port:443 other\n")
        for number, (files, labels) in enumerate((([self.path, other], {"v0", "other"}), ([], set()), ([other], {"other"}))):
            before = len(p.records())
            p.write({**p.config, "watchlists": {"files": files, "reload_s": 0}})
            p.send(signal.SIGHUP)
            self.assertTrue(until(lambda n=number: self.announced(p) == n + 1), p.said())
            self.feed(p, "va", hellos(10))
            self.assertTrue(until(lambda b=before, n=10 + 10 * bool(files): len(p.records()) == b + n), p.said())
            self.assertEqual(self.labels(p.records()[before:]), labels)
        self.assertEqual(p.end(), 0, p.said())


if __name__ == "__main__":
    sensor.main()
