# SPDX-License-Identifier: BSD-3-Clause
"""The clients of several cases."""

import contextlib
import socket

from lab import DOMAIN, PASSWORD, SECONDS, USER

MAIL = "mail." + DOMAIN
AS_USER = ["-u", f"{USER}:{PASSWORD}"]  # curl
STUNNEL_PORT = 2


def s_client(lab, port, sni, *options, starttls=None, fails=False):
    """openssl s_client: handshake, then end of input."""
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-brief", "-CAfile", lab.ca]
    argv += ["-servername", sni, "-verify_return_error"]
    argv += ["-starttls", starttls] if starttls else []
    return lab.run([*argv, *options], fails=fails)


def curl(lab, url, *options, fails=False):
    return lab.run(["curl", "-sS", "--cacert", lab.ca, "-m", str(SECONDS), *options, url], fails=fails)


def send_mail(lab, url, *options):
    mail = lab.write("mail.txt", f"From: <a@{DOMAIN}>\r\nTo: <b@{DOMAIN}>\r\nSubject: test\r\n\r\ntext\r\n")
    return curl(lab, url, "--mail-from", "a@" + DOMAIN, "--mail-rcpt", "b@" + DOMAIN, "-T", mail, *options)


@contextlib.contextmanager
def stunnel(lab, port, sni, protocol, *lines):
    """stunnel as the TLS client of somebody who speaks no TLS and connects to STUNNEL_PORT."""
    config = f"""foreground = yes
pid =
debug = 6
[{protocol}]
client = yes
accept = 127.0.0.1:{STUNNEL_PORT}
connect = 127.0.0.1:{port}
protocol = {protocol}
sni = {sni}
CAfile = {lab.ca}
verifyChain = yes
"""
    path = lab.write(f"stunnel-{protocol}.conf", config + "".join(line + "\n" for line in lines))
    p = lab.start(["stunnel4", path], STUNNEL_PORT, name=f"stunnel-{protocol}")
    try:
        yield
    finally:
        lab.stop(p)


def talk(port, *exchanges):
    """A dialogue by hand: (what to send or None, what must be in the answer; b"": the end) ..."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as s:
        for send, wanted in exchanges:
            if send is not None:
                s.sendall(send)
            _read_until(s, wanted, port)


def _read_until(s, wanted, port):
    answer = b""
    while wanted == b"" or wanted not in answer:
        try:
            more = s.recv(65536)
        except ConnectionResetError:
            more = b""
        if not more:
            assert wanted == b"", f"port {port}: {wanted!r} wanted, the server closed after {answer!r}"
            break
        answer += more
