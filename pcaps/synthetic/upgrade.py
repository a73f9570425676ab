# SPDX-License-Identifier: BSD-3-Clause
"""STARTTLS and its kin: what was said before TLS began."""

import struct

from . import theme, w

case = theme("Upgrades: what is spoken before TLS")


def talk(port, *lines, name="", **kw):
    """A connection of alternating sides, then a hello. A line is bytes: of the server when it comes as (bytes,)."""
    c = w.Tcp(dport=port, **kw).open()
    for line in lines:
        if isinstance(line, tuple):
            c.answer(line[0])
        else:
            c.say(line)
    return c.say(w.records(w.hello13(name)), [100]) if name else c


SMTP_HEAD = ((b"220 mail.example.com ESMTP\r\n",), b"EHLO client.example.com\r\n")
SMTP_OFFER = (b"250-mail.example.com\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 8BITMIME\r\n",)


@case("via-smtp.pcap", "SMTP STARTTLS (RFC 3207).")
def _():
    return talk(587, *SMTP_HEAD, SMTP_OFFER, b"STARTTLS\r\n", (b"220 2.0.0 Ready\r\n",), name="smtp.example.com")


@case("via-smtp-one-sided-client.pcap", "The same with the client's packets alone: nobody says 220.")
def _():
    c = w.Tcp(dport=25).syn().c(0, b"", w.ACK).say(b"EHLO client.example.com\r\n").say(b"STARTTLS\r\n")
    return c.say(w.records(w.hello13("smtp1.example.com")), [100])


@case("via-smtp-odd-segments.pcap", "Commands byte by byte, mixed case, and the hello cut, first segment late.")
def _():
    c = w.Tcp(dport=25).open().answer(SMTP_HEAD[0][0])
    c.say(b"eHLo client.example.com\r\n", range(1, 25)).answer(SMTP_OFFER[0])
    c.say(b"starttls\r\n", range(1, 10)).answer(b"220 go\r\n")
    base = c.sent
    a, b = w.pieces(w.records(w.hello13("smtp2.example.com")), [100])
    return c.c(base + b[0], b[1]).c(base + a[0], a[1])


@case("via-smtp-pipelined-hello.pcap", "STARTTLS and the hello in one segment, as an impatient client sends it.")
def _():
    return talk(25, *SMTP_HEAD, SMTP_OFFER, b"STARTTLS\r\n" + w.records(w.hello13("smtp3.example.com")))


@case("via-lmtp.pcap", "LMTP: LHLO, STARTTLS.")
def _():
    return talk(
        24,
        (b"220 lmtp.example.com LMTP\r\n",),
        b"LHLO client.example.com\r\n",
        SMTP_OFFER,
        b"STARTTLS\r\n",
        (b"220 Ready\r\n",),
        name="lmtp.example.com",
    )


