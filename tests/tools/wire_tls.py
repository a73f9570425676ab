# SPDX-License-Identifier: BSD-3-Clause
"""ClientHellos of every shape, TLS records, DTLS records and fragments, SSLv2 hellos."""

import struct

from wire_net import noise, pieces

TLS12, TLS13, DTLS10, DTLS12, DTLS13 = 0x0303, 0x0304, 0xFEFF, 0xFEFD, 0xFEFC
GREASE = [0x0A0A | n << 12 | n << 4 for n in range(16)]  # RFC 8701 2

# Bytes of a client's key share: RFC 8446 4.2.8.2, RFC 7748, draft-ietf-tls-ecdhe-mlkem.
SHARE_LEN = {
    0x0017: 65,
    0x0018: 97,
    0x0019: 133,
    0x001D: 32,
    0x001E: 56,
    0x0100: 256,
    0x11EB: 65 + 1184,
    0x11EC: 1184 + 32,
    0x11ED: 97 + 1568,
    0x6399: 32 + 1184,
    0x0200: 800,
    0x0201: 1184,
    0x0202: 1568,
}

CIPHERS_13 = [0x1301, 0x1302, 0x1303]
CIPHERS_12 = [0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x009C, 0x009D, 0x002F, 0x0035]
SIG_ALGS = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]
GROUPS = [0x001D, 0x0017, 0x0018]


def v8(b):
    return struct.pack("!B", len(b)) + b


def v16(b):
    return struct.pack("!H", len(b)) + b


def v24(b):
    return struct.pack("!I", len(b))[1:] + b


def u16s(values):
    return b"".join(struct.pack("!H", v) for v in values)


# ---- Extensions: (type, body)


def sni(name):
    """server_name with one host_name (RFC 6066 3). name: text, or bytes as they are."""
    name = name.encode() if isinstance(name, str) else name
    return 0x0000, v16(b"\0" + v16(name))


def status_request():
    return 0x0005, b"\x01\0\0\0\0"


def groups(ids=GROUPS):
    return 0x000A, v16(u16s(ids))


def point_formats(f=b"\0"):
    return 0x000B, v8(f)


def sig_algs(ids=SIG_ALGS):
    return 0x000D, v16(u16s(ids))


def alpn(*names):
    return 0x0010, v16(b"".join(v8(n if isinstance(n, bytes) else n.encode()) for n in names))


def padding(n):
    return 0x0015, bytes(n)


def extended_master_secret():
    return 0x0017, b""


def session_ticket(body=b""):
    return 0x0023, body


def psk(identity_len=64, binder_len=32, num=1):
    """pre_shared_key; has to be the last extension (RFC 8446 4.2.11)."""
    ids = b"".join(v16(noise("psk%d" % i, identity_len)) + noise("age%d" % i, 4) for i in range(num))
    return 0x0029, v16(ids) + v16(b"".join(v8(noise("binder%d" % i, binder_len)) for i in range(num)))


def early_data():
    return 0x002A, b""


def versions(*ids):
    return 0x002B, v8(u16s(ids))


def cookie(c):
    return 0x002C, v16(c)


def psk_modes(modes=b"\x01"):
    return 0x002D, v8(modes)


def key_share(*ids):
    """One share of the right size a group; a GREASE group has one byte (RFC 8701 4.1)."""
    shares = b""
    for g in ids:
        shares += struct.pack("!H", g)
        shares += v16(b"\0" if g in GREASE else noise("share%04x" % g, SHARE_LEN[g]))
    return 0x0033, v16(shares)


def transport_parameters(params, codepoint=0x0039):
    """quic_transport_parameters (RFC 9000 18). params: (id, value)."""
    import wire_quic as q

    return codepoint, b"".join(q.varint(i) + q.varint(len(v)) + v for i, v in params)


