#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check.py MADE LEDGER: does the sensor's ledger (--stats json) tell what the generator made?

MADE is the line that `generate` printed. Says what differs and ends 1 when something does.
"""

import json
import sys

made, ledger = (json.load(open(f)) for f in sys.argv[1:3])
hellos = made["hellos_tcp"] + made["hellos_quic"]
wants = {
    "balanced": (ledger["balanced"], True),
    "frames": (ledger["frames"]["total"], made["frames"]),
    "bytes": (ledger["capture"]["bytes"], made["bytes"]),
    "TCP and UDP frames": (ledger["frames"]["tcp"] + ledger["frames"]["udp"], made["frames"]),
    "flows": (ledger["flows"]["begun"], made["flows"]),
    "hellos begun": (ledger["hellos"]["begun"], hellos),
    "hellos complete": (ledger["hellos"]["complete"], hellos),
    "upgrades begun": (ledger["upgrades"]["begun"], made["upgrades"]),
    "upgrades without a verdict": (ledger["upgrades"]["unsaid"], 0),
    "records delivered": (ledger["sinks"][0]["delivered"], hellos + made["upgrades"]),
}
wrong = [f"{what}: {got}, not {want}" for what, (got, want) in wants.items() if got != want]
for line in wrong:
    print(f"{sys.argv[2]}: {line}", file=sys.stderr)
sys.exit(1 if wrong else 0)