@case("via-imap.pcap", "IMAP STARTTLS (RFC 9051 6.2.1).")
def _():
    return talk(
        143,
        (b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n",),
        b"a1 STARTTLS\r\n",
        (b"a1 OK begin\r\n",),
        name="imap.example.com",
    )


@case("via-pop3.pcap", "POP3 STLS (RFC 2595 4).")
def _():
    return talk(
        110,
        (b"+OK ready\r\n",),
        b"CAPA\r\n",
        (b"+OK\r\nUSER\r\nSTLS\r\n.\r\n",),
        b"STLS\r\n",
        (b"+OK begin\r\n",),
        name="pop3.example.com",
    )


@case("via-nntp.pcap", "NNTP STARTTLS (RFC 4642).")
def _():
    return talk(
        119,
        (b"200 news.example.com\r\n",),
        b"CAPABILITIES\r\n",
        (b"101 list\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n",),
        b"STARTTLS\r\n",
        (b"382 go on\r\n",),
        name="nntp.example.com",
    )


@case("via-sieve.pcap", "ManageSieve STARTTLS (RFC 5804 2.2).")
def _():
    return talk(
        4190,
        (b'"IMPLEMENTATION" "example"\r\n"SIEVE" "fileinto"\r\n"STARTTLS"\r\nOK\r\n',),
        b"STARTTLS\r\n",
        (b"OK\r\n",),
        name="sieve.example.com",
    )


@case("via-ftp.pcap", "FTP AUTH TLS (RFC 4217).")
def _():
    return talk(21, (b"220 ftp.example.com\r\n",), b"AUTH TLS\r\n", (b"234 go\r\n",), name="ftp.example.com")


@case("via-ftp-auth-ssl.pcap", "FTP AUTH TLS refused, then AUTH SSL.")
def _():
    return talk(
        21,
        (b"220 ftp.example.com\r\n",),
        b"AUTH TLS\r\n",
        (b"504 no\r\n",),
        b"AUTH SSL\r\n",
        (b"234 go\r\n",),
        name="ftp2.example.com",
    )


@case("via-xmpp.pcap", "XMPP STARTTLS (RFC 6120 5).")
def _():
    head = (
        b"<?xml version='1.0'?><stream:stream to='example.com' xmlns='jabber:client' "
        b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    )
    tls = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
    return talk(
        5222,
        head,
        (head + b"<stream:features>" + tls + b"><required/></starttls></stream:features>",),
        tls + b"/>",
        (b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",),
        name="xmpp.example.com",
    )


@case("via-irc.pcap", "IRC STARTTLS.")
def _():
    return talk(
        6667,
        b"CAP LS 302\r\n",
        (b":irc.example.com CAP * LS :tls sasl\r\n",),
        b"STARTTLS\r\n",
        (b":irc.example.com 670 * :STARTTLS successful\r\n",),
        name="irc.example.com",
    )


def ber(tag, body, long=False):
    return bytes([tag]) + (b"\x84" + struct.pack("!I", len(body)) if long else bytes([len(body)])) + body


def ldap_request(long):
    return ber(0x30, b"\x02\x01\x01" + ber(0x77, ber(0x80, b"1.3.6.1.4.1.1466.20037", long), long), long)


def ldap_response(long):
    return ber(0x30, b"\x02\x01\x01" + ber(0x78, b"\x0a\x01\x00\x04\x00\x04\x00", long), long)


@case("via-ldap.pcap", "LDAP StartTLS extended operation (RFC 4511 4.14).")
def _():
    return talk(389, ldap_request(False), (ldap_response(False),), name="ldap.example.com")


@case("via-ldap-long-lengths.pcap", "The same with the four-byte lengths that Active Directory writes.")
def _():
    return talk(389, ldap_request(True), (ldap_response(True),), name="ldap2.example.com")


SSL_REQUEST = struct.pack("!II", 8, 80877103)


@case("via-postgresql.pcap", "PostgreSQL SSLRequest.")
def _():
    return talk(5432, SSL_REQUEST, (b"S",), name="postgresql.example.com")


@case("via-postgresql-gss-first.pcap", "GSSENCRequest refused, then SSLRequest.")
def _():
    return talk(5432, struct.pack("!II", 8, 80877104), (b"N",), SSL_REQUEST, (b"S",), name="postgresql2.example.com")


@case("via-postgresql-direct.pcap", "TLS from the first byte with ALPN postgresql (PostgreSQL 17): no upgrade.")
def _():
    h = w.client_hello(
        session_id=w.noise("sid", 32), ciphers=w.CIPHERS_13, exts=w.exts13("pg17.example.com", ["postgresql"])
    )
    return talk(5432, w.records(h))


def mysql(n, body):
    return struct.pack("<I", len(body) | n << 24) + body


MYSQL_GREETING = mysql(
    0,
    b"\x0a8.0.36\0"
    + struct.pack("<I", 9)
    + b"saltsalt\0"
    + struct.pack("<HBHH", 0xFFFF, 33, 2, 0xDFFF)
    + b"\x15"
    + bytes(10)
    + b"saltsaltsalt\0caching_sha2_password\0",
)
MYSQL_SSL = mysql(1, struct.pack("<IIB", 0x0B4CAE85 | 0x800, 1 << 24, 33) + bytes(23))


@case("via-mysql.pcap", "MySQL: SSLRequest packet.")
def _():
    return talk(3306, (MYSQL_GREETING,), MYSQL_SSL, name="mysql.example.com")


@case("via-mysql-same-segment.pcap", "The hello is in the segment of the SSLRequest.")
def _():
    return talk(3306, (MYSQL_GREETING,), MYSQL_SSL + w.records(w.hello13("mysql2.example.com")))


def tds(kind, body, last=True, packet=1):
    return struct.pack("!BBHHBB", kind, last, len(body) + 8, 0, packet, 0) + body


PRELOGIN = b"\0\0\x15\0\6\1\0\x1b\0\1\2\0\x1c\0\1\3\0\x1d\0\4\xff" + b"\x10\0\0\0\0\0" + b"\1" + b"\0" + bytes(4)


@case("via-tds.pcap", "SQL Server: TLS records inside TDS packets of type 0x12, here over two of them.")
def _():
    r = w.records(w.hello13("mssql.example.com"))
    c = talk(1433, tds(0x12, PRELOGIN), (tds(4, PRELOGIN),))
    return c.say(tds(0x12, r[:150], False) + tds(0x12, r[150:], packet=2))


@case("via-tds-segments.pcap", "The same with a segment border inside the second TDS header, last segment first.")
def _():
    r = w.records(w.hello13("mssql2.example.com"))
    c = talk(1433, tds(0x12, PRELOGIN), (tds(4, PRELOGIN),))
    base = c.sent
    for off, part in reversed(w.pieces(tds(0x12, r[:150], False) + tds(0x12, r[150:], packet=2), [100, 162])):
        c.c(base + off, part)
    return c


@case("via-tds-five-packets.pcap", "The hello over five TDS packets, each in a segment of its own, and one of them empty.")
def _():
    r = w.records(w.hello13("mssql3.example.com"))
    c = talk(1433, tds(0x12, PRELOGIN), (tds(4, PRELOGIN),))
    for n, (_, part) in enumerate(w.pieces(r, [3, 60, 61, 200])):
        c.say(tds(0x12, part, n == 4, n + 1))
        if n == 1:
            c.say(tds(0x12, b"", False, 2))
    return c


@case("via-tds-refused.pcap", "ENCRYPT_NOT_SUP, and a LOGIN7 in clear: no hello.")
def _():
    off = PRELOGIN[:27] + b"\2" + PRELOGIN[28:]
    login = bytes(46) + struct.pack("<H", 6) + bytes(46) + w.noise("login", 40)
    return talk(1433, tds(0x12, PRELOGIN), (tds(4, off),), tds(0x10, login)).close()


@case("via-tds8.pcap", "TDS 8.0: TLS from the first byte, ALPN tds/8.0.")
def _():
    h = w.client_hello(
        session_id=w.noise("sid", 32), ciphers=w.CIPHERS_13, exts=w.exts13("tds8.example.com", ["tds/8.0"])
    )
    return talk(1433, w.records(h))


RDP_REQUEST = bytes.fromhex("0300002f2ae00000000000") + b"Cookie: mstshash=user\r\n" + bytes.fromhex("0100080003000000")
RDP_REQUEST = RDP_REQUEST[:2] + struct.pack("!HB", len(RDP_REQUEST), len(RDP_REQUEST) - 5) + RDP_REQUEST[5:]


@case("via-rdp.pcap", "RDP: X.224 connection request with protocol negotiation.")
def _():
    return talk(3389, RDP_REQUEST, (bytes.fromhex("030000130ed000001234000200080002000000"),), name="rdp.example.com")


@case("via-http-connect.pcap", "HTTP CONNECT through a proxy.")
def _():
    return talk(
        3128,
        b"CONNECT www.example.com:443 HTTP/1.1\r\nHost: www.example.com:443\r\n\r\n",
        (b"HTTP/1.1 200 Connection established\r\n\r\n",),
        name="connect.example.com",
    )


@case("via-http-connect-407.pcap", "CONNECT, 407 with a body, CONNECT with credentials, 200.")
def _():
    return talk(
        3128,
        b"CONNECT www.example.com:443 HTTP/1.1\r\nHost: www.example.com:443\r\n\r\n",
        (
            b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n'
            b"Content-Length: 6\r\n\r\ndenied",
        ),
        b"CONNECT www.example.com:443 HTTP/1.1\r\nHost: www.example.com:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n",
        (b"HTTP/1.1 200 OK\r\n\r\n",),
        name="connect2.example.com",
    )


@case("via-http-connect-smtp.pcap", "CONNECT to port 25, SMTP inside, STARTTLS: two upgrades.")
def _():
    return talk(
        3128,
        b"CONNECT mail.example.com:25 HTTP/1.0\r\n\r\n",
        (b"HTTP/1.0 200 OK\r\n\r\n",),
        *SMTP_HEAD,
        SMTP_OFFER,
        b"STARTTLS\r\n",
        (b"220 go\r\n",),
        name="connect3.example.com"
    )


@case("via-http-upgrade.pcap", "HTTP Upgrade: TLS/1.0 (RFC 2817), as printers do it.")
def _():
    return talk(
        631,
        b"OPTIONS * HTTP/1.1\r\nHost: printer.example.com\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n",
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, HTTP/1.1\r\nConnection: Upgrade\r\n\r\n",),
        name="ipp.example.com",
    )


WEBSOCKET = (
    b"GET /tunnel HTTP/1.1\r\nHost: ws.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    ),
)


def frame(opcode, body, last=True):
    """A frame of a client: masked (RFC 6455 5.3)."""
    key = w.noise("mask%d" % len(body), 4)
    n = len(body)
    length = struct.pack("!B", 0x80 | n) if n < 126 else struct.pack("!BH", 0x80 | 126, n)
    return bytes([last << 7 | opcode]) + length + key + bytes(c ^ key[i % 4] for i, c in enumerate(body))


@case("via-websocket.pcap", "TLS in a WebSocket tunnel: the hello in one masked frame.")
def _():
    return talk(80, *WEBSOCKET).say(frame(2, w.records(w.hello13("ws1.example.com"))), [100])


@case("via-websocket-fragments.pcap", "The hello in fragments of a message, a ping between, cut inside headers; then one more message.")
def _():
    a, b, c = (part for _, part in w.pieces(w.records(w.hello13("ws2.example.com")), [1, 130]))
    data = frame(2, a, False) + frame(9, b"ping") + frame(0, b, False) + frame(10, b"") + frame(0, c)
    return talk(80, *WEBSOCKET).say(data, [1, 4, 7, 20, 23, 200]).say(frame(2, w.CCS))


@case("websocket-chat.pcap", "WebSocket that carries text, then binary data: no hello.")
def _():
    return talk(80, *WEBSOCKET, frame(1, b"hello"), (b"\x81\x02hi",), frame(2, w.noise("chat", 50))).close()


@case("via-socks4.pcap", "SOCKS4a with a host name.")
def _():
    return talk(1080, b"\4\1\1\xbb\0\0\0\1user\0www.example.com\0", (b"\0\x5a" + bytes(6),), name="socks4.example.com")


SOCKS5 = b"\5\1\0\3\x0fwww.example.com\1\xbb"


@case("via-socks5.pcap", "SOCKS5 with user name and password.")
def _():
    return talk(
        1080,
        b"\5\2\0\2",
        (b"\5\2",),
        b"\1\4user\4pass",
        (b"\1\0",),
        SOCKS5,
        (b"\5\0\0\1" + bytes(6),),
        name="socks5.example.com",
    )


@case("via-socks5-optimistic.pcap", "Greeting, request and hello in one segment.")
def _():
    return talk(1080, b"\5\1\0" + SOCKS5 + w.records(w.hello13("socks5b.example.com")))


@case("via-proxy-v1.pcap", "PROXY protocol version 1, the hello in the same segment.")
def _():
    return talk(443, b"PROXY TCP4 192.0.2.99 198.51.100.20 40000 443\r\n" + w.records(w.hello13("proxy1.example.com")))


PROXY2 = bytes.fromhex("0d0a0d0a000d0a515549540a2111") + w.v16(
    w.addr("192.0.2.99") + w.addr(w.S4) + struct.pack("!HH", 40000, 443) + b"\2" + w.v16(b"www.example.com")
)


@case("via-proxy-v2.pcap", "PROXY protocol version 2 with a TLV.")
def _():
    return talk(443, PROXY2 + w.records(w.hello13("proxy2.example.com")), name="")


@case("via-proxy-v2-smtp.pcap", "PROXY protocol version 2, then SMTP STARTTLS.")
def _():
    return talk(25, PROXY2, *SMTP_HEAD, SMTP_OFFER, b"STARTTLS\r\n", (b"220 go\r\n",), name="proxy2smtp.example.com")


@case("via-radsec.pcap", "RadSec: TLS from the first byte on 2083 (RFC 6614).")
def _():
    return talk(2083, name="radsec.example.com")


# Upgrades that do not happen.


@case("upgrade-refused-smtp.pcap", "STARTTLS answered 454; mail goes on in clear.")
def _():
    return talk(
        25,
        *SMTP_HEAD,
        SMTP_OFFER,
        b"STARTTLS\r\n",
        (b"454 TLS not available\r\n",),
        b"MAIL FROM:<a@example.com>\r\n",
        (b"250 ok\r\n",)
    ).close()


@case("upgrade-stripped-smtp.pcap", "The offer is overwritten with 250-XXXXXXXX on the way.")
def _():
    return talk(
        25,
        *SMTP_HEAD,
        (SMTP_OFFER[0].replace(b"STARTTLS", b"XXXXXXXX"),),
        b"MAIL FROM:<a@example.com>\r\n",
        (b"250 ok\r\n",)
    ).close()


@case("upgrade-stripped-command-smtp.pcap", "The client's STARTTLS arrives as XXXXXXXX; 500.")
def _():
    return talk(25, *SMTP_HEAD, SMTP_OFFER, b"XXXXXXXX\r\n", (b"500 unknown command\r\n",), b"QUIT\r\n").close()


@case("upgrade-offered-unused-smtp.pcap", "STARTTLS offered; the client logs in without it.")
def _():
    return talk(587, *SMTP_HEAD, SMTP_OFFER, b"AUTH PLAIN AGEAYg==\r\n", (b"235 ok\r\n",)).close()


@case("upgrade-not-offered-imap.pcap", "IMAP without STARTTLS, LOGIN in clear.")
def _():
    return talk(143, (b"* OK [CAPABILITY IMAP4rev1] ready\r\n",), b"a1 LOGIN user pass\r\n", (b"a1 OK\r\n",)).close()


@case("upgrade-refused-postgresql.pcap", "SSLRequest answered N, StartupMessage in clear.")
def _():
    start = b"\0\3\0\0user\0app\0database\0app\0\0"
    return talk(5432, SSL_REQUEST, (b"N",), struct.pack("!I", len(start) + 4) + start).close()


@case("upgrade-refused-rdp.pcap", "RDP negotiation answered with a failure.")
def _():
    return talk(3389, RDP_REQUEST, (bytes.fromhex("030000130ed000001234000300080005000000"),)).close()


@case("upgrade-unanswered-ftp.pcap", "AUTH TLS, and nothing more.")
def _():
    return talk(21, (b"220 ftp.example.com\r\n",), b"AUTH TLS\r\n")


@case(
    "upgrade-injection-smtp.pcap",
    "A command in clear behind STARTTLS in the same segment (CVE-2011-0411), then the hello.",
)
def _():
    return talk(25, *SMTP_HEAD, SMTP_OFFER, b"STARTTLS\r\nRSET\r\n", (b"220 go\r\n",), name="injection.example.com")


@case("starttls-in-mail-body.pcap", "The word STARTTLS and bytes like a hello inside a mail: no upgrade, no hello.")
def _():
    body = b"Subject: x\r\n\r\nSTARTTLS\r\n" + w.records(w.hello13("body.example.com")) + b"\r\n.\r\n"
    return talk(
        25,
        *SMTP_HEAD,
        SMTP_OFFER,
        b"MAIL FROM:<a@example.com>\r\n",
        (b"250 ok\r\n",),
        b"RCPT TO:<b@example.com>\r\n",
        (b"250 ok\r\n",),
        b"DATA\r\n",
        (b"354 go\r\n",),
        body,
        (b"250 ok\r\n",)
    ).close()


# Both sides, and what one of them does to the other. The hello is what it would be if the server had not been seen.


@case("talk-server-lost.pcap", "The server's beginning is lost and 40 kB follow: the client's side goes on.")
def _():
    c = w.Tcp(dport=8080).syn().c(0, b"", w.ACK)
    c.say(b"CONNECT a.example.com:443 HTTP/1.1\r\n\r\n")
    for at in range(1400, 40000, 1400):
        c.s(at, b"x" * 1400)
    c.say(b"CONNECT a.example.com:443 HTTP/1.1\r\nProxy-Authorization: x\r\n\r\n").answer(b"HTTP/1.1 200 ok\r\n\r\n")
    return c.say(w.records(w.hello13("server-lost.example.com")), [100])


@case("talk-server-stray.pcap", "Segments that are none of the server's, far ahead, before it answers.")
def _():
    c = w.Tcp(dport=587).open().say(b"EHLO client.example.com\r\n").s(33000, b"stray")
    for n in range(6):
        c.s(1 << 20 | n << 18, b"stray")
    return c.say(b"STARTTLS\r\n").say(w.records(w.hello13("server-stray.example.com")), [100])


@case("talk-irc-ping-first.pcap", "A server greets as a client might, and strays end its side: the client goes on.")
def _():
    c = w.Tcp(dport=6667).open().answer(b"PING :1234\r\n").say(b"CAP LS 302\r\nNICK n\r\n").say(b"STARTTLS\r\n")
    for n in range(6):
        c.s(1 << 20 | n << 18, b"stray")
    return c.say(w.records(w.hello13("ping-first.example.com")), [100])


@case("talk-irc-ping-first-gap.pcap", "The same, the client's first segment lost, and both ends: told behind the gap.")
def _():
    c = w.Tcp(dport=6667).open().answer(b"PING :1234\r\n")
    return c.c(44, w.records(w.hello13("ping-first-gap.example.com"))).close()


@case("talk-reset-before-hello.pcap", "The server's RST was captured before the hello that crossed it.")
def _():
    c = talk(587, *SMTP_HEAD, SMTP_OFFER, b"STARTTLS\r\n", (b"220 go\r\n",))
    return c.s(c.got, b"", w.RST).say(w.records(w.hello13("reset-before-hello.example.com")), [100])


@case("talk-reset-in-hello.pcap", "The same between the two segments of the hello.")
def _():
    c = talk(587, *SMTP_HEAD, SMTP_OFFER, b"STARTTLS\r\n", (b"220 go\r\n",))
    a, b = w.pieces(w.records(w.hello13("reset-in-hello.example.com")), [100])
    return c.say(a[1]).s(c.got, b"", w.RST).say(b[1])


@case("talk-fin-before-data.pcap", "A client's FIN of which nothing else was seen, before its data.")
def _():
    hello = MYSQL_SSL + w.records(w.hello13("fin-before-data.example.com"))
    c = w.Tcp(dport=3306).s(-1, b"", w.SYN | w.ACK).s(0, MYSQL_GREETING)
    c.c(len(hello), b"", w.FIN | w.ACK).s(c.got, b"", w.FIN | w.ACK)
    return c.c(0, hello)


@case("upgrade-stripped-postgresql.pcap", "A server says S, and the next time N: its answer depends on nothing else.")
def _():
    yes = talk(5432, SSL_REQUEST, (b"S",), name="postgresql3.example.com")
    start = b"\0\3\0\0user\0app\0\0"
    no = talk(5432, SSL_REQUEST, (b"N",), struct.pack("!I", len(start) + 4) + start, sport=49153)
    return yes.frames() + no.close().frames()


@case("upgrade-two-servers-one-proxy.pcap", "Through one SOCKS proxy a server that offers STARTTLS and one that does not.")
def _():
    frames = []
    for n, offer in enumerate((SMTP_OFFER, (SMTP_OFFER[0].replace(b"250-STARTTLS\r\n", b""),))):
        head = (b"\5\1\0", (b"\5\0",), b"\5\1\0\1\xc6\x33\x64" + bytes([n]) + b"\0\x19")
        granted = (b"\5\0\0\1\xc6\x33\x64" + bytes([n]) + b"\0\x19",)
        frames += talk(1080, *head, granted, *SMTP_HEAD, offer, b"QUIT\r\n", sport=49152 + n).close().frames()
    return frames


@case("talk-hello-mid-stream.pcap", "A hello, and more, of a client whose request was not seen, behind a server's greeting.")
def _():
    c = w.Tcp(dport=110).s(-1, b"", w.SYN | w.ACK)
    hello = w.records(w.hello13("mid-stream.example.com"))
    c.c(6 + len(hello), w.noise("more", 80)).s(0, b"+OK ready\r\n")
    return c.c(6, hello)
