# SPDX-License-Identifier: BSD-3-Clause
"""Protocols that carry TLS messages in their own packets: EAP, RADIUS, OpenVPN."""

import struct

from . import theme, w

case = theme("Carriers: TLS inside other packets")


def eapol(eap, version=2):
    return 0x888E, bytes([version, 0]) + w.v16(eap)


def eap(code, ident, body):
    return struct.pack("!BBH", code, ident, 4 + len(body)) + body


def eap_tls_messages(name, kind=13, size=100):
    """(from the peer?, EAP packet) of an exchange until the hello is through, in fragments of `size`."""
    data = w.records(w.hello12(name))
    parts = w.every(data, size)
    out = [
        (False, eap(1, 1, b"\1")),
        (True, eap(2, 1, b"\1host/laptop.example.com")),
        (False, eap(1, 2, bytes([kind, 0x20]))),
    ]
    for i, (off, part) in enumerate(parts):
        more = i + 1 < len(parts)
        head = bytes([kind, (0x80 if i == 0 else 0) | (0x40 if more else 0)])
        head += struct.pack("!I", len(data)) if i == 0 else b""
        out.append((True, eap(2, 2 + i, head + part)))
        if more:
            out.append((False, eap(1, 3 + i, bytes([kind, 0]))))
    return out


@case("via-eapol-eap-tls.pcap", "EAP-TLS over 802.1X: the hello in EAP fragments, no IP (RFC 5216).")
def _():
    frames = []
    for i, (peer, packet) in enumerate(eap_tls_messages("eaptls.example.com")):
        src, dst = (w.MAC_A, "01:80:c2:00:00:03") if peer else (w.MAC_B, w.MAC_A)
        frames.append(w.Frame(w.T0 + i * w.MS, w.ether(eapol(packet), src, dst)))
    return frames


@case("via-eapol-peap.pcap", "PEAP, the hello in one EAP packet, behind a VLAN tag.")
def _():
    frames = []
    for i, (peer, packet) in enumerate(eap_tls_messages("peap.example.com", 25, 1000)):
        src, dst = (w.MAC_A, w.MAC_B) if peer else (w.MAC_B, w.MAC_A)
        frames.append(w.Frame(w.T0 + i * w.MS, w.ether(w.vlan(eapol(packet), 10), src, dst)))
    return frames


def radius(code, ident, attributes):
    body = b"".join(bytes([t, len(v) + 2]) + v for t, v in attributes)
    return struct.pack("!BBH", code, ident, 20 + len(body)) + w.noise("auth%d" % ident, 16) + body


def radius_eap(packet):
    return [(79, part) for _, part in w.every(packet, 253)]


def radius_exchange(name, size, server=True):
    c, state = w.Udp(dport=1812), None
    for i, (peer, packet) in enumerate(eap_tls_messages(name, 13, size)[1:]):
        if peer:
            head = [(1, b"host/laptop.example.com"), (4, w.addr(w.C4)), (31, b"AE-00-5E-20-00-01")]
            c.c(radius(1, i, head + radius_eap(packet) + ([(24, state)] if state else []) + [(80, bytes(16))]))
        else:
            state = w.noise("state%d" % i, 8)
            if server:
                c.s(radius(11, i - 1, radius_eap(packet) + [(24, state), (80, bytes(16))]))
    return c


@case(
    "via-radius-eap-tls.pcap", "EAP-TLS in RADIUS: the hello over several Access-Requests and EAP-Message attributes."
)
def _():
    return radius_exchange("radius.example.com", 300 - 120)


@case("via-radius-one-sided.pcap", "The same with the requests alone.")
def _():
    return radius_exchange("radius1.example.com", 130, server=False)


def openvpn(opcode, data=b"", acks=(), pid=None, auth=b"", server=False):
    own, peer = ("server", "client") if server else ("client", "server")
    b = (
        bytes([opcode << 3])
        + w.noise(own, 8)
        + auth
        + bytes([len(acks)])
        + b"".join(struct.pack("!I", a) for a in acks)
    )
    b += w.noise(peer, 8) if acks else b""
    return b + (struct.pack("!I", pid) if pid is not None else b"") + data


