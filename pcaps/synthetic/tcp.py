# SPDX-License-Identifier: BSD-3-Clause
"""One hello over TCP, cut, ordered and repeated in every way. The records must all be the same."""

from . import theme, w

case = theme("TCP: one hello, any segments")

HELLO = w.hello13("www.example.com")
STREAM = w.records(HELLO)
N = len(STREAM)


def answered(c):
    return c.answer(w.record(w.server_hello13(session_id=w.noise("sid", 32)), version=0x0303))


@case("tls13-hello.pcap", "The reference: a TLS 1.3 hello in one segment, with handshake and answer.")
def _():
    return answered(w.Tcp().open().say(STREAM)).close()


@case("hello-in-two-segments.pcap", "Cut at byte 200, in order.")
def _():
    return answered(w.Tcp().open().say(STREAM, [200]))


@case("segments-1-byte.pcap", "Every segment carries one byte.")
def _():
    return answered(w.Tcp(step=10_000).open().say(STREAM, range(1, N)))


@case("segments-reversed.pcap", "Segments of 60 bytes, the last one first.")
def _():
    c = w.Tcp().open()
    for off, part in reversed(w.every(STREAM, 60)):
        c.c(off, part)
    return answered(c)


@case("first-segment-late.pcap", "Three segments: second, third, then the first.")
def _():
    c = w.Tcp().open()
    a, b, d = w.pieces(STREAM, [100, 250])
    c.c(*b).c(*d).c(*a)
    return answered(c)


@case("first-byte-late.pcap", "The first byte of the stream comes last, alone.")
def _():
    return answered(w.Tcp().open().c(1, STREAM[1:]).c(0, STREAM[:1]))


@case("overlap-same.pcap", "Segments overlap by 50 bytes that are the same both times.")
def _():
    c = w.Tcp().open()
    return answered(c.c(0, STREAM[:150]).c(100, STREAM[100:250]).c(200, STREAM[200:]))


@case(
    "overlap-conflict.pcap",
    "Bytes 40 to 80 come again with other contents before the hello is complete: the first ones count.",
)
def _():
    c = w.Tcp().open()
    return answered(c.c(0, STREAM[:200]).c(40, w.noise("conflict", 40)).c(200, STREAM[200:]))


@case(
    "overlap-conflict-ahead.pcap",
    "The same, but the two versions of bytes 150 to 200 both come before the gap in front is filled.",
)
def _():
    c = w.Tcp().open()
    return answered(c.c(150, STREAM[150:]).c(150, w.noise("ahead", 50)).c(0, STREAM[:150]))


@case("retransmit.pcap", "Each segment twice, then everything once more in one segment.")
def _():
    c = w.Tcp().open()
    for off, part in w.every(STREAM, 120):
        c.c(off, part).c(off, part)
    return answered(c.c(0, STREAM))


@case("keepalive-probes.pcap", "Keep-alive probes (one old byte at sequence - 1) around the segments.")
def _():
    c = w.Tcp().open()
    c.c(-1, b"\0", w.ACK).c(0, STREAM[:150]).c(149, b"\0", w.ACK).c(150, STREAM[150:])
    return answered(c)


@case("seq-wrap.pcap", "The sequence number passes 2^32 inside the hello.")
def _():
    return answered(w.Tcp(isn=0xFFFFFFFF - 100).open().say(STREAM, [60, 150]))


@case("seq-wrap-reordered.pcap", "The same, and the segment after the wrap comes first.")
def _():
    c = w.Tcp(isn=0xFFFFFFFF - 100).open()
    a, b = w.pieces(STREAM, [100])
    return answered(c.c(*b).c(*a))


@case("hello-in-syn.pcap", "TCP Fast Open (RFC 7413): the whole hello is in the SYN.")
def _():
    c = w.Tcp().syn(STREAM, w.fast_open(w.noise("tfo", 8)))
    return answered(c.s(-1, b"", w.SYN | w.ACK).c(N, b"", w.ACK))


