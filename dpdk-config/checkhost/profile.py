# SPDX-License-Identifier: BSD-3-Clause
"""The values of a profile that say what the host must have.

This reads the part of YAML that profiles are written in: mappings by indentation, lists of "- x" or
[a, b], plain and quoted scalars. hellotap itself is what says whether a file is right; anything that is
not understood here is an error, never a guess.
"""
import re

# What the program assumes where a file says nothing (hellotap --options).
PORT = {"queues": "0", "rx_descriptors": "4096", "mtu": "1500"}
DPDK = {"hugepages": "auto", "inbox_frames": "4096", "idle": "pause", "spread": "auto"}
WORKERS = {"count": "1", "queue_mib": "16"}
SENSOR = {"max_flows": "262144", "max_hellos": "12288", "arena_bytes": "12582912", "fragment_bytes": "4194304",
          "flow_bytes": "67108864", "max_answers": "4096", "answer_bytes": "16777216"}
AGGREGATE = {"memory_mib": "320", "clients_mib": "64"}

# lib/sensor/sensor.h: what the program says of them itself.
FLOW_BYTES = 68
FLOW_RECORD_BYTES = 136  # the same, where flow records are made
HELLO_BYTES = 1100
ANSWER_BYTES = 2000

# lib/capture/capture_dpdk_port.c, pool_frames(): what can be away from a worker's pool at a time.
BURST = 32
CACHE = 256
DESCRIPTORS_LEAST = 2048
FRAME_AROUND = 26  # Ethernet, two VLAN tags, FCS
DATAROOM = 2048
# A frame in hugepages: 2176 bytes of data and headroom, the mbuf (128), the pool's header (64).
FRAME_BYTES = 2368
PAGE = 4096  # one of which a frame takes without hugepages
EAL_MIB = 96  # EAL itself, descriptor rings, inboxes


class Wrong(Exception):
    """The file is not understood."""


def _cut_comment(line):
    quote = None
    for i, c in enumerate(line):
        if quote:
            quote = None if c == quote else quote
        elif c in "\"'" and (i == 0 or line[i - 1] in " [,"):
            quote = c
        elif c == "#" and (i == 0 or line[i - 1] == " "):
            return line[:i].rstrip()
    return line.rstrip()


def _scalar(text, where):
    text = text.strip()
    if text[:1] in ("\"", "'"):
        if len(text) < 2 or text[-1] != text[0] or text[0] in text[1:-1] or "\\" in text:
            raise Wrong(f"{where}: this quoted text is not understood")
        return text[1:-1]
    if text[:1] in ("&", "*", "!", "|", ">", "{", "%", "@", "`"):
        raise Wrong(f"{where}: YAML that profiles do not use")
    return text


def _value(text, where):
    text = text.strip()
    if not text.startswith("["):
        return _scalar(text, where)
    if not text.endswith("]"):
        raise Wrong(f"{where}: a list in [ ] must be on one line")
    parts = re.findall(r"\"[^\"]*\"|'[^']*'|[^,\s][^,]*", text[1:-1])
    return [_scalar(p, where) for p in parts]


def _block(lines, at, indent, name):
    """The mapping or list that begins at lines[at]. Returns it and where it ends."""
    out = None
    while at < len(lines) and lines[at][1] >= indent:
        number, depth, text = lines[at]
        where = f"{name}:{number}"
        if depth != indent:
            raise Wrong(f"{where}: this indentation is not understood")
        item = text == "-" or text.startswith("- ")
        if out is None:
            out = [] if item else {}
        if isinstance(out, list) and not item:
            break  # a list may stand as far left as the name before it
        if item and not isinstance(out, list):
            raise Wrong(f"{where}: a list and a section are mixed")
        if item:
            rest = text[1:].lstrip()
            inner = depth + len(text) - len(rest)
            if re.match(r"[A-Za-z0-9_]+:( |$)", rest):
                # The section of a list's item begins behind its "- ".
                lines[at] = (number, inner, rest)
                value, at = _block(lines, at, inner, name)
            else:
                value, at = _value(rest, where), at + 1
            out.append(value)
            continue
        m = re.match(r"([A-Za-z0-9_]+):(?: (.*)|)$", text)
        if not m:
            raise Wrong(f"{where}: \"name: value\" was expected")
        if m.group(1) in out:
            raise Wrong(f"{where}: {m.group(1)} is there twice")
        at += 1
        if m.group(2) and m.group(2).strip():
            out[m.group(1)] = _value(m.group(2), where)
        elif at < len(lines) and (
            lines[at][1] > depth or (lines[at][1] == depth and lines[at][2].startswith("-"))
        ):
            out[m.group(1)], at = _block(lines, at, lines[at][1], name)
        else:
            out[m.group(1)] = None
    return out, at


