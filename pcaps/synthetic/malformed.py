# SPDX-License-Identifier: BSD-3-Clause
"""Hellos that contradict themselves. None may crash; what can be told of them is told."""

import struct

from . import theme, w

case = theme("Malformed hellos")

SID = w.noise("sid", 32)


def file(body, **kw):
    """A hello with this body, the session closed after it."""
    return w.Tcp(**kw).open().say(w.records(w.handshake(1, body))).answer(w.alert(2, 50)).close()


def body_with(raw_exts):
    """A hello body whose extensions block is given as raw bytes."""
    return w.hello_body(session_id=SID, ciphers=w.CIPHERS_12) + raw_exts


@case("bad-extension-overruns.pcap", "The last extension says it is longer than the block.")
def _():
    return file(body_with(w.v16(struct.pack("!HH", 0x000A, 200) + b"\0\2\0\x1d")))


@case("bad-extensions-overrun-message.pcap", "The extensions block says it is longer than the message.")
def _():
    return file(body_with(struct.pack("!H", 300) + struct.pack("!HH", 0x0017, 0)))


@case("bad-extensions-underrun.pcap", "Bytes follow the extensions block.")
def _():
    return file(body_with(w.v16(struct.pack("!HH", 0x0017, 0)) + b"\xde\xad\xbe\xef"))


@case("bad-extensions-3-bytes.pcap", "The extensions block has three bytes: no room for a header.")
def _():
    return file(body_with(w.v16(b"\0\x17\0")))


@case("bad-extensions-1-byte-length.pcap", "One byte where the length of the extensions should be.")
def _():
    return file(body_with(b"\0"))


@case("bad-ciphers-odd.pcap", "Cipher list of 7 bytes.")
def _():
    b = struct.pack("!H", 0x0303) + w.noise("random", 32) + w.v8(SID) + w.v16(bytes(7)) + b"\1\0"
    return file(b)


@case("bad-ciphers-overrun.pcap", "Cipher list longer than the message.")
def _():
    b = struct.pack("!H", 0x0303) + w.noise("random", 32) + w.v8(SID) + struct.pack("!H", 0xFFFE) + bytes(8)
    return file(b)


@case("bad-ciphers-empty.pcap", "Cipher list of no bytes (RFC 8446 4.1.2 wants two at least).")
def _():
    return file(w.hello_body(session_id=SID, ciphers=[], exts=w.exts13("none.example.com")))


@case("bad-session-id-33.pcap", "Session id of 33 bytes; 32 is the most (RFC 8446 4.1.2).")
def _():
    return file(w.hello_body(session_id=w.noise("sid", 33), ciphers=w.CIPHERS_12, exts=[w.sni("sid.example.com")]))


@case("bad-compression-empty.pcap", "No compression method.")
def _():
    return file(w.hello_body(session_id=SID, ciphers=w.CIPHERS_12, compression=b"", exts=[w.sni("c.example.com")]))


@case("bad-short-body.pcap", "A hello of 20 bytes: it ends inside the random.")
def _():
    return file(w.hello_body()[:20])


@case("bad-empty-body.pcap", "A hello of no bytes.")
def _():
    return file(b"")


@case("bad-sni-length.pcap", "The name in server_name is longer than its list.")
def _():
    return file(
        w.hello_body(session_id=SID, ciphers=w.CIPHERS_12, exts=[(0, b"\0\x0e\0\0\x40short.example"), w.groups()])
    )


@case("bad-sni-type.pcap", "server_name with an unknown name type before the host name.")
def _():
    return file(
        w.hello_body(
            session_id=SID,
            ciphers=w.CIPHERS_12,
            exts=[(0, w.v16(b"\x07" + w.v16(b"abc") + b"\0" + w.v16(b"second.example.com")))],
        )
    )


@case("bad-sni-two-names.pcap", "Two host names in one server_name (RFC 6066 3 forbids it).")
def _():
    return file(
        w.hello_body(
            session_id=SID,
            ciphers=w.CIPHERS_12,
            exts=[(0, w.v16(b"\0" + w.v16(b"first.example.com") + b"\0" + w.v16(b"second.example.com")))],
        )
    )


@case("bad-lists-odd.pcap", "Groups, signature algorithms and versions with an odd number of bytes.")
def _():
    return file(
        w.hello_body(
            session_id=SID,
            ciphers=w.CIPHERS_12,
            exts=[w.sni("odd.example.com"), (0x0A, b"\0\3\0\x1d\0"), (0x0D, b"\0\3\4\3\4"), (0x2B, b"\3\3\4\3")],
        )
    )


