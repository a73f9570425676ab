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
