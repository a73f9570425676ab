# SPDX-License-Identifier: BSD-3-Clause
"""Cases for test_rss.py: hellotap itself reads the guest's NIC. What it says, its records, its ledger."""

import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass

import traffic
from guest import NIC_ADDRESS, Skip

WORKERS = 4
OTHER_PORT = 5000  # of no interest, where flows are steered
OTHER_FLOWS_EACH = 50
WAKE_UPS = 8


@dataclass
class Run:
    records: list  # each as JSON without what differs by run
    ledger: dict
    log: str
    files: dict

    @property
    def port(self):
        return self.ledger["ports"][0]

    def of_queues(self, counter):
        return [q[counter] for q in self.port["queues"]]


def equal(what, got, wanted):
    assert got == wanted, f"{what}: {got}, not {wanted}"


def said(run, text):
    assert text in run.log, f"it did not say {text!r}:\n{run.log}"


def comparable(text):
    """Records in an order of their own, without when and as which frame they came."""
    found = []
    for line in text.splitlines():
        record = json.loads(line)
        record.pop("ts")
        record.pop("frame", None)
        found.append(json.dumps(record, sort_keys=True))
    return sorted(found)


def replay(t, frames):
    """(records, ledger) of the frames as a capture file, on the host."""
    with tempfile.NamedTemporaryFile(suffix=".pcap") as f:
        f.write(traffic.pcap(frames))
        f.flush()
        command = [t.program, "-r", f.name, "-q", "-o", "json", "--stats", "json"]
        p = subprocess.run(command, capture_output=True, text=True, check=True)
    return comparable(p.stdout), json.loads(p.stderr)


# The pools of four workers fit into the guest's 256 MiB of huge pages as long as each has less than 2^14 frames. An inbox
# holds all that is handed to one worker: on a busy machine it may have its turn on the guest's one CPU last.
def config(idle, steering, more_ports):
    return f"""
dpdk:
  ports:
    - device: "{NIC_ADDRESS}"
      rx_descriptors: 1024
{"".join(f"    - {{device: {d}, rx_descriptors: 64}}{chr(10)}" for d in more_ports)}
  inbox_frames: 3072
  idle: {idle}
workers:
  count: {WORKERS}
outputs: ["json:records.json"]
{"steering: " + steering if steering else ""}
""".encode()


def check_config(t, text):
    with tempfile.NamedTemporaryFile(suffix=".yaml") as f:
        f.write(text)
        f.flush()
        p = subprocess.run([t.program, "-c", f.name, "--check"], capture_output=True, text=True)
    if "built without" in p.stderr:
        raise Skip(p.stderr.strip())
    equal(f"exit status of --check ({p.stderr})", p.returncode, 0)