@case("hello-begins-in-syn.pcap", "TCP Fast Open with the first 100 bytes in the SYN, the rest behind it.")
def _():
    c = w.Tcp().syn(STREAM[:100], w.fast_open(w.noise("tfo", 8)))
    return answered(c.s(-1, b"", w.SYN | w.ACK).c(100, STREAM[100:]))


@case("syn-data-refused.pcap", "TCP Fast Open refused: the server acknowledges only the SYN, all comes again.")
def _():
    c = w.Tcp().syn(STREAM, w.fast_open(w.noise("tfo", 8)))
    c.sent = 0
    return answered(c.s(-1, b"", w.SYN | w.ACK).c(0, STREAM))


@case("one-sided-client.pcap", "Only the client's packets: no answer is ever seen.")
def _():
    return w.Tcp().syn().c(0, b"", w.ACK).say(STREAM, [200])


@case("one-sided-server.pcap", "Only the server's packets: there is no hello to report.")
def _():
    c = w.Tcp()
    c.s(-1, b"", w.SYN | w.ACK)
    c.sent, c.got = N, 0
    return answered(c.ack())


@case("no-syn.pcap", "The capture starts after the TCP handshake.")
def _():
    return answered(w.Tcp().say(STREAM, [200]))


@case("no-syn-one-segment.pcap", "Nothing but the segment with the hello.")
def _():
    return w.Tcp().say(STREAM)


@case("no-syn-first-segment-late.pcap", "No TCP handshake seen, and the first segment comes second.")
def _():
    a, b = w.pieces(STREAM, [200])
    return answered(w.Tcp().c(*b).c(*a))


@case("no-syn-midstream.pcap", "The capture starts in the middle of an established session: no hello.")
def _():
    c = w.Tcp()
    c.sent, c.got = 90_000, 70_000
    for i in range(3):
        c.say(w.app_data(300, "c%d" % i)).answer(w.app_data(500, "s%d" % i))
    return c


@case("server-reset.pcap", "The server answers the hello with a reset.")
def _():
    c = w.Tcp().open().say(STREAM)
    return c.s(0, b"", w.RST | w.ACK)


@case("server-alert.pcap", "The server answers with a fatal handshake_failure alert.")
def _():
    return w.Tcp().open().say(STREAM).answer(w.alert())


@case("gap.pcap", "The second of three segments was lost by the mirror; the session goes on.")
def _():
    a, _, d = w.pieces(STREAM, [100, 250])
    c = answered(w.Tcp().open().c(*a).c(*d))
    c.say(w.CCS + w.app_data(58, "fin")).answer(w.app_data(300)).say(w.app_data(100))
    return c.close()


@case("gap-at-start.pcap", "The first segment, with the record header, was lost by the mirror.")
def _():
    c = answered(w.Tcp().open().c(200, STREAM[200:]))
    return c.say(w.CCS + w.app_data(58, "fin")).close()


@case("hello-never-complete.pcap", "Two thirds of the hello, then the capture ends.")
def _():
    return w.Tcp().open().say(STREAM[:220])


@case("fin-before-complete.pcap", "The client closes in the middle of its hello.")
def _():
    return w.Tcp().open().say(STREAM[:220]).close()


@case("reset-before-complete.pcap", "The client resets in the middle of its hello.")
def _():
    c = w.Tcp().open().say(STREAM[:220])
    return c.c(220, b"", w.RST)


@case("five-bytes-only.pcap", "A record header and nothing else.")
def _():
    return w.Tcp().open().say(STREAM[:5]).close()


@case("idle-in-hello.pcap", "Half a hello, ten minutes of silence, then unrelated connections.")
def _():
    c = w.Tcp().open().say(STREAM[:220])
    late = w.Tcp(sport=49200, t=c.t + 600_000 * w.MS).open().say(STREAM)
    return c.frames() + late.frames()


@case("snaplen-cut.pcap", "Captured with a snap length of 128: the hello is cut inside its segment.", snaplen=128)
def _():
    return w.snap(answered(w.Tcp().open().say(STREAM)).frames(), 128)


