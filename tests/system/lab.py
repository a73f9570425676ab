# SPDX-License-Identifier: BSD-3-Clause
"""Where the system tests take place: namespaces of their own, the processes in them, the captures.

A case is a function of a Lab. It runs in new network, mount, process and host name namespaces, as
process 1 of them: however it ends, the kernel ends what it started and forgets what it mounted, and
the machine's own services, addresses and files are out of reach. Its folder is a tmpfs on /run.

    test_*.py PROGRAM CASE      exit status 0: passed, 77: cannot run here (says why), else failed
    test_*.py --list            the cases, one a line

HELLOTAP_KEEP=FOLDER keeps the captures and the servers' logs in FOLDER/CASE.
"""

import base64
import contextlib
import glob
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import traceback

WORK = "/run/lab"
DOMAIN = "example.test"
USER, PASSWORD = "alice", "correct-horse-battery"
SECONDS = 120  # for whatever has to happen; the machine may be busy
SKIPPED = 77

# The names that hellotap gives to the ports of the cases.
SERVICES = {
    21: "ftp", 25: "smtp", 110: "pop3", 119: "nntp", 143: "imap", 389: "ldap", 443: "https", 465: "smtps",
    587: "submission", 636: "ldaps", 990: "ftps", 993: "imaps", 995: "pop3s", 1194: "openvpn", 1433: "mssql",
    1812: "radius", 3306: "mysql", 4190: "sieve", 5222: "xmpp-client", 5223: "xmpp-client", 5269: "xmpp-server",
    5432: "postgresql", 6667: "irc", 6697: "ircs",
}  # fmt: skip
HELLO_KEYS = "record protocol complete hello_number transport dst_port service via sni".split()
EVENT_KEYS = "record kind dst_port service via upgrade_state seen".split()


class Skip(Exception):
    """The case cannot run on this machine."""


# --- what a case expects -----------------------------------------------------------------------


def _with_service(record):
    if record.get("dst_port") in SERVICES:
        record["service"] = SERVICES[record["dst_port"]]
    return {k: v for k, v in record.items() if v is not None and v != []}


def hello(port, sni, *via, number=1, transport="tcp"):
    """The record of a hello to `port`, reached through `via`; `number` 2 follows a HelloRetryRequest."""
    return _with_service(
        {"record": "hello", "protocol": "tls", "complete": True, "hello_number": number, "transport": transport,
         "dst_port": port, "via": list(via), "sni": sni}
    )  # fmt: skip


def retried(port, sni, *via):
    """The server asked for another hello."""
    return [hello(port, sni, *via), hello(port, sni, *via, number=2)]


def upgrade(state, port, *via):
    """The event that says what became of an upgrade."""
    return _with_service(
        {"record": "event", "kind": "upgrade", "dst_port": port, "via": list(via), "upgrade_state": state}
    )


def upgraded(port, sni, *via, how=hello):
    """A hello behind an upgrade, and the event."""
    return flat(how(port, sni, *via), upgrade("completed", port, *via))


def flat(*expected):
    return [r for e in expected for r in (e if isinstance(e, list) else [e])]


def not_tls(port, seen):
    return _with_service({"record": "event", "kind": "not_tls_on_tls_port", "dst_port": port, "seen": seen})


def in_clear(port, *via):
    """A login of which nothing more can be said: an event without a state."""
    return upgrade(None, port, *via)


def encrypted(port):
    return _with_service({"record": "event", "kind": "encrypted_hello", "dst_port": port, "via": ["openvpn"]})


# --- the namespaces ----------------------------------------------------------------------------


def _enter(program, case):
    """Runs this program again, as process 1 of new namespaces. Does not return."""
    if os.geteuid() != 0:
        raise Skip("not root: namespaces and servers want it")
    unshare = "unshare --net --mount --pid --uts --ipc --fork --kill-child --mount-proc".split()
    if subprocess.run([*unshare, "true"], stderr=subprocess.PIPE).returncode != 0:
        raise Skip("no namespaces to be had here (unshare failed)")
    os.environ["HELLOTAP_LAB"] = _network()
    sys.stdout.flush()
    again = [sys.executable, "-B", os.path.abspath(sys.argv[0]), os.path.abspath(program), case]
    os.execvp(unshare[0], [*unshare, *again])


def _network():
    return os.readlink("/proc/self/ns/net")


