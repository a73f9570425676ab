#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A QUIC client or server with aioquic.

    aioquic_peer.py server ADDRESS PORT CERT KEY [--retry]
    aioquic_peer.py client ADDRESS PORT [--v2] [--v1-to-v2] [--twice]

--twice connects a second time with the ticket of the first and sends 0-RTT data.
"""

import asyncio
import ssl
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicProtocolVersion as V
from aioquic.tls import SessionTicket


async def server(host, port, cert, key, retry):
    tickets = {}
    c = QuicConfiguration(is_client=False, alpn_protocols=["hq-interop"], max_datagram_size=1200)
    c.load_cert_chain(cert, key)
    c.supported_versions = [V.VERSION_1, V.VERSION_2]
    await serve(
        host,
        port,
        configuration=c,
        retry=retry,
        session_ticket_fetcher=tickets.pop,
        session_ticket_handler=lambda t: tickets.__setitem__(t.ticket, t),
    )
    print("ready", flush=True)
    await asyncio.Event().wait()


class Client(QuicConnectionProtocol):
    pass


async def client(host, port, flags):
    c = QuicConfiguration(
        is_client=True, alpn_protocols=["hq-interop"], server_name="www.example.com", verify_mode=ssl.CERT_NONE
    )
    if "--v2" in flags:
        c.supported_versions, c.original_version = [V.VERSION_2, V.VERSION_1], V.VERSION_2
    if "--v1-to-v2" in flags:
        c.supported_versions, c.original_version = [V.VERSION_2, V.VERSION_1], V.VERSION_1
    got: list[SessionTicket] = []
    async with connect(host, port, configuration=c, create_protocol=Client, session_ticket_handler=got.append) as p:
        await p.ping()
        await asyncio.sleep(0.3)
    if "--twice" in flags:
        c.session_ticket = got[-1]
        async with connect(host, port, configuration=c, create_protocol=Client, wait_connected=False) as p:
            _, writer = await p.create_stream()
            writer.write(b"GET /\r\n")
            p.transmit()
            await p.wait_connected()
            await p.ping()


def main():
    role, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if role == "server":
        asyncio.run(server(host, port, sys.argv[4], sys.argv[5], "--retry" in sys.argv))
    else:
        asyncio.run(client(host, port, sys.argv[4:]))


main()
