#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What collectors that others wrote make of our IPFIX.

usage: test_ipfix.py PROGRAM PCAPS [CASE...]

The program replays captures and sends records of all kinds. What arrives is compared with what it prints of the same
captures as JSON. A collector that is not installed makes its cases say SKIP.
"""

import calendar
import contextlib
import csv
import functools
import io
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from waiting import free_port, until_within

PROGRAM, PCAPS = (os.path.abspath(a) for a in sys.argv[1:3])
CAPTURES = ["chromium-tls13.pcapng", "firefox-quic.pcap", "curl-http1-tls12.pcap", "encap-vlan-ipv6.pcap"]
SKIPPED = 77
SECONDS = 120  # for whatever has to happen; the machine may be busy
until = until_within(SECONDS)
PEN = 64512  # for documentation
PROTOCOLS = {"tcp": 6, "udp": 17}
# Fields that standard elements carry.
STANDARD = """
    ts src_ip src_port dst_ip dst_port src_mac dst_mac transport service start end end_reason c2s_packets c2s_bytes
    c2s_ip_bytes s2c_packets s2c_bytes s2c_ip_bytes c2s_tcp_flags s2c_tcp_flags first_seen last_seen flows src_prefix dst_prefix
    sensor_id sensor_run sequence
""".split()


def needs(*programs):
    missing = [p for p in programs if shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin") is None]
    return unittest.skipIf(missing, f"SKIP: not installed: {' '.join(missing)}")


def read(path):
    with open(path) as f:
        return f.read()


def listening(port, table):
    """Waits until a program of ours has the port: /proc/net/`table` says so."""
    return until(lambda: f":{port:04X} " in read(f"/proc/net/{table}"))


ALL = "hello,flow,aggregate,stats"


@functools.cache
def records(capture, kinds=ALL):
    """What is sent of a capture, in that order."""
    p = subprocess.run(
        [PROGRAM, "-q", "-r", os.path.join(PCAPS, capture), "--records", kinds, "-o", "json", "--sensor-id", "sensor-7"],
        capture_output=True, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in p.stdout.splitlines()]


def hellos(capture):
    return [r for r in records(capture) if r["record"] == "hello"]


def send(spec, capture, *options, kinds=ALL, times=1, good=True):
    """Sends what is in a capture. Returns how many records that were; where it must fail, what was said.

    It would try again and again: it is ended when it has said why it fails, which it does when it has read all.
    """
    options = ("domain=42", f"linger_s={SECONDS}", *options)
    inputs = [a for _ in range(times) for a in ("-r", os.path.join(PCAPS, capture))]
    with tempfile.NamedTemporaryFile("r") as err, open(err.name, "a") as to:
        p = subprocess.Popen(
            [PROGRAM, "-q", *inputs, "--records", kinds, "--sensor-id", "sensor-7", "--stats", "json",
             "-o", spec + "?" + "&".join(options)], stdout=subprocess.DEVNULL, stderr=to,
        )  # fmt: skip
        try:
            if not good:
                assert until(lambda: "; records wait\n" in read(err.name)), read(err.name)
                p.send_signal(signal.SIGTERM)
            p.wait(2 * SECONDS)
        finally:
            p.kill()
            p.wait()
        said = read(err.name)
    assert p.returncode == (0 if good else 1), said
    (ledger,) = [json.loads(line) for line in said.splitlines() if line.startswith('{"record":"stats"')]
    (sink,) = ledger["sinks"]
    assert ledger["balanced"] and sink["delivered"] + sink["lost"] == sink["records"] > 0, sink
    if not good:
        assert sink["delivered"] == 0, sink
        return said
    assert sink["lost"] == 0, sink
    return sink["records"]


@contextlib.contextmanager
def running(*command, **options):
    """A program that runs while the block does; ended by its id."""
    path = os.environ["PATH"] + ":/usr/sbin"
    process = subprocess.Popen([shutil.which(command[0], path=path), *command[1:]], **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            if process.stdin:
                process.stdin.close()
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Listener:
    """Takes connections, one after the other, and keeps what comes over each."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.streams = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                data = bytearray()
                while piece := connection.recv(65536):
                    data += piece
                connection.close()
                self.streams.append(bytes(data))

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(SECONDS)


