# SPDX-License-Identifier: BSD-3-Clause
"""What no package brings: somebody on the path, and a server of TDS."""
import contextlib
import re
import socket
import ssl
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
    """Passes all on but the answer to `trigger`."""

    def __init__(self, port, server, trigger):
        self.trigger = re.compile(trigger, re.IGNORECASE)
        self.asked, self.swallowed = threading.Event(), threading.Event()
        Path(port, server, self._said, self._answered)

    def _said(self, line):
        if self.trigger.search(line):
            self.asked.set()
        return line

    def _answered(self, line):
        if not self.asked.is_set():
            return line
        self.swallowed.set()
        return b""
