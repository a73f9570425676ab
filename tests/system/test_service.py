#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The systemd unit: as systemd-analyze reads it, and under a systemd of its own (systemd-nspawn) with a probe in the
program's place.

usage: test_service.py UNIT SYSUSERS PROBE
Skipped (77) without systemd-analyze; without root, overlays or systemd-nspawn only the first part is done.
"""
import contextlib
import os
import re
import shutil
import subprocess
import sys
import unittest

import overlay

UNIT, SYSUSERS, PROBE = (os.path.abspath(a) for a in sys.argv[1:4])
SECONDS = 120  # for whatever has to happen; the machine may be busy
EXPOSURE = 3.5  # of 10; what is left is what a sensor is for

# Runs as the only unit of the container, and leaves what it saw in files.
SCRIPT = r"""#!/bin/sh
cd /root
show() { systemctl show -p "$1" --value hellotap; }
# until COMMAND...: for a minute at least; the machine may be busy
until_() { i=0; while ! "$@" && [ $i -lt 600 ]; do sleep 0.1; i=$((i + 1)); done; }
is() { [ "$(show "$1")" = "$2" ]; }
restarted() { [ "$(show NRestarts)" -ge 1 ]; }
watchdog() { printf '[Service]\nWatchdogSec=%s\n' "$1" >/etc/systemd/system/hellotap.service.d/watchdog.conf; }
say() { echo "$1=$2" >>facts; }
exec 2>errors
set -x
watchdog 1min
systemctl daemon-reload
systemctl start hellotap
say start $?
say status "$(show StatusText)"
pid=$(show MainPID)
for t in /proc/$pid/task/*; do cat "$t/status"; echo; done >threads
systemctl reload hellotap
say reload $?
until_ is StatusText 'loaded again'
say reloaded "$(show StatusText)"
say folders "$(stat -c '%U %a' /var/log/hellotap /var/lib/hellotap /run/hellotap | tr '\n' ' ')"
watchdog 1s
systemctl daemon-reload
systemctl restart hellotap
echo hang >@CONFIG@
until_ restarted
say restarts "$(show NRestarts)"
watchdog 1min
systemctl daemon-reload
echo well >@CONFIG@
systemctl restart hellotap # or it may be killed once more, by the old one
until_ is ActiveState active
systemctl stop hellotap
say stopped "$(show Result)"
say left "$(ls -d /run/hellotap)"
echo wrong >@CONFIG@
systemctl start hellotap
say wrong "$(show ActiveState) $(show ExecMainStatus)"
sleep 1
say still "$(show ActiveState)"
journalctl --sync
journalctl -u hellotap -o cat --no-pager >journal
systemctl poweroff --force --force
"""
DROP_IN = "[Service]\nRestartSec=100ms\n"
TARGET = "[Unit]\nRequires=basic.target\nAfter=basic.target\n[Service]\nType=oneshot\nExecStart=/root/script\n"


class Analyzed(unittest.TestCase):
    def setUp(self):
        with open(UNIT, encoding="utf-8") as f:
            self.text = f.read()

    def test_verify(self):
        """No line that systemd does not know."""
        with open(os.path.dirname(UNIT) + "/verify.service", "w", encoding="utf-8") as f:
            f.write(re.sub("ExecStart=!\\S+", "ExecStart=!/bin/true", self.text))
        self.addCleanup(os.unlink, f.name)
        p = subprocess.run(["systemd-analyze", "verify", "--man=no", f.name], capture_output=True, text=True, timeout=SECONDS)
        self.assertEqual((p.returncode, p.stdout + p.stderr), (0, ""))

    def test_security(self):
        p = subprocess.run(["systemd-analyze", "security", "--no-pager", "--offline=yes", f"--threshold={int(EXPOSURE * 10)}", UNIT],
                           capture_output=True, text=True, timeout=SECONDS)
        self.assertEqual(p.returncode, 0, p.stdout[-200:] + p.stderr)

    def test_every_setting_has_a_reason(self):
        """A comment stands above each group of lines."""
        body = self.text[self.text.index("[Service]"):self.text.index("[Install]")]
        for group in re.split(r"\n\n|(?=\n#)", body):
            lines = [line for line in group.strip().splitlines() if line and not line.startswith("[")]
            if lines:
                self.assertTrue(lines[0].startswith("#"), group)


class Run(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not overlay.entered():
            raise unittest.SkipTest("not root, or no mount namespace")
        if shutil.which("systemd-nspawn") is None:
            raise unittest.SkipTest("no systemd-nspawn")
        try:
            with overlay.Overlay() as o:
                cls.boot(o)
        except overlay.Skip as why:
            raise unittest.SkipTest(str(why)) from why

    @classmethod
    def boot(cls, o):
        with open(UNIT, encoding="utf-8") as f:
            unit = f.read()
        program, config = re.search(r"^ExecStart=!(\S+) -c (\S+)$", unit, re.M).groups()
        o.write("/etc/systemd/system/hellotap.service", unit)
        o.write("/etc/systemd/system/hellotap.service.d/quick.conf", DROP_IN)
        o.write("/etc/systemd/system/script.service", TARGET)
        o.write("/root/script", SCRIPT.replace("@CONFIG@", config), 0o755)
        o.write(config, "well\n")
        o.write("/etc/machine-id", "")
        os.makedirs(os.path.dirname(o.path(program)), exist_ok=True)
        shutil.copy(PROBE, o.path(program))
        overlay.run("systemd-sysusers", "--root", o.root, SYSUSERS)
        p = subprocess.run(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--capability=all",
             "--bind=/dev/net/tun", "-D", o.root, "--boot", "--", "systemd.unit=script.service"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=4 * SECONDS)
        if not os.path.exists(o.path("/root/facts")):
            raise overlay.Skip("systemd does not start here: " + p.stdout[-300:])
        cls.facts = dict(line.split("=", 1) for line in o.read("/root/facts").splitlines())
        cls.journal, cls.errors = o.read("/root/journal"), o.read("/root/errors")
        cls.threads = [dict(re.findall(r"^(\w+):\s*(.*?)\s*$", t, re.M)) for t in o.read("/root/threads").split("\n\n") if t]

    def said(self, what):
        found = re.findall(f"^{re.escape(what)}: (.*)$", self.journal, re.M)
        self.assertTrue(found, self.journal)
        if what != "watchdog":
            self.assertEqual(len(set(found)), 1, found)
        return found[0]

    def test_starts_and_tells(self):
        self.assertEqual(self.facts["start"], "0", self.journal + self.errors)
        self.assertEqual(self.facts["status"], "one worker")
        self.assertEqual(self.said("watchdog"), "60000000")

    def test_reload(self):
        self.assertEqual((self.facts["reload"], self.facts["reloaded"]), ("0", "loaded again"), self.errors)

    def test_what_root_may(self):
        for what in "capture", "/dev/net/tun", "run folder", "own runtime folder":
            self.assertEqual(self.said("root: " + what), "yes", what)
        self.assertEqual(self.said("root: beside the configuration"), "Read-only file system")
        for what in "/dev/kmsg", "executable memory":
            self.assertNotEqual(self.said("root: " + what), "yes", what)

    def test_what_the_user_may(self):
        for what in "log folder", "state folder", "run folder":
            self.assertEqual(self.said("user: " + what), "yes", what)
        for what in "capture", "become root":
            self.assertNotEqual(self.said("user: " + what), "yes", what)

    def test_each_thread(self):
        threads = {t["Name"]: t for t in self.threads}
        self.assertGreaterEqual(len(threads), 3, threads)
        for t in threads.values():
            self.assertNotIn("0", t["Uid"].split() + t["Gid"].split())
            for field in "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
                self.assertEqual(int(t[field], 16), 0, t)
            self.assertEqual(t["NoNewPrivs"], "1")
        filters = {name: int(t["Seccomp_filters"]) for name, t in threads.items()}
        # The unit's filter is everybody's, the worker has one more.
        self.assertEqual(self.said("filter"), "yes")
        self.assertEqual(filters["worker"], filters["early"] + 1)

    def test_folders_are_the_users(self):
        self.assertEqual(self.facts["folders"], "hellotap 750 hellotap 750 hellotap 750 ")

    def test_watchdog(self):
        self.assertGreaterEqual(int(self.facts["restarts"]), 1)
        self.assertIn("Watchdog timeout", self.journal)

    def test_stop(self):
        self.assertEqual((self.facts["stopped"], self.facts["left"]), ("success", ""))
        self.assertIn("\nstopped\n", self.journal)

    def test_a_wrong_configuration_is_not_tried_again(self):
        self.assertEqual((self.facts["wrong"], self.facts["still"]), ("failed 2", "failed"))


def main():
    if shutil.which("systemd-analyze") is None:
        raise overlay.Skip("no systemd-analyze")
    with contextlib.suppress(overlay.Skip):
        overlay.enter()
    unittest.main(argv=sys.argv[:1])


try:
    main()
except overlay.Skip as why:
    print("SKIP:", why)
    sys.exit(overlay.SKIPPED)
