# SPDX-License-Identifier: BSD-3-Clause
"""What no package brings: somebody on the path, and a server of TDS."""

import contextlib
import socket
import ssl
import struct
import threading

from lab import SECONDS


class Path(threading.Thread):
    """Somebody between client and server: listens on `port`, connects to `server`, one thread a direction.

    `said(line)` and `answered(line)` see each line of client and server, or each LDAP message, and
    return what is to be passed on. Once the client speaks TLS, everything passes untouched.
    """

    def __init__(self, port, server, said=None, answered=None):
        super().__init__(daemon=True)
        self.server = server
        self.said = said or (lambda line: line)
        self.answered = answered or (lambda line: line)
        self.socket = socket.create_server(("127.0.0.1", port))
        self.start()

    def run(self):
        while True:
            client, _ = self.socket.accept()
            server = socket.create_connection(("127.0.0.1", self.server), SECONDS)
            for s in client, server:
                s.settimeout(None)
            in_tls = threading.Event()
            for ends in (client, server, self.said, in_tls), (server, client, self.answered, in_tls):
                threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    @staticmethod
    def _pass_on(source, sink, change, in_tls):
        held = b""
        with contextlib.suppress(OSError):
            while more := source.recv(65536):
                held += more
                if held[0] in (0x16, 0x17, 0x14, 0x15):
                    in_tls.set()
                while not in_tls.is_set() and (n := _message(held)) > 0:
                    sink.sendall(change(held[:n]))
                    held = held[n:]
                if in_tls.is_set():
                    sink.sendall(held)
                    held = b""
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def _message(held):
    """The length of the first line or LDAP message of `held`, 0: not whole yet."""
    if held[:1] != b"\x30":
        return held.find(b"\n") + 1
    if len(held) < 2:
        return 0
    octets = held[1] & 0x7F if held[1] & 0x80 else 0
    length = int.from_bytes(held[2 : 2 + octets], "big") if octets else held[1]
    whole = 2 + octets + length
    return whole if len(held) >= whole else 0


class Swallow:
    """Passes all on, but nothing of the server's from the client's `trigger` on."""

    def __init__(self, port, server, trigger):
        self.trigger = trigger
        self.asked, self.swallowed = threading.Event(), threading.Event()
        Path(port, server, self._said, self._answered)

    def _said(self, line):
        if self.trigger in line:
            self.asked.set()
        return line

    def _answered(self, line):
        if not self.asked.is_set():
            return line
        self.swallowed.set()
        return b""


class Stripper:
    """Takes TLS out of the dialogues of a text protocol. `mode`, which may be changed between them:

    pass     nothing is touched
    blank    the word of the server's offer becomes XXXXXXXX
    remove   the offer is cut out: its line, or the word where others share the line
    command  the word of the client's request becomes XXXXXXXX
    """

    def __init__(self, port, server, word):
        self.mode, self.word = "pass", word
        Path(port, server, self._said, self._answered)

    def _said(self, line):
        return self._blank(line) if self.mode == "command" else line

    def _answered(self, line):
        if self.mode == "blank":
            return self._blank(line)
        if self.mode == "remove" and self.word in line:
            alone = line.split(b"-")[-1].strip() == self.word  # 250-STARTTLS, STLS
            return b"" if alone else line.replace(b" " + self.word, b"")
        return line

    def _blank(self, line):
        return line.replace(self.word, b"X" * len(self.word))


START_TLS = b"1.3.6.1.4.1.1466.20037"  # LDAP, RFC 4511 section 4.14


class LdapStripper:
    """Answers StartTLS itself: protocolError, as a server without it would. `mode`: pass or refuse."""

    def __init__(self, port, server):
        self.mode = "pass"
        Path(port, server, self._said)

    def _said(self, message):
        # The server shall say it: a name that it does not know, at equal length.
        return message.replace(START_TLS, START_TLS[:-1] + b"8") if self.mode == "refuse" else message


