# SPDX-License-Identifier: BSD-3-Clause
"""TLS records and the contents of hellos."""

from . import theme, w

case = theme("TLS: records and contents")

HELLO = w.hello13("www.example.com")


def one(message, **kw):
    return w.Tcp(**kw).open().say(message if message[0] in (22, 0x80) else w.records(message))


@case("hello-over-two-records.pcap", "The handshake message over two records, both in one segment.")
def _():
    return one(w.records(HELLO, [150]))


@case("hello-over-two-records-and-segments.pcap", "Two records, and a segment border inside the second record header.")
def _():
    return w.Tcp().open().say(w.records(HELLO, [150]), [5 + 150 + 2])


@case("records-1-byte.pcap", "Every record carries one byte of the message.")
def _():
    return one(w.records(HELLO, range(1, len(HELLO))))


@case("handshake-header-split.pcap", "The first record ends after two bytes of the handshake header.")
def _():
    return one(w.records(HELLO, [2]))


@case("record-header-split.pcap", "The first segment ends inside the record header.")
def _():
    return w.Tcp().open().say(w.records(HELLO), [3])


@case("hello-and-early-data.pcap", "PSK and early_data, with ChangeCipherSpec and 0-RTT records in the same segment.")
def _():
    h = w.hello13("early.example.com", last=[w.early_data(), w.psk()])
    return one(w.records(h) + w.CCS + w.app_data(120, "0rtt"))


@case("two-messages-in-record.pcap", "Another handshake message follows the hello in the same record.")
def _():
    return one(w.record(HELLO + w.handshake(20, w.noise("finished", 12))))


@case(
    "second-hello-after-hrr.pcap",
    "HelloRetryRequest asks for P-256; the second hello follows a ChangeCipherSpec (RFC 8446 D.4).",
)
def _():
    sid = w.noise("sid", 32)
    c = w.Tcp().open().say(w.records(w.hello13("retry.example.com")))
    c.answer(w.record(w.hello_retry_request(0x0017, sid), version=0x0303) + w.CCS)
    second = w.hello13("retry.example.com", share=(0x0017,))
    c.say(w.CCS + w.records(second, version=0x0303))
    return c.answer(w.record(w.server_hello13(0x0017, sid), version=0x0303))


@case("second-hello-one-sided.pcap", "The same, with the client's packets alone.")
def _():
    c = w.Tcp().syn().c(0, b"", w.ACK).say(w.records(w.hello13("retry.example.com")))
    second = w.hello13("retry.example.com", share=(0x0017,))
    return c.say(w.CCS + w.records(second, version=0x0303), [100])


@case("renegotiation-in-clear.pcap", "HelloRequest before any cipher: a second hello in clear (RFC 5246 7.4.1.1).")
def _():
    c = w.Tcp().open().say(w.records(w.hello12("reneg.example.com")))
    c.answer(w.record(w.handshake(0, b""), version=0x0303))
    return c.say(w.records(w.hello12("reneg.example.com", random=w.noise("r2", 32)), version=0x0303))


@case("tls12-hello.pcap", "TLS 1.2 without supported_versions.")
def _():
    return one(w.hello12())


@case("tls10-hello.pcap", "TLS 1.0 with few extensions.")
def _():
    return one(
        w.client_hello(
            version=0x0301,
            ciphers=[0x0035, 0x002F, 0x000A, 0x00FF],
            exts=[w.sni("old.example.com"), w.groups([0x0017, 0x0018]), w.point_formats(b"\0\1\2")],
        )
    )


@case("tls11-hello.pcap", "TLS 1.1.")
def _():
    return one(
        w.client_hello(version=0x0302, ciphers=[0x0035, 0x002F], exts=[w.sni("older.example.com"), w.session_ticket()])
    )


@case("ssl3.pcap", "SSL 3.0: no extensions block at all (RFC 6101).")
def _():
    return one(w.records(w.client_hello(version=0x0300, ciphers=[0x0004, 0x0005, 0x000A]), version=0x0300))


@case("no-extensions-block.pcap", "TLS 1.2 hello that ends after the compression methods (RFC 5246 7.4.1.2).")
def _():
    return one(w.client_hello(ciphers=[0x002F, 0x0035]))


@case("empty-extensions-block.pcap", "TLS 1.2 hello whose extensions block is there and empty.")
def _():
    return one(w.client_hello(ciphers=[0x002F, 0x0035], exts=[]))


@case("ssl2-hello.pcap", "SSL 2.0 CLIENT-HELLO.")
def _():
    return one(w.ssl2_hello())


@case("ssl2-hello-tls10.pcap", "SSLv2-format hello that offers TLS 1.0 (RFC 5246 E.2).")
def _():
    return one(w.ssl2_hello(0x0301, (0x000035, 0x00002F, 0x010080, 0x0000FF), challenge_len=32))


@case("ssl2-hello-in-segments.pcap", "The same in three segments, the last one first.")
def _():
    s = w.ssl2_hello(0x0301, (0x000035, 0x00002F, 0x010080, 0x0000FF), challenge_len=32)
    c = w.Tcp().open()
    for off, part in reversed(w.pieces(s, [1, 20])):
        c.c(off, part)
    return c


@case("pq-hello.pcap", "X25519MLKEM768 key share, GREASE and ECH: 1.8 kB in two segments.")
def _():
    return w.Tcp().open().say(w.records(w.hello_browser()), [1440])


@case("pq-hello-first-segment-late.pcap", "The same with the second segment first.")
def _():
    a, b = w.pieces(w.records(w.hello_browser()), [1440])
    return w.Tcp().open().c(*b).c(*a)