def _entered():
    """The machine's own mounts and addresses are at stake: nobody's environment alone may say so."""
    return os.getpid() == 1 and os.environ.get("HELLOTAP_LAB", _network()) != _network()


def _furnish():
    """Loopback, a host name with a domain, a hosts file, an empty /run, a /dev."""
    sh("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
    for folder in (WORK, "/run/lock", "/run/sendsigs.omit.d"):
        os.mkdir(folder)
    os.chmod(WORK, 0o755)
    _own_dev()
    sh("ip", "link", "set", "lo", "up")
    socket.sethostname("lab." + DOMAIN)
    names = " ".join(f"{n}.{DOMAIN}" for n in "lab mail ldap ftp db irc news www".split())
    cover("/etc/hosts", f"127.0.0.1 {names} {DOMAIN} localhost lab\n")
    cover("/etc/resolv.conf", "")


def _own_dev():
    """A /dev with what servers use and a syslog of our own: /dev/log and the console are the machine's."""
    dev = os.path.join(WORK, "dev")
    os.mkdir(dev)
    sh("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", dev)
    for folder in "net", "shm":
        os.mkdir(os.path.join(dev, folder))
    os.chmod(os.path.join(dev, "shm"), 0o1777)
    for node in "null", "zero", "full", "random", "urandom", "tty", "net/tun":
        with contextlib.suppress(FileNotFoundError):
            info = os.stat("/dev/" + node)
            os.mknod(os.path.join(dev, node), stat.S_IFCHR | 0o666, info.st_rdev)
            os.chmod(os.path.join(dev, node), 0o666)
    os.symlink("/proc/self/fd", os.path.join(dev, "fd"))
    os.symlink("/proc/self/fd/1", os.path.join(dev, "stdout"))
    os.symlink("/proc/self/fd/2", os.path.join(dev, "stderr"))
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind(os.path.join(dev, "log"))
    os.chmod(os.path.join(dev, "log"), 0o666)
    threading.Thread(target=_syslog, args=(log,), daemon=True).start()
    sh("mount", "--move", dev, "/dev")


def _syslog(socket_):
    with open(os.path.join(WORK, "syslog.log"), "ab", buffering=0) as f:
        while line := socket_.recv(65536):
            f.write(line.rstrip(b"\n\0") + b"\n")


def cover(path, content):
    """Puts `content` in the place of a file of the machine, for this case alone."""
    if not os.path.exists(path):
        raise Skip(f"{path} is not there")
    own = os.path.join(WORK, "cover-" + path.strip("/").replace("/", "-"))
    with open(own, "w") as f:
        f.write(content)
    sh("mount", "--bind", own, os.path.realpath(path))


def find(program):
    """The path of a program, or None. A pattern finds the newest."""
    if "*" in program:
        return max(glob.glob(program), default=None)
    return shutil.which(program)


def b64(text):
    return base64.b64encode(text.encode())


# The password in clear, and what base64 makes of it behind a multiple of 3, of 3 + 1, of 3 + 2 bytes.
_SECRETS = [PASSWORD.encode(), *(b64("-" * n + PASSWORD)[4:-4] for n in range(3))]


def sh(*argv):
    """A helper program that must succeed. Returns what it wrote."""
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
    said = p.stdout.decode(errors="replace")
    assert p.returncode == 0, f"{' '.join(argv)}: exit status {p.returncode}\n{said}"
    return said


def wait_for(what, condition, process=None):
    """Polls until `condition` holds."""
    end = time.monotonic() + SECONDS
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"{what}: ended with {process.returncode} before that")
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {SECONDS} s")
        time.sleep(0.01)


# --- what /proc/net says: no connection of ours gets into a capture ------------------------------

LISTEN, TIME_WAIT, CLOSE = "0A", "06", "07"


def _sockets(proto):
    for path in ("/proc/net/" + proto, "/proc/net/" + proto + "6"):
        with contextlib.suppress(FileNotFoundError), open(path) as f:
            for line in f.readlines()[1:]:
                fields = line.split()
                yield int(fields[1].rpartition(":")[2], 16), fields[3]


def listening(port, proto="tcp"):
    state = LISTEN if proto == "tcp" else CLOSE
    return (port, state) in _sockets(proto)


def no_connection():
    return all(state in (LISTEN, TIME_WAIT, CLOSE) for _, state in _sockets("tcp"))


# --- a capture and what is read from it ----------------------------------------------------------


