#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seed corpora that no one writes by hand:  fuzz/seeds.py [TARGET...]

The formats are those at the top of fuzz_TARGET.c. Nothing here is drawn at random,
so that a run changes only what was meant to change. What servers say is taken from
the captures of this project.
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


def upgrade():
    """Dialogues, and what servers say by themselves; the clients' sides in the folder are written by hand."""
    tls = w.record(w.client_hello(ciphers=[0x1301], exts=[w.sni("a.example")]))
    hello = tls[:9]

    def talk(*turns):
        """A turn is the client's; as (bytes,) the server's."""
        out = b"\0"
        for turn in turns:
            server, text = (0x80, turn[0]) if isinstance(turn, tuple) else (0, turn)
            for at in range(0, len(text), 127):
                part = text[at:at + 127]
                out += bytes([server | len(part)]) + part
        return out

    def ber(tag, body):
        return bytes([tag, len(body)]) + body

    def ldap(op, number=1):
        return ber(0x30, ber(2, bytes([number])) + op)

    oid = b"1.3.6.1.4.1.1466.20037"
    start_tls = ldap(ber(0x77, ber(0x80, oid)))
    result = b"\x0a\1%c\4\0\4\0"
    extension = ber(0x30, ber(4, b"supportedExtension") + ber(0x31, ber(4, oid)))
    root = ldap(ber(0x64, b"\4\0" + ber(0x30, extension)))
    yield "talk-ldap", talk(start_tls, (ldap(ber(0x78, result % 0)),), hello, (hello,))
    yield "talk-ldap-root", talk((root + ldap(ber(0x65, result % 0)),), ldap(ber(0x60, b"\2\1\3\4\1n\x80\2pw")),
                                 (ldap(ber(0x61, result % 13)),))
    xtls = b" xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
    yield "talk-xmpp", talk(b"<stream:stream to='x'>", (b"<stream:stream id='1'><stream:features><starttls" + xtls
                            + b"><required/></starttls></stream:features>",), b"<starttls" + xtls + b"/>",
                            (b"<failure" + xtls + b"/>",), b"<auth mechanism='PLAIN'>AGEAYg==</auth>")
    ssl = struct.pack("!II", 8, 80877103)
    startup = b"\0\0\0\x11\0\3\0\0user\0x\0\0\0"
    yield "talk-postgresql", talk(struct.pack("!II", 8, 80877104), (b"N",), ssl, (b"N",), startup,
                                  (b"R\0\0\0\x08\0\0\0\3",), b"p\0\0\0\x07pw\0")
    greeting = b"\x0a8.0\0" + bytes(4) + b"saltsalt\0\xff\xff\x21\2\0\xff\xc1\x15" + bytes(10) + b"saltsaltsalt\0m\0"
    greeting = struct.pack("<I", len(greeting)) + greeting
    login = struct.pack("<III", 0x002AA285, 1 << 24, 33)[:9] + bytes(23) + b"bob\0\2pwmysql_clear_password\0"
    yield "talk-mysql", talk((greeting,), struct.pack("<I", 32 | 1 << 24) + b"\x85\xae\x0f" + bytes(29), (b"\3\0\0\2\xff\1\4",))
    yield "talk-mysql-login", talk((greeting,), struct.pack("<I", len(login) | 1 << 24) + login)
    def tds(kind, body):
        return struct.pack("!BBHHBB", kind, 1, len(body) + 8, 0, 1, 0) + body

    prelogin = bytes.fromhex("00000b0006010011000" "1ff09000000000001")
    yield "talk-tds", talk(tds(0x12, prelogin), (tds(4, prelogin),), tds(0x12, tls[:7]) + tds(0x12, tls[7:]), (tds(0x12, hello),))
    yield "talk-tds-login", talk(tds(0x12, prelogin), (tds(4, prelogin[:-1] + b"\2"),), tds(0x10, bytes(46) + b"\4\0"))
    yield "talk-rdp", talk(bytes.fromhex("030000130ee000000000000100080003000000"),
                           (bytes.fromhex("030000130ed000001234000200080002000000"),), hello)
    yield "talk-socks5", talk(b"\5\2\0\2", (b"\5\2",), b"\1\1a\1b", (b"\1\0",), b"\5\1\0\3\1a\1\xbb",
                              (b"\5\0\0\1" + bytes(6),), ssl, (b"S",), hello)
    connect = b"CONNECT a:443 HTTP/1.1\r\n\r\n"
    yield "talk-connect-407", talk(connect, (b"HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno",), connect,
                                   (b"HTTP/1.1 200 OK\r\n\r\n",), start_tls, (ldap(ber(0x78, result % 52)),))
    yield "talk-http-upgrade", talk(b"OPTIONS * HTTP/1.1\r\nUpgrade: TLS/1.0\r\n\r\n",
                                    (b"HTTP/1.1 426 No\r\nUpgrade: TLS/1.0\r\nContent-Length: 0\r\n\r\n",), b"GET / HTTP/1.1\r\n\r\n")
    key = b"\x12\x34\x56\x78"

    def frame(opcode, body):
        return bytes([opcode, 0x80 | len(body)]) + key + bytes(c ^ key[i % 4] for i, c in enumerate(body))

    websocket = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
    frames = frame(2, tls[:1]) + frame(0x89, b"ping") + frame(0, tls[1:40]) + frame(0x80, tls[40:])
    yield "websocket", b"\3" + websocket + frames
    yield "talk-websocket", talk(websocket, (b"HTTP/1.1 101 Switching\r\n\r\n",), frames)
    yield "tds-packets", b"\2" + tds(0x12, prelogin) + tds(0x12, tls[:3]) + tds(0x12, b"") + tds(0x12, tls[3:]) + b"\x17"
    yield "server-mysql", b"\1" + greeting + b"\7\0\0\2" + bytes(7)
    yield "server-ldap-root", b"\2" + root + ldap(ber(0x78, result % 2))
    yield "server-postgresql", b"\0NS" + hello
    yield "server-http", b"\4HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + hello
    yield "server-adb", b"\1STLS" + b"\0\0\0\1" + bytes(12) + b"\xac\xab\xb3\xac" + hello


