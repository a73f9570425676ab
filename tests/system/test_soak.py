#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A worker at full rate for a while, by DPDK's net_pcap that repeats a capture: nothing grows, nothing runs dry.

usage: test_soak.py PROGRAM CAPTURES-FOLDER
HELLOTAP_SOAK_S is how long, in seconds (20; an hour is 3600).

The capture has more connections than the flow table, a segment of each in turn: every round flows are given up and begun
anew, hellos held and let go, and records written. The queues of records are small: memory of theirs is touched when what
writes is behind, which may be late. Measuring begins when the program has stayed as large as it was for a while, however
busy the machine is; one that never does so grows. Skipped (77) in a build without DPDK.

The program's memory is asked to be huge pages, where the kernel has some. It may make one of 2 MiB at any time of a range
in which a page of 4 KiB is used: the kernel is asked not to, so that what is measured is what the program touches.
"""
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "qemu"))
import traffic  # noqa: E402

PROGRAM, PCAPS = (os.path.abspath(a) for a in sys.argv[1:3])
SECONDS = float(os.environ.get("HELLOTAP_SOAK_S", "20"))
STEADY_S = 4  # as large as it was for so long: every page that will be touched has been
WARM_UP_S = 90
MAY_GROW_KIB = 1024
SMALLEST_BLOCK = 32  # bytes that malloc takes for anything: one of each hello that is not given back is seen
PR_SET_THP_DISABLE = 41  # linux/prctl.h


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def steady(p, said):
    """Resident KiB when they have not changed for STEADY_S. They do for ever where something grows: see WARM_UP_S."""
    begun = since = time.monotonic()
    was = 0
    while time.monotonic() - since < STEADY_S:
        time.sleep(0.25)
        assert p.poll() is None, open(said).read()
        now = resident_kib(p.pid)
        if now != was:
            assert time.monotonic() - begun < WARM_UP_S, f"it grows: {now} KiB after {WARM_UP_S} s"
            was, since = now, time.monotonic()
    return was


def without_huge_pages():
    """This process, and the programs that it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())


def config(folder):
    capture = os.path.join(folder, "flows.pcap")
    conversation = os.path.join(PCAPS, "curl-https.pcap")
    frames, _ = traffic.flows([(conversation, 4), (conversation, 6)], 200)
    with open(capture, "wb") as f:
        f.write(traffic.pcap(frames))
    path = os.path.join(folder, "soak.yaml")
    with open(path, "w", encoding="ascii") as f:
        f.write(f"""
dpdk:
  file_prefix: soak{os.getpid()}
  ports: [{{device: "net_pcap0,rx_pcap={capture},infinite_rx=1", rx_descriptors: 4096}}]
sensor: {{max_flows: 64, max_hellos: 8}}
workers: {{queue_mib: 1}}
outputs: ["json:/dev/null?queue_mib=1"]
""")
    return path


def main():
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    if "dpdk no" in version or "configuration no" in version:
        print("SKIP: built without DPDK or configuration files")
        return 77
    without_huge_pages()
    with tempfile.TemporaryDirectory() as folder:
        said = os.path.join(folder, "said")
        with open(said, "wb") as err:
            p = subprocess.Popen([PROGRAM, "-c", config(folder), "--stats", "json"], stdout=subprocess.DEVNULL, stderr=err)
        try:
            begun, most = steady(p, said), 0
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                time.sleep(1)
                assert p.poll() is None, open(said).read()
                most = max(most, resident_kib(p.pid))
            p.send_signal(signal.SIGTERM)
            status = p.wait(60)
        finally:
            if p.poll() is None:
                p.kill()
                p.wait()
        with open(said, encoding="utf-8") as f:
            text = f.read()
    ledger = json.loads([line for line in text.splitlines() if line.startswith("{")][-1])
    frames, hellos = ledger["frames"]["total"], ledger["hellos"]["complete"]
    print(f"{frames} frames, {hellos} hellos, {begun} KiB at first, {most} KiB at the most in {SECONDS:.0f} s")
    # It makes more hellos than any link has: where the machine is busy they are lost, and that is told.
    lost = ledger["queue"]["lost_queue_full"] + ledger["sinks"][0]["lost_queue_full"]
    assert status == (1 if lost > 0 else 0), text
    assert ledger["balanced"], ledger
    assert hellos * SMALLEST_BLOCK > 2 * 1024 * MAY_GROW_KIB, "it hardly ran"
    assert ledger["ports"][0]["no_mbuf"] == 0, "frames are not given back"
    assert most - begun <= MAY_GROW_KIB, "it grows"
    return 0


sys.exit(main())
