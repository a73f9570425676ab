# SPDX-License-Identifier: BSD-3-Clause
"""What Wireshark reads in captures, told by sharkd.

tshark takes 0.4 s to begin, whatever the capture. sharkd begins once, and forks for each one who asks: so a capture is
still read by a process of its own, which knows nothing of the others.

    with shark.Sharks() as sharks, sharks.read("x.pcap") as capture:
        for number in capture.frames("tls.handshake.type == 2"):
            tree, sources = capture.tree(number)
            shark.fields(tree, {"tls.handshake.version"})

sharkd reads a capture twice, as Wireshark does: what a frame says may come from a later one.
"""

import base64
import collections
import fnmatch
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

SUFFIX = re.compile(r"\.pcap(ng)?(\.gz|\.zst)?$")

PREFERENCES = {
    "tcp.reassemble_out_of_order": "TRUE",
    "nameres.mac_name": "FALSE",
    "nameres.transport_name": "FALSE",
    "nameres.network_name": "FALSE",
}
L2TP_OF_ETHERNET = [("l2tp.pw_type", 0, "Ethernet")]
# What has to be told to read a capture: entries of "Decode As", preferences.
MORE = [
    ("encap-vxlan-8472", [("udp.port", 8472, "VXLAN")], {}),
    ("encap-mpls-ethernet", [("mpls.label", 1007, "Ethernet PW (no CW)")], {}),
    ("encap-mpls-ethernet-mac-02", [("mpls.label", 1007, "Ethernet PW (no CW)")], {}),
    ("encap-l2tpv3-ip", L2TP_OF_ETHERNET, {"l2tp.cookie_size": "None", "l2tp.l2_specific": "None"}),
    (
        "encap-l2tpv3-ip-cookie",
        L2TP_OF_ETHERNET,
        {"l2tp.cookie_size": "8 Byte Cookie", "l2tp.l2_specific": "Default L2-Specific"},
    ),
    ("encap-l2tpv3-udp", L2TP_OF_ETHERNET, {"l2tp.cookie_size": "4 Byte Cookie", "l2tp.l2_specific": "None"}),
    ("*irc", [("tcp.port", 6667, "TLS")], {}),
    ("via-http-upgrade", [("tcp.port", 631, "TLS")], {}),
    ("via-rdp", [("tcp.port", 3389, "TLS")], {}),
    ("via-tds8", [("tcp.port", 1433, "TLS")], {}),
    ("via-postgresql-direct", [("tcp.port", 5432, "TLS")], {}),
    ("ports", [("tcp.port", port, "TLS") for port in (5432, 31337, 6443, 8883, 5061, 3269)], {}),
]


class Broken(Exception):
    """sharkd gave no answer, or refused."""


def here():
    return shutil.which("sharkd") is not None


def name_of(path):
    return SUFFIX.sub("", os.path.basename(path))


def value_of(text):
    """What stands behind == in a display filter. Other escapes than these stay: nothing that is compared has them."""
    if text.startswith('"'):
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return text


def parts(nodes, name):
    """The nodes that such a field stands in, as one of a handshake message stands for the message."""
    for node in nodes:
        below = node.get("n", ())
        if any(n.get("f", "").startswith(name + " ") for n in below):
            yield node
        yield from parts(below, name)


def fields(nodes, wanted):
    """The values of some fields in and below the nodes, each a list in the order of the frame."""
    found = collections.defaultdict(list)
    for node in nodes:
        name, equal, value = node.get("f", "").partition(" == ")
        if equal and name in wanted:
            found[name].append(value_of(value))
        for below, values in fields(node.get("n", ()), wanted).items():
            found[below] += values
    return found


class Capture:
    """A capture, read by a process of its own."""

    def __init__(self, address, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(600)
        self.socket.connect(address)
        self.stream = self.socket.makefile("rw", encoding="utf-8", errors="replace")
        self.path, self.asked = path, 0
        # Of a file that is cut short it says nothing, and has what was there.
        self.send("load", file=path)
        if "frames" not in self.ask("status"):
            raise Broken("%s: not loaded" % path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def send(self, method, **params):
        self.asked += 1
        text = json.dumps({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params})
        self.stream.write(text + "\n")
        self.stream.flush()

    def ask(self, method, **params):
        self.send(method, **params)
        for line in self.stream:
            answer = json.loads(line, strict=False) if line.strip() else {}
            if answer.get("id") == self.asked:
                break
        else:
            raise Broken("%s: %s %s: sharkd is gone" % (self.path, method, params))
        if "result" not in answer:
            raise Broken("%s: %s %s: %s" % (self.path, method, params, answer["error"]))
        return answer["result"]

    def frames(self, condition):
        """The numbers of the frames that a display filter finds."""
        return [frame["num"] for frame in self.ask("frames", filter=condition)]

    def tree(self, number):
        """A frame as Wireshark takes it apart, and the bytes that it is about: those of the frame, and what was put
        together or decrypted."""
        answer = self.ask("frame", frame=number, proto=True, bytes=True)
        sources = [answer.get("bytes", "")] + [source["bytes"] for source in answer.get("ds", ())]
        return answer["tree"], [base64.b64decode(source) for source in sources]

    def conversations(self):
        """(tcp or udp, address and port of A, of B, frames and bytes from A to B, from B to A) of each"""
        for tap in self.ask("tap", tap0="conv:TCP", tap1="conv:UDP")["taps"]:
            for c in tap["convs"]:
                ends = (c["saddr"], int(c["sport"])), (c["daddr"], int(c["dport"]))
                yield tap["proto"].lower(), *ends, (c["txf"], c["txb"]), (c["rxf"], c["rxb"])


class Sharks:
    """Those who have begun, one for each way that captures have to be read."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.lock = threading.Lock()
        self.shells = []
        self.running = {}  # how captures are read -> where one listens who does

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for shell in self.shells:
            shell.stdin.close()
            shell.wait()
        self.folder.cleanup()

    def begin(self, number, entries, preferences):
        home = os.path.join(self.folder.name, str(number))
        os.makedirs(os.path.join(home, "wireshark"))
        with open(os.path.join(home, "wireshark", "preferences"), "w", encoding="utf-8") as f:
            f.writelines("%s: %s\n" % p for p in {**PREFERENCES, **preferences}.items())
        with open(os.path.join(home, "wireshark", "decode_as_entries"), "w", encoding="utf-8") as f:
            f.writelines("decode_as_entry: %s,%d,(none),%s\n" % e for e in entries)
        address = os.path.join(home, "socket")
        # It goes to the background in our stead. The shell ends its group when our end of the pipe is closed, so also
        # when we are killed.
        script = 'sharkd "unix:$0" >/dev/null 2>&1 && read -r _; kill 0'
        shell = subprocess.Popen(
            ["sh", "-c", script, address],
            stdin=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "XDG_CONFIG_HOME": home},
        )
        self.shells.append(shell)
        for _ in range(2400):  # two minutes: the machine may be busy
            try:
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(address)
                    return address
            except OSError:
                time.sleep(0.05)
        raise Broken("sharkd does not begin")

    def read(self, path):
        name = name_of(path)
        entries, preferences = [], {}
        for pattern, more_entries, more_preferences in MORE:
            if fnmatch.fnmatchcase(name, pattern):
                entries, preferences = entries + more_entries, {**preferences, **more_preferences}
        way = repr((entries, preferences))
        with self.lock:
            if way not in self.running:
                self.running[way] = self.begin(len(self.running), entries, preferences)
        return Capture(self.running[way], path)