def carrier():
    hello = w.records(w.client_hello(ciphers=[0x1301], exts=[w.sni("a.example")]))
    half = len(hello) // 2

    def eap(ident, kind, flags, data, code=2):
        return struct.pack("!BBHBB", code, ident, 6 + len(data), kind, flags) + data

    def eapol(packet):
        return b"\2\0" + w.v16(packet)

    def radius(packet):
        attributes = [(1, b"user"), (5, bytes(4)), (31, b"mac")]
        attributes += [(79, packet[at : at + 253]) for at in range(0, len(packet), 253)]
        body = b"".join(bytes([t, len(v) + 2]) + v for t, v in attributes)
        return struct.pack("!BBH", 1, 7, 20 + len(body)) + bytes(16) + body

    def openvpn(first, number, data=b"", hmac=0, acks=0):
        auth = bytes(range(0xA0, 0xA0 + hmac)) + struct.pack("!II", 1, 1700000000) if hmac else b""
        acked = bytes([acks]) + bytes(4 * acks) + (b"peersid." if acks else b"")
        return bytes([first]) + b"sessions" + auth + acked + struct.pack("!I", number) + data

    def crypt(first):
        return bytes([first]) + b"sessions" + struct.pack("!II", 1, 1700000000) + bytes(range(60))

    def packets(kind, *all_of_them, more=0):
        return b"\0" + b"".join(struct.pack("!BHB", kind, len(p), more) + p for p in all_of_them)

    def framed(step, *all_of_them):
        return b"\1" + bytes([step]) + b"".join(w.v16(p) for p in all_of_them)

    def script(*ops):
        return b"\2" + b"".join(bytes(op) for op in ops)

    yield "eapol-fragments", packets(0, *(eapol(p) for p in (
        eap(1, 13, 0xC0, struct.pack("!I", len(hello)) + hello[:half]), eap(2, 13, 0, hello[half:]), eap(3, 13, 0, b""))))
    yield "eapol-types", packets(0, *(eapol(eap(1, kind, 0x91, bytes(8) + hello)) for kind in (21, 25, 43, 55, 254)))
    yield "eapol-cut", packets(0, eapol(eap(1, 13, 0, hello))[:-9], more=9)
    yield "radius", packets(1, radius(eap(1, 25, 0, hello * 4)), radius(eap(1, 1, 0, b"identity")))
    yield "radius-cut", packets(1, radius(eap(1, 25, 0, hello))[:-9], more=9)
    yield "openvpn", packets(2, openvpn(0x38, 0), openvpn(0x40, 0, acks=1), openvpn(0x20, 1, hello, acks=1))
    yield "openvpn-tls-auth", packets(2, *(openvpn(0x21, 1, hello, hmac=n) for n in (16, 20, 28, 32, 48, 64)))
    yield "openvpn-tls-crypt", packets(2, crypt(0x38), crypt(0x50), crypt(0x20))
    yield "stream", framed(6, openvpn(0x38, 0), b"\x28" + bytes(20), openvpn(0x20, 1, hello[:half]),
                           openvpn(0x20, 1, hello[:half]), openvpn(0x20, 2, hello[half:]))
    yield "stream-tls-auth", framed(40, openvpn(0x38, 0, hmac=20), openvpn(0x20, 1, hello, hmac=20, acks=1))
    yield "stream-gap", framed(0, openvpn(0x38, 0), openvpn(0x20, 1, hello[:half]), openvpn(0x20, 3, hello[half:]))
    yield "pieces-in-order", script((0xF0, 5, 9), *((0, n, n) for n in range(6, 20)))
    yield "pieces-any-order", script((0, 8, 3), (0, 6, 0), (0, 8, 3), (0xF0, 5, 9), (0, 9, 9), (0, 7, 40), (0, 5, 1))
    yield "pieces-over-256", script((0xF0, 254, 2), (1, 1, 2), (0, 255, 2), (1, 0, 2))
    yield "pieces-limits", script((0xF0, 0, 1), *((0, n, 255) for n in range(2, 22)), (0, 1, 200))


