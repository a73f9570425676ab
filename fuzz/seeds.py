#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seed corpora of fuzz_tls and fuzz_stream:  fuzz/seeds.py [tls] [stream]

The formats are those at the top of fuzz_tls.c and fuzz_stream.c. Nothing here is drawn at random,
so that a run changes only what was meant to change.
"""

import os
import struct
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "tests", "tools"))
import wire_tls as w  # noqa: E402

TLS, DTLS, SSL2, FIRST, SECOND, EARLY, DATAGRAMS = (bytes([n]) for n in (0, 2, 3, 4, 5, 6, 7))


def tls():
    quic = w.hello13("quic.example.com", more=[w.transport_parameters([(1, b"\x40\x64"), (0x3129, b"ua")])])
    odd = [(0x0000, b""), (0x0010, w.v16(w.v8(b"") + w.v8(b"\x0a\x0a") + w.v8(b"\x30\xab"))),
           w.groups([0x0A0A]), w.groups([0x001D]), (0x000B, w.v8(b"\0\1\2")), w.sig_algs([0x0A0A]),
           (0x0028, b"\xff"), (0xFFA5, b"\0\x20"), w.grease(3)]
    small = w.client_hello(ciphers=[0x1301], exts=[w.sni("a.example")])
    yield "hello-browser", TLS + w.hello_browser()[4:]
    yield "hello-quic", TLS + quic[4:]
    yield "hello-psk", TLS + w.hello13(last=[w.early_data(), w.cookie(b"cookie"), w.psk()])[4:]
    yield "hello-odd", TLS + w.client_hello(ciphers=[0x0A0A, 0x00FF], exts=odd)[4:]
    yield "hello-no-extensions", TLS + w.client_hello(version=0x0300, ciphers=[4, 5])[4:]
    yield "hello-dtls", DTLS + w.hello_dtls13()[4:]
    yield "hello-ssl2", SSL2 + w.ssl2_hello(session_id=bytes(16))[2:]
    yield "stream-records", FIRST + w.v8(b"\0\4\x20") + w.alert(1, 112) + w.records(small, [1, 5, 30]) + w.CCS
    yield "stream-empty-records", FIRST + w.v8(b"\2") + w.record(b"") + w.records(small, [20]) + w.record(b"")
    yield "stream-ssl2", FIRST + w.v8(b"\0") + w.ssl2_hello()
    yield "stream-server", FIRST + w.v8(b"\7") + w.record(w.server_hello13())
    yield "stream-second", SECOND + w.v8(b"\3") + w.CCS + w.records(small, [9])
    yield "stream-early-data", EARLY + w.v8(b"\x10") + w.CCS + w.app_data(40) + w.app_data(3) + w.record(small)

    hello = w.hello_dtls12()
    cookie = w.hello_dtls12(dtls_cookie=bytes(range(20)))

    def pieces(message, size, msg_seq, order=1):
        at = range(0, len(message) - 4, size)
        return [w.dtls_fragment(message, k, size, msg_seq) for k in at][::order]

    def script(*datagrams):
        return DATAGRAMS + b"".join(w.v16(d) for d in datagrams)

    yield "dtls-cookie", script(w.dtls_record(w.dtls_fragment(hello)),
                                w.dtls_record(w.dtls_fragment(cookie, msg_seq=1), 1))
    yield "dtls-reversed", script(*(w.dtls_record(p, k) for k, p in enumerate(pieces(hello, 60, 0, -1))))
    yield "dtls-in-one", script(b"".join(
        [w.dtls_record(b"".join(pieces(hello, 50, 0)[:2])), w.alert(),
         w.dtls_record(b"".join(pieces(hello, 40, 0)), 1)]), w.dtls_record(b"".join(pieces(cookie, 70, 1))))


def stream():
    def op(at, n, what=0):
        """n < 16 bytes; or with `what` 2 a multiple of 16. `at` against the first number."""
        where = at if what & 1 else at * 64
        return struct.pack("!BhB", what, where, n // 16 if what & 2 else n)

    def script(*ops, first=1000, anchored=1, full=0, cap=255):
        return struct.pack("!IBB", first, anchored | full << 1, cap) + b"".join(ops)

    yield "in-order", script(*(op(10 * k, 10) for k in range(12)))
    yield "reversed", script(*(op(10 * k, 10) for k in reversed(range(12))))
    yield "overlaps", script(op(5, 8), op(0, 15), op(20, 4), op(10, 15), op(0, 15), op(2, 3))
    yield "wrap", script(op(0, 32, 2), op(16, 64, 2), op(80, 15), first=0xFFFFFFE0)
    yield "rebase", script(op(0, 10), op(-10, 10), op(-30, 10), op(-20, 10), anchored=0)
    yield "rebase-far", script(op(0, 10), op(-20000, 10, 1), op(-20010, 64, 3), anchored=0)
    yield "anchored-late", script(op(20, 10), op(0, 10), op(-2, 0, 0xF0), op(-20, 10), op(-2, 8), anchored=0)
    yield "below-the-base", script(op(-10, 5), op(-10, 15), op(-5, 5))
    yield "holes", script(*(op(2 * k + 1, 1) for k in range(34)), op(0, 64, 2))
    yield "cap", script(op(0, 256, 2), op(250, 6), op(250, 7), op(256, 1), cap=0)
    yield "empty", script(op(0, 0), op(9, 0), op(-9, 0), op(-9, 1), anchored=0)
    yield "full", script(op(0, 12), full=1, anchored=0)


def main():
    for name in sys.argv[1:] or ["tls", "stream"]:
        folder = os.path.join(here, "corpus", name)
        os.makedirs(folder, exist_ok=True)
        for seed, data in {"tls": tls, "stream": stream}[name]():
            with open(os.path.join(folder, seed), "wb") as f:
                f.write(data)


if __name__ == "__main__":
    main()