class Capture:
    ETHERTYPE = 0x88B5  # IEEE 802: for local experiments; marks the end

    def __init__(self, lab, name, interface, only):
        self.lab, self.name, self.interface = lab, name, interface
        self.file = os.path.join(WORK, name + ".pcap")
        # Room for a thousand packets: on the loopback each has that of the longest, and tcpdump may have to wait.
        words = ["tcpdump", "-i", interface, *"-Z root -s 0 -B 65536 --immediate-mode -U -n".split()]
        if only:
            only = f"({only}) or ether proto {self.ETHERTYPE:#x}"
        self.argv = [*words, "-w", self.file, *([only] if only else [])]

    def __enter__(self):
        self.process = self.lab.start(self.argv, "listening on", name=self.name + ".tcpdump")
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            wait_for(f"{self.name}: every connection closed", no_connection)
            self._mark()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(SECONDS)
        if kind is None:
            with open(self.file.replace(".pcap", ".tcpdump.log")) as f:
                assert "\n0 packets dropped by kernel" in f.read(), f"{self.name}: packets were not captured"

    def _mark(self):
        """A frame of our own after all others: what was sent before it has been written when it has."""
        mark = os.urandom(32)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind((self.interface, 0))
            s.send(b"\xff" * 6 + b"\x02" + bytes(5) + self.ETHERTYPE.to_bytes(2, "big") + mark)

        def written():
            with open(self.file, "rb") as f:
                return mark in f.read()

        wait_for(f"{self.name}: the capture is complete", written)

    def expect(self, *expected):
        """Compares the records that hellotap reads from the capture; order does not count."""
        wanted = flat(*expected)
        p = subprocess.run(
            [self.lab.program, "-r", self.file, "-o", "json", "--stats", "json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=SECONDS,
        )
        said = p.stderr.decode()
        assert p.returncode == 0, f"{self.name}: hellotap: exit status {p.returncode}\n{said}"
        stats = [json.loads(line) for line in said.splitlines() if line.startswith('{"record":"stats"')]
        assert stats and stats[0]["balanced"], f"{self.name}: the ledger does not balance\n{said}"
        told = any(secret in p.stdout for secret in _SECRETS)
        assert not told, f"{self.name}: a record tells a password\n{p.stdout.decode()}"
        records = [json.loads(line) for line in p.stdout.decode().splitlines()]
        got = [_shape(r) for r in records]
        in_order = sorted(map(_text, wanted)), sorted(map(_text, got))
        if in_order[0] == in_order[1]:
            print(f"ok {self.name}: {', '.join(map(_short, wanted)) or 'no record'}", flush=True)
            return
        self.lab.failures.append(self.name)
        print(f"FAILED {self.name}")
        for e in _minus(*in_order):
            print("  wanted, not there:", e)
        for e in _minus(*reversed(in_order)):
            print("  there, not wanted:", e)
        for r in records:
            print("  record:", _text(r)[:1000])
        print(flush=True)


def _shape(record):
    keys = HELLO_KEYS if record["record"] == "hello" else EVENT_KEYS
    return {k: record[k] for k in keys if k in record}


def _text(record):
    return json.dumps(record, sort_keys=True)


def _minus(a, b):
    b = list(b)
    for x in a:
        if x in b:
            b.remove(x)
        else:
            yield x


def _short(r):
    what = r["record"] if r["record"] == "hello" else r.get("upgrade_state", r.get("seen"))
    return f"{what} {'/'.join(r.get('via', []))}:{r.get('dst_port', '')}"


# --- a case's lab --------------------------------------------------------------------------------


class Lab:
    def __init__(self, program):
        self.program = program
        self.failures = []
        self._ca()

    def path(self, *names):
        return os.path.join(WORK, *names)

    def write(self, name, content):
        """A file in the case's folder, with the folders on its way."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(content)
        os.chmod(path, 0o644)
        return path

    def folder(self, name, user=None, mode=0o755):
        path = self.path(name)
        os.makedirs(path)
        os.chmod(path, mode)
        if user:
            shutil.chown(path, user, user)
        return path

    def _ca(self):
        """An authority, and one certificate for every server and client of the lab."""
        ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        self.ca, self.cert, self.key = self.path("ca.pem"), self.path("cert.pem"), self.path("key.pem")
        ca_key = self.path("ca.key")
        sh("openssl", "req", "-x509", *ec, "-subj", "/CN=lab authority", "-keyout", ca_key, "-out", self.ca)
        end = ["-subj", f"/CN=lab.{DOMAIN}", "-keyout", self.key, "-out", self.cert]
        for extension in (
            f"subjectAltName=DNS:{DOMAIN},DNS:*.{DOMAIN},DNS:localhost,IP:127.0.0.1",
            "extendedKeyUsage=serverAuth,clientAuth",
            "basicConstraints=critical,CA:FALSE",
        ):
            end += ["-addext", extension]
        sh("openssl", "req", "-x509", "-CA", self.ca, "-CAkey", ca_key, *ec, *end)

    def key_for(self, user):
        """A copy of the key that `user` owns and nobody else may read."""
        path = shutil.copy(self.key, self.path(f"key-{user}.pem"))
        shutil.chown(path, user, user)
        os.chmod(path, 0o600)
        return path

    def start(self, argv, ready, name=None, user=None, **kw):
        """A server. `ready`: the TCP port it listens on, or a list of them, ("udp", port), or a text in its output."""
        name = name or os.path.basename(argv[0])
        log = self.path(name + ".log")
        if user:
            kw.update(user=user, group=user, extra_groups=[])
        with open(log, "ab") as out:
            before = out.tell()
            p = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **kw
            )

        def is_ready():
            if isinstance(ready, int):
                return listening(ready)
            if isinstance(ready, list):
                return all(map(listening, ready))
            if isinstance(ready, tuple):
                return listening(ready[1], ready[0])
            with open(log, "rb") as f:
                f.seek(before)
                return ready.encode() in f.read()

        wait_for(f"{name}: ready ({ready})", is_ready, p)
        return p

    def stop(self, p):
        p.terminate()
        p.wait(SECONDS)

    def run(self, argv, fails=False, **kw):
        """A client. `fails`: it must not succeed. Returns what it wrote."""
        p = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            **kw,
        )
        said = p.stdout.decode(errors="replace")
        with open(self.path("clients.log"), "a") as f:
            f.write(f"$ {' '.join(argv)}\n{said}[{p.returncode}]\n")
        assert (p.returncode != 0) == fails, f"{' '.join(argv)}: exit status {p.returncode}\n{said}"
        return said

    def capture(self, name, interface="lo", only=None):
        return Capture(self, name, interface, only)

    def tell(self):
        """After a failure: the last lines of every log."""
        for name in sorted(os.listdir(WORK)):
            if name.endswith(".log"):
                with open(self.path(name), errors="replace") as f:
                    lines = f.read().splitlines()[-40:]
                print(f"--- {name}", *lines, sep="\n", flush=True)


def _keep(case):
    folder = os.environ.get("HELLOTAP_KEEP")
    if folder:
        folder = os.path.join(folder, case)
        os.makedirs(folder, exist_ok=True)
        for name in os.listdir(WORK):
            if name.endswith((".pcap", ".log")):
                shutil.copy(os.path.join(WORK, name), folder)


def _run(program, case, function):
    """In the namespaces."""
    _furnish()
    lab = Lab(program)
    try:
        function(lab)
    except Skip:
        if not lab.failures:
            raise
    except Exception:
        traceback.print_exc()
        lab.failures.append("the case itself")
    finally:
        _keep(case)
    if lab.failures:
        lab.tell()
        print(f"{case}: FAILED: {', '.join(lab.failures)}")
    return 1 if lab.failures else 0


class Cases(dict):
    """The table of cases: name -> function, with what each needs."""

    def __call__(self, name, **needs):
        """needs: package="program that it brings"; underscores stand for dashes."""

        def add(function):
            function.needs = {p.replace("_", "-"): b for p, b in needs.items()}
            self[name] = function
            return function

        return add

    def main(self):
        if sys.argv[1:] == ["--list"]:
            print(*self, sep="\n")
            return 0
        if len(sys.argv) != 3 or sys.argv[2] not in self:
            print(sys.modules["__main__"].__doc__, file=sys.stderr)
            return 2
        program, case = sys.argv[1:]
        os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin"
        try:
            needs = {"iproute2": "ip", "tcpdump": "tcpdump", "openssl": "openssl", **self[case].needs}
            missing = [p for p, b in needs.items() if not find(b)]
            if missing:
                raise Skip(f"not installed: {' '.join(missing)} (./setup.sh tests installs them)")
            if not _entered():
                _enter(program, case)
            return _run(program, case, self[case])
        except Skip as why:
            print(f"SKIP {case}: {why}")
            return SKIPPED
