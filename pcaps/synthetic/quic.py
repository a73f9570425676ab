# SPDX-License-Identifier: BSD-3-Clause
"""QUIC: Initials of every version, cut and ordered as real clients do it and as they do not."""

from . import theme, w

case = theme("QUIC")
q = w.quic

DCID, SCID, SSCID = w.noise("dcid", 8), w.noise("scid", 5), w.noise("sscid", 8)


def parameters(more=()):
    return w.transport_parameters(
        [
            (0x01, q.varint(30000)),
            (0x03, q.varint(1472)),
            (0x04, q.varint(1048576)),
            (0x05, q.varint(262144)),
            (0x08, q.varint(100)),
            (0x0F, SCID),
            *more,
        ]
    )


def hello(name="quic.example.com", share=(0x001D,), more=(), last=()):
    return w.client_hello(
        ciphers=w.CIPHERS_13,
        exts=[
            w.sni(name),
            w.alpn("h3"),
            w.groups([*share, 0x0017]),
            w.sig_algs(),
            w.key_share(*share),
            w.psk_modes(),
            w.versions(w.TLS13),
            *more,
            parameters(),
            *last,
        ],
    )


HELLO = hello()
PQ = hello("quicpq.example.com", (0x11EC, 0x001D), more=[w.ech_outer()])


def server_flight(c, version=q.V1, odcid=DCID, to=SCID, n=1, **kw):
    """The server's Initial with its ServerHello, and a Handshake packet behind it."""
    f = [q.ack(n - 1), q.crypto(w.server_hello13(), 0)]
    p = q.initial(f, to, SSCID, version=version, secret_dcid=odcid, server=True, pad_to=0)
    return c.s(p + q.opaque(q.HANDSHAKE, to, SSCID, version, 900), **kw)


def initial(frames, pn=0, **kw):
    return q.initial(frames, **{"dcid": DCID, "scid": SCID, "pn": pn} | kw)


def one(message=HELLO, **kw):
    return server_flight(w.Udp().c(initial([q.crypto(message, 0)], **kw)), kw.get("version", q.V1))


@case("quic-v1.pcap", "QUIC v1: the whole hello in one Initial.")
def _():
    return one()


@case("quic-v2.pcap", "QUIC v2 (RFC 9369): other salt, labels and packet types.")
def _():
    return one(version=q.V2)


@case("quic-draft29.pcap", "draft-29.")
def _():
    return one(version=q.DRAFT29)


@case("quic-draft27.pcap", "draft-27.")
def _():
    return w.Udp().c(initial([q.crypto(HELLO, 0)], version=0xFF00001B))


@case("quic-ipv6.pcap", "QUIC v1 over IPv6.")
def _():
    return w.Udp(w.C6, w.S6).c(initial([q.crypto(HELLO, 0)]))


@case("quic-one-sided-client.pcap", "Only the client's datagrams.")
def _():
    return w.Udp().c(initial([q.crypto(HELLO, 0)])).c(q.opaque(q.HANDSHAKE, SSCID, SCID))


@case("quic-server-only.pcap", "Only the server's datagrams: no hello to report.")
def _():
    return server_flight(w.Udp())


@case(
    "quic-chaos.pcap", "Chaos protection as in google/quiche: 11 CRYPTO frames shuffled, PING and PADDING between them."
)
def _():
    cuts = [1, 2, 40, 41, 80, 110, 111, 140, 170, 190]
    parts = [q.crypto(HELLO, a, len(b)) for a, b in w.pieces(HELLO, cuts)]
    order = [7, 0, 10, 3, 9, 1, 5, 2, 8, 6, 4]
    frames = []
    for i, n in enumerate(order):
        frames += [parts[n], q.PING if i % 3 == 0 else q.padding(7 * i)]
    return w.Udp().c(initial(frames, pn=1, pn_len=1, scid=b"", pad_to=1250))


@case("quic-crypto-1-byte.pcap", "Every CRYPTO frame carries one byte, last byte first.")
def _():
    return w.Udp().c(initial([q.crypto(HELLO, i, 1) for i in reversed(range(len(HELLO)))], pad_to=1450))


@case("quic-crypto-overlap.pcap", "CRYPTO frames that overlap, with the same bytes.")
def _():
    return w.Udp().c(initial([q.crypto(HELLO, 50, 150), q.crypto(HELLO, 0, 100), q.crypto(HELLO, 180)]))