def ech_outer(payload_len=144, config_id=0x5A, kem_len=32):
    """encrypted_client_hello, outer (RFC 9849 5): HKDF-SHA256 with AES-128-GCM."""
    return 0xFE0D, b"\0" + struct.pack("!HHB", 1, 1, config_id) + v16(noise("ech", kem_len)) + v16(
        noise("echpayload", payload_len)
    )


def grease(n, body=b""):
    return GREASE[n], body


def renegotiation_info():
    return 0xFF01, b"\0"


# ---- Messages


def handshake(kind, body):
    return bytes([kind]) + v24(body)


def hello_body(version=TLS12, random=None, session_id=b"", ciphers=(), compression=b"\0", exts=None, dtls_cookie=None):
    """ClientHello without its 4-byte header. exts None: the message ends after compression."""
    b = struct.pack("!H", version) + (random or noise("random", 32)) + v8(session_id)
    if dtls_cookie is not None:
        b += v8(dtls_cookie)
    b += v16(u16s(ciphers)) + v8(compression)
    if exts is not None:
        b += v16(b"".join(struct.pack("!H", t) + v16(e) for t, e in exts))
    return b


def client_hello(**kw):
    return handshake(1, hello_body(**kw))


def hello12(name="tls12.example.com", **kw):
    """A TLS 1.2 client."""
    exts = [
        sni(name),
        extended_master_secret(),
        renegotiation_info(),
        groups(),
        point_formats(),
        session_ticket(),
        alpn("h2", "http/1.1"),
        status_request(),
        sig_algs(),
    ]
    return client_hello(**{"ciphers": CIPHERS_12, "exts": exts} | kw)


def exts13(name="www.example.com", protocols=("h2", "http/1.1"), share=(0x001D,), more=(), last=()):
    return [
        sni(name),
        extended_master_secret(),
        renegotiation_info(),
        groups(),
        point_formats(),
        session_ticket(),
        alpn(*protocols),
        status_request(),
        sig_algs(),
        *more,
        key_share(*share),
        psk_modes(),
        versions(TLS13, TLS12),
        *last,
    ]


def hello13(name="www.example.com", share=(0x001D,), more=(), last=(), **kw):
    """A TLS 1.3 client in compatibility mode (RFC 8446 D.4)."""
    return client_hello(
        **{
            "session_id": noise("sid", 32),
            "ciphers": CIPHERS_13 + CIPHERS_12,
            "exts": exts13(name, share=share, more=more, last=last),
        }
        | kw
    )


def hello_browser(name="pq.example.com", share=0x11EC, ech=True, last=(), **kw):
    """GREASE everywhere, a post-quantum share, ECH: about 1.8 kB."""
    exts = [
        grease(2),
        sni(name),
        extended_master_secret(),
        renegotiation_info(),
        groups([GREASE[4], share, *GROUPS]),
        point_formats(),
        session_ticket(),
        alpn("h2", "http/1.1"),
        status_request(),
        sig_algs(),
        key_share(GREASE[4], share, 0x001D),
        psk_modes(),
        versions(GREASE[6], TLS13, TLS12),
        (0x001B, v8(u16s([2]))),
        (0x44CD, v16(v8(b"h2"))),
    ]
    exts += [ech_outer()] if ech else []
    exts += [grease(9, b"\0"), *last]
    return client_hello(
        **{"session_id": noise("sid", 32), "ciphers": [GREASE[1], *CIPHERS_13, *CIPHERS_12], "exts": exts} | kw
    )


HRR_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def server_hello(random=None, session_id=b"", cipher=0x1301, exts=(), version=TLS12):
    b = struct.pack("!H", version) + (random or noise("srandom", 32)) + v8(session_id)
    b += struct.pack("!HB", cipher, 0)
    b += v16(b"".join(struct.pack("!H", t) + v16(e) for t, e in exts))
    return handshake(2, b)


