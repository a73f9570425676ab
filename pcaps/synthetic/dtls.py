# SPDX-License-Identifier: BSD-3-Clause
"""DTLS: fragments, cookies, retries."""

from . import theme, w

case = theme("DTLS")

PORT = 4433
COOKIE = w.noise("cookie", 20)
HELLO = w.hello_dtls12()


def udp(**kw):
    return w.Udp(dport=PORT, **kw)


def datagram(message, msg_seq=0, seq=0, cuts=(), version=w.DTLS10, together=False):
    """Datagrams of a message cut at body offsets; together: all records in one datagram."""
    recs = [
        w.dtls_record(w.dtls_fragment(message, off, len(part), msg_seq), seq + i, version=version)
        for i, (off, part) in enumerate(w.pieces(message[4:], cuts))
    ]
    return [b"".join(recs)] if together else recs


@case("dtls12-hello.pcap", "DTLS 1.2 hello in one datagram.")
def _():
    return udp().c(datagram(HELLO)[0])


@case("dtls10-hello.pcap", "DTLS 1.0 hello.")
def _():
    return udp().c(datagram(w.hello_dtls12("dtls10.example.com", version=w.DTLS10))[0])


@case("dtls13-hello.pcap", "DTLS 1.3: 0xfefc in supported_versions, empty legacy cookie (RFC 9147 5.3).")
def _():
    return udp().c(datagram(w.hello_dtls13(), version=w.DTLS12)[0])


@case("dtls-cookie.pcap", "HelloVerifyRequest, then the hello again with the cookie (RFC 6347 4.2.1).")
def _():
    c = udp().c(datagram(HELLO)[0]).s(w.hello_verify_request(COOKIE))
    return c.c(datagram(w.hello_dtls12(dtls_cookie=COOKIE), 1, 1)[0])


@case("dtls-cookie-one-sided.pcap", "The same with the client's datagrams alone.")
def _():
    return udp().c(datagram(HELLO)[0]).c(datagram(w.hello_dtls12(dtls_cookie=COOKIE), 1, 1)[0])


@case("dtls13-hrr-cookie.pcap", "DTLS 1.3 HelloRetryRequest with a cookie extension, and the second hello.")
def _():
    c = udp().c(datagram(w.hello_dtls13(), version=w.DTLS12)[0])
    hrr = w.hello_retry_request(0x0017, b"", COOKIE, version=w.DTLS13, legacy=w.DTLS12)
    c.s(datagram(hrr, version=w.DTLS12)[0])
    return c.c(datagram(w.hello_dtls13(more=[w.cookie(COOKIE)]), 1, 1, version=w.DTLS12)[0])


@case("dtls-retransmit.pcap", "The hello three times with new record sequence numbers: one hello.")
def _():
    c = udp()
    for i in range(3):
        c.c(datagram(HELLO, seq=i)[0]).wait(1000 * w.MS)
    return c


@case("dtls-fragments.pcap", "Three fragments in three datagrams, in order.")
def _():
    c = udp()
    for d in datagram(HELLO, cuts=[60, 120]):
        c.c(d)
    return c


@case("dtls-fragments-any-order.pcap", "Five fragments: fourth, second, fifth, first, third.")
def _():
    d = datagram(HELLO, cuts=[30, 60, 90, 130])
    c = udp()
    for i in (3, 1, 4, 0, 2):
        c.c(d[i])
    return c


@case(
    "dtls-fragments-overlap.pcap", "Fragments that overlap and repeat, as retransmission with another size makes them."
)
def _():
    c = udp()
    for i, (off, n) in enumerate(((0, 80), (60, 60), (0, 50), (100, 400))):
        c.c(w.dtls_record(w.dtls_fragment(HELLO, off, n), i))
    return c


@case("dtls-fragments-one-datagram.pcap", "All fragments as records of one datagram.")
def _():
    return udp().c(datagram(HELLO, cuts=[50, 100], together=True)[0])


@case("dtls-fragment-missing.pcap", "The middle fragment never comes.")
def _():
    d = datagram(HELLO, cuts=[60, 120])
    return udp().c(d[0]).c(d[2])


@case(
    "dtls-cookie-fragments-interleaved.pcap",
    "Fragments of the first hello, of the answer, and of the second hello, the latter out of order.",
)
def _():
    c = udp()
    for d in datagram(HELLO, cuts=[100]):
        c.c(d)
    c.s(w.hello_verify_request(COOKIE))
    for d in reversed(datagram(w.hello_dtls12(dtls_cookie=COOKIE), 1, 2, cuts=[100])):
        c.c(d)
    return c


@case("dtls-hello-then-more.pcap", "A ChangeCipherSpec and an epoch 1 record follow in the datagram of the hello.")
def _():
    tail = w.dtls_record(b"\1", 1, 20) + w.dtls_record(w.noise("finished", 40), 0, 22, epoch=1)
    return udp().c(datagram(HELLO)[0] + tail)


