#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compares what libhellotap reads of ServerHellos with what tshark says of the same captures.

    truth_answers.py ANSWERS CAPTURE-OR-FOLDER...

ANSWERS is the program made of answers.c. Streams are put together here, from the segments as tshark tells them, so
that no part of the sensor is asked but the parser. Exit status 1 when a field differs.
"""

import collections
import os
import subprocess
import sys

PORTS = ["tcp.stream", "udp.stream", "tcp.srcport", "udp.srcport"]
FIELDS = ["handshake.version", "handshake.extensions.supported_version", "handshake.ciphersuite",
          "handshake.extensions_key_share_group", "handshake.extensions_key_share_selected_group",
          "handshake.extensions_alpn_str", "handshake.extension.type", "handshake.ja3s"]
NAMES = ["legacy_version", "version", "cipher", "group", "alpn", "extensions", "ja3s"]


def tshark(capture, condition, fields):
    run = subprocess.run(
        ["tshark", "-n", "-r", capture, "-o", "tcp.reassemble_out_of_order:TRUE", "-Y", condition, "-T", "fields",
         "-E", "separator=|"] + [x for f in fields for x in ("-e", f)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace")
    return [line.split("|") for line in run.stdout.splitlines()]


def last(text):
    return text.split(",")[-1]


def number(text):
    return "%04x" % int(text, 0) if text else ""


def hellos_of(capture):
    """By connection, what tshark says of each ServerHello in a frame of its own."""
    found = collections.OrderedDict()
    for kind in ("tls", "dtls"):
        fields = PORTS + ["quic.version"] + ["%s.%s" % (kind, f) for f in FIELDS]
        for row in tshark(capture, kind + ".handshake.type == 2", fields):
            stream, ports, quic, values = row[0:2], row[2:4], row[4], row[5:]
            if len(values) != len(FIELDS) or "," in values[0]:
                continue # several in one frame: which field belongs to which is not told
            over = "tcp" if stream[0] and not quic else "udp"
            n = 0 if over == "tcp" else 1
            version, supported, cipher, group, selected, alpn, types, ja3s = values
            says = [number(version), number(supported or version), number(cipher), number(group or selected), alpn,
                    types, ja3s]
            kind_of = "quic" if quic else kind
            found.setdefault((kind_of, over, last(stream[n]), last(ports[n])), []).append(says)
    return found


def input_for(capture, kind, over, stream, server):
    rows = tshark(capture, "%s.stream == %s" % (over, stream),
                  [over + ".srcport", "tcp.seq" if over == "tcp" else "frame.number", over + ".payload"])
    if over == "udp":
        for port, _, payload in rows:
            from_server = last(port) == server
            if payload and (kind == "quic" or from_server):
                word = "dtls" if kind == "dtls" else "<" if from_server else ">"
                yield "%s %s\n" % (word, last(payload).replace(":", ""))
    else:
        at, text = None, bytearray()
        for port, seq, payload in sorted((r for r in rows if last(r[0]) == server and r[2]),
                                         key=lambda r: int(last(r[1]))):
            seq, data = int(last(seq)), bytes.fromhex(last(payload).replace(":", ""))
            at = seq if at is None else at
            if seq > at:
                break
            text += data[at - seq :]
            at = max(at, seq + len(data))
        yield "tls %s\n" % text[:500000].hex()
    yield ".\n"


def main():
    program, captures = sys.argv[1], []
    for a in sys.argv[2:]:
        if os.path.isdir(a):
            captures += sorted(os.path.join(d, f) for d, _, names in os.walk(a) for f in names if ".pcap" in f or ".cap" in f)
        else:
            captures.append(a)
    hellos = fields = differ = missing = 0
    for capture in captures:
        for (kind, over, stream, server), says in hellos_of(capture).items():
            lines = "".join(input_for(capture, kind, over, stream, server))
            run = subprocess.run([program], input=lines, stdout=subprocess.PIPE, text=True, errors="replace", check=True)
            ours = []
            for line in run.stdout.splitlines():
                if line == ".":
                    continue
                head, middle, ja3s = line.rsplit(";", 2)
                _, legacy, version, cipher, group = head.split(" ")
                alpn, types = middle[1:].rsplit(" ", 1)
                ours.append([legacy, version, cipher, group, alpn, types, ja3s[1:]])
            for theirs in says:
                hellos += 1
                best = max(ours, key=lambda o: sum(a == b for a, b in zip(o, theirs)), default=None)
                if best is None:
                    missing += 1
                    print("%s %s %s: no ServerHello found" % (os.path.basename(capture), kind, stream))
                    continue
                for name, a, b in zip(NAMES, best, theirs):
                    fields += 1
                    if a != b:
                        differ += 1
                        print("%s %s %s %s: %s, tshark %s" % (os.path.basename(capture), kind, stream, name, a, b))
    print("%d ServerHellos, %d fields compared, %d differ; %d not found" % (hellos, fields, differ, missing))
    sys.exit(1 if differ or missing or not hellos else 0)


main()