def openvpn_start(auth=b""):
    c = w.Udp(dport=1194).c(openvpn(7, pid=0, auth=auth))
    return c.s(openvpn(8, acks=[0], pid=0, auth=auth, server=True))


OVPN_PARTS = [part for _, part in w.every(w.records(w.hello13("openvpn.example.com")), 100)]


@case("via-openvpn-udp.pcap", "OpenVPN over UDP: the hello over three control packets.")
def _():
    c = openvpn_start().c(openvpn(4, OVPN_PARTS[0], [0], 1)).s(openvpn(5, acks=[1], server=True))
    return c.c(openvpn(4, OVPN_PARTS[1], pid=2)).c(openvpn(4, OVPN_PARTS[2], pid=3))


@case("via-openvpn-udp-any-order.pcap", "The third packet before the second, and twice.")
def _():
    c = openvpn_start().c(openvpn(4, OVPN_PARTS[0], [0], 1))
    for i in (3, 3, 2):
        c.c(openvpn(4, OVPN_PARTS[i - 1], pid=i))
    return c


@case("via-openvpn-tls-auth.pcap", "OpenVPN over UDP with tls-auth (HMAC-SHA1).")
def _():
    auth = w.noise("hmac", 20) + struct.pack("!II", 1, 1_767_225_600)
    return openvpn_start(auth).c(openvpn(4, w.records(w.hello13("openvpnauth.example.com")), [0], 1, auth))


@case("via-openvpn-tcp.pcap", "OpenVPN over TCP, two control packets.")
def _():
    p = w.every(w.records(w.hello13("openvpntcp.example.com")), 200)
    c = w.Tcp(dport=1194).open().say(w.v16(openvpn(7, pid=0))).answer(w.v16(openvpn(8, acks=[0], pid=0, server=True)))
    return c.say(w.v16(openvpn(4, p[0][1], [0], 1)) + w.v16(openvpn(4, p[1][1], pid=2)), [150])


def framed(*packets):
    return b"".join(w.v16(p) for p in packets)


@case("via-openvpn-http-connect.pcap", "OpenVPN over TCP through an HTTP proxy, the hello in one control packet.")
def _():
    c = w.Tcp(dport=3128).open().say(b"CONNECT vpn.example.com:1194 HTTP/1.0\r\nHost: vpn.example.com\r\n\r\n")
    c.answer(b"HTTP/1.0 200 Connection established\r\n\r\n").say(framed(openvpn(7, pid=0)))
    c.answer(framed(openvpn(8, acks=[0], pid=0, server=True)))
    return c.say(framed(openvpn(4, w.records(w.hello13("openvpnproxy.example.com")), [0], 1)))


@case(
    "via-openvpn-renegotiation.pcap",
    "Handshakes of key 0 and, after a soft reset, key 1: the second hello is number 2 of its connection.",
)
def _():
    c = openvpn_start().c(openvpn(4, w.records(w.hello13("openvpn0.example.com")), [0], 1))
    c.c(openvpn(9, w.noise("data", 100)))
    again = w.records(w.hello13("openvpn1.example.com"))
    soft = bytes([3 << 3 | 1]) + openvpn(3, pid=0)[1:]
    return c.c(soft).c(bytes([4 << 3 | 1]) + openvpn(4, again, [0], 1)[1:])


@case("openvpn-packet-missing.pcap", "The second of three control packets is missing: told as incomplete, reason gap.")
def _():
    return openvpn_start().c(openvpn(4, OVPN_PARTS[0], [0], 1)).c(openvpn(4, OVPN_PARTS[2], pid=3))