def parse(text, name):
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        if "\t" in line[:len(line) - len(line.lstrip())]:
            raise Wrong(f"{name}:{number}: a tab indents")
        line = _cut_comment(line)
        if line.strip() and line.strip() != "---":
            lines.append((number, len(line) - len(line.lstrip()), line.lstrip()))
    if not lines:
        return {}
    out, at = _block(lines, 0, lines[0][1], name)
    if at != len(lines) or not isinstance(out, dict):
        raise Wrong(f"{name}:{lines[min(at, len(lines) - 1)][0]}: not understood")
    return out


def number(text):
    m = re.fullmatch(r"([0-9]+)([KMG]?)", text)
    if not m:
        raise Wrong(f"{text}: a number was expected")
    return int(m.group(1)) << {"": 0, "K": 10, "M": 20, "G": 30}[m.group(2)]


class Port:
    """A port of dpdk."""

    def __init__(self, values):
        v = {**PORT, **{k: x for k, x in values.items() if x is not None}}
        self.device = v.get("device", "")
        self.name, _, rest = self.device.partition(",")
        self.args = [a.partition("=")[::2] for a in rest.split(",") if a]
        self.queues = number(v["queues"])
        self.rx_descriptors = number(v["rx_descriptors"])
        self.mtu = number(v["mtu"])

    def arg(self, name, default=None):
        return next((v for k, v in self.args if k == name), default)

    @property
    def mbufs(self):
        """How many buffers its longest frame takes."""
        return (self.mtu + FRAME_AROUND - 1) // DATAROOM + 1

    @property
    def virtual(self):
        return self.name.startswith(("net_", "eth_", "virtio_user"))

    @property
    def driver(self):
        """net_pcap of net_pcap0."""
        return self.name.rstrip("0123456789")


class Profile:
    def __init__(self, path):
        self.path = path
        with open(path, encoding="utf-8") as f:
            tree = parse(f.read(), path)

        def section(name):
            v = tree.get(name) or {}
            if not isinstance(v, dict):
                raise Wrong(f"{path}: {name} is no section")
            return v

        dpdk = {**DPDK, **{k: v for k, v in section("dpdk").items() if v is not None}}
        workers = {**WORKERS, **{k: v for k, v in section("workers").items() if v is not None}}
        sensor = {**SENSOR, **{k: v for k, v in section("sensor").items() if v is not None}}
        aggregate = {**AGGREGATE, **{k: v for k, v in section("aggregate").items() if v is not None}}
        service = section("service")
        self.ports = [Port(p) for p in dpdk.get("ports") or []]
        self.hugepages = dpdk["hugepages"]
        self.inbox_frames = number(dpdk["inbox_frames"])
        self.idle = dpdk["idle"]
        self.workers = number(workers["count"])
        self.queue_mib = number(workers["queue_mib"])
        self.sensor = {k: number(sensor[k]) for k in SENSOR}
        self.records = tree.get("records") or []
        self.aggregate_mib = sum(number(aggregate[k]) for k in AGGREGATE) if "aggregate" in self.records else 0
        self.cpus = [int(c) for c in workers.get("cpus") or []]
        self.interfaces = tree.get("interfaces") or []
        self.user = service.get("user") or None
        # "json:PATH", perhaps with options behind a ?; without a path, or with "-", it is standard output. What is
        # "KIND://..." is no file.
        specs = (tree.get("outputs") or []) + [s.get("to", "") for s in tree.get("sinks") or []]
        paths = [re.sub(r"\?[a-z0-9_]+=[^?]*$", "", o).partition(":")[2] for o in specs if "://" not in o]
        self.outputs = [o for o in paths if o not in ("", "-")]

    @property
    def hardware(self):
        """Whether a NIC is read by a driver of DPDK."""
        return any(not p.virtual for p in self.ports)

    def cpu_of(self, worker):
        return self.cpus[worker] if worker < len(self.cpus) else None

    def pool_frames(self, worker):
        each = max([p.mbufs for p in self.ports], default=1)
        n = self.workers * CACHE * 2 + (3 * BURST + (self.workers - 1) * self.inbox_frames) * each
        return n + sum(max(p.rx_descriptors, DESCRIPTORS_LEAST) for p in self.ports if not p.queues or worker < p.queues)

    def pool_bytes(self, worker):
        # The pool is rounded up to 2^n - 1 frames.
        return ((1 << self.pool_frames(worker).bit_length()) - 1) * FRAME_BYTES

    def hugepage_mib(self, workers):
        """What the pools of these workers take."""
        return -(-sum(self.pool_bytes(w) for w in workers) >> 20)

    def sensor_bytes(self):
        """What the tables of all workers take, and the queues of their records; and sums of flows, of which there is
        one table."""
        s = self.sensor
        flows = "flow" in self.records or "aggregate" in self.records
        each = (FLOW_RECORD_BYTES if flows else FLOW_BYTES) * s["max_flows"] + HELLO_BYTES * s["max_hellos"]
        each += s["arena_bytes"] + s["fragment_bytes"]
        if flows:
            each += s["flow_bytes"] + ANSWER_BYTES * s["max_answers"] + s["answer_bytes"]
        return self.workers * (each + (self.queue_mib << 20)) + (self.aggregate_mib << 20)
