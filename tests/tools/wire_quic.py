# SPDX-License-Identifier: BSD-3-Clause
"""QUIC long-header packets: Initials sealed with the real keys, Retry, Version Negotiation, gQUIC."""

import hashlib
import hmac
import struct

from wire_aes import Aes128, gcm_seal
from wire_net import noise

V1, V2, DRAFT29 = 0x00000001, 0x6B3343CF, 0xFF00001D

_SALT = {  # RFC 9001 5.2, RFC 9369 3.3.1, draft-ietf-quic-tls-29 5.2
    V1: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",
    V2: "0dede3def700a6db819381be6e269dcbf9bd2ed9",
    DRAFT29: "afbfec289993d24c9e9786f19c6111e04390a899",
    0xFF00001B: "c3eef712c72ebb5a11a7d2432bb46365bef9f502",
    0x51303530: "504574efd066fe2f9d945cfcdbd3a7f0d3b56b45",
}
_RETRY = {  # RFC 9001 5.8, RFC 9369 3.3.3, draft-ietf-quic-tls-29 5.8
    V1: ("be0c690b9f66575a1d766b54e368c84e", "461599d35d632bf2239825bb"),
    V2: ("8fb4b01b56ac48e260fbcbcead7ccc92", "d86969bc2d7c6d9990efb04a"),
    DRAFT29: ("ccce187ed09a09d05728155a6cb96be1", "e54930f97f2136f0530a8c1c"),
}
# Long header types, RFC 9000 17.2 and RFC 9369 3.2
INITIAL, ZERO_RTT, HANDSHAKE, RETRY = 0, 1, 2, 3

PING, PAD = b"\x01", b"\0"


def varint(v, size=None):
    """RFC 9000 16; size forces a longer form than needed."""
    for n, bits in ((1, 6), (2, 14), (4, 30), (8, 62)):
        if v < 1 << bits and (size is None or size == n):
            return (v | {1: 0, 2: 1, 4: 2, 8: 3}[n] << (n * 8 - 2)).to_bytes(n, "big")
    raise ValueError(v)


def crypto(data, offset, length=None):
    """CRYPTO frame with the bytes [offset, offset + length) of data."""
    if offset > len(data) or offset + (length or 0) > len(data):
        raise ValueError("CRYPTO frame beyond its data")
    part = data[offset:] if length is None else data[offset : offset + length]
    return b"\x06" + varint(offset) + varint(len(part)) + part


def ack(largest, first_range=0, delay=0):
    return b"\x02" + varint(largest) + varint(delay) + varint(0) + varint(first_range)


def close(code=0):
    return b"\x1c" + varint(code) + varint(0) + varint(0)


def padding(n):
    return bytes(n)


def _expand(secret, label, n):
    """HKDF-Expand-Label with an empty context (RFC 8446 7.1), one block of output."""
    info = struct.pack("!HB", n, 6 + len(label)) + b"tls13 " + label + b"\0"
    return hmac.digest(secret, info + b"\x01", hashlib.sha256)[:n]


def initial_keys(dcid, version=V1, server=False):
    """(key, iv, hp) from the client's first destination connection id (RFC 9001 5.2)."""
    secret = hmac.digest(bytes.fromhex(_SALT[version]), dcid, hashlib.sha256)
    secret = _expand(secret, b"server in" if server else b"client in", 32)
    p = b"quicv2 " if version == V2 else b"quic "
    return _expand(secret, p + b"key", 16), _expand(secret, p + b"iv", 12), _expand(secret, p + b"hp", 16)


def first_byte(kind, version, low=0):
    if version == V2:
        kind = (kind + 1) % 4
    return 0xC0 | kind << 4 | low