@case("quic-frames-forms.pcap", "Varints longer than needed, ACK frames with ranges, empty CRYPTO frames.")
def _():
    long = b"\x06" + q.varint(0, 8) + q.varint(100, 4) + HELLO[:100]
    ranges = b"\x02" + q.varint(90) + q.varint(5) + q.varint(2) + q.varint(3) + q.varint(1) * 4
    ecn = b"\x03" + q.varint(7) + q.varint(0) * 3 + q.varint(1) * 3
    return w.Udp().c(initial([ranges, long, ecn, q.crypto(b"", 0), q.PING, q.crypto(HELLO, 100)]))


@case("quic-two-initials.pcap", "A post-quantum hello over two datagrams.")
def _():
    c = w.Udp().c(initial([q.crypto(PQ, 0, 1100)])).c(initial([q.crypto(PQ, 1100)], 1))
    return server_flight(c, n=2)


@case("quic-two-initials-reversed.pcap", "The same, the second datagram first.")
def _():
    c = w.Udp().c(initial([q.crypto(PQ, 1100)], 1)).c(initial([q.crypto(PQ, 0, 1100)]))
    return server_flight(c, n=2)


@case("quic-sni-sliced.pcap", "Cut in the middle of the name, right part first, over two datagrams, as neqo does it.")
def _():
    at = PQ.index(b"quicpq") + 4
    c = w.Udp().c(initial([q.crypto(PQ, 1400), q.crypto(PQ, 0, at)]))
    return c.c(initial([q.crypto(PQ, at, 1000), q.crypto(PQ, at + 1000, 1400 - at - 1000)], 1))


@case(
    "quic-ends-first-chaos-v2.pcap",
    "The first datagram has the beginning and the end, the second the middle, as google/quiche does it.",
)
def _():
    n = len(PQ)
    c = w.Udp().c(initial([q.crypto(PQ, n - 900), q.PING, q.crypto(PQ, 0, 70)], 1, pn_len=1, scid=b""))
    return c.c(initial([q.crypto(PQ, 70, n - 970)], 2, pn_len=1, scid=b""))


@case("quic-two-initials-one-datagram.pcap", "Two Initials coalesced in one datagram.")
def _():
    a = initial([q.crypto(HELLO, 0, 120)], pad_to=0)
    return w.Udp().c(a + initial([q.crypto(HELLO, 120)], 1, pad_to=1200 - len(a)))


@case("quic-0rtt-coalesced.pcap", "PSK and early data: Initial and 0-RTT in one datagram, more 0-RTT behind it.")
def _():
    h = hello("early.example.com", last=[w.early_data(), w.psk()])
    c = w.Udp().c(initial([q.crypto(h, 0)], pad_to=700) + q.opaque(q.ZERO_RTT, DCID, SCID, n=480))
    return c.c(q.opaque(q.ZERO_RTT, DCID, SCID, n=600, label="0rtt2"))


@case("quic-0rtt-first.pcap", "A 0-RTT datagram overtakes the Initial.")
def _():
    h = hello("early.example.com", last=[w.early_data(), w.psk()])
    return w.Udp().c(q.opaque(q.ZERO_RTT, DCID, SCID, n=600)).c(initial([q.crypto(h, 0)]))


@case("quic-retransmit.pcap", "The first datagram lost in the mirror; both are sent again, cut elsewhere.")
def _():
    c = w.Udp().c(initial([q.crypto(PQ, 1100)], 1)).wait(300 * w.MS)
    return c.c(initial([q.crypto(PQ, 0, 1000)], 2)).c(initial([q.crypto(PQ, 1000)], 3))


@case("quic-duplicates.pcap", "Every datagram twice: one hello.")
def _():
    a, b = initial([q.crypto(PQ, 0, 1100)]), initial([q.crypto(PQ, 1100)], 1)
    return w.Udp().c(a).c(a).c(b).c(b)


@case("quic-second-initial-missing.pcap", "The second Initial never comes.")
def _():
    return w.Udp().c(initial([q.crypto(PQ, 0, 1100)]))


@case("quic-retry.pcap", "Retry: the client repeats its hello with the token, under keys of the new connection id.")
def _():
    token, rscid = w.noise("token", 40), w.noise("rscid", 12)
    c = w.Udp().c(initial([q.crypto(HELLO, 0)])).s(q.retry(DCID, SCID, rscid, token))
    c.c(initial([q.crypto(HELLO, 0)], 1, dcid=rscid, token=token))
    return server_flight(c, odcid=rscid)