def spool():
    def as_it_is(cursor, first, second=b""):
        return b"\0" + struct.pack("!BH", len(cursor), len(first)) + cursor + first + second

    def damaged(lengths, *places, settled=0, cut=0):
        made = bytes([len(lengths), settled, *lengths, cut])
        return b"\1" + made + b"".join(struct.pack("!HB", *place) for place in places)

    stamp = struct.pack("<8sIIQQ", b"htspool", 1, 0, 1, 0)  # with its hash wrong
    cursor = struct.pack("<8sIIQQ", b"htcursor", 1, 40, 1, 0)
    head = struct.pack("<IIQ", 4, 0, 0)
    yield "foreign", as_it_is(b"", b"this is no segment at all, it is a text", b"nor is this")
    yield "hashes-wrong", as_it_is(cursor, stamp + head + b"abcd", stamp + head)
    yield "stamp-unfinished", as_it_is(b"", stamp[:20], stamp[:9])
    yield "zeros", as_it_is(bytes(32), bytes(200), bytes(100))
    yield "right", damaged([0, 1, 5, 40])
    yield "settled", damaged([3, 1, 5, 40], settled=2)
    yield "all-settled", damaged([3, 1], settled=9)
    yield "torn", damaged([3, 10, 20], cut=30)
    yield "torn-twice", damaged([3, 10, 20], cut=85, settled=1)
    yield "stamp-damaged", damaged([3, 10, 20], (8, 1))
    yield "length-damaged", damaged([3, 10, 20, 2], (60, 4))
    yield "length-hash-damaged", damaged([3, 10, 20, 2], (64, 4))
    yield "bytes-damaged", damaged([3, 10, 20, 2], (50, 4), (200, 255))
    yield "damaged-before-settled", damaged([3, 10, 20, 2], (62, 1), settled=2)


