#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compares what libhellotap reads of ServerHellos with what tshark says of the same captures.

    truth_answers.py ANSWERS CAPTURE-OR-FOLDER...

ANSWERS is the program made of answers.c. Streams are put together here, from the segments as tshark tells them, so
that no part of the sensor is asked but the parser; of TLS that is in neither TCP nor QUIC (EAP, OpenVPN) it gets each
message as tshark has put it together.

Exit status: 0 all the same, 1 differences, 77 no sharkd (shark.py) here.
"""

import collections
import concurrent.futures
import os
import subprocess
import sys

import shark

PORTS = ["tcp.stream", "udp.stream", "tcp.srcport", "udp.srcport", "quic.version"]
SEGMENT = ["tcp.srcport", "tcp.seq", "tcp.payload", "udp.srcport", "udp.payload"]
FIELDS = [
    "version",
    "extensions.supported_version",
    "ciphersuite",
    "extensions_key_share_group",
    "extensions_key_share_selected_group",
    "extensions_alpn_str",
    "extension.type",
    "ja3s",
]
NAMES = ["legacy_version", "version", "cipher", "group", "alpn", "extensions", "ja3s"]


def number(text):
    return "%04x" % int(text, 0) if text else ""


def last(values):
    """Of the innermost header."""
    return values[-1] if values else ""


def what_is_said(part, layer):
    """What tshark says of the ServerHello in a part of a frame, or None if it is another message."""
    values = shark.fields([part], {"%s.%s" % (layer, name) for name in ["type", "random", *FIELDS]})
    if values[layer + ".type"] != ["2"] or not values[layer + ".random"]:
        return None
    texts = [",".join(values["%s.%s" % (layer, name)]) for name in FIELDS]
    version, supported, cipher, group, selected, alpn, types, ja3s = texts
    return [number(version), number(supported or version), number(cipher), number(group or selected), alpn, types, ja3s]


def hellos_of(capture):
    """By connection, what tshark says of each ServerHello, and the message."""
    found = collections.OrderedDict()
    for frame in capture.frames("tls.handshake.type == 2 || dtls.handshake.type == 2"):
        tree, sources = capture.tree(frame)
        ports = shark.fields(tree, set(PORTS))
        quic = bool(ports["quic.version"])
        over = "tcp" if ports["tcp.stream"] and not quic else "udp"
        stream, server = last(ports[over + ".stream"]), last(ports[over + ".srcport"])
        for kind in ("tls", "dtls"):
            for part in shark.parts(tree, kind + ".handshake.type"):
                says = what_is_said(part, kind + ".handshake")
                if says is None:
                    continue
                at, size = part["h"]
                message = sources[part.get("ds", 0)][at : at + size]
                if len(message) >= 4 + int.from_bytes(message[1:4], "big"):  # else cut by the snap length
                    key = ("quic" if quic else kind, over, stream, server)
                    found.setdefault(key, []).append((says, message))
    return found


def segments(capture, over, stream):
    """(from port, number in sequence, payload) of each segment or datagram"""
    for frame in capture.frames("%s.stream == %s" % (over, stream)):
        values = shark.fields(capture.tree(frame)[0], set(SEGMENT))
        payload = last(values[over + ".payload"]).replace(":", "")
        if payload:
            yield last(values[over + ".srcport"]), int(last(values["tcp.seq"]) or 0), payload


def tcp_stream(capture, stream, server):
    at, text = None, bytearray()
    found = (s for s in segments(capture, "tcp", stream) if s[0] == server)
    for _, seq, payload in sorted(found, key=lambda s: s[1]):
        data = bytes.fromhex(payload)
        at = seq if at is None else at
        if seq > at:
            break
        text += data[at - seq :]
        at = max(at, seq + len(data))
    return text[:500000]


def input_for(capture, kind, over, stream, server, messages):
    if kind == "tls" and over == "tcp":
        yield "tls %s\n" % tcp_stream(capture, stream, server).hex()
    elif kind == "tls":
        for m in messages:
            yield "tls 160303%04x%s\n" % (len(m), m.hex())
    else:
        for port, _, payload in segments(capture, "udp", stream):
            if kind == "quic" or port == server:
                yield "%s %s\n" % ("dtls" if kind == "dtls" else "<" if port == server else ">", payload)
    yield ".\n"


def parsed(line):
    head, middle, ja3s = line.rsplit(";", 2)
    _, legacy, version, cipher, group = head.split(" ")
    alpn, types = middle[1:].rsplit(" ", 1)
    return [legacy, version, cipher, group, alpn, types, ja3s[1:]]


def read(sharks, program, path):
    """[(kind, stream, what tshark says, what libhellotap reads)]"""
    with sharks.read(path) as capture:
        hellos = hellos_of(capture)
        lines = [line for key, said in hellos.items() for line in input_for(capture, *key, [m for _, m in said])]
    if not hellos:
        return []
    run = subprocess.run(
        [program], input="".join(lines), stdout=subprocess.PIPE, text=True, errors="replace", check=True
    )
    ours = [[]]
    for line in run.stdout.splitlines():
        if line == ".":
            ours.append([])
        else:
            ours[-1].append(parsed(line))
    return [(kind, stream, [s for s, _ in said], o) for ((kind, _, stream, _), said), o in zip(hellos.items(), ours)]


def compare(says, ours):
    """How many fields, and what is wrong."""
    best = max(ours, key=lambda o: sum(a == b for a, b in zip(o, says)), default=None)
    if best is None:
        return 0, ["no ServerHello found"]
    wrong = ["%s: %s, tshark %s" % (name, a, b) for name, a, b in zip(NAMES, best, says) if a != b]
    return len(NAMES), wrong


def files(names):
    found = []
    for a in names:
        if os.path.isdir(a):
            found += [os.path.join(d, f) for d, _, files in os.walk(a) for f in files if ".pcap" in f or ".cap" in f]
        else:
            found.append(a)
    return sorted(found)


def main():
    program, captures = sys.argv[1], files(sys.argv[2:])
    if not shark.here():
        print("SKIP: no sharkd here")
        return 77
    hellos = fields = bad = 0
    # The work is sharkd's.
    with shark.Sharks() as sharks, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda c: read(sharks, program, c), captures))
    for path, connections in zip(captures, results):
        for kind, stream, said, ours in connections:
            for says in said:
                num, wrong = compare(says, ours)
                hellos += 1
                fields += num
                bad += len(wrong)
                for w in wrong:
                    print("%s %s %s: %s" % (os.path.basename(path), kind, stream, w))
    print("%d ServerHellos, %d fields compared, %d differ" % (hellos, fields, bad))
    return 1 if bad or not hellos else 0


if __name__ == "__main__":
    sys.exit(main())