def server_hello13(group=0x001D, session_id=b"", **kw):
    share = struct.pack("!H", group) + v16(noise("sshare", SHARE_LEN.get(group, 32)))
    return server_hello(session_id=session_id, exts=[(0x002B, struct.pack("!H", TLS13)), (0x0033, share)], **kw)


def hello_retry_request(group=0x0017, session_id=b"", cookie_bytes=None, version=TLS13, legacy=TLS12):
    exts = [(0x002B, struct.pack("!H", version)), (0x0033, struct.pack("!H", group))]
    exts += [cookie(cookie_bytes)] if cookie_bytes else []
    return server_hello(HRR_RANDOM, session_id, exts=exts, version=legacy)


# ---- TLS records


def record(body, kind=22, version=0x0301):
    return struct.pack("!BH", kind, version) + v16(body)


def records(message, cuts=(), version=0x0301):
    """A handshake message over records cut at the given offsets."""
    return b"".join(record(part, version=version) for _, part in pieces(message, cuts))


def alert(level=2, code=40, version=0x0303):
    return record(bytes([level, code]), 21, version)


CCS = record(b"\x01", 20, 0x0303)


def app_data(n=64, label="app"):
    return record(noise(label, n), 23, 0x0303)


def ssl2_hello(
    version=0x0002,
    specs=(0x010080, 0x020080, 0x030080, 0x040080, 0x060040, 0x0700C0),
    session_id=b"",
    challenge_len=16,
    three_byte=False,
):
    """SSLv2 CLIENT-HELLO (draft-hickman-netscape-ssl-00 2.5), also as sent by TLS clients (RFC 5246 E.2)."""
    s = b"".join(struct.pack("!I", c)[1:] for c in specs)
    b = struct.pack("!BHHHH", 1, version, len(s), len(session_id), challenge_len)
    b += s + session_id + noise("challenge", challenge_len)
    if three_byte:  # with padding, so that the header has three bytes
        return struct.pack("!HB", len(b) + 3, 3) + b + bytes(3)
    return struct.pack("!H", 0x8000 | len(b)) + b


# ---- DTLS


def dtls_record(body, seq=0, kind=22, version=DTLS12, epoch=0):
    return struct.pack("!BHH", kind, version, epoch) + struct.pack("!Q", seq)[2:] + v16(body)


def dtls_fragment(message, offset=0, length=None, msg_seq=0):
    """One fragment of a handshake message that has its 4-byte TLS header (RFC 6347 4.2.2)."""
    body = message[4:]
    part = body[offset:] if length is None else body[offset : offset + length]
    return (
        message[:4]
        + struct.pack("!H", msg_seq)
        + struct.pack("!I", offset)[1:]
        + struct.pack("!I", len(part))[1:]
        + part
    )


def hello_dtls12(name="dtls.example.com", dtls_cookie=b"", **kw):
    exts = [
        sni(name),
        extended_master_secret(),
        renegotiation_info(),
        groups(),
        point_formats(),
        session_ticket(),
        alpn("webrtc", "c-webrtc"),
        sig_algs(),
        (0x000E, v16(u16s([1, 7])) + b"\0"),
    ]
    return client_hello(
        **{
            "version": DTLS12,
            "dtls_cookie": dtls_cookie,
            "ciphers": [0xC02B, 0xC02F, 0xC02C, 0xC030, 0xC009, 0xC013],
            "exts": exts,
        }
        | kw
    )


def hello_dtls13(name="dtls13.example.com", more=(), **kw):
    exts = [sni(name), groups(), sig_algs(), key_share(0x001D), psk_modes(), versions(DTLS13, DTLS12), *more]
    return client_hello(**{"version": DTLS12, "dtls_cookie": b"", "ciphers": CIPHERS_13 + [0xC02B], "exts": exts} | kw)


def hello_verify_request(c, msg_seq=0, seq=0, version=DTLS10):
    return dtls_record(
        dtls_fragment(handshake(3, struct.pack("!H", version) + v8(c)), msg_seq=msg_seq), seq, version=version
    )
