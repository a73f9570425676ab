# SPDX-License-Identifier: BSD-3-Clause
"""What tests wait for, however busy the machine is, and ports that nobody else gets meanwhile."""

import contextlib
import json
import random
import socket
import subprocess
import time


def until_within(most):
    """until(condition, seconds=most): whether it came to hold within that time."""

    def until(condition, seconds=most):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    return until


def ready(*interfaces):
    """Waits until frames go through them: the kernel takes note of a link that is up some time later."""

    def is_up(interface):
        p = subprocess.run(["ip", "-j", "link", "show", interface], check=True, capture_output=True)
        (link,) = json.loads(p.stdout)
        return "LOWER_UP" in link["flags"] and link["qdisc"] != "noop" and link["operstate"] != "DOWN"

    assert until_within(60)(lambda: all(map(is_up, interfaces))), interfaces


def free_port(kind=socket.SOCK_STREAM):
    """One that no connection of others gets as its own, also while nobody listens there."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        first = int(f.read().split()[0])
    while True:
        port = random.randrange(max(first // 2, 1024), first)
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, kind) as s:
            s.bind(("127.0.0.1", port))
            return port