def collect(capture, *options):
    """The stream that a capture becomes over TCP."""
    listener = Listener()
    try:
        send(f"ipfix+tcp://127.0.0.1:{listener.port}", capture, *options)
        assert until(lambda: listener.streams)
    finally:
        listener.close()
    return listener.streams[0]


def as_pcap(stream):
    """Each message of a stream as a UDP datagram to port 4739."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 20, 101)
    at = 0
    while at < len(stream):
        (length,) = struct.unpack_from(">H", stream, at + 2)
        message = stream[at : at + length]
        at += length
        udp = struct.pack(">HHHH", 40000, 4739, 8 + length, 0) + message
        lo = b"\x7f\0\0\1"
        packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, lo, lo) + udp
        out += struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet
    return out


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="test_ipfix.")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)


# --- nfcapd, nfdump -------------------------------------------------------------------------------


class Nfdump(Case):
    @needs("nfcapd", "nfdump")
    def test_flows(self):
        """Addresses, ports and counts. nfdump 1.7 has no place for what TLS says (docs/ipfix.md)."""
        port = free_port(socket.SOCK_DGRAM)
        flows = self.path("flows")
        os.mkdir(flows)
        with running(
            "nfcapd", "-b", "127.0.0.1", "-p", str(port), "-w", flows, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        ) as nfcapd:  # fmt: skip
            self.assertTrue(listening(port, "udp"))
            sent = sum(send(f"ipfix+udp://127.0.0.1:{port}", c) for c in CAPTURES)
            self.assertTrue(until(lambda: self.all_read(port)))
            nfcapd.send_signal(signal.SIGTERM)
            log = nfcapd.communicate(timeout=SECONDS)[0]
        self.assertIn("Bad Packets: 0", log)
        rows = self.nfdump(flows)
        expected = [self.row(r) for c in CAPTURES for r in records(c) if r["record"] != "stats"]
        self.assertEqual(sent, len(expected) + len(CAPTURES))  # and the stats
        self.assertEqual(sorted(map(str, rows)), sorted(map(str, expected)))

    @staticmethod
    def all_read(port):
        """Whether the socket that has the port holds nothing, and had room for all that came."""
        (socket_,) = [line.split() for line in read("/proc/net/udp").splitlines() if f":{port:04X} 00000000" in line]
        assert socket_[-1] == "0", "datagrams were dropped"
        return socket_[4].endswith(":00000000")

    @staticmethod
    def row(r):
        nowhere = "::" if ":" in r["dst_ip"] else "0.0.0.0"  # aggregates are of no one client
        counts = [r.get(f"{way}_{what}", 0) for way in ("c2s", "s2c") for what in ("packets", "ip_bytes")]
        return [r.get("src_ip", nowhere), r["dst_ip"], r.get("src_port", 0), r["dst_port"], str(PROTOCOLS[r["transport"]]),
                *counts]  # fmt: skip

    def nfdump(self, flows):
        text = subprocess.run(
            ["nfdump", "-R", flows, "-q", "-6", "-N", "-o", "fmt:%sa,%da,%sp,%dp,%pr,%ipkt,%ibyt,%opkt,%obyt"],
            capture_output=True, text=True, check=True, env={**os.environ, "TZ": "UTC"},
        ).stdout  # fmt: skip
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if row]
        return [[r[0], r[1], int(r[2]), int(r[3]), r[4], *map(int, r[5:9])] for r in rows]


# --- pmacct ---------------------------------------------------------------------------------------

NFACCTD = """\
daemonize: false
nfacctd_ip: 127.0.0.1
nfacctd_port: {port}
nfacctd_time_new: false
plugins: print[p]
aggregate[p]: src_host, dst_host, src_port, dst_port, proto, sni, ja4
aggregate_primitives: {folder}/primitives
print_refresh_time[p]: 1
print_output[p]: json
print_output_file[p]: {folder}/out.json
print_output_file_append[p]: true
"""
PRIMITIVE = "name={} field_type={} len=vlen semantics=str\n"
PRIMITIVES = {
    "flowmon": PRIMITIVE.format("sni", "39499:338") + PRIMITIVE.format("ja4", "8057:809"),
    "ntop": PRIMITIVE.format("sni", "35632:188") + PRIMITIVE.format("ja4", "35632:576"),
}


class Pmacct(Case):
    def collect(self, profile, *options):
        port = free_port(socket.SOCK_DGRAM)
        with open(self.path("primitives"), "w") as f:
            f.write(PRIMITIVES[profile])
        with open(self.path("conf"), "w") as f:
            f.write(NFACCTD.format(port=port, folder=self.folder))
        log = open(self.path("log"), "w")
        with log, running("nfacctd", "-f", self.path("conf"), stdout=log, stderr=log) as nfacctd:
            self.assertTrue(until(lambda: "waiting for NetFlow/IPFIX" in read(self.path("log"))))
            expected = {self.key(r) for c in CAPTURES for r in records(c) if r["record"] != "stats"}

            def arrives():
                for capture in CAPTURES:  # again and again: nothing says when its plugin is ready
                    send(f"ipfix+udp://127.0.0.1:{port}", capture, *options)
                return until(lambda: self.found() == expected, 5)

            until(arrives)
            nfacctd.send_signal(signal.SIGINT)
            self.assertEqual(self.found(), expected)

    def key(self, r):
        nowhere = "::" if ":" in r["dst_ip"] else "0.0.0.0"  # aggregates are of no one client
        return (
            r.get("src_ip", nowhere), r["dst_ip"], r.get("src_port", 0), r["dst_port"], r["transport"], r.get("sni", ""),
            r.get("ja4", ""),
        )  # fmt: skip

    def found(self):
        try:
            lines = read(self.path("out.json")).split("\n")[:-1]
        except FileNotFoundError:
            return set()
        found = set()
        for line in filter(None, lines):
            r = json.loads(line)
            where = (r["ip_src"], r["ip_dst"], r["port_src"], r["port_dst"], r["ip_proto"])
            found.add((*where, r.get("sni", ""), r.get("ja4", "")))
        return found

    @needs("nfacctd")
    def test_sni(self):
        self.collect("flowmon")

    @needs("nfacctd")
    def test_sni_of_ntop(self):
        self.collect("ntop", "profiles=ntop")


# --- libfixbuf ------------------------------------------------------------------------------------


class IpfixDump(Case):
    def dump(self, stream):
        """The data records that ipfixDump prints: {name: text} each."""
        with open(self.path("stream"), "wb") as f:
            f.write(stream)
        text = subprocess.run(
            ["ipfixDump", "--rfc5610", "--data", "--hexdump=64", "--in", self.path("stream")],
            capture_output=True, check=True,
        ).stdout.decode("utf-8", "replace")  # fmt: skip
        dumped = []
        for block in text.split("--- data record")[1:]:
            fields = re.findall(r"^\t\(\S+\)(?: \(S\))? *(\S+) : (?:\(len: \d+\) ?)?(.*)$", block, re.M)
            dumped.append({name: value.strip() for name, value in fields})
        return dumped

    @needs("ipfixDump")
    def test_private_elements_have_names(self):
        for capture in CAPTURES:
            dumped = self.dump(collect(capture, f"pen={PEN}", "profiles=flowmon,cesnet,cert,ntop"))
            found = [r for r in dumped if "hellotapRecord" in r]
            expected = records(capture)
            self.assertEqual([r["hellotapRecord"] for r in found], [r["record"] for r in expected])
            for r, h in zip(found, expected):
                self.check_private(r, h)
                if h["record"] == "hello":
                    self.check(r, h)
                if h["record"] == "flow":
                    self.check_flow(r, h)

    def check_private(self, r, record):
        """Each field that no standard element has, under the name that a type record gave its element."""
        for field, value in record.items():
            name = "hellotap" + "".join(part.capitalize() for part in field.split("_"))
            if name not in r:
                self.assertTrue(record["record"] == "stats" or field in STANDARD, f"{record['record']}: {field}")
            elif isinstance(value, bool):
                self.assertEqual(r[name], "1" if value else "2", name)
            elif isinstance(value, list) and all(isinstance(v, str) for v in value):
                self.assertEqual(r[name], ",".join(value), name)
            elif field in ("cert_not_before", "cert_not_after"):
                self.assertEqual(int(r[name]), calendar.timegm(time.strptime(value, "%Y-%m-%dT%H:%M:%SZ")), name)
            elif re.fullmatch(r"[\d-]{10} [\d:]{8}\.\d{3}", r[name]):
                self.assertEqual(r[name].replace(" ", "T"), value[:23], name)
            elif not isinstance(value, list) and not r[name].startswith("0x"):
                self.assertEqual(r[name], str(value), name)

    def check_flow(self, r, f):
        for way, prefix in (("c2s", ""), ("s2c", "reverse")):
            for field, name in ((f"{way}_packets", "packetDeltaCount"), (f"{way}_ip_bytes", "octetDeltaCount"),
                                (f"{way}_bytes", "layer2OctetDeltaCount")):  # fmt: skip
                name = prefix + name[0].upper() + name[1:] if prefix else name
                self.assertEqual(int(r[name]), f[field], name)
        self.assertEqual(r["flowStartMilliseconds"].replace(" ", "T"), f["start"][:23])
        self.assertEqual(r["flowEndMilliseconds"].replace(" ", "T"), f["end"][:23])
        self.assertEqual((r["tlsSni"], r["TLSJA4"]), (f.get("sni", ""), f.get("ja4", "")))

    def check(self, r, h):
        for name in ["tlsSni", "TLSSNI", "sslServerName", "TLS_SERVER_NAME", "hellotapSni"]:
            self.assertEqual(r[name], h.get("sni", ""), name)
        self.assertEqual(r["TLSJA4"], h["ja4"])
        self.assertEqual(r["tlsJa3Fingerprint"], "0x" + h["ja3"])
        self.assertEqual(r["hellotapJa3"], h["ja3"])
        self.assertEqual(r["hellotapCommunityId"], h["community_id"])
        self.assertEqual(r["hellotapTlsVersion"], h["tls_version"])
        self.assertEqual(int(r["hellotapHelloLen"]), h["hello_len"])
        self.assertEqual(r["hellotapAlpn"], ",".join(h.get("alpn", [])))
        self.assertEqual(r["tlsAlpn"], ";".join(h.get("alpn", [])))
        self.assertEqual(r["hellotapEncap"], ",".join(h.get("encap", [])))
        self.assertEqual(r["hellotapEch"], h.get("ech", ""))
        for field, name in [
            ("ciphers", "tlsCipherSuites"),
            ("ciphers", "hellotapCiphers"),
            ("groups", "tlsEllipticCurves"),
            ("sig_algs", "hellotapSigAlgs"),
        ]:
            bytes_sent = "".join(f"{n:04x}" for n in h.get(field, []))
            self.assertEqual(r[name].replace("len: 0", ""), "0x" + bytes_sent if bytes_sent else r[name], name)
        self.assertEqual(int(r["quicClientVersion"]), h.get("quic_version", 0))
        self.assertEqual(r["quicSNI"], h.get("sni", "") if h["protocol"] == "quic" else "")
        self.assertEqual(int(r["protocolIdentifier"]), PROTOCOLS[h["transport"]])
        self.assertEqual(int(r["destinationTransportPort"]), h["dst_port"])
        self.assertEqual(r["observationDomainName"], "sensor-7")
        self.assertEqual(r["flowStartMilliseconds"].replace(" ", "T"), h["ts"][:23])

    @needs("ipfixDump")
    def test_stats(self):
        dumped = self.dump(collect(CAPTURES[0], f"pen={PEN}"))
        (stats,) = [r for r in dumped if "packetTotalCount" in r]
        (expected,) = [r for r in records(CAPTURES[0]) if r["record"] == "stats"]
        self.assertEqual(stats["observationDomainId"], "42")
        self.assertEqual(int(stats["packetTotalCount"]), expected["frames_read"])
        self.assertEqual(stats["ignoredPacketTotalCount"], "0")
        self.assertEqual(stats["notSentFlowTotalCount"], "0")
        (sampling,) = [r for r in dumped if "samplingPacketInterval" in r]
        self.assertEqual((sampling["samplingPacketInterval"], sampling["samplingPacketSpace"]), ("1", "0"))


# --- tshark ---------------------------------------------------------------------------------------


class Tshark(Case):
    @needs("tshark")
    def test_cflow(self):
        for capture in CAPTURES:
            with open(self.path("pcap"), "wb") as f:
                f.write(as_pcap(collect(capture, f"pen={PEN}", "profiles=flowmon,cesnet,cert,ntop")))
            text = subprocess.run(
                ["tshark", "-r", self.path("pcap"), "-V", "-o", "cflow.max_template_fields:0"],
                capture_output=True, check=True, text=True,
            ).stdout  # fmt: skip
            for bad in ["Malformed", "no template found", "Undecoded", "Unexpected flow sequence"]:
                self.assertFalse(bad in text, bad)
            counts = [r for r in records(capture) if r["record"] in ("flow", "aggregate")]
            octets = [int(n) for n in re.findall(r"^ *Octets: (\d+)$", text, re.M)]
            self.assertEqual(octets, [r["c2s_ip_bytes"] for r in counts])
            ports = [int(n) for n in re.findall(r"^ *SrcPort: (\d+)", text, re.M)]
            self.assertEqual(ports, [r.get("src_port", 0) for r in records(capture) if r["record"] != "stats"])
            names = re.findall(r"^ *SSL server name: (.*)$", text, re.M)  # ntop's 188; it knows no other
            expected = [r for r in records(capture) if "sni" in r]
            self.assertEqual([n for n in names if n != ""], [r["sni"] for r in expected])
            (stats,) = [r for r in records(capture) if r["record"] == "stats"]
            self.assertIn(f"Permanent Packets: {stats['frames_read']}", text)
            self.assertIn("Ignored Packets: 0", text)


# --- TLS ------------------------------------------------------------------------------------------


class Tls(Case):
    def setUp(self):
        super().setUp()
        self.authority("ca")
        self.authority("other")

    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=self.folder)

    def authority(self, name):
        self.openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.pem", "-days", "2", "-subj", f"/CN={name}",
        )  # fmt: skip

    def certificate(self, name, alternative, ca="ca", days="1"):
        with open(self.path(name + ".ext"), "w") as f:
            f.write(f"subjectAltName={alternative}\n")
        self.openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key",
            "-out", name + ".csr", "-subj", f"/CN={name}",
        )  # fmt: skip
        self.openssl(
            "x509", "-req", "-in", name + ".csr", "-CA", ca + ".pem", "-CAkey", ca + ".key", "-CAcreateserial", "-days",
            days, "-extfile", name + ".ext", "-out", name + ".pem",
        )  # fmt: skip

    @contextlib.contextmanager
    def server(self, name, *options):
        """openssl s_server, which writes what it receives to a file; its port, and that file."""
        port = free_port(socket.SOCK_STREAM)
        with open(self.path("received"), "wb") as out, running(
            "openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", name + ".pem", "-key", name + ".key",
            "-quiet", *options, cwd=self.folder, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL,
        ):  # fmt: skip
            self.assertTrue(listening(port, "tcp"))
            yield port

    def ca(self, name="ca"):
        return "tls_ca=" + self.path(name + ".pem")

    @needs("openssl", "ipfixDump")
    def test_delivers(self):
        self.certificate("good", "DNS:localhost,IP:127.0.0.1")
        for host in ["localhost", "127.0.0.1"]:
            for version in ["-tls1_2", "-tls1_3"]:
                with self.server("good", version) as port:
                    given = send(f"ipfix+tls://{host}:{port}", CAPTURES[0], self.ca(), kinds="hello", times=500)
                    sni = hellos(CAPTURES[0])[0]["sni"]
                    self.assertTrue(until(lambda: self.received().count(sni) >= 2 * given))  # noqa: B023
                    self.assertEqual(self.received().count(sni), 2 * given)  # 338, 808
                self.assertEqual(given, 500 * len(hellos(CAPTURES[0])))

    def received(self):
        """What is there by now, when that ends with a message."""
        p = subprocess.run(["ipfixDump", "--rfc5610", "--in", self.path("received")], capture_output=True)
        text = p.stdout.decode("utf-8", "replace")
        return text if p.returncode == 0 and "File Stats" in text else ""

    @needs("openssl")
    def test_another_name(self):
        self.certificate("good", "DNS:collector.example")
        with self.server("good") as port:
            said = send(f"ipfix+tls://127.0.0.1:{port}", CAPTURES[0], self.ca(), good=False)
            self.assertIn("IP address mismatch, it is not of 127.0.0.1", said)
            said = send(f"ipfix+tls://localhost:{port}", CAPTURES[0], self.ca(), good=False)
            self.assertIn("hostname mismatch, it is not of localhost", said.lower())
            self.assertEqual(os.path.getsize(self.path("received")), 0)
            send(f"ipfix+tls://127.0.0.1:{port}", CAPTURES[0], self.ca(), "tls_name=collector.example")

    @needs("openssl")
    def test_another_authority(self):
        self.certificate("good", "DNS:localhost")
        with self.server("good") as port:
            said = send(f"ipfix+tls://localhost:{port}", CAPTURES[0], self.ca("other"), good=False)
            self.assertIn("unable to get local issuer certificate", said)
            said = send(f"ipfix+tls://localhost:{port}", CAPTURES[0], good=False)  # the system's
            self.assertIn("certificate is not to be trusted", said)
            self.assertEqual(os.path.getsize(self.path("received")), 0)

    @needs("openssl")
    def test_expired(self):
        self.certificate("old", "DNS:localhost", days="-1")
        with self.server("old") as port:
            said = send(f"ipfix+tls://localhost:{port}", CAPTURES[0], self.ca(), good=False)
            self.assertIn("certificate has expired", said)

    @needs("openssl")
    def test_old_version(self):
        self.certificate("good", "DNS:localhost")
        with self.server("good", "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0") as port:
            said = send(f"ipfix+tls://localhost:{port}", CAPTURES[0], self.ca(), good=False)
            self.assertIn("TLS: ", said)

    @needs("openssl")
    def test_client_certificate(self):
        self.certificate("good", "DNS:localhost")
        self.certificate("sensor", "DNS:sensor-7")
        ours = ["tls_cert=" + self.path("sensor.pem"), "tls_key=" + self.path("sensor.key")]
        wanted = ["-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem"]
        for version in ["-tls1_2", "-tls1_3"]:
            with self.server("good", version, *wanted) as port:
                send(f"ipfix+tls://localhost:{port}", CAPTURES[0], self.ca(), *ours)
                said = send(f"ipfix+tls://localhost:{port}", CAPTURES[0], self.ca(), times=200, good=False)
                self.assertRegex(said, "certificate required|handshake failure")


if __name__ == "__main__":
    result = unittest.main(argv=[sys.argv[0], "-v", *sys.argv[3:]], exit=False).result
    if result.wasSuccessful() and len(result.skipped) == result.testsRun:
        sys.exit(SKIPPED)
    sys.exit(not result.wasSuccessful())
