#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The records are the same by whatever way the frames come in: a replay, DPDK, libpcap.

usage: test_dpdk.py PROGRAM CAPTURES-FOLDER [CASE...]
Skipped (77) where this machine lacks something; what a single case lacks is said at the case.
"""

import mix
import sensor
from mix import Capture, join
from sensor import NOBODY, LiveTest, dpdk, until, veth, what


def setUpModule():
    global MIX, TAGGED, MANY, JUMBO, ALL
    veth("va", "vb")
    veth("xa", "xb", mtu=1500)  # XDP wants a frame in one page
    MIX = Capture("mix", mix.mixed(mix.CAPTURES))
    TAGGED = Capture("tagged", mix.mixed(mix.SERVICE_TAGGED))
    MANY = Capture("many", mix.many(200))
    JUMBO = Capture("jumbo", mix.jumbo())
    ALL = join(MIX, MANY, TAGGED, Capture("two-ports", mix.mixed(mix.TWO_PORTS)), JUMBO)


class SameTest(LiveTest):
    def ended(self, p, capture, ts=False, **kw):
        """The ledger, and the records are those of the replay."""
        p.end()
        self.expect_ports(p, **kw)
        self.same(what(p.records(), ts), what(capture.records, ts))
        return p

    def files(self, capture, config, ts=True, **kw):
        p = self.sensor(config, **kw)
        self.taken(p, len(capture.frames))
        return self.ended(p, capture, ts, sent=len(capture.frames))

    def sent(self, capture, interface, config, counted=len, **kw):
        p = self.sensor(config)
        self.feed(p, interface, capture.frames, counted, **kw)
        return self.ended(p, capture, sent=counted(capture.frames))


class Set(LiveTest):
    def test_what_is_in_the_captures(self):
        """Or the tests below would show little."""
        records = MIX.records + MANY.records
        hellos = [r for r in records if r["record"] == "hello"]
        self.assertGreaterEqual(len(hellos), len(mix.CAPTURES) + 300)
        self.assertLessEqual({"tls", "dtls", "quic"}, {r["protocol"] for r in hellos})
        self.assertLessEqual({"tcp", "udp", "eapol"}, {r["transport"] for r in hellos})
        vias = {v for r in records for v in r.get("via", [])}
        self.assertLessEqual({"smtp", "imap", "postgresql", "eapol", "radius", "openvpn", "socks5", "rdp"}, vias)
        encaps = {e.partition(":")[0] for r in hellos for e in r.get("encap", [])}
        self.assertLessEqual({"vlan", "vxlan", "gre", "mpls", "geneve", "gtpu", "pppoe"}, encaps)
        self.assertEqual({r["hello_number"] for r in hellos}, {1, 2})
        self.assertGreater(sum(not r["complete"] for r in hellos), 2)
        self.assertLessEqual({"completed", "refused", "not_offered"},
                             {r.get("upgrade_state") for r in records if r["record"] == "event"})


class Files(SameTest):
    """net_pcap: capture files, a file a queue, the time of the file."""

    def test_one_queue(self):
        p = self.files(MIX, dpdk("net_pcap0,rx_pcap=" + MIX.path))
        self.assertEqual(p.queues("own"), len(MIX.frames))

    def test_four_queues_by_flow(self):
        p = self.files(MIX, dpdk(MIX.split(mix.by_flow, 4), workers=4))
        self.assertGreater(p.queues("handed_over"), len(MIX.frames) / 4)
        self.assertEqual(sum(p.ledger["handed_in"]), p.queues("handed_over"))

    def test_one_queue_for_four_workers(self):
        p = self.files(MIX, dpdk("net_pcap0,rx_pcap=" + MIX.path, workers=4))
        self.assertGreater(p.queues("handed_over"), len(MIX.frames) / 2)

    def test_four_queues_frame_by_frame(self):
        """Both directions and all segments by different queues, in no order: any frame may be the last."""
        p = self.files(MANY, dpdk(MANY.split(mix.in_turn, 4), workers=4), ts=False)
        self.assertGreater(p.queues("handed_over"), len(MANY.frames) / 2)

    def test_many_flows(self):
        for workers in (1, 4):
            with self.subTest(workers=workers):
                self.files(MANY, dpdk(MANY.split(mix.by_flow, workers), workers=workers))

    def test_two_ports(self):
        """A tap has a port for each direction: both meet at one worker."""
        there = [f for f in MANY.frames if f.data[:6] == MANY.frames[0].data[:6]]
        back = [f for f in MANY.frames if f.data[:6] != MANY.frames[0].data[:6]]
        self.assertGreater(len(back), 100)
        paths = [sensor.write(f"tap.{i}", part) for i, part in enumerate((there, back))]
        devices = [f"net_pcap{i},rx_pcap=" + path for i, path in enumerate(paths)]
        p = self.files(MANY, dpdk(*devices, workers=2), ts=False)
        self.assertEqual([q["frames"] for port in p.ledger["ports"] for q in port["queues"]], [len(there), len(back)])

    def test_jumbo_frames(self):
        """In several mbufs."""
        p = self.files(join(JUMBO, TAGGED), dpdk(f"net_pcap0,rx_pcap={JUMBO.path},rx_pcap={TAGGED.path}", workers=2))
        self.assertEqual(p.queues("segmented"), 1)
        self.assertGreater(JUMBO.records[0]["hello_len"], 4000)

    def test_without_hugepages(self):
        p = self.files(MIX, dpdk(MIX.split(mix.by_flow, 4), workers=4, hugepages="no"))
        self.assertIn("no hugepages", p.said())

    def test_with_hugepages(self):
        if sensor.hugepages_free() < 100:
            self.skipTest("less than 100 hugepages are free")
        p = self.files(MIX, dpdk(MIX.split(mix.by_flow, 4), workers=4, hugepages="yes"))
        self.assertNotIn("no hugepages", p.said())

    def test_as_nobody(self):
        self.files(MIX, dpdk(MIX.split(mix.by_flow, 2), workers=2, hugepages="no"), user=NOBODY)

    def test_as_nobody_with_hugepages(self):
        if sensor.hugepages_free() < 100:
            self.skipTest("less than 100 hugepages are free")
        self.files(MIX, dpdk(MIX.split(mix.by_flow, 2), workers=2, hugepages="yes"), user=NOBODY)


class Interfaces(SameTest):
    """A veth pair, fed by tcpreplay."""

    def test_rx_iface(self):
        p = self.sent(join(MIX, TAGGED, JUMBO), "va", dpdk("net_pcap0,rx_iface=vb"))
        self.assertEqual(p.queues("segmented"), 1)

    def test_rx_iface_three_workers(self):
        self.sent(join(MIX, TAGGED, JUMBO), "va", dpdk("net_pcap0,rx_iface=vb", workers=3))

    def test_af_xdp(self):
        self.sent(join(MIX, TAGGED), "xa", dpdk("net_af_xdp0,iface=xb"))

    def test_af_xdp_three_workers(self):
        self.sent(MIX, "xa", dpdk("net_af_xdp0,iface=xb", workers=3))


class AfPacket(SameTest):
    """The kernel puts IPv4 fragments together before they come (PACKET_FANOUT_FLAG_DEFRAG)."""

    def af_packet(self, queues):
        capture = join(MIX, MANY)
        self.assertLess(mix.reassembled(capture.frames), len(capture.frames))
        device = f"net_af_packet0,iface=vb,qpairs={queues},framecnt=4096"
        return self.sent(capture, "va", dpdk(device, workers=queues), mix.reassembled, chunk=self.BACKLOG)

    def test_one_queue(self):
        self.af_packet(1)

    def test_four_queues(self):
        p = self.af_packet(4)
        self.assertGreater(min(q["frames"] for q in p.ledger["ports"][0]["queues"]), 100)  # the kernel spreads

    def test_more_queues_than_are_read(self):
        """The kernel gives frames to all of them: those of a queue that nobody reads were lost uncounted."""
        why = "gives frames to 2 queues, of which 1 would be read"
        with self.assertRaisesRegex(AssertionError, "(?s)exit status 1: .*net_af_packet0: the device " + why):
            self.sensor(dpdk("net_af_packet0,iface=vb,qpairs=2"))

    def test_service_tags(self):
        """The driver puts back the outer tag that the kernel took away, but as 802.1Q's, whatever it was."""
        p = self.sensor(dpdk("net_af_packet0,iface=vb"))
        self.feed(p, "va", TAGGED.frames)
        p.end()
        self.expect_ports(p, sent=len(TAGGED.frames))
        wanted = [dict(r) for r in TAGGED.records]
        for r in wanted:
            r["encap"] = [e.replace("qinq:", "vlan:") for e in r["encap"]]
        self.assertNotEqual(wanted, TAGGED.records)
        self.same(what(p.records()), what(wanted))

    def test_jumbo_frames_are_cut(self):
        """The driver has one mbuf for a frame, and does not say that it cut it: the record does."""
        p = self.sensor(dpdk("net_af_packet0,iface=vb"))
        self.feed(p, "va", JUMBO.frames)
        p.end()
        self.expect_ports(p, sent=len(JUMBO.frames))
        self.assertEqual([(r["complete"], r["incomplete_reason"]) for r in p.records()], [(False, "snaplen")])

    def test_jumbo_frames_are_refused(self):
        with self.assertRaisesRegex(AssertionError, "(?s)exit status 1: .*net_af_packet refuses 1 queues, mtu 9000"):
            self.sensor(dpdk({"device": "net_af_packet0,iface=vb", "mtu": 9000}))


