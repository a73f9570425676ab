#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compares the hellos that hellotap tells with those that tshark reads in the same captures.

    truth.py --program PROGRAM [CAPTURE...]    run the program on the captures (all of pcaps/ without names)
    truth.py --expect DIR [CAPTURE...]         take the goldens in DIR instead (tests/pcap/expect)
    truth.py --jsonl FILE CAPTURE              take the records in FILE

Compared are sni, alpn, legacy_version, versions, ciphers, extensions, groups, key_share_groups, sig_algs,
point_formats and ja3 of complete hellos, as sets a capture: which frame completed a hello and how often it was
sent again is for the goldens. Differences that are known stand in truth-known.tsv with their reason.

Exit status: 0 nothing unexplained, 1 differences, 77 no tshark here.
"""

import argparse
import concurrent.futures
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PCAPS = os.path.join(HERE, "..", "..", "pcaps")
SKIP = 77
SUFFIX = re.compile(r"\.pcap(ng)?(\.gz|\.zst)?$")

# What tshark has to be told to read a capture.
TSHARK_ARGS = [
    ("encap-vxlan-8472", ["-d", "udp.port==8472,vxlan"]),
    ("encap-mpls-ethernet", ["-d", "mpls.label==1007,pwethnocw"]),
    ("encap-mpls-ethernet-mac-02", ["-d", "mpls.label==1007,pwethnocw"]),
    ("encap-l2tpv3-ip", ["-d", "l2tp.pw_type==0,eth", "-o", "l2tp.cookie_size:None", "-o", "l2tp.l2_specific:None"]),
    (
        "encap-l2tpv3-ip-cookie",
        [
            "-d",
            "l2tp.pw_type==0,eth",
            "-o",
            "l2tp.cookie_size:8 Byte Cookie",
            "-o",
            "l2tp.l2_specific:Default L2-Specific",
        ],
    ),
    (
        "encap-l2tpv3-udp",
        ["-d", "l2tp.pw_type==0,eth", "-o", "l2tp.cookie_size:4 Byte Cookie", "-o", "l2tp.l2_specific:None"],
    ),
    ("*irc", ["-d", "tcp.port==6667,tls"]),
    ("via-http-upgrade", ["-d", "tcp.port==631,tls"]),
    ("via-rdp", ["-d", "tcp.port==3389,tls"]),
    ("via-tds8", ["-d", "tcp.port==1433,tls"]),
    ("via-postgresql-direct", ["-d", "tcp.port==5432,tls"]),
    (
        "ports",
        [
            "-d",
            "tcp.port==5432,tls",
            "-d",
            "tcp.port==31337,tls",
            "-d",
            "tcp.port==6443,tls",
            "-d",
            "tcp.port==8883,tls",
            "-d",
            "tcp.port==5061,tls",
            "-d",
            "tcp.port==3269,tls",
        ],
    ),
]

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
SEPARATOR = "\x1f"
PLAIN = re.compile(r"^[0-9A-Za-z./_-]*$")


def convert(text, kind):
    values = text.split(SEPARATOR) if text else []
    if kind == "text":
        return values[0] if values else None
    if kind == "number":
        return int(values[0], 0) if values else None
    return tuple(int(v, 0) for v in values) if kind == "numbers" else tuple(values)


def tshark_hellos(path, name):
    args = ["tshark", "-n", "-r", path, "-o", "tcp.reassemble_out_of_order:TRUE"]
    for pattern, more in TSHARK_ARGS:
        if fnmatch.fnmatchcase(name, pattern):
            args += more
    args += [
        "-Y",
        "tls.handshake.type == 1 || dtls.handshake.type == 1",
        "-T",
        "fields",
        "-E",
        "occurrence=a",
        "-E",
        "aggregator=" + SEPARATOR,
        "-E",
        "separator=/t",
        "-e",
        "tls.handshake.random",
        "-e",
        "dtls.handshake.random",
    ]
    for layer in ("tls", "dtls"):
        for _, field, _ in FIELDS:
            args += ["-e", "%s.handshake.%s" % (layer, field)]
    out = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace").stdout
    hellos = set()
    for line in out.splitlines():
        cells = line.split("\t")
        if len(cells) != 2 + 2 * len(FIELDS):
            continue  # a tab inside of a name
        randoms = (cells[0] or cells[1]).split(SEPARATOR)
        if randoms == [""]:
            continue  # a fragment, or SSLv2
        if len(randoms) > 1:
            hellos.add(("several hellos in a frame",))
            continue
        part = cells[2 : 2 + len(FIELDS)] if cells[0] else cells[2 + len(FIELDS) :]
        hellos.add(tuple(convert(t, kind) for t, (_, _, kind) in zip(part, FIELDS)))
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
    if len(hello) != len(FIELDS):
        return hello
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
    if len(hello) != len(FIELDS):
        return hello[0]
    near = max(
        (o for o in others if len(o) == len(FIELDS)), default=None, key=lambda o: sum(a == b for a, b in zip(o, hello))
    )
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
    if shutil.which("tshark") is None:
        print("SKIP: no tshark here")
        return SKIP
    captures = a.captures or sorted(os.path.join(PCAPS, f) for f in os.listdir(PCAPS) if SUFFIX.search(f))
    if not captures or (a.jsonl and len(captures) != 1):
        p.error("--jsonl goes with one capture" if a.jsonl else "no captures in " + PCAPS)
    known, same, explained, bad, total = known_differences(), 0, 0, 0, 0
    names = [SUFFIX.sub("", os.path.basename(c)) for c in captures]

    def read(path, name):
        theirs = {comparable(h) for h in tshark_hellos(path, name)}
        return name, theirs, {comparable(h) for h in our_hellos(records_of(a, path, name))}

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:  # the work is tshark's
        results = list(pool.map(read, captures, names))
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
