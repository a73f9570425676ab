#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compares the hellos that hellotap tells with those that tshark reads in the same captures.

    truth.py --program PROGRAM [CAPTURE...]    run the program on the captures (all of pcaps/ without names)
    truth.py --expect DIR [CAPTURE...]         take the goldens in DIR instead (tests/pcap/expect)
    truth.py --jsonl FILE CAPTURE              take the records in FILE

Compared are sni, alpn, legacy_version, versions, ciphers, extensions, groups, key_share_groups, sig_algs,
point_formats and ja3 of complete hellos, as sets a capture: which frame completed a hello and how often it was
sent again is for the goldens. Differences that are known stand in truth-known.tsv with their reason.

Exit status: 0 nothing unexplained, 1 differences, 77 no sharkd (shark.py) here.
"""

import argparse
import concurrent.futures
import fnmatch
import json
import os
import re
import subprocess
import sys

import shark

HERE = os.path.dirname(os.path.abspath(__file__))
PCAPS = os.path.join(HERE, "..", "..", "pcaps")
SKIP = 77
# Our field, tshark's field behind "tls.handshake." or "dtls.handshake.", how its text becomes our value.
FIELDS = [
    ("sni", "extensions_server_name", "text"),
    ("alpn", "extensions_alpn_str", "texts"),
    ("legacy_version", "version", "number"),
    ("versions", "extensions.supported_version", "numbers"),
    ("ciphers", "ciphersuite", "numbers"),
    ("extensions", "extension.type", "numbers"),
    ("groups", "extensions_supported_group", "numbers"),
    ("key_share_groups", "extensions_key_share_group", "numbers"),
    ("sig_algs", "sig_hash_alg", "numbers"),
    ("point_formats", "extensions_ec_point_format", "numbers"),
    ("ja3", "ja3", "text"),
]
PLAIN = re.compile(r"^[0-9A-Za-z./_-]*$")


def convert(values, kind):
    if kind == "text":
        return values[0] if values else None
    if kind == "number":
        return int(values[0], 0) if values else None
    return tuple(int(v, 0) for v in values) if kind == "numbers" else tuple(values)


def tshark_hellos(sharks, path):
    hellos = set()
    with sharks.read(path) as capture:
        for number in capture.frames("tls.handshake.type == 1 || dtls.handshake.type == 1"):
            tree, _ = capture.tree(number)
            for layer in ("tls.handshake", "dtls.handshake"):
                names = ["%s.%s" % (layer, field) for _, field, _ in FIELDS]
                for part in shark.parts(tree, layer + ".type"):
                    values = shark.fields([part], {layer + ".type", layer + ".random", *names})
                    if values[layer + ".type"] == ["1"] and values[layer + ".random"]:  # else a fragment, or SSLv2
                        hellos.add(tuple(convert(values[n], kind) for n, (_, _, kind) in zip(names, FIELDS)))
    return hellos


def our_hellos(text):
    hellos = set()
    for line in text.splitlines():
        r = json.loads(line)
        if r.get("record") != "hello" or not r.get("complete") or r.get("tls_version") == "SSL 2.0" or "ja3" not in r:
            continue
        value = []
        for name, _, kind in FIELDS:
            v = r.get(name)
            value.append(tuple(v or ()) if kind in ("numbers", "texts") else v)
        hellos.add(tuple(value))
    return hellos


def comparable(hello):
    """A hello without what the two write in different ways."""
    h = dict(zip((f[0] for f in FIELDS), hello))
    # Names that are not plain ASCII are escaped by one and replaced by the other.
    h["sni"] = h["sni"] or ""
    if not PLAIN.match(h["sni"]):
        h["sni"] = "(not plain)"
    if not all(PLAIN.match(a) for a in h["alpn"]):
        h["alpn"] = ("(not plain)",)
    # tshark has one field for signature_algorithms, signature_algorithms_cert and delegated_credentials.
    if {0x22, 0x32} & set(h["extensions"]):
        h["sig_algs"] = ("(not told apart)",)
    return tuple(h.values())


def describe(hello, others):
    """What of a hello differs from the nearest one of the other side."""
    near = max(others, default=None, key=lambda o: sum(a == b for a, b in zip(o, hello)))
    if near is None:
        return "sni %s" % (hello[0] or "-")
    return "; ".join("%s %r against %r" % (f[0], a, b) for f, a, b in zip(FIELDS, hello, near) if a != b)


def known_differences():
    known = {}
    with open(os.path.join(HERE, "truth-known.tsv"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                name, reason = line.rstrip("\n").split("\t", 1)
                known[name] = reason
    return known


def records_of(a, path, name):
    if a.jsonl:
        with open(a.jsonl, encoding="utf-8") as f:
            return f.read()
    if a.expect:
        with open(os.path.join(a.expect, name + ".jsonl"), encoding="utf-8") as f:
            return f.read()
    return subprocess.run(
        [a.program, "-r", path, "-o", "json", "--records", "hello"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = p.add_mutually_exclusive_group(required=True)
    source.add_argument("--program")
    source.add_argument("--expect")
    source.add_argument("--jsonl")
    p.add_argument("-v", action="store_true", help="name the captures that agree, too")
    p.add_argument("captures", nargs="*")
    a = p.parse_args()
    if not shark.here():
        print("SKIP: no sharkd here")
        return SKIP
    captures = a.captures or sorted(os.path.join(PCAPS, f) for f in os.listdir(PCAPS) if shark.SUFFIX.search(f))
    if not captures or (a.jsonl and len(captures) != 1):
        p.error("--jsonl goes with one capture" if a.jsonl else "no captures in " + PCAPS)
    known, same, explained, bad, total = known_differences(), 0, 0, 0, 0

    def read(path):
        name = shark.name_of(path)
        theirs = {comparable(h) for h in tshark_hellos(sharks, path)}
        return name, theirs, {comparable(h) for h in our_hellos(records_of(a, path, name))}

    # The work is sharkd's.
    with shark.Sharks() as sharks, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(read, captures))
    for name, theirs, ours in results:
        total += len(ours & theirs)
        if ours == theirs:
            same += 1
            if name in known:
                print("%s: agrees now; take it out of truth-known.tsv" % name)
                bad += 1
            elif a.v:
                print("%s: %d the same" % (name, len(ours)))
            continue
        if name in known:
            explained += 1
            if a.v:
                print("%s: known: %s" % (name, known[name]))
            continue
        bad += 1
        for h in sorted(theirs - ours, key=repr):
            print("%s: only tshark: %s" % (name, describe(h, ours - theirs)))
        for h in sorted(ours - theirs, key=repr):
            print("%s: only hellotap: %s" % (name, describe(h, theirs - ours)))
    print(
        "%d captures: %d agree (%d hellos), %d known differences, %d unexplained"
        % (len(captures), same, total, explained, bad)
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