@case("bad-alpn.pcap", "An empty protocol name, then a name longer than its list.")
def _():
    return file(
        w.hello_body(
            session_id=SID,
            ciphers=w.CIPHERS_12,
            exts=[w.sni("alpn.example.com"), (0x10, w.v16(b"\0" + w.v8(b"h2") + b"\x20ab"))],
        )
    )


@case("bad-key-share.pcap", "A key share longer than its list.")
def _():
    return file(
        w.hello_body(
            session_id=SID,
            ciphers=w.CIPHERS_13,
            exts=[
                w.sni("share.example.com"),
                w.versions(w.TLS13),
                (0x33, w.v16(struct.pack("!HH", 0x1D, 64) + bytes(32))),
            ],
        )
    )


@case("duplicate-extensions.pcap", "server_name, ALPN and groups twice (RFC 8446 4.2 forbids it), with other contents.")
def _():
    return file(
        w.hello_body(
            session_id=SID,
            ciphers=w.CIPHERS_12,
            exts=[
                w.sni("first.example.com"),
                w.alpn("h2"),
                w.groups([0x1D]),
                w.point_formats(),
                w.sni("second.example.com"),
                w.alpn("http/1.1"),
                w.groups([0x17]),
                w.point_formats(b"\1"),
            ],
        )
    )


@case("many-extensions.pcap", "A thousand unknown extensions, each empty.")
def _():
    return file(
        w.hello_body(
            session_id=SID,
            ciphers=w.CIPHERS_12,
            exts=[w.sni("many.example.com")] + [(0x3000 + i, b"") for i in range(1000)],
        )
    )


@case("many-extensions-before-name.pcap", "As many, and the server name behind them, where servers find it.")
def _():
    return file(
        w.hello_body(
            session_id=SID,
            ciphers=w.CIPHERS_12,
            exts=[(0x3000 + i, b"") for i in range(1000)] + [w.sni("behind.example.com")],
        )
    )


@case("many-ciphers.pcap", "Two thousand cipher suites.")
def _():
    return file(w.hello_body(session_id=SID, ciphers=range(0x2000, 0x2000 + 2000), exts=[w.sni("ciphers.example.com")]))


@case("empty-record-first.pcap", "An empty handshake record before the hello (RFC 8446 5.1 forbids it).")
def _():
    return w.Tcp().open().say(w.record(b"") + w.records(w.hello13("empty.example.com")))


@case("empty-records-100.pcap", "A hundred empty handshake records between two halves of a hello.")
def _():
    a, b = w.pieces(w.hello13("empties.example.com"), [100])
    return w.Tcp().open().say(w.record(a[1]) + w.record(b"") * 100 + w.record(b[1]))


@case("record-too-long.pcap", "A record of 18500 bytes: more than 2^14 + 2048 (RFC 5246 6.2.3).")
def _():
    s = w.record(w.hello13("long.example.com", more=[w.padding(18_000)]))
    return w.Tcp().open().say(s, range(1400, len(s), 1400)).close()


@case("record-changes-type.pcap", "An alert record stands between two halves of a hello.")
def _():
    h = w.hello13("broken.example.com")
    return w.Tcp().open().say(w.record(h[:100]) + w.alert(1, 0) + w.record(h[100:])).close()


@case("alert-before-hello.pcap", "A warning alert record before the hello.")
def _():
    return w.Tcp().open().say(w.alert(1, 0, 0x0301) + w.records(w.hello13("after.example.com")))


@case("record-version-odd.pcap", "Record version 0x0305, then 0x0a0a: RFC 8446 5.1 says to ignore it.")
def _():
    a = w.Tcp().open().say(w.records(w.hello13("v0305.example.com"), version=0x0305))
    b = w.Tcp(sport=49153, t=a.t).open().say(w.records(w.hello13("v0a0a.example.com"), version=0x0A0A))
    return a.frames() + b.frames()


@case("legacy-version-odd.pcap", "legacy_version 0x0304, 0x0399, 0x0500 and 0x0000 without supported_versions.")
def _():
    out = []
    for i, v in enumerate((0x0304, 0x0399, 0x0500, 0)):
        h = w.hello12("v%04x.example.com" % v, version=v)
        out += w.Tcp(sport=49152 + i, t=w.T0 + i * 100 * w.MS).open().say(w.records(h)).frames()
    return out


@case(
    "bad-ssl2-lengths.pcap", "SSLv2-format hellos: specs not a multiple of 3, lengths beyond the record, no challenge."
)
def _():
    out = []
    good = w.ssl2_hello(0x0301, (0x000035, 0x00002F), challenge_len=16)
    for i, (at, value) in enumerate(((5, 5), (5, 600), (9, 0))):
        s = good[:at] + struct.pack("!H", value) + good[at + 2 :]
        out += w.Tcp(sport=49152 + i, t=w.T0 + i * 100 * w.MS).open().say(s).close().frames()
    return out
