#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The Debian package: built, looked into, installed, upgraded, removed, purged in a root of its own.

usage: test_package.py SOURCE-ROOT
Skipped (77) without dpkg-dev, debhelper or what the build depends on. Without root the package is only unpacked.
"""
import contextlib
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import overlay

SOURCE = os.path.abspath(sys.argv[1])
UNIT = "/lib/systemd/system/hellotap.service"
CONFIG = "/etc/hellotap/hellotap.yaml"
GOLDEN = "chromium-tls13"
# Path: mode. What may be there besides is below the folders in DOCS.
FILES = {
    "/usr/bin/hellotap": 0o755,
    UNIT: 0o644,
    "/usr/lib/sysusers.d/hellotap.conf": 0o644,
    CONFIG: 0o644,
    "/usr/share/man/man1/hellotap.1.gz": 0o644,
    "/usr/share/hellotap/pcaps/ports.pcap": 0o644,
    "/usr/share/hellotap/policies/default.policy": 0o644,
}
DOCS = ("/usr/share/doc/hellotap/", "/usr/share/hellotap/dpdk-config/")


def build(out):
    env = {**os.environ, "DEB_BUILD_OPTIONS": "nocheck parallel=2"}
    p = subprocess.run([SOURCE + "/packaging/build-deb", out], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, timeout=1800)
    assert p.returncode == 0, p.stdout
    return glob.glob(out + "/hellotap_*.deb")[0]


def field(deb, name):
    return overlay.run("dpkg-deb", "-f", deb, name).strip()


def replay(program, prefix=()):
    with open(f"{SOURCE}/pcaps/{GOLDEN}.pcapng", "rb") as f:
        return subprocess.run([*prefix, program, "-q", "-o", "json", "-r", "-"], check=True, capture_output=True, stdin=f).stdout


def golden():
    with open(f"{SOURCE}/tests/pcap/expect/{GOLDEN}.jsonl", "rb") as f:
        return f.read()


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="hellotap-deb-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cls.deb = build(cls.dir)
        cls.version = field(cls.deb, "Version")

    def test_content(self):
        tree = os.path.join(self.dir, "content")
        overlay.run("dpkg-deb", "-x", self.deb, tree)
        found = {}
        for folder, _, names in os.walk(tree):
            for name in names:
                path = os.path.join(folder, name)
                found[path[len(tree):]] = os.lstat(path).st_mode & 0o7777
        docs = {p for p in found if p.startswith(DOCS)}
        self.assertEqual({p: m for p, m in found.items() if p not in docs}, FILES)
        self.assertEqual({m for p, m in found.items() if p in docs} - {0o755}, {0o644})
        for name in "copyright", "changelog.gz", "changelog.Debian.gz", "README.md.gz":
            self.assertIn(DOCS[0] + name, docs)
        for name in "counters", "events", "fields", "metrics", "options", "service", "services":
            self.assertTrue({f"{DOCS[0]}{name}.md", f"{DOCS[0]}{name}.md.gz"} & docs, name)
        self.assertEqual(any(p.startswith(DOCS[1]) for p in docs), os.path.isdir(SOURCE + "/dpdk-config"))
        self.assertEqual(overlay.run("dpkg-deb", "-I", self.deb, "conffiles").split(), [CONFIG])
        # What is read from the package as it is unpacked.
        program = tree + "/usr/bin/hellotap"
        self.assertEqual(replay(program), golden())
        version = overlay.run(program, "--version").split()
        self.assertEqual(version[:2], ["hellotap", self.version.rpartition("-")[0]])
        share = tree + "/usr/share/hellotap"
        lab = subprocess.run([program, "-q", "-c", "dpdk-config/lab-vdev.yaml"], cwd=share, capture_output=True, text=True, timeout=300)
        self.assertEqual((lab.returncode, len(lab.stdout.splitlines())), (0, 10), lab.stderr)
        with open(tree + UNIT, encoding="utf-8") as f:
            self.assertIn("\nExecStart=!/usr/bin/hellotap -c /etc/hellotap/hellotap.yaml\n", f.read())

    def test_depends_on_what_it_links(self):
        depends = field(self.deb, "Depends")
        for name in "libc6", "libpcap0.8", "libssl3":
            self.assertIn(name, depends)

    def test_lintian(self):
        if shutil.which("lintian") is None:
            self.skipTest("no lintian")
        changes = glob.glob(self.dir + "/*.changes")[0]
        p = subprocess.run(["lintian", "--fail-on", "error", changes], capture_output=True, text=True, timeout=600)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)

    def test_installed(self):
        if not overlay.entered():
            self.skipTest("not root, or no mount namespace")
        try:
            with overlay.Overlay() as o:
                self.install(o)
        except overlay.Skip as why:
            self.skipTest(str(why))

    def install(self, o):
        if os.path.exists(o.path("/var/lib/dpkg/info/hellotap.list")):
            o.run("dpkg", "--purge", "hellotap")
        if "\nhellotap:" in o.read("/etc/passwd"):
            o.run("userdel", "hellotap")
        shutil.copy(self.deb, o.path("/root/hellotap.deb"))
        install = ("dpkg", "-i", "/root/hellotap.deb")
        o.run(*install)
        self.assertEqual(replay("/usr/bin/hellotap", ("chroot", o.root)), golden())
        user = [line for line in o.read("/etc/passwd").splitlines() if line.startswith("hellotap:")]
        self.assertEqual(len(user), 1)
        self.assertRegex(user[0], ":/usr/sbin/nologin$")
        # Nothing starts by itself: that is a step of its own.
        self.assertEqual(self.is_enabled(o), "disabled")
        overlay.run("systemctl", "--root", o.root, "enable", "hellotap")
        self.assertEqual(self.is_enabled(o), "enabled")
        o.write(CONFIG, "# a site's own\n")
        o.run(*install)  # an upgrade, as far as the scripts can tell
        self.assertEqual(o.read(CONFIG), "# a site's own\n")
        self.assertEqual(self.is_enabled(o), "enabled")
        for folder in "/var/lib/hellotap", "/var/log/hellotap":
            o.write(folder + "/records.json", "{}\n")
        o.run("dpkg", "--remove", "hellotap")
        self.assertFalse(os.path.exists(o.path("/usr/bin/hellotap")))
        self.assertEqual(o.read(CONFIG), "# a site's own\n")
        self.assertTrue(os.path.exists(o.path("/var/log/hellotap/records.json")))
        o.run("dpkg", "--purge", "hellotap")
        for path in "/etc/hellotap", "/var/lib/hellotap", "/var/log/hellotap":
            self.assertFalse(os.path.exists(o.path(path)), path)

    def is_enabled(self, o):
        p = subprocess.run(["systemctl", "--root", o.root, "is-enabled", "hellotap"], capture_output=True, text=True)
        return p.stdout.strip()


def main():
    for tool in ("dpkg-buildpackage", "dh"):
        if shutil.which(tool) is None:
            raise overlay.Skip("no " + tool)
    p = subprocess.run(["dpkg-checkbuilddeps", "-P", "nocheck"], cwd=SOURCE, capture_output=True, text=True)
    if p.returncode != 0:
        raise overlay.Skip(p.stderr.strip())
    with contextlib.suppress(overlay.Skip):
        overlay.enter()
    unittest.main(argv=sys.argv[:1])


try:
    main()
except overlay.Skip as why:
    print("SKIP:", why)
    sys.exit(overlay.SKIPPED)
