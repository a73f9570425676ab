#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Events of the shared captures: those of tests/corpus-events.tsv and no other.

usage: test_corpus_events.py PROGRAM TSV [--print]

Nobody was attacked in those captures, so `stripped` stands nowhere in the list; each line of it was compared with the
dialogue in its capture. Exit status 77 where the captures are not there.
"""
import collections
import glob
import json
import os
import subprocess
import sys

PROGRAM, TSV = sys.argv[1:3]
CORPUS = os.path.join(os.path.dirname(os.path.abspath(TSV)), "..", "..", "shared", "corpus")


def events(capture):
    p = subprocess.run([PROGRAM, "-r", capture, "-o", "json", "--records", "event", "-q"], stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL, check=False)  # cut-short captures end with status 1
    for line in p.stdout.splitlines():
        r = json.loads(line)
        yield "\t".join([os.path.basename(capture), r["kind"], ",".join(r.get("via", [])),
                         r.get("upgrade_state") or r.get("seen", ""), r.get("evidence", ""), ",".join(r.get("in_clear", []))])  # fmt: skip


def main():
    captures = sorted(glob.glob(os.path.join(CORPUS, "*", "*.pcap*")))
    if not captures:
        print("SKIP: ../shared/corpus is not here")
        return 77
    got = collections.Counter(line for c in captures for line in events(c))
    if "--print" in sys.argv:
        for line in sorted(got.elements()):
            print(line)
        return 0
    with open(TSV, encoding="utf-8") as f:
        wanted = collections.Counter(line.rstrip("\n") for line in f if not line.startswith("#"))
    for line in sorted((wanted - got).elements()):
        print("not there:", line)
    for line in sorted((got - wanted).elements()):
        print("not wanted:", line)
    print(f"{len(captures)} captures, {sum(got.values())} events")
    return got != wanted


if __name__ == "__main__":
    sys.exit(main())