def send(t, where, tap, frames, times):
    """The frames in as many parts; in between the workers fall asleep. Returns how many."""
    each = -(-len(frames) // times)
    sent = t.send(tap, frames[:each])
    for at in range(each, len(frames), each):
        where.asleep()
        sent += t.send(tap, frames[at : at + each])
    return sent


def run(t, where, frames, idle="sleep", steering=None, more_ports=(), times=1):
    """The program in the guest, with all that must hold for any configuration."""
    files = {"/bin/hellotap": t.program, "/hellotap.yaml": config(idle, steering, more_ports)}
    check_config(t, files["/hellotap.yaml"])
    command = ["/bin/hellotap", "-c", "/hellotap.yaml", "--stats", "json"]
    got = where.run(command, files, ready="listening on", traffic=lambda tap: send(t, where, tap, frames, times))
    assert got.status == 0, f"exit status {got.status}\n{got.stderr}\n{got.console}"
    log, ledger = got.stderr.rstrip().rsplit("\n", 1)
    r = Run(comparable(got.files["records.json"].decode()), json.loads(ledger), log, got.files)
    equal("frames sent", got.sent, len(frames))
    equal("frames that the tap refused", got.refused, 0)
    for lost in "missed", "errors", "no_mbuf":
        equal(lost, r.port[lost], 0)
    equal("frames received", r.port["received"], got.sent)
    equal("frames of the queues", sum(r.of_queues("frames")), got.sent)
    equal("frames handed over", sum(r.of_queues("handed_over")), sum(r.ledger["handed_in"]))
    equal("frames lost while handed over", sum(r.of_queues("handed_lost")), 0)
    equal("the sensors' frames", r.ledger["frames"]["total"], got.sent - sum(r.of_queues("not_of_interest")))
    equal("balanced", r.ledger["balanced"], True)
    print(f"  {len(r.records)} records; queues: {r.of_queues('frames')}, handed in: {r.ledger['handed_in']}", flush=True)
    return r


def same_records(r, wanted):
    assert len(wanted) > 100, f"{len(wanted)} records only"
    equal("records", len(r.records), len(wanted))
    for got, one in zip(r.records, wanted):
        equal("a record", got, one)


def whole_flows(t, r, frames, number):
    """No flow was two workers'. Each would have begun it, as two programs do that see a direction each."""
    equal("flows begun", r.ledger["flows"]["begun"], number)
    sides = [f for f in frames if traffic.from_client(f)], [f for f in frames if not traffic.from_client(f)]
    apart = sum(replay(t, side)[1]["flows"]["begun"] for side in sides)
    equal("flows begun by two that see a direction each", apart, 2 * number)


def spread(t, r):
    """By the NIC and nobody else."""
    said(r, "spread by the NIC over both addresses")
    least = min(r.of_queues("frames"))
    assert least > len(t.frames) / WORKERS / 3, f"a queue had {least} frames only"
    equal("frames handed over", r.of_queues("handed_over"), [0] * WORKERS)
    same_records(r, replay(t, t.frames)[0])
    whole_flows(t, r, t.frames, len(t.ends))


def virtio_net(t, where):
    r = run(t, where, t.frames)
    said(r, "driver net_virtio, 4 queues")
    spread(t, r)


def igb(t, where):
    """By uio it has no interrupts of its queues; and it has no clock that its driver offers."""
    r = run(t, where, t.frames, idle="interrupt")
    said(r, "driver net_e1000_igb, 4 queues")
    said(r, "no waiting for interrupts: by uio there is one interrupt for all")
    said(r, "time of this host, once a burst")
    spread(t, r)


def interrupts(t, where):
    """Each worker is woken by its own queue."""
    # While frames come a worker does not wait. Where the host is busy they come without an end, but for the rests.
    r = run(t, where, t.frames, idle="interrupt", times=WAKE_UPS)
    assert "no waiting for interrupts" not in r.log, r.log
    spread(t, r)
    vectors = re.findall(r"^ *\d+: +(\d+) .*vfio-msix\[(\d+)\]", r.files["interrupts"].decode(), re.M)
    woken = {int(vector): int(times) for times, vector in vectors}
    print(f"  interrupts by vector: {woken}", flush=True)
    # Vector 0 is the link's.
    asleep = [v for v in range(1, WORKERS + 1) if woken.get(v, 0) < WAKE_UPS / 2]
    equal("queues that woke nobody", asleep, [])


def two_ports(t, where):
    """A port that the NIC spreads and one that has a queue only: RSS and workers would choose differently."""
    r = run(t, where, t.frames, more_ports=["net_ring0"])
    said(r, "ports spread in different ways")
    assert sum(r.of_queues("handed_over")) > len(t.frames) / 2, "few frames were handed over"
    same_records(r, replay(t, t.frames)[0])
    whole_flows(t, r, t.frames, len(t.ends))


# --- steering -----------------------------------------------------------------------------------


def with_others(t):
    """(all frames, those of no interest)"""
    others, _ = t.flows(OTHER_FLOWS_EACH, OTHER_PORT)
    return t.frames + others, others


def steer_one(t, where):
    """One worker for the port of interest: igb has rules for IPv4, and what it does not do is handed over.

    The emulated NIC follows no rule it took: all comes with the rest.
    """
    frames, _ = with_others(t)
    r = run(t, where, frames, steering="{rest: workers, rest_workers: 3, services: false, tcp: [443]}")
    said(r, "the NIC sorts out 1 of 1 ports of interest over IPv4, 0 over IPv6")
    came = r.of_queues("frames")
    equal("frames to the first worker", came[0] + r.ledger["handed_in"][0], len(t.frames))
    equal("frames handed to the others, over whom the NIC has spread them", r.ledger["handed_in"][1:], [0, 0, 0])
    assert min(came[1:]) > 0, f"a worker of the rest had nothing: {came}"
    equal("flows begun", r.ledger["flows"]["begun"], len(t.ends) + 2 * OTHER_FLOWS_EACH)
    same_records(r, replay(t, frames)[0])


def steer_several(t, where):
    """Three workers for it: igb would take the rules, and send them everything."""
    frames, others = with_others(t)
    r = run(t, where, frames, steering="{rest: workers, rest_workers: 1, services: false, tcp: [443]}")
    said(r, "(its driver does not look at the pattern of an RSS rule): done in software")
    assert min(r.of_queues("frames")) > len(frames) / WORKERS / 3, "the NIC spreads no more"
    # Of the last worker's own are the rest's frames that came to it; others were handed in.
    equal("frames of the rest", r.of_queues("own")[3] + r.ledger["handed_in"][3], len(others))
    equal("flows begun", r.ledger["flows"]["begun"], len(t.ends) + 2 * OTHER_FLOWS_EACH)
    same_records(r, replay(t, frames)[0])


def drop(t, where):
    """The rest is counted and dropped, by the workers; RSS has spread what is of interest."""
    frames, others = with_others(t)
    r = run(t, where, frames, steering="{rest: drop, services: false, tcp: [443]}")
    said(r, "done in software")
    equal("frames of no interest", sum(r.of_queues("not_of_interest")), len(others))
    equal("frames that the NIC dropped", r.port["nic_dropped"], 0)
    equal("frames handed over", r.of_queues("handed_over"), [0] * WORKERS)
    same_records(r, replay(t, t.frames)[0])
    whole_flows(t, r, t.frames, len(t.ends))


CASES = {  # name -> (NIC, what is asked of it)
    "live-virtio-net": ("virtio-net", virtio_net),
    "live-igb": ("igb", igb),
    "interrupts": ("igb by vfio", interrupts),
    "two-ports": ("virtio-net", two_ports),
    "steer-one": ("igb", steer_one),
    "steer-several": ("igb", steer_several),
    "steer-drop": ("virtio-net", drop),
}