@case(
    "snaplen-cuts-second-segment.pcap",
    "Snap length of 180: the first segment is whole, the second is not.",
    snaplen=180,
)
def _():
    return w.snap(answered(w.Tcp().open().say(STREAM, [60])).frames(), 180)


@case("port-reuse.pcap", "The same address and port pair twice, with other sequence numbers: two hellos.")
def _():
    a = answered(w.Tcp().open().say(STREAM)).close()
    b = w.Tcp(isn=77_000_000, t=a.t + 1000 * w.MS).open().say(w.records(w.hello13("second.example.com")))
    return a.frames() + answered(b).frames()


@case("port-reuse-during-hello.pcap", "A new SYN on the same ports while the first hello is half there.")
def _():
    a = w.Tcp().open().say(STREAM[:220])
    b = w.Tcp(isn=77_000_000, t=a.t + 1000 * w.MS).open().say(w.records(w.hello13("second.example.com")))
    return a.frames() + answered(b).frames()


@case("two-clients-interleaved.pcap", "Segments of two connections take turns.")
def _():
    a = w.Tcp(step=2 * w.MS).open().say(STREAM, [100, 170, 240])
    b = w.Tcp(sport=49153, t=w.T0 + w.MS, step=2 * w.MS).open()
    b.say(w.records(w.hello13("other.example.com")), [50, 150, 250])
    return sorted(a.frames() + b.frames(), key=lambda f: f.ts)


@case("ipv6.pcap", "The reference over IPv6.")
def _():
    return answered(w.Tcp(w.C6, w.S6).open().say(STREAM, [200]))


@case("bad-checksums.pcap", "TCP and IP checksums are wrong, as on a sender that leaves them to its card.")
def _():
    frames = w.Tcp().open().say(STREAM).frames()
    for f in frames:
        f.data = f.data[:24] + b"\0\0" + f.data[26:50] + b"\xbe\xef" + f.data[52:]
    return frames


@case("mirror-twice.pcap", "Every frame twice, 2 us apart, as a mirror of two ports gives: one hello.")
def _():
    frames = answered(w.Tcp().open().say(STREAM, [200])).frames()
    return [g for f in frames for g in (f, w.Frame(f.ts + 2000, f.data))]


@case("urgent-pointer.pcap", "The URG flag is set on the hello; its bytes stay in the stream.")
def _():
    c = w.Tcp().open()
    return answered(c.c(0, STREAM, w.PSH | w.ACK | 0x20))


@case("port-reuse-same-isn.pcap", "The same ports again after a FIN, with the same sequence numbers: two hellos.")
def _():
    a = answered(w.Tcp().open().say(STREAM)).close()
    b = w.Tcp(t=a.t + 1000 * w.MS).open().say(w.records(w.hello13("second.example.com")))
    return a.frames() + answered(b).frames()


@case("stray-byte-out-of-window.pcap", "A byte far above the window before the hello: the receiver drops it.")
def _():
    a = w.Tcp().open().c(70000, b"x")
    a.sent = 0
    return a.say(STREAM).frames()


@case("no-syn-keepalive-first.pcap", "No SYN seen; a keep-alive probe of one zero byte, then the hello.")
def _():
    a = w.Tcp().c(-1, b"\0")
    a.sent = 0
    return a.say(STREAM).frames()


@case("two-records-late-syn.pcap", "A hello over two records and a change_cipher_spec in one segment, its SYN after it.")
def _():
    syn = w.Tcp().open().frames()[:1]
    return w.Tcp().say(w.records(w.hello13(), [100]) + w.CCS).frames() + syn


@case("played-again.pcap", "The reference without its end, and the same frames a second later: two hellos.")
def _():
    frames = answered(w.Tcp().open().say(STREAM, [200])).frames()
    return frames + [w.Frame(f.ts + 1_000_000_000, f.data) for f in frames]


@case("hello-sent-again.pcap", "The hello is sent again after 1 s and 3 s, as TCP does: one hello.")
def _():
    frames = w.Tcp().open().say(STREAM).frames()
    again = [w.Frame(frames[-1].ts + s * 1_000_000_000, frames[-1].data) for s in (1, 3)]
    return frames + again