@case("openvpn-tls-crypt.pcap", "tls-crypt, then tls-crypt-v2: the hello is encrypted, and counted as such.")
def _():
    def crypt(opcode, pid, n, server=False):
        head = bytes([opcode << 3]) + w.noise("server" if server else "client", 8)
        return head + struct.pack("!II", pid, 1_767_225_600) + w.noise("crypt%d%d" % (opcode, pid), n)

    c = w.Udp(dport=1194).c(crypt(7, 1, 37)).s(crypt(8, 1, 49, True)).c(crypt(4, 2, 49 + 280))
    return c.c(crypt(10, 0x0F000001, 400))


@case("via-eapol-methods.pcap", "TTLS, FAST, and TEAP with outer TLVs, by three supplicants at one authenticator.")
def _():
    frames = []
    for i, (kind, name) in enumerate(((21, "ttls"), (43, "fast"), (55, "teap"))):
        hello, tlvs = w.records(w.hello12(name + ".example.com")), bytes([0x80, 1, 0, 4]) + b"auth"
        outer = struct.pack("!II", len(hello), len(tlvs)) if kind == 55 else b""
        body = bytes([kind, 1 | (0x90 if outer else 0)]) + outer + hello + (tlvs if outer else b"")
        mac = "02:00:5e:10:00:%02x" % (0x21 + i)
        frames.append(w.Frame(w.T0 + i * w.MS, w.ether(eapol(eap(2, 9, body)), mac, w.MAC_B)))
    return frames


@case("via-eapol-hello-retry.pcap", "EAP-TLS 1.3 with a HelloRetryRequest (RFC 9190 2.1.4): two hellos, in fragments.")
def _():
    frames, ident = [], 2
    for hello in (w.hello13("retry.example.com"), w.hello13("retry.example.com", share=(0x0017,))):
        data = w.records(hello)
        for off, part in w.every(data, 200):
            more, first = off + len(part) < len(data), off == 0
            head = bytes([13, (0x80 if first else 0) | (0x40 if more else 0)])
            head += struct.pack("!I", len(data)) if first else b""
            frames.append((True, eap(2, ident, head + part)))
            ident += 1
            if more:
                frames.append((False, eap(1, ident, bytes([13, 0]))))
        frames.append((False, eap(1, ident, bytes([13, 0]) + w.record(w.hello_retry_request(0x0017)))))
    out = []
    for i, (peer, packet) in enumerate(frames[:-1]):
        src, dst = (w.MAC_A, w.MAC_B) if peer else (w.MAC_B, w.MAC_A)
        out.append(w.Frame(w.T0 + i * w.MS, w.ether(eapol(packet), src, dst)))
    return out


@case("eapol-fragment-missing.pcap", "The second of three EAP fragments is missing: told as incomplete, reason gap.")
def _():
    parts = [m for m in eap_tls_messages("missing.example.com", 13, 70) if m[0]][1:]
    packets = [p for i, (_, p) in enumerate(parts) if i != 1]
    return [w.Frame(w.T0 + i * w.MS, w.ether(eapol(p), w.MAC_A, w.MAC_B)) for i, p in enumerate(packets)]


@case(
    "via-radius-interleaved.pcap",
    "Two peers by one client, interleaved, from one port and then another, each request sent twice.",
)
def _():
    c = w.Udp(dport=1812)
    talks = [[p for peer, p in eap_tls_messages(n + ".example.com", 13, 70) if peer][1:] for n in ("anna", "bert")]
    for i, packets in enumerate(zip(*talks)):
        for user, packet in zip((b"anna", b"bert"), packets):
            for _ in range(2):
                c.c(radius(1, i, [(1, user), (4, w.addr(w.C4))] + radius_eap(packet)), sport=50000 + i // 2)
    return c


@case("radius-no-eap.pcap", "RADIUS without EAP: a password, its answer, accounting. No hello.")
def _():
    c = w.Udp(dport=1812).c(radius(1, 1, [(1, b"user"), (2, w.noise("pw", 16)), (4, w.addr(w.C4))]))
    return c.s(radius(2, 1, [(18, b"welcome")])).c(radius(4, 2, [(40, struct.pack("!I", 1)), (44, b"session")]))