def without_gss(port, server):
    """A PostgreSQL server built without GSSAPI: Debian's is built with it, and behind this."""

    def serve(client):
        with client, socket.create_connection(("127.0.0.1", server), SECONDS) as s:
            if _exactly(client, 8) == bytes.fromhex("0000000804d21630"):
                client.sendall(b"N")
            back = threading.Thread(target=_copy, args=(s, client), daemon=True)
            back.start()
            _copy(client, s)
            back.join(SECONDS)

    _serve(port, serve)


def _serve(port, serve):
    listener = socket.create_server(("127.0.0.1", port))

    def loop():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()


def _copy(source, sink):
    with contextlib.suppress(OSError):
        while more := source.recv(65536):
            sink.sendall(more)
        sink.shutdown(socket.SHUT_WR)


def _exactly(s, n):
    got = b""
    while len(got) < n:
        more = s.recv(n - len(got))
        if not more:
            raise EOFError
        got += more
    return got


def echo(port):
    """Says what it hears."""
    _serve(port, lambda client: _copy(client, client))


# --- TDS (MS-TDS): a server as far as its login ----------------------------------------------------

PRELOGIN, TABLE = 0x12, 0x04
ENCRYPT_OFF, ENCRYPT_ON, ENCRYPT_NOT_SUP = range(3)


class Tds:
    """Answers PRELOGIN with `encryption`, shakes hands inside packets, refuses the login."""

    def __init__(self, port, encryption, cert=None, key=None):
        self.encryption, self.cert, self.key = encryption, cert, key
        _serve(port, self._serve)

    def _serve(self, client):
        with client, contextlib.suppress(EOFError, OSError):
            client.settimeout(SECONDS)
            self._read_packet(client)
            version = b"\x0f\0\0\0\0\0"
            options = struct.pack(">BHHBHHB", 0, 11, len(version), 1, 11 + len(version), 1, 0xFF)
            client.sendall(self._packet(TABLE, options + version + bytes([self.encryption])))
            if self.encryption == ENCRYPT_NOT_SUP:
                self._read_packet(client)
                client.sendall(self._packet(TABLE, self._error()))
            else:
                self._login_in_tls(client)

    def _login_in_tls(self, client):
        """The handshake goes in packets, what follows in bare TLS; with ENCRYPT_OFF the login alone does."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # with 1.3 the server would have to speak last
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)

        def until_done(step, send, receive):
            while True:
                try:
                    step()
                    break
                except ssl.SSLWantReadError:
                    send()
                    incoming.write(receive())
            send()

        def send_in_packet():
            if outgoing.pending:
                client.sendall(self._packet(PRELOGIN, outgoing.read()))

        until_done(tls.do_handshake, send_in_packet, lambda: self._read_packet(client)[1])
        until_done(lambda: tls.read(4096), lambda: None, lambda: self._some(client))
        answer = self._packet(TABLE, self._error())
        if self.encryption != ENCRYPT_OFF:
            tls.write(answer)
            answer = outgoing.read()
        client.sendall(answer)

    @staticmethod
    def _some(client):
        more = client.recv(65536)
        if not more:
            raise EOFError
        return more

    @staticmethod
    def _error():
        text = "Login failed.".encode("utf-16-le")
        body = struct.pack("<IBBH", 18456, 1, 14, len(text) // 2) + text + b"\0\0" + struct.pack("<I", 1)
        done = b"\xfd" + struct.pack("<HHQ", 2, 0, 0)
        return b"\xaa" + struct.pack("<H", len(body)) + body + done

    @staticmethod
    def _packet(kind, data):
        return struct.pack(">BBHHBB", kind, 1, len(data) + 8, 0, 1, 0) + data

    @staticmethod
    def _read_packet(client):
        data = b""
        while True:
            kind, status, length = struct.unpack(">BBH", _exactly(client, 8)[:4])
            data += _exactly(client, length - 8)
            if status & 1:
                return kind, data