class Steering(SameTest):
    """Ports of interest, sorted out by the workers."""

    def port(self, number, rest):
        return {"steering": {"rest": rest, "services": False, "tcp": [number], "udp": [number]}}

    def is_of(self, number, frames):
        """How many frames are whole and from or to a port, as long as nothing stands before IP but Ethernet."""
        return sum(number in mix.ports(f.data) for f in frames)

    def test_drop(self):
        """No record but of port 443; each other frame is in one counter."""
        device = MIX.split(mix.by_flow, 3)
        p = self.sensor(dpdk(device, workers=3, **self.port(443, "drop")))
        self.taken(p, len(MIX.frames))
        p.end()
        self.expect_ports(p, sent=len(MIX.frames))
        self.same(what(p.records(), True), what([r for r in MIX.records if self.wanted(r)], True))
        self.assertGreater(p.queues("not_of_interest"), len(MIX.frames) / 10)
        self.assertGreaterEqual(p.ledger["frames"]["total"], self.is_of(443, MIX.frames))

    def wanted(self, r):
        """Port 443; 802.1X, which has no port; what came in fragments, of which but one has a port."""
        fragments = r.get("sni") == "dtlsfrag.example.com"
        return 443 in (r.get("src_port"), r.get("dst_port")) or r["transport"] == "eapol" or fragments

    def test_drop_to_the_frame(self):
        """Two kinds of frame and no fragment: one kind is read, the other is not."""
        capture = join(Capture("web", mix.many(10)), Capture("mail", mix.mixed(["openssl-starttls-smtp.pcap"])))
        web = self.is_of(443, capture.frames)
        self.assertGreater(len(capture.frames), web)
        p = self.sensor(dpdk(capture.split(mix.by_flow, 2), workers=2, **self.port(443, "drop")))
        self.taken(p, len(capture.frames))
        p.end()
        self.expect_ports(p, sent=len(capture.frames))
        self.assertEqual(p.queues("not_of_interest"), len(capture.frames) - web)
        self.same(what(p.records(), True), what([r for r in capture.records if self.wanted(r)], True))

    def test_fragments_of_interest_are_whole(self):
        """A fragment has no port, but for the first: all of them are kept."""
        for name in ("quic-in-fragments.pcap", "ipv4-fragments-8-bytes.pcap", "ipv6-fragments.pcap"):
            with self.subTest(name):
                capture = Capture("fragments", mix.mixed([name]))
                self.assertGreater(len(capture.records), 0)
                config = dpdk(capture.split(mix.in_turn, 2), workers=2, **self.port(443, "drop"))
                self.files(capture, config, ts=False)

    def test_workers_of_the_rest(self):
        """All records, and those of port 443 by the first three of four workers."""
        p = self.files(MIX, dpdk(MIX.split(mix.by_flow, 4), workers=4, **self.port(443, "workers")))
        self.assertEqual(p.queues("not_of_interest"), 0)
        self.assertGreater(p.ledger["handed_in"][3], len(MIX.frames) / 10)

    def test_who_reads_what(self):
        """One worker reads the port of interest, the other the rest, whichever queue it comes by."""
        web, mail = mix.many(10), mix.mixed(["openssl-starttls-smtp.pcap", "openssl-starttls-imap.pcap"])
        capture = join(Capture("mail", mail), Capture("web", web))
        p = self.sensor(dpdk(capture.split(mix.in_turn, 2), workers=2, **self.port(443, "workers")))
        self.taken(p, len(capture.frames))
        self.assertTrue(until(lambda: p.metric("frames_total") >= len(capture.frames)))
        frames = {k[1][1]: v for k, v in p.metrics().items() if k[0] == "hellotap_frames_total"}
        p.end()
        self.expect_ports(p, sent=len(capture.frames))
        self.assertEqual(frames, {"0": len(web), "1": len(mail)})

    def test_by_the_table_of_services(self):
        """The default ports of interest; mail is among them, 49152 is not."""
        capture = join(Capture("web", mix.many(10)), Capture("mail", mix.mixed(["openssl-starttls-smtp.pcap"])))
        p = self.files(capture, dpdk("net_pcap0,rx_pcap=" + capture.path, steering={"rest": "drop"}))
        self.assertEqual(p.queues("not_of_interest"), 0)


class Libpcap(SameTest):
    def capture(self, workers):
        p = self.sensor({"interfaces": ["vb"], "workers": {"count": workers}})
        self.feed(p, "va", ALL.frames, chunk=self.BACKLOG)
        p.end()
        self.expect(p, frames=len(ALL.frames))
        self.assertEqual(p.ledger["workers"], workers)
        self.same(what(p.records()), what(ALL.records))

    def test_one_worker(self):
        self.capture(1)

    def test_three_workers(self):
        self.capture(3)


if __name__ == "__main__":
    sensor.main(["tcpdump"], ["dpdk", "yaml", "microhttpd"])
