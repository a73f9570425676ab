#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""docs/events.md has each upgrade_state, each evidence and each kind of event that the sources have, and no other evidence.

usage: test_events_doc.py SOURCE-FOLDER
"""
import os
import re
import sys

ROOT = sys.argv[1]


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def literals(text):
    """Sentences among the string literals, with neighbours joined as the compiler does."""
    joined = re.sub(r'"\s*\n\s*"', "", text)
    return {s for s in re.findall(r'"([^"\n]+)"', joined) if " " in s}


verdict, event = read("lib", "upgrade", "upgrade_verdict.c"), read("lib", "sensor", "sensor_event.c")
rates = read("lib", "rates", "rates_flood.c") + read("lib", "rates", "rates_prints.c")
doc = read("docs", "events.md")
states = re.findall(r"^\tX\([A-Z_]+, ([a-z_]+), ", read("lib", "upgrade", "upgrade.h").split("HT_UPGRADE_STATES(X)")[1].split("enum")[0], re.M)
rows = set(re.findall(r"^\| ([a-z][^|`]*[a-zA-Z]) \| (?:`|none)", doc, re.M))
evidence = {s for s in literals(event) if not s.startswith("tls-crypt")}
wrong = []
wrong += [f"state {s} is missing" for s in states if f"| `{s}` |" not in doc]
wrong += [f"kind {k} is missing" for k in re.findall(r'ht_set\(\w+, kind, "(\w+)"', event + rates) + re.findall(r'"(\w+_fingerprint)"', rates) if f"| `{k}` |" not in doc]
wrong += [f"evidence is missing: {e}" for e in sorted((literals(verdict) | evidence) - rows)]
wrong += [f"evidence is nowhere in the sources: {e}" for e in sorted(rows - literals(verdict) - evidence)]
print("\n".join(wrong) or f"{len(states)} states, {len(rows)} kinds of evidence")
sys.exit(1 if wrong or len(states) != 7 or not rows else 0)
