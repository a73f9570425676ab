# SPDX-License-Identifier: BSD-3-Clause
"""A collector of IPFIX over TCP that does what a test wants of it: is away, stops reading, reads slowly.

Of each record it keeps which sensor it is of (sensor_id, sensor_run) and its number (sequence); everything else of it is
stepped over by the template (RFC 7011).
"""

import collections
import contextlib
import select
import socket
import struct
import threading
import time

VARIABLE = 65535
FLOW_ID, SYSTEM_INIT, DOMAIN_NAME = 148, 160, 300  # sequence, sensor_run, sensor_id: docs/ipfix.md

Number = collections.namedtuple("Number", "sensor run sequence")


class Stream:
    """What came over one connection."""

    def __init__(self):
        self.data, self.templates, self.numbers = bytearray(), {}, []

    def take(self, data):
        self.data += data
        while len(self.data) >= 16:
            version, length = struct.unpack_from(">HH", self.data)
            assert version == 10 and length >= 16, f"no IPFIX: {bytes(self.data[:16])}"
            if len(self.data) < length:
                break
            self._message(bytes(self.data[:length]))
            del self.data[:length]

    def _message(self, m):
        at = 16
        while at < len(m):
            kind, length = struct.unpack_from(">HH", m, at)
            assert length >= 4 and at + length <= len(m)
            if kind in (2, 3):
                self._templates(m[at + 4 : at + length], options=kind == 3)
            else:
                self._records(m[at + 4 : at + length], self.templates[kind])
            at += length

    def _templates(self, m, options):
        at = 0
        while at + 4 <= len(m):
            number, count = struct.unpack_from(">HH", m, at)
            at += 6 if options else 4
            fields = []
            for _ in range(count):
                element, length = struct.unpack_from(">HH", m, at)
                at += 8 if element & 0x8000 else 4
                fields.append((element, length))  # that of an enterprise has the highest bit
            self.templates[number] = fields

    def _records(self, m, fields):
        at, shortest = 0, sum(1 if n == VARIABLE else n for _, n in fields)
        while at + shortest <= len(m):
            found = {}
            for element, length in fields:
                if length == VARIABLE:
                    length, at = m[at], at + 1
                    if length == 255:
                        length, at = struct.unpack_from(">H", m, at)[0], at + 2
                if element in (FLOW_ID, SYSTEM_INIT, DOMAIN_NAME):
                    found[element] = m[at : at + length]
                at += length
            assert at <= len(m), "a record that its set does not hold"
            if FLOW_ID in found:
                run, number = (int.from_bytes(found[i], "big") for i in (SYSTEM_INIT, FLOW_ID))
                self.numbers.append(Number(found[DOMAIN_NAME].decode(), run, number))


class Collector:
    """Listens on a port of its own from up() to down(), one thread for all."""

    def __init__(self):
        self.port = 0
        self._bind()
        self.to = f"ipfix+tcp://127.0.0.1:{self.port}"
        self.listener, self.open, self.streams = None, {}, []
        self.reading, self.per_second, self.up_to = True, None, None
        self.failed, self.idle = None, 0
        self.lock, self.stop = threading.Lock(), False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _bind(self):
        """The port stays taken while nobody listens: no connection of others may have it as its own."""
        self.bound = socket.socket()
        self.bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        self.bound.bind(("127.0.0.1", self.port))
        self.port = self.bound.getsockname()[1]

    def up(self):
        self.bound.listen()
        with self.lock:
            self.listener = self.bound

    def down(self):
        """As a collector that is shut down: it reads what its TCP has acknowledged."""
        with self.lock:
            self.listener.close()
            self.listener = None
            self._bind()
            for s in self.open:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_WR)
            self.reading, self.up_to = True, None
        end = time.monotonic() + 60
        while self.open:
            assert time.monotonic() < end, "the sensor does not close its end"
            time.sleep(0.01)

    def close(self):
        self.stop = True
        self.thread.join()
        for s in [*self.open, self.bound]:
            s.close()
        self._understood()

    def _understood(self):
        """Who cannot read what came reads no more: that must not look like a collector that is slow."""
        if self.failed is not None:
            raise self.failed

    @property
    def numbers(self):
        """In the order in which they came."""
        self._understood()
        return [n for s in list(self.streams) for n in list(s.numbers)]

    def count(self):
        self._understood()
        return sum(len(s.numbers) for s in list(self.streams))

    def has_read_all(self):
        """Whether a look that began after this call found nothing to read; it waits for that look."""
        begun = self.idle
        end = time.monotonic() + 60
        while self.idle < begun + 2 and time.monotonic() < end:
            self._understood()
            time.sleep(0.001)
        return self.idle >= begun + 2

    def _run(self):
        try:
            while not self.stop:
                with self.lock:
                    self._turn()
                time.sleep(0.001)
        except Exception as e:  # the test's own thread is to tell
            self.failed = e

    def _turn(self):
        full = self.up_to is not None and self.count() >= self.up_to
        sockets = list(self.open) if self.reading and not full else []
        listening = [self.listener] if self.listener else []
        ready = select.select(sockets + listening, [], [], 0.005)[0]
        self.idle += not ready and not full and self.reading
        for s in ready:
            if s is self.listener:
                self.open[s.accept()[0]] = Stream()
                self.streams = [*self.streams, list(self.open.values())[-1]]
                continue
            try:
                data = s.recv(8192)
            except ConnectionError:
                data = b""
            if data:
                before = len(self.open[s].numbers)
                self.open[s].take(data)
                if self.per_second is not None:
                    time.sleep((len(self.open[s].numbers) - before) / self.per_second)
            else:
                s.close()
                del self.open[s]