@case("quic-retry-one-sided.pcap", "The same with the client's datagrams alone.")
def _():
    token, rscid = w.noise("token", 40), w.noise("rscid", 12)
    c = w.Udp().c(initial([q.crypto(HELLO, 0)]))
    return c.c(initial([q.crypto(HELLO, 0)], 1, dcid=rscid, token=token))


@case("quic-retry-between-initials.pcap", "Retry while only half of a two-datagram hello was seen.")
def _():
    token, rscid = w.noise("token", 40), w.noise("rscid", 12)
    c = w.Udp().c(initial([q.crypto(PQ, 0, 1100)])).s(q.retry(DCID, SCID, rscid, token))
    c.c(initial([q.crypto(PQ, 0, 1050)], 2, dcid=rscid, token=token))
    return c.c(initial([q.crypto(PQ, 1050)], 3, dcid=rscid, token=token))


@case("quic-retry-forged.pcap", "A Retry with a wrong integrity tag, which the client ignores (RFC 9001 5.8).")
def _():
    c = w.Udp().c(initial([q.crypto(PQ, 0, 1100)]))
    c.s(q.retry(w.noise("wrong", 8), SCID, w.noise("rscid", 12), w.noise("token", 40)))
    return c.c(initial([q.crypto(PQ, 1100)], 1))


@case("quic-token.pcap", "A token from an earlier connection in the first Initial.")
def _():
    return w.Udp().c(initial([q.crypto(HELLO, 0)], token=w.noise("newtoken", 71)))


@case("quic-version-negotiation.pcap", "A reserved version draws Version Negotiation; the client comes back with v1.")
def _():
    grease = bytes([0xC3]) + b"\x1a\x2a\x3a\x4a" + bytes([8]) + DCID + bytes([5]) + SCID
    c = w.Udp().c(grease + w.noise("greased", 1200 - len(grease)))
    c.s(q.version_negotiation(SCID, DCID, [q.V1, q.V2]))
    return c.c(initial([q.crypto(HELLO, 0)], dcid=w.noise("dcid2", 8)))


@case(
    "quic-compatible-version.pcap",
    "The client starts in v1, the server answers in v2, the client goes on in v2 (RFC 9368).",
)
def _():
    c = w.Udp().c(initial([q.crypto(PQ, 0, 1100)]))
    c.s(q.initial([q.ack(0)], SCID, SSCID, version=q.V2, secret_dcid=DCID, server=True))
    return c.c(initial([q.crypto(PQ, 1100)], 1, dcid=SSCID, secret_dcid=DCID, version=q.V2))


@case(
    "quic-dcid-changes.pcap",
    "The second half of the hello comes under the server's connection id, same keys (RFC 9001 5.2).",
)
def _():
    c = w.Udp().c(initial([q.crypto(PQ, 0, 1100)]))
    c.s(q.initial([q.ack(0)], SCID, SSCID, secret_dcid=DCID, server=True))
    return c.c(initial([q.crypto(PQ, 1100)], 1, dcid=SSCID, secret_dcid=DCID))


@case(
    "quic-client-migrates.pcap",
    "After the handshake the client goes on from another port: no second hello, nothing incomplete.",
)
def _():
    c = server_flight(w.Udp().c(initial([q.crypto(HELLO, 0)])))
    c.c(initial([q.ack(0)], 1, dcid=SSCID, secret_dcid=DCID) + q.opaque(q.HANDSHAKE, SSCID, SCID, n=90))
    c.c(q.short(SSCID)).s(q.short(SCID))
    return c.c(q.short(w.noise("newcid", 8), 120), sport=50000).s(q.short(SCID, 100), dport=50000)


@case("quic-rebinding-in-hello.pcap", "A NAT gives the client another port between the two Initials of one hello.")
def _():
    return w.Udp().c(initial([q.crypto(PQ, 0, 1100)])).c(initial([q.crypto(PQ, 1100)], 1), sport=50001)


@case(
    "quic-second-hello-after-hrr.pcap",
    "HelloRetryRequest: the second hello goes on where the first ended in the CRYPTO stream.",
)
def _():
    c = w.Udp().c(initial([q.crypto(HELLO, 0)]))
    hrr = w.hello_retry_request(0x0017)
    c.s(q.initial([q.ack(0), q.crypto(hrr, 0)], SCID, SSCID, secret_dcid=DCID, server=True))
    second = hello(share=(0x0017,))
    f = b"\x06" + q.varint(len(HELLO)) + q.varint(len(second)) + second
    return c.c(initial([q.ack(0), f], 1, dcid=SSCID, secret_dcid=DCID))


