#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A server for one client: speaks a protocol as far as STARTTLS (or CONNECT, or SOCKS), then TLS.

    responder.py PROTOCOL ADDRESS PORT CERT KEY

It prints "ready" when it listens.
"""

import re
import socket
import ssl
import struct
import sys

XMPP = (
    b"<?xml version='1.0'?><stream:stream from='example.com' id='1' xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'><stream:features>"
    b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
)
MYSQL = (
    b"8.0.36\0"
    + struct.pack("<I", 9)
    + b"saltsalt\0"
    + struct.pack("<HBHH", 0xFFFF, 33, 2, 0xDFFF)
    + b"\x15"
    + bytes(10)
    + b"saltsaltsalt\0caching_sha2_password\0"
)

W = re.compile  # what is waited for; bytes are sent
SCRIPTS = {
    "smtp": [
        b"220 mail.example.com ESMTP\r\n",
        W(rb"EHLO .*\r\n"),
        b"250-mail.example.com\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 8BITMIME\r\n",
        W(rb"STARTTLS\r\n"),
        b"220 2.0.0 Ready\r\n",
    ],
    "lmtp": [
        b"220 mail.example.com LMTP\r\n",
        W(rb"LHLO .*\r\n"),
        b"250-mail.example.com\r\n250 STARTTLS\r\n",
        W(rb"STARTTLS\r\n"),
        b"220 2.0.0 Ready\r\n",
    ],
    "pop3": [b"+OK ready\r\n", W(rb"STLS\r\n"), b"+OK begin\r\n"],
    "imap": [
        b"* OK ready\r\n",
        W(rb"CAPABILITY\r\n"),
        b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n. OK done\r\n",
        W(rb"STARTTLS\r\n"),
        b". OK begin\r\n",
    ],
    "ftp": [b"220 ftp.example.com\r\n", W(rb"AUTH TLS\r\n"), b"234 go\r\n"],
    "xmpp": [W(rb"version='1.0'>"), XMPP, W(rb"xmpp-tls'/>"), b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"],
    "irc": [W(rb"STARTTLS\r\n"), b":irc.example.com 670 * :STARTTLS successful\r\n"],
    "nntp": [
        b"200 news.example.com\r\n",
        W(rb"CAPABILITIES\r\n"),
        b"101 list\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n",
        W(rb"STARTTLS\r\n"),
        b"382 go on\r\n",
    ],
    "sieve": [b'"IMPLEMENTATION" "example"\r\n"STARTTLS"\r\nOK\r\n', W(rb"STARTTLS\r\n"), b"OK\r\n"],
    "ldap": [W(rb"1\.3\.6\.1\.4\.1\.1466\.20037"), bytes.fromhex("300c02010178070a010004000400")],
    "postgres": [W(rb"(?s)\x00\x00\x00\x08\x04\xd2\x16\x2f"), b"S"],
    "mysql": [struct.pack("<I", len(MYSQL) + 1) + b"\x0a" + MYSQL, W(rb"(?s)^.{36}")],
    "http-connect": [W(rb"(?s)CONNECT .*\r\n\r\n"), b"HTTP/1.1 200 Connection established\r\n\r\n"],
    "socks5": [
        W(rb"(?s)^\x05(\x01.|\x02..|\x03...)"),
        b"\5\0",
        W(rb"(?s)^\x05\x01\x00(\x01.{6}|\x03\x0f.{17})"),
        b"\5\0\0\1" + bytes(6),
    ],
    "socks4": [W(rb"(?s)^\x04\x01.{6}[^\x00]*\x00"), b"\0\x5a" + bytes(6)],
}


def main():
    name, host, port, cert, key = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
    listener.listen(1)
    listener.settimeout(20)
    print("ready", flush=True)
    s, _ = listener.accept()
    s.settimeout(10)
    for step in SCRIPTS[name]:
        if isinstance(step, bytes):
            s.sendall(step)
            continue
        got = b""
        while not step.search(got):
            more = s.recv(1)  # one at a time: what follows may be TLS
            if not more:
                sys.exit("responder: the client left: %r" % got)
            got += more
    try:
        t = context.wrap_socket(s, server_side=True)
        t.recv(100)
        t.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
        t.close()
    except OSError as e:
        print("responder: %s" % e, file=sys.stderr)


main()