def initial(
    frames,
    dcid,
    scid=b"",
    pn=0,
    version=V1,
    token=b"",
    pn_len=2,
    secret_dcid=None,
    server=False,
    pad_to=1200,
    fixed_bit=True,
    length_size=2,
):
    """A protected Initial. pad_to: size of the packet, reached with PADDING frames at its end.

    secret_dcid: connection id that the keys come from, when it is not dcid.
    """
    plain = b"".join(frames) if isinstance(frames, (list, tuple)) else frames
    b0 = first_byte(INITIAL, version, pn_len - 1) & (0xFF if fixed_bit else 0xBF)
    head = bytes([b0]) + struct.pack("!I", version)
    head += bytes([len(dcid)]) + dcid + bytes([len(scid)]) + scid
    head += varint(len(token)) + token
    room = pad_to - len(head) - length_size - pn_len - 16
    plain += bytes(max(0, room - len(plain), 4 - pn_len - len(plain)))
    head += varint(pn_len + len(plain) + 16, length_size)
    pn_bytes = pn.to_bytes(4, "big")[4 - pn_len :]
    key, iv, hp = initial_keys(dcid if secret_dcid is None else secret_dcid, version, server)
    nonce = bytes(a ^ b for a, b in zip(iv, pn.to_bytes(12, "big")))
    sealed = gcm_seal(key, nonce, plain, head + pn_bytes)
    # RFC 9001 5.4.2: the sample starts 4 bytes after the start of the packet number.
    mask = Aes128(hp).block(sealed[4 - pn_len : 20 - pn_len])
    head = bytes([head[0] ^ mask[0] & 0x0F]) + head[1:]
    return head + bytes(a ^ b for a, b in zip(pn_bytes, mask[1:])) + sealed


def opaque(kind, dcid, scid=b"", version=V1, n=200, label="opaque"):
    """A 0-RTT or Handshake packet: its payload cannot be read from outside, so any bytes will do."""
    body = noise(label, n)
    head = bytes([first_byte(kind, version, body[0] & 0x0F)]) + struct.pack("!I", version)
    head += bytes([len(dcid)]) + dcid + bytes([len(scid)]) + scid
    return head + varint(n, 2) + body


def short(dcid, n=80, label="short"):
    """A 1-RTT packet."""
    return bytes([0x40 | noise(label, 1)[0] & 0x3F]) + dcid + noise(label, n)


def retry(odcid, dcid, scid, token, version=V1):
    """Retry with its integrity tag (RFC 9001 5.8)."""
    p = bytes([first_byte(RETRY, version, 0x0F)]) + struct.pack("!I", version)
    p += bytes([len(dcid)]) + dcid + bytes([len(scid)]) + scid + token
    key, nonce = (bytes.fromhex(h) for h in _RETRY[version])
    return p + gcm_seal(key, nonce, b"", bytes([len(odcid)]) + odcid + p)


def version_negotiation(dcid, scid, versions):
    p = b"\xca" + struct.pack("!I", 0) + bytes([len(dcid)]) + dcid + bytes([len(scid)]) + scid
    return p + b"".join(struct.pack("!I", v) for v in versions)


# ---- gQUIC, clear until Q046


def chlo(tags):
    """Handshake message CHLO: sorted tags with end offsets, little endian."""
    tags = sorted(tags.items(), key=lambda t: int.from_bytes(t[0], "little"))
    index, values = b"", b""
    for tag, value in tags:
        values += value
        index += tag + struct.pack("<I", len(values))
    return b"CHLO" + struct.pack("<HH", len(tags), 0) + index + values


def gquic_q043(message, cid, pn=1):
    """Public header with version and 8-byte connection id, hash, STREAM frame on stream 1."""
    frame = b"\xa0\x01" + struct.pack("!H", len(message)) + message
    return b"\x09" + cid + b"Q043" + bytes([pn]) + noise("fnv", 12) + frame


def gquic_q046(message, cid, pn=1):
    frame = b"\xa0\x01" + struct.pack("!H", len(message)) + message
    return b"\xc3Q046\x50" + cid + struct.pack("!I", pn) + noise("fnv", 12) + frame