@case("quic-padded-outside.pcap", "The 1200 bytes are reached with zero bytes behind the packet, as neqo does it.")
def _():
    p = initial([q.crypto(HELLO, 0)], pad_to=0)
    return w.Udp().c(p + bytes(1200 - len(p)))


@case(
    "quic-garbage-behind.pcap",
    "Random bytes that look like a long header behind the Initial (RFC 9000 14.1 allows it).",
)
def _():
    p = initial([q.crypto(HELLO, 0)], pad_to=600)
    return w.Udp().c(p + b"\xc8" + w.noise("tail", 1200 - len(p) - 1))


@case("quic-scone-tail.pcap", "The datagram ends with the bytes c8 13 that announce SCONE.")
def _():
    return w.Udp().c(initial([q.crypto(HELLO, 0)], pad_to=1198) + b"\xc8\x13")


@case("quic-big-packet-number.pcap", "The first packet number is 13046896, on four bytes.")
def _():
    return w.Udp().c(initial([q.crypto(HELLO, 0)], 13046896, pn_len=4))


@case("quic-cid-lengths.pcap", "Destination connection ids of 8 and 20 bytes, source ones of 0 and 20.")
def _():
    a = w.Udp().c(initial([q.crypto(HELLO, 0)], dcid=w.noise("d20", 20), scid=w.noise("s20", 20)))
    b = w.Udp(sport=49153, t=a.t).c(initial([q.crypto(HELLO, 0)], scid=b""))
    return a.frames() + b.frames()


@case("quic-fixed-bit-0.pcap", "The fixed bit is 0 (RFC 9287).")
def _():
    return w.Udp().c(initial([q.crypto(HELLO, 0)], fixed_bit=False))


@case(
    "quic-short-datagram.pcap",
    "An Initial of 400 bytes: a server must drop it (RFC 9000 14.1), the hello is there all the same.",
)
def _():
    return w.Udp().c(initial([q.crypto(HELLO, 0)], pad_to=400))


@case("quic-bad-tag.pcap", "One bit of the ciphertext is wrong; the right packet follows.")
def _():
    p = initial([q.crypto(HELLO, 0)])
    bad = p[:300] + bytes([p[300] ^ 1]) + p[301:]
    return w.Udp().c(bad).c(p)


@case("quic-undecryptable.pcap", "The capture starts after the first Initial of the client: the keys cannot be known.")
def _():
    return w.Udp().c(initial([q.crypto(PQ, 1100)], 1, dcid=w.noise("s20", 20), secret_dcid=DCID))


@case(
    "quic-bad-frames.pcap",
    "Initials that open and hold a CRYPTO frame beyond the packet, and a frame type not allowed there.",
)
def _():
    a = w.Udp().c(initial([b"\x06" + q.varint(0) + q.varint(5000) + HELLO]))
    b = w.Udp(sport=49153, t=a.t).c(initial([b"\x08\x00", q.crypto(HELLO, 0)]))
    return a.frames() + b.frames()


@case("quic-crypto-offset-limit.pcap", "CRYPTO frames at offsets of 1 MB and 2^62 - 1, and then the hello.")
def _():
    big = b"\x06" + q.varint(1 << 20) + q.varint(4) + b"abcd"
    end = b"\x06" + q.varint((1 << 62) - 1) + q.varint(4) + b"abcd"
    return w.Udp().c(initial([big])).c(initial([end], 1)).c(initial([q.crypto(HELLO, 0)], 2))


@case(
    "quic-bad-headers.pcap", "Long headers with a Length beyond the datagram, ids of 21 bytes, a token that overruns."
)
def _():
    head = b"\xc0\0\0\0\1"
    out, t = [], w.T0
    for i, rest in enumerate(
        (
            bytes([8]) + DCID + b"\0" + b"\0" + b"\x7f\xff",
            bytes([21]) + w.noise("x", 21) + b"\0\0\x44\x00",
            bytes([8]) + DCID + b"\0" + b"\x7f\xff",
            bytes([8]) + DCID,
        )
    ):
        p = head + rest
        p += w.noise("fill%d" % i, 1200 - len(p)) if i < 3 else b""
        out += w.Udp(sport=49152 + i, t=t + i * w.MS).c(p).frames()
    return out


@case("quic-port-8443.pcap", "QUIC on a port that is not 443.")
def _():
    return w.Udp(dport=8443).c(initial([q.crypto(HELLO, 0)]))


