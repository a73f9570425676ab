#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A TLS server that takes TCP Fast Open: fast_open.py ADDRESS PORT CERT KEY"""

import socket
import ssl
import sys

host, port, cert, key = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
listener.bind((host, int(port)))
listener.listen(5)
while True:
    s, _ = listener.accept()
    s.settimeout(5)
    try:
        t = context.wrap_socket(s, server_side=True)
        t.recv(1000)
        t.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
        t.close()
    except OSError as e:
        print("fast_open: %s" % e, file=sys.stderr)