def rates_store():
    def store(*prints, num=None, version=1, watched=10**14):
        head = struct.pack("<8sII2QQq", b"htprint", version, len(prints) if num is None else num, 1, 2, 10**6, watched)
        return head + b"".join(prints)

    def one(text=b"t13d1516h2_8daaf6152771_d8a2da3f94cd", hellos=5, clients=2, is_ja3=0, last=1763686800 * 10**9):
        first = 1763600400 * 10**9
        head = struct.pack("<qqqQ", first, last, -(2**63), hellos)
        return head + text.ljust(36, b"\0") + bytes([len(text), is_ja3, clients, 0]) + struct.pack("<16I", *range(16))

    ja3 = one(b"cd08e31494f9531f560d64c695473da9", is_ja3=1, clients=16)
    yield "right", b"\1" + store(one(), ja3)
    yield "empty", b"\1" + store()
    yield "many", b"\1" + store(*(one(b"t13d1516h2_%012x_d8a2da3f94cd" % n, hellos=n + 1) for n in range(40)))
    yield "twice", b"\1" + store(one(), one())
    yield "checksum-wrong", b"\0" + store(one()) + bytes(8)
    yield "cut-short", b"\1" + store(one(), ja3)[:200]
    yield "head-only", b"\0" + store()[:20]
    yield "more-than-there-are", b"\1" + store(one(), num=2**32 - 1)
    yield "another-version", b"\1" + store(one(), version=2)
    yield "too-many-clients", b"\1" + store(one(clients=17))
    yield "text-too-long", b"\1" + store(one()[:68] + b"\xff" + one()[69:])
    yield "text-odd", b"\1" + store(one(b'"\n'))
    yield "no-hellos", b"\1" + store(one(hellos=0))
    yield "all-the-hellos", b"\1" + store(one(hellos=2**64 - 1))
    yield "last-before-first", b"\1" + store(one(last=0))
    yield "watched-for-ever", b"\1" + store(one(), watched=2**63 - 1)
    yield "foreign", b"\0pictures of a cat"


def captured(name):
    """(from the server, bytes) of each segment or datagram of a capture of pcaps/real/cases-answer.sh."""
    with open(os.path.join(here, "..", "pcaps", name + ".pcap"), "rb") as f:
        d = f.read()
    at = 24
    while at < len(d):
        n = struct.unpack_from("<I", d, at + 8)[0]
        frame = d[at + 16 : at + 16 + n]
        at += 16 + n
        if frame[12:14] != b"\x08\0":
            continue
        ip = frame[14 : 14 + struct.unpack_from("!H", frame, 16)[0]]
        l4 = ip[20:]
        payload = l4[l4[12] >> 4 << 2 :] if ip[9] == 6 else l4[8:]
        if payload:
            yield struct.unpack_from("!H", l4)[0] == 443, payload


def said(name, server):
    """One side of a capture with one connection."""
    return b"".join(p for from_server, p in captured(name) if from_server == server)


def messages(stream):
    """The bodies of the handshake messages in clear at the beginning of a stream, by type."""
    hs, found = b"", {}
    while stream[:1] == b"\x16":
        n = struct.unpack_from("!H", stream, 3)[0]
        hs, stream = hs + stream[5 : 5 + n], stream[5 + n :]
    while len(hs) >= 4:
        n = int.from_bytes(hs[1:4], "big")
        found.setdefault(hs[0], hs[4 : 4 + n])
        hs = hs[4 + n :]
    return found


def answer():
    hello, server, client, dtls_server, dtls_client = (bytes([n]) for n in range(5))
    whole = "answer-tls12-mtls-refused"
    yield "hello-tls12", hello + messages(said(whole, True))[2]
    yield "hello-tls13", hello + messages(said("answer-hrr", True))[2]
    yield "hello-alpn", hello + w.server_hello13()[4:]
    yield "server-tls12", server + w.v8(b"\x10\0\x40") + said(whole, True)
    yield "server-tls10", server + w.v8(b"\xff") + said("answer-tls10", True)
    yield "server-hrr", server + w.v8(b"\x03") + said("answer-hrr", True)[:1200]
    yield "server-warning", server + w.v8(b"\0") + said("answer-alert-unknown-name", True)
    yield "server-alert", server + w.v8(b"\0") + said("answer-alert-alpn", True)
    for name, capture in (("certificate", whole), ("second-hello", "answer-hrr"), ("alert", "answer-unknown-ca")):
        c = said(capture, False)
        yield "client-" + name, client + w.v8(b"\x08") + c[5 + struct.unpack_from("!H", c, 3)[0] :][:1500]
    flights = list(captured("answer-dtls12"))
    yield "dtls-server", dtls_server + b"".join(w.v16(p) for from_server, p in flights if from_server)
    yield "dtls-reversed", dtls_server + b"".join(w.v16(p) for from_server, p in flights[7:2:-1] if from_server)
    yield "dtls-client", dtls_client + b"".join(w.v16(p) for from_server, p in flights if not from_server)


