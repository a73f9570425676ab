#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Findings: of the shipped captures against a reading of their JSON, of real clients, and by policies of one's own.

usage: test_findings.py PROGRAM PCAPS [unittest arguments]

The reading knows cipher suites by their names, as tshark lists them: without tshark it is left out. A real client
connects to a socket here; what it sends first becomes a capture.
"""
import glob
import ipaddress
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

PROGRAM, PCAPS = sys.argv[1:3]
SECONDS = 60  # for whatever has to happen; the machine may be busy
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import wire_tls  # noqa: E402

GREASE = {0x0A0A + 0x1010 * i for i in range(16)}
PQ = {0x200, 0x201, 0x202, 0x11EB, 0x11EC, 0x11ED, 0x11EE, 0x6399, 0x639A, 0xFE30, 0xFE31, 0xFE32, 0x4138}
SSL2 = {0x010080: "RC4_MD5", 0x020080: "RC4_EXPORT_MD5", 0x030080: "RC2_MD5", 0x040080: "RC2_EXPORT_MD5",
        0x050080: "IDEA_MD5", 0x060040: "WITH_DES_MD5", 0x0700C0: "3DES_MD5", 0x080080: "RC4_MD5"}  # fmt: skip
WEB = {"http/0.9", "http/1.0", "http/1.1", "h2", "h3"}
MAIL = {"imap", "pop3", "managesieve"}
HTTP_PORTS = {"http", "http-alt", "https", "https-alt", "docker", "kubernetes", "elasticsearch", "prometheus"}
MAIL_PORTS = {"smtp", "smtps", "submission", "imap", "imaps", "pop3", "pop3s", "sieve"}
# What an incomplete hello cannot be said to lack.
ABSENCE = {"no_sni", "no_pq", "no_forward_secrecy", "pq_only_keyshare"}


def run(*args):
    return subprocess.run([PROGRAM, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=10 * SECONDS, check=False)


def hellos(capture, *args):
    p = run("-r", capture, "-o", "json", "--records", "hello", "-q", *args)
    return [json.loads(line) for line in p.stdout.splitlines()]


def suites():
    """Number -> name of each cipher suite."""
    if shutil.which("tshark") is None:
        return None
    out = subprocess.run(["tshark", "-G", "values"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    found = re.findall(r"^V\ttls\.handshake\.ciphersuite\t(\d+)\t(\S+)$", out.stdout.decode(), re.M)
    return {int(n): name for n, name in found} | SSL2


def by_name(name):
    """What the name of a cipher suite says."""
    if "NULL" in name or re.fullmatch(r"TLS_SHA\d+_SHA\d+", name):
        yield "cipher_null"
    if "EXPORT" in name:
        yield "cipher_export"
    if "RC4" in name:
        yield "cipher_rc4"
    if re.search(r"_DES(40|_|$)", name):
        yield "cipher_des"
    if "3DES" in name:
        yield "cipher_3des"
    if "anon" in name:
        yield "cipher_anon"
    if name.endswith("MD5"):
        yield "cipher_md5"


def is_tls13_suite(name):
    return name.startswith("TLS_") and "_WITH_" not in name and "SCSV" not in name or name.endswith(("MGM_L", "MGM_S"))


def is_ephemeral(name):
    return is_tls13_suite(name) or re.search(r"ECDHE_|_DHE_|DH_anon|SRP|ECCPWD|CECPQ", name) is not None


def is_ip(name):
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def is_host(name):
    label = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
    return len(name) <= 253 and re.fullmatch(rf"{label}(\.{label})*", name, re.ASCII) is not None


def contradictions(r, names):
    """Why a client is implausible."""
    versions, extensions = set(r.get("versions", [])), r.get("extensions", [])
    plain = [e for e in extensions if e not in GREASE]
    tls13 = any(v in (0x0304, 0xFEFC) or v >> 8 == 0x7F for v in versions - GREASE)
    old = r.get("tls_version", "") in ("SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1", "DTLS 1.0")
    quic = r.get("quic_version") in (1, 0x6B3343CF) and "ciphers" in r
    shares = set(r.get("key_share_groups", [])) - GREASE
    yield len(plain) != len(set(plain))
    yield 41 in extensions[:-1]
    yield bool(shares - set(r.get("groups", [])))
    if r["complete"]:
        yield bool(versions & {0x0304, 0xFEFC}) and not any(map(is_tls13_suite, names))
        yield tls13 and not r.get("psk") and not ("key_share_groups" in r and "groups" in r)
        yield r.get("early_data", False) and not r.get("psk")
        yield 0x0304 in versions and r.get("psk", False) and 45 not in extensions
        yield quic and (not tls13 or 57 not in extensions)
    yield 0x0304 in versions and r["protocol"] != "dtls" and r.get("legacy_version", 0x0303) != 0x0303
    yield (old or r.get("tls_version") in ("TLS 1.2", "DTLS 1.2")) and bool({41, 42, 44, 45, 51} & set(extensions))
    yield old and "h2" in r.get("alpn", [])
    yield quic and r.get("session_id_len", 0) > 0
    yield r["protocol"] == "tls" and 57 in extensions


def mismatch(r):
    service = r.get("service")
    if service is None:
        return False
    for name in r.get("alpn", []):
        if name in WEB or name.startswith(("h3-", "spdy/")):
            if service not in HTTP_PORTS:
                return True
        elif name in MAIL and service not in MAIL_PORTS:
            return True
        elif {"tds/8.0": "mssql", "postgresql": "postgresql"}.get(name, service) != service:
            return True
    return False


def reading(r, names_of):
    """All that is to be found, but for compression, which no field tells."""
    names = [names_of.get(n, "") for n in r.get("ciphers", [])]
    sni, groups = r.get("sni"), set(r.get("groups", []) + r.get("key_share_groups", []))
    shares = set(r.get("key_share_groups", [])) - GREASE
    found = {f for name in names for f in by_name(name)}
    checks = {
        "version_old": r.get("tls_version", "") in ("SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1", "DTLS 1.0"),
        "version_downgrade_scsv": 0x5600 in r.get("ciphers", []),
        "no_forward_secrecy": "ciphers" in r and not any(map(is_ephemeral, names)),
        "no_sni": "ciphers" in r and sni is None and not {"eapol", "radius", "openvpn"} & set(r.get("via", [])),
        "sni_is_ip": sni is not None and is_ip(sni),
        "sni_invalid": sni is not None and not is_ip(sni) and not is_host(sni),
        "no_pq": "ciphers" in r and not PQ & groups,
        "pq_only_keyshare": bool(shares) and shares <= PQ and r["hello_number"] == 1,
        "early_data": r.get("early_data", False),
        "ech_real": "ech" in r and sni == "cloudflare-ech.com",
        "ech_grease": "ech" in r and sni != "cloudflare-ech.com",
        "acme_tls_alpn": "acme-tls/1" in r.get("alpn", []),
        "alpn_port_mismatch": mismatch(r),
        "implausible_client": any(contradictions(r, names)),
    }
    found |= {name for name, holds in checks.items() if holds}
    return found if r["complete"] else found - ABSENCE - {"ech_grease"}


class Shipped(unittest.TestCase):
    def test_findings_are_those_of_another_reading(self):
        names_of = suites()
        if names_of is None:
            self.skipTest("tshark is not installed")
        seen, number = set(), 0
        for capture in sorted(glob.glob(os.path.join(PCAPS, "*.pcap*"))):
            for r in hellos(capture):
                got = r.get("findings", [])
                self.assertEqual(len(got), len(set(got)))
                with self.subTest(capture=os.path.basename(capture), frame=r["frame"]):
                    self.assertEqual(set(got) - {"compression_offered"}, reading(r, names_of))
                seen |= set(got)
                number += 1
        self.assertGreater(number, 400)
        self.assertGreater(len(seen), 14)

    def test_flow_records_have_them_too(self):
        capture = os.path.join(PCAPS, "openssl-tls10.pcap")
        p = run("-r", capture, "-o", "json", "--records", "flow", "-q")
        self.assertEqual([json.loads(x)["findings"] for x in p.stdout.splitlines()], [["version_old", "no_pq"]])


def capture_of(path, sent, port=443):
    """A capture of one TCP segment."""
    tcp = struct.pack("!HHIIBBHHH", 40000, port, 1, 1, 0x50, 0x18, 65535, 0, 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(sent), 1, 0, 64, 6, 0, bytes([192, 0, 2, 10]), bytes([198, 51, 100, 20]))
    frame = bytes(12) + b"\x08\x00" + ip + tcp + sent
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        f.write(struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame)


def first_bytes(client):
    """What a client sends to a port of ours; its arguments have PORT where that belongs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)
        got = []

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.settimeout(SECONDS)
                data = connection.recv(65536)
                while len(data) < 5 or len(data) < 5 + int.from_bytes(data[3:5], "big"):
                    more = connection.recv(65536)
                    if not more:
                        break
                    data += more
                got.append(data)

        thread = threading.Thread(target=serve)
        thread.start()
        args = [a.replace("PORT", str(server.getsockname()[1])) for a in client]
        subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=2 * SECONDS, check=False)
        thread.join(3 * SECONDS)
        return got[0]


