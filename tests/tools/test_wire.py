#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks of the capture builder against published test vectors."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire_aes as aes
import wire_net as net
import wire_quic as q

DCID = bytes.fromhex("8394c8f03e515708")


class Crypto(unittest.TestCase):
    def test_aes128_fips197_c1(self):
        key = bytes(range(16))
        plain = bytes.fromhex("00112233445566778899aabbccddeeff")
        self.assertEqual(aes.Aes128(key).block(plain).hex(), "69c4e0d86a7b0430d8cdb78070b4c55a")

    def test_gcm_case_4(self):
        # "The Galois/Counter Mode of Operation", test case 4
        out = aes.gcm_seal(
            bytes.fromhex("feffe9928665731c6d6a8f9467308308"),
            bytes.fromhex("cafebabefacedbaddecaf888"),
            bytes.fromhex(
                "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
            ),
            bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
        )
        self.assertEqual(out[-16:].hex(), "5bc94fbc3221a5db94fae95ae7121a47")

    def test_client_keys_rfc9001_a1(self):
        key, iv, hp = q.initial_keys(DCID)
        self.assertEqual(key.hex(), "1f369613dd76d5467730efcbe3b1a22d")
        self.assertEqual(iv.hex(), "fa044b2f42a3fd3b46fb255c")
        self.assertEqual(hp.hex(), "9f50449e04a0e810283a1e9933adedd2")

    def test_client_keys_rfc9369_a1(self):
        key, iv, hp = q.initial_keys(DCID, q.V2)
        self.assertEqual(key.hex(), "8b1a0bc121284290a29e0971b5cd045d")
        self.assertEqual(iv.hex(), "91f73e2351d8fa91660e909f")
        self.assertEqual(hp.hex(), "45b95e15235d6f45a6b19cbcb0294ba9")

    def test_server_initial_rfc9001_a3(self):
        frames = bytes.fromhex(
            "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a04"
            "5a1200130100002e00330024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32b"
            "b9da1a002b00020304"
        )
        p = q.initial(frames, b"", bytes.fromhex("f067a5502a4262b5"), pn=1, secret_dcid=DCID, server=True, pad_to=0)
        self.assertEqual(
            p.hex(),
            (
                "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554"
                "780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b"
                "562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee"
            ),
        )

    def test_retry_rfc9001_a4(self):
        p = q.retry(DCID, b"", bytes.fromhex("f067a5502a4262b5"), b"token")
        self.assertEqual(p.hex(), "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba")

    def test_retry_rfc9369_a4(self):
        p = q.retry(DCID, b"", bytes.fromhex("f067a5502a4262b5"), b"token", q.V2)
        self.assertEqual(p.hex(), "cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6")


class Net(unittest.TestCase):
    def test_ipv4_header_sums_to_zero(self):
        _, p = net.ip(net.udp(b"abc", "192.0.2.1", "192.0.2.2", 1, 2), "192.0.2.1", "192.0.2.2")
        self.assertEqual(net.checksum(p[:20]), 0)

    def test_fragments_are_the_packet(self):
        l4 = net.udp(bytes(range(100)), "192.0.2.1", "192.0.2.2", 1, 2)
        parts = net.ipv4_fragments(l4, "192.0.2.1", "192.0.2.2", [8, 48])
        self.assertEqual(b"".join(p[20:] for _, p in parts), l4[1])

    def test_varint_forms(self):
        for v, h in ((37, "25"), (15293, "7bbd"), (494878333, "9d7f3e7d")):
            self.assertEqual(q.varint(v).hex(), h)
        self.assertEqual(q.varint(37, 2).hex(), "4025")


if __name__ == "__main__":
    unittest.main()