def certificate():
    for name in ("tls12-mtls-refused", "expired-cert", "tls10"):
        yield name, messages(said("answer-" + name, True))[11][3:]


def protobuf():
    """Numbers are those of docs/hellotap.proto."""
    def varint(v):
        out = b""
        while v >= 128:
            out += bytes([v & 127 | 128])
            v >>= 7
        return out + bytes([v])

    def number(n, v):
        return varint(n << 3) + varint(v)

    def fixed(n, v):
        return varint(n << 3 | 1) + struct.pack("<q", v)

    def data(n, *values):
        return b"".join(varint(n << 3 | 2) + varint(len(v)) + v for v in values)

    def packed(n, *values):
        return data(n, b"".join(varint(v) for v in values))

    kind, v4, v6 = 1, b"\xc0\0\2\1", b"\x20\1\x0d\xb8" + bytes(12)
    hello = data(kind, b"hello") + fixed(2, 1763686800123456789) + data(6, v4) + number(7, 53124) + data(8, v6)
    lists = packed(34, 0x1A1A, 0x1301, 5) + packed(39, 0, 255) + packed(55, 1, 63, 64, 16384, 1 << 30, (1 << 62) - 1)
    names = data(30, b"h2", b"", b"\xff" * 255)
    words = data(14, b"vlan:10", b"gre") + data(17, b"proxy-v2", b"smtp")
    yield "hello", hello + data(13, b"1:LQU9qZlK=") + words + number(22, 1) + data(29, b"a.example\0\xff") + names + lists
    yield "hello-ns", hello + number(2001, 1)
    yield "hello-ssl2", hello + packed(34, 0x010080, 0x0700C0, 0xFF) + number(2002, 1)
    yield "hello-not-packed", hello + number(34, 0x1301) + packed(34, 0x1302) + number(34, 0x1303)
    yield "hello-sent-empty", hello + packed(2003, 14, 17, 30, 34, 39, 55)
    yield "hello-backwards", names + number(7, 1) + data(6, v6) + data(kind, b"hello")
    yield "hello-twice", hello + hello + lists + data(kind, b"event")
    yield "flow", (data(kind, b"flow") + fixed(56, -(1 << 63)) + fixed(57, (1 << 63) - 1) + number(61, (1 << 64) - 1)
                   + number(94, 2) + number(87, 0) + number(88, (1 << 64) - 1) + data(93, bytes(range(32)))
                   + data(95, *[b"expired"] * 8) + data(2005, b"\0\0\1a"))
    yield "event", data(kind, b"event") + data(10, b"\0\0\x5e\0\x53\1") + data(20, b"what it was concluded from")
    yield "stats", data(kind, b"stats") + number(113, 7) + data(2004, b'{"frames":{"read":7}}')
    yield "later-version", data(kind, b"aggregate") + number(300, 1) + fixed(301, 2) + data(302, b"x") + packed(2003, 300)
    yield "too-many-words", data(kind, b"hello") + data(17, *[b"x"] * 9)
    yield "length-beyond", hello + b"\xea\1\xff\xff\xff\xff\x0f"


SEEDS = {"tls": tls, "stream": stream, "upgrade": upgrade, "carrier": carrier, "answer": answer,
         "certificate": certificate, "rates_store": rates_store}


def main():
    for name in sys.argv[1:] or SEEDS:
        folder = os.path.join(here, "corpus", name)
        os.makedirs(folder, exist_ok=True)
        for seed, data in SEEDS[name]():
            with open(os.path.join(folder, seed), "wb") as f:
                f.write(data)


if __name__ == "__main__":
    main()