class Clients(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)

    def findings(self, sent, port=443, args=()):
        path = os.path.join(self.dir, "hello.pcap")
        capture_of(path, sent, port)
        records = hellos(path, *args)
        self.assertEqual(len(records), 1)
        return set(records[0].get("findings", []))

    def client(self, *args, port=443):
        if shutil.which(args[0]) is None:
            self.skipTest(args[0] + " is not installed")
        return self.findings(first_bytes(args), port) - {"no_pq"}

    def s_client(self, *args, **kw):
        return self.client("openssl", "s_client", "-connect", "127.0.0.1:PORT", *args, **kw)

    def test_openssl(self):
        name, weak = ("-servername", "www.example.com"), ("-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0")
        for want, args in (
            (set(), name),
            ({"no_sni"}, ("-noservername",)),
            ({"sni_is_ip"}, ("-servername", "192.0.2.1")),
            ({"sni_invalid"}, ("-servername", "www.example.com.")),
            ({"version_old"}, (*name, "-tls1", "-cipher", "DEFAULT@SECLEVEL=0")),
            ({"version_old"}, (*name, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")),
            ({"version_downgrade_scsv"}, (*name, "-tls1_2", "-fallback_scsv")),
            ({"no_forward_secrecy"}, (*name, "-tls1_2", "-cipher", "AES128-SHA")),
            ({"cipher_null", "cipher_anon", "cipher_md5"}, (*name, "-tls1_2", *weak)),
            ({"cipher_null"}, (*name, "-tls1_2", "-cipher", "ECDHE-RSA-NULL-SHA@SECLEVEL=0")),
            ({"cipher_anon"}, (*name, "-tls1_2", "-cipher", "ADH@SECLEVEL=0")),
            ({"acme_tls_alpn"}, (*name, "-alpn", "acme-tls/1")),
            ({"version_old", "implausible_client"}, (*name, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", "-alpn", "h2")),
        ):
            with self.subTest(args=args):
                self.assertEqual(self.s_client(*args), want)
        self.assertEqual(self.s_client(*name, "-alpn", "h2", port=993), {"alpn_port_mismatch"})
        self.assertEqual(self.s_client(*name, "-alpn", "imap", port=993), set())
        self.assertEqual(self.s_client(*name, "-alpn", "tds/8.0", port=443), {"alpn_port_mismatch"})
        self.assertEqual(self.s_client(*name, "-alpn", "tds/8.0", port=1433), set())

    def test_curl(self):
        to = ("--connect-to", "::127.0.0.1:PORT", "https://www.example.com/")
        self.assertEqual(self.client("curl", "-sk", *to), set())
        self.assertEqual(self.client("curl", "-sk", "--tls-max", "1.1", "--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0",
                                     "--no-alpn", *to), {"version_old"})  # fmt: skip

    def test_gnutls(self):
        args = ("gnutls-cli", "--insecure", "--sni-hostname", "www.example.com", "-p", "PORT")
        self.assertEqual(self.client(*args, "127.0.0.1"), set())
        self.assertEqual(self.client(*args, "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA", "127.0.0.1"),
                         {"no_forward_secrecy"})  # fmt: skip

    # What no client here does any more.
    def test_compression(self):
        for methods, want in ((b"\0", False), (b"\1\0", True), (b"\0\x40", True)):
            got = self.findings(wire_tls.record(wire_tls.hello12(compression=methods)))
            self.assertEqual("compression_offered" in got, want, methods)
            self.assertNotIn("implausible_client", got)
        self.assertIn("implausible_client", self.findings(wire_tls.record(wire_tls.hello13(compression=b"\1\0"))))


class Policies(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        self.capture = os.path.join(PCAPS, "openssl-tls12.pcap")

    def policy(self, text):
        path = os.path.join(self.dir, "my.policy")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def test_one_of_ones_own(self):
        path = self.policy('finding tls12_here warning when tls_version = "TLS 1.2" and dst_port > 1\n')
        self.assertEqual([r["findings"] for r in hellos(self.capture, "--policy", path)], [["tls12_here"]])
        path = self.policy('include default drop no_pq finding mine info when ja4 = "t12*"\n')
        self.assertEqual([r["findings"] for r in hellos(self.capture, "--policy", path)], [["mine"]])
        self.assertEqual(["findings" in r for r in hellos(self.capture, "--policy", "off")], [False])
        self.assertEqual([r["findings"] for r in hellos(self.capture, "--policy", "default")], [["no_pq"]])

    def test_by_configuration(self):
        path = self.policy("finding mine info when has sni\n")
        config = os.path.join(self.dir, "sensor.yaml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f"findings: {{policy: {path}}}\ninterfaces: [lo]\n")
        p = run("-c", config, "--check")
        if b"built without" in p.stderr:
            self.skipTest("no configuration files")
        self.assertEqual((p.stdout.decode(), p.stderr), (f"{config}: right\n{path}: right\n", b""))
        self.assertEqual([r["findings"] for r in hellos(self.capture, "-c", config)], [["mine"]])
        self.policy("finding mine info when has snii\n")
        p = run("-c", config, "--check")
        self.assertEqual((p.returncode, p.stdout), (2, b""))
        self.assertEqual(p.stderr.decode(), f"hellotap: {path}:1:28: there is no field snii; did you mean sni?\n")

    def test_faults(self):
        path = self.policy("set @a = 1\nfinding x info when ciphers any @b\nfinding y info when psk and\n")
        for args in (("-r", self.capture), ("--check",), ("--findings",)):
            p = run("--policy", path, *args)
            self.assertEqual((p.returncode, p.stdout), (2, b""))
            self.assertEqual(p.stderr.decode(), f"hellotap: {path}:2:33: there is no set @b above; did you mean @a?\n"
                             f"hellotap: {path}:4:1: a condition was expected, not the end of the policy\n")  # fmt: skip
        p = run("--policy", os.path.join(self.dir, "none"), "--check")
        self.assertEqual((p.returncode, p.stdout), (1, b""))
        self.assertIn(b"none: No such file", p.stderr)
        path = self.policy("include default finding no_sni info when has sni")
        self.assertIn(b"there is a finding no_sni above; 'drop' that first", run("--policy", path, "--check").stderr)
        path = self.policy("include default")
        self.assertIn(b"is a policy to read", run("--policy", path, "-r", self.capture, "-o", "json:" + path).stderr)

    def test_printed(self):
        path = self.policy('finding mine notice when has sni help "says a name" why "It is sent." see "RFC 6066"\n')
        p = run("--policy", path, "--findings")
        self.assertEqual((p.returncode, p.stdout.split()), (0, b"mine notice says a name".split()))
        md = run("--findings=md", "--policy", path).stdout.decode()
        self.assertIn("### mine\n\n*notice*: the client says a name. It is sent.\n\n- See: RFC 6066.\n", md)
        # Every finding of the shipped policy says why, and where that stands.
        for section in run("--findings=md").stdout.decode().split("\n### ")[1:23]:
            self.assertIn("\n- See: ", section)
            self.assertRegex(section, r"\*(info|notice|warning|critical)\*: the client .*\. [A-Z].*[.?]\n")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
