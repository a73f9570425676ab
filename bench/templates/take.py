#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""take.py [NAME...]: makes bench/templates/*.hex from the clients installed here.

Each client is pointed at a socket on 127.0.0.1 that reads its first flight and answers nothing: a
ClientHello needs no server. Needs openssl, curl, gnutls-cli, chromium and firefox, in a PATH as the
distribution gives it; one that is missing is left out with a line that says so.
"""

import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "tools"))
from wire_aes import Aes128  # noqa: E402
from wire_quic import initial_keys  # noqa: E402

NAME = "www.example.com"


def varint(b, i):
    n = 1 << (b[i] >> 6)
    return int.from_bytes(b[i:i + n], "big") & ((1 << (8 * n - 2)) - 1), i + n


def open_initial(d):
    """CRYPTO frames {offset: bytes} of the version 1 Initial that a datagram begins with."""
    if len(d) < 1200 or d[0] & 0xF0 != 0xC0 or d[1:5] != b"\0\0\0\1":
        return {}
    dcid = d[6:6 + d[5]]
    i = 6 + d[5]
    i += 1 + d[i]
    token, i = varint(d, i)
    length, i = varint(d, i + token)
    key, iv, hp = initial_keys(dcid)
    mask = Aes128(hp).block(d[i + 4:i + 20])
    n = ((d[0] ^ mask[0]) & 3) + 1
    pn = bytes(a ^ b for a, b in zip(d[i:i + n], mask[1:]))
    nonce = bytes(a ^ b for a, b in zip(iv, pn.rjust(12, b"\0")))
    sealed, aes, plain = d[i + n:i + length - 16], Aes128(key), b""
    for k in range(0, len(sealed), 16):  # GCM encrypts with the counter from 2 on
        block = aes.block(nonce + struct.pack("!I", 2 + k // 16))
        plain += bytes(a ^ b for a, b in zip(sealed[k:k + 16], block))
    frames, i = {}, 0
    while i < len(plain):
        if plain[i] in (0, 1):
            i += 1
        elif plain[i] == 6:
            offset, i = varint(plain, i + 1)
            size, i = varint(plain, i)
            frames[offset] = plain[i:i + size]
            i += size
        else:
            break  # another client's keys, or an ACK: not a first flight
    return frames


def hello_tcp(sock, until):
    sock.listen(8)
    while time.monotonic() < until:
        try:
            conn = sock.accept()[0]
        except TimeoutError:
            continue
        conn.settimeout(2)
        got = b""
        try:
            while len(got) < 5 or len(got) < 5 + int.from_bytes(got[3:5], "big"):
                more = conn.recv(65536)
                if not more:
                    break
                got += more
        except TimeoutError:
            pass
        conn.close()
        if len(got) > 9 and got[0] == 0x16 and got[5] == 1:
            return got[5:5 + int.from_bytes(got[3:5], "big")]
    return None


def hello_quic(sock, until):
    flows = {}
    while time.monotonic() < until:
        try:
            d, peer = sock.recvfrom(65536)
        except TimeoutError:
            continue
        have = flows.setdefault(peer, {})
        for offset, part in open_initial(d).items():
            for k, byte in enumerate(part):
                have[offset + k] = byte
        if all(k in have for k in range(4)):
            size = 4 + (have[1] << 16 | have[2] << 8 | have[3])
            if have[0] == 1 and all(k in have for k in range(size)):
                return bytes(have[k] for k in range(size))
    return None


def chromium(port, quic):
    profile = tempfile.mkdtemp()
    args = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", f"--user-data-dir={profile}",
            "--host-resolver-rules=MAP * 127.0.0.1", "--ignore-certificate-errors"]
    if quic:
        args += ["--enable-quic", f"--origin-to-force-quic-on={NAME}:{port}"]
    return args + [f"https://{NAME}:{port}/"], profile


def firefox(port, quic):
    profile = tempfile.mkdtemp()
    prefs = {"network.dns.localDomains": NAME, "network.captive-portal-service.enabled": False,
             "network.connectivity-service.enabled": False, "app.update.enabled": False,
             "browser.shell.checkDefaultBrowser": False, "network.http.speculative-parallel-limit": 0,
             "toolkit.telemetry.enabled": False, "datareporting.policy.dataSubmissionEnabled": False}
    if quic:
        prefs["network.http.http3.alt-svc-mapping-for-testing"] = f"{NAME};h3=:{port}"
        prefs["network.http.http3.force-quic-on"] = True
    with open(os.path.join(profile, "user.js"), "w") as f:
        for k, v in prefs.items():
            text = str(v).lower() if isinstance(v, bool) else str(v) if isinstance(v, int) else f'"{v}"'
            f.write(f'user_pref("{k}", {text});\n')
    return ["firefox", "--headless", "--no-remote", "--profile", profile,
            f"https://{NAME}:{port}/"], profile


def plain(*args):
    return lambda port, quic: ([a.replace("PORT", str(port)) for a in args], None)


S_CLIENT = ("openssl", "s_client", "-connect", "127.0.0.1:PORT", "-servername", NAME)
CLIENTS = {  # name: (program that tells the version, command, over QUIC)
    "openssl-tls13": (["openssl", "version"], plain(*S_CLIENT, "-alpn", "h2,http/1.1"), False),
    "openssl-tls12": (["openssl", "version"], plain(*S_CLIENT, "-tls1_2"), False),
    "curl-h2": (["curl", "--version"], plain("curl", "-sk", "--resolve", f"{NAME}:PORT:127.0.0.1",
                                             f"https://{NAME}:PORT/"), False),
    "gnutls": (["gnutls-cli", "--version"], plain("gnutls-cli", "--insecure", "-p", "PORT",
                                                  "--sni-hostname", NAME, "127.0.0.1"), False),
    "chromium": (["chromium", "--version"], chromium, False),
    "firefox": (["firefox", "--version"], firefox, False),
    "chromium-quic": (["chromium", "--version"], chromium, True),
    "firefox-quic": (["firefox", "--version"], firefox, True),
}


def take(name):
    version_of, command, quic = CLIENTS[name]
    if shutil.which(version_of[0]) is None:
        print(f"{name}: {version_of[0]} is not installed, left out")
        return
    version = subprocess.run(version_of, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if quic else socket.SOCK_STREAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(0.5)
    args, profile = command(sock.getsockname()[1], quic)
    client = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    hello = (hello_quic if quic else hello_tcp)(sock, time.monotonic() + 30)
    client.terminate()
    try:
        client.wait(10)
    except subprocess.TimeoutExpired:
        client.kill()
        client.wait()
    if profile is not None:
        shutil.rmtree(profile, ignore_errors=True)
    if hello is None:
        print(f"{name}: no hello came")
        return
    with open(os.path.join(HERE, name + ".hex"), "w") as f:
        line = (version.stdout.splitlines() or ["version unknown"])[0].split(" (")[0]
        f.write(f"# ClientHello with its handshake header, sent to a local {'UDP' if quic else 'TCP'} "
                f"socket by\n# {line}\n")
        for i in range(0, len(hello), 32):
            f.write(hello[i:i + 32].hex() + "\n")
    print(f"{name}: {len(hello)} bytes")


for name in sys.argv[1:] or CLIENTS:
    take(name)