TAGS = {
    b"PAD\0": bytes(600),
    b"SNI\0": b"gquic.example.com",
    b"VER\0": b"Q043",
    b"CCS\0": w.noise("ccs", 16),
    b"UAID": b"Chrome/80.0.3987.132 Linux x86_64",
    b"PDMD": b"X509",
    b"ICSL": b"\x1e\0\0\0",
    b"NONP": w.noise("nonp", 32),
    b"MIDS": b"\x64\0\0\0",
    b"KEXS": b"C255P256",
}


@case("gquic-q043.pcap", "gQUIC Q043: CHLO in clear behind the public header.")
def _():
    return w.Udp().c(q.gquic_q043(q.chlo(TAGS), DCID))


@case("gquic-q046.pcap", "gQUIC Q046: CHLO in clear behind a long header.")
def _():
    return w.Udp().c(q.gquic_q046(q.chlo(TAGS | {b"VER\0": b"Q046"}), DCID))


@case("gquic-q050.pcap", "gQUIC Q050: CHLO in a protected Initial, CRYPTO frame type 8.")
def _():
    m = q.chlo(TAGS | {b"VER\0": b"Q050"})
    return w.Udp().c(initial([b"\x08" + q.varint(0) + q.varint(len(m)) + m], version=0x51303530, scid=b""))


def q050(message, pn=0, offset=0):
    """An Initial of Q050 with a CRYPTO frame of that version."""
    f = b"\x08" + q.varint(offset) + q.varint(len(message)) + message
    return initial([f], pn, version=0x51303530, scid=b"")


@case(
    "gquic-q050-rejected.pcap",
    "Q050: the CHLO and its retransmission, then (the server's REJ is left out) a second CHLO behind it.",
)
def _():
    first = q.chlo(TAGS | {b"VER\0": b"Q050"})
    second = q.chlo(TAGS | {b"VER\0": b"Q050", b"STK\0": w.noise("stk", 56)})
    return w.Udp().c(q050(first)).c(q050(first, 1)).c(q050(second, 2, len(first)))


@case(
    "gquic-takes-ports.pcap",
    "Half of a QUIC v1 hello, then a connection of Q043 on the same ports: the first one is incomplete.",
)
def _():
    return w.Udp().c(initial([q.crypto(PQ, 0, 1100)])).c(q.gquic_q043(q.chlo(TAGS), w.noise("gcid", 8)))


@case("quic-no-hello.pcap", "The CRYPTO bytes of an Initial that opens are a Finished message: no hello began.")
def _():
    return w.Udp().c(initial([q.crypto(b"\x14\0\0\x20" + w.noise("finished", 32), 0)]))


@case("quic-hello-too-long.pcap", "A hello of 100000 bytes, more than is kept: one record, however many Initials.")
def _():
    h = b"\1\1\x86\xa0" + HELLO[4:] + bytes(5000)
    c = w.Udp()
    for i in range(4):
        c.c(initial([q.crypto(h, 1100 * i, 1100)], i))
    return c


@case("quic-snaplen-cut.pcap", "Snap length of 1250: the second Initial of the hello is cut.", snaplen=1250)
def _():
    c = w.Udp().c(initial([q.crypto(PQ, 0, 1100)])).c(initial([q.crypto(PQ, 1100)], 1, pad_to=1400))
    return w.snap(c.frames(), 1250)


@case(
    "quic-handshake-packets.pcap",
    "0-RTT of the client while its hello is half there, Handshake packets of both sides behind it.",
)
def _():
    c = w.Udp().c(initial([q.crypto(PQ, 0, 1100)])).c(q.opaque(q.ZERO_RTT, DCID, SCID, n=600))
    c.c(initial([q.crypto(PQ, 1100)], 1))
    server_flight(c, n=2).s(q.opaque(q.HANDSHAKE, SCID, SSCID, n=700))
    return c.c(q.opaque(q.HANDSHAKE, SSCID, SCID, n=90))


@case("quic-same-dcid-other-server.pcap", "Half a hello to one server, a whole one to another with the same connection id.")
def _():
    decoy = w.Udp("203.0.113.66", "203.0.113.1", sport=7777, dport=9999).c(initial([q.crypto(HELLO, 0, 100)]))
    real = w.Udp(t=w.T0 + w.MS).c(initial([q.crypto(PQ, 0, 1100)])).c(initial([q.crypto(PQ, 1100)], 1))
    return decoy.frames() + real.frames()