@case("dtls-pq.pcap", "DTLS 1.3 with an X25519MLKEM768 share over two datagrams, second first.")
def _():
    h = w.client_hello(
        version=w.DTLS12,
        dtls_cookie=b"",
        ciphers=w.CIPHERS_13,
        exts=[
            w.sni("dtlspq.example.com"),
            w.groups([0x11EC, 0x1D]),
            w.sig_algs(),
            w.key_share(0x11EC, 0x1D),
            w.versions(w.DTLS13, w.DTLS12),
        ],
    )
    c = udp()
    for d in reversed(datagram(h, cuts=[1100], version=w.DTLS12)):
        c.c(d)
    return c


@case("dtls-webrtc.pcap", "STUN, then a hello from the side that did not start, on the same ports (RFC 9443).")
def _():
    stun = bytes.fromhex("000100002112a442") + w.noise("txid", 12)
    c = udp().c(stun).s(bytes.fromhex("010100002112a442") + w.noise("txid", 12))
    return c.s(datagram(HELLO)[0])


@case("bad-dtls-fragment-lengths.pcap", "Fragments beyond the message, of other total lengths, and of 16 MB.")
def _():
    f = w.dtls_fragment(HELLO, 0, 60)
    beyond = f[:6] + b"\xff\xff\x00" + f[9:]
    other = f[:1] + b"\0\0\x50" + f[4:]
    huge = f[:1] + b"\xff\xff\xff" + f[4:]
    out = []
    for i, frag in enumerate((beyond, other, huge)):
        c = w.Udp(dport=PORT, sport=49152 + i, t=w.T0 + i * 100 * w.MS)
        out += c.c(w.dtls_record(w.dtls_fragment(HELLO, 0, 40))).c(w.dtls_record(frag, 1)).frames()
    return out


@case("dtls-hello-too-long.pcap", "A hello of 70000 bytes, more than is kept: one record, however many fragments.")
def _():
    h = b"\1\1\x11\x70" + HELLO[4:] + bytes(5000)
    c = udp()
    for i in range(4):
        c.c(w.dtls_record(w.dtls_fragment(h, 1200 * i, 1200), i))
    return c


@case("dtls-snaplen-cut.pcap", "Captured with a snap length of 180: the name is there, the rest is not.", snaplen=180)
def _():
    return w.snap(udp().c(datagram(HELLO)[0]).frames(), 180)


@case(
    "dtls-snaplen-cuts-fragment.pcap",
    "The second of two fragments is cut inside, a third one comes; then the hello with the cookie, cut, too.",
    snaplen=140,
)
def _():
    c = udp()
    for d in datagram(HELLO, cuts=[60, 150]):
        c.c(d)
    c.s(w.hello_verify_request(COOKIE))
    return w.snap(c.c(datagram(w.hello_dtls12(dtls_cookie=COOKIE), 1, 3)[0]).frames(), 140)


@case(
    "dtls-new-association.pcap",
    "The client begins anew on the same ports (RFC 6347 4.2.8), with a cookie both times, and repeats each hello.",
)
def _():
    c = udp()
    for i, name in enumerate(("first.example.com", "second.example.com")):
        random = w.noise("association%d" % i, 32)
        first, second = (w.hello_dtls12(name, dtls_cookie=k, random=random) for k in (b"", COOKIE))
        c.c(datagram(first)[0]).c(datagram(first, seq=1)[0]).s(w.hello_verify_request(COOKIE))
        c.c(datagram(second, 1, 2)[0]).c(datagram(second, 1, 3)[0]).wait(10000 * w.MS)
    return c


@case("dtls-new-association-in-fragments.pcap", "The same while the first hello is half there, and by fragments.")
def _():
    c = udp()
    for i, name in enumerate(("first.example.com", "second.example.com")):
        h = w.hello_dtls12(name, random=w.noise("association%d" % i, 32))
        for d in datagram(h, cuts=[80])[: 1 + i]:
            c.c(d)
    return c


@case("dtls-first-hello-half.pcap", "Half of the first hello is lost; the one with the cookie comes in two fragments.")
def _():
    c = udp().c(datagram(HELLO, cuts=[100])[0]).s(w.hello_verify_request(COOKIE))
    for d in datagram(w.hello_dtls12(dtls_cookie=COOKIE), 1, 2, cuts=[100]):
        c.c(d)
    return c


@case("dtls-both-sides.pcap", "Both sides send a hello, as WebRTC peers may, and each sends it again.")
def _():
    other = w.hello_dtls12("other.example.com", random=w.noise("other side", 32))
    c = udp()
    for i in range(2):
        c.c(datagram(HELLO, seq=i)[0]).s(datagram(other, seq=i)[0])
    return c


@case("dtls-hello-second-record.pcap", "An application data record stands before the hello in its datagram.")
def _():
    return udp().c(w.dtls_record(bytes(20), 0, 23) + datagram(HELLO, seq=1)[0])