@case("pq-shares.pcap", "A hello each for MLKEM512, MLKEM768, MLKEM1024, SecP256r1MLKEM768, SecP384r1MLKEM1024, Kyber.")
def _():
    out = []
    for i, g in enumerate((0x0200, 0x0201, 0x0202, 0x11EB, 0x11ED, 0x6399)):
        h = w.hello_browser("pq%04x.example.com" % g, share=g, ech=False)
        out += w.Tcp(sport=49152 + i, t=w.T0 + i * 100 * w.MS).open().say(w.records(h), [1000]).frames()
    return out


@case("ech-outer.pcap", "encrypted_client_hello with a public name.")
def _():
    return one(w.hello13("public.example.com", more=[w.ech_outer(208)]))


@case("grease.pcap", "GREASE in ciphers, extensions, groups, key shares, versions, signature algorithms and ALPN.")
def _():
    exts = [
        w.grease(0),
        w.sni("grease.example.com"),
        w.groups([w.GREASE[3], 0x001D, 0x0017]),
        w.point_formats(),
        w.alpn(b"\x8a\x8a", "h2"),
        w.sig_algs([w.GREASE[5], *w.SIG_ALGS]),
        w.key_share(w.GREASE[3], 0x001D),
        w.psk_modes(b"\x01\x0b"),
        w.versions(w.GREASE[15], w.TLS13, w.TLS12),
        w.grease(7, b"\0"),
    ]
    return one(w.client_hello(session_id=w.noise("sid", 32), ciphers=[w.GREASE[10], *w.CIPHERS_13], exts=exts))


@case("no-sni.pcap", "No server_name.")
def _():
    return one(w.client_hello(ciphers=w.CIPHERS_12, exts=[w.groups(), w.point_formats(), w.sig_algs()]))


@case("no-ciphers-no-sigalgs.pcap", "Cipher list with a SCSV alone, no signature_algorithms.")
def _():
    return one(w.client_hello(ciphers=[0x00FF], exts=[w.sni("few.example.com"), w.groups()]))


@case(
    "sni-odd.pcap",
    "Names that are no host names: UTF-8, not UTF-8, quotes and backslash, control bytes, 255 bytes, an address.",
)
def _():
    out = []
    names = [
        "b\u00fccher.example.com".encode(),
        b"\xff\xfe.example.com",
        b'a"b\\c.example.com',
        b"tab\tnul\0.example.com",
        (b"x" * 63 + b".") * 3 + b"y" * 63,
        b"192.0.2.80",
    ]
    for i, n in enumerate(names):
        out += w.Tcp(sport=49152 + i, t=w.T0 + i * 100 * w.MS).open().say(w.records(w.hello12(n))).frames()
    return out


@case("sni-empty.pcap", "server_name with an empty body, with an empty list, with an empty name.")
def _():
    out = []
    for i, e in enumerate([(0, b""), (0, b"\0\0"), w.sni(b"")]):
        h = w.client_hello(ciphers=w.CIPHERS_12, exts=[e, w.groups(), w.sig_algs()])
        out += w.Tcp(sport=49152 + i, t=w.T0 + i * 100 * w.MS).open().say(w.records(h)).frames()
    return out


@case("alpn-odd.pcap", "ALPN first values for JA4: one letter, bytes above 127, blanks, GREASE, 255 bytes, long list.")
def _():
    out = []
    lists = [
        [b"x"],
        [b"\xab"],
        [b" a"],
        [b"0\xab"],
        [b"a "],
        [b"\x0a\x0a", b"h2"],
        [b"p" * 255],
        [b"proto%d" % i for i in range(40)],
    ]
    for i, names in enumerate(lists):
        h = w.hello13("alpn%d.example.com" % i, more=[])
        h = w.client_hello(
            session_id=w.noise("sid", 32),
            ciphers=w.CIPHERS_13,
            exts=w.exts13("alpn%d.example.com" % i, protocols=names),
        )
        out += w.Tcp(sport=49152 + i, t=w.T0 + i * 100 * w.MS).open().say(w.records(h)).frames()
    return out


@case("many-psk.pcap", "Four resumption tickets with binders.")
def _():
    return one(w.hello13("psk.example.com", last=[w.psk(208, 48, 4)]))


@case("hello-20k.pcap", "A hello of 20 kB: longer than a record may be, in 15 segments.")
def _():
    h = w.hello13("large.example.com", more=[w.padding(19_500)])
    s = w.records(h, [16384])
    return w.Tcp().open().say(s, range(1400, len(s), 1400))


@case("hello-just-under-64k.pcap", "60 kB of extensions, sent in segments of 6 kB, as segmentation offload shows them.")
def _():
    h = w.hello13("huge.example.com", more=[w.padding(60_000)])
    s = w.records(h, range(16384, len(h), 16384))
    return w.Tcp(step=100_000).open().say(s, range(6000, len(s), 6000))


@case("hello-size-claim-16m.pcap", "A handshake header that announces 16 MB, and a hello that never ends.")
def _():
    body = w.hello_body(session_id=w.noise("sid", 32), ciphers=w.CIPHERS_13, exts=w.exts13("claim.example.com"))
    return one(w.records(b"\x01\xff\xff\xff" + body + w.noise("more", 2000))).close()


@case("ports.pcap", "TLS from the first byte on 853, 8443, 465, 993, 3269, 5061, 8883, 6443, 5432 and 31337.")
def _():
    out = []
    for i, p in enumerate((853, 8443, 465, 993, 3269, 5061, 8883, 6443, 5432, 31337)):
        h = w.hello13("port%d.example.com" % p)
        out += w.Tcp(dport=p, sport=49152 + i, t=w.T0 + i * 100 * w.MS).open().say(w.records(h)).frames()
    return out
