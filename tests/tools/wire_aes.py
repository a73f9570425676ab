# SPDX-License-Identifier: BSD-3-Clause
"""AES-128 and AES-128-GCM sealing in plain Python: slow, and enough for a few packets."""


def _xtime(a):
    return (a << 1 ^ 0x1B) & 0xFF if a & 0x80 else a << 1


def _make_sbox():
    """FIPS 197 5.1.1: inverse in GF(2^8), then the affine map."""
    exp, log, x = [0] * 256, [0] * 256, 1
    for i in range(255):
        exp[i], log[x] = x, i
        x ^= _xtime(x)  # powers of the generator 3
    box = []
    for a in range(256):
        b = exp[(255 - log[a]) % 255] if a else 0
        s = 0x63
        for r in range(5):
            s ^= (b << r | b >> (8 - r)) & 0xFF
        box.append(s)
    return box


SBOX = _make_sbox()


def _expand(key):
    w = [list(key[i : i + 4]) for i in range(0, 16, 4)]
    rcon = 1
    for i in range(4, 44):
        t = list(w[i - 1])
        if i % 4 == 0:
            t = [SBOX[b] for b in t[1:] + t[:1]]
            t[0] ^= rcon
            rcon = _xtime(rcon)
        w.append([a ^ b for a, b in zip(w[i - 4], t)])
    return [sum(w[r * 4 : r * 4 + 4], []) for r in range(11)]


class Aes128:
    def __init__(self, key):
        self.rounds = _expand(key)

    def block(self, data):
        s = [a ^ b for a, b in zip(data, self.rounds[0])]
        for r in range(1, 11):
            s = [SBOX[s[(i + 4 * (i % 4)) % 16]] for i in range(16)]  # SubBytes, ShiftRows
            if r < 10:
                t = []
                for c in range(0, 16, 4):
                    a = s[c : c + 4]
                    x = a[0] ^ a[1] ^ a[2] ^ a[3]
                    t += [a[i] ^ x ^ _xtime(a[i] ^ a[(i + 1) % 4]) for i in range(4)]
                s = t
            s = [a ^ b for a, b in zip(s, self.rounds[r])]
        return bytes(s)


def _ghash(h, data):
    """NIST SP 800-38D 6.4. Bit 0 is the leftmost."""
    y = 0
    for i in range(0, len(data), 16):
        x = y ^ int.from_bytes(data[i : i + 16], "big")
        z, v = 0, h
        for bit in range(127, -1, -1):
            if x >> bit & 1:
                z ^= v
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
        y = z
    return y


def gcm_seal(key, nonce, plain, aad):
    """Ciphertext with its 16-byte tag, for a 12-byte nonce."""
    aes = Aes128(key)
    blocks = (len(plain) + 15) // 16
    stream = b"".join(aes.block(nonce + (i + 2).to_bytes(4, "big")) for i in range(blocks))
    out = bytes(a ^ b for a, b in zip(plain, stream))
    pad = lambda b: b + bytes(-len(b) % 16)
    sizes = (len(aad) * 8).to_bytes(8, "big") + (len(out) * 8).to_bytes(8, "big")
    h = int.from_bytes(aes.block(bytes(16)), "big")
    s = _ghash(h, pad(aad) + pad(out) + sizes).to_bytes(16, "big")
    return out + bytes(a ^ b for a, b in zip(s, aes.block(nonce + b"\0\0\0\1")))
